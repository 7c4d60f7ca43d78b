# SPDX-License-Identifier: GPL-3.0-or-later
"""The two steps around the header's decoding: soft values for it, and what it offers as known symbols afterwards."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from sdr_sc.phy.linear import inner
from sdr_sc.phy.receive.channel_estimate import multiply
from sdr_sc.phy.receive.phase_slope import phase_slope
from sdr_sc.phy.receive.preamble_estimate import PreambleEstimate

# rad a symbol. The synchroniser leaves 0.09, 0.20 and 0.57 (standard deviations, default numerology, measured) at 5, 0
# and -5 dB.
_REACH = 1.0


class HeaderTables(NamedTuple):
    """Subcarriers and times of the header.

    Attributes:
        bins: int64 (used,), FFT bins of the occupied subcarriers.
        ramp: complex64 (used,), early-window ramp of these.
        data_index, pilot_index: int64 (data,) and (pilots,), places within the occupied subcarriers.
        pilots: float32 (header_symbols, pilots), +1 and -1 as sent.
        slope_times: float64 (windows + header_symbols,), middles of the preamble's windows and of the header's
            symbols, in symbol durations from the end of the preamble.
        known_times: float64 (known symbols,), the same of training and header symbols, from their mean.
        smoother: complex64 (used, used), see `channel_estimate.smoother`.
        detection_times: float64 (detection windows,), as ``known_times``, of the detection part's windows.
        detection_weights: float32 (used,), see `PreambleEstimator`.
        full_smoother: complex64 (used, used), the smoother for known symbols and detection part together.
    """

    bins: np.ndarray
    ramp: np.ndarray
    data_index: np.ndarray
    pilot_index: np.ndarray
    pilots: np.ndarray
    slope_times: np.ndarray
    known_times: np.ndarray
    smoother: np.ndarray
    detection_times: np.ndarray
    detection_weights: np.ndarray
    full_smoother: np.ndarray


@njit(cache=True, nogil=True)
def header_soft_values(spectra: np.ndarray, first_look: tuple, tables: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Soft values of the header's bits.

    Args:
        spectra: complex64 (header_symbols, fft_size).
        first_look, tables: fields of `PreambleEstimate` and `HeaderTables`.

    Returns:
        The symbols on the occupied subcarriers, complex64 (header_symbols, used), and soft values, complex64
        (header_symbols, data), whose parts are in proportion to the log-likelihood ratios.
    """
    training, channel, _, phasors = first_look
    tables = HeaderTables(*tables)
    bins, ramp, times, pilots = tables.bins, tables.ramp, tables.slope_times, tables.pilots
    data_index, pilot_index = tables.data_index, tables.pilot_index
    count, windows, used = len(spectra), len(phasors), len(bins)
    symbols = np.empty((count, used), np.complex64)
    every = np.empty((windows + count, 1), np.complex64)
    every[:windows, 0] = phasors
    for s in range(count):
        for u in range(used):
            symbols[s, u] = spectra[s, bins[u]] * ramp[u]
        total = np.complex64(0)
        for p in range(len(pilot_index)):
            u = pilot_index[p]
            total += symbols[s, u] * np.conj(channel[u]) * pilots[s, p]
        every[windows + s, 0] = total
    slope = phase_slope(every, times, _REACH)
    noise = 0.0
    turn = inner(training[0], training[1])
    turn /= max(abs(turn), 1e-30)
    for u in range(used):
        noise += abs(training[1, u] - training[0, u] * turn) ** 2 / (2 * used)
    soft = np.empty((count, len(data_index)), np.complex64)
    for s in range(count):
        angle = -slope * times[windows + s]
        turned = np.complex64(complex(np.cos(angle), np.sin(angle)) / max(noise, 1e-6))
        for d in range(len(data_index)):
            u = data_index[d]
            soft[s, d] = symbols[s, u] * np.conj(channel[u]) * turned
    return symbols, soft


@njit(cache=True, nogil=True)
def known_symbol_gains(
    symbols: np.ndarray, data: np.ndarray, first_look: tuple, tables: tuple
) -> tuple[np.ndarray, np.ndarray, float]:
    """Use a header whose check has passed as training.

    Args:
        symbols: complex64 (header_symbols, used), received.
        data: complex64 (header_symbols, data), of magnitude 1, as sent.
        first_look, tables: fields of `PreambleEstimate` and `HeaderTables`.

    Returns:
        Gains of each symbol with its common phase removed, complex64 (known symbols, used); the smoothed channel
        with the phase of time 0; and the residual carrier offset, rad per symbol.
    """
    tables, first_look = HeaderTables(*tables), PreambleEstimate(*first_look)
    data_index, pilot_index, pilots, times = tables.data_index, tables.pilot_index, tables.pilots, tables.known_times
    trained, used = first_look.training.shape
    count = trained + len(symbols)
    gains = np.empty((count, used), np.complex64)
    gains[:trained] = first_look.training
    for s in range(len(symbols)):
        for d in range(len(data_index)):
            gains[trained + s, data_index[d]] = symbols[s, data_index[d]] * np.conj(data[s, d])
        for p in range(len(pilot_index)):
            gains[trained + s, pilot_index[p]] = symbols[s, pilot_index[p]] * pilots[s, p]
    phasors = np.empty((count, 1), np.complex64)
    for s in range(count):
        phasors[s, 0] = _against(gains[s], first_look.channel)
    slope = phase_slope(phasors, times, _REACH)
    middle = complex(0.0, 0.0)
    for s in range(count):
        middle += phasors[s, 0] * np.exp(-1j * slope * times[s])
    middle /= max(abs(middle), 1e-30)
    mean = np.zeros(used, np.complex64)
    for s in range(count):
        total = phasors[s, 0]
        turn = np.complex64(np.conj(total) / max(abs(total), 1e-30) * middle)
        for u in range(used):
            gains[s, u] *= turn
            mean[u] += gains[s, u] / np.float32(count)
    _remove_clock_drift(gains, mean, times)
    return gains, multiply(tables.smoother, mean), slope


