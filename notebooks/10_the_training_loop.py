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
# # The training loop
#
# Put the pieces in order, and a model learns. Here is the whole loop, and what a healthy run looks like.
#
# **Minutes:** 15 · **Needs:** [The loss](https://grpo-lite.github.io/grpo-lite/lessons/the_loss/) · **Gives:** `grpo_lite.GRPOTrainer`, `grpo_lite.GRPOConfig`, `grpo_lite.greedy_decode`

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
from collections import namedtuple
from dataclasses import replace

import torch
from torch.nn.utils import clip_grad_norm_

import grpo_lite
from grpo_lite import plotting
from grpo_lite.tasks import accuracy, load_base_model, make_problems, think_rate
from grpo_lite.training.rollout import evaluate

plotting.use_site_style()
torch.set_num_threads(1)  # fastest for a model this small

# %% tags=["setup"]
# The run of the first picture, by the packaged trainer. Further down a loop of our own does the same.
base, tokenizer = load_base_model()
EOS, PAD = tokenizer.eos_token_id, tokenizer.pad_token_id
problems = make_problems("chain-sum", "train", 2000)
test_problems = make_problems("chain-sum", "test", 200)
args = grpo_lite.GRPOConfig(
    max_steps=25,
    learning_rate=5e-4,
    lr_scheduler_type="constant",
    per_device_train_batch_size=64,
    num_generations=8,
    max_completion_length=16,
    reward_weights=[1.0, 0.0],  # right answers are paid; thinking is watched
    seed=0,
    use_cpu=True,  # as our own loop does, also where there is a GPU
)
reward_funcs = [accuracy, think_rate]
packaged = copy.deepcopy(base)
trainer = grpo_lite.GRPOTrainer(packaged, reward_funcs, args, problems, tokenizer)
first_run = trainer.train()
PANELS = {
    "rewards/accuracy": "right answers (share): they double",
    "frac_reward_zero_std": "groups without spread (share): more agree",
    "entropy": "entropy (nats a token): it decides",
    "completions/mean_length": "mean length (tokens): it learns to think",
}

# %% [markdown]
# ## The question
#
# We can sample a group, score it, turn rewards into advantages, and compute a loss with a gradient. What has to stand around these functions so that a model gets better, and what does a run tell us while it learns?
#
# Here is such a run: model and task of lesson [Watch it learn](https://grpo-lite.github.io/grpo-lite/lessons/watch_it_learn/), 25 updates of 64 completions.
#
# The panels show right answers, groups without spread, the entropy (how undecided the policy is), and the length.

# %% tags=["drawing"] alt="Four panels over 25 updates of the healthy run. The share of right answers rises from 0.4 to about 0.85; the share of groups without spread from 0 to between 0.1 and 0.6; the entropy falls from 0.4 to about 0.1 nats a token; the mean length grows from 6 to 10 tokens within 10 updates and stays." caption="A healthy run: more right answers, less entropy, longer completions."
plotting.lines(
    range(1, 26),
    *({"healthy": [record[name] for record in first_run]} for name in PANELS),
    titles=list(PANELS.values()),
    xlabel="update",
    ylabel="",
)

# %% [markdown]
# The length grows to 10 tokens, those of a completion that thinks: the model changes its habit in ten updates, and then makes fewer slips. The entropy falls, because it decides. More groups agree, because more prompts are solved; an update teaches less and less.

# %% [markdown]
# ## By hand: two prompts, two completions each
#
# First one batch and one update on paper. A completion is one token, `a` or `b`, and the policy is one pair of logits for each prompt. All logits are 0: both tokens have probability 0.5.
#
# | | completions | rewards | advantages |
# |---|---|---|---|
# | prompt 1 | a, b | 1, 0 | +0.707, −0.707 |
# | prompt 2 | a, a | 1, 1 | 0, 0 |
#
# The loss is $-\frac14 \sum_i \hat A_i \rho_i$, and every ratio $\rho_i$ is 1. So each log-prob is pushed by $\hat A_i / 4$. A token's logit moves its own log-prob with slope $1 - p = 0.5$ and that of the other token with slope $-p = -0.5$. For the logit of `a` after prompt 1 that makes
#
# $$\tfrac14 \big(0.707 \cdot 0.5 + (-0.707) \cdot (-0.5)\big) = 0.177,$$
#
# and $-0.177$ for `b`. Plain gradient descent with learning rate 1 moves the logits there, and the probability of `a` becomes $1/(1 + e^{-0.3535}) = 0.5875$.
#
# **Predict.** Prompt 2 was answered perfectly. What happens to its logits?

