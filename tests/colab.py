"""Run each lesson as Colab would: an environment of its own, the first cell as it stands, no repository around.

The address that the first cell installs from leads to the last commit of this repository. Usage: `make colab`, or
`python tests/colab.py 03 05` for some lessons.
"""

import os
import shutil
import subprocess
import sys
import time

from helpers.built import ROOT, setting

HERE = ROOT / "build" / "colab"
PYTHON = HERE / "venv" / "bin" / "python"
# What a fresh runtime of Colab brings along, as far as the lessons or their installation touch it.
COLAB = ["accelerate", "datasets", "ipykernel", "matplotlib", "nbclient", "numpy", "pandas", "psutil", "safetensors"]
COLAB += ["sympy", "torch", "tqdm", "transformers"]
# In Colab this package is loaded before the first cell runs; the lessons know by it where they are.
MARK = "google/colab/__init__.py"


def pip(*arguments):
    """Run pip in the environment, with the versions that the project is tested with."""
    command = [PYTHON, "-m", "pip", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def make_environment():
    """An environment of Colab's packages alone; kept between runs."""
    if PYTHON.exists():
        return
    subprocess.run([sys.executable, "-m", "venv", PYTHON.parents[1]], check=True)
    pip("install", "-c", str(ROOT / "constraints.txt"), *COLAB)
    [packages] = PYTHON.parents[1].glob("lib/python*/site-packages")
    (packages / MARK).parent.mkdir(parents=True, exist_ok=True)
    (packages / MARK).touch()
    (packages / "sitecustomize.py").write_text("import google.colab\n")


def run(lesson):
    """Run one lesson in an empty folder; whatever it installed goes again. Returns its last words if it failed."""
    before = set(pip("freeze").splitlines())
    folder = HERE / "content"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(lesson, folder)
    redirect = {"COUNT": "1", "KEY_0": f"url.file://{ROOT}.insteadOf", "VALUE_0": setting("repo_url")}
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {f"GIT_CONFIG_{key}": value for key, value in redirect.items()}
    environment["PIP_CONSTRAINT"] = str(ROOT / "constraints.txt")
    done = subprocess.run(
        [PYTHON.with_name("jupyter-execute"), "--kernel_name=python3", "--timeout=600", lesson.name],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    new = [line.partition(" @ ")[0].partition("==")[0] for line in set(pip("freeze").splitlines()) - before]
    if new:
        pip("uninstall", "-y", *new)
    return "" if done.returncode == 0 else done.stderr[-2000:]


def main(numbers):
    """Run the lessons of these numbers, or all."""
    make_environment()
    failed = 0
    for lesson in sorted((ROOT / "notebooks").glob("*.ipynb")):
        if numbers and lesson.name[:2] not in numbers:
            continue
        start = time.monotonic()
        words = run(lesson)
        failed += bool(words)
        print(f"{lesson.stem:30} {'failed' if words else 'runs'}, {time.monotonic() - start:.0f} s", flush=True)
        print(words, end="")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
