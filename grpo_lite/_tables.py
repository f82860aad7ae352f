"""Results as tables: a page shows rows, columns and tokens as chips, a terminal and a test read the same as text."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from torch import Tensor


class Table:
    """What `table` returns: text in a terminal, a table in a notebook and on the site."""

    def __init__(self, names: list[str], rows: list[list[str | list[str]]], numeric: list[bool]) -> None:
        self.names, self.rows, self.numeric = names, rows, numeric

    def __repr__(self) -> str:
        words = [[" ".join(cell) if isinstance(cell, list) else cell for cell in row] for row in self.rows]
        columns = zip(self.numeric, self.names, *words, strict=True)
        sides = [f"{'>' if right else '<'}{max(map(len, column))}" for right, *column in columns]
        rows = [map(format, row, sides) for row in [self.names, *words]]
        return "\n".join("  ".join(row).rstrip() for row in rows)

    def _repr_html_(self) -> str:
        kinds = [' class="number"' if right else "" for right in self.numeric]
        head = "".join(f"<th{kind}>{escape(name)}</th>" for kind, name in zip(kinds, self.names, strict=True))
        body = "".join(
            f"<tr>{''.join(f'<td{kind}>{_html(cell)}</td>' for kind, cell in zip(kinds, row, strict=True))}</tr>"
            for row in self.rows
        )
        return f'<table class="results"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def table(columns: Mapping[str, Sequence[Any] | Tensor], *, decimals: int = 2) -> Table:
    """Show results as a table: as the last value of a notebook cell it is one, printed it is aligned text.

    Args:
        columns: what stands over a column -> its values, one a row. A value that is a list of texts is a row of tokens
            and shown as chips; a number with a fraction is rounded.
        decimals: digits after the point.

    Returns:
        The table; its text is what `print` writes.

    Raises:
        ValueError: the columns are not of one length.

    Example:
        >>> table({"prompt": ["3+4=", "1+1="], "completion": [["7", "."], ["3"]], "reward": [1.0, 0.0]})
        prompt  completion  reward
        3+4=    7 .           1.00
        1+1=    3             0.00
    """
    values = [[_plain(value) for value in x] for x in columns.values()]
    lengths = {name: len(x) for name, x in zip(columns, values, strict=True)}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"all columns must have as many values as the table has rows, got {lengths}")
    numeric = [all(isinstance(value, int | float) for value in x) for x in values]
    rows = [[_cell(value, decimals) for value in row] for row in zip(*values, strict=True)]
    return Table(list(columns), rows, numeric)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, Tensor) else value


def _cell(value: Any, decimals: int) -> str | list[str]:
    if isinstance(value, list):
        return [str(token) for token in value]
    # no minus before a zero
    return f"{round(value, decimals) + 0.0:.{decimals}f}" if isinstance(value, float) else str(value)


def _html(cell: str | list[str]) -> str:
    chips = "".join(f'<code class="token">{escape(token)}</code>' for token in cell)
    return chips if isinstance(cell, list) else escape(cell)
