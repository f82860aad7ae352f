"""The diagnosis game: its curves are those of the lesson's runs, and its answers follow from the curves."""

import json
import re

import pytest

from helpers.built import ROOT
from helpers.lessons import lesson, printed, stored

FILE = ROOT / "docs/assets/runs/sick.json"
METRICS = ("reward", "right", "spread", "entropy", "norm", "length", "cut", "clip")
SICK = "ABCDEF"


@pytest.fixture(scope="module")
def recorded():
    return json.loads(FILE.read_text())


def words(js):
    """The words of the game without its functions."""
    return js("words_diagnosis.en['diagnosis-explorer']")


def test_every_run_has_every_curve_and_a_band_of_the_same_length(recorded):
    assert set(recorded["runs"]) == set(recorded["cases"]) == {"healthy", "healthy, E", *SICK}
    for name, curves in recorded["runs"].items():
        band = recorded["bands"][recorded["cases"][name]]
        assert set(curves) == set(band) == set(METRICS)
        updates = 48 if name == "F" else 25
        for metric, curve in curves.items():
            wanted = updates if metric != "right" else 1 + updates // (8 if name == "F" else 5)
            assert len(curve) == len(band[metric]) == wanted
            assert all(low <= high for low, high in band[metric])
            assert max(curve) <= (1 if metric in ("right", "spread", "cut", "clip") else 200)


def test_the_curves_end_as_the_lesson_prints(recorded):
    """Exercise 1 of the lesson prints the means of the last five updates of five runs, in an order of its own."""
    cells = stored(lesson("when_a_run_is_sick")).cells
    (source,) = [cell for cell in cells if 'for name in "CFEAD"' in cell.source]
    rows = re.findall(r"^ *\d (.+)$", printed(source), re.M)
    for name, row in zip("CFEAD", rows, strict=True):
        columns = ("reward", "spread", "entropy", "norm", "length", "cut")
        for metric, shown in zip(columns, row.split(), strict=True):
            mean = sum(recorded["runs"][name][metric][-5:]) / 5
            assert float(shown) == pytest.approx(mean, abs=0.0051), (name, metric)


def test_run_d_is_the_one_whose_lengths_the_lesson_prints(recorded):
    cells = stored(lesson("when_a_run_is_sick")).cells
    (source,) = [cell for cell in cells if 'runs["D"][::4]' in cell.source]
    head, *rows = [line.split() for line in printed(source).splitlines()]
    for metric, name in (("length", "completions/mean_length"), ("cut", "completions/clipped_ratio")):
        values = [float(row[head.index(name)]) for row in rows]
        assert values == pytest.approx(recorded["runs"]["D"][metric][::4], abs=0.051)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["A", "F"])
def test_a_run_begins_again_as_it_was_recorded(recorded, monkeypatch, name):
    monkeypatch.syspath_prepend(ROOT / "docs" / "theme")
    from sick_runs import lesson as setup_of_lesson
    from sick_runs import record

    setup = setup_of_lesson()
    setup["test_problems"] = setup["test_problems"][:100]
    again = record(setup, name, max_steps=5)
    for metric, curve in again.items():
        before = recorded["runs"][name][metric][: len(curve)]
        assert curve == pytest.approx(before, abs=2e-3 if metric != "right" else 0.05), metric


def test_what_broke_first_follows_from_the_curves(js, recorded):
    first = {name: js("diagnosis_state.firstOut", recorded, name) for name in recorded["cases"]}
    # By eye, from the pictures of the lesson.
    assert first == {
        "healthy": ["none"],
        "healthy, E": ["none"],
        "A": ["reward", "right", "spread"],
        "B": ["reward", "spread", "norm"],
        "C": ["reward"],
        "D": ["right"],
        "E": ["spread"],
        "F": ["norm", "clip"],
    }


def test_a_curve_is_out_from_the_first_of_three_updates_in_a_row(js):
    band = [[0.4, 0.5]] * 6
    curves = {"short": [0.45, 0.9, 0.9, 0.45, 0.9, 0.45], "long": [0.45, 0.45, 0.9, 0.1, 0.9, 0.45]}
    curves["near"] = [0.64] * 6  # the margin is 0.15 of a height of 1
    data = {
        "runs": {name: {"reward": curve} for name, curve in curves.items()},
        "bands": {"own": {"reward": band}},
        "cases": dict.fromkeys(curves, "own"),
    }
    out = {name: js("(data, name) => diagnosis_state.outAt(data, name, 'reward')", data, name) for name in curves}
    assert out == {"short": None, "long": 3, "near": None}
    assert js("diagnosis_state.marginOf", "reward", [0.45], band) == 0.15  # the light grey that the picture draws


