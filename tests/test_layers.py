"""The rooms of the house: which file may import which, and that none is missing from the picture."""

import ast
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import grpo_lite

HOUSE = Path(grpo_lite.__file__).parent
# From the ground up: a file may import what stands above it in this list, and nothing else of the package.
ALGORITHM = [
    {"_checks"},
    {"masking", "kl"},
    {"reading", "ratio", "advantages"},
    {"chunked"},
    {"sampling", "logprobs", "objectives", "token_weights"},
    {"algorithms", "episodes"},
    {"aggregation"},
    {"loss"},
]
REWARDS = [{"worker", "sandbox", "protocol", "equality"}, {"text"}, {"shaping", "answers", "programs"}]
TRAINING = [
    {"config", "distributed"},
    {"policy"},
    {"rollout"},
    {"records", "gradient"},
    {"checkpoint"},
    {"trainer"},
]
EXPERIMENTS = [{"pretrain", "real"}]
# `combine_rewards` lives with the advantages and can also be had where it is looked for.
ALLOWED = {("rewards", "advantages")}


def files():
    return sorted(path for path in HOUSE.rglob("*.py") if path.parent.name != "judges")


def name_of(path):
    parts = path.relative_to(HOUSE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path):
    """Names of the package's modules that a file imports, wherever in the file."""
    modules = {name_of(file) for file in files()}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not getattr(node, "level", 0), f"{path.name}: write `from grpo_lite. ...`, which this test can read"
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "grpo_lite":
            base = node.module.removeprefix("grpo_lite").lstrip(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}".lstrip(".")
                yield inner if inner in modules else base
        elif isinstance(node, ast.Import):
            yield from (alias.name.removeprefix("grpo_lite.") for alias in node.names if "grpo_lite" in alias.name)


def storeys():
    """For each file, the set of files that it may import."""
    may = {}
    below = set()
    for storey in ALGORITHM:
        may |= {name: set(below) for name in storey}
        below |= storey
    algorithm = set(below)

    def wing(name, floors, ground):
        under = set(ground)
        for floor in floors:
            own = {f"{name}.{file}" for file in floor}
            may.update({file: set(under) for file in own})
            under |= own
        may[name] = set(under)
        return under

    rewards = wing("rewards", REWARDS, {"_checks"})
    may["tasks"] = rewards
    may |= {"_axes": {"_checks"}, "_tables": set(), "plotting": {"_axes", "_checks", "_tables"}}
    training = wing("training", TRAINING, algorithm | rewards)
    experiments = wing("experiments", EXPERIMENTS, training | {"tasks", "training"})
    may["cli"] = experiments | {"plotting"}
    may["__main__"] = {"cli"}
    may[""] = set(may) - {"cli", "__main__"}
    return may


@pytest.mark.parametrize("path", files(), ids=lambda path: name_of(path) or "grpo_lite")
def test_imports_point_one_way(path):
    own = name_of(path)
    for wanted in imports(path):
        assert wanted in storeys()[own] or (own, wanted) in ALLOWED, f"{own} imports {wanted}"


def test_the_plan_has_every_room():
    assert set(storeys()) == {name_of(path) for path in files()}


PICTURE = Path(__file__).parents[1] / "docs" / "assets" / "architecture.svg"


def drawn():
    """Name in the picture -> where it stands, as (x, y); files of a wing carry its name."""
    places, wing = {}, ""
    for element in ElementTree.fromstring(PICTURE.read_text()).iter():
        kind, place = element.get("class"), (float(element.get("x", 0)), float(element.get("y", 0)))
        if kind == "h":
            wing = element.text if element.text.endswith("/") else ""
            places[element.text] = place
        elif element.tag.endswith("rect") and element.get("height") == "24":
            wing = ""  # a file with a box of its own
        elif kind == "d":
            places[wing.replace("/", ".") + element.text] = place
    return places


def test_the_picture_has_every_file():
    folders = {"the algorithm", "rewards/", "training/", "experiments/"}
    assert set(drawn()) - folders == set(storeys()) - {name.rstrip("/") for name in folders} - {""} | {
        "rewards.judges/"
    }


def test_in_the_picture_a_file_stands_below_what_it_imports():
    height = {name: y for name, (_, y) in drawn().items()}
    algorithm = set().union(*ALGORITHM)
    for path in files():
        if name_of(path) in algorithm:
            assert all(height[wanted] < height[name_of(path)] for wanted in imports(path)), path
    assert max(map(height.get, algorithm)) < height["training/"] < height["experiments/"] < height["cli"]
    assert max(height[name] for name in height if name.startswith("rewards.")) < height["tasks"] < height["training/"]


def test_the_steps_in_the_picture_are_those_of_the_page():
    steps = re.findall(r'class="s m"[^>]*>(\d)<', PICTURE.read_text())
    page = (PICTURE.parents[1] / "architecture.md").read_text()
    assert sorted(steps) == re.findall(r"^(\d)\. \*\*", page, re.M)


def test_what_the_sign_of_the_house_names_is_there():
    rows = re.findall(r"^\| (?!Looking|---).+?\| (.+) \|$", (HOUSE / "README.md").read_text(), re.M)
    assert len(rows) > 15
    for row in rows:
        assert ".py" in row
        for name in re.findall(r"`([\w/]+\.py)`", row):
            assert (HOUSE / name).is_file(), name
        for name in re.findall(r", `(\w+)`$", row):
            assert f"def {name}(" in (HOUSE / re.search(r"[\w/]+\.py", row)[0]).read_text(), name
    (may,) = (row for row in rows if "none of the three folders" in row)
    assert set(re.findall(r"(\w+)\.py", may)) == storeys()["objectives"] - {"chunked", "reading"}  # those read models


def test_judges_know_nothing_of_the_package():
    judges = list(HOUSE.glob("rewards/judges/*.py"))
    assert judges
    assert [path for path in judges if list(imports(path))] == []


def test_no_file_is_called_like_a_module_of_python():
    names = {path.stem for path in HOUSE.rglob("*.py")} - {"__init__", "__main__"}
    assert not names & sys.stdlib_module_names


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from grpo_lite import loss", ["loss"]),
        ("from grpo_lite.training import rollout", ["training.rollout"]),
        ("def f():\n    from grpo_lite.training.trainer import METRICS", ["training.trainer"]),
        ("import grpo_lite.loss", ["loss"]),
        ("from grpo_lite import grpo_loss", [""]),
    ],
)
def test_every_way_to_import_is_seen(tmp_path, text, found):
    (tmp_path / "file.py").write_text(text)
    assert list(imports(tmp_path / "file.py")) == found
    (tmp_path / "file.py").write_text("from . import loss")
    with pytest.raises(AssertionError, match=r"file.py: write `from grpo_lite"):
        list(imports(tmp_path / "file.py"))


def test_what_tests_share_stands_in_helpers():
    files = sorted(Path(__file__).parent.rglob("*.py"))
    tests = {path.stem for path in files if path.stem.startswith("test_") or path.stem == "conftest"}
    assert len(tests) > 40
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            named = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            named += [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            assert not tests & set(named), f"{path.name} imports {tests & set(named)}: move it to tests/helpers/"
