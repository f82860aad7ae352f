"""The helper process by itself: one that does not start, hangs, or is interrupted."""

import signal
import time

import pytest

from grpo_lite.rewards.worker import Worker

ECHO = "import signal, sys\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('ready', flush=True)\n" + (
    "for line in sys.stdin: print(line, end='', flush=True)"
)


@pytest.fixture
def worker(tmp_path):
    script = tmp_path / "echo.py"
    script.write_text(ECHO)
    worker = Worker(str(script))
    assert worker.ask(1, 30.0) == 1
    yield worker
    worker._end()


def test_one_that_does_not_start_says_so(tmp_path, capfd):
    script = tmp_path / "broken.py"
    script.write_text("raise ValueError('the reason')")
    with pytest.raises(OSError, match=r"broken.py must start in a process of its own, see its error above"):
        Worker(str(script)).ask("question", 1.0)
    assert "the reason" in capfd.readouterr().err


def test_one_that_hangs_is_replaced(worker):
    hanging = worker._process
    hanging.send_signal(signal.SIGSTOP)
    assert worker.ask(2, 0.2, "late") == "late"
    assert hanging.poll() is not None
    assert worker.ask(3, 30.0) == 3


def test_an_interrupt_leaves_no_answer_for_the_next_question(worker, monkeypatch):
    monkeypatch.setattr(worker._process, "stdout", _Interrupted(worker._process.stdout))
    with pytest.raises(KeyboardInterrupt):
        worker.ask(2, 30.0)
    monkeypatch.undo()
    assert worker.ask(3, 30.0) == 3


class _Interrupted:
    """A stream on which Ctrl-C is pressed while the answer is awaited."""

    def __init__(self, stream):
        self.close = stream.close

    def readline(self):
        raise KeyboardInterrupt


def test_ctrl_c_in_the_terminal_reaches_it_and_does_not_end_it(worker):
    before = worker._process
    before.send_signal(signal.SIGINT)
    time.sleep(0.2)
    assert worker.ask(2, 30.0) == 2
    assert worker._process is before
