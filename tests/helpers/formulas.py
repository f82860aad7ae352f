"""The formulas of the explorers, called in plain node: no browser, no site, nothing from npm."""

import json
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import torch

from helpers.built import ROOT

NODE = shutil.which("node")
EXPLORERS = ROOT / "docs/assets/javascripts/explorers"


@contextmanager
def called_in_node(folder):
    """Give a function that evaluates an expression over the modules, or calls it if it is one of their functions."""
    (folder / "package.json").write_text('{"type": "module"}')  # without it, node takes the files for another dialect
    shutil.copytree(EXPLORERS, folder / "explorers")
    script = Path(__file__).with_name("formulas.mjs")
    command = [NODE, script, folder / "explorers", ROOT / "docs/assets/models"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as node:

        def call(expression, *given):
            plain = [x.tolist() if isinstance(x, torch.Tensor) else x for x in given]
            print(json.dumps([expression, plain]), file=node.stdin, flush=True)
            return json.loads(node.stdout.readline())

        yield call
        node.stdin.close()


def chances(js, seed, count):
    """Numbers from 0 to 1, as the explorers draw them."""
    return js("(seed, length) => Array.from({ length }, grpo.generator(seed))", seed, count)
