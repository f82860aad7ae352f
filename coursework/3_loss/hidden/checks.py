"""The hidden checks of assignment 3, and its oracle: loops, and slopes by small differences."""

import itertools
import math
import re
import tomllib
from pathlib import Path

import torch

from check import agree, call, compare, load, require, show, worth

HERE = Path(__file__).resolve().parent
public = load((HERE.parent if HERE.name == "hidden" else HERE) / "checks.py", "public")
LOW, HIGH = 0.2, 0.2


# The oracle.


def ratio_of(differences: list[float], level: str) -> list[float]:
    """Return the ratios of a completion's counted tokens, from the differences of their log-probs."""
    if level == "token":
        return [math.exp(d) for d in differences]
    if level == "completion":
        return [math.exp(sum(differences) / len(differences)) for _ in differences]
    return [math.exp(sum(differences[: t + 1]) / (t + 1)) for t in range(len(differences))]


def bounds(low: float, high: float, clip: str) -> tuple[float, float]:
    """Return the smallest ratio and the largest."""
    return {
        "band": (1 - low, 1 + high), "inverse": (1 / (1 + low), 1 + high), "log": (math.exp(-low), math.exp(high)),
        "none": (0.0, math.inf),
    }[clip]  # fmt: skip


def objective(ratio: float, advantage: float, low: float, high: float, clip: str, how: str = "min") -> float:
    """Return what a token adds: the worse of two; `how` names what is done by mistake."""
    lowest, highest = bounds(low, high, clip)
    bounded = min(max(ratio, lowest), highest)
    two = ratio * advantage, bounded * advantage
    if how == "clip":
        return two[1]
    return max(two) if how == "max" and advantage < 0 else min(two)


def is_silent(ratio: float, advantage: float, low: float, high: float, clip: str) -> bool:
    """Whether the clip has switched the gradient of a token off."""
    lowest, highest = bounds(low, high, clip)
    return (ratio > highest and advantage > 0) or (ratio < lowest and advantage < 0)


def rows_of(logps, old_logps, mask) -> list[list[float]]:
    """Return the differences of the counted tokens, a list a completion."""
    return [[a - b for a, b, m in zip(*row, strict=True) if m] for row in zip(logps, old_logps, mask, strict=True)]


def loss_of(logps, old_logps, advantages, mask, low, high, choices, how="min") -> tuple[float, float]:
    """Return the loss and the clipped share, one token after the other."""
    clip, sums, silent, tokens = choices["clip"], [], 0, 0
    for differences, advantage in zip(rows_of(logps, old_logps, mask), advantages, strict=True):
        ratios = ratio_of(differences, choices["level"]) if differences else []
        sums.append((sum(objective(r, advantage, low, high, clip, how) for r in ratios), len(ratios)))
        silent += sum(is_silent(r, advantage, low, high, clip) for r in ratios)
        tokens += len(ratios)
    if not tokens:
        return 0.0, 0.0
    spoken = [(s, n) for s, n in sums if n]
    mean = {
        "sqrt": sum(s / math.sqrt(n) for s, n in spoken) / len(sums),
        "spoken": sum(s / n for s, n in spoken) / len(spoken),
        "longest": sum(s / max(n for _, n in sums) for s, _ in spoken) / len(sums),
        "mean": sum(s / n for s, n in spoken) / len(sums),
        "tokens": sum(s for s, _ in sums) / tokens,
        "places": sum(s for s, _ in sums) / (len(sums) * len(mask[0])),
    }[choices["average"]]
    return -mean, silent / tokens


# Examples.

SOME = {
    "logps": [[-1.0, -1.5, -0.5], [-1.0, -2.0, -3.0]],
    "old_logps": [[-1.1, -1.8, -0.4], [-1.3, -1.9, -1.0]],
    "mask": [[True, True, True], [True, True, False]],
}
AVERAGES = {
    "mean": "it is the mean over each completion, then over all of them",
    "tokens": "it is the mean over all tokens alike",
    "places": "padding is counted as tokens",
}


def spread(ratios: list[list[float]], mask: list[list[bool]]) -> list[list[float]]:
    """Put the ratios of counted tokens where they belong, and 1 elsewhere."""
    left = [iter(row) for row in ratios]
    return [[next(left[i]) if m else 1.0 for m in row] for i, row in enumerate(mask)]


