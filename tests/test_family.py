"""The objectives of the relatives, the weights on them and the averages: numbers that can be checked on paper."""

import math
import subprocess
import sys
import warnings

import pytest
import torch
from torch.testing import assert_close

from grpo_lite import (
    aggregate,
    cispo_objective,
    clipped_surrogate,
    gmpo_objective,
    grpo_loss,
    high_entropy_mask,
    off_policy_mask,
    sampler_correction,
    sapo_objective,
    vespo_objective,
)
from grpo_lite.aggregation import SLICE_SHARE
from grpo_lite.algorithms import ALGORITHMS
from helpers.trl_names import trl_weights

T, F = True, False
NAN, INF = float("nan"), float("inf")


def f64(*rows):
    return torch.tensor(rows, dtype=torch.float64)


# ratio, advantage, temperature -> value and slope with respect to the ratio. sigmoid(log 3) = 3/4, slope 3/16.
SAPO = [
    (1.0, 2.0, {}, 4.0, 2.0),
    (1.0, -1.0, {}, -2 / 1.05, -1.0),
    (1.0, 0.0, {}, 0.0, 0.0),
    (1 + math.log(3), 1.0, {}, 3.0, 3 / 4),
    (1 + math.log(3) / 2, 1.0, {"sapo_temperature_pos": 2.0}, 1.5, 3 / 4),
    (1 - math.log(3) / 2, -1.0, {"sapo_temperature_neg": 2.0}, -0.5, -3 / 4),
]


@pytest.mark.parametrize(("ratio", "advantage", "settings", "value", "slope"), SAPO)
def test_sapo_by_hand(ratio, advantage, settings, value, slope):
    r = f64([ratio]).requires_grad_()
    objective = sapo_objective(r, f64(advantage), **settings)
    objective.backward()
    assert_close(objective.item(), value)
    assert_close(r.grad.item(), slope)


def test_cispo_by_hand():
    """Ratio 1.5, 9 and 0.1, cap 5: weights 1.5, 5 and 0.1, never 0, and none of the gradient goes through the ratio."""
    logps = f64([-1.0, -2.0, -3.0], [-1.0, -1.0, -1.0]).requires_grad_()
    ratio = f64([1.5, 9.0, 0.1], [1.0, 5.0, 6.0]).requires_grad_()
    objective = cispo_objective(ratio, f64(2.0, -1.0), logps, epsilon_high=5.0)
    objective.sum().backward()
    assert_close(objective.detach(), f64([-3.0, -20.0, -0.6], [1.0, 5.0, 5.0]))
    assert_close(logps.grad, f64([3.0, 10.0, 0.2], [-1.0, -5.0, -5.0]))
    assert ratio.grad is None
    assert_close(cispo_objective(f64([9.0]), f64(1.0), f64([-1.0, -2.0]), epsilon_high=2.0), f64([-2.0, -4.0]))


def phi(log_w, k, rate):
    return math.exp(rate + k * log_w - rate * math.exp(log_w))


VESPO = [
    # log-ratios of the counted tokens, advantage, log w
    ([0.0, 0.0], 1.0, 0.0),
    ([0.3, -0.1], 2.0, 0.2),
    ([0.3, -0.1], -2.0, 0.2),
    ([0.3, -0.1], 0.5, 0.2),
    ([-0.5], -1.0, -0.5),
    ([0.4], 0.0, 0.4),
    ([-15.0, -15.0], -1.0, math.log(1e-8)),  # held at 1e-8
    ([-25.0, 19.0], 1.0, -1.0),  # each token is held to 20 first
    ([25.0, -19.0], 1.0, 1.0),
    ([20.0, 20.0, 20.0], 1.0, 60.0),  # e^60 times as likely: the bump has gone down to 0
]


@pytest.mark.parametrize(("log_ratios", "advantage", "log_w"), VESPO)
def test_vespo_by_hand(log_ratios, advantage, log_w):
    padding = [NAN]
    old = f64([-30.0] * len(log_ratios) + padding)
    logps = (old + f64(log_ratios + padding)).requires_grad_()
    mask = torch.tensor([[T] * len(log_ratios) + [F]])
    objective = vespo_objective(logps, old, f64(advantage), mask)
    objective.sum().backward()
    k, rate = (2.0, 3.0) if advantage >= 0 else (3.0, 2.0)
    weight = phi(log_w, k, rate) * advantage
    exactly = {"rtol": 1e-9, "atol": 0}  # weights as small as 1e-15 count
    assert_close(objective.detach(), weight * torch.where(mask, logps.detach(), 0), **exactly)
    assert_close(logps.grad, weight * mask.double(), **exactly)


