"""The course kit: right solutions get all points, stubs none; a wrong one is refused by the check meant for it."""

import csv
import itertools
import json
import math
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from functools import cache
from types import ModuleType, SimpleNamespace

import pytest
import torch

import check
import grade
import grpo_lite
import make
from grpo_lite.training import gradient, trainer
from handed_in import collect, find
from helpers.built import ROOT
from helpers.lessons import lesson, stored, tags

KIT = ROOT / "coursework"

ASSIGNMENTS = make.assignments()
VARIANTS = [make.VARIANT, "2026-autumn", "2027-autumn", "2028-spring", "sample"]  # all options that matter


@cache
def given(assignment, variant=make.VARIANT):
    return make.asked_for(assignment, variant, make.draw(assignment, variant))


@cache
def checks(assignment):
    return {one.__name__: one for one in make.checks(assignment)}


@pytest.fixture
def solution(tmp_path):
    """Write and load a hand-in: a template with a piece replaced, or as if other choices had been drawn."""

    def load(assignment, variant=make.VARIANT, piece="", instead="", file="hidden/solution.py", **choices):
        template = (assignment / file).read_text()
        assert piece in template, f"{piece!r} does not stand in {file}"
        asked = given(assignment, variant)
        asked = asked | {"choices": asked["choices"] | choices}
        for name, text in make.extra(assignment, asked, teacher="hidden" in file).items():
            (tmp_path / name).write_text(text)
        text = make.fill(template.replace(piece, instead) if piece else template, assignment, asked)
        (tmp_path / "solution.py").write_text(text)
        return check.load(tmp_path / "solution.py", "solution")

    return load


def judged(assignment, module, variant=make.VARIANT):
    return [check.judge(one, module, given(assignment, variant)) for one in checks(assignment).values()]


def wrong():
    for assignment in ASSIGNMENTS:
        listed = tomllib.loads((assignment / "hidden" / "wrong.toml").read_text())
        for one in listed["wrong"]:
            how = {key: one[key] for key in ("piece", "instead", "variant") if key in one}
            yield pytest.param(assignment, one["check"], how, id=f"{assignment.name}: {one['does']}")
        for choice, meant in listed["other"].items():
            drawn = make.draw(assignment, make.VARIANT)[choice]
            for option in make.about(assignment)["choices"][choice]:
                if option != drawn:
                    yield pytest.param(
                        assignment, meant, {choice: option}, id=f"{assignment.name}: {choice} is {option}"
                    )


@pytest.mark.parametrize(("assignment", "meant", "how"), list(wrong()))
def test_a_wrong_solution_is_refused_by_the_check_that_is_meant_for_it(solution, assignment, meant, how):
    asked = given(assignment, how.get("variant", make.VARIANT))
    result = check.judge(checks(assignment)[meant], solution(assignment, **how), asked)
    assert (result.points, len(result.why) > 20) == (0, True), result


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("assignment", ASSIGNMENTS, ids=lambda path: path.name)
def test_the_reference_gets_all_points_in_each_variant(solution, assignment, variant):
    results = judged(assignment, solution(assignment, variant), variant)
    assert [result for result in results if result.why] == []
    assert sum(result.points for result in results) == 100


@pytest.mark.parametrize("assignment", ASSIGNMENTS, ids=lambda path: path.name)
def test_stubs_get_no_point_and_are_told_what_is_not_written_yet(solution, assignment):
    results = judged(assignment, solution(assignment, file="starter.py"))
    assert sum(result.points for result in results) == 0
    assert all(re.search(r"not written yet|must be|is None|not sound yet|is ''", result.why) for result in results), (
        results
    )


def turned(scale=None):
    """The package's advantages, turned to fit groups that stand in columns."""

    def advantages(rewards, eps=1e-4):
        flat, size = rewards.T.reshape(-1), len(rewards)
        if scale is None:
            return grpo_lite.leave_one_out_advantages(flat, size).view(-1, size).T
        return grpo_lite.group_advantages(flat, size, scale_rewards=scale, eps=eps).view(-1, size).T

    return advantages


def swapped(estimate):
    return lambda logps, ref_logps: estimate(ref_logps, logps)


