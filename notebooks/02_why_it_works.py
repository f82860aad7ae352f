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
# # Why it works
#
# Push each answer by its advantage, and the model gets better. Here is the proof.
#
# **Minutes:** 20 · **Needs:** [The map](https://grpo-lite.github.io/grpo-lite/lessons/the_map/) · **Gives:** the policy gradient, derived by hand, and the reason for the group

# %% tags=["setup"]
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic(
        "pip",
        "install -q 'grpo-lite[plot] @ git+https://github.com/grpo-lite/grpo-lite'",
    )

import math

import torch
from matplotlib.figure import Figure

import grpo_lite
from grpo_lite import plotting

plotting.use_site_style()
torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


def show(rows, decimals=2, columns="ABC"):
    """A table: a row of numbers for each name."""
    numbers = torch.stack([torch.as_tensor(row) for row in rows.values()])
    columns = dict(zip(columns, numbers.T, strict=True))
    return plotting.table({"": list(rows), **columns}, decimals=decimals)


# %% tags=["setup"]
# The runs of the first picture. Come back at the end: by then every line is explained.
p = torch.tensor([0.5, 0.3, 0.2])
rewards = torch.tensor([1.0, 0.0, 0.0])


def climb(baseline, policies=1000, steps=40, rate=1.0):
    """Probability of A before each step and after the last, of policies that see four answers a step."""
    generator = torch.Generator().manual_seed(0)
    logits, climbed = p.log().expand(policies, 3), []
    for _ in range(steps):
        now = logits.softmax(dim=1)
        climbed.append(now[:, 0])
        drawn = torch.multinomial(now, 4, replacement=True, generator=generator)
        r = rewards[drawn]
        others = (r.sum(dim=1, keepdim=True) - r) / 3
        advantages = r - (others if baseline == "others" else baseline)
        score = torch.eye(3)[drawn] - now[:, None]
        logits = logits + rate * (advantages[:, :, None] * score).mean(dim=1)
    return torch.stack([*climbed, logits.softmax(dim=1)[:, 0]])


def climb_exactly(steps=40):
    logits, climbed = p.log(), []
    for _ in range(steps + 1):
        now = logits.softmax(0)
        climbed.append(now[0])
        logits = logits + (now * rewards) @ (torch.eye(3) - now)
    return torch.stack(climbed)


runs = climb("others", policies=3)
climbs = {"sampled": runs.T, "exact": climb_exactly()}
axes = {"xlabel": "step", "ylabel": "probability of A"}
axes |= {"colors": {"exact": "clipped"}}


def draw_steps(panels, chance, gradient):
    """A dot for each step that can come out, in one panel each; the cross is the true gradient."""
    figure = Figure(figsize=(5.2, 5.6), layout="constrained")
    both = figure.subplots(2, 1, sharex=True, sharey=True)
    for ax, (name, steps) in zip(both, panels.items(), strict=True):
        places, which = steps.round(decimals=9).unique(dim=0, return_inverse=True)
        size = 2500 * torch.zeros(len(places)).index_add(0, which, chance)
        dots = {"color": plotting.COLORS["policy"], "alpha": 0.6, "linewidth": 0}
        cross = {"color": plotting.COLORS["negative"], "linewidth": 2.5}
        ax.scatter(*places.T[:2], s=size, **dots)
        ax.scatter(*gradient[:2], s=130, marker="+", **cross)
        ax.set(title=name, ylabel="step of logit B")
    both[0].text(0.4, -0.09, "true gradient", color=cross["color"], fontsize=10)
    both[1].text(-0.12, 0, "groups that agree", ha="right", va="center", fontsize=10)
    both[-1].set(xlabel="step of logit A")
    return figure


# %% [markdown]
# ## The question
#
# Of three answers A, B and C, only A is right. At each step the dashed policy looks at all of them. The others see four sampled answers a step, as in GRPO.

# %% alt="Probability of the right answer over 40 steps. A dashed curve, the exact gradient, rises smoothly from 0.5 to 0.98. Three jagged curves, each of a policy that sees four sampled answers a step, rise around it to about the same height." caption="Four sampled answers a step climb like the exact gradient, with noise."
plotting.lines(
    range(41),
    climbs,
    dashed=["exact"],
    marks={
        (10, 0.7): "each sample pulls its own way,\nand still they climb the same hill"
    },
    **axes,
)

