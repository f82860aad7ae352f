"""The command line: `grpo-lite train | eval | sample | sandbox`, the same as `python -m grpo_lite`.

Every command is one function here; what they do stands in the module they call.
"""

import argparse
import inspect
import json
import os
import random
import re
import runpy
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn, get_args

import torch

from grpo_lite._checks import check_installed
from grpo_lite.tasks import BASE_MODEL, RECIPE, TASKS, accuracy, load_base_model, make_problems, think_rate
from grpo_lite.training import distributed, rollout
from grpo_lite.training.checkpoint import check_whole, newest_checkpoint
from grpo_lite.training.config import GRPOConfig
from grpo_lite.training.records import METRICS

TASK_FILE = ("train_dataset", "eval_dataset", "reward_funcs", "load_model")  # what a task of one's own must define
TRAINED_ON = "task.txt"  # in a training's folder: its task


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
    """Train a small model and leave metrics, checkpoints and a plot in the output folder."""
    for module in ("transformers", "tqdm", "matplotlib"):  # now, not after the training
        check_installed(module, f"training needs {module}", "train")
    from grpo_lite.training.trainer import GRPOTrainer

    task, folder = _task(args), Path(args.output_dir)
    options = {name: value for name, value in vars(args).items() if name in GRPOConfig.__dataclass_fields__}
    config = GRPOConfig(**task.settings | options)
    model, tokenizer = load_base_model(args.model) if args.model else _start(task)
    model.float()  # in half precision its small steps would be lost

    def name_the_task(record: dict) -> None:  # with the first record, when the folder is this run's alone
        if distributed.rank() == 0 and len(trainer.history) == 1:
            (folder / TRAINED_ON).write_text(task.name, encoding="utf-8")

    data = task.train_dataset, tokenizer, task.eval_dataset[:200]
    trainer = GRPOTrainer(model, task.reward_funcs, config, *data, callback=name_the_task)
    start = newest_checkpoint(folder)
    if distributed.rank() == 0:
        print(f"going on from {start}" if start else f"training on {task.name}", flush=True)
    trainer.train()
    if distributed.rank() > 0:
        return
    last = trainer.history[-1]
    if "final" not in last:
        measured = _measure(model, tokenizer, task, config)
        last = trainer.record({"step": trainer.step, "eval": True, "final": True} | measured)
    _draw(trainer.history, folder / "curves.png")
    print(json.dumps(last))
    print(f"wrote {METRICS}, curves.png and {newest_checkpoint(folder)}")


def evaluate(args: argparse.Namespace) -> None:
    """Print how well a model does on problems that no training has seen."""
    task = _task(args)
    config = GRPOConfig(**task.settings | {"seed": args.seed})
    model, tokenizer = _load(args.model)
    print(json.dumps({"model": str(args.model), "task": task.name} | _measure(model, tokenizer, task, config)))


def sample(args: argparse.Namespace) -> None:
    """Print what a model said before its training and what it says now, each completion with its reward."""
    task = _task(args)
    group = {"num_generations": args.completions, "per_device_train_batch_size": args.completions}
    config = GRPOConfig(**task.settings | group)
    held_out = len(task.eval_dataset)
    if args.problems > held_out:
        raise ValueError(f"--problems must be at most {held_out}, what is held out, got {args.problems}")
    rows = random.Random(args.seed).sample(list(task.eval_dataset), args.problems)
    sampled = []
    for model, tokenizer in (_start(task), _load(args.model)):
        generator = torch.Generator().manual_seed(args.seed)
        sampled.append(rollout.sample_groups(model, tokenizer, task.reward_funcs, rows, config, generator))
    for row, *groups in zip(rows, *sampled, strict=True):
        print("\n" + "   ".join([str(row["prompt"]), *(f"{k}: {x}" for k, x in row.items() if k != "prompt")]))
        said = [[f"{x} {r:g}" for x, r in zip(g.completions, g.rewards.tolist(), strict=True)] for g in groups]
        for pair in zip(*said, strict=True):
            print("  {:<40} {}".format(*pair))


def sandbox(args: argparse.Namespace) -> None:
    """Build the sandbox for programs ahead of its first use."""
    from grpo_lite.rewards.sandbox import cache_folder, load

    load()
    print(f"the sandbox for programs is in {cache_folder()}")


