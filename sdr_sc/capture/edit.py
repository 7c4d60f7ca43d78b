# SPDX-License-Identifier: GPL-3.0-or-later
"""Cuts and converts recordings; samples pass through a block at a time, and metadata moves along."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.capture.check import schema_faults
from sdr_sc.capture.locate import pair_paths
from sdr_sc.capture.reader import BLOCK_SAMPLES, Capture
from sdr_sc.capture.sigmf.annotations import core_faults
from sdr_sc.capture.sigmf.info import RECORDER, CaptureInfo
from sdr_sc.capture.sigmf.metadata import FrameNote, Segment, SentFrame
from sdr_sc.capture.sigmf.times import later_datetime, later_rx_time
from sdr_sc.capture.span import FRAME_MARGIN, Range, frame_range, span
from sdr_sc.capture.writer import CaptureWriter
from sdr_sc.errors import CaptureError


@dataclass(frozen=True)
class Edited:
    """What became of a recording.

    Attributes:
        start, stop: samples of the source.
        frames: that went along.
        frames_left: frames at its edges that did not, because not all of their samples did.
        clipped: samples that the new datatype could not hold.
        times_left: segments whose time of day could not be read, and was left out.
    """

    start: int
    stop: int
    frames: int
    frames_left: int
    clipped: int
    times_left: int = 0


def cut(
    source: str | Path,
    target: str | Path,
    samples: Range | None = None,
    seconds: Range | None = None,
    frames: Range | None = None,
    margin: int = FRAME_MARGIN,
    force: bool = False,
    datatype: str | None = None,
    sample_rate_hz: float | None = None,
) -> Edited:
    """Write a part of a recording as a new one, its samples bit for bit.

    Args:
        source, datatype, sample_rate_hz: see `Capture`.
        target: name of the new pair.
        samples, seconds, frames, margin: the part, see `sdr_sc.capture.span.span`.
        force: overwrite.

    Raises:
        CaptureError: there is no such part, or a recording cannot be read or written; then there is no target.
    """
    with Capture(source, datatype, sample_rate_hz) as capture:
        start, stop = span(capture, samples, seconds, frames, margin)
        entry: dict[str, Any] = {"action": "cut", "samples": [start, stop]}
        if frames is not None:
            entry["frames"] = list(frame_range(capture, frames))
        return _copy(capture, target, start, stop, entry, None, 1.0, force)


def convert(
    source: str | Path,
    target: str | Path,
    to: str,
    scale: float = 1.0,
    force: bool = False,
    datatype: str | None = None,
    sample_rate_hz: float | None = None,
) -> Edited:
    """Write a recording in another datatype.

    Args:
        source, datatype, sample_rate_hz: see `Capture`.
        target: name of the new pair.
        to: the new datatype.
        scale: factor of the samples, where the new type would clip or waste its range.
        force: overwrite.

    Raises:
        CaptureError: a recording cannot be read or written, or a parameter makes no sense; then there is no target.
    """
    if not (np.isfinite(scale) and scale != 0):
        raise CaptureError(f"scale is {scale}; give a factor that is finite and not 0.")
    with Capture(source, datatype, sample_rate_hz) as capture:
        entry = {"action": "convert", "from": capture.info.datatype, "to": to, "scale": float(scale)}
        return _copy(capture, target, 0, capture.sample_count, entry, to, scale, force)


def _copy(
    capture: Capture, target: str | Path, start: int, stop: int, entry: dict, to: str | None, scale: float, force: bool
) -> Edited:
    _refuse_itself(capture, target)
    info = _valid(capture.info)
    origin = {"source": Path(capture.path).name, "source_sha512": info.sha512, "by": RECORDER}
    history = [*info.history, {**entry, **{key: value for key, value in origin.items() if value}}]
    same = to in (None, info.datatype) and scale == 1.0
    replaces = any(path.exists() for path in pair_paths(target))
    writer = CaptureWriter.like(target, replace(info, datatype=to or info.datatype, history=history), force)
    try:
        for segment in _segments(capture, start, stop):
            writer.segment(segment)
        for at in range(start, stop, BLOCK_SAMPLES):
            count = min(BLOCK_SAMPLES, stop - at)
            if same:
                writer.write_raw(capture.raw(at, count))
            else:
                samples = capture.samples(at, count)
                writer.write(samples if scale == 1.0 else samples * np.float32(scale))
        kept = left = 0
        for note in capture.frames():
            if _within(note, start, stop):
                writer.annotate(replace(note, sample_start=note.sample_start - start))
                kept += 1
            elif note.sample_start < stop and note.sample_stop > start:
                left += 1
        for raw in _foreign(capture, start, stop):
            writer.foreign(raw)
        for frame in _not_received(capture, start, stop):
            writer.not_received(frame)
        writer.close()
        if writer.sample_count < stop - start:  # a full disk: the writer gave up samples for the metadata
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except (OSError, CaptureError) as error:
        writer.discard()
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError) or not writer.failed:
            raise
        gone = ", and the recording that was there is gone" if replaces else ""
        raise CaptureError(
            f"{writer.data_path} cannot be written ({cause.strerror or cause}); nothing was kept{gone}. Make room, or "
            "give another place."
        ) from cause
    except BaseException:
        writer.discard()
        raise
    times_left = sum(segment.sample_start in capture.times_left for segment in _source_segments(capture, start, stop))
    return Edited(start, stop, kept, left, writer.clipped - info.clipped, times_left)


def _refuse_itself(capture: Capture, target: str | Path) -> None:
    for path in pair_paths(target):
        for own in capture.files:
            if path.exists() and os.path.samefile(path, own):
                raise CaptureError(f"{target} is the recording that is read; give another name.")


def _valid(info: CaptureInfo) -> CaptureInfo:
    """Without keys of others that SigMF's schema refuses, so that what is written is valid whatever was read."""
    other = dict(info.other)
    for place, _ in schema_faults({**other, "core:datatype": "cf32_le", "core:version": "1.2.0"}, []):
        if len(place) > 1 and place[0] == "global":
            other.pop(place[1], None)
    return replace(info, other=other)


