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
# # The map
#
# The whole of GRPO once around, on a model small enough to watch every step. Afterwards each lesson takes one piece apart, and you know where it belongs.
#
# **Minutes:** 20 · **Needs:** Python and PyTorch · **Gives:** the whole picture

# %% tags=["setup"]
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic(
        "pip",
        "install -q 'grpo-lite[plot] @ git+https://github.com/grpo-lite/grpo-lite'",
    )

import copy
import json
from importlib.resources import files

import torch
from transformers import GPT2Config, GPT2LMHeadModel

import grpo_lite
from grpo_lite import plotting

plotting.use_site_style()
torch.set_num_threads(1)  # a model this small runs fastest on one core

# %% [markdown]
# ## The question
#
# A language model writes text, and we can tell good text from bad when we see it. But we cannot give the model the right words one by one. How does it get better?
#
# Here is the whole answer in one picture. Its words come one by one in this lesson. (The minutes at the head of a lesson are for reading; an exercise says its own.)

# %% tags=["diagram"] alt="From top to bottom. N prompts of P tokens go to the old policy, which samples G completions of each: B = N times G rows of T tokens. The completions go two ways. On the left, reward functions give each one reward, and comparison with its group turns rewards into advantages, one number a completion. On the right, the tokens get three log-probs each: from the policy that is trained, from the old policy, which stored them when it sampled, and from a frozen reference. Advantages and the ratio of policy to old policy meet in the clipped objective; policy and reference meet in the KL penalty; both have one number a token. The loss averages them to one number, whose gradient updates the policy. The same samples may be used several times; then the policy becomes the old policy and samples again." caption="Once around: sample a group, judge it, compare, update, sample again."
plotting.diagram("loop")

# %% [markdown]
# <stations-explorer>On the site a real batch goes through this picture, station by station. Here are its rows as a table.</stations-explorer>

# %% [markdown]
# Eight real completions of the prompt `3+9+4+1=`, from the model of lesson [Watch it learn](https://grpo-lite.github.io/grpo-lite/lessons/watch_it_learn/), with what one update makes of them. The right answer is 7. Each row says what it was paid, and how far that lies above or below the other rows. The last three columns say how likely the model finds the row, as a logarithm: the nearer to 0, the likelier. *When sampled* is when it wrote the row, *now* is before the update, *after* is after it. The same eight rows have been used for two updates before, so *now* differs from *when sampled* already.

# %% tags=["detail", "result-eight-rows"]
recording = json.loads((files("grpo_lite") / "data" / "recording.json").read_text())
batch, group = recording["batch"], recording["frames"][0]
print("loss", round(batch["loss"], 4))
plotting.table(
    {
        "completion": [[recording["tokens"][i] for i in row] for row in group["ids"]],
        "reward": group["rewards"],
        "advantage": batch["advantages"],
        "log-prob when sampled": [sum(row) for row in batch["old_logps"]],
        "now": [sum(row) for row in batch["logps"]],
        "after": [sum(row) for row in batch["after"]],
    }
)

# %% [markdown]
# **Group Relative Policy Optimization**, GRPO, answers in one paragraph. Give the model a question, the **prompt** $q$. Let it answer several times: $G$ **completions** $o_1, \dots, o_G$, the **group**. Give each completion a number that says how good it is, its **reward** $r_i$. Compare each reward with the mean of its group: how far it lies above or below is the **advantage** $\hat A_i$. Then change the model a little: push completions better than their siblings towards more likely, and worse ones towards less. Repeat.
#
# The model that is being trained is called the **policy**, written $\pi_\theta$. It is a distribution over next tokens, and $\theta$ are its weights.

# %% [markdown]
# ## A model of our own
#
# A small GPT-2 with random weights, which knows nothing. (It is the model of the notebook that this course grew from; lesson [The original, replayed](https://grpo-lite.github.io/grpo-lite/lessons/the_original_replayed/) replays it.) Its vocabulary has 10 **tokens**, the units in which it reads and writes. For us token 0 means *end*, and tokens 1 to 9 are the digits. Dropout, which would set a part of the network to 0 at random, is off, so that every reading gives the same probabilities.

