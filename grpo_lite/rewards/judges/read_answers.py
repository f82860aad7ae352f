r"""From text to values, for the judge behind `math_reward`.

How models write is a table, `writing.toml`. Lists, brackets, names, units, words and numbers are read here; the parser
of math-verify reads each expression in between.
"""

import re
import tomllib
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import sympy
from latex2sympy2_extended import NormalizationConfig, latex2sympy
from latex2sympy2_extended.latex2sympy2 import ConversionConfig
from sympy.core.function import AppliedUndef

NORMAL = NormalizationConfig(basic_latex=True, malformed_operators=True, nits=True, boxed="none")
CASED = ConversionConfig(lowercase_symbols=False)
WRITING = tomllib.loads((Path(__file__).parent / "writing.toml").read_text("utf-8"))
RULES = [(re.compile(pattern), text) for piece in WRITING["piece"] for pattern, text in piece["rules"]]
INTERVALS = [(re.compile(pattern), text) for pattern, text in WRITING["intervals"]]
SIGNS = str.maketrans(dict(pair.split(" ", 1) for pair in WRITING["signs"]))
NAMES = [names.split() for names in WRITING["units"]]
UNITS = {name + end: names[0] for names in NAMES for name in names for end in ("", "s", "es")[: 2 * len(name) - 1]}
POWER = r'[\s"]*(?:\^\s*\{?\s*(\d+)\s*\}?)?[\s"]*'
WORD = r'((?<![\\A-Za-z])[^\W\d_]{2,}|(?<=["/])[A-Za-z]|[^\x00-\x7F]|[%$])'
UNIT = re.compile(rf'[\s"]*{WORD}{POWER}(?:/[\s"]*{WORD}{POWER})?$')
LIST = r'[,;]?\s*"?\s*\b(?:or|and)\b\s*"?|[,;]|\\cup'
FRACTION = re.compile(r"(?:(\d+) )?(\d+) ?(?:/|:(?![0-5]\d$)) ?(-?\d+)")  # 3:30 is a time
FOLDED = re.compile(r"(?<![\d^])(\d+)\s*(?:/|:|\\div)\s*(\d+)|\{(\d+)\}\s*\{(\d+)\}")  # the parser divides here
UNDONE = sympy.Derivative, sympy.Integral, sympy.Limit, sympy.Sum, sympy.Product


class Reading(NamedTuple):
    """What was understood: names before equals signs, the value behind them, its unit, and if nothing is to be done.

    The value is an expression, or a list of readings: brackets are then "{}" for a set or a list, "{or}" if it says
    "or", and "()", "[]", "(]" or "[)" where order counts.
    """

    names: list[str]
    value: Any
    unit: str = ""
    finished: bool = True
    brackets: str = ""

    def __str__(self) -> str:
        """Write it for `explain_math`."""
        inside = ", ".join(map(str, self.value)) if self.brackets else str(self.value)
        shown = f"{self.brackets[:1]}{inside}{self.brackets[-1:]}"
        return " = ".join([*self.names, shown]) + (f" [{self.unit}]" if self.unit else "")


def tidy(text: str) -> str:
    """Write signs and words as LaTeX, and leave out what changes how an answer looks and not what it says."""
    text = re.sub("[⁰¹²³⁴-⁹⁻ⁿ]+", lambda m: f"^{{{unicodedata.normalize('NFKC', m[0])}}}", text)
    text = re.sub("[¼-¾⅐-⅞]", r" \g<0>", text).translate(SIGNS)
    text = unicodedata.normalize("NFKC", text).replace("\u2044", "/").strip()  # ½ is 1, this sign and 2 then
    for pattern, replacement in RULES:
        text = pattern.sub(replacement, text)
    return text


