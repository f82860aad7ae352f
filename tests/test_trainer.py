"""The trainer against the same thing written by hand: one completion after the other, no padding, no shortcuts."""

import copy
import json
import math
import re
import threading
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from grpo_lite import GRPOConfig, GRPOTrainer
from grpo_lite.algorithms import ALGORITHMS
from grpo_lite.tasks import RECIPE, accuracy, load_base_model, make_problems, think_rate
from grpo_lite.training import rollout
from helpers.runs import (
    ROWS,
    SETTINGS,
    TOKENIZER,
    assert_same,
    identical,
    make_tokenizer,
    model_of,
    odd,
    only_some,
    weights,
)

LOSS_TYPES = ["grpo", "bnpo", "dr_grpo", "dapo"]


def make_trainer(reward_funcs=odd, *, model=None, rows=ROWS, tokenizer=TOKENIZER, **settings):
    args = GRPOConfig(**SETTINGS | settings)
    return GRPOTrainer(model_of() if model is None else model, reward_funcs, args, rows, tokenizer)


def gradient_of(trainer, groups):
    trainer.gradient(groups)
    return [p.grad.clone() for p in trainer.model.parameters()]


def moved(model, scale, seed=5):
    """A copy of a model, some way off."""
    model, generator = copy.deepcopy(model), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p += scale * torch.randn(p.shape, generator=generator, dtype=p.dtype)
    return model


def logps_by_hand(model, prompt_ids, ids, temperature):
    """Read prompt and completion in one go, without padding, cache or mask."""
    logits = model(torch.cat([prompt_ids, ids])[None]).logits[0, len(prompt_ids) - 1 : -1] / temperature
    return torch.log_softmax(logits, dim=-1)[torch.arange(len(ids)), ids]


def loss_by_hand(model, groups, args, reference=None):
    """The loss of the whole batch, one completion after the other; also its KL and clip fraction."""
    rows, tokens, clipped = [], 0, 0
    for group in groups:
        for i in range(len(group.ids)):
            n = int(group.mask[i].sum())
            counts = n if group.ended[i] or not args.mask_truncated_completions else 0
            ids = group.ids[i, :n]
            logps = logps_by_hand(model, group.prompt_ids, ids, args.temperature)
            old = group.logps[i, :n] if args.num_iterations > 1 else logps.detach()
            ratio, advantage = (logps - old).exp(), group.advantages[i].item()
            per_token = -torch.minimum(ratio * advantage, ratio.clamp(1 - args.epsilon, 1 + args.epsilon) * advantage)
            kl = torch.zeros(n)
            if reference is not None:
                d = logps_by_hand(reference, group.prompt_ids, ids, args.temperature).detach() - logps
                kl = d.exp() - d - 1
            rows.append(((per_token + args.beta * kl).sum(), kl.sum().item(), counts))
            side = ratio > 1 + args.epsilon if advantage > 0 else ratio < 1 - args.epsilon
            clipped += int((side & (advantage != 0)).sum()) if counts else 0
            tokens += counts
    weight = {
        "grpo": lambda n: 1 / n / len(rows),
        "bnpo": lambda n: 1 / tokens,
        "dapo": lambda n: 1 / tokens,
        "dr_grpo": lambda n: 1 / (len(rows) * args.max_completion_length),
    }[args.loss_type]
    loss = sum(value * weight(n) for value, _, n in rows if n)
    penalty = sum(kl * weight(n) for _, kl, n in rows if n)
    return loss, penalty, clipped / max(tokens, 1)


def gradient_by_hand(model, groups, args, reference=None):
    model.zero_grad()
    loss_by_hand(model, groups, args, reference)[0].backward()
    return [p.grad.clone() for p in model.parameters()]


def advantages_by_hand(rewards, size):
    out = []
    for start in range(0, len(rewards), size):
        group = rewards[start : start + size]
        mean = sum(group) / size
        std = math.sqrt(sum((r - mean) ** 2 for r in group) / (size - 1))
        out += [(r - mean) / (std + 1e-4) for r in group]
    return out


# One update.


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
@pytest.mark.parametrize("loss_type", LOSS_TYPES)
def test_updates_are_those_of_a_hand_written_loop(loss_type, kind):
    trainer = make_trainer(model=model_of(kind), loss_type=loss_type, weight_decay=0.1, max_grad_norm=0.5)
    twin = copy.deepcopy(trainer.model)
    flat = ("bias", "ln_", "norm")  # biases and norms do not decay
    decays = {name: 0.0 if any(x in name for x in flat) else 0.1 for name, _ in twin.named_parameters()}
    assert {*decays.values()} == {0.0, 0.1}
    optimizer = torch.optim.AdamW([{"params": p, "weight_decay": decays[n]} for n, p in twin.named_parameters()])
    for learning_rate in (1e-2, 2e-2 / 3, 1e-2 / 3):  # linear to 0 in three updates
        groups = trainer.add_advantages(trainer.select_groups(trainer.sample()))
        rewards = [r for group in groups for r in odd(group.completions)]
        found = torch.cat([group.advantages for group in groups])
        assert_close(found, torch.tensor(advantages_by_hand(rewards, 8)), rtol=1e-4, atol=1e-5)
        metrics = trainer.update(groups)

        optimizer.zero_grad()
        loss, _, _ = loss_by_hand(twin, groups, trainer.args)
        loss.backward()
        length = math.sqrt(sum((p.grad**2).sum().item() for p in twin.parameters()))
        assert length > 0.5  # so that it is shortened
        for p in twin.parameters():
            p.grad *= 0.5 / (length + 1e-6)
        for own in optimizer.param_groups:
            own["lr"] = learning_rate
        optimizer.step()
        # Llama's norm computes in float32 whatever the weights are.
        assert_same(weights(trainer.model), weights(twin), 1e-9 if kind == "gpt2" else 1e-5)
        assert metrics["grad_norm"] == pytest.approx(length, rel=1e-5)
        assert metrics["loss"] == pytest.approx(loss.item(), abs=1e-6)
        assert metrics["learning_rate"] == pytest.approx(learning_rate)


