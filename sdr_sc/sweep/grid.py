# SPDX-License-Identifier: GPL-3.0-or-later
"""The points of a sweep, and what a worker has to know to measure one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sdr_sc.errors import SdrScError
from sdr_sc.sweep.config import CAM, ChannelEntry, SchemeEntry, SweepConfig

MOST_POINTS = 100_000


@dataclass(frozen=True)
class Point:
    """One point of the grid; equal points of one results file are the same measurement.

    Attributes:
        scheme, channel: their labels.
        snr_db: Es/N0 on the occupied subcarriers, for a channel gain of 1.
        k: None for the scheme's own choice, or where it has none.
        seed: of the items' order, the channel and the noise.
    """

    scheme: str
    channel: str
    snr_db: float
    k: int | None
    seed: int

    def __str__(self) -> str:
        """For messages.

        >>> str(Point("ours", "awgn", -5.0, None, 1))
        'ours, awgn -5 dB, k=cam, seed 1'
        """
        return (
            f"{self.scheme}, {self.channel} {self.snr_db:g} dB, k={CAM if self.k is None else self.k}, seed {self.seed}"
        )


@dataclass(frozen=True)
class Task:
    """A point with all that it depends on; small, and can be sent to another machine.

    Attributes:
        point: which one.
        scheme, channel: the entries that it names.
        config: the sweep, for the settings that all points share.
        git: commit of the program that asks.
        fingerprint: of that program, see `sdr_sc.sweep.items.fingerprint`; another one refuses. '' is any.
        described: what the scheme says of itself there, model ids above all; another one is refused. {} is any.
    """

    point: Point
    scheme: SchemeEntry
    channel: ChannelEntry
    config: SweepConfig
    git: str
    fingerprint: str = ""
    described: Mapping[str, Any] = field(default_factory=dict)


def make_tasks(
    config: SweepConfig,
    k_lists: Mapping[str, tuple[int, ...] | None],
    git: str,
    fingerprint: str = "",
    described: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[Point, Task]:
    """All points of a grid, all schemes at one operating point side by side: a sweep that was cut short still compares.

    Args:
        k_lists: by the schemes' labels, the k that may be asked for; None where there is no choice.
        git, fingerprint: for all tasks.
        described: by the schemes' labels, for theirs.

    Raises:
        SdrScError: a k is not in a scheme's list, or there are too many points.
    """
    wanted: dict[str, tuple[int | None, ...]] = {}
    for entry in config.schemes:
        known = k_lists[entry.label]
        if known is None and entry.k:
            raise SdrScError(f"scheme {entry.label!r} has no k to choose; leave its k out.")
        wanted[entry.label] = (None,) if known is None else (entry.k or config.k)
        for k in wanted[entry.label]:
            if k is not None and known is not None and k not in known:
                listed = ", ".join(map(str, known))
                raise SdrScError(
                    f"scheme {entry.label!r} cannot send k={k}; use {listed} or {CAM!r}, or give it its own k."
                )
    count = len(config.seeds) * len(config.channels) * len(config.snr_db) * sum(map(len, wanted.values()))
    if count > MOST_POINTS:
        raise SdrScError(f"the sweep has {count} points; let it have {MOST_POINTS} at most.")
    tasks = {}
    for seed in config.seeds:
        for channel in config.channels:
            for snr_db in config.snr_db:
                for scheme in config.schemes:
                    for k in wanted[scheme.label]:
                        point = Point(scheme.label, channel.label, snr_db, k, seed)
                        told = (described or {}).get(scheme.label, {})
                        tasks[point] = Task(point, scheme, channel, config, git, fingerprint, told)
    return tasks
