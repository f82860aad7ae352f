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
# # 10 The training loop
#
# Lessons 02 to 08 built every piece of GRPO. This lesson puts them in order, adds the one line that was missing, the optimiser's step, and trains a model. Then it breaks the loop in five ways, so that you know the curves when you meet them.
#
# **Minutes:** 45 · **Needs:** [lesson 03](03_sampling_a_group.ipynb), [lesson 08](08_the_loss.ipynb) · **Gives:** `grpo_lite.GRPOTrainer`, `grpo_lite.GRPOConfig`, `grpo_lite.greedy_decode`

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
import re
from dataclasses import replace
from typing import NamedTuple

import torch
from torch.nn.utils import clip_grad_norm_

import grpo_lite
from grpo_lite import plotting
from grpo_lite.rollout import evaluate
from grpo_lite.tasks import accuracy, load_base_model, make_problems, think_rate

plotting.use_site_style()
torch.set_num_threads(1)  # fastest for a model this small

# %% [markdown]
# ## The question
#
# We can sample a group, score it, turn rewards into advantages, and compute a loss with a gradient. Nothing has learned yet, because no weight has moved. What has to stand around these functions so that a model gets better, and how do we notice when it does not?
#
# The model and the task are those of [lesson 00](00_watch_it_learn.ipynb): a prompt asks for the last digit of a sum, a completion may write down running sums first, and only the final answer is paid.

# %%
base, tokenizer = load_base_model()
EOS, PAD = tokenizer.eos_token_id, tokenizer.pad_token_id
problems = make_problems("chain-sum", "train", 2000)
test_problems = make_problems("chain-sum", "test", 200)
problems[:2]

# %% [markdown]
# ## By hand: two prompts, two completions each
#
# First one whole step on paper. A completion is one token here, `a` or `b`, and the policy is one pair of logits for each prompt. All logits are 0, so both tokens have probability 0.5.
#
# | | completions | rewards | advantages |
# |---|---|---|---|
# | prompt 1 | a, b | 1, 0 | +0.707, −0.707 |
# | prompt 2 | a, a | 1, 1 | 0, 0 |
#
# The loss is $-\frac14 \sum_i \hat A_i \rho_i$, and every ratio $\rho_i$ is 1. So each log-prob is pushed by $\hat A_i / 4$. Raising the log-prob of a token by means of its logit $z$ has the slope $1 - p = 0.5$; raising that of the other token has the slope $-p = -0.5$. For the logit of `a` after prompt 1 that makes
#
# $$\tfrac14 \big(0.707 \cdot 0.5 + (-0.707) \cdot (-0.5)\big) = 0.177,$$
#
# and $-0.177$ for `b`. A step of plain gradient descent with learning rate 1 moves the logits there, and the probability of `a` becomes $1/(1 + e^{-0.354}) = 0.588$.
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
print("new logits ", after)
print("probability", after.softmax(dim=1))

# %% [markdown]
# Nothing. Both answers were right, the group has no spread, and a step teaches what it can compare. Prompt 1 moved the policy from 0.5 to 0.588, and the next step must sample again: the old samples came from a policy that no longer exists.
#
# ## Sample, score, compare
#
# Now the real thing. The settings of a run are a record, `grpo_lite.GRPOConfig`, whose names are those of TRL. A step takes 64 completions: 8 prompts with 8 completions each.

# %%
args = grpo_lite.GRPOConfig(
    max_steps=25,
    learning_rate=5e-4,
    lr_scheduler_type="constant",
    per_device_train_batch_size=64,
    num_generations=8,
    max_completion_length=16,
    reward_weights=[1.0, 0.0],  # right answers are paid; thinking is watched
    seed=0,
)
reward_funcs = [accuracy, think_rate]

# %% [markdown]
# Three of the four parts of a step need no gradient. Each is a call or two, and each is a lesson: sample a group for every prompt (03), score it and combine the scores (02), compare within the group (05). The result is a batch of facts. From here on they do not change, however often we look at them.


# %%
class Batch(NamedTuple):
    prompt_ids: torch.Tensor  # [B, P], one row a completion
    ids: torch.Tensor  # [B, T]
    mask: torch.Tensor  # [B, T]
    old_logps: torch.Tensor  # [B, T]
    scores: torch.Tensor  # [B, K], one column a reward function
    rewards: torch.Tensor  # [B]
    advantages: torch.Tensor  # [B]
    texts: list


