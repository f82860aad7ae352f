"""What stands around the assignments: what every student gets, Gradescope's bundle, slides, the lecturer's page."""

import itertools
import json
import re
import subprocess
import sys
import zipfile

import nbformat
import pytest
import torch
import yaml

import bundle
import grade as grader
import make
import otter_bundle
import slides
from grpo_lite import clipped_surrogate, group_advantages, leave_one_out_advantages
from helpers.built import ROOT


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    target = tmp_path_factory.mktemp("hw") / "hw"
    make.write(make.VARIANT, target)
    return target


def test_everybody_gets_the_rules_for_a_tutor_and_a_workflow(student):
    assert "Write no part of a solution" in (student / "TUTOR.md").read_text()
    workflow = yaml.safe_load((student / ".github/workflows/check.yml").read_text())
    uses = [step["uses"] for step in workflow["jobs"]["check"]["steps"] if "uses" in step]
    ours = (ROOT / ".github/workflows/ci.yml").read_text()
    assert uses
    assert all(f"uses: {action}" in ours for action in uses)  # pinned, and to what our own run uses


def test_the_workflow_runs_the_public_checks_of_each_folder(student, tmp_path):
    workflow = yaml.safe_load((student / ".github/workflows/check.yml").read_text())
    (script,) = (
        step["run"] for step in workflow["jobs"]["check"]["steps"] if "GITHUB_STEP_SUMMARY" in step.get("run", "")
    )
    summary = tmp_path / "summary.md"
    script = script.replace("python ", f"{sys.executable} ").replace("[0-9]_*/", "1_*/")
    subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=student,
        env={"GITHUB_STEP_SUMMARY": str(summary)},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    text = summary.read_text()
    assert text.count("```") == 2
    assert re.search(r"## 1_advantages/\n\n```text\nProblem 1a: 0 of \d+\n  WRONG ", text)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    target = tmp_path_factory.mktemp("kits") / "teacher"
    make.write(make.VARIANT, target, teacher=True)
    return target


@pytest.fixture(scope="module")
def bundled(tmp_path_factory):
    target = tmp_path_factory.mktemp("gradescope")
    return bundle.bundle(make.VARIANT, target)


def test_a_bundle_holds_what_gradescope_wants_and_no_solution(bundled):
    assert [path.name for path in bundled] == [f"{folder.name}_{make.VARIANT}.zip" for folder in make.assignments()]
    for path in bundled:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
        assert {
            "setup.sh",
            "run_autograder",
            "results.py",
            "kit/check.py",
            "kit/checks.py",
            "kit/variant.json",
        } <= names
        assert {"kit/hidden_checks.py"} <= names
        assert not {name for name in names if name.endswith(("solution.py", ".md", ".pyc"))}


def grade(archive, tmp_path, solution):
    with zipfile.ZipFile(archive) as file:
        file.extractall(tmp_path / "source")
    (tmp_path / "submission").mkdir(parents=True, exist_ok=True)
    if solution is not None:
        (tmp_path / "submission" / "solution.py").write_text(solution)
    places = tmp_path / "submission", tmp_path / "results"
    subprocess.run([sys.executable, tmp_path / "source" / "results.py", *places], check=True)
    return json.loads((tmp_path / "results" / "results.json").read_text())["tests"]


def test_gradescope_reads_points_and_reasons(bundled, teacher, tmp_path):
    first = make.assignments()[0].name
    right = (teacher / first / "solution.py").read_text()
    tests = grade(bundled[0], tmp_path / "right", right)
    assert sum(test["score"] for test in tests) == sum(test["max_score"] for test in tests) == 100
    assert {test["output"] for test in tests} == {"right"}
    public = {
        f"{one.problem} {one.__name__.replace('_', ' ')}" for one in make.checks(make.assignments()[0], hidden=False)
    }
    assert {test["name"] for test in tests if test["visibility"] == "visible"} == public
    assert {test["visibility"] for test in tests if test["name"] not in public} == {"after_published"}

    stubs = (teacher / first / "starter.py").read_text()
    tests = grade(bundled[0], tmp_path / "stubs", stubs)
    assert [test["score"] for test in tests] == [0] * len(tests)
    assert any("is not written yet" in test["output"] for test in tests)

    tests = grade(bundled[0], tmp_path / "nothing", None)
    assert sum(test["max_score"] for test in tests) == 100
    assert {test["output"] for test in tests} == {"there is no solution.py"}


