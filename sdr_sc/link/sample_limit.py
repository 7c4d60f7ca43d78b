# SPDX-License-Identifier: GPL-3.0-or-later
"""Where sinks of one stream of samples stop taking them: all at the same sample, so that a recording fits its answers.

How a stream of items ends, from its source to the task sink, is `sdr_sc.link.end_of_stream`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

_PATIENCE_S = 0.5  # no call of a block may hold up the flowgraph's end for long
_POLL_S = 0.001


class SampleLimit:
    """How far a block takes samples of its stream, and from where on it takes none.

    Attributes:
        taken: samples that it took.
        done: samples that it has dealt with; the block sets it.
        held: whether it waits for `end_at`.
    """

    def __init__(self) -> None:
        self.taken = self.done = 0
        self.held = False
        self._limit: int | None = None
        self._hold = False

    def hold_at(self, sample: int) -> None:
        """Take no sample from this place on until `end_at` says where the end is."""
        self._limit, self._hold = sample, True

    def end_at(self, sample: int) -> None:
        """Drop samples from this place on."""
        self._limit, self._hold = sample, False

    def take(self, samples: np.ndarray, first: int) -> tuple[np.ndarray, int]:
        """What to take of the next samples, and how many of them to consume.

        Args:
            samples: the block's input.
            first: place of the first of them in the stream.

        >>> end = SampleLimit()
        >>> end.end_at(12)
        >>> taken, consumed = end.take(np.zeros(5, np.complex64), first=10)
        >>> len(taken), consumed
        (2, 5)
        """
        if self._hold and self._limit is not None and first >= self._limit:
            limit = time.monotonic() + _PATIENCE_S
            self.held = True
            while self._hold and time.monotonic() < limit:
                time.sleep(_POLL_S)
            self.held = False
        if self._limit is None:
            count = consumed = len(samples)
        else:
            count = max(min(self._limit - first, len(samples)), 0)
            consumed = count if self._hold else len(samples)
        self.taken = first + count if count else self.taken
        return samples[:count], consumed


def end_together(ends: Sequence[SampleLimit], limit_s: float, wait: Callable[[float], None] = time.sleep) -> bool:
    """Let all sinks of a stream end at one sample, the furthest that one of them has taken; whether they did in time.

    None of them may read another's samples later than the end: so they first wait for one another, and those that were
    called already when they were asked to may go a little further.
    """
    over = time.monotonic() + limit_s

    def until(condition: Callable[[], bool]) -> bool:
        while not condition():
            if time.monotonic() > over:
                return False
            wait(_POLL_S)
        return True

    place = max(end.taken for end in ends)
    for end in ends:
        end.hold_at(place)
    until(lambda: all(end.held for end in ends))
    place = max(end.taken for end in ends)
    for end in ends:
        end.end_at(place)
    return until(lambda: all(end.done == place for end in ends))
