# SPDX-License-Identifier: GPL-3.0-or-later
"""The transmitter: header and features to the samples of a frame."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sdr_sc.phy import header as header_format
from sdr_sc.phy.header import Header
from sdr_sc.phy.interleave import interleave
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.ofdm import modulate
from sdr_sc.phy.preamble import preamble
from sdr_sc.phy.sequences import pn_signs

_PILOT_SEED = 0x1A6D
_FILLER_SEED = 0x5E31


@lru_cache(maxsize=256)
def pilot_values(symbols: int, numerology: Numerology) -> np.ndarray:
    """float32 (symbols, pilot_subcarriers) of +1 and -1: pilots of header and payload symbols, in that order."""
    signs = pn_signs(symbols * numerology.pilot_subcarriers, _PILOT_SEED)
    return signs.reshape(symbols, numerology.pilot_subcarriers)


def filler_values(count: int) -> np.ndarray:
    """float32 (count,) of +1 and -1: what the last payload symbol carries behind the features."""
    return pn_signs(count, _FILLER_SEED) if count else np.empty(0, np.float32)


def header_subcarriers(header: Header, numerology: Numerology) -> np.ndarray:
    """complex64 (header_symbols, used): the header's symbols with their pilots."""
    grid = np.empty((numerology.header_symbols, numerology.used), np.complex64)
    grid[:, numerology.data_index] = header_format.encode(header, numerology)
    grid[:, numerology.pilot_index] = pilot_values(numerology.header_symbols, numerology)
    return grid


def build_frame(features: np.ndarray, header: Header, numerology: Numerology) -> np.ndarray:
    """The samples of one frame.

    Args:
        features: complex64 (n_items, k), mean power 1 over each item.
        header: has to agree with the features' shape.

    Returns:
        complex64 (frame_samples,), mean power `Numerology.mean_sample_power`.

    Raises:
        ValueError: the shape does not agree with the header, or a feature is not finite.
    """
    if features.shape != (header.n_items, header.k):
        raise ValueError(f"features have shape {features.shape}, the header says {(header.n_items, header.k)}")
    if not np.isfinite(features).all():
        raise ValueError("features hold a value that is not finite")
    flat = interleave(np.ascontiguousarray(features, np.complex64).ravel())
    symbols = numerology.payload_symbols(len(flat))
    filler = filler_values(symbols * numerology.data_subcarriers - len(flat))
    first = numerology.header_symbols
    grid = np.empty((first + symbols, numerology.used), np.complex64)
    grid[:first] = header_subcarriers(header, numerology)
    scale = np.float32(10.0 ** (header.power_scale_db / 20.0))
    grid[first:, numerology.data_index] = scale * np.concatenate((flat, filler)).reshape(symbols, -1)
    grid[first:, numerology.pilot_index] = pilot_values(first + symbols, numerology)[first:]
    return np.concatenate((preamble(numerology), modulate(grid, numerology)))
