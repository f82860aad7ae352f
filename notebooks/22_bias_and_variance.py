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
# # Bias and variance
#
# A training step follows an estimate of the gradient, made from a handful of samples. Is it right on average? How far off is a single one? In a world so small that everything that can happen fits into a list, both have exact answers.
#
# **Minutes:** 25 · **Needs:** [The loss](https://grpo-lite.github.io/grpo-lite/lessons/the_loss/) · **Gives:** a way to test any estimator, and what each choice in GRPO costs

# %% tags=["setup"]
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic(
        "pip",
        "install -q 'grpo-lite[plot] @ git+https://github.com/grpo-lite/grpo-lite'",
    )

import itertools
import math
from importlib.resources import files

import torch

import grpo_lite
from grpo_lite import plotting
from grpo_lite.training.records import read_lines

plotting.use_site_style()
torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

# %% [markdown]
# ## The question
#
# What does a bad estimate do to a model? Each curve is the mean of four trainings with 64 updates: on 64 fresh batches, or on four batches used 16 times each, with three ways to treat the old samples. (The sequence ratio, one ratio for a whole completion, is in lesson [The family](https://grpo-lite.github.io/grpo-lite/lessons/the_family/).)

# %% tags=["drawing"] alt="Sampled accuracy over four times 16 updates, four seeds with 95 % bands. Fresh samples rise to 0.91. The sequence ratio rises to about 0.68 and holds. The clip of 0.2 rises to 0.54 at the third batch and falls to 0.47 with a wide band. Without a clip it starts at 0.34 and falls to 0.17." caption="16 updates a batch: without a clip the policy falls from the second batch on; as many on fresh samples do no harm."
runs = read_lines(files("grpo_lite") / "data" / "reuse.jsonl")
BASE = runs[0]["settings"]
HOW = {
    "no clip": {"epsilon": 1e6},
    "clip 0.2": {},
    "sequence, 0.05": {"importance_sampling_level": "sequence", "epsilon": 0.05},
}


def curves(name, batches, changes):
    """One row a seed, one column an evaluation."""
    settings = BASE | changes
    rows = [
        run[name][1:]
        for run in runs
        if run["settings"] == settings and run["batches"] == batches
    ]
    return torch.tensor(rows)


four, fresh = [0, 1, 2, 3, 4], [0, 16, 32, 48, 64]
reused = {("fresh", "-"): (fresh, {}), (1, "-"): (four, {})}
for updates in (4, 16, 32):
    for how, changes in HOW.items():
        reused[updates, how] = (four, {"num_iterations": updates, **changes})
drawn = {
    f"{updates}, {how}" if how != "-" else "fresh": curves("sampled_accuracy", *way)
    for (updates, how), way in reused.items()
    if updates in (16, "fresh")
}
plotting.lines(
    range(16, 65, 16),
    {name: rows.mean(dim=0) for name, rows in drawn.items()},
    errors={name: 3.182 * rows.std(dim=0) / 4**0.5 for name, rows in drawn.items()},
    xlabel="updates",
    ylabel="sampled accuracy, held out",
)

# %% [markdown]
# Old samples are one way to spoil an estimate; these trainings come back under "What breaks when". First, what "bad" means.
#
# Lesson [Why it works](https://grpo-lite.github.io/grpo-lite/lessons/why_it_works/) proved that reward minus a baseline, times the score, is on average the gradient of the expected reward $J$. GRPO adds more than a baseline. Here each addition is held against that gradient.
#
# Two numbers judge an **estimator** of it. Its **bias** is how far its average over all draws lies from the truth; more samples do not cure it. Its **variance** is how widely single draws scatter around their average; more samples do.
#
# **Predict.** GRPO takes the mean reward of the group as the baseline, divides by the group's standard deviation, and averages each completion over its own length. Which of these three bend the direction of the average step: the mean, the standard deviation, the length?
#
# ## A world that fits into a list
#
# Three tokens: a letter `a`, a letter `b`, and the end token, written `.`. At most three tokens. Then there are 15 completions, and no more.

