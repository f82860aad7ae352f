"""Running programs: what counts as right, what cannot be judged, and processes that die, hang, fork and take turns."""

import asyncio
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from grpo_lite import _checks
from grpo_lite.rewards import programs
from grpo_lite.rewards.judges import judge_programs
from grpo_lite.rewards.programs import ProgramResult, run_program
from helpers import forked

CASES = [{"args": [1], "expected": 2}]
GOOD = "def f(x):\n    return x + 1"
RIGHT = ProgramResult("ok", 1.0, "")


def case(expected, *args):
    return [{"args": list(args), "expected": expected}]


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
    ("0.30000001", 0.3, False),
    ("1e-300", 0.0, True),
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
    ("def f(x) return x", "error", "SyntaxError"),
    ("def g(x): return 2", "error", "NameError: name 'f'"),
    ("f = 2", "error", "not callable"),
    ("def f(): return 2", "error", "TypeError"),
    ("import math\ndef f(x): return math.sqroot(4)", "error", "no attribute 'sqroot'"),
    ("def f(x): return 'a'.uppercase()", "error", "no attribute 'uppercase'"),
    ("import numpy\ndef f(x): return 2", "error", "No module named 'numpy'"),
    ("class A: pass\ndef f(x): return A().y", "error", "no attribute 'y'"),
    ("", "error", "name 'f'"),
]

# What pydantic-monty lacks, and how the message names it.
UNSUPPORTED = [
    ("def f(x):\n    def g():\n        yield 2\n    return next(g())", "yield expressions"),
    ("class A: pass\nclass B(A): pass\ndef f(x): return 2", "class inheritance"),
    ("class A:\n    @property\n    def y(self): return 2\ndef f(x): return A().y", "method decorators"),
    ("def f(x):\n    d = {1: 2, 3: 4}\n    del d[3]\n    return d[1]", "'del' statement"),
    ("from math import *\ndef f(x): return 2", "Wildcard imports"),
    ("import heapq\ndef f(x): return 2", "'heapq'"),
    ("from enum import Enum\ndef f(x): return 2", "'enum'"),
    ("from collections import OrderedDict\ndef f(x): return 2", "OrderedDict"),
    ("def f(x): return len(globals()) * 0 + 2", "'globals'"),
    ("def f(x): return f.__name__ and 2", "'__name__'"),
    ("def f(x): return int.__mro__ and 2", "'__mro__'"),
    ("""class A:
    def __init__(self, v): self.v = v
    def __lt__(self, other): return self.v < other.v
def f(x): return min(A(3), A(2)).v""", "does not call __lt__"),
    ("class A:\n    def __bool__(self): return False\ndef f(x): return 1 if A() else 2", "does not call __bool__"),
]  # fmt: skip


@pytest.mark.parametrize("interpreter", ["monty", "cpython"])
@pytest.mark.parametrize(("source", "expected", "passes"), VALUES)
def test_values(source, expected, passes, interpreter):
    status = run_program(f"def f(): return {source}", "f", case(expected), interpreter=interpreter).status
    assert status == ("ok" if passes else "wrong")


@pytest.mark.parametrize(("code", "status", "message"), HONEST)
def test_honest_program(code, status, message):
    result = run_program(code, "f", CASES)
    assert result.status == status
    assert message in result.message
    assert result.passed == (status == "ok")


@pytest.mark.parametrize(("code", "message"), UNSUPPORTED)
def test_what_is_lacking_is_named_and_the_fall_back_has_it(code, message):
    result = run_program(code, "f", CASES)
    assert result.status == "unsupported"
    assert message in result.message
    assert run_program(code, "f", CASES, interpreter="cpython") == RIGHT


THREE = [{"args": [n], "expected": n + 1} for n in (1, 2, 3)]


def test_share_of_cases_and_the_first_reason():
    code = "def f(x):\n    if x == 3: raise ValueError('three')\n    return 2"
    assert run_program(code, "f", THREE) == ("wrong", 1 / 3, "case 2 of 3: expected 3, got 2")


def test_one_case_that_cannot_be_judged_is_enough():
    code = "def f(x):\n    if x == 2: return 0\n    if x == 3:\n        import heapq\n    return x + 1"
    assert run_program(code, "f", THREE)[0] == "unsupported"


@pytest.mark.parametrize("interpreter", ["monty", "cpython"])
def test_cases_share_nothing(interpreter):
    code = "seen = []\ndef f(x):\n    seen.append(x)\n    return len(seen)"
    cases = [{"args": [n], "expected": 1} for n in range(3)]
    assert run_program(code, "f", cases, interpreter=interpreter) == RIGHT


def test_the_time_is_that_of_all_cases_together():
    started = time.monotonic()
    result = run_program("def f(x):\n    while True: pass", "f", THREE * 10, seconds=0.2)
    assert result.status == "timeout"
    assert result.passed == 0
    assert time.monotonic() - started < 5
    a_little = "def f(x):\n    for _ in range(200_000): pass\n    return x + 1"
    assert run_program(a_little, "f", CASES, seconds=0.3) == RIGHT
    assert run_program(a_little, "f", CASES * 200, seconds=0.3).status == "timeout"


def test_starting_the_process_of_a_case_is_not_charged():
    assert run_program(GOOD, "f", CASES * 30, interpreter="cpython", seconds=0.1) == RIGHT


def test_a_reward_can_be_computed_again():
    code = "import random, datetime\ndef f(): return [random.random(), str(datetime.datetime.now())]"
    first, again = (run_program(code, "f", case(0)).message for _ in range(2))
    assert first == again
    assert "2000-01-01" in first


