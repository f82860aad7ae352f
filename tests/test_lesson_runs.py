"""The trainings behind three lessons: none is missing, one can be repeated, and the lessons say what they hold."""

from statistics import fmean, stdev

import pytest

import lesson_runs
from grpo_lite.training.records import read_lines
from helpers.lessons import NUMBER, lesson, results, stored


def interval(values):
    assert len(values) == 5
    return [fmean(values), 2.776 * stdev(values) / 5**0.5]  # Student's factor for five


def under(x):
    """The average of a curve by trapezoids: the ends count half."""
    return (sum(x) - (x[0] + x[-1]) / 2) / (len(x) - 1)


def lines(key, tag):
    return results(stored(lesson(key)))[f"result-{tag}"].splitlines()


def numbers(text):
    return [float(x) for x in NUMBER.findall(text)]


def says(key, *sentences):
    text = lesson(key).read_text()
    assert [sentence for sentence in sentences if sentence not in text] == []


class TestBaselines:
    NAMES = {"fresh critic": "critic"}
    rows = read_lines(lesson_runs.DATA / "baselines.jsonl")

    def runs(self, size, name, shift=0):
        wanted = {"size": size, "baseline": self.NAMES.get(name, name), "shift": shift}
        return [row for row in self.rows if wanted.items() <= row.items()]

    def last(self, *which):
        return [row["accuracy"][-1] for row in self.runs(*which)]

    def average(self, *which):
        return [under(row["accuracy"]) for row in self.runs(*which)]

    def minus(self, a, b):
        return interval([x - y for x, y in zip(self.average(*a), self.average(*b), strict=True)])

    def test_every_way_has_the_same_five_seeds(self):
        assert len(self.rows) == 5 * len(lesson_runs.BASELINES) == 60
        for size, baseline, shift in lesson_runs.BASELINES:
            assert [row["seed"] for row in self.runs(size, baseline, shift)] == [*range(5)]

    @pytest.mark.slow
    def test_a_run_can_be_repeated(self):
        """Another processor rounds differently: 5 of 256 answers leave room enough."""
        its = lesson_runs.names_of("ppo_and_grpo", "base", "tokenizer", "problems", "held_out")
        again = its["train"]("group", 8, 2, steps=6)[0]
        found = [record["accuracy"] for record in again if "accuracy" in record]
        assert found == pytest.approx(self.runs(8, "group")[2]["accuracy"][:4], abs=0.0201)

    def test_steps_to_seven_tenths(self):
        for line, (which, passes) in zip(
            lines("ppo_and_grpo", "to-seven-tenths")[1:],
            (((1, "critic"), 7), ((8, "group, ÷ spread"), 4)),
            strict=True,
        ):
            steps = []
            for run in self.runs(*which):
                x = run["accuracy"]
                i = [value >= 0.7 for value in x].index(True)
                steps.append(2 * i - 2 * (x[i] - 0.7) / (x[i] - x[i - 1]))
            mean, half = interval(steps)
            assert numbers(line) == pytest.approx([mean, half, passes * mean], abs=0.51)
            assert numbers(line)[:2] == pytest.approx([mean, half], abs=0.06)

    def test_table_at_equal_prompts(self):
        for line in lines("ppo_and_grpo", "equal-prompts")[1:]:
            name, shown = line[:17].strip(), []
            for size in (1, 8):
                if self.runs(size, name):
                    shown += interval(self.average(size, name)) + interval(self.last(size, name))
            assert numbers(line[17:]) == pytest.approx(shown, abs=6e-4)
        assert len(shown) == 4  # the last line is one of a group

    def test_one_thing_at_a_time(self):
        above, _, *rows = filter(None, lines("ppo_and_grpo", "one-at-a-time"))
        names = ["nothing", "fresh critic", "taught critic", "batch"]
        for line, name in zip(rows, [*names, "group, ÷ spread"], strict=True):
            assert line.startswith(name)
            gains = [self.minus((1, name), (8, name))] if name in names else []
            gains.append(self.minus((8, name), (8, "group")))
            assert numbers(line) == pytest.approx(sum(gains, []), abs=6e-4)
        gains = [self.minus((1, name), (8, name))[0] for name in names]
        says("ppo_and_grpo", f"worth {min(gains):.3f} to {max(gains):.3f}")
        lead = self.minus((1, "critic"), (8, "group, ÷ spread"))
        prompts = self.minus((1, "critic"), (8, "critic"))[0]
        assert numbers(above) == pytest.approx([*lead, prompts], abs=6e-4)
        assert prompts / lead[0] == pytest.approx(0.5, abs=0.05)  # "half of PPO's lead"

    def test_no_baseline_is_better_and_the_group_beats_a_taught_critic(self):
        for size in (1, 8):
            for name in ("taught critic", "batch"):
                mean, half = self.minus((size, name), (size, "nothing"))
                assert mean + half < 0
            mean, half = self.minus((size, "critic"), (size, "nothing"))
            assert abs(mean) < half
        mean, half = self.minus((8, "taught critic"), (8, "group"))
        assert mean + half < 0
        for name in ("batch", "group, ÷ spread"):
            mean_of_two, half_of_two = self.minus((8, name), (8, "group"))
            assert abs(mean_of_two) < half_of_two
        equals = [fmean(self.average(1, "taught critic")), fmean(self.average(8, "group, ÷ spread"))]
        assert equals[0] == pytest.approx(equals[1], abs=5e-4)
        says(
            "ppo_and_grpo",
            f"is worse than the group,** by {-mean:.3f}",
            f"better than GRPO with 8: {equals[0]:.3f} both",
        )

    def test_the_zero_of_the_rewards_decides(self):
        falls = [x - y for x, y in zip(self.last(1, "critic"), self.last(1, "critic", -1), strict=True)]
        before, after = (fmean(self.last(1, "nothing", shift)) for shift in (0, -1))
        says(
            "ppo_and_grpo",
            "by {:.3f} ± {:.3f} after 12 steps".format(*interval(falls)),
            f"from {before:.2f} to {after:.2f}",
        )
        low, high = interval(self.last(1, "critic", -1)), interval(self.last(8, "group, ÷ spread"))
        assert low[0] < high[0] < low[0] + low[1] + high[1]  # the bands touch

    def test_noise_costs_where_the_optimiser_divides_by_it(self):
        rows = read_lines(lesson_runs.NOISE)

        def runs(optimizer, lr, baseline, shift):
            wanted = {"optimizer": optimizer, "lr": lr, "baseline": baseline, "shift": shift}
            found = [row for row in rows if wanted.items() <= row.items()]
            assert [row["seed"] for row in found] == [*range(4 if optimizer == "SGD" else 3)]
            return [row["accuracy"] for row in found]

        def averages(lr):
            for way in (("nothing", 0), ("batch", 0), ("nothing", -1)):
                yield fmean(map(under, runs("SGD", lr, *way)))

        nothing, batch, shifted = averages(0.1)
        assert max(nothing, batch, shifted) - min(nothing, batch, shifted) < 0.01
        faster, slower, slowest = averages(0.3)
        assert faster > slower > slowest + 0.02
        small = [[x[-1] for x in runs("AdamW", 1e-4, *way)] for way in (("nothing", 0), ("batch", 0), ("nothing", -1))]
        assert all(x > y > z for x, y, z in zip(*small, strict=True))

        def differs(lr):
            means = [map(under, runs("SGD", lr, way, 0)) for way in ("nothing", "batch")]
            gaps = [x - y for x, y in zip(*means, strict=True)]
            mean, half = fmean(gaps), 3.182 * stdev(gaps) / len(gaps) ** 0.5  # 3.182: Student's t of four runs
            return f"{mean:.3f} ± {half:.3f}".replace("-", "\N{MINUS SIGN}")

        says(
            "ppo_and_grpo",
            f"{nothing:.3f} with nothing expected, {batch:.3f} with the mean",
            f"begins to cost: {faster:.3f} and {slower:.3f}, a difference of {differs(0.3)}",
            f"they differ by {differs(0.1)}",
            f"does not mind the shift: {shifted:.3f}",
            f"a fifth of its rate: {fmean(small[0]):.2f} and {fmean(small[1]):.2f} after 24 steps",
        )


