"""Run one check of the kit on what a notebook has defined; the tests of otter-grader call it."""

import json
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import check

HERE = Path(__file__).resolve().parent


@cache
def checks() -> dict:
    """Load the checks that lie here, by name; the hidden ones lie here for the grader alone."""
    files = [HERE / name for name in ("checks.py", "hidden_checks.py") if (HERE / name).exists()]
    return {one.__name__: one for one in check.checks_of(*(check.load(file, file.stem) for file in files))}


def run(names: dict, name: str) -> None:
    """Raise an AssertionError with the reason unless the check is passed."""
    given = json.loads((HERE / "variant.json").read_text(encoding="utf-8"))
    solution = SimpleNamespace(**names | {"__file__": str(HERE / "solution.py")})
    why = check.judge(checks()[name], solution, given).why  # type: ignore[arg-type]
    if imported := check.FORBIDDEN & set(sys.modules):
        why = f"the notebook imports {', '.join(sorted(imported))}: what it has is to be written here"
    if why:
        raise AssertionError(why)
