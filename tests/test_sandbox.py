"""Running programs: what is right, what counts as the same, how the sandbox is built, shared, forked and stopped."""

import asyncio
import json
import math
import multiprocessing
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest

from grpo_lite import _checks
from grpo_lite.rewards import sandbox
from grpo_lite.rewards.equality import wrong_value
from grpo_lite.rewards.programs import ProgramResult, run_program
from grpo_lite.rewards.sandbox import run_cases
from helpers import forked

CASES = [{"args": [1], "expected": 2}]
GOOD = "def f(x):\n    return x + 1"
ENDLESS = "def f(x):\n    while True: pass"
RIGHT = ProgramResult("ok", 1.0, "")


def case(expected, *args):
    return [{"args": list(args), "expected": expected}]


def script(code, given, output, **settings):
    return run_program(code, None, [{"input": given, "output": output}], **settings)


# What a function returns, as source; what is expected; whether it passes.
VALUES = [
    ("2", 2, True),
    ("2", 2.0, True),
    ("2.0", 2, True),
    ("2", 3, False),
    ("10**400", 1.5, False),
    ("10**400", 10**400, True),
    ("10**400 + 1", 10**400, False),
    ("2**53 + 1", 2**53, False),  # whole numbers are compared as such
    ("0.1 + 0.2", 0.3, True),
    ("0.30000001", 0.3, True),  # by a millionth of their size
    ("0.3000004", 0.3, False),
    ("1.0000005e-9", 1e-9, True),
    ("2e-9", 1e-9, False),
    ("2e10 + 1", 2e10, True),
    ("1e9 + 0.5", 10**9, True),  # a whole number wants a nearer one
    ("1e9", 10**9 + 7, False),
    ("1", 1.0000001, False),
    ("sum([0.1] * 10)", 1, True),
    ("1e-13", 0.0, True),
    ("1e-11", 0.0, False),
    ("float('nan')", float("nan"), True),
    ("float('inf')", float("inf"), True),
    ("float('inf')", float("-inf"), False),
    ("float('nan')", 0.0, False),
    ("True", True, True),
    ("True", 1, False),
    ("1", True, False),
    ("0", False, False),
    ("None", None, True),
    ("0", None, False),
    ("'a'", "a", True),
    ("'2'", 2, False),
    ("'é𝒳\\n'", "é𝒳\n", True),
    ("[1, 2]", [1, 2], True),
    ("(1, 2)", [1, 2], True),
    ("[1, 2]", [2, 1], False),
    ("[1, 2]", [1, 2, 3], False),
    ("[1, [2, (3,)]]", [1, [2, [3]]], True),
    ("[1, [2, [True]]]", [1, [2, [1]]], False),
    ("{'a': 1}", {"a": 1.0}, True),
    ("{'a': 1}", {"b": 1}, False),
    ("{'a': 1, 'b': 2}", {"a": 1}, False),
    ("{1: 2}", {"1": 2}, True),
    ("{}", [], False),
    ("[]", None, False),
    ("''", None, False),
]

