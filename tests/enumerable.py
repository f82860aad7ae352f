"""Policies small enough to enumerate: every completion, its probability, and so every expectation, exactly.

Three tokens, the first of which ends a completion; at most three tokens a completion. A policy is a table of logits
with one row a prefix, so that its gradient can be looked at number by number.
"""

import itertools

import torch

EOS, VOCAB, LENGTH = 0, 3, 3


def all_completions():
    """Return ids [N, 3], padded with the end token itself, and the mask of what counts, both made row by row."""
    rows, masks = [], []
    for row in itertools.product(range(VOCAB), repeat=LENGTH):
        end = row.index(EOS) if EOS in row else LENGTH - 1
        if all(token == EOS for token in row[end + 1 :]):
            rows.append(row)
            masks.append([t <= end for t in range(LENGTH)])
    return torch.tensor(rows), torch.tensor(masks)


IDS, MASK = all_completions()
PREFIXES = [()] + [p for n in range(1, LENGTH) for p in itertools.product(range(1, VOCAB), repeat=n)]


def random_policy(seed, requires_grad=False):
    generator = torch.Generator().manual_seed(seed)
    table = torch.randn(len(PREFIXES), VOCAB, generator=generator, dtype=torch.float64)
    return table.requires_grad_(requires_grad)


def logps_of(table, ids=IDS, mask=MASK):
    """Log-probs [N, 3] of given completions; garbage (nan) where the mask is False, as nothing may depend on it."""
    all_logps = table.log_softmax(dim=1)
    rows = []
    for row, kept in zip(ids.tolist(), mask.tolist(), strict=True):
        prefixes = [PREFIXES.index(tuple(row[:t])) if kept[t] else None for t in range(LENGTH)]
        nan = torch.tensor(float("nan"), dtype=table.dtype)
        rows.append(torch.stack([nan if p is None else all_logps[p, row[t]] for t, p in enumerate(prefixes)]))
    return torch.stack(rows)


def probabilities(table):
    return torch.where(MASK, logps_of(table), 0).sum(dim=1).exp()
