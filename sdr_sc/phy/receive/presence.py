# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the payload that a header announces is there, symbol by symbol, and how noisy it really is.

Samples that a radio loses, or a frame that another one covers, would otherwise give features that look like data. The
channel is known from the header, so each pilot can be predicted: if the payload is there, the prediction fails by the
noise; if anything else is, by that and twice the channel's power. The log-likelihood ratio of the two, summed up as
long as it speaks for a change (CUSUM; Page, Biometrika 41 (1954) 100), shows when it ends and when it comes back.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from sdr_sc.phy.receive.bundles import PilotPhasors, Prior, Tracking
from sdr_sc.phy.receive.pilot_tracking import carrier_slope, clock_slope

_MODEL_ERROR = 0.1  # of the channel's power, which the prediction may miss besides the noise
_DECIDED = 14.0  # log-likelihood ratio; by chance alone, about one in exp(14) symbols
_DECIDED_AT_END = 8.0  # the same at the end, where no further symbol can decide; one frame in 20,000 has more than 7
_DOUBTFUL = 3.0  # symbols with a log-likelihood ratio above this do not update the tracker
_PILOT_LIMIT = 6.0  # no pilot alone can decide: a tone, up to as strong as the pilot, may sit on it
_RETURN_LIMIT = 3.0  # a symbol: pilots of another frame may agree by chance for a few of them
_GAIN_STEP, _TILT_STEP = 1e-3, 3e-4  # variances of the changes from symbol to symbol, the tilt's at the outermost pilot
_BLOCK = 8  # symbols over which the noise is measured
# Clocks so many standard deviations apart do not explain doubts in so few symbols: real ones turn the pilots by less
# than the model error there, but four pilots of other samples often look like such clocks.
_CLOCK_LIMIT, _FEW = 4.0, 16


@njit(cache=True, nogil=True)
def present_symbols(observed: PilotPhasors, prior: Prior) -> np.ndarray:
    """Which payload symbols are there.

    A large clock offset over a long frame turns the outer pilots too far to be predicted, and so does, at low SNR, what
    the header leaves of the carrier offset; so where something seems to be missing, the offsets that the whole frame
    shows are taken out, and the verdict with more symbols holds. Not so for an offset that no pair of clocks has where
    the payload is short. Recordings of version 1 are answered as before.

    Returns:
        bool (symbols,).
    """
    phasors, weights, positions, times = observed.phasors, observed.weights, observed.positions, observed.times
    noise = prior.noise
    is_later = prior.known_spread > 0.0
    at_end = _DECIDED_AT_END if is_later else np.inf
    present, doubt, since = _present(phasors, weights, positions, noise, at_end)
    is_short = is_later and len(phasors) <= _FEW and doubt > _DOUBTFUL
    if np.all(present) and not is_short:
        return present
    slope = clock_slope(phasors, positions, times, noise, prior.clock_std)
    if is_short and abs(slope) > _CLOCK_LIMIT * prior.clock_std:
        present[since:] = False
        return present
    if np.all(present):
        return present
    turned = np.empty_like(phasors)
    for s in range(len(phasors)):
        for p in range(len(positions)):
            angle = -slope * positions[p] * times[s]
            turned[s, p] = phasors[s, p] * np.complex64(complex(np.cos(angle), np.sin(angle)))
    other, _, _ = _present(turned, weights, positions, noise, at_end)
    present = other if np.sum(other) > np.sum(present) else present
    if np.all(present):
        return present
    sums = np.empty(len(turned), np.complex64)
    for s in range(len(turned)):
        sums[s] = np.sum(turned[s])
    carrier = carrier_slope(sums, times, np.sum(weights) * prior.known_weight, prior.known_spread)
    for s in range(len(turned)):
        turned[s] *= np.complex64(complex(np.cos(carrier * times[s]), -np.sin(carrier * times[s])))
    other, _, _ = _present(turned, weights, positions, noise, at_end)
    return other if np.sum(other) > np.sum(present) else present


