# SPDX-License-Identifier: GPL-3.0-or-later
"""LMMSE equalisation of the payload, and its way back from the places on the air to the items."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz", "arcp"})
def equalise(
    spectra: np.ndarray,
    bins: np.ndarray,
    positions: np.ndarray,
    index: np.ndarray,
    channel: np.ndarray,
    scale: float,
    gains: np.ndarray,
    tilts: np.ndarray,
    centre: float,
    slope: float,
    times: np.ndarray,
    noise: np.ndarray,
    present: np.ndarray,
    places: np.ndarray,
    signs: np.ndarray,
    features: np.ndarray,
    variance: np.ndarray,
) -> None:
    """Linear minimum-mean-square-error estimates of unit-power symbols: ``w y/h`` with ``w = 1/(1 + v)`` and
    ``v = noise/|h|^2``, the noise variance of ``y/h``, where h is the channel of symbol s and subcarrier k:
    ``scale channel[k] (gains[s] + tilts[s] (k - centre)) exp(j slope k times[s])``.

    Args:
        spectra: complex64 (symbols, fft_size), FFT of the received symbols.
        bins: int64 (data,), FFT bins of the data subcarriers, by rising position.
        positions: int64 (data,), signed numbers of the data subcarriers.
        index: int64 (data,), places of the data subcarriers within ``channel``.
        channel: complex64 (used,).
        scale: amplitude of the payload over that of the known symbols.
        gains, tilts: complex64 (symbols,).
        centre: subcarrier at which the tilt is 0.
        slope: rad per subcarrier and symbol duration.
        times: float64 (symbols,), in symbol durations.
        noise: float64 (symbols,), noise power per subcarrier.
        present: bool (symbols or more,), False for symbols whose features are to be NaN.
        places: int64 (count,), place on the air of each feature.
        signs: float32 (count,), scrambling sign at each place.
        features: complex64 (count,), written: the estimates in the order of the items; those whose symbol is not
            among ``spectra`` are left as they are.
        variance: float32 (count,), written: v of each.
    """
    symbols, data = spectra.shape[0], len(bins)
    # Factor and variance of each place on the air, real and imaginary parts apart: the compiler takes several at once.
    factor_re, factor_im = np.empty(symbols * data, np.float32), np.empty(symbols * data, np.float32)
    spread = np.empty(symbols * data, np.float32)
    source = np.empty(symbols * data, np.int32)
    h_re, h_im = np.empty(data, np.float32), np.empty(data, np.float32)
    spacing = (times[-1] - times[0]) / max(symbols - 1, 1)
    current, step = np.empty(data, np.complex64), np.empty(data, np.complex64)
    offsets = np.empty(data, np.float32)
    for d in range(data):
        offsets[d] = positions[d] - centre
        angle = slope * positions[d]
        gain = np.float32(scale) * channel[index[d]]
        current[d] = gain * np.complex64(complex(np.cos(angle * times[0]), np.sin(angle * times[0])))
        step[d] = complex(np.cos(angle * spacing), np.sin(angle * spacing))
    for s in range(symbols):
        n0 = np.float32(noise[s] if present[s] else np.nan)
        least = np.float32(1e-20)
        for d in range(data):
            h = current[d] * (gains[s] + tilts[s] * offsets[d])
            current[d] *= step[d]
            h_re[d], h_im[d] = h.real, h.imag
            source[s * data + d] = s * spectra.shape[1] + bins[d]
        for d in range(data):
            power = max(h_re[d] * h_re[d] + h_im[d] * h_im[d], least)
            inverse = np.float32(1.0) / (power + n0)
            factor_re[s * data + d] = h_re[d] * inverse
            factor_im[s * data + d] = h_im[d] * inverse
            spread[s * data + d] = n0 / power
    received, out = spectra.reshape(-1), features.view(np.float32)
    for i in range(len(places)):
        place = places[i]
        if place < symbols * data:
            y = received[source[place]]
            re, im = factor_re[place] * signs[place], factor_im[place] * signs[place]
            out[2 * i] = y.real * re + y.imag * im
            out[2 * i + 1] = y.imag * re - y.real * im
            variance[i] = spread[place]
