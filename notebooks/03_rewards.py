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
# # Rewards
#
# A reward is a plain function: it reads a completion and returns a number. It is the only place where you say what you want, and the model will take you at your word.
#
# **Minutes:** 30 · **Needs:** [The map](https://grpo-lite.github.io/grpo-lite/lessons/the_map/) · **Gives:** `grpo_lite.format_reward`, `grpo_lite.math_reward`, `grpo_lite.code_reward`, `grpo_lite.score_completions`, `grpo_lite.combine_rewards`, and small rewards around them

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
from decimal import Decimal

import torch

import grpo_lite
from grpo_lite import plotting
from grpo_lite.rewards.programs import run_program
from grpo_lite.rewards.text import extract_program

plotting.use_site_style()

# %% [markdown]
# ## The question
#
# The **prompt** is *What is 3 + 4? Think first, then answer.* Suppose that a model answered it four times, with these four **completions**. The answers are 7, 9, 7 and 3.
#
# What should each of them be paid?

# %%
group = [
    r"<think>3 + 4 = 7</think><answer>\boxed{7}</answer>",
    r"<think>3 + 4 = 9</think><answer>\boxed{9}</answer>",
    r"It is \boxed{7}.",
    r"<think>Three, and then four more. Let me count again, to be sure.</think>"
    r"<answer>\boxed{3}</answer>",
]

# %% [markdown]
# Three wishes come to mind: that the answer is long and careful, that it has the form we asked for, that it is right. Each wish becomes a function that a computer can evaluate, with no model inside.
#
# **Predict.** Rank the four completions under each of the three wishes. Is there one completion that is best under all three?
#
# ## One point a character
#
# The first wish takes one line. A **reward function** gets a list of completions and returns a list with one number each. (`**columns` is explained further down.)


# %%
def naive_length(completions, **columns):
    return [float(len(completion)) for completion in completions]


naive_length(completions=group)

# %% [markdown]
# The wrong answer 3 wins. Length was meant to stand for care, and it does not.
#
# There is a second trap. Many data sets store a completion as a **chat list**: messages, each with a role and a content.
#
# **Predict.** What is the length reward of this completion?

# %% tags=["result-chat-length"]
chat = [{"role": "assistant", "content": "It is 7."}]
naive_length(completions=["It is 7.", chat])

# %% [markdown]
# One point, for one message. No error appears, because a list has a length too. So every reward function here first asks for the text.


# %%
def text_of(completion):
    return completion[-1]["content"] if isinstance(completion, list) else completion


# %% tags=["define-length_reward"]
def length_reward(completions, **columns):
    return [float(len(text_of(completion))) for completion in completions]


# %% [markdown]
# Each function that we build is compared with the packaged one on the same inputs.

# %% tags=["same-length_reward"]
table = [*group, chat, "", "two\nlines"]
assert length_reward(table) == grpo_lite.length_reward(table)

# %% [markdown]
# ## The right form
#
# The second wish: `<think>`, the reasoning, `</think>`, then `<answer>`, the answer, `</answer>`. A **regular expression** describes such a form: `.*?` stands for any text, as short as possible, `^` and `$` for start and end.


# %%
def naive_format(completions, **columns):
    form = r"^<think>.*?</think><answer>.*?</answer>$"
    return [1.0 if re.match(form, text_of(c)) else 0.0 for c in completions]


naive_format(group)

# %% [markdown]
# Right on all four: only the third has no tags. A pattern that is right on four examples is easily believed. Here are six more.
#
# **Predict.** Which of them deserve a point, and which get one?

# %%
think = "<think>3 + 4 = 7</think>"
attacks = {
    "plain": think + "<answer>7</answer>",
    "newline in think": "<think>3 + 4\n= 7</think><answer>7</answer>",
    "newline between": think + "\n<answer>7</answer>",
    "junk after answer": think + "<answer>7</answer> or 9 or 3</answer>",
    "empty tags": "<think></think><answer></answer>",
    "two answers": "<think>Hm</think><answer>9</answer>" + think + "<answer>7</answer>",
}

# %% tags=["result-format-attacks"]
for name, score in zip(attacks, naive_format(attacks.values()), strict=True):
    print(f"{name:18} {score}")

