"""How fast is it: time and memory against TRL and against the model alone, as ratios.

`grpo-lite bench` measures all parts in a few minutes, on one thread. The two sides of a comparison take turns, so that
whatever else the machine does slows both; a ratio is the median over pairs of neighbouring measurements.
"""

import dataclasses
import json
import os
import platform
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch

from grpo_lite._checks import check_choice, check_installed
from grpo_lite.experiments.stepwise import train_ours, train_trl
from grpo_lite.logprobs import completion_logps
from grpo_lite.reading import memory_of
from grpo_lite.rewards.answers import math_reward
from grpo_lite.rewards.programs import code_reward
from grpo_lite.tasks import RECIPE, accuracy, load_base_model, make_problems
from grpo_lite.training import batching, rollout
from grpo_lite.training.config import GRPOConfig
from grpo_lite.training.trainer import GRPOTrainer

# Steps so small that the model stays what it is, and every step has the same work to do.
STEP: dict[str, Any] = {
    "learning_rate": 1e-6,
    "per_device_train_batch_size": 256,
    "num_generations": 16,
    "max_completion_length": 16,
}
LEARNING = {name: RECIPE[name] for name in ("max_steps", *STEP)}


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        part: the measurement that it belongs to, a name of `PARTS`.
        what: what is divided by what.
        ratio: the median over pairs of neighbouring measurements.
        low: the lowest ratio of a pair.
        high: the highest.
        goal: what the ratio should be at most; None if it is only to be known.
        measured: the median of the numerator, in seconds, bytes or updates.
    """

    part: str
    what: str
    ratio: float
    low: float
    high: float
    goal: float | None
    measured: float


def main(only: str | None = None, output: str | None = None) -> None:
    """Measure, print the table, and write it to a file, with the same numbers as JSON beside it."""
    check_choice("--only", only or "step", tuple(PARTS))
    check_installed("trl", "bench compares with TRL", "train,test")
    # Before transformers is loaded: no report to TRL's makers, no bar for each model, one thread for tokenizers too.
    os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1", TOKENIZERS_PARALLELISM="false")
    torch.set_num_threads(1)
    rows: list[Row] = []
    for part in [only] if only else PARTS:
        print(f"measuring {part}", file=sys.stderr, flush=True)
        rows += PARTS[part]()
    text = f"{table(rows)}\n\n{machine()}\n"
    print(text, end="")
    if output:
        Path(output).write_text(text)
        content = {"machine": machine(), "rows": [row._asdict() for row in rows]}
        Path(output).with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")


def table(rows: Sequence[Row]) -> str:
    """Lay the rows out as a Markdown table."""
    lines = ["| Part | Compared | Ratio | Lowest to highest | Goal |", "|---|---|---|---|---|"]
    for row in rows:
        goal = "" if row.goal is None else f"{row.goal:g}, {'met' if row.ratio <= row.goal else 'missed'}"
        lines.append(f"| {row.part} | {row.what} | {row.ratio:.2f} | {row.low:.2f} to {row.high:.2f} | {goal} |")
    return "\n".join(lines)


def machine() -> str:
    """Say what it was measured on: processor, cores and versions."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(": ")[1] for line in lines if line.startswith("model name")]
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "trl"))
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores, one thread a process; {versions}."


# A full step.


def step(rounds: int = 20, **smaller: Any) -> list[Row]:
    """Compare an update in which every group has a signal with TRL's, and with the model's calls alone."""
    settings = STEP | smaller
    times: dict[str, list[float]] = {"ours": [], "TRL": [], "model": []}
    trainer = _trainer(_every_second, settings)
    bare, _ = load_base_model()
    optimizer = torch.optim.AdamW(bare.parameters(), lr=settings["learning_rate"], weight_decay=0.0, fused=True)

    def take_turns(model, number: int, seconds: float) -> bool:
        times["TRL"].append(seconds)
        times["ours"].append(_one_step(trainer))
        batch = batching.stack(trainer.sample())
        times["model"].append(_seconds(lambda: _floor(bare, optimizer, batch)))
        return False

    train_trl(take_turns, _every_second, settings | {"max_steps": rounds})
    return [
        _compare("step", "one step / TRL's", times["ours"], times["TRL"], goal=0.75),
        _compare("step", "one step / the model's calls alone", times["ours"], times["model"], goal=1.15),
    ]


def _every_second(completions, **columns) -> list[float | None]:
    """Reward every second completion, so that no group agrees and nothing can be skipped."""
    return [float(i % 2) for i in range(len(completions))]


