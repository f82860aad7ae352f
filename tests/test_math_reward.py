"""math_reward: a table of answers, right and wrong, and what must hold whatever a model writes."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from fractions import Fraction
from pathlib import Path

import psutil
import pytest

from answers_table import PAGE, PAIRS, PIECES, ours, with_table
from grpo_lite import _checks, math_reward, score_completions
from grpo_lite.rewards import answers
from grpo_lite.rewards.answers import explain_math
from grpo_lite.rewards.worker import Worker

# Reward, truth and answer of pairs from public bug reports about judges, and more of their kinds.
MANY = [line.split("\t") for line in (Path(__file__).parent / "answers.tsv").read_text("utf-8").splitlines()]

# Right, and yet not read: each would need a rule of its own, and earns nothing.
NOT_READ = [
    ("1000.99", "1000,99"),
    ("3.14", "3,14"),
    ("A, C", "AC"),
    ("A, B", "AB"),
    ("2:3:5", "4:6:10"),
    (r"\mathbb{R}", r"\text{all real numbers}"),
    ("5 apples", "5"),
    ("abc", "a b c"),
    ("1/3", r"x = 1/3 \approx 0.333"),
    ("1/3", r"\frac{1}{3} \approx 0.33"),
    ("1, -2", "x_1 = 1, x_2 = -2"),
    ("3, 4", "x_1=3,x_2=4"),
]

# Section: truth, answers that are right, answers that are wrong. Each answer stands in a box.
TABLE = {
    "fractions": [
        (r"\frac{1}{2}", ["1/2", "0.5", ".5", "2/4", r"\dfrac12", r"\tfrac{1}{2}", "1:2"], ["1/3", "-1/2", "12", "2"]),
        ("-1/2", ["-0.5", r"-\frac12", r"\frac{-1}{2}"], [r"\frac12"]),
        ("5/2", [r"2\frac{1}{2}", "2 1/2", r"2\frac12", "2.5", "10/4"], [r"1\frac12", "2/5", "3/2", "1"]),
        (0.75, ["3/4", "75%"], [r"1\frac34", "4/3"]),
    ],
    "decimals": [
        ("1/3", ["0.333333"], ["0.33", "0.3", "0.34"]),
        (7, ["7.0000", "07", "+7", "7."], ["7.01", "6.9999999", "-7", "70", "seven"]),
        (1234.5, ["1,234.5", "1234.50"], ["1.2345"]),
        (1e-7, ["0.0000001"], ["0", "0.0", "0.0000002"]),
        (0, ["0.0", "-0"], ["0.0000004", "1"]),
        (r"6.6 \times 10^{-34}", [r"6.6 \cdot 10^{-34}"], [r"9.1 \times 10^{-31}", "0", "0.0", "6.6"]),
        (r"100\,000", ["100000", "100,000"], ["0", "100"]),
        (1500, [r"1.5 \times 10^3", "1,500", "1 500"], ["1.5", "1,5", "15 00"]),
    ],
    "percent": [
        (r"50\%", ["50%", "50 percent", "0.5", "1/2", "50"], ["5%", "5", "500"]),
        ("0.5", [r"50\%"], [r"0.5\%", "50"]),
        (50, [r"50\%"], ["0.5"]),
        (r"12.5\%", ["1/8"], ["1/4"]),
    ],
    "sets": [
        (
            r"\{1, 2\}",
            [r"\{2, 1\}", "1, 2", "2 and 1", "1 or 2", "{1; 2}"],
            [r"\{1\}", r"\{1, 2, 3\}", "(1, 2)", "[1, 2]", "12"],
        ),
        (r"\pm 2", ["2, -2", r"x = \pm 2"], ["2", "-2"]),
        (r"\{\frac12, 3\}", [r"\{3, 0.5\}"], [r"\{3, 0.2\}"]),
        (r"\emptyset", [r"\{\}"], [r"\{0\}", "0"]),
        ("(1, 2, 3)", ["(1,2,3)"], ["(3, 2, 1)", "1, 2, 3", r"\{1, 2, 3\}"]),
        ("x=2, y=3", ["y=3, x=2"], ["x=3, y=2", "(2, 3)"]),
    ],
    "intervals": [
        ("[1, 2)", ["[1,2)", r"\left[1, 2\right)"], ["[1, 2]", "(1, 2)", r"\{1, 2\}", "1, 2"]),
        ("(1, 2)", ["(1,2)"], ["(2, 1)", r"\{1, 2\}"]),
        (r"(-\infty, 1) \cup (2, \infty)", [r"(2, \infty) \cup (-\infty, 1)"], [r"(-\infty, 1)", r"(-\infty, \infty)"]),
        (r"x \le 3", [r"(-\infty, 3]", r"3 \ge x", "x <= 3"], ["x < 3", "x >= 3", "3"]),
        ("1 < x < 2", ["(1, 2)"], ["[1, 2]", "1 < x"]),
        (r"\infty", ["infinity"], [r"-\infty", r"\infty - \infty", "1000000"]),
    ],
    "units": [
        (r"5\text{ cm}", ["5", "5 cm", r"5\,\mathrm{cm}"], ["5 km", r"5 \text{ cm}^2", "6 cm"]),
        (5, [r"5\text{ cm}", "5 dollars", r"\$5"], ["5t", "5x", r"5\text{ or six}", r"6 \text{ cm}"]),
        ("5 hours", ["5 hour", "5 Hours", "5"], ["5 minutes"]),
        (r"90^\circ", ["90", "90°", "90 degrees"], ["9"]),
        ("3t", ["3t", "3 t"], ["3", "3h"]),
        ("100_2", ["100_{2}", "100"], ["100_3", "4"]),
    ],
    "latex": [
        (r"\sqrt{50}", [r"5\sqrt{2}", r"5\sqrt 2", r"\sqrt{50}"], ["7.07", "50", r"\sqrt{51}"]),
        (r"\frac{\sqrt{2}}{2}", [r"\frac{1}{\sqrt{2}}", r"\sqrt{\frac12}"], [r"\sqrt{2}"]),
        (r"\frac{\pi}{4}", [r"\pi/4", r"0.25\pi"], ["0.785", r"\pi"]),
        (r"x^2 + 2x + 1", ["1 + 2x + x^2", "(x+1)^2"], ["x^2 + 1", "y^2 + 2y + 1", "x"]),
        ("y = 2x + 3", ["y = 3 + 2x", "2y = 4x + 6"], ["y = 2x", "0 = 0", "x = 2y + 3"]),
        ("x^2 + 1 = 0", ["1 + x^2 = 0", "x^2 = -1"], ["x = x + 1", "x^2 + 2 = 0"]),
        ("a^2 + b^2", ["(a+b)^2 - 2ab"], ["(a+b)^2", "(a+b)^2 - ab", "a^2 + b"]),
        ("2 + 3i", ["3i + 2", "2 + 3 i"], ["2 - 3i", "3 + 2i"]),
        (
            r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}",
            [r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}"],
            [r"\begin{pmatrix} 2 \\ 1 \end{pmatrix}"],
        ),
        (r"\text{blue}", ["blue", r"\text{Blue}"], ["lube", "red", r"\text{blue or red}"]),
        (7, [r"\mathbf{7}", r"\text{7}", "**7**", "$7$", "x = 7", r"x \approx 7"], [r"\mathbf{8}", r"\neq 7"]),
    ],
    "plain": [
        (r"\sqrt{2}", ["sqrt(2)", "1.414214"], ["sqrt(3)", "1.414"]),
        (r"2\pi", ["2pi", "2π", "pi*2"], ["2p", "pi"]),
        (r"x^2", ["x**2", "x*x", "f(x) = x^2"], ["x2", "2x"]),
        ("A", ["A", "(A)", r"\text{(A)}"], ["B", "A or B", "A, B"]),
        ("no", ["no"], ["on", "yes"]),
        (r"\sin x", ["sin x", "sin(x)"], ["cos x"]),
    ],
    "still to be worked out": [
        (
            156,
            ["156", "x = 156", r"12 \cdot 13 = 156"],
            [
                "12*13",
                r"12 \times 13",
                "(12)(13)",
                r"12 \cdot 14 = 156",
                "312/2",
                "(312)/(2)",
                r"\frac{{312}}{{2}}",
                r"312 \over 2",
                r"\frac{312}{2}",
                "312:2",
                "100+56",
            ]
            + ["157-1", "156+0", "156^1", "156/1", "2x = 156", "1 = 156", "156 = 1", "156 + x - x", r"156\frac{x}{x}"]
            + [r"156(\sin^2 1 + \cos^2 1)", r"156 e^0", r"\int_0^{156} 1 dx", r"\sum_{i=1}^{156} 1", r"\max(1, 156)"],
        ),
        (2, [], [r"\sqrt{4}", r"\log_2 4", "2!", r"\binom{2}{1}", r"|-2|", r"10 \div 5", r"\lfloor 2.5 \rfloor"]),
        (10, [], [r"\binom{5}{2}", r"\dbinom{5}{2}"]),
        (18, [], [r"2 \cdot 3^2"]),
        (25, [], ["12 13", "(12)(13)", "12(13)", r"12\,13"]),
        (6, [], ["2 3", "2(3)", r"2\ 3"]),
        (r"6\pi", [r"6\pi"], [r"2 \cdot 3\pi", r"\frac{12}{2}\pi", r"(1+5)\pi"]),
        (r"1 + \sqrt{2}", [r"\sqrt{2} + 1"], [r"2 + \sqrt{2} - 1"]),
        (r"\{6, 1\}", ["1, 6"], [r"\{2*3, 1\}", r"\{3!, 1\}", r"\{\sqrt{36}, 1\}"]),
        ("2^{10}", ["2^{10}", "1024", "4^5"], ["1025"]),  # the truth is written so itself
        (r"\binom{5}{2}", ["10", r"\binom{5}{2}"], ["5"]),
    ],
    "cheats": [
        (
            7,
            [],
            ["7 or 8", "7 and 8", "7, 8", "7; 8", r"7 \text{ or } 8", r"\{6, 7, 8\}", "[6, 8]", "x > 6", r"x \ne 7"]
            + ["6 < 7 < 8", r"\pm 7", r"\mathbb{R}", r"\infty", "0/0", "1/0", "7 (or maybe 8)", "between 6 and 8", "n"]
            + ["", " ", "{}", "7 8", "7 % 8", "True", "None", r"\text{ground_truth}", "__import__('os').getpid()"]
            + ["9^9^9^9", "9^{9^{9^9}}", "(((9!)!)!)!", r"10^{10^{10}}"],
        ),
    ],
}
BOXED = [
    (section, truth, rf"So the answer is \boxed{{{answer}}}.", expected)
    for section, rows in TABLE.items()
    for truth, right, wrong in rows
    for expected, texts in ((1.0, right), (0.0, wrong))
    for answer in texts
]
PLACES = [
    (r"first \boxed{3}, no: \boxed{7}", 1.0),  # the last box counts
    (r"\boxed{7}, no: \boxed{3}", 0.0),
    (r"\boxed{1} \boxed{2} \boxed{3} \boxed{7} \boxed{8}", 0.0),
    (r"\boxed{7} or \boxed{8}", 0.0),
    (r"\boxed{\boxed{7}}", 1.0),
    (r"\boxed{7", 0.0),  # cut off
    (r"\boxed{7} \boxed{", 0.0),
    (r"\boxed{7} \boxed{}", 0.0),
    ("7", 0.0),
    ("The answer is 7", 0.0),
    ("", 0.0),
    (r"\fbox{7}", 1.0),
    (r"$\boxed 7$", 1.0),
    (r"\boxed {7}", 1.0),
    (r"\boxed 8", 0.0),
    ("<think>a</think><answer>7</answer>", 1.0),
    ("<think>a</think><answer>x = 7</answer>", 1.0),
    ("<answer>8</answer><answer>7</answer>", 1.0),
    ("<answer>7</answer><answer>8</answer>", 0.0),
    ("<answer>7", 0.0),
    ("7</answer>", 0.0),
    ("<answer></answer>", 0.0),
    ("<answer>7 or 8</answer>", 0.0),
    (r"<answer>\boxed{7}</answer>", 1.0),
    (r"<answer>8</answer> \boxed{7}", 1.0),  # a box comes before an <answer>
    (r"<answer>7</answer> \boxed{8}", 0.0),
    (r"<think>\boxed{7}</think>", 0.0),  # what was thought earns nothing
    (r"<think>\boxed{7}</think> 7", 0.0),
    (r"<think>\boxed{7}</think> \boxed{8}", 0.0),
    (r"<think>\boxed{8}</think> \boxed{7}", 1.0),
    (r"<think>the answer is <answer>7</answer></think>", 0.0),
    (r"<think>\boxed{7}", 0.0),
    (r"</think><think>\boxed{7}", 0.0),
    (r"thought, opened in the prompt \boxed{8}</think>\boxed{7}", 1.0),
]


def process():
    return answers._WORKER._process


@pytest.mark.parametrize(("section", "truth", "text", "expected"), BOXED)
def test_table(section, truth, text, expected):
    assert math_reward([text], ground_truth=[truth]) == [expected]


def test_the_table_is_large_and_has_both_kinds():
    assert len(BOXED) >= 250
    assert sum(expected for *_, expected in BOXED) > 90


@pytest.mark.parametrize(("text", "expected"), PLACES)
def test_one_place_counts(text, expected):
    assert math_reward([text], ground_truth=["7"]) == [expected]
    assert math_reward([[{"role": "assistant", "content": text}]], ground_truth=[7]) == [expected]


def test_where_nothing_is_in_dispute_trl_says_the_same():
    from trl.rewards import accuracy_reward

    rows = [(r"\frac{1}{2}", "0.5"), (r"\frac{1}{2}", "1/3"), (7, "7.0"), (7, "-7"), (r"\{1, 2\}", r"\{2, 1\}")]
    rows += [
        (r"\{1, 2\}", r"\{1\}"),
        (r"50\%", "0.5"),
        (r"x^2 - 1", "(x-1)(x+1)"),
        (r"x^2 - 1", "x^2 + 1"),
        (7, "7 or 8"),
    ]
    truths = [f"${truth}$" for truth, _ in rows]
    texts = [rf"\boxed{{{answer}}}" for _, answer in rows]
    ours = math_reward(texts, ground_truth=truths)
    assert ours == accuracy_reward([[{"content": text}] for text in texts], truths)
    assert ours == [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0]


def test_each_piece_has_pairs_that_it_makes_equal_and_pairs_that_it_leaves_different():
    assert [(t, a) for (t, a, wanted), got in zip(PAIRS, ours(PAIRS), strict=True) if got != wanted] == []
    assert len(PAIRS) > 90
    assert all(len(piece["equal"]) > 3 and len(piece["different"]) > 3 for piece in PIECES)


def test_the_table_on_the_page_is_what_both_judges_say():
    page = PAGE.read_text("utf-8")
    assert with_table(page) == page


@pytest.mark.slow
def test_pairs_of_many_kinds():
    wrong = [
        row
        for row, got in zip(
            MANY, math_reward([rf"\boxed{{{a}}}" for _, _, a in MANY], [t for _, t, _ in MANY]), strict=True
        )
        if str(got) != row[0]
    ]
    assert wrong == []


def test_what_is_not_read_earns_nothing():
    assert math_reward([rf"\boxed{{{a}}}" for _, a in NOT_READ], [t for t, _ in NOT_READ]) == [0.0] * len(NOT_READ)


def test_none_where_there_is_no_truth():
    assert math_reward([r"\boxed{7}", r"\boxed{7}"], ground_truth=[None, 7]) == [None, 1.0]


def test_a_truth_that_is_not_mathematics_is_none_whatever_the_answer_with_one_warning():
    texts = [r"\boxed{4}", "", r"\boxed{The answer is 4}", r"\boxed{1/0}", r"\boxed{7 8}", r"\boxed{7}"]
    truths = ["The answer is 4", "The answer is 4", "1/0", "", "7 8", 7]  # 7 8: one number, a sum or a product?
    answers._WARNED.clear()
    with pytest.warns(
        UserWarning, match=r"cannot read .*The answer is 4', '1/0', '', '7 8': the reward is None"
    ) as found:
        rewards = math_reward(texts, ground_truth=truths)
    assert rewards == [None, None, None, None, None, 1.0]
    assert len(found) == 1
    assert (
        math_reward(texts, ground_truth=truths) == rewards
    )  # a warning is an error here: the same truths are quiet now


def test_numbers_of_every_kind_are_truths():
    truths = [Fraction(1, 2), 10**40, Fraction(6, 3), 2.5, -3]
    assert (
        math_reward([r"\boxed{0.5}", rf"\boxed{{{10**40}}}", r"\boxed{2}", r"\boxed{5/2}", r"\boxed{-3}"], truths)
        == [1.0] * 5
    )
    assert math_reward([r"\boxed{0.6}", rf"\boxed{{{10**40 + 1}}}"], truths[:2]) == [0.0, 0.0]


@pytest.mark.parametrize(
    ("truth", "answer", "why", "reward"),
    [
        ("5 cm", "5 km", "the unit is km and not cm", 0.0),
        ("156", "12*13", "the answer is still to be worked out", 0.0),
        ("7", "x = 8 = 7", "the answer cannot be read as one value", 0.0),
        ("2x + y = 3", "3", "the two cannot be compared", 0.0),
        ("y = 2x", "y = 3x", "the values differ", 0.0),
        ("2x + y = 3", "2x + y = 4", "the equations differ", 0.0),
        ("2x + y = 3", "2x = y", "the equations differ", 0.0),
        ("7", "7 8", "the answer cannot be read as one value", 0.0),
        ("7", "", "there is no answer: neither a box nor <answer>...</answer>", 0.0),
        ("It is 7", "7", "the truth cannot be read as one value", None),
        ("We count seven apples in each basket", "7", "the truth cannot be read as one value", None),
        ("0.5", r"\frac12", "equal", 1.0),
    ],
)
def test_a_verdict_is_explained(truth, answer, why, reward):
    verdict = explain_math(rf"\boxed{{{answer}}}", truth)
    assert verdict[:3] == (reward, why, answer)
    assert bool(verdict.read_truth) == (reward is not None)


def test_what_was_read_is_shown():
    assert explain_math(r"\boxed{x = 1 + 4 = 5 \text{ km}}", "[0, 1)")[3:] == (
        "[0, 1)",
        "x = 5 [km]",
    )


def test_it_follows_the_protocol():
    scores = score_completions(
        math_reward, ["q"] * 2, [r"\boxed{1/2}", "?"], ground_truth=["0.5", None], task=["a", "b"]
    )
    assert scores[0].item() == 1.0
    assert scores[1].isnan()


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: math_reward("a", [7]), r"completions must be a list .* got a str"),
        (lambda: math_reward(["a"], "7"), r"ground_truth must be a list .* got a str"),
        (lambda: math_reward(["a"], [7, 8]), r"ground_truth must be a list with one entry a completion \(1\), got 2"),
        (lambda: math_reward(["a"], [float("nan")]), r"ground_truth must hold texts, finite numbers or None, got nan"),
        (lambda: math_reward(["a"], [["7"]]), r"ground_truth must hold texts, finite numbers or None, got \['7'\]"),
        (lambda: math_reward(["a"], [True]), r"ground_truth must hold texts, finite numbers or None, got True"),
        (lambda: math_reward([None], [7]), r"a completion must be a str or a chat list .* got None"),
    ],
    ids=range(7),
)
def test_a_wrong_call_says_so(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_without_math_verify_the_error_names_the_extra(monkeypatch):
    _checks.check_installed.cache_clear()
    monkeypatch.setattr(_checks, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "grpo-lite\[rewards\] @ git'):
        math_reward([r"\boxed{7}"], [7])
    monkeypatch.undo()
    assert math_reward([r"\boxed{7}"], [7]) == [1.0]


SLOW = {
    "brackets": "(" * 5000 + "1" + ")" * 5000,
    "polynomial": "(x+y+z+w)^{200}",
    "power": "2^{10000000000}",
    "product": r"\prod_{i=1}^{10000000} i + x",
    "letters": "a " * 5000,
    "unit": r"5\text{ cm}" * 3000,
    "digits": "9" * 100_000,
    "not text": "\x00\ud800",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
@pytest.mark.parametrize("truth", ["7", "x^2 + 1"])
def test_what_takes_too_long_earns_nothing_and_the_next_answer_is_judged(name, truth):
    math_reward([r"\boxed{7}"], [7])
    worker, start = process().pid, time.monotonic()
    assert math_reward([rf"\boxed{{{SLOW[name]}}}", rf"\boxed{{{truth}}}"], [truth] * 2) == [0.0, 1.0]
    assert time.monotonic() - start < 30
    assert process().pid == worker  # stopped, and not ended


@pytest.mark.slow
def test_a_truth_that_takes_too_long_is_none():
    answers._WARNED.clear()
    with pytest.warns(UserWarning, match="cannot read"):
        assert math_reward([r"\boxed{7}"] * 2, [SLOW["brackets"], "7"]) == [None, 1.0]


def changed_worker(tmp_path, change):
    """Write a script that is the worker, but for a change to its module w."""
    script = tmp_path / "worker.py"
    script.write_text(f"""
