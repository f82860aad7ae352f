"""Expectations by summing over everything that can happen, on policies small enough for it (see enumerable.py)."""

import itertools
import math

import pytest
import torch
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
from helpers.enumerable import (
    EOS,
    IDS,
    LENGTH,
    MASK,
    PREFIXES,
    all_groups,
    exact_kl,
    expected_reward,
    gradient,
    logps_of,
    moments,
    probabilities,
    random_policy,
    scores,
)

REWARDS = torch.randn(len(IDS), generator=torch.Generator().manual_seed(9), dtype=torch.float64)


def test_the_world_is_complete():
    assert len(IDS) == 1 + 2 + 4 * 3
    assert_close(probabilities(random_policy(0)).sum(), torch.tensor(1.0, dtype=torch.float64))
    assert torch.equal(completion_mask(IDS, EOS), MASK)


def test_all_groups_are_counted():
    for size in (2, 3, 4):
        index, orders = all_groups(size)
        assert orders.sum() == len(IDS) ** size
        chance = orders * probabilities(random_policy(1))[index].prod(dim=1)
        assert_close(chance.sum(), torch.tensor(1.0, dtype=torch.float64))


def test_the_gradient_over_all_groups_is_what_a_loop_over_all_pairs_finds():
    """The oracle itself, once the slow way: every ordered pair, its probability, the gradient of its loss."""
    table = random_policy(1, requires_grad=True)
    logps, p = logps_of(table), probabilities(table).detach()
    total, square = torch.zeros_like(table), 0.0
    for i, j in itertools.product(range(len(IDS)), repeat=2):
        pair = torch.tensor([i, j])
        loss = grpo_loss(logps[pair], None, leave_one_out_advantages(REWARDS[pair], 2), MASK[pair]).loss
        push = gradient(loss, table)
        total += p[i] * p[j] * push
        square += p[i] * p[j] * push.square().sum()
    mean, variance = moments(table, leave_one_out_advantages, 2, REWARDS)
    assert_close(mean, total)
    assert_close(variance, square - total.square().sum())


def no_baseline(rewards, size):
    return rewards


def group_mean(rewards, size):
    return group_advantages(rewards, size, scale_rewards="none")


def length_biased_gradient(table):
    """What a mean over each completion climbs: every completion's reward, less J, counts by one over its length."""
    gap = (REWARDS - expected_reward(table, REWARDS).detach()) / MASK.sum(dim=1)
    return gradient((probabilities(table) * gap).sum(), table)


# loss type -> the number by which its on-policy gradient is divided, None where it divides by each length instead.
DIVISORS = {
    "dr_grpo": LENGTH,
    "dapo": LENGTH,
    "cispo": LENGTH,
    "vespo": LENGTH,
    "luspo": 1,
    "grpo": None,
    "sapo": None,
    "gmpo": None,
}
OWN = {"cispo": {"epsilon_high": 5.0}, "luspo": {"importance_sampling_level": "sequence"}}


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("loss_type", DIVISORS)
def test_which_loss_types_give_the_exact_policy_gradient(loss_type, size):
    """With leave-one-out advantages, on-policy, the mean over all groups of the gradient of the loss is minus the
    gradient of the expected reward, over a constant, if nothing is divided by lengths. Sign, ratio, mask, baseline and
    the gradient through the model must all be right for that. With a mean over each completion it is another gradient.
    """
    table = random_policy(1, requires_grad=True)
    exact = gradient(expected_reward(table, REWARDS), table)
    biased = length_biased_gradient(table)
    assert torch.cosine_similarity(biased.flatten(), exact.flatten(), dim=0) < 0.999
    mean, _ = moments(table, leave_one_out_advantages, size, REWARDS, loss_type=loss_type, **OWN.get(loss_type, {}))
    assert_close(-mean, biased if DIVISORS[loss_type] is None else exact / DIVISORS[loss_type])


@pytest.mark.parametrize("size", [2, 3, 4])
def test_what_each_baseline_does_to_the_mean(size):
    """None, or one that does not contain the reward: unbiased. The group mean: shrunk by 1 - 1/G."""
    table = random_policy(1, requires_grad=True)
    exact = gradient(expected_reward(table, REWARDS), table) / LENGTH
    for advantages_of, factor in ((no_baseline, 1), (leave_one_out_advantages, 1), (group_mean, 1 - 1 / size)):
        mean, _ = moments(table, advantages_of, size, REWARDS, loss_type="dr_grpo")
        assert_close(-mean, exact * factor)


