"""What follows a prediction is folded, so that a reader can make one.

A paragraph that begins with "Predict." folds what stands behind it: the code up to the first output, and the text that
explains it. A heading, another prediction, a question or another fold ends it before; so does the next code, together
with a paragraph that leads to it by a colon. A prediction right before a heading folds nothing: its answer is a section
of its own.
"""

from typing import NamedTuple

from bs4 import BeautifulSoup, NavigableString

PREDICT, CHECK = "Predict.", "Check yourself."
SUMMARY = "Show what comes out"


class Piece(NamedTuple):
    """A block; its kind: `heading`, `predict`, `check`, `lead` (ends in a colon), `text`, `code`, `output`, `fold`."""

    kind: str
    html: str


def pieces_of(html: str) -> list[Piece]:
    """The blocks of a text, each with its kind."""
    blocks = [node for node in BeautifulSoup(html, "html.parser").contents if str(node).strip()]
    return [
        Piece(_kind(node), node.output_ready("minimal") if isinstance(node, NavigableString) else str(node))
        for node in blocks
    ]


def _kind(node) -> str:
    words = node.get_text().strip()
    if node.name in ("h1", "h2", "h3", "h4"):
        return "heading"
    if node.name == "p" and words.startswith(PREDICT):
        return "predict"
    if node.name == "p" and words.startswith(CHECK):
        return "check"
    return "lead" if words.endswith(":") else "text"


def fold_predictions(pieces: list[Piece]) -> list[Piece]:
    """The pieces with folds in the place of what follows predictions."""
    folded, i = [], 0
    while i < len(pieces):
        folded.append(pieces[i])
        i += 1
        if folded[-1].kind == "predict" and (n := _reach(pieces[i:])):
            body = "\n".join(piece.html for piece in pieces[i : i + n])
            html = f'<details class="predict"><summary>{SUMMARY}</summary>\n{body}\n</details>'
            folded.append(Piece("fold", html))
            i += n
    return folded


def _reach(pieces: list[Piece]) -> int:
    """How many pieces belong to the prediction before them."""
    shown = explained = False
    for n, piece in enumerate(pieces):
        if piece.kind in ("heading", "predict", "check", "fold"):
            return n
        if piece.kind in ("code", "output") and explained:
            return n - 1 if pieces[n - 1].kind == "lead" else n
        shown |= piece.kind == "output"
        explained |= shown and piece.kind in ("text", "lead")
    return len(pieces)
