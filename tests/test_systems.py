"""Other machines: Windows, without fork, resource limits and open folders; a GPU; a Mac's GPU, without float64."""

import re
import subprocess
import sys

import pytest
import torch

from grpo_lite import GRPOConfig, GRPOTrainer, sample_group
from helpers.devices import THERE, WithoutFloat64, second_device
from helpers.lessons import SCRIPTS
from helpers.models import make_tiny_model
from helpers.runs import ROWS, SETTINGS, TOKENIZER, model_of, odd

# torch and transformers are loaded first: they look after themselves.
WINDOWS = """
import os, signal, subprocess, sys
import torch
from transformers import AutoModelForCausalLM, GPT2LMHeadModel, PreTrainedTokenizerFast

for name in ("fork", "register_at_fork", "O_DIRECTORY", "mkfifo", "getuid", "setsid", "WNOHANG"):
    delattr(os, name)
for name in ("SIGPROF", "SIGVTALRM", "SIGALRM", "SIGKILL", "setitimer", "pthread_sigmask"):
    delattr(signal, name)
for name in ("resource", "fcntl", "pwd", "termios"):
    sys.modules[name] = None
open_file, fsync = os.open, os.fsync

def open_no_folder(path, *given, **settings):
    if os.path.isdir(path):
        raise PermissionError(13, "Permission denied", path)
    return open_file(path, *given, **settings)

def fsync_writable(descriptor):
    os.write(descriptor, b"")  # refused, as there, if it is open for reading only
    fsync(descriptor)

os.open, os.fsync = open_no_folder, fsync_writable
subprocess.Popen.kill = subprocess.Popen.terminate
torch.set_num_threads(1)
"""
USE = """
import importlib, pathlib, pkgutil
import grpo_lite
from grpo_lite.tasks import RECIPE, accuracy, load_base_model, make_problems

for module in pkgutil.walk_packages(grpo_lite.__path__, "grpo_lite."):
    if not module.name.startswith(("grpo_lite.__main__", "grpo_lite.rewards.judges.")):  # which run when imported
        importlib.import_module(module.name)
print("grpo_lite.cli" in sys.modules, "grpo_lite.experiments.real" in sys.modules)
advantages = grpo_lite.group_advantages(torch.tensor([1.0, 0.0]), 2)
logps = torch.tensor([[-1.0], [-2.0]], requires_grad=True)
grpo_lite.grpo_loss(logps, None, advantages, torch.ones(2, 1, dtype=torch.bool)).loss.backward()
print(logps.grad.flatten().mul(2).round().tolist())
print(grpo_lite.format_reward(["<think>\\na\\n</think>\\n<answer>\\nb\\n</answer>", "b"]))
print(grpo_lite.math_reward([r"\\boxed{1/2}", r"\\boxed{3}"], ["0.5", "4"]))
programs = ["```python\\ndef double(x):\\n    return %d * x\\n```" % n for n in (2, 3)]
print(grpo_lite.code_reward(programs, ['[{"args": [2], "expected": 4}]'] * 2, ["double"] * 2))
model, tokenizer = load_base_model()
prompt = tokenizer("3+4=", return_tensors="pt")["input_ids"]
ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
print(len(grpo_lite.sample_group(model, prompt, 4, max_new_tokens=3, **ends).ids))
settings = RECIPE | {"max_steps": 2, "save_steps": 1, "eval_steps": 2, "output_dir": sys.argv[1], "disable_tqdm": True}
settings |= {"per_device_train_batch_size": 8, "num_generations": 4, "reward_weights": None}
for _ in range(2):  # the second finds that the first has finished
    args = grpo_lite.GRPOConfig(**settings)
    data = make_problems("chain-sum", "train", 20), tokenizer, make_problems("chain-sum", "test", 20)
    trainer = grpo_lite.GRPOTrainer(model, [accuracy], args, *data)
    trainer.train()
    print(trainer.step)
print(sorted(path.name for path in pathlib.Path(sys.argv[1]).glob("checkpoint-*")))
"""


