r"""The judge behind `math_reward`: mathematics that a model wrote, read and compared in a process of its own.

Run as a script by `grpo_lite.rewards.answers`. It reads lines [truth, answer] in JSON and prints a line for each: the
reward (1.0, 0.0, or null if the truth cannot be read), the rule that decided, and what was read as truth and as answer.

How models write is a table, `writing.toml`: rules that rewrite an answer, and the forms of its parts. Parts are read
here, expressions by the parser of math-verify. Two expressions are equal if they have the same values at points: what a
simplification rounds away cannot make them equal.
"""

import json
import re
import signal
import sys
import tomllib
from collections import namedtuple
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from unicodedata import normalize

import sympy
from latex2sympy2_extended.latex2sympy2 import ConversionConfig, latex2sympy

WRITING = tomllib.loads(Path(__file__).with_name("writing.toml").read_text("utf-8"))
RULES = [rule for piece in WRITING["piece"] for rule in piece["rules"]]
FORMS = {name: re.compile(form) for name, form in WRITING["forms"].items()}
SIGNS = str.maketrans(dict(pair.split(" ", 1) for pair in WRITING["signs"]))
UNITS = {name: names.split()[0] for names in WRITING["units"] for name in names.split()}
FACTORS = {"%": sympy.Rational(1, 100), "°": sympy.pi / 180}
POINTS = [sympy.Rational(x) for x in "17/5 29/23 -7/3 -31/11 5 12 2 3 -203/7 233/6".split()]


class Reading(namedtuple("Reading", "name value unit finished brackets", defaults=("", True, ""))):
    """What was understood: a name before an equals sign, the value behind it, its unit, and if nothing is to be done.

    The value is an expression, or a list of readings. Brackets are then "{}" for a set or a list of numbers, "<>" for a
    list of words or of several names, "||" if only one of these holds, and "()", "[]", "(]" or "[)" where order counts.
    A "=" before them, or alone, says that the name is none, but the left side of an equation.
    """

    def __repr__(self) -> str:
        """Write it for `explain_math`."""
        shown = str(self.value)[1:-1].join(self.brackets[-2:]) if len(self.brackets) > 1 else str(self.value)
        return f"{self.name} = " * bool(self.name) + shown + f" [{self.unit}]" * bool(self.unit)


def main() -> None:
    """Give up what no judge needs (Python's eval, files to write, children, time), and answer until the input ends."""
    # Here sympy runs text as Python. Now a number is made of its digits there, and nothing is run.
    sympy.parsing.sympy_parser.eval_expr = lambda code, *_: sympy.Rational(FORMS["run"].findall(code)[0])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the trainer, which ends this process itself
    with suppress(ImportError, ValueError, OSError):  # Windows has none of it, macOS refuses to limit memory
        import resource

        signal.signal(signal.SIGPROF, signal.default_int_handler)  # raises what sympy does not catch
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGPROF, signal.SIGVTALRM})
        for limit, value in ((resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_NPROC, 0), (resource.RLIMIT_AS, 2**31)):
            resource.setrlimit(limit, (value, value))
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(judge(*json.loads(line))), flush=True)


def judge(truth: str, answer: str) -> list:
    """Compare within two seconds of CPU time, which a busy machine does not change."""
    reward, shown, why = None, ["", ""], "the truth cannot be read as one value"
    try:
        if hasattr(signal, "setitimer"):  # one clock that raises and one that ends the process
            signal.setitimer(signal.ITIMER_PROF, 2.0)
            signal.setitimer(signal.ITIMER_VIRTUAL, 3.0)
        gold = read(tidy(truth))
        reward, shown[0], why = 0.0, str(gold), "the answer cannot be read as one value"
        value = read(FORMS["option"].sub(r"\1", tidy(answer)) if shown[0] in "ABCDEFGHIJ" else tidy(answer))
        shown[1], why = str(value), "the two cannot be compared"
        why = refusal(gold, value) or "equal"
        reward = float(why == "equal")
    except BaseException as error:  # whatever a parser may meet in a model's text, and the clock's interrupt
        why += ": it takes too long" * isinstance(error, KeyboardInterrupt)
    return [reward, why, *shown]


