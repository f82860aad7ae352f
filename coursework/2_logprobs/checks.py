"""The public checks of assignment 2. A check raises Broken with the property that does not hold, or returns."""

import math

import torch

from check import agree, call, compare, require, show, worth


def seen(row: list[int], given: dict) -> list[int]:
    """Cut what is about all tokens of a row to what the handout asks for."""
    return row[1:] if given["choices"]["where"] == "before" else row


def mask_of(solution, given: dict, ids: list[int], prompt: int, ends: list[int]) -> list[int]:
    """Return the mask of one row as 0 and 1."""
    got = call(solution, "loss_mask", torch.tensor([ids]), torch.tensor([prompt]), ends)
    require(
        getattr(got, "dtype", None) == torch.bool, f"a mask is a bool tensor, got {getattr(got, 'dtype', type(got))}"
    )
    width = len(seen(ids, given))
    require(list(got.shape) == [1, width], f"the mask of {len(ids)} tokens must be [1, {width}], got {list(got.shape)}")
    return got[0].int().tolist()


PLACES = {
    "prompt": "a token of the prompt counts",
    "completion": "a token of the completion does not count",
    "end": "the end token itself is left out",
    "after": "what comes after the first end token counts",
}


def require_mask(solution, given, ids: list[int], prompt: int, ends: list[int], want: list[int], **messages) -> None:
    """Require the mask of one row; what is said of a mistake depends on where it stands, see PLACES."""
    got, want = mask_of(solution, given, ids, prompt, ends), seen(want, given)
    end = next((t for t in range(prompt, len(ids)) if ids[t] in ends), len(ids))
    places = ["prompt" if t < prompt else "completion" if t < end else "after" for t in range(len(ids))]
    places[end : end + 1] = ["end"] * (end < len(ids))
    first = next((place for place, a, b in zip(seen(places, given), got, want, strict=True) if a != b), "end")
    said = f"tokens {show(ids)}, of which {prompt} are prompt, end tokens {show(ends)}"
    require(got == want, f"{(PLACES | messages)[first]}: {said} give {show(got)} and not {show(want)}")


@worth("2a", 4)
def the_prompt_does_not_count(solution, given):
    """Nor does an end token in the prompt end anything."""
    require_mask(solution, given, [5, 5, 7, 2], 2, [2], [0, 0, 1, 1])
    message = "an end token in the prompt ends the completion"
    require_mask(solution, given, [5, 2, 7, 2], 2, [2], [0, 0, 1, 1], completion=message)


@worth("2a", 5)
def the_end_token_counts(solution, given):
    """A model that is not trained on it never learns to stop."""
    require_mask(solution, given, [5, 7, 2, 0], 1, [2], [0, 1, 1, 0])
    message = "the end token is left out where it is also the padding"
    require_mask(solution, given, [5, 7, 2, 2], 1, [2], [0, 1, 1, 0], end=message)
    message = "the end token is left out where it is all of the completion"
    require_mask(solution, given, [5, 2, 2], 1, [2], [0, 1, 0], end=message)


@worth("2a", 4)
def what_comes_after_the_end_does_not_count(solution, given):
    """Whatever stands there, a second end token too."""
    require_mask(solution, given, [5, 2, 7], 1, [2], [0, 1, 0])
    require_mask(solution, given, [5, 7, 2, 9, 2], 1, [2], [0, 1, 1, 0, 0])
    message = "one of the end tokens is not looked for"
    require_mask(solution, given, [5, 7, 3, 9], 1, [2, 3], [0, 1, 1, 0], after=message)


@worth("2a", 4)
def a_completion_that_was_cut_off(solution, given):
    """It has no end token."""
    counts = int(given["choices"]["cut"] == "kept")
    message = f"of a completion without an end token {given['words']['cut']}"
    require_mask(solution, given, [5, 7, 8], 1, [2], [0, counts, counts], completion=message)


def logps_of(solution, given, logits, ids: list[int], mask: list[int], temperature: float = 1.0):
    """Return the log-probs of one row."""
    mask = torch.tensor([seen(mask, given)], dtype=torch.bool)
    got = call(solution, "token_logps", logits[None], torch.tensor([ids]), mask, temperature)
    require(
        got.shape == mask.shape, f"log-probs have the shape of the mask: {list(mask.shape)} gives {list(got.shape)}"
    )
    return got[0]


@worth("2b", 6)
def the_logits_before_a_token_predict_it(solution, given):
    """The logits at position t are about token t + 1."""
    p = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [0.6, 0.3, 0.1]])
    want = seen([0, math.log(0.25), math.log(0.7)], given)
    own = seen([0, math.log(0.2), math.log(0.1)], given)
    got = logps_of(solution, given, p.log(), [0, 1, 2], [0, 1, 1])
    places = (p.log().log_softmax(dim=0)[0, 1].item(), p.log().log_softmax(dim=0)[1, 2].item())
    shorter = (p.log()[:-1].log_softmax(dim=0)[0, 1].item(), p.log()[:-1].log_softmax(dim=0)[1, 2].item())
    mistakes = [
        ("the logits at a token's own position are read, and they have seen the token", own),
        ("these are probabilities, not their logarithms", seen([0, 0.25, 0.7], given)),
        ("the softmax is taken over the positions, not over the vocabulary", seen([0, *places], given)),
        ("the softmax is taken over the positions, not over the vocabulary", seen([0, *shorter], given)),
    ]
    compare(
        f"probabilities {show(p)} at three positions, tokens 0, 1, 2, of which the first is prompt: token_logps",
        got,
        want,
        mistakes,
    )