def roll_out(model, reward_funcs, args, rows, tokenizer, generator):
    G = args.num_generations
    prompt_ids = tokenizer([row["prompt"] for row in rows], return_tensors="pt")
    prompt_ids = prompt_ids["input_ids"]
    group = grpo_lite.sample_group(
        model, prompt_ids, G, max_new_tokens=args.max_completion_length,
        eos_token_id=EOS, pad_token_id=PAD,
        temperature=args.temperature, generator=generator,
    )  # fmt: skip
    texts = tokenizer.batch_decode(group.ids, skip_special_tokens=True)

    each = [row for row in rows for _ in range(G)]
    asked, truths = ([row[k] for row in each] for k in ("prompt", "ground_truth"))
    scores = grpo_lite.score_completions(
        reward_funcs, asked, texts, ground_truth=truths
    )
    rewards = grpo_lite.combine_rewards(scores, args.reward_weights)
    advantages = grpo_lite.group_advantages(rewards, G)
    prompt_ids = prompt_ids.repeat_interleave(G, dim=0)
    return Batch(prompt_ids, *group, scores, rewards, advantages, texts)


# %%
batch = roll_out(
    base, reward_funcs, args, problems[:8], tokenizer, torch.Generator().manual_seed(0)
)
print(problems[0])
for i in range(8):
    print(f"{batch.rewards[i]:.0f} {batch.advantages[i]:6.2f}  {batch.texts[i]}")

# %% [markdown]
# One prompt and its group. Most completions answer straight, and most answers are wrong. (All sums have the same number of tokens, so no prompt needs padding here. `grpo_lite.GRPOTrainer` pads on the left where it must.)
#
# The fourth part has a gradient: score the same tokens again with the policy as it is *now* (04), and compute the loss against the log-probs that were stored at sampling (07, 08).


# %%
def loss_of(model, batch, args):
    logps = grpo_lite.completion_logps(
        model, batch.prompt_ids, batch.ids,
        completion_mask=batch.mask, temperature=args.temperature,
    )  # fmt: skip
    return grpo_lite.grpo_loss(logps, batch.old_logps, batch.advantages, batch.mask)


out = loss_of(base, batch, args)
print(f"loss is 0 up to rounding: {out.loss.abs() < 1e-5}")

# %% [markdown]
# ## What to write down
#
# A loop without a diary cannot be judged. The loss says nothing ([lesson 08](08_the_loss.ipynb)), so we keep other numbers. Most of them describe the batch and cost nothing.
#
# The **entropy** measures how undecided the policy is, in nats a token: the mean of $-\log \pi_\theta$ over tokens that $\pi_\theta$ itself has drawn. At 0 every token is certain, and all completions of a prompt are the same.


# %%
def describe(batch, args):
    lengths = batch.mask.sum(dim=1).float()
    groups = batch.rewards.view(-1, args.num_generations)
    ended = (batch.ids == EOS).any(dim=1).float()
    record = {
        "reward": batch.rewards.mean(),
        "rewards/accuracy": batch.scores[:, 0].mean(),
        "frac_reward_zero_std": (groups == groups[:, :1]).all(dim=1).float().mean(),
        "entropy": -batch.old_logps.sum() / lengths.sum(),
        "completions/mean_length": lengths.mean(),
        "completions/clipped_ratio": 1 - ended.mean(),
    }
    return {name: value.item() for name, value in record.items()}


for name, value in describe(batch, args).items():
    print(f"{name:28}{value:6.2f}")

# %% [markdown]
# | metric | what it says | healthy |
# |---|---|---|
# | `reward` | what the batch was paid, on average; it measures the policy *before* the update | rises, with noise |
# | `frac_reward_zero_std` | share of groups whose rewards are all equal: what part of the batch teaches nothing | below 1; rises slowly as prompts are solved |
# | `entropy` | how undecided the policy is | falls slowly; 0 means that there is nothing left to compare |
# | `completions/mean_length` | tokens written, end token included | moves for a reason that you can name |
# | `completions/clipped_ratio` | share of completions cut off at the length limit, without an end token | near 0 |
# | `grad_norm` | length of the gradient, before it is clipped | steady; 0 means that nothing is learned |
# | `clip_ratio` | share of tokens whose gradient the clip has switched off | 0 at $\mu = 1$; above 0 for $\mu > 1$ |
# | `kl` | distance from the reference; measured only with $\beta > 0$ | grows slowly |
#
# Two of these names sound alike and have nothing in common. `clipped_ratio` is about completions that are too long, `clip_ratio` about the clip of the importance ratio. The names are TRL's.
#
# ## The loop
#
# Everything is ready. Draw the next prompts, roll out, and then for $\mu$ updates: loss, gradient, step. In code $\mu$ is `num_iterations`; it is 1 for now.
#
# Three lines come from ordinary deep learning. AdamW makes the step. The gradient is shortened to length 1 if it is longer (`max_grad_norm`), so that one odd batch cannot throw the model far. And `zero_grad` forgets the gradient of the update before.


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
            update = {"grad_norm": norm, "clip_ratio": out.clip_fraction}
            update = {name: value.item() for name, value in update.items()}
            history.append(describe(batch, args) | update)
    return history


# %% [markdown]
# That is GRPO: these 25 lines, `roll_out` and `loss_of`. You have built every function of the package that they call.
#
# `grpo_lite.GRPOTrainer` is the same loop as a class. To compare the two, give them the same weights, the same problems and the same seed. Both shuffle the problems by the seed, and both draw their tokens from a generator with the seed, so they see the same prompts and sample the same completions. After five updates, in float64, everything must agree: each record, the last gradient, all weights. Once with one update a batch, and once with two.

