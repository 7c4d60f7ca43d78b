# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recording says of itself, of its segments, and of the frames in it: dataclasses to SigMF's JSON and back.

The keys of the namespace ``sdr_sc`` are described in docs/sdr_sc.sigmf-ext.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sdr_sc.capture.sigmf.fields import (
    BadValue,
    floats_of,
    int_of,
    ints_of,
    lenient,
    number_of,
    object_of,
    text_of,
    texts_of,
    time_of,
)
from sdr_sc.capture.sigmf.times import utc_time

NAMESPACE, EXTENSION_VERSION = "sdr_sc", "1.0.0"
SPECIFICATION = "1.2.0"
"""The version of SigMF that is written: the first that has all keys used here; readers of later ones take it."""

FRAME_MARK = "sdr_sc:frame_num"
"""The key that makes an annotation a frame of ours."""


@dataclass(frozen=True)
class Segment:
    """A run of samples without a gap: one of SigMF's captures.

    Attributes:
        sample_start: index of its first sample.
        freq_hz: centre frequency, Hz; None where it is not known.
        datetime: UTC of its first sample, RFC 3339 with Z; None where it is not known.
        rx_time_s: time of its first sample on the receiver's clock, whole seconds and the fraction of one, so that it
            is exact; a plain number of seconds is taken too. None where there is no such clock.
        cause: why it begins: ``""`` at the start, ``"overflow"``, ``"gap"``.
        global_index: number of its first sample in the stream, counting those that a gap lost; None where not known.
        other: keys of others, as they are.
    """

    sample_start: int
    freq_hz: float | None = None
    datetime: str | None = None
    rx_time_s: tuple[int, float] | None = None
    cause: str = ""
    global_index: int | None = None
    other: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given: Any = self.rx_time_s
        if given is not None:
            whole, fraction = given if isinstance(given, (tuple, list)) else (0, float(given))
            step = math.floor(fraction)
            object.__setattr__(self, "rx_time_s", (int(whole) + step, float(fraction) - step))

    def to_json(self) -> dict[str, Any]:
        """The members of SigMF's object."""
        known = {
            "core:sample_start": int(self.sample_start),
            "core:frequency": None if self.freq_hz is None else float(self.freq_hz),
            "core:datetime": self.datetime,
            "core:global_index": self.global_index,
            "sdr_sc:rx_time": None if self.rx_time_s is None else list(self.rx_time_s),
            "sdr_sc:cause": self.cause or None,
        }
        return {**self.other, **{key: value for key, value in known.items() if value is not None}}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any], tell: Callable[[BadValue], None] | None = None) -> Segment:
        """From the members of SigMF's object.

        Args:
            tell: called with what is wrong with each bad member, which then counts as missing.

        Raises:
            BadValue: its place is missing or bad; or any member, where there is no ``tell``.
        """
        return cls(
            int_of(raw, "core:sample_start", lowest=0),
            lenient(tell, number_of, raw, "core:frequency", None),
            utc_time(raw.get("core:datetime"))[0],
            lenient(tell, time_of, raw, "sdr_sc:rx_time", None),
            lenient(tell, text_of, raw, "sdr_sc:cause", ""),
            lenient(tell, _index_of, raw, "core:global_index", None),
            {key: value for key, value in raw.items() if key not in _SEGMENT_KEYS},
        )


def _index_of(raw: Mapping[str, Any], key: str, default: Any) -> Any:
    return int_of(raw, key, default, lowest=0)


_SEGMENT_KEYS = frozenset(Segment(0, 0.0, "-", (0, 0.0), "-", 0).to_json()) | {"core:header_bytes"}


MOST_TASKS = 16
NORMAL_MODE, MOST_MODE = 1, 2
"""Frame modes as the header numbers them; recordings of earlier programs hold normal frames alone."""