def test_a_short_gradient_is_left_alone_and_0_switches_clipping_off():
    trainers = [make_trainer(max_grad_norm=limit) for limit in (0, 1e6, 0.01)]
    groups = trainers[0].add_advantages(trainers[0].sample())
    norms = [trainer.update(groups)["grad_norm"] for trainer in trainers]
    assert norms == pytest.approx([norms[0]] * 3)  # the length before it is shortened
    lengths = [math.sqrt(sum((p.grad**2).sum().item() for p in t.model.parameters())) for t in trainers]
    assert lengths == pytest.approx([norms[0], norms[0], 0.01], rel=1e-3)


# at once x accumulated: the whole batch, two groups, pieces of a group
CUTS = [(32, 1), (16, 2), (4, 8), (2, 16)]


# every loss type, with the settings that it is meant for
EVERY_LOSS = {name: {"loss_type": name} for name in ALGORITHMS} | {
    "cispo": {"loss_type": "cispo", "epsilon_high": 5.0},
    "luspo": {"loss_type": "luspo", "importance_sampling_level": "sequence"},
    "gspo": {"loss_type": "grpo", "importance_sampling_level": "sequence"},
}


@pytest.mark.parametrize("name", EVERY_LOSS)
def test_accumulated_gradient_is_that_of_one_large_batch(name):
    """With ragged lengths, groups in agreement, truncated completions, ratios off 1, a KL penalty and a temperature."""
    settings = EVERY_LOSS[name] | {"num_iterations": 2, "beta": 0.3, "mask_truncated_completions": True,
                                  "temperature": 0.8}  # fmt: skip
    first = make_trainer(only_some, **settings)
    groups = first.add_advantages(first.sample())
    assert len({group.ids.shape[1] for group in groups}) > 1 or len(set(groups[0].mask.sum(dim=1).tolist())) > 1
    assert not all(group.ended.all() for group in groups)
    found = {}
    for at_once, accumulated in CUTS:
        trainer = make_trainer(only_some, **settings, per_device_train_batch_size=at_once,
                               gradient_accumulation_steps=accumulated)  # fmt: skip
        trainer.model = moved(first.model, 0.03)
        trainer.parameters = list(trainer.model.parameters())
        report = trainer.gradient(groups)
        found[at_once] = ([p.grad.clone() for p in trainer.parameters], report)
    for gradient, report in found.values():
        assert_same(gradient, found[32][0])
        assert report == pytest.approx(found[32][1], rel=1e-5, abs=1e-6)
    if name in LOSS_TYPES:
        policy = moved(first.model, 0.03)
        assert_same(found[32][0], gradient_by_hand(policy, groups, first.args, first.reference))
        loss, kl, clipped = loss_by_hand(policy, groups, first.args, first.reference)
        expected = {"loss": loss.item(), "kl": kl, "clip_fraction": clipped}
        assert found[32][1] == pytest.approx(expected, rel=1e-5, abs=1e-6)
        assert clipped > 0


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
def test_groups_in_agreement_are_not_read_and_the_gradient_is_the_same(loss_type):
    trainer = make_trainer(only_some, loss_type=loss_type, per_device_train_batch_size=8, gradient_accumulation_steps=6)
    groups = trainer.add_advantages(trainer.sample())
    assert [group.has_spread for group in groups].count(False) == 3
    expected = gradient_by_hand(copy.deepcopy(trainer.model), groups, trainer.args)
    read = []
    hook = trainer.model.register_forward_pre_hook(
        lambda model, args, kwargs: read.append(kwargs["input_ids"].shape), with_kwargs=True
    )
    assert_same(gradient_of(trainer, groups), expected)
    hook.remove()
    assert len(read) == (3 if read[0][0] == 8 else 6)  # three groups; prompt and completions apart, or together


@pytest.mark.parametrize("name", EVERY_LOSS)
def test_for_every_loss_type_a_group_in_agreement_has_no_gradient(name):
    """With a reference nothing is left out; with beta = 0 it adds nothing."""
    trainer = make_trainer(only_some, **EVERY_LOSS[name], num_iterations=2)
    trainer.reference = copy.deepcopy(trainer.model)
    groups = trainer.add_advantages(trainer.sample())
    with_all = gradient_of(trainer, groups)
    trainer.reference = None
    assert_same(gradient_of(trainer, groups), with_all)
    assert not all(group.advantages.any() for group in groups)


def test_when_all_groups_agree_nothing_is_read_and_the_gradient_is_zero():
    trainer = make_trainer(lambda completions, **columns: [0.1] * len(completions))
    groups, before = trainer.add_advantages(trainer.sample()), weights(trainer.model)
    trainer.model.register_forward_pre_hook(lambda *args: pytest.fail("there is nothing to learn here"))
    metrics = trainer.update(groups)
    assert (metrics["grad_norm"], metrics["loss"]) == (0, 0)
    assert all(identical(weights(trainer.model), before))
    assert trainer.step == 1


