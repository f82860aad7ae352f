"""Checkpoints that survive `kill -9`, and which run may go on from them.

A folder either has its final name and is whole, or it is not read: a checkpoint is written under another name, flushed
to the disk, and renamed at last; renaming is one step for the file system. It holds the model as transformers saves it,
so `from_pretrained` reads it, the state of the run, what makes it this run and no other, and a hash of each file, by
which a file that has changed since is found.
"""

import hashlib
import inspect
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from grpo_lite.training import distributed, records
from grpo_lite.training.rollout import names_of

STATE, HASHES = "trainer_state.pt", "hashes.json"


def save(trainer, folder: Path) -> None:
    """Write `checkpoint-STEP` into a folder, then delete the oldest ones beyond `save_total_limit`."""
    from safetensors import SafetensorError

    own = {"prompts_taken": trainer.prompts_taken, "generator": trainer.generator.get_state().cpu()}
    state = {"step": trainer.step, "settings": trainer.identity, "processes": distributed.gather_objects(own)}
    if distributed.rank() > 0:
        return
    state |= {"weights": hash_of_weights(trainer.model), "optimizer": trainer.optimizer.state_dict()}
    final, draft = folder / f"checkpoint-{trainer.step}", folder / ".unfinished"
    try:
        _clear(draft)
        trainer.model.save_pretrained(draft, max_shard_size="1TB")  # one file
        trainer.tokenizer.save_pretrained(draft)
        torch.save(state, draft / STATE)
        seal(draft)
        for path in (*draft.iterdir(), draft):
            _flush(path)
        _remove(final)
        os.replace(draft, final)
        _flush(folder)
    except (RuntimeError, SafetensorError, OSError) as error:  # what PyTorch, safetensors and Python say
        raise OSError(f"{final} could not be written, checkpoints before it are whole: {error}") from error
    keep = trainer.args.save_total_limit
    for path in _checkpoints(folder)[:-keep] if keep else []:
        _remove(path)


@contextmanager
def going_on(trainer) -> Iterator[None]:
    """Keep the folder of a run to itself, begin from its newest checkpoint, and say where it can go on from again."""
    folder = Path(trainer.args.output_dir) if trainer.args.output_dir else None
    try:
        with _lock(folder) if folder and distributed.rank() == 0 else nullcontext():
            if folder and trainer.step == 0:
                _resume(trainer, folder)
            yield
    except FloatingPointError as error:
        hint = resume_hint(trainer.args.output_dir)
        raise FloatingPointError(f"step {trainer.step + 1}: {error} ({hint})") from error


