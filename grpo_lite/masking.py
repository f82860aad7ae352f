"""Masks: which tokens of a padded batch count, and means that look at nothing else."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grpo_lite._checks import as_ids, check_float, check_ids, check_mask, widen


def completion_mask(completion_ids: Int[Tensor, "B T"], eos_token_id: int | Sequence[int]) -> Bool[Tensor, "B T"]:
    r"""Mark the tokens of each completion up to and including its first end-of-sequence token.

    The end token counts: ending there was a decision of the model, and a model whose end tokens are
    masked out never learns to stop. What follows it is padding. The mask is found by position, not by
    comparing with the padding id, because many tokenizers pad with the end token itself. A row that was cut off and
    then padded with the end token cannot be told from one that ended: its first padding counts.

    Args:
        completion_ids: sampled token ids, padded on the right.
        eos_token_id: the id that ends a completion, or several such ids.

    Returns:
        True on the tokens that count. A row without an end token (cut off at the length limit) is all
        True; a row that starts with an end token counts that one token.

    Raises:
        ValueError: `completion_ids` is not a 2-dimensional integer tensor, or `eos_token_id` is not one id or several.

    Source: DeepSeekMath, the sum over $t \le |o_i|$ in eq. 3 (arXiv:2402.03300). Built in lesson "Token log-probs".

    Example:
        >>> completion_mask(torch.tensor([[7, 5, 2, 2], [4, 4, 4, 4]]), eos_token_id=2)
        tensor([[ True,  True,  True, False],
                [ True,  True,  True,  True]])
    """
    check_ids("completion_ids", completion_ids)
    is_eos = torch.isin(completion_ids, as_ids("eos_token_id", eos_token_id, completion_ids.device))
    ends_before = is_eos.cumsum(dim=1) - is_eos.long()
    return ends_before == 0


def mask_truncated(
    mask: Bool[Tensor, "B T"], completion_ids: Int[Tensor, "B T"], eos_token_id: int | Sequence[int]
) -> Bool[Tensor, "B T"]:
    r"""Take completions that were cut off at the length limit out of the loss, all their tokens.

    Such a completion earns a bad reward for want of an end, however good its reasoning was. Its reward still counts in
    the mean of its group; only its own tokens are not pushed. The row stays in every denominator that counts rows.

    Args:
        mask: True on the tokens that count, from `completion_mask`.
        completion_ids: sampled token ids, padded on the right.
        eos_token_id: the id that ends a completion, or several such ids.

    Returns:
        The mask, with False all along each row that has no end token where `mask` is True.

    Raises:
        ValueError: shapes or dtypes do not fit, or `eos_token_id` is not one id or several.

    Source: overlong filtering, DAPO, sec. 3.4 (arXiv:2503.14476). Built in lesson "The family".

    Example:
        >>> ids = torch.tensor([[7, 5, 2, 2], [4, 4, 4, 4]])
        >>> mask_truncated(completion_mask(ids, eos_token_id=2), ids, eos_token_id=2)
        tensor([[ True,  True,  True, False],
                [False, False, False, False]])
    """
    check_ids("completion_ids", completion_ids)
    check_mask("mask", mask, "completion_ids", completion_ids)
    is_eos = torch.isin(completion_ids, as_ids("eos_token_id", eos_token_id, completion_ids.device))
    is_last = mask & ~torch.nn.functional.pad(mask[:, 1:], (0, 1))
    return mask & (is_last & is_eos).any(dim=1, keepdim=True)


def masked_mean(x: Float[Tensor, "*shape"], mask: Bool[Tensor, "*shape"], dim: int | None = None) -> Tensor:
    r"""Average `x` over the positions where `mask` is True.

    $\frac{\sum_t m_t x_t}{\max(\sum_t m_t, 1)}$, with masked values replaced by 0 before the sum, so that
    an inf or nan under the mask reaches neither the value nor the gradient.

    Args:
        x: values, any shape.
        mask: the same shape; True counts.
        dim: the dimension to average over, or None for one mean over everything.

    Returns:
        The mean, without dimension `dim` (a 0-dimensional tensor for None), in at least float32. Where nothing counts
        it is 0.

    Raises:
        ValueError: `x` is not floating point, `mask` is not bool, or their shapes differ.

    Source: DeepSeekMath, $\frac{1}{|o_i|}\sum_t$ in eq. 3 (arXiv:2402.03300). Built in lesson "Token log-probs".

    Example:
        >>> x = torch.tensor([[1.0, 3.0, 100.0], [5.0, 5.0, 5.0]])
        >>> mask = torch.tensor([[True, True, False], [False, False, False]])
        >>> masked_mean(x, mask, dim=1)
        tensor([2., 0.])
    """
    check_float("x", x)
    check_mask("mask", mask, "x", x)
    kept = widen(torch.where(mask, x, 0))
    return kept.sum(dim) / mask.sum(dim).clamp(min=1)


def position_ids(attention_mask: Bool[Tensor, "B P"]) -> Int[Tensor, "B P"]:
    """Number the real tokens of each row 0, 1, 2, ..., whatever padding stands to their left.

    A model with absolute positions (GPT-2) reads the same prompt differently when padding shifts it,
    unless it is told these numbers. Padding gets 0; nothing attends to it. Built in lesson "Sampling a group".

    Example:
        >>> position_ids(torch.tensor([[False, False, True, True], [True, True, True, True]]))
        tensor([[0, 0, 0, 1],
                [0, 1, 2, 3]])
    """
    return (attention_mask.cumsum(dim=1) - 1).clamp(min=0)


def masked_difference(x: Float[Tensor, "B T"], y: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Tensor:
    """Subtract log-probs, `y` as a constant, in at least float32; exactly 0 where the mask is False.

    What stands under the mask, inf or nan, reaches neither the value nor the gradient.
    """
    return torch.where(mask, widen(x) - widen(y.detach()), 0)
