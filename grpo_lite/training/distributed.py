"""Several processes that train one model: who am I, and how gradients and numbers are put together.

`accelerate launch` and `torchrun` start the same script several times and number the processes in environment
variables. Each process samples and scores its own prompts. In each update they add up their gradients; besides they
exchange few numbers: rewards and the wish to stop once a batch, in each update how many completions and tokens the loss
divides by and what is recorded. With one process nothing is exchanged.
"""

import atexit
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from statistics import fmean

import torch
import torch.distributed as dist
from torch import Tensor


def start(use_cpu: bool) -> torch.device:
    """Join the other processes, if there are any, and return the device of this one."""
    device = torch.device("mps" if torch.backends.mps.is_available() and not use_cpu else "cpu")
    if torch.cuda.is_available() and not use_cpu:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
    if int(os.environ.get("WORLD_SIZE", 1)) > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(dist.destroy_process_group)
    return device


def rank() -> int:
    """Return the number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """Return how many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def broadcast_(tensors: Iterable[Tensor]) -> None:
    """Give all processes what process 0 has, in place."""
    if world_size() > 1:
        for tensor in tensors:
            dist.broadcast(tensor, src=0)


def sum_(tensors: Iterable[Tensor]) -> None:
    """Add up each tensor over the processes, in place."""
    if world_size() > 1:
        for tensor in tensors:
            dist.all_reduce(tensor)


def gather_objects(thing: object) -> list:
    """Return what each process hands in, in the order of the processes."""
    if world_size() == 1:
        return [thing]
    things = [None] * world_size()
    dist.all_gather_object(things, thing)
    return things


@contextmanager
def ctrl_c() -> Iterator[Callable[[], bool]]:
    """Note the first Ctrl-C, in whichever process, so that all can finish the step; the second one stops at once."""
    pressed: list[int] = []

    def note(number, frame):
        if pressed:
            raise KeyboardInterrupt
        pressed.append(number)

    handles = threading.current_thread() is threading.main_thread()  # no other thread may handle signals
    before = signal.signal(signal.SIGINT, note) if handles else None
    try:
        yield lambda: any(gather_objects(bool(pressed)))
    finally:
        if handles:
            signal.signal(signal.SIGINT, before)


def mean(values: dict[str, float]) -> dict[str, float]:
    """Average each value over the processes."""
    of_all = gather_objects(values)
    return {name: fmean(own[name] for own in of_all) for name in values}
