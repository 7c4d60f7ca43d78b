# SPDX-License-Identifier: GPL-3.0-or-later
"""Measured figures, their intervals, and the one JSON shape that every measuring verb writes."""

from __future__ import annotations

import json
import math
import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sdr_sc.documents import read_json
from sdr_sc.errors import SdrScError
from sdr_sc.files import write_whole
from sdr_sc.jsonable import plain
from sdr_sc.results.provenance import git_commit, machine
from sdr_sc.sealed import SEAL_KEY, file_digest, sealed, unsealed
from sdr_sc.shown import shown, terminal, utf8

if TYPE_CHECKING:
    from rich.console import Console

Z_95 = 1.959963984540054
_RESERVED = ("command", "git", "machine", "rows", SEAL_KEY)
SUMMARY_NAME = "summary.json"
FILES_KEY = "files_sha256"
"""Of a run's summary: SHA-256 of the other files in its folder, by name."""
TABLES = ("frames.csv", "items.csv", "images.npz")
"""The other files of a run."""
FURTHER_TABLES = ("answers.csv", "scores.csv", "thumbnails.npz", "knowledge.csv")
"""Those of a run of several tasks, beside these."""

SNR_BIAS_GOAL_DB = 1.0
NOT_MEASURED = ", not measured: "
"""In the name of a row without a figure, between what it would have measured and why it does not."""
Interval = tuple[float, float] | None


@dataclass(frozen=True)
class Row:
    """One measured figure.

    Attributes:
        name: what was measured.
        value: the figure, in ``unit``; NaN where there was nothing to measure.
        unit: its unit, such as ``%``, ``dB``, ``s``; empty for a plain number.
        goal: the goal in words, such as ``>= 91 %``; None where none is set.
        ok: whether the goal is met; None where none is set.
        n: how many samples the figure rests on.
        ci95: bounds of the 95 % confidence interval, in ``unit``, where the figure is an estimate.
        samples: what the figure is the mean of, where they are few, such as one a seed.
    """

    name: str
    value: float
    unit: str
    goal: str | None = None
    ok: bool | None = None
    n: int | None = None
    ci95: tuple[float, float] | None = None
    samples: tuple[float, ...] | None = None

    @classmethod
    def at_least(
        cls, name: str, value: float, unit: str, goal: float, n: int | None = None, ci95: Interval = None
    ) -> Row:
        """A figure whose goal is ``goal`` or more; a NaN misses it.

        >>> Row.at_least("accuracy", 91.4, "%", 91).goal
        '>= 91 %'
        """
        return cls(name, value, unit, f">= {goal:g} {unit}".rstrip(), bool(value >= goal), n, ci95)

    @classmethod
    def at_most(
        cls, name: str, value: float, unit: str, goal: float, n: int | None = None, ci95: Interval = None
    ) -> Row:
        """A figure whose goal is ``goal`` or less; a NaN misses it.

        >>> Row.at_most("frames lost", 3, "", 0).ok
        False
        """
        return cls(name, value, unit, f"<= {goal:g} {unit}".rstrip(), bool(value <= goal), n, ci95)


def snr_bias_row(name: str, errors_db: np.ndarray) -> Row:
    """Mean error of SNR estimates, whose magnitude has to stay below `SNR_BIAS_GOAL_DB`; NaN where there are none.

    Args:
        errors_db: estimate minus truth of each received frame, dB.
    """
    bias = float(np.mean(errors_db)) if len(errors_db) else math.nan
    interval = mean_interval(errors_db) if len(errors_db) > 1 else None
    met = abs(bias) < SNR_BIAS_GOAL_DB
    return Row(name, bias, "dB", f"|bias| < {SNR_BIAS_GOAL_DB:g} dB", met, len(errors_db), interval)


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """95 % score interval of a proportion (E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209-212).

    Args:
        successes: how many of the trials succeeded, 0..n.
        n: number of trials; with 0 nothing is known, and the interval is all of 0..1.

    Returns:
        Lower and upper bound, as fractions.

    Raises:
        ValueError: the counts contradict each other.

    >>> low, high = wilson_interval(91, 100)
    >>> round(low, 4), round(high, 4)
    (0.8377, 0.9519)
    >>> wilson_interval(0, 0)
    (0.0, 1.0)
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} trials is not a proportion")
    if n == 0:
        return 0.0, 1.0
    share = successes / n
    scale = 1 + Z_95**2 / n
    centre = (share + Z_95**2 / (2 * n)) / scale
    half = Z_95 * math.sqrt(share * (1 - share) / n + Z_95**2 / (4 * n**2)) / scale
    # The bounds at 0 and n successes are exactly 0 and 1; rounding must not take them off.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return float(low), float(high)


def right_of_frames(frame_index: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Right items, and items whose truth is known, of each frame that has such: for `clustered_interval`.

    Args:
        frame_index: int (items,).
        right: float (items,), 1 where an item is right, NaN where that is not known.

    >>> right_of_frames(np.array([4, 4, 7, 9]), np.array([1.0, 0.0, np.nan, 1.0]))
    (array([1., 1.]), array([2, 1]))
    """
    known = np.isfinite(right)
    frames, place = np.unique(frame_index[known], return_inverse=True)
    return np.bincount(place, right[known], len(frames)), np.bincount(place, minlength=len(frames))


