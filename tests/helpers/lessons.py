"""The lessons as they stand: the scripts, the notebooks made from them, and what these show."""

import re

import nbformat

from helpers.built import ROOT, setting

SCRIPTS = sorted((ROOT / "notebooks").glob("*.py"))
SITE_URL = setting("site_url")
LINK = re.compile(rf"\[([^\]]*)\]\({re.escape(SITE_URL)}lessons/(\w+)/")  # text, key
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?")


def key(script):
    """The name of a lesson without its number, which is only its place."""
    return script.stem[3:]


def lesson(name):
    """The script of a lesson, wherever it stands."""
    (script,) = [script for script in SCRIPTS if key(script) == name]
    return script


def stored(script):
    return nbformat.read(script.with_suffix(".ipynb"), as_version=4)


def tags(cell):
    return cell.metadata.get("tags", [])


def printed(cell):
    """What a cell printed and returned, as text; pictures apart."""
    texts = []
    for output in cell.get("outputs", []):
        texts.append(output.get("text", "") or output.get("data", {}).get("text/plain", ""))
    return "\n".join(texts).strip()


def results(notebook):
    return {t: printed(cell) for cell in notebook.cells for t in tags(cell) if t.startswith("result-")}
