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
# # The gradients of KL
#
# A penalty can print the right number and pull the wrong way. Which way does each KL penalty pull? Read this if you train with $\beta$ above 0, or read code that does.
#
# **Minutes:** 15 · **Needs:** [The loss](https://grpo-lite.github.io/grpo-lite/lessons/the_loss/) · **Gives:** what k1, k2 and k3 do as a penalty, for a token and for a completion

# %% tags=["setup"]
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic(
        "pip",
        "install -q 'grpo-lite[plot] @ git+https://github.com/grpo-lite/grpo-lite'",
    )

import torch

import grpo_lite
from grpo_lite import plotting

plotting.use_site_style()

# %% tags=["setup"]
logits = torch.tensor([1.5, 1.0, 0.0, -1.0, 0.5], dtype=torch.float64)
ref_logits = torch.tensor([2.0, 1.0, 0.0, 0.0, -1.0], dtype=torch.float64)
logps, ref_logps = logits.log_softmax(dim=0), ref_logits.log_softmax(dim=0)
probs, ref_probs = logps.exp(), ref_logps.exp()
estimators = {"k1": grpo_lite.kl_k1, "k2": grpo_lite.kl_k2, "k3": grpo_lite.kl_k3}
colors = {"k1": "negative", "k2": "other", "k3": "policy"}


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

# %% [markdown]
# ## The question
#
# Lesson [The leash](https://grpo-lite.github.io/grpo-lite/lessons/the_leash/) measured the distance between policy and reference from sampled tokens, by $k_1 = -d$, $k_2 = d^2/2$ and $k_3 = e^d - d - 1$, with $d = \log\pi_{\text{ref}} - \log\pi_\theta$. The mean of k1 and of k3 is exactly the KL; that of k2 comes close to it near the reference.
#
# Let us use each as the *only* loss, for policy and reference of that lesson: five tokens, of which the policy has made the last a habit. Each step draws 16 tokens and goes down the gradient of the mean estimate. There is no reward, so all that the policy can do is come back. Which of the three bring it home?

# %% tags=["drawing"] alt="Exact KL to the reference over 300 steps of pure KL loss, 16 sampled tokens a step. k2 and k3 fall from 0.19 to nearly 0; k1 wanders between 0.15 and 0.27." caption="As a penalty k1 leads nowhere; k2 and k3 lead back to the reference."
plotting.lines(
    range(300),
    paths,
    xlabel="step",
    ylabel="exact KL (nats)",
    colors=colors,
    marks={(90, 0.1): "k1 finds no way back"},
)

# %% [markdown]
# k2 and k3 bring the policy home. k1 takes a random walk, and no $\beta$ can mend that: a larger weight only makes the steps of the walk longer. Yet its logged value is right.
#
# ## Value is not gradient
#
# > In a loss nobody reads the value; what counts is where its gradient pushes.
#
# We want the gradient of the exact KL, $\nabla_\theta \sum_v \pi_\theta(v)\, k(v)$, in which the probabilities move too. A training step computes something else. It draws tokens from the policy and differentiates k at these tokens. The draw itself is not differentiated: once a token is sampled, it is a constant. On average over the draws, the step follows the **expected gradient**
#
# $$\sum_v \underbrace{\pi_\theta(v)}_{\text{a constant}} \; \nabla_\theta \, k(v)$$
#
# **Predict.** The mean of k1 is exactly the KL. What is the expected gradient of k1 as a loss? (It has a name that you know: $\nabla k_1 = \nabla \log \pi_\theta$.)

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
def show(gradients):
    """A row for each, a column for each token."""
    columns = dict(zip("abcde", torch.stack(list(gradients.values())).T, strict=True))
    return plotting.table({"": list(gradients), **columns}, decimals=4)


k1_gradient, k2_gradient, k3_gradient = (
    expected_gradient(k(leaf_logps, ref_logps)) for k in estimators.values()
)
torch.testing.assert_close(k1_gradient, torch.zeros_like(k1_gradient))
torch.testing.assert_close(k2_gradient, reverse)
torch.testing.assert_close(k3_gradient, forward)

