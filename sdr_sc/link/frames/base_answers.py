# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers with knowledge bases: their metadata in a PDU, their counts, and the rows of ``knowledge.csv``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from sdr_sc.data.texts import clean_text
from sdr_sc.documents import whole_number
from sdr_sc.errors import BlockError
from sdr_sc.link.frames.frame_models import AnsweredFrame
from sdr_sc.link.frames.frame_record import LARGEST_COUNT, NOT_KNOWN, Column, FrameRecord
from sdr_sc.semantic.knowledge.answering.known import LISTED, USED, Decoded, KnownAnswers
from sdr_sc.semantic.knowledge.entries import LONGEST_NAME
from sdr_sc.semantic.knowledge.storage.state import MOST_VERSIONS
from sdr_sc.semantic.tasks.base import NO_ANSWER, Task

KNOWLEDGE_CSV = "knowledge.csv"
STATE = "base_state"
"""Metadata key by which a PDU of such answers is known."""
_LONGEST_STATE = 64

_PLACES = range(1, LISTED + 1)
KNOWLEDGE_COLUMNS = {
    "item_id": Column(-LARGEST_COUNT, LARGEST_COUNT, whole=True),
    "frame_index": Column(0, LARGEST_COUNT, whole=True),
    "label": Column(NOT_KNOWN, LARGEST_COUNT, whole=True),
    "answer": Column(NO_ANSWER, LARGEST_COUNT, whole=True),
    "decoder_answer": Column(NO_ANSWER, LARGEST_COUNT, whole=True),
    "correct": Column(0, 1),
    "decoder_correct": Column(0, 1),
    "confidence": Column(0, 1),
    "base_weight": Column(0, 1),
    "base_version": Column(0, MOST_VERSIONS),
    "base_state": Column(longest=_LONGEST_STATE),
    "answer_name": Column(longest=4 * LONGEST_NAME),
    **{f"entry_{place}": Column(-1, (1 << 31) - 1) for place in _PLACES},
    **{f"local_{place}": Column(0, 1) for place in _PLACES},
    **{f"similarity_{place}": Column(-1, 1) for place in _PLACES},
    **{f"share_{place}": Column(0, 1) for place in _PLACES},
}
"""``knowledge.csv``: the columns in their order; those of entries are empty where there are fewer."""


def evidence_meta(answered: AnsweredFrame, model_id: int) -> dict[str, Any]:
    """Metadata of a PDU of answers that says what they were made from, for a knowledge base; `decoded_of` reads it.

    Args:
        answered: with new items.
        model_id: of the frame's header.
    """
    assert answered.logits is not None
    return {
        "model_id": model_id,
        "logits": answered.logits.astype(np.float32).ravel(),
        "features": answered.new.features.astype(np.complex64).ravel(),
        "noise_variance": answered.new.noise_variance.astype(np.float32).ravel(),
    }


EVIDENCE = ("model_id", "logits", "features", "noise_variance")
"""Metadata keys that `evidence_meta` gives."""


def decoded_of(meta: Mapping[str, Any], ids: np.ndarray) -> Decoded:
    """What `evidence_meta` made metadata of, in a PDU of answers.

    Raises:
        BlockError: it is not there, or does not fit the items.
    """
    missing = [key for key in EVIDENCE if key not in meta]
    if missing:
        raise BlockError(
            f"knowledge base: port 'answers' got answers without {missing[0]!r}; switch the parameter Evidence of the "
            "semantic decoder on."
        )
    count = len(ids)

    def column(key: str, kind: type) -> np.ndarray:
        value = meta.get(key)
        if not isinstance(value, np.ndarray) or value.dtype != kind or not count or len(value) % count:
            raise BlockError(f"knowledge base: port 'answers' got a PDU whose {key!r} does not fit its items.")
        return value.reshape(count, -1)

    features, noise_variance = column("features", np.complex64), column("noise_variance", np.float32)
    confidence = column("confidence", np.float32)
    if features.shape != noise_variance.shape or confidence.shape != (count, 1):
        raise BlockError("knowledge base: port 'answers' got a PDU whose 'features' do not fit its items.")
    note = f"received in frame {meta.get('frame_num')} at {float(meta['snr_db']):.1f} dB, k={features.shape[1]}"
    logits = column("logits", np.float32)
    return Decoded(features, noise_variance, logits, float(meta["snr_db"]), ids, confidence[:, 0], note)


def base_meta(found: KnownAnswers) -> dict[str, Any]:
    """Metadata of a PDU whose data are ``found.ids``; `base_answers_of` reads it.

    PMT's own texts are short and are never forgotten, so that names are bytes here.
    """
    lines = (" ".join(name.split()) for name in found.names)
    return {
        "confidence": found.confidence,
        "decoder_ids": found.decoder_ids,
        "base_weight": found.weight,
        "base_entries": found.entries.ravel(),
        "base_local": found.is_local.ravel(),
        "base_similarity": found.similarity.ravel(),
        "base_shares": found.shares.ravel(),
        "base_answers": np.frombuffer("".join(f"{line}\n" for line in lines).encode("utf-8", "replace"), np.uint8),
        "base_id": found.base_id,
        "base_version": found.base_version,
        STATE: found.state,
    }


