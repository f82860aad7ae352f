"""Copies of this process that may be killed, several that train together, and a fresh interpreter."""

import os
import signal
import socket
import subprocess
import sys
import traceback
import warnings


def start(work, *, seconds=300, **environment):
    """Run `work()` in a copy of this process; return its id. One that hangs is ended after some time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns if there are other threads
        pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        signal.alarm(seconds)
        os.environ.update({name: str(value) for name, value in environment.items()})
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def end(pid):
    """Wait for a copy; return its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run(work):
    return end(start(work))


def run_together(work, count):
    """Run `work` in several copies that are numbered as torchrun numbers them; return their exit codes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [end(pid) for pid in [start(work, RANK=i, LOCAL_RANK=i, **common) for i in range(count)]]


def kill_me(*args, **kwargs):
    """What `kill -9` and the loss of power do."""
    os.kill(os.getpid(), signal.SIGKILL)


def python(code):
    """What the code prints in an interpreter of its own."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
