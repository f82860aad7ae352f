"""The hidden checks of assignment 1, and its oracle: loops over plain lists, one function for all variants.

What a variant does not ask for is a known mistake: the oracle computes it too, so that a check can say what was done
instead.
"""

import itertools
import math
from collections.abc import Iterator

import torch

from check import agree, call, compare, require, show, worth

NAN = math.nan


# The oracle.


def reward_of(text: str, truth: int, which: str, unreadable: float) -> float:
    """Read a text from left to right."""
    answers, rest = [], text
    while "<answer>" in rest and "</answer>" in rest.split("<answer>", 1)[1]:
        inside, rest = rest.split("<answer>", 1)[1].split("</answer>", 1)
        answers.append(inside.strip(" \t\r\n"))
    if not answers or (which == "only" and len(answers) > 1):
        return unreadable
    answer = answers[0] if which == "first" else answers[-1]
    digits = answer[1:] if answer[:1] in ("+", "-") else answer
    if not digits or any(c not in "0123456789" for c in digits):
        return unreadable
    value = 0
    for c in digits:
        value = 10 * value + "0123456789".index(c)
    return float((-value if answer[0] == "-" else value) == truth)


def total(rewards: list[float], weights: list[float], missing: str) -> float:
    """Add up what the functions pay for one completion."""
    asked = [(r, w) for r, w in zip(rewards, weights, strict=True) if w > 0]
    known = [(r, w) for r, w in asked if not math.isnan(r)]
    if not known or (missing == "lost" and len(known) < len(asked)):
        return NAN
    payed = sum(r * w for r, w in known)
    return payed / sum(w for _, w in known) if missing == "rest" else payed


