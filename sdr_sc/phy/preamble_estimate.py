# SPDX-License-Identifier: GPL-3.0-or-later
"""The first channel estimate, from all of the preamble: training symbols and detection part together.

The detection part has three times the energy of the training symbols, on every fourth subcarrier. Between those, a
channel shorter than the cyclic prefix interpolates without loss, so that the two parts make one weighted estimate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from sdr_sc.phy.channel_estimate import smooth
from sdr_sc.phy.equalise import common_slope
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.ofdm import early_window_ramp
from sdr_sc.phy.preamble import detection_subcarriers, training_subcarriers

_REACH = 1.5


@dataclass(frozen=True)
class PreambleEstimate:
    """What the preamble tells of the channel.

    Attributes:
        training: complex64 (2, used), received over known values of the two training symbols, residual offset and all.
        channel: complex64 (used,), smoothed, with the phase at the end of the preamble.
        phasors: complex (windows,), common phase of each FFT window against ``channel``, weighted by its energy.
        times: float (windows,), middles of the windows, in symbol durations from the end of the preamble.
    """

    training: np.ndarray
    channel: np.ndarray
    phasors: np.ndarray
    times: np.ndarray


def training_times(n: Numerology) -> np.ndarray:
    """Middles of the two training symbols, in symbol durations from the end of the preamble."""
    return np.array([-1.5, -0.5]) * n.fft_size / n.symbol_samples


def estimate_from_preamble(received: np.ndarray, n: Numerology) -> PreambleEstimate:
    """Residual carrier offset and channel from the preamble.

    Args:
        received: complex64, from the frame's first sample, carrier offset taken out as far as it is known.
    """
    training_first = n.preamble_samples - 2 * n.fft_size
    training = _windows(received, training_first, 2, n) * training_subcarriers(n).conj()

    # As many FFT windows as end before the training part's prefix and begin behind a cyclic prefix of settling.
    detection_end = n.detection_symbols * n.symbol_samples
    count = (detection_end - n.cyclic_prefix) // n.fft_size
    first = detection_end - count * n.fft_size
    known = detection_subcarriers(n) * np.exp(2j * np.pi * n.positions * (first / n.fft_size)).astype(np.complex64)
    occupied = np.flatnonzero(known)
    # Received times the conjugate: gains times their weight, the power of the known value.
    detection = (_windows(received, first, count, n) * known.conj())[:, occupied]
    power = float(np.abs(known[occupied[0]]) ** 2)

    starts = np.concatenate(
        (detection_end + n.fft_size * np.arange(-count, 0), training_first + n.fft_size * np.arange(2))
    )
    times = (starts + n.fft_size / 2 - n.preamble_samples) / n.symbol_samples
    shared = np.concatenate((detection, training[:, occupied]))
    slope = common_slope(shared, times, _REACH)
    turn = np.exp(-1j * slope * times).astype(np.complex64)[:, np.newaxis]
    weights = np.full(n.used, 2.0)
    weights[occupied] += count * power
    sums = (training * turn[count:]).sum(axis=0)
    sums[occupied] += (detection * turn[:count]).sum(axis=0)
    channel = smooth((sums / weights).astype(np.complex64), n, weights)
    phasors = np.concatenate((detection @ channel[occupied].conj(), training @ channel.conj()))
    return PreambleEstimate(training, channel, phasors, times)


def _windows(received: np.ndarray, first: int, count: int, n: Numerology) -> np.ndarray:
    """complex64 (count, used): subcarriers of FFT windows side by side, from ``early_window`` before ``first``."""
    begin = first - n.early_window
    windows = received[begin : begin + count * n.fft_size].reshape(count, n.fft_size)
    return fft.fft(windows, norm="ortho")[:, n.bins] * early_window_ramp(n)
