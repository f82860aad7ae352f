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
# # The same numbers as TRL
#
# Many people train with TRL. This lesson runs TRL's own code next to ours until every number agrees, and then reads its default settings, which are not those of the paper.
#
# **Minutes:** 20 · **Needs:** [The family](https://grpo-lite.github.io/grpo-lite/lessons/the_family/) · **Gives:** how to read a TRL configuration and know what will be computed

# %% tags=["setup"]
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic(
        "pip",
        "install -q 'grpo-lite[train,test] @ git+https://github.com/grpo-lite/grpo-lite'",
    )

import contextlib
import copy
import dataclasses
import logging
import os
import tempfile
import warnings

os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import torch
import trl
from datasets import Dataset

import grpo_lite
from grpo_lite import plotting
from grpo_lite.tasks import accuracy, load_base_model, make_problems

torch.set_num_threads(1)
plotting.use_site_style()

# %% [markdown]
# ## The question
#
# Does `loss_type="grpo"` in TRL compute what lesson [The loss](https://grpo-lite.github.io/grpo-lite/lessons/the_loss/) derived? And what does TRL compute if nobody chooses? Here is one batch with both averages.


# %% tags=["drawing"] alt="Bars: total push of two completions. With grpo the good one of 2 tokens gets plus 0.5 and the bad one of 8 tokens minus 0.5. With dapo, TRL's default, they get plus 0.2 and minus 0.8." caption="With TRL's default average the long answer weighs four times as much as the short one."
def pushes(loss_type):
    """How far a step on the loss pushes each completion: minus the summed gradient."""
    mask = torch.tensor([[True] * 2 + [False] * 6, [True] * 8])
    leaf = torch.zeros(2, 8, requires_grad=True)
    good_bad = torch.tensor([1.0, -1.0])
    out = grpo_lite.grpo_loss(leaf, None, good_bad, mask, loss_type=loss_type)
    return -torch.autograd.grad(out.loss, leaf)[0].sum(dim=1)


plotting.bars(
    {"grpo": pushes("grpo"), "dapo, TRL's default": pushes("dapo")},
    ["good, 2 tokens", "bad, 8 tokens"],
    ylabel="total push",
)

# %% [markdown]
# A copy of TRL's formula could repeat a misreading, so TRL itself has to run. Here is its trainer, on the small model and the chain sums of lesson [Watch it learn](https://grpo-lite.github.io/grpo-lite/lessons/watch_it_learn/).

# %%
model, tokenizer = load_base_model()
folder = tempfile.mkdtemp()


def make_trainer(model, **settings):
    quiet = {"report_to": [], "disable_tqdm": True, "save_strategy": "no"}
    sizes = {"per_device_train_batch_size": 8, "num_generations": 4}
    args = trl.GRPOConfig(
        output_dir=folder,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        max_completion_length=16,
        **quiet | sizes | settings,
    )
    problems = Dataset.from_list(make_problems("chain-sum", "train", 64))
    return trl.GRPOTrainer(model, accuracy, args, problems, processing_class=tokenizer)


trainer = make_trainer(copy.deepcopy(model))
print(trl.__version__, type(trainer).__name__)

# %% [markdown]
# TRL's loss sits in one method, `_compute_loss`. It asks the model for log-probs and does the rest itself. If it is given a tensor of ours, all of TRL's arithmetic runs on our numbers, and the gradient comes back to them.
#
# The next cell replaces the method that asks the model, and nothing that computes.


# %%
def trl_loss(logps, old_logps, advantages, mask, ref_logps=None, **settings):
    shapes = torch.zeros(logps.shape, dtype=torch.long)
    inputs = {
        "prompt_ids": shapes[:, :1],
        "prompt_mask": shapes[:, :1] + 1,
        "completion_ids": shapes,
        "completion_mask": mask.long(),
        "advantages": advantages,
        "old_per_token_logps": old_logps,
        "ref_per_token_logps": ref_logps,
        "num_items_in_batch": mask.sum(),
    }
    chosen = {
        "loss_type": "grpo",
        "beta": 0.0,
        "epsilon_low": 0.2,
        "epsilon_high": 0.2,
        "importance_sampling_level": "token",
        "max_completion_length": logps.shape[1],
        "current_gradient_accumulation_steps": 1,
        "_get_per_token_logps_and_entropies": lambda *a, **k: (logps, 0 * logps, None),
    }
    for name, value in (chosen | settings).items():
        setattr(trainer, name, value)
    given = {name: x for name, x in inputs.items() if x is not None}
    return trainer._compute_loss(trainer.model, given)


