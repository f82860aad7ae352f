"""A run that is stopped anywhere, even by `kill -9`, ends with the weights of one that was not."""

import json
import os
import pickle
import shutil
import signal
from functools import wraps
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


def make_run(folder, reward_func=odd, **settings):
    args = GRPOConfig(**RUN | {"output_dir": str(folder)} | settings)
    model = make_tiny_model("gpt2", len(TOKENIZER))
    return GRPOTrainer(model, reward_func, args, ROWS, TOKENIZER, eval_dataset=ROWS[:2])


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
        "checkpoint-6", "checkpoint-7", "completions.jsonl", "metrics.jsonl",
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
    assert forked.run(lambda: make_run(tmp_path, moment(number)).train()) == -signal.SIGKILL
    make_run(tmp_path).train()
    assert_same_run(tmp_path, whole)
    assert not (tmp_path / ".unfinished").exists()


@pytest.mark.slow
def test_killed_again_and_again(tmp_path, whole):
    for moment in (while_scoring, while_writing_the_state, after_the_new_name, while_writing_a_record) * 2:
        assert forked.run(lambda moment=moment: make_run(tmp_path, moment(2)).train()) in {0, -signal.SIGKILL}
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
    run = make_run(tmp_path / "again", lambda completions, **columns: pytest.fail("nothing is sampled"))
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
    message = r"\(rows of train_dataset: 6 there, 5 here, first prompt: 1= there, 2\+3= here\)"
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
    with pytest.raises(ValueError, match=r"\(beta: None there, 0.1 here\)"):
        make_run(tmp_path).train()


def test_without_a_checkpoint_there_is_nothing_to_go_on_from(tmp_path):
    assert checkpoint.resume_hint(str(tmp_path)) == "there is no checkpoint yet"


def test_settings_that_do_not_decide_may_change(tmp_path, whole):
    assert forked.run(lambda: make_run(tmp_path, while_scoring(7)).train()) == -signal.SIGKILL
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
    run = make_run(tmp_path, Interrupt(1), save_steps=100)
    with pytest.raises(KeyboardInterrupt, match=r"stopped after step 2: the same command goes on from .*checkpoint-2"):
        run.train()
    assert signal.getsignal(signal.SIGINT) is before
    assert run.history[-1]["step"] == 2
    make_run(tmp_path).train()
    assert_same_run(tmp_path, whole)


def test_ctrl_c_twice_stops_at_once(tmp_path, whole):
    run = make_run(tmp_path, Interrupt(2))
    with pytest.raises(KeyboardInterrupt):
        run.train()
    assert run.step == 0
    assert newest_checkpoint(tmp_path) is None
    make_run(tmp_path).train()
    assert_same_run(tmp_path, whole)


def test_ctrl_c_without_a_folder_says_where_the_weights_are():
    run = make_run(None, Interrupt(1), output_dir=None)
    with pytest.raises(KeyboardInterrupt, match="without output_dir there is no checkpoint; the model in memory"):
        run.train()
    assert run.step == 2