def averaged(loss_type, level):
    """The package's loss, with what it can be told of the handout."""

    def loss(logps, old_logps, advantages, mask, low, high):
        old_logps = None if old_logps is None else old_logps.where(mask, 0)
        out = grpo_lite.grpo_loss(
            logps, old_logps, advantages, mask, epsilon=low, epsilon_high=high, loss_type=loss_type,
            importance_sampling_level=level, max_completion_length=mask.shape[1],
        )  # fmt: skip
        return out.loss, out.clip_fraction

    return loss


ESTIMATES = (grpo_lite.kl_k1, grpo_lite.kl_k2, grpo_lite.kl_k3)
PACKAGE = [
    ("group_advantages", "every_small_group", [turned(scale) for scale in ("group", "batch", "none", None)]),
    ("kl_estimate", "it_is_right_on_average", [*ESTIMATES, *map(swapped, ESTIMATES)]),
    (
        "policy_loss", "loss_and_gradient",
        [averaged(t, "token") for t in ("grpo", "bnpo", "dr_grpo")] + [averaged("grpo", "sequence")],
    ),
]  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_package_solves_no_variant(as_user, variant):
    for assignment, (name, meant, functions) in zip(ASSIGNMENTS, PACKAGE, strict=False):
        for function in functions:
            hand_in = SimpleNamespace(**{name: function})
            result = check.judge(checks(assignment)[meant], hand_in, given(assignment, variant))
            assert result.points == 0
            assert "by the handout it is" in result.why, result  # a wrong number, and no error


STYLES = sorted(path for assignment in ASSIGNMENTS for path in assignment.glob("hidden/right/*.py"))


@pytest.mark.parametrize("path", STYLES, ids=lambda path: f"{path.parents[2].name}/{path.stem}")
def test_a_right_solution_in_another_style_passes(path, tmp_path):
    assignment = path.parents[2]
    for name, text in make.extra(assignment, given(assignment), teacher=True).items():
        (tmp_path / name).write_text(text)
    (tmp_path / path.name).write_text(make.fill(path.read_text(), assignment, given(assignment)))
    results = judged(assignment, check.load(tmp_path / path.name, "solution"))
    assert [result for result in results if result.why] == []


HUNT = next(assignment for assignment in ASSIGNMENTS if (assignment / "hidden" / "hunt.py").exists())


@pytest.mark.parametrize(
    ("letter", "fault"), [(x, name) for x in "abcde" for name in make.about(HUNT)["choices"][x]]
)  # fmt: skip
def test_a_broken_script_is_refused_until_it_is_repaired(letter, fault, tmp_path):
    asked = given(HUNT) | {"choices": given(HUNT)["choices"] | {letter: fault}}
    sound, broken = (HUNT / "hidden" / "hunt.py").read_text(), make.about(HUNT)["choices"][letter][fault]
    assert broken["piece"] in sound
    (tmp_path / f"hunt_{letter}.py").write_text(sound.replace(broken["piece"], broken["instead"]))
    module = ModuleType("solution")
    module.__file__ = str(tmp_path / "solution.py")
    for name in (f"hunt_{letter}_is_repaired", f"hunt_{letter}_stays_sound", f"hunt_{letter}_is_named"):
        result = check.judge(checks(HUNT)[name], module, asked)
        assert (result.points, letter in result.why) == (0, True), result


def test_a_diagnosis_is_a_word_of_the_handouts_list(tmp_path):
    handout = (HUNT / "HANDOUT.md").read_text()
    words = re.findall(r"^\| `([a-z]+)` \|", handout, re.MULTILINE)
    module = ModuleType("solution")
    module.__file__ = str(tmp_path / "solution.py")
    [meant] = [one for name, one in checks(HUNT).items() if name.startswith("hunt_a_has_a_word")]
    for word in (*words, "", "the sign", "Sign"):
        (tmp_path / "hunt_a.py").write_text(f"DIAGNOSIS = {word!r}")
        assert check.judge(meant, module, given(HUNT)).points == (word in words), word


@pytest.mark.parametrize(("size", "value"), [(6, 0.6), (7, 0.1), (9, 2.8)])
def test_the_trap_of_equal_rewards_has_teeth_for_any_number_of_columns(size, value):
    for columns in range(1, 40):
        rewards = torch.full((size, columns), value)
        for mean in (rewards.mean(dim=0), rewards.nanmean(dim=0), rewards.sum(dim=0) / size):
            assert (mean != rewards[0]).all()


