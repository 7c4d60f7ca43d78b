# SPDX-License-Identifier: GPL-3.0-or-later
"""What the PDUs between the two ends of a link hold, checked before a block sees them.

``feedback`` is what `snr_smoother` and `semantic_decoder` say to `semantic_encoder`, ``sent`` what a transmitting host
says to `task_sink` and `sigmf_recorder` (the truth of items, their targets and what they are asked, of `item_source`; a
frame or the end, of `semantic_encoder`), ``truth`` what `channel` says to them, or a source, ``any`` a PDU of any keys
within the bounds of `pdu_wire`. Keys that a schema does not know are refused: both ends are of one version, and what
nobody reads is not a sign of that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sdr_sc.link.end_of_stream import END
from sdr_sc.link.network.pdu_wire import Refusal, read_pdu_bytes
from sdr_sc.link.parameters import fits_shape
from sdr_sc.link.refinement.requests import LONGEST_BYTES, Request
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO, MAX_ITEMS, MAX_K, MAX_REQUEST
from sdr_sc.phy.frame.importance import LONGEST_REPORT
from sdr_sc.phy.frame.modes import FrameMode
from sdr_sc.semantic.knowledge.both_ends.tag import TAG_BYTES
from sdr_sc.semantic.questions import LONGEST_QUESTION
from sdr_sc.semantic.specs import LARGEST_ITEM, LONGEST_NAME

SNR_DB = (-40.0, 80.0)
"""What a receiver may report; no estimator of ours gives more, and a CAM has no use for it."""
MOST_FRAMES = 1 << 40
HIGHEST_LABEL = 65_535

REQUEST = "request"
"""Key of a request for more symbols of single items, whose bytes are the PDU's data (`sdr_sc.link.refinement`)."""
REPORT = "report"
"""Key of what a receiver reports of the channel of a frame (`sdr_sc.phy.frame.importance`)."""
REPORT_FRAME = "report_frame"
"""In a frame to be sent, which is mapped by a report: the number of the frame that the report is of."""

BASE = "base"
"""Key of a receiver's announcement of the knowledge base that it holds (`sdr_sc.link.base_agreement`)."""
ENTRIES_READ = "entries_read"
"""In it: 1 where the entries that the frame names could be read, 0 where not; without it the frame names none."""
INDEXED = "indexed"
"""Key of a frame with indices into a knowledge base: the fields of `sdr_sc.phy.frame.indexed.Indexed`, int32."""

TARGET = "target"
"""Key of what some items are for a task beside the first one (`sdr_sc.link.frames.frame_news.task_targets_meta`)."""

ENTRIES = "entries"
"""In it, of a task that searches a gallery: `sdr_sc.semantic.gallery.entries_number` of what targets are places in."""

QUESTIONS = "questions"
"""Key of what is asked of some items, UTF-8 with a line each (`sdr_sc.link.frames.frame_news.questions_meta`)."""

SETTLED_AFTER = "settled_after"
"""Key of the word that a receiver with refinement wants nothing more after the frame of that number."""

UNKNOWN_KEY = "unknown key"
MISSING_KEY = "missing key"
WRONG_TYPE = "wrong type"
OUT_OF_RANGE = "out of range"
INCONSISTENT = "inconsistent"
OTHER_ITEMS = "items of another size"

_INT64_MAX = 2**63 - 1
Pdu = tuple[dict[str, Any], np.ndarray]


@dataclass(frozen=True)
class Whole:
    """A whole number from ``low`` to ``high``; a bool or a float is none."""

    low: int
    high: int

    def __call__(self, value: Any) -> int:
        if type(value) is not int:
            raise Refusal(WRONG_TYPE)
        if not self.low <= value <= self.high:
            raise Refusal(OUT_OF_RANGE)
        return value


@dataclass(frozen=True)
class Real:
    """A number from ``low`` to ``high``, whole or not; NaN only with ``or_nan``."""

    low: float
    high: float
    or_nan: bool = False

    def __call__(self, value: Any) -> float:
        if type(value) is not float and type(value) is not int:
            raise Refusal(WRONG_TYPE)
        if self.low <= value <= self.high or (self.or_nan and value != value):
            return float(value)
        raise Refusal(OUT_OF_RANGE)


@dataclass(frozen=True)
class Column:
    """int32 values from ``low`` to ``high``, one an item."""

    low: int
    high: int

    def __call__(self, value: Any) -> np.ndarray:
        if not isinstance(value, np.ndarray) or value.dtype != np.int32:
            raise Refusal(WRONG_TYPE)
        if not 1 <= len(value) <= MAX_ITEMS:
            raise Refusal(OUT_OF_RANGE)
        if value.min() < self.low or value.max() > self.high:
            raise Refusal(OUT_OF_RANGE)
        return value


