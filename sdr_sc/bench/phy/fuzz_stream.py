# SPDX-License-Identifier: GPL-3.0-or-later
"""An endless stream for a receiver: noise, silence, tones, frames and damaged frames, and what was sent in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdr_sc.bench.phy.damage import DAMAGES
from sdr_sc.phy.channels import CarrierOffset
from sdr_sc.phy.frame.framing import build_frame
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO, Header
from sdr_sc.phy.numerology import Numerology

_FEWEST_FEATURES = 16
_LONG_SHARE, _LONGEST_SHARE = 0.2, 0.01  # of the frames: 10 to 90 payload symbols, and any size
# Silence that detection and timing of a frame may need to be free of what is in front of it, in symbols.
_GUARD_SYMBOLS = 8


@dataclass(frozen=True)
class SentFrame:
    """A frame in a stream.

    Attributes:
        header: no two frames of a stream have the same.
        features: complex64 (n_items, k).
        start_sample: where in the stream it begins.
        intact: nothing was done to its samples, and no damaged frame in front of it announces samples this far.
        snr_db: its Es/N0.
        damages: what was done to its samples, names of `DAMAGES`.
    """

    header: Header
    features: np.ndarray
    start_sample: int
    intact: bool
    snr_db: float
    damages: tuple[str, ...] = ()


class FuzzStream:
    """An endless mixture of noise, silence, tones, frames and damaged frames.

    Args:
        numerology: of the frames.
        seed: the same seed gives the same stream.
    """

    def __init__(self, numerology: Numerology, seed: int) -> None:
        self.numerology = numerology
        self.sent: list[SentFrame] = []
        self._rng = np.random.default_rng(seed)
        self._place = 0
        self._announced = 0  # up to here a damaged frame may hold the receiver

    def segment(self) -> np.ndarray:
        """The next piece; complex64 (n,)."""
        kind = self._rng.choice(("noise", "silence", "tone", "frame", "damaged"), p=(0.14, 0.05, 0.01, 0.4, 0.4))
        level = np.float32(10 ** self._rng.uniform(-2, 1))
        if kind == "noise":
            out = self._noise(int(self._rng.integers(1, 8000)), level)
        elif kind == "silence":
            out = np.zeros(int(self._rng.integers(1, 3000)), np.complex64)
        elif kind == "tone":
            length = int(self._rng.integers(1, 2000))
            turns = self._rng.uniform(-0.5, 0.5) * np.arange(length)
            out = self._noise(length, level * np.float32(0.1)) + level * np.exp(2j * np.pi * turns).astype(np.complex64)
        else:
            out = self._frame(level, damaged=kind == "damaged")
        self._place += len(out)
        return out

    def take(self, samples: int) -> np.ndarray:
        """Whole segments, complex64, ``samples`` or a few more."""
        parts, end = [], self._place + samples
        while self._place < end:
            parts.append(self.segment())
        return np.concatenate(parts)

    def _noise(self, length: int, level: np.float32) -> np.ndarray:
        return self._rng.standard_normal(2 * length, np.float32).view(np.complex64) * (level * np.float32(0.5**0.5))

    def _frame(self, level: np.float32, damaged: bool) -> np.ndarray:
        rng, n = self._rng, self.numerology
        k, items = self._size()
        power_scale_db = int(rng.integers(-12, 13)) / 2
        frame_num = len(self.sent) % FRAME_NUM_MODULO
        header = Header(int(rng.integers(1 << 16)), k, items, frame_num, int(rng.integers(16)), power_scale_db)
        features = rng.standard_normal(2 * k * items, np.float32).view(np.complex64).reshape(items, k)
        features /= np.sqrt(np.mean(np.abs(features) ** 2))
        samples = build_frame(features, header, n)
        cfo_hz = rng.uniform(-1.9, 1.9) * n.subcarrier_spacing_hz
        samples = CarrierOffset(cfo_hz, n.sample_rate_hz).process(samples)
        snr_db = float(rng.uniform(15, 40))
        tail = self._noise(int(rng.integers(0, 2 * n.symbol_samples)), level)
        samples = samples + self._noise(len(samples), np.float32(10 ** (-snr_db / 20)))
        announced = n.frame_samples(header.feature_symbols) + _GUARD_SYMBOLS * n.symbol_samples
        samples = level * samples
        damages = tuple(map(str, rng.choice(list(DAMAGES), int(rng.integers(1, 4))))) if damaged else ()
        for name in damages:
            samples = DAMAGES[name](samples, rng)
        intact = not damaged and self._place >= self._announced
        if damaged:
            # A copy of its header may stand anywhere in it.
            self._announced = max(self._announced, self._place + len(samples) + announced)
        self.sent.append(SentFrame(header, features, self._place, intact, snr_db, damages))
        return np.concatenate((samples, tail * np.float32(10 ** (-snr_db / 20))))

    def _size(self) -> tuple[int, int]:
        """Features an item and items of the next frame."""
        rng, kind = self._rng, self._rng.random()
        if kind < _LONG_SHARE:
            k = int(rng.integers(68, 257))
            return k, int(rng.integers(10, 91)) * self.numerology.data_subcarriers // k
        any_size = kind < _LONG_SHARE + _LONGEST_SHARE
        k = int(rng.integers(1, 257 if any_size else 33))
        return k, int(rng.integers(-(-_FEWEST_FEATURES // k), 65 if any_size else 24))
