import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from grpo_lite import clipped_surrogate, grpo_loss, importance_ratio
from grpo_lite.algorithms import ALGORITHMS

T, F = True, False
LOSS_TYPES = ["grpo", "bnpo", "dr_grpo", "dapo"]


def random_batch(seed, rows=4, tokens=5):
    generator = torch.Generator().manual_seed(seed)

    def draw():
        return torch.randn(rows, tokens, generator=generator, dtype=torch.float64) * 0.4

    old = -1 - draw().abs()
    mask = torch.arange(tokens) < torch.randint(1, tokens + 1, (rows,), generator=generator)[:, None]
    advantages = torch.randn(rows, generator=generator, dtype=torch.float64)
    return old + draw(), old, old + draw(), advantages, mask


def loss_in_a_loop(logps, old, advantages, mask, ref, beta, low, high, delta, loss_type, max_length, corrected=False):
    """DeepSeekMath's equation 3, one token after the other, in Python numbers."""
    per_row, tokens = [], 0
    for i in range(len(logps)):
        row = []
        for t in range(len(logps[i])):
            if not mask[i][t]:
                continue
            ratio = math.exp(logps[i][t] - old[i][t])
            clipped = max(1 - low, min(1 + high, ratio))
            capped = min(ratio, delta) if delta else ratio
            d = ref[i][t] - logps[i][t]
            k3 = (math.exp(d) - d - 1) * (ratio if corrected else 1)
            row.append(-min(capped * advantages[i], clipped * advantages[i]) + beta * k3)
        per_row.append(row)
        tokens += len(row)
    total = sum(map(sum, per_row))
    return {
        "grpo": sum(sum(row) / max(len(row), 1) for row in per_row) / len(per_row),
        "bnpo": total / max(tokens, 1),
        "dapo": total / max(tokens, 1),
        "dr_grpo": total / (len(per_row) * max_length),
    }[loss_type]


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
@given(
    seed=st.integers(0, 10**6),
    beta=st.sampled_from([0.0, 1e-3, 0.04, 1.0]),
    low=st.sampled_from([0.0, 0.1, 0.2]),
    high=st.sampled_from([0.2, 0.28]),
    delta=st.sampled_from([None, 1.1, 2.0]),
    corrected=st.booleans(),
)
def test_loss_is_what_a_loop_finds(loss_type, seed, beta, low, high, delta, corrected):
    logps, old, ref, advantages, mask = random_batch(seed)
    ours = grpo_loss(
        logps,
        old,
        advantages,
        mask,
        ref_logps=ref,
        beta=beta,
        epsilon=low,
        epsilon_high=high,
        delta=delta,
        loss_type=loss_type,
        use_bias_correction_kl=corrected,
        max_completion_length=7,
    )
    lists = (x.tolist() for x in (logps, old, advantages, mask, ref))
    expected = loss_in_a_loop(*lists, beta, low, high, delta, loss_type, 7, corrected)
    assert ours.loss.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert ours.loss.item() == pytest.approx((ours.policy_loss + beta * ours.kl).item(), rel=1e-9, abs=1e-12)


# The case table of clipping at epsilon = 0.2: ratio, advantage -> objective, and its slope with respect to the ratio.
CLIPPING = [
    (1.5, 1.0, 1.2, 0.0),  # already far enough in the good direction
    (0.5, 1.0, 0.5, 1.0),  # went the wrong way: the way back is open
    (1.5, -1.0, -1.5, -1.0),  # went the wrong way
    (0.5, -1.0, -0.8, 0.0),  # already far enough
    (1.1, 1.0, 1.1, 1.0),
    (1.1, -1.0, -1.1, -1.0),
    (1.5, 0.0, 0.0, 0.0),
]


@pytest.mark.parametrize(("ratio", "advantage", "objective", "slope"), CLIPPING)
def test_clipping_table(ratio, advantage, objective, slope):
    r = torch.tensor([[ratio]], requires_grad=True)
    value = clipped_surrogate(r, torch.tensor([advantage]))
    value.sum().backward()
    assert_close(value, torch.tensor([[objective]]))
    assert_close(r.grad, torch.tensor([[slope]]))


