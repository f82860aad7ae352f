"""MkDocs hook: what a table needs so that it can be read on a phone.

A table that explains, one with long cells, gets `data-rows`: there each row becomes a card, and a cell carries the
header of its column in `data-label`. Of more than three cells a long one has a line of its own, and so have the others
of its column if most are long: `data-long`. Tables of numbers stay as they are and scroll, and so do those that a
program has printed.
"""

import re

from bs4 import BeautifulSoup
from formulas import readable

TABLE = re.compile(r"<table>.*?</table>", re.S)
CELL = re.compile(r"<t[dh][^>]*>[^<]*</t[dh]>")
# A number that would break at its sign: 0.752 ± 0.029, 1e-4.
NUMBER = re.compile(r"[\N{MINUS SIGN}+\d.]+(?: ± [\d.]+|e-[1-9]\d*)")
LONG = 24
TITLE = 3
"""Up to so many columns, the first is a title that needs no label."""


def on_page_content(html, page, config, files):
    """Mark the tables of a page; there a negative number has a minus, as in figures and text, and no number breaks."""
    html = re.sub(r"(<td[^>]*>)-(?=[\d.]+(?:</td>| ± ))", "\\1\N{MINUS SIGN}", html)
    html = CELL.sub(lambda cell: NUMBER.sub(r'<span class="whole">\g<0></span>', cell[0]), html)
    html = TABLE.sub(lambda match: marked(match[0]), html)
    return re.sub(r"(</t[dh]>)(?!\n)", r"\1\n", html)  # the search would make one word of two cells


def marked(html):
    """A table as it came, or marked for cards."""
    table = BeautifulSoup(html, "html.parser").table
    headers, *rows = [row.find_all(["th", "td"]) for row in table.find_all("tr")]
    labels, *texts = [[said(cell) for cell in row] for row in (headers, *rows)]
    columns = list(zip(labels, *texts, strict=True))
    fits = sum(max(map(len, column)) for column in columns) <= (110 if len(labels) == 2 else 60)
    to_fill_in = not all(any(cell.contents for cell in column) for column in zip(*rows, strict=True))
    if fits or to_fill_in or not any(len(said(cell, code=False)) > LONG for row in rows for cell in row):
        return html
    table["data-rows"] = ""
    wide = [2 * sum(len(text) > LONG for text in column) > len(rows) for column in columns]
    for row in rows:
        for i, cell in enumerate(row):
            if len(labels) > TITLE and (wide[i] or len(said(cell)) > LONG):
                cell["data-long"] = ""
            if labels[i] and len(labels) > 2 and (i or len(labels) > TITLE):
                cell["data-label"] = labels[i]
    return re.sub(r">\n<", "><", str(table))


def said(cell, code=True):
    """The text of a cell, with formulas in plain signs; what is code may be left out."""
    parts = [str(part) for part in cell.find_all(string=True) if code or not part.find_parent("code")]
    return " ".join(readable(" ".join(parts)).split())
