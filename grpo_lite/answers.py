r"""Which part of a completion is its answer, and whether that answer is right: the two halves of `math_reward`.

What a model writes may be 9^9^9^9, or brackets nested until a parser gives up. So it is read in a worker: a process
without the user's data and environment, which may be ended at any answer and is then started again.
"""

import re
from pathlib import Path

from grpo_lite._checks import check_installed
from grpo_lite._worker import Worker

_WORKER = Worker(Path(__file__).with_name("_answers_worker.py"))
_SECONDS = 60.0  # the worker stops an answer after 2 s of CPU time; this is for a machine that stands still


def final_answer(text: str) -> str:
    r"""Return the text of the one place that counts as the answer, "" if there is none.

    What was thought does not count: only text after the last `</think>` is read, and none if a `<think>` is still
    open. There the last `\boxed{...}` is the answer or, if there is no box, the last `<answer>...</answer>`.

    Example:
        >>> final_answer(r"<think>\boxed{3}, no</think>So \boxed{5} or rather \boxed{4}.")
        '4'
    """
    text = after_thinking(text)
    if r"\boxed{" in text:
        return last_box(text)
    opened, rest = text.rpartition("<answer>")[1:]
    answer, closed, _ = rest.partition("</answer>")
    return answer if opened and closed else ""


def after_thinking(text: str) -> str:
    """Return what stands after the last `</think>`, "" if a `<think>` is still open."""
    said = text.rpartition("</think>")[2]
    return "" if "<think>" in said else said


def last_box(text: str) -> str:
    r"""Return what stands in the last `\boxed{...}`, "" if there is none or it is not closed."""
    _, opened, rest = text.rpartition(r"\boxed{")
    depth = 1
    for brace in re.finditer(r"\\.|[{}]", rest if opened else "", re.DOTALL):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)  # a brace behind a backslash is text, as in a set
        if depth == 0:
            return rest[: brace.start()]
    return ""


def judge_answer(truth: str, answer: str) -> float | None:
    """Return 1.0 if the answer equals the truth as mathematics, 0.0 if not, None if the truth is not mathematics."""
    check_installed("math_verify", 'math_reward needs math-verify: pip install "grpo-lite[rewards]"')
    for text in (answer, answer, ""):  # once more, if something else ended the worker; then the truth alone
        if (verdict := _WORKER.ask([truth, text], _SECONDS)) is not None:
            return verdict["reward"]
    return None
