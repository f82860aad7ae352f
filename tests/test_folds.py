"""How a lesson looks: what is folded, what a fold says, how long a lesson takes, and the folds in a real browser."""

import re

import markdown
import nbformat
import pytest
from bs4 import BeautifulSoup

from helpers.built import ROOT
from helpers.explorers import tab_to, until
from helpers.lessons import SCRIPTS, key, stored, tags
from helpers.small_site import code_cell, svg_output, text_cell

every_lesson = pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
PREDICT, PRINTED = "<p><strong>Predict.</strong> How many?</p>", nbformat.v4.new_output("stream", text="3")


@pytest.fixture
def theme(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "theme")
    import cells
    import lessons

    return cells, lessons


def render(theme, *given):
    """The soup of a lesson whose texts are HTML already, and the complaints."""
    complaints = []
    html = theme[0].render_cells(given, lambda source: source, complaints.append)
    return BeautifulSoup(html, "html.parser"), complaints


def outline(node):
    """Names of the blocks, those of a fold in a list behind its class."""
    names = []
    for one in node.find_all(recursive=False):
        if one.name == "details":
            names += [one["class"][0], outline(one)[1:]]
        else:
            names.append(one["class"][0] if one.get("class") else one.name)
    return names


# Predictions


def test_what_comes_out_is_folded_with_the_paragraph_that_explains_it(theme):
    page, _ = render(
        theme,
        text_cell(PREDICT + "<p>Think of the end.</p>"),
        code_cell("def f(): ..."),
        code_cell("print(f())", PRINTED),
        code_cell("print(f(2))", PRINTED),
        text_cell("<p>Three, for:</p><ul><li>Why</li></ul><p>So with four.</p>"),
        code_cell("f(4)", PRINTED),
    )
    assert outline(page) == [
        "p",
        "p",
        "nb-cell",
        "nb-cell",
        "predict",
        ["nb-cell", "nb-cell", "p", "ul"],
        "p",
        "nb-cell",
    ]
    fold = page.find("details", class_="predict")
    assert fold.summary.text == "Show what comes out"
    assert not fold.has_attr("open")
    assert [cell.text.strip() for cell in page.select(".nb-cell")][1:4] == ["print(f())", "3", "print(f(2))\n\n3"]


def test_a_colon_that_leads_to_code_leads_out_of_the_fold(theme):
    page, _ = render(
        theme, text_cell(PREDICT), code_cell("f()", PRINTED), text_cell("<p>As a loop:</p>"), code_cell("g()", PRINTED)
    )
    assert outline(page) == ["p", "nb-cell", "predict", ["nb-cell"], "p", "nb-cell"]


def test_an_answer_in_words_is_folded_up_to_the_next_heading(theme):
    page, _ = render(theme, text_cell(PREDICT + "<p>Three.</p><p>Or four.</p><h2>On</h2><p>Next.</p>"))
    assert outline(page) == ["p", "predict", ["p", "p"], "h2", "p"]


def test_a_figure_that_a_question_is_about_stays_open(theme):
    check = text_cell("<p><strong>Check yourself.</strong> What is it?</p>")
    page, _ = render(theme, text_cell(PREDICT), code_cell("draw()", svg_output(), alt="Curves"), check)
    assert outline(page) == ["p", "nb-cell", "p"]
    page, _ = render(theme, text_cell(PREDICT), code_cell("f()", PRINTED), text_cell("<p>Three.</p>"), check)
    assert outline(page) == ["p", "nb-cell", "predict", ["nb-cell", "p"], "p"]


def test_the_anchor_of_a_figure_lies_in_the_fold_with_it(theme):
    figure = code_cell("draw()", svg_output(), alt="Curves", tags=["figure-a", "drawing"])
    page, _ = render(theme, text_cell(PREDICT), figure, text_cell("<p>So.</p>"))
    assert page.select_one("details.predict #figure-a")


@pytest.mark.parametrize("end", ["<h2>Next</h2>", PREDICT], ids=["heading", "predict"])
def test_a_prediction_ends_where_something_else_begins(theme, end):
    page, _ = render(theme, text_cell(PREDICT), code_cell("f()", PRINTED), text_cell(f"{end}<p>On.</p>"))
    assert outline(page)[:4] == ["p", "nb-cell", "predict", ["nb-cell"]]
    assert end in str(page)