# %% [markdown]
# They climb the same hill. But no group of four can see where the top is. Why do they find it?
#
# **A guess to keep.** Three colleagues change the rewards. One pays 1 and 0, so that only right answers are pushed. One pays 0 and −1, so that only wrong answers are. One pays 11 and 10, so that every answer is pushed up hard. Whose policy climbs? The lemma below will tell.
#
# ## What is maximised
#
# A policy is a list of probabilities, one for each answer. Ours has three parameters $\theta$, the **logits** $z_A, z_B, z_C$: any three numbers, of which the softmax makes probabilities.
#
# $$\pi_\theta(o) = \frac{e^{z_o}}{e^{z_A} + e^{z_B} + e^{z_C}}$$
#
# | answer $o$ | chance $\pi_\theta(o)$ | reward $r(o)$ |
# |---|---|---|
# | A | 0.5 | 1 |
# | B | 0.3 | 0 |
# | C | 0.2 | 0 |
#
# Ask this policy again and again, and the mean reward settles at $0.5 \cdot 1 + 0.3 \cdot 0 + 0.2 \cdot 0 = 0.5$. That is the **expected reward**:
#
# $$J(\theta) = \sum_o \pi_\theta(o)\, r(o)$$
#
# The reward of an answer is fixed; training can only change how often each answer comes. (A language model has the same $J$, with a sum over every text that it could write.)
#
# The **gradient** $\nabla J$ lists the slope of $J$ along each parameter. If it is not zero, a small enough step along it raises $J$. That is what we want.
#
# ## Five facts
#
# 1. Probabilities add up to 1, whatever the parameters are: $\sum_o \pi_\theta(o) = 1$.
# 2. The gradient of a sum is the sum of the gradients, and a constant factor can stand in front.
# 3. $\nabla \log f = \nabla f / f$ for $f > 0$, the chain rule. Read it from right to left: $\nabla f = f\, \nabla \log f$.
# 4. $\sum_o \pi_\theta(o) f(o)$ is the average of $f$ over answers that the policy draws. The mean of $f$ over a handful of draws is right **on average**, that is, over all handfuls that could be drawn.
# 5. Of a softmax: $\log \pi_\theta(o) = z_o - \log(e^{z_A} + e^{z_B} + e^{z_C})$. Along $z_j$ the first part has the slope 1 if $j$ is the answer $o$, else 0. The log of the sum has the slope $e^{z_j}$ over the sum, and that is $\pi_\theta(j)$.
#
# ## One fact a line
#
# | step | because |
# |---|---|
# | $\nabla J = \nabla \sum_o \pi_\theta(o)\, r(o)$ | what we want |
# | $\phantom{\nabla J} = \sum_o \nabla \pi_\theta(o)\; r(o)$ | fact 2; the rewards are constants |
# | $\phantom{\nabla J} = \sum_o \pi_\theta(o)\; r(o)\, \nabla \log \pi_\theta(o)$ | fact 3 |
# | $\phantom{\nabla J} =$ average of $r(o)\, \nabla \log \pi_\theta(o)$ over draws | fact 4 |
#
# That is the **policy gradient**. The vector $\nabla \log \pi_\theta(o)$ is called the **score** of the answer: the direction in which the parameters make it more likely.
#
# By fact 5, the score of A is $(1 - 0.5,\ 0 - 0.3,\ 0 - 0.2)$: its own logit up, the others down.
#
# | answer $o$ | chance $\pi_\theta(o)$ | reward $r(o)$ | score | product of the three |
# |---|---|---|---|---|
# | A | 0.5 | 1 | (0.5, −0.3, −0.2) | (0.25, −0.15, −0.10) |
# | B | 0.3 | 0 | (−0.5, 0.7, −0.2) | (0, 0, 0) |
# | C | 0.2 | 0 | (−0.5, −0.3, 0.8) | (0, 0, 0) |
#
# So $\nabla J = (0.25, -0.15, -0.10)$. We check it in three ways: by autograd, by moving each logit a little and seeing how $J$ changes, and by the sum of the table.


# %% tags=["result-three-ways"]
def expected_reward(logits):
    return logits.softmax(0) @ rewards


logits = p.log().requires_grad_()  # softmax of these gives p back
(by_autograd,) = torch.autograd.grad(expected_reward(logits), logits)

tiny = 1e-6
moved = [expected_reward(p.log() + tiny * e) for e in torch.eye(3)]
by_moving = [(J - expected_reward(p.log())) / tiny for J in moved]

score = torch.eye(3) - p  # row o is the score of answer o
gradient = (p * rewards) @ score

three = {"autograd": by_autograd, "moving each logit": by_moving}
show(three | {"sum of p r score": gradient})

