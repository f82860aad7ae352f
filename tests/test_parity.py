"""The numbers of TRL 1.16, computed by TRL's own trainer (see trl_trainer.py), against ours: value and gradient."""

import re

import pytest
import torch

import grpo_lite
from helpers.trl_trainer import (
    OLD_NAMES,
    make_trainer,
    trl_advantages,
    trl_loss,
    trl_mask_of_truncated,
    trl_sampler_correction,
)
from parity_table import LOSS_TYPES, OPTIONS, PAGE, VLLM, applies, our_loss, random_batch, trainers, worst

pytestmark = [pytest.mark.slow, OLD_NAMES]

TOLERANCE = {"rtol": 1e-9, "atol": 1e-9}
NAN = float("nan")
# The table has unusual pairs, too; test_family.py says which are warned of.
unusual_pairs = pytest.mark.filterwarnings("ignore:importance_sampling_level=:UserWarning")


@pytest.fixture(scope="module")
def trainer():
    return trainers()["grpo"]


def stated():
    """The table of docs/parity.md: option and loss type -> powers of ten, none where TRL has no such thing."""
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    names = re.findall(r"`(\w+)`", " ".join(rows[0]))
    return {
        (option, name): [int(power.replace("\u2212", "-")) for power in re.findall("\u2212[0-9]+", cell)]
        for option, *cells in rows[1:]
        for name, cell in zip(names, cells, strict=True)
    }


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
@pytest.mark.parametrize("option", OPTIONS)
def test_value_and_gradient_are_trls_alone_and_in_pairs(option, loss_type):
    if not applies(loss_type, option):
        assert stated()[option, loss_type] == []
        return
    found = worst(loss_type, option)
    assert max(found) <= 1e-9
    for difference, power in zip(found, stated()[option, loss_type], strict=True):
        assert difference <= 10.0**power, "run make parity"


def test_the_table_has_a_cell_for_each_option_and_loss_type():
    assert set(stated()) == {(option, loss_type) for option in OPTIONS for loss_type in LOSS_TYPES}


@unusual_pairs
def test_the_batches_reach_every_branch():
    """What the table compares is not trivial: each option but the first moves value or gradient of each loss type."""
    batch = random_batch(8, 0)
    args = [batch[name] for name in ("logps", "old_logps", "advantages", "mask")]
    common = {"ref_logps": batch["ref_logps"], "entropies": batch["entropies"], "max_completion_length": 9}
    assert not batch["mask"][0].any()
    assert (batch["advantages"].view(3, 8)[1] == 0).all()
    for loss_type in LOSS_TYPES:
        cap = {"epsilon_high": 2.0} if loss_type == "cispo" else {}
        plain = our_loss(*args, loss_type=loss_type, **common, **cap).loss
        for option, (settings, _) in OPTIONS.items():
            own = dict(settings)
            old = own.pop("old_logps", batch["old_logps"])
            if VLLM + "mode" in own:
                own["sampling_logps"] = batch["sampling_logps"]
            silent = loss_type in ("vespo", "gmpo") and option == "sequence ratio"  # it reaches only their KL
            if applies(loss_type, option) and option != "no option" and not silent:
                moved = our_loss(args[0], old, *args[2:], loss_type=loss_type, **common, **cap | own).loss
                assert abs(moved - plain) > 1e-6, (loss_type, option)


@unusual_pairs
@pytest.mark.parametrize("loss_type", ["grpo", "bnpo", "dr_grpo", "dapo", "luspo", "cispo", "gmpo"])
def test_clip_fraction_is_trls(loss_type):
    """Token ratios; for sequence ratios TRL counts rows without tokens as well, and it looks after the cap delta."""
    name = "cispo_clip_ratio" if loss_type == "cispo" else "clip_ratio/region_mean"
    settings = {"loss_type": loss_type, "epsilon": 0.1, "epsilon_high": 1.4 if loss_type == "cispo" else 0.3}
    for seed in range(3):
        batch = random_batch(8, seed)
        args = [batch[name] for name in ("logps", "old_logps", "advantages", "mask")]
        _, metrics = trl_loss(trainers()["gmpo" if loss_type == "gmpo" else "grpo"], *args, **settings)
        ours = grpo_lite.grpo_loss(*args, **settings, max_completion_length=7)
        assert 0.02 < ours.clip_fraction < 0.8
        assert ours.clip_fraction.item() == pytest.approx(metrics[name], abs=1e-6)