def test_clip_higher_and_delta_by_hand():
    ratio, good, bad = torch.tensor([[1.25], [3.0]]), torch.tensor([1.0, 1.0]), torch.tensor([-1.0, -1.0])
    assert_close(clipped_surrogate(ratio, good, epsilon_high=0.28), torch.tensor([[1.25], [1.28]]))
    assert_close(clipped_surrogate(ratio, bad, delta=2.0), torch.tensor([[-1.25], [-2.0]]))
    assert_close(clipped_surrogate(ratio, good, delta=2.0), torch.tensor([[1.2], [1.2]]))


def test_ratio_by_hand():
    logps = torch.tensor([[-1.0, -2.0, -9.0]])
    old = torch.tensor([[-1.0, -2.0 - math.log(3), float("nan")]])
    mask = torch.tensor([[T, T, F]])
    assert_close(importance_ratio(logps, old, mask), torch.tensor([[1.0, 3.0, 1.0]]))
    assert_close(importance_ratio(logps, old, mask, level="sequence"), torch.tensor([[math.sqrt(3)]]))
    assert_close(importance_ratio(logps, old, torch.tensor([[F, F, F]]), level="sequence"), torch.tensor([[1.0]]))


def test_ratio_of_rare_tokens_does_not_underflow():
    rare = torch.tensor([[-110.0, -500.0]])
    assert torch.isnan(rare.exp() / rare.exp()).all()
    assert_close(importance_ratio(rare, rare), torch.ones(1, 2))
    assert_close(importance_ratio(rare, rare - 0.5), torch.full((1, 2), math.exp(0.5)))


def test_on_policy_ratio_is_one_but_has_the_gradient_of_the_log_prob():
    logps = torch.tensor([[-1.0, -3.0]], requires_grad=True)
    ratio = importance_ratio(logps, logps)
    ratio.sum().backward()
    assert ratio.tolist() == [[1.0, 1.0]]
    assert logps.grad.tolist() == [[1.0, 1.0]]


@pytest.mark.filterwarnings("ignore:importance_sampling_level")
@pytest.mark.parametrize("level", ["token", "sequence"])
@pytest.mark.parametrize(
    ("loss_type", "delta"),
    [(name, None) for name in ALGORITHMS if name != "cispo"]
    + [(name, 3.0) for name, algorithm in ALGORITHMS.items() if "delta" in algorithm.settings],
)
def test_a_token_that_became_e100_times_as_likely_gives_no_nan(loss_type, level, delta):
    settings = {"importance_sampling_level": level, "max_completion_length": 2}
    for advantage in (1.0, 0.0, -1.0):
        logps = torch.full((1, 2), -1.0, requires_grad=True)
        args = (torch.full((1, 2), -101.0), torch.tensor([advantage]), torch.tensor([[T, T]]))
        out = grpo_loss(logps, *args, loss_type=loss_type, delta=delta, **settings)
        out.loss.backward()
        assert out.loss.isfinite(), advantage
        assert logps.grad.isfinite().all(), advantage
        if loss_type in ("grpo", "luspo") and advantage >= 0:  # what lies beyond the range counts as its end, 1.2
            assert out.loss.item() == pytest.approx(-1.2 * advantage * (2 if loss_type == "luspo" else 1))
            assert logps.grad.tolist() == [[0.0, 0.0]]


def test_the_largest_ratio_is_near_the_largest_number():
    ratio = importance_ratio(torch.tensor([[0.0, -13.0, math.nan]]), torch.tensor([[-100.0, -100.0, 0.0]]))
    assert ratio[0, :2].tolist() == pytest.approx([torch.finfo(torch.float32).max / math.e, math.exp(87)], rel=1e-5)
    assert ratio[0, 2].isnan()  # a nan is not hidden
    assert importance_ratio(torch.zeros(1, 1).double(), torch.full((1, 1), -700.0).double()).item() == math.exp(700)


