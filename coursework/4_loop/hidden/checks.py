"""The hidden checks of assignment 4, and its oracle: a training loop over plain lists, and Student's t by integration.

What a variant does not ask for is a known mistake: the oracle computes it too, so that a check can say what was done
instead.
"""

import json
import math
import random
import re
import statistics
import tempfile
from functools import cache
from pathlib import Path

import torch

from check import Broken, call, compare, load, require, show, worth

HERE = Path(__file__).resolve().parent
public = load((HERE.parent if HERE.name == "hidden" else HERE) / "checks.py", "public")


# The oracle.


def log_softmax(row: list[float]) -> list[float]:
    """Return log-probs."""
    total = math.log(sum(math.exp(x) for x in row))
    return [x - total for x in row]


def baselines(rewards: list[float], own: list[list[int]], baseline: str) -> list[float]:
    """Return what is subtracted from each reward; `own`: the rows of each prompt."""
    out = [0.0] * len(rewards)
    for rows in own:
        for i in rows:
            values = [rewards[j] for j in rows if j != i or baseline != "others"]
            out[i] = statistics.median(values) if baseline == "median" else statistics.mean(values)
    return out


def learn(batch: dict, choices: dict[str, str], mistake: str = "") -> list[list[float]]:
    """Return the table after a batch: plain loops, and the gradient of a log-softmax by its formula."""
    table, size = [list(row) for row in batch["logits"]], len(batch["logits"])
    count, group = len(batch["ids"]), batch["group"]
    prompts, turns = count // group, (choices["groups"] == "turns") != (mistake == "groups")
    own = [[n + prompts * g if turns else n * group + g for g in range(group)] for n in range(prompts)]
    if mistake == "together":
        own = [list(range(count))]
    base = baselines(batch["rewards"], own, choices["baseline"])
    places = [[t for t, counts in enumerate(row) if counts] for row in batch["mask"]]
    if mistake == "padding":
        places = [list(range(row[0], len(ids))) for row, ids in zip(places, batch["ids"], strict=True)]
    lengths = [len(row) for row in places]
    divisor = {
        "completion": [n * count for n in lengths],
        "tokens": [sum(lengths)] * count,
        "longest": [max(lengths) * count] * count,
    }[choices["average"]]
    low, high = {"wide": (0.8, 1.4), "high": (0.9, 1.3), "low": (0.7, 1.2)}[choices["clip"]]
    updates = {"two": 2, "three": 3, "four": 4}[choices["updates"]]
    speed = [[0.0] * size for _ in range(size)]
    gradient = [[0.0] * size for _ in range(size)]
    for _ in range(1 if mistake == "once" else updates):
        if mistake != "kept":
            gradient = [[0.0] * size for _ in range(size)]
        for i, (ids, reward) in enumerate(zip(batch["ids"], batch["rewards"], strict=True)):
            advantage = reward - base[i]
            for t in places[i]:
                before, token = ids[t - 1], ids[t]
                logps = log_softmax(table[before])
                old = logps[token] if mistake == "fresh" else batch["old_logps"][i][t]
                ratio = math.exp(logps[token] - old)
                silent = (ratio > high and advantage > 0) or (ratio < low and advantage < 0)
                if mistake == "bounded":
                    silent = not low <= ratio <= high
                if silent and mistake != "free":
                    continue
                for v in range(size):
                    slope = (v == token) - math.exp(logps[v])
                    gradient[before][v] -= ratio * advantage * slope / divisor[i]
        for u in range(size):
            for v in range(size):
                sign = -1 if mistake == "sign" else 1
                speed[u][v] = batch["momentum"] * speed[u][v] + sign * gradient[u][v]
                table[u][v] -= batch["rate"] * speed[u][v]
    return table


MISTAKES = {
    "fresh": "the old log-probs are taken anew at each update, so that every ratio is 1",
    "once": "there is one update a batch",
    "kept": "the gradient of the last update is still there: it is not set to zero before the next",
    "groups": "the completions of different prompts are mixed up",
    "together": "the rewards of all prompts are compared with each other",
    "padding": "what stands behind the end token is counted",
    "free": "nothing is clipped",
    "bounded": "the bound hides the way back: the minimum of the two objectives is missing",
    "sign": "the objective is made small, and not large",
}


