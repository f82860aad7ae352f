"""The sweep, the results that ship with the package, and the numbers that the lesson "What matters" makes of them."""

import json
import math
import re
import statistics

import pytest
import torch

import lesson_runs
from grpo_lite import GRPOConfig, GRPOTrainer
from grpo_lite.tasks import accuracy, load_base_model, make_problems, think_rate
from grpo_lite.training import rollout
from grpo_lite.training.records import read_lines
from helpers.lessons import NUMBER, lesson, stored
from helpers.lessons import results as shown_results
from lesson_runs import AXES, BASE, BATCHES, DATA, FIXED, grid, sweep_over, what_matters

LISTS = ("sampled_accuracy", "greedy_accuracy", "think_rate", "mean_length", "frac_reward_zero_std", "clip_fraction")


STORED = DATA / "sweep.jsonl"


class TestGrid:
    def test_one_setting_at_a_time(self):
        settings = grid()
        assert settings[0] == BASE
        assert len({json.dumps(s, sort_keys=True) for s in settings}) == len(settings)
        changed = [{name for name in s if s[name] != BASE[name]} for s in settings]
        with_another = {frozenset(c) for c in changed if len(c) > 1}
        # The clip range needs several updates a batch, and these a smaller step to be compared with one.
        assert with_another == {
            frozenset({"num_iterations", "epsilon"}),
            frozenset({"num_iterations", "learning_rate"}),
        }
        assert all(GRPOConfig(**FIXED | s).completions_per_step == 64 for s in settings)

    def test_the_axes_hold_what_the_lesson_asks_about(self):
        assert set(AXES) == set(BASE)
        assert all(BASE[name] in values for name, values in AXES.items())
        assert min(len(values) for values in AXES.values()) == 3


class TestRun:
    @pytest.mark.slow
    def test_is_the_trainers_own_loop(self):
        """The same settings through GRPOTrainer.train give the same evaluations."""
        change = {"num_iterations": 2, "num_generations": 4}
        mine = lesson_runs.train(BASE | change, 3, [0, 1, 3])
        args = GRPOConfig(**FIXED | BASE | change, seed=3, max_steps=6, eval_steps=2, reward_weights=[1, 0])
        model, tokenizer = load_base_model()
        problems, held_out = make_problems("chain-sum", "train", 5000), make_problems("chain-sum", "test", 200)
        history = GRPOTrainer(model, [accuracy, think_rate], args, problems, tokenizer, held_out).train()
        found = [record for record in history if record.get("eval")]
        updates = [record for record in history if not record.get("eval")]
        assert [record["step"] for record in found] == [0, 2, 4, 6]
        assert mine["sampled_accuracy"] == pytest.approx([found[i]["sampled_accuracy"] for i in (0, 1, 3)], abs=1e-4)
        assert mine["think_rate"] == pytest.approx([found[i]["sampled_think_rate"] for i in (0, 1, 3)], abs=1e-4)
        assert mine["mean_length"] == pytest.approx([found[i]["mean_length"] for i in (0, 1, 3)], abs=1e-4)
        for name in ("frac_reward_zero_std", "clip_fraction"):
            means = [statistics.fmean(u[name] for u in updates[a:b]) for a, b in ((0, 2), (2, 6))]
            assert mine[name][0] is None
            assert mine[name][1:] == pytest.approx(means, abs=1e-4)
        assert mine["settings"] == BASE | change
        assert (mine["seed"], mine["batches"], mine["threads"]) == (3, [0, 1, 3], torch.get_num_threads())
        assert mine["torch"] == torch.__version__

    def test_evaluates_every_setting_at_temperature_1(self, monkeypatch):
        seen, honest = [], rollout.evaluate
        monkeypatch.setattr(rollout, "evaluate", lambda *args: seen.append(args[-1].temperature) or honest(*args))
        hot, cold = (lesson_runs.train(BASE | {"temperature": t}, 0, [0]) for t in (1.5, 0.5))
        assert seen == [1.0, 1.0]
        assert hot["sampled_accuracy"] == cold["sampled_accuracy"]


