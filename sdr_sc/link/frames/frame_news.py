# SPDX-License-Identifier: GPL-3.0-or-later
"""News of items and frames as PDUs, checked before it is counted, as it may come from another host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from sdr_sc.errors import BlockError
from sdr_sc.link.frames.frame_record import NOT_KNOWN, FrameRecord
from sdr_sc.link.frames.item_truth import ItemQuestions, ItemTargets, ItemTruth
from sdr_sc.link.network.pdu_schema import ENTRIES, QUESTIONS, TARGET
from sdr_sc.link.parameters import fits_shape, require
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO, MAX_ITEMS, MAX_K
from sdr_sc.phy.frame.modes import FrameMode
from sdr_sc.semantic.questions import LONGEST_QUESTION
from sdr_sc.semantic.specs import LONGEST_NAME
from sdr_sc.semantic.tasks.base import task_of

MANY = "frame_indices"
"""Metadata key of a PDU with news of many frames."""

MANY_KEYS = (MANY, "ks", "modes", "n_items", "item_id", "label", "snr_set_db", "time_ns")
KEYS = ("frame_index", "k", "item_id", "n_items", "time_ns")
TRUTH_KEYS = ("item_id", "label")
TARGET_KEYS = ("item_id", "task", TARGET)
_SHOWN_KEYS = ("modality", "item_shape")
_TARGET_OF = "target_"  # in `MANY`, followed by a task's name
_INDEX_LIMIT = 1 << 48  # 10,000 frames a second for 800 years


def read_news(meta: dict[str, Any], data: np.ndarray, port: str) -> list[tuple[str, tuple]]:
    """What a PDU reports, other than the end: methods of `FrameLedger` by name, and their arguments.

    Args:
        meta, data: of the PDU.
        port: where it came in, for messages.

    Raises:
        BlockError: it is no such PDU, or makes no sense.
    """
    if MANY in meta:
        return [("sent", (record,)) for record in many_records(meta)]
    if QUESTIONS in meta and MANY not in meta:
        return [("questions", (item_questions(meta, port),))]
    if TARGET in meta:
        return [("targets", (item_targets(meta, port),))]
    if meta.keys() >= {*TRUTH_KEYS} and meta.keys() <= {*TRUTH_KEYS, *_SHOWN_KEYS}:
        return [("items", (item_truth(meta, data, port),))]
    if "snr_db" in meta and "item_id" not in meta:
        check_truth(meta)
        return [("snr_set", (meta["frame_index"], float(meta["snr_db"])))]
    return [("sent", (sent_record(meta, data, port),))]


def truth_meta(item_id: np.ndarray, label: np.ndarray, modality: str, item_shape: tuple[int, ...]) -> dict[str, Any]:
    """Metadata of the PDU that publishes the truth of some items, whose data are their bytes, or nothing.

    Args:
        item_id, label: int (n,), n from 1 to `MAX_ITEMS`; label `NOT_KNOWN` where there is none.
        modality, item_shape: how the bytes of an item are shown.
    """
    columns = {"item_id": item_id.astype(np.int32), "label": label.astype(np.int32)}
    return {**columns, "modality": modality, "item_shape": np.array(item_shape, np.int32)}


def task_targets_meta(item_id: np.ndarray, task: str, target: np.ndarray, entries: int = 0) -> dict[str, Any]:
    """Metadata of the PDU that publishes what some items are for a further task; it comes before their `truth_meta`,
    and has no data. A receiver of the version before refuses and counts it, and takes the other one.

    Args:
        item_id, target: int (n,), n from 1 to `MAX_ITEMS`; target `NOT_KNOWN` where there is none.
        task: its name.
        entries: `sdr_sc.semantic.gallery.entries_number` of what the targets are places in; 0 where these are no
            entries of a gallery.
    """
    meta = {"item_id": item_id.astype(np.int32), "task": task, TARGET: target.astype(np.int32)}
    return {**meta, ENTRIES: entries} if entries else meta


def item_targets(meta: dict[str, Any], port: str) -> ItemTargets:
    """What some items are for a further task.

    Raises:
        BlockError: ids and targets do not fit each other.
        ContractError: the task is unknown here.
    """
    require(meta, TARGET_KEYS, port)
    count = len(meta["item_id"]) if isinstance(meta["item_id"], np.ndarray) else -1
    for key in ("item_id", TARGET):
        _check_vector(meta, key, count)
    if ENTRIES in meta:
        _check_whole(meta, ENTRIES, 1, 2**31 - 1)
    return ItemTargets(meta["item_id"], task_of(meta["task"]).name, meta[TARGET], meta.get(ENTRIES, 0))


def questions_meta(item_id: np.ndarray, texts: Sequence[str]) -> dict[str, Any]:
    """Metadata of the PDU that publishes what is asked of some items, each of which is asked a question of its own; it
    comes before their `truth_meta`, and has no data.

    Args:
        item_id: int (n,), n from 1 to `MAX_ITEMS`.
        texts: n questions, '' where nothing is asked of an item.
    """
    return {"item_id": item_id.astype(np.int32), QUESTIONS: _packed(texts)}


def answered_questions_meta(texts: Sequence[str]) -> dict[str, Any]:
    """Metadata of the PDU of a frame's answers that says what was answered.

    Args:
        texts: the question of all items, or one of each, '' for nothing; none where no task answers any.

    >>> answered_questions(answered_questions_meta(["what colour?", ""]), 2), answered_questions({}, 2)
    (('what colour?', ''), ())
    """
    return {QUESTIONS: _packed(texts)} if texts else {}


def answered_questions(meta: dict[str, Any], n_items: int) -> tuple[str, ...]:
    """What `answered_questions_meta` made metadata of.

    Raises:
        BlockError: the questions do not fit the items.
    """
    packed = meta.get(QUESTIONS)
    if packed is None:
        return ()
    is_one = isinstance(packed, np.ndarray) and np.count_nonzero(packed == ord("\n")) == 1
    return _unpacked(packed, 1 if is_one else n_items, "answers")


def _packed(texts: Sequence[str]) -> np.ndarray:
    """Questions as bytes with a line each: uint8. PMT's own texts are short."""
    lines = (" ".join(text.split()) for text in texts)
    return np.frombuffer("".join(f"{line}\n" for line in lines).encode("utf-8", "replace"), np.uint8)


