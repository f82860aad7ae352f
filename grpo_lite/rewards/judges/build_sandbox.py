"""Makes the file that the sandbox starts from. Run as a script, because it takes half a gigabyte and all cores."""

import os
import sys
import tempfile
from pathlib import Path

import wasmtime
from wasmtime.component import Component

WORLD = "package grpo:lite; world box { export run: func(job: string) -> string; }"
# How deep calls may nest. The thread that judges must have more: Windows gives 2 MiB, others 8; wasmtime takes up to 2.
STACK = 2**20 if os.name == "nt" else 2 * 2**20


def engine() -> wasmtime.Engine:
    """Return an engine that counts the instructions of a program; the same to compile and to run."""
    config = wasmtime.Config()
    config.consume_fuel = True
    config.max_wasm_stack = STACK
    return wasmtime.Engine(config)


def main(path: str) -> None:
    """Put Python and `sandbox_guest.py` into a component, compile it for this processor, write it to a file."""
    import componentize_py  # its command line, which is what it documents

    with tempfile.TemporaryDirectory() as folder:
        world, component = Path(folder, "box.wit"), Path(folder, "box.wasm")
        world.write_text(WORLD)
        os.environ["VIRTUAL_ENV"] = folder  # so that nothing installed here gets in
        options = (
            f"-q -d {world} -w box componentize --stub-wasi -p {Path(__file__).parent} -o {component} sandbox_guest"
        )
        sys.argv[1:] = options.split()
        componentize_py.script()
        Path(path).write_bytes(Component(engine(), component.read_bytes()).serialize())


if __name__ == "__main__":
    main(sys.argv[1])