class TestMakingThem:
    @pytest.mark.slow
    def test_goes_on_after_a_kill_in_the_middle_of_a_line(self, tmp_path, monkeypatch):
        started, train = [], lesson_runs.train

        def watch(settings, seed, batches):
            started.append((settings["beta"], seed))
            return train(settings, seed, batches)

        monkeypatch.setattr(lesson_runs, "train", watch)
        settings, whole, cut = [{}, {"beta": 0.04}], tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
        sweep_over(whole, settings, range(2), [0, 1])
        assert started == [(0.0, 0), (0.04, 0), (0.0, 1), (0.04, 1)]  # seed by seed
        assert [(r["settings"]["beta"], r["seed"]) for r in read_lines(whole)] == started
        cut.write_bytes(whole.read_bytes()[:-40])
        started.clear()
        sweep_over(cut, settings, range(2), [0, 1])
        assert started == [(0.04, 1)]
        assert cut.read_bytes() == whole.read_bytes()
        started.clear()
        sweep_over(cut, settings, range(2), [0, 1])
        assert started == []
        sweep_over(cut, settings, range(1), [0])  # other batches are another run
        assert len(started) == 2

    def test_a_cut_first_line_leaves_nothing(self, tmp_path):
        path = tmp_path / "results.jsonl"
        path.write_text('{"settings"')
        sweep_over(path, [{}], [0], [0])
        assert len(read_lines(path)) == 1

    def test_the_whole_sweep_makes_only_what_is_missing(self, tmp_path, monkeypatch):
        path = tmp_path / "sweep.jsonl"
        lines = STORED.read_text().splitlines(keepends=True)
        path.write_text("".join(lines[:7] + lines[8:]))
        started = []
        monkeypatch.setattr(lesson_runs, "train", lambda **k: started.append(k) or read_lines(STORED)[-1])
        monkeypatch.setattr(lesson_runs, "DATA", tmp_path)
        what_matters()
        missing = json.loads(lines[7])
        assert started == [{name: missing[name] for name in ("settings", "seed", "batches")}]
        assert len(read_lines(path)) == len(lines)


class TestStored:
    results = read_lines(STORED)

    def test_every_setting_has_five_seeds_or_more(self):
        for setting in grid():
            seeds = [r["seed"] for r in self.results if r["settings"] == setting]
            assert len(seeds) >= 5, setting
            assert seeds == sorted(set(seeds)), setting  # the lesson compares in pairs, in the order of the file
        assert len(self.results) == len({(json.dumps(r["settings"]), r["seed"]) for r in self.results})
        assert all(r["settings"] in grid() for r in self.results)

    def test_a_run_carries_what_one_needs_to_repeat_it(self):
        for r in self.results:
            assert tuple(r["batches"]) == BATCHES
            assert r["threads"] == 1
            assert r["torch"].split(".")[0] == "2"
            assert all(len(r[name]) == len(BATCHES) for name in LISTS)

    def test_numbers_are_possible(self):
        for r in self.results:
            for name in ("sampled_accuracy", "greedy_accuracy", "think_rate"):
                assert all(0 <= x <= 1 and 200 * x == pytest.approx(round(200 * x)) for x in r[name])
            # One update a batch: the policy is the one that sampled, and nothing can be clipped.
            assert all(x == 0 for x in r["clip_fraction"][1:]) == (r["settings"]["num_iterations"] == 1)
            same_start = next(s for s in self.results if s["seed"] == r["seed"])
            assert r["sampled_accuracy"][0] == same_start["sampled_accuracy"][0]

    def test_the_file_is_small(self):
        assert STORED.stat().st_size < 150_000

    @pytest.mark.slow
    @pytest.mark.parametrize("change", [{}, {"num_iterations": 4, "epsilon": 0.05}, {"learning_rate": 1e-3}])
    def test_a_stored_run_can_be_repeated(self, change):
        """To the digit where it was made. Another processor rounds differently: weights that were moved by one part in
        a million gave the same evaluations, so four completions of 200 leave room enough."""
        stored = next(r for r in self.results if r["settings"] == {**BASE, **change})
        again = lesson_runs.train(BASE | change, stored["seed"], BATCHES[:3])
        for name in ("sampled_accuracy", "think_rate"):
            assert again[name] == pytest.approx(stored[name][:3], abs=0.0201)
        assert again["mean_length"] == pytest.approx(stored["mean_length"][:3], abs=0.1)
        assert again["clip_fraction"][1:] == pytest.approx(stored["clip_fraction"][1:3], abs=0.01)