@njit(cache=True, nogil=True)
def _present(
    phasors: np.ndarray, weights: np.ndarray, positions: np.ndarray, noise: float, at_end: float
) -> tuple[np.ndarray, float, int]:
    """Which symbols are there, the strongest doubt whether they are, and the symbol at which it began."""
    symbols, pilots = phasors.shape
    present = np.ones(symbols, np.bool_)
    weight = np.sum(weights)
    centre = np.sum(weights * positions) / weight
    lever = max(np.sum(weights * (positions - centre) ** 2), 1e-30)
    gain_noise, tilt_noise = noise / weight, noise / lever
    gain_spread = tilt_spread = 0.0
    tilt_step = _TILT_STEP / np.max(np.abs(positions)) ** 2
    # Error power times `scales` less `logs` is the log-likelihood ratio of a pilot.
    expected = noise + _MODEL_ERROR * weights
    other = expected + 2.0 * weights
    scales, logs = (1.0 / expected - 1.0 / other) / weights, np.log(other / expected)
    gain, tilt = complex(1.0, 0.0), complex(0.0, 0.0)
    is_there, doubt, since = True, 0.0, 0
    worst, begin = 0.0, symbols
    for s in range(symbols):
        ratio = 0.0
        gain_error, tilt_error = complex(0.0, 0.0), complex(0.0, 0.0)
        for p in range(pilots):
            place = positions[p] - centre
            error = phasors[s, p] - weights[p] * (gain + tilt * place)
            gain_error += error
            tilt_error += error * place
            ratio += min((error.real**2 + error.imag**2) * scales[p] - logs[p], _PILOT_LIMIT)
        if doubt <= 0.0:
            doubt, since = 0.0, s
        doubt += ratio if is_there else min(-ratio, _RETURN_LIMIT)
        if is_there and doubt > worst:
            worst, begin = doubt, since
        if doubt > _DECIDED:
            is_there, doubt = not is_there, 0.0
            present[since:] = is_there
        gain_spread += _GAIN_STEP
        tilt_spread += tilt_step
        if is_there and ratio < _DOUBTFUL:
            share = gain_spread / (gain_spread + gain_noise)
            gain += share * gain_error / weight
            gain_spread *= 1.0 - share
            share = tilt_spread / (tilt_spread + tilt_noise)
            tilt += share * tilt_error / lever
            tilt_spread *= 1.0 - share
    if is_there and doubt > at_end:
        present[since:] = False
    return present, worst, begin


@njit(cache=True, nogil=True)
def symbol_noise(observed: PilotPhasors, tracking: Tracking, present: np.ndarray, noise: float) -> np.ndarray:
    """Noise power of each symbol: that of the header, or what the pilots show around the tracked channel where that
    is clearly more, as after fading that the tracking cannot follow. The median over the pilots, so that interference
    on one of them does not count for all.

    Args:
        observed: the pilots.
        tracking: what `pilot_tracking.track` made of them.
        present: bool (symbols,).
        noise: noise power per subcarrier in the header.

    Returns:
        float64 (symbols,).
    """
    phasors, weights, positions, times = observed.phasors, observed.weights, observed.positions, observed.times
    gains, tilts, slope, centre = tracking
    symbols, pilots = phasors.shape
    out, blocks = np.full(symbols, noise), max(1, symbols // _BLOCK)
    spacing = (times[-1] - times[0]) / max(symbols - 1, 1)
    powers, counts = np.zeros((blocks, pilots)), np.zeros(blocks, np.int64)
    for p in range(pilots):
        angle, place = slope * positions[p], positions[p] - centre
        turn = complex(np.cos(angle * times[0]), np.sin(angle * times[0])) * weights[p]
        step = complex(np.cos(angle * spacing), np.sin(angle * spacing))
        for b in range(blocks):
            for s in range(b * symbols // blocks, (b + 1) * symbols // blocks):
                if present[s]:
                    error = phasors[s, p] - turn * (gains[s] + tilts[s] * place)
                    powers[b, p] += (error.real**2 + error.imag**2) / weights[p]
                    counts[b] += p == 0
                turn *= step
    for b in range(blocks):
        values = counts[b] * pilots
        if values >= 2 * _BLOCK:
            measured = np.median(powers[b]) / counts[b]
            if measured > noise * (1.0 + 3.0 / np.sqrt(values)):
                out[b * symbols // blocks : (b + 1) * symbols // blocks] = measured
    return out
