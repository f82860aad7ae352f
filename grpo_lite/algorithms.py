"""The table of the loss types: which objective, settings, clip range and average make up each, and any new one.

A new loss is a function in `objectives` and a line in the table here. The ranges of its settings stand in `_checks`.
"""

import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor

from grpo_lite._checks import check_cap, check_choice, check_ranges
from grpo_lite.objectives import cispo_objective, clipped_surrogate, gmpo_objective, sapo_objective, vespo_objective
from grpo_lite.ratio import LEVELS


class Algorithm(NamedTuple):
    """The pieces of a loss type. Its ratio is chosen apart, by `importance_sampling_level`.

    Attributes:
        objective: what is maximised, a function of tensors and settings.
        looks_at: names of the tensors that it takes, as `grpo_loss` has them; `ratio` is from `importance_ratio`.
        settings: names of the settings that it takes.
        clip_range: lowest and highest ratio that it leaves alone, from the settings; None if it does not clip.
        aggregation: how `aggregate` makes one number of all tokens.
    """

    objective: Callable[..., Tensor]
    looks_at: tuple[str, ...]
    settings: tuple[str, ...]
    clip_range: Callable[..., tuple[float, float]] | None
    aggregation: str


def _around_one(epsilon: float, epsilon_high: float | None = None, delta: float | None = None) -> tuple[float, float]:
    return 1 - epsilon, 1 + (epsilon if epsilon_high is None else epsilon_high)


def _in_logarithms(epsilon: float, epsilon_high: float | None = None) -> tuple[float, float]:
    high = epsilon if epsilon_high is None else epsilon_high
    return math.exp(-epsilon), math.exp(min(high, 700.0))  # no ratio is above e^700, and math.exp refuses more


def _cap(epsilon_high: float) -> tuple[float, float]:
    return 0.0, epsilon_high


_RATIO = ("ratio", "advantages")
_LOGPS = ("logps", "old_logps", "advantages", "mask")
_CLIP = ("epsilon", "epsilon_high", "delta")
_SAPO = ("sapo_temperature_pos", "sapo_temperature_neg")
_VESPO = ("correction", "vespo_k_pos", "vespo_lambda_pos", "vespo_k_neg", "vespo_lambda_neg")
ALGORITHMS = {
    "grpo": Algorithm(clipped_surrogate, _RATIO, _CLIP, _around_one, "mean of row means"),
    "bnpo": Algorithm(clipped_surrogate, _RATIO, _CLIP, _around_one, "mean over tokens"),
    "dr_grpo": Algorithm(clipped_surrogate, _RATIO, _CLIP, _around_one, "sum by limit"),
    "dapo": Algorithm(clipped_surrogate, _RATIO, _CLIP, _around_one, "sum by total"),
    "cispo": Algorithm(cispo_objective, (*_RATIO, "logps"), ("epsilon_high",), _cap, "sum by total"),
    "sapo": Algorithm(sapo_objective, _RATIO, _SAPO, None, "mean of row means"),
    "luspo": Algorithm(clipped_surrogate, _RATIO, _CLIP, _around_one, "mean of row sums"),
    "vespo": Algorithm(vespo_objective, _LOGPS, _VESPO, None, "sum by total"),
    "gmpo": Algorithm(gmpo_objective, _LOGPS, ("epsilon", "epsilon_high", "keep"), _in_logarithms, "mean of row means"),
}
"""The loss types by name."""


def check_loss_settings(
    loss_type: str,
    *,
    importance_sampling_level: str = "token",
    beta: float = 0.0,
    epsilon: float = 0.2,
    epsilon_high: float | None = None,
    delta: float | None = None,
    **own: Any,
) -> dict[str, Any]:
    """Return the settings of `grpo_loss` that the objective takes; refuse any that is out of range or would be ignored.

    Of a loss type without a clip range the default of `epsilon` is left out; everything else that it does not take is
    a ValueError, and so is what it needs and was not given.
    """
    check_choice("loss_type", loss_type, tuple(ALGORITHMS))
    check_choice("importance_sampling_level", importance_sampling_level, LEVELS)
    takes = ALGORITHMS[loss_type].settings
    given = own | {name: x for name, x in (("epsilon_high", epsilon_high), ("delta", delta)) if x is not None}
    for name, value in given.items():
        if name not in takes:
            raise ValueError(f"loss_type={loss_type!r} takes {', '.join(takes)}, got {name}={value!r}: leave it out")
    if "epsilon" in takes:
        given["epsilon"] = epsilon
    if loss_type == "cispo":
        check_cap(epsilon_high)
    check_ranges(beta=beta, **given)
    _warn_of_level(loss_type, importance_sampling_level)
    return given


def _warn_of_level(loss_type: str, level: str) -> None:
    if level == "sequence" and loss_type in ("bnpo", "dr_grpo", "dapo", "cispo"):
        advice = "sums over tokens, which weighs each completion by its length: GSPO is loss_type='grpo'"
    elif level == "sequence" and loss_type in ("vespo", "gmpo"):
        advice = "makes its own weight of whole completions, and ignores this ratio: use 'token'"
    elif level == "token" and loss_type == "luspo":
        advice = "is meant for one ratio a completion: use 'sequence'"
    else:
        return
    warnings.warn(f"importance_sampling_level={level!r}, but loss_type={loss_type!r} {advice}", stacklevel=4)
