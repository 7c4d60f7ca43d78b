# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that only grows, with its checksum; in need it can be cut, and the checksum follows."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from pathlib import Path
from typing import Any

_SNAPSHOT_BYTES = 1 << 24


class HashedFile:
    """A new file, and the SHA-512 of what it holds.

    Args:
        path: the file; one that is there is overwritten.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        self._size = 0
        self._hash = hashlib.sha512()
        # States of the hash on the way, so that a cut need not read all again.
        self._snapshots: deque[tuple[int, Any]] = deque([(0, self._hash.copy())], maxlen=8)

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return self._size

    def write(self, octets: memoryview) -> None:
        """Add bytes; they are the kernel's when this returns, so that a kill does not lose them.

        Raises:
            OSError: not all of them can be written; those that were are counted.
        """
        done = 0
        while done < len(octets):
            count = os.write(self._fd, octets[done:])
            self._hash.update(octets[done : done + count])
            self._size += count
            done += count
        if self._size - self._snapshots[-1][0] >= _SNAPSHOT_BYTES:
            self._snapshots.append((self._size, self._hash.copy()))

    def cut(self, size: int) -> None:
        """Keep only the first ``size`` bytes.

        Raises:
            OSError: it cannot be cut, or not be read.
        """
        os.ftruncate(self._fd, size)
        os.lseek(self._fd, size, os.SEEK_SET)
        snapshots = ((at, digest.copy()) for at, digest in reversed(self._snapshots) if at <= size)
        at, digest = next(snapshots, (0, hashlib.sha512()))
        while at < size:
            octets = os.pread(self._fd, min(size - at, 1 << 20), at)
            digest.update(octets)
            at += len(octets)
        self._size, self._hash = size, digest

    def sha512(self) -> str:
        """The checksum, in hexadecimal."""
        return self._hash.hexdigest()

    def close(self) -> None:
        """Close it; may be called again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
