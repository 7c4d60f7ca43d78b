# SPDX-License-Identifier: GPL-3.0-or-later
"""Numpy arrays and dictionaries to and from PMT, fast.

``pmt.to_pmt`` and ``pmt.to_python`` go through a Python list, 0.1 us a value, and a call for each key. PMT's own
serialised form is tags, lengths and big-endian values, which Python and numpy write and read at memory speed. It is
what GNU Radio sends over ZMQ and writes to files, and has been the same since 3.7.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any

import numpy as np
import pmt

# Tags of the serialised form (pmt_serial_tags.h).
_TRUE, _FALSE, _SYMBOL, _NULL, _PAIR, _DICT = b"\x00", b"\x01", b"\x02", b"\x06", b"\x07", b"\x09"
_INT32, _DOUBLE, _INT64 = struct.Struct(">bi"), struct.Struct(">bd"), struct.Struct(">bq")
_VECTOR = struct.Struct(">BBIBB")  # tag, type, length, number of padding bytes, one byte of padding
_TYPES = {
    np.dtype(np.uint8): 0x00,
    np.dtype(np.int32): 0x05,
    np.dtype(np.float32): 0x08,
    np.dtype(np.complex64): 0x0A,
}
_KINDS: dict[int, Any] = {code: kind for kind, code in _TYPES.items()}
_READERS = (
    (pmt.is_c32vector, np.complex64),
    (pmt.is_f32vector, np.float32),
    (pmt.is_u8vector, np.uint8),
    (pmt.is_s32vector, np.int32),
)
_ENTRY = _DICT + _PAIR + _SYMBOL
_VECTOR_HEAD = struct.Struct(">BIB")  # type, length, number of padding bytes


def to_vector(values: np.ndarray) -> pmt.pmt_base:
    """A uniform vector of one-dimensional values; complex64, float32 and uint8 take the fast way."""
    return pmt.deserialize_str(b"".join(_vector(values)))


def to_pair(meta: dict[str, Any], values: np.ndarray) -> pmt.pmt_base:
    """A dictionary and a uniform vector as a pair, which is what a PDU is."""
    parts: list[Any] = [_PAIR]
    for key, value in reversed(meta.items()):  # as dict_add does, the last in front
        parts.append(_key(key))
        if isinstance(value, np.ndarray):
            parts += _vector(value)
        else:
            parts.append(_value(value))
    return pmt.deserialize_str(b"".join((*parts, _NULL, *_vector(values))))


@lru_cache(maxsize=256)
def _key(key: str) -> bytes:
    return _DICT + _PAIR + _symbol(key)


def _symbol(text: str) -> bytes:
    raw = text.encode()
    return _SYMBOL + struct.pack(">H", len(raw)) + raw


def _value(value: Any) -> bytes:
    if isinstance(value, np.generic):
        value = value.item()
    if type(value) is int and -(2**63) <= value < 2**63:
        return _INT32.pack(0x03, value) if -(2**31) <= value < 2**31 else _INT64.pack(0x0D, value)
    if type(value) is float:
        return _DOUBLE.pack(0x04, value)
    if type(value) is bool:
        return _TRUE if value else _FALSE
    return pmt.serialize_str(pmt.to_pmt(value))


def _vector(values: np.ndarray) -> tuple[Any, ...]:
    """Pieces of the serialised form; the values as they lie in memory, so that they are copied once."""
    kind = _TYPES.get(values.dtype)
    if kind is None:
        return (pmt.serialize_str(pmt.to_pmt(values)),)
    return _VECTOR.pack(0x0A, kind, len(values), 1, 0), _big_endian(np.ascontiguousarray(values)).data


def from_vector(vector: pmt.pmt_base) -> np.ndarray:
    """The values of a uniform vector, in an array of its own."""
    for is_kind, kind in _READERS:
        if is_kind(vector):
            raw = pmt.serialize_str(vector)
            count = pmt.length(vector)
            size = np.dtype(kind).itemsize * count
            # Behind the header comes padding of a length that the header tells; the values are the rest.
            return _big_endian(np.frombuffer(raw, np.uint8)[len(raw) - size :].view(kind)).copy()
    return pmt.to_python(vector)


def read_dict(dictionary: pmt.pmt_base) -> dict[str, Any] | None:
    """A dictionary with text as keys; None where it holds something that this does not read."""
    raw = pmt.serialize_str(dictionary)
    found: dict[str, Any] = {}
    place = 0
    while raw[place : place + 3] == _ENTRY:
        begin = place + 5
        stop = begin + int.from_bytes(raw[place + 3 : begin], "big")
        value, place = _read_value(raw, stop)
        if place < 0:
            return None
        found.setdefault(_text(raw[begin:stop]), value)  # the entry in front holds
    return found if raw[place:] == _NULL else None


def _read_value(raw: bytes, place: int) -> tuple[Any, int]:
    """A value, and the place behind it; -1 for one that is not known here."""
    tag = raw[place]
    if tag == 0x03:
        return _INT32.unpack_from(raw, place)[1], place + 5
    if tag == 0x04:
        return _DOUBLE.unpack_from(raw, place)[1], place + 9
    if tag == 0x0D:
        return _INT64.unpack_from(raw, place)[1], place + 9
    if tag == 0x0A:
        code, length, padding = _VECTOR_HEAD.unpack_from(raw, place + 1)
        kind = _KINDS.get(code)
        if kind is not None:
            begin = place + 7 + padding
            return _big_endian(np.frombuffer(raw, kind, length, begin)).copy(), begin + length * kind.itemsize
    if tag in (0x00, 0x01):
        return tag == 0x00, place + 1
    return None, -1


@lru_cache(maxsize=256)
def _text(raw: bytes) -> str:
    return raw.decode()


def _big_endian(values: np.ndarray) -> np.ndarray:
    """The same values with the bytes of each real number in the other order (its own inverse)."""
    return values if values.itemsize == 1 else values.view(np.float32).byteswap().view(values.dtype)
