r"""The judge behind `math_reward`: mathematics that a model wrote, read and compared in a process of its own.

Run as a script by `grpo_lite.rewards.answers`. It reads lines [truth, answer] in JSON and prints a line {"reward": ...}
for each: 1.0, 0.0, or null if the truth is not mathematics. math-verify does the mathematics; what is added here are
the cases in which it calls two answers equal that are not.
"""

import json
import logging
import math
import re
import resource
import signal
import sys
from contextlib import suppress
from functools import lru_cache

import sympy
import sympy.physics.units  # simplify loads it late, when Python's eval is gone
from latex2sympy2_extended.latex2sympy2 import NormalizationConfig, _Latex2Sympy, normalize_latex
from math_verify import verify
from math_verify.grader import (
    is_equation,
    is_relation,
    should_treat_as_complex,
    take_first_relation,
    take_last_relation,
)
from sympy.core.function import AppliedUndef
from sympy.parsing import sympy_parser

CPU_SECONDS = 2.0  # for one answer; CPU time, so that a busy machine does not change a reward
MEMORY = 2 * 1024**3

# Units and mixed numbers are read below: math-verify drops the t of 5t as a unit, and reads 7 8 as 7 + 8.
NORMALIZATION = NormalizationConfig(basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none")

FUNCTIONS = {"sqrt", "sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "log", "ln", "exp", "pi"}
LEFT_ALONE = {"and", "or", "inf", "infinity", "percent", "percentage", "pct"}
WORD = re.compile(r"\\[A-Za-z]+(?:\s*\{[A-Za-z ./]*\})?|(?<![A-Za-z])(?:[A-Za-z]{3,}|cm|mm|km|kg|mg|ml|ft|lb|ln|pi|no)")
MIXED = re.compile(r"(?<![\d.,^])(\d+)\s*(?:\\[dt]?frac\s*\{(\d+)\}\s*\{(\d+)\}|\s(\d+)/(\d+))")
UNIT = re.compile(
    r"(?<=[\d}])((?:[\s~]|\\,|\\ )*(?:\\(?:text|mathrm|mbox)\s*\{(?![^}]*\b(?:or|and|not)\b)[A-Za-z ./]*\}\s*)+)"
    r"(?:\^\s*\{?(\d)\}?)?$"
)
BASE = re.compile(r"\d\s*_\s*\{?\s*(\w+)")
NUMBER = re.compile(r"(?:Integer|Float) \('?[0-9.eE+-]+'? \)")  # as sympy writes 5 and 0.5 before it runs them
run_python = sympy_parser.eval_expr
FRACTION = re.compile(r"(?:\\[dt]?frac\s*\{\s*)?(\d+)(?:\s*[/:÷]\s*|\s*\\div\s*|\s*\}\s*\{\s*)(\d+)")


class TooLong(BaseException):
    """An answer has used up its time. Not an Exception: sympy catches those and goes on."""


def main() -> None:
    """Answer standard input until it ends."""
    give_up_what_no_judge_needs()
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps({"reward": judge(*json.loads(line))}), flush=True)


def give_up_what_no_judge_needs() -> None:
    """Limit memory, files to write, children and time, and take Python's eval away from sympy."""
    signal.signal(signal.SIGPROF, stop)
    signal.signal(signal.SIGVTALRM, signal.SIG_DFL)  # ends the process, also in the middle of a huge power
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the trainer, which ends this process itself
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGPROF, signal.SIGVTALRM})
    for limit, value in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_NPROC, 0)):
        with suppress(ValueError, OSError):  # macOS refuses some
            resource.setrlimit(limit, (value, value))
    sympy_parser.eval_expr = only_numbers
    logging.disable(logging.CRITICAL)


def stop(*_) -> None:
    """Handle the signal that time is up."""
    raise TooLong


def only_numbers(code: str, *names):
    """Stand in for the one place where sympy runs text as Python: it makes numbers there, and nothing else."""
    if not NUMBER.fullmatch(code):
        raise ValueError("text is not run")
    return run_python(code, *names)


def judge(truth: str, answer: str) -> float | None:
    """Compare within the time limit: 1.0, 0.0, or None if the truth cannot be read."""
    gold = None
    try:
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS + 1)
        gold = read(truth)
        return None if gold is None else float(is_right(truth, answer))
    except (Exception, TooLong):
        return None if gold is None else 0.0
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


class Reader(_Latex2Sympy):
    """The parser of math-verify, which reads 7 8 as 7 + 8."""

    def convert_postfix_list(self, arr, i=0):
        """Multiply what stands side by side, if it is not two numbers."""
        first = super().convert_postfix_list(arr[i : i + 1])
        if i == len(arr) - 1:
            return first
        rest = self.convert_postfix_list(arr, i + 1)
        if isinstance(first, sympy.Number) and isinstance(rest, sympy.Number):
            raise ValueError("two numbers side by side may be one, a sum or a product")
        matrices = isinstance(first, sympy.MatrixBase) or isinstance(rest, sympy.MatrixBase)
        return self.mat_mul_flat(first, rest) if matrices else self.mul_flat(first, rest)


@lru_cache(maxsize=512)  # a group repeats its truth
def read(text: str) -> sympy.Basic | None:
    """Parse one answer, LaTeX or plain, as it is written: 12*13 stays a product."""
    text = normalize_latex(UNIT.sub("", as_latex(text)), NORMALIZATION)
    text = MIXED.sub(lambda m: mixed(*(int(group) for group in m.groups() if group)), text)
    text = re.sub(r"(?<=\d)i\b", " i", text)  # 3i as 3 times the imaginary unit
    try:
        value = Reader(is_real=not should_treat_as_complex(text)).parse(text)
        return None if value.has(sympy.nan, sympy.zoo) else value
    except Exception:  # whatever a parser may meet in a model's text
        return None


