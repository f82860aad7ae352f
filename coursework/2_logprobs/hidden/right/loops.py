"""A right solution of the variant 2027-spring in plain loops."""

import math

import torch


def loss_mask(ids, prompt_lens, end_ids):
    out = torch.zeros(ids.shape, dtype=torch.bool)
    for i, row in enumerate(ids.tolist()):
        start = int(prompt_lens[i])
        for t in range(start, len(row)):
            if row[t] in end_ids:
                out[i, start : t + 1] = True
                break
    return out


def token_logps(logits, ids, mask, temperature=1.0):
    logits = logits if logits.dtype == torch.float64 else logits.float()
    rows = []
    for i in range(ids.shape[0]):
        row = []
        for t in range(ids.shape[1]):
            if mask[i, t]:
                z = logits[i, t - 1] / temperature
                row.append(z[ids[i, t]] - torch.logsumexp(z, 0))
            else:
                row.append(logits.new_zeros(()))
        rows.append(torch.stack(row))
    return torch.stack(rows)


def kl_estimate(logps, ref_logps):
    s = torch.exp(logps - ref_logps.detach())
    return s * (logps - ref_logps.detach()) - s + 1


def penalty_gradient(logits, ref_logits):
    p, q = logits.detach().softmax(0), ref_logits.detach().softmax(0)
    out = torch.zeros_like(p)
    for v in range(len(p)):
        s = p[v] / q[v]
        score = -p.clone()
        score[v] += 1
        out += q[v] * s * math.log(s) * score
    return out


SAME = True