# %% tags=["same-GRPOTrainer"]
for num_iterations in (1, 2):
    few = replace(args, max_steps=6, num_iterations=num_iterations)
    mine, packaged = (copy.deepcopy(base).double() for _ in range(2))
    my_history = train(mine, reward_funcs, few, problems, tokenizer)
    trainer = grpo_lite.GRPOTrainer(packaged, reward_funcs, few, problems, tokenizer)
    for my_record, record in zip(my_history, trainer.train(), strict=True):
        for name, value in my_record.items():
            torch.testing.assert_close(value, record[name], rtol=1e-4, atol=1e-5)
    for a, b in zip(mine.parameters(), packaged.parameters(), strict=True):
        torch.testing.assert_close(a, b)
        torch.testing.assert_close(a.grad, b.grad)
    assert not torch.equal(mine.lm_head.weight, base.lm_head.weight.double())

# %% [markdown]
# The trainer adds what a long run needs: a KL penalty with its reference, prompts of any length, gradient accumulation, a schedule for the learning rate, evaluation, checkpoints, several processes. [The page on training](../docs/training.md) shows how to use it. None of that changes what a step is. In this lesson we stay with our own loop, because every line of it can be reached and broken.
#
# ## A healthy run
#
# **Predict.** 25 updates of 64 completions. Which of the metrics will rise, and which will fall?


# %%
def run(args=args, reward_funcs=reward_funcs, loss_of=loss_of, start=base):
    model = copy.deepcopy(start)
    return model, train(model, reward_funcs, args, problems, tokenizer, loss_of)


model, healthy = run()


# %% [markdown]
# From here on each figure has one panel a metric, over the updates.


# %% alt="Four panels over 25 updates of the healthy run. The share of right answers rises from 0.4 to about 0.85; the share of groups without spread from 0 to between 0.1 and 0.6; the entropy falls from 0.4 to about 0.1 nats a token; the mean length grows from 6 to 10 tokens within 10 updates and stays."
PANELS = {
    "rewards/accuracy": "right answers (share)",
    "frac_reward_zero_std": "groups without spread (share)",
    "entropy": "entropy (nats a token)",
    "completions/mean_length": "mean length (tokens)",
    "completions/clipped_ratio": "cut off at the limit (share)",
    "grad_norm": "gradient norm",
    "clip_ratio": "clip ratio (share of tokens)",
}


def curves(names, **histories):
    panels = [
        {
            run: [record[name] for record in history]
            for run, history in histories.items()
        }
        for name in names
    ]
    return plotting.lines(
        range(1, len(panels[0][list(histories)[0]]) + 1),
        *panels,
        titles=[PANELS[name] for name in names],
        xlabel="update",
        ylabel="",
        colors={"healthy": "clipped", "sick": "negative"},
        dashed=["healthy"] if len(histories) > 1 else [],
    )


curves(list(PANELS)[:4], healthy=healthy)

# %% [markdown]
# The reward rises, and the rest explains how. The length grows to 10 tokens, the length of a completion that thinks: the model changes its habit in the first ten updates, and then makes fewer slips. The entropy falls, because it decides. More and more groups agree, because more and more prompts are solved; a step teaches less and less.
#
# The batch is small and new each time, so the curve is noisy. To compare models one needs held-out problems.
#
# ## How good is it? Greedy decoding
#
# Two ways to ask. *Sample*, as in training. Or take the most likely token every time: **greedy** decoding, which has no chance in it. As a plain loop, reading everything again for each token:


# %% tags=["define-greedy_decode"]
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


# %% [markdown]
# The packaged function reads only what is new, and stops reading rows that have ended. The tokens, the mask and the log-probs are the same, with padded prompts too, and there is no gradient.

# %% tags=["same-greedy_decode"]
settings = dict(max_new_tokens=16, eos_token_id=EOS, pad_token_id=PAD)
mixed = [row["prompt"] for row in test_problems[:5]] + ["52817>", "40961>"]
encoded = tokenizer(mixed, return_tensors="pt", padding=True, padding_side="left")
prompt_mask = encoded["attention_mask"].bool()
assert not prompt_mask.all()
exact = copy.deepcopy(base).double()
for given in (prompt_mask, None):
    mine, packaged = (
        function(exact, encoded["input_ids"], prompt_mask=given, **settings)
        for function in (greedy_decode, grpo_lite.greedy_decode)
    )
    for x, y in zip(mine, packaged, strict=True):
        torch.testing.assert_close(x, y)
    assert not packaged.logps.requires_grad

# %%
print("            greedy  sampled")
for name, judged in (("base", base), ("trained", model)):
    result = evaluate(judged, tokenizer, accuracy, test_problems, args)
    print(f"{name:9}{result['greedy_accuracy']:9.2f}{result['sampled_accuracy']:9.2f}")

