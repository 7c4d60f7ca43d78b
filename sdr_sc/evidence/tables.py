# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables in Markdown, as the pages hold them and the commands print them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from sdr_sc.results.rows import Row

DASH = "–"
APART = "; "
"""In the name of a row, between the row and the column of its table."""


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]], numbers_from: int = 1) -> str:
    """A table; columns from ``numbers_from`` on are aligned to the right.

    >>> print(markdown(["what", "value"], [["a | b", "1"]]))
    | what | value |
    |---|---:|
    | a \\| b | 1 |
    """
    rule = ["---" if place < numbers_from else "---:" for place in range(len(head))]
    lines = [list(head), *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    body = ["| " + " | ".join(cells) + " |" for cells in lines]
    return "\n".join([body[0], "|" + "|".join(rule) + "|", *body[1:]])


def number(value: float, digits: int = 1, signed: bool = False) -> str:
    """A figure with so many decimals; a dash where there is none.

    >>> number(-0.04), number(3.14159, 2, True), number(float("nan"))
    ('0.0', '+3.14', '–')
    """
    if not math.isfinite(value):
        return DASH
    rounded = round(value, digits) + 0.0
    return f"{rounded:{'+' if signed else ''}.{digits}f}"


def with_interval(value: float, interval: tuple[float, float] | None, digits: int = 1, signed: bool = False) -> str:
    """A figure and its 95 % interval, such as ``+1.2 (0.9 to 1.5)``."""
    shown = number(value, digits, signed)
    if interval is None or not all(map(math.isfinite, interval)):
        return shown
    return f"{shown} ({number(interval[0], digits, signed)} to {number(interval[1], digits, signed)})"


def pivot(rows: Iterable[Row], corner: str, digits: int = 1, intervals: bool = False) -> str:
    """A table of rows whose names are ``ROW; COLUMN``, in the order in which both come first.

    Args:
        corner: what the head of the first column says.
        digits: decimals of the figures.
        intervals: whether they are shown.
    """
    cells: dict[str, dict[str, str]] = {}
    columns: dict[str, None] = {}
    for row in rows:
        name, _, column = row.name.rpartition(APART)
        columns[column] = None
        text = with_interval(row.value, row.ci95, digits) if intervals else number(row.value, digits)
        cells.setdefault(name, {})[column] = text
    return markdown(
        [corner, *columns], ([name, *(found.get(c, DASH) for c in columns)] for name, found in cells.items())
    )
