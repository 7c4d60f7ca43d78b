# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a stream that the receiver still needs, by index in the stream."""

from __future__ import annotations

import numpy as np
from numba import njit

LARGEST_SAMPLE = 1e15
"""Real or imaginary part from which a sample counts as no number."""
_STORAGE_SAMPLES, _WIDE_APPENDS = 1 << 21, 16  # 16 MiB; more are given back once so many appends need an eighth


class SampleBuffer:
    """Samples from stream index `begin` to `end`; their memory is kept from append to append.

    Attributes:
        samples: complex64, all of them; valid until the next change of the buffer.
        begin: index in the stream of the first of them.

    >>> buffer = SampleBuffer()
    >>> buffer.append(np.array([1, np.nan, 3], np.complex64)), buffer.damaged_from(0)
    (1, [(1, 2)])
    >>> buffer.drop_before(2)
    >>> buffer.begin, buffer.end, buffer.view(2).tolist()
    (2, 3, [(3+0j)])
    """

    def __init__(self) -> None:
        self._storage = np.empty(0, np.complex64)
        self.samples = self._storage
        self.begin = 0
        self._wide_appends = 0
        self._damaged: list[tuple[int, int]] = []  # begin and end in the stream

    @property
    def end(self) -> int:
        """Index in the stream after the last sample."""
        return self.begin + len(self.samples)

    def append(self, samples: np.ndarray) -> int:
        """Take the next samples, complex64 (n,); returns how many of them are not finite or beyond 1e15: they become
        0, and count as damaged."""
        samples = np.ascontiguousarray(samples, np.complex64)
        first, kept, needed = self.end, len(self.samples), len(self.samples) + len(samples)
        is_wide = len(self._storage) > max(_STORAGE_SAMPLES, 8 * needed)
        self._wide_appends = self._wide_appends + 1 if is_wide else 0
        if needed > len(self._storage) or self._wide_appends > _WIDE_APPENDS:
            self._storage = np.empty(2 * needed, np.complex64)
        self._storage[:kept] = self.samples
        self.samples = self._storage[:needed]
        not_finite = _take_over(samples, self.samples[kept:], LARGEST_SAMPLE)
        if not_finite:
            parts = samples.view(np.float32).reshape(-1, 2)
            bad = np.concatenate(([False], ~(np.abs(parts) < LARGEST_SAMPLE).all(axis=1), [False]))
            edges = first + np.flatnonzero(bad[1:] != bad[:-1])
            self._damaged += [(int(begin), int(end)) for begin, end in zip(edges[::2], edges[1::2], strict=True)]
        return not_finite

    def append_silence(self, count: int) -> None:
        """Take zeros, which are not part of the stream: only `restart` may follow."""
        self.samples = np.concatenate((self.samples, np.zeros(count, np.complex64)))

    def view(self, start: int) -> np.ndarray:
        """The samples from stream index ``start`` on; those before `begin` are 0."""
        if start >= self.begin:
            return self.samples[start - self.begin :]
        return np.concatenate((np.zeros(self.begin - start, np.complex64), self.samples))

    def damaged_from(self, start: int) -> list[tuple[int, int]]:
        """Begin and end, counted from ``start``, of the damaged spans that end after it."""
        return [(begin - start, end - start) for begin, end in self._damaged if end > start]

    def drop_before(self, index: int) -> None:
        """Forget the samples before stream index ``index``; those that are not there yet are not skipped."""
        drop = min(max(index - self.begin, 0), len(self.samples))
        self.samples = self.samples[drop:]
        self.begin += drop
        self._damaged = [span for span in self._damaged if span[1] > self.begin]

    def restart(self, index: int) -> None:
        """Forget everything and go on at stream index ``index``; a lot of memory is given back."""
        if len(self._storage) > _STORAGE_SAMPLES:
            self._storage = np.empty(0, np.complex64)
        self.samples, self.begin, self._damaged = self._storage[:0], index, []


@njit(cache=True, nogil=True)
def _take_over(samples: np.ndarray, out: np.ndarray, largest: float) -> int:
    """Copy samples, what is not finite or too large as 0; returns how many those were."""
    out[:] = samples
    parts = out.view(np.float32)
    bad, limit = 0, np.float32(largest)
    for i in range(len(parts)):
        bad += not abs(parts[i]) < limit  # counts NaN too
    if bad:
        bad = 0
        for i in range(len(out)):
            if not (abs(out[i].real) < limit and abs(out[i].imag) < limit):
                out[i] = 0
                bad += 1
    return bad
