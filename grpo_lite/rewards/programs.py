r"""Judging programs that a model wrote: which text is the program, what it is asked, which values count as the same.

The program runs in a sandbox (`sandbox`) and sees the arguments or the input of a test. What comes out is compared
here, with an expected value that the program never sees.
"""

import json
import keyword
import math
import re
import reprlib
import textwrap
from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

from grpo_lite._checks import check_above, check_between
from grpo_lite.rewards.protocol import Completion, check_column, texts
from grpo_lite.rewards.sandbox import Sandbox
from grpo_lite.rewards.text import after_thinking

# A line that opens or closes a block: where it begins (in a list, too), the marks, the language.
_FENCE = re.compile(r"([ \t]*(?:(?:[-*+>]|[0-9]+[.)])[ \t]+)?)(`{3,}|~{3,})[ \t]*\{?\.?([\w+#-]*)([^`]*)")
_PYTHON = ("python", "python3", "py", "py3")
_ENTRY_POINT = re.compile(r"[^\W\d]\w*(\(\))?(\.[^\W\d]\w*)*")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NEAR = 1e-9  # between a whole number and another kind
_ZERO = 1e-12


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

    `extract_program` says which text is the program. It runs in a sandbox and cannot touch the machine. `run_program`
    says how, what counts as the same, and gives the reason for a reward.

    A setting is given with `functools.partial(code_reward, partial_credit=True)`.

    Args:
        completions: strings or chat lists.
        tests: for each completion a list of cases, or the same as JSON text, which is the form that survives a data
            set whose rows hold different types; None where there is no test. A case is either
            `{"args": [...], "expected": ...}` for a function or `{"input": "...", "output": "..."}` for a program that
            reads and prints; `{"inputs": [...], "outputs": [...]}` is a list of the latter.
        entry_point: for each completion the name of the function to call, or `"Solution().name"` for the method of a
            class; None where the program reads and prints, and where there is no test.
        partial_credit: pay the share of the tests that pass instead of all or nothing. A constant that is right now
            and then earns something too.
        seconds: the limit of time for a program with all its tests, from 0 to 3,600; see `run_program`.
        rel_tol: by how much of its size a decimal number may differ, from 0 to 1.
        columns: ignored.

    Returns:
        1.0 or 0.0 a completion, or the share of tests passed; None where there is no test. No program is 0.0.

    Raises:
        ValueError: tests or entry points that are not one for each completion or not of this form, a limit or a
            tolerance out of range, or a completion that is neither a string nor a chat list.
        ImportError: `wasmtime` or `componentize-py` is not installed.

    Source: rewards from running tests, DeepSeek-R1 (arXiv:2501.12948). Used in lesson "Rewards".

    Example:
        >>> text = "```python\ndef double(x):\n    return 2 * x\n```"
        >>> tests = '[{"args": [2], "expected": 4}, {"args": ["a"], "expected": "aa"}]'
        >>> code_reward([text, "It is 4."], tests=[tests, tests], entry_point=["double", "double"])
        [1.0, 0.0]
        >>> code_reward(["```python\nprint(2 * int(input()))\n```"], tests=[[{"input": "2", "output": "4"}]])
        [1.0]
    """
    check_column("tests", tests, completions)
    names = [None] * len(completions) if entry_point is None else entry_point
    check_column("entry_point", names, completions)
    _check_settings(seconds, rel_tol)

    def judge(text: str, cases, name) -> float | None:
        if cases is None:
            return None
        program = extract_program(text, name)
        if program is None:
            return 0.0
        result = run_program(program, name, cases, seconds=seconds, rel_tol=rel_tol)
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


def extract_program(text: str, entry_point: str | None = None) -> str | None:
    r"""Return the block of a completion that is the program.

    A block begins at a line such as "```python" or "~~~py" and ends at the same marks, or with the text. It may stand
    in a list. Blocks in Python count, and if there are none, those that name no language. Of several it is the last
    one that defines the entry point, or else the last. What was thought does not count: only text after the last
    `</think>` is read, and none if a `<think>` is still open.

    Args:
        text: a completion.
        entry_point: the name of the function or class that the program must define, None if any program will do.

    Returns:
        The program; None if there is no block.

    Example:
        >>> extract_program("<think>x</think>So:\n```python\none = abs\n```\nas in\n```py\none(1)\n```", "one")
        'one = abs'
    """
    blocks = _blocks(after_thinking(text))
    named = [code for language, code in blocks if language in _PYTHON]
    candidates = named or [code for language, code in blocks if not language]
    parts = re.escape(entry_point or "").split(r"\(")[0].split(r"\.")
    defines = re.compile(rf"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+{parts[0]}\b|^{parts[0]}[ \t]*[:=]", re.MULTILINE)
    return next(filter(defines.search, candidates[::-1] if entry_point else []), candidates[-1] if candidates else None)


def _blocks(text: str) -> list[tuple[str, str]]:
    """Return language and content of each block."""
    blocks: list[tuple[str, list[str]]] = []
    opened: tuple[str, int] | None = None  # marks and column of the block that one is in
    for line in text.replace("\r\n", "\n").split("\n"):
        fence = _FENCE.fullmatch(line)
        if opened is None:
            if fence:
                opened = fence[2], len(fence[1])
                blocks.append((fence[3].lower(), []))
        elif fence and fence[2].startswith(opened[0]) and not (fence[3] + fence[4]).strip() and (
            len(fence[1]) <= opened[1] + 3  # further in it belongs to the program
        ):  # fmt: skip
            opened = None
        else:
            blocks[-1][1].append(line)
    return [(language, textwrap.dedent("\n".join(lines))) for language, lines in blocks]


def run_program(
    code: str,
    entry_point: str | None,
    cases: str | Sequence[dict] | dict,
    *,
    seconds: float = 1.0,
    rel_tol: float = 1e-6,
) -> ProgramResult:
    r"""Run a program on each case, compare what comes out with what is expected, and say what was wrong.

    For a case `{"args": [...], "expected": ...}` the program is run and its function called. What that returns must
    have the type and content of the expected value: 1 is not True, "1" is not 1. As the expected values are written
    in JSON, a tuple passes for a list and a key 1 for a key "1". Sets, bytes and objects of a class never pass. The
    entry point is `"f"`, or `"Solution().f"` for a method of a class that is made without arguments; `"f"` finds the
    method of a class `Solution` too.

    For a case `{"input": "...", "output": "..."}` the program is run with the input to read, and what it prints must
    be the output, line by line and word by word. White space between words and around the text does not count.

    Numbers: two whole ones must be equal. Two decimal ones may differ by `rel_tol` of their size, or by `1e-12`, which
    is for what should be 0. A whole and a decimal one may differ by `1e-9` of their size, so 2 is 2.0; nan is nan.

    The sandbox is Python 3.14 without files, network, threads and processes, with 256 MiB of memory; it is built on
    first use. What is no part of Python (numpy) is not there. Each case runs the program anew, in a part of memory that
    the program's cases share. The limit of time is for all cases together. It is counted in instructions of the
    sandbox, 15e9 a second, about as many as Python takes there for what it does in a second outside: the verdict does
    not depend on how busy the machine is. The clock stands at 2000-01-01 and moves when it is looked at, `random`
    starts from the same seed and `sleep` does not wait, so that the same program earns the same reward again. Up to
    4 MiB may come out.

    Args:
        code: the program, as text.
        entry_point: the name of the function; not used where the program reads and prints.
        cases: at least one case, made of what JSON has, or the same as JSON text, all of one of the two forms.
        seconds: the limit of time for a program, above 0 and at most 3,600.
        rel_tol: by how much of its size a decimal number may differ, from 0 to 1; 0 asks for equal ones.

    Returns:
        Status, share of cases that passed, and the reason.

    Raises:
        ValueError: code that is no text, no case, a case of another form, an entry point that is no name, a limit or a
            tolerance out of range.
        ImportError: `wasmtime` or `componentize-py` is not installed.

    Source: CPython built by `componentize-py`, run by `wasmtime`. Used in lesson "Rewards".

    Example:
        >>> run_program("def double(x): return 2 * x", "double", [{"args": [2], "expected": 4}])
        ProgramResult(status='ok', passed=1.0, message='')
        >>> run_program("def double(x): return x * x", "double", '[{"args": [3], "expected": 6}]')
        ProgramResult(status='wrong', passed=0.0, message='case 1 of 1: expected 6, got 9')
        >>> run_program("print(input()[::-1])", None, [{"input": "ab", "output": "ab"}]).message
        "case 1 of 1: line 1: expected 'ab', got 'ba'"
    """
    _check_settings(seconds, rel_tol)
    if not isinstance(code, str):
        raise ValueError(f"code must be the text of a program, got a {type(code).__name__}")
    cases = _read_cases(cases)
    if "args" in cases[0] and not _is_entry_point(entry_point):
        raise ValueError(
            "entry_point must be the name of a function, such as 'f' or 'Solution().f', "
            f"got {reprlib.repr(entry_point)}"
        )
    sandbox = Sandbox(seconds)
    failures = []
    for number, case in enumerate(cases, 1):
        if "args" in case:
            status, text = sandbox.run(code, entry_point, case["args"])
            reason = text if status != "ok" else _wrong_value(text, case["expected"], rel_tol)
        else:
            status, text = sandbox.run(code, None, case["input"])
            reason = text if status != "ok" else _wrong_text(text, case["output"], rel_tol)
        if reason:
            failures.append(("wrong" if status == "ok" else status, f"case {number} of {len(cases)}: {reason}"))
    status, message = failures[0] if failures else ("ok", "")
    return ProgramResult(status, (len(cases) - len(failures)) / len(cases), message)


def _check_settings(seconds: float, rel_tol: float) -> None:
    check_above("seconds", seconds, 0)
    check_between("seconds", seconds, 0, 3600)
    check_between("rel_tol", rel_tol, 0, 1)


def _is_entry_point(name: object) -> bool:
    if not isinstance(name, str) or not _ENTRY_POINT.fullmatch(name):
        return False
    return not any(map(keyword.iskeyword, name.replace("()", "").split(".")))


def _read_cases(cases: object) -> list[dict]:
    try:
        read = json.loads(cases if isinstance(cases, str) else json.dumps(cases))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"cases must be JSON, or made of what JSON has, got {reprlib.repr(cases)}: {error}") from error
    if isinstance(read, dict) and read.keys() == {"inputs", "outputs"} and all(map(_is_list, read.values())):
        read = [{"input": given, "output": output} for given, output in zip_longest(read["inputs"], read["outputs"])]
    if not _is_list(read) or not read or not (all(map(_is_call, read)) or all(map(_is_script, read))):
        raise ValueError(
            'cases must be a list of at least one {"args": [...], "expected": ...}, '
            f'or of at least one {{"input": "...", "output": "..."}}, got {reprlib.repr(cases)}'
        )
    return read


def _is_list(x: object) -> bool:
    return isinstance(x, list)


def _is_call(case: object) -> bool:
    return isinstance(case, dict) and case.keys() == {"args", "expected"} and _is_list(case["args"])


def _is_script(case: object) -> bool:
    return (
        isinstance(case, dict) and case.keys() == {"input", "output"} and all(isinstance(x, str) for x in case.values())
    )


def _wrong_value(text: str, expected: object, rel_tol: float) -> str:
    """Say in what the JSON of a value differs from what is expected, "" if in nothing."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"the function returned what is no JSON: {error}"
    return "" if same(value, expected, rel_tol) else f"expected {reprlib.repr(expected)}, got {reprlib.repr(value)}"


