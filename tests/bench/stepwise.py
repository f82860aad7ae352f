"""What `compare` times: our trainer and TRL's, same settings, stopped after each update, and the model alone."""

import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from statistics import median
from typing import Any

import torch

import scoring
from grpo_lite.experiments import real
from grpo_lite.reading import memory_of
from grpo_lite.tasks import load_base_model, make_problems
from grpo_lite.training.config import GRPOConfig
from grpo_lite.training.gradient import Rows
from grpo_lite.training.trainer import GRPOTrainer

AfterUpdate = Callable[[Any, int, float], bool]  # the model, the number of the update, its seconds; True stops


class Clock:
    """Hands the seconds of each update to a function, whose own time is not counted."""

    def __init__(self, after_update: AfterUpdate):
        self.after_update, self.since = after_update, time.perf_counter()

    def lap(self, model, number: int) -> bool:
        """End the update that began with the last lap; return whether to stop."""
        stop = self.after_update(model, number, time.perf_counter() - self.since)
        self.since = time.perf_counter()
        return stop


def chain_sums() -> tuple:
    """Return model, tokenizer and rows of the task that both sides learn, if they are given no other."""
    return *load_base_model(), make_problems("chain-sum", "train", 5000)


def train_ours(after_update: AfterUpdate, reward: Callable, settings: dict, task: tuple | None = None) -> None:
    """Train until `after_update` says stop."""

    class Stop(Exception):
        pass

    def watch(record: dict) -> None:
        if clock.lap(model, record["step"]):
            raise Stop

    model, tokenizer, problems = task or chain_sums()
    args = GRPOConfig(**settings, disable_tqdm=True, use_cpu=True)
    trainer = GRPOTrainer(model, reward, args, problems, tokenizer, callback=watch)
    clock = Clock(after_update)
    with suppress(Stop):
        trainer.train()


def train_trl(after_update: AfterUpdate, reward: Callable, settings: dict, task: tuple | None = None) -> None:
    """Do the same with TRL's trainer: no logging, no checkpoints, float32."""
    import transformers
    from datasets import Dataset
    from trl import GRPOConfig as TheirConfig
    from trl import GRPOTrainer as TheirTrainer

    class Watch(transformers.TrainerCallback):
        def on_step_end(self, args, state, control, model, **rest):
            control.should_training_stop = clock.lap(model, state.global_step) or control.should_training_stop

    transformers.logging.set_verbosity_error()
    model, tokenizer, problems = task or chain_sums()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        args = TheirConfig(
            **{"loss_type": "grpo"} | settings, output_dir=folder, use_cpu=True, bf16=False, report_to=[],
            gradient_checkpointing=False, logging_strategy="no", save_strategy="no", disable_tqdm=True,
        )  # fmt: skip
        trainer = TheirTrainer(
            model, reward, args=args, train_dataset=Dataset.from_list(problems), processing_class=tokenizer,
            callbacks=[Watch()],
        )  # fmt: skip
        trainer.remove_callback(transformers.PrinterCallback)
        clock = Clock(after_update)
        trainer.train()


def every_second(completions, **columns) -> list[float | None]:
    """Reward every second completion, so that no group agrees and nothing can be skipped."""
    return [float(i % 2) for i in range(len(completions))]


def real_cost(train: Callable, updates: int) -> tuple[int, float]:
    """Train SmolLM2 for so many updates; return the most bytes held meanwhile, and the seconds of one but the first."""
    from real_runs import FIXED, TRAIN, problems

    torch.set_float32_matmul_precision("medium")  # as in `make real`, on both sides
    laps: list[float] = []

    def note(model, number: int, seconds: float) -> bool:
        laps.append(seconds)
        return number == updates

    settings = {name: value for name, value in FIXED.items() if name != "disable_tqdm"}
    settings |= {"learning_rate": 1e-5, "max_steps": updates, "max_completion_length": 3}
    task = (*real.load_model(), problems("middle", TRAIN, 5000))
    scoring.forget_peak()
    train(note, every_second, settings, task)
    return scoring.resident("VmHWM"), median(laps[1:])


def model_alone(model, optimizer, batch: Rows) -> None:
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
