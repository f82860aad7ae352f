r"""Rewards: plain functions that read a completion and return a number.

They follow TRL's protocol, so the same function can be handed to TRL's `GRPOTrainer`: a reward function is called with
keywords (`prompts`, `completions` and every further column of the data set, each a list with one entry a completion)
and returns a list with one number a completion, or None where it cannot judge. A completion is a string or, in chat
form, a list of messages whose last one is read.
"""

import math
import re
import reprlib
import warnings
from collections.abc import Callable, Sequence
from decimal import Decimal
from numbers import Real

import torch
from jaxtyping import Float
from torch import Tensor

from grpo_lite._checks import check_float, check_rank, widen
from grpo_lite.answers import final_answer, judge_answer, last_box
from grpo_lite.sandbox import check_settings, extract_program, run_program

RewardFunc = Callable[..., list[float | None]]
Completion = str | list[dict]

_TAG = re.compile(r"(</?(?:think|answer)>)")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")


def length_reward(completions: Sequence[Completion], **columns) -> list[float]:
    """Pay one point a character.

    The simplest reward there is, and the one to hack: a model paid for length writes more, not better. It is here to
    be watched, not to be used.

    Args:
        completions: strings or chat lists.
        columns: ignored.

    Returns:
        The number of characters, at least 0. An empty completion gets 0.

    Raises:
        ValueError: a completion is neither a string nor a chat list.

    Source: the first example of TRL's GRPO documentation. Built in notebook 02.

    Example:
        >>> length_reward([" blue.", [{"role": "assistant", "content": " in the sky."}]])
        [6.0, 12.0]
    """
    return [float(len(text)) for text in _texts(completions)]


def format_reward(completions: Sequence[Completion], **columns) -> list[float]:
    r"""Pay 1 for `<think>...</think><answer>...</answer>` and nothing else.

    The whole completion must have this form. Newlines may stand inside the tags and white space around them. Each tag
    stands exactly once, neither part is blank, and nothing follows the answer.

    Args:
        completions: strings or chat lists.
        columns: ignored.

    Returns:
        1.0 or 0.0 a completion. It says nothing about whether the answer is right.

    Raises:
        ValueError: a completion is neither a string nor a chat list.

    Source: the format reward of DeepSeek-R1 (arXiv:2501.12948). Built in notebook 02.

    Example:
        >>> format_reward(["<think>3 + 4\n= 7</think>\n<answer>7</answer>", "<answer>7</answer>"])
        [1.0, 0.0]
    """
    return [float(_is_well_formed(text)) for text in _texts(completions)]


def boxed_reward(completions: Sequence[Completion], ground_truth: Sequence, **columns) -> list[float | None]:
    r"""Pay 1 if the last `\boxed{...}` holds the right answer.

    The last box counts, as that is where a solution ends; braces may nest, as in `\boxed{\frac{1}{2}}`. White space
    around the answer does not matter, and two plain decimal numbers are compared as numbers (2.0 is 2). Nothing else is
    interpreted: 1/2 and 0.5 differ.

    Args:
        completions: strings or chat lists.
        ground_truth: the right answer of each completion, as text or number; None where there is none.
        columns: ignored.

    Returns:
        1.0 or 0.0 a completion, None where the truth is None. A missing, empty or unclosed last box is 0.0, also when
        the truth is an empty text.

    Raises:
        ValueError: the number of truths differs from the number of completions, a truth is neither text nor number, or
            a completion is neither a string nor a chat list.

    Source: the accuracy reward of DeepSeek-R1 (arXiv:2501.12948). Built in notebook 02.

    Example:
        >>> boxed_reward([r"So \boxed{\frac{1}{2}}.", r"\boxed{2.0}", r"\boxed{3}"], [r"\frac{1}{2}", "2", "4"])
        [1.0, 1.0, 0.0]
    """
    _check_column("ground_truth", ground_truth, completions)
    boxes = [last_box(text) for text in _texts(completions)]
    return [
        None if truth is None else float(_same_answer(box, _as_text(truth)))
        for box, truth in zip(boxes, ground_truth, strict=True)
    ]


