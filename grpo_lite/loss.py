"""The loss of GRPO and its relatives, from log-probs and advantages to one number with a gradient.

A ratio, an objective for each token, weights on it, and a way to average: `grpo_loss` puts together what `ALGORITHMS`
names. The model stays outside: everything here takes tensors. `old_logps`, `ref_logps` and `advantages` are constants;
no gradient passes through them, whatever the caller hands in.
"""

import inspect
import math
import warnings
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from grpo_lite._checks import check_at_least, check_between, check_choice, check_tokens
from grpo_lite.aggregation import aggregate
from grpo_lite.algorithms import ALGORITHMS
from grpo_lite.kl import kl_k3
from grpo_lite.masking import masked_mean
from grpo_lite.objectives import cispo_objective, clipped_surrogate, gmpo_objective
from grpo_lite.ratio import LEVELS, importance_ratio
from grpo_lite.token_weights import high_entropy_mask, off_policy_mask, sampler_correction


class LossOutput(NamedTuple):
    """What `grpo_loss` returns; only `loss` carries a gradient.

    Attributes:
        loss: the number to call `backward()` on: `policy_loss + beta * kl`, less the entropy bonus if there is one. Its
            value says little: it starts near 0 and may be negative.
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
    entropies: Float[Tensor, "B T"] | None = None,
    entropy_coef: float = 0.0,
    top_entropy_quantile: float = 1.0,
    off_policy_mask_threshold: float | None = None,
    sampling_logps: Float[Tensor, "B T"] | None = None,
    sampler_correction_mode: str = "sequence_mask",
    sampler_cap: float = 3.0,
    sampler_floor: float | None = None,
    **objective_settings: float,
) -> LossOutput:
    r"""Turn log-probs and advantages into the loss of GRPO, or of one of its relatives.

    $\mathcal L = -\frac1B\sum_i \frac{1}{|o_i|}\sum_t \big[\min(\rho_{i,t}\hat A_i,\ \operatorname{clip}(\rho_{i,t},
    1-\epsilon, 1+\epsilon)\hat A_i) - \beta\, k_3\big]$. The defaults are the paper's; TRL 1.16 instead
    defaults to `loss_type="dapo"` and to the bias-corrected KL. A relative is a ratio (`importance_sampling_level`),
    an objective and an average (both `loss_type`, see `ALGORITHMS`). The weights of `token_weights` multiply the
    objective, not the penalty, and leave the denominators alone.

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
        use_bias_correction_kl: multiply k3 by the ratio, which makes its gradient that of KL(policy || reference).
        max_completion_length: the length limit of sampling, in tokens; needed by "dr_grpo".
        num_items_in_batch: tokens that count in the whole batch when this is one slice of it, for "dapo", "cispo" and
            "vespo"; None means the tokens of this call, which makes "dapo" equal to "bnpo".
        entropies: from `token_entropies`, with gradient; needed by the next two.
        entropy_coef: weight of the entropy bonus, at least 0: the mean entropy of the tokens is added to what is
            maximised.
        top_entropy_quantile: share of the tokens whose objective counts, see `high_entropy_mask`; 1 for all.
        off_policy_mask_threshold: see `off_policy_mask`; None for off.
        sampling_logps: log-probs that the sampler reported, for `sampler_correction` and `off_policy_mask`; None if the
            model that is trained sampled itself.
        sampler_correction_mode: see `sampler_correction`; "vespo" needs a token mode.
        sampler_cap: see `sampler_correction`.
        sampler_floor: see `sampler_correction`.
        objective_settings: the settings of `sapo_objective` or `vespo_objective`, by name.

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
    _check_choices(loss_type, importance_sampling_level)
    _check_amounts(beta, ref_logps, entropy_coef, top_entropy_quantile, entropies)
    settings = _own_settings(loss_type, epsilon, epsilon_high, delta, objective_settings)
    given = {"old_logps": old_logps, "ref_logps": ref_logps, "sampling_logps": sampling_logps, "entropies": entropies}
    check_tokens(mask, logps=logps, **given)
    if len(mask) == 0:
        raise ValueError(f"mask must hold at least one completion, got shape {list(mask.shape)}")
    logps = torch.where(mask, logps, 0)
    old_logps = logps.detach() if old_logps is None else old_logps.detach()

    ratio = importance_ratio(logps, old_logps, mask, level=importance_sampling_level)
    weights = {"chosen": mask}
    if entropies is not None and top_entropy_quantile < 1:
        weights["chosen"] = high_entropy_mask(entropies, mask, top_entropy_quantile=top_entropy_quantile)
    if sampling_logps is not None:
        _check_mode(loss_type, sampler_correction_mode)
        limits: dict[str, Any] = {"mode": sampler_correction_mode, "cap": sampler_cap, "floor": sampler_floor}
        weights["correction"] = sampler_correction(old_logps, sampling_logps, mask, **limits)
    if off_policy_mask_threshold is not None:
        drawn = old_logps if sampling_logps is None else sampling_logps
        weights["kept"] = off_policy_mask(logps, drawn, advantages, mask, threshold=off_policy_mask_threshold)

    tensors = {"ratio": ratio, "logps": logps, "old_logps": old_logps, "advantages": advantages, "mask": mask}
    objective = _weighted_objective(loss_type, tensors, weights, settings)
    sizes: dict[str, Any] = {"max_completion_length": max_completion_length, "num_items_in_batch": num_items_in_batch}
    policy_loss = aggregate(-objective.expand_as(mask), mask, loss_type=loss_type, **sizes)
    kl = torch.zeros_like(policy_loss)
    if ref_logps is not None:
        k3 = kl_k3(logps, torch.where(mask, ref_logps, 0))
        kl = aggregate(k3 * ratio if use_bias_correction_kl else k3, mask, loss_type=loss_type, **sizes)

    loss = policy_loss + beta * kl if beta > 0 else policy_loss
    if entropies is not None and entropy_coef > 0:
        loss = loss - entropy_coef * masked_mean(entropies, weights["chosen"])
    clip_fraction = _clip_fraction(loss_type, ratio.detach(), advantages, mask, epsilon, epsilon_high)
    return LossOutput(loss, policy_loss.detach(), kl.detach(), clip_fraction)


