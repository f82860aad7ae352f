"""A run that is stopped anywhere, even by `kill -9`, ends with the weights of one that was not."""

import json
import os
import pickle
import re
import runpy
import shutil
import signal
from functools import partial, wraps
from pathlib import Path

import numpy as np
import pytest
import torch

from grpo_lite import GRPOConfig, GRPOTrainer
from grpo_lite.training import checkpoint
from grpo_lite.training import records as written
from grpo_lite.training.checkpoint import newest_checkpoint
from grpo_lite.training.records import read_lines
from helpers import forked
from helpers.models import make_tiny_model
from helpers.runs import ROWS, SETTINGS, TOKENIZER, identical, odd, records, weights
from helpers.trl_trainer import OLD_NAMES

RUN = SETTINGS | {
    "per_device_train_batch_size": 16,
    "max_steps": 7,
    "learning_rate": 3e-3,
    "num_iterations": 2,
    "beta": 0.1,
    "max_sampling_rounds": 2,
    "eval_steps": 3,
    "save_steps": 2,
    "save_total_limit": 2,
    "log_completions": True,
}


def make_run(folder, reward_func=odd, acting=None, **settings):
    """A run of `reward_func`; `acting` takes its place, and the run stays the same."""
    args = GRPOConfig(**RUN | {"output_dir": str(folder)} | settings)
    model = make_tiny_model("gpt2", len(TOKENIZER))
    run = GRPOTrainer(model, reward_func, args, ROWS, TOKENIZER, eval_dataset=ROWS[:2])
    run.reward_funcs = [acting or reward_func]
    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole")
    make_run(folder).train()
    return folder


def assert_same_run(folder, whole):
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert (folder / "checkpoint-7" / name).read_bytes() == (whole / "checkpoint-7" / name).read_bytes(), name
    assert records(folder) == records(whole)
    assert (folder / "completions.jsonl").read_text() == (whole / "completions.jsonl").read_text()


def test_a_run_leaves_what_it_says(whole):
    assert sorted(path.name for path in whole.iterdir()) == [
        ".lock", "checkpoint-6", "checkpoint-7", "completions.jsonl", "metrics.jsonl",
    ]  # fmt: skip
    found = [(record["step"], "eval" in record) for record in records(whole)]
    steps = [1, 2, 3, 4, 5, 6, 7]
    assert [step for step, is_eval in found if not is_eval] == steps
    assert [step for step, is_eval in found if is_eval] == [0, 4, 6]  # a batch serves updates 3 and 4


# Where to kill. Each takes the number of the occurrence and patches the copy that is to die.


def after(number, function, *, first=lambda *args: None, only=lambda *args: True):
    """Die at the given call of a function, when `first` has done its part of the work."""
    calls = []

    @wraps(function)
    def dies(*args, **kwargs):
        if only(*args):
            calls.append(1)
            if len(calls) == number:
                first(*args)
                forked.kill_me()
        return function(*args, **kwargs)

    return dies


def while_scoring(number):
    return after(number, odd)


def while_writing_the_state(number):
    def write_half(state, path):
        path.write_bytes(b"PK half a file")

    checkpoint.torch.save = after(number, torch.save, first=write_half)
    return odd


def before_the_new_name(number):
    checkpoint.os.replace = after(number, os.replace, only=lambda draft, final: "checkpoint" in Path(final).name)
    return odd


def after_the_new_name(number):
    replace = os.replace
    checkpoint.os.replace = after(number, replace, first=replace, only=lambda draft, final: draft.name == ".unfinished")
    return odd


def while_deleting_an_old_one(number):
    def delete_half(path, *args):
        (path / "model.safetensors").unlink()

    checkpoint.shutil.rmtree = after(
        number, shutil.rmtree, first=delete_half, only=lambda path, *args: (path / "model.safetensors").exists()
    )
    return odd


def while_writing_a_record(number):
    def write_half(path, record):
        with path.open("a") as file:
            file.write(json.dumps(record)[:20])

    written.append_line = after(number, written.append_line, first=write_half)
    return odd


