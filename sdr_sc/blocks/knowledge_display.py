# SPDX-License-Identifier: GPL-3.0-or-later
"""Qt display of an item that was sent, what the decoder and the knowledge base make of it, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pmt
from PyQt5 import QtWidgets

from sdr_sc.blocks.qt.knowledge_view import KnowledgeView, Said
from sdr_sc.blocks.qt.shared import Display, show_item
from sdr_sc.blocks.runtime.guard import guarded_handler
from sdr_sc.blocks.runtime.pdu import read_pdu
from sdr_sc.data.asked import OWN_QUESTION
from sdr_sc.errors import BlockError
from sdr_sc.link.frames.base_answers import base_answers_of
from sdr_sc.link.frames.task_answers import answers_of
from sdr_sc.link.parameters import fits_shape, require, require_text
from sdr_sc.semantic import weights
from sdr_sc.semantic.asked_tasks import AskedTasks
from sdr_sc.semantic.knowledge.answering.known import USED, KnownAnswers
from sdr_sc.semantic.knowledge.description.shelf import Shelf
from sdr_sc.semantic.knowledge.description.subject import NearEntry, subject_of
from sdr_sc.semantic.knowledge.description.template import TemplateDescriber
from sdr_sc.semantic.modalities.base import display_of
from sdr_sc.semantic.model_items import load_items
from sdr_sc.semantic.shown_answers import WITHOUT, ShownAnswer, name_of, shown_answer
from sdr_sc.semantic.tasks.base import LOST, task_of

_PICTURE_PIXELS = 96


@dataclass(frozen=True)
class _Update:
    """What the window is to show."""

    item: np.ndarray | None
    modality: str
    said: tuple[Said, ...]
    state: str
    entries: tuple[NearEntry, ...]
    description: Any


class knowledge_display(Display):
    """Shows the first item of a frame, the decoder's answer, the answer with the base, the nearest entries with
    their pictures, similarity and share, and a description with its sources.

    Message input ``results``: PDUs of a task sink that gets its answers from the block Knowledge Base.

    Args:
        model: whose contract gives the names of answers.
        base: file of the global base, of which titles and pictures are read; '' for none: ids and similarities are
            shown.
        tasks, gallery, question: as for the semantic decoder.
        numbering: as for the block Knowledge Base: data set by whose classes answers are numbered; '' for the model's.
        period_ms: shortest time between two updates, in which people can read.

    Attributes:
        updates: items shown so far.

    Raises:
        BlockError: a parameter makes no sense.
        ContractError: the model does not answer one of the tasks.
        KnowledgeError: the file is no base.
        DataSetError: there is no such data set.
    """

    def __init__(
        self,
        model: str = weights.DEFAULT_MODEL,
        base: str = "",
        tasks: str = "",
        gallery: str = "",
        question: str = "",
        numbering: str = "",
        period_ms: int = 1500,
    ) -> None:
        Display.__init__(self, "knowledge display", "results", "What the receiver knows of it", period_ms)
        texts = {"base": base, "tasks": tasks, "gallery": gallery, "question": question, "numbering": numbering}
        require_text("knowledge display", **texts)
        contract = weights.read_contract(model, "decoder")
        self._asked = AskedTasks.of(contract, tasks, gallery, weights.resolve(model, "decoder"), question)
        self._task, self._question = contract.tasks[0].name, question
        self._calibrated = frozenset({self._task} if contract.calibration is not None else ())
        self._item_shape, self._modality = contract.item_shape, contract.modality.name
        own = self._asked.answer_names(self._task)
        self._names = dict(enumerate(load_items(numbering, "test").names(self._task) if numbering else own))
        self._shelf, self._describer = Shelf(base), TemplateDescriber()
        self.view = KnowledgeView()
        QtWidgets.QVBoxLayout(self.widget).addWidget(self.view)

    @guarded_handler
    def handle_results(self, message: pmt.pmt_base) -> None:
        """Pass a frame's first item to Qt, unless the last update was a moment ago."""
        if not self._pace.is_due():
            return
        meta, items = read_pdu(message, "results")
        require(meta, ("label", "answer", "snr_db", "k"), "results")
        count = len(meta["label"])
        if len(meta["answer"]) != count or (len(items) and len(items) % count):
            raise BlockError("knowledge display: a result's answers do not fit its items; connect it to the task sink.")
        found = base_answers_of(meta, np.asarray(meta["answer"], np.int32))
        if found is None:
            raise BlockError(
                "knowledge display: a result has no answer of a base; put the block Knowledge Base between Semantic "
                "Decoder and Task Sink."
            )
        self._names |= {number: name for number, name in zip(found.ids.tolist(), found.names, strict=True) if name}
        item = np.asarray(items[: len(items) // count], np.uint8)
        self._bridge.arrived.emit(self._update(meta, found, self._shaped(item, meta)))

    def _shaped(self, item: np.ndarray, meta: dict[str, Any]) -> np.ndarray | None:
        """The item in its shape; None where the receiver does not know what was sent."""
        if not len(item):
            return None
        shape = np.asarray(meta.get("item_shape", self._item_shape))
        if not fits_shape(shape, len(item)):
            raise BlockError(f"knowledge display: an item of {len(item)} bytes is none of shape {tuple(shape)}.")
        return item.reshape(shape)

    def _update(self, meta: dict[str, Any], found: KnownAnswers, item: np.ndarray | None) -> _Update:
        question = str(meta.get("question", "" if self._question == OWN_QUESTION else self._question))
        alone, label = int(found.decoder_ids[0]), int(meta["label"][0])
        own_name = name_of(self._names, alone) if alone >= 0 else ""
        known = subject_of(
            found, 0, own_name, self._shelf.of(found.base_id, found.base_version), self._others(meta, len(found.ids)),
            self._task, self._shelf.title, self._calibrated, question,
        )  # fmt: skip
        said = [
            self._said("decoder", own_name, alone, label),
            self._said(
                "with the base", found.names[0], int(found.ids[0]), label, f"{100 * float(found.confidence[0]):.0f} %"
            ),
        ]
        state = f"base {found.base_version}: {found.state}" if found.base_id else f"base: {found.state}"
        if found.state == USED:
            state += f", weight {100 * float(found.weight[0]):.0f} %"
        state += f"   {meta['k']} symbols, {meta['snr_db']:.1f} dB"
        modality = str(meta.get("modality", self._modality))
        return _Update(item, modality, tuple(said), state, known.entries, self._describer.describe(known))

    def _said(self, who: str, name: str, number: int, label: int, detail: str = "") -> Said:
        if number < 0:
            return Said(who, WITHOUT.get(number, WITHOUT[LOST]))
        right = None if label < 0 else bool(task_of(self._task).right(np.array([number]), np.array([label]))[0])
        return Said(who, name, detail, right)

    def _others(self, meta: dict[str, Any], count: int) -> list[ShownAnswer]:
        """What the further tasks answer of the first item, but for pictures."""
        shown = []
        for task, answer in answers_of(meta, count).items():
            if answer.pictures is None and task in self._asked.names:
                sure = (answer.confidence[:1] if answer.each is None else answer.each[0]).tolist()
                shown.append(shown_answer(task, self._asked.answer_names(task), answer.ids[0], sure, -1))
        return shown

    @guarded_handler  # an exception in a slot would end the process
    def _show(self, update: _Update) -> None:
        if update.item is None:
            self.view.sent.setText("what was sent is not known here")
        else:
            show_item(self.view.sent, display_of(update.modality), update.item, _PICTURE_PIXELS)
        self.view.show_item(update.said, update.state, update.entries, update.description)
        self.updates += 1