@pytest.mark.parametrize("loss_type", ["dapo", "cispo", "vespo"])
def test_without_a_token_count_the_tokens_of_the_call_are_taken(trainer, loss_type):
    batch = random_batch(4, 0)
    args = [batch[name] for name in ("logps", "old_logps", "advantages", "mask")]
    cap = {"epsilon_high": 2.0} if loss_type == "cispo" else {}
    theirs, _ = trl_loss(trainer, *args, loss_type=loss_type, **cap)
    torch.testing.assert_close(grpo_lite.grpo_loss(*args, loss_type=loss_type, **cap).loss, theirs, **TOLERANCE)


@pytest.mark.parametrize("mode", ["token_truncate", "token_mask", "sequence_truncate", "sequence_mask"])
@pytest.mark.parametrize(("cap", "floor"), [(3.0, None), (1.2, 0.8), (float("inf"), 0.5)])
def test_sampler_correction_is_trls(trainer, mode, cap, floor):
    for g in (2, 5, 16):
        batch = random_batch(g, g)
        args = [batch[name] for name in ("old_logps", "sampling_logps", "mask")]
        theirs = trl_sampler_correction(trainer, *args, mode=mode, cap=cap, floor=floor)
        ours = grpo_lite.sampler_correction(*args, mode=mode, cap=cap, floor=floor)
        torch.testing.assert_close(ours, theirs, **TOLERANCE)


def test_masks_of_the_policy_term_are_trls(trainer):
    for g in (2, 5, 16):
        batch = random_batch(g, g)
        for threshold in (0.0, 0.05, 0.3):
            args = [batch[name] for name in ("advantages", "logps", "sampling_logps", "mask")]
            theirs = trainer.get_off_policy_mask(args[0][:, None], args[1], args[2], args[3].long(), threshold)
            ours = grpo_lite.off_policy_mask(args[1], args[2], args[0], args[3], threshold=threshold)
            assert torch.equal(ours, theirs.bool())
        for share in (0.0, 0.2, 0.5, 1.0):
            theirs = trainer.get_high_entropy_mask(batch["entropies"], batch["mask"].long(), 1 - share)
            ours = grpo_lite.high_entropy_mask(batch["entropies"], batch["mask"], top_entropy_quantile=share)
            assert torch.equal(ours, theirs)


@pytest.mark.parametrize("scale_rewards", ["group", "batch", "none"])
@pytest.mark.parametrize("num_generations", [2, 4, 8, 16])
def test_advantages_are_trls(trainer, num_generations, scale_rewards):
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        rewards = torch.randn(16, 1, generator=generator, dtype=torch.float64)
        if seed == 1:
            rewards[:num_generations] = 0.6  # a group in agreement
        if seed == 2:
            rewards[0] = NAN
        theirs = trl_advantages(trainer, rewards, num_generations, scale_rewards=scale_rewards)
        ours = grpo_lite.group_advantages(rewards[:, 0], num_generations, scale_rewards=scale_rewards)
        # TRL leaves rounding noise where a group agrees; ours is exactly 0 there.
        torch.testing.assert_close(ours, theirs, **TOLERANCE)


SCORES = torch.tensor(
    [[1.0, 0.5], [NAN, 1.0], [NAN, NAN], [0.0, NAN], [2.0, 1.0], [0.0, 0.0], [1.0, 3.0], [NAN, 2.0]],
    dtype=torch.float64,
)


@pytest.mark.parametrize("weights", [None, [0.7, -0.2]])
def test_combined_rewards_give_trls_advantages(trainer, weights):
    theirs = trl_advantages(trainer, SCORES, 4, weights=weights)
    ours = grpo_lite.group_advantages(grpo_lite.combine_rewards(SCORES, weights), 4)
    torch.testing.assert_close(ours, theirs, **TOLERANCE)


