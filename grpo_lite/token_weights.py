"""Weights on the policy term: completions that are too old, tokens that were certain, a sampler that is not the policy.

Each function returns a tensor that the objective of `grpo_loss` is multiplied with. They are constants: no gradient
passes. The KL penalty and the denominators of the loss do not see them.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from grpo_lite._checks import check_advantages, check_at_least, check_between, check_choice, check_tokens
from grpo_lite.masking import masked_difference, masked_mean

CORRECTION_MODES = ("token_truncate", "token_mask", "sequence_truncate", "sequence_mask")


def off_policy_mask(
    logps: Float[Tensor, "B T"],
    sampling_logps: Float[Tensor, "B T"],
    advantages: Float[Tensor, "B"],
    mask: Bool[Tensor, "B T"],
    *,
    threshold: float,
) -> Bool[Tensor, "B 1"]:
    r"""Leave out bad completions that the policy would hardly write any more.

    A completion is kept if $\hat A \ge 0$ or if $\frac{1}{|o|}\sum_t (\log\pi_{\text{sampler}} - \log\pi_\theta)$, an
    estimate of how far the policy has moved from the one that sampled, is at most the threshold. Pushing down what is
    improbable already teaches little and can do harm.

    Args:
        logps: log-probs under the policy, nats; a constant here.
        sampling_logps: log-probs with which the tokens were drawn, nats; nan where the sampler gave none (counts 0).
        advantages: one a completion.
        mask: True on tokens that count.
        threshold: nats per token, at least 0.

    Returns:
        True where the completion is kept, [B, 1]. A row without tokens is kept.

    Raises:
        ValueError: shapes or dtypes do not fit, or the threshold is below 0.

    Source: DeepSeek-V3.2 (arXiv:2512.02556). Built in lesson "The family".

    Example:
        >>> logps, sampling_logps = torch.tensor([[-3.0], [-3.0]]), torch.tensor([[-1.0], [-1.0]])
        >>> mask = torch.tensor([[True], [True]])
        >>> off_policy_mask(logps, sampling_logps, torch.tensor([1.0, -1.0]), mask, threshold=0.5)
        tensor([[ True],
                [False]])
    """
    check_at_least("threshold", threshold, 0)
    check_tokens(mask, logps=logps, sampling_logps=sampling_logps)
    check_advantages(advantages, len(logps))
    drift = masked_mean(_known(-masked_difference(logps.detach(), sampling_logps, mask)), mask, dim=1)
    return ((advantages >= 0) | (drift <= threshold))[:, None]


def high_entropy_mask(
    entropies: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"], *, top_entropy_quantile: float
) -> Bool[Tensor, "B T"]:
    r"""Keep the tokens at which the policy was least certain, the forks of an answer.

    Most tokens of an answer follow almost surely from those before. The few that do not decide where it goes.

    Args:
        entropies: from `token_entropies`, nats; a constant here.
        mask: True on tokens that count.
        top_entropy_quantile: the share of tokens to keep, 0 to 1. 0.2 is usual; 0 keeps the highest alone.

    Returns:
        True on counted tokens whose entropy is at least the (1 - share)-quantile of all counted tokens of the call.
        Ties are all kept, so equal entropies keep everything. The quantile is computed in float32, as in TRL.

    Raises:
        ValueError: shapes or dtypes do not fit, the share is outside of 0 to 1, or a counted entropy is nan.

    Source: Wang et al., Beyond the 80/20 Rule (arXiv:2506.01939). Built in lesson "The family".

    Example:
        >>> entropies = torch.tensor([[0.1, 2.0, 0.3, 0.2, 9.0]])
        >>> mask = torch.tensor([[True, True, True, True, False]])
        >>> high_entropy_mask(entropies, mask, top_entropy_quantile=0.5)
        tensor([[False,  True,  True, False, False]])
    """
    check_between("top_entropy_quantile", top_entropy_quantile, 0, 1)
    check_tokens(mask, entropies=entropies)
    counted = entropies.detach().float()[mask]
    if counted.isnan().any():  # one would make a nan of the quantile, above which is nothing
        raise ValueError("entropies must be numbers on the tokens that count, got nan")
    if counted.numel() == 0:
        return torch.zeros_like(mask)
    threshold = torch.quantile(counted, 1 - top_entropy_quantile)
    return mask & (entropies.detach().float() >= threshold)


def sampler_correction(
    old_logps: Float[Tensor, "B T"],
    sampling_logps: Float[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    *,
    mode: str = "sequence_mask",
    cap: float = 3.0,
    floor: float | None = None,
) -> Float[Tensor, "B #T"]:
    r"""Correct for a sampler whose log-probs are not those of the model that is trained.

    A fast inference engine computes with other kernels and fewer digits, so it draws from a slightly different
    distribution. $\rho = \pi_{\text{old}} / \pi_{\text{sampler}}$ makes up for that, token by token or as the product
    over a completion. Large ratios are noise: "truncate" holds them in the range, "mask" sets what is outside to 0.

    Args:
        old_logps: log-probs of the sampled tokens under the model that is trained, when they were sampled, nats.
        sampling_logps: the log-probs that the sampler itself reported; nan where it reported none (ratio 1).
        mask: True on tokens that count.
        mode: "token_truncate", "token_mask", "sequence_truncate" or "sequence_mask".
        cap: upper end of the range, at least 1; float("inf") for none.
        floor: lower end of the range, from 0 to 1; None for none.

    Returns:
        Weights of at least 0, [B, T] for the token modes, [B, 1] for the sequence modes; 1 where nothing counts.

    Raises:
        ValueError: shapes or dtypes do not fit, an unknown mode, or a range without 1.

    Source: TRL's correction for vLLM, `vllm_importance_sampling_mode`. Built in lesson "The family".

    Example:
        >>> old_logps, sampling_logps = torch.tensor([[-1.0, -1.0]]), torch.tensor([[-1.5, -3.0]])
        >>> mask = torch.tensor([[True, True]])
        >>> sampler_correction(old_logps, sampling_logps, mask, mode="token_truncate")
        tensor([[1.6487, 3.0000]])
        >>> sampler_correction(old_logps, sampling_logps, mask)
        tensor([[0.]])
    """
    check_choice("mode", mode, CORRECTION_MODES)
    floor = 0.0 if floor is None else floor
    check_between("floor", floor, 0, 1)
    check_at_least("cap", cap, 1)
    check_tokens(mask, old_logps=old_logps, sampling_logps=sampling_logps)
    level, _, how = mode.partition("_")
    log_ratio = _known(masked_difference(old_logps.detach(), sampling_logps, mask))
    if level == "sequence":
        log_ratio = log_ratio.sum(dim=1, keepdim=True)
    ratio = log_ratio.exp()
    if how == "truncate":
        return ratio.clamp(floor, cap)
    return torch.where((ratio >= floor) & (ratio <= cap), ratio, 0)


def _known(log_ratio: Tensor) -> Tensor:
    # A sampler that could not tell a token's log-prob says nan: no evidence, no correction.
    return torch.where(log_ratio.isnan(), 0, log_ratio)
