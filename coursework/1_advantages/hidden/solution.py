"""The reference solution of assignment 1."""

import re
from decimal import Decimal

import torch
from torch import Tensor


def answer_reward(completions: list[str], truths: list[int]) -> list[float]:
    """Pay 1 for a right answer, 0 for a wrong one, and {{unreadable.words}} where there is none."""
    rewards = []
    for text, truth in zip(completions, truths, strict=True):
        found = re.findall(r"<answer>(.*?)</answer>", text, re.DOTALL)
        answer = {{which.code}}
        readable = answer is not None and re.fullmatch(r"[ \t\r\n]*[+-]?[0-9]+[ \t\r\n]*", answer)
        rewards.append(float(Decimal(answer) == truth) if readable else {{unreadable.words}})
    return rewards


def total_reward(rewards: Tensor, weights: list[float]) -> Tensor:
    """Add up the functions: [K, G, N] in, [G, N] out."""
    used = [k for k, weight in enumerate(weights) if weight > 0]  # the others are only watched
    rewards, weights = rewards[used], torch.tensor(weights, dtype=rewards.dtype)[used].view(-1, 1, 1)
    known = ~rewards.isnan()
    total = {{missing.code}}
    return torch.where(known.any(dim=0), total, torch.nan)


def group_advantages(rewards: Tensor, eps: float = 1e-4) -> Tensor:
    """Compare the G rewards of each column of [G, N]."""
    rewards = rewards.detach()
    rewards = rewards if rewards.dtype == torch.float64 else rewards.float()
    # Measured from the smallest, equal rewards are exactly 0 before anything is rounded.
    above = rewards - rewards.nan_to_num(nan=torch.inf).amin(dim=0)
    known, mean = ~above.isnan(), above.nanmean(dim=0)
    baseline = {{baseline.code}}
    spread = {{scale.code}}
    advantages = (above - baseline) / (spread + eps)
    return torch.where((spread == 0) | advantages.isnan(), 0, advantages)


RIGHT, WRONG = group_advantages(torch.tensor([[1.0], [0.0], [0.0], [0.0]]), 0.0).flatten()[:2].tolist()
SILENT = {{rate.words}} ** {{size.words}} + (1 - {{rate.words}}) ** {{size.words}}
