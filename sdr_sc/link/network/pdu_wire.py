# SPDX-License-Identifier: GPL-3.0-or-later
"""PDUs as bytes: PMT's serialised form, written and read without GNU Radio.

The form is tags, lengths and big-endian values (``pmt_serial_tags.h``), and has been the same since GNU Radio 3.7.
PMT's own parser calls itself once a byte and believes every count, so bytes of a stranger end the process or fill
its memory. The reader here takes the one shape that a PDU has, a dictionary of plain values with a uniform vector:
without recursion, with every length compared with the bytes that are left before anything is allocated. What it
refuses, it refuses by `Refusal` alone.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

MOST_KEYS = 64
LONGEST_TEXT = 256
"""Bytes of a key, or of a text as a value."""

# Kinds of refusal: what a user and summary.json are given.
TOO_LARGE = "too large"
NOT_PDU = "not a PDU"
CUT_SHORT = "cut short"
TRAILING = "bytes after the end"
TOO_MANY_KEYS = "too many keys"
BAD_KEY = "key that is no name"
REPEATED_KEY = "repeated key"
BAD_VALUE = "value of a foreign kind"

# Tags of the serialised form.
_TRUE, _FALSE, _SYMBOL, _INT32, _DOUBLE, _COMPLEX, _NULL, _PAIR = range(8)
_DICT, _UNIFORM, _UINT64, _INT64 = 0x09, 0x0A, 0x0B, 0x0D
_ENTRY = bytes((_DICT, _PAIR, _SYMBOL))
_NULL_BYTE = bytes((_NULL,))
_PAIR_BYTE = bytes((_PAIR,))
_PACK_INT32, _PACK_DOUBLE, _PACK_INT64 = struct.Struct(">bi"), struct.Struct(">bd"), struct.Struct(">bq")
_PACK_TEXT = struct.Struct(">bH")
_PACK_VECTOR = struct.Struct(">BBIBB")  # tag, type, length, number of padding bytes, one byte of padding
_VECTOR_HEAD = struct.Struct(">BIB")  # type, length, number of padding bytes
_NUMBERS: dict[int, tuple[struct.Struct, int]] = {
    _INT32: (struct.Struct(">i"), 5),
    _DOUBLE: (struct.Struct(">d"), 9),
    _INT64: (struct.Struct(">q"), 9),
    _UINT64: (struct.Struct(">Q"), 9),
}
_PAIR_OF_DOUBLES = struct.Struct(">dd")
_KINDS: dict[int, np.dtype] = {
    code: np.dtype(kind)
    for code, kind in enumerate(
        (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64,
         np.float32, np.float64, np.complex64, np.complex128)
    )
}  # fmt: skip
_CODES = {kind: code for code, kind in _KINDS.items()}
_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_.:\-]*\Z")


class Refusal(Exception):  # noqa: N818 - what is refused is a stranger's error
    """Bytes that are not what is expected.

    Attributes:
        kind: the reason, one of a few short texts that are counted apart.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def write_pdu(meta: dict[str, Any], values: np.ndarray, other: Callable[[Any], bytes] | None = None) -> bytes:
    """A PDU as bytes, as ``pmt.serialize_str`` writes it.

    Args:
        meta: keys and values: int, float, bool, short text and one-dimensional arrays, and numpy's scalars.
        values: one-dimensional array of a type that PMT has a uniform vector for.
        other: serialises a value of another type.

    Raises:
        TypeError: a value of another type, and no ``other``.
    """
    parts: list[Any] = [_PAIR_BYTE]
    for key, value in reversed(meta.items()):  # as PMT's dict_add does, the last in front
        parts.append(_key_head(key))
        if isinstance(value, np.ndarray):
            parts += vector_parts(value, other)
        else:
            parts.append(_value(value, other))
    return b"".join((*parts, _NULL_BYTE, *vector_parts(values, other)))


def vector_parts(values: np.ndarray, other: Callable[[Any], bytes] | None = None) -> tuple[Any, ...]:
    """Pieces of a uniform vector as bytes; the values as they lie in memory, so that they are copied once."""
    code = _CODES.get(values.dtype)
    if code is None or values.ndim != 1:
        return (_foreign(values, other),)
    # A byte of padding is what PMT writes.
    return _PACK_VECTOR.pack(_UNIFORM, code, len(values), 1, 0), big_endian(np.ascontiguousarray(values)).data


@lru_cache(maxsize=256)
def _key_head(key: str) -> bytes:
    raw = key.encode()
    return _ENTRY + struct.pack(">H", len(raw)) + raw


def _value(value: Any, other: Callable[[Any], bytes] | None) -> bytes:
    if isinstance(value, np.generic):
        value = value.item()
    if type(value) is int and -(2**63) <= value < 2**63:
        return _PACK_INT32.pack(_INT32, value) if -(2**31) <= value < 2**31 else _PACK_INT64.pack(_INT64, value)
    if type(value) is float:
        return _PACK_DOUBLE.pack(_DOUBLE, value)
    if type(value) is bool:
        return bytes((_FALSE - value,))
    if type(value) is str and len(raw := value.encode()) <= LONGEST_TEXT:
        return _PACK_TEXT.pack(_SYMBOL, len(raw)) + raw
    return _foreign(value, other)


