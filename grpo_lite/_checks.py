"""The checks at the public boundary: what was expected, what came, what to do."""

from collections.abc import Sequence

import torch
from torch import Tensor


def check_float(name: str, x: Tensor) -> None:
    """Refuse integer and boolean tensors, whose means and exponentials would be silently wrong."""
    if not x.is_floating_point():
        raise ValueError(f"{name} must be a floating-point tensor, got {x.dtype}: call {name}.float() first")


def check_bool(name: str, mask: Tensor) -> None:
    """Refuse 0/1 numbers as a mask: `~mask` and `torch.where` would read them differently."""
    if mask.dtype != torch.bool:
        raise ValueError(f"{name} must be a bool tensor, got {mask.dtype}: call {name}.bool() first")


def check_ids(name: str, ids: Tensor, vocab_size: int | None = None) -> None:
    """Token ids are a [rows, tokens] integer tensor, each below `vocab_size`."""
    check_rank(name, ids, "B T")
    if ids.is_floating_point() or ids.dtype == torch.bool:
        raise ValueError(f"{name} must hold integer token ids, got {ids.dtype}: call {name}.long() first")
    if vocab_size is None:
        return
    outside = ids[(ids < 0) | (ids >= vocab_size)]
    if outside.numel():
        raise ValueError(
            f"{name} must lie in 0..{vocab_size - 1} (the vocabulary), got {outside[0].item()}: "
            "use the tokenizer that belongs to the model"
        )


def check_rank(name: str, x: Tensor, axes: str) -> None:
    """Refuse a tensor with another number of dimensions than `axes` names."""
    if x.dim() != len(axes.split()):
        raise ValueError(f"{name} must have shape [{', '.join(axes.split())}], got {list(x.shape)}")


def check_same_shape(name: str, x: Tensor, other_name: str, other: Tensor) -> None:
    """Refuse shapes that PyTorch would broadcast without a word."""
    if x.shape != other.shape:
        raise ValueError(f"{name} must have the shape of {other_name}, {list(other.shape)}, got {list(x.shape)}")


def check_at_least(name: str, value: float, low: float) -> None:
    """Refuse a setting below `low`, and nan."""
    if not value >= low:
        raise ValueError(f"{name} must be at least {low}, got {value}")


def check_temperature(temperature: float) -> None:
    """Refuse a temperature that is not a positive finite number."""
    if not 0 < temperature < float("inf"):
        raise ValueError(
            f"temperature must be a positive finite number, got {temperature}: "
            "as it nears 0 every completion of a group becomes the same one and all advantages are 0"
        )


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a word that is not in the list, and show the list."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
