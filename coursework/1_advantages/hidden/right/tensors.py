"""A right solution of the variant 2027-spring with masks in place of nan functions, and numpy where it is short."""

import re

import numpy as np
import torch


def answer_reward(completions, truths):
    def value(text):
        for match in re.finditer(r"<answer>((?:(?!</answer>)[\s\S])*)</answer>", text):
            number = re.match(r"^[ \t\r\n]*([-+]?)0*([0-9]+)[ \t\r\n]*$", match[1])
            return None if not number else np.inf if len(number[2]) > 4000 else int(number[1] + number[2])
        return None

    values = [value(text) for text in completions]
    return [-1.0 if v is None else float(v == truth) for v, truth in zip(values, truths, strict=True)]


def total_reward(rewards, weights):
    weights = torch.as_tensor(weights).to(rewards)
    known = ~torch.isnan(rewards) & (weights != 0)[:, None, None]
    total = torch.einsum("k,kgn->gn", weights, torch.where(known, rewards, torch.zeros_like(rewards)))
    total[~known.any(0)] = torch.nan
    return total


def group_advantages(rewards, eps=1e-4):
    x = rewards.detach().to(torch.float64)
    there = ~x.isnan()
    n = there.sum(0, keepdim=True)
    safe = torch.where(there, x, torch.zeros_like(x))
    low = torch.where(there, x, torch.full_like(x, np.inf)).min(0, keepdim=True).values
    high = torch.where(there, x, torch.full_like(x, -np.inf)).max(0, keepdim=True).values
    counted = there & (n > 1) & (high > low)
    above = safe - (safe.sum(0, keepdim=True) - safe) / (n - 1).clamp(min=1)
    spread = torch.where(counted, high - low, torch.ones_like(x)) + eps
    out = torch.where(counted, above / spread, torch.zeros_like(x))
    return out if rewards.dtype is torch.float64 else out.to(torch.float32)


RIGHT, WRONG, SILENT = 1, -1 / 3, 0.088