@worth("2b", 5)
def temperature_comes_before_the_softmax(solution, given):
    """Logits are divided by it, not log-probs."""
    logits, late = torch.tensor([[0.0, 2.0], [0.0, 0.0]]), math.log(1 / (1 + math.exp(2))) / 2
    want = math.log(1 / (1 + math.exp(1)))
    mistakes = [
        ("the log-probs are divided by the temperature, not the logits", seen([0, late], given)),
        ("the temperature is not used", seen([0, 2 * late], given)),
        ("the logits are multiplied by the temperature", seen([0, math.log(1 / (1 + math.exp(4)))], given)),
    ]
    got = logps_of(solution, given, logits, [1, 0], [0, 1], temperature=2.0)
    compare(
        "logits 0 and 2, the first token is drawn at temperature 2: token_logps", got, seen([0, want], given), mistakes
    )


@worth("2b", 4)
def nothing_is_said_outside_of_the_mask(solution, given):
    """Exactly 0 where a token does not count."""
    got = logps_of(solution, given, torch.zeros(4, 2), [0, 1, 1, 0], [0, 1, 0, 0]).tolist()
    want = seen([0, -math.log(2), 0, 0], given)
    compare("what does not count is exactly 0: four tokens, of which the second counts: token_logps", got, want)


def policies() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return pairs of policy and reference over two tokens, then over three; as probabilities."""
    pairs = [([0.5, 0.5], [0.75, 0.25]), ([0.9, 0.1], [0.5, 0.5]), ([0.2, 0.3, 0.5], [0.6, 0.3, 0.1])]
    return [(torch.tensor(p, dtype=torch.float64), torch.tensor(q, dtype=torch.float64)) for p, q in pairs]


@worth("2c", 3)
def where_both_agree_it_is_0(solution, given):
    """A token that both find equally likely says nothing."""
    logps = torch.tensor([-0.5, -3.0])
    got = call(solution, "kl_estimate", logps, logps)
    require(
        agree(got, [0.0, 0.0], 1e-6), f"log-probs {show(logps)} under both: kl_estimate gives {show(got)} and not 0"
    )


@worth("2c", 5)
def it_is_never_negative(solution, given):
    """Whichever of the two finds a token likelier."""
    for difference in (0.1, -0.1, 1.0, -1.0, 3.0, -3.0):
        logps, ref_logps = (torch.tensor([x], dtype=torch.float64) for x in (-4.0 + difference, -4.0))
        [got] = call(solution, "kl_estimate", logps, ref_logps).tolist()
        said = f"log-prob {show(logps.item())} under the policy, {show(ref_logps.item())} under the reference"
        require(got > 0, f"an estimate is negative or 0 where both differ: {said}: {show(got)}")


def mean_estimate(solution, given, p, q) -> float:
    """Return the mean of the estimates over what is drawn."""
    drawn = p if given["choices"]["kl"] == "swapped" else q
    return (drawn * call(solution, "kl_estimate", p.log(), q.log())).sum().item()


def require_mean(solution, given, p, q) -> None:
    """Require that the estimates are right on average; if they are those of something else, say of what."""
    to_ref, to_policy = ((a * (a / b).log()).sum().item() for a, b in ((p, q), (q, p)))
    want, other = (to_ref, to_policy) if given["choices"]["kl"] == "reverse" else (to_policy, to_ref)
    sampler = "policy" if given["choices"]["kl"] == "swapped" else "reference"
    squares = (((p if sampler == "policy" else q) * (p / q).log() ** 2).sum() / 2).item()
    got = mean_estimate(solution, given, p, q)
    d, drawn = (p / q).log(), p if sampler == "policy" else q
    mistakes = [
        ("it is the divergence the other way round", other),
        ("it is half the squared log-ratio, k2", squares),
        ("it is the size of the log-ratio", (drawn * d.abs()).sum().item()),
        ("it is k3 of the lesson, which is for other tokens", (drawn * ((-d).exp() + d - 1)).sum().item()),
    ]
    said = f"policy {show(p)}, reference {show(q)}: the mean of kl_estimate over tokens that the {sampler} draws"
    compare(said, got, want, mistakes)


@worth("2c", 7)
def it_is_right_on_average(solution, given):
    """Summed over all tokens, each as often as it is drawn."""
    for p, q in policies():
        require_mean(solution, given, p, q)


@worth("2d", 6)
def the_gradient_by_hand(solution, given):
    """A policy of 3/4 and 1/4, a reference that tosses a coin."""
    got = call(solution, "penalty_gradient", torch.tensor([math.log(3), 0.0]), torch.zeros(2))
    want, *others = given["examples"]["penalty_gradient"]
    compare("policy 3/4 and 1/4, reference 1/2 and 1/2: penalty_gradient", got, want, others)