# %% tags=["result-by-hand"]
logits = torch.zeros(2, 2, requires_grad=True)
prompts = torch.tensor([0, 0, 1, 1])
tokens = torch.tensor([[0], [1], [0], [0]])  # a, b, a, a
rewards = torch.tensor([1.0, 0.0, 1.0, 1.0])

advantages = grpo_lite.group_advantages(rewards, num_generations=2)
logps = grpo_lite.token_logps(logits[prompts][:, None], tokens)
mask = torch.ones_like(tokens, dtype=torch.bool)
grpo_lite.grpo_loss(logps, logps.detach(), advantages, mask).loss.backward()

after = (logits - 1.0 * logits.grad).detach()
print("advantages ", advantages)
print("logits     ", after)
print("probability", after.softmax(dim=1))

# %% [markdown]
# Nothing. The group has no spread, so there is nothing to compare. Prompt 1 moved the policy from 0.5 to 0.5875, and then one samples again.
#
# **Try it.** The same on the real model, in the page: sample a group, update, and look at each token. **The goal:** find a token that moved *against* the advantage of its row. How can that be?
#
# <inspect-explorer>On the site there is a model to update here.</inspect-explorer>
#
# ## Sample, score, compare
#
# The settings of a run are a record, `grpo_lite.GRPOConfig`, with the names of TRL. A **batch** is what is sampled together, here 64 completions, 8 for each of 8 prompts. An **update**, or step, moves the weights once, and `max_steps` counts updates. (The record of this run, `args`, stands in the fold at the top: learning rate 5e-4, and a right answer is all that is paid.)
#
# Three of the four parts need no gradient: sample a group for every prompt, score it, compare within the group. The result is a batch of facts. They do not change, however often we look at them.

# %%
Batch = namedtuple(
    "Batch", "prompt_ids ids mask old_logps scores rewards advantages texts"
)  # one row a completion


def roll_out(model, reward_funcs, args, rows, tokenizer, generator):
    G = args.num_generations
    asked = [row["prompt"] for row in rows for _ in range(G)]
    truths = [row["ground_truth"] for row in rows for _ in range(G)]
    prompt_ids = tokenizer(asked, return_tensors="pt")["input_ids"]
    group = grpo_lite.sample_group(
        model, prompt_ids[::G], G, max_new_tokens=args.max_completion_length,
        eos_token_id=EOS, pad_token_id=PAD,
        temperature=args.temperature, generator=generator,
    )  # fmt: skip
    texts = tokenizer.batch_decode(group.ids, skip_special_tokens=True)
    scores = grpo_lite.score_completions(
        reward_funcs, asked, texts, ground_truth=truths
    )
    rewards = grpo_lite.combine_rewards(scores, args.reward_weights)
    advantages = grpo_lite.group_advantages(rewards, G)
    return Batch(prompt_ids, *group, scores, rewards, advantages, texts)


# %%
generator = torch.Generator().manual_seed(0)
batch = roll_out(base, reward_funcs, args, problems[:8], tokenizer, generator)
plotting.table(
    {
        "completion": [tokenizer.tokenize(text) for text in batch.texts[:8]],
        "reward": batch.rewards[:8],
        "advantage": batch.advantages[:8],
    }
)

# %% [markdown]
# The group of the first prompt: some completions think, some answer straight, and most are wrong.
#
# The fourth part has a gradient: compute the log-probs of the same tokens under the policy as it is *now*, and the loss against those that were stored at sampling (lesson [Ratio and clipping](https://grpo-lite.github.io/grpo-lite/lessons/ratio_and_clipping/)).


# %%
def logps_of(model, batch, args):
    return grpo_lite.completion_logps(
        model, batch.prompt_ids, batch.ids,
        completion_mask=batch.mask, temperature=args.temperature,
    )  # fmt: skip


def loss_of(model, batch, args):
    logps = logps_of(model, batch, args)
    return grpo_lite.grpo_loss(logps, batch.old_logps, batch.advantages, batch.mask)


# %% [markdown]
# ## What to write down
#
# The loss says nothing, so a run keeps a diary of other numbers.
#
# The **entropy** says how undecided the policy is, in nats a token (the unit of the natural log). We estimate it by the mean of $-\log \pi_\theta$ over tokens that $\pi_\theta$ itself has drawn. At 0 every token is certain, and all completions of a prompt are the same.


