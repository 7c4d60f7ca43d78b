# SPDX-License-Identifier: GPL-3.0-or-later
"""How a stream of items ends: the protocol between source, encoder, transmitter and task sink.

GNU Radio ends a block that has done its work, and with it every block that listens to its messages, while the last
frame may still be on the air. So the end is a message of its own (the *end PDU*), each block stays until its last
messages have been dealt with, and only then lets GNU Radio end it::

    item source       RUNNING --last item sent, with the tag `last_item`; leaves those that take its truth--> done
    encoder           RUNNING --the tag, or `finish`--> ENDING
    `LastRounds`      ENDING, with refinement: frames without new items answer what the receiver still asks for, until
                      it wants nothing, or is silent, or 64 frames or 20 s have passed; not if at once
    `SenderEnd`       ENDING --every frame answered or given up; at once if so asked--> TOLD, end PDU on frames and sent
                      TOLD --linger--> done
    OFDM transmitter  RUNNING --end PDU, or the encoder is done--> ENDING
    `TransmitterEnd`  ENDING --nothing queued, the last burst off the air; linger--> `finished`, done
    decoder           with refinement: end PDU on sent--> answers open items as they are, after the frames that wait
    task sink         RUNNING --end PDU on sent--> ENDING
    `SinkEnd`         ENDING --no frame open, or no answer for a while--> `finished`; done with the blocks before it, of
                      which receiver and encoder may end while the decoder still answers
    SigMF source      RUNNING --last sample--> TOLD, end PDU on sent and `told`
    `SenderEnd`       TOLD --the blocks that it follows have dealt with all; else linger--> done

A source without the tag ends by being done: the encoder keeps its last frame's items unconsumed until that is answered,
so that GNU Radio does not end it, and announces no end; what the receiver asks for meanwhile leaves in frames without
new items, of which there are 64 at most one after the other (`sdr_sc.link.refinement.last_rounds`), and while the
receiver waits for more the encoder stays for `IDLE_S` longer. Without send times the transmitter appends silence to the
last frame, which pushes it out of filters and detectors downstream. At a block's port ``system`` GNU Radio says that
the block before it is done; transmitter and recorder do not end by that.

The end PDU crosses the network as any other, and sockets give the last messages `SOCKET_LINGER_MS` to leave. The SigMF
recorder ignores it, as it ends with its samples (`sdr_sc.link.sample_limit`). Where a flowgraph has blocks that
would go on for ever, such as a USRP source, ``finished`` of sink or transmitter stops it
(`sdr_sc.usrp.settings.end_with`); a stop from outside announces the end first (`sdr_sc.usrp.settings.tell_end`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import Enum
from typing import Any

LAST_ITEM = "last_item"
"""Stream tag on the first byte of the last item."""

END = "end_of_items"
"""Metadata key of the end PDU: no more frames will come."""

ENCODER_LINGER_S = 0.3
"""A block that ends takes those with it that listen to its messages, and the task sink has to stay."""

IDLE_S = 1.0
"""Without a frame, after which a receiver with refinement answers open items as they are."""

TRANSMITTER_LINGER_S = 0.1
"""For the messages that the last frame causes downstream."""

SINK_LINGER_S = 1.0
"""Without an answer, after the end PDU: that travels faster than the last frames."""

REPLAY_LINGER_S = 0.5
"""Of the SigMF source, where nobody says whether the frames on their way are answered."""

REPLAY_LAST_S = 0.1
"""Of the SigMF source, for the messages that the last answer leads to."""

REPLAY_GIVE_UP_S = 30.0
"""The longest that the SigMF source waits for the blocks that it follows."""

SOCKET_LINGER_MS = 200
"""For the last messages in a socket that is closed."""


def end_meta(frames_sent: int | None = None) -> dict[str, Any]:
    """Metadata of the end PDU, whose data is empty.

    >>> is_end(end_meta(3)), is_end({"frame_num": 3})
    (True, False)
    """
    return {END: True} if frames_sent is None else {END: True, "frames_sent": frames_sent}


def is_end(meta: dict[str, Any]) -> bool:
    """Whether a PDU's metadata is that of the end."""
    return END in meta


