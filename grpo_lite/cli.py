"""The command line: `grpo-lite train | eval | sample | bench`, the same as `python -m grpo_lite`.

Every command is one function here; what they do stands in the module they call.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import torch

from grpo_lite._checks import check_installed
from grpo_lite.algorithms import ALGORITHMS
from grpo_lite.rewards.protocol import RewardFunc
from grpo_lite.tasks import BASE_MODEL, RECIPE, TASKS, accuracy, load_base_model, make_problems, think_rate
from grpo_lite.training import distributed, rollout
from grpo_lite.training.checkpoint import newest_checkpoint
from grpo_lite.training.config import GRPOConfig

REWARDS: list[RewardFunc] = [accuracy, think_rate]  # thinking is watched, with the weight 0
HELD_OUT = 1000


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where to look."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command that the arguments name."""
    args = _parser().parse_args(argv)
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # for a model that loads in an instant
    try:
        args.run(args)
    except (ValueError, ImportError, OSError, FloatingPointError) as error:
        sys.exit(f"grpo-lite {args.command}: {error}")
    except KeyboardInterrupt as error:
        print(f"\n{error or 'stopped'}", file=sys.stderr)
        sys.exit(130)


def train(args: argparse.Namespace) -> None:
    """Train from the base model and leave metrics, checkpoints and a plot in the output folder."""
    from grpo_lite.plotting import lines
    from grpo_lite.training.records import METRICS
    from grpo_lite.training.trainer import GRPOTrainer

    check_installed("matplotlib", "the picture of a run needs matplotlib", "train")  # now, not after the training
    model, tokenizer = load_base_model(args.model)
    options = [*TRAIN_OPTIONS, "loss_type", "scale_rewards"]
    given = {name: getattr(args, name) for name in options if getattr(args, name) is not None}
    config = GRPOConfig(**RECIPE | given | {"output_dir": args.output_dir, "seed": args.seed})
    trainer = GRPOTrainer(
        model, REWARDS, config, make_problems(args.task, "train", 5000), tokenizer,
        eval_dataset=make_problems(args.task, "test", HELD_OUT // 5),
    )  # fmt: skip
    start = newest_checkpoint(args.output_dir)
    if distributed.rank() == 0:
        print(f"going on from {start}" if start else f"training on {args.task} from {args.model}", flush=True)
    trainer.train()
    if distributed.rank() > 0:
        return
    last = trainer.history[-1]
    if "think_rate" not in last:
        last = trainer.record({"step": trainer.step, "eval": True} | _evaluate(model, tokenizer, args.task, config))
    evaluations = [record for record in trainer.history if "greedy_think_rate" in record]
    curves = {"sampled": "sampled_accuracy", "greedy": "greedy_accuracy", "thinks": "sampled_think_rate"}
    figure = lines(
        [record["step"] for record in evaluations],
        {name: [record[key] for record in evaluations] for name, key in curves.items()},
        xlabel="step", ylabel="share of held-out problems",
    )  # fmt: skip
    figure.savefig(Path(args.output_dir) / "curves.png", dpi=150)
    print(json.dumps(last))
    print(f"wrote {METRICS}, curves.png and {newest_checkpoint(args.output_dir)}")


def evaluate(args: argparse.Namespace) -> None:
    """Print how well a model does on problems that no training has seen."""
    model, tokenizer = _load(args.model)
    config = GRPOConfig(**RECIPE | {"seed": args.seed})
    print(json.dumps({"model": str(args.model), "task": args.task} | _evaluate(model, tokenizer, args.task, config)))


def sample(args: argparse.Namespace) -> None:
    """Print what the base model and the trained one say to the same problems."""
    problems = make_problems(args.task, "test", args.problems, seed=args.seed)
    columns = [_sampled(path, problems, args) for path in (BASE_MODEL, args.model)]
    for i, problem in enumerate(problems):
        print(f"\n{problem['prompt']}   right: {problem['ground_truth']}")
        for before, after in zip(*(column[i] for column in columns), strict=True):
            print(f"  {before:<40} {after}")


def bench(args: argparse.Namespace) -> None:
    """Measure time and memory, as ratios, on this machine."""
    from grpo_lite.experiments.bench import main as measure

    measure(args.only, args.output)


def _evaluate(model, tokenizer, task: str, config: GRPOConfig) -> dict:
    result = rollout.evaluate(model, tokenizer, REWARDS, make_problems(task, "test", HELD_OUT), config)
    names = {"greedy_accuracy": "greedy_accuracy", "sampled_accuracy": "sampled_accuracy",
             "sampled_think_rate": "think_rate", "mean_length": "mean_length"}  # fmt: skip
    return {short: round(result[name], 4) for name, short in names.items()}


def _sampled(path: Path, problems: list[dict], args: argparse.Namespace) -> list[list[str]]:
    """Return some completions of each problem, each followed by a mark if it is right."""
    model, tokenizer = _load(path)
    config = GRPOConfig(
        **RECIPE | {"num_generations": args.completions, "per_device_train_batch_size": args.completions}
    )
    generator = torch.Generator().manual_seed(args.seed)
    groups = rollout.sample_groups(model, tokenizer, REWARDS, problems, config, generator)
    return [
        [f"{text} {'right' if right else '-'}" for text, right in zip(g.completions, g.scores[:, 0], strict=True)]
        for g in groups
    ]


def _load(path: str | Path) -> tuple:
    """Load a checkpoint, or the newest one of a training's folder."""
    return load_base_model(newest_checkpoint(path) or path)


TRAIN_OPTIONS = {
    "max_steps": (int, "updates of the weights"),
    "learning_rate": (float, "step size at its highest"),
    "num_generations": (int, "completions of each prompt, G"),
    "per_device_train_batch_size": (int, "completions at once"),
    "gradient_accumulation_steps": (int, "micro-batches an update"),
    "num_iterations": (int, "updates with the same completions, mu"),
    "beta": (float, "weight of the KL penalty"),
    "epsilon": (float, "half-width of the clip range"),
    "temperature": (float, "temperature of sampling"),
    "eval_steps": (int, "updates between two evaluations"),
    "save_steps": (int, "updates between two checkpoints"),
}


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="grpo-lite", description="Train and look at small models with GRPO, on a plain CPU.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="train | eval | sample | bench")

    def command(name: str, run, help: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=run.__doc__)
        sub.set_defaults(run=run)
        return sub

    def common(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--task", choices=list(TASKS), default="chain-sum", help="default: %(default)s")
        sub.add_argument("--seed", type=_count, default=0, metavar="N", help="default: %(default)s")

    sub = command("train", train, "train from the base model")
    common(sub)
    sub.add_argument("--output-dir", required=True, metavar="FOLDER", help="the same folder again goes on where it was")
    sub.add_argument("--model", default=BASE_MODEL, metavar="FOLDER", help="default: the base model that ships")
    for name, (kind, text) in TRAIN_OPTIONS.items():
        default = RECIPE.get(name, GRPOConfig.__dataclass_fields__[name].default)
        option = "--" + name.replace("_", "-")
        sub.add_argument(option, type=kind, metavar="N" if kind is int else "X", help=f"{text}; default: {default}")
    sub.add_argument("--loss-type", choices=list(ALGORITHMS), help=f"default: {GRPOConfig.loss_type}")
    sub.add_argument("--scale-rewards", choices=["group", "batch", "none"], help="default: group")

    sub = command("eval", evaluate, "measure a model on held-out problems")
    sub.add_argument("model", nargs="?", default=BASE_MODEL, metavar="FOLDER", help="checkpoint or training folder")
    common(sub)

    sub = command("sample", sample, "show completions before and after, side by side")
    sub.add_argument("model", metavar="FOLDER", help="checkpoint or training folder")
    common(sub)
    sub.add_argument("--problems", type=_count, default=4, metavar="N", help="default: %(default)s")
    sub.add_argument("--completions", type=_group, default=4, metavar="N", help="of each problem; default: %(default)s")

    sub = command("bench", bench, "measure speed and memory as ratios")
    sub.add_argument("--only", metavar="PART", help="one part of the measurement")
    sub.add_argument("--output", metavar="FILE", help="also write the table as Markdown")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"write a whole number such as 4, not {text!r}")
    return int(text)


def _group(text: str) -> int:
    if _count(text) < 2:
        raise argparse.ArgumentTypeError(f"write 2 or more, not {text!r}: a group is sampled")
    return int(text)
