"""Settings: sizes that must fit, the schedule, and what a resumed run must have in common with the first."""

import math
from dataclasses import FrozenInstanceError, fields, replace

import pytest

from grpo_lite import GRPOConfig
from grpo_lite.tasks import RECIPE


def test_defaults_are_those_of_trl_but_for_the_documented_ones():
    from trl import GRPOConfig as TRLConfig

    theirs = {field.name: field.default for field in fields(TRLConfig)}
    ours = {field.name: field.default for field in fields(GRPOConfig)}
    documented = {"max_steps": 100, "loss_type": "grpo", "use_bias_correction_kl": False,
                  "bf16": False, "gradient_checkpointing": False}  # fmt: skip
    ours_alone = {"max_sampling_rounds": 1}
    computed_there = {"eval_steps": None, "output_dir": None, "per_device_eval_batch_size": 64, "disable_tqdm": None,
                      "epsilon_high": None}  # fmt: skip
    assert set(ours_alone) == set(ours) - set(theirs)
    assert ours == {name: theirs.get(name) for name in ours} | documented | ours_alone | computed_there
    for name in documented:
        assert ours[name] != theirs[name], f"{name} is TRL's: take the remark out of the docstring"


def test_a_setting_cannot_be_changed_by_accident():
    with pytest.raises(FrozenInstanceError):
        GRPOConfig().learning_rate = 1.0
    with pytest.raises(TypeError):
        GRPOConfig("run")  # by position, where another setting may come to stand


# completions at once, accumulated, G -> completions and prompts in a step
SIZES = [(32, 1, 8, 32, 4), (8, 4, 8, 32, 4), (2, 16, 8, 32, 4), (16, 3, 8, 48, 6), (8, 1, 8, 8, 1)]


@pytest.mark.parametrize(("at_once", "accumulated", "group", "completions", "prompts"), SIZES)
def test_sizes_of_a_step(at_once, accumulated, group, completions, prompts):
    config = GRPOConfig(
        per_device_train_batch_size=at_once, gradient_accumulation_steps=accumulated, num_generations=group
    )
    assert (config.completions_per_step, config.prompts_per_step) == (completions, prompts)


# setting, value that is refused, what the message must show
REFUSED = [
    ({"output_dir": ""}, "output_dir must name a folder, got ''"),
    ({"max_steps": 0}, "max_steps must be a whole number of at least 1, got 0"),
    ({"max_steps": 2.5}, "max_steps must be a whole number of at least 1, got 2.5"),
    ({"warmup_steps": -1}, "warmup_steps .* at least 0, got -1"),
    ({"per_device_train_batch_size": 0}, "per_device_train_batch_size .* at least 1, got 0"),
    ({"gradient_accumulation_steps": 0}, "gradient_accumulation_steps .* at least 1, got 0"),
    ({"num_generations": 1}, "num_generations .* at least 2, got 1"),
    ({"max_completion_length": 0}, "max_completion_length .* at least 1, got 0"),
    ({"num_iterations": 0}, "num_iterations .* at least 1, got 0"),
    ({"max_sampling_rounds": 0}, "max_sampling_rounds .* at least 1, got 0"),
    ({"per_device_eval_batch_size": 0}, "per_device_eval_batch_size .* at least 1, got 0"),
    ({"save_steps": 0}, "save_steps .* at least 1, got 0"),
    ({"save_total_limit": 0}, "save_total_limit .* at least 1, got 0"),
    ({"eval_steps": 0}, "eval_steps .* at least 1, got 0"),
    ({"seed": -1}, "seed .* at least 0, got -1"),
    ({"learning_rate": -1.0}, "learning_rate must be at least 0, got -1.0"),
    ({"learning_rate": math.nan}, "learning_rate must be at least 0, got nan"),
    ({"learning_rate": math.inf}, "learning_rate must be finite, got inf"),
    ({"weight_decay": -0.1}, "weight_decay must be at least 0, got -0.1"),
    ({"max_grad_norm": -1.0}, "max_grad_norm must be at least 0, got -1.0"),
    ({"beta": -0.1}, "beta must be at least 0, got -0.1"),
    ({"epsilon": -0.1}, "epsilon must be at least 0, got -0.1"),
    ({"temperature": 0.0}, "temperature must be a positive finite number, got 0.0"),
    ({"lr_scheduler_type": "step"}, "lr_scheduler_type .*linear.*cosine.*constant.*step"),
    ({"loss_type": "ppo"}, "loss_type .*grpo.*bnpo.*dr_grpo.*dapo.*ppo"),
    ({"importance_sampling_level": "word"}, "importance_sampling_level .*token.*sequence.*word"),
    ({"scale_rewards": "all"}, "scale_rewards .*group.*batch.*none.*all"),
    ({"per_device_train_batch_size": 12}, "a multiple of num_generations=8 or a divisor of it, got 12"),
    ({"steps_per_generation": 0}, "steps_per_generation .* at least 1, got 0"),
    (
        {"gradient_accumulation_steps": 2, "steps_per_generation": 3},
        "a multiple of gradient_accumulation_steps=2, got 3",
    ),
    ({"off_policy_mask_threshold": -0.1}, "off_policy_mask_threshold must be at least 0, got -0.1"),
    ({"per_device_train_batch_size": 4, "gradient_accumulation_steps": 3}, "whole groups of num_generations=8, got 12"),
]


