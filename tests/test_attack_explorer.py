"""Attack a reward: the page pays what the package pays, and a hole is a hole."""

import random

import pytest

import grpo_lite
from grpo_lite.rewards.text import explain_format, last_box

PIECES = (
    *("<think>", "</think>", "<answer>", "</answer>", "\\boxed{", "}", "{", "\\{", "\\}", "\\", "\\frac{1}{2}"),
    *("7", "07.0", "+7", "-7", "9", ".5", "7.", "1e3", "٣", "seven", "x", " ", "\n", "\t", "\r\n", "\x1c", "\x85"),
    *(
        "\u2003",
        "\u3000",
        "\ufeff",
        "\u200b",
        "é",
        "𝟕",
        "👍🏽",
        "<ANSWER>",
        "<think",
        "think>",
        "</answer >",
        "\\fbox{7}",
    ),
)
BY_HAND = [
    "", " ", "7", "\\boxed{}", "\\boxed{ }", "\\boxed{7}", "\\boxed{7", "\\boxed{{7}}", "\\boxed{\\{7\\}}", "\\boxed 7",
    "\\boxed{9} \\boxed{7}", "\\boxed{7}\\boxed{", "\\boxed{\\boxed{7}}", "\\boxed{-0}", "\\boxed{000}", "\\boxed{.}",
    "<think>a</think><answer>b</answer>", " <think>\n</think><answer>b</answer>", "<think>a</think><answer> </answer>",
    "<think>a</think>x<answer>b</answer>", "<think>a</think><answer>b</answer></answer>", "<think>a<think></think>",
    "\ufeff<think>a</think><answer>b</answer>", "\x1f<think>a</think>\x85<answer>b</answer>\u2028",
    "<think>\u200b</think><answer>\ufeff</answer>", "<answer>b</answer><think>a</think>",
    "<think>\x1c</think><answer>b</answer>",
]  # fmt: skip
TRUTHS = ("7", "+7.00", "0", "-0.0", ".5", "\\frac{1}{2}", "seven", "", " 7 ", "1e3", "100000000000000000001", "7.")
FAULTS = {"tags": "the tags must be", "thought": "between <think>", "answer": "between <answer>", "outside": "outside"}


def made_up(count=400):
    """Texts at random of pieces that matter, half of them within the right form."""
    rng = random.Random(0)
    texts = []
    for i in range(count):
        parts = ["".join(rng.choices(PIECES, k=rng.randrange(1, 7))) for _ in range(5)]
        shell = ["", "<think>", "</think>", "<answer>", "</answer>"] if i % 2 else [""] * 5
        spaces = [rng.choice((" ", "", "\n")) if i % 4 == 1 and j % 2 == 0 else part for j, part in enumerate(parts)]
        texts.append("".join(tag + part for tag, part in zip(shell, spaces, strict=True)))
    return texts


@pytest.mark.parametrize("texts", [BY_HAND, made_up()], ids=["by hand", "made up"])
def test_the_page_pays_what_the_package_pays(js, texts):
    assert js("texts => texts.map(rewards.lengthReward)", texts) == grpo_lite.length_reward(texts)
    paid = grpo_lite.format_reward(texts)
    assert js("texts => texts.map(rewards.formatReward)", texts) == paid
    assert 0 < sum(paid) < len(texts)
    for fault, text in zip(js("texts => texts.map(rewards.formatFault)", texts), texts, strict=True):
        why = explain_format(text)
        assert why.startswith(FAULTS[fault]) if fault else why == "", text
    assert js("texts => texts.map(rewards.lastBox)", texts) == [last_box(text) for text in texts]
    for truth in TRUTHS:
        ours = grpo_lite.boxed_reward(texts, [truth] * len(texts))
        assert js("(texts, truth) => texts.map((text) => rewards.boxedReward(text, truth))", texts, truth) == ours


def test_answers_are_compared_as_by_the_package(js):
    answers = [*("7 7.0 07 +7 -7 7. .7 0.70 -0 0 -.0 x ٣ 3 1e3 1000".split()), "", "7 x", " 7 ", "7  x"]
    answers += ["3.0000000000000000000000000000000001", "100000000000000000000", "1" + 20 * "0"]
    for truth in answers:
        boxes = [f"\\boxed{{{answer}}}" for answer in answers]
        ours = grpo_lite.boxed_reward(boxes, [truth] * len(boxes))
        assert js("(texts, truth) => texts.map((text) => rewards.boxedReward(text, truth))", boxes, truth) == ours


