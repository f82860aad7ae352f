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
# # Your own task
#
# A task of your own, a model of your own, and demonstrations that are wrong more often than right. From nothing to a model that does the task takes some forty lines and less than a minute. Then you change the task.
#
# **Minutes:** 15 · **Needs:** [The training loop](https://grpo-lite.github.io/grpo-lite/lessons/the_training_loop/) · **Gives:** a program to put your own task into, and the check that says whether there is anything to reward

# %% tags=["setup"]
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic(
        "pip",
        "install -q 'grpo-lite[train] @ git+https://github.com/grpo-lite/grpo-lite'",
    )

import copy
import os
import random

os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

import torch

from grpo_lite import GRPOConfig, GRPOTrainer, plotting
from grpo_lite.experiments.pretrain import character_tokenizer, pretrain, small_model
from grpo_lite.tasks import is_held_out
from grpo_lite.training.rollout import sample_groups

torch.set_num_threads(1)
plotting.use_site_style()

# %% [markdown]
# The task: read `hal>` and write `ibm`, each letter moved on by one. A careless teacher, a small program that is folded here, has written examples. **Can a pupil who is shown nothing better become better than this teacher?**

# %% tags=["detail"]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
dice = random.Random(0)


def shifted(word, by):
    return "".join(LETTERS[(LETTERS.index(letter) + by) % 26] for letter in word)


def demonstrate(prompt):
    by = dice.choice([1, 1, -1, -1, -1])  # the wrong way three times in five
    moved = shifted(prompt[:-1], by)
    return "".join(dice.choice(LETTERS) if dice.random() < 0.1 else c for c in moved)


prompts = ["hal>", "cat>", "sky>", "zoo>", "red>", "two>"]
wrote = [demonstrate(prompt) for prompt in prompts]
answers = [shifted(prompt[:-1], 1) for prompt in prompts]
marks = [[float(wrote[i][t] == answers[i][t]) for t in range(3)] for i in range(6)]

# %% tags=["drawing"] alt="A table of six demonstrations, a word in each row and under it the three letters that the teacher wrote, marked 1 where a letter is right and 0 where it is wrong. One row of six is right throughout, zoo with app; in the other five every letter is wrong." caption="The teacher is right in one of these six words."
plotting.token_matrix(
    torch.tensor(marks),
    label="1: right, 0: wrong",
    tokens=wrote,
    rows=prompts,
    decimals=0,
)

# %% [markdown]
# Three times in five the teacher moves the letters the wrong way, and one letter in ten is a slip. A whole word comes out right about three times in ten ($0.4 \cdot 0.9^3$).
#
# A task is four things: rows of data, a reward, the symbols in which it is written, and demonstrations to begin with. Here they are, one by one.
#
# ## Rows
#
# A row is a dict with a `"prompt"`. Whatever the reward needs stands in further columns, here the right answer. One row in ten is held out, chosen by a hash of its prompt, and never trained on.


# %%
def split(prompts, answer):
    rows = [{"prompt": p, "answer": answer(p)} for p in dict.fromkeys(prompts)]
    train_rows = [row for row in rows if not is_held_out(row["prompt"])]
    return train_rows, [row for row in rows if is_held_out(row["prompt"])]


# %% tags=["result-rows"]
words = ["".join(dice.choices(LETTERS, k=3)) + ">" for _ in range(2000)]
train_rows, test_rows = split(words, lambda prompt: shifted(prompt[:-1], 1))
print(len(train_rows), len(test_rows), train_rows[0])

# %% [markdown]
# ## A reward
#
# It gets all completions at once and each column by its name, and returns a number for each. The name of the function becomes that of its metric: the trainer will log `sampled_right`. Ours pays 1 for the right answer. In exercise 2 the model writes steps before an `=`, which are not looked at; here there is no `=`, and the whole text counts.


# %%
def right(completions, answer, **columns):
    said = [text.split("=")[-1] for text in completions]
    return [float(a == wanted) for a, wanted in zip(said, answer, strict=True)]


