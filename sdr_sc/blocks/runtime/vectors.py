# SPDX-License-Identifier: GPL-3.0-or-later
"""Numpy arrays and dictionaries to and from PMT, fast.

``pmt.to_pmt`` and ``pmt.to_python`` go through a Python list, 0.1 us a value, and a call for each key. The compiled
module copies memory (`sdr_sc.blocks.runtime.pmt_arrays`). Where it is not there, PMT's own serialised form serves:
tags, lengths and big-endian values, which numpy reads at memory speed and PMT writes byte by byte. Both give the same.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pmt

from sdr_sc.blocks.runtime.pmt_arrays import compiled
from sdr_sc.link.network.pdu_wire import Refusal, big_endian, read_pair_bytes, vector_parts, write_pdu

_READERS = (
    (pmt.is_c32vector, np.complex64),
    (pmt.is_f32vector, np.float32),
    (pmt.is_u8vector, np.uint8),
    (pmt.is_s32vector, np.int32),
)
_COMPILED = compiled()


def to_vector(values: np.ndarray) -> pmt.pmt_base:
    """A uniform vector of one-dimensional values."""
    made = _COMPILED.to_vector(values) if _COMPILED else None
    return to_vector_by_bytes(values) if made is None else made


def to_pair(meta: dict[str, Any], values: np.ndarray) -> pmt.pmt_base:
    """A dictionary and a uniform vector as a pair, which is what a PDU is."""
    made = _COMPILED.to_pair(meta, values, _plain) if _COMPILED else None
    return to_pair_by_bytes(meta, values) if made is None else made


def from_vector(vector: pmt.pmt_base) -> np.ndarray:
    """The values of a uniform vector, in an array of its own."""
    found = _COMPILED.from_vector(vector) if _COMPILED else None
    return from_vector_by_bytes(vector) if found is None else found


def read_pair(message: pmt.pmt_base) -> tuple[dict[str, Any], np.ndarray] | None:
    """A dictionary with text as keys and a uniform vector; None where the message holds something else.

    It comes from a block of this process, so its keys may be any text.
    """
    return _COMPILED.read_pair(message) if _COMPILED else read_pair_by_bytes(message)


def to_vector_by_bytes(values: np.ndarray) -> pmt.pmt_base:
    """`to_vector` without the compiled module."""
    return pmt.deserialize_str(b"".join(vector_parts(values, _other)))


def to_pair_by_bytes(meta: dict[str, Any], values: np.ndarray) -> pmt.pmt_base:
    """`to_pair` without the compiled module."""
    return pmt.deserialize_str(write_pdu(meta, values, _other))


def from_vector_by_bytes(vector: pmt.pmt_base) -> np.ndarray:
    """`from_vector` without the compiled module."""
    for is_kind, kind in _READERS:
        if is_kind(vector):
            raw = pmt.serialize_str(vector)
            count = pmt.length(vector)
            size = np.dtype(kind).itemsize * count
            # After the header comes padding of a length that the header says; the values are the rest.
            return big_endian(np.frombuffer(raw, np.uint8)[len(raw) - size :].view(kind)).copy()
    return pmt.to_python(vector)


def read_pair_by_bytes(message: pmt.pmt_base) -> tuple[dict[str, Any], np.ndarray] | None:
    """`read_pair` without the compiled module."""
    raw = pmt.serialize_str(message)
    try:
        return read_pair_bytes(raw, _text)
    except Refusal:
        return None


def _other(value: Any) -> bytes:
    return pmt.serialize_str(_plain(value))


def _plain(value: Any) -> pmt.pmt_base:
    """PMT of a value that neither way knows; numpy's scalars as Python's, which PMT needs."""
    return pmt.to_pmt(value.item() if isinstance(value, np.generic) else value)


@lru_cache(maxsize=256)
def _text(raw: bytes) -> str:
    return raw.decode()
