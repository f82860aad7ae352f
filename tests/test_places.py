"""A lesson has one place: the number in its file name. Everything else calls it by its title or by its address."""

import re
import shutil
import subprocess
import sys

import jupytext
import pytest

from helpers.built import ROOT
from helpers.lessons import SCRIPTS, SITE_URL, key, lesson
from helpers.small_site import strict_build

TEXTS = {".py", ".ipynb", ".md", ".yml", ".toml", ".svg", ".js", ".css", ".html", ".txt", ""}


def tracked():
    """What is under version control, as paths from the root."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.splitlines() if (ROOT / name).exists()]


def texts():
    return {name: (ROOT / name).read_text() for name in tracked() if (ROOT / name).suffix in TEXTS}


def title(script):
    return jupytext.read(script).cells[0].source.partition("\n")[0].removeprefix("# ")


def test_a_number_stands_in_the_file_name_and_nowhere_else():
    number = re.compile(rf"\d\d_(?:{'|'.join(map(key, SCRIPTS))})\b|\b(?:lesson|notebook)s? \d\d\b", re.I)
    assert {name: found for name, text in texts().items() if (found := number.findall(text))} == {}


def test_titles_and_names_are_each_lessons_own():
    assert len({title(script) for script in SCRIPTS}) == len({key(script) for script in SCRIPTS}) == len(SCRIPTS)


def test_an_address_is_that_of_a_lesson_on_the_site_of_mkdocs_yml():
    known = {f"{SITE_URL}lessons/{key(script)}/" for script in SCRIPTS}
    address = re.compile(r"https?://[\w-]+\.[\w./-]+/lessons/\w+/")
    assert {found for text in texts().values() for found in address.findall(text)} == known


def test_the_readme_names_every_lesson_and_its_question():
    rows = re.findall(r"^\| \[(.+)\]\((.+)\) \| .+\? \|$", (ROOT / "README.md").read_text(), re.M)
    assert sorted(rows) == sorted((title(script), f"{SITE_URL}lessons/{key(script)}/") for script in SCRIPTS)


@pytest.mark.long
@pytest.mark.slow
def test_a_lesson_moves_by_one_rename_and_one_line_of_the_menu(tmp_path):
    for name in tracked():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for path in (tmp_path / "notebooks").glob(f"{lesson('group_advantages').stem}.*"):
        path.rename(path.with_name("99" + path.name[2:]))
    menu = (tmp_path / "mkdocs.yml").read_text().splitlines(keepends=True)
    line = next(line for line in menu if "lessons/group_advantages.ipynb" in line)
    menu.remove(line)
    menu.insert(max(i for i, other in enumerate(menu) if "- lessons/" in other) + 1, line)
    (tmp_path / "mkdocs.yml").write_text("".join(menu))

    done = strict_build(tmp_path)
    assert done.returncode == 0, done.stdout
    page, home, other, overview, entry = (
        (tmp_path / "site" / name / "index.html").read_text()
        for name in ("lessons/group_advantages", "", "lessons/rewards", "lessons", "api/advantages")
    )
    assert ">99 Group-relative advantages</h1>" in page
    assert "/blob/main/notebooks/99_" in page
    assert '<a href="lessons/group_advantages/">99\N{NO-BREAK SPACE}Group-relative advantages</a>' in home
    assert '<a href="../group_advantages/">99\N{NO-BREAK SPACE}Group-relative advantages</a>' in other
    assert re.search(r'<a href="group_advantages/" data-needs="[\w ]+">.*?number"[^>]*>99</text>', overview)
    assert re.findall(r'<li><a href="(\w+)/">\d\d', overview)[-1] == "group_advantages"
    assert '#define-group_advantages">99\N{NO-BREAK SPACE}Group-relative advantages</a>' in entry

    subprocess.run("git init --quiet && git add --all", shell=True, cwd=tmp_path, check=True)
    tests = [
        f"tests/test_{name}.py" for name in ("places", "notebooks", "package", "diagrams", "shown_numbers", "site")
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "not site and not slow", *tests],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
