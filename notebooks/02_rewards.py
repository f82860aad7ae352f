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
# # 02 Rewards
#
# A reward is a plain function: it reads a completion and returns a number. It is the only place where you say what you want, and the model will take you at your word.
#
# **Minutes:** 20 · **Needs:** [lesson 01](01_the_map.ipynb) · **Gives:** `grpo_lite.length_reward`, `grpo_lite.format_reward`, `grpo_lite.boxed_reward`, `grpo_lite.score_completions`, `grpo_lite.combine_rewards`

# %% tags=["setup"]
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic(
        "pip",
        "install -q 'grpo-lite[plot] @ git+https://github.com/grpo-lite/grpo-lite'",
    )

import re
from decimal import Decimal

import torch

import grpo_lite
from grpo_lite import plotting

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
# - *Newlines.* In a regular expression, the dot means any character except a newline. A model that thinks in more than one line gets 0, whatever else it learns. The flag `re.DOTALL` makes the dot mean every character. Between the tags, `\s*` allows white space.
# - *Junk, two answers.* `.*?` takes as little as possible, but as much as it needs to reach an `</answer>` at the very end. So it swallows whole tags on the way. We must forbid tags inside.
# - *Empty tags.* `.*?` also matches no text at all. Of all texts that are paid this one is the shortest, and a model easily finds it. We ask for text that is not blank.
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
table = [
    *group,
    *attacks.values(),
    chat,
    "",
    " <think> a </think> <answer>\nb</answer>\n",
    "<think> </think><answer>7</answer>",
]
assert format_reward(table) == grpo_lite.format_reward(table)

# %% tags=["result-format-repaired"]
format_reward(attacks.values())

# %% alt="Table of six completions and their format reward. The naive pattern is right on the plain one only; with newlines it pays 0 instead of 1, and it pays 1 instead of 0 for junk after the answer, empty tags and two answers."
completions = list(attacks.values())
plotting.token_matrix(
    torch.tensor([naive_format(completions), grpo_lite.format_reward(completions)]).T,
    rows=list(attacks),
    columns=["naive", "repaired"],
    decimals=0,
    label="format reward (points)",
    xlabel="pattern",
)

# %% [markdown]
# Compare the columns: five of six points change. What the repaired column does not say is whether the answer is right.
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
# Wrong on all six. The first one deserves a look: which text does the pattern read?

# %% tags=["result-fraction"]
re.search(r"\\boxed\{(.*?)\}", r"So \boxed{\frac{1}{2}}.").group(1)

# %% [markdown]
# It stops at the first closing brace. Regular expressions cannot count how deep braces are nested. A loop can: one up for `{`, one down for `}`, stop at zero. And because a solution ends with its answer, we read the *last* box.


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
    (r"\boxed{-7}", "7"),
    (r"\boxed{1/2}", "0.5"),
    (r"\boxed{}", ""),
    (r"\boxed{7", "7"),
    ([{"role": "assistant", "content": r"\boxed{.50}"}], 0.5),
    (r"\boxed{x  + 1}", "x+1"),
    (r"\boxed{7} \boxed{9}", "7"),
]
completions, column = zip(*table, strict=True)
assert boxed_reward(completions, column) == grpo_lite.boxed_reward(completions, column)

# %% tags=["result-boxed-repaired"]
grpo_lite.boxed_reward(texts, ground_truth=truths)

# %% [markdown]
# Five points, and none for silence. The comparison still has limits: 1/2 and 0.5 are different texts, and count as different. A reward that pays a little too rarely slows learning down; one that pays for a wrong answer teaches the wrong answer.
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
    colors={"length / 100": "clipped", "format": "reference", "boxed": "positive"},
)

# %% [markdown]
# No completion is best under all three: the one that is right and well formed is not long, and the longest is wrong. A reward is not a measurement of quality. It is an order, and the model carries it out to the letter.
#
# ## The protocol
#
# So that functions can be mixed, they all follow one protocol. It is that of TRL, a library for this kind of training, so the same functions work there.
#
# 1. A reward function is called with keywords: `prompts`, `completions`, and every further column of the data set, such as `ground_truth`.
# 2. Columns that it does not need end up in `**columns`, and it ignores them.
# 3. It returns one number a completion, or `None` where it cannot judge.
#
# Asking $K$ functions about $B$ completions gives a table with one row for each completion and one column for each function. A plain loop:

# %%
rows = []
for completion in group:
    row = []
    one = {"prompts": ["3 + 4?"], "completions": [completion], "ground_truth": ["7"]}
    for reward_func in (format_reward, boxed_reward):
        row += reward_func(**one)
    rows.append(row)
rows

# %% [markdown]
# A function may want to see the whole list at once, so we call each function once, with everything. A tensor has no `None`; it has nan, *not a number*.


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


# %% tags=["same-score_completions"]
def no_tags_no_verdict(completions, **columns):
    return [None if "<" not in completion else 1.0 for completion in completions]


