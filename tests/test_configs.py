"""The files of docs/configs: TRL and accelerate must know every key, and the script must train."""

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import torch
import yaml

import grpo_lite
from helpers.answering import save_policy
from helpers.trl_trainer import OLD_NAMES

pytestmark = OLD_NAMES

CONFIGS = Path(__file__).parents[1] / "docs" / "configs"
PAGE = CONFIGS.parent / "beyond.md"
TRAINER_FILES = ["grpo.yaml", "grpo_vllm_colocate.yaml", "grpo_vllm_server.yaml"]
ACCELERATE_FILES = ["ddp.yaml", "fsdp2.yaml", "zero3.yaml"]


@pytest.fixture
def script(monkeypatch):
    """The module train_trl.py, which is no part of a package."""
    monkeypatch.syspath_prepend(CONFIGS)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a cache there would become part of the site
    import train_trl

    return train_trl


def parse(script, name, *options):
    from trl import GRPOConfig, TrlParser

    args = ["--config", str(CONFIGS / name), "--use_cpu", "true", *options]
    return TrlParser((script.Script, GRPOConfig)).parse_args_and_config(args)


def test_every_file_is_looked_at_and_offered_by_the_page():
    files = {path.name for path in CONFIGS.iterdir()}
    assert files == {*TRAINER_FILES, *ACCELERATE_FILES, "train_trl.py", "gsm8k.py", "problems.jsonl", "my_task.py"}
    pages = PAGE.read_text() + PAGE.with_name("training.md").read_text()
    assert all(f"](configs/{name})" in pages for name in files)


# The trainer's files


@pytest.mark.parametrize("name", TRAINER_FILES)
def test_trl_knows_every_key_of_a_trainer_file_and_takes_its_value(script, name):
    chosen, args = parse(script, name)
    for key, value in yaml.safe_load((CONFIGS / name).read_text()).items():
        owner = chosen if hasattr(chosen, key) else args
        assert getattr(owner, key) == value, key
    assert len(chosen.rewards) == len(args.reward_weights)
    assert all(callable(getattr(grpo_lite, reward)) for reward in chosen.rewards)


def test_a_key_that_trl_does_not_know_is_refused(script, tmp_path):
    (tmp_path / "typo.yaml").write_text((CONFIGS / "grpo.yaml").read_text() + "num_generation: 8\n")
    with pytest.raises(ValueError, match="num_generation"):
        parse(script, tmp_path / "typo.yaml")


@pytest.mark.parametrize("mode", ["colocate", "server"])
def test_the_files_with_vllm_are_the_plain_one_and_the_sampler(mode):
    plain, own = (yaml.safe_load((CONFIGS / file).read_text()) for file in ("grpo.yaml", f"grpo_vllm_{mode}.yaml"))
    assert plain.items() <= own.items()
    assert all("vllm" in key for key in set(own) - set(plain))
    assert (own["use_vllm"], own["vllm_mode"]) == (True, mode)


def test_what_the_sampler_files_call_defaults_are_trls():
    from trl import GRPOConfig

    defaults = {field.name: field.default for field in fields(GRPOConfig)}
    for name in TRAINER_FILES[1:]:
        settings = yaml.safe_load((CONFIGS / name).read_text())
        corrections = [key for key in settings if key.startswith("vllm_importance_sampling")]
        assert len(corrections) == 3
        assert all(settings[key] == defaults[key] for key in corrections)


def test_the_server_is_started_as_trl_wants_it():
    """TRL builds the command of its server out of the same parts; vLLM itself is not needed for that."""
    from trl.scripts.vllm_serve import ScriptArguments, build_command

    comment = re.search(r"vllm (serve .*?)\n# and", (CONFIGS / "grpo_vllm_server.yaml").read_text(), re.S)[1]
    ours = shlex.split(comment.replace("\\\n#", ""))
    model, length = ours[1], ours[ours.index("--max-model-len") + 1]
    theirs = build_command(ScriptArguments(model=model, max_model_len=int(length)))
    pairs = list(zip(theirs, theirs[1:], strict=False))
    assert all(pair in pairs for pair in zip(ours[2::2], ours[3::2], strict=True))
    imposed = theirs[theirs.index("--weight-transfer-config") :]
    assert imposed == ours[-len(imposed) :]
    settings = yaml.safe_load((CONFIGS / "grpo_vllm_server.yaml").read_text())
    assert settings["model"] == model
    assert settings["max_completion_length"] < int(length)


