"""The numbers of TRL 1.16, computed by TRL's own trainer (see trl_trainer.py), against ours: value and gradient."""

import pytest
import torch
from trl_trainer import make_trainer, trl_advantages, trl_loss

import grpo_lite

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

TOLERANCE = {"rtol": 1e-9, "atol": 1e-9}


@pytest.fixture(scope="module")
def trainer(tmp_path_factory):
    return make_trainer(str(tmp_path_factory.mktemp("trl")))


def random_batch(seed, rows=8, tokens=7):
    """Ragged rows, one of them empty, one of them full; ratios from about 0.3 to 3, so that every branch is taken."""
    generator = torch.Generator().manual_seed(seed)

    def draw(scale):
        return torch.randn(rows, tokens, generator=generator, dtype=torch.float64) * scale

    old = -draw(1.0).abs() - 0.5
    lengths = torch.randint(1, tokens + 1, (rows,), generator=generator)
    lengths[0], lengths[1] = 0, tokens
    mask = torch.arange(tokens) < lengths[:, None]
    advantages = torch.randn(rows, generator=generator, dtype=torch.float64)
    advantages[2] = 0
    return {"logps": old + draw(0.5), "old": old, "ref": old + draw(0.5), "advantages": advantages, "mask": mask}


CASES = {
    "paper": {},
    "on-policy": {"old": None},
    "clip-higher": {"epsilon_high": 0.28},
    "narrow": {"epsilon": 0.05},
    "delta": {"delta": 1.5},
    "delta below 1 + epsilon": {"delta": 1.1},
    "kl": {"beta": 0.04},
    "kl, corrected": {"beta": 0.04, "use_bias_correction_kl": True},
    "kl, corrected, on-policy": {"beta": 0.04, "use_bias_correction_kl": True, "old": None},
    "all together": {"beta": 0.1, "epsilon": 0.1, "epsilon_high": 0.3, "delta": 1.6},
    "sequence": {"importance_sampling_level": "sequence"},
    "sequence, kl, corrected": {
        "importance_sampling_level": "sequence",
        "beta": 0.04,
        "use_bias_correction_kl": True,
        "delta": 1.4,
    },
}


@pytest.mark.parametrize("loss_type", ["grpo", "bnpo", "dr_grpo", "dapo"])
@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradient_are_trls(trainer, case, loss_type):
    for seed in range(3):
        batch = random_batch(seed)
        settings = dict(CASES[case]) | {"loss_type": loss_type}
        old = settings.pop("old", batch["old"])
        ref = batch["ref"] if settings.get("beta") else None
        extra = {"max_completion_length": 9, "num_items_in_batch": 77}

        theirs_leaf = batch["logps"].clone().requires_grad_()
        theirs, metrics = trl_loss(
            trainer, theirs_leaf, old, batch["advantages"], batch["mask"], ref_logps=ref, **settings, **extra
        )
        theirs.backward()
        ours_leaf = batch["logps"].clone().requires_grad_()
        ours = grpo_lite.grpo_loss(
            ours_leaf, old, batch["advantages"], batch["mask"], ref_logps=ref, **settings, **extra
        )
        ours.loss.backward()

        torch.testing.assert_close(ours.loss, theirs, **TOLERANCE)
        torch.testing.assert_close(ours_leaf.grad, theirs_leaf.grad, **TOLERANCE)
        # TRL reports the share of clipped tokens after the cap, and for sequence ratios counts rows without tokens.
        if "delta" not in settings and "importance_sampling_level" not in settings:
            assert ours.clip_fraction.item() == pytest.approx(metrics["clip_ratio/region_mean"], abs=1e-6)


def test_dapo_without_a_token_count_takes_the_tokens_of_the_call(trainer):
    batch = random_batch(0)
    args = (batch["logps"], batch["old"], batch["advantages"], batch["mask"])
    theirs, _ = trl_loss(trainer, *args, loss_type="dapo")
    torch.testing.assert_close(grpo_lite.grpo_loss(*args, loss_type="dapo").loss, theirs, **TOLERANCE)


@pytest.mark.parametrize("scale_rewards", ["group", "batch", "none"])
@pytest.mark.parametrize("num_generations", [2, 4, 8, 16])
def test_advantages_are_trls(trainer, num_generations, scale_rewards):
    nan = float("nan")
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        rewards = torch.randn(16, 1, generator=generator, dtype=torch.float64)
        if seed == 1:
            rewards[:num_generations] = 0.6  # a group in agreement
        if seed == 2:
            rewards[0] = nan
        theirs = trl_advantages(trainer, rewards, num_generations, scale_rewards=scale_rewards)
        ours = grpo_lite.group_advantages(rewards[:, 0], num_generations, scale_rewards=scale_rewards)
        # TRL leaves rounding noise where a group agrees; ours is exactly 0 there.
        torch.testing.assert_close(ours, theirs, **TOLERANCE)


def test_combined_rewards_give_trls_advantages(trainer):
    nan = float("nan")
    rewards = torch.tensor(
        [[1.0, 0.5], [nan, 1.0], [nan, nan], [0.0, nan], [2.0, 1.0], [0.0, 0.0], [1.0, 3.0], [nan, 2.0]],
        dtype=torch.float64,
    )
    for weights in (None, [0.7, -0.2]):
        theirs = trl_advantages(trainer, rewards, 4, weights=weights)
        ours = grpo_lite.group_advantages(grpo_lite.combine_rewards(rewards, weights), 4)
        torch.testing.assert_close(ours, theirs, **TOLERANCE)


def test_trl_scores_with_our_reward_functions_as_we_do(trainer):
    completions = ["<think>a</think><answer>7</answer>", r"so \boxed{7}", "seven", r"\boxed{-7}"]
    prompts, truths = ["12"] * 4, ["7"] * 4
    functions = [grpo_lite.length_reward, grpo_lite.format_reward, grpo_lite.boxed_reward]
    ours = grpo_lite.score_completions(functions, prompts, completions, ground_truth=truths)
    inputs = [{"prompt": p, "ground_truth": t} for p, t in zip(prompts, truths, strict=True)]
    before = trainer.reward_funcs, trainer.reward_processing_classes, trainer.reward_func_names
    trainer.reward_funcs, trainer.reward_processing_classes = functions, [None] * 3
    trainer.reward_func_names = ["length", "format", "boxed"]
    theirs = trainer._calculate_rewards(inputs, prompts, completions, [[1]] * 4)
    trainer.reward_funcs, trainer.reward_processing_classes, trainer.reward_func_names = before
    torch.testing.assert_close(ours, theirs)


def test_trl_scores_tokens_as_we_do(trainer):
    """Equal-length prompts: TRL passes no position ids, so padded rows of a GPT-2 are another question."""
    model = trainer.model.eval()
    ids = torch.randint(3, 12, (4, 9), generator=torch.Generator().manual_seed(0))
    theirs, _, _ = trainer._get_per_token_logps_and_entropies(model, ids, torch.ones_like(ids), 5)
    ours = grpo_lite.completion_logps(model, ids[:, :4], ids[:, 4:], temperature=trainer.temperature)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
