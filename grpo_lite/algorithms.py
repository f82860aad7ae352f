"""The table of the family: which pieces make up each loss type."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from grpo_lite.objectives import cispo_objective, clipped_surrogate, gmpo_objective, sapo_objective, vespo_objective


class Algorithm(NamedTuple):
    """The pieces of a loss type. Its ratio is chosen apart, by `importance_sampling_level`.

    Attributes:
        objective: what is maximised.
        looks_at: the tensors that the objective takes. "chosen" is the mask of high-entropy tokens.
        aggregation: how `aggregate` makes one number of all tokens.
    """

    objective: Callable[..., Tensor]
    looks_at: str
    aggregation: str


ALGORITHMS = {
    "grpo": Algorithm(clipped_surrogate, "ratio advantages", "mean of row means"),
    "bnpo": Algorithm(clipped_surrogate, "ratio advantages", "mean over tokens"),
    "dr_grpo": Algorithm(clipped_surrogate, "ratio advantages", "sum by limit"),
    "dapo": Algorithm(clipped_surrogate, "ratio advantages", "sum by total"),
    "cispo": Algorithm(cispo_objective, "ratio advantages logps", "sum by total"),
    "sapo": Algorithm(sapo_objective, "ratio advantages", "mean of row means"),
    "luspo": Algorithm(clipped_surrogate, "ratio advantages", "mean of row sums"),
    "vespo": Algorithm(vespo_objective, "logps old_logps advantages mask correction", "sum by total"),
    "gmpo": Algorithm(gmpo_objective, "logps old_logps advantages chosen", "mean of row means"),
}
