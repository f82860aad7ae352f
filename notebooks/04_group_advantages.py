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
# # Group-relative advantages
#
# How good is an answer? Better than its siblings, or worse. This lesson turns rewards into the signed numbers that push the model, and shows why GRPO needs no second network to do it.
#
# **Minutes:** 15 · **Needs:** [Why it works](https://grpo-lite.github.io/grpo-lite/lessons/why_it_works/), [Rewards](https://grpo-lite.github.io/grpo-lite/lessons/rewards/) · **Gives:** `grpo_lite.group_advantages`, `grpo_lite.leave_one_out_advantages`

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

# %% [markdown]
# ## The question
#
# We asked the model the same question eight times, and rewarded each answer. A reward of 1 sounds good. But is it good *news*? If the model always answers this question correctly, a reward of 1 teaches nothing. What counts is the reward compared with the reward that we should have expected.
#
# **Play first.** Drag the rewards of the eight answers. **The first goal:** give a reward of 0.8 or more a negative advantage. Then make seven of the eight be pushed down, and find out when nobody is pushed at all.
#
# <group-explorer>On the site there is a picture to play with here.</group-explorer>
#
# Now by hand, with four answers, of which two were right.
#
# | answer | reward |
# |---|---|
# | 7 | 1 |
# | 9 | 0 |
# | 7 | 1 |
# | 3 | 0 |
#
# PPO asks a second network, the critic, what to expect here. GRPO asks the other three answers.
#
# **Predict.** Which answers should be pushed up, and how hard compared with each other? What if all four had been right?

# %%
rewards = torch.tensor([1.0, 0.0, 1.0, 0.0])
rewards - rewards.mean()

# %% [markdown]
# The mean of the group is the **baseline**: the reward to expect. Half a point above it is good news, half a point below is bad news, and the news adds up to zero. Had all four been right, there would be no news at all.
#
# The number that says how much better a completion was than expected is called its **advantage**. It is not a reward: rewards say what happened, advantages say which way to push.
#
# ## By hand: two prompts, two answers each
#
# The paper also divides by the spread of the group, so that a group scored 0 or 100 pushes as hard as one scored 0 or 1:
#
# $$\hat A_i = \frac{r_i - \operatorname{mean}(\mathbf r)}{\operatorname{std}(\mathbf r)}$$
#
# Here $\mathbf r$ holds the rewards of one group, the $G$ completions of the same prompt. Take $G = 2$ and two prompts:
#
# | | rewards | mean | deviations | std | advantages |
# |---|---|---|---|---|---|
# | prompt 1 | 3, 1 | 2 | +1, −1 | $\sqrt{(1 + 1) / (2 - 1)} = 1.4142$ | +0.7071, −0.7071 |
# | prompt 2 | 10, 4 | 7 | +3, −3 | $\sqrt{(9 + 9) / (2 - 1)} = 4.2426$ | +0.7071, −0.7071 |
#
# The standard deviation here divides by $G - 1$, as PyTorch and TRL do. Dividing by $G$ instead would make every advantage $\sqrt{G / (G-1)}$ times larger.

# %% tags=["result-by-hand"]
prompt_1 = torch.tensor([3.0, 1.0])
prompt_2 = torch.tensor([10.0, 4.0])
for group in (prompt_1, prompt_2):
    print((group - group.mean()) / group.std())

# %% [markdown]
# Both groups push equally hard, although the rewards of the second are three times as far apart. With two completions a group, the advantage only says which one won.

# %% [markdown]
# **Check yourself.** A right answer earns 1 and a wrong one 0. From now on you pay −1 for a wrong one. What happens to the advantages of a mixed group?
#
# <details class="wrong"><summary>Wrong answers are pushed down now, and were not before</summary>They were before: 0 lies below the mean of a mixed group. It is the place in the group that counts, not the sign of the reward.</details>
# <details class="wrong"><summary>They become twice as large</summary>The deviations do, and so does the spread that divides them.</details>
# <details class="right"><summary>Nothing</summary>The mean moves along with the rewards, and the spread grows with the deviations. Two right and two wrong of four make ±0.866 either way.</details>