def batch_of(seed: int, prompts: int, group: int, momentum: float = 0.5) -> dict:
    """Draw a batch for a table of four tokens; the policy that drew it was another one."""
    draw, count = random.Random(seed), prompts * group
    ids = [[draw.randrange(1, 4), *(draw.randrange(4) for _ in range(4))] for _ in range(count)]
    lengths = [draw.randint(1, 4) for _ in range(count)]
    logits = [[draw.gauss(0, 1) for _ in range(4)] for _ in range(4)]
    earlier = [[x + draw.gauss(0, 0.4) for x in row] for row in logits]
    mask = [[1 <= t <= n for t in range(5)] for n in lengths]
    old = [[0.0] + [log_softmax(earlier[row[t - 1]])[row[t]] for t in range(1, 5)] for row in ids]
    ids = [[x if t <= n else 0 for t, x in enumerate(row)] for row, n in zip(ids, lengths, strict=True)]
    rewards = [round(draw.random(), 1) for _ in range(count)]
    return {
        "logits": logits, "ids": ids, "mask": mask, "old_logps": old, "rewards": rewards, "group": group,
        "rate": 0.5, "momentum": momentum,
    }  # fmt: skip


def share_below(t: float, freedom: int) -> float:
    """Return the share of Student's t below t > 0: Simpson's rule on the density."""
    scale = math.gamma((freedom + 1) / 2) / (math.sqrt(freedom * math.pi) * math.gamma(freedom / 2))
    density = [scale * (1 + (t * k / 400) ** 2 / freedom) ** (-(freedom + 1) / 2) for k in range(401)]
    inner = 4 * sum(density[1:-1:2]) + 2 * sum(density[2:-1:2])
    return 0.5 + t / 1200 * (density[0] + inner + density[-1])


@cache
def quantile(share: float, freedom: int) -> float:
    """Return where that share lies below, by halving."""
    low, high = 0.0, 100.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if share_below(middle, freedom) < share else (low, middle)
    return low


def confident(first: list[float], second: list[float], choices: dict[str, str], mistake: str = "") -> list[float]:
    """Return the mean difference and its interval."""
    n, (a, b) = len(first), (sum(first) / len(first), sum(second) / len(second))
    less = 0 if mistake == "population" else 1
    if choices["pairing"] == "paired":
        variance = sum((y - x - b + a) ** 2 for x, y in zip(first, second, strict=True)) / (n - less)
        freedom = n - 1
    else:
        variance = (sum((x - a) ** 2 for x in first) + sum((y - b) ** 2 for y in second)) / (n - less)
        freedom = 2 * n - 2
    error = math.sqrt(variance) if mistake == "spread" else math.sqrt(variance / n)
    level = int(choices["level"] == "more") * 0.05 + 0.9
    share = level if mistake == "one end" else 0.5 + level / 2
    t = statistics.NormalDist().inv_cdf(share) if mistake == "normal" else quantile(share, freedom)
    return [b - a, b - a - t * error, b - a + t * error]


UNSURE = {
    "normal": "the quantile is that of the normal distribution: of so few seeds the spread is badly known",
    "spread": "the spread of the seeds is taken for the error of their mean: divide by the root of n",
    "population": "the spread is divided by n and not by n - 1",
    "one end": "as much lies outside at one end as is allowed at both together",
}


def other(given: dict, names: tuple[str, ...]) -> list[tuple[str, dict]]:
    """Return all choices that differ in one of the names, with what to call them."""
    return [
        (f"this is another {name} ({option})", given["choices"] | {name: option})
        for name in names
        for option in given["options"][name]
        if option != given["choices"][name]
    ]


def examples(given: dict) -> dict:
    """Return the examples of the handout, with what known mistakes make of them."""
    choices, batch = given["choices"], batch_of(3, 2, 2)
    first, second = [0.50, 0.70, 0.55, 0.65], [0.60, 0.95, 0.70, 0.75]
    wrong = [(text, learn(batch, choices, name)) for name, text in MISTAKES.items()]
    wrong += [(text, learn(batch, own)) for text, own in other(given, ("baseline", "average", "clip", "updates"))]
    unsure = [(text, confident(first, second, choices, name)) for name, text in UNSURE.items()]
    unsure += [(text, confident(first, second, own)) for text, own in other(given, ("level", "pairing"))]
    table = {
        f"p{x}": [None] + [round(quantile(float("0." + x), n), 3) for n in range(1, 21)] for x in ("90", "95", "975")
    }
    want = confident(first, second, choices)
    return {
        "update": {"batch": batch, "want": learn(batch, choices), "mistakes": wrong},
        "interval": {"first": first, "second": second, "want": want, "mistakes": unsure},
        "quantiles": table,
    }


MADE: dict[str, dict[str, str]] = {}  # a reference is trained once


