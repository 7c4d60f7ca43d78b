# SPDX-License-Identifier: GPL-3.0-or-later
"""Operating points: what came of a scheme on a channel at an SNR with a k, over all seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from sdr_sc.phy.numerology import Numerology
from sdr_sc.sweep.grid import Point
from sdr_sc.sweep.results import pooled_interval
from sdr_sc.sweep.tally import PointResult

Cost = Literal["uses", "on_air"]
"""What an item costs: payload symbols, or all symbols with preamble, header and pilots."""


class Key(NamedTuple):
    """Names an operating point; k None is the scheme's own choice, or it has none."""

    scheme: str
    channel: str
    snr_db: float
    k: int | None


@dataclass(frozen=True)
class Operation:
    """One operating point.

    Attributes:
        key: which one.
        results: one a seed, by rising seed.
        different_items: images in the test set, for intervals.
    """

    key: Key
    results: tuple[PointResult, ...]
    different_items: int

    def _sum(self, name: str) -> int:
        return sum(getattr(result, name) for result in self.results)

    @property
    def items(self) -> int:
        """Sent, over all seeds."""
        return self._sum("items")

    @property
    def accuracy(self) -> float:
        """Share of the items answered correctly; lost ones are not."""
        return self._sum("correct") / self.items

    @cached_property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy."""
        return pooled_interval(self.results, self.different_items)

    @property
    def uses(self) -> float:
        """Payload symbols an item."""
        return self._sum("channel_uses") / self.items

    @property
    def on_air(self) -> float:
        """All used symbols an item, with preamble, header and pilots."""
        return self._sum("symbols_on_air") / self.items

    @property
    def air_s(self) -> tuple[float, float]:
        """Seconds on the air of an item, that is its share of its frame, and of a frame, in the mean."""
        numerology = Numerology()  # that of all sweeps
        symbol_s = numerology.symbol_samples / numerology.sample_rate_hz
        total = self._sum("symbols_on_air") / numerology.used * symbol_s
        return total / self.items, total / self._sum("frames")

    def cost(self, kind: Cost) -> float:
        """`uses` or `on_air`."""
        return self.uses if kind == "uses" else self.on_air

    @property
    def seconds(self) -> float:
        """Processor time an item took to measure."""
        return sum(result.seconds for result in self.results) / self.items

    @property
    def confusion(self) -> np.ndarray:
        """int (classes, classes + 1): true class x answer, the last column for none."""
        return np.sum([result.confusion for result in self.results], axis=0)

    @property
    def is_measured_snr(self) -> bool:
        """Whether a frame was received, so that there is an SNR estimate."""
        return any(result.snr_est_mean_db is not None for result in self.results)

    @property
    def snr_db(self) -> float:
        """Mean of the receiver's estimates; where no frame was received, as it was set."""
        known = [result for result in self.results if result.snr_est_mean_db is not None]
        if not known:
            return self.key.snr_db
        received = [result.frames - result.frames_lost for result in known]
        return float(np.average([float(r.snr_est_mean_db or 0.0) for r in known], weights=received))


def pool(points: Iterable[PointResult], different_items: int) -> dict[Key, Operation]:
    """Operating points over their seeds.

    Args:
        different_items: images in the test set.
    """
    together: dict[Key, list[PointResult]] = {}
    for result in sorted(points, key=lambda r: r.point.seed):
        together.setdefault(key_of(result.point), []).append(result)
    return {key: Operation(key, tuple(found), different_items) for key, found in together.items()}


def key_of(point: Point) -> Key:
    """The operating point that a point is one seed of."""
    return Key(point.scheme, point.channel, point.snr_db, point.k)


class Mean(NamedTuple):
    """Means over SNR, each of them with the same weight."""

    accuracy: float
    uses: float
    on_air: float


def mean_of(operations: Sequence[Operation]) -> Mean:
    """Means of accuracy, payload symbols and all symbols an item."""
    return Mean(*(float(np.mean([getattr(o, name) for o in operations])) for name in Mean._fields))
