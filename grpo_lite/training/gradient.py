"""The gradient of one update: groups are laid out for the model in micro-batches, and their gradients added up."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from grpo_lite.aggregation import SLICE_SHARE
from grpo_lite.logprobs import completion_logps
from grpo_lite.loss import LossOutput, grpo_loss
from grpo_lite.token_weights import off_policy_mask
from grpo_lite.training import distributed
from grpo_lite.training.config import GRPOConfig
from grpo_lite.training.policy import precision
from grpo_lite.training.rollout import Group, chunks


class Rows(NamedTuple):
    """Several groups, or a piece of one, below each other: N prompts, B completions; prompts are padded on the left.

    What the fields mean stands with `Group`.
    """

    prompt_ids: Int[Tensor, "N P"]
    prompt_mask: Bool[Tensor, "N P"]
    ids: Int[Tensor, "B T"]
    mask: Bool[Tensor, "B T"]
    loss_mask: Bool[Tensor, "B T"]
    logps: Float[Tensor, "B T"]
    advantages: Float[Tensor, "B"]
    ref_logps: Float[Tensor, "B T"] | None


def gradient_of(trainer, groups: list[Group], batch: list[Group]) -> dict[str, float]:
    """Put the gradient into the parameters; return the `loss`, `kl` and `clip_fraction` of the update.

    Groups without advantages are left out, unless a KL penalty acts on them: their gradient is exactly 0. They still
    count in `rows` and `tokens`, by which the loss divides. Of a batch that is cut into several updates each divides by
    the mean number of tokens, as in TRL, so that a token weighs the same in all.
    """
    args, updates = trainer.args, len(batch) / len(groups)
    rows = sum(len(group.ids) for group in groups) * distributed.world_size()
    counts = [sum(int(group.loss_mask.sum()) for group in some) for some in (groups, batch)]
    own, tokens = (sum(of_all) for of_all in zip(*distributed.gather_objects(counts), strict=True))
    measured = torch.zeros(3, device=trainer.device)
    for parameter in trainer.parameters:
        parameter.grad = torch.zeros_like(parameter)  # to which backward() adds
    acting = [group for group in groups if trainer.reference or group.advantages.any()]
    for part in micro_batches(acting, args.per_device_train_batch_size):
        out, counted = _loss(trainer.model, part, args, tokens), int(part.loss_mask.sum())
        of_rows, of_tokens = len(part.ids) / rows, updates * (counted / max(tokens, 1))
        share = {"rows": of_rows, "tokens": of_tokens, "total": updates}[SLICE_SHARE[args.loss_type]]
        (share * out.loss).backward()
        by_token = args.importance_sampling_level == "token"
        clipped_of = counted / max(own, 1) if by_token else int(part.loss_mask.any(dim=1).sum()) / rows
        measured += torch.stack([share * out.loss.detach(), share * out.kl, out.clip_fraction * clipped_of])
    distributed.sum_([*(parameter.grad for parameter in trainer.parameters), measured])
    return dict(zip(("loss", "kl", "clip_fraction"), measured.tolist(), strict=True))


def _loss(model: torch.nn.Module, part: Rows, args: GRPOConfig, tokens: int) -> LossOutput:
    """Return the loss of a micro-batch, whose batch has so many tokens."""
    logps = logps_of(model, part, args)
    # With one update a batch the policy is still the one that sampled: each ratio is 1, its gradient is not 0.
    old_logps = part.logps if args.parts * args.num_iterations > 1 else None
    compared = (part.advantages, part.loss_mask)
    weight, threshold = None, args.off_policy_mask_threshold
    if old_logps is not None and threshold is not None:
        weight = off_policy_mask(logps, old_logps, *compared, threshold=threshold)
    settings = {"ref_logps": part.ref_logps, "num_items_in_batch": tokens, "weight": weight} | args.loss_settings()
    return grpo_loss(logps, old_logps, *compared, **settings)


def micro_batches(groups: list[Group], size: int) -> Iterator[Rows]:
    """Cut a batch into parts of `size` completions: whole groups, or pieces of one group."""
    per_group = len(groups[0].ids) if groups else 1
    # By length, so that short completions are not padded to the length of long ones.
    by_length = sorted(groups, key=lambda group: group.ids.shape[1])
    for part in chunks(by_length, max(1, size // per_group)):
        for start in range(0, per_group, size):
            yield stack(part, slice(start, start + size))


def stack(groups: list[Group], piece: slice = slice(None)) -> Rows:
    """Lay groups, or a piece of each, below each other, filled up with 0 to the width of the widest."""

    def below(name: str) -> Tensor:
        return pad_sequence([row for group in groups for row in getattr(group, name)[piece]], batch_first=True)

    prompts = [group.prompt_ids for group in groups]
    real = [torch.ones_like(ids, dtype=torch.bool) for ids in prompts]
    return Rows(
        prompt_ids=pad_sequence(prompts, batch_first=True, padding_side="left"),
        prompt_mask=pad_sequence(real, batch_first=True, padding_side="left"),
        ids=below("ids"),
        mask=below("mask"),
        loss_mask=below("loss_mask"),
        logps=below("logps"),
        advantages=torch.cat([group.advantages[piece] for group in groups]),
        ref_logps=None if groups[0].ref_logps is None else below("ref_logps"),
    )


def logps_of(model: torch.nn.Module, rows: Rows, args: GRPOConfig) -> Float[Tensor, "B T"]:
    """Return the log-probs of the completions; the prompt of a group is read once."""
    prompts, prompt_mask = rows.prompt_ids, rows.prompt_mask
    if args.gradient_checkpointing:  # no layer remembers what it has read: the prompt is read with each completion
        prompts, prompt_mask = (x.repeat_interleave(len(rows.ids) // len(x), dim=0) for x in (prompts, prompt_mask))
    masks = {"prompt_mask": prompt_mask, "completion_mask": rows.mask}
    with precision(model, args):
        return completion_logps(model, prompts, rows.ids, **masks, temperature=args.temperature)