# %% [markdown]
# B and C earned nothing and added nothing to the sum. Their logits fall all the same: what A gains, the others lose.
#
# ## Where did the probability go?
#
# The sum needs every answer. Of 100 tokens from a vocabulary of 50,000 there are $50{,}000^{100}$. But the last line of the proof is an average over draws, and drawing is what a model can do. So draw $G$ answers $o_1, \dots, o_G$ with rewards $r_1, \dots, r_G$ and take the mean:
#
# $$\nabla J \approx \frac{1}{G} \sum_{i=1}^{G} r_i\, \nabla \log \pi_\theta(o_i)$$
#
# **Predict.** In the sum each answer had the factor $\pi_\theta(o)$. Here the factor is missing. Is A, with 0.5, now underrated?

# %% tags=["result-samples"]
generator = torch.Generator().manual_seed(0)
estimates = {}
for count in (4, 400, 40_000):
    drawn = torch.multinomial(p, count, replacement=True, generator=generator)
    estimates[f"{count} draws"] = (rewards[drawn][:, None] * score[drawn]).mean(0)
show(estimates | {"exact": gradient}, 3)

# %% [markdown]
# No. A is not multiplied by 0.5, it *comes* in half of the draws. **Where did the probability go? It became the sampling.**
#
# Four draws are a rough estimate and 40,000 a good one. Both are right on average, on one condition: the policy that draws is the policy whose gradient we want. This method is **REINFORCE** ([Williams, 1992](https://doi.org/10.1007/BF00992696)).
#
# ## In code it looks like a loss
#
# Autograd wants one number to differentiate, and an optimiser goes downhill. So we write the number whose gradient is minus the estimate, here for the last 40,000 draws:

# %% tags=["result-loss"]
logits = p.log().requires_grad_()
logps = logits.log_softmax(0)[drawn]
loss = -(rewards[drawn] * logps).mean()
loss.backward()
print(f"value {loss:.2f}")
show({"minus its gradient": -logits.grad}, 3)

# %% [markdown]
# > **This is no loss.** A loss says how wrong a model is on given data, and falls as the model learns. This number does not say how good the policy is. The answers came from the policy, but autograd takes them as given and differentiates $\log \pi_\theta$ alone. So only the gradient has a meaning, and only for the policy that has just drawn the answers.
# >
# > A policy that gives A in 10, 37 or 90 of 100 answers has the value $-p \log p$ on average, 0.23, 0.37 or 0.09: up, then down, while the model only gets better. Watch the rewards.

# %% [markdown]
# **Check yourself.** A step made from eight answers brought this number down from 0.34 to 0.30, measured on the same eight. Has the policy got better?
#
# <details class="wrong"><summary>Yes: the loss fell</summary>It falls on these answers whenever those with a reward have become more likely. If all of them are paid 1, right or wrong, it falls as well.</details>
# <details class="right"><summary>One cannot tell from this number</summary>The step followed an estimate from eight draws. Whether J rose shows in the rewards of new answers.</details>
# <details class="wrong"><summary>No: it must rise, since rewards must rise</summary>It has a minus in front: a step up the estimate goes down this number, on the same answers. What it says about new answers is another matter.</details>

# %% [markdown]
# ## Keep only the right answers
#
# There is a recipe that never mentions a gradient of $J$. Sample answers, throw the wrong ones away, and train on the rest as if they were examples. It is called **rejection sampling**. Done again and again, it is **expert iteration** (the name is from [arXiv:1705.08439](https://arxiv.org/abs/1705.08439); for language models see [STaR, arXiv:2203.14465](https://arxiv.org/abs/2203.14465)).
#
# To train on an example means to raise its log-prob. Let a right answer have the reward 1 and a wrong one 0:
#
# $$\sum_{i\ \text{right}} \nabla \log \pi_\theta(o_i) = \sum_{i=1}^{G} r_i\, \nabla \log \pi_\theta(o_i)$$
#
# It is the same sum: a policy gradient with rewards 0 and 1. Two differences: it divides by the number of kept answers, not by $G$ (exercise 3), and often takes many steps on the same answers. The proof holds for the first of these steps.
#
# ## A baseline changes nothing on average
#
# **Lemma: the score is zero on average.**
#
# | step | because |
# |---|---|
# | $\sum_o \pi_\theta(o)\, \nabla \log \pi_\theta(o) = \sum_o \nabla \pi_\theta(o)$ | fact 3 |
# | $\phantom{\sum_o} = \nabla \sum_o \pi_\theta(o)$ | fact 2 |
# | $\phantom{\sum_o} = \nabla 1 = 0$ | fact 1 |
#
# By hand, for the logit of A: $0.5 \cdot 0.5 - 0.3 \cdot 0.5 - 0.2 \cdot 0.5 = 0$.
#
# Now take a number $b$ away from every reward. In the average, $b$ stands in front of the mean score:
#
# $$\text{average of } (r - b)\, \nabla \log \pi_\theta = \nabla J - b \cdot 0 = \nabla J$$
#
# Such a $b$ is a **baseline**. It may be any number, as long as it does not depend on the answer that it is taken from: otherwise it cannot come out of the sum. It may know the prompt, the policy, or other answers: if it is drawn independently of this one, the average of the product is the average of $b$ times 0. No gradient flows through it.
#
# This also answers the first question. The three colleagues have $b = 0$, $b = 1$ and $b = -10$, and on average all three take the same step. Is that enough to climb?
#
# ## What a baseline is good for
#
# A single step is not the average step. The **variance** is the mean squared distance of a step from the average step. With one draw a step there are only three steps that can come out, so we can sum over them.
#
# **Predict.** Which of these baselines makes the calmest step: −10, 0, 0.31, 0.5 (the mean reward), or 1?


