"""The sandbox for programs: Python as a WebAssembly component, run by wasmtime in this process.

A component can do nothing but compute on its own memory. This one has no imports, so there is no file, network, clock
or process to ask for, and nothing of this process that it could see. It is built on first use and kept in the user's
cache folder. That takes half a gigabyte and all cores, so it is done by a process of its own, which runs this file.
"""

import atexit
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

WORLD = "package grpo:lite; world box { export run: func(job: string) -> string; }"
GUEST = Path(__file__).with_name("judges") / "sandbox_guest.py"
# How deep calls may nest. The thread that judges must have more: Windows gives 2 MiB, others 8; wasmtime takes up to 2.
STACK = 2**20 if os.name == "nt" else 2 * 2**20
MEMORY = 256 * 2**20  # bytes
OUTPUT = 4 * 2**20  # characters
SECOND = 15 * 10**9  # instructions of WebAssembly: about what CPython itself does in a second, and takes two here

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
    from grpo_lite._checks import check_installed  # with torch, which the process that builds does not need

    for module in ("wasmtime", "componentize_py"):
        check_installed(module, "running programs needs wasmtime and componentize-py", "rewards")
    from wasmtime import WasmtimeError
    from wasmtime.component import Component, Linker

    atexit.register(load.cache_clear)  # wasmtime cannot let go of things when Python is half gone
    engine = new_engine()
    for look in (kept, build):
        for path in look():
            with suppress(WasmtimeError):  # compiled for another processor, in a folder that machines share
                return engine, Linker(engine), Component.deserialize_file(engine, str(path))
    raise OSError(f"the sandbox was built and cannot be loaded from {cache_folder()}")


def new_engine():
    """Return wasmtime's engine that counts the instructions of a program; the same to compile and to run."""
    from wasmtime import Config, Engine

    config = Config()
    config.consume_fuel = True
    config.max_wasm_stack = STACK
    return Engine(config)


def cache_folder() -> Path:
    """Return the folder for what can be made again."""
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
    return Path(base, "grpo-lite")


def kept() -> Iterator[Path]:
    """Look for files of this version whose content is what their name says; those that are damaged go."""
    for path in sorted(cache_folder().glob(f"sandbox-{_key()}-*.cwasm")):
        with suppress(OSError):  # another process was faster
            if path.stem.endswith(_digest(path.read_bytes())):
                yield path
            else:
                path.unlink()


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
        command = [sys.executable, "-P", __file__, str(new)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise OSError(f"the sandbox must be built with componentize-py and wasmtime, got\n{done.stderr}")
        return [new.replace(folder / f"sandbox-{_key()}-{_digest(new.read_bytes())}.cwasm")]


def make(path: Path) -> None:
    """Put Python and `sandbox_guest.py` into a component, compile it for this processor, write it to a file."""
    import componentize_py
    from wasmtime.component import Component

    world, component = path.with_name("box.wit"), path.with_name("box.wasm")
    world.write_text(WORLD)
    os.environ["VIRTUAL_ENV"] = str(path.parent)  # so that nothing installed here gets in
    sys.argv[1:] = ["-q", "-d", str(world), "-w", "box", "componentize", "--stub-wasi"]
    sys.argv += ["-p", str(GUEST.parent), "-o", str(component), GUEST.stem]
    componentize_py.script()  # its command line, which is what it documents
    path.write_bytes(Component(new_engine(), component.read_bytes()).serialize())


def _key() -> str:
    """Name the sources and the versions that a file is made of; which machine it is for, wasmtime itself looks at."""
    sources = [Path(path).read_text() for path in (__file__, GUEST)]
    return _digest("\0".join([*sources, version("componentize-py"), version("wasmtime")]).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


if __name__ == "__main__":
    make(Path(sys.argv[1]))