def test_vespo_settings_and_correction_by_hand():
    old, mask = f64([-1.0, -2.0]), torch.tensor([[T, T]])
    args = (old + 0.1, old)
    settings = {"vespo_k_pos": 1.0, "vespo_lambda_pos": 0.5, "vespo_k_neg": 0.0, "vespo_lambda_neg": 4.0}
    assert_close(vespo_objective(*args, f64(1.0), mask, **settings), phi(0.2, 1.0, 0.5) * args[0])
    assert_close(vespo_objective(*args, f64(-1.0), mask, **settings), -phi(0.2, 0.0, 4.0) * args[0])
    # The weights of a sampler are factors of w; one of 0 counts as 1e-8, and what is masked counts as 1.
    corrected = vespo_objective(*args, f64(1.0), mask, f64([1.2, 0.5]))
    assert_close(corrected, phi(0.2 + math.log(0.6), 2.0, 3.0) * args[0])
    # Likelier by e^19 and dropped, or rarer by e^20 and of weight e^25, which is held at e^20.
    for log_ratio, factor, log_w in ((19.0, 0.0, 19.0 + math.log(1e-8)), (-20.0, math.exp(25), 0.0)):
        held = vespo_objective(old + f64([log_ratio, 0.0]), old, f64(1.0), mask, f64([1.0, factor]))
        assert_close(held[0, 1].item(), phi(log_w, 2.0, 3.0) * -2.0)
    half = vespo_objective(*args, f64(1.0), torch.tensor([[T, F]]), f64([1.2, 0.0]))
    assert_close(half, phi(0.1 + math.log(1.2), 2.0, 3.0) * f64([-0.9, 0.0]))


def test_gmpo_by_hand():
    """Log-ratios 0.2 and 2 with A > 0: the second is held at 0.4. With A < 0 it is not, but -2 is held at -0.4."""
    old, mask = f64([-3.0, -3.0, NAN]), torch.tensor([[T, T, F]])

    def value_and_push(log_ratios, advantage, **settings):
        logps = (old + f64([*log_ratios, 0.0])).requires_grad_()
        objective = gmpo_objective(logps, old, f64(advantage), mask, **{"epsilon": 0.4} | settings)
        objective.backward()
        return objective.item(), logps.grad[0].tolist()

    up = math.exp(0.3)
    assert value_and_push([0.2, 2.0], 2.0) == (pytest.approx(2 * up), [pytest.approx(up), 0.0, 0.0])
    down = math.exp(1.1)
    assert value_and_push([0.2, 2.0], -1.0) == (pytest.approx(-down), [pytest.approx(-down / 2)] * 2 + [0.0])
    low = math.exp(-0.1)
    assert value_and_push([0.2, -2.0], -1.0) == (pytest.approx(-low), [pytest.approx(-low / 2), 0.0, 0.0])
    free = math.exp(-0.9)
    assert value_and_push([0.2, -2.0], 1.0) == (pytest.approx(free), [pytest.approx(free / 2)] * 2 + [0.0])
    settings = {"epsilon": 0.1, "epsilon_high": 0.3}
    assert value_and_push([0.2, 2.0], 1.0, **settings)[0] == pytest.approx(math.exp(0.25))
    assert value_and_push([0.2, -2.0], -1.0, **settings)[0] == pytest.approx(-math.exp(0.05))
    assert gmpo_objective(old, old, f64(3.0), ~mask & F, epsilon=0.4).tolist() == [[3.0]]


def test_objectives_take_no_gradient_to_the_advantages_and_keep_float64():
    advantages = f64(1.0, -1.0).requires_grad_()
    logps = f64([-1.0], [-2.0]).requires_grad_()
    old, mask = f64([-1.1], [-1.8]).requires_grad_(), torch.tensor([[T], [T]])
    ratio = (logps - old.detach()).exp()
    for objective in (
        clipped_surrogate(ratio, advantages),
        sapo_objective(ratio, advantages),
        cispo_objective(ratio, advantages, logps, epsilon_high=2.0),
        vespo_objective(logps, old, advantages, mask),
        gmpo_objective(logps, old, advantages, mask, epsilon=0.4),
    ):
        assert objective.dtype == torch.float64
        assert torch.autograd.grad(objective.sum(), [advantages, old], allow_unused=True) == (None, None)


