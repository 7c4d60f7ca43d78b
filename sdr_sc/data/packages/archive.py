# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads single files out of a ``.deb`` or a wheel, into memory and within bounds.

No name from an archive ever becomes a name on the disk, links are not followed, and what an archive says of its sizes
is not believed: files are read up to a bound, and so is the whole.
"""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from sdr_sc.errors import DataSetError
from sdr_sc.files import open_plain
from sdr_sc.shown import reason_of, shown

LIMIT_BYTES = 1 << 30
"""Of all files of a package, unpacked; the largest that is read here has 218 MB."""
MOST_FILES = 100_000
_AR_MAGIC, _AR_HEADER, _AR_END = b"!<arch>\n", 60, b"`\n"
_MOST_PARTS = 16  # of a .deb, which has 3
_OPENERS: dict[str, Callable[..., BinaryIO]] = {
    "data.tar": lambda file: file,
    "data.tar.gz": gzip.open,  # type: ignore[dict-item]
    "data.tar.xz": lzma.open,  # type: ignore[dict-item]
}
_FAULTS = (OSError, EOFError, ValueError, NotImplementedError, RuntimeError, tarfile.TarError, zipfile.BadZipFile,
           lzma.LZMAError, zlib.error)  # fmt: skip

Wanted = Callable[[str], int]
"""Of a file's path, without a slash or ``./`` in front: how many bytes it may have, 0 if it is not wanted."""


def read_package(path: Path, wanted: Wanted) -> Iterator[tuple[str, bytes]]:
    """The wanted files of a package, as they come in it: path and bytes.

    Args:
        path: a ``.deb``, whose data is not compressed, or with gzip or xz; or a wheel.

    Raises:
        DataSetError: the package is damaged, or larger than these bounds.
    """
    try:
        with open_plain(path) as file:
            if file.read(len(_AR_MAGIC)) == _AR_MAGIC:
                yield from _of_tar(_data_of_deb(file), wanted)
            else:
                yield from _of_zip(file, wanted)
    except _FAULTS as error:
        raise DataSetError(
            f"package {shown(path)} cannot be read ({reason_of(error, 160)}); delete it and fetch it again."
        ) from None


class _Window(io.RawIOBase):
    """A stretch of a file."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        self._file, self._left = file, length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        piece = self._file.read(min(len(buffer), self._left))
        self._left -= len(piece)
        buffer[: len(piece)] = piece
        return len(piece)


class _Bounded(io.RawIOBase):
    """A stream that ends with an error where it is longer than `LIMIT_BYTES`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._left = file, LIMIT_BYTES

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > self._left:
            size = self._left + 1
        piece = self._file.read(size)
        self._left -= len(piece)
        if self._left < 0:
            raise ValueError(f"it holds more than {LIMIT_BYTES >> 20} MiB")
        return piece


def _data_of_deb(file: BinaryIO) -> BinaryIO:
    """The decompressed ``data.tar`` of a .deb, which is an archive of ``ar`` whose first bytes have been read."""
    for _ in range(_MOST_PARTS):
        header = file.read(_AR_HEADER)
        if len(header) < _AR_HEADER or header[-2:] != _AR_END:
            break
        name, size = header[:16].decode("latin1").strip().rstrip("/"), int(header[48:58].decode("latin1"))
        if size < 0:
            break
        if name in _OPENERS:
            return _OPENERS[name](io.BufferedReader(_Window(file, size)))
        if name.startswith("data.tar"):
            raise ValueError(f"it is compressed as {name}, which is not read here")
        file.seek(size + size % 2, io.SEEK_CUR)
    raise ValueError("it has no data.tar")


def _of_tar(file: BinaryIO, wanted: Wanted) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=_Bounded(file), mode="r|") as archive:  # type: ignore[call-overload]
        for count, member in enumerate(archive):
            if count >= MOST_FILES:
                raise ValueError(f"it has more than {MOST_FILES} files")
            name = member.name.removeprefix("./")
            limit = wanted(name) if member.isfile() else 0
            content = archive.extractfile(member) if limit else None
            if content is not None:
                yield name, _within(content.read(limit + 1), limit, name)
            archive.members.clear()  # type: ignore[attr-defined]  # which it would keep, all of them


def _of_zip(file: BinaryIO, wanted: Wanted) -> Iterator[tuple[str, bytes]]:
    total = 0
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) > MOST_FILES:
            raise ValueError(f"it has more than {MOST_FILES} files")
        for member in members:
            limit = 0 if member.is_dir() else wanted(member.filename)
            if not limit:
                continue
            with archive.open(member) as content:
                raw = _within(content.read(limit + 1), limit, member.filename)
            total += len(raw)
            if total > LIMIT_BYTES:
                raise ValueError(f"it holds more than {LIMIT_BYTES >> 20} MiB")
            yield member.filename, raw


def _within(raw: bytes, limit: int, name: str) -> bytes:
    if len(raw) > limit:
        raise ValueError(f"its file {shown(name, 80)} has more than {limit} bytes")
    return raw