# %% [markdown]
# ## A plain loop
#
# A batch holds several groups, one after the other: the first $G$ rows belong to the first prompt, the next $G$ to the second. We go from group to group. A small `eps` keeps us from dividing by zero.


# %%
def advantages_in_a_loop(rewards, num_generations, eps=1e-4):
    advantages = []
    for start in range(0, len(rewards), num_generations):
        group = rewards[start : start + num_generations]
        mean = sum(group) / num_generations
        variance = sum((r - mean) ** 2 for r in group) / (num_generations - 1)
        advantages += [(r - mean) / (variance**0.5 + eps) for r in group]
    return advantages


advantages_in_a_loop([3.0, 1.0, 10.0, 4.0], num_generations=2)

# %% [markdown]
# ## Vectorised
#
# `view(-1, G)` gives each group a row of its own. The rest is one line of arithmetic along the rows.
#
# Two details go beyond the paper. Every reward is measured from the lowest of its group; you will see under *Break it* what that is good for. And `scale_rewards` chooses what to divide by: the spread of the "group" as in the paper, the spread of the whole "batch", or nothing at all ("none").


# %% tags=["define-group_advantages"]
def group_advantages(rewards, num_generations, *, scale_rewards="group", eps=1e-4):
    groups = rewards.view(-1, num_generations)
    above_lowest = groups - groups.min(dim=1, keepdim=True).values
    centred = above_lowest - above_lowest.mean(dim=1, keepdim=True)
    if scale_rewards == "group":
        centred = centred / (centred.std(dim=1, keepdim=True) + eps)
    if scale_rewards == "batch":
        centred = centred / (rewards.std() + eps)
    return centred.flatten()


# %% tags=["result-two-prompts"]
group_advantages(torch.tensor([3.0, 1.0, 10.0, 4.0]), num_generations=2)

# %% [markdown]
# The same as in the packaged function, for every setting, on random rewards: value, shape and type.

# %% tags=["same-group_advantages"] caption="value on 24 random rewards in groups of 8, for each way to scale; the loop agrees; no gradient passes"
random_rewards = torch.randn(
    24, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
)
for scale_rewards in ("group", "batch", "none"):
    mine = group_advantages(random_rewards, 8, scale_rewards=scale_rewards)
    packaged = grpo_lite.group_advantages(
        random_rewards, 8, scale_rewards=scale_rewards
    )
    torch.testing.assert_close(mine, packaged)

loop = advantages_in_a_loop(random_rewards.tolist(), 8)
torch.testing.assert_close(grpo_lite.group_advantages(random_rewards, 8).tolist(), loop)

# An advantage is a constant: no gradient flows through it into what made the reward.
assert not grpo_lite.group_advantages(random_rewards.requires_grad_(), 8).requires_grad

# %% [markdown]
# ## The group is the baseline, not the batch
#
# Two prompts again, an easy one and a hard one. On the easy one both answers score well.
#
# **Predict.** If we compared every reward with the mean of all four, which answers would be pushed the wrong way?

# %% alt="Bars of four advantages. Against the batch mean both answers to the easy prompt are positive, 3.5 and 2.5, and both to the hard prompt negative, -2.5 and -3.5. Against the group mean the better answer of each prompt has 0.5 and the worse one -0.5." caption="Against the batch an easy prompt pays for being easy; against its group the better answer wins."
rewards = torch.tensor([9.0, 8.0, 3.0, 2.0])
against_batch = rewards - rewards.mean()
against_group = grpo_lite.group_advantages(
    rewards, num_generations=2, scale_rewards="none"
)
plotting.bars(
    {"minus batch mean": against_batch, "minus group mean": against_group},
    ["easy, 9\nbetter", "easy, 8\nworse", "hard, 3\nbetter", "hard, 2\nworse"],
    ylabel="advantage (points)",
    xlabel="prompt, reward",
    colors={"minus batch mean": "clipped", "minus group mean": "policy"},
)

