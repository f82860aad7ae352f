"""Run the package's tests and three lessons with the oldest versions that pyproject.toml allows, or with the newest.

Each has an environment of its own under build/, without TRL and the site. torch is the one of constraints.txt in both:
its other versions bring gigabytes of CUDA, so its lower bound is not run here. Usage: `make test-oldest`, or
`python tests/versions.py oldest`.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ["plot", "train", "rewards"]
TOOLS = ["beartype", "hypothesis", "pytest", "pytest-xdist", "ipykernel", "ipywidgets", "nbclient"]
LESSONS = ["sampling_a_group", "token_logprobs", "the_leash"]
WITHOUT = ["config", "cli"]  # TRL stands beside the settings; the command line has to be installed
# TRL is not there, nor what shows a run; what runs programs has its versions fixed, and would be built first.
SELECTION = ["-m", "not slow", "-k", "not trl and not tracker and not tensorboard and not sandbox and not programs"]


def needed():
    """What pyproject.toml asks for, torch apart."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = project["dependencies"] + sum((project["optional-dependencies"][extra] for extra in EXTRAS), [])
    return [line for line in lines if not line.startswith(("torch", "grpo-lite["))]


def tests():
    """The files of the algorithm and of its two wings, which hold examples, and the tests that are called like one."""
    modules = [
        path for room in ("", "rewards", "training") for path in sorted((ROOT / "grpo_lite" / room).glob("[!_]*.py"))
    ]
    files = [ROOT / "tests" / f"test_{path.stem}.py" for path in modules if path.stem not in WITHOUT]
    return [*modules, *(file for file in files if file.exists())]


def make_environment(home, versions):
    """An environment with these versions, made anew when they change.

    The package is not installed but found by its path: an installation writes into the tree, and there may be two at
    the same time.
    """
    torch = next(line for line in (ROOT / "constraints.txt").read_text().split() if line.startswith("torch=="))
    pip = [home / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += ["--upgrade", "--upgrade-strategy", "eager"]
    if not (home / "bin" / "pytest").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
    # torch by itself: where a wheel for plain CPUs lies at hand, its local version keeps out the one with CUDA.
    subprocess.run([*pip, torch], check=True)
    subprocess.run([*pip, torch, *versions, *TOOLS], check=True)
    (packages,) = home.glob("lib/python*/site-packages")
    (packages / "grpo_lite.pth").write_text(f"{ROOT}\n")


def main(which):
    """Make the environment, run the tests and the lessons there, say what they ran with."""
    home = ROOT / "build" / which
    make_environment(home, [line.replace(">=", "==") if which == "oldest" else line for line in needed()])
    python = home / "bin" / "python"
    show = (
        "import platform, sys; from importlib.metadata import version as v; print('Python', platform.python_version(), "
    )
    show += "*(f'{name} {v(name)}' for name in sys.argv[1:]), sep=', ')"
    subprocess.run([python, "-c", show, "torch", "transformers", "jaxtyping", "matplotlib", "numpy"], check=True)
    # Old libraries name each other's past in DeprecationWarnings, which a reader never sees. FutureWarnings are seen.
    quiet = ["-W", "ignore::DeprecationWarning"] if which == "oldest" else []
    subprocess.run(
        [python, "-m", "pytest", "-q", "-n", "2", *SELECTION, *quiet, *tests()],
        cwd=ROOT,
        check=True,
    )
    run = "import nbformat, sys; from nbclient import NotebookClient as Client; "
    run += "lesson = nbformat.read(sys.argv[1], 4); Client(lesson, kernel_name='python3').execute(); "
    run += "said = [o.text for c in lesson.cells for o in c.get('outputs', []) if o.get('name') == 'stderr']; "
    run += "sys.exit(''.join(said) or None)"
    for lesson in LESSONS:
        print(lesson, flush=True)
        (path,) = (ROOT / "notebooks").glob(f"[0-9][0-9]_{lesson}.ipynb")
        subprocess.run([python, "-c", run, path.name], cwd=path.parent, check=True)


if __name__ == "__main__":
    main(sys.argv[1])
