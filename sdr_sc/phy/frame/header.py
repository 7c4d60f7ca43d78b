# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame header: its fields, and their bits with the check behind them, in both protocol versions."""

from __future__ import annotations

import binascii
from dataclasses import dataclass

import numpy as np

from sdr_sc.phy.frame.importance import CHECK_BITS, MOST_AGE
from sdr_sc.phy.frame.indexed import Indexed
from sdr_sc.phy.frame.modes import FrameMode

PROTOCOL_VERSION = 2
"""Of the frames that are sent unless another one is asked for."""
FRAME_NUM_MODULO = 1 << 12
MAX_K = 256
MAX_ITEMS = 255
MAX_REQUEST = 255
MAX_REFINED_SYMBOLS = (1 << 12) - 1
MAX_FEATURE_SYMBOLS = MAX_K * MAX_ITEMS + MAX_REFINED_SYMBOLS
"""Complex feature symbols of the longest payload."""
POWER_SCALE_STEP_DB = 0.5
# Version: field name, width in bits; the order on the air, most significant bit first.
_LAYOUTS = {
    1: (("version", 3), ("model_id", 16), ("k", 8), ("n_items", 6), ("frame_num", 12), ("task", 4), ("power", 7)),
    2: (
        ("version", 3),
        ("mode", 2),
        ("model_id", 16),
        ("task", 4),
        ("k", 8),
        ("n_items", 8),
        ("frame_num", 12),
        ("power", 7),
        ("request", 8),
        ("refined_symbols", 12),
    ),
}
_CRC_BITS = 16
_MAPPED = 3
"""In place of the mode, of a frame that is mapped by importance: its last two fields hold, from the highest bit on, the
mode (2 bits), ``report_age`` (6) and ``report_check`` (12). Receivers without that option refuse it, as any mode that
they do not know."""
_INDEXED = 3
"""In place of the mode of such a frame, of one with indices: the rest of these fields, and that of k, then hold an
`Indexed`. Receivers without this option refuse it likewise."""
_AGE_BITS = 6
_K_BITS = 8
_BOUNDS = {
    version: (
        ("model_id", 0, 0xFFFF),
        ("k", 1, MAX_K),
        ("n_items", 0, most_items),
        ("frame_num", 0, FRAME_NUM_MODULO - 1),
        ("task", 0, 15),
        ("power_scale_db", -32.0, 31.5),
        ("request", 0, MAX_REQUEST),
        ("refined_symbols", 0, MAX_REFINED_SYMBOLS),
        ("report_age", 0, MOST_AGE),
        ("report_check", 0, (1 << CHECK_BITS) - 1),
    )
    for version, most_items in ((1, 64), (2, MAX_ITEMS))
}
"""Field, least and largest value, by protocol version."""
INFO_BITS = {version: sum(width for _, width in layout) + _CRC_BITS for version, layout in _LAYOUTS.items()}
"""Bits of a header, its check included, by protocol version: 72 and 96."""
VERSIONS = tuple(sorted(INFO_BITS, reverse=True))
"""The protocol versions that can be read, the latest first."""
_VERSION_OF = {length: version for version, length in INFO_BITS.items()}
_MODES = {int(mode): mode for mode in FrameMode}
_PLACES = {
    version: tuple(
        (sum(width for _, width in layout[place + 1 :]), (1 << layout[place][1]) - 1) for place in range(len(layout))
    )
    for version, layout in _LAYOUTS.items()
}
"""By how much to shift a header's fields, and the mask of each, by protocol version."""


@dataclass(frozen=True)
class Header:
    """What the receiver has to know of a frame before it can read the payload.

    The payload holds ``n_items * k`` feature symbols of new items, and after them ``refined_symbols`` more of items
    that were sent before. That of a frame with indices holds what its codeword says.

    Attributes:
        model_id: 16-bit id of the model (`ModelContract.wire_id`).
        k: feature symbols per new item, 1..256.
        n_items: new items in the frame, 0..255; 0 only where there are refinements. In version 1, 1..64.
        frame_num: frame counter modulo 4096.
        task: 0..15, the model's task and modality.
        power_scale_db: power of the payload over that of the preamble, -32..31.5 dB in steps of 0.5 dB.
        version: protocol version, 1 or 2.
        mode: frame mode; in version 1 always normal.
        request: which request of the receiver the frame answers, 1..255; 0 for none, as always in version 1.
        refined_symbols: feature symbols of refinements, 0..4095; 0 in version 1.
        report_age: how many frames before this one the receiver saw the channel by which features are mapped, 1..63;
            0 where they are interleaved, as always in version 1 and in frames with a request or refinements.
        report_check: of that channel's report, see `sdr_sc.phy.frame.importance`; 0 without one.
        indexed: of a frame with indices into a knowledge base, where its codeword is; None of all others. Its k is 1,
            and its payload has no rows of items.

    Raises:
        ValueError: a field out of range, or one that the version does not have.
    """

    model_id: int
    k: int
    n_items: int
    frame_num: int
    task: int = 0
    power_scale_db: float = 0.0
    version: int = PROTOCOL_VERSION
    mode: FrameMode = FrameMode.NORMAL
    request: int = 0
    refined_symbols: int = 0
    report_age: int = 0
    report_check: int = 0
    indexed: Indexed | None = None

    def __post_init__(self) -> None:
        if self.version not in _LAYOUTS:
            raise ValueError(f"header field version is {self.version}; use one of {sorted(_LAYOUTS)}")
        for name, low, high in _BOUNDS[self.version]:
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"header field {name} is {getattr(self, name)}, outside {low}..{high}")
        if (self.power_scale_db / POWER_SCALE_STEP_DB) % 1:
            raise ValueError(f"header field power_scale_db is {self.power_scale_db}, not a multiple of 0.5")
        if not isinstance(self.mode, FrameMode):
            raise ValueError(f"header field mode is {self.mode!r}; use one of {[mode.name for mode in FrameMode]}")
        if not self.feature_symbols:
            raise ValueError("header field n_items is 0 in a frame without refinements; use 1 or more")
        if self.version == 1:
            for name, only in (("mode", FrameMode.NORMAL), ("request", 0), ("refined_symbols", 0), ("report_age", 0)):
                if getattr(self, name) != only:
                    raise ValueError(f"header field {name} is {getattr(self, name)}, which version 1 does not have")
        if self.report_age and (self.request or self.refined_symbols):
            raise ValueError("header field report_age is for frames without a request and refinements alone")
        if self.report_check and not self.report_age:
            raise ValueError("header field report_check is for frames with a report_age alone")
        if self.indexed is not None:
            plain = (self.version, self.k, self.request, self.refined_symbols, self.report_age)
            if plain != (PROTOCOL_VERSION, 1, 0, 0, 0) or not self.n_items:
                raise ValueError("header field indexed is for frames of version 2 with items, k=1 and nothing else")

    @property
    def new_symbols(self) -> int:
        """Complex feature symbols of new items in the payload, in rows of k; none in a frame with indices."""
        return self.k * self.n_items if self.indexed is None else 0

    @property
    def shape(self) -> tuple[int, int]:
        """Of the features of new items: (n_items, k), or (0, 1) in a frame with indices."""
        return (self.n_items, self.k) if self.indexed is None else (0, 1)

    @property
    def more_symbols(self) -> int:
        """Complex symbols after those of new items: refinements, or all of the payload of a frame with indices."""
        return self.refined_symbols if self.indexed is None else self.indexed.payload_symbols

    @property
    def feature_symbols(self) -> int:
        """Complex symbols in the payload: of new items, and of what follows them."""
        return self.new_symbols + self.more_symbols

    @property
    def report_frame(self) -> int:
        """Number of the frame whose channel the features are mapped by; the frame's own where they are interleaved."""
        return (self.frame_num - self.report_age) % FRAME_NUM_MODULO


