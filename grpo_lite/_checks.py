"""The checks at the public boundary: what was expected, what came, what to do."""

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

HOME = "https://github.com/grpo-lite/grpo-lite"  # where the package is installed from


@cache  # looked up once: a reward is computed for each completion
def check_installed(module: str, need: str, extra: str) -> None:
    """Say which extra to install if a package is missing; nothing is imported."""
    if find_spec(module) is None:
        raise ImportError(f'{need}: pip install "grpo-lite[{extra}] @ git+{HOME}"')


def check_float(name: str, x: Tensor, axes: str = "") -> None:
    """Refuse integer and boolean tensors, whose means and exponentials would be silently wrong, and other `axes`."""
    _check_tensor(name, x, axes)
    if not x.is_floating_point():
        raise ValueError(f"{name} must be a floating-point tensor, got {x.dtype}: call {name}.float() first")


def check_mask(name: str, mask: Tensor, other_name: str, other: Tensor) -> None:
    """Refuse a mask of another shape, and 0/1 numbers: `~mask` and `torch.where` would read them differently."""
    _check_tensor(name, mask)
    if mask.dtype != torch.bool:
        raise ValueError(f"{name} must be a bool tensor, got {mask.dtype}: call {name}.bool() first")
    check_same_shape(name, mask, other_name, other)


def check_ids(name: str, ids: Tensor, vocab_size: int | None = None) -> None:
    """Token ids are a [rows, tokens] integer tensor, each below `vocab_size`."""
    _check_tensor(name, ids, "B T")
    if ids.dtype not in (torch.int64, torch.int32):
        raise ValueError(f"{name} must hold integer token ids, got {ids.dtype}: call {name}.long() first")
    if vocab_size is None:
        return
    outside = ids[(ids < 0) | (ids >= vocab_size)]
    if outside.numel():
        raise ValueError(
            f"{name} must lie in 0..{vocab_size - 1} (the vocabulary), got {outside[0].item()}: "
            "use the tokenizer that belongs to the model"
        )


def as_ids(name: str, ids: int | Sequence[int], device: torch.device, vocab_size: int | None = None) -> Tensor:
    """Turn one special token id or several into a vector; refuse None, which a tokenizer without that token has."""
    several = [ids] if isinstance(ids, Integral) else ids
    if not isinstance(several, Sequence) or not several or not all(_is_count(i) for i in several):
        raise ValueError(
            f"{name} must be a token id or a list of token ids, got {ids!r}: "
            "a tokenizer without a padding token can pad with its end token"
        )
    found = torch.tensor(list(several), device=device)
    check_ids(name, found[None], vocab_size)
    return found


def check_same_shape(name: str, x: Tensor, other_name: str, other: Tensor) -> None:
    """Refuse shapes that PyTorch would broadcast without a word."""
    if x.shape != other.shape:
        raise ValueError(f"{name} must have the shape of {other_name}, {list(other.shape)}, got {list(x.shape)}")


def check_tokens(mask: Tensor, **tensors: Tensor | None) -> None:
    """One mask and several tensors, each [rows, tokens] and of one shape; None is a tensor that was not given."""
    (name, first), *others = tensors.items()
    check_float(name, first, "B T")  # type: ignore[arg-type]
    for other_name, other in others:
        if other is not None:
            check_float(other_name, other)
            check_same_shape(other_name, other, name, first)  # type: ignore[arg-type]
    check_mask("mask", mask, name, first)  # type: ignore[arg-type]


def check_advantages(advantages: Tensor, rows: int) -> None:
    """Refuse anything but one number a completion; one a token or a column would broadcast."""
    check_float("advantages", advantages)
    if advantages.shape != (rows,):
        raise ValueError(f"advantages must hold one number a completion, shape [{rows}], got {list(advantages.shape)}")


def check_ratio(ratio: Tensor, advantages: Tensor, logps: Tensor | None = None) -> None:
    """Ratios are [rows, tokens] or [rows, 1], with one advantage a row and, where they are asked for, as many logps."""
    check_float("ratio", ratio, "B T")
    check_advantages(advantages, len(ratio))
    if logps is not None:
        check_float("logps", logps, "B T")
        check_same_shape("logps", logps, "ratio", ratio.expand(-1, logps.shape[1]) if ratio.shape[1] == 1 else ratio)


_AT_LEAST = {"beta": 0, "epsilon": 0, "epsilon_high": 0, "vespo_k_pos": 0, "vespo_k_neg": 0} | {
    "vespo_lambda_pos": 1e-4,
    "vespo_lambda_neg": 1e-4,
}
_ABOVE = {"delta": 1, "sapo_temperature_pos": 0, "sapo_temperature_neg": 0}


def check_ranges(**settings: Any) -> None:
    """Refuse settings of the losses that are out of range; without epsilon_high or delta they are None."""
    for name, value in settings.items():
        if value is None and name in ("epsilon_high", "delta"):
            continue
        if name in _AT_LEAST:
            check_at_least(name, value, _AT_LEAST[name])
        elif name in _ABOVE:
            check_above(name, value, _ABOVE[name], "use None for no cap" if name == "delta" else "")


