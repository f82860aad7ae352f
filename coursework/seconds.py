"""Measure what the assignments cost: `python seconds.py` writes it into each assignment.toml, for the README to repeat.

Seconds of a processor, user and system, on one thread, with the loading of PyTorch: what they take on an idle machine
and do not take longer on a busy one. It runs all checks, also the hidden ones, on the reference. Linux only.
"""

import ctypes
import math
import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from make import HERE, VARIANT, write

COMMANDS = {"cpu_seconds": ["check.py"], "hunt_seconds": ["hunt_a.py"], "learn_seconds": ["learn.py"]}


def seconds(command: list[str], folder: Path) -> float:
    """Return the processor's seconds of a command, and of every process that it leaves behind."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *command], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    while True:
        try:
            os.wait()  # what starts the processes of check.py outlives it
        except ChildProcessError:
            break
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure all, and write it down, rounded up to 5 s."""
    ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: orphans of our children become ours
    with tempfile.TemporaryDirectory() as place:
        write(VARIANT, Path(place), teacher=True)
        for folder in sorted(Path(place).iterdir()):
            path = HERE / folder.name / "assignment.toml"
            text = path.read_text(encoding="utf-8")
            for name, command in COMMANDS.items():
                if (folder / command[0]).exists():
                    cost = seconds(command, folder)
                    print(f"{folder.name:16} {command[0]:10} {cost:5.1f} s")
                    text = re.sub(rf"^{name} = \d+", f"{name} = {5 * math.ceil(cost / 5)}", text, flags=re.M)
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