# %% tags=["result-variance"]
def average_and_variance(b):
    steps = (rewards - b)[:, None] * score  # the three that can come out
    average = p @ steps
    return [*average, p @ (steps - average).square().sum(dim=1)]


moments = {f"b = {b}": average_and_variance(b) for b in (-10, 0, 0.31, 0.5, 1)}
show(moments, 4, [*"ABC", "variance"])

# %% [markdown]
# The average never changes, the variance by a factor of more than a thousand.
#
# **So is the right average enough to climb?** With small enough steps, yes. Of a thousand policies with $b = -10$, 54 in 100 have nearly lost A after 40 steps; of a hundred with 100 times smaller steps, and 100 times as many, all find it. Variance decides how small the steps must be.

# %% [markdown] tags=["detail"]
# A thousand policies for each $b$, trained as in the first picture:


# %% tags=["detail", "result-what-noise-costs"]
def ends(b, **settings):
    end = climb(b, **settings)[-1]
    return [(end > 0.9).double().mean(), (end < 0.1).double().mean()]


shares = {f"b = {b}": ends(b) for b in (0, 0.5, 1, -10)}
shares["b = -10, careful"] = ends(-10, policies=100, steps=4000, rate=0.01)
show(shares, columns=["A above 0.9", "below 0.1"])

# %% [markdown] tags=["detail"]
# Two of the colleagues arrive, in all their runs. The third loses A in more than half of them. It adds 10 to every reward, so whatever is drawn is raised, right or wrong. An answer that comes once too often by luck gets likelier, so it comes more often still: luck feeds itself, and an answer that is no longer drawn cannot come back. The last line is the same colleague (100 policies) with a learning rate 100 times smaller and 100 times as many steps. Now one lucky draw changes little, and the noise has time to cancel before it feeds itself. The average was right all along.
#
# The best baseline weighs each reward by the squared length of its score:
#
# $$b^* = \frac{\sum_o \pi_\theta(o)\, \lVert \nabla \log \pi_\theta(o) \rVert^2\, r(o)}{\sum_o \pi_\theta(o)\, \lVert \nabla \log \pi_\theta(o) \rVert^2}$$
#
# (The variance is the average of $(r - b)^2\, \lVert \nabla \log \pi_\theta \rVert^2$, less the squared length of $\nabla J$, which knows no $b$. So it is a parabola in $b$. Its slope is minus twice the average of $(r - b)\, \lVert \nabla \log \pi_\theta \rVert^2$, and that is 0 at $b^*$.) Where all scores are equally long, the lengths cancel, and $b^*$ *is* the mean reward. Exercise 2 shows what happens where they are not.

# %% [markdown]
# So a zero far away from the rewards is costly, as with grades from 7 to 9. The mean reward is a good baseline. It is not always the best: that is 0.31 here, where rewards count by the squared length of their scores.
#
# What is left of a reward is the **advantage**, $r - b$: better than expected, or worse.
#
# ## The group as the baseline
#
# Nobody knows the mean reward of a prompt. But $G$ answers to it have just been drawn, independently, by this very policy. So compare each answer with the mean of the *others*. This **leave-one-out** baseline does not know the answer that it is taken from. So the lemma holds, and the average step is exactly $\nabla J$.
#
# GRPO takes the mean $\bar r$ of the whole group, own reward included. Write $b_i$ for the mean of the others:
#
# $$\bar r = \frac{r_i + (G - 1)\, b_i}{G}$$
#
# $$\text{so}\quad r_i - \bar r = \frac{G - 1}{G}\, (r_i - b_i)$$
#
# The same advantage, times $(G-1)/G$. The direction stays, and the step is a little shorter: 3/4 for $G = 4$, 15/16 for $G = 16$.
#
# We check it on all $3^4 = 81$ groups of four, each with its probability. A judge pays 3 for the right answer and 2 for the others.