# %% [markdown]
# Random log-probs, rows of different lengths, one of them empty; ratios wide enough that every branch is taken. Double precision, so that what is left of a difference is rounding.

# %%
torch.set_default_dtype(torch.float64)
generator = torch.Generator().manual_seed(0)
old_logps = -2 * torch.rand(6, 7, generator=generator) - 2
logps = old_logps + 0.5 * torch.randn(6, 7, generator=generator)
ref_logps = old_logps + 0.5 * torch.randn(6, 7, generator=generator)
mask = torch.arange(7) < torch.tensor([7, 3, 5, 0, 1, 6])[:, None]
advantages = torch.randn(6, generator=generator)


def value_and_gradient(loss_of, **settings):
    leaf = logps.clone().requires_grad_()
    loss = loss_of(leaf, old_logps, advantages, mask, **settings)
    loss = getattr(loss, "loss", loss)  # ours returns four numbers, TRL's the loss
    return loss.detach(), torch.autograd.grad(loss, leaf)[0]


# %% [markdown]
# **Predict.** How close will they be: to 3 digits, to 8, to 15?

# %% tags=["result-same-loss"]
cases = {
    "grpo": {},
    "bnpo": {"loss_type": "bnpo"},
    "dr_grpo": {"loss_type": "dr_grpo"},
    "dapo": {"loss_type": "dapo"},
    "gspo": {"importance_sampling_level": "sequence"},
    "sapo": {"loss_type": "sapo"},
    "vespo": {"loss_type": "vespo"},
}
rows = []
for name, settings in cases.items():
    theirs = value_and_gradient(trl_loss, **settings)
    own = {"max_completion_length": 7} if name == "dr_grpo" else {}
    ours = value_and_gradient(grpo_lite.grpo_loss, **settings, **own)
    same = [
        bool((a - b).abs().max() < 1e-12) for a, b in zip(theirs, ours, strict=True)
    ]
    rows.append((name, theirs[0], ours[0], *map(str, same)))
heads = "", "TRL", "ours", "value same to 1e-12", "gradient same to 1e-12"
plotting.table(dict(zip(heads, zip(*rows, strict=True), strict=True)), decimals=6)

# %% [markdown]
# All twelve decimals that the cell asks for, in value and gradient; the tests find fourteen. This is a small part of what they do: each loss type with each option alone and in pairs, and the result stands in [a table](../docs/parity.md).

# %% [markdown]
# **Check yourself.** Two programs score the same fresh samples, before any update, and print the same loss, 0.0000. Do they compute the same thing?
#
# <details class="wrong"><summary>Yes: the same value from the same samples</summary>At ratio 1 the advantages cancel in the value. The bug of exercise 2 in lesson <a href="https://grpo-lite.github.io/grpo-lite/lessons/the_loss/">The loss</a> prints 0 too.</details>
# <details class="wrong"><summary>It does not matter: a loss of 0 teaches nothing</summary>Its value is 0, and its gradient is not.</details>
# <details class="right"><summary>This cannot tell</summary>Compare gradients as well, and at ratios away from 1, as the cell above does. Only there are all branches taken.</details>

# %% [markdown]
# ## A whole step
#
# Now without replacing anything. TRL samples, scores and makes one update. We only listen to what it sampled, start from the same weights, and make the update by hand with the functions of the core path.

# %%
torch.set_default_dtype(torch.float32)
settings = {"learning_rate": 1e-3, "max_steps": 1, "loss_type": "grpo", "seed": 3}
trainer = make_trainer(copy.deepcopy(model), **settings)
heard = {}
for name in ("_generate_and_score_completions", "_calculate_rewards"):
    method = getattr(trainer, name)

    def listen(*args, method=method, name=name):
        heard[name] = method(*args)
        return heard[name]

    setattr(trainer, name, listen)
with contextlib.redirect_stdout(None):
    trainer.train()
# %%
batch, scores = heard["_generate_and_score_completions"], heard["_calculate_rewards"]
ours = copy.deepcopy(model).eval()
optimizer = torch.optim.AdamW(ours.parameters(), lr=1e-3, weight_decay=0.0)
advantages = grpo_lite.group_advantages(grpo_lite.combine_rewards(scores), 4)
kept = batch["completion_mask"].bool()
logps = grpo_lite.completion_logps(
    ours, batch["prompt_ids"], batch["completion_ids"], completion_mask=kept
)
grpo_lite.grpo_loss(logps, None, advantages, kept).loss.backward()
torch.nn.utils.clip_grad_norm_(ours.parameters(), 1.0)
optimizer.step()


