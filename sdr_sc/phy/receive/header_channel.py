# SPDX-License-Identifier: GPL-3.0-or-later
"""What a header gives once its check has passed: known symbols, and from them channel, carrier offset and noise."""

from __future__ import annotations

import numpy as np
from numba import njit

from sdr_sc.phy.receive.channel_estimate import echoes_are_late, multiply, windows_fit
from sdr_sc.phy.receive.header_stage import REACH, HeaderTables
from sdr_sc.phy.receive.phase_slope import phase_slope
from sdr_sc.phy.receive.preamble_estimate import PreambleEstimate
from sdr_sc.phy.receive.snr import repeated_powers


@njit(cache=True, nogil=True)
def learn_from_header(
    symbols: np.ndarray,
    data: np.ndarray,
    first_look: tuple,
    tables: tuple,
    is_short: bool,
    takes_detection: bool,
    own_error: float,
    outside: float,
) -> tuple[np.ndarray, np.ndarray, float, float, float, bool]:
    """Channel, carrier offset, signal and noise power from all that is known ahead of the payload.

    Args:
        symbols, data, first_look, tables: as of `known_symbol_gains`.
        is_short: training and header are too short for a good carrier offset: that of the detection part counts, too.
        takes_detection: whether the detection part improves the channel, and late echoes are looked for.
        own_error, outside: of `windows_fit` and `echoes_are_late`.

    Returns:
        Gains as of `known_symbol_gains`; the channel, complex64 (used,); the residual carrier offset, rad per symbol;
        signal and noise power per occupied subcarrier; and whether echoes outlast the cyclic prefix: the channel is
        not smoothed then.
    """
    gains, smoothed, slope = known_symbol_gains(symbols, data, first_look, tables)
    if is_short:
        slope = full_slope(symbols, data, first_look, tables)
    signal, noise = repeated_powers(gains, True)
    if not takes_detection:
        return gains, smoothed, slope, signal, noise, False
    if echoes_are_late(gains, smoothed, noise, outside):
        mean = np.zeros(len(smoothed), np.complex64)
        for s in range(len(gains)):
            for u in range(len(mean)):
                mean[u] += gains[s, u] / np.float32(len(gains))
        return gains, mean, slope, signal, noise, True
    named, seen = HeaderTables(*tables), PreambleEstimate(*first_look)
    weights, times = named.detection_weights, named.detection_times
    # Not where the gain has settled or the sampling clock has moved since the detection part.
    if windows_fit(seen.detection, weights, times, smoothed, slope, noise, own_error):
        smoothed = full_channel(gains, slope, first_look, tables)
    return gains, smoothed, slope, signal, noise, False


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
    slope = phase_slope(phasors, times, REACH)
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
    return phase_slope(phasors, tables.slope_times, REACH)


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