def test_a_prediction_before_a_heading_or_a_solution_folds_nothing(theme):
    page, _ = render(theme, text_cell(PREDICT + "<h2>By hand</h2><p>Three.</p>"))
    assert outline(page) == ["p", "h2", "p"]
    page, _ = render(theme, text_cell(PREDICT), code_cell("3", tags=["solution"]))
    assert outline(page) == ["p", "solution", ["nb-cell"]]


def test_text_stays_escaped_when_it_is_cut_into_blocks(theme):
    page, _ = render(theme, text_cell(PREDICT + "a &lt;b&gt; &amp; c<p>1 &lt; 2</p>"))
    assert "a &lt;b&gt; &amp; c" in str(page)
    assert "<p>1 &lt; 2</p>" in str(page)


@every_lesson
def test_every_prediction_of_a_lesson_is_found(theme, script):
    """Each begins a paragraph: elsewhere it would not fold."""
    text = "\n\n".join(cell.source for cell in stored(script).cells if cell.cell_type == "markdown")
    assert text.count("**Predict.**") == len(re.findall(r"(?:\A|\n\n)\*\*Predict\.\*\* \S", text))


@every_lesson
def test_a_list_that_explains_what_comes_out_is_folded_with_it(theme, script):
    """The sentence before it ends in a colon: below the fold it would give the answer away."""
    cells, lessons = theme
    found = lessons.read_cells(script.with_suffix(".ipynb"))
    page = BeautifulSoup(cells.render_cells(found, markdown.markdown, [].append), "html.parser")
    assert page.select("details.predict + ul, details.predict + ol") == []


# Comparisons and drawings


def test_a_comparison_is_one_line_that_says_what_was_compared(theme):
    given = code_cell("assert f(1) == grpo_lite.f(1)", tags=["same-f"], caption="value & gradient")
    page, complaints = render(theme, given)
    assert page.summary.text == "Same as grpo_lite.f: value & gradient"
    assert "assert" in page.find("details", class_="same").text
    assert page.select_one(".nb-cell > #same-f")
    assert page.select_one(".nb-entry").text == "In the package: grpo_lite.f"
    assert not complaints
    _, complaints = render(theme, code_cell("f", tags=["same-f"]))
    assert [complaint for complaint in complaints if "not said how" in complaint]


def test_a_comparison_that_shows_something_stays_open(theme):
    page, complaints = render(theme, code_cell("print(f(1))", PRINTED, tags=["same-f"]))
    assert outline(page.div) == ["nb-anchor", "language-python", "nb-output", "nb-entry"]
    assert not complaints


def test_the_call_that_draws_is_folded_below_its_figure_and_what_prepares_it_is_not(theme):
    source = "x = train()\n# As a curve.\n\nplotting.lines(\n    x\n)"
    page, _ = render(theme, code_cell(source, svg_output(), alt="A curve", caption="It rises."))
    cell = page.div
    assert outline(cell) == ["language-python", "nb-figure", "code", ["language-python"]]
    assert cell.pre.text.strip() == "x = train()\n# As a curve."
    assert cell.details.pre.text.strip() == "plotting.lines(\n    x\n)"
    assert cell.figcaption.text == "It rises."
    page, _ = render(theme, code_cell(source, svg_output(), alt="A curve", tags=["drawing"]))
    assert outline(page.div) == ["nb-output", "code", ["language-python"]]
    page, _ = render(theme, code_cell("f()\ny = 3", PRINTED))
    assert outline(page.div) == ["language-python", "nb-output"]


def test_a_cell_to_work_in_is_not_on_the_page(theme):
    page, _ = render(theme, code_cell("a = 1"), code_cell("# Your turn."), code_cell("a", PRINTED, tags=["solution"]))
    assert outline(page) == ["nb-cell", "solution", ["nb-cell"]]
    assert "turn" not in page.text


def test_what_is_compared_silently_says_how():
    cells = [cell for script in SCRIPTS for cell in stored(script).cells]
    silent = [cell for cell in cells if any(t.startswith("same-") for t in tags(cell)) and not cell.outputs]
    assert len(silent) > 10
    for cell in silent:
        assert len(cell.metadata.get("caption", "")) > 10, cell.source


