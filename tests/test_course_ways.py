"""What stands around the assignments: what every student gets, and the bundle that Gradescope runs."""

import json
import re
import subprocess
import sys
import zipfile

import pytest
import yaml

import bundle
import make
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


def test_gradescope_reads_points_and_reasons(bundled, tmp_path):
    teacher = tmp_path / "teacher"
    make.write(make.VARIANT, teacher, teacher=True)
    first = make.assignments()[0].name
    right = (teacher / first / "solution.py").read_text()
    tests = grade(bundled[0], tmp_path / "right", right)
    assert sum(test["score"] for test in tests) == sum(test["max_score"] for test in tests) == 100
    assert {test["output"] for test in tests} == {"right"}

    stubs = (teacher / first / "starter.py").read_text()
    tests = grade(bundled[0], tmp_path / "stubs", stubs)
    assert [test["score"] for test in tests] == [0] * len(tests)
    assert any("is not written yet" in test["output"] for test in tests)

    tests = grade(bundled[0], tmp_path / "nothing", None)
    assert sum(test["max_score"] for test in tests) == 100
    assert {test["output"] for test in tests} == {"no solution.py was handed in"}