# %% [markdown]
# Greedy decoding says that the problem is solved, and the samples say that more than one answer in ten is still wrong. Training works on samples, so that is the number to watch. ([Lesson 00](00_watch_it_learn.ipynb) explains why the greedy one jumps.)
#
# ## More than one update a batch
#
# Long completions are slow to sample ([lesson 07](07_ratio_and_clipping.ipynb)), so one would like to use each batch several times, say $\mu = 4$. In the loop only the number of turns changes. What makes it sound stands in another place: `roll_out` has **stored** the log-probs at which the tokens were drawn.
#
# **Predict.** Suppose we had not stored them, and scored the old log-probs again before each update, with the policy as it is then. What would the ratios be?


# %%
def with_fresh_old_logps(model, batch, args):
    logps = grpo_lite.completion_logps(
        model, batch.prompt_ids, batch.ids, completion_mask=batch.mask
    )
    old_logps = logps.detach()  # the policy of this moment, not the one that sampled
    return grpo_lite.grpo_loss(logps, old_logps, batch.advantages, batch.mask)


def four_updates(loss_of):
    model = copy.deepcopy(base)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.learning_rate)
    for update in range(1, 5):
        out = loss_of(model, batch, args)
        optimizer.zero_grad()
        out.loss.backward()
        optimizer.step()
        with torch.no_grad():
            logps = grpo_lite.completion_logps(
                model, batch.prompt_ids, batch.ids, completion_mask=batch.mask
            )
        moved = (logps - batch.old_logps).exp()[batch.mask]
        print(f"{update:6}{out.clip_fraction:12.2f}", end="")
        print(f"{moved.min():14.2f} to {moved.max():.2f}")


for name, function in (("stored", loss_of), ("fresh", with_fresh_old_logps)):
    print(f"{name}\nupdate  clip_ratio  probability, now/then")
    four_updates(function)

# %% [markdown]
# The last column is how many times as likely the tokens of the batch have become, measured against the log-probs of the sampling. With stored log-probs the loss sees this number, and from the second update on the clip switches off a part of the tokens. With fresh ones every ratio is 1 at every update, because the policy is compared with itself. The clip never acts, and the policy goes further.
#
# So the old log-probs have to be those of the sampling, and constants. How it ends if they are not is the fifth of the sick runs below.
#
# ## A batch that does not fit
#
# A large batch is sent through the model in parts, **micro-batches**; their gradients add up in `.grad`, and one step follows. This is **gradient accumulation**, and it should give the gradient of the whole batch. Each part's loss is a mean over the part, so before its backward pass it has to be multiplied by the part's share of the whole. Share of what?
#
# A fixed batch to try it on: one prompt, two straight answers and two that think, one right and one wrong of each kind.


# %% tags=["result-fixed-batch"]
def fixed_batch(prompt, texts, rewards):
    ids = tokenizer([text + "<eos>" for text in texts], return_tensors="pt",
                    padding=True, padding_side="right")["input_ids"]  # fmt: skip
    prompt_ids = tokenizer([prompt] * len(texts), return_tensors="pt")["input_ids"]
    mask = grpo_lite.completion_mask(ids, EOS)
    rewards = torch.tensor(rewards, dtype=torch.float64)
    advantages = grpo_lite.group_advantages(rewards, len(texts))
    return prompt_ids, ids, mask, advantages


prompt_ids, ids, mask, advantages = fixed_batch(
    "3+9+4+1=",
    [
        "<answer>7</answer>",
        "<answer>4</answer>",
        "<think>3267</think><answer>7</answer>",
        "<think>3268</think><answer>8</answer>",
    ],
    [1.0, 0.0, 1.0, 0.0],
)
print("tokens    ", mask.sum(dim=1).tolist())
print("advantages", advantages)

# %% [markdown]
# **Predict.** We send the two short completions through the model, then the two long ones, and average the two losses. For `loss_type="grpo"` (a mean over completions) and for `"bnpo"` (a mean over tokens): is the gradient that of the whole batch?


# %% tags=["result-naive-average"]
def gradient(rows, share=1.0, **settings):
    logps = grpo_lite.completion_logps(
        exact, prompt_ids[rows], ids[rows], completion_mask=mask[rows]
    )
    out = grpo_lite.grpo_loss(logps, None, advantages[rows], mask[rows], **settings)
    parts = torch.autograd.grad(share * out.loss, list(exact.parameters()))
    return torch.cat([part.flatten() for part in parts])


everything, short, long = slice(0, 4), slice(0, 2), slice(2, 4)
for loss_type in ("grpo", "bnpo"):
    whole = gradient(everything, loss_type=loss_type)
    naive = gradient(short, 1 / 2, loss_type=loss_type)
    naive = naive + gradient(long, 1 / 2, loss_type=loss_type)
    error = (naive - whole).norm() / whole.norm()
    print(f"{loss_type}  whole {whole.norm():.4f}", end="")
    print(f"  average of the parts {naive.norm():.4f}  error {error:.4f}")