def test_the_trap_of_equal_rewards_names_its_own_number():
    def naive(rewards, eps=1e-4):
        return (rewards - rewards.mean(dim=0)) / (rewards.std(dim=0, correction=0) + eps).clamp(min=1e-30)

    meant = checks(ASSIGNMENTS[0])["equal_rewards_teach_nothing"]
    why = check.judge(meant, SimpleNamespace(group_advantages=naive), given(ASSIGNMENTS[0])).why
    assert "6 rewards of 0.6" in why
    assert "mean of 6 times 0.6 is not 0.6" in why


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("one", "wrong_mask", "message"),
    [
        ("the_prompt_does_not_count", [0, 0, 1, 0], "the end token itself is left out"),
        ("the_prompt_does_not_count", [0, 1, 1, 1], "a token of the prompt counts"),
        ("what_comes_after_the_end_does_not_count", [0, 0, 0], "the end token itself is left out"),
        ("what_comes_after_the_end_does_not_count", [0, 1, 1], "what comes after the first end token counts"),
        ("a_completion_that_was_cut_off", None, "of a completion without an end token"),
    ],
)
def test_the_headline_of_a_mask_speaks_of_where_it_is_wrong(one, wrong_mask, message, variant):
    asked = given(ASSIGNMENTS[1], variant)
    counts = int(asked["choices"]["cut"] != "kept")
    row = [0, counts, counts] if wrong_mask is None else wrong_mask
    row = row[1:] if asked["choices"]["where"] == "before" else row
    hand_in = SimpleNamespace(loss_mask=lambda *_: torch.tensor([row]).bool())
    assert check.judge(checks(ASSIGNMENTS[1])[one], hand_in, asked).why.startswith(message)


TOOL = next(assignment for assignment in ASSIGNMENTS if assignment.name.endswith("_tool"))


def diagnosis(one, babble):
    """Name the fault of a recording, from what holds in a sound one."""
    row, behind = one["prompt"] + one["ids"], len(one["prompt"])
    counts = [one["turn"].count(k + 1) for k in range(len(one["drawn"]))]
    if not one["tool"]:
        return "invented"
    if counts[0] > one["drawn"][0]:
        return "results"
    if counts != one["drawn"]:
        ends = [k for i, k in zip(one["ids"], one["turn"], strict=True) if i == 0]
        return "retokenized" if all(ends) else "endless"
    scored = [babble(row[:t]).log_softmax(dim=0)[row[t]].item() for t in range(behind, len(row))]
    off = [abs(a - b) > 0.1 for a, b, k in zip(scored, one["logps"], one["turn"], strict=True) if k]
    return {1: "deaf"}.get(sum(off), "temperature" if sum(off) > 5 else "sound")


@pytest.mark.parametrize("shown", ["with", "without"])
@pytest.mark.parametrize(("letter", "name"), [(x, name) for x in "abc" for name in make.about(TOOL)["choices"][x]])
def test_a_recording_shows_its_fault(solution, letter, name, shown):
    asked = given(TOOL) | {"choices": given(TOOL)["choices"] | {letter: name, "shown": shown}}
    one = json.loads(make.extra(TOOL, asked, teacher=False)["transcripts.json"])[letter]
    module = solution(TOOL)
    assert diagnosis(one, module.babble) == name
    assert all(text.endswith("<end>") == (shown == "with") for text, _ in one["tool"])


def test_the_tools_variants_draw_every_option():
    for choice, options in make.about(TOOL)["choices"].items():
        assert {make.draw(TOOL, variant)[choice] for variant in VARIANTS} == set(options), choice