MOMENTS = [
    (while_scoring, 1),  # before anything was saved: the evaluation at step 0
    (while_scoring, 3),
    (while_scoring, 9),
    (while_writing_the_state, 1),
    (while_writing_the_state, 3),
    (before_the_new_name, 1),
    (before_the_new_name, 4),
    (after_the_new_name, 1),
    (after_the_new_name, 4),
    (while_deleting_an_old_one, 1),
    (while_writing_a_record, 2),
    (while_writing_a_record, 8),
]


@pytest.mark.parametrize(("moment", "number"), MOMENTS, ids=lambda x: getattr(x, "__name__", x))
def test_killed_and_started_again_is_the_run_that_was_not_killed(moment, number, tmp_path, whole):
    assert forked.run(lambda: make_run(tmp_path, acting=moment(number)).train()) == -signal.SIGKILL
    make_run(tmp_path).train()
    assert_same_run(tmp_path, whole)
    assert not (tmp_path / ".unfinished").exists()


@pytest.mark.slow
def test_killed_again_and_again(tmp_path, whole):
    for moment in (while_scoring, while_writing_the_state, after_the_new_name, while_writing_a_record) * 2:
        assert forked.run(lambda moment=moment: make_run(tmp_path, acting=moment(2)).train()) in {0, -signal.SIGKILL}
    make_run(tmp_path).train()
    assert_same_run(tmp_path, whole)


def test_killed_while_a_checkpoint_is_saved_a_second_time(tmp_path):
    """Whoever writes a loop of their own may save twice at one step; the first must not be half gone."""

    def save_twice():
        run = make_run(tmp_path, max_steps=2)
        run.train()
        while_deleting_an_old_one(1)
        run.save()

    assert forked.run(save_twice) == -signal.SIGKILL
    found = newest_checkpoint(tmp_path)
    assert found is None or {"model.safetensors", "trainer_state.pt"} <= {path.name for path in found.iterdir()}
    run = make_run(tmp_path, max_steps=2)
    run.train()
    expected = make_run(None, max_steps=2, output_dir=None)
    expected.train()
    assert all(identical(weights(run.model), weights(expected.model)))


def test_what_is_no_finished_checkpoint_is_not_read(tmp_path, whole):
    for name in (".unfinished", ".deleted", "checkpoint-", "checkpoint-9.tmp", "checkpoint-last", "runs"):
        shutil.copytree(whole / "checkpoint-7", tmp_path / name)
        (tmp_path / name / "model.safetensors").write_bytes(b"half")
    assert newest_checkpoint(tmp_path) is None
    assert newest_checkpoint(tmp_path / "nowhere") is None
    shutil.copytree(whole / "checkpoint-6", tmp_path / "checkpoint-6")
    shutil.copytree(whole / "checkpoint-7", tmp_path / "checkpoint-10")  # ten is more than six
    assert newest_checkpoint(tmp_path) == tmp_path / "checkpoint-10"


def test_a_checkpoint_is_on_the_disk_before_it_has_its_name_and_the_name_after(tmp_path, monkeypatch):
    """Without it, a loss of power can leave a folder with its final name and empty files in it."""
    events, descriptors, fsync, replace = [], [], os.fsync, os.replace

    def note_fsync(descriptor):
        descriptors.append(descriptor)
        events.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    def note_replace(draft, final):
        events.append(Path(final).name)
        replace(draft, final)

    run = make_run(tmp_path)
    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    run.save()
    final = tmp_path / "checkpoint-0"
    renamed = events.index("checkpoint-0")
    assert {path.stat().st_ino for path in [*final.iterdir(), final]} <= set(events[:renamed])
    assert tmp_path.stat().st_ino in events[renamed + 1 :]
    for descriptor in descriptors:  # each is closed again
        with pytest.raises(OSError, match="descriptor"):
            os.fstat(descriptor)