class State(Enum):
    """How far a stream's end has come at one block."""

    RUNNING = "running"
    ENDING = "ending"
    TOLD = "told"


class SenderEnd:
    """The end at a block that sends frames: it publishes the end PDU, and then stays for a while.

    Attributes:
        state: RUNNING, ENDING after `begin`, TOLD once the end PDU is to be published.
        at_once: whether it waits for no feedback.
    """

    def __init__(self) -> None:
        self.state = State.RUNNING
        self.at_once = False
        self._told_s = 0.0

    def begin(self, at_once: bool = False) -> None:
        """No more items come; in any thread.

        Args:
            at_once: announce the end without waiting for what is on its way; a later call may still ask for it.
        """
        self.at_once = self.at_once or at_once
        if self.state is State.RUNNING:
            self.state = State.ENDING

    @property
    def begun(self) -> bool:
        """Whether it is no longer RUNNING."""
        return self.state is not State.RUNNING

    def tell(self, now: float, settled: Callable[[], bool]) -> bool:
        """Whether the end PDU has to be published now, which is so once.

        Args:
            now: time, s.
            settled: asked until then, unless ``at_once``: whether nothing is on its way any more.
        """
        if self.state is not State.ENDING or not (self.at_once or settled()):
            return False
        self.state, self._told_s = State.TOLD, now
        return True

    def told_for(self, now: float) -> float:
        """Seconds since the end PDU, 0 before it."""
        return now - self._told_s if self.state is State.TOLD else 0.0


class TransmitterEnd:
    """The end at a block that hands samples on: it goes on until the last of them is off the air.

    Attributes:
        state: RUNNING, or ENDING after `begin`.
        finished: set when the last frame has left, and is off the air as far as the device says.
    """

    def __init__(self) -> None:
        self.state = State.RUNNING
        self.finished = threading.Event()

    def begin(self) -> None:
        """No more frames come."""
        self.state = State.ENDING

    def is_over(self, queue_empty: bool, off_the_air: Callable[[], bool]) -> bool:
        """Whether the last sample is gone.

        Args:
            queue_empty: nothing is left to hand on.
            off_the_air: asked when that is so.
        """
        return self.state is State.ENDING and queue_empty and off_the_air()


class SinkEnd:
    """The end at the task sink: frames that are open at the end PDU may still be answered.

    Args:
        frames_open: frames that were sent and are neither answered nor lost.
        linger_s: without an answer, after which the open frames count as lost.

    Attributes:
        state: RUNNING, or ENDING after `begin`.
        finished: set when no more answers will come.
    """

    def __init__(self, frames_open: Callable[[], int], linger_s: float = SINK_LINGER_S) -> None:
        self.state = State.RUNNING
        self.finished = threading.Event()
        self._frames_open, self._linger_s = frames_open, linger_s
        self._timer: threading.Timer | None = None

    @property
    def awaits(self) -> bool:
        """Whether the end PDU has arrived, and answers are still to come."""
        return self.begun and not self.finished.is_set() and self._frames_open() > 0

    def begin(self) -> None:
        """The end PDU arrived; what it ends may still come, see `settle`."""
        self.state = State.ENDING

    @property
    def begun(self) -> bool:
        """Whether the end PDU has arrived."""
        return self.state is State.ENDING

    def settle(self) -> None:
        """After the end PDU and each answer: finished once every frame is answered, or when no more answers come."""
        if not self.begun:
            return
        self.close()
        if self._frames_open() == 0:
            self.finished.set()
            return
        self._timer = threading.Timer(self._linger_s, self.finished.set)
        self._timer.daemon = True
        self._timer.start()

    def close(self) -> None:
        """Wait for no more answers."""
        if self._timer is not None:
            self._timer.cancel()
