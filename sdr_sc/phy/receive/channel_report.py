# SPDX-License-Identifier: GPL-3.0-or-later
"""What a receiver reports of the channels of its latest frames, by which later frames may be mapped."""

from __future__ import annotations

from collections import deque

import numpy as np
from numba import njit

from sdr_sc.phy.frame.header import Header
from sdr_sc.phy.frame.importance import LEVELS, LONGEST_REPORT, MOST_AGE, STEP_DB, report_check

_EDGES = 10.0 ** (-STEP_DB / 10.0 * np.arange(1, LEVELS))  # power over the strongest, falling


def channel_report(channel: np.ndarray) -> np.ndarray | None:
    """How far each occupied subcarrier lies below the strongest, in steps of `STEP_DB`, two to a byte.

    Args:
        channel: complex64 (used,), gains.

    Returns:
        uint8 (used / 2,), the first of two in the high half; None where the gains are none.

    >>> channel_report(np.array([1, 0.5, 0, 1j], np.complex64)).tolist()  # 0, 4 and 15 steps below
    [4, 240]
    """
    if not 0 < len(channel) <= 2 * LONGEST_REPORT or len(channel) % 2:
        return None
    report = np.empty(len(channel) // 2, np.uint8)
    return report if _write_report(np.ascontiguousarray(channel, np.complex64), _EDGES, report) else None


@njit(cache=True, nogil=True)
def _write_report(channel: np.ndarray, edges: np.ndarray, out: np.ndarray) -> bool:
    """Levels of pairs of gains; returns whether there are any."""
    power = np.empty(len(channel), np.float64)
    strongest = 0.0
    for i in range(len(channel)):
        re, im = np.float64(channel[i].real), np.float64(channel[i].imag)
        power[i] = re * re + im * im
        if not power[i] < np.inf:
            return False
        strongest = max(strongest, power[i])
    if strongest == 0.0:
        return False
    for i in range(len(out)):
        pair = 0
        for j in range(2):
            share, level = power[2 * i + j] / strongest, 0
            while level < len(edges) and share < edges[level]:
                level += 1
            pair = pair << 4 | level
        out[i] = pair
    return True


class ChannelMemory:
    """Keeps what a receiver saw of its latest frames: what it has reported, it can derive again.

    No more than `MOST_AGE` + 1 frames; a header cannot name an older one.
    """

    def __init__(self) -> None:
        self._latest: deque[tuple[int, np.ndarray]] = deque(maxlen=MOST_AGE + 1)  # the latest first

    def keep(self, frame_num: int, channel: np.ndarray) -> None:
        """A frame was received; ``channel`` is that of `ReceivedFrame`, and is not changed any more."""
        self._latest.appendleft((frame_num, channel))

    def report(self, header: Header) -> np.ndarray | None:
        """The report that a header with a ``report_age`` names; None where it is not known here: of a frame that was
        not received, of another receiver, or of one before a restart."""
        for frame_num, channel in self._latest:
            if frame_num == header.report_frame:
                report = channel_report(channel)
                known = report is not None and report_check(frame_num, report) == header.report_check
                return report if known else None
        return None
