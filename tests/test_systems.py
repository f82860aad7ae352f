"""Other machines: Windows, without fork, resource limits and open folders; a GPU; a Mac's GPU, without float64."""

import re
import subprocess
import sys

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from grpo_lite import GRPOConfig, GRPOTrainer
from helpers.built import ROOT
from helpers.models import make_tiny_model
from helpers.runs import ROWS, SETTINGS, TOKENIZER, model_of, odd

# torch and transformers are loaded first: they look after themselves.
WINDOWS = """
import os, signal, sys
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
        "[1.0, 0.0]",
        "4",
        "2",
        "2",
        "['checkpoint-1', 'checkpoint-2']",
    ]


@pytest.mark.parametrize("script", sorted((ROOT / "notebooks").glob("*.py")), ids=lambda path: path.stem)
def test_a_lesson_follows_its_model_to_the_device_of_the_trainer(script):
    """The trainer moves a model to the GPU where there is one. What the lesson then hands to it has to go there too."""
    code = re.sub(r"^#.*\n", "", script.read_text(), flags=re.M)
    if not re.search(r"GRPOTrainer\b", code) or "use_cpu" in code:
        return
    assert "torch.Generator()" not in code
    for name in re.findall(r"(\w+) = tokenizer\(.*return_tensors", code):
        assert re.search(rf"\b{name}\.to\(\w+\.device\)", code), name


class WithoutFloat64(TorchDispatchMode):
    """Stands in for a device that has no float64: whatever makes such a tensor is refused."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **kwargs or {})
        for x in out if isinstance(out, tuple | list) else [out]:
            if isinstance(x, torch.Tensor) and x.dtype in (torch.float64, torch.complex128):
                raise TypeError(f"{function}: Cannot convert a tensor to float64, which this device does not have")
        return out


@pytest.mark.parametrize("loss_type", ["grpo", "bnpo", "dr_grpo", "dapo"])
def test_training_needs_no_float64(loss_type, tmp_path):
    settings = {"loss_type": loss_type, "beta": 0.1, "num_iterations": 2, "eval_steps": 1, "save_steps": 1,
                "output_dir": str(tmp_path), "log_completions": True, "mask_truncated_completions": True}  # fmt: skip
    args = GRPOConfig(**SETTINGS | settings | {"max_steps": 2})
    for _ in range(2):  # the second time it goes on from the checkpoint, and finds nothing to do
        model = make_tiny_model("gpt2", len(TOKENIZER)).float()
        with WithoutFloat64():
            trainer = GRPOTrainer(model, odd, args, ROWS, TOKENIZER, eval_dataset=ROWS)
            trainer.train()
        assert trainer.step == 2
        assert "sampled_odd" in trainer.history[-1]


def test_the_stand_in_refuses_float64():
    with WithoutFloat64(), pytest.raises(TypeError, match="Cannot convert a tensor to float64"):
        torch.zeros(2).double()
    with WithoutFloat64(), pytest.raises(TypeError, match="Cannot convert a tensor to float64"):
        GRPOTrainer(model_of(), odd, GRPOConfig(**SETTINGS), ROWS, TOKENIZER).train()  # its weights are float64
