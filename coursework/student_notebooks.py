"""Turn the lessons into notebooks to fill in: `python student_notebooks.py build/student`.

What a lesson builds by hand becomes a stub, the cells that compare it with the package stay and check it; solutions and
outputs go.
"""

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat.v4 import new_markdown_cell

import grpo_lite

ROOT = Path(__file__).resolve().parent.parent
LESSONS = ROOT / "notebooks"
sys.path.append(str(ROOT / "docs" / "theme"))

import copies  # noqa: E402  (where a link of a lesson leads)

(SITE,) = re.findall(r"^site_url: (.+)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.M)
EXPLORER = re.compile(r"<((\w+)-explorer)>(.*?)</\1>", re.S)
HOW = """> **To fill in.** This is the lesson without its answers. Write each function that says `raise
> NotImplementedError`. The cell that compares yours with the package's says nothing if they agree. The lesson itself
> shows one way to write it."""


def tags(cell) -> list[str]:
    """Return the tags of a cell."""
    return cell.metadata.get("tags", [])


def student(lesson: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a copy of a lesson without what a student shall write."""
    whole = nbformat.from_dict(lesson)
    head, *rest = whole.cells
    whole.cells = [head, new_markdown_cell(HOW, id="to-fill-in"), *_blanked(rest)]
    for cell in whole.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return whole


def _blanked(cells: list) -> Iterator[nbformat.NotebookNode]:
    """Yield the cells without solutions, and a stub for each function that the lesson builds."""
    for cell in cells:
        if "solution" in tags(cell):
            continue
        if cell.cell_type == "markdown":
            cell.source = EXPLORER.sub(rf"\3 [Open it]({SITE}explore/#\2).", copies.absolute(cell.source, SITE))
        if cell.cell_type == "code" and any(tag.startswith("define-") for tag in tags(cell)):
            cell.source = stub(cell.source)
        yield cell


def stub(source: str) -> str:
    """Return the code with each function's signature and, in place of its body, what the package says of it."""
    lines = source.splitlines()
    for node in reversed(ast.parse(source).body):
        if isinstance(node, ast.FunctionDef):
            about = getattr(getattr(grpo_lite, node.name, None), "__doc__", None) or ""
            said = about.strip().partition("\n")[0].replace("\\", "\\\\")
            body = [f'    """{said}"""'] if said else []
            lines[node.body[0].lineno - 1 : node.end_lineno] = [*body, f'    raise NotImplementedError("{node.name}")']
    return "\n".join(lines)


def main() -> None:
    """Write one notebook a lesson that builds something."""
    parser = argparse.ArgumentParser(description="Write the lessons as notebooks to fill in.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(LESSONS.glob("[0-9][0-9]_*.ipynb")):
        lesson = nbformat.read(path, 4)
        if any(tag.startswith("define-") for cell in lesson.cells for tag in tags(cell)):
            nbformat.write(student(lesson), folder / path.name)
            print(folder / path.name)


if __name__ == "__main__":
    main()
