"""Numbers that lessons and pages state in a sentence, derived again: by enumeration, by a count, or by a run.

Each test finds the number on its own and then looks for the sentence that says it, so that neither can change alone.
"""

import itertools
import math
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

import lesson_runs
from grpo_lite import (
    GRPOConfig,
    GRPOTrainer,
    clipped_surrogate,
    completion_mask,
    group_advantages,
    grpo_loss,
    importance_ratio,
    kl_k1,
    kl_k2,
    kl_k3,
    token_logps,
)
from grpo_lite.tasks import load_base_model, make_problems
from grpo_lite.training.records import read_lines
from helpers.enumerable import (
    LENGTH,
    MASK,
    PREFIXES,
    exact_kl,
    gradient,
    logps_of,
    probabilities,
    random_policy,
)

ROOT = Path(__file__).parents[1]
LENGTHS = MASK.sum(dim=1)
EVEN = torch.zeros(len(PREFIXES), 3, dtype=torch.float64)
NO_ADVANTAGE = torch.zeros(1, dtype=torch.float64)


def says(name, *sentences):
    (path,) = ROOT.glob(name)
    text = path.read_text()
    assert [sentence for sentence in sentences if sentence not in text] == []


def cosine(a, b):
    return torch.cosine_similarity(a.flatten(), b.flatten(), dim=0).item()


# KL


def counted(policy):
    return torch.where(MASK, logps_of(policy), 0)


def penalty_gradient(kl, policy, reference, *, mean, corrected=False):
    """The average gradient of a penalty on the policy's own completions, added up or averaged over their tokens."""
    logps = counted(policy)
    per_token = torch.where(MASK, kl(logps, counted(reference)), 0)
    if corrected:
        per_token = per_token * (logps - logps.detach()).exp()
    per_row = per_token.sum(dim=1) / (LENGTHS if mean else 1)
    return gradient(probabilities(policy).detach() @ per_row, policy)


def test_k1_averaged_over_each_completion_pulls_at_the_length_and_at_nothing_else():
    reference = random_policy(5)
    for seed in range(3):
        policy = random_policy(seed, requires_grad=True)
        pull = penalty_gradient(kl_k1, policy, reference, mean=True)
        assert_close(pull, gradient(probabilities(policy) @ (1 / LENGTHS.double()), policy))
        assert pull.norm() > 0.05
        assert penalty_gradient(kl_k1, policy, reference, mean=False).norm() < 1e-12

    policy, path = EVEN.clone(), []
    for _ in range(101):
        path.append(((probabilities(policy) @ LENGTHS.double()).item(), exact_kl(policy, reference).item()))
        policy.requires_grad_()
        policy = (policy - penalty_gradient(kl_k1, policy, reference, mean=True)).detach()
    (short, near), (long, far) = path[0], path[-1]
    assert short == pytest.approx(19 / 9)  # by hand: 1/3 of 1, 2/9 of 2, 4/9 of 3 tokens
    says(
        "notebooks/*_gradients_of_kl.py",
        f"from {short:.1f} to {long:.1f} of at most {LENGTH} tokens, and the KL grew from {near:.2f} to {far:.2f}",
    )


@pytest.mark.parametrize("mean", [False, True])
def test_a_penalty_for_each_next_token_is_not_the_gradient_of_the_kl_of_completions(mean):
    cosines = []
    for seed in range(200):
        policy, reference = random_policy(2 * seed, requires_grad=True), random_policy(2 * seed + 1)
        whole = gradient(exact_kl(policy, reference), policy)
        k2 = penalty_gradient(kl_k2, policy, reference, mean=mean)
        assert_close(penalty_gradient(kl_k3, policy, reference, mean=mean, corrected=True), k2)
        cosines.append(cosine(k2, whole))
    middle, below = torch.tensor(cosines).median(), sum(x < 0 for x in cosines)
    words = f"median {middle:.2f}, {below} below 0"
    says(
        "notebooks/*_gradients_of_kl.py",
        words + (" when averaged over each completion" if mean else " when summed over the tokens"),
    )


def test_near_the_reference_next_tokens_are_nearly_all_of_it():
    for seed in range(20):
        policy = random_policy(2 * seed, requires_grad=True)
        reference = policy.detach() + 0.05 * random_policy(2 * seed + 1)
        whole = gradient(exact_kl(policy, reference), policy)
        assert cosine(penalty_gradient(kl_k2, policy, reference, mean=False), whole) > 0.997


