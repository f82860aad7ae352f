"""The trainings of lesson "A real language model": `make real` makes those that are missing, and measures them.

A run that was stopped starts anew.
"""

import os
import sys
import time
from pathlib import Path
from statistics import median

import torch

from bench.scoring import STATUS, forget_peak, resident
from grpo_lite import GRPOConfig, GRPOTrainer
from grpo_lite.experiments import real
from grpo_lite.training import gradient, rollout
from grpo_lite.training.records import append_line
from lesson_runs import DATA, missing, names_of

CONSTANTS = ("WORDS", "EXAMPLES", "TRAIN", "HELD_OUT", "TASKS", "FIXED", "PROMPTS", "SAMPLES")
LESSON = names_of("a_real_language_model", *CONSTANTS)
WORDS, EXAMPLES, TRAIN, HELD_OUT, TASKS, FIXED, PROMPTS, SAMPLES = (LESSON[name] for name in CONSTANTS)
problems, exact = LESSON["problems"], LESSON["exact"]
STORED = DATA / "real.jsonl"
SETTINGS = {"learning_rate": 1e-5, "max_steps": 30}
# Every task as the model comes (no step), then three seeds; and larger steps, until something breaks.
RUNS = [(task, {"max_steps": 0}, 0) for task in TASKS]
RUNS += [("middle", {}, seed) for seed in range(3)] + [("last", {"max_steps": 10}, seed) for seed in range(3)]
RUNS += [("backwards", {"max_steps": 3}, seed) for seed in range(3)]
RUNS += [("middle", {"learning_rate": rate, "max_steps": 15}, 0) for rate in (1e-4, 5e-4)]


def measure(model, tokenizer, task: str, prompts: int = PROMPTS, samples: int = SAMPLES) -> dict:
    """Answer held-out prompts: `greedy` accuracy, and of `samples` answers to each how many were `right`."""
    rows = problems(task, HELD_OUT, prompts, seed=1)
    limits = {"num_generations": samples, "per_device_train_batch_size": samples}
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


def run(task: str, seed: int, **changes: float) -> dict:
    """Train the model on a task and measure it; return the record that is stored."""
    settings = SETTINGS | changes
    model, tokenizer = real.load_model()
    record = {"task": task, "seed": seed, **settings, "threads": torch.get_num_threads(), "torch": torch.__version__}
    if settings["max_steps"]:
        args = GRPOConfig(**FIXED, **settings, max_completion_length=TASKS[task][1], seed=seed)
        trainer = GRPOTrainer(model, exact, args, problems(task, TRAIN, 5000), tokenizer)
        forget_peak()
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
    whole = gradient.stack([group._replace(advantages=group.rewards) for group in groups])
    ids, mask = (x.repeat_interleave(args.num_generations, dim=0) for x in (whole.prompt_ids, whole.prompt_mask))
    records = []
    for name, part in (("group", whole), ("completion", whole._replace(prompt_ids=ids, prompt_mask=mask))):
        seconds = []
        for _ in range(4):  # the first one only makes room for the gradients
            model.zero_grad(set_to_none=False)
            forget_peak()
            started = time.process_time()
            (gradient.logps_of(model, part, args) * part.advantages[:, None]).sum().backward()
            seconds.append(time.process_time() - started)
        times = {"seconds": round(median(seconds[1:]), 2), "peak_gb": _peak()}
        records.append({"task": "reading", "prompt once a": name, **times})
    return records


def main(path: Path = STORED) -> None:
    """Make what is missing in the file."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    # Products of matrices in bfloat16 where the processor has them, three times as fast; the weights stay float32.
    torch.set_float32_matmul_precision("medium")
    wanted = [{"task": task, "seed": seed, **SETTINGS, **changes} for task, changes, seed in RUNS]
    for _, settings in missing(path, wanted):
        record = run(**settings)
        append_line(path, record)
        right = sum(record["right"]) / PROMPTS / SAMPLES
        print(f"{settings}: greedy {record['greedy']:.2f}, sampled {right:.2f}", flush=True)
    if list(missing(path, [{"task": "reading"}])):
        for record in compare_reading(*real.load_model()):
            append_line(path, record)


def _peak() -> float | None:
    """Return the most memory held since `forget_peak`, in GB; None where the system does not say."""
    return round(resident("VmHWM") / 1e9, 2) if STATUS.exists() else None


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
