"""Assignment 3, the loss. Import PyTorch and Python's own modules, nothing else. The hunt is in hunt_a.py to hunt_e.py.

Letters: B completions, T tokens of a completion. `mask` [B, T] is True on the tokens that count.
"""

import math

import torch
from torch import Tensor


def ratios(logps: Tensor, old_logps: Tensor | None, mask: Tensor) -> Tensor:
    """Problem 3a. Say how much likelier the policy has made each token since it was drawn.

    Args:
        logps: [B, T] log-probs in nats under the policy; a gradient flows to them.
        old_logps: [B, T] log-probs of the same tokens when they were drawn, a constant; None: the policy itself has
            just drawn them.
        mask: [B, T] bools.

    Returns:
        [B, T], above 0; exactly 1, without gradient, where the mask is False.
    """
    raise NotImplementedError


def clipped_objective(ratio: Tensor, advantages: Tensor, low: float, high: float) -> Tensor:
    """Problem 3b. Reward each token for moving with its advantage, up to a bound.

    Args:
        ratio: [B, T], above 0.
        advantages: [B], one a completion, constants.
        low: how far the ratio may fall, above 0.
        high: how far it may rise, above 0.

    Returns:
        [B, T], to be made large; the ratio is bounded {{clip.words}}.
    """
    raise NotImplementedError


def policy_loss(
    logps: Tensor, old_logps: Tensor | None, advantages: Tensor, mask: Tensor, low: float, high: float
) -> tuple[Tensor, Tensor]:
    """Problem 3c. Put it together.

    Args:
        logps: as for `ratios`, and so are old_logps and mask.
        old_logps: None if the policy itself has just drawn the tokens.
        advantages: as for `clipped_objective`, and so are low and high.
        mask: True on the tokens that count; a completion may have none.
        low: how far a ratio may fall.
        high: how far it may rise.

    Returns:
        The loss, one number to be made small, 0 if no token counts; and the share of the counted tokens whose gradient
        the clip has switched off, from 0 to 1.
    """
    raise NotImplementedError
