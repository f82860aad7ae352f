"""The public checks of assignment 5. A check raises Broken with the property that does not hold, or returns."""

import torch

from check import agree, call, compare, require, show, worth

VOCABULARY = ["<end>", *"0123456789+=[]?", "13", "49"]
END = 0
SPARSE = -1e4  # the logit of a token that is never drawn


def ids_of(words: str) -> list[int]:
    """Return the tokens of some words with blanks between them."""
    return [VOCABULARY.index(word) for word in words.split()]


def spell(ids) -> str:
    """Write tokens with blanks between them, so that 1 3 and 13 look different."""
    named = [VOCABULARY[i] if isinstance(i, int) and 0 <= i < len(VOCABULARY) else show(i) for i in ids]
    return " ".join(named) or "(nothing)"


def told(episode) -> str:
    """Write an episode in one line."""
    return " | ".join(f"{who} {spell(tokens)}" for who, tokens in episode)


def segments(*parts: str) -> list:
    """Make an episode of texts such as "policy 1 3 <end>"."""
    return [(part.split()[0], ids_of(" ".join(part.split()[1:]))) for part in parts]


# 5a.


def table_of(solution, episodes: list, pad_id: int = END) -> list:
    """Return ids, real and turn."""
    got = call(solution, "table", episodes, pad_id)
    require(isinstance(got, tuple) and len(got) == 3, f"table must be given as three tensors, got {show(got)}")
    shape = [len(episodes), max(sum(len(tokens) for _, tokens in episode) for episode in episodes)]
    for name, x, dtype in zip(("ids", "real", "turn"), got, (torch.int64, torch.bool, torch.int64), strict=True):
        found = (list(getattr(x, "shape", [])), getattr(x, "dtype", type(x)))
        require(found == (shape, dtype), f"{name} must be {shape}, {dtype}, got {found[0]}, {found[1]}")
    return list(got)


def require_turn(solution, episode: list, want: list[int], mistakes=(), pad_id: int = END) -> None:
    """Require the turns of one episode."""
    ids, real, turn = table_of(solution, [episode], pad_id)
    compare(f"{told(episode)}: the ids of table", ids, [[i for _, tokens in episode for i in tokens]])
    require(bool(real.all()), f"one episode alone has nothing that fills it up: {told(episode)}: real is {show(real)}")
    compare(f"{told(episode)}: the turn of table", turn, [want], [(text, [wrong]) for text, wrong in mistakes])


@worth("5a", 4)
def only_what_the_policy_wrote_has_a_turn(solution, given):
    """The tool's tokens are read and not trained; the policy's turns are counted."""
    episode = segments("user 4 =", "policy [ 4 ] <end>", "tool 1", "policy 1 <end>")
    mistakes = [
        ("the tool's tokens are of a turn", [0, 0, 1, 1, 1, 1, 1, 2, 2]),
        ("all that stands behind the prompt is one turn", [0, 0] + [1] * 7),
        ("all segments are counted, not the policy's alone", [0, 0, 1, 1, 1, 1, 0, 3, 3]),
        ("all segments are counted, not the policy's alone", [0, 0, 2, 2, 2, 2, 0, 4, 4]),
        ("it is a mask, and the turns are not counted", [0, 0, 1, 1, 1, 1, 0, 1, 1]),
        ("turns are counted from 1, not from 0", [0, 0, 0, 0, 0, 0, 0, 1, 1]),
        ("only the last turn has a number", [0, 0, 0, 0, 0, 0, 0, 2, 2]),
        ("only the last turn has a number", [0, 0, 0, 0, 0, 0, 0, 1, 1]),
        ("the end tokens are left out, and the policy drew them", [0, 0, 1, 1, 1, 0, 0, 2, 0]),
        ("the prompt is of a turn", [1, 1, 1, 1, 1, 1, 0, 2, 2]),
    ]
    require_turn(solution, episode, [0, 0, 1, 1, 1, 1, 0, 2, 2], mistakes)


