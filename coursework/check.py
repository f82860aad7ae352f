"""Check a hand-in: `python check.py` looks at solution.py, `python check.py solution.py 1c` at one problem of it.

It needs PyTorch and nothing else: no network, no account. Each problem runs in a process of its own with a time limit,
so that an endless loop or a crash costs that problem alone. A lecturer's `grade.py` runs this same file with the hidden
checks beside it.
"""

import ast
import importlib.util
import json
import math
import multiprocessing
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before PyTorch is loaded: for tensors this small more are slower
HERE = Path(__file__).resolve().parent
FORBIDDEN = {"grpo_lite", "trl"}  # what is to be written here, written already


class Result(NamedTuple):
    """What one check found: `points` of `of`, and in `why` the property that is broken."""

    problem: str
    check: str
    points: int
    of: int
    why: str


class Broken(AssertionError):
    """A property does not hold; the message says which one, and shows the smallest input that we know of."""


# What checks are written with. A check is a function of the hand-in and of what the variant asks for.


def worth(problem: str, points: int) -> Callable:
    """Make a function a check of a problem."""

    def mark(function):
        function.problem, function.points = problem, points
        return function

    return mark


def require(holds: bool, message: str) -> None:
    """Raise Broken with the message unless the property holds."""
    if not holds:
        raise Broken(message)


def call(solution: ModuleType, name: str, *args, **settings):
    """Call a function of the hand-in; whatever goes wrong is told with the call that shows it."""
    function = getattr(solution, name, None)
    require(callable(function), f"solution.py has no function {name}: keep the names of the stubs")
    said = ", ".join([*map(show, args), *(f"{key}={show(x)}" for key, x in settings.items())])
    said = said if len(said) < 300 else said[:297] + "..."
    try:
        return function(*args, **settings)
    except NotImplementedError:
        raise Broken(f"{name} is not written yet") from None
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame.lineno for frame in frames if frame.filename == getattr(solution, "__file__", None)]
        where = f" in line {own[-1]}" if own else ""
        raise Broken(f"{name}({said}) raises {type(error).__name__}{where}: {error}") from error


def show(x) -> str:
    """Write a value as short as it can be read: tensors as nested lists with four decimals."""
    if hasattr(x, "tolist") and hasattr(x, "detach"):
        return show(x.detach().tolist())
    if isinstance(x, list | tuple):
        return "[" + ", ".join(map(show, x)) + "]"
    if isinstance(x, float):
        return f"{round(x, 4) + 0.0:g}" if math.isfinite(x) else str(x)
    text = repr(x)
    return text if len(text) < 80 else text[:77] + "..."


def agree(got, want, tolerance: float = 1e-5) -> bool:
    """Whether two nested lists, numbers or tensors have the same shape and numbers; a nan agrees with a nan."""
    got, want = (x.detach().tolist() if hasattr(x, "detach") else x for x in (got, want))
    if isinstance(want, list | tuple):
        same = isinstance(got, list | tuple) and len(got) == len(want)
        return same and all(agree(a, b, tolerance) for a, b in zip(got, want, strict=True))
    if isinstance(got, list | tuple):
        return False
    if not (math.isfinite(want) and math.isfinite(got)):
        return got == want or (math.isnan(want) and math.isnan(got))
    return abs(got - want) <= tolerance * (1 + abs(want))


def compare(what: str, got, want, mistakes: Iterable[tuple[str, object]] = (), tolerance: float = 1e-5) -> None:
    """Require that two values agree; if what came is that of a known mistake, say which one."""
    if agree(got, want, tolerance):
        return
    known = next((text for text, wrong in mistakes if agree(got, wrong, tolerance)), None)
    reason = f"{known}: " if known else ""
    raise Broken(f"{reason}{what} gives {show(got)}, and by the handout it is {show(want)}")


# Running them.


def load(path: Path, name: str) -> ModuleType:
    """Run a Python file as a module of its own."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


def checks_of(*modules: ModuleType) -> list[Callable]:
    """Return the checks of some modules, in the order in which they are written."""
    return [x for module in modules for x in vars(module).values() if hasattr(x, "points")]


def judge(check: Callable, solution: ModuleType, given: dict) -> Result:
    """Run one check."""
    points, why = check.points, ""
    try:
        check(solution, given)
    except Broken as error:
        points, why = 0, str(error)
    except Exception as error:  # a hand-in may return anything at all
        points, why = 0, f"what came could not be read ({type(error).__name__}: {error})"
    return Result(check.problem, check.__name__, points, check.points, why)


def imported(source: str) -> set[str]:
    """Return which of FORBIDDEN the text of a hand-in imports."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError):  # a ValueError: there are null bytes in it
        return set()
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in names} & FORBIDDEN


def cannot_be_run(path: Path, error: BaseException) -> str:
    """Say why a file cannot be run, with the line that is to blame."""
    if not path.is_file():
        return f"there is no {path.name}"
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        frames.append((error.filename or "", error.lineno))
    number = next((line for name, line in reversed(frames) if name == str(path) and line), None)
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    where = f" in line {number}, `{lines[number - 1].strip()}`" if number and number <= len(lines) else ""
    said = error.msg if isinstance(error, SyntaxError) else error
    return f"{path.name} cannot be run: {type(error).__name__}{where}: {said}"


