"""The public checks of assignment 1. A check raises Broken with the property that does not hold, or returns."""

import torch

from check import call, compare, require, show, worth


def paid(solution, text: str, truth: int) -> float:
    """Return the reward of one completion."""
    [reward] = call(solution, "answer_reward", [text], [truth])
    return reward


@worth("1a", 4)
def a_sign_is_read(solution, given):
    """-7 is not 7."""
    for text, truth, want in (("-7", 7, 0), ("-7", -7, 1), ("7", -7, 0), ("+7", 7, 1)):
        got = paid(solution, f"<answer>{text}</answer>", truth)
        require(got == want, f"the sign is not read: {text!r} where {truth} is right earns {show(got)} and not {want}")


@worth("1a", 4)
def a_truth_elsewhere_earns_nothing(solution, given):
    """Only the answer counts, not the rest of the text, and the whole of it."""
    for text in ("<think>7</think><answer>9</answer>", "<answer>17</answer>", "7 <answer>8</answer> 7"):
        got = paid(solution, text, 7)
        require(
            got == 0, f"the truth is found anywhere in the text: {text!r} earns {show(got)} where 7 is right, not 0"
        )


@worth("1a", 4)
def numbers_are_compared_and_not_texts(solution, given):
    """Spaces, line breaks and leading zeros do not change a number."""
    for text in (" 7 ", "\n7\n", "007", "\t-0"):
        truth = int(text)
        got = paid(solution, f"<think>so\nso</think>\n<answer>{text}</answer>", truth)
        require(
            got == 1, f"texts are compared, not numbers: the answer {text!r} earns {show(got)} where {truth} is right"
        )


@worth("1a", 4)
def several_answers(solution, given):
    """Of several answers the one counts that the handout names."""
    which, none = given["choices"]["which"], float(given["words"]["unreadable"])
    for first, last in ((7, 9), (9, 7), (7, 7)):
        want = none if which == "only" else float((first if which == "first" else last) == 7)
        text = f"<answer>{first}</answer> no, <answer>{last}</answer>"
        got = paid(solution, text, 7)
        rule = f"of several answers {given['words']['which']}"
        require(got == want, f"{rule}: {text!r} earns {show(got)} where 7 is right, not {want}")


@worth("1a", 4)
def nothing_to_read(solution, given):
    """What is no answer costs what the handout says; a wrong answer costs nothing."""
    none = float(given["words"]["unreadable"])
    for text in ("", "7", "<answer>7", "<answer></answer>", "<answer>seven</answer>", "<answer>7 8</answer>"):
        got = paid(solution, text, 7)
        require(got == none, f"there is no answer to read in {text!r}: it earns {show(got)} and not {none}")
    got = call(solution, "answer_reward", [], [])
    require(got == [], f"no completions give no rewards: [] gives {show(got)}")


@worth("1b", 5)
def a_weight_belongs_to_its_function(solution, given):
    """Weight k multiplies function k, the first axis of the rewards."""
    rewards = torch.tensor([[[1.0]], [[0.0]]])  # two functions, one completion of one prompt
    for weights in ([2.0, 1.0], [1.0, 3.0]):
        want = weights[0] / sum(weights) if given["choices"]["missing"] == "rest" else weights[0]
        got = call(solution, "total_reward", rewards, weights)
        require(tuple(got.shape) == (1, 1), f"the total must be [G, N]: rewards [2, 1, 1] give {list(got.shape)}")
        reason = f"a weight belongs to its function: functions that pay 1 and 0, weights {show(weights)},"
        compare(reason, got, [[want]])


@worth("1b", 5)
def totals_by_hand(solution, given):
    """Three functions, one of which could not judge everything."""
    for example in given["examples"]["total_reward"]:
        rewards, weights = torch.tensor(example["rewards"]), example["weights"]
        got = call(solution, "total_reward", rewards, weights)
        what = f"total_reward({show(rewards)}, {show(weights)})"
        compare(what, got, example["want"], example["mistakes"])


def compare_advantages(solution, example: dict) -> None:
    """Require the advantages of an example, and name the mistake if what came is that of a known one."""
    rewards, eps = torch.tensor(example["rewards"], dtype=torch.float64), example["eps"]
    got = call(solution, "group_advantages", rewards, eps)
    shape = list(getattr(got, "shape", ()))
    require(shape == list(rewards.shape), f"[G, N] in, [G, N] out: rewards {list(rewards.shape)} give {shape}")
    compare(f"group_advantages({show(rewards)}, eps={show(eps)})", got, example["want"], example["mistakes"])


@worth("1c", 3)
def prompts_are_not_compared(solution, given):
    """What one prompt earns does not change the advantages of another."""
    alone = torch.tensor([[1.0, 0.0], [0.0, 1.0]])  # column 0 is the first prompt
    beside = torch.tensor([[1.0, 10.0], [0.0, 30.0]])
    before, after = (call(solution, "group_advantages", rewards)[:, 0] for rewards in (alone, beside))
    require(
        bool(torch.isclose(before, after).all()),
        f"rewards of different prompts are compared: prompt 0 earns 1 and 0 in both {show(alone)} and {show(beside)}, "
        f"and its advantages change from {show(before)} to {show(after)}",
    )


@worth("1c", 9)
def advantages_by_hand(solution, given):
    """The three examples of the handout."""
    for example in given["examples"]["group_advantages"]:
        compare_advantages(solution, example)


@worth("1c", 6)
def equal_rewards_teach_nothing(solution, given):
    """A group in agreement has advantages of exactly 0, whatever rounding does to its mean."""
    for size, value in ((4, 1.0), (6, 0.6), (7, 0.1), (9, 2.8)):
        rewards = torch.tensor([[value, float(i)] for i in range(size)])
        got = call(solution, "group_advantages", rewards, 0.0)[:, 0]
        why = "the spread is 0, and nothing can be divided by it"
        if value != 1:  # with these sizes the mean is off, however many columns stand side by side
            why = (
                f"the float32 mean of {size} times {value} is not {value}, "
                "and a tiny number divided by a tiny spread is large"
            )
        said = f"{size} rewards of {value} beside another prompt give {show(got)}, not 0"
        require(bool((got == 0).all()), f"equal rewards teach something: {said}; {why}")


@worth("1d", 1)
def three_numbers_are_given_and_hidden_checks_look_at_their_values(solution, given):
    """A number is here; whether it is the right one is not told."""
    for name in ("RIGHT", "WRONG", "SILENT"):
        value = getattr(solution, name, None)
        require(isinstance(value, int | float), f"{name} must be a number, got {value!r}")