def files(given: dict, teacher: bool) -> dict[str, str]:
    """Return the runs and the report of the reference: it is trained for them, a few seconds."""
    if not teacher:
        return {}
    from make import fill

    template = (HERE / "solution.py").read_text(encoding="utf-8")
    text = fill(template, HERE.parent, given)
    if text not in MADE:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "solution.py").write_text(text, encoding="utf-8")
            reference = load(Path(folder) / "solution.py", "reference")
            runs = (Path(folder) / "runs.jsonl").read_text(encoding="utf-8")
            difference, low, high = reference.RESULT
            first, second = map(reference.ends, reference.SETTINGS)
        report = (HERE / "report.md").read_text(encoding="utf-8")
        told = {"difference": difference, "low": low, "high": high, "seeds": len(first)}
        report = report.format(**told, first=show(first), second=show(second))
        MADE[text] = {"runs.jsonl": runs, "report.md": report}
    return MADE[text]


# The checks.


@worth("4a", 3)
def a_seed_decides_the_rows(solution, given):
    """The same again, and others for another seed."""
    held_out = []
    for seed, state in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(state)
        random.seed(state)
        held_out.append(list(map(tuple, public.drawn_rows(solution, seed)[1])))
    require(held_out[0] == held_out[1], "rows(0) gives other rows the second time: not everything comes from the seed")
    require(held_out[0] != held_out[2], "rows(0) and rows(1) hold the same rows out: the seed decides nothing")


@worth("4a", 5)
def nothing_else_is_paid(solution, given):
    """The truths of other rows, a truth with something around it, all letters: at most 0.5."""
    held_out = public.drawn_rows(solution, 0)[1]
    truths, letters = sorted({truth for _, truth in held_out}), solution.LETTERS
    for truth in truths:
        around = [truth + letters[0], letters[0] + truth, truth[:-1], truth * 2, letters, truth + letters]
        for text in [x for x in truths + around if x != truth]:
            got = call(solution, "reward", text, truth)
            require(
                isinstance(got, int | float) and 0 <= got <= 0.5,
                f"what is not the truth earns from 0 to 0.5: reward({text!r}, {truth!r}) is {show(got)}",
            )


@worth("4b", 9)
def the_weights_after_many_batches(solution, given):
    """Groups of other sizes, other momentum, nan where nothing counts."""
    for seed, (prompts, group) in enumerate(((1, 2), (2, 3), (3, 2), (3, 4), (2, 5), (4, 2))):
        batch = batch_of(seed, prompts, group, momentum=0.3 * (seed % 3))
        want = learn(batch, given["choices"])
        said = f"{prompts} prompts of {group} completions, momentum {batch['momentum']:.1f}: update"
        clutter = math.nan if seed % 2 else 9.0
        mistakes = [(text, learn(batch, given["choices"], name)) for name, text in MISTAKES.items()]
        compare(
            f"{said}, old log-probs of {clutter} where nothing counts,",
            public.updated(solution, batch, clutter),
            want,
            mistakes,
        )


@worth("4b", 4)
def it_steps_as_often_as_it_is_asked_to(solution, given):
    """With the optimiser that it is given, and without writing into the batch."""
    batch = batch_of(1, 2, 3)
    policy, steps = torch.nn.Embedding(4, 4), []

    class Spy(torch.optim.SGD):
        def step(self, closure=None):
            steps.append(1)
            return super().step(closure)

    tensors = [torch.tensor(batch[name]) for name in ("ids", "mask", "old_logps", "rewards")]
    kept = [x.clone() for x in tensors]
    call(solution, "update", policy, Spy(policy.parameters(), 0.1), *tensors, batch["group"])
    want = {"two": 2, "three": 3, "four": 4}[given["choices"]["updates"]]
    require(len(steps) == want, f"update makes {len(steps)} steps with its optimiser, and the handout asks for {want}")
    require(all(map(torch.equal, tensors, kept)), "update writes into its arguments, which are a record")


@worth("4c", 3)
def no_curve_is_that_of_another_run(solution, given):
    """Copied curves are no seeds."""
    seen: dict[str, str] = {}
    for run in public.stored_runs(solution):
        which = f"{run['setting']!r} with seed {run['seed']}"
        curve = json.dumps([[record.get(name) for name in ("reward", "logp", "accuracy")] for record in run["curve"]])
        require(
            curve not in seen,
            f"{which} has the curve of {seen.get(curve)}, number for number: what differs is the name",
        )
        seen[curve] = which