def test_loss_by_hand():
    # Two completions of one and three tokens, on-policy, advantages 1 and -1. Each completion's mean objective is its
    # advantage; over all four tokens it is (1 - 3) / 4; over 2 x 5 tokens (1 - 3) / 10.
    logps = torch.full((2, 3), -1.0)
    mask = torch.tensor([[T, F, F], [T, T, T]])
    args = (logps, None, torch.tensor([1.0, -1.0]), mask)
    assert grpo_loss(*args).loss.item() == 0.0
    assert grpo_loss(*args, loss_type="bnpo").loss.item() == pytest.approx(0.5)
    assert grpo_loss(*args, loss_type="dapo").loss.item() == pytest.approx(0.5)
    assert grpo_loss(*args, loss_type="dapo", num_items_in_batch=8).loss.item() == pytest.approx(0.25)
    assert grpo_loss(*args, loss_type="dr_grpo", max_completion_length=5).loss.item() == pytest.approx(0.2)


def test_on_policy_gradient_is_reinforce_with_the_group_baseline():
    """d loss / d log-prob = -A / (B |o_i|), whatever the value of the loss; zero on padding."""
    logps = torch.full((2, 3), -1.0, requires_grad=True)
    mask = torch.tensor([[T, F, F], [T, T, T]])
    grpo_loss(logps, None, torch.tensor([1.0, -1.0]), mask).loss.backward()
    assert_close(logps.grad, torch.tensor([[-1 / 2, 0.0, 0.0], [1 / 6, 1 / 6, 1 / 6]]))


def test_no_gradient_but_to_the_policy_and_no_argument_is_changed():
    names = ["logps", "old", "ref", "advantages"]
    tensors = dict(zip(names, random_batch(1)[:4], strict=True))
    mask = random_batch(1)[4]
    before = {name: x.clone() for name, x in tensors.items()}
    for x in tensors.values():
        x.requires_grad_()
    out = grpo_loss(tensors["logps"], tensors["old"], tensors["advantages"], mask, ref_logps=tensors["ref"], beta=0.1)
    out.loss.backward()
    assert tensors["logps"].grad.norm() > 0
    for name in ("old", "ref", "advantages"):
        assert tensors[name].grad is None, name
    for name, x in tensors.items():
        assert torch.equal(x, before[name]), name
    assert [x.requires_grad for x in out] == [True, False, False, False]


def test_a_group_in_agreement_is_pulled_by_the_penalty_alone():
    logps, old, ref, _, mask = random_batch(2)
    zero = torch.zeros(4, dtype=torch.float64)
    leaf = logps.clone().requires_grad_()
    grpo_loss(leaf, old, zero, mask).loss.backward()
    assert leaf.grad.abs().sum() == 0
    leaf = logps.clone().requires_grad_()
    grpo_loss(leaf, old, zero, mask, ref_logps=ref, beta=0.1).loss.backward()
    assert leaf.grad.abs().sum() > 0


def test_a_reference_without_beta_is_watched_and_does_not_pull():
    logps, old, ref, advantages, mask = random_batch(2)
    watched = grpo_loss(logps, old, advantages, mask, ref_logps=ref)
    assert watched.kl > 0
    assert watched.loss == grpo_loss(logps, old, advantages, mask).loss
    assert torch.isfinite(grpo_loss(logps, old, advantages, mask, ref_logps=ref + 1e4).loss)


def test_clip_fraction_by_hand():
    # Four counted tokens of ratio 1.5, 1.0 (A = 1) and 1.5, 0.5 (A = -1): the first and the last are clipped.
    ratio = torch.tensor([[1.5, 1.0, 9.0], [1.5, 0.5, 9.0]])
    mask = torch.tensor([[T, T, F], [T, T, F]])
    args = (torch.zeros(2, 3), torch.tensor([1.0, -1.0]), mask)
    assert grpo_loss(ratio.log(), *args).clip_fraction.item() == 0.5
    assert grpo_loss(ratio.log(), *args, epsilon_high=0.6).clip_fraction.item() == 0.25
    # As sequences the ratios are sqrt(1.5) = 1.22 and sqrt(0.75) = 0.87, and an empty row does not count.
    args = (torch.zeros(3, 3), torch.tensor([1.0, -1.0, 1.0]), torch.cat([mask, torch.tensor([[F, F, F]])]))
    padded = torch.cat([ratio, ratio[:1]]).log()
    assert grpo_loss(padded, *args, importance_sampling_level="sequence").clip_fraction.item() == 0.5