# %% tags=["result-parameters"]
config = GPT2Config(
    vocab_size=10, n_embd=128, n_inner=256, n_layer=2, n_head=4,
    bos_token_id=0, eos_token_id=0, pad_token_id=0,
    embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0,
)  # fmt: skip
torch.manual_seed(1)
policy = GPT2LMHeadModel(config)
reference = copy.deepcopy(policy).requires_grad_(False)
policy.num_parameters()

# %% [markdown]
# The line with `deepcopy` keeps a frozen copy of the policy as it was at the start, the **reference**. It is never trained. It shows how far the policy has moved.
#
# ## Once around
#
# We want the model to write sevens: one point for each 7. Nobody needs such a model, and everybody can check the points.
#
# **1. Sample.** One prompt, `12345`, and four completions of it.

# %% tags=["result-sample"]
G = 4
prompt_ids = torch.tensor([[1, 2, 3, 4, 5]])
settings = {"max_new_tokens": 5, "eos_token_id": 0, "pad_token_id": 0}
group = grpo_lite.sample_group(
    policy, prompt_ids, G, **settings, generator=torch.Generator().manual_seed(3)
)
plotting.table({"ids": group.ids, "counted": group.mask.int()})

# %% [markdown]
# Each row is a completion. The first one drew the end token at once. What stands behind it is padding. The **mask** says which tokens count, the end token among them.
#
# **2. Reward.** A reward function reads text, so the tokens become text first. `grpo_lite.score_completions` calls the function, `grpo_lite.combine_rewards` makes one number for each completion (lesson [Rewards](https://grpo-lite.github.io/grpo-lite/lessons/rewards/)).


# %% tags=["result-rewards"]
def to_text(group):
    texts = []
    for ids, mask in zip(group.ids, group.mask, strict=True):
        texts.append("".join(str(i) for i in ids[mask].tolist() if i != 0))
    return texts


def sevens_reward(completions, **columns):
    return [float(completion.count("7")) for completion in completions]


texts = to_text(group)
scores = grpo_lite.score_completions(sevens_reward, ["12345"] * G, texts)
rewards = grpo_lite.combine_rewards(scores)
tokens = [list(text) or ["(empty)"] for text in texts]
plotting.table({"completion": tokens, "reward": rewards})

# %% [markdown]
# **Predict.** Which completions should become more likely, and which less?
#
# **3. Advantages.** Each reward minus the mean of the group, 0.75, divided by the group's spread, its standard deviation of 0.9574 (which divides the squares by $G - 1 = 3$).

# %% tags=["result-advantages"]
advantages = grpo_lite.group_advantages(rewards, G)
advantages

# %% [markdown]
# Two positive, two negative. The last completion earned one point and still counts as good news, because the others did worse on average.
#
# **4. Loss.** How likely does the policy find what it wrote? The answer is one number for each token, the logarithm of its probability: the **log-prob**. Through it, the gradient reaches the weights. The loss puts advantages and log-probs together.


# %% tags=["result-first-loss"]
def read(model, group):
    prompts = prompt_ids.repeat_interleave(len(group.ids), dim=0)
    return grpo_lite.completion_logps(
        model, prompts, group.ids, completion_mask=group.mask
    )


logps_before = read(policy, group)
out = grpo_lite.grpo_loss(logps_before, group.logps, advantages, group.mask)
print("loss", round(abs(out.loss.item()), 6))

# %% [markdown]
# The loss is 0, and that is as it should be. Take a group of two completions of one token each, with advantages +1 and −1. Each row adds *its advantage times a number that is 1 today*, and the loss is minus their mean: $-(1 - 1)/2 = 0$. (Below, `None` for the old log-probs means: the same as now.)
#
# **Predict.** The loss of these two rows is 0. And its slope, for the log-prob of each row?

