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
# # Ratio and clipping
#
# Samples are expensive, so one wants to take several steps with the same ones. The ratio keeps the second step honest, and the clip says how far to go.
#
# **Minutes:** 20 · **Needs:** [Token log-probs](https://grpo-lite.github.io/grpo-lite/lessons/token_logprobs/) · **Gives:** `grpo_lite.importance_ratio`, `grpo_lite.clipped_surrogate`

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
# Sampling 500 tokens takes 500 passes through the model, learning from them takes one. So it is tempting to take several gradient steps on the same samples (their number is $\mu$), or to cut one large batch into several steps. From the second step on, the samples come from a policy that no longer exists, the **old policy** $\pi_{\theta_{\text{old}}}$. The policy $\pi_\theta$ is the one that we are changing. The **ratio** of a token is its probability now, over its probability then. How far may it go?
#
# **Play first.** Move the ratio for a good answer ($A = +1$), then for a bad one ($A = -1$), and watch what still pushes the token. **The goal:** find both places at which the push dies. Which way had the token moved?
#
# <clip-explorer>On the site there is a picture to play with here.</clip-explorer>
#
# ## Counting samples for somebody else
#
# **Predict.** The old policy says a and b equally often, and we have its samples: 50 times a, 50 times b. The policy would now say a three times out of four. It would have produced 75 and 25. How much should each of our samples count?

# %% [markdown]
# Each a should count 1.5 times, each b half: by the **importance ratio**.
#
# $$\rho_{i,t} = \frac{\pi_\theta(o_{i,t} \mid q, o_{i,\lt t})}{\pi_{\theta_{\text{old}}}(o_{i,t} \mid q, o_{i,\lt t})}$$
#
# The index $i$ is the completion and $t$ the token; each probability is that of one token, given the prompt $q$ and the tokens before it. (Papers often write $r$ for this ratio. We write $\rho$, because $r_i$ is already the reward.)
#
# With this weight the old samples answer questions about the policy. Say a is worth +1 and b −1. Averaged over what the policy would say, that is $0.75 - 0.25 = 0.5$:

# %% tags=["result-importance-sampling"]
old = torch.tensor([0.5, 0.5])
policy = torch.tensor([0.75, 0.25])
worth = torch.tensor([1.0, -1.0])
print("policy          ", (policy * worth).sum())
print("old             ", (old * worth).sum())
print("old, ratio      ", (old * (policy / old) * worth).sum())

# %% [markdown]
# The second line is what we would get by pretending that nothing had changed. The third is right again. It is exact because an answer here is one token. For longer answers a ratio for each token is an approximation, good while policy and old policy are close (exercise 2).
#
# ## By hand: two completions, two tokens each
#
# | | old probabilities | policy's | ratios |
# |---|---|---|---|
# | completion 1 | 0.5, 0.5 | 0.75, 0.25 | 1.5, 0.5 |
# | completion 2 | 0.2, 0.8 | 0.25, 0.6 | 1.25, 0.75 |
#
# A model gives log-probs, and the ratio of two probabilities is one exp of a difference (the condition $q, o_{i,\lt t}$ left out):
#
# $$\rho_{i,t} = \exp\big(\log\pi_\theta(o_{i,t}) - \log\pi_{\theta_{\text{old}}}(o_{i,t})\big)$$

# %% tags=["result-by-hand"]
old_logps = torch.tensor([[0.5, 0.5], [0.2, 0.8]]).log()
logps = torch.tensor([[0.75, 0.25], [0.25, 0.6]]).log()
(logps - old_logps).exp()

# %% [markdown]
# Not a quotient of two exps: for a rare token that is 0/0 (lesson [Token log-probs](https://grpo-lite.github.io/grpo-lite/lessons/token_logprobs/)).
#
# Three details for a function. Under the mask the log-probs may be anything, even $-\infty$. They are replaced by 0 *before* the subtraction, so the ratio there is 1. The old log-probs are cut off from the gradient: they are a record of what happened. And `level="sequence"` gives one ratio for a whole completion; skip it for now, lesson [The family](https://grpo-lite.github.io/grpo-lite/lessons/the_family/#one-ratio-for-a-whole-completion) explains it.