@dataclass(frozen=True)
class Octets:
    """``shortest`` to ``longest`` bytes."""

    shortest: int
    longest: int

    def __call__(self, value: Any) -> np.ndarray:
        if not isinstance(value, np.ndarray) or value.dtype != np.uint8:
            raise Refusal(WRONG_TYPE)
        if not self.shortest <= len(value) <= self.longest:
            raise Refusal(OUT_OF_RANGE)
        return value


@dataclass(frozen=True)
class Text:
    """A text of at most so many characters."""

    longest: int

    def __call__(self, value: Any) -> str:
        if type(value) is not str:
            raise Refusal(WRONG_TYPE)
        if len(value) > self.longest:
            raise Refusal(OUT_OF_RANGE)
        return value


@dataclass(frozen=True)
class Form:
    """One kind of PDU.

    Attributes:
        required, optional: key -> check of its value, which returns the value to use or raises `Refusal`.
        data: type of the values.
        agrees: raises `Refusal` where the parts contradict one another.
    """

    required: Mapping[str, Callable[[Any], Any]]
    optional: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    data: type = np.uint8
    agrees: Callable[[dict[str, Any], np.ndarray], None] = lambda meta, data: None

    def check(self, meta: dict[str, Any], data: np.ndarray) -> Pdu:
        """The PDU as it may be used.

        Raises:
            Refusal: it is not of this form.
        """
        checked = {}
        for key, value in meta.items():
            check = self.required.get(key) or self.optional.get(key)
            if check is None:
                raise Refusal(UNKNOWN_KEY)
            checked[key] = check(value)
        if any(key not in checked for key in self.required):
            raise Refusal(MISSING_KEY)
        if len(data) and data.dtype != self.data:
            raise Refusal(WRONG_TYPE)
        self.agrees(checked, data)
        return checked, data


def _one_frame(meta: dict[str, Any], data: np.ndarray) -> None:
    items = meta["n_items"]
    if len(meta["item_id"]) != items or len(meta.get("label", meta["item_id"])) != items or len(data) % items:
        raise Refusal(INCONSISTENT)
    _shape_fits(meta, data, items)
    if meta["frame_index"] % FRAME_NUM_MODULO != meta["frame_num"]:
        raise Refusal(INCONSISTENT)


def _one_label_an_item(meta: dict[str, Any], data: np.ndarray) -> None:
    if len(meta["label"]) != len(meta["item_id"]) or len(data) % len(meta["item_id"]):
        raise Refusal(INCONSISTENT)
    _shape_fits(meta, data, len(meta["item_id"]))


def _one_target_an_item(meta: dict[str, Any], data: np.ndarray) -> None:
    if len(data) or len(meta[TARGET]) != len(meta["item_id"]):
        raise Refusal(INCONSISTENT)


def _a_line_an_item(meta: dict[str, Any], data: np.ndarray) -> None:
    if len(data) or np.count_nonzero(meta[QUESTIONS] == ord("\n")) != len(meta["item_id"]):
        raise Refusal(INCONSISTENT)


