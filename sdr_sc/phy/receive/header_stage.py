# SPDX-License-Identifier: GPL-3.0-or-later
"""Soft values of the header's bits, for its decoding."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from sdr_sc.phy.linear import inner
from sdr_sc.phy.receive.phase_slope import phase_slope

# rad a symbol. The synchroniser leaves 0.09, 0.20 and 0.57 (standard deviations, default numerology, measured) at 5, 0
# and -5 dB.
REACH = 1.0


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
        smoother: float32 (2, used, used), planes of `channel_estimate.smoother`.
        detection_times: float64 (detection windows,), as ``known_times``, of the detection part's windows.
        detection_weights: float32 (used,), see `PreambleEstimator`.
        full_smoother: float32 (2, used, used), the smoother for known symbols and detection part together.
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
    slope = phase_slope(every, times, REACH)
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
def refined_soft_values(symbols: np.ndarray, channel: np.ndarray, slope: float, tables: tuple) -> np.ndarray:
    """Soft values of the header's bits from the channel that `header_channel` gives for a first decision.

    A decision that failed its check has most of its bits right; the channel that it shows is better than that of the
    preamble alone, and a second decoding often succeeds.

    Args:
        symbols: complex64 (header_symbols, used), received.
        channel, slope: of `header_channel.full_channel` and `known_symbol_gains`.
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
def header_evidence(soft: np.ndarray, sent: np.ndarray, bits_per_value: int) -> float:
    """How well soft values agree with a decision: the energy along it over the variance around it, added up over all
    places. Over white noise of Es/N0 ``snr`` a right decision has about ``2 snr`` for each BPSK value, one for each bit
    of a QPSK value.

    Args:
        soft: complex64 (header_symbols, data), as of `header_soft_values`; any scale.
        sent: complex64 (header_symbols, data), of magnitude 1, what the decision is on the air.
        bits_per_value: 1 for BPSK, whose imaginary parts do not count, 2 for QPSK.
    """
    along = power = 0.0
    for s in range(soft.shape[0]):
        for d in range(soft.shape[1]):
            value = soft[s, d] * np.conj(sent[s, d])
            along += value.real
            power += value.real**2 if bits_per_value == 1 else value.real**2 + value.imag**2
    mean = along / soft.size
    around = power / soft.size - mean**2
    return bits_per_value * soft.size * mean**2 / max(around, 1e-12 * mean**2 + 1e-300)
