"""Find the assignments in what a learning platform hands over: zips, zips in zips, folders and files by other names.

Moodle makes a folder a student, `Anna Muster_123_assignsubmission_file_`, and Canvas puts all files into one folder, as
`musteranna_12_345_solution.py`.
All is copied into a folder a student first, and the hand-in itself stays as it was.
"""

import re
import shutil
import zipfile
from pathlib import Path

CANVAS = re.compile(r"(?P<student>.+?)(?:_LATE)?_(?P<id>\d+)_\d+_(?P<name>.+?)(?:-\d+)?(?P<ending>\.\w+)")
LEFT = shutil.ignore_patterns("__MACOSX", "__pycache__", ".*")


def collect(submissions: Path, place: Path) -> dict[str, list[str]]:
    """Copy what was handed in into a folder a student in `place`, unpacked: student -> what could not be."""
    troubles: dict[str, list[str]] = {}
    for path in sorted(submissions.iterdir()):
        renamed = CANVAS.fullmatch(path.name)
        if path.name.startswith("."):
            continue
        student = path.name if path.is_dir() else f"{renamed['student']}_{renamed['id']}" if renamed else path.stem
        (place / student).mkdir(exist_ok=True)
        own = troubles.setdefault(student, [])
        try:
            if path.is_dir():
                shutil.copytree(path, place / student, ignore=LEFT, symlinks=True, dirs_exist_ok=True)
            else:
                shutil.copy(path, place / student / (renamed["name"] + renamed["ending"] if renamed else path.name))
        except OSError as error:
            own.append(f"could not be copied whole: {error}")
        own += unpack(place / student)
    return troubles


def unpack(folder: Path) -> list[str]:
    """Unpack the zips in a folder where they lie, and those in them; say which could not be."""
    troubles = []
    for _ in range(3):  # zips in zips in zips: more are a trick
        for path in sorted(folder.rglob("*.[zZ][iI][pP]")):
            target = path.with_suffix("")
            try:
                with zipfile.ZipFile(path) as archive:
                    archive.extractall(target)
            except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
                troubles.append(f"{path.relative_to(folder)} cannot be unpacked: {error}")
            path.unlink()
            shutil.rmtree(target / "__MACOSX", ignore_errors=True)
    return troubles


def functions(text: str) -> set[str]:
    """Return the names of the functions that a file defines, also of one that cannot be read by Python."""
    return set(re.findall(r"^def (\w+)", text, re.M))


def find(student: Path, kit: Path) -> list[Path]:
    """Return where the solutions of an assignment lie, best first: by the name of their folder, or by their functions.

    A folder of the assignment's name without a solution counts too, with the place where it would be: there may be
    other things to judge.
    """
    wanted = functions((kit / "starter.py").read_text(encoding="utf-8"))
    folders = [path for path in student.rglob(kit.name) if path.is_dir() and any(path.iterdir())]
    files = [path for path in student.rglob("*.py") if path.is_file()]
    own = [path for path in files if path.parent in folders and path.name == "solution.py"]
    own += [path for path in files if 2 * len(wanted & functions(path.read_text("utf-8", "replace"))) > len(wanted)]
    own += [folder / "solution.py" for folder in folders]
    return sorted(
        dict.fromkeys(own),
        key=lambda at: (not at.exists(), at.name != "solution.py", at.parent.name != kit.name, len(at.parts), at),
    )