both = {"k2": k2_gradient, "exact, π‖ref": reverse}
both |= {"k3": k3_gradient, "exact, ref‖π": forward}
show({"k1": k1_gradient} | both)

# %% [markdown]
# Read it slowly. All of it is about one token (what changes over a whole completion stands below):
#
# - **k1, perfect in value, has expected gradient 0.** As a loss it does nothing but shake.
# - **k2, biased in value, has exactly the gradient of the reverse KL**, $\mathrm{KL}(\pi_\theta \| \pi_{\text{ref}})$, the one we wanted.
# - **k3, unbiased in value, has exactly the gradient of the forward KL**, $\mathrm{KL}(\pi_{\text{ref}} \| \pi_\theta)$, the other direction.
#
# Why? Each gradient is a number times the score $s = \nabla\log\pi_\theta$, whose average is zero: the lemma of lesson [Why it works](https://grpo-lite.github.io/grpo-lite/lessons/why_it_works/). (Exercise 1 fills in the lines.)
#
# | | gradient | on average | which is the gradient of |
# |---|---|---|---|
# | k1 | $s$ | $\sum_v \pi_\theta\, s = 0$ | nothing |
# | k2 | $-d\,s = k_1 s$ | $\sum_v \pi_\theta k_1 s$ | $\sum_v \pi_\theta k_1$, the reverse KL |
# | k3 | $(1 - e^d)\,s$ | $-\sum_v \pi_{\text{ref}}\, s$ | the forward KL |
#
# So GRPO's penalty, on the policy's own samples, pulls along the forward KL. Both gradients vanish only where policy and reference agree, and close to that point they are nearly the same.
#
# Far away they differ. In the logits, the forward gradient is the difference of two probabilities, $\pi_\theta - \pi_{\text{ref}}$. The reverse one is $\pi_\theta \cdot (k_1 - \mathrm{KL})$, which all but ignores the tokens that the policy has given up.
#
# ## The ratio brings the reverse KL back
#
# What k3 lacks is that the probability of the token moves too. So multiply it by a factor that *is* 1 and yet has the gradient of $\log\pi_\theta$, the importance ratio of lesson [Ratio and clipping](https://grpo-lite.github.io/grpo-lite/lessons/ratio_and_clipping/) at its first step:
#
# $$\rho = \exp\big(\log\pi_\theta - \text{a frozen copy of } \log\pi_\theta\big)$$

# %% tags=["result-bias-correction"]
ratio = (leaf_logps - leaf_logps.detach()).exp()
corrected = expected_gradient(ratio * grpo_lite.kl_k3(leaf_logps, ref_logps))
torch.testing.assert_close(corrected, reverse)
show({"k3 × ratio": corrected, "exact, π‖ref": reverse})

# %% [markdown]
# All of it in one picture: which rows are equal?

# %% alt="Six rows of five gradient components. k1 is all zeros. k2, k3 times ratio and the exact gradient of KL(policy, reference) are the same row, largest at the last token with 0.244. k3 equals the exact gradient of KL(reference, policy), with -0.154 at the first token and 0.132 at the last." caption="k1 pulls nowhere, k2 and k3 × ratio along KL(π‖ref), k3 along KL(ref‖π)."
pulls = [k1_gradient, k2_gradient, corrected, reverse, k3_gradient, forward]
plotting.token_matrix(
    torch.stack(pulls).round(decimals=10) + 0.0,
    label="expected gradient on the logits (nats)",
    rows=["k1", "k2", "k3 × ratio", "exact π‖ref", "k3", "exact ref‖π"],
    decimals=3,
    ylabel="",
)

