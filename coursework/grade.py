"""Grade a folder of hand-ins: `python grade.py submissions/ out/ [--variant 2027-spring]`.

`submissions` holds a folder a student, and somewhere in it the folders that the student was given (1_advantages with
solution.py, and so on). `out` gets scores.csv and a text a student. The checks are those of the variant, made anew; the
ones that lie in a hand-in are not looked at. A hand-in runs with your rights: for a course, not for an adversary.
"""

import argparse
import csv
import json
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from check import Result, examine, report
from make import VARIANT, write


def grade(student: Path, kits: list[Path]) -> dict[str, list[Result]]:
    """Check what a student handed in; no results for an assignment that is not there."""
    found: dict[str, list[Result]] = {}
    for kit in kits:
        given = json.loads((kit / "variant.json").read_text(encoding="utf-8"))
        handed_in = sorted(student.rglob(f"{kit.name}/solution.py"))
        found[kit.name] = []
        if handed_in:
            with tempfile.TemporaryDirectory() as place:  # nothing that it writes stays in the hand-in
                copy = shutil.copytree(handed_in[0].parent, Path(place) / "work")
                found[kit.name] = examine(copy / "solution.py", kit, given["problems"], given["seconds"])
    return found


def other_variants(student: Path, variant: str) -> str:
    """Say which other variants a student was handed, if any: a hand-in is graded by what it was made for."""
    names = set()
    for path in student.rglob("variant.json"):
        try:
            names.add(str(json.loads(path.read_text(encoding="utf-8"))["variant"]))
        except (ValueError, KeyError, TypeError):
            continue  # a student may have written anything into it
    others = sorted(names - {variant})
    return f"made for variant {', '.join(others)} and graded as {variant}: grade again with --variant" if others else ""


def text_for(name: str, found: dict[str, list[Result]]) -> str:
    """Write what a student reads."""
    parts = [f"# {name}"]
    for assignment, results in found.items():
        said = f"```text\n{report(results)}\n```" if results else "No solution.py was handed in."
        parts.append(f"## {assignment}\n\n{said}")
    return "\n\n".join(parts) + "\n"


def grade_all(submissions: Path, out: Path, variant: str = VARIANT, jobs: int = 1) -> None:
    """Grade every folder in `submissions`; whatever one of them does, the others are graded."""
    students = sorted(path for path in submissions.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not students:
        raise ValueError(f"{submissions} holds no folder: put one a student there")
    out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as place,
        ThreadPoolExecutor(jobs) as pool,
        (out / "scores.csv").open("w", newline="", encoding="utf-8") as file,
    ):
        write(variant, Path(place), teacher=True)
        kits = sorted(Path(place).iterdir())
        table = csv.writer(file)
        table.writerow(["student", *(kit.name for kit in kits)])
        graded = pool.map(lambda student: grade(student, kits), students)
        for student, found in zip(students, graded, strict=True):
            points = [sum(result.points for result in results) if results else "" for results in found.values()]
            table.writerow([student.name, *points])
            other = other_variants(student, variant)
            text = text_for(student.name, found) + (f"\nThis hand-in was {other}.\n" if other else "")
            (out / f"{student.name}.md").write_text(text, encoding="utf-8")
            print(f"{student.name:30}", *points, other, flush=True)


def main() -> None:
    """Grade what the arguments name."""
    parser = argparse.ArgumentParser(prog="grade.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("submissions", type=Path, help="a folder a student")
    parser.add_argument("out", type=Path, help="gets scores.csv and a text a student")
    parser.add_argument("--variant", default=VARIANT, help="the one that was handed out; default: %(default)s")
    parser.add_argument("--jobs", type=int, default=1, help="hand-ins at a time; default: %(default)s")
    args = parser.parse_args()
    try:
        grade_all(args.submissions, args.out, args.variant, args.jobs)
    except (OSError, ValueError) as error:
        parser.exit(1, f"grade.py: {error}\n")


if __name__ == "__main__":
    main()