# %% tags=["result-world"]
prefixes = [(), (1,), (2,), (1, 1), (1, 2), (2, 1), (2, 2)]
rows = [
    row
    for row in itertools.product(range(3), repeat=3)
    if 0 not in row or not any(row[row.index(0) :])
]
ids = torch.tensor(rows)
mask = grpo_lite.completion_mask(ids, eos_token_id=0)
names = ["".join(".ab"[i] for i in row[m]) for row, m in zip(ids, mask, strict=True)]
print(len(names), *names)

# %% [markdown]
# The policy is a table of logits, with one row for each prefix that can be continued and one column a token: 7 × 3 = 21 parameters. `place` says which row of the table predicts which token. Everything else is what lesson [Token log-probs](https://grpo-lite.github.io/grpo-lite/lessons/token_logprobs/) did.

# %% tags=["result-policy"]
place = torch.tensor(
    [
        [prefixes.index(row[:t]) if m[t] else 0 for t in range(3)]
        for row, m in zip(rows, mask.tolist(), strict=True)
    ]
)


def token_logps(table):
    return torch.where(mask, table.log_softmax(dim=1)[place, ids], 0)


def probabilities(table):
    return token_logps(table).sum(dim=1).exp()


table = torch.randn(7, 3, generator=torch.Generator().manual_seed(43))
p = probabilities(table)
rewards = torch.tensor([1.0 if "ab" in name else 0.5 * ("b" in name) for name in names])
print(f"sum {p.sum():.6f}")
plotting.table({"completion": names, "probability": p, "reward": rewards}, decimals=3)

# %% [markdown]
# The reward is 1 for an answer that contains `ab`, a half for one with a `b` somewhere, 0 for the rest. (The seed was picked for a policy on which every effect of this lesson is large enough to see. Another seed changes the sizes, not what is zero and what is not.)
#
# $J$ and its gradient are now a sum and a call of autograd. This is the truth that every estimator below is held against.

# %% tags=["result-truth"]
leaf = table.clone().requires_grad_()
J = (probabilities(leaf) * rewards).sum()
true = torch.autograd.grad(J, leaf)[0].flatten()
print(f"J {J:.4f}   length of the gradient {true.norm():.4f}")

# %% [markdown]
# An estimator adds up [scores](https://grpo-lite.github.io/grpo-lite/lessons/why_it_works/#one-fact-a-line), $\nabla \log\pi_\theta(o)$. Here are those of all 15 completions at once, first token by token.

# %% tags=["result-score"]
token_scores = torch.autograd.functional.jacobian(token_logps, table).flatten(2)
scores = token_scores.sum(dim=1)  # one row of 21 numbers a completion
print(token_scores.shape, scores.shape)
print(f"difference {((p * rewards) @ scores - true).abs().max():.10f}")

# %% [markdown]
# ## Every group at once
#
# A group of two is a pair of completions. There are 15 × 15 of them, each with its probability. The average of an estimator over all groups is what a training run with endless patience would see. No sampling, so no doubt.
#
# The order in a group does not matter. So each group is listed once, with the number of orders in which it can be drawn. Six completions then make 38,760 groups instead of eleven million.


# %% tags=["result-groups"]
def all_groups(G):
    index = torch.combinations(torch.arange(15), G, with_replacement=True)
    repeats = torch.nn.functional.one_hot(index, 15).sum(dim=1)
    orders = math.factorial(G) / (repeats + 1.0).lgamma().exp().prod(dim=1)
    return index, orders * p[index].prod(dim=1)


sizes = [2, 3, 6]
found = [all_groups(G) for G in sizes]
counts, sums = [len(index) for index, _ in found], [c.sum() for _, c in found]
plotting.table({"G": sizes, "groups": counts, "probability": sums}, decimals=6)


