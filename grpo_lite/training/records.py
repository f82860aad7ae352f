"""Records: what a run measures and shows, and writes down as lines of JSON (`metrics.jsonl`, `completions.jsonl`)."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import fmean

import torch

from grpo_lite._checks import check_choice, check_installed
from grpo_lite.rewards.protocol import RewardFunc
from grpo_lite.training import distributed
from grpo_lite.training.config import GRPOConfig
from grpo_lite.training.rollout import Group, names_of

METRICS, COMPLETIONS = "metrics.jsonl", "completions.jsonl"


def describe(groups: list[Group], reward_funcs: Sequence[RewardFunc], seconds: float) -> dict[str, float]:
    """Sum up what was sampled, and how fast."""
    lengths = torch.cat([group.env_mask.sum(dim=1) for group in groups])
    scores = torch.cat([group.scores for group in groups]).nanmean(dim=0)
    return {
        "reward": torch.cat([group.rewards for group in groups]).nanmean().item(),
        **{f"rewards/{name}": x for name, x in zip(names_of(reward_funcs), scores.tolist(), strict=True)},
        "frac_reward_zero_std": fmean(not group.has_spread for group in groups),
        # The mean of -log pi over tokens that pi itself has sampled estimates its entropy without bias.
        "entropy": -sum(group.logps.sum().item() for group in groups) / lengths.sum().item(),
        "completions/mean_length": lengths.float().mean().item(),
        "completions/clipped_ratio": 1 - torch.cat([group.ended for group in groups]).float().mean().item(),
        "tokens_per_second": lengths.sum().item() / seconds * distributed.world_size(),
    }


def completions_of(group: Group, step: int) -> list[dict]:
    """Return a record for each completion of a group."""
    common, texts = {"step": step, "prompt": group.prompt}, group.completions
    judged = zip(texts, group.rewards.tolist(), group.advantages.tolist(), strict=True)
    return [without_nan(common | {"completion": text, "reward": r, "advantage": a}) for text, r, a in judged]


def without_nan(record: dict) -> dict:
    """Replace each nan, which JSON does not know, by None."""
    return {name: None if value != value else value for name, value in record.items()}


def write(output_dir: str | None, name: str, *lines: dict) -> None:
    """Add records to a file of a run: on the first of several processes, and only if the run has a folder."""
    if output_dir and distributed.rank() == 0:
        for line in lines:
            append_line(Path(output_dir) / name, line)


@contextmanager
def shown(args: GRPOConfig, step: int) -> Iterator[Callable[[dict], None]]:
    """Show each record in a progress bar, and in the trackers of accelerate that `report_to` names."""
    from tqdm import tqdm

    first = distributed.rank() == 0
    names = [args.report_to] if isinstance(args.report_to, str) else args.report_to
    trackers = [_tracker(name, args) for name in names if name != "none" and first]
    # A line that moves, in a terminal; a notebook's page would keep each of its states.
    bar = tqdm(total=args.max_steps, initial=step, disable=args.disable_tqdm if first else True, unit="step")

    def show(record: dict) -> None:
        for tracker in trackers:
            tracker.log({k: x for k, x in record.items() if isinstance(x, int | float)}, step=record["step"])
        if "reward" in record:  # an update
            scores = {name[8:]: x for name, x in record.items() if name.startswith("rewards/")}
            bar.set_postfix({"reward": record["reward"], **scores}, refresh=False)
            bar.update()

    try:
        yield show
    finally:
        bar.close()
        while trackers:
            trackers.pop().finish()


def _tracker(name: str, args: GRPOConfig):
    check_installed("accelerate", "report_to needs accelerate", "watch")
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    check_choice("report_to", name, ["none", *LOGGER_TYPE_TO_CLASS])
    kind = LOGGER_TYPE_TO_CLASS[name]
    if kind.requires_logging_directory and args.output_dir is None:
        raise ValueError(f"report_to={name!r} writes files and needs output_dir, got None")
    tracker = kind("grpo_lite", *[args.output_dir] * kind.requires_logging_directory)
    tracker.start()
    settings = {k: x if isinstance(x, int | float | str) else str(x) for k, x in asdict(args).items()}
    tracker.store_init_configuration(settings)
    return tracker


def append_line(path: Path, record: dict) -> None:
    """Add one record to a file of JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def read_lines(path: Path) -> list[dict]:
    """Read a file of JSON lines; a last line that was cut off is left out."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def cut_lines(path: Path, last_step: int) -> list[dict]:
    """Drop the records after a step, which the resumed run will write again; return what is left."""
    kept = [record for record in read_lines(path) if record["step"] <= last_step]
    if path.exists():
        draft = path.with_suffix(".draft")
        draft.write_text("".join(json.dumps(record) + "\n" for record in kept), encoding="utf-8")
        os.replace(draft, path)
    return kept
