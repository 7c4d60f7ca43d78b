# SPDX-License-Identifier: GPL-3.0-or-later
"""The models of a receiving end, and their answers to a frame of features."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sdr_sc.errors import BlockError
from sdr_sc.link.frames.decodable import noise_variances
from sdr_sc.link.frames.entry_frames import EntryFrames
from sdr_sc.link.network.pdu_schema import INDEXED
from sdr_sc.link.parameters import require_number
from sdr_sc.link.refinement.receiver import ReceivedPart, Settings
from sdr_sc.link.refinement.triggers import TRIGGERS, check_trigger
from sdr_sc.semantic import weights
from sdr_sc.semantic.asked_tasks import AskedTasks
from sdr_sc.semantic.cam import first_rounds
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.tasks.base import NOT_A_NUMBER, TaskAnswer, task_of

if TYPE_CHECKING:
    from sdr_sc.semantic.inference import SemanticDecoder


class AnsweredFrame(NamedTuple):
    """What a frame brought, and what is answered to it.

    Attributes:
        new, refined: features of its new items, (n_items, k), and of refinements, (refined_symbols,).
        first: answers to the model's first task, with `NOT_A_NUMBER` where it gives no number; None without new items.
        others: answers to the further tasks, by their names.
        inference_ms: that the answers took; None without new items.
        logits: float32 (n_items, classes) of the first task, where that has logits; None without new items.
        entries_read: of a frame with indices, whether the entries could be read; None of others.
    """

    new: ReceivedPart
    refined: ReceivedPart
    first: TaskAnswer | None
    others: dict[str, TaskAnswer]
    inference_ms: float | None
    logits: np.ndarray | None = None
    entries_read: bool | None = None


class FrameModels:
    """Models that answer received frames, each those whose header has its id.

    Args:
        who: whose parameters these are, for messages.
        model: weights file, ONNX file or pair, or name of a shipped model; several with commas between.
        tasks, gallery, question: see `sdr_sc.semantic.asked_tasks.AskedTasks.of`.
        knowledge_base: file of a global base whose entries frames may name, for the one model; '' for none.

    Attributes:
        names: of the models.
        contracts: by the ids in a frame's header.
        contract: of the first model.
        asked: what is answered, likewise.
        loaded: the decoders that are loaded, likewise.
        entries: what reads frames that name entries, when it is loaded; None without a base.
        items_not_a_number: so far.
        faulty: the first decoder that gave no number.

    Raises:
        BlockError: two of the models have one id.
        ContractError: one cannot be used, or what is asked of it; the message says why.
    """

    def __init__(
        self, who: str, model: str, tasks: str = "", gallery: str = "", question: str = "", knowledge_base: str = ""
    ) -> None:
        self._who, self._model, self._tasks, self._question = who, model, tasks, question
        self.names = [name.strip() for name in model.split(",")]
        contracts = [weights.read_contract(name, "decoder") for name in self.names]
        self.contracts = {contract.wire_id: contract for contract in contracts}
        if len(self.contracts) != len(contracts):
            raise BlockError(f"{who}: two of the models {self._model!r} have the same id; give each once.")
        self.contract = contracts[0]
        if knowledge_base and len(contracts) > 1:
            raise BlockError(f"{who}: a knowledge base is for one model, and {model!r} are several; give one model.")
        self._base = knowledge_base
        self.entries: EntryFrames | None = None
        self.asked = {
            contract.wire_id: AskedTasks.of(contract, tasks, gallery, weights.resolve(name, "decoder"), question)
            for name, contract in zip(self.names, contracts, strict=True)
        }
        self.loaded: dict[int, SemanticDecoder] = {}
        self.faulty: SemanticDecoder | None = None
        self.items_not_a_number = 0

    @property
    def asks_own(self) -> bool:
        """Whether a model asks each item a question of its own."""
        return any(asked.asks_own for asked in self.asked.values())

    def refinement(self, refine: str, reject_below: float) -> Settings | None:
        """How far a receiver goes that asks for more symbols of what it is not sure of; None where it does not ask.

        Args:
            refine, reject_below: of `sdr_sc.blocks.semantic_decoder`.

        Raises:
            BlockError: one makes no sense, or does not go with what is asked of the models.
            ContractError: a model has no rounds.
        """
        require_number(self._who, reject_below=reject_below)
        if not 0.0 <= reject_below <= 1.0:
            raise BlockError(f"{self._who}: reject_below is {reject_below}; use 0 to 1.")
        trigger = check_trigger(self._who, refine)
        if trigger == TRIGGERS[0]:
            return None
        if self.asks_own:
            raise BlockError(
                f"{self._who}: question is {self._question!r} and refine {refine!r}: items are not asked questions of "
                "their own with refinement; set refine to 'none', or give one question."
            )
        if any(asked.names for asked in self.asked.values()):
            raise BlockError(
                f"{self._who}: tasks is {self._tasks!r} and refine {refine!r}: further tasks are not answered with "
                "refinement; set refine to 'none', or tasks to ''."
            )
        for contract in self.contracts.values():
            first_rounds(contract, contract.cam)  # refuses a model without rounds
        return Settings(reject_below=reject_below, compare=trigger == "compare")

    def check_evidence(self, refine: bool) -> None:
        """Refuse to give out what the answers were made from, where knowledge bases cannot use it.

        Args:
            refine: whether more symbols of single items are asked for.

        Raises:
            BlockError: with refinement, or where a model's first task has no classes.
        """
        if refine:
            raise BlockError(
                f"{self._who}: evidence is on, and refine, too: knowledge bases take items of one number of symbols; "
                "set refine to 'none'."
            )
        for contract in self.contracts.values():
            if not contract.tasks[0].names or task_of(contract.tasks[0].name).needs:
                raise BlockError(
                    f"{self._who}: evidence is on, and {contract.tasks[0].name!r}, the first task of model "
                    f"{contract.name!r}, has no classes that a knowledge base could answer; switch it off."
                )

    def questions(self, model_id: int, texts: Sequence[str] | None = None) -> tuple[str, ...]:
        """What is answered to the items of a frame: one question of all, or ``texts``, one of each; none where none of
        the tasks answers questions."""
        question = self.asked[model_id].question
        return () if question is None else tuple(texts or ()) if question.is_own else (question.text,)

    def gallery_numbers(self, model_id: int) -> dict[str, int]:
        """Of the further tasks that search a gallery, `sdr_sc.semantic.gallery.entries_number`."""
        asked = self.asked[model_id]
        if asked.gallery is None:
            return {}
        return {name: asked.gallery.entries_number for name in asked.names if task_of(name).needs == "gallery"}

    def load(self) -> Iterator[tuple[ModelContract, SemanticDecoder]]:
        """Load the models that are not loaded yet, each of which takes seconds, and give them out."""
        from sdr_sc.semantic.inference import SemanticDecoder

        if self._base and self.entries is None:
            self.entries = EntryFrames(self._base, self.contract)
        for name, (wire_id, contract) in zip(self.names, self.contracts.items(), strict=True):
            if wire_id not in self.loaded:
                found = SemanticDecoder(name, question=self._question)
                found.contract.check_same_model(contract)
                self.loaded[wire_id] = found
                yield contract, found

    def answered(self, meta: dict[str, Any], data: np.ndarray, texts: Sequence[str] | None = None) -> AnsweredFrame:
        """Answers to a frame that `sdr_sc.link.frames.decodable.refusal` finds nothing wrong with.

        Args:
            meta, data: of the receiver's PDU.
            texts: what each item is asked, '' for nothing; needed where each is asked a question of its own.
        """
        began = time.perf_counter()
        if INDEXED in meta:
            return self._answered_entries(meta, data, texts)
        decoder, count = self.loaded[meta["model_id"]], meta["n_items"] * meta["k"]
        features, snr_db = np.asarray(data, np.complex64), meta["snr_db"]
        variance = noise_variances(meta, features)
        new = ReceivedPart(features[:count], variance[:count], snr_db)
        refined = ReceivedPart(features[count:], variance[count:], snr_db)
        if not count:
            return AnsweredFrame(new, refined, None, {}, None)
        shape = meta["n_items"], meta["k"]
        new = ReceivedPart(new.features.reshape(shape), new.noise_variance.reshape(shape), snr_db)
        erased = np.isinf(new.noise_variance)
        outputs = decoder.outputs(new.features, snr_db, erased, strict=False)
        first = decoder.answered(outputs, new.features, snr_db, erased, new.noise_variance, texts)
        others = self.asked[meta["model_id"]].answers(outputs, texts)
        self._note_faults(first, decoder)
        logits = outputs[:, decoder.parts[decoder.task.name]]
        return AnsweredFrame(new, refined, first, others, 1e3 * (time.perf_counter() - began), logits)

    def _answered_entries(self, meta: dict[str, Any], data: np.ndarray, texts: Sequence[str] | None) -> AnsweredFrame:
        """The same of a frame with indices, whose items are known by their entries as far as they are."""
        began = time.perf_counter()
        assert self.entries is not None
        decoder = self.loaded[meta["model_id"]]
        joined, is_read = self.entries.read(meta, np.asarray(data, np.complex64))
        new = ReceivedPart(joined.features, joined.noise_variance, meta["snr_db"])
        nothing = ReceivedPart(np.empty(0, np.complex64), np.empty(0, np.float32), meta["snr_db"])
        outputs = decoder.outputs_of_prefixes(joined.features, joined.snr_db, joined.k)
        first = decoder.answered_prefixes(outputs, joined.snr_db, joined.k, joined.noise_variance, texts)
        others = self.asked[meta["model_id"]].answers(outputs, texts)
        self._note_faults(first, decoder)
        logits = outputs[:, decoder.parts[decoder.task.name]]
        took_ms = 1e3 * (time.perf_counter() - began)
        return AnsweredFrame(new, nothing, first, others, took_ms, logits, is_read)

    def _note_faults(self, first: TaskAnswer, decoder: SemanticDecoder) -> None:
        """Count the items that the model gives no number for."""
        if (first.best == NOT_A_NUMBER).any():
            self.items_not_a_number += int((first.best == NOT_A_NUMBER).sum())
            self.faulty = self.faulty or decoder

    def fault(self) -> str:
        """What is wrong with the faulty model, as a sentence; '' where none is."""
        if self.faulty is None:
            return ""
        return f"{self.items_not_a_number} items got no answer: {self.faulty.fault()}"