def _check_choices(loss_type: str, level: str) -> None:
    check_choice("loss_type", loss_type, tuple(ALGORITHMS))
    check_choice("importance_sampling_level", level, LEVELS)
    if level == "sequence" and loss_type in ("bnpo", "dr_grpo", "dapo", "cispo"):
        advice = "sums over tokens, which weighs each completion by its length: GSPO is loss_type='grpo'"
    elif level == "sequence" and loss_type in ("vespo", "gmpo"):
        advice = "makes its own weight of whole completions, and ignores this ratio: use 'token'"
    elif level == "token" and loss_type == "luspo":
        advice = "is meant for one ratio a completion: use 'sequence'"
    else:
        return
    warnings.warn(f"importance_sampling_level={level!r}, but loss_type={loss_type!r} {advice}", stacklevel=3)


def _check_amounts(
    beta: float, ref_logps: Tensor | None, entropy_coef: float, top_entropy_quantile: float, entropies: Tensor | None
) -> None:
    check_at_least("beta", beta, 0)
    if beta > 0 and ref_logps is None:
        raise ValueError(f"beta={beta} needs ref_logps, got None: pass the reference's log-probs or set beta=0")
    check_at_least("entropy_coef", entropy_coef, 0)
    check_between("top_entropy_quantile", top_entropy_quantile, 0, 1)
    if entropies is None and (entropy_coef > 0 or top_entropy_quantile < 1):
        raise ValueError(
            f"entropy_coef={entropy_coef} and top_entropy_quantile={top_entropy_quantile} need entropies, got None: "
            "pass what token_entropies gives for the policy's logits"
        )


def _check_mode(loss_type: str, mode: str) -> None:
    if loss_type == "vespo" and mode.startswith("sequence"):
        raise ValueError(
            f"loss_type='vespo' needs a token mode of sampler_correction_mode, got {mode!r}: its weight is already one "
            "for the whole completion, use 'token_truncate' or 'token_mask'"
        )


def _own_settings(
    loss_type: str, epsilon: float, epsilon_high: float | None, delta: float | None, others: dict[str, float]
) -> dict[str, Any]:
    """Pick the settings that the objective of this loss type takes; refuse what it would ignore."""
    parameters = inspect.signature(ALGORITHMS[loss_type].objective).parameters.values()
    takes = [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    optional = {name: x for name, x in (("epsilon_high", epsilon_high), ("delta", delta)) if x is not None}
    for name, value in (optional | others).items():
        if name not in takes:
            raise ValueError(f"loss_type={loss_type!r} takes {', '.join(takes)}, got {name}={value!r}: leave it out")
    given = {"epsilon": epsilon, "epsilon_high": epsilon_high, "delta": delta, **others}
    return {name: value for name, value in given.items() if name in takes}


def _weighted_objective(
    loss_type: str, tensors: dict[str, Tensor], weights: dict[str, Tensor], settings: dict[str, Any]
) -> Tensor:
    """Hand the objective what it looks at, and multiply by the weights of which it has made no use of its own."""
    algorithm = ALGORITHMS[loss_type]
    names = algorithm.looks_at.split()
    objective = algorithm.objective(*((tensors | weights).get(name) for name in names), **settings)
    for name, weight in weights.items():
        if name not in names:
            objective = objective * weight
    return objective


def _clip_fraction(
    loss_type: str, ratio: Tensor, advantages: Tensor, mask: Tensor, epsilon: float, epsilon_high: float | None
) -> Tensor:
    objective = ALGORITHMS[loss_type].objective
    low, high = 0.0, math.inf
    if objective is clipped_surrogate:
        low, high = 1 - epsilon, 1 + (epsilon if epsilon_high is None else epsilon_high)
    elif objective is gmpo_objective:
        ratio, low, high = ratio.log(), -epsilon, epsilon if epsilon_high is None else epsilon_high
    elif objective is cispo_objective and epsilon_high is not None:
        high = epsilon_high
    advantages = advantages[:, None]
    clipped = ((ratio > high) & (advantages > 0)) | ((ratio < low) & (advantages < 0))
    if ratio.shape != mask.shape:
        mask = mask.any(dim=1, keepdim=True)
    return masked_mean(clipped.to(ratio.dtype), mask)
