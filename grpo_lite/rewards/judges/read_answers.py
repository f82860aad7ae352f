r"""From text to a value, for the judge behind `math_reward`.

How models write is a table, `writing.toml`. Numbers and words are read here; the parser of math-verify reads
everything else.
"""

import itertools
import re
import tomllib
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import sympy
from latex2sympy2_extended import NormalizationConfig, latex2sympy
from sympy.core.function import AppliedUndef
from sympy.core.relational import Relational
from sympy.functions.elementary.trigonometric import TrigonometricFunction as TRIG

PARSER = NormalizationConfig(basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none")
WRITING = tomllib.loads((Path(__file__).parent / "writing.toml").read_text("utf-8"))
RULES = [(re.compile(pattern), text) for piece in WRITING["piece"] for pattern, text in piece["rules"]]
SCALES, SIGNS = WRITING["scales"], str.maketrans(dict(pair.split(" ", 1) for pair in WRITING["signs"]))
OUTSIDE = r"(?![^(\[{]*[)\]}])"  # what stands in no bracket
THOUSANDS = re.compile(rf"(?<![\d.,])\d{{1,3}}(?:,\d{{3}})+(?!\d|,\d){OUTSIDE}")
SEVERAL = re.compile(rf"[,;]{OUTSIDE}|\b(?:or|and)\b|<|>|\\[lgn]e(?![a-z])|!=")
MIXED = re.compile(r"(?<![\d.^_])(\d+)(?:\s*\\frac\{(\d+)\}\{(\d+)\}|\s+(\d+)/(\d+))")
NUMBER = re.compile(
    r"([+-]?)\s*(?:(\d+)\s*(?:/|:(?![0-5]\d$))\s*(\d+)"  # a fraction; 3:30 is a time
    r"|(\d+\.?\d*|\.\d+)(?:\\(?:overline|bar|dot)\s*\{?(\d+)\}?)?"  # a decimal, maybe one that repeats
    r"(?:\s*(?:\\times|\\cdot|\*)\s*10\s*\^\s*\{?\s*([+-]?\d{1,5})\s*\}?|[eE]([+-]?\d{1,5}))?"
    r"|10\s*\^\s*\{?\s*([+-]?\d{1,5})\s*\}?)"
)
PRIME = re.compile(r"'|\\prime")
# The parser reads y'' and A^T as y and A.
MARKED = re.compile(r"([A-Za-z])\s*((?:\^\s*\{?\s*)?(?:'|\\prime\s*)+\}?|\^\s*\{?\s*(?:T(?![A-Za-z])|\\top)\s*\}?)")
FOLDED = re.compile(r"(\d+)\)?(?:\s*(?:/|:|\\div)\s*|\}\s*\{)\(?(\d+)")  # a division that the parser works out
CALLS = re.compile(r"\\(?:binom|gcd|lcm|det|Gamma)|vmatrix")  # and what else it does
PREFIXES, PREFIXED, OTHERS = ([names.split() for names in group] for group in WRITING["units"].values())
UNITS = {name: names[0] for names in PREFIXED + OTHERS for name in names}
for prefix, names in itertools.product(PREFIXES, PREFIXED):  # km, kilometer, 千米
    UNITS |= {prefix[1 if name.isascii() else -1] + name: prefix[0] + names[0] for name in names[1:]}
    UNITS[prefix[0] + names[0]] = prefix[0] + names[0]
LONG = "|".join(
    re.escape(name) for name in sorted(UNITS, key=len, reverse=True) if not re.fullmatch("[A-Za-z23]", name)
)
UNIT = re.compile(
    rf'[\s"]*(?!/|per(?![a-z]))((?:\\?(?:(?<![A-Za-z])(?=[A-Za-z])(?i:{LONG})(?:e?s)?(?![A-Za-z])|(?![A-Za-z])(?:{LONG})'
    r'|(?<=["/°])\s*[A-Za-z](?![A-Za-z]))(?:[\s"]*\^\s*\{?\s*\d+\s*\}?)?[\s"]*)+)$'
)


class Reading(NamedTuple):
    """What was understood: the names before an equals sign, the value behind it, its unit, and if it is a result."""

    names: list[str]
    value: sympy.Basic
    unit: str
    finished: bool

    def __str__(self) -> str:
        """Write it for `explain_math`."""
        return " = ".join([*self.names, str(self.value)]) + (f" [{self.unit}]" if self.unit else "")


def tidy(text: str) -> str:
    """Write signs and words as LaTeX, and leave out what changes how an answer looks and not what it says."""
    text = re.sub(r"(?<=\d)\s?(m[²³]|m/s[²³]?)(?!\w)", r'"\1"', text)  # the one unit of one letter that stands bare
    text = re.sub("[⁰¹²³⁴-⁹⁻ⁿ]+", lambda m: f"^{{{unicodedata.normalize('NFKC', m[0])}}}", text)
    text = re.sub("[¼-¾⅐-⅞]", r" \g<0>", text).translate(SIGNS)
    text = unicodedata.normalize("NFKC", text).replace("\u2044", "/").strip()  # ½ is 1, this sign and 2 then
    text = THOUSANDS.sub(lambda m: m[0].replace(",", ""), text)
    for pattern, replacement in RULES:
        text = pattern.sub(replacement, text)
    text = re.sub(r"(?<!\.)\.$", "", text.strip(" ,;:")).rstrip()
    return text[1:-1] if re.fullmatch(r"\{[^{}]*(\{[^{}]*\}[^{}]*)*\}", text) else text


@lru_cache(maxsize=512)  # a group repeats its truth
def read(text: str) -> Reading:
    """Read one answer, LaTeX or plain. ValueError: it is no answer, or not one."""
    head, about, rough = tidy(text).partition(r"\approx")
    exactly = not about or is_name(head)  # x = 1/3 is about 0.33, and not: x is about 0.33
    text = f"{head}={rough}" if about and exactly else head
    single = "!=" not in text and (text.count("=") == 1 or not SEVERAL.search(text))
    *names, text = re.split(r"=(?![^{]*\})", text) if single else [text]
    text, unit = split_unit(text)
    text = MIXED.sub(improper, text)
    value = number(text)
    value = words(text) if value is None else value
    value, finished = parse(text) if value is None else (value, True)
    if not exactly and not abs(value - number(rough)) * 10 ** places(number(rough)) < 1:
        raise ValueError("two candidates")
    return Reading([name.strip() for name in names], value, unit, finished)


def improper(mixed: re.Match) -> str:
    """Write a mixed number as one fraction."""
    whole, top, bottom = (int(x) for x in mixed.groups() if x)
    return rf"\frac{{{whole * bottom + top}}}{{{bottom}}}" if top < bottom else mixed[0]


def split_unit(text: str) -> tuple[str, str]:
    """Cut a known unit off, and give its name: square feet and ft^2 are ft2. Other words stay."""
    text = re.sub(r"^\s*(?:US)?([$€£¥₹])\s*(.*)", r"\2\1", text)
    found = UNIT.search(text)
    if not found or not text[: found.start()].strip('" '):
        return text, ""
    name = re.sub(r"(?i)\b(square|sq|cubic|cu|平方|立方)\.?\s*([a-z一-鿿]+)", r"\2 \1", found[1])
    known = []
    for word in re.findall(r"[^\W\d_]+|[^\w\s\"^{}\\]|\d+", name):
        forms = word, word.lower(), word.lower().removesuffix("s"), word.lower().removesuffix("es")
        known.append(next((UNITS[form] for form in forms if form in UNITS), word * word.isdigit()))
    unit = "".join(known) if all(known) else ""
    return (text[: found.start()], unit) if unit != "base" and unit.strip("23/") else (text, "")


def number(text: str) -> sympy.Rational | None:
    """Read a number that is written out: 5, 1/2, 0.25, 1.5*10^3, 2 million; 12/3 is still to be worked out."""
    text = re.sub(r"^\(([^()]*)\)$", r"\1", re.sub(r'["\s]+', " ", text).strip())
    if scaled := re.fullmatch(rf"(.*\d)\s*({'|'.join(SCALES)})s?", text):
        value = number(scaled[1])
        return None if value is None else value * SCALES[scaled[2]]
    found = NUMBER.fullmatch(re.sub(r"\\frac ?\{ ?(-?\d+) ?\} ?\{ ?(\d+) ?\}", r"\1/\2", text).strip())
    if not found:
        return None
    sign, top, bottom, decimal, again, *powers = found.groups()
    if bottom and (int(bottom) == 0 or int(top) % int(bottom) == 0):
        return None
    value = sympy.Rational(int(top), int(bottom)) if bottom else sympy.Rational(decimal or 1)
    if again:
        value += sympy.Rational(int(again), (10 ** len(again) - 1) * 10 ** len(decimal.partition(".")[2]))
    return value * sympy.Integer(10) ** int(next(filter(None, powers), 0)) * (-1 if sign == "-" else 1)


def words(text: str) -> sympy.Symbol | None:
    """Read what is no mathematics, such as yes, AB, 3:30, 2:3:5 or 1, 2, ..., n: equal if written the same."""
    if re.search(r"\\[lc]?dots|\.\.\.|^\d+(:\d+)+$", text):
        return sympy.Symbol(re.sub(r"\\[lc]?dots", "...", re.sub(r"\s", "", text)))
    text = text.replace('"', " ").strip(" .!")
    if re.search(r"(?i)\b(?:is|are|answer|equals|see)\b", text) or len(
        re.findall(r"[A-Za-z]{2,}", text)
    ) > 5 > text.count("\\"):
        raise ValueError("a sentence")
    word = r"(?<![A-Za-z\d])(?!and\b)[A-Za-z]{3}|^(?:no|No|NO|on)$|^[A-Z]{2,}$"
    if not re.fullmatch(r"[\w ,.'()?!-]+", text) or not re.search(word, text):
        return None
    found = re.findall(r"\d+\.\d+|\w+|-", text.lower())  # a minus says something, a comma does not
    found = [word.removesuffix("s") if len(word) > 4 else word for word in found]
    return sympy.Symbol(" ".join(found).replace("does not exist", "dne") + " ")


def parse(text: str) -> tuple[sympy.Basic, bool]:
    """Read an expression, and whether it is a result: with nothing left to work out, such as 2*3 or 12/2."""
    text = MARKED.sub(
        lambda m: f"{m[1]}_{{{'T' if 'T' in m[2] or 'top' in m[2] else 'p' * len(PRIME.findall(m[2]))}}}", text
    )
    text = text.replace('"', " ")
    letters = set(re.findall(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])", text))
    for large in (letter for letter in letters if letter.isupper() and letter.lower() in letters):
        text = re.sub(rf"(?<![A-Za-z\\]){large}(?![A-Za-z_])", f"{large}_{{large}}", text)  # to the parser R is r
    if re.search(r"(?<![_^\d])\d+\s+\d", text):
        raise ValueError("two numbers side by side may be one, a sum or a product")
    text = re.sub(r"(?<![_^\d.])([\d.]+)\s*(?=\()|(\))\s*(?=\(?\d|\\frac)", r"\1\2\\cdot ", text)  # 2(3) is 6, not 5
    raw = latex2sympy(re.sub(r"(?<=\d)i(?![a-z])", " i", text), is_real=True, normalization_config=PARSER)
    folded = any(int(bottom) and int(top) % int(bottom) == 0 for top, bottom in FOLDED.findall(text))
    value = exact(raw)
    if isinstance(value, sympy.FiniteSet) and all(isinstance(x, (Relational, sympy.And)) for x in value):
        if not value.atoms(sympy.Eq):
            value = (sympy.Or if " or " in text else sympy.And)(*value)
    folded = folded or bool(CALLS.search(text)) or value.has(sympy.Derivative, sympy.Integral, sympy.Limit)
    finished = not (folded or isinstance(value, sympy.Rational) or unfinished(raw) or unfinished_product(value))
    return value, finished  # number() reads the finished numbers


def unfinished_product(value: sympy.Basic) -> bool:
    """Whether complex numbers are still to be multiplied, as in (1+i)^2."""
    if not (isinstance(value, sympy.Expr) and value.is_number and value.has(sympy.I)):
        return False
    powers = (x.exp.is_Integer and x.exp > 1 and x.base.is_Add for x in value.atoms(sympy.Pow))
    return any(powers) or any(sum(arg.is_Add for arg in x.args) > 1 for x in value.atoms(sympy.Mul))


def unfinished(value: sympy.Basic) -> bool:
    """Whether something is still to be worked out in what was parsed: 2*3, 3!, sqrt(4), but not 1/2, sqrt(3), -2x."""
    nodes = sympy.preorder_traversal(value)
    for node in nodes:
        if isinstance(node, sympy.Pow) and node.exp == -1 and isinstance(node.base, sympy.Integer):
            nodes.skip()  # a denominator
        elif isinstance(node, sympy.Expr) and not isinstance(node, sympy.Number):
            plain = [arg for arg in node.args if isinstance(arg, sympy.Number) and not (arg == -1 and node.is_Mul)]
            if isinstance(node, (sympy.Add, sympy.Mul)) and len(plain) > 1:
                return True
            if node.is_number and isinstance(node.doit(), sympy.Number):
                return True
            if isinstance(node, TRIG) and node.is_number and not node.doit().has(TRIG):  # sin(pi/3)
                return True
    return False


def exact(value: sympy.Basic) -> sympy.Basic:
    """Write decimals as fractions, f(2) as a symbol, and i as the imaginary unit where it is no index."""
    if value.has(sympy.nan, sympy.zoo):
        raise ValueError("no number")
    table = {node: sympy.Symbol(str(node)) for node in value.atoms(AppliedUndef, sympy.Symbol)}
    table |= {node: sympy.Rational(str(node)) for node in value.atoms(sympy.Float)}
    if not value.has(sympy.Sum, sympy.Product):
        table |= {node: sympy.I for node in table if str(node) == "i"}
    return value.xreplace(table) if table else value


def is_name(text: str) -> bool:
    """Whether this may stand before an equals sign to say what is equal: x_1, f(2), m + n, but not 2x, -x or x^2."""
    bare = re.sub(r"_\s*(\{[^{}]*\}|\w)|(?<=[A-Za-z}'])\s*\([^()]*\)|\|(?=[A-Z]{2}\|)|(?<=[A-Z]{2})\|", "", text)
    return bool(bare.strip()) and not re.search(r"[\d^|]|^\s*-|\\(?:not|ln|log|sin|cos|tan|sqrt|frac)(?![a-z])", bare)


def places(decimal: sympy.Rational) -> int:
    """Count the places behind the point, 0 if they do not end."""
    powers = sympy.factorint(decimal.q, limit=5)
    return max(powers.values(), default=0) if powers.keys() <= {2, 5} else 0