# %% [markdown]
# One function judges an estimator by three numbers.
#
# - **direction**: the cosine between its average and the truth. Below 1, training climbs something else.
# - **length**: the average along the truth, in units of the truth. A constant factor is harmless; it is a learning rate.
# - **noise**: the standard deviation over all groups, again in units of the truth. To compare two rows, divide it by the length.


# %%
def judge(advantages_of, G):
    index, chance = all_groups(G)
    push = advantages_of(rewards[index])
    estimates = (push[:, :, None] * scores[index]).mean(dim=1)
    average = chance @ estimates
    noise = (chance @ (estimates - average).square().sum(dim=1)).sqrt() / true.norm()
    direction = torch.cosine_similarity(average, true, dim=0)
    return direction.item(), (average @ true / true.square().sum()).item(), noise.item()


# %% [markdown]
# ## Which baselines are honest
#
# Six ways to turn the rewards of a group into advantages. Each takes a [groups, G] tensor.
#
# **Predict.** "Compare with the best of the group" sounds stricter than "compare with the mean". Which rows will have a direction of exactly 1?


# %% tags=["result-baselines"]
def none(r):
    return r


def group_mean(r):
    return r - r.mean(dim=1, keepdim=True)


def leave_one_out(r):
    others = (r.sum(dim=1, keepdim=True) - r) / (r.shape[1] - 1)
    return r - others


def with_std(r):
    spread = r.std(dim=1, keepdim=True)
    return group_mean(r) / torch.where(spread > 0, spread, 1)


def best_of_group(r):
    return r - r.amax(dim=1, keepdim=True)


def best_of_others(r):
    G = r.shape[1]
    columns = [[j for j in range(G) if j != i] for i in range(G)]
    return r - torch.stack([r[:, c].amax(dim=1) for c in columns], dim=1)


def judged(*ways):
    found = zip(*(judge(way, 4) for way in ways), strict=True)
    columns = dict(zip(("direction", "length", "noise"), found, strict=True))
    return plotting.table({"": [w.__name__ for w in ways], **columns}, decimals=4)


judged(none, group_mean, leave_one_out, with_std, best_of_group, best_of_others)

# %% [markdown]
# Read the first two columns. The first three rows are as lesson [Why it works](https://grpo-lite.github.io/grpo-lite/lessons/why_it_works/#the-group-as-the-baseline) proved: exact, shortened to $1 - 1/G$ of the length, exact. So without the standard deviation and the division by lengths, GRPO, Dr. GRPO ([arXiv:2503.20783](https://arxiv.org/abs/2503.20783)) and RLOO ([arXiv:2402.14740](https://arxiv.org/abs/2402.14740)) differ by a constant, and a constant is a learning rate. The others:
#
# - **The standard deviation** bends the direction a little here, and its steps are longer: noise divided by length is 2.06, near the 1.86 of the row above. More on it below.
# - **The best of the group** is off, and nothing in its code looks wrong. When you are the best, you are compared with yourself. **The best of the others** is exact again.
#
# > A baseline that knows the sample that it judges changes the average step: the group mean only its length, the best of the group its direction too.

# %% [markdown]
# **Check yourself.** With the best of the group as the baseline, direction is 0.92 and noise 2.23. You draw a thousand groups for each step. What are the two for the mean of these groups?
#
# <details class="wrong"><summary>About 1 and 0.07: enough samples find the truth</summary>Enough samples find the average of the estimator. This average is not the truth.</details>
# <details class="right"><summary>0.92 and 0.07</summary>The noise falls with the square root of a thousand, about 32. The average is the same for any number of groups: a bias stays.</details>
# <details class="wrong"><summary>0.92 and 2.23: it is the same estimator</summary>A single group is as noisy as before. The mean of a thousand groups is not.</details>