def ratio_example(given: dict) -> dict:
    """Return the example of 3a."""
    rows = rows_of(*SOME.values())

    def ratios(level: str) -> list[list[float]]:
        return spread([ratio_of(row, level) for row in rows], SOME["mask"])

    asked = given["choices"]["level"]
    others = [
        (f"this is another ratio ({x})", ratios(name)) for name, x in given["options"]["level"].items() if name != asked
    ]
    upside = [[1 / r for r in row] for row in ratios(asked)]
    others.append(("the ratio is upside down: it is now over then", upside))
    zeros = [[r if m else 0.0 for r, m in zip(*x, strict=True)] for x in zip(ratios(asked), SOME["mask"], strict=True)]
    others.append(("where the mask is False the ratio is 1, not 0", zeros))
    straight = [[1 + math.log(r) for r in row] for row in ratios(asked)]
    others.append(("the difference of log-probs is the logarithm of a ratio: exp is missing", straight))
    return SOME | {"want": ratios(asked), "mistakes": others}


def cases(given: dict) -> list[dict]:
    """Return the six cases of 3b, with bounds that differ."""
    out, clip = [], given["choices"]["clip"]
    low, high, h = 0.3, 0.5, 1e-6
    for advantage, ratio in itertools.product((1.0, -1.0), (0.5, 1.0, 2.0)):

        def both(clip, how, low=low, high=high, advantage=advantage, ratio=ratio):
            up, down = (objective(ratio + step, advantage, low, high, clip, how) for step in (h, -h))
            return objective(ratio, advantage, low, high, clip, how), (up - down) / (2 * h)

        value, slope = both(clip, "min")
        mistakes = [
            (
                "for a bad completion the larger of the two is taken, and the clip guards the wrong side",
                both(clip, "max"),
            )
        ]
        mistakes += [
            ("the bounded ratio is taken always, without the minimum: the way back is closed too", both(clip, "clip"))
        ]
        mistakes += [
            ("nothing is clipped", both("none", "min")),
            ("low and high are mixed up", both(clip, "min", high, low)),
        ]
        mistakes += [
            (f"the bounds are others ({x})", both(name, "min")) for name, x in given["options"]["clip"].items()
        ]
        case = {
            "advantage": advantage,
            "ratio": ratio,
            "low": low,
            "high": high,
            "value": value,
            "slope": round(slope, 6),
        }
        case["values"] = [(text, [[wrong]]) for text, (wrong, _) in mistakes]
        case["slopes"] = [(text, [[wrong]]) for text, (_, wrong) in mistakes]
        out.append(case)
    return out


def loss_example(given: dict) -> dict:
    """Return the example of 3c, and what other averages and other conventions make of it."""
    choices, advantages = given["choices"], [1.0, -1.0]

    def loss(how="min", **others) -> float:
        return loss_of(*list(SOME.values())[:2], advantages, SOME["mask"], LOW, HIGH, choices | others, how)[0]

    mistakes = [("the sign is the other one: a loss is made small, the objective large", -loss())]
    mistakes += [(text, loss(average=name)) for name, text in AVERAGES.items()]
    for choice in ("average", "level", "clip"):
        mistakes += [
            (f"this is another {choice} ({text})", loss(**{choice: name}))
            for name, text in given["options"][choice].items()
            if name != choices[choice]
        ]
    mistakes += [
        ("nothing is clipped", loss(clip="none")),
        ("for a bad completion the larger of the two is taken", loss("max")),
    ]
    return SOME | {"advantages": advantages, "want": loss(), "mistakes": mistakes}


def examples(given: dict) -> dict:
    """Return the examples of the handout, and what the sound script of the hunt measures."""
    sound = load(HERE / "hunt.py", "hunt")
    runs = {"0": sound.train(0, 5), "1": sound.train(1, 25)}
    return {"ratios": ratio_example(given), "cases": cases(given), "loss": loss_example(given), "runs": runs}


# Each script has words of its own, so that what differs between two of them is not what is wrong in one.
NAMES = {
    "tokens": ["tokens", "ids", "drawn", "actions", "sampled"],
    "logps": ["logps", "log_p", "scores", "now", "lp"],
    "logits": ["logits", "theta", "weights", "policy", "z"],
    "mask": ["mask", "counted", "keep", "valid", "real"],
    "rewards": ["rewards", "paid", "points", "marks", "r"],
    "advantages": ["advantages", "adv", "better", "relative", "away"],
}


def reworded(text: str, script: int) -> str:
    """Return a script in other words; what its docstrings say stays."""
    parts = text.split('"""')
    for name, others in NAMES.items():
        parts[::2] = [re.sub(rf"\b{name}\b", others[script], code) for code in parts[::2]]
    return '"""'.join(parts)


