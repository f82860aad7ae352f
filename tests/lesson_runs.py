"""The trainings that lessons report on and that take too long for a page: `make runs` makes those that are missing.

Each is one line in a file of `grpo_lite/data`, or beside this one if no lesson reads it. The code that
trains is the package's or the lesson's own.
"""

import ast
import dataclasses
import os
import sys
from functools import partial
from importlib.resources import files
from pathlib import Path
from statistics import fmean

os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

import jupytext
import torch

from grpo_lite import GRPOConfig, GRPOTrainer
from grpo_lite.tasks import accuracy, load_base_model, make_problems, think_rate
from grpo_lite.training import rollout
from grpo_lite.training.records import append_line, read_lines
from helpers.lessons import lesson

DATA = Path(str(files("grpo_lite") / "data"))
SEEDS, JUDGES = range(5), 8
HALF_REPAIR = Path(__file__).with_name("half_repair.jsonl")
# Completions of a prompt, baseline, and what is added to every reward.
BASELINES = [(1, "nothing", 0), (1, "critic", 0), (1, "taught critic", 0), (1, "batch", 0)]
BASELINES += [(8, "nothing", 0), (8, "critic", 0), (8, "taught critic", 0), (8, "batch", 0)]
BASELINES += [(8, "group", 0), (8, "group, ÷ spread", 0), (1, "critic", -1), (1, "nothing", -1)]
NOISE = Path(__file__).with_name("noise.jsonl")
TEMPERATURES = (0.5, 1.0, 1.5)
# One update a batch is the same for all four, and what is clipped is nothing.
OBJECTIVES = [{"epsilon": 1e6}, {}, {"importance_sampling_level": "sequence", "epsilon": 0.05}]
REUSE = [{}] + [{"num_iterations": updates, **how} for updates in (4, 16, 32) for how in OBJECTIVES]


def names_of(key, *wanted):
    """What the functions and the named constants of a lesson are; nothing else of it runs."""
    names = {}
    for cell in jupytext.read(lesson(key)).cells:
        for node in ast.parse(cell.source if cell.cell_type == "code" else "").body:
            targets = {x.id for t in getattr(node, "targets", []) for x in ast.walk(t) if isinstance(x, ast.Name)}
            if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef) or targets & {*wanted}:
                exec(compile(ast.Module([node], []), key, "exec"), names)
    return names


MATTERS = names_of("what_matters", "BASE", "AXES", "ALONG", "BATCHES", "FIXED")
BASE, AXES, ALONG, BATCHES, FIXED = (MATTERS[name] for name in ("BASE", "AXES", "ALONG", "BATCHES", "FIXED"))
# Four updates a batch, each a quarter as long: tells reuse of a batch from a larger learning rate.
EXTRA = [{"num_iterations": 4, "learning_rate": 5e-5}]


def missing(name, wanted):
    """Yield the file, and of the wanted runs those that are not in it."""
    path = DATA / name
    if path.exists():  # what a kill has left of a line is taken away: the next one would be written behind it
        os.truncate(path, path.read_bytes().rfind(b"\n") + 1)
    done = read_lines(path)
    for settings in wanted:
        if not any(settings.items() <= record.items() for record in done):
            yield path, settings


def compare_baselines():
    wanted = [{"size": s, "baseline": b, "shift": x, "seed": seed} for seed in SEEDS for s, b, x in BASELINES]
    todo = list(missing("baselines.jsonl", wanted))
    if not todo:
        return
    its = names_of("ppo_and_grpo", "base", "tokenizer", "problems", "held_out")
    critics = {"critic": its["Critic"](its["base"]), "taught critic": its["teach_critic"]()}
    for path, run in todo:
        critic = critics.get(run["baseline"])
        baseline = "critic" if critic else run["baseline"]
        log = its["train"](baseline, run["size"], run["seed"], critic=critic, shift=run["shift"])[0]
        lists = {key: [round(r[key], 4) for r in log if key in r] for key in ("accuracy", "reward", "value")}
        append_line(path, run | {key: x for key, x in lists.items() if x})
        print(run, lists["accuracy"], flush=True)


def what_noise_costs():
    """The race by plain gradient descent, and by AdamW at a fifth of its rate."""
    ways = [("nothing", 0), ("batch", 0), ("nothing", -1)]
    descents = [("SGD", 0.1, 12, 4), ("SGD", 0.3, 12, 4), ("AdamW", 1e-4, 24, 3)]
    wanted = [
        {"optimizer": optimizer, "lr": lr, "steps": steps, "baseline": b, "shift": x, "seed": seed}
        for optimizer, lr, steps, seeds in descents
        for seed in range(seeds)
        for b, x in ways
    ]
    its = names_of("ppo_and_grpo", "base", "tokenizer", "problems", "held_out")
    for path, run in missing(NOISE, wanted):
        descent = partial(its["adamw"] if run["optimizer"] == "AdamW" else torch.optim.SGD, lr=run["lr"])
        how = {"steps": run["steps"], "shift": run["shift"], "optimizer": descent}
        log = its["train"](run["baseline"], 1, run["seed"], **how)[0]
        append_line(path, run | {"accuracy": [round(r["accuracy"], 4) for r in log if "accuracy" in r]})
        print(run, flush=True)


