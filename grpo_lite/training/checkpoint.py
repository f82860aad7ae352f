"""Checkpoints that survive `kill -9`: a folder either has its final name and is whole, or it is not read.

A checkpoint is written under another name, flushed to the disk, and renamed at last; renaming is one step for the file
system. It holds the model as transformers saves it, so `from_pretrained` reads it, and the state of the run.
"""

import json
import os
import shutil
from pathlib import Path

import torch

from grpo_lite.training import distributed, records

STATE = "trainer_state.pt"


def save(trainer, folder: Path) -> None:
    """Write `checkpoint-STEP` into a folder, then delete the oldest ones beyond `save_total_limit`."""
    processes = distributed.gather_objects(
        {"prompts_taken": trainer.prompts_taken, "generator": trainer.generator.get_state().cpu()}
    )
    if distributed.rank() > 0:
        return
    state = {"step": trainer.step, "settings": _run_settings(trainer), "processes": processes}
    final, draft = folder / f"checkpoint-{trainer.step}", folder / ".unfinished"
    shutil.rmtree(draft, ignore_errors=True)
    trainer.model.save_pretrained(draft)
    trainer.tokenizer.save_pretrained(draft)
    torch.save(state | {"optimizer": trainer.optimizer.state_dict()}, draft / STATE)
    _flush(draft)
    _remove(final)
    os.replace(draft, final)
    _flush_folder(folder)
    keep = trainer.args.save_total_limit
    for path in _checkpoints(folder)[:-keep] if keep else []:
        _remove(path)


def resume(trainer, folder: Path) -> None:
    """Go on from the newest checkpoint in a folder, if there is one, with the records that were written before it."""
    metrics, completions = folder / records.METRICS, folder / records.COMPLETIONS
    if distributed.rank() == 0:  # a folder that cannot be written to is refused before anything is computed
        folder.mkdir(parents=True, exist_ok=True)
        metrics.touch()
    found = distributed.gather_objects(newest_checkpoint(folder))[0]  # all processes read the one that the first sees
    if found:
        load(trainer, found)
    if distributed.rank() == 0:
        # Records of steps that will be taken again, also those of a run that was stopped before it saved anything.
        last = trainer.step if found else -1
        trainer.history, _ = records.cut_lines(metrics, last), records.cut_lines(completions, last)


def load(trainer, path: Path) -> None:
    """Put a trainer where the run was when the checkpoint was written.

    Raises:
        ValueError: the checkpoint belongs to a run with other settings.
    """
    from safetensors.torch import load_model

    state = torch.load(path / STATE, map_location="cpu", weights_only=True)
    before, now = state["settings"], _run_settings(trainer)
    changed = [f"{name}: {before.get(name)} there, {x} here" for name, x in now.items() if before.get(name) != x]
    if changed:
        raise ValueError(
            f"{path} belongs to a run with other settings ({', '.join(changed)}): "
            "choose another output_dir, or delete this one to start again"
        )
    load_model(trainer.model, path / "model.safetensors", device=str(trainer.device))
    trainer.optimizer.load_state_dict(state["optimizer"])
    own = state["processes"][distributed.rank()]
    trainer.generator.set_state(own["generator"])
    trainer.step, trainer.prompts_taken = state["step"], own["prompts_taken"]


def newest_checkpoint(output_dir: str | Path) -> Path | None:
    """Return the finished checkpoint of the highest step."""
    return next(reversed(_checkpoints(Path(output_dir))), None)


def resume_hint(output_dir: str | None) -> str:
    """Say where a run that is being stopped can go on."""
    if output_dir is None:
        return "without output_dir there is no checkpoint; the model in memory holds the weights"
    found = newest_checkpoint(output_dir)
    return f"the same command goes on from {found}" if found else "there is no checkpoint yet"


def _run_settings(trainer) -> dict:
    """Return everything that decides about the weights."""
    rows = trainer.train_dataset
    data = {
        "processes": distributed.world_size(),
        "rows of train_dataset": len(rows),
        "first prompt": rows[0]["prompt"],
    }
    # As JSON has them: a list for a tuple, and a plain number for one of numpy, which torch.load would refuse.
    text = json.dumps(
        trainer.args.fixed_settings() | data, default=lambda x: x.tolist() if hasattr(x, "tolist") else str(x)
    )
    return json.loads(text)


def _checkpoints(folder: Path) -> list[Path]:
    found = [path for path in folder.glob("checkpoint-*") if path.name.removeprefix("checkpoint-").isdecimal()]
    return sorted(found, key=lambda path: int(path.name.removeprefix("checkpoint-")))


def _remove(path: Path) -> None:
    """Delete a checkpoint, out of sight: what has a final name is whole, also while a part of it is gone already."""
    hidden = path.with_name(".deleted")
    shutil.rmtree(hidden, ignore_errors=True)
    if path.exists():
        os.replace(path, hidden)
        shutil.rmtree(hidden, ignore_errors=True)


def _flush(draft: Path) -> None:
    for path in draft.iterdir():
        with path.open("rb+") as file:  # Windows flushes only what is open for writing
            os.fsync(file.fileno())
    _flush_folder(draft)


def _flush_folder(folder: Path) -> None:
    """Make the names in a folder durable; Windows cannot open one, and does it by itself."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
