"""Rewards that look at the text, and how all of them are asked: tables of texts, templates and messages."""

import math
import re
from functools import partial
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from grpo_lite import (
    boxed_reward,
    combine_rewards,
    format_reward,
    length_reward,
    score_completions,
    soft_overlong_reward,
    tag_count_reward,
)
from grpo_lite import rewards as wing
from grpo_lite.rewards.text import explain_format
from helpers import forked

NAN = float("nan")


def as_chat(text):
    return [{"role": "assistant", "content": text}]


FORMAT = {
    "<think>a</think><answer>7</answer>": 1.0,
    "<think>a\nb</think>\n<answer>7\n8</answer>": 1.0,  # newlines inside the tags and between them
    "  <think>a</think> <answer>7</answer>\n": 1.0,
    "<think>a < b and </ c></think><answer><b>7</b></answer>": 1.0,  # other angle brackets are text
    "<think>a</think><answer>7</answer> or 8": 0.0,  # junk after the answer
    "so <think>a</think><answer>7</answer>": 0.0,  # junk before
    "<think>a</think> so <answer>7</answer>": 0.0,  # junk between
    "<think></think><answer>7</answer>": 0.0,
    "<think>a</think><answer></answer>": 0.0,
    "<think> \n</think><answer>7</answer>": 0.0,
    "<think>a</think><answer> </answer>": 0.0,
    "<think>a</think><answer>7</answer><answer>8</answer>": 0.0,  # repeated blocks
    "<think>a</think><think>b</think><answer>7</answer>": 0.0,
    "<think>a</think><answer>7</answer><think>a</think><answer>7</answer>": 0.0,
    "<think>a<think>b</think><answer>7</answer>": 0.0,
    "<answer>7</answer><think>a</think>": 0.0,
    "<think>a</think><answer>7": 0.0,
    "<answer>7</answer>": 0.0,
    "<THINK>a</THINK><ANSWER>7</ANSWER>": 0.0,
    "": 0.0,
}

BOXED = [
    (r"The solution is \boxed{2}.", "2", 1.0),
    (r"The solution is \boxed{6}.", "5", 0.0),
    (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}", 1.0),  # nested braces
    (r"\boxed{\frac{1}{2}}", r"\frac{1", 0.0),
    (r"first \boxed{3}, no: \boxed{4}", "4", 1.0),  # the last box counts
    (r"first \boxed{3}, no: \boxed{4}", "3", 0.0),
    (r"\boxed{ 2 }", "2", 1.0),
    (r"\boxed{2}", " 2 ", 1.0),
    (r"\boxed{2.0}", "2", 1.0),
    (r"\boxed{2.}", "2", 1.0),
    (r"\boxed{+2}", "2", 1.0),
    (r"\boxed{.5}", "0.50", 1.0),
    (r"\boxed{-7}", "7", 0.0),  # the sign counts
    (r"\boxed{-7}", "-7", 1.0),
    (r"\boxed{-0}", "0", 1.0),
    (r"\boxed{1/2}", "0.5", 0.0),  # nothing but decimals is interpreted
    (r"\boxed{1e2}", "100", 0.0),
    (r"\boxed{12}", "1 2", 0.0),  # two numbers are not one
    (r"\boxed{1  2}", "1 2", 1.0),
    (r"\boxed{\left\{1\right.}", r"\left\{1\right.", 1.0),  # an escaped brace does not nest
    (r"\boxed{\{1, 2\}}", r"\{1, 2\}", 1.0),
    (r"\boxed{10000000000000000}", 1e16, 1.0),
    (r"\boxed{0.00001}", 1e-5, 1.0),
    (r"\boxed{None}", None, None),  # nothing to compare with
    (r"\boxed{2}", 2, 1.0),  # a number as truth
    (r"\boxed{1" + "0" * 300 + "}", 1e300, 1.0),
    (r"\boxed{}", "", 0.0),  # an empty box earns nothing, even for an empty truth
    (r"\boxed{ }", "", 0.0),
    ("no box", "", 0.0),
    ("", "", 0.0),
    (r"\boxed{2", "2", 0.0),  # cut off
    (r"\boxed{3} \boxed{2", "3", 0.0),  # the last box is the answer, and it is not closed
    (r"\boxed2", "2", 0.0),
    (r"{2}", "2", 0.0),
    ("2}", "2", 0.0),
    (r"\boxed{2}}", "2", 1.0),
    (r"\boxed{\boxed{2}}", "2", 1.0),
    (r"\boxed{2 or 3}", "2", 0.0),
    (r"\boxed{" + "9" * 5000 + "}", "9" * 5000, 1.0),  # beyond Python's limit for int(str)
    (r"\boxed{" + "9" * 5000 + ".5}", "9" * 5000 + ".4", 0.0),
]