def base_answers_of(meta: Mapping[str, Any], ids: np.ndarray) -> KnownAnswers | None:
    """What `base_meta` made metadata of; None where no base was asked.

    Args:
        ids: the PDU's data.

    Raises:
        BlockError: they do not fit the items.
    """
    if STATE not in meta:
        return None
    count = len(ids)

    def column(key: str, kind: type, width: int = 0) -> np.ndarray:
        value = meta.get(key)
        if not isinstance(value, np.ndarray) or value.dtype != kind or value.shape != (count * max(1, width),):
            raise BlockError(f"port 'answers' got a PDU whose {key!r} does not fit its items.")
        return value.reshape(count, width) if width else value

    names = meta.get("base_answers")
    lines = names.tobytes().decode("utf-8", "replace").split("\n") if isinstance(names, np.ndarray) else []
    version, texts = meta.get("base_version"), (meta.get("base_id"), meta[STATE])
    good = len(lines) == count + 1 and all(len(line) <= LONGEST_NAME for line in lines)
    good = good and whole_number(version, 0, MOST_VERSIONS) is not None
    if (
        not good
        or not isinstance(version, int)
        or not all(isinstance(text, str) and len(text) <= _LONGEST_STATE for text in texts)
    ):
        raise BlockError("port 'answers' got a PDU whose base makes no sense.")
    return KnownAnswers(
        np.asarray(ids, np.int32),
        column("decoder_ids", np.int32),
        column("confidence", np.float32),
        column("base_weight", np.float32),
        column("base_entries", np.int32, LISTED),
        column("base_local", np.uint8, LISTED),
        column("base_similarity", np.float32, LISTED),
        column("base_shares", np.float32, LISTED),
        tuple(lines[:-1]),
        str(texts[0]),
        version,
        str(texts[1]),
    )


class BaseCounts:
    """What bases added in a run.

    Attributes:
        items: by the base's state.
        labelled: items with an answer of a base's block whose label is known.
        correct, decoder_correct: of these, right with the base, and by the decoder alone.
        gained, spoiled: right with the base alone; by the decoder alone.
        versions: of the base, those that answered.
    """

    def __init__(self) -> None:
        self.items: Counter[str] = Counter()
        self.labelled = self.correct = self.decoder_correct = self.gained = self.spoiled = 0
        self.versions: dict[str, None] = {}

    def take(self, record: FrameRecord, task: Task) -> list[tuple[Any, ...]]:
        """Count a settled frame; its rows of ``knowledge.csv``, as `KNOWLEDGE_COLUMNS`."""
        found = record.known
        if found is None:
            return []
        self.items[found.state] += len(found.ids)
        if found.state == USED:
            self.versions[f"{found.base_id} version {found.base_version}"] = None
        known = record.label >= 0
        right, alone = (known & task.right(ids, record.label) for ids in (found.ids, found.decoder_ids))
        self.labelled += int(known.sum())
        self.correct += int(right.sum())
        self.decoder_correct += int(alone.sum())
        self.gained += int((right & ~alone).sum())
        self.spoiled += int((alone & ~right).sum())
        return list(_rows(record, found, known, right, alone))

    def to_dict(self) -> dict[str, Any]:
        """For ``summary.json``; empty where no base was asked."""
        if not self.items:
            return {}
        names = ("labelled", "correct", "decoder_correct", "gained", "spoiled")
        return {
            "items": dict(self.items),
            **{f"items_{name}": getattr(self, name) for name in names},
            "bases": list(self.versions)[:16],
        }

    def summary(self) -> str:
        """In words; '' where no base was asked."""
        if not self.items:
            return ""
        used = self.items[USED]
        off = ", ".join(f"{count} not: {state}" for state, count in self.items.items() if state != USED)
        right = f"{self.correct} of {self.labelled} right, {self.decoder_correct} by the decoder alone"
        return f"knowledge base used for {used} items{f' ({off})' if off else ''}, {right}"


def _rows(
    record: FrameRecord, found: KnownAnswers, known: np.ndarray, right: np.ndarray, alone: np.ndarray
) -> Iterator[tuple[Any, ...]]:
    for place, item in enumerate(record.item_id.tolist()):
        marks = (int(right[place]), int(alone[place])) if known[place] else ("", "")
        entries = found.entries[place].tolist()
        there = [number >= 0 for number in entries]
        columns = [number if has else "" for number, has in zip(entries, there, strict=True)]
        for values, form in ((found.is_local, "{:d}"), (found.similarity, "{:.4f}"), (found.shares, "{:.4f}")):
            columns += [form.format(value) if has else "" for value, has in
                        zip(values[place].tolist(), there, strict=True)]  # fmt: skip
        yield (
            item, record.frame_index, int(record.label[place]), int(found.ids[place]), int(found.decoder_ids[place]),
            *marks, f"{found.confidence[place]:.4f}", f"{found.weight[place]:.4f}", found.base_version, found.state,
            clean_text(found.names[place]), *columns,
        )  # fmt: skip
