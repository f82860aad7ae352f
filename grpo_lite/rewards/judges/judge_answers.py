r"""The judge behind `math_reward`: mathematics that a model wrote, read and compared in a process of its own.

Run as a script by `grpo_lite.rewards.answers`. It reads lines [truth, answer] in JSON and prints a line for each: the
reward (1.0, 0.0, or null if the truth cannot be read), the rule that decided, and what was read as truth and as answer.
Two expressions are equal if they have the same values at points: what a simplification rounds away cannot make them
equal.
"""

import json
import logging
import re
import signal
import sys
from contextlib import suppress

import sympy
import sympy.physics.units  # sympy loads it late, when it may not run text any more
from math_verify import verify
from read_answers import Reading, is_name, places, read, tidy  # its neighbour: a script finds what lies beside it
from sympy.core.relational import Relational
from sympy.parsing import sympy_parser

CPU_SECONDS = 2.0  # for one answer; CPU time, so that a busy machine does not change a reward
MEMORY = 2 * 1024**3
FACTORS = {"%": sympy.Rational(1, 100), "°": sympy.pi / 180}
ORDERED = (sympy.Tuple, sympy.Interval, sympy.MatrixBase)
UNORDERED = (sympy.FiniteSet, sympy.Union, sympy.And, sympy.Or)
BASE = re.compile(r"\d\s*_\s*\{?\s*(\w+)")
POINTS = [sympy.Rational(x) for x in "17/5 29/23 -7/3 -31/11 5 12 2 3 -203/7 233/6".split()]
SAFE = re.compile(r"(?:Integer|Float) \('?[0-9.eE+-]+'? \)(?:/Integer \([0-9]+ \))?")  # as sympy writes 5, 0.5, 3/2
RUN = sympy_parser.eval_expr


class TooLong(BaseException):
    """An answer has used up its time. Not an Exception: sympy catches those and goes on."""


def main() -> None:
    """Answer standard input until it ends."""
    give_up_what_no_judge_needs()
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(judge(*json.loads(line))), flush=True)


def give_up_what_no_judge_needs() -> None:
    """Limit memory, files to write, children and time, and take Python's eval away from sympy."""
    sympy_parser.eval_expr = only_numbers
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the trainer, which ends this process itself
    with suppress(ImportError):  # Windows has none of it: there the one who asks watches the clock
        import resource

        signal.signal(signal.SIGPROF, stop)
        signal.signal(signal.SIGVTALRM, signal.SIG_DFL)  # ends the process, also in the middle of a huge power
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGPROF, signal.SIGVTALRM})
        for limit, value in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_NPROC, 0)):
            with suppress(ValueError, OSError):  # macOS refuses some
                resource.setrlimit(limit, (value, value))


def stop(*_) -> None:
    """Handle the signal that time is up."""
    raise TooLong


def only_numbers(code: str, *names):
    """Stand in for the one place where sympy runs text as Python: it makes numbers there, and nothing else."""
    if not SAFE.fullmatch(code):
        raise ValueError("text is not run")
    return RUN(code, *names)


