"""The command line: `grpo-lite train | eval | sample | sandbox`, the same as `python -m grpo_lite`.

Every command is one function here; what they do stands in the module they call.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch

from grpo_lite._checks import check_installed
from grpo_lite.algorithms import ALGORITHMS
from grpo_lite.ratio import LEVELS
from grpo_lite.rewards.protocol import RewardFunc
from grpo_lite.tasks import BASE_MODEL, RECIPE, TASKS, accuracy, load_base_model, make_problems, think_rate
from grpo_lite.training import distributed, rollout
from grpo_lite.training.checkpoint import newest_checkpoint
from grpo_lite.training.config import GRPOConfig
from grpo_lite.training.records import METRICS

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
        if "threads" in args:
            torch.set_num_threads(args.threads)
        args.run(args)
    except (ValueError, ImportError, OSError, FloatingPointError) as error:
        sys.exit(f"grpo-lite {args.command}: {error}")
    except KeyboardInterrupt as error:
        print(f"\n{error or 'stopped'}", file=sys.stderr)
        sys.exit(130)


def train(args: argparse.Namespace) -> None:
    """Train from the base model and leave metrics, checkpoints and a plot in the output folder."""
    for module in ("transformers", "tqdm", "matplotlib"):  # now, not after the training
        check_installed(module, f"training needs {module}", "train")
    from grpo_lite.training.trainer import GRPOTrainer

    options = {name: getattr(args, name) for name in (*TRAIN_OPTIONS, "output_dir", "seed", "use_cpu")}
    config = GRPOConfig(**RECIPE | {name: value for name, value in options.items() if value is not None})
    model, tokenizer = load_base_model(args.model)
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
    _draw(trainer.history, Path(args.output_dir) / "curves.png")
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


def sandbox(args: argparse.Namespace) -> None:
    """Build the sandbox for programs ahead of its first use."""
    from grpo_lite.rewards.sandbox import cache_folder, load

    load()
    print(f"the sandbox for programs is in {cache_folder()}")


def _draw(history: list[dict], path: Path) -> None:
    from grpo_lite.plotting import lines

    evaluations = [record for record in history if "greedy_think_rate" in record]
    curves = {"sampled": "sampled_accuracy", "greedy": "greedy_accuracy", "thinks": "sampled_think_rate"}
    figure = lines(
        [record["step"] for record in evaluations],
        {name: [record[key] for record in evaluations] for name, key in curves.items()},
        xlabel="step", ylabel="share of held-out problems",
    )  # fmt: skip
    figure.savefig(path, dpi=150)


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


# Settings of GRPOConfig by their names: a type or the list of choices, and what it is.
TRAIN_OPTIONS: dict[str, tuple[Any, str]] = {
    "max_steps": (int, "updates of the weights"),
    "learning_rate": (float, "step size at its highest"),
    "num_generations": (int, "completions of each prompt, G"),
    "per_device_train_batch_size": (int, "completions at once"),
    "gradient_accumulation_steps": (int, "micro-batches an update"),
    "num_iterations": (int, "updates with the same completions, mu"),
    "beta": (float, "weight of the KL penalty"),
    "epsilon": (float, "half-width of the clip range"),
    "epsilon_high": (float, "its upper half-width; for cispo the cap of the ratio, needed"),
    "delta": (float, "cap of the ratio for negative advantages, above 1"),
    "temperature": (float, "temperature of sampling"),
    "eval_steps": (int, "updates between two evaluations"),
    "save_steps": (int, "updates between two checkpoints"),
    "loss_type": (list(ALGORITHMS), "what is minimised"),
    "importance_sampling_level": (list(LEVELS), "one ratio a token or a completion"),
    "scale_rewards": (["group", "batch", "none"], "whose spread advantages are divided by"),
}


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="grpo-lite", description="Train and look at small models with GRPO, on a plain CPU.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="train | eval | sample | sandbox")

    def command(name: str, run, help: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=run.__doc__)
        sub.set_defaults(run=run)
        return sub

    def common(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--task", choices=list(TASKS), default="chain-sum", help="default: %(default)s")
        sub.add_argument("--seed", type=_at_least(0), default=0, metavar="N", help="default: %(default)s")
        text = "of the processor; for a model this small more are slower; default: %(default)s"
        sub.add_argument("--threads", type=_at_least(1), default=1, metavar="N", help=text)

    sub = command("train", train, "train from the base model")
    common(sub)
    text = "the same folder again goes on where it was"
    sub.add_argument("--output-dir", required=True, type=_name, metavar="FOLDER", help=text)
    sub.add_argument("--model", default=BASE_MODEL, metavar="FOLDER", help="default: the base model that ships")
    sub.add_argument("--use-cpu", action="store_true", help="stay on the CPU although there is an accelerator")
    for name, (kind, text) in TRAIN_OPTIONS.items():
        default = RECIPE.get(name, getattr(GRPOConfig, name))
        how = {"choices": kind} if isinstance(kind, list) else {"type": kind, "metavar": "N" if kind is int else "X"}
        text += "" if default is None else f"; default: {default}"
        sub.add_argument("--" + name.replace("_", "-"), help=text, **how)

    sub = command("eval", evaluate, "measure a model on held-out problems")
    sub.add_argument("model", nargs="?", default=BASE_MODEL, metavar="FOLDER", help="checkpoint or training folder")
    common(sub)

    sub = command("sample", sample, "show completions before and after, side by side")
    sub.add_argument("model", metavar="FOLDER", help="checkpoint or training folder")
    common(sub)
    sub.add_argument("--problems", type=_at_least(1), default=4, metavar="N", help="default: %(default)s")
    sub.add_argument(
        "--completions", type=_at_least(2), default=4, metavar="N", help="of each problem; default: %(default)s"
    )

    command("sandbox", sandbox, "build the sandbox for programs ahead of its first use")
    return parser


def _at_least(low: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not low <= int(text[:20]) < 2**31:  # more overflows in PyTorch
            raise argparse.ArgumentTypeError(f"write a whole number of at least {low} and below 2**31, not {text!r}")
        return int(text)

    return number


def _name(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("write a name, not ''")
    return text