@worth("5a", 2)
def who_wrote_it_is_said_by_its_segment(solution, given):
    """And not by what stands there."""
    echo = segments("user 4", "policy 1 <end>", "tool <end> 1 <end>", "policy <end>")
    mistakes = [("an end token of the tool begins a turn", [0, 1, 1, 0, 0, 0, 4])]
    require_turn(solution, echo, [0, 1, 1, 0, 0, 0, 2], mistakes)
    made_up = segments("user 4", "policy ] 1 3 <end>", "tool 1 3", "policy 1 3 <end>")
    mistakes = [("what the policy wrote is taken for the tool's, for it is the same", [0, 1, 0, 0, 1, 0, 0, 0, 0, 2])]
    require_turn(solution, made_up, [0, 1, 1, 1, 1, 0, 0, 2, 2, 2], mistakes)


@worth("5a", 3)
def a_last_turn_that_was_cut_off(solution, given):
    """It has no end token."""
    episode = segments("user 4", "policy [ <end>", "tool 1", "policy 7 8")
    wants = {"kept": [0, 1, 1, 0, 2, 2], "dropped": [0, 1, 1, 0, 0, 0], "whole": [0] * 6}
    want = wants[given["choices"]["cut"]]
    broken = f"of a turn that was cut off {given['words']['cut']}"
    require_turn(solution, episode, want, [(broken, row) for row in wants.values() if row != want])
    whole = segments("user 4", "policy [ <end>", "tool 1")
    message = "an episode that ends with the tool's words has no turn that was cut off"
    require_turn(solution, whole, [0, 1, 1, 0], [(message, [0] * 4)])


@worth("5a", 3)
def shorter_rows_are_filled_up(solution, given):
    """Two episodes; the number that fills up is the one that is given."""
    episodes = [segments("user 4", "policy 1 <end>"), segments("user 4", "policy 1 <end>", "tool 3", "policy <end>")]
    ids, real, turn = table_of(solution, episodes, 6)

    def filled(row, gap):
        return row + gap if given["choices"]["side"] == "right" else gap + row

    said = f"{told(episodes[0])} beside a row of 5, filled up with token 6 {given['words']['side']}: row 0 of "
    other = {"right": [6, 6, *ids_of("4 1 <end>")], "left": [*ids_of("4 1 <end>"), 6, 6]}[given["choices"]["side"]]
    compare(said + "ids", ids[0], filled(ids_of("4 1 <end>"), [6, 6]), [("it is the other side", other)])
    compare(said + "real", real[0].int(), filled([1, 1, 1], [0, 0]))
    compare(
        said + "turn", turn[0], filled([0, 1, 1], [0, 0]), [("what fills up is of a turn", filled([0, 1, 1], [1, 1]))]
    )


# 5b.


def loss_of(solution, logps, turn: list[list[int]], advantages: list[float]):
    """Return the loss, a tensor with one number."""
    tensors = torch.tensor(turn), torch.tensor(advantages, dtype=torch.float64)
    got = call(solution, "episode_loss", logps, *tensors)
    require(getattr(got, "shape", None) == torch.Size([]), f"the loss must be one number, a tensor, got {show(got)}")
    return got


def doubles(rows) -> torch.Tensor:
    """Make a float64 tensor with a gradient."""
    return torch.tensor(rows, dtype=torch.float64, requires_grad=True)


@worth("5b", 5)
def the_loss_by_hand(solution, given):
    """The example of the handout."""
    example = given["examples"]["loss"]
    got = loss_of(solution, doubles(example["logps"]), example["turn"], example["advantages"])
    compare("the handout's example: episode_loss", got, example["want"], example["mistakes"])


