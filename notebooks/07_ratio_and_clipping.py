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
# Samples are expensive, so we want to take several steps with the same ones. The ratio keeps the second step honest, and the clip says how far to go. Four cases, one picture, and a `min` that is easy to get wrong.
#
# **Minutes:** 25 · **Needs:** [Token log-probs](https://grpo-lite.github.io/grpo-lite/lessons/token_logprobs/) · **Gives:** `grpo_lite.importance_ratio`, `grpo_lite.clipped_surrogate`

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
# A completion is written one token at a time: 500 tokens, 500 passes through the model, each waiting for the one before. Learning from it takes a single pass over all 500. Sampling is the expensive half, so it is tempting to take not one gradient step on a batch of samples but several. Their number is called $\mu$.
#
# After the first step something is odd. The samples came from a policy that no longer exists. Call it the **old policy**, $\pi_{\theta_{\text{old}}}$: the one that sampled. The **policy** $\pi_\theta$ is the one that we are changing.
#
# **Predict.** The old policy says a and b equally often, and we have its samples: 50 times a, 50 times b. The policy would now say a three times out of four. It would have produced 75 and 25. How much should each of our samples count?
#
# ## Counting samples for somebody else
#
# Each a should count 1.5 times, each b half: by the **importance ratio**, the probability now over the probability then.
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
# The second line is what we would get by pretending that nothing had changed. The third is right again.
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
# Not a quotient of two exps: for a rare token that is 0/0, which is nan (lesson [Token log-probs](https://grpo-lite.github.io/grpo-lite/lessons/token_logprobs/)).
#
# ## A plain loop


# %%
def ratios_in_a_loop(logps, old_logps, mask):
    ratios = torch.ones_like(logps)
    for i, t in mask.nonzero().tolist():
        ratios[i, t] = math.exp(logps[i, t] - old_logps[i, t])
    return ratios


ratios_in_a_loop(logps, old_logps, torch.tensor([[True, True], [True, False]]))

# %% [markdown]
# ## Vectorised
#
# Three details. Where the mask is False there is padding, whose log-probs may be anything, even $-\infty$; they are replaced by 0 *before* the subtraction, so the ratio there is 1 and no nan can pass. The old log-probs are cut off from the gradient: they are a record of what happened. And `level="sequence"` gives one ratio for a whole completion; that comes at the end of the lesson.


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

# %% tags=["same-importance_ratio"] caption="value and gradient, 4 × 6 random tokens with padding, both levels, two precisions; the loop agrees"
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

loop = ratios_in_a_loop(random_logps.detach(), random_old.detach(), mask)
packaged = grpo_lite.importance_ratio(random_logps.detach(), random_old, mask)
torch.testing.assert_close(packaged, loop)

# %% tags=["result-masked-infinity"]
padded = torch.tensor([[-1.0, -math.inf]], requires_grad=True)
padded_old = torch.tensor([[-1.5, -math.inf]])
ratio = grpo_lite.importance_ratio(padded, padded_old, torch.tensor([[True, False]]))
ratio.sum().backward()
print("ratio   ", ratio.detach())
print("gradient", padded.grad)

