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
# # To TRL
#
# One day the model is too large for the trainer of this course. TRL's trainer takes the same reward functions and settings of the same names. Here both train on the same task, side by side, until you know what changes on the day you move.
#
# **Minutes:** 15 · **Needs:** [The training loop](https://grpo-lite.github.io/grpo-lite/lessons/the_training_loop/) · **Gives:** a script for TRL that you can read line by line

# %% tags=["setup"]
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic(
        "pip",
        "install -q 'grpo-lite[train,test] @ git+https://github.com/grpo-lite/grpo-lite'",
    )

import functools
import logging
import os
import tempfile
import warnings

os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import torch
import transformers
import trl
from datasets import Dataset

import grpo_lite
from grpo_lite import plotting
from grpo_lite.tasks import accuracy, load_base_model, make_problems, think_rate
from grpo_lite.training import rollout

torch.set_num_threads(1)
plotting.use_site_style()

# %% [markdown]
# ## The question
#
# In lesson [The training loop](https://grpo-lite.github.io/grpo-lite/lessons/the_training_loop/) a training was a record of settings, a model, a data set and two reward functions. Which of these must change for TRL? The loop is the same in both:

# %% tags=["diagram"] alt="From top to bottom. N prompts of P tokens go to the old policy, which samples G completions of each: B = N times G rows of T tokens. The completions go two ways. On the left, reward functions give each one reward, and comparison with its group turns rewards into advantages, one number a completion. On the right, the tokens get three log-probs each: from the policy that is trained, from the old policy, which stored them when it sampled, and from a frozen reference. Advantages and the ratio of policy to old policy meet in the clipped objective; policy and reference meet in the KL penalty; both have one number a token. The loss averages them to one number, whose gradient updates the policy. The same samples may be used several times; then the policy becomes the old policy and samples again." caption="Once around: sample a group, judge it, compare, update, sample again."
plotting.diagram("loop")

# %% [markdown]
# **Predict.** Four parts: settings, model, data, rewards. Which of them can be handed over as they are?
#
# ## By hand: how many prompts in an update?
#
# One number goes wrong most easily.
#
# > Both trainers count a batch in *completions*, not in prompts.
#
# The completions of one update are
#
# $$B = \text{at once} \times \text{in turn} \times \text{processes},$$
#
# with `per_device_train_batch_size` at once and `gradient_accumulation_steps` in turn, and the prompts are $B / G$. With 8 at once, 4 in turn, 2 processes and $G = 16$: $B = 64$, so 4 prompts. If $B$ is not a multiple of $G$, both refuse.


# %% tags=["result-prompts-in-an-update"]
def prompts_of(at_once, in_turn):
    return grpo_lite.GRPOConfig(
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=in_turn,
        num_generations=16,
    ).prompts_per_step


sizes = {"at once": [64, 32, 8], "in turn": [1, 2, 8]}
plotting.table(sizes | {"prompts": map(prompts_of, *sizes.values())})

# %% [markdown]
# **Check yourself.** An update has $B = 64$ and $G = 8$. You set `num_generations` to 16 and leave all else. What does an update hold now?
#
# <details class="wrong"><summary>128 completions: twice as many of each prompt</summary>The batch is counted in completions, and the group size does not enter that count. It stays at 64.</details>
# <details class="right"><summary>64 completions, of 4 prompts</summary>Larger groups are paid for in prompts: 64/16 instead of 64/8.</details>
# <details class="wrong"><summary>64 prompts with 16 completions each</summary>That would be 1,024 completions. Neither trainer counts a batch in prompts.</details>

# %% [markdown]
# ## What is shared
#
# The settings that both know, under one name each. `loss_type` is written out because the defaults differ (lesson [The same numbers as TRL](https://grpo-lite.github.io/grpo-lite/lessons/the_same_numbers_as_trl/)).

# %%
shared = {
    "max_steps": 25,
    "learning_rate": 5e-4,
    "lr_scheduler_type": "constant",
    "per_device_train_batch_size": 64,
    "num_generations": 8,
    "max_completion_length": 16,
    "loss_type": "grpo",
    "reward_weights": [1.0, 0.0],  # right answers are paid; thinking is watched
    "use_cpu": True,
    "disable_tqdm": True,
}
reward_funcs = [accuracy, think_rate]
problems = make_problems("chain-sum", "train", 5000)
held_out = make_problems("chain-sum", "test", 300)

# %% [markdown]
# **Ours.** The trainer of lesson [The training loop](https://grpo-lite.github.io/grpo-lite/lessons/the_training_loop/), with an evaluation every five updates.