def test_half_precision_is_computed_in_float32():
    logps, old = torch.tensor([[-1.0, -9.5]]).bfloat16(), torch.tensor([[-1.5, -9.0]]).bfloat16()
    mask, one = torch.tensor([[T, T]]), torch.ones(1)
    for half, full in (
        (vespo_objective(logps, old, one, mask), vespo_objective(logps.float(), old.float(), one, mask)),
        (
            gmpo_objective(logps, old, one, mask, epsilon=0.4),
            gmpo_objective(logps.float(), old.float(), one, mask, epsilon=0.4),
        ),
        (sampler_correction(logps, old, mask), sampler_correction(logps.float(), old.float(), mask)),
        (aggregate(logps, mask), aggregate(logps.float(), mask)),
        (aggregate(logps, mask, loss_type="dapo"), aggregate(logps.float(), mask, loss_type="dapo")),
    ):
        assert half.dtype == torch.float32
        assert_close(half, full)
    cispo = cispo_objective(torch.ones(1, 2), one, logps, epsilon_high=2.0)
    assert_close(cispo, logps.float())


def test_off_policy_mask_by_hand():
    """Drift of the counted tokens: 1 and 0 make 0.5 a token; a bad answer beyond the threshold goes, a good one stays.
    Becoming likelier is a negative drift. A nan of the sampler counts 0 and stays in the denominator."""
    sampling = torch.tensor([[-1.0, -1.0, NAN]] * 3 + [[-1.0, NAN, NAN]])
    logps = torch.tensor([[-2.0, -1.0, NAN], [-2.0, -1.0, NAN], [-0.5, -1.0, NAN], [-2.0, -7.0, NAN]])
    mask = torch.tensor([[T, T, F]] * 4)
    advantages = torch.tensor([1.0, -1.0, -1.0, -1.0])
    args = (logps, sampling, advantages, mask)
    assert off_policy_mask(*args, threshold=0.5).tolist() == [[T], [T], [T], [T]]
    assert off_policy_mask(*args, threshold=0.49).tolist() == [[T], [F], [T], [F]]
    assert off_policy_mask(*args[:2], torch.zeros(4), mask, threshold=0.0).tolist() == [[T]] * 4
    assert off_policy_mask(*args[:3], mask & F, threshold=0.0).tolist() == [[T]] * 4


def test_high_entropy_mask_by_hand():
    entropies = torch.tensor([[0.5, 0.1, 9.0], [0.3, 0.2, 0.4]])
    mask = torch.tensor([[T, T, F], [T, T, T]])
    # Sorted: 0.1 0.2 0.3 0.4 0.5. The 0.75-quantile is 0.4; the 0.6-quantile lies between 0.3 and 0.4.
    assert high_entropy_mask(entropies, mask, top_entropy_quantile=0.25).tolist() == [[T, F, F], [F, F, T]]
    assert high_entropy_mask(entropies, mask, top_entropy_quantile=0.4).tolist() == [[T, F, F], [F, F, T]]
    assert high_entropy_mask(entropies, mask, top_entropy_quantile=0.5).tolist() == [[T, F, F], [T, F, T]]
    assert high_entropy_mask(entropies, mask, top_entropy_quantile=0.0).tolist() == [[T, F, F], [F, F, F]]
    assert torch.equal(high_entropy_mask(entropies, mask, top_entropy_quantile=1.0), mask)
    assert torch.equal(high_entropy_mask(torch.ones(2, 3), mask, top_entropy_quantile=0.1), mask)  # ties
    assert not high_entropy_mask(entropies, mask & F, top_entropy_quantile=0.5).any()
    # 0.1 in float64 is less than its neighbour in float32, to which the threshold is rounded.
    assert high_entropy_mask(f64([0.1]), torch.tensor([[T]]), top_entropy_quantile=0.0).all()