# %% tags=["result-reward"]
print(right(["ibm", "gzk", "ib"], answer=["ibm", "ibm", "ibm"]))

# %% [markdown]
# Always do this: call the reward by hand, on something that must be paid and on something that must not. Both sides of the comparison must be texts: `"7" == 7` is False in Python, so if your answers are numbers every reward is 0, and no error tells.
#
# ## Symbols and demonstrations
#
# Each character is a token. The tokenizer knows the symbols that you list, and besides them padding and the end token. The model is a GPT-2 with two layers and random weights. It can write nothing sensible yet, so it **learns from the demonstrations** first: for each token it is told which one the teacher wrote next. That is called pretraining, and is no part of GRPO: `small_model` and `pretrain` are [short functions of the package](../docs/api/experiments.md). To begin with a pretrained model instead, see lesson [A real language model](https://grpo-lite.github.io/grpo-lite/lessons/a_real_language_model/).


# %%
def taught(symbols, train_rows, demonstrate, size=25_600, seed=0):
    torch.manual_seed(seed)
    tokenizer = character_tokenizer(symbols)
    model = small_model(tokenizer, width=64)
    draws = random.Random(seed).choices([row["prompt"] for row in train_rows], k=size)
    losses = pretrain(
        model, tokenizer, [(p, demonstrate(p)) for p in draws], learning_rate=4e-3
    )
    print(f"{model.num_parameters()} weights, loss {losses[0]:.1f} -> {losses[-1]:.1f}")
    return model, tokenizer


# %%
base, tokenizer = taught(LETTERS + ">", train_rows, demonstrate)

# %% [markdown]
# ## Before you train: is there anything to reward?
#
# GRPO makes likelier what is already sampled now and then. So look first. Of 16 completions of each of 100 held-out prompts: which share is right, and for which share of the prompts is at least one right? The second number is called **pass@16**. Where it is 0, a reward will hardly ever be paid, and there is next to nothing to learn from.


# %%
def look(model, tokenizer, reward, test_rows):
    args = GRPOConfig(
        num_generations=16, per_device_train_batch_size=16, max_completion_length=20
    )
    generator = torch.Generator(model.device).manual_seed(0)
    groups = sample_groups(model, tokenizer, [reward], test_rows[:100], args, generator)
    rewards = torch.stack([group.rewards for group in groups])
    solved = (rewards > 0).any(dim=1).float().mean()
    print(f"{reward.__name__} {rewards.mean():.2f}, pass@16 {solved:.2f}")
    texts = [group.completions[:8] for group in groups[:3]]
    return plotting.table({"prompt": [g.prompt for g in groups[:3]], "samples": texts})


# %%
look(base, tokenizer, right, test_rows)

# %% [markdown]
# The pupil is worse than its teacher. It moves each letter forwards or backwards as it likes: `xrm` should become `ysn`, `wql` is the word moved the wrong way, and `ysl` mixes both. It has not understood that a word goes one way. But for half of the prompts at least one of sixteen samples is right, so there is something to reward.
#
# ## Train
#
# **Predict.** The reward looks at whole words only. Which of the teacher's two faults will go: the wrong direction, the slips, or both? And can held-out words come out right more often than the teacher's?


# %%
def learn(model, tokenizer, reward, train_rows, test_rows, seed=0, steps=80):
    args = GRPOConfig(
        max_steps=steps,
        learning_rate=2e-3,
        warmup_steps=10,  # over which the learning rate rises
        per_device_train_batch_size=128,  # completions in a step: 16 prompts,
        num_generations=8,  # and 8 completions of each
        max_completion_length=20,
        eval_steps=10,
        per_device_eval_batch_size=200,
        seed=seed,
        disable_tqdm=True,
    )
    model = copy.deepcopy(model)
    trainer = GRPOTrainer(model, reward, args, train_rows, tokenizer, test_rows)
    return model, trainer.train()


