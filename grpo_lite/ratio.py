"""The importance ratio, and the clipped objective of PPO and GRPO over it."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from grpo_lite._checks import check_above, check_choice, check_clip_range, check_float, check_ratio, check_tokens
from grpo_lite.masking import masked_difference, masked_mean

LEVELS = ("token", "sequence")


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
    if mask is None:
        check_float("logps", logps)
        mask = torch.ones_like(logps, dtype=torch.bool)
    check_tokens(mask, logps=logps, old_logps=old_logps)
    log_ratio = masked_difference(logps, old_logps, mask)
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
    epsilon_high = check_clip_range(epsilon, epsilon_high)
    if delta is not None:
        check_above("delta", delta, 1, "it caps large ratios, use None for no cap")
    check_ratio(ratio, advantages)
    advantages = advantages.detach()[:, None]
    clipped = ratio.clamp(1 - epsilon, 1 + epsilon_high)
    if delta is not None:
        ratio = ratio.clamp(max=delta)
    return torch.minimum(ratio * advantages, clipped * advantages)
