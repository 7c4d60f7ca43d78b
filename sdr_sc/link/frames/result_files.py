# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of results on their way to CSV files: whole lines, on the disk within a second."""

from __future__ import annotations

import csv
import errno
import fcntl
import io
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sdr_sc.errors import SdrScError
from sdr_sc.files import fix_for

_LARGE_BYTES = 1 << 16


class ResultFiles:
    """Files of a results folder to which rows are appended.

    Rows wait in memory until `flush`, which is called a few times a second, or until there are many: to write each row
    by itself would cost more than all else that is done about a frame. Each file holds whole lines alone, also on a
    full disk. After the first failure nothing more is written, so that no file has a hole.

    Args:
        folder: made where it is missing.
        columns: header of each file by the file's name.

    Raises:
        OSError: folder or files cannot be made.
    """

    def __init__(self, folder: Path, columns: Mapping[str, Sequence[str]]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._files: dict[str, _RowFile] = {}
        try:
            for name, header in columns.items():
                self._files[name] = _RowFile(folder / name, header)
            for file in self._files.values():
                file.flush()  # a disk that is full already is reported before anything is sent
        except OSError:
            for file in self._files.values():
                file.close()
            raise
        self.failure: SdrScError | None = None

    def add(self, name: str, header: Sequence[str]) -> None:
        """A further file, where it becomes known in the run that there are rows for it.

        Raises:
            SdrScError: it cannot be made; only the first time, as of `flush`.
        """
        if self.failure is None and name not in self._files:
            try:
                self._files[name] = _RowFile(self._folder / name, header)
            except OSError as error:
                self.failure = SdrScError(
                    f"results in {self._folder}: {name} cannot be written ({error.strerror or error}); what was "
                    f"written before can be read; {fix_for(error)}."
                )
                raise self.failure from error

    def rows(self, name: str) -> Any:
        """The CSV writer of the file ``name``, which never fails."""
        return self._files[name].rows

    @property
    def are_many(self) -> bool:
        """Whether so many rows wait that they should be written before their time."""
        return any(file.waiting_bytes > _LARGE_BYTES for file in self._files.values())

    def flush(self) -> None:
        """Write all rows that wait.

        Raises:
            SdrScError: a file cannot be written, or is not in its folder any more; only the first time.
        """
        if self.failure is None:
            self._each(_RowFile.flush)

    def close(self) -> None:
        """Write what waits and close each file, whatever becomes of the others; may be called again.

        Raises:
            SdrScError: as `flush`.
        """
        try:
            self.flush()
        finally:
            for file in self._files.values():
                file.close()

    def _each(self, step: Callable[[_RowFile], None]) -> None:
        for name, file in self._files.items():
            try:
                step(file)
            except OSError as error:
                self.failure = self.failure or SdrScError(
                    f"results in {self._folder}: {name} cannot be written any further ({error.strerror or error}); "
                    f"what was written before can be read; {fix_for(error)}."
                )
        if self.failure is not None:
            raise self.failure


class _RowFile:
    def __init__(self, path: Path, header: Sequence[str]) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _reserve(self._fd)
            os.ftruncate(self._fd, 0)
        except OSError:
            os.close(self._fd)
            raise
        self._text = io.StringIO(newline="")
        self.rows = csv.writer(self._text)
        self._size = 0
        self.rows.writerow(header)

    @property
    def waiting_bytes(self) -> int:
        return self._text.tell()

    def flush(self) -> None:
        octets = memoryview(self._text.getvalue().encode())
        self._text.seek(0)
        self._text.truncate()
        if self._fd < 0 or not octets:
            return
        if not os.fstat(self._fd).st_nlink:  # to write to a file that was removed succeeds
            raise FileNotFoundError(2, "the file or its folder was removed")
        done = 0
        try:
            while done < len(octets):
                done += os.write(self._fd, octets[done:])
        except OSError:
            self._size += bytes(octets[:done]).rfind(b"\n") + 1
            os.ftruncate(self._fd, self._size)
            raise
        self._size += done

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        if hasattr(self, "_size"):
            self.close()


def _reserve(descriptor: int) -> None:
    """Keep other runs from writing a file for as long as it is open: their lines would be mixed with ours.

    Raises:
        BlockingIOError: another run writes it.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(errno.EWOULDBLOCK, "another run writes its results there; choose another") from None
    except OSError:
        pass  # a file system without locks