def test_token_ratios_repair_the_value_of_one_token_and_not_of_a_completion():
    """How often a prefix comes up is still the old policy's; the product of the ratios up to the token repairs that."""
    policy, reference, old = (random_policy(seed) for seed in (3, 4, 5))
    k3 = torch.where(MASK, kl_k3(counted(policy), counted(reference)), 0)
    ratio = (counted(policy) - counted(old)).exp()
    exact = exact_kl(policy, reference)
    assert abs(probabilities(old) @ (ratio * k3).sum(dim=1) - exact) > 0.3
    assert_close(probabilities(old) @ (ratio.cumprod(dim=1) * k3).sum(dim=1), exact)


def test_a_sequence_ratio_on_k3_gives_another_gradient():
    """With the ratio of a whole completion k3 does not follow the reverse KL, as the docstring of the loss says."""
    for seed in range(5):
        policy, reference = random_policy(2 * seed, requires_grad=True), random_policy(2 * seed + 1)
        rows = list(zip(logps_of(policy), logps_of(reference), MASK, probabilities(policy).detach(), strict=True))
        pulls = {}
        for level in ("token", "sequence"):
            settings = {"beta": 1.0, "use_bias_correction_kl": True, "importance_sampling_level": level}
            losses = [
                p * grpo_loss(own[None], None, NO_ADVANTAGE, mask[None], ref_logps=other[None], **settings).loss
                for own, other, mask, p in rows
            ]
            pulls[level] = gradient(sum(losses), policy)
        k2 = penalty_gradient(kl_k2, policy, reference, mean=True)
        assert_close(pulls["token"], k2)
        assert (pulls["sequence"] - k2).norm() > 0.1 * k2.norm()
    says("grpo_lite/loss.py", 'with "sequence" ratios it is another')


def test_only_the_average_of_the_uncorrected_penalty_is_bounded():
    """Of k3, the weight of a sample is 1 - e^d, and with the ratio it is -d: no bound, but a small one."""
    logits = 8 * torch.tensor([1.5, 1.0, 0.0, -1.0, 0.5], dtype=torch.float64)
    reference = torch.tensor([2.0, 1.0, 0.0, 0.0, -1.0], dtype=torch.float64).log_softmax(0)
    logps = logits.log_softmax(0)
    p, d = logps.exp(), reference - logps
    spreads = []
    for weight in (1 - d.exp(), -d):
        pushes = weight[:, None] * (torch.eye(5, dtype=torch.float64) - p)
        mean = p @ pushes
        assert mean.abs().max() < 1
        spreads.append((p @ (pushes - mean).square().sum(dim=1)).sqrt())
    says("notebooks/*_gradients_of_kl.py", f"spread of {spreads[0]:,.0f}, with the ratio {spreads[1]:.2f}")


# Rewards and advantages


def test_the_spread_gives_a_small_weight_back():
    """Eight wrong answers, three with the form: only that reward differs, and the spread divides its weight away."""
    pushes = {}
    for weight in (1.0, 0.2, 0.01, 0.001):
        rewards = torch.tensor([weight] * 3 + [0.0] * 5)
        spread = math.sqrt((3 * (5 / 8) ** 2 + 5 * (3 / 8) ** 2) / 7) * weight
        pushes[weight] = 5 / 8 * weight / (spread + 1e-4)
        assert group_advantages(rewards, 8)[0].item() == pytest.approx(pushes[weight], abs=1e-5)
    numbers = "{:.3f}, {:.3f}, {:.3f} and {:.3f}".format(*pushes.values())
    says("notebooks/*_rewards.py", numbers)


def test_the_division_does_not_turn_the_order_of_the_groups_round():
    pushes = {}
    for k in (1, 4):
        rewards = torch.tensor([1.0] * k + [0.0] * (8 - k))
        pushes[k] = [group_advantages(rewards, 8, scale_rewards=s).abs().sum().item() for s in ("none", "group")]
    (alone, alone_scaled), (half, half_scaled) = pushes[1], pushes[4]
    assert alone == pytest.approx(1.75)  # 7/8 + 7 x 1/8
    assert half == pytest.approx(4.0)
    says("docs/questions.md", f"from {alone:.2f} to {alone_scaled:.2f}", f"from {half:.2f} to {half_scaled:.2f}")


