"""The command line as a user types it."""

import contextlib
import inspect
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from grpo_lite import GRPOConfig, cli
from grpo_lite.cli import main
from grpo_lite.tasks import BASE_MODEL, accuracy, make_problems, think_rate
from grpo_lite.training import checkpoint
from grpo_lite.training.checkpoint import newest_checkpoint, seal
from grpo_lite.training.records import read_lines
from helpers import forked

OPTIONS = ["--max-steps", "6", "--per-device-train-batch-size", "32", "--num-generations", "8", "--eval-steps", "3",
           "--save-steps", "2", "--loss-type", "dr_grpo", "--scale-rewards", "none", "--seed", "3"]  # fmt: skip
ONE = [sys.executable, "-m", "grpo_lite"]
SCRIPT = [str(Path(sys.executable).with_name("grpo-lite"))]
MEASURED = {"greedy_accuracy", "sampled_accuracy", "greedy_think_rate", "sampled_think_rate", "mean_length"}


# As in this process: the number of threads decides in which order sums are taken, and so about the last bits.
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


@pytest.fixture(autouse=True)
def reward_functions_as_they_are_installed(monkeypatch):
    """A function around another is part of what a run is, and the tests put checks of shapes around all."""
    for func in (accuracy, think_rate):
        monkeypatch.setattr(cli, func.__name__, inspect.unwrap(func))


def typed(command):
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)


def line_of(argv, capsys):
    """The one line with which a command refuses, and its exit code."""
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    if isinstance(stopped.value.code, str):
        return stopped.value.code, 1  # Python prints it and exits with 1
    return capsys.readouterr().err.strip(), stopped.value.code


