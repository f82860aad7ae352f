"""Which settings matter: short trainings on chain sums, one setting changed at a time, several seeds each.

`run` makes one of them. `make runs` in a clone of the repository makes all again that ship with the package, which
lesson "What matters" shows.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from grpo_lite.rewards.protocol import RewardFunc
from grpo_lite.tasks import accuracy, load_base_model, make_problems, think_rate
from grpo_lite.training import rollout
from grpo_lite.training.config import GRPOConfig
from grpo_lite.training.records import read_lines
from grpo_lite.training.trainer import GRPOTrainer

STORED = Path(str(files("grpo_lite") / "data" / "sweep.jsonl"))

BASE: dict[str, Any] = {
    "num_generations": 8,
    "beta": 0.0,
    "num_iterations": 1,
    "epsilon": 0.2,
    "scale_rewards": "group",
    "temperature": 1.0,
    "learning_rate": 2e-4,
}
AXES: dict[str, list] = {
    "num_generations": [2, 4, 8, 16, 32],
    "beta": [0.0, 0.01, 0.04, 0.2],
    "num_iterations": [1, 2, 4, 8],
    "epsilon": [0.05, 0.2, 0.5],
    "scale_rewards": ["group", "batch", "none"],
    "temperature": [0.5, 1.0, 1.5],
    "learning_rate": [5e-5, 2e-4, 5e-4, 1e-3, 3e-3],
}
# With one update a batch every ratio is 1 and nothing can be clipped, so this axis has a base of its own.
ALONG: dict[str, dict] = {"epsilon": {"num_iterations": 4}}
# Four updates a batch, each a quarter as long: tells reuse of a batch from a larger learning rate.
EXTRA: list[dict] = [{"num_iterations": 4, "learning_rate": 5e-5}]

BATCHES = (0, 5, 10, 15, 20, 30, 40)
# The same for every run; a batch is 64 completions whatever G is.
FIXED: dict[str, Any] = {
    "per_device_train_batch_size": 64,
    "max_completion_length": 16,
    "reward_weights": [1.0, 0.0],
    "lr_scheduler_type": "constant",
    "per_device_eval_batch_size": 500,
    "disable_tqdm": True,
}
HELD_OUT = 200


def grid() -> list[dict[str, Any]]:
    """List the settings of the sweep, each once, the base first.

    Returns:
        One dict a setting, with a value for every name in `AXES`.

    Example:
        >>> grid()[0] == BASE, len(grid())
        (True, 22)
    """
    changes = [ALONG.get(name, {}) | {name: value} for name, values in AXES.items() for value in values]
    settings: list[dict[str, Any]] = []
    for change in [{}, *changes, *EXTRA]:
        if BASE | change not in settings:
            settings.append(BASE | change)
    return settings


def run(settings: Mapping[str, Any], seed: int, *, batches: Sequence[int] = BATCHES) -> dict[str, Any]:
    """Train from the base model and evaluate on held-out problems on the way, always at temperature 1.

    Args:
        settings: what differs from `BASE`, by the names of GRPOConfig.
        seed: of sampling, of the order of the prompts and of the draws of the evaluation.
        batches: after how many batches of 64 completions to evaluate, rising; 0 is before training.

    Returns:
        The settings, the seed, torch version and thread count, and a list with one value an evaluation for each of:
        `sampled_accuracy`, `greedy_accuracy`, `think_rate`, `mean_length` in tokens; and, as means over the batches
        since the evaluation before, `frac_reward_zero_std` and `clip_fraction`, None where there was no batch.

    Raises:
        ValueError: a setting is out of range.

    Source: our own. Used in lesson "What matters".

    Example:
        >>> record = run({"learning_rate": 1e-3}, 0, batches=[0, 2])
        >>> record["settings"]["learning_rate"], len(record["sampled_accuracy"])
        (0.001, 2)
    """
    settings = BASE | dict(settings)
    model, tokenizer = load_base_model()
    args = GRPOConfig(**FIXED | settings | {"seed": seed})
    judge = dataclasses.replace(args, temperature=1.0)
    rewards: list[RewardFunc] = [accuracy, think_rate]  # right answers are paid; thinking is watched
    trainer = GRPOTrainer(model, rewards, args, make_problems("chain-sum", "train", 5000), tokenizer)
    held_out = make_problems("chain-sum", "test", HELD_OUT)
    points = []
    for batch in batches:
        before = len(trainer.history)
        if batch > 0:
            trainer.args = dataclasses.replace(args, max_steps=batch * settings["num_iterations"])
            trainer.train()
        since = trainer.history[before:]
        found = rollout.evaluate(model, tokenizer, rewards, held_out, judge)
        found["think_rate"] = found["sampled_think_rate"]
        point: dict[str, float | None] = {
            name: found[name] for name in ("sampled_accuracy", "greedy_accuracy", "think_rate", "mean_length")
        }
        for name in ("frac_reward_zero_std", "clip_fraction"):
            point[name] = fmean(record[name] for record in since) if since else None
        points.append({name: x if x is None else round(x, 4) for name, x in point.items()})
    record = {"settings": settings, "seed": seed, "torch": torch.__version__, "threads": torch.get_num_threads()}
    return record | {"batches": list(batches)} | {name: [point[name] for point in points] for name in points[0]}


def load_results() -> list[dict[str, Any]]:
    """Read the results that ship with the package: one record a run, as `run` makes it, seed by seed.

    Example:
        >>> len(load_results()), load_results()[0]["settings"] == BASE
        (110, True)
    """
    return read_lines(STORED)
