# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # KL
#
# How far has the policy drifted from where it started? This lesson measures it from nothing but the sampled tokens, in three ways, and then shows that a good measurement may still be a poor loss.
#
# **Minutes:** 20 · **Needs:** [Token log-probs](https://grpo-lite.github.io/grpo-lite/lessons/token_logprobs/) · **Gives:** `grpo_lite.kl_k1`, `grpo_lite.kl_k2`, `grpo_lite.kl_k3`

# %% tags=["setup"]
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic(
        "pip",
        "install -q 'grpo-lite[plot] @ git+https://github.com/grpo-lite/grpo-lite'",
    )

import math

import torch

import grpo_lite
from grpo_lite import plotting

plotting.use_site_style()

# %% [markdown]
# ## The question
#
# A reward is a stand-in for what we want. Pay for long answers, and the policy learns to write without end. Pay for a number in a box, and it learns to put numbers in boxes. Finding the gap between the reward and the wish is called **reward hacking**, and optimisers are good at it.
#
# One remedy is a leash. Keep a frozen copy of the model from before training, the **reference** $\pi_{\text{ref}}$, and charge the policy $\pi_\theta$ for its distance from it. The price per unit of distance is $\beta$.
#
# Here is the leash in one line. Three kinds of answer: an honest one, a lazy one, and a trick that fools the reward. They pay 1, 0 and 1.2. The reference gives them with probability 0.60, 0.39 and 0.01, so it hardly ever uses the trick. The policy that gains the most from *reward minus $\beta$ times distance* has a closed form, $\pi \propto \pi_{\text{ref}} \cdot e^{r / \beta}$ (exercise 1 checks it).
#
# **Predict.** With no leash, $\beta = 0$, the trick wins. How large must $\beta$ be for the honest answer to win?

# %% tags=["result-leash"]
reference = torch.tensor([0.60, 0.39, 0.01])
reward = torch.tensor([1.0, 0.0, 1.2])
print("beta   honest lazy   trick")
for beta in (0.01, 0.04, 0.1, 1.0, 10.0):
    best = torch.softmax(reference.log() + reward / beta, dim=0)
    print(f"{beta:<6}", *(f"{p:.4f}" for p in best.tolist()))

# %% [markdown]
# The larger $\beta$, the shorter the leash. Between 0.04 and 0.1, at $0.2 / \ln 60 = 0.0488$, the honest answer takes over; at 10 the lazy answer is nearly as common as ever, and almost nothing has been learned. $\beta$ is measured in units of reward, so its right size depends on yours. DeepSeekMath uses 0.04. TRL's default is 0: no leash, and no reference to be kept in memory. Where a program checks every answer, there is less to hack.
#
# ## The distance, by hand
#
# The distance is the **Kullback-Leibler divergence**: how much more likely the policy makes a token than the reference does, in log, on average over what the *policy* would say. The sum goes over all tokens $v$ of the vocabulary.
#
# $$\mathrm{KL}(\pi_\theta \,\|\, \pi_{\text{ref}}) = \sum_{v} \pi_\theta(v) \, \log \frac{\pi_\theta(v)}{\pi_{\text{ref}}(v)}$$
#
# Take a vocabulary of two tokens, a and b, and two positions in a completion. At the first the policy has moved away from an even reference. At the second it is the other way round.
#
# | | policy a, b | reference a, b | log-ratio a, b | KL |
# |---|---|---|---|---|
# | position 1 | 0.75, 0.25 | 0.5, 0.5 | $\log 1.5 = 0.4055$, $\log 0.5 = -0.6931$ | $0.75 \cdot 0.4055 - 0.25 \cdot 0.6931 = 0.1308$ |
# | position 2 | 0.5, 0.5 | 0.75, 0.25 | $-0.4055$, $+0.6931$ | $-0.5 \cdot 0.4055 + 0.5 \cdot 0.6931 = 0.1438$ |