@worth("5b", 5)
def the_holes_can_be_cut_out(solution, given):
    """The same loss and the same gradient, whatever stands in the holes."""
    for turn in ([1, 0], [0, 1], [1, 0, 1], [1, 0, 2], [1, 0, 0, 2, 2], [0, 1, 1, 0, 2, 0]):
        own = [t for t, number in enumerate(turn) if number]
        base = [-0.5 * (t + 1) for t in range(len(turn))]
        cut = doubles([[base[t] for t in own]])
        want = loss_of(solution, cut, [[turn[t] for t in own]], [2.0])
        require(want.requires_grad, f"the loss has no gradient: turn {show([turn[t] for t in own])}, advantage 2")
        (pull,) = torch.autograd.grad(want, cut)
        for hole in (-3.0, -40.0):
            row = doubles([[x if turn[t] else hole for t, x in enumerate(base)]])
            got = loss_of(solution, row, [turn], [2.0])
            said = f"turn {show(turn)}, log-probs {show(row[0])}, advantage 2"
            cut_out = f"with the holes cut out it is {show(want)}"
            require(agree(got, want), f"a hole changes the loss: {said}: episode_loss gives {show(got)}, and {cut_out}")
            (gradient,) = torch.autograd.grad(got, row)
            spread = [[0.0] * len(turn)]
            for t, x in zip(own, pull[0].tolist(), strict=True):
                spread[0][t] = x
            compare(f"a hole changes the gradient: {said}: it", gradient, spread)


@worth("5b", 3)
def an_episode_without_a_turn(solution, given):
    """It adds nothing, and breaks nothing."""
    rows, turn = doubles([[-1.0, -1.0], [-1.0, -1.0]]), [[1, 0], [0, 0]]
    want = 1.0 if given["choices"]["mean"] == "alike" else 0.5
    said = "log-probs of -1, advantages 1 and 1, turn [[1, 0], [0, 0]]: episode_loss"
    mistakes = [
        ("an episode without a turn is one of the B", 1.0),
        ("an episode without a turn has no turn that could be counted", 0.5),
    ]
    compare(said, loss_of(solution, rows, turn, [1.0, 1.0]), want, mistakes)
    got = loss_of(solution, rows, [[0, 0], [0, 0]], [1.0, 1.0])
    require(agree(got, 0.0), f"no token counts, and the loss is {show(got)}, not 0")


# 5c.


class Script:
    """A policy that draws the tokens of a list, then END for ever; it notes what it has read."""

    def __init__(self, tokens: list[int]):
        self.tokens, self.read = tokens, []

    def __call__(self, ids):
        """Return logits, by which one token is certain; asked twice about the same tokens, it says the same."""
        ids = [int(i) for i in ids]
        if not self.read or self.read[-1] != ids:
            self.read.append(ids)
        here = len(self.read) - 1
        logits = torch.full((len(VOCABULARY),), SPARSE)
        logits[self.tokens[here] if here < len(self.tokens) else END] = 0.0
        return logits


class Answers:
    """A tool that gives one answer after the other, and then None; it notes what it is asked."""

    def __init__(self, *answers: str | None):
        self.answers, self.asked = answers, []

    def __call__(self, text):
        """Answer."""
        self.asked.append(text)
        here = len(self.asked) - 1
        return self.answers[here] if here < len(self.answers) else None


def generator(seed: int = 0) -> torch.Generator:
    """Return a source of randomness."""
    return torch.Generator().manual_seed(seed)


def played(solution, policy, prompt: list[int], tool, limit: int, most: int, seed: int = 0) -> tuple:
    """Return the episode as a list of (who, tokens), and the log-probs."""
    got = call(solution, "play", policy, list(prompt), tool, limit, most, generator(seed))
    require(
        isinstance(got, tuple) and len(got) == 2, f"play must be given as an episode and log-probs, got {show(got)}"
    )
    episode, logps = got
    try:
        episode = [(who, [int(i) for i in tokens]) for who, tokens in episode]
    except (TypeError, ValueError):
        require(False, f"an episode must be a list of pairs (who, tokens), got {show(episode)}")
    require(isinstance(logps, list), f"the log-probs must be a list of floats, got {show(logps)}")
    return episode, logps


