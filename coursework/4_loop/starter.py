"""Assignment 4, the loop. Import PyTorch and Python's own modules, nothing else.

Letters: B completions, L tokens of a row (padding, prompt, completion, padding), V tokens of the vocabulary.
"""

import torch
from torch import Tensor, nn

# Given: a policy of 7,000 weights and a sampler. Choose the letters of your task, and leave the rest as it is.

LETTERS = "abcdefgh"  # letter i is token i + 1; token 0 ends a completion, and fills up rows on both sides
{{given}}


# Yours.


def rows(seed: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Problem 4a. Draw the training rows and the held-out rows of your task.

    Args:
        seed: decides everything; the same seed gives the same rows.

    Returns:
        The training rows and the held-out rows: pairs of a prompt and its truth, both made of LETTERS.
    """
    raise NotImplementedError


def reward(completion: str, truth: str) -> float:
    """Problem 4a. Say what a completion is worth: 1.0 if it is the truth, and from 0.0 to 0.5 if it is not."""
    raise NotImplementedError


def update(
    policy: nn.Module,
    optimizer: torch.optim.Optimizer,
    ids: Tensor,
    mask: Tensor,
    old_logps: Tensor,
    rewards: Tensor,
    group: int,
) -> None:
    """Problem 4b. Let the policy learn from a batch: make the {{updates.words}} optimiser steps of the handout.

    Args:
        policy: called with ids it gives logits [B, L, V]; those at t are about token t + 1.
        optimizer: has the weights of the policy.
        ids: [B, L] tokens.
        mask: [B, L] bools, True on the tokens that count, at least one in each row and none at 0.
        old_logps: [B, L] the log-probs of these tokens when they were drawn; anything at all where nothing counts.
        rewards: [B] one number a completion.
        group: completions of a prompt, at least 2. {{groups.words}}.
    """
    raise NotImplementedError


# Problem 4c: your two settings, name -> knobs. All knobs have the same value in both, but for one.
SETTINGS: dict[str, dict] = {}


def train(setting: str, seed: int, steps: int) -> list[dict]:
    """Problem 4c. Train a new policy, with the rows of the seed, and measure it after each step.

    Args:
        setting: a key of SETTINGS.
        seed: decides the rows, the first weights, and what is drawn, whatever random numbers were drawn before.
        steps: batches to learn from; two steps are the first two of many.

    Returns:
        A record a step: "step" from 1; "reward", the mean of the batch; "logp", the mean of the log-probs with which
        its counted tokens were drawn; "accuracy", after the update, the share of all held-out rows whose likeliest
        completion earns 1.
    """
    raise NotImplementedError


# Problem 4d: quantiles of Student's t. With n degrees of freedom, 1 to 20, a share of 0.975 lies below
# QUANTILES[0.975][n].
QUANTILES = {
    0.9: {{examples.quantiles.p90}},
    0.95: {{examples.quantiles.p95}},
    0.975: {{examples.quantiles.p975}},
}


def interval(first: list[float], second: list[float]) -> tuple[float, float, float]:
    """Problem 4d. Say how much better the second setting is, and how sure that is.

    Args:
        first: the last accuracy of each seed, of the first setting.
        second: of the second setting, with the same seeds in the same order.

    Returns:
        The mean difference, second minus first, and the ends of its {{level.words}} % interval, the lower one first.

    Raises:
        ValueError: There is only one seed.
    """
    raise NotImplementedError


# Problem 4d: what `interval` says of your runs, to three decimals: (difference, low, high).
RESULT: tuple[float, float, float] | None = None