@dataclass(frozen=True)
class FrameNote:
    """A frame that was received, and what is known of it: one of SigMF's annotations.

    Attributes:
        sample_start, sample_count: where the frame lies, samples.
        frame_num: number in its header, which wraps.
        k, n_items: feature symbols an item, and items.
        snr_db, cfo_hz: as the receiver estimated them; NaN where they are not known.
        model_id: that its header carries.
        frame_index: its number since the transmitter started, which does not wrap.
        item_id, label, answer: of each item: its number, its true class, the class that was answered (-1: lost).
        confidence: of each answer, 0..1, kept to the precision of float32.
        snr_set_db: SNR that the channel was set to, where it was simulated.
        label_text: truth in words, where the task is not one of classes.
        request: of the receiver, that the frame answers; 0 for none.
        refined_symbols: feature symbols of earlier items, in answer to it.
        rounds: of each item, how often symbols of it arrived before it was answered; None without refinement.
        mode: frame mode, the value in the header: 0 short, 1 normal, 2 robust.
        report_age: frames since the one by whose channel the features are mapped; 0 where they are interleaved.
        targets: of each item, what is right for further tasks, by the tasks' names; -1 where it is not known.
        questions: what each item was asked, '' for nothing; None where items were not asked each one of its own.
        other: keys of others, as they are.
    """

    sample_start: int
    sample_count: int
    frame_num: int
    k: int
    n_items: int
    snr_db: float
    cfo_hz: float
    model_id: int
    frame_index: int | None = None
    item_id: tuple[int, ...] | None = None
    label: tuple[int, ...] | None = None
    answer: tuple[int, ...] | None = None
    confidence: tuple[float, ...] | None = None
    snr_set_db: float | None = None
    label_text: str = ""
    request: int = 0
    refined_symbols: int = 0
    rounds: tuple[int, ...] | None = None
    mode: int = NORMAL_MODE
    report_age: int = 0
    targets: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    questions: tuple[str, ...] | None = None
    other: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("item_id", "label", "answer", "rounds"):
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, _ints(given))
        object.__setattr__(self, "targets", {task: _ints(given) for task, given in self.targets.items()})
        if self.confidence is not None:
            # Nine digits distinguish every float32 from its neighbours: half the bytes of a double, the same value.
            kept = np.asarray(self.confidence, np.float32).tolist()
            object.__setattr__(self, "confidence", tuple(float(f"{value:.9g}") for value in kept))

    @property
    def sample_stop(self) -> int:
        """Index after its last sample."""
        return self.sample_start + self.sample_count

    @property
    def correct(self) -> int | None:
        """Items that were answered correctly; None where answers or truth are not known."""
        if self.answer is None or self.label is None:
            return None
        return sum(answer == label for answer, label in zip(self.answer, self.label, strict=True))

    @property
    def title(self) -> str:
        """A short line for a display: what the frame is, its SNR, and its right answers.

        >>> FrameNote(0, 1920, 3, 8, 2, 12.34, 0.0, 1, label=(5, 7), answer=(5, 6)).title
        'k=8 12.3 dB 1/2'
        >>> FrameNote(0, 1920, 3, 1, 0, 3.0, 0.0, 1, request=7, refined_symbols=24).title
        '24 symbols of refinements 3.0 dB'
        """
        snr = f" {self.snr_db:.1f} dB" if math.isfinite(self.snr_db) else ""
        if not self.n_items:
            return f"{self.refined_symbols} symbols of refinements{snr}"
        right = "" if self.correct is None else f" {self.correct}/{self.n_items}"
        return f"k={self.k}{snr}{right}"

    def to_json(self, edges_hz: tuple[float, float] | None = None) -> dict[str, Any]:
        """The members of SigMF's object, with the band that the frame occupies."""
        edges = {} if edges_hz is None else dict(zip(EDGES, map(float, edges_hz), strict=True))
        known: dict[str, Any] = {
            "sdr_sc:frame_num": int(self.frame_num),
            "sdr_sc:frame_index": None if self.frame_index is None else int(self.frame_index),
            "sdr_sc:k": int(self.k),
            "sdr_sc:n_items": int(self.n_items),
            "sdr_sc:snr_db": _finite(self.snr_db),
            "sdr_sc:cfo_hz": _finite(self.cfo_hz),
            "sdr_sc:model_id": int(self.model_id),
            "sdr_sc:item_id": self.item_id,
            "sdr_sc:label": self.label,
            "sdr_sc:answer": self.answer,
            "sdr_sc:confidence": None if self.confidence is None else [_finite(value) for value in self.confidence],
            "sdr_sc:snr_set_db": _finite(self.snr_set_db),
            "sdr_sc:label_text": self.label_text or None,
            "sdr_sc:request": int(self.request) or None,
            "sdr_sc:refined_symbols": int(self.refined_symbols) or None,
            "sdr_sc:rounds": self.rounds,
            "sdr_sc:mode": None if self.mode == NORMAL_MODE else int(self.mode),
            "sdr_sc:report_age": int(self.report_age) or None,
            "sdr_sc:targets": dict(self.targets) or None,
            "sdr_sc:questions": self.questions,
        }
        place = {"core:sample_start": int(self.sample_start), "core:sample_count": int(self.sample_count)}
        kept = {key: value for key, value in known.items() if value is not None}
        return {**place, **edges, "core:label": self.title, **kept, **self.other}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any], tell: Callable[[BadValue], None] | None = None) -> FrameNote:
        """From the members of SigMF's object.

        Args:
            tell: called with what is wrong with SNRs, carrier offset and words, which then count as missing.

        Raises:
            BadValue: a member is missing, or has the wrong type or length.
        """
        n_items = int_of(raw, "sdr_sc:n_items", lowest=0)
        return cls(
            int_of(raw, "core:sample_start", lowest=0),
            int_of(raw, "core:sample_count", lowest=0),
            int_of(raw, "sdr_sc:frame_num", lowest=0),
            int_of(raw, "sdr_sc:k", lowest=1),
            n_items,
            lenient(tell, number_of, raw, "sdr_sc:snr_db", math.nan),
            lenient(tell, number_of, raw, "sdr_sc:cfo_hz", math.nan),
            int_of(raw, "sdr_sc:model_id", lowest=0),
            int_of(raw, "sdr_sc:frame_index", None, lowest=0),
            ints_of(raw, "sdr_sc:item_id", n_items),
            ints_of(raw, "sdr_sc:label", n_items),
            ints_of(raw, "sdr_sc:answer", n_items),
            floats_of(raw, "sdr_sc:confidence", n_items),
            lenient(tell, number_of, raw, "sdr_sc:snr_set_db", None),
            lenient(tell, text_of, raw, "sdr_sc:label_text", ""),
            int_of(raw, "sdr_sc:request", 0, lowest=0),
            int_of(raw, "sdr_sc:refined_symbols", 0, lowest=0),
            ints_of(raw, "sdr_sc:rounds", n_items),
            _mode_of(raw, "sdr_sc:mode"),
            int_of(raw, "sdr_sc:report_age", 0, lowest=0),
            _targets_of(raw, "sdr_sc:targets", n_items),
            texts_of(raw, "sdr_sc:questions", n_items),
            {key: value for key, value in raw.items() if key not in _FRAME_KEYS},
        )