# %% [markdown]
# Look at the two answers in the middle. Against the batch, the *worse* answer to the easy prompt is praised, and the *better* answer to the hard prompt is blamed. All that this step measured is which prompt was easier. Over many steps it bends nothing: a mean over the batch is nearly a constant, and [a constant changes nothing on average](https://grpo-lite.github.io/grpo-lite/lessons/why_it_works/#a-baseline-changes-nothing-on-average). [REINFORCE++ (arXiv:2501.03262)](https://arxiv.org/abs/2501.03262) normalises over the batch on purpose.
#
# So why not the batch? Because of the noise. Where prompts differ in difficulty, that difference is a part of every advantage. It cancels only over many steps, and until then it drowns out which answer was the better one. Against the group it never comes in.
#
# > In a single step, the comparison only means something among answers to the same question.

# %% [markdown]
# **Check yourself.** Four answers to prompt A are all right, with rewards 1, 1, 1, 1. Four answers to prompt B are all wrong: 0, 0, 0, 0. Whom does GRPO push?
#
# <details class="right"><summary>Nobody</summary>Each answer is compared with its own group, and in both groups nobody did better than anybody.</details>
# <details class="wrong"><summary>A up, B down</summary>The mean of the batch would do that. It compares answers to different questions, and finds out which prompt was easier.</details>
# <details class="wrong"><summary>B down, A not at all</summary>A wrong answer is bad news only where a better one was to be expected. In group B the mean is 0, and nobody is below it.</details>

# %% [markdown]
# ## What dividing by the spread does
#
# Suppose 8 answers, scored 0 or 1, and $k$ of them right. How hard is a right answer pushed, with and without the division?

# %% alt="Advantage of a right answer against the number of right answers out of eight. Without division it falls in a straight line from 0.88 to 0.13; divided by the spread it starts at 2.47 and falls to 0.35." caption="The rarer a right answer, the larger its advantage; the division makes it larger still."
right = torch.arange(1, 8)
with_std, without_std = [], []
for k in right.tolist():
    rewards = torch.tensor([1.0] * k + [0.0] * (8 - k))
    with_std.append(grpo_lite.group_advantages(rewards, 8)[0])
    without_std.append(grpo_lite.group_advantages(rewards, 8, scale_rewards="none")[0])

plotting.lines(
    right,
    {"÷ std": with_std, "no division": without_std},
    xlabel="right answers out of 8",
    ylabel="advantage of a right answer",
    marks={(1.2, 2.45): "the only right one of eight"},
)

# %% [markdown]
# Without the division, a right answer counts by how surprising it was: $1 - k/8$. With it, the surprise is measured in units of the spread. The spread is small at both ends, where nearly all answers agree. So the groups with one dissenter gain the most: the single right answer to a hard prompt is pushed nearly three times as hard (2.47 instead of 0.88). So is the single wrong answer to an easy one. Small weights [come back as well](https://grpo-lite.github.io/grpo-lite/lessons/rewards/#what-a-weight-does). What each choice weighs a prompt by, exercise 4 of lesson [Why it works](https://grpo-lite.github.io/grpo-lite/lessons/why_it_works/) derives.
#
# That is a choice, not a law. [Dr. GRPO (arXiv:2503.20783)](https://arxiv.org/abs/2503.20783) calls it a difficulty bias and divides by nothing: `scale_rewards="none"`.

# %% tags=["result-one-right-of-eight"]
one_right = torch.tensor([1.0] + [0.0] * 7)
divided = grpo_lite.group_advantages(one_right, 8)
plain = grpo_lite.group_advantages(one_right, 8, scale_rewards="none")
columns = {"reward": one_right, "÷ std": divided, "no division": plain}
plotting.table({name: x[:2] for name, x in columns.items()}, decimals=4)

