"""A right solution of the variant 2027-spring in plain loops."""

import torch


def ratios(logps, old_logps, mask):
    if old_logps is None:
        old_logps = logps
    rows = []
    for i in range(logps.shape[0]):
        row, total, n = [], 0.0, 0
        for t in range(logps.shape[1]):
            if mask[i, t]:
                total, n = total + logps[i, t] - old_logps[i, t].detach(), n + 1
                row.append(torch.exp(total / n))
            else:
                row.append(torch.ones((), dtype=logps.dtype))
        rows.append(torch.stack(row))
    return torch.stack(rows)


def clipped_objective(ratio, advantages, low, high):
    out = []
    for row, a in zip(ratio, advantages.tolist()):
        parts = []
        for r in row:
            if a > 0 and r > 1 + high:
                parts.append(torch.full_like(r, (1 + high) * a))
            elif a < 0 and r < 1 / (1 + low):
                parts.append(torch.full_like(r, a / (1 + low)))
            else:
                parts.append(r * a)
        out.append(torch.stack(parts))
    return torch.stack(out)


def policy_loss(logps, old_logps, advantages, mask, low, high):
    ratio = ratios(logps, old_logps, mask)
    gain = clipped_objective(ratio, advantages, low, high)
    means, silent, tokens = [], 0, 0
    for i in range(len(mask)):
        if mask[i].any():
            means.append(gain[i][mask[i]].mean())
        for t in range(mask.shape[1]):
            if mask[i, t]:
                tokens += 1
                r, a = ratio[i, t].item(), advantages[i].item()
                silent += (a > 0 and r > 1 + high) or (a < 0 and r < 1 / (1 + low))
    if not means:
        return logps.new_zeros(()), 0.0
    return -sum(means) / len(means), silent / tokens