# %% tags=["result-exact-by-hand"]
policy = torch.tensor([[0.75, 0.25], [0.5, 0.5]], dtype=torch.float64)
reference = torch.tensor([[0.5, 0.5], [0.75, 0.25]], dtype=torch.float64)
(policy * (policy.log() - reference.log())).sum(dim=1)

# %% [markdown]
# The two positions hold the same pair of distributions, swapped, and the distances differ. **KL has a direction.** Here the policy comes first: it is the one that speaks, and it is charged for what it says. $\mathrm{KL}(\pi_\theta \| \pi_{\text{ref}})$ is called the *reverse* KL, and $\mathrm{KL}(\pi_{\text{ref}} \| \pi_\theta)$ the *forward* KL. Remember that there are two; both will come back.
#
# ## One token is all we have
#
# The sum runs over the vocabulary. At every position it needs all the log-probs of both models, some hundred thousand each. Lesson [Token log-probs](https://grpo-lite.github.io/grpo-lite/lessons/token_logprobs/) took care to keep only one of them: that of the token that was sampled.
#
# So we estimate. The sampled token is a draw from the policy, and KL is an average over such draws. We need a number for each token whose average is the KL. There are three well-known ones, after a note by John Schulman (2020). All start from the log-ratio of the sampled token, and all give one number for each token; how tokens are averaged over a completion is a matter for lesson [The loss](https://grpo-lite.github.io/grpo-lite/lessons/the_loss/).
#
# **k1** is the log-ratio itself:
#
# $$k_1 = \log\pi_\theta - \log\pi_{\text{ref}}$$
#
# **Predict.** A distance cannot be negative. Can k1?


# %% tags=["define-kl_k1"]
def kl_k1(logps, ref_logps):
    return logps - ref_logps.detach()


# %% tags=["result-k1-by-hand"]
k1 = kl_k1(policy.log(), reference.log())
print(k1)
print("mean", (policy * k1).sum(dim=1))

# %% [markdown]
# Each row holds the estimate for token a and for token b. Weighted with the probability of drawing them, they average to the exact 0.1308 and 0.1438: k1 is **unbiased**. But token b of position 1, which the policy says *less* often than the reference, counts as a distance of −0.6931. A log file may well show a negative "KL", and nothing is wrong.
#
# **k2** takes half the square, so that every move costs something, in either direction:
#
# $$k_2 = \tfrac12 (\log\pi_\theta - \log\pi_{\text{ref}})^2$$


# %% tags=["define-kl_k2"]
def kl_k2(logps, ref_logps):
    return (ref_logps.detach() - logps).square() / 2


# %% tags=["result-k2-by-hand"]
k2 = kl_k2(policy.log(), reference.log())
print(k2)
print("mean", (policy * k2).sum(dim=1))

# %% [markdown]
# Never negative now, but the averages are 0.1217 and 0.1612: near, not equal. k2 is **biased**.
#
# **k3** gets both. Write $d = \log\pi_{\text{ref}} - \log\pi_\theta = -k_1$, and add to k1 something whose average is exactly 0:
#
# $$k_3 = \underbrace{-d}_{k_1} + \underbrace{e^{d} - 1}_{\text{average } 0}$$
#
# Why 0? $e^d$ is $\pi_{\text{ref}} / \pi_\theta$. Averaged over the policy, that is $\sum_v \pi_\theta(v) \cdot \pi_{\text{ref}}(v) / \pi_\theta(v) = \sum_v \pi_{\text{ref}}(v) = 1$. And since $e^d \ge 1 + d$ for every $d$, the sum is never negative.
#
# By hand, for token a of position 1: $d = -0.4055$, $e^d = 0.6667$, so $k_3 = 0.4055 + 0.6667 - 1 = 0.0721$. For token b: $d = 0.6931$, $e^d = 2$, so $k_3 = -0.6931 + 2 - 1 = 0.3069$. A plain loop:


# %% tags=["result-k3-by-hand"]
def k3_in_a_loop(logps, ref_logps):
    estimates = torch.zeros_like(logps)
    for i, row in enumerate(logps.tolist()):
        for v, logp in enumerate(row):
            d = ref_logps[i, v].item() - logp
            estimates[i, v] = math.exp(d) - d - 1
    return estimates


