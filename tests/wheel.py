"""Build the wheel and the source archive, look into both, and use the wheel as an installer's user would.

It is installed in an environment with nothing else, and the README's example runs there away from the repository.
Usage: `make wheel`, or `python tests/wheel.py`.
"""

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "build" / "wheel"


def environment(name, *packages):
    """Install packages into an environment of their own, with the versions of constraints.txt; return its Python."""
    python = HOME / name / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", HOME / name], check=True)
    quiet = ["--quiet", "--disable-pip-version-check", "-c", ROOT / "constraints.txt"]
    for package in packages:  # torch before what needs it, see tests/versions.py
        subprocess.run([python, "-m", "pip", "install", *quiet, package], check=True)
    return python


def check_contents(wheel, archive):
    """The wheel holds what git knows of the package and nothing else; the archive no part of the tests and lessons.

    The sign in the folder is for those who look at the tree, and leads out of it.
    """
    listed = subprocess.run(["git", "ls-files", "grpo_lite"], cwd=ROOT, check=True, capture_output=True, text=True)
    wanted = set(listed.stdout.split()) - {"grpo_lite/README.md"}
    with zipfile.ZipFile(wheel) as file:
        held = {name for name in file.namelist() if ".dist-info/" not in name}
    if held != wanted:
        sys.exit(f"{wheel.name} and the tree differ in: {' '.join(sorted(held ^ wanted))}")
    with tarfile.open(archive) as file:
        rooms = {Path(name).parts[1] for name in file.getnames() if len(Path(name).parts) > 2}
    if rooms != {"grpo_lite", "grpo_lite.egg-info"}:
        sys.exit(f"{archive.name} holds {sorted(rooms)}")


def main():
    """Build, look, install, run."""
    shutil.rmtree(HOME, ignore_errors=True)
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    tools = environment("tools", "build", "twine", *needed)
    build = [tools, "-m", "build", "--no-isolation", "--outdir", HOME / "dist", ROOT]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    (wheel,), (archive,) = (HOME / "dist").glob("*.whl"), (HOME / "dist").glob("*.tar.gz")
    subprocess.run([tools, "-m", "twine", "check", "--strict", wheel, archive], check=True)
    check_contents(wheel, archive)
    python = environment("empty", "torch", str(wheel))
    code, shown = re.search(r"```python\n(.*?)```\s*```text\n(.*?)```", (ROOT / "README.md").read_text(), re.S).groups()
    with tempfile.TemporaryDirectory() as elsewhere:
        done = subprocess.run([python, "-c", code], cwd=elsewhere, check=True, capture_output=True, text=True)
    if done.stdout.strip() != shown.strip():
        sys.exit(f"the example of the README prints\n{done.stdout}")
    print("the wheel holds the package, and the README's example prints what it says")


if __name__ == "__main__":
    main()