# What the function is, what status it gets, what its message says.
HONEST = [
    ("def f(x):\n    return x + 1", "ok", ""),
    ("f = lambda x: x + 1", "ok", ""),
    ("from functools import lru_cache\n@lru_cache\ndef f(x): return x + 1", "ok", ""),
    ("import math, itertools, collections, re, json\ndef f(x): return math.comb(2, 1)", "ok", ""),
    ("class A:\n    def __init__(self, x): self.x = x\ndef f(x): return A(x).x + 1", "ok", ""),
    ("print('hello')\ndef f(x):\n    print(x)\n    return 2", "ok", ""),
    ("if __name__ == '__main__':\n    y = 1\ndef f(x): return x + y", "ok", ""),
    ("def f(x): return x", "wrong", "case 1 of 1: expected 2, got 1"),
    ("def f(x): x + 1", "wrong", "case 1 of 1: expected 2, got None"),
    ("def f(x): return [9] * 100", "wrong", "expected 2, got [9, 9, 9, 9, 9, 9, ...]"),
    ("def f(x): return {1, 2}", "error", "not JSON serializable"),
    ("def f(x): return 1 / 0", "error", "ZeroDivisionError: division by zero"),
    ("def f(x): raise NotImplementedError('to do')", "error", "NotImplementedError: to do"),
    ("def f(x): raise TimeoutError('late')", "error", "TimeoutError: late"),
    ("def f(x) return x", "error", "SyntaxError: expected ':' (line 1)"),
    ("return 2\ndef f(x): return 2", "error", "SyntaxError: 'return' outside function (line 1)"),
    ("def g(x): return 2", "error", "NameError: name 'f' is not defined"),
    ("f = 2", "error", "not callable"),
    ("def f(): return 2", "error", "TypeError"),
    ("import math\ndef f(x): return math.sqroot(4)", "error", "no attribute 'sqroot'"),
    ("def f(x): return 'a'.uppercase()", "error", "no attribute 'uppercase'"),
    ("import numpy\ndef f(x): return 2", "error", "No module named 'numpy'"),
    ("def f(x): return open('data.txt')", "error", "FileNotFoundError: [Errno 44] there are no files in the sandbox"),
    ("if __name__ == '__main__': print(int(input()))\ndef f(x): return 2", "ok", ""),  # no fault of the function
    ("import unittest\ndef f(x): return 2\nif __name__ == '__main__': unittest.main()", "ok", ""),
    ("class A: pass\ndef f(x): return A().y", "error", "no attribute 'y'"),
    ("", "error", "name 'f'"),
]


# Programs that people write and that a smaller Python would not run. f(1) should be 2.
WHOLE = """def f(x):
    def g():
        yield 2
    return next(g())
---
class A:
    def __lt__(self, other): return True
class B(A):
    @property
    def two(self): return 2
def f(x): return min(B(), B()).two
---
from math import *
def f(x): return floor(2.5)
---
import heapq, bisect, enum, fractions, statistics, decimal, string, operator, itertools, collections, dataclasses
def f(x): return heapq.nsmallest(1, [3, 2])[0]
---
import random
def f(x): return random.Random().randint(2, 2) + random.SystemRandom().randint(0, 0) + random.choice([0])
---
import datetime
def f(x): return (datetime.datetime.now() - datetime.datetime(2000, 1, 1)).days + datetime.date.today().month + x
---
import time
def f(x):
    start = time.time()
    while time.time() - start < 1: pass
    time.sleep(10**6)
    return 2
---
import sys
sys.setrecursionlimit(10**6)
from functools import cache, lru_cache
@lru_cache(maxsize=None)
def g(n): return 2 if n == 0 else g(n - 1)
@cache
def h(n, *, k=0): return 2 if n == 0 else h(n - 1, k=k)
def f(x): return (g(20000) + h(5000, k=1)) // 2
---
from functools import lru_cache
@lru_cache
def g(n): return 2 if n == 0 else g(n - 1)
def f(x): return g(900)
---
import sys, threading
threading.stack_size(2**27)
found = []
def main(): found.append(2)
thread = threading.Thread(target=main)
thread.start()
thread.join()
def f(x): return found[0]
---
from dataclasses import dataclass, field
from typing import List, Optional
@dataclass(order=True)
class P:
    x: int
    y: List[int] = field(default_factory=list)
def f(a: int, b: Optional[List[List[int]]] = None) -> int: return max(P(1), P(2)).x
---
from __future__ import annotations
from dataclasses import dataclass
@dataclass
class P:
    x: list[int]
def f(a): return P([2]).x[0]
---
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--two", default=2)
parser.format_help()
def f(x): return parser.parse_args().two
---
import sys
def f(x): return min(2, sys.maxsize) if sys.maxsize > 10**18 else 0
---
import sys
sys.set_int_max_str_digits(0)
def f(x): return len(str(10**20000)) - 19999
---
import os
def f(x): return 2 if not os.path.exists('input.txt') else 1
---
try:
    import numpy
except ImportError:
    numpy = None
def f(x): return 2 if numpy is None else 1
---
import warnings, traceback, sys
def f(x):
    warnings.warn('slow')
    try: 1 / 0
    except ZeroDivisionError: traceback.print_exc()
    print('debug', file=sys.stderr)
    return 2
---
async def g(): return 2
def f(x):
    try: g().send(None)
    except StopIteration as e: return e.value
---
import doctest, logging, time, timeit
logging.basicConfig(format="%(asctime)s %(message)s")
def f(x):
    '''
    >>> 1 + 1
    2
    '''
    logging.warning(time.strftime("%Y"))
    return 2 if timeit.timeit("1", number=3) > 0 else 1
if __name__ == "__main__":
    doctest.testmod()
---
class Solution:
    def f(self, x): return 2
---
f = lambda *args: 2""".split("\n---\n")

