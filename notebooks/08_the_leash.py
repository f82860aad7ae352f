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
# # The leash
#
# Left alone, a policy may drift to where the reward can be fooled. The leash is a price for drifting: set it, and measure the drift from sampled tokens.
#
# **Minutes:** 15 · **Needs:** [Token log-probs](https://grpo-lite.github.io/grpo-lite/lessons/token_logprobs/) · **Gives:** `grpo_lite.kl_k1`, `grpo_lite.kl_k2`, `grpo_lite.kl_k3`

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

# %% tags=["setup"]
# What the first picture shows: the best policy for each price.
reference = torch.tensor([0.60, 0.39, 0.01])
reward = torch.tensor([1.0, 0.0, 1.2])
prices = [0.01, 0.04, 0.1, 1.0, 10.0]
best = torch.stack([(reference.log() + reward / beta).softmax(0) for beta in prices])
winners = [["honest", "lazy", "trick"][i] for i in best.argmax(dim=1)]

# %% [markdown]
# ## The question
#
# A reward is only a stand-in for what we want (lesson [Rewards](https://grpo-lite.github.io/grpo-lite/lessons/rewards/)). One remedy is a leash. Keep a frozen copy of the model from before training, the **reference** $\pi_{\text{ref}}$, and charge the policy $\pi_\theta$ for its distance from it. The price per unit of distance is $\beta$.
#
# A prompt has three kinds of answer, honest, lazy, and a trick that fools the reward. They pay 1, 0 and 1.2; the reference gives them with probability 0.60, 0.39 and 0.01. The policy that gains the most from *reward minus $\beta$ times distance* has a closed form, $\pi \propto \pi_{\text{ref}} \cdot e^{r / \beta}$ (exercise 1 checks it).
#
# With no leash, $\beta = 0$, the trick wins. How large must $\beta$ be for the honest answer to win?

# %% tags=["drawing"] alt="Bars of the probability of the honest, the lazy and the trick answer under the best policy, for five prices. At 0.01 the trick has 1.00, at 0.04 it has 0.71 and the honest answer 0.29, at 0.1 the honest answer has 0.89, at 1 it has 0.79 and the lazy one 0.19, at 10 honest 0.62 and lazy 0.37." caption="Too low a price lets the trick win, too high a price brings the lazy answer back."
plotting.bars(
    dict(zip(["honest", "lazy", "trick"], best.T, strict=True)),
    [f"{beta:g}\n{who}" for beta, who in zip(prices, winners, strict=True)],
    ylabel="probability under the best policy",
    xlabel="price of distance, beta, and the likeliest answer",
    colors={"honest": "positive", "lazy": "clipped", "trick": "negative"},
)

# %% tags=["result-leash"]
kinds = dict(zip(("honest", "lazy", "trick"), best.T, strict=True))
plotting.table({"beta": map(str, prices), **kinds}, decimals=4)