def is_right(truth: str, answer: str) -> bool:
    """Whether the answer is a finished one, of the kind of the truth, and equal to it."""
    gold, value = read(truth), read(answer)
    if value is None or not same_unit(truth, answer) or not comparable(gold, value):
        return False
    if is_unfinished(answer, value) and not is_unfinished(truth, gold):
        return False
    if isinstance(gold, sympy.Eq) and isinstance(value, sympy.Eq):
        gold, value = with_complex_symbols(gold), with_complex_symbols(value)
    places = decimal_places(gold, value)
    return verify(gold, value, float_rounding=places, numeric_precision=100, timeout_seconds=None)


def as_latex(text: str) -> str:
    """Turn plain words and signs into LaTeX; letters of a word would be a product, and blue would equal lube."""
    text = text.strip().strip("$*").rstrip(".").replace("°", r"^\circ").replace("–", "-").replace("**", "^")
    text = re.sub(r"(?<=\d)\\,(?=\d{3}(?!\d))", "", text)  # 1\,000 is a thousand
    text = re.sub(r"\\(?:text|math)[a-z]*\s*\{([^{}A-Za-z]*)\}", r"\1", text)  # a number in bold
    text = re.sub(r"\\?sqrt\s*\(([^()]*)\)", r"\\sqrt{\1}", text)
    return WORD.sub(lambda m: word(m[0]), text)


def word(text: str) -> str:
    """Mark a word as one, a function as a function."""
    if text.startswith("\\") or text.lower() in LEFT_ALONE:
        return text
    return f"\\{text} " if text in FUNCTIONS else rf"\text{{{text}}}"


def mixed(whole: int, top: int, bottom: int) -> str:
    """Write a mixed number as one fraction."""
    return rf"\frac{{{whole * bottom + top}}}{{{bottom}}}"


def same_unit(truth: str, answer: str) -> bool:
    """A unit may be left out; two different ones, or another base of numbers, are not the same."""
    units = {unit(truth), unit(answer)} - {""}
    return len(units) < 2 and BASE.findall(truth) == BASE.findall(answer)


def unit(text: str) -> str:
    """Return the unit behind an answer, "" if there is none."""
    found = UNIT.search(as_latex(text))
    if not found:
        return ""
    words = re.findall(r"\{([^}]*)\}", found[1])
    return "".join(words).replace(" ", "").lower().rstrip("s") + (found[2] or "")


def comparable(gold: sympy.Basic, value: sympy.Basic) -> bool:
    """A number wants a number, an equation must name it (x = 5, not 2x = 5), and (1, 2) is not {1, 2}."""
    if is_relation(value) and not is_relation(gold):
        if not is_equation(value) or not isinstance(take_first_relation(value).lhs, (sympy.Symbol, AppliedUndef)):
            return False
        value = take_last_relation(value).rhs
    if is_numeral(gold):
        return is_numeral(value)
    ordered = [isinstance(x, (sympy.Interval, sympy.Tuple)) for x in (gold, value)]
    braces = [isinstance(x, sympy.FiniteSet) for x in (gold, value)]
    return not (ordered[0] and braces[1] or braces[0] and ordered[1])


def is_unfinished(text: str, value: sympy.Basic) -> bool:
    """Whether a part is still to be worked out: 12*13, 312/2, sqrt(4), but not 1/2, sqrt(3), 5%, 3*10^8."""
    whole = [int(bottom) > 0 and int(top) % int(bottom) == 0 for top, bottom in FRACTION.findall(text)]
    if any(whole) or r"\binom" in text:  # the parser has worked these out already
        return True
    nodes = sympy.preorder_traversal(value)
    for node in nodes:
        if is_numeral(node):
            nodes.skip()
        elif isinstance(node, sympy.Expr) and node.is_number and isinstance(node.doit(), sympy.Number):
            return True
        elif isinstance(node, (sympy.Add, sympy.Mul)):
            signs = [-1] if node.is_Mul else []  # -2x is -1 times 2 times x
            if sum(isinstance(arg, sympy.Number) and arg not in signs for arg in node.args) > 1:
                return True
    return False


def is_numeral(node: sympy.Basic) -> bool:
    """Whether this is a plain number, with a percent sign or a power of ten at most."""
    if isinstance(node, sympy.Mul) and len(node.args) == 2:
        first, second = node.args
        power_of_ten = isinstance(second, sympy.Pow) and second.base == 10 and isinstance(second.exp, sympy.Integer)
        return isinstance(first, sympy.Number) and (isinstance(second, sympy.UnevaluatedExpr) or power_of_ten)
    return isinstance(node, sympy.Number)


def with_complex_symbols(equation: sympy.Eq) -> sympy.Basic:
    """Let every equation have its solutions: without any, x^2 + 1 = 0 and x^2 + 2 = 0 would have the same."""
    return equation.xreplace({symbol: sympy.Symbol(symbol.name) for symbol in equation.free_symbols})


def decimal_places(*values: sympy.Basic) -> int:
    """Six significant digits of the smallest number, and never fewer than six places: 1e-7 is not 0."""
    nodes = [node for value in values for node in sympy.preorder_traversal(value)]
    sizes = [abs(node.evalf(15)) for node in nodes if isinstance(node, sympy.Expr) and node.is_number]
    logs = [sympy.log(size, 10).evalf(5) for size in sizes if size.is_finite and size != 0]
    return max([6] + [5 - math.floor(x) for x in logs if x.is_finite])


if __name__ == "__main__":
    main()
