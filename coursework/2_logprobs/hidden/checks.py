"""The hidden checks of assignment 2, and its oracle in loops."""

import itertools
import math

import torch

from check import agree, call, compare, require, show, worth

NAN = math.nan


# The oracle.


def counted(ids: list[int], prompt: int, ends: list[int], cut: str) -> list[bool]:
    """Read a row from left to right."""
    out, running = [False] * prompt, True
    for token in ids[prompt:]:
        out.append(running)
        running = running and token not in ends
    return [False] * len(ids) if running and cut == "dropped" else out


def logp(logits: list[float], token: int, temperature: float) -> float:
    """Return the log of one entry of a softmax."""
    z = [x / temperature for x in logits]
    top = max(z)
    return z[token] - top - math.log(sum(math.exp(x - top) for x in z))


def softmax(logits: list[float]) -> list[float]:
    """Return probabilities."""
    return [math.exp(logp(logits, v, 1.0)) for v in range(len(logits))]


def pulls(p: list[float], q: list[float], kl: str) -> list[float]:
    """Return the mean gradient on the logits: weight of a token, times one minus its probability, over all tokens.

    The weights are derivatives, by hand, of each estimate with respect to the policy's log-prob: with r = ref / policy,
    r log r - r + 1 has -r log r; with s = 1 / r, s log s - s + 1 has s log s.
    """
    out = [0.0] * len(p)
    for v in range(len(p)):
        r, s = q[v] / p[v], p[v] / q[v]
        weight = {"swapped": -p[v] * r * math.log(r), "reverse": q[v] * s * math.log(s)}[kl]
        for j in range(len(p)):
            out[j] += weight * ((j == v) - p[j])
    return out


def divergence_gradient(p: list[float], q: list[float], to_reference: bool) -> list[float]:
    """Return the gradient of a divergence on the logits, in closed form."""
    if not to_reference:  # KL(ref || policy)
        return [a - b for a, b in zip(p, q, strict=True)]
    kl = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    return [a * (math.log(a / b) - kl) for a, b in zip(p, q, strict=True)]


def examples(given: dict) -> dict:
    """Return the gradient of the public check, and after it what mistakes make of it."""
    p, q, kl = [0.75, 0.25], [0.5, 0.5], given["choices"]["kl"]
    names = {
        name: f"it is that of another estimate ({text})" for name, text in given["options"]["kl"].items() if name != kl
    }
    want = pulls(p, q, kl)
    through = [("the drawing has a gradient: it is that of the divergence", divergence_gradient(p, q, kl == "reverse"))]
    through = [pair for pair in through if not agree(pair[1], want)]
    minus = [("the sign is the other one", [-x for x in want])]
    return {"penalty_gradient": [want, *through, *minus, *((text, pulls(p, q, name)) for name, text in names.items())]}


def seen(row: list, given: dict) -> list:
    """Cut what is about all tokens of a row to what the handout asks for."""
    return row[1:] if given["choices"]["where"] == "before" else row


# The checks.


@worth("2a", 6)
def every_short_row(solution, given):
    """All rows of up to five tokens, with one end token and with two; two rows at a time."""
    for length in range(2, 6):
        for ids in itertools.product((0, 1, 2), repeat=length):
            for ends, prompt in itertools.product(([2], [1, 2]), range(1, length)):
                rows, prompts = [list(ids), [0] * (length - 1) + [2]], [prompt, 1]
                got = call(solution, "loss_mask", torch.tensor(rows), torch.tensor(prompts), ends)
                want = [
                    seen(counted(*row, ends, given["choices"]["cut"]), given) for row in zip(rows, prompts, strict=True)
                ]
                if not agree(got.int(), [[int(x) for x in row] for row in want]):
                    said = f"tokens {show(rows)}, prompts of {show(prompts)}, end tokens {show(ends)}"
                    wanted = [[int(x) for x in row] for row in want]
                    message = f"{said} give {show(got.int())} and not {show(wanted)}"
                    require(False, f"a token counts that should not, or the reverse: {message}")


@worth("2a", 2)
def the_tokens_are_left_as_they_are(solution, given):
    """A mask is made, nothing is written."""
    ids, prompts = torch.tensor([[5, 7, 2, 0], [5, 5, 7, 8]]), torch.tensor([1, 2])
    kept = ids.clone(), prompts.clone()
    call(solution, "loss_mask", ids, prompts, [2])
    require(
        torch.equal(ids, kept[0]) and torch.equal(prompts, kept[1]), f"loss_mask writes into its arguments: {show(ids)}"
    )