# accelerate's files


@pytest.mark.parametrize("name", ACCELERATE_FILES)
def test_accelerate_loads_its_file_and_its_launcher_knows_every_key(name):
    """The loader refuses an unknown key at the top; those of a section become options of the launcher, unchecked."""
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.commands.launch import launch_command_parser

    config = load_config_from_file(str(CONFIGS / name))
    options = {action.dest for action in launch_command_parser()._actions}
    assert config.num_processes == 4
    assert config.mixed_precision == "bf16"
    assert {*config.fsdp_config, *config.deepspeed_config} <= options


def launched(name, monkeypatch):
    """The plugin that a process finds which accelerate has launched with this file."""
    from accelerate import FullyShardedDataParallelPlugin
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    from accelerate.utils.launch import prepare_multi_gpu_env

    args = launch_command_parser().parse_args(["--config_file", str(CONFIGS / name), "train_trl.py"])
    args, _, _ = _validate_launch_command(args)
    for variable, value in prepare_multi_gpu_env(args).items():
        monkeypatch.setenv(variable, value)
    return FullyShardedDataParallelPlugin()


def test_fsdp2_becomes_the_plugin_that_it_describes(monkeypatch):
    """As the launcher does it: from the file into its own options, from those into the environment of the training."""
    plugin = launched("fsdp2.yaml", monkeypatch)
    assert plugin.fsdp_version == 2
    assert plugin.reshard_after_forward is True
    assert plugin.cpu_ram_efficient_loading is True
    assert not plugin.activation_checkpointing
    assert plugin.state_dict_type.name == "FULL_STATE_DICT"
    assert type(plugin.cpu_offload).__name__ == "OffloadPolicy"  # the one that offloads is CPUOffloadPolicy


# The script


def options(folder, **changed):
    """Settings with which grpo.yaml trains for one step, in seconds, on a policy that is written to the folder."""
    save_policy(folder / "policy")
    settings = {
        "model": folder / "policy",
        "data": CONFIGS / "problems.jsonl",
        "output_dir": folder / "run",
        "use_cpu": True,
        "max_steps": 1,
        "max_completion_length": 3,
    }
    return [
        "--config",
        str(CONFIGS / "grpo.yaml"),
        *(f"--{key}={value}" for key, value in (settings | changed).items()),
    ]


def launched_together(folder, processes, *settings):
    """Start the script as the page does, with the launcher file of several GPUs; on a CPU it numbers processes too."""
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(CONFIGS / "ddp.yaml"),
                "--num_processes", str(processes)]  # fmt: skip
    env = os.environ | {"HF_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    command = [*(launcher if processes > 1 else [sys.executable]), str(CONFIGS / "train_trl.py"), *settings]
    return subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=900)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2, 4])
