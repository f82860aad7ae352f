"""The benchmark: each part runs on tiny sizes, its arithmetic is right, and the page shows what it measures."""

import itertools
import json
from pathlib import Path

import pytest
import torch

from grpo_lite import _checks, completion_logps
from grpo_lite.experiments import bench, stepwise
from grpo_lite.tasks import load_base_model
from grpo_lite.training import batching

ROOT = Path(__file__).parents[1]
TINY = {"per_device_train_batch_size": 8, "num_generations": 4}


def check(rows, part, count):
    assert [row.part for row in rows] == [part] * count
    for row in rows:
        assert 0 < row.low <= row.ratio <= row.high < float("inf")


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
class TestParts:
    def test_step(self):
        check(bench.step(rounds=2, **TINY), "step", 2)

    def test_learning(self):
        check(bench.learning(seeds=2, target=0.05, **TINY), "learning", 3)

    def test_learning_says_if_the_target_was_not_reached(self):
        with pytest.raises(ValueError, match="in reach of 2 updates, got 1.1 and 0"):
            bench.learning(seeds=1, target=1.1, max_steps=2, **TINY)

    def test_memory(self):
        check(bench.memory(widths=(8, 16), runs=1, tokens=64, vocabulary=500), "memory", 4)

    def test_memory_is_that_of_the_new_process_alone(self):
        held_here = torch.ones(2 * 10**8)  # 800 MB
        taken, _ = bench._fresh("score(width=8, plain=False, tokens=64, vocabulary=500)")
        assert taken < 3 * 10**8 < held_here.nbytes

    def test_scaling(self, monkeypatch):
        trainers, one_step = [], bench._one_step
        monkeypatch.setattr(bench, "_one_step", lambda trainer: trainers.append(trainer) or one_step(trainer))
        monkeypatch.setattr(bench, "_fresh", lambda call, processes: processes)
        check(bench.scaling(rounds=2, runs=1, sizes=(2, 4), lengths=(3, 20)), "scaling", 3)
        last = {(t.args.num_generations, t.args.max_completion_length): t.history[-1] for t in trainers}
        assert [last[16, length]["completions/mean_length"] for length in (3, 20)] == [3, 20]
        assert all(record["frac_reward_zero_std"] == 0 for record in last.values())

    def test_rewards(self, monkeypatch):
        paid, code_reward = [], bench.code_reward
        monkeypatch.setattr(bench, "code_reward", lambda *a, **k: paid.append(code_reward(*a, **k)) or paid[-1])
        check(bench.rewards(rounds=2, programs=3, calls=1), "rewards", 3)
        assert paid == [[1.0], [1.0], [1.0] * 3, [1.0], [1.0] * 3, [1.0]]  # what is timed is judged right

    def test_two_processes_share_a_step(self):
        assert bench._fresh("share(2, rounds=1)", processes=2) > 0

    def test_both_trainers_get_the_same_work(self):
        for train in (stepwise.train_ours, stepwise.train_trl):
            batches, laps = [], []

            def reward(completions, ground_truth, batches=batches, **columns):
                batches.append(len(completions))
                return [float(len(text)) for text in completions]

            def stop_after_three(model, number, seconds, laps=laps):
                laps.append((number, seconds > 0))
                return number == 3

            train(stop_after_three, reward, bench.LEARNING | TINY | {"seed": 0})
            assert batches == [8, 8, 8]
            assert laps == [(1, True), (2, True), (3, True)]


def test_the_plain_update_is_the_cross_entropy_of_the_completion_tokens():
    model, tokenizer = load_base_model()
    trainer = bench._trainer(bench._every_second, bench.STEP | TINY)
    batch = batching.stack(trainer.sample())
    assert not batch.mask.all()
    logps = completion_logps(model, batch.prompt_ids, batch.ids, completion_mask=batch.mask)
    weights = list(model.parameters())
    expected = torch.autograd.grad(-logps[batch.mask].mean(), weights)
    before = [weight.detach().clone() for weight in weights]
    bench._floor(model, torch.optim.SGD(weights, lr=1.0), batch)
    for old, new, gradient in zip(before, weights, expected, strict=True):
        torch.testing.assert_close(old - new, gradient, atol=2e-6, rtol=1e-4)


def test_the_clock_stands_still_while_it_reports(monkeypatch):
    now = itertools.accumulate([100.0, 3.0, 50.0, 4.0, 60.0])  # start; update, report; update, report
    monkeypatch.setattr(stepwise.time, "perf_counter", lambda: next(now))
    laps = []
    clock = stepwise.Clock(lambda model, number, seconds: laps.append(seconds) or number == 2)
    assert not clock.lap(None, 1)
    assert clock.lap(None, 2)
    assert laps == [3.0, 4.0]


