# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of a sweep's report: each function draws one, for a width in CSS pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from sdr_sc.report.colours import STAND_INS, Colours
from sdr_sc.report.svg import NARROW_BELOW_PX, new_figure, nothing, plain_text
from sdr_sc.report.sweep.operating_points import Cost, Operation
from sdr_sc.report.sweep.selection import CLASS_ONLY, SchemeView, View
from sdr_sc.report.sweep.tables import Saving

COST_AXIS = {"uses": "Payload symbols per item", "on_air": "Symbols on air per item"}
_ROW_PX, _HANDLE_PX = 20, 52
_NAME_CHARS = 30
_ZOOM_FROM, _ZOOM_IF_BELOW = 80.0, 65.0


def accuracy_figure(view: View, channel: str, width: int, colours: Colours = STAND_INS) -> Figure:
    """Accuracy over the measured SNR with 95 % intervals, a curve a scheme; its upper part again, larger."""
    curves = [(scheme, view.curve(scheme, channel, scheme.k)) for scheme in view.schemes]
    curves = [(scheme, points) for scheme, points in curves if points]
    values = [100 * o.accuracy for _, points in curves for o in points]
    if not values:
        return _empty(width, "No curve of this channel was measured.")
    zoom = max(values) > _ZOOM_FROM + 5 and min(values) < _ZOOM_IF_BELOW
    handles = [_handle(scheme, scheme.curve, colours) for scheme, _ in curves]
    unmeasured = any(not o.is_measured_snr for _, points in curves for o in points)
    if unmeasured:
        handles.append(
            Line2D(
                [],
                [],
                linestyle="none",
                marker="o",
                mfc="none",
                mec=colours["muted"],
                label="no frame received: SNR set",
            )
        )
    figure, panels = _panels(width, 400, handles, 2 if zoom else 1)
    for axes in panels:
        axes.set(xlabel="SNR, mean of the receiver's estimates (dB)", ylabel="Accuracy (%)")
        for scheme, points in curves:
            _curve(axes, scheme, points, colours)
    bottom = 0.0 if min(values) < _ZOOM_IF_BELOW else 10 * np.floor((min(values) - 5) / 10)
    panels[0].set_ylim(bottom, 100)
    if zoom:
        panels[1].set_ylim(_ZOOM_FROM, min(100.0, max(100 * o.interval[1] for _, p in curves for o in p) + 1))
        panels[1].set_title("the upper part", loc="left", color=colours["muted"])
    for axes in panels:
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
        axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    return figure


def _curve(axes: Axes, scheme: SchemeView, points: Sequence[Operation], colours: Colours) -> None:
    """One scheme's accuracy over SNR; points of which no frame was received are hollow."""
    points = sorted(points, key=lambda o: o.snr_db)
    at, share = [o.snr_db for o in points], np.array([100 * o.accuracy for o in points])
    bounds = 100 * np.array([o.interval for o in points]).T
    colour = colours[scheme.role]
    axes.errorbar(
        at, share, np.maximum([share - bounds[0], bounds[1] - share], 0), fmt="none", ecolor=colour, elinewidth=1.1,
        capsize=2.5, alpha=0.6, zorder=2,
    )  # fmt: skip
    axes.plot(at, share, **_line(scheme, colours))
    hollow = [(o.snr_db, 100 * o.accuracy) for o in points if not o.is_measured_snr]
    if hollow and scheme.marker != "x":
        axes.plot(*np.array(hollow).T, linestyle="none", marker=scheme.marker, color=colours["card"], mec=colour, ms=7)