@every_lesson
def test_a_caption_is_short_and_stands_under_something(script):
    for cell in stored(script).cells:
        caption = cell.metadata.get("caption", "x" * 20)
        assert 20 <= len(caption) <= 130, caption
        if "caption" in cell.metadata and not any(t.startswith("same-") for t in tags(cell)):
            assert cell.outputs, caption
            assert caption.endswith((".", "?")), caption


# Minutes


def test_minutes_by_hand(theme):
    """300 words are 90 s, 8 lines 20 s, a figure 20 s, an explorer and a question 120 s: 250 s, so 5 minutes; 51 more
    seconds are 10."""
    _, lessons = theme
    lesson = [
        text_cell("# One\n\n" + "word " * 293 + "\n\n**Minutes:** 5 · **Needs:** nothing · **Gives:** nothing"),
        code_cell("setup = 1", tags=["setup"]),
        text_cell("[a link](https://example.org/of/one/word) and <b>this</b> · is"),
        text_cell("<kl-explorer>No script</kl-explorer>"),
        text_cell(
            '**Check yourself.** A question\nof many words?\n\n<details class="right"><summary>Yes</summary>a</details>'
        ),
        code_cell("a = 1\n\nb = 2\nplotting.bars(\n    a\n)", svg_output()),
        code_cell("c = 1\n" * 3),
        code_cell("# Your turn."),
        text_cell("more\n\n```python\none()\ntwo()\n\nthree()\n```"),
        code_cell("assert f == g", tags=["same-f"]),
        code_cell("answer()\n" * 99, tags=["solution"]),
        text_cell("word " * 999, tags=["solution"]),
    ]
    assert lessons.measured(lesson) == (1 + 293 + 5 + 1, 8, 1, 2)
    assert lessons.minutes(lesson) == 5
    assert lessons.minutes([*lesson, text_cell("word " * 170)]) == 10


@every_lesson
def test_the_head_of_a_lesson_says_what_it_takes(theme, script):
    _, lessons = theme
    said = int(re.search(r"\*\*Minutes:\*\* (\d+)", stored(script).cells[0].source)[1])
    assert said == lessons.minutes(lessons.read_cells(script.with_suffix(".ipynb"))), "run make minutes"


# In a real browser

PREDICTION, SWITCH = "details.predict", "button.show-everything"
SHUT = "[...document.querySelectorAll('article details:not(.right, .wrong)')].filter((fold) => !fold.open).length"


@pytest.mark.site
def test_folds_open_by_a_switch_that_is_remembered_on_paper_and_for_an_address_inside(page):
    page.goto("lessons/ratio_and_clipping/")
    switch = page.get_by_role("switch", name="Show everything")
    body = page.locator(f"{PREDICTION} > :not(summary)").first
    assert not body.is_visible()
    assert switch.get_attribute("aria-checked") == "false"

    tab_to(page, f"{PREDICTION} > summary", 200)
    page.keyboard.press("Enter")
    assert body.is_visible()
    page.keyboard.press("Enter")
    assert not body.is_visible()

    page.emulate_media(media="print")
    assert body.is_visible()
    page.emulate_media(media="screen")
    assert not body.is_visible()

    # An address inside, and inside of what is inside.
    page.evaluate("document.querySelector('details.predict pre').innerHTML += '<details><p id=deep>Here</p></details>'")
    page.evaluate("location.hash = 'deep'")
    page.locator("#deep").wait_for()
    until(page, "document.querySelector('#deep').getBoundingClientRect().top < innerHeight")

    switch.focus()
    page.keyboard.press("Space")
    assert switch.get_attribute("aria-checked") == "true"
    assert page.evaluate(SHUT) == 0
    assert page.locator(":is(.right, .wrong)[open]").count() == 0  # to open one is to choose it
    page.reload()
    assert page.evaluate(SHUT) == 0
    switch.press("Enter")
    assert page.evaluate(SHUT) > 5
    page.reload()
    assert switch.get_attribute("aria-checked") == "false"
    assert not body.is_visible()


def test_the_core_path_takes_200_minutes_and_none_of_its_lessons_more_than_25(theme):
    _, lessons = theme
    menu = (ROOT / "mkdocs.yml").read_text().partition("- Train:")[0]
    core = [s for s in SCRIPTS if key(s) in re.findall(r"lessons/(\w+)\.ipynb", menu)]
    took = [lessons.minutes(lessons.read_cells(script.with_suffix(".ipynb"))) for script in core]
    assert len(core) == 11
    assert sum(took) <= 200
    assert max(took) <= 25
