"""Grade a folder of hand-ins: `python grade.py submissions/ out/ [--variant 2027-spring]`.

`submissions` holds a folder or a zip a student, and somewhere in it the folders that the student was given
(1_advantages with solution.py, and so on), or what a learning platform has made of them (handed_in.py). `out` gets
scores.csv and a text a student. The checks are those of the variant, made anew; the ones that lie in a hand-in are not
looked at. A hand-in runs with your rights: for a course, not for an adversary.
"""

import argparse
import csv
import json
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from check import Result, examine, report
from handed_in import collect, find
from make import VARIANT, write


def grade(student: Path, kits: list[Path]) -> dict[str, list[Result]]:
    """Check what a student handed in; no results for an assignment that is not there."""
    found: dict[str, list[Result]] = {}
    for kit in kits:
        given = json.loads((kit / "variant.json").read_text(encoding="utf-8"))
        found[kit.name] = []
        for solution in find(student, kit)[:1]:
            with tempfile.TemporaryDirectory() as place:  # nothing that it writes is there when another one is graded
                work = shutil.copytree(solution.parent, Path(place) / "work")
                if solution.exists():
                    (work / solution.name).rename(work / "solution.py")
                found[kit.name] = examine(work / "solution.py", kit, given["problems"], given["seconds"])
    return found


def left_out(student: Path, kits: list[Path]) -> str:
    """Say what was handed in and is not graded, and what is expected in its place."""
    places = [find(student, kit) for kit in kits]
    graded = [own[0] for own in places if own]
    if not graded:
        files = [str(path.relative_to(student)) for path in sorted(student.rglob("*")) if path.is_file()]
        names = ", ".join(files[:3]) + ", ..." * (len(files) > 3)
        return f"not understood ({names or 'empty'}): expected {kits[0].name}/solution.py, at any depth, zipped or not"
    others = {path for own in places for path in own if path.exists()} | set(student.rglob("*solution*.py"))
    names = sorted(str(path.relative_to(student)) for path in others if path.parent not in {at.parent for at in graded})
    return f"not graded: {', '.join(names)}" if names else ""


def other_variants(student: Path, variant: str) -> str:
    """Say which other variants a student was handed, if any: a hand-in is graded by what it was made for."""
    names = set()
    for path in student.rglob("variant.json"):
        try:
            names.add(str(json.loads(path.read_text(encoding="utf-8"))["variant"]))
        except (ValueError, KeyError, TypeError):
            continue  # a student may have written anything into it
    others = sorted(names - {variant})
    return f"made for variant {', '.join(others)}, graded as {variant}: grade again with --variant" if others else ""


def text_for(name: str, found: dict[str, list[Result]], notes: list[str]) -> str:
    """Write what a student reads."""
    parts = [f"# {name}", *(f"Note: {note}." for note in notes)]
    for assignment, results in found.items():
        said = f"```text\n{report(results)}\n```" if results else "No solution.py was found."
        parts.append(f"## {assignment}\n\n{said}")
    return "\n\n".join(parts) + "\n"


def grade_all(submissions: Path, out: Path, variant: str = VARIANT, jobs: int = 1) -> None:
    """Grade all that lies in `submissions`, a row a student; whatever one of them does, the others are graded."""
    with (
        tempfile.TemporaryDirectory() as place,
        tempfile.TemporaryDirectory() as copy,
        ThreadPoolExecutor(jobs) as pool,
    ):
        troubles = collect(submissions, Path(copy))
        if not troubles:
            raise ValueError(f"{submissions} holds nothing: put a folder or a zip a student there")
        write(variant, Path(place), teacher=True)
        kits = sorted(Path(place).iterdir())
        out.mkdir(parents=True, exist_ok=True)
        with (out / "scores.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["student", *(kit.name for kit in kits), "note"])
            graded = pool.map(lambda name: grade(Path(copy) / name, kits), troubles)
            for name, found in zip(troubles, graded, strict=True):
                student = Path(copy) / name
                notes = [*troubles[name], left_out(student, kits), other_variants(student, variant)]
                notes = [note for note in notes if note]
                points = [sum(result.points for result in results) if results else "" for results in found.values()]
                table.writerow([name, *points, "; ".join(notes)])
                (out / f"{name}.md").write_text(text_for(name, found, notes), encoding="utf-8")
                print(f"{name:40}", *(f"{'-' if score == '' else score:>4}" for score in points), *notes, flush=True)


def main() -> None:
    """Grade what the arguments name."""
    parser = argparse.ArgumentParser(prog="grade.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("submissions", type=Path, help="a folder or a zip a student")
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