def test_every_case_has_four_causes_and_an_answer_to_each_wrong_one(js, recorded):
    options, said = js("diagnosis_state.OPTIONS"), words(js)
    assert set(options) == set(recorded["cases"]) == set(said["told"]) == set(said["wrong"])
    for name, causes in options.items():
        assert len(set(causes)) == 4
        assert set(said["wrong"][name]) == set(causes[1:])
        assert set(causes) <= set(said["causes"])
        assert sorted(js("diagnosis_state.optionsOf", name)) == sorted(causes)
    assert set(said["names"]) == set(said["metrics"]) == set(METRICS)
    orders = [js("(seed) => diagnosis_state.orderOf(seed, grpo.generator(seed))", seed) for seed in range(1, 5)]
    assert all(sorted(order) == sorted(options) for order in orders)
    assert len({tuple(order) for order in orders}) == 4


def test_what_the_texts_say_of_the_curves_is_so(recorded):
    runs, bands = recorded["runs"], recorded["bands"]
    assert runs["healthy, E"]["cut"][0] > 0.75
    assert max(runs["healthy, E"]["reward"][:10]) <= 0.125
    assert runs["healthy, E"]["cut"][-1] < 0.4
    assert min(runs["A"]["entropy"]) > 0.2
    assert runs["A"]["entropy"][-1] > 0.4
    assert set(runs["B"]["norm"]) == {0}
    assert min(runs["B"]["entropy"]) > 0.38
    assert max(runs["B"]["cut"]) < 0.05
    assert runs["C"]["reward"][0] < bands["healthy"]["reward"][0][0] - 0.2
    assert max(runs["C"]["right"]) < 0.6
    assert sum(runs["C"]["reward"][-10:]) > 9
    assert runs["D"]["reward"][-1] > 4.5 * runs["D"]["reward"][0]
    assert runs["D"]["right"][-1] == 0
    assert runs["D"]["right"][1] < bands["healthy"]["right"][1][0] - 0.3
    assert runs["E"]["norm"][0] > 0
    assert runs["E"]["reward"][-1] == 0
    assert set(runs["F"]["clip"]) == {0}
    assert max(runs["F"]["reward"][16:]) < 0.4
    assert runs["F"]["right"][-1] < 0.05


def points(*answers):
    """A state after runs with these answers: the name, whether the curve was right, whether the cause was."""
    return {"points": [dict(zip(("name", "first", "cause"), answer, strict=True)) for answer in answers]}


def eight(causes):
    return points(*(("A", True, i < causes) for i in range(8)))


GOALS = [
    ("one", points(("A", True, True)), points(("A", True, False), ("B", False, True))),
    ("healthy", points(("healthy", False, True)), points(("A", True, True), ("healthy", True, False))),
    ("slow", points(("healthy, E", True, True)), points(("healthy, E", True, False), ("E", True, True))),
    ("good", eight(4), eight(3)),
]


@pytest.mark.parametrize(("goal", "met", "missed"), GOALS, ids=[goal for goal, _, _ in GOALS])
def test_goals_of_the_diagnosis(js, goal, met, missed):
    assert js(f"diagnosis_state.diagnosisGoals.{goal}", met) is True
    assert js(f"diagnosis_state.diagnosisGoals.{goal}", missed) is False
    assert js(f"diagnosis_state.diagnosisGoals.{goal}", {"points": []}) is False


@pytest.mark.site
def test_a_reader_diagnoses_and_is_answered(page):
    page.goto("explore/#diagnosis")
    explorer = page.locator("diagnosis-explorer.explorer")
    panels = explorer.locator(".diagnosis-panels button")
    panels.first.and_(page.get_by_role("button", name=re.compile("^Reward. update 1: 0.39, healthy"))).wait_for()
    says = explorer.locator(".explorer-sentence")
    panels.nth(3).press("Enter")
    says.get_by_text("Entropy is outside from update").first.wait_for()
    assert not explorer.get_by_text("What was it?").is_visible()
    panels.nth(2).click()
    says.get_by_text("Right: Share of groups without spread, outside from update 5 on.").first.wait_for()
    explorer.get_by_role("button", name="The temperature of sampling is too low").click()
    says.get_by_text("It climbs.").first.wait_for()
    explorer.get_by_role("button", name="The learning rate is too high").click()
    assert explorer.locator(".diagnosis-told").text_content().startswith("The learning rate was 1.6e-3")
    assert "0 of 2 points" in explorer.locator(".diagnosis-place").text_content()
    page.keyboard.press("Enter")  # on Next run, to which the focus has gone
    assert explorer.locator(".diagnosis-place").text_content() == "Run 2 of 8 · 0 of 2 points"
    explorer.get_by_role("button", name="None of them broke").click()
    explorer.get_by_role("button", name="Nothing: let it run").click()
    assert "2 of 4 points" in explorer.locator(".diagnosis-place").text_content()
    assert explorer.locator("button.met").count() == 2
    for box in explorer.locator("button:visible").evaluate_all("all => all.map((b) => b.getBoundingClientRect())"):
        assert min(box["width"], box["height"]) >= 44
