"""The mistakes found in published teaching code, put in on purpose: a guard must pass on ours and go red on each.

The letters are those of the museum of mistakes: [a] k1 as penalty, [b] max for negative advantages, [c] a softmax over
the wrong axis, [d] the log-ratio the wrong way round, [e] a denominator that keeps the length, [f] equal rewards with
advantages, [g] the end token masked out, [h] a lost minus sign, [i] rewards that do not come from the policy.
"""

import re

import pytest
import torch

import grpo_lite
from grpo_lite.algorithms import ALGORITHMS
from helpers.enumerable import IDS, MASK, logps_of, probabilities, random_policy
from helpers.models import make_tiny_model


def close(a, b, tolerance=1e-9):
    return abs(float(a) - float(b)) <= tolerance


def guard_a():
    """The penalty must pull on-policy samples back: its expected gradient is not zero."""
    constant = {"loss_type": "dr_grpo", "max_completion_length": 3}
    policy, reference = random_policy(4, requires_grad=True), random_policy(5)
    weights = probabilities(policy).detach()
    zero = torch.zeros(1, dtype=torch.float64)
    total = sum(
        p * grpo_lite.grpo_loss(row[None], None, zero, m[None], ref_logps=ref[None], beta=1.0, **constant).loss
        for p, row, ref, m in zip(weights, logps_of(policy), logps_of(reference), MASK, strict=True)
    )
    assert torch.autograd.grad(total, policy)[0].norm() > 0.01


def guard_b():
    """A bad token that became likelier is pushed back; one that is rare enough already is left alone."""
    for ratio, slope in ((1.5, -1.0), (0.5, 0.0)):
        r = torch.tensor([[ratio]], requires_grad=True)
        grpo_lite.clipped_surrogate(r, torch.tensor([-1.0])).backward()
        assert r.grad.item() == slope


def guard_c():
    """Two different models must have a KL that is not zero."""
    ids = torch.tensor([[3, 4, 5, 6]])
    one, two = (grpo_lite.completion_logps(make_tiny_model("gpt2", seed=s).eval(), ids, ids) for s in (0, 1))
    assert grpo_lite.kl_k3(one, two).mean() > 0.01


def guard_d():
    """k1 and k3 must average to the exact KL(policy || reference)."""
    p, q = torch.tensor([0.8, 0.2], dtype=torch.float64), torch.tensor([0.4, 0.6], dtype=torch.float64)
    exact = (p * (p / q).log()).sum()
    assert close((p * grpo_lite.kl_k1(p.log(), q.log())).sum(), exact)
    assert close((p * grpo_lite.kl_k3(p.log(), q.log())).sum(), exact)


def guard_e():
    """With dr_grpo a token weighs the same in a short and in a long completion, and the advantage is not forgotten."""
    logps = torch.zeros(2, 4, requires_grad=True)
    mask = torch.tensor([[True, False, False, False], [True, True, True, True]])
    out = grpo_lite.grpo_loss(logps, None, torch.tensor([1.0, 2.0]), mask, loss_type="dr_grpo", max_completion_length=4)
    out.loss.backward()
    assert close(logps.grad[0, 0], -1 / 8)
    assert close(logps.grad[1, 0], -2 / 8)


def guard_f():
    """Equal rewards have advantages of exactly zero in float32."""
    for value in (0.1, 0.6, 2.8):
        assert grpo_lite.group_advantages(torch.full((8,), value), 8).abs().max() == 0


def guard_g():
    """The end token counts, also when the tokenizer pads with it."""
    assert grpo_lite.completion_mask(torch.tensor([[5, 2, 2]]), 2).tolist() == [[True, True, False]]


def guard_h():
    """-7 is not 7."""
    assert grpo_lite.boxed_reward([r"\boxed{-7}", r"\boxed{7}"], ground_truth=["7", "7"]) == [0.0, 1.0]


