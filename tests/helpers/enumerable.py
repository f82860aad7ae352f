"""Policies small enough to enumerate: every completion, its probability, and so every expectation, exactly.

Three tokens, the first of which ends a completion; at most three tokens a completion. A policy is a table of logits
with one row a prefix, so that its gradient can be looked at number by number.
"""

import itertools
import math

import torch

import grpo_lite

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


def gradient(value, table):
    return torch.autograd.grad(value, table, retain_graph=True)[0]


def expected_reward(table, rewards):
    """J, the number that the policy gradient climbs."""
    return (probabilities(table) * rewards).sum()


def exact_kl(p_table, q_table):
    """KL(p || q) over whole completions, by the definition."""
    p, q = probabilities(p_table), probabilities(q_table)
    return (p * (p.log() - q.log())).sum()


def scores(table):
    """The gradient of each token's log-prob with respect to the table, [N, T, parameters]; 0 where nothing counts."""
    of = torch.autograd.functional.jacobian(lambda t: torch.where(MASK, logps_of(t), 0), table.detach())
    return of.flatten(start_dim=2)


def all_groups(size):
    """Every group of completions up to order, [M, size], and in how many orders each can be drawn, [M]."""
    index = torch.combinations(torch.arange(len(IDS)), size, with_replacement=True)
    repeats = (index[:, :, None] == torch.arange(len(IDS))).sum(dim=1)
    orders = math.factorial(size) / torch.exp(torch.lgamma(repeats + 1.0)).prod(dim=1).round()
    return index, orders.double()


def moments(table, advantages_of, size, rewards, *, old=None, **settings):
    """Return mean and total variance of the gradient of `grpo_loss` over all groups that the old policy can draw.

    All groups are one batch of the loss. Where the loss type divides by the rows or by a given number of tokens, the
    gradient of that batch falls apart into the gradients of the groups.
    """
    index, orders = all_groups(size)
    flat = index.flatten()
    drawn_by = table if old is None else old
    leaf = logps_of(table)[flat].detach().requires_grad_()
    old_logps = None if old is None else logps_of(old)[flat].detach()
    sizes = {"max_completion_length": LENGTH, "num_items_in_batch": len(flat) * LENGTH}
    out = grpo_lite.grpo_loss(leaf, old_logps, advantages_of(rewards[flat], size), MASK[flat], **sizes, **settings)
    out.loss.backward()
    push = (leaf.grad * len(index)).nan_to_num().view(len(index), size, LENGTH)
    each_score = scores(table)
    per_group = sum(torch.einsum("mt,mtp->mp", push[:, i], each_score[index[:, i]]) for i in range(size))
    chance = orders * probabilities(drawn_by).detach()[index].prod(dim=1)
    mean = chance @ per_group
    return mean.view_as(table), (chance @ (per_group - mean).square()).sum()