# %% tags=["detail"]
def describe(batch, args):
    lengths = batch.mask.sum(dim=1).float()
    groups = batch.rewards.view(-1, args.num_generations)
    ended = (batch.ids == EOS).any(dim=1).float()
    return {
        "reward": batch.rewards.mean(),
        "rewards/accuracy": batch.scores[:, 0].mean(),
        "frac_reward_zero_std": (groups == groups[:, :1]).all(dim=1).float().mean(),
        "entropy": -batch.old_logps.sum() / lengths.sum(),
        "completions/mean_length": lengths.mean(),
        "completions/clipped_ratio": 1 - ended.mean(),
    }


# %% [markdown]
# | metric | what it says | healthy |
# |---|---|---|
# | `reward` | mean pay of the batch, before the update | rises, with noise |
# | `frac_reward_zero_std` | share of groups whose rewards are all equal, which teach nothing | rises slowly, as prompts are solved |
# | `entropy` | how undecided the policy is | falls slowly; at 0 nothing is left to compare |
# | `completions/mean_length` | tokens, end token included | moves for a reason that you can name |
# | `completions/clipped_ratio` | share of completions cut off at the length limit | near 0 |
# | `grad_norm` | length of the gradient, before it is shortened | steady; at 0 nothing is learned |
# | `clip_fraction` | share of tokens that the clip has switched off | 0 at the first update on a sampled batch |
# | `kl` | distance from the reference, if $\beta > 0$ | grows slowly |
#
# The names are TRL's, but for `rewards/accuracy` (there `rewards/accuracy/mean`) and `clip_fraction` (`clip_ratio/region_mean`).
#
# ## The loop
#
# Draw the next prompts, roll out, and then $\mu$ times (`num_iterations`, 1 for now): loss, gradient, update by AdamW. A gradient longer than `max_grad_norm` (1) is shortened to it. Our 2,000 prompts last for 250 batches; the trainer shuffles them anew.


# %% tags=["define-GRPOTrainer"]
def train(model, reward_funcs, args, train_dataset, tokenizer, loss_of=loss_of):
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=args.learning_rate, weight_decay=args.weight_decay
    )
    generator = torch.Generator().manual_seed(args.seed)
    shuffle = torch.Generator().manual_seed(args.seed)
    order = torch.randperm(len(train_dataset), generator=shuffle).tolist()
    history = []
    while len(history) < args.max_steps:
        rows = [train_dataset[order.pop(0)] for _ in range(args.prompts_per_step)]
        batch = roll_out(model, reward_funcs, args, rows, tokenizer, generator)
        for _ in range(args.num_iterations):
            out = loss_of(model, batch, args)
            optimizer.zero_grad()
            out.loss.backward()
            norm = clip_grad_norm_(model.parameters(), args.max_grad_norm)
            optimizer.step()
            update = {"grad_norm": norm, "clip_fraction": out.clip_fraction}
            history.append(describe(batch, args) | update)
    return history


# %% [markdown]
# That is GRPO: these 20 lines, `roll_out` and `loss_of`. You have built every function of the package that they call.
#
# `grpo_lite.GRPOTrainer` is the same loop as a class. With the same weights, problems and seed both sample the same completions, and after six updates everything must agree: records, gradient, weights.

# %% tags=["same-GRPOTrainer"] caption="metrics, weights and the last gradients of 6 steps, with one and two updates a batch"
for num_iterations in (1, 2):
    few = replace(args, max_steps=6, num_iterations=num_iterations)
    mine, packaged = (copy.deepcopy(base).double() for _ in range(2))
    my_history = train(mine, reward_funcs, few, problems, tokenizer)
    trainer = grpo_lite.GRPOTrainer(packaged, reward_funcs, few, problems, tokenizer)
    for my_record, record in zip(my_history, trainer.train(), strict=True):
        for name, value in my_record.items():
            given = torch.tensor(record[name], dtype=value.dtype)
            torch.testing.assert_close(value, given, rtol=1e-4, atol=1e-5)
    for a, b in zip(mine.parameters(), packaged.parameters(), strict=True):
        torch.testing.assert_close(a, b)
        torch.testing.assert_close(a.grad, b.grad)
    assert not torch.equal(mine.lm_head.weight, base.lm_head.weight.double())

