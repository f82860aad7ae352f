"""The process between the trainer and the programs: it has them run, and compares what they return.

A file of its own that imports nothing of the package, because `Worker` starts it as a script. The programs run in
further processes; the expected values stay here.
"""

import atexit
import builtins
import json
import math
import os
import re
import reprlib
import signal
import subprocess
import sys
import tempfile
import time
import types
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

MESSAGE = 300  # characters
MEMORY = 256 * 2**20  # bytes
OUTPUT = 2**20  # bytes
# That json cannot be changed from inside, and `import` cannot continue an unfinished last line of the program.
CALL = "import json as _json_\n_json_.dumps({entry_point}(*_arguments_))"
START = 0.5  # seconds that a process may take to start, in the slow interpreter; the program is not charged for them

# Special methods that pydantic-monty 1.4 does not call, and ways to say that it lacks something that Python has.
NOT_CALLED = re.compile(r"def (__(?:lt|le|gt|ge|len|bool|getattr|format|reversed|new|setattr)__)")
NO_SYNTAX = re.compile(r"NotImplementedError: (The monty syntax parser|Wildcard imports|cannot reassign|class member)")
NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '(\w+)")
NO_NAME = re.compile(r"NameError: name '(\w+)' is not defined")
NO_MEMBER = re.compile(
    r"(?:Import|Attribute)Error: (?:(?:type object )?'(?P<type>\w+)'(?: object)?|module '(?P<module>\w+)') has no "
    r"attribute '(?P<name>\w+)'|ImportError: cannot import name '(?P<wanted>\w+)' from '(?P<source>\w+)'"
)


def judge(code: str, entry_point: str, cases: list[dict], seconds: float, interpreter: str) -> dict:
    """Call the program's function once a case, each time in an interpreter that knows nothing of the other cases."""
    call = {"monty": call_monty, "cpython": call_cpython}[interpreter]
    short = reprlib.Repr()
    passed, left = 0, seconds
    failures: list[tuple[str, str]] = []
    for number, case in enumerate(cases, 1):
        started = time.monotonic()
        status, value = call(code, entry_point, case["args"], left) if left > 0 else ("timeout", "no time is left")
        taken = time.monotonic() - started
        left -= taken if interpreter == "monty" else max(0.0, taken - START)
        if status == "ok" and same(value, case["expected"]):
            passed += 1
            continue
        if status == "ok":
            status, value = "wrong", f"expected {short.repr(case['expected'])}, got {short.repr(value)}"
        if interpreter == "monty" and status != "timeout" and (lacking := missing(code, value)):
            status, value = "unsupported", lacking
        failures.append((status, f"case {number} of {len(cases)}: {value}"))
        if status == "unsupported":
            break
    status, message = failures[-1] if failures and failures[-1][0] == "unsupported" else [*failures, ("ok", "")][0]
    return {"status": status, "passed": passed / len(cases), "message": message}


def same(value: object, expected: object) -> bool:
    """Compare what JSON has, by type and content: True is not 1, but 2 is 2.0."""
    if type(value) in (int, float) and type(expected) in (int, float):
        return _close(value, expected)  # type: ignore[arg-type]
    if type(value) is not type(expected):
        return False
    if isinstance(value, list) and isinstance(expected, list):
        return len(value) == len(expected) and all(same(a, b) for a, b in zip(value, expected, strict=True))
    if isinstance(value, dict) and isinstance(expected, dict):
        return value.keys() == expected.keys() and all(same(item, expected[key]) for key, item in value.items())
    return value == expected


def _close(a: int | float, b: int | float) -> bool:
    if type(a) is type(b) is int:
        return a == b
    try:
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) or (math.isnan(a) and math.isnan(b))
    except OverflowError:  # an int beyond all floats
        return False


def call_monty(code: str, entry_point: str, args: list, seconds: float) -> tuple[str, Any]:
    """Run a call in pydantic-monty, in one of its worker processes."""
    import pydantic_monty as monty

    limits: Any = {"max_feed_duration_secs": seconds, "max_memory": MEMORY}
    # The same clock and the same luck for each call, and no waiting: a reward can be computed again.
    policy: Any = {"sleep": "zero", "datetime": datetime(2000, 1, 1), "random_start": {"seed": 0}}
    printed = monty.CollectString(max_bytes=OUTPUT)
    try:
        with pool().checkout(limits=limits, os_policy=policy) as session:
            code = f"{code}\n{CALL.format(entry_point=entry_point)}"
            return read_value(session.feed_run(code, inputs={"_arguments_": args}, print_callback=printed))
    except monty.MontyCrashedError as error:
        return ("timeout" if error.timed_out else "error"), str(error)
    except (monty.MontySyntaxError, monty.MontyRuntimeError) as error:
        message = error.display("type-msg")[:MESSAGE]
        if message.startswith("TimeoutError: feed time limit exceeded"):
            return "timeout", message
        return "error", message
    except Exception as error:  # what no value can be made of, on its way in or out
        return "error", f"{type(error).__name__}: {error}"