# The notebooks for otter-grader. `make otter` has it make its bundles of them, and grade reference and stubs.


@pytest.fixture(scope="module")
def masters(student, teacher, tmp_path_factory):
    target = tmp_path_factory.mktemp("otter")
    return {
        one.name: otter_bundle.write_master(student / one.name, teacher / one.name, target / one.name)
        for one in make.assignments()
    }


def sources(master, kind):
    notebook = json.loads(master.read_text())
    nbformat.validate(nbformat.from_dict(notebook))
    return [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == kind]


def stripped(text):
    """What otter leaves of a cell for students: no solution, and the prompt without its quotes."""
    text = re.sub(r"^# BEGIN SOLUTION NO PROMPT\n.*?^# END SOLUTION\n", "", text, flags=re.M | re.S)
    return "".join(line for line in text.splitlines(keepends=True) if not re.search(r"# (BEGIN|END) PROMPT$", line))


def without_blanks(text):
    return [line for line in text.splitlines() if line.strip()]


def test_a_master_notebook_has_blocks_tests_and_points_and_hides_what_students_do_not_get(masters, student):
    assert [name for name, master in masters.items() if master is None] == ["4_loop"]  # a folder is handed in
    for assignment in make.assignments():
        master = masters[assignment.name]
        if master is None:
            continue
        config, *raw = sources(master, "raw")
        told, open_ = json.loads(config.partition("\n")[2]), []
        for line in (text.splitlines()[0] for text in raw):
            word, block = re.fullmatch("# (BEGIN|END) (QUESTION|SOLUTION|TESTS)", line).groups()
            assert word == "BEGIN" or open_.pop() == block
            open_ += [block] * (word == "BEGIN")
        assert open_ == []
        public = {one.__name__ for one in make.checks(assignment, hidden=False)}
        found = [
            (name, int(points), hidden == "true")
            for text in sources(master, "code")
            for points, hidden, name in re.findall(
                r"BEGIN TEST CONFIG\npoints: (.*)\nhidden: (.*)\n.*\ndef (\w+)", text
            )
        ]
        wanted = [(one.__name__, one.points, one.__name__ not in public) for one in make.checks(assignment)]
        assert sorted(found) == sorted(wanted)
        written = [stripped(text) for text in sources(master, "code") if "BEGIN TEST CONFIG" not in text]
        stubs = (student / assignment.name / "solution.py").read_text()
        assert without_blanks("\n".join(written)) == without_blanks(stubs)
        assert told["autograder_files"] == ["hidden_checks.py"]
        assert {"check.py", "checks.py", "variant.json", "notebook_checks.py"} <= set(told["files"])
        assert not {"hidden_checks.py", "solution.py"} & set(told["files"])
        beside = [*told["files"], *told["autograder_files"], *told["student_files"]]
        assert all((master.parent / name).is_file() for name in beside)
        repaired = [path.name for path in sorted((student / assignment.name).glob("hunt_?.py"))]
        assert told["student_files"] == repaired == [path.name for path in sorted((master.parent / "stubs").iterdir())]


GRADE = """
import json, sys
notebook, answers = json.load(open(sys.argv[1])), {}
for way in ("reference", "stubs", "import"):
    names, answers[way] = {}, []
    if way == "import":
        sys.modules["trl"] = sys
    for cell in notebook["cells"]:
        text, found = cell["source"], {}
        if cell["cell_type"] != "code":
            continue
        if "BEGIN TEST CONFIG" not in text:
            exec(cell[way] if way == "stubs" else text, names)
            continue
        exec(text, found)
        try:
            [x for x in found.values() if callable(x)][-1](names)
            answers[way].append("")
        except AssertionError as error:
            answers[way].append(str(error))
print(json.dumps(answers))
"""