# %%
def train_here(seed):
    model, tokenizer = load_base_model()
    args = grpo_lite.GRPOConfig(
        **shared, seed=seed, eval_steps=5, per_device_eval_batch_size=300
    )
    trainer = grpo_lite.GRPOTrainer(
        model, reward_funcs, args, problems, tokenizer, held_out
    )
    history = trainer.train()
    evaluations = [r["sampled_accuracy"] for r in history if "eval" in r]
    return evaluations, [r for r in history if "eval" not in r]


# %% [markdown]
# **TRL's.** The same again, with these additions:
#
# - the rows become a `Dataset` of the library `datasets`,
# - TRL saves checkpoints, and in older versions reports to every tracker it finds; here it does neither, and gets a folder that is thrown away,
# - 16-bit arithmetic and recomputed activations are its defaults, meant for GPUs; a CPU and a small model are better off without,
# - a *callback*, an object whose methods TRL calls along the way, evaluates with the function that our trainer uses.


# %%
class Evaluate(transformers.TrainerCallback):
    def __init__(self, tokenizer):
        self.tokenizer, self.found = tokenizer, []
        self.args = grpo_lite.GRPOConfig(**shared, per_device_eval_batch_size=300)

    def on_step_begin(self, args, state, control, model, **rest):
        if state.global_step % 5 == 0:
            self.measure(model)

    def on_train_end(self, args, state, control, model, **rest):
        self.measure(model)

    def measure(self, model):
        result = rollout.evaluate(
            model.eval(), self.tokenizer, reward_funcs, held_out, self.args
        )
        model.train()
        self.found.append(result["sampled_accuracy"])


