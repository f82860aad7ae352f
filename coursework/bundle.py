"""Make a zip for Gradescope of each assignment: `python bundle.py out/ --variant 2027-spring`."""

import argparse
import shutil
import tempfile
from pathlib import Path

from make import HERE, VARIANT, write


def bundle(variant: str, target: Path) -> list[Path]:
    """Write one zip an assignment, with all checks and without the solution."""
    made = []
    with tempfile.TemporaryDirectory() as place:
        write(variant, Path(place) / "kits", teacher=True)
        for kit in sorted(path for path in (Path(place) / "kits").iterdir() if (path / "variant.json").exists()):
            source = Path(place) / kit.name
            shutil.copytree(HERE / "gradescope", source, ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copytree(kit, source / "kit", ignore=shutil.ignore_patterns("solution.py", "*.md"))
            target.mkdir(parents=True, exist_ok=True)
            made.append(Path(shutil.make_archive(str(target / f"{kit.name}_{variant}"), "zip", source)))
    return made


def main() -> None:
    """Make what the arguments name."""
    parser = argparse.ArgumentParser(prog="bundle.py", description=__doc__)
    parser.add_argument("folder", type=Path, help="gets a zip an assignment")
    parser.add_argument("--variant", default=VARIANT, help="any name; default: %(default)s")
    args = parser.parse_args()
    for path in bundle(args.variant, args.folder):
        print(path)


if __name__ == "__main__":
    main()