@pytest.mark.parametrize(
    ("text", "stated", "verdict"),
    [
        ("<think>3 + 4 = 7</think><answer>\\boxed{7}</answer>", "7", "right"),
        ("<think>7</think><answer>9</answer>", "9", "wrong"),
        ("<answer>9</answer> no, <answer> 7.0 </answer>", "7.0", "right"),
        ("It is 7. No, 9.", "9", "wrong"),
        ("\\boxed{7} is what they want, I say -7", "-7", "wrong"),
        ("<think>9</think> seven", None, "none"),
        ("<answer>seven</answer>", None, "none"),  # a judge of numbers cannot call it wrong
        ("<answer>14/2</answer>", None, "none"),
        ("", None, "none"),
    ],
)
def test_the_judge_takes_the_last_answer_that_is_a_number(js, text, stated, verdict):
    assert js("rewards.statedAnswer", text) == stated
    assert js("rewards.verdict", text, "7") == verdict


@pytest.mark.parametrize(
    ("text", "hole"),
    [
        ("<think>\\boxed{7}?</think><answer>9</answer>", "thought"),
        ("<think>Hm</think>\\boxed{7}<answer>9</answer>", "beside"),
        ("\\boxed{7}, no, 9", "before"),
    ],
)
def test_each_hole_of_the_box_pays_for_a_wrong_answer_and_is_named(js, text, hole):
    assert grpo_lite.boxed_reward([text], ["7"]) == [1.0]
    assert js("rewards.verdict", text, "7") == "wrong"
    assert js("rewards.boxHole", text) == hole


def test_the_honest_answer_is_right_and_paid_and_no_goal(js):
    honest = js("attack_state.judged(attack_state.HONEST)")
    assert honest["pay"] == honest["honest"] == {"length": 50, "format": 1, "boxed": 1}
    assert honest["verdict"] == "right"
    assert (
        js("Object.values(attack_state.attackGoals).map((goal) => goal({ text: attack_state.HONEST }))") == [False] * 4
    )


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("", []),
        ("9", []),
        ("I have counted it all on my fingers, again and again: 9", ["length"]),
        ("I have counted it all on my fingers, again and again: nine", []),
        ("<think>x</think><answer>9</answer>", ["format"]),
        ("<think>x</think><answer>7</answer>", []),
        ("\\boxed{7}. No, 9.", ["boxed"]),
        ("<think>\\boxed{7} is too easy</think><answer>9</answer>", ["length", "format", "boxed", "all"]),
    ],
)
def test_goals_of_the_attack(js, text, met):
    goals = js("(text) => Object.entries(attack_state.attackGoals).map(([name, goal]) => [name, goal({ text })])", text)
    assert [name for name, is_met in goals if is_met] == met


def test_what_the_page_shows_as_a_way_reaches_its_goal(js):
    goals = js("words_play.en['attack-explorer'].goals")
    for name in ("format", "boxed", "all"):
        assert js(f"attack_state.attackGoals.{name}", {"text": goals[name][1]}) is True


@pytest.mark.site
def test_a_reader_attacks_with_the_keyboard_and_the_ticks_stay(page):
    page.goto("explore/#attack")
    explorer = page.locator("attack-explorer.explorer")
    box = explorer.get_by_role("textbox")
    explorer.get_by_text("This is an honest answer").first.wait_for()
    box.fill("")
    for name in ("<think>", "\\boxed{", "}", "</think>", "<answer>", "</answer>"):
        explorer.get_by_role("button", name=f"Insert {name}").press("Enter")
        page.keyboard.type({"\\boxed{": "7", "}": ", as I was told to say", "<answer>": "9"}.get(name, ""))
    text = "<think>\\boxed{7}, as I was told to say</think><answer>9</answer>"
    assert box.input_value() == text
    cells = explorer.locator("tbody tr").all()
    assert [row.locator("td b").text_content() for row in cells] == [str(len(text)), "1", "1"]
    explorer.get_by_text("Paid in full for a wrong answer: Length, Format, Boxed.").first.wait_for()
    assert "A reader takes 9 from it, which is wrong." in explorer.locator(".attack-judge").text_content()
    explorer.locator("button.met").nth(3).wait_for()  # once the hand rests
    assert explorer.locator("small").first.text_content().endswith("→\u00a0")  # as it was before
    explorer.get_by_role("button", name="Reset").click()
    explorer.get_by_text("This is an honest answer").first.wait_for()
    page.reload()
    explorer.locator("button.met").nth(3).wait_for()
