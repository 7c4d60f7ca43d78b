# SPDX-License-Identifier: GPL-3.0-or-later
"""The transmitted frames, reconstructed from a recording's annotations, in order of transmission."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from sdr_sc.capture import Capture, SentFrame
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO

MANY = "frame_indices"
"""Metadata key of a PDU that reports many frames."""

MANY_KEYS = (MANY, "ks", "n_items", "item_id", "label", "snr_set_db", "time_ns")


@dataclass(frozen=True)
class ToldFrame:
    """A frame that was sent.

    Attributes:
        place: sample before which its news is due.
        snr_set_db: SNR that the channel was set to; None where it is not known.
    """

    place: int
    frame_index: int
    k: int
    item_id: tuple[int, ...]
    label: tuple[int, ...]
    model_id: int | None = None
    snr_set_db: float | None = None

    def meta(self, time_ns: int) -> dict[str, Any]:
        """Metadata of the PDU that the semantic encoder sends for it."""
        known = {} if self.model_id is None else {"model_id": self.model_id}
        return {
            **known,
            "frame_num": self.frame_index % FRAME_NUM_MODULO,
            "frame_index": self.frame_index,
            "n_items": len(self.item_id),
            "k": self.k,
            "feedback_snr_db": float("nan"),
            "item_id": np.array(self.item_id, np.int32),
            "label": np.array(self.label, np.int32),
            "time_ns": time_ns,
        }


def many_meta(frames: Sequence[ToldFrame], time_ns: int) -> dict[str, Any]:
    """Metadata of one PDU for many frames: a PDU for each costs more than all else that a replay does about a frame."""
    set_db = [np.nan if frame.snr_set_db is None else frame.snr_set_db for frame in frames]
    return {
        # PMT knows no vectors of 64 bits that are as quick: these travel as bytes.
        MANY: np.array([frame.frame_index for frame in frames], np.int64).view(np.uint8),
        "ks": np.array([frame.k for frame in frames], np.int32),
        "n_items": np.array([len(frame.item_id) for frame in frames], np.int32),
        "item_id": np.array([*chain.from_iterable(frame.item_id for frame in frames)], np.int32),
        "label": np.array([*chain.from_iterable(frame.label for frame in frames)], np.int32),
        "snr_set_db": np.array(set_db, np.float64).view(np.uint8),
        "time_ns": time_ns,
    }


def many_frames(meta: dict[str, Any]) -> Iterator[tuple[int, int, np.ndarray, np.ndarray, float | None]]:
    """Index, k, item ids, labels and set SNR of each frame in the metadata of `many_meta`.

    >>> frames = [ToldFrame(0, 7, 8, (20, 21), (3, 4), None, 12.5), ToldFrame(900, 9, 4, (22,), (5,))]
    >>> [(index, k, ids.tolist(), label.tolist(), db) for index, k, ids, label, db in many_frames(many_meta(frames, 0))]
    [(7, 8, [20, 21], [3, 4], 12.5), (9, 4, [22], [5], None)]
    """
    item_id, label, stop = meta["item_id"], meta["label"], 0
    columns = (meta[MANY].view(np.int64), meta["ks"], meta["n_items"], meta["snr_set_db"].view(np.float64))
    for index, k, count, set_db in zip(*(column.tolist() for column in columns), strict=True):
        start, stop = stop, stop + count
        yield index, k, item_id[start:stop], label[start:stop], None if set_db != set_db else set_db


def told_frames(capture: Capture, start: int, stop: int) -> Iterator[ToldFrame]:
    """Frames that were sent within a part of a recording.

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
        assert note.frame_index is not None
        within = note.sample_start >= start and note.sample_stop <= stop
        latest = (session, note.frame_index)
        while next_missed < len(missed) and _key(missed[next_missed]) < latest:
            if whole or (within and inside):
                yield _lost(missed[next_missed][1], last_place)
            next_missed += 1
        if not within:
            inside = False
            continue
        inside, last_place = True, note.sample_start
        yield ToldFrame(
            note.sample_start,
            note.frame_index,
            note.k,
            note.item_id if note.item_id is not None else (-1,) * note.n_items,
            note.label if note.label is not None else (-1,) * note.n_items,
            note.model_id,
            note.snr_set_db,
        )
    if whole:
        for _, frame in missed[next_missed:]:
            yield _lost(frame, last_place)


def _lost(frame: SentFrame, place: int) -> ToldFrame:
    return ToldFrame(place, frame.frame_index, frame.k, frame.item_id, frame.label,
                     snr_set_db=frame.snr_set_db)  # fmt: skip


def _key(told: tuple[int, Any]) -> tuple[int, int]:
    return told[0], told[1].frame_index


def _sessions(frames: Any) -> Iterator[tuple[int, Any]]:
    """Frames with the number of times that the transmitter was restarted before: it counts from 0 again."""
    session, latest = 0, -1
    for frame in frames:
        session += int(frame.frame_index <= latest)
        latest = frame.frame_index
        yield session, frame
