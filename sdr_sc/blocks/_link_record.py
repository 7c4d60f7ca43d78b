# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of each frame and item of a link whose both ends are in one process."""

from __future__ import annotations

import csv
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

SETTLE_FRAMES = 16
"""A frame is lost when one this much later was answered: answers come in the frames' order, but for hiccups."""

OPEN_FRAMES = 256
"""A frame is lost when this many were sent after it: a decoder under load may be far behind the transmitter."""

FRAME_FIELDS = (
    "frame_index",
    "snr_set_db",
    "snr_est_db",
    "cfo_hz",
    "k",
    "n_items",
    "status",
    "correct",
    "latency_ms",
    "air_ms",
    "answer_ms",
)
ITEM_FIELDS = ("item_id", "frame_index", "label", "answer", "k", "correct", "confidence", "snr_est_db")


@dataclass
class FrameRecord:
    """One frame that was sent; the answer's fields stay None until it is answered.

    Attributes:
        latency_ms: from the encoder to the answer, where both have the same clock.
        air_ms: from the frame's last sample at the antenna to the end of its reception, where the device tells.
        answer_ms: from there to the answer.
        answered_s: when it was answered, by the monotonic clock of this process.
    """

    frame_index: int
    k: int
    item_id: np.ndarray
    label: np.ndarray
    items: np.ndarray
    time_ns: int
    snr_set_db: float | None = None
    snr_est_db: float | None = None
    cfo_hz: float | None = None
    answer: np.ndarray | None = None
    confidence: np.ndarray | None = None
    latency_ms: float | None = None
    air_ms: float | None = None
    answer_ms: float | None = None
    answered_s: float = 0.0

    @property
    def answers(self) -> np.ndarray:
        """Class of each item, -1 where it was lost."""
        return np.full(len(self.item_id), -1) if self.answer is None else self.answer


