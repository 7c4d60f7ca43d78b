# SPDX-License-Identifier: GPL-3.0-or-later
"""Tracking over the payload from its pilots: sampling-clock offset, residual carrier offset, and the common gain.

A sampling clock that is off by ``e`` moves the FFT window by ``e`` samples a sample, which turns subcarrier k by
``2 pi k e / fft_size`` a sample: a phase slope over frequency that grows along the frame (Speth et al., IEEE Trans.
Commun. 47 (1999) 1675). It is estimated over the whole frame, without assuming that one oscillator drives carrier and
clock. What is left is a slowly changing complex gain, common to all subcarriers (phase noise, fading that is flat over
the band), and its tilt over frequency (fading that is not).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from sdr_sc.phy.receive.bundles import PilotPhasors, Pilots, Prior, Tracking
from sdr_sc.phy.receive.phase_slope import phase_slope

CLOCK_OFFSET_STD = 20e-6
"""Standard deviation of the offset between two sampling clocks before anything is known: that of oscillators of
+-20 ppm. It keeps short frames, which cannot distinguish an offset from noise, from being turned at random."""

_CLOCK_REACH = 5.0  # of these standard deviations: +-100 ppm
_CLOCK_ROUNDS = 5  # of an ever finer grid
_BLOCK = 16  # symbols over which the common phase is taken to be constant
_SHORT_BLOCK = 4  # the same with the residual carrier offset still in it
_CARRIER_REACH = 0.1  # rad a symbol: what the header leaves is far less
# Variance of the common gain's change from symbol to symbol: near the 4e-5 rad^2 of a synthesiser's 0.37 degrees rms.
_GAIN_STEP = 3e-5
_TILT_STEP = 1e-5  # the same of the tilt's, at the outermost pilot


@njit(cache=True, nogil=True)
def pilot_phasors(spectra: np.ndarray, channel: np.ndarray, pilots: Pilots, times: np.ndarray) -> PilotPhasors:
    """Pilots times their known values and the conjugate channel.

    Args:
        spectra: complex64 (symbols, fft_size), FFT of the received symbols.
        channel: complex64 (used,).
        pilots: the pilot subcarriers.
        times: float64 (symbols,), see `PilotPhasors`.
    """
    bins, index, known = pilots.bins, pilots.used_index, pilots.known
    out, weights = np.empty((len(spectra), len(bins)), np.complex64), np.empty(len(bins))
    for p in range(len(bins)):
        gain = np.conj(channel[index[p]])
        weights[p] = max(gain.real**2 + gain.imag**2, 1e-30)
        for s in range(len(spectra)):
            out[s, p] = spectra[s, bins[p]] * gain * known[s, p]
    return PilotPhasors(out, weights, pilots.positions, times)


@njit(cache=True, nogil=True)
def track(observed: PilotPhasors, present: np.ndarray, prior: Prior) -> Tracking:
    """Gain of each payload symbol against the channel estimate, and the clock offset.

    Args:
        observed: the pilots; the phasors of symbols that are not present are set to 0.
        present: bool (symbols or more,), False for symbols whose pilots carry no information.
        prior: noise and clock offset; the common gain is near 1 ahead of the first symbol, as well as the known
            symbols show.
    """
    phasors, weights, positions, times = observed.phasors, observed.weights, observed.positions, observed.times
    noise = prior.noise
    symbols, pilots = phasors.shape
    for s in range(symbols):
        if not present[s]:
            phasors[s] = 0
    slope = clock_slope(phasors, positions, times, noise, prior.clock_std)
    weight = np.sum(weights)
    first_variance = noise / (weight * prior.known_weight)
    centre = np.sum(weights * positions) / weight
    lever = max(np.sum(weights * (positions - centre) ** 2), 1e-30)
    sums, tilted = np.zeros(symbols, np.complex64), np.zeros(symbols, np.complex64)
    spacing = (times[-1] - times[0]) / max(symbols - 1, 1)
    for p in range(pilots):
        turn, step = _turn(-slope * positions[p] * times[0]), _turn(-slope * positions[p] * spacing)
        place = np.float32(positions[p] - centre)
        for s in range(symbols):
            value = phasors[s, p] * np.complex64(turn)
            sums[s] += value
            tilted[s] += value * place
            turn *= step
    carrier = carrier_slope(sums, times, noise / first_variance, prior.known_spread)
    turn, step = _turn(carrier * times[0]), _turn(carrier * spacing)
    turns = np.empty(symbols, np.complex64)
    for s in range(symbols):
        turns[s] = np.complex64(turn)
        sums[s] *= np.conj(turns[s]) / np.float32(weight)
        tilted[s] *= np.conj(turns[s]) / np.float32(lever)
        turn *= step
    reach = np.max(np.abs(positions))
    gains = _smooth(sums, present, 1.0, noise / weight, first_variance, _GAIN_STEP)
    tilts = _smooth(tilted, present, 0.0, noise / lever, 0.0, _TILT_STEP / reach**2)
    return Tracking(gains * turns, tilts * turns, slope, centre)


@njit(cache=True, nogil=True)
def _turn(angle: float) -> complex:
    return complex(np.cos(angle), np.sin(angle))


@njit(cache=True, nogil=True)
def carrier_slope(sums: np.ndarray, times: np.ndarray, reference: float, spread: float = 0.0) -> float:
    """Residual carrier offset, rad per symbol, from short blocks of symbols, and from two phasors around time 0, which
    stand for the known symbols: phase and offset of these have been taken out as well as they show them, and a few
    payload symbols do not know better.

    Args:
        sums: complex64 (symbols,), each symbol's pilots together.
        times: float64 (symbols,), in symbol durations.
        reference: energy of the known symbols, as of ``sums``.
        spread: how far from their mean the known symbols lie in time (root mean square).
    """
    symbols = len(sums)
    blocks = -(-symbols // _SHORT_BLOCK)
    phasors, middles = np.zeros((blocks + 2, 1), np.complex64), np.zeros(blocks + 2)
    phasors[:2, 0] = 0.5 * reference
    middles[0], middles[1] = -spread, spread
    for b in range(blocks):
        begin, end = b * _SHORT_BLOCK, min((b + 1) * _SHORT_BLOCK, symbols)
        for s in range(begin, end):
            phasors[b + 2, 0] += sums[s]
            middles[b + 2] += times[s] / (end - begin)
    return phase_slope(phasors, middles, _CARRIER_REACH)


@njit(cache=True, nogil=True)
def clock_slope(phasors: np.ndarray, positions: np.ndarray, times: np.ndarray, noise: float, clock_std: float) -> float:
    """Maximum a posteriori phase slope; each block of symbols may have a common phase of its own. See `track`."""
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
    turned, turns = np.empty((blocks, pilots), np.complex128), np.empty((blocks, pilots), np.complex128)
    for _ in range(_CLOCK_ROUNDS):
        best, centre = -1e30, slope
        for b in range(blocks):
            for p in range(pilots):
                turned[b, p] = sums[b, p] * _turn(-(centre - step) * positions[p] * middles[b])
                turns[b, p] = _turn(-step / half * positions[p] * middles[b])
        for g in range(-half, half + 1):
            candidate = centre + step * g / half
            value = -0.5 * (candidate / clock_std) ** 2
            for b in range(blocks):
                total = complex(0.0, 0.0)
                for p in range(pilots):
                    total += turned[b, p]
                    turned[b, p] *= turns[b, p]
                value += 2.0 / noise * np.sqrt(total.real**2 + total.imag**2)
            if value > best:
                best, slope = value, candidate
        step, half = step / half, 4
    return slope


@njit(cache=True, nogil=True)
def _smooth(
    measured: np.ndarray, present: np.ndarray, gain: complex, variance: float, known: float, walk: float
) -> np.ndarray:
    """A gain that walks at random, from its noisy measurements: Kalman filter forward, Rauch-Tung-Striebel smoother
    backward (Rauch et al., AIAA J. 3 (1965) 1445). It averages long where noise is strong, briefly where it is weak.

    Args:
        measured: complex64 (symbols,).
        present: bool (symbols,), False where there is no measurement.
        gain: its value ahead of the first symbol, and ``known`` the variance of that.
        variance: of the measurements' noise.
        walk: variance of the change from symbol to symbol.
    """
    count = len(measured)
    gains, spread, ahead = np.empty(count, np.complex64), np.empty(count), np.empty(count)
    current = complex(gain)
    for s in range(count):
        ahead[s] = known + walk
        share = ahead[s] / (ahead[s] + variance) if present[s] else 0.0
        current += share * (measured[s] - current)
        known = (1.0 - share) * ahead[s]
        gains[s], spread[s] = current, known
    for s in range(count - 2, -1, -1):
        gains[s] += np.complex64(spread[s] / ahead[s + 1] * (gains[s + 1] - gains[s]))
    return gains
