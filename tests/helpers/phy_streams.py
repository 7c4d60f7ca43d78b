# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams of frames for tests, and the checks that hold whatever a receiver is given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdr_sc.bench.phy.fuzz import missing_causes
from sdr_sc.bench.phy.judge import has_wrong_features
from sdr_sc.phy.frame.framing import build_frame
from sdr_sc.phy.frame.header import Header
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.receiver import ReceivedFrame, Receiver

N64 = Numerology()
_CHUNKS = (0, 1, 2, 7, 80, 500, 3000)


@dataclass(frozen=True)
class Frame:
    """A frame that a test sends; ``samples`` complex64, of subcarriers with power 1."""

    header: Header
    features: np.ndarray
    samples: np.ndarray


def make_frame(number: int, n_items: int = 4, k: int = 16, numerology: Numerology = N64) -> Frame:
    """A frame with random features; the same number gives the same frame."""
    rng = np.random.default_rng((number, n_items, k))
    features = rng.standard_normal(2 * n_items * k, np.float32).view(np.complex64).reshape(n_items, k)
    features /= np.sqrt(np.mean(np.abs(features) ** 2))
    header = Header(int(rng.integers(1 << 16)), k, n_items, number, int(rng.integers(16)))
    return Frame(header, features, build_frame(features, header, numerology))


def noise(samples: int, power_db: float, seed: int = 0) -> np.ndarray:
    """White noise, complex64."""
    values = np.random.default_rng(seed).standard_normal(2 * samples, np.float32).view(np.complex64)
    return values * np.float32(np.sqrt(10 ** (power_db / 10) / 2))


def silence(samples: int) -> np.ndarray:
    """Zeros, complex64."""
    return np.zeros(samples, np.complex64)


def join(*parts: np.ndarray, noise_db: float | None = None, seed: int = 0) -> np.ndarray:
    """Parts one after the other, with white noise of that power over all of them."""
    samples = np.concatenate(parts)
    return samples if noise_db is None else samples + noise(len(samples), noise_db, seed)


def receive(samples: np.ndarray, numerology: Numerology = N64, seed: int | None = None) -> list[ReceivedFrame]:
    """All frames of a stream, in one chunk, or in random ones where a seed is given; the count has to agree."""
    return receive_and_count(samples, numerology, seed)[0]


def receive_and_count(
    samples: np.ndarray, numerology: Numerology = N64, seed: int | None = None
) -> tuple[list[ReceivedFrame], Receiver]:
    """As `receive`, with the receiver."""
    receiver, frames, place = Receiver(numerology), [], 0
    rng = np.random.default_rng(seed)
    while place < len(samples):
        step = len(samples) if seed is None else int(rng.choice(_CHUNKS))
        frames += receiver.push(samples[place : place + step])
        place += step
    frames += receiver.flush()
    assert missing_causes(receiver.counters, len(samples)) == 0
    assert receiver.counters.delivered == len(frames)
    return frames, receiver


def check(
    samples: np.ndarray, sent: list[Frame], numerology: Numerology = N64, seed: int = 0, copies: bool = False
) -> list[Frame]:
    """Receive a stream whole and in random chunks: nothing that was not sent, nothing twice, both times the same, and
    what of the features is wrong is erased.

    Args:
        copies: a frame may be there twice.

    Returns:
        Those of ``sent`` that were received, in the order of their arrival.
    """
    whole, one = receive_and_count(samples, numerology)
    pieces, other = receive_and_count(samples, numerology, seed)
    assert one.counters == other.counters
    for a, b in zip(whole, pieces, strict=True):
        assert (a.header, a.start_sample, a.snr_db, a.cfo_hz) == (b.header, b.start_sample, b.snr_db, b.cfo_hz)
        for name in ("features", "noise_variance", "erased", "channel"):
            assert getattr(a, name).tobytes() == getattr(b, name).tobytes(), name
    by_header = {frame.header: frame for frame in sent}
    assert not [f.header for f in whole if has_wrong_features(f, by_header[f.header].features, numerology)]
    for frame in whole:
        assert np.isnan(frame.features[frame.erased]).all()
        assert np.isfinite(frame.features[~frame.erased]).all()
        assert np.isfinite([frame.snr_db, frame.cfo_hz]).all()
    return [by_header[frame.header] if copies else by_header.pop(frame.header) for frame in whole]


def largest_error(received: ReceivedFrame, sent: Frame) -> float:
    """Largest magnitude of the unbiased features' error over those that are not erased; 0 where all are."""
    error = np.abs(received.features * (1 + received.noise_variance) - sent.features)[~received.erased]
    return float(error.max()) if len(error) else 0.0