# %% [markdown]
# With `"grpo"` both parts hold two of four completions, and the halves are fair. With `"bnpo"` the unit is the token, and the short part holds 8 of 28. Given a half of the weight, each of its tokens counts 1.75 times as much as it should, and each token of the long part 0.7 times. Look at the two lengths: the average of the parts *is* the gradient of `"grpo"`, because in each part all completions are equally long. One has asked for one method and got another, and the loss is a plausible number either way.
#
# The share has to be counted in the unit of the mean: completions or tokens. `"dapo"` builds the count in: it divides by `num_items_in_batch`, the tokens of the *whole* batch, and the parts are added as they are.

# %% tags=["result-right-shares"]
whole = gradient(everything, loss_type="bnpo")
all_tokens = mask.sum().item()
by_tokens = sum(
    gradient(part, mask[part].sum().item() / all_tokens, loss_type="bnpo")
    for part in (short, long)
)
added = sum(
    gradient(part, loss_type="dapo", num_items_in_batch=all_tokens)
    for part in (short, long)
)
for name, parts in (("bnpo, share of tokens", by_tokens), ("dapo, added", added)):
    print(f"{name:22} same: {torch.allclose(parts, whole, rtol=1e-9, atol=1e-12)}")

# %% [markdown]
# ## Groups that need no pass
#
# A group without spread has advantages of 0, so its gradient is exactly 0. It needs neither a forward nor a backward pass, and late in a run most groups are of this kind. Leaving them out is free, with one condition.
#
# **Predict.** Put a second group beside the first, four wrong answers. We leave its rows out and call `grpo_loss` on the other four. Is the gradient the same?

# %% tags=["result-skipped"]
flat = fixed_batch(
    "2+2+2+2=", [f"<answer>{digit}</answer>" for digit in "1357"], [0.0] * 4
)
pad = torch.nn.functional.pad
prompt_ids = torch.cat([prompt_ids, flat[0]])
ids, mask = (
    torch.cat([x, pad(y, (0, 10 - 4))]) for x, y in ((ids, flat[1]), (mask, flat[2]))
)
advantages = torch.cat([advantages, flat[3]])
print("advantages of the second group", advantages[4:].tolist())

both, first = slice(0, 8), slice(0, 4)
print(f"both groups          {gradient(both).norm():.4f}")
print(f"first group alone    {gradient(first).norm():.4f}")
print(f"first group, times ½ {gradient(first, 4 / 8).norm():.4f}")
torch.testing.assert_close(gradient(both), gradient(first, 4 / 8))

# %% [markdown]
# Twice the gradient, unless the skipped rows still count in the denominator. Forget that, and the gradient gets longer the more groups agree: late in training, when few groups are left to teach anything, each of them would shout.
#
# `grpo_lite.GRPOTrainer` skips these groups and keeps the denominators; that is why it agreed with our loop above, which skips nothing. With a KL penalty ($\beta > 0$) nothing may be skipped, because the penalty does not ask about rewards.
#
# ## Break it: five sick runs
#
# Now the same loop, the same seed, the same prompts, and each time *one* thing changed. The healthy run is the dashed grey line. Look at the curves first and guess, before you read what they mean.
#
# ### 1. The learning rate is too high
#
# One setting: 2e-3 in the place of 5e-4.

# %% alt="Four panels, healthy against sick. The sick run's share of right answers falls below 0.2 within a few updates and ends near 0; its groups without spread rise to nearly all; its entropy jumps; its gradient norm falls towards 0."
sick_model, sick = run(replace(args, learning_rate=2e-3))
curves(
    ["rewards/accuracy", "frac_reward_zero_std", "entropy", "grad_norm"],
    healthy=healthy,
    sick=sick,
)

# %%
shown = torch.Generator().manual_seed(1)
last = roll_out(sick_model, reward_funcs, args, problems[:4], tokenizer, shown)
last.texts[::8]

# %% [markdown]
# The reward collapses within a few updates, and does not come back. The second panel says why: nearly every group agrees, since nearly every answer is wrong. No spread, no advantages, no gradient. A model that has been thrown far enough finds no way home, because the road is paved with its own samples.
#
# The gradient clip has not helped. AdamW divides each gradient by its own running size, so the length of a step is set by the learning rate and hardly by the gradient.
#
# **Repair.** A learning rate four times lower. It is the first setting to search, in factors of two or three, because the edge is steep ([lesson 12](12_what_matters.ipynb)).
#
# ### 2. No spread in the groups
#
# One setting: `temperature=0.1`. The model is sampled where it is most certain, to get clean examples.
#
# **Predict.** Will the reward be higher or lower than that of the healthy run?

