"""A right solution of the variant 2027-spring with indices, cross-entropy and a closed form."""

import torch
import torch.nn.functional as F


def loss_mask(ids, prompt_lens, end_ids):
    t = torch.arange(ids.shape[-1]).expand_as(ids)
    is_end = sum((ids == e) for e in end_ids).bool() & (t >= prompt_lens.unsqueeze(1))
    last = torch.where(is_end.any(1), is_end.int().argmax(1), -1)
    return (t >= prompt_lens.unsqueeze(1)) & (t <= last.unsqueeze(1))


def token_logps(logits, ids, mask, temperature=1.0):
    if logits.dtype != torch.float64:
        logits = logits.to(torch.float32)
    b, t = mask.nonzero(as_tuple=True)
    chosen = -F.cross_entropy(logits[b, t - 1] / temperature, ids[b, t], reduction="none")
    return logits.new_zeros(mask.shape).index_put((b, t), chosen)


def kl_estimate(logps, ref_logps):
    with torch.no_grad():
        ref = ref_logps.clone()
    d = logps - ref
    return d.exp() * (d - 1) + 1


def penalty_gradient(logits, ref_logits):
    p, log_ratio = logits.detach().softmax(-1), logits.detach().log_softmax(-1) - ref_logits.detach().log_softmax(-1)
    return p * (log_ratio - (p * log_ratio).sum())


SAME = True