def train_there(seed, reward_funcs=reward_funcs, rows=problems, **changed):
    model, tokenizer = load_base_model()
    evaluate = Evaluate(tokenizer)
    with tempfile.TemporaryDirectory() as folder:
        args = trl.GRPOConfig(
            **shared | changed,
            seed=seed,
            output_dir=folder,
            save_strategy="no",
            logging_steps=1,
            report_to="none",
            bf16=False,
            gradient_checkpointing=False,
        )
        trainer = trl.GRPOTrainer(
            model=model,
            reward_funcs=reward_funcs,
            args=args,
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
            callbacks=[evaluate],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    return evaluate.found, trainer.state.log_history[:-1]


# %% [markdown]
# So the answer to the question: model, tokenizer (called `processing_class` there) and rewards go over as they are, the settings with a few more lines, and the data in another wrapping.
#
# ## Side by side
#
# Two seeds each. The random numbers are drawn in different ways, so no two runs see the same completions.
#
# **Predict.** Will the two trainers agree to the last digit? Will they differ more than two seeds of one trainer?

# %%
here = [train_here(seed) for seed in (0, 1)]
there = [train_there(seed) for seed in (0, 1)]

# %%
shares = torch.tensor([evaluations for evaluations, _ in here + there])
columns = {f"update {5 * i}": share for i, share in enumerate(shares.T)}
runs = ["here, 0", "here, 1", "TRL, 0", "TRL, 1"]
plotting.table({"trainer, seed": runs, **columns})

# %% [markdown]
# A row is a run, a number the share of right answers among samples on held-out problems. At updates 10 and 25 both of ours lie above both of TRL's (0.89, 0.89 against 0.83, 0.86 at the end), at 5, 15 and 20 they mix. (At update 0 all four ask the same model, and still differ by up to 0.04: the 300 answers are other draws. TRL's two agree there, because our callback has one seed.)
#
# With two runs each, chance alone puts both of ours on top one time in six. This can rule out a large difference and no small one. Lesson [The same numbers as TRL](https://grpo-lite.github.io/grpo-lite/lessons/the_same_numbers_as_trl/) has the exact comparison: on the same completions the numbers agree.
#
# ## The two diaries
#
# The last update of each (seed 0), name beside name.

# %%
NAMES = {
    "reward": "reward",
    "rewards/accuracy": "rewards/accuracy/mean",
    "frac_reward_zero_std": "frac_reward_zero_std",
    "entropy": "entropy",
    "clip_fraction": "clip_ratio/region_mean",
    "completions/mean_length": "completions/mean_length",
    "completions/clipped_ratio": "completions/clipped_ratio",
    "grad_norm": "grad_norm",
}
plotting.table(
    {
        "ours": NAMES,
        "value": [here[0][1][-1][name] for name in NAMES],
        "TRL's": NAMES.values(),
        "its value": [there[0][1][-1][name] for name in NAMES.values()],
    },
    decimals=3,
)

# %% [markdown]
# Eight groups make a noisy share without spread, and a noisy norm. Two things to know: TRL's `entropy` is computed from all logits, ours is estimated from the tokens that were drawn; and with `logging_steps` above 1 TRL writes means over several updates.
#
# ## What a reward function is told
#
# A function that moves over must accept what TRL hands it. Let one write down what it gets.


# %% tags=["result-what-a-reward-is-told"]
def listening(reward_func, heard):
    @functools.wraps(reward_func)  # TRL logs a reward by its name
    def wrapped(**columns):
        heard.append(columns)
        return reward_func(**columns)

    return wrapped


heard = []
_, log = train_there(0, [listening(accuracy, heard), think_rate], max_steps=1)
handed = dict(sorted(heard[0].items()))
plotting.table({"name": handed, "type": [type(x).__name__ for x in handed.values()]})

# %% [markdown]
# The lists hold one entry a completion: prompts, completions and their tokens, and every further column of the data, here `ground_truth`. The rest is TRL's own, the state of the training and two functions for logging. Our trainer hands over the lists alone. A function that takes what it needs by name, and the rest by `**columns`, works with both.
#
# What does `grpo_lite.score_completions` say about those completions, and what has TRL logged?

# %% tags=["result-same-rewards"]
lists = {name: x for name, x in heard[0].items() if isinstance(x, list)}
scores = grpo_lite.score_completions(reward_funcs, **lists)
rewards = grpo_lite.combine_rewards(scores, shared["reward_weights"])
ours = [scores[:, 0].mean(), scores[:, 0].std(), scores[:, 1].mean(), rewards.mean()]
names = ["accuracy/mean", "accuracy/std", "think_rate/mean"]
theirs = [log[0][f"rewards/{name}"] for name in names] + [log[0]["reward"]]
same = [abs(a.item() - b) < 1e-6 for a, b in zip(ours, theirs, strict=True)]
plotting.table({"metric": [*names, "reward"], "same to 1e-6": map(str, same)})

# %% [markdown]
# **Check yourself.** In your data the truth stands in a column `answer`. The reward is `def right(completions, ground_truth=None, **columns)`. What does it see?
#
# <details class="wrong"><summary>The truth: it is the only further column</summary>Columns are handed over by name, never by place.</details>
# <details class="wrong"><summary>An error that names the missing column</summary>The default value prevents it, and <code>**columns</code> swallows the other name. Without the default Python would complain.</details>
# <details class="right"><summary>None, and no error</summary><code>answer</code> ends up in <code>columns</code>, where nobody looks, and the truth stays None for every completion.</details>

# %% [markdown]
# ## Break it
#
# **A function that wants only what it needs.** `**columns` looks like decoration. Leave it out.


# %% tags=["result-no-columns"]
def right(completions, ground_truth):
    return accuracy(completions, ground_truth)


try:
    train_there(0, [right, think_rate], max_steps=1)
except TypeError as error:
    print(str(error)[:58])

# %% [markdown]
# Loud, and at the first step. The next one is silent.
#
# **A reward that never fires.** The original notebook (lesson [The original, replayed](https://grpo-lite.github.io/grpo-lite/lessons/the_original_replayed/)) has a data set with two tasks, `"math"` and `"code"`, and a reward that asks for `"coding"`. It returns None for every row, which means *I cannot judge this one*. Here all rows are `"code"`, and both functions have the weight 1.
#
# **Predict.** What does TRL do with a function that never judges?


# %% tags=["result-never-fires"]
def coding_reward(completions, task, **columns):
    return [1.0 if t == "coding" else None for t in task]


code_rows = [row | {"task": "code"} for row in problems[:200]]
changed = {"max_steps": 2, "reward_weights": [1.0, 1.0]}
_, log = train_there(0, [accuracy, coding_reward], code_rows, **changed)
for record in log:
    print("coding_reward", record["rewards/coding_reward/mean"])
    assert record["reward"] == record["rewards/accuracy/mean"]

# %% [markdown]
# It trains on the other function alone. There is no error. The None in the log is all that tells, and in a dashboard it is an empty panel that nobody misses. (TRL warns when *all* functions return None for a row; not when one function returns it for all rows.) Before a run, call each reward function on a right and on a wrong completion of every task, as in lesson [Rewards](https://grpo-lite.github.io/grpo-lite/lessons/rewards/).
#
# ## A tool
#
# In lesson [A model that uses a tool](https://grpo-lite.github.io/grpo-lite/lessons/a_model_that_uses_a_tool/) an argument `environment` was all that our trainer needed. TRL 1.16 has three ways: `tools` for functions, `environment_factory` for tools that share a state, and `rollout_func` for all else. The last two are marked as experimental.
#
# `rollout_func` samples by itself and hands over tokens. What the environment wrote is marked 0 in `env_mask`; TRL multiplies it with its own mask, so these tokens are read and not trained. With the names of that lesson (`in_tokens` is the calculator, from tokens to tokens):
#
# ```python
# def rollout_func(prompts, trainer):
#     tokenizer = trainer.processing_class
#     read = [tokenizer(prompt)["input_ids"] for prompt in prompts]
#     episodes = [
#         grpo_lite.sample_episodes(
#             trainer.model,
#             torch.tensor([ids]),
#             1,
#             in_tokens,
#             max_new_tokens=trainer.max_completion_length,
#             eos_token_id=tokenizer.eos_token_id,
#             pad_token_id=tokenizer.pad_token_id,
#         )
#         for ids in read
#     ]
#     return {
#         "prompt_ids": read,
#         "completion_ids": [episode.ids[0].tolist() for episode in episodes],
#         "logprobs": [episode.logps[0].tolist() for episode in episodes],
#         "env_mask": [episode.env_mask[0].int().tolist() for episode in episodes],
#     }
# ```
#
# It goes to `trl.GRPOTrainer` as `rollout_func=rollout_func`. Each prompt comes as often as it has completions. (TRL's docstring says once; what comes is G times.)
#
# `tools` and `environment_factory` are for chat models that know how to call tools. The first is a list of functions. The second makes an object with a method `reset` for each episode; its other public methods are the tools, except for `get_reward`, which is a reward. TRL writes the descriptions of the tools into the prompt, finds the calls in what the model writes, appends the results as tokens and masks them (`tool_mask`). `max_tool_calling_iterations` limits the rounds of an episode; in one round a model may call several tools.
#
# ## Beyond one machine
#
# What else changes, on several GPUs, with vLLM (a faster sampler), with DeepSpeed or FSDP (which spread one model over GPUs), is a matter of settings files and of memory. The page [Beyond one machine](../docs/beyond.md) has the files ready, and a script that reads them.
#
# ## Exercises
#
# **1. Read a setting.** *Easy, 5 minutes.* `trl.GRPOConfig(per_device_train_batch_size=4, gradient_accumulation_steps=8, num_generations=16)` on four GPUs: how many prompts has an update? How many completions of one prompt does a GPU hold at once, and is that a problem?

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# $4 \cdot 8 \cdot 4 = 128$ completions, so $128 / 16 = 8$ prompts. A GPU has 4 completions at once, a quarter of a group. That is no problem: rewards and advantages are computed when all completions of the update are there, and gathered from all processes.

# %% [markdown]
# **2. The defaults.** *Easy, 10 minutes.* Train with TRL as above, but with its own learning rate: leave `learning_rate` out. What do you expect after 25 updates?

# %%
# Your turn.

# %% tags=["solution"]
lr = trl.GRPOConfig.__dataclass_fields__["learning_rate"].default
found, _ = train_there(0, learning_rate=lr)
print(lr, [round(x, 2) for x in found])

# %% [markdown] tags=["solution"]
# Nothing moves. 1e-6 is a learning rate for models with billions of weights. Ours has 0.4 million, and was trained here with 5e-4. Our `GRPOConfig` has the same default, so that nobody is surprised on the way to TRL; every lesson sets its own.

# %% [markdown]
# **3. Which switch is it?** *Medium, 10 minutes.* A colleague moves a run from here to TRL and leaves `loss_type` out. Prompts with long wrong answers now behave differently. Which two lines of the log would you compare first, and which lesson explains the difference?

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# `completions/mean_length` and `reward`. Without `loss_type` TRL takes `"dapo"`, where every token of the batch weighs the same, so a long wrong answer is pushed as hard per token as a short one, and in total much harder. Lesson [The family](https://grpo-lite.github.io/grpo-lite/lessons/the_family/) has the picture.

# %% [markdown]
# ## What to remember
#
# > **Remember.** Model, tokenizer and reward functions move to TRL as they are; settings keep their names and need `loss_type` written out; rows become a `Dataset`. A batch is counted in completions. Give every reward function `**columns`, and look for None in the log: a function that never judges is not an error there.
#
# TRL is documented [here](https://huggingface.co/docs/trl/grpo_trainer); what it computes was checked against version 1.16.0. GRPO itself: [DeepSeekMath (arXiv:2402.03300)](https://arxiv.org/abs/2402.03300).
#
# **From here:** [Train a model](../docs/training.md) of your own, or go [beyond one machine](../docs/beyond.md).
