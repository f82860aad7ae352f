"""The reference solution of assignment 3."""

import math

import torch
from torch import Tensor


def ratios(logps: Tensor, old_logps: Tensor | None, mask: Tensor) -> Tensor:
    """Set now against then."""
    old_logps = (logps if old_logps is None else old_logps).detach()
    difference = torch.where(mask, logps - old_logps, 0)
    return torch.where(mask, {{level.code}}, 1)


def bounds(low: float, high: float) -> tuple[float, float]:
    """Return the smallest ratio and the largest."""
    return {{clip.low}}, {{clip.high}}


def clipped_objective(ratio: Tensor, advantages: Tensor, low: float, high: float) -> Tensor:
    """Take the worse of the ratio and the bounded ratio."""
    advantages = advantages.detach()[:, None]
    return torch.minimum(ratio * advantages, ratio.clamp(*bounds(low, high)) * advantages)


def policy_loss(
    logps: Tensor, old_logps: Tensor | None, advantages: Tensor, mask: Tensor, low: float, high: float
) -> tuple[Tensor, Tensor]:
    """Average the objectives, and turn the sign."""
    ratio, counts = ratios(logps, old_logps, mask), mask.sum(dim=1)
    objective = torch.where(mask, clipped_objective(ratio, advantages, low, high), 0)
    loss = -({{average.code}})
    lowest, highest = bounds(low, high)
    good = advantages[:, None] > 0
    bad = advantages[:, None] < 0
    silent = ((ratio > highest) & good) | ((ratio < lowest) & bad)
    return loss, (silent & mask).sum() / mask.sum().clamp(min=1)