# %% [markdown]
# ## Old is not reference
#
# Three sets of log-probs are now around, and two of them are constants. They are easy to confuse, because at the very first step all three are the same numbers.
#
# | | what it is | when it changes | used in |
# |---|---|---|---|
# | policy, $\pi_\theta$ | the model in training | every step | everywhere |
# | old, $\pi_{\theta_{\text{old}}}$ | the policy that sampled this batch | every new batch | the ratio |
# | reference, $\pi_{\text{ref}}$ | the model before training | never | the KL penalty of lesson [The leash](https://grpo-lite.github.io/grpo-lite/lessons/the_leash/) |
#
# **The ratio is between the policy and the old policy. The reference never enters it.** Exercise 2 shows what happens otherwise.
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
# The value is a constant only *here*. Move a log-prob and the ratio moves: $\nabla \rho = \rho \, \nabla \log\pi_\theta$, which at $\rho = 1$ is $\nabla \log\pi_\theta$. So the gradient of $\rho \hat A$ is $\hat A \, \nabla\log\pi_\theta$. That is **REINFORCE**, the plain policy gradient with the advantage in place of the reward, which lesson [Why it works](https://grpo-lite.github.io/grpo-lite/lessons/why_it_works/) derives. With one step for each sampled batch GRPO's policy term never leaves it.
#
# ## How far may one go?
#
# From the second step on, the same samples push again, and the ratios leave 1. There is no natural end: with $\hat A > 0$ the product $\rho \hat A$ grows for as long as the token becomes more likely. But a handful of samples from the old policy says little about a policy far away from it. So PPO, and GRPO after it, take away the gain from going too far:
#
# $$\min\big(\rho \hat A,\; \operatorname{clip}(\rho,\, 1-\epsilon,\, 1+\epsilon)\, \hat A\big)$$
#
# $\operatorname{clip}$ keeps $\rho$ between 0.8 and 1.2 for $\epsilon = 0.2$. The objective is to be maximised, and the advantage has a sign, so there are four cases outside the range. By hand, with $\epsilon = 0.2$. The gradient is with respect to the log-prob: that of $\rho\hat A$ is $\rho\hat A$ again, and that of a clipped constant is 0.
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
# **Predict.** In two of the four outer cases the gradient is 0. What have those two in common?

# %% [markdown]
# In both, the token has already moved in the direction that its advantage asks for, and by more than 20%. In the other two it has moved the *wrong* way (some other sample, or an earlier step, dragged it there), and the gradient stays on to bring it back.
#
# As a loop, and then vectorised. `epsilon_high` and `delta` are two later refinements; skip them for now, their defaults change nothing.


# %% tags=["result-cases"]
def surrogate_in_a_loop(ratio, advantages, epsilon=0.2):
    objective = torch.zeros_like(ratio)
    for i, row in enumerate(ratio.tolist()):
        for t, rho in enumerate(row):
            clipped = min(max(rho, 1 - epsilon), 1 + epsilon)
            objective[i, t] = min(rho * advantages[i], clipped * advantages[i])
    return objective


surrogate_in_a_loop(torch.tensor([[0.5, 1.0, 1.5]] * 2), torch.tensor([1.0, -1.0]))


# %% tags=["define-clipped_surrogate"]
def clipped_surrogate(ratio, advantages, *, epsilon=0.2, epsilon_high=None, delta=None):
    epsilon_high = epsilon if epsilon_high is None else epsilon_high
    advantages = advantages.detach()[:, None]
    clipped = ratio.clamp(1 - epsilon, 1 + epsilon_high)
    if delta is not None:
        ratio = ratio.clamp(max=delta)
    return torch.minimum(ratio * advantages, clipped * advantages)


# %% tags=["same-clipped_surrogate"] caption="value and gradient, 8 × 5 random ratios, four settings, two precisions; the loop agrees"
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

loop = surrogate_in_a_loop(random_ratio.detach(), random_advantages.detach())
packaged = grpo_lite.clipped_surrogate(random_ratio.detach(), random_advantages)
torch.testing.assert_close(packaged, loop)

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
print("A     ratio  objective  gradient")
for advantage in (1.0, -1.0):
    rows = torch.stack([cases, *objective_and_gradient(cases, advantage)]).T
    for case, objective, gradient in rows:
        print(f"{advantage:+.0f}    {case:.1f}", end="")
        print(f"    {objective:+.2f}      {gradient:+.2f}")

# %% [markdown]
# ## The picture
#
# First the objective, with the unclipped $\rho\hat A$ dashed.

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
    marks={0.8: "1−ε", 1.2: "1+ε"},
)

# %% [markdown]
# Where the curve is flat, there is nothing to gain. Each panel has *one* flat side: the side in the direction of the advantage. In both, the curve never lies above the dashed line. The min always takes the less favourable of the two numbers; it is a **pessimist**. It takes away the reason to go further, and leaves the way back open.
#
# The gradient says the same more bluntly:

# %% alt="Gradient of the clipped objective on the log-prob against the ratio. For advantage +1 it equals the ratio up to 1.2, then drops to 0. For advantage -1 it is 0 below 0.8, then jumps to -0.8 and falls with the ratio." caption="Past its border a token gets no push; everywhere else it does."
plotting.lines(
    ratios,
    {
        "A = +1": objective_and_gradient(ratios, 1.0)[1],
        "A = −1": objective_and_gradient(ratios, -1.0)[1],
    },
    xlabel="ratio ρ",
    ylabel="gradient on the log-prob",
    colors={"A = +1": "positive", "A = −1": "negative"},
    marks={0.8: "1−ε", 1.2: "1+ε"},
)

# %% [markdown]
# > The clip switches the gradient off and does not turn it round. A clipped token is no longer pushed out, and not pulled back either.
#
# **Try it.** Move the ratio for a good answer and for a bad one. On which side does the gradient die?
#
# <clip-explorer>On the site there is a picture to play with here.</clip-explorer>

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
print("A = -1       ratio 0.5  ratio 1.5")
for name, surrogate in (
    ("min", grpo_lite.clipped_surrogate),
    ("where", where_surrogate),
):
    gradient = objective_and_gradient(outside, -1.0, surrogate)[1]
    print(f"{name:<12} {gradient[0] + 0.0:+.2f}      {gradient[1] + 0.0:+.2f}")

# %% alt="Gradient on the log-prob for advantage -1. With min it is 0 below ratio 0.8 and equals minus the ratio above. With where it equals minus the ratio below 1.2 and is 0 above: the two are switched off on opposite sides." caption="With where, the push is switched off on the wrong side."
plotting.lines(
    ratios,
    {
        "min": objective_and_gradient(ratios, -1.0)[1],
        "where": objective_and_gradient(ratios, -1.0, where_surrogate)[1],
    },
    xlabel="ratio ρ",
    ylabel="gradient on the log-prob",
    colors={"min": "policy", "where": "negative"},
    dashed=["where"],
    marks={0.8: "1−ε", 1.2: "1+ε"},
)

# %% [markdown]
# The wrong side. A bad token that has already lost half its probability is pushed down further, without end; a bad token that has become more likely is left alone. The mirror was in the formula already: $\hat A$ multiplies both arguments, and its sign turns them round. Taking the max turns them round a second time. The repair is to have no case distinction at all: `min`, always.
#
# It hides well. Inside the range the two agree, so with $\mu = 1$, or with a large $\epsilon$, no number differs.
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


for detach in (True, False):
    objective, norm = gradient_norm(detach)
    print(
        f"detached {detach!s:<5}  objective {objective:.4f}  gradient norm {norm:.4f}"
    )

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
# Each step records the share of tokens that the clip has switched off, the smallest and the largest ratio, and the expected reward of the policy. That one is exact: a sum over all ascending pairs. (An optimiser minimises, so it gets minus the objective.)


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
)

# %% [markdown]
# The **clip fraction** is the share of tokens whose gradient is switched off. It wakes up when the first ratios cross the border, and soon a large part of the batch has nothing more to say. That is the clip doing its work: the samples are used up.
#
# Here are the largest and the smallest ratio, with the clip and without.

# %% alt="Largest and smallest ratio over 25 steps on the same samples. With the clip they stay between about 0.6 and 1.5; without it they run to about 0.2 and 3." caption="With the clip the ratios stay near 1, though not within its borders; without it they run off."
plotting.lines(
    range(25),
    {
        "max, no clip": free_highest,
        "max": highest,
        "min": lowest,
        "min, no clip": free_lowest,
    },
    xlabel="step on the same samples",
    ylabel="ratio",
    colors={
        "max, no clip": "negative",
        "min, no clip": "negative",
        "max": "policy",
        "min": "policy",
    },
    dashed=["max, no clip", "min, no clip"],
)

# %% [markdown]
# Two things to see. Without the clip the policy runs away from its samples. With it, the ratios still leave the range 0.8 to 1.2: the clip is no wall. It switches off a gradient; the optimiser's momentum, and other tokens that share the same parameters, carry the ratio on.
#
# Is further away worse? Look at the expected reward, that of the policy itself and not of the samples:

# %%
print("step  clip    no clip")
for step in (0, 4, 8, 16, 24):
    print(f"{step:<5} {expected[step]:.3f}   {free_expected[step]:.3f}")

