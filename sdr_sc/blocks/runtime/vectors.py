# SPDX-License-Identifier: GPL-3.0-or-later
"""Numpy arrays and dictionaries to and from PMT, fast.

``pmt.to_pmt`` and ``pmt.to_python`` go through a Python list, 0.1 us a value, and a call for each key. PMT's own
serialised form is tags, lengths and big-endian values, which Python and numpy write and read at memory speed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pmt

from sdr_sc.link.network.pdu_wire import Refusal, big_endian, read_pair_bytes, vector_parts, write_pdu

_READERS = (
    (pmt.is_c32vector, np.complex64),
    (pmt.is_f32vector, np.float32),
    (pmt.is_u8vector, np.uint8),
    (pmt.is_s32vector, np.int32),
)


def to_vector(values: np.ndarray) -> pmt.pmt_base:
    """A uniform vector of one-dimensional values."""
    return pmt.deserialize_str(b"".join(vector_parts(values, _other)))


def to_pair(meta: dict[str, Any], values: np.ndarray) -> pmt.pmt_base:
    """A dictionary and a uniform vector as a pair, which is what a PDU is."""
    return pmt.deserialize_str(write_pdu(meta, values, _other))


def _other(value: Any) -> bytes:
    return pmt.serialize_str(pmt.to_pmt(value))


def from_vector(vector: pmt.pmt_base) -> np.ndarray:
    """The values of a uniform vector, in an array of its own."""
    for is_kind, kind in _READERS:
        if is_kind(vector):
            raw = pmt.serialize_str(vector)
            count = pmt.length(vector)
            size = np.dtype(kind).itemsize * count
            # After the header comes padding of a length that the header says; the values are the rest.
            return big_endian(np.frombuffer(raw, np.uint8)[len(raw) - size :].view(kind)).copy()
    return pmt.to_python(vector)


def read_pair(message: pmt.pmt_base) -> tuple[dict[str, Any], np.ndarray] | None:
    """A dictionary with text as keys and a uniform vector; None where the message holds something else.

    It comes from a block of this process, so its keys may be any text.
    """
    raw = pmt.serialize_str(message)
    try:
        return read_pair_bytes(raw, _text)
    except Refusal:
        return None


@lru_cache(maxsize=256)
def _text(raw: bytes) -> str:
    return raw.decode()