def split(text: str, at: str) -> list[str]:
    """Cut where no bracket is open."""
    before, hidden = "", text
    while before != hidden:
        before, hidden = hidden, re.sub(r"[(\[{][^()\[\]{}]*[)\]}]", lambda m: "\0" * len(m[0]), hidden)
    if re.search(r"[()\[\]{}]", hidden):
        raise ValueError("a bracket stands alone")
    ends = [0, *(end for cut in re.finditer(at, hidden) for end in cut.span()), len(text)]
    return [text[start:end].strip() for start, end in zip(ends[::2], ends[1::2], strict=True)]


@lru_cache(maxsize=512)  # a group repeats its truth
def read(text: str) -> Reading:
    """Read one answer that is tidy. ValueError: it is no answer, or not one."""
    if re.search(r'\\dots|\.\.\.|^"?\d+(:\d+)+', text) and not FRACTION.fullmatch(text):
        return Reading([], sympy.Symbol(re.sub(r'[\s".\\]', "", text).lower()))  # 1, 2, ..., n or 3:30 PM or 2:3:5
    if len(re.findall(r"\b[A-Za-z]{2,}", text)) > 5 > text.count("\\"):
        raise ValueError("a sentence")
    if len(parts := split(text, LIST)) > 1:
        return Reading([], [*map(read, parts)], brackets="{or}" if re.search(r"\bor\b", text) else "{}")
    for pattern, interval in INTERVALS:
        text = pattern.sub(interval, text)
    head, about, rough = text.partition(r"\approx")
    if about and not is_name(head):  # x = 1/3 is about 0.33, and not: x is about 0.33
        exactly, close = read(head), number(rough)
        if not abs(exactly.value - close) * 10 ** len(rough.partition(".")[2].strip()) < 1:
            raise ValueError("two candidates")
        return exactly
    *names, text = split(text.replace(r"\approx", "="), "=")
    if text[:2] + text[-2:] == r"\{\}":
        return Reading(names, [read(part) for part in split(text[2:-2], LIST) if part], brackets="{}")
    if re.fullmatch(r"[(\[].*,.*[)\]]|\[.*|.*\]", text):
        return Reading(names, [*map(read, split(text[1:-1], ","))], brackets=text[0] + text[-1])
    text, unit = split_unit(text)
    value = number(text)
    value = words(text) if value is None else value
    return parse(names, text, unit) if value is None else Reading(names, value, unit)


def split_unit(text: str) -> tuple[str, str]:
    """Cut a known unit off, and give its name. Other words stay."""
    text = re.sub(r"^\s*(?:US)?([$€£¥₹])\s*(.*)", r"\2\1", text)
    if not (found := UNIT.search(text)) or not text[: found.start()].strip('" '):
        return text, ""
    words = [(word, power or "") for word, power in (found.group(1, 2), found.group(3, 4)) if word]
    unit = "/".join(UNITS.get(word, UNITS.get(word.lower(), "?")) + power for word, power in words)
    return (text, "") if "?" in unit else (text[: found.start()], unit)


def number(text: str) -> sympy.Rational | None:
    """Read a number that is written out: 5, 1/2, 2 1/2, 0.25, 1.5*10^3; 12/3 is still to be worked out."""
    text = re.sub(r"\\frac ?\{ ?(-?\d+) ?\} ?\{ ?(-?\d+) ?\}", r" \1/\2", re.sub(r'["\s]+', " ", text)).strip()
    text = re.sub(r"^\(([^()]*)\)$", r"\1", text)
    sign, text = re.sub(r"^([+-]?) ?\(?([^()+-][^()]*)\)?$", r"\1|\2", text).partition("|")[::2]
    text = re.sub(r"^10 ?\^", "1*10^", text)
    text = re.sub(r" ?(?:\\times|\\cdot|\*) ?10 ?\^ ?\{? ?([+-]?\d{1,5}) ?\}?$", r"e\1", text).strip()
    if found := FRACTION.fullmatch(text):
        whole, top, bottom = map(int, found.groups("0"))
        if bottom == 0 or top % bottom == 0 or whole and not 0 < top < bottom:
            return None
        value = whole + sympy.Rational(top, bottom)
    elif re.fullmatch(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,5})?", text):
        value = sympy.Rational(text)
    else:
        return None
    return -value if sign == "-" else value


