"""A site of one lesson and one module, for what a strict build makes of it."""

import os
import shutil
import subprocess
import sys

import nbformat
import yaml

from helpers.built import ROOT, setting

ONE = setting("site_url") + "lessons/one/"
SVG = """<?xml version="1.0"?>
<svg width="9" viewBox="0 0 9 9"><defs><clipPath id="p1"/></defs><g clip-path="url(#p1)"/></svg>"""
KL = '''"""KL."""


def kl_k3():
    """Estimate.

    Source: A. Author, On KL, eq. 3 (arXiv:2402.03300). Built in lesson "One".
    """
'''


def code_cell(source, *outputs, **metadata):
    cell = nbformat.v4.new_code_cell(source, metadata=metadata)
    cell.outputs = list(outputs)
    return cell


def text_cell(source, **metadata):
    return nbformat.v4.new_markdown_cell(source, metadata=metadata)


def svg_output():
    return nbformat.v4.new_output("display_data", {"image/svg+xml": SVG, "text/plain": "<Figure>"})


def small_project(folder, *lesson_cells):
    """A copy of the site's machinery around one lesson, one module and two pages."""
    for name in ("theme", "assets"):
        shutil.copytree(ROOT / "docs" / name, folder / "docs" / name, ignore=shutil.ignore_patterns("katex"))
    shutil.copy(ROOT / "mkdocs.yml", folder / "base.yml")
    nav = ["index.md", {"Lessons": ["lessons/one.ipynb"]}, "api/kl.md"]
    (folder / "mkdocs.yml").write_text(yaml.safe_dump({"INHERIT": "base.yml", "nav": nav, "extra_css": []}))
    package, api, notebooks = (folder / name for name in ("grpo_lite", "docs/api", "notebooks"))
    for path in (package, api, notebooks):
        path.mkdir()
    (package / "data").mkdir()
    shutil.copy(ROOT / "grpo_lite/data/recording.json", package / "data")  # what the home page shows
    (package / "__init__.py").write_text('from grpo_lite.kl import kl_k3\n\n__all__ = ["kl_k3"]\n')
    (package / "kl.py").write_text(KL)
    (api / "kl.md").write_text("# KL\n\n::: grpo_lite.kl\n")
    (folder / "docs" / "index.md").write_text(
        f"# Home\n\n[to a cell]({ONE}#define-kl_k3), [a heading]({ONE}#why) and [One]({ONE})\n\n![]({ONE}#figure-one)\n"
    )
    (folder / "README.md").write_text(f"| [One]({ONE}) | What is one? |\n")
    notebook = nbformat.v4.new_notebook(cells=lesson_cells)
    nbformat.write(notebook, notebooks / "01_one.ipynb")


def strict_build(folder):
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict"],
        cwd=folder,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


SOUND = (
    text_cell("# One\n\nWhy?\n\n**Minutes:** 5 · **Needs:** nothing · **Gives:** `grpo_lite.kl_k3`"),
    text_cell("## Why\n\n[home](../docs/index.md) and [the cell](#define-kl_k3)"),
    code_cell("plot()", svg_output(), tags=["define-kl_k3", "figure-one"], alt="A plot"),
)