def test_a_checkpoint_runs_no_code(tmp_path):
    class Harm:
        def __reduce__(self):
            return Path.touch, (tmp_path / "harmed",)

    (tmp_path / "checkpoint-1").mkdir()
    torch.save({"settings": Harm()}, tmp_path / "checkpoint-1" / checkpoint.STATE)
    checkpoint.seal(tmp_path / "checkpoint-1")
    with pytest.raises(pickle.UnpicklingError):
        make_run(tmp_path).train()
    assert not (tmp_path / "harmed").exists()


def test_a_line_that_was_cut_off_is_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert read_lines(path) == []
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3')
    assert read_lines(path) == [{"step": 1}, {"step": 2}]
    assert written.cut_lines(path, 1) == [{"step": 1}]
    assert path.read_text() == '{"step": 1}\n'


def test_a_finished_run_started_again_does_nothing(tmp_path, whole):
    shutil.copytree(whole, tmp_path / "again")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "again").glob("checkpoint-*/*")}

    @wraps(odd)
    def asked(completions, **columns):
        pytest.fail("nothing is sampled")

    run = make_run(tmp_path / "again", acting=asked)
    history = run.train()
    assert [{k: v for k, v in record.items() if k != "tokens_per_second"} for record in history] == records(whole)
    assert run.train() is history
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "again").glob("checkpoint-*/*")} == before
    assert run.step == 7
    saved = make_tiny_model("gpt2", len(TOKENIZER), seed=1)
    from safetensors.torch import load_model

    load_model(saved, whole / "checkpoint-7" / "model.safetensors")
    assert all(identical(weights(run.model), weights(saved)))


def test_a_checkpoint_is_a_model_of_transformers(whole):
    from grpo_lite.tasks import load_base_model

    model, tokenizer = load_base_model(whole / "checkpoint-7")
    assert tokenizer("1=")["input_ids"] == TOKENIZER("1=")["input_ids"]
    assert model.dtype == torch.float64


def test_other_settings_are_refused_by_name(tmp_path, whole):
    run = make_run(whole, learning_rate=0.5, beta=0.2, save_steps=9)
    start = weights(run.model)
    with pytest.raises(ValueError, match="checkpoint-7 belongs to a run with other settings") as error:
        run.train()
    assert "(learning_rate: 0.003 there, 0.5 here, beta: 0.1 there, 0.2 here)" in str(error.value)
    assert "choose another output_dir" in str(error.value)
    assert all(identical(weights(run.model), start))

    args = GRPOConfig(**RUN | {"output_dir": str(whole)})
    other = GRPOTrainer(make_tiny_model("gpt2", len(TOKENIZER)), odd, args, ROWS[1:], TOKENIZER, eval_dataset=ROWS[:2])
    message = r"\(rows of train_dataset: 6 there, 5 here, first prompt: 1= there, 2\+3= here, all rows: "
    with pytest.raises(ValueError, match=message):
        other.train()
    assert len(records(whole)) == 10  # and nothing was written


def test_one_setting_is_enough_and_one_that_is_not_there_is_another(tmp_path, whole):
    """A checkpoint of a version that did not know a setting says nothing about it."""
    with pytest.raises(ValueError, match=r"\(beta: 0.1 there, 0.2 here\)"):
        make_run(whole, beta=0.2).train()
    shutil.copytree(whole / "checkpoint-7", tmp_path / "checkpoint-7")
    state = torch.load(whole / "checkpoint-7" / checkpoint.STATE)
    del state["settings"]["beta"]
    torch.save(state, tmp_path / "checkpoint-7" / checkpoint.STATE)
    checkpoint.seal(tmp_path / "checkpoint-7")
    with pytest.raises(ValueError, match=r"\(beta: None there, 0.1 here\)"):
        make_run(tmp_path).train()


# Another run in the same folder.


def even(completions, **columns):
    """The opposite of `odd`, under its name."""
    return [-float(len(text) % 5) for text in completions]


def scaled(scale):
    def odd(completions, **columns):
        return [scale * (len(text) % 5) for text in completions]

    return odd


