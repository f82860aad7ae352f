"""The hidden checks of assignment 5, and its oracle: loops over tokens, and sums over all that can happen."""

import itertools
import json
import math
from pathlib import Path

import torch

from check import agree, call, compare, load, require, show, worth

HERE = Path(__file__).resolve().parent
public = load((HERE.parent if HERE.name == "hidden" else HERE) / "checks.py", "public")
END, VOCABULARY, SPARSE = public.END, public.VOCABULARY, public.SPARSE


# The oracle.


def turns_of(episode: list, cut: str) -> list[int]:
    """Return the number of the turn of each token, from the last segment to the first."""
    out: list[int] = []
    total = sum(who == "policy" for who, _ in episode)
    off = episode[-1][0] == "policy" and episode[-1][1][-1:] != [END]
    for n, (who, tokens) in enumerate(reversed(episode)):
        mine = who == "policy" and not (off and (cut == "whole" or (cut == "dropped" and n == 0)))
        out = [total if mine else 0] * len(tokens) + out
        total -= who == "policy"
    return out


def weights_of(turn: list[list[int]], average: str, credit: str) -> list[list[float]]:
    """Return the weight of each token's A log p in the objective."""
    counts, out = [max(row, default=0) for row in turn], []
    for row, count in zip(turn, counts, strict=True):
        weights = []
        for number in row:
            if number == 0:
                weights.append(0.0)
                continue
            merit = {"even": 1.0, "late": 2.0 ** (number - count), "early": 2.0 ** (1 - number)}[credit]
            divisor = {
                "turn": row.count(number) * count * len(turn),
                "alike": row.count(number) * sum(counts),
                "sum": count * len(turn),
                "tokens": sum(x > 0 for x in row) * len(turn),
                "together": sum(x > 0 for other in turn for x in other),
            }[average]
            weights.append(merit / divisor)
        out.append(weights)
    return out


def loss_of(logps, turn, advantages, average: str, credit: str) -> float:
    """Return the loss."""
    rows = zip(weights_of(turn, average, credit), logps, advantages, strict=True)
    return -sum(w * a * x for weights, row, a in rows for w, x in zip(weights, row, strict=True) if w)


def episode_of(draws: list[int], prompt: list[int], answer, limit: int, most: int, choices: dict) -> list | None:
    """Return the episode in which the policy draws these tokens, one by one; None if it needs more of them."""
    episode, turn, drawn, answers = [("user", prompt)], [], 0, 0
    for token in draws:
        turn, drawn = [*turn, token], drawn + 1
        behind = sum(len(tokens) for _, tokens in episode[1:]) + len(turn)
        used = {"own": drawn, "both": behind, "turn": len(turn)}[choices["limit"]]
        if token != END and used < limit:
            continue
        episode.append(("policy", turn))
        said = answer(turn) if token == END and answers < most else None
        if said is None or (said == [] and choices["silence"] == "ends"):
            return episode
        if {"own": drawn, "both": behind + len(said), "turn": 0}[choices["limit"]] >= limit:
            return episode
        episode.append(("tool", said))
        turn, answers = [], answers + 1
    return None


def all_that_can_happen(letters: list[int], *rest) -> list[tuple[list[int], list]]:
    """Return every way in which an episode can go: what the policy draws, and the episode."""
    out, open_ = [], [[]]
    while open_:
        draws = open_.pop()
        for token in letters:
            episode = episode_of([*draws, token], *rest)
            if episode is None:
                open_.append([*draws, token])
            else:
                out.append(([*draws, token], episode))
    return out


def price_of(straight: float, copy: float, fail: float, most: int, price: str, guess: str = "") -> float:
    """Return the break-even price: what asking earns is a - c b, with a and b summed over the answers of the tool."""
    a = b = 0.0
    for silent in itertools.product((True, False), repeat=most):  # the calls that would be made, answered or not
        chance = math.prod(fail if x else 1 - fail for x in silent)
        calls = most if all(silent) or guess == "most" else silent.index(False) + 1
        right = (0.0 if guess == "nothing" else straight) if all(silent) else copy
        a += chance * right
        b += chance * {"each": calls, "right": right * calls, "flat": 1}[price]
    return (a - straight) / b


# What the handout shows.

