import math
import statistics

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from grpo_lite import combine_rewards, group_advantages, leave_one_out_advantages, normalize_then_sum

NAN = float("nan")
rewards_of_groups = st.integers(2, 6).flatmap(
    lambda g: st.tuples(
        st.just(g),
        st.lists(st.lists(st.integers(-8, 8).map(float), min_size=g, max_size=g), min_size=1, max_size=4),
    )
)


def by_statistics(groups, eps, scale):
    """The definition in words of Python's statistics module: a group at a time."""
    everything = [r for group in groups for r in group]
    result = []
    for group in groups:
        spread = {"group": statistics.stdev(group), "batch": statistics.stdev(everything), "none": 1 - eps}[scale]
        result += [(r - statistics.fmean(group)) / (spread + eps) if len(set(group)) > 1 else 0.0 for r in group]
    return result


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
@given(rewards_of_groups)
def test_advantages_are_what_the_statistics_module_says(scale, drawn):
    num_generations, groups = drawn
    flat = torch.tensor(groups, dtype=torch.float64).flatten()
    ours = group_advantages(flat, num_generations, scale_rewards=scale)
    assert_close(ours.tolist(), by_statistics(groups, 1e-4, scale), rtol=1e-9, atol=1e-9)


def test_advantages_by_hand():
    # Group 1: mean 2, deviations 1 and -1, variance 2 / 1. Group 2: mean 7, deviations 3 and -3, variance 18 / 1.
    ours = group_advantages(torch.tensor([3.0, 1.0, 10.0, 4.0]), 2, eps=0.0)
    half_root = math.sqrt(0.5)
    assert_close(ours, torch.tensor([half_root, -half_root, half_root, -half_root]))