EDGES = ("core:freq_lower_edge", "core:freq_upper_edge")


def _mode_of(raw: Mapping[str, Any], key: str) -> int:
    mode = int_of(raw, key, NORMAL_MODE, lowest=0)
    if mode > MOST_MODE:
        raise BadValue(f"{key} is {mode}, which is no frame mode")
    return mode


def _targets_of(raw: Mapping[str, Any], key: str, length: int) -> dict[str, tuple[int, ...]]:
    given = object_of(raw, key, {})
    if len(given) > MOST_TASKS:
        raise BadValue(f"{key} has {len(given)} tasks, more than {MOST_TASKS}")
    return {task: ints for task in given if (ints := ints_of(given, task, length)) is not None}


def _ints(given: Any) -> tuple[int, ...]:
    if isinstance(given, tuple) and set(map(type, given)) <= {int}:
        return given
    return tuple(np.asarray(given, np.int64).tolist())


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


_FRAME_KEYS = frozenset(
    FrameNote(
        0, 0, 0, 1, 0, 0.0, 0.0, 0, 0, (), (), (), (), 0.0, "-", 1, 1, (), 0, 1, {"-": ()}, ()
    ).to_json((0.0, 0.0))
)


@dataclass(frozen=True)
class SentFrame:
    """A frame that was sent and not received.

    Attributes:
        frame_index: its number since the transmitter started, which does not wrap.
        k: feature symbols an item.
        item_id, label: of each item: its number, its true class.
        snr_set_db: SNR that the channel was set to, where it was simulated.
        mode, targets, questions: as of `FrameNote`.
    """

    frame_index: int
    k: int
    item_id: tuple[int, ...]
    label: tuple[int, ...]
    snr_set_db: float | None = None
    mode: int = NORMAL_MODE
    targets: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    questions: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("item_id", "label"):
            object.__setattr__(self, name, _ints(getattr(self, name)))
        object.__setattr__(self, "targets", {task: _ints(given) for task, given in self.targets.items()})

    def to_json(self) -> dict[str, Any]:
        """The members of an element of ``sdr_sc:not_received``."""
        known: dict[str, Any] = {} if _finite(self.snr_set_db) is None else {"snr_set_db": _finite(self.snr_set_db)}
        if self.mode != NORMAL_MODE:
            known["mode"] = int(self.mode)
        if self.targets:
            known["targets"] = dict(self.targets)
        if self.questions is not None:
            known["questions"] = self.questions
        return {
            "frame_index": int(self.frame_index),
            "k": int(self.k),
            "item_id": self.item_id,
            "label": self.label,
            **known,
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> SentFrame:
        """From an element of ``sdr_sc:not_received``.

        Raises:
            BadValue: a member is missing or has the wrong type.
        """
        item_id = ints_of(raw, "item_id", None)
        label = ints_of(raw, "label", None)
        if item_id is None or label is None or len(item_id) != len(label):
            raise BadValue("item_id and label have to be lists of one length")
        index, k = int_of(raw, "frame_index", lowest=0), int_of(raw, "k", lowest=1)
        set_db, mode = number_of(raw, "snr_set_db", None), _mode_of(raw, "mode")
        targets = _targets_of(raw, "targets", len(item_id))
        return cls(index, k, item_id, label, set_db, mode, targets, texts_of(raw, "questions", len(item_id)))
