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
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from grpo_lite._checks import check_installed

MEMORY = 256 * 2**20  # bytes
OUTPUT = 4 * 2**20  # characters
SECOND = 15 * 10**9  # instructions of WebAssembly: about what CPython itself does in a second, and takes two here
JUDGES = files("grpo_lite.rewards.judges")

TRAPS = {
    "all fuel consumed": ("timeout", "no time is left"),
    "call stack exhausted": ("error", "RecursionError: too many calls within each other"),
    "unreachable": ("error", "the program asked for what the sandbox does not have"),
}


class Sandbox:
    """Where the cases of one program run, one after another.

    Time is counted in instructions, so the same program meets its limit at the same place on an idle machine and on a
    busy one, alone and beside others in threads.

    Args:
        seconds: how long all cases may take together, counted as `SECOND` instructions each.
    """

    def __init__(self, seconds: float):
        self._fuel = round(seconds * SECOND)
        self._store: Any = None
        self._run: Any = None

    def run(self, code: str, entry_point: str | None, case: object) -> tuple[str, str]:
        """Run one case: arguments for a function, or a text to read where there is no entry point.

        Returns:
            "ok" and what came out, "error" or "timeout" and the reason.
        """
        from wasmtime import WasmtimeError

        if self._fuel <= 0:
            return TRAPS["all fuel consumed"]
        if self._run is None:
            self._start()
        try:
            text = self._run(self._store, json.dumps([code, entry_point, case]))
        except WasmtimeError as error:
            self._run = None  # this instance is in no state to go on
            reason = str(error)
            return next((TRAPS[trap] for trap in TRAPS if trap in reason), ("error", reason[-300:]))
        finally:
            self._fuel = self._store.get_fuel()
        if len(text) > OUTPUT:
            return "error", f"the program gave more than {OUTPUT} characters"
        return "ok" if text[:1] == "+" else "error", text[1:]

    def _start(self) -> None:
        from wasmtime import Store

        engine, linker, component = load()
        self._store = Store(engine)
        self._store.set_limits(memory_size=MEMORY)
        self._store.set_fuel(self._fuel)
        self._run = linker.instantiate(self._store, component).get_func(self._store, "run")


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
    for attempt in range(2):
        for path in kept():
            with suppress(WasmtimeError):  # compiled for another processor, in a folder that machines share
                return engine, Linker(engine), Component.deserialize_file(engine, str(path))
        if attempt == 0:
            build()
    raise OSError(f"the sandbox was built and cannot be loaded from {cache_folder()}")


def kept() -> list[Path]:
    """Return the files of this version whose content is what their name says; those that are damaged go."""
    whole = []
    for path in sorted(cache_folder().glob(f"sandbox-{_key()}-*.cwasm")):
        with suppress(OSError):
            if hashlib.sha256(path.read_bytes()).hexdigest()[:16] == path.stem.rpartition("-")[2]:
                whole.append(path)
            else:
                path.unlink()
    return whole


def build() -> None:
    """Build the component and put it into the cache folder; two processes that do so at once leave two whole files."""
    folder, key = cache_folder(), _key()
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
        digest = hashlib.sha256(new.read_bytes()).hexdigest()[:16]
        os.replace(new, folder / f"sandbox-{key}-{digest}.cwasm")


def cache_folder() -> Path:
    """Return the folder for what can be made again."""
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
    return Path(base, "grpo-lite")


def _key() -> str:
    """Name the sources, the versions and the machine that a file is made of and for."""
    sources = [(JUDGES / name).read_text() for name in ("sandbox_guest.py", "build_sandbox.py")]
    parts = [*sources, version("componentize-py"), version("wasmtime"), sys.platform, platform.machine()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
