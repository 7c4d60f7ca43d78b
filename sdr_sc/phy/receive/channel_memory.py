# SPDX-License-Identifier: GPL-3.0-or-later
"""The channels of the latest frames, by which later frames may be mapped."""

from __future__ import annotations

from collections import deque

import numpy as np

from sdr_sc.phy.frame.header import Header
from sdr_sc.phy.frame.importance import MOST_AGE, channel_report, report_check


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
