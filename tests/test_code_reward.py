"""The reward for programs: which text is the program, what is paid, and everything that a hostile program may try."""

import json
import os
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psutil
import pytest

from grpo_lite import code_reward, score_completions
from grpo_lite.rewards.programs import run_program
from grpo_lite.rewards.text import extract_program

CASES = [{"args": [1], "expected": 2}]
GOOD = "def f(x):\n    return x + 1"
MARK = "grpo_lite_was_here"


# A completion, what it must define, and the program.
BLOCKS = [
    ("```python\na\n```", None, "a"),
    ("```py\na\n```", None, "a"),
    ("```Python\na\n```", None, "a"),
    ("```python3\na\n```", None, "a"),
    ("``` python\na\n```", None, "a"),
    ("```python title=\"a.py\"\na\n```", None, "a"),
    ("```{python}\na\n```", None, "a"),
    ("```{.python}\na\n```", None, "a"),
    ("~~~python\na\n~~~", None, "a"),
    ("~~~\na\n~~~", None, "a"),
    ("````python\na\n```\nb\n````", None, "a\n```\nb"),
    ("Text\n  ```python  \na\n\nb\n  ```\nmore text", None, "a\n\nb"),
    ("1. So:\n\n   ```python\n   def f(x):\n       return x\n   ```", None, "def f(x):\n    return x"),
    ("1. ```python\n   def f(x):\n       return x\n   ```", None, "def f(x):\n    return x"),
    ("- ```python\n  a\n  ```", None, "a"),
    ("\t```python\n\ta\n\t```", None, "a"),
    ("> ```python\n> a\n> ```\n\n```python\nb\n```", None, "b"),
    ("- ```python\n  a\n- ```\n\n```python\nb\n```", None, "b"),
    ("```python\ndef f():\n    s = \"\"\"\n    ```\n    \"\"\"\n```", None,
     "def f():\n    s = \"\"\"\n    ```\n    \"\"\""),
    ("```python\na\n```\n```python\nb\n```", None, "b"),  # the last block counts
    ("```python\na\n```\n```python\nb", None, "b"),  # also when it is cut off
    ("```python\na\n```\n```json\n{}\n```", None, "a"),
    ("```python\na\n```\nIt prints\n```\n5\n```", None, "a"),
    ("```cpp\na\n```", None, None),
    ("<think>\n```python\na\n```\n</think>\n```python\nb\n```", None, "b"),
    ("<think>\n```python\na\n```\n</think>\nIt is clear.", None, None),  # a draft is no answer
    ("<think>\n```python\na\n```", None, None),
    ("</think><think>\n```python\na\n```", None, None),
    ("```python\r\na\r\n```\r\n", None, "a"),
    ("```\na\n```", None, "a"),
    ("```python a```", None, None),
    ("def f(x): return 2", None, None),
    ("```python\n```", None, ""),
    ("", None, None),
    # The block that defines what is to be called, and not an example of its use.
    ("```python\ndef f(x): return 1\n```\n```python\nprint(f(1))\n```", "f", "def f(x): return 1"),
    ("```python\nf = abs\n```\n```python\nf(1) == 1\n```", "f", "f = abs"),
    ("```python\nf: int = abs\n```\n```python\ng = f\n```", "f", "f: int = abs"),
    ("```python\ndef f(x): 1\n```\n```python\ndef f(x): 2\n```", "f", "def f(x): 2"),
    ("```python\ndef f(x): 1\n```\n```python\ndef fg(x): 2\n```", "f", "def f(x): 1"),
    ("```python\nclass Solution:\n    def f(self): 1\n```\n```python\nSolution().f()\n```", "Solution().f",
     "class Solution:\n    def f(self): 1"),
    ("```python\nclass Solution:\n    def f(self): 1\n```\n```python\nx = 1\n```", "f",
     "class Solution:\n    def f(self): 1"),
    ("```python\na\n```\n```python\nb\n```", "f", "b"),
    ("```\ndef f(x): 1\n```\n```\n5\n```", "f", "def f(x): 1"),
]  # fmt: skip