def test_where_all_groups_agree_the_momentum_of_the_optimizer_still_moves_the_weights():
    """As in TRL, whose gradient is 0 there, and not missing."""
    trainer, twin = make_trainer(), make_trainer()
    for one in (trainer, twin):
        one.update(one.add_advantages(one.sample()))
    groups = [group._replace(rewards=torch.full_like(group.rewards, 0.1)) for group in trainer.sample()]
    before = weights(trainer.model)
    trainer.update(trainer.add_advantages(groups))
    for parameter in twin.parameters:
        parameter.grad.zero_()
    for group in twin.optimizer.param_groups:
        group["lr"] = SETTINGS["learning_rate"] * 2 / 3  # after one update of three
    twin.optimizer.step()
    assert_same(weights(trainer.model), weights(twin.model))
    assert not any(identical(weights(trainer.model), before))


def test_with_a_penalty_groups_in_agreement_count():
    trainer = make_trainer(lambda completions, **columns: [0.1] * len(completions), beta=0.5)
    policy = moved(trainer.model, 0.05)
    with torch.no_grad():
        for p, q in zip(trainer.model.parameters(), policy.parameters(), strict=True):
            p.copy_(q)
    groups = trainer.add_advantages(trainer.sample())
    expected = gradient_by_hand(policy, groups, trainer.args, trainer.reference)
    assert_same(gradient_of(trainer, groups), expected)
    _, kl, _ = loss_by_hand(policy, groups, trainer.args, trainer.reference)
    assert kl > 0.01
    measured = trainer.gradient(groups)
    assert (measured["loss"], measured["kl"]) == pytest.approx((0.5 * kl, kl), rel=1e-5)


def test_the_reference_is_frozen_and_there_is_none_without_a_penalty():
    assert make_trainer(beta=0.0).reference is None
    trainer = make_trainer(beta=0.1)
    start, reference = weights(trainer.model), trainer.reference
    history = trainer.train()
    assert all(identical(weights(reference), start))
    assert not any(identical(weights(trainer.model), start))
    assert not any(p.requires_grad for p in reference.parameters())
    kl = [record["kl"] for record in history]
    assert abs(kl[0]) < 1e-12  # the policy still is the reference
    assert min(kl[1:]) > 1e-4


def test_several_updates_with_the_same_completions_use_the_log_probs_of_sampling():
    trainer = make_trainer(num_iterations=3, learning_rate=0.03, lr_scheduler_type="constant", max_grad_norm=0.0)
    twin = copy.deepcopy(trainer.model)
    optimizer = torch.optim.AdamW(twin.parameters(), lr=0.03, weight_decay=0.0)
    groups = trainer.add_advantages(trainer.sample())
    for update in range(3):
        metrics = trainer.update(groups)
        optimizer.zero_grad()
        loss, _, clipped = loss_by_hand(twin, groups, trainer.args)
        loss.backward()
        optimizer.step()
        assert_same(weights(trainer.model), weights(twin))
        assert metrics["clip_fraction"] == pytest.approx(clipped, abs=1e-6)
        assert (clipped > 0.1) == (update > 0)


def test_a_batch_serves_num_iterations_updates_and_no_more():
    calls = []

    def counted(completions, **columns):
        calls.append(len(completions))
        return odd(completions)

    history = make_trainer(counted, num_iterations=3, max_steps=7).train()
    assert calls == [32] * 3
    assert [record["step"] for record in history] == [1, 2, 3, 4, 5, 6, 7]
    reward = [record["reward"] for record in history]
    assert reward[0] == reward[1] == reward[2] != reward[3] == reward[4] == reward[5] != reward[6]


def test_a_batch_is_cut_into_parts_that_share_the_groups_without_spread():
    """Six prompts sampled at once, three updates of two; the next three updates sample anew."""
    seen, calls = [], []

    def counted(completions, pays, **columns):
        calls.append(len(completions))
        return only_some(completions, pays)

    trainer = make_trainer(counted, per_device_train_batch_size=8, gradient_accumulation_steps=2, max_steps=5,
                           steps_per_generation=6)  # fmt: skip
    assert (trainer.args.completions_per_step, trainer.args.prompts_per_step, trainer.args.parts) == (48, 6, 3)
    gradient = trainer.gradient

    def spy(groups, batch):
        seen.append([[group.prompt for group in some] for some in (groups, batch)])
        return gradient(groups, batch)

    trainer.gradient = spy
    history = trainer.train()
    assert calls == [48, 48]
    assert [record["step"] for record in history] == [1, 2, 3, 4, 5]
    pays = {row["prompt"]: row["pays"] for row in ROWS}
    for parts in (seen[:3], seen[3:]):
        assert all(len(groups) == 2 and len(batch) == 6 for groups, batch in parts)
        assert all([pays[prompt] for prompt in groups] == [True, False] for groups, _ in parts)
    assert sorted(prompt for groups, _ in seen[:3] for prompt in groups) == sorted(pays)


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
def test_a_token_weighs_the_same_in_each_part_of_a_batch(loss_type):
    """Before anything moves, the gradients of the parts have the gradient of the whole batch as their mean."""
    trainer = make_trainer(loss_type=loss_type)
    groups = trainer.add_advantages(trainer.sample())
    assert len({int(group.loss_mask.sum()) for group in groups}) > 1
    whole = gradient_of(trainer, groups)
    parts = []
    for i in range(4):
        trainer.gradient([groups[i]], groups)
        parts.append([p.grad.clone() for p in trainer.model.parameters()])
    assert_same([sum(own) / 4 for own in zip(*parts, strict=True)], whole)