def _task(args: argparse.Namespace) -> SimpleNamespace:
    """Return what a training needs, by the names of TASK_FILE: of a task that ships, or of one in a Python file."""
    name = _trained_on(args.model) if args.task is None else args.task
    if name in TASKS:
        rows, held_out = make_problems(name, "train", 5000), make_problems(name, "test", 1000)
        parts: tuple = rows, held_out, [accuracy, think_rate], load_base_model
        return SimpleNamespace(name=name, settings=RECIPE, **dict(zip(TASK_FILE, parts, strict=True)))
    path = Path(name).resolve()
    if path.suffix != ".py" or not path.is_file():
        which = f"{name!r}, and there is no {path}" if path.suffix == ".py" else repr(name)
        raise ValueError(f"--task must be {', '.join(TASKS)} or a Python file of your own, got {which}")
    sys.path.insert(0, str(path.parent))  # as for a script: what lies beside it can be imported
    module = runpy.run_path(str(path), run_name=path.stem)
    missing = [part for part in TASK_FILE if part not in module]
    if missing:
        raise ValueError(f"a task file must define {', '.join(TASK_FILE)}; {name} has no {', '.join(missing)}")
    own = module.get("settings", {})
    unknown = ", ".join(map(str, set(own) - GRPOConfig.__dataclass_fields__.keys())) if isinstance(own, dict) else own
    if unknown:
        raise ValueError(f"settings in {name} must be a dict of settings that GRPOConfig has, got {unknown}")
    settings = RECIPE | {"reward_weights": None} | own
    task = SimpleNamespace(name=str(path), settings=settings, **{part: module[part] for part in TASK_FILE})
    task.eval_dataset = list(task.eval_dataset)  # of the datasets library a part would be columns
    return task


def _trained_on(folder: str | Path) -> str:
    """Return the task of a training's folder or of a checkpoint in it; the code of a file runs only if it is named."""
    for place in (Path(folder), Path(folder).parent):
        if (place / TRAINED_ON).is_file():
            name = (place / TRAINED_ON).read_text(encoding="utf-8")
            if name not in TASKS:
                raise ValueError(f"{folder} was trained on {name}: say --task {name} to run that file and judge by it")
            return name
    return "chain-sum"


def _start(task: SimpleNamespace) -> Sequence:
    """Return what a training starts from."""
    loaded = task.load_model()
    if not isinstance(loaded, Sequence) or len(loaded) != 2:
        raise ValueError(f"load_model must return a model and its tokenizer, got {type(loaded).__name__}")
    return loaded


def _load(path: str | Path) -> tuple:
    """Load a checkpoint, or the newest one of a training's folder."""
    found = newest_checkpoint(path) or Path(path)
    check_whole(found)
    return load_base_model(found)


def _measure(model, tokenizer, task: SimpleNamespace, config: GRPOConfig) -> dict:
    result = rollout.evaluate(model, tokenizer, task.reward_funcs, task.eval_dataset, config)
    return {name: round(value, 4) for name, value in result.items()}


def _draw(history: list[dict], path: Path) -> None:
    from grpo_lite.plotting import lines

    records = [record for record in history if "eval" in record and "final" not in record] or history[-1:]
    names = [name for name in records[0] if name.startswith(("greedy_", "sampled_"))]
    curves = {name.replace("_", " "): [record[name] for record in records] for name in names}
    lines([record["step"] for record in records], curves, xlabel="step", ylabel="mean, held out").savefig(path, dpi=150)


def _settings() -> Iterator[tuple[str, type, str]]:
    """Yield name, type and meaning of the settings that are numbers, words or switches, as GRPOConfig has them."""
    told = re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", inspect.cleandoc(GRPOConfig.__doc__ or ""), re.M)
    meanings = {name: " ".join(text.split()).replace("%", "%%") for name, text in told}
    for field in fields(GRPOConfig):
        for kind in (int, float, str, bool):
            if kind in (field.type, *get_args(field.type)) and field.name not in ("output_dir", "seed"):
                yield field.name, kind, meanings.get(field.name, "")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="grpo-lite", description="Train and look at small models with GRPO, on a plain CPU.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="train | eval | sample | sandbox")

    def command(name: str, run, help: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=run.__doc__, allow_abbrev=False)
        sub.set_defaults(run=run)
        return sub

    def common(sub: argparse.ArgumentParser, task: str | None = None) -> None:
        text = f"{', '.join(TASKS)}, or a Python file of your own; default: {task or 'that of the training'}"
        sub.add_argument("--task", default=task, help=text)
        sub.add_argument("--seed", type=_at_least(0), default=0, metavar="N", help="default: %(default)s")
        text = "of the processor; for a model this small more are slower; default: %(default)s"
        sub.add_argument("--threads", type=_at_least(1), default=1, metavar="N", help=text)

    sub = command("train", train, "train a small model")
    common(sub, "chain-sum")
    text = "the same folder again goes on where it was"
    sub.add_argument("--output-dir", required=True, metavar="FOLDER", help=text)
    sub.add_argument("--model", metavar="FOLDER", help="what to start from; default: the model of the task")
    for name, kind, text in _settings():
        default = RECIPE.get(name, getattr(GRPOConfig, name))
        text = f"{text.rstrip('.')}; default: {default}" if default is not None else text.rstrip(".")
        how = {"action": argparse.BooleanOptionalAction} if kind is bool else {"type": kind, "metavar": "X"}
        sub.add_argument("--" + name.replace("_", "-"), default=argparse.SUPPRESS, help=text, **how)  # type: ignore[arg-type]

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
