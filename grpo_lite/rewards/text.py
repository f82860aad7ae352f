r"""Rewards that look at the text alone: its length, its form, what stands in its box or its blocks."""

import math
import re
import reprlib
import textwrap
from collections.abc import Sequence
from decimal import Decimal
from numbers import Rational, Real

from grpo_lite.rewards.protocol import Completion, check_column, texts

TAGS = ["<think>", "</think>", "<answer>", "</answer>"]
TAG = re.compile(r"(</?(?:think|answer)>)")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_BEGIN = r"[ \t]*(?:(?:[-*+>]|[0-9]+[.)])[ \t]+)?"  # of a line, in a list or a quotation too
# A line that opens a block: where it begins, the marks, the language.
_FENCE = re.compile(r"(?m)^(" + _BEGIN + r")(`{3,}|~{3,})[ \t]*\{?\.?([\w+#-]*)[^`\n]*$")
_PYTHON = ("python", "python3", "py", "py3")


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

    Source: the first example of TRL's GRPO documentation. Built in lesson "Rewards".

    Example:
        >>> length_reward([" blue.", [{"role": "assistant", "content": " in the sky."}]])
        [6.0, 12.0]
    """
    return [float(len(text)) for text in texts(completions)]


def format_reward(completions: Sequence[Completion], *, prefill: str = "", **columns) -> list[float]:
    r"""Pay 1 for `<think>...</think><answer>...</answer>` and nothing else.

    Newlines may stand inside the tags and white space around them. Each tag stands exactly once, neither part is blank,
    and nothing else stands outside. `explain_format` says what is amiss.

    Args:
        completions: strings or chat lists.
        prefill: what the chat template has written of the answer, such as "<think>\n" (DeepSeek-R1, Qwen3's thinking
            models), and the model never writes; judged as a part of it. It is given with
            `functools.partial(format_reward, prefill="<think>\n")`.
        columns: ignored.

    Returns:
        1.0 or 0.0 a completion. It says nothing about whether the answer is right.

    Raises:
        ValueError: a completion is neither a string nor a chat list, or `prefill` is no text.

    Source: the format reward of DeepSeek-R1 (arXiv:2501.12948). Built in lesson "Rewards".

    Example:
        >>> format_reward(["<think>3 + 4\n= 7</think>\n<answer>7</answer>", "<answer>7</answer>"])
        [1.0, 0.0]
    """
    return [float(explain_format(text, prefill=prefill) == "") for text in texts(completions)]


def explain_format(text: str, *, prefill: str = "") -> str:
    """Say in a sentence why a completion does not have the form of `format_reward`, and nothing if it has.

    Example:
        >>> explain_format("7</think><answer>7</answer>", prefill="<think>")
        ''
        >>> explain_format("<think>7</think> So <answer>7</answer>")
        "outside of the tags stands text: 'So'"
    """
    if not isinstance(text, str) or not isinstance(prefill, str):
        raise ValueError(f"text and prefill must be texts, got {reprlib.repr(text)} and {reprlib.repr(prefill)}")
    # Cut at the tags rather than matched as a whole: a lazy pattern takes quadratic time on tags that repeat.
    parts = TAG.split(prefill + text)
    if parts[1::2] != TAGS:
        found = " ".join(parts[1:12:2]) + (" ..." if len(parts) > 13 else "") or "none"
        return f"the tags must be {' '.join(TAGS)}, each once and in this order, got {found}"
    before, thought, between, answer, after = parts[::2]
    if not thought.strip() or not answer.strip():
        return f"between {'<think> and </think>' if not thought.strip() else '<answer> and </answer>'} stands nothing"
    outside = (before + between + after).strip()
    return f"outside of the tags stands text: {reprlib.repr(outside)}" if outside else ""


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

    Source: the accuracy reward of DeepSeek-R1 (arXiv:2501.12948). Built in lesson "Rewards".

    Example:
        >>> boxed_reward([r"So \boxed{\frac{1}{2}}.", r"\boxed{2.0}", r"\boxed{3}"], [r"\frac{1}{2}", "2", "4"])
        [1.0, 1.0, 0.0]
    """
    check_column("ground_truth", ground_truth, completions)
    boxes = [last_box(text) for text in texts(completions)]
    return [
        None if truth is None else float(_same_answer(box, as_text(truth)))
        for box, truth in zip(boxes, ground_truth, strict=True)
    ]


