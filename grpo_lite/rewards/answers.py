r"""Which part of a completion is its answer, and whether that answer is right as mathematics.

What a model writes may be 9^9^9^9, or brackets nested until a parser gives up. So it is read in a worker: a process
without the user's data and environment, which may be ended at any answer and is then started again.
"""

import re
import reprlib
import signal
import warnings
from collections.abc import Sequence
from typing import NamedTuple

from grpo_lite._checks import check_installed
from grpo_lite.rewards.protocol import Completion, check_column, texts
from grpo_lite.rewards.text import after_thinking, as_text, last_box
from grpo_lite.rewards.worker import Worker

BOX = re.compile(r"\\(?:boxed|fbox)\s*(?:\{|([^\s${]+))")
_WORKER = Worker("judge_answers.py")
# The worker stops an answer after 2 s of CPU time, and this is for a machine that stands still; Windows has this only.
_SECONDS = 60.0 if hasattr(signal, "setitimer") else 10.0
_WARNED: set[str] = set()


class MathVerdict(NamedTuple):
    """What `math_reward` makes of one completion.

    Attributes:
        reward: 1.0, 0.0, or None if the truth cannot be read.
        why: the rule that decided, in a few words.
        answer: what counts as the answer, as the model wrote it.
        read_truth: what was understood of the truth, with its unit in brackets; empty if it cannot be read.
        read_answer: the same of the answer.
    """

    reward: float | None
    why: str
    answer: str
    read_truth: str
    read_answer: str


def math_reward(completions: Sequence[Completion], ground_truth: Sequence, **columns) -> list[float | None]:
    r"""Pay 1 if the answer equals the truth as mathematics: 1/2 is `\frac{1}{2}`, 0.5 and 50%.

    The answer is the last `\boxed{...}` after the thinking or, if there is no box, the last `<answer>...</answer>`, in
    LaTeX or plain text. It must be a result: 12*13 or $\sqrt{4}$ earns nothing, unless the truth is written so too.
    (1, 2), [1, 2] and {1, 2} differ. A known unit may be left out or added, another unit or word is wrong. A decimal
    may be rounded at the sixth to twelfth place. "7 or 8" earns nothing unless the truth is that set. For a truth with
    variables any equal form counts. The page "What counts as equal" has all rules with a table of pairs, `explain_math`
    says why an answer earns what it earns. An answer has 2 seconds of CPU time (10 on the clock on Windows).

    Args:
        completions: strings or chat lists.
        ground_truth: the right answer of each completion, as text or number; None where there is none.
        columns: ignored.

    Returns:
        1.0 or 0.0 a completion, None where the truth is None or cannot be read (a sentence, for instance); of the
        latter there is one warning a truth. None as well if something ends the worker twice over an answer.

    Raises:
        ValueError: what `boxed_reward` refuses.
        ImportError: `math-verify` is not installed.

    Source: `math-verify`; the accuracy reward of DeepSeek-R1 (arXiv:2501.12948). Used in lesson "Answers and programs".

    Example:
        >>> math_reward([r"So \boxed{0.5}.", "<answer>1 or 2</answer>", r"\boxed{12*13}"], [r"\frac{1}{2}", 2, 156])
        [1.0, 0.0, 0.0]
    """
    check_column("ground_truth", ground_truth, completions)
    answers = [final_answer(text) for text in texts(completions)]
    truths = [None if truth is None else as_text(truth) for truth in ground_truth]
    rewards = [
        None if truth is None else _verdict(truth, answer).reward for truth, answer in zip(truths, answers, strict=True)
    ]
    unread = [truth for truth, reward in zip(truths, rewards, strict=True) if reward is None and truth is not None]
    if new := [truth for truth in dict.fromkeys(unread) if truth not in _WARNED]:
        _WARNED.update(new)
        shown = ", ".join(map(reprlib.repr, new))
        warnings.warn(f"math_reward cannot read ground_truth {shown}: the reward is None there", stacklevel=2)
    return rewards


def explain_math(completion: Completion, ground_truth: object) -> MathVerdict:
    r"""Say how `math_reward` judges a completion: what it read as truth and as answer, and which rule decided.

    Args:
        completion: a string or a chat list.
        ground_truth: the right answer, as text or number.

    Returns:
        The verdict.

    Raises:
        ValueError: the truth is neither text nor number, or the completion is neither a string nor a chat list.
        ImportError: `math-verify` is not installed.

    Example:
        >>> explain_math(r"So it is \boxed{5t}.", 5)
        MathVerdict(reward=0.0, why='the values differ', answer='5t', read_truth='5', read_answer='5*t')
        >>> explain_math("The answer is 4.", 4).why
        'there is no answer: neither a box nor <answer>...</answer>'
    """
    return _verdict(as_text(ground_truth), final_answer(texts([completion])[0]))


def final_answer(text: str) -> str:
    r"""Return the text of the one place that counts as the answer, "" if there is none.

    What was thought does not count: only text after the last `</think>` is read, and none if a `<think>` is still
    open. There the last `\boxed{...}` is the answer or, if there is no box, the last `<answer>...</answer>`. `\fbox{4}`
    and `\boxed 4` are boxes too.

    Example:
        >>> final_answer(r"<think>\boxed{3}, no</think>So \boxed{5} or rather \boxed{4}.")
        '4'
    """
    text = BOX.sub(lambda box: rf"\boxed{{{box[1]}}}" if box[1] else r"\boxed{", after_thinking(text))
    if r"\boxed{" in text:
        return last_box(text)
    opened, rest = text.rpartition("<answer>")[1:]
    answer, closed, _ = rest.partition("</answer>")
    return answer if opened and closed else ""


def _verdict(truth: str, answer: str) -> MathVerdict:
    check_installed("math_verify", "math_reward needs math-verify", "rewards")
    late = [0.0, "the answer takes too long to read or to compare", "", ""]
    verdict = _WORKER.ask([truth, answer], _SECONDS, late)
    if verdict is late:  # or is it the truth?
        late[0] = (_WORKER.ask([truth, ""], _SECONDS) or [None])[0]
    reward, why, read_truth, read_answer = verdict or [None, "something ended the judge twice", "", ""]
    why = why if answer or reward is None else "there is no answer: neither a box nor <answer>...</answer>"
    return MathVerdict(reward, why, answer, read_truth, read_answer)
