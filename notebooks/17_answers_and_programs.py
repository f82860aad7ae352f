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
# # Answers and programs
#
# Two judges for real tasks: one reads an answer as mathematics, the other runs a program that a model has written, and neither may be talked round.
#
# Read this if your task has answers that can be written in more than one way, or programs.
#
# **Minutes:** 15 · **Needs:** [Rewards](https://grpo-lite.github.io/grpo-lite/lessons/rewards/) · **Gives:** `grpo_lite.math_reward`, `grpo_lite.code_reward`, and small rewards around them

# %% tags=["setup"]
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic(
        "pip",
        "install -q 'grpo-lite[plot,rewards] @ git+https://github.com/grpo-lite/grpo-lite'",
    )

import re
import unicodedata
import warnings

import torch

import grpo_lite
from grpo_lite import plotting
from grpo_lite.rewards.programs import run_program
from grpo_lite.rewards.text import extract_program

plotting.use_site_style()

# %% tags=["setup"]
# What the first picture shows.
pairs = [
    ("0.5", r"\frac{1}{2}"),
    (r"50\%", "0.5"),
    (r"2\sqrt{3}", r"\sqrt{12}"),
    (r"\{2, 1\}", r"\{1, 2\}"),
    ("(1, 2)", "[1, 2]"),
    ("7 or 8", "7"),
    ("3 + 4", "7"),
    ("9^9^9^9", "7"),
]
boxes = [rf"\boxed{{{answer}}}" for answer, _ in pairs]
truths = [true for _, true in pairs]
boxed = grpo_lite.boxed_reward(boxes, ground_truth=truths)
math = grpo_lite.math_reward(boxes, ground_truth=truths)

# %% [markdown]
# ## The question
#
# `boxed_reward` of lesson [Rewards](https://grpo-lite.github.io/grpo-lite/lessons/rewards/) compares texts, and only plain decimals as numbers. For real problems that is too narrow: to it 1/2 and 0.5 differ. `grpo_lite.math_reward` reads both sides as mathematics, with the library [math-verify](https://github.com/huggingface/Math-Verify).
#
# Here are eight pairs of an answer and a truth, and what both functions pay. For which would you pay?

# %% tags=["drawing"] alt="Eight rows, an answer and its truth each, and what two rewards pay. Boxed pays nothing. Math pays 1 for 0.5 and one half, 50 percent and 0.5, two root three and root twelve, and for the set in another order; and 0 for an open and a closed interval, for 7 or 8, for 3 + 4, and for a tower of nines." caption="Boxed judges how it is written, math the value."
plotting.token_matrix(
    torch.tensor([boxed, math]).T,
    label="reward",
    rows=["0.5 = 1/2", "50% = 0.5", "2√3 = √12", "{2, 1} = {1, 2}", "(1, 2) = [1, 2]"]
    + ["7 or 8 = 7", "3 + 4 = 7", "9^9^9^9 = 7"],
    columns=["boxed", "math"],
    decimals=0,
    xlabel="reward function",
    ylabel="answer = truth",
)

# %% tags=["result-math-pairs"]
answers = [answer for answer, _ in pairs]
plotting.table(
    {"answer": answers, "truth": truths, "boxed": boxed, "math": math}, decimals=0
)

# %% [markdown]
# The first four are right. Of the others, an open interval is not a closed one, and a list of guesses is not an answer. `3 + 4` equals 7, but it restates the question: what is still to be worked out earns nothing. (A root such as √12 or a percentage is a result: [the rules](../docs/answers.md).) And $9^{9^{9^9}}$ has more digits than any memory can hold, so the texts are read in another process, with a limit of 2 seconds of computing.
#
# A truth can be unreadable too, such as a fraction that was cut off in the data set. Then the reward is `None`, and a warning (silenced here) names the truth.

# %% tags=["result-unreadable-truth"]
with warnings.catch_warnings(action="ignore"):
    print(grpo_lite.math_reward([r"\boxed{7}"] * 2, ground_truth=["7", r"\frac{1}{"]))

# %% [markdown]
# A reward that pays too rarely slows learning down; one that pays for a wrong answer teaches the wrong answer.
#
# ## Programs: run them
#
# Whether a program is right, its text does not say. One has to run it, and it was written by a model that is paid for whatever passes. **Such code never runs in your own Python.** `grpo_lite.code_reward` runs it in a sandbox: a second Python, compiled to WebAssembly, which has a memory of its own and reaches nothing else, no file and no network. What comes back is compared outside of it. (The sandbox is built on first use, in about half a minute.)
#
# Which part of a completion is the program? The last block between ```` ```python ```` and ```` ``` ```` that defines the function, after the thinking. What was only thought does not count, nor does an example of use.