ROWS = {
    "logps": [[-1.0, -2.5, -9.0, -3.0], [-9.0, -0.5, -0.7, -9.0]],
    "turn": [[1, 1, 0, 2], [0, 1, 1, 0]],
    "advantages": [1.0, -1.0],
}
OTHER_AVERAGES = {
    "tokens": "it is the mean over all of an episode's own tokens, then over the episodes, and turns play no part",
    "together": "it is the mean over all tokens of the batch alike",
}


def loss_example(given: dict) -> dict:
    """Return the example of 5b, and what mistakes make of it."""
    average, credit = given["choices"]["mean"], given["choices"]["credit"]
    want = loss_of(*ROWS.values(), average, credit)
    everything = [[1, 1, 1, 2], [1, 1, 1, 1]]
    mistakes = [
        ("the sign is the other one: a loss is made small, the objective large", -want),
        ("the holes are averaged too", loss_of(ROWS["logps"], everything, ROWS["advantages"], average, credit)),
    ]
    for a in given["options"]["mean"]:
        for c in given["options"]["credit"]:
            what = [f"another average ({given['options']['mean'][a]})"] * (a != average)
            what += [f"another merit ({given['options']['credit'][c]})"] * (c != credit)
            mistakes.append((f"it is {' and '.join(what)}", loss_of(*ROWS.values(), a, c)))
    mistakes += [(text, loss_of(*ROWS.values(), name, credit)) for name, text in OTHER_AVERAGES.items()]
    known = [(text, x) for text, x in mistakes if not agree(x, want)]
    return ROWS | {"want": want, "mistakes": known}


def examples(given: dict) -> dict:
    """Return what the handout shows."""
    return {"loss": loss_example(given), "words": len(VOCABULARY)}


# The recordings.


def babble(last: int) -> list[float]:
    """Return the logits of the handout's policy."""
    return [(7 * last + 3 * v + last * v) % 11 / 3 for v in range(len(VOCABULARY))]


def score(ids: list[int], t: int, temperature: float = 1.0, before: int = -1) -> float:
    """Return the log-prob of token t, given another token than the last if `before` says where it stands."""
    z = [x / temperature for x in babble(ids[before] if before >= 0 else ids[t - 1])]
    return z[ids[t]] - math.log(sum(math.exp(x) for x in z))


def recording(fault: str, number: int, shown: str) -> dict:
    """Return a recording with a fault; `number` is what is added, so that no two are alike."""
    a, b = ("13", "49")[number % 2], str(number)
    prompt = public.ids_of(f"{a} + {b} =")
    asked = f"[ {' '.join(a)} + {b} ]"
    total = str(int(a) + int(b))
    first, second = public.ids_of(asked), public.ids_of(" ".join(total))
    said = public.ids_of(" ".join(total))
    if fault == "retokenized":
        first = public.ids_of(asked.replace(" ".join(a), a))
    made_up = fault == "invented"
    parts = [(first + [END] * (not made_up), 1), (said, int(fault == "results")), (second + [END], 2)]
    ids = [i for tokens, _ in parts for i in tokens]
    turn = [k for tokens, k in parts for _ in tokens]
    if fault == "endless":
        turn = [0 if i == END else k for i, k in zip(ids, turn, strict=True)]
    drawn = [len(public.ids_of(asked)) + 1, len(second) + 1]
    row, behind = prompt + ids, len(prompt)
    after = behind + len(parts[0][0]) + len(said)  # the first token that the policy writes after it was answered
    logps = []
    for t, k in enumerate(turn, start=behind):
        before = behind + len(parts[0][0]) - 1 if fault == "deaf" and t == after else -1
        logps.append(round(score(row, t, 2.0 if fault == "temperature" else 1.0, before), 4) if k else 0.0)
    text = asked.replace(" ", "") + "<end>" * (shown == "with")
    return {
        "prompt": prompt, "ids": ids, "turn": turn, "logps": logps,
        "drawn": [len(ids)] if made_up else drawn, "tool": [] if made_up else [[text, total]],
    }  # fmt: skip


def files(given: dict, teacher: bool) -> dict[str, str]:
    """Return the recordings."""
    made = {
        letter: recording(given["choices"][letter], number, given["choices"]["shown"])
        for number, letter in enumerate("abc", start=5)
    }
    parts = {x: ",\n  ".join(f'"{key}": {json.dumps(row)}' for key, row in one.items()) for x, one in made.items()}
    return {"transcripts.json": "{" + ",\n".join(f'"{x}": {{\n  {part}}}' for x, part in parts.items()) + "}\n"}


# The checks.

