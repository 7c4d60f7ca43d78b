# SPDX-License-Identifier: GPL-3.0-or-later
"""News of frames in an order in which each one's truth comes before its answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import numpy as np

from sdr_sc.link.frames.frame_join import FrameJoin


@dataclass
class _Told:
    """What was reported in one turn."""

    sent: list[dict[str, Any]] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)
    answers: list[tuple[dict[str, Any], np.ndarray]] = field(default_factory=list)


class JoinQueue:
    """Hands to a `FrameJoin` what was reported, one turn late.

    GNU Radio handles the messages that wait for a block port by port, all of one and then all of the next. So a block
    may see a frame's answer before its truth, which was reported earlier: it has seen it by its next turn. And after a
    moment in which the block was held up, it sees many frames and then their answers: they are joined in turn.

    Args:
        join: where the news go.

    Attributes:
        frames, answers: reported so far.

    >>> from sdr_sc.phy.numerology import Numerology
    >>> notes = []
    >>> queue = JoinQueue(FrameJoin(Numerology(), notes.append, print))
    >>> queue.sent({"frame_index": 0, "k": 8, "item_id": [7], "label": [2]})
    >>> queue.frame({"frame_num": 0, "k": 8, "n_items": 1, "model_id": 9, "snr_db": 3.0, "start_sample": 100})
    >>> queue.answer({"frame_num": 0}, np.array([2]))
    >>> queue.turn()
    >>> queue.truth({"frame_index": 0, "snr_db": 2.5})
    >>> queue.turn()
    >>> notes[0].snr_set_db
    2.5
    """

    def __init__(self, join: FrameJoin) -> None:
        self._join = join
        self._truths: list[dict[str, Any]] = []
        self._told = _Told()
        self._told_before = _Told()
        self.frames = self.answers = 0

    def frame(self, meta: dict[str, Any]) -> None:
        """The receiver gave out a frame."""
        self._told.frames.append(meta)
        self.frames += 1

    def sent(self, meta: dict[str, Any]) -> None:
        """The encoder sent a frame."""
        self._told.sent.append(meta)

    def answer(self, meta: dict[str, Any], classes: np.ndarray) -> None:
        """The decoder answered a frame."""
        self._told.answers.append((meta, classes))
        self.answers += 1

    def truth(self, meta: dict[str, Any]) -> None:
        """The channel says which SNR it set for a frame."""
        self._truths.append(meta)

    def turn(self) -> None:
        """All messages that waited have been handled: join what was reported before the last turn."""
        for meta in self._truths:
            self._join.truth(meta)
        before = self._told_before
        for meta in before.sent:
            self._join.sent(meta)
        for frame, answer in zip_longest(before.frames, before.answers):
            if frame is not None:
                self._join.frame(frame)
            if answer is not None:
                self._join.answer(*answer)
        self._truths, self._told_before, self._told = [], self._told, _Told()

    def close(self) -> None:
        """Join everything, and give it out."""
        self.turn()
        self.turn()
        self._join.close()