# %% [markdown]
# A descent step subtracts the gradient. Positive cells (the habit, the last token) are pushed down, negative cells up. The reverse rows work hardest on the habit; the forward rows work hardest on the first token, which the policy says too seldom.
#
# In `grpo_lite.grpo_loss` this factor is called `use_bias_correction_kl`. TRL 1.16 has it on by default; DeepSeekMath, and our default, have it off. (With a sequence ratio it gives yet another gradient.)
#
# ## What a single sample weighs
#
# No component of $\pi_\theta - \pi_{\text{ref}}$ exceeds 1, so k3 is tame on average. A single sample of it is not. It weighs $1 - e^d$, which has no bound: the rare token that the policy has given up comes with a huge weight. With the ratio, a sample weighs $-d$, exactly as one of k2. The two differ only in the value that is logged: that of k3 is right on average.
#
# Stretch the logits of the policy by a factor of 8, so that its rare tokens get rarer, and look at the spread of single gradients:

# %% tags=["result-unbounded"]
far = (8 * logits).log_softmax(dim=0)
d = ref_logps - far
columns = {"": ["k3", "k3 × ratio"], "largest average": [], "spread": []}
for weight in (1 - d.exp(), -d):
    single = weight[:, None] * (torch.eye(5) - far.exp())  # weight times score
    average = far.exp() @ single
    spread = (far.exp() @ (single - average).square().sum(dim=1)).sqrt()
    columns["largest average"].append(average.abs().max())
    columns["spread"].append(spread)
plotting.table(columns)

# %% [markdown]
# A spread of 2,498, with the ratio 0.47. Nearly all of it is token d, which the policy hardly ever draws: most batches look calm, and then comes one that does not. That is why [DeepSeek-V3.2 (arXiv:2512.02556)](https://arxiv.org/abs/2512.02556) puts the ratio on the KL term.
#
# ## Over a completion
#
# All this was about one token at a fixed beginning. In a completion two things change.
#
# **Later tokens.** A changed token also changes which beginnings come up later. None of these gradients knows that, so none is that of the KL between completions ([Tang and Munos, arXiv:2506.09477](https://arxiv.org/abs/2506.09477)). Near the reference little is missing; far away it may be most.
#
# How much? [A test](https://github.com/grpo-lite/grpo-lite/blob/main/tests/test_claims.py) takes 200 random pairs of policies over 15 completions, and the cosine between k2's gradient and the exact one: median 0.94, 3 below 0 when summed over the tokens; median 0.92, 7 below 0 when averaged over each completion.
#
# **The mean over a completion.** Lesson [The loss](https://grpo-lite.github.io/grpo-lite/lessons/the_loss/) divides the sum of a completion by its length, and the length is drawn too. Then the expected gradient of k1 is no longer 0: it is that of the mean of $1/\lvert o \rvert$, whatever the reference. So k1 in the loss makes completions longer. In 100 steps of k1 alone, in the world of that test, the mean length grew from 2.1 to 2.9 of at most 3 tokens, and the KL grew from 0.43 to 1.42.
#
# Here are both in another small world, for completions of at most three tokens over a new vocabulary of two, x and the end. Every completion is listed, so the sums are exact.

# %% tags=["result-completions"]
# Rows: no token yet, one x, two x. Columns: x, end.
# So the completions are: end, x end, x x end, x x x.
rows = torch.tensor([[0, 0, 0], [0, 1, 1], [0, 1, 2], [0, 1, 2]])
drawn = torch.tensor([[1, 1, 1], [0, 1, 1], [0, 0, 1], [0, 0, 0]])
counts = torch.tensor([[1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 1, 1]])
table = torch.tensor([[0.0, 0.5], [1.0, 0.0], [0.5, 1.0]], dtype=torch.float64)
ref_table = torch.tensor([[1.0, 0.0], [0.0, 1.5], [1.0, 0.0]], dtype=torch.float64)
table.requires_grad_()


def logps_of(logits):
    return counts * logits.log_softmax(dim=1)[rows, drawn]


now, then = logps_of(table), logps_of(ref_table)
chance = now.sum(dim=1).exp()
lengths = counts.sum(dim=1).double()


def slope(value):
    pulls = torch.autograd.grad(value, table, retain_graph=True)[0][:, 0]
    return pulls.round(decimals=10) + 0.0