METHODS = """class Solution:
    def __init__(self): self.one = 1
    def f(self, x): return x + self.one
    @staticmethod
    def g(x): return x + 1
    @classmethod
    def h(cls, x): return x + 1
class N:
    class M:
        def f(self, x): return x + 1
def p(x): return x + 1"""

READ_THREE = [
    "a, b, c = map(int, input().split())",
    "import sys\na, b, c = map(int, sys.stdin.read().split())",
    "import sys\na, b, c = map(int, sys.stdin.readline().split())",
    "import sys\na, b, c = map(int, sys.stdin.buffer.readline().split())",
    "import sys\n[(a, b, c)] = [map(int, line.split()) for line in sys.stdin]",
    "a, b, c = map(int, open(0).read().split())",
    "import os\na, b, c = map(int, os.read(0, os.fstat(0).st_size).split())",
    "import fileinput\n[(a, b, c)] = [map(int, line.split()) for line in fileinput.input()]",
    "import sys\ninput = sys.stdin.readline\na, b, c = map(int, input().split())",
    # As templates for speed do.
    "import os, sys\nassert sys.stdin.mode == 'r' and not os.isatty(sys.stdin.fileno())\n"
    "a, b, c = map(int, os.read(sys.stdin.fileno(), 99).split())",
]
PRINT_SIX = [
    "print(a + b + c)",
    "import sys\nsys.stdout.write(str(a + b + c))",
    "import sys\nsys.stdout.buffer.write(b'%d' % (a + b + c))",
    "import os\nos.write(1, b'%d' % (a + b + c))",
    "print(a + b + c, flush=True)\nexit()",
    "import sys\nprint(a + b + c)\nsys.exit(0)",
    "import os\nprint(a + b + c)\nos._exit(0)",
    "def main(): print(a + b + c)\nif __name__ == '__main__': main()",
    "import sys, io\nout = io.StringIO()\nout.write(str(a + b + c))\nsys.stdout.write(out.getvalue())",
    "print(a + b + c, end='')",
    "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer)\nprint(a + b + c)",
    "print(a + b + c, '\\n\\n')",
]

# What is printed, what should be, whether it passes.
PRINTED = [
    ("1 2\n3\n", "1 2\n3", True),
    ("1 2  \r\n3\r\n\n", "1 2\n3\n", True),
    ("  1   2\n3", "1 2\n3", True),
    ("1\n2", "1 2", False),
    ("1\n\n2", "1\n2", False),
    ("1 2", "1 2\n3", False),
    ("1 2\n3\n4", "1 2\n3", False),
    ("", "", True),
    ("", "1", False),
    ("1", "", False),
    ("0.3333333", "0.33333333333", True),
    ("0.3333", "0.33333333333", False),
    ("1e-3", "0.001", True),
    ("2", "2.0", True),
    ("2.5", "2", False),
    ("007", "7", False),
    ("+7", "7", False),
    ("10000000000000000000001", "10000000000000000000000", False),
    ("-0.0", "0.0", True),
    ("Yes", "YES", False),
    ("nan", "nan", True),
    ("1_0.0", "10.0", False),
    ("inf", "1e999", False),
    ("1e400", "2e400", False),
    ("1e400", "1e400", True),
    ("1" + "0" * 400, "1" + "0" * 400, True),
    ("1" + "0" * 400, "1" + "0" * 399 + "1", False),
    ("9" * 5000 + ".5", "9" * 5000, False),
    ("é", "é", True),
]


@pytest.mark.parametrize(("source", "expected", "passes"), VALUES)
def test_values(source, expected, passes):
    status = run_program(f"def f(): return {source}", "f", case(expected)).status
    assert status == ("ok" if passes else "wrong")


