"""Every setting of a run changes something that can be seen: its weights, or what it leaves behind."""

from dataclasses import fields

import pytest
import torch

from grpo_lite import GRPOConfig, GRPOTrainer
from grpo_lite.training import distributed
from helpers.runs import ROWS, SETTINGS, TOKENIZER, model_of, odd, only_some, records, weights

# A run in which each setting has something to act on: ratios off 1, a penalty, a gradient that is not shortened, and a
# batch of two groups, one of which agrees.
BASE = SETTINGS | {
    "num_iterations": 3,
    "learning_rate": 0.05,
    "lr_scheduler_type": "constant",
    "beta": 0.1,
    "max_grad_norm": 0.0,
    "per_device_train_batch_size": 16,
}
# What decides about the weights, with a value that does it within three updates.
DECIDE = {
    "max_steps": 2, "learning_rate": 0.01, "lr_scheduler_type": "linear", "warmup_steps": 1, "weight_decay": 0.1,
    "max_grad_norm": 0.1, "per_device_train_batch_size": 8, "gradient_accumulation_steps": 2, "num_generations": 4,
    "max_completion_length": 4, "temperature": 0.5, "num_iterations": 1, "beta": 0.0, "epsilon": 5.0,
    "epsilon_high": 0.0, "delta": 1.05, "loss_type": "sapo", "importance_sampling_level": "sequence",
    "use_bias_correction_kl": True, "scale_rewards": "none", "reward_weights": [1.0, 0.5],
    "mask_truncated_completions": True, "max_sampling_rounds": 3, "seed": 1, "steps_per_generation": 2,
    "off_policy_mask_threshold": 0.0,
}  # fmt: skip
# What is only seen: each has a test below, or in test_policy (how the model computes: bf16 leaves float64 as it is) and
# in test_records.
SEEN = {
    "output_dir", "eval_steps", "per_device_eval_batch_size", "save_steps", "save_total_limit", "log_completions",
    "use_cpu", "disable_tqdm", "bf16", "gradient_checkpointing", "report_to",
}  # fmt: skip


def by_threes(completions, pays, **columns):
    """Another reward that pays for every other prompt only."""
    return [float(pay and len(text) % 3) for text, pay in zip(completions, pays, strict=True)]


def finished(**settings):
    args = GRPOConfig(**BASE | settings)
    trainer = GRPOTrainer(model_of(), [only_some, by_threes], args, ROWS, TOKENIZER, eval_dataset=ROWS)
    trainer.train()
    return trainer


@pytest.fixture(scope="module")
def plain():
    run = finished()
    assert run.history[0]["frac_reward_zero_std"] == 0.5
    return weights(run.model)


def test_no_setting_is_left_out():
    assert {field.name for field in fields(GRPOConfig)} == set(DECIDE) | SEEN
    assert not set(DECIDE) & SEEN


@pytest.mark.parametrize("name", DECIDE)
def test_it_decides_about_the_weights(name, plain):
    assert not any(map(torch.equal, plain, weights(finished(**{name: DECIDE[name]}).model)))


def test_what_is_only_seen_does_not_decide(plain, tmp_path):
    watched = finished(output_dir=str(tmp_path), eval_steps=1, per_device_eval_batch_size=2, save_steps=1,
                       save_total_limit=1, log_completions=True, use_cpu=True, disable_tqdm=False)  # fmt: skip
    assert all(map(torch.equal, plain, weights(watched.model)))


def test_files_of_a_run(tmp_path):
    def left(folder, **settings):
        finished(output_dir=str(tmp_path / folder), num_iterations=1, **settings)
        return {path.name for path in (tmp_path / folder).iterdir()} - {".lock"}

    assert left("plain") == {"metrics.jsonl", "checkpoint-3"}
    assert left("often", save_steps=1) == {"metrics.jsonl", "checkpoint-1", "checkpoint-2", "checkpoint-3"}
    assert left("few", save_steps=1, save_total_limit=2) == {"metrics.jsonl", "checkpoint-2", "checkpoint-3"}
    assert left("texts", log_completions=True) == {"metrics.jsonl", "checkpoint-3", "completions.jsonl"}
    assert [line["step"] for line in records(tmp_path / "plain")] == [1, 2, 3]


@pytest.mark.parametrize(("eval_steps", "steps"), [(None, []), (1, [0, 1, 2, 3]), (2, [0, 2])])
def test_evaluations_of_a_run(eval_steps, steps):
    run = finished(num_iterations=1, eval_steps=eval_steps)
    assert [record["step"] for record in run.history if "eval" in record] == steps


@pytest.mark.parametrize("at_once", [2, 6])
def test_prompts_are_evaluated_so_many_at_once(at_once):
    sizes = []

    def counted(completions, **columns):
        sizes.append(len(completions))
        return odd(completions)

    args = GRPOConfig(**BASE | {"per_device_eval_batch_size": at_once})
    GRPOTrainer(model_of(), counted, args, ROWS, TOKENIZER, eval_dataset=ROWS).evaluate()
    assert sizes == [at_once] * (2 * 6 // at_once)  # greedy and sampled


def test_the_accelerator_is_taken_unless_the_cpu_is_asked_for(monkeypatch):
    asked, start = [], distributed.start
    monkeypatch.setattr(distributed, "start", lambda use_cpu: asked.append(use_cpu) or start(use_cpu=True))
    for use_cpu in (False, True):
        GRPOTrainer(model_of(), odd, GRPOConfig(**BASE | {"use_cpu": use_cpu}), ROWS, TOKENIZER)
    assert asked == [False, True]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for mps, use_cpu, device in ((True, False, "mps"), (True, True, "cpu"), (False, False, "cpu")):
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda mps=mps: mps)
        assert start(use_cpu) == torch.device(device)


def test_the_bar_can_be_shown_and_hidden(capsys):
    shown = []
    for disable_tqdm in (False, True, None):  # None: in a terminal only
        finished(disable_tqdm=disable_tqdm)
        shown.append(capsys.readouterr().err)
    assert "3/3" in shown[0]
    assert "reward=" in shown[0]
    assert shown[1:] == ["", ""]
