# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame header: its fields, and how they become BPSK values on the header's subcarriers."""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sdr_sc.phy.frame import header_code
from sdr_sc.phy.frame.interleave import permutation
from sdr_sc.phy.frame.sequences import pn_signs
from sdr_sc.phy.numerology import Numerology

PROTOCOL_VERSION = 1
FRAME_NUM_MODULO = 1 << 12
MAX_K = 256
MAX_ITEMS = 64
POWER_SCALE_STEP_DB = 0.5
# Field name, width in bits; the order on the air, most significant bit first.
_LAYOUT = (("version", 3), ("model_id", 16), ("k", 8), ("n_items", 6), ("frame_num", 12), ("task", 4), ("power", 7))
_FIELD_BITS = sum(width for _, width in _LAYOUT)
_CRC_BITS = 16
INFO_BITS = _FIELD_BITS + _CRC_BITS
CODED_BITS = 3 * INFO_BITS


@dataclass(frozen=True)
class Header:
    """What the receiver has to know of a frame before it can read the payload.

    Attributes:
        model_id: 16-bit id of the model (`ModelContract.wire_id`).
        k: feature symbols per item, 1..256.
        n_items: items in the frame, 1..64.
        frame_num: frame counter modulo 4096.
        task: 0..15, the model's task and modality.
        power_scale_db: power of the payload over that of the preamble, -32..31.5 dB in steps of 0.5 dB.
        version: protocol version, 0..7.

    Raises:
        ValueError: a field out of range.
    """

    model_id: int
    k: int
    n_items: int
    frame_num: int
    task: int = 0
    power_scale_db: float = 0.0
    version: int = PROTOCOL_VERSION

    def __post_init__(self) -> None:
        for name, low, high in (
            ("model_id", 0, 0xFFFF),
            ("k", 1, MAX_K),
            ("n_items", 1, MAX_ITEMS),
            ("frame_num", 0, FRAME_NUM_MODULO - 1),
            ("task", 0, 15),
            ("power_scale_db", -32.0, 31.5),
            ("version", 0, 7),
        ):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"header field {name} is {getattr(self, name)}, outside {low}..{high}")
        if (self.power_scale_db / POWER_SCALE_STEP_DB) % 1:
            raise ValueError(f"header field power_scale_db is {self.power_scale_db}, not a multiple of 0.5")

    @property
    def feature_symbols(self) -> int:
        """Complex feature symbols in the payload."""
        return self.k * self.n_items


def pack(header: Header) -> np.ndarray:
    """uint8 (72,): the fields' bits and the CRC-16-CCITT over them."""
    values = (
        header.version,
        header.model_id,
        header.k - 1,
        header.n_items - 1,
        header.frame_num,
        header.task,
        round(header.power_scale_db / POWER_SCALE_STEP_DB) + 64,
    )
    word = 0
    for value, (_, width) in zip(values, _LAYOUT, strict=True):
        word = (word << width) | value
    fields = word.to_bytes(_FIELD_BITS // 8, "big")
    crc = binascii.crc_hqx(fields, 0xFFFF).to_bytes(2, "big")
    return np.unpackbits(np.frombuffer(fields + crc, np.uint8))


def unpack(bits: np.ndarray) -> Header | None:
    """The header in 72 bits, or None if the CRC or the protocol version is not right.

    >>> header = Header(model_id=0xBEEF, k=16, n_items=4, frame_num=7, power_scale_db=-1.5)
    >>> unpack(pack(header)) == header
    True
    """
    raw = np.packbits(bits).tobytes()
    if binascii.crc_hqx(raw[:-2], 0xFFFF) != int.from_bytes(raw[-2:], "big"):
        return None
    word, values = int.from_bytes(raw[:-2], "big"), []
    for _, width in reversed(_LAYOUT):
        values.append(word & ((1 << width) - 1))
        word >>= width
    power, task, frame_num, n_items, k, model_id, version = values
    if version != PROTOCOL_VERSION:
        return None
    return Header(model_id, k + 1, n_items + 1, frame_num, task, (power - 64) * POWER_SCALE_STEP_DB, version)


@lru_cache(maxsize=16)
def _mapping(places: int) -> tuple[np.ndarray, np.ndarray]:
    """For each place on the air, which coded bit it carries (repeated until all are filled), and with what sign."""
    coded = np.empty(places, np.int64)
    coded[permutation(places)] = np.arange(places) % CODED_BITS
    return coded, pn_signs(places, seed=0x2C5B)


def encode(header: Header, numerology: Numerology) -> np.ndarray:
    """float32 (header_symbols, data_subcarriers) of +1 and -1."""
    return encode_bits(pack(header), numerology)


def encode_bits(bits: np.ndarray, numerology: Numerology) -> np.ndarray:
    """As `encode`, from the 72 bits that `pack` makes."""
    coded, signs = _mapping(numerology.header_symbols * numerology.data_subcarriers)
    return (header_code.encode(bits)[coded] * signs).reshape(numerology.header_symbols, -1)


def decode_bits(soft: np.ndarray) -> np.ndarray:
    """The likeliest 72 bits, for `unpack`.

    Args:
        soft: float32 (header_symbols, data_subcarriers), in proportion to the log-likelihood ratio.
    """
    coded, signs = _mapping(soft.size)
    return header_code.decode(header_code.combine(soft.ravel() * signs, coded, CODED_BITS))