def test_a_tolerance_of_zero_wants_the_same_number():
    assert run_program("def f(): return 0.1 + 0.2", "f", case(0.3), rel_tol=0).status == "wrong"
    assert run_program("def f(): return 1e-300", "f", case(0.0), rel_tol=0).status == "wrong"
    assert run_program("def f(): return 2.0", "f", case(2), rel_tol=0) == RIGHT


@pytest.mark.parametrize(("code", "status", "message"), HONEST)
def test_honest_program(code, status, message):
    result = run_program(code, "f", CASES)
    assert result.status == status
    assert message in result.message
    assert result.passed == (status == "ok")


@pytest.mark.parametrize("code", WHOLE)
def test_the_whole_language(code):
    assert run_program(code, "f", CASES) == RIGHT


@pytest.mark.parametrize("name", ["p", "f", "Solution().f", "Solution.f", "Solution().g", "Solution.h", "N.M.f"])
def test_ways_to_name_what_is_called(name):
    assert run_program(METHODS, name, CASES) == RIGHT


@pytest.mark.parametrize("read", READ_THREE)
def test_ways_to_read(read):
    assert script(f"{read}\nprint(a + b + c)", "1 2 3\n", "6") == RIGHT


@pytest.mark.parametrize("write", PRINT_SIX)
def test_ways_to_print(write):
    assert script(f"a, b, c = map(int, input().split())\n{write}", "1 2 3", "6") == RIGHT


@pytest.mark.parametrize(("printed", "output", "passes"), PRINTED)
def test_printed(printed, output, passes):
    assert script("import sys\nsys.stdout.write(sys.stdin.read())", printed, output).status == (
        "ok" if passes else "wrong"
    )


def test_a_script_that_fails_says_how():
    assert (
        script("print(input())\nprint(input())", "1", "1").message == "case 1 of 1: EOFError: EOF when reading a line"
    )
    assert script("print(2)\nraise SystemExit(1)", "", "2").message == "case 1 of 1: SystemExit: 1"
    assert script("print(1)\nprint(3)", "", "1\n2").message == "case 1 of 1: line 2: expected '2', got '3'"
    assert script("print(1)", "", "1\n2").message == "case 1 of 1: line 2: expected '2', got None"


THREE = [{"args": [n], "expected": n + 1} for n in (1, 2, 3)]


def test_share_of_cases_and_the_first_reason():
    code = "def f(x):\n    if x == 3: raise ValueError('three')\n    return 2"
    assert run_program(code, "f", THREE) == ("wrong", 1 / 3, "case 2 of 3: expected 3, got 2")


def test_a_case_that_breaks_the_sandbox_leaves_the_others_alone():
    code = "import io\ndef f(x):\n    if x == 2: io.FileIO('x')\n    return x + 1"
    assert run_program(code, "f", THREE) == (
        "error", 2 / 3, "case 2 of 3: the program asked for what the sandbox does not have",
    )  # fmt: skip


def test_a_case_that_breaks_the_sandbox_gets_no_time_back():
    code = "import io\ndef f():\n    for _ in range(10**5): pass\n    io.FileIO('x')"
    statuses = [status for status, _ in run_cases(code, "f", [[]] * 20, seconds=0.02)]
    assert statuses == ["error"] * statuses.count("error") + ["timeout"] * statuses.count("timeout")
    assert 1 < statuses.count("error") < 19


def test_cases_share_no_globals_no_luck_and_no_output():
    code = "import random\nseen = []\ndef f(x):\n    seen.append(x)\n    return [len(seen), random.random()]"
    ((_, text),) = run_cases(code, "f", [[0]], seconds=1)
    number = json.loads(text)
    assert number[0] == 1
    assert run_program(code, "f", [{"args": [n], "expected": number} for n in range(3)]) == RIGHT
    same_twice = [{"input": "a", "output": "a"}, {"input": "b", "output": "b"}]
    assert run_program("print(input())", None, same_twice) == RIGHT


def test_what_one_case_held_in_memory_is_free_for_the_next():
    code = "a = bytearray(8 * 10**7)\ndef f(x): return len(a) and x + 1"  # three of these are more than there is
    assert run_program(code, "f", THREE * 2) == RIGHT