def flat(tensors):
    return torch.cat([x.detach().abs().flatten() for x in tensors])


pairs = list(zip(trainer.model.parameters(), ours.parameters(), strict=True))
apart = flat(theirs - mine for theirs, mine in pairs)
gradient = flat(weight.grad for weight in ours.parameters())
moved = flat(a - b for a, b in zip(model.parameters(), ours.parameters(), strict=True))
measured = {
    "weights moved by at most": f"{moved.max():.6f}",
    "further than 1e-5 from TRL's": f"{(apart > 1e-5).sum()} of {len(apart)}",
    "gradient, median": f"{gradient.median():.1e}",
}
plotting.table({"measured": measured, "value": measured.values()})

# %%
assert apart[gradient > 1e-6].max() < 1e-5

# %% [markdown]
# The last cell is the check: wherever the gradient is more than rounding, our weight and TRL's agree to a hundredth of the step. The few that do not have gradients below $10^{-6}$. AdamW moves a weight by nearly the whole learning rate in its first step, whatever the size of the gradient, so where the gradient is next to nothing, rounding in single precision decides how far. The tests make four such steps with a model in double precision, for every loss type.
#
# ## What TRL's defaults compute
#
# `GRPOConfig()` without arguments is not the GRPO of DeepSeekMath ([arXiv:2402.03300](https://arxiv.org/abs/2402.03300)). The settings that decide about numbers, read from the installed version (`multi_objective_aggregation` chooses between the sum of rewards and the GDPO of lesson [The family](https://grpo-lite.github.io/grpo-lite/lessons/the_family/)):

# %% tags=["result-defaults"]
defaults = {f.name: f.default for f in dataclasses.fields(trl.GRPOConfig)}
names = [
    "loss_type",
    "beta",
    "use_bias_correction_kl",
    "epsilon",
    "epsilon_high",
    "scale_rewards",
    "multi_objective_aggregation",
    "importance_sampling_level",
    "num_generations",
    "num_iterations",
    "steps_per_generation",
    "temperature",
    "mask_truncated_completions",
]
plotting.table({"setting": names, "default": [str(defaults[name]) for name in names]})

# %% [markdown]
# | Setting | TRL 1.16 | The paper or its usual name | What it does to the numbers |
# |---|---|---|---|
# | `loss_type` | `dapo` | DeepSeekMath: `grpo` | divides by the tokens of the whole batch; long answers weigh more |
# | the rest of DAPO | off | clip-higher 0.28, overlong punishment, dynamic sampling | `dapo` here is the average alone |
# | `beta` | 0 | DeepSeekMath: 0.04 | no reference is loaded, `kl` is not logged |
# | `use_bias_correction_kl` | on | DeepSeekMath: off | once `beta` is above 0: another gradient of the penalty |
# | `scale_rewards` | `group` | the same; Dr. GRPO: `none` | divided by the standard deviation plus 1e-4 |
# | `num_iterations` | 1 | DeepSeekMath: 1 | every ratio is 1 and the clip does nothing, as long as `steps_per_generation` is not set above `gradient_accumulation_steps` |
# | rewards of None | count 0 | | unless all functions returned None |
# | `bf16` | on | | matrix products with 8 significant bits, on a CPU too |
# | dropout | as the model has it | | with several updates a batch, policy and old policy differ before the first |

# %% [markdown]
# **Check yourself.** The log of a run with TRL's defaults has no `kl` at all. Why?
#
# <details class="right"><summary>β is 0</summary>Without a penalty TRL loads no reference, so there is nothing to measure the distance from.</details>
# <details class="wrong"><summary>The policy has not moved</summary>Then the log would say 0. Here it says nothing, however far the policy has gone.</details>
# <details class="wrong"><summary>With one update a batch every ratio is 1</summary>The ratio compares with the old policy, which is renewed with every batch. The KL compares with the reference.</details>

# %% [markdown]
# Four of these, by a number each, and one thing that no setting shows.
#
# **The average.** The short good completion and the long bad one of the first picture, in numbers:

