# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples and tags that a ZMQ sink of GNU Radio sends, read without GNU Radio and within bounds.

A sink that passes tags puts a header in front of the samples (``tag_headers.cc`` of gr-zeromq): magic, version, the
first sample's place, the number of tags, and for each its place, key, value and source. GNU Radio's own source
believes the number, and gives the rest to PMT's parser.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from sdr_sc.link.network.pdu_wire import BAD_VALUE, CUT_SHORT, TOO_LARGE, Refusal, read_plain_value

MOST_BYTES = 16 << 20
MOST_TAGS = 4096
NO_SAMPLES = "no whole samples"
TAG_ELSEWHERE = "tag beyond its samples"

_MAGIC = struct.pack("<HB", 0x5FF0, 1)
_HEAD = struct.Struct("<HBQQ")
_PLACE = struct.Struct("<Q")
_TUPLE = 0x0C
_MOST_ELEMENTS = 8
_SAMPLE_BYTES = 8


@dataclass(frozen=True)
class Tag:
    """A tag of a stream.

    Attributes:
        place: sample within the message that it belongs to.
        value, source: a number, flag, text or array; a value may be a tuple of these.
    """

    place: int
    key: str
    value: Any
    source: Any


def read_samples(raw: bytes) -> tuple[np.ndarray, list[Tag]]:
    """The complex64 samples and the tags of a message, with a header or without.

    Raises:
        Refusal: it is neither.

    >>> read_samples(np.array([1 + 2j], np.complex64).tobytes())
    (array([1.+2.j], dtype=complex64), [])
    """
    if len(raw) > MOST_BYTES:
        raise Refusal(TOO_LARGE)
    tags, begin = _read_tags(raw) if raw.startswith(_MAGIC) else ([], 0)
    count, rest = divmod(len(raw) - begin, _SAMPLE_BYTES)
    if rest or not count:
        raise Refusal(NO_SAMPLES)
    if any(tag.place >= count for tag in tags):
        raise Refusal(TAG_ELSEWHERE)
    return np.frombuffer(raw, np.complex64, count, begin), tags


def _read_tags(raw: bytes) -> tuple[list[Tag], int]:
    if len(raw) < _HEAD.size:
        raise Refusal(CUT_SHORT)
    _, _, first, count = _HEAD.unpack_from(raw)
    if count > MOST_TAGS:
        raise Refusal(TOO_LARGE)
    tags, place = [], _HEAD.size
    for _ in range(count):
        if place + _PLACE.size >= len(raw):
            raise Refusal(CUT_SHORT)
        (offset,) = _PLACE.unpack_from(raw, place)
        key, place = read_plain_value(raw, place + _PLACE.size)
        if not isinstance(key, str):
            raise Refusal(BAD_VALUE)
        value, place = _read_value(raw, place)
        source, place = read_plain_value(raw, place)
        if offset < first:
            raise Refusal(TAG_ELSEWHERE)
        tags.append(Tag(offset - first, key, value, source))
    return tags, place


def _read_value(raw: bytes, place: int) -> tuple[Any, int]:
    """A value that may be a tuple, such as the time of a USRP."""
    if raw[place : place + 1] != bytes((_TUPLE,)):
        return read_plain_value(raw, place)
    count = int.from_bytes(raw[place + 1 : place + 5], "big")
    if count > _MOST_ELEMENTS:
        raise Refusal(BAD_VALUE)
    values, place = [], place + 5
    for _ in range(count):
        value, place = read_plain_value(raw, place)
        values.append(value)
    return tuple(values), place