# %% tags=["result-extract"]
def fenced(code):
    return f"```python\n{code}\n```"


right = "def add(a, b):\n    return a + b"
draft = "def add(a, b):\n    return 0"
print(extract_program(f"<think>\n{fenced(right)}\n</think>\n{fenced(draft)}"))

# %% [markdown]
# **Predict.** Two tests, $2 + 3 = 5$ and $2 + (-2) = 0$. What does each program earn?

# %% tags=["result-programs"]
tests = [{"args": [2, 3], "expected": 5}, {"args": [2, -2], "expected": 0}]
programs = {
    "right": right,
    "wrong": "def add(a, b):\n    return a * b",
    "half right": "def add(a, b):\n    return a + abs(b)",
    "endless": "def add(a, b):\n    while True: pass",
    "reads a file": "def add(a, b):\n    return open('/etc/passwd').read()",
    "says True": "def add(a, b):\n    return True",
}
texts = [fenced(code) for code in programs.values()]
paid = grpo_lite.code_reward(texts, tests=[tests] * 6, entry_point=["add"] * 6)
runs = [run_program(code, "add", tests) for code in programs.values()]
plotting.table(
    {
        "program": programs,
        "reward": paid,
        "status": [run.status for run in runs],
        "passed": [run.passed for run in runs],
    },
    decimals=1,
)

# %% [markdown]
# All tests or nothing; `partial_credit=True` would pay the half. The endless loop was stopped at its limit, and the file was out of reach. `True` is neither 5 nor 0. The reason of a verdict can be read:

# %% tags=["result-reason"]
run_program(programs["half right"], "add", tests).message

# %% [markdown]
# Many tasks ask for a program that reads and prints. Its tests hold a text to read and the text to print, and there is no function to name:

# %% tags=["result-reads-and-prints"]
adder = "a, b = map(int, input().split())\nprint(a + b)"
run_program(adder, None, [{"input": "2 3", "output": "5"}]).status

# %% [markdown]
# **Check yourself.** You check a program by `exec` in your own Python, in a `try`, with a time limit. Which of these gets past it?
#
# <details class="wrong"><summary>An endless loop</summary>The time limit is there for that. (In a thread it would not even stop it.)</details>
# <details class="right"><summary>A program that changes how its result is compared</summary>It runs inside of the checker, so it can return an object that equals everything, or replace the comparison itself. It must run elsewhere, and only plain values may come back.</details>
# <details class="wrong"><summary>A program with a syntax error</summary>That raises inside the try, and earns nothing.</details>

# %% [markdown]
# > **Where no rule can decide.** A model can be the judge, as a reward function like any other. Give it a list of points to look for, a *rubric*: that trained better than one bare mark in [Rubrics as Rewards (arXiv:2507.17746)](https://arxiv.org/abs/2507.17746). A judge can be talked round, so read texts. [How to write one](../docs/questions.md#judge).

# %% [markdown]
# ## Two tasks in one data set
#
# A data set may hold problems of two kinds. A row of mathematics has a truth and no tests, a row of code the other way round. Each function judges where it finds its column, and returns `None` elsewhere. Two prompts, two completions each, first the good one:

# %% tags=["result-two-tasks"]
two_tasks = {
    "prompts": ["What is 2 + 2?"] * 2 + ["Write add(a, b)."] * 2,
    "completions": [r"\boxed{4}", r"\boxed{5}", fenced(right), fenced(draft)],
    "task": ["math", "math", "code", "code"],
    "ground_truth": ["4", "4", None, None],
    "tests": [None, None, tests, tests],
    "entry_point": [None, None, "add", "add"],
}


def table(scores):
    rewards = grpo_lite.combine_rewards(scores)
    advantages = grpo_lite.group_advantages(rewards, num_generations=2)
    columns = {"task": two_tasks["task"], "math": scores[:, 0], "code": scores[:, 1]}
    columns |= {"reward": rewards, "advantage": advantages}
    return plotting.table(columns, decimals=4)


judges = [grpo_lite.math_reward, grpo_lite.code_reward]
scores = grpo_lite.score_completions(judges, **two_tasks)
table(scores)

# %% [markdown]
# Each function fills its column on its own rows and only there (`nan` stands for `None`), and the sum takes from each row the one judgement that it has.
#
# ## Break it: a misspelt task
#
# Often a function looks into a column `task` to see whether a row is its own.
#
# **Predict.** Read the next cell. What will the model learn about programs?


