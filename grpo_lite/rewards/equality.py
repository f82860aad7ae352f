"""Which results count as the same: what a program returned or printed, and what is expected of it.

Both are cut into words, which are compared as text and, where that differs, as numbers.
"""

import json
import math
import re
import reprlib
from itertools import zip_longest

_JSON_WORDS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}]|[^\s,:\[\]{}"]+')  # a text, a bracket, a number or true


def wrong_value(text: str, wanted: list, rel_tol: float) -> str:
    """Say in what the JSON of a value differs from what is expected, "" if one of that is the same."""
    try:
        value = json.loads(text)
        words, *right = [_JSON_WORDS.findall(json.dumps(one, sort_keys=True)) for one in (value, *wanted)]
    except (ValueError, RecursionError) as error:
        return f"the function returned what is no JSON: {error}"
    if any(_same(words, expected, rel_tol) for expected in right):
        return ""
    return f"expected {reprlib.repr(wanted[0])}, got {reprlib.repr(value)}"


def wrong_text(text: str, wanted: str, rel_tol: float) -> str:
    """Say in which line what was printed differs from what is expected, "" if in none."""
    lines = zip_longest(text.strip().split("\n"), wanted.strip().split("\n"))
    for number, (got, want) in enumerate(lines, 1):
        if not _same((got or "").split(), (want or "").split(), rel_tol):
            return f"line {number}: expected {reprlib.repr(want)}, got {reprlib.repr(got)}"
    return ""


def _same(words: list[str], wanted: list[str], rel_tol: float) -> bool:
    return len(words) == len(wanted) and all(a == b or _near(a, b, rel_tol) for a, b in zip(words, wanted, strict=True))


def _near(a: str, b: str, rel_tol: float) -> bool:
    """Whether two words are numbers in JSON, as +7, 007 and true are not, and close enough: 2 is 2.0."""
    if not all(word[0] in "-0123456789" for word in (a, b)):
        return False
    try:
        x, y = json.loads(a), json.loads(b)
        if type(x) is type(y) is int:
            return x == y
        near = rel_tol if type(x) is type(y) else min(rel_tol, 1e-9)  # a whole number and another kind
        return math.isclose(x, y, rel_tol=near, abs_tol=min(rel_tol, 1e-12)) and abs(x) < math.inf  # 1e400 is not 2e400
    except (ValueError, OverflowError):  # as text, or longer than Python reads; an int beyond all floats
        return False