def without_speed(folder):
    return [
        {k: x for k, x in line.items() if k != "tokens_per_second"} for line in read_lines(folder / "metrics.jsonl")
    ]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder that `grpo-lite train` left, and what it printed."""
    folder = tmp_path_factory.mktemp("cli") / "run"
    run = typed([*SCRIPT, "train", "--output-dir", str(folder), *OPTIONS])
    assert run.returncode == 0, run.stderr
    return folder, run.stdout


@pytest.mark.slow
def test_train_leaves_records_checkpoint_and_curves(trained):
    folder, printed = trained
    assert {path.name for path in folder.iterdir()} == {
        ".lock", "metrics.jsonl", "curves.png", "task.txt", "checkpoint-4", "checkpoint-6",
    }  # fmt: skip
    lines = read_lines(folder / "metrics.jsonl")
    assert [(line["step"], "eval" in line) for line in lines] == [
        (0, True), (1, False), (2, False), (3, False), (3, True), (4, False), (5, False), (6, False), (6, True),
        (6, True),
    ]  # fmt: skip
    assert set(lines[-1]) == {"step", "eval", "final"} | MEASURED
    assert lines[-1]["final"] is True
    assert all(0 <= lines[-1][name] <= 1 for name in MEASURED - {"mean_length"})
    assert 4 <= lines[-1]["mean_length"] <= 16
    first, final, wrote = printed.splitlines()
    assert first == "training on chain-sum"
    assert json.loads(final) == lines[-1]
    assert wrote == f"wrote metrics.jsonl, curves.png and {folder / 'checkpoint-6'}"
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_every_option_of_train_arrives(trained):
    settings = torch.load(trained[0] / "checkpoint-6" / "trainer_state.pt", weights_only=True)["settings"]
    expected = {"max_steps": 6, "per_device_train_batch_size": 32, "num_generations": 8, "loss_type": "dr_grpo",
                "scale_rewards": "none", "seed": 3, "learning_rate": 7e-4, "reward_weights": [1.0, 0.0]}  # fmt: skip
    assert {name: settings[name] for name in expected} == expected


def test_options_are_settings_of_the_same_name(monkeypatch, tmp_path):
    """All of them at once; the trainer is not built."""
    import grpo_lite.training.trainer

    values = {"max_steps": 7, "learning_rate": 0.25, "num_generations": 4, "per_device_train_batch_size": 12,
              "gradient_accumulation_steps": 2, "num_iterations": 3, "beta": 0.5, "epsilon": 0.1, "temperature": 0.75,
              "epsilon_high": 0.3, "delta": 1.5, "eval_steps": 8, "save_steps": 9, "loss_type": "grpo", "seed": 6,
              "importance_sampling_level": "sequence", "scale_rewards": "batch", "max_completion_length": 9,
              "lr_scheduler_type": "cosine", "save_total_limit": 5}  # fmt: skip
    caught = []

    def stop(model, reward_funcs, args, rows, tokenizer, eval_dataset, callback):
        caught.append((args, rows, eval_dataset))
        raise ValueError("enough seen")

    monkeypatch.setattr(grpo_lite.training.trainer, "GRPOTrainer", stop)
    argv = [x for name, value in values.items() for x in ("--" + name.replace("_", "-"), str(value))]
    with pytest.raises(SystemExit, match="enough seen"):
        main(
            [
                "train",
                "--task",
                "sort-digits",
                "--output-dir",
                str(tmp_path),
                "--use-cpu",
                "--no-log-completions",
                *argv,
            ]
        )
    ((args, rows, held_out),) = caught
    assert {name: getattr(args, name) for name in values} == values
    assert (args.use_cpu, args.log_completions) == (True, False)
    assert args.output_dir == str(tmp_path)
    assert {row["prompt"][-1] for row in [*rows, *held_out]} == {">"}
    assert not {row["prompt"] for row in rows} & {row["prompt"] for row in held_out}


@pytest.mark.parametrize("command", ["train --output-dir x", "eval", "sample x"])
def test_one_thread_unless_more_are_asked_for(command, capsys, monkeypatch):
    taken = []
    monkeypatch.setattr(torch, "set_num_threads", taken.append)
    for more in ("", " --threads 3"):
        line_of(f"{command} --task nowhere{more}".split(), capsys)  # which ends before anything is loaded
    assert taken == [1, 3]
    with pytest.raises(SystemExit):
        main([command.split()[0], "--help"])
    assert re.search(
        r"--threads N of the processor; [\w ]+ slower; default: 1\b", " ".join(capsys.readouterr().out.split())
    )


@pytest.mark.slow
def test_the_same_command_again_does_nothing(trained, capsys):
    folder, printed = trained
    before = {path: path.stat().st_mtime_ns for path in folder.glob("checkpoint-*/*")}
    lines = read_lines(folder / "metrics.jsonl")
    main(["train", "--output-dir", str(folder), *OPTIONS])
    again = capsys.readouterr().out.splitlines()
    assert again == [f"going on from {folder / 'checkpoint-6'}", *printed.splitlines()[1:]]
    assert read_lines(folder / "metrics.jsonl") == lines
    assert {path: path.stat().st_mtime_ns for path in folder.glob("checkpoint-*/*")} == before


@pytest.mark.slow
def test_eval_prints_the_last_line_for_any_checkpoint(trained, capsys):
    folder, _ = trained
    last = read_lines(folder / "metrics.jsonl")[-1]
    main(["eval", str(folder), "--seed", "3"])
    shown = json.loads(capsys.readouterr().out)
    assert shown == {"model": str(folder), "task": "chain-sum"} | {name: last[name] for name in MEASURED}
    main(["eval", str(folder / "checkpoint-6"), "--seed", "3"])
    assert json.loads(capsys.readouterr().out) == shown | {"model": str(folder / "checkpoint-6")}


@pytest.mark.slow
def test_sample_shows_before_and_after_side_by_side(trained):
    run = typed([*ONE, "sample", str(trained[0]), "--problems", "3", "--completions", "2", "--seed", "5"])
    assert run.returncode == 0, run.stderr
    blocks = run.stdout.strip().split("\n\n")
    assert len(blocks) == 3
    truths = {row["prompt"]: row["ground_truth"] for row in make_problems("chain-sum", "test", 1000)}
    for block in blocks:
        head, *rows = block.splitlines()
        prompt, truth = head.split("   ground_truth: ")
        assert truths[prompt] == truth
        assert len(rows) == 2
        for row in rows:
            before, after = re.fullmatch(r"  (\S* [01]) +(\S* [01])", row).groups()
            for text, reward in (before.split(" "), after.split(" ")):
                assert accuracy([text], [truth]) == [float(reward)]


@pytest.mark.slow
def test_ctrl_c_and_kill_then_the_same_command_ends_with_the_same_weights(trained, tmp_path):
    """Ctrl-C to a command of its own; the killed one is a copy of this process, which starts faster."""
    whole, _ = trained
    command = ["train", "--output-dir", str(tmp_path / "run"), *OPTIONS]

    def wait_for(step):
        until = time.monotonic() + 500  # a busy machine is not a failure
        while not [line for line in read_lines(tmp_path / "run" / "metrics.jsonl") if line["step"] >= step]:
            assert time.monotonic() < until
            time.sleep(0.005)

    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*ONE, *command], env=ENVIRONMENT, text=True, **pipes) as run:
        try:
            wait_for(1)
        finally:
            run.send_signal(signal.SIGINT)
        _, shown = run.communicate()
    assert run.returncode == 130, shown
    assert re.search(r"^stopped after step \d: the same command goes on from .*checkpoint-\d$", shown, re.M)
    assert "Traceback" not in shown
    stopped_at = int(newest_checkpoint(tmp_path / "run").name.removeprefix("checkpoint-"))
    assert 1 <= stopped_at <= 6

    pid = forked.start(lambda: main(command), seconds=600)
    wait_for(min(stopped_at + 1, 6))
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    assert forked.end(pid) in {0, -signal.SIGKILL}
    main(command)
    for name in ("model.safetensors", "tokenizer.json"):
        path = Path("checkpoint-6") / name
        assert (tmp_path / "run" / path).read_bytes() == (whole / path).read_bytes()
    assert without_speed(tmp_path / "run") == without_speed(whole)


@pytest.mark.slow
def test_another_task_or_setting_does_not_go_on_in_the_same_folder(trained, capsys):
    folder = str(trained[0])
    line, code = line_of(["train", "--output-dir", folder, *OPTIONS, "--task", "sort-digits"], capsys)
    assert code == 1
    differ = r"first prompt: \S+= there, \d{5}> here, all rows: \w{12} there, \w{12} here"
    assert re.fullmatch(rf"grpo-lite train: .*other settings \({differ}\): choose .*", line)
    line, code = line_of(["train", "--output-dir", folder, *OPTIONS, "--beta", "0.5"], capsys)
    assert code == 1
    assert "(beta: 0.0 there, 0.5 here)" in line


# argument list -> exit code and what the one line says
WRONG = [
    ([], 2, "grpo-lite: the following arguments are required: train | eval | sample | .*; see grpo-lite --help"),
    (["learn"], 2, "grpo-lite: .*invalid choice: 'learn' .*train.*eval.*sample.*sandbox.*; see grpo-lite --help"),
    (["train"], 2, "grpo-lite train: .*--output-dir; see grpo-lite train --help"),
    (
        ["train", "--output-dir", "x", "--task", "sums"],
        1,
        ".*--task must be chain-sum, sort-digits or a Python file.*'sums'",
    ),
    (
        ["eval", "--task", "none.py"],
        1,
        ".*or a Python file of your own, got 'none.py', and there is no /.*/none.py",
    ),
    (
        ["train", "--output-dir", "x", "--seed", "one"],
        2,
        ".*--seed: write a whole number of at least 0 .*, not 'one'.*",
    ),
    (["train", "--output-dir", "x", "--seed", "-1"], 2, ".*--seed.*"),
    (["train", "--output-dir", "x", "--max-steps", "many"], 2, ".*--max-steps: .*'many'.*"),
    (["train", "--output-dir", "x", "--learning-rate", "fast"], 2, ".*--learning-rate: .*'fast'.*"),
    (["train", "--output-dir", "x", "--loss-type", "ppo"], 1, ".*loss_type must be one of 'grpo', .*'dapo'.*got 'ppo'"),
    (["train", "--output-dir", "x", "--lr", "1"], 2, ".*unrecognized arguments: --lr 1.*"),
    (["train", "--output-dir", "x", "--max-steps", "0"], 1, ".*max_steps must be .* at least 1, got 0"),
    (["train", "--output-dir", "x", "--num-generations", "7"], 1, ".*multiple of num_generations=7.*got 128"),
    (["train", "--output-dir", "x", "--temperature", "0"], 1, ".*temperature must be a positive finite number.*"),
    (["train", "--output-dir", "x", "--model", "nowhere"], 1, r".*saved model \(config.json\), got 'nowhere'"),
    (["eval", "nowhere"], 1, r"grpo-lite eval: path must be a folder with a saved model .*'nowhere'"),
    (["sample"], 2, "grpo-lite sample: .*FOLDER; see grpo-lite sample --help"),
    (["sample", "nowhere"], 1, r"grpo-lite sample: path must be a folder with a saved model .*'nowhere'"),
    (
        ["sample", str(BASE_MODEL), "--problems", "0"],
        2,
        ".*--problems: write a whole number of at least 1 .*, not '0'.*",
    ),
    (
        ["sample", str(BASE_MODEL), "--problems", "1021"],
        1,
        "grpo-lite sample: --problems must be at most 1000, .* got 1021",
    ),
    (["sample", str(BASE_MODEL), "--problems", "9" * 20], 2, ".*--problems: .* below .*, not '9{20}'; see .*"),
    (["sample", str(BASE_MODEL), "--seed", "9" * 20], 2, ".*--seed: .* below .*, not '9{20}'; see .*"),
    (["eval", "--threads", "0"], 2, ".*--threads: write a whole number of at least 1 .*, not '0'.*"),
    (["train", "--output-dir", ""], 1, "grpo-lite train: output_dir must name a folder, got '': None writes nothing"),
    (["train", "--output-dir", "x", "--task", ""], 1, ".*--task must be .* or a Python file of your own, got ''"),
    (["eval", "--task", ""], 1, ".*--task must be .* or a Python file of your own, got ''"),
    (["train", "--output-dir", "x", "--loss-type", "cispo"], 1, ".*epsilon_high.*"),
    (
        ["train", "--output-dir", "x", "--loss-type", "gmpo", "--delta", "2"],
        1,
        ".*'gmpo' takes .*delta=2.0: leave it out",
    ),
    (
        ["sample", str(BASE_MODEL), "--completions", "1"],
        2,
        ".*--completions: write a whole number of at least 2 .*, not '1'.*",
    ),
]


@pytest.mark.parametrize(
    ("argv", "code", "message"), WRONG, ids=lambda x: " ".join(x[:5]) if isinstance(x, list) else ""
)
@pytest.mark.usefixtures("as_user")
def test_wrong_arguments_get_one_line(argv, code, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line, found = line_of(argv, capsys)
    assert (found, line.count("\n")) == (code, 0)
    assert re.fullmatch(message.replace(" | ", r" \| "), line), line
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_gets_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        line, code = line_of(["train", "--output-dir", str(folder), *OPTIONS], capsys)
        assert code == 1
        assert re.fullmatch(rf"grpo-lite train: .*{tmp_path}/file.*", line)
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.usefixtures("as_user")
def test_a_checkpoint_that_is_damaged_gets_one_line(tmp_path, capsys):
    folder = tmp_path / "run" / "checkpoint-1"
    shutil.copytree(BASE_MODEL, folder)
    seal(folder)
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    for argv in (["eval", str(folder)], ["eval", str(folder.parent)], ["sample", str(folder)]):
        line, code = line_of(argv, capsys)
        assert code == 1
        assert re.fullmatch(rf"grpo-lite {argv[0]}: {folder} is damaged \(model.safetensors is not as .*", line)


def test_a_model_without_some_of_its_weights_gets_one_line(tmp_path, capsys):
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "base"
    shutil.copytree(BASE_MODEL, folder)
    weights = load_file(folder / "model.safetensors")
    weights.pop("transformer.h.0.ln_1.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    line, code = line_of(["eval", str(folder)], capsys)
    assert code == 1
    assert line.endswith("base lacks weights: transformer.h.0.ln_1.weight; they would be random")


def test_code_that_stands_in_a_models_folder_is_not_run(tmp_path, capsys, monkeypatch):
    folder = tmp_path / "base"
    shutil.copytree(BASE_MODEL, folder)
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'harmed')!r}, 'w')")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr("builtins.input", lambda *args: "y")
    _, code = line_of(["eval", str(folder)], capsys)
    assert code == 1
    assert not (tmp_path / "harmed").exists()


def test_steps_that_are_far_too_large_get_one_line(tmp_path, capsys):
    options = [*OPTIONS, "--learning-rate", "1e38", "--output-dir", str(tmp_path / "run")]
    line, code = line_of(["train", *options], capsys)
    assert code == 1
    assert re.fullmatch("grpo-lite train: step 2: .*not finite.*lower learning_rate.*", line.splitlines()[-1])


@pytest.mark.slow
def test_both_ways_to_type_it_are_the_same():
    by_module, by_name = typed([*ONE, "--help"]), typed([*SCRIPT, "--help"])
    assert by_module.returncode == by_name.returncode == 0
    assert by_module.stdout == by_name.stdout
    wrong = typed([*ONE, "train"])
    assert (wrong.returncode, wrong.stdout, wrong.stderr.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("command", ["train", "eval", "sample", "sandbox"])
def test_help_reads_well(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    text = capsys.readouterr().out
    assert stopped.value.code == 0
    assert text.startswith(f"usage: grpo-lite {command}")
    assert "default: None" not in text
    if command == "train":
        told = " ".join(text.split())
        assert "--learning-rate X step size at its highest. 1e-6 is for models with billions of weights; " in told
        assert "small ones need more; default: 0.0007 --lr-scheduler-type X" in told
        settings = {f"--{field.name.replace('_', '-')}" for field in fields(GRPOConfig)}
        assert settings - set(re.findall(r"--[\w-]+", told)) == {"--reward-weights"}
        assert re.search(r"--output-dir FOLDER\s+the same folder again goes on where it was", text)


TASK = """
from grpo_lite.experiments.pretrain import character_tokenizer, pretrain, small_model