# %% [markdown]
# The trainer adds what a long run needs: a reference, prompts of any length, batches in parts, a schedule, checkpoints, several processes ([how to use it](../docs/training.md)). Here we stay with our own loop, because every line of it can be reached and broken. It makes the run of the picture:


# %%
def run(args=args, loss_of=loss_of):
    model = copy.deepcopy(base)
    return model, train(model, reward_funcs, args, problems, tokenizer, loss_of)


model, healthy = run()
both = {"our loop": healthy, "packaged": first_run}
columns = {name: [r["reward"] for r in history[::6]] for name, history in both.items()}
plotting.table({"update": range(1, 26, 6), **columns}, decimals=3)

# %% [markdown]
# ### Settings to try first
#
# In the order of their effects in 110 trainings of this model, lesson [What matters](https://grpo-lite.github.io/grpo-lite/lessons/what_matters/):
#
# 1. `learning_rate`. Too small is slow, too large destroys. About 5e-4 for a tiny model trained from scratch, 1e-5 for a pretrained one of 0.1 billion weights (where 1e-4 was faster, in [one run](https://grpo-lite.github.io/grpo-lite/lessons/a_real_language_model/#break-it)), 1e-6 for billions; then a third of it and three times as much.
# 2. `temperature`: 1, if that is how you will sample.
# 3. `num_iterations`: 1. Where samples are dear, 2 to 4; it acts much like a larger learning rate.
# 4. `num_generations` 8 or 16, batches of 64 to 512 completions, `beta=0`: these hardly mattered. Not varied, but set them: `max_completion_length` so that few are cut off, 10 `warmup_steps`. Where lengths differ much, `loss_type` decides what a token weighs.
#
# ## Greedy decoding
#
# On held-out problems one can sample, as in training, or decode greedily (`grpo_lite.greedy_decode`).

# %% [markdown] tags=["detail"]
# As a plain loop, reading everything again for each token:


# %% tags=["detail", "define-greedy_decode"]
@torch.no_grad()
def greedy_decode(
    model, prompt_ids, *, max_new_tokens, eos_token_id, pad_token_id, prompt_mask=None
):
    seen = prompt_mask
    if seen is None:
        seen = torch.ones_like(prompt_ids, dtype=torch.bool)
    alive = torch.ones_like(seen[:, 0])
    ids, columns = prompt_ids, []
    for _ in range(max_new_tokens):
        positions = grpo_lite.masking.position_ids(seen)
        logits = model(ids, attention_mask=seen.long(), position_ids=positions).logits
        logp, token = logits[:, -1].log_softmax(dim=-1).max(dim=-1)
        token = torch.where(alive, token, pad_token_id)
        columns.append((token, alive, torch.where(alive, logp, 0)))
        ids = torch.cat([ids, token[:, None]], dim=1)
        seen = torch.cat([seen, alive[:, None]], dim=1)
        alive = alive & (token != eos_token_id)
        if not alive.any():
            break
    return grpo_lite.Completions(*map(torch.stack, zip(*columns, strict=True), [1] * 3))


# %% [markdown] tags=["detail"]
# The packaged function reads only what is new. The tokens, the mask and the log-probs are the same, with padded prompts too, and there is no gradient.

# %% tags=["same-greedy_decode"] caption="tokens, mask and log-probs for 7 prompts of unequal length"
settings = dict(max_new_tokens=16, eos_token_id=EOS, pad_token_id=PAD)
mixed = [row["prompt"] for row in test_problems[:5]] + ["52817>", "40961>"]
encoded = tokenizer(mixed, return_tensors="pt", padding=True, padding_side="left")
prompt_mask = encoded["attention_mask"].bool()
assert not prompt_mask.all()
exact = copy.deepcopy(base).double()
mine, packaged = (
    function(exact, encoded["input_ids"], prompt_mask=prompt_mask, **settings)
    for function in (greedy_decode, grpo_lite.greedy_decode)
)
for x, y in zip(mine, packaged, strict=True):
    torch.testing.assert_close(x, y)
assert not packaged.logps.requires_grad


# %%
def held_out(model):
    result = evaluate(model, tokenizer, accuracy, test_problems, args)
    return [round(result[f"{kind}_accuracy"], 2) for kind in ("greedy", "sampled")]


plotting.table(
    {
        "right": ["greedy", "sampled"],
        "base": held_out(base),
        "trained": held_out(model),
    }
)

