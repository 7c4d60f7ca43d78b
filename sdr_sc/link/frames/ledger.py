# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame ledger: what was sent, joined to what was received and answered, each frame counted once."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from dataclasses import dataclass

from sdr_sc.link.frames.frame_record import Answer, FrameRecord, Reception
from sdr_sc.link.frames.item_truth import ItemQuestions, ItemTargets, ItemTruth, ItemTruths, lacks_truth
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO

_EARLY_S = 5.0
"""A received frame that is not reported as sent for so long is of another transmitter, or of one that was restarted."""

LATE_ITEMS = 16_384
"""Of received frames whose answers are awaited: the decoder of a machine that is too slow for the air falls behind
without an end, and what it has not answered yet is not lost."""


@dataclass(frozen=True)
class Patience:
    """How long a ledger waits for what is missing, in frames.

    Attributes:
        sent: a frame that was not received is lost when so many were sent after it.
        received: a received frame stays without report or answer when so many were received after it.
        answered: all frames up to the one that is so many before an answered one are settled.
        late_items: a frame that was received and reported waits longer for its answer, while the frames that do so hold
            so many items together at most: the decoder of a busy machine is behind, and nothing is lost.
    """

    sent: int
    received: int
    answered: int
    late_items: int = 0


def unwrap(number: int, near: int, modulo: int) -> int:
    """The index congruent to ``number`` that lies nearest to ``near``.

    >>> unwrap(2, near=4095, modulo=4096)
    4098
    """
    offset = (number - near + modulo // 2) % modulo - modulo // 2
    return near + offset


class FrameLedger:
    """Joins reports on frames that come on different ways, in any order, and settles each frame once.

    The source publishes the truth of each item; the transmitter reports a frame as *sent*, with the ids of its items;
    the receiver as *received*, under a number that wraps; the decoder as *answered*. Frames keep their order on the
    air, and the reports of one kind come in that order. A frame settles when a later one was answered, or when too many
    were sent or received after it (`Patience`); without a reception it is lost then. Settled frames come out in the
    order in which they were sent, and received frames that nobody reported as sent between them, as they were received.
    Memory holds the frames that have not settled, and the latest truths (`ItemTruths`). May be called from several
    threads.

    Attributes:
        items_published, frames_sent, items_sent, frames_answered: so far.
        answers_unknown: received frames that are none of those that were sent: another transmitter's, or false ones.

    >>> import numpy as np
    >>> ledger = FrameLedger(Patience(sent=256, received=128, answered=0))
    >>> ledger.settled = lambda record: print(record.frame_index, record.answers)
    >>> ids, labels, items = np.array([7]), np.array([2]), np.empty((1, 0), np.uint8)
    >>> for index in (4095, 4096):
    ...     _ = ledger.sent(FrameRecord(index, 8, ids, labels, items, time_ns=0))
    >>> _ = ledger.received(Reception(frame_num=0, k=8, n_items=1))
    >>> _ = ledger.answered(0, Answer(np.array([2]), None, 0))
    4095 [-1]
    4096 [2]
    """

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self.items_published = 0
        self.frames_sent = self.items_sent = self.frames_answered = self.answers_unknown = 0
        self._lock = threading.RLock()
        self._open: OrderedDict[int, FrameRecord] = OrderedDict()
        self._received: deque[Reception] = deque()
        self._unreported: list[Reception] = []  # those of them that may still be reported as sent
        # Answers before their frames, with the count of receptions at that time: numbers come again.
        self._early: OrderedDict[int, tuple[int, Answer]] = OrderedDict()
        self._snr_set: OrderedDict[int, float] = OrderedDict()
        self._truths = ItemTruths()
        self._lacking: dict[int, FrameRecord] = {}  # the open ones that lack truth
        self._latest = -1
        self._receptions = 0

    def settled(self, record: FrameRecord) -> None:
        """To be overridden: nothing more will become known of a frame."""

    def not_sent(self, reception: Reception) -> None:
        """To be overridden: a received frame is none of those that were sent."""

    @property
    def frames_open(self) -> int:
        """Frames that were sent, and are neither answered nor lost."""
        with self._lock:
            return sum(record.answer is None for record in self._open.values())

    def sent(self, record: FrameRecord) -> FrameRecord | None:
        """A frame left the encoder; returns its record if its answer is there already.

        A transmitter that was restarted counts from 0 again.
        """
        with self._lock:
            index = record.frame_index
            if index <= self._latest:
                self._settle_all()
            self._latest = index
            self.frames_sent += 1
            self.items_sent += len(record.item_id)
            record.snr_set_db = self._snr_set.pop(index, record.snr_set_db)
            self._open[index] = record
            if lacks_truth(record) and not self._truths.fill(record):
                self._lacking[index] = record
            self._settle_old(index - self._patience.sent)
            if self._unreported:
                self._match_unreported(record)
            return None if record.answer is None else record

    def _match_unreported(self, record: FrameRecord) -> None:
        now_s = time.monotonic()
        for one in [*self._unreported]:
            ahead = unwrap(one.frame_num, record.frame_index, FRAME_NUM_MODULO) - record.frame_index
            if one.rejected or (ahead == 0 and self._join(record, one)):
                continue
            if ahead <= 0 or now_s - one.since_s > _EARLY_S:  # reports come in order: that frame's never will
                self._reject(one)
        self._give_rejected()

    def items(self, truth: ItemTruth) -> None:
        """The source publishes items and their truth: before they are sent, but the message may come later."""
        with self._lock:
            self.items_published += len(truth.item_id)
            self._truths.add(truth)
            for index in [index for index, record in self._lacking.items() if self._truths.fill(record)]:
                del self._lacking[index]

    def targets(self, truth: ItemTargets) -> None:
        """The source publishes what items are for another task, before it publishes the items."""
        with self._lock:
            self._truths.add_targets(truth)

    def searched(self, task: str, entries: int) -> bool:
        """A frame's answers to a task are places among these entries of a gallery; targets that mean others count for
        nothing, from the frames on that are open.

        Args:
            entries: `sdr_sc.semantic.gallery.entries_number`.

        Returns:
            Whether there were such targets.
        """
        with self._lock:
            found = self._truths.searched(task, entries)
            if found:
                for record in self._open.values():
                    record.targets.pop(task, None)
            return found

    def are_other_entries(self, truth: ItemTargets) -> bool:
        """Whether the source means other entries than are searched, so that nobody knows what is right."""
        with self._lock:
            return self._truths.are_others(truth)

    def questions(self, asked: ItemQuestions) -> None:
        """The source publishes what is asked of items, before it publishes them."""
        with self._lock:
            self._truths.add_questions(asked)

    def snr_set(self, frame_index: int, snr_db: float) -> None:
        """The channel says which SNR it set for a frame."""
        with self._lock:
            record = self._open.get(frame_index)
            if record is not None:
                record.snr_set_db = snr_db
                return
            self._snr_set[frame_index] = snr_db
            if len(self._snr_set) > self._patience.sent:
                self._snr_set.popitem(last=False)

    def received(self, reception: Reception) -> FrameRecord | None:
        """A frame was received; returns its record if that is answered now.

        What was received with another ``k`` or number of items than the frame was sent with is another transmitter's.
        """
        with self._lock:
            self._receptions += 1
            reception.number, reception.since_s = self._receptions, time.monotonic()
            if self._early and reception.answer is None:
                since, answer = self._early.pop(reception.frame_num, (-self._patience.received, None))
                fresh = self._receptions - since <= self._patience.received
                if answer is not None and fresh and len(answer.classes) == reception.n_items:
                    reception.answer = answer
            self._received.append(reception)
            index = unwrap(reception.frame_num, self._latest, FRAME_NUM_MODULO)
            record = self._open.get(index)
            if record is None and (index > self._latest or self._latest < 0):
                self._unreported.append(reception)
            elif record is None or not self._join(record, reception):
                record = None
                self._reject(reception)
                self._give_rejected()
            self._expire(self._receptions - self._patience.received)
            return record if reception.answer is not None else None

    def answered(self, frame_num: int, answer: Answer) -> FrameRecord | None:
        """The decoder answered a received frame; returns the frame's record if it was sent."""
        with self._lock:
            for one in self._received:
                if one.frame_num == frame_num and one.answer is None and one.n_items == len(answer.classes):
                    one.answer, record = answer, one.record
                    if record is not None:
                        self._complete(record, one, answer)
                    self._give_rejected()
                    return record
            self._early[frame_num] = self._receptions, answer
            if len(self._early) > self._patience.received:
                self._early.popitem(last=False)
            return None

    def _join(self, record: FrameRecord, reception: Reception) -> bool:
        """Whether a received frame is the one that was sent, and was not received before."""
        fits = reception.k in (None, record.k) and reception.n_items == len(record.item_id)
        if record.reception is not None or not fits:
            return False
        record.reception, reception.record = reception, record
        if reception in self._unreported:
            self._unreported.remove(reception)
        if reception.answer is not None:
            self._complete(record, reception, reception.answer)
        return True

    def _complete(self, record: FrameRecord, reception: Reception, answer: Answer) -> None:
        record.answer, record.confidence, record.task = answer.classes, answer.confidence, answer.task
        record.more, record.answered_questions = answer.more, answer.questions
        record.known = answer.known
        record.snr_est_db, record.cfo_hz = reception.snr_db, reception.cfo_hz
        record.answered_s = answer.time_ns / 1e9
        record.latency_ms = (answer.time_ns - record.time_ns) / 1e6
        self.frames_answered += 1
        self._settle_until(record.frame_index - self._patience.answered)

    def _reject(self, reception: Reception) -> None:
        """A received frame is none of those that were sent."""
        reception.rejected = True
        self.answers_unknown += 1
        if reception in self._unreported:
            self._unreported.remove(reception)

    def _give_rejected(self) -> None:
        while self._received and self._received[0].rejected and self._received[0].answer is not None:
            self.not_sent(self._received.popleft())

    def _expire(self, number: int) -> None:
        """Wait no longer for those that were received up to ``number``."""
        while self._received and self._received[0].number <= number:
            record = self._received[0].record
            if record is not None and self._is_awaited(record):
                break
            if record is not None:
                self._settle_until(record.frame_index)
            else:
                self._give_up(self._received.popleft())

    def _give_up(self, reception: Reception) -> None:
        if not reception.rejected:
            self._reject(reception)
        self.not_sent(reception)

    def _is_awaited(self, record: FrameRecord) -> bool:
        """Whether a frame was received, and may still be answered."""
        if record.reception is None or record.answer is not None or len(self._received) >= FRAME_NUM_MODULO // 2:
            return False
        return sum(one.n_items for one in self._received) <= self._patience.late_items

    def _settle_old(self, frame_index: int) -> None:
        """Settle the frames up to this one, but for those that may still be answered, and what follows them."""
        while self._open:
            first = next(iter(self._open.values()))
            if first.frame_index > frame_index or self._is_awaited(first):
                return
            self._settle_until(first.frame_index)

    def settle_rested(self, rest_s: float) -> None:
        """Settle the frames up to the last one that was answered ``rest_s`` ago: answers come in order."""
        with self._lock:
            limit_s = time.monotonic() - rest_s
            rested = [i for i, one in self._open.items() if one.answer is not None and one.answered_s <= limit_s]
            if rested:
                self._settle_until(rested[-1])

    def close(self) -> None:
        """Settle every frame; may be called again."""
        with self._lock:
            self._settle_all()

    def _settle_all(self) -> None:
        self._settle_until(self._latest)
        while self._received:
            self._give_up(self._received.popleft())
        self._early.clear()

    def _settle_until(self, frame_index: int) -> None:
        while self._open and next(iter(self._open)) <= frame_index:
            record = self._open.popitem(last=False)[1]
            self._lacking.pop(record.frame_index, None)
            if record.reception is not None:
                self._release(record.reception)
                record.reception.record = None  # no circle of references, which would keep the items for a while
            self.settled(record)

    def _release(self, reception: Reception) -> None:
        """Take out a received frame that settles, and those before it that nobody reported: nobody will."""
        overtaken = []
        while self._received and self._received[0].number <= reception.number:
            one = self._received.popleft()
            if one.record is None:
                self._give_up(one)
            elif one is not reception:
                overtaken.append(one)
        self._received.extendleft(reversed(overtaken))