# %% tags=["result-groups"]
groups = torch.cartesian_prod(*[torch.arange(3)] * 4)
chance = p[groups].prod(dim=1)


def steps_of(advantages):
    return (advantages[:, :, None] * score[groups]).mean(dim=1)


def judge(paid):
    r = paid[groups]
    own_mean = r - r.mean(dim=1, keepdim=True)
    others = (r.sum(dim=1, keepdim=True) - r) / 3
    return {"no baseline": r, "group's own mean": own_mean, "leave-one-out": r - others}


moments = {}
for name, advantages in judge(rewards + 2).items():
    steps = steps_of(advantages)
    average = chance @ steps
    variance = chance @ (steps - average).square().sum(dim=1)
    moments[name] = [*average / gradient, variance]
show(moments, 4, ["A / gradient", "B / gradient", "C / gradient", "variance"])

# %% [markdown]
# Here are all these groups: a dot for each step that can come out, as large as its probability.

# %% tags=["drawing"] alt="Two panels of dots with the same axes; each dot is the step of one possible group of four, its area the probability. Without a baseline the dots lie scattered from -1 to 1.5 along logit A and from -0.9 to 1.4 along logit B. With the leave-one-out baseline all dots lie close around a cross that marks the true gradient at 0.25 and -0.15; one large dot at 0, 0 stands for groups in agreement." caption="Every possible step: the same on average, and far less scattered with a baseline."
every = {name: steps_of(advantages) for name, advantages in judge(rewards + 2).items()}
del every["group's own mean"]  # as leave-one-out, 3/4 as long
draw_steps(every, chance, gradient)

# %% [markdown]
# **The same mean, another spread.** The mean of both clouds is the cross, the true gradient. Above, 31 of 100 steps lead downhill: they point against the true gradient (their product with it is negative; the chances of these groups add up to 0.31). Below none does; the dot at (0, 0) stands for the groups whose rewards agree, one in eight, which take no step.
#
# More speaks for the group. It needs no second network and no further answers. And it makes the zero of the rewards irrelevant: add 10 to all of them, and no advantage changes.

# %% [markdown] tags=["detail"]
# Does a group always help? No: with rewards of 1 and 0 in this small world, leave-one-out has a variance of 0.036 and no baseline has 0.024. An estimated baseline brings noise of its own, and exercise 2 says where it pays.

# %% [markdown]
# ## From answers to tokens
#
# A completion is a row of tokens, and its probability is a product: each token's probability, given the prompt $q$ and the tokens before it. The logarithm makes a sum of it:
#
# $$\log \pi_\theta(o_i) = \sum_t \log \pi_\theta(o_{i,t} \mid q, o_{i,\lt t})$$
#
# By fact 2, the score of a completion is the sum of the scores of its tokens. So every token gets the advantage of the whole completion.
#
# Is that fair? We check it with two tokens, each 0 or 1. Only the completion 01 earns something.
#
# **Predict.** After a first token 1, nothing can be earned any more. The second token there still gets the advantage of its completion, a negative one. Is it pushed on average?

# %% tags=["result-tokens"]
table = torch.tensor([[0.5, -0.5], [1.0, 0.0], [0.0, 0.7]]).requires_grad_()
ids = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
paid = torch.tensor([0.0, 1.0, 0.0, 0.0])

chosen = table.log_softmax(dim=1)
logps = torch.stack([chosen[0, ids[:, 0]], chosen[1 + ids[:, 0], ids[:, 1]]], dim=1)
likely = logps.sum(dim=1).exp()
exact = torch.autograd.grad(likely @ paid, table, retain_graph=True)[0]

advantage = paid - 0.4  # some baseline
average = likely.detach() @ (advantage[:, None] * logps).sum(dim=1)
by_token = torch.autograd.grad(average, table)[0]
rows = ("first token", "second, after 0", "second, after 1")
both = dict(zip(rows, torch.cat([exact, by_token], dim=1), strict=True))
show(both, 3, ["exact, 0", "exact, 1", "by token, 0", "by token, 1"])

