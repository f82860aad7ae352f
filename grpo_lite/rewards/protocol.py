r"""The reward protocol: how reward functions are asked, and what they may answer.

It is TRL's, so the same function can be handed to TRL's `GRPOTrainer`: a reward function is called with keywords
(`prompts`, `completions` and every further column of the data set, each a list with one entry a completion) and returns
a list with one number a completion, or None where it cannot judge. A completion is a string or, in chat form, a list of
messages whose last one is read.
"""

import inspect
import math
import reprlib
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from grpo_lite._checks import is_finite

RewardFunc = Callable[..., list[float | None]]
Completion = str | list[dict]


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
        ValueError: no function, no completion, a column of another length, or a function that cannot be called with
            these columns, or returns the wrong number of values or something that is neither a finite number nor None
            (the message names the function).

    Source: the reward protocol of TRL's GRPOTrainer. Built in lesson "Rewards".

    Example:
        >>> from grpo_lite import boxed_reward, length_reward
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
    columns = {"prompts": prompts, "completions": completions, **columns}
    for name, column in columns.items():
        check_column(name, column, completions)
    scores = [_ask(reward_func, len(completions), columns) for reward_func in reward_funcs]
    return torch.tensor(scores, dtype=torch.float32).T


def _ask(reward_func: RewardFunc, n: int, columns: dict) -> list[float]:
    name, takes = name_of(reward_func), inspect.signature(reward_func)
    try:
        takes.bind(**columns)
    except TypeError as error:
        raise ValueError(
            f"{name} must take the keywords {', '.join(columns)}, got {name}{takes}: {error}; "
            f"write it as {name}(completions, **columns), with the columns that it reads before **columns"
        ) from None
    values = reward_func(**columns)
    listed = isinstance(values, Sequence) and not isinstance(values, bytes)  # which holds numbers
    if not listed or len(values) != n:
        got = f"{len(values)}" if listed else f"{type(values).__name__}"
        raise ValueError(f"{name} must return a list with one value a completion ({n}), got {got}")
    for value in values:
        if value is not None and not is_finite(value):
            raise ValueError(f"{name} must return finite numbers, or None where it cannot judge, got {value!r}")
    return [math.nan if value is None else float(value) for value in values]


def name_of(reward_func: RewardFunc) -> str:
    """Name a reward function; one that was given settings by `functools.partial` has the name of the one within."""
    reward_func = getattr(reward_func, "func", reward_func)
    return getattr(reward_func, "__name__", type(reward_func).__name__)


def check_column(name: str, column: Sequence, completions: Sequence) -> None:
    """Refuse a column that does not have one entry a completion."""
    if isinstance(completions, str):
        raise ValueError("completions must be a list with one entry a completion, got a str: put it into a list")
    listed = hasattr(column, "__len__") and not isinstance(column, (str, dict))
    if not listed or len(column) != len(completions):
        got = f"{len(column)} entries" if listed else f"a {type(column).__name__}"
        raise ValueError(f"{name} must be a list with one entry a completion ({len(completions)}), got {got}")


def texts(completions: Sequence[Completion]) -> list[str]:
    """Take the text out of each completion, a string or the last message of a chat list.

    Of a message in parts the text parts count. A message that is a tool call, or what a tool has answered, holds no
    word of the model's answer: its text is empty.
    """
    check_column("completions", completions, completions)
    return [_text(completion) for completion in completions]


def _text(completion: Completion) -> str:
    text: object = completion
    if isinstance(completion, list) and completion and isinstance(completion[-1], dict):
        message = completion[-1]
        text = message.get("content", "" if "tool_calls" in message else message)
        if text is None or message.get("role") in ("tool", "function"):
            text = ""
        elif isinstance(text, list) and all(isinstance(part, dict) for part in text):
            words = [part.get("text") for part in text]
            text = "".join(word for word in words if isinstance(word, str))
    if not isinstance(text, str):
        raise ValueError(
            "a completion must be a str or a chat list [{'role': ..., 'content': ...}] with text content, "
            f"got {reprlib.repr(completion)}"
        )
    return text
