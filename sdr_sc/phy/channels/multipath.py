# SPDX-License-Identifier: GPL-3.0-or-later
"""Static multipath on the sample grid, and fading that changes from block to block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numba import njit

from sdr_sc.errors import ChannelError
from sdr_sc.phy.channels.base import check, generator
from sdr_sc.phy.numerology import Numerology

_POWERS = (1e-20, 1e20)  # the noise is set against it; a fading channel never gets near either end


@njit(cache=True, nogil=True)
def _add_echoes(samples: np.ndarray, taps: np.ndarray, out: np.ndarray) -> None:
    # Longest delay first: every output sums its inputs oldest first, as the tail of the chunk before did.
    for k in range(len(taps) - 1, -1, -1):
        tap = taps[k]
        if tap == 0:
            continue
        for n in range(len(samples)):
            out[n + k] += tap * samples[n]


@dataclass
class Multipath:
    """A static tapped delay line on the sample grid.

    Attributes:
        taps: complex gains, the first one without delay, one sample apart.

    Raises:
        ChannelError: no taps, taps that are not finite, or taps that pass next to nothing or amplify beyond reason.

    >>> Multipath([1.0, 0.0, 0.5]).process(np.array([1, 0, 0, 2], np.complex64)).real.tolist()
    [1.0, 0.0, 0.5, 2.0]
    """

    taps: Sequence[complex]
    _state: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        try:
            with np.errstate(over="ignore"):
                taps = np.asarray(self.taps, np.complex64)
        except (TypeError, ValueError, OverflowError):
            taps = np.empty(0, np.complex64)
        if taps.ndim != 1 or not len(taps) or not np.isfinite(taps).all():
            raise ChannelError("channel: taps have to be one or more finite complex numbers, such as [1, 0.3j].")
        power = float(np.sum(np.abs(taps.astype(np.complex128)) ** 2))
        if not _POWERS[0] <= power <= _POWERS[1]:
            raise ChannelError(f"channel: taps have a power of {power:.3g}; use {_POWERS[0]:g} to {_POWERS[1]:g}.")
        self._taps = taps
        self._state = np.zeros(len(taps) - 1, np.complex64)  # what samples sent so far still add to later outputs

    @property
    def mean_power(self) -> float:
        """Mean of |H|^2 over the whole band; `power_on_subcarriers` counts the occupied ones only."""
        return float(np.sum(np.abs(self._taps) ** 2))

    def process(self, samples: np.ndarray) -> np.ndarray:
        """complex64 (n,) to complex64 (n,)."""
        out = np.zeros(len(samples) + len(self._state), np.complex64)
        out[: len(self._state)] = self._state
        _add_echoes(samples, self._taps, out)
        self._state = out[len(samples) :].copy()
        return out[: len(samples)]


def power_on_subcarriers(taps: Sequence[complex], numerology: Numerology) -> float:
    """Mean power gain |H|^2 of a tapped delay line over the occupied subcarriers.

    >>> round(power_on_subcarriers([0.0, 0.5], Numerology()), 3)
    0.25
    """
    turns = np.outer(numerology.positions, np.arange(len(taps))) / numerology.fft_size
    return float(np.mean(np.abs(np.exp(-2j * np.pi * turns) @ np.asarray(taps)) ** 2))


def delay(samples: int) -> Multipath:
    """A delay of a whole number of samples.

    Raises:
        ChannelError: a delay below 0, or one of more than ten million samples.
    """
    check("the delay", samples, 0, 1e7, "samples")
    return Multipath(np.eye(1, samples + 1, samples)[0])  # type: ignore[arg-type]


@dataclass
class RayleighBlockFading:
    """Rayleigh fading, constant over a block of samples, with an exponential power delay profile of unit mean power.

    Attributes:
        block_samples: samples that a realisation lasts.
        rms_delay_samples: delay spread; 0 for flat fading.
        seed: of the realisations.

    Raises:
        ChannelError: a parameter makes no sense.
    """

    block_samples: int
    rms_delay_samples: float = 0.0
    seed: int = 0
    _line: Multipath | None = field(default=None, init=False, repr=False)
    _left: int = field(default=0, init=False, repr=False)

    mean_power = 1.0

    def __post_init__(self) -> None:
        check("block_samples", self.block_samples, 1, 2**62)
        check("rms_delay_samples", self.rms_delay_samples, 0, 1e4)
        self._rng = generator(self.seed)
        taps = int(np.ceil(5 * self.rms_delay_samples)) + 1
        profile = np.exp(-np.arange(taps) / max(self.rms_delay_samples, 1e-9))
        self._amplitudes = np.sqrt(profile / profile.sum() / 2)

    def process(self, samples: np.ndarray) -> np.ndarray:
        """complex64 (n,) to complex64 (n,)."""
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
