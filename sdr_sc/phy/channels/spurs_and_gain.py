# SPDX-License-Identifier: GPL-3.0-or-later
"""What else a radio does to samples: a carrier within its band, and a gain that settles at the start of a frame."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numba import njit

from sdr_sc.errors import ChannelError
from sdr_sc.phy.channels.base import check, check_rate

_BLOCK = 1024
_AVERAGE = 16  # samples of the level that a gain control sees


@dataclass
class Tone:
    """A steady carrier on top of the samples: a spur, or a leaking oscillator.

    Attributes:
        relative_db: its power over ``reference_power``.
        frequency_hz: from the centre of the band.
        sample_rate_hz: complex samples per second.
        reference_power: mean power of the signal's samples.

    Raises:
        ChannelError: a parameter makes no sense.

    >>> Tone(0.0, 0.25, 1.0).process(np.zeros(3, np.complex64)).round(6).tolist()
    [(1+0j), 1j, (-1+0j)]
    """

    relative_db: float
    frequency_hz: float
    sample_rate_hz: float
    reference_power: float = 1.0
    _count: int = field(default=0, init=False, repr=False)

    mean_power = 1.0  # of the signal

    def __post_init__(self) -> None:
        check_rate(self.sample_rate_hz)
        check("relative_db", self.relative_db, -300, 100, "dB")
        check("frequency_hz", self.frequency_hz, -self.sample_rate_hz / 2, self.sample_rate_hz / 2, "Hz")
        check("reference_power", self.reference_power, 1e-30, 1e30)
        self._cycles = self.frequency_hz / self.sample_rate_hz
        self._amplitude = math.sqrt(self.reference_power * 10.0 ** (self.relative_db / 10.0))
        self._ramp = np.exp(2j * np.pi * self._cycles * np.arange(_BLOCK))

    def process(self, samples: np.ndarray) -> np.ndarray:
        """complex64 (n,) to complex64 (n,)."""
        first, place = divmod(self._count, _BLOCK)
        self._count += len(samples)
        blocks = first + np.arange(-(-(place + len(samples)) // _BLOCK))
        starts = self._amplitude * np.exp(2j * np.pi * ((self._cycles * _BLOCK * blocks) % 1.0))
        tone = np.outer(starts, self._ramp).astype(np.complex64).ravel()
        return samples + tone[place : place + len(samples)]


@njit(cache=True, nogil=True)
def _settle(samples, state, floor, gain, settle, quiet, average, out):
    level, settled, waiting = state[0], int(state[1]), int(state[2])
    for n in range(len(samples)):
        sample = samples[n]
        level += (sample.real * sample.real + sample.imag * sample.imag - level) / average
        is_on = level > floor
        if settled >= 0:  # waits until the signal has been weak for long enough
            settled = 0 if is_on else settled + 1
            if settled >= quiet:
                settled, waiting = -1, 0
        elif is_on or waiting:
            waiting += 1
            if waiting > settle:
                settled = 0
        out[n] = sample if settled >= 0 else sample * gain
    state[0], state[1], state[2] = level, settled, waiting


@dataclass
class GainStep:
    """A gain control that turns a high gain down once a signal has come, and up again when it has gone.

    Attributes:
        step_db: gain without a signal over that with one; below 0, it is turned up.
        settle_samples: from the signal's start to the step.
        quiet_samples: without a signal after which the gain is high again.
        reference_power: mean power of the signal's samples, a quarter of which counts as one.

    Raises:
        ChannelError: a parameter makes no sense.

    >>> GainStep(20.0, 2, 4).process(np.array([0, 4, 4, 4, 4], np.complex64)).real.round(3).tolist()
    [0.0, 40.0, 40.0, 4.0, 4.0]
    """

    step_db: float
    settle_samples: int = 200
    quiet_samples: int = 100
    reference_power: float = 1.0

    mean_power = 1.0

    def __post_init__(self) -> None:
        check("step_db", self.step_db, -60, 60, "dB")
        check("reference_power", self.reference_power, 1e-30, 1e30)
        for name in ("settle_samples", "quiet_samples"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10**9:
                raise ChannelError(f"channel: {name} is {value!r}; use a whole number from 1 to {10**9}.")
        self._state = np.array([0.0, -1.0, 0.0])

    def process(self, samples: np.ndarray) -> np.ndarray:
        """complex64 (n,) to complex64 (n,)."""
        out = np.empty(len(samples), np.complex64)
        gain = np.float32(10.0 ** (self.step_db / 20.0))
        floor = self.reference_power / 4
        _settle(samples, self._state, floor, gain, self.settle_samples, self.quiet_samples, _AVERAGE, out)
        return out
