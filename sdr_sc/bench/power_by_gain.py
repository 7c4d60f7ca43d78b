# SPDX-License-Identifier: GPL-3.0-or-later
"""What more power on weak subcarriers would gain: the other thing that a transmitter could do with a channel report.

No frame can be sent that way. This measures an ideal: channels of TR 38.901 that are known exactly at both ends.
"""

from __future__ import annotations

import numpy as np

from sdr_sc.phy.channels.tdl import PROFILES
from sdr_sc.phy.frame.interleave import permutation
from sdr_sc.phy.numerology import Numerology
from sdr_sc.semantic.inference import SemanticDecoder

_WEAKEST = 0.05  # power gain below which no more power is spent, so that one notch does not take it all; not tuned


def levelled(gains: np.ndarray) -> np.ndarray:
    """Amplitudes that make the sum of noise variances smallest, at mean power 1: power as one over the amplitude gain.

    Args:
        gains: power gain at each place on the air, float64 (n,).
    """
    power = 1.0 / np.sqrt(np.maximum(gains, _WEAKEST))
    return np.sqrt(power / power.mean())


def responses(frames: int, rate_hz: float, delay_spread_ns: float, seed: int) -> np.ndarray:
    """Frequency responses of TDL-C, one a frame: complex128 (frames, data subcarriers)."""
    profile, numerology = PROFILES["C"], Numerology()
    power = 10 ** (np.array(profile.powers_db) / 10)
    spread = np.sqrt(power / power.sum() / 2)
    rng = np.random.default_rng(seed)
    gains = spread * (rng.standard_normal((frames, len(power))) + 1j * rng.standard_normal((frames, len(power))))
    at_hz = numerology.positions[numerology.data_index] * rate_hz / numerology.fft_size
    return gains @ np.exp(-2j * np.pi * np.outer(np.array(profile.delays) * delay_spread_ns * 1e-9, at_hz))


def gain_by_frame(
    features: np.ndarray, classes: np.ndarray, snr_db: float, channels: np.ndarray, decoder: SemanticDecoder, seed: int
) -> np.ndarray:
    """Points of accuracy by which levelled power is better than equal power, float64 (frames,).

    Args:
        features: complex64 (frames * items, k), unit mean power an item.
        classes: int64 (frames * items,).
        snr_db: mean Es/N0.
        channels: of `responses`.
        decoder: of the features.
        seed: of the noise, the same for both.
    """
    items, k = len(features) // len(channels), features.shape[1]
    noise, rng = 10 ** (-snr_db / 10), np.random.default_rng(seed)
    places = permutation(items * k)
    gains = np.abs(channels[:, places % channels.shape[1]]) ** 2
    white = rng.standard_normal((2, *gains.shape)) / np.sqrt(2)
    own_snr_db = 10 * np.log10(np.mean(np.abs(channels) ** 2, axis=1) / noise)
    correct = []
    for amplitude in (1.0, np.stack([levelled(frame) for frame in gains])):
        variance = (noise / (gains * amplitude**2)).reshape(-1, k)
        received = features + np.sqrt(variance) * (white[0] + 1j * white[1]).reshape(-1, k)
        prefixes = np.zeros((len(features), decoder.contract.k_max), np.complex64)
        prefixes[:, :k] = received / (1 + variance)
        answer = decoder.answer_prefixes(prefixes, np.repeat(own_snr_db, items), np.full(len(features), k), variance)
        correct.append((answer.best == classes).reshape(-1, items).mean(axis=1))
    return 100 * (correct[1] - correct[0])
