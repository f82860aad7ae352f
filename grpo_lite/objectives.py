"""The objectives: the clip of PPO and GRPO, and what its relatives ask of each token instead; all to be maximised.

All of them pull a token's probability along with its advantage. As long as the policy is the one that sampled, all have
the same gradient; they differ in what they do once it has moved. `old_logps` and `advantages` are constants: no
gradient passes through them. `grpo_lite.algorithms` says which loss type uses which.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from grpo_lite._checks import check_advantages, check_cap, check_ranges, check_ratio, check_tokens, widen
from grpo_lite.masking import masked_difference, masked_mean
from grpo_lite.ratio import finite_exp


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

    Source: PPO, eq. 7 (arXiv:1707.06347); clip-higher: DAPO (arXiv:2503.14476); delta: the c of
    dual-clip PPO (arXiv:1912.09729), in GRPO INTELLECT-2 (arXiv:2505.07291). Built in lesson "Ratio and clipping".

    Example:
        >>> clipped_surrogate(torch.tensor([[1.5], [1.5]]), torch.tensor([1.0, -1.0]))
        tensor([[ 1.2000],
                [-1.5000]])
    """
    check_ranges(epsilon=epsilon, epsilon_high=epsilon_high, delta=delta)
    check_ratio(ratio, advantages)
    advantages = advantages.detach()[:, None]
    clipped = ratio.clamp(1 - epsilon, 1 + (epsilon if epsilon_high is None else epsilon_high))
    if delta is not None:
        ratio = ratio.clamp(max=delta)
    return torch.minimum(ratio * advantages, clipped * advantages)


def cispo_objective(
    ratio: Float[Tensor, "B #T"],
    advantages: Float[Tensor, "B"],
    logps: Float[Tensor, "B T"],
    *,
    epsilon_high: float,
) -> Float[Tensor, "B T"]:
    r"""Weigh each token's log-prob by its capped ratio, so that no token ever loses its gradient.

    $\operatorname{sg}[\min(\rho, \epsilon_{\text{high}})]\,\hat A \log\pi_\theta$, to be maximised; sg stops the
    gradient. The clip of PPO silences a token that has moved far. Here it only stops weighing more.

    Args:
        ratio: from `importance_ratio`; a constant here, no gradient passes. [B, 1] for sequence ratios.
        advantages: one a completion; a constant.
        logps: log-probs under the policy, nats; the gradient goes here.
        epsilon_high: the cap itself, above 0, as in TRL and ScaleRL (arXiv:2510.13786), which used 5.0. The paper of
            CISPO writes the cap as 1 + epsilon_high.

    Returns:
        The objective of each token. Its value depends on the log-prob and cannot be compared with other objectives.

    Raises:
        ValueError: shapes or dtypes do not fit, or epsilon_high is missing or not above 0.

    Source: MiniMax-M1 (arXiv:2506.13585). Built in lesson "The family".

    Example:
        >>> logps = torch.tensor([[-1.0], [-1.0]])
        >>> cispo_objective(torch.tensor([[1.5], [9.0]]), torch.tensor([1.0, 1.0]), logps, epsilon_high=5.0)
        tensor([[-1.5000],
                [-5.0000]])
    """
    check_cap(epsilon_high)
    check_ratio(ratio, advantages, logps)
    weight = ratio.detach().clamp(max=epsilon_high)
    return weight * advantages.detach()[:, None] * widen(logps)


def sapo_objective(
    ratio: Float[Tensor, "B T"],
    advantages: Float[Tensor, "B"],
    *,
    sapo_temperature_pos: float = 1.0,
    sapo_temperature_neg: float = 1.05,
) -> Float[Tensor, "B T"]:
    r"""Let the reason to move fade smoothly instead of cutting it off at a clip range.

    $\frac{4}{\tau}\,\sigma\big(\tau(\rho - 1)\big)\hat A$ with a temperature $\tau$ for each sign of $\hat A$, to be
    maximised. At ratio 1 its value is $2\hat A/\tau$ and its slope $\hat A$, as without a clip; far from 1 on either
    side the slope goes to 0. A larger temperature fades faster.

    Args:
        ratio: from `importance_ratio`, above 0; [B, 1] for sequence ratios.
        advantages: one a completion; a constant, no gradient passes.
        sapo_temperature_pos: the temperature for advantages above 0, itself above 0.
        sapo_temperature_neg: the temperature for the others, above 0.

    Returns:
        The objective of each token, in the unit of the advantages.

    Raises:
        ValueError: shapes or dtypes do not fit, or a temperature is not above 0.

    Source: SAPO (arXiv:2511.20347). Built in lesson "The family".

    Example:
        >>> sapo_objective(torch.tensor([[1.0], [3.0]]), torch.tensor([1.0, 1.0]))
        tensor([[2.0000],
                [3.5232]])
    """
    check_ranges(sapo_temperature_pos=sapo_temperature_pos, sapo_temperature_neg=sapo_temperature_neg)
    check_ratio(ratio, advantages)
    advantages = advantages.detach()[:, None]
    # Two plain numbers in torch.where would give float32, which loses half the digits of a float64 loss.
    temperature = ratio.new_tensor([sapo_temperature_neg, sapo_temperature_pos])[(advantages > 0).long()]
    return torch.sigmoid(temperature * (ratio - 1)) * 4 / temperature * advantages


