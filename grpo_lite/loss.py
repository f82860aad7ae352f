"""The loss of GRPO and its relatives, from log-probs and advantages to one number with a gradient.

A ratio, an objective for each token, weights on it, and a way to average: `grpo_loss` puts together what `ALGORITHMS`
names. The model stays outside: everything here takes tensors. `old_logps`, `ref_logps` and `advantages` are constants;
no gradient passes through them, whatever the caller hands in.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from grpo_lite._checks import check_choice, check_float, check_tokens
from grpo_lite.aggregation import aggregate
from grpo_lite.algorithms import ALGORITHMS, check_loss_settings
from grpo_lite.kl import kl_k3
from grpo_lite.masking import masked_mean
from grpo_lite.ratio import importance_ratio


class LossOutput(NamedTuple):
    """What `grpo_loss` returns; only `loss` carries a gradient.

    Attributes:
        loss: the number to call `backward()` on: `policy_loss + beta * kl`. Its value says little: it starts near 0 and
            may be negative.
        policy_loss: its part from the objective.
        kl: its part from the k3 penalty, before the weight `beta`; 0 without a reference. For the loss types
            that average over tokens this is a mean KL per token, in nats.
        clip_fraction: share of the counted tokens (rows, for a sequence ratio) whose gradient the clip range
            has switched off, 0 to 1. The cap `delta` is not counted. For "cispo" the share whose weight is capped while
            the advantage is positive; 0 for "sapo" and "vespo", which do not clip.
    """

    loss: Tensor
    policy_loss: Tensor
    kl: Tensor
    clip_fraction: Tensor


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
    weight: Float[Tensor, "B #T"] | Bool[Tensor, "B #T"] | None = None,
    **objective_settings: Any,
) -> LossOutput:
    r"""Turn log-probs and advantages into the loss of GRPO, or of one of its relatives.

    $\mathcal L = -\frac1B\sum_i \frac{1}{|o_i|}\sum_t \big[\min(\rho_{i,t}\hat A_i,\ \operatorname{clip}(\rho_{i,t},
    1-\epsilon, 1+\epsilon)\hat A_i) - \beta\, k_3\big]$. The defaults are the paper's equation
    without its penalty, whose weight $\beta$ is 0.04 there. TRL 1.16 leaves it off too, but defaults to
    `loss_type="dapo"` and to the bias-corrected KL. A relative is a ratio (`importance_sampling_level`), an objective
    and an average (both `loss_type`, see `ALGORITHMS`).

    An entropy bonus is one line at the call: `out.loss - entropy_coef * masked_mean(entropies, mask)`.

    Args:
        logps: log-probs under the policy, nats; the gradient goes here.
        old_logps: log-probs when the tokens were sampled; None on-policy (then every ratio is 1, with a gradient).
        advantages: one a completion, usually from `group_advantages`.
        mask: True on completion tokens that count, up to and including the end token.
        ref_logps: log-probs under the frozen reference; needed when beta > 0.
        beta: weight of the KL penalty, at least 0. DeepSeekMath uses 0.04, TRL 0.
        epsilon: half-width of the clip range, at least 0. "gmpo" clips log-ratios; its paper uses 0.4.
        epsilon_high: upper half-width if it differs; None means `epsilon`. For "cispo" the cap of the ratio, needed.
        delta: cap of the ratio for negative advantages, above 1; None for no cap.
        loss_type: "grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "luspo", "vespo" or "gmpo".
        importance_sampling_level: "token", or "sequence" (GSPO with "grpo"; LUSPO's own choice).
        use_bias_correction_kl: multiply k3 by the ratio. With token ratios its gradient is then that of
            KL(policy || reference) for the next token; with "sequence" ratios it is another.
        max_completion_length: the length limit of sampling, in tokens; needed by "dr_grpo".
        num_items_in_batch: tokens that count in the whole batch when this is one slice of it, for "dapo", "cispo" and
            "vespo"; None means the tokens of this call, which makes "dapo" equal to "bnpo".
        weight: a constant factor of the objective, at least 0, one a token or one a completion; None for 1. It touches
            neither the penalty nor the denominators. `high_entropy_mask`, `off_policy_mask` and `sampler_correction`
            make such factors, and their product is one.
        objective_settings: by name, the settings of `sapo_objective` or `vespo_objective`, for "vespo" also
            `correction`; for "gmpo" `keep`, the mask of the tokens that enter its mean.

    Returns:
        A `LossOutput`. A row without tokens adds 0 but stays in the denominator B; with no token at all the loss is 0.

    Raises:
        ValueError: shapes or dtypes do not fit, a setting is out of range or not one that the loss type takes, or a
            needed value is missing.

    Source: DeepSeekMath, eq. 3 (arXiv:2402.03300); "dr_grpo": arXiv:2503.20783; "dapo": arXiv:2503.14476; "luspo":
    arXiv:2602.05261; corrected KL: DeepSeek-V3.2 (arXiv:2512.02556). Built in lesson "The loss".

    Example:
        >>> logps = torch.tensor([[-1.0, -1.0], [-2.0, -2.0]], requires_grad=True)
        >>> mask = torch.ones(2, 2, dtype=torch.bool)
        >>> out = grpo_loss(logps, None, torch.tensor([1.0, -1.0]), mask)
        >>> out.loss.backward()
        >>> out.loss.item(), logps.grad
        (0.0, tensor([[-0.2500, -0.2500],
                [ 0.2500,  0.2500]]))
    """
    own = check_loss_settings(
        loss_type,
        importance_sampling_level=importance_sampling_level,
        beta=beta,
        epsilon=epsilon,
        epsilon_high=epsilon_high,
        delta=delta,
        **objective_settings,
    )
    check_choice("use_bias_correction_kl", use_bias_correction_kl, (False, True))  # "False" would count as True
    if beta > 0 and ref_logps is None:
        raise ValueError(f"beta={beta} needs ref_logps, got None: pass the reference's log-probs or set beta=0")
    check_tokens(mask, logps=logps, old_logps=old_logps, ref_logps=ref_logps)
    if len(mask) == 0:
        raise ValueError(f"mask must hold at least one completion, got shape {list(mask.shape)}")
    logps = torch.where(mask, logps, 0)
    old_logps = logps.detach() if old_logps is None else old_logps.detach()

    ratio = importance_ratio(logps, old_logps, mask, level=importance_sampling_level)
    algorithm = ALGORITHMS[loss_type]
    keep = own.pop("keep", None)  # high-entropy tokens alone enter the geometric mean of "gmpo", as in TRL
    tensors = {"ratio": ratio, "logps": logps, "old_logps": old_logps, "advantages": advantages}
    tensors["mask"] = mask if keep is None else keep
    objective = algorithm.objective(*[tensors[name] for name in algorithm.looks_at], **own)
    if weight is not None:
        objective = objective * _checked_weight(weight, mask)
    limits: dict[str, Any] = {"max_completion_length": max_completion_length, "num_items_in_batch": num_items_in_batch}
    policy_loss = aggregate(-objective.expand_as(mask), mask, loss_type=loss_type, **limits)
    loss, kl = policy_loss, torch.zeros_like(policy_loss)
    if ref_logps is not None:
        k3 = kl_k3(logps, torch.where(mask, ref_logps, 0))
        kl = aggregate(k3 * ratio if use_bias_correction_kl else k3, mask, loss_type=loss_type, **limits)
        loss = policy_loss + beta * kl if beta > 0 else policy_loss
    bounds = algorithm.clip_range(**own) if algorithm.clip_range else None
    return LossOutput(loss, policy_loss.detach(), kl.detach(), _clip_fraction(ratio.detach(), advantages, mask, bounds))


def _checked_weight(weight: Tensor, mask: Tensor) -> Tensor:
    """Return the weight as a constant, 0 where nothing counts: a nan there must not reach the gradient."""
    if getattr(weight, "dtype", None) != torch.bool:
        check_float("weight", weight)
    if weight.shape not in (mask.shape, (len(mask), 1)):
        raise ValueError(
            f"weight must be one factor a token, {list(mask.shape)}, or one a completion, [{len(mask)}, 1], "
            f"got {list(weight.shape)}"
        )
    weight = torch.where(mask, weight.detach(), 0)
    if not ((weight >= 0) & (weight < torch.inf)).all():
        raise ValueError("weight must be finite and at least 0 on the tokens that count, got a value that is not")
    return weight


def _clip_fraction(ratio: Tensor, advantages: Tensor, mask: Tensor, bounds: tuple[float, float] | None) -> Tensor:
    if bounds is None:
        return ratio.new_zeros(())
    advantages = advantages[:, None]
    clipped = ((ratio < bounds[0]) & (advantages < 0)) | ((ratio > bounds[1]) & (advantages > 0))
    if ratio.shape != mask.shape:
        mask = mask.any(dim=1, keepdim=True)
    return masked_mean(clipped.to(ratio.dtype), mask)