class TestShown:
    """What the lesson "What matters" prints, computed again from the file in plain Python."""

    results = read_lines(STORED)

    def runs(self, **changes):
        found = [r for r in self.results if r["settings"] == {**BASE, **changes}]
        return sorted(found, key=lambda r: r["seed"])

    def average(self, run):
        """The trapezoids' areas over the length."""
        x, y = run["batches"], run["sampled_accuracy"]
        areas = [(x[i] - x[i - 1]) * (y[i] + y[i - 1]) / 2 for i in range(1, len(x))]
        return sum(areas) / (x[-1] - x[0])

    def final(self, run):
        return run["sampled_accuracy"][-1]

    def interval(self, values):
        quantile = {5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365}[len(values)]
        return [statistics.fmean(values), quantile * statistics.stdev(values) / len(values) ** 0.5]

    def apart(self, runs, base):
        by_seed = {r["seed"]: self.average(r) for r in base}
        return self.interval([self.average(r) - by_seed[r["seed"]] for r in runs])

    def lines(self, tag):
        return shown_results(stored(lesson("what_matters")))[f"result-{tag}"].splitlines()

    def numbers(self, text):
        return [float(x) for x in NUMBER.findall(text)]

    def label(self, value):
        return {5e-5: "5e-5", 2e-4: "2e-4", 5e-4: "5e-4", 1e-3: "1e-3", 3e-3: "3e-3"}.get(value, str(value))

    def along(self, axis):
        with_it = {"num_iterations": 4} if axis == "epsilon" else {}
        return {self.label(value): self.runs(**with_it, **{axis: value}) for value in AXES[axis]}

    def assert_row(self, row, label, runs, base, starred=False):
        whole, last = (self.interval([m(r) for r in runs]) for m in (self.average, self.final))
        mean, half = self.apart(runs, base)
        assert row.startswith(f"{label} ")
        numbers = self.numbers(row.removeprefix(label))
        against = [] if runs == base else [mean, half]
        assert numbers == pytest.approx([*whole, *against, *last], abs=6e-4)
        assert ("*" in row) == starred

    @pytest.mark.parametrize("axis", AXES)
    def test_table_of_an_axis(self, axis):
        rows, settings = self.lines(axis.replace("_", "-"))[1:], self.along(axis)
        stars = self.stars()
        for row, (label, runs) in zip(rows, settings.items(), strict=False):
            starred = f"{self.SHORT.get(axis, axis)} {label}" in stars
            self.assert_row(row, label, runs, settings[self.label(BASE[axis])], starred)
        assert len(rows) >= len(settings)

    @pytest.mark.parametrize(
        ("axis", "name"),
        [
            ("epsilon", "clip_fraction"),
            ("temperature", "frac_reward_zero_std"),
            ("num_generations", "frac_reward_zero_std"),
            ("beta", "think_rate"),
        ],
    )
    def test_means_below_a_table(self, axis, name):
        settings = self.along(axis)
        heading, *rows = self.lines(f"{axis.replace('_', '-')}-watched")
        assert heading.split() == [name, "by", "batch", *map(str, BATCHES[1:])]
        for row, (label, runs) in zip(rows, settings.items(), strict=True):
            means = [statistics.fmean(column) for column in zip(*(r[name][1:] for r in runs), strict=True)]
            assert self.numbers(row.removeprefix(label)) == pytest.approx(means, abs=6e-4)

    def test_last_lines(self):
        """What stands below two of the tables: the last evaluation, and one more pair of settings."""
        pairs = zip(self.runs(temperature=1.5), self.runs(), strict=True)
        expected = self.interval([self.final(a) - self.final(b) for a, b in pairs])
        assert self.numbers(self.lines("temperature-last")[-1])[1:] == pytest.approx(expected, abs=6e-4)
        expected = self.apart(self.runs(num_iterations=4), self.runs(learning_rate=5e-4))
        assert self.numbers(self.lines("reuse-apart")[-1])[-2:] == pytest.approx(expected, abs=6e-4)

    def test_collapse(self):
        for line in self.lines("collapse")[1:]:
            name = line.split()[0]
            expected = self.runs(learning_rate=3e-3)[0][name][1:]
            assert self.numbers(line) == pytest.approx(expected, abs=6e-3)

    def test_one_seed(self):
        alike = {"base": {}, "G 4": {"num_generations": 4}, "beta 0.01": {"beta": 0.01}, "beta 0.04": {"beta": 0.04}}
        alike |= {"batch": {"scale_rewards": "batch"}, "none": {"scale_rewards": "none"}}
        for seed, line in enumerate(self.lines("one-seed")[1:]):
            ends = {name: self.final(self.runs(**change)[seed]) for name, change in alike.items()}
            _, best, high, worst, low = re.split(r"  +", line.strip())
            assert (float(high), float(low)) == pytest.approx((max(ends.values()), min(ends.values())), abs=6e-4)
            assert (ends[best], ends[worst]) == (max(ends.values()), min(ends.values()))

    def test_reuse(self):
        rows = self.lines("reuse")[1:]
        changes = [{}, {"num_iterations": 4}, {"num_iterations": 4, "learning_rate": 5e-5}, {"learning_rate": 5e-4}]
        for row, change in zip(rows, changes, strict=True):
            updates, rate = change.get("num_iterations", 1), self.label(change.get("learning_rate", 2e-4))
            self.assert_row(row, f"{updates} × {rate}", self.runs(**change), self.runs())

    def test_noise(self):
        last = [self.final(r) for r in self.runs()]
        assert [self.numbers(line)[1] for line in self.lines("five-seeds")[1:]] == last
        found = [self.numbers(line) for line in self.lines("interval-by-hand")[1:]]
        for (n, mean, half), t in zip(found, (12.706, 4.303, 2.776), strict=True):
            values = last[: int(n)]
            expected = statistics.fmean(values), t * statistics.stdev(values) / n**0.5
            assert (mean, half) == pytest.approx(expected, abs=6e-4)
        for line, measure in zip(self.lines("measures")[1:], (self.average, self.final), strict=True):
            assert self.numbers(line) == pytest.approx(self.interval([measure(r) for r in self.runs()]), abs=6e-4)

    def test_pairs(self):
        for line, beta in zip(self.lines("pairs")[1:], (0.0, 0.01, 0.2), strict=True):
            runs = self.runs(beta=beta)
            expected = [beta, *self.interval([self.average(r) for r in runs]), *self.apart(runs, self.runs())]
            assert self.numbers(line) == pytest.approx(expected, abs=6e-4)

    SHORT = {"num_generations": "G", "num_iterations": "μ", "scale_rewards": "scale", "temperature": "temp"}
    SHORT |= {"learning_rate": "lr", "beta": "β", "epsilon": "ε"}

    def compared(self):
        """Every setting but the bases by its short name, with its own trainings and those of its base."""
        found = {}
        for axis in AXES:
            settings = self.along(axis)
            own = self.label(BASE[axis])
            for label, runs in settings.items():
                if label != own:
                    found[f"{self.SHORT.get(axis, axis)} {label}"] = (runs, settings[own])
        return found

    def p_value(self, mean, half):
        """What Student's density for four degrees of freedom, 3/8 (1 + x^2/4)^(-5/2), holds beyond t, on both sides."""
        t, steps = abs(mean) / half * 2.776, 2_000
        middles = (t * (i + 0.5) / steps for i in range(steps))
        return 1 - 2 * sum(3 / 8 * (1 + x * x / 4) ** -2.5 for x in middles) * t / steps

    def p_values(self):
        return {name: self.p_value(*self.apart(*both)) for name, both in self.compared().items()}

    def stars(self):
        """Holm's rule, written as what each p-value is multiplied with."""
        worst, kept = 0.0, []
        for i, (name, p) in enumerate(sorted(self.p_values().items(), key=lambda item: item[1])):
            worst = max(worst, (20 - i) * p)
            kept += [name] if worst < 0.05 else []
        return kept

    def test_all_differences(self):
        found = {name: self.apart(*both) for name, both in self.compared().items()}
        clear = sorted((n for n, (mean, half) in found.items() if abs(mean) > half), key=lambda n: -abs(found[n][0]))
        stars = self.stars()
        head, _, _, *rows = self.lines("all")
        assert head == f"each for itself {len(clear)} of {len(found)}, by Holm's rule {len(stars)}"
        assert (len(clear), len(found), len(stars)) == (14, 20, 9)  # as the text says
        for row, name in zip(rows, clear, strict=True):
            assert row.startswith(f"{name} ")
            greedy = statistics.fmean(r["greedy_accuracy"][-1] for r in self.compared()[name][0])
            assert self.numbers(row.removeprefix(name))[:2] == pytest.approx(found[name], abs=6e-4)
            assert float(row.split()[-1]) == pytest.approx(greedy, abs=6e-3)
            assert ("*" in row) == (name in stars)

    def test_three_settings_break_the_favourite_answer(self):
        ends = {n: statistics.fmean(r["greedy_accuracy"][-1] for r in runs) for n, (runs, _) in self.compared().items()}
        assert {n for n, x in ends.items() if x < 0.9} == {"lr 1e-3", "lr 3e-3", "μ 8"}
        assert min(x for x in ends.values() if x >= 0.9) > 0.97

    def test_sentences(self):
        """What the text says of the differences, and in which words of size."""
        d = {name: self.apart(*both)[0] for name, both in self.compared().items()}
        text = lesson("what_matters").read_text()
        for sentence in (
            f"Eight updates a batch lose {-d['μ 8']:.3f}",
            f"makes a difference of {-d['G 16']:.3f} clear",
            f"it seems to learn faster, by {d['lr 5e-4']:.3f}",
            f"one stands, $G = 16$ with −{-d['G 16']:.3f}",
            f"the average is lower by {-d['G 2']:.3f}",
            f"the average is lower by {-d['G 32']:.3f}",
            f"Four updates at 2e-4 gain {d['μ 4']:.3f}",
        ):
            assert sentence in text, sentence
        assert {name for name, x in d.items() if x < -0.1} == {"lr 3e-3", "lr 5e-5", "lr 1e-3", "temp 0.5"}
        assert {n for n in self.stars() if 0.04 < abs(d[n]) < 0.07} == {"μ 2", "μ 4", "temp 1.5"}
        sizes = [statistics.fmean(map(self.average, runs)) for runs in self.along("num_generations").values()]
        assert max(sizes) - min(sizes) < 0.03
        for temperature in (0.5, 1.0, 1.5):  # "99 of 100 samples, like the two others"
            assert statistics.fmean(map(statistics.fmean, self.judged(temperature, 0.5))) > 0.985

    def test_an_older_rule_drops_one(self):
        rows, stars, p_values = self.lines("survivors")[1:], self.stars(), self.p_values()
        assert [row.split("  ")[0] for row in rows] == stars
        for row, name in zip(rows, stars, strict=True):
            p = p_values[name]
            assert float(re.search(r"  (0\.\d+)", row)[1]) == pytest.approx(p, abs=2e-5)
            assert row.endswith("falls") == (p > 0.05 / 20) == (name == "G 16")

    def test_favourite_answers(self):
        for line, name in zip(self.lines("greedy")[1:], ("greedy_accuracy", "sampled_accuracy"), strict=True):
            means = [statistics.fmean(column) for column in zip(*(r[name] for r in self.runs()), strict=True)]
            assert self.numbers(line) == pytest.approx(means, abs=6e-3)

    def judged(self, temperature, at):
        rows = read_lines(STORED.with_name("judges.jsonl"))
        table = [r[f"judged at {at}"] for r in rows if r["temperature"] == temperature]
        assert [len(row) for row in table] == [8] * 5
        return table

    def test_two_kinds_of_luck(self):
        """One-way analysis of variance: five trainings, eight judges each."""
        table = self.judged(1.0, 1.0)
        means = [statistics.fmean(row) for row in table]
        within = sum((x - m) ** 2 for row, m in zip(table, means, strict=True) for x in row) / (5 * 7)
        between = 8 * sum((m - statistics.fmean(means)) ** 2 for m in means) / 4
        expected = [within**0.5, ((between - within) / 8) ** 0.5]
        found = [float(line.split()[-1]) for line in self.lines("two-kinds-of-luck")[1:]]
        assert found == pytest.approx(expected, abs=6e-4)

    def test_temperature_is_judged_at_two(self):
        for line, temperature in zip(self.lines("judged-at")[1:], (0.5, 1.0, 1.5), strict=True):
            expected = [temperature]
            for at in (1.0, 0.5):
                expected += [*self.interval([statistics.fmean(row) for row in self.judged(temperature, at)])]
            assert self.numbers(line) == pytest.approx(expected, abs=6e-4)

    def test_pooled_completions(self):
        for line, updates in zip(self.lines("suspicious")[1:], (1, 8), strict=True):
            ends = [self.final(r) for r in self.runs(num_iterations=updates)]
            p = statistics.fmean(ends)
            expected = [updates, p, 1.96 * math.sqrt(p * (1 - p) / 1000), *self.interval(ends)]
            assert self.numbers(line) == pytest.approx(expected, abs=6e-4)
