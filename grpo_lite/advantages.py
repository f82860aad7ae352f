"""From rewards to advantages: one number a completion, and how much better it is than those of the same prompt."""

from collections.abc import Mapping, Sequence, Set

import torch
from jaxtyping import Float
from torch import Tensor

from grpo_lite._checks import check_at_least, check_choice, check_count, check_float, is_finite, widen

LARGEST = 1e16  # The square of a larger reward, times their number, may be more than float32 can hold.


def combine_rewards(rewards: Float[Tensor, "B K"], weights: Sequence[float] | None = None) -> Float[Tensor, "B"]:
    r"""Add up the reward functions: $r_i = \sum_k w_k R_{ik}$.

    TRL's rules: a nan (a function that could not judge) counts as 0; a row in which no function could judge stays nan,
    and `group_advantages` leaves it out.

    Args:
        rewards: one row a completion, one column a function, from `score_completions`.
        weights: one finite number a function, of any sign; None weighs all by 1.

    Returns:
        One reward a completion, in at least float32.

    Raises:
        ValueError: rewards are not a floating-point matrix or infinite, or the weights are not one finite number a
            function.

    Source: TRL's GRPOTrainer, `reward_weights`. Built in lesson "Rewards".

    Example:
        >>> nan = float("nan")
        >>> combine_rewards(torch.tensor([[1.0, 0.5], [nan, 1.0], [nan, nan]]), weights=[1.0, 2.0])
        tensor([2., 2., nan])
    """
    check_float("rewards", rewards, "B K")
    if rewards.numel() == 0:
        raise ValueError(
            f"rewards must hold at least one completion and one reward function, got shape {list(rewards.shape)}"
        )
    if rewards.isinf().any():
        raise ValueError("rewards must be finite (or nan for None), got inf")
    w = [1.0] * rewards.shape[1] if weights is None else list(weights)
    unordered = isinstance(weights, Set | Mapping)
    if unordered or len(w) != rewards.shape[1] or not all(is_finite(weight) for weight in w):
        raise ValueError(
            f"weights must be one finite number for each of the {rewards.shape[1]} reward functions, got {weights}"
        )
    rewards = widen(rewards)
    total = (rewards * rewards.new_tensor([float(weight) for weight in w])).nansum(dim=1)
    return torch.where(rewards.isnan().all(dim=1), torch.nan, total)


def group_advantages(
    rewards: Float[Tensor, "B"], num_generations: int, *, scale_rewards: str = "group", eps: float = 1e-4
) -> Float[Tensor, "B"]:
    r"""Compare each reward with the mean of its group, in units of the group's spread.

    $\hat A_i = \dfrac{r_i - \operatorname{mean}(\mathbf r)}{\operatorname{std}(\mathbf r) + \text{eps}}$. The mean
    is always the group's. The paper has no $\text{eps}$; TRL adds the same 1e-4. The standard deviation divides by
    $n-1$, as in TRL.

    Args:
        rewards: one number a completion; the `num_generations` completions of a prompt are consecutive.
            nan marks a completion that no reward function could judge: it is left out of mean and spread.
        num_generations: G, the size of a group, at least 2.
        scale_rewards: divide by the spread of the "group", of the whole "batch", or by nothing ("none").
        eps: stabiliser of the division, at least 0, in the unit of the rewards.

    Returns:
        One advantage a completion, in at least float32, without unit ("none": in the unit of the rewards). They add
        up to 0 in each group. Exactly 0 where all rewards of a group are equal and where a reward is nan.

    Raises:
        ValueError: rewards are not a floating-point vector, are infinite or above 1e16, or do not fill whole groups;
            G < 2; eps < 0; an unknown `scale_rewards`.

    Source: DeepSeekMath, sec. 4.1.2 (arXiv:2402.03300); "none": Dr. GRPO (arXiv:2503.20783); "batch": Lite PPO
    (arXiv:2508.08221). Built in lesson "Group-relative advantages".

    Example:
        >>> group_advantages(torch.tensor([1.0, 0.0, 1.0, 0.0]), num_generations=4)
        tensor([ 0.8659, -0.8659,  0.8659, -0.8659])
    """
    check_choice("scale_rewards", scale_rewards, ("group", "batch", "none"))
    check_at_least("eps", eps, 0)
    groups = _as_groups(rewards, num_generations)
    centred = _centre(groups)
    if scale_rewards == "group":
        centred = centred / (_nanstd(centred, dim=1) + eps)
    elif scale_rewards == "batch":
        centred = centred / (_nanstd(groups.flatten(), dim=0) + eps)
    # What is left of nan is a reward without siblings to compare with, or 0 / 0 in a group without spread.
    return torch.where(centred.isnan(), 0, centred).flatten()