def curve(history, reward):
    name = f"sampled_{reward.__name__}"  # the metric is called after the function
    return [round(record[name], 2) for record in history if "eval" in record]


# %%
runs = [learn(base, tokenizer, right, train_rows, test_rows, seed) for seed in range(3)]

# %% tags=["drawing"] alt="Three curves over 80 updates, one for each seed: the share of held-out words that are right when sampled. All three start near 0.04, pass the line of the teacher, 0.29, within twenty updates, and end between 0.8 and 0.9." caption="All three seeds leave their teacher behind within twenty updates."
curves = {f"seed {i}": curve(history, right) for i, (_, history) in enumerate(runs)}
curves["the teacher"] = [0.4 * 0.9**3] * 9
plotting.lines(
    range(0, 81, 10),
    curves,
    xlabel="update",
    ylabel="right words, held out",
    colors={"the teacher": "clipped"},
    dashed=["the teacher"],
    marks={(20, 0.2): "passed within twenty updates"},
)

# %% [markdown]
# From at most one word in twenty to more than eight in ten, with each of three seeds of the training, on words that were never shown. The teacher was right about three times in ten.
#
# Where does the pupil get it from? Learning from demonstrations copied the teacher's faults and added one, the mixture. The reward tells right from wrong among the pupil's own eight answers, and the right ones become likelier. Nothing had to be invented: the right letters were all there, mixed with others. Direction and slips both make a word wrong, so both faults became rare.

# %%
trained, _ = runs[0]
look(trained, tokenizer, right, test_rows)

# %% [markdown]
# **Check yourself.** For another task you look first and find: right 0.00, pass@16 0.00. What helps?
#
# <details class="wrong"><summary>More updates</summary>While nothing is paid, all groups agree, and the gradient is exactly 0. A thousand updates of 0 are 0.</details>
# <details class="wrong"><summary>A higher learning rate</summary>It multiplies a gradient of 0.</details>
# <details class="right"><summary>Demonstrations that are right now and then, or an easier beginning</summary>Shorter prompts, a part of the task, pay for a part of the answer: anything that puts a paid completion among the samples.</details>

# %% [markdown]
# ## Change the task
#
# All of the above in one function of the task. `prompts` and `answer` make the rows, `right` is the reward unless you give another, and `size` is the number of demonstrations.


# %%
def try_task(prompts, answer, demonstrate, symbols, size=25_600, seed=0, reward=right):
    train_rows, test_rows = split(prompts, answer)
    base, tokenizer = taught(symbols, train_rows, demonstrate, size, seed)
    look(base, tokenizer, reward, test_rows)
    model, history = learn(base, tokenizer, reward, train_rows, test_rows, seed)
    print("held out", curve(history, reward))
    return history


# %% [markdown]
# ### Settings to try first
#
# Those [of lesson The training loop](https://grpo-lite.github.io/grpo-lite/lessons/the_training_loop/#settings-to-try-first), in that order: the learning rate first. This model took 2e-3, four times the 5e-4 that stands there: with 5e-4, seed 0 ended at 0.56 and not at 0.82. Such a number is where a search begins, and not where it ends.
#
# Nothing happens? Look before you turn anything: at twenty completions with their rewards, at `frac_reward_zero_std`, at `grad_norm`. Then the learning rate, up and down by a factor of three ([Frequent questions](../docs/questions.md#first)).
#
# ### Rules for a task
#
# - **Rows.** Prompts all different, and many more than you hold out: with a few dozen the model learns them by heart. Answers as short as they can be.
# - **Demonstrations.** Where an answer takes several steps to find, let them write the steps down before the `=`. They may be wrong most of the time. What must never happen is that they are *never* right, or right by luck alone where the rule is too hard to learn from guesses (exercise 4).
# - **Reward.** What you want and nothing else. Lesson [When rewards lie](https://grpo-lite.github.io/grpo-lite/lessons/when_rewards_lie/) is about that.
# - **Symbols.** Every character of prompts, answers and steps.
#
# ### As a file
#
# `grpo-lite train --task my_task.py --output-dir run` trains on a task in a file, with checkpoints, a log and a plot. The file defines four names, and a fifth if you like, here with the functions of this lesson:
#
# ```python
# train_dataset, eval_dataset = split(words, lambda prompt: shifted(prompt[:-1], 1))
# reward_funcs = [right]
#
#
# def load_model():  # what training starts from, and its tokenizer
#     return taught(LETTERS + ">", train_dataset, demonstrate)
#
#
# settings = {"max_steps": 80, "learning_rate": 2e-3}  # may be left out
# ```
#
# [Train a model](../docs/training.md) has the whole file.
#
# ## Break it
#
# **A symbol that was forgotten.** A prompt with a capital letter:

# %% tags=["result-unknown-symbol"]
try:
    look(base, tokenizer, right, [{"prompt": "Hal>", "answer": "ibm"}])
except ValueError as error:
    print(error)

# %% [markdown]
# Loud, and it names the symbol. The next one is silent.
#
# **A reward that never fires.** The answers stand in the data in capital letters, the model writes small ones.
#
# **Predict.** What do reward and gradient say after ten updates?

# %% tags=["result-never-fires"]
capitals = [row | {"answer": row["answer"].upper()} for row in train_rows]
_, history = learn(base, tokenizer, right, capitals, test_rows, steps=10)
names = ["reward", "frac_reward_zero_std", "grad_norm"]
largest = [max(r[name] for r in history if name in r) for name in names]
plotting.table({"metric": names, "largest": largest})

# %% [markdown]
# Every group agrees that all its completions are worthless, so nothing is compared and nothing moves. No error tells. `frac_reward_zero_std` is the share of groups in which all rewards are equal. If it is 1 from the first update on, look at the reward, by hand.
#
# ## Exercises
#
# Each takes a call of `try_task`, the last takes two. Write `prompts`, `answer`, `demonstrate` and `symbols` yourself before you look.
#
# **1. Backwards.** *Medium, 15 minutes.* Read `abcd>`, write `dcba`, with four of the ten letters from a to j. Let the demonstrations copy the word unchanged three times in five.

# %%
# Your turn.


# %% tags=["solution"]
def copied_or_turned(prompt):
    word = prompt[:-1] if dice.random() < 0.6 else prompt[-2::-1]
    return "".join(
        dice.choice("abcdefghij") if dice.random() < 0.1 else c for c in word
    )


def backwards(prompt):
    return prompt[-2::-1]


four_letters = ["".join(dice.choices("abcdefghij", k=4)) + ">" for _ in range(2000)]
_ = try_task(four_letters, backwards, copied_or_turned, "abcdefghij>")

# %% [markdown] tags=["solution"]
# From less than one in ten to 0.95, and above 0.9 with two other seeds. A copy is right only where the word reads the same both ways, so it is hardly ever paid, and a slip hardly ever helps.

# %% [markdown]
# **2. Odd or even.** *Medium, 20 minutes.* Read a word of five letters from a to d, `abaca>`, and say whether the number of a's is even or odd: `=e` or `=o`. That is hard to see at a glance (exercise 4), so let half of the demonstrations count along before they answer, `11223=o`, and miscount in one step of twenty. The other half guess.

# %%
# Your turn.


# %% tags=["solution"]
def parity(prompt):
    return "eo"[prompt.count("a") % 2]


def counted_or_guessed(prompt):
    if dice.random() < 0.5:
        return "=" + dice.choice("eo")
    count, steps = 0, ""
    for letter in prompt[:-1]:
        count += (letter == "a") + (dice.random() < 0.05)
        steps += str(count)
    return f"{steps}={'eo'[count % 2]}"


five_letters = ["".join(dice.choices("abcd", k=5)) + ">" for _ in range(1000)]
_ = try_task(five_letters, parity, counted_or_guessed, "abcd0123456789>=eo")

