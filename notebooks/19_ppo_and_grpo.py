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
# # PPO and GRPO side by side
#
# GRPO is PPO with the group in the place of the critic. Build the critic by hand, race the two methods, and find out where the winner's lead comes from.
#
# **Minutes:** 30 · **Needs:** [The loss](https://grpo-lite.github.io/grpo-lite/lessons/the_loss/) · **Gives:** PPO by hand, and what a critic is good for

# %% tags=["setup"]
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic(
        "pip",
        "install -q 'grpo-lite[train] @ git+https://github.com/grpo-lite/grpo-lite'",
    )

import os

os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

import copy
import random
from importlib.resources import files

import torch

import grpo_lite
from grpo_lite import plotting
from grpo_lite.tasks import accuracy, load_base_model, make_problems
from grpo_lite.training.records import read_lines

torch.set_num_threads(1)
plotting.use_site_style()

# %% [markdown]
# ## The question
#
# When PPO, Proximal Policy Optimization ([arXiv:1707.06347](https://arxiv.org/abs/1707.06347)), trains a language model from human preferences ([InstructGPT, arXiv:2203.02155](https://arxiv.org/abs/2203.02155)), four networks are at work: the policy, a **critic** that says what reward is to be expected from here, a reward model that says how good a completion is, and the reference. GRPO does with two of them, and trains one.

# %% tags=["diagram"] alt="Two columns from top to bottom. PPO has four models, of which two are trained: the policy, trained, writes one completion of a prompt; a frozen reward model gives it a reward r, a critic, trained, says which values V to expect, a frozen reference gives a KL penalty that is taken off the reward; the three make one advantage per token. GRPO has two models, of which one is trained: the policy writes a group of G completions; a reward function, which is no model, gives rewards; the group, which is no model either, gives the mean to compare with; that makes one advantage per completion. A frozen reference is kept only if beta is above 0, and its KL goes into the loss. Both end in ratio, clip and gradient step. The old policy is no further model: its log-probs were stored when it sampled." caption="GRPO has the group in the place of the critic, and a function in that of the reward model."
plotting.diagram("ppo-grpo")

# %% [markdown]
# The critic is the one that GRPO was made to avoid. It is usually as large as the policy, and trained at the same time. With 7 billion parameters of two bytes each, PPO holds 56 GB of weights, GRPO 28, and 14 without a reference ($\beta = 0$). What is trained needs gradients and the state of the optimiser on top.
#
# The reward model is another matter: GRPO can use one too, and PPO can do without if a function gives the rewards, as here.
#
# The task is the one of lesson [Watch it learn](https://grpo-lite.github.io/grpo-lite/lessons/watch_it_learn/): the prompt `3+9+4+1=` asks for the last digit of the sum, and only a right answer is paid. The base model sometimes thinks first, with slips, and mostly guesses.

# %% tags=["detail"]
base, tokenizer = load_base_model()
problems = make_problems("chain-sum", "train", 4000)
held_out = make_problems("chain-sum", "test", 256)


def sample(policy, rows, size, generator):
    """Prompts, `size` completions of each, and their rewards."""
    prompts = torch.tensor(tokenizer([row["prompt"] for row in rows])["input_ids"])
    out = grpo_lite.sample_group(
        policy,
        prompts,
        size,
        max_new_tokens=12,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        generator=generator,
    )
    real = [ids[mask] for ids, mask in zip(out.ids, out.mask, strict=True)]
    texts = tokenizer.batch_decode(real, skip_special_tokens=True)
    each = [row for row in rows for _ in range(size)]
    whole = [row["prompt"] + text for row, text in zip(each, texts, strict=True)]
    truths = [row["ground_truth"] for row in each]
    return prompts, out, torch.tensor(accuracy(whole, truths))


# %%
generator = torch.Generator().manual_seed(2)
prompts, out, rewards = sample(base, held_out[:3], 2, generator)
prompts = prompts.repeat_interleave(2, dim=0)
real = [ids[mask].tolist() for ids, mask in zip(out.ids, out.mask, strict=True)]
said = list(map(tokenizer.convert_ids_to_tokens, real))
columns = {"prompt": tokenizer.batch_decode(prompts), "completion": said}
plotting.table({**columns, "reward": rewards}, decimals=0)

# %% [markdown]
# Both methods sample completions, score them, decide for each token whether it was good news, and push. They differ in the third. GRPO compares a completion with others of the same prompt. PPO asks the critic what reward was to be expected, and it can ask before every token.
#
# Both get 64 completions a step. GRPO takes 8 prompts with 8 completions each; PPO takes 64 prompts with one each, for it needs no siblings.
#
# **Predict.** Which one learns faster per step? Which one for the same computing? Why?

# %% [markdown]
# ## The critic
#
# The state before token $t$ is the prompt and the tokens so far, $s_t = (q, o_{\lt t})$. Its **value** $V(s_t)$ is the reward to expect from there on. The critic learns it.
#
# It can be a **value head** on the policy's own hidden states, 129 numbers here, but then two losses pull at the same weights. Ours is a second network, a copy of the base model with one number a token in the place of the logits. Its price is what GRPO avoids.


