# SPDX-License-Identifier: GPL-3.0-or-later
"""Level of a stream against the full scale of a converter."""

from __future__ import annotations

import math
import time

import numpy as np
from numba import njit

_HALF_WINDOW_S = 0.5


class Level:
    """Peak, mean power and clipped samples of some samples.

    Args:
        full_scale: a sample whose real or imaginary part is this or more in magnitude is clipped.
    """

    def __init__(self, full_scale: float) -> None:
        self.full_scale = full_scale
        self.samples = self.clipped = 0
        self._energy = self._peak = self._peak_power = 0.0

    def _include(self, other: Level) -> None:
        self.samples += other.samples
        self.clipped += other.clipped
        self._energy += other._energy
        self._peak = max(self._peak, other._peak)
        self._peak_power = max(self._peak_power, other._peak_power)

    def _measure(self, samples: np.ndarray) -> None:
        samples = np.ascontiguousarray(samples, np.complex64)
        peak, energy, peak_power, clipped = _levels(samples, self.full_scale)
        if not peak < math.inf:
            peak, energy, peak_power, clipped = _levels_of_finite(samples, self.full_scale)
        self.clipped += clipped
        self.samples += len(samples)
        self._peak = max(self._peak, peak)
        self._energy += energy
        self._peak_power = max(self._peak_power, peak_power)

    @property
    def mean_dbfs(self) -> float:
        """Mean power over that of a full-scale complex tone, dB; -inf without any."""
        return _db(self._energy / max(self.samples, 1) / self.full_scale**2)

    @property
    def peak_dbfs(self) -> float:
        """Largest real or imaginary part over full scale, dB."""
        return 2.0 * _db(self._peak / self.full_scale)

    @property
    def papr_db(self) -> float:
        """Peak power over mean power, dB; NaN without any power."""
        return _db(self._peak_power * self.samples / self._energy) if self._energy else math.nan

    def to_dict(self) -> dict[str, float | int]:
        """For results files."""
        return {
            "samples": self.samples,
            "clipped": self.clipped,
            "mean_dbfs": self.mean_dbfs,
            "peak_dbfs": self.peak_dbfs,
            "papr_db": self.papr_db,
        }


class LevelMeter(Level):
    """The level of all samples so far, and that of the latest.

    Args: as for `Level`.

    >>> meter = LevelMeter(1.0)
    >>> meter.add(np.array([0.5, 1.5j, -0.5, 0.5], np.complex64))
    >>> meter.clipped, round(meter.peak_dbfs, 1), round(meter.mean_dbfs, 1), round(meter.papr_db, 1)
    (1, 3.5, -1.2, 4.8)
    """

    def __init__(self, full_scale: float) -> None:
        super().__init__(full_scale)
        self._skip = 0
        self._halves = [Level(full_scale), Level(full_scale)]
        self._since = -math.inf

    def skip(self, samples: int) -> None:
        """Leave so many of the next samples out: a front end that settles is no level."""
        self._skip = samples

    def recent(self) -> Level:
        """Of the last 0.5 to 1 s in which there were samples, by the machine's clock."""
        found = Level(self.full_scale)
        for half in self._halves:
            found._include(half)
        return found

    def add(self, samples: np.ndarray) -> None:
        """Take in complex64 samples (n,); those that are not finite count as clipped."""
        if self._skip:
            rest = samples[self._skip :]
            self._skip -= len(samples) - len(rest)
            samples = rest
        if not len(samples):
            return
        now = time.monotonic()
        if now - self._since > _HALF_WINDOW_S:
            self._halves = [self._halves[1], Level(self.full_scale)]
            self._since = now
        latest = Level(self.full_scale)
        latest._measure(samples)
        self._include(latest)
        self._halves[1]._include(latest)


def _db(ratio: float) -> float:
    return 10.0 * math.log10(ratio) if ratio > 0 else -math.inf


@njit(cache=True, nogil=True)
def _levels(samples: np.ndarray, full_scale: float) -> tuple[float, float, float, int]:
    """Largest magnitude of a real or imaginary part, energy, largest power, and samples that are clipped; the first is
    NaN or infinite if a sample is not finite, and the others then mean nothing.

    Bits of magnitudes rise as these do, and whole numbers have a maximum in any order: so these loops become vectors.
    Eight sums in a fixed order give the same energy on every machine.
    """
    values, bits = samples.view(np.float32), samples.view(np.int32)
    powers = np.empty(len(samples) + -len(samples) % 8, np.float32)
    powers[len(samples) :] = 0.0
    limit, sign = np.array([full_scale], np.float32).view(np.int32)[0], np.int32(0x7FFFFFFF)
    magnitude, clipped = np.int32(0), 0
    for place in range(len(samples)):
        larger = max(bits[2 * place] & sign, bits[2 * place + 1] & sign)
        magnitude = max(magnitude, larger)
        clipped += larger >= limit
    for place in range(len(samples)):
        powers[place] = values[2 * place] * values[2 * place] + values[2 * place + 1] * values[2 * place + 1]
    power_bits, power = powers.view(np.int32), np.int32(0)
    for place in range(len(powers)):
        power = max(power, power_bits[place])
    a = b = c = d = e = f = g = h = 0.0
    for place in range(0, len(powers), 8):
        a += powers[place]
        b += powers[place + 1]
        c += powers[place + 2]
        d += powers[place + 3]
        e += powers[place + 4]
        f += powers[place + 5]
        g += powers[place + 6]
        h += powers[place + 7]
    largest = np.array([magnitude, power], np.int32).view(np.float32)
    return float(largest[0]), ((a + b) + (c + d)) + ((e + f) + (g + h)), float(largest[1]), clipped


@njit(cache=True, nogil=True)
def _levels_of_finite(samples: np.ndarray, full_scale: float) -> tuple[float, float, float, int]:
    """Largest real or imaginary part, energy and largest power of the finite samples; samples that are clipped."""
    peak, energy, peak_power, clipped = 0.0, 0.0, 0.0, 0
    for sample in samples:
        real, imag = abs(float(sample.real)), abs(float(sample.imag))
        clipped += not (real < full_scale and imag < full_scale)  # counts NaN too
        power = real * real + imag * imag
        if power < math.inf:
            energy += power
            peak_power = max(peak_power, power)
            peak = max(peak, real, imag)
    return peak, energy, peak_power, clipped
