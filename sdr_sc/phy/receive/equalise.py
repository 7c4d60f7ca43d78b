# SPDX-License-Identifier: GPL-3.0-or-later
"""LMMSE equalisation of the payload, and its way back from the places on the air to the items."""

from __future__ import annotations

import numpy as np
from numba import njit

from sdr_sc.phy.frame.interleave import FeatureMapping
from sdr_sc.phy.receive.bundles import Carriers, Estimates, Tracking


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz", "arcp"})
def equalise(
    spectra: np.ndarray,
    channel: np.ndarray,
    data: Carriers,
    tracking: Tracking,
    times: np.ndarray,
    noise: np.ndarray,
    present: np.ndarray,
    mapping: FeatureMapping,
    out: Estimates,
) -> None:
    """Linear minimum-mean-square-error estimates of unit-power symbols: ``w y/h`` with ``w = 1/(1 + v)`` and
    ``v = noise/|h|^2``, the noise variance of ``y/h``, where h is the channel of symbol s and subcarrier k: that of the
    header times the payload's scale and the tracked gain, see `Tracking`.

    Args:
        spectra: complex64 (symbols, fft_size), FFT of the received symbols.
        channel: complex64 (used,).
        data: the data subcarriers.
        tracking: of these symbols.
        times: float64 (symbols,), in symbol durations.
        noise: float64 (symbols,), noise power per subcarrier.
        present: bool (symbols or more,), False for symbols whose features are to be NaN.
        mapping: of the features.
        out: features and variance are written; those whose symbol is not among ``spectra`` are left as they are.
    """
    bins, gains, tilts = data.bins, tracking.gains, tracking.tilts
    places, signs = mapping.places, mapping.signs
    symbols, count = spectra.shape[0], len(bins)
    # Factor and variance of each place on the air, real and imaginary parts apart: the compiler takes several at once.
    factor_re, factor_im = np.empty(symbols * count, np.float32), np.empty(symbols * count, np.float32)
    spread = np.empty(symbols * count, np.float32)
    source = np.empty(symbols * count, np.int32)
    h_re, h_im = np.empty(count, np.float32), np.empty(count, np.float32)
    spacing = (times[-1] - times[0]) / max(symbols - 1, 1)
    current, step = np.empty(count, np.complex64), np.empty(count, np.complex64)
    offsets = np.empty(count, np.float32)
    for d in range(count):
        offsets[d] = data.positions[d] - tracking.centre
        angle = tracking.slope * data.positions[d]
        gain = np.float32(mapping.scale) * channel[data.used_index[d]]
        current[d] = gain * np.complex64(complex(np.cos(angle * times[0]), np.sin(angle * times[0])))
        step[d] = complex(np.cos(angle * spacing), np.sin(angle * spacing))
    for s in range(symbols):
        n0 = np.float32(noise[s] if present[s] else np.nan)
        least = np.float32(1e-20)
        for d in range(count):
            h = current[d] * (gains[s] + tilts[s] * offsets[d])
            current[d] *= step[d]
            h_re[d], h_im[d] = h.real, h.imag
            source[s * count + d] = s * spectra.shape[1] + bins[d]
        for d in range(count):
            power = max(h_re[d] * h_re[d] + h_im[d] * h_im[d], least)
            inverse = np.float32(1.0) / (power + n0)
            factor_re[s * count + d] = h_re[d] * inverse
            factor_im[s * count + d] = h_im[d] * inverse
            spread[s * count + d] = n0 / power
    received, features, variance = spectra.reshape(-1), out.features.view(np.float32), out.variance
    for i in range(len(places)):
        place = places[i]
        if place < symbols * count:
            y = received[source[place]]
            re, im = factor_re[place] * signs[place], factor_im[place] * signs[place]
            features[2 * i] = y.real * re + y.imag * im
            features[2 * i + 1] = y.imag * re - y.real * im
            variance[i] = spread[place]