# %% tags=["result-misspelt-task"]
def coding_reward(task, **columns):
    paid = grpo_lite.code_reward(**columns)
    return [p if t == "coding" else None for p, t in zip(paid, task, strict=True)]


judges = [grpo_lite.math_reward, coding_reward]
misspelt = grpo_lite.score_completions(judges, **two_tasks)
table(misspelt)

# %% [markdown]
# Nothing, and nobody is told. The data says `"code"`, the function waits for `"coding"`, and so it returns `None` for every row. An advantage of 0 is no push at all. (The others are 0.7070 and not $1/\sqrt2 = 0.7071$, for a small constant, 0.0001, is added to the spread.) The run goes on, the math reward may rise, and half of the data is dead. (TRL warns of rows that no function judges. If another function judges them, it is silent too.)
#
# The repair is one word. The protection is one line: a column that is nan from top to bottom never judged anything.

# %% tags=["result-never-judged"]
print(misspelt.isnan().all(dim=0), scores.isnan().all(dim=0))

# %% [markdown]
# ## Break it: attack the judge of programs
#
# Two more rewards for *Write add(a, b)*, written in good faith. Attack them as in lesson [Rewards](https://grpo-lite.github.io/grpo-lite/lessons/rewards/), before you read on.


# %%
def execute(text):  # run the program, look at what it returns
    space = {}
    exec(extract_program(text), space)
    return float(space["add"](2, 3) == 5)


def one_test(text):  # the same in the sandbox
    return grpo_lite.code_reward([text], tests=[tests[:1]], entry_point=["add"])[0]


hacks = {
    execute: fenced(
        "class Yes:\n    def __eq__(self, other): return True\n"
        "def add(a, b): return Yes()"
    ),
    one_test: fenced("def add(a, b): return 5"),
}

# %% [markdown]
# - *execute*: the program hands back an object, and that object is asked whether it equals 5. (We wrote this program ourselves, so it may run here. A model's may not.)
# - *one_test*: nothing is wrong with the checker. A constant passes a single test.
#
# The repairs: compare outside, and test more.

# %% tags=["result-two-hacks"]
both = {"tests": [tests] * 2, "entry_point": ["add"] * 2}
after = [
    grpo_lite.code_reward([hack, fenced(right)], **both) for hack in hacks.values()
]
plotting.table(
    {
        "reward": [hole.__name__ for hole in hacks],
        "hack": [hole(hack) for hole, hack in hacks.items()],
        "hack, repaired": [pay[0] for pay in after],
        "honest, repaired": [pay[1] for pay in after],
    },
    decimals=0,
)

# %% [markdown]
# ## How it is written
#
# Beside the reward for being right, people pay small amounts for how an answer is written, to steer it. None of these functions knows what is right, so each can be earned without solving anything.
#
# **Tags, one by one.** `format_reward` pays nothing before all is in place. A model that never hits the whole form by chance finds it in quarters.

# %% tags=["define-tag_count_reward"]
TAGS = ("<think>", "</think>", "<answer>", "</answer>")


def tag_count_reward(completions, **columns):
    return [sum(text.count(tag) == 1 for tag in TAGS) / 4 for text in completions]


# %% [markdown]
# **Repetition.** Of all sequences of $n$ tokens in a row, the share that stood there before costs points. The tokens come as numbers, in the column `completion_ids`. The function has settings, so we write a function that makes the function.


# %% tags=["define-repetition_penalty_reward"]
def repetition_penalty_reward(ngram_size=3, max_penalty=-1.0):
    def repeated(ids):
        starts = range(len(ids) - ngram_size + 1)
        runs = [tuple(ids[i : i + ngram_size]) for i in starts]
        return 1 - len(set(runs)) / len(runs) if runs else 0.0

    def reward(completions, completion_ids, **columns):
        return [max_penalty * repeated(ids) for ids in completion_ids]

    return reward


# %% [markdown]
# **One language.** The share of the letters of the thinking that belong to one script. Unicode gives nearly every letter a name that begins with its script. (DeepSeek-R1 pays the share of words in the language. A script is less than that: it cannot tell English from French.)


# %% tags=["define-language_consistency_reward"]
def language_consistency_reward(script):
    def share(text):
        thought, closed, rest = text.rpartition("</think>")
        letters = re.sub("</?(think|answer)>", "", thought if closed else rest)
        names = [unicodedata.name(char, "") for char in letters if char.isalpha()]
        mine = sum(name.split(" ")[0] == script for name in names)
        return mine / max(len(names), 1)

    def reward(completions, **columns):
        return [share(completion) for completion in completions]

    return reward


