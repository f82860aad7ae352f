"""The benchmark: what is divided by what, each part on tiny sizes, and the page shows what is measured.

The directions are tested with a clock that stands still unless the work in question moves it.
"""

import json
import os
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

import compare
import scoring
import stepwise
from grpo_lite import _checks, completion_logps
from grpo_lite.tasks import load_base_model
from grpo_lite.training.gradient import stack

ROOT = Path(__file__).parents[1]
TINY = {"per_device_train_batch_size": 8, "num_generations": 4}


class StandIn:
    """A clock for `time.perf_counter`, moved by hand."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        for module in (compare, stepwise, scoring):
            monkeypatch.setattr(module.time, "perf_counter", lambda: self.now)

    def passes(self, seconds, result=None):
        """Something to call that takes so many seconds."""

        def work(*args, **kwargs):
            self.now += seconds
            return result

        return work


@pytest.fixture
def clock(monkeypatch):
    return StandIn(monkeypatch)


class TestDirections:
    """Each ratio is ours divided by theirs, by durations that are given."""

    def test_of_a_step(self, clock, monkeypatch):
        monkeypatch.setattr(compare.GRPOTrainer, "train", clock.passes(2.0))
        monkeypatch.setattr(compare, "model_alone", clock.passes(5.0))

        def train_trl(after_update, reward, settings):
            assert settings["max_steps"] == 3
            assert not any(after_update(None, number, 8.0) for number in (1, 2, 3))

        monkeypatch.setattr(compare, "train_trl", train_trl)
        turns = compare.step(rounds=3, **TINY)
        assert turns == [{"one step / TRL's": (2.0, 8.0), "one step / the model's calls alone": (2.0, 5.0)}] * 3
        assert [row.ratio for row in compare.summary("step", turns)] == [0.25, 0.4]

    def test_of_learning(self, monkeypatch):
        def race(train, target, settings):
            assert (target, settings["max_steps"]) == (0.9, 120)
            return {compare.train_ours: (30.0, 10), compare.train_trl: (120.0, 12)}[train]

        monkeypatch.setattr(compare, "_race", race)
        turn = {"time to 90% accuracy / TRL's": (30.0, 120.0), "updates until then / TRL's": (10, 12)}
        assert compare.learning(seeds=2, target=0.9) == [turn, turn]

    def test_of_memory(self, monkeypatch):
        def in_new_process(work, width, plain, tokens):
            assert (work, tokens) == (scoring.scoring_cost, 64)
            return (1000 * width, 9.0) if plain else (100 * width, 3.0)

        monkeypatch.setattr(scoring, "in_new_process", in_new_process)
        turn = {}
        for width in (8, 16):
            turn[f"memory of scoring / with all logits, width {width}"] = (100 * width, 1000 * width)
            turn[f"time of scoring / with all logits, width {width}"] = (3.0, 9.0)
        assert compare.memory(widths=(8, 16), runs=2, tokens=64) == [turn, turn]

    def test_of_a_real_model(self, monkeypatch):
        def in_new_process(work, train, updates):
            assert (work, updates) == (stepwise.real_cost, 4)
            return {compare.train_ours: (3000, 5.0), compare.train_trl: (6000, 20.0)}[train]

        monkeypatch.setattr(scoring, "in_new_process", in_new_process)
        turn = {"one step of SmolLM2 / TRL's": (5.0, 20.0), "memory of a step of SmolLM2 / TRL's": (3000, 6000)}
        assert compare.real(rounds=2, updates=4) == [turn, turn]

    def test_of_rewards(self, clock, monkeypatch):
        def code_reward(completions, tests, entry_points):
            assert len(completions) == len(tests) == len(entry_points)
            clock.now += 0.002 * len(completions)

        def math_reward(completions, ground_truth):
            assert len(completions) == len(ground_truth)
            clock.now += 0.004 * len(completions)

        monkeypatch.setattr(compare, "code_reward", code_reward)
        monkeypatch.setattr(compare, "math_reward", math_reward)
        turns = compare.rewards(rounds=2, programs=30)
        ratios = {row.what: row.ratio for row in compare.summary("rewards", turns)}
        assert len(turns) == 2
        assert ratios == {
            "one program of three tests / a millisecond": pytest.approx(2.0),
            "one math answer / a millisecond": pytest.approx(4.0),
        }

    def test_of_the_plain_way_to_score(self, monkeypatch):
        """It is the one that does without `completion_logps`."""
        called = []
        monkeypatch.setattr(scoring, "completion_logps", lambda *a: called.append(a) or completion_logps(*a))
        scoring.scoring_cost(8, plain=True, tokens=32, vocabulary=50)
        assert called == []
        scoring.scoring_cost(8, plain=False, tokens=32, vocabulary=50)
        assert len(called) == 1


class TestSummary:
    def test_a_ratio_is_the_median_over_turns(self):
        def ratio(*pairs):
            (row,) = compare.summary("part", [{"x / y": pair} for pair in pairs])
            return row

        assert ratio((1.0, 2.0), (4.0, 2.0), (3.0, 2.0)) == ("part", "x / y", 1.5, 0.5, 2.0, None, 3.0)
        # Turn by turn: the ratio of the medians would be 2 here.
        assert ratio((1.0, 1.0), (2.0, 1.0), (30.0, 10.0)).ratio == 2.0
        assert ratio((1.0, 5.0), (10.0, 2.0), (10.0, 20.0)).ratio == 0.5

    def test_goals_stand_behind_the_labels_that_they_belong_to(self):
        labels = ["one step / TRL's", "updates until then / TRL's"]
        rows = compare.summary("part", [dict.fromkeys(labels, (1.0, 4.0))])
        assert [(row.what, row.goal) for row in rows] == list(zip(labels, [0.75, None], strict=True))

    def test_of_nothing(self):
        assert compare.summary("part", []) == []


class TestClock:
    def test_stands_still_while_it_reports(self, clock):
        laps = []
        lap = stepwise.Clock(lambda *seen: laps.append(seen) or clock.passes(50.0)() or seen[1] == 2).lap
        clock.now += 3.0
        assert not lap("model", 1)
        clock.now += 4.0
        assert lap("model", 2)
        assert laps == [("model", 1, 3.0), ("model", 2, 4.0)]

    def test_a_step_is_one_update_and_takes_what_the_trainer_takes(self, clock, monkeypatch):
        trainer = compare._trainer(compare.STEP | TINY)
        sample = trainer.sample
        monkeypatch.setattr(trainer, "sample", lambda: clock.passes(7.0)() or sample())
        assert [compare._one_step(trainer) for _ in range(2)] == [7.0, 7.0]
        assert trainer.step == 2

    def test_a_race_counts_what_the_clock_gives_and_evaluates_every_second_update(self, monkeypatch):
        accuracies = iter([0.5, 0.96])
        monkeypatch.setattr(compare.rollout, "evaluate", lambda *args: {"sampled_accuracy": next(accuracies)})

        def train(after_update, reward, settings):
            stops = [after_update(None, number, float(number)) for number in (1, 2, 3, 4)]
            assert stops == [False, False, False, True]

        assert compare._race(train, 0.95, {"max_steps": 4}) == (10.0, 4)

    def test_a_race_that_does_not_reach_its_target_says_so(self, monkeypatch):
        monkeypatch.setattr(compare.rollout, "evaluate", lambda *args: {"sampled_accuracy": 0.5})

        def train(after_update, reward, settings):
            assert not any(after_update(None, number, 1.0) for number in (1, 2))

        with pytest.raises(ValueError, match="in reach of 2 updates, got 0.95 and 0.5"):
            compare._race(train, 0.95, {"max_steps": 2})


@pytest.mark.slow
class TestParts:
    def check(self, part, turns, count):
        assert len(turns) == count
        for row in compare.summary(part, turns):
            assert 0 < row.low <= row.ratio <= row.high < float("inf")

    def test_step(self):
        self.check("step", compare.step(rounds=2, **TINY), 2)

    def test_learning(self):
        self.check("learning", compare.learning(seeds=2, target=0.05, **TINY), 2)

    def test_memory(self):
        torch.ones(2 * 10**8)  # 800 MB that this process has held, and a new one has not
        (turn,) = compare.memory(widths=(8,), runs=1, tokens=512, vocabulary=40_000)
        ours, plain = turn["memory of scoring / with all logits, width 8"]
        logits = 512 * 40_000 * 4
        assert logits < plain < 8e8
        assert ours < plain - logits

    def test_rewards(self, monkeypatch):
        paid, code_reward = [], compare.code_reward
        monkeypatch.setattr(compare, "code_reward", lambda *a, **k: paid.append(code_reward(*a, **k)) or paid[-1])
        self.check("rewards", compare.rewards(rounds=2, programs=3), 2)
        assert paid == [[1.0], [1.0] * 3, [1.0] * 3]  # what is timed is judged right

    @pytest.mark.parametrize("train", [stepwise.train_ours, stepwise.train_trl])
    def test_both_trainers_get_the_same_work(self, train):
        batches, laps = [], []

        def reward(completions, ground_truth, **columns):
            batches.append(len(completions))
            return [float(len(text)) for text in completions]

        def stop_after_three(model, number, seconds):
            laps.append((number, seconds > 0))
            return number == 3

        train(stop_after_three, reward, compare.LEARNING | TINY | {"seed": 0})
        assert batches == [8, 8, 8]
        assert laps == [(1, True), (2, True), (3, True)]


class TestMemory:
    def test_is_left_out_where_there_is_no_proc(self, monkeypatch, tmp_path, capsys):
        monkeypatch.setattr(scoring, "STATUS", tmp_path / "status")
        assert compare.memory() == []
        assert "only Linux has: left out" in capsys.readouterr().err

    def test_what_is_held_is_read_in_bytes(self, monkeypatch, tmp_path):
        (tmp_path / "status").write_text("Name:\tpython\nVmHWM:\t  900 kB\nVmRSS:\t  700 kB\nSpeculation:\ta: b\n")
        monkeypatch.setattr(scoring, "STATUS", tmp_path / "status")
        assert (scoring.resident("VmRSS"), scoring.resident("VmHWM")) == (700 * 1024, 900 * 1024)


def test_the_model_alone_updates_by_the_cross_entropy_of_the_completion_tokens():
    model, tokenizer = load_base_model()
    trainer = compare._trainer(compare.STEP | TINY)
    batch = stack(trainer.add_advantages(trainer.sample()))
    assert not batch.mask.all()
    logps = completion_logps(model, batch.prompt_ids, batch.ids, completion_mask=batch.mask)
    weights = list(model.parameters())
    expected = torch.autograd.grad(-logps[batch.mask].mean(), weights)
    before = [weight.detach().clone() for weight in weights]
    stepwise.model_alone(model, torch.optim.SGD(weights, lr=1.0), batch)
    for old, new, gradient in zip(before, weights, expected, strict=True):
        torch.testing.assert_close(old - new, gradient, atol=2e-6, rtol=1e-4)


def test_no_group_agrees_on_a_reward_for_every_second_completion():
    groups = compare._trainer(compare.STEP | TINY).sample()
    assert [group.rewards.tolist() for group in groups] == [[0.0, 1.0, 0.0, 1.0]] * 2


def test_table():
    rows = [compare.Row("a", "x / y", 0.5, 0.25, 1.0, 0.5, 3.0), compare.Row("a", "z", 0.51, 0.5, 0.52, 0.5, 3.0)]
    assert compare.table([*rows, compare.Row("b", "w", 2.0, 1.0, 3.0, None, 3.0)]).splitlines()[2:] == [
        "| a | x / y | 0.50 | 0.25 to 1.00 | 0.5, met |",
        "| a | z | 0.51 | 0.50 to 0.52 | 0.5, missed |",
        "| b | w | 2.00 | 1.00 to 3.00 |  |",
    ]


class TestCommand:
    @pytest.fixture(autouse=True)
    def leave_the_test_process_as_it_is(self, monkeypatch, tmp_path):
        self.cores = []
        monkeypatch.setattr(os, "sched_setaffinity", lambda process, cores: self.cores.append(cores), raising=False)
        monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5}, raising=False)
        monkeypatch.setattr(os, "environ", dict(os.environ))
        parts = {"step": lambda: [{"s / t": (1, 4)}], "memory": lambda: [{"m / n": (3, 2)}]}
        monkeypatch.setattr(compare, "PARTS", parts)
        self.stored = tmp_path / "bench.md"
        monkeypatch.setattr(compare, "STORED", self.stored)

    def test_stores_table_and_json(self, capsys):
        compare.main([])
        text = self.stored.read_text()
        assert capsys.readouterr().out == text
        assert text.splitlines()[2:4] == [
            "| step | s / t | 0.25 | 0.25 to 0.25 |  |",
            "| memory | m / n | 1.50 | 1.50 to 1.50 |  |",
        ]
        content = json.loads(self.stored.with_suffix(".json").read_text())
        assert [compare.Row(**row) for row in content["rows"]] == [
            ("step", "s / t", 0.25, 0.25, 0.25, None, 1),
            ("memory", "m / n", 1.5, 1.5, 1.5, None, 3),
        ]
        assert text.endswith(f"\n\n{content['machine']}\n")

    def test_keeps_to_one_core_and_measures_one_part_beside_the_stored_others(self, capsys, monkeypatch):
        compare.main([])
        monkeypatch.setattr(compare, "PARTS", {"step": lambda: [{"s / t": (3, 4)}], "memory": None})
        compare.main(["--only", "step"])
        assert self.cores == [{3}, {3}]
        assert self.stored.read_text().splitlines()[2:4] == [
            "| step | s / t | 0.75 | 0.75 to 0.75 |  |",
            "| memory | m / n | 1.50 | 1.50 to 1.50 |  |",
        ]

    @pytest.mark.parametrize("only", ["speed", ""])
    def test_an_unknown_part_is_refused(self, only, capsys):
        with pytest.raises(SystemExit):
            compare.main(["--only", only])
        assert re.search(f"--only: invalid choice: '{only}' .*step.*memory", capsys.readouterr().err)
        assert not self.cores

    def test_a_missing_trl_names_the_extra(self, monkeypatch):
        _checks.check_installed.cache_clear()
        monkeypatch.setattr(_checks, "find_spec", lambda name: None)
        with pytest.raises(ImportError, match=r"grpo-lite\[train,test\]"):
            compare.main([])


def test_the_stored_table_has_the_rows_that_are_measured(monkeypatch):
    """All parts at their full sizes, with nothing measured: what is left is the labels."""
    monkeypatch.setattr(compare, "train_trl", lambda after_update, reward, settings: after_update(None, 1, 1.0))
    monkeypatch.setattr(compare, "_one_step", lambda trainer: 1.0)
    monkeypatch.setattr(compare, "_seconds", lambda work: 1.0)
    monkeypatch.setattr(compare, "_race", lambda *args: (1.0, 1))
    monkeypatch.setattr(scoring, "in_new_process", lambda *args: (1, 1.0))
    rows = [row for name, part in compare.PARTS.items() for row in compare.summary(name, part())]
    stored = json.loads(compare.STORED.with_suffix(".json").read_text())
    stored_rows = [compare.Row(**row) for row in stored["rows"]]
    assert [(row.part, row.what, row.goal) for row in stored_rows] == [(row.part, row.what, row.goal) for row in rows]
    assert set(compare.GOALS) == {row.what for row in rows if row.goal is not None}
    text = f"{compare.table(stored_rows)}\n\n{stored['machine']}\n"
    assert compare.STORED.read_text() == text


def test_the_picture_has_each_number_at_its_place_and_says_what_is_missed():
    rows = json.loads(compare.STORED.with_suffix(".json").read_text())["rows"]
    text = compare.STORED.with_suffix(".svg").read_text()
    assert text == compare.picture([compare.Row(**row) for row in rows])
    root = ElementTree.fromstring(text.replace(' xmlns="http://www.w3.org/2000/svg"', ""))
    ones = {e.text: float(e.get("x")) for e in root.iter("text") if e.text in ("1", "8")}

    def ratio(at):
        return 8 ** ((float(at) - ones["1"]) / (ones["8"] - ones["1"]))

    bars = [(ratio(e.get("x")), ratio(float(e.get("x")) + float(e.get("width")))) for e in root.iter("rect")]
    paths = [(e.get("class"), re.match(r"M([\d.]+)", e.get("d"))[1]) for e in root.iter("path")]
    assert bars == [pytest.approx((row["low"], row["high"]), rel=0.01) for row in rows]
    missed = [row["goal"] is not None and row["ratio"] > row["goal"] for row in rows]
    assert [ratio(at) for kind, at in paths if kind == "f0"] == [
        pytest.approx(row["ratio"], rel=0.01) for row, is_missed in zip(rows, missed, strict=True) if is_missed
    ]
    assert [ratio(e.get("cx")) for e in root.iter("circle")] == [
        pytest.approx(row["ratio"], rel=0.01) for row, is_missed in zip(rows, missed, strict=True) if not is_missed
    ]
    goals = [row["goal"] for row in rows if row["goal"] is not None]
    assert [ratio(at) for kind, at in paths if kind == "strong"] == [pytest.approx(goal, rel=0.01) for goal in goals]
    words = [e.text for e in root.iter("text")]
    assert words.count("missed") == sum(missed) == text.count("goal missed")
    for row in rows:
        assert row["what"] in words
        assert f"{row['ratio']:.2f}" in words


def test_the_page_shows_the_stored_table_and_the_command():
    page = (ROOT / "docs/speed.md").read_text()
    assert '--8<-- "tests/bench/bench.svg"' in page
    assert f'--8<-- "{compare.STORED.relative_to(ROOT)}"' in page
    assert "make bench" in page
    (parts,) = [line.split("one part: ")[1] for line in page.splitlines() if "one part: " in line]
    assert parts.replace(" or ", ", ").split(", ") == list(compare.PARTS)
