import math

import pytest
import torch
from torch.testing import assert_close

from grpo_lite import kl_k1, kl_k2, kl_k3

ESTIMATORS = [kl_k1, kl_k2, kl_k3]


def test_estimates_by_hand():
    # The policy gives the token 1/2, the reference 1/4: the log-ratio is log 2, and the reference's odds are 1/2.
    logps, ref_logps = torch.tensor([math.log(0.5)]), torch.tensor([math.log(0.25)])
    assert_close(kl_k1(logps, ref_logps), torch.tensor([math.log(2)]))
    assert_close(kl_k2(logps, ref_logps), torch.tensor([math.log(2) ** 2 / 2]))
    assert_close(kl_k3(logps, ref_logps), torch.tensor([0.5 - math.log(0.5) - 1]))


def test_two_tokens_exactly():
    # Policy (3/4, 1/4), reference (1/2, 1/2): KL = 3/4 log 3/2 + 1/4 log 1/2 = 0.1308.
    policy, reference = torch.tensor([0.75, 0.25]), torch.tensor([0.5, 0.5])
    exact = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert (policy * kl_k1(policy.log(), reference.log())).sum().item() == pytest.approx(exact)
    assert (policy * kl_k3(policy.log(), reference.log())).sum().item() == pytest.approx(exact)
    k2 = 0.75 * math.log(1.5) ** 2 / 2 + 0.25 * math.log(0.5) ** 2 / 2
    assert (policy * kl_k2(policy.log(), reference.log())).sum().item() == pytest.approx(k2)


def test_signs():
    logps = torch.linspace(-5, 0, 11)
    ref_logps = torch.full((11,), -2.5)
    assert (kl_k1(logps, ref_logps) < 0).sum() == 5
    for kl in (kl_k2, kl_k3):
        assert (kl(logps, ref_logps) >= 0).all()
        assert kl(logps, ref_logps)[5] == 0


def test_k3_of_a_token_that_the_policy_holds_impossible_is_inf_and_no_nan():
    assert kl_k3(torch.tensor([-math.inf, -1.0]), torch.tensor([-1.0, -math.inf])).tolist() == [math.inf] * 2


def test_k3_keeps_its_digits_near_zero():
    # k3 is d^2 / 2 for small d; exp(d) - 1 - d loses all digits there.
    d = 2.0**-30  # a power of two, so that -1 + d is exact; the computed exp(d) - 1 would be d, and k3 0
    k3 = kl_k3(torch.tensor([-1.0], dtype=torch.float64), torch.tensor([-1.0 + d], dtype=torch.float64))
    assert k3.item() == pytest.approx(d * d / 2, rel=1e-4, abs=0)


@pytest.mark.parametrize("kl", ESTIMATORS)
def test_the_reference_is_a_constant_and_arguments_stay(kl):
    logps = torch.tensor([[-1.0, -2.0]], requires_grad=True)
    ref_logps = torch.tensor([[-2.0, -1.0]], requires_grad=True)
    before = logps.detach().clone(), ref_logps.detach().clone()
    kl(logps, ref_logps).sum().backward()
    assert logps.grad is not None
    assert ref_logps.grad is None
    assert torch.equal(logps, before[0])
    assert torch.equal(ref_logps, before[1])


def test_gradients_by_hand():
    # d k1 = 1; d k2 = log-ratio; d k3 = 1 - pi_ref / pi, each with respect to log pi.
    ref_logps = torch.tensor([math.log(0.25)])
    for kl, expected in ((kl_k1, 1.0), (kl_k2, math.log(2)), (kl_k3, 0.5)):
        logps = torch.tensor([math.log(0.5)], requires_grad=True)
        kl(logps, ref_logps).backward()
        assert logps.grad.item() == pytest.approx(expected)
