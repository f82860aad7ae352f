"""Make otter-grader's notebooks of the assignments: `python otter_bundle.py out/ --variant 2027-spring`.

out/1_advantages/1_advantages.ipynb is a master notebook, with the files that it needs beside it. With --assign,
`otter assign` makes of it what students get and the zip of the grader, in out/1_advantages/dist, and `otter run` grades
the reference and the stubs with that zip. An assignment for which a student makes files is not among them.
"""

import argparse
import ast
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from check import checks_of, load
from make import HERE, VARIANT, write

OWN = {"HANDOUT.md", "HINTS.md", "starter.py", "solution.py", "hidden_checks.py", "variant.json", "learn.py"}


def stubs(starter: str) -> dict[str, str]:
    """Cut a starter into what is written for each problem; what stands before the first one is under ""."""
    lines, start, problem = starter.splitlines(), 0, ""
    parts = {"": ""}
    for node in ast.parse(starter).body:
        text, start = "\n".join(lines[start : node.end_lineno]) + "\n", node.end_lineno or 0
        problem = next(iter(re.findall(r"Problem (\d\w)", text)), problem)
        parts[problem] = parts.get(problem, "") + text
    return parts


def cell(kind: str, text: str) -> dict:
    """Return a cell of a notebook."""
    code = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, "source": text.strip("\n")} | code


def block(name: str, cells: list[dict], more: str = "") -> list[dict]:
    """Put cells between the two raw cells that tell otter what they are."""
    return [cell("raw", f"# BEGIN {name}\n{more}"), *cells, cell("raw", f"# END {name}")]


def test(check, hidden: bool) -> dict:
    """Return the cell that makes a check of the kit a test of otter."""
    config = f'""" # BEGIN TEST CONFIG\npoints: {check.points}\nhidden: {str(hidden).lower()}\n""" # END TEST CONFIG\n'
    name = check.__name__
    return cell(
        "code", f"{config}def {name}(env):\n    import notebook_checks\n    notebook_checks.run(env, {name!r})\n"
    )


def notebook(student: Path, teacher: Path, config: dict) -> dict:
    """Return the master notebook: the handout, and for each problem its stubs, the reference and the tests."""
    intro, *sections = re.split(r"^(?=## \d)", (student / "HANDOUT.md").read_text(encoding="utf-8"), flags=re.M)
    intro += "\nHere the cells take the place of `solution.py`, and the one below each problem that of `check.py`."
    written = stubs((student / "solution.py").read_text(encoding="utf-8"))
    reference = (teacher / "solution.py").read_text(encoding="utf-8")  # all of it is put into the first problem
    public, hidden = (
        checks_of(load(teacher / f"{name}.py", f"{teacher.name}_{name}")) for name in ("checks", "hidden_checks")
    )
    cells = [cell("raw", f"# ASSIGNMENT CONFIG\n{json.dumps(config)}"), cell("markdown", intro)]
    cells.append(cell("code", written[""]))
    for section in sections:
        cells.append(cell("markdown", section.partition("\n## ")[0]))
        first, last = re.findall(r"^## (\d\w)(?: to (\d\w))?", section)[0]
        for problem in sorted({one.problem for one in public if first <= one.problem <= (last or first)}):
            tests = block("TESTS", [test(x, x in hidden) for x in (*public, *hidden) if x.problem == problem])
            if problem in written:
                solved = f"# BEGIN SOLUTION NO PROMPT\n{reference}\n# END SOLUTION\n" if reference else ""
                reference, stub = "", f"r''' # BEGIN PROMPT\n{written[problem].strip()}\n''' # END PROMPT"
                tests = [*block("SOLUTION", [cell("code", solved + stub)]), *tests]
            cells += block("QUESTION", tests, f'name: "{problem}"')
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 4}