def leave_one_out_advantages(rewards: Float[Tensor, "B"], num_generations: int) -> Float[Tensor, "B"]:
    r"""Compare each reward with the mean of its siblings, itself left out.

    $\hat A_i = r_i - \frac{1}{G-1}\sum_{j \ne i} r_j = \frac{G}{G-1}\,(r_i - \operatorname{mean}(\mathbf r))$.
    A baseline that does not contain $r_i$ leaves the policy gradient unbiased.

    Args:
        rewards: one number a completion, as in `group_advantages`; one that is nan is nobody's sibling.
        num_generations: G, the size of a group, at least 2.

    Returns:
        One advantage a completion, in the unit of the rewards. Exactly 0 where all rewards of a group are equal,
        where a reward is nan, and where a reward has no sibling.

    Raises:
        ValueError: rewards are not a floating-point vector, infinite or above 1e16, or do not fill whole groups; G < 2.

    Source: RLOO, Ahmadian et al. (arXiv:2402.14740). Built in lesson "Group-relative advantages".

    Example:
        >>> leave_one_out_advantages(torch.tensor([1.0, 0.0, 0.0, 0.0]), num_generations=4)
        tensor([ 1.0000, -0.3333, -0.3333, -0.3333])
    """
    groups = _as_groups(rewards, num_generations)
    n = (~groups.isnan()).sum(dim=1, keepdim=True)
    advantages = _centre(groups) * n / (n - 1)
    return torch.where(advantages.isnan(), 0, advantages).flatten()


def normalize_then_sum(
    rewards: Float[Tensor, "B K"], num_generations: int, weights: Sequence[float] | None = None
) -> Float[Tensor, "B"]:
    r"""Compare each reward function within its group first, then add up, so that no function drowns another.

    $\hat A_i = s_i / (\operatorname{std}(\mathbf s) + \text{eps})$ with $s_i = \sum_k w_k \hat A_{ik}$, where
    $\hat A_{ik}$ are the group advantages of function $k$ alone and the spread is that of the whole batch. Summing the
    rewards first, as `combine_rewards` does, makes a right answer in the wrong form and a wrong one in the right form
    the same. The mean of $\mathbf s$, which the paper subtracts, is 0: each group's advantages add up to 0.

    Args:
        rewards: one row a completion, one column a function, from `score_completions`; nan where it could not judge.
        num_generations: G, the size of a group, at least 2.
        weights: one finite number a function, of any sign; None weighs all by 1.

    Returns:
        One advantage a completion, in at least float32, without unit. Exactly 0 where the rewards of a group are all
        equal in each function, and where all rewards of a completion are nan. The $\text{eps}$ is 1e-4, as in TRL.

    Raises:
        ValueError: what `combine_rewards` refuses, rewards that do not fill whole groups, or G < 2.

    Source: GDPO (arXiv:2601.05242), TRL's `multi_objective_aggregation="normalize_then_sum"`.
    Built in lesson "The family".

    Example:
        >>> normalize_then_sum(torch.tensor([[1.0, 0.0], [0.0, 100.0], [0.0, 0.0]]), num_generations=3)
        tensor([ 0.5771,  0.5774, -1.1546])
    """
    check_float("rewards", rewards, "B K")
    alone = [group_advantages(column, num_generations) for column in widen(rewards).T]
    # As with rewards, a row is lost only if no function could judge it.
    judged = torch.stack(alone, dim=1).where(~rewards.isnan(), torch.nan) if alone else rewards
    total = combine_rewards(judged, weights)
    advantages = total / (_nanstd(total, dim=0) + 1e-4)
    return torch.where(advantages.isnan(), 0, advantages)


def _as_groups(rewards: Tensor, num_generations: int) -> Tensor:
    check_float("rewards", rewards, "B")
    check_count("num_generations", num_generations, 2)
    if len(rewards) == 0 or len(rewards) % num_generations:
        raise ValueError(
            f"rewards must hold whole groups of num_generations={num_generations}, got {len(rewards)} rewards: "
            "pass the G completions of each prompt one after the other"
        )
    rewards = widen(rewards.detach())
    if (rewards.abs() > LARGEST).any():
        raise ValueError(
            f"rewards must be finite (or nan for unscored, and at most {LARGEST:g} in size), got {rewards.tolist()}"
        )
    return rewards.reshape(-1, num_generations)


def _centre(groups: Tensor) -> Tensor:
    # Measured from the smallest reward, equal rewards are exactly 0 before any rounding: the float32 mean of
    # eight times 0.1 is not 0.1, and a spread of 8e-9 in the denominator would blow the difference up.
    above = groups - groups.nan_to_num(nan=torch.inf).amin(dim=1, keepdim=True)
    # Nor do rewards differ that are sums of the same numbers in another order.
    rounding = 4 * torch.finfo(groups.dtype).eps * groups.abs().nan_to_num(nan=0).amax(dim=1, keepdim=True)
    above = torch.where((above > rounding).any(dim=1, keepdim=True), above, above * 0)
    return above - above.nanmean(dim=1, keepdim=True)


def _nanstd(x: Tensor, dim: int) -> Tensor:
    n = (~x.isnan()).sum(dim=dim, keepdim=True)
    deviations = x - x.nanmean(dim=dim, keepdim=True)
    return (deviations.square().nansum(dim=dim, keepdim=True) / (n - 1)).sqrt()