slopes = {"exact, completions": slope(chance @ (now - then).sum(dim=1))}
for name, k in estimators.items():
    for how, weight in (("sum", 1), ("mean", 1 / lengths)):
        pull = slope(chance.detach() @ (weight * (counts * k(now, then)).sum(dim=1)))
        slopes[f"{name} in the loss, {how}"] = pull
ratio = (now - now.detach()).exp()
corrected = (counts * ratio * grpo_lite.kl_k3(now, then)).sum(dim=1)
slopes["k3 × ratio in the loss, sum"] = slope(chance.detach() @ corrected)
paid = (now - then).sum(dim=1).detach()
slopes["k1 in the reward"] = slope(chance.detach() @ (paid * now.sum(dim=1)))
slopes["mean of 1/length"] = slope(chance @ (1 / lengths))
seen = ("nothing yet", "x", "x x")
columns = dict(zip(seen, torch.stack(list(slopes.values())).T, strict=True))
plotting.table({"": list(slopes), **columns}, decimals=4)

# %% [markdown]
# The numbers are the slopes of the logit of x, the token that goes on, at each of the three beginnings.
#
# - **k1 as a sum** pulls at nothing. As a mean it is the last line, which does not contain the reference: a descent step raises every logit that makes the completion longer.
# - **k2**, and **k3 times the ratio**, are not the first line even as a sum. At the last beginning nothing comes later, and there they agree.
# - **k1 in the reward** is the first line. Nobody differentiates a reward: what is subtracted there becomes a part of the advantage, which multiplies the score. So it is right for whole completions too. That is how PPO for language models did it ([arXiv:2203.02155](https://arxiv.org/abs/2203.02155)).

# %% [markdown]
# **Check yourself.** As lesson [The leash](https://grpo-lite.github.io/grpo-lite/lessons/the_leash/) measured, k2 misses the value: 0.2717 on average, where the KL is 0.1865. Is it a bad penalty?
#
# <details class="wrong"><summary>Yes: a wrong value pulls the wrong way</summary>Nobody reads the value of a loss. What pulls is the gradient, and that of k2 is right for the next token.</details>
# <details class="right"><summary>No: its expected gradient is that of the KL</summary>In the picture its row equals that of the exact KL, policy first. k2 is biased as a measurement and, for one token, exact as a penalty.</details>
# <details class="wrong"><summary>No: with enough tokens the bias averages out</summary>Noise averages out and a bias stays: 0.2717 is the average. It does no harm, because only the gradient acts.</details>

# %% [markdown]
# **Try it.** Bars are the gradients of k2 and k3, lines that of the exact KL. **The goal:** find a policy at which the gradient of k3 and that of the exact KL have opposite signs at some token.
#
# <kl-explorer data-view="gradient">On the site there is a picture to play with here.</kl-explorer>
#
# ## Break it: a reference that learns
#
# The penalty is computed with the reference, and the reference is a model like any other. Suppose nobody detaches it, and it shares its weights with the policy (a copy that was never made).
#
# **Predict.** What does k3 say, and what does it pull at?

# %% tags=["result-no-copy"]
leaf = logits.clone().requires_grad_()
shared = leaf.log_softmax(dim=0)
penalty = (probs * (torch.expm1(shared - shared) - (shared - shared))).sum()
(pull,) = torch.autograd.grad(penalty, leaf)
print(f"value {penalty.item():.4f}  gradient {pull.norm():.4f}")