class CannotBeRun:
    """Stands for a hand-in that cannot be run: who asks it for anything is told why. What lies beside it is judged."""

    def __init__(self, path: Path, why: str):
        self.__file__, self._why = str(path), why

    def __getattr__(self, name):
        raise Broken(self._why)


class _Guard:
    """Notes what is imported while a hand-in runs, in whatever words, and refuses it."""

    seen: set[str] = set()

    def find_spec(self, name, path=None, target=None):
        if name in FORBIDDEN:
            self.seen.add(name)
            raise ImportError(f"{name} is not to be imported here")


def _child(path: Path, kit: Path, problem: str, results: Path) -> None:
    """Run the checks of one problem, and write down what they found."""
    os.chdir(path.parent)
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")
    guard = _Guard()
    guard.seen |= imported(path.read_text(encoding="utf-8", errors="replace")) if path.is_file() else set()
    sys.meta_path.insert(0, guard)  # type: ignore[arg-type]
    given = json.loads((kit / "variant.json").read_text(encoding="utf-8"))
    files = [kit / name for name in ("checks.py", "hidden_checks.py") if (kit / name).exists()]
    checks = [check for check in checks_of(*(load(file, file.stem) for file in files)) if check.problem == problem]
    try:
        solution = load(path, "solution")
    except BaseException as error:
        solution = CannotBeRun(path, cannot_be_run(path, error))  # type: ignore[assignment]
    found = [judge(check, solution, given) for check in checks]
    if guard.seen:
        why = f"solution.py imports {', '.join(sorted(guard.seen))}: what it has is to be written here"
        found = [result._replace(points=0, why=why) for result in found]
    results.write_text(json.dumps(found), encoding="utf-8")


def _processes() -> multiprocessing.context.BaseContext:
    """Return what starts processes; where it can be, PyTorch is loaded once and not anew for each of them."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch"])
    first = context.Process(target=int)  # it waits for PyTorch, so that the time of the checks is their own
    first.start()
    first.join()
    return context


def examine(path: Path, kit: Path, problems: dict[str, dict[str, int]], seconds: int) -> list[Result]:
    """Check a hand-in with the kit in a folder, a process a problem; `problems`: check -> points, for each problem."""
    found, context = [], _processes()
    for problem, checks in problems.items():
        with tempfile.TemporaryDirectory() as folder:
            results = Path(folder) / "results.json"
            process = context.Process(target=_child, args=(path, kit, problem, results))  # type: ignore[attr-defined]
            process.start()
            process.join(seconds)
            why = f"the process ended before its checks did, with exit code {process.exitcode}"
            if process.is_alive():
                why = f"stopped after {seconds} s: a loop that does not end, or one that is far too slow"
                process.kill()
                process.join()
            if results.exists():
                found += [Result(*line) for line in json.loads(results.read_text(encoding="utf-8"))]
            else:
                found += [Result(problem, name, 0, of, why) for name, of in checks.items()]
    return found


def report(found: list[Result]) -> str:
    """Write what was found, a line a check, with the points of each problem; the reason of several in a row once."""
    lines, last = [], ""
    for problem in dict.fromkeys(result.problem for result in found):
        own = [result for result in found if result.problem == problem]
        lines.append(f"\nProblem {problem}: {sum(r.points for r in own)} of {sum(r.of for r in own)}")
        for result in own:
            again = " (as above)" if result.why and result.why == last else ""
            lines.append(f"  {'right' if result.points else 'WRONG'}   {result.check.replace('_', ' ')}{again}")
            if result.why and not again:
                lines.append(f"          {result.why}")
            last = result.why or last
    lines.append(f"\n{sum(r.points for r in found)} of {sum(r.of for r in found)} points")
    return "\n".join(lines).lstrip("\n")


def main(argv: list[str]) -> None:
    """Check the named hand-in, or solution.py."""
    path = Path(argv[0]).resolve() if argv else HERE / "solution.py"
    given = json.loads((HERE / "variant.json").read_text(encoding="utf-8"))
    if not path.is_file() and path != HERE / "solution.py":  # without it, what lies beside it can be right
        instead = "run it in the folder of the assignment, or name your file"
        if argv[0:1] and argv[0] in given["problems"]:
            instead = f"to check single problems name the file first: python check.py solution.py {' '.join(argv)}"
        sys.exit(f"check.py: there is no {path}; {instead}")
    problems = {name: checks for name, checks in given["problems"].items() if name in argv[1:] or not argv[1:]}
    if not problems:
        sys.exit(f"check.py: the problems are {', '.join(given['problems'])}, got {' '.join(argv[1:])}")
    print(report(examine(path, HERE, problems, given["seconds"])))
    if not (HERE / "hidden_checks.py").exists():
        print("These are the public checks; the hidden ones look at other inputs.")


if __name__ == "__main__":
    import check  # the module that the checks import: there is to be one Broken, not two

    check.main(sys.argv[1:])