# %% [markdown]
# On the left is the exact gradient of $J$ for the logits of 0 and 1, on the right that of the average of advantage times token log-prob. They agree. The last line is zero: the lemma holds at every token. What all continuations of a beginning share cancels. So on average a token is pushed up only if completions with it earn more than those that go on otherwise from the same beginning.
#
# ## Log-prob times advantage
#
# That is all. Raise
#
# $$\frac{1}{G} \sum_{i=1}^{G} \hat A_i \sum_t \log \pi_\theta(o_{i,t} \mid q, o_{i,\lt t})$$
#
# ($\hat A_i$ is the advantage of completion $i$), and with steps that are small enough you climb the expected reward. The packaged loss does it too. A group of four, A, B, A and C, of one token each (`"none"`: divided by nothing):

# %% tags=["result-package"]
drawn = torch.tensor([0, 1, 0, 2])
advantages = grpo_lite.group_advantages(rewards[drawn], 4, scale_rewards="none")
logits = p.log().requires_grad_()
logps = logits.log_softmax(0)[drawn][:, None]  # one token each
ours = -(advantages * logps[:, 0]).mean()
packaged = grpo_lite.grpo_loss(logps, None, advantages, torch.ones(4, 1).bool()).loss
both = {}
for name, loss in (("by hand", ours), ("package", packaged)):
    (slope,) = torch.autograd.grad(loss, logits, retain_graph=True)
    both[name] = [loss.detach(), *-slope]
show(both, 3, ["value", *"ABC"])

# %% [markdown]
# The same gradient, and two values. (The package has $\pi_\theta / \pi_{\text{old}}$ where we have the log-prob. While both policies are one, the slope is the same by fact 3, $\nabla\pi_\theta / \pi_{\text{old}} = \nabla\log\pi_\theta$: lesson [Ratio and clipping](https://grpo-lite.github.io/grpo-lite/lessons/ratio_and_clipping/).)
#
# What GRPO adds are choices that this proof does not ask for. It divides the advantages by the group's spread, and the sum of a completion by its length: the first reweighs prompts (exercise 4; with three different rewards, answers too), the second completions (lesson [Bias and variance](https://grpo-lite.github.io/grpo-lite/lessons/bias_and_variance/)). The clip is for further steps on old answers. The penalty for leaving the reference is a second wish.

# %% [markdown]
# **Check yourself.** You may choose what is taken from the reward of an answer. Which choice breaks the proof?
#
# <details class="wrong"><summary>The mean reward that this prompt had last week</summary>It was fixed before the answer was drawn. It may be a bad guess, which costs variance and nothing else.</details>
# <details class="right"><summary>The highest reward of the group, the answer's own included</summary>For the best answer it is the answer's own reward, so it cannot come out of the sum. (In the group's <em>mean</em> the own reward is allowed: it only makes the step shorter, by (G − 1)/G.)</details>
# <details class="wrong"><summary>The reward of one other answer of the group</summary>Noisy, and allowed: the other answer was drawn independently of this one.</details>

# %% [markdown]
# **Try it.** A policy over five answers: d is right, b half right. Set the group size to 2 and press Play. **The goal:** d above 0.95 after 60 steps. One change is enough, and there are two to choose from. Press "Again, same luck" after each. Which of the two makes the calmer curve? (Leave the other controls alone: they come later.)
#
# <policy-explorer>On the site there is a picture to play with here.</policy-explorer>

# %% [markdown]
# ## Break it: the probability twice
#
# "Why the logarithm? I want good answers to be probable, so I raise reward times *probability* of what was drawn." Take the rewards 0.8, 0 and 1. The mean is 0.6, so A and C should rise, and C, the best one, is rare.
#
# **Predict.** Which way does the logit of C go on average, with the log-prob and with the probability?

# %% tags=["result-probability-twice"]
graded = torch.tensor([0.8, 0.0, 1.0])
pushes = {}
for name, of in (("log-prob", torch.log_softmax), ("probability", torch.softmax)):
    logits = p.log().requires_grad_()
    average = (p * graded * of(logits, 0)).sum()  # p: how often each is drawn
    (pushes[name],) = torch.autograd.grad(average, logits)
show(pushes, 3)

# %% [markdown]
# The best answer is pushed down, because it is rare. The probability is now counted twice: once by the sampling, and once by $\nabla \pi = \pi\, \nabla \log \pi$. The logarithm is there to take the second one out.
#
# ## Exercises
#
# **1. On paper.** *Medium, 15 minutes.* Close this page. Derive that the average of $(r - b) \nabla \log \pi_\theta$ over draws is $\nabla J$. Name the fact behind each line, and the line at which a $b$ that knows its answer fails. The solution checks your result on a policy of seven answers with random rewards.

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# $\sum_o \pi_\theta(o)\,(r(o) - b)\,\nabla\log\pi_\theta(o)$
#
# $= \sum_o (r(o) - b)\,\nabla \pi_\theta(o)$, fact 3,
#
# $= \sum_o \nabla \big(\pi_\theta(o)\, r(o)\big) - b \sum_o \nabla \pi_\theta(o)$, fact 2. Here $b$ comes out of the sum: a $b(o)$ could not.
#
# $= \nabla J - b\, \nabla 1$, facts 2 and 1,
#
# $= \nabla J$.

