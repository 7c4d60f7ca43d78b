# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that only grows, with its checksum; in need it can be cut, and the checksum follows."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import deque
from pathlib import Path
from typing import Any

_SNAPSHOT_BYTES = 1 << 24
_PIECE_BYTES = 1 << 20
_BEHIND_BYTES = 1 << 23  # from here on a thread computes the checksum while the file grows


class HashedFile:
    """A new file, and the SHA-512 of what it holds.

    The checksum is computed from the file, after the writing and in a thread of its own: 80 MB/s take a fifth of
    a core, which whoever delivers the samples must not wait for. What is behind is in the system's file cache, not in
    memory of this process.

    Args:
        path: the file; one that is there is overwritten.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        self._size = 0
        self._lock = threading.Lock()  # of what is hashed
        self._hash, self._hashed = hashlib.sha512(), 0
        # States of the hash on the way, so that a cut need not read all again.
        self._snapshots: deque[tuple[int, Any]] = deque([(0, self._hash.copy())], maxlen=8)
        self._grown = threading.Event()
        self._over = False
        self._thread: threading.Thread | None = None

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
            self._size += count
            done += count
        if self._size - self._hashed >= _BEHIND_BYTES:
            if self._thread is None:
                self._thread = threading.Thread(target=self._follow, name="checksum", daemon=True)
                self._thread.start()
            self._grown.set()

    def cut(self, size: int) -> None:
        """Keep only the first ``size`` bytes.

        Raises:
            OSError: it cannot be cut.
        """
        with self._lock:
            os.ftruncate(self._fd, size)
            os.lseek(self._fd, size, os.SEEK_SET)
            self._size = size
            if self._hashed > size:
                while self._snapshots and self._snapshots[-1][0] > size:
                    self._snapshots.pop()
                if not self._snapshots:
                    self._snapshots.append((0, hashlib.sha512()))
                self._hashed, digest = self._snapshots[-1]
                self._hash = digest.copy()

    def sha512(self) -> str:
        """The checksum of all that it holds, in hexadecimal.

        Raises:
            OSError: it cannot be read.
        """
        while self._hash_piece():
            pass
        return self._hash.hexdigest()

    def close(self) -> None:
        """Close it; may be called again."""
        self._over = True
        self._grown.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _follow(self) -> None:
        while not self._over:
            self._grown.wait()
            self._grown.clear()
            try:
                while not self._over and self._size - self._hashed >= _PIECE_BYTES and self._hash_piece():
                    pass
            except OSError:
                return  # `sha512` meets it again, where it can be reported

    def _hash_piece(self) -> bool:
        """Hash the next piece; False where there is none."""
        with self._lock:
            octets = os.pread(self._fd, min(self._size - self._hashed, _PIECE_BYTES), self._hashed)
            self._hash.update(octets)
            self._hashed += len(octets)
            if self._hashed - self._snapshots[-1][0] >= _SNAPSHOT_BYTES:
                self._snapshots.append((self._hashed, self._hash.copy()))
            return bool(octets)