train_dataset = [{"prompt": a + b, "answer": b} for a in "abc" for b in "abc"]
eval_dataset = [{"prompt": "aab", "answer": "b"}, {"prompt": "bba", "answer": "a"}]
settings = {"max_steps": 2, "max_completion_length": 2, "eval_steps": 1, "num_generations": 4}


def reward_funcs(completions, answer, **columns):
    return [float(text == wanted) for text, wanted in zip(completions, answer, strict=True)]


def load_model():
    tokenizer = character_tokenizer("abc")
    model = small_model(tokenizer, width=8, layers=1)
    pretrain(model, tokenizer, [("ab", "b"), ("ba", "a")] * 10)
    return model, tokenizer
"""


@pytest.fixture
def own_task(tmp_path):
    (tmp_path / "copying.py").write_text(TASK)
    return tmp_path / "copying.py"


class TestOwnTask:
    def train(self, path, folder):
        torch.manual_seed(0)
        main(["train", "--task", str(path), "--output-dir", str(folder), "--save-steps", "2"])

    def test_is_trained_from_a_file(self, own_task, tmp_path, capsys):
        self.train(own_task, tmp_path / "run")
        first, final, _ = capsys.readouterr().out.splitlines()
        assert first == f"training on {own_task}"
        assert set(json.loads(final)) == {
            "step", "eval", "final", "greedy_reward_funcs", "sampled_reward_funcs", "mean_length",
        }  # fmt: skip
        assert [line["step"] for line in read_lines(tmp_path / "run" / "metrics.jsonl")] == [0, 1, 1, 2, 2, 2]
        assert (tmp_path / "run" / "curves.png").exists()

    def test_is_judged_by_itself_once_it_is_named(self, own_task, tmp_path, capsys):
        """Code that a folder names does not run unasked."""
        folder = tmp_path / "run"
        self.train(own_task, folder)
        final = json.loads(capsys.readouterr().out.splitlines()[1])
        for command in ("eval", "sample"):
            for place in (folder, folder / "checkpoint-2"):
                line, code = line_of([command, str(place)], capsys)
                assert code == 1
                assert line == (
                    f"grpo-lite {command}: {place} was trained on {own_task}: "
                    f"say --task {own_task} to run that file and judge by it"
                )
        main(["eval", str(folder), "--task", str(own_task)])
        shown = json.loads(capsys.readouterr().out)
        assert shown.pop("greedy_reward_funcs") == final["greedy_reward_funcs"]
        assert (shown["task"], shown["model"]) == (str(own_task), str(folder))
        main(["sample", str(folder), "--task", str(own_task), "--problems", "2", "--completions", "3"])
        blocks = capsys.readouterr().out.strip().split("\n\n")
        assert sorted(block.splitlines()[0] for block in blocks) == ["aab   answer: b", "bba   answer: a"]
        assert all(len(re.findall(r" [01](?= |$)", line)) == 2 for block in blocks for line in block.splitlines()[1:])

    @pytest.mark.parametrize("name", ["train_dataset", "eval_dataset", "reward_funcs", "load_model"])
    def test_what_a_file_lacks_is_named(self, own_task, tmp_path, capsys, name):
        own_task.write_text(TASK.replace(name, "other"))
        line, code = line_of(["train", "--task", str(own_task), "--output-dir", str(tmp_path / "run")], capsys)
        assert code == 1
        assert line == (
            "grpo-lite train: a task file must define train_dataset, eval_dataset, reward_funcs, load_model; "
            f"{own_task} has no {name}"
        )
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize(
        ("settings", "got"), [('{"max_steps": 2, "lerning_rate": 1}', "lerning_rate"), ("[3]", "[3]")]
    )
    def test_settings_that_are_none_are_named(self, own_task, tmp_path, capsys, settings, got):
        own_task.write_text(TASK + f"\nsettings = {settings}")
        line, code = line_of(["train", "--task", str(own_task), "--output-dir", str(tmp_path / "run")], capsys)
        assert code == 1
        wanted = f"settings in {own_task} must be a dict of settings that GRPOConfig has"
        assert line == f"grpo-lite train: {wanted}, got {got}"
        assert not (tmp_path / "run").exists()

    def test_a_model_without_its_tokenizer_is_refused(self, own_task, tmp_path, capsys):
        own_task.write_text(TASK + "\nload_both, load_model = load_model, lambda: load_both()[0]")
        line, code = line_of(["train", "--task", str(own_task), "--output-dir", str(tmp_path / "run")], capsys)
        assert code == 1
        assert line == "grpo-lite train: load_model must return a model and its tokenizer, got GPT2LMHeadModel"
        assert not (tmp_path / "run").exists()

    @pytest.mark.usefixtures("as_user")
    def test_its_rows_may_be_a_data_set_of_the_datasets_library(self, own_task, tmp_path, capsys):
        turned = "; ".join(f"{name} = Dataset.from_list({name})" for name in ("train_dataset", "eval_dataset"))
        own_task.write_text(f"{TASK}\nfrom datasets import Dataset\n{turned}")
        self.train(own_task, tmp_path / "run")
        assert [line["step"] for line in read_lines(tmp_path / "run" / "metrics.jsonl")] == [0, 1, 1, 2, 2, 2]

    def test_a_run_that_is_refused_leaves_the_folder_the_task_of_the_other(
        self, own_task, tmp_path, capsys, monkeypatch
    ):
        folder = tmp_path / "run"
        with checkpoint._lock(folder):
            (folder / "task.txt").write_text("chain-sum")
            line, _ = line_of(["train", "--task", str(own_task), "--output-dir", str(folder)], capsys)
            assert line.startswith("grpo-lite train: another run is at work in")
            assert (folder / "task.txt").read_text() == "chain-sum"
        written, write_text = [], Path.write_text

        def note(path, text, **settings):
            written.append(path.name)
            return write_text(path, text, **settings)

        monkeypatch.setattr(Path, "write_text", note)
        self.train(own_task, folder)
        assert (folder / "task.txt").read_text() == str(own_task)
        assert written.count("task.txt") == 1  # a file that is being written is empty for a moment

    def test_a_file_may_import_what_lies_beside_it(self, own_task, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr(sys, "path", list(sys.path))
        (tmp_path / "beside_the_task.py").write_text("FEW = {'max_steps': 1, 'num_generations': 4}")
        own_task.write_text(TASK + "\nfrom beside_the_task import FEW as settings")
        self.train(own_task, tmp_path / "run")
        assert [line["step"] for line in read_lines(tmp_path / "run" / "metrics.jsonl")] == [0, 1, 1]

    def test_a_file_may_define_a_dataclass_whose_types_are_text(self, own_task, tmp_path, capsys):
        head = "from __future__ import annotations\nfrom dataclasses import dataclass"
        own_task.write_text(f"{head}\n{TASK}\n\n@dataclass\nclass Row: n: int\n")
        line, _ = line_of(["train", "--task", str(own_task), "--output-dir", "x", "--max-steps", "0"], capsys)
        assert line.startswith("grpo-lite train: max_steps must be")

    def test_options_come_before_the_settings_of_the_file(self, own_task, tmp_path, capsys):
        main(["train", "--task", str(own_task), "--output-dir", str(tmp_path / "run"), "--max-steps", "1"])
        assert [line["step"] for line in read_lines(tmp_path / "run" / "metrics.jsonl")] == [0, 1, 1, 1]


@pytest.mark.slow
def test_a_run_is_judged_by_the_task_that_ships_and_that_it_was_trained_on(tmp_path, capsys):
    main(["train", "--task", "sort-digits", "--output-dir", str(tmp_path / "run"), *OPTIONS[:-2], "--max-steps", "1"])
    capsys.readouterr()
    main(["eval", str(tmp_path / "run")])
    assert json.loads(capsys.readouterr().out)["task"] == "sort-digits"
    main(["eval", str(tmp_path / "run"), "--task", "chain-sum"])
    assert json.loads(capsys.readouterr().out)["task"] == "chain-sum"