PIECES = [
    ("policy", [END]),
    ("policy", [2, END]),
    ("policy", [END, 5]),
    ("tool", [3]),
    ("tool", []),
    ("user", [END, 4]),
]


@worth("5a", 5)
def every_short_episode(solution, given):
    """All sequences of up to three segments behind a prompt, each beside a longer row."""
    beside = [("user", [4] * 8), ("policy", [2, END])]
    for length in range(4):
        for pieces in itertools.product(PIECES, repeat=length):
            episode = [("user", [6]), *pieces]
            ids, real, turn = (x.tolist() for x in public.table_of(solution, [episode, beside], 7))
            row = [i for _, tokens in episode for i in tokens]
            gap = [7] * (10 - len(row))
            right = given["choices"]["side"] == "right"
            said = f"{public.told(episode)} beside a row of 10 tokens, filled up with 7: row 0 of "
            compare(said + "ids", ids[0], row + gap if right else gap + row)
            want = [x for x in (([1] * len(row), [0] * len(gap))[:: 1 if right else -1]) for x in x]
            compare(said + "real", [int(x) for x in real[0]], want)
            numbers, none = turns_of(episode, given["choices"]["cut"]), [0] * len(gap)
            compare(said + "turn", turn[0], numbers + none if right else none + numbers)


@worth("5a", 2)
def segments_that_are_empty(solution, given):
    """A tool may say nothing, and end an episode with it; a prompt may be empty."""
    nothing = [("user", []), ("policy", [2, END]), ("tool", []), ("policy", [END]), ("tool", [])]
    public.require_turn(solution, nothing, [1, 1, 2])


@worth("5a", 1)
def the_episodes_are_left_as_they_are(solution, given):
    """A table is made, nothing is written."""
    episodes = [[("user", [4]), ("policy", [2, END]), ("tool", [3])], [("user", [4]), ("policy", [END])]]
    kept = json.dumps(episodes)
    call(solution, "table", episodes, 7)
    require(json.dumps(episodes) == kept, f"table writes into its arguments: they became {show(episodes)}")


@worth("5b", 7)
def every_pattern_of_turns(solution, given):
    """All rows of up to five tokens with up to three turns, two at a time: value and gradient."""
    average, credit = given["choices"]["mean"], given["choices"]["credit"]
    patterns = [
        row for length in range(1, 6) for row in itertools.product(range(4), repeat=length)
        if [k for k in row if k] == sorted(k for k in row if k) and set(row) | {0} == set(range(max(row) + 1))
    ]  # fmt: skip
    for n, first in enumerate(patterns):
        second = patterns[(7 * n + 3) % len(patterns)]
        width = max(len(first), len(second))
        turn = [[*row, *[0] * (width - len(row))] for row in (first, second)]
        source = public.generator(n)
        logps = -torch.rand(2, width, generator=source, dtype=torch.float64)
        advantages = torch.randn(2, generator=source, dtype=torch.float64)
        leaf = logps.clone().requires_grad_()
        got = public.loss_of(solution, leaf, turn, advantages.tolist())
        said = f"turn {show(turn)}, log-probs {show(logps)}, advantages {show(advantages)}: "
        compare(said + "episode_loss", got, loss_of(logps.tolist(), turn, advantages.tolist(), average, credit))
        want = [
            [-w * a for w in row] for row, a in zip(weights_of(turn, average, credit), advantages.tolist(), strict=True)
        ]
        gradient = torch.autograd.grad(got, leaf)[0] if got.requires_grad else torch.zeros_like(leaf)
        compare(said + "the gradient on logps", gradient, want)


@worth("5b", 3)
def what_stands_in_a_hole_reaches_nothing(solution, given):
    """Neither a value nor a gradient, be it nan or inf."""
    turn = [[1, 0, 2, 0], [0, 1, 0, 0]]
    logps = torch.tensor([[-1.0, -1.0, -2.0, -1.0], [-1.0, -3.0, -1.0, -1.0]], dtype=torch.float64)
    want = loss_of(logps.tolist(), turn, [1.0, -2.0], given["choices"]["mean"], given["choices"]["credit"])
    for garbage in (math.nan, -math.inf):
        dirty = torch.where(torch.tensor(turn) > 0, logps, garbage).requires_grad_()
        got = public.loss_of(solution, dirty, turn, [1.0, -2.0])
        said = f"turn {show(turn)}, log-probs {show(dirty)}: "
        compare(f"what stands in a hole reaches the loss: {said}episode_loss", got, want)
        (gradient,) = torch.autograd.grad(got, dirty)
        message = f"what stands in a hole reaches the gradient: {said}it is {show(gradient)}"
        require(bool(gradient.isfinite().all()), message)