def test_a_race_counts_what_the_clock_gives_and_evaluates_every_second_update(monkeypatch):
    accuracies = iter([0.5, 0.96])
    monkeypatch.setattr(bench.rollout, "evaluate", lambda *args: {"sampled_accuracy": next(accuracies)})

    def train(after_update, reward, settings):
        stops = [after_update(None, number, float(number)) for number in (1, 2, 3, 4)]
        assert stops == [False, False, False, True]
        return 7.0

    assert bench._race(train, 0.95, {"max_steps": 4}) == (10.0, 4, 7.0)


def test_a_ratio_is_the_median_over_pairs():
    row = bench._compare("part", "what", [1.0, 4.0, 3.0], [2.0, 2.0, 2.0], goal=2.0)
    assert row == ("part", "what", 1.5, 0.5, 2.0, 2.0, 3.0)
    # Pair by pair: the ratio of the medians would be 2 here.
    assert bench._compare("part", "what", [1.0, 2.0, 30.0], [1.0, 1.0, 10.0]).ratio == 2.0
    assert bench._compare("part", "what", [1.0, 10.0, 10.0], [5.0, 2.0, 20.0]).ratio == 0.5


def test_table():
    rows = [bench.Row("a", "x / y", 0.5, 0.25, 1.0, 0.5, 3.0), bench.Row("a", "z", 0.51, 0.5, 0.52, 0.5, 3.0)]
    assert bench.table([*rows, bench.Row("b", "w", 2.0, 1.0, 3.0, None, 3.0)]).splitlines()[2:] == [
        "| a | x / y | 0.50 | 0.25 to 1.00 | 0.5, met |",
        "| a | z | 0.51 | 0.50 to 0.52 | 0.5, missed |",
        "| b | w | 2.00 | 1.00 to 3.00 |  |",
    ]


def test_main_writes_table_and_json(monkeypatch, tmp_path, capsys):
    row = bench.Row("step", "x / y", 0.5, 0.25, 1.0, 0.75, 3.0)
    monkeypatch.setattr(bench, "PARTS", {"step": lambda: [row], "memory": lambda: [row._replace(part="memory")]})
    bench.main(only="memory", output=str(tmp_path / "bench.md"))
    text = (tmp_path / "bench.md").read_text()
    assert capsys.readouterr().out == text
    assert "| memory | x / y | 0.50 |" in text
    assert "| step |" not in text
    content = json.loads((tmp_path / "bench.json").read_text())
    assert content["rows"] == [{**row._asdict(), "part": "memory"}]
    assert content["machine"] in text


def test_an_unknown_part_is_refused():
    with pytest.raises(
        ValueError, match="--only must be one of 'step', 'learning', 'memory', 'scaling', 'rewards', got 'speed'"
    ):
        bench.main(only="speed")


def test_a_missing_trl_names_the_extra(monkeypatch):
    _checks.check_installed.cache_clear()
    monkeypatch.setattr(_checks, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"grpo-lite\[train,test\]"):
        bench.main()


def test_the_stored_table_has_the_rows_that_are_measured(monkeypatch):
    """All parts at their full sizes, with nothing measured: what is left is the labels."""
    monkeypatch.setattr(bench, "train_trl", lambda after_update, reward, settings: after_update(None, 1, 1.0))
    monkeypatch.setattr(bench, "_one_step", lambda trainer: 1.0)
    monkeypatch.setattr(bench, "_seconds", lambda work: 1.0)
    monkeypatch.setattr(bench, "_race", lambda *args: (1.0, 1, 1.0))
    monkeypatch.setattr(bench, "_fresh", lambda call, processes=1: [1, 1.0] if call.startswith("score") else 1.0)
    rows = [row for part in bench.PARTS.values() for row in part()]
    labels = [f"| {row.part} | {row.what} |" for row in rows]
    lines = (ROOT / "grpo_lite" / "data" / "bench.md").read_text().splitlines()
    assert lines[:2] == bench.table([]).splitlines()
    shown = [line for line in lines[2:] if line.startswith("|")]
    assert [line[: len(label)] for line, label in zip(shown, labels, strict=True)] == labels
    stored = json.loads((ROOT / "grpo_lite" / "data" / "bench.json").read_text())
    stored_rows = [bench.Row(**row) for row in stored["rows"]]
    assert bench.table(stored_rows).splitlines()[2:] == shown
    assert stored["machine"] == lines[-1]


def test_the_page_shows_the_stored_table_and_the_command():
    page = (ROOT / "docs" / "speed.md").read_text()
    assert '--8<-- "grpo_lite/data/bench.md"' in page
    assert "make bench" in page