k3 = k3_in_a_loop(policy.log(), reference.log())
print(k3)
print("mean", (policy * k3).sum(dim=1))

# %% [markdown]
# Exact averages, and no negative number anywhere. Vectorised, with `expm1(d)` for $e^d - 1$: near $d = 0$ the difference of two nearly equal numbers would lose its digits, and early in training every $d$ is near 0.


# %% tags=["define-kl_k3"]
def kl_k3(logps, ref_logps):
    d = ref_logps.detach() - logps
    return torch.expm1(d) - d


# %% [markdown]
# The reference is frozen, so all three cut it off from the gradient with `detach`. The same as in the packaged functions, on random log-probs: value, shape, type and gradient.


# %%
def compare(mine, packaged):
    generator = torch.Generator().manual_seed(0)
    for dtype in (torch.float32, torch.float64):
        logps, ref_logps = -3 * torch.rand(2, 4, 5, dtype=dtype, generator=generator)
        logps.requires_grad_(), ref_logps.requires_grad_()
        torch.testing.assert_close(mine(logps, ref_logps), packaged(logps, ref_logps))
        (my_gradient,) = torch.autograd.grad(mine(logps, ref_logps).sum(), logps)
        (gradient,) = torch.autograd.grad(packaged(logps, ref_logps).sum(), logps)
        torch.testing.assert_close(my_gradient, gradient)
        packaged(logps, ref_logps).sum().backward()
        assert ref_logps.grad is None  # the reference is a constant


# %% tags=["same-kl_k1"]
compare(kl_k1, grpo_lite.kl_k1)

# %% tags=["same-kl_k2"]
compare(kl_k2, grpo_lite.kl_k2)

# %% tags=["same-kl_k3"]
compare(kl_k3, grpo_lite.kl_k3)

# %% [markdown]
# **Check yourself.** At position 1 the token b is sampled, and k3 says 0.3069. Is that the KL at this position?
#
# <details class="wrong"><summary>Yes: k3 is right in value</summary>It is right on average over the draws. This is one draw; token a would have given 0.0721.</details>
# <details class="wrong"><summary>No: k1 has the KL, −0.6931</summary>That too is a single draw. Averaged, k1 gives 0.1308 as well, and a distance is never negative.</details>
# <details class="right"><summary>No: it is one draw of an average</summary>The policy draws a three times out of four: 0.75 · 0.0721 + 0.25 · 0.3069 = 0.1308, which is the KL.</details>

# %% [markdown]
# ## The picture
#
# Each estimator is a curve over the log-ratio of the sampled token. To the right are tokens that the policy likes more than the reference does, to the left tokens that it likes less.

# %% alt="Three curves over the log-ratio from -2 to 2. k1 is a straight line through 0, negative on the left. k2 is a parabola reaching 2 at both ends. k3 touches 0 at 0, climbs to 4.39 at -2 and only to 1.14 at 2."
log_ratio = torch.linspace(-2, 2, 81)
zero = torch.zeros_like(log_ratio)
estimators = {"k1": grpo_lite.kl_k1, "k2": grpo_lite.kl_k2, "k3": grpo_lite.kl_k3}
colors = {"k1": "negative", "k2": "other", "k3": "policy"}
plotting.lines(
    log_ratio,
    {name: k(log_ratio, zero) for name, k in estimators.items()},
    xlabel="log-ratio policy : reference (nats)",
    ylabel="estimate (nats)",
    colors=colors,
)

# %% [markdown]
# Near 0 the curves of k2 and k3 lie on each other. Further out they part: k3 rises like an exponential for tokens that the policy has nearly given up, and only like a straight line for tokens that it has taken up.
#
# ## Value and spread, exactly
#
# Two tokens are few. Here is a policy over five, and a reference. The last token is a habit: the reference says it 3% of the time, the policy 16%. With five tokens every average is a sum that we can write out, so nothing below is approximate.