def test_the_clip_fraction_of_a_part_is_that_of_its_own_tokens():
    trainer = make_trainer(steps_per_generation=2, per_device_train_batch_size=16, epsilon=0.0)
    groups = trainer.add_advantages(trainer.sample())
    trainer.model = moved(trainer.model, 0.05)
    trainer.parameters = list(trainer.model.parameters())
    for own in (groups[:1], groups[2:]):
        clipped = tokens = 0
        for group in own:
            for i in range(8):
                ids, advantage = group.ids[i][group.mask[i]], group.advantages[i].item()
                logps = logps_by_hand(trainer.model, group.prompt_ids, ids, 1.0).detach()
                up = logps > group.logps[i][group.mask[i]]
                clipped += int((up if advantage > 0 else ~up).sum()) if advantage else 0
                tokens += len(ids)
        assert trainer.gradient(own, groups)["clip_fraction"] == pytest.approx(clipped / tokens, rel=1e-5)


def test_the_clip_fraction_of_sequence_ratios_is_the_share_of_completions():
    trainer = make_trainer(importance_sampling_level="sequence", steps_per_generation=2,
                           per_device_train_batch_size=16, epsilon=0.0)  # fmt: skip
    groups = trainer.add_advantages(trainer.sample())
    trainer.model = moved(trainer.model, 0.05)
    trainer.parameters = list(trainer.model.parameters())
    own, clipped = groups[:2], 0
    for group in own:
        for i in range(8):
            ids, advantage = group.ids[i][group.mask[i]], group.advantages[i].item()
            drift = (logps_by_hand(trainer.model, group.prompt_ids, ids, 1.0) - group.logps[i][group.mask[i]]).sum()
            clipped += advantage * drift.item() > 0
    assert 2 < clipped < 14
    assert trainer.gradient(own, groups)["clip_fraction"] == pytest.approx(clipped / 16)


def test_with_one_update_a_batch_the_ratio_is_1_whatever_the_sampler_says():
    trainer = make_trainer()
    groups = trainer.add_advantages(trainer.sample())
    expected = gradient_of(trainer, groups)
    assert_same(gradient_of(trainer, [group._replace(logps=group.logps - 1) for group in groups]), expected)


def test_a_single_token_that_counts_has_the_whole_loss():
    trainer = make_trainer(loss_type="bnpo", num_iterations=2, epsilon=0.0)
    groups = trainer.add_advantages(trainer.sample())
    group = next(group for group in groups if group.has_spread)
    best, alone = int(group.advantages.argmax()), torch.zeros_like(group.loss_mask)
    alone[best, 0] = True
    ids, advantage = group.ids[best, :1], group.advantages[best].item()
    group = group._replace(loss_mask=alone, logps=group.logps + 1)  # its ratio is 1/e: nothing is clipped
    logps_by_hand(twin := copy.deepcopy(trainer.model), group.prompt_ids, ids, 1.0).sum().backward()
    expected = [-advantage / math.e * p.grad for p in twin.parameters()]
    assert_same(gradient_of(trainer, [group]), expected, tolerance=1e-6)
    group = group._replace(logps=group.logps - 2)  # its ratio is e: it is
    assert trainer.gradient([group])["clip_fraction"] == 1


def test_frozen_weights_stay_and_the_others_move_as_ever():
    model = model_of()
    model.transformer.h[0].requires_grad_(False)
    start = copy.deepcopy(model)
    trainer, free = make_trainer(model=model, weight_decay=0.1, max_grad_norm=0), make_trainer()
    groups = trainer.add_advantages(trainer.sample())
    free.gradient(groups)
    trainer.update(groups)
    for (name, p), q, same in zip(model.named_parameters(), start.parameters(), free.model.parameters(), strict=True):
        frozen = name.startswith("transformer.h.0.")
        assert torch.equal(p, q) == frozen, name
        assert (p.grad is None) == frozen
        if not frozen:
            assert_close(p.grad, same.grad, rtol=1e-9, atol=1e-12)


# What is sampled and what it is worth.


def test_sampling_with_temperature_gives_the_log_probs_of_that_temperature():
    trainer = make_trainer(temperature=1.7)
    for group in trainer.sample():
        for i in range(8):
            n = int(group.mask[i].sum())
            again = logps_by_hand(trainer.model, group.prompt_ids, group.ids[i, :n], 1.7)
            assert_close(group.logps[i, :n], again.detach(), rtol=1e-9, atol=1e-9)
            assert group.ended[i] == (group.ids[i, n - 1].item() in {1, 2})  # by the tokenizer 1, by the model 2
            assert group.ended[i] or n == 6


def test_reward_functions_see_what_was_sampled_and_their_own_columns():
    seen = []

    def look(prompts, completions, completion_ids, pays, **columns):
        seen.append((prompts, completions, completion_ids, pays, columns))
        return odd(completions)

    groups = make_trainer(look).sample()
    ((prompts, completions, ids, pays, rest),) = seen
    assert not rest
    flat = [(group, i) for group in groups for i in range(8)]
    assert prompts == [group.prompt for group, _ in flat]
    assert ids == [group.ids[i][group.mask[i]].tolist() for group, i in flat]
    assert completions == ["".join(TOKENIZER.decode([j]) for j in row if j > 1) for row in ids]
    known = {row["prompt"]: row["pays"] for row in ROWS}
    assert pays == [known[prompt] for prompt in prompts]