def pack(header: Header) -> np.ndarray:
    """uint8 (`INFO_BITS`,): the fields' bits and the CRC-16-CCITT over them."""
    k, power = header.k - 1, round(header.power_scale_db / POWER_SCALE_STEP_DB) + 64
    values: tuple[int, ...]
    if header.version == 1:
        values = (1, header.model_id, k, header.n_items - 1, header.frame_num, header.task, power)
    else:
        mode, last = int(header.mode), (header.request, header.refined_symbols)
        if header.report_age:
            mode, last = _MAPPED, (mode << _AGE_BITS | header.report_age, header.report_check)
        if header.indexed is not None:
            rest, k = divmod(header.indexed.word(header.mode), 1 << _K_BITS)
            mode, last = _MAPPED, divmod(_INDEXED << (_AGE_BITS + CHECK_BITS) | rest, 1 << CHECK_BITS)
        values = (header.version, mode, header.model_id, header.task, k, header.n_items, header.frame_num, power, *last)
    word = 0
    for value, (_, width) in zip(values, _LAYOUTS[header.version], strict=True):
        word = (word << width) | value
    fields = word.to_bytes((INFO_BITS[header.version] - _CRC_BITS) // 8, "big")
    crc = binascii.crc_hqx(fields, 0xFFFF).to_bytes(2, "big")
    return np.unpackbits(np.frombuffer(fields + crc, np.uint8))


def is_intact(bits: np.ndarray) -> bool:
    """Whether the check of a header's bits is right."""
    raw = np.packbits(bits).tobytes()
    return binascii.crc_hqx(raw[:-2], 0xFFFF) == int.from_bytes(raw[-2:], "big")


def unpack(bits: np.ndarray) -> Header | None:
    """The header in 72 bits (version 1) or 96 (version 2); None if the check is not right, or the fields are none of
    that version: another version or mode, or a frame without features.

    >>> header = Header(model_id=0xBEEF, k=16, n_items=4, frame_num=7, power_scale_db=-1.5)
    >>> unpack(pack(header)) == header
    True
    """
    raw = np.packbits(bits).tobytes()
    if binascii.crc_hqx(raw[:-2], 0xFFFF) != int.from_bytes(raw[-2:], "big"):
        return None
    version, fields = _VERSION_OF[len(bits)], int.from_bytes(raw[:-2], "big")
    values = [fields >> shift & mask for shift, mask in _PLACES[version]]
    if values[0] != version:
        return None
    mode, request, refined, age, check = int(FrameMode.NORMAL), 0, 0, 0, 0
    if version == 1:
        _, model_id, k, n_items, frame_num, task, power = values
        n_items += 1
    else:
        _, mode, model_id, task, k, n_items, frame_num, power, request, refined = values
        if mode == _MAPPED:
            (mode, age), check, request, refined = divmod(request, MOST_AGE + 1), refined, 0, 0
            if mode == _INDEXED:
                found = Indexed.of_word((age << CHECK_BITS | check) << _K_BITS | k)
                if found is None or not n_items:
                    return None
                power_scale_db = (power - 64) * POWER_SCALE_STEP_DB
                return Header(
                    model_id, 1, n_items, frame_num, task, power_scale_db, version, found[0], indexed=found[1]
                )
            if not age:
                return None
    if mode not in _MODES or not (n_items or refined):
        return None
    power_scale_db = (power - 64) * POWER_SCALE_STEP_DB
    return Header(
        model_id, k + 1, n_items, frame_num, task, power_scale_db, version, _MODES[mode], request, refined, age, check
    )
