# SPDX-License-Identifier: GPL-3.0-or-later
"""Points of a sweep as they come, so that no end of a process loses one: a line of JSON each, in a file of its own."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdr_sc.errors import SdrScError
from sdr_sc.experiments.sweep.grid import Point
from sdr_sc.experiments.sweep.points import PointResult
from sdr_sc.experiments.sweep.results import (
    check_same_sweep,
    check_version,
    columns,
    from_columns,
    read_results,
    write_results,
)


class Journal:
    """A results file that is being measured: what it holds, and what is added.

    Parquet files cannot grow, so points go to ``NAME.journal`` beside the results, each safe on the disk before the
    next one is waited for. `close` writes both together into the results file. A journal that a killed sweep left
    behind is taken up; its last line may be cut.

    Args:
        path: the results file.
        about: of the sweep that goes on, see `results_about` in `sdr_sc.experiments.sweep.runner`.
        force: measure all anew; the old results are replaced when the new ones are written.

    Attributes:
        points: results by point, old ones too.
        about: with the schemes and channels of old points.

    Raises:
        SdrScError: the files are another version's or another sweep's, another process is writing them, or they cannot
            be written.
    """

    def __init__(self, path: Path, about: Mapping[str, Any], force: bool = False) -> None:
        self.path, self.journal = path, path.with_name(path.name + ".journal")
        self.points: dict[Point, PointResult] = {}
        self.about: dict[str, Any] = dict(about)
        self._size, self._has_news = 0, False
        self._file = self._open()
        try:
            if force:
                os.ftruncate(self._file, 0)
            else:
                self._take_up()
            if not self._size:
                self._write({"about": self.about})
        except BaseException:
            if not os.fstat(self._file).st_size:
                self.journal.unlink(missing_ok=True)
            os.close(self._file)
            raise

    def _open(self) -> int:
        """Descriptor of the journal, locked; without a buffer, which a full disk would leave half written."""
        if self.path.is_dir():
            raise SdrScError(f"{self.path} is a folder; give a file as --out.")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.journal, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise SdrScError(f"{self.path} cannot be written ({error.strerror}); choose another --out.") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            raise SdrScError(
                f"{self.path} is being measured by another process; wait for it, or give another --out."
            ) from None
        return file

    def _take_up(self) -> None:
        """Read what is there: the results file, then the journal."""
        if self.path.exists():
            old = read_results(self.path)
            self._join(old.about, self.path)
            self.points.update(old.points)
        self._size = 0
        for number, line in enumerate(self.journal.read_bytes().splitlines(keepends=True)):
            if not line.endswith(b"\n"):
                break  # cut by a kill or a full disk
            try:
                entry = json.loads(line)
                if number == 0:
                    about = entry["about"]
                else:
                    result = from_columns(entry)
            except (ValueError, KeyError, TypeError) as error:
                raise SdrScError(
                    f"line {number + 1} of {self.journal} cannot be read ({error!r}); delete that file to measure its "
                    "points again."
                ) from error
            if number == 0:
                self._join(about, self.journal)
            else:
                self.points[result.point] = result
                self._has_news = True
            self._size += len(line)
        os.ftruncate(self._file, self._size)

    def _join(self, old: Mapping[str, Any], path: Path) -> None:
        check_version(old, path)
        check_same_sweep(old, self.about, path)
        for kind in ("schemes", "channels"):
            self.about[kind] = {**old[kind], **self.about[kind]}
        self.about["has_k"] = {**old.get("has_k", {}), **self.about["has_k"]}

    def add(self, result: PointResult) -> None:
        """Keep a point.

        Raises:
            SdrScError: the disk is full, or gone; what was added before is kept.
        """
        self._write(columns(result))
        self.points[result.point] = result
        self._has_news = True

    def _write(self, entry: Mapping[str, Any]) -> None:
        line = json.dumps(entry).encode() + b"\n"
        try:
            left = memoryview(line)
            while left:
                left = left[os.write(self._file, left) :]
            os.fsync(self._file)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise SdrScError(
                f"{self.journal} cannot be written ({error.strerror}); {len(self.points)} finished points are kept: "
                "make room there, and run the same command again."
            ) from error
        self._size += len(line)

    def close(self) -> None:
        """Write the results file, and remove the journal; without any point neither is left.

        Raises:
            SdrScError: the results cannot be written; the journal stays.
        """
        try:
            if self._has_news:
                write_results(self.path, self.about, sorted(self.points.values(), key=lambda r: _order(r.point)))
            with contextlib.suppress(OSError):
                self.journal.unlink()
        finally:
            os.close(self._file)


def _order(point: Point) -> tuple:
    return point.channel, point.scheme, -1 if point.k is None else point.k, point.snr_db, point.seed
