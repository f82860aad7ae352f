"""The public checks of assignment 3. A check raises Broken with the property that does not hold, or returns."""

from pathlib import Path

import torch

from check import Broken, agree, call, cannot_be_run, compare, load, require, show, worth


def tensor(rows):
    """Make a float64 tensor: small numbers are compared closely."""
    return torch.tensor(rows, dtype=torch.float64)


@worth("3a", 5)
def the_ratio_by_hand(solution, given):
    """The example of the handout."""
    example = given["examples"]["ratios"]
    logps, old, mask = tensor(example["logps"]), tensor(example["old_logps"]), torch.tensor(example["mask"])
    got = call(solution, "ratios", logps, old, mask)
    said = f"ratios(logps {show(logps)}, old_logps {show(old)}, mask {show(mask.int())})"
    compare(said, got, example["want"], example["mistakes"])


@worth("3a", 4)
def old_log_probs_are_constants(solution, given):
    """They are a record; only the policy moves."""
    logps, old = (tensor([[-1.0, -2.0]]).requires_grad_() for _ in range(2))
    mask = torch.tensor([[True, True]])
    for told, said in ((old, "old_logps equal to logps"), (None, "old_logps None")):
        got = call(solution, "ratios", logps, told, mask)
        require(agree(got, [[1.0, 1.0]]), f"before the policy has moved every ratio is 1: {said} gives {show(got)}")
        require(got.requires_grad, f"a ratio of 1 has a gradient too: {said} gives ratios without one")
        own, other = torch.autograd.grad(got.sum(), (logps, old), allow_unused=True)
        require(
            agree(own.sum(), 2.0), f"a ratio of 1 has a slope of 1: {said} gives a gradient of {show(own)} on logps"
        )
        require(other is None, "a gradient flows to old_logps, which are a record of the past")


@worth("3b", 8)
def the_six_cases(solution, given):
    """Good and bad completions, a ratio below the bounds, within, above: value and slope."""
    for case in given["examples"]["cases"]:
        ratio = tensor([[case["ratio"]]]).requires_grad_()
        got = call(solution, "clipped_objective", ratio, tensor([case["advantage"]]), case["low"], case["high"])
        said = (
            f"advantage {show(case['advantage'])}, ratio {show(case['ratio'])}, low {case['low']}, high {case['high']}"
        )
        compare(f"{said}: clipped_objective", got, [[case["value"]]], case["values"])
        slope = torch.autograd.grad(got.sum(), ratio)[0] if got.requires_grad else tensor([[0.0]])
        compare(f"{said}: the slope of clipped_objective", slope, [[case["slope"]]], case["slopes"])


@worth("3b", 4)
def an_advantage_belongs_to_a_completion(solution, given):
    """With as many tokens as completions, rows and columns are easily mixed up."""
    got = call(solution, "clipped_objective", tensor([[1.0, 1.0], [1.0, 1.0]]), tensor([1.0, -1.0]), 0.2, 0.2)
    mistakes = [("advantages are laid along the tokens: [B] meets [B, T] from the right", [[1.0, -1.0], [1.0, -1.0]])]
    compare("advantages 1 and -1, all ratios 1: clipped_objective", got, [[1.0, 1.0], [-1.0, -1.0]], mistakes)


def loss_of(solution, logps, old, advantages, mask, low=0.2, high=0.2):
    """Return the loss and the clipped share."""
    got = call(solution, "policy_loss", logps, old, advantages, mask, low, high)
    require(
        isinstance(got, tuple) and len(got) == 2, f"policy_loss returns two things, a loss and a share, got {show(got)}"
    )
    require(getattr(got[0], "shape", None) == torch.Size([]), f"the loss is one number, a tensor, got {show(got[0])}")
    return got


@worth("3c", 6)
def the_loss_by_hand(solution, given):
    """The example of the handout: two completions of unequal length."""
    example = given["examples"]["loss"]
    logps, old, mask = tensor(example["logps"]), tensor(example["old_logps"]), torch.tensor(example["mask"])
    loss, _ = loss_of(solution, logps, old, tensor(example["advantages"]), mask)
    compare("the loss of the handout's example: policy_loss", loss, example["want"], example["mistakes"])


