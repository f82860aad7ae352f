"""What it costs to score completions at a large vocabulary, for `compare`: in slices, or with all logits at once."""

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch

from grpo_lite.logprobs import completion_logps

STATUS = Path("/proc/self/status")  # what Linux says about this process


def scoring_cost(width: int, plain: bool, tokens: int = 1024, vocabulary: int = 151_936) -> tuple[int, float]:
    """Score 16 completions of so many tokens in all, with gradient; return bytes above the weights, and seconds."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=vocabulary, n_embd=width, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0)
    model = GPT2LMHeadModel(config).eval()
    prompts, completions = torch.randint(vocabulary, (2, 16)), torch.randint(vocabulary, (16, tokens // 16))
    before, started = resident("VmRSS"), time.perf_counter()
    if plain:
        ids = torch.cat([prompts.repeat_interleave(8, dim=0), completions], dim=1)
        logits = model(ids, use_cache=False, logits_to_keep=completions.shape[1] + 1).logits[:, :-1]
        logps = logits.log_softmax(dim=-1).gather(2, completions[..., None])
    else:
        logps = completion_logps(model, prompts, completions)
    logps.sum().backward()
    return resident("VmHWM") - before, time.perf_counter() - started


def resident(name: str) -> int:
    """Return the bytes that this process holds, "VmRSS", or the most that it has held, "VmHWM"."""
    fields = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(fields[name].split()[0]) * 1024


def forget_peak() -> None:
    """Count the most that this process has held from now on, where the system counts it."""
    if STATUS.exists():
        STATUS.with_name("clear_refs").write_text("5")


def in_new_process(work: Callable, *args, **settings):
    """Call a function on one thread in a process of its own, whose memory nothing else has used."""
    with ProcessPoolExecutor(1, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        return pool.submit(work, *args, **settings).result()
