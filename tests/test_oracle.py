"""Expectations by summing over everything that can happen, on policies small enough for it (see enumerable.py)."""

import itertools

import pytest
import torch
from enumerable import EOS, IDS, LENGTH, MASK, PREFIXES, logps_of, probabilities, random_policy
from torch.testing import assert_close

from grpo_lite import (
    completion_mask,
    group_advantages,
    grpo_loss,
    importance_ratio,
    kl_k1,
    kl_k2,
    kl_k3,
    leave_one_out_advantages,
    masked_mean,
)

REWARDS = torch.randn(len(IDS), generator=torch.Generator().manual_seed(9), dtype=torch.float64)


def gradient(value, table):
    return torch.autograd.grad(value, table)[0]


def test_the_world_is_complete():
    assert len(IDS) == 1 + 2 + 4 * 3
    assert_close(probabilities(random_policy(0)).sum(), torch.tensor(1.0, dtype=torch.float64))
    assert torch.equal(completion_mask(IDS, EOS), MASK)


def expected_loss_gradient(table, advantages_of, **settings):
    """Sum over all pairs of completions: the probability of drawing that group times the gradient of its loss."""
    logps, p = logps_of(table), probabilities(table).detach()
    total = torch.zeros_like(table)
    for i, j in itertools.product(range(len(IDS)), repeat=2):
        group = torch.tensor([i, j])
        loss = grpo_loss(logps[group], None, advantages_of(REWARDS[group]), MASK[group], **settings).loss
        total += p[i] * p[j] * torch.autograd.grad(loss, table, retain_graph=True)[0]
    return total


def test_leave_one_out_with_a_constant_denominator_is_the_exact_policy_gradient():
    """The mean over groups of the gradient of the loss is minus the gradient of the expected reward, up to the constant
    by which dr_grpo divides. Sign, ratio, mask, baseline and the gradient through the model must all be right."""
    table = random_policy(1, requires_grad=True)
    exact = gradient((probabilities(table) * REWARDS).sum(), table)
    estimated = expected_loss_gradient(
        table, lambda r: leave_one_out_advantages(r, 2), loss_type="dr_grpo", max_completion_length=LENGTH
    )
    assert_close(-estimated * LENGTH, exact)


def test_the_group_mean_shrinks_the_policy_gradient_by_one_minus_one_over_g():
    table = random_policy(1, requires_grad=True)
    exact = gradient((probabilities(table) * REWARDS).sum(), table)
    estimated = expected_loss_gradient(
        table,
        lambda r: group_advantages(r, 2, scale_rewards="none"),
        loss_type="dr_grpo",
        max_completion_length=LENGTH,
    )
    assert_close(-estimated * LENGTH, exact * (1 - 1 / 2))


def test_the_mean_over_each_completion_is_not_the_policy_gradient():
    """The 1/|o_i| of the paper: a bias towards short right and long wrong answers, and no constant removes it."""
    table = random_policy(1, requires_grad=True)
    exact = gradient((probabilities(table) * REWARDS).sum(), table)
    estimated = -expected_loss_gradient(table, lambda r: leave_one_out_advantages(r, 2), loss_type="grpo")
    cosine = torch.cosine_similarity(estimated.flatten(), exact.flatten(), dim=0)
    assert 0 < cosine < 0.999


def exact_kl(p_table, q_table):
    """KL(p || q) over whole completions, by the definition."""
    p, q = probabilities(p_table), probabilities(q_table)
    return (p * (p.log() - q.log())).sum()


def visits(table):
    """The probability that a completion passes through each prefix."""
    p = probabilities(table)
    seen = [[tuple(row[:n]) == prefix for row in IDS.tolist()] for prefix in PREFIXES for n in [len(prefix)]]
    alive = [[bool(mask[len(prefix)]) for mask in MASK.tolist()] for prefix in PREFIXES]
    return torch.stack([p[torch.tensor(s) & torch.tensor(a)].sum() for s, a in zip(seen, alive, strict=True)])