@worth("5b", 2)
def an_advantage_is_a_constant_of_its_episode(solution, given):
    """With as many tokens as episodes, rows and columns are easily mixed up."""
    logps = public.doubles([[-1.0, -1.0], [-1.0, -1.0]])
    advantages = public.doubles([1.0, -3.0])
    got = call(solution, "episode_loss", logps, torch.tensor([[1, 1], [1, 1]]), advantages)
    own, other = torch.autograd.grad(got, (logps, advantages), allow_unused=True)
    signs = (-own).sign().int().tolist()
    require(
        signs == [[1, 1], [-1, -1]],
        f"an advantage is one of an episode, [B, 1]: advantages 1 and -3, two episodes of two tokens: a step moves the "
        f"log-probs by the signs {show(signs)}",
    )
    require(other is None, "a gradient flows to the advantages, which are constants")


ANSWERS = {"[": "13", "]": "", "1": "7+7"}  # by the first letter of what is shown; of all else nothing


def answer_to(turn: list[int]) -> list[int] | None:
    """Answer in tokens, as ANSWERS says."""
    text = ANSWERS.get(VOCABULARY[turn[0]])
    return None if text is None else [VOCABULARY.index(x) for x in ([text] if text in VOCABULARY else text)]


@worth("5c", 6)
def every_short_script(solution, given):
    """All that a policy of four tokens can draw, for each limit and each number of answers."""
    letters, prompt = public.ids_of("<end> 1 [ ]"), public.ids_of("=")
    for limit, most in itertools.product((1, 2, 3, 4), (0, 1, 2)):
        if given["choices"]["limit"] == "turn" and limit * (most + 1) > 6:
            continue
        for draws, want in all_that_can_happen(letters, prompt, answer_to, limit, most, given["choices"]):
            script = public.Script(draws)
            got, logps = public.played(solution, script, prompt, lambda text: ANSWERS.get(text[:1]), limit, most)
            said = (
                f"limit {limit}, most {most}, the policy draws {public.spell(draws)}; the tool answers what begins "
                "with [ by 13, with ] by an empty text, with 1 by 7+7, and is silent otherwise"
            )
            wanted = f"play gives {public.told(got)}, and by the handout it is {public.told(want)}"
            require(got == want, f"an episode ends too early or too late: {said}: {wanted}")
            require(len(logps) == len(draws), f"{len(logps)} log-probs of {len(draws)} drawn tokens: {said}")


@worth("5c", 2)
def what_the_tool_is_shown(solution, given):
    """The turn that has just ended, as text; and it is not asked when nobody would hear it."""
    tool = public.Answers("13", "7")
    public.played(solution, public.Script(public.ids_of("[ 1 3 ] <end> 49 <end> 5 <end>")), [6], tool, 30, 2)
    end = "<end>" if given["choices"]["shown"] == "with" else ""
    want = [f"[13]{end}", f"49{end}"]
    said = "prompt 5, the policy draws [ 1 3 ] <end> 49 <end> 5 <end>, most 2: the tool is asked"
    require(tool.asked == want, f"{said} {show(tool.asked)}, and by the handout it is {show(want)}")
    tool = public.Answers("13")
    public.played(solution, public.Script(public.ids_of("1 1 1 1 1 1")), [6], tool, 3, 2)
    require(tool.asked == [], f"a turn that was cut off is shown to the tool: limit 3, draws 1 1 1 ...: {tool.asked}")


def coin(ids: list[int]) -> torch.Tensor:
    """Return the logits of a policy of three tokens, by the last one read."""
    logits = torch.full((len(VOCABULARY),), SPARSE)
    logits[END], logits[2], logits[13] = 1.0, 0.5 * (ids[-1] % 3), -0.5
    return logits