# %% [markdown]
# ## What a baseline buys, and what G buys
#
# In the exact ways of the table, noise divided by length is 1.9 to 2.7, for a group of four. One step mostly goes somewhere else. That is normal, and it is why batches hold many groups.
#
# So compare at a fixed price: 24 completions a step, cut into groups of G. With $24 / G$ independent groups the variance falls by that factor.
#
# **Predict.** Without a baseline it cannot matter how 24 independent samples are cut. With leave-one-out, are many small groups better, or few large ones?

# %% alt="Noise of a step of 24 completions against the group size G from 2 to 6, in units of the gradient's length. Without a baseline it is flat at 1.10. With leave-one-out it falls from 0.91 at G = 2 to 0.72 at G = 6." caption="Without a baseline a larger group buys nothing; with leave-one-out it buys calm."
sizes = [2, 3, 4, 5, 6]
noise = {
    way.__name__: [judge(way, G)[2] * math.sqrt(G / 24) for G in sizes]
    for way in (none, leave_one_out)
}
plotting.lines(
    sizes,
    {"no baseline": noise["none"], "leave-one-out": noise["leave_one_out"]},
    xlabel="completions in a group, G",
    ylabel="noise / length of gradient",
    colors={"no baseline": "clipped", "leave-one-out": "policy"},
    marks={(2.9, 1.05): "a larger group buys nothing", (3.4, 0.82): "it buys calm"},
)

# %% [markdown]
# Larger groups, at the same price. The baseline is an estimate too, made of $G - 1$ rewards, and its own noise comes on top.

# %% [markdown] tags=["detail"]
# How much that noise is can be written out. With $c = r - J$ and the score $s$,
#
# $$\operatorname{Var} = \frac{1}{G}\operatorname{Var}(c\,s) + \frac{1}{G(G-1)}\Big(\mathbb E[c^2]\;\mathbb E\lVert s\rVert^2 + \lVert \mathbb E[c\,s]\rVert^2\Big)$$
#
# The first part is what a baseline that knows $J$ would leave. The second is the price of not knowing it, and it fades faster.

# %% tags=["result-variance", "detail"]
c = rewards - p @ rewards
cs = c[:, None] * scores
first = p @ (cs - p @ cs).square().sum(dim=1)
second = (p @ c.square()) * (p @ scores.square().sum(dim=1)) + true.square().sum()
columns = {"G": [2, 4, 6]}
columns["enumerated"] = [judge(leave_one_out, G)[2] for G in columns["G"]]
columns["formula"] = [
    (first / G + second / (G * (G - 1))).sqrt() / true.norm() for G in columns["G"]
]
plotting.table(columns, decimals=6)

# %% [markdown]
# Two limits of this picture. It has one prompt: in training, a fixed number of completions in larger groups means fewer different prompts in a step, and prompts differ too. And it counts noise, not groups in which all rewards agree, of which small groups have more.

# %% [markdown]
# ## The length in the denominator
#
# DeepSeekMath averages each completion over its own tokens, $\frac{1}{|o_i|}\sum_t$. That multiplies the push of a completion by $1/|o_i|$. Dr. GRPO divides by a constant. A third way, that of `bnpo` and `dapo`, divides by the tokens of the batch, which here is one group.
#
# **Predict.** A long answer that scores below average: with $1/|o_i|$, is it pushed down more or less?


# %% tags=["result-length"]
def constant(lengths):
    return torch.ones_like(lengths)


def own_length(lengths):
    return 1 / lengths


def tokens_of_group(lengths):
    return (1 / lengths.mean(dim=1, keepdim=True)).expand_as(lengths)


def expected_step(weights_of, G=4):
    """A step of length 1 along the average of the estimator."""
    index, chance = all_groups(G)
    push = leave_one_out(rewards[index]) * weights_of(mask.sum(dim=1)[index].double())
    step = torch.einsum("m,mg,mgp->p", chance, push, scores[index])
    return step / step.norm()