def _unpacked(value: Any, count: int, port: str) -> tuple[str, ...]:
    if isinstance(value, np.ndarray) and value.dtype == np.uint8:
        lines = tuple(value.tobytes().decode("utf-8", "replace").split("\n"))
        if len(lines) == count + 1 and all(len(line.encode()) <= LONGEST_QUESTION for line in lines):
            return lines[:-1]
    raise BlockError(f"port {port!r} got a PDU whose questions do not fit its items, or are too long.")


def item_questions(meta: dict[str, Any], port: str) -> ItemQuestions:
    """What is asked of some items.

    Raises:
        BlockError: ids and questions do not fit each other.
    """
    require(meta, ("item_id", QUESTIONS), port)
    count = len(meta["item_id"]) if isinstance(meta["item_id"], np.ndarray) else -1
    _check_vector(meta, "item_id", count)
    return ItemQuestions(meta["item_id"], _unpacked(meta[QUESTIONS], count, port))


def item_truth(meta: dict[str, Any], data: np.ndarray, port: str) -> ItemTruth:
    """The truth of some items, of which there is the same number of bytes each, or none.

    Raises:
        BlockError: ids, labels and bytes do not fit each other.
    """
    require(meta, TRUTH_KEYS, port)
    count = len(meta["item_id"]) if isinstance(meta["item_id"], np.ndarray) else -1
    for key in TRUTH_KEYS:
        _check_vector(meta, key, count)
    items = _items_of(data, count, port)
    return ItemTruth(meta["item_id"], meta["label"], items, *_shown_as(meta, items.shape[1], port))