@pytest.mark.slow
def test_the_tests_of_a_master_notebook_pass_the_reference_and_tell_stubs_why_not(masters, tmp_path):
    notebook = json.loads(masters["5_tool"].read_text())
    for cell in notebook["cells"]:
        cell["stubs"] = stripped(cell["source"])
    (tmp_path / "one.json").write_text(json.dumps(notebook))
    command = [sys.executable, "-c", GRADE, tmp_path / "one.json"]
    done = subprocess.run(command, cwd=masters["5_tool"].parent, check=True, capture_output=True, text=True)
    answers = json.loads(done.stdout)
    assert len(answers["reference"]) == len(make.checks(make.assignments()[4]))
    assert set(answers["reference"]) == {""}
    assert all(re.search(r"not written yet|is None", why) for why in answers["stubs"])
    assert set(answers["import"]) == {"the notebook imports trl: what it has is to be written here"}


# The slides.


def test_every_figure_of_the_slides_is_found_and_nothing_is_fetched(tmp_path):
    page = slides.build(tmp_path).read_text()
    source = (ROOT / "coursework" / "slides" / "slides.md").read_text()
    assert len(re.findall(r"<section\b", page)) == len(re.split(r"^---$", source, flags=re.M)) == 27
    assert page.count("<figure>") == len(slides.FIGURE.findall(source)) > 15
    assert "@@" not in page
    assert "![" not in page
    assert all(
        (tmp_path / name).is_file() for name in re.findall(r'<(?:script|link)[^>]* (?:src|href)="([^"]+)"', page)
    )
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert all(target in ids for target in re.findall(r'(?:href="|url\()#([^")]+)', page))
    with pytest.raises(ValueError, match=r"no figure of \d\d_the_map.ipynb has a caption that begins with 'Nothing'"):
        slides.figure("the_map", "Nothing", 1)


@pytest.mark.site
def test_a_slide_is_not_overfull_and_its_labels_can_be_read(browser, tmp_path):
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.goto(slides.build(tmp_path).as_uri())
    for number in range(1, page.locator("section").count() + 1):
        page.evaluate(f"location.hash = {number}")
        page.wait_for_function(f"document.title.startsWith('{number}/')")
        smallest, bottom, right = page.evaluate(
            """() => {
                const slide = document.querySelector("section.now");
                const sizes = [...slide.querySelectorAll("svg text, svg tspan")]
                    .map((t) => parseFloat(getComputedStyle(t).fontSize) * t.closest("svg").getScreenCTM().a);
                const edges = [...slide.querySelectorAll(":scope > *, .katex-html > .base, figcaption")]
                    .map((x) => x.getBoundingClientRect());
                const words = edges.filter((x) => x.height && slide.classList.contains("tall") && x.left < 480);
                return [Math.min(99, ...sizes), Math.max(0, ...edges.map((x) => x.bottom)),
                    Math.max(0, ...words.map((x) => x.right))];
            }"""
        )
        assert smallest >= 14, number
        assert bottom <= 720, number
        assert right <= 4 * 16 + 27 * 16, number  # in a slide of two columns words end before the figure
    page.close()


# The kit's page and the lecturer's.


def test_the_table_of_the_kit_is_that_of_its_assignments():
    text = (ROOT / "coursework" / "README.md").read_text()
    rows = re.findall(r"^\| \d \| (.+?) \| (\d+) \| ([\d.]+) \| (\d+) s \| (.+) \|$", text, re.M)
    for assignment, (_, total, hours, seconds, lessons) in zip(make.assignments(), rows, strict=True):
        facts = make.about(assignment)
        worth = sum(sum(checks.values()) for checks in make.points(make.checks(assignment)).values())
        assert (int(total), 60 * float(hours), int(seconds)) == (worth, facts["minutes"], facts["cpu_seconds"])
        before = re.search(r"\*\*Read before:\*\*.*", (assignment / "HANDOUT.md").read_text())
        assert re.findall(r"\]\((.+?)\)", lessons) == re.findall(r"\]\((.+?)\)", before[0])
    assert f"in about {make.about(make.assignments()[2])['learn_seconds']} s of a processor" in text


TEACHING = (ROOT / "docs" / "teaching.md").read_text()


