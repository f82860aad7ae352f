"""From groups to rectangular tensors: how a batch is cut into micro-batches and laid out for the model."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from grpo_lite.logprobs import completion_logps
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
    prompts = [group.prompt_ids[None] for group in groups]
    ref_logps = [group.ref_logps[piece] for group in groups if group.ref_logps is not None]
    return Rows(
        prompt_ids=_pad(prompts, left=True),
        prompt_mask=_pad([torch.ones_like(ids, dtype=torch.bool) for ids in prompts], left=True),
        ids=_pad([group.ids[piece] for group in groups]),
        mask=_pad([group.mask[piece] for group in groups]),
        loss_mask=_pad([group.loss_mask[piece] for group in groups]),
        logps=_pad([group.logps[piece] for group in groups]),
        advantages=torch.cat([group.advantages[piece] for group in groups]),
        ref_logps=_pad(ref_logps) if ref_logps else None,
    )


def logps_of(model: torch.nn.Module, rows: Rows, args: GRPOConfig) -> Float[Tensor, "B T"]:
    """Return the log-probs of the completions; the prompt of a group is read once."""
    prompts, prompt_mask = rows.prompt_ids, rows.prompt_mask
    if args.gradient_checkpointing:  # no layer remembers what it has read: the prompt is read with each completion
        prompts, prompt_mask = (x.repeat_interleave(len(rows.ids) // len(x), dim=0) for x in (prompts, prompt_mask))
    masks = {"prompt_mask": prompt_mask, "completion_mask": rows.mask}
    with precision(model, args):
        return completion_logps(model, prompts, rows.ids, **masks, temperature=args.temperature)


def _pad(parts: list[Tensor], left: bool = False) -> Tensor:
    width = max(part.shape[1] for part in parts)
    missing = [width - part.shape[1] for part in parts]
    return torch.cat([pad(part, (n, 0) if left else (0, n)) for part, n in zip(parts, missing, strict=True)])
