# SPDX-License-Identifier: GPL-3.0-or-later
"""Measured channels, replayed at any sample rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdr_sc.errors import ChannelError
from sdr_sc.phy.channels.base import check, check_rate
from sdr_sc.phy.channels.measured_file import TAPS, MeasuredTaps, read_measured
from sdr_sc.phy.channels.paths import PathChannel


@dataclass(frozen=True)
class MeasuredGains:
    """Taps of a measured channel over time; ``start_s`` is None for a random beginning of each realisation."""

    measured: MeasuredTaps
    speed: float
    start_s: float | None

    mean_power = 1.0

    @property
    def longest_step_s(self) -> float:
        """An eighth of the usual distance of the snapshots, as they follow one another in the replay."""
        return float(np.median(np.diff(self.measured.t_s))) / (8 * self.speed) if self.speed else math.inf

    def draw(self, rng: np.random.Generator) -> MeasuredRealisation:
        """A stretch of the recording."""
        start_s = float(rng.random() * self.measured.t_s[-1]) if self.start_s is None else self.start_s
        return MeasuredRealisation(self.measured, self.speed, start_s)


@dataclass(frozen=True)
class MeasuredRealisation:
    """The recording from a place on, forwards and backwards in turn."""

    measured: MeasuredTaps
    speed: float
    start_s: float

    def gains(self, start_s: float, step_s: float, count: int) -> np.ndarray:
        """complex128 (count, 16): taps, linear between the snapshots."""
        t_s, taps = self.measured.t_s, self.measured.taps
        end_s = t_s[-1]
        course_s = (self.start_s + self.speed * (start_s + step_s * np.arange(count))) % (2 * end_s)
        when_s = np.minimum(course_s, 2 * end_s - course_s)
        after = np.clip(np.searchsorted(t_s, when_s, side="right"), 1, len(t_s) - 1)
        share = ((when_s - t_s[after - 1]) / (t_s[after] - t_s[after - 1]))[:, None]
        return (1 - share) * taps[after - 1] + share * taps[after]


class Measured(PathChannel):
    """A measured channel: frequency selectivity and change over time as they were, at unit mean power.

    The recording goes forwards to its end, then backwards, and so on. ``mean_power`` is that over the measured band:
    in a band much narrower than that one the channel is nearly flat, and its mean may lie some dB beside.

    Args:
        file: an ``.npz`` file, see `read_measured`.
        sample_rate_hz: complex samples per second.
        speed: factor on time; 0 holds the channel as it is at the beginning.
        start_s: where in the recording to begin, seconds; None for a place that the seed picks.
        frequency_scaled: False for the channel that is there at this sample rate; True for a *frequency-scaled*
            channel, whose delays count samples instead of seconds. Then the measured band fills the band whatever its
            rate: with a 64-point FFT, tone k lies on subcarrier k.
        seed: of the beginnings.
        renew_samples: begin again at a random place every so many samples; 0 for never.

    Raises:
        ChannelError: the file or a parameter makes no sense.
    """

    def __init__(
        self,
        file: str | Path,
        sample_rate_hz: float,
        speed: float = 1.0,
        start_s: float | None = None,
        frequency_scaled: bool = False,
        seed: int = 0,
        renew_samples: int = 0,
    ) -> None:
        check_rate(sample_rate_hz)
        check("speed", speed, 0, 1e6)
        self.measured = read_measured(file)
        if start_s is not None:
            check("start_s", start_s, 0, float(self.measured.t_s[-1]), "s, the length of the recording")
            if renew_samples:
                raise ChannelError(
                    "channel: renew_samples begins at random places; leave start_s out, or renew_samples."
                )
        self.is_frequency_scaled = frequency_scaled
        spacing_s = 1.0 / sample_rate_hz if frequency_scaled else self.measured.tap_spacing_s
        gains = MeasuredGains(self.measured, speed, start_s)
        super().__init__(spacing_s * np.arange(TAPS), gains, sample_rate_hz, seed, renew_samples)