def given(completions, scale, **columns):
    return [scale * (len(text) % 5) for text in completions]


even.__name__ = "odd"
SHORT = {"max_steps": 2, "num_iterations": 1, "max_sampling_rounds": 1, "eval_steps": None, "log_completions": False}


def test_another_reward_function_of_the_same_name_is_noticed(tmp_path):
    make_run(tmp_path, **SHORT).train()
    with pytest.raises(ValueError, match=r"other settings \(code of odd: \w{12} there, \w{12} here\)"):
        make_run(tmp_path, even, **SHORT).train()
    with pytest.raises(ValueError, match=r"code of given: None there, \w{12} here, code of odd: \w{12} there, None"):
        make_run(tmp_path, partial(given, scale=1.0), **SHORT).train()


def by_default(scale):
    return lambda completions, scale=scale, **columns: [scale * (len(text) % 5) for text in completions]


def test_a_function_around_another_is_noticed(tmp_path):
    def turned(func):
        @wraps(func)
        def opposite(*args, **columns):
            return [-score for score in func(*args, **columns)]

        return opposite

    make_run(tmp_path, **SHORT).train()
    with pytest.raises(ValueError, match=r"other settings \(code of odd: \w{12} there, \w{12} here\)"):
        make_run(tmp_path, turned(odd), **SHORT).train()
    make_run(tmp_path / "turned", turned(odd), **SHORT).train()
    with pytest.raises(ValueError, match=r"other settings \(code of odd: \w{12} there, \w{12} here\)"):
        make_run(tmp_path / "turned", turned(even), **SHORT).train()


def by_keyword(scale):
    return lambda completions, *, scale=scale, **columns: [scale * (len(text) % 5) for text in completions]


@pytest.mark.parametrize(
    "make",
    [scaled, by_default, by_keyword, lambda scale: partial(given, scale=scale)],
    ids=["closure", "default", "keyword", "partial"],
)
def test_the_same_function_with_another_setting_is_another(make, tmp_path):
    make_run(tmp_path, make(1.0), **SHORT).train()
    make_run(tmp_path, make(1.0), **SHORT).train()
    with pytest.raises(ValueError, match="code of "):
        make_run(tmp_path, make(2.0), **SHORT).train()


def told(func):
    return checkpoint._hash(*checkpoint._code(func))


def around(score):
    """One object more in each call, at another place in memory."""

    @wraps(odd)
    def reward(completions, **columns):
        return [score(text) for text in completions]

    reward.__wrapped__ = score
    return reward


def test_what_is_within_a_function_counts_by_its_code_and_not_by_its_place_in_memory():
    def longer():
        return lambda text: float(len(text))

    def shorter():
        return lambda text: -float(len(text))

    first, again, other = longer(), longer(), shorter()
    other.__qualname__ = first.__qualname__
    assert told(around(first)) == told(around(again)) != told(around(other))
    assert told(partial(first)) == told(partial(again)) != told(partial(other))
    assert checkpoint._hash({"pays": 7}) != checkpoint._hash({"pays": "7"})


def test_functions_without_source_are_told_apart_by_name_alone():
    names = {}
    for name in ("a", "b"):
        exec(f"def {name}(completions, **columns): return [0.0] * len(completions)", names)
    assert checkpoint._code(names["a"]) == [None, None] == checkpoint._code(names["b"]) == checkpoint._code(len)


def test_another_call_of_an_object_from_a_file_that_is_no_module_is_noticed(tmp_path):
    """As `--task my_task.py` runs a file."""
    codes = []
    for sign in ("", "-"):
        path = tmp_path / f"task{sign}.py"
        call = f"def __call__(self, completions, **columns):\n        return [{sign}1.0 for _ in completions]"
        path.write_text(f"class Right:\n    {call}\n")
        codes.append(checkpoint._code(runpy.run_path(str(path), run_name="task")["Right"]()))
    assert [f"[{sign}1.0 for" in code[-1] for sign, code in zip(("", "-"), codes, strict=True)] == [True, True]