def math_reward(completions: Sequence[Completion], ground_truth: Sequence, **columns) -> list[float | None]:
    r"""Pay 1 if the answer equals the truth as mathematics: 1/2 is `\frac{1}{2}`, 0.5 and 50%.

    One place counts as the answer: after the thinking, the last `\boxed{...}` or, if there is no box, the last
    `<answer>...</answer>`. It may be LaTeX or plain text. In sets the order does not matter; (1, 2), [1, 2] and
    {1, 2} differ. A unit or a percent sign may be left out or added (50 for 50%), another unit is wrong. Decimals may
    be rounded after the sixth place: 0.333333 is 1/3, 0.33 is not. "7 or 8" is a set of two and earns nothing unless
    the truth is that set.

    An answer is a result: what is still to be worked out, such as 12*13, 312/2 or $\sqrt{4}$, earns nothing, unless
    the truth is written so too. For a truth with variables any equal form counts, so $(x+1)^2$ earns the reward of
    an expansion.

    A worker process reads the texts, since a model may write 9^9^9^9: an answer has 2 seconds of CPU time. Repeating
    decimals, sets with a condition and 1e5 cannot be read. Units are compared by name, so 1 m is not 100 cm, and names
    without regard to case, so X is x.

    Args:
        completions: strings or chat lists.
        ground_truth: the right answer of each completion, as text or number; None where there is none.
        columns: ignored.

    Returns:
        1.0 or 0.0 a completion, None where the truth is None or cannot be read; for the latter there is a warning.

    Raises:
        ValueError: the number of truths differs from the number of completions, a truth is neither text nor number, or
            a completion is neither a string nor a chat list.
        ImportError: `math-verify` is not installed.

    Source: `math-verify`; the accuracy reward of DeepSeek-R1 (arXiv:2501.12948). Used in notebook 02.

    Example:
        >>> math_reward([r"So \boxed{0.5}.", "<answer>1 or 2</answer>", r"\boxed{12*13}"], [r"\frac{1}{2}", 2, 156])
        [1.0, 0.0, 0.0]
    """
    _check_column("ground_truth", ground_truth, completions)
    answers = [final_answer(text) for text in _texts(completions)]
    truths = [None if truth is None else _as_text(truth) for truth in ground_truth]
    rewards = [
        None if truth is None else judge_answer(truth, answer) for truth, answer in zip(truths, answers, strict=True)
    ]
    unread = {
        truth: None for truth, reward in zip(truths, rewards, strict=True) if reward is None and truth is not None
    }
    if unread:
        warnings.warn(
            f"math_reward cannot read ground_truth {', '.join(map(reprlib.repr, unread))}: the reward is None there",
            stacklevel=2,
        )
    return rewards