# %% tags=["result-two-rows"]
two = torch.tensor([[-1.0], [-2.0]], requires_grad=True)  # a log-prob in each row
every = torch.ones(2, 1, dtype=torch.bool)
loss = grpo_lite.grpo_loss(two, None, torch.tensor([1.0, -1.0]), every).loss
loss.backward()
print("loss  ", loss.item() + 0.0)
print("slopes", two.grad.flatten().tolist())

# %% [markdown]
# Two rows, two numbers: a step against these slopes raises the first log-prob and lowers the second. The values of both rows are added up and cancel. The slopes are not added up, because they belong to different tokens. (The number is the token's probability now, divided by the fixed one with which it was drawn. Nothing has moved yet, so it is 1. Make the token one percent likelier, and it is 1.01: it has a slope, the same as the logarithm has there. Lesson [Ratio and clipping](https://grpo-lite.github.io/grpo-lite/lessons/ratio_and_clipping/) shows more.)
#
# > The value of this loss never tells whether training goes well. Look at the rewards.
#
# **5. Update.** One step of the optimiser, against the gradient. The step is large, so that we need few of them.

# %%
optimizer = torch.optim.SGD(policy.parameters(), lr=0.02)
optimizer.zero_grad()
out.loss.backward()
optimizer.step()

# %% [markdown]
# ## Did it move?
#
# We read the same four completions again. The log-prob of a completion is the sum over its tokens. (The unit of a natural logarithm is the nat.)

# %% tags=["result-it-moved"]
with torch.no_grad():
    logps = read(policy, group)
change = (logps - logps_before).sum(dim=1).detach()
columns = {"completion": [text or "(end)" for text in texts], "advantage": advantages}
plotting.table({**columns, "change": change}, decimals=4)

# %% tags=["drawing"] alt="Bars of the change of log-prob after one step for four completions. Those with rewards 2 and 1 rose, by 1.89 and 0.34; the two with reward 0 fell, by 2.26 and 2.02." caption="One step: what was paid above the mean has become likelier, the rest rarer."
plotting.bars(
    {"change": change},
    [f"{texts[i] or '(end)'}\nreward {rewards[i]:.0f}" for i in range(G)],
    ylabel="change of log-prob (nats)",
    xlabel="completion",
    by_sign=True,
)

# %% [markdown]
# Better than the mean of the group: up. Worse: down. So it went here; what is certain is the direction of each push. All pushes act on the same weights, and where a completion goes is decided by their sum: one that is barely better than the mean may fall. (What lesson [Why it works](https://grpo-lite.github.io/grpo-lite/lessons/why_it_works/) proves is that small steps raise the expected reward on average, if one divides neither by the spread of the group nor by the length of a completion.) The completion with two sevens is now $e^{1.89} = 6.6$ times as likely as before, and the two without any have become 9.6 and 7.5 times rarer.
#
# The two completions without a seven have the same advantage and lost different amounts. One has a single token and the other five, a likely token is harder to move than a rare one, and all completions are made by the same weights, so pushing one moves the others too.
#
# ## Again and again
#
# Here is the whole loop in one function, with groups of 8. Inside its loop are the five steps from above. (`old_is` is for *Break it*.)


# %%
def train(seed, steps=15, num_generations=8, old_is=None):
    policy = copy.deepcopy(reference).requires_grad_(True)
    optimizer = torch.optim.SGD(policy.parameters(), lr=0.02)
    generator = torch.Generator().manual_seed(seed)
    mean_rewards = []
    for _ in range(steps):
        group = grpo_lite.sample_group(
            policy, prompt_ids, num_generations, **settings, generator=generator
        )
        scores = grpo_lite.score_completions(
            sevens_reward, ["12345"] * num_generations, to_text(group)
        )
        rewards = grpo_lite.combine_rewards(scores)
        advantages = grpo_lite.group_advantages(rewards, num_generations)
        old_logps = group.logps if old_is is None else read(old_is, group)
        out = grpo_lite.grpo_loss(
            read(policy, group), old_logps, advantages, group.mask
        )
        optimizer.zero_grad()
        out.loss.backward()
        optimizer.step()
        mean_rewards.append(rewards.mean().item())
    return mean_rewards


