"""Check one hand-in and write what Gradescope reads: `python results.py SUBMISSION RESULTS`."""

import json
import sys
from pathlib import Path

KIT = Path(__file__).resolve().parent / "kit"
sys.path.insert(0, str(KIT))


def main(submission: Path, results: Path) -> None:
    """Write results.json, an entry a check."""
    import check

    given = json.loads((KIT / "variant.json").read_text(encoding="utf-8"))
    path = min(submission.rglob("solution.py"), default=submission / "solution.py")
    found = check.examine(path, KIT, given["problems"], given["seconds"])
    public = {one.__name__ for one in check.checks_of(check.load(KIT / "checks.py", "checks"))}
    tests = [
        {
            "name": f"{result.problem} {result.check.replace('_', ' ')}",
            "score": result.points,
            "max_score": result.of,
            "output": result.why or "right",
            "visibility": "visible" if result.check in public else "after_published",
        }
        for result in found
    ]
    results.mkdir(parents=True, exist_ok=True)
    (results / "results.json").write_text(json.dumps({"tests": tests}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