@njit(cache=True, nogil=True)
def full_slope(symbols: np.ndarray, data: np.ndarray, first_look: tuple, tables: tuple) -> float:
    """The residual carrier offset from all that is known ahead of the payload, rad per symbol; arguments as of
    `known_symbol_gains`, which takes training and header alone."""
    tables, first_look = HeaderTables(*tables), PreambleEstimate(*first_look)
    data_index, pilot_index, channel = tables.data_index, tables.pilot_index, first_look.channel
    windows, count = len(first_look.phasors), len(symbols)
    phasors = np.empty((windows + count, 1), np.complex64)
    phasors[:windows, 0] = first_look.phasors
    for s in range(count):
        total = np.complex64(0)
        for d in range(len(data_index)):
            total += symbols[s, data_index[d]] * np.conj(data[s, d] * channel[data_index[d]])
        for p in range(len(pilot_index)):
            total += symbols[s, pilot_index[p]] * tables.pilots[s, p] * np.conj(channel[pilot_index[p]])
        phasors[windows + s, 0] = total
    return phase_slope(phasors, tables.slope_times, _REACH)


@njit(cache=True, nogil=True)
def full_channel(gains: np.ndarray, slope: float, first_look: tuple, tables: tuple) -> np.ndarray:
    """The channel from all that is known ahead of the payload: training, header, and detection part.

    Args:
        gains, slope: of `known_symbol_gains`.
        first_look, tables: fields of `PreambleEstimate` and `HeaderTables`.

    Returns:
        complex64 (used,), smoothed, with the phase of time 0.
    """
    tables, first_look = HeaderTables(*tables), PreambleEstimate(*first_look)
    detection, times, weights = first_look.detection, tables.detection_times, tables.detection_weights
    count, used = gains.shape
    mean = np.zeros(used, np.complex64)
    for s in range(count):
        for u in range(used):
            mean[u] += gains[s, u]
    for w in range(len(detection)):
        turn = np.complex64(complex(np.cos(slope * times[w]), -np.sin(slope * times[w])))
        for u in range(used):
            mean[u] += detection[w, u] * turn
    for u in range(used):
        mean[u] /= np.float32(count) + weights[u]
    return multiply(tables.full_smoother, mean)


@njit(cache=True, nogil=True)
def refined_soft_values(symbols: np.ndarray, channel: np.ndarray, slope: float, tables: tuple) -> np.ndarray:
    """Soft values of the header's bits from the channel that `known_symbol_gains` gives for a first decision.

    A decision that failed its check has most of its bits right; the channel that it shows is better than that of the
    preamble alone, and a second decoding often succeeds.

    Args:
        symbols: complex64 (header_symbols, used), received.
        channel, slope: of `full_channel` and `known_symbol_gains`.
        tables: fields of `HeaderTables`.

    Returns:
        complex64 (header_symbols, data), as of `header_soft_values`.
    """
    tables = HeaderTables(*tables)
    data_index = tables.data_index
    times = tables.known_times[len(tables.known_times) - len(symbols) :]
    soft = np.empty((len(symbols), len(data_index)), np.complex64)
    for s in range(len(symbols)):
        turn = np.complex64(complex(np.cos(slope * times[s]), -np.sin(slope * times[s])))
        for d in range(len(data_index)):
            u = data_index[d]
            soft[s, d] = symbols[s, u] * np.conj(channel[u]) * turn
    return soft


@njit(cache=True, nogil=True)
def _remove_clock_drift(gains: np.ndarray, mean: np.ndarray, times: np.ndarray) -> None:
    """Take out, in place, the phase slope over frequency that grows with time (least squares): at high SNR a clock
    offset would look like noise otherwise. Frequency counts from the middle of the energy, where the common phase is
    that was taken out before."""
    count, used = gains.shape
    centre = energy = 0.0
    for u in range(used):
        power = mean[u].real ** 2 + mean[u].imag ** 2
        centre += u * power
        energy += power
    centre /= max(energy, 1e-30)
    slope = lever = 0.0
    for u in range(used):
        power = mean[u].real ** 2 + mean[u].imag ** 2
        for s in range(count):
            weight = times[s] * (u - centre)
            slope += weight * (gains[s, u] * np.conj(mean[u])).imag
            lever += weight**2 * power
    slope /= max(lever, 1e-30)
    for s in range(count):
        angle = -slope * times[s]
        step = complex(np.cos(angle), np.sin(angle))
        turn = complex(np.cos(angle * centre), -np.sin(angle * centre))
        for u in range(used):
            gains[s, u] *= np.complex64(turn)
            turn *= step


@njit(cache=True, nogil=True, fastmath=True)
def _against(gains: np.ndarray, channel: np.ndarray) -> np.complex64:
    total = np.complex64(0)
    for u in range(len(gains)):
        total += gains[u] * np.conj(channel[u])
    return total
