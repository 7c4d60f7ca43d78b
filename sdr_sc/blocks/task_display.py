# SPDX-License-Identifier: GPL-3.0-or-later
"""Qt display of an item that was sent, beside the answers of each task."""

from __future__ import annotations

from typing import Any

import numpy as np
import pmt
from PyQt5 import QtCore, QtWidgets

from sdr_sc.blocks.qt.answer_table import AnswerTable
from sdr_sc.blocks.qt.shared import Display, show_item
from sdr_sc.blocks.runtime.guard import guarded_handler
from sdr_sc.blocks.runtime.pdu import read_pdu
from sdr_sc.data.asked import OWN_QUESTION
from sdr_sc.errors import BlockError
from sdr_sc.link.frames.task_answers import answers_of, targets_of
from sdr_sc.link.parameters import fits_shape, require, require_text
from sdr_sc.semantic import weights
from sdr_sc.semantic.asked_tasks import AskedTasks
from sdr_sc.semantic.modalities.base import display_of
from sdr_sc.semantic.shown_answers import ShownAnswer, shown_answer
from sdr_sc.semantic.tasks.base import TaskAnswer

_PICTURE_PIXELS = 144


class task_display(Display):
    """Shows the first item of a frame, a picture or words, and what each task answers: names, probabilities, and
    whether they are right, or a picture.

    Message input ``results``: PDUs of the task sink.

    Args:
        model: whose contract gives the tasks and the names of their answers.
        tasks, gallery, question: as for the semantic decoder.
        period_ms: shortest time between two updates, in which people can read.

    Attributes:
        updates: items shown so far.

    Raises:
        BlockError: a parameter makes no sense.
        ContractError: the model does not answer one of the tasks, or the gallery is not one of this model.
    """

    def __init__(
        self,
        model: str = weights.DEFAULT_MODEL,
        tasks: str = "",
        gallery: str = "",
        question: str = "",
        period_ms: int = 1000,
    ) -> None:
        Display.__init__(self, "task display", "results", "Sent once, and answered for every task", period_ms)
        require_text("task display", tasks=tasks, gallery=gallery, question=question)
        contract = weights.read_contract(model, "decoder")
        self._asked = AskedTasks.of(contract, tasks, gallery, weights.resolve(model, "decoder"), question)
        self._question = question
        self._item_shape, self._modality = contract.item_shape, contract.modality.name
        self._sent, self._arrived, self._link = (QtWidgets.QLabel() for _ in range(3))
        self._table = AnswerTable()
        self._sent.setWordWrap(True)
        self._sent.setMinimumHeight(_PICTURE_PIXELS // 2)
        self._sent.setAlignment(QtCore.Qt.AlignmentFlag.AlignVCenter)
        font = self._sent.font()
        font.setPointSizeF(1.25 * font.pointSizeF())
        self._sent.setFont(font)
        layout, pictures = QtWidgets.QVBoxLayout(self.widget), QtWidgets.QHBoxLayout()
        pictures.addWidget(self._sent, 1)
        pictures.addWidget(self._arrived)
        layout.addLayout(pictures)
        for part in (self._link, self._table):
            layout.addWidget(part)
        layout.addStretch()

    @property
    def shown(self) -> tuple[ShownAnswer, ...]:
        """The answers that are shown now."""
        return self._table.shown

    @guarded_handler
    def handle_results(self, message: pmt.pmt_base) -> None:
        """Pass a frame's first item to Qt, unless the last update was a moment ago."""
        if not self._pace.is_due():
            return
        meta, items = read_pdu(message, "results")
        require(meta, ("label", "answer", "confidence", "snr_db", "k"), "results")
        count = len(meta["label"])
        if not count == len(meta["answer"]) == len(meta["confidence"]) or (len(items) and len(items) % count):
            raise BlockError("task display: a result's answers do not fit its items; connect it to the task sink.")
        item = np.asarray(items[: len(items) // count], np.uint8)
        self._bridge.arrived.emit((self._shaped(item, meta), *self._answers(meta), meta))

    def _shaped(self, item: np.ndarray, meta: dict[str, Any]) -> np.ndarray | None:
        """The item in its shape; None where the receiver does not know what was sent."""
        if not len(item):
            return None
        shape = np.asarray(meta.get("item_shape", self._item_shape))
        if not fits_shape(shape, len(item)):
            raise BlockError(f"task display: an item of {len(item)} bytes is none of shape {tuple(shape)}.")
        return item.reshape(shape)

    def _answers(self, meta: dict[str, Any]) -> tuple[tuple[ShownAnswer, ...], np.ndarray | None]:
        """What each task answers of the first item, the model's first one before the others; and the picture of a task
        that answers with one, if the item has any."""
        count = len(meta["label"])
        first, *others = self._asked.all_names
        own = TaskAnswer(np.asarray(meta["answer"])[:, None], np.asarray(meta["confidence"]))
        found, targets = {first: own, **answers_of(meta, count)}, {first: np.asarray(meta["label"])}
        shown, picture = [], None
        for task in (first, *others):
            if task not in found:
                continue
            one, target = found[task], targets.get(task, targets_of(meta, task, count))
            if one.pictures is not None:
                picture = one.pictures[0] if one.best[0] >= 0 else None
                continue
            sure = (one.confidence[:1] if one.each is None else one.each[0]).tolist()
            shown.append(shown_answer(task, self._asked.answer_names(task), one.ids[0], sure, int(target[0])))
        return tuple(shown), picture

    @guarded_handler  # an exception in a slot would end the process
    def _show(self, result: tuple[Any, tuple[ShownAnswer, ...], np.ndarray | None, dict[str, Any]]) -> None:
        item, shown, picture, meta = result
        if item is None:
            self._sent.setText("what was sent is not known here")
        else:
            show_item(self._sent, display_of(str(meta.get("modality", self._modality))), item, _PICTURE_PIXELS)
        if picture is None:
            self._arrived.clear()
        else:
            show_item(self._arrived, display_of("image"), picture, _PICTURE_PIXELS)
        question = str(meta.get("question", "" if self._question == OWN_QUESTION else self._question))
        asked = f"asked: {question}   " if question else ""
        self._link.setText(f"{asked}{meta['k']} symbols, {meta['snr_db']:.1f} dB")
        self._table.show_answers(shown)
        self.updates += 1
