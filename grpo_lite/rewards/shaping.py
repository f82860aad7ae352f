r"""Shaping rewards: small amounts beside the reward for being right, which steer how an answer is written.

All are heuristics. None knows whether an answer is right, so each can be earned without solving anything; its docstring
says how. Keep their weights small against the reward that counts, and read what a model writes for them. Where only
such rewards differ in a group, the division by its spread gives a small weight back (lesson "Rewards").
"""

import math
import unicodedata
from collections.abc import Sequence

from grpo_lite._checks import check_count
from grpo_lite.rewards.protocol import Completion, RewardFunc, check_column, texts
from grpo_lite.rewards.text import TAG, TAGS


def soft_overlong_reward(max_completion_length: int, soft_punish_cache: int) -> RewardFunc:
    r"""Make a reward function that warns a completion before it reaches the length limit.

    With $n$ tokens, limit $L$ and a margin of $c$ tokens before it: 0 for $n \le L - c$, then a slope
    $(L - c - n)/c$ down to -1 at $n = L$, and -1 beyond. It is added to a reward for being right, so that a long answer
    loses a little before one that is cut off loses all. How it is hacked: by stopping short of the margin, with no
    answer if need be.

    Args:
        max_completion_length: the length limit of sampling, in tokens, at least 1.
        soft_punish_cache: length of the margin in tokens, from 1 to the limit.

    Returns:
        A reward function. It asks for the column `completion_ids`, one list of token ids a completion, and pays from
        -1 to 0.

    Raises:
        ValueError: a length that is not a whole number in its range; later, in the function, `completion_ids` that are
            not one list a completion.

    Source: soft overlong punishment, DAPO, eq. 13 (arXiv:2503.14476). Built in lesson "The family".

    Example:
        >>> reward = soft_overlong_reward(max_completion_length=100, soft_punish_cache=20)
        >>> reward(["a", "b", "c"], completion_ids=[[1] * 80, [1] * 90, [1] * 100])
        [0.0, -0.5, -1.0]
    """
    check_count("max_completion_length", max_completion_length, 1)
    check_count("soft_punish_cache", soft_punish_cache, 1)
    if soft_punish_cache > max_completion_length:
        raise ValueError(
            f"soft_punish_cache must be at most max_completion_length={max_completion_length}, got {soft_punish_cache}"
        )

    def soft_overlong(completions: Sequence[Completion], completion_ids: Sequence, **columns) -> list[float | None]:
        check_column("completion_ids", completion_ids, completions)
        room = [max_completion_length - soft_punish_cache - len(ids) for ids in completion_ids]
        return [max(min(tokens, 0) / soft_punish_cache, -1.0) for tokens in room]

    return soft_overlong


def repetition_penalty_reward(ngram_size: int = 3, max_penalty: float = -1.0) -> RewardFunc:
    r"""Make a reward function that takes away points for saying the same again.

    Of all runs of $n$ tokens in a completion, the share that stood there before: with $u$ different runs among $m$, the
    reward is $(1 - u/m)\,p$. How it is hacked: by a short completion, or by changing a word in each round; and honest
    mathematics, which repeats its terms, pays too.

    Args:
        ngram_size: tokens in a run ($n$), at least 1.
        max_penalty: what a completion that only repeats itself comes close to ($p$), at most 0.

    Returns:
        A reward function. It asks for the column `completion_ids`, one list of token ids a completion, and pays from
        `max_penalty` to 0; a completion of fewer than $n$ tokens gets 0.

    Raises:
        ValueError: `ngram_size` is not a whole number of at least 1, or `max_penalty` is above 0 or not finite; later,
            in the function, `completion_ids` that are not one list a completion.

    Source: Yeo et al., Demystifying Long Chain-of-Thought Reasoning, appendix C.2 (arXiv:2502.03373), as in TRL's
    `get_repetition_penalty_reward`. Built in lesson "Answers and programs".

    Example:
        >>> reward = repetition_penalty_reward(ngram_size=2)
        >>> reward(["a", "b"], completion_ids=[[1, 2, 3, 4], [5, 5, 5, 5, 5]])
        [0.0, -0.75]
    """
    check_count("ngram_size", ngram_size, 1)
    if not isinstance(max_penalty, (int, float)) or not -math.inf < max_penalty <= 0:
        raise ValueError(f"max_penalty must be a finite number of at most 0, got {max_penalty!r}")

    def repetition_penalty(
        completions: Sequence[Completion], completion_ids: Sequence, **columns
    ) -> list[float | None]:
        check_column("completion_ids", completion_ids, completions)
        shares = [_repeated_share([int(i) for i in ids], ngram_size) for ids in completion_ids]
        return [max_penalty * share if share else 0.0 for share in shares]

    return repetition_penalty