length = mask.sum(dim=1).double()
long_and_bad = ((length == 3) & (rewards < p @ rewards)).double()
print(f"probability of long and below average: {p @ long_and_bad:.3f}")
weightings = [constant, tokens_of_group, own_length]
steps = torch.stack([expected_step(weights_of) for weights_of in weightings])
columns = {
    "": [w.__name__ for w in weightings],
    "direction": steps @ true / true.norm(),
}
quantities = {"J": rewards, "mean length": length, "long and bad": long_and_bad}
for name, what in quantities.items():
    columns[f"change of {name}"] = steps @ ((p * what) @ scores)
plotting.table(columns, decimals=4)

# %% [markdown]
# The three right columns say how fast a quantity changes along a step of length 1. All three climb $J$. But look at the last column. The true gradient makes long answers that score below average *less* likely. With $1/|o_i|$ they become *more* likely: their push down is divided by three, that of a one-token answer by one. And the mean length grows faster than the reward asks for.
#
# This is the length bias that Dr. GRPO names. It is a property of the average step, so no batch is large enough to remove it. ("Bad" is below average and no more: of the 0.624, 0.429 is `bb.`, which earns 0.5 where $J$ is 0.515.)
#
# The tokens of the group in the denominator are nearly right (0.9957) and not quite: long groups count less than short ones.

# %% alt="Change of the probability of long answers that score below average, along a step of length 1. Divided by a constant: minus 0.088. By the tokens of the group: minus 0.069. By each answer's own length: plus 0.024." caption="Divided by their own length, long answers that are bad become more likely."
changes = [
    ((p * long_and_bad) @ scores @ expected_step(w)).item()
    for w in (constant, tokens_of_group, own_length)
]
plotting.bars(
    {"change": changes},
    ["constant", "tokens of group", "own length"],
    ylabel="change of P(long and bad)",
    xlabel="divided by",
    by_sign=True,
)

# %% [markdown]
# ## The standard deviation, and which prompts count
#
# Now many prompts, each right or wrong with its own probability $p$. [Exercise 4 of lesson Why it works](https://grpo-lite.github.io/grpo-lite/lessons/why_it_works/#exercises) derives what a prompt weighs, compared with its true gradient $p(1-p)$: for $k$ right answers of G the step is $k(G-k)/G^2$, divided by the spread or not. Its average over $k$, for every $p$:


# %%
G = 8


def average_push(p, divide):
    total = 0.0
    for k in range(1, G):
        chance = math.comb(G, k) * p**k * (1 - p) ** (G - k)
        spread = math.sqrt(k * (G - k) / (G * (G - 1)))
        total += chance * k * (G - k) / G**2 / (spread if divide else 1)
    return total


# %% alt="Weight of a prompt in the average step relative to its weight in the true gradient, against its probability of a right answer from 0.01 to 0.99, for groups of 8. Centred only: flat at 0.875. Divided by the standard deviation: 1.74 in the middle, rising to about 2.4 at both edges. A dashed curve, one over the square root of p times one minus p, is the limit of large groups and rises to 10." caption="Centred, all prompts keep their weights; divided by the spread, very hard and very easy ones gain."
grid = [i / 100 for i in range(1, 100)]
plotting.lines(
    grid,
    {
        "large G": [1 / math.sqrt(x * (1 - x)) for x in grid],
        "divided by std": [average_push(x, True) / (x * (1 - x)) for x in grid],
        "centred": [average_push(x, False) / (x * (1 - x)) for x in grid],
    },
    xlabel="probability of a right answer, p",
    ylabel="weight / true weight",
    colors={"large G": "clipped", "divided by std": "negative", "centred": "policy"},
    dashed=["large G"],
    log="y",
    marks={(0.27, 1.4): "hard and easy prompts gain"},
)

