"""Machines that are not at hand: a device without float64 (a Mac's GPU), and Windows."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from grpo_lite import GRPOConfig, GRPOTrainer
from helpers.models import make_tiny_model
from helpers.runs import ROWS, SETTINGS, TOKENIZER, model_of, odd


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


# What Windows lacks goes before the package is imported; what PyTorch needs for itself is loaded before that.
WINDOWS = """
import errno, os, sys
import torch, transformers, transformers.models.gpt2.modeling_gpt2

for name in ("fork", "register_at_fork", "O_DIRECTORY", "kill", "killpg", "setsid", "getuid"):
    delattr(os, name)
for name in ("resource", "fcntl", "pwd", "grp"):
    sys.modules[name] = None

open_, fsync = os.open, os.fsync

def windows_open(path, flags, *args, **kwargs):
    if os.path.isdir(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))
    return open_(path, flags, *args, **kwargs)

def windows_fsync(descriptor):
    os.write(descriptor, b"")  # refused, as there, if it is open for reading only
    return fsync(descriptor)

os.open, os.fsync = windows_open, windows_fsync

import grpo_lite
from grpo_lite import cli
from grpo_lite.tasks import accuracy, load_base_model, make_problems

torch.set_num_threads(1)
rows = make_problems("chain-sum", "train", 20)
for _ in range(2):
    args = grpo_lite.GRPOConfig(
        output_dir="run", max_steps=1, num_generations=4, per_device_train_batch_size=8, max_completion_length=16,
        eval_steps=1, log_completions=True,
    )
    model, tokenizer = load_base_model()
    trainer = grpo_lite.GRPOTrainer(model, accuracy, args, rows, tokenizer, eval_dataset=rows[:4])
    trainer.train()
    print("step", trainer.step)
cli.main(["sample", "run", "--problems", "1", "--completions", "2"])
"""


def test_training_runs_with_what_windows_has(tmp_path):
    root = str(Path(__file__).parents[1])
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {root!r})\n{WINDOWS}"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("step 1\nstep 1\n")
    assert "right:" in run.stdout
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "checkpoint-1", "completions.jsonl", "metrics.jsonl",
    }  # fmt: skip