def test_arguments_arrive_as_they_are():
    args = [1, 2.5, "é\n\"'", None, True, [1, [2]], {"a": {"b": []}}, 10**30, -1, ""]
    for interpreter in ("monty", "cpython"):
        assert run_program("def f(*args): return args", "f", case(args, *args), interpreter=interpreter) == RIGHT


def test_a_worker_that_was_killed_is_replaced():
    run_program(GOOD, "f", CASES)
    for victim in psutil.Process().children(recursive=True)[::-1]:
        victim.kill()
        psutil.wait_procs([victim], 5)
        assert [run_program(GOOD, "f", CASES) for _ in range(2)] == [RIGHT] * 2


def test_a_worker_that_hangs_is_replaced(monkeypatch):
    run_program(GOOD, "f", CASES)
    monkeypatch.setattr(programs, "_SLACK", 0.0)
    child = programs._WORKER._process
    child.send_signal(signal.SIGSTOP)
    assert run_program(GOOD, "f", CASES, seconds=0.1) == ("error", 0.0, "the process that runs programs died")
    assert child.returncode == -signal.SIGKILL
    monkeypatch.undo()
    assert run_program(GOOD, "f", CASES) == RIGHT


def test_an_interrupt_leaves_no_answer_for_the_next_question(monkeypatch):
    run_program(GOOD, "f", CASES)

    monkeypatch.setattr(programs._WORKER, "_from", _Interrupted(programs._WORKER._from))
    with pytest.raises(KeyboardInterrupt):
        run_program("def f(x): return 7", "f", CASES)
    monkeypatch.undo()
    assert run_program(GOOD, "f", CASES) == RIGHT


class _Interrupted:
    """A stream on which Ctrl-C is pressed while the answer is awaited."""

    def __init__(self, stream):
        self.close = stream.close

    def readline(self):
        raise KeyboardInterrupt


def test_ctrl_c_in_the_terminal_reaches_the_worker_and_does_not_end_it():
    run_program(GOOD, "f", CASES)
    before = programs._WORKER._process
    before.send_signal(signal.SIGINT)
    time.sleep(0.2)
    assert run_program(GOOD, "f", CASES) == RIGHT
    assert programs._WORKER._process is before


def test_threads_take_turns():
    results = {}

    def work(n):
        code = f"def f(): return {n}"
        results[n] = [run_program(code, "f", case(n)) for _ in range(5)]

    threads = [threading.Thread(target=work, args=[n]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == {n: [RIGHT] * 5 for n in range(4)}


def test_an_event_loop_may_run_as_in_a_notebook():
    async def cell():
        return run_program(GOOD, "f", CASES), run_program(GOOD, "f", CASES, interpreter="cpython")

    assert asyncio.run(cell()) == (RIGHT, RIGHT)


@pytest.mark.parametrize("interpreter", ["monty", "cpython"])
def test_a_copy_of_this_process_has_its_own_worker(interpreter):
    def work():
        assert run_program(GOOD, "f", CASES, interpreter=interpreter) == RIGHT
        assert programs._WORKER._process.pid != ours

    run_program(GOOD, "f", CASES)
    ours = programs._WORKER._process.pid
    with programs._WORKER._lock:  # held, as by another thread in the middle of a question
        assert forked.run(work) == 0
    assert run_program(GOOD, "f", CASES) == RIGHT
    assert programs._WORKER._process.pid == ours


@pytest.mark.slow
@pytest.mark.parametrize("last_words", ["", "os.kill(os.getpid(), 9)", "raise ValueError", "os.fork()"])
def test_workers_end_with_the_process_that_started_them(last_words):
    code = f"""
import os, psutil
from grpo_lite.rewards.programs import run_program
run_program("f = abs", "f", [{{"args": [1], "expected": 1}}])
print(*(child.pid for child in psutil.Process().children(recursive=True)), flush=True)
{last_words}"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 2
    assert ("Error" in done.stderr) == (last_words == "raise ValueError"), done.stderr
    deadline = time.monotonic() + 10
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in pids if alive(pid)]


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE  # one whose parent was killed waits for init
    except psutil.NoSuchProcess:
        return False


def test_the_worker_has_neither_torch_nor_the_environment(monkeypatch):
    monkeypatch.setenv("GRPO_SECRET", "42")
    programs._WORKER._end()
    assert run_program(GOOD, "f", CASES) == RIGHT
    helper = psutil.Process(programs._WORKER._process.pid)
    assert "GRPO_SECRET" not in helper.environ()
    assert not any("torch" in part.path for part in helper.memory_maps())


def test_a_worker_that_does_not_start_says_so(tmp_path, capfd):
    script = tmp_path / "broken.py"
    script.write_text("raise ValueError('the reason')")
    with pytest.raises(OSError, match=r"broken.py must start in a process of its own, see its error above"):
        programs.Worker(str(script)).ask("question", 1.0)
    assert "the reason" in capfd.readouterr().err


def test_without_unshare_the_fall_back_still_runs(monkeypatch):
    judge_programs.jail.cache_clear()
    monkeypatch.setenv("PATH", "/nowhere")
    assert judge_programs.jail() == []
    assert judge_programs.call_cpython(GOOD, "f", [1], 1.0) == ("ok", 2)
    assert judge_programs.call_cpython("while True: pass", "f", [1], 0.2)[0] == "timeout"
    judge_programs.jail.cache_clear()


def test_a_missing_extra_is_named(monkeypatch):
    _checks.check_installed.cache_clear()
    monkeypatch.setattr(_checks, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"grpo-lite\[rewards\]"):
        run_program(GOOD, "f", CASES)
    assert run_program(GOOD, "f", CASES, interpreter="cpython") == RIGHT


@pytest.mark.usefixtures("as_user")
def test_code_that_is_no_text_is_refused():
    with pytest.raises(ValueError, match="^code must be the text of a program, got a NoneType"):
        run_program(None, "f", CASES)