# %% alt="Three panels, healthy against sick. The sick run starts near 0.1 right answers and soon passes the healthy run, mostly between 0.7 and 1.0; its groups without spread are mostly above 0.8; its entropy is 0 for most of the run."
cold_model, cold = run(replace(args, temperature=0.1))
curves(
    ["rewards/accuracy", "frac_reward_zero_std", "entropy"], healthy=healthy, sick=cold
)

# %%
for name, judged in (("healthy", model), ("cold", cold_model)):
    result = evaluate(judged, tokenizer, accuracy, test_problems, args)
    print(f"{name:8} greedy {result['greedy_accuracy']:.2f}", end="")
    print(f"  sampled at temperature 1 {result['sampled_accuracy']:.2f}")

# %% [markdown]
# This is the best-looking reward curve of the lesson, and it belongs to a model that has learned very little. At temperature 0.1 the policy that is sampled is nearly the greedy one. It flipped to thinking after a few updates and then stood still: eight times the same completion, no spread, no gradient. Sampled at temperature 1, the model is right less than half of the time; the healthy run is right almost nine times in ten. All the slips are still in it; the low temperature hides them from the reward and so from the training.
#
# It could have been worse. With an unlucky start the favourite answer of every group is a wrong one, and the run stands still *there*.
#
# The same curves (no spread, no gradient) come from prompts that are all too easy or all too hard, and from a reward that always gives the same number because of a bug. **Repair.** Sample at temperature 1, compare on held-out problems at the temperature that you care about, and choose prompts that are sometimes solved.
#
# ### 3. A reward that is hacked
#
# One line: pay for length, as [lesson 02](02_rewards.ipynb) warned. Accuracy is still watched, with weight 0.

# %% alt="Three panels, healthy against sick. Right answers: the sick run rises to about 0.5 for a moment and falls to 0. Mean length: it follows the healthy run to 10 tokens, rests there for some ten updates, and then leaps to the limit of 16. Cut off at the limit: it leaps from 0 to 1 at the same moment."
paid = replace(args, reward_weights=[0.0, 0.0, 1.0])
hacked_model, hacked = run(paid, [*reward_funcs, grpo_lite.length_reward])
names = ["rewards/accuracy", "completions/mean_length", "completions/clipped_ratio"]
curves(names, healthy=healthy, sick=hacked)

# %%
shown = torch.Generator().manual_seed(1)
last = roll_out(hacked_model, reward_funcs, args, problems[:4], tokenizer, shown)
print(f"reward {hacked[0]['reward']:.0f} -> {hacked[-1]['reward']:.0f} characters")
last.texts[::8]

# %% [markdown]
# Judged by its own reward this run is a triumph: completions are several times as long. No answer is right any more.
#
# The hack came in two stages. First the model took to thinking, which is longer, and on the way accuracy even rose a little. For a while the length rested at 10 tokens, those of a well-formed completion that thinks. Then some sample slipped and went on, was paid for it, and the rest followed. Every run finds its own way to be long, and the tags are the longest tokens that there are.
#
# **Repair.** Pay for what you want. Watch what you want with a second function of weight 0, look at texts, and be suspicious when length and reward rise together.
#
# ### 4. The end token is masked out
#
# One line in the loss: `mask & (ids != EOS)`. It comes in by accident, where padding is the end token and the mask is made by comparing ids ([lesson 04](04_token_logprobs.ipynb)).
#
# **Predict.** The model gets no feedback on its decision to stop. Will completions get longer?


# %%
def with_end_masked(model, batch, args):
    logps = grpo_lite.completion_logps(
        model, batch.prompt_ids, batch.ids, completion_mask=batch.mask
    )
    mask = batch.mask & (batch.ids != EOS)
    return grpo_lite.grpo_loss(logps, batch.old_logps, batch.advantages, mask)


def end_of(history, name, last=5):
    return sum(record[name] for record in history[-last:]) / last


_, masked = run(loss_of=with_end_masked)
print("mean of the last 5    right  cut off  tokens")
for name, history in (("healthy", healthy), ("end masked", masked)):
    values = [end_of(history, panel) for panel in names]
    print(f"{name:20}{values[0]:7.2f}{values[2]:9.2f}{values[1]:8.1f}")

# %% [markdown]
# Nothing happens. The base model has learned from its demonstrations to stop after `</answer>`, and is as good as certain of it. What is never pushed stays where it is. A run from a model that knows how to stop does not show this mistake, and so it can stay in the code for years.
#
# So take a model that has to *learn* to stop. One line makes one: a bias of −12 on the logit of the end token. Only one completion in five ends before the limit now. The learning rate is 4e-4: with so few right answers the model stands nearer to the edge, and at 5e-4 some healthy runs collapse as well.

# %%
reluctant = copy.deepcopy(base)
bias = torch.zeros(len(tokenizer)).index_fill(0, torch.tensor(EOS), -12.0)
reluctant.lm_head.bias = torch.nn.Parameter(bias)
careful = replace(args, learning_rate=4e-4)
_, learns_to_stop = run(careful, start=reluctant)
print(f"cut off, base with bias {learns_to_stop[0]['completions/clipped_ratio']:.2f}")

