# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a recording while it is made: samples go to the disk at once, and a kill leaves them readable."""

from __future__ import annotations

import contextlib
import errno
import math
import threading
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.capture.datatype import from_complex64, sample_format
from sdr_sc.capture.hashed_file import HashedFile
from sdr_sc.capture.journal import Journal
from sdr_sc.capture.locate import pair_paths
from sdr_sc.capture.metafile import tidy_segments, write_metadata
from sdr_sc.capture.sigmf.info import RECORDER, CaptureInfo
from sdr_sc.capture.sigmf.metadata import FrameNote, Segment, SentFrame
from sdr_sc.errors import CaptureError
from sdr_sc.jsonable import plain

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_ROOM_BYTES = 1 << 17  # for the metadata's head, late frames, and what file systems round up


def utc_now() -> str:
    """The time now as SigMF writes it, to the microsecond."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class CaptureWriter:
    """A recording that is being made.

    The metadata is valid SigMF from the first moment on; segments and frames go to a journal beside it until `close`
    merges them. Memory does not grow with the samples, and by 24 bytes a frame, four times that while
    `close` sorts them. Any thread may call any method.

    When the disk is full the data is cut to whole samples, so that the metadata has room; `write` raises, frames that
    were received before are still taken, and `close` completes the pair.

    Args:
        path: name of the pair, with or without an ending of SigMF; its folder is made.
        sample_rate_hz: complex samples per second.
        datatype: of the file, such as ``cf32_le`` or ``ci16_le``.
        freq_hz: centre frequency, Hz; None where it is not known.
        hardware: what it was received with, in words.
        config: with what it is made; anything that JSON can hold.
        force: overwrite a recording that is there.
        description, author, license, recorder: in words.
        git_commit: of the code.
        bandwidth_hz: that a frame occupies, for its edges; None for the whole sample rate.

    Raises:
        CaptureError: a parameter makes no sense, there is such a recording already, or its files cannot be written.

    >>> import tempfile
    >>> from sdr_sc.capture import Capture
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with CaptureWriter(f"{folder}/one", 1e6) as writer:
    ...         writer.write(np.arange(4, dtype=np.complex64))
    ...         writer.annotate(FrameNote(1, 2, frame_num=0, k=8, n_items=1, snr_db=12.0, cfo_hz=0.0, model_id=1))
    ...     capture = Capture(f"{folder}/one")
    ...     [capture.frame_samples(note).real.tolist() for note in capture.frames()]
    [[1.0, 2.0]]
    """

    def __init__(
        self,
        path: str | Path,
        sample_rate_hz: float,
        datatype: str = "cf32_le",
        freq_hz: float | None = None,
        hardware: str = "",
        config: Mapping[str, Any] | None = None,
        force: bool = False,
        *,
        description: str = "",
        author: str = "",
        license: str = "",  # noqa: A002
        recorder: str = RECORDER,
        git_commit: str = "",
        bandwidth_hz: float | None = None,
    ) -> None:
        info = CaptureInfo(
            datatype,
            sample_rate_hz,
            freq_hz,
            hardware,
            recorder,
            description,
            author,
            license,
            bandwidth_hz=bandwidth_hz,
            config=dict(config or {}),
            git_commit=git_commit,
        )
        self._begin(path, info, force)

    @classmethod
    def like(cls, path: str | Path, info: CaptureInfo, force: bool = False) -> CaptureWriter:
        """A recording that says the same of itself as another.

        Raises:
            CaptureError: as the constructor.
        """
        writer = cls.__new__(cls)
        writer._begin(path, info, force)
        return writer

    def _begin(self, path: str | Path, info: CaptureInfo, force: bool) -> None:
        self.meta_path, self.data_path, journal_path = pair_paths(path)
        try:
            self._form = sample_format(info.datatype)
        except CaptureError as error:
            raise CaptureError(f"{self.data_path}: {error}") from None
        if not (math.isfinite(info.sample_rate_hz) and 0 < info.sample_rate_hz <= 1e12):
            raise CaptureError(f"{self.meta_path}: sample rate {info.sample_rate_hz} Hz is not between 0 and 1e12.")
        if info.freq_hz is not None and not abs(info.freq_hz) <= 1e12:
            raise CaptureError(f"{self.meta_path}: frequency {info.freq_hz} Hz is not between -1e12 and 1e12.")
        self.info = replace(info, sha512=None, sample_count=None)
        self._lock = threading.RLock()
        self._clipped, self._failed, self._closed, self._refused = info.clipped, "", False, False
        self._freqs: list[tuple[int, float | None]] = [(0, info.freq_hz)]
        _refuse_existing(self.meta_path, self.data_path, journal_path, force)
        self._journal: Journal | None = None
        self._data: HashedFile | None = None
        try:
            self.data_path.parent.mkdir(parents=True, exist_ok=True)
            self._journal = Journal(journal_path, new=True)
            if force:
                self.meta_path.unlink(missing_ok=True)
            first = Segment(0, info.freq_hz, utc_now())
            self._journal.append("segment", plain(first.to_json(), lenient=True))
            write_metadata(self.meta_path, self.info, [first], [], [])
            self._data = HashedFile(self.data_path)
        except OSError as error:
            self.discard()
            raise CaptureError(
                f"recording {self.data_path} cannot be begun ({error.strerror or error}); choose another place."
            ) from error

    @property
    def sample_count(self) -> int:
        """Samples that were written."""
        return 0 if self._data is None else self._data.size // self._form.sample_bytes

    @property
    def clipped(self) -> int:
        """Samples that the datatype could not hold."""
        return self._clipped

    @property
    def failed(self) -> bool:
        """Whether the disk refused something, such as room."""
        return self._refused

    def write(self, samples: np.ndarray) -> None:
        """Add samples, complex64 (n,).

        Raises:
            CaptureError: they cannot be written; what was kept is reported.
        """
        raw, clipped = from_complex64(samples, self._form.name)
        self.write_raw(raw)
        self._clipped += clipped

    def write_raw(self, raw: Any) -> None:
        """Add whole samples as the file holds them, anything with the buffer protocol.

        Raises:
            CaptureError: as `write`.
        """
        with self._lock:
            self._refuse_if_over()
            assert self._data is not None
            try:
                self._data.write(np.frombuffer(raw, np.uint8).data if memoryview(raw).nbytes else memoryview(b""))
            except OSError as error:
                self._fail(error)

    def segment(self, segment: Segment) -> None:
        """Begin a segment; one at a place that has one replaces it.

        Raises:
            CaptureError: it cannot be written.
        """
        with self._lock:
            self._freqs = [(start, freq) for start, freq in self._freqs if start != segment.sample_start]
            before = bisect_right(self._freqs, segment.sample_start, key=lambda pair: pair[0])
            if not before or self._freqs[before - 1][1] != segment.freq_hz:
                self._freqs.insert(before, (segment.sample_start, segment.freq_hz))
            self._append("segment", plain(segment.to_json(), lenient=True))

    def annotate(self, note: FrameNote) -> None:
        """Add a frame; in any order, and before or after its samples. One beyond the end is left out at `close`.

        Raises:
            CaptureError: it cannot be written.
        """
        with self._lock:
            place = bisect_right(self._freqs, note.sample_start, key=lambda pair: pair[0])
            centre_hz = (self._freqs[place - 1][1] if place else None) or 0.0
            half_hz = (self.info.bandwidth_hz or self.info.sample_rate_hz) / 2
            raw = note.to_json((centre_hz - half_hz, centre_hz + half_hz))
            self._append("annotation", plain(raw, lenient=True) if note.other else raw)

    def foreign(self, annotation: Mapping[str, Any]) -> None:
        """Add an annotation of others, as it is.

        Raises:
            CaptureError: it cannot be written.
        """
        self._append("annotation", plain(annotation, lenient=True))

    def not_received(self, frame: SentFrame) -> None:
        """Add a frame that was sent and not received.

        Raises:
            CaptureError: it cannot be written.
        """
        self._append("not_received", frame.to_json())

    def close(self) -> None:
        """Complete the pair; may be called again.

        Raises:
            CaptureError: the metadata cannot be written; ``sdr-sc capture check --repair`` completes it later.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
            assert self._journal is not None
            for attempt in range(3):
                try:
                    self._finish(self._journal)
                    break
                except OSError as error:
                    self._refused = True
                    if attempt == 2 or error.errno not in _NO_ROOM:
                        self._release(remove_journal=False)
                        raise CaptureError(
                            f"{self.meta_path} cannot be written ({error.strerror or error}); make room, then "
                            f"'sdr-sc capture check --repair' completes it."
                        ) from error
                    self._make_room((attempt + 1) * (_ROOM_BYTES + self._journal.size))
            self._release(remove_journal=True)

    def discard(self) -> None:
        """Remove what was written."""
        with self._lock:
            self._closed = True
            if self._journal is None:
                return
            for path in (self.meta_path, self.data_path):
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
            self._release(remove_journal=True)

    def __enter__(self) -> CaptureWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _refuse_if_over(self) -> None:
        if self._failed:
            raise CaptureError(self._failed)
        if self._closed:
            raise CaptureError(f"recording {self.data_path} is closed; nothing can be added.")

    def _append(self, kind: str, raw: dict[str, Any]) -> None:
        with self._lock:
            if self._closed:
                raise CaptureError(f"recording {self.data_path} is closed; nothing can be added.")
            assert self._journal is not None
            try:
                self._journal.append(kind, raw)
            except OSError as error:
                if not self._failed:
                    self._fail(error)
                # Full already, and reported: a late frame takes the place of a few samples.
                self._make_room(_ROOM_BYTES)
                with contextlib.suppress(OSError):
                    self._journal.append(kind, raw)

    def _fail(self, error: OSError) -> None:
        """Keep whole samples, make room for the metadata, and say so."""
        self._refused = True
        room = _ROOM_BYTES + (self._journal.size if self._journal else 0) if error.errno in _NO_ROOM else 0
        self._make_room(room)
        self._failed = (
            f"{self.data_path} cannot be written any further ({error.strerror or error}); its first "
            f"{self.sample_count} samples are kept. Make room, or record to another place."
        )
        raise CaptureError(self._failed) from error

    def _make_room(self, room_bytes: int) -> None:
        """Cut the data to whole samples, by at least so many bytes."""
        assert self._data is not None
        whole = self._form.sample_bytes
        self._data.cut(max(self._data.size - room_bytes, 0) // whole * whole)

    def _finish(self, journal: Journal) -> None:
        count = self.sample_count
        sha512 = self._data.sha512() if self._data is not None and count else None
        info = replace(self.info, sha512=sha512, sample_count=count, clipped=self._clipped)
        segments = tidy_segments(journal.segments, count, info.sample_rate_hz)
        frames, lost = journal.bodies("annotation", count), journal.bodies("not_received", count)
        write_metadata(self.meta_path, info, segments, frames, lost)
        self.info = info
        if not count:
            self.data_path.unlink(missing_ok=True)

    def _release(self, remove_journal: bool) -> None:
        if self._data is not None:
            self._data.close()
        if self._journal is not None:
            self._journal.close(remove_journal)


def _refuse_existing(meta: Path, data: Path, journal: Path, force: bool) -> None:
    if force:
        return
    if journal.exists() and (meta.exists() or data.exists()):  # alone, it is what an early kill left
        raise CaptureError(
            f"{journal} is of a recording that did not end, or still goes on; "
            "'sdr-sc capture check --repair' completes it."
        )
    for path in (meta, data):
        if path.exists():
            raise CaptureError(f"{path} exists already; give another name, or --force to overwrite it.")