# %% [markdown]
# **Predict.** A completion has at most 5 tokens, so at most 5 points. How many groups of 8 does it take to get near 5? Three seeds, to see how much is luck.

# %% alt="Mean reward of each group over 15 steps, three seeds. All start between 0 and 0.4, pass 4 between step 5 and step 7, and end between 4.75 and 4.9." caption="Three seeds, one outcome: within 15 steps nearly every token is a seven."
runs = {f"seed {seed}": train(seed) for seed in range(3)}
plotting.lines(
    range(1, 16),
    runs,
    xlabel="step (one group of 8 each)",
    ylabel="mean reward (sevens)",
    marks={(8, 3.3): "5: nothing but sevens"},
)

# %% [markdown]
# Nobody showed the model a good completion. It wrote some sevens by chance. They were better than the rest of the group, and that was enough.
#
# Seed 1 shows what chance means. Its first group had no seven at all: all rewards equal, all advantages 0, nothing learned in that step. Without a single success there is nothing to compare.

# %% [markdown]
# **Check yourself.** A run like these, one step for each group, prints a loss of 0.0000 at every step. What do you conclude?
#
# <details class="wrong"><summary>It learns nothing: there is no error left to correct</summary>This loss does not measure an error. The advantages of a group add up to 0, whatever the model does. Unless all its rewards are equal, the gradient is not 0.</details>
# <details class="right"><summary>Nothing yet: look at the rewards</summary>Print it: seed 0 has such a loss at all of its 15 steps, and meanwhile its reward climbs to nearly 5.</details>
# <details class="wrong"><summary>It has finished learning</summary>The first step prints the same 0, and there the model knows nothing.</details>