class Careful:
    def score(self, text):
        return len(text) % 5

    def __call__(self, completions, **columns):
        return [self.score(text) for text in completions]


def test_what_the_call_of_an_object_calls_in_its_class_is_part_of_it():
    assert any("return len(text) % 5" in str(part) for part in checkpoint._code(Careful()))


@pytest.mark.parametrize("place", range(1, 6))
def test_another_row_anywhere_is_noticed(place, tmp_path):
    def run(rows):
        args = GRPOConfig(**RUN | SHORT | {"output_dir": str(tmp_path)})
        GRPOTrainer(make_tiny_model("gpt2", len(TOKENIZER)), odd, args, rows, TOKENIZER).train()

    run(ROWS)
    run([dict(reversed(row.items())) for row in ROWS])  # the order of the columns does not matter
    others = [row | {"pays": 7} if i == place else row for i, row in enumerate(ROWS)]
    with pytest.raises(ValueError, match=r"\(all rows: \w{12} there, \w{12} here\)"):
        run(others)


def test_another_environment_and_another_number_of_processes_are_noticed(tmp_path, monkeypatch):
    def run(environment=None):
        args = GRPOConfig(**RUN | SHORT | {"output_dir": str(tmp_path)})
        model = make_tiny_model("gpt2", len(TOKENIZER))
        return GRPOTrainer(model, odd, args, ROWS, TOKENIZER, environment=environment)

    run(lambda turn: None).train()
    with pytest.raises(ValueError, match=r"other settings \(code of environment: \w{12} there, None here\)"):
        run().train()
    with pytest.raises(ValueError, match=r"other settings \(code of environment: \w{12} there, \w{12} here\)"):
        run(lambda turn: "7" if turn == "1" else None).train()
    alone = run(lambda turn: None)
    monkeypatch.setattr(checkpoint.distributed, "world_size", lambda: 2)
    assert checkpoint.identity(alone) == alone.identity | {"processes": 2}


def test_what_a_run_wrote_before_its_first_checkpoint_is_written_again(tmp_path):
    folder = tmp_path / "not" / "there"
    run = make_run(folder, **SHORT | {"eval_steps": 1})
    run.evaluate()
    assert [record["step"] for record in records(folder)] == [0]
    make_run(folder, **SHORT | {"eval_steps": 1}).train()
    assert [record["step"] for record in records(folder)] == [0, 1, 1, 2, 2]


def test_another_start_is_noticed(tmp_path):
    make_run(tmp_path, **SHORT).train()
    args = GRPOConfig(**RUN | SHORT | {"output_dir": str(tmp_path)})
    other = make_tiny_model("gpt2", len(TOKENIZER))
    with torch.no_grad():
        other.transformer.wte.weight[3, 3] += 1e-9
    with pytest.raises(ValueError, match=r"\(model: \w{12} there, \w{12} here\)"):
        GRPOTrainer(other, odd, args, ROWS, TOKENIZER).train()


def test_the_model_that_a_run_has_left_goes_on_unless_it_would_become_the_reference(tmp_path):
    """As when a cell of a notebook is run again."""

    def again(model, folder, **settings):
        args = GRPOConfig(**RUN | SHORT | {"output_dir": str(folder), "lr_scheduler_type": "constant"} | settings)
        run = GRPOTrainer(model, odd, args, ROWS, TOKENIZER)
        run.train()
        return run

    model, whole = (make_tiny_model("gpt2", len(TOKENIZER)) for _ in range(2))
    again(whole, tmp_path / "whole", beta=0.0, max_steps=5)
    for steps in (2, 2, 5):
        assert again(model, tmp_path / "a", beta=0.0, max_steps=steps).step == steps
    assert all(identical(weights(model), weights(whole)))
    again(make_tiny_model("gpt2", len(TOKENIZER)), tmp_path / "a", beta=0.0, max_steps=5)  # nor is the start forgotten
    again(model := make_tiny_model("gpt2", len(TOKENIZER)), tmp_path / "b", beta=0.1)
    with pytest.raises(ValueError, match=r"\(model: "):
        again(model, tmp_path / "b", beta=0.1)


