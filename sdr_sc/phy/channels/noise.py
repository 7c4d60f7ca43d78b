# SPDX-License-Identifier: GPL-3.0-or-later
"""White noise, and the phase noise of oscillators."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numba import njit

from sdr_sc.phy.channels.base import check, check_rate, generator


@dataclass
class Awgn:
    """White Gaussian noise.

    ``snr_db`` is Es/N0 on the occupied subcarriers: noise of variance N0 a sample has variance N0 on every subcarrier
    of the unitary FFT, so the noise a sample is ``10^(-snr_db/10)`` when a subcarrier is received with mean power 1,
    whatever the FFT size.

    Attributes:
        snr_db: Es/N0 on the occupied subcarriers; may be set at any time.
        seed: of the noise.
        subcarrier_power: mean received power on an occupied subcarrier without noise.

    >>> noise = Awgn(snr_db=10.0, seed=1).process(np.zeros(100_000, np.complex64))
    >>> round(float(np.mean(np.abs(noise) ** 2)), 2)
    0.1
    """

    snr_db: float
    seed: int = 0
    subcarrier_power: float = 1.0
    _rng: np.random.Generator = field(init=False, repr=False)

    mean_power = 1.0

    def __post_init__(self) -> None:
        check("snr_db", self.snr_db, -1000, 1000, "dB")
        self._rng = generator(self.seed)

    def process(self, samples: np.ndarray) -> np.ndarray:
        """complex64 (n,) to complex64 (n,)."""
        noise = self._rng.standard_normal(2 * len(samples), np.float32)
        variance = self.subcarrier_power * 10.0 ** (-self.snr_db / 10.0)
        noise *= np.float32(np.sqrt(variance / 2))
        out = noise.view(np.complex64)
        out += samples
        return out


@njit(cache=True, nogil=True)
def _turn(samples, locked, free, state, pole, locked_step, free_step, out):
    fast, slow = state[0], state[1]
    for n in range(len(samples)):
        fast = pole * fast + locked_step * locked[n]
        slow += free_step * free[n]
        if abs(slow) > 6.283185307179586:
            slow -= np.sign(slow) * 6.283185307179586
        phase = fast + slow
        out[n] = samples[n] * np.complex64(complex(np.cos(phase), np.sin(phase)))
    state[0] = fast
    state[1] = slow


@dataclass
class PhaseNoise:
    """Phase noise: that of a phase-locked oscillator, and if wanted that of a free-running one on top.

    The locked part is a Gaussian phase of standard deviation ``rms_deg`` with a one-pole spectrum,
    ``S(f) = S(0) / (1 + (f/corner_hz)^2)``: flat within the loop's bandwidth, falling by 20 dB a decade above. The
    free-running part is a random walk whose variance grows by ``2 pi linewidth_hz`` rad^2/s, which makes the line
    Lorentzian with ``linewidth_hz`` between its -3 dB points (Demir, Mehrotra and Roychowdhury, "Phase noise in
    oscillators", IEEE Trans. Circuits Syst. I 47(5), 2000).

    Attributes:
        sample_rate_hz: complex samples per second.
        rms_deg: standard deviation of the locked phase, both ends of the link together, degrees.
        corner_hz: -3 dB frequency of its spectrum.
        linewidth_hz: of the free-running part; 0 for none.
        seed: of the phase.

    Raises:
        ChannelError: a parameter makes no sense.
    """

    sample_rate_hz: float
    rms_deg: float = 0.5
    corner_hz: float = 100e3
    linewidth_hz: float = 0.0
    seed: int = 0

    mean_power = 1.0

    def __post_init__(self) -> None:
        check_rate(self.sample_rate_hz)
        check("rms_deg", self.rms_deg, 0, 360, "degrees")
        check("corner_hz", self.corner_hz, 0, 1e12, "Hz")
        check("linewidth_hz", self.linewidth_hz, 0, 1e12, "Hz")
        self._pole = float(np.exp(-2 * np.pi * self.corner_hz / self.sample_rate_hz))
        rms = np.deg2rad(self.rms_deg)
        self._locked_step = float(rms * np.sqrt(1 - self._pole**2))
        self._free_step = float(np.sqrt(2 * np.pi * self.linewidth_hz / self.sample_rate_hz))
        # One generator each: drawn from a common one, the numbers would depend on how the input is cut.
        generator(self.seed)
        self._locked, self._free = map(np.random.default_rng, np.random.SeedSequence(self.seed).spawn(2))
        self._state = np.array([rms * self._locked.standard_normal(), 0.0])  # starts in its steady state

    def process(self, samples: np.ndarray) -> np.ndarray:
        """complex64 (n,) to complex64 (n,)."""
        count = len(samples)
        locked = self._locked.standard_normal(count)
        free = self._free.standard_normal(count) if self._free_step else np.zeros(count)
        out = np.empty(count, np.complex64)
        _turn(samples, locked, free, self._state, self._pole, self._locked_step, self._free_step, out)
        return out


USRP_CLASS = {"rms_deg": 0.37 * 2**0.5, "corner_hz": 100e3}
"""Parameters of `PhaseNoise` for a link between two radios with an AD9361 (USRP B200, B210, E31x) at 2.4 GHz.

The data sheet (Analog Devices, AD9361, "LO SYNTHESIZER: integrated phase noise") gives 0.37 degrees rms at 2.4 GHz for
one radio; transmitter and receiver add in power, hence the factor sqrt(2). It gives no bandwidth: 100 kHz is our
assumption, in the range of that synthesiser's loop filter.
"""