# %% tags=["result-five-tokens"]
logits = torch.tensor([1.5, 1.0, 0.0, -1.0, 0.5], dtype=torch.float64)
logps = logits.log_softmax(dim=0)
ref_logits = torch.tensor([2.0, 1.0, 0.0, 0.0, -1.0], dtype=torch.float64)
ref_logps = ref_logits.log_softmax(dim=0)
probs, ref_probs = logps.exp(), ref_logps.exp()

reverse_kl = (probs * (logps - ref_logps)).sum()
forward_kl = (ref_probs * (ref_logps - logps)).sum()
print("policy   ", *(f"{p:.4f}" for p in probs))
print("reference", *(f"{p:.4f}" for p in ref_probs))
print(f"KL(policy || reference) {reverse_kl:.4f}")
print(f"KL(reference || policy) {forward_kl:.4f}")

# %% [markdown]
# **Predict.** k1 and k3 have the same mean. Which of them would you rather have, if you can afford only a few tokens?

# %% tags=["result-value-and-spread"]
mean, spread = {}, {}
for name, k in estimators.items():
    estimate = k(logps, ref_logps)
    mean[name] = (probs * estimate).sum().item()
    spread[name] = (probs * (estimate - mean[name]) ** 2).sum().sqrt().item()
    print(f"{name}  mean {mean[name]:.4f}  spread {spread[name]:.4f}", end="")
    print(f"  lowest {estimate.min():7.4f}")

# %% [markdown]
# The spread is the standard deviation of the estimate from a single token. The exact sums say what to expect; a hundred thousand sampled tokens agree with them:

# %% tags=["result-from-samples"]
generator = torch.Generator().manual_seed(0)
tokens = torch.multinomial(probs, 100_000, replacement=True, generator=generator)
sampled = {name: k(logps[tokens], ref_logps[tokens]) for name, k in estimators.items()}
for name, estimate in sampled.items():
    print(f"{name}  mean {estimate.mean():.3f}  spread {estimate.std():.3f}")

# %% alt="Bars of the mean and the spread of one estimate. Means: exact KL 0.186, k1 0.186, k2 0.272, k3 0.186. Spreads: exact 0, k1 0.713, k2 0.517, k3 0.314."
plotting.bars(
    {
        "mean": [reverse_kl.item(), *mean.values()],
        "spread of one token": [0.0, *spread.values()],
    },
    ["exact", "k1", "k2", "k3"],
    ylabel="nats",
    colors={"mean": "policy", "spread of one token": "clipped"},
)

# %% [markdown]
# k1 hits the mean with the widest spread, k2 misses the mean, k3 hits it with the narrowest spread. k3 is the estimator of DeepSeekMath (eq. 4). The paper calls it unbiased, and in value it is.

# %% [markdown] tags=["detail"]
# k3 is not always the narrow one. When the policy has nearly given up tokens that the reference still likes, $e^d$ is huge on the rare occasions when one of them is drawn. Multiply the policy's logits by 2, 4 and 8, which makes its rare tokens rarer, and see:

# %% tags=["result-far-away", "detail"]
print("stretch   KL       spread k1  spread k3")
for stretch in (1, 2, 4, 8):
    far_logps = (stretch * logits).log_softmax(dim=0)
    far_probs = far_logps.exp()
    kl = (far_probs * (far_logps - ref_logps)).sum()
    spreads = []
    for k in (grpo_lite.kl_k1, grpo_lite.kl_k3):
        estimate = k(far_logps, ref_logps)
        average = (far_probs * estimate).sum()
        spreads.append((far_probs * (estimate - average) ** 2).sum().sqrt())
    print(f"{stretch:<9} {kl:.4f}   {spreads[0]:<9.4f}  {spreads[1]:.4f}")

