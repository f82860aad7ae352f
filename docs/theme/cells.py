"""Notebook cells as HTML that fits the theme.

nbconvert's own page carries 570 KB of JupyterLab styles and hides plots in base64 images. Here a cell becomes the same
markup as the rest of the site: the theme's code blocks, quiet outputs, inline SVG that the style sheet can recolour.
"""

import ast
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from html import escape

from clean import picture, table
from folds import Piece, fold_predictions, pieces_of
from nbconvert.filters import ansi2html
from pygments import highlight
from pygments.filter import simplefilter
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Keyword, Name, String, Text

FOLDS = {"solution": "Solution", "setup": "Setup", "detail": "In detail"}
"""Tags of cells that are shown folded, and what stands on the fold."""

ANCHORS = ("define-", "same-", "figure-")
"""Beginnings of tags that become anchors, for other places to point to."""

DRAWN = "diagram"
"""Tag of a cell that only calls up a drawing: its one line of code says nothing."""

DRAWING = "drawing"
"""Tag of a cell that only draws, from its first line on."""

WORK = "# Your turn."
"""All that stands in a cell to work in: it is for Jupyter and Colab, and a page leaves it out."""

UNSEARCHED = "setup"
"""The fold that every lesson has and nobody looks for."""

FORMATS = ("text/html", "image/svg+xml", "text/markdown", "text/latex", "text/plain")
"""Output formats, the best one first."""

Warn = Callable[[str], None]


@simplefilter
def _few_colours(self, lexer, stream, options):
    """Colour keywords, strings, comments and what is defined; a span for all the rest weighs a third more."""
    for kind, value in stream:
        if kind in String:
            yield (Text if kind is String.Interpol else String), value
        elif kind in Keyword:
            yield Keyword, value
        elif kind in Comment or kind in (Name.Function, Name.Class):
            yield kind, value
        else:
            yield Text, value


_LEXER = get_lexer_by_name("ipython3")
_LEXER.add_filter(_few_colours())
_FORMATTER = HtmlFormatter(cssclass="language-python highlight", wrapcode=True)


def tags(cell: dict) -> list[str]:
    """Tags of a cell."""
    return cell["metadata"].get("tags", [])


def render_cells(cells: Iterable[dict], text: Callable[[str], str], warn: Warn) -> str:
    """HTML of all cells; neighbours with the same fold share it, and what follows a prediction is folded.

    Args:
        cells: the cells of one notebook.
        text: turns the source of a Markdown cell into HTML.
        warn: is told what a reader would miss, such as a figure without alternative text.
    """
    figures = itertools.count(1)
    filled = (cell for cell in cells if cell["source"].strip() not in ("", WORK))
    pieces: list[Piece] = []
    for fold, group in itertools.groupby(filled, key=_fold):
        own = [piece for cell in group for piece in _cell(cell, text, warn, figures)]
        if fold:
            exclude = " data-search-exclude" if fold == UNSEARCHED else ""
            body = "\n".join(map(str, own))
            html = f'<details class="{fold}"{exclude}><summary>{FOLDS[fold]}</summary>\n{body}\n</details>'
            own = [Piece("fold", html)]
        pieces += own
    return "\n".join(map(str, fold_predictions(pieces)))


def _fold(cell: dict) -> str | None:
    return next((tag for tag in tags(cell) if tag in FOLDS), None)


def _cell(cell: dict, text: Callable[[str], str], warn: Warn, figures: Iterator[int]) -> list[Piece]:
    if cell["cell_type"] == "markdown":
        return pieces_of(text(cell["source"]))
    if cell["cell_type"] != "code":
        return []
    anchors = [tag for tag in tags(cell) if tag.startswith(ANCHORS)]
    spans = "".join(f'<span class="nb-anchor" id="{escape(tag)}"></span>' for tag in anchors)
    outputs = "".join(_output(output, cell, warn, figures) for output in cell["outputs"])
    if outputs and (caption := cell["metadata"].get("caption")):
        printed, plot, rest = outputs.partition('<div class="nb-output nb-plot"')
        caption = f"<figcaption>{escape(caption, quote=False)}</figcaption>"
        outputs = f'{printed}<figure class="nb-figure">{plot}{rest}{caption}</figure>'
    compared = [tag.removeprefix("same-") for tag in anchors if tag.startswith("same-")]
    entries = "".join(f'<p class="nb-entry">In the package: <code>{_entry(name, cell)}</code></p>' for name in compared)
    open_code, folded_code = split_code(cell)
    source = code(open_code) if open_code else ""
    if folded_code and compared:
        source, entries = _comparison([_entry(name, cell) for name in compared], cell, entries, warn), ""
    elif folded_code:
        outputs += f'<details class="code"><summary>Code</summary>{code(folded_code)}</details>'
    # An anchor stands before what is shown, so that it opens the fold which that is in.
    return [Piece("cell", spans + source, outputs + entries) if source else Piece("cell", "", spans + outputs)]


