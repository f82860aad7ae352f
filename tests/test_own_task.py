"""The examples of the page on training, run as they stand there, and the tasks of the lesson on other seeds."""

import json
import re
import shutil
from pathlib import Path

import jupytext
import pytest

from grpo_lite import GRPOConfig, GRPOTrainer
from grpo_lite.cli import main
from grpo_lite.tasks import accuracy, make_problems
from helpers.lessons import lesson

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/training.md").read_text()


def example(part):
    """The Python block of the page that has this in it."""
    (found,) = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.S) if part in block]
    return found


@pytest.mark.long
@pytest.mark.slow
def test_the_task_file_of_the_page_learns_held_out_words(tmp_path, monkeypatch, capsys):
    """As a reader types it; a third of the updates is enough to see it."""
    assert '--8<-- "docs/configs/my_task.py"' in PAGE
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "docs/configs/my_task.py", ".")
    (typed,) = re.findall(r"^grpo-lite (train --task my_task.*)$", PAGE, re.M)
    main([*typed.split(), "--max-steps", "30"])
    capsys.readouterr()
    first, *_, final = map(json.loads, Path("run/metrics.jsonl").read_text().splitlines())
    assert first["sampled_right"] < 0.2
    assert final["sampled_right"] > 0.4
    for typed in re.findall(r"^grpo-lite (\w+ run --task my_task.*)$", PAGE, re.M):
        main(typed.split())
    shown, *samples = capsys.readouterr().out.splitlines()
    assert json.loads(shown)["sampled_right"] == final["sampled_right"]
    assert sum("answer: " in line for line in samples) == 4


def test_any_model_of_transformers_can_be_loaded():
    names = {}
    exec(example("name = BASE_MODEL"), names)
    model, tokenizer = names["load_model"]()
    args = GRPOConfig(max_steps=1, per_device_train_batch_size=4, num_generations=4, max_completion_length=4)
    GRPOTrainer(model, accuracy, args, make_problems("chain-sum", "train", 2), tokenizer).train()


@pytest.mark.slow
def test_the_program_of_the_page_trains():
    names = {}
    short = example("max_steps=120").replace("max_steps=120", "max_steps=2")
    exec(short, names)
    assert [record["step"] for record in names["history"] if "eval" not in record] == [1, 2]


@pytest.mark.slow
def test_a_finished_run_goes_on_as_on_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    first, again = re.findall(r"^grpo-lite (train .*--lr-scheduler-type constant.*)$", PAGE, re.M)
    for typed in (first, again):
        main([*typed.split(), "--per-device-train-batch-size", "16", "--eval-steps", "100"])
    assert "going on from longer/checkpoint-20" in capsys.readouterr().out
    lines = [json.loads(line) for line in Path("longer/metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "eval" not in line] == list(range(1, 31))
    assert [line["step"] for line in lines if "final" in line] == [20, 30]


def curves(seed):
    """For each run of the lesson's exercises, what is right on held-out prompts, from update 0 on.

    The cells are those of the lesson, in their order; what it runs before the exercises is left out.
    """
    names, found = {}, []

    def try_task(*given):
        history = names["plain"](*given, seed=seed)
        found.append(names["curve"](history, names["right"]))
        return history

    for cell in jupytext.read(lesson("your_own_task")).cells:
        run = re.search(
            r"runs|^base, tokenizer = taught|^look|^    look\(base, tokenizer, right, \[|capitals",
            cell.source,
            re.M,
        )
        if cell.cell_type == "code" and not run:
            exec(cell.source, names)
        if cell.source.startswith("def try_task"):
            names |= {"plain": names["try_task"], "try_task": try_task}
    return found


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_what_the_lesson_says_of_its_exercises_holds_with_other_seeds(seed):
    backwards, parity, brackets, guesses, copies = curves(seed)
    assert backwards[0] < 0.15
    assert backwards[-1] > 0.9
    assert 0.45 < parity[0] < 0.75
    assert parity[-1] > 0.9
    assert 0.35 < brackets[0] < 0.7
    assert brackets[-1] > 0.7
    assert 0.35 < guesses[-1] < 0.65
    assert max(copies) < 0.06