def test_the_package_works_without_what_windows_lacks(tmp_path):
    done = subprocess.run([sys.executable, "-c", WINDOWS + USE, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == [
        "True True",
        "[-1.0, 1.0]",
        *["[1.0, 0.0]"] * 3,
        "4",
        "2",
        "2",
        "['checkpoint-1', 'checkpoint-2']",
    ]


def code_of(script):
    return re.sub(r"^#.*\n", "", script.read_text(), flags=re.M)


TRAINING = [path for path in SCRIPTS if "GRPOTrainer" in code_of(path) and "use_cpu" not in code_of(path)]


@pytest.mark.parametrize("script", TRAINING, ids=lambda path: path.stem)
def test_a_lesson_follows_its_model_to_the_device_of_the_trainer(script):
    """The trainer moves a model to the GPU where there is one. What the lesson then hands to it has to go there too."""
    code = code_of(script)
    assert "torch.Generator()" not in code
    for name in re.findall(r"(\w+) = tokenizer\(.*return_tensors", code):
        assert re.search(rf"\b{name}\.to\(\w+\.device\)", code), name


# A run that makes use of everything that may lie on a device, and what it does with the rest of a batch.
ALL = {"beta": 0.1, "num_iterations": 2, "eval_steps": 1, "save_steps": 1, "log_completions": True, "epsilon": 0.1,
       "mask_truncated_completions": True, "off_policy_mask_threshold": 0.5, "max_sampling_rounds": 2, "delta": 2.0,
       "scale_rewards": "batch", "lr_scheduler_type": "constant"}  # fmt: skip


@pytest.mark.parametrize("stand_in", [WithoutFloat64, second_device])
@pytest.mark.parametrize("loss_type", ["grpo", "bnpo", "dr_grpo", "dapo"])
def test_training_on_another_device(loss_type, stand_in, tmp_path):
    settings = SETTINGS | ALL | {"loss_type": loss_type, "output_dir": str(tmp_path)}
    for steps in (2, 3):  # the second time it goes on from the checkpoint
        model = make_tiny_model("gpt2", len(TOKENIZER)).float()
        with stand_in():
            trainer = GRPOTrainer(model, odd, GRPOConfig(**settings | {"max_steps": steps}), ROWS, TOKENIZER, ROWS)
            history = trainer.train()
        assert trainer.step == steps
        assert "sampled_odd" in history[-1]


def test_an_environment_answers_on_another_device():
    args = GRPOConfig(**SETTINGS | {"max_steps": 1, "max_completion_length": 12})
    with second_device():
        trainer = GRPOTrainer(model_of(), odd, args, ROWS, TOKENIZER, ROWS, environment=lambda turn: "12")
        assert not all(group.env_mask.equal(group.mask) for group in trainer.sample())
        trainer.train()
        trainer.evaluate()


def test_the_stand_in_refuses_float64():
    with WithoutFloat64(), pytest.raises(TypeError, match="Cannot convert a tensor to float64"):
        torch.zeros(2).double()
    with WithoutFloat64(), pytest.raises(TypeError, match="Cannot convert a tensor to float64"):
        GRPOTrainer(model_of(), odd, GRPOConfig(**SETTINGS), ROWS, TOKENIZER).train()  # its weights are float64


def test_the_stand_in_refuses_tensors_of_two_devices():
    with second_device():
        model, here = model_of(), torch.ones(2, 3)
        there = here.to("cuda")
        assert (model.to(THERE).device, there.device, here.device) == (THERE, THERE, torch.device("cpu"))
        assert (there + 1)[torch.tensor([0])].device == there.sum().mul(torch.tensor(2.0)).device == THERE
        assert (there.cpu() + here).device == torch.device("cpu")
        assert torch.zeros(2, device=there.device).to(torch.float64).device == THERE
        for wrong in (lambda: there + here, lambda: here[there.bool()], lambda: model(here.long())):
            with pytest.raises(RuntimeError, match="on the same device"):
                wrong()
        with pytest.raises(TypeError, match="to numpy"):
            there.numpy()
        ids, ends = torch.tensor([[3]], device=THERE), {"eos_token_id": 1, "pad_token_id": 1}
        with pytest.raises(RuntimeError, match="generator on the device"):
            sample_group(model, ids, 2, max_new_tokens=2, generator=torch.Generator(), **ends)