def test_things_that_json_does_not_know_are_the_same_in_every_process():
    class Thing:
        pass

    hashes = [checkpoint._hash({"x": Thing(), "array": np.array([1.0, 2.0])}) for _ in range(2)]
    assert hashes[0] == hashes[1] != checkpoint._hash({"x": Thing(), "array": np.array([1.0, 3.0])})
    # The order of a set of texts is another one in each process; a key need not be a text.
    assert checkpoint._hash(dict.fromkeys("ab").keys()) == checkpoint._hash(dict.fromkeys("ba").keys())
    assert checkpoint._hash({"a", "b"}) != checkpoint._hash({"a", "c"})
    assert checkpoint._hash({("a", "b"): 1.0, 2: 0}) == checkpoint._hash({2: 0, ("a", "b"): 1.0})
    assert checkpoint._hash({("a", "b"): 1.0}) != checkpoint._hash({("a", "b"): 2.0})


def test_a_finished_run_with_a_constant_schedule_goes_on_to_more_steps(tmp_path):
    settings = SHORT | {"lr_scheduler_type": "constant"}
    whole, first = make_run(tmp_path / "whole", **settings | {"max_steps": 5}), make_run(tmp_path / "a", **settings)
    whole.train()
    first.train()
    longer = make_run(tmp_path / "a", **settings | {"max_steps": 5})
    assert [record["step"] for record in longer.train()] == [1, 2, 3, 4, 5]
    assert all(identical(weights(longer.model), weights(whole.model)))
    assert records(tmp_path / "a") == records(tmp_path / "whole")
    shorter = make_run(tmp_path / "a", **settings)
    shorter.train()
    assert shorter.step == 5


def test_a_schedule_that_has_ended_cannot_be_made_longer(tmp_path):
    make_run(tmp_path, **SHORT).train()
    with pytest.raises(ValueError, match=r"\(max_steps: 2 there, 5 here\)"):
        make_run(tmp_path, **SHORT | {"max_steps": 5}).train()


def test_two_runs_do_not_share_a_folder(tmp_path):
    @wraps(odd)
    def meddled(completions, **columns):
        with pytest.raises(ValueError, match=f"another run is at work in {tmp_path}: wait for its end, or choose"):
            make_run(tmp_path, **SHORT).train()
        assert forked.run(lambda: make_run(tmp_path, **SHORT).train()) == 1
        return odd(completions)

    run = make_run(tmp_path, acting=meddled, **SHORT)
    run.train()
    assert [record["step"] for record in records(tmp_path)] == [1, 2]
    again = make_run(tmp_path, **SHORT)  # free again
    assert [record["step"] for record in again.train()] == [1, 2]


@pytest.mark.parametrize("error", [OSError(9, "Bad file descriptor"), NotImplementedError("no flock")])
def test_a_file_system_without_locks_is_no_obstacle(tmp_path, monkeypatch, error):
    def unknown(*args, **settings):
        raise error

    monkeypatch.setattr("filelock.FileLock.acquire", unknown)
    assert make_run(tmp_path, **SHORT).train()[-1]["step"] == 2


# Files that are no longer what they were.


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    folder = tmp_path_factory.mktemp("short")
    make_run(folder, **SHORT).train()
    return folder


def damaged(path, how):
    if how == "a bit":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        path.unlink()


@pytest.mark.parametrize("how", ["a bit", "cut", "gone"])
def test_a_damaged_file_of_a_checkpoint_is_named(how, tmp_path, short):
    names = sorted(path.name for path in (short / "checkpoint-2").iterdir())
    assert {"model.safetensors", "trainer_state.pt", "hashes.json", "config.json", "tokenizer.json"} <= set(names)
    for name in names:
        folder = tmp_path / name
        shutil.copytree(short, folder)
        damaged(folder / "checkpoint-2" / name, how)
        run = make_run(folder, **SHORT)
        start = weights(run.model)
        with pytest.raises(ValueError, match=r"checkpoint-2 is damaged \(.*delete it, and the run goes on") as error:
            run.train()
        if how == "gone" or name != "hashes.json":  # which says itself that it is no JSON any more
            assert re.search(rf"\(.*{re.escape(name)}.* is not as it was written\)", str(error.value))
        assert str(error.value).endswith("and the run goes on from the checkpoint before")
        assert all(identical(weights(run.model), start))


