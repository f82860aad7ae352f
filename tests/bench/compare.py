"""How fast is it: time and memory against TRL and against the model alone, as ratios.

`make bench` measures all parts, on one core, and writes table and picture of docs/speed.md again; `python
tests/bench/compare.py --only PART` measures one and keeps the rows of the others. The two sides of a comparison take
turns, so that whatever else the machine does slows both; a ratio is the median over turns.
"""

import argparse
import dataclasses
import itertools
import json
import math
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch

import scoring
from grpo_lite._checks import check_installed
from grpo_lite.rewards.answers import math_reward
from grpo_lite.rewards.programs import code_reward
from grpo_lite.tasks import RECIPE, accuracy, load_base_model, make_problems
from grpo_lite.training import rollout
from grpo_lite.training.config import GRPOConfig
from grpo_lite.training.gradient import stack
from grpo_lite.training.trainer import GRPOTrainer
from stepwise import every_second, model_alone, real_cost, train_ours, train_trl

# Steps so small that the model stays what it is, and every step has the same work to do.
STEP: dict[str, Any] = {
    "learning_rate": 1e-6,
    "per_device_train_batch_size": 256,
    "num_generations": 16,
    "max_completion_length": 16,
}
LEARNING = {name: RECIPE[name] for name in ("max_steps", *STEP)}
STORED = Path(__file__).with_name("bench.md")
DIAGRAM = Path(__file__).parents[2] / "grpo_lite" / "data" / "diagrams" / "loop.svg"  # has the style of all
sys.path.append(str(Path(__file__).parents[1]))  # `real_cost` takes the prompts of `real_runs`

Turn = dict[str, tuple[float, float]]  # one measurement of each side, under a label "x / y": (x, y)
# What a ratio should be at most; the others are only to be known.
GOALS = {
    "one step / TRL's": 0.75,
    "one step / the model's calls alone": 1.15,
    "time to 95% accuracy / TRL's": 0.45,
    "memory of scoring / with all logits, width 128": 1 / 8,
    "memory of scoring / with all logits, width 512": 1 / 8,
    "time of scoring / with all logits, width 128": 1.2,
    "time of scoring / with all logits, width 512": 1.2,
    "one step of SmolLM2 / TRL's": 0.7,
    "memory of a step of SmolLM2 / TRL's": 1.0,
    "one program of three tests / a millisecond": 6.5,  # 150 a second
}