# %% tags=["solution", "result-solution-paper"]
generator = torch.Generator().manual_seed(0)
logits, seven = torch.randn(2, 7, generator=generator)
logits.requires_grad_()
(exact,) = torch.autograd.grad(logits.softmax(0) @ seven, logits)
q = logits.detach().softmax(0)
differences = {}
for name, b in (("b = 5", 5.0), ("b = the reward, halved", seven / 2)):
    average = (q * (seven - b)) @ (torch.eye(7) - q)
    differences[name] = [(average - exact).abs().max()]
show(differences, 4, ["difference"])

# %% [markdown]
# **2. One parameter.** *Hard, 30 minutes.* A policy has one logit $z$. It is right with probability $p = 1 / (1 + e^{-z})$ and earns 1, or wrong and earns 0. The scores are $1 - p$ for right and $-p$ for wrong.
#
# 1. Show that the variance of a step of one draw is $p\,(1-p)\,(1 - p - b)^2$.
# 2. For which $p$ is $b = p$, the mean reward, worse than no baseline? How large are the two variances at $p = 0.9$? Which $b$ is best?
# 3. So is the mean a bad baseline for prompts that are mostly solved? Think of ten answers, nine of them right.

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# 1. A step is $(1-b)(1-p)$ with probability $p$, or $(0 - b)(-p) = bp$ with probability $1 - p$. The variance of a number with two values is $p(1-p)$ times their squared distance, and their distance is $(1-b)(1-p) - bp = 1 - p - b$.
# 2. For $b = p$ the last factor is $(1-2p)^2$, without a baseline it is $(1-p)^2$. The first is larger when $2p - 1 > 1 - p$, that is for $p > 2/3$. At $p = 0.9$: 0.0576 against 0.0009. With $b = 1 - p$ the variance is 0: a right answer has a short score and a large advantage, $0.1 \cdot 0.9$, a wrong one a long score and a small advantage, $-0.9 \cdot -0.1$, and both take the step 0.09.
# 3. In this world all right answers are one answer. Without a baseline it is pushed at nearly every draw by nearly the same amount, which is calm. Real right answers differ. Without a baseline each draw pushes its own one *against the other right ones*, and that is nothing but noise. With nine right answers of ten, equally likely, $p$ is 0.9 again. All scores are equally long now, and the mean is the best baseline.
#
# For a group it depends on the share of right answers and on $G$ too. The last lines below are two examples. Ten answers, in groups of two: leave-one-out has a smaller variance than no baseline. A, B and C of this lesson, in groups of four: it has a larger one. The mean of a larger group is closer to $J$, so the price falls with $G$.


# %% tags=["solution", "result-solution-one-parameter"]
def variance(values, chance):
    values = values.reshape(len(chance), -1)
    return (chance @ (values - chance @ values).square()).sum()


variances = {}
chance_2, score_2 = torch.tensor([0.9, 0.1]), torch.tensor([0.1, -0.9])
for b in (0.0, 0.9, 0.1):
    pushed = (torch.tensor([1.0, 0.0]) - b) * score_2
    variances[f"one parameter, b = {b}"] = [variance(pushed, chance_2)]

tenth, nine_right = torch.full((10,), 0.1), torch.tensor([1.0] * 9 + [0.0])
ten_scores = torch.eye(10) - 0.1
for b in (0.0, 0.9):
    pushed = (nine_right - b)[:, None] * ten_scores
    variances[f"ten answers, b = {b}"] = [variance(pushed, tenth)]

pairs = torch.cartesian_prod(torch.arange(10), torch.arange(10))
for name, advantages in (
    ("no baseline", nine_right[pairs]),
    ("leave-one-out", nine_right[pairs] - nine_right[pairs.flip(1)]),
):
    pushed = (advantages[:, :, None] * ten_scores[pairs]).mean(dim=1)
    variances[f"ten answers, pairs, {name}"] = [
        variance(pushed, torch.full((100,), 0.01))
    ]

for name, advantages in judge(rewards).items():
    spread = variance(steps_of(advantages), chance)
    variances[f"A, B, C, groups of four, {name}"] = [spread]
show(variances, 4, ["variance"])

