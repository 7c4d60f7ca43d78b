# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of a recording that goes on: one line of JSON for each segment, frame, and lost frame, in any order.

SigMF's metadata is one object that cannot be appended to. Each line is in the file before the call returns, so that a
kill loses nothing; the end of the recording merges the lines into the metadata, sorted, and removes the journal. Each
line ends with a checksum of what is before it, so that a bit that changed on the disk is not taken for another figure;
journals of older versions have none.
"""

from __future__ import annotations

import fcntl
import os
import re
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.documents import parse_json
from sdr_sc.errors import CaptureError, SdrScError
from sdr_sc.jsonable import compact

KINDS = ("segment", "annotation", "not_received")

_TAIL = re.compile(rb',"crc32":"([0-9a-f]{8})"\}')
_TAIL_BYTES = len(',"crc32":"00000000"}')


@dataclass
class Tally:
    """What became of a journal's lines.

    Attributes:
        changed: lines that are left out, because they are not what was written.
        cut: whether the last one was cut, as a kill does.
        unchecked: lines without a checksum.
    """

    changed: int = 0
    cut: bool = False
    unchecked: int = 0

    def left_out(self, name: str) -> str:
        """A sentence on what is left out; '' if nothing is."""
        return f"{self.changed} lines of {name} were changed after they were written; left out." if self.changed else ""


def read_journal(path: Path, tally: Tally | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Kind and object of each line; a line that a kill cut, that was changed, or that is none of ours, is skipped.

    Args:
        tally: gets the counts.

    Raises:
        CaptureError: the file cannot be read.
    """
    for _, kind, raw in _lines(path, Tally() if tally is None else tally):
        yield kind, raw


def _lines(path: Path, tally: Tally) -> Iterator[tuple[int, str, dict[str, Any]]]:
    offset = 0
    try:
        with open(path, "rb") as file:
            for line in file:
                found = _parsed(line, tally)
                if found is not None:
                    yield offset, *found
                elif line.endswith(b"\n"):
                    tally.changed += 1
                else:
                    tally.cut = True
                offset += len(line)
    except OSError as error:
        raise CaptureError(f"{path} cannot be read ({error.strerror or error}).") from error


def _parsed(line: bytes, tally: Tally) -> tuple[str, dict[str, Any]] | None:
    text = line.rstrip(b"\r\n")
    tail = _TAIL.fullmatch(text, max(len(text) - _TAIL_BYTES, 0))
    if tail is not None:
        if zlib.crc32(text[1 : tail.start()]) != int(tail[1], 16):
            return None
        text = text[: tail.start()] + b"}"
    try:
        content = parse_json(text, "line", "record again")
    except SdrScError:
        return None
    if not isinstance(content, dict) or len(content) != 1:
        return None
    [(kind, raw)] = content.items()
    if kind not in KINDS or not isinstance(raw, dict):
        return None
    tally.unchecked += tail is None
    return kind, raw


class Journal:
    """A journal that is being written, or one that is left; locked, so that nobody else completes it.

    Memory holds 24 bytes an annotation, and nothing else of it. ``segments`` are those of its lines, ``tally`` says
    what became of the lines of one that was left.

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
        self.tally = Tally()
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
            for offset, kind, raw in _lines(path, self.tally):
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
        body = f'"{kind}":{compact(raw)}'.encode("ascii")
        line = memoryview(b'{%b,"crc32":"%08x"}\n' % (body, zlib.crc32(body)))
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
                line = file.readline().rstrip()
                end = -_TAIL_BYTES if _TAIL.fullmatch(line, len(line) - _TAIL_BYTES) else -1
                yield line[head:end].decode("ascii", "replace")

    def close(self, remove: bool) -> None:
        """Close the file, and remove it if it is not needed any more; may be called again."""
        if self._fd < 0:
            return
        if remove:
            self.path.unlink(missing_ok=True)
        os.close(self._fd)
        self._fd = -1
