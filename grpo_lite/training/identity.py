"""What makes a run this run and no other: a checkpoint of another one is not gone on from."""

import hashlib
import inspect
import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from grpo_lite.training import distributed
from grpo_lite.training.rollout import names_of


def origin(trainer) -> dict[str, str]:
    """Return hashes of the rows, of the model as it came, and of what the code of each reward function says."""
    funcs = trainer.reward_funcs
    sources = {f"code of {name}": _hash(*_code(func)) for name, func in zip(names_of(funcs), funcs, strict=True)}
    if trainer.environment:
        sources["code of environment"] = _hash(*_code(trainer.environment))
    return {"all rows": _hash(*trainer.train_dataset), "model": hash_of_weights(trainer.model)} | sources


def run_settings(trainer) -> dict:
    """Return everything that decides about the weights, as JSON has it: a list for a tuple, plain numbers."""
    rows = trainer.train_dataset
    data = {
        "processes": distributed.world_size(),
        "rows of train_dataset": len(rows),
        "first prompt": rows[0]["prompt"],
    }
    return json.loads(json.dumps(trainer.args.fixed_settings() | data | trainer.origin, default=_plain))


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
    inner, given = inspect.unwrap(func), []
    if isinstance(inner, partial):
        inner, given = inspect.unwrap(inner.func), [inner.args, inner.keywords]
    given += [getattr(inner, "__defaults__", None), getattr(inner, "__kwdefaults__", None)]
    given += [cell.cell_contents for cell in getattr(inner, "__closure__", None) or ()]
    try:  # of an object its call: Python finds the source of a class only where it was imported from
        source = inspect.getsource(inner if inspect.isroutine(inner) else type(inner).__call__)
    except (OSError, TypeError):  # typed into an interpreter that keeps no source, or not written in Python
        source = ""
    return [source, *given]


def _hash(*things: Any) -> str:
    found = hashlib.sha256()
    for thing in things:
        found.update(json.dumps(thing, sort_keys=True, default=_plain).encode())
    return found.hexdigest()[:12]


def _plain(x: Any) -> Any:
    """Return what JSON knows: numbers for those of numpy, and the name of a thing, without its place in memory."""
    return x.tolist() if hasattr(x, "tolist") else re.sub(" at 0x[0-9a-f]+", "", str(x))