# %% [markdown]
# ## The formula
#
# This is the loss of one group, from [DeepSeekMath, equations 3 and 4 (arXiv:2402.03300)](https://arxiv.org/abs/2402.03300). The paper writes an objective to be maximised; the loss is its negative.
#
# $$\mathcal L(\theta) = -\frac{1}{G} \sum_{i=1}^{G} \frac{1}{\lvert o_i \rvert} \sum_{t=1}^{\lvert o_i \rvert} \Big[ \min\big( \rho_{i,t} \hat A_i,\ \operatorname{clip}(\rho_{i,t}, 1-\epsilon, 1+\epsilon)\, \hat A_i \big) - \beta\, \mathbb D_{\text{KL}}\big[\pi_\theta \,\Vert\, \pi_{\text{ref}}\big] \Big]$$
#
# $$\rho_{i,t} = \frac{\pi_\theta(o_{i,t} \mid q, o_{i,<t})}{\pi_{\theta_{\text{old}}}(o_{i,t} \mid q, o_{i,<t})}$$
#
# $$\mathbb D_{\text{KL}}\big[\pi_\theta \,\Vert\, \pi_{\text{ref}}\big] = e^d - d - 1$$
#
# $$d = \log \frac{\pi_{\text{ref}}(o_{i,t} \mid q, o_{i,<t})}{\pi_\theta(o_{i,t} \mid q, o_{i,<t})}$$
#
# There is no need to learn it by heart: each piece gets a lesson. Read it from the inside out. $o_{i,t}$ is token $t$ of completion $i$, and $o_{i,<t}$ are the tokens before it. The **ratio** $\rho_{i,t}$ says how much more likely the policy finds that token now than when it was sampled. Multiplied by the advantage, it is what we want to raise. The **clip** cuts the ratio off at $1 - \epsilon$ and $1 + \epsilon$, so that there is nothing to gain from moving further. What the min is for comes in lesson [Ratio and clipping](https://grpo-lite.github.io/grpo-lite/lessons/ratio_and_clipping/). The last term is 0 where policy and reference agree and positive elsewhere: moving away has a price. Then comes the mean over the $\lvert o_i \rvert$ tokens of a completion, and the mean over the $G$ completions.
#
# | in the formula | what it is | lesson | in the code |
# |---|---|---|---|
# | $r_i$ | reward of a completion | [Rewards](https://grpo-lite.github.io/grpo-lite/lessons/rewards/) | `grpo_lite.score_completions`, `grpo_lite.combine_rewards` |
# | $o_i$ | sampled completion | [Sampling a group](https://grpo-lite.github.io/grpo-lite/lessons/sampling_a_group/) | `grpo_lite.sample_group` |
# | $\log \pi$ | log-prob of a sampled token | [Token log-probs](https://grpo-lite.github.io/grpo-lite/lessons/token_logprobs/) | `grpo_lite.completion_logps` |
# | $\frac{1}{\lvert o_i \rvert} \sum_t$ | mean over the tokens that count | [Token log-probs](https://grpo-lite.github.io/grpo-lite/lessons/token_logprobs/) | `grpo_lite.completion_mask`, `grpo_lite.masked_mean` |
# | $\hat A_i$ | advantage | [Group-relative advantages](https://grpo-lite.github.io/grpo-lite/lessons/group_advantages/) | `grpo_lite.group_advantages` |
# | $\mathbb D_{\text{KL}}$ | distance from the reference | [The leash](https://grpo-lite.github.io/grpo-lite/lessons/the_leash/) | `grpo_lite.kl_k3` |
# | $\rho_{i,t}$ | ratio, now to then | [Ratio and clipping](https://grpo-lite.github.io/grpo-lite/lessons/ratio_and_clipping/) | `grpo_lite.importance_ratio` |
# | $\min(\cdot, \operatorname{clip}(\cdot))$ | clipped objective | [Ratio and clipping](https://grpo-lite.github.io/grpo-lite/lessons/ratio_and_clipping/) | `grpo_lite.clipped_surrogate` |
# | $\mathcal L(\theta)$ | all of it | [The loss](https://grpo-lite.github.io/grpo-lite/lessons/the_loss/) | `grpo_lite.grpo_loss` |
#
# ## By hand: two completions, two tokens each
#
# Rewards 1 and 0 give advantages +0.7071 and −0.7071. Suppose that the policy has moved already, take $\epsilon = 0.2$ and leave the last term out ($\beta = 0$):
#
# | | ratios | clipped | objective $\min(\rho \hat A, \operatorname{clip}(\rho) \hat A)$ | mean |
# |---|---|---|---|---|
# | $o_1$ | 1.1, 1.3 | 1.1, 1.2 | 0.7778, 0.8485 | 0.8132 |
# | $o_2$ | 0.9, 1.0 | 0.9, 1.0 | −0.6364, −0.7071 | −0.6718 |
#
# The mean of the two means is 0.0707, and the loss is −0.0707.

# %% tags=["result-by-hand"]
ratios = torch.tensor([[1.1, 1.3], [0.9, 1.0]])
old = torch.full((2, 2), -1.0)  # any log-probs would do: only the ratio enters
new = old + ratios.log()
mask = torch.ones(2, 2, dtype=torch.bool)
by_hand = grpo_lite.grpo_loss(new, old, torch.tensor([0.7071, -0.7071]), mask)
print(f"{by_hand.loss:.4f}")

# %% [markdown]
# ## Who is who
#
# The formula names three policies. They are three roles of one model at different times, and they are easily mixed up.
#
# | role | symbol | what it is | when it changes | in the code |
# |---|---|---|---|---|
# | policy | $\pi_\theta$ | the model being trained | at every step of the optimiser | `logps` |
# | old policy | $\pi_{\theta_{\text{old}}}$ | the policy at the moment when it sampled the group | at every new group | `old_logps` |
# | reference | $\pi_{\text{ref}}$ | the frozen copy from the start | never during a run | `ref_logps` |
#
# The old policy needs no model of its own. All that is left of it are the log-probs that were stored while sampling, `group.logps`. It differs from the policy from the second step on: on the same group (the number of steps for each group is $\mu$), or on another part of a large batch that was sampled at once. With one step for each sampled batch every ratio is 1. (DeepSeekMath also renews the reference from time to time, between long rounds of training; within a round it is frozen.)
#
# **Predict.** The policy has moved by one step. It samples a new group. What are its ratios to the old policy, and to the reference?

