# SPDX-License-Identifier: GPL-3.0-or-later
"""The results files that a report is about, read together and checked against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from sdr_sc.documents import real_number, whole_number
from sdr_sc.errors import BlockError, SdrScError
from sdr_sc.link.return_path import ReturnPath
from sdr_sc.shown import reason_of
from sdr_sc.sweep.config import AIRS, MODES, ChannelEntry, SchemeEntry, StopRule, SweepConfig
from sdr_sc.sweep.grid import MOST_POINTS, Point
from sdr_sc.sweep.results import Results, columns, first_difference, read_results
from sdr_sc.sweep.tally import PointResult

_NEEDED = ("settings", "config", "schemes", "channels", "class_names", "data_set", "data_set_sha256")
_OF_A_RUN = ("seconds", "git")
"""Columns in which two measurements of one point may differ."""


@dataclass(frozen=True)
class Study:
    """All points of a report.

    Attributes:
        sources: the files.
        abouts: what each says of itself, see docs/sweeps.md.
        configs: the sweep that was run last on each.
        points: of all of them.
        schemes, channels: what each name stands for, over all files, in the order of the configurations.
        missing: points of those sweeps' grids that no file has.
        unfinished: files that are being measured, or whose measurement was killed: with a journal beside them.
        unverified: files of earlier versions, which hold no checksum.
    """

    sources: tuple[Path, ...]
    abouts: tuple[dict[str, Any], ...]
    configs: tuple[SweepConfig, ...]
    points: dict[Point, PointResult]
    schemes: dict[str, dict[str, Any]]
    channels: dict[str, dict[str, Any]]
    missing: tuple[Point, ...]
    unfinished: tuple[Path, ...]
    unverified: tuple[Path, ...]

    @property
    def class_names(self) -> list[str]:
        """Of the data set."""
        return [str(name) for name in self.abouts[0]["class_names"]]

    @property
    def seeds(self) -> tuple[int, ...]:
        """All that were measured, ascending."""
        return tuple(sorted({point.seed for point in self.points}))


def load_study(paths: Sequence[Path]) -> Study:
    """Read results files that belong together.

    Raises:
        SdrScError: a file cannot be used, has no point, or contradicts another; in one sentence.
    """
    read = [(path, read_results(path)) for path in paths]
    first_path, first = read[0]
    points: dict[Point, PointResult] = {}
    source_of: dict[Point, Path] = {}
    for path, results in read:
        _check(results, path)
        difference = first_difference(first.about, results.about)
        if difference is not None:
            what, was, value = difference
            raise SdrScError(
                f"{path} was measured with {what} {value}, and {first_path} with {was}; report on each alone."
            )
        for point, result in results.points.items():
            if point in points and not _same(points[point], result):
                raise SdrScError(
                    f"{path} and {source_of[point]} have different results of {point}; leave one of them out."
                )
            points.setdefault(point, result)
            source_of.setdefault(point, path)
    configs = tuple(_config(results.about, path) for path, results in read)
    return Study(
        sources=tuple(paths),
        abouts=tuple(results.about for _, results in read),
        configs=configs,
        points=points,
        schemes=_named(read, "schemes", [entry.label for config in configs for entry in config.schemes]),
        channels=_named(read, "channels", [entry.label for config in configs for entry in config.channels]),
        missing=_missing([results.about for _, results in read], configs, points),
        unfinished=tuple(path for path in paths if path.with_name(path.name + ".journal").exists()),
        unverified=tuple(path for path, results in read if not results.is_verified),
    )


def _check(results: Results, path: Path) -> None:
    """Raise `SdrScError` if a file has no point, or does not say what its points are."""
    if not results.points:
        raise SdrScError(f"{path} has no point yet; run its sweep first.")
    lacking = [name for name in _NEEDED if name not in results.about]
    if lacking:
        raise SdrScError(f"{path} does not hold its {lacking[0]}; measure it again.")
    for point in results.points:
        if point.scheme not in results.about["schemes"] or point.channel not in results.about["channels"]:
            raise SdrScError(f"{path} does not hold what the names of {point} stand for; measure it again.")


def _same(one: PointResult, other: PointResult) -> bool:
    a, b = ({k: v for k, v in columns(r).items() if k not in _OF_A_RUN} for r in (one, other))
    return a == b


def _named(read: Sequence[tuple[Path, Results]], kind: str, order: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What names stand for: those of the configurations first, then those of earlier grids."""
    found: dict[str, dict[str, Any]] = {}
    for _, results in read:
        found.update(results.about[kind])
    return {label: found[label] for label in dict.fromkeys((*order, *found)) if label in found}