# %% [markdown]
# ## Value is not gradient
#
# So far we asked what an estimator *says*.
#
# > In a loss nobody reads the value; what counts is where its gradient pushes.
#
# We want the gradient of the exact KL. A training step computes something else. It draws tokens from the policy, evaluates k on them, and differentiates k. The draw itself is not differentiated: once a token is sampled, it is a constant. On average over the draws, the step follows the **expected gradient**
#
# $$\sum_v \underbrace{\pi_\theta(v)}_{\text{a constant}} \; \nabla_\theta \, k(v)$$
#
# and not the gradient of the average, $\nabla_\theta \sum_v \pi_\theta(v)\, k(v)$, in which the probabilities move too.
#
# **Predict.** The mean of k1 is exactly the KL. What is the expected gradient of k1 as a loss?

# %%
leaf = logits.clone().requires_grad_()
leaf_logps = leaf.log_softmax(dim=0)


def expected_gradient(estimate):
    """Average gradient over the policy's samples: the probabilities are constants."""
    return torch.autograd.grad((probs * estimate).sum(), leaf, retain_graph=True)[0]


def exact_gradient(kl):
    return torch.autograd.grad(kl, leaf, retain_graph=True)[0]


reverse = exact_gradient((leaf_logps.exp() * (leaf_logps - ref_logps)).sum())
forward = exact_gradient((ref_probs * (ref_logps - leaf_logps)).sum())


# %% tags=["result-gradients"]
def show(name, gradient):
    print(
        f"{name:<12}",
        *(f"{g + 0.0:8.4f}" for g in gradient.round(decimals=10).tolist()),
    )


k1_gradient, k2_gradient, k3_gradient = (
    expected_gradient(k(leaf_logps, ref_logps)) for k in estimators.values()
)
show("k1", k1_gradient)
show("k2", k2_gradient)
show("exact, π‖ref", reverse)
show("k3", k3_gradient)
show("exact, ref‖π", forward)

torch.testing.assert_close(k1_gradient, torch.zeros_like(k1_gradient))
torch.testing.assert_close(k2_gradient, reverse)
torch.testing.assert_close(k3_gradient, forward)

# %% [markdown]
# Read it slowly. All of it is about one token; what changes over a whole completion stands below.
#
# - **k1, perfect in value, has expected gradient 0.** Its gradient is that of $\log\pi_\theta$, and $\sum_v \pi_\theta \nabla \log\pi_\theta = \nabla \sum_v \pi_\theta = \nabla 1 = 0$. As a loss it does nothing but shake. (Averaged over each completion it does worse: it makes them longer.)
# - **k2, biased in value, has exactly the gradient of the reverse KL**, the one we wanted.
# - **k3, unbiased in value, has exactly the gradient of the forward KL**, the other direction.
#
# So GRPO's penalty, on the policy's own samples, pulls along $\mathrm{KL}(\pi_{\text{ref}} \| \pi_\theta)$. Both gradients vanish only where policy and reference agree, and close to that point they are nearly the same. Far away they differ. In the logits, the forward gradient is the difference of two probabilities, $\pi_\theta - \pi_{\text{ref}}$. That is an average: a single sample weighs $1 - e^d$, which has no bound. For the policy stretched by 8 above, k3's gradient has a spread of 2,498, with the ratio 0.47. The reverse one is $\pi_\theta \cdot (k_1 - \mathrm{KL})$, which all but ignores the tokens that the policy has given up.
#
# In a completion a changed token also changes which prefixes come up later. None of these gradients knows that, so none is that of the KL between completions ([Tang and Munos, arXiv:2506.09477](https://arxiv.org/abs/2506.09477)). Near the reference little is missing; far away it may be most ([Bias and variance](https://grpo-lite.github.io/grpo-lite/lessons/bias_and_variance/#the-kl-penalty)).
#
# The way back to the reverse KL is to let the probability of the token move after all. Multiply k3 by a factor that *is* 1 and yet has the gradient of $\log\pi_\theta$:
#
# $$\rho = \exp\big(\log\pi_\theta - \text{a frozen copy of } \log\pi_\theta\big)$$
#
# Lesson [Ratio and clipping](https://grpo-lite.github.io/grpo-lite/lessons/ratio_and_clipping/) builds this factor, the importance ratio. [DeepSeek-V3.2 (arXiv:2512.02556)](https://arxiv.org/abs/2512.02556) puts it on the KL term, against those unbounded weights, and in `grpo_lite.grpo_loss` it is called `use_bias_correction_kl` (with a sequence ratio it gives yet another gradient). TRL 1.16 has it on by default; DeepSeekMath, and our default, have it off.

