# SPDX-License-Identifier: GPL-3.0-or-later
"""Tracking over the payload from its pilots: sampling-clock offset, residual carrier offset, and the common gain.

A sampling clock that is off by ``e`` moves the FFT window by ``e`` samples a sample, which turns subcarrier k by
``2 pi k e / fft_size`` a sample: a phase slope over frequency that grows along the frame (Speth et al., IEEE Trans.
Commun. 47 (1999) 1675). It is estimated over the whole frame, without assuming that one oscillator drives carrier and
clock. What is left, common to all subcarriers, is a slowly changing complex gain: phase noise, and fading that is flat
over the band.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from sdr_sc.phy.phase_slope import phase_slope

CLOCK_OFFSET_STD = 20e-6
"""Standard deviation of the offset between two sampling clocks before anything is known: that of oscillators of
+-20 ppm. It keeps short frames, which cannot tell an offset from noise, from being turned at random."""

_CLOCK_REACH = 5.0  # of these standard deviations
_BLOCK = 16  # symbols over which the common phase is taken to be constant
_CARRIER_REACH = 0.1  # rad a symbol: what the header leaves is far less
_GAIN_STEP = 3e-5  # variance of the common gain's change from symbol to symbol


@njit(cache=True, nogil=True)
def track(
    phasors: np.ndarray,
    positions: np.ndarray,
    times: np.ndarray,
    weight: float,
    noise: float,
    clock_std: float,
    first_variance: float,
) -> tuple[np.ndarray, float]:
    """Common gain of each payload symbol, and the clock offset.

    Args:
        phasors: complex64 (symbols, pilots), received pilots times their known values and the conjugate channel.
        positions: float64 (pilots,), signed subcarrier numbers.
        times: float64 (symbols,), in symbol durations from the moment for which the channel was estimated.
        weight: sum of |channel|^2 over the pilots.
        noise: noise power per subcarrier.
        clock_std: standard deviation of the phase slope below, before anything is known.
        first_variance: variance of the common gain, which is near 1, ahead of the first symbol.

    Returns:
        Gains against the channel estimate, complex64 (symbols,), and the phase slope that the clock offset makes,
        rad per subcarrier and symbol.
    """
    symbols, pilots = phasors.shape
    slope = _clock_slope(phasors, positions, times, noise, clock_std)
    sums = np.zeros((symbols, 1), np.complex64)
    for s in range(symbols):
        for p in range(pilots):
            angle = -slope * positions[p] * times[s]
            sums[s, 0] += phasors[s, p] * np.complex64(complex(np.cos(angle), np.sin(angle)))
    carrier = phase_slope(_with_reference(sums, weight, noise, first_variance), _with_zero(times), _CARRIER_REACH)
    turns = np.exp(1j * carrier * times)
    measured = sums[:, 0] / turns / max(weight, 1e-30)
    gains = _smooth(measured, noise / max(weight, 1e-30), first_variance)
    return (gains * turns).astype(np.complex64), slope


@njit(cache=True, nogil=True)
def _with_reference(sums: np.ndarray, weight: float, noise: float, first_variance: float) -> np.ndarray:
    """The sums with, in front, a phasor that says how well the gain is known at time 0."""
    out = np.empty((len(sums) + 1, 1), np.complex64)
    out[0, 0] = noise / first_variance
    out[1:] = sums
    return out


@njit(cache=True, nogil=True)
def _with_zero(times: np.ndarray) -> np.ndarray:
    out = np.zeros(len(times) + 1)
    out[1:] = times
    return out


@njit(cache=True, nogil=True)
def _clock_slope(
    phasors: np.ndarray, positions: np.ndarray, times: np.ndarray, noise: float, clock_std: float
) -> float:
    """Maximum a posteriori phase slope; each block of symbols may have a common phase of its own."""
    symbols, pilots = phasors.shape
    blocks = max(1, symbols // _BLOCK)
    sums = np.zeros((blocks, pilots), np.complex64)
    middles = np.zeros(blocks)
    for b in range(blocks):
        begin, end = b * symbols // blocks, (b + 1) * symbols // blocks
        for s in range(begin, end):
            middles[b] += times[s] / (end - begin)
            for p in range(pilots):
                sums[b, p] += phasors[s, p]
    reach = _CLOCK_REACH * clock_std
    lever = np.max(np.abs(positions)) * middles[-1]
    half = max(2, int(np.ceil(reach * lever / 0.5)))
    slope, step = 0.0, reach
    for _ in range(3):
        best, centre = -1e30, slope
        for g in range(-half, half + 1):
            candidate = centre + step * g / half
            value = -0.5 * (candidate / clock_std) ** 2
            for b in range(blocks):
                total = complex(0.0, 0.0)
                for p in range(pilots):
                    angle = -candidate * positions[p] * middles[b]
                    total += sums[b, p] * complex(np.cos(angle), np.sin(angle))
                value += 2.0 / noise * abs(total)
            if value > best:
                best, slope = value, candidate
        step, half = step / half, 4
    return slope


@njit(cache=True, nogil=True)
def _smooth(measured: np.ndarray, variance: float, first_variance: float) -> np.ndarray:
    """Gain that walks at random, from its noisy measurements: Kalman filter forward, Rauch-Tung-Striebel smoother
    backward (Rauch et al., AIAA J. 3 (1965) 1445). It averages long where noise is strong, briefly where it is weak."""
    count = len(measured)
    gains, spread, ahead = np.empty(count, np.complex128), np.empty(count), np.empty(count)
    gain, known = complex(1.0, 0.0), first_variance
    for s in range(count):
        ahead[s] = known + _GAIN_STEP
        share = ahead[s] / (ahead[s] + variance)
        gain += share * (measured[s] - gain)
        known = (1.0 - share) * ahead[s]
        gains[s], spread[s] = gain, known
    for s in range(count - 2, -1, -1):
        gains[s] += spread[s] / ahead[s + 1] * (gains[s + 1] - gains[s])
    return gains