def uses_figure(view: View, channel: str, width: int, colours: Colours = STAND_INS, cost: Cost = "uses") -> Figure:
    """Accuracy over what an item costs, a panel for each of the chosen SNRs."""
    snrs = [snr for snr in view.chosen_snrs if any(view.at(scheme, channel, snr) for scheme in view.schemes)]
    if not snrs:
        return _empty(width, "No point of this channel was measured at these SNRs.")
    shown = [scheme for scheme in view.schemes if any(view.at(scheme, channel, snr) for snr in snrs)]
    names = [scheme.label + (f" ({CLASS_ONLY})" if scheme.is_class_only else "") for scheme in shown]
    handles = [_handle(scheme, name, colours) for scheme, name in zip(shown, names, strict=True)]
    if any(_has_both(scheme) for scheme in shown):
        handles.append(
            Line2D([], [], linestyle="none", marker="*", ms=12, color=colours["muted"], label="CAM, or own choice of k")
        )
    figure, panels = _panels(width, 380, handles, len(snrs), narrow_height=260)
    lowest, costs = 100.0, []
    for axes, snr_db in zip(panels, snrs, strict=True):
        axes.set_title(f"SNR set to {snr_db:g} dB".replace("-", "−"), loc="left", color=colours["muted"])
        axes.set(xlabel=COST_AXIS[cost], ylabel="Accuracy (%)", xscale="log")
        for scheme in shown:
            points = view.at(scheme, channel, snr_db)
            _cost_curve(axes, scheme, points, cost, colours)
            costs += [o.cost(cost) for o in points]
            lowest = min([lowest, *(100 * o.interval[0] for o in points)])
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    for axes in panels:
        _log_ticks(axes, min(costs), max(costs))
        axes.set_ylim(max(0.0, 10 * np.floor((lowest - 2) / 10)), 100)
    if width >= NARROW_BELOW_PX:
        for axes in panels[1:]:
            axes.set_ylabel("")
    return figure


def _cost_curve(axes: Axes, scheme: SchemeView, points: Sequence[Operation], cost: Cost, colours: Colours) -> None:
    for o in points:
        share, (low, high) = 100 * o.accuracy, o.interval
        axes.errorbar(
            [o.cost(cost)], [share], [[max(share - 100 * low, 0)], [max(100 * high - share, 0)]], fmt="none",
            ecolor=colours[scheme.role], elinewidth=1.1, capsize=2.5, alpha=0.6, zorder=2,
        )  # fmt: skip
    fixed = sorted((o for o in points if o.key.k is not None or not _has_both(scheme)), key=lambda o: o.cost(cost))
    if fixed:
        axes.plot([o.cost(cost) for o in fixed], [100 * o.accuracy for o in fixed], **_line(scheme, colours))
    for o in points:
        if o.key.k is None and _has_both(scheme):
            axes.plot(
                [o.cost(cost)], [100 * o.accuracy], marker="*", ms=15, color=colours[scheme.role], mec=colours["card"],
                mew=0.8, zorder=4,
            )  # fmt: skip


def saving_figure(saving: Saving, width: int, colours: Colours = STAND_INS) -> Figure:
    """Accuracy over payload symbols, both in the mean over SNR: fixed k, and the scheme's own choice."""
    colour = colours[saving.scheme.role]
    fixed = sorted(saving.fixed.items())
    own = saving.scheme.k_text(None)
    handles = [
        Line2D([], [], color=colour, marker=saving.scheme.marker, ms=7, label="fixed k"),
        Line2D([], [], color=colour, linestyle="none", marker="*", ms=12, label=own),
    ]
    figure, (axes,) = _panels(width, 300, handles, 1)
    axes.set(xlabel="Payload symbols per item, mean over SNR", ylabel="Accuracy (%),\nmean over SNR", xscale="log")
    values = [100 * mean.accuracy for _, mean in fixed]
    axes.plot([m.uses for _, m in fixed], values, color=colour, marker=saving.scheme.marker, ms=7)
    axes.plot([saving.adaptive.uses], [100 * saving.adaptive.accuracy], marker="*", ms=17, color=colour,
              mec=colours["card"], mew=0.8, zorder=4)  # fmt: skip
    for place, (k, mean) in enumerate(fixed):
        falls = place > 0 and values[place] < values[place - 1]  # the line comes from where the name would stand
        axes.annotate(
            f"k = {k}", (mean.uses, 100 * mean.accuracy), xytext=(4 if falls else -4, 6), textcoords="offset points",
            ha="left" if falls else "right", fontsize=10, color=colours["muted"],
        )  # fmt: skip
    if saving.equal_k is not None:
        equal, level = saving.fixed[saving.equal_k], 100 * saving.adaptive.accuracy
        axes.plot([saving.adaptive.uses, equal.uses], [level, level], color=colours["set"], lw=1.2, ls=(0, (4, 3)))
    low, high = min([*values, 100 * saving.adaptive.accuracy]), max([*values, 100 * saving.adaptive.accuracy])
    pad = max(1.0, 0.12 * (high - low))
    axes.set_ylim(max(0.0, low - pad), min(100.0, high + 1.6 * pad))
    uses = [saving.adaptive.uses, *(m.uses for _, m in fixed)]
    _log_ticks(axes, min(uses) / 1.3, max(uses) * 1.15)  # room for the names
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    return figure