# %% [markdown]
# The larger $\beta$, the shorter the leash. Honest and trick are equally likely where $0.60\, e^{1/\beta} = 0.01\, e^{1.2/\beta}$, that is $60 = e^{0.2/\beta}$, at $\beta = 0.2 / \ln 60 = 0.0488$. Above, the honest answer wins. At 10 the lazy answer is nearly as common as ever: almost nothing has been learned. Here $\beta$ is in units of reward. GRPO's default divides rewards by their spread; there it is in units of the spread, and these prices do not carry over.
#
# Which $\beta$, then? Where a program checks every answer, there is less to hack: take 0, as [DAPO (arXiv:2503.14476)](https://arxiv.org/abs/2503.14476) and [Dr. GRPO (arXiv:2503.20783)](https://arxiv.org/abs/2503.20783) do. It is TRL's default: no leash, and no reference to be kept in memory. Where the reward is a learned model, or can be fooled, begin with a small price (DeepSeekMath uses 0.04), watch `kl`, read samples, and raise it if a trick comes up. As the picture shows, 0.04 is no safe number in itself. You may skip the rest of this lesson for now, if your $\beta$ is 0.
#
# ## The distance, by hand
#
# The distance is the **Kullback-Leibler divergence**, KL: how much more likely the policy makes a token than the reference does, in log, on average over what the *policy* would say. The sum goes over all tokens $v$ of the vocabulary.
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
# The two positions hold the same pair of distributions, swapped, and the distances differ. **KL has a direction.** Here the policy comes first: it is the one that speaks, and it is charged for what it says. $\mathrm{KL}(\pi_\theta \| \pi_{\text{ref}})$ is called the *reverse* KL, and $\mathrm{KL}(\pi_{\text{ref}} \| \pi_\theta)$ the *forward* KL.
#
# Which one do we want on a leash? The reverse one is large where the policy often says what the reference hardly ever says, which is what a trick does. The forward one is large where the policy no longer says what the reference says. Against tricks one wants the reverse one, and the best policies of the opening are those for it.
#
# ## One token is all we have
#
# The sum runs over the vocabulary. At every position it needs all the log-probs of both models, a hundred thousand each, and we have kept only those of the token that was sampled (lesson [Token log-probs](https://grpo-lite.github.io/grpo-lite/lessons/token_logprobs/)).
#
# So we estimate. The sampled token is a draw from the policy, and KL is an average over such draws. We need a number for each token whose average is the KL. There are three well-known ones, after a note by John Schulman (2020).
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
# Yes. Token b of position 1, which the policy says *less* often than the reference, counts −0.6931. A log file may well show a negative "KL".
#
# Each position has an estimate for token a and one for token b. Weighted with the probability of drawing them, they average to the exact 0.1308 and 0.1438: k1 is **unbiased**.
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


# %% tags=["same-kl_k1"] caption="value and gradient, 4 × 5 random tokens, two precisions; the reference is a constant"
compare(kl_k1, grpo_lite.kl_k1)

# %% tags=["same-kl_k2"] caption="value and gradient, 4 × 5 random tokens, two precisions; the reference is a constant"
compare(kl_k2, grpo_lite.kl_k2)

# %% tags=["same-kl_k3"] caption="value and gradient, 4 × 5 random tokens, two precisions; the reference is a constant"
compare(kl_k3, grpo_lite.kl_k3)

# %% [markdown]
# **Check yourself.** At position 1 the token b is sampled, and k3 says 0.3069. Is that the KL at this position?
#
# <details class="wrong"><summary>Yes: k3 is right in value</summary>It is right on average over the draws. This is one draw; token a would have given 0.0721.</details>
# <details class="wrong"><summary>No: k1 has the KL, −0.6931</summary>That too is a single draw. Averaged, k1 gives 0.1308 as well, and a distance is never negative.</details>
# <details class="right"><summary>No: it is one draw of an average</summary>The policy draws a three times out of four: 0.75 · 0.0721 + 0.25 · 0.3069 = 0.1308, which is the KL.</details>

# %% [markdown]
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
print(f"KL(policy || reference) {reverse_kl:.4f}")
print(f"KL(reference || policy) {forward_kl:.4f}")
plotting.table({"policy": probs, "reference": ref_probs}, decimals=4)

# %% [markdown]
# **Predict.** k1 and k3 have the same mean. Which of them would you rather have, if you can afford only a few tokens?

# %% tags=["result-value-and-spread"]
mean, spread, lowest = {}, {}, {}
estimators = {"k1": grpo_lite.kl_k1, "k2": grpo_lite.kl_k2, "k3": grpo_lite.kl_k3}
for name, k in estimators.items():
    estimate = k(logps, ref_logps)
    mean[name] = (probs * estimate).sum().item()
    spread[name] = (probs * (estimate - mean[name]) ** 2).sum().sqrt().item()
    lowest[name] = estimate.min()