def test_the_script_trains_with_the_sizes_and_the_data_of_the_files(tmp_path, processes):
    """8 completions at once, four times, on each process; so many groups of 8, and none for want of prompts."""
    import pandas

    sizes = yaml.safe_load((CONFIGS / "grpo.yaml").read_text())
    done = launched_together(tmp_path, processes, *options(tmp_path, log_completions=True))
    assert done.returncode == 0, done.stderr
    [written] = (tmp_path / "run" / "completions").glob("*.parquet")
    table = pandas.read_parquet(written)
    assert len(table) == processes * sizes["per_device_train_batch_size"] * sizes["gradient_accumulation_steps"]
    assert (table.math_reward.isna() != table.code_reward.isna()).all()
    assert (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.slow
def test_too_few_prompts_are_said_and_not_passed_over(tmp_path):
    (tmp_path / "few.jsonl").write_text("".join((CONFIGS / "problems.jsonl").read_text().splitlines(True)[:3]))
    done = launched_together(tmp_path, 1, *options(tmp_path, data=tmp_path / "few.jsonl"))
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        1, "nothing was trained: the data holds fewer prompts than one batch of all processes",
    )  # fmt: skip
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_the_problems_of_the_file_can_be_solved():
    """Each math row by its own answer, each code row by a function that was written for it."""
    rows = [json.loads(line) for line in (CONFIGS / "problems.jsonl").read_text().splitlines()]
    assert len(rows) == 16
    solutions = {"add": "a+b", "multiply": "a*b", "subtract": "a-b", "largest": "max(a)", "reverse": "a[::-1]",
                 "is_even": "a%2==0", "total": "sum(a)", "count": "a.count(b)"}  # fmt: skip
    for row in rows:
        if row["tests"]:
            body, arity = solutions[row["entry_point"]], len(json.loads(row["tests"])[0]["args"])
            text = f"```python\ndef {row['entry_point']}({'a, b' if arity == 2 else 'a'}): return {body}\n```"
            assert grpo_lite.code_reward([text], tests=[row["tests"]], entry_point=[row["entry_point"]]) == [1.0]
        else:
            asked = row["prompt"][0]["content"].removeprefix("What is ").split("?")[0].replace("^", "**")
            assert eval(asked) == eval(row["ground_truth"])


@pytest.mark.slow
def test_the_state_of_a_parameter_takes_the_16_bytes_of_the_page(script, tmp_path, monkeypatch):
    trainers = []
    monkeypatch.setattr(script.GRPOTrainer, "save_model", lambda trainer: trainers.append(trainer))
    monkeypatch.setattr(sys, "argv", ["train_trl.py", *options(tmp_path, save_strategy="no")])
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    script.main()
    [trainer] = trainers
    weights = list(trainer.model.parameters())
    moments = [state[name] for state in trainer.optimizer.state.values() for name in ("exp_avg", "exp_avg_sq")]
    assert trainer.args.bf16
    assert {x.dtype for x in weights + moments} == {torch.float32}  # a gradient has the type of its weight
    count = sum(weight.numel() for weight in weights)
    assert sum(x.numel() * x.element_size() for x in weights + weights + moments) == 16 * count


# The page


def rows_of(heading):
    """The rows of the page's table with this first cell."""
    table = PAGE.read_text().split(f"| {heading} |")[1].split("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    return [[first.strip("`"), *map(value, rest)] for first, *rest in rows]


def value(cell):
    """What stands in code is a value of Python."""
    return ast.literal_eval(cell.strip("`")) if cell.startswith("`") else cell


def test_the_defaults_on_the_page_are_those_of_the_two_packages(tmp_path):
    from trl import GRPOConfig

    ours, theirs = (vars(config) for config in (grpo_lite.GRPOConfig(), GRPOConfig(str(tmp_path), use_cpu=True)))
    for name, *defaults in rows_of("Setting"):
        assert [ours[name], theirs[name]] == defaults, name
        assert ours[name] != theirs[name]
    for name, default in rows_of("The same in both"):
        assert ours[name] == theirs[name] == default, name
    for name, default in rows_of("Only in TRL"):
        assert name not in ours
        assert theirs[name] == default, name
    assert (ours["report_to"], theirs["report_to"]) == ("none", [])  # two ways to write it
    not_compared = {"output_dir", "use_cpu", "disable_tqdm", "report_to"}
    differ = {name for name in set(ours) & set(theirs) - not_compared if ours[name] != theirs[name]}
    assert differ == {name for name, *_ in rows_of("Setting")}
    assert set(ours) - set(theirs) == {"max_sampling_rounds"}  # the page's only setting of ours alone


def test_the_memory_on_the_page_is_its_own_formula_for_seven_billion_parameters():
    for name, size, example in rows_of("Way"):
        assert example == f"{eval(size, {'W': 8}) * 7:g} GB", name
    cache = 2 * 28 * 8 * 128 * 2
    assert f"{cache / 1e6:.2f} MB a token, or {256 * 512 * cache / 1e9:.0f} GB" in PAGE.read_text()
    near = torch.tensor(0.02, dtype=torch.bfloat16)
    assert torch.nextafter(near, near + 1) - near == 2**-13
    assert near - 1e-6 == near
