# SPDX-License-Identifier: GPL-3.0-or-later
"""What several tasks in one student cost each of them: kept figures of it beside those of students of one task each.

Files of ``bench evidence multitask`` hold which items ours answers correctly. Two students that met the same items and
noise are compared item by item, and over their seeds (`sdr_sc.results.paired`); of files without answers the figures
alone are compared, over the seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.documents import real_number
from sdr_sc.errors import SdrScError
from sdr_sc.evidence.multitask.rows import RETRIEVAL
from sdr_sc.evidence.tables import APART
from sdr_sc.results.paired import paired_gain, unpacked
from sdr_sc.results.rows import Row, mean_interval, read_measurements
from sdr_sc.shown import shown

METRICS = {RETRIEVAL: "R@5"}
"""Of tasks whose figure has another name than the task."""
FROM_DB, AT_LEAST_POINTS = 5.0, -1.0
"""The goal: from this SNR up, several tasks cost no more than a point on average."""
BANDS = {"low": (-5.0, 0.0), "middle": (5.0, 10.0), "high": (15.0, 25.0)}
"""Bands of SNR in dB, both ends included."""
_OURS = "ours, k="
Point = tuple[float, int]
"""SNR in dB, and symbols an item."""


@dataclass(frozen=True)
class Kept:
    """Figures of one student.

    Attributes:
        source: the file's name.
        data: set and channel that it was measured on.
        shares: per cent by metric and point.
        right: bool (items,) by metric and point, as far as they were kept.
    """

    source: str
    data: tuple[Any, ...]
    shares: dict[tuple[str, Point], float]
    right: dict[tuple[str, Point], np.ndarray]


def read_kept(path: Path) -> Kept:
    """Ours from a file of ``bench evidence multitask --json``.

    Raises:
        SdrScError: it cannot be read, or holds no such figures.
    """
    content, source = read_measurements(path), str(shown(path))
    answers = unpacked(content.get("answers"), f"file of figures {source}")
    shares: dict[tuple[str, Point], float] = {}
    right: dict[tuple[str, Point], np.ndarray] = {}
    for row in content["rows"]:
        place, value = _place(str(row["name"])), real_number(row.get("value"), 0.0, 100.0)
        if place is not None and value is not None and row.get("unit") == "%":
            shares[place] = value
            if row["name"] in answers:
                right[place] = answers[row["name"]]
    if not shares:
        raise SdrScError(f"{source} holds no figures of 'sdr-sc bench evidence multitask --json'; give such a file.")
    config = content.get("config")
    config = config if isinstance(config, dict) else {}
    return Kept(source, (_measured(config.get("data_set")), config.get("channel"), config.get("seed")), shares, right)


def _measured(data_set: Any) -> Any:
    """The set whose items were measured: of a joined one's single member that member, whose items it has in its order.

    >>> _measured("wordnet+noto_emoji,only=wordnet"), _measured("wordnet+noto_emoji")
    ('wordnet', 'wordnet+noto_emoji')
    """
    return data_set.partition(",only=")[2] or data_set if isinstance(data_set, str) else data_set


def _place(name: str) -> tuple[str, Point] | None:
    """Metric and point of a row of ours."""
    parts = name.split(APART)
    if len(parts) != 3 or not parts[0].endswith(" dB") or not parts[1].startswith(_OURS):
        return None
    try:
        return parts[2], (float(parts[0].removesuffix(" dB")), int(parts[1].removeprefix(_OURS)))
    except ValueError:
        return None


@dataclass(frozen=True)
class Pairs:
    """Students in pairs, one of each seed, and the metric of the task that they are compared by."""

    metric: str
    ours: tuple[Kept, ...]
    others: tuple[Kept, ...]

    @property
    def points(self) -> list[Point]:
        """That all of them were measured at, rising."""
        common = {place for place in self.ours[0].shares if place[0] == self.metric}
        for one in (*self.ours, *self.others):
            common &= set(one.shares)
        return sorted(point for _, point in common)

    def gain(self, point: Point, name: str) -> Row:
        """Ours less the others, points."""
        place = self.metric, point
        if all(place in one.right for one in (*self.ours, *self.others)):
            sides = [[one.right[place] for one in side] for side in (self.ours, self.others)]
            if len({len(right) for side in sides for right in side}) == 1:
                return paired_gain(*(np.stack(side) for side in sides)).row(name)
        gains = [a.shares[place] - b.shares[place] for a, b in zip(self.ours, self.others, strict=True)]
        interval = mean_interval(gains) if len(gains) > 1 else None
        return Row(name, float(np.mean(gains)), "points", n=len(gains), ci95=interval, samples=tuple(gains))

    def relative(self, point: Point) -> np.ndarray:
        """Gain of each seed as a share of the other's figure, per cent; NaN where that is 0."""
        pairs = [(a.shares[self.metric, point], b.shares[self.metric, point])
                 for a, b in zip(self.ours, self.others, strict=True)]  # fmt: skip
        return np.array([100 * (a - b) / b if b else np.nan for a, b in pairs])