columns = {"mean": mean, "spread": spread, "lowest": lowest}
columns = {name: list(column.values()) for name, column in columns.items()}
plotting.table({"estimator": list(estimators), **columns}, decimals=4)

# %% [markdown]
# The spread is the standard deviation of the estimate from a single token. k1 hits the mean with the widest spread, k2 misses the mean, k3 hits it with the narrowest spread. k3 is the estimator of DeepSeekMath (eq. 4). The paper calls it unbiased, and in value it is.
#
# **Try it.** Draw a hundred tokens and watch the three estimates settle around the exact KL. **The goal:** draw until the means of k1 and of k3 both show the exact KL to two decimals. (Which is first is partly luck; k3, with the smaller spread, is the likelier. The tab with the gradients is the matter of another lesson.)
#
# <kl-explorer>On the site there is a picture to play with here.</kl-explorer>

# %% [markdown] tags=["detail"]
# k3 is not always the narrow one. When the policy has nearly given up tokens that the reference still likes, $e^d$ is huge on the rare occasions when one of them is drawn. Multiply the policy's logits by 2, 4 and 8, which makes its rare tokens rarer. (At 2 the KL falls at first: the habit goes from 16% down to 9%, nearer to the 3% of the reference.)

# %% tags=["result-far-away", "detail"]
columns = {"stretch": [1, 2, 4, 8], "KL": [], "spread k1": [], "spread k3": []}
for stretch in columns["stretch"]:
    far_logps = (stretch * logits).log_softmax(dim=0)
    far_probs = far_logps.exp()
    columns["KL"].append((far_probs * (far_logps - ref_logps)).sum())
    for name, k in (("k1", grpo_lite.kl_k1), ("k3", grpo_lite.kl_k3)):
        estimate = k(far_logps, ref_logps)
        average = (far_probs * estimate).sum()
        spread = (far_probs * (estimate - average) ** 2).sum().sqrt()
        columns[f"spread {name}"].append(spread)
plotting.table(columns, decimals=4)

# %% [markdown]
# ## A measurement is not a penalty
#
# So far we asked what an estimator *says*. In a loss nobody reads the value; what counts is where its gradient pushes, and that is another question with other answers. What you need to know of them, if you set $\beta$ above 0:
#
# - k3 in the loss, as here and in DeepSeekMath, pulls towards the reference, but, token by token, along the gradient of the *forward* KL, although its value estimates the reverse one. So it does not lead exactly to the best policies of the opening. k2 has, token by token, the gradient of the reverse KL. Near the reference the two pulls are nearly the same.
# - k1 in the loss does not: its gradient is the score of the sampled token, and the score is 0 on average ([Why it works](https://grpo-lite.github.io/grpo-lite/lessons/why_it_works/) proves it). k1 is for the log file, or for the reward.
# - The penalty does not know about rewards. A group whose rewards are all equal is not pushed by its advantages, but with $\beta > 0$ it is still pulled towards the reference.
#
# Lesson [The gradients of KL](https://grpo-lite.github.io/grpo-lite/lessons/gradients_of_kl/) derives this, and shows how far apart the two directions are.

# %% [markdown]
# ## Break it: the log-ratio the wrong way round
#
# Which of the two log-probs comes first? Swap them by accident, and k1 becomes minus the KL, which somebody will notice. k3 is still 0 where the models agree, and still never negative. Nobody will notice.
#
# **Predict.** Is the mean of the swapped k3 the KL in the other direction?

# %% tags=["result-mirrored"]
d = logps - ref_logps  # the wrong way round
swapped_k1 = -d
swapped_k3 = torch.expm1(d) - d
chi_squared = (probs**2 / ref_probs).sum() - 1
found = {"KL(policy || reference)": reverse_kl, "KL(reference || policy)": forward_kl}
found |= {"mean of swapped k1": (probs * swapped_k1).sum()}
found |= {"mean of swapped k3": (probs * swapped_k3).sum()}
found |= {"chi-squared - KL": chi_squared - reverse_kl}
plotting.table({"": list(found), "value": list(found.values())}, decimals=4)

