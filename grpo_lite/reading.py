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

    Args:
        model: a causal language model of transformers, or one that is called like it.
        new_ids: the tokens that it has not read yet.
        attention_mask: True on real tokens, of all that it has read and of the new ones.
        keep: K, how many of the last tokens are wanted.
        hidden: whether what the last layer reads is wanted in place of its logits.
        use_cache: whether it shall remember what it reads.
        memory: what an earlier reading returned.

    Returns:
        The logits, [B, K, V], or the hidden states, [B, K, H], and what the model remembers now (`memory_of`).

    Example:
        >>> from transformers import GPT2Config, GPT2LMHeadModel
        >>> config = GPT2Config(vocab_size=10, n_embd=8, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0)
        >>> model, ids = GPT2LMHeadModel(config), torch.tensor([[1, 2, 3]])
        >>> _, memory = read(model, ids[:, :2], ids[:, :2] > 0, keep=1)
        >>> logits, _ = read(model, ids[:, 2:], ids > 0, keep=1, **memory)
        >>> logits.shape
        torch.Size([1, 1, 10])
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