# %% [markdown]
# ## Break it
#
# Eight rewards of 0.1. Nobody did better than anybody, so nobody should be pushed. Here is the formula of the paper with the small `eps` that one finds in many places:

# %% tags=["result-float32-trap"]
rewards = torch.full((8,), 0.1)
(rewards - rewards.mean()) / (rewards.std() + 1e-8)

# %% [markdown]
# Every answer is punished. 0.1 has no exact binary form; the mean is off by one unit in the last place, the spread is just as small, and their quotient is not small at all. With 0, 0.5 and 1 you would never have seen it.
#
# **Predict.** What is the smallest change that repairs it, and what does a large `eps` cost instead?

# %% tags=["result-float32-repaired"]
columns = {"reward": [0.1, 0.6, 2.8], "eps=1e-8": [], "eps=1e-4": [], "ours": []}
for value in columns["reward"]:
    rewards = torch.full((8,), value)
    for eps in (1e-8, 1e-4):
        naive = (rewards - rewards.mean()) / (rewards.std() + eps)
        columns[f"eps={eps:.0e}".replace("e-0", "e-")].append(naive[0])
    columns["ours"].append(grpo_lite.group_advantages(rewards, 8)[0])
plotting.table(columns, decimals=5)

# %% [markdown]
# A larger `eps` hides the rounding error. It also shrinks the advantages of honest small rewards: the original notebook used 0.01, and rewards of 0.05 and 0.06 then give ±0.29 where the formula says ±0.71. With 1e-4 it is ±0.70. Measuring from the lowest reward removes the cause: equal rewards become exactly 0 *before* anything is rounded.

# %% tags=["result-eps-cost"]
close = torch.tensor([0.05, 0.06])
for eps in (0.01, 1e-4):
    print(f"eps {eps}: {grpo_lite.group_advantages(close, 2, eps=eps)}")

# %% [markdown]
# A group in agreement gives advantages of 0. That is not an error, it is the method: a prompt that is always solved, or never, teaches nothing today. A group of one would always agree with itself, so `num_generations=1` is refused; [what takes its place](../docs/questions.md#one) comes from outside the group.
#
# ## Leave one out
#
# Lesson [Why it works](https://grpo-lite.github.io/grpo-lite/lessons/why_it_works/#the-group-as-the-baseline) compared each answer with its siblings alone, and showed why that is allowed. As a function:
#
# $$\hat A_i = r_i - \frac{1}{G-1} \sum_{j \ne i} r_j$$
#
# By hand, for rewards 1, 0, 0, 0: the first answer is compared with mean 0, so its advantage is 1. Each other one is compared with the mean of 1, 0, 0, so its advantage is −1/3.


# %% tags=["define-leave_one_out_advantages"]
def leave_one_out_advantages(rewards, num_generations):
    groups = rewards.view(-1, num_generations)
    others = groups.sum(dim=1, keepdim=True) - groups
    return (groups - others / (num_generations - 1)).flatten()


# %% tags=["result-leave-one-out"]
leave_one_out_advantages(torch.tensor([1.0, 0.0, 0.0, 0.0]), num_generations=4)

# %% tags=["same-leave_one_out_advantages"] caption="value on 24 random rewards in groups of 8; no gradient passes"
random_rewards = torch.randn(24, generator=torch.Generator().manual_seed(0))
mine = leave_one_out_advantages(random_rewards, 8)
packaged = grpo_lite.leave_one_out_advantages(random_rewards.requires_grad_(), 8)
torch.testing.assert_close(mine, packaged)
assert not packaged.requires_grad

# %% [markdown]
# As shown there, these are the advantages without division, times $G/(G-1)$: a longer push in the same direction.
#
# ## When a completion has no reward
#
# A reward function may decline to judge (it returns `None`, and lesson [Rewards](https://grpo-lite.github.io/grpo-lite/lessons/rewards/) turns that into nan). Such a completion should neither be pushed nor serve as anybody's baseline. Ours cannot do that: one nan makes its whole group nan, and the comparison above tried none. The packaged function leaves the completion out.