# %% tags=["result-three-roles"]
fresh = grpo_lite.sample_group(
    policy, prompt_ids, G, **settings, generator=torch.Generator().manual_seed(3)
)
with torch.no_grad():
    to_old = (read(policy, fresh) - fresh.logps).exp()[fresh.mask]
    to_reference = (read(policy, fresh) - read(reference, fresh)).exp()[fresh.mask]
both = {"old": to_old, "reference": to_reference}
ends = torch.stack([torch.stack(x.aminmax()) for x in both.values()])
columns = {"lowest": ends[:, 0], "highest": ends[:, 1]}
plotting.table({"ratio to": list(both), **columns}, decimals=4)

# %% [markdown]
# To the old policy, 1: the policy that reads is the one that wrote a moment ago. To the reference, anything from 0.72 to 2.85 after a single step.

# %% [markdown]
# **Check yourself.** With $\mu = 4$ a group serves for four steps. At the third of them, which policy stands in the denominator of the ratio?
#
# <details class="wrong"><summary>The reference</summary>That is the frozen copy from the start of the run. It stands in the last term of the formula and never in the ratio.</details>
# <details class="wrong"><summary>The policy as it was after the second step</summary>That one is close in time, but it did not sample the group. The old policy stays the same for all four steps.</details>
# <details class="right"><summary>The policy as it was before the first of the four</summary>It sampled the group. Its log-probs were stored then, and they serve until the next group is sampled.</details>

# %% [markdown]
# ## Break it
#
# Suppose the reference slips into the ratio, in the place of the old policy. The shapes fit and no error appears. Take a token that the policy has learned to like: the reference gives it 0.05, the policy gave it 0.5 when it sampled, and 0.5 now. The right ratio is 1, the wrong one is 10, far beyond $1 + \epsilon$.
#
# **Predict.** What happens to `train` from above, with the reference in the place of the old policy?

# %% alt="Mean reward over 15 steps, averaged over three seeds. With the ratio to the old policy it climbs from 0.2 to 4.8; with the ratio to the reference it is the same for two steps and then stays between 0.8 and 1.5." caption="With the ratio to the reference, learning stalls after two steps."
mixed_up = {f"seed {seed}": train(seed, old_is=reference) for seed in range(3)}
plotting.lines(
    range(1, 16),
    {
        "ratio to old": torch.tensor(list(runs.values())).mean(dim=0),
        "to reference": torch.tensor(list(mixed_up.values())).mean(dim=0),
    },
    xlabel="step (one group of 8 each)",
    ylabel="mean reward (sevens, 3 seeds)",
    colors={"ratio to old": "old", "to reference": "reference"},
    marks={2: "here they part"},
)

# %% [markdown]
# At the first two steps the curves agree: before the first update the policy, the old policy and the reference are the same model. Then the right run goes on climbing, and the wrong one ends below one and a half sevens out of five. It does not climb slowly, it stops climbing. If a token with a ratio of 10 is good, the clip holds it back: no push at all. If it is bad, the formula has two values to choose from, $1.2 \hat A$ and $10 \hat A$, and the min takes the smaller one. Since $\hat A$ is negative, that is $10 \hat A$, and the token is pushed down ten times as hard. The more the policy likes a token, the harder the next blow, so nothing that it likes can grow much further.
#
# The repair: `old_logps` comes from the sampler, `ref_logps` from the frozen copy, and the two never stand in each other's place.
#
# ## Exercises
#
# **1. By hand.** *Easy, 5 minutes.* A group of two has the rewards 5 and 3. What are its advantages? All ratios are 1 and $\beta = 0$: what is its loss, and in which direction does each row go?