# What is tried, the program, and its status, several where the details of Python decide. f(1) should be 2. "ok" stands
# where a program only changes its own world: it has said 2, in whatever way. CANARY stands for the path of a file, MARK
# for the name of a file that must not come to be.
ATTACKS = [
    ("endless loop", "def f(x):\n    while True: pass", "timeout"),
    ("endless loop on import", "while True: pass", "timeout"),
    ("loop that catches everything", """
def f(x):
    while True:
        try:
            while True: pass
        except BaseException: pass""", "timeout"),
    ("sleep", "import time\ndef f(x): time.sleep(1000)", "wrong"),
    ("endless iterator", "import itertools\ndef f(x): return sum(itertools.count())", "timeout"),
    ("fork bomb", "import os\ndef f(x):\n    while True: os.fork()", "error"),
    ("subprocess", "import subprocess\ndef f(x): subprocess.run(['touch', 'MARK'])", "error"),
    ("os.system", "import os\ndef f(x): os.system('touch MARK')", "error"),
    ("multiprocessing", "import multiprocessing as m\ndef f(x): m.Process(target=f).start()", "error"),
    ("growing list", "def f(x):\n    a = []\n    while True: a.append('x' * 10**7)", "error"),
    ("one huge list", "def f(x): return [0] * 10**10", "error"),
    ("one huge string", "def f(x): return 'x' * 10**12", "error"),
    ("list that multiplies", "def f(x):\n    a = [0]\n    while True: a = a * 1000", "error"),
    ("deep recursion", "def f(x): return f(x)", "error"),
    ("recursion limit lifted", "import sys\nsys.setrecursionlimit(10**9)\ndef f(x): return f(x)",
     "error"),
    ("recursion in sorted", "def f(x): return sorted([1, 2], key=f)", "error"),
    ("recursion in repr", "class A:\n    def __repr__(self): return repr(self)\ndef f(x): return repr(A())",
     "error"),
    ("prints without end", "def f(x):\n    while True: print('x' * 10**6)", "error"),
    ("prints gigabytes at once", "def f(x):\n    print('x' * 10**8)\n    return 2", "error"),
    ("catastrophic regex", "import re\ndef f(x): return re.match(r'(a+)+\\1b', 'a' * 60)", "timeout"),
    ("tower of powers", "def f(x): return 9 ** 9 ** 9", "timeout"),
    ("slow power", "def f(x): return 7 ** (4 * 10**7) % 10", "timeout"),
    ("huge integer returned", "def f(x): return 10 ** 5000", "error"),
    ("reads a file", "def f(x): return open('CANARY').read()", "error"),
    ("reads by pathlib", "from pathlib import Path\ndef f(x): return Path('CANARY').read_text()", "error"),
    ("reads by os.open", "import os\ndef f(x): return os.open('CANARY', os.O_RDONLY)", "error"),
    ("climbs out of the library", """
import os
def f(x): return open(os.path.dirname(os.__file__) + '/../../../../../../../..' + 'CANARY').read()""",
     "error"),
    ("overwrites a file", "def f(x):\n    open('CANARY', 'w').write('gone')", "error"),
    ("creates a file", "def f(x):\n    open('MARK', 'w').write('x')", "error"),
    ("creates a file in tmp", "def f(x):\n    open('/tmp/MARK', 'w').write('x')", "error"),
    ("removes a file", "import os\ndef f(x): os.remove('CANARY')", "error"),
    ("removes a folder", "import shutil, os\ndef f(x): shutil.rmtree(os.path.dirname('CANARY'))",
     "error"),
    ("lists a folder", "import os\ndef f(x): return os.listdir('/')", "error"),
    ("makes a link", "import os\ndef f(x): os.symlink('CANARY', 'MARK')", "error"),
    ("reads the environment", "import os\ndef f(x): return os.environ['HOME']", "error"),
    ("changes the environment", "import os\ndef f(x):\n    os.environ['GRPO_CANARY'] = 'gone'\n    return 2",
     "ok"),
    ("network", "import socket\ndef f(x): return socket.create_connection(('127.0.0.1', 22)).recv(9)",
     "error"),
    ("download", "import urllib.request as u\ndef f(x): return u.urlopen('http://127.0.0.1').status",
     "error"),
    ("exit", "import sys\ndef f(x): sys.exit(0)", "error"),
    ("raises SystemExit", "raise SystemExit(0)", "error"),
    ("raises KeyboardInterrupt", "def f(x): raise KeyboardInterrupt", "error"),
    ("os._exit", "import os\ndef f(x): os._exit(0)", "error"),
    ("kills its parent", "import os, signal\ndef f(x): os.kill(os.getppid(), signal.SIGKILL)", "error"),
    ("kills its group", "import os, signal\ndef f(x): os.killpg(0, signal.SIGKILL)", "error"),
    ("ignores signals", "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass",
     "timeout"),
    ("patches builtins", "import builtins\nbuiltins.len = lambda x: 2\ndef f(x): return len([])", "ok"),
    ("patches the comparison", "import math\nmath.isclose = lambda *a, **k: True\ndef f(x): return 3.0",
     "wrong"),
    ("patches json", "import json\njson.dumps = lambda *a, **k: '2'\ndef f(x): return 3", "wrong"),
    ("patches the checker", "from grpo_lite.rewards import programs\nprograms.run_program = None\ndef f(x): return 3",
     "error"),
    ("reads the stack", "import sys\ndef f(x): return sys._getframe(1).f_locals['expected']", "error"),
    ("reads the stack of an error", """
def f(x):
    try: 1 / 0
    except Exception as e: return e.__traceback__.tb_frame.f_back.f_locals['expected']""", "error"),
    ("reads all objects", "import gc\ndef f(x): return [o for o in gc.get_objects() if 'expected' in repr(o)][0]",
     "wrong/error"),
    ("reads globals", "def f(x): return globals()['cases'][0]['expected']", "error"),
    ("reads the arguments of the case", "def f(x): return _arguments_", "error"),
    ("reads stdin", "def f(x): return input()", "error"),
    ("always equal", "class A:\n    def __eq__(self, other): return True\ndef f(x): return A()", "error"),
    ("always equal, as a str", "class A(str):\n    def __eq__(self, other): return True\ndef f(x): return A('3')",
     "wrong"),
    ("always equal, as a float", "class A(float):\n    def __eq__(self, other): return True\ndef f(x): return A(3)",
     "wrong"),
    ("True for 1 and more", "def f(x): return True", "wrong"),
    ("nan", "def f(x): return float('nan')", "wrong"),
    ("text for a number", "def f(x): return '2'", "wrong"),
    ("list that holds itself", "def f(x):\n    a = []\n    a.append(a)\n    return a", "error"),
    ("very deep list", "def f(x):\n    a = []\n    for _ in range(10**5): a = [a]\n    return a", "error"),
    ("list that shares itself", "def f(x):\n    a = [0]\n    for _ in range(60): a = [a, a]\n    return a",
     "timeout"),
    ("slow hash", "def f(x):\n    a = (0,)\n    for _ in range(40): a = (a, a)\n    return {a: 1}", "error"),
    ("long list returned", "def f(x): return list(range(3 * 10**5))", "wrong"),
    ("generator returned", "def f(x):\n    yield 2", "error"),
    ("function returned", "def f(x): return f", "error"),
    ("threads", "import threading\ndef f(x):\n    threading.Thread(target=f).start()\n    return 3",
     "error"),
    ("imports by name", "def f(x): return __import__('os').getcwd()", "wrong"),
    ("imports through a class", "def f(x): return ().__class__.__base__.__subclasses__()", "error"),
    ("C library", "import ctypes\ndef f(x): ctypes.string_at(0)", "error"),
    ("eval of an attack", "def f(x): return eval('open(\"CANARY\").read()')", "error"),
    ("look-alike letters", "def ｆ(x): return ｏpen('CANARY').read()", "error"),
    ("text that turns back", "def f(x): return 3  # \u202e } 2 nruter", "wrong"),
    ("null byte", "def f(x): return 2\0", "error"),
    ("half a surrogate pair", "def f(x): return '\ud800'", "error"),
    ("deep brackets", "x = " + "(" * 10**5 + ")" * 10**5, "error"),
    ("deep brackets in eval", "def f(x): return eval('(' * 10**5)", "error"),
    ("deep blocks", "\n".join(" " * i + "if 1:" for i in range(1000)), "error"),
    ("many minus signs", "x = " + "-" * 10**5 + "1", "error"),
    ("huge literal", "x = " + "9" * 10**6, "error"),
    ("swallows the call", "def f(x): return 3\ny = \\", "error"),
    ("opens a string", "def f(x): return 3\ny = '''", "error"),
    ("forges the answer", "import os\nfor fd in range(9):\n    try: os.write(fd, b'ok 2')\n    except OSError: pass",
     "error"),
    ("comment that names a method", "def f(x): return 3  # def __len__", "wrong"),
    ("return outside of a function", "return 2\ndef f(x): return 2", "error"),
    ("reads main's variables",
     "import __main__\n__main__.LIBRARY = '/'\ndef f(x): return open('CANARY').read()", "error"),
    ("path in a subclass of str", "class P(str): pass\ndef f(x): return open(P('CANARY')).read()", "error"),
    ("path in an object",
     "class P:\n    def __fspath__(self): return 'CANARY'\ndef f(x): return open(P()).read()", "error"),
    ("path as bytes", "def f(x): return open(b'CANARY').read().decode()", "error"),
    ("FileIO", "import io\ndef f(x): return io.FileIO('CANARY').read().decode()", "error"),
    ("the posix module", "import posix\ndef f(x): return posix.open('CANARY', 0)", "error"),
    ("a fresh posix module", """
import importlib.machinery, importlib.util
def f(x):
    spec = importlib.machinery.BuiltinImporter.find_spec('posix')
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    return fresh.open('CANARY', 0)""", "error"),
    ("reloads os and time", """
import importlib, os, time
importlib.reload(time)
importlib.reload(os)
def f(x): return os.listdir('/')""", "error"),
    ("sleeps for real", """
import importlib.machinery, importlib.util
def f(x):
    spec = importlib.machinery.BuiltinImporter.find_spec('time')
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    fresh.sleep(1000)""", "error"),
    ("sqlite", """
import sqlite3
def f(x): return sqlite3.connect('MARK').execute('select 1').fetchone()[0]""", "error"),
    ("named pipe", "import os\ndef f(x):\n    os.mkfifo('MARK')\n    return 2", "error"),
    ("shared memory", """
from multiprocessing import shared_memory
def f(x): return shared_memory.SharedMemory('MARK', True, 9).size""", "error"),
    ("memory map", "import mmap\ndef f(x): return len(mmap.mmap(-1, 10**6))", "error"),
    ("reads /proc", "def f(x): return open('/proc/self/environ').read()", "error"),
    ("lists descriptors", "import os\ndef f(x): return os.listdir('/proc/self/fd')", "error"),
    ("reads descriptors", "import os\ndef f(x): return [os.read(fd, 99) for fd in range(3, 99)]", "error"),
    ("reads arguments of the process", "import sys\ndef f(x): return sys.argv + sys.orig_argv", "wrong"),
    ("environment", "import os\ndef f(x): return dict(os.environ)", "wrong"),
    ("imports the world", """
import wit_world
def f(x): return [n for n in dir(wit_world) if n[0] != '_'][0] == 'run'""", "wrong"),
    ("imports the runtime", "import componentize_py_runtime as r\ndef f(x): return r.call_import(0, (), 0)", "error"),
    ("patches the guest", """
import sandbox_guest
sandbox_guest.dumps = sandbox_guest.call = lambda *a: 'forged'
def f(x): return 3""", "wrong"),
    ("grows memory bit by bit", "def f(x):\n    a = bytearray()\n    while True: a += b'x' * 1000", "error"),
    ("grows memory by recursion", """
import sys
sys.setrecursionlimit(10**9)
def f(x, a=()): return f(x, (a, bytes(10**5)))""", "error"),
    ("copies memory without end", "a = bytearray(8 * 10**7)\ndef f(x):\n    while True: b = a[:]", "timeout"),
    ("fills memory without end", "def f(x):\n    while True: b = bytes(10**8)", "timeout"),
    ("huge integer to text",
     "import sys\nsys.set_int_max_str_digits(0)\ndef f(x): return len(str(1 << 10**7))", "ok/wrong/timeout/error"),
    ("huge integer from text",
     "import sys\nsys.set_int_max_str_digits(0)\ndef f(x): return int('9' * 10**7)", "timeout/error"),
    ("huge integer returned in full",
     "import sys\nsys.set_int_max_str_digits(0)\ndef f(x): return 10 ** 10**5", "error/wrong"),
    ("regex bomb", "import re\ndef f(x): return bool(re.match('(a|aa)+$', 'a' * 99 + 'b'))", "timeout"),
    ("comparison that never ends", """
class A:
    def __lt__(self, o):
        while True: pass
def f(x): return sorted([A(), A()])""", "timeout"),
    ("generator that never ends", "def g():\n    while True: yield 1\ndef f(x): return list(g())", "error/timeout"),
    ("generator that refuses to close", """
def g():
    while True:
        try: yield 1
        except GeneratorExit: pass
h = g(); next(h)
def f(x): return 3""", "wrong"),
    ("finaliser that never ends", """
class A:
    def __del__(self):
        while True: pass
def f(x):
    A()
    return 2""", "timeout"),
    ("finaliser at the end", """
class A:
    def __del__(self):
        while True: pass
a = A()
a.me = a
def f(x): return 3""", "wrong"),
    ("exit handler", """
import atexit
def forever():
    while True: pass
atexit.register(forever)
def f(x): return 3""", "wrong"),
    ("recursion in eq", "class A:\n    def __eq__(self, o): return self == o\ndef f(x): return A() == A()", "error"),
    ("recursion in getattr", """
class A:
    def __getattr__(self, n): return getattr(self, n + 'x')
def f(x): return A().y""", "error"),
    ("recursion in hash",
     "class A:\n    def __hash__(self): return hash((self,))\ndef f(x): return {A(): 1}", "error"),
    ("recursion in an error's text",
     "class E(Exception):\n    def __str__(self): return str(self)\ndef f(x): raise E", "error"),
    ("error whose text never ends",
     "class E(Exception):\n    def __str__(self):\n        while True: pass\ndef f(x): raise E", "timeout"),
    ("error whose text is huge", "def f(x): raise ValueError('x' * 10**8)", "error"),
    ("error whose text passes for an answer",
     "class E(Exception): pass\nE.__name__ = '+2'\ndef f(x): raise E('\\n+2')", "error"),
    ("half a surrogate pair in an error", "def f(x): raise ValueError('\\ud800')", "error"),
    ("half a surrogate pair returned", "def f(x): return '\\ud800'", "wrong"),
    ("prints an answer", "print(2)\nprint('+2')\ndef f(x): print(2)", "wrong"),
    ("writes an answer", """
import sys
def f(x):
    sys.stdout.write('+2')
    sys.__stdout__.flush()
    raise SystemExit(0)""", "error"),
    ("bool in a subclass of int", "class A(int): pass\ndef f(x): return A(3)", "wrong"),
    ("int whose text is another", """
class A(int):
    def __repr__(self): return '2'
    __str__ = __repr__
def f(x): return A(3)""", "wrong"),
    ("str whose text is another",
     "class A(str):\n    def __str__(self): return 'two'\ndef f(x): return A('3')", "wrong"),
    ("list that lies", """
class A(list):
    def __iter__(self): return iter([2])
    def __eq__(self, o): return True
def f(x): return A()""", "wrong"),
    ("dict that lies", """
class A(dict):
    def __eq__(self, o): return True
    def items(self): return [('a', 2)]
def f(x): return A()""", "wrong"),
    ("dict with keys of one name", "def f(x): return {'2': 1, 2: 2}", "wrong"),
    ("dict with a nan key", "def f(x): return {float('nan'): 2}", "wrong"),
    ("dict that holds itself", "def f(x):\n    d = {}\n    d['d'] = d\n    return d", "error"),
    ("complex number", "def f(x): return 2 + 0j", "error"),
    ("bytes", "def f(x): return b'2'", "error"),
    ("looks for later arguments", """
import gc
def f(x): return [o for o in gc.get_objects() if isinstance(o, dict) and 'args' in o][0]""", "error"),
    ("looks into the frames", """
import sys
def f(x):
    frame = sys._getframe()
    while frame:
        if 'expected' in frame.f_locals: return frame.f_locals['expected']
        frame = frame.f_back""", "wrong"),
    ("traces", """
import sys
def f(x):
    sys.settrace(lambda *a: (_ for _ in ()).throw(SystemExit))
    return f(x)""", "error"),
    ("swallows every error",
     "def f(x):\n    while True:\n        try: return f(x)\n        except BaseException: pass", "timeout/error"),
    ("many threads", "import threading\ndef f(x):\n    while True: threading.Thread(target=print).start()", "timeout"),
    ("lock that is never free", """
import threading
def f(x):
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()""", "error"),
    ("queue that stays empty", "import queue\ndef f(x): return queue.Queue().get()", "error"),
    ("asks for random numbers", "import os\ndef f(x): return len(os.urandom(10**10))", "error"),
    ("unpickles", "import pickle\ndef f(x): return pickle.loads(b'cos\\nsystem\\n(S\"touch MARK\"\\ntR.')", "error"),
    ("code object by hand",
     "def f(x):\n    c = f.__code__.replace(co_code=b'\\x64\\xff' * 99)\n    return exec(c)", "error"),
    ("frees what is used", "import ctypes\ndef f(x): return ctypes.pythonapi.Py_DecRef(None)", "error"),
    ("deep tuple of slices", "def f(x): return eval('[' * 150 + ']' * 150)", "error"),
    ("unicode bomb", "def f(x): return '\\ufdfa' * 10**8", "error/timeout"),
    ("expands text without end", "def f(x):\n    s = 'a'\n    while True: s = s.replace('a', 'aa')", "timeout/error"),
    ("decompresses",
     "import zlib\ndef f(x): return len(zlib.decompress(zlib.compress(bytes(10**8)) * 1))", "timeout/error/wrong"),
]  # fmt: skip