# %% alt="Three panels, healthy against sick, from the reluctant model. The healthy run's right answers rise from below 0.1 to about 0.5, its share of cut-off completions falls from 0.8 to below 0.4, and its mean length from above 14 to 12 tokens. The sick run goes to 0 right answers and to all completions cut off, at 16 tokens."
_, never_stops = run(careful, start=reluctant, loss_of=with_end_masked)
curves(
    ["rewards/accuracy", "completions/clipped_ratio", "completions/mean_length"],
    healthy=learns_to_stop,
    sick=never_stops,
)

# %% [markdown]
# There it is. (A large bias is a blunt tool, but the loop does not know where a habit comes from.) An answer counts only if the completion ends behind it. The healthy loop praises the end token in the completions that were right, and learns to stop. The sick loop praises everything in them *but* the end, and soon nearly every completion runs into the limit. Both curves of the sick run point to the mask: `clipped_ratio` rises while the reward falls.
#
# **Repair.** `grpo_lite.completion_mask`, which counts the first end token. And a test of the mask, because the curves of an easy run will not tell.
#
# ### 5. Old log-probs that are not a record
#
# Two ways to get it wrong, both with one line, and they look nothing alike. In the first, the old log-probs are computed with the model, and nobody says that they are constants. (`grpo_lite.grpo_loss` would repair this silently, so the ratio is written out.)


# %% tags=["result-attached"]
def with_attached_old_logps(model, batch, args):
    logps = grpo_lite.completion_logps(
        model, batch.prompt_ids, batch.ids, completion_mask=batch.mask
    )
    old_logps = logps  # no .detach()
    ratio = (logps - old_logps).exp()
    surrogate = grpo_lite.clipped_surrogate(ratio, batch.advantages)
    loss = grpo_lite.masked_mean(-surrogate, batch.mask, dim=1).mean()
    return grpo_lite.LossOutput(loss, loss.detach(), torch.zeros(()), torch.zeros(()))


attached_model, attached = run(
    replace(args, max_steps=4), loss_of=with_attached_old_logps
)
weights = zip(attached_model.parameters(), base.parameters(), strict=True)
print("gradient norm", [record["grad_norm"] for record in attached])
print("weights moved", any(not torch.equal(a, b) for a, b in weights))

# %% [markdown]
# The gradient is exactly 0. What the numerator gains, the denominator gains too. The reward wanders with its noise, the loss prints 0 as it does in a healthy run, and not one weight has moved. `grad_norm` is the metric that gives it away.
#
# In the second, they are constants but fresh: `with_fresh_old_logps` from above. At $\mu = 1$ that is the same thing as stored ones. So let $\mu = 8$, at a learning rate of 3e-4, and compare with a healthy run of the same settings.

# %%
eight = replace(args, num_iterations=8, max_steps=48, learning_rate=3e-4)
_, stored = run(eight)
print("clip ratio of the first batch", [f"{r['clip_ratio']:.2f}" for r in stored[:8]])

# %% alt="Three panels over 48 updates, eight on each batch. Right answers stand still within a batch. The healthy run rises from 0.4 to between 0.5 and 0.7; its clip ratio starts at 0 in each batch and rises to between 0.05 and 0.2. The sick run falls below 0.4 after two batches and ends at 0; its clip ratio is 0 throughout; its gradient norm is longer than the healthy one until there is nothing left to learn from."
_, fresh = run(eight, loss_of=with_fresh_old_logps)
curves(["rewards/accuracy", "clip_ratio", "grad_norm"], healthy=stored, sick=fresh)

# %% [markdown]
# With stored log-probs the clip rises within each batch, and eight updates stay within reach of the samples. With fresh ones nothing says that the policy has moved, and eight times the full gradient is followed on the word of the same 64 completions. It looks faster for a batch or two and then the model is ruined. The tell is a clip ratio of *exactly* 0 with $\mu > 1$.
#
# Two more things should be said. Even the healthy run learns less from its 48 updates than the first run of this lesson from 25, because it saw only six batches. And a sickness needs the conditions in which it shows: with $\mu = 2$ you will find little harm in fresh log-probs here.
#
# **Repair.** Store the log-probs that come with the samples. `grpo_lite.sample_group` returns them, under no_grad.
#
# ## Symptom and first suspects
#
# | symptom | first suspects |
# |---|---|
# | reward flat, `grad_norm` exactly 0 from the first update | reward function always gives the same (look at texts); old log-probs not detached; weights frozen |
# | reward flat, `frac_reward_zero_std` near 1 | temperature too low; prompts all solved or all hopeless |
# | reward collapses, then `frac_reward_zero_std` near 1 | learning rate too high; $\mu$ too high; old log-probs computed afresh |
# | reward high in training, low when evaluated | other temperature in training; problems seen in training; a reward that is hacked |
# | reward rises, length rises with it | length is paid, directly or not; look at texts |
# | `clipped_ratio` rises, reward falls | end token masked out; length is paid; length limit too short |
# | `clip_ratio` exactly 0 although $\mu > 1$ | old log-probs not those of the sampling |
# | `clip_ratio` above 0 at the first update on a batch | sampled and scored differently (temperature, top-p, dropout) |
# | `entropy` near 0 early | temperature too low |
# | loss is 0, or rises | nothing: [lesson 08](08_the_loss.ipynb) |
#
# Two habits find most of these. Look at completions, not only at curves. And change one thing at a time, with the same seed.
#
# ## Exercises
#
# **1. A silent reward.** A colleague writes a stricter reward function. The run does not learn. Which metrics of the first three updates tell you where to look, and what is the mistake?