# %% [markdown]
# Without the division every prompt counts 0.875 times its due, $1 - 1/8$. With it, a prompt of $p = 0.1$ counts 2.18 times its due and a coin toss 1.74 times. So the sum over prompts climbs something other than the mean accuracy: prompts at the edges weigh more. Dr. GRPO calls it a difficulty bias.
#
# In small groups the effect is mild: a prompt of $p = 0.01$ nearly always gives a group in which all answers are wrong, and then there is no push to scale. As G grows the weight nears $1/\sqrt{p(1-p)}$.
#
# A bias need not be a mistake. Hard prompts get more attention, and many recipes keep the division because training is steadier when every prompt's advantages have the same size. It is a choice of objective, and one should know that one makes it.
#
# ## Old samples
#
# With $\mu > 1$ the samples come from an older policy (lesson [Ratio and clipping](https://grpo-lite.github.io/grpo-lite/lessons/ratio_and_clipping/)). The exact repair weighs a completion by the **product** of the ratios of its tokens. GRPO weighs each token by **its own** ratio, and then **clips**. To look at the ratio alone, let the baseline be the exact $J$, so that the advantage is $c = r - J$.


# %% tags=["result-old"]
def judge_old(old, weights_of):
    q = probabilities(old)
    ratio = torch.where(mask, (token_logps(table) - token_logps(old)).exp(), 1)
    push = (weights_of(ratio) * c[:, None])[:, :, None] * token_scores
    estimates = push.sum(dim=1)
    average = q @ estimates
    bias = (average - true).norm() / true.norm()
    noise = (q @ (estimates - average).square().sum(dim=1)).sqrt() / true.norm()
    return bias.item(), noise.item()


def product(ratio):
    return ratio.prod(dim=1, keepdim=True).expand_as(ratio)


def token(ratio):
    return ratio


def clipped(ratio):
    too_far = ((ratio > 1.2) & (c[:, None] > 0)) | ((ratio < 0.8) & (c[:, None] < 0))
    return torch.where(too_far, 0, ratio)


away = torch.randn(7, 3, generator=torch.Generator().manual_seed(2))
shifts = [0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.2]
olds = [table + shift * away for shift in shifts]
distances = [(probabilities(o) @ (probabilities(o) / p).log()).item() for o in olds]
judged_old = {
    w.__name__: [judge_old(o, w) for o in olds] for w in (product, token, clipped)
}
columns = {"KL(old, policy)": distances}
for name, pairs in judged_old.items():
    columns[f"bias, {name}"], columns[f"noise, {name}"] = zip(*pairs, strict=True)
plotting.table(columns, decimals=3)

# %% alt="Two panels against the distance between old policy and policy, in nats. Bias: the product of ratios stays at 0, the token ratio rises to 0.56, the clipped one jumps above 0.8 early and stays near 1. Noise: the product rises from 3.3 to 8.5, the token ratio to 7.0, the clipped one to 5.5." caption="Less noise is paid with bias: the product of ratios has none, the clip the most."
panels = [
    {name: [x[k] for x in pairs] for name, pairs in judged_old.items()} for k in (0, 1)
]
plotting.lines(
    distances,
    *panels,
    xlabel="KL(old || policy), nats",
    ylabel="relative to gradient",
    titles=["bias", "noise"],
    marks={(0.35, 0.1): "the product of ratios has none"},
    colors={"product": "other", "token": "policy", "clipped": "clipped"},
)