def test_what_is_no_checkpoint_has_no_hashes_to_check(tmp_path):
    checkpoint.check_whole(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    (tmp_path / "hashes.json").write_text('{"a": "0", "b": "0"}')
    with pytest.raises(ValueError, match=r"is damaged \(a, b is not"):
        checkpoint.check_whole(tmp_path)


def test_a_full_disk_is_said_in_one_line_and_harms_no_checkpoint(tmp_path, short):
    """A limit on the size of files does what a full disk does, at the first file that is too large."""
    import resource

    def fails(limit):
        def work():
            run = make_run(tmp_path / str(limit), **SHORT, save_steps=1)
            save = run.save

            def limited():
                if run.step == 2:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
                save()

            run.save = limited
            with pytest.raises(OSError, match=r"checkpoint-2 could not be written, checkpoints before it are whole: "):
                run.train()

        return work

    sizes = {name: (short / "checkpoint-2" / name).stat().st_size for name in ("model.safetensors", "trainer_state.pt")}
    assert sizes["model.safetensors"] < 70_000 < sizes["trainer_state.pt"]
    for limit in (20_000, 70_000):  # the weights fail, or the state after them
        assert forked.run(fails(limit)) == 0
        assert newest_checkpoint(tmp_path / str(limit)).name == "checkpoint-1"
        run = make_run(tmp_path / str(limit), **SHORT, save_steps=1)
        run.train()
        assert (tmp_path / str(limit) / "checkpoint-2" / "model.safetensors").read_bytes() == (
            short / "checkpoint-2" / "model.safetensors"
        ).read_bytes()


def test_a_link_in_place_of_a_draft_leads_nowhere(tmp_path):
    for name in (".unfinished", ".deleted"):
        (tmp_path / f"precious{name}").mkdir()
        (tmp_path / f"precious{name}" / "config.json").write_text("mine")
    (tmp_path / "run").mkdir()
    for name in (".unfinished", ".deleted"):
        (tmp_path / "run" / name).symlink_to(tmp_path / f"precious{name}")
    make_run(tmp_path / "run", **SHORT, save_steps=1).train()
    for name in (".unfinished", ".deleted"):
        assert [path.name for path in (tmp_path / f"precious{name}").iterdir()] == ["config.json"]
        assert (tmp_path / f"precious{name}" / "config.json").read_text() == "mine"
    assert newest_checkpoint(tmp_path / "run").name == "checkpoint-2"


# Adapters.


def with_adapters(seed=0):
    from peft import LoraConfig, get_peft_model

    base = make_tiny_model("llama", len(TOKENIZER))
    torch.manual_seed(seed)
    return get_peft_model(base, LoraConfig(r=2, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))


def adapter_run(folder, seed=0, **settings):
    args = GRPOConfig(**RUN | SHORT | {"output_dir": folder and str(folder), "max_steps": 4} | settings)
    return GRPOTrainer(with_adapters(seed), odd, args, ROWS, TOKENIZER)


@OLD_NAMES  # peft asks by them
def test_a_model_with_adapters_trains_and_goes_on(tmp_path):
    whole, base = adapter_run(None), weights(make_tiny_model("llama", len(TOKENIZER)))
    whole.train()
    moved = [torch.equal(p, q) for p, q in zip(weights(whole.model), weights(with_adapters()), strict=True)]
    assert [not p.requires_grad for p in whole.model.parameters()] == moved
    assert forked.run(lambda: adapter_run(tmp_path, save_steps=2, max_steps=4).train()) == 0
    shutil.rmtree(tmp_path / "checkpoint-4")
    again = adapter_run(tmp_path, seed=1, save_steps=2)  # other adapters, that the saved ones take the place of
    again.train()
    assert all(identical(weights(again.model), weights(whole.model)))
    size = (tmp_path / "checkpoint-4" / "adapter_model.safetensors").stat().st_size
    assert size < 0.2 * sum(p.numel() * p.element_size() for p in base)


@OLD_NAMES
def test_adapters_on_another_base_are_noticed(tmp_path):
    adapter_run(tmp_path).train()
    other = adapter_run(tmp_path)
    assert other.identity["model"] == adapter_run(tmp_path, seed=1).identity["model"]
    model = with_adapters()
    with torch.no_grad():
        next(p for p in model.parameters() if not p.requires_grad)[0] += 1
    with pytest.raises(ValueError, match=r"\(model: "):
        GRPOTrainer(model, odd, other.args, ROWS, TOKENIZER).train()


def test_without_a_checkpoint_there_is_nothing_to_go_on_from(tmp_path):
    assert checkpoint.resume_hint(str(tmp_path)) == "there is no checkpoint yet"


def test_settings_that_do_not_decide_may_change(tmp_path, whole):
    assert forked.run(lambda: make_run(tmp_path, acting=while_scoring(7)).train()) == -signal.SIGKILL
    make_run(tmp_path, save_steps=100, disable_tqdm=True, use_cpu=True, per_device_eval_batch_size=1).train()
    model = "checkpoint-7/model.safetensors"
    assert (tmp_path / model).read_bytes() == (whole / model).read_bytes()


@pytest.mark.usefixtures("as_user")
def test_settings_may_be_numbers_of_numpy_and_tuples(tmp_path):
    """As they come out of a sweep over `np.logspace`."""
    settings = {"learning_rate": np.float64(1e-3), "epsilon": np.float64(0.1), "reward_weights": (np.float64(1.0),)}
    settings["max_sampling_rounds"] = np.int64(2)  # as in RUN; JSON does not know it
    first = make_run(tmp_path, **settings)
    first.train()
    again = make_run(tmp_path, learning_rate=1e-3, epsilon=0.1, reward_weights=[1.0])
    again.train()
    assert all(identical(weights(first.model), weights(again.model)))


class Interrupt:
    """A reward function in whose third call (two belong to the first evaluation) somebody presses Ctrl-C."""

    __name__ = "odd"

    def __init__(self, times):
        self.times, self.calls = times, 0

    def __call__(self, completions, **columns):
        self.calls += 1
        for _ in range(self.times if self.calls == 3 else 0):
            os.kill(os.getpid(), signal.SIGINT)
        return odd(completions)


def test_ctrl_c_finishes_the_batch_saves_and_says_how_to_go_on(tmp_path, whole):
    before = signal.getsignal(signal.SIGINT)
    run = make_run(tmp_path, acting=Interrupt(1), save_steps=100)
    with pytest.raises(KeyboardInterrupt, match=r"stopped after step 2: the same command goes on from .*checkpoint-2"):
        run.train()
    assert signal.getsignal(signal.SIGINT) is before
    assert run.history[-1]["step"] == 2
    make_run(tmp_path).train()
    assert_same_run(tmp_path, whole)


def test_ctrl_c_twice_stops_at_once(tmp_path, whole):
    run = make_run(tmp_path, acting=Interrupt(2))
    with pytest.raises(KeyboardInterrupt):
        run.train()
    assert run.step == 0
    assert newest_checkpoint(tmp_path) is None
    make_run(tmp_path).train()
    assert_same_run(tmp_path, whole)


def test_ctrl_c_without_a_folder_says_where_the_weights_are():
    run = make_run(None, acting=Interrupt(1), output_dir=None)
    with pytest.raises(KeyboardInterrupt, match="without output_dir there is no checkpoint; the model in memory"):
        run.train()
    assert run.step == 2