def write_master(student: Path, teacher: Path, folder: Path) -> Path | None:
    """Write the master notebook of an assignment, what lies beside it, and in stubs/ the files that students repair.

    None if more is handed in than what was handed out: a folder, with files that the student's code has written.
    """
    given, theirs = ({path.name for path in kit.iterdir() if path.is_file()} - OWN for kit in (student, teacher))
    if theirs - given:
        return None
    repaired = sorted(x for x in given & theirs if (student / x).read_text() != (teacher / x).read_text())
    (folder / "stubs").mkdir(parents=True)
    for name in repaired:
        shutil.copy(student / name, folder / "stubs")
    beside = [student / name for name in sorted(given - {*repaired})]
    beside += [student / "variant.json", HERE / "otter" / "notebook_checks.py"]
    for path in (*beside, teacher / "hidden_checks.py", *(teacher / name for name in repaired)):
        shutil.copy(path, folder)
    variant = json.loads((student / "variant.json").read_text(encoding="utf-8"))["variant"]
    config = {
        "name": f"{student.name}_{variant}",
        "requirements": ["numpy", "torch"],
        "files": [path.name for path in beside],
        "autograder_files": ["hidden_checks.py"],
        "student_files": repaired,
        "tests": {"files": True, "ok_format": False},
        "export_cell": {"pdf": False, "files": repaired},
    }
    master = folder / f"{student.name}.ipynb"
    master.write_text(json.dumps(notebook(student, teacher, config), indent=1), encoding="utf-8")
    return master


def bundle(variant: str, target: Path) -> list[Path]:
    """Write a folder an assignment."""
    with tempfile.TemporaryDirectory() as place:
        students, teachers = Path(place) / "students", Path(place) / "teachers"
        write(variant, students)
        write(variant, teachers, teacher=True)
        names = sorted(path.name for path in teachers.iterdir())
        return list(filter(None, (write_master(students / x, teachers / x, target / x) for x in names)))


def otter(*arguments: Path | str, folder: Path) -> None:
    """Run otter-grader in a folder; what it prints is shown if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "otter", *map(str, arguments)], cwd=folder, text=True, capture_output=True
    )
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}otter_bundle.py: otter {arguments[0]} failed in {folder}")


def assign(master: Path) -> None:
    """Make dist/student and dist/autograder of a master notebook."""
    otter("assign", "--no-run-tests", master.name, "dist", folder=master.parent)
    for path in (master.parent / "stubs").iterdir():
        shutil.copy(path, master.parent / "dist" / "student")


def grade(master: Path, which: str) -> tuple[float, float]:
    """Hand in the notebook of dist/student or dist/autograder, with what is repaired: points, and of how many."""
    source, [grader] = master.parent / "dist" / which, (master.parent / "dist" / "autograder").glob("*.zip")
    with tempfile.TemporaryDirectory() as place:
        with zipfile.ZipFile(Path(place) / "hand_in.zip", "w") as archive:
            for name in (master.name, *(path.name for path in (master.parent / "stubs").iterdir())):
                archive.write(source / name, name)
        otter("run", "--no-logo", "-a", grader.resolve(), "-o", place, "hand_in.zip", folder=Path(place))
        tests = json.loads((Path(place) / "results.json").read_text(encoding="utf-8"))["tests"]
    return sum(x.get("score", 0) for x in tests), sum(x.get("max_score", 0) for x in tests)


def main() -> None:
    """Make what the arguments name."""
    parser = argparse.ArgumentParser(prog="otter_bundle.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="gets a folder an assignment")
    parser.add_argument("--variant", default=VARIANT, help="any name; default: %(default)s")
    parser.add_argument("--assign", action="store_true", help="run otter assign, and otter run on reference and stubs")
    args = parser.parse_args()
    for master in bundle(args.variant, args.folder):
        print(master, flush=True)
        if args.assign:
            assign(master)
            for which, share in (("autograder", 1), ("student", 0)):
                points, of = grade(master, which)
                print(f"   {which:12} {points:g} of {of:g}", flush=True)
                if points != share * of:
                    sys.exit(f"otter_bundle.py: {which} of {master.name} gets {points:g}, expected {share * of:g}")


if __name__ == "__main__":
    main()