# %% [markdown]
# Greedy decoding calls the problem solved; of the samples, more than one in ten is still wrong. Training works on samples, so that is the number to watch.
#
# ## More than one update a batch
#
# With $\mu > 1$ only the number of turns of the inner loop changes. What makes it sound is that `roll_out` has **stored** the log-probs at which the tokens were drawn: computed again before each update, every ratio would be 1, and the clip would never act. How that ends is shown in lesson [When a run is sick](https://grpo-lite.github.io/grpo-lite/lessons/when_a_run_is_sick/).

# %% [markdown]
# **Check yourself.** Batches of 64 completions, $\mu = 4$, `max_steps=24`. How many completions will the run sample?
#
# <details class="wrong"><summary>1,536</summary>That is 24 batches. A batch serves four updates, and updates are what max_steps counts.</details>
# <details class="right"><summary>384</summary>Four updates a batch make six batches of 64. The run is cheaper than with one update each, and has seen fewer answers.</details>
# <details class="wrong"><summary>6,144</summary>More updates a batch do not ask for more samples: they use the same ones again.</details>

# %% [markdown]
# ## A batch that does not fit
#
# A large batch is sent through the model in parts, **micro-batches**, whose gradients add up in `.grad` before the one update. This is **gradient accumulation**, and it should give the gradient of the whole batch. Each part's loss is a mean over the part, so it is multiplied by the part's share of the whole. Share of what?
#
# Two groups written by hand. In the first, two completions answer straight and two think, one right and one wrong of each kind. In the second, all four are wrong.

# %% tags=["detail", "result-fixed-batch"]
texts = ["<answer>7</answer>", "<answer>4</answer>"]
texts += [f"<think>326{d}</think><answer>{d}</answer>" for d in "78"]
texts += [f"<answer>{d}</answer>" for d in "1357"]
prompt_ids, ids = (
    tokenizer(x, return_tensors="pt", padding=True, padding_side="right")["input_ids"]
    for x in (["3+9+4+1="] * 4 + ["2+2+2+2="] * 4, [text + "<eos>" for text in texts])
)
mask = grpo_lite.completion_mask(ids, EOS)
rewards = torch.tensor([1, 0, 1, 0, 0, 0, 0, 0], dtype=torch.float64)
advantages = grpo_lite.group_advantages(rewards, num_generations=4)
print("tokens    ", mask.sum(dim=1).tolist())
print("advantages", [round(a, 4) for a in advantages.tolist()])

# %% [markdown]
# **Predict.** We send the two short completions of the first group through the model, then the two long ones, and average the two losses. For `loss_type="grpo"` (a mean over completions) and for `"bnpo"` (a mean over tokens): is the gradient that of all four?


# %% tags=["result-naive-average"]
def gradient(rows, share=1.0, **settings):
    logps = grpo_lite.completion_logps(
        exact, prompt_ids[rows], ids[rows], completion_mask=mask[rows]
    )
    out = grpo_lite.grpo_loss(logps, None, advantages[rows], mask[rows], **settings)
    parts = torch.autograd.grad(share * out.loss, list(exact.parameters()))
    return torch.cat([part.flatten() for part in parts])


first, short, long = slice(0, 4), slice(0, 2), slice(2, 4)
rows = []
for loss_type in ("grpo", "bnpo"):
    whole = gradient(first, loss_type=loss_type)
    naive = sum(gradient(part, 1 / 2, loss_type=loss_type) for part in (short, long))
    rows.append([x.norm() for x in (whole, naive, naive - whole)])
norm, average, error = torch.tensor(rows).T
columns = {"norm": norm, "of the average": average, "error": error / norm}
plotting.table({"loss type": ["grpo", "bnpo"], **columns}, decimals=4)

# %% [markdown]
# With `"grpo"` both parts hold two of four completions, and the halves are fair. With `"bnpo"` the unit is the token, and the short part holds 8 of 28 and the long one 20. Half of the weight is that of 14 tokens, so each token of the short part counts $14/8 = 1.75$ times as much as it should, and each token of the long part $14/20 = 0.7$ times. The norms give it away: the average *is* the gradient of `"grpo"`, because within each part all completions are equally long.
#
# So count the share in the unit of the mean: completions or tokens. `"dapo"` has the count built in: each part divides by `num_items_in_batch`, the tokens of the *whole* batch, and the parts are added.

# %% tags=["detail", "result-right-shares"]
whole = gradient(first, loss_type="bnpo")
n = mask[first].sum().item()
in_parts = {"share of tokens": 0, "dapo, added": 0}
for part in (short, long):
    share = mask[part].sum().item() / n
    in_parts["share of tokens"] += gradient(part, share, loss_type="bnpo")
    in_parts["dapo, added"] += gradient(part, loss_type="dapo", num_items_in_batch=n)
