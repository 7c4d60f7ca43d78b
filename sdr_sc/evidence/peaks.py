# SPDX-License-Identifier: GPL-3.0-or-later
"""Peaks of OFDM symbols that carry features, beside those that carry QAM."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.dataset import DEFAULT_DATA_SET
from sdr_sc.evidence.tables import APART
from sdr_sc.phy.coding.qam import modulate
from sdr_sc.phy.frame.framing import build_frame
from sdr_sc.phy.frame.header import Header
from sdr_sc.phy.numerology import Numerology
from sdr_sc.results.rows import Row
from sdr_sc.semantic.inference import SemanticEncoder

Log = Callable[[str], None]
FRAMES, ITEMS = 200, 50
OVERSAMPLING = 4
SHARES = (0.5, 0.01, 0.001)
"""Of the symbols, that have peaks above what is reported."""
_QAM = {"QPSK": 2, "16-QAM": 4, "64-QAM": 6}


def peaks_db(payload: np.ndarray, numerology: Numerology) -> np.ndarray:
    """Peak over mean power of each payload OFDM symbol of a frame, dB, at `OVERSAMPLING` times the sample rate.

    Args:
        payload: complex64 (items, k).

    Returns:
        float64 (symbols,); the mean power is that of all symbols, not each one's own.
    """
    frame = build_frame(payload, Header(1, payload.shape[1], payload.shape[0], 0), numerology)
    n, length = numerology.fft_size, numerology.symbol_samples
    body = frame[numerology.payload_offset :].reshape(-1, length)[:, numerology.cyclic_prefix :]
    spectrum = np.fft.fft(body, axis=1)
    padded = np.zeros((len(body), OVERSAMPLING * n), complex)
    padded[:, : n // 2], padded[:, -n // 2 :] = spectrum[:, : n // 2], spectrum[:, n // 2 :]
    fine = np.abs(np.fft.ifft(padded, axis=1) * OVERSAMPLING) ** 2
    return 10 * np.log10(fine.max(axis=1) / numerology.mean_sample_power)


def bench_peaks(model: str, quick: bool, seed: int, log: Log, data_set: str = DEFAULT_DATA_SET) -> list[Row]:
    """What share of payload symbols peaks above which power, for features of several k and for QAM.

    Args:
        model: of the features.
        quick: a tenth of the frames.
        seed: of items and bits.
        log: called with what is measured next.
        data_set: of the items.
    """
    numerology, rng = Numerology(), np.random.default_rng(seed)
    frames = FRAMES // (10 if quick else 1)
    encoder, test = SemanticEncoder(model), load_dataset(data_set, "test")
    encoder.contract.check_item(test.item_shape)
    order = rng.permutation(len(test))
    rows: list[Row] = []

    def features(k: int, frame: int) -> np.ndarray:
        places = np.take(order, np.arange(frame * ITEMS, (frame + 1) * ITEMS), mode="wrap")
        return encoder.encode(test.items(places), 10.0, k)

    def qam(bits: int, frame: int) -> np.ndarray:
        drawn = rng.integers(0, 2, (ITEMS, 8 * bits), np.uint8)
        return modulate(drawn, bits)

    kinds: Mapping[str, Callable[[int], np.ndarray]] = {
        **{f"features, k={k}": lambda frame, k=k: features(k, frame) for k in (2, 8, 32)},  # type: ignore[misc]
        **{name: lambda frame, bits=bits: qam(bits, frame) for name, bits in _QAM.items()},  # type: ignore[misc]
    }
    for name, payload in kinds.items():
        log(name)
        found = np.concatenate([peaks_db(payload(frame), numerology) for frame in range(frames)])
        again = rng.choice(found, (200, len(found)))
        for share in SHARES:
            if share * len(found) < 5:
                continue
            low, high = np.quantile(np.quantile(again, 1 - share, axis=1), (0.025, 0.975))
            rows.append(Row(f"{name}{APART}above it {100 * share:g} %", float(np.quantile(found, 1 - share)), "dB",
                            n=len(found), ci95=(float(low), float(high))))  # fmt: skip
    return rows
