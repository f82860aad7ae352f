"""The importance ratio: how much more likely a token is now than when it was sampled."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from grpo_lite._checks import check_choice, check_float, check_tokens
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
        without tokens. They are finite: at e^87 (float32) they stay where they are and pass no gradient.

    Raises:
        ValueError: shapes or dtypes do not fit, or an unknown `level`.

    Source: DeepSeekMath, eq. 3 (arXiv:2402.03300); "sequence": GSPO (arXiv:2507.18071).
    Built in lesson "Ratio and clipping".

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
    return finite_exp(log_ratio)


def finite_exp(x: Tensor) -> Tensor:
    """Return the exponential, held below the largest number of its dtype: 0 times inf, as of an advantage, is nan."""
    return x.clamp(max=math.log(torch.finfo(x.dtype).max) - 1).exp()