@pytest.mark.parametrize("kl", [kl_k1, kl_k3])
def test_k1_and_k3_summed_over_the_tokens_are_unbiased(kl):
    policy, reference = random_policy(2), random_policy(3)
    per_token = kl(torch.where(MASK, logps_of(policy), 0), torch.where(MASK, logps_of(reference), 0))
    estimate = (probabilities(policy) * torch.where(MASK, per_token, 0).sum(dim=1)).sum()
    assert_close(estimate, exact_kl(policy, reference))


def test_k2_is_biased_in_value():
    policy, reference = random_policy(2), random_policy(3)
    per_token = kl_k2(torch.where(MASK, logps_of(policy), 0), torch.where(MASK, logps_of(reference), 0))
    estimate = (probabilities(policy) * torch.where(MASK, per_token, 0).sum(dim=1)).sum()
    assert abs(estimate - exact_kl(policy, reference)) > 0.01


def expected_penalty_gradient(kl, policy, reference):
    """The gradient that the penalty gives on the policy's own samples: the samples are constants, the log-probs not."""
    per_token = kl(torch.where(MASK, logps_of(policy), 0), torch.where(MASK, logps_of(reference), 0))
    return gradient((probabilities(policy).detach() * torch.where(MASK, per_token, 0).sum(dim=1)).sum(), policy)


def token_kl_gradient(policy, reference, forward):
    """The gradient of the KL between next tokens, summed over the prefixes as often as they are visited."""
    p, q = policy.log_softmax(dim=1), reference.log_softmax(dim=1)
    per_prefix = (q.exp() * (q - p)).sum(dim=1) if forward else (p.exp() * (p - q)).sum(dim=1)
    return gradient((visits(policy).detach() * per_prefix).sum(), policy)


def test_value_is_not_gradient():
    """k1 pulls nowhere, k2 along KL(policy || reference), k3 along KL(reference || policy)."""
    policy, reference = random_policy(4, requires_grad=True), random_policy(5)
    reverse = token_kl_gradient(policy, reference, forward=False)
    forward = token_kl_gradient(policy, reference, forward=True)
    assert (reverse - forward).norm() > 0.05  # the two directions are told apart
    assert_close(expected_penalty_gradient(kl_k1, policy, reference), torch.zeros_like(policy))
    assert_close(expected_penalty_gradient(kl_k2, policy, reference), reverse)
    assert_close(expected_penalty_gradient(kl_k3, policy, reference), forward)


@pytest.mark.parametrize(("corrected", "forward"), [(False, True), (True, False)])
def test_the_penalty_of_the_loss_pulls_along_the_kl_it_claims(corrected, forward):
    policy, reference = random_policy(4, requires_grad=True), random_policy(5)
    rows = []
    for i in range(len(IDS)):
        row = torch.tensor([i])
        loss = grpo_loss(
            logps_of(policy)[row],
            None,
            torch.zeros(1, dtype=torch.float64),
            MASK[row],
            ref_logps=logps_of(reference)[row],
            beta=1.0,
            use_bias_correction_kl=corrected,
            loss_type="dr_grpo",
            max_completion_length=LENGTH,
        ).loss
        rows.append(loss * LENGTH * probabilities(policy)[i].detach())
    pull = gradient(torch.stack(rows).sum(), policy)
    assert_close(pull, token_kl_gradient(policy, reference, forward))


def test_importance_sampling_corrects_for_the_old_policy():
    """E_old[ratio x reward] = E_policy[reward], with the ratio of a completion as the product of its tokens' ratios."""
    policy, old = random_policy(6), random_policy(7)
    token_ratios = importance_ratio(logps_of(policy), logps_of(old), MASK)
    expected = (probabilities(old) * token_ratios.prod(dim=1) * REWARDS).sum()
    assert_close(expected, (probabilities(policy) * REWARDS).sum())
    mean_log = masked_mean(torch.where(MASK, logps_of(policy) - logps_of(old), 0), MASK, dim=1)
    assert_close(importance_ratio(logps_of(policy), logps_of(old), MASK, level="sequence")[:, 0], mean_log.exp())