def _lock(folder: Path) -> AbstractContextManager:
    """Let no second run into a folder. The lock ends with the process, however that ends."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / records.METRICS).touch()  # a folder that cannot be written to is refused before anything is computed
    try:
        return FileLock(folder / ".lock", timeout=0).acquire()
    except Timeout:
        raise ValueError(f"another run is at work in {folder}: wait for its end, or choose another folder") from None
    except (OSError, NotImplementedError):  # a file system of a network may know no locks
        return nullcontext()


def _resume(trainer, folder: Path) -> None:
    found = distributed.gather_objects(newest_checkpoint(folder))[0]  # all processes read the one that the first sees
    if found:
        load(trainer, found)
    # Without records of steps that will be taken again, also those of a run that was stopped before it saved anything.
    last, first = trainer.step if found else -1, distributed.rank() == 0
    kept = [records.cut_lines(folder / name, last) for name in (records.METRICS, records.COMPLETIONS) if first]
    trainer.history = distributed.gather_objects(kept)[0][0]  # by which all know whether to evaluate first


def load(trainer, path: Path) -> None:
    """Put a trainer where the run was when the checkpoint was written, unless that was another run."""
    check_whole(path)
    state = torch.load(path / STATE, map_location="cpu", weights_only=True)
    before, now = state["settings"], trainer.identity
    if now["model"] == state["weights"] and not trainer.reference:  # the run's own model, as it was left here
        now["model"] = before["model"]
    changed = [f"{k}: {before.get(k)} there, {now.get(k)} here" for k in now | before if before.get(k) != now.get(k)]
    if changed:
        raise ValueError(
            f"{path} belongs to a run with other settings ({', '.join(changed)}): "
            "choose another output_dir, or delete this one to start again"
        )
    _load_weights(trainer.model, path, str(trainer.device))
    trainer.optimizer.load_state_dict(state["optimizer"])
    own = state["processes"][distributed.rank()]
    trainer.generator.set_state(own["generator"])
    trainer.step, trainer.prompts_taken = state["step"], own["prompts_taken"]


def _load_weights(model: torch.nn.Module, path: Path, device: str) -> None:
    if hasattr(model, "peft_config"):  # only the adapters were saved
        from peft import load_peft_weights, set_peft_model_state_dict

        set_peft_model_state_dict(model, load_peft_weights(str(path), device=device))
    else:
        from safetensors.torch import load_model

        load_model(model, path / "model.safetensors", device=device)


def identity(trainer) -> dict:
    """Return everything that decides about the weights, as JSON has it: a list for a tuple, plain numbers.

    A run that goes on must have the same. Of the rows, the model as it came and the code of functions it holds a hash.
    """
    rows, funcs = trainer.train_dataset, dict(zip(names_of(trainer.reward_funcs), trainer.reward_funcs, strict=True))
    if trainer.environment:
        funcs["environment"] = trainer.environment
    data = {
        "processes": distributed.world_size(),
        "rows of train_dataset": len(rows),
        "first prompt": rows[0]["prompt"],
        "all rows": _hash(*rows),
        "model": hash_of_weights(trainer.model),
    }
    code = {f"code of {name}": _hash(*_code(func)) for name, func in funcs.items()}
    return json.loads(json.dumps(trainer.args.fixed_settings() | data | code, default=_plain))


def seal(folder: Path) -> None:
    """Write down a hash of each file."""
    hashes = {path.name: _hash_of(path) for path in sorted(folder.iterdir()) if path.name != HASHES}
    (folder / HASHES).write_text(json.dumps(hashes))


def check_whole(path: Path) -> None:
    """Refuse a checkpoint with a file that is not as it was written; any other folder may be as it is."""
    if not any((path / name).exists() for name in (STATE, HASHES)):
        return
    try:
        written = json.loads((path / HASHES).read_text())
        bad = [name for name, found in written.items() if _hash_of(path / name) != found]
    except (OSError, ValueError) as error:
        bad = [str(error)]
    if bad:
        raise ValueError(
            f"{path} is damaged ({', '.join(bad)} is not as it was written): delete it, and the run goes on from the "
            "checkpoint before"
        )


def newest_checkpoint(output_dir: str | Path) -> Path | None:
    """Return the finished checkpoint of the highest step."""
    return next(reversed(_checkpoints(Path(output_dir))), None)


def resume_hint(output_dir: str | None) -> str:
    """Say where a run that is being stopped can go on."""
    if output_dir is None:
        return "without output_dir there is no checkpoint; the model in memory holds the weights"
    found = newest_checkpoint(output_dir)
    return f"the same command goes on from {found}" if found else "there is no checkpoint yet"


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checkpoints(folder: Path) -> list[Path]:
    found = [path for path in folder.glob("checkpoint-*") if path.name.removeprefix("checkpoint-").isdecimal()]
    return sorted(found, key=lambda path: int(path.name.removeprefix("checkpoint-")))


def _remove(path: Path) -> None:
    """Delete a checkpoint, out of sight: what has a final name is whole, also while a part of it is gone already."""
    hidden = path.with_name(".deleted")
    _clear(hidden)
    if path.exists():
        os.replace(path, hidden)
        _clear(hidden)


def _clear(path: Path) -> None:
    """Delete a folder, or a link that somebody put in its place, but not what the link leads to."""
    path.unlink() if path.is_symlink() else shutil.rmtree(path, ignore_errors=True)


def _flush(path: Path) -> None:
    """Make a file, or the names in a folder, durable; Windows cannot open a folder, and does it by itself."""
    if path.is_file() or hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)  # Windows flushes what it may write
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def hash_of_weights(model: torch.nn.Module) -> str:
    """Hash the weights; of a model with adapters those that are frozen, since new adapters are drawn at random."""
    found = hashlib.sha256()
    for name, p in model.named_parameters():
        if not (p.requires_grad and hasattr(model, "peft_config")):
            found.update(name.encode())
            found.update(p.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()[:12]


def _code(func: Callable) -> list:
    """Return the source of a function and the values that it was given: defaults, by `partial`, by one around it."""
    inner: Any = func.func if isinstance(func, partial) else func
    given: list = [func.args, func.keywords] if isinstance(func, partial) else []
    call = inner if inspect.isroutine(inner) else type(inner).__call__  # of an object
    given += [getattr(call, "__defaults__", None), getattr(call, "__kwdefaults__", None)]
    given += [cell.cell_contents for cell in getattr(call, "__closure__", None) or ()]
    # Of its code, since Python would look through a function around another, and finds no class of a script.
    for part in (getattr(call, "__code__", call), *([type(inner)] if call is not inner else [])):
        with suppress(OSError, TypeError):  # typed into an interpreter that keeps no source, or not written in Python
            given.append(inspect.getsource(part))
    return given + (_code(inner.__wrapped__) if hasattr(inner, "__wrapped__") else [])


def _hash(*things: Any) -> str:
    told = "".join(json.dumps(_plain(thing)) for thing in things)  # one row after the other: there may be many
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def _plain(x: Any) -> Any:
    """Return what JSON knows, the same in each process: of a thing its name, without its place in memory."""
    if isinstance(x, Mapping | Set):  # their order says nothing, and any key will do
        return sorted(map(_plain, x.items() if isinstance(x, Mapping) else x), key=repr)
    if isinstance(x, list | tuple):
        return [_plain(one) for one in x]
    if x is None or isinstance(x, str | int | float):
        return x
    return x.tolist() if hasattr(x, "tolist") else re.sub(" at 0x[0-9a-f]+", "", str(x))
