# SPDX-License-Identifier: GPL-3.0-or-later
"""The plots of the tasks of a run: how good their answers are, over its frames and by the SNR."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator

from sdr_sc.report.colours import SERIES, STAND_INS
from sdr_sc.report.run.data import Run, TaskRun
from sdr_sc.report.run.stats import WINDOW_ITEMS, grouped
from sdr_sc.report.svg import NARROW_BELOW_PX, legend_above, new_figure, nothing
from sdr_sc.results.rows import clustered_interval

MARKERS = "osD^vPX*"


@dataclass(frozen=True)
class Level:
    """A figure at one SNR: percent, with the bounds of its 95 % interval over frames, and the items that it is of."""

    snr_db: float
    share: float
    low: float
    high: float
    items: int


def levels_of(run: Run, task: TaskRun) -> tuple[str, list[list[Level]]]:
    """The figures of a task at each SNR, lost items among them: for each figure its levels, ascending.

    Returns:
        ``set`` or ``estimated``, where it is not known which SNR was set, as over a radio; and the levels. Lost items
        have no estimate.
    """
    table, which = task.table, "set"
    snr = run.of_frames(run.frames.snr_set_db, table.frame_index)
    if not np.isfinite(snr).any():
        snr, which = run.of_frames(run.frames.snr_est_db, table.frame_index), "estimated"
    levels, place = grouped(snr)
    found: list[list[Level]] = [[] for _ in task.figures]
    for number, level in enumerate(levels):
        part = table.at(place == number)
        for curve, right in zip(found, (part.correct, part.listed), strict=False):
            counts, items = part.of_frames(right)
            if items.sum():
                low, high = (100 * bound for bound in clustered_interval(counts, items))
                curve.append(Level(float(level), 100 * counts.sum() / items.sum(), low, high, int(items.sum())))
    return which, found


def running(frame_index: np.ndarray, right: np.ndarray, window: int = WINDOW_ITEMS) -> tuple[np.ndarray, np.ndarray]:
    """Share of right answers among the latest items whose truth is known, percent, at the end of each frame.

    Args:
        frame_index: int (items,), rising.
        right: float (items,), 1 or 0; NaN where the truth is not known.

    Returns:
        Frame index and share, (frames,); without those before a quarter of the window, as long as others remain.
    """
    known = np.isfinite(right)
    frames, total = frame_index[known], np.concatenate(([0], np.cumsum(right[known])))
    ends = np.flatnonzero(np.diff(frames, append=frames[-1:] + 1)) + 1
    enough = ends[ends >= window // 4]
    ends = enough if len(enough) else ends
    counts = np.minimum(ends, window)
    return frames[ends - 1], 100 * (total[ends] - total[ends - counts]) / np.maximum(counts, 1)


def quality_over_frames(run: Run, width: int) -> Figure:
    """Every figure of every task over the frames of the run, lost items as wrong answers."""
    figure = new_figure(width, 340)
    axes = figure.subplots()
    axes.set(xlabel="Frame index", ylabel="Right answers (%)", ylim=(-2, 102))
    number, drawn = 0, False
    for task in run.tasks:
        order = np.argsort(task.table.frame_index, kind="stable")
        for name, right in zip(task.figures, task.marks, strict=True):
            at, share = running(task.table.frame_index[order], right[order])
            if len(at):
                line = "-" if len(at) > 1 else "o"
                axes.plot(at, share, line, color=_colour(number), label=f"{task.name}: {name}")
                drawn = True
            number += 1
    if not drawn:
        nothing(axes, "It is not known what would have been right.")
        return figure
    axes.xaxis.set_major_locator(MaxNLocator(5 if width < NARROW_BELOW_PX else 11, integer=True))
    axes.yaxis.set_major_locator(FixedLocator([0, 25, 50, 75, 100]))
    legend_above(axes, 1 if width < NARROW_BELOW_PX else 4)
    return figure


def quality_by_snr(of: tuple[Run, TaskRun], width: int) -> Figure:
    """The figures of a task at each SNR, lost items as wrong answers, with 95 % intervals over frames."""
    run, task = of
    figure = new_figure(width, 300)
    axes = figure.subplots()
    which, curves = levels_of(run, task)
    axes.set(xlabel=f"SNR {which} (dB)", ylabel="Right answers (%)", ylim=(-2, 102))
    for number, (name, curve) in enumerate(zip(task.figures, curves, strict=True)):
        _draw(axes, curve, name, number)
    axes.yaxis.set_major_locator(FixedLocator([0, 25, 50, 75, 100]))
    axes.xaxis.set_major_locator(MaxNLocator(6 if width < NARROW_BELOW_PX else 11, steps=[1, 2, 5, 10]))
    legend_above(axes, 2)
    return figure


def _draw(axes: Axes, curve: list[Level], name: str, number: int) -> None:
    at, share, low, high = np.array([(one.snr_db, one.share, one.low, one.high) for one in curve]).T
    axes.errorbar(
        at, share, np.maximum([share - low, high - share], 0), fmt=MARKERS[number % len(MARKERS)] + "-",
        color=_colour(number), elinewidth=1.4, capsize=4, markersize=6, linewidth=1.2, label=name,
    )  # fmt: skip


def _colour(number: int) -> str:
    return STAND_INS[SERIES[number % len(SERIES)]]