# %% [markdown]
# Nothing and nowhere: the leash is tied to the dog. A `kl` of exactly 0 in every record of a run with $\beta > 0$ is the sign. The repair is a deep copy, frozen, made before the first step.
#
# ## Exercises
#
# **1. On paper.** *Hard, 20 minutes.* Derive the three expected gradients from $\nabla k_1$, $\nabla k_2$ and $\nabla k_3$ and the lemma that the score is zero on average. Then derive the gradient of the exact KL with the product rule, and compare.

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# Write $s = \nabla\log\pi_\theta$, so that $\nabla \pi_\theta = \pi_\theta s$ and $\sum_v \pi_\theta s = 0$.
#
# - k1: $\sum_v \pi_\theta\, s = 0$.
# - k2: $\sum_v \pi_\theta\, k_1 s$.
# - k3: $\nabla(e^d - d - 1) = (e^d - 1)\nabla d = (1 - e^d)\, s$, so $\sum_v \pi_\theta s - \sum_v \pi_{\text{ref}}\, s = -\sum_v \pi_{\text{ref}}\, s$.
#
# Exact, policy first: $\nabla \sum_v \pi_\theta k_1 = \sum_v \pi_\theta s\, k_1 + \sum_v \pi_\theta s = \sum_v \pi_\theta\, k_1 s$, as k2. Exact, reference first: $\nabla \sum_v \pi_{\text{ref}} (\log \pi_{\text{ref}} - \log\pi_\theta) = -\sum_v \pi_{\text{ref}}\, s$, as k3. The cell of the gradients above has checked all of it by autograd; here once more by these sums.

# %% tags=["solution", "result-solution-paper"]
score = torch.eye(5) - probs  # row v: the gradient of the log-prob of v on the logits
k1 = logps - ref_logps
torch.testing.assert_close((probs * k1) @ score, reverse)
torch.testing.assert_close(-ref_probs @ score, forward)
show({"k2": (probs * k1) @ score, "k3": -ref_probs @ score})

# %% [markdown]
# **2. Stale samples.** *Medium, 15 minutes.* The tokens may have been sampled by an *old* policy, a few steps ago. Take policy and reference from above, and an old policy with logits 1.5, 1, 0, −1, 0. What is the mean of k3 over the old policy's tokens? What is it after each estimate is multiplied by $\pi_\theta / \pi_{\text{old}}$?

# %%
# Your turn.

# %% tags=["solution"]
old_logits = torch.tensor([1.5, 1.0, 0.0, -1.0, 0.0], dtype=torch.float64)
old_logps = old_logits.log_softmax(dim=0)
stale_k3 = grpo_lite.kl_k3(logps, ref_logps)
ratio = (logps - old_logps).exp()
print(f"exact KL        {(probs * (logps - ref_logps)).sum():.4f}")
print(f"k3, old tokens  {(old_logps.exp() * stale_k3).sum():.4f}")
print(f"k3 × ratio      {(old_logps.exp() * ratio * stale_k3).sum():.4f}")

# %% [markdown] tags=["solution"]
# On somebody else's samples k3 is biased. For one token the ratio repairs the value as well as the gradient: $\sum_v \pi_{\text{old}} \cdot \frac{\pi_\theta}{\pi_{\text{old}}} \cdot k_3 = \sum_v \pi_\theta \cdot k_3$. Over a completion it does not: how often each prefix comes up is still the old policy's. The product of the ratios up to the token would repair that.

# %% [markdown]
# ## What to remember
#
# > **Remember.** As a loss, for the next token, k1 pushes nowhere, k2 follows KL(policy ‖ reference), k3 follows KL(reference ‖ policy), and k3 times the ratio follows KL(policy ‖ reference) again, with small weights. Averaged over each completion, k1 makes completions longer. None of them knows that a token changes what comes later; k1 in the reward does.
#
# Sources: [DeepSeekMath, eq. 4 (arXiv:2402.03300)](https://arxiv.org/abs/2402.03300) for k3 in GRPO; [DeepSeek-V3.2 (arXiv:2512.02556)](https://arxiv.org/abs/2512.02556) for the ratio on it; [arXiv:2506.09477](https://arxiv.org/abs/2506.09477) for what is missing over completions. The gradients we computed ourselves, above.
#
# **From here:** [The family](https://grpo-lite.github.io/grpo-lite/lessons/the_family/) goes through the relatives of GRPO. [Bias and variance](https://grpo-lite.github.io/grpo-lite/lessons/bias_and_variance/) asks of every part of GRPO what it does to the average step.