@pytest.mark.parametrize(("settings", "message"), REFUSED, ids=lambda x: "-".join(x) if isinstance(x, dict) else "")
@pytest.mark.usefixtures("as_user")
def test_a_setting_out_of_range_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        GRPOConfig(**settings)


# schedule, warm-up, steps -> step size of each update, by hand, for a highest one of 8
SCHEDULES = [
    ("constant", 0, [8, 8, 8, 8]),
    ("linear", 0, [8, 6, 4, 2]),
    ("cosine", 0, [8, 4 + 4 * math.sqrt(0.5), 4, 4 - 4 * math.sqrt(0.5)]),
    ("constant", 2, [0, 4, 8, 8]),
    ("linear", 2, [0, 4, 8, 6, 4, 2]),
    ("cosine", 2, [0, 4, 8, 4 + 4 * math.sqrt(0.5), 4, 4 - 4 * math.sqrt(0.5)]),
    ("linear", 4, [0, 2]),  # the run ends during the warm-up
]


@pytest.mark.parametrize(("schedule", "warmup", "sizes"), SCHEDULES)
def test_schedule_by_hand(schedule, warmup, sizes):
    config = GRPOConfig(learning_rate=8.0, lr_scheduler_type=schedule, warmup_steps=warmup, max_steps=len(sizes))
    assert [config.learning_rate_at(step) for step in range(len(sizes))] == pytest.approx(sizes)


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
@pytest.mark.parametrize("warmup", [0, 3])
def test_schedule_is_the_one_of_transformers(schedule, warmup):
    import torch
    from transformers import get_scheduler

    name = "constant_with_warmup" if schedule == "constant" else schedule
    optimizer = torch.optim.AdamW([torch.zeros(1, requires_grad=True)], lr=3e-4)
    theirs = get_scheduler(name, optimizer, num_warmup_steps=warmup, num_training_steps=11)
    config = GRPOConfig(learning_rate=3e-4, lr_scheduler_type=schedule, warmup_steps=warmup, max_steps=11)
    for step in range(11):
        assert config.learning_rate_at(step) == pytest.approx(theirs.get_last_lr()[0], rel=1e-12)
        optimizer.step()
        theirs.step()


FREE = {"output_dir": "x", "eval_steps": 3, "per_device_eval_batch_size": 3, "save_steps": 3, "save_total_limit": 3,
        "report_to": "wandb", "log_completions": True, "use_cpu": True, "disable_tqdm": True}  # fmt: skip
DECIDE = {"max_steps": 7, "learning_rate": 0.5, "lr_scheduler_type": "cosine", "warmup_steps": 1, "weight_decay": 0.1,
          "max_grad_norm": 0.1, "per_device_train_batch_size": 16, "gradient_accumulation_steps": 2,
          "num_generations": 4, "max_completion_length": 9, "temperature": 0.5, "num_iterations": 2, "beta": 0.1,
          "epsilon": 0.1, "epsilon_high": 0.3, "delta": 2.0, "loss_type": "bnpo", "use_bias_correction_kl": True,
          "importance_sampling_level": "sequence", "scale_rewards": "none", "reward_weights": [1.0],
          "mask_truncated_completions": True, "max_sampling_rounds": 2, "steps_per_generation": 4,
          "off_policy_mask_threshold": 0.5, "bf16": True, "gradient_checkpointing": True,
          "seed": 1}  # fmt: skip


def test_every_setting_either_decides_about_the_weights_or_does_not():
    assert set(FREE) | set(DECIDE) == {field.name for field in fields(GRPOConfig)}
    assert GRPOConfig().fixed_settings() == GRPOConfig(**FREE).fixed_settings()
    assert set(GRPOConfig().fixed_settings()) == set(DECIDE)
    for name, value in DECIDE.items():
        assert replace(GRPOConfig(), **{name: value}).fixed_settings() != GRPOConfig().fixed_settings(), name


def test_the_loss_takes_its_settings_by_their_names():
    assert GRPOConfig(**DECIDE | {"loss_type": "luspo"}).loss_settings() == {
        "loss_type": "luspo", "importance_sampling_level": "sequence", "beta": 0.1, "epsilon": 0.1, "epsilon_high": 0.3,
        "delta": 2.0, "use_bias_correction_kl": True, "max_completion_length": 9,
    }  # fmt: skip


def test_the_recipe_is_one_of_eight_groups():
    config = GRPOConfig(**RECIPE)
    assert config.prompts_per_step == 8
    assert config.reward_weights == [1.0, 0.0]