class LinkRecord:
    """Matches answers to what was sent, counts, and writes ``frames.csv`` and ``items.csv`` as frames settle.

    A frame settles when a later one was answered (``SETTLE_FRAMES``), when many more were sent (``OPEN_FRAMES``), or at
    `close`; only then is one without an answer lost.
    Memory holds the frames that have not settled, and a bounded history.

    Args:
        folder: where to write; None writes nothing.
        history_frames: latest frames kept for plots.
        keep_items: items kept with their picture for `pictures`, spread over the run by thinning out.
        open_frames: a frame is lost when so many were sent after it.
    """

    def __init__(
        self,
        folder: Path | None,
        history_frames: int = 200,
        keep_items: int = 48,
        open_frames: int = OPEN_FRAMES,
    ) -> None:
        self._open_frames = open_frames
        self.frames_sent = self.frames_answered = self.frames_lost = 0
        self.items_sent = self.items_answered = self.items_lost = self.items_correct = 0
        self.answers_unknown = 0
        self.history: deque[FrameRecord] = deque(maxlen=history_frames)
        self.pictures: list[tuple[int, np.ndarray]] = []
        self._keep_items, self._picture_stride = keep_items, 1
        self._open: OrderedDict[int, FrameRecord] = OrderedDict()
        self._truth: OrderedDict[int, float] = OrderedDict()
        self._early: OrderedDict[int, tuple] = OrderedDict()
        self._latest = 0
        self._files: list[IO[str]] = []
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._files = [open(folder / name, "w", newline="") for name in ("frames.csv", "items.csv")]  # noqa: SIM115
            self._frame_rows, self._item_rows = (csv.writer(file) for file in self._files)
            self._frame_rows.writerow(FRAME_FIELDS)
            self._item_rows.writerow(ITEM_FIELDS)

    @property
    def latest_index(self) -> int:
        """Index of the frame sent last."""
        return self._latest

    def sent(self, record: FrameRecord) -> FrameRecord | None:
        """A frame left the encoder; returns its record if its answer is there already.

        The news that a frame was sent and its answer come on different ways, and either may be first. An encoder that
        starts anew counts from 0 again.
        """
        if record.frame_index < self._latest:
            self._settle_all()
        self._latest = record.frame_index
        self.frames_sent += 1
        self.items_sent += len(record.item_id)
        record.snr_set_db = self._truth.pop(record.frame_index, record.snr_set_db)
        self._open[record.frame_index] = record
        self._settle_until(record.frame_index - self._open_frames)
        early = self._early.pop(record.frame_index, None)
        return None if early is None else self.answered(record.frame_index, *early)

    def truth(self, frame_index: int, snr_db: float) -> None:
        """The channel says which SNR it set for a frame."""
        record = self._open.get(frame_index)
        if record is not None:
            record.snr_set_db = snr_db
        else:
            self._truth[frame_index] = snr_db
            if len(self._truth) > self._open_frames:
                self._truth.popitem(last=False)

    def answered(
        self,
        frame_index: int,
        answer: np.ndarray,
        confidence: np.ndarray,
        snr_est_db: float,
        cfo_hz: float | None,
        time_ns: int,
        k: int | None = None,
    ) -> FrameRecord | None:
        """A frame was answered; returns its record, or None if no such frame waits for one.

        What was received with another ``k`` than the frame was sent with is another transmitter's.
        """
        record = self._open.get(frame_index)
        if record is None and (frame_index > self._latest or not self.frames_sent):
            self._early[frame_index] = (answer, confidence, snr_est_db, cfo_hz, time_ns, k)
            if len(self._early) > self._open_frames:
                self._early.popitem(last=False)
                self.answers_unknown += 1
            return None
        fits = record is not None and len(answer) == len(record.item_id) and k in (None, record.k)
        if record is None or record.answer is not None or not fits:
            self.answers_unknown += 1
            return None
        record.answer, record.confidence = answer, confidence
        record.snr_est_db, record.cfo_hz = snr_est_db, cfo_hz
        record.latency_ms = (time_ns - record.time_ns) / 1e6
        record.answered_s = time_ns / 1e9
        self.frames_answered += 1
        self._settle_until(frame_index - SETTLE_FRAMES)
        return record

    @property
    def frames_open(self) -> int:
        """Frames that were sent, and are neither answered nor lost."""
        return sum(record.answer is None for record in self._open.values())

    def recent(self) -> list[FrameRecord]:
        """The latest answered frames, settled or not, oldest first."""
        frames = [*self.history, *self._open.values()]
        limit = self.history.maxlen or len(frames)
        return [record for record in frames if record.answer is not None][-limit:]

    def summary(self) -> str:
        """The counts of all settled frames in one line."""
        wrong = self.items_answered - self.items_correct
        return (
            f"{self.items_correct} items right, {wrong} wrong, {self.items_lost} lost; "
            f"{self.frames_sent} frames sent, {self.frames_lost} lost"
        )

    def close(self) -> None:
        """Settle every frame, and close the files; may be called again."""
        self._settle_all()
        for file in self._files:
            file.close()
        self._files = []

    def _settle_until(self, frame_index: int) -> None:
        while self._open and next(iter(self._open)) <= frame_index:
            self._settle(self._open.popitem(last=False)[1])

    def _settle_all(self) -> None:
        while self._open:
            self._settle(self._open.popitem(last=False)[1])
        self.answers_unknown += len(self._early)
        self._early.clear()

    def _settle(self, record: FrameRecord) -> None:
        answers = record.answers
        lost = answers < 0
        correct = (answers == record.label) & ~lost
        self.frames_lost += int(record.answer is None)
        self.items_lost += int(lost.sum())
        self.items_answered += int((~lost).sum())
        self.items_correct += int(correct.sum())
        self.history.append(record)
        self._keep_pictures(record)
        if self._files:
            self._write(record, answers, correct)

    def _keep_pictures(self, record: FrameRecord) -> None:
        if record.frame_index % self._picture_stride or not record.items.size:
            return
        self.pictures.append((int(record.item_id[0]), record.items[0]))
        if len(self.pictures) > self._keep_items:
            self.pictures, self._picture_stride = self.pictures[::2], 2 * self._picture_stride

    def _write(self, record: FrameRecord, answers: np.ndarray, correct: np.ndarray) -> None:
        status = "lost" if record.answer is None else "delivered"
        known = record.label >= 0  # without a truth nothing is right or wrong
        self._frame_rows.writerow(
            [record.frame_index]
            + _numbers([record.snr_set_db, record.snr_est_db, record.cfo_hz])
            + [record.k, len(answers), status, int(correct.sum()) if known.any() else ""]
            + _numbers([record.latency_ms, record.air_ms, record.answer_ms])
        )
        confidence = np.zeros(len(answers)) if record.confidence is None else record.confidence
        for i, answer in enumerate(answers):
            self._item_rows.writerow(
                [record.item_id[i], record.frame_index, record.label[i], answer, record.k]
                + [int(correct[i]) if known[i] else ""]
                + _numbers([float(confidence[i]), record.snr_est_db])
            )


def _numbers(values: Sequence[float | None]) -> list[str]:
    return ["" if value is None else f"{value:.4f}" for value in values]
