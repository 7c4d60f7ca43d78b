# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of a recording that goes on: one line of JSON for each segment, frame, and lost frame, in any order.

SigMF's metadata is one object that cannot be appended to. Each line is in the file before the call returns, so that a
kill loses nothing; the end of the recording merges the lines into the metadata, sorted, and removes the journal.
"""

from __future__ import annotations

import fcntl
import json
import os
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.capture.jsonable import compact
from sdr_sc.errors import CaptureError

KINDS = ("segment", "annotation", "not_received")


def read_journal(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Kind and object of each line; a line that a kill cut, or that is none of ours, is skipped.

    Raises:
        CaptureError: the file cannot be read.
    """
    for _, kind, raw in _lines(path):
        yield kind, raw


def _lines(path: Path) -> Iterator[tuple[int, str, dict[str, Any]]]:
    offset = 0
    try:
        with open(path, "rb") as file:
            for line in file:
                try:
                    [(kind, raw)] = json.loads(line).items()
                except (ValueError, AttributeError, RecursionError):
                    kind, raw = "", None
                if kind in KINDS and isinstance(raw, dict):
                    yield offset, kind, raw
                offset += len(line)
    except OSError as error:
        raise CaptureError(f"{path} cannot be read ({error.strerror or error}).") from error


class Journal:
    """A journal that is being written, or one that is left; locked, so that nobody else completes it.

    Memory holds 24 bytes an annotation, and nothing else of it.

    Args:
        path: the file.
        new: begin an empty one; else one that is left is read.

    Raises:
        CaptureError: it cannot be opened, or another process has it.
    """

    def __init__(self, path: Path, new: bool) -> None:
        self.path = path
        self._places = {kind: (array("q"), array("q"), array("q")) for kind in ("annotation", "not_received")}
        self.segments: list[dict[str, Any]] = []
        try:
            self._fd = os.open(path, os.O_RDWR | (os.O_CREAT if new else 0), 0o666)
        except OSError as error:
            raise CaptureError(f"{path} cannot be opened ({error.strerror or error}).") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._fd)
            raise CaptureError(f"{path} belongs to a recording that still goes on; end it first.") from None
        if new:
            os.ftruncate(self._fd, 0)
        else:
            for offset, kind, raw in _lines(path):
                self._note(kind, offset, raw)
        self._size = os.fstat(self._fd).st_size

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._size

    def append(self, kind: str, raw: dict[str, Any]) -> None:
        """Add a line.

        Raises:
            OSError: it cannot be written; the file is as before.
        """
        line = memoryview(f'{{"{kind}":{compact(raw)}}}\n'.encode("ascii"))
        written = 0
        try:
            while written < len(line):
                written += os.pwrite(self._fd, line[written:], self._size + written)
        except OSError:
            os.ftruncate(self._fd, self._size)
            raise
        self._note(kind, self._size, raw)
        self._size += len(line)

    def _note(self, kind: str, offset: int, raw: dict[str, Any]) -> None:
        if kind == "segment":
            self.segments.append(raw)
            return
        place = (raw.get("core:sample_start", 0), raw.get("core:sample_count", 0))
        if not all(isinstance(value, int) and 0 <= value < 2**62 for value in place):
            return  # no line that was written here
        for column, value in zip(self._places[kind], (place[0], sum(place), offset), strict=True):
            column.append(value)

    def count(self, kind: str) -> int:
        """Lines of a kind, ``"annotation"`` or ``"not_received"``."""
        return len(self._places[kind][0])

    def bodies(self, kind: str, stop: int) -> Iterator[str]:
        """The objects of a kind as JSON text: those that end at or before sample ``stop``, by where they begin."""
        starts, stops, offsets = (np.array(column, np.int64) for column in self._places[kind])
        order = np.argsort(starts, kind="stable")
        head = len(f'{{"{kind}":')
        with open(self.path, "rb") as file:
            for place in order[stops[order] <= stop].tolist():
                if file.tell() != offsets[place]:
                    file.seek(int(offsets[place]))
                yield file.readline().decode("ascii")[head:].rstrip()[:-1]

    def close(self, remove: bool) -> None:
        """Close the file, and remove it if it is not needed any more; may be called again."""
        if self._fd < 0:
            return
        if remove:
            self.path.unlink(missing_ok=True)
        os.close(self._fd)
        self._fd = -1
