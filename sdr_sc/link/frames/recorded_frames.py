# SPDX-License-Identifier: GPL-3.0-or-later
"""The frames of a recording: the ledger's rows as its annotations, and its annotations as frames that were sent."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any

import numpy as np

from sdr_sc.capture import Capture, FrameNote, SentFrame
from sdr_sc.link.frames.decodable import indexed_of
from sdr_sc.link.frames.frame_record import FrameRecord, Reception
from sdr_sc.link.frames.ledger import LATE_ITEMS, FrameLedger, Patience
from sdr_sc.link.network.pdu_schema import INDEXED
from sdr_sc.phy.frame.modes import FrameMode, frame_layout
from sdr_sc.phy.numerology import Numerology
from sdr_sc.semantic.tasks.base import registered_tasks

WAIT_FRAMES = 128
"""A frame's report or answer will not come any more when so many frames were received after it."""

SENT_FRAMES = 2048
"""A frame was not received when so many were sent after it; half of what its number tells apart."""


class AnnotationLedger(FrameLedger):
    """The frame ledger of a recorder: settled frames become annotations, in the order of reception.

    GNU Radio handles the messages that wait for a block port by port, all of one and then all of the next. So a block
    may see a frame's answer before the report that it was sent, which was made earlier: it has seen it by its next
    turn. And after a moment in which the block was held up, it sees many frames and then their answers: they are joined
    pair by pair. So news is joined one turn late.

    Args:
        numerology: of the frames, for their length.
        received: called with each received frame.
        not_received: called with each frame that was sent and not received, before the next later one.

    Attributes:
        reported: news by kind, so far.

    >>> from sdr_sc.link.frames.frame_record import Answer
    >>> notes = []
    >>> ledger = AnnotationLedger(Numerology(), notes.append, print)
    >>> ids, labels, items = np.array([7]), np.array([2]), np.empty((1, 0), np.uint8)
    >>> ledger.later("sent", FrameRecord(4, 8, ids, labels, items, time_ns=0))
    >>> frame = {"frame_num": 4, "k": 8, "n_items": 1, "model_id": 9, "snr_db": 3.0, "start_sample": 100}
    >>> ledger.later("received", reception_of(frame))
    >>> ledger.later("answered", 4, Answer(np.array([2]), None, 0))
    >>> ledger.turn()
    >>> ledger.later("snr_set", 4, 2.5)
    >>> ledger.turn()
    >>> notes[0].sample_start, notes[0].frame_index, notes[0].label, notes[0].answer, notes[0].snr_set_db
    (100, 4, (2,), (2,), 2.5)
    """

    def __init__(
        self,
        numerology: Numerology,
        received: Callable[[FrameNote], None],
        not_received: Callable[[SentFrame], None],
    ) -> None:
        super().__init__(Patience(SENT_FRAMES, WAIT_FRAMES, 0, LATE_ITEMS))
        self._numerology, self._give_received, self._give_missed = numerology, received, not_received
        self._news: defaultdict[str, list[tuple]] = defaultdict(list)
        self._news_before: defaultdict[str, list[tuple]] = defaultdict(list)
        self.reported: Counter[str] = Counter()

    def later(self, kind: str, *news: Any) -> None:
        """Join news at the next turn but one.

        Args:
            kind: ``searched``, ``targets``, ``questions``, ``items``, ``sent``, ``received``, ``answered`` or
                ``snr_set``, as the methods of `FrameLedger`.
            news: their arguments.
        """
        self._news[kind].append(news)
        self.reported[kind] += 1

    def turn(self) -> None:
        """All messages that waited have been handled: join what was reported before the last turn."""
        for searched in self._news.pop("searched", ()):
            self.searched(*searched)
        for targets in self._news.pop("targets", ()):
            self.targets(*targets)
        for asked in self._news.pop("questions", ()):
            self.questions(*asked)
        for truth in self._news.pop("items", ()):
            self.items(*truth)
        for set_db in self._news.pop("snr_set", ()):
            self.snr_set(*set_db)
        before, self._news_before, self._news = self._news_before, self._news, defaultdict(list)
        for record in before["sent"]:
            self.sent(*record)
        for frame, answer in zip_longest(before["received"], before["answered"]):
            if frame is not None:
                self.received(*frame)
            if answer is not None:
                self.answered(*answer)

    def close(self) -> None:
        """Join everything, and give it out."""
        self.turn()
        self.turn()
        super().close()

    def settled(self, record: FrameRecord) -> None:
        """Give out a frame that was sent."""
        if record.reception is not None:
            self._give_received(self._note(record.reception, record))
        else:
            index, k, set_db = record.frame_index, record.k, record.snr_set_db
            ids, label, mode = record.item_id, record.label, int(record.mode)
            more = record.targets, record.questions or None
            self._give_missed(SentFrame(index, k, ids, label, set_db, mode, *more))  # type: ignore[arg-type]

    def not_sent(self, reception: Reception) -> None:
        """Give out a frame of which nobody reported that it was sent."""
        self._give_received(self._note(reception))

    def _note(self, reception: Reception, record: FrameRecord | None = None) -> FrameNote:
        meta, answer = reception.meta, reception.answer
        layout = frame_layout(self._numerology, FrameMode(meta.get("mode", FrameMode.NORMAL)))
        refined = int(meta.get("refined_symbols", 0))
        symbols = reception.n_items * meta["k"] + refined if INDEXED not in meta else indexed_of(meta).payload_symbols
        length = layout.frame_samples(symbols)
        first = int(meta["start_sample"])
        start = max(first, 0)  # the search may put it a little before the stream's first sample
        sent: dict[str, Any] = {}
        if record is not None:
            sent = {"frame_index": record.frame_index, "item_id": record.item_id, "label": record.label}
            sent["snr_set_db"], sent["targets"] = record.snr_set_db, record.targets
            sent["questions"] = record.questions or None
        return FrameNote(
            sample_start=start,
            sample_count=first + length - start,
            frame_num=int(meta["frame_num"]),
            k=int(meta["k"]),
            n_items=int(meta["n_items"]),
            snr_db=float(meta["snr_db"]),
            cfo_hz=float(meta.get("cfo_hz", np.nan)),
            model_id=int(meta["model_id"]),
            answer=None if answer is None else answer.classes,  # type: ignore[arg-type]
            confidence=None if answer is None else answer.confidence,  # type: ignore[arg-type]
            request=int(meta.get("request", 0)),
            refined_symbols=refined,
            mode=int(meta.get("mode", FrameMode.NORMAL)),
            report_age=int(meta.get("report_age", 0)),
            rounds=None if answer is None else answer.rounds,  # type: ignore[arg-type]
            **sent,
        )


