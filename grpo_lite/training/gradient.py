"""The gradient of one update, from all micro-batches and all processes."""

import torch
from torch import Tensor

from grpo_lite.aggregation import SLICE_SHARE
from grpo_lite.loss import grpo_loss
from grpo_lite.token_weights import off_policy_mask
from grpo_lite.training import batching, distributed
from grpo_lite.training.rollout import Group


def gradient_of(trainer, groups: list[Group], batch: list[Group]) -> dict[str, float]:
    """Put the gradient into the parameters; return the `loss`, `kl` and `clip_fraction` of the update.

    Groups without advantages are left out, unless a KL penalty acts on them: their gradient is exactly 0. They still
    count in `rows` and `tokens`, by which the loss divides. Of a batch that is cut into several updates each divides by
    the mean number of tokens, as in TRL, so that a token weighs the same in all.
    """
    rows = sum(len(group.ids) for group in groups) * distributed.world_size()
    counts = [sum(int(group.loss_mask.sum()) for group in some) for some in (groups, batch)]
    own, tokens = (sum(of_all) for of_all in zip(*distributed.gather_objects(counts), strict=True))
    measured = torch.zeros(3, device=trainer.device)
    gradients = [torch.zeros_like(parameter) for parameter in trainer.parameters]
    for parameter, gradient in zip(trainer.parameters, gradients, strict=True):
        parameter.grad = gradient  # to which backward() adds
    acting = [group for group in groups if trainer.reference or group.advantages.any()]
    for part in batching.micro_batches(acting, trainer.args.per_device_train_batch_size):
        measured += _backward(trainer, part, rows, own, tokens, len(batch) / len(groups))
    distributed.sum_([*gradients, measured])
    return dict(zip(("loss", "kl", "clip_fraction"), measured.tolist(), strict=True))


def _backward(trainer, part: batching.Rows, rows: int, own: int, tokens: int, updates: float) -> Tensor:
    """Add the gradient of one micro-batch, with its share in the whole; return its loss, KL and clip fraction.

    The update has so many rows and tokens of its `own`; its batch has so many `tokens` and makes so many `updates`.
    """
    args, counted = trainer.args, int(part.loss_mask.sum())
    logps = batching.logps_of(trainer.model, part, args)
    # With one update a batch the policy is still the one that sampled: each ratio is 1, its gradient is not 0.
    old_logps = part.logps if args.parts * args.num_iterations > 1 else None
    compared = (part.advantages, part.loss_mask)
    weight, threshold = None, args.off_policy_mask_threshold
    if old_logps is not None and threshold is not None:
        weight = off_policy_mask(logps, old_logps, *compared, threshold=threshold)
    settings = {"ref_logps": part.ref_logps, "num_items_in_batch": tokens, "weight": weight} | args.loss_settings()
    out = grpo_loss(logps, old_logps, *compared, **settings)
    of_rows, of_tokens = len(part.ids) / rows, updates * (counted / max(tokens, 1))
    share = {"rows": of_rows, "tokens": of_tokens, "total": updates}[SLICE_SHARE[args.loss_type]]
    (share * out.loss).backward()
    by_token = args.importance_sampling_level == "token"
    counts = counted / max(own, 1) if by_token else int(part.loss_mask.any(dim=1).sum()) / rows
    return torch.stack([share * out.loss.detach(), share * out.kl, out.clip_fraction * counts])