def _floor(model, optimizer, batch: batching.Rows) -> None:
    """Decode as many tokens as the batch has, then update once on the batch, each completion behind its own prompt."""
    length, rows = batch.ids.shape[1], torch.arange(len(batch.ids)) // (len(batch.ids) // len(batch.prompt_ids))
    with torch.no_grad():
        out = model(batch.prompt_ids, use_cache=True)
        [cache] = memory_of(out).values()
        cache.reorder_cache(rows)
        token = torch.multinomial(out.logits[rows, -1].softmax(dim=-1), 1)
        for _ in range(length - 1):
            out = model(token, use_cache=True, **memory_of(out))
            token = torch.multinomial(out.logits[:, -1].softmax(dim=-1), 1)
    whole = torch.cat([batch.prompt_ids[rows], batch.ids], dim=1)
    logits = model(whole, use_cache=False, logits_to_keep=length + 1).logits[:, :-1]
    torch.nn.functional.cross_entropy(logits[batch.mask], batch.ids[batch.mask]).backward()
    optimizer.step()
    optimizer.zero_grad()


# Learning.


def learning(seeds: int = 3, target: float = 0.95, **smaller: Any) -> list[Row]:
    """Compare the time until samples on held-out chain sums reach the target accuracy."""
    ours, trl = [], []
    for seed in range(seeds):
        settings = LEARNING | smaller | {"seed": seed}
        ours.append(_race(train_ours, target, settings))
        trl.append(_race(train_trl, target, settings))
    whats = {f"time to {target:.0%} accuracy / TRL's": 0.5, "updates until then / TRL's": None, "set-up / TRL's": None}
    columns = zip(whats.items(), zip(*ours, strict=True), zip(*trl, strict=True), strict=True)
    return [_compare("learning", what, mine, theirs, goal) for (what, goal), mine, theirs in columns]


def _race(train: Callable, target: float, settings: dict) -> tuple[float, int, float]:
    """Train up to the target; return the seconds and the updates that it took, and the seconds of the set-up before."""
    problems, args = make_problems("chain-sum", "test", 500), GRPOConfig(**RECIPE)
    _, tokenizer = load_base_model()
    seconds, updates, sampled = 0.0, 0, 0.0

    def evaluate(model, number: int, step_seconds: float) -> bool:
        nonlocal seconds, updates, sampled
        seconds, updates = seconds + step_seconds, number
        if number % 2 == 0:
            sampled = rollout.evaluate(model, tokenizer, accuracy, problems, args)["sampled_accuracy"]
        return sampled >= target

    set_up = train(evaluate, accuracy, settings)
    if sampled < target:
        raise ValueError(f"target must be in reach of {settings['max_steps']} updates, got {target} and {sampled}")
    return seconds, updates, set_up


# Memory.


def memory(widths: Sequence[int] = (128, 512), runs: int = 3, **smaller: int) -> list[Row]:
    """Compare scoring at a large vocabulary with the plain way, which holds the whole table of logits."""
    rows = []
    for width in widths:
        call = f"score(width={width}, plain=%s, **{smaller})"
        pairs = [(_fresh(call % False), _fresh(call % True)) for _ in range(runs)]
        for i, (unit, goal) in enumerate({"memory": 1 / 8, "time": 1.2}.items()):
            ours, plain = [mine[i] for mine, _ in pairs], [theirs[i] for _, theirs in pairs]
            rows.append(_compare("memory", f"{unit} of scoring / with all logits, width {width}", ours, plain, goal))
    return rows


