# SPDX-License-Identifier: GPL-3.0-or-later
"""What a radio's front end does to samples: I/Q imbalance, DC offset, clipping, quantisation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from sdr_sc.errors import ChannelError
from sdr_sc.phy.channels.base import check


@njit(cache=True, nogil=True)
def _imbalance(samples, direct, image, out):
    for n in range(len(samples)):
        out[n] = direct * samples[n] + image * np.conj(samples[n])


@dataclass
class IqImbalance:
    """Gain and phase mismatch between the two branches of a direct-conversion receiver.

    The quadrature branch has a gain of g and is ``phase_deg`` off: ``y = a x + b x*`` with
    ``a = (1 + g e^(-j phi))/2`` and ``b = (1 - g e^(j phi))/2`` (Schenk, "RF Imperfections in High-rate Wireless
    Systems", 2008, section 5.2), here scaled to unit mean power. Every subcarrier gets an image on the one of opposite
    number.

    Attributes:
        gain_db: gain mismatch.
        phase_deg: phase mismatch.

    Raises:
        ChannelError: a parameter makes no sense.

    >>> round(IqImbalance(gain_db=0.5, phase_deg=2.0).image_rejection_db, 1)
    29.5
    """

    gain_db: float = 0.0
    phase_deg: float = 0.0

    mean_power = 1.0

    def __post_init__(self) -> None:
        check("gain_db", self.gain_db, -40, 40, "dB")
        check("phase_deg", self.phase_deg, -90, 90, "degrees")
        gain, phase = 10.0 ** (self.gain_db / 20.0), math.radians(self.phase_deg)
        direct = (1 + gain * np.exp(-1j * phase)) / 2
        image = (1 - gain * np.exp(1j * phase)) / 2
        scale = math.sqrt(abs(direct) ** 2 + abs(image) ** 2)
        self._direct, self._image = np.complex64(direct / scale), np.complex64(image / scale)

    @property
    def image_rejection_db(self) -> float:
        """Power of the signal over that of its image, dB: (1 + 2 g cos phi + g^2) / (1 - 2 g cos phi + g^2)."""
        gain = 10.0 ** (self.gain_db / 20.0)
        cross = 2 * gain * math.cos(math.radians(self.phase_deg))
        below = 1 - cross + gain**2
        return 10 * math.log10((1 + cross + gain**2) / below) if below > 0 else math.inf

    def process(self, samples: np.ndarray) -> np.ndarray:
        """complex64 (n,) to complex64 (n,)."""
        out = np.empty(len(samples), np.complex64)
        _imbalance(samples, self._direct, self._image, out)
        return out


@dataclass
class DcOffset:
    """A constant on top of the samples, as of local oscillator leakage.

    Attributes:
        relative_db: its power over ``reference_power``.
        reference_power: mean power of the signal's samples.

    Raises:
        ChannelError: a parameter makes no sense.
    """

    relative_db: float
    reference_power: float = 1.0

    mean_power = 1.0  # falls on the empty subcarrier at 0 Hz

    def __post_init__(self) -> None:
        check("relative_db", self.relative_db, -300, 100, "dB")
        check("reference_power", self.reference_power, 1e-30, 1e30)
        amplitude = math.sqrt(self.reference_power * 10.0 ** (self.relative_db / 10.0))
        self._offset = np.complex64(amplitude * (1 + 1j) / math.sqrt(2))

    def process(self, samples: np.ndarray) -> np.ndarray:
        """complex64 (n,) to complex64 (n,)."""
        return samples + self._offset


@njit(cache=True, nogil=True)
def _clip(samples, level, out):
    for n in range(len(samples)):
        sample = samples[n]
        amplitude = np.sqrt(sample.real * sample.real + sample.imag * sample.imag)
        out[n] = sample if amplitude <= level else sample * np.complex64(level / amplitude)


@dataclass
class Clip:
    """A power amplifier that limits the amplitude and keeps the phase.

    Attributes:
        backoff_db: power at the limit over ``reference_power``.
        reference_power: mean power of the signal's samples.

    Raises:
        ChannelError: a parameter makes no sense.

    >>> float(abs(Clip(backoff_db=0.0).process(np.array([3j], np.complex64))[0]))
    1.0
    """

    backoff_db: float
    reference_power: float = 1.0

    def __post_init__(self) -> None:
        check("backoff_db", self.backoff_db, -100, 100, "dB")
        check("reference_power", self.reference_power, 1e-30, 1e30)

    @property
    def level(self) -> float:
        """Largest amplitude that passes."""
        return math.sqrt(self.reference_power) * 10.0 ** (self.backoff_db / 20.0)

    @property
    def mean_power(self) -> float:
        """Power gain of the useful part of a Gaussian signal, without the distortion: Bussgang's factor squared.

        With the ratio r of limit to rms amplitude, ``1 - exp(-r^2) + sqrt(pi)/2 r erfc(r)`` (Ochiai and Imai,
        "Performance analysis of deliberately clipped OFDM signals", IEEE Trans. Commun. 50(1), 2002).
        """
        ratio = 10.0 ** (self.backoff_db / 20.0)
        return (1 - math.exp(-(ratio**2)) + math.sqrt(math.pi) / 2 * ratio * math.erfc(ratio)) ** 2

    def process(self, samples: np.ndarray) -> np.ndarray:
        """complex64 (n,) to complex64 (n,)."""
        out = np.empty(len(samples), np.complex64)
        _clip(samples, np.float32(self.level), out)
        return out


@dataclass
class Quantise:
    """A converter: I and Q each become one of ``2^bits`` levels, and saturate beyond ``full_scale``.

    There is no gain control in front: 4, the default, is 12 dB above a signal of power 1, and at an SNR below some
    -6 dB the noise saturates it.

    Attributes:
        bits: 1 to 24.
        full_scale: amplitude of I and of Q.

    Raises:
        ChannelError: a parameter makes no sense.

    >>> Quantise(bits=1, full_scale=1.0).process(np.array([0.1 - 3j], np.complex64)).tolist()
    [(0.5-0.5j)]
    """

    bits: int = 12
    full_scale: float = 4.0

    mean_power = 1.0

    def __post_init__(self) -> None:
        if isinstance(self.bits, bool) or not isinstance(self.bits, int) or not 1 <= self.bits <= 24:
            raise ChannelError(f"channel: bits is {self.bits!r}; use a whole number from 1 to 24.")
        check("full_scale", self.full_scale, 1e-15, 1e15)

    def process(self, samples: np.ndarray) -> np.ndarray:
        """complex64 (n,) to complex64 (n,)."""
        step = 2 * self.full_scale / 2**self.bits
        half = 2 ** (self.bits - 1)
        parts = np.ascontiguousarray(samples, np.complex64).view(np.float32).astype(np.float64)
        codes = np.clip(np.floor(parts / step), -half, half - 1)
        return ((codes + 0.5) * step).astype(np.float32).view(np.complex64)
