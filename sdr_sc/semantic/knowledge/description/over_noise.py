# SPDX-License-Identifier: GPL-3.0-or-later
"""Items of a model over noise, as a receiver with a knowledge base has them: what descriptions are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdr_sc.errors import KnowledgeError
from sdr_sc.semantic import weights
from sdr_sc.semantic.asked_tasks import AskedTasks
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder
from sdr_sc.semantic.knowledge.answering.answers import KnowledgeAnswers
from sdr_sc.semantic.knowledge.answering.known import LISTED, USED, Decoded, KnownAnswers
from sdr_sc.semantic.knowledge.description.subject import Subject, subject_of
from sdr_sc.semantic.knowledge.features import FeatureVectors, as_vectors
from sdr_sc.semantic.knowledge.interface import Entry
from sdr_sc.semantic.knowledge.storage.opening import open_any
from sdr_sc.semantic.knowledge.storage.state import check_model
from sdr_sc.semantic.shown_answers import ShownAnswer, shown_answer
from sdr_sc.semantic.tasks.base import TaskAnswer, task_of


@dataclass(frozen=True)
class Sending:
    """How items are sent.

    Attributes:
        k: feature symbols; 0 for all that the model sends.
        snr_db: of the noise on them, Es/N0.
        seed: of the noise.
    """

    k: int = 0
    snr_db: float = 10.0
    seed: int = 1


class OverNoise:
    """A transmitter, noise, and a receiver that has a base.

    Args:
        model: as of `SemanticEncoder`.
        base: file of a base for it.
        rules: file of its fusion rules; '' to look entries up, and leave the answer to the decoder.
        sending: how items are sent.
        tasks: further ones that are answered, with commas between; None for all that need nothing more than a gallery
            that lies beside the model's file, and for questions, if one is given.
        question: that is asked of each item.
        require_signature: see `KnowledgeBase`.

    Raises:
        SdrScError: a file cannot be used, or does not fit; in one sentence.
    """

    def __init__(
        self, model: str | Path, base: Path, rules: Path | str = "", sending: Sending = Sending(),  # noqa: B008
        tasks: str | None = None, question: str = "", require_signature: str = "",
    ) -> None:  # fmt: skip
        self.contract = contract = weights.read_contract(model)
        file = weights.resolve(model, "decoder")
        asked = usual_tasks(model, question) if tasks is None else tasks
        self._asked = AskedTasks.of(contract, asked, "", file, question)
        self._question, self._sending = question, sending
        self._task = contract.tasks[0].name
        self._k = sending.k or contract.k_max
        contract.check_k(self._k)
        self._rng = np.random.default_rng(sending.seed)
        self.encoder, self._decoder = SemanticEncoder(model), SemanticDecoder(model, question=question)
        self._answers: KnowledgeAnswers | None = None
        self.base = open_any(base, require_signature)
        try:
            check_model(self.base.state, contract, self.base.named)
            self._width = FeatureVectors.of_name(self.base.space.name).k
            if rules:
                self._answers = KnowledgeAnswers(contract, base, rules, require_signature=require_signature)
        except BaseException:
            self.base.close()
            raise

    def __enter__(self) -> OverNoise:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the base."""
        self.base.close()
        if self._answers is not None:
            self._answers.close()

    def subjects(self, items: np.ndarray) -> list[Subject]:
        """What the receiver has of items.

        Args:
            items: uint8 (n, *item_shape).
        """
        noise = 10.0 ** (-self._sending.snr_db / 10.0)
        sent = self.encoder.encode(items, self._sending.snr_db, self._k)
        disturbed = sent + np.sqrt(noise / 2) * (self._rng.standard_normal((*sent.shape, 2)) @ [1, 1j])
        features = (disturbed / (1.0 + noise)).astype(np.complex64)  # LMMSE, for symbols of unit power
        variance = np.full(features.shape, noise, np.float32)
        outputs = self._decoder.outputs(features, self._sending.snr_db, strict=False)
        answer = self._decoder.answered(outputs, features, self._sending.snr_db, noise_variance=variance)
        decoded = Decoded(
            features, variance, outputs[:, self._decoder.parts[self._task]], self._sending.snr_db, answer.best,
            answer.confidence,
        )  # fmt: skip
        found = self._looked_up(decoded) if self._answers is None else self._answers.answers(decoded)
        more = self._asked.answers(outputs)
        calibrated = frozenset({self._task} if self.contract.calibration is not None else ())
        subjects = []
        for place, number in enumerate(answer.best.tolist()):
            others = [shown for task in more if (shown := self._shown(task, more[task], place)) is not None]
            alone = self._names[number] if number >= 0 else ""
            subjects.append(
                subject_of(found, place, alone, self._entry, others, self._task, self.base.state.named(), calibrated,
                           self._question, self._answers is not None)
            )  # fmt: skip
        return subjects

    @property
    def _names(self) -> Sequence[str]:
        return self._asked.answer_names(self._task)

    def _shown(self, task: str, answer: TaskAnswer, place: int) -> ShownAnswer | None:
        """A further task's answer; None of one that answers with a picture."""
        if answer.pictures is not None:
            return None
        each = answer.confidence[place : place + 1] if answer.each is None else answer.each[place]
        return shown_answer(task, self._asked.answer_names(task), answer.ids[place], each.tolist(), -1)

    def _entry(self, number: int, is_local: bool) -> Entry:
        if is_local:
            raise KnowledgeError(f"entry {number} is of a local base, and there is none.")
        return self.base.entry(number)

    def _looked_up(self, decoded: Decoded) -> KnownAnswers:
        """The decoder's answers, and the nearest entries beside them."""
        known = min(self._k, self._width)
        vectors = as_vectors(decoded.features[:, :known], self.base.space.dimension)
        near = self.base.search(vectors, LISTED, 2 * known)
        ids, (count, width) = np.asarray(decoded.ids, np.int32), near.ids.shape
        room = ((0, 0), (0, LISTED - width))
        entries = np.pad(near.ids, room, constant_values=-1)
        nothing = np.zeros((count, LISTED), np.float32)
        return KnownAnswers(
            ids, ids, np.asarray(decoded.confidence, np.float32), np.zeros(count, np.float32),
            entries.astype(np.int32), nothing.astype(np.uint8), np.pad(near.similarity, room, constant_values=-1),
            nothing, tuple(self._names[number] if number >= 0 else "" for number in ids.tolist()),
            self.base.base_id, self.base.version, USED,
        )  # fmt: skip


def usual_tasks(model: str | Path, question: str) -> str:
    """Further tasks of a model that can be answered with what there is, with commas between them.

    Args:
        question: that is asked; '' for none.
    """
    contract = weights.read_contract(model)
    has = {"": True, "question": bool(question)}
    has["gallery"] = weights.resolve(model, "decoder").with_suffix(".gallery").is_file()
    return ",".join(spec.name for spec in contract.tasks[1:] if has.get(task_of(spec.name).needs, False))