def files(given: dict, teacher: bool) -> dict[str, str]:
    """Return the scripts of the hunt, and their curves; the teacher's are repaired and say what was wrong."""
    source = (HERE / "hunt.py").read_text(encoding="utf-8")
    options = tomllib.loads((HERE.parent / "assignment.toml").read_text(encoding="utf-8"))["choices"]
    written = {}
    for script, letter in enumerate("abcde"):
        name = given["choices"][letter]
        fault = options[letter][name]
        text = source if teacher else source.replace(fault["piece"], fault["instead"])
        text = text.replace("{{diagnosis}}", name if teacher else "")
        written[f"hunt_{letter}.py"] = reworded(text, script)
    if not teacher:
        runs = {name: run(text) for name, text in written.items()}
        written["hunt.svg"] = load(HERE / "curves.py", "curves").svg(runs, run(source))
    return written


def run(source: str) -> list[dict]:
    """Run a script of the hunt, given as text."""
    names: dict = {"__name__": "hunt"}
    exec(source, names)
    return names["train"](0)


# The checks.


def ragged(seed: int) -> tuple:
    """Return logps, old_logps, advantages and a mask with a hole, and a row without tokens."""
    generator = torch.Generator().manual_seed(seed)
    logps = -1 - torch.rand(4, 5, generator=generator, dtype=torch.float64)
    old = logps + 0.5 * torch.randn(4, 5, generator=generator, dtype=torch.float64)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 1, 1, 0], [0, 0, 0, 0, 0]], dtype=torch.bool)
    return logps, old, torch.randn(4, generator=generator, dtype=torch.float64), mask


@worth("3a", 3)
def ratios_of_ragged_rows(solution, given):
    """Short rows, a row with a hole, a row without tokens."""
    for seed in range(3):
        logps, old, _, mask = ragged(seed)
        rows = rows_of(logps.tolist(), old.tolist(), mask.tolist())
        want = spread([ratio_of(row, given["choices"]["level"]) if row else [] for row in rows], mask.tolist())
        got = call(solution, "ratios", logps, old, mask)
        compare(f"differences {show(rows)} of the counted tokens, mask {show(mask.int())}: ratios", got, want)


@worth("3a", 3)
def what_is_masked_reaches_no_ratio(solution, given):
    """Neither nan nor inf gets out; rare tokens are subtracted, not divided."""
    mask = torch.tensor([[True, False, True], [True, False, False]])
    for garbage in (math.nan, math.inf, -math.inf):
        logps = torch.tensor([[-1.0, garbage, -2.0], [-1.0, garbage, garbage]], dtype=torch.float64, requires_grad=True)
        got = call(solution, "ratios", logps, logps.detach().clone(), mask)
        require(
            agree(got, [[1.0] * 3] * 2),
            f"what is masked reaches the ratio: log-probs of {garbage} there give {show(got)}",
        )
        (gradient,) = torch.autograd.grad(got.sum(), logps)
        require(
            bool(gradient.isfinite().all()),
            f"what is masked reaches the gradient: {garbage} there gives {show(gradient)}",
        )
    rare = torch.tensor([[-800.0]], dtype=torch.float64)
    got = call(solution, "ratios", rare, rare - 1, mask[:1, :1])
    compare("log-probs -800 and -801, whose exponentials are both 0: ratios", got, [[math.e]])


@worth("3b", 5)
def every_side_of_the_bounds(solution, given):
    """A grid of ratios, advantages and bounds, value and slope."""
    for low, high in ((0.2, 0.2), (0.1, 0.4), (0.5, 0.25)):
        for advantage in (2.0, -0.5, 0.0):
            ratios = [[0.1, 0.45, 0.62, 0.7, 0.77, 0.85, 0.97, 1.05, 1.15, 1.23, 1.3, 1.43, 1.55, 3.0]]
            leaf = torch.tensor(ratios, dtype=torch.float64, requires_grad=True)
            got = call(solution, "clipped_objective", leaf, torch.tensor([advantage], dtype=torch.float64), low, high)
            clip = given["choices"]["clip"]
            want = [[objective(r, advantage, low, high, clip) for r in ratios[0]]]
            said = f"advantage {advantage}, low {low}, high {high}, ratios {show(ratios)}: "
            compare(said + "clipped_objective", got, want)
            (slopes,) = torch.autograd.grad(got.sum(), leaf)
            flat = [[0.0 if is_silent(r, advantage, low, high, clip) else advantage for r in ratios[0]]]
            compare("a slope is 0 beyond a bound, in the good direction only: " + said + "their slope", slopes, flat)


