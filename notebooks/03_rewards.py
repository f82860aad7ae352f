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
# **Minutes:** 20 · **Needs:** [The map](https://grpo-lite.github.io/grpo-lite/lessons/the_map/) · **Gives:** `grpo_lite.length_reward`, `grpo_lite.format_reward`, `grpo_lite.boxed_reward`, `grpo_lite.score_completions`, `grpo_lite.combine_rewards`

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

# %% tags=["setup"]
# Four completions of one prompt; they are shown below the picture.
group = [
    r"<think>3 + 4 = 7</think><answer>\boxed{7}</answer>",
    r"<think>3 + 4 = 9</think><answer>\boxed{9}</answer>",
    r"It is \boxed{7}.",
    r"<think>Three, and then four more. Let me count again, to be sure.</think>"
    r"<answer>\boxed{3}</answer>",
]
truth = ["7"] * 4

# %% [markdown]
# ## The question
#
# The **prompt** is *What is 3 + 4? Think first, then answer.* A model answered it four times. What should each of these **completions** be paid? Three wishes come to mind: that the answer is long and careful, that it has the form we asked for, that it is right. Each wish becomes a **reward function**, which a computer evaluates with no model inside. Here is what three of them pay. Is one completion best under all three?

# %% tags=["drawing"] alt="Bars of the rewards of four completions. Length, in hundreds of characters, is highest for the wrong answer 3. Format is 1 for all but the third completion. Boxed is 1 for the two right answers, the first and the third." caption="The longest answer is wrong, and one right answer has no tags: three wishes, three rankings."
plotting.bars(
    {
        "length / 100": [length / 100 for length in grpo_lite.length_reward(group)],
        "format": grpo_lite.format_reward(group),
        "boxed": grpo_lite.boxed_reward(group, truth),
    },
    ["7\nright", "9\nwrong", "7, no tags\nright", "3, long\nwrong"],
    ylabel="reward (points)",
    xlabel="completion",
    colors={"length / 100": "clipped", "format": "other", "boxed": "positive"},
)

# %%
plotting.table({"completion": group})

# %% [markdown]
# No. Length was meant to stand for care, and it does not. We build these three by hand, and see how each can be misread.
#
# ## The protocol
#
# So that reward functions can be mixed, they all follow one protocol. It is that of TRL, a library for this kind of training, so the same functions work there.
#
# 1. A reward function is called with keywords: `prompts`, `completions`, and every further **column** of the data set, such as `ground_truth`, a list with one entry a completion.
# 2. Columns that it does not need end up in `**columns`, and it ignores them.
# 3. It returns a list with one number for each completion, or `None` where it cannot judge.
#
# The first wish takes one line.


# %%
def naive_length(completions, **columns):
    return [float(len(completion)) for completion in completions]


naive_length(completions=group)

# %% [markdown]
# There is a trap even here. Where prompts are chats, a completion comes as a **chat list**: messages, each with a role and a content.
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

# %% tags=["same-length_reward"] caption="points for the group, a chat, an empty text and one of two lines"
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
# Right on all four: only the third has no tags. Here are six more.
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
paid = naive_format(attacks.values())
plotting.table({"attack": list(attacks), "points": paid}, decimals=1)

# %% [markdown]
# Only the first line is right:
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


# %% tags=["same-format_reward"] caption="points for the group, the attacks, a chat and tags with spaces between"
table = [*group, *attacks.values(), chat, " <think> a </think> <answer>\nb</answer>\n"]
assert format_reward(table) == grpo_lite.format_reward(table)

# %% tags=["result-format-repaired"]
format_reward(attacks.values())

# %% [markdown]
# Five of six points change. A good text can still earn 0: an end token stands behind it, or the chat template has already written `<think>` ([what to do](../docs/questions.md#prefill)). And no point says whether the answer is right.
#
# ## The right answer
#
# The third wish: the answer in `\boxed{...}` is the one in the data set, the **ground truth**.


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
# Right again, and believed too early.
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
paid = naive_boxed(texts, ground_truth=truths)
plotting.table({"answer": list(answers), "points": paid}, decimals=1)

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


# %% tags=["same-boxed_reward"] caption="points for the answers above, two boxes, and a fraction or a chat with a decimal as the truth"
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
# Five points, and none for silence. For real problems a comparison of texts is too narrow: 1/2 and 0.5 are different texts. `grpo_lite.math_reward` compares as mathematics, and `grpo_lite.code_reward` runs programs in a sandbox; lesson [Answers and programs](https://grpo-lite.github.io/grpo-lite/lessons/answers_and_programs/) shows both.

