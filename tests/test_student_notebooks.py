"""The lessons as notebooks to fill in: nothing is given away, and the lesson's own code fills them."""

import ast
import builtins
import re
import subprocess
import sys

import nbformat
import pytest

import grpo_lite
import student_notebooks
from helpers.built import ROOT
from helpers.lessons import SCRIPTS, SITE_URL, lesson
from student_notebooks import stub, student, tags


def read(script):
    return nbformat.read(script.with_suffix(".ipynb"), 4)


def defined(cell):
    return any(tag.startswith("define-") for tag in tags(cell))


DEFINITIONS = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef
BUILDING = [script for script in SCRIPTS if any(map(defined, read(script).cells))]


def test_a_stub_keeps_the_signature_and_what_is_around_it():
    source = "A = 1\n\n\ndef kl_k1(logps,\n          ref_logps):\n    d = ref_logps - logps\n    return -d\n\n\nB = 2"
    assert stub(source) == (
        "A = 1\n\n\ndef kl_k1(logps,\n          ref_logps):\n"
        '    """Estimate KL(policy || reference) by the log-ratio itself."""\n'
        '    raise NotImplementedError("kl_k1")\n\n\nB = 2'
    )
    assert stub("def own(x):\n    return x") == 'def own(x):\n    raise NotImplementedError("own")'


@pytest.mark.parametrize("script", BUILDING, ids=lambda script: script.stem)
def test_nothing_is_given_away(script):
    whole = student(read(script))
    nbformat.validate(whole)
    code = [cell for cell in whole.cells if cell.cell_type == "code"]
    assert not any("solution" in tags(cell) for cell in whole.cells)
    assert not any(cell.outputs for cell in code)
    assert [cell.source for cell in code if "setup" in tags(cell)]
    for cell in filter(defined, code):
        for node in ast.parse(cell.source).body:
            if isinstance(node, ast.FunctionDef):
                *said, last = node.body
                assert isinstance(last, ast.Raise)
                assert len(said) <= 1  # what it is for


@pytest.mark.parametrize("script", BUILDING, ids=lambda script: script.stem)
def test_its_links_lead_somewhere_from_anywhere_and_its_explorers_are_on_the_site(script):
    texts = "\n".join(cell.source for cell in student(read(script)).cells if cell.cell_type == "markdown")
    asked = "\n".join(cell.source for cell in read(script).cells if cell.cell_type == "markdown")
    assert re.findall(r"\]\((?!https://|#)[^)]*\)", texts) == []
    assert "-explorer>" not in texts
    explorers = re.findall(rf"\[Open it\]\({SITE_URL}explore/#(\w+)\)", texts)
    assert explorers == re.findall(r"<(\w+)-explorer>", asked)
    assert all(f'<{name}-explorer id="{name}">' in (ROOT / "docs" / "explore.md").read_text() for name in explorers)
    pages = [address for address, _ in re.findall(rf"\]\({SITE_URL}((?!lessons/|explore/)[\w/]+)/(#\w+)?\)", texts)]
    assert len(pages) == asked.count("](../docs/")
    assert all((ROOT / "docs" / f"{page}.md").is_file() for page in pages)


@pytest.mark.parametrize("script", BUILDING, ids=lambda script: script.stem)
def test_no_text_speaks_of_a_name_that_only_a_removed_solution_has(script):
    whole, removed = student(read(script)), set()
    for cell in filter(defined, read(script).cells):
        names = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Name)]
        removed |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
    code = " ".join(cell.source for cell in whole.cells if cell.cell_type == "code")
    text = " ".join(cell.source for cell in whole.cells if cell.cell_type == "markdown")
    named = set(re.findall(r"`(\w+)`", text))
    assert named & removed - set(re.findall(r"\w+", code)) == set()


@pytest.mark.parametrize("script", BUILDING, ids=lambda script: script.stem)
def test_a_comparison_needs_no_other_comparison_and_no_solution(script):
    stored: dict[str, set[bool]] = {}  # name -> whether cells that set it are left to the student or stand alone
    for cell in read(script).cells:
        if cell.cell_type != "code":
            continue
        tree = ast.parse("\n".join(line for line in cell.source.splitlines() if not line.startswith("%")))
        names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        own = {node.id for node in names if isinstance(node.ctx, ast.Store)}
        own |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        own |= {argument.arg for node in ast.walk(tree) if isinstance(node, ast.arguments) for argument in node.args}
        apart = any(tag.startswith("same-") or tag == "solution" for tag in tags(cell))
        if any(tag.startswith("same-") for tag in tags(cell)):
            used = {node.id for node in names if isinstance(node.ctx, ast.Load)} - own - set(dir(builtins))
            assert {name for name in used if stored.get(name) == {True}} == set()
        for name in own:
            stored.setdefault(name, set()).add(apart)


@pytest.mark.parametrize("script", BUILDING, ids=lambda script: script.stem)
def test_the_definitions_run_as_they_stand(script):
    names, built = {}, {tag.removeprefix("define-") for cell in read(script).cells for tag in tags(cell)}
    for cell in student(read(script)).cells:
        tree = ast.parse(cell.source if cell.cell_type == "code" else "")
        tree.body = [node for node in tree.body if isinstance(node, DEFINITIONS)]
        for node in tree.body if not defined(cell) else ():
            if isinstance(node, ast.FunctionDef):
                node.args.defaults = []  # what the lesson has computed on the way
        exec(compile(tree, script.stem, "exec"), names)
        stubs = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert stubs or not defined(cell)
        for name in stubs & built if defined(cell) else ():
            assert names[name].__doc__ == getattr(grpo_lite, name).__doc__.strip().partition("\n")[0]


@pytest.mark.parametrize("key", ["group_advantages", "the_leash", "ratio_and_clipping"])
def test_the_lesson_fills_the_notebook_and_a_wrong_function_is_seen(key, monkeypatch, as_user):
    monkeypatch.setenv("MPLBACKEND", "agg")
    original = read(lesson(key))
    answers = [cell.source for cell in original.cells if defined(cell)]
    cells = [cell for cell in student(original).cells if cell.cell_type == "code"]
    comparisons = 0

    def run(sources):
        nonlocal comparisons
        names: dict = {}
        for cell, source in zip(cells, sources, strict=True):
            comparisons += any(tag.startswith("same-") for tag in tags(cell))
            exec(compile(source, cell.id, "exec"), names)

    def filled(answers):
        rest = iter(answers)
        return [next(rest) if defined(cell) else cell.source for cell in cells]

    run(filled(answers))
    assert comparisons == len(answers)
    with pytest.raises(NotImplementedError):
        run([cell.source for cell in cells])
    wrong = [answers[0].replace("return ", "return 1.001 * "), *answers[1:]]
    with pytest.raises(AssertionError):
        run(filled(wrong))


def test_the_command_writes_every_lesson_that_builds_something(tmp_path):
    done = subprocess.run(
        [sys.executable, student_notebooks.__file__, tmp_path / "out"], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert sorted(path.stem for path in (tmp_path / "out").iterdir()) == [script.stem for script in BUILDING]
