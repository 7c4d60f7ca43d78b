# SPDX-License-Identifier: GPL-3.0-or-later
"""The answers of each task to one item, drawn as bars that are as long as they are probable."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt5 import QtCore, QtGui, QtWidgets

from sdr_sc.blocks.qt.shared import LOST, RIGHT, WRONG
from sdr_sc.semantic.shown_answers import ShownAnswer

_ROW, _GAP, _MARK, _SHARE = 22, 10, 20, 52
_LIGHTER = 60  # of 255: bars are behind text


class AnswerTable(QtWidgets.QWidget):
    """A heading for each task, below it its answers, best first: blue is right, orange wrong.

    Attributes:
        shown: what is drawn.
    """

    def __init__(self) -> None:
        super().__init__()
        self.shown: tuple[ShownAnswer, ...] = ()
        self.setMinimumWidth(260)

    def show_answers(self, shown: Sequence[ShownAnswer]) -> None:
        """Draw these from now on."""
        self.shown = tuple(shown)
        self.setMinimumHeight(sum(_height(one) for one in self.shown))
        self.update()

    def paintEvent(self, event: QtGui.QPaintEvent | None) -> None:  # noqa: N802  # Qt calls it
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        top = 0
        for one in self.shown:
            self._draw(painter, one, top)
            top += _height(one)
        painter.end()

    def _draw(self, painter: QtGui.QPainter, one: ShownAnswer, top: int) -> None:
        plain = self.palette().color(QtGui.QPalette.ColorRole.WindowText)
        told = f"{one.task}: {one.without}" if one.without else one.task
        _text(
            painter, QtCore.QRect(0, top, self.width(), _ROW), told, QtGui.QColor(LOST) if one.without else plain, True
        )
        tells_truth = one.truth and one.state in ("wrong", "lost")
        for place, (name, probability) in enumerate(one.answers, start=1):
            row = QtCore.QRect(0, top + place * _ROW, self.width(), _ROW)
            is_right, is_wrong = place - 1 == one.right, place == 1 and one.state in ("wrong", "listed")
            colour = QtGui.QColor(RIGHT if is_right else WRONG if is_wrong else LOST)
            room = row.adjusted(_MARK, 0, -_SHARE, 0)
            if probability is not None:
                pale = QtGui.QColor(colour)
                pale.setAlpha(_LIGHTER)
                length = round(room.width() * min(max(probability, 0.0), 1.0))
                painter.fillRect(room.adjusted(0, 2, length - room.width(), -2), pale)
                _text(painter, row.adjusted(0, 0, -4, 0), f"{100 * probability:.0f} %", plain, right=True)
            _text(painter, row, "✓" if is_right else "✗" if is_wrong else "", colour, True)
            _text(painter, room.adjusted(4, 0, -4, 0), name, colour if is_right or is_wrong else plain, is_right)
        if tells_truth:
            row = QtCore.QRect(_MARK + 4, top + (1 + len(one.answers)) * _ROW, self.width() - _MARK - 8, _ROW)
            _text(painter, row, f"is: {one.truth}", QtGui.QColor(LOST))


def _height(one: ShownAnswer) -> int:
    """Of a task's part, pixels, with room for the line that says what is right."""
    return (2 + len(one.answers)) * _ROW + _GAP


def _text(
    painter: QtGui.QPainter,
    box: QtCore.QRect,
    text: str,
    colour: QtGui.QColor,
    bold: bool = False,
    right: bool = False,
) -> None:
    """A line, its end left out where the box is too narrow."""
    font = painter.font()
    font.setBold(bold)
    painter.setFont(font)
    painter.setPen(colour)
    side = QtCore.Qt.AlignmentFlag.AlignRight if right else QtCore.Qt.AlignmentFlag.AlignLeft
    fitting = painter.fontMetrics().elidedText(text, QtCore.Qt.TextElideMode.ElideRight, box.width())
    painter.drawText(box, int(side | QtCore.Qt.AlignmentFlag.AlignVCenter), fitting)
