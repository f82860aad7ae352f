r"""Judging programs that a model wrote: what they are asked, what is paid, and why.

A program runs in a sandbox (`sandbox`) and sees the arguments or the input of a test. What comes out is compared
(`equality`) with an expected value that the program never sees.
"""

import json
import keyword
import reprlib
from collections.abc import Sequence
from typing import NamedTuple

from grpo_lite._checks import check_above, check_between
from grpo_lite.rewards.equality import wrong_text, wrong_value
from grpo_lite.rewards.protocol import Completion, check_column, texts
from grpo_lite.rewards.sandbox import run_cases
from grpo_lite.rewards.text import extract_program


def code_reward(
    completions: Sequence[Completion],
    tests: Sequence,
    entry_point: Sequence | None = None,
    *,
    partial_credit: bool = False,
    seconds: float = 1.0,
    rel_tol: float = 1e-6,
    **columns,
) -> list[float | None]:
    r"""Pay 1 if the program in a completion passes all its tests.

    `extract_program` says which text is the program, `run_program` how it is run and what counts as the same. A setting
    is given with `functools.partial(code_reward, partial_credit=True)`.

    Args:
        completions: strings or chat lists.
        tests: for each completion the cases of `run_program`, best as JSON text, which is the form that survives a data
            set whose rows hold different types; None where there is no test.
        entry_point: for each completion that of `run_program`; None where the program reads and prints, and where there
            is no test.
        partial_credit: pay the share of the tests that pass instead of all or nothing. A constant that is right now
            and then earns something too.
        seconds: as in `run_program`.
        rel_tol: as in `run_program`.
        columns: ignored.

    Returns:
        1.0 or 0.0 a completion, or the share of tests passed; None where there is no test. No program is 0.0.

    Raises:
        ValueError: tests or entry points that are not one for each completion, a completion that is neither a string
            nor a chat list, and what `run_program` refuses.
        ImportError, OSError: as in `run_program`.

    Source: rewards from running tests, DeepSeek-R1 (arXiv:2501.12948). Used in lesson "Answers and programs".

    Example:
        >>> text = "```python\ndef double(x):\n    return 2 * x\n```"
        >>> tests = '[{"args": [2], "expected": 4}, {"args": ["a"], "expected": "aa"}]'
        >>> code_reward([text, "It is 4."], tests=[tests, tests], entry_point=["double", "double"])
        [1.0, 0.0]
    """
    check_column("tests", tests, completions)
    names = [None] * len(completions) if entry_point is None else entry_point
    check_column("entry_point", names, completions)
    _check_settings(seconds, rel_tol)

    def judge(text: str, cases, name) -> float | None:
        if cases is None:
            return None
        name, pairs = _read_cases(cases, name)
        program = extract_program(text, name)
        if program is None:
            return 0.0
        result = _run(program, name, pairs, seconds, rel_tol)
        return result.passed if partial_credit else float(result.status == "ok")

    return [judge(*row) for row in zip(texts(completions), tests, names, strict=True)]


class ProgramResult(NamedTuple):
    """What came of a program.

    Attributes:
        status: "ok" if every case passed; otherwise that of the first case that did not: "wrong" (another value),
            "error" (it raised, ran out of memory, gave too much, or did not compile) or "timeout".
        passed: share of the cases that passed, from 0 to 1.
        message: which case and why; empty for "ok".
    """

    status: str
    passed: float
    message: str