def tidy(text: str) -> str:
    """Write signs and words as LaTeX, and leave out what changes how an answer looks and not what it says."""
    text = re.sub("[⁰¹²³⁴-⁹⁻ⁿ]+", lambda found: f"^{{{normalize('NFKC', found[0])}}}", text)
    return rewrite(normalize("NFKC", text.translate(SIGNS)).strip(), RULES)


def rewrite(text: str, rules: list) -> str:
    """Apply rules of `writing.toml`, one after the other."""
    for pattern, replacement in rules:
        text = re.sub(pattern, replacement, text)
    return text


def split(text: str, at: str | re.Pattern) -> list[str]:
    """Cut where no bracket is open."""
    hidden = text
    for _ in range(20):  # what is nested deeper is no answer
        hidden = re.sub(r"[(\[{][^()\[\]{}]*[)\]}]", lambda found: "\0" * len(found[0]), hidden)
    ends = [0, *(end for cut in re.finditer(at, hidden) for end in cut.span()), len(text)]
    return [text[start:end].strip() for start, end in zip(ends[::2], ends[1::2], strict=True)]


@lru_cache(maxsize=512)  # a group repeats its truth
def read(text: str) -> Reading:
    """Read one answer that is tidy. ValueError: it is no answer, or not one."""
    if FORMS["word"].fullmatch(text) and number(split_unit(text)[0]) is None:  # equal if written the same
        return Reading("", sympy.Symbol(" ".join(FORMS["in words"].findall(text.lower())) + " "))
    if len(parts := split(text, FORMS["list"])) > 1:
        values = [*map(read, parts)]
        mixed = len({x.name for x in values} - {""}) > 1 or any(isinstance(x.value, sympy.Symbol) for x in values)
        return Reading("", values, brackets="{}" if not mixed else "||" if re.search(r"\bor\b|\\cup", text) else "<>")
    *steps, text = split(rewrite(text, WRITING["intervals"]), "=")
    if found := FORMS["brackets"].fullmatch(text):
        reading = Reading("", [*map(read, split(found[2], FORMS["list"]))], brackets=found[1] + found[3])
    else:
        reading = leaf(text)
    named = steps and FORMS["name"].fullmatch(steps[0]) and steps[0] not in re.findall(r"\w+", str(reading.value))
    name = steps.pop(0) if named else ""  # x = 2x + 3 is no name for 2x + 3
    if len(steps) == 1 and not named and (found or not same(read(steps[0]).value, reading.value)):
        return reading._replace(name=steps[0], brackets="=" + reading.brackets)
    if not all(same(read(step).value, reading.value) for step in steps):  # x = 5+6 = 11, but not x = 12 = 11
        raise ValueError("two candidates")
    return reading._replace(name=name)


def leaf(text: str) -> Reading:
    """Read a number or an expression with its unit, and whether it is a result, unlike 2*3."""
    text, unit = split_unit(text)
    if (value := number(text)) is not None:
        return Reading("", value, unit)
    text = rewrite(text, WRITING["expression"])
    value = latex2sympy(text, conversion_config=ConversionConfig(lowercase_symbols=False))
    value = value if value.has(sympy.Sum, sympy.Product) else value.xreplace({sympy.Symbol("i"): sympy.I})
    finished = not value.has(sympy.Derivative, sympy.Integral, sympy.Limit, sympy.Sum, sympy.Product)
    if value.is_number and finished:
        result = value.doit().expand(log=False)
        finished = not result.is_Rational and size(text) <= size(sympy.latex(result, inv_trig_style="full"))
    return Reading("", value, unit, finished)


def size(text: str) -> int:
    """Count what is written, so that 2*3, sqrt(2)+sqrt(2), i^3, sqrt(-4), sin(pi/3) are longer than their results."""
    return len(FORMS["piece"].findall(FORMS["noise"].sub("", text)))


def split_unit(text: str) -> tuple[str, str]:
    """Cut a known unit off, and give its name. Other words stay."""
    if not (found := FORMS["unit"].search(text)) or not text[: found.start()].strip('" '):
        return text, ""
    unit = FORMS["in units"].sub(lambda word: UNITS.get(word[0], UNITS.get(word[0].lower(), "?")), found[0])
    return (text, "") if "?" in unit else (text[: found.start()], re.sub(r'[\s"^{}]', "", unit))


