# SPDX-License-Identifier: GPL-3.0-or-later
"""Offsets between the two ends: carrier frequency and sampling clock."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numba import njit

from sdr_sc.phy.channels.base import check, check_rate
from sdr_sc.phy.channels.sinc import HALF_TAPS, windowed_sinc

_BLOCK = 1024
_PHASES = 256
_TAPS = 2 * HALF_TAPS


@njit(cache=True, nogil=True)
def _rotate(samples, first, start_turns, step_turns, ramp, out):
    place = 0
    while place < len(samples):
        block, offset = divmod(first + place, _BLOCK)
        turns = (start_turns + step_turns * (block * _BLOCK)) % 1.0
        base = complex(np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns))
        for i in range(offset, min(_BLOCK, offset + len(samples) - place)):
            out[place] = samples[place] * np.complex64(base * ramp[i])
            place += 1


@dataclass
class CarrierOffset:
    """Carrier frequency offset, with a phase that goes on from chunk to chunk.

    Attributes:
        cfo_hz: offset, Hz; may be set at any time.
        sample_rate_hz: complex samples per second.

    Raises:
        ChannelError: a parameter makes no sense.
    """

    cfo_hz: float
    sample_rate_hz: float
    _start_turns: float = field(default=0.0, init=False, repr=False)  # phase where the present offset came into force
    _count: int = field(default=0, init=False, repr=False)  # samples since

    mean_power = 1.0

    def __post_init__(self) -> None:
        check_rate(self.sample_rate_hz)
        check("cfo_hz", self.cfo_hz, -1e12, 1e12, "Hz")
        self._set(self.cfo_hz)

    def _set(self, cfo_hz: float) -> None:
        self._in_force_hz = cfo_hz
        self._step_turns = cfo_hz / self.sample_rate_hz
        self._ramp = np.exp(2j * np.pi * self._step_turns * np.arange(_BLOCK))

    def process(self, samples: np.ndarray) -> np.ndarray:
        """complex64 (n,) to complex64 (n,)."""
        if self.cfo_hz != self._in_force_hz and len(samples):
            self._start_turns = (self._start_turns + self._step_turns * self._count) % 1.0
            self._count = 0
            self._set(self.cfo_hz)
        if self._step_turns == 0.0 and self._start_turns == 0.0:
            return samples
        out = np.empty(len(samples), np.complex64)
        _rotate(samples, self._count, self._start_turns, self._step_turns, self._ramp, out)
        self._count += len(samples)
        return out


@njit(cache=True, nogil=True)
def _resample(samples, place, step, table, out):
    """Write outputs until the input ends; ``place`` and ``step`` count samples in units of 2^-32."""
    # Numba's cache knows when this file changes, not when a constant does that it imports: hence no _TAPS here.
    made, taps = 0, table.shape[1]
    while (place >> 32) < len(samples) - (taps - 1):
        first = place >> 32
        fraction = place & 0xFFFFFFFF
        phase = fraction >> 24
        between = np.float32((fraction & 0xFFFFFF) / 16777216.0)
        real, imag = np.float32(0), np.float32(0)
        for k in range(taps):
            low = table[phase, k]
            weight = low + between * (table[phase + 1, k] - low)
            sample = samples[first + k]
            real += weight * sample.real
            imag += weight * sample.imag
        out[made] = np.complex64(complex(real, imag))
        made += 1
        place += step
    return made, place


@dataclass
class ClockOffset:
    """Offset of the receiver's sampling clock: it takes ``1 + ppm/10^6`` samples where the transmitter sent one.

    Output m is the band-limited input at sample ``m / (1 + ppm/10^6) - delay_samples``, so another number of samples
    comes out than goes in. The error is below -60 dB for signals within 0.406 of the sample rate (52 of 64
    subcarriers), and larger beyond. The carrier is left alone: where one oscillator drives both, give `CarrierOffset`
    its share too.

    Attributes:
        ppm: offset, parts per million, -1000 to 1000; 0 passes the samples on untouched and without delay.

    Raises:
        ChannelError: ppm out of range.

    >>> model = ClockOffset(ppm=100.0)
    >>> len(model.process(np.ones(95_000, np.complex64)))
    95010
    """

    ppm: float

    mean_power = 1.0

    def __post_init__(self) -> None:
        check("ppm", self.ppm, -1000, 1000)
        self.delay_samples = HALF_TAPS if self.ppm else 0
        self._step = round(2**32 / (1 + self.ppm * 1e-6))
        self._place = 0
        phases = np.arange(_PHASES + 1)[:, None] / _PHASES
        table = windowed_sinc(np.arange(_TAPS) - (HALF_TAPS - 1) - phases)
        self._table = (table / table.sum(axis=1, keepdims=True)).astype(np.float32)
        self._history = np.zeros(_TAPS - 1, np.complex64)

    def process(self, samples: np.ndarray) -> np.ndarray:
        """complex64 (n,) to complex64 (m,), with m near ``n * (1 + ppm/10^6)``."""
        if self.ppm == 0.0:
            return samples
        known = np.concatenate((self._history, samples))
        out = np.empty(int(len(samples) * 1.0011) + 2, np.complex64)
        made, place = _resample(known, self._place, self._step, self._table, out)
        self._place = place - (len(samples) << 32)
        self._history = known[len(samples) :]
        return out[:made]
