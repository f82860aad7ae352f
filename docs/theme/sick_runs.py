"""Record docs/assets/runs/sick.json again: `make sick-runs`, about four minutes.

The curves of the diagnosis game: the runs of the lesson When a run is sick, by the code and the seed of the lesson
itself, and for each three healthy ones with other seeds. What is added is a look at problems kept from training,
sampled at temperature 1, which changes nothing in a run.
"""

import json
import os
from pathlib import Path

import jupytext

from grpo_lite.training.rollout import evaluate

ROOT = Path(__file__).resolve().parents[2]
LESSON = "when_a_run_is_sick"
FILE = ROOT / "docs" / "assets" / "runs" / "sick.json"
METRICS = {
    "reward": "reward",
    "spread": "frac_reward_zero_std",
    "entropy": "entropy",
    "norm": "grad_norm",
    "length": "completions/mean_length",
    "cut": "completions/clipped_ratio",
    "clip": "clip_fraction",
}
# Each run and the healthy one that it is to be compared with; "healthy" itself and "healthy, E" are cases, too.
CASES = {"healthy": "healthy", "healthy, E": "healthy, E"}
CASES |= dict.fromkeys("ABCD", "healthy") | {"E": "healthy, E", "F": "healthy, F"}
SEEDS = (1, 2, 3)  # of the healthy runs that make the band


def lesson() -> dict:
    """Return what the setup of the lesson defines, up to where it begins to train."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    (script,) = (ROOT / "notebooks").glob(f"[0-9][0-9]_{LESSON}.py")
    cells = [cell.source for cell in jupytext.read(script).cells if "setup" in cell.metadata.get("tags", [])]
    names: dict = {}
    exec("\n\n".join(cells).split("models, runs, evals =")[0], names)
    return names


def record(setup: dict, name: str, seed: int = 0, **changed) -> dict[str, list[float]]:
    """Train one run and return its curves; "right" has a value before the first update and after each 5th or 8th."""
    settings = setup["CHANGED"][name] | changed
    every = settings.get("num_iterations", 5)
    right: list[float] = []

    def look(model) -> None:
        problems = setup["test_problems"]
        found = evaluate(model, setup["tokenizer"], setup["accuracy"], problems, setup["args"])
        right.append(found["sampled_accuracy"])

    class Watched(settings.pop("trainer", setup["GRPOTrainer"])):  # type: ignore[misc]
        def update(self, groups, batch=None):
            if self.step == 0:
                look(self.model)
            metrics = super().update(groups, batch)
            if self.step % every == 0:
                look(self.model)
            return metrics

    _, updates, _ = setup["run"](Watched, seed=seed, **settings)
    curves = {key: [r[metric] for r in updates] for key, metric in METRICS.items()}
    return {key: [round(x, 4) for x in curve] for key, curve in (curves | {"right": right}).items()}


def band(runs: list[dict[str, list[float]]]) -> dict[str, list[list[float]]]:
    """Return the lowest and the highest of several runs at each update."""
    return {key: [[min(at), max(at)] for at in zip(*(run[key] for run in runs), strict=True)] for key in runs[0]}


if __name__ == "__main__":
    setup = lesson()
    recorded = {
        "runs": {name: record(setup, name) for name in CASES},
        "bands": {name: band([record(setup, name, seed) for seed in SEEDS]) for name in dict.fromkeys(CASES.values())},
        "cases": CASES,
    }
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(recorded, separators=(",", ":")) + "\n")