def same(value: object, expected: object, rel_tol: float) -> bool:
    """Compare what JSON has, by type and content: True is not 1, but 2 is 2.0."""
    pairs = [(value, expected)]
    while pairs:  # not by a function that calls itself: a program may nest its value as deep as it likes
        a, b = pairs.pop()
        if type(a) in (int, float) and type(b) in (int, float):
            if not _close(a, b, rel_tol):  # type: ignore[arg-type]
                return False
        elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
            pairs += zip(a, b, strict=True)
        elif isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
            pairs += [(a[key], b[key]) for key in a]
        elif isinstance(a, list | dict) or type(a) is not type(b) or a != b:
            return False
    return True


def _close(a: int | float, b: int | float, rel_tol: float) -> bool:
    if type(a) is type(b) is int:
        return a == b
    rel_tol = rel_tol if type(a) is type(b) else min(rel_tol, _NEAR)
    try:
        return math.isclose(a, b, rel_tol=rel_tol, abs_tol=min(rel_tol, _ZERO)) or (math.isnan(a) and math.isnan(b))
    except OverflowError:  # an int beyond all floats
        return False


def _wrong_text(text: str, expected: str, rel_tol: float) -> str:
    """Say in which line what was printed differs from what is expected, "" if in none."""
    lines = zip_longest(text.strip().split("\n"), expected.strip().split("\n"))
    for number, (got, want) in enumerate(lines, 1):
        if got is None or want is None or not _same_words(got.split(), want.split(), rel_tol):
            return f"line {number}: expected {reprlib.repr(want)}, got {reprlib.repr(got)}"
    return ""


def _same_words(got: list[str], want: list[str], rel_tol: float) -> bool:
    return len(got) == len(want) and all(a == b or _same_number(a, b, rel_tol) for a, b in zip(got, want, strict=True))


def _same_number(a: str, b: str, rel_tol: float) -> bool:
    """Compare two words that differ as text; two whole numbers that do are not the same, or too long to read."""
    if not _NUMBER.fullmatch(a) or not _NUMBER.fullmatch(b) or (a + b).strip("+-0123456789") == "" or len(a + b) > 600:
        return False
    x, y = (float(word) if set(word) & set(".eE") else int(word) for word in (a, b))
    return _close(x, y, rel_tol)
