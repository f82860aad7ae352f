"""What runs inside the sandbox: one case of one program, from JSON to JSON.

Built into a WebAssembly component by `sandbox.py`, for which this file is imported and the memory kept as it is then: a
module that a program may import must have been imported here. The component has no imports of its own: no clock, no
file, no socket, and whoever asks for one ends it. What follows answers for those, so that an honest program meets an
ordinary Python. It guards nothing: whoever gets around it finds nothing behind it. No expected value comes in here.
"""

# mypy: ignore-errors
# as it puts functions of its own in the place of those of Python

import _functools
import builtins
import errno
import functools
import gc
import importlib
import io
import os
import random
import sys
import threading
import time
import types
from contextlib import suppress
from json import dumps, loads

INNER = """encodings.ascii encodings.idna encodings.latin_1 encodings.rot_13 encodings.utf_16 encodings.utf_32
encodings.hex_codec html.parser unittest.mock xml.etree.ElementTree _pylong _strptime wit_world
componentize_py_types""".split()

now = 946_684_800.0  # the first of January 2000


def look_at_the_clock(pause: float = 1e-3) -> float:
    """Let a millisecond pass at each look, so that a loop that waits for its time to be over ends."""
    global now
    now += max(0.0, pause)
    return now


def replace_parts_of_python() -> None:
    """Do so before other modules are imported, which may take a function of these for themselves."""
    for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time"):
        setattr(time, name, look_at_the_clock)
        setattr(time, f"{name}_ns", lambda: round(look_at_the_clock() * 1e9))
    time.sleep = look_at_the_clock
    gmtime, strftime = time.gmtime, time.strftime
    # `logging` has it in a class, where it must not be a method.
    time.localtime = time.gmtime = staticmethod(lambda seconds=None: gmtime(now if seconds is None else seconds))
    time.strftime = lambda form, moment=None: strftime(form, moment or time.gmtime())
    sys.modules["_datetime"] = None  # so that `datetime` is the one in Python, which asks `time`
    del _functools._lru_cache_wrapper  # and `lru_cache` too: calls that nest through C need a stack that is small here
    importlib.reload(functools)


def no_such_file(path="", *args, **kwargs):
    """Do as an empty machine does."""
    raise FileNotFoundError(errno.ENOENT, "there are no files in the sandbox", path)


def open_stream(file, mode="r", *args, **kwargs):
    """Open one of the standard streams by its number, as fast readers do; there is nothing else to open."""
    if file not in (0, 1, 2) or isinstance(file, bool):
        no_such_file(file)
    found = (sys.__stdin__, sys.__stdout__, sys.__stderr__)[file]
    return found.buffer if "b" in mode else found


def stream(number: int, content: str = "") -> io.TextIOWrapper:
    """Return a standard stream in memory."""
    made = io.TextIOWrapper(io.BytesIO(content.encode("utf-8", "replace")), "utf-8", "replace")
    made.mode = "w" if number else "r"
    made.fileno = lambda: number
    return made


def read_line(prompt="", /):
    """Do what `input` does."""
    print(prompt, end="")
    line = sys.stdin.readline()
    if not line:
        raise EOFError("EOF when reading a line")
    return line.removesuffix("\n")


def replace_the_machine() -> None:
    """Put the functions above where programs look for them."""
    sys.maxsize = 2**63 - 1  # which programs take for infinity, and is smaller in WebAssembly
    for module in (os, sys.modules["posix"]):
        module.open = module.stat = module.lstat = module.listdir = no_such_file
        module.isatty = lambda number: False
        module.getcwd = lambda: "/"
        module.urandom = bytes  # zeros
        module._exit = sys.exit
        module.read = lambda number, n: open_stream(number, "b").read(n)
        module.write = lambda number, data: open_stream(number, "b").write(data)
        module.fstat = lambda number: types.SimpleNamespace(st_size=open_stream(number, "b").getbuffer().nbytes)
    builtins.open = io.open = open_stream
    builtins.input = read_line
    seed = random.Random.seed
    random.Random.seed = lambda self, a=None, version=2: seed(self, 0 if a is None else a, version)
    random.seed, random._urandom = random._inst.seed, os.urandom
    # A program starts a thread for the sake of a larger stack. It has its work done at once.
    threading.Thread.start = threading.Thread.run
    threading.Thread.join = lambda self, timeout=None: None
    threading.stack_size = lambda size=0: 0
    sys.setrecursionlimit(2 * sys.getrecursionlimit())  # for functions with a cache, which take two calls


compiled = functools.lru_cache(1)(compile)  # once for all cases of a program


def run_module(code: str, name: str) -> types.ModuleType:
    """Run a program as a module of its own."""
    module = sys.modules[name] = types.ModuleType(name)
    # No file can have this name. For another one Python would look, to show the line of a syntax error.
    exec(compiled(code, "\ud800", "exec", dont_inherit=True), module.__dict__)
    return module


def find(module: types.ModuleType, entry_point: str):
    """Find a function, or the method of a class, an instance of which is made without arguments."""
    path = entry_point.replace("()", "").split(".")
    if not hasattr(module, path[0]) and hasattr(getattr(module, "Solution", None), path[0]):
        path = ["Solution", *path]
    if not hasattr(module, path[0]):
        raise NameError(f"name {path[0]!r} is not defined by the program")
    found = module
    for name in path:
        found = getattr(found() if isinstance(found, type) else found, name)
    return found


def call(code: str, entry_point: str, args: list) -> str:
    """Return what a function returns, as JSON."""
    try:
        module = run_module(code, "__main__")
    except BaseException:  # an example of use that needs an input, say: no fault of the function
        module = run_module(code, "program")
    return dumps(find(module, entry_point)(*args))


def run_script(code: str) -> str:
    """Return what a program prints."""
    out = sys.__stdout__
    try:
        run_module(code, "__main__")
    except SystemExit as end:
        if end.code not in (None, 0):
            raise
    for stream in (sys.stdout, out):  # a program may have put its own on top
        stream.flush()
    return out.buffer.getvalue().decode("utf-8", "replace")


class WitWorld:
    """What the component exports."""

    def run(self, job: str) -> str:
        """Run one case; return "+" and what came out, or "-" and what went wrong."""
        code, entry_point, case = loads(job)
        sys.stdin = sys.__stdin__ = stream(0, case if entry_point is None else "")
        sys.stdout = sys.__stdout__ = stream(1)
        sys.stderr = sys.__stderr__ = stream(2)
        sys.argv = ["program"]  # which is empty when an instance begins
        random.seed(0)
        try:
            return "+" + (run_script(code) if entry_point is None else call(code, entry_point, case))
        except BaseException as error:
            text = f"-{type(error).__name__}: {error}"[:300].replace("(\ud800, line", "(line")
            return text.encode("utf-8", "replace").decode()
        finally:
            gc.collect()  # the globals of a program, which the cases that follow need the memory of


if sys.platform == "wasi":  # and not where a test imports this
    replace_parts_of_python()
    public = sorted(name for name in sys.stdlib_module_names - {"antigravity", "this"} if name[0] != "_")
    for name in public + INNER:
        with suppress(Exception):  # what WebAssembly does not have
            importlib.import_module(name)
    replace_the_machine()
    gc.collect()
    gc.freeze()