def tag_count_reward(completions: Sequence[Completion], *, prefill: str = "", **columns) -> list[float]:
    r"""Pay a quarter for each of `<think>`, `</think>`, `<answer>` and `</answer>` that stands exactly once.

    Partial credit towards `format_reward`, which pays nothing before all is in place: a model that never writes the
    whole form by chance finds it tag by tag. How it is hacked: by the four tags with nothing between them.

    Args:
        completions: strings or chat lists.
        prefill: what the template has written of the answer, as in `format_reward`. It pays all alike, so that a model
            is not asked to write it once more.
        columns: ignored.

    Returns:
        0, 0.25, 0.5, 0.75 or 1 a completion.

    Raises:
        ValueError: a completion is neither a string nor a chat list.

    Source: `tag_count_reward` of open-r1, for the tags of DeepSeek-R1 (arXiv:2501.12948).
    Built in lesson "Answers and programs".

    Example:
        >>> tag_count_reward(["<think>a</think><answer>7</answer>", "<think>a</think>7", "<think><think>"])
        [1.0, 0.5, 0.0]
    """
    return [sum((prefill + text).count(tag) == 1 for tag in TAGS) / len(TAGS) for text in texts(completions)]


def language_consistency_reward(script: str) -> RewardFunc:
    r"""Make a reward function that pays for thinking in one language, as far as its script tells.

    DeepSeek-R1 pays the share of words in the target language, as its forerunner mixed languages while it thought.
    Here it is the share of letters in the target script, which needs no dictionary and cannot tell English from French.
    What stands before the last `</think>` counts, or all of a completion without that tag. How it is hacked: by a few
    words of thought in the right script, right or not.

    Args:
        script: first word of the names that Unicode gives to its letters: LATIN, CYRILLIC, GREEK, ARABIC, CJK, ...

    Returns:
        A reward function that pays from 0 to 1; a completion without a letter gets 0.

    Raises:
        ValueError: Unicode has no letter whose name begins with that word.

    Source: language consistency reward of DeepSeek-R1 (arXiv:2501.12948). Built in lesson "Answers and programs".

    Example:
        >>> reward = language_consistency_reward("LATIN")
        >>> reward(["<think>so 3 + 4 = 7</think>", "also 天空是", "42"])
        [1.0, 0.5714285714285714, 0.0]
    """
    if script not in {_script(chr(code)) for code in range(0x10000) if chr(code).isalpha()}:
        raise ValueError(
            f"script must be the first word of Unicode's names of letters, such as 'LATIN', got {script!r}"
        )

    def language_consistency(completions: Sequence[Completion], **columns) -> list[float | None]:
        return [_share_in_script(text, script) for text in texts(completions)]

    return language_consistency


def _repeated_share(ids: list[int], n: int) -> float:
    runs = [tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def _share_in_script(text: str, script: str) -> float:
    thought, closed, rest = text.rpartition("</think>")
    letters = [char for char in TAG.sub("", thought if closed else rest) if char.isalpha()]  # a tag is no language
    return sum(_script(letter) == script for letter in letters) / len(letters) if letters else 0.0


def _script(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]
