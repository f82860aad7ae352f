"""What a run writes down: the numbers of a batch by hand, and files of JSON lines that survive being cut off."""

import json
import math
import sys
from functools import partial
from pathlib import Path

import pytest
import yaml

from grpo_lite import GRPOConfig, GRPOTrainer, _checks
from grpo_lite.training import distributed, records
from helpers.runs import ROWS, SETTINGS, TOKENIZER, group_of, model_of, odd

NAN = math.nan


def half(completions, **columns):
    return [0.5 for _ in completions]


def test_a_batch_in_numbers():
    one = group_of([1, 3], [True, False], [[1.0, NAN], [0.0, 0.5]], [1.0, 0.25])
    two = group_of([2, 4], [True, True], [[2.0, NAN], [2.0, NAN]], [3.0, NAN], logps=-2.0)
    three = group_of([2, 2], [True, True], [[0.0, NAN], [0.0, NAN]], [0.0, 0.0], logps=-1.0)
    assert records.describe([one, two, three], [odd, partial(half)], 0.25) == pytest.approx(
        {
            "reward": (1.0 + 0.25 + 3.0) / 5,  # one could not be judged
            "rewards/odd": 5 / 6,
            "rewards/half": 0.5,
            "frac_reward_zero_std": 2 / 3,
            "entropy": (4 * 0.5 + 6 * 2.0 + 4 * 1.0) / 14,  # a mean over tokens, not over completions
            "completions/mean_length": 14 / 6,
            "completions/clipped_ratio": 1 / 6,
            "tokens_per_second": 56.0,
        }
    )


def test_functions_of_one_name_have_a_column_each():
    group = group_of([1, 3], [True, True], [[1.0, 5.0], [0.0, 7.0]], [1.0, 0.0])
    found = records.describe([group], [half, partial(half)], 0.5)
    assert (found["rewards/half"], found["rewards/half_2"]) == (0.5, 6.0)


def test_speed_is_that_of_all_processes(monkeypatch):
    monkeypatch.setattr(distributed, "world_size", lambda: 3)
    group = group_of([1, 3], [True, True], [[1.0], [0.0]], [1.0, 0.0])
    assert records.describe([group], [odd], 0.5)["tokens_per_second"] == 24.0


def test_a_record_for_each_completion():
    group = group_of([1, 3], [True, False], [[1.0], [NAN]], [1.0, NAN], advantages=[0.5, 0.0])
    common = {"step": 7, "prompt": "größer?"}
    assert records.completions_of(group, 7) == [
        common | {"completion": "text 0", "reward": 1.0, "advantage": 0.5},
        common | {"completion": "text 1", "reward": None, "advantage": 0.0},
    ]


def test_only_nan_becomes_none():
    record = {"a": NAN, "b": 0.0, "c": "nan", "d": None, "e": False, "f": [1], "g": 3}
    assert records.without_nan(record) == record | {"a": None}


def test_lines_are_added_and_read_again(tmp_path):
    path = tmp_path / "not" / "there" / "a.jsonl"
    assert records.read_lines(path) == []
    lines = [{"step": 1, "text": "ü\u2028\n天"}, {"step": 2, "text": ""}]
    for line in lines:
        records.append_line(path, line)
    assert path.read_bytes() == b'{"step": 1, "text": "\\u00fc\\u2028\\n\\u5929"}\n{"step": 2, "text": ""}\n'
    assert records.read_lines(path) == lines
    path.write_bytes('{"text": "ü"}\n{"text": "'.encode())  # written by another program, and cut off
    assert records.read_lines(path) == [{"text": "ü"}]


@pytest.mark.parametrize(("last", "kept"), [(-1, []), (0, [0]), (1, [0, 1, 1]), (2, [0, 1, 1, 2]), (9, [0, 1, 1, 2])])
def test_records_of_later_steps_are_dropped(last, kept, tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps({"step": step}) + "\n" for step in (0, 1, 1, 2)) + '{"step": 1')
    assert records.cut_lines(path, last) == [{"step": step} for step in kept]
    assert path.read_text() == "".join(f'{{"step": {step}}}\n' for step in kept)
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_cut_where_there_is_nothing(tmp_path):
    assert records.cut_lines(tmp_path / "metrics.jsonl", 3) == []
    assert not list(tmp_path.iterdir())