class Row(NamedTuple):
    """One line of the table."""

    part: str
    what: str
    ratio: float  # the median over all turns
    low: float
    high: float
    goal: float | None
    measured: float  # the median of the numerator, in seconds, bytes or updates


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, then print the table and store it, with the same numbers as a picture and as JSON beside it."""
    parser = argparse.ArgumentParser(description="Measure speed and memory as ratios.")
    parser.add_argument("--only", choices=list(PARTS), help="measure one part and keep the stored rows of the others")
    args = parser.parse_args(argv)
    check_installed("trl", "the benchmark compares with TRL", "train,test")
    # Before transformers is loaded: no report to TRL's makers, no bar for each model, one thread for tokenizers too.
    os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1", TOKENIZERS_PARALLELISM="false")
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):  # on Linux; the processes that judge and measure inherit it
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rows = [Row(**row) for row in json.loads(STORED.with_suffix(".json").read_text())["rows"]] if args.only else []
    for part in [args.only] if args.only else PARTS:
        print(f"measuring {part}", file=sys.stderr, flush=True)
        rows = [row for row in rows if row.part != part] + summary(part, PARTS[part]())
    rows.sort(key=lambda row: list(PARTS).index(row.part))
    text = f"{table(rows)}\n\n{machine()}\n"
    print(text, end="")
    STORED.write_text(text)
    STORED.with_suffix(".svg").write_text(picture(rows))
    content = {"machine": machine(), "rows": [row._asdict() for row in rows]}
    STORED.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")


def summary(part: str, turns: Sequence[Turn]) -> list[Row]:
    """Return a row for each label: the ratio of each turn, and what lies in the middle of them."""
    rows = []
    for what in turns[0] if turns else ():
        ratios, measured = [turn[what][0] / turn[what][1] for turn in turns], [turn[what][0] for turn in turns]
        rows.append(Row(part, what, median(ratios), min(ratios), max(ratios), GOALS.get(what), median(measured)))
    return rows


def table(rows: Sequence[Row]) -> str:
    """Lay the rows out as a Markdown table."""
    lines = ["| Part | Compared | Ratio | Lowest to highest | Goal |", "|---|---|---|---|---|"]
    for row in rows:
        goal = "" if row.goal is None else f"{row.goal:g}, {'met' if row.ratio <= row.goal else 'missed'}"
        lines.append(f"| {row.part} | {row.what} | {row.ratio:.2f} | {row.low:.2f} to {row.high:.2f} | {goal} |")
    return "\n".join(lines)


def picture(rows: Sequence[Row]) -> str:
    """Draw the rows as SVG in the style of the diagrams: a dot at each ratio, a bar from the lowest to the highest."""
    low, high, pitch = 1 / 16, 8, 44
    bottom = pitch * len(rows) + 4

    def x(ratio: float) -> float:
        return round(4 + 310 * math.log(ratio / low) / math.log(high / low), 1)

    grid = [(f"1/{round(1 / at)}" if at < 1 else f"{at:g}", x(at)) for at in (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8)]
    parts = [f'<text class="s m" x="{max(at, 12)}" y="{bottom + 14}">{name}</text>' for name, at in grid]
    ones = "".join(f"M{x(1)} {pitch * i + 23}v18" for i in range(len(rows)))  # not through the words
    parts.append(f'<path class="a" stroke-dasharray="2 2" d="{ones}"/>')
    said = []
    for i, row in enumerate(rows):
        y, missed = pitch * i + 32, row.goal is not None and row.ratio > row.goal
        kind = "fc" if row.goal is None else "f0" if missed else "f1"
        said.append(f"{row.what}: {row.ratio:.2f}{', goal missed' if missed else ''}")
        parts += [
            f'<text x="4" y="{y - 15}">{row.what}</text>',
            f'<text class="n" x="362" y="{y - 15}">{"missed" if missed else ""}</text>',
            f'<rect class="{kind}" x="{x(row.low)}" y="{y - 1.5}" width="{x(row.high) - x(row.low):.1f}" height="3"/>',
            f'<path class="{kind}" d="M{x(row.ratio)} {y}m-6 0l6 -6l6 6l-6 6z"/>'
            if missed
            else f'<circle class="{kind}" cx="{x(row.ratio)}" cy="{y}" r="5"/>',
            f'<text class="h n" x="362" y="{y + 5}">{row.ratio:.2f}</text>',
        ]
        if row.goal is not None:
            parts.append(f'<path class="strong" d="M{x(row.goal)} {y - 7}v14"/>')
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="diagram" viewBox="0 0 364 {bottom + 20}" width="455" '
        f'height="{1.25 * (bottom + 20):g}" role="img" aria-labelledby="bench-title bench-desc">'
    )
    title = '<title id="bench-title">The ratios of the table</title>'
    style = re.search("<style>.*?</style>", DIAGRAM.read_text(), re.S)
    return "\n".join([opening, title, f'<desc id="bench-desc">{"; ".join(said)}.</desc>', style[0], *parts, "</svg>\n"])


def machine() -> str:
    """Say what it was measured on: processor, cores and versions."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(": ")[1] for line in lines if line.startswith("model name")]
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "trl"))
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores, one thread a process; {versions}."


# A full step.


def step(rounds: int = 20, **smaller: Any) -> list[Turn]:
    """Compare an update in which every group has a signal with TRL's, and with the model's calls alone."""
    settings, turns = STEP | smaller, []
    trainer = _trainer(settings)
    model, _ = load_base_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings["learning_rate"], weight_decay=0.0, fused=True)

    def take_turns(their_model, number: int, trl: float) -> bool:
        ours = _one_step(trainer)
        batch = stack(trainer.add_advantages(trainer.sample()))
        alone = _seconds(lambda: model_alone(model, optimizer, batch))
        turns.append({"one step / TRL's": (ours, trl), "one step / the model's calls alone": (ours, alone)})
        return False

    train_trl(take_turns, every_second, settings | {"max_steps": rounds})
    return turns


# Learning.


def learning(seeds: int = 3, target: float = 0.95, **smaller: Any) -> list[Turn]:
    """Compare the time until samples on held-out chain sums reach the target accuracy."""
    turns = []
    for seed in range(seeds):
        settings = LEARNING | smaller | {"seed": seed}
        (ours, our_updates), (trl, trl_updates) = (_race(train, target, settings) for train in (train_ours, train_trl))
        time_to = f"time to {target:.0%} accuracy / TRL's"
        turns.append({time_to: (ours, trl), "updates until then / TRL's": (our_updates, trl_updates)})
    return turns


