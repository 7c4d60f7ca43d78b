# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of a recording, given in samples, seconds or frames."""

from __future__ import annotations

import math
from itertools import islice

from sdr_sc.capture.reader import Capture
from sdr_sc.errors import CaptureError

Range = tuple[float | None, float | None]
"""From the first, without the second; None for an end of the recording."""

FRAME_MARGIN = 320
"""Samples before and after a frame that a cut by frames takes along: four symbols of the default numerology."""


def span(
    capture: Capture,
    samples: Range | None = None,
    seconds: Range | None = None,
    frames: Range | None = None,
    margin: int = FRAME_MARGIN,
) -> tuple[int, int]:
    """The samples of a part, from the first, without the second.

    Args:
        capture: the recording.
        samples: of the recording, from the first, without the second.
        seconds: likewise, s since the first sample, gaps not counted.
        frames: likewise, frames by place, counted from 0.
        margin: samples that a part by frames takes along on both sides.

    Returns:
        All of it if nothing is given. An end beyond that of the recording is taken as its end.

    Raises:
        CaptureError: more than one is given, or there is nothing in that part.
    """
    told = {"samples": samples, "seconds": seconds, "frames": frames}
    given = {name: value for name, value in told.items() if value is not None}
    if len(given) > 1:
        raise CaptureError(f"the part is given in {' and in '.join(given)}; give one of them.")
    for name, (first, last) in given.items():
        low, high = first or 0, math.inf if last is None else last
        if not 0 <= low < high:  # also NaN
            raise CaptureError(f"there is nothing in {name} {_text(first)}:{_text(last)}; give the smaller one first.")
    if frames is not None:
        return _frame_span(capture, frames, margin)
    rate = capture.sample_rate_hz if seconds is not None else 1.0
    first, last = next(iter(given.values()), (None, None))
    start = round(min((first or 0) * rate, capture.sample_count))
    stop = capture.sample_count if last is None else round(min(last * rate, capture.sample_count))
    if start >= stop:
        raise CaptureError(
            f"{capture.path} has nothing in {next(iter(given), 'all')} {_text(first)}:{_text(last)}; "
            f"it has {capture.sample_count} samples, {capture.duration_s:g} s."
        )
    return start, stop


def frame_range(capture: Capture, frames: Range) -> tuple[int, int]:
    """A range of frames with whole numbers for its ends, of frames that are there."""
    count = capture.frame_count
    return int(frames[0] or 0), count if frames[1] is None else min(int(frames[1]), count)


def _frame_span(capture: Capture, frames: Range, margin: int) -> tuple[int, int]:
    first, last = frame_range(capture, frames)
    if first >= last:
        raise CaptureError(
            f"{capture.path} has no frames {_text(frames[0])}:{_text(frames[1])}; it has {capture.frame_count} frames."
        )
    start, stop = capture.sample_count, 0
    for note in islice(capture.frames(), first, last):
        start, stop = min(start, note.sample_start), max(stop, note.sample_stop)
    return max(start - margin, 0), min(stop + margin, capture.sample_count)


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