def code_reward(
    completions: Sequence[Completion],
    tests: Sequence,
    entry_point: Sequence,
    *,
    partial_credit: bool = False,
    interpreter: str = "monty",
    seconds: float = 1.0,
    **columns,
) -> list[float | None]:
    r"""Pay 1 if the last Python block of a completion passes all its tests.

    The block stands after the thinking, between a line "```python" and a line "```". Its program runs in a sandbox,
    never in this process. `grpo_lite.sandbox.run_program` says how, says which values count as the same, and gives the
    reason for a reward.

    A program that needs what the sandbox lacks, such as a generator function or `import heapq`, cannot be judged and
    gets None. It earns nothing that way but loses nothing either, and a model may learn to write such programs: watch
    how many there are, or set `interpreter="cpython"`, which is slower and weaker.

    A setting is given with `functools.partial(code_reward, partial_credit=True)`.

    Args:
        completions: strings or chat lists.
        tests: for each completion a list of cases `{"args": [...], "expected": ...}`, or the same as JSON text, which
            is the form that survives a data set whose rows hold different types; None where there is no test.
        entry_point: for each completion the name of the function to call; None where there is no test.
        partial_credit: pay the share of the tests that pass instead of all or nothing. A constant that is right now
            and then earns something too.
        interpreter: "monty", or "cpython" for the weaker one that runs the whole language.
        seconds: the limit of time for a program with all its tests, above 0.
        columns: ignored.

    Returns:
        1.0 or 0.0 a completion, or the share of tests passed; None where there is no test or the program cannot be
        judged. No block, or a last one that is not closed, is 0.0.

    Raises:
        ValueError: tests or entry points that are not one for each completion or not of this form, an unknown
            interpreter, a time limit that is not positive, or a completion that is neither a string nor a chat list.
        ImportError: `pydantic-monty` is not installed.

    Source: rewards from running tests, DeepSeek-R1 (arXiv:2501.12948). Used in notebook 02.

    Example:
        >>> text = "```python\ndef double(x):\n    return 2 * x\n```"
        >>> tests = '[{"args": [2], "expected": 4}, {"args": ["a"], "expected": "aa"}]'
        >>> code_reward([text, "It is 4."], tests=[tests, tests], entry_point=["double", "double"])
        [1.0, 0.0]
    """
    _check_column("tests", tests, completions)
    _check_column("entry_point", entry_point, completions)
    check_settings(interpreter, seconds)

    def judge(text: str, cases, name) -> float | None:
        program = extract_program(text)
        if cases is None or program is None:
            return None if cases is None else 0.0
        result = run_program(program, name, cases, interpreter=interpreter, seconds=seconds)
        paid = result.passed if partial_credit else float(result.status == "ok")
        return None if result.status == "unsupported" else paid

    return [judge(*row) for row in zip(_texts(completions), tests, entry_point, strict=True)]


def score_completions(
    reward_funcs: RewardFunc | Sequence[RewardFunc], prompts: Sequence, completions: Sequence[Completion], **columns
) -> Float[Tensor, "B K"]:
    r"""Ask every reward function about every completion.

    Args:
        reward_funcs: one reward function or several.
        prompts: one a completion (a group repeats its prompt).
        completions: strings or chat lists.
        columns: further columns of the data set, such as `ground_truth`, one entry a completion.

    Returns:
        One row a completion, one column a function, float32; nan where a function returned None.

    Raises:
        ValueError: no function, no completion, a column of another length, or a function that returns the wrong number
            of values or something that is neither a finite number nor None (the message names the function).

    Source: the reward protocol of TRL's GRPOTrainer. Built in notebook 02.

    Example:
        >>> completions = [r"\boxed{2}", "two"]
        >>> score_completions([length_reward, boxed_reward], ["1+1="] * 2, completions, ground_truth=["2", "2"])
        tensor([[9., 1.],
                [3., 0.]])
    """
    reward_funcs = [reward_funcs] if callable(reward_funcs) else list(reward_funcs)
    if not reward_funcs or len(completions) == 0:
        raise ValueError(
            f"need at least one reward function and one completion, got {len(reward_funcs)} and {len(completions)}"
        )
    for name, column in {"completions": completions, "prompts": prompts, **columns}.items():
        _check_column(name, column, completions)
    scores = []
    for reward_func in reward_funcs:
        values = reward_func(prompts=prompts, completions=completions, **columns)
        scores.append(_checked_values(reward_func, values, len(completions)))
    return torch.tensor(scores, dtype=torch.float32).T


def combine_rewards(rewards: Float[Tensor, "B K"], weights: Sequence[float] | None = None) -> Float[Tensor, "B"]:
    r"""Add up the reward functions: $r_i = \sum_k w_k R_{ik}$.

    TRL's rules: a nan (a function that could not judge) counts as 0; a row in which no function could judge stays nan,
    and `group_advantages` leaves it out.

    Args:
        rewards: one row a completion, one column a function, from `score_completions`.
        weights: one finite number a function, of any sign; None weighs all by 1.

    Returns:
        One reward a completion, in at least float32.

    Raises:
        ValueError: rewards are not a floating-point matrix or infinite, or the weights are not one finite number a
            function.

    Source: TRL's GRPOTrainer, `reward_weights`. Built in notebook 02.

    Example:
        >>> nan = float("nan")
        >>> combine_rewards(torch.tensor([[1.0, 0.5], [nan, 1.0], [nan, nan]]), weights=[1.0, 2.0])
        tensor([2., 2., nan])
    """
    check_float("rewards", rewards)
    check_rank("rewards", rewards, "B K")
    if rewards.numel() == 0:
        raise ValueError(
            f"rewards must hold at least one completion and one reward function, got shape {list(rewards.shape)}"
        )
    if rewards.isinf().any():
        raise ValueError("rewards must be finite (or nan for None), got inf")
    w = [1.0] * rewards.shape[1] if weights is None else list(weights)
    if len(w) != rewards.shape[1] or not all(_is_finite(weight) for weight in w):
        raise ValueError(
            f"weights must be one finite number for each of the {rewards.shape[1]} reward functions, got {weights}"
        )
    rewards = widen(rewards)
    total = (rewards * rewards.new_tensor([float(weight) for weight in w])).nansum(dim=1)
    return torch.where(rewards.isnan().all(dim=1), torch.nan, total)