def test_tags_that_are_special_tokens_are_judged_and_end_and_padding_are_not():
    seen = []

    def look(completions, **columns):
        seen.append(completions)
        return odd(completions)

    special = make_tokenizer()
    special.add_tokens(["<answer>", "</answer>"], special_tokens=True)
    assert special.decode(special("<answer>7")["input_ids"], skip_special_tokens=True) == "7"
    for tokenizer in (TOKENIZER, special):
        make_trainer(look, tokenizer=tokenizer).sample()
    plain, judged = seen
    assert judged == plain
    assert any("<answer>" in text for text in plain)
    assert not any("<eos>" in text or "<pad>" in text for text in plain)


def half_blind(completions, **columns):
    """Cannot judge every other completion."""
    return [1.0 if i % 4 else None for i in range(len(completions))]


def blind(completions, **columns):
    return [None] * len(completions)


def test_the_spread_of_the_whole_batch_divides_where_it_is_asked_for():
    trainer = make_trainer(scale_rewards="batch")
    groups = trainer.add_advantages(trainer.sample())
    spread = torch.cat([group.rewards for group in groups]).std()
    for group in groups:
        assert_close(group.advantages, (group.rewards - group.rewards.mean()) / (spread + 1e-4))


def test_rewards_are_the_weighted_sum_and_a_weight_of_0_only_watches():
    trainer = make_trainer((odd, think_rate, half_blind), reward_weights=[2.0, 0.0, -1.0])
    (group, *_) = groups = trainer.sample()
    expected = [2 * r - (i % 4 > 0) for i, r in enumerate(odd(group.completions))]
    assert group.rewards.tolist() == expected
    assert group.scores[:, 1].tolist() == think_rate(group.completions)
    assert group.scores[:, 2].isnan().tolist() == [True, False, False, False] * 2
    without = make_trainer([odd, half_blind], reward_weights=[2.0, -1.0])
    assert_same(
        [group.advantages for group in trainer.add_advantages(groups)],
        [group.advantages for group in without.add_advantages(without.sample())],
    )


def test_a_completion_that_nobody_can_judge_has_no_advantage_and_no_say():
    trainer = make_trainer([half_blind], rows=ROWS[:1], per_device_train_batch_size=8)
    (group,) = trainer.add_advantages(trainer.sample())
    assert group.rewards.isnan().tolist() == [True, False, False, False] * 2
    assert not group.has_spread
    assert group.advantages.tolist() == [0.0] * 8


def test_a_batch_that_nobody_can_judge_teaches_nothing(tmp_path):
    trainer = make_trainer(blind, max_steps=1, output_dir=str(tmp_path), log_completions=True)
    before = weights(trainer.model)
    (record,) = trainer.train()
    assert (record["reward"], record["rewards/blind"], record["frac_reward_zero_std"]) == (None, None, 1.0)
    assert all(identical(weights(trainer.model), before))
    for name in ("metrics.jsonl", "completions.jsonl"):  # strict JSON has no word for nan
        for line in (tmp_path / name).read_text().splitlines():
            assert json.loads(line, parse_constant=pytest.fail)


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
def test_truncated_completions_are_left_out_of_the_loss_but_not_of_the_group(loss_type):
    trainer = make_trainer(loss_type=loss_type, mask_truncated_completions=True)
    groups = trainer.add_advantages(trainer.sample())
    ended = torch.cat([group.ended for group in groups])
    assert 0 < ended.sum() < len(ended)
    rewards = [r for group in groups for r in odd(group.completions)]
    found = torch.cat([group.advantages for group in groups])
    assert_close(found, torch.tensor(advantages_by_hand(rewards, 8)), rtol=1e-4, atol=1e-5)
    expected = gradient_by_hand(copy.deepcopy(trainer.model), groups, trainer.args)
    assert_same(gradient_of(trainer, groups), expected)


@pytest.mark.parametrize("name", EVERY_LOSS)
def test_where_every_completion_is_truncated_nothing_is_learnt(name):
    trainer = make_trainer(**EVERY_LOSS[name], mask_truncated_completions=True, per_device_train_batch_size=8)
    groups = [g._replace(loss_mask=torch.zeros_like(g.mask)) for g in trainer.add_advantages(trainer.sample())]
    assert groups[0].advantages.any()
    assert trainer.gradient(groups) == {"loss": 0, "kl": 0, "clip_fraction": 0}
    assert not any(p.grad.any() for p in trainer.parameters)


def test_dynamic_sampling_fills_the_batch_with_groups_that_have_spread():
    settings = {"per_device_train_batch_size": 16, "max_steps": 1}  # two prompts an update, of six
    plain = make_trainer(only_some, **settings)
    assert len(plain.sample()) == plain.prompts_taken == 2
    trainer = make_trainer(only_some, **settings, max_sampling_rounds=3, seed=1)
    sampled = trainer.sample()
    spread = [group.has_spread for group in sampled]
    assert spread == [ROWS[[r["prompt"] for r in ROWS].index(group.prompt)]["pays"] for group in sampled]
    assert spread[:2].count(True) < 2 <= spread.count(True)
    assert sum(spread[: len(spread) - 2]) < 2  # and no round more than needed
    chosen = trainer.select_groups(sampled)
    assert [group.prompt for group in chosen] == [g.prompt for g in sampled if g.has_spread][:2]
    assert trainer.prompts_taken == len(sampled)