def run_program(
    code: str, entry_point: str | None, cases: str | list | dict, *, seconds: float = 1.0, rel_tol: float = 1e-6
) -> ProgramResult:
    r"""Run a program on each case, compare what comes out with what is expected, and say what was wrong.

    A case `{"args": [...], "expected": ...}` calls the program's function. What that returns must have the type and
    content of the expected value: 1 is not True, "1" is not 1. As the expected values are written in JSON, a tuple
    passes for a list and a key 1 for a key "1". Sets, bytes and objects of a class never pass.

    A case `{"input": "...", "output": "..."}` is for a program that reads and prints. What it prints must be the
    output, line by line and word by word. White space between words and around the text does not count.

    `{"inputs": [...], "outputs": [...]}` holds many such cases, or calls if there is a `"fn_name"`: the form of the
    data sets APPS and TACO. As these wrap some values in a list, `[x]` expected there is passed by `x` too.

    Two whole numbers must be equal. Two decimal ones may differ by `rel_tol` of their size, or by `1e-12`, which is for
    what should be 0. A whole and a decimal one may differ by `1e-9` of their size, so 2 is 2.0; nan is nan.

    The program runs anew for each case, in a sandbox that has Python 3.14 with 256 MiB of memory, and neither files nor
    network; "What the sandbox is", on the page about rewards, has more. Time is counted in instructions, about as many
    a second as Python takes, so the verdict does not depend on how busy the machine is. Up to 4 MiB may come out.

    Args:
        code: the program, as text.
        entry_point: the function to call, `"f"`, which finds a method of the class `Solution` too, or
            `"Solution().f"` for the method of another class, made without arguments; None for that of `"fn_name"`.
            Not used where the program reads and prints.
        cases: at least one case, made of what JSON has, or the same as JSON text, all of one form.
        seconds: the limit of time for all cases together, above 0 and at most 3,600.
        rel_tol: by how much of its size a decimal number may differ, from 0 to 1; 0 asks for equal ones.

    Returns:
        Status, share of cases that passed, and the reason.

    Raises:
        ValueError: code that is no text, no case, a case of another form, an entry point that is no name, a limit or a
            tolerance out of range.
        ImportError: `wasmtime` or `componentize-py` is not installed.
        OSError: the sandbox, which is built on first use, cannot be built.

    Source: CPython built by `componentize-py`, run by `wasmtime`. Used in lesson "Answers and programs".

    Example:
        >>> run_program("def double(x): return x * x", "double", '[{"args": [3], "expected": 6}]')
        ProgramResult(status='wrong', passed=0.0, message='case 1 of 1: expected 6, got 9')
        >>> run_program("print(2 * int(input()))", None, [{"input": "3", "output": "6"}])
        ProgramResult(status='ok', passed=1.0, message='')
    """
    _check_settings(seconds, rel_tol)
    if not isinstance(code, str):
        raise ValueError(f"code must be the text of a program, got a {type(code).__name__}")
    return _run(code, *_read_cases(cases, entry_point), seconds, rel_tol)


def _check_settings(seconds: float, rel_tol: float) -> None:
    check_above("seconds", seconds, 0)
    check_between("seconds", seconds, 0, 3600)
    check_between("rel_tol", rel_tol, 0, 1)


def _read_cases(cases: object, entry_point: str | None) -> tuple[str | None, list[tuple]]:
    """Return what to call, None for a program that prints, and for each case what is given and what is expected."""
    try:
        read = json.loads(cases if isinstance(cases, str) else json.dumps(cases))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"cases must be JSON, or made of what JSON has, got {reprlib.repr(cases)}: {error}") from error
    name = read.pop("fn_name", None) if isinstance(read, dict) else None
    match read:
        case {"inputs": list(given), "outputs": list(wanted)} if len(read) == 2 and len(given) == len(wanted):
            keys = ("args", "expected") if name else ("input", "output")
            read = [dict(zip(keys, pair, strict=True)) for pair in zip(given, wanted, strict=True)]
    calls: list[tuple] = []
    scripts: list[tuple] = []
    for row in read if isinstance(read, list) else []:
        match row:
            case {"args": list(given), "expected": value} if len(row) == 2:
                wrapped = name and isinstance(value, list) and len(value) == 1
                calls.append((given, [value, *value] if wrapped else [value]))
            case {"input": str(asked), "output": str(value)} if len(row) == 2:
                scripts.append((asked, value))
    if not calls + scripts or len(read) not in (len(calls), len(scripts)):
        raise ValueError(
            'cases must be a list of at least one {"args": [...], "expected": ...}, '
            f'or of at least one {{"input": "...", "output": "..."}}, got {reprlib.repr(cases)}'
        )
    if scripts:
        return None, scripts
    name = entry_point or name
    parts = name.replace("()", "").split(".") if isinstance(name, str) else [""]
    if not all(part.isidentifier() and not keyword.iskeyword(part) for part in parts):
        raise ValueError(
            f"entry_point must be the name of a function, such as 'f' or 'Solution().f', got {reprlib.repr(name)}"
        )
    return name, calls


def _run(code: str, entry_point: str | None, pairs: list[tuple], seconds: float, rel_tol: float) -> ProgramResult:
    given, wanted = zip(*pairs, strict=True)
    differs = wrong_text if entry_point is None else wrong_value
    failures = []
    for i, (status, text) in enumerate(run_cases(code, entry_point, given, seconds)):
        if reason := differs(text, wanted[i], rel_tol) if status == "ok" else text:
            status = "wrong" if status == "ok" else status
            failures.append((status, f"case {i + 1} of {len(pairs)}: {reason}"))
    status, message = failures[0] if failures else ("ok", "")
    return ProgramResult(status, (len(pairs) - len(failures)) / len(pairs), message)