def name_of(reward_func: RewardFunc) -> str:
    """Name a reward function; one that was given settings by `functools.partial` has the name of the one within."""
    reward_func = getattr(reward_func, "func", reward_func)
    return getattr(reward_func, "__name__", type(reward_func).__name__)


def _texts(completions: Sequence[Completion]) -> list[str]:
    _check_list(completions)
    return [_text(completion) for completion in completions]


def _check_list(completions: Sequence[Completion]) -> None:
    if isinstance(completions, str):
        raise ValueError("completions must be a list with one entry a completion, got a str: put it into a list")


def _text(completion: Completion) -> str:
    text: object = completion
    if isinstance(completion, list) and completion and isinstance(completion[-1], dict):
        text = completion[-1].get("content")
    if not isinstance(text, str):
        raise ValueError(
            "a completion must be a str or a chat list [{'role': ..., 'content': ...}] with text content, "
            f"got {reprlib.repr(completion)}"
        )
    return text


def _is_well_formed(text: str) -> bool:
    # Cut at the tags rather than matched as a whole: a lazy pattern takes quadratic time on tags that repeat.
    parts = _TAG.split(text)
    if parts[1::2] != ["<think>", "</think>", "<answer>", "</answer>"]:
        return False
    before, thought, between, answer, after = parts[::2]
    return bool(thought.strip() and answer.strip()) and not (before + between + after).strip()


def _as_text(truth: object) -> str:
    if isinstance(truth, str):
        return truth
    if not _is_finite(truth):
        raise ValueError(f"ground_truth must hold texts, finite numbers or None, got {reprlib.repr(truth)}")
    return format(Decimal(str(truth)), "f")


def _same_answer(answer: str, truth: str) -> bool:
    answer, truth = " ".join(answer.split()), " ".join(truth.split())
    if _NUMBER.fullmatch(answer) and _NUMBER.fullmatch(truth):
        return Decimal(answer) == Decimal(truth)
    return answer == truth != ""


def _check_column(name: str, column: Sequence, completions: Sequence) -> None:
    _check_list(completions)  # before its letters are counted
    listed = hasattr(column, "__len__") and not isinstance(column, (str, dict))
    if not listed or len(column) != len(completions):
        got = f"{len(column)} entries" if listed else f"a {type(column).__name__}"
        raise ValueError(f"{name} must be a list with one entry a completion ({len(completions)}), got {got}")


def _checked_values(reward_func: RewardFunc, values: Sequence[float | None], n: int) -> list[float]:
    name = name_of(reward_func)
    if not isinstance(values, Sequence) or len(values) != n:
        got = f"{len(values)}" if isinstance(values, Sequence) else f"{type(values).__name__}"
        raise ValueError(f"{name} must return a list with one value a completion ({n}), got {got}")
    for value in values:
        if value is not None and not _is_finite(value):
            raise ValueError(f"{name} must return finite numbers, or None where it cannot judge, got {value!r}")
    return [math.nan if value is None else float(value) for value in values]


def _is_finite(value: object) -> bool:
    """Whether a value is a number that float32 can hold; nan is not."""
    return isinstance(value, Real) and bool(abs(value) <= torch.finfo(torch.float32).max)  # type: ignore[operator]