# %% tags=["define-importance_ratio"]
def importance_ratio(logps, old_logps, mask=None, *, level="token"):
    if mask is None:
        mask = torch.ones_like(logps, dtype=torch.bool)
    log_ratio = torch.where(mask, logps, 0) - torch.where(mask, old_logps.detach(), 0)
    if level == "sequence":
        log_ratio = grpo_lite.masked_mean(log_ratio, mask, dim=1)[:, None]
    return log_ratio.exp()


# %% [markdown]
# The same as the packaged function, on random log-probs, a random mask, and an infinity under the mask: value, shape, type and gradient.

# %% tags=["same-importance_ratio"] caption="value and gradient, 4 × 6 random tokens with padding, both levels, two precisions"
generator = torch.Generator().manual_seed(0)
mask = torch.rand(4, 6, generator=generator) < 0.7
for dtype in (torch.float32, torch.float64):
    random_logps, random_old = -3 * torch.rand(
        2, 4, 6, dtype=dtype, generator=generator
    )
    random_logps = random_logps.masked_fill(~mask, -math.inf).requires_grad_()
    random_old = random_old.masked_fill(~mask, -math.inf).requires_grad_()
    for level in ("token", "sequence"):
        mine = importance_ratio(random_logps, random_old, mask, level=level)
        packaged = grpo_lite.importance_ratio(
            random_logps, random_old, mask, level=level
        )
        torch.testing.assert_close(mine, packaged)
        (my_gradient,) = torch.autograd.grad(mine.sum(), random_logps)
        packaged.sum().backward()
        torch.testing.assert_close(my_gradient, random_logps.grad)
        assert random_old.grad is None  # the old policy is a constant
        random_logps.grad = None

# %% [markdown]
# **The ratio is between the policy and the old policy. The reference never enters it** (lesson [The map](https://grpo-lite.github.io/grpo-lite/lessons/the_map/#break-it) shows what happens otherwise). Both stand still while the policy moves, and both are the same numbers at the very first step, so they are easily mixed up:
#
# | | what it is | where it stands | what breaks without it |
# |---|---|---|---|
# | old | the policy that sampled this batch | in the ratio | from the second step on, samples are counted as if the policy had drawn them, and nothing says how far it has gone |
# | reference | the model before training | in the KL penalty of lesson [The leash](https://grpo-lite.github.io/grpo-lite/lessons/the_leash/) | a price for distance has nothing to measure from; without a price it is not needed |
#
# ## A ratio of 1 has a gradient
#
# At the first step on a fresh batch, policy and old policy are the same model. Every ratio is exactly 1.
#
# **Predict.** $\rho \hat A$ is then the advantage itself, a constant. Is there anything to learn from?

# %% tags=["result-ratio-one"]
first = old_logps.clone().requires_grad_()
advantages = torch.tensor([2.0, -0.5])
ratio = grpo_lite.importance_ratio(first, old_logps)
(ratio * advantages[:, None]).sum().backward()
print("ratio   ", ratio.detach())
print("gradient", first.grad)

# %% [markdown]
# The value is a constant only *here*; the slope is the advantage.
#
# Why? Move a log-prob and the ratio moves: $\nabla \rho = \rho \, \nabla \log\pi_\theta$, which at $\rho = 1$ is $\nabla \log\pi_\theta$. So the gradient of $\rho \hat A$ is $\hat A \, \nabla\log\pi_\theta$: log-prob times advantage, which lesson [Why it works](https://grpo-lite.github.io/grpo-lite/lessons/why_it_works/) derives. With one step for each sampled batch it never becomes anything else.
#
# ## How far may one go?
#
# From the second step on the ratios leave 1. There is no natural end: with $\hat A > 0$ the product $\rho \hat A$ grows for as long as the token becomes more likely. But a handful of samples from the old policy says little about a policy far away from it. So PPO, and GRPO after it, take away the gain from going too far:
#
# $$\min\big(\rho \hat A,\; \operatorname{clip}(\rho,\, 1-\epsilon,\, 1+\epsilon)\, \hat A\big)$$
#
# $\operatorname{clip}$ keeps $\rho$ between 0.8 and 1.2 for $\epsilon = 0.2$. The result is called the **surrogate**, and is to be maximised. By hand, with $\epsilon = 0.2$. The gradient is with respect to the log-prob: that of $\rho\hat A$ is $\rho\hat A$ again, and that of a clipped constant is 0.
#
# | advantage | ratio | plain $\rho\hat A$ | clipped | min | gradient | in words |
# |---|---|---|---|---|---|---|
# | +1 | 0.5 | 0.5 | 0.8 | 0.5 | 0.5 | good, yet rarer: push up |
# | +1 | 1 | 1 | 1 | 1 | 1 | push up |
# | +1 | 1.5 | 1.5 | 1.2 | 1.2 | **0** | good, already up: enough |
# | −1 | 0.5 | −0.5 | −0.8 | −0.8 | **0** | bad, already down: enough |
# | −1 | 1 | −1 | −1 | −1 | −1 | push down |
# | −1 | 1.5 | −1.5 | −1.2 | −1.5 | −1.5 | bad, yet more likely: push down |
#
# In the two rows with gradient 0, the token has already moved in the direction that its advantage asks for, and by more than 20%. Those are the two places of the explorer. In the other two outer rows it has moved the *wrong* way (some other sample, or an earlier step, dragged it there), and the gradient stays on to bring it back.
#
# `epsilon_high` gives the upper border a number of its own, and `delta` is a cap of lesson [The family](https://grpo-lite.github.io/grpo-lite/lessons/the_family/); their defaults change nothing.