@worth("5c", 2)
def each_episode_as_often_as_it_should_be(solution, given):
    """2000 episodes, counted, against the exact probability of each."""
    number, rest = 2000, (public.ids_of("="), answer_to, 3 if given["choices"]["limit"] == "own" else 2, 1)
    chances: dict[str, float] = {}
    for draws, episode in all_that_can_happen([END, 2, 13], *rest, given["choices"]):
        before, chance, left = [], 1.0, iter(draws)
        for who, tokens in episode:
            for token in tokens:
                if who == "policy":
                    chance *= coin(before).double().softmax(dim=0)[next(left)].item()
                before.append(token)
        chances[public.told(episode)] = chance
    source, counts = public.generator(11), dict.fromkeys(chances, 0)
    for _ in range(number):
        episode, _ = call(
            solution, "play", coin, rest[0], lambda text: ANSWERS.get(text[:1]), rest[2], rest[3], source
        )  # fmt: skip
        counts[public.told(episode)] = counts.get(public.told(episode), 0) + 1
    for name, chance in chances.items():
        width = 5 * math.sqrt(number * chance * (1 - chance)) + 1
        message = f"of {number} episodes {counts[name]} are {name}, and {number * chance:.0f} should be, give or take"
        require(abs(counts[name] - number * chance) < width, f"tokens are not drawn as the policy says: {message}")


@worth("5c", 2)
def from_the_generator_alone(solution, given):
    """The same seed, the same episode; PyTorch's own random numbers are not touched."""
    torch.manual_seed(5)
    before = torch.get_rng_state()
    runs = [public.played(solution, public.wander, [12], lambda text: "1+3", 9, 2, seed) for seed in (3, 3, 4, 5, 6)]
    touched = not torch.equal(before, torch.get_rng_state())
    require(not touched, "PyTorch's own random numbers are used: draw with generator=generator")
    require(runs[0] == runs[1], "the same seed gives two different episodes")
    require(any(run != runs[0] for run in runs[2:]), "four seeds give the same episode: nothing is drawn")


CASES = [(0.2, 0.9, 0.5, 1), (0.2, 0.9, 0.5, 2), (0.1, 0.8, 0.3, 3), (0.6, 0.5, 0.25, 4), (0.0, 1.0, 0.9, 3)]


@worth("5d", 5)
def the_break_even_of_several_calls(solution, given):
    """Against a sum over all ways in which calls can be answered."""
    for case in CASES:
        price = given["choices"]["price"]
        got, want = float(call(solution, "break_even", *case)), price_of(*case, price)
        mistakes = [
            (
                "who is never answered guesses, and is right with probability `straight`",
                price_of(*case, price, "nothing"),
            ),
            ("once it has an answer the policy does not call again", price_of(*case, price, "most")),
            ("it is the break-even of another price", price_of(*case, "flat")),
        ]
        said = "straight {}, copy {}, fail {}, most {}: break_even".format(*case)
        compare(said, got, want, [(text, x) for text, x in mistakes if not agree(x, want)])


@worth("5d", 2)
def at_that_price_nothing_pulls(solution, given):
    """The gradient on the logit of asking: 0 at the break-even price, up below it, down above it."""
    for straight, copy, fail, most in CASES[:4]:
        price = float(call(solution, "break_even", straight, copy, fail, most))
        ways = [((1 - fail) * fail ** (k - 1) * copy, 1, k) for k in range(1, most + 1)]
        ways += [((1 - fail) * fail ** (k - 1) * (1 - copy), 0, k) for k in range(1, most + 1)]
        ways += [(fail**most * straight, 1, most), (fail**most * (1 - straight), 0, most)]
        for step, sign in ((0.0, 0), (-0.01, 1), (0.01, -1)):
            rewards = public.paid(solution, [y for _, y, _ in ways] + [1], [m for *_, m in ways] + [0], price + step)
            asking = sum(chance * r for (chance, _, _), r in zip(ways, rewards[:-1], strict=True))
            pull = 0.3 * 0.7 * (asking - straight * rewards[-1])
            found = 0 if abs(pull) < 1e-6 else int(math.copysign(1, pull))
            said = f"straight {straight}, copy {copy}, fail {fail}, most {most}, price {show(price + step)}"
            require(found == sign, f"{said}: with your rewards the gradient on the logit of asking is {show(pull)}")


def named(letter: str):
    """Make a check of the diagnosis of a recording."""

    def check(solution, given):
        word = (getattr(solution, "DIAGNOSES", None) or {}).get(letter)
        message = f"DIAGNOSES[{letter!r}] is {word!r}, which is not what was wrong"
        require(word == given["choices"][letter], message)

    check.__name__ = f"recording_{letter}_is_named"
    return worth("5e", 4)(check)


a_is_named, b_is_named, c_is_named = map(named, "abc")
