# SPDX-License-Identifier: GPL-3.0-or-later
"""LMMSE equalisation of the payload, and its way back from the places on the air to the items."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz", "arcp"})
def equalise(
    spectra: np.ndarray,
    bins: np.ndarray,
    positions: np.ndarray,
    channel: np.ndarray,
    gains: np.ndarray,
    slope: float,
    times: np.ndarray,
    noise: float,
    places: np.ndarray,
    signs: np.ndarray,
    features: np.ndarray,
    variance: np.ndarray,
) -> None:
    """Linear minimum-mean-square-error estimates of unit-power symbols: ``w y/h`` with ``w = 1/(1 + v)`` and
    ``v = noise/|h|^2``, the noise variance of ``y/h``, where h is the channel of symbol s and subcarrier k:
    ``channel[k] gains[s] exp(j slope k times[s])``.

    Args:
        spectra: complex64 (symbols, fft_size), FFT of the received symbols.
        bins: int64 (data,), FFT bins of the data subcarriers, by rising position.
        positions: int64 (data,), signed numbers of the data subcarriers.
        channel: complex64 (data,).
        gains: complex64 (symbols,).
        slope: rad per subcarrier and symbol duration.
        times: float64 (symbols,), in symbol durations.
        noise: noise power per subcarrier.
        places: int64 (count,), place on the air of each feature.
        signs: float32 (count,), scrambling sign at each place.
        features: complex64 (count,), written: the estimates in the order of the items; those whose symbol is not
            among ``spectra`` are left as they are.
        variance: float32 (count,), written: v of each.
    """
    symbols, data = spectra.shape[0], len(bins)
    air = np.empty((symbols * data, 2), np.float32)
    spread = np.empty(symbols * data, np.float32)
    n0, least = np.float32(noise), np.float32(1e-20)
    # Real and imaginary parts apart, so that the compiler can take several subcarriers at a time.
    h_re, h_im = np.empty(data, np.float32), np.empty(data, np.float32)
    y_re, y_im = np.empty(data, np.float32), np.empty(data, np.float32)
    turn = np.empty(data, np.complex64)
    for s in range(symbols):
        angle = slope * times[s]
        step = complex(np.cos(angle), np.sin(angle))
        angle *= positions[0]
        current, place = complex(np.cos(angle), np.sin(angle)) * gains[s], positions[0]
        for d in range(data):
            while place < positions[d]:
                current *= step
                place += 1
            turn[d] = current
            y = spectra[s, bins[d]]
            y_re[d], y_im[d] = y.real, y.imag
        for d in range(data):
            h = channel[d] * turn[d]
            h_re[d], h_im[d] = h.real, h.imag
        for d in range(data):
            power = max(h_re[d] * h_re[d] + h_im[d] * h_im[d], least)
            scale = np.float32(1.0) / (power + n0)
            i = s * data + d
            air[i, 0] = (y_re[d] * h_re[d] + y_im[d] * h_im[d]) * scale
            air[i, 1] = (y_im[d] * h_re[d] - y_re[d] * h_im[d]) * scale
            spread[i] = n0 / power
    parts = features.view(np.float32)
    for i in range(len(places)):
        place = places[i]
        if place < symbols * data:
            parts[2 * i] = air[place, 0] * signs[place]
            parts[2 * i + 1] = air[place, 1] * signs[place]
            variance[i] = spread[place]