def _config(about: Mapping[str, Any], path: Path) -> SweepConfig:
    """A sweep's configuration as its results file keeps it.

    Raises:
        SdrScError: it is not whole.
    """
    try:
        kept = dict(about["config"])
        for key in ("snr_db", "k", "seeds"):
            kept[key] = tuple(kept[key])
        kept["schemes"] = tuple(_scheme_entry(entry) for entry in kept["schemes"])
        kept["channels"] = tuple(_channel_entry(entry) for entry in kept["channels"])
        kept["stop"] = None if kept["stop"] is None else StopRule(**kept["stop"])
        config = SweepConfig(**kept)
        if not _is_possible(config):
            raise ValueError("a value of another kind than sweeps have")
        ks = sum(max(1, len(entry.k or config.k)) for entry in config.schemes)
        if len(config.seeds) * len(config.channels) * len(config.snr_db) * ks > MOST_POINTS:
            raise ValueError(f"a grid of more than {MOST_POINTS} points")
        return config
    except (KeyError, TypeError, ValueError, AttributeError, BlockError) as error:
        reason = reason_of(error)
        raise SdrScError(f"{path} does not hold its configuration ({reason}); measure it again.") from error


def _is_possible(config: SweepConfig) -> bool:
    """Whether the values of a configuration have the types that a sweep's have."""
    ks = [*config.k, *(k for entry in config.schemes for k in entry.k)]
    stops = [rule for rule in (config.stop, *(entry.stop for entry in config.schemes)) if rule is not None]
    return (
        all(real_number(value, -1000, 1000) is not None for value in config.snr_db)
        and real_number(config.carrier_offset_hz) is not None
        and all(k is None or whole_number(k, 1, 1 << 20) is not None for k in ks)
        and all(whole_number(seed, 0, 1 << 53) is not None for seed in config.seeds)
        and all(isinstance(entry.label, str) and isinstance(entry.scheme, str) for entry in config.schemes)
        and all(isinstance(entry.parameters, dict) and entry.mode in MODES for entry in config.schemes)
        and all(isinstance(entry.label, str) and isinstance(entry.models, str) for entry in config.channels)
        and all(whole_number(entry.realisation_items, 0, 1 << 31) is not None for entry in config.channels)
        and all(whole_number(value, 1, 1 << 31) is not None for value in (config.items, config.items_per_frame))
        and all(real_number(rule.interval_points, 0, 100) is not None for rule in stops)
        and all(whole_number(rule.minimum_items, 0, 1 << 31) is not None for rule in stops)
        and config.air in AIRS
    )


def _scheme_entry(kept: Mapping[str, Any]) -> SchemeEntry:
    stop = kept.get("stop")
    return SchemeEntry(**{**kept, "k": tuple(kept["k"]), "stop": None if stop is None else StopRule(**stop)})


def _channel_entry(kept: Mapping[str, Any]) -> ChannelEntry:
    """Of files of earlier versions, too, which know no feedback."""
    told = kept.get("feedback") or {}
    numbers = {key: None if value is None else real_number(value) for key, value in told.items()}
    if any(numbers[key] is None for key in told if told[key] is not None):
        raise ValueError("a feedback that is no number")
    return ChannelEntry(**{**kept, "feedback": ReturnPath(**told)})


def _missing(
    abouts: Sequence[Mapping[str, Any]], configs: Sequence[SweepConfig], points: Mapping[Point, PointResult]
) -> tuple[Point, ...]:
    """Points of the grids that are not there. A scheme without a choice of k is measured once, whatever the sweep's k;
    files that do not say which have one say it by their points."""
    told = {label for about in abouts for label, has_k in about.get("has_k", {}).items() if has_k}
    chose = told | {point.scheme for point in points if point.k is not None}
    wanted: dict[Point, None] = {}
    for config in configs:
        for scheme, channel, snr_db, seed in product(config.schemes, config.channels, config.snr_db, config.seeds):
            own: tuple[int | None, ...] = config.k if scheme.label in chose else (None,)
            for k in scheme.k or own:
                wanted[Point(scheme.label, channel.label, snr_db, k, seed)] = None
    return tuple(point for point in wanted if point not in points)
