# SPDX-License-Identifier: GPL-3.0-or-later
"""The payload's steps in one compiled function: presence, tracking, noise, equalisation.

One call in place of five: with frames of 100 symbols the calls themselves cost as much as the arithmetic. Numba
compiles the steps into it and looks for changes in this file alone: after one in a step's file, delete ``__pycache__``
here.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from sdr_sc.phy.frame.interleave import FeatureMapping
from sdr_sc.phy.receive.bundles import Carriers, Estimates, PilotPhasors, Pilots, Prior, Tracking
from sdr_sc.phy.receive.equalise import equalise
from sdr_sc.phy.receive.pilot_tracking import pilot_phasors, track
from sdr_sc.phy.receive.presence import present_symbols, symbol_noise


@njit(cache=True, nogil=True)
def receive_payload(
    spectra: np.ndarray,
    channel: np.ndarray,
    pilots: tuple,
    data: tuple,
    times: np.ndarray,
    usable: np.ndarray,
    prior: tuple,
    mapping: tuple,
    out: tuple,
) -> tuple[int, bool, float]:
    """Equalise the payload symbols that arrived.

    Args:
        spectra: complex64 (symbols, fft_size), FFT of the received symbols.
        channel: complex64 (used,), with the phase of time 0 and the FFT window's ramp.
        pilots, data: fields of `Pilots` and `Carriers`.
        times: float64 (symbols,), in symbol durations from the moment for which the channel was estimated.
        usable: bool (symbols,), False for symbols known to be damaged.
        prior, mapping: fields of `Prior` and `FeatureMapping`.
        out: fields of `Estimates`, written; features and variance are NaN where a symbol is not there and left alone
            where none arrived, the pilots are NaN in both cases.

    Returns:
        The symbols up to the last one that is there, whether all are there, and the phase slope of the clock offset.
    """
    pilots, data, mapping = Pilots(*pilots), Carriers(*data), FeatureMapping(*mapping)
    prior, out = Prior(*prior), Estimates(*out)
    observed = pilot_phasors(spectra, channel, pilots, times)
    present = present_symbols(observed, prior)
    there = 0
    for s in range(len(present)):
        present[s] = present[s] and usable[s]
        if present[s]:
            there = s + 1
    tracked = max(there, 1)
    observed = PilotPhasors(observed.phasors[:tracked], observed.weights, observed.positions, times[:tracked])
    tracking = track(observed, present, prior)
    noise = symbol_noise(observed, tracking, present[:tracked], prior.noise)
    equalise(spectra[:tracked], channel, data, tracking, observed.times, noise, present, mapping, out)
    if len(out.pilots):
        _write_pilots(observed, channel, pilots.used_index, tracking, present, out.pilots)
    return there, bool(np.all(present)), tracking.slope


@njit(cache=True, nogil=True)
def _write_pilots(
    observed: PilotPhasors,
    channel: np.ndarray,
    index: np.ndarray,
    tracking: Tracking,
    present: np.ndarray,
    out: np.ndarray,
) -> None:
    """The pilots over their known values, what was tracked taken out; see `Estimates`."""
    out[:] = np.nan
    for s in range(len(observed.times)):
        for p in range(len(index)):
            position = observed.positions[p]
            angle = tracking.slope * position * observed.times[s]
            model = tracking.gains[s] + tracking.tilts[s] * (position - tracking.centre)
            if present[s]:
                gain = observed.phasors[s, p] / observed.weights[p] * channel[index[p]]
                out[s, p] = gain / (model * complex(np.cos(angle), np.sin(angle)))