import importlib.util, os, sys
sys.path.insert(0, os.path.dirname({answers._WORKER._script!r}))
spec = importlib.util.spec_from_file_location("w", {answers._WORKER._script!r})
w = importlib.util.module_from_spec(spec)
spec.loader.exec_module(w)
{change}
w.main()
""")
    return script


@pytest.mark.slow
def test_what_python_cannot_stop_ends_the_worker(monkeypatch, tmp_path):
    change = "w.refusal = lambda gold, value: '' if value.value == 7 else sum(range(10**13 * int(value.value)))"  # in C
    monkeypatch.setattr(answers, "_WORKER", Worker(str(changed_worker(tmp_path, change))))
    start = time.monotonic()
    assert math_reward([r"\boxed{7}", r"\boxed{8}", r"\boxed{7}"], [7] * 3) == [1.0, 0.0, 1.0]
    assert time.monotonic() - start < 40


@pytest.mark.parametrize(
    ("deed", "reward"),
    [
        ("w.sympy.sympify('len(())')", 0.0),
        ("import os; os.write(os.open(answer, os.O_CREAT | os.O_WRONLY), b'x')", 0.0),
        ("w.sympy.sympify('7')", 1.0),  # what does no harm is done
    ],
)
def test_the_worker_cannot_run_text_or_write_a_file(monkeypatch, tmp_path, deed, reward):
    change = f"def attempt(gold, answer):\n    {deed}\n    return ''\nw.refusal = attempt\nw.read = lambda text: text"
    monkeypatch.setattr(answers, "_WORKER", Worker(str(changed_worker(tmp_path, change))))
    assert math_reward([rf"\boxed{{{tmp_path}/mark}}"], [7]) == [reward]


def test_text_is_never_run(tmp_path):
    mark = tmp_path / "mark"
    code = f"__import__('pathlib').Path('{mark}').touch()"
    forms = [code, rf"\text{{{code}}}", rf"\operatorname{{{code}}}", f"f({code})", f"x_{{{code}}}", f"'{code}'"]
    texts = [rf"\boxed{{{form}}}" for form in forms]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert 1.0 not in math_reward(texts, [7] * len(forms))
        math_reward(texts, forms)
    assert not mark.exists()


def test_the_worker_sees_nothing_of_the_user_and_does_not_load_torch():
    math_reward([r"\boxed{7}"], [7])
    worker = psutil.Process(process().pid)
    assert "HOME" not in worker.environ()
    assert "HF_HUB_OFFLINE" not in worker.environ()
    if hasattr(worker, "memory_maps"):  # not on macOS
        assert not any("torch" in mapped.path for mapped in worker.memory_maps())


def test_threads_get_their_own_answers():
    found = {}

    def judge(number):
        texts = [rf"\boxed{{{number}}}", rf"\boxed{{{number + 1}}}"] * 5
        found[number] = math_reward(texts, [number] * 10)

    threads = [threading.Thread(target=judge, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == {number: [1.0, 0.0] * 5 for number in range(8)}


@pytest.mark.slow
def test_inside_a_running_event_loop_as_in_jupyter():
    async def cell():
        return math_reward([r"\boxed{1/2}", rf"\boxed{{{SLOW['brackets']}}}"], ["0.5", "0.5"])

    assert asyncio.run(cell()) == [1.0, 0.0]


def test_a_killed_worker_is_replaced_and_leaves_no_zombie():
    math_reward([r"\boxed{7}"], [7])
    old = process().pid
    os.kill(old, signal.SIGKILL)
    assert math_reward([r"\boxed{7}", r"\boxed{8}"], [7, 7]) == [1.0, 0.0]
    assert process().pid != old
    assert not psutil.pid_exists(old)


def test_a_worker_that_dies_just_before_a_question_is_replaced(monkeypatch):
    math_reward([r"\boxed{7}"], [7])
    os.kill(process().pid, signal.SIGKILL)
    os.waitid(os.P_PID, process().pid, os.WEXITED | os.WNOWAIT)  # dead
    monkeypatch.setattr(process(), "poll", lambda: None)  # and not yet noticed
    assert math_reward([r"\boxed{7}", r"\boxed{8}"], [7, 7]) == [1.0, 0.0]


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_of_a_batch_costs_no_reward():
    math_reward([r"\boxed{7}"], [7])
    threading.Timer(0.3, os.kill, (process().pid, signal.SIGKILL)).start()
    start, rewards = time.monotonic(), []
    while time.monotonic() - start < 1:
        rewards += math_reward([r"\boxed{7}"] * 20, [7] * 20)
    assert set(rewards) == {1.0}


@pytest.mark.slow
def test_a_fork_asks_a_worker_of_its_own():
    code = """
