"""A right solution of the variant 2027-spring in plain loops."""

import torch


def answer_reward(completions, truths):
    out = []
    for text, truth in zip(completions, truths):
        _, opened, rest = text.partition("<answer>")
        inside, closed, _ = rest.partition("</answer>")
        inside = inside.strip(" \r\n\t")
        digits = inside.lstrip("+-")
        if not (opened and closed and digits and len(inside) - len(digits) < 2 and set(digits) <= set("0123456789")):
            out.append(-1.0)
        else:  # as a text, which can have any length
            sign = "-" if inside[0] == "-" and digits.strip("0") else ""
            out.append(1.0 if sign + (digits.lstrip("0") or "0") == str(truth) else 0.0)
    return out


def total_reward(rewards, weights):
    size, count = rewards.shape[1:]
    out = torch.full((size, count), float("nan"), dtype=rewards.dtype)
    for g in range(size):
        for n in range(count):
            known = [(float(r[g, n]), w) for r, w in zip(rewards, weights) if w != 0 and not r[g, n].isnan()]
            if known:
                out[g, n] = sum(r * w for r, w in known)
    return out


def group_advantages(rewards, eps=1e-4):
    out = torch.zeros(rewards.shape, dtype=torch.float64)
    for n, group in enumerate(rewards.detach().double().T.tolist()):
        known = [r for r in group if r == r]
        for g, r in enumerate(group):
            if r == r and len(known) > 1 and max(known) > min(known):
                others = (sum(known) - r) / (len(known) - 1)
                out[g, n] = (r - others) / (max(known) - min(known) + eps)
    return out if rewards.dtype == torch.float64 else out.float()


RIGHT, WRONG, SILENT = 1, -1 / 3, 0.088