def test_the_expected_value_is_nowhere_inside():
    code = (
        "import gc\ndef f(secret): return [str(o) for o in gc.get_objects() if str(31000 + len('x' * 337)) in str(o)]"
    )
    assert run_program(code, "f", case(31337, 0)).message == "case 1 of 1: expected 31337, got []"


def test_time_is_counted_for_all_cases_together_and_not_by_the_clock():
    a_little = "def f(x):\n    for _ in range(200_000): pass\n    return x + 1"
    assert run_program(a_little, "f", CASES, seconds=0.1) == RIGHT
    verdicts = {run_program(a_little, "f", CASES * 200, seconds=0.5) for _ in range(2)}
    (verdict,) = verdicts
    assert verdict.status == "timeout"
    assert 0 < verdict.passed < 1
    assert run_program(ENDLESS, "f", THREE * 10, seconds=0.05) == ("timeout", 0.0, "case 1 of 30: no time is left")


def test_a_reward_can_be_computed_again():
    code = "import random, time, datetime, uuid\n" + (
        "def f(): return [random.random(), time.time(), str(datetime.datetime.now()), str(uuid.uuid4()), str({*'abc'})]"
    )
    (first,), (again,) = (run_cases(code, "f", [[]], seconds=1) for _ in range(2))
    assert first == again
    assert "2000-01-01" in first[1]


def test_arguments_arrive_as_they_are():
    args = [1, 2.5, "é\n\"'", None, True, [1, [2]], {"a": {"b": []}}, 10**30, -1, "", math.inf]
    assert run_program("def f(*args): return args", "f", case(args, *args)) == RIGHT


def test_values_may_be_nested_deeply():
    deep = []
    for _ in range(450):
        deep = [deep]
    assert run_program("def f(x): return x", "f", case(deep, deep)) == RIGHT
    deeper = "def f():\n    a = []\n    for _ in range(%d): a = {'a': a}\n    return a"
    assert [run_program(deeper % n, "f", case(deep)).status for n in (10**2, 10**4)] == ["wrong", "error"]
    assert "no JSON" in wrong_value("[" * 10**5 + "]" * 10**5, [deep], 0.0)


def test_what_comes_out_has_a_limit():
    assert script("print('x' * 10**6)", "", "x" * 10**6) == RIGHT
    result = script("print('x' * 5 * 10**6)", "", "x")
    assert result == ("error", 0.0, "case 1 of 1: the program gave more than 4194304 characters")


@pytest.mark.usefixtures("as_user")
def test_settings_may_be_numbers_of_numpy():
    assert run_program(GOOD, "f", CASES, seconds=np.float32(1), rel_tol=np.float32(1e-6)) == RIGHT