def median(values: list[float]) -> float:
    """Return the middle, or halfway between the two in the middle."""
    ordered, n = sorted(values), len(values)
    return (ordered[(n - 1) // 2] + ordered[n // 2]) / 2


def advantages_of(group: list[float], eps: float, baseline: str, scale: str) -> list[float]:
    """Compare the rewards of one prompt."""
    known = [r for r in group if not math.isnan(r)]
    n = len(known)
    if n < 2 or max(known) == min(known):
        return [0.0 for _ in group]
    mean = sum(known) / n
    squares = sum((r - mean) ** 2 for r in known)
    spread = {
        "population": math.sqrt(squares / n),
        "sample": math.sqrt(squares / (n - 1)),
        "deviation": sum(abs(r - mean) for r in known) / n,
        "range": max(known) - min(known),
        "none": 1 - eps,
    }[scale]
    out = []
    for r in group:
        others = (sum(known) - r) / (n - 1)
        lower = sorted(known)[(n - 1) // 2]
        middle = {"mean": mean, "others": others, "median": median(known), "lower": lower, "zero": 0.0}[baseline]
        out.append(0.0 if math.isnan(r) else (r - middle) / (spread + eps))
    return out


def columns(rewards: list[list[float]], eps: float, baseline: str, scale: str) -> list[list[float]]:
    """Return [G, N] advantages of [G, N] rewards, column by column."""
    done = [advantages_of([row[n] for row in rewards], eps, baseline, scale) for n in range(len(rewards[0]))]
    return [[column[i] for column in done] for i in range(len(rewards))]


def silence(size: int, rate: float) -> float:
    """Sum the probabilities of the outcomes in which all completions earn the same."""
    outcomes = itertools.product((0, 1), repeat=size)
    return sum(math.prod(rate if x else 1 - rate for x in o) for o in outcomes if len(set(o)) == 1)


# Examples: what goes in, what comes out, and what would come out of known mistakes.

SPREADS = {"sample": "the standard deviation has n - 1 in the denominator", "none": "nothing is divided by the spread"}
BASELINES = {"lower": "the lower of the two in the middle is taken for the median", "zero": "no baseline is subtracted"}


def advantage_example(rewards: list[list[float]], eps: float, given: dict) -> dict:
    """Return rewards and their advantages; and, with words, what other conventions make of them."""
    choices, words = given["choices"], given["options"]
    asked = choices["baseline"], choices["scale"]
    baselines = {name: f"what is subtracted is {text}" for name, text in words["baseline"].items()} | BASELINES
    scales = {name: f"what divides is {text}" for name, text in words["scale"].items()} | SPREADS
    mistakes = []
    for baseline, scale in itertools.product(baselines, scales):
        said = [baselines[baseline]] * (baseline != asked[0]) + [scales[scale]] * (scale != asked[1])
        if said:
            mistakes.append((len(said), " and ".join(said), columns(rewards, eps, baseline, scale)))
    flat = [[r for row in rewards for r in row]]
    size, count = len(rewards), len(rewards[0])
    batch = advantages_of(flat[0], eps, *asked)
    mistakes.append((1, "rewards of different prompts are compared", [batch[i * count :][:count] for i in range(size)]))
    rows = [advantages_of(row, eps, *asked) for row in rewards]
    mistakes.append((1, "rows are taken for groups, and the groups are the columns", rows))
    mistakes.append((1, "eps is not added to the spread", columns(rewards, 0.0, *asked)))
    ordered = [pair for _, *pair in sorted(mistakes, key=lambda mistake: mistake[0])]
    return {"rewards": rewards, "eps": eps, "want": columns(rewards, eps, *asked), "mistakes": ordered}


def total_example(rewards: list, weights: list[float], given: dict) -> dict:
    """Return [K, G, N] rewards and their [G, N] totals; and, with words, what other rules make of them."""
    size, count = len(rewards[0]), len(rewards[0][0])

    def totals(rule: str) -> list[list[float]]:
        return [[total([r[g][n] for r in rewards], weights, rule) for n in range(count)] for g in range(size)]

    asked = given["choices"]["missing"]
    others = [
        (f"this is another rule ({text})", totals(r)) for r, text in given["options"]["missing"].items() if r != asked
    ]
    zeros = [[0.0 if math.isnan(t) else t for t in row] for row in totals(asked)]
    others.append(("what nobody could judge has the total nan, not 0", zeros))
    return {"rewards": rewards, "weights": weights, "want": totals(asked), "mistakes": others}


def examples(given: dict) -> dict:
    """Return the examples of the public checks and of the handout."""
    three = [([[1.0], [1.0], [0.0]], 0.0), ([[3.0, 0.0], [1.0, 4.0]], 0.0), ([[0.9, 0.1], [1.0, 0.2], [0.5, 0.9]], 0.1)]
    two = [
        ([[[1.0, 0.0]], [[0.5, 1.0]], [[NAN, 0.0]]], [1.0, 2.0, 1.0]),
        ([[[NAN], [1.0]], [[NAN], [NAN]]], [1.0, 0.5]),
    ]
    return {
        "group_advantages": [advantage_example(*x, given) for x in three],
        "total_reward": [total_example(*x, given) for x in two],
    }


# The checks.


def small_groups() -> Iterator[list[list[float]]]:
    """Yield rewards of two prompts: all outcomes of a small group, beside another group; the smallest come first."""
    for size in (2, 3, 4):
        for one in itertools.product((0.0, 1.0, 2.5), repeat=size):
            other = [-1.0, 3.0, 0.5, 7.0][:size]
            yield [list(pair) for pair in zip(one, other, strict=True)]


@worth("1a", 6)
def every_short_text(solution, given):
    """All texts of up to five pieces, tags in tags too."""
    which, none = given["choices"]["which"], float(given["words"]["unreadable"])
    for length in range(1, 6):
        for pieces in itertools.product(("<answer>", "</answer>", "7", "-", " "), repeat=length):
            text = "".join(pieces)
            for truth in (7, -7, 77):
                [got] = call(solution, "answer_reward", [text], [truth])
                want = reward_of(text, truth, which, none)
                if got != want:
                    meant = {1.0: "right", 0.0: "wrong"}.get(want, "unreadable")
                    require(
                        False, f"{text!r} is {meant} where {truth} is right: it earns {show(got)} and not {show(want)}"
                    )


@worth("1a", 4)
def no_text_breaks_it(solution, given):
    """A reward function runs for days; no completion may stop it."""
    which, none = given["choices"]["which"], float(given["words"]["unreadable"])
    long = ("9" * 5000, "0" * 5000 + "5", "-" + "0" * 5000 + "5")
    for inside in (
        *long,
        "\u00a05",
        "5\u2003",
        "\u0665",
        "7" + "\0",
        "1e5",
        "0x7",
        "--7",
        "7.0",
        "7,000",
        "\u00b2",
        "nan",
        "{}",
        "%s",
        "\\",
    ):
        text = f"<answer>{inside}</answer>"
        want = reward_of(text, 5, which, none)
        got = call(solution, "answer_reward", [text, "<answer>7</answer>"], [5, 7])
        require(
            isinstance(got, list) and got == [want, 1.0],
            f"a strange text breaks the reward: {show(text)}, of {len(text)} characters, and an answer that is right "
            f"earn {show(got)} and not {show([want, 1.0])} where 5 is right",
        )
        require(all(isinstance(x, float) for x in got), f"rewards are a list of floats, got {got!r}")


@worth("1b", 6)
def every_pattern_of_missing_rewards(solution, given):
    """Three functions, each of which may be unable to judge."""
    for pattern in itertools.product((1.0, 0.25, NAN), repeat=3):
        example = total_example([[[r, 1.0]] for r in pattern], [1.0, 2.0, 0.5], given)
        rewards = torch.tensor(example["rewards"])
        got = call(solution, "total_reward", rewards, example["weights"])
        said = f"three functions pay {show(pattern)}, weights {show(example['weights'])}: total_reward"
        compare(
            said,
            got[:, :1],
            [row[:1] for row in example["want"]],
            [(t, [r[:1] for r in x]) for t, x in example["mistakes"]],
        )


@worth("1b", 4)
def a_function_of_weight_0_is_only_watched(solution, given):
    """Neither its number nor its nan reaches the total, and the rewards are left as they were."""
    for watched in (5.0, NAN):
        rewards = torch.tensor([[[1.0]], [[watched]]])
        kept = rewards.clone()
        got = call(solution, "total_reward", rewards, [2.0, 0.0])
        want = [[1.0 if given["choices"]["missing"] == "rest" else 2.0]]
        said = "a function of weight 0 is only watched: it"
        compare(f"{said} pays {show(watched)}, the other, of weight 2, pays 1: total_reward", got, want)
        require(agree(rewards, kept), f"total_reward writes into its argument: {show(kept)} became {show(rewards)}")
    got = call(solution, "total_reward", torch.tensor([[[NAN]], [[5.0]]]), [2.0, 0.0])
    compare(f"{said} pays 5, and the other could not judge: total_reward", got, [[NAN]])


@worth("1c", 8)
def every_small_group(solution, given):
    """All outcomes of groups of two to four, three values, beside another prompt."""
    for rewards in small_groups():
        for eps in (0.0, 0.5):
            example = advantage_example(rewards, eps, given)
            got = call(solution, "group_advantages", torch.tensor(rewards, dtype=torch.float64), eps)
            said = "a column is a group, and eps is added to its spread"
            compare(f"{said}: group_advantages({show(rewards)}, eps={eps})", got, example["want"], example["mistakes"])


@worth("1c", 5)
def a_missing_reward_is_left_out(solution, given):
    """Neither mean nor spread know of it, and it gets 0."""
    for group in ([1.0, 0.0, NAN], [NAN, 2.0, 1.0, 4.0], [1.0, NAN], [NAN, NAN]):
        rewards = torch.tensor([[r, float(i)] for i, r in enumerate(group)], dtype=torch.float64)
        got = call(solution, "group_advantages", rewards, 0.0)
        want = columns(rewards.tolist(), 0.0, given["choices"]["baseline"], given["choices"]["scale"])
        zeros = columns(
            rewards.nan_to_num(nan=0.0).tolist(), 0.0, given["choices"]["baseline"], given["choices"]["scale"]
        )
        compare(
            f"a completion without a reward is left out: the first prompt earns {show(group)}; group_advantages",
            got, want, [("a missing reward is taken for a reward of 0", zeros)],
        )  # fmt: skip


@worth("1c", 5)
def of_any_precision(solution, given):
    """Whole numbers and bools are rewards too; halves are widened, doubles stay."""
    for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool):
        rewards = torch.tensor([[1, 0], [0, 1], [0, 1]]).to(dtype)
        got = call(solution, "group_advantages", rewards)
        want = torch.float64 if dtype == torch.float64 else torch.float32
        require(got.dtype == want, f"{dtype} rewards give {got.dtype}, not {want}")
        values = columns(
            [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], 1e-4, given["choices"]["baseline"], given["choices"]["scale"]
        )
        compare(f"{dtype} rewards {show(rewards)}: group_advantages", got, values, tolerance=1e-4)


@worth("1c", 4)
def an_advantage_is_a_constant(solution, given):
    """No gradient flows back into the rewards, and they are left as they were."""
    rewards = torch.tensor([[1.0, 0.0], [0.0, 2.0]], requires_grad=True)
    got = call(solution, "group_advantages", rewards)
    require(
        not got.requires_grad, "an advantage is a constant: rewards with a gradient give advantages with a gradient"
    )
    rewards = torch.tensor([[1.0, 3.0], [2.0, 7.0]])
    kept = rewards.clone()
    call(solution, "group_advantages", rewards)
    require(agree(rewards, kept), f"group_advantages writes into its argument: {show(kept)} became {show(rewards)}")


def within(solution, name: str, want: float) -> None:
    """Require a number by hand, to three decimals."""
    value = getattr(solution, name, None)
    near = isinstance(value, int | float) and abs(value - want) < 6e-4
    require(near, f"{name} is {value!r}; work it out again with your own group_advantages or by hand")


@worth("1d", 3)
def the_push_on_the_right_answer(solution, given):
    """Rewards 1, 0, 0, 0."""
    within(
        solution, "RIGHT", advantages_of([1, 0, 0, 0], 0, given["choices"]["baseline"], given["choices"]["scale"])[0]
    )


@worth("1d", 3)
def the_push_on_a_wrong_answer(solution, given):
    """Rewards 1, 0, 0, 0."""
    within(
        solution, "WRONG", advantages_of([1, 0, 0, 0], 0, given["choices"]["baseline"], given["choices"]["scale"])[1]
    )


@worth("1d", 3)
def how_often_a_group_is_silent(solution, given):
    """All right or all wrong."""
    within(solution, "SILENT", silence(int(given["words"]["size"]), float(given["words"]["rate"])))
