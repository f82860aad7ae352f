"""What comes out behind a prediction is folded, so that a reader can make one.

A paragraph that begins with "Predict." folds the next output and the paragraph that explains it; if that ends in a
colon, what it announces too. The code stays open: it says what the prediction is about. Where no output follows in the
section, the text is folded that answers it. Nothing is folded by a prediction right before a heading, whose answer is a
section of its own, and no output that a question to the reader is about.
"""

from typing import NamedTuple

from bs4 import BeautifulSoup, NavigableString

PREDICT, CHECK = "Predict.", "Check yourself."
SUMMARY = "Show what comes out"


class Piece(NamedTuple):
    """A block, or a cell; its kind: `heading`, `predict`, `check`, `lead` (ends in a colon), `text`, `cell`, `fold`."""

    kind: str
    html: str
    output: str = ""

    def __str__(self) -> str:
        # The search is for words. With code and outputs its index, which the first visit loads, would weigh half more.
        return f'<div class="nb-cell" data-search-exclude>{self.html}{self.output}</div>' if self.is_cell else self.html

    @property
    def is_cell(self) -> bool:
        """Whether it comes from a cell of code."""
        return self.kind == "cell"


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
    done: list[Piece] = []
    while pieces:
        first, *pieces = pieces
        done.append(first)
        if first.kind == "predict":
            before, folded, pieces = _split(pieces)
            done += before
            if folded:
                body = "\n".join(map(str, folded))
                html = f'<details class="predict"><summary>{SUMMARY}</summary>\n{body}\n</details>'
                done.append(Piece("fold", html))
    return done


def _split(pieces: list[Piece]) -> tuple[list[Piece], list[Piece], list[Piece]]:
    """What stays open behind a prediction, what is folded, and the rest."""
    ends = ("heading", "predict", "check", "fold")
    end = next((i for i, piece in enumerate(pieces) if piece.kind in ends), len(pieces))
    start = next((i for i, piece in enumerate(pieces[:end]) if piece.output), None)
    if start is None:
        return [], pieces[:end], pieces[end:]
    code = [pieces[start]._replace(output="")] if pieces[start].html else []
    output = pieces[start]._replace(html="")
    stop = next((i for i in range(start + 1, end) if not pieces[i].is_cell), end)
    behind = pieces[stop:end]
    n = next((i + 1 for i, piece in enumerate(behind) if piece.kind != "lead"), 0)
    if n and behind[n - 1].is_cell:  # a colon that leads to code leads out of the fold
        n -= 2
    if not behind and pieces[end:] and pieces[end].kind == "check":
        return pieces[:end], [], pieces[end:]
    return [*pieces[:start], *code], [output, *pieces[start + 1 : stop], *behind[:n]], pieces[stop + n :]
