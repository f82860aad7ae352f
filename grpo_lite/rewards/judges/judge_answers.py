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
from read_answers import Reading, is_name, read, tidy  # its neighbour: a script finds what lies beside it
from sympy.parsing import sympy_parser

CPU_SECONDS = 2.0  # for one answer; CPU time, so that a busy machine does not change a reward
MEMORY = 2 * 1024**3
FACTORS = {"%": sympy.Rational(1, 100), "°": sympy.pi / 180}
NOT = r"\s*[+*/^=<>,]|.*(?:\b(?:[A-J]|(?i:or|and|not|no|wrong|incorrect|false))\b|[a-j]\)|\.\.)"
OPTION = re.compile(rf'"?(?:[Oo]ption |[Cc]hoice )?\(?([A-J])"?[).:]?"?\.?(?:(?<=[").:])\s(?!{NOT}).*)?', re.DOTALL)
POINTS = [sympy.Rational(x) for x in "17/5 29/23 -7/3 -31/11 5 12 2 3 -203/7 233/6".split()]
SAFE = re.compile(r"(?:Integer|Float) \('?[0-9.eE+-]+'? \)(?:/Integer \([0-9]+ \))?")  # as sympy writes 5, 0.5, 3/2
RUN = sympy_parser.eval_expr


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

        signal.signal(signal.SIGPROF, signal.default_int_handler)  # raises what sympy does not catch
        signal.signal(signal.SIGVTALRM, signal.SIG_DFL)  # ends the process, also in the middle of a huge power
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGPROF, signal.SIGVTALRM})
        for limit, value in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_NPROC, 0)):
            with suppress(ValueError, OSError):  # macOS refuses some
                resource.setrlimit(limit, (value, value))


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
        truth, answer = tidy(truth), tidy(answer)
        gold = read(truth)
        reward, whose, shown[0] = 0.0, "answer", str(gold)
        option = OPTION.fullmatch(answer) if re.fullmatch(r'[("]*[A-J][)".]*', truth) else None
        value = read(option[1] if option else answer)
        shown[1] = str(value)
        why = refusal(gold, value)
        reward = 0.0 if why else 1.0
    except KeyboardInterrupt:  # the clock's
        why = f"the {whose} takes too long to read or to compare"
    except Exception:  # whatever a parser may meet in a model's text
        why = f"the {whose} cannot be read as one value" if not shown[1] else "the two cannot be compared"
    set_clock(0)
    return [reward, why or "equal", *shown]


def refusal(gold: Reading, value: Reading) -> str:
    """Say why the answer is not the truth, "" if it is."""
    if gold.unit != value.unit and (gold.unit and value.unit or value.unit.startswith("base")):
        return f"the unit is {value.unit} and not {gold.unit}"
    if gold.finished and not value.finished:
        return "the answer is still to be worked out"
    named = bool(gold.names) and is_name(gold.names[0]) and not re.search(r"[-+*/]", gold.names[0])
    if gold.names and not value.names and not named:
        return "the truth is an equation, the answer is none"
    if gold.names and value.names and gold.names[0] != value.names[0]:
        solved = gold.brackets or value.brackets or named and gold.value.is_number
        factor = None if solved else ratio(*(read(x.names[0]).value - x.value for x in (gold, value)))
        return "the equations differ" if factor is None else ""
    for place, step in enumerate(value.names):  # x = 5+6 = 11 and 5+6 = 11, but not 2x = 11 nor x = 12 = 11
        new = is_name(step) and step not in re.findall(r"\w+", str(value.value))  # x = 2x + 3 is no name for 2x + 3
        if not (new or place == 0 and gold.names):
            worked = read(step).value
            if not (same(worked, value.value) or place and worked.free_symbols):
                return "what stands before the equals sign is no name, and not equal"
    if gold.brackets or value.brackets:
        return "" if match(gold, value) else "the values differ"
    pairs = [(gold.value, value.value)]
    if gold.unit != value.unit and (gold.unit or value.unit) in FACTORS:  # 50% is 0.5, and 50 where this is clear
        clear = gold.value.is_Rational and gold.value > 1
        scaled = [x.value * FACTORS.get(x.unit, 1) for x in (gold, value)]
        pairs = pairs * bool(clear) + [(scaled[0], scaled[1])]
    return "" if any(same(*pair) for pair in pairs) else "the values differ"


def match(gold: Reading, value: Reading) -> bool:
    """Whether lists agree: in any order in {}, in the order written if only one of them says which is x and which y."""
    said = {gold.brackets, value.brackets}
    if len(said) > 1 and said != {"{}", "{or}"} or len(gold.value) != len(value.value):
        return False
    several = [len({part.names[0] for part in x.value if part.names}) > 1 for x in (gold, value)]
    if len(said) > 1 and (any(several) or any(isinstance(part.value, sympy.Symbol) for part in gold.value)):
        return False  # 1 or 2 is {1, 2}, but A or C is not A and C
    if gold.brackets[0] != "{" or several[0] != several[1]:
        return not any(map(refusal, gold.value, value.value))
    rest = list(value.value)
    for part in gold.value:
        found = [other for other in rest if not refusal(part, other)]
        if not found:
            return False
        rest.remove(found[0])
    return True


def same(gold: sympy.Basic, value: sympy.Basic) -> bool:
    """Whether two values are equal and of one kind."""
    if not all(isinstance(x, sympy.Expr) for x in (gold, value)) or gold.is_number != value.is_number or gold == value:
        return gold == value
    if gold.is_number:
        return rounds(value, gold) if gold.is_Rational and not value.is_Rational else same_number(gold, value)
    factor = ratio(gold, value)
    return factor is not None and same_number(factor, sympy.S.One)


def ratio(gold: sympy.Expr, value: sympy.Expr) -> sympy.Expr | None:
    """Divide one by the other, None if this is not the same at all points. Points are real if no i is written."""
    symbols, ratios = sorted(gold.free_symbols | value.free_symbols, key=str), []
    for turn in range(len(POINTS)):
        point = {symbol: POINTS[(turn + i) % len(POINTS)] + i // len(POINTS) for i, symbol in enumerate(symbols)}
        x, y = gold.subs(point), value.subs(point)
        real = [z.is_finite and (z.is_real or gold.has(sympy.I)) for z in (x.evalf(15), y.evalf(15))]
        if real == [True, False] or all(real) and (x == 0) != (y == 0):
            return None
        if all(real) and x != 0 and y != 0:
            ratios.append(x / y)
    return ratios[0] if len(ratios) > 1 and all(same_number(ratios[0], x) for x in ratios) else None


def same_number(gold: sympy.Expr, value: sympy.Expr) -> bool:
    """Whether two numbers are equal, or one of them is the other rounded."""
    if gold.is_infinite or value.is_infinite or gold == value:
        return gold.doit() == value.doit()
    difference = (gold - value).doit()
    near = abs(difference.evalf(15, maxn=300)) <= (0 if difference.is_Rational else 1e-200 * abs(gold.evalf(15)))
    return bool(near) or rounds(gold, value) or rounds(value, gold)


def rounds(exactly: sympy.Expr, decimal: sympy.Expr) -> bool:
    """Whether a decimal of six to twelve places, and six digits at least, is the other number rounded to them."""
    places = next((n for n in range(13) if decimal.is_Rational and (decimal * 10**n).is_Integer), 0)
    error = abs((exactly - decimal).evalf(15, maxn=300)) * 10**places if places >= 6 else sympy.oo
    return bool(error <= sympy.Rational(1, 2) and abs(decimal) * 10**places >= 10**5)


if __name__ == "__main__":
    main()