def test_the_package_averages_no_variant_of_the_loss_with_holes():
    rows = [[1, 1, 0, 2], [0, 1, 1, 0]]
    logps, mask = torch.zeros(2, 4, dtype=torch.float64, requires_grad=True), torch.tensor(rows) > 0
    theirs = []
    for loss_type in ("grpo", "bnpo", "dr_grpo"):
        advantages = torch.ones(2, dtype=torch.float64)
        loss = grpo_lite.grpo_loss(
            logps, logps.detach(), advantages, mask, loss_type=loss_type, max_completion_length=4
        ).loss
        theirs.append((-torch.autograd.grad(loss, logps)[0]).tolist())
    for mean, credit in itertools.product(*(make.about(TOOL)["choices"][name] for name in ("mean", "credit"))):
        assert not any(check.agree(x, make.oracle(TOOL).weights_of(rows, mean, credit)) for x in theirs), (mean, credit)


def put_back(monkeypatch):
    """Let the functions of the package be what they were, at the end."""
    for module in (grpo_lite, gradient, trainer):
        for name in {"grpo_loss", "group_advantages"} & set(vars(module)):
            monkeypatch.setattr(module, name, getattr(module, name))


@pytest.mark.parametrize("page", [HUNT / "HANDOUT.md", ROOT / "docs" / "teaching.md"], ids=lambda path: path.stem)
def test_one_cell_lets_a_lesson_run_with_functions_of_a_student(handed_out, page, monkeypatch, as_user):
    put_back(monkeypatch)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "learn", raising=False)
    [cell] = re.findall(r"```python\n(.*?learn.*?)```", page.read_text(), re.S)
    exec(cell.replace("hw/3_loss", str(handed_out / "teacher" / "3_loss")), {})
    assert gradient.grpo_loss is grpo_lite.grpo_loss
    assert trainer.group_advantages is grpo_lite.group_advantages

    names = {"grpo_lite": grpo_lite, "torch": torch}  # a step by hand, as the lesson makes it
    [step] = [cell for cell in stored(lesson("the_training_loop")).cells if "result-by-hand" in tags(cell)]
    exec(step.source, names)
    choices, half = given(ASSIGNMENTS[0])["choices"], [[-math.log(2)]]
    group = make.oracle(ASSIGNMENTS[0]).advantages_of([1.0, 0.0], 1e-4, choices["baseline"], choices["scale"])
    assert names["advantages"].tolist() == pytest.approx([*group, 0.0, 0.0])

    def loss(x):
        a, b = x - math.log(math.exp(x) + 1), -math.log(math.exp(x) + 1)
        rest = half * 4, [*group, 0.0, 0.0], [[True]] * 4, 0.2, 0.2, given(HUNT)["choices"]
        return make.oracle(HUNT).loss_of([[a], [b], *half * 2], *rest)[0]

    assert names["logits"].grad[0, 0].item() == pytest.approx((loss(1e-5) - loss(-1e-5)) / 2e-5, rel=1e-4)
    with pytest.raises(ValueError, match=r"no KL penalty: leave beta at 0, got 0\.04"):
        grpo_lite.grpo_loss(*[torch.zeros(1, 1)] * 4, beta=0.04)


@pytest.mark.slow
def test_the_package_trains_with_functions_of_a_student(tmp_path, monkeypatch):
    put_back(monkeypatch)
    make.write(make.VARIANT, tmp_path, teacher=True)
    for path, name in ((tmp_path / "1_advantages", "group_advantages"), (tmp_path / HUNT.name, "policy_loss")):
        with (path / "solution.py").open("a") as file:
            file.write(f"\n_own, CALLED = {name}, []\ndef {name}(*a):\n    CALLED.append(1)\n    return _own(*a)\n")
    learn = check.load(tmp_path / HUNT.name / "learn.py", "learn")
    loaded = []
    monkeypatch.setattr(learn, "load", lambda *a: loaded.append(check.load(*a)) or loaded[-1])
    history = learn.main(12)
    assert [len(module.CALLED) for module in loaded] == [24, 12]
    rewards = [record["reward"] for record in history]
    assert sum(rewards[-6:]) > sum(rewards[:6]) + 1  # 0.17 an update


# As a student and a lecturer run it: a process a problem.


@pytest.fixture(scope="module")
def handed_out(tmp_path_factory):
    """What `make assignment` writes."""
    folder = tmp_path_factory.mktemp("kit")
    make.write(make.VARIANT, folder / "student")
    make.write(make.VARIANT, folder / "teacher", teacher=True)
    return folder


def checked(folder, *arguments):
    command = [sys.executable, "check.py", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True).stdout


