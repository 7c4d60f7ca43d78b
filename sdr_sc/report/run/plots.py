# SPDX-License-Identifier: GPL-3.0-or-later
"""The plots of a run's report: each function draws one, for a width in CSS pixels."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter, NullLocator

from sdr_sc.report.matrix import confusion_figure
from sdr_sc.report.run.data import Run
from sdr_sc.report.run.stats import WINDOW_ITEMS, confusion_counts, running_accuracy, snr_levels
from sdr_sc.report.svg import ACCURACY, ESTIMATE, LOST, NARROW_BELOW_PX, SET, K, legend_above, new_figure, nothing
from sdr_sc.results.rows import wilson_interval

_MOST_KS_NAMED = 7
"""On an axis; of more the powers of two."""
_MOST_SHADES = 2000
"""Changes of k that are shaded; of more a page would be slow to make and to show, and a reader would see none."""


def _percent_axis(axes: Axes, lowest: float) -> None:
    """A percentage from a round number below the data up to 100."""
    floor = 10 * np.floor((lowest - 2) / 10) if np.isfinite(lowest) else 0.0
    axes.set_ylim(float(np.clip(floor, 0, 90)), 101)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))


def _shade_k(axes: Axes, run: Run) -> list[Patch]:
    """Shade the background by k; returns the patches of a legend."""
    frames = run.frames
    patches: list[Patch] = []
    if np.count_nonzero(np.diff(frames.k)) > _MOST_SHADES:
        return patches
    edges = np.append(frames.index, frames.index[-1] + 1) - 0.5
    for rank, k in enumerate(run.k_list):
        alpha = 0.06 + 0.34 * rank / max(len(run.k_list) - 1, 1)
        chosen = np.concatenate(([0], (frames.k == k).astype(int), [0]))
        starts, stops = np.flatnonzero(np.diff(chosen) == 1), np.flatnonzero(np.diff(chosen) == -1)
        for start, stop in zip(starts, stops, strict=True):
            axes.axvspan(edges[start], edges[stop], color=K, alpha=alpha, linewidth=0, zorder=0.5)
        if len(starts):
            patches.append(Patch(color=K, alpha=alpha, linewidth=0, label=f"k = {k}"))
    return patches


def timeline(run: Run, width: int) -> Figure:
    """SNR set and estimated, k, and running accuracy over the frame index, on one x axis."""
    narrow, frames = width < NARROW_BELOW_PX, run.frames
    figure = new_figure(width, 620 if narrow else 560)
    snr, k, accuracy = figure.subplots(3, 1, sharex=True, gridspec_kw={"height_ratios": [3, 2, 3]})
    accuracy.set_xlabel("Frame index")
    snr.set_ylabel("SNR (dB)")
    k.set_ylabel("k (symbols\nper item)")
    accuracy.set_ylabel("Accuracy (%)")
    if not len(frames):
        for axes in (snr, k, accuracy):
            nothing(axes, "No frame was sent.")
        return figure
    known = frames.delivered & np.isfinite(frames.snr_est_db)
    snr.step(frames.index, frames.snr_set_db, where="mid", color=SET, linewidth=2.2, label="set")
    snr.plot(
        frames.index[known], frames.snr_est_db[known], "o", color=ESTIMATE, markersize=3, alpha=0.8, label="estimated"
    )
    if not frames.delivered.all():
        gone = ~frames.delivered
        snr.plot(frames.index[gone], frames.snr_set_db[gone], "x", color=LOST, markersize=7, mew=2, label="frame lost")
    legend_above(snr, 3)
    k.step(frames.index, frames.k, where="mid", color=K, linewidth=2.2)
    if run.k_list:
        k.set_yscale("log", base=2)
        shown = run.k_list if len(run.k_list) <= _MOST_KS_NAMED else [one for one in run.k_list if one & (one - 1) == 0]
        k.yaxis.set_major_locator(FixedLocator(shown))
        k.yaxis.set_minor_locator(NullLocator())
        k.yaxis.set_minor_formatter(NullFormatter())
        k.set_yticklabels([str(value) for value in shown])
        k.set_ylim(run.k_list[0] / 1.4, run.k_list[-1] * 1.4)
    patches = _shade_k(accuracy, run)
    if run.items.answered.any():
        at, share, low, high = running_accuracy(run)
        band = accuracy.fill_between(at, low, high, color=ACCURACY, alpha=0.22, linewidth=0, label="95 % interval")
        (line,) = accuracy.plot(
            at, share, "-" if len(at) > 1 else "o", color=ACCURACY, label=f"last {WINDOW_ITEMS} answers"
        )
        _percent_axis(accuracy, float(low.min()))
        accuracy.legend(
            handles=[line, band, *patches], loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.2,
            ncol=2 if narrow else 8, handlelength=1.4, columnspacing=1.2,
        )  # fmt: skip
    else:
        nothing(accuracy, "No item was answered.")
    accuracy.set_xlim(frames.index[0] - 0.7, frames.index[-1] + 0.7)
    accuracy.xaxis.set_major_locator(MaxNLocator(5 if narrow else 11, integer=True))
    return figure


def accuracy_by_snr(run: Run, width: int) -> Figure:
    """Accuracy of the answered items at each SNR, with 95 % Wilson intervals, and with lost items counted as wrong."""
    figure = new_figure(width, 340)
    axes = figure.subplots()
    axes.set(xlabel="SNR set (dB)", ylabel="Accuracy (%)")
    levels, place = snr_levels(run)
    answered, rows = run.items.answered, []
    for number, level in enumerate(levels):
        here = place == number
        n, right = int((here & answered).sum()), int((here & run.items.correct).sum())
        low, high = wilson_interval(right, n)
        rows.append((level, 100 * right / n if n else np.nan, 100 * low, 100 * high, 100 * right / here.sum(), n))
    if not rows:
        nothing(axes, "No item was sent.")
        return figure
    at, share, low, high, of_sent, n = np.array(rows).T
    some = n > 0
    axes.errorbar(
        at[some], share[some], np.maximum([share - low, high - share], 0)[:, some], fmt="o-", color=ACCURACY,
        ecolor=ACCURACY, elinewidth=1.4, capsize=4, markersize=6, linewidth=1.2, label="answered items, 95 % interval",
    )  # fmt: skip
    if not answered.all():
        some_lost = ~(of_sent == share)
        at_lost, share_lost = at[some_lost], of_sent[some_lost]
        axes.plot(at_lost, share_lost, "D", color=LOST, mfc="none", ms=7, clip_on=False, label="lost counted as wrong")
    _percent_axis(axes, min([*low[some], *(of_sent if not answered.all() else [])]))
    axes.xaxis.set_major_locator(FixedLocator(at))
    sums = [np.nansum(run.items.k[place == number]) for number in range(len(levels))]
    means = np.array(sums) / np.bincount(place[place >= 0])
    every = 1 + len(at) // (7 if width < NARROW_BELOW_PX else 13)
    axes.set_xticklabels([f"{at[i]:g}\n{means[i]:.1f}" if i % every == 0 else "" for i in range(len(at))])
    axes.set_xlabel("SNR set (dB), mean k below it")
    legend_above(axes, 1 if width < NARROW_BELOW_PX else 2)
    return figure


def snr_error(run: Run, width: int) -> Figure:
    """Histogram of the estimated less the set SNR of the delivered frames."""
    figure = new_figure(width, 340)
    axes = figure.subplots()
    axes.set(xlabel="SNR estimated − set (dB)", ylabel="Frames")
    error = run.frames.snr_error_db
    if not len(error):
        nothing(axes, "No frame was delivered,\nso no SNR was estimated.")
        return figure
    spread = max(float(np.ptp(error)), 0.2)
    middle = float(error.max() + error.min()) / 2
    bins = int(np.clip(np.sqrt(len(error)) * 1.5, 5, 40))
    bounds = (middle - 0.55 * spread, middle + 0.55 * spread)
    label = f"spread {error.std(ddof=1):.2f} dB" if len(error) > 1 else "one frame"
    axes.hist(error, bins, bounds, histtype="stepfilled", color=ESTIMATE, alpha=0.65, label=label)
    axes.axvline(0, color=SET, linewidth=1.6, linestyle=(0, (4, 3)), label="no error")
    axes.axvline(error.mean(), color=LOST, linewidth=2, label=f"bias {error.mean():+.2f} dB".replace("-", "−"))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(False, axis="x")
    legend_above(axes, 2 if width < NARROW_BELOW_PX else 3)
    return figure


def confusion(run: Run, width: int) -> Figure:
    """Confusion matrix with counts; the shade is the share of the true class."""
    return confusion_figure(confusion_counts(run), run.class_names, width)