# %% [markdown]
# Only the first line is right.
#
# - *Newlines.* The dot means any character except a newline, so a model that thinks in more than one line gets 0, whatever else it learns. The flag `re.DOTALL` repairs that. Between the tags, `\s*` allows white space.
# - *Junk, two answers.* `.*?` takes as little as possible, but as much as it needs to reach an `</answer>` at the very end. So it swallows whole tags on the way. We must forbid tags inside.
# - *Empty tags.* `.*?` also matches no text at all, the shortest text that is paid, and a model easily finds it. We ask for text that is not blank.
#
# `fullmatch` says that the whole completion has this form, from the first character to the last.


# %% tags=["define-format_reward"]
def format_reward(completions, **columns):
    form = re.compile(r"\s*<think>(.+?)</think>\s*<answer>(.+?)</answer>\s*", re.DOTALL)
    tag = re.compile(r"</?(?:think|answer)>")
    rewards = []
    for completion in completions:
        match = form.fullmatch(text_of(completion))
        good = match and all(
            part.strip() and not tag.search(part) for part in match.groups()
        )
        rewards.append(1.0 if good else 0.0)
    return rewards


# %% tags=["same-format_reward"]
table = [*group, *attacks.values(), chat, " <think> a </think> <answer>\nb</answer>\n"]
assert format_reward(table) == grpo_lite.format_reward(table)

# %% tags=["result-format-repaired"]
format_reward(attacks.values())

# %% [markdown]
# Five of six points change. What the repaired points do not say is whether the answer is right.
#
# ## The right answer
#
# The third wish: the answer in `\boxed{...}` is the one in the data set, the **ground truth**. It comes as a further **column**, a list with one entry a completion.


# %%
def naive_boxed(completions, ground_truth, **columns):
    rewards = []
    for completion, truth in zip(completions, ground_truth, strict=True):
        box = re.search(r"\\boxed\{(.*?)\}", text_of(completion))
        answer = box.group(1) if box else ""
        rewards.append(float(answer == truth))
    return rewards


naive_boxed(group, ground_truth=["7"] * 4)

# %% [markdown]
# Right again, and again believed too early.
#
# **Predict.** The first five answers below are right, the last one is none at all. What does the naive reward pay?