def test_a_mean_over_the_tokens_of_the_group_is_biased():
    """bnpo: the denominator is drawn along with the group, and long groups count less."""
    table = random_policy(1, requires_grad=True)
    exact = gradient(expected_reward(table, REWARDS), table)
    logps, p = logps_of(table), probabilities(table).detach()
    mean = torch.zeros_like(table)
    for pair, orders in zip(*all_groups(2), strict=True):
        advantages = leave_one_out_advantages(REWARDS[pair], 2)
        loss = grpo_loss(logps[pair], None, advantages, MASK[pair], loss_type="bnpo").loss
        mean -= orders * p[pair].prod() * gradient(loss, table)
    assert 0 < torch.cosine_similarity(mean.flatten(), exact.flatten(), dim=0) < 0.999


def share_right(table, right):
    return probabilities(table)[right].sum().item()


@pytest.mark.parametrize("size", [2, 3, 5])
def test_division_by_the_spread_favours_prompts_that_are_easy_or_hard(size):
    """For rewards of 0 and 1 the direction stays, and the length of the step depends on the share p of right answers.

    With k right ones of G, each right one has advantage (1 - k/G) / std and each wrong one -(k/G) / std, where
    std^2 = k (G - k) / (G (G - 1)). A counting argument then gives the factor: the mean over k of sqrt(k (G - k)) and
    constants, over p (1 - p). It is smallest for p = 1/2, and nears 1 / sqrt(p (1 - p)) in large groups.
    """
    factors = {}
    for name, right in {"half": IDS[:, 0] == 2, "rare": (IDS[:, 0] == 2) & (IDS[:, 1] == 2)}.items():
        table = random_policy(8, requires_grad=True)
        rewards = right.double()
        p = share_right(table.detach(), right)
        exact = gradient(expected_reward(table, rewards), table) / LENGTH
        normalised, _ = moments(table, lambda r, g: group_advantages(r, g, eps=0.0), size, rewards, loss_type="dr_grpo")
        expected = sum(
            math.comb(size, k) * p**k * (1 - p) ** (size - k) * math.sqrt(k * (size - k) * (size - 1) / size**3)
            for k in range(1, size)
        ) / (p * (1 - p))
        assert_close(-normalised, exact * expected)
        factors[name] = p, expected
    (p_half, at_half), (p_rare, at_rare) = factors["half"], factors["rare"]
    assert 0.3 < p_half < 0.7
    assert p_rare < 0.2
    if size <= 3:  # one right and one wrong, or one against two: every disagreement has the same spread
        assert at_rare == pytest.approx(at_half)
    else:
        assert at_rare > 1.05 * at_half


def test_division_by_the_spread_turns_the_gradient_when_rewards_are_not_just_right_or_wrong():
    table = random_policy(1, requires_grad=True)
    exact = gradient(expected_reward(table, REWARDS), table)
    mean, _ = moments(table, group_advantages, 4, REWARDS, loss_type="dr_grpo")
    assert 0 < torch.cosine_similarity(-mean.flatten(), exact.flatten(), dim=0) < 0.999


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_variance_falls_with_the_group_as_the_formula_says(size):
    """With centred rewards c = r - J and the score s = gradient of log pi: without a baseline var(r s) / G, with
    leave-one-out var(c s) / G + (E[c^2] E[s^2] + |E[c s]|^2) / (G (G - 1)). The second part is the price of a baseline
    that is itself estimated; it fades faster than the first.
    """
    table = random_policy(1)
    p, s = probabilities(table), scores(table).sum(dim=1)
    centred = REWARDS - expected_reward(table, REWARDS)

    def variance(x):
        return p @ (x - p @ x).square().sum(dim=1)

    _, without = moments(table, no_baseline, size, REWARDS, loss_type="dr_grpo")
    _, left_out = moments(table, leave_one_out_advantages, size, REWARDS, loss_type="dr_grpo")
    _, by_mean = moments(table, group_mean, size, REWARDS, loss_type="dr_grpo")
    assert_close(without * LENGTH**2, variance(REWARDS[:, None] * s) / size)
    known = variance(centred[:, None] * s)
    price = (p @ centred.square()) * (p @ s.square().sum(dim=1)) + (p @ (centred[:, None] * s)).square().sum()
    assert_close(left_out * LENGTH**2, known / size + price / (size * (size - 1)))
    assert_close(by_mean, left_out * (1 - 1 / size) ** 2)


def test_a_baseline_pays_when_all_rewards_are_shifted():
    table = random_policy(1)
    _, without = moments(table, no_baseline, 4, REWARDS + 10, loss_type="dr_grpo")
    _, with_one = moments(table, leave_one_out_advantages, 4, REWARDS + 10, loss_type="dr_grpo")
    assert without > 50 * with_one


