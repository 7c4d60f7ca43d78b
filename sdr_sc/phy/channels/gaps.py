# SPDX-License-Identifier: GPL-3.0-or-later
"""Lost samples, as when a host does not keep up with its radio."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sdr_sc.errors import ChannelError
from sdr_sc.phy.channels.base import check, generator


@dataclass
class SampleGaps:
    """Drops runs of samples at random places, like an overflow.

    Attributes:
        gap_samples: samples lost each time.
        every_samples: mean distance from the beginning of one gap to that of the next, input samples; what is kept in
            between is exponentially distributed, at least 1 sample.
        seed: of the places.
        tagged: whether the channel block marks the gaps for the receiver, by the tags that a USRP source sets.
        starts: input samples at which gaps began so far.

    Raises:
        ChannelError: a parameter makes no sense.

    >>> model = SampleGaps(gap_samples=3, every_samples=100, seed=1)
    >>> kept = model.process(np.arange(300).astype(np.complex64))
    >>> 300 - len(kept) == 3 * len(model.starts)
    True
    """

    gap_samples: int
    every_samples: int
    seed: int = 0
    tagged: bool = False
    starts: list[int] = field(default_factory=list, init=False, repr=False)

    mean_power = 1.0

    def __post_init__(self) -> None:
        check("gap_samples", self.gap_samples, 1, 2**40)
        check("every_samples", self.every_samples, 2, 2**40)
        if self.every_samples <= self.gap_samples:
            raise ChannelError(
                f"channel: every_samples is {self.every_samples}, not above gap_samples {self.gap_samples}; raise it."
            )
        self._rng = generator(self.seed)
        self._seen = 0
        self._in_gap = False
        self._left = self._draw_kept()

    def _draw_kept(self) -> int:
        return max(1, round(self._rng.exponential(self.every_samples - self.gap_samples)))

    def process(self, samples: np.ndarray) -> np.ndarray:
        """complex64 (n,) to complex64 (m,), with m <= n."""
        parts, place = [], 0
        while place < len(samples):
            count = min(self._left, len(samples) - place)
            if not self._in_gap:
                parts.append(samples[place : place + count])
            place += count
            self._left -= count
            if self._left == 0:
                self._in_gap = not self._in_gap
                if self._in_gap:
                    self.starts.append(self._seen + place)
                self._left = self.gap_samples if self._in_gap else self._draw_kept()
        self._seen += len(samples)
        return np.concatenate(parts) if parts else samples[:0]