# %%
answers = {
    "fraction": (r"So \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
    "second thought": (r"First \boxed{9}, no: \boxed{7}", "7"),
    "space": (r"\boxed{ 7 }", "7"),
    "decimal": (r"\boxed{7.0}", "7"),
    "number as truth": (r"\boxed{7}", 7),
    "no box, no truth": ("I do not know.", ""),
}
texts, truths = zip(*answers.values(), strict=True)

# %% tags=["result-boxed-attacks"]
for name, score in zip(answers, naive_boxed(texts, ground_truth=truths), strict=True):
    print(f"{name:18} {score}")

# %% [markdown]
# Wrong on all six. Of the first one the pattern reads `\frac{1`: it stops at the first closing brace. Regular expressions cannot count how deep braces are nested. A loop can: one up for `{`, one down for `}`, stop at zero. And because a solution ends with its answer, we read the *last* box.


# %%
def last_box(text):
    _, opened, rest = text.rpartition(r"\boxed{")
    depth = 1
    for end, char in enumerate(rest if opened else ""):
        depth += (char == "{") - (char == "}")
        if depth == 0:
            return rest[:end]
    return ""


# %% tags=["result-last-box"]
for text in (*texts[:2], "no box", r"\boxed{never closed"):
    print(repr(last_box(text)))

# %% [markdown]
# Then the comparison. White space around the answer does not count. Two plain numbers (a sign, digits, a decimal point) are compared as numbers, so that 7.0 is 7; `Decimal` rounds nothing away. An empty answer is never right: otherwise one broken row of the data set, with an empty truth, pays for silence.


# %%
def same_answer(answer, truth):
    number = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
    answer, truth = " ".join(answer.split()), " ".join(truth.split())
    if number.fullmatch(answer) and number.fullmatch(truth):
        return Decimal(answer) == Decimal(truth)
    return answer == truth and answer != ""


# %% tags=["define-boxed_reward"]
def boxed_reward(completions, ground_truth, **columns):
    boxes = [last_box(text_of(completion)) for completion in completions]
    return [
        float(same_answer(box, str(truth)))
        for box, truth in zip(boxes, ground_truth, strict=True)
    ]


# %% tags=["same-boxed_reward"]
table = [
    *answers.values(),
    (r"\boxed{1/2}", "0.5"),
    (chat, 0.5),
    (r"\boxed{7} \boxed{9}", "7"),
]
completions, column = zip(*table, strict=True)
assert boxed_reward(completions, column) == grpo_lite.boxed_reward(completions, column)

# %% tags=["result-boxed-repaired"]
grpo_lite.boxed_reward(texts, ground_truth=truths)

# %% [markdown]
# Five points, and none for silence.
#
# ## All three at once
#
# Now the prediction from the beginning. Here are the four completions under the three rewards.

# %% alt="Bars of the rewards of four completions. Length, in hundreds of characters, is highest for the wrong answer 3. Format is 1 for all but the third completion. Boxed is 1 for the two right answers, the first and the third."
truth = ["7"] * 4
plotting.bars(
    {
        "length / 100": [length / 100 for length in grpo_lite.length_reward(group)],
        "format": grpo_lite.format_reward(group),
        "boxed": grpo_lite.boxed_reward(group, truth),
    },
    ["7", "9", "7, no tags", "3, long"],
    ylabel="reward (points)",
    xlabel="completion",
    colors={"length / 100": "clipped", "format": "other", "boxed": "positive"},
)

# %% [markdown]
# No completion is best under all three: the one that is right and well formed is not long, and the longest is wrong. A reward is not a measurement of quality. It is an order, and the model carries it out to the letter.
#
# ## Equal as mathematics
#
# `boxed_reward` compares texts. For real problems that is too narrow: 1/2 and 0.5 are different texts. `grpo_lite.math_reward` reads both sides as mathematics, with the library [math-verify](https://github.com/huggingface/Math-Verify).
#
# **Predict.** Which of these answers would you pay?

# %% tags=["result-math-pairs"]
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
for k, (answer, true) in enumerate(pairs):
    print(f"{answer:10} {true:12} boxed {boxed[k]}  math {math[k]}")

# %% [markdown]
# The first four are right. Of the others, an open interval is not a closed one, and a list of guesses is not an answer. `3 + 4` equals 7, but it restates the question: what is still to be worked out earns nothing. And $9^{9^{9^9}}$ has more digits than any memory can hold, so the texts are read in another process, with a limit of 2 seconds.
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
# Whether a program is right, its text does not say. One has to run it, and it was written by a model that is paid for whatever passes. **Such code never runs in your own Python.** `grpo_lite.code_reward` runs it in a sandbox: a whole Python, built to compute on a memory of its own and to reach nothing else, no file and no network. What comes back is compared outside of it. (The sandbox is built on first use, in about half a minute.)
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
for (name, code), reward in zip(programs.items(), paid, strict=True):
    result = run_program(code, "add", tests)
    print(f"{name:13} {reward!s:5} {result.status:12} {result.passed}")

# %% [markdown]
# All tests or nothing; `partial_credit=True` would pay the half. The endless loop was stopped at its limit, and the file was out of reach. `True` is not 1. The reason of a verdict can be read:

# %% tags=["result-reason"]
run_program(programs["half right"], "add", tests).message

# %% [markdown]
# Many tasks ask for a program that reads and prints. Its tests hold a text to read and the text to print, and there is no function to name:

# %% tags=["result-reads-and-prints"]
adder = "a, b = map(int, input().split())\nprint(a + b)"
run_program(adder, None, [{"input": "2 3", "output": "5"}]).status

# %% [markdown]
# ## The protocol
#
# So that functions can be mixed, they all follow one protocol. It is that of TRL, a library for this kind of training, so the same functions work there.
#
# 1. A reward function is called with keywords: `prompts`, `completions`, and every further column of the data set, such as `ground_truth`.
# 2. Columns that it does not need end up in `**columns`, and it ignores them.
# 3. It returns one number a completion, or `None` where it cannot judge.
#
# Asking $K$ functions about $B$ completions gives a table with one row for each completion and one column for each function. A tensor has no `None`; it has nan, *not a number*.


# %% tags=["define-score_completions"]
def score_completions(reward_funcs, prompts, completions, **columns):
    reward_funcs = [reward_funcs] if callable(reward_funcs) else reward_funcs
    table = []
    for reward_func in reward_funcs:
        values = reward_func(prompts=prompts, completions=completions, **columns)
        table.append([float("nan") if v is None else float(v) for v in values])
    return torch.tensor(table, dtype=torch.float32).T


# %% tags=["result-scores"]
prompts = ["What is 3 + 4? Think first, then answer."] * 4
scores = score_completions(
    [format_reward, boxed_reward], prompts, group, ground_truth=truth
)
scores

# %% [markdown]
# The right column, 1, 0, 1, 0, holds the four rewards with which lesson [Group-relative advantages](https://grpo-lite.github.io/grpo-lite/lessons/group_advantages/) begins.

# %% tags=["same-score_completions"]
truths = ["7", None, "9", None]  # math_reward cannot judge without a truth
for functions in (length_reward, [length_reward, grpo_lite.math_reward]):
    mine, packaged = (
        score(functions, prompts, group, ground_truth=truths)
        for score in (score_completions, grpo_lite.score_completions)
    )
    torch.testing.assert_close(mine, packaged, rtol=0, atol=0, equal_nan=True)

# %% [markdown]
# The packaged function also refuses a list of another length. A common slip is to skip the completions that one cannot judge, instead of returning `None` for them. All later rewards would then move up one place, to completions that did not earn them.
#
# ## One number a completion
#
# GRPO needs one reward $r_i$ for each completion $o_i$. So each function gets a weight $w_k$, and each row of the table $R$ is added up:
#
# $$r_i = \sum_{k=1}^{K} w_k R_{ik}$$
#
# By hand, with weights 0.2 and 1: the points 1 and 1 make $0.2 \cdot 1 + 1 \cdot 1 = 1.2$, the points 1 and 0 make 0.2.
#
# What if a function could not judge? TRL's rule: its nan counts as 0. Only a row in which no function could judge stays nan.
#
# **Predict.** Three rows, (1, nan), (1, 0) and (nan, nan), weighted as above. Which two get the same reward?


# %% tags=["define-combine_rewards"]
def combine_rewards(rewards, weights=None):
    if weights is None:
        weights = [1.0] * rewards.shape[1]
    total = (rewards * rewards.new_tensor(weights)).nansum(dim=1)
    return torch.where(rewards.isnan().all(dim=1), torch.nan, total)


# %% tags=["result-combine"]
nan = float("nan")
by_hand = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
with_nan = torch.tensor([[1.0, nan], [1.0, 0.0], [nan, nan]])
print(combine_rewards(by_hand, weights=[0.2, 1.0]))
print(combine_rewards(with_nan, weights=[0.2, 1.0]))

# %% [markdown]
# The first two: *cannot judge* and *judged, zero points* add the same to a sum. The third row stays apart. A completion that nobody could judge is not a bad one.

# %% tags=["same-combine_rewards"]
random_scores = torch.randn(16, 3, generator=torch.Generator().manual_seed(0))
random_scores[1::2, 0] = nan
random_scores[0] = nan
for weights in (None, [1.0, 0.5, -2.0]):
    mine = combine_rewards(random_scores, weights)
    packaged = grpo_lite.combine_rewards(random_scores, weights)
    torch.testing.assert_close(mine, packaged, rtol=0, atol=0, equal_nan=True)

# %% [markdown]
# ## Two tasks in one data set
#
# A data set may hold problems of two kinds. A row of mathematics has a truth and no tests, a row of code the other way round. Each function judges where it finds its column. Two prompts, two completions each, first the good one:

# %% tags=["result-two-tasks"]
two_tasks = {
    "prompts": ["What is 2 + 2?"] * 2 + ["Write add(a, b)."] * 2,
    "completions": [r"\boxed{4}", r"\boxed{5}", fenced(right), fenced(draft)],
    "task": ["math", "math", "code", "code"],
    "ground_truth": ["4", "4", None, None],
    "tests": [None, None, tests, tests],
    "entry_point": [None, None, "add", "add"],
}


def judged(*reward_funcs):
    scores = grpo_lite.score_completions(reward_funcs, **two_tasks)
    rewards = grpo_lite.combine_rewards(scores)
    print(scores)
    print("rewards   ", rewards)
    print("advantages", grpo_lite.group_advantages(rewards, num_generations=2))
    return scores


scores = judged(grpo_lite.math_reward, grpo_lite.code_reward)

# %% [markdown]
# Each column of the table is filled on its own rows and only there, and the sum takes from each row the one judgement that it has.
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


misspelt = judged(grpo_lite.math_reward, coding_reward)

# %% [markdown]
# Nothing, and nobody is told. The data says `"code"`, the function waits for `"coding"`, and so it returns `None` for every row. An advantage of 0 is no push at all. The run goes on, the math reward may rise, and half of the data is dead.
#
# The repair is one word. The protection is one line: a column that is nan from top to bottom never judged anything.

# %% tags=["result-never-judged"]
print(misspelt.isnan().all(dim=0), scores.isnan().all(dim=0))

# %% [markdown]
# ## Break it: attack your own reward
#
# Earning a reward without doing what it was meant for is called **reward hacking**. Here are five rewards for *What is 3 + 4?* and *Write add(a, b)*. Each was written in good faith, and each has a hole.

# %%
TAGS = ("<think>", "</think>", "<answer>", "</answer>")


def search(text):  # the truth stands in the text
    return float("7" in text)


def evaluate(text, truth=7):  # 7, 7.0 and 14/2 are all right
    return float(eval(text.removeprefix("<answer>").removesuffix("</answer>")) == truth)


def execute(text):  # run the program, look at what it returns
    space = {}
    exec(extract_program(text), space)
    return float(space["add"](2, 3) == 5)


def one_test(text):  # the same in the sandbox
    return grpo_lite.code_reward([text], tests=[tests[:1]], entry_point=["add"])[0]


def count_tags(text):  # a quarter for each tag
    return sum(text.count(tag) for tag in TAGS) / 4


# %% [markdown]
# **Predict.** Attack them: for each, write a text that is paid and in which nothing was added up. Do all five before you read on.

# %%
hacks = {
    search: " ".join(str(number) for number in range(100)),
    evaluate: "<answer>truth</answer>",
    execute: fenced(
        "class Yes:\n    def __eq__(self, other): return True\n"
        "def add(a, b): return Yes()"
    ),
    one_test: fenced("def add(a, b): return 5"),
    count_tags: "<think>" * 40,
}

# %% [markdown]
# - *search*: a list of all candidates contains every truth.
# - *evaluate*: the answer is run as code, among the variables of the checker. One of them is the truth. It could as well have deleted your files.
# - *execute*: the program hands back an object, and that object is asked whether it equals 5. (We wrote this program ourselves, so it may run here. A model's may not.)
# - *one_test*: nothing is wrong with the checker. A constant passes a single test.
# - *count_tags*: what is paid by the piece is written by the piece.
#
# The repairs are at hand. Read one place and compare values; compare outside; test more; pay a tag only if it stands there once.


# %% tags=["result-five-hacks"]
def repaired(hole, text):
    if hole in (search, evaluate):
        return grpo_lite.math_reward([text], ground_truth=["7"])[0]
    if hole in (execute, one_test):
        return grpo_lite.code_reward([text], tests=[tests], entry_point=["add"])[0]
    return grpo_lite.tag_count_reward([text])[0]


print("            hack  after  honest")
for hole, hack in hacks.items():
    honest = fenced(right) if hole in (execute, one_test) else group[0]
    paid = hole(hack), repaired(hole, hack), repaired(hole, honest)
    print(f"{hole.__name__:11} {paid[0]:4} {paid[1]:6} {paid[2]:7}")

# %% [markdown]
# All five earned, the last one ten times as much as a right answer. After the repair none does, and the honest text is still paid. That third column matters: a reward that pays nobody cannot be hacked either. What a *trained* model makes of such holes is the matter of lesson [When rewards lie](https://grpo-lite.github.io/grpo-lite/lessons/when_rewards_lie/).
#
# ## Shaping
#
# Beside the reward for being right, people pay small amounts for how an answer is written, to steer it. None of these functions knows what is right, so each can be earned without solving anything.
#
# **Tags, one by one.** `format_reward` pays nothing before all is in place. A model that never hits the whole form by chance finds it in quarters.


# %% tags=["define-tag_count_reward"]
def tag_count_reward(completions, **columns):
    texts = [text_of(completion) for completion in completions]
    return [sum(text.count(tag) == 1 for tag in TAGS) / 4 for text in texts]


# %% [markdown]
# **Repetition.** Of all runs of $n$ tokens, the share that stood there before costs points. Tokens are the pieces in which a model reads and writes (lesson [Sampling a group](https://grpo-lite.github.io/grpo-lite/lessons/sampling_a_group/)); they come as numbers, in the column `completion_ids`. The function has settings, so we write a function that makes the function.


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
# **One language.** The share of the letters of the thinking that belong to one script. Unicode gives each letter a name that begins with its script.


# %% tags=["define-language_consistency_reward"]
def language_consistency_reward(script):
    def share(text):
        thought, closed, rest = text.rpartition("</think>")
        letters = re.sub("</?(think|answer)>", "", thought if closed else rest)
        names = [unicodedata.name(char, "") for char in letters if char.isalpha()]
        mine = sum(name.split(" ")[0] == script for name in names)
        return mine / max(len(names), 1)

    def reward(completions, **columns):
        return [share(text_of(completion)) for completion in completions]

    return reward


# %% [markdown]
# Four texts, with characters as tokens.
#
# **Predict.** Which of them earns most?

# %% tags=["same-tag_count_reward", "same-repetition_penalty_reward", "same-language_consistency_reward", "result-shaping"]
shaped = {
    "honest": group[0],
    "empty": "<think>a</think><answer></answer>",
    "loop": "<think>" + " seven" * 20,
    "mixed": "<think>three и четыре</think><answer>7</answer>",
}
texts = list(shaped.values())
columns = {"completions": texts, "completion_ids": [list(map(ord, t)) for t in texts]}
print(" " * 10, *(f"{name:>7}" for name in shaped))
for ours, packaged in (
    (tag_count_reward, grpo_lite.tag_count_reward),
    (repetition_penalty_reward(8), grpo_lite.repetition_penalty_reward(8)),
    (
        language_consistency_reward("LATIN"),
        grpo_lite.language_consistency_reward("LATIN"),
    ),
):
    pay = packaged(**columns)
    assert pay == ours(**columns)
    print(
        f"{packaged.__name__.split('_')[0]:10}", *(f"{points:7.2f}" for points in pay)
    )

# %% [markdown]
# *empty*: it has all the tags, does not repeat itself, and its one thought is a Latin letter. *honest* thinks in digits, which belong to no script. So keep the weights of such functions small against the reward for being right, and read what the model writes for them. A small weight rules only where some are right and some wrong. In a group without that difference, dividing by its spread gives the weight back: of eight wrong answers three have the form, and their advantages are 1.207, 1.206, 1.185 and 1.012 for weights of 1, 0.2, 0.01 and 0.001.
#
# ## Exercises
#
# **1. Keep the sign.** `\d+` finds digits, `\D*` skips what comes before them. From the answer -7 this reads a 7: the right answer is not paid, and on another problem a wrong one is. Find a better `form`. What should it make of `<answer>7 or 9</answer>`?


# %% tags=["result-lost-sign"]
def numbers_in(text, form=r"<answer>\D*(\d+)"):
    return re.findall(form, text)


minus = "<think>3 - 10 = -7</think><answer>-7</answer>"
numbers_in(minus)

# %% [markdown] tags=["solution"]
# Ask that the answer is nothing but one number, sign included. Then "7 or 9" is no number, as it should be.

# %% tags=["solution", "result-sign-kept"]
form = r"<answer>\s*([+-]?\d+)\s*</answer>"
numbers_in(minus, form), numbers_in("<answer>7 or 9</answer>", form)

# %% [markdown]
# **2. Choose a weight.** You pay format with weight $w$ and the right answer with weight 1. One completion is right and has no tags, another has the form and is wrong. For which $w$ does the wrong one get more? Which $w$ would you choose, and why not 0?

# %% [markdown] tags=["solution"]
# The right one gets 1, the wrong one $w$, more for $w > 1$. Any $0 < w < 1$ keeps the order. A small weight such as 0.2 can still help at the beginning: as long as a model is never right, the second function pays only zeros, and there is nothing to learn from. The right form is easier to hit by chance.

# %% [markdown]
# ## What to remember
#
# > **Remember.** A reward function reads completions and returns one number each, or `None` where it cannot judge. Several are added up with weights. Compare answers as mathematics, and run programs in a sandbox. Before you train on a reward, attack it by hand: newlines, empty parts, two answers, a lost sign, a misspelt name, an answer that is run. What it pays for by mistake, the model can learn.
#
# Rewards for the form, the right answer, tests of code and one language, by rules instead of a reward model: [DeepSeek-R1 (arXiv:2501.12948)](https://arxiv.org/abs/2501.12948). The penalty for repetition: [Yeo et al. (arXiv:2502.03373)](https://arxiv.org/abs/2502.03373).
#
# **From here:** [Sampling a group](https://grpo-lite.github.io/grpo-lite/lessons/sampling_a_group/) lets a model write the completions.
