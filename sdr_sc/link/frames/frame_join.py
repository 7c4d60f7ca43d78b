# SPDX-License-Identifier: GPL-3.0-or-later
"""Joins what the blocks of a link report of a frame, each at its own time, into one annotation."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sdr_sc.capture import FrameNote, SentFrame
from sdr_sc.link.frames.frame_fields import unwrap
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO
from sdr_sc.phy.numerology import Numerology

WAIT_FRAMES = 128
"""A frame's truth or answer will not come any more when so many frames were received after it."""

SENT_FRAMES = 2048
"""A frame was not received when so many were sent after it; half of what its number tells apart."""


@dataclass
class _Received:
    """A received frame that waits for its truth and its answer."""

    start: int
    meta: dict[str, Any]
    index: int | None = None
    answer: np.ndarray | None = None
    confidence: np.ndarray | None = None


class FrameJoin:
    """Takes what the receiver, the encoder, the decoder and the channel report, in any order, and gives out frames.

    Frames come out in the order in which they were received. A frame that the encoder sent and the receiver did not
    give out is reported as such before the next later one.

    Args:
        numerology: of the frames, for their length.
        received: called with each received frame.
        not_received: called with each frame that was sent and not received.

    >>> notes = []
    >>> join = FrameJoin(Numerology(), notes.append, print)
    >>> join.sent({"frame_index": 4, "frame_num": 4, "k": 8, "item_id": [7], "label": [2]})
    >>> join.frame({"frame_num": 4, "k": 8, "n_items": 1, "model_id": 9, "snr_db": 3.0, "start_sample": 100})
    >>> join.answer({"frame_num": 4, "confidence": [0.5]}, [2])
    >>> notes[0].sample_start, notes[0].frame_index, notes[0].label, notes[0].answer
    (100, 4, (2,), (2,))
    """

    def __init__(
        self,
        numerology: Numerology,
        received: Callable[[FrameNote], None],
        not_received: Callable[[SentFrame], None],
    ) -> None:
        self._numerology, self._give_received, self._give_missed = numerology, received, not_received
        self._received: deque[_Received] = deque()
        self._sent: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._truth: OrderedDict[int, float] = OrderedDict()
        # Answers ahead of their frames, with the count of frames at that time: numbers come again.
        self._early: OrderedDict[int, tuple[int, np.ndarray, np.ndarray | None]] = OrderedDict()
        self._latest = self._frames = 0

    def frame(self, meta: dict[str, Any]) -> None:
        """The receiver gave out a frame."""
        frame = _Received(int(meta["start_sample"]), meta)
        early = self._early.pop(meta["frame_num"], None)
        self._frames += 1
        if early is not None and self._frames - early[0] <= WAIT_FRAMES and len(early[1]) == meta["n_items"]:
            frame.answer, frame.confidence = early[1:]
        self._received.append(frame)
        self._match(frame)
        self._give()

    def sent(self, meta: dict[str, Any]) -> None:
        """The encoder sent a frame; one that restarts counts from 0 again."""
        index = int(meta["frame_index"])
        if self._sent and index < self._latest:
            self._give_all()
        self._latest = index
        self._sent[index] = {name: meta[name] for name in ("k", "item_id", "label")}
        while len(self._sent) > SENT_FRAMES:
            self._miss(next(iter(self._sent)))
        for frame in self._received:
            if frame.index is None:
                self._match(frame)
        self._give()

    def answer(self, meta: dict[str, Any], classes: np.ndarray) -> None:
        """The decoder answered a frame."""
        answer, confidence = np.asarray(classes), meta.get("confidence")
        for frame in self._received:
            fits = frame.meta["frame_num"] == meta["frame_num"] and frame.meta["n_items"] == len(answer)
            if fits and frame.answer is None:
                frame.answer, frame.confidence = answer, confidence
                self._give()
                return
        # Messages on different ways overtake one another: the frame is still to come.
        self._early[meta["frame_num"]] = (self._frames, answer, confidence)
        if len(self._early) > WAIT_FRAMES:
            self._early.popitem(last=False)

    def truth(self, meta: dict[str, Any]) -> None:
        """The channel says which SNR it set for a frame."""
        self._truth[int(meta["frame_index"])] = float(meta["snr_db"])
        if len(self._truth) > SENT_FRAMES:
            self._truth.popitem(last=False)

    def close(self) -> None:
        """Give out everything, with what is known of it."""
        self._give_all()

    def _match(self, frame: _Received) -> None:
        """Find the frame among those that were sent: the receiver knows only the number that wraps."""
        index = unwrap(frame.meta["frame_num"], self._latest, FRAME_NUM_MODULO)
        sent = self._sent.get(index)
        taken = any(other.index == index for other in self._received)
        if sent is not None and not taken:
            if sent["k"] == frame.meta["k"] and len(sent["item_id"]) == frame.meta["n_items"]:
                frame.index = index

    def _give(self) -> None:
        while self._received:
            first = self._received[0]
            complete = first.index is not None and first.answer is not None
            if not complete and len(self._received) <= WAIT_FRAMES:
                return
            self._give_first()

    def _give_all(self) -> None:
        while self._received:
            self._give_first()
        while self._sent:
            self._miss(next(iter(self._sent)))

    def _give_first(self) -> None:
        frame = self._received.popleft()
        sent: dict[str, Any] = {}
        if frame.index is not None:
            # Frames keep their order on the air: what was sent before and was not received, never will be.
            while next(iter(self._sent)) < frame.index:
                self._miss(next(iter(self._sent)))
            sent = self._sent.pop(frame.index)
        meta = frame.meta
        length = self._numerology.frame_samples(meta["n_items"] * meta["k"])
        start = max(frame.start, 0)  # the search may put it a little before the stream's first sample
        note = FrameNote(
            sample_start=start,
            sample_count=frame.start + length - start,
            frame_num=int(meta["frame_num"]),
            k=int(meta["k"]),
            n_items=int(meta["n_items"]),
            snr_db=float(meta["snr_db"]),
            cfo_hz=float(meta.get("cfo_hz", np.nan)),
            model_id=int(meta["model_id"]),
            frame_index=frame.index,
            item_id=sent.get("item_id"),
            label=sent.get("label"),
            answer=None if frame.answer is None else tuple(frame.answer.tolist()),
            confidence=None if frame.confidence is None else tuple(np.asarray(frame.confidence).tolist()),
            snr_set_db=None if frame.index is None else self._truth.pop(frame.index, None),
        )
        self._give_received(note)

    def _miss(self, index: int) -> None:
        sent = self._sent.pop(index)
        truth = self._truth.pop(index, None)
        self._give_missed(SentFrame(index, int(sent["k"]), sent["item_id"], sent["label"], truth))