def _source_segments(capture: Capture, start: int, stop: int) -> list[Segment]:
    """Segments that have samples in a part; the first begins at its first sample or before."""
    before = [segment for segment in capture.segments if segment.sample_start <= start][-1]
    return [before, *(segment for segment in capture.segments if start < segment.sample_start < stop)]


def _segments(capture: Capture, start: int, stop: int) -> Iterator[Segment]:
    """Segments of a part: the first goes on from where the part begins."""
    rate_hz = capture.sample_rate_hz
    before, *within = _source_segments(capture, start, stop)
    skipped = start - before.sample_start
    first = before
    if skipped:
        first = replace(
            before,
            sample_start=start,
            datetime=None if before.datetime is None else later_datetime(before.datetime, skipped / rate_hz),
            rx_time_s=None if before.rx_time_s is None else later_rx_time(before.rx_time_s, skipped, rate_hz),
            global_index=None if before.global_index is None else before.global_index + skipped,
        )
    for segment in (replace(first, cause="" if start else first.cause), *within):
        other = dict(segment.other)
        if other:
            raw = {**other, "core:sample_start": 0}
            for place, _ in schema_faults({"core:datatype": "cf32_le", "core:version": "1.2.0"}, [raw]):
                if len(place) > 2 and place[0] == "captures":
                    other.pop(place[2], None)
        yield replace(segment, sample_start=segment.sample_start - start, other=other)


def _within(note: FrameNote, start: int, stop: int) -> bool:
    return start <= note.sample_start and note.sample_stop <= stop


def _foreign(capture: Capture, start: int, stop: int) -> Iterator[dict[str, Any]]:
    """Annotations of others, cut to the part; what SigMF's schema refuses of them is left out."""
    for found in capture.foreign_annotations():
        raw = {key: value for key, value in found.items() if key not in core_faults(found)}
        first, count = raw["core:sample_start"], raw.get("core:sample_count")
        end = capture.sample_count if count is None else first + count
        if first >= stop or end < start or (end == start and count):
            continue
        raw["core:sample_start"] = max(first, start) - start
        if count is not None:
            raw["core:sample_count"] = max(min(end, stop) - max(first, start), 0)
        yield raw


def _not_received(capture: Capture, start: int, stop: int) -> Iterator[SentFrame]:
    """Lost frames that were sent between those of the part; where it is a whole end of the recording, all to there.

    A frame that was not received has no place; that its number lies between those of two others is all that is known.
    """
    if not capture.not_received:
        return
    lowest, highest = np.inf, -np.inf
    for note in capture.frames():
        if note.frame_index is not None and _within(note, start, stop):
            lowest, highest = min(lowest, note.frame_index), max(highest, note.frame_index)
    lowest = lowest if start else -np.inf
    highest = highest if stop < capture.sample_count else np.inf
    for frame in capture.not_received:
        if lowest <= frame.frame_index <= highest:
            yield frame