def require_play(solution, draws: str, prompt: str, answers: list, limit: int, most: int, want: list, **others) -> None:
    """Require the episode in which the policy draws some words; `others`: what a mistake makes of it."""
    script, tool = Script(ids_of(draws)), Answers(*answers)
    got, logps = played(solution, script, ids_of(prompt), tool, limit, most)
    replies = ", ".join("None" if answer is None else repr(answer) for answer in answers) or "None"
    said = f"prompt {prompt}, limit {limit}, most {most}, the policy draws {draws}, the tool answers {replies}"
    known = next((text.replace("_", " ") + ": " for text, wrong in others.items() if got == wrong), "")
    if told(got).replace(" ", "") == told(want).replace(" ", ""):
        known = "it was turned into text and back: "
    require(got == want, f"{known}{said}: play gives {told(got)}, and by the handout it is {told(want)}")
    before = []
    for who, tokens in want:
        for i, token in enumerate(tokens):
            if who == "policy":
                require(bool(script.read), f"the policy is not asked for all of its tokens: {said}")
                read, written = script.read.pop(0), [*before, *tokens[:i]]
                message = f"the policy reads {spell(read)} before {VOCABULARY[token]}, and written is {spell(written)}"
                respelled = spell(read).replace(" ", "") == spell(written).replace(" ", "")
                spelling = "it was turned into text and back: " if respelled else ""
                require(read == written, f"{spelling}{message}: {said}")
        before += tokens
    own = sum(len(tokens) for who, tokens in want if who == "policy")
    require(len(logps) == own, f"{len(logps)} log-probs of {own} tokens that the policy drew: {said}")


@worth("5c", 4)
def an_episode_of_two_turns(solution, given):
    """The policy asks, reads, and answers."""
    want = segments("user 4 + 9 =", "policy [ 4 + 9 ] <end>", "tool 13", "policy 13 <end>")
    require_play(
        solution, "[ 4 + 9 ] <end> 13 <end>", "4 + 9 =", ["13"], 20, 2, want,
        the_tool_is_not_asked=want[:2], the_policy_does_not_go_on=want[:3],
        the_answer_is_not_a_segment_of_the_tool=[want[0], ("policy", want[1][1] + want[2][1] + want[3][1])],
    )  # fmt: skip
    once = segments("user 4 =", "policy 4 <end>")
    require_play(solution, "4 <end> 7 7", "4 =", [None], 20, 2, once)


@worth("5c", 4)
def what_was_drawn_stays_as_it_was(solution, given):
    """There are two ways to write 13 in tokens."""
    want = segments("user 1 3 =", "policy [ 1 3 + 4 9 ] <end>", "tool ?", "policy 1 3 <end>")
    require_play(solution, "[ 1 3 + 4 9 ] <end> 1 3 <end>", "1 3 =", ["?"], 20, 1, want)


def wander(ids):
    """Return the logits of a policy that reads all that came before, and likes to end."""
    total = sum((t + 1) * int(i) for t, i in enumerate(ids))
    logits = torch.tensor([(total + v * v) % 7 / 2 for v in range(len(VOCABULARY))], dtype=torch.float64)
    logits[END] += 2.0
    return logits


@worth("5c", 3)
def log_probs_of_what_it_drew(solution, given):
    """One a token of the policy, in nats, given all that was written before."""
    for seed in range(6):
        episode, logps = played(solution, wander, ids_of("4 ="), lambda text: "1+3", 8, 2, seed)
        before, want, probabilities = [], [], []
        for who, tokens in episode:
            for token in tokens:
                if who == "policy":
                    logp = wander(before).log_softmax(dim=0)[token].item()
                    want.append(logp)
                before.append(token)
        said = f"seed {seed}, {told(episode)}: "
        require(
            len(logps) == len(want),
            f"the tokens of the tool and of the user have no log-prob: {said}{len(logps)} log-probs, and the policy "
            f"wrote {len(want)} tokens",
        )
        probabilities = torch.tensor(want).exp().tolist()
        mistakes = [
            ("these are probabilities, not their logarithms", probabilities),
            ("the sign is the other one", [-x for x in want]),
        ]
        compare(f"{said}the log-probs of play", logps, want, mistakes)