for functions in (length_reward, [format_reward, no_tags_no_verdict, boxed_reward]):
    mine, packaged = (
        score(functions, prompts, group, ground_truth=truth)
        for score in (score_completions, grpo_lite.score_completions)
    )
    torch.testing.assert_close(mine, packaged, rtol=0, atol=0, equal_nan=True)

# %% [markdown]
# The packaged function also checks what comes back. A common slip is to skip the completions that one cannot judge, instead of returning `None` for them. All later rewards would then move up one place, to completions that did not earn them.


# %% tags=["result-wrong-count"]
def skips_the_hard_ones(completions, **columns):
    return [1.0 for completion in completions if "<answer>" in completion]


try:
    grpo_lite.score_completions([skips_the_hard_ones], prompts, group)
except ValueError as error:
    print(error)

# %% [markdown]
# ## One number a completion
#
# GRPO needs one reward $r_i$ for each completion $o_i$. So each function gets a weight $w_k$, and each row of the table $R$ is added up:
#
# $$r_i = \sum_{k=1}^{K} w_k R_{ik}$$
#
# By hand, for two completions and two functions, with weights 0.2 and 1:
#
# | | format | boxed | reward $r_i$ |
# |---|---|---|---|
# | $o_1$ | 1 | 1 | $0.2 \cdot 1 + 1 \cdot 1 = 1.2$ |
# | $o_2$ | 1 | 0 | $0.2 \cdot 1 + 1 \cdot 0 = 0.2$ |
#
# What if a function could not judge? TRL's rule: its nan counts as 0. Only a row in which no function could judge stays nan.
#
# **Predict.** Which two of these three rows get the same reward? (weights 0.2 and 1)
#
# | | format | boxed |
# |---|---|---|
# | $o_1$ | 1 | nan |
# | $o_2$ | 1 | 0 |
# | $o_3$ | nan | nan |


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
generator = torch.Generator().manual_seed(0)
for dtype in (torch.float32, torch.float64):
    random_scores = torch.randn(16, 3, dtype=dtype, generator=generator)
    random_scores[1::2, 0] = nan
    random_scores[0] = nan
    for weights in (None, [1.0, 0.5, -2.0]):
        mine = combine_rewards(random_scores, weights)
        packaged = grpo_lite.combine_rewards(random_scores, weights)
        torch.testing.assert_close(mine, packaged, rtol=0, atol=0, equal_nan=True)

# %% [markdown]
# ## Break it: a misspelt task
#
# A data set with two kinds of problems has a column `task`. Each reward function judges its own kind, and returns `None` for the other. Here are two prompts, two completions each: first the good one, then the bad one. (A real judge of programs runs them. Looking at the text will do here.)

# %%
two_tasks = {
    "prompts": ["What is 2 + 2?"] * 2 + ["Write a function that adds two numbers."] * 2,
    "completions": ["4", "5", "def add(a, b): return a + b", "def add(a, b): return a"],
    "task": ["math", "math", "code", "code"],
}


def math_reward(completions, task, **columns):
    pairs = zip(completions, task, strict=True)
    return [(1.0 if c == "4" else -1.0) if t == "math" else None for c, t in pairs]


def coding_reward(completions, task, **columns):
    pairs = zip(completions, task, strict=True)
    return [(1.0 if "+ b" in c else -1.0) if t == "coding" else None for c, t in pairs]


# %% [markdown]
# **Predict.** What will the model learn about programs?

# %% tags=["result-misspelt-task"]
scores = grpo_lite.score_completions([math_reward, coding_reward], **two_tasks)
rewards = grpo_lite.combine_rewards(scores)
print(scores)
print("rewards   ", rewards)
print("advantages", grpo_lite.group_advantages(rewards, num_generations=2))

# %% [markdown]
# Nothing, and nobody is told. The data says `"code"`, the function waits for `"coding"`, and so it returns `None` for every row. An advantage of 0 is no push at all. The run goes on, the math reward may rise, and half of the data is dead.
#
# The repair is one word. The protection is one line: a column that is nan from top to bottom never judged anything.


# %% tags=["result-task-repaired"]
def code_reward(completions, task, **columns):
    pairs = zip(completions, task, strict=True)
    return [(1.0 if "+ b" in c else -1.0) if t == "code" else None for c, t in pairs]


repaired = grpo_lite.score_completions([math_reward, code_reward], **two_tasks)
print("rewards     ", grpo_lite.combine_rewards(repaired))
print("never judged", scores.isnan().all(dim=0), repaired.isnan().all(dim=0))

# %% [markdown]
# ## Break it: the lost sign
#
# Which number is the answer? `\d+` finds digits, `\D*` skips what comes before them, and a minus sign is not a digit.


# %% tags=["result-lost-sign"]
def digits_reward(completions, ground_truth, **columns):
    found = [re.search(r"<answer>\D*(\d+)", text_of(c)) for c in completions]
    pairs = zip(found, ground_truth, strict=True)
    return [1.0 if m and m.group(1) == str(truth) else 0.0 for m, truth in pairs]