def _has_both(scheme: SchemeView) -> bool:
    """Whether a scheme was measured with fixed k, and with its own choice."""
    return None in scheme.k_list and len(scheme.k_list) > 1


def _line(scheme: SchemeView, colours: Colours) -> dict:
    return {
        "color": colours[scheme.role], "marker": scheme.marker, "ms": 7, "mew": 1.6 if scheme.marker == "x" else 0,
        "linestyle": (0, (4, 3)) if scheme.is_class_only else "-", "zorder": 3,
    }  # fmt: skip


def _handle(scheme: SchemeView, name: str, colours: Colours) -> Line2D:
    return Line2D([], [], label=plain_text(name, _NAME_CHARS), **{**_line(scheme, colours), "zorder": 1})


def _panels(
    width: int, height: int, handles: Sequence[Line2D], count: int, narrow_height: int = 300
) -> tuple[Figure, list[Axes]]:
    """Panels side by side, or below each other where it is narrow, under one legend."""
    narrow = width < NARROW_BELOW_PX
    columns = _legend_columns([handle.get_label() for handle in handles], width - 60)
    legend_px = -(-len(handles) // columns) * _ROW_PX + 8
    tall = narrow_height * count if narrow else height
    figure = new_figure(width, tall + legend_px)
    grid = figure.add_gridspec(
        1 + (count if narrow else 1), 1 if narrow else count,
        height_ratios=[legend_px, *([tall // count] * count if narrow else [height])],
    )  # fmt: skip
    legend = figure.add_subplot(grid[0, :])
    legend.set_axis_off()
    box = legend.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0, 1), borderaxespad=0, ncol=columns, handlelength=2.2,
        columnspacing=1.4, borderpad=0, labelspacing=0.35,
    )  # fmt: skip
    box.set_in_layout(False)  # else it would push the panels aside
    return figure, [figure.add_subplot(grid[1 + i, 0] if narrow else grid[1, i]) for i in range(count)]


def _legend_columns(names: Sequence[str], room: float) -> int:
    """Columns of a legend with as few rows as fit, and these filled evenly.

    Args:
        names: as they stand in it.
        room: CSS pixels.
    """
    font = FontProperties(family="DejaVu Sans", size=12)
    widths = [1.05 * text_to_path.get_text_width_height_descent(name, font, False)[0] + _HANDLE_PX for name in names]
    for rows in range(1, len(names)):
        columns = -(-len(names) // rows)
        fewest, with_one_more = divmod(len(names), columns)  # so does matplotlib fill them
        sizes = [fewest + (column < with_one_more) for column in range(columns)]
        starts = np.concatenate(([0], np.cumsum(sizes)))
        if sum(max(widths[i:j]) for i, j in zip(starts[:-1], starts[1:], strict=True)) <= room:
            return columns
    return 1


def _log_ticks(axes: Axes, low: float, high: float) -> None:
    """A logarithmic axis with plain numbers: powers of two over a short range, of ten over a long one."""
    low, high = low / 1.25, high * 1.25
    axes.set_xlim(low, high)
    if high / low < 200:
        powers = 2.0 ** np.arange(np.ceil(np.log2(low)), np.floor(np.log2(high)) + 1)
        axes.xaxis.set_major_locator(FixedLocator(powers if len(powers) < 8 else powers[::2]))
    else:
        axes.xaxis.set_major_locator(LogLocator(10, (1.0, 3.0) if high / low < 700 else (1.0,)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _empty(width: int, why: str) -> Figure:
    figure = new_figure(width, 120)
    nothing(figure.subplots(), why)
    return figure