@pytest.mark.parametrize("value", [0.1, 0.6, 2.8, 1e-3, 6e4, -7.7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
@pytest.mark.parametrize("eps", [1e-4, 1e-8, 0.0])
@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_a_group_in_agreement_has_advantages_of_exactly_zero(value, dtype, eps, scale):
    rewards = torch.full((8,), value, dtype=dtype)
    assert group_advantages(rewards, 8, eps=eps, scale_rewards=scale).tolist() == [0.0] * 8
    assert leave_one_out_advantages(rewards, 8).tolist() == [0.0] * 8


@pytest.mark.parametrize("value", [0.1, 0.6, 2.8])
@pytest.mark.parametrize("advantages", [group_advantages, leave_one_out_advantages])
def test_agreement_is_exact_beside_another_group_and_beside_an_unscored_sibling(advantages, value):
    """Each group is measured from its own smallest reward, and nan is not the smallest."""
    beside = advantages(torch.tensor([value] * 8 + [-0.3, 7.1] * 4), 8)
    assert beside[:8].tolist() == [0.0] * 8
    assert advantages(torch.tensor([value] * 7 + [NAN]), 8).tolist() == [0.0] * 8


@given(rewards_of_groups, st.integers(-5, 5), st.integers(1, 5))
def test_shift_does_nothing_and_scale_does_what_the_formula_says(drawn, shift, factor):
    num_generations, groups = drawn
    rewards = torch.tensor(groups, dtype=torch.float64).flatten()
    moved = rewards * factor + shift
    kwargs = {"rtol": 1e-9, "atol": 1e-9}
    assert_close(
        group_advantages(moved, num_generations, eps=0.0), group_advantages(rewards, num_generations, eps=0.0), **kwargs
    )
    unscaled = group_advantages(rewards, num_generations, scale_rewards="none")
    assert_close(group_advantages(moved, num_generations, scale_rewards="none"), unscaled * factor, **kwargs)
    assert_close(
        leave_one_out_advantages(moved, num_generations),
        leave_one_out_advantages(rewards, num_generations) * factor,
        **kwargs,
    )


@given(rewards_of_groups)
def test_groups_do_not_see_each_other(drawn):
    num_generations, groups = drawn
    alone = torch.cat([group_advantages(torch.tensor(group), num_generations) for group in groups])
    assert_close(group_advantages(torch.tensor(groups).flatten(), num_generations), alone)


@given(rewards_of_groups)
def test_leave_one_out_is_what_a_loop_finds(drawn):
    num_generations, groups = drawn
    expected = [r - statistics.fmean(group[:i] + group[i + 1 :]) for group in groups for i, r in enumerate(group)]
    ours = leave_one_out_advantages(torch.tensor(groups, dtype=torch.float64).flatten(), num_generations)
    assert_close(ours.tolist(), expected, rtol=1e-9, atol=1e-9)


def test_an_unscored_completion_is_nobodys_sibling():
    scored = group_advantages(torch.tensor([1.0, 0.0, 1.0]), 3)
    ours = group_advantages(torch.tensor([1.0, NAN, 0.0, 1.0]), 4)
    assert_close(ours, torch.stack([scored[0], torch.tensor(0.0), scored[1], scored[2]]))
    assert_close(leave_one_out_advantages(torch.tensor([1.0, NAN, 0.0, 0.5]), 4), torch.tensor([0.75, 0.0, -0.75, 0.0]))


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_one_scored_completion_or_none_has_nothing_to_compare_with(scale):
    for rewards in ([5.0, NAN, NAN], [NAN, NAN, NAN]):
        assert group_advantages(torch.tensor(rewards), 3, scale_rewards=scale).tolist() == [0.0] * 3
        assert leave_one_out_advantages(torch.tensor(rewards), 3).tolist() == [0.0] * 3


def test_half_precision_does_not_overflow():
    lengths = torch.tensor([100.0, 400.0, 700.0, 1000.0])
    assert_close(group_advantages(lengths.half(), 4), group_advantages(lengths, 4))
    far = torch.tensor([6e4, 0.0, 6e4, 6e4])
    assert_close(leave_one_out_advantages(far.half(), 4), leave_one_out_advantages(far, 4), rtol=1e-3, atol=0)


@pytest.mark.parametrize("advantages", [group_advantages, leave_one_out_advantages])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_rewards_whose_squares_would_overflow_are_refused(advantages, dtype):
    for value in (1e17, -3e38, float("inf")):
        rewards = torch.tensor([value, 0.0, value, 0.0]).to(dtype)
        with pytest.raises(
            ValueError, match=r"rewards must be finite \(or nan for unscored, and at most 1e\+16 in size\), got \["
        ):
            advantages(rewards, 4)
    assert_close(group_advantages(torch.tensor([1e16, 0.0] * 64), 4).abs(), torch.full((128,), math.sqrt(3) / 2))


def test_sums_of_the_same_rewards_in_another_order_are_equal():
    totals = combine_rewards(torch.tensor([[800.1, 0.2, 0.1], [0.1, 800.2, 0.1], [0.2, 0.1, 800.1], [0.1, 0.1, 800.2]]))
    assert len(set(totals.tolist())) > 1
    assert group_advantages(totals, 4).tolist() == [0.0] * 4
    assert leave_one_out_advantages(totals, 2).tolist() == [0.0] * 4
    apart = group_advantages(torch.tensor([800.0, 800.001, 800.0, NAN]), 4)  # of 16 roundings
    assert_close(apart[:2], torch.tensor([-0.490, 0.980]), atol=0.01, rtol=0)
    assert apart[3] == 0


@pytest.mark.parametrize("advantages", [group_advantages, leave_one_out_advantages])
def test_advantages_are_constants_and_the_rewards_stay_as_they_were(advantages):
    rewards = torch.tensor([1.0, 0.0, NAN, 2.0], requires_grad=True)
    before = rewards.detach().clone()
    result = advantages(rewards, 4)
    assert not result.requires_grad
    assert result.dtype == rewards.dtype
    assert_close(rewards.detach(), before, equal_nan=True)


@given(rewards_of_groups)
def test_leave_one_out_is_the_advantage_of_dr_grpo_up_to_a_constant(drawn):
    """r - (mean of the others) = G / (G - 1) times (r - mean of all): one algorithm, two learning rates."""
    num_generations, groups = drawn
    rewards = torch.tensor(groups, dtype=torch.float64).flatten()
    dr_grpo = group_advantages(rewards, num_generations, scale_rewards="none")
    factor = num_generations / (num_generations - 1)
    assert_close(leave_one_out_advantages(rewards, num_generations), dr_grpo * factor, rtol=1e-9, atol=1e-9)


def test_normalize_then_sum_by_hand():
    # Function 1 pays 0 and 2 in the first group, function 2 pays 100 and 0: both differences become 1 / sqrt(2), so the
    # sums are 0 at equal weights, and 1 and -1 over sqrt(2) at weights 2 and 1. The second group agrees.
    rewards = torch.tensor([[2.0, 0.0], [0.0, 100.0], [5.0, 7.0], [5.0, 7.0]], dtype=torch.float64)
    small = [math.sqrt(2) / (math.sqrt(2) + 1e-4), 50 * math.sqrt(2) / (50 * math.sqrt(2) + 1e-4)]
    sums = [0.5 * math.sqrt(2) * (w * small[0] - small[1]) for w in (1, 2)]
    for weights, total in zip((None, [2.0, 1.0]), sums, strict=True):
        spread = math.sqrt(2 * total**2 / 3) + 1e-4  # over the whole batch: total, -total, 0, 0
        expected = [total / spread, -total / spread, 0.0, 0.0]
        assert_close(normalize_then_sum(rewards, 2, weights).tolist(), expected, rtol=1e-9, atol=1e-12)


def test_normalize_then_sum_keeps_apart_what_a_sum_of_rewards_confuses():
    """Right answer in the wrong form, wrong answer in the right form, neither: the sum pays the first two the same,
    although right answers are rarer here."""
    rewards = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    together = group_advantages(combine_rewards(rewards), 4)
    assert together[0] == together[1]
    apart = normalize_then_sum(rewards, 4)
    assert apart[0] > apart[1] + 0.2


def test_normalize_then_sum_with_gaps():
    one_judged = torch.tensor([[1.0, NAN], [0.0, 3.0], [NAN, NAN], [0.5, NAN]])
    first = group_advantages(one_judged[:, 0], 4).double()  # the only judge with something to compare
    by_hand = first[[0, 1, 3]]
    expected = first / (statistics.stdev(by_hand.tolist()) + 1e-4)
    assert_close(normalize_then_sum(one_judged, 4).double(), expected, rtol=1e-6, atol=1e-6)
    assert normalize_then_sum(torch.full((4, 2), NAN), 4).tolist() == [0.0] * 4
    assert normalize_then_sum(torch.full((4, 2), 0.1), 4).tolist() == [0.0] * 4


def test_normalize_then_sum_does_not_overflow_in_half_precision_and_is_a_constant():
    rewards = torch.tensor([[6e4, 1.0], [-6e4, 2.0], [6e4, 3.0], [0.0, 9.0]])
    halves = rewards.half().requires_grad_()
    assert_close(normalize_then_sum(halves, 4), normalize_then_sum(halves.detach().float(), 4))
    assert not normalize_then_sum(halves, 4).requires_grad
