r"""Which part of a completion is its answer, and whether that answer is right as mathematics.

What a model writes may be 9^9^9^9, or brackets nested until a parser gives up. So it is read in a worker: a process
without the user's data and environment, which may be ended at any answer and is then started again.
"""

import reprlib
import warnings
from collections.abc import Sequence

from grpo_lite._checks import check_installed
from grpo_lite.rewards.protocol import Completion, check_column, texts
from grpo_lite.rewards.text import after_thinking, as_text, last_box
from grpo_lite.rewards.worker import Worker

_WORKER = Worker("judge_answers.py")
_SECONDS = 60.0  # the worker stops an answer after 2 s of CPU time; this is for a machine that stands still


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

    Source: `math-verify`; the accuracy reward of DeepSeek-R1 (arXiv:2501.12948). Used in lesson "Rewards".

    Example:
        >>> math_reward([r"So \boxed{0.5}.", "<answer>1 or 2</answer>", r"\boxed{12*13}"], [r"\frac{1}{2}", 2, 156])
        [1.0, 0.0, 0.0]
    """
    check_column("ground_truth", ground_truth, completions)
    answers = [final_answer(text) for text in texts(completions)]
    truths = [None if truth is None else as_text(truth) for truth in ground_truth]
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


def judge_answer(truth: str, answer: str) -> float | None:
    """Return 1.0 if the answer equals the truth as mathematics, 0.0 if not, None if the truth is not mathematics."""
    check_installed("math_verify", "math_reward needs math-verify", "rewards")
    for text in (answer, answer, ""):  # once more, if something else ended the worker; then the truth alone
        if (verdict := _WORKER.ask([truth, text], _SECONDS)) is not None:
            return verdict["reward"]
    return None