def judge_apart():
    """Train as the sweep does, then judge the last weights with draws that no training has used."""
    wanted = [{"temperature": t, "seed": seed} for seed in range(5) for t in TEMPERATURES]
    for path, run in missing("judges.jsonl", wanted):
        args = GRPOConfig(**FIXED | BASE | run, max_steps=40)
        model, tokenizer = load_base_model()
        GRPOTrainer(model, accuracy, args, make_problems("chain-sum", "train", 5000), tokenizer).train()
        held_out = make_problems("chain-sum", "test", 200)
        for temperature in (1.0, 0.5):
            judges = dataclasses.replace(
                args, temperature=temperature, num_generations=JUDGES, per_device_train_batch_size=64
            )
            draws = torch.Generator().manual_seed(1000 + run["seed"])
            groups = rollout.sample_groups(model, tokenizer, [accuracy], held_out, judges, draws)
            right = torch.stack([group.rewards for group in groups])
            run[f"judged at {temperature}"] = [round(x, 4) for x in right.mean(dim=0).tolist()]
        append_line(path, run)
        print(run, flush=True)


def grid():
    """The settings of the sweep, each once, the base first."""
    changes = [ALONG.get(name, {}) | {name: value} for name, values in AXES.items() for value in values]
    settings = []
    for change in [{}, *changes, *EXTRA]:
        if BASE | change not in settings:
            settings.append(BASE | change)
    return settings


def train(settings, seed, batches=BATCHES):
    """Train from the base model and evaluate on held-out problems after so many batches, always at temperature 1.

    The record has a list with one value an evaluation for each of the names below; those of the last line are means
    over the batches since the evaluation before, None where there was no batch.
    """
    model, tokenizer = load_base_model()
    args = GRPOConfig(**FIXED | settings | {"seed": seed, "reward_weights": [1.0, 0.0]})
    judge = dataclasses.replace(args, temperature=1.0)
    rewards = [accuracy, think_rate]  # right answers are paid; thinking is watched
    trainer = GRPOTrainer(model, rewards, args, make_problems("chain-sum", "train", 5000), tokenizer)
    held_out = make_problems("chain-sum", "test", 200)
    points = []
    for batch in batches:
        before = len(trainer.history)
        if batch > 0:
            trainer.args = dataclasses.replace(args, max_steps=batch * settings["num_iterations"])
            trainer.train()
        since = trainer.history[before:]
        found = rollout.evaluate(model, tokenizer, rewards, held_out, judge)
        point = {name: found[name] for name in ("sampled_accuracy", "greedy_accuracy")}
        point |= {"think_rate": found["sampled_think_rate"], "mean_length": found["mean_length"]}
        for name in ("frac_reward_zero_std", "clip_fraction"):
            point[name] = fmean(record[name] for record in since) if since else None
        points.append({name: x if x is None else round(x, 4) for name, x in point.items()})
    record = {"settings": settings, "seed": seed, "torch": torch.__version__, "threads": torch.get_num_threads()}
    return record | {"batches": [*batches]} | {name: [point[name] for point in points] for name in points[0]}


def sweep_over(name, settings, seeds, batches):
    """Run each setting with each seed; one seed after the other, so that a file that is cut off has all settings."""
    settings = [BASE | change for change in settings]
    wanted = [{"settings": s, "seed": seed, "batches": [*batches]} for seed in seeds for s in settings]
    for path, run in missing(name, wanted):
        append_line(path, record := train(**run))
        print(run, f"sampled {record['sampled_accuracy'][0]:.2f} -> {record['sampled_accuracy'][-1]:.2f}", flush=True)


def what_matters():
    sweep_over("sweep.jsonl", grid(), SEEDS, BATCHES)


def use_again():
    """Four batches, used again and again; then 64 fresh ones, which make as many updates as four used 16 times."""
    for seed in range(4):
        sweep_over("reuse.jsonl", REUSE, [seed], range(5))
        sweep_over("reuse.jsonl", [{}], [seed], (0, 16, 32, 48, 64))


def half_a_repair():
    wanted = [{"seed": seed} for seed in range(8)]
    its = names_of("when_rewards_lie", "base", "tokenizer", "problems", "held_out", "ANSWER", "PRICE")
    for path, run in missing(HALF_REPAIR, wanted):
        model, history = its["train"](its["found_behind"], its["PRICE"], seed=run["seed"])
        for name in ("sampled_accuracy", "sampled_think_rate"):
            run[name] = [round(record[name], 4) for record in history]
        append_line(path, run)
        print(run, flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in sys.argv[1:] or (
        "what_matters",
        "compare_baselines",
        "what_noise_costs",
        "judge_apart",
        "use_again",
        "half_a_repair",
    ):
        globals()[name]()