# %% tags=["define-clipped_surrogate"]
def clipped_surrogate(ratio, advantages, *, epsilon=0.2, epsilon_high=None, delta=None):
    epsilon_high = epsilon if epsilon_high is None else epsilon_high
    advantages = advantages.detach()[:, None]
    clipped = ratio.clamp(1 - epsilon, 1 + epsilon_high)
    if delta is not None:
        ratio = ratio.clamp(max=delta)
    return torch.minimum(ratio * advantages, clipped * advantages)


# %% tags=["same-clipped_surrogate"] caption="value and gradient, 8 × 5 random ratios, four settings, two precisions"
generator = torch.Generator().manual_seed(0)
for dtype in (torch.float32, torch.float64):
    random_ratio = (
        torch.randn(8, 5, dtype=dtype, generator=generator).exp().requires_grad_()
    )
    random_advantages = torch.randn(
        8, dtype=dtype, generator=generator
    ).requires_grad_()
    for settings in ({}, {"epsilon": 0.1}, {"epsilon_high": 0.28}, {"delta": 2.0}):
        mine = clipped_surrogate(random_ratio, random_advantages, **settings)
        packaged = grpo_lite.clipped_surrogate(
            random_ratio, random_advantages, **settings
        )
        torch.testing.assert_close(mine, packaged)
        (my_gradient,) = torch.autograd.grad(mine.sum(), random_ratio)
        packaged.sum().backward()
        torch.testing.assert_close(my_gradient, random_ratio.grad)
        assert random_advantages.grad is None  # so is the advantage
        random_ratio.grad = None

# %% [markdown]
# The table again, from the packaged functions and autograd:


# %% tags=["result-case-table"]
def objective_and_gradient(
    ratios, advantage, surrogate=grpo_lite.clipped_surrogate, **settings
):
    """Objective at each ratio, and its gradient on the log-prob."""
    logps = ratios.log()[:, None].requires_grad_()
    ratio = grpo_lite.importance_ratio(logps, torch.zeros_like(logps))
    objective = surrogate(ratio, torch.full_like(ratios, advantage), **settings)
    (gradient,) = torch.autograd.grad(objective.sum(), logps)
    return objective.detach().flatten(), gradient.flatten()


cases = torch.tensor([0.5, 1.0, 1.5])
up, down = objective_and_gradient(cases, 1.0), objective_and_gradient(cases, -1.0)
plotting.table(
    {
        "A": [1] * 3 + [-1] * 3,
        "ratio": cases.repeat(2),
        "objective": torch.cat([up[0], down[0]]),
        "gradient": torch.cat([up[1], down[1]]),
    }
)

# %% [markdown]
# As a picture, with the unclipped $\rho\hat A$ dashed:

# %% alt="The clipped objective against the ratio, in two panels. For advantage +1 it follows the dashed diagonal up to ratio 1.2 and is flat at 1.2 beyond. For advantage -1 it is flat at -0.8 below ratio 0.8 and follows the falling diagonal from there on." caption="Past its border a token has nothing more to gain; a step in the wrong direction still counts in full."
ratios = torch.linspace(0.4, 1.8, 281)
plotting.lines(
    ratios,
    {"ρA": ratios, "clipped": objective_and_gradient(ratios, 1.0)[0]},
    {"ρA": -ratios, "clipped": objective_and_gradient(ratios, -1.0)[0]},
    xlabel="ratio ρ",
    ylabel="objective",
    titles=["A = +1", "A = −1"],
    colors={"ρA": "clipped", "clipped": "policy"},
    dashed=["ρA"],
    marks={0.8: "1−ε", 1.2: "1+ε", (1.27, 1.05): "flat: no push"},
)

# %% [markdown]
# Each panel has *one* flat side: the side in the direction of the advantage. The curve never lies above the dashed line, for the min takes the less favourable of the two numbers. It is a **pessimist**. It takes away the reason to go further, and leaves the way back open.
#
# > The clip switches the gradient off and does not turn it round. A clipped token is no longer pushed out, and not pulled back either.

# %% [markdown]
# **Check yourself.** A bad completion, $\hat A = -1$, has a token with ratio 0.7, and $\epsilon = 0.2$. Where does the objective of this token push it next?
#
# <details class="right"><summary>Nowhere</summary>It has moved far enough in the direction that its advantage asks for. Other tokens, which share its weights, may still carry it on.</details>
# <details class="wrong"><summary>Further down: it is bad</summary>It has lost 30% already, more than the range allows. The min takes the clipped number, a constant, and its gradient is 0.</details>
# <details class="wrong"><summary>Back up, into the range</summary>The clip takes a push away and puts none in its place. Nothing pulls a clipped token back.</details>

# %% [markdown]
# ## Break it: max for the bad ones
#
# "With a negative advantage everything is mirrored, so the min must become a max." It sounds right. It is code that one meets:


# %%
def where_surrogate(ratio, advantages, epsilon=0.2):
    advantages = advantages[:, None]
    unclipped, clipped = (
        ratio * advantages,
        ratio.clamp(1 - epsilon, 1 + epsilon) * advantages,
    )
    return torch.where(
        advantages >= 0,
        torch.minimum(unclipped, clipped),
        torch.maximum(unclipped, clipped),
    )


# %% [markdown]
# **Predict.** For $\hat A = -1$: at which of the two ratios, 0.5 and 1.5, does the gradient vanish now?

# %% tags=["result-where-bug"]
outside = torch.tensor([0.5, 1.5])
with_min = objective_and_gradient(outside, -1.0)[1]
with_where = objective_and_gradient(outside, -1.0, where_surrogate)[1]
plotting.table({"ratio, A = -1": outside, "min": with_min, "where": with_where})

# %% [markdown]
# The wrong side. A bad token that has already lost half its probability is pushed down further, without end; a bad token that has become more likely is left alone. The mirror was in the formula already: $\hat A$ multiplies both arguments, and its sign turns them round. Taking the max turns them round a second time. The repair is to have no case distinction at all: `min`, always.
#
# It hides well. Inside the range the two agree, so with one step a batch, or with a large $\epsilon$, no number differs.
#
# ## Break it: old log-probs with a gradient
#
# The old log-probs are a record. Suppose they are computed afresh, with the model as it is, and nobody says that they are constants.

