"""Assignment 1, rewards and group advantages. Import PyTorch and Python's own modules, nothing else.

Letters: K reward functions, N prompts, G completions of each prompt, B completions in a list.
"""

import torch
from torch import Tensor


def answer_reward(completions: list[str], truths: list[int]) -> list[float]:
    """Problem 1a. Pay each completion for its answer.

    Args:
        completions: B texts, as the model wrote them; any text at all.
        truths: B integers, the right answers.

    Returns:
        B floats: 1.0 for a right answer, 0.0 for a wrong one, {{unreadable.words}} for a completion without an answer
        that can be read. It never raises, whatever the texts are.
    """
    raise NotImplementedError


def total_reward(rewards: Tensor, weights: list[float]) -> Tensor:
    """Problem 1b. Make one reward of the rewards of several functions.

    Args:
        rewards: [K, G, N], float; nan where a function could not judge a completion.
        weights: K numbers, at least 0, one for each function, not all 0.

    Returns:
        [G, N], the total of each completion; nan where nobody could judge it.
    """
    raise NotImplementedError


def group_advantages(rewards: Tensor, eps: float = 1e-4) -> Tensor:
    """Problem 1c. Compare each completion with the others that answer the same prompt.

    Args:
        rewards: [G, N]: column n holds the G completions of prompt n. Floats of any precision, whole numbers or bools;
            nan marks a completion without a reward.
        eps: added to the spread before the division, in the unit of the rewards.

    Returns:
        [G, N], without unit, a constant for autograd: float64 if the rewards are, else float32. Exactly 0 where all
        rewards of a prompt are equal, and where a reward is nan.
    """
    raise NotImplementedError


# Problem 1d, by hand, to three decimals: for rewards 1, 0, 0, 0 (G = 4) and eps = 0,
RIGHT: float | None = None  # the advantage of the right answer
WRONG: float | None = None  # the advantage of each wrong answer
# and for a prompt that is answered rightly with probability {{rate.words}}, G = {{size.words}} completions drawn:
SILENT: float | None = None  # the probability that its group teaches nothing
