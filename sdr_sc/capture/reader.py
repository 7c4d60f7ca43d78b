# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads recordings by place: samples as complex64, frames with what is known of them; never a whole file at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.capture.datatype import to_complex64
from sdr_sc.capture.recording import Recording
from sdr_sc.capture.region import Region
from sdr_sc.capture.sigmf.annotations import Survey, read_annotations, told_annotations
from sdr_sc.capture.sigmf.findings import ERROR, Finding
from sdr_sc.capture.sigmf.info import CaptureInfo
from sdr_sc.capture.sigmf.metadata import FrameNote, Segment, SentFrame
from sdr_sc.errors import CaptureError

BLOCK_SAMPLES = 1 << 16


class Capture:
    """A recording that is read.

    Metadata is read as far as it is needed: opening costs the same whatever the length, the first look at frames or
    problems walks through all annotations. Samples are copies; nothing of the file stays in memory.

    Args:
        path: either file of a pair, their name without ending, an archive (tar, read in place), or a plain file.
        datatype: SigMF's name of the sample format, such as ``cf32_le``; a plain file needs it, and it goes before what
            metadata says.
        sample_rate_hz: complex samples per second; likewise.

    Attributes:
        path: as it was given.
        info: what the recording says of itself.
        segments: by place; the first begins at 0.
        sample_count: whole samples that are there.
        not_received: frames that were sent and not received.

    Raises:
        CaptureError: there is no such recording, or its samples cannot be read; the sentence names file and fault.
    """

    def __init__(self, path: str | Path, datatype: str | None = None, sample_rate_hz: float | None = None) -> None:
        self.path = Path(path)
        self._recording = recording = Recording(path, datatype, sample_rate_hz)
        if recording.fatal or recording.info is None or recording.parts.data is None:
            recording.parts.close()
            # One fault follows from another: a truncated archive lacks data, metadata that is no JSON has no datatype.
            errors = [finding for finding in recording.findings.all() if finding.severity == ERROR]
            fault = (recording.parts.findings or (recording.fatal if recording.raw_global else errors))[0]
            raise CaptureError(f"{path}: {fault.where}: {fault.text}")
        self.info: CaptureInfo = recording.info
        self.segments: tuple[Segment, ...] = recording.segments
        self.sample_count: int = recording.sample_count
        self.not_received: tuple[SentFrame, ...] = tuple(recording.not_received)
        self._data: Region = recording.parts.data
        self._sample_bytes: int = recording.form.sample_bytes if recording.form else 0
        self._surveyed: Survey | None = None

    @property
    def sample_rate_hz(self) -> float:
        """Complex samples per second."""
        return self.info.sample_rate_hz

    @property
    def duration_s(self) -> float:
        """Time that the samples last, s, without that of gaps."""
        return self.sample_count / self.info.sample_rate_hz

    @property
    def problems(self) -> list[Finding]:
        """What is wrong with the recording, and did not keep it from being read."""
        self._survey()
        return self._recording.findings.all()

    @property
    def frame_count(self) -> int:
        """Frames that `frames` gives."""
        return self._survey().frames

    @property
    def foreign_count(self) -> int:
        """Annotations of others."""
        return self._survey().foreign

    @property
    def foreign(self) -> tuple[dict[str, Any], ...]:
        """Annotations of others, by place, as they are in the file but for an offset (``core:offset``) taken off."""
        return tuple(self.foreign_annotations())

    @property
    def raw_global(self) -> Mapping[str, Any]:
        """SigMF's global object, as it is in the file."""
        return self._recording.raw_global

    @property
    def times_left(self) -> Mapping[int, Any]:
        """Times of segments that cannot be read, as they are in the file, by the segments' places."""
        return self._recording.times_left

    @property
    def has_other_bytes(self) -> bool:
        """Whether the data holds bytes that are no samples: headers in front of segments, or a trailer."""
        return self._data.left_out > 0

    @property
    def complete(self) -> bool:
        """Whether the recording's end was written, as `CaptureWriter.close` does."""
        return self.info.sample_count is not None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it is read from."""
        parts = self._recording.parts
        return tuple(region.path for region in (parts.meta, parts.data) if region is not None)

    def data_sha512(self) -> str:
        """Checksum of the data, in hexadecimal; all of it is read, a part at a time."""
        return self._data.sha512()

    def samples(self, start: int, count: int) -> np.ndarray:
        """complex64 (count,): samples from ``start``.

        Raises:
            CaptureError: they are not all there.
        """
        return to_complex64(self.raw(start, count), self.info.datatype)

    def raw(self, start: int, count: int) -> np.ndarray:
        """uint8 (count * bytes of a sample,): samples from ``start`` as the file holds them.

        Raises:
            CaptureError: they are not all there.
        """
        if start < 0 or count < 0 or start + count > self.sample_count:
            raise CaptureError(
                f"{self.path} has no samples {start} to {start + count}; it has {self.sample_count} samples."
            )
        octets = self._data.read(start * self._sample_bytes, count * self._sample_bytes)
        if len(octets) != count * self._sample_bytes:
            raise CaptureError(f"{self.path} became shorter while it was read.")
        return octets

    def blocks(self, block: int = BLOCK_SAMPLES, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Samples ``start`` to ``stop``, complex64, ``block`` at a time; the last block may be shorter.

        Raises:
            CaptureError: they are not all there.
        """
        for at in range(start, self.sample_count if stop is None else stop, block):
            end = self.sample_count if stop is None else stop
            yield self.samples(at, min(block, end - at))

    def frames(self) -> Iterator[FrameNote]:
        """Frames that were received, by place."""
        notes = (found.note for found in read_annotations(self._recording) if found.note is not None)
        # As a rule they are sorted in the file, and need not be held in memory.
        yield from notes if self._survey().in_order else sorted(notes, key=lambda note: note.sample_start)

    def frame_samples(self, note: FrameNote, margin: int = 0) -> np.ndarray:
        """complex64: the samples of a frame, and up to ``margin`` before and after it, as far as there are any."""
        start = max(note.sample_start - margin, 0)
        return self.samples(start, min(note.sample_stop + margin, self.sample_count) - start)

    def foreign_annotations(self) -> Iterator[dict[str, Any]]:
        """Annotations of others, by place."""
        others = (found.raw for found in read_annotations(self._recording) if found.note is None)
        yield from others if self._survey().in_order else sorted(others, key=lambda raw: raw["core:sample_start"])

    def close(self) -> None:
        """Close the files; samples cannot be read any more."""
        self._recording.parts.close()

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _survey(self) -> Survey:
        """Walk through the annotations once, and report what is wrong with them."""
        if self._surveyed is None:
            survey = Survey()
            for _ in told_annotations(self._recording, survey):
                pass
            self._surveyed = survey
        return self._surveyed


def open_capture(path: str | Path, datatype: str | None = None, sample_rate_hz: float | None = None) -> Capture:
    """Open a recording; see `Capture`.

    Raises:
        CaptureError: there is no such recording, or its samples cannot be read.
    """
    return Capture(path, datatype, sample_rate_hz)
