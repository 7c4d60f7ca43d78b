# SPDX-License-Identifier: GPL-3.0-or-later
"""A transmitter's margin that follows acknowledgements: the outer loop of link adaptation."""

from __future__ import annotations

from collections import deque

STEP_DB = 1.0
"""By which a frame that was not delivered whole raises the margin."""
LEAST_DB, MOST_DB = -10.0, 20.0


class OuterLoop:
    """Raises the margin by `STEP_DB` for each frame whose check failed, and lowers it for each that was right by so
    little that the margin stays where the share ``loss_target`` is lost (Sampath, Kumar and Holtzman, "On setting
    reverse link target SIR in a CDMA system", IEEE VTC 1997).

    It needs a scheme whose receiver can check a frame. The margin is a matter of the link and not of one fade, so that
    one loop serves all realisations of a channel.

    Args:
        loss_target: share of the frames that may be lost, above 0 and below 1.
        delay_frames: an acknowledgement arrives so many frames late.

    Attributes:
        margin_db: to be taken off the SNR that was fed back.

    >>> loop = OuterLoop(0.1)
    >>> loop.sent(False); loop.sent(None); loop.sent(True)
    >>> round(loop.margin_db, 3)
    0.889
    """

    def __init__(self, loss_target: float, delay_frames: int = 0) -> None:
        self._down_db = STEP_DB * loss_target / (1.0 - loss_target)
        self._delay_frames = delay_frames
        self._under_way: deque[bool | None] = deque()
        self.margin_db = 0.0

    def sent(self, is_delivered: bool | None) -> None:
        """A frame went out.

        Args:
            is_delivered: whether its receiver found it right; None where no acknowledgement arrives.
        """
        self._under_way.append(is_delivered)
        if len(self._under_way) <= self._delay_frames:
            return
        arrived = self._under_way.popleft()
        if arrived is not None:
            moved = self.margin_db + (-self._down_db if arrived else STEP_DB)
            self.margin_db = min(max(moved, LEAST_DB), MOST_DB)