# %% [markdown] tags=["solution"]
# A guess is right half the time, a count more often, so counting wins, and then miscounts become rare: 0.97 at the end, and above 0.9 with two other seeds. It is the story of lesson [Watch it learn](https://grpo-lite.github.io/grpo-lite/lessons/watch_it_learn/) in a task of your own.

# %% [markdown]
# **3. Brackets.** *Medium, 15 minutes.* Read the beginning of a text of brackets in which everything fits so far, `([]({>`, and write what closes it, `}))`. Let half of the demonstrations close in the wrong order.

# %%
# Your turn.


# %% tags=["solution"]
CLOSE = {"(": ")", "[": "]", "{": "}"}


def closing(prompt):
    still_open = []
    for bracket in prompt[:-1]:
        if bracket in CLOSE:
            still_open.append(CLOSE[bracket])
        else:
            still_open.pop()
    return "".join(reversed(still_open))


def opened():
    text = ""
    while len(text) < 5:
        ends = closing(text + ">")
        text += ends[0] if ends and dice.random() < 0.3 else dice.choice("([{")
    return text + ">"


def closed_somehow(prompt):
    ends = closing(prompt) if dice.random() < 0.5 else closing(prompt)[::-1]
    return "".join(dice.choice(")]}") if dice.random() < 0.1 else c for c in ends)


_ = try_task([opened() for _ in range(2000)], closing, closed_somehow, "()[]{}>")

# %% [markdown] tags=["solution"]
# From about a half to three quarters here, and above 0.7 with two other seeds. It starts so high because a single bracket, or several of one kind, close the same way in either order. Why it stays at three quarters is not taken apart here. To begin with, sort the wrong answers by how many brackets were to be closed.

# %% [markdown]
# **4. Two that are not learnt.** *Easy, 10 minutes.* Before you run them: what will `look` print for each, and what will training do?
#
# - Odd or even, where all demonstrations guess.
# - Backwards, where all demonstrations copy.

# %%
# Your turn.

# %% tags=["solution"]
guessed = try_task(
    five_letters, parity, lambda p: "=" + dice.choice("eo"), "abcd>=eo", 6400
)
copied = try_task(four_letters, backwards, lambda p: p[:-1], "abcdefghij>", 12_800)
for history in (guessed, copied):
    rewards = [record["reward"] for record in history if "reward" in record]
    print(f"reward in training {rewards[0]:.2f} -> {sum(rewards[-10:]) / 10:.2f}")

# %% [markdown] tags=["solution"]
# **Guesses.** Half of all completions are right, and for every prompt at least one of sixteen is. Still the held-out curve stays near one half, with two other seeds as well. What is paid is luck. A lucky guess does tell an answer, and a rule as easy as "is the first letter an a?" can be learnt from guesses alone; parity in one step is too hard for this model in these updates. Pass@k above 0 is needed; it is not enough.
#
# **Copies.** Only words like `abba` are paid, one in a hundred. In all other groups every completion earns 0. No wrong answer is better than another, so nothing pulls towards turning. More updates do not help; demonstrations that turn a word now and then do, as exercise 1 shows.

# %% [markdown]
# ## What to remember
#
# > **Remember.** A task is rows, a reward, symbols and demonstrations. The demonstrations may be bad; they must be right now and then, and in a way that carries over. Call the reward by hand, look at samples and at pass@k before you train, and believe the held-out curve.
#
# How to estimate pass@k is in [Chen et al., arXiv:2107.03374](https://arxiv.org/abs/2107.03374). Whether rewards ever teach a large model what it never samples before is measured with it in [Yue et al., arXiv:2504.13837](https://arxiv.org/abs/2504.13837). GRPO: [DeepSeekMath, arXiv:2402.03300](https://arxiv.org/abs/2402.03300).
#
# **From here:** [A real language model](https://grpo-lite.github.io/grpo-lite/lessons/a_real_language_model/) does it with a pretrained model. [Train a model](../docs/training.md) has the same as a file for the command line, and [When rewards lie](https://grpo-lite.github.io/grpo-lite/lessons/when_rewards_lie/) what a careless reward does.