# %% tags=["result-bias-correction"]
ratio = (leaf_logps - leaf_logps.detach()).exp()
corrected = expected_gradient(ratio * grpo_lite.kl_k3(leaf_logps, ref_logps))
show("k3 × ratio", corrected)
show("exact, π‖ref", reverse)
torch.testing.assert_close(corrected, reverse)

# %% [markdown]
# All of it in one picture: which rows are equal?

# %% alt="Six rows of five gradient components. k1 is all zeros. k2, k3 times ratio and the exact gradient of KL(policy, reference) are the same row, largest at the last token with 0.244. k3 equals the exact gradient of KL(reference, policy), with -0.154 at the first token and 0.132 at the last."
pulls = [k1_gradient, k2_gradient, corrected, reverse, k3_gradient, forward]
plotting.token_matrix(
    torch.stack(pulls).round(decimals=10) + 0.0,
    label="expected gradient on the logits (nats)",
    rows=["k1", "k2", "k3 × ratio", "exact π‖ref", "k3", "exact ref‖π"],
    decimals=3,
    ylabel="",
)

# %% [markdown]
# A descent step subtracts the gradient. Positive cells (the habit, token 4) are pushed down, negative cells up. The reverse rows work hardest on the habit; the forward rows work hardest on the first token, which the policy says too seldom.
#
# **Try it.** Draw tokens from the policy and watch the three estimates settle. Which of them has the gradient that you want?
#
# <kl-explorer>On the site there is a picture to play with here.</kl-explorer>

# %% [markdown]
# **Check yourself.** k2 misses the value: 0.2717 on average, where the KL is 0.1865. Is it a bad penalty?
#
# <details class="wrong"><summary>Yes: a wrong value pulls the wrong way</summary>Nobody reads the value of a loss. What pulls is the gradient, and that of k2 is right for the next token.</details>
# <details class="right"><summary>No: its expected gradient is that of the KL</summary>In the picture its row equals that of the exact KL, policy first. k2 is biased as a measurement and, for one token, exact as a penalty.</details>
# <details class="wrong"><summary>No: with enough tokens the bias averages out</summary>Noise averages out and a bias stays: 0.2717 is the average. It does no harm, because only the gradient acts.</details>

# %% [markdown]
# ## Break it: k1 as a loss
#
# "The KL term is the mean log-ratio, so add the mean log-ratio to the loss." It reads well, the logged value is right, and on average it pushes nowhere. Let us use each estimator as the *only* loss, with sampled tokens, and see who walks back to the reference.


# %% alt="Exact KL to the reference over 300 steps of pure KL loss, 16 sampled tokens a step. k2 and k3 fall from 0.19 to nearly 0; k1 wanders between 0.15 and 0.27."
def walk(k, steps=300, batch=16, lr=0.1):
    generator = torch.Generator().manual_seed(0)
    z = logits.clone().requires_grad_()
    path = []
    for _ in range(steps):
        logps = z.log_softmax(dim=0)
        path.append((logps.exp() * (logps - ref_logps)).sum().item())
        tokens = torch.multinomial(
            logps.detach().exp(), batch, replacement=True, generator=generator
        )
        (gradient,) = torch.autograd.grad(k(logps[tokens], ref_logps[tokens]).mean(), z)
        z = (z - lr * gradient).detach().requires_grad_()
    return path


paths = {name: walk(k) for name, k in estimators.items()}
plotting.lines(
    range(300), paths, xlabel="step", ylabel="exact KL (nats)", colors=colors
)

# %% [markdown]
# k2 and k3 bring the policy home. k1 takes a random walk, and no $\beta$ can mend that: a larger weight only makes the steps of the walk longer.

