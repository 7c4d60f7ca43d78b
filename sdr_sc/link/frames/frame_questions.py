# SPDX-License-Identifier: GPL-3.0-or-later
"""What the items of received frames are asked, where each is asked a question of its own: joined by frame and item."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from sdr_sc.link.frames.frame_record import FrameRecord
from sdr_sc.link.frames.item_truth import TRUTH_ITEMS, ItemQuestions
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO
from sdr_sc.semantic.questions import question_tokens

PATIENCE_S = 2.0
"""So long a received frame waits for what is asked of its items: both are sent before the frame is."""
MOST_WAITING = 1024
_FRAMES = FRAME_NUM_MODULO // 2

Frame = TypeVar("Frame")


class FrameQuestions(Generic[Frame]):
    """Received frames, in their order, until it is known what each of their items is asked.

    The source says what is asked of which items, and the transmitter which items a frame has; both may be heard after
    the frame. A frame of which that is not known within `PATIENCE_S`, or when no more news comes, is given out without
    questions, like the oldest where more than `MOST_WAITING` wait. May be called in one thread at a time.

    Attributes:
        frames_unasked: given out without questions.

    >>> import numpy as np
    >>> waiting, ids = FrameQuestions(), np.array([7, 9])
    >>> waiting.received(3, 2, "a frame", 0.0)
    >>> waiting.asked(ItemQuestions(ids, ("what colour?", "")))
    >>> list(waiting.known(0.1))
    []
    >>> waiting.sent(FrameRecord(3, 8, ids, ids, np.empty((2, 0), np.uint8), time_ns=0))
    >>> list(waiting.known(0.2))
    [('a frame', ('what colour?', ''))]
    """

    def __init__(self) -> None:
        self._texts: OrderedDict[int, str] = OrderedDict()
        self._items: OrderedDict[int, tuple[list[int], tuple[str, ...]]] = OrderedDict()
        self._waiting: deque[tuple[int, int, Frame, float]] = deque()
        self._latest, self._ended = -1, False
        self.frames_unasked = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, kind: str, *news: Any) -> None:
        """Note news as `sdr_sc.link.frames.frame_news.read_news` gives them; other kinds than these two are left out.

        Raises:
            ContractError: a question makes none.
        """
        if kind == "questions":
            (asked,) = news
            question_tokens([text for text in asked.texts if text])
            self.asked(asked)
        elif kind == "sent":
            self.sent(*news)

    def asked(self, news: ItemQuestions) -> None:
        """The source, or another transmitter, says what is asked of items; '' for nothing."""
        for item_id, text in zip(news.item_id.tolist(), news.texts, strict=True):
            self._texts.pop(item_id, None)
            self._texts[item_id] = text
        while len(self._texts) > TRUTH_ITEMS:
            self._texts.popitem(last=False)

    def sent(self, record: FrameRecord) -> None:
        """A frame was sent: which items it has, and in a recording also what they were asked."""
        if record.frame_index <= self._latest:  # a transmitter that was restarted counts from 0 again
            self._items.clear()
        self._latest, self._ended = record.frame_index, False
        number = record.frame_index % FRAME_NUM_MODULO
        self._items.pop(number, None)
        self._items[number] = record.item_id.tolist(), record.questions
        if len(self._items) > _FRAMES:
            self._items.popitem(last=False)

    def end(self) -> None:
        """No more frames are sent: what is not known now never will be."""
        self._ended = True

    def received(self, number: int, n_items: int, frame: Frame, now_s: float) -> None:
        """A frame was received, by the number in its header."""
        self._waiting.append((number, n_items, frame, now_s))

    def known(self, now_s: float) -> Iterator[tuple[Frame, tuple[str, ...] | None]]:
        """The frames that need not wait any longer, in their order, with what their items are asked; None where that
        is not known."""
        while self._waiting:
            number, n_items, frame, since_s = self._waiting[0]
            texts = self._texts_of(number, n_items)
            over = self._ended or now_s - since_s > PATIENCE_S or len(self._waiting) > MOST_WAITING
            if texts is None and not over:
                return
            self._waiting.popleft()
            self._items.pop(number, None)
            self.frames_unasked += texts is None
            yield frame, texts

    def _texts_of(self, number: int, n_items: int) -> tuple[str, ...] | None:
        items, recorded = self._items.get(number, ((), ()))
        if len(items) != n_items:
            return None
        if recorded:
            return recorded
        texts = tuple(self._texts.get(item_id) for item_id in items)
        return None if None in texts else texts  # type: ignore[return-value]