def test_samples_of_an_old_policy_token_ratios_are_biased_by_the_square_of_the_step():
    """The ratio of a token leaves out how much likelier its prefix has become, so the gradient is not that of J.

    With the product of the ratios up to the end, the gradient is exact however old the samples are.
    """
    policy, away = random_policy(1), random_policy(2) - random_policy(1)
    policy.requires_grad_()
    exact = gradient(expected_reward(policy, REWARDS), policy)
    policy = policy.detach()
    unclipped = {"loss_type": "dr_grpo", "epsilon": 1e9}
    biases = []
    for step in (0.02, 0.01):
        old = policy + step * away
        mean, _ = moments(policy, leave_one_out_advantages, 2, REWARDS, old=old, **unclipped)
        biases.append((mean * LENGTH + exact).norm() / exact.norm())
    assert biases[0] > 1e-4
    assert biases[0] / biases[1] == pytest.approx(2, rel=0.1)
    weight = (probabilities(policy) / probabilities(old))[:, None]
    exactly = (probabilities(old)[:, None] * weight * REWARDS[:, None] * scores(policy).sum(dim=1)).sum(dim=0)
    assert_close(exactly.view_as(exact), exact)


def visits(table):
    """The probability that a completion passes through each prefix."""
    p = probabilities(table)
    seen = [[tuple(row[:n]) == prefix for row in IDS.tolist()] for prefix in PREFIXES for n in [len(prefix)]]
    alive = [[bool(mask[len(prefix)]) for mask in MASK.tolist()] for prefix in PREFIXES]
    return torch.stack([p[torch.tensor(s) & torch.tensor(a)].sum() for s, a in zip(seen, alive, strict=True)])


def per_completion(kl, policy, reference):
    """The estimate of each completion, summed over its tokens."""
    per_token = kl(torch.where(MASK, logps_of(policy), 0), torch.where(MASK, logps_of(reference), 0))
    return torch.where(MASK, per_token, 0).sum(dim=1)


@pytest.mark.parametrize("kl", [kl_k1, kl_k3])
def test_k1_and_k3_summed_over_the_tokens_are_unbiased(kl):
    policy, reference = random_policy(2), random_policy(3)
    estimate = (probabilities(policy) * per_completion(kl, policy, reference)).sum()
    assert_close(estimate, exact_kl(policy, reference))


def test_k2_is_biased_in_value():
    policy, reference = random_policy(2), random_policy(3)
    estimate = (probabilities(policy) * per_completion(kl_k2, policy, reference)).sum()
    assert abs(estimate - exact_kl(policy, reference)) > 0.01


def test_the_other_direction_from_the_same_samples_needs_a_ratio():
    """KL(reference || policy) is the mean over the reference of k1 the other way round; over the policy's samples each
    completion counts by reference / policy."""
    policy, reference = random_policy(2), random_policy(3)
    other_way = exact_kl(reference, policy)
    assert abs(other_way - exact_kl(policy, reference)) > 0.05
    k1 = per_completion(kl_k1, reference, policy)
    assert_close((probabilities(reference) * k1).sum(), other_way)
    ratio = probabilities(reference) / probabilities(policy)
    assert_close((probabilities(policy) * ratio * k1).sum(), other_way)


def spread(kl, policy, reference):
    p, x = probabilities(policy), per_completion(kl, policy, reference)
    return ((p @ x.square()) - (p @ x).square()).item()


def test_k3_is_quieter_than_k1_only_near_the_reference():
    policy = random_policy(2)
    near, far = policy + 0.1 * random_policy(3), random_policy(3)
    assert spread(kl_k3, policy, near) < 0.02 * spread(kl_k1, policy, near)
    assert spread(kl_k3, policy, far) > 1.2 * spread(kl_k1, policy, far)


def expected_penalty_gradient(kl, policy, reference):
    """The gradient that the penalty gives on the policy's own samples: the samples are constants, the log-probs not."""
    return gradient((probabilities(policy).detach() * per_completion(kl, policy, reference)).sum(), policy)


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


def test_k1_in_the_reward_has_the_whole_gradient_of_the_kl():
    """As a part of the reward, which is a constant, k1 of the completion gives the exact gradient of
    KL(policy || reference) between completions. As a loss, k2 misses that a step also changes which prefixes occur."""
    policy, reference = random_policy(4, requires_grad=True), random_policy(5)
    whole = gradient(exact_kl(policy, reference), policy)
    p, k1 = probabilities(policy).detach(), per_completion(kl_k1, policy, reference).detach()
    assert_close(((p * k1)[:, None] * scores(policy).sum(dim=1)).sum(dim=0).view_as(policy), whole)
    assert (expected_penalty_gradient(kl_k2, policy, reference) - whole).norm() > 0.05


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