def paired(ours: Sequence[Path], others: Mapping[str, Sequence[Path]], what: str) -> dict[str, Pairs]:
    """Files in pairs, by task.

    Args:
        ours: of the student of all tasks, one a seed.
        others: of the students of each task, as many, in the order of the same seeds.
        what: for errors: what the others are.

    Raises:
        SdrScError: there are others than pairs, or they are of other data, channels or noise, or share no point.
    """
    own, found = tuple(read_kept(path) for path in ours), {}
    for task, paths in others.items():
        if len(paths) != len(own):
            raise SdrScError(
                f"{len(own)} files of ours and {len(paths)} of the {what} for {shown(task)} make no pairs; give one of "
                "each seed, in the same order."
            )
        rest = tuple(read_kept(path) for path in paths)
        for a, b in zip(own, rest, strict=True):
            if a.data != b.data:
                raise SdrScError(
                    f"{a.source} and {b.source} were measured with different data sets, channels or noise, and cannot "
                    "be compared; measure one of them again."
                )
        pairs = Pairs(METRICS.get(task, task), own, rest)
        if not pairs.points:
            raise SdrScError(
                f"the files of ours and of the {what} for {shown(task)} share no point with {pairs.metric}; measure "
                "them with the same --snr-db and --k."
            )
        found[task] = pairs
    return found


def transfer_rows(pairs: Mapping[str, Pairs]) -> list[Row]:
    """What a student of all tasks gains over one of each task (a loss is negative transfer), by task, SNR and k; and
    the means from `FROM_DB` up, for each k and over all, of which the last has a goal."""
    rows, means = [], []
    for task, one in pairs.items():
        for snr_db, k in one.points:
            rows.append(one.gain((snr_db, k), f"{one.metric}, k={k}{APART}{snr_db:g} dB"))
            if snr_db >= FROM_DB:
                means.append((task, k, rows[-1]))
    k_list = sorted({k for _, k, _ in means})
    for only_k in (*(k_list if len(k_list) > 1 else ()), None):
        for task in (*pairs, ""):
            chosen = [row for own, k, row in means if task in (own, "") and only_k in (k, None)]
            if chosen:
                rows.append(_mean(chosen, METRICS.get(task, task), only_k))
    return rows


def _mean(chosen: Sequence[Row], metric: str, k: int | None) -> Row:
    """Of points from `FROM_DB` up; that of all tasks and k has the goal.

    Args:
        metric: of one task; "" of all tasks.
        k: of the points; None of all.
    """
    by_seed = np.mean([row.samples or (row.value,) for row in chosen], axis=0)
    interval = mean_interval(by_seed) if len(by_seed) > 1 else None
    at = "" if k is None else f", k={k}"
    what = f"mean over {metric or 'all tasks'}{at}{APART}from {FROM_DB:g} dB up"
    value, count = float(np.mean([row.value for row in chosen])), len(chosen)
    row = Row(what, value, "points", n=count, ci95=interval)
    if not metric and k is None:
        row = Row.at_least(what, value, "points", AT_LEAST_POINTS, count, interval)
    return replace(row, samples=tuple(map(float, by_seed)))


def relative_rows(pairs: Mapping[str, Pairs], k: int, bands: Mapping[str, tuple[float, float]] = BANDS) -> list[Row]:
    """Relative gain over a baseline at k symbols for each band of SNR: of each task, and the mean over tasks, each the
    mean over the band's SNRs; intervals over the seeds.

    Raises:
        SdrScError: nothing was measured at k.
    """
    rows = []
    for band, (low, high) in bands.items():
        means = []
        for one in pairs.values():
            points = [point for point in one.points if point[1] == k and low <= point[0] <= high]
            if points:
                means.append(np.mean([one.relative(point) for point in points], axis=0))
                rows.append(_relative(f"{one.metric}, k={k}{APART}{_of_band(band, points)}", means[-1], len(points)))
        if len(means) == len(pairs) > 0:
            title = f"mean over {len(pairs)} tasks, k={k}{APART}{_of_band(band, points)}"
            rows.append(_relative(title, np.mean(means, axis=0), len(points)))
    if not rows:
        raise SdrScError(
            f"ours and the baseline have no common figure at k={k}; give a --k that both were measured at."
        )
    return rows


def _of_band(band: str, points: Sequence[Point]) -> str:
    return f"{band}: {', '.join(f'{snr_db:g}' for snr_db, _ in points)} dB"


def _relative(name: str, by_seed: np.ndarray, points: int) -> Row:
    interval = mean_interval(by_seed) if len(by_seed) > 1 else None
    return Row(name, float(np.mean(by_seed)), "%", n=points, ci95=interval, samples=tuple(map(float, by_seed)))