@pytest.mark.parametrize("form", [str, as_chat])
def test_format_table(form):
    assert format_reward([form(text) for text in FORMAT]) == list(FORMAT.values())


@pytest.mark.parametrize("form", [str, as_chat])
@pytest.mark.parametrize(("text", "truth", "expected"), BOXED)
def test_boxed_table(form, text, truth, expected):
    assert boxed_reward([form(text)], ground_truth=[truth]) == [expected]


EXPLAINED = {
    "<answer>7</answer>": r"^the tags must be <think> </think> <answer> </answer>, each .* got <answer> </answer>$",
    "no tag": r"got none$",
    "<think>" * 100_000: r"got (<think> ){6}\.\.\.$",
    "<think> </think><answer>7</answer>": r"^between <think> and </think> stands nothing$",
    "<think>a</think><answer>\n</answer>": r"^between <answer> and </answer> stands nothing$",
    "a <think>b</think> c <answer>7</answer> d": r"^outside of the tags stands text: 'a  c  d'$",
    "<think>b</think><answer>7</answer>" + "x" * 10**6: r"^outside of the tags stands text: 'xxxxxxxxxxxx\.\.\.xxx",
}


@pytest.mark.parametrize("text", EXPLAINED, ids=range(len(EXPLAINED)))
def test_a_format_that_earns_nothing_is_explained_in_one_line(text):
    assert re.search(EXPLAINED[text], explain_format(text))
    assert format_reward([text]) == [0.0]
    assert len(explain_format(text)) < 200


def test_what_earns_the_format_reward_needs_no_explanation():
    assert {text for text in FORMAT if explain_format(text) == ""} == {text for text, r in FORMAT.items() if r == 1.0}


# What real templates write before the model goes on, and a completion of the form behind it.
OPENED = [
    ("deepseek_r1_distill", {}, "<think>\n", "3 + 4 = 7</think>\n<answer>7</answer>"),
    ("qwen3_5_think", {}, "<think>\n", "3 + 4 = 7\n</think>\n\n<answer>7</answer>"),
    ("qwen3", {}, "", "<think>\n3 + 4 = 7\n</think>\n\n<answer>7</answer>"),
    ("qwen3", {"enable_thinking": False}, "<think>\n\n</think>\n\n", None),  # closed: nothing can be thought
]