@pytest.mark.parametrize("chances", [(0.9, 0.1), (0.6, 0.1), (0.99, 0.3)])
def test_the_mean_of_the_batch_is_a_baseline_that_bends_nothing(chances):
    """All groups of four for an easy and a hard prompt: every prompt gets 1 - 1/B of its due, however the other is."""
    rewards = torch.tensor(list(itertools.product([0.0, 1.0], repeat=8)), dtype=torch.float64)
    p = torch.tensor(chances, dtype=torch.float64).repeat_interleave(4)
    chance = torch.where(rewards == 1, p, 1 - p).prod(dim=1)
    truth = torch.tensor([x * (1 - x) for x in chances], dtype=torch.float64)
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    spread = rewards.std(dim=1, keepdim=True)
    averages = []
    for advantages in (centred, centred / torch.where(spread > 0, spread, 1)):
        averages.append(chance @ (advantages * (rewards - p)).view(-1, 2, 4).mean(dim=2))
    assert_close(averages[0], truth * (1 - 1 / 8))
    assert cosine(averages[1], truth) > 0.999
    says("docs/mistakes.md", "$1 - 1/B$ of its due")


def test_max_rl_climbs_the_logarithm_of_the_success_rate():
    """Divided by the mean of the group, a prompt weighs (1 - (1 - p)^(G - 1)) / p, which nears 1 / p."""
    G = 8
    for p in (0.02, 0.1, 0.5, 0.9):
        total = 0.0
        for k in range(1, G + 1):
            rewards = torch.tensor([1.0] * k + [0.0] * (G - k), dtype=torch.float64)
            advantages = group_advantages(rewards, G, scale_rewards="none") / rewards.mean()
            push = (advantages * (rewards - p)).mean().item()  # the score of a right one is 1 - p, of a wrong one -p
            total += math.comb(G, k) * p**k * (1 - p) ** (G - k) * push
        assert total / (p * (1 - p)) == pytest.approx((1 - (1 - p) ** (G - 1)) / p)
    says("notebooks/*_the_family.py", r"(1 - (1 - p)^{G-1})/p")


@pytest.mark.parametrize(
    ("reward", "noise"), [(0.1, "7 × 10⁻⁵"), (0.6, "6 × 10⁻⁴"), (2.8, "2.4 × 10⁻³"), (100.3, "0.07")]
)
def test_what_equal_rewards_leave_behind_in_float32(reward, noise):
    same = torch.full((8,), reward)
    left = ((same - same.mean()) / (same.std() + 1e-4)).abs().max().item()
    number, _, power = noise.partition(" × 10⁻")
    stated = float(number) * 10.0 ** -"⁰¹²³⁴⁵".find(power or "⁰")
    assert left == pytest.approx(stated, rel=0.1)
    assert torch.equal(group_advantages(same, 8), torch.zeros(8))
    says("docs/parity.md", noise)


# Trainings


@pytest.mark.slow
def test_lucky_guesses_carry_over_where_the_rule_can_be_learnt():
    """Thinking is out of reach: the prompt ends with <answer>. Paid is the last digit of the prompt, or the sum."""

    def straight(split, count):
        return [row | {"prompt": f"{row['prompt']}<answer>"} for row in make_problems("chain-sum", split, count)]

    def last_digit(completions, prompts, **columns):
        return [float(t == f"{p[-10]}</answer>") for t, p in zip(completions, prompts, strict=True)]

    def the_sum(completions, ground_truth, **columns):
        return [float(t == f"{truth}</answer>") for t, truth in zip(completions, ground_truth, strict=True)]

    for seed in (0, 1):
        args = GRPOConfig(
            max_steps=100,
            learning_rate=2e-4,
            lr_scheduler_type="constant",
            per_device_train_batch_size=64,
            num_generations=8,
            max_completion_length=4,
            eval_steps=100,
            per_device_eval_batch_size=200,
            seed=seed,
            disable_tqdm=True,
        )
        reached = {}
        for reward in (last_digit, the_sum):
            model, tokenizer = load_base_model()
            rows = straight("train", 4000)
            trainer = GRPOTrainer(model, [reward], args, rows, tokenizer, straight("test", 200))
            judged = [record for record in trainer.train() if "eval" in record]
            reached[reward] = [record[f"sampled_{reward.__name__}"] for record in (judged[0], judged[-1])]
        assert max(before for before, _ in reached.values()) < 0.2
        assert reached[last_digit][1] > 0.8
        assert reached[the_sum][1] < 0.2