def _foreign(value: Any, other: Callable[[Any], bytes] | None) -> bytes:
    if other is None:
        raise TypeError(f"no serialised form for a {type(value).__name__}")
    return other(value)


def read_pdu_bytes(raw: bytes, most_bytes: int) -> tuple[dict[str, Any], np.ndarray]:
    """Metadata and values of a PDU.

    Args:
        raw: what somebody sent.
        most_bytes: longer ones are refused; nothing larger than the message itself is ever allocated.

    Raises:
        Refusal: it is no PDU within these bounds.

    >>> read_pdu_bytes(write_pdu({"k": 8}, np.array([1, 2], np.uint8)), 1000)
    ({'k': 8}, array([1, 2], dtype=uint8))
    >>> read_pdu_bytes(bytes([7]) * 100_000, 1 << 20)
    Traceback (most recent call last):
    sdr_sc.link.network.pdu_wire.Refusal: not a PDU
    """
    if len(raw) > most_bytes:
        raise Refusal(TOO_LARGE)
    return read_pair_bytes(raw, _name)


def read_pair_bytes(raw: bytes, name: Callable[[bytes], str]) -> tuple[dict[str, Any], np.ndarray]:
    """As `read_pdu_bytes`, with another reader of keys and no bound but the message's length."""
    if raw[:1] != _PAIR_BYTE:
        raise Refusal(NOT_PDU)
    meta, place = _read_entries(raw, 1, name)
    if raw[place : place + 1] != b"\x0a":
        raise Refusal(NOT_PDU if place < len(raw) else CUT_SHORT)
    values, place = _read_vector(raw, place)
    if place != len(raw):
        raise Refusal(TRAILING)
    return meta, values


def _read_entries(raw: bytes, place: int, name: Callable[[bytes], str]) -> tuple[dict[str, Any], int]:
    """The entries of a serialised dictionary from ``place`` on, and the place after it.

    Args:
        name: from a key's bytes to the key.

    Raises:
        Refusal: it is no dictionary of plain values.
    """
    found: dict[str, Any] = {}
    while raw[place : place + 3] == _ENTRY:
        begin = place + 5
        stop = begin + int.from_bytes(raw[place + 3 : begin], "big")
        if stop >= len(raw):
            raise Refusal(CUT_SHORT)
        if len(found) >= MOST_KEYS:
            raise Refusal(TOO_MANY_KEYS)
        key = name(raw[begin:stop])
        if key in found:
            raise Refusal(REPEATED_KEY)
        found[key], place = read_plain_value(raw, stop)
    if raw[place : place + 1] != _NULL_BYTE:
        raise Refusal(NOT_PDU if place < len(raw) else CUT_SHORT)
    return found, place + 1


def read_plain_value(raw: bytes, place: int) -> tuple[Any, int]:
    """A number, flag, text or uniform vector, and the place after it.

    Raises:
        Refusal: there is none.
    """
    if place >= len(raw):
        raise Refusal(CUT_SHORT)
    tag = raw[place]
    number = _NUMBERS.get(tag)
    if number is not None:
        form, size = number
        if place + size > len(raw):
            raise Refusal(CUT_SHORT)
        return form.unpack_from(raw, place + 1)[0], place + size
    if tag == _UNIFORM:
        return _read_vector(raw, place)
    if tag <= _FALSE:
        return tag == _TRUE, place + 1
    if tag == _SYMBOL:
        return _read_text(raw, place)
    if tag == _COMPLEX:
        if place + 17 > len(raw):
            raise Refusal(CUT_SHORT)
        return complex(*_PAIR_OF_DOUBLES.unpack_from(raw, place + 1)), place + 17
    raise Refusal(BAD_VALUE)


def _read_text(raw: bytes, place: int) -> tuple[str, int]:
    begin = place + 3
    stop = begin + int.from_bytes(raw[place + 1 : begin], "big")
    if stop > len(raw):
        raise Refusal(CUT_SHORT)
    if stop - begin > LONGEST_TEXT:
        raise Refusal(BAD_VALUE)
    try:
        return raw[begin:stop].decode(), stop
    except UnicodeDecodeError:
        raise Refusal(BAD_VALUE) from None


def _read_vector(raw: bytes, place: int) -> tuple[np.ndarray, int]:
    """A uniform vector in an array of its own; the tag at ``place`` is known."""
    if place + 7 > len(raw):
        raise Refusal(CUT_SHORT)
    code, count, padding = _VECTOR_HEAD.unpack_from(raw, place + 1)
    kind = _KINDS.get(code)
    if kind is None:
        raise Refusal(BAD_VALUE)
    begin = place + 7 + padding
    stop = begin + count * kind.itemsize  # whole numbers of Python: no overflow
    if stop > len(raw):
        raise Refusal(CUT_SHORT)
    return big_endian(np.frombuffer(raw, kind, count, begin)).copy(), stop


@lru_cache(maxsize=256)
def _name(raw: bytes) -> str:
    if len(raw) > LONGEST_TEXT or not _NAME.match(raw):
        raise Refusal(BAD_KEY)
    return raw.decode("ascii")


def big_endian(values: np.ndarray) -> np.ndarray:
    """The same values with the bytes of each real number in the other order (its own inverse)."""
    if values.itemsize == 1:
        return values
    if values.dtype.kind == "c":
        return values.view(np.float32 if values.itemsize == 8 else np.float64).byteswap().view(values.dtype)
    return values.byteswap()
