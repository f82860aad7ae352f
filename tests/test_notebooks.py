"""The lessons: script and notebook agree, every function is built and compared, a fresh run shows the same numbers."""

import re

import jupytext
import pytest

import grpo_lite
from helpers.built import ROOT, setting
from helpers.lessons import LINK, NUMBER, SCRIPTS, SITE_URL, key, results, stored, tags

# Records, settings and a type alias: nothing to build by hand. The last two wrap a library and a sandbox.
NOT_BUILT = {"Completions", "Episodes", "GRPOConfig", "LossOutput", "RewardFunc", "code_reward", "math_reward"}

every_lesson = pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)


def assert_same_output(shown, fresh):
    """Words are the same to the letter. Numbers agree to one part in ten thousand or, as processors round differently,
    to one unit of the last digit shown; whole numbers are the same."""
    words = [" ".join(NUMBER.sub("#", text).split()) for text in (shown, fresh)]
    assert words[0] == words[1]
    for old, new in zip(NUMBER.findall(shown), NUMBER.findall(fresh), strict=True):
        decimals = 0 if "e" in old else len(old.partition(".")[2])
        assert float(new) == pytest.approx(float(old), rel=1e-4, abs=1.01 * 0.1**decimals if decimals else 0)


@every_lesson
def test_script_and_notebook_are_the_same_lesson(script):
    text, notebook = jupytext.read(script), stored(script)
    keys = ("tags", "alt", "caption")
    cells = [
        [(c.cell_type, c.source, *(c.metadata.get(key) for key in keys)) for c in nb.cells] for nb in (text, notebook)
    ]
    assert cells[0] == cells[1], "run make notebooks"


@every_lesson
def test_notebook_was_run_from_top_to_bottom_and_carries_no_time_stamps(script):
    notebook = stored(script)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not [o for cell in code for o in cell.outputs if o.output_type == "error" or o.get("name") == "stderr"]
    assert set().union(*(cell.metadata for cell in notebook.cells)) <= {"tags", "alt", "caption", "jupyter", "cellView"}


@every_lesson
def test_solutions_and_they_alone_are_folded_in_jupyter_and_colab(script):
    for cell in stored(script).cells:
        folded = {"jupyter": {"source_hidden": True}}
        if cell.cell_type == "code":
            folded = {"jupyter": {"source_hidden": True, "outputs_hidden": True}, "cellView": "form"}
        found = {name: cell.metadata[name] for name in ("jupyter", "cellView") if name in cell.metadata}
        assert found == (folded if "solution" in tags(cell) else {}), "run make notebooks"


@every_lesson
def test_lesson_has_the_anatomy_of_a_lesson(script):
    first, setup, *rest = jupytext.read(script).cells
    assert re.match(r"# [^\d\s]", first.source)
    assert re.search(r"^\*\*Minutes:\*\* \d+ · \*\*Needs:\*\* .+ · \*\*Gives:\*\* .+$", first.source, re.M)
    assert tags(setup) == ["setup"]
    assert setup.source.startswith('import sys\n\nif "google.colab" in sys.modules:\n    get_ipython()')
    assert f"git+{setting('repo_url')}'" in setup.source
    prose = "\n".join(cell.source for cell in rest if cell.cell_type == "markdown")
    middle = ("## Try it",) if key(script) == "watch_it_learn" else ("## Break it", "## Exercises")
    for part in ("**Predict.**", *middle, "## What to remember", "> **Remember.**"):
        assert part in prose, part
    assert len({t for cell in rest for t in tags(cell) if t == "solution"}) == 1
    assert "arxiv.org/abs/" in prose


@every_lesson
def test_every_exercise_says_its_level_and_its_minutes_and_has_a_cell_to_work_in(script):
    """A question, with or without code to look at, then an empty cell, then the solution."""
    texts, kinds = [], ""
    for cell in jupytext.read(script).cells:
        start = re.search(r"^## (Exercises|Try it)$", cell.source, re.M)
        solution, work = "solution" in tags(cell), cell.source == "# Your turn."
        if texts or (start and not tags(cell)):
            texts.append(cell.source[start.end() if start else 0 :])
            kinds += "S" if solution else "W" if work else "C" if cell.cell_type == "code" else "Q"
    questions = [text for text, kind in zip(texts, kinds, strict=True) if kind == "Q"][:-1]  # then what to remember
    form = r"^\*\*(\d)\. [^*]+[.?]\*\* \*(?:Easy|Medium|Hard), (?:[12]?5|[123]0) minutes\.\* \S"
    assert [re.findall(form, text, re.M) for text in questions] == [[str(i + 1)] for i in range(len(questions))]
    assert re.fullmatch("(QC?WS+)+Q", kinds), kinds


