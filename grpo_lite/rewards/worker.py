"""A helper process that answers questions: for work on hostile text, which must not end or stall this process."""

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
import time
from importlib.resources import files
from typing import Any


class Worker:
    """One process, started when the first question comes and again after it died or was too slow.

    Questions and answers are lines of JSON. It needs no event loop and no signal, so that it works in threads and in
    notebooks. After a fork the copy starts its own process; each ends with the one it serves.

    Args:
        script: the file in `judges` that it runs. It prints "ready", then one line for each line that it reads. It is
            started without the package, so that torch is not loaded, and sees none of the user's environment variables.
    """

    def __init__(self, script: str):
        self._script = str(files("grpo_lite.rewards.judges") / script)
        self._process: Any = None  # a Popen with two pipes
        self._forget()
        if hasattr(os, "register_at_fork"):  # Windows has no fork
            os.register_at_fork(after_in_child=self._forget)
        atexit.register(self._end)

    def ask(self, question: object, seconds: float, late: Any = None) -> Any:
        """Return the answer, `late` if it takes longer than so many seconds, None if the process dies over it twice."""
        line = json.dumps(question).encode() + b"\n"
        with self._lock:
            try:
                for _ in range(2):  # once more, if something else ended the process
                    if self._process is None or self._process.poll() is not None:
                        self._start()
                    begin = time.monotonic()
                    if answer := self._exchange(line, seconds):
                        return json.loads(answer)
                    if self._end() == -getattr(signal, "SIGVTALRM", 0) or time.monotonic() - begin >= seconds:
                        return late
                return None
            except BaseException:  # an interrupt: what is still to come would be taken for the next question's answer
                self._end()
                raise

    def _exchange(self, line: bytes, seconds: float) -> bytes:
        """Write a question and read a line, which is empty if the process ends before."""
        process = self._process
        clock = threading.Timer(seconds, process.kill)
        clock.daemon = True
        clock.start()
        try:
            while line:  # a write that a signal interrupts may write a part
                line = line[process.stdin.write(line) :]
            answer = process.stdout.readline()
        except OSError:  # it has ended
            answer = b""
        clock.cancel()
        return answer if answer.endswith(b"\n") else b""

    def _start(self) -> None:
        self._end()
        path = os.pathsep.join(folder for folder in sys.path if folder)  # "" is the folder that one stands in
        needed = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}  # by Python on Windows
        self._process = subprocess.Popen(
            [sys.executable, self._script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": path, **needed},
            bufsize=0,  # a copy of this process must not write what it found in a buffer
        )
        if self._process.stdout.readline().strip() != b"ready":
            self._end()
            raise OSError(f"{self._script} must start in a process of its own, see its error above")

    def _end(self) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        with process:  # which waits and closes the pipes
            process.kill()
        return process.returncode

    def _forget(self) -> None:
        """Let go of what belongs to the process that this one was forked from."""
        self._lock = threading.Lock()  # another thread may have held it
        if self._process is not None:
            self._process.returncode = 0  # not ours to wait for
            self._process.stdin.close()
            self._process.stdout.close()
            self._process = None