def test_what_students_get_has_no_solution_and_no_hidden_check(handed_out):
    for assignment in ASSIGNMENTS:
        names = {path.name for path in (handed_out / "student" / assignment.name).rglob("*.py")}
        assert names >= {"check.py", "checks.py", "solution.py"}
        assert "hidden_checks.py" not in names
        assert "NotImplementedError" in (handed_out / "student" / assignment.name / "solution.py").read_text()


def test_nothing_is_left_to_be_filled_in(handed_out):
    for path in (handed_out / "student").rglob("*"):
        if path.suffix in (".md", ".py"):
            assert "{{" not in path.read_text(), path


def test_no_two_scripts_of_the_hunt_differ_in_their_fault_alone(handed_out):
    scripts = [path.read_text().splitlines() for path in sorted((handed_out / "student" / HUNT.name).glob("hunt_?.py"))]
    assert len(scripts) == 5
    for one, other in itertools.combinations(scripts, 2):
        assert sum(a != b for a, b in zip(one, other, strict=True)) > 25


def test_a_handout_is_that_of_its_variant():
    assignment = ASSIGNMENTS[0]
    texts = {v: make.fill((assignment / "HANDOUT.md").read_text(), assignment, given(assignment, v)) for v in VARIANTS}
    for variant, text in texts.items():
        for name, option in make.draw(assignment, variant).items():
            assert make.about(assignment)["choices"][name][option]["words"] in text, (variant, name)


@pytest.mark.parametrize("assignment", ASSIGNMENTS, ids=lambda path: path.name)
def test_a_handout_says_what_check_py_does_not_show(assignment):
    handout = (assignment / "HANDOUT.md").read_text()
    assert "What your code prints is not shown by `check.py`" in handout
    assert assignment == ASSIGNMENTS[3] or re.search(r"[Tt]hese rules only (they|the hidden checks) test", handout)


def command(name, *arguments):
    return subprocess.run([sys.executable, KIT / name, *arguments], capture_output=True, text=True)


def test_the_command_line_hands_out(tmp_path):
    command("make.py", tmp_path / "hw", "--variant", "2028-spring")
    assert {path.name for path in (tmp_path / "hw").iterdir()} >= {path.name for path in ASSIGNMENTS}
    assert "2028-spring" in (tmp_path / "hw" / ASSIGNMENTS[0].name / "HANDOUT.md").read_text()
    again = command("make.py", tmp_path / "hw")
    assert again.returncode == 1
    assert "is there already" in again.stderr


def test_work_is_not_written_over(handed_out):
    with pytest.raises(ValueError, match="is there already"):
        make.write(make.VARIANT, handed_out / "student")


@pytest.fixture
def hand_in(handed_out, tmp_path):
    """Write a solution.py into a copy of what students get, and check one problem of it."""
    folder = shutil.copytree(handed_out / "student" / ASSIGNMENTS[0].name, tmp_path / ASSIGNMENTS[0].name)
    given = json.loads((folder / "variant.json").read_text()) | {"seconds": 8}
    (folder / "variant.json").write_text(json.dumps(given))
    reference = (handed_out / "teacher" / ASSIGNMENTS[0].name / "solution.py").read_text()

    def run(piece, instead, *problems):
        (folder / "solution.py").write_text(reference.replace(piece, instead))
        return checked(folder, "solution.py", *problems)

    return run


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\nif x = 1:\n    pass\n", "SyntaxError in line 2, `if x = 1:`: invalid syntax"),
        ("def f():\nreturn 1\n", "IndentationError in line 2, `return 1`: expected an indented block"),
        ("x = 1\n\ny = [x][3]\n", "IndexError in line 3, `y = [x][3]`: list index out of range"),
    ],
)
def test_a_file_that_cannot_be_run_is_told_the_line(tmp_path, text, said):
    (tmp_path / "solution.py").write_text(text)
    with pytest.raises((SyntaxError, IndexError)) as raised:
        check.load(tmp_path / "solution.py", "solution")
    assert check.cannot_be_run(tmp_path / "solution.py", raised.value).startswith(f"solution.py cannot be run: {said}")


