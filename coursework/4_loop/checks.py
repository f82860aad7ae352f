"""The public checks of assignment 4. A check raises Broken with the property that does not hold, or returns."""

import json
from pathlib import Path

import torch

from check import Broken, agree, call, compare, require, show, worth


class Table(torch.nn.Module):
    """A policy that looks at the last token alone: row v of `logits` is about what follows token v."""

    def __init__(self, logits):
        super().__init__()
        self.logits = torch.nn.Parameter(torch.tensor(logits, dtype=torch.float64))

    def forward(self, ids):
        """Return logits [B, L, V]."""
        return self.logits[ids]


def drawn_rows(solution, seed: int) -> tuple[list, list]:
    """Return the training rows and the held-out rows."""
    got = call(solution, "rows", seed)
    require(isinstance(got, tuple) and len(got) == 2, f"rows returns two lists, for training and held out, got {got!r}")
    return got


@worth("4a", 2)
def a_row_is_a_prompt_and_its_truth(solution, given):
    """Texts that the policy can read and write."""
    for some in drawn_rows(solution, 0):
        for row in some:
            pair = isinstance(row, tuple | list) and len(row) == 2 and all(isinstance(x, str) and x for x in row)
            require(pair, f"a row is two texts, a prompt and its truth, got {row!r}")
            unknown = set(row[0] + row[1]) - set(solution.LETTERS)
            require(not unknown, f"the row {row!r} has {unknown}, which is not one of LETTERS")
            room = solution.LENGTH - 1
            require(len(row[1]) <= room, f"the truth of {row!r} does not fit: LENGTH leaves {room} letters and the end")


@worth("4a", 5)
def no_prompt_is_in_both(solution, given):
    """What is held out was never trained on."""
    for seed in range(3):
        learn, held_out = drawn_rows(solution, seed)
        both = {prompt for prompt, _ in learn} & {prompt for prompt, _ in held_out}
        require(
            not both,
            f"a leak: with seed {seed} {len(both)} of the held-out prompts are trained on too, "
            f"{show(sorted(both)[:3])} for example; accuracy on them says what was learnt by heart",
        )


@worth("4a", 2)
def at_least_fifty_prompts_are_held_out(solution, given):
    """A share of few is known badly; and one answer must not be right for most."""
    learn, held_out = drawn_rows(solution, 0)
    require(len(learn) > 0, "there are no training rows")
    prompts = len({prompt for prompt, _ in held_out})
    require(
        prompts >= 50, f"{prompts} different prompts are held out: at least 50, since of 10 a share is known to 0.1"
    )
    truths = [truth for _, truth in held_out]
    often = max(truths.count(truth) for truth in set(truths))
    require(2 * often <= len(truths), f"{often} of {len(truths)} held-out prompts have one truth: always that is right")


@worth("4a", 4)
def the_truth_is_paid(solution, given):
    """1 for the truth of each held-out row, and less for nothing at all."""
    for prompt, truth in drawn_rows(solution, 0)[1]:
        got = call(solution, "reward", truth, truth)
        require(got == 1, f"the truth earns 1: reward({truth!r}, {truth!r}) is {show(got)}, the prompt is {prompt!r}")
        got = call(solution, "reward", "", truth)
        require(0 <= got <= 0.5, f"nothing earns from 0 to 0.5: reward('', {truth!r}) is {show(got)}")


def updated(solution, batch: dict, clutter: float = 0.0) -> list:
    """Return the table after `update`, beginning with a gradient that somebody left behind."""
    policy, mask = Table(batch["logits"]), torch.tensor(batch["mask"])
    policy.logits.grad = torch.ones_like(policy.logits)
    optimizer = torch.optim.SGD(policy.parameters(), batch["rate"], momentum=batch["momentum"])
    old = torch.tensor(batch["old_logps"], dtype=torch.float64).masked_fill(~mask, clutter)
    rewards = torch.tensor(batch["rewards"], dtype=torch.float64)
    call(solution, "update", policy, optimizer, torch.tensor(batch["ids"]), mask, old, rewards, batch["group"])
    return policy.logits.tolist()


@worth("4b", 3)
def what_earns_more_becomes_likelier(solution, given):
    """Two prompts, two completions of one token each."""
    one = {"logits": [[0.0, 0.0]] * 2, "ids": [[0, 0], [0, 1], [0, 1], [0, 0]], "mask": [[False, True]] * 4}
    one |= {"old_logps": [[0.0, -0.7]] * 4, "rewards": [0.0, 1.0, 1.0, 0.0], "group": 2, "rate": 0.1, "momentum": 0.0}
    [bad, good] = updated(solution, one)[0]
    require(
        good > bad, f"token 1 earns 1 and token 0 earns 0: an update turns the logits 0, 0 into {show([bad, good])}"
    )


@worth("4b", 11)
def the_weights_after_a_batch(solution, given):
    """A batch of two prompts, drawn by a policy that has moved since, against a loop over its tokens."""
    example = given["examples"]["update"]
    got = updated(solution, example["batch"])
    said = f"after a batch of two prompts with rewards {show(example['batch']['rewards'])}, group 2, update"
    compare(said, got, example["want"], example["mistakes"])