@pytest.fixture
def host(monkeypatch, tmp_path):
    """A file, a variable and a folder that must stay what they are, and no process that must stay behind."""
    canary = tmp_path / "canary.txt"
    canary.write_text("alive")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRPO_CANARY", "alive")
    run_program(GOOD, "f", CASES)
    before = processes()
    yield canary
    assert canary.read_text() == os.environ["GRPO_CANARY"] == "alive"
    assert os.listdir(tmp_path) == ["canary.txt"]
    assert not [folder for folder in (tempfile.gettempdir(), "/tmp", "/", Path.home()) if Path(folder, MARK).exists()]
    assert processes() <= before


def processes():
    """How many of each program this process has started, directly or not; a worker may be a new one."""
    return Counter(child.name() for child in psutil.Process().children(recursive=True))


@pytest.mark.parametrize(("code", "status"), [pytest.param(row[1], row[2], id=row[0]) for row in ATTACKS])
def test_attack(code, status, host):
    code = code.replace("CANARY", str(host)).replace("MARK", MARK)
    assert run_program(code, "f", CASES, seconds=0.2).status in status.split("/")
    assert run_program(GOOD, "f", CASES) == ("ok", 1.0, "")  # the next program is judged as ever


@pytest.mark.parametrize(("text", "entry_point", "program"), BLOCKS)
def test_which_text_is_the_program(text, entry_point, program):
    assert extract_program(text, entry_point) == program


