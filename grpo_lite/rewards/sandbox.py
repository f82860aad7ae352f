"""The sandbox for programs: Python as a WebAssembly component, run by wasmtime in this process.

A component can do nothing but compute on its own memory. This one has no imports, so there is no file, network, clock
or process to ask for, and nothing of this process that it could see. It is built and compiled on first use, by a
process of its own, and kept in the user's cache folder.
"""

import atexit
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from grpo_lite._checks import check_installed

MEMORY = 256 * 2**20  # bytes
OUTPUT = 4 * 2**20  # characters
SECOND = 15 * 10**9  # instructions of WebAssembly: about what CPython itself does in a second, and takes two here
JUDGES = files("grpo_lite.rewards.judges")

LATE = ("timeout", "no time is left")
TRAPS = {
    "all fuel consumed": LATE,
    "call stack exhausted": ("error", "RecursionError: too many calls within each other"),
    "unreachable": ("error", "the program asked for what the sandbox does not have"),
}


def run_cases(code: str, entry_point: str | None, cases: Sequence, seconds: float) -> Iterator[tuple[str, str]]:
    """Run a program on one case after another: arguments for its function, or texts to read where it has no name.

    `seconds` are for all cases, counted as `SECOND` instructions each, so that a program meets its limit at the same
    place on an idle machine and on a busy one, alone and beside others in threads. For each case it gives "ok" and what
    came out, or "error" or "timeout" and the reason.
    """
    from wasmtime import Store, WasmtimeError

    fuel, run = round(seconds * SECOND), None
    for case in cases:
        if fuel <= 0:
            yield LATE
            continue
        if run is None:
            engine, linker, component = load()
            store = Store(engine)
            store.set_limits(memory_size=MEMORY)
            store.set_fuel(fuel)
            run = linker.instantiate(store, component).get_func(store, "run")
        try:
            text = run(store, json.dumps([code, entry_point, case]))
            result = ("ok" if text[:1] == "+" else "error", text[1:])
            if len(text) > OUTPUT:
                result = ("error", f"the program gave more than {OUTPUT} characters")
        except WasmtimeError as error:
            run = None  # this instance is in no state to go on
            reason = str(error)
            result = next((TRAPS[trap] for trap in TRAPS if trap in reason), ("error", reason[-300:]))
        fuel = store.get_fuel()
        yield result


@cache
def load() -> tuple:
    """Return wasmtime's engine, linker and component, from the cache folder or built now.

    Raises:
        ImportError: wasmtime or componentize-py is not installed.
        OSError: the component cannot be built, or not be written.
    """
    for module in ("wasmtime", "componentize_py"):
        check_installed(module, "running programs needs wasmtime and componentize-py", "rewards")
    from wasmtime import WasmtimeError
    from wasmtime.component import Component, Linker

    from grpo_lite.rewards.judges.build_sandbox import engine as new_engine

    atexit.register(load.cache_clear)  # wasmtime cannot let go of things when Python is half gone
    engine = new_engine()
    for look in (kept, build):
        for path in look():
            with suppress(WasmtimeError):  # compiled for another processor, in a folder that machines share
                return engine, Linker(engine), Component.deserialize_file(engine, str(path))
    raise OSError(f"the sandbox was built and cannot be loaded from {cache_folder()}")


def kept() -> list[Path]:
    """Return the files of this version whose content is what their name says; those that are damaged go."""
    whole = []
    for path in sorted(cache_folder().glob(f"sandbox-{_key()}-*.cwasm")):
        with suppress(OSError):  # another process was faster
            if path.stem.endswith(_digest(path.read_bytes())):
                whole.append(path)
            else:
                path.unlink()
    return whole


def build() -> list[Path]:
    """Put a new component into the cache folder; two processes that do so at once leave two whole files."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"set XDG_CACHE_HOME to a folder that can be written to, got {error}") from error
    print(f"building the sandbox for programs in {folder}, once, for about half a minute", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        new = Path(scratch, "new")
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        command = [sys.executable, "-P", str(JUDGES / "build_sandbox.py"), str(new)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise OSError(f"the sandbox must be built with componentize-py and wasmtime, got\n{done.stderr}")
        return [new.replace(folder / f"sandbox-{_key()}-{_digest(new.read_bytes())}.cwasm")]


def cache_folder() -> Path:
    """Return the folder for what can be made again."""
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
    return Path(base, "grpo-lite")


def _key() -> str:
    """Name the sources, the versions and the machine that a file is made of and for."""
    sources = [(JUDGES / name).read_text() for name in ("sandbox_guest.py", "build_sandbox.py")]
    parts = [*sources, version("componentize-py"), version("wasmtime"), sys.platform, platform.machine()]
    return _digest("\0".join(parts).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
