"""Running programs that a model wrote: never in this process, with limits, and judged from outside.

Three processes stand between a program and the trainer. The program runs in `pydantic-monty`, an interpreter that has
no files, no network, no environment and no other processes to offer, in a worker process, since any interpreter can
crash. Another process starts that worker, gives it the arguments of a test and compares what comes back with the
expected value, which the program never sees. The trainer sends lines of text and reads lines of text.
"""

import json
import keyword
import reprlib
from collections.abc import Sequence
from typing import NamedTuple

from grpo_lite._checks import check_above, check_choice, check_installed
from grpo_lite.rewards.protocol import Completion, check_column, texts
from grpo_lite.rewards.text import after_thinking
from grpo_lite.rewards.worker import Worker

_WORKER = Worker("judge_programs.py")
_SLACK = 10.0  # seconds on top of what a program may take, for processes that must start on a busy machine


def code_reward(
    completions: Sequence[Completion],
    tests: Sequence,
    entry_point: Sequence,
    *,
    partial_credit: bool = False,
    interpreter: str = "monty",
    seconds: float = 1.0,
    **columns,
) -> list[float | None]:
    r"""Pay 1 if the last Python block of a completion passes all its tests.

    The block stands after the thinking, between a line "```python" and a line "```". Its program runs in a sandbox,
    never in this process. `run_program` says how, says which values count as the same, and gives the reason for a
    reward.

    A program that needs what the sandbox lacks, such as a generator function or `import heapq`, cannot be judged and
    gets None. It earns nothing that way but loses nothing either, and a model may learn to write such programs: watch
    how many there are, or set `interpreter="cpython"`, which is slower and weaker.

    A setting is given with `functools.partial(code_reward, partial_credit=True)`.

    Args:
        completions: strings or chat lists.
        tests: for each completion a list of cases `{"args": [...], "expected": ...}`, or the same as JSON text, which
            is the form that survives a data set whose rows hold different types; None where there is no test.
        entry_point: for each completion the name of the function to call; None where there is no test.
        partial_credit: pay the share of the tests that pass instead of all or nothing. A constant that is right now
            and then earns something too.
        interpreter: "monty", or "cpython" for the weaker one that runs the whole language.
        seconds: the limit of time for a program with all its tests, above 0.
        columns: ignored.

    Returns:
        1.0 or 0.0 a completion, or the share of tests passed; None where there is no test or the program cannot be
        judged. No block, or a last one that is not closed, is 0.0.

    Raises:
        ValueError: tests or entry points that are not one for each completion or not of this form, an unknown
            interpreter, a time limit that is not positive, or a completion that is neither a string nor a chat list.
        ImportError: `pydantic-monty` is not installed.

    Source: rewards from running tests, DeepSeek-R1 (arXiv:2501.12948). Used in lesson "Rewards".

    Example:
        >>> text = "```python\ndef double(x):\n    return 2 * x\n```"
        >>> tests = '[{"args": [2], "expected": 4}, {"args": ["a"], "expected": "aa"}]'
        >>> code_reward([text, "It is 4."], tests=[tests, tests], entry_point=["double", "double"])
        [1.0, 0.0]
    """
    check_column("tests", tests, completions)
    check_column("entry_point", entry_point, completions)
    check_settings(interpreter, seconds)

    def judge(text: str, cases, name) -> float | None:
        program = extract_program(text)
        if cases is None or program is None:
            return None if cases is None else 0.0
        result = run_program(program, name, cases, interpreter=interpreter, seconds=seconds)
        paid = result.passed if partial_credit else float(result.status == "ok")
        return None if result.status == "unsupported" else paid

    return [judge(*row) for row in zip(texts(completions), tests, entry_point, strict=True)]


class ProgramResult(NamedTuple):
    """What came of a program.

    Attributes:
        status: "ok" if every case passed; otherwise that of the first case that did not: "wrong" (another value),
            "error" (it raised, ran out of memory, printed too much, or did not compile) or "timeout"; "unsupported" if
            any case needs something that the interpreter lacks, so that the program cannot be judged.
        passed: share of the cases that passed, from 0 to 1.
        message: which case and why; empty for "ok".
    """

    status: str
    passed: float
    message: str


def extract_program(text: str) -> str | None:
    r"""Return the last Python block of a completion.

    It stands between a line that is exactly "```python" or "```py" and one that is exactly "```". What was
    thought does not count: only text after the last `</think>` is read, and none if a `<think>` is still open.

    Args:
        text: a completion.

    Returns:
        The program; None if there is no block or the last one is not closed.

    Example:
        >>> extract_program("<think>x</think>So:\n```python\ndef one():\n    return 1\n```\n")
        'def one():\n    return 1'
    """
    program: str | None = None
    block: list[str] | None = None
    for line in after_thinking(text).split("\n"):
        fence = line.strip()
        if block is None and fence in ("```python", "```py"):
            program, block = None, []
        elif block is not None and fence == "```":
            program, block = "\n".join(block), None
        elif block is not None:
            block.append(line)
    return program