# %% [markdown]
# At distance 0 all three are the same, and so they are in GRPO with one update a batch. Further away:
#
# - **The product** has no bias and the most noise, which grows without limit; for a thousand tokens a product of ratios is useless.
# - **The token ratio** trades some bias for less noise.
# - **The clip** trades much more. Tokens that have left the range on the side to which the advantage points lose their push: between 0.009 and 0.037 nats the bias jumps from 0.07 to 0.87. (Nearly all the right answers of this world begin with the same `a`, and there its ratio passes 1.2. Elsewhere the jump would be smaller, or come later.) Where it is above 1, the average is farther from the gradient than no step at all.
#
# The clip is not there to estimate. It does not correct old samples, it stops the policy from following them further.
#
# ## What breaks when
#
# That was one step. Now the trainings of the first picture, and more: chain sums ([Watch it learn](https://grpo-lite.github.io/grpo-lite/lessons/watch_it_learn/)), four batches of 64 completions, and each batch is used for 1, 4, 16 or 32 updates. Once without any clip, once with GRPO's, once with one ratio a completion, as in GSPO, and its own clip. Four seeds each, learning rate 2e-4. As a control, 64 *fresh* batches: as many updates as four batches used 16 times. (`make runs` in a clone of the project makes these trainings again.)
#
# **Predict.** Which breaks first: the right answers, the favourite answer, the form of the answer?

# %% tags=["result-reuse"]
updates, how = zip(*reused, strict=True)
columns = {"updates": map(str, updates), "how": how}


def means(name):
    """One row a way, one column a batch."""
    return torch.stack([curves(name, *way).mean(dim=0) for way in reused.values()])


columns |= {f"batch {i + 1}": x for i, x in enumerate(means("sampled_accuracy").T)}
columns |= {"clipped": means("clip_fraction").mean(dim=1)}
columns |= {"greedy": means("greedy_accuracy")[:, -1]}
plotting.table({**columns, "length": means("mean_length")[:, -1]})

# %% [markdown]
# The number of updates alone does no harm: 64 fresh batches make as many as four used 16 times, and end at 0.91. What harms is to use the same few completions again and again:
#
# - **Four updates a batch:** all three ways are faster than one update; the sequence ratio is ahead of the clip by a little, 0.04.
# - **No clip:** 16 updates on the first batch teach nothing, and from the second on they do harm. At the end 0.17 of the samples are right, and of the favourite answers 0.26. The form still stands, a thought and an answer in ten tokens; the sums in it are wrong. With 32 the form goes too, to 12.7 tokens on the way to the limit of 16.
# - **The clip of 0.2 delays it.** With 16 updates the accuracy climbs for three batches to 0.54, then falls. With 32 it never gets beyond 0.42.
# - **The sequence ratio holds,** at 0.68 and 0.66. With 16 and with 32 updates all four seeds end in this order: no clip, clip, sequence. But its range is narrower as well: with 16 updates it switches off 44 % of the completions, the clip 14 % of the tokens. Level and range were changed together, so this does not say which of the two helped.
#
# So the right answers go first, the favourite answer with them, and the form last. A policy that repeated samples have ruined can still look as if it thought.
#
# ## Break it
#
# A group in which all answers agree has advantage 0 and is wasted. Dynamic sampling (DAPO, [arXiv:2503.14476](https://arxiv.org/abs/2503.14476)) fills its place: it draws **new prompts** until every group in the batch has both right and wrong answers. Another way looks as good: draw **the same prompt again** until its group is mixed.
#
# **Predict.** Four prompts, drawn equally often. Which of the two ways changes how much they weigh compared with each other?

# %% tags=["result-dynamic"]
chances = (0.02, 0.1, 0.5, 0.9)
x = torch.tensor(chances)
kept = 1 - x**G - (1 - x) ** G
share = kept / kept.sum()  # of the places, when new prompts fill them
pushes = torch.tensor([average_push(chance, divide=False) for chance in chances])
again = pushes / kept / (x * (1 - x))
columns = {"p": x, "kept": kept, "share of batch": share, "same prompt again": again}
plotting.table({**columns, "new prompts": again * share * len(x)}, decimals=3)