# %% [markdown]
# Four texts, with characters as tokens.
#
# **Predict.** Which of them earns most?

# %% tags=["same-tag_count_reward", "same-repetition_penalty_reward", "same-language_consistency_reward", "result-shaping"]
shaped = {
    "honest": r"<think>3 + 4 = 7</think><answer>\boxed{7}</answer>",
    "empty": "<think>a</think><answer></answer>",
    "loop": "<think>" + " seven" * 20,
    "mixed": "<think>three и четыре</think><answer>7</answer>",
}
texts = list(shaped.values())
columns = {"completions": texts, "completion_ids": [list(map(ord, t)) for t in texts]}
ours = [
    tag_count_reward,
    repetition_penalty_reward(8),
    language_consistency_reward("LATIN"),
]
packaged = [
    grpo_lite.tag_count_reward,
    grpo_lite.repetition_penalty_reward(8),
    grpo_lite.language_consistency_reward("LATIN"),
]
pay = [reward(**columns) for reward in packaged]
assert pay == [reward(**columns) for reward in ours]
by_text = dict(zip(shaped, zip(*pay, strict=True), strict=True))
plotting.table({"reward": ["tags", "repetition", "language"], **by_text})

# %% [markdown]
# *empty*, with 2.00; *honest* has 1.00. It has all the tags, does not repeat itself, and its one thought is a Latin letter. *honest* thinks in digits, which belong to no script. So read what the model writes for such functions, and do not rely on a small weight: where all answers are wrong, dividing by the spread gives it back (lesson [Rewards](https://grpo-lite.github.io/grpo-lite/lessons/rewards/#what-a-weight-does)).
#
# ## Exercises
#
# **1. Two tests are few.** *Easy, 10 minutes.* Write a program that passes both tests of `add` and does not add. Then write a third test that it fails. Is there a list of tests that no such program passes?

# %%
# Your turn.

# %% tags=["solution", "result-solution-tests"]
fake = "def add(a, b):\n    return 5 if b == 3 else 0"
third = {"args": [10, 7], "expected": 17}
for some in (tests, [*tests, third]):
    print(run_program(fake, "add", some).status)

# %% [markdown] tags=["solution"]
# A table of the expected values passes any list that the model can learn by heart. So the inputs should be many, and drawn anew from a solution that you trust; what is asked again and again is memorised.

# %% [markdown]
# **2. Half a point.** *Medium, 10 minutes.* With `partial_credit=True` a program earns the share of its tests. Four programs for one prompt: right, half right, a constant 5, and the endless one. What are their rewards and advantages with and without it? When does it help, and what does it pay for?

# %%
# Your turn.

# %% tags=["solution", "result-solution-partial"]
four = [programs[name] for name in ("right", "half right", "endless")]
texts = [fenced(code) for code in (*four[:2], "def add(a, b): return 5", four[2])]
columns = {"program": ["right", "half right", "constant 5", "endless"]}
for name, partial in {"all or nothing": False, "share of tests": True}.items():
    paid = grpo_lite.code_reward(
        texts, tests=[tests] * 4, entry_point=["add"] * 4, partial_credit=partial
    )
    columns[name] = paid
    columns[f"{name}: advantage"] = grpo_lite.group_advantages(torch.tensor(paid), 4)
plotting.table(columns)

# %% [markdown] tags=["solution"]
# It helps where no program passes everything: then the group differs at last. It also pays a constant as much as an honest half, and here both stand at the mean, so neither is pushed.

# %% [markdown]
# ## What to remember
#
# > **Remember.** Compare answers as mathematics, in another process and with a limit. Run programs in a sandbox, compare outside of it, and test enough. `None` is for what a function cannot judge; a column that is nan from top to bottom never judged anything. What is paid for how it is written can be earned without solving anything.
#
# Rewards by rules for mathematics, tests of code and one language: [DeepSeek-R1 (arXiv:2501.12948)](https://arxiv.org/abs/2501.12948). The penalty for repetition: [Yeo et al. (arXiv:2502.03373)](https://arxiv.org/abs/2502.03373). [What counts as equal](../docs/answers.md) has the rules of `math_reward`.
#
# **From here:** [What matters](https://grpo-lite.github.io/grpo-lite/lessons/what_matters/) compares settings. [When rewards lie](https://grpo-lite.github.io/grpo-lite/lessons/when_rewards_lie/) trains on rewards with holes.
