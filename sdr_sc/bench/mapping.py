# SPDX-License-Identifier: GPL-3.0-or-later
"""What a mapping of features by importance would gain over interleaving, where the channel is selective.

Features are nested: the first ones of an item matter most. With the channel that the receiver fed back, a transmitter
could put them on the strongest subcarriers, or raise the power on weak ones. This measures the gain in accuracy,
with channels of TR 38.901 and perfect estimation at the receiver, over how well the fed-back channel still fits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sdr_sc.data.dataset import Dataset
from sdr_sc.phy.channels.tdl import PROFILES
from sdr_sc.phy.frame.interleave import permutation
from sdr_sc.phy.numerology import Numerology
from sdr_sc.results.rows import Row, mean_interval
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder

Log = Callable[[str], None]
ITEMS = 50
DELAY_SPREAD_NS = 300.0
RATES_HZ = (1e6, 20e6)
POINTS = ((0.0, 16), (5.0, 4), (5.0, 8), (10.0, 4))
"""SNR, dB, and k."""
CORRELATIONS = (1.0, 0.9, 0.5)
"""Of the channel's gains now with those that were fed back: 1 is no delay at all."""
_WEAKEST = 0.05  # power gain below which no more power is spent, so that one notch does not take it all; not tuned

Mapping = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]
"""From the power gain at each place on the air, and k, to each feature's place and amplitude."""


def interleaved(gains: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """As the frame does it, whatever the channel."""
    return permutation(len(gains)), np.ones(len(gains))


def by_importance(gains: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The first feature of each item on the strongest places, then the second; items take turns, so that none is worse.

    >>> places, _ = by_importance(np.array([0.1, 4.0, 1.0, 2.0]), 2)
    >>> places.reshape(2, 2).tolist()  # first features on places 1 and 3
    [[1, 0], [3, 2]]
    """
    count, items = len(gains), len(gains) // k
    strongest = np.argsort(-gains, kind="stable")
    feature, item = np.divmod(np.arange(count), items)
    item = np.where(feature % 2, items - 1 - item, item)
    places = np.empty(count, np.int64)
    places[item * k + feature] = strongest
    return places, np.ones(count)


def levelled(gains: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Interleaved, with the power that makes the sum of noise variances smallest: as one over the amplitude gain."""
    places, _ = interleaved(gains, k)
    power = 1.0 / np.sqrt(np.maximum(gains, _WEAKEST))
    return places, np.sqrt(power / power.mean())[places]


MAPPINGS: dict[str, Mapping] = {"by importance": by_importance, "power by gain": levelled}


@dataclass(frozen=True)
class Channels:
    """Frequency responses, one a frame: as fed back, and as crossed; complex128 (frames, subcarriers)."""

    fed_back: np.ndarray
    now: np.ndarray

    @classmethod
    def draw(cls, frames: int, rate_hz: float, correlation: float, seed: int) -> Channels:
        """Of TDL-C; gains that are complex Gaussian and whose correlation with the fed-back ones is ``correlation``."""
        profile, numerology = PROFILES["C"], Numerology()
        power = 10 ** (np.array(profile.powers_db) / 10)
        spread = np.sqrt(power / power.sum() / 2)
        rng = np.random.default_rng(seed)
        before, fresh = (
            spread * (rng.standard_normal((frames, len(power))) + 1j * rng.standard_normal((frames, len(power))))
            for _ in range(2)
        )
        after = correlation * before + np.sqrt(1 - correlation**2) * fresh
        spacing_hz = rate_hz / numerology.fft_size
        at_hz = numerology.positions[numerology.data_index] * spacing_hz
        turns = np.exp(-2j * np.pi * np.outer(np.array(profile.delays) * DELAY_SPREAD_NS * 1e-9, at_hz))
        return cls(before @ turns, after @ turns)


def correct_by_frame(
    features: np.ndarray, classes: np.ndarray, snr_db: float, channels: Channels, mapping: Mapping,
    decoder: SemanticDecoder, seed: int,
) -> np.ndarray:  # fmt: skip
    """Items answered correctly in each frame, int64 (frames,).

    Args:
        features: complex64 (frames * `ITEMS`, k), unit mean power an item.
        classes: int64 (frames * `ITEMS`,).
        snr_db: mean Es/N0.
        channels: one a frame.
        mapping: one of this module.
        decoder: of the features.
        seed: of the noise: the same for every mapping.
    """
    k, noise, rng = features.shape[1], 10 ** (-snr_db / 10), np.random.default_rng(seed)
    correct = np.empty(len(channels.now), np.int64)
    for frame, (known, now) in enumerate(zip(channels.fed_back, channels.now, strict=True)):
        sent, truth = (values[frame * ITEMS : (frame + 1) * ITEMS] for values in (features, classes))
        subcarrier = np.arange(sent.size) % now.size
        places, amplitude = mapping(np.abs(known[subcarrier]) ** 2, k)
        variance = noise / (np.abs(now[subcarrier[places]]) * amplitude) ** 2
        white = rng.standard_normal((2, sent.size)) / np.sqrt(2)
        received = (sent.ravel() + np.sqrt(variance) * (white[0] + 1j * white[1])) / (1 + variance)
        own_snr_db = 10 * np.log10(np.mean(np.abs(now) ** 2) / noise)
        logits = decoder.decode(received.astype(np.complex64).reshape(sent.shape), own_snr_db)
        correct[frame] = np.count_nonzero(logits.argmax(axis=1) == truth)
    return correct


def mapping_rows(model: str, data: Dataset, quick: bool, seed: int, log: Log) -> list[Row]:
    """Accuracy with interleaving, and what each mapping gains over it, in points; paired over frames.

    Args:
        model: name or path of the model.
        data: the items, test split.
        quick: a tenth of the frames.
        seed: of channels and noise.
        log: called with what is measured next.
    """
    frames = max(len(data) // ITEMS // (10 if quick else 1), 2)
    index = np.arange(frames * ITEMS)
    items, classes = data.items(index), data.targets("classification", index)
    encoder, decoder = SemanticEncoder(model), SemanticDecoder(model)
    rows: list[Row] = []
    for rate_hz in RATES_HZ:
        for snr_db, k in POINTS:
            features = encoder.encode(items, snr_db, k)
            where = f"TDL-C {DELAY_SPREAD_NS:g} ns, {rate_hz / 1e6:g} MS/s, {snr_db:g} dB, k={k}"
            log(where)
            for correlation in CORRELATIONS:
                channels = Channels.draw(frames, rate_hz, correlation, seed)

                def shares(mapping: Mapping, channels: Channels = channels, features: np.ndarray = features,
                           snr_db: float = snr_db) -> np.ndarray:  # fmt: skip
                    found = correct_by_frame(features, classes, snr_db, channels, mapping, decoder, seed + 1)
                    return 100 * found / ITEMS

                plain = shares(interleaved)
                if correlation == CORRELATIONS[0]:
                    rows.append(Row(f"{where}: accuracy, interleaved", float(plain.mean()), "%", n=frames,
                                    ci95=mean_interval(plain)))  # fmt: skip
                for name, mapping in MAPPINGS.items():
                    gain = shares(mapping) - plain
                    rows.append(Row(f"{where}: gain {name}, channel's correlation {correlation:g}", float(gain.mean()),
                                    "points", n=frames, ci95=mean_interval(gain)))  # fmt: skip
    return rows