# %% tags=["result-not-detached"]
logits = torch.randn(3, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
ids = torch.tensor([[2], [0], [4]])
advantages = torch.tensor([1.0, -1.0, 0.5])


def gradient_norm(detach):
    logps = logits.log_softmax(dim=1).gather(1, ids)
    old_logps = logits.log_softmax(dim=1).gather(1, ids)
    ratio = (logps - (old_logps.detach() if detach else old_logps)).exp()
    objective = (ratio * advantages[:, None]).mean()
    return objective.detach(), torch.autograd.grad(objective, logits)[0].norm()


objectives, norms = zip(gradient_norm(True), gradient_norm(False), strict=True)
columns = {"objective": objectives, "gradient norm": norms}
plotting.table({"detached": [True, False], **columns}, decimals=4)

# %% [markdown]
# The same objective, and no gradient: whatever the numerator gains, the denominator gains as well. The loss runs, prints a number, and does nothing. Compute the old log-probs under `torch.no_grad()` when the samples are made, and store them; `grpo_lite.importance_ratio` detaches them once more.
#
# ## What fires when $\mu > 1$
#
# Now a real run, small enough to see everything. A policy writes four tokens, each from a vocabulary of six, and has one set of logits for each position. The reward counts neighbours in ascending order, 0 to 3. We sample one group of 64 completions, once, and take step after step on it.

# %%
start = torch.zeros(4, 6)
ids = torch.multinomial(
    start.softmax(dim=1), 64, True, generator=torch.Generator().manual_seed(0)
).T
rewards = (ids[:, 1:] > ids[:, :-1]).sum(dim=1).float()
advantages = grpo_lite.group_advantages(rewards, 64)
old_logps = grpo_lite.token_logps(start.expand(64, -1, -1), ids)

# %% [markdown]
# Each step records the share of tokens that the clip has switched off, called the **clip fraction**, the smallest and the largest ratio, and the expected reward of the policy. That one is exact: a sum over all ascending pairs. (An optimiser minimises, so it gets minus the objective.)


# %%
def expected_reward(logits):
    p = logits.detach().softmax(dim=1)
    return sum((p[t, :, None] * p[t + 1]).triu(1).sum() for t in range(3)).item()


def several_steps(epsilon, steps=25):
    logits = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.05)
    record = []
    for _ in range(steps):
        logps = grpo_lite.token_logps(logits.expand(64, -1, -1), ids)
        ratio = grpo_lite.importance_ratio(logps, old_logps)
        too_high = (ratio > 1 + epsilon) & (advantages[:, None] > 0)
        too_low = (ratio < 1 - epsilon) & (advantages[:, None] < 0)
        off = (too_high | too_low).float().mean().item()
        extremes = ratio.min().item(), ratio.max().item()
        record.append((off, *extremes, expected_reward(logits)))
        objective = grpo_lite.clipped_surrogate(ratio, advantages, epsilon=epsilon)
        optimizer.zero_grad()
        (-objective.mean()).backward()
        optimizer.step()
    return torch.tensor(record).T


clip_fraction, lowest, highest, expected = several_steps(epsilon=0.2)
_, free_lowest, free_highest, free_expected = several_steps(epsilon=1e9)

# %% tags=["result-first-step"]
print("clip fraction", clip_fraction[0])
print("ratios from", lowest[0], "to", highest[0])

# %% [markdown]
# At step 0 the policy is the old policy. Every ratio is exactly 1, and the clip touches nothing. If you take one step for each sampled batch (DeepSeekMath itself did), this is all that ever happens: a clip fraction of 0 is then no bug, and no value of $\epsilon$ makes a difference. A large batch cut into several steps is another matter, even if each sample is used once: from the second step on, the policy is not the one that sampled ([DeepSeek-V3.2, arXiv:2512.02556](https://arxiv.org/abs/2512.02556), section 3.1).
#
# **Predict.** And at steps 1, 2, 3? The clip range is ±20%, and the first step moves the ratios by up to 7%.

# %% alt="Clip fraction over 25 steps on the same samples. It is 0 for the first three steps, climbs to about one half at step 10, and then stays between 0.28 and 0.5." caption="On the same samples the clip soon stops between a quarter and a half of the tokens."
plotting.lines(
    range(25),
    {"clipped": clip_fraction},
    xlabel="step on the same samples",
    ylabel="clip fraction",
    marks={(3.6, 0.05): "at first nothing is clipped", (11, 0.5): "half of the tokens"},
)

# %% [markdown]
# The clip does its work: the samples are used up.
#
# Here are the smallest and the largest ratio and the expected reward, with the clip and without.
#
# **Predict.** Will the ratios stay between 0.8 and 1.2? And which policy is better at the end?

# %% tags=["result-with-and-without"]
steps = [0, 4, 8, 16, 24]
columns = {"lowest ratio": lowest, "highest": highest, "reward": expected}
columns |= {"without clip: lowest": free_lowest, "without: highest": free_highest}
columns |= {"without: reward": free_expected}
rows = {name: [curve[step] for step in steps] for name, curve in columns.items()}
plotting.table({"step": steps, **rows}, decimals=3)