def words(text: str) -> sympy.Symbol | None:
    """Read what is no mathematics, such as yes or AB: equal if written the same."""
    text = text.replace('"', " ").strip(" .!")
    word = r"(?<![A-Za-z\d])[A-Za-z]{3}|^(?:no|No|NO|on)$|^[A-Z]{2,}$"
    if not re.fullmatch(r"[\w .'()?!-]+", text) or not re.search(word, text):
        return None
    return sympy.Symbol(" ".join(re.findall(r"\d+\.\d+|\w+|[-?]", text.lower())) + " ")  # a minus says something


def parse(names: list[str], text: str, unit: str) -> Reading:
    """Read an expression, and whether it is a result: with nothing left to work out, such as 2*3 or 12/2."""
    text = text.replace('"', " ")
    if re.search(r"(?<![_^\d])\d+\s+\d", text):
        raise ValueError("two numbers side by side may be one, a sum or a product")
    text = re.sub(r"(?<![_^\d.])([\d.]+)\s*(?=\()|(\))\s*(?=\(?\d|\\frac)", r"\1\2\\cdot ", text)  # 2(3) is 6, not 5
    raw = latex2sympy(text, is_real=True, normalization_config=NORMAL, conversion_config=CASED)
    value = exact(raw)
    folded = any(int(b or d) and int(a or c) % int(b or d) == 0 for a, b, c, d in FOLDED.findall(text))
    done = not (folded or value.is_Rational or value.has(*UNDONE))  # number() reads what is finished and rational
    numbers = [node for node in sympy.preorder_traversal(raw) if exact(node).is_number]
    return Reading(
        names, value, unit, done and all(size(node) <= size(exact(node).doit().expand()) for node in numbers)
    )


def size(value: sympy.Basic) -> int:
    """Count what is written, so that 2*3, sqrt(2)+sqrt(2), i^3, sqrt(-4), sin(pi/3) are longer than their results."""
    if value.is_Rational:
        return (abs(value.p) != 1 or value.q == 1) + (value.q != 1)
    if not value.args:
        return int(bool(value.is_number) or str(value) == "i")
    own = 9 * value.is_Function + len(value.args) * value.is_Add + (value.is_Pow and value.exp.is_Integer is False)
    args = value.args[:1] if isinstance(value, sympy.log) else value.args
    return own + sum(size(arg) for arg in args if arg not in (1, -1) or value.is_Add)


def exact(value: sympy.Basic) -> sympy.Basic:
    """Write decimals as fractions, f(2) as a symbol, and i as the imaginary unit where it is no index."""
    if value.has(sympy.nan, sympy.zoo):
        raise ValueError("no number")
    table = {node: sympy.Symbol(str(node)) for node in value.atoms(AppliedUndef, sympy.Symbol)}
    table |= {node: sympy.Rational(str(node)) for node in value.atoms(sympy.Float)}
    table |= {node: sympy.I for node in table if str(node) == "i" and not value.has(sympy.Sum, sympy.Product)}
    return value.xreplace(table) if table else value


def is_name(text: str) -> bool:
    """Whether this may stand before an equals sign to say what is equal: x_1, f(2), m + n, but not 2x, xy or x^2."""
    bare = re.sub(r'"[^"]*"|_\s*(?:\{[^{}]*\}|\w)|(?<=[A-Za-z}\'])\s*\([^()]*\)', "A", text)
    product = r"(?<![A-Za-z\\])[a-z]\s*(?:\*|\\cdot)?\s*[a-z](?![A-Za-z])"
    wrong = rf"[\d^|]|^\s*-|\\(?:not|ln|log|sin|cos|tan|sqrt|frac)(?![a-z])|{product}"
    return bool(bare.strip()) and not re.search(wrong, bare)
