"""From groups to rectangular tensors: how a batch is cut into micro-batches and laid out for the model."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from grpo_lite.logprobs import completion_logps
from grpo_lite.training.rollout import Group, chunks


class Rows(NamedTuple):
    """Several groups, or pieces of one, below each other: N prompts, B completions.

    Attributes:
        prompt_ids: [N, P], padded on the left.
        prompt_mask: [N, P], True on real tokens.
        ids: [B, T], padded on the right.
        mask: [B, T], True up to and including the end token.
        loss_mask: [B, T], the tokens that count in the loss.
        logps: [B, T], at which the tokens were sampled.
        ref_logps: [B, T] under the reference; empty without one.
        advantages: [B].
    """

    prompt_ids: Tensor
    prompt_mask: Tensor
    ids: Tensor
    mask: Tensor
    loss_mask: Tensor
    logps: Tensor
    ref_logps: Tensor
    advantages: Tensor


def micro_batches(groups: list[Group], size: int) -> Iterator[list[Group]]:
    """Cut a batch into parts of `size` completions: whole groups, or pieces of one group."""
    if not groups:
        return
    per_group = len(groups[0].ids)
    if size < per_group:
        for group in groups:
            for start in range(0, per_group, size):
                own = {name: x[start : start + size] for name, x in group._asdict().items() if "prompt" not in name}
                yield [group._replace(**own)]
    else:
        # By length, so that short completions are not padded to the length of long ones.
        yield from chunks(sorted(groups, key=lambda group: group.ids.shape[1]), size // per_group)


def stack(groups: list[Group]) -> Rows:
    """Lay groups below each other, filled up with 0 to the width of the widest."""
    prompt_ids = [group.prompt_ids[None] for group in groups]
    return Rows(
        prompt_ids=_pad(prompt_ids, left=True),
        prompt_mask=_pad([torch.ones_like(ids, dtype=torch.bool) for ids in prompt_ids], left=True),
        ids=_pad([group.ids for group in groups]),
        mask=_pad([group.mask for group in groups]),
        loss_mask=_pad([group.loss_mask for group in groups]),
        logps=_pad([group.logps for group in groups]),
        ref_logps=_pad([group.ref_logps for group in groups]),
        advantages=torch.cat([group.advantages for group in groups]),
    )


def score(model: torch.nn.Module, rows: Rows, temperature: float) -> Tensor:
    """Score the completions; the prompt of a group is read once."""
    return completion_logps(
        model,
        rows.prompt_ids,
        rows.ids,
        prompt_mask=rows.prompt_mask,
        completion_mask=rows.mask,
        temperature=temperature,
    )


def _pad(parts: list[Tensor], left: bool = False) -> Tensor:
    width = max(part.shape[1] for part in parts)
    missing = [width - part.shape[1] for part in parts]
    return torch.cat([pad(part, (n, 0) if left else (0, n)) for part, n in zip(parts, missing, strict=True)])