def test_the_commands_of_the_page_hand_out_and_grade(tmp_path):
    blocks = "".join(re.findall(r"```bash\n(.*?)```", TEACHING, re.S))
    commands = [line.partition("  #")[0].strip() for line in blocks.splitlines()]
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M)) | {"install"}
    named = [
        line.split()[1] for line in [*commands, *re.findall(r"`(make [^`]+)`", TEACHING)] if line.startswith("make ")
    ]
    assert {"install", "assignment", "gradescope", "slides", "student-notebooks"} <= set(named) <= targets

    (grading,) = (line for line in commands if "grade.py" in line)
    variant = grading.split("--variant ")[1]
    teacher = tmp_path / "teacher"
    make.write(variant, teacher, teacher=True)
    first = make.assignments()[0].name
    for student, file in (("anna", "solution.py"), ("ben", "starter.py")):
        (tmp_path / "submissions" / student / first).mkdir(parents=True)
        (tmp_path / "submissions" / student / first / "solution.py").write_text((teacher / first / file).read_text())
    command = grading.replace(".venv/bin/python coursework", f"{sys.executable} {ROOT / 'coursework'}")
    subprocess.run(command.split(), cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    _, anna, ben = (tmp_path / "out" / "scores.csv").read_text().split()
    assert anna.split(",")[:2] == ["anna", "100"]
    assert ben.split(",")[:2] == ["ben", "0"]
    assert "is not written yet" in (tmp_path / "out" / "ben.md").read_text()


def test_the_grader_says_that_a_hand_in_was_made_for_another_variant(tmp_path):
    (tmp_path / "anna" / "1").mkdir(parents=True)
    (tmp_path / "anna" / "1" / "variant.json").write_text('{"variant": "2031-spring"}')
    said = grader.other_variants(tmp_path / "anna", "2027-spring")
    assert said == "made for variant 2031-spring, graded as 2027-spring: grade again with --variant"
    assert grader.other_variants(tmp_path / "anna", "2031-spring") == ""
    (tmp_path / "anna" / "1" / "variant.json").write_text("[1]")
    assert grader.other_variants(tmp_path / "anna", "2027-spring") == ""


def test_about_half_of_the_points_are_public(student):
    for assignment in make.assignments():
        public = make.points(make.checks(assignment, hidden=False))
        assert 40 <= sum(sum(checks.values()) for checks in public.values()) <= 60
        assert sum(sum(checks.values()) for checks in make.points(make.checks(assignment)).values()) == 100


def test_the_plans_count_their_lessons_and_have_them_before_the_assignment_that_needs_them():
    plan = TEACHING.partition("## A plan")[2].partition("## In class")[0]
    for part in plan.split("### ")[1:]:
        counted = [keys.split() for keys in re.findall(r"<!-- minutes of ([\w ]+) -->", part)]
        links, whole = re.findall(r"/lessons/(\w+)/", part), max(counted, key=len)
        assert sorted(itertools.chain(*counted)) == sorted(links + whole)
        assert whole == re.findall(r"/lessons/(\w+)/", part.partition("Who has time left")[0])
    for number, assignment in enumerate(make.assignments(), start=1):
        before = re.search(r"\*\*Read before:\*\*.*", (assignment / "HANDOUT.md").read_text())[0]
        needed = set(re.findall(r"/lessons/(\w+)/", before))
        so_far = plan[: plan.index(f"assignment {number}")]
        assert needed <= set(re.findall(r"/lessons/(\w+)/", so_far)), number


def test_the_numbers_of_the_worksheet():
    one = torch.tensor([1.0] + [0.0] * 7, dtype=torch.float64)
    shown = [
        group_advantages(one, 8),
        group_advantages(one, 8, scale_rewards="none"),
        leave_one_out_advantages(one, 8),
    ]
    texts = [f"{x[0] + 1e-9:.2f} and \N{MINUS SIGN}{1e-9 - x[1]:.2f}" for x in shown]  # halves go up, as in the page
    assert texts == ["2.47 and \N{MINUS SIGN}0.35", "0.88 and \N{MINUS SIGN}0.13", "1.00 and \N{MINUS SIGN}0.14"]
    assert all(text in TEACHING for text in texts)

    for sign, number, want in [(1, 1.0, 1.0), (1, 1.3, 0), (1, 0.6, 0.6), (-1, 1.3, -1.3), (-1, 0.6, 0)]:
        logp = torch.tensor([[number]], dtype=torch.float64).log().requires_grad_()
        clipped_surrogate(logp.exp(), torch.tensor([float(sign)], dtype=torch.float64)).sum().backward()
        assert logp.grad.item() == pytest.approx(want)
    assert [round(100 * (1 - 0.997**size), 1) for size in (8, 32)] == [2.4, 9.2]