# %% [markdown]
# **Check yourself.** A function pays 1 if the answer is right and returns 0 for rows whose truth is missing. What is wrong with that?
#
# <details class="wrong"><summary>Nothing: where nothing can be checked, nothing is paid</summary>A 0 is a judgement. Alone it pushes nobody: the completions of a group share their prompt and so its truth, and all of them get the 0. But the mean reward, and the spread where it is the batch's, count these completions as wrong answers.</details>
# <details class="right"><summary>It should return None there</summary>None says that it cannot judge. A completion that nobody could judge is then left out, and not called bad. (Beside a second function it is another matter, see further below.)</details>
# <details class="wrong"><summary>It should leave these rows out of the list</summary>Then the list is too short, and all later rewards move up to completions that did not earn them. The packaged caller refuses such a list.</details>

# %% [markdown]
# ## Break it: attack your own reward
#
# Earning a reward without doing what it was meant for is called **reward hacking**.
#
# **Try it.** First the three that you have built. **The goal:** one text with a wrong answer that all three pay in full.
#
# <attack-explorer>On the site there are three rewards to attack here.</attack-explorer>
#
# Here are three rewards for *What is 3 + 4?* Each was written in good faith, and each has a hole.

# %%
TAGS = ("<think>", "</think>", "<answer>", "</answer>")


def search(text):  # the truth stands in the text
    return float("7" in text)


def evaluate(text, truth=7):  # 7, 7.0 and 14/2 are all right
    return float(eval(text.removeprefix("<answer>").removesuffix("</answer>")) == truth)


def count_tags(text):  # a quarter for each tag
    return sum(text.count(tag) for tag in TAGS) / 4


# %% [markdown]
# **Predict.** Attack them: for each, write a text that is paid and in which nothing was added up. Do all three before you open the fold.

# %% tags=["detail"]
hacks = {
    search: " ".join(str(number) for number in range(100)),
    evaluate: "<answer>truth</answer>",
    count_tags: "<think>" * 40,
}

# %% [markdown] tags=["detail"]
# - *search*: a list of all candidates contains every truth.
# - *evaluate*: the answer is run as code, among the variables of the checker. One of them is the truth. It could as well have deleted your files.
# - *count_tags*: what is paid by the piece is written by the piece.

# %% [markdown]
# The repairs are at hand. Read one place and compare values, run nothing, and pay a tag only if it stands there once.


# %% tags=["result-three-hacks"]
def repaired(hole, text):
    if hole is count_tags:
        return grpo_lite.tag_count_reward([text])[0]
    return grpo_lite.boxed_reward([text], ground_truth=["7"])[0]


plotting.table(
    {
        "hole": [hole.__name__ for hole in hacks],
        "hack": [hole(hack) for hole, hack in hacks.items()],
        "after": [repaired(hole, hack) for hole, hack in hacks.items()],
        "honest": [repaired(hole, group[0]) for hole in hacks],
    },
    decimals=1,
)

# %% [markdown]
# All three earned, the last one ten times as much as a right answer. After the repair none does, and the honest text is still paid. That third column matters: a reward that pays nobody cannot be hacked either. What a *trained* model makes of such holes is the matter of lesson [When rewards lie](https://grpo-lite.github.io/grpo-lite/lessons/when_rewards_lie/).
#
# ## One number a completion
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


# %% tags=["same-score_completions"] caption="one function and two, the second silent about every other row; every value, nan too"
def even_rows(completions, **columns):  # cannot judge every other row
    return [None if i % 2 else 1.0 for i in range(len(completions))]


for functions in (length_reward, [length_reward, even_rows]):
    mine, packaged = (
        score(functions, prompts, group)
        for score in (score_completions, grpo_lite.score_completions)
    )
    torch.testing.assert_close(mine, packaged, rtol=0, atol=0, equal_nan=True)

# %% [markdown]
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
#
# So beware: beside a second function, `None` *is* a 0. Where the truth is missing, a judge of the answer may decline, and the form is still paid. Then the group is ranked by its form alone. A row is left out only if *every* function returns `None` for it.

# %% tags=["same-combine_rewards"] caption="16 × 3 random scores with gaps, with and without weights"
random_scores = torch.randn(16, 3, generator=torch.Generator().manual_seed(0))
random_scores[1::2, 0] = nan
random_scores[0] = nan
for weights in (None, [1.0, 0.5, -2.0]):
    mine = combine_rewards(random_scores, weights)
    packaged = grpo_lite.combine_rewards(random_scores, weights)
    torch.testing.assert_close(mine, packaged, rtol=0, atol=0, equal_nan=True)

