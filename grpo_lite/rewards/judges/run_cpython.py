"""The process in which one call of a program runs under `interpreter="cpython"`: limits first, then the program.

Started by `judge_programs.py` as `python -I -S`. What it prints as its answer is not trusted there.
"""

import json
import os
import resource
import sys

LIBRARY = os.path.dirname(os.__file__) + os.sep
REFUSED = ("os.", "shutil.", "socket.", "subprocess.", "ctypes.", "pty.", "mmap.", "fcntl.", "signal.", "resource.")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def refuse(event: str, details: tuple) -> None:
    """Let a program read the standard library, so that it can import; nothing else of the machine."""
    if event in ("open", "os.listdir", "os.scandir"):
        path, flags = details[0], details[2] if event == "open" else 0
        allowed = isinstance(path, str) and path.startswith(LIBRARY) and ".." not in path and not flags & WRITING
    else:
        allowed = not event.startswith(REFUSED)
    if not allowed:
        raise PermissionError(f"{event} is not allowed here")


def main() -> None:
    """Read a call from stdin, run it, write what it returned to stdout."""
    job = json.load(sys.stdin)
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    for name, limit in job["limits"].items():
        resource.setrlimit(getattr(resource, name), (limit, limit))
    sys.addaudithook(refuse)
    try:
        names: dict = {"__name__": "__main__"}
        exec(compile(job["code"], "program", "exec"), names)
        line = f"ok {json.dumps(names[job['entry_point']](*job['args']))}"
    except BaseException as error:
        line = f"error {type(error).__name__}: {error}"[:300]
    answer.write(line)
    answer.flush()
    os._exit(0)  # whatever threads and exit handlers the program has left behind


if __name__ == "__main__":
    main()
