# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames for measurements of throughput: as PDUs for a transmitter, and as received samples in files for a receiver."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pmt

from sdr_sc.blocks.runtime.pdu import make_pdu
from sdr_sc.phy.frame.framing import build_frame
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO, MAX_ITEMS, MAX_K, Header
from sdr_sc.phy.numerology import Numerology

SNR_DB, CFO_HZ = 20.0, 1000.0
GAP_SAMPLES = 160
_TAIL_SAMPLES = 8192
_DISTINCT = 16  # features among the PDUs


def item_shape(payload_symbols: int, numerology: Numerology) -> tuple[int, int]:
    """Items and features an item that fill ``payload_symbols`` OFDM symbols exactly.

    Raises:
        ValueError: no allowed shape does.
    """
    features = payload_symbols * numerology.data_subcarriers
    for n_items in range(MAX_ITEMS, 0, -1):
        if features % n_items == 0 and features // n_items <= MAX_K:
            return n_items, features // n_items
    raise ValueError(f"no frame has exactly {payload_symbols} payload symbols")


def random_frames(payload_symbols: int, count: int, seed: int) -> Iterator[tuple[Header, np.ndarray]]:
    """Headers, with frame numbers that rise, and features complex64 (n_items, k) of magnitude 1."""
    shape, rng = item_shape(payload_symbols, Numerology()), np.random.default_rng(seed)
    for number in range(count):
        features = np.exp(2j * np.pi * rng.random(shape)).astype(np.complex64)
        yield Header(model_id=1, k=shape[1], n_items=shape[0], frame_num=number % FRAME_NUM_MODULO), features


def frame_pdus(payload_symbols: int, count: int, seed: int) -> list[pmt.pmt_base]:
    """PDUs of ``count`` frames with their own frame numbers; the features repeat, to save memory."""
    data = [
        (header, make_pdu({}, features.ravel())) for header, features in random_frames(payload_symbols, _DISTINCT, seed)
    ]
    pdus = []
    for number in range(count):
        header, pdu = data[number % len(data)]
        meta = {"n_items": header.n_items, "k": header.k, "frame_num": number, "model_id": header.model_id}
        pdus.append(pmt.cons(pmt.to_pmt(meta), pmt.cdr(pdu)))
    return pdus


def our_tile(payload_symbols: int, count: int, seed: int) -> np.ndarray:
    """``count`` distinct frames as they are received."""
    frames = [build_frame(f, header, Numerology()) for header, f in random_frames(payload_symbols, count, seed)]
    return impair(np.stack(frames), SNR_DB, np.random.default_rng(seed), CFO_HZ)


def impair(frames: np.ndarray, snr_db: float, rng: np.random.Generator, cfo_hz: float = 0.0) -> np.ndarray:
    """complex64 (frames * (n + gap),): frames (frames, n) with silence after each, carrier offset, and white noise."""
    padded = np.pad(frames, ((0, 0), (0, GAP_SAMPLES)))
    step = 2j * np.pi * cfo_hz / Numerology().sample_rate_hz
    padded = padded * np.exp(step * np.arange(padded.shape[1])).astype(np.complex64)
    noise = rng.standard_normal((padded.shape[0], 2 * padded.shape[1]), np.float32).view(np.complex64)
    return (padded + noise * np.float32(np.sqrt(10 ** (-snr_db / 10) / 2))).ravel()


def write_tiled(path: Path, tile: np.ndarray, repeats: int) -> Path:
    """Write a tile of samples over and over, then a little silence that lets the last frame out."""
    with path.open("wb") as file:
        for _ in range(repeats):
            file.write(tile.data)
        file.write(np.zeros(_TAIL_SAMPLES, np.complex64).data)
    return path
