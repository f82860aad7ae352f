"""What a person at a terminal sees and presses while a run goes on, and what a run says that went wrong."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from grpo_lite.training import distributed
from grpo_lite.training.checkpoint import resume_hint
from grpo_lite.training.config import GRPOConfig


@contextmanager
def progress_bar(args: GRPOConfig, step: int) -> Iterator[Callable[[dict], None]]:
    """A line that moves, in a terminal; a notebook's page would keep each of its states."""
    from tqdm import tqdm

    hide = True if distributed.rank() > 0 else args.disable_tqdm
    with tqdm(total=args.max_steps, initial=step, disable=hide, unit="step") as bar:

        def show(record: dict) -> None:
            scores = {name[8:]: x for name, x in record.items() if name.startswith("rewards/")}
            bar.set_postfix({"reward": record["reward"], **scores}, refresh=False)
            bar.update()

        yield show


@contextmanager
def ctrl_c() -> Iterator[Callable[[], bool]]:
    """Note the first Ctrl-C, so that the step can be finished; the second one stops at once."""
    pressed: list[int] = []

    def note(number, frame):
        if pressed:
            raise KeyboardInterrupt
        pressed.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False  # only the main thread may handle signals
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def naming_the_step(trainer) -> Iterator[None]:
    """Say at which step numbers stopped to be finite, and where the run can go on."""
    try:
        yield
    except FloatingPointError as error:
        hint = resume_hint(trainer.args.output_dir)
        raise FloatingPointError(f"step {trainer.step + 1}: {error} ({hint})") from error
