"""Which values count as the same: what a program returned or printed, and what is expected of it."""

import json
import math
import reprlib
from contextlib import suppress
from itertools import zip_longest


def wrong_value(text: str, wanted: list, rel_tol: float) -> str:
    """Say in what the JSON of a value differs from what is expected, "" if one of that is the same."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"the function returned what is no JSON: {error}"
    if any(same(value, expected, rel_tol) for expected in wanted):
        return ""
    return f"expected {reprlib.repr(wanted[0])}, got {reprlib.repr(value)}"


def wrong_text(text: str, wanted: str, rel_tol: float) -> str:
    """Say in which line what was printed differs from what is expected, "" if in none."""
    lines = zip_longest(text.strip().split("\n"), wanted.strip().split("\n"))
    for number, (got, want) in enumerate(lines, 1):
        if got != want and not same(_words(got or ""), _words(want or ""), rel_tol):
            return f"line {number}: expected {reprlib.repr(want)}, got {reprlib.repr(got)}"
    return ""


def _words(line: str) -> list:
    """Split a line; what is a number in JSON becomes one, and +7 and 007 stay text."""
    words: list = line.split()
    for i, word in enumerate(words):
        if word[0] in "-0123456789":
            with suppress(ValueError):  # as text, or longer than Python reads
                number = json.loads(word)
                words[i] = word if abs(number) == math.inf else number  # 1e400 is not 2e400
    return words


def same(value: object, expected: object, rel_tol: float) -> bool:
    """Compare what JSON has, by type and content: True is not 1, but 2 is 2.0."""
    pairs = [(value, expected)]
    while pairs:  # not by a function that calls itself: a program may nest its value as deep as it likes
        match pairs.pop():
            case list(a), list(b) if len(a) == len(b):
                pairs += zip(a, b, strict=True)
            case dict(a), dict(b) if a.keys() == b.keys():
                pairs += [(a[key], b[key]) for key in a]
            case a, b if {type(a), type(b)} <= {int, float}:
                if not _close(a, b, rel_tol):  # type: ignore[arg-type]
                    return False
            case a, b if isinstance(a, list | dict) or type(a) is not type(b) or a != b:
                return False
    return True


def _close(a: float, b: float, rel_tol: float) -> bool:
    if type(a) is type(b) is int:
        return a == b
    near = rel_tol if type(a) is type(b) else min(rel_tol, 1e-9)  # a whole number and another kind
    try:
        return math.isclose(a, b, rel_tol=near, abs_tol=min(rel_tol, 1e-12)) or (math.isnan(a) and math.isnan(b))
    except OverflowError:  # an int beyond all floats
        return False