@pytest.mark.parametrize("weights", [None, [0.7, -0.2]])
@pytest.mark.parametrize("num_generations", [2, 4, 8])
def test_normalize_then_sum_is_trls(trainer, num_generations, weights):
    """With rewards of None: one of two, all of a row, and (G = 2) one without a sibling; and a group in agreement."""
    agreed = SCORES.clone()
    agreed[:num_generations] = 0.3
    one = SCORES.clone()
    one[2:] = NAN
    for scores in (SCORES, SCORES.nan_to_num(0.4), agreed, one):
        theirs = trl_advantages(trainer, scores, num_generations, weights=weights, aggregation="normalize_then_sum")
        ours = grpo_lite.normalize_then_sum(scores, num_generations, weights)
        torch.testing.assert_close(ours, theirs, **TOLERANCE)


def test_truncated_completions_are_masked_as_in_trl(trainer):
    rows = [[5, 6, 2], [5, 6, 7], [5, 2], [2], [7, 8]]
    ids = torch.tensor([row + [0] * (3 - len(row)) for row in rows])
    full = torch.arange(3) < torch.tensor([len(row) for row in rows])[:, None]
    theirs = trl_mask_of_truncated(trainer, rows)
    assert torch.equal(grpo_lite.mask_truncated(full, ids, 2), theirs.bool())


def test_overlong_punishment_is_trls():
    from trl.rewards import get_soft_overlong_punishment

    ids = [[1] * n for n in range(1, 40)]
    for limit, margin in ((30, 10), (30, 30), (30, 1), (1, 1)):
        theirs = get_soft_overlong_punishment(limit, margin)(completion_ids=ids)
        ours = grpo_lite.soft_overlong_reward(limit, margin)(["a"] * len(ids), completion_ids=ids)
        assert ours == pytest.approx(theirs)


def test_trl_scores_with_our_reward_functions_as_we_do(trainer):
    completions = ["<think>a</think><answer>7</answer>", r"so \boxed{7}", "seven", r"\boxed{-7}"]
    prompts, truths, ids = ["12"] * 4, ["7"] * 4, [[1] * n for n in (3, 5, 7, 9)]
    functions = [grpo_lite.length_reward, grpo_lite.format_reward, grpo_lite.boxed_reward]
    functions.append(grpo_lite.soft_overlong_reward(8, 4))
    ours = grpo_lite.score_completions(functions, prompts, completions, ground_truth=truths, completion_ids=ids)
    inputs = [{"prompt": p, "ground_truth": t} for p, t in zip(prompts, truths, strict=True)]
    before = trainer.reward_funcs, trainer.reward_processing_classes, trainer.reward_func_names
    trainer.reward_funcs, trainer.reward_processing_classes = functions, [None] * 4
    trainer.reward_func_names = [function.__name__ for function in functions]
    theirs = trainer._calculate_rewards(inputs, prompts, completions, ids)
    trainer.reward_funcs, trainer.reward_processing_classes, trainer.reward_func_names = before
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_trl_scores_tokens_as_we_do(tmp_path, temperature):
    """Equal-length prompts: TRL passes no position ids, so padded rows of a GPT-2 are another question."""
    trainer = make_trainer(str(tmp_path), temperature=temperature)
    model = trainer.model.eval()
    ids = torch.randint(3, 12, (4, 9), generator=torch.Generator().manual_seed(0))
    logps, entropies, _ = trainer._get_per_token_logps_and_entropies(
        model, ids, torch.ones_like(ids), 5, compute_entropy=True
    )
    ours = grpo_lite.completion_logps(model, ids[:, :4], ids[:, 4:], temperature=temperature)
    torch.testing.assert_close(ours, logps, rtol=1e-5, atol=1e-5)
    logits = model(ids).logits[:, 3:-1]
    ours = grpo_lite.token_entropies(logits, temperature=temperature)
    torch.testing.assert_close(ours, entropies, rtol=1e-5, atol=1e-5)
