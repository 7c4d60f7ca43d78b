# SPDX-License-Identifier: GPL-3.0-or-later
"""What others do to a link: impulses, foreign OFDM signals, and obstacles that change the mean SNR while it runs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from sdr_sc.errors import ChannelError
from sdr_sc.phy.channels.base import check, check_rate, generator

_FFT, _PREFIX, _USED = 64, 16, 52  # of the foreign signal
_SYMBOLS = 64  # made at a time
_STEPS = 100  # of a shadow's coherence time


@njit(cache=True, nogil=True)
def _strike(samples, chances, noise, rate, length, amplitude, left, out):
    for n in range(len(samples)):
        if left == 0 and chances[n] < rate:
            left = length
        out[n] = samples[n]
        if left > 0:
            out[n] += np.complex64(amplitude * complex(noise[2 * n], noise[2 * n + 1]))
            left -= 1
    return left


@dataclass
class Impulses:
    """Impulsive noise: bursts of Gaussian noise at random times, as of switches, ignitions and radars.

    A Bernoulli-Gaussian process (Ghosh, "Analysis of the effect of impulse noise on multicarrier and single carrier QAM
    systems", IEEE Trans. Commun. 44(2), 1996) whose impulses last ``length_samples``.

    Attributes:
        every_samples: mean number of samples from the end of an impulse to the start of the next, 1 or more.
        relative_db: power during an impulse over ``reference_power``.
        length_samples: of an impulse.
        reference_power: mean power of the signal's samples.
        seed: of times and noise.

    Raises:
        ChannelError: a parameter makes no sense.
    """

    every_samples: float
    relative_db: float = 20.0
    length_samples: int = 1
    reference_power: float = 1.0
    seed: int = 0

    mean_power = 1.0  # of the signal

    def __post_init__(self) -> None:
        check("every_samples", self.every_samples, 1, 1e12)
        check("relative_db", self.relative_db, -300, 100, "dB")
        check("reference_power", self.reference_power, 1e-30, 1e30)
        _check_whole("length_samples", self.length_samples, 1)
        generator(self.seed)
        self._times, self._noise = map(np.random.default_rng, np.random.SeedSequence(self.seed).spawn(2))
        self._amplitude = math.sqrt(self.reference_power * 10.0 ** (self.relative_db / 10.0) / 2)
        self._left = 0

    def process(self, samples: np.ndarray) -> np.ndarray:
        """complex64 (n,) to complex64 (n,)."""
        count = len(samples)
        out = np.empty(count, np.complex64)
        chances, noise = self._times.random(count), self._noise.standard_normal(2 * count)
        rate, length = 1.0 / self.every_samples, self.length_samples
        self._left = _strike(samples, chances, noise, rate, length, self._amplitude, self._left, out)
        return out


@dataclass
class OfdmInterference:
    """Another OFDM transmitter in the band, which knows nothing of this one: symbols of 64 samples with a prefix of 16,
    QPSK at random on 52 subcarriers, from a random place in a symbol on, with or without pauses.

    Attributes:
        relative_db: its power, while it sends, over ``reference_power``.
        sample_rate_hz: complex samples per second.
        frequency_hz: its centre, from that of the band.
        on_samples, off_samples: of its bursts and of the pauses between them; 0 for no pauses.
        reference_power: mean power of the signal's samples.
        seed: of its symbols, and of where in a burst it is at the start.

    Raises:
        ChannelError: a parameter makes no sense.
    """

    relative_db: float
    sample_rate_hz: float
    frequency_hz: float = 0.0
    on_samples: int = 0
    off_samples: int = 0
    reference_power: float = 1.0
    seed: int = 0

    mean_power = 1.0  # of the signal

    def __post_init__(self) -> None:
        check_rate(self.sample_rate_hz)
        check("relative_db", self.relative_db, -300, 100, "dB")
        check("frequency_hz", self.frequency_hz, -self.sample_rate_hz / 2, self.sample_rate_hz / 2, "Hz")
        check("reference_power", self.reference_power, 1e-30, 1e30)
        _check_whole("on_samples", self.on_samples, 0)
        _check_whole("off_samples", self.off_samples, 0)
        if bool(self.on_samples) != bool(self.off_samples):
            raise ChannelError("channel: on_samples and off_samples are bursts and pauses; give both, or neither.")
        self._rng = generator(self.seed)
        self._amplitude = math.sqrt(self.reference_power * 10.0 ** (self.relative_db / 10.0))
        period = self.on_samples + self.off_samples
        self._place = int(self._rng.integers(period)) if period else 0
        self._count = 0
        self._ready = self._more()[int(self._rng.integers(_FFT + _PREFIX)) :]

    def _more(self) -> np.ndarray:
        """complex64: the next symbols, of unit mean power."""
        spectrum = np.zeros((_SYMBOLS, _FFT), complex)
        bits = self._rng.integers(0, 2, (2, _SYMBOLS, _USED)) * 2 - 1
        spectrum[:, np.r_[1 : _USED // 2 + 1, -_USED // 2 : 0]] = (bits[0] + 1j * bits[1]) / math.sqrt(2)
        body = np.fft.ifft(spectrum, norm="ortho") * math.sqrt(_FFT / _USED)
        return np.concatenate((body[:, -_PREFIX:], body), axis=1).ravel().astype(np.complex64)

    def process(self, samples: np.ndarray) -> np.ndarray:
        """complex64 (n,) to complex64 (n,)."""
        count = len(samples)
        while len(self._ready) < count:
            self._ready = np.concatenate((self._ready, self._more()))
        foreign, self._ready = self._ready[:count], self._ready[count:]
        at = self._count + np.arange(count)
        self._count += count
        turned = foreign * np.exp(2j * np.pi * ((at * (self.frequency_hz / self.sample_rate_hz)) % 1.0))
        if self.on_samples:
            turned *= (self._place + at) % (self.on_samples + self.off_samples) < self.on_samples
        return (samples + self._amplitude * turned).astype(np.complex64)


@dataclass
class Shadowing:
    """A mean SNR that changes while the link runs: log-normal shadowing with an exponential autocorrelation
    (Gudmundson, "Correlation model for shadow fading in mobile radio systems", Electron. Lett. 27(23), 1991).

    The gain in dB is a Gaussian process, made at steps of a hundredth of ``coherence_s`` and interpolated between them.

    Attributes:
        sample_rate_hz: complex samples per second.
        spread_db: standard deviation of the gain in dB.
        coherence_s: time after which the correlation has fallen to 1/e.
        seed: of the gains.

    Raises:
        ChannelError: a parameter makes no sense.
    """

    sample_rate_hz: float
    spread_db: float = 6.0
    coherence_s: float = 0.1
    seed: int = 0

    mean_power = 1.0

    def __post_init__(self) -> None:
        check_rate(self.sample_rate_hz)
        check("spread_db", self.spread_db, 0, 40, "dB")
        check("coherence_s", self.coherence_s, 1e-6, 1e6, "s")
        self._rng = generator(self.seed)
        self._step = max(1, round(self.coherence_s * self.sample_rate_hz / _STEPS))
        self._pole = math.exp(-self._step / (self.coherence_s * self.sample_rate_hz))
        # In decibels the mean lies below 0, so that the mean power gain is 1.
        self._mean_db = -(self.spread_db**2) * math.log(10) / 20
        self._count = 0
        self._points = [float(value) for value in self._rng.standard_normal(1)]
        self._first = 0

    def process(self, samples: np.ndarray) -> np.ndarray:
        """complex64 (n,) to complex64 (n,)."""
        count = len(samples)
        last = (self._count + count) // self._step + 1
        while self._first + len(self._points) <= last:
            fresh = math.sqrt(1 - self._pole**2) * float(self._rng.standard_normal())
            self._points.append(self._pole * self._points[-1] + fresh)
        at = (self._count + np.arange(count)) / self._step - self._first
        gain_db = self._mean_db + self.spread_db * np.interp(at, np.arange(len(self._points)), self._points)
        self._count += count
        passed = self._count // self._step - self._first
        self._points, self._first = self._points[passed:], self._first + passed
        return (samples * 10 ** (gain_db / 20)).astype(np.complex64)


def _check_whole(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= 10**9:
        raise ChannelError(f"channel: {name} is {value!r}; use a whole number from {least} to {10**9}.")
