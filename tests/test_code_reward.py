"""The reward for programs: which text is the program, what is paid, and everything that a hostile program may try."""

import os
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path

import psutil
import pytest

from grpo_lite import code_reward, score_completions
from grpo_lite.rewards.programs import extract_program, run_program

CASES = [{"args": [1], "expected": 2}]
GOOD = "def f(x):\n    return x + 1"
MARK = "grpo_lite_was_here"


BLOCKS = [
    ("```python\na\n```", "a"),
    ("```py\na\n```", "a"),
    ("Text\n  ```python  \na\n\nb\n  ```\nmore text", "a\n\nb"),
    ("```python\na\n```\n```python\nb\n```", "b"),  # the last block counts
    ("```python\na\n```\n```python\nb", None),  # also when it is cut off
    ("```python\na\n```\n```json\n{}\n```", "a"),
    ("<think>\n```python\na\n```\n</think>\n```python\nb\n```", "b"),
    ("<think>\n```python\na\n```\n</think>\nIt is clear.", None),  # a draft is no answer
    ("<think>\n```python\na\n```", None),
    ("</think><think>\n```python\na\n```", None),
    ("```python\r\na\r\n```\r\n", "a\r"),
    ("```\na\n```", None),
    ("```python a```", None),
    ("def f(x): return 2", None),
    ("```python\n```", ""),
    ("", None),
]