# %% [markdown] tags=["detail"]
# The noise grows with the length of the completions, too. Summed over $T$ independent tokens, the gradient of k1 on the logits has mean 0 and spread $\sqrt{T (1 - \sum_v \pi_\theta(v)^2)}$. Exact, and from 2000 sampled completions:

# %% tags=["result-noise-grows", "detail"]
generator = torch.Generator().manual_seed(0)
print("T     norm of the mean     spread   exact spread")
for T in (1, 4, 16, 64):
    completions = torch.multinomial(
        probs, 2000 * T, replacement=True, generator=generator
    ).view(2000, T)
    # Gradient of a summed log-prob on the logits: how often each token came,
    # minus how often it should.
    counts = torch.nn.functional.one_hot(completions, 5).sum(dim=1).double()
    gradients = counts - T * probs
    sampled = gradients.square().sum(dim=1).mean().sqrt()
    exact = (T * (1 - probs.square().sum())).sqrt()
    print(f"{T:<5} {gradients.mean(dim=0).norm():<20.2f} {sampled:<8.2f} {exact:.2f}")

# %% [markdown]
# The repair is to take k3 (or k2), or k3 with the ratio. k1 is for the log file. (Subtracted from the *reward*, k1 is right too: nobody differentiates a reward. It becomes part of the advantage, and that moves the probabilities.)
#
# ## Break it: the log-ratio the wrong way round
#
# Which of the two log-probs comes first? Swap them by accident, and k1 becomes minus the KL, which somebody will notice. k3 is still 0 where the models agree and still never negative, so nobody will.
#
# **Predict.** Is the mean of the swapped k3 the KL in the other direction?

# %% tags=["result-mirrored"]
d = logps - ref_logps  # the wrong way round
swapped_k1 = -d
swapped_k3 = torch.expm1(d) - d
chi_squared = (probs**2 / ref_probs).sum() - 1
print(f"KL(policy || reference)   {reverse_kl:.4f}")
print(f"KL(reference || policy)   {forward_kl:.4f}")
print(f"mean of swapped k1       {(probs * swapped_k1).sum():.4f}")
print(f"mean of swapped k3        {(probs * swapped_k3).sum():.4f}")
print(f"chi-squared - KL          {chi_squared - reverse_kl:.4f}")

# %% [markdown]
# It is neither. The tokens still come from the policy, so the added term no longer averages to 0: it averages to $\sum_v \pi_\theta^2 / \pi_{\text{ref}} - 1$, a quantity called $\chi^2$. What is estimated is $\chi^2 - \mathrm{KL}$, more than twice the true distance here. Worse is where it explodes: on tokens that the policy *has taken up*, which are the ones that get sampled.

# %% tags=["result-mirrored-tokens"]
print("policy / reference   k3       swapped k3")
for times in (2, 10, 100, 1000):
    log_ratio = torch.tensor([math.log(times)], dtype=torch.float64)
    right = grpo_lite.kl_k3(log_ratio, torch.zeros_like(log_ratio)).item()
    swapped = grpo_lite.kl_k3(-log_ratio, torch.zeros_like(log_ratio)).item()
    print(f"{times:<20} {right:<8.4f} {swapped:.4f}")

# %% [markdown]
# The test that catches it is the one that we have been using all along: compare with the exact KL over a vocabulary small enough to write out. A test in which both models agree, or one that repeats the formula, sees nothing.
#
# ## Exercises
#
# **1. The shortest leash.** The opening said that $\pi \propto \pi_{\text{ref}} \cdot e^{r/\beta}$ maximises the expected reward minus $\beta$ times the KL. Check it with autograd: at that policy the gradient on the logits must be 0.

# %% tags=["solution"]
beta = 0.04
ref_log = torch.tensor([0.60, 0.39, 0.01], dtype=torch.float64).log()
z = (ref_log + reward.double() / beta).requires_grad_()
log_pi = z.log_softmax(dim=0)
objective = (log_pi.exp() * (reward - beta * (log_pi - ref_log))).sum()
(gradient,) = torch.autograd.grad(objective, z)
torch.testing.assert_close(gradient, torch.zeros_like(gradient))