def test_dynamic_sampling_gives_up_after_its_rounds_and_takes_what_there_is():
    rows = [{"prompt": "1=", "pays": True}, *[{"prompt": f"{i}=", "pays": False} for i in range(2, 8)]]
    trainer = make_trainer(only_some, rows=rows, per_device_train_batch_size=16, max_sampling_rounds=4, seed=2)
    sampled = trainer.sample()
    assert len(sampled) == 8
    chosen = trainer.select_groups(sampled)
    assert [group.has_spread for group in chosen] == [True, False]
    assert chosen[0].prompt == "1="


def test_every_prompt_is_taken_once_an_epoch_each_time_in_another_order():
    rows = [{"prompt": f"{i}="} for i in range(7)]
    trainer = make_trainer(rows=rows, per_device_train_batch_size=24)
    taken = [group.prompt for _ in range(7) for group in trainer.sample()]
    epochs = [taken[:7], taken[7:14], taken[14:]]
    assert all(set(epoch) == {row["prompt"] for row in rows} for epoch in epochs)
    assert len(set(map(tuple, epochs))) == 3


def test_chat_prompts_go_through_the_template_and_come_back_as_chat():
    tokenizer = make_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}={% endif %}"
    )
    seen = []

    def look(prompts, completions, **columns):
        seen.append((prompts, completions))
        return [float(len(chat[-1]["content"]) % 5) for chat in completions]

    texts = ["1", "2+3", "4+5+6"]
    chats = [{"prompt": [{"role": "user", "content": text}]} for text in texts]
    settings = {"per_device_train_batch_size": 24}
    chat = make_trainer(look, rows=chats, tokenizer=tokenizer, **settings)
    plain = make_trainer(odd, rows=[{"prompt": text + "="} for text in texts], **settings)
    for a, b in zip(chat.sample(), plain.sample(), strict=True):
        assert a.prompt[0]["content"] + "=" == b.prompt
        for name in ("prompt_ids", "ids", "mask", "logps", "rewards"):
            assert torch.equal(getattr(a, name), getattr(b, name)), name
        assert a.completions == [[{"role": "assistant", "content": text}] for text in b.completions]
    assert all(isinstance(prompt, list) for prompt in seen[0][0])
    assert [record["step"] for record in chat.train()] == [1, 2, 3]


# Records.


def test_metrics_are_what_a_count_by_hand_finds(tmp_path):
    seen = []

    def look(completions, completion_ids, pays, **columns):
        seen.append((completions, completion_ids, pays))
        return only_some(completions, pays)

    model = model_of()
    trainer = make_trainer([look, think_rate], model=model, beta=0.1, reward_weights=[1.0, 0.5], seed=3,
                           output_dir=str(tmp_path), log_completions=True)  # fmt: skip
    reference = copy.deepcopy(model)
    caught, update = [], trainer.update

    def spy(groups, batch):
        assert batch == groups  # it is not cut
        caught.append((groups, copy.deepcopy(model)))
        return update(groups, batch)

    trainer.update = spy
    started = time.perf_counter()
    history = trainer.train()
    took = time.perf_counter() - started
    assert sum(sum(map(len, ids)) / r["tokens_per_second"] for r, (_, ids, _) in zip(history, seen, strict=True)) < took
    assert [record["step"] for record in history] == [1, 2, 3]
    for record, (completions, ids, pays), (groups, policy) in zip(history, seen, caught, strict=True):
        looks, thinks = only_some(completions, pays), think_rate(completions)
        assert record["rewards/look"] == pytest.approx(sum(looks) / 32)
        assert record["rewards/think_rate"] == pytest.approx(sum(thinks) / 32)
        assert record["reward"] == pytest.approx((sum(looks) + 0.5 * sum(thinks)) / 32)
        rewards = [a + 0.5 * b for a, b in zip(looks, thinks, strict=True)]
        flat = sum(len(set(rewards[start : start + 8])) == 1 for start in range(0, 32, 8))
        assert record["frac_reward_zero_std"] == flat / 4
        assert record["completions/mean_length"] == pytest.approx(sum(map(len, ids)) / 32)
        assert record["completions/clipped_ratio"] == pytest.approx(sum(row[-1] not in {1, 2} for row in ids) / 32)
        logps = [
            logps_by_hand(policy, group.prompt_ids, row[real], 1.0).sum().item()
            for group in groups
            for row, real in zip(group.ids, group.mask, strict=True)
        ]
        assert record["entropy"] == pytest.approx(-sum(logps) / sum(map(len, ids)), rel=1e-5)
        loss, kl, clipped = loss_by_hand(policy, groups, trainer.args, reference)
        assert record["loss"] == pytest.approx(loss.item(), abs=1e-6)
        assert record["kl"] == pytest.approx(kl, rel=1e-5, abs=1e-9)
        assert record["clip_fraction"] == clipped == 0
        assert record["tokens_per_second"] > 0
    assert any(0 < record["frac_reward_zero_std"] < 1 for record in history)
    assert any(0 < record["completions/clipped_ratio"] < 1 for record in history)
    assert not model.training  # its dropout is off

    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == history
    written = [json.loads(line) for line in (tmp_path / "completions.jsonl").read_text().splitlines()]
    expected = [
        {"step": step, "prompt": groups[0].prompt, "completion": text, "reward": reward, "advantage": advantage}
        for step, (groups, _) in enumerate(caught, start=1)
        for text, reward, advantage in zip(
            groups[0].completions, groups[0].rewards.tolist(), groups[0].advantages.tolist(), strict=True
        )
    ]
    assert written == expected


