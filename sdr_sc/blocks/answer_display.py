# SPDX-License-Identifier: GPL-3.0-or-later
"""Qt display of the items sent, each as its modality shows it, beside the answer."""

from __future__ import annotations

import numpy as np
import pmt
from PyQt5 import QtCore, QtWidgets

from sdr_sc.blocks.qt.shared import LOST, RIGHT, WRONG, Display, show_item
from sdr_sc.blocks.runtime.guard import guarded_handler
from sdr_sc.blocks.runtime.pdu import read_pdu
from sdr_sc.errors import BlockError
from sdr_sc.link.parameters import require
from sdr_sc.semantic import weights
from sdr_sc.semantic.modalities.base import modality_class
from sdr_sc.semantic.shown_answers import WITHOUT
from sdr_sc.semantic.tasks.base import task_of

_PICTURE_PIXELS = 96


class answer_display(Display):
    """Shows the items of the latest frame with what was sent and what was answered.

    Message input ``results``: PDUs of the task sink.

    Args:
        model: whose contract gives the class names.
        columns: items shown at most.
        period_ms: shortest time between two updates.

    Raises:
        BlockError: a parameter makes no sense.
    """

    def __init__(self, model: str = weights.DEFAULT_MODEL, columns: int = 4, period_ms: int = 250) -> None:
        Display.__init__(self, "answer display", "results", "Sent, and answered", period_ms)
        if columns < 1:
            raise BlockError(f"answer display: columns is {columns}; use 1 or more.")
        contract = weights.read_contract(model)
        self._names, self._shape = contract.class_names, contract.item_shape
        self._display = modality_class(contract.modality.name)
        self._task = task_of(contract.tasks[0].name)
        layout = QtWidgets.QHBoxLayout(self.widget)
        self._cells = []
        for _ in range(columns):
            cell, picture = QtWidgets.QLabel(), QtWidgets.QLabel()
            column = QtWidgets.QVBoxLayout()
            column.addStretch()
            for label in (picture, cell):
                label.setAlignment(QtCore.Qt.AlignmentFlag.AlignCenter)
                column.addWidget(label)
            column.addStretch()
            layout.addLayout(column)
            self._cells.append((picture, cell))

    @guarded_handler
    def handle_results(self, message: pmt.pmt_base) -> None:
        """Pass a frame's results to Qt, unless the last update was a moment ago."""
        if not self._pace.is_due():
            return
        meta, items = read_pdu(message, "results")
        require(meta, ("label", "answer", "confidence"), "results")
        if not len(items):
            return  # of a receiver that does not know what was sent: there are no items
        count, known = len(meta["label"]), len(self._names)
        if not count == len(meta["answer"]) == len(meta["confidence"]) == len(items) / int(np.prod(self._shape)):
            raise BlockError(f"answer display: a result has items of another size than {self._shape}; use one model.")
        if max(*meta["label"], *meta["answer"]) >= known:
            raise BlockError(f"answer display: a result names a class beyond the model's {known}; use one model.")
        self._bridge.arrived.emit((np.asarray(items, np.uint8), meta))

    @guarded_handler  # an exception in a slot would end the process
    def _show(self, result: tuple[np.ndarray, dict]) -> None:
        items, meta = result
        shaped = items.reshape(-1, *self._shape)
        right = self._task.right(np.asarray(meta["answer"]), np.asarray(meta["label"]))
        self.updates += 1
        for picture, cell in self._cells[len(shaped) :]:
            picture.clear()
            cell.clear()
        for (picture, cell), item, label, answer, confidence, is_right in zip(
            self._cells, shaped, meta["label"], meta["answer"], meta["confidence"], right, strict=False
        ):
            show_item(picture, self._display, item, _PICTURE_PIXELS)
            sent = self._names[label] if label >= 0 else "unlabelled"
            said = self._names[answer] if answer >= 0 else WITHOUT[int(answer)]
            colour = LOST if min(answer, label) < 0 else RIGHT if is_right else WRONG
            cell.setText(f"{sent}<br><b style='color:{colour}'>{said}</b><br>{100 * confidence:.0f} %")