# %%
def strict_accuracy(completions, ground_truth, **columns):
    found = [re.search(r"<answer>([0-9])<answer>$", text) for text in completions]
    return [
        float(m is not None and m[1] == truth)
        for m, truth in zip(found, ground_truth, strict=True)
    ]


_, silent = run(replace(args, max_steps=3), [strict_accuracy, think_rate])
# Your turn: print what silent has recorded.

# %% tags=["solution"]
for name in ("reward", "frac_reward_zero_std", "entropy", "grad_norm"):
    print(f"{name:22}", [round(record[name], 2) for record in silent])

# %% [markdown] tags=["solution"]
# The reward is 0 for every completion, so no group has spread and the gradient is 0. The entropy is that of a lively model, about 0.4: the completions do differ. So sampling is fine, and the reward function does not see what is there. The second tag of its pattern lacks the slash: `<answer>` for `</answer>`. The cure for all mistakes of this kind is to call a reward function by hand on a completion that you know to be right, before any run.

# %% [markdown]
# **2. Never sample again.** Take one batch and make 30 updates on it: `num_iterations=30`. Before you run it: what will the clip ratio be in the end, and what will the model have learned?

# %%
# Your turn.

# %% tags=["solution"]
endless_model, endless = run(replace(args, num_iterations=30, max_steps=30))
print("clip ratio", [round(record["clip_ratio"], 2) for record in endless[::5]])
result = evaluate(endless_model, tokenizer, accuracy, test_problems, args)
print(f"held out, sampled {result['sampled_accuracy']:.2f}")

# %% [markdown] tags=["solution"]
# The clip acts from the second update on, and takes more and more tokens out of the gradient. What is left is small, but it never stops: the clip switches tokens off, it pulls none back, and the tokens that are still inside drag the shared weights along. The model has learned what 64 completions could say about 8 prompts, which is little. The 25 batches of the healthy run, each used once, taught far more with fewer updates.

# %% [markdown]
# **3. Name the sickness.** The last five updates of five sick runs of this lesson, in another order. Which is which? Two of them cannot be told apart by these numbers: what would you look at?

# %%
runs = {"A": cold, "B": fresh, "C": never_stops, "D": sick, "E": hacked}
columns = ("reward", "frac_reward_zero_std", "entropy", "grad_norm")
columns += ("completions/mean_length", "completions/clipped_ratio")
print("   reward  no spread  entropy  grad norm  length  cut off")
for name, history in runs.items():
    values = [end_of(history, column) for column in columns]
    print("{}{:9.2f}{:11.2f}{:9.2f}{:11.2f}{:8.1f}{:9.2f}".format(name, *values))

# %% [markdown] tags=["solution"]
# A is the low temperature: entropy 0, hardly any spread, and a high reward. E is paid for length: its reward is not a share of anything. That leaves three runs that end without reward and without spread. C, with the end token masked out, writes up to the limit every time; but a collapsed model may do the same by chance, so look back at where `clipped_ratio` came from.
#
# B (fresh old log-probs) and D (learning rate) are wrecks of the same kind: a policy thrown too far. Their last updates say nothing about how it happened. The first ones do: the reward of D falls at once. B does well for two batches, with a clip ratio of 0 at every one of its updates. Keep the whole diary, not its last line.

# %% [markdown]
# ## What to remember
#
# > **Remember.** A step of GRPO is sample, score, compare, update; the first three give facts, and only the update has a gradient. The old log-probs are one of these facts: stored at sampling, constant ever after. Micro-batches are weighted by what the loss averages over, and groups without spread may be skipped if they still count in the denominator. Judge a run by held-out samples, read the metrics together, and look at texts.
#
# The loop is algorithm 1 of [DeepSeekMath (arXiv:2402.03300)](https://arxiv.org/abs/2402.03300), with its outer loop over new references left out. AdamW is from [arXiv:1711.05101](https://arxiv.org/abs/1711.05101). Leaving groups without spread out of the batch, and sampling others in their place, is the dynamic sampling of [DAPO (arXiv:2503.14476)](https://arxiv.org/abs/2503.14476).
#
# **Next:** [lesson 11](11_ppo_and_grpo.ipynb) trains the same model with a critic, as PPO does, and puts the two side by side.
