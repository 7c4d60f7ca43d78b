# SPDX-License-Identifier: GPL-3.0-or-later
"""Fading with a Doppler spectrum: sums of sinusoids, and flat Rayleigh and Rician channels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from sdr_sc.phy.channels.base import check
from sdr_sc.phy.channels.paths import PathChannel

SINUSOIDS = 48
"""Waves that arrive on a Rayleigh path."""
LOS_DOPPLER = 0.7
"""Doppler shift of the line of sight over the largest one; TR 38.901 has 0.7 in section 7.7.2."""
_STEPS_PER_PERIOD = 100  # linear interpolation is then off by -66 dB at most


@njit(cache=True, nogil=True)
def _add_waves(start, turn, out):
    """Add start[p, i] * turn[p, i]^n, summed over i, to out[n, p]."""
    paths, waves = start.shape
    for p in range(paths):
        for i in range(waves):
            wave, factor = start[p, i], turn[p, i]
            for n in range(len(out)):
                out[n, p] += wave
                wave *= factor


@dataclass(frozen=True)
class ClarkeGains:
    """Path gains with Clarke's spectrum, for waves that arrive from all around with equal power.

    A Rayleigh path is a sum of `SINUSOIDS` waves of equal power. Their angles of arrival are spread evenly over the
    whole circle, each moved at random within its share, and their phases are uniform (Patel, Stuber and Pratt,
    "Simulation of Rayleigh-faded mobile-to-mobile communication channels", IEEE Trans. Commun. 53(11), 2005, the
    statistical model, with one end at rest). So the autocorrelation is J0(2 pi f_D t), the spectrum symmetric, and
    in-phase and quadrature parts are uncorrelated. A line-of-sight path is one wave of constant power.

    Attributes:
        powers: float64 (paths,), mean power of each.
        is_los: bool (paths,), the line-of-sight ones.
        doppler_hz: largest Doppler shift; 0 for gains that keep the complex Gaussian values that they were drawn with.
        los_doppler: shift of line-of-sight paths over the largest.
    """

    powers: np.ndarray
    is_los: np.ndarray
    doppler_hz: float
    los_doppler: float = LOS_DOPPLER

    def __post_init__(self) -> None:
        check("doppler_hz", self.doppler_hz, 0, 1e9, "Hz")

    @property
    def mean_power(self) -> float:
        """Summed power of all paths."""
        return float(np.sum(self.powers))

    @property
    def longest_step_s(self) -> float:
        """A hundredth of the shortest period."""
        return 1.0 / (_STEPS_PER_PERIOD * self.doppler_hz) if self.doppler_hz else math.inf

    def draw(self, rng: np.random.Generator) -> ClarkeRealisation:
        """New angles and phases, or for Doppler 0 new values."""
        paths = len(self.powers)
        amplitudes = np.sqrt(self.powers)
        if self.doppler_hz == 0:
            gains = (rng.standard_normal(paths) + 1j * rng.standard_normal(paths)) / np.sqrt(2)
            los = np.exp(2j * np.pi * rng.random(paths))
            gains = amplitudes * np.where(self.is_los, los, gains)
            return ClarkeRealisation(gains[:, None], np.zeros((paths, 1)))
        share = np.arange(SINUSOIDS) + rng.random((paths, SINUSOIDS))
        shifts = self.doppler_hz * np.cos(2 * np.pi * share / SINUSOIDS)
        waves = np.exp(2j * np.pi * rng.random((paths, SINUSOIDS))) * amplitudes[:, None] / np.sqrt(SINUSOIDS)
        shifts[self.is_los] = self.los_doppler * self.doppler_hz
        waves[self.is_los, 0] *= np.sqrt(SINUSOIDS)
        waves[self.is_los, 1:] = 0.0
        return ClarkeRealisation(waves, shifts)


@dataclass(frozen=True)
class ClarkeRealisation:
    """Waves with their Doppler shifts.

    Attributes:
        waves: complex128 (paths, waves), values at time 0.
        shifts_hz: float64 (paths, waves).
    """

    waves: np.ndarray
    shifts_hz: np.ndarray

    def gains(self, start_s: float, step_s: float, count: int) -> np.ndarray:
        """complex128 (count, paths): sums of the waves at ``start_s + i * step_s``."""
        out = np.zeros((count, len(self.waves)), np.complex128)
        start = self.waves * np.exp(2j * np.pi * self.shifts_hz * start_s)
        _add_waves(start, np.exp(2j * np.pi * self.shifts_hz * step_s), out)
        return out


class Rayleigh(PathChannel):
    """Flat Rayleigh fading of unit mean power with Clarke's Doppler spectrum.

    Args:
        doppler_hz: largest Doppler shift, speed over wavelength; 0 holds one random gain.
        sample_rate_hz: complex samples per second.
        seed: of the realisations.
        renew_samples: a new realisation every so many samples, 0 for never.

    Raises:
        ChannelError: a parameter makes no sense.

    >>> out = Rayleigh(doppler_hz=0.0, sample_rate_hz=1e6, seed=3).process(np.ones(4, np.complex64))
    >>> bool(np.all(out == out[0]))
    True
    """

    def __init__(self, doppler_hz: float, sample_rate_hz: float, seed: int = 0, renew_samples: int = 0) -> None:
        gains = ClarkeGains(np.ones(1), np.zeros(1, bool), doppler_hz)
        super().__init__(np.zeros(1), gains, sample_rate_hz, seed, renew_samples)


class Rician(PathChannel):
    """Flat Rician fading of unit mean power: a line of sight, and waves from all around with Clarke's spectrum.

    Args:
        k_factor_db: power of the line of sight over that of all other waves, dB.
        doppler_hz: largest Doppler shift; the line of sight is shifted by 0.7 of it. 0 holds one random gain.
        sample_rate_hz: complex samples per second.
        seed: of the realisations.
        renew_samples: a new realisation every so many samples, 0 for never.

    Raises:
        ChannelError: a parameter makes no sense.
    """

    def __init__(
        self, k_factor_db: float, doppler_hz: float, sample_rate_hz: float, seed: int = 0, renew_samples: int = 0
    ) -> None:
        check("k_factor_db", k_factor_db, -100, 100, "dB")
        ratio = 10.0 ** (k_factor_db / 10.0)
        gains = ClarkeGains(np.array([ratio, 1.0]) / (1.0 + ratio), np.array([True, False]), doppler_hz)
        super().__init__(np.zeros(2), gains, sample_rate_hz, seed, renew_samples)