def run_program(
    code: str, entry_point: str, cases: str | Sequence[dict], *, interpreter: str = "monty", seconds: float = 1.0
) -> ProgramResult:
    r"""Call a function of a program with the arguments of each case, and compare what it returns.

    Every case starts anew: the program is run, then the function is called, and nothing is left for the next case.
    A returned value passes if it has the type and content of the expected one: 1 is not True, "1" is not 1. As the
    expected values are written in JSON, a tuple passes for a list and a key 1 for a key "1"; numbers may differ by
    $10^{-9}$ of their size, so 2 is 2.0, and nan is nan. Sets, bytes and objects of a class never pass.

    Limits: `seconds` for all cases of a program together, 256 MiB of memory, 1 MiB of printed text, 1,000 nested calls.
    The clock stands still at 2000-01-01, `random` starts from the same seed and `sleep` does not wait, so that the
    same program earns the same reward again.

    `interpreter="cpython"` runs the whole language: each call is a new process of the Python that runs this, with
    limits on time, memory, files and processes, an empty environment, an empty folder, and, on Linux if the system
    allows it, without network. It is slower, tens of milliseconds a case (the half second that a start may take is not
    counted), and **weaker**: nothing but an audit hook in
    the same process keeps the program from files and from starting processes, and whoever breaks into the interpreter
    (a crafted bytecode object is enough) gets around it and can then read, change and delete what the user can. Use it
    for programs that you would run yourself, or in a container.

    Args:
        code: the program, as text.
        entry_point: the name of the function.
        cases: at least one `{"args": [...], "expected": ...}`, made of what JSON has, or the same as JSON text.
        interpreter: "monty" or "cpython".
        seconds: the limit of time for a program, above 0.

    Returns:
        Status, share of cases that passed, and the reason.

    Raises:
        ValueError: code that is no text, no case, a case of another form, an entry point that is no name, an unknown
            interpreter, a time limit that is not positive.
        ImportError: `pydantic-monty` is not installed.

    Source: `pydantic-monty`. Used in lesson "Rewards".

    Example:
        >>> run_program("def double(x): return 2 * x", "double", [{"args": [2], "expected": 4}])
        ProgramResult(status='ok', passed=1.0, message='')
        >>> run_program("def double(x): return x * x", "double", '[{"args": [3], "expected": 6}]')
        ProgramResult(status='wrong', passed=0.0, message='case 1 of 1: expected 6, got 9')
    """
    check_settings(interpreter, seconds)
    if not isinstance(code, str):
        raise ValueError(f"code must be the text of a program, got a {type(code).__name__}")
    if not isinstance(entry_point, str) or not entry_point.isidentifier() or keyword.iskeyword(entry_point):
        raise ValueError(f"entry_point must be the name of a function, got {reprlib.repr(entry_point)}")
    if interpreter == "monty":
        check_installed("pydantic_monty", "the sandbox needs pydantic-monty", "rewards")
    cases = _read_cases(cases)
    job = {"code": code, "entry_point": entry_point, "cases": cases, "seconds": seconds, "interpreter": interpreter}
    answer = _WORKER.ask(job, seconds + 0.5 * len(cases) + _SLACK)
    return ProgramResult(**answer) if answer else ProgramResult("error", 0.0, "the process that runs programs died")


def check_settings(interpreter: str, seconds: float) -> None:
    """Refuse an unknown interpreter and a time limit that is none."""
    check_choice("interpreter", interpreter, ("monty", "cpython"))
    check_above("seconds", seconds, 0)


def _read_cases(cases: str | Sequence[dict]) -> list[dict]:
    try:
        cases = json.loads(cases if isinstance(cases, str) else json.dumps(cases))
    except (TypeError, ValueError) as error:
        raise ValueError(f"cases must be JSON, or made of what JSON has, got {reprlib.repr(cases)}: {error}") from error
    if not isinstance(cases, list) or not cases or not all(_is_case(case) for case in cases):
        raise ValueError(
            f'cases must be a list of at least one {{"args": [...], "expected": ...}}, got {reprlib.repr(cases)}'
        )
    return cases


def _is_case(case: object) -> bool:
    return isinstance(case, dict) and case.keys() == {"args", "expected"} and isinstance(case["args"], list)