def guard_i():
    """Sixty real steps on a policy over three tokens make the rewarded first token likely."""
    table = random_policy(0, requires_grad=True)
    optimizer = torch.optim.SGD([table], lr=2.0)
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        group = torch.multinomial(probabilities(table).detach(), 8, replacement=True, generator=generator)
        text = [str(row[0]) for row in IDS[group].tolist()]
        rewards = grpo_lite.score_completions([first_token_is_two], ["q"] * 8, text)
        advantages = grpo_lite.group_advantages(grpo_lite.combine_rewards(rewards), 8).double()
        optimizer.zero_grad()
        grpo_lite.grpo_loss(logps_of(table)[group], None, advantages, MASK[group]).loss.backward()
        optimizer.step()
    assert probabilities(table)[IDS[:, 0] == 2].sum() > 0.95


def first_token_is_two(completions, **columns):
    return [float(text == "2") for text in completions]


def k1_penalty(logps, ref_logps):
    return logps - ref_logps.detach()


def max_for_negative_advantages(ratio, advantages, *, epsilon=0.2, epsilon_high=None, delta=None):
    a = advantages[:, None]
    free, clipped = ratio * a, ratio.clamp(1 - epsilon, 1 + (epsilon_high or epsilon)) * a
    return torch.where(a >= 0, torch.minimum(free, clipped), torch.maximum(free, clipped))


def softmax_over_an_axis_of_length_one(model, prompt_ids, completion_ids, **settings):
    logits = torch.randn(completion_ids.shape[0], completion_ids.shape[1], 1)
    return logits.log_softmax(dim=-1)[:, :, 0]


def per_sequence_mean(x, mask, **settings):
    return grpo_lite.masked_mean(x, mask, dim=1).mean()


def forgotten_advantages(ratio, advantages, **settings):
    return ratio


def advantages_with_a_tiny_eps(rewards, num_generations, **settings):
    groups = rewards.view(-1, num_generations)
    return ((groups - groups.mean(1, keepdim=True)) / (groups.std(1, keepdim=True) + 1e-8)).flatten()


def answer_by_digits(completions, ground_truth, **columns):
    return [
        float(re.search(r"\d+", text).group() == truth) for text, truth in zip(completions, ground_truth, strict=True)
    ]


def rewards_out_of_thin_air(completions, **columns):
    return torch.bernoulli(torch.full((len(completions),), 0.5), generator=COIN).tolist()


COIN = torch.Generator().manual_seed(1)

MISTAKES = {
    "a: k1 as penalty": (guard_a, "grpo_lite.loss.kl_k3", k1_penalty),
    "b: max for negative advantages": (guard_b, "grpo_lite.clipped_surrogate", max_for_negative_advantages),
    "c: softmax over the wrong axis": (guard_c, "grpo_lite.completion_logps", softmax_over_an_axis_of_length_one),
    "d: k1 the wrong way round": (guard_d, "grpo_lite.kl_k1", lambda p, q: q - p),
    "d: k3 the wrong way round": (guard_d, "grpo_lite.kl_k3", lambda p, q: torch.expm1(p - q) - (p - q)),
    "e: a mean per sequence": (guard_e, "grpo_lite.loss.aggregate", per_sequence_mean),
    "e: the advantage forgotten": (guard_e, "dr_grpo", forgotten_advantages),
    "f: a tiny eps": (guard_f, "grpo_lite.group_advantages", advantages_with_a_tiny_eps),
    "g: padding found by its id": (guard_g, "grpo_lite.completion_mask", lambda ids, eos: ids != eos),
    "h: digits without their sign": (guard_h, "grpo_lite.boxed_reward", answer_by_digits),
    "i: rewards out of thin air": (guard_i, f"{__name__}.first_token_is_two", rewards_out_of_thin_air),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_guard_is_green_on_ours_and_red_on_the_mistake(mistake, monkeypatch):
    guard, name, wrong = MISTAKES[mistake]
    guard()
    if name in ALGORITHMS:
        monkeypatch.setitem(ALGORITHMS, name, ALGORITHMS[name]._replace(objective=wrong))
    else:
        monkeypatch.setattr(name, wrong)
    with pytest.raises(AssertionError):
        guard()