def test_an_entropy_of_nan_is_no_entropy():
    entropies, mask = torch.tensor([[1.0, NAN, 2.0]]), torch.tensor([[T, T, T]])
    with pytest.raises(ValueError, match="entropies must be numbers on the tokens that count, got nan"):
        high_entropy_mask(entropies, mask, top_entropy_quantile=0.5)
    mask[0, 1] = False
    assert high_entropy_mask(entropies, mask, top_entropy_quantile=0.5).tolist() == [[F, F, T]]


def test_sampler_correction_by_hand():
    """Ratios 2, 5, 1/4 and nothing known; the product of the first row is 2.5 (the third token is masked)."""
    sampling = torch.tensor([[-4.0, -4.0, NAN], [-4.0, -4.0, -4.0]])
    log_ratios = torch.tensor([[2.0, 1.25, 9.0], [0.25, 5.0, 1.0]]).log()
    old = torch.where(sampling.isnan(), -1.0, sampling + log_ratios)
    sampling[1, 2] = NAN
    args = (old, sampling, torch.tensor([[T, T, F], [T, T, T]]))
    cases = {
        ("token_truncate", None): [[2.0, 1.25, 1.0], [0.25, 3.0, 1.0]],
        ("token_truncate", 0.5): [[2.0, 1.25, 1.0], [0.5, 3.0, 1.0]],
        ("token_mask", None): [[2.0, 1.25, 1.0], [0.25, 0.0, 1.0]],
        ("token_mask", 0.5): [[2.0, 1.25, 1.0], [0.0, 0.0, 1.0]],
        ("sequence_truncate", None): [[2.5], [1.25]],
        ("sequence_mask", None): [[2.5], [1.25]],
    }
    for (mode, floor), expected in cases.items():
        assert_close(sampler_correction(*args, mode=mode, floor=floor), torch.tensor(expected))
    assert_close(sampler_correction(*args), torch.tensor([[2.5], [1.25]]))
    assert_close(sampler_correction(*args, cap=2.0), torch.tensor([[0.0], [1.25]]))
    assert_close(sampler_correction(*args, mode="sequence_truncate", cap=2.0), torch.tensor([[2.0], [1.25]]))
    assert_close(sampler_correction(*args, mode="token_truncate", cap=INF)[1, 1].item(), 5.0, rtol=1e-6, atol=0)
    # What lies exactly on the border is inside.
    exact = (torch.zeros(1, 2), torch.tensor([[0.0, 0.0]]), torch.tensor([[T, T]]))
    assert sampler_correction(*exact, mode="token_mask", cap=1.0, floor=1.0).tolist() == [[1.0, 1.0]]


def test_weights_are_constants():
    logps = torch.zeros(1, 2, requires_grad=True)
    mask = torch.tensor([[T, T]])
    assert not sampler_correction(logps, torch.ones(1, 2, requires_grad=True), mask).requires_grad
    assert not off_policy_mask(logps, logps, torch.ones(1), mask, threshold=0.0).requires_grad
    assert not high_entropy_mask(logps, mask, top_entropy_quantile=0.5).requires_grad


AVERAGES = {  # of 4 | 1 1 | nothing, with a limit of 5 tokens and 8 tokens in the whole batch
    "grpo": (4 + 1 + 0) / 3,
    "sapo": (4 + 1 + 0) / 3,
    "gmpo": (4 + 1 + 0) / 3,
    "bnpo": 6 / 3,
    "dr_grpo": 6 / 15,
    "dapo": 6 / 8,
    "cispo": 6 / 8,
    "vespo": 6 / 8,
    "luspo": 6 / 3,
}


@pytest.mark.parametrize("loss_type", AVERAGES)
def test_averages_by_hand(loss_type):
    x = torch.tensor([[4.0, NAN], [1.0, 1.0], [INF, INF]], requires_grad=True)
    mask = torch.tensor([[T, F], [T, T], [F, F]])
    value = aggregate(x, mask, loss_type=loss_type, max_completion_length=5, num_items_in_batch=8)
    value.backward()
    assert_close(value.item(), AVERAGES[loss_type])
    assert x.grad.isfinite().all()
    if SLICE_SHARE[loss_type] == "total":
        assert_close(aggregate(x, mask, loss_type=loss_type).item(), 6 / 3)
        assert aggregate(x, mask & F, loss_type=loss_type, num_items_in_batch=0).item() == 0.0


