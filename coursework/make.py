"""Draw a variant of the assignments and write them down: `python make.py hw/ --variant 2027-spring`.

A variant is a name. It decides, by a hash, which of the conventions in each assignment.toml are asked for; the same
name always gives the same assignments. With --teacher the folder has the hidden checks and the reference solutions too.
"""

import argparse
import hashlib
import json
import re
import shutil
import tomllib
from functools import cache
from pathlib import Path
from types import ModuleType

from check import checks_of, load, show

HERE = Path(__file__).resolve().parent
VARIANT = "2027-spring"  # of whoever names none


def assignments() -> list[Path]:
    """Return the folders of the assignments, in their order."""
    return sorted(path.parent for path in HERE.glob("*/assignment.toml"))


def draw(assignment: Path, variant: str) -> dict[str, str]:
    """Choose one of each: choice -> option."""
    chosen = {}
    for name, options in about(assignment).get("choices", {}).items():
        number = int.from_bytes(hashlib.sha256(f"{variant}/{assignment.name}/{name}".encode()).digest())
        chosen[name] = sorted(options)[number % len(options)]
    return chosen


def about(assignment: Path) -> dict:
    """Read assignment.toml."""
    return tomllib.loads((assignment / "assignment.toml").read_text(encoding="utf-8"))


def checks(assignment: Path, hidden: bool = True) -> list:
    """Return the public checks of an assignment, and its hidden ones."""
    files = [assignment / "checks.py"] + [assignment / "hidden" / "checks.py"] * hidden
    return checks_of(*(load(path, f"{assignment.name}_{path.parent.name}_checks") for path in files))


def points(some: list) -> dict[str, dict[str, int]]:
    """Return problem -> check -> points."""
    problems: dict[str, dict[str, int]] = {}
    for check in some:
        problems.setdefault(check.problem, {})[check.__name__] = check.points
    return dict(sorted(problems.items()))


@cache
def oracle(assignment: Path) -> ModuleType:
    """Load hidden/checks.py of an assignment, once: what it has computed it keeps."""
    return load(assignment / "hidden" / "checks.py", f"{assignment.name}_oracle")


def asked_for(assignment: Path, variant: str, choices: dict[str, str], hidden: bool = True) -> dict:
    """Return all that checks and templates read of a variant."""
    facts = about(assignment)
    options = facts.get("choices", {})
    given = {
        "variant": variant,
        "seconds": facts["seconds"],
        "problems": points(checks(assignment, hidden)),
        "choices": choices,
        "words": {name: options[name][chosen]["words"] for name, chosen in choices.items()},
        "options": {name: {key: option["words"] for key, option in options[name].items()} for name in options},
    }
    return given | {"examples": oracle(assignment).examples(given)}


def extra(assignment: Path, given: dict, teacher: bool) -> dict[str, str]:
    """Return the files that an assignment has besides, name -> text, if its hidden/checks.py makes any."""
    own = oracle(assignment)
    return own.files(given, teacher) if hasattr(own, "files") else {}


def fill(template: str, assignment: Path, given: dict) -> str:
    """Put what was drawn into the {{places}} of a template."""
    facts = about(assignment)
    chosen = {name: facts["choices"][name][option] for name, option in given["choices"].items()}
    worth = {problem: sum(own.values()) for problem, own in points(checks(assignment)).items()}
    public = {problem: sum(own.values()) for problem, own in points(checks(assignment, hidden=False)).items()}
    places = facts | given | chosen | {"points": worth, "public": public, "total": sum(worth.values())}
    if (assignment / "given.py").exists():  # behind its docstring
        places["given"] = (assignment / "given.py").read_text(encoding="utf-8").partition("\n\n")[2].strip()

    def value(place: re.Match) -> str:
        found = places
        for key in place[1].split("."):
            found = found[int(key)] if isinstance(found, list) else found[key]
        return found if isinstance(found, str) else show(found)

    return re.sub(r"\{\{([\w.]+)\}\}", value, template)


def write(variant: str, target: Path, teacher: bool = False) -> None:
    """Write the assignments of a variant into a folder that does not hold them yet."""
    if not teacher:
        shutil.copytree(HERE / "everybody", target, dirs_exist_ok=True)
    for assignment in assignments():
        folder = target / assignment.name
        if folder.exists():
            raise ValueError(f"{folder} is there already: name an empty folder, so that nobody's work is written over")
        folder.mkdir(parents=True)
        choices = draw(assignment, variant)
        given = asked_for(assignment, variant, choices, hidden=teacher)
        (folder / "variant.json").write_text(json.dumps(given, indent=1), encoding="utf-8")
        files = {"HANDOUT.md": "HANDOUT.md", "HINTS.md": "HINTS.md", "starter.py": "solution.py"}
        if teacher:
            files |= {"starter.py": "starter.py", "hidden/solution.py": "solution.py"}
            shutil.copy(assignment / "hidden" / "checks.py", folder / "hidden_checks.py")
        for source, name in files.items():
            text = (assignment / source).read_text(encoding="utf-8")
            (folder / name).write_text(fill(text, assignment, given), encoding="utf-8")
        for name, text in extra(assignment, given, teacher).items():
            (folder / name).write_text(text, encoding="utf-8")
        for path in (HERE / "check.py", assignment / "checks.py", assignment / "learn.py"):
            if path.exists():
                shutil.copy(path, folder)


def main() -> None:
    """Write what the arguments name."""
    parser = argparse.ArgumentParser(prog="make.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="gets a folder an assignment")
    parser.add_argument("--variant", default=VARIANT, help="any name, one a term, say; default: %(default)s")
    parser.add_argument("--teacher", action="store_true", help="with hidden checks and reference solutions")
    args = parser.parse_args()
    try:
        write(args.variant, args.folder, args.teacher)
    except ValueError as error:
        parser.exit(1, f"make.py: {error}\n")
    print(f"the assignments of {args.variant} are in {args.folder}")


if __name__ == "__main__":
    main()
