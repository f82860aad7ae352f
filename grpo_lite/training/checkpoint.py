"""Checkpoints that survive `kill -9`: a folder either has its final name and is whole, or it is not read.

A checkpoint is written under another name, flushed to the disk, and renamed at last; renaming is one step for the file
system. It holds the model as transformers saves it, so `from_pretrained` reads it, and the state of the run.
"""

import json
import os
import shutil
from pathlib import Path

import torch

STATE = "trainer_state.pt"


def save_checkpoint(folder: Path, model, tokenizer, state: dict, keep: int | None) -> None:
    """Write `checkpoint-STEP` into a folder, then delete the oldest ones beyond `keep`."""
    final, draft = folder / f"checkpoint-{state['step']}", folder / ".unfinished"
    shutil.rmtree(draft, ignore_errors=True)
    model.save_pretrained(draft)
    tokenizer.save_pretrained(draft)
    torch.save(state, draft / STATE)
    for path in [*draft.iterdir(), draft]:
        _flush(path)
    _remove(final)
    os.replace(draft, final)
    _flush(folder)
    for path in _checkpoints(folder)[:-keep] if keep else []:
        _remove(path)


def newest_checkpoint(output_dir: str | Path) -> Path | None:
    """Return the finished checkpoint of the highest step."""
    found = _checkpoints(Path(output_dir))
    return found[-1] if found else None


def load_checkpoint(path: Path, model, settings: dict) -> dict:
    """Put the weights of a checkpoint into the model and return the state of the run.

    Raises:
        ValueError: the checkpoint belongs to a run with other settings.
    """
    from safetensors.torch import load_model

    state = torch.load(path / STATE, map_location="cpu", weights_only=True)
    before = state["settings"]
    changed = [f"{name}: {before.get(name)} there, {x} here" for name, x in settings.items() if before.get(name) != x]
    if changed:
        raise ValueError(
            f"{path} belongs to a run with other settings ({', '.join(changed)}): "
            "choose another output_dir, or delete this one to start again"
        )
    load_model(model, path / "model.safetensors", device=str(next(model.parameters()).device))
    return state


def _checkpoints(folder: Path) -> list[Path]:
    found = [path for path in folder.glob("checkpoint-*") if path.name.removeprefix("checkpoint-").isdecimal()]
    return sorted(found, key=lambda path: int(path.name.removeprefix("checkpoint-")))


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


def _remove(path: Path) -> None:
    """Delete a checkpoint, out of sight: what has a final name is whole, also while a part of it is gone already."""
    hidden = path.with_name(".deleted")
    shutil.rmtree(hidden, ignore_errors=True)
    if path.exists():
        os.replace(path, hidden)
        shutil.rmtree(hidden, ignore_errors=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