import os
from grpo_lite import math_reward
assert math_reward([r"\\boxed{7}"], [7]) == [1.0]
child = os.fork()
texts, truths = [rf"\\boxed{{{i % 3}}}" for i in range(60)], [i % 2 for i in range(60)]
assert math_reward(texts, truths) == [float(i % 3 == i % 2) for i in range(60)]
if not child:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=120)


@pytest.mark.slow
def test_the_worker_ends_with_its_parent():
    code = """
from grpo_lite import math_reward
from grpo_lite.rewards import answers
math_reward([r"\\boxed{7}"], [7])
print(answers._WORKER._process.pid, flush=True)
HOW
"""
    for how in ("pass", "import os; os.kill(os.getpid(), 9)"):
        script = code.replace("HOW", how)
        run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
        pid, until = int(run.stdout), time.monotonic() + 10
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" and time.monotonic() < until:
            time.sleep(0.05)
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie"  # not ours to bury


@pytest.mark.slow
def test_an_interrupt_while_it_starts_leaves_no_stale_line(monkeypatch):
    math_reward([r"\boxed{7}"], [7])
    answers._WORKER._end()
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        math_reward([r"\boxed{7}"], [7])
    assert math_reward([r"\boxed{7}", r"\boxed{8}"], [7, 7]) == [1.0, 0.0]


def test_a_worker_that_is_killed_over_an_answer_twice_makes_it_none(monkeypatch, tmp_path):
    change = "import os, signal\nw.refusal = lambda gold, value: os.kill(os.getpid(), signal.SIGKILL)"
    monkeypatch.setattr(answers, "_WORKER", Worker(str(changed_worker(tmp_path, change))))
    assert explain_math(r"\boxed{7}", 7)[:2] == (None, "something ended the judge twice")


def test_without_clocks_of_cpu_time_the_one_on_the_wall_counts(monkeypatch, tmp_path):
    change = "del w.signal.setitimer; w.sys.modules['resource'] = None"  # as on Windows
    monkeypatch.setattr(answers, "_WORKER", Worker(str(changed_worker(tmp_path, change))))
    monkeypatch.setattr(answers, "_SECONDS", 4.0)
    assert math_reward([r"\boxed{7}", r"\boxed{9^{9^{9^9}}}", r"\boxed{7}"], [7] * 3) == [1.0, 0.0, 1.0]
