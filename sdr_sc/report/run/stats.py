# SPDX-License-Identifier: GPL-3.0-or-later
"""What the report's plots show, as numbers."""

from __future__ import annotations

import numpy as np

from sdr_sc.errors import NumerologyError, SdrScError
from sdr_sc.phy.frame.modes import FrameMode, frame_layout
from sdr_sc.phy.numerology import Numerology
from sdr_sc.report.run.data import Run
from sdr_sc.results.rows import wilson_interval

WINDOW_ITEMS = 100
MOST_LEVELS = 12
"""SNRs that a page shows one by one."""


def running_accuracy(run: Run, window: int = WINDOW_ITEMS) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Accuracy of the last ``window`` answered items, at the end of each frame that brought answers.

    Returns:
        Frame index, accuracy, and lower and upper 95 % Wilson bound, in percent; each of shape (frames with answers,).
        Frames before a quarter of the window is filled are left out, as long as others remain.
    """
    answered = run.items.answered
    frame = run.items.frame_index[answered]
    total = np.concatenate(([0], np.cumsum(run.items.correct[answered])))
    ends = np.flatnonzero(np.diff(frame, append=frame[-1:] + 1)) + 1
    enough = ends[ends >= window // 4]
    ends = enough if len(enough) else ends
    counts = np.minimum(ends, window)
    right = total[ends] - total[ends - counts]
    bounds = np.array([wilson_interval(int(r), int(n)) for r, n in zip(right, counts, strict=True)]).reshape(-1, 2)
    return frame[ends - 1], 100 * right / counts, 100 * bounds[:, 0], 100 * bounds[:, 1]


def snr_levels(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Group the items by the SNR set for their frame, see `grouped`."""
    return grouped(run.item_snr_set_db())


def grouped(snr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Group items by an SNR.

    Args:
        snr: of each item, dB; NaN where it is not known.

    Returns:
        The levels in dB, ascending, shape (levels,), and each item's level, int (items,), -1 where the SNR is not
        known. With more than `MOST_LEVELS` distinct values, they are grouped into equal intervals, named by their
        centres.
    """
    known = np.isfinite(snr)
    place = np.full(len(snr), -1)
    levels, place[known] = np.unique(np.round(snr[known], 3), return_inverse=True)
    if len(levels) > MOST_LEVELS:
        step = np.ceil((levels[-1] - levels[0]) / (MOST_LEVELS - 1) * 2) / 2 or 0.5
        levels, place[known] = np.unique(np.round(snr[known] / step) * step, return_inverse=True)
    return levels, place


def confusion_counts(run: Run) -> np.ndarray:
    """Items by true class (rows) and answer (columns, the last for lost ones), int (classes, classes + 1)."""
    classes = len(run.class_names)
    counts = np.zeros((classes, classes + 1), dtype=int)
    np.add.at(counts, (run.items.label, np.where(run.items.answered, run.items.answer, classes)), 1)
    return counts


def _numerology(run: Run) -> Numerology:
    given = run.summary["config"].get("numerology")
    if not isinstance(given, dict):
        return Numerology()
    try:
        return Numerology(**given)
    except (TypeError, ValueError, OverflowError, NumerologyError) as error:
        raise SdrScError(f"summary.json of {run.name}: the config's numerology does not fit: {error}") from None


def channel_uses_saved(run: Run) -> tuple[float, float]:
    """What the run saved of the channel uses of a link that always sends the largest k.

    Returns:
        Two fractions: of the time on the air (preamble, header, pilots and cyclic prefixes counted on both sides), and
        of the feature symbols alone; NaN where k is not known.
    """
    frames = run.frames
    known = np.isfinite(frames.k) & (frames.n_items > 0)
    if not known.any():
        return np.nan, np.nan
    numerology, largest = _numerology(run), run.k_list[-1]
    counts, ks = frames.n_items[known].tolist(), frames.k[known].astype(int).tolist()
    layouts = {mode: frame_layout(numerology, mode) for mode in FrameMode}
    modes = [FrameMode(mode) for mode in frames.mode[known].astype(int).tolist()]
    sent = sum(layouts[mode].frame_samples(n * k) for n, k, mode in zip(counts, ks, modes, strict=True))
    fixed = sum(layouts[FrameMode.NORMAL].frame_samples(n * largest) for n in counts)
    features = sum(n * k for n, k in zip(counts, ks, strict=True))
    return 1 - sent / fixed, 1 - features / (largest * sum(counts))
