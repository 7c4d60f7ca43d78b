# SPDX-License-Identifier: GPL-3.0-or-later
"""The stretch of a stream that is worth a diagnosis: the one with the strongest signal."""

from __future__ import annotations

import threading

import numpy as np

_NOTHING = np.empty(0, np.complex64)
_BLOCK = 1024
_RATHER = 1.26  # 1 dB: among stretches alike the latest stays


class Strongest:
    """Keeps one stretch of a stream, bounded in memory, at the price of a copy and a sum of squares.

    One thread may add while another asks for the samples.

    Args:
        length: samples of a stretch.

    >>> kept = Strongest(2048)
    >>> kept.add(np.ones(2048, np.complex64))
    >>> kept.add(np.full(1024, 0.1, np.complex64))
    >>> bool(kept.samples().real.min() == 1.0)
    True
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self._lock = threading.Lock()
        self._filled, self._best_power = 0, 0.0
        self._filling = self._best = _NOTHING

    def add(self, samples: np.ndarray) -> None:
        """Take in the next samples of the stream, complex64 (n,)."""
        with self._lock:
            if not len(self._filling):
                self._filling = np.empty(self._length, np.complex64)
            while len(samples):
                taken = min(self._length - self._filled, len(samples))
                self._filling[self._filled : self._filled + taken] = samples[:taken]
                self._filled += taken
                samples = samples[taken:]
                if self._filled == self._length:
                    self._settle()

    def _settle(self) -> None:
        power = _loudest(self._filling)
        if power * _RATHER >= self._best_power:
            previous = self._best
            self._best, self._best_power = self._filling, power
            self._filling = previous if len(previous) else np.empty(self._length, np.complex64)
        self._filled = 0

    def samples(self) -> np.ndarray:
        """A copy of the strongest stretch, complex64 (up to ``length``,); empty before there was anything."""
        with self._lock:
            part = self._filling[: self._filled]
            if len(part) and (not len(self._best) or _loudest(part) > _RATHER * self._best_power):
                return part.copy()
            return self._best.copy()

    def clear(self) -> None:
        """Forget all, and give back the memory."""
        if len(self._filling) or len(self._best):
            with self._lock:
                self._filled, self._best_power = 0, 0.0
                self._filling = self._best = _NOTHING


def _loudest(samples: np.ndarray) -> float:
    """Power of the strongest block."""
    blocks = max(len(samples) // _BLOCK, 1)
    parts = np.ascontiguousarray(samples[: len(samples) // blocks * blocks]).view(np.float32).reshape(blocks, -1)
    power = float(np.einsum("ij,ij->i", parts, parts).max()) / max(parts.shape[1], 1)
    return power if np.isfinite(power) else 0.0