def test_clip_fraction_counts_only_gradients_that_are_switched_off():
    # Inside the range by sign (0.5 with A > 0, 1.5 with A < 0), without an advantage, and exactly on the border.
    ratio = torch.tensor([[0.5, 2.0], [2.0, 0.5], [0.25, 4.0]]).log()
    mask = torch.ones(3, 2, dtype=torch.bool)
    args = (torch.zeros(3, 2), torch.tensor([0.5, -0.5, 0.0]), mask)
    assert grpo_loss(ratio, *args, epsilon=0.4).clip_fraction.item() == pytest.approx(2 / 6)
    assert grpo_loss(ratio, *args, epsilon=0.5, epsilon_high=1.0).clip_fraction.item() == 0.0


def test_one_token_is_its_own_mean():
    mask = torch.tensor([[T, F]])
    for loss_type in LOSS_TYPES:
        out = grpo_loss(
            torch.zeros(1, 2), None, torch.tensor([3.0]), mask, loss_type=loss_type, max_completion_length=2
        )
        assert out.loss.item() == (-1.5 if loss_type == "dr_grpo" else -3.0)


def test_half_precision_is_computed_in_float32():
    logps, old, ref, advantages, mask = (x.float() if x.is_floating_point() else x for x in random_batch(4))
    settings = {"beta": 0.1, "importance_sampling_level": "sequence"}
    halves = [x.bfloat16() for x in (logps, old, ref)]
    ours = grpo_loss(halves[0], halves[1], advantages, mask, ref_logps=halves[2], **settings)
    exact = grpo_loss(*(x.float() for x in halves[:2]), advantages, mask, ref_logps=halves[2].float(), **settings)
    for a, b in zip(ours, exact, strict=True):
        assert a.dtype == torch.float32
        assert_close(a, b)


def test_no_token_at_all_gives_zero():
    for loss_type in LOSS_TYPES:
        leaf = torch.zeros(2, 3, requires_grad=True)
        mask = torch.zeros(2, 3, dtype=torch.bool)
        out = grpo_loss(leaf, None, torch.ones(2), mask, loss_type=loss_type, max_completion_length=3)
        out.loss.backward()
        assert [x.item() for x in out] == [0.0] * 4
        assert leaf.grad.abs().sum() == 0


@pytest.mark.parametrize("level", ["token", "sequence"])
def test_gradient_of_the_corrected_penalty_by_hand(level):
    # Of ratio * (e^d - d - 1), d = ref - logp: ratio * (e^d - d - 1) + ratio * (1 - e^d) = -ratio * d.
    logps = torch.tensor([[-1.0, math.inf]], dtype=torch.float64, requires_grad=True)
    old = torch.tensor([[-1.0 - math.log(1.5), math.nan]], dtype=torch.float64)
    ref = torch.tensor([[-0.7, math.nan]], dtype=torch.float64)
    settings = {"ref_logps": ref, "beta": 0.5, "use_bias_correction_kl": True, "importance_sampling_level": level}
    out = grpo_loss(logps, old, torch.zeros(1, dtype=torch.float64), torch.tensor([[T, F]]), **settings)
    out.loss.backward()
    assert out.kl.item() == pytest.approx(1.5 * (math.exp(0.3) - 0.3 - 1))
    assert logps.grad.tolist() == [[pytest.approx(-0.5 * 1.5 * 0.3), 0.0]]


def test_a_clip_range_of_zero_above_is_not_the_one_below():
    assert clipped_surrogate(torch.tensor([[1.1]]), torch.ones(1), epsilon=0.2, epsilon_high=0.0).item() == 1.0
