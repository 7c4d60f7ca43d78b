# SPDX-License-Identifier: GPL-3.0-or-later
"""Confusion matrices of reports."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from sdr_sc.report.colours import STAND_INS, Colours
from sdr_sc.report.svg import NARROW_BELOW_PX, new_figure, nothing, plain_text

_COLUMNS_WITH_NUMBERS = 20
_MOST_DRAWN = 100
"""Classes; of more a browser would have to draw every one of 10,000 cells."""


def confusion_figure(
    counts: np.ndarray, class_names: Sequence[str], width: int, colours: Colours = STAND_INS
) -> Figure:
    """Confusion matrix with counts; the shade is the share of the true class.

    Args:
        counts: int (classes, classes + 1), items by true class and answer, the last column for those without an answer;
            it is left out where it is empty.
        class_names: one for each row.
        width: of the figure, CSS pixels.
    """
    names = [plain_text(name) for name in class_names]
    if counts[:, -1].any():
        names_across = [*names, "(lost)"]
    else:
        counts, names_across = counts[:, :-1], names
    figure = new_figure(width, min(int(width * 0.98), 160 + 50 * len(names)))
    axes = figure.subplots()
    axes.grid(False)
    if not counts.size:
        nothing(axes, "No item was sent.")
        return figure
    if len(names) > _MOST_DRAWN:
        nothing(axes, f"{len(names)} classes are too many to draw.")
        return figure
    small = 9 if width < NARROW_BELOW_PX else 11
    _cells(axes, counts, small, colours)
    rows, columns = counts.shape
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5), xlabel="Answer", ylabel="True class", aspect="auto")
    axes.set_xticks(range(columns), names_across, rotation=90, fontsize=small)
    axes.set_yticks(range(rows), names, fontsize=small)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


def _cells(axes: Axes, counts: np.ndarray, font_size: int, colours: Colours) -> None:
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    rows, columns = counts.shape
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) - 0.5
    cells = [corners + (column, row) for row in range(rows) for column in range(columns)]
    tone = matplotlib.colors.to_rgb(colours["cell"]), matplotlib.colors.to_rgb(colours["lost"])
    fill = [
        (*tone[column >= rows], 0.75 * np.sqrt(share[row, column])) for row in range(rows) for column in range(columns)
    ]
    axes.add_collection(PolyCollection(cells, facecolors=fill, edgecolors=colours["rule"], linewidths=0.8))
    if columns <= _COLUMNS_WITH_NUMBERS:
        for row, column in zip(*np.nonzero(counts), strict=True):
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=font_size)