def check_cap(epsilon_high: float | None) -> None:
    """Refuse a cap of the ratio that is missing or would turn every weight into 0."""
    if epsilon_high is None:
        raise ValueError(
            "cispo needs epsilon_high, got None: it is the cap of the ratio itself, so the 0.2 of a clip range would "
            "turn every ratio into 0.2; 5.0 is a usual value"
        )
    check_above("epsilon_high", epsilon_high, 0, "for cispo it is the cap of the ratio, 5.0 is a usual value")


def check_at_least(name: str, value: float, low: float) -> None:
    """Refuse what is not a number, a setting below `low`, and nan."""
    if not isinstance(value, Real) or not value >= low:
        raise ValueError(f"{name} must be at least {low}, got {value!r}")


def check_above(name: str, value: float, low: float, hint: str = "") -> None:
    """Refuse what is not a number, a setting of `low` or below, and nan."""
    if not isinstance(value, Real) or not value > low:
        raise ValueError(f"{name} must be above {low}, got {value!r}" + (f": {hint}" if hint else ""))


def check_between(name: str, value: float, low: float, high: float) -> None:
    """Refuse what is not a number, a setting outside of `low` to `high`, and nan."""
    if not isinstance(value, Real) or not low <= value <= high:
        raise ValueError(f"{name} must lie between {low} and {high}, got {value!r}")


def check_count(name: str, value: int, low: int) -> None:
    """Refuse a count that is not whole: with 2.5 a loop would never meet its end."""
    if not _is_count(value) or value < low:
        raise ValueError(f"{name} must be a whole number of at least {low}, got {value!r}")


def check_temperature(temperature: float) -> None:
    """Refuse a temperature that is not a positive finite number."""
    if not isinstance(temperature, Real) or not 0 < temperature < float("inf"):
        raise ValueError(
            f"temperature must be a positive finite number, got {temperature!r}: "
            "as it nears 0 every completion of a group becomes the same one and all advantages are 0"
        )


def check_choice(name: str, value: object, choices: Sequence) -> None:
    """Refuse a word that is not in the list, and show the list."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")


def check_prompt_mask(prompt_ids: Tensor, prompt_mask: Tensor | None) -> Tensor:
    """Return the mask of real prompt tokens, all True for None; refuse padding on the right and empty prompts."""
    if prompt_mask is None:
        prompt_mask = torch.ones_like(prompt_ids, dtype=torch.bool)
    check_mask("prompt_mask", prompt_mask, "prompt_ids", prompt_ids)
    if prompt_ids.numel() == 0:
        raise ValueError(f"prompt_ids must hold at least one prompt of one token, got shape {list(prompt_ids.shape)}")
    if not prompt_mask[:, -1].all():
        raise ValueError(
            "every prompt must end with a real token, got a prompt_mask with False in its last column: "
            "pad prompts on the left (padding_side='left'), so that the completion follows the prompt directly"
        )
    if (prompt_mask[:, :-1] & ~prompt_mask[:, 1:]).any():
        raise ValueError(
            "prompt_mask must be False, then True along each row, got a row with padding between real tokens: "
            "pad prompts on the left only"
        )
    return prompt_mask


def tokenize(tokenizer, texts: Sequence[str], **settings):
    """Call a tokenizer; symbols that it does not know get an error that names them."""
    try:
        return tokenizer(texts, **settings)
    except Exception as error:  # the tokenizers library has no class of its own for it
        if "Missing [UNK] token" not in str(error):
            raise
        split, vocabulary = tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str, tokenizer.get_vocab()
        known = sorted(vocabulary, key=vocabulary.get)
        unknown = sorted({symbol for text in texts for symbol, _ in split(text)} - set(known))
        raise ValueError(
            f"texts must be made of the {len(known)} symbols that the tokenizer knows, {' '.join(known)}, "
            f"got {', '.join(map(repr, unknown))}: use other texts, or a tokenizer and a model of your own"
        ) from None


def is_finite(value: object) -> bool:
    """Whether a value is a number that float32 can hold; nan is not."""
    return isinstance(value, Real) and bool(abs(value) <= torch.finfo(torch.float32).max)  # type: ignore[operator]


def vocabulary_size(model: torch.nn.Module) -> int | None:
    """Return how many token ids the model knows, None for one that is only called like a model of transformers."""
    config: Any = getattr(model, "config", None)
    own = config.get_text_config() if hasattr(config, "get_text_config") else config  # of one that reads images too
    return getattr(own, "vocab_size", None)


def widen(x: Tensor) -> Tensor:
    """Return float32 for half precision, which overflows at 65504 or keeps three digits; float64 stays."""
    return x if x.dtype == torch.float64 else x.float()


def _check_tensor(name: str, x: object, axes: str = "") -> None:
    if not isinstance(x, Tensor):
        raise ValueError(f"{name} must be a torch.Tensor, got {type(x).__name__}: wrap it in torch.tensor(...)")
    if axes and x.dim() != len(axes.split()):
        raise ValueError(f"{name} must have shape [{', '.join(axes.split())}], got {list(x.shape)}")


def _is_count(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