def test_a_hostile_megabyte_is_cut_in_no_time():
    assert extract_program("```python\n" * 10**5, "f") == "```python\n" * (10**5 - 1)
    assert extract_program("```python\ndef g\n```\n" * 10**4 + "1. " * 10**5, "f") == "def g"
    assert extract_program("<think></think>" * 10**5) is None


def block(code):
    return f"```python\n{code}\n```"


HALF = "def f(x): return 2"  # right for 1 and wrong for 2
TWO = [*CASES, {"args": [2], "expected": 3}]


def test_all_tests_pass_or_nothing_is_paid():
    texts = [block(GOOD), block(HALF), block("def f(x): return x"), block("def g(x): return x"), "2"]
    assert code_reward(texts, tests=[TWO] * 5, entry_point=["f"] * 5) == [1.0, 0.0, 0.0, 0.0, 0.0]
    share = partial(code_reward, partial_credit=True)
    assert share(texts, tests=[TWO] * 5, entry_point=["f"] * 5) == [1.0, 0.5, 0.0, 0.0, 0.0]


def test_a_row_of_another_task_gets_none():
    assert code_reward([block(GOOD), "9"], tests=[CASES, None], entry_point=["f", None]) == [1.0, None]


def test_a_program_that_reads_and_prints():
    texts = [block("print(int(input()) + 1)"), block("print(input())"), block(GOOD)]
    script = [{"input": "1", "output": "2"}]
    assert code_reward(texts, tests=[script] * 3) == [1.0, 0.0, 0.0]
    # A mixed data set: its rows say which they are.
    assert code_reward(texts, tests=[script, script, CASES], entry_point=["", None, "f"]) == [1.0, 0.0, 1.0]
    columns = '{"inputs": ["1\\n", "5\\n"], "outputs": ["2\\n", "6\\n"]}'
    assert code_reward(texts[:1], tests=[columns]) == [1.0]


