# SPDX-License-Identifier: GPL-3.0-or-later
"""News of frames that were sent, checked before it is counted: it may come from another host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from sdr_sc.errors import BlockError
from sdr_sc.link.frames.annotated_frames import MANY, MANY_KEYS, many_frames
from sdr_sc.link.frames.frame_fields import fits_shape, require
from sdr_sc.link.frames.frame_record import FrameRecord
from sdr_sc.phy.frame.header import MAX_ITEMS, MAX_K
from sdr_sc.semantic.specs import LONGEST_NAME

KEYS = ("frame_index", "k", "item_id", "label", "n_items", "time_ns")
_INDEX_LIMIT = 1 << 48  # 10,000 frames a second for 800 years


def check_sent(meta: dict[str, Any], item_bytes: int | None) -> None:
    """Raise `BlockError` unless a PDU reports one frame, with as many ids and labels as items.

    Args:
        meta: of the PDU.
        item_bytes: bytes of the PDU's data; None where there is no data to check.
    """
    require(meta, KEYS, "sent")
    _check_whole(meta, "frame_index", 0, _INDEX_LIMIT)
    _check_whole(meta, "k", 1, MAX_K)
    _check_whole(meta, "n_items", 1, MAX_ITEMS)
    _check_whole(meta, "time_ns", -(2**63), 2**63)
    for key in ("item_id", "label"):
        _check_vector(meta, key, meta["n_items"])
    if item_bytes is not None and item_bytes % meta["n_items"]:
        raise BlockError("port 'sent' got a frame whose bytes are no whole number for each item.")
    shape, name = meta.get("item_shape"), meta.get("modality", "")
    if shape is not None and item_bytes:
        is_whole = isinstance(shape, np.ndarray) and shape.ndim == 1 and shape.dtype.kind in "iu"
        if not (is_whole and fits_shape(shape, item_bytes // meta["n_items"])):
            raise BlockError("port 'sent' got a PDU whose 'item_shape' is not that of its items.")
    if not isinstance(name, str) or len(name) > LONGEST_NAME:
        raise BlockError("port 'sent' got a PDU whose 'modality' is no name.")


def sent_record(meta: dict[str, Any], items: np.ndarray) -> FrameRecord:
    """The frame that a PDU reports.

    Args:
        meta, items: of the PDU.

    Raises:
        BlockError: the PDU is none of a frame.
    """
    if items.dtype != np.uint8:
        raise BlockError("port 'sent' got a PDU whose data are not bytes.")
    check_sent(meta, len(items))
    return FrameRecord(
        frame_index=meta["frame_index"],
        k=meta["k"],
        item_id=meta["item_id"],
        label=meta["label"],
        items=items.reshape(meta["n_items"], len(items) // meta["n_items"]),
        item_shape=tuple(map(int, meta.get("item_shape", ()))),
        modality=meta.get("modality", ""),
        time_ns=meta["time_ns"],
    )


def many_records(meta: dict[str, Any]) -> Iterator[FrameRecord]:
    """The frames that a PDU with `MANY` reports.

    Raises:
        BlockError: its columns do not fit each other.
    """
    require(meta, MANY_KEYS, "sent")
    _check_whole(meta, "time_ns", -(2**63), 2**63)
    frames = len(meta["ks"]) if isinstance(meta["ks"], np.ndarray) else -1
    for key in ("ks", "n_items"):
        _check_vector(meta, key, frames)
    items = int(meta["n_items"].sum())
    for key in ("item_id", "label"):
        _check_vector(meta, key, items)
    for key in (MANY, "snr_set_db"):
        _check_vector(meta, key, 8 * frames)  # as bytes
    whole = (meta["n_items"] >= 0).all() and (meta["n_items"] <= MAX_ITEMS).all() and (meta["ks"] >= 0).all()
    if not (whole and (meta[MANY].view(np.int64) >= 0).all()):
        raise BlockError("port 'sent' got frames with a number that is out of range.")
    for index, k, item_id, label, set_db in many_frames(meta):
        none = np.empty((len(label), 0), np.uint8)
        yield FrameRecord(index, k, item_id, label, none, meta["time_ns"], set_db)


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
        raise BlockError(f"port 'sent' got a PDU whose {key!r} is not as long as it has items, or of another type.")