class TestReuse:
    rows = read_lines(lesson_runs.DATA / "reuse.jsonl")
    ways = {("fresh", "-"): {}, (1, "-"): {}} | {
        (updates, how): {"num_iterations": updates, **changes}
        for updates in (4, 16, 32)
        for how, changes in {
            "no clip": {"epsilon": 1e6},
            "clip 0.2": {},
            "sequence, 0.05": {"importance_sampling_level": "sequence", "epsilon": 0.05},
        }.items()
    }

    def runs(self, updates, how):
        settings = {**lesson_runs.BASE, **self.ways[updates, how]}
        last = 64 if updates == "fresh" else 4
        return [row for row in self.rows if row["settings"] == settings and row["batches"][-1] == last]

    def mean(self, updates, how, name, at=-1):
        return fmean(run[name][at] for run in self.runs(updates, how))

    def test_every_way_has_the_same_four_seeds(self):
        assert len(self.rows) == 4 * len(self.ways) == 44
        assert all([run["seed"] for run in self.runs(*way)] == [*range(4)] for way in self.ways)

    def test_table(self):
        for line, way in zip(lines("bias_and_variance", "reuse")[1:], self.ways, strict=True):
            assert line.split()[0] == str(way[0])
            assert line[9:].startswith(way[1])
            shown = [self.mean(*way, "sampled_accuracy", at) for at in (1, 2, 3, 4)]
            shown.append(fmean(self.mean(*way, "clip_fraction", at) for at in (1, 2, 3, 4)))
            shown += [self.mean(*way, "greedy_accuracy"), self.mean(*way, "mean_length")]
            found = numbers(line[25:])
            assert found[:-1] == pytest.approx(shown[:-1], abs=6e-3)
            assert found[-1] == pytest.approx(shown[-1], abs=0.06)

    def test_ratio_and_clipping_shows_the_same(self):
        def row(how):  # a mean of 0.465 is 0.47 on both pages
            return [self.mean(n, "-" if n == 1 else how, "sampled_accuracy") + 1e-9 for n in (1, 4, 16, 32)]

        says(
            "ratio_and_clipping",
            "| no clip | {:.2f} | {:.2f} | {:.2f} | {:.2f} |".format(*row("no clip")),
            r"| $\epsilon = 0.2$ | {:.2f} | {:.2f} | {:.2f} | {:.2f} |".format(*row("clip 0.2")),
        )

    def test_what_the_lesson_says(self):
        def sampled(updates, how, at=-1):
            return self.mean(updates, how, "sampled_accuracy", at)

        def switched_off(updates, how):
            return fmean(self.mean(updates, how, "clip_fraction", at) for at in (1, 2, 3, 4))

        assert min(sampled(4, how) for how in ("no clip", "clip 0.2", "sequence, 0.05")) > sampled(1, "-") + 0.1
        climb = [sampled(16, "clip 0.2", at) for at in (1, 2, 3, 4)]
        assert climb[0] < climb[1] < climb[2] > climb[3]
        best = max(sampled(32, "clip 0.2", at) for at in (1, 2, 3, 4))
        for updates in (16, 32):
            ends = [
                [run["sampled_accuracy"][-1] for run in self.runs(updates, how)]
                for how in ("no clip", "clip 0.2", "sequence, 0.05")
            ]
            assert all(none < clip < sequence for none, clip, sequence in zip(*ends, strict=True))
        says(
            "bias_and_variance",
            f"16 times, and end at {sampled('fresh', '-'):.2f}",
            f"At the end {sampled(16, 'no clip'):.2f} of the samples are right",
            f"of the favourite answers {self.mean(16, 'no clip', 'greedy_accuracy'):.2f}",
            f"to {self.mean(32, 'no clip', 'mean_length'):.1f} tokens",
            f"for three batches to {climb[2]:.2f}",
            f"beyond {best:.2f}",
            f"at {sampled(16, 'sequence, 0.05'):.2f} and {sampled(32, 'sequence, 0.05'):.2f}",
            f"off {switched_off(16, 'sequence, 0.05'):.0%} of".replace("%", " %"),
            f"the clip {switched_off(16, 'clip 0.2'):.0%} of".replace("%", " %"),
        )
        assert self.mean(16, "no clip", "mean_length") == pytest.approx(10, abs=0.5)


def test_half_a_repair_is_a_coin_toss():
    rows = read_lines(lesson_runs.HALF_REPAIR)
    assert [row["seed"] for row in rows] == [*range(8)]
    assert min(max(row["sampled_accuracy"]) for row in rows) > 0.62
    right, thinks = ([row[name][-1] for row in rows] for name in ("sampled_accuracy", "sampled_think_rate"))
    added, cheated = [x for x in right if x > 0.79], [x for x in right if x < 0.23]
    (between,) = {*right} - {*added, *cheated}
    assert (len(added), len(cheated)) == (4, 3)
    assert max(t for t, x in zip(thinks, right, strict=True) if x < 0.23) <= 0.12
    says(
        "when_rewards_lie",
        "to more than 0.62 right. Then four learned to add and ended above 0.79",
        f"three stopped thinking and ended below 0.23, and one was still between, at {between:.2f}",
    )
