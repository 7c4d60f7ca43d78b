# SPDX-License-Identifier: GPL-3.0-or-later
"""Points of a sweep as they come, so that no end of a process loses one: a line of JSON each, in a file of its own."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdr_sc.documents import parse_json
from sdr_sc.errors import SdrScError
from sdr_sc.sealed import sealed, unsealed
from sdr_sc.shown import reason_of, shown
from sdr_sc.sweep.checks import check_about
from sdr_sc.sweep.grid import Point
from sdr_sc.sweep.results import check_same_sweep, check_version, columns, from_columns, read_results, write_results
from sdr_sc.sweep.tally import PointResult

_FIX = "delete that file to measure its points again"


class Journal:
    """A results file that is being measured: what it holds, and what is added.

    Parquet files cannot grow, so points go to ``NAME.journal`` beside the results, each safe on the disk before the
    next one is waited for. `close` writes both together into the results file. A journal that a killed sweep left
    behind is taken up; its last line may be cut. Each line has a checksum. The first line says what its points are,
    and so does a further one wherever another command took it up; ``anew`` in the first says that they replace the
    results file.

    Args:
        path: the results file.
        about: of the sweep that goes on, see `results_about` in `sdr_sc.sweep.runner`.
        force: measure all again; the old results are replaced when the new ones are written. Goes on where the same
            sweep of the same commit, measured again too, was killed.

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
        self.about: dict[str, Any] = json.loads(json.dumps(about))  # in the types that files give back
        self._size, self._has_news = 0, False
        self._file = self._open()
        try:
            self._take_up(force)
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
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise SdrScError(f"{shown(self.journal)} is no regular file; remove it, or give another --out.")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            raise SdrScError(
                f"{self.path} is being measured by another process; wait for it, or give another --out."
            ) from None
        return file

    def _take_up(self, force: bool) -> None:
        """Read what is there, the results file and then the journal, and say in the journal of what goes on."""
        entries = self._entries_to_go_on() if force else self._entries()
        anew = force or bool(entries and entries[0].get("anew"))
        if not anew and self.path.exists():
            old = read_results(self.path)
            self._join(old.about, self.path)
            self.points.update(old.points)
        told = None
        for number, entry in enumerate(entries, 1):
            if "about" in entry:
                told = entry["about"]
                self._join(told, self.journal)
                continue
            try:
                result = from_columns(entry)
            except (ValueError, KeyError, TypeError) as error:
                raise self._unreadable(number, error) from error
            self.points[result.point] = result
            self._has_news = True
        os.ftruncate(self._file, self._size)
        if told != self.about:
            # Otherwise names that came with this sweep could mean something else in the next one, unnoticed.
            self._write({"about": self.about, **({"anew": True} if anew and not entries else {})})

    def _entries(self) -> list[dict[str, Any]]:
        """The whole lines of the journal, whose end becomes ``_size``."""
        found: list[dict[str, Any]] = []
        self._size = 0
        for number, line in enumerate(self.journal.read_bytes().splitlines(keepends=True), 1):
            if not line.endswith(b"\n"):
                break  # cut by a kill or a full disk
            what = f"line {number} of {shown(self.journal)}"
            entry = parse_json(line, what, _FIX)
            if not isinstance(entry, dict) or (number == 1 and "about" not in entry):
                raise SdrScError(f"{what} cannot be read (it reports no sweep); {_FIX}.")
            entry, _ = unsealed(entry, what, _FIX)  # lines of earlier versions have no checksum
            if "about" in entry:
                try:
                    check_about(entry["about"])
                except (ValueError, AttributeError) as error:
                    raise self._unreadable(number, error) from error
            found.append(entry)
            self._size += len(line)
        return found

    def _entries_to_go_on(self) -> list[dict[str, Any]]:
        """The lines of a journal by the same sweep measured again; of any other none, and it is written over."""
        try:
            entries = self._entries()
            if entries and entries[0].get("anew"):
                for about in (entry["about"] for entry in entries if "about" in entry):
                    check_version(about, self.journal)
                    check_same_sweep(about, self.about, self.journal)
                    if about["git"] != self.about["git"]:
                        raise SdrScError(f"{self.journal} was measured by another commit.")
                return entries
        except (SdrScError, KeyError):
            pass  # it is to be measured again whatever is there
        self._size = 0
        return []

    def _unreadable(self, number: int, error: Exception) -> SdrScError:
        return SdrScError(f"line {number} of {shown(self.journal)} cannot be read ({reason_of(error)}); {_FIX}.")

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
        line = json.dumps(sealed(json.loads(json.dumps(entry)))).encode() + b"\n"
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