@worth("4c", 4)
def two_steps_of_other_runs_again(solution, given):
    """The last run of each setting."""
    runs = public.stored_runs(solution)
    for name in dict.fromkeys(run["setting"] for run in runs):
        public.require_rerun(solution, [run for run in runs if run["setting"] == name][-1], state=2)


class Held(str):
    """A truth that is held out, to be told from one that is not."""


@worth("4c", 4)
def the_curve_is_of_held_out_rows(solution, given):
    """A spy in the loop: for one step, what is held out earns 1 and what is trained on earns 0."""
    learn_, held_out = public.drawn_rows(solution, 0)
    marked, own = [(prompt, Held(truth)) for prompt, truth in held_out], (solution.rows, solution.reward)
    setting = next(iter(public.stored_runs(solution)))["setting"]
    solution.rows = lambda seed: (list(learn_), list(marked))
    solution.reward = lambda completion, truth: float(isinstance(truth, Held))
    try:
        [record] = call(solution, "train", setting, 0, steps=1)
    finally:
        solution.rows, solution.reward = own
    said = "if what is held out earned 1 and all else 0"
    require(
        record["accuracy"] == 1,
        f"{said}, the accuracy would be 1; train says {show(record['accuracy'])}: of other rows",
    )
    require(
        record["reward"] == 0,
        f"{said}, the reward would be 0; train says {show(record['reward'])}: it trains on held-out rows",
    )


@worth("4c", 3)
def something_is_learnt(solution, given):
    """A comparison of two policies that learn nothing says nothing."""
    gains: dict[str, list[float]] = {}
    for run in public.stored_runs(solution):
        gains.setdefault(run["setting"], []).append(run["curve"][-1]["accuracy"] - run["curve"][0]["accuracy"])
    means = {name: sum(own) / len(own) for name, own in gains.items()}
    require(
        max(means.values()) >= 0.2, f"from the first step to the last the mean accuracy rises by {means}: by 0.2 in one"
    )


@worth("4d", 4)
def the_interval_of_any_numbers(solution, given):
    """Two seeds to ten."""
    draw = random.Random(0)
    for n in (2, 3, 5, 8, 10):
        first = [round(draw.random(), 2) for _ in range(n)]
        second = [round(draw.random(), 2) for _ in range(n)]
        got, want = call(solution, "interval", first, second), confident(first, second, given["choices"])
        compare(f"interval({show(first)}, {show(second)})", list(got), want, tolerance=1e-3)


def result_of_the_runs(solution, given) -> list[float]:
    """Compute from runs.jsonl what RESULT is to be."""
    runs, settings = public.stored_runs(solution), getattr(solution, "SETTINGS", {})
    ends = [{run["seed"]: run["curve"][-1]["accuracy"] for run in runs if run["setting"] == name} for name in settings]
    if len(ends) != 2 or sorted(ends[0]) != sorted(ends[1]) or len(ends[0]) < 2:
        raise Broken("runs.jsonl must be of two settings and the same seeds, as SETTINGS names them")
    seeds = sorted(ends[0])
    return confident([ends[0][seed] for seed in seeds], [ends[1][seed] for seed in seeds], given["choices"])


@worth("4d", 6)
def the_result_is_that_of_the_runs(solution, given):
    """Computed anew from runs.jsonl."""
    want, got = result_of_the_runs(solution, given), getattr(solution, "RESULT", None)
    require(got is not None, "RESULT is None")
    mistakes = [
        ("the settings are in the other order: it is the second minus the first", [-want[0], -want[2], -want[1]])
    ]
    compare("by the last accuracies in runs.jsonl: RESULT", list(got), want, mistakes, 2e-3)


@worth("4d", 4)
def the_report_names_the_result(solution, given):
    """What else it says is read by people."""
    path = Path(solution.__file__).resolve().parent / "report.md"
    require(path.is_file(), "report.md is not written yet, beside solution.py")
    text, want = path.read_text(encoding="utf-8"), result_of_the_runs(solution, given)
    require(
        len(text.split()) >= 80, f"report.md has {len(text.split())} words; it must be a report of 80 words at least"
    )
    named = [float(x) for x in re.findall(r"[+-]?\d+\.?\d*", text.replace("\u2212", "-"))]
    for what, value in zip(("the difference", "its lower end", "its upper end"), want, strict=True):
        said = any(abs(x - value) < 0.006 or abs(x - 100 * value) < 0.6 for x in named)
        require(said, f"report.md does not name {what}, {value:.3f} by runs.jsonl")