def test_rows_of_apps_and_taco_name_their_function():
    tests = '{"fn_name": "f", "inputs": [[1], [2]], "outputs": [2, 3]}'
    draft = f"{block(GOOD)}\nFor example:\n{block('f(1)')}"
    texts = [draft, block("class Solution:\n    def f(self, x): return x + 1"), block(HALF)]
    assert code_reward(texts, [tests] * 3) == [1.0, 1.0, 0.0]
    assert code_reward([block("def g(x): return x + 1")] * 2, [tests] * 2, ["g", None]) == [1.0, 0.0]
    wrapped = {"fn_name": "f", "inputs": [[1]], "outputs": [[2]]}
    for body, paid in ("2", 1.0), ("[2]", 1.0), ("[[2]]", 0.0), ("3", 0.0):
        assert code_reward([block(f"def f(x): return {body}")], [wrapped]) == [paid]
    assert code_reward([block(HALF)], [[{"args": [1], "expected": [2]}]], ["f"]) == [0.0]  # wrapped nowhere else
    assert code_reward([block("print(2)")], [{"inputs": [""], "outputs": ["2"], "fn_name": None}]) == [1.0]


def test_threads_give_the_verdicts_of_one():
    bodies = ["x + 1", "x", "1 / 0", "[x for x in iter(int, 1)]", "sum(range(x * 1000))"]
    texts = [block(f"def f(x): return {bodies[n % 5]}") for n in range(50)]
    work = partial(code_reward, texts, [CASES] * 50, ["f"] * 50, seconds=0.02)
    alone = work()
    assert alone == [float(n % 5 == 0) for n in range(50)]
    with ThreadPoolExecutor(4) as pool:
        assert [task.result() for task in [pool.submit(work) for _ in range(4)]] == [alone] * 4