def _items_of(data: np.ndarray, count: int, port: str) -> np.ndarray:
    if data.dtype != np.uint8:
        raise BlockError(f"port {port!r} got a PDU whose data are not bytes.")
    if count < 1 or len(data) % count:
        raise BlockError(f"port {port!r} got items whose bytes are no whole number for each item.")
    return data.reshape(count, len(data) // count)


def sent_meta(record: FrameRecord, **more: Any) -> dict[str, Any]:
    """Metadata of the PDU that reports a frame as sent; with its labels where one is known, as in a recording.

    Args:
        more: further keys.
    """
    return {
        **({"label": record.label} if (record.label != NOT_KNOWN).any() else {}),
        **more,
        "frame_num": record.frame_index % FRAME_NUM_MODULO,
        "frame_index": record.frame_index,
        "n_items": len(record.item_id),
        "k": record.k,
        "mode": int(record.mode),
        "item_id": record.item_id,
        "time_ns": record.time_ns,
    }


def sent_record(meta: dict[str, Any], data: np.ndarray, port: str = "sent") -> FrameRecord:
    """The frame that a PDU reports, with as many ids as items.

    Labels and the items' bytes may be there: those of a recording, or of a transmitter of the version before, whose
    source does not publish them.

    Args:
        meta, data: of the PDU.
        port: where it came in, for messages.

    Raises:
        BlockError: the PDU is none of a frame.
    """
    require(meta, KEYS, port)
    _check_whole(meta, "frame_index", 0, _INDEX_LIMIT)
    _check_whole(meta, "k", 1, MAX_K)
    _check_whole(meta, "n_items", 1, MAX_ITEMS)
    _check_whole(meta, "time_ns", -(2**63), 2**63)
    mode = meta.setdefault("mode", int(FrameMode.NORMAL))  # of a transmitter of the version before
    _check_whole(meta, "mode", 0, max(FrameMode))
    count = meta["n_items"]
    label = meta.setdefault("label", np.full(count, NOT_KNOWN, np.int32))
    for key in TRUTH_KEYS:
        _check_vector(meta, key, count)
    items = _items_of(data, count, port)
    shape, name = _shown_as(meta, items.shape[1], port)
    ids, time_ns = meta["item_id"], meta["time_ns"]
    index, k = meta["frame_index"], meta["k"]
    return FrameRecord(index, k, ids, label, items, time_ns, mode=mode, item_shape=shape, modality=name)


def _shown_as(meta: dict[str, Any], item_bytes: int, port: str) -> tuple[tuple[int, ...], str]:
    """Shape and modality of items, as far as a PDU names them."""
    shape, name = meta.get("item_shape"), meta.get("modality", "")
    if shape is not None and item_bytes:
        is_whole = isinstance(shape, np.ndarray) and shape.ndim == 1 and shape.dtype.kind in "iu"
        if not (is_whole and fits_shape(shape, item_bytes)):
            raise BlockError(f"port {port!r} got a PDU whose 'item_shape' is not that of its items.")
    if not isinstance(name, str) or len(name) > LONGEST_NAME:
        raise BlockError(f"port {port!r} got a PDU whose 'modality' is no name.")
    return () if shape is None or not item_bytes else tuple(map(int, shape)), name


def many_meta(records: Sequence[FrameRecord], time_ns: int) -> dict[str, Any]:
    """Metadata of one PDU for many frames: a PDU for each costs more than all else that a replay does about a frame.

    >>> labels, items = np.array([3, 4], np.int32), np.empty((2, 0), np.uint8)
    >>> frame = FrameRecord(7, 8, np.array([20, 21], np.int32), labels, items, 0, snr_set_db=12.5)
    >>> [(r.frame_index, r.k, r.item_id.tolist(), r.snr_set_db) for r in many_records(many_meta([frame], 0))]
    [(7, 8, [20, 21], 12.5)]
    """
    tasks = dict.fromkeys(task for record in records for task in record.targets)
    asked = [text for record in records for text in record.questions or ("",) * len(record.item_id)]
    set_db = [np.nan if record.snr_set_db is None else record.snr_set_db for record in records]
    return {
        # PMT knows no vectors of 64 bits that are as quick: these travel as bytes.
        MANY: np.array([record.frame_index for record in records], np.int64).view(np.uint8),
        "ks": np.array([record.k for record in records], np.int32),
        "modes": np.array([record.mode for record in records], np.int32),
        "n_items": np.array([len(record.item_id) for record in records], np.int32),
        "item_id": np.concatenate([record.item_id for record in records]),
        "label": np.concatenate([record.label for record in records]),
        "snr_set_db": np.array(set_db, np.float64).view(np.uint8),
        "time_ns": time_ns,
        **{_TARGET_OF + task: _targets_of_all(records, task) for task in tasks},
        **({QUESTIONS: _packed(asked)} if any(record.questions for record in records) else {}),
    }


def _targets_of_all(records: Sequence[FrameRecord], task: str) -> np.ndarray:
    columns = [record.targets.get(task, np.full(len(record.item_id), NOT_KNOWN)) for record in records]
    return np.concatenate(columns).astype(np.int32)


def many_records(meta: dict[str, Any]) -> Iterator[FrameRecord]:
    """The frames that a PDU with `MANY` reports.

    Raises:
        BlockError: its columns do not fit each other.
    """
    require(meta, MANY_KEYS, "sent")
    _check_whole(meta, "time_ns", -(2**63), 2**63)
    frames = len(meta["ks"]) if isinstance(meta["ks"], np.ndarray) else -1
    for key in ("ks", "modes", "n_items"):
        _check_vector(meta, key, frames)
    items = int(meta["n_items"].sum())
    targets = {key: task_of(key.removeprefix(_TARGET_OF)).name for key in meta if key.startswith(_TARGET_OF)}
    for key in ("item_id", "label", *targets):
        _check_vector(meta, key, items)
    for key in (MANY, "snr_set_db"):
        _check_vector(meta, key, 8 * frames)  # as bytes
    whole = (meta["n_items"] >= 0).all() and (meta["n_items"] <= MAX_ITEMS).all() and (meta["ks"] >= 0).all()
    whole = whole and (meta["modes"] >= 0).all() and (meta["modes"] <= max(FrameMode)).all()
    if not (whole and (meta[MANY].view(np.int64) >= 0).all()):
        raise BlockError("port 'sent' got frames with a number that is out of range.")
    set_snrs_db = meta["snr_set_db"].view(np.float64)
    asked = _unpacked(meta[QUESTIONS], items, "sent") if QUESTIONS in meta else ()
    columns = (meta[MANY].view(np.int64), meta["ks"], meta["modes"], meta["n_items"], set_snrs_db)
    stop = 0
    for index, k, mode, count, snr_db in zip(*(column.tolist() for column in columns), strict=True):
        start, stop = stop, stop + count
        set_db = None if snr_db != snr_db else snr_db
        ids, label, none = meta["item_id"][start:stop], meta["label"][start:stop], np.empty((count, 0), np.uint8)
        own = {task: meta[key][start:stop] for key, task in targets.items()}
        record = FrameRecord(index, k, ids, label, none, meta["time_ns"], set_db, mode=mode, targets=own)
        record.questions = asked[start:stop]
        yield record


def check_truth(meta: dict[str, Any]) -> None:
    """Raise `BlockError` unless a PDU says which SNR the channel set for a frame."""
    require(meta, ("frame_index", "snr_db"), "truth")
    _check_whole(meta, "frame_index", 0, _INDEX_LIMIT)
    if isinstance(meta["snr_db"], bool) or not isinstance(meta["snr_db"], (int, float)):
        raise BlockError("port 'truth' got a PDU whose 'snr_db' is no number.")


def _check_whole(meta: dict[str, Any], key: str, low: int, high: int) -> None:
    value = meta[key]
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not low <= value <= high:
        raise BlockError(f"port 'sent' or 'truth' got a PDU whose {key!r} is no whole number, or out of range.")


def _check_vector(meta: dict[str, Any], key: str, length: int) -> None:
    value = meta[key]
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "iu" or value.shape != (length,):
        raise BlockError(
            f"port 'sent' or 'truth' got a PDU whose {key!r} is not as long as it has items, or of another type."
        )