def stored_runs(solution) -> list[dict]:
    """Read runs.jsonl from beside the hand-in."""
    path = Path(solution.__file__).resolve().parent / "runs.jsonl"
    require(path.is_file(), "runs.jsonl is not written yet, beside solution.py")
    try:
        runs = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except ValueError as error:
        raise Broken(f"runs.jsonl cannot be read: {error}; it has one JSON object a line") from error
    require(len(runs) > 0, "runs.jsonl is not written yet: it is empty")
    for number, run in enumerate(runs, start=1):
        for key, kind in (("setting", str), ("seed", int), ("settings", dict), ("curve", list)):
            require(
                isinstance(run.get(key), kind), f"line {number} of runs.jsonl has no {key!r} that is a {kind.__name__}"
            )
    return runs


@worth("4c", 4)
def the_curves_can_be_read(solution, given):
    """A record a step, and shares between 0 and 1."""
    for run in stored_runs(solution):
        which = f"the run of {run['setting']!r} with seed {run['seed']}"
        steps = [record.get("step") for record in run["curve"]]
        require(steps == list(range(1, len(steps) + 1)), f"{which}: steps go 1, 2, 3 and so on, got {show(steps)}")
        require(len(steps) >= 10, f"{which} has {len(steps)} steps: a curve has at least 10")
        for record in run["curve"]:
            for name in ("reward", "accuracy", "logp"):
                value, lower, upper = record.get(name), -50.0 if name == "logp" else 0.0, 0.0 if name == "logp" else 1.0
                inside = isinstance(value, int | float) and lower <= value <= upper
                require(inside, f"{which}: {name!r} is {value!r} at step {record['step']}, not from {lower} to {upper}")


@worth("4c", 4)
def two_settings_of_four_seeds(solution, given):
    """One knob differs, and each setting was run with the same seeds."""
    settings, runs = getattr(solution, "SETTINGS", None), stored_runs(solution)
    require(isinstance(settings, dict) and len(settings) == 2, f"SETTINGS must be of two settings, got {settings!r}")
    first, second = settings.values()
    knobs = sorted(name for name in first | second if first.get(name) != second.get(name))
    require(
        len(knobs) == 1, f"the settings must be different in one knob, or nobody knows which one did it: {show(knobs)}"
    )
    for run in runs:
        said = f"runs.jsonl says that {run['setting']!r} is {run['settings']}"
        require(settings.get(run["setting"]) == run["settings"], f"{said}, SETTINGS {settings.get(run['setting'])}")
    seeds = {name: sorted(run["seed"] for run in runs if run["setting"] == name) for name in settings}
    for name, own in seeds.items():
        require(len(set(own)) == len(own), f"a seed is counted twice: {name!r} was run with the seeds {own}")
        require(len(own) >= 4, f"{name!r} was run with the seeds {own}: at least four, or luck is taken for a result")
    require(len({tuple(own) for own in seeds.values()}) == 1, f"both settings get the same seeds: {seeds}")
    lengths = {len(run["curve"]) for run in runs}
    require(len(lengths) == 1, f"all runs have the same number of steps, got {sorted(lengths)}")


def require_rerun(solution, run: dict, state: int) -> None:
    """Require that two steps give the numbers of runs.jsonl, whatever random numbers were drawn before."""
    torch.manual_seed(state)
    got = call(solution, "train", run["setting"], run["seed"], steps=2)
    require(isinstance(got, list) and len(got) == 2, f"train with steps=2 gives two records, got {show(got)}")
    for mine, stored in zip(got, run["curve"], strict=False):
        for name in ("step", "reward", "logp", "accuracy"):
            said = f"{name!r} of step {stored['step']}, {run['setting']!r} with seed {run['seed']}"
            require(
                agree(mine.get(name, torch.nan), stored[name], 1e-3),
                f"a rerun gives other numbers: {said} is {show(mine.get(name))} now and {show(stored[name])} in "
                "runs.jsonl; the code or a setting has changed since, or not every random number comes from the seed",
            )


@worth("4c", 5)
def two_steps_again(solution, given):
    """The first run of each setting."""
    runs = stored_runs(solution)
    for name in dict.fromkeys(run["setting"] for run in runs):
        require_rerun(solution, next(run for run in runs if run["setting"] == name), state=1)


@worth("4d", 8)
def the_interval_by_hand(solution, given):
    """The example of the handout: four seeds."""
    example = given["examples"]["interval"]
    got = call(solution, "interval", example["first"], example["second"])
    said = f"interval({show(example['first'])}, {show(example['second'])})"
    compare(said, list(got), example["want"], example["mistakes"], 1e-3)


@worth("4d", 2)
def one_seed_has_no_interval(solution, given):
    """Nothing is known of the spread."""
    try:
        got = call(solution, "interval", [0.5], [0.6])
    except Broken as error:
        if "raises" not in str(error):  # it is not there yet
            raise
        require("raises ValueError" in str(error), f"one seed is a ValueError that says so: {error}")
    else:
        raise Broken(f"interval([0.5], [0.6]) gives {show(got)}: one seed has no interval, so raise a ValueError")


@worth("4d", 1)
def the_result_is_three_numbers(solution, given):
    """The difference lies between its ends."""
    result = getattr(solution, "RESULT", None)
    numbers = isinstance(result, tuple | list) and len(result) == 3 and all(isinstance(x, int | float) for x in result)
    require(numbers, f"RESULT must be three numbers, got {result!r}")
    require(result[1] <= result[0] <= result[2], f"RESULT must be (difference, low, high), got {result!r}")