def test_evaluation_by_hand():
    """Greedy against transformers' own generate; sampled against the reward function, asked again."""
    model, tokenizer = load_base_model()
    rows, asked = make_problems("chain-sum", "test", 12), []

    def right(completions, ground_truth, **columns):
        asked.append((completions, ground_truth))
        return accuracy(completions, ground_truth)

    args = GRPOConfig(max_completion_length=16, per_device_eval_batch_size=5, seed=4)
    result = rollout.evaluate(model, tokenizer, [right, think_rate], rows, args)
    greedy, sampled = asked[0::2], asked[1::2]
    assert [len(texts) for texts, _ in greedy] == [len(texts) for texts, _ in sampled] == [5, 5, 2]
    texts = []
    for row in rows:
        ids = tokenizer(row["prompt"], return_tensors="pt")
        out = model.generate(**ids, do_sample=False, max_new_tokens=16, pad_token_id=0)
        texts.append(tokenizer.decode(out[0, 8:], skip_special_tokens=True))
    assert [text for part, _ in greedy for text in part] == texts
    truths = [row["ground_truth"] for row in rows]
    drawn = [text for part, _ in sampled for text in part]
    assert result == pytest.approx(
        {
            "greedy_right": sum(accuracy(texts, truths)) / 12,
            "greedy_think_rate": sum(think_rate(texts)) / 12,
            "sampled_right": sum(accuracy(drawn, truths)) / 12,
            "sampled_think_rate": sum(think_rate(drawn)) / 12,
            "mean_length": sum(len(tokenizer(text)["input_ids"]) + 1 for text in drawn) / 12,
        }
    )
    assert rollout.evaluate(model, tokenizer, [right, think_rate], rows, args) == result


def test_evaluation_samples_at_the_temperature_and_with_the_seed_of_its_settings():
    model, tokenizer = load_base_model()
    rows = make_problems("chain-sum", "test", 30)

    def length(completions, **columns):
        return [float(len(text)) for text in completions]

    def found(**settings):
        return rollout.evaluate(model, tokenizer, length, rows, GRPOConfig(max_completion_length=16, **settings))

    cold, warm, other = found(temperature=1e-4), found(), found(seed=7)
    assert cold["sampled_length"] == cold["greedy_length"] == warm["greedy_length"]  # hardly a draw any more
    assert len({cold["sampled_length"], warm["sampled_length"], other["sampled_length"]}) == 3


def test_evaluations_stand_among_the_updates():
    rows = [{"prompt": "1=", "pays": True}, {"prompt": "2=", "pays": True}]
    args = GRPOConfig(**SETTINGS | {"max_steps": 5, "eval_steps": 2, "num_iterations": 2})
    trainer = GRPOTrainer(model_of(), odd, args, ROWS, TOKENIZER, eval_dataset=rows)
    history = trainer.train()
    assert [(r["step"], "eval" in r) for r in history] == [
        (0, True), (1, False), (2, False), (2, True), (3, False), (4, False), (4, True), (5, False),
    ]  # fmt: skip
    assert set(history[0]) == {"step", "eval", "greedy_odd", "sampled_odd", "mean_length"}
    assert trainer.train() is history  # a finished run is not run again
    assert len(history) == 8


def test_a_callback_gets_each_record_as_it_is_made():
    seen = []

    def watch(record):
        seen.append((trainer.step, record))

    args = GRPOConfig(**SETTINGS | {"eval_steps": 2})
    trainer = GRPOTrainer(model_of(), odd, args, ROWS, TOKENIZER, eval_dataset=ROWS[:2], callback=watch)
    history = trainer.train()
    assert [record for _, record in seen] == history
    assert [step for step, _ in seen] == [0, 1, 2, 2, 3]


def test_the_progress_bar_shows_the_rewards(capsys):
    make_trainer([odd, think_rate], disable_tqdm=False, max_steps=1).train()
    line = capsys.readouterr().err
    assert re.search(r"reward=\d.*odd=\d.*think_rate=\d", line)


# What goes wrong.


class Poison:
    """A reward function that harms the model in its second call, between sampling and update."""

    __name__ = "odd"

    def __init__(self, harm):
        self.harm, self.calls = harm, 0

    def __call__(self, completions, **columns):
        self.calls += 1
        if self.calls == 2:
            self.before = self.harm()
        return odd(completions)


def infinite_gradient(model):
    model.transformer.wpe.weight.register_hook(lambda gradient: gradient * math.inf)
    return weights(model)


def nan_loss(model):
    with torch.no_grad():
        model.transformer.ln_f.bias[0] = math.nan
    return weights(model)


@pytest.mark.parametrize(
    ("harm", "message"), [(infinite_gradient, "gradient (inf|nan)"), (nan_loss, "the loss is nan")]
)
def test_what_is_not_finite_stops_the_run_and_spares_weights_and_checkpoint(harm, message, tmp_path):
    model = model_of()
    poison = Poison(lambda: harm(model))
    trainer = make_trainer(model=model, output_dir=str(tmp_path), save_steps=1)
    trainer.reward_funcs = [poison]  # the run knows its own function already
    with pytest.raises(FloatingPointError, match=f"step 2: .*{message}.*checkpoint-1"):
        trainer.train()
    for now, before in zip(weights(model), poison.before, strict=True):
        assert_close(now, before, rtol=0, atol=0, equal_nan=True)
    assert trainer.step == 1
    assert [record["step"] for record in trainer.history] == [1]

    healthy, through = make_trainer(output_dir=str(tmp_path), save_steps=1), make_trainer()
    assert [record["step"] for record in healthy.train()] == [1, 2, 3]
    through.train()
    assert all(identical(weights(healthy.model), weights(through.model)))


