"""A right solution of the variant 2027-spring with masked_fill, where in place of the minimum, and means by weights."""

import torch


def ratios(logps, old_logps, mask):
    old = logps.detach() if old_logps is None else old_logps.detach()
    new, old = logps.masked_fill(~mask, 0.0), old.masked_fill(~mask, 0.0)
    steps = torch.cumsum(mask, dim=-1).to(new.dtype)
    mean = torch.cumsum(new - old, dim=-1) / torch.where(steps > 0, steps, torch.ones_like(steps))
    return mean.exp().masked_fill(~mask, 1.0)


def clipped_objective(ratio, advantages, low, high):
    a = advantages.detach().unsqueeze(-1).expand_as(ratio)
    up = torch.where(ratio > 1 + high, torch.full_like(ratio, 1 + high), ratio)
    down = torch.where(ratio < 1 / (1 + low), torch.full_like(ratio, 1 / (1 + low)), ratio)
    return torch.where(a >= 0, up, down) * a


def policy_loss(logps, old_logps, advantages, mask, low, high):
    ratio = ratios(logps, old_logps, mask)
    lengths = mask.sum(-1)
    weight = mask / lengths.clamp_min(1).unsqueeze(-1) / (lengths > 0).sum().clamp_min(1)
    loss = -(weight * clipped_objective(ratio, advantages, low, high)).sum()
    with torch.no_grad():
        a = advantages.unsqueeze(-1)
        silent = torch.where(a > 0, ratio > 1 + high, (ratio < 1 / (1 + low)) & (a < 0))
        share = silent[mask].double().mean() if mask.any() else torch.zeros(())
    return loss, share