def test_a_limit_of_one_token_will_do_for_one_token():
    x, mask = torch.tensor([[3.0]]), torch.tensor([[T]])
    assert aggregate(x, mask, loss_type="dr_grpo", max_completion_length=1).item() == 3.0
    assert aggregate(x[:, :0], mask[:, :0], loss_type="dr_grpo", max_completion_length=1).item() == 0.0


def test_the_table_has_every_loss_type_of_trl_and_gmpo():
    assert list(ALGORITHMS) == ["grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "luspo", "vespo", "gmpo"]
    assert set(SLICE_SHARE) == set(ALGORITHMS)


LOGPS, OLD = f64([-1.0, -2.0], [-1.0, -3.0]), f64([-1.2, -1.9], [-0.8, -3.0])
ADVANTAGES, MASK = f64(1.0, -2.0), torch.tensor([[T, T], [T, T]])


def test_the_loss_is_ratio_times_objective_times_average():
    """Each loss type put together by hand out of its public pieces."""
    token = (LOGPS - OLD).exp()
    sequence = (LOGPS - OLD).mean(dim=1, keepdim=True).exp()
    by_hand = {
        "grpo": clipped_surrogate(token, ADVANTAGES).mean(),
        "bnpo": clipped_surrogate(token, ADVANTAGES).mean(),
        "dr_grpo": clipped_surrogate(token, ADVANTAGES).sum() / (2 * 7),
        "dapo": clipped_surrogate(token, ADVANTAGES).sum() / 9,
        "cispo": cispo_objective(token, ADVANTAGES, LOGPS, epsilon_high=1.1).sum() / 9,
        "sapo": sapo_objective(token, ADVANTAGES).mean(),
        "luspo": 2 * clipped_surrogate(sequence, ADVANTAGES).mean(),
        "vespo": vespo_objective(LOGPS, OLD, ADVANTAGES, MASK).sum() / 9,
        "gmpo": gmpo_objective(LOGPS, OLD, ADVANTAGES, MASK, epsilon=0.2).mean(),
    }
    for loss_type, expected in by_hand.items():
        settings = {"max_completion_length": 7, "num_items_in_batch": 9}
        settings |= {"cispo": {"epsilon_high": 1.1}, "luspo": {"importance_sampling_level": "sequence"}}.get(
            loss_type, {}
        )
        out = grpo_loss(LOGPS, OLD, ADVANTAGES, MASK, loss_type=loss_type, **settings)
        assert_close(out.loss, -expected)


def test_settings_reach_their_objective():
    sapo = grpo_loss(LOGPS, OLD, ADVANTAGES, MASK, loss_type="sapo", sapo_temperature_neg=3.0).loss
    assert_close(sapo, -sapo_objective((LOGPS - OLD).exp(), ADVANTAGES, sapo_temperature_neg=3.0).mean())
    vespo = grpo_loss(LOGPS, OLD, ADVANTAGES, MASK, loss_type="vespo", vespo_k_pos=1.0).loss
    assert_close(vespo, -vespo_objective(LOGPS, OLD, ADVANTAGES, MASK, vespo_k_pos=1.0).sum() / 4)


def test_weights_multiply_the_objective_and_not_the_penalty():
    """One weight at a time on two rows of two tokens, on-policy, so that the objective of a token is its advantage."""
    args = (LOGPS, None, f64(1.0, -2.0), MASK)
    entropies = f64([3.0, 0.1], [0.2, 4.0]).requires_grad_()
    penalty = {"ref_logps": OLD, "beta": 0.5}
    plain = grpo_loss(*args, **penalty)
    assert_close(plain.policy_loss, f64(0.5)[0])

    def weighed(old_logps=None, epsilon=0.2, **settings):
        weights = trl_weights("grpo", LOGPS, old_logps, *args[2:], entropies=entropies, **settings)
        assert set(weights) == {"weight"}
        out = grpo_loss(LOGPS, old_logps, *args[2:], **weights, epsilon=epsilon, **penalty)
        if old_logps is None:
            assert_close(out.kl, plain.kl)
        return out.policy_loss.item()

    assert_close(weighed(top_entropy_quantile=0.5), -(1 + 0 + 0 - 2) / 4)  # the tokens of entropy 3 and 4
    sampling = LOGPS - f64([math.log(2), 0.0], [0.0, math.log(0.5)])
    token = weighed(sampling_logps=sampling, vllm_importance_sampling_mode="token_truncate")
    assert_close(token, -(2 * 1 + 1 - 2 - 0.5 * 2) / 4)
    assert_close(weighed(sampling_logps=sampling), -(2 * 1 * 2 - 2 * 2 * 0.5) / 4)
    limits = {"vllm_importance_sampling_clip_max": 1.5, "vllm_importance_sampling_clip_min": 0.4}
    assert_close(weighed(sampling_logps=sampling, **limits), -(0 - 2 * 2 * 0.5) / 4)
    floor = {"vllm_importance_sampling_clip_min": 0.6}
    assert_close(weighed(sampling_logps=sampling, **floor), -(2 * 1 * 2 - 0) / 4)

    worse = LOGPS + 1.0  # the policy has fallen by 1 nat a token since sampling
    dropped = weighed(worse, off_policy_mask_threshold=0.5, epsilon=1.0)
    assert_close(dropped, -(2 * math.exp(-1)) / 4)
    by_sampler = {"sampling_logps": worse, "vllm_importance_sampling_clip_max": None}
    # corrected by e^-1 a token, then dropped
    assert_close(weighed(off_policy_mask_threshold=0.5, **by_sampler), -(2 * math.exp(-2)) / 4)


@pytest.mark.parametrize("loss_type", ALGORITHMS)
def test_a_weight_is_a_constant_and_padding_has_none(loss_type):
    """Weights of 2 double the objective of every loss type; what stands under the mask reaches nothing."""
    mask = torch.tensor([[T, T], [T, F]])
    settings = {"loss_type": loss_type, "max_completion_length": 2, "importance_sampling_level": "token"}
    settings |= {"epsilon_high": 2.0} if loss_type == "cispo" else {}
    settings |= {"importance_sampling_level": "sequence"} if loss_type == "luspo" else {}
    results = []
    for weight in (None, f64([2.0, 2.0], [2.0, math.nan]).requires_grad_(), f64([2.0], [2.0])):
        logps = LOGPS.clone().requires_grad_()
        out = grpo_loss(logps, OLD, ADVANTAGES, mask, weight=weight, **settings)
        out.loss.backward()
        results.append((out.loss.item(), logps.grad))
        assert weight is None or weight.grad is None
    (plain, gradient), *doubled = results
    for value, twice in doubled:
        assert_close(value, 2 * plain)
        assert_close(twice, 2 * gradient)


def test_defaults_the_penalty_is_not_corrected_and_a_sampler_may_be_off_by_three():
    out = grpo_loss(LOGPS, OLD, ADVANTAGES, MASK, ref_logps=OLD)
    d = [0.2, -0.1, -0.2, 0.0]  # log-ratios of policy and old policy, which is the reference here
    assert_close(out.kl.item(), sum(math.exp(-x) + x - 1 for x in d) / 4)
    for factor, kept in ((2.9, True), (3.1, False)):
        sampling = LOGPS - f64([math.log(factor), 0.0], [0.0, 0.0])
        correction = sampler_correction(LOGPS, sampling, MASK)
        out = grpo_loss(LOGPS, None, f64(1.0, 0.0), MASK, weight=correction)
        assert_close(out.policy_loss.item(), -factor / 2 if kept else 0.0)


def test_the_high_entropy_mask_takes_tokens_out_of_the_geometric_mean():
    entropies = f64([3.0, 0.0], [0.0, 4.0])
    weights = trl_weights("gmpo", LOGPS, OLD, ADVANTAGES, MASK, entropies=entropies, top_entropy_quantile=0.5)
    assert set(weights) == {"keep"}
    out = grpo_loss(LOGPS, OLD, ADVANTAGES, MASK, loss_type="gmpo", **weights)
    assert_close(out.loss.item(), -(math.exp(0.2) * 1 - 2 * math.exp(0.0)) / 2)


def test_the_correction_enters_the_weight_of_vespo_once():
    sampling = OLD - f64([0.1, 0.0], [0.0, 0.2])
    mode = {"vllm_importance_sampling_mode": "token_truncate"}
    weights = trl_weights("vespo", LOGPS, OLD, ADVANTAGES, MASK, sampling_logps=sampling, **mode)
    assert set(weights) == {"correction"}
    out = grpo_loss(LOGPS, OLD, ADVANTAGES, MASK, loss_type="vespo", **weights)
    expected = phi(0.1 + 0.1, 2.0, 3.0) * 1.0 * -3.0 + phi(-0.2 + 0.2, 3.0, 2.0) * -2.0 * -4.0
    assert_close(out.loss.item(), -expected / 4)


def test_clip_fraction_of_each_kind_of_clip():
    ratio = torch.tensor([[0.5, 1.3, 1.6], [0.5, 1.3, 1.6]], dtype=torch.float64)
    args = (ratio.log(), torch.zeros(2, 3, dtype=torch.float64), f64(1.0, -1.0), torch.ones(2, 3, dtype=torch.bool))
    # Clipped: 1.3 and 1.6 for A > 0, 0.5 for A < 0.
    assert grpo_loss(*args).clip_fraction.item() == 0.5
    # In logarithms: 1.6 > e^0.3 = 1.35 for A > 0, 0.5 < e^-0.3 = 0.74 for A < 0; with e^0.5 and e^-0.8 none.
    assert grpo_loss(*args, loss_type="gmpo", epsilon=0.3).clip_fraction.item() == pytest.approx(2 / 6)
    wide = {"epsilon": 0.8, "epsilon_high": 0.5}
    assert grpo_loss(*args, loss_type="gmpo", **wide).clip_fraction.item() == 0.0
    assert grpo_loss(*args, loss_type="gmpo", epsilon=0.8, epsilon_high=0.2).clip_fraction.item() == pytest.approx(
        2 / 6
    )
    # A cap has no lower side: 1.6 for A > 0.
    assert grpo_loss(*args, loss_type="cispo", epsilon_high=1.5).clip_fraction.item() == pytest.approx(1 / 6)
    for loss_type in ("sapo", "vespo"):
        assert grpo_loss(*args, loss_type=loss_type).clip_fraction.item() == 0.0
    assert grpo_loss(*args, epsilon=INF).clip_fraction.item() == 0.0
    assert grpo_loss(*args, loss_type="gmpo", epsilon=1e9).clip_fraction.item() == 0.0


WARNED = [
    (
        "bnpo",
        "sequence",
        r"'bnpo' sums over tokens, which weighs each completion by its length: GSPO is loss_type='grpo'",
    ),
    ("dr_grpo", "sequence", r"'dr_grpo' sums over tokens"),
    ("dapo", "sequence", r"'dapo' sums over tokens"),
    ("cispo", "sequence", r"'cispo' sums over tokens"),
    ("vespo", "sequence", r"'vespo' makes its own weight of whole completions, and ignores this ratio: use 'token'"),
    ("gmpo", "sequence", r"'gmpo' makes its own weight"),
    ("luspo", "token", r"'luspo' is meant for one ratio a completion: use 'sequence'"),
]


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize(("loss_type", "level", "message"), WARNED)
def test_warnings_where_trl_warns(loss_type, level, message):
    settings = {"epsilon_high": 2.0} if loss_type == "cispo" else {}
    settings |= {"loss_type": loss_type, "importance_sampling_level": level, "max_completion_length": 2}
    with pytest.warns(UserWarning, match=rf"^importance_sampling_level='{level}', but loss_type={message}") as seen:
        grpo_loss(LOGPS, OLD, ADVANTAGES, MASK, **settings)
    assert len(seen) == 1


def test_a_warning_points_at_the_line_of_the_user():
    """In a process of its own: here the shape checker stands between."""
    code = "import torch, grpo_lite\none = torch.ones(1, 1)\n"
    code += "grpo_lite.grpo_loss(one, None, one[0], one.bool(), loss_type='luspo')"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
    assert said.startswith("<string>:3: UserWarning: importance_sampling_level='token', but loss_type='luspo'")


PAIRS = {(loss_type, level) for loss_type in ALGORITHMS for level in ("token", "sequence")}


@pytest.mark.parametrize(("loss_type", "level"), sorted(PAIRS - {case[:2] for case in WARNED}))
def test_no_warning_otherwise(loss_type, level):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cap = {"epsilon_high": 2.0} if loss_type == "cispo" else {}
        settings = {"loss_type": loss_type, "importance_sampling_level": level, "max_completion_length": 2}
        grpo_loss(LOGPS, OLD, ADVANTAGES, MASK, **cap | settings)