def split_code(cell: dict) -> tuple[str, str]:
    """The code of a cell that stands open, and that which is folded because it does not teach.

    Folded are comparisons with the package that show nothing, cells that only draw, and behind what prepares a figure
    the call that draws it.
    """
    source, own = cell["source"].rstrip(), tags(cell)
    if DRAWN in own:
        return "", ""
    if DRAWING in own or (any(tag.startswith("same-") for tag in own) and not cell["outputs"]):
        return "", source
    draws = any("image/svg+xml" in output.get("data", {}) for output in cell["outputs"])
    last = ast.parse(source).body[-1] if draws else None
    if not isinstance(last, ast.Expr):
        return source, ""
    lines = source.splitlines()
    before, call = lines[: last.lineno - 1], lines[last.lineno - 1 :]
    return "\n".join(before).rstrip(), "\n".join(call)


def _comparison(entries: list[str], cell: dict, links: str, warn: Warn) -> str:
    """One line that says what was compared; that it held is known, for the cell would have failed."""
    what = cell["metadata"].get("caption", "")
    if not what:
        warn(f'{entries[0]} is compared, but not said how: add `caption="..."` to the metadata of the cell')
    # The class keeps the name from becoming a link, which has no place in what one presses.
    names = ", ".join(f'<code class="name">{name}</code>' for name in entries)
    summary = f"Same as {names}: {escape(what, quote=False)}"
    return f'<details class="same"><summary>{summary}</summary>{code(cell["source"])}{links}</details>'


def _entry(name: str, cell: dict) -> str:
    """The name of the packaged function that a cell compares ours with, as the cell calls it."""
    called = re.search(rf"\bgrpo_lite\.(\w+\.)?{re.escape(name)}\b", cell["source"])
    return escape(called[0] if called else f"grpo_lite.{name}")


def code(source: str) -> str:
    """A code block like those of the pages, with the theme's copy button."""
    return highlight(source, _LEXER, _FORMATTER)


def _output(output: dict, cell: dict, warn: Warn, figures: Iterator[int]) -> str:
    if output["output_type"] == "stream":
        if output["name"] == "stderr" and "raises-exception" not in tags(cell):
            warn(f"a cell writes to stderr: {output['text'][:80]!r}")
        return _printed(output["text"], output["name"])
    if output["output_type"] == "error":
        if "raises-exception" not in tags(cell):
            warn(f"a cell failed with {output['ename']}: {output['evalue']}")
        return _printed(f"{output['ename']}: {output['evalue']}", "error")
    data = output["data"]
    best = next((name for name in FORMATS if name in data), None)
    if best == "image/svg+xml":
        return figure(data[best], cell["metadata"].get("alt", ""), next(figures), warn)
    if best == "text/html":
        return f'<div class="nb-output nb-html">{_table_headers(table(data[best]))}</div>'
    if best == "text/latex":
        return f'<div class="nb-output nb-math">{escape(data[best], quote=False)}</div>'
    if best is None or "image/png" in data:
        warn(f"an output of type {', '.join(data)} has no place on the page; figures are SVG")
        return ""
    return _printed(data[best], "result")


def _printed(text: str, kind: str) -> str:
    return f'<div class="nb-output nb-{kind}" data-search-exclude><pre>{ansi2html(text.rstrip())}</pre></div>'


def _table_headers(html: str) -> str:
    """An empty header cell would be read out as a header without a name."""
    return html.replace("<th></th>", "<td></td>")


def borrowed_figure(cells: Iterable[dict], tag: str, number: int, warn: Warn) -> str:
    """HTML of a figure for a page that is not its lesson.

    Args:
        cells: of the notebook that draws it.
        tag: of the cell that draws it.
        number: of the figure on the page that borrows it.
        warn: is told if there is no such figure.
    """
    for cell in cells:
        plots = [o["data"]["image/svg+xml"] for o in cell.get("outputs", []) if "image/svg+xml" in o.get("data", {})]
        if tag in tags(cell) and plots:
            return figure(plots[0], cell["metadata"].get("alt", ""), number, warn)
    warn(f"no cell with the tag {tag} draws a figure")
    return ""


def figure(svg: str, alt: str, number: int, warn: Warn) -> str:
    """Inline an SVG picture with a text for those who do not see it.

    Args:
        svg: the file as matplotlib writes it, or a diagram, whose own title, description and role give way to `alt`.
        alt: what the picture shows; a missing one is a warning.
        number: of the figure on its page. Prefixed to ids, which matplotlib repeats from figure to figure.
        warn: is told about a missing text.
    """
    if not alt.strip():
        warn('a figure has no alternative text: add `alt="..."` to the metadata of its cell')
    svg = picture(svg, warn)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="fig{number}-\1"', svg)
    svg = re.sub(r'(href="|url\()#', rf"\1#fig{number}-", svg)
    svg = re.sub(r">\s+<", "><", svg).strip()
    svg = re.sub(r">-(?=\d)", ">\N{MINUS SIGN}", svg)  # as the axes write it
    svg = re.sub(r"font-family: '[^;]*", "font-family: sans-serif", svg)  # ten names for what the style sheet decides
    role = "group" if "<a " in svg else "img"  # the links of a picture can be reached, its shapes need not be
    label = f'<svg role="{role}" aria-label="{escape(alt)}" '
    return f'<div class="nb-output nb-plot" data-search-exclude>{svg.replace("<svg ", label, 1)}</div>'