def test_without_solution_py_the_hunt_is_judged_and_all_else_is_told_why(handed_out):
    folder = handed_out / "teacher" / HUNT.name
    missing = check.CannotBeRun(folder / "solution.py", "solution.py cannot be run: so")
    for result in judged(HUNT, missing):
        assert result.why == ("" if result.check.startswith("hunt_") else "solution.py cannot be run: so"), result


def test_a_script_that_cannot_be_run_is_told_the_line_by_the_hidden_checks_too(tmp_path):
    (tmp_path / "hunt_a.py").write_text("x = [][0]")
    for result in judged(HUNT, check.CannotBeRun(tmp_path / "solution.py", "")):
        if result.check.startswith("hunt_a"):
            assert result.why.startswith("hunt_a.py cannot be run: IndexError in line 1, `x = [][0]`"), result


def test_the_reason_of_several_checks_in_a_row_is_written_once():
    whys = ("no f", "no f", "", "no f", "f is 3", "no f")
    said = check.report([check.Result("1a", f"c_{i}", int(not why), 1, why) for i, why in enumerate(whys)])
    assert said.splitlines()[1:-2] == [
        "  WRONG   c 0", "          no f", "  WRONG   c 1 (as above)", "  right   c 2", "  WRONG   c 3 (as above)",
        "  WRONG   c 4", "          f is 3", "  WRONG   c 5", "          no f",
    ]  # fmt: skip


def test_a_problem_in_the_place_of_the_file_is_told_where_the_file_goes(handed_out, monkeypatch):
    folder = handed_out / "student" / ASSIGNMENTS[0].name
    monkeypatch.setattr(check, "HERE", folder)
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit, match=r"python check\.py solution\.py 1c 1d$"):
        check.main(["1c", "1d"])
    with pytest.raises(SystemExit, match=r"there is no .*mine\.py; run it in the folder"):
        check.main(["mine.py"])


def test_a_handout_speaks_of_sums_where_its_variant_has_some():
    handout = (HUNT / "HANDOUT.md").read_text()
    for level in make.about(HUNT)["choices"]["level"]:
        asked = given(HUNT) | {"choices": given(HUNT)["choices"] | {"level": level}}
        text = make.fill(handout, HUNT, asked).partition("## 3b")[0]
        assert ("over counted tokens only" in text) == (level != "token"), level


@pytest.mark.slow
def test_an_endless_loop_costs_one_problem(hand_in):
    said = hand_in("    rewards = []\n", "    while True:\n        pass\n", "1a", "1d")
    assert "Problem 1a: 0 of 20" in said
    assert "stopped after 8 s" in said
    assert "Problem 1d: 1 of 1" in said


@pytest.mark.slow
def test_a_crash_costs_one_problem(hand_in):
    said = hand_in("    rewards = []\n", "    import os\n    os._exit(3)\n", "1a", "1d")
    assert "Problem 1a: 0 of 20" in said
    assert "the process ended" in said
    assert "Problem 1d: 1 of 1" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    ["import grpo_lite", "from grpo_lite.advantages import group_advantages", "__import__('grpo_lite')",
     "import importlib\ntry:\n    importlib.import_module('grpo_lite')\nexcept ImportError:\n    pass"],
)  # fmt: skip
def test_the_package_is_noticed(hand_in, line):
    said = hand_in("import re\n", f"import re\n{line}\n", "1d")
    assert "Problem 1d: 0 of 1" in said
    assert "solution.py imports grpo_lite" in said


@pytest.mark.slow
def test_a_syntax_error_in_solution_py_costs_the_hunt_nothing(handed_out, tmp_path):
    folder = shutil.copytree(handed_out / "teacher" / HUNT.name, tmp_path / HUNT.name)
    (folder / "solution.py").write_text("def half a function(")
    said = checked(folder, "solution.py", "3b", "3d")
    assert "Problem 3b: 0 of 20" in said
    assert "Problem 3d: 8 of 8" in said
    assert said.count("SyntaxError") == 1