@worth("3b", 3)
def advantages_are_constants(solution, given):
    """No gradient flows to them, and nothing is written."""
    ratio = torch.tensor([[1.0, 1.5]], requires_grad=True)
    advantages = torch.tensor([1.0], requires_grad=True)
    got = call(solution, "clipped_objective", ratio, advantages, 0.2, 0.2)
    _, other = torch.autograd.grad(got.sum(), (ratio, advantages), allow_unused=True)
    require(other is None, "a gradient flows to the advantages, which are constants")
    ratio = torch.tensor([[1.0, 1.5]])
    call(solution, "clipped_objective", ratio, advantages, 0.2, 0.2)
    require(agree(ratio, [[1.0, 1.5]]), f"clipped_objective writes into its argument: [[1, 1.5]] became {show(ratio)}")


@worth("3c", 7)
def loss_and_gradient(solution, given):
    """Against loops; the gradient against small differences of the loop's loss."""
    for seed, (low, high) in enumerate(((0.2, 0.2), (0.1, 0.4), (0.5, 0.25), (0.2, 0.3))):
        logps, old, advantages, mask = ragged(seed + 10)
        leaf = logps.clone().requires_grad_()
        rest = old.tolist(), advantages.tolist(), mask.tolist(), low, high, given["choices"]
        loss, _ = call(solution, "policy_loss", leaf, old, advantages, mask, low, high)
        said = f"four random completions of 5, 2, 3 and 0 tokens, seed {seed + 10}, low {low}, high {high}: "
        mistakes = [
            (text, loss_of(logps.tolist(), *rest[:-1], given["choices"] | {"average": name})[0])
            for name, text in AVERAGES.items()
        ]
        compare(said + "policy_loss", loss, loss_of(logps.tolist(), *rest)[0], mistakes)
        (gradient,) = torch.autograd.grad(loss, leaf)
        want = torch.zeros_like(logps)
        for i, t in itertools.product(range(4), range(5)):
            step = torch.zeros_like(logps)
            step[i, t] = 1e-6
            up, down = (loss_of((logps + sign * step).tolist(), *rest)[0] for sign in (1, -1))
            want[i, t] = (up - down) / 2e-6
        compare(said + "the gradient on logps", gradient, want, tolerance=1e-6)


@worth("3c", 3)
def the_share_that_is_clipped(solution, given):
    """Counted tokens whose gradient is switched off, among the counted tokens."""
    for seed in range(20, 26):
        logps, old, advantages, mask = ragged(seed)
        _, share = call(solution, "policy_loss", logps, old, advantages, mask, 0.1, 0.2)
        rest = old.tolist(), advantages.tolist(), mask.tolist(), 0.1, 0.2, given["choices"]
        want = loss_of(logps.tolist(), *rest)[1]
        compare(
            f"clipped is a counted token above the bounds and good, or below and bad: seed {seed}: the share",
            torch.as_tensor(share),
            want,
        )


@worth("3c", 2)
def what_is_masked_reaches_no_loss(solution, given):
    """Neither nan nor inf, in logps and old_logps."""
    logps, old, advantages, mask = ragged(3)
    want, _ = call(solution, "policy_loss", logps, old, advantages, mask, 0.2, 0.2)
    for garbage in (math.nan, math.inf):
        dirty = torch.where(mask, logps, garbage).requires_grad_()
        loss, share = call(solution, "policy_loss", dirty, torch.where(mask, old, -garbage), advantages, mask, 0.2, 0.2)
        compare(f"what is masked reaches the loss: {garbage} there; policy_loss", loss, want.item())
        (gradient,) = torch.autograd.grad(loss, dirty)
        require(
            bool(gradient.isfinite().all()), f"what is masked reaches the gradient: {garbage} there; {show(gradient)}"
        )


def named(letter: str):
    """Make a check of the diagnosis of a script."""

    def check(solution, given):
        word = getattr(public.script(solution, letter), "DIAGNOSIS", "")
        message = f"DIAGNOSIS in hunt_{letter}.py is {word!r}, which is not what was wrong"
        require(word == given["choices"][letter], message)

    check.__name__ = f"hunt_{letter}_is_named"
    return worth("3" + chr(ord(letter) + 3), 2)(check)


def lasting(letter: str):
    """Make a check of a long run of a script."""

    def check(solution, given):
        want = given["examples"]["runs"]["1"]
        got = call(public.script(solution, letter), "train", 1, len(want))
        for step, (mine, sound) in enumerate(zip(got, want, strict=True), start=1):
            for name, value in sound.items():
                said = f"{name!r} is {show(mine[name])} in step {step} of seed 1, and {show(value)} in a sound run"
                require(agree(mine[name], value, 1e-3), f"hunt_{letter}.py is not sound yet: {said}")

    check.__name__ = f"hunt_{letter}_stays_sound"
    return worth("3" + chr(ord(letter) + 3), 3)(check)


a_named, b_named, c_named, d_named, e_named = map(named, "abcde")
a_lasts, b_lasts, c_lasts, d_lasts, e_lasts = map(lasting, "abcde")
