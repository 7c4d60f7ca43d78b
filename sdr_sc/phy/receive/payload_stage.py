# SPDX-License-Identifier: GPL-3.0-or-later
"""The payload's steps in one compiled function: presence, tracking, noise, equalisation.

One call in place of five: with frames of 100 symbols the calls themselves cost as much as the arithmetic.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from sdr_sc.phy.receive.equalise import equalise
from sdr_sc.phy.receive.pilot_tracking import pilot_phasors, track
from sdr_sc.phy.receive.presence import present_symbols, symbol_noise


@njit(cache=True, nogil=True)
def receive_payload(
    spectra: np.ndarray,
    channel: np.ndarray,
    pilot_bins: np.ndarray,
    pilot_index: np.ndarray,
    pilot_positions: np.ndarray,
    known_pilots: np.ndarray,
    data_bins: np.ndarray,
    data_index: np.ndarray,
    data_positions: np.ndarray,
    times: np.ndarray,
    usable: np.ndarray,
    noise: float,
    clock_std: float,
    known_weight: float,
    scale: float,
    places: np.ndarray,
    signs: np.ndarray,
    features: np.ndarray,
    variance: np.ndarray,
    pilots: np.ndarray,
) -> tuple[int, bool, float]:
    """Equalise the payload symbols that arrived.

    Args:
        spectra: complex64 (symbols, fft_size), FFT of the received symbols.
        channel: complex64 (used,), with the phase of time 0 and the FFT window's ramp.
        pilot_bins, pilot_index, pilot_positions, known_pilots: see `pilot_tracking.pilot_phasors` and `track`.
        data_bins, data_index, data_positions, scale, places, signs: see `equalise`.
        times: float64 (symbols,), in symbol durations from the moment for which the channel was estimated.
        usable: bool (symbols,), False for symbols known to be damaged.
        noise: noise power per subcarrier.
        clock_std: see `track`.
        known_weight: energy of the symbols that the channel was estimated from over that of a symbol's pilots.
        features: complex64 (count,), written; NaN where a symbol is not there, left alone where none arrived.
        variance: float32 (count,), written likewise.
        pilots: complex64 (symbols, pilots) to be written: the pilots over their known values, what was tracked taken
            out, NaN where a symbol is not there; or of shape (0, 0) where nobody wants them.

    Returns:
        The symbols up to the last one that is there, whether all are there, and the phase slope of the clock offset.
    """
    phasors, weights = pilot_phasors(spectra, pilot_bins, known_pilots, pilot_index, channel)
    present = present_symbols(phasors, weights, pilot_positions, times, noise, clock_std, known_weight)
    there = 0
    for s in range(len(present)):
        present[s] = present[s] and usable[s]
        if present[s]:
            there = s + 1
    tracked = max(there, 1)
    phasors, times = phasors[:tracked], times[:tracked]
    first_variance = noise / (np.sum(weights) * known_weight)
    gains, tilts, slope, centre = track(
        phasors, present, weights, pilot_positions, times, noise, clock_std, first_variance
    )
    levels = symbol_noise(
        phasors, weights, pilot_positions, times, gains, tilts, slope, centre, present[:tracked], noise
    )
    equalise(
        spectra[:tracked],
        data_bins,
        data_positions,
        data_index,
        channel,
        scale,
        gains,
        tilts,
        centre,
        slope,
        times,
        levels,
        present,
        places,
        signs,
        features,
        variance,
    )
    if len(pilots):
        pilots[:] = np.nan
        for s in range(tracked):
            for p in range(len(weights)):
                angle = slope * pilot_positions[p] * times[s]
                model = (gains[s] + tilts[s] * (pilot_positions[p] - centre)) * complex(np.cos(angle), np.sin(angle))
                if present[s]:
                    pilots[s, p] = phasors[s, p] / weights[p] * channel[pilot_index[p]] / model
    return there, bool(np.all(present)), slope