def vespo_objective(
    logps: Float[Tensor, "B T"],
    old_logps: Float[Tensor, "B T"],
    advantages: Float[Tensor, "B"],
    mask: Bool[Tensor, "B T"],
    correction: Float[Tensor, "B T"] | None = None,
    *,
    vespo_k_pos: float = 2.0,
    vespo_lambda_pos: float = 3.0,
    vespo_k_neg: float = 3.0,
    vespo_lambda_neg: float = 2.0,
) -> Float[Tensor, "B T"]:
    r"""Weigh the log-probs of a whole completion by a bump over its ratio: little once it has become rare or common.

    $\operatorname{sg}[\phi(w)]\,\hat A \log\pi_\theta$ with $\phi(w) = e^{\lambda}\, w^{k} e^{-\lambda w}$, to be
    maximised. $w$ is the product of the ratios of all tokens, $\phi(1) = 1$, and $\phi$ is largest at $k/\lambda$.
    As in TRL, the log-ratio of a token is held to [-20, 20] and $w$ to at least 1e-8. (TRL also holds $w$ to at most
    $e^{20}$, where $\phi$ has long become 0.)

    Args:
        logps: log-probs under the policy, nats; the gradient goes here.
        old_logps: log-probs when the tokens were sampled; a constant.
        advantages: one a completion; a constant.
        mask: True on tokens that count.
        correction: token weights from `sampler_correction`, which become factors of $w$; None for none.
        vespo_k_pos: $k$ for advantages of at least 0, itself at least 0.
        vespo_lambda_pos: $\lambda$ for advantages of at least 0, itself at least 1e-4.
        vespo_k_neg: $k$ for advantages below 0.
        vespo_lambda_neg: $\lambda$ for advantages below 0.

    Returns:
        The objective of each token. Its value depends on the log-prob and cannot be compared with other objectives.

    Raises:
        ValueError: shapes or dtypes do not fit, or a setting is out of range.

    Source: VESPO (arXiv:2602.10693). Built in lesson "The family".

    Example:
        >>> logps = torch.tensor([[-1.0, -2.0], [-1.0, -2.0]])
        >>> old_logps = torch.tensor([[-1.0, -2.0], [-2.0, -2.0]])
        >>> vespo_objective(logps, old_logps, torch.ones(2), torch.ones(2, 2, dtype=torch.bool))
        tensor([[-1.0000, -2.0000],
                [-0.0426, -0.0853]])
    """
    check_ranges(vespo_k_pos=vespo_k_pos, vespo_lambda_pos=vespo_lambda_pos)
    check_ranges(vespo_k_neg=vespo_k_neg, vespo_lambda_neg=vespo_lambda_neg)
    check_tokens(mask, logps=logps, old_logps=old_logps, correction=correction)
    check_advantages(advantages, len(logps))
    advantages = advantages.detach()[:, None]
    tiny = math.log(1e-8)
    log_w = masked_difference(logps.detach(), old_logps, mask).clamp(-20, 20).sum(dim=1, keepdim=True)
    if correction is not None:
        factors = torch.where(mask, correction.detach(), 1).log().clamp(tiny, 20)
        log_w = log_w + factors.sum(dim=1, keepdim=True)
    log_w = log_w.clamp(min=tiny)
    k = log_w.new_tensor([vespo_k_neg, vespo_k_pos])[(advantages >= 0).long()]
    rate = log_w.new_tensor([vespo_lambda_neg, vespo_lambda_pos])[(advantages >= 0).long()]
    phi = (rate + k * log_w - rate * log_w.exp()).exp()
    return phi * advantages * widen(torch.where(mask, logps, 0))


def gmpo_objective(
    logps: Float[Tensor, "B T"],
    old_logps: Float[Tensor, "B T"],
    advantages: Float[Tensor, "B"],
    mask: Bool[Tensor, "B T"],
    *,
    epsilon: float,
    epsilon_high: float | None = None,
) -> Float[Tensor, "B 1"]:
    r"""Reward a completion for the geometric mean of its clipped token ratios, which one wild token moves little.

    $\exp\big(\frac{1}{|o|}\sum_t c_t\big)\hat A$, to be maximised, where $c_t$ is the log-ratio of a token, clipped to
    at most $\epsilon_{\text{high}}$ for $\hat A > 0$ and to at least $-\epsilon$ otherwise. So a single token
    is clipped, and the others of its completion keep their gradient.

    Args:
        logps: log-probs under the policy, nats; the gradient goes here.
        old_logps: log-probs when the tokens were sampled; a constant.
        advantages: one a completion; a constant.
        mask: True on tokens that enter the mean.
        epsilon: lower clip of the log-ratio, at least 0. In logarithms: the paper's 0.4 lets a ratio fall to 0.67.
        epsilon_high: upper clip of the log-ratio; None means `epsilon`.

    Returns:
        The objective of each completion, in the unit of the advantages. A row without tokens has its advantage as a
        value, without gradient.

    Raises:
        ValueError: shapes or dtypes do not fit, or epsilon or epsilon_high is below 0.

    Source: GMPO (arXiv:2507.20673). Built in lesson "The family".

    Example:
        >>> logps, old_logps = torch.tensor([[-1.0, -1.0]]), torch.tensor([[-1.2, -3.0]])
        >>> gmpo_objective(logps, old_logps, torch.tensor([1.0]), torch.tensor([[True, True]]), epsilon=0.4)
        tensor([[1.3499]])
    """
    check_ranges(epsilon=epsilon, epsilon_high=epsilon_high)
    epsilon_high = epsilon if epsilon_high is None else epsilon_high
    check_tokens(mask, logps=logps, old_logps=old_logps)
    check_advantages(advantages, len(logps))
    advantages = advantages.detach()[:, None]
    log_ratio = masked_difference(logps, old_logps, mask)
    one_sided = torch.where(advantages > 0, log_ratio.clamp(max=epsilon_high), log_ratio.clamp(min=-epsilon))
    return finite_exp(masked_mean(one_sided, mask, dim=1)[:, None]) * advantages