def test_threads_have_their_own_deadlines():
    results = {}

    def work(n):
        code = ENDLESS if n % 2 else f"def f(): return {n}"
        results[n] = [run_program(code, "f", case(n), seconds=0.05).status for _ in range(5)]

    threads = [threading.Thread(target=work, args=[n]) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == {n: ["error" if n % 2 else "ok"] * 5 for n in range(6)}


def test_an_event_loop_may_run_as_in_a_notebook():
    async def cell():
        return run_program(GOOD, "f", CASES)

    assert asyncio.run(cell()) == RIGHT


def test_a_copy_of_this_process_judges_too():
    def work():
        assert run_program(GOOD, "f", CASES) == RIGHT
        assert run_program(ENDLESS, "f", CASES, seconds=0.05).status == "timeout"

    run_program(GOOD, "f", CASES)
    assert forked.run(work) == 0
    assert run_program(GOOD, "f", CASES) == RIGHT


def test_no_process_no_file_and_no_memory_is_left():
    this = psutil.Process()
    run_program(GOOD, "f", CASES)
    before = this.num_fds(), this.num_threads(), len(this.children(recursive=True)), this.memory_info().rss
    for _ in range(100):
        run_program("a = bytearray(10**7)\ndef f(x): return 1 / 0", "f", CASES)
    assert (this.num_fds(), this.num_threads(), len(this.children(recursive=True))) == before[:3]
    assert this.memory_info().rss < before[3] + 10**8


@pytest.mark.slow
def test_ctrl_c_ends_a_program_and_leaves_nothing_for_the_next():
    code = f"""
import os, signal, threading
from grpo_lite.rewards.programs import run_program
run_program({GOOD!r}, "f", {CASES!r})
threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    run_program({ENDLESS!r}, "f", {CASES!r}, seconds=0.5)
except KeyboardInterrupt:
    print(run_program({GOOD!r}, "f", {CASES!r}).status)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("ok\n", "")


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """An empty cache folder, and a build that copies the file which this machine already has."""
    sandbox.load()
    content, builds = next(sandbox.kept()).read_bytes(), []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def copy(command, **settings):
        builds.append(command)
        Path(command[-1]).write_bytes(content)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(sandbox.subprocess, "run", copy)
    sandbox.load.cache_clear()
    yield builds
    sandbox.load.cache_clear()


def test_the_file_is_built_once_and_a_damaged_one_again(copied, tmp_path, capfd):
    assert run_program(GOOD, "f", CASES) == RIGHT
    (file,) = (tmp_path / "grpo-lite").iterdir()
    assert "building the sandbox for programs in" in capfd.readouterr().err
    sandbox.load.cache_clear()
    assert run_program(GOOD, "f", CASES) == RIGHT
    assert len(copied) == 1
    whole = file.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for damage in (whole[:-1], whole[: 10**6], b"", flipped):
        file.unlink()
        file.write_bytes(damage)
        sandbox.load.cache_clear()
        assert run_program(GOOD, "f", CASES) == RIGHT
        assert file.read_bytes() == whole
    assert len(copied) == 5
    assert capfd.readouterr().out == ""


def test_a_file_for_another_processor_is_left_and_another_one_built(copied, tmp_path):
    foreign = b"compiled elsewhere"
    name = f"sandbox-{sandbox._key()}-{sandbox.hashlib.sha256(foreign).hexdigest()[:16]}.cwasm"
    (tmp_path / "grpo-lite").mkdir()
    (tmp_path / "grpo-lite" / name).write_bytes(foreign)
    assert run_program(GOOD, "f", CASES) == RIGHT
    assert len(copied) == 1
    assert (tmp_path / "grpo-lite" / name).read_bytes() == foreign


def test_a_build_that_fails_says_why(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sandbox, "__file__", str(tmp_path / "broken.py"))
    (tmp_path / "broken.py").write_text("raise ValueError('the reason')")
    sandbox.load.cache_clear()
    with pytest.raises(OSError, match=r"the sandbox must be built with .*, got\n(.*\n)*ValueError: the reason"):
        run_program(GOOD, "f", CASES)
    assert list((tmp_path / "grpo-lite").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_no_reward(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    sandbox.load.cache_clear()
    with pytest.raises(OSError, match=r"set XDG_CACHE_HOME to a folder that can be written to, .*file/grpo-lite"):
        run_program(GOOD, "f", CASES)


def test_two_processes_build_at_once(copied, tmp_path, monkeypatch):
    """Each waits in the middle of its file until the other is there too."""
    copy, together = subprocess.run, multiprocessing.Barrier(2, timeout=60)

    def halting(command, **settings):
        done, path = copy(command), Path(command[-1])
        content = path.read_bytes()
        path.write_bytes(content[: 10**6])
        together.wait()
        with path.open("ab") as file:
            file.write(content[10**6 :])
        return done

    monkeypatch.setattr(sandbox.subprocess, "run", halting)
    assert [forked.end(pid) for pid in [forked.start(sandbox.build) for _ in range(2)]] == [0, 0]
    assert len(list((tmp_path / "grpo-lite").iterdir())) == 1  # the same content has the same name
    assert run_program(GOOD, "f", CASES) == RIGHT
    assert copied == []  # here nothing was built


def test_a_missing_extra_is_named(monkeypatch):
    sandbox.load.cache_clear()
    _checks.check_installed.cache_clear()
    monkeypatch.setattr(_checks, "find_spec", lambda name: None)
    with pytest.raises(
        ImportError, match=r"running programs needs wasmtime and componentize-py: .*grpo-lite\[rewards\]"
    ):
        run_program(GOOD, "f", CASES)


@pytest.mark.usefixtures("as_user")
def test_code_that_is_no_text_is_refused():
    with pytest.raises(ValueError, match="^code must be the text of a program, got a NoneType"):
        run_program(None, "f", CASES)