completion = "<think>3 - 10 = -7</think><answer>-7</answer>"
print("truth  7:", digits_reward([completion], ground_truth=[7]))
print("truth -7:", digits_reward([completion], ground_truth=[-7]))

# %% [markdown]
# The wrong answer is paid, and the right one is not. On problems with positive results nobody would notice. You repair it in exercise 1.
#
# ## Break it: paid by length
#
# Length again. What does a model do that is paid by the character? It need not think, and it need not stop.

# %% tags=["result-hack"]
hack = [*group[:3], "7 " * 60]
rewards = torch.tensor(grpo_lite.length_reward(hack))
print("rewards   ", rewards)
print("advantages", grpo_lite.group_advantages(rewards, num_generations=4))

# %% [markdown]
# The text that repeats itself has the only positive advantage, and the careful right answer is pushed down with the others. This is called **reward hacking**: the order is carried out, the wish is not. Length is here to be watched, not to be used. A reward for being right leaves less room.
#
# ## Exercises
#
# **1. Keep the sign.** Repair `digits_reward` so that -7 is read as -7. What should happen to `<answer>7 or 9</answer>`?

# %% [markdown] tags=["solution"]
# Ask that the answer is nothing but one number, sign included, and pay nothing for "7 or 9": a model that is paid for lists of guesses will write lists. `same_answer` from above already does both, so the repair is to hand it everything between the tags.


# %% tags=["solution", "result-sign-kept"]
def answer_reward(completions, ground_truth, **columns):
    tags = re.compile(r"<answer>(.+?)</answer>", re.DOTALL)
    found = [tags.search(text_of(c)) for c in completions]
    pairs = zip(found, ground_truth, strict=True)
    return [1.0 if m and same_answer(m[1], str(truth)) else 0.0 for m, truth in pairs]


both = [completion, "<answer>7 or 9</answer>"]
print("truth  7:", answer_reward(both, ground_truth=[7, 7]))
print("truth -7:", answer_reward(both, ground_truth=[-7, -7]))

# %% [markdown]
# **2. Choose a weight.** You pay format with weight $w$ and the right answer with weight 1. Here are two completions. For which $w$ does the wrong answer get more than the right one? Which $w$ would you choose, and why not 0?

# %% tags=["result-two-to-weigh"]
pair = [r"It is \boxed{7}.", r"<think>3 + 4 = 9</think><answer>\boxed{9}</answer>"]
both = [format_reward, boxed_reward]
scores = grpo_lite.score_completions(both, prompts[:2], pair, ground_truth=truth[:2])
scores

# %% [markdown] tags=["solution"]
# The right one gets 1, the wrong one gets $w$. For $w > 1$ the form is worth more than the truth. Any $0 < w < 1$ keeps the order. A small weight such as 0.2 can still help at the beginning: as long as a model is never right, the second function pays only zeros, and there is nothing to learn from. The right form is easier to hit by chance.

# %% tags=["solution", "result-weights"]
for w in (0.2, 1.0, 2.0):
    print(w, grpo_lite.combine_rewards(scores, weights=[w, 1.0]))

# %% [markdown]
# **3. Find the bug.** A colleague wants to be generous: the answer counts if the truth stands in it anywhere. Write a text that is paid whichever number from 0 to 99 is the truth. Then find a truth for which the empty completion is paid.


# %%
def generous_reward(completions, ground_truth, **columns):
    pairs = zip(completions, ground_truth, strict=True)
    return [float(str(truth) in text_of(completion)) for completion, truth in pairs]


# %% [markdown] tags=["solution"]
# A list of all candidates contains every truth. And the empty text stands in every text, the empty one included: an empty truth pays for silence.

# %% tags=["solution", "result-generous"]
everything = " ".join(str(number) for number in range(100))
print(generous_reward([everything] * 3, ground_truth=[7, 42, 99]))
print(generous_reward([""], ground_truth=[""]))

# %% [markdown]
# ## What goes on from here
#
# One group, four completions, one number each.

# %% tags=["result-goes-on"]
scores = grpo_lite.score_completions(boxed_reward, prompts, group, ground_truth=truth)
grpo_lite.combine_rewards(scores)

# %% [markdown]
# These are the four rewards with which [lesson 05](05_group_advantages.ipynb) begins.
#
# ## What to remember
#
# > **Remember.** A reward function reads completions and returns one number each, or `None` where it cannot judge. Several are added up with weights. Before you train on one, attack it by hand: newlines, empty parts, two answers, a lost sign, a misspelt name. What it pays for by mistake, the model can learn.
#
# Rewards for the form and for the right answer, by rules instead of a reward model: [DeepSeek-R1 (arXiv:2501.12948)](https://arxiv.org/abs/2501.12948). The protocol is that of TRL's `GRPOTrainer`.
#
# **Next:** [lesson 03](03_sampling_a_group.ipynb) lets a model write the completions.