def score(width: int, plain: bool, tokens: int = 1024, vocabulary: int = 151_936) -> tuple[int, float]:
    """Score 16 completions of so many tokens in all, with gradient; return bytes above the weights, and seconds."""
    import psutil
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=vocabulary, n_embd=width, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0)
    model = GPT2LMHeadModel(config).eval()
    prompts, completions = torch.randint(vocabulary, (2, 16)), torch.randint(vocabulary, (16, tokens // 16))

    def score_all() -> None:
        if plain:
            ids = torch.cat([prompts.repeat_interleave(8, dim=0), completions], dim=1)
            logits = model(ids, use_cache=False, logits_to_keep=completions.shape[1] + 1).logits[:, :-1]
            logps = logits.log_softmax(dim=-1).gather(2, completions[..., None])
        else:
            logps = completion_logps(model, prompts, completions)
        logps.sum().backward()

    before = psutil.Process().memory_info().rss
    seconds = _seconds(score_all)
    return _peak() - before, seconds


def _peak() -> int:
    """Return the most bytes that this process has held."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would not go below what the process held that started this one
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


# Scaling.


def scaling(
    rounds: int = 7, runs: int = 3, sizes: Sequence[int] = (4, 8, 16, 32), lengths: Sequence[int] = (8, 16, 32, 56)
) -> list[Row]:
    """Show how the time of a step grows with G (for 8 prompts), with the length of 128 completions, with processes."""
    by_size = {g: _trainer(_every_second, STEP | _batch(8 * g, g)) for g in sizes}
    by_length = {n: _trainer(_every_second, STEP | _batch(128, 16) | {"max_completion_length": n}) for n in lengths}
    for trainer in by_length.values():
        model: Any = trainer.model
        trainer.tokenizer.eos_token, model.generation_config.eos_token_id = "<pad>", None  # which is never written
    rows = []
    for name, trainers in {"completions a prompt": by_size, "tokens a completion": by_length}.items():
        turns = [[_one_step(trainer) for trainer in trainers.values()] for _ in range(rounds)]
        (least, shortest), *others = zip(trainers, zip(*turns, strict=True), strict=True)
        rows += [_compare("scaling", f"one step, {n} {name} / {least}", times, shortest) for n, times in others]
    alone, shared = zip(*([_fresh(f"share({n})", processes=n) for n in (1, 2)] for _ in range(runs)), strict=True)
    return [*rows, _compare("scaling", "one step, 2 processes / 1, the same batch", shared, alone)]


def share(processes: int, rounds: int = 10) -> float:
    """Return the median time of a step in which this process does its share of 128 completions."""
    trainer = _trainer(_every_second, STEP | _batch(128 // processes, 16))
    return median(_one_step(trainer) for _ in range(rounds))


def _batch(completions: int, size: int) -> dict[str, int]:
    return {"per_device_train_batch_size": completions, "num_generations": size}


# Rewards.


def rewards(rounds: int = 7, programs: int = 200, calls: int = 20) -> list[Row]:
    """Compare scoring a program of three tests, and a math answer, with a millisecond; and the two interpreters."""
    texts = [f"```python\ndef f(x):\n    return x + {n}\n```" for n in range(programs)]
    tests = [[{"args": [x], "expected": x + n} for x in range(3)] for n in range(programs)]

    def score(interpreter: str, n: int) -> float:
        return _seconds(lambda: code_reward(texts[:n], tests[:n], ["f"] * n, interpreter=interpreter)) / n

    def judge(turn: int) -> float:
        new = range(turn * programs, (turn + 1) * programs)  # texts that were read before are read faster
        boxes, truths = [rf"\boxed{{\frac{{{n}}}{{7}}}}" for n in new], [f"{n}/7" for n in new]
        return _seconds(lambda: math_reward(boxes, ground_truth=truths)) / programs

    with _one_core():
        score("monty", 1), score("cpython", 1), judge(0)  # the processes are started here, once
        turns = [(score("monty", programs), score("cpython", calls), judge(turn)) for turn in range(1, rounds + 1)]
    ours, slow, answers = zip(*turns, strict=True)
    millisecond = [1e-3] * rounds
    return [
        _compare("rewards", "one program of three tests / a millisecond", ours, millisecond, goal=1.0),
        _compare("rewards", "one program / in processes of CPython", ours, slow),
        _compare("rewards", "one math answer / a millisecond", answers, millisecond),
    ]


@contextmanager
def _one_core() -> Iterator[None]:
    """Keep this process and those that it starts to one core, where the system can (Linux)."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    if cores:
        os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        if cores:
            os.sched_setaffinity(0, cores)


# What the parts share.


def _trainer(reward: Callable, settings: dict) -> GRPOTrainer:
    model, tokenizer = load_base_model()
    args = GRPOConfig(**settings, disable_tqdm=True, use_cpu=True)
    return GRPOTrainer(model, reward, args, make_problems("chain-sum", "train", 2000), tokenizer)


def _one_step(trainer: GRPOTrainer) -> float:
    """Let the trainer do one more update, and return its seconds."""
    trainer.args = dataclasses.replace(trainer.args, max_steps=trainer.step + 1)
    return _seconds(trainer.train)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _compare(part: str, what: str, ours: Sequence[float], theirs: Sequence[float], goal: float | None = None) -> Row:
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return Row(part, what, median(ratios), min(ratios), max(ratios), goal, median(ours))


def _fresh(call: str, processes: int = 1) -> Any:
    """Call a function of this module in a new process, or in several that train together; return the first's result."""
    code = f"import json, torch; from {__name__} import *; torch.set_num_threads(1); print(json.dumps({call}))"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        env = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": str(processes)}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code], env=os.environ | env | {"RANK": str(rank)}, stdout=subprocess.PIPE
        )
        for rank in range(processes)
    ]
    outputs = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise OSError(f"{call} must end in each of {processes} processes, see its error above")
    return json.loads(outputs[0].splitlines()[-1])


PARTS: dict[str, Callable[[], list[Row]]] = {
    "step": step,
    "learning": learning,
    "memory": memory,
    "scaling": scaling,
    "rewards": rewards,
}