# %% [markdown]
# **2. Find the bug.** A colleague checks the KL term on a batch of eight numbers and is pleased: it is 0, so the policy has not moved. Which input would have shown the mistake?


# %%
def suspicious_kl(logits, ref_logits):
    logps, ref_logps = logits.log_softmax(dim=-1), ref_logits.log_softmax(dim=-1)
    return (logps.exp() * (logps - ref_logps)).sum(dim=-1)


suspicious_kl(torch.arange(8.0).view(8, 1), torch.zeros(8, 1))

# %% [markdown] tags=["solution"]
# The function is right, the input is not. Its last axis must be the vocabulary, and here it has length 1. A softmax over one number is 1 whatever the number, so the KL is 0 for *any* input. It happens when log-probs of sampled tokens, shape [8, 1], are handed to code that expects logits. An input whose known answer is not 0 would have shown it:

# %% tags=["solution"]
by_hand = suspicious_kl(policy.log(), reference.log())
torch.testing.assert_close(
    by_hand, torch.tensor([0.1308, 0.1438], dtype=torch.float64), atol=1e-4, rtol=0
)

# %% [markdown]
# **3. Stale samples.** The tokens may have been sampled by an *old* policy, a few steps ago. Take reference and policy over five tokens from above, and an old policy with logits 1.5, 1, 0, −1, 0. What is the mean of k3 over the old policy's tokens? What is it after each estimate is multiplied by $\pi_\theta / \pi_{\text{old}}$?

# %% tags=["solution"]
old_logits = torch.tensor([1.5, 1.0, 0.0, -1.0, 0.0], dtype=torch.float64)
old_logps = old_logits.log_softmax(dim=0)
stale_k3 = grpo_lite.kl_k3(logps, ref_logps)
ratio = (logps - old_logps).exp()
print(f"exact KL        {reverse_kl:.4f}")
print(f"k3, old tokens  {(old_logps.exp() * stale_k3).sum():.4f}")
print(f"k3 × ratio      {(old_logps.exp() * ratio * stale_k3).sum():.4f}")

# %% [markdown] tags=["solution"]
# On somebody else's samples k3 is biased. For one token the ratio repairs the value as well as the gradient: $\sum_v \pi_{\text{old}} \cdot \frac{\pi_\theta}{\pi_{\text{old}}} \cdot k_3 = \sum_v \pi_\theta \cdot k_3$. Over a completion it does not: how often each prefix comes up is still the old policy's. Why it works is the subject of lesson [Ratio and clipping](https://grpo-lite.github.io/grpo-lite/lessons/ratio_and_clipping/).

# %% [markdown]
# ## What to remember
#
# > **Remember.** The KL penalty is a leash to the frozen reference, and $\beta$ is its price. From samples of the policy, k1 and k3 are right in value, and k3 is never negative. As a loss, for the next token, k1 pushes nowhere, k2 follows KL(policy ‖ reference), k3 follows KL(reference ‖ policy), and k3 times the ratio follows KL(policy ‖ reference) again.
#
# One consequence for later: the penalty does not know about rewards. A group in which all rewards are equal gives no push from its advantages, but with $\beta > 0$ it is still pulled towards the reference.
#
# Sources: J. Schulman, *Approximating KL Divergence* (2020), for k1, k2 and k3; [DeepSeekMath, eq. 4 (arXiv:2402.03300)](https://arxiv.org/abs/2402.03300) for k3 in GRPO; [DeepSeek-V3.2 (arXiv:2512.02556)](https://arxiv.org/abs/2512.02556) for the ratio on it; [arXiv:2506.09477](https://arxiv.org/abs/2506.09477) for what is missing over completions. The gradients we computed ourselves, above.
#
# **From here:** [Ratio and clipping](https://grpo-lite.github.io/grpo-lite/lessons/ratio_and_clipping/) takes several steps on the same samples, and asks how far one may go.