# %% [markdown]
# Here it is not: without the clip the policy ended higher in 30 of 30 draws of 64 completions and in 25 of 30 of four. The world is small and forgiving: 24 logits, 24 small steps. Where a clip that never acts [ruins a run](https://grpo-lite.github.io/grpo-lite/lessons/when_a_run_is_sick/#run-f), lesson When a run is sick shows, with eight updates on each batch. So $\epsilon$ is no law: it is a bet on how far the samples can be trusted before it is wiser to draw new ones.

# %% [markdown]
# **Check yourself.** A run takes four steps on each batch, with $\epsilon = 0.2$ and no KL penalty. After 1,000 batches, how far can the probability of a token be from where it was before training?
#
# <details class="wrong"><summary>20% at most</summary>The ratio measures from the old policy, and that is another one with every batch. The model before training is the reference, and it never enters the ratio.</details>
# <details class="right"><summary>Any distance</summary>With every new batch the range starts again around the policy of that moment. Staying near the start is the job of the KL penalty.</details>
# <details class="wrong"><summary>20% for each batch at most</summary>The clip is no wall: above, ratios left the range within a single batch.</details>

# %% [markdown]
# ## Two refinements
#
# **Clip-higher.** A range of ±20% is relative. A token with probability 0.9 may rise as far as it likes; one with probability 0.01 is pushed no further than 0.012. Rare tokens, which might be new ideas, are held down the most. [DAPO (arXiv:2503.14476)](https://arxiv.org/abs/2503.14476) raises the upper border alone, to 1.28: `epsilon_high=0.28`.

# %% alt="Objective for advantage +1 against the ratio, for two upper borders. The one with epsilon 0.2 goes flat at 1.2, the one with epsilon_high 0.28 goes flat at 1.28; below they are the same line." caption="A higher upper border leaves the tokens of a good answer more room."
plotting.lines(
    ratios,
    {
        "ε_high 0.28": objective_and_gradient(ratios, 1.0, epsilon_high=0.28)[0],
        "ε 0.2": objective_and_gradient(ratios, 1.0)[0],
    },
    xlabel="ratio ρ",
    ylabel="objective",
    titles=["A = +1"],
    colors={"ε_high 0.28": "other", "ε 0.2": "policy"},
)

# %% [markdown]
# **Delta.** The way back has no speed limit. For $\hat A < 0$ and a ratio of 10, the gradient is −10: one token outshouts the batch. Dual-clip PPO ([arXiv:1912.09729](https://arxiv.org/abs/1912.09729)) caps the ratio at a constant, here $\delta$, before it is multiplied; [INTELLECT-2 (arXiv:2505.07291)](https://arxiv.org/abs/2505.07291) does so in GRPO. Beyond $\delta$ the gradient is 0. For $\hat A > 0$ nothing changes, as long as $\delta$ is above $1 + \epsilon$.

# %% alt="Objective for advantage -1 against the ratio up to 6. Without delta it falls along the diagonal to -6; with delta 4 it goes flat at -4." caption="δ bounds what one token of a bad answer can cost."
wide = torch.linspace(0.2, 6, 291)
plotting.lines(
    wide,
    {
        "no δ": objective_and_gradient(wide, -1.0)[0],
        "δ 4": objective_and_gradient(wide, -1.0, delta=4.0)[0],
    },
    xlabel="ratio ρ",
    ylabel="objective",
    titles=["A = −1"],
    colors={"no δ": "policy", "δ 4": "other"},
)

# %% tags=["result-refinements"]
print("A = +1, ratio 1.25  eps_high None, 0.28")
for high in (None, 0.28):
    objective, gradient = objective_and_gradient(
        torch.tensor([1.25]), 1.0, epsilon_high=high
    )
    print(f"objective {objective.item():.2f}  gradient {gradient.item():.2f}")
print("A = -1, ratio 10    delta None, 4")
for delta in (None, 4.0):
    objective, gradient = objective_and_gradient(
        torch.tensor([10.0]), -1.0, delta=delta
    )
    print(f"objective {objective.item():.2f}  gradient {gradient.item() + 0.0:.2f}")