# What is tried, the program, its status, and its status in the fall-back; None where that one need not stop it. A
# slash stands where the speed of the machine decides. f(1) should be 2. CANARY stands for the path of a file, MARK for
# the name of a file that must not come to be.
ATTACKS = [
    ("endless loop", "def f(x):\n    while True: pass", "timeout", "timeout"),
    ("endless loop on import", "while True: pass", "timeout", "timeout"),
    ("loop that catches everything", """
def f(x):
    while True:
        try:
            while True: pass
        except BaseException: pass""", "timeout", "timeout"),
    ("sleep", "import time\ndef f(x): time.sleep(1000)", "wrong", "timeout"),
    ("endless iterator", "import itertools\ndef f(x): return sum(itertools.count())", "timeout", "timeout"),
    ("fork bomb", "import os\ndef f(x):\n    while True: os.fork()", "unsupported", "error"),
    ("subprocess", "import subprocess\ndef f(x): subprocess.run(['touch', 'MARK'])", "unsupported", "error"),
    ("os.system", "import os\ndef f(x): os.system('touch MARK')", "unsupported", "error"),
    ("multiprocessing", "import multiprocessing as m\ndef f(x): m.Process(target=f).start()", "unsupported", "error"),
    ("growing list", "def f(x):\n    a = []\n    while True: a.append('x' * 10**7)", "error", "error"),
    ("one huge list", "def f(x): return [0] * 10**10", "error", "error"),
    ("one huge string", "def f(x): return 'x' * 10**12", "error", "error"),
    ("list that multiplies", "def f(x):\n    a = [0]\n    while True: a = a * 1000", "error", "error"),
    ("deep recursion", "def f(x): return f(x)", "error", "error"),
    ("recursion limit lifted", "import sys\nsys.setrecursionlimit(10**9)\ndef f(x): return f(x)",
     "unsupported", "timeout/error"),
    ("recursion in sorted", "def f(x): return sorted([1, 2], key=f)", "error", "error"),
    ("recursion in repr", "class A:\n    def __repr__(self): return repr(self)\ndef f(x): return repr(A())",
     "error", "error"),
    ("prints without end", "def f(x):\n    while True: print('x' * 10**6)", "error", "timeout"),
    ("prints gigabytes at once", "def f(x):\n    print('x' * 10**8)\n    return 2", "error", "ok"),
    ("catastrophic regex", "import re\ndef f(x): return re.match(r'(a+)+\\1b', 'a' * 60)", "error", "timeout"),
    ("tower of powers", "def f(x): return 9 ** 9 ** 9", "error", "timeout"),
    ("slow power", "def f(x): return 7 ** (4 * 10**7) % 10", "timeout", "timeout"),
    ("huge integer returned", "def f(x): return 10 ** 5000", "error", "error"),
    ("reads a file", "def f(x): return open('CANARY').read()", "error", "error"),
    ("reads by pathlib", "from pathlib import Path\ndef f(x): return Path('CANARY').read_text()", "error", "error"),
    ("reads by os.open", "import os\ndef f(x): return os.open('CANARY', os.O_RDONLY)", "unsupported", "error"),
    ("climbs out of the library", """
import os
def f(x): return open(os.path.dirname(os.__file__) + '/../../../../../../../..' + 'CANARY').read()""",
     "unsupported", "error"),
    ("overwrites a file", "def f(x):\n    open('CANARY', 'w').write('gone')", "error", "error"),
    ("creates a file", "def f(x):\n    open('MARK', 'w').write('x')", "error", "error"),
    ("creates a file in tmp", "def f(x):\n    open('/tmp/MARK', 'w').write('x')", "error", "error"),
    ("removes a file", "import os\ndef f(x): os.remove('CANARY')", "error", "error"),
    ("removes a folder", "import shutil, os\ndef f(x): shutil.rmtree(os.path.dirname('CANARY'))",
     "unsupported", "error"),
    ("lists a folder", "import os\ndef f(x): return os.listdir('/')", "error", "error"),
    ("makes a link", "import os\ndef f(x): os.symlink('CANARY', 'MARK')", "unsupported", "error"),
    ("reads the environment", "import os\ndef f(x): return os.environ['HOME']", "error", "error"),
    ("changes the environment", "import os\ndef f(x):\n    os.environ['GRPO_CANARY'] = 'gone'\n    return 2",
     "error", "error"),
    ("network", "import socket\ndef f(x): return socket.create_connection(('127.0.0.1', 22)).recv(9)",
     "unsupported", "error"),
    ("download", "import urllib.request as u\ndef f(x): return u.urlopen('http://127.0.0.1').status",
     "unsupported", "error"),
    ("exit", "import sys\ndef f(x): sys.exit(0)", "unsupported", "error"),
    ("raises SystemExit", "raise SystemExit(0)", "error", "error"),
    ("raises KeyboardInterrupt", "def f(x): raise KeyboardInterrupt", "error", "error"),
    ("os._exit", "import os\ndef f(x): os._exit(0)", "unsupported", "error"),
    ("kills its parent", "import os, signal\ndef f(x): os.kill(os.getppid(), signal.SIGKILL)", "unsupported", "error"),
    ("kills its group", "import os, signal\ndef f(x): os.killpg(0, signal.SIGKILL)", "unsupported", "error"),
    ("ignores signals", "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass",
     "unsupported", "timeout"),
    ("patches builtins", "import builtins\nbuiltins.len = lambda x: 2\ndef f(x): return len([])", "unsupported", None),
    ("patches the comparison", "import math\nmath.isclose = lambda *a, **k: True\ndef f(x): return 3.0",
     "error", "wrong"),
    ("patches json", "import json\njson.dumps = lambda *a, **k: '2'\ndef f(x): return 3", "error", None),
    ("patches the checker", "from grpo_lite.rewards import programs\nprograms.run_program = None\ndef f(x): return 3",
     "error", "error"),
    ("reads the stack", "import sys\ndef f(x): return sys._getframe(1).f_locals['expected']", "unsupported", "error"),
    ("reads the stack of an error", """
def f(x):
    try: 1 / 0
    except Exception as e: return e.__traceback__.tb_frame.f_back.f_locals['expected']""", "unsupported", "error"),
    ("reads all objects", "import gc\ndef f(x): return [o for o in gc.get_objects() if 'expected' in repr(o)][0]",
     "unsupported", "wrong/error"),
    ("reads globals", "def f(x): return globals()['cases'][0]['expected']", "unsupported", "error"),
    ("reads the arguments of the case", "def f(x): return _arguments_", "wrong", "error"),
    ("reads stdin", "def f(x): return input()", "unsupported", "error"),
    ("always equal", "class A:\n    def __eq__(self, other): return True\ndef f(x): return A()", "error", "error"),
    ("always equal, as a str", "class A(str):\n    def __eq__(self, other): return True\ndef f(x): return A('3')",
     "unsupported", "wrong"),
    ("always equal, as a float", "class A(float):\n    def __eq__(self, other): return True\ndef f(x): return A(3)",
     "unsupported", "wrong"),
    ("True for 1 and more", "def f(x): return True", "wrong", "wrong"),
    ("nan", "def f(x): return float('nan')", "wrong", "wrong"),
    ("text for a number", "def f(x): return '2'", "wrong", "wrong"),
    ("list that holds itself", "def f(x):\n    a = []\n    a.append(a)\n    return a", "error", "error"),
    ("very deep list", "def f(x):\n    a = []\n    for _ in range(10**5): a = [a]\n    return a", "error", "error"),
    ("list that shares itself", "def f(x):\n    a = [0]\n    for _ in range(60): a = [a, a]\n    return a",
     "timeout/error", "timeout/error"),
    ("slow hash", "def f(x):\n    a = (0,)\n    for _ in range(40): a = (a, a)\n    return {a: 1}", "error", "timeout"),
    ("long list returned", "def f(x): return list(range(3 * 10**5))", "error", "error"),
    ("generator returned", "def f(x):\n    yield 2", "unsupported", "error"),
    ("function returned", "def f(x): return f", "error", "error"),
    ("threads", "import threading\ndef f(x):\n    threading.Thread(target=f).start()\n    return 3",
     "unsupported", "wrong"),
    ("imports by name", "def f(x): return __import__('os').getcwd()", "unsupported", "wrong"),
    ("imports through a class", "def f(x): return ().__class__.__base__.__subclasses__()", "unsupported", "error"),
    ("C library", "import ctypes\ndef f(x): ctypes.string_at(0)", "unsupported", "error"),
    ("eval of an attack", "def f(x): return eval('open(\"CANARY\").read()')", "error", "error"),
    ("look-alike letters", "def ｆ(x): return ｏpen('CANARY').read()", "error", "error"),
    ("text that turns back", "def f(x): return 3  # \u202e } 2 nruter", "wrong", "wrong"),
    ("null byte", "def f(x): return 2\0", "error", "error"),
    ("half a surrogate pair", "def f(x): return '\ud800'", "error", "error"),
    ("deep brackets", "x = " + "(" * 10**5 + ")" * 10**5, "error", "error"),
    ("deep brackets in eval", "def f(x): return eval('(' * 10**5)", "error", "error"),
    ("deep blocks", "\n".join(" " * i + "if 1:" for i in range(1000)), "error", "error"),
    ("many minus signs", "x = " + "-" * 10**5 + "1", "error", "error"),
    ("huge literal", "x = " + "9" * 10**6, "error", "error"),
    ("swallows the call", "def f(x): return 3\ny = \\", "error", "error"),
    ("opens a string", "def f(x): return 3\ny = '''", "error", "error"),
    ("forges the answer", "import os\nfor fd in range(9):\n    try: os.write(fd, b'ok 2')\n    except OSError: pass",
     "unsupported", "error"),
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


def attack(code, host, **settings):
    code = code.replace("CANARY", str(host)).replace("MARK", MARK)
    result = run_program(code, "f", CASES, seconds=0.5, **settings)
    assert run_program(GOOD, "f", CASES, **settings) == ("ok", 1.0, "")  # the next program is judged as ever
    return result.status


@pytest.mark.parametrize(("code", "status"), [pytest.param(row[1], row[2], id=row[0]) for row in ATTACKS])
def test_attack(code, status, host):
    assert attack(code, host) in status.split("/")


@pytest.mark.slow
@pytest.mark.parametrize(("code", "status"), [pytest.param(row[1], row[3], id=row[0]) for row in ATTACKS if row[3]])
def test_attack_on_the_fall_back(code, status, host):
    assert attack(code, host, interpreter="cpython") in status.split("/")


@pytest.mark.parametrize(("text", "program"), BLOCKS)
def test_the_program_is_the_last_block_after_the_thinking(text, program):
    assert extract_program(text) == program


def test_a_hostile_megabyte_is_cut_in_no_time():
    assert extract_program("```python\n" * 10**5) is None
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


def test_a_row_of_another_task_and_a_program_that_cannot_be_judged_get_none():
    texts = [block(GOOD), "9", block("import heapq\n" + GOOD)]
    columns = {"tests": [CASES, None, CASES], "entry_point": ["f", None, "f"]}
    assert code_reward(texts, **columns) == [1.0, None, None]
    assert code_reward(texts, **columns, interpreter="cpython") == [1.0, None, 1.0]


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


WRONG = [
    ({"tests": CASES + TWO}, r"^tests must be a list with one entry a completion \(1\), got 3 entries"),
    ({"tests": "[]"}, r"^tests must be a list with one entry a completion \(1\), got a str"),
    ({"tests": [[]]}, r'cases must be a list of at least one \{"args": \[...\], "expected": ...\}, got \[\]'),
    ({"tests": [CASES[0]]}, r"cases must be a list of at least one .*, got \{'args': \[1\], 'expected': 2\}"),
    ({"tests": [[{"args": 1, "expected": 2}]]}, r"cases must be a list of at least one"),
    ({"tests": [[{"args": [1]}]]}, r"cases must be a list of at least one"),
    ({"tests": ["assert f(1) == 2"]}, r"cases must be JSON, or made of what JSON has, got 'assert f\(1\) == 2'"),
    ({"tests": [[{"args": [{1}], "expected": 2}]]}, r"cases must be JSON, or made of what JSON has"),
    ({"entry_point": "f"}, r"^entry_point must be a list with one entry a completion \(1\), got a str"),
    ({"entry_point": ["f(1)"]}, r"^entry_point must be the name of a function, got 'f\(1\)'"),
    ({"entry_point": ["lambda"]}, r"^entry_point must be the name of a function, got 'lambda'"),
    ({"entry_point": [None]}, r"^entry_point must be the name of a function, got None"),
    ({"interpreter": "docker"}, r"^interpreter must be one of 'monty', 'cpython', got 'docker'"),
    ({"seconds": 0}, r"^seconds must be above 0, got 0"),
    ({"completions": "x"}, r"^completions must be a list"),
    ({"completions": [3]}, r"^a completion must be a str or a chat list"),
]


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize(("wrong", "message"), WRONG)
def test_wrong_call(wrong, message):
    with pytest.raises(ValueError, match=message):
        code_reward(**{"completions": [block(GOOD)], "tests": [CASES], "entry_point": ["f"]} | wrong)