PROGRAMS = json.loads(Path(__file__).with_name("programs.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", PROGRAMS, ids=[row["name"] for row in PROGRAMS])
def test_a_right_program_is_paid(row):
    assert code_reward([block(row["program"])], [row["tests"]], ["f"]) == [1.0]


def test_the_tolerance_is_settable():
    tests, texts = [[{"args": [], "expected": 3.14159}]], [block("def f(): return 3.1416")]
    assert code_reward(texts, tests, ["f"]) == [0.0]
    assert code_reward(texts, tests, ["f"], rel_tol=1e-4) == [1.0]


def test_chats_json_text_and_the_whole_protocol():
    chat = [{"role": "assistant", "content": block(GOOD)}]
    columns = {"prompts": ["q"], "completion_ids": [[1]], "trainer_state": None, "log_extra": None}
    assert code_reward(completions=[chat], tests=['[{"args": [1], "expected": 2}]'], entry_point=["f"], **columns) == [
        1
    ]
    scores = score_completions(code_reward, ["q"], [chat], tests=[CASES], entry_point=["f"])
    assert scores.tolist() == [[1.0]]


def test_tests_survive_the_table_of_a_data_set():
    datasets = pytest.importorskip("datasets")
    rows = [{"tests": '[{"args": ["ab"], "expected": [1, "a"]}]', "entry_point": "f"}]
    table = datasets.Dataset.from_list([*rows, {"tests": None, "entry_point": None}])
    text = block("def f(x): return 1, x[0]")
    assert code_reward([text] * 2, tests=list(table["tests"]), entry_point=list(table["entry_point"])) == [1.0, None]
    assert code_reward([block(GOOD)], **datasets.Dataset.from_list([{"tests": CASES, "entry_point": "f"}])[:]) == [1.0]


FORMS = (
    r'cases must be a list of at least one \{"args": \[...\], "expected": ...\}, or of at least one \{"input": .*, got '
)
WRONG = [
    ({"tests": CASES + TWO}, r"^tests must be a list with one entry a completion \(1\), got 3 entries"),
    ({"tests": "[]"}, r"^tests must be a list with one entry a completion \(1\), got a str"),
    ({"tests": [[]]}, FORMS + r"\[\]"),
    ({"tests": [CASES[0]]}, FORMS + r"\{'args': \[1\], 'expected': 2\}"),
    ({"tests": [[{"args": 1, "expected": 2}]]}, FORMS),
    ({"tests": [[{"args": [1]}]]}, FORMS),
    ({"tests": [[{"input": "1", "output": 2}]]}, FORMS),
    ({"tests": [[*CASES, {"input": "1", "output": "2"}]]}, FORMS),
    ({"tests": [{"inputs": ["1", "2"], "outputs": ["2"]}]}, FORMS),
    ({"tests": [{"inputs": [], "outputs": []}]}, FORMS),
    ({"tests": [{"inputs": 3, "outputs": []}]}, FORMS),
    ({"tests": [{"inputs": [[1], [2]], "outputs": [2], "fn_name": "f"}]}, FORMS),
    ({"tests": [{"inputs": [["1"]], "outputs": ["2"]}]}, FORMS),
    ({"tests": [[CASES[0] | {"kwargs": {}}]]}, FORMS),
    ({"tests": ["assert f(1) == 2"]}, r"cases must be JSON, or made of what JSON has, got 'assert f\(1\) == 2'"),
    ({"tests": [[{"args": [{1}], "expected": 2}]]}, r"cases must be JSON, or made of what JSON has"),
    ({"tests": ["[" * 10**5]}, r"cases must be JSON, or made of what JSON has"),
    ({"entry_point": "f"}, r"^entry_point must be a list with one entry a completion \(1\), got a str"),
    ({"entry_point": ["f(1)"]}, r"^entry_point must be the name of a function, .*, got 'f\(1\)'"),
    ({"entry_point": ["lambda"]}, r"^entry_point must be the name of a function, .*, got 'lambda'"),
    ({"entry_point": ["Solution().class"]}, r"^entry_point must be the name of a function, .*, got 'Solution"),
    ({"entry_point": [None]}, r"^entry_point must be the name of a function, .*, got None"),
    ({"entry_point": None}, r"^entry_point must be the name of a function, .*, got None"),
    ({"seconds": 0}, r"^seconds must be above 0, got 0"),
    ({"seconds": float("inf")}, r"^seconds must lie between 0 and 3600, got inf"),
    ({"seconds": float("nan")}, r"^seconds must be above 0, got nan"),
    ({"seconds": "1"}, r"^seconds must be above 0, got '1'"),
    ({"rel_tol": -1e-6}, r"^rel_tol must lie between 0 and 1, got -1e-06"),
    ({"completions": "x"}, r"^completions must be a list"),
    ({"completions": [3]}, r"^a completion must be"),
]


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize(("wrong", "message"), WRONG)
def test_wrong_call(wrong, message):
    with pytest.raises(ValueError, match=message):
        code_reward(**{"completions": [block(GOOD)], "tests": [CASES], "entry_point": ["f"]} | wrong)
