# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of a file that is read by place: a whole file, or a member of an archive.

Reads go into the caller's memory instead of a memory map: a map's pages would count as the process' own, and a reader
that walks through 20 GB would seem to hold them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
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
        self.size = max(length - start, 0) if size is None else max(min(size, length - start), 0)

    def read(self, offset: int, count: int) -> np.ndarray:
        """uint8 (count,): bytes from ``offset``, fewer where the region ends.

        Raises:
            CaptureError: the file cannot be read.
        """
        count = max(min(count, self.size - offset), 0)
        octets, done = np.empty(count, np.uint8), 0
        try:
            while done < count:
                got = os.preadv(self._file.fileno(), [octets.data[done:]], self.start + offset + done)
                if not got:
                    break
                done += got
        except OSError as error:
            raise CaptureError(f"{self.path} cannot be read ({error.strerror or error}).") from error
        return octets[:done]

    def chunks(self, start: int = 0) -> Iterator[bytes]:
        """All bytes from ``start``, a chunk at a time."""
        for offset in range(start, self.size, CHUNK_BYTES):
            yield self.read(offset, CHUNK_BYTES).tobytes()

    def sha512(self) -> str:
        """Checksum of all bytes, in hexadecimal."""
        digest = hashlib.sha512()
        for offset in range(0, self.size, 32 * CHUNK_BYTES):
            digest.update(self.read(offset, 32 * CHUNK_BYTES))  # type: ignore[arg-type]
        return digest.hexdigest()

    def close(self) -> None:
        """Close the file; may be called again."""
        self._file.close()