# %% [markdown]
# Without the clip the policy runs away from its samples. With it, the ratios still leave the range: the clip is no wall. It switches off a gradient; the optimiser's momentum, and other tokens that share the same parameters, carry the ratio on.
#
# Here the clip was no help: without it the policy ended higher in 30 of 30 draws of 64 completions, and in 25 of 30 draws of four. This world is small and forgiving: 24 logits, 24 small steps. A network is not. Here is the model of lesson [Watch it learn](https://grpo-lite.github.io/grpo-lite/lessons/watch_it_learn/) after four batches (right answers, means of four seeds; all began at 0.33):
#
# | updates on each batch | 1 | 4 | 16 | 32 |
# |---|---|---|---|---|
# | no clip | 0.47 | 0.64 | 0.17 | 0.05 |
# | $\epsilon = 0.2$ | 0.47 | 0.69 | 0.47 | 0.34 |
#
# Four updates get more out of the same samples than one, with or without a clip. Sixteen get no more than one even with it, and without it leave the model worse than it was. So take few, and keep the clip for safety. How one [ruins a run](https://grpo-lite.github.io/grpo-lite/lessons/when_a_run_is_sick/#run-f) with eight, lesson When a run is sick shows; all the curves are in lesson [Bias and variance](https://grpo-lite.github.io/grpo-lite/lessons/bias_and_variance/#what-breaks-when). And $\epsilon$ is no law: it is a bet on how far the samples can be trusted before it is wiser to draw new ones.

# %% [markdown]
# **Check yourself.** A run takes four steps on each batch, with $\epsilon = 0.2$ and nothing else to hold the policy. After 1,000 batches, how far can the probability of a token be from where it was before training?
#
# <details class="wrong"><summary>20% at most</summary>The ratio measures from the old policy, and that is another one with every batch. The model before training is the reference, and it never enters the ratio.</details>
# <details class="right"><summary>Any distance</summary>With every new batch the range starts again around the policy of that moment. Staying near the start is the job of the leash, in the lesson after this one.</details>
# <details class="wrong"><summary>20% for each batch at most</summary>The clip is no wall: above, ratios left the range within a single batch.</details>

# %% [markdown]
# ## Clip-higher
#
# A range of ±20% is relative. A token with probability 0.9 may rise as far as it likes; one with probability 0.01 is no longer pushed once it has passed 0.012. So rare tokens, which might be new ideas, gain the least from one batch. [DAPO (arXiv:2503.14476)](https://arxiv.org/abs/2503.14476) raises the upper border alone, to 1.28: `epsilon_high=0.28`.

# %% [markdown]
# ## Exercises
#
# **1. Count the silent tokens.** *Medium, 10 minutes.* Write `clip_fraction(ratio, advantages, mask, epsilon)`: the share of counted tokens whose gradient the clip has switched off. Which of these six tokens are silent?

# %%
ratio = torch.tensor([[1.5, 0.5, 1.1], [1.5, 0.5, 0.7]])
advantages = torch.tensor([1.0, -1.0])
mask = torch.tensor([[True, True, True], [True, True, False]])

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# For $\hat A = +1$ only ratios above 1.2 are silent: the first token. For $\hat A = -1$ only ratios below 0.8: the second token, and the third, but that one is masked. Two of five. Counting every ratio outside the range would give four of five.


# %% tags=["solution"]
def clip_fraction(ratio, advantages, mask, epsilon=0.2):
    too_high = (ratio > 1 + epsilon) & (advantages[:, None] > 0)
    too_low = (ratio < 1 - epsilon) & (advantages[:, None] < 0)
    return grpo_lite.masked_mean((too_high | too_low).float(), mask)


packaged = grpo_lite.grpo_loss(
    ratio.log(), torch.zeros(2, 3), advantages, mask
).clip_fraction
torch.testing.assert_close(clip_fraction(ratio, advantages, mask), packaged)
packaged

# %% [markdown]
# **2. What the surrogate stands for.** *Hard, 20 minutes.* Leave the clip away. Show on paper that for completions of *one* token the average of $\rho\, r$ over the old policy's samples is the expected reward of the policy, wherever the policy is. For two tokens each token has its own ratio, so read $\rho_t$ as "new at this position, old everywhere else". Where is the gradient still that of the expected reward?

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# $\sum_o \pi_{\text{old}}(o)\, \frac{\pi_\theta(o)}{\pi_{\text{old}}(o)}\, r(o) = \sum_o \pi_\theta(o)\, r(o) = J$. An average over old samples has become one over new ones.
#
# For two tokens, take the sum over positions of $\rho_t \hat A$. Where the policy is the old one, each ratio has the slope of its log-prob, so the gradient is that of log-prob times advantage: exact. Away from there, the first position's average does not know that the second token is drawn by another policy now, and the second's does not know that other first tokens come up. Below, all four completions of the two tokens of lesson [Why it works](https://grpo-lite.github.io/grpo-lite/lessons/why_it_works/), at the old policy and further and further away.