# %% tags=["result-unscored"]
grpo_lite.group_advantages(
    torch.tensor([1.0, 0.0, float("nan"), 1.0]), num_generations=4
)

# %% [markdown]
# Three completions remain, and their mean is 2/3. The third one gets 0: no push.
#
# ## Exercises
#
# **1. Two is company.** *Easy, 5 minutes.* With $G = 2$ and the division by the spread, the advantages are always ±0.7071, whatever the two rewards, as long as they differ and `eps` is small. Show it on paper. What information about the rewards is lost?

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# Call the rewards $a > b$. The mean is $(a+b)/2$ and the deviations are $\pm (a-b)/2$. The variance with $G - 1 = 1$ in the denominator is $2 \cdot (a-b)^2/4 = (a-b)^2/2$, so the spread is $(a-b)/\sqrt 2$. The quotient is $\pm \sqrt 2 / 2 = \pm 0.7071$.
#
# Lost is *how much* better the winner was. A group of two can only say who won.

# %% [markdown]
# **2. One identity.** *Medium, 10 minutes.* Without looking back at lesson [Why it works](https://grpo-lite.github.io/grpo-lite/lessons/why_it_works/): show that leave-one-out advantages are $\frac{G}{G-1}$ times the centred rewards, and check it with one line of code.

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# With $S = \sum_j r_j$: $\; r_i - \frac{S - r_i}{G-1} = \frac{(G-1) r_i - S + r_i}{G-1} = \frac{G r_i - S}{G-1} = \frac{G}{G-1}\left(r_i - \frac{S}{G}\right)$.

# %% tags=["solution"]
centred = grpo_lite.group_advantages(random_rewards, 8, scale_rewards="none")
torch.testing.assert_close(
    grpo_lite.leave_one_out_advantages(random_rewards, 8), 8 / 7 * centred
)

# %% [markdown]
# **3. Find the bug.** *Medium, 10 minutes.* A colleague groups the rewards with `rewards.view(num_generations, -1)` and takes means along `dim=0`. The shapes work out and no error appears. Find a batch on which the result is wrong, and say who is compared with whom.


# %%
def suspicious_advantages(rewards, num_generations):
    groups = rewards.view(num_generations, -1)
    return (groups - groups.mean(dim=0)).flatten()


suspicious_advantages(torch.tensor([1.0, 0.0, 1.0, 0.0]), num_generations=4)

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# With a single prompt the result is right, which is why a test with one group misses it. With $N$ prompts, row $i$ is compared with rows $i + N$, $i + 2N$ and so on: answers to *different* questions. Here 9 is compared with 3, and 8 with 2.

# %% tags=["solution"]
rewards = torch.tensor([9.0, 8.0, 3.0, 2.0])
print("suspicious", suspicious_advantages(rewards, 2))
print("correct   ", grpo_lite.group_advantages(rewards, 2, scale_rewards="none"))

# %% [markdown]
# ## What to remember
#
# > **Remember.** An advantage is a reward relative to its group: minus the mean of its siblings, usually divided by their spread. It has a sign, adds up to zero within the group, and is a constant for the gradient. A group in agreement teaches nothing, and must come out as exactly zero.
#
# The paper's equation has no `eps`; TRL adds 1e-4, and so do we. The advantage stands in [DeepSeekMath, section 4.1.2 (arXiv:2402.03300)](https://arxiv.org/abs/2402.03300). Leaving one out is the baseline of [RLOO (arXiv:2402.14740)](https://arxiv.org/abs/2402.14740).
#
# **From here:** [Sampling a group](https://grpo-lite.github.io/grpo-lite/lessons/sampling_a_group/) lets a model write the completions.