def reception_of(meta: dict[str, Any]) -> Reception:
    """A received frame by the metadata of the receiver's PDU."""
    return Reception(meta["frame_num"], meta["k"], meta["n_items"], meta=meta)


def sent_frames(capture: Capture, start: int, stop: int) -> Iterator[tuple[int, FrameRecord]]:
    """Frames that were sent within a part of a recording, each with the sample before which its report is due.

    Those that were not received have no place in the stream: they come where their number says, which is between the
    received ones, and in a part of the recording only if they do lie between two of its frames.

    Args:
        start, stop: the part, samples.
    """
    whole = start <= 0 and stop >= capture.sample_count
    missed = list(_sessions(capture.not_received))
    next_missed, last_place = 0, start
    latest = (0, -1)
    inside = False
    for session, note in _sessions(note for note in capture.frames() if note.frame_index is not None):
        within = note.sample_start >= start and note.sample_stop <= stop
        latest = (session, note.frame_index)
        while next_missed < len(missed) and _key(missed[next_missed]) < latest:
            if whole or (within and inside):
                yield last_place, _record(missed[next_missed][1])
            next_missed += 1
        inside = within
        if within:
            last_place = note.sample_start
            yield last_place, _record(note, note.n_items)
    if whole:
        for _, frame in missed[next_missed:]:
            yield last_place, _record(frame)


def _record(frame: Any, n_items: int = 0) -> FrameRecord:
    ids, labels = (
        np.full(n_items, -1, np.int32) if one is None else np.array(one, np.int32)
        for one in (frame.item_id, frame.label)
    )
    none, known = np.empty((len(ids), 0), np.uint8), registered_tasks()
    targets = {task: np.array(given, np.int32) for task, given in frame.targets.items() if task in known}
    index, k, set_db = frame.frame_index, frame.k, frame.snr_set_db
    asked = frame.questions or ()
    return FrameRecord(index, k, ids, labels, none, 0, set_db, mode=frame.mode, targets=targets, questions=asked)


def _key(sent: tuple[int, Any]) -> tuple[int, int]:
    return sent[0], sent[1].frame_index


def _sessions(frames: Any) -> Iterator[tuple[int, Any]]:
    """Frames with the number of times that the transmitter was restarted before: it counts from 0 again."""
    session, latest = 0, -1
    for frame in frames:
        session += int(frame.frame_index <= latest)
        latest = frame.frame_index
        yield session, frame