def test_the_sweep_compares_samples_not_favourites():
    base = [run for run in read_lines(lesson_runs.DATA / "sweep.jsonl") if run["settings"] == lesson_runs.BASE]
    assert len(base) == 5
    assert lesson_runs.BATCHES[1] == 5
    assert min(min(run["greedy_accuracy"][1:]) for run in base) >= 0.99
    turned = [lesson_runs.AXES[name] for name in ("learning_rate", "epsilon", "temperature")]
    assert [round(max(values) / min(values)) for values in turned] == [60, 10, 3]
    assert [40 * lesson_runs.FIXED["per_device_train_batch_size"] // size for size in (2, 32)] == [1280, 80]


# Ratio, clip and loss


def test_grpo_is_reinforce_over_each_length():
    """The model of the lesson: without 1/|o|, REINFORCE is another vector, unless all completions are equally long."""
    found = {}
    for lengths in ((6, 2, 4, 3), (60, 5, 10, 40), (5, 5, 5, 5)):
        longest = max(lengths)
        model = torch.randn(10, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
        drawn = [torch.randint(10, (4, longest), generator=torch.Generator().manual_seed(seed)) for seed in (2, 3)]
        mask = torch.arange(longest) < torch.tensor(lengths)[:, None]
        advantages = group_advantages(torch.tensor([1.0, 0.0, 0.0, 1.0], dtype=torch.float64), 4)
        logps = token_logps(model[drawn[0]], drawn[1])
        ours = gradient(grpo_loss(logps, None, advantages, mask).loss, model)
        found[lengths] = cosine(ours, gradient(-(advantages[:, None] * logps)[mask].sum(), model))
    assert found[5, 5, 5, 5] == pytest.approx(1)
    says(
        "notebooks/*_the_loss.py",
        f"a cosine of {found[6, 2, 4, 3]:.2f} here, {found[60, 5, 10, 40]:.2f} for lengths 60, 5, 10, 40",
    )


def test_one_batch_cut_into_steps_leaves_ratio_1():
    """One pass over 32 completions in four steps of 8: from the second on, the policy is not the one that sampled."""
    generator = torch.Generator().manual_seed(0)
    table = torch.zeros(1, 5, requires_grad=True)
    ids = torch.randint(5, (32, 1), generator=generator)
    old = token_logps(table.expand(32, 1, 5), ids).detach()
    advantages = group_advantages((ids[:, 0] == 2).float(), 32)
    seen, optimizer = [], torch.optim.Adam([table], lr=0.3)
    for part in torch.arange(32).split(8):
        mask = torch.ones(8, 1, dtype=torch.bool)
        logps = token_logps(table.expand(8, 1, 5), ids[part])
        seen.append(importance_ratio(logps.detach(), old[part]).sub(1).abs().max().item())
        out = grpo_loss(logps, old[part], advantages[part], mask)
        optimizer.zero_grad()
        out.loss.backward()
        optimizer.step()
    assert seen[0] == 0
    assert min(seen[1:]) > 0.1


def test_more_steps_without_a_clip_win_in_the_small_world_also_from_four_completions():
    """The run of the lesson, with 30 draws instead of one."""
    start = torch.zeros(4, 6)

    def ends(size, epsilon, seed):
        drawn = torch.multinomial(start.softmax(1), size, True, generator=torch.Generator().manual_seed(seed)).T
        advantages = group_advantages((drawn[:, 1:] > drawn[:, :-1]).sum(dim=1).float(), size)
        old = token_logps(start.expand(size, -1, -1), drawn)
        logits = start.clone().requires_grad_()
        optimizer = torch.optim.Adam([logits], lr=0.05)
        for _ in range(24):
            ratio = importance_ratio(token_logps(logits.expand(size, -1, -1), drawn), old)
            optimizer.zero_grad()
            (-clipped_surrogate(ratio, advantages, epsilon=epsilon).mean()).backward()
            optimizer.step()
        p = logits.detach().softmax(dim=1)
        return sum((p[t, :, None] * p[t + 1]).triu(1).sum() for t in range(3)).item()

    wins = {size: sum(ends(size, 1e9, s) > ends(size, 0.2, s) for s in range(30)) for size in (64, 4)}
    says(
        "notebooks/*_ratio_and_clipping.py",
        f"in {wins[64]} of 30 draws of 64 completions, and in {wins[4]} of 30 draws of four",
    )


def test_a_row_cut_off_and_padded_with_the_end_token_counts_one_token_too_many():
    assert completion_mask(torch.tensor([[4, 4, 4, 2, 2]]), 2).sum() == 4
    says("notebooks/*_token_logprobs.py", "4, 4, 4, 2, 2")