def test_whoever_dies_while_cutting_leaves_the_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n')
    write_text = Path.write_text

    def dies(self, text, **settings):
        write_text(self, text[:5], **settings)
        raise InterruptedError

    monkeypatch.setattr(Path, "write_text", dies)
    with pytest.raises(InterruptedError):
        records.cut_lines(path, 1)
    assert path.read_text() == '{"step": 1}\n{"step": 2}\n'


def test_the_first_process_writes_and_only_into_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    records.write(None, "a.jsonl", {"x": 1})
    monkeypatch.setattr(distributed, "rank", lambda: 1)
    records.write("run", "a.jsonl", {"x": 1})
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(distributed, "rank", lambda: 0)
    records.write("run", "a.jsonl", {"x": 1}, {"x": 2})
    records.write("run", "a.jsonl", {"x": 3})
    assert records.read_lines(tmp_path / "run" / "a.jsonl") == [{"x": 1}, {"x": 2}, {"x": 3}]


# Trackers.


def scalars_of(folder):
    """What TensorBoard reads: name -> [(step, value)]."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {name: [(e.step, e.value) for e in events.Scalars(name)] for name in events.Tags()["scalars"]}


def test_tensorboard_shows_the_numbers_of_the_history(tmp_path):
    args = GRPOConfig(**SETTINGS | {"output_dir": str(tmp_path), "report_to": "tensorboard", "eval_steps": 2})
    trainer = GRPOTrainer(model_of(), odd, args, ROWS, TOKENIZER, eval_dataset=ROWS[:2])
    history = trainer.train()
    found = scalars_of(tmp_path / "grpo_lite")
    for name in ("reward", "loss", "grad_norm", "completions/mean_length"):
        assert found[name] == [(r["step"], pytest.approx(r[name], rel=1e-6)) for r in history if "eval" not in r]
    assert [step for step, _ in found["sampled_odd"]] == [0, 2]
    (settings,) = (tmp_path / "grpo_lite").glob("*/hparams.yml")
    shown = yaml.safe_load(settings.read_text())
    assert (shown["learning_rate"], shown["loss_type"]) == (args.learning_rate, args.loss_type)
    trainer.evaluate()  # after the end: nothing is open any more
    assert [step for step, _ in scalars_of(tmp_path / "grpo_lite")["sampled_odd"]] == [0, 2]


def test_a_number_that_is_missing_is_not_shown_in_tensorboard(tmp_path):
    args = GRPOConfig(**SETTINGS | {"output_dir": str(tmp_path), "report_to": ["tensorboard"], "max_steps": 1})
    GRPOTrainer(model_of(), lambda completions, **c: [None] * len(completions), args, ROWS, TOKENIZER).train()
    found = scalars_of(tmp_path / "grpo_lite")
    assert "reward" not in found
    assert found["frac_reward_zero_std"] == [(1, 1.0)]


def test_a_tracker_that_is_not_there_is_named_before_anything_is_sampled(monkeypatch):
    def train(report_to):
        args = GRPOConfig(**SETTINGS | {"report_to": report_to})
        trainer = GRPOTrainer(model_of(), lambda **columns: pytest.fail("too late"), args, ROWS, TOKENIZER)
        trainer.train()

    with pytest.raises(ValueError, match="report_to must be one of 'none', .*'tensorboard'.*'wandb'.*, got 'paper'"):
        train("paper")
    with pytest.raises(ValueError, match="report_to='tensorboard' writes files and needs output_dir, got None"):
        train(["tensorboard"])
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ImportError, match="wandb"):
        train("wandb")
    monkeypatch.setattr(_checks, "find_spec", lambda name: None)
    _checks.check_installed.cache_clear()
    with pytest.raises(ImportError, match=r"report_to needs accelerate: pip install \"grpo-lite\[watch\]"):
        train("wandb")
    _checks.check_installed.cache_clear()