@worth("5c", 2)
def when_it_ends(solution, given):
    """The answers are used up; the tool says nothing; the limit is reached."""
    two = segments("user =", "policy 1 <end>", "tool 7", "policy 2 <end>")
    require_play(solution, "1 <end> 2 <end> 3 <end>", "=", ["7", "8"], 20, 1, two)
    require_play(solution, "1 <end> 2 <end>", "=", ["7"], 20, 0, two[:2], at_most_0_answers_is_one=two)
    silent = segments("user =", "policy 1 <end>", "tool", "policy 2 <end>")
    require_play(
        solution, "1 <end> 2 <end>", "=", [""], 20, 2,
        silent[:2] if given["choices"]["silence"] == "ends" else silent,
    )  # fmt: skip
    long = segments("user =", "policy 1 <end>", "tool 7", "policy 2 3 4")
    end = {"own": 4, "both": 3, "turn": 5}[given["choices"]["limit"]]
    limit = {"own": 4, "both": 4, "turn": 3}[given["choices"]["limit"]]
    want = [*long[:3], ("policy", long[3][1][: end - 2])]
    require_play(solution, "1 <end> 2 3 4 5 6 7", "=", ["7"], limit, 2, want)


# 5d.


def paid(solution, right: list[int], calls: list[int], price: float) -> list[float]:
    """Return the rewards of episodes."""
    got = call(solution, "priced", torch.tensor(right), torch.tensor(calls), price)
    floats = getattr(got, "dtype", torch.int64).is_floating_point
    require(floats and list(got.shape) == [len(right)], f"rewards must be floats [{len(right)}], got {show(got)}")
    return got.tolist()


def prices(right: list[int], calls: list[int], price: float) -> dict[str, list[float]]:
    """Return what each variant pays."""
    rows = list(zip(right, calls, strict=True))
    return {
        "each": [y - price * m for y, m in rows],
        "right": [y - price * m if y else 0.0 for y, m in rows],
        "flat": [y - price if m else float(y) for y, m in rows],
    }


@worth("5d", 4)
def the_price_of_an_episode(solution, given):
    """Right and wrong answers, with no call, one and two."""
    right, calls = [1, 0, 1, 0, 1, 0], [0, 0, 1, 1, 2, 2]
    every = prices(right, calls, 0.25)
    want = every[given["choices"]["price"]]
    mistakes = [(f"it is another price ({given['options']['price'][name]})", row) for name, row in every.items()]
    mistakes.append(("a call is paid for, and it should cost", [2 * y - x for y, x in zip(right, want, strict=True)]))
    said = f"right {show(right)}, calls {show(calls)}, price 0.25: priced"
    compare(said, paid(solution, right, calls, 0.25), want, mistakes)


@worth("5d", 4)
def the_break_even_of_one_call(solution, given):
    """The tool answers always."""
    for straight, copy in ((0.0, 1.0), (0.25, 0.75), (0.5, 0.8), (0.9, 0.6)):
        got = call(solution, "break_even", straight, copy, 0.0, 1)
        require(isinstance(got, int | float), f"a break-even price must be a float, got {show(got)}")
        gain = copy - straight
        want = gain / copy if given["choices"]["price"] == "right" else gain
        mistakes = [
            ("only right answers pay", gain),
            ("wrong answers pay too", gain / copy),
            ("it is the other way round: what asking adds, not what answering at once adds", -gain),
            ("it is the share of what is earned, not the difference", copy / straight if straight else None),
        ]
        known = [(text, wrong) for text, wrong in mistakes if wrong is not None]
        said = f"straight {straight}, copy {copy}, a tool that always answers, one call: break_even"
        compare(said, float(got), want, known)


# 5e.

DIAGNOSES = "deaf endless invented late results retokenized split temperature".split()  # of the handout's list


def diagnosed(letter: str):
    """Make a check that the diagnosis of a recording is a word of the list; whether it is the right one is not told."""

    def check(solution, given):
        words = getattr(solution, "DIAGNOSES", None)
        require(isinstance(words, dict), f"DIAGNOSES must be a dict with a word for a, b and c, got {show(words)}")
        word = words.get(letter)
        require(word in DIAGNOSES, f"DIAGNOSES[{letter!r}] is {word!r}, and must be a word from the list in HANDOUT.md")

    check.__name__ = f"recording_{letter}_has_a_word_from_the_list_and_hidden_checks_look_whether_it_is_right"
    return worth("5e", 1)(check)


a_has_a_word, b_has_a_word, c_has_a_word = map(diagnosed, "abc")
