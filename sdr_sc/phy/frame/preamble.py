# SPDX-License-Identifier: GPL-3.0-or-later
"""The preamble: a detection part that repeats every quarter symbol, then two equal channel-estimation symbols.

The short period gives a carrier offset without ambiguity within +-2 subcarriers (as the short training field of
802.11a does); the two equal symbols give the fine offset, the channel, and the noise power.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import fft

from sdr_sc.phy.frame.modes import FrameMode, frame_layout
from sdr_sc.phy.frame.sequences import pn_bits
from sdr_sc.phy.numerology import Numerology

_SEEDS_TRIED = 64
_SEED_STEPS = {FrameMode.NORMAL: 0, FrameMode.SHORT: 133, FrameMode.ROBUST: 267}
_BEFORE = {
    FrameMode.NORMAL: (),
    FrameMode.SHORT: (FrameMode.NORMAL,),
    FrameMode.ROBUST: (FrameMode.NORMAL, FrameMode.SHORT),
}


def detection_period(numerology: Numerology) -> int:
    """Samples after which the detection part repeats."""
    return numerology.fft_size // 4


@lru_cache(maxsize=24)
def training_subcarriers(numerology: Numerology, mode: FrameMode = FrameMode.NORMAL) -> np.ndarray:
    """complex64 (used,): QPSK values of the channel-estimation symbols, magnitude 1.

    Of 64 pseudo-random choices a mode, the one whose symbol has the lowest peak power; those of the short and of the
    robust mode, times the largest of their circular cross-correlations with the modes before them.
    """
    others = [training_symbol(numerology, other) for other in _BEFORE[mode]]
    best, best_score = None, np.inf
    for seed in range(1, _SEEDS_TRIED + 1):
        bits = pn_bits(2 * numerology.used, seed * 401 + _SEED_STEPS[mode]).astype(np.float32)
        values = ((1 - 2 * bits[0::2]) + 1j * (1 - 2 * bits[1::2])) / np.sqrt(2)
        symbol = _to_time(values, numerology)
        score = np.abs(symbol).max()
        if others:
            score *= max(np.abs(fft.ifft(fft.fft(symbol) * fft.fft(other).conj())).max() for other in others)
        if score < best_score:
            best, best_score = values.astype(np.complex64), score
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


@lru_cache(maxsize=24)
def training_symbol(numerology: Numerology, mode: FrameMode = FrameMode.NORMAL) -> np.ndarray:
    """complex64 (fft_size,): one channel-estimation symbol without cyclic prefix."""
    return _to_time(training_subcarriers(numerology, mode), numerology)


@lru_cache(maxsize=24)
def preamble(numerology: Numerology, mode: FrameMode = FrameMode.NORMAL) -> np.ndarray:
    """complex64 (preamble_samples,): detection part, then one or more blocks of a double cyclic prefix and two
    channel-estimation symbols."""
    layout = frame_layout(numerology, mode)
    period = _to_time(detection_subcarriers(numerology), numerology)[: detection_period(numerology)]
    detection = np.resize(period, layout.detection_samples)
    symbol = training_symbol(numerology, mode)
    prefix = np.resize(np.roll(symbol, 2 * numerology.cyclic_prefix), 2 * numerology.cyclic_prefix)
    samples = np.concatenate((detection, *(layout.training_blocks * (prefix, symbol, symbol))))
    samples.flags.writeable = False
    return samples


def _to_time(subcarriers: np.ndarray, numerology: Numerology) -> np.ndarray:
    bins = np.zeros(numerology.fft_size, np.complex64)
    bins[numerology.bins] = subcarriers
    return fft.ifft(bins, norm="ortho")