# %% [markdown]
# The average over *kept* groups is the old average divided by the chance to be kept. Draw the same prompt again, and every prompt has its place in the batch for sure: one that is solved once in fifty counts nearly six times its due, a coin toss 0.88 times. That is a difficulty bias, and a stronger one than the standard deviation's.
#
# The repair is DAPO's own way, here without the division by the spread. With new prompts a prompt has a place as often as it is kept, and the two cancel: all weights are the same, 1.53 where they were 0.875 without any filter. The step points where it pointed and is longer, the more so the fewer groups are mixed.
#
# ## One look with dice
#
# All of this was summed, not sampled. If the sums are right, dice must agree. A million groups of four, the leave-one-out estimate of each, and the distance of their mean from the truth in units of its own standard error: about 1 is what chance gives.

# %%
generator = torch.Generator().manual_seed(0)
count = 1_000_000
drawn = torch.multinomial(p, 4 * count, replacement=True, generator=generator)
drawn = drawn.view(count, 4)
push = leave_one_out(rewards[drawn]) / 4
weight = torch.zeros(15).index_add(0, drawn.flatten(), push.flatten()) / count
error = (weight @ scores - true).norm() / true.norm()
expected = judge(leave_one_out, 4)[2] / math.sqrt(count)
print(
    f"relative error {error:.5f}   expected {expected:.5f}   "
    f"quotient {error / expected:.2f}"
)
assert error < 3 * expected

# %% [markdown]
# ## Exercises
#
# **1. One spread for all.** *Medium, 15 minutes.* A colleague normalises over the whole batch instead: all advantages are divided by one standard deviation, computed from all groups together (`scale_rewards="batch"`). Does that have a difficulty bias? Think before you compute. And a bias at all?

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# All prompts of a batch are divided by the same number, so their weights relative to each other stay: no difficulty bias within a batch. The number itself depends on the samples, so strictly there is a small bias, as with the tokens of the group above: batches with a large spread count less. It fades as the batch grows, since the spread of a large batch hardly changes from one to the next.

# %% [markdown]
# **2. Another baseline.** *Hard, 20 minutes.* Find a baseline of your own that uses all other rewards, is not the mean, and has direction 1 and length 1. Then let it see the reward that it judges as well.


# %%
# Your turn.


# %% tags=["solution", "result-solution-median"]
def median_of_others(r):
    G = r.shape[1]
    columns = [[j for j in range(G) if j != i] for i in range(G)]
    return r - torch.stack([r[:, c].median(dim=1)[0] for c in columns], dim=1)


def median_of_group(r):
    return r - r.median(dim=1, keepdim=True)[0]


judged(median_of_others, median_of_group)

# %% [markdown]
# ## What to remember
#
# > **Remember.** A baseline may know the other samples and not the one it judges. Dividing by something that depends on the samples (a length, a spread, how often a prompt was drawn again) changes what is climbed. Clipping is a brake, not a correction.
#
# | Choice | On average | Noise |
# |---|---|---|
# | no baseline | exact | most here, not always ([PPO and GRPO side by side](https://grpo-lite.github.io/grpo-lite/lessons/ppo_and_grpo/)); grows with the size of the rewards |
# | group mean | exact times $1 - 1/G$ | as leave-one-out, scaled |
# | leave-one-out | exact | falls with G also at a fixed number of completions |
# | divided by the group's standard deviation | other weights for prompts by difficulty | every prompt's advantages have the same size |
# | divided by the own length | long answers are pushed less, good and bad | |
# | divided by a constant | exact | |
# | token ratio on old samples | a bias that grows with the distance | less than the product of ratios |
# | clip | no push beyond the range, on the advantage's side | least |
#
# The KL penalty has its own table of this kind: lesson [The gradients of KL](https://grpo-lite.github.io/grpo-lite/lessons/gradients_of_kl/#over-a-completion).
#
# The exact world is also what the tests of this site stand on: `tests/helpers/enumerable.py` and `tests/test_oracle.py` check the packaged baselines, the KL and every loss type in it.
#
# **From here:** [The same numbers as TRL](https://grpo-lite.github.io/grpo-lite/lessons/the_same_numbers_as_trl/) holds the package against TRL, and reads TRL's defaults.
