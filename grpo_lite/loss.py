"""The GRPO loss, from log-probs and advantages to one number with a gradient.

Read bottom up: `grpo_loss` names the pieces, the functions above it are the pieces. The model stays outside:
everything here takes tensors. `old_logps`, `ref_logps` and `advantages` are constants; no gradient passes
through them, whatever the caller hands in.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from grpo_lite._checks import (
    check_at_least,
    check_bool,
    check_choice,
    check_count,
    check_float,
    check_rank,
    check_same_shape,
    widen,
)
from grpo_lite.kl import kl_k3
from grpo_lite.masking import masked_mean

LOSS_TYPES = ("grpo", "bnpo", "dr_grpo", "dapo")
LEVELS = ("token", "sequence")


class LossOutput(NamedTuple):
    """What `grpo_loss` returns; `loss = policy_loss + beta * kl`, and only `loss` carries a gradient.

    Attributes:
        loss: the number to call `backward()` on. Its value says little: it starts near 0 and may be negative.
        policy_loss: its part from the clipped surrogate.
        kl: its part from the k3 penalty, before the weight `beta`; 0 without a reference. For the loss types
            that average over tokens this is a mean KL per token, in nats.
        clip_fraction: share of the counted tokens (rows, for a sequence ratio) whose gradient the clip range
            has switched off, 0 to 1. The cap `delta` is not counted.
    """

    loss: Tensor
    policy_loss: Tensor
    kl: Tensor
    clip_fraction: Tensor


def importance_ratio(
    logps: Float[Tensor, "B T"],
    old_logps: Float[Tensor, "B T"],
    mask: Bool[Tensor, "B T"] | None = None,
    *,
    level: str = "token",
) -> Float[Tensor, "B #T"]:
    r"""Say how much more likely the policy makes each token now than when it was sampled.

    $\rho_{i,t} = \exp(\log\pi_\theta - \log\pi_{\text{old}})$: one difference of log-probs, then one exp. The
    quotient of two exponentials is 0 / 0 as soon as a token is rarer than e^-103 in float32.

    Args:
        logps: log-probs under the policy, nats.
        old_logps: log-probs under the policy that sampled, nats; a constant, no gradient passes.
        mask: True on tokens that count; None if all do.
        level: "token" for one ratio a token, "sequence" for the exp of the mean log-ratio of each row (GSPO).

    Returns:
        Ratios above 0, [B, T] or [B, 1], in at least float32; exactly 1 where the mask is False, and 1 for a row
        without tokens. A log-ratio above 88 overflows to inf (float32), with a gradient that is not finite.

    Raises:
        ValueError: shapes or dtypes do not fit, or an unknown `level`.

    Source: DeepSeekMath, eq. 3 (arXiv:2402.03300); "sequence": GSPO (arXiv:2507.18071). Built in notebook 07.

    Example:
        >>> importance_ratio(torch.tensor([[-1.0, -2.0]]), torch.tensor([[-1.0, -2.5]]))
        tensor([[1.0000, 1.6487]])
    """
    check_choice("level", level, LEVELS)
    check_float("logps", logps)
    check_float("old_logps", old_logps)
    check_rank("logps", logps, "B T")
    check_same_shape("old_logps", old_logps, "logps", logps)
    if mask is None:
        mask = torch.ones_like(logps, dtype=torch.bool)
    check_bool("mask", mask)
    check_same_shape("mask", mask, "logps", logps)
    # Masked log-probs are replaced before the subtraction: inf - inf under the mask would give a nan gradient.
    log_ratio = widen(torch.where(mask, logps, 0)) - widen(torch.where(mask, old_logps.detach(), 0))
    if level == "sequence":
        log_ratio = masked_mean(log_ratio, mask, dim=1)[:, None]
    return log_ratio.exp()


def clipped_surrogate(
    ratio: Float[Tensor, "B T"],
    advantages: Float[Tensor, "B"],
    *,
    epsilon: float = 0.2,
    epsilon_high: float | None = None,
    delta: float | None = None,
) -> Float[Tensor, "B T"]:
    r"""Reward a token's ratio for moving with its advantage, but not beyond the clip range.

    $\min\big(\min(\rho, \delta)\hat A,\ \operatorname{clip}(\rho, 1-\epsilon, 1+\epsilon_{\text{high}})\hat A\big)$,
    to be maximised. The outer min is for both signs of $\hat A$: the clip takes away the reason to move further in
    the good direction and leaves the way back open.

    Args:
        ratio: from `importance_ratio`, above 0; [B, 1] for sequence ratios.
        advantages: one a completion; a constant, no gradient passes.
        epsilon: half-width of the clip range, at least 0, usually 0.2.
        epsilon_high: upper half-width if it differs (DAPO's clip-higher uses 0.28); None means `epsilon`.
        delta: cap of the ratio for negative advantages, above 1, usually above 1 + epsilon_high; None for no cap.

    Returns:
        The objective of each token, in the unit of the advantages.

    Raises:
        ValueError: shapes or dtypes do not fit, epsilon or epsilon_high below 0, delta not above 1.

    Source: PPO, eq. 7 (arXiv:1707.06347); clip-higher: DAPO (arXiv:2503.14476); delta: INTELLECT-2
    (arXiv:2505.07291). Built in notebook 07.

    Example:
        >>> clipped_surrogate(torch.tensor([[1.5], [1.5]]), torch.tensor([1.0, -1.0]))
        tensor([[ 1.2000],
                [-1.5000]])
    """
    epsilon_high = epsilon if epsilon_high is None else epsilon_high
    check_at_least("epsilon", epsilon, 0)
    check_at_least("epsilon_high", epsilon_high, 0)
    if delta is not None and not delta > 1:
        raise ValueError(f"delta must be above 1 (a cap for large ratios), got {delta}: use None for no cap")
    check_float("ratio", ratio)
    check_rank("ratio", ratio, "B T")
    _check_advantages(advantages, ratio)
    advantages = advantages.detach()[:, None]
    clipped = ratio.clamp(1 - epsilon, 1 + epsilon_high)
    if delta is not None:
        ratio = ratio.clamp(max=delta)
    return torch.minimum(ratio * advantages, clipped * advantages)


def grpo_loss(
    logps: Float[Tensor, "B T"],
    old_logps: Float[Tensor, "B T"] | None,
    advantages: Float[Tensor, "B"],
    mask: Bool[Tensor, "B T"],
    *,
    ref_logps: Float[Tensor, "B T"] | None = None,
    beta: float = 0.0,
    epsilon: float = 0.2,
    epsilon_high: float | None = None,
    delta: float | None = None,
    loss_type: str = "grpo",
    importance_sampling_level: str = "token",
    use_bias_correction_kl: bool = False,
    max_completion_length: int | None = None,
    num_items_in_batch: float | Tensor | None = None,
) -> LossOutput:
    r"""Turn log-probs and advantages into the loss of GRPO.

    $\mathcal L = -\frac1B\sum_i \frac{1}{|o_i|}\sum_t \big[\min(\rho_{i,t}\hat A_i,\ \operatorname{clip}(\rho_{i,t},
    1-\epsilon, 1+\epsilon)\hat A_i) - \beta\, k_3\big]$. The defaults are the paper's; TRL 1.16 instead
    defaults to `loss_type="dapo"` and to the bias-corrected KL.

    Args:
        logps: log-probs under the policy, nats; the gradient goes here.
        old_logps: log-probs when the tokens were sampled; None on-policy (then every ratio is 1, with a gradient).
        advantages: one a completion, usually from `group_advantages`.
        mask: True on completion tokens that count, up to and including the end token.
        ref_logps: log-probs under the frozen reference; needed when beta > 0.
        beta: weight of the KL penalty, at least 0. DeepSeekMath uses 0.04, TRL 0.
        epsilon: half-width of the clip range, at least 0.
        epsilon_high: upper half-width if it differs; None means `epsilon`.
        delta: cap of the ratio for negative advantages, above 1; None for no cap.
        loss_type: how tokens are averaged. "grpo": per completion, then over completions. "bnpo": over all tokens.
            "dr_grpo": divide by B * max_completion_length. "dapo": divide by num_items_in_batch.
        importance_sampling_level: "token", or "sequence" (GSPO).
        use_bias_correction_kl: multiply k3 by the ratio, which makes its gradient that of KL(policy || reference).
        max_completion_length: the length limit of sampling, in tokens; needed by "dr_grpo".
        num_items_in_batch: tokens that count in the whole batch when this is one slice of it, for "dapo"; None
            means the tokens of this call, which makes "dapo" equal to "bnpo".

    Returns:
        A `LossOutput`. A row without tokens adds 0 but stays in the denominator B; with no token at all the loss is 0.

    Raises:
        ValueError: shapes or dtypes do not fit, a setting is out of range, or a needed value is missing.

    Source: DeepSeekMath, eq. 3 (arXiv:2402.03300); "dr_grpo": arXiv:2503.20783; "dapo": arXiv:2503.14476;
    corrected KL: DeepSeek-V3.2 (arXiv:2512.02556). Built in notebook 08.

    Example:
        >>> logps = torch.tensor([[-1.0, -1.0], [-2.0, -2.0]], requires_grad=True)
        >>> mask = torch.ones(2, 2, dtype=torch.bool)
        >>> out = grpo_loss(logps, None, torch.tensor([1.0, -1.0]), mask)
        >>> out.loss.backward()
        >>> out.loss.item(), logps.grad
        (0.0, tensor([[-0.2500, -0.2500],
                [ 0.2500,  0.2500]]))
    """
    check_choice("loss_type", loss_type, LOSS_TYPES)
    check_choice("importance_sampling_level", importance_sampling_level, LEVELS)
    check_at_least("beta", beta, 0)
    if beta > 0 and ref_logps is None:
        raise ValueError(f"beta={beta} needs ref_logps, got None: pass the reference's log-probs or set beta=0")
    check_bool("mask", mask)
    if len(mask) == 0:
        raise ValueError(f"mask must hold at least one completion, got shape {list(mask.shape)}")

    ratio = importance_ratio(logps, logps if old_logps is None else old_logps, mask, level=importance_sampling_level)
    surrogate = clipped_surrogate(ratio, advantages, epsilon=epsilon, epsilon_high=epsilon_high, delta=delta)
    settings = (mask, loss_type, max_completion_length, num_items_in_batch)
    policy_loss = _aggregate(-surrogate.expand_as(mask), *settings)

    kl = torch.zeros_like(policy_loss)
    if ref_logps is not None:
        per_token_kl = _masked_k3(logps, ref_logps, mask)
        if use_bias_correction_kl:
            per_token_kl = per_token_kl * ratio
        kl = _aggregate(per_token_kl, *settings)

    loss = policy_loss + beta * kl if beta > 0 else policy_loss
    clip_fraction = _clip_fraction(ratio.detach(), advantages, mask, epsilon, epsilon_high)
    return LossOutput(loss, policy_loss.detach(), kl.detach(), clip_fraction)


def _masked_k3(logps: Tensor, ref_logps: Tensor, mask: Tensor) -> Tensor:
    check_same_shape("ref_logps", ref_logps, "logps", logps)
    return kl_k3(torch.where(mask, logps, 0), torch.where(mask, ref_logps, 0))


def _aggregate(
    x: Tensor,
    mask: Tensor,
    loss_type: str,
    max_completion_length: int | None,
    num_items_in_batch: float | Tensor | None,
) -> Tensor:
    """Average the tokens to one number; the only place where the loss types differ."""
    if loss_type == "grpo":
        return masked_mean(x, mask, dim=1).mean()
    if loss_type == "bnpo":
        return masked_mean(x, mask)
    total = torch.where(mask, x, 0).sum()
    if loss_type == "dapo":
        items = torch.as_tensor(mask.sum() if num_items_in_batch is None else num_items_in_batch)
        if items.dim() or not 0 <= items < torch.inf:
            raise ValueError(f"num_items_in_batch must be one number of tokens, at least 0, got {num_items_in_batch}")
        return total / items.clamp(min=1).to(total.device)
    if max_completion_length is None:
        raise ValueError("loss_type='dr_grpo' needs max_completion_length, got None: pass the limit used in sampling")
    check_count("max_completion_length", max_completion_length, max(mask.shape[1], 1))
    return total / (len(x) * max_completion_length)


def _clip_fraction(
    ratio: Tensor, advantages: Tensor, mask: Tensor, epsilon: float, epsilon_high: float | None
) -> Tensor:
    advantages = advantages[:, None]
    epsilon_high = epsilon if epsilon_high is None else epsilon_high
    too_high = (ratio > 1 + epsilon_high) & (advantages > 0)
    too_low = (ratio < 1 - epsilon) & (advantages < 0)
    if ratio.shape != mask.shape:
        mask = mask.any(dim=1, keepdim=True)
    return masked_mean((too_high | too_low).to(ratio.dtype), mask)


def _check_advantages(advantages: Tensor, ratio: Tensor) -> None:
    check_float("advantages", advantages)
    if advantages.shape != ratio.shape[:1]:
        raise ValueError(
            f"advantages must hold one number a completion, shape [{len(ratio)}], got {list(advantages.shape)}"
        )