@pytest.fixture
def platform(handed_out, tmp_path):
    """Write what platforms hand over."""
    folder, first, teacher = tmp_path / "in", ASSIGNMENTS[0].name, handed_out / "teacher"
    right = (teacher / first / "solution.py").read_text()
    (folder / ".hidden").mkdir(parents=True)
    for place, text in {
        "Anna Muster_1_assignsubmission_file_/mine.py": right,
        "eve/3_loss/hunt_a.py": "DIAGNOSIS = 'sign'",
        "fritz/week1/answer.docx": "7",
        f"ida/{first}/solution.py": "def half a function(",
        f"ida/{first}/notes.py": right,
        "ida/old/solution.py": right,
        "gil/hw.zip": "no zip",
        "caesar_99_1001_solution-1.py": right,
        "caesar_99_1002_report.md": "so",
        "notes.txt": "for myself",
    }.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(text)
    (folder / "hans").mkdir()
    with zipfile.ZipFile(tmp_path / f"{first}.zip", "w") as inner:
        inner.writestr(f"{first}/solution.py", right)
        inner.writestr(f"__MACOSX/{first}/._solution.py", "junk")
    for name in ("doe_LATE_77_1003_all.zip", "Bo_2_assignsubmission_file_.zip"):
        with zipfile.ZipFile(folder / name, "w") as outer:
            outer.write(tmp_path / f"{first}.zip", f"{first}.zip")
    return folder


def test_what_a_platform_has_renamed_is_found_and_what_is_not_is_said(platform, handed_out, tmp_path):
    kits = sorted((handed_out / "teacher").iterdir())
    (tmp_path / "copy").mkdir()
    troubles = collect(platform, tmp_path / "copy")
    expected = f"expected {ASSIGNMENTS[0].name}/solution.py, at any depth, zipped or not"
    seen = {}
    for name, own in troubles.items():
        student = tmp_path / "copy" / name
        found = {kit.name[0]: str(find(student, kit)[0].relative_to(student)) for kit in kits if find(student, kit)}
        seen[name] = found, *own, grade.left_out(student, kits)
    first = ASSIGNMENTS[0].name
    assert seen == {
        "Anna Muster_1_assignsubmission_file_": ({"1": "mine.py"}, ""),
        "Bo_2_assignsubmission_file_": ({"1": f"Bo_2_assignsubmission_file_/{first}/{first}/solution.py"}, ""),
        "caesar_99": ({"1": "solution.py"}, ""),
        "doe_77": ({"1": f"all/{first}/{first}/solution.py"}, ""),
        "eve": ({"3": "3_loss/solution.py"}, ""),
        "fritz": ({}, f"not understood (week1/answer.docx): {expected}"),
        "gil": ({}, "hw.zip cannot be unpacked: File is not a zip file", f"not understood (empty): {expected}"),
        "hans": ({}, f"not understood (empty): {expected}"),
        "ida": ({"1": f"{first}/solution.py"}, "not graded: old/solution.py"),
        "notes": ({}, f"not understood (notes.txt): {expected}"),
    }
    assert (platform / "gil" / "hw.zip").exists()  # the hand-in stays as it was


@pytest.mark.slow
def test_a_folder_of_hand_ins_is_graded_whatever_is_in_it(handed_out, tmp_path):
    name = ASSIGNMENTS[0].name
    right = handed_out / "teacher" / name / "solution.py"
    for student, place in (("anna", name), ("bo", f"hw/{name}"), ("no one", "")):
        (tmp_path / "in" / student / place).mkdir(parents=True)
    shutil.copy(right, tmp_path / "in" / "anna" / name)
    shutil.copy(handed_out / "student" / name / "solution.py", tmp_path / "in" / "bo" / "hw" / name)
    (tmp_path / "in" / "eve").mkdir()
    (tmp_path / "in" / "eve" / "mine.py").write_text("def half a function(\n" + right.read_text())  # by its functions
    assert command("grade.py", tmp_path / "in", tmp_path / "out").returncode == 0
    rows = list(csv.DictReader((tmp_path / "out" / "scores.csv").read_text().splitlines()))
    assert {row["student"]: row[name] for row in rows} == {"anna": "100", "bo": "0", "eve": "0", "no one": ""}
    assert "SyntaxError" in (tmp_path / "out" / "eve.md").read_text()
    assert "not written yet" in (tmp_path / "out" / "bo.md").read_text()
    assert rows[-1]["note"].startswith("not understood (empty): expected")