# %% [markdown]
# **3. Divided by what is kept.** *Medium, 15 minutes.* Rejection sampling takes the mean over the answers that it keeps. Show that, if at least one is kept, this is on average $\nabla J / J = \nabla \log J$. What does that do to an easy and a hard prompt?

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# Each kept answer is a draw from the policy among the right ones: its probability is $\pi_\theta(o) / J$, as $J$ is the probability of a right answer. So its score is on average $\sum_o \pi_\theta(o)\, r(o)\, \nabla\log\pi_\theta(o) / J = \nabla J / J$, which by fact 3 is $\nabla \log J$. A mean of such draws has the same average.
#
# On one prompt it is the same direction. Over many prompts it is another goal: a prompt that is solved once in ten counts ten times its due, whenever it has an answer to keep.

# %% tags=["solution", "result-solution-kept"]
kept = rewards[groups].sum(dim=1)
some = kept > 0
means = (rewards[groups][:, :, None] * score[groups]).sum(dim=1)[some] / kept[
    some, None
]
mean_of_kept = chance[some] @ means / chance[some].sum()
show({"mean of kept": mean_of_kept, "gradient / J": gradient / (p @ rewards)})

# %% [markdown]
# **4. What a prompt weighs.** *Hard, 30 minutes.* The reward is 1 or 0, and a prompt is solved with probability $p$. In the world of exercise 2 its true gradient is $p(1-p)$. Let $k$ of $G$ answers be right. Find the step of the group with plain rewards, with the group's mean taken away, and divided by the standard deviation as well. Which weight, compared with the truth, does each give to a prompt on average?

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# *Plain*: $\frac{k}{G}(1-p)$, on average $p(1-p)$. The weight is 1 for every prompt.
#
# *Mean*: the right ones have advantage $1 - k/G$ and score $1 - p$, the wrong ones $-k/G$ and $-p$. Together $\frac{k}{G}\big(1 - \frac{k}{G}\big)$: the share of right times the share of wrong answers. On average this is $\frac{G-1}{G}\, p(1-p)$. The weight is $1 - 1/G$, again for every prompt.
#
# *Divided*: the standard deviation, with $G - 1$, is $\sqrt{\frac{k}{G}\big(1 - \frac{k}{G}\big)\frac{G}{G-1}}$. The quotient is $\sqrt{\frac{k}{G}\big(1 - \frac{k}{G}\big)\frac{G-1}{G}}$, and for large $G$ this is $\sqrt{p(1-p)}$. The weight nears $1/\sqrt{p(1-p)}$: compared with the truth, more for prompts that are nearly always or nearly never solved. (The step itself is still longest at $p = 1/2$.)
#
# With rewards of 0 and 1 this holds for any policy, not only for one logit: given $k$, the average step is the same number times $\nabla p / (p(1-p))$.

# %% tags=["solution", "result-solution-weights"]
right = torch.cartesian_prod(*[torch.arange(2.0)] * 8)  # all groups of eight
centred = right - right.mean(dim=1, keepdim=True)
spread = right.std(dim=1, keepdim=True)
ways = [right, centred, centred / torch.where(spread > 0, spread, 1)]
weighed = {}
for x in (0.02, 0.1, 0.5, 0.9):
    likely = (x**right * (1 - x) ** (1 - right)).prod(dim=1)
    weights = [likely @ (way * (right - x)).mean(dim=1) / (x * (1 - x)) for way in ways]
    weighed[f"p = {x}"] = [*weights, 1 / math.sqrt(x * (1 - x))]
show(weighed, 4, ["plain", "mean", "divided", "1/sqrt(p(1-p))"])

# %% [markdown]
# ## What to remember
#
# > **Remember.** We raise the expected reward, a sum over all answers. Since $\nabla\pi = \pi\,\nabla\log\pi$, its gradient is an average over sampled answers of reward times score. The score is zero on average, so a baseline that does not know its answer changes nothing but the noise. The rest of the group is such a baseline, free of charge; the mean of the whole group gives the same step, a little shorter. Hence log-prob times advantage. The value of this number means nothing; its gradient, for the policy that drew the answers, is right on average.
#
# GRPO is from [DeepSeekMath (arXiv:2402.03300)](https://arxiv.org/abs/2402.03300), which puts fine-tuning, rejection sampling, PPO and GRPO side by side as one gradient with different coefficients. Leave-one-out for language models: [RLOO (arXiv:2402.14740)](https://arxiv.org/abs/2402.14740).
#
# **From here:** [Rewards](https://grpo-lite.github.io/grpo-lite/lessons/rewards/) makes a number of a wish.