# %% tags=["solution", "result-solution-surrogate"]
ids = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
paid = torch.tensor([0.0, 1.0, 0.0, 0.0])
old_table = torch.tensor([[0.5, -0.5], [1.0, 0.0], [0.0, 0.7]])
direction = torch.tensor([[1.0, -1.0], [-1.0, 1.0], [0.5, -0.5]])


def logps_at(table):
    chosen = table.log_softmax(dim=1)
    return torch.stack([chosen[0, ids[:, 0]], chosen[1 + ids[:, 0], ids[:, 1]]], dim=1)


old_logps = logps_at(old_table)
chance = old_logps.sum(dim=1).exp()
columns = {"moved by": [0.0, 0.1, 0.5, 1.0], "largest ratio": [], "error": []}
for far in columns["moved by"]:
    table = (old_table + far * direction).requires_grad_()
    logps = logps_at(table)
    advantage = paid - chance @ paid
    ratio = (logps - old_logps).exp()
    surrogate = chance @ (ratio * advantage[:, None]).sum(dim=1)
    exact = logps.sum(dim=1).exp() @ paid
    pulls = [
        torch.autograd.grad(x, table, retain_graph=True)[0] for x in (surrogate, exact)
    ]
    columns["largest ratio"].append(ratio.max())
    columns["error"].append((pulls[0] - pulls[1]).norm() / pulls[1].norm())
plotting.table(columns, decimals=3)

# %% [markdown] tags=["solution"]
# The error grows with the distance; the clip takes away the push to go further, and does not bound the distance. How large it is for every part of GRPO, lesson [Bias and variance](https://grpo-lite.github.io/grpo-lite/lessons/bias_and_variance/#old-samples) computes.

# %% [markdown]
# **3. Does epsilon matter?** *Medium, 10 minutes.* With one step a batch, compare the gradient for $\epsilon = 0.2$ and for $\epsilon = 0.001$. Then do the same when the old log-probs come from another program, whose arithmetic differs by 0.002 in each log-prob.

# %%
# Your turn.

# %% tags=["solution"]
for name, difference in (("same program ", 0.0), ("other program", 0.002)):
    fresh = torch.full((1, 4), -1.0, requires_grad=True)
    old = fresh.detach() - torch.tensor([[1.0, -1.0, 1.0, -1.0]]) * difference
    for epsilon in (0.2, 0.001):
        ratio = grpo_lite.importance_ratio(fresh, old)
        objective = grpo_lite.clipped_surrogate(ratio, torch.ones(1), epsilon=epsilon)
        print(
            f"{name}  epsilon {epsilon:<5}",
            torch.autograd.grad(objective.sum(), fresh)[0],
        )

# %% [markdown] tags=["solution"]
# At a ratio of exactly 1 the range does not matter. But sampling and scoring are often done by two programs with slightly different arithmetic, and then the ratio at the first step is only *nearly* 1. A sensible $\epsilon$ does not notice.

# %% [markdown]
# ## What to remember
#
# > **Remember.** The ratio is policy over *old* policy, exp of a difference, and lets old samples count for the policy. At the first step it is exactly 1 and its gradient is not 0. The clipped objective is a `min` for both signs of the advantage: it switches the gradient off for tokens that have already moved far enough in the right direction, and never for tokens on the way back. With one step for each sampled batch it does nothing at all.
#
# Sources: the clipped objective is [PPO, eq. 7 (arXiv:1707.06347)](https://arxiv.org/abs/1707.06347), and stands for each token in [DeepSeekMath, eq. 3 (arXiv:2402.03300)](https://arxiv.org/abs/2402.03300). `epsilon_high`: [DAPO (arXiv:2503.14476)](https://arxiv.org/abs/2503.14476).
#
# **From here:** [The leash](https://grpo-lite.github.io/grpo-lite/lessons/the_leash/) is the other brake: a price for leaving the model from which the training began. If you leave it off, go on to [The loss](https://grpo-lite.github.io/grpo-lite/lessons/the_loss/).