def number(text: str) -> sympy.Rational | None:
    """Read a number that is written out: 5, 1/2, 2 1/2, 0.25, 1.5e3; 12/3 is still to be worked out."""
    if not (found := FORMS["number"].fullmatch(re.sub(r'["\s]+', " ", text).strip())):
        return None
    sign, decimal, whole, top, bottom = found.group("sign", "decimal", "whole", "top", "bottom")
    value = sympy.Rational(decimal) if decimal else sympy.Rational(int(top), int(bottom))
    if top and (value.is_Integer or whole and not 0 < value < 1):
        return None
    return (-1 if sign == "-" else 1) * (value + int(whole or 0))


def refusal(gold: Reading, value: Reading) -> str:
    """Say why the answer is not the truth, "" if it is."""
    if gold.unit != value.unit and (gold.unit and value.unit or value.unit.startswith("base")):
        return f"the unit is {value.unit} and not {gold.unit}"
    if gold.finished and not value.finished:
        return "the answer is still to be worked out"
    unsolved = gold.brackets == "=" or not gold.brackets and re.search("[+-]", gold.name)  # x + y = 5 is more than 5
    if unsolved or value.brackets == "=" or gold.name and value.name and gold.name != value.name:
        agree = (unsolved or not gold.value.is_number) and same(equation(gold), equation(value))
        return "" if agree else "the equations differ"
    if gold.brackets or value.brackets:
        agree = gold.brackets == value.brackets and match(gold.value, value.value, ordered=gold.brackets[-1] in ")]")
        return "" if agree else "the values differ"
    worth = [x.value * FACTORS[x.unit] if x.unit in FACTORS else x.value for x in (gold, value)]
    clear = gold.value.is_Rational and gold.value > 1  # then 50% is 0.5, and 50 too
    return "" if same(*worth) or clear and same(gold.value, value.value) else "the values differ"


def match(gold: list[Reading], value: list[Reading], ordered: bool) -> bool:
    """Whether lists agree: without an order, parts that are equal must be as many in the answer as in the truth."""
    rows = [[not refusal(x, y) for y in value] for x in gold] if len(gold) == len(value) else [[False]]
    return all(row[i] if ordered else rows.count(row) == sum(row) for i, row in enumerate(rows))


def equation(reading: Reading) -> sympy.Expr:
    """Give left minus right, as a multiple of what this is at a point."""
    difference = read(reading.name).value - reading.value
    return difference / difference.subs(dict(zip(sorted(difference.free_symbols, key=str), POINTS, strict=False)))


def same(gold: sympy.Basic, value: sympy.Basic) -> bool:
    """Whether two values are equal and of one kind; what equals a fraction is one. Points are real if there is no i."""
    if gold == value or gold.is_Relational or gold.is_number != value.is_number or gold.is_Rational > value.is_Rational:
        return gold == value
    points, symbols = 0, sorted(gold.free_symbols | value.free_symbols, key=str)
    for turn in range(len(POINTS) if symbols else 1):
        point = {symbol: POINTS[(turn + i) % len(POINTS)] + i // len(POINTS) for i, symbol in enumerate(symbols)}
        x, y = gold.subs(point), value.subs(point)
        defined = [z.is_finite and (z.is_real or gold.has(sympy.I)) for z in (x.evalf(15), y.evalf(15))]
        if defined[0] and not (defined[1] and near(x, y)):
            return False
        points += bool(defined[0] and x.evalf(15) != 0)
    return points > bool(symbols)


def near(x: sympy.Expr, y: sympy.Expr) -> bool:
    """Whether numbers are equal: as fractions, in 200 digits, or one rounded to 6 to 12 places and 6 digits or more."""
    error = abs((difference := (x - y).doit()).evalf(15, maxn=300))
    exact = error == 0 or not difference.is_Rational and error < 1e-200 * abs(x.evalf(15))
    decimals = [(z, sum(10**n % z.q > 0 for n in range(13))) for z in (x, y) if z.is_Rational]
    return bool(exact or any(5 < n < 13 and error * 10**n <= 0.5 and abs(z) * 10**n >= 10**5 for z, n in decimals))


if __name__ == "__main__":
    main()
