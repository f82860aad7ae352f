"""Make the slides of slides.md, with the figures of the executed lessons: `python slides.py build/slides`.

A slide ends at a line of three dashes; `![](LESSON: CAPTION)` is the figure of a lesson whose caption begins like that;
what follows `Note:` is for the speaker. The page that comes out needs no network.
"""

import argparse
import html
import re
import shutil
import sys
from itertools import count
from pathlib import Path

import nbformat
from markdown import markdown

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "docs" / "theme"))

import cells  # noqa: E402  (how the site draws a figure)

LESSONS, KATEX = HERE.parent / "notebooks", HERE.parent / "docs" / "assets" / "katex"
FIGURE = re.compile(r"!\[\]\((?P<lesson>\w+): (?P<caption>[^)]+)\)")
EXTENSIONS = ["tables", "fenced_code", "pymdownx.arithmatex"]


def figure(lesson: str, caption: str, number: int) -> str:
    """Return a figure of a lesson as the site shows it, with its message."""
    (path,) = LESSONS.glob(f"[0-9][0-9]_{lesson}.ipynb")
    for cell in nbformat.read(path, 4).cells:
        for output in cell.get("outputs", []):
            said = cell.metadata.get("caption", "")
            if said.startswith(caption) and "image/svg+xml" in output.get("data", {}):
                drawn = cells.figure(output["data"]["image/svg+xml"], cell.metadata.get("alt", ""), number, print)
                return f"<figure>{drawn}<figcaption>{html.escape(said)}</figcaption></figure>"
    raise ValueError(f"no figure of {path.name} has a caption that begins with {caption!r}")


def slides(source: str) -> str:
    """Return the slides as HTML sections."""
    numbers, sections = count(1), []
    for slide in re.split(r"^---$", source, flags=re.M):
        shown, _, note = slide.partition("\nNote: ")
        # A figure is put in after the Markdown, which would read its lines as paragraphs.
        body = markdown(FIGURE.sub(lambda m: f"@@{m['lesson']}: {m['caption']}@@", shown), extensions=EXTENSIONS,
                        extension_configs={"pymdownx.arithmatex": {"generic": True}})  # fmt: skip
        body = re.sub(r"<p>@@(\w+): (.*?)@@</p>", lambda m: figure(m[1], html.unescape(m[2]), next(numbers)), body)
        size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', body)
        shape = float(size[2]) / float(size[1]) if size else 0
        kind = "tall" if shape > 0.8 else ""
        sections.append(f'<section class="{kind}">{body}<aside>{markdown(note.strip())}</aside></section>')
    return "\n".join(sections)


def build(folder: Path) -> Path:
    """Write index.html and the files that it needs."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(KATEX, folder / "katex", dirs_exist_ok=True)
    for name in ("slides.css", "slides.js"):
        shutil.copy(HERE / "slides" / name, folder)
    frame = (HERE / "slides" / "index.html").read_text(encoding="utf-8")
    page = frame.replace("<!-- slides -->", slides((HERE / "slides" / "slides.md").read_text(encoding="utf-8")))
    (folder / "index.html").write_text(page, encoding="utf-8")
    return folder / "index.html"


def main() -> None:
    """Build into the folder that is named."""
    parser = argparse.ArgumentParser(description="Make the slides.")
    parser.add_argument("folder", type=Path)
    print(build(parser.parse_args().folder))


if __name__ == "__main__":
    main()