def after_thinking(text: str) -> str:
    """Return what stands after the last `</think>`, "" if a `<think>` is still open."""
    said = text.rpartition("</think>")[2]
    return "" if "<think>" in said else said


def extract_program(text: str, entry_point: str | None = None) -> str | None:
    r"""Return the block of a completion that is the program.

    A block begins at a line such as `` ```python `` or `~~~py`, also in a list, and ends at the same marks, or with the
    text. Blocks in Python count, and if there are none, those that name no language. Of several it is the last one that
    defines the entry point, or else the last. What was thought does not count (`after_thinking`).

    Args:
        text: a completion.
        entry_point: the name of the function or class that the program must define, None if any program will do.

    Returns:
        The program; None if there is no block.

    Example:
        >>> extract_program("<think>x</think>So:\n```python\none = abs\n```\nas in\n```py\none(1)\n```", "one")
        'one = abs'
    """
    blocks = _blocks(after_thinking(text))
    named = [code for language, code in blocks if language in _PYTHON]
    candidates = named or [code for language, code in blocks if not language]
    name = re.escape(re.split(r"[(.]", entry_point or "")[0])
    defines = re.compile(rf"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+{name}\b|^{name}[ \t]*[:=]", re.MULTILINE)
    return next(filter(defines.search, candidates[::-1] if name else []), candidates[-1] if candidates else None)


def _blocks(text: str) -> list[tuple[str, str]]:
    """Return language and content of each block."""
    text = text.replace("\r\n", "\n")
    blocks, end = [], 0
    while opening := _FENCE.search(text, end):
        begin, marks, deepest = opening.end() + 1, opening[2], len(opening[1]) + 3  # further in is part of the program
        closing = re.compile(rf"\n({_BEGIN}){marks[0]}{{{len(marks)},}}[^\S\n]*$|\Z", re.MULTILINE)
        closings = (found for found in closing.finditer(text, opening.end()) if len(found[1] or "") <= deepest)
        start, end = next(closings).span()
        blocks.append((opening[3].lower(), textwrap.dedent(text[begin:start])))
    return blocks


def last_box(text: str) -> str:
    r"""Return what stands in the last `\boxed{...}`, "" if there is none or it is not closed."""
    _, opened, rest = text.rpartition(r"\boxed{")
    depth = 1
    for brace in re.finditer(r"\\.|[{}]", rest if opened else "", re.DOTALL):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)  # a brace behind a backslash is text, as in a set
        if depth == 0:
            return rest[: brace.start()]
    return ""


def as_text(truth: object) -> str:
    """Write a truth as text: 2.5 as "2.5", a text as it is."""
    if isinstance(truth, str):
        return truth
    try:
        if isinstance(truth, Rational) and not isinstance(truth, bool):  # an int, a Fraction
            return str(truth)
        if isinstance(truth, Real) and not isinstance(truth, bool) and math.isfinite(truth):
            return format(Decimal(str(truth)), "f")
        got = reprlib.repr(truth)
    except ValueError:
        got = "a number of more than 4,300 digits, which Python does not write: give it as text"
    raise ValueError(f"ground_truth must hold texts, finite numbers or None, got {got}")


def _same_answer(answer: str, truth: str) -> bool:
    answer, truth = " ".join(answer.split()), " ".join(truth.split())
    if _NUMBER.fullmatch(answer) and _NUMBER.fullmatch(truth):
        return Decimal(answer) == Decimal(truth)
    return answer == truth != ""
