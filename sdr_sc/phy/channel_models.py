# SPDX-License-Identifier: GPL-3.0-or-later
"""Channel models: seeded, streaming (state survives any chunking), chainable.

All of them take and give complex64 samples, as many out as in. ``snr_db`` is Es/N0 on the occupied subcarriers: noise
of variance N0 a sample has variance N0 on every subcarrier of the unitary FFT, so the noise a sample is
``10^(-snr_db/10)`` when a subcarrier is received with mean power 1, whatever the FFT size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from scipy.signal import lfilter

from sdr_sc.phy.numerology import Numerology


class ChannelModel(Protocol):
    """What every model offers."""

    def process(self, samples: np.ndarray) -> np.ndarray:
        """The next samples, complex64 (n,), through the channel; complex64 (n,)."""
        ...


@dataclass
class Awgn:
    """White Gaussian noise.

    Attributes:
        snr_db: Es/N0 on the occupied subcarriers; may be set at any time.
        subcarrier_power: mean received power on an occupied subcarrier without noise.
        seed: of the noise.

    >>> noise = Awgn(snr_db=10.0, seed=1).process(np.zeros(100_000, np.complex64))
    >>> round(float(np.mean(np.abs(noise) ** 2)), 2)
    0.1
    """

    snr_db: float
    seed: int = 0
    subcarrier_power: float = 1.0
    _rng: np.random.Generator = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)

    def process(self, samples: np.ndarray) -> np.ndarray:
        noise = self._rng.standard_normal(2 * len(samples), np.float32).view(np.complex64)
        variance = self.subcarrier_power * 10.0 ** (-self.snr_db / 10.0)
        return samples + noise * np.float32(np.sqrt(variance / 2))


@dataclass
class CarrierOffset:
    """Carrier frequency offset, with a phase that goes on from chunk to chunk.

    Attributes:
        cfo_hz: offset, Hz; may be set at any time.
        sample_rate_hz: complex samples per second.
    """

    cfo_hz: float
    sample_rate_hz: float
    _turns: float = field(default=0.0, init=False, repr=False)

    def process(self, samples: np.ndarray) -> np.ndarray:
        if self.cfo_hz == 0.0 and self._turns == 0.0:
            return samples
        step = self.cfo_hz / self.sample_rate_hz
        turns = self._turns + step * np.arange(len(samples))
        self._turns = (self._turns + step * len(samples)) % 1.0
        return samples * np.exp(2j * np.pi * turns).astype(np.complex64)


@dataclass
class Multipath:
    """A static tapped delay line on the sample grid.

    Attributes:
        taps: complex gains, the first one without delay, one sample apart.
    """

    taps: Sequence[complex]
    _state: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        taps = np.asarray(self.taps, np.complex64)
        if taps.ndim != 1 or not len(taps) or not np.isfinite(taps).all():
            raise ValueError("taps have to be one or more finite complex numbers")
        self._taps = taps
        self._state = np.zeros(len(taps) - 1, np.complex64)

    def process(self, samples: np.ndarray) -> np.ndarray:
        if len(self._taps) == 1:
            return samples * self._taps[0]
        if not len(samples):
            return samples
        out, self._state = lfilter(self._taps, np.ones(1, np.complex64), samples, zi=self._state)
        return out.astype(np.complex64)


def power_on_subcarriers(taps: Sequence[complex], numerology: Numerology) -> float:
    """Mean power gain |H|^2 of a tapped delay line over the occupied subcarriers.

    >>> round(power_on_subcarriers([0.0, 0.5], Numerology()), 3)
    0.25
    """
    turns = np.outer(numerology.positions, np.arange(len(taps))) / numerology.fft_size
    return float(np.mean(np.abs(np.exp(-2j * np.pi * turns) @ np.asarray(taps)) ** 2))


def delay(samples: int) -> Multipath:
    """A delay of a whole number of samples."""
    return Multipath([0.0] * samples + [1.0])


@dataclass
class RayleighBlockFading:
    """Rayleigh fading, constant over a block of samples, with an exponential power delay profile of unit mean power.

    Attributes:
        block_samples: samples that a realisation lasts.
        rms_delay_samples: delay spread; 0 for flat fading.
        seed: of the realisations.
    """

    block_samples: int
    rms_delay_samples: float = 0.0
    seed: int = 0
    _line: Multipath | None = field(default=None, init=False, repr=False)
    _left: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.block_samples < 1 or self.rms_delay_samples < 0:
            raise ValueError("block_samples has to be 1 or more, rms_delay_samples 0 or more")
        self._rng = np.random.default_rng(self.seed)
        taps = int(np.ceil(5 * self.rms_delay_samples)) + 1
        profile = np.exp(-np.arange(taps) / max(self.rms_delay_samples, 1e-9))
        self._amplitudes = np.sqrt(profile / profile.sum() / 2)

    def process(self, samples: np.ndarray) -> np.ndarray:
        parts, place = [], 0
        while place < len(samples):
            if self._left == 0:
                self._draw()
            assert self._line is not None
            part = samples[place : place + self._left]
            parts.append(self._line.process(part))
            place += len(part)
            self._left -= len(part)
        return np.concatenate(parts) if parts else samples

    def _draw(self) -> None:
        count = len(self._amplitudes)
        gains = self._amplitudes * (self._rng.standard_normal(count) + 1j * self._rng.standard_normal(count))
        line = Multipath(list(gains))
        if self._line is not None:
            line._state = self._line._state  # echoes on their way keep the gains they set out with
        self._line, self._left = line, self.block_samples


@dataclass
class Chain:
    """Models one behind the other."""

    models: Sequence[ChannelModel]

    def process(self, samples: np.ndarray) -> np.ndarray:
        for model in self.models:
            samples = model.process(samples)
        return samples
