# SPDX-License-Identifier: GPL-3.0-or-later
"""The preamble: a detection part that repeats every quarter symbol, then two equal channel-estimation symbols.

The short period gives a carrier offset without ambiguity within +-2 subcarriers (as the short training field of
802.11a does); the two equal symbols give the fine offset, the channel, and the noise power.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import fft

from sdr_sc.phy.frame.sequences import pn_bits
from sdr_sc.phy.numerology import Numerology

_SEEDS_TRIED = 64


def detection_period(numerology: Numerology) -> int:
    """Samples after which the detection part repeats."""
    return numerology.fft_size // 4


@lru_cache(maxsize=8)
def training_subcarriers(numerology: Numerology) -> np.ndarray:
    """complex64 (used,): QPSK values of the channel-estimation symbols, magnitude 1.

    Of 64 pseudo-random choices, the one whose symbol has the lowest peak power.
    """
    best, best_peak = None, np.inf
    for seed in range(1, _SEEDS_TRIED + 1):
        bits = pn_bits(2 * numerology.used, seed * 401).astype(np.float32)
        values = ((1 - 2 * bits[0::2]) + 1j * (1 - 2 * bits[1::2])) / np.sqrt(2)
        peak = np.abs(_to_time(values, numerology)).max()
        if peak < best_peak:
            best, best_peak = values.astype(np.complex64), peak
    assert best is not None
    best.flags.writeable = False
    return best


@lru_cache(maxsize=8)
def detection_subcarriers(numerology: Numerology) -> np.ndarray:
    """complex64 (used,): every fourth subcarrier, with quadratic phase for a low peak (Newman, 1965), same total
    power as a symbol with all subcarriers at power 1."""
    every_fourth = numerology.positions % 4 == 0
    count = int(every_fourth.sum())
    values = np.zeros(numerology.used, np.complex64)
    values[every_fourth] = np.exp(1j * np.pi * np.arange(count) ** 2 / count) * np.sqrt(numerology.used / count)
    values.flags.writeable = False
    return values


@lru_cache(maxsize=8)
def training_symbol(numerology: Numerology) -> np.ndarray:
    """complex64 (fft_size,): one channel-estimation symbol without cyclic prefix."""
    return _to_time(training_subcarriers(numerology), numerology)


@lru_cache(maxsize=8)
def preamble(numerology: Numerology) -> np.ndarray:
    """complex64 (preamble_samples,): detection part, double cyclic prefix, two channel-estimation symbols."""
    period = _to_time(detection_subcarriers(numerology), numerology)[: detection_period(numerology)]
    detection = np.resize(period, numerology.detection_symbols * numerology.symbol_samples)
    symbol = training_symbol(numerology)
    prefix = np.resize(np.roll(symbol, 2 * numerology.cyclic_prefix), 2 * numerology.cyclic_prefix)
    samples = np.concatenate((detection, prefix, symbol, symbol))
    samples.flags.writeable = False
    return samples


def _to_time(subcarriers: np.ndarray, numerology: Numerology) -> np.ndarray:
    bins = np.zeros(numerology.fft_size, np.complex64)
    bins[numerology.bins] = subcarriers
    return fft.ifft(bins, norm="ortho")
