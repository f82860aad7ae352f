"""Assignment 5, a tool over several turns. Import PyTorch and Python's own modules, nothing else.

Letters: B episodes, L tokens of the longest one, V tokens of the vocabulary.
"""

import json
from collections.abc import Callable

import torch
from torch import Tensor

# Given: tokens, a tool and a policy. Leave them as they are.

{{given}}


# Yours.


def table(episodes: list[list[Segment]], pad_id: int) -> tuple[Tensor, Tensor, Tensor]:
    """Problem 5a. Write episodes as rows, and say which turn of the policy each token is of.

    Args:
        episodes: B of them, each a list of at least one segment; a segment of the policy has at least one token.
        pad_id: the token that fills up shorter rows, {{side.words}}. Any token, END too.

    Returns:
        ids: [B, L] whole numbers.
        real: [B, L] bools, False on what fills up.
        turn: [B, L] whole numbers: 1, 2, ... on the policy's turns, 0 on everything else. Of a last turn that was cut
            off {{cut.words}}.
    """
    raise NotImplementedError


def episode_loss(logps: Tensor, turn: Tensor, advantages: Tensor) -> Tensor:
    """Problem 5b. Average over what the policy wrote, and over nothing else.

    Args:
        logps: [B, L] log-probs in nats; a gradient flows to them. Where `turn` is 0 anything may stand, nan too.
        turn: [B, L] whole numbers, as `table` returns them.
        advantages: [B], one an episode, constants.

    Returns:
        One number, to be made small; 0 if no token counts.
    """
    raise NotImplementedError


def play(
    policy: Callable[[list[int]], Tensor],
    prompt: list[int],
    tool: Callable[[str], str | None],
    limit: int,
    most: int,
    generator: torch.Generator,
) -> tuple[list[Segment], list[float]]:
    """Problem 5c. Sample one episode.

    Args:
        policy: takes all tokens so far, whoever wrote them, and returns the logits [V] of the next one.
        prompt: at least one token.
        tool: takes the text of a turn that has just ended, {{shown.words}}; returns its answer as text, or None.
        limit: at least 1. {{limit.words}}.
        most: answers of the tool at most, 0 or more.
        generator: the source of all randomness.

    Returns:
        The segments, of which the first is ("user", prompt); and the log-probs in nats of the tokens that the policy
        drew, in order, as floats.
    """
    raise NotImplementedError


def priced(right: Tensor, calls: Tensor, price: float) -> Tensor:
    """Problem 5d. Pay episodes whose calls cost something.

    Args:
        right: [B], 1 for a right answer and 0 for a wrong one.
        calls: [B] whole numbers, 0 or more: how often each episode called.
        price: of a call, in units of what a right answer earns.

    Returns:
        [B] floats, the rewards; {{price.words}}.
    """
    raise NotImplementedError


def break_even(straight: float, copy: float, fail: float, most: int) -> float:
    """Problem 5d. Return the price at which asking earns as much as answering at once, on average.

    Args:
        straight: probability that an answer without the tool's help is right.
        copy: probability that an answer with it is right, above 0.
        fail: probability that a call is left without an answer, below 1.
        most: calls at most, at least 1.

    Returns:
        The price, negative if asking makes answers worse.
    """
    raise NotImplementedError


# Problem 5e: a word from the handout's list for each recording. json.load(open("transcripts.json")) reads them.
DIAGNOSES: dict[str, str | None] = {"a": None, "b": None, "c": None}