def test_a_model_that_has_flown_off_is_named_by_step_and_not_by_torch():
    trainer = make_trainer(model=model_of().float(), learning_rate=1e30, max_grad_norm=0.0)
    with pytest.raises(FloatingPointError, match="step 2: .*not finite.*learning_rate"):
        trainer.train()


@pytest.mark.usefixtures("as_user")
def test_data_that_cannot_be_trained_on():
    with pytest.raises(ValueError, match="train_dataset must hold rows with a 'prompt', got 0 rows"):
        make_trainer(rows=[])
    with pytest.raises(ValueError, match="train_dataset must hold rows with a 'prompt', got 1 rows.*question"):
        make_trainer(rows=[{"question": "1="}])
    with pytest.raises(ValueError, match=r"train_dataset must hold rows with a 'prompt', got 1 rows: \['train'\]"):
        make_trainer(rows={"train": ROWS})
    with pytest.raises(ValueError, match="eval_dataset must hold rows with a 'prompt'"):
        GRPOTrainer(model_of(), odd, GRPOConfig(), ROWS, TOKENIZER, eval_dataset=[])
    with pytest.raises(ValueError, match="evaluate needs held-out rows"):
        make_trainer().evaluate()
    with pytest.raises(ValueError, match="64 positions, got a prompt of 2 tokens and max_completion_length=63"):
        make_trainer(rows=ROWS[:1], max_completion_length=63).sample()
    make_trainer(rows=ROWS[:1], max_completion_length=62, per_device_train_batch_size=8).sample()
    with pytest.raises(ValueError, match="weights must be one finite number for each of the 1 reward functions"):
        make_trainer(reward_weights=[1.0, 1.0])
    with pytest.raises(ValueError, match="eval_steps needs held-out rows, got eval_dataset=None"):
        make_trainer(eval_steps=2)
    with pytest.raises(
        ValueError, match=r"reward_funcs must be a function or several, .*, got \[.*'name/of-a-model'\]"
    ):
        make_trainer([odd, "name/of-a-model"])


def test_a_reward_that_is_no_number_names_its_function():
    def broken(completions, **columns):
        return [math.nan] * len(completions)

    with pytest.raises(ValueError, match="broken must return finite numbers, or None where it cannot judge, got nan"):
        make_trainer(broken).train()


def test_a_reward_with_settings_keeps_the_name_of_its_function():
    def priced(completions, price, **columns):
        return [price * len(text) for text in completions]

    (record,) = make_trainer(partial(priced, price=0.5), max_steps=1).train()
    assert record["rewards/priced"] == record["reward"]
    with pytest.raises(ValueError, match="priced must return finite numbers"):
        make_trainer(partial(priced, price=math.nan)).train()


def test_a_folder_that_cannot_be_written_to_is_refused_before_anything_is_sampled(tmp_path):
    def asked(completions, **columns):
        raise AssertionError("too late")

    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(OSError, match="file"):
            make_trainer(asked, output_dir=str(folder)).train()


def test_without_an_end_token_nothing_can_end():
    model, tokenizer = model_of(), make_tokenizer()
    model.generation_config.eos_token_id = tokenizer.eos_token = None
    with pytest.raises(ValueError, match="name no end token"):
        make_trainer(model=model, tokenizer=tokenizer).sample()


# Repeatable, and it learns.


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1]], ids=["in an order", "and draws"])
def test_a_seed_gives_the_same_weights_to_the_bit_and_another_seed_others(rows):
    runs = [make_trainer(rows=rows, seed=seed) for seed in (1, 1, 2)]
    records = [[{k: v for k, v in r.items() if k != "tokens_per_second"} for r in run.train()] for run in runs]
    first, again, other = (weights(run.model) for run in runs)
    assert all(identical(first, again))
    assert records[0] == records[1]
    assert not any(identical(first, other))


def test_global_random_numbers_are_neither_used_nor_moved():
    one, two = make_trainer(), make_trainer()
    torch.manual_seed(1)
    one.train()
    after = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(3))
    two.train()
    assert all(identical(weights(one.model), weights(two.model)))


def test_it_trains_outside_of_the_main_thread():
    trainer = make_trainer()
    thread = threading.Thread(target=trainer.train)
    thread.start()
    thread.join()
    assert trainer.step == 3


@pytest.mark.slow
def test_the_example_of_the_page_stops_when_it_has_learnt_enough(capsys):
    page = (Path(__file__).parents[1] / "docs" / "training.md").read_text()
    (example,) = (block for block in re.findall(r"```python\n(.*?)```", page, re.S) if "callback=watch" in block)
    exec(example, {})
    step, sampled = capsys.readouterr().out.split()
    assert 0 < int(step) < 60
    assert float(sampled) > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_it_learns(seed):
    model, tokenizer = load_base_model()
    args = GRPOConfig(**RECIPE | {"max_steps": 25, "eval_steps": 25, "seed": seed, "disable_tqdm": True})
    trainer = GRPOTrainer(model, [accuracy, think_rate], args, make_problems("chain-sum", "train", 1000), tokenizer,
                          eval_dataset=make_problems("chain-sum", "test", 300))  # fmt: skip
    before, *_, after = trainer.train()
    assert before["eval"]
    assert before["sampled_accuracy"] < 0.45
    assert after["eval"]
    assert after["sampled_accuracy"] > 0.6
    assert after["sampled_think_rate"] > before["sampled_think_rate"] + 0.1
    assert after["mean_length"] > before["mean_length"]