def set_clock(seconds: float) -> None:
    """Start the two clocks of CPU time, one that raises and one that ends the process; 0 stops them."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds and seconds + 1)


def judge(truth: str, answer: str) -> list:
    """Compare within the time limit."""
    reward, whose, shown = None, "truth", ["", ""]
    try:
        set_clock(CPU_SECONDS)
        gold = read(truth)
        reward, whose, shown[0] = 0.0, "answer", str(gold)
        value = read(in_light_of(truth, answer))
        shown[1] = str(value)
        why = refusal(gold, value)
        if (base := BASE.findall(answer)) and base != BASE.findall(truth):
            why = "the answer is written to another base"
        reward = 0.0 if why else 1.0
    except TooLong:
        why = f"the {whose} takes too long to read or to compare"
    except Exception:  # whatever a parser may meet in a model's text
        why = f"the {whose} cannot be read as one value" if not shown[1] else "the two cannot be compared"
    set_clock(0)
    return [reward, why or "equal", *shown]


def in_light_of(truth: str, answer: str) -> str:
    """Read (B) 12 as B if the truth is an option."""
    gold, text = tidy(truth).replace('"', "").strip("() "), tidy(answer).replace('"', "")
    option = re.fullmatch(r"(?:[Oo]ption |[Cc]hoice )?\(?([A-J])\s*(?:[).:](.*)|\))?", text, re.DOTALL)
    if re.fullmatch("[A-J]", gold) and option and not re.search(r"\b[A-J]\b|\b[a-j]\)", option[2] or ""):
        return option[1]
    return answer


def refusal(gold: Reading, value: Reading) -> str:
    """Say why the answer is not the truth, "" if it is."""
    if gold.unit and value.unit and gold.unit != value.unit:
        return f"the unit is {value.unit} and not {gold.unit}"
    if gold.finished and not value.finished:
        return "the answer is still to be worked out"
    if gold.names and not value.names and (not is_name(gold.names[0]) or re.search(r"[-+*/]", gold.names[0])):
        return "the truth is an equation, the answer is none"
    if gold.names and value.names:
        left, other = read(gold.names[0]).value, read(value.names[0]).value
        if left.is_Symbol and gold.value.is_number and left not in (other, value.value):
            return "the truth is solved, the answer is not"
        if not same(left, other):
            return "" if proportional(left - gold.value, other - value.value) else "the equations differ"
    for place, name in enumerate(value.names):  # x = 5+6 = 11 and 5+6 = 11, but not 2x = 11 nor x = 12 = 11
        if not (is_name(name) or place == 0 and gold.names):
            step = read(name).value
            if not (same(step, value.value) or place and step.free_symbols):
                return "what stands before the equals sign is no name, and not equal"
    pairs, unit = [(gold.value, value.value)], gold.unit or value.unit
    if gold.unit != value.unit and unit in FACTORS:  # 50% is 0.5; it is 50 as well, where there is no confusion
        factors = [FACTORS[unit] if reading.unit else 1 for reading in (gold, value)]
        bare = gold.value > 1 if unit == "%" else not gold.value.has(sympy.pi)
        pairs = pairs * bool(bare) + [(gold.value * factors[0], value.value * factors[1])]
    return "" if any(same(*pair) for pair in pairs) else "the values differ"


def same(gold: sympy.Basic, value: sympy.Basic) -> bool:
    """Whether two values are equal and of one kind: (1, 2) is not {1, 2}, and x = 1 not y = 1."""
    alone = (
        isinstance(x, sympy.FiniteSet) and len(x) == 1 and not isinstance(x.args[0], sympy.Set) for x in (gold, value)
    )
    gold, value = (x.args[0] if single else x for x, single in zip((gold, value), alone, strict=True))  # {5} is 5
    if isinstance(gold, sympy.Eq) != isinstance(value, sympy.Eq):  # x = 1 is 1
        gold, value = (x.rhs if isinstance(x, sympy.Eq) and x.lhs.is_Symbol else x for x in (gold, value))

    def both(*kinds) -> bool:
        return isinstance(gold, kinds) and isinstance(value, kinds)

    if gold == value:
        return True
    if both(Relational):
        gold, value = (x.reversed if isinstance(x, (sympy.Gt, sympy.Ge)) else x for x in (gold, value))
        signed = isinstance(gold, (sympy.Lt, sympy.Le))
        return type(gold) is type(value) and proportional(gold.lhs - gold.rhs, value.lhs - value.rhs, signed)
    if any(both(kind) for kind in UNORDERED) and in_any_order(gold.args, value.args):
        return True
    if both(sympy.And, sympy.Or) and gold.free_symbols != value.free_symbols:
        return False
    gold, value = (region(x) if isinstance(x, (Relational, sympy.And, sympy.Or)) else x for x in (gold, value))
    if both(*ORDERED):
        mine, theirs = entries(gold, value), entries(value, gold)
        return len(mine) == len(theirs) and all(map(same, mine, theirs))
    if both(sympy.Set):
        return not both(sympy.FiniteSet, sympy.Interval) and verify(gold, value, timeout_seconds=None)
    if both(sympy.Expr) and gold.is_number and value.is_number:
        return rounds(value, gold) if gold.is_Rational and not value.is_Rational else same_number(gold, value)
    return both(sympy.Expr) and gold.is_number == value.is_number and agree(gold, value)


def in_any_order(gold: tuple, value: tuple) -> bool:
    """Whether each has its match. Where x and y are asked for, an answer must name them."""
    rest = list(value)
    if len({x.lhs.name[0] for x in gold if isinstance(x, sympy.Eq) and x.lhs.is_Symbol}) > 1:
        rest = [x for x in rest if isinstance(x, sympy.Eq)]
    for x in gold:
        match = next((y for y in rest if same(x, y)), None)
        if match is None:
            return False
        rest.remove(match)
    return len(gold) == len(value)


def region(value: sympy.Basic) -> sympy.Set | None:
    """Turn solved inequalities of one symbol into a set; x < 1, x > 2 can only mean one or the other."""
    solved = all(
        {x.lhs.is_Symbol, x.rhs.is_Symbol} == {x.lhs.is_number, x.rhs.is_number} for x in value.atoms(Relational)
    )
    if not solved or len(value.free_symbols) != 1 or isinstance(value, sympy.Eq):
        return None
    found = value.as_set()
    return sympy.Union(*(x.as_set() for x in value.args)) if found is sympy.S.EmptySet else found


def entries(value: sympy.Basic, other: sympy.Basic) -> list:
    """List what is compared in order. A column of numbers is compared with a tuple, which may look like an interval."""
    if isinstance(value, sympy.MatrixBase):
        return [*value.flat(), *([] if 1 in value.shape and not isinstance(other, sympy.MatrixBase) else value.shape)]
    if isinstance(value, sympy.Interval):
        bounds = [value.left_open, value.right_open]
        return [value.start, value.end, *(bounds if isinstance(other, sympy.Interval) or not all(bounds) else [])]
    return list(value.args)


def pairs_of_values(gold: sympy.Expr, value: sympy.Expr) -> list[tuple]:
    """Put numbers in for the symbols, and keep the points where both are numbers, real if no i is written."""
    symbols, pairs = sorted(gold.free_symbols | value.free_symbols, key=str), []
    for turn in range(len(POINTS)):
        point = {symbol: POINTS[(turn + i) % len(POINTS)] + i // len(POINTS) for i, symbol in enumerate(symbols)}
        pair = gold.subs(point), value.subs(point)
        sizes = [x.evalf(15) for x in pair]
        if all(x.is_finite and (x.is_real or gold.has(sympy.I) or value.has(sympy.I)) for x in sizes):
            pairs.append(pair)
    return pairs


def agree(gold: sympy.Expr, value: sympy.Expr) -> bool:
    """Whether two expressions have the same values."""
    pairs = pairs_of_values(gold, value)
    return len(pairs) > 1 and all(same_number(*pair) for pair in pairs)


def proportional(gold: sympy.Expr, value: sympy.Expr, signed: bool = False) -> bool:
    """Whether one is a multiple of the other, a positive one if the sign counts."""
    pairs = pairs_of_values(gold, value)
    if any((x == 0) != (y == 0) and abs((x - y).evalf(15)) > 1e-9 for x, y in pairs):
        return False
    ratios = [x / y for x, y in pairs if x != 0 and y != 0]
    return len(ratios) > 1 and all(same_number(ratios[0], x) for x in ratios) and not (signed and ratios[0] < 0)


def same_number(gold: sympy.Expr, value: sympy.Expr) -> bool:
    """Whether two numbers are equal, or one of them is the other rounded."""
    if gold.is_infinite or value.is_infinite:
        return gold.doit() == value.doit()
    if gold == value or rounds(gold, value) or rounds(value, gold):
        return True
    difference = (gold - value).doit()
    return bool(abs(difference.evalf(15, maxn=300)) <= (0 if difference.is_Rational else 1e-200 * abs(gold.evalf(15))))


def rounds(exactly: sympy.Expr, decimal: sympy.Expr) -> bool:
    """Whether a decimal has six places and six digits at least, and is the other number rounded to them."""
    digits = places(decimal) if decimal.is_Rational else 0
    error = abs((exactly - decimal).evalf(15, maxn=300)) * 10**digits if 6 <= digits <= 40 else sympy.oo
    return bool(error <= sympy.Rational(1, 2) and abs(decimal) * 10**digits >= 10**5)


if __name__ == "__main__":
    main()