# %% tags=["result-average"]
short, long = torch.stack([pushes("grpo"), pushes("dapo")]).T
plotting.table({"total push": ["grpo", "dapo"], "short": short, "long": long})

# %% [markdown]
# **The corrected KL.** On fresh samples the value is the same, with and without. The gradient is not: $1 - \pi_{\text{ref}}/\pi_\theta$ against $\log \pi_\theta - \log\pi_{\text{ref}}$. (Both are halved below, by the mean over two tokens.)

# %% tags=["result-kl"]
leaf = torch.tensor([[-1.0, -3.0]], requires_grad=True)
reference = torch.tensor([[-2.0, -1.0]])
values, gradients = [], []
for corrected in (False, True):
    out = grpo_lite.grpo_loss(
        leaf,
        None,
        torch.zeros(1),
        torch.ones(1, 2, dtype=torch.bool),
        ref_logps=reference,
        beta=1.0,
        use_bias_correction_kl=corrected,
    )
    values.append(out.kl)
    gradients.append(torch.autograd.grad(out.loss, leaf)[0][0])
first, second = torch.stack(gradients).T
plotting.table(
    {
        "corrected": ["no", "yes"],
        "value": values,
        "gradient, first token": first,
        "second token": second,
    },
    decimals=4,
)

# %% [markdown]
# Where the policy makes a token rarer than the reference does (the second), the uncorrected gradient grows with $\pi_{\text{ref}}/\pi_\theta$ and the corrected one with its logarithm.
#
# **The 1e-4.** It is added to the standard deviation, so it does next to nothing as long as rewards are of size 1. Scale a reward down, and the 1.5 of a lone right answer shrinks:

# %% tags=["result-eps"]
rewards = torch.tensor([1.0, 0.0, 0.0, 0.0])
scales = [1.0, 1e-2, 1e-4]
first = [grpo_lite.group_advantages(rewards * scale, 4)[0] for scale in scales]
plotting.table({"reward": scales, "its advantage": first}, decimals=4)

# %% [markdown]
# **None.** One of two functions cannot judge the first completion. Its sum is made of the other alone, so it is compared as if the first had paid 0:

# %% tags=["result-none"]
scores = torch.tensor([[float("nan"), 1.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
print(grpo_lite.combine_rewards(scores).tolist())

# %% [markdown]
# **Padding on the left.** TRL passes an attention mask and no positions. A model with absolute positions, such as GPT-2, then counts from the first padding token, and scores the tokens at other places than those at which it sampled them. The same prompt and completion, with and without three padding tokens in front:

# %%
scored = trainer.model.eval()
prompt = tokenizer("3+9+4+1=", return_tensors="pt")["input_ids"]
answer = tokenizer("<answer>7</answer><eos>", return_tensors="pt")["input_ids"]
padded = torch.cat([torch.zeros(1, 3, dtype=torch.long), prompt, answer], dim=1)
attention = (torch.arange(padded.shape[1]) >= 3).long()[None]
with torch.no_grad():
    ours = grpo_lite.completion_logps(
        scored, padded[:, :11], answer, prompt_mask=attention[:, :11].bool()
    )
    theirs = trainer._get_per_token_logps_and_entropies(scored, padded, attention, 4)[0]
    unpadded = grpo_lite.completion_logps(scored, prompt, answer)
scores = torch.cat([unpadded, ours, theirs])
columns = dict(zip(["<answer>", "7", "</answer>", "<eos>"], scores.T, strict=True))
plotting.table(
    {"log-prob": ["no padding", "ours, padded", "TRL, padded"], **columns}, decimals=3
)

# %% [markdown]
# Old policy, policy and reference are all scored with the same shift, so a ratio is 1 before the first update; but it is not the ratio of the policy that sampled. Models with rotary positions (Llama, Qwen) see distances only and do not care. With prompts of one length, as in the step above, it cannot happen.
#
# ## Break it
#
# A student wants "GRPO as in the paper" and writes `GRPOConfig(beta=0.04)`:

# %% tags=["result-break"]
student = defaults | {"beta": 0.04}
names = ["beta", "loss_type", "use_bias_correction_kl", "scale_rewards"]
plotting.table({"setting": names, "value": [str(student[name]) for name in names]})

# %% [markdown]
# Nothing complains. But it is the average of DAPO and the penalty of DeepSeek-V3.2. What the paper describes needs two more lines, and what is called Dr. GRPO, DAPO or GSPO needs these:
#
# | Algorithm | TRL | `grpo_lite` |
# |---|---|---|
# | DeepSeekMath's GRPO | `loss_type="grpo"`, `beta=0.04`, `use_bias_correction_kl=False` | `beta=0.04` |
# | Dr. GRPO, [2503.20783](https://arxiv.org/abs/2503.20783) | `loss_type="dr_grpo"`, `scale_rewards="none"` | the same |
# | DAPO, [2503.14476](https://arxiv.org/abs/2503.14476) | `loss_type="dapo"`, `epsilon_high=0.28`, `mask_truncated_completions=True`, and its own reward and sampling | the same, with `max_sampling_rounds` for the sampling |
# | GSPO, [2507.18071](https://arxiv.org/abs/2507.18071) | `loss_type="grpo"`, `importance_sampling_level="sequence"`, `epsilon=3e-4`, `epsilon_high=4e-4` | the same |
#
# The first row, both ways, with a reference and newly drawn log-probs and advantages:

# %% tags=["result-paper"]
torch.set_default_dtype(torch.float64)
logps = old_logps + 0.5 * torch.randn(6, 7, generator=generator)
advantages = torch.randn(6, generator=generator)
paper = {"beta": 0.04, "ref_logps": ref_logps}
trainer.args.use_bias_correction_kl = False
theirs = value_and_gradient(trl_loss, **paper)[0]
trainer.args.use_bias_correction_kl = True
mixed = value_and_gradient(trl_loss, loss_type="dapo", **paper)[0]
ours = value_and_gradient(grpo_lite.grpo_loss, **paper)[0]
losses = {"paper, TRL": theirs, "paper, ours": ours, "student": mixed}
plotting.table({"": losses, "loss": losses.values()}, decimals=6)

# %% [markdown]
# ## Exercises
#
# **1. Which algorithm?** *Easy, 10 minutes.* Which algorithm is `GRPOConfig(loss_type="bnpo", scale_rewards="batch", beta=0.0, epsilon_high=0.28)`, in terms of ratio, objective, average and advantage?

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# Token ratio; the clipped surrogate with clip-higher; a mean over all tokens of a micro-batch; centred by the group and divided by the standard deviation of the batch; no reference. No paper by one name. With gradient accumulation, TRL averages the means of the micro-batches, so tokens in a micro-batch of short answers weigh more.

# %% [markdown]
# **2. What does nothing.** *Easy, 10 minutes.* With `num_iterations=1` and one update a batch, does `epsilon` matter? And `importance_sampling_level`? Check with `old_logps=None`.

# %%
# Your turn.

# %% tags=["solution", "result-solution-onpolicy"]
leaf = logps.clone().requires_grad_()
gradients = []
for settings in ({}, {"epsilon": 0.01}, {"importance_sampling_level": "sequence"}):
    out = grpo_lite.grpo_loss(leaf, None, advantages, mask, **settings)
    gradients.append(torch.autograd.grad(out.loss, leaf)[0])
print(*(bool((g - gradients[0]).abs().max() < 1e-12) for g in gradients))

# %% [markdown] tags=["solution"]
# Neither does: every ratio is 1 and inside of any range, and a sequence ratio, the mean over the tokens, has the gradient at 1 that the mean of the token ratios has.

# %% [markdown]
# **3. A cap by default.** *Medium, 10 minutes.* A run with `loss_type="cispo"` and everything else at TRL's defaults learns, and nothing looks wrong. What is the weight of every token? (Lesson [The family](https://grpo-lite.github.io/grpo-lite/lessons/the_family/) has the answer.)

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# `epsilon_high` is None and falls back to `epsilon`, 0.2. For CISPO it is the cap of the ratio itself, so every weight is 0.2 where the ratio is above it. AdamW divides a gradient by its own size and hides even the factor of five.

# %% [markdown]
# ## What to remember
#
# > **Remember.** Same names do not mean same numbers. Before comparing two runs, compare four things: the average, the divisor of the advantages, the KL and its correction, and the clip range. Where two programs disagree, let both run on the same tensors and look at value and gradient.
#
# - TRL's default is the average of `dapo`, without KL, with group-scaled advantages.
# - A library's version belongs to a result: defaults have changed between versions of TRL.
# - Where we differ from TRL on purpose is listed [beside the table](../docs/parity.md).
#
# **From here:** [The original, replayed](https://grpo-lite.github.io/grpo-lite/lessons/the_original_replayed/) returns to the notebook from which this course grew.