# %% [markdown]
# ## One ratio for a whole completion
#
# The reward judges a completion, yet each token has its own ratio and is clipped on its own. [GSPO (arXiv:2507.18071)](https://arxiv.org/abs/2507.18071) gives all tokens of a completion one ratio: the exp of their mean log-ratio, which is the geometric mean of the token ratios. (Counting whole completions for another policy would take the *product* of the token ratios, which explodes or vanishes with the length. Token ratios and their geometric mean are two ways around it.)
#
# By hand, for four tokens with ratios 1.5, 1.0, 0.9 and 0.8: their product is 1.08, and its fourth root is 1.0194.

# %% tags=["result-sequence-ratio"]
token_ratios = torch.tensor([[1.5, 1.0, 0.9, 0.8]])
even = torch.zeros(1, 4)
print("token   ", grpo_lite.importance_ratio(token_ratios.log(), even))
print(
    "sequence", grpo_lite.importance_ratio(token_ratios.log(), even, level="sequence")
)

# %% [markdown]
# Token by token, with $\hat A = +1$, the first token is clipped. As a sequence nothing is: up and down nearly cancel. The mean of many log-ratios stays much closer to 0 than each of them, so a sequence ratio needs a much narrower clip range. When the sequence ratio does leave its range, the whole completion is switched off at once.
#
# ## Exercises
#
# **1. Count the silent tokens.** Write `clip_fraction(ratio, advantages, mask, epsilon)`: the share of counted tokens whose gradient the clip has switched off. Which of these six tokens are silent?

# %%
ratio = torch.tensor([[1.5, 0.5, 1.1], [1.5, 0.5, 0.7]])
advantages = torch.tensor([1.0, -1.0])
mask = torch.tensor([[True, True, True], [True, True, False]])

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
# **2. Find the bug.** In this code the ratio is taken against the reference. Training starts well. After a while, at the first step on a *fresh* batch, the clip fraction is the number below. What should it be, and what is lost?

# %%
generator = torch.Generator().manual_seed(0)
ref_logps = -3 * torch.rand(4, 6, generator=generator)
moved = 0.3 * torch.randn(4, 6, generator=generator)
logps = (ref_logps + moved).clamp(max=0)
advantages = torch.tensor([1.0, -1.0, 1.0, -1.0])
everything = torch.ones(4, 6, dtype=torch.bool)
grpo_lite.grpo_loss(logps, ref_logps, advantages, everything).clip_fraction

# %% [markdown] tags=["solution"]
# The samples are fresh, so the policy is the old policy: every ratio should be 1 and the clip fraction 0. Against the reference, tokens are silent before the first step, and the others are weighted with a ratio that has nothing to do with how they were sampled. Clipping against the reference also takes away every reason to leave its neighbourhood. To hold the policy there is the job of the KL penalty, and of $\beta$. At the start of training policy, old and reference are equal, so a test at step 0 sees no difference.

# %% tags=["solution"]
grpo_lite.grpo_loss(logps, logps.detach(), advantages, everything).clip_fraction

# %% [markdown]
# **3. Does epsilon matter?** With $\mu = 1$, compare the gradient for $\epsilon = 0.2$ and for $\epsilon = 0.001$. Then do the same when the old log-probs come from another program, whose arithmetic differs by 0.002 in each log-prob.

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
# Sources: the clipped objective is [PPO, eq. 7 (arXiv:1707.06347)](https://arxiv.org/abs/1707.06347), and stands for each token in [DeepSeekMath, eq. 3 (arXiv:2402.03300)](https://arxiv.org/abs/2402.03300). `epsilon_high`: [DAPO (arXiv:2503.14476)](https://arxiv.org/abs/2503.14476). `delta`: dual-clip PPO ([arXiv:1912.09729](https://arxiv.org/abs/1912.09729)). Sequence ratios: [GSPO (arXiv:2507.18071)](https://arxiv.org/abs/2507.18071).
#
# **From here:** [The leash](https://grpo-lite.github.io/grpo-lite/lessons/the_leash/) is the other brake: a price for leaving the model from which the training began. If you leave it off, go on to [The loss](https://grpo-lite.github.io/grpo-lite/lessons/the_loss/).