for name, parts in in_parts.items():
    print(f"{name:16} same: {torch.allclose(parts, whole, rtol=1e-9, atol=1e-12)}")

# %% [markdown]
# ## Groups that need no pass
#
# A group without spread has a gradient of exactly 0, so `grpo_lite.GRPOTrainer` leaves it out of both passes, and keeps it in the denominator. Forget that, and late in training, when few groups are left to teach anything, each of them shouts.

# %% [markdown] tags=["detail"]
# **Predict.** The second group above is one of them. We leave its rows out and call `grpo_loss` on the first four alone. Is the gradient that of all eight?

# %% tags=["detail", "result-skipped"]
both = slice(0, 8)
pulls = {"both groups": gradient(both), "first group alone": gradient(first)}
pulls["first group, times ½"] = gradient(first, 4 / 8)
torch.testing.assert_close(pulls["both groups"], pulls["first group, times ½"])
norms = [pull.norm() for pull in pulls.values()]
plotting.table({"": list(pulls), "norm": norms}, decimals=4)

# %% [markdown] tags=["detail"]
# Twice the gradient, unless the skipped rows still count in the denominator. The trainer agreed with our loop, which skips nothing. With $\beta > 0$ nothing may be skipped, because the KL penalty does not ask about rewards.

# %% [markdown]
# ## Break it
#
# Each of these few lines can go wrong without an error. Lesson [When a run is sick](https://grpo-lite.github.io/grpo-lite/lessons/when_a_run_is_sick/) breaks this loop in six ways, shows the curves first, and lets you guess.
#
# ## Exercises
#
# **1. Never sample again.** *Medium, 10 minutes.* Take one batch and make 30 updates on it: `num_iterations=30`. Before you run it: what will the clip fraction be in the end, and what will the model have learned?

# %%
# Your turn.

# %% tags=["solution"]
endless_model, endless = run(replace(args, num_iterations=30, max_steps=30))
print("clip fraction", [f"{r['clip_fraction']:.2f}" for r in endless[::5]])
print("held out, greedy and sampled", held_out(endless_model))

# %% [markdown] tags=["solution"]
# The clip soon takes four of ten tokens out of the gradient. It pulls none back, and the tokens that are still inside drag the shared weights along. Sampled on held-out problems, the model is no better than the base model (greedily it is): 64 completions of 8 prompts say little, however often one reads them. The 25 batches of the healthy run, each used once, taught far more.

# %% [markdown]
# **2. Uneven parts.** *Medium, 15 minutes.* The first group again, cut into one completion and three. With `loss_type="dr_grpo"` each token is divided by completions times `max_completion_length`, whatever was sampled. Which shares give the gradient of the whole? Check it with `gradient`.

# %%
one, three = slice(0, 1), slice(1, 4)
fixed = dict(loss_type="dr_grpo", max_completion_length=16)

# %%
# Your turn.

# %% tags=["solution"]
parts = gradient(one, 1 / 4, **fixed) + gradient(three, 3 / 4, **fixed)
torch.testing.assert_close(parts, gradient(first, **fixed))

# %% [markdown] tags=["solution"]
# One quarter and three quarters. The unit is the completion, as with `"grpo"`: the length that is divided by is the same for all, so tokens need no counting.

# %% [markdown]
# ## What to remember
#
# > **Remember.** GRPO is sample, score, compare, update; the first three give facts, and only the update has a gradient. The old log-probs are one of these facts: stored at sampling, constant ever after. Micro-batches are weighted by what the loss averages over; skipped groups still count in the denominator. Judge a run by held-out samples, read the metrics together, and look at texts.
#
# The loop is algorithm 1 of [DeepSeekMath (arXiv:2402.03300)](https://arxiv.org/abs/2402.03300), with its outer loop over new references left out. Leaving out groups without spread, and sampling others in their place, is the dynamic sampling of [DAPO (arXiv:2503.14476)](https://arxiv.org/abs/2503.14476).
#
# **From here:** [Your own task](https://grpo-lite.github.io/grpo-lite/lessons/your_own_task/) trains a model on a task of your own, and [When a run is sick](https://grpo-lite.github.io/grpo-lite/lessons/when_a_run_is_sick/) shows what can go wrong. This was the last lesson of the core path.