# %%
# Your turn.

# %% tags=["solution", "result-solution-by-hand"]
print(grpo_lite.group_advantages(torch.tensor([5.0, 3.0]), 2))

# %% [markdown] tags=["solution"]
# The mean is 4, the deviations are +1 and −1, and the spread is $\sqrt{(1 + 1)/1} = 1.41$: advantages +0.707 and −0.707. The loss is 0, the first row goes up, the second down.

# %% [markdown]
# **2. Nobody was better.** *Medium, 10 minutes.* All four rewards are 1. What is the gradient for $\beta = 0$? And for $\beta = 0.04$, now that the policy has moved? Predict first, then compute the norm of the gradient on the log-probs.

# %%
# Your turn.

# %% tags=["solution", "result-equal-rewards"]
ref_logps = read(reference, group)
equal = grpo_lite.group_advantages(torch.ones(G), G)
for beta in (0.0, 0.04):
    logps_now = read(policy, group).detach().requires_grad_(True)
    out = grpo_lite.grpo_loss(
        logps_now, group.logps, equal, group.mask, ref_logps=ref_logps, beta=beta
    )
    out.loss.backward()
    print(f"beta {beta}: {logps_now.grad.norm():.6f}")

# %% [markdown] tags=["solution"]
# Advantages of 0 push nothing: no gradient at all. With $\beta > 0$ the last term still pulls the policy back towards the reference.

# %% [markdown]
# **3. Find the bug.** *Easy, 5 minutes.* A colleague takes two steps on each group ($\mu = 2$) and is surprised: the ratio is always exactly 1, and the clip never does anything. Which line is wrong?


# %%
def two_steps(group, advantages):
    policy = copy.deepcopy(reference).requires_grad_(True)
    optimizer = torch.optim.SGD(policy.parameters(), lr=0.02)
    for step in (1, 2):
        logps = read(policy, group)
        old_logps = read(policy, group).detach()
        out = grpo_lite.grpo_loss(logps, old_logps, advantages, group.mask)
        optimizer.zero_grad()
        out.loss.backward()
        optimizer.step()
        print(f"step {step}: largest ratio {(logps - old_logps).exp().max():.4f}")


two_steps(group, advantages)

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# `old_logps` is computed anew in every step, from the policy as it is now. So it is not old. It belongs before the loop, or better: take the log-probs that were stored while sampling, `group.logps`.


# %% tags=["solution", "result-really-old"]
def two_steps_repaired(group, advantages):
    policy = copy.deepcopy(reference).requires_grad_(True)
    optimizer = torch.optim.SGD(policy.parameters(), lr=0.02)
    for step in (1, 2):
        logps = read(policy, group)
        out = grpo_lite.grpo_loss(logps, group.logps, advantages, group.mask)
        optimizer.zero_grad()
        out.loss.backward()
        optimizer.step()
        print(f"step {step}: largest ratio {(logps - group.logps).exp().max():.4f}")


two_steps_repaired(group, advantages)

# %% [markdown]
# ## What to remember
#
# > **Remember.** Sample a group, reward each completion, compare within the group, push. The policy is trained, the old policy is the one that sampled, the reference is frozen. The loss prints 0 because values cancel; slopes do not. Watch the rewards, not the loss.
#
# GRPO comes from [DeepSeekMath, section 4.1 (arXiv:2402.03300)](https://arxiv.org/abs/2402.03300). It is a smaller relative of PPO ([arXiv:1707.06347](https://arxiv.org/abs/1707.06347)), which trains a second network to say what reward to expect; [PPO and GRPO side by side](https://grpo-lite.github.io/grpo-lite/lessons/ppo_and_grpo/) compares the two.
#
# **From here:** [Why it works](https://grpo-lite.github.io/grpo-lite/lessons/why_it_works/) proves when such steps raise the rewards.