def clustered_interval(successes: Sequence[int] | np.ndarray, sizes: Sequence[int] | np.ndarray) -> tuple[float, float]:
    """95 % interval of a proportion whose trials come in clusters, as the images of a frame, which are lost together.

    Ratio estimator over clusters (Cochran, Sampling Techniques, 1977, section 2.11) with Student's t; never narrower
    than `wilson_interval`, which takes every trial for independent.

    Args:
        successes: in each cluster.
        sizes: trials in each cluster.

    >>> low, high = clustered_interval([50, 0] * 10, [50] * 20)
    >>> round(low, 2), round(high, 2)
    (0.26, 0.74)
    """
    hits, trials = np.asarray(successes, float), np.asarray(sizes, float)
    low, high = wilson_interval(int(hits.sum()), int(trials.sum()))
    clusters = len(trials)
    if clusters < 2:
        return low, high
    share = hits.sum() / trials.sum()
    variance = np.sum((hits - share * trials) ** 2) / (clusters - 1) / clusters / trials.mean() ** 2
    from scipy.stats import t

    half = float(t.ppf(0.975, clusters - 1) * math.sqrt(variance))
    return min(low, max(0.0, share - half)), max(high, min(1.0, share + half))


def mean_interval(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """95 % confidence interval of the mean of independent samples, by Student's t.

    Args:
        values: the samples, one dimension or flattened.

    Returns:
        Lower and upper bound in the samples' unit; two NaN with fewer than two samples.

    >>> low, high = mean_interval([1.0, 2.0, 3.0])
    >>> round(low, 3), round(high, 3)
    (-0.484, 4.484)
    """
    samples = np.asarray(values, dtype=float).ravel()
    if samples.size < 2:
        return math.nan, math.nan
    from scipy.special import stdtrit  # here: a start-up of the command must not wait for scipy

    half = float(stdtrit(samples.size - 1, 0.975)) * float(samples.std(ddof=1)) / math.sqrt(samples.size)
    mean = float(samples.mean())
    return mean - half, mean + half


def _row_json(row: Row) -> dict[str, Any]:
    # Not dataclasses.asdict: it deep-copies, and an interval without finite bounds is reported as none.
    interval = plain(row.ci95)
    found = {name: plain(getattr(row, name)) for name in Row.__dataclass_fields__}
    found["ci95"] = None if interval is None or None in interval else interval
    if row.samples is None:
        del found["samples"]
    return found


def write_json(
    path: str | Path,
    command: str | Sequence[str],
    rows: Iterable[Row],
    extra: dict[str, Any] | None = None,
) -> None:
    """Write figures in the project's shape: ``command``, ``git``, ``machine``, ``rows``, and the extra keys.

    A checksum of all that comes last, as ``sha256``; `read_measurements` compares it.

    The file appears whole or not at all. Numpy scalars and arrays are accepted; NaN and infinity become ``null``.

    Args:
        path: where to; missing folders are made.
        command: the command that prints the same figures again, as one line or as its arguments.
        rows: the figures.
        extra: further top-level keys.

    Raises:
        ValueError: an extra key has the name of one of the four.
        TypeError: a value has no form in JSON.
        SdrScError: the file cannot be written.
    """
    taken = sorted(set(extra or {}) & set(_RESERVED))
    if taken:
        raise ValueError(f"extra key {taken[0]!r} is one that every measurement has already")
    content = {
        "command": command if isinstance(command, str) else shlex.join(command),
        "git": git_commit(),
        "machine": plain(machine()),
        "rows": [_row_json(row) for row in rows],
        **plain(extra or {}),
    }
    text = json.dumps(sealed(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # A path may hold bytes that are no UTF-8; in JSON their stand-ins have escapes of the same look.
    write_whole({Path(path): utf8(text)})


def write_summary(
    folder: Path, command: str | Sequence[str], rows: Iterable[Row], extra: dict[str, Any] | None = None
) -> None:
    """Write ``summary.json`` of a run whose other files are written and closed, with their checksums.

    Args, Raises: as for `write_json`.
    """
    try:
        digests = {name: file_digest(folder / name) for name in (*TABLES, *FURTHER_TABLES) if (folder / name).is_file()}
    except OSError as error:
        raise SdrScError(f"{folder} cannot be read ({error.strerror or error}); choose another place.") from error
    write_json(folder / SUMMARY_NAME, command, rows, {**(extra or {}), FILES_KEY: digests})


def read_measurements(path: str | Path) -> dict[str, Any]:
    """What `write_json` wrote, without its checksum, which is compared; files of earlier versions have none.

    Raises:
        SdrScError: it cannot be read, is damaged, or holds no rows of figures.
    """
    fix = "measure it again"
    content = read_json(path, "file of figures", fix)
    if not isinstance(content, dict):
        raise SdrScError(f"file of figures {shown(path)} holds no JSON object; {fix}.")
    content, _ = unsealed(content, f"file of figures {shown(path)}", fix)
    rows = content.get("rows")
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "name" in row for row in rows):
        raise SdrScError(f"file of figures {shown(path)} holds no rows of figures; {fix}.")
    return content


def write_interim(path: Path, command: str, extra: dict[str, Any]) -> None:
    """Write what is known while a measurement goes on: as `write_json`, without rows, commit and machine, and in less
    time.

    Raises:
        SdrScError: the file cannot be written.
    """
    content = {"command": command, "interim": True, "rows": [], **plain(extra)}
    write_whole({path: utf8(json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n")}, sync=False)


def check_writable(path: str | Path, as_folder: bool = False) -> None:
    """Make the folder of a result file, so that a long measurement does not end in a file that cannot be written.

    Args:
        path: of the file.
        as_folder: it will be a folder instead, and may be there.

    Raises:
        SdrScError: the folder cannot be made or written, or the file's name is that of a folder.
    """
    folder = Path(path).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(13, "no permission")
        if not as_folder and os.path.isdir(path):
            raise IsADirectoryError(21, "it is a folder")
    except OSError as error:
        raise SdrScError(f"{path} cannot be written ({error.strerror}); choose another place.") from error


def format_value(value: float | None, unit: str = "") -> str:
    """A figure for people: four significant digits, whole numbers with thousands separated, a dash for none.

    >>> format_value(91.2345, "%"), format_value(12000), format_value(float("nan")), format_value(0.0000123, "s")
    ('91.23 %', '12,000', '–', '1.23e-05 s')
    """
    if value is None or not math.isfinite(value):
        return "–"
    whole = float(value).is_integer() and abs(value) < 1e15
    if whole or 1e4 <= abs(value) < 1e15:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.4g}"
    return f"{text} {unit}".rstrip()


def print_rows(rows: Iterable[Row], title: str | None = None, console: Console | None = None) -> None:
    """Print figures as a table: name, value, 95 % interval, samples, goal, and whether it is met."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))  # fits a terminal of 80 columns
    table.add_column("what", min_width=16)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("95 % interval", justify="right", no_wrap=True)
    table.add_column("n", justify="right", no_wrap=True)
    table.add_column("goal", max_width=13)
    table.add_column("met", no_wrap=True, min_width=3)
    for row in rows:
        interval = "" if row.ci95 is None else f"{_short(row.ci95[0])} .. {_short(row.ci95[1])}"
        verdict = {None: Text(""), True: Text("yes", "green"), False: Text("NO", "bold red")}[row.ok]
        count = "" if row.n is None else f"{row.n:,}"
        # As Text: a bracket in a name is not markup.
        table.add_row(Text(row.name), format_value(row.value, row.unit), interval, count, Text(row.goal or ""), verdict)
    (console or terminal()).print(table)


def _short(bound: float) -> str:
    """A bound of an interval with four significant digits at most."""
    return f"{bound:.{4 if abs(bound) >= 1 else 2}g}" if abs(bound) < 1000 else format_value(bound)
