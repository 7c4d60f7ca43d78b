# SPDX-License-Identifier: GPL-3.0-or-later
"""A way back that is not perfect: wrong, late, lost, or none at all, for links that are measured without GNU Radio."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from sdr_sc.errors import BlockError
from sdr_sc.link.adaptation import FeedbackState, bounded
from sdr_sc.link.mapping import ChannelReport
from sdr_sc.link.network.pdu_schema import SNR_DB
from sdr_sc.link.outer_loop import OuterLoop

MOST_DELAY_FRAMES = 1000
MOST_LOSS_TARGET = 0.5


@dataclass(frozen=True)
class ReturnPath:
    """How the SNR that a receiver measures reaches its transmitter, and how far the transmitter trusts it.

    Attributes:
        error_db: added to each estimate.
        delay_frames: a frame is sent by what is known of the one so many frames before the last; 0 for the last one.
        loss: share of the frames whose feedback never arrives, drawn independently. The transmitter cannot tell them
            from lost frames.
        assumed_db: there is no feedback, and the transmitter always takes this for the SNR; None for feedback.
        margin_db: that the transmitter takes off what arrives; below 0 it is bolder than what was reported.
        loss_target: share of the frames that a scheme whose receiver acknowledges frames may lose: its transmitter adds
            the margin of an `OuterLoop`; 0 for none. Other schemes are sent as without.

    Raises:
        BlockError: a value is out of range.
    """

    error_db: float = 0.0
    delay_frames: int = 0
    loss: float = 0.0
    assumed_db: float | None = None
    margin_db: float = 0.0
    loss_target: float = 0.0

    def __post_init__(self) -> None:
        if not -40 <= self.error_db <= 40:
            raise BlockError(f"feedback: error_db is {self.error_db}; use -40 to 40 dB.")
        if not 0 <= self.delay_frames <= MOST_DELAY_FRAMES:
            raise BlockError(f"feedback: delay_frames is {self.delay_frames}; use 0 to {MOST_DELAY_FRAMES}.")
        if not 0 <= self.loss <= 1:
            raise BlockError(f"feedback: loss is {self.loss}; use 0 to 1.")
        if self.assumed_db is not None and not SNR_DB[0] <= self.assumed_db <= SNR_DB[1]:
            raise BlockError(f"feedback: assumed_db is {self.assumed_db}; use {SNR_DB[0]:g} to {SNR_DB[1]:g} dB.")
        if not -40 <= self.margin_db <= 40:
            raise BlockError(f"feedback: margin_db is {self.margin_db}; use -40 to 40 dB.")
        if not 0 <= self.loss_target <= MOST_LOSS_TARGET:
            raise BlockError(f"feedback: loss_target is {self.loss_target}; use 0 to {MOST_LOSS_TARGET}.")
        if self.assumed_db is not None and (self.margin_db or self.loss_target):
            raise BlockError(
                "feedback: assumed_db means that nothing is fed back; leave margin_db and loss_target out with it."
            )


PERFECT = ReturnPath()


class TransmitterView:
    """What a transmitter knows of the channel at the other end of a `ReturnPath`.

    Args:
        path: the way back.
        seed: of its losses.
        loop: of the acknowledgements; None for an own one where ``path`` asks for it.

    >>> view = TransmitterView(ReturnPath(error_db=3.0, delay_frames=1))
    >>> view.sent(10.0, 0.1); view.snr_db(0.1)
    >>> view.sent(20.0, 0.2); view.snr_db(0.2)
    13.0
    """

    def __init__(self, path: ReturnPath, seed: int = 0, loop: OuterLoop | None = None) -> None:
        self._path = path
        self._loop = loop or outer_loop(path)
        self._rng = np.random.default_rng(seed)
        self._under_way: deque[tuple[float | None, ChannelReport | None]] = deque()
        self._frames_lost = 0
        self._state = FeedbackState()

    def sent(
        self, snr_db: float | None, now_s: float, report: ChannelReport | None = None, is_delivered: bool | None = None
    ) -> None:
        """A frame went out.

        Args:
            snr_db: what its receiver feeds back, dB; None where it was lost.
            now_s: end of the frame, s.
            report: what its receiver reports of the channel.
            is_delivered: what it acknowledges; None where the scheme has no check, or the frame is not to count.
        """
        is_lost = self._path.loss > 0 and self._rng.random() < self._path.loss
        if self._loop is not None:
            self._loop.sent(None if is_lost else is_delivered)
        self._under_way.append((None if is_lost else snr_db, report))
        if len(self._under_way) <= self._path.delay_frames:
            return
        arrived, report = self._under_way.popleft()
        if arrived is None:
            self._frames_lost += 1
        else:
            self._state.arrived(bounded(arrived + self._path.error_db), now_s, self._frames_lost, report)

    def snr_db(self, now_s: float) -> float | None:
        """The SNR to send the next frame for, dB; None when nothing is known."""
        if self._path.assumed_db is not None:
            return self._path.assumed_db
        known = self._state.snr_db(now_s, self._frames_lost)
        margin_db = self._path.margin_db + (self._loop.margin_db if self._loop is not None else 0.0)
        return None if known is None else bounded(known - margin_db)

    def report(self, now_s: float) -> ChannelReport | None:
        """The channel report to map the next frame by; None when nothing is known."""
        latest = self._state.holding(now_s, self._frames_lost)
        return None if latest is None or self._path.assumed_db is not None else latest.report


def outer_loop(path: ReturnPath) -> OuterLoop | None:
    """A new loop for a path, None where it asks for none."""
    return OuterLoop(path.loss_target, path.delay_frames) if path.loss_target else None