def batch(given: dict, seed: int) -> tuple:
    """Return logits [3, 4, 3], ids, and a mask of each kind of row: whole, short, and without a token that counts."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(3, 4, 3, generator=generator, dtype=torch.float64)
    ids = torch.randint(0, 3, (3, 4), generator=generator)
    mask = [[False, True, True, True], [False, False, True, False], [False] * 4]
    return logits, ids, torch.tensor([seen(row, given) for row in mask])


def expected(given: dict, logits, ids, mask, temperature: float) -> list[list[float]]:
    """Score one token after the other."""
    shift = 1 if given["choices"]["where"] == "before" else 0
    out = []
    for i in range(len(ids)):
        row = []
        for t in range(mask.shape[1]):
            token = int(ids[i, t + shift])
            row.append(logp(logits[i, t + shift - 1].tolist(), token, temperature) if mask[i, t] else 0.0)
        out.append(row)
    return out


@worth("2b", 6)
def every_token_and_its_gradient(solution, given):
    """Against a loop; the gradient of a log-prob is one minus the probability, over the temperature."""
    shift = 1 if given["choices"]["where"] == "before" else 0
    for seed, temperature in itertools.product(range(3), (1.0, 0.7, 1.5)):
        logits, ids, mask = batch(given, seed)
        leaf = logits.clone().requires_grad_()
        got = call(solution, "token_logps", leaf, ids, mask, temperature)
        said = f"random logits at temperature {temperature}, mask {show(mask.int())}: "
        compare(said + "token_logps", got, expected(given, logits, ids, mask, temperature))
        require(got.requires_grad, "the log-probs carry no gradient to the logits")
        (gradient,) = torch.autograd.grad(got.sum(), leaf)
        want = torch.zeros_like(logits)
        for i, t in mask.nonzero().tolist():
            at = t + shift - 1
            chances = softmax((logits[i, at] / temperature).tolist())
            for v in range(3):
                want[i, at, v] = ((v == int(ids[i, t + shift])) - chances[v]) / temperature
        compare(said + "the gradient on the logits", gradient, want)


@worth("2b", 5)
def what_is_masked_reaches_nothing(solution, given):
    """Neither a value nor a gradient, be it nan or inf; and a token that is ruled out elsewhere is no harm."""
    logits, ids, mask = batch(given, 0)
    want = expected(given, logits, ids, mask, 1.0)
    full = mask if given["choices"]["where"] == "before" else mask[:, 1:]
    for garbage in (NAN, math.inf):
        dirty = logits.clone()
        dirty[:, :-1][~full] = garbage
        dirty[:, -1] = garbage
        leaf = dirty.requires_grad_()
        got = call(solution, "token_logps", leaf, ids, mask)
        compare(f"what is masked reaches the value: logits of {garbage} there; token_logps", got, want)
        (gradient,) = torch.autograd.grad(got.sum(), leaf)
        require(
            bool(gradient.isfinite().all()),
            f"what is masked reaches the gradient: logits of {garbage} there make it nan; 0 times nan is nan, so put "
            "something harmless in their place before the softmax, not after it",
        )
    ruled_out = torch.tensor([[[0.0, 0.0, -math.inf], [0.0, 0.0, 0.0]]])
    mask = torch.tensor([seen([False, True], given)])
    got = call(solution, "token_logps", ruled_out, torch.tensor([[0, 1]]), mask)
    compare("logits 0, 0 and -inf: token_logps", got, [seen([0.0, -math.log(2)], given)])


@worth("2b", 2)
def half_precision_is_widened(solution, given):
    """A log-prob in 16 bits is wrong in the third digit."""
    logits, ids, mask = batch(given, 1)
    for dtype, want in (
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float64, torch.float64),
    ):
        got = call(solution, "token_logps", logits.to(dtype), ids, mask)
        require(got.dtype == want, f"{dtype} logits give {got.dtype} and not {want}")
        compare(f"{dtype} logits: token_logps", got, expected(given, logits.to(dtype), ids, mask, 1.0))


@worth("2b", 2)
def the_logits_are_left_as_they_are(solution, given):
    """A temperature changes a copy."""
    logits, ids, mask = batch(given, 2)
    kept = logits.clone(), mask.clone()
    call(solution, "token_logps", logits, ids, mask, 2.0)
    require(torch.equal(logits, kept[0]) and torch.equal(mask, kept[1]), "token_logps writes into its arguments")


@worth("2c", 4)
def on_average_for_many_policies(solution, given):
    """Exact, for policies over two to five tokens."""
    for size in (2, 3, 5):
        for seed in range(5):
            generator = torch.Generator().manual_seed(seed)
            p, q = torch.randn(2, size, generator=generator, dtype=torch.float64).softmax(dim=1)
            kl = given["choices"]["kl"]
            a, b = (p, q) if kl == "reverse" else (q, p)
            want = sum(x * math.log(x / y) for x, y in zip(a.tolist(), b.tolist(), strict=True))
            drawn = p if kl == "swapped" else q
            got = (drawn * call(solution, "kl_estimate", p.log(), q.log())).sum().item()
            compare(f"policy {show(p)}, reference {show(q)}: the mean of kl_estimate", got, want)


@worth("2c", 3)
def a_gradient_for_the_policy_alone(solution, given):
    """The reference is a constant."""
    logps, ref_logps = (torch.tensor([[-1.0, -2.0]], requires_grad=True) for _ in range(2))
    got = call(solution, "kl_estimate", logps + torch.tensor([[0.5, -0.5]]), ref_logps)
    require(got.shape == (1, 2), f"an estimate a token: log-probs [1, 2] give {list(got.shape)}")
    require(got.requires_grad, "no gradient flows to the policy")
    own, other = torch.autograd.grad(got.sum(), (logps, ref_logps), allow_unused=True)
    require(own is not None and bool((own != 0).all()), "no gradient flows to the policy")
    require(other is None or bool((other == 0).all()), "a gradient flows to the reference, which is a constant")


@worth("2c", 3)
def of_rare_tokens(solution, given):
    """Log-probs are subtracted; a quotient of two exponentials is 0 / 0 here."""
    for logp_, ref in ((-200.0, -201.0), (-900.0, -902.0)):
        got = call(solution, "kl_estimate", *(torch.tensor([x], dtype=torch.float64) for x in (logp_, ref)))
        d = logp_ - ref
        r, s = math.exp(-d), math.exp(d)
        want = {"swapped": -d * r - r + 1, "reverse": d * s - s + 1}[given["choices"]["kl"]]
        compare(
            f"log-probs are subtracted before anything else: {logp_} and {ref}, differing by {d}: kl_estimate",
            got,
            [want],
        )


@worth("2d", 9)
def the_exact_mean_gradient(solution, given):
    """Against a sum over all tokens."""
    for size in (2, 3, 5):
        for seed in range(4):
            generator = torch.Generator().manual_seed(seed)
            z, ref = 1.5 * torch.randn(2, size, generator=generator, dtype=torch.float64)
            got = call(solution, "penalty_gradient", z, ref)
            want = pulls(softmax(z.tolist()), softmax(ref.tolist()), given["choices"]["kl"])
            compare(
                f"a token weighs as much as it is drawn: logits {show(z)} and {show(ref)}: penalty_gradient", got, want
            )


@worth("2d", 2)
def it_leaves_no_trace(solution, given):
    """A gradient is returned, not stored in what came in."""
    z = torch.tensor([1.0, 0.0], requires_grad=True)
    got = call(solution, "penalty_gradient", z, torch.zeros(2))
    require(
        z.grad is None and not got.requires_grad,
        "penalty_gradient stores a gradient in its argument, or returns one that goes on",
    )


@worth("2d", 3)
def whether_it_is_that_of_the_divergence(solution, given):
    """SAME."""
    value, kl = getattr(solution, "SAME", None), given["choices"]["kl"]
    p, q = [0.2, 0.3, 0.5], [0.6, 0.3, 0.1]
    want = agree(pulls(p, q, kl), divergence_gradient(p, q, kl == "reverse"))
    require(isinstance(value, bool), f"SAME is {value!r}, and not yet True or False")
    message = (
        f"SAME is {value}: differentiate the divergence for a policy of three tokens, and compare with penalty_gradient"
    )
    require(value == want, message)
