# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a stream that the receiver still needs, by index in the stream."""

from __future__ import annotations

import numpy as np
from numba import njit

LARGEST_SAMPLE = 1e15
"""Real or imaginary part from which a sample counts as no number."""
_CROWDED = 8
"""Damaged spans closer than so many samples, for long, are taken for one: no frame survives them, and the good samples
between them would make candidates without end."""
_CROWD_LIMIT, _CROWD_MOST = 16 * _CROWDED, 24 * _CROWDED  # of a count that a span raises by 8 and a sample lowers by 1
_NO_SPANS = np.empty((0, 2), np.int64)
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
        self._damaged = _NO_SPANS  # int64 (spans, 2), begin and end in the stream, rising
        self._crowd = np.zeros(2, np.int64)  # the count of `_blank`, and whether the last sample was no number

    @property
    def end(self) -> int:
        """Index in the stream after the last sample."""
        return self.begin + len(self.samples)

    def append(self, samples: np.ndarray) -> int:
        """Take the next samples, complex64 (n,); returns how many of them are not finite or beyond 1e15: they become
        0, and count as damaged, with the good ones among them where they are crowded."""
        samples = np.ascontiguousarray(samples, np.complex64)
        first, kept, needed = self.end, len(self.samples), len(self.samples) + len(samples)
        is_wide = len(self._storage) > max(_STORAGE_SAMPLES, 8 * needed)
        self._wide_appends = self._wide_appends + 1 if is_wide else 0
        if needed > len(self._storage) or self._wide_appends > _WIDE_APPENDS:
            self._storage = np.empty(2 * needed, np.complex64)
        self._storage[:kept] = self.samples
        self.samples = self._storage[:needed]
        not_finite = 0
        if _take_over(samples, self.samples[kept:], LARGEST_SAMPLE, self._crowd):
            damaged = np.empty(len(samples) + 2, np.bool_)
            damaged[[0, -1]] = False
            not_finite = _blank(samples, self.samples[kept:], LARGEST_SAMPLE, self._crowd, damaged[1:-1])
            spans = np.flatnonzero(damaged[1:] != damaged[:-1]).reshape(-1, 2) + first
            self._damaged = np.concatenate((self._damaged, spans))
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
        if not len(self._damaged):
            return []
        late = self._damaged[np.searchsorted(self._damaged[:, 1], start, "right") :]
        return [(begin, end) for begin, end in (late - start).tolist()]

    def drop_before(self, index: int) -> None:
        """Forget the samples before stream index ``index``; those that are not there yet are not skipped."""
        drop = min(max(index - self.begin, 0), len(self.samples))
        self.samples = self.samples[drop:]
        self.begin += drop
        if len(self._damaged):
            self._damaged = self._damaged[np.searchsorted(self._damaged[:, 1], self.begin, "right") :]

    def restart(self, index: int) -> None:
        """Forget everything and go on at stream index ``index``; a lot of memory is given back."""
        if len(self._storage) > _STORAGE_SAMPLES:
            self._storage = np.empty(0, np.complex64)
        self.samples, self.begin, self._damaged = self._storage[:0], index, _NO_SPANS
        self._crowd[:] = 0


@njit(cache=True, nogil=True)
def _take_over(samples: np.ndarray, out: np.ndarray, largest: float, crowd: np.ndarray) -> bool:
    """Copy samples; whether `_blank` has to look at them: some are not finite or too large, or were so just before."""
    out[:] = samples
    parts = out.view(np.float32)
    bad, limit = 0, np.float32(largest)
    for i in range(len(parts)):
        bad += not abs(parts[i]) < limit  # counts NaN too
    return bad > 0 or crowd[0] > 0


@njit(cache=True, nogil=True)
def _blank(samples: np.ndarray, out: np.ndarray, largest: float, crowd: np.ndarray, damaged: np.ndarray) -> int:
    """Set to 0 what is not finite or too large, and the samples between such spans where these are crowded.

    Args:
        samples: complex64 (n,).
        out: complex64 (n,), a copy of them; written.
        largest: real or imaginary part from which a sample counts as no number.
        crowd: int64 (2,), a count that each span raises by `_CROWDED` and each sample lowers by 1, and whether the
            sample before was no number; goes on from call to call.
        damaged: bool (n,), written: what was set to 0.

    Returns:
        How many samples are not finite or too large.
    """
    limit, bad = np.float32(largest), 0
    count, was_bad = crowd[0], crowd[1] != 0
    for i in range(len(samples)):
        is_bad = not (abs(samples[i].real) < limit and abs(samples[i].imag) < limit)
        if is_bad and not was_bad:
            count = min(count + _CROWDED, _CROWD_MOST)
        count = max(count - 1, 0)
        damaged[i] = is_bad or count > _CROWD_LIMIT
        if damaged[i]:
            out[i] = 0
        bad += is_bad
        was_bad = is_bad
    crowd[0], crowd[1] = count, was_bad
    return bad
