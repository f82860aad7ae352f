"""A helper process that answers questions: for work on hostile text, which must not end or stall this process."""

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from importlib.resources import files
from typing import Any


class Worker:
    """One process, started when the first question comes and again after it died or was too slow.

    Questions and answers are lines of JSON. It needs no event loop, no signal and no thread of its own, so that it
    works in threads and in notebooks. After a fork the copy starts its own process; each ends with the one it serves.

    Args:
        script: the file in `judges` that it runs. It prints "ready", then one line for each line that it reads. It is
            started without the package, so that torch is not loaded, and sees none of the user's environment variables.
    """

    def __init__(self, script: str):
        self._script = str(files("grpo_lite.rewards.judges") / script)
        self._process: subprocess.Popen | None = None
        self._forget()
        if hasattr(os, "register_at_fork"):  # Windows has no fork
            os.register_at_fork(after_in_child=self._forget)
        atexit.register(self._end)

    def ask(self, question: object, seconds: float) -> Any:
        """Return the answer, or None if the process died over the question or took longer than so many seconds."""
        line = json.dumps(question)
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()
            try:
                self._socket.settimeout(seconds)
                self._stream.write(f"{line}\n")
                self._stream.flush()
                return json.loads(self._stream.readline())
            except (OSError, ValueError):  # too late; gone; gone in the middle of a line
                self._end()
                return None
            except BaseException:  # an interrupt: the answer would otherwise be taken for that of the next question
                self._end()
                raise

    def _start(self) -> None:
        self._end()
        self._socket, theirs = socket.socketpair()
        self._stream = self._socket.makefile("rw", encoding="utf-8")
        path = os.pathsep.join(folder for folder in sys.path if folder)  # "" is the folder that one stands in
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", self._script],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                env={"PYTHONPATH": path},
            )
        if self._stream.readline() != "ready\n":
            self._end()
            raise OSError(f"{self._script} must start in a process of its own, see its error above")

    def _end(self) -> None:
        if self._process is not None:
            self._process.terminate()  # and not kill at once: it may have a folder to remove or a process to end
            try:
                self._process.wait(2.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            with suppress(OSError):  # a question that the process did not live to read
                self._stream.close()
            self._socket.close()
            self._process = None

    def _forget(self) -> None:
        """Let go of what belongs to the process that this one was forked from."""
        self._lock = threading.Lock()  # another thread may have held it
        if self._process is not None:
            self._process.returncode = 0  # not ours to wait for
            self._socket.close()
            self._process = None
