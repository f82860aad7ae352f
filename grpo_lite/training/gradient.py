"""The gradient of one update, from all micro-batches and all processes."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from grpo_lite.aggregation import SLICE_SHARE
from grpo_lite.loss import grpo_loss
from grpo_lite.token_weights import high_entropy_mask, off_policy_mask, sampler_correction
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


def trl_weights(
    loss_type: str,
    logps: Float[Tensor, "B T"],
    old_logps: Float[Tensor, "B T"] | None,
    advantages: Float[Tensor, "B"],
    mask: Bool[Tensor, "B T"],
    *,
    entropies: Float[Tensor, "B T"] | None = None,
    top_entropy_quantile: float = 1.0,
    off_policy_mask_threshold: float | None = None,
    sampling_logps: Float[Tensor, "B T"] | None = None,
    vllm_importance_sampling_mode: str = "sequence_mask",
    vllm_importance_sampling_clip_max: float | None = 3.0,
    vllm_importance_sampling_clip_min: float | None = None,
) -> dict[str, Tensor]:
    """Turn the settings of TRL's GRPOConfig, by their names there, into what `grpo_loss` takes.

    In TRL's loss the weights multiply the objective of each token, but for two loss types: "vespo" puts the sampler
    correction into its own weight, and "gmpo" takes its mean over the high-entropy tokens.

    The tensors are those of `grpo_loss`, of `high_entropy_mask` and of `sampler_correction`; a setting at its default
    changes nothing. "vespo" needs a token mode of the correction. Returned are keyword arguments of `grpo_loss`:
    `weight`, `correction` ("vespo") and `keep` ("gmpo"), as far as they are needed.

    Source: TRL 1.16, GRPOTrainer and its experimental GMPOTrainer.

    Example:
        >>> import torch
        >>> logps, mask = torch.tensor([[-3.0], [-3.0]]), torch.tensor([[True], [True]])
        >>> trl_weights("grpo", logps, logps + 2, torch.tensor([1.0, -1.0]), mask, off_policy_mask_threshold=0.5)
        {'weight': tensor([[1.],
                [0.]])}
    """
    found: dict[str, Tensor] = {}
    factors: list[Tensor] = []
    drawn = logps.detach() if old_logps is None else old_logps
    if top_entropy_quantile != 1:
        keep = high_entropy_mask(entropies, mask, top_entropy_quantile=top_entropy_quantile)  # type: ignore[arg-type]
        if loss_type == "gmpo":
            found["keep"] = keep
        else:
            factors.append(keep)
    if sampling_logps is not None:
        cap = math.inf if vllm_importance_sampling_clip_max is None else vllm_importance_sampling_clip_max
        floor, mode = vllm_importance_sampling_clip_min, vllm_importance_sampling_mode
        correction = sampler_correction(drawn, sampling_logps, mask, mode=mode, cap=cap, floor=floor)
        if loss_type == "vespo":
            found["correction"] = correction
        else:
            factors.append(correction)
        drawn = sampling_logps
    if off_policy_mask_threshold is not None:
        factors.append(off_policy_mask(logps, drawn, advantages, mask, threshold=off_policy_mask_threshold))
    if factors:
        found["weight"] = math.prod(factors[1:], start=factors[0].to(logps.dtype))
    return found


def _backward(trainer, part: batching.Rows, rows: int, own: int, tokens: int, updates: float) -> Tensor:
    """Add the gradient of one micro-batch, with its share in the whole; return its loss, KL and clip fraction.

    The update has so many rows and tokens of its `own`; its batch has so many `tokens` and makes so many `updates`.
    """
    args, counted = trainer.args, int(part.loss_mask.sum())
    logps = batching.logps_of(trainer.model, part, args)
    # With one update a batch the policy is still the one that sampled: each ratio is 1, its gradient is not 0.
    old_logps = part.logps if args.parts * args.num_iterations > 1 else None
    batch = (logps, old_logps, part.advantages, part.loss_mask)
    weights = trl_weights(args.loss_type, *batch, off_policy_mask_threshold=args.off_policy_mask_threshold)
    settings = args.loss_settings() | weights
    out = grpo_loss(*batch, ref_logps=part.ref_logps, num_items_in_batch=tokens, **settings)
    of_rows, of_tokens = len(part.ids) / rows, updates * (counted / max(tokens, 1))
    share = {"rows": of_rows, "tokens": of_tokens, "total": updates}[SLICE_SHARE[args.loss_type]]
    (share * out.loss).backward()
    by_token = args.importance_sampling_level == "token"
    counts = counted / max(own, 1) if by_token else int(part.loss_mask.any(dim=1).sum()) / rows
    return torch.stack([share * out.loss.detach(), share * out.kl, out.clip_fraction * counts])