FULL = {"ppo_and_grpo"}  # pages without room for a question


@every_lesson
def test_questions_have_one_right_answer_and_say_why_the_others_are_wrong(script):
    cells = [cell.source for cell in jupytext.read(script).cells if "**Check yourself.**" in cell.source]
    assert bool(cells) == (key(script) not in FULL)
    for cell in cells:
        question, *options = re.split(r"\n+(?=<details )", cell)
        assert question.startswith("**Check yourself.** ")
        parts = [
            re.fullmatch(r'<details class="(right|wrong)"><summary>(.+?)</summary>(.+)</details>', option)
            for option in options
        ]
        assert all(parts), cell  # one line each, or Markdown would cut them up
        assert sorted(part[1] for part in parts)[:2] == ["right", "wrong"]
        assert [part[1] for part in parts].count("right") == 1
        assert "`" not in "".join(options)  # no Markdown inside HTML
        assert min(len(part[3]) for part in parts) > 20


def head(script):
    """The first cell of a lesson, which says what it is."""
    return jupytext.read(script).cells[0].source


def test_the_drawn_map_leads_to_each_lesson_along_what_it_needs():
    def with_all_before(needs):
        """What must be read first, directly or not."""

        def whole(name):
            return needs[name].union(*map(whole, needs[name]))

        return {name: whole(name) for name in needs}

    stated, drawn, minutes = {}, {}, {}
    for script in SCRIPTS:
        line = re.search(r"\*\*Needs:\*\* (.+?) · ", head(script))[1]
        stated[key(script)] = {name for _, name in LINK.findall(line)}
        minutes[key(script)] = re.search(r"\*\*Minutes:\*\* (\d+)", head(script))[1]
    drawing = (ROOT / "docs/assets/map.svg").read_text()
    boxes = re.findall(rf'<a href="{SITE_URL}lessons/(\w+)/" data-needs="([\w ]*)">.*?>(\d+) min<', drawing)
    for name, needs, _ in boxes:
        drawn[name] = set(needs.split())
    assert {name: shown for name, _, shown in boxes} == minutes
    assert with_all_before(drawn) == with_all_before(stated)
    heads = len(re.findall('class="t"', drawing))
    assert heads == sum(map(len, drawn.values()))  # an arrow for each
    assert drawing.count('number" x=') == len(boxes)  # and a place for each number


@every_lesson
def test_every_figure_says_in_words_what_it_shows(script):
    for cell in stored(script).cells:
        drawn = any("image/svg+xml" in output.get("data", {}) for output in cell.get("outputs", []))
        assert not any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))
        assert drawn == bool(cell.metadata.get("alt")), cell.source
        assert len(cell.metadata.get("alt", "." * 40)) >= 40, cell.source


@every_lesson
def test_a_line_of_code_is_no_longer_than_a_page_is_wide(script):
    shown = [c.source for c in jupytext.read(script).cells if c.cell_type == "code" and "setup" not in tags(c)]
    assert [line for source in shown for line in source.splitlines() if len(line) > 88] == []


def test_every_public_function_is_built_by_hand_and_compared_once():
    every_tag = [t for script in SCRIPTS for cell in jupytext.read(script).cells for t in tags(cell)]
    for prefix in ("define-", "same-"):
        built = sorted(t.removeprefix(prefix) for t in every_tag if t.startswith(prefix))
        assert built == sorted(set(grpo_lite.__all__) - NOT_BUILT)


@every_lesson
def test_result_tags_are_unique_and_their_cells_print(script):
    notebook = stored(script)
    names = [t for cell in notebook.cells for t in tags(cell) if t.startswith("result-")]
    assert len(names) == len(set(names)) > 0
    assert all(results(notebook).values())
    assert all(
        t in ("setup", "solution", "detail", "diagram", "drawing") or re.match(r"(define|same|result|figure)-", t)
        for c in notebook.cells
        for t in tags(c)
    )


@pytest.mark.long
@pytest.mark.slow
@every_lesson
def test_fresh_run_shows_the_stored_results(script):
    from nbclient import NotebookClient

    notebook = jupytext.read(script)
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": ROOT}}).execute()
    fresh = results(notebook)
    for tag, shown in results(stored(script)).items():
        try:
            assert_same_output(shown, fresh[tag])
        except AssertionError as error:
            raise AssertionError(f"{tag}\nstored:\n{shown}\nfresh:\n{fresh[tag]}\n{error}") from None
