"""One forward pass of a language model: it reads the newest tokens and remembers them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from grpo_lite.masking import position_ids


def read(
    model: torch.nn.Module,
    new_ids: Int[Tensor, "B T"],
    attention_mask: Bool[Tensor, "B P"],
    *,
    keep: int,
    hidden: bool = False,
    use_cache: bool = True,
    **memory: Any,
) -> tuple[Tensor, dict[str, Any]]:
    """Let the model read the newest tokens, behind those that it remembers.

    `attention_mask` is True on real tokens, of all that it has read and of the new ones; `memory` is what an earlier
    reading returned. Gives the logits at the last `keep` tokens, [B, keep, V], or with `hidden` what the last layer
    reads, [B, keep, H], and what the model remembers now (`memory_of`).
    """
    reader: Any = model.base_model if hidden else model
    out = reader(
        input_ids=new_ids,
        attention_mask=attention_mask.long(),
        position_ids=position_ids(attention_mask)[:, -new_ids.shape[1] :],
        use_cache=use_cache,
        **({} if hidden else {"logits_to_keep": keep}),
        **memory,
    )
    return (out.last_hidden_state if hidden else out.logits)[:, -keep:], memory_of(out)


def memory_of(out: Any) -> dict[str, Any]:
    """Return the key-value cache that a model gave back, by the name under which it takes it.

    transformers calls it `cache` from 5.24 on and `past_key_values` before.
    """
    name = "cache" if hasattr(out, "cache") else "past_key_values"
    return {name: getattr(out, name, None)}


@contextmanager
def eval_mode(model: torch.nn.Module) -> Iterator[None]:
    """Switch dropout off for a while, and give each part back the mode in which it came."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