# %% [markdown]
# ## What a weight does
#
# "The form is a small matter, so I give it a small weight." That holds where some answers of a group are right and some wrong. But GRPO divides by the group's spread. (Lesson [Group-relative advantages](https://grpo-lite.github.io/grpo-lite/lessons/group_advantages/) builds that. You may skip this section for now, and come back from there.)
#
# **Predict.** Eight answers to a hard prompt, all wrong; three of them have the form. The form weighs 1, 0.2, 0.01 or 0.001. How hard is the form pushed, compared with a weight of 1?

# %% tags=["result-weights"]
form = torch.tensor([1.0, 1, 1, 0, 0, 0, 0, 0])
none_right, one_right = torch.zeros(8), torch.tensor([0.0, 0, 0, 1, 0, 0, 0, 0])
weights = [1.0, 0.2, 0.01, 0.001]


def advantages(right):
    scores = torch.stack([form, right], dim=1)
    combined = torch.cat([combine_rewards(scores, [w, 1.0]) for w in weights])
    return grpo_lite.group_advantages(combined, 8).view(-1, 8)


wrong, mixed = advantages(none_right), advantages(one_right)
plotting.table(
    {
        "weight": weights,
        "form, none right": wrong[:, 0],
        "form, one right": mixed[:, 0],
        "right, no form": mixed[:, 3],
    },
    decimals=3,
)

# %% [markdown]
# In a group without a right answer the weight is divided away: the advantages are 1.207, 1.206, 1.185 and 1.012. Only the small number in the denominator that avoids 0/0 is felt at last. In a group with one right answer a small weight is small, as it was meant. There the wrong answers with the form get 0.000 at a weight of 0.2, which is just the mean of the group, $(3 \cdot 0.2 + 1)/8$. With less they lie below it and are pushed down.
#
# So while a model is never right, it learns the form, and *only* the form, at full speed, whatever its weight. That can be welcome: the form may be what makes right answers possible. Where it is not, leave the function out, or let it pay only together with a right answer.
#
# ## Exercises
#
# **1. Keep the sign.** *Easy, 10 minutes.* `\d+` finds digits, `\D*` skips what comes before them. From the answer -7 this reads a 7: the right answer is not paid, and on another problem a wrong one is. Find a better `form`. What should it make of `<answer>7 or 9</answer>`?


# %% tags=["result-lost-sign"]
def numbers_in(text, form=r"<answer>\D*(\d+)"):
    return re.findall(form, text)


minus = "<think>3 - 10 = -7</think><answer>-7</answer>"
numbers_in(minus)

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# Ask that the answer is nothing but one number, sign included. Then "7 or 9" is no number, as it should be.

# %% tags=["solution", "result-sign-kept"]
form = r"<answer>\s*([+-]?\d+)\s*</answer>"
numbers_in(minus, form), numbers_in("<answer>7 or 9</answer>", form)

# %% [markdown]
# **2. Only together.** *Medium, 10 minutes.* Write `form_if_right`: it pays 1 for an answer that is right and has the form, and 0 otherwise. With weights 0.2 for it and 1 for the right answer, what are the advantages of the eight wrong answers above, and of the four completions from the beginning?


# %%
# Your turn.


# %% tags=["solution", "result-solution-together"]
def form_if_right(completions, **columns):
    pairs = zip(
        format_reward(completions), boxed_reward(completions, **columns), strict=True
    )
    return [form * right for form, right in pairs]


scores = score_completions(
    [form_if_right, boxed_reward], prompts, group, ground_truth=truth
)
rewards = combine_rewards(scores, [0.2, 1.0])
print("rewards   ", rewards)
print("advantages", grpo_lite.group_advantages(rewards, 4))

# %% [markdown] tags=["solution"]
# The eight wrong ones earn 0 and 0, so all their advantages are 0. Among the four, the form still decides between the two right answers, and the two wrong ones get the same.

# %% [markdown]
# ## What to remember
#
# > **Remember.** A reward function reads completions and returns one number each, or `None` where it cannot judge. Several are added up with weights, and the group's spread divides a small weight away where nothing else differs. Before you train on a reward, attack it by hand: newlines, empty parts, two answers, a lost sign, an answer that is run. What it pays for by mistake, the model can learn.
#
# Rewards for the form and the right answer, by rules instead of a reward model: [DeepSeek-R1 (arXiv:2501.12948)](https://arxiv.org/abs/2501.12948).
#
# **From here:** [Group-relative advantages](https://grpo-lite.github.io/grpo-lite/lessons/group_advantages/) compares these rewards within their group.