def _race(train: Callable, target: float, settings: dict) -> tuple[float, int]:
    """Train up to the target; return the seconds and the updates that it took."""
    problems, args = make_problems("chain-sum", "test", 500), GRPOConfig(**RECIPE)
    _, tokenizer = load_base_model()
    seconds, updates, sampled = 0.0, 0, 0.0

    def evaluate(model, number: int, step_seconds: float) -> bool:
        nonlocal seconds, updates, sampled
        seconds, updates = seconds + step_seconds, number
        if number % 2 == 0:
            sampled = rollout.evaluate(model, tokenizer, accuracy, problems, args)["sampled_accuracy"]
        return sampled >= target

    train(evaluate, accuracy, settings)
    if sampled < target:
        raise ValueError(f"target must be in reach of {settings['max_steps']} updates, got {target} and {sampled}")
    return seconds, updates


# Memory.


def memory(widths: Sequence[int] = (128, 512), runs: int = 3, **smaller: int) -> list[Turn]:
    """Compare scoring at a large vocabulary with the plain way, which holds the whole table of logits."""
    if not scoring.STATUS.exists():
        print("the memory of a process is read from /proc, which only Linux has: left out", file=sys.stderr)
        return []
    turns: list[Turn] = [{} for _ in range(runs)]
    for width, turn in itertools.product(widths, turns):
        costs = [scoring.in_new_process(scoring.scoring_cost, width, plain, **smaller) for plain in (False, True)]
        (ours, seconds), (plain, plain_seconds) = costs
        turn[f"memory of scoring / with all logits, width {width}"] = ours, plain
        turn[f"time of scoring / with all logits, width {width}"] = seconds, plain_seconds
    return turns


# A pretrained model.


def real(rounds: int = 3, updates: int = 3) -> list[Turn]:
    """Compare an update of a model of 135 million weights with TRL's, each side in processes of its own."""
    if not scoring.STATUS.exists():
        print("the memory of a process is read from /proc, which only Linux has: left out", file=sys.stderr)
        return []
    turns = []
    for _ in range(rounds):
        costs = [scoring.in_new_process(real_cost, train, updates) for train in (train_ours, train_trl)]
        (ours, seconds), (trl, trl_seconds) = costs
        memory = {"memory of a step of SmolLM2 / TRL's": (ours, trl)}
        turns.append({"one step of SmolLM2 / TRL's": (seconds, trl_seconds)} | memory)
    return turns


# Rewards.


def rewards(rounds: int = 7, programs: int = 200) -> list[Turn]:
    """Compare scoring a program of three tests, and a math answer, with a millisecond."""
    texts = [f"```python\ndef f(x):\n    return x + {n}\n```" for n in range(programs)]
    tests = [[{"args": [x], "expected": x + n} for x in range(3)] for n in range(programs)]

    def program(n: int) -> float:
        return _seconds(lambda: code_reward(texts[:n], tests[:n], ["f"] * n)) / n

    def answer(turn: int) -> float:
        new = range(turn * programs, (turn + 1) * programs)  # texts that were read before are read faster
        boxes, truths = [rf"\boxed{{\frac{{{n}}}{{7}}}}" for n in new], [f"{n}/7" for n in new]
        return _seconds(lambda: math_reward(boxes, ground_truth=truths)) / programs

    program(1), answer(0)  # the sandbox is loaded here, and the process that reads mathematics started
    return [
        {
            "one program of three tests / a millisecond": (program(programs), 1e-3),
            "one math answer / a millisecond": (answer(turn), 1e-3),
        }
        for turn in range(1, rounds + 1)
    ]


# What the parts share.


def _trainer(settings: dict) -> GRPOTrainer:
    model, tokenizer = load_base_model()
    args = GRPOConfig(**settings, disable_tqdm=True, use_cpu=True)
    return GRPOTrainer(model, every_second, args, make_problems("chain-sum", "train", 2000), tokenizer)


def _one_step(trainer: GRPOTrainer) -> float:
    """Let the trainer do one more update, and return its seconds."""
    trainer.args = dataclasses.replace(trainer.args, max_steps=trainer.step + 1)
    return _seconds(trainer.train)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


PARTS = {part.__name__: part for part in (step, learning, memory, real, rewards)}

if __name__ == "__main__":
    main()
