"""Three estimates of how far the policy has moved from the reference, one number a token.

All three look at tokens that the policy itself sampled. They differ in bias, in spread, and (which matters
more in a loss) in the gradient that they give. They are computed in at least float32.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from grpo_lite._checks import check_float, check_same_shape, widen


def kl_k1(logps: Float[Tensor, "*shape"], ref_logps: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    r"""Estimate KL(policy || reference) by the log-ratio itself.

    $k_1 = \log\pi_\theta - \log\pi_{\text{ref}}$. Unbiased, and of either sign. Never a loss: on the policy's own
    samples its expected gradient does not know the reference. It is exactly 0 for one token or a sum of tokens; under
    a mean over each completion it is that of the mean of 1 / length, which makes completions longer.

    Args:
        logps: log-probs of the sampled tokens under the policy, nats, at most 0.
        ref_logps: the same tokens under the frozen reference; a constant, no gradient passes.

    Returns:
        One estimate a token, nats, of any sign.

    Raises:
        ValueError: the shapes differ, or a tensor is not floating point.

    Source: J. Schulman, Approximating KL Divergence (2020), k1. Built in lesson "The leash".

    Example:
        >>> kl_k1(torch.tensor([-1.0, -2.0]), torch.tensor([-1.5, -1.0]))
        tensor([ 0.5000, -1.0000])
    """
    return -_log_ratio_to_policy(logps, ref_logps)


def kl_k2(logps: Float[Tensor, "*shape"], ref_logps: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    r"""Estimate KL(policy || reference) by half the squared log-ratio.

    $k_2 = \tfrac12 (\log\pi_\theta - \log\pi_{\text{ref}})^2$. Biased in value, small in spread. As a loss on
    the policy's own samples its expected gradient is that of KL(policy || reference) for the next token. Over
    completions the effect on later prefixes is missing (arXiv:2506.09477).

    Args:
        logps: log-probs of the sampled tokens under the policy, nats, at most 0.
        ref_logps: the same tokens under the frozen reference; a constant, no gradient passes.

    Returns:
        One estimate a token, at least 0.

    Raises:
        ValueError: the shapes differ, or a tensor is not floating point.

    Source: J. Schulman, Approximating KL Divergence (2020), k2. Built in lesson "The leash".

    Example:
        >>> kl_k2(torch.tensor([-1.0, -2.0]), torch.tensor([-1.5, -1.0]))
        tensor([0.1250, 0.5000])
    """
    return _log_ratio_to_policy(logps, ref_logps).square() / 2


def kl_k3(logps: Float[Tensor, "*shape"], ref_logps: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    r"""Estimate KL(policy || reference) the way GRPO does: unbiased and never negative.

    $k_3 = e^{d} - d - 1$ with $d = \log\pi_{\text{ref}} - \log\pi_\theta$. As a loss on the policy's own samples
    its expected gradient is that of the other direction, KL(reference || policy), for the next token.

    Args:
        logps: log-probs of the sampled tokens under the policy, nats, at most 0.
        ref_logps: the same tokens under the frozen reference; a constant, no gradient passes.

    Returns:
        One estimate a token, nats, at least 0; exactly 0 where the two agree. It can overflow to inf where
        the reference finds a token more than e^88 times as likely as the policy (float32).

    Raises:
        ValueError: the shapes differ, or a tensor is not floating point.

    Source: J. Schulman, Approximating KL Divergence (2020), k3; DeepSeekMath, eq. 4 (arXiv:2402.03300).
    Built in lesson "The leash".

    Example:
        >>> kl_k3(torch.tensor([-1.0, -2.0]), torch.tensor([-1.5, -1.0]))
        tensor([0.1065, 0.7183])
    """
    d = _log_ratio_to_policy(logps, ref_logps)
    return torch.expm1(d) - d.clamp(max=1e4)  # where the first is inf, and inf - inf is nan


def _log_ratio_to_policy(logps: Tensor, ref_logps: Tensor) -> Tensor:
    check_float("logps", logps)
    check_float("ref_logps", ref_logps)
    check_same_shape("ref_logps", ref_logps, "logps", logps)
    return widen(ref_logps.detach()) - widen(logps)
