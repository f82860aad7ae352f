"""Aggregation: how one number a token becomes one number for the batch, and so how much each token weighs."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from grpo_lite._checks import check_choice, check_count, check_tokens, widen
from grpo_lite.algorithms import ALGORITHMS
from grpo_lite.masking import masked_mean

# What the loss of a slice of a batch is to be multiplied with, so that the slices add up to the loss of the whole: the
# slice's share of the "rows", its share of the counted "tokens", or 1 ("total") when all get the num_items_in_batch of
# the whole.
_SHARES = {"mean over tokens": "tokens", "sum by total": "total"}
SLICE_SHARE = {name: _SHARES.get(algorithm.aggregation, "rows") for name, algorithm in ALGORITHMS.items()}


def aggregate(
    x: Float[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    *,
    loss_type: str = "grpo",
    max_completion_length: int | None = None,
    num_items_in_batch: float | Tensor | None = None,
) -> Float[Tensor, ""]:
    r"""Make one number of one number a token, the way a loss type does it.

    "grpo", "sapo", "gmpo": $\frac1B\sum_i\frac1{|o_i|}\sum_t x_{i,t}$, a mean over each completion, then over
    completions. "bnpo": the mean over all tokens. "dr_grpo": the sum over $B$ times the length limit. "dapo", "cispo",
    "vespo": the sum over the tokens of the whole batch. "luspo": $\frac1B\sum_i\sum_t x_{i,t}$. Slices of a batch add
    up to the whole if each is multiplied with what `SLICE_SHARE` names: its share of the rows, of the tokens, or 1.

    Args:
        x: one number a token.
        mask: True on tokens that count.
        loss_type: see above.
        max_completion_length: the length limit of sampling, in tokens; needed by "dr_grpo".
        num_items_in_batch: tokens that count in the whole batch when this is one slice of it, at least those of this
            call, for "dapo", "cispo" and "vespo"; None means the tokens of this call.

    Returns:
        One number with the unit of `x`, in at least float32. A row without tokens adds 0 and stays in $B$.

    Raises:
        ValueError: shapes or dtypes do not fit, an unknown loss type, or a needed value is missing or out of range.

    Source: DeepSeekMath, eq. 3 (arXiv:2402.03300); "dr_grpo": arXiv:2503.20783; "dapo": arXiv:2503.14476, which divides
    by the tokens of each group; "luspo": arXiv:2602.05261. Built in lesson "The family".

    Example:
        >>> x, mask = torch.tensor([[4.0, 0.0], [1.0, 1.0]]), torch.tensor([[True, False], [True, True]])
        >>> aggregate(x, mask), aggregate(x, mask, loss_type="bnpo"), aggregate(x, mask, loss_type="luspo")
        (tensor(2.5000), tensor(2.), tensor(3.))
    """
    check_choice("loss_type", loss_type, tuple(ALGORITHMS))
    check_tokens(mask, x=x)
    if len(x) == 0:
        raise ValueError(f"x must hold at least one completion, got shape {list(x.shape)}")
    how = ALGORITHMS[loss_type].aggregation
    if how == "mean of row means":
        return masked_mean(x, mask, dim=1).mean()
    if how == "mean over tokens":
        return masked_mean(x, mask)
    total = widen(torch.where(mask, x, 0)).sum()
    if how == "mean of row sums":
        return total / len(x)
    if how == "sum by limit":
        return total / (len(x) * _length_limit(max_completion_length, mask))
    return total / _token_count(num_items_in_batch, mask)


def _length_limit(max_completion_length: int | None, mask: Tensor) -> int:
    if max_completion_length is None:
        raise ValueError("loss_type='dr_grpo' needs max_completion_length, got None: pass the limit used in sampling")
    check_count("max_completion_length", max_completion_length, max(mask.shape[1], 1))
    return max_completion_length


def _token_count(num_items_in_batch: float | Tensor | None, mask: Tensor) -> Tensor:
    here = mask.sum()
    items = torch.as_tensor(here if num_items_in_batch is None else num_items_in_batch).to(mask.device)
    if items.dim() or not here <= items < torch.inf:
        raise ValueError(
            f"num_items_in_batch must be one number of tokens, at least the {here} of this call, "
            f"got {num_items_in_batch}: pass the tokens of the whole batch"
        )
    return items.clamp(min=1)
