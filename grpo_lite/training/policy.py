"""The policy, a model and its tokenizer: what they must be, how they compute, how they read prompts and write texts."""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

from grpo_lite._checks import tokenize
from grpo_lite.reading import read
from grpo_lite.training.config import GRPOConfig


def check_model(model: torch.nn.Module) -> None:
    """Refuse a model whose weights would not move, or whose parts are not where the trainer looks for them."""
    kind = type(model)
    outside = ("builtins", "torch", "accelerate", "deepspeed")
    other = kind.__module__.split(".")[0] in outside or model._compiled_call_impl
    # torch.compile(model.forward) leaves a function that a copy would share: the reference would be the policy. And the
    # weights of a compiled part are saved under other names.
    if other or any(isinstance(vars(part).get("forward"), FunctionType) for part in model.modules()):
        raise ValueError(
            f"model must be the model of transformers itself, not compiled or wrapped, got {kind.__name__}: hand over "
            "what is inside; gradients of several processes are added up by the trainer"
        )
    parameters = list(model.parameters())
    if not any(p.requires_grad for p in parameters):
        raise ValueError(
            "model must have weights that are trained, got one that is frozen: model.requires_grad_(True), or "
            "is_trainable=True where adapters are loaded"
        )
    if any(hasattr(p, "device_mesh") or p.is_meta for p in parameters) or len({p.device for p in parameters}) > 1:
        raise ValueError("model must be whole on one device, got one in shards or with weights left out: load it whole")
    half = {p.dtype for p in parameters if p.requires_grad} & {torch.bfloat16, torch.float16}
    if half:
        raise ValueError(
            f"weights that are trained must be kept in float32, got {half.pop()}, where a step of 1e-6 is lost in "
            "rounding: from_pretrained(..., dtype=torch.float32), and bf16=True computes in 16 bits"
        )


def check_cache(model: torch.nn.Module) -> None:
    """Refuse a model that keeps no keys and values of what it has read: a group could not share them."""
    ids = torch.ones(1, 1, dtype=torch.long, device=next(model.parameters()).device)
    with torch.no_grad():
        [cache] = read(model, ids, ids > 0, keep=1)[1].values()
    if not hasattr(cache, "reorder_cache"):
        raise ValueError(
            "model must remember what it reads in a key-value cache of transformers, got "
            f"{type(model).__name__} with {type(cache).__name__}: take one with attention, such as Qwen or Llama"
        )


def recompute_layers(model: torch.nn.Module) -> None:
    """Keep no activations within a layer: it is computed once more in the backward pass.

    transformers does so in training mode only. The layers alone are put into it, so that dropout stays off.
    """
    from torch.utils.checkpoint import checkpoint
    from transformers.modeling_layers import GradientCheckpointingLayer

    layers: list[Any] = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    if not layers:
        raise ValueError(f"gradient_checkpointing needs layers that can be recomputed, got {type(model).__name__}")
    for layer in layers:
        layer.gradient_checkpointing = layer.training = True
        layer._gradient_checkpointing_func = lambda *args: checkpoint(*args, use_reentrant=False)


def precision(model: torch.nn.Module, args: GRPOConfig) -> torch.autocast:
    """Return the context in which the model computes: matrix products in 16 bits for `bf16`, else as it comes."""
    return torch.autocast(next(model.parameters()).device.type, torch.bfloat16, enabled=args.bf16)


def parameter_groups(model: torch.nn.Module, weight_decay: float) -> list[dict]:
    """Return the weights that are trained as AdamW takes them: matrices decay, biases and gains of norms do not."""
    trained: list[Tensor] = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.dim() < 2], "weight_decay": 0.0},
    ]


def encode(model, tokenizer, rows: Sequence[Mapping], args: GRPOConfig) -> dict[str, Any]:
    """Turn prompts into what `sample_group` and `greedy_decode` take."""
    ids = [_tokens(tokenizer, row.get("prompt")) for row in rows]
    config, width = model.config.get_text_config(), max(map(len, ids))
    longest = getattr(config, "max_position_embeddings", None) or math.inf
    if width + args.max_completion_length > longest:
        raise ValueError(
            f"prompt and completion must fit into the model's {longest} positions, got a prompt of {width} tokens and "
            f"max_completion_length={args.max_completion_length}: shorten one of them"
        )
    ends, pad = _special_ids(model, tokenizer)
    missing = [width - len(row) for row in ids]  # padded here: many tokenizers have no padding token
    padded = torch.tensor([[pad] * n + row for n, row in zip(missing, ids, strict=True)], dtype=torch.long)
    device = next(model.parameters()).device
    return {
        "prompt_ids": padded.to(device),
        "prompt_mask": (torch.arange(width) >= torch.tensor(missing)[:, None]).to(device),
        "max_new_tokens": args.max_completion_length,
        "eos_token_id": ends,
        "pad_token_id": pad,
    }


def _tokens(tokenizer, prompt: Any) -> list[int]:
    """Return the tokens of a prompt; a chat that ends with an assistant's turn has begun the answer."""
    chat = isinstance(prompt, list) and all(isinstance(turn, Mapping) and "role" in turn for turn in prompt)
    if not prompt or not (chat or isinstance(prompt, str)):
        raise ValueError(
            "a row must have a 'prompt', a text or a chat list [{'role': ..., 'content': ...}] with a word in it, "
            f"got {prompt!r}"
        )
    if isinstance(prompt, str):
        return tokenize(tokenizer, [prompt])["input_ids"][0]
    begun = prompt[-1]["role"] == "assistant"
    text = tokenizer.apply_chat_template(
        prompt, add_generation_prompt=not begun, continue_final_message=begun, tokenize=False
    )
    return tokenize(tokenizer, [text], add_special_tokens=False)["input_ids"][0]


def _special_ids(model: torch.nn.Module, tokenizer) -> tuple[list[int], int]:
    """Return all ids that end a completion, by the tokenizer and by the model, and the one that pads."""
    known = getattr(model.generation_config, "eos_token_id", None)
    ends = {tokenizer.eos_token_id, *(known if isinstance(known, list) else [known])} - {None}
    if not ends:
        raise ValueError("tokenizer and model name no end token, got eos_token_id=None: set tokenizer.eos_token")
    return sorted(ends), min(ends) if tokenizer.pad_token_id is None else tokenizer.pad_token_id


def texts(tokenizer, ends: list[int], rows: list[list[int]]) -> list[str]:
    """Turn tokens into texts.

    Of special tokens only those that mark begin, end and padding are left out: a tag such as `<think>` may be one too.
    Many models have more ids than their tokenizer knows. One of those becomes "\ufffd": left out, it would be paid as
    if it had not been written.
    """
    marks = {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id}
    marks |= set(ends) & set(tokenizer.all_special_ids)

    def text(ids: list[int]) -> str:
        real = [i for i in ids if i not in marks]
        parts = groupby(zip(real, tokenizer.convert_ids_to_tokens(real), strict=True), key=lambda pair: pair[1] is None)
        return "".join("\ufffd" if unknown else tokenizer.decode([i for i, _ in part]) for unknown, part in parts)

    return [text(row) for row in rows]
