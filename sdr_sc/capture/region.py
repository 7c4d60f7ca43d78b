# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of a file that is read by place: a whole file, or a member of an archive.

Reads go into the caller's memory instead of a memory map: a map's pages would count as the process' own, and a reader
that walks through 20 GB would seem to hold them.
"""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sdr_sc.errors import CaptureError

CHUNK_BYTES = 1 << 17


class Region:
    """Bytes ``start`` to ``start + size`` of a file.

    Args:
        path: the file.
        start: first byte.
        size: bytes; None for all to the file's end.

    Raises:
        CaptureError: the file cannot be opened.
    """

    def __init__(self, path: Path, start: int = 0, size: int | None = None) -> None:
        self.path, self.start = path, start
        try:
            self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed by `close`
            length = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise CaptureError(f"{path} cannot be read ({error.strerror or error}).") from error
        self._whole = max(length - start, 0) if size is None else max(min(size, length - start), 0)
        self.size = self._whole
        # Runs of bytes that are kept: where each begins among those that are kept, and in the region.
        self._kept, self._place = [0], [0]

    def leave_out(self, headers: Sequence[tuple[int, int]], trailing: int = 0) -> None:
        """Read as if bytes that are no samples were not there; the checksum is of all bytes still.

        Args:
            headers: of each run of bytes to leave out, how many kept bytes are before it, and its length; sorted.
            trailing: bytes to leave out at the end.
        """
        end, skipped = max(self._whole - trailing, 0), 0
        self._kept, self._place = [0], [0]
        for before, length in headers:
            if before + skipped >= end:
                break
            skipped += min(length, end - before - skipped)
            if before == self._kept[-1]:
                self._place[-1] = before + skipped
            else:
                self._kept.append(before)
                self._place.append(before + skipped)
        self.size = end - skipped

    @property
    def left_out(self) -> int:
        """Bytes that are not read."""
        return self._whole - self.size

    def read(self, offset: int, count: int) -> np.ndarray:
        """uint8 (count,): bytes from ``offset``, fewer where the region ends.

        Raises:
            CaptureError: the file cannot be read.
        """
        count = max(min(count, self.size - offset), 0)
        octets = np.empty(count, np.uint8)
        done = 0
        while done < count:
            run = bisect_right(self._kept, offset + done) - 1
            end = self._kept[run + 1] - offset if run + 1 < len(self._kept) else count
            place = self._place[run] + offset + done - self._kept[run]
            got = self._read_into(octets[done : min(end, count)], place)
            done += got
            if not got:
                break
        return octets[:done]

    def _read_into(self, octets: np.ndarray, place: int) -> int:
        """Fill an array with the region's bytes from ``place``; the count of those that are there."""
        done = 0
        try:
            while done < len(octets):
                got = os.preadv(self._file.fileno(), [octets.data[done:]], self.start + place + done)
                if not got:
                    break
                done += got
        except OSError as error:
            raise CaptureError(f"{self.path} cannot be read ({error.strerror or error}).") from error
        return done

    def chunks(self) -> Iterator[bytes]:
        """All bytes, a chunk at a time."""
        for offset in range(0, self.size, CHUNK_BYTES):
            yield self.read(offset, CHUNK_BYTES).tobytes()

    def sha512(self) -> str:
        """Checksum of all bytes, in hexadecimal."""
        digest = hashlib.sha512()
        for place in range(0, self._whole, 32 * CHUNK_BYTES):
            octets = np.empty(min(32 * CHUNK_BYTES, self._whole - place), np.uint8)
            digest.update(octets[: self._read_into(octets, place)])  # type: ignore[arg-type]
        return digest.hexdigest()

    def close(self) -> None:
        """Close the file; may be called again."""
        self._file.close()