@worth("3c", 4)
def the_step_goes_the_right_way(solution, given):
    """Against the gradient, a good completion becomes likelier and a bad one rarer, from the first update on."""
    logps = tensor([[-1.0, -1.0], [-1.0, -1.0]]).requires_grad_()
    loss, _ = loss_of(solution, logps, None, tensor([1.0, -1.0]), torch.ones(2, 2, dtype=torch.bool))
    require(loss.requires_grad, "the loss has no gradient on-policy: exp(logps - logps.detach()) is 1 and has a slope")
    (gradient,) = torch.autograd.grad(loss, logps)
    signs = (-gradient).sign().int().tolist()
    said = f"advantages 1 and -1, on-policy: a step moves the log-probs by the signs {show(signs)}"
    require(bool((gradient != 0).all()), f"a loss of 0 need not have a gradient of 0: {said}")
    require(signs == [[1, 1], [-1, -1]], f"the step goes the wrong way, or is not a completion's: {said}")


@worth("3c", 3)
def a_completion_without_tokens(solution, given):
    """It adds nothing, and breaks nothing."""
    mask = torch.tensor([[True, False], [False, False]])
    logps = tensor([[-1.0, -1.0], [-1.0, -1.0]]).requires_grad_()
    loss, share = loss_of(solution, logps, None, tensor([1.0, 1.0]), mask)
    want = {"sqrt": -0.5, "spoken": -1.0, "longest": -0.5}[given["choices"]["average"]]
    compare(
        "a completion without tokens adds nothing: two of advantage 1, with one token and with none: policy_loss",
        loss,
        want,
    )
    loss, share = loss_of(solution, logps, None, tensor([1.0, 1.0]), mask & False)
    require(
        agree([loss, share], [0.0, 0.0]), f"no token counts: loss and share are {show(loss)} and {show(share)}, not 0"
    )


def script(solution, letter: str):
    """Load a script of the hunt, from beside the hand-in."""
    path = Path(solution.__file__).resolve().parent / f"hunt_{letter}.py"
    require(path.is_file(), f"there is no {path.name} beside solution.py")
    try:
        return load(path, path.stem)
    except Exception as error:
        raise Broken(cannot_be_run(path, error)) from error


def require_run(solution, letter: str, want: list[dict]) -> None:
    """Require that a script measures what the sound one does."""
    got = call(script(solution, letter), "train", 0, len(want))
    require(len(got) == len(want), f"a run of {len(want)} steps gives {len(got)} records")
    for step, (mine, sound) in enumerate(zip(got, want, strict=True), start=1):
        for name, value in sound.items():
            if not agree(mine.get(name, torch.nan), value, 1e-3):
                said = f"{name!r} is {show(mine.get(name))} in step {step} of seed 0, and {show(value)} in a sound run"
                raise Broken(f"hunt_{letter}.py is not sound yet: {said}")


def repaired(letter: str):
    """Make a check of a script."""

    def check(solution, given):
        require_run(solution, letter, given["examples"]["runs"]["0"])

    check.__name__ = f"hunt_{letter}_is_repaired"
    return worth("3" + chr(ord(letter) + 3), 2)(check)


DIAGNOSES = (
    "end fresh gradient greedy groups leash max padding rate reference seed sign temperature truth".split()
)  # of the handout's list


def diagnosed(letter: str):
    """Make a check that the diagnosis of a script is a word of the list; whether it is the right one is not told."""

    def check(solution, given):
        word = getattr(script(solution, letter), "DIAGNOSIS", "")
        message = f"DIAGNOSIS in hunt_{letter}.py is {word!r}, and must be a word from the list in HANDOUT.md"
        require(word in DIAGNOSES, message)

    check.__name__ = f"hunt_{letter}_has_a_word_from_the_list_and_hidden_checks_look_whether_it_is_right"
    return worth("3" + chr(ord(letter) + 3), 1)(check)


a_is_diagnosed, b_is_diagnosed, c_is_diagnosed, d_is_diagnosed, e_is_diagnosed = map(diagnosed, "abcde")
a_is_repaired, b_is_repaired, c_is_repaired, d_is_repaired, e_is_repaired = map(repaired, "abcde")