# %%
class Critic(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.body = copy.deepcopy(model.transformer)
        self.head = torch.nn.Linear(model.config.n_embd, 1)
        for parameter in self.head.parameters():
            torch.nn.init.zeros_(parameter)  # at first it expects 0, everywhere

    def forward(self, prompts, ids):
        """V(s_t) for each token: read off before the token is seen."""
        whole = torch.cat([prompts, ids], dim=1)
        seen = torch.ones_like(whole)
        hidden = self.body(whole, attention_mask=seen).last_hidden_state
        return self.head(hidden)[:, prompts.shape[1] - 1 : -1, 0]


with torch.no_grad():
    print(Critic(base)(prompts, out.ids)[:2])

# %% [markdown]
# The slice is the shift of lesson [Token log-probs](https://grpo-lite.github.io/grpo-lite/lessons/token_logprobs/): the number that belongs to a token is read where the token is *predicted*, at the position before it.
#
# ## From values to advantages, by hand
#
# Each token gets a reward $r_t$. Ours come at the end: 0 for every token, and the reward of the completion on its last one. The surprise at one token is
#
# $$\delta_t = r_t + V(s_{t+1}) - V(s_t)$$
#
# what came, plus what is now to be expected, minus what was to be expected before. (PPO multiplies $V(s_{t+1})$ by a discount $\gamma$, which is 1 here and usually.) After the last token nothing is to be expected, so that value is 0.
#
# Two completions, two tokens each. The first turns out right, the second wrong.
#
# | | reward | $V(s_1)$, $V(s_2)$ | surprise $\delta_1$ | surprise $\delta_2$ |
# |---|---|---|---|---|
# | completion 1 | 1 | 0.5, 0.8 | 0.8 − 0.5 = 0.3 | 1 − 0.8 = 0.2 |
# | completion 2 | 0 | 0.5, 0.2 | 0.2 − 0.5 = −0.3 | 0 − 0.2 = −0.2 |
#
# How much of the later surprise should an earlier token own? **GAE**, generalized advantage estimation, says: a share that shrinks by a factor $\lambda$ with each token.
#
# $$\hat A_t = \delta_t + \lambda \delta_{t+1} + \lambda^2 \delta_{t+2} + \dots = \delta_t + \lambda \hat A_{t+1}$$
#
# For completion 1: with $\lambda = 0$ the advantages are 0.3 and 0.2, each token its own surprise (called the TD error). With $\lambda = 1$ they are 0.5 and 0.2, which is the reward minus the value: $1 - 0.5$ and $1 - 0.8$. With $\lambda = 0.5$ the first is $0.3 + 0.5 \cdot 0.2 = 0.4$.
#
# As a loop it runs backwards, because each advantage needs the next one.


# %%
def at_last_token(rewards, mask):
    """Token rewards [B, T]: the completion's reward on its last token, else 0."""
    last = mask.sum(dim=1, keepdim=True) - 1
    return torch.zeros(mask.shape).scatter(1, last, rewards[:, None])


def gae(token_rewards, values, mask, lam):
    advantages = torch.zeros_like(values)
    next_value = next_advantage = torch.zeros(len(values))
    for t in reversed(range(values.shape[1])):
        delta = token_rewards[:, t] + next_value - values[:, t]
        advantage = torch.where(mask[:, t], delta + lam * next_advantage, 0)
        next_value = torch.where(mask[:, t], values[:, t], 0)
        advantages[:, t] = next_advantage = advantage
    return advantages


# %% tags=["result-gae-by-hand"]
values = torch.tensor([[0.5, 0.8], [0.5, 0.2]])
both = torch.ones(2, 2, dtype=torch.bool)
token_rewards = at_last_token(torch.tensor([1.0, 0.0]), both)
lams = [0.0, 0.5, 1.0]
found = torch.stack([gae(token_rewards, values, both, lam).flatten() for lam in lams])
names = ("right, token 1", "right, token 2", "wrong, token 1", "wrong, token 2")
plotting.table({"lambda": lams, **dict(zip(names, found.T, strict=True))}, decimals=1)

# %% [markdown]
# Now against brute force, the sum written out term by term, on random numbers and ragged completions. And for $\lambda = 1$ against what it should be: all reward still to come, minus the value.


# %% tags=["detail"]
def gae_by_brute_force(rewards, values, lam):
    n, after = len(values), values[1:] + [0.0]
    deltas = [rewards[t] + after[t] - values[t] for t in range(n)]
    return [sum(lam ** (k - t) * deltas[k] for k in range(t, n)) for t in range(n)]


rng = torch.Generator().manual_seed(0)
lengths = [1, 3, 6, 6]
ragged = torch.arange(6) < torch.tensor(lengths)[:, None]
random_rewards = torch.randn(4, 6, dtype=torch.float64, generator=rng) * ragged
random_values = torch.randn(4, 6, dtype=torch.float64, generator=rng)
for lam in (0.0, 0.7, 0.95, 1.0):
    mine = gae(random_rewards, random_values, ragged, lam)
    assert not mine[~ragged].any()
    for i, n in enumerate(lengths):
        own = random_rewards[i, :n].tolist(), random_values[i, :n].tolist()
        torch.testing.assert_close(mine[i, :n].tolist(), gae_by_brute_force(*own, lam))

to_come = random_rewards.flip(1).cumsum(1).flip(1)
torch.testing.assert_close(mine, (to_come - random_values) * ragged)

# %% [markdown]
# $\lambda$ says whom to trust. With 1, only what really happened counts, and the critic is a baseline: whatever it says, it drops out of the gradient on average, and changes only the noise. With 0, the critic's word replaces everything that comes after the token, and a bad critic bends the direction itself.
#
# ## GRPO in PPO's words
#
# Take $\lambda = 1$ and a critic that says one number for a whole group: the mean of its rewards. Out come GRPO's advantages, before the division by the spread.

# %% tags=["result-grpo-as-gae"]
group = torch.tensor([1.0, 0.0, 0.0, 1.0])
ragged = torch.arange(3) < torch.tensor([[3], [1], [2], [3]])
one_number = group.mean().expand(4, 3)
as_ppo = gae(at_last_token(group, ragged), one_number, ragged, lam=1.0)
as_grpo = grpo_lite.group_advantages(group, 4, scale_rewards="none")
torch.testing.assert_close(as_ppo, as_grpo[:, None] * ragged)
print(as_ppo)

# %% [markdown]
# So GRPO's group is a critic: one that needs no learning, has no weights, and knows nothing of what happens between the first token and the last.
#
# ## The objective, in two lines
#
# The ratio is the same, the clip is the same, the old policy is the same. `grpo_lite.clipped_surrogate` takes one advantage a completion. PPO has one a token. That is the whole difference:


# %%
def ppo_objective(ratio, advantages, epsilon=0.2):
    clipped = ratio.clamp(1 - epsilon, 1 + epsilon)
    return torch.minimum(ratio * advantages, clipped * advantages)


random_ratio = torch.randn(4, 6, generator=rng).exp()
one_each = torch.randn(4, generator=rng)
torch.testing.assert_close(
    ppo_objective(random_ratio, one_each[:, None]),
    grpo_lite.clipped_surrogate(random_ratio, one_each),
)

# %% [markdown]
# ## One loop for both
#
# What to expect comes from the "group", from a "critic", from the mean of the whole "batch", or from "nothing": the advantage is then the reward itself. How many completions a prompt gets is a setting of its own, so that the two can be told apart.
#
# All else is shared: the number of completions, AdamW, the learning rate, no KL penalty, one update a batch ($\mu = 1$, so all ratios are 1 and the clip sleeps in both), and PPO's average, over all tokens of the batch (`"bnpo"` in lesson [The loss](https://grpo-lite.github.io/grpo-lite/lessons/the_loss/)).
#
# The critic learns from the squared difference between its value and a target, $\hat A_t + V(s_t)$. With $\lambda = 1$ that target is the reward of the completion.


# %%
def descend(model, optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


def adamw(parameters, lr=5e-4):
    return torch.optim.AdamW(parameters, lr=lr, weight_decay=0.0, fused=True)


def train(baseline, size, seed, critic=None, steps=12, shift=0.0, optimizer=adamw):
    """64 completions a step, `size` of each prompt."""
    policy, critic = copy.deepcopy(base), copy.deepcopy(critic)
    optimizers = [optimizer(policy.parameters())]
    optimizers += [adamw(critic.parameters())] if critic else []
    rng, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    log = []
    for step in range(steps + 1):
        record = {}
        if step % 2 == 0:
            judge = torch.Generator().manual_seed(1000)
            record["accuracy"] = sample(policy, held_out, 1, judge)[2].mean().item()
        rows = rng.sample(problems, 64 // size)
        prompts, out, rewards = sample(policy, rows, size, generator)
        rewards, mask = rewards + shift, out.mask
        record["reward"] = rewards.mean().item()

        if baseline == "critic":
            values = critic(prompts.repeat_interleave(size, dim=0), out.ids)
            known = values.detach()
            advantages = gae(at_last_token(rewards, mask), known, mask, lam=1.0)
            error = values - (advantages + known)
            descend(critic, optimizers[1], grpo_lite.masked_mean(error**2, mask))
            record["value"] = known[:, 0].mean().item()
        else:
            if baseline == "nothing":
                one_each = rewards
            if baseline == "batch":
                one_each = rewards - rewards.mean()
            if baseline == "group":
                one_each = grpo_lite.group_advantages(
                    rewards, size, scale_rewards="none"
                )
            if baseline == "group, ÷ spread":
                one_each = grpo_lite.group_advantages(rewards, size)
            advantages = one_each[:, None].expand(mask.shape)

        logps = grpo_lite.completion_logps(
            policy, prompts, out.ids, completion_mask=mask
        )
        ratio = grpo_lite.importance_ratio(logps, out.logps, mask)
        objective = ppo_objective(ratio, advantages)
        descend(policy, optimizers[0], -grpo_lite.masked_mean(objective, mask))
        log.append(record)
    return log, optimizers, policy


# %% [markdown]
# ## What has to be kept in memory
#
# **Predict.** How many times as many numbers does PPO hold, if neither uses a reference?

# %% tags=["result-memory"]
columns = {"": ["GRPO", "PPO"], "trained": [], "gradients": [], "AdamW": []}
for how in (("group", 8, 0), ("critic", 1, 0, Critic(base))):
    _, optimizers, _ = train(*how, steps=0)
    weights, states = 0, 0
    for optimizer in optimizers:
        for weight, state in optimizer.state.items():
            weights += weight.numel()
            states += sum(x.numel() for x in state.values() if x.dim())
    columns["trained"].append(weights)
    columns["gradients"].append(weights)
    columns["AdamW"].append(states)
plotting.table(columns)

# %% [markdown]
# Twice as many of everything. AdamW keeps two numbers for each weight that is trained, so a trained network costs four times its size. A reference ($\beta \gt 0$) would add one frozen copy of the policy to either method.
#
# ## The race
#
# Twelve ways to train, five seeds each, are too much for a page. They were run beforehand by `train` above (`make runs` in a clone of the project makes them again), and the results come with the package. The learning rate is 5e-4 for all networks. After every second step 256 held-out problems are asked, with the same draws for all.
#
# First the two methods, each with its own baseline and number of prompts: PPO with a fresh critic and 64 prompts a step, GRPO with 8 prompts, 8 completions each, and the division by the spread.

# %% tags=["detail"]
results = read_lines(files("grpo_lite") / "data" / "baselines.jsonl")
STEPS = range(0, 13, 2)


def runs_with(size, baseline, shift=0):
    wanted = {"size": size, "baseline": baseline, "shift": shift}
    return [run for run in results if wanted.items() <= run.items()]


def interval(values):
    """Mean over five seeds, half of its 95 % interval."""
    x = torch.as_tensor(values)
    return x.mean(dim=0), 2.776 * x.std(dim=0) / 5**0.5


def curve(runs, key="accuracy"):
    return interval([run[key] for run in runs])


WAYS = {
    "PPO": runs_with(1, "critic"),
    "PPO, −1 or 0": runs_with(1, "critic", shift=-1),
    "GRPO": runs_with(8, "group, ÷ spread"),
}
COLORS = {"PPO": "other", "PPO, −1 or 0": "negative", "GRPO": "policy"}


def compare(*names):
    curves = {name: curve(WAYS[name]) for name in names}
    return plotting.lines(
        STEPS,
        {name: mean for name, (mean, _) in curves.items()},
        errors={name: half for name, (_, half) in curves.items()},
        xlabel="step (64 completions each)",
        ylabel="sampled accuracy, held out",
        colors=COLORS,
    )


# %% alt="Sampled accuracy on held-out problems over 12 steps, mean of five seeds and its 95 % interval. Both start at 0.35. PPO climbs to 0.94, GRPO to 0.82, and from step 4 on their bands are apart." caption="For the same number of completions PPO is ahead of GRPO."
compare("PPO", "GRPO")

# %% [markdown]
# PPO is ahead. But a step of PPO costs more. Count **passes**, one for each time that a network reads the completions of a batch. A pass backward costs about two.
#
# | in a step | GRPO | PPO |
# |---|--:|--:|
# | sampling | 1 | 1 |
# | policy, forward and backward | 3 | 3 |
# | critic, the same; its values come with it | | 3 |
# | **passes** | **4** | **7** |
#
# How long does each take to be right in seven of ten samples? (Between two evaluations we draw a straight line.)


# %% tags=["result-to-seven-tenths"]
def steps_to(target, run):
    at, x = STEPS, run["accuracy"]
    i = next(i for i in range(1, len(x)) if x[i] >= target)
    return at[i - 1] + 2 * (target - x[i - 1]) / (x[i] - x[i - 1])


columns = {"": ["PPO", "GRPO"], "steps": [], "passes": []}
for name, passes in (("PPO", 7), ("GRPO", 4)):
    mean, half = interval([steps_to(0.7, run) for run in WAYS[name]])
    columns["steps"].append(f"{mean:.1f} ± {half:.1f}")
    columns["passes"].append(passes * mean)
plotting.table(columns, decimals=0)

# %% [markdown]
# So for the same number of completions PPO needs two thirds of the steps, and for the same number of passes nothing is left of its lead. (Passes count computing and not time. Where sampling is slow, as it mostly is, fewer steps are worth more.) But where does it come from?
#
# ## One thing at a time
#
# Two things differ between the two: how many prompts a step sees, and what is expected of each completion. So take every baseline with both: 64 prompts with one completion each, and 8 prompts with eight. In each of these two columns all meet the same prompts, and the baseline alone differs. (The mean of a group needs a group. A critic works with either.)
#
# Besides the fresh critic there is one that was **taught** beforehand on 40 batches of the base model, so that it starts out accurate; its lessons are not on its bill.
#
# **Predict.** Sort the baselines: nothing, a fresh critic that begins by expecting 0, a taught critic, the mean of the batch, the mean of the group. Which one learns fastest? And which is worth more, the better baseline or the eightfold prompts?


# %%
def teach_critic(batches=40):
    """A critic of the base model; the base model stays as it is."""
    critic = Critic(base)
    optimizer = adamw(critic.parameters())
    rng, generator = random.Random(0), torch.Generator().manual_seed(0)
    for _ in range(batches):
        prompts, out, rewards = sample(base, rng.sample(problems, 64), 1, generator)
        error = critic(prompts, out.ids) - rewards[:, None]
        descend(critic, optimizer, grpo_lite.masked_mean(error**2, out.mask))
    return critic


fresh, taught = Critic(base), teach_critic()

# %% tags=["result-equal-prompts"]
BASELINES = {
    "nothing": "nothing",
    "fresh critic": "critic",
    "taught critic": "taught critic",
    "batch": "batch",
    "group": "group",
    "group, ÷ spread": "group, ÷ spread",
}


def average(size, name):
    """Of the accuracies on the way, by trapezoids; one number a seed."""
    runs = runs_with(size, BASELINES[name])
    curves = torch.tensor([run["accuracy"] for run in runs])
    return torch.trapezoid(curves, dx=1 / 6)


def last(size, name):
    return torch.tensor(
        [run["accuracy"][-1] for run in runs_with(size, BASELINES[name])]
    )


NAMES = list(BASELINES)
PROMPTS = {"64 prompts, once": (1, NAMES[:4]), "8 prompts, 8 times": (8, NAMES)}
columns = {"": NAMES}
for how, (size, names) in PROMPTS.items():
    for of in (average, last):
        cells = ["{:.3f} ± {:.3f}".format(*interval(of(size, name))) for name in names]
        columns[f"{of.__name__}, {how}"] = cells + [""] * (6 - len(names))
plotting.table(columns)

# %% tags=["drawing"] alt="Six baselines, one row each, with the average accuracy over 12 steps for 64 prompts once and for 8 prompts 8 times. With 64 prompts: nothing and the fresh critic 0.75, batch 0.69, taught critic 0.64. With 8 prompts each is about 0.05 lower: nothing and the fresh critic 0.70, batch, group and group divided by the spread about 0.645, taught critic 0.59." caption="The prompts shift every row alike; within a column no baseline beats expecting nothing."
nan = torch.tensor(float("nan"))
picked = {
    how: [interval(average(size, name)) for name in names]
    + [(nan, nan)] * (6 - len(names))
    for how, (size, names) in PROMPTS.items()
}
plotting.intervals(
    {title: [mean for mean, _ in cells] for title, cells in picked.items()},
    {title: [half for _, half in cells] for title, cells in picked.items()},
    list(BASELINES),
    xlabel="average accuracy over 12 steps",
)

# %% [markdown]
# The average over the race is the calmer measure, as in lesson [What matters](https://grpo-lite.github.io/grpo-lite/lessons/what_matters/). Its differences, seed by seed, each interval for itself:

# %% tags=["result-one-at-a-time"]
no_group = ("nothing", "fresh critic", "taught critic", "batch")
gains = [average(1, name) - average(8, name) for name in no_group]
others = [*no_group, "group, ÷ spread"]
instead = [average(8, name) - average(8, "group") for name in others]

lead = average(1, "fresh critic") - average(8, "group, ÷ spread")
prompts_alone = average(1, "fresh critic") - average(8, "fresh critic")
print("PPO's lead {:.3f} ± {:.3f}".format(*interval(lead)), end="; ")
print(f"by more prompts {prompts_alone.mean():.3f}")
cells = ["{:+.3f} ± {:.3f}".format(*interval(gain)) for gain in gains + instead]
columns = {
    "64 prompts instead of 8": [*cells[:4], ""],
    "8, not the group's mean": cells[4:],
}
plotting.table({"": others, **columns})

# %% [markdown]
# Read down a column, where all have met the same prompts.
#
# - **To expect nothing at all does as well as a fresh critic, and no baseline here does better.** The mean of the batch is slower; a critic that was accurate from the start is the slowest.
# - **The mean of the group is worth what the mean of the batch is worth,** and the division by the spread changes nothing.
# - **At equal prompts the taught critic is worse than the group,** by 0.054. Nor do 64 prompts make it better than GRPO with 8: 0.641 both. These two look like equals only because the critic has eight times the prompts.
#
# Read across: 64 prompts instead of 8 are worth 0.035 to 0.052, whatever is expected. For the fresh critic that is half of PPO's lead. The other half is the baseline, and its critic's judgement has no part in it: to expect nothing does the same.
#
# ## Why did no baseline win?
#
# The fresh critic begins by expecting 0. How long does it take to be accurate?

# %% alt="Mean reward of the batch and the critic's value at the prompt over 12 steps. The reward rises from one third to about 0.94. The value starts at 0, is still below 0.2 at step 5 and reaches about 0.77 at step 12." caption="The critic lags behind for the whole race."
plotting.lines(
    range(13),
    {
        "reward": curve(WAYS["PPO"], "reward")[0],
        "value": curve(WAYS["PPO"], "value")[0],
    },
    xlabel="step",
    ylabel="mean over the batch",
    colors={"reward": "positive", "value": "other"},
)

# %% [markdown]
# Longer than the race. The fresh critic expected far too little. It did not win by its judgement, but *because* it had none yet.
#
# With $V = 0$ a wrong completion has the advantage 0: it is not pushed at all. On average nothing is lost by that, for a baseline drops out of the expected gradient. What it changes is the noise.
#
# And here *the wrong completions are the noisy ones*. A slip is a token that the policy itself found unlikely, and such a token has a large gradient. A right completion consists of tokens that it was sure of, with small ones. An accurate critic, which says 0.7, gives each wrong completion the weight −0.7, and the large random gradients are in. A critic that says 0 keeps them out.
#
# That can be measured. Take a policy half way, and one constant baseline $b$ for all completions. The gradient of a batch is then $g_r - b\, g_1$: $g_r$ has the rewards as weights, $g_1$ ones. From 16 batches of 64 we get the noise for every $b$ at once.


# %%
def two_gradients(policy, rows, generator):
    prompts, out, rewards = sample(policy, rows, 1, generator)
    logps = grpo_lite.completion_logps(
        policy, prompts, out.ids, completion_mask=out.mask
    )
    found = []
    for weight in (rewards, torch.ones(len(rewards))):
        mean = grpo_lite.masked_mean(logps * weight[:, None], out.mask)
        parts = torch.autograd.grad(mean, list(policy.parameters()), retain_graph=True)
        found.append(torch.cat([part.flatten() for part in parts]))
    return (*found, rewards.mean())


half_way = train("group, ÷ spread", 8, seed=0, steps=7)[2]
rng, generator = random.Random(1), torch.Generator().manual_seed(1)
batches = [
    two_gradients(half_way, rng.sample(problems, 64), generator) for _ in range(16)
]
g_r, g_1, right = (torch.stack(column) for column in zip(*batches, strict=True))


def together(x, y):
    """Covariance over the batches, summed over the weights."""
    return ((x - x.mean(dim=0)) * (y - y.mean(dim=0))).sum() / (len(x) - 1)


rr, r1, one = together(g_r, g_r), together(g_r, g_1), together(g_1, g_1)
print(f"share right {right.mean():.2f}   best baseline {r1 / one:.2f}")

# %% alt="Noise of the gradient against the baseline from 0 to 1. It is below 0.2 at 0, lowest near 0.15, and rises to about 0.4 at 1. The dotted line marks the share of right completions, about three quarters, where the noise is nearly twice that at 0." caption="The accurate baseline is far noisier than none."
baselines = torch.linspace(0, 1, 21)
plotting.lines(
    baselines,
    {"noise": (rr - 2 * baselines * r1 + baselines**2 * one).sqrt()},
    xlabel="baseline b",
    ylabel="noise of the gradient",
    marks={0: "none", right.mean().item(): "share right"},
    colors={"noise": "policy"},
)

# %% [markdown]
# The accurate baseline (dotted) is nearly twice as noisy as none. The best constant is a mean reward too, but one in which each completion counts with the squared length of its gradient (Greensmith, Bartlett and Baxter, JMLR 5, 2004). So it can be read as a share: three quarters of the completions are right, and they make about a sixth of the noise.
#
# Why does noise cost anything, if the average step is the same? AdamW, which our runs use, divides each weight's step by the size of its recent gradients, noise included. So the noisier gradient makes the shorter step along the average. With 64 prompts that is so at a fifth of its rate: 0.82 and 0.73 after 24 steps, with nothing expected and with the mean of the batch (three seeds, all in this order).
#
# Plain gradient descent divides by nothing. At a rate of 0.1 it pays nothing: its average accuracy over the race is 0.649 with nothing expected, 0.652 with the mean (four seeds; they differ by −0.003 ± 0.006). At three times the rate noise begins to cost: 0.747 and 0.732, a difference of 0.015 ± 0.011.
#
# This is no law. In the small world of lesson [Bias and variance](https://grpo-lite.github.io/grpo-lite/lessons/bias_and_variance/) a baseline pays.
#
# If this is the reason, we can predict a failure. Pay −1 for a wrong answer and 0 for a right one. The task is the same. But to expect 0 is now to expect the best, like $b = 1$ before: the noisiest end of the picture.

# %%
example = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0])
shifted = grpo_lite.group_advantages(example - 1, 8)
assert shifted.equal(grpo_lite.group_advantages(example, 8))  # GRPO cannot tell

# %% alt="Sampled accuracy over 12 steps. PPO with rewards 1 or 0 climbs to 0.94, GRPO to 0.82, and PPO with rewards 0 or minus 1, which is the same task, to 0.77." caption="The same task, and PPO falls from first to last."
compare("PPO", "GRPO", "PPO, −1 or 0")

# %% [markdown]
# For GRPO nothing has changed. PPO has fallen from first to last, by 0.165 ± 0.048 after 12 steps, with all else the same; at step 12 its band touches GRPO's. Without any baseline the fall is deeper still, from 0.95 to 0.67. Plain gradient descent at 0.1 does not mind the shift: 0.647.
#
# So with AdamW and one learning rate for all, what decided the race was where the zero of the rewards lay. (No rate was tuned for a single way, and lesson [What matters](https://grpo-lite.github.io/grpo-lite/lessons/what_matters/) shows how much a rate decides.)
#
# ## What is left: a price for a price
#
# The fastest way of all, without any baseline, hangs on where the zero lies, and nobody should build on that. Between an accurate critic and a group two bills remain.
#
# **What a group costs.** Eight completions of one prompt instead of one each of eight prompts: each step sees fewer problems, here at a price of 0.05. And a group in agreement says nothing. If each completion is right with probability $p$, all eight agree with probability $p^8 + (1-p)^8$. Above one half, the better the model, the more of the batch is silent:

# %% tags=["result-agreement"]
right = torch.tensor([0.3, 0.8, 0.9, 0.98])
agree = right**8 + (1 - right) ** 8
plotting.table({"right": right, "groups in agreement": agree})

# %% [markdown]
# **What a group saves.** The second network, with its gradients, its optimiser, its learning rate, $\lambda$, its head start. And the prompt is read once for the whole group.
#
# ## Which token is to blame?
#
# There is one thing that a group cannot do. Here is a completion with a slip. The running sums of `3+9+4+1=` are 3, 2, 6, 7; the third one went wrong, and the end of the thought follows from it faithfully: `<think>3256</think><answer>6</answer>`.
#
# **Predict.** GRPO gives all its tokens the same blame. Which ones should get it? Which will PPO's critic pick, after 40 batches of lessons?
#
# The truth can be had by brute force: cut the completion before each token, let the policy finish three hundred times, and count how often it comes out right. That is the value, without any network.


# %% tags=["detail"]
def exact_values(prompt, ids, truth):
    generator = torch.Generator().manual_seed(0)
    values = []
    for t in range(len(ids)):
        row = {"prompt": prompt + tokenizer.decode(ids[:t]), "ground_truth": truth}
        values.append(sample(base, [row], 300, generator)[2].mean())
    return torch.stack(values)[None]


def encode(text):
    return torch.tensor([tokenizer(text)["input_ids"]])


def blame(prompt, completion, truth, critic):
    """Values and advantages of one completion, learnt and exact."""
    ids = encode(completion + "<eos>")
    mask = torch.ones_like(ids, dtype=torch.bool)
    reward = torch.tensor(accuracy([completion], [truth]))
    with torch.no_grad():
        learnt = critic(encode(prompt), ids)
    exact = exact_values(prompt, ids[0], truth)
    ends = at_last_token(reward, mask)
    by_lambda = [gae(ends, v, mask, lam) for v in (learnt, exact) for lam in (1.0, 0.0)]
    return learnt[0], exact[0], torch.cat(by_lambda)


slip = "<think>3256</think><answer>6</answer>"
learnt, exact, advantages = blame("3+9+4+1=", slip, "7", taught)

row = {"prompt": "3+9+4+1=", "ground_truth": "7"}
siblings = sample(base, [row], 7, torch.Generator().manual_seed(0))[2]
group = grpo_lite.group_advantages(torch.cat([torch.zeros(1), siblings]), 8)
constant = group[:1].expand(1, 10)

# %% alt="Advantages of the ten tokens of the completion with a slip, five rows. Group: the same negative number for every token. Critic, lambda 1: negative everywhere, least at think. Critic, lambda 0: positive at think, near 0 at the slip, about minus 0.6 at the end token. Exact, lambda 1: negative up to the slip and near 0 after it. Exact, lambda 0: about plus 0.4 at think, minus 0.8 at the slip, near 0 elsewhere." caption="Only exact values, token by token, find the slip."
plotting.token_matrix(
    torch.cat([constant, advantages]),
    label="advantage of each token",
    rows=["group", "critic, λ=1", "critic, λ=0", "exact, λ=1", "exact, λ=0"],
    columns=["think", "3", "2", "5\nslip", "6", "/", "ans", "6", "/", "■"],
    ylabel="",
)

# %% [markdown]
# (The slashes close `think` and `answer`, ■ is the end token.) Read from the bottom.
#
# - **Exact values, $\lambda = 0$.** Starting to think was good news: the chance rose by about 0.4. Then comes the slip, and the chance collapses. All blame is on the 5. Nothing after it is blamed, for it was right to go on from there.
# - **Exact values, $\lambda = 1$.** The tokens up to the slip share the bad end, the later ones are free: when they came, there was nothing left to lose.
# - **The learnt critic.** It has understood that thinking is good. The slip it has not noticed, so with $\lambda = 0$ the bad news reaches it only at the very end, as a surprise on the last token; and with $\lambda = 1$ its row is nearly as flat as the group's.
#
# So the promise of PPO, credit for each token, is kept by a good critic only. This one would have to check additions to see a slip, and nothing but the final reward teaches it to. [DeepSeekMath, section 4.1 (arXiv:2402.03300)](https://arxiv.org/abs/2402.03300) gives this as a reason to drop the critic: with a reward on the last token alone it is hard to be accurate at every token. Value networks that are poor judges of single steps have been found in large models too: [VinePPO (arXiv:2410.01679)](https://arxiv.org/abs/2410.01679) replaces them by brute force as above.
#
# ## Where the KL goes
#
# One more thing is not the same. [InstructGPT (arXiv:2203.02155)](https://arxiv.org/abs/2203.02155), which made PPO known for language models, puts the KL penalty into the reward: each token pays $\beta (\log \pi_\theta - \log \pi_{\text{ref}})$ at once. GRPO puts k3 into the loss.
#
# Two tokens, reward 1, $\beta = 0.1$. The policy finds the first token likelier than the reference does by 0.5 nats, the second by 2 nats. With $V = 0$ and $\lambda = 1$:

# %% tags=["result-kl-in-reward"]
drift = torch.tensor([[0.5, 2.0]])
two = torch.ones(1, 2, dtype=torch.bool)
with_penalty = at_last_token(torch.ones(1), two) - 0.1 * drift
print("rewards   ", with_penalty)
print("advantages", gae(with_penalty, torch.zeros(1, 2), two, lam=1.0))

# %% [markdown]
# The first token's advantage is 0.75: it pays its own 0.05 and the 0.2 of the token after it, to which it has led. In the loss each token pays for itself alone. What is subtracted is k1; lesson [The gradients of KL](https://grpo-lite.github.io/grpo-lite/lessons/gradients_of_kl/) says why that is right in a reward.
#
# ## When all are right
#
# **Predict.** Sixty-four completions, all right. GRPO's advantages are exactly 0. PPO's? (We take samples of the base model and call them all right.)

# %%
all_right = torch.ones(64)
prompts, out, _ = sample(base, problems[:64], 1, torch.Generator().manual_seed(0))
print("group  ", grpo_lite.group_advantages(all_right, 8).abs().max())
with torch.no_grad():
    for name, critic in (("taught ", taught), ("fresh  ", fresh)):
        values = critic(prompts, out.ids)
        advantages = gae(at_last_token(all_right, out.mask), values, out.mask, 1.0)
        print(name, advantages[out.mask].mean())

# %% [markdown]
# One minus the value, whatever that is. The critic remembers other batches, so it can say that a perfect batch is good news. GRPO lives on spread alone.
#
# ## The same, and not the same
#
# | | PPO for language models | GRPO | |
# |---|---|---|---|
# | ratio, per token | $\pi_\theta / \pi_{\theta_{\text{old}}}$ | the same | same |
# | clip | min, $1 \pm \epsilon$ | the same | same |
# | old policy | the one that sampled | the same | same |
# | what to expect | critic, learnt | mean of the group | **not** |
# | advantage | GAE, one a token | one a completion, ÷ spread | **not** |
# | credit within a completion | as good as the critic | none | **not** |
# | completions of a prompt | one will do | at least two | **not** |
# | must be taught | yes | no | **not** |
# | all rewards equal | still a push | exactly 0 | **not** |
# | add 1 to all rewards | matters until the critic knows | changes nothing | **not** |
# | KL to the reference | k1 in the reward | k3 in the loss | **not** |
# | trained networks | two | one | **not** |
# | more settings | $\lambda$, the critic's learning rate, and often more | $G$ | **not** |
#
# So which one? If the reward comes once at the end, prompts are many and sampling is cheap, the group is hard to beat for its price. If a completion cannot be repeated from the same start, or there are rewards along the way, or a critic can be had that sees which step was good, PPO has something that a group has not. On chain sums, 12 steps, five seeds, a model of 0.4 million weights: at equal prompts the group beats a critic that was taught beforehand, and no baseline at all beats both.
#
# ## Break it
#
# The critic must speak *before* the token is seen. The slice in `forward` ends at `-1` for that. Shift it by one, `[:, prompts.shape[1] :]`, and the shapes still fit. Now the value belongs to the state *after* the token: a baseline that has seen the very decision it should judge.
#
# An answer of one token, ten digits equally likely, the 7 is right. All can be computed exactly: the expected gradient on the ten logits, for a critic that sees nothing of the token, half of it, or all.

# %% tags=["result-late-critic"]
logits = torch.zeros(10, requires_grad=True)
logps = logits.log_softmax(dim=0)
probs = logps.detach().exp()
reward = torch.tensor([0.0] * 7 + [1.0] + [0.0] * 2)
before = (probs * reward).sum()
for seen in (0.0, 0.5, 1.0):
    value = (1 - seen) * before + seen * reward
    objective = (probs * (reward - value) * logps).sum()
    (gradient,) = torch.autograd.grad(objective, logits, retain_graph=True)
    print(f"seen {seen:.1f}   gradient norm {gradient.norm():.4f}")

# %% [markdown]
# The better such a critic gets, the less the policy learns. At the end the value of a right answer is 1 and that of a wrong one 0, every advantage is 0, and the critic's loss looks wonderful. A baseline may depend on everything up to the token, and on nothing from it on.
#
# ## Exercises
#
# **1. Whitening.** *Medium, 10 minutes.* Many implementations of PPO whiten the advantages: minus their mean over the batch, divided by their spread. What does that do to a batch in which all 64 completions are right and the critic is nearly perfect, with values between 0.97 and 1? Compare with GRPO.

# %%
near_one = 1 - 0.03 * torch.rand(64, generator=torch.Generator().manual_seed(0))
advantages = 1 - near_one

# %%
# Your turn.

# %% tags=["solution"]
whitened = (advantages - advantages.mean()) / advantages.std()
print("before", advantages.min(), advantages.max())
print("after ", whitened.min(), whitened.max())

# %% [markdown] tags=["solution"]
# The advantages were between 0 and 0.03: nothing much to do. Whitened, they are between about −1.6 and +1.8: half of the right completions are pushed down, as hard as wrong ones would be elsewhere, and all of it is the critic's noise. Whitening sets the size of a step and not whether there is anything to learn. GRPO divides by a spread too, but by that of the *rewards* in one group, and a group without spread gives exactly 0.

# %% [markdown]
# **2. Find the bug.** *Hard, 15 minutes.* This GAE passes every test with completions of equal length. On a ragged batch the first completion, which has one token, comes out wrong. Why, and what would training make of it?


# %%
def suspicious_gae(token_rewards, values, lam):
    advantages = torch.zeros_like(values)
    next_value = next_advantage = torch.zeros(len(values))
    for t in reversed(range(values.shape[1])):
        delta = token_rewards[:, t] + next_value - values[:, t]
        advantages[:, t] = next_advantage = delta + lam * next_advantage
        next_value = values[:, t]
    return advantages


ragged = torch.tensor([[True, False, False], [True, True, True]])
values = torch.full((2, 3), 0.5)
ends = at_last_token(torch.ones(2), ragged)
print(suspicious_gae(ends, values, lam=0.0))

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# It knows no mask. The critic says something about padding too, here 0.5, and that is taken for the value of what comes after the end. The first completion gets $1 + 0.5 - 0.5 = 1$ where $1 - 0.5 = 0.5$ is right. With a critic that likes padding, to end early looks better than it is. With $\lambda = 1$ the sum over all tokens cancels the padding's values and hides the bug.

# %% tags=["solution"]
print(gae(ends, values, ragged, lam=0.0))
print(suspicious_gae(ends, values, lam=1.0)[ragged])
print(gae(ends, values, ragged, lam=1.0)[ragged])

# %% [markdown]
# ## What to remember
#
# > **Remember.** PPO and GRPO share the ratio, the clip and the old policy. They differ in who says what to expect: a critic, learnt, one value a token, or the group, at once, one value a completion. The critic doubles the trained weights and gives credit to tokens only as far as it understands them. And a curve that is ahead is not yet a reason: half of PPO's lead was the number of prompts, and the other half a critic that knew nothing yet, which lost when the zero of the rewards moved.
#
# Sources: PPO is [arXiv:1707.06347](https://arxiv.org/abs/1707.06347), GAE [arXiv:1506.02438](https://arxiv.org/abs/1506.02438). What else baselines do: [Chung et al. (arXiv:2008.13773)](https://arxiv.org/abs/2008.13773).
#
# **From here:** [The gradients of KL](https://grpo-lite.github.io/grpo-lite/lessons/gradients_of_kl/) asks which way a penalty pulls. [What matters](https://grpo-lite.github.io/grpo-lite/lessons/what_matters/) turns every knob of GRPO, one at a time, and keeps what made no difference.
