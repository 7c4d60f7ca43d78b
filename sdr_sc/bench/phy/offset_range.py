# SPDX-License-Identifier: GPL-3.0-or-later
"""What carrier offsets beyond two subcarriers cost the receiver: frames, false candidates, speed."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from sdr_sc.bench.phy.judge import features_are_right
from sdr_sc.phy.channels import Awgn, CarrierOffset
from sdr_sc.phy.frame.framing import build_frame
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO, Header
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.receiver import Receiver
from sdr_sc.phy.receive.sync import CFO_RANGE_SUBCARRIERS, MOST_CFO_RANGE_SUBCARRIERS
from sdr_sc.results.rows import Row, wilson_interval

Log = Callable[[str], None]
_RANGES = (CFO_RANGE_SUBCARRIERS, MOST_CFO_RANGE_SUBCARRIERS)
_SNRS_DB = (-5.0, -3.0, 0.0, 5.0)
_FOUND_GOAL = 99.9
_BLOCK_FRAMES, _CHUNK = 100, 65_536


def offset_rows(quick: bool, seed: int, log: Log) -> list[Row]:
    """Frames received with their features right, over the SNR, offsets anywhere in the range; then what noise alone
    costs.

    Args:
        quick: 60 frames a point in place of 2,000, and a tenth of the noise.
        seed: of everything random.
        log: called with what is measured next.
    """
    frames, rows = 60 if quick else 2000, []
    for cfo_range in _RANGES:
        for snr_db in _SNRS_DB:
            log(f"offsets within {cfo_range:g} subcarriers, {snr_db:g} dB")
            right = _right(frames, snr_db, cfo_range, seed)
            low, high = wilson_interval(right, frames)
            name = f"offset anywhere within {cfo_range:g} subcarriers, {snr_db:g} dB: frames received and right"
            share, interval = 100 * right / frames, (100 * low, 100 * high)
            is_clear = snr_db >= 5
            rows.append(
                Row.at_least(name, share, "%", _FOUND_GOAL, frames, interval)
                if is_clear
                else Row(name, share, "%", n=frames, ci95=interval)
            )
    return rows + _noise_rows(quick, seed, log)


def _right(frames: int, snr_db: float, cfo_range: float, seed: int) -> int:
    numerology, rng = Numerology(), np.random.default_rng(seed)
    receiver, noise = Receiver(numerology, cfo_range_subcarriers=cfo_range), Awgn(snr_db, seed)
    sent: dict[int, np.ndarray] = {}
    received = []
    for first in range(0, frames, _BLOCK_FRAMES):
        parts = []
        for number in range(first, min(first + _BLOCK_FRAMES, frames)):
            features = np.exp(2j * np.pi * rng.random((8, 8))).astype(np.complex64)
            sent[number % FRAME_NUM_MODULO] = features
            samples = build_frame(features, Header(1, 8, 8, number % FRAME_NUM_MODULO), numerology)
            cfo_hz = rng.uniform(-cfo_range, cfo_range) * numerology.subcarrier_spacing_hz
            silence = np.zeros(int(rng.integers(150, 450)), np.complex64)
            parts += [CarrierOffset(cfo_hz, numerology.sample_rate_hz).process(samples), silence]
        received += receiver.push(noise.process(np.concatenate(parts)))
    received += receiver.flush()
    return sum(
        frame.header.frame_num in sent and features_are_right(frame, sent[frame.header.frame_num], snr_db)
        for frame in received
    )


def _noise_rows(quick: bool, seed: int, log: Log) -> list[Row]:
    """Speed and candidates in noise alone, the two ranges in turns."""
    count, rounds = 2_000_000 if quick else 10_000_000, 3 if quick else 6
    taken: dict[float, list[float]] = {cfo_range: [] for cfo_range in _RANGES}
    refused = dict.fromkeys(_RANGES, 0)
    false = dict.fromkeys(_RANGES, 0)
    for number in range(rounds):
        log(f"offset ranges in noise alone, round {number + 1} of {rounds}")
        samples = Awgn(0.0, seed + number).process(np.zeros(count, np.complex64))
        for cfo_range in _RANGES:
            receiver = Receiver(Numerology(), cfo_range_subcarriers=cfo_range)
            begin = time.process_time()
            found = [receiver.push(samples[place : place + _CHUNK]) for place in range(0, count, _CHUNK)]
            taken[cfo_range].append(time.process_time() - begin)
            refused[cfo_range] += receiver.counters.header_failed
            false[cfo_range] += sum(map(len, found))
    narrow, wide = _RANGES
    share = float(np.median(np.array(taken[narrow]) / np.array(taken[wide])))
    rows = [Row(f"speed in noise alone, {wide:g} over {narrow:g} subcarriers", share, "", n=rounds)]
    for cfo_range in _RANGES:
        name = f"{cfo_range:g} subcarriers, in {rounds * count / 1e6:g} million samples of noise"
        rows.append(Row(f"{name}: headers tried", refused[cfo_range], ""))
        rows.append(Row.at_most(f"{name}: false frames", false[cfo_range], "", 0))
    return rows
