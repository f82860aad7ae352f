"""Between texts and tokens: prompts for the model to read, and what it wrote for the reward functions to judge."""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import torch

from grpo_lite._checks import tokenize
from grpo_lite.training.config import GRPOConfig


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