def _shape_fits(meta: dict[str, Any], data: np.ndarray, items: int) -> None:
    if len(data) and "item_shape" in meta and not fits_shape(meta["item_shape"], len(data) // items):
        raise Refusal(INCONSISTENT)


def _no_data(meta: dict[str, Any], data: np.ndarray) -> None:
    if len(data) or not meta.get(END, True):
        raise Refusal(INCONSISTENT)


def _the_snr(meta: dict[str, Any], data: np.ndarray) -> None:
    if len(data) > 1 or (len(data) and not abs(float(data[0]) - meta["snr_db"]) < 1e-3):
        raise Refusal(INCONSISTENT)


def _a_request(meta: dict[str, Any], data: np.ndarray) -> None:
    if Request.from_bytes(data.tobytes()).number != meta[REQUEST]:
        raise Refusal(INCONSISTENT)


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise Refusal(WRONG_TYPE)
    return value


_FRAME_NUM = Whole(0, FRAME_NUM_MODULO - 1)
_FRAME_INDEX = Whole(0, MOST_FRAMES)
_HZ = Real(-1e12, 1e12)
_MODALITY = Text(LONGEST_NAME)
_ITEM_SHAPE = Column(1, LARGEST_ITEM)
_ITEM_ID = Column(-1, 2**31 - 1)
_LABEL = Column(-1, HIGHEST_LABEL)
_TARGET = Column(-1, 2**31 - 1)

_FEEDBACK = Form(
    required={"snr_db": Real(*SNR_DB), "frame_num": _FRAME_NUM},
    optional={"snr_frame_db": Real(*SNR_DB), "cfo_hz": _HZ, REPORT: Octets(1, LONGEST_REPORT)},
    data=np.float32,
    agrees=_the_snr,
)
_REQUEST = Form(required={REQUEST: Whole(1, MAX_REQUEST)}, agrees=_a_request)
_BASE = Form(
    required={BASE: Octets(TAG_BYTES, TAG_BYTES), "frame_num": _FRAME_NUM},
    optional={ENTRIES_READ: Whole(0, 1)},
    agrees=_no_data,
)
_SETTLED = Form(required={SETTLED_AFTER: _FRAME_NUM}, agrees=_no_data)
_FRAME = Form(
    required={
        "frame_num": _FRAME_NUM,
        "frame_index": _FRAME_INDEX,
        "n_items": Whole(1, MAX_ITEMS),
        "k": Whole(1, MAX_K),
        "item_id": _ITEM_ID,
        "time_ns": Whole(0, _INT64_MAX),
    },
    optional={
        "model_id": Whole(0, 0xFFFF),
        "task": Whole(0, 15),
        "mode": Whole(0, max(FrameMode)),
        "feedback_snr_db": Real(*SNR_DB, or_nan=True),
        "modality": _MODALITY,
        "item_shape": _ITEM_SHAPE,
        "label": _LABEL,  # these three of a recording, or of a transmitter of the version before
    },
    agrees=_one_frame,
)
_ITEMS = Form(
    required={"item_id": _ITEM_ID, "label": _LABEL},
    optional={"modality": _MODALITY, "item_shape": _ITEM_SHAPE},
    agrees=_one_label_an_item,
)
_TARGETS = Form(
    required={"item_id": _ITEM_ID, "task": Text(LONGEST_NAME), TARGET: _TARGET},
    optional={ENTRIES: Whole(1, 2**31 - 1)},
    agrees=_one_target_an_item,
)
_QUESTIONS = Form(
    required={"item_id": _ITEM_ID, QUESTIONS: Octets(1, MAX_ITEMS * (LONGEST_QUESTION + 1))}, agrees=_a_line_an_item
)
_THE_END = Form(required={END: _flag}, optional={"frames_sent": Whole(0, MOST_FRAMES)}, agrees=_no_data)
_TRUTH = Form(
    required={"frame_index": _FRAME_INDEX, "snr_db": Real(-math.inf, math.inf)},
    optional={"cfo_hz": _HZ},
    agrees=_no_data,
)


def _feedback(meta: dict[str, Any], data: np.ndarray) -> Pdu:
    forms = {REQUEST: _REQUEST, SETTLED_AFTER: _SETTLED, BASE: _BASE}
    form = next((form for key, form in forms.items() if key in meta), _FEEDBACK)
    return form.check(meta, data)


def _sent(meta: dict[str, Any], data: np.ndarray) -> Pdu:
    return (_THE_END if END in meta else _items_or(_FRAME, meta)).check(meta, data)


def _truth(meta: dict[str, Any], data: np.ndarray) -> Pdu:
    return (_THE_END if END in meta else _items_or(_TRUTH, meta)).check(meta, data)


def _items_or(other: Form, meta: dict[str, Any]) -> Form:
    if "frame_index" in meta:
        return other
    if QUESTIONS in meta:
        return _QUESTIONS
    return _TARGETS if TARGET in meta else _ITEMS if "label" in meta else other


def _any(meta: dict[str, Any], data: np.ndarray) -> Pdu:
    return meta, data


@dataclass(frozen=True)
class Schema:
    """What a port takes.

    Attributes:
        check: returns the PDU as it may be used, or raises `Refusal`.
        most_bytes: a message may have.
    """

    check: Callable[[dict[str, Any], np.ndarray], Pdu]
    most_bytes: int

    def read(self, raw: bytes) -> Pdu:
        """The PDU in a message.

        Raises:
            Refusal: it is none, or not of this schema; nothing else is ever raised.
        """
        return self.check(*read_pdu_bytes(raw, self.most_bytes))


SCHEMAS = {
    "feedback": Schema(_feedback, LONGEST_BYTES + 512),
    "sent": Schema(_sent, 1 << 20),
    "truth": Schema(_truth, 1 << 20),
    "any": Schema(_any, 1 << 20),
}
"""By name. News has at most `MAX_ITEMS` items of 16 kB here; `sent_schema` knows a model's."""


def sent_schema(item_bytes: int) -> Schema:
    """The ``sent`` schema for a model with items of so many bytes: others are refused, and longer messages."""

    def check(meta: dict[str, Any], data: np.ndarray) -> Pdu:
        meta, data = _sent(meta, data)
        # News of frames, and of a recording's items, comes without their bytes.
        if END not in meta and len(data) not in (0, len(meta["item_id"]) * item_bytes):
            raise Refusal(OTHER_ITEMS)
        return meta, data

    return Schema(check, MAX_ITEMS * (max(item_bytes, LONGEST_QUESTION) + 8) + 1024)
