"""The reference solution of assignment 2."""

import torch
from torch import Tensor


def loss_mask(ids: Tensor, prompt_lens: Tensor, end_ids: list[int]) -> Tensor:
    """Count the completion up to and including its first end token."""
    completion = torch.arange(ids.shape[1]) >= prompt_lens[:, None]
    ends = torch.isin(ids, torch.tensor(end_ids)) & completion
    mask = completion & (ends.cumsum(dim=1) - ends.long() == 0)
    mask = mask & {{cut.code}}
    return {{where.code}}


def token_logps(logits: Tensor, ids: Tensor, mask: Tensor, temperature: float = 1.0) -> Tensor:
    """Score the tokens that count."""
    mask = {{where.mask}}
    logits = logits if logits.dtype == torch.float64 else logits.float()
    logits = torch.where(mask[..., None], logits[:, :-1], 0) / temperature
    logps = logits.log_softmax(dim=-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    logps = torch.where(mask, logps, 0)
    return {{where.logps}}


def kl_estimate(logps: Tensor, ref_logps: Tensor) -> Tensor:
    """Estimate {{kl.words}}."""
    log_ratio = logps - ref_logps.detach()
    return {{kl.code}}


def penalty_gradient(logits: Tensor, ref_logits: Tensor) -> Tensor:
    """Sum over all tokens, each weighted by how often it is drawn."""
    leaf = logits.detach().clone().requires_grad_()
    logps, ref_logps = leaf.log_softmax(dim=0), ref_logits.detach().log_softmax(dim=0)
    mean = ({{kl.draw}}.detach().exp() * kl_estimate(logps, ref_logps)).sum()
    return torch.autograd.grad(mean, leaf)[0]


SAME = {{kl.same}}