# %% [markdown]
# It is neither. The tokens still come from the policy, so the added term no longer averages to 0: it averages to $\sum_v \pi_\theta^2 / \pi_{\text{ref}} - 1$, a quantity called $\chi^2$. What is estimated is $\chi^2 - \mathrm{KL}$, more than twice the true distance here. Worse is where it explodes: on tokens that the policy *has taken up*, which are the ones that get sampled.

# %% tags=["result-mirrored-tokens"]
times = torch.tensor([2, 10, 100, 1000])
log_ratio, zero = times.double().log(), torch.zeros(4, dtype=torch.float64)
right, swapped = (grpo_lite.kl_k3(sign * log_ratio, zero) for sign in (1, -1))
plotting.table(
    {"policy / reference": times, "k3": right, "swapped k3": swapped}, decimals=4
)

# %% [markdown]
# The test that catches it is the one that we have been using all along: compare with the exact KL over a vocabulary small enough to write out. A test in which both models agree, or one that repeats the formula, sees nothing.
#
# ## Exercises
#
# **1. The best policy.** *Medium, 10 minutes.* The opening said that $\pi \propto \pi_{\text{ref}} \cdot e^{r/\beta}$ maximises the expected reward minus $\beta$ times the KL. Check it with autograd: at that policy the gradient on the logits must be 0.

# %%
# Your turn.

# %% tags=["solution"]
beta = 0.04
ref_log = torch.tensor([0.60, 0.39, 0.01], dtype=torch.float64).log()
z = (ref_log + reward.double() / beta).requires_grad_()
log_pi = z.log_softmax(dim=0)
objective = (log_pi.exp() * (reward - beta * (log_pi - ref_log))).sum()
(gradient,) = torch.autograd.grad(objective, z)
torch.testing.assert_close(gradient, torch.zeros_like(gradient))

# %% [markdown]
# **2. Find the bug.** *Easy, 5 minutes.* A colleague checks the KL term on a batch of eight numbers and is pleased: it is 0, so the policy has not moved. Which input would have shown the mistake?


# %%
def suspicious_kl(logits, ref_logits):
    logps, ref_logps = logits.log_softmax(dim=-1), ref_logits.log_softmax(dim=-1)
    return (logps.exp() * (logps - ref_logps)).sum(dim=-1)


suspicious_kl(torch.arange(8.0).view(8, 1), torch.zeros(8, 1))

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# The function is right, the input is not. Its last axis must be the vocabulary, and here it has length 1. A softmax over one number is 1 whatever the number, so the KL is 0 for *any* input. It happens when log-probs of sampled tokens, shape [8, 1], are handed to code that expects logits. An input whose known answer is not 0 would have shown it:

# %% tags=["solution"]
by_hand = suspicious_kl(policy.log(), reference.log())
torch.testing.assert_close(
    by_hand, torch.tensor([0.1308, 0.1438], dtype=torch.float64), atol=1e-4, rtol=0
)

# %% [markdown]
# ## What to remember
#
# > **Remember.** The KL penalty is a leash to the frozen reference, and $\beta$ is its price, in units of reward or, where rewards are divided by it, of their spread. The distance is $\mathrm{KL}(\pi_\theta \| \pi_{\text{ref}})$, policy first. From sampled tokens, k1 and k3 are right on average, and k3 is never negative; its gradient is that of the other direction. The order of the two log-probs matters: check it against an exact KL. Whether an estimate is a good penalty is another question.
#
# Sources: J. Schulman, *Approximating KL Divergence* (2020), for k1, k2 and k3; [DeepSeekMath, eq. 4 (arXiv:2402.03300)](https://arxiv.org/abs/2402.03300) for k3 in GRPO.
#
# **From here:** [The loss](https://grpo-lite.github.io/grpo-lite/lessons/the_loss/) puts advantages, ratio, clip and leash together into one number with a gradient.