def read_value(text: str) -> tuple[str, Any]:
    """Read what a function returned, as the interpreter wrote it."""
    if len(text) > OUTPUT:
        return "error", f"the function returned more than {OUTPUT} characters of JSON"
    try:
        return "ok", json.loads(text)
    except (ValueError, RecursionError) as error:
        return "error", f"the function returned what is no JSON: {error}"


@cache
def pool():
    """Start pydantic-monty's worker processes, which are used again for each call."""
    import pydantic_monty

    processes = pydantic_monty.Monty(max_processes=1, feed_duration_limit_grace=0.5).__enter__()
    atexit.register(processes.__exit__, None, None, None)
    return processes


def missing(code: str, message: str) -> str:
    """Say what a program that failed needs of Python and pydantic-monty lacks; "" if the failure is its own."""
    lacking = bool(NO_SYNTAX.match(message))
    if found := NO_MODULE.match(message):
        lacking = found[1] in sys.stdlib_module_names
    elif found := NO_NAME.match(message):
        lacking = hasattr(builtins, found[1])
    elif found := NO_MEMBER.match(message):
        lacking = _python_has(**found.groupdict())
    elif found := NOT_CALLED.search(code):
        return f"the interpreter does not call {found[1]} ({message})"
    return message if lacking else ""


def _python_has(type: str | None, module: str | None, name: str | None, wanted: str | None, source: str | None) -> bool:
    if type:
        owner = types.FunctionType if type == "function" else getattr(builtins, type, object)
        return hasattr(owner, str(name))
    place = module or source
    # Looked up, not imported, as the name comes from the program.
    return place in sys.stdlib_module_names and hasattr(sys.modules.get(str(place)), str(name or wanted))


def call_cpython(code: str, entry_point: str, args: list, seconds: float) -> tuple[str, Any]:
    """Run a call in a new Python process with limits, which is weaker than pydantic-monty and much slower."""
    limits = {"RLIMIT_AS": MEMORY, "RLIMIT_CPU": math.ceil(seconds), "RLIMIT_FSIZE": OUTPUT, "RLIMIT_NOFILE": 32}
    limits |= {"RLIMIT_CORE": 0, "RLIMIT_NPROC": 0}
    job = json.dumps({"code": code, "entry_point": entry_point, "args": args, "limits": limits})
    command = [*jail(), sys.executable, "-I", "-S", str(Path(__file__).with_name("run_cpython.py"))]
    # The answer goes to a file, whose size the system limits: a pipe would have to be emptied as fast as it is filled.
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as answer:
        started = time.monotonic()
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=answer, stderr=subprocess.DEVNULL, cwd=folder, env={},
            start_new_session=True,
        )  # fmt: skip
        try:
            process.communicate(job.encode(), timeout=seconds + START)
            late = time.monotonic() - started >= math.ceil(seconds)  # the earliest that RLIMIT_CPU can have struck
        except subprocess.TimeoutExpired:
            late = True
        finally:
            kill_group(process)
        answer.seek(0)
        status, text = read_answer(answer.read(OUTPUT))
    if not status:
        return "timeout" if late else "error", "the process of the program gave no answer"
    return read_value(text) if status == "ok" else ("error", text)


def kill_group(process: subprocess.Popen) -> None:
    """End a process and whatever it has started in its group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def read_answer(line: bytes) -> tuple[str, str]:
    """Read what the process of a program wrote, which the program may have written itself."""
    status, _, text = line.decode(errors="replace").partition(" ")
    return (status, text) if status in ("ok", "error") else ("", "")


@cache
def jail() -> list[str]:
    """Return the command that takes network and other processes out of sight, empty where the system has none."""
    command = ["unshare", "--user", "--net", "--ipc", "--pid", "--fork", "--kill-child"]
    try:
        return command if subprocess.run([*command, "true"], capture_output=True, timeout=5).returncode == 0 else []
    except (OSError, subprocess.TimeoutExpired):
        return []


def main() -> None:
    """Answer one line for each line."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the trainer, which ends this process itself
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # an exception, so that what is under way is cleaned up
    sys.stderr = os.fdopen(os.dup(2), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the interpreters say there how they died
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(judge(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