@pytest.mark.parametrize(("name", "settings", "opening", "completion"), OPENED)
def test_a_template_that_opens_the_thought_is_judged_with_it(name, settings, opening, completion):
    """The templates are the ones that TRL ships; what stands behind the assistant's header is the prefill."""
    import jinja2
    import trl

    text = (Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")
    messages = [{"role": "user", "content": "3+4="}]
    template = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    prompt = template.from_string(text).render(messages=messages, add_generation_prompt=True, **settings)
    prefill = re.split(r"<｜Assistant｜>|<\|im_start\|>assistant\n", prompt)[-1]
    assert prefill == opening
    by_template = partial(format_reward, prefill=prefill)
    if completion is None:
        assert by_template(["<answer>7</answer>"]) == [0.0]
        return
    assert by_template([completion]) == [1.0]
    assert format_reward([completion]) == [float(prefill == "")]
    twice = by_template(["<think>" + completion])
    assert twice == [0.0]
    share = tag_count_reward([completion, "7"], prefill=prefill)
    assert share == [1.0, 0.25 * prefill.count("<think>")]


def message(content="", role="assistant", **more):
    return [{"role": "user", "content": "3+4="}, {"role": role, "content": content, **more}]


CALL = [{"type": "function", "function": {"name": "add", "arguments": {"a": 3, "b": 4}}}]
MESSAGES = {
    "a tool call": (message(None, tool_calls=CALL), ""),
    "a call without content": ([{"role": "assistant", "tool_calls": CALL}], ""),
    "no words": (message(None), ""),
    "what a tool has answered": (message(r"\boxed{7}", role="tool", name="add"), ""),
    "a call with words": (message(r"\boxed{7}", tool_calls=CALL), r"\boxed{7}"),
    "parts": (message([{"type": "text", "text": r"So \box"}, {"type": "text", "text": "ed{7}"}]), r"So \boxed{7}"),
    "a picture among parts": (message([{"type": "image"}, {"type": "text", "text": r"\boxed{7}"}]), r"\boxed{7}"),
    "no parts": (message([]), ""),
    "a part that is no text": (
        message([{"type": "text", "text": 5}, {"type": "text", "text": r"\boxed{7}"}]),
        r"\boxed{7}",
    ),
    "what a function has answered": (message(r"\boxed{7}", role="function", name="add"), ""),
}


@pytest.mark.parametrize(("completion", "text"), MESSAGES.values(), ids=MESSAGES)
def test_messages_of_every_kind_are_judged_by_the_words_of_the_model(completion, text):
    assert length_reward([completion]) == [len(text)]
    assert boxed_reward([completion], ground_truth=["7"]) == [float("boxed" in text)]
    assert format_reward([completion]) == [0.0]


def test_rewards_of_a_hostile_megabyte_take_no_time():
    """Texts on which a backtracking pattern or a search from every brace would not come back."""
    texts = [
        r"\boxed{" + "1" * 400_000 + "x}",
        "<think>a</think><answer>" * 40_000,
        "<think>" * 140_000,
        r"\boxed{" * 140_000,
        r"\boxed{" + "{" * 10**6,
    ]

    def judge():
        assert format_reward(texts) == [0.0] * 5
        assert boxed_reward(texts, ground_truth=["1"] * 5) == [0.0] * 5

    assert forked.end(forked.start(judge, seconds=60)) == 0  # in a copy, which can be ended in the midst of a search


def test_length_counts_characters():
    assert length_reward([" blue.", " in the sky.", "", as_chat("天空")]) == [6.0, 12.0, 0.0, 2.0]


def test_a_chat_is_judged_by_its_last_message():
    chat = [{"role": "assistant", "content": r"\boxed{1}"}, {"role": "assistant", "content": r"\boxed{2}"}]
    assert boxed_reward([chat], ground_truth=["2"]) == [1.0]


def test_reward_functions_take_the_whole_protocol():
    columns = {"prompts": ["q"], "completion_ids": [[1]], "ground_truth": ["2"], "trainer_state": None}
    for reward in (length_reward, format_reward, boxed_reward, soft_overlong_reward(10, 5)):
        assert len(reward(completions=[r"\boxed{2}"], **columns)) == 1


def half_marks(completions, **columns):
    return [0.5 if i % 2 else None for i, _ in enumerate(completions)]


def test_scores_stand_one_column_a_function_with_nan_for_none():
    scores = score_completions([length_reward, half_marks], ["q"] * 3, ["a", "bb", "ccc"])
    assert_close(scores, torch.tensor([[1.0, NAN], [2.0, 0.5], [3.0, NAN]]), equal_nan=True)
    assert scores.dtype == torch.float32


def test_one_function_need_not_stand_in_a_list():
    assert_close(score_completions(length_reward, ["q"], ["abc"]), torch.tensor([[3.0]]))


def test_bytes_are_no_list_of_rewards():
    with pytest.raises(ValueError, match=r"<lambda> must return a list with one value a completion \(1\), got bytes"):
        score_completions(lambda **columns: b"1", ["q"], ["a"])


@pytest.mark.usefixtures("as_user")
def test_weights_have_an_order():
    for weights in ({1.0, 2.0}, {1.0: "a", 2.0: "b"}, frozenset([1.0, 2.0])):
        with pytest.raises(ValueError, match="weights must be one finite number for each of the 2 reward functions"):
            combine_rewards(torch.ones(3, 2), weights)


def test_a_column_reaches_the_function_that_asks_for_it():
    seen = {}

    def spy(prompts, completions, task, **columns):
        seen.update(prompts=prompts, completions=completions, task=task)
        return [1.0 if t == "math" else None for t in task]

    scores = score_completions([spy], ["p", "q"], ["a", "b"], task=["math", "code"])
    assert_close(scores, torch.tensor([[1.0], [NAN]]), equal_nan=True)
    assert seen == {"prompts": ["p", "q"], "completions": ["a", "b"], "task": ["math", "code"]}


def test_sum_of_rewards_by_hand():
    rewards = torch.tensor([[1.0, 0.5], [NAN, 1.0], [2.0, NAN], [NAN, NAN]])
    assert_close(combine_rewards(rewards), torch.tensor([1.5, 1.0, 2.0, NAN]), equal_nan=True)
    assert_close(combine_rewards(rewards, [2.0, -1.0]), torch.tensor([1.5, -1.0, 4.0, NAN]), equal_nan=True)
    assert math.isnan(rewards[1, 0])


def test_half_precision_is_added_in_float32():
    assert_close(
        combine_rewards(torch.tensor([[4e4, 4e4]], dtype=torch.float16)), torch.tensor([80000.0]), rtol=1e-3, atol=0
    )


def test_weight_zero_switches_a_function_off_but_a_row_it_could_judge_counts():
    assert_close(combine_rewards(torch.tensor([[NAN, 3.0]]), [1.0, 0.0]), torch.tensor([0.0]))


def test_the_wing_has_the_names_that_others_import_from_it():
    names = """RewardFunc boxed_reward code_reward combine_rewards format_reward language_consistency_reward
    length_reward math_reward name_of repetition_penalty_reward score_completions soft_overlong_reward
    tag_count_reward"""
    assert sorted(wing.__all__) == sorted(names.split())
    assert all(callable(getattr(wing, name)) for name in names.split() if name != "RewardFunc")
