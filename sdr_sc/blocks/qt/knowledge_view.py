# SPDX-License-Identifier: GPL-3.0-or-later
"""What a receiver with a knowledge base says of an item: both answers, the nearest entries, and the description."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from PyQt5 import QtCore, QtGui, QtWidgets

from sdr_sc.blocks.qt.shared import LOST, RIGHT, WRONG
from sdr_sc.semantic.knowledge.answering.known import LISTED
from sdr_sc.semantic.knowledge.description.statements import Description, quoted
from sdr_sc.semantic.knowledge.description.subject import NearEntry

_PICTURE, _MOST_PIXELS, _CELL, _LINE = 64, 1024, 136, 18
_COLOURS = {True: RIGHT, False: WRONG, None: LOST}
_MARKS = {True: " ✓", False: " ✗", None: ""}


@dataclass(frozen=True)
class Said:
    """An answer in the view.

    Attributes:
        who: says it, such as ``decoder``.
        name: of it; foreign text.
        detail: beside it, in brackets.
        is_right: None where nobody knows.
    """

    who: str
    name: str
    detail: str = ""
    is_right: bool | None = None

    def markup(self) -> str:
        """As Qt shows it."""
        name = html.escape(quoted(self.name))
        detail = f" ({html.escape(self.detail)})" if self.detail else ""
        mark = _MARKS[self.is_right]
        return f"{html.escape(self.who)}: <b style='color:{_COLOURS[self.is_right]}'>{name}{mark}</b>{detail}"


def picture_of(png: bytes) -> QtGui.QPixmap | None:
    """An entry's picture, scaled; None where it is none, or too large to be an entry's."""
    buffer = QtCore.QBuffer()
    buffer.setData(png)
    buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
    reader = QtGui.QImageReader(buffer, b"png")
    size = reader.size()
    if not size.isValid() or max(size.width(), size.height()) > _MOST_PIXELS:
        return None
    image = reader.read()
    if image.isNull():
        return None
    keep = QtCore.Qt.AspectRatioMode.KeepAspectRatio
    return QtGui.QPixmap.fromImage(image).scaled(_PICTURE, _PICTURE, keep)


class _EntryCell(QtWidgets.QWidget):
    """One of the nearest entries: picture or text, mark and title, similarity, share of the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedWidth(_CELL)
        self.picture, self.title, self.score = (QtWidgets.QLabel() for _ in range(3))
        self.share = QtWidgets.QProgressBar()
        self.share.setRange(0, 100)
        self.share.setFormat("share %p %")
        self.share.setFixedHeight(_LINE)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        for part in (self.picture, self.title, self.score, self.share):
            if isinstance(part, QtWidgets.QLabel):
                part.setTextFormat(QtCore.Qt.TextFormat.PlainText)
                part.setWordWrap(True)
                part.setAlignment(QtCore.Qt.AlignmentFlag.AlignCenter)
            layout.addWidget(part)
        self.picture.setFixedHeight(_PICTURE)
        self.title.setFixedHeight(3 * self.title.fontMetrics().lineSpacing())
        centred = QtCore.Qt.Alignment(QtCore.Qt.AlignmentFlag.AlignHCenter)
        self.title.setAlignment(centred | QtCore.Qt.AlignmentFlag.AlignTop)
        kept = self.share.sizePolicy()
        kept.setRetainSizeWhenHidden(True)
        self.share.setSizePolicy(kept)
        layout.addStretch()

    def show_entry(self, place: int, near: NearEntry | None) -> None:
        """Show an entry, or nothing."""
        self.picture.clear()
        self.share.setVisible(near is not None and near.share >= 0.005)
        if near is None:
            self.title.clear()
            self.score.clear()
            return
        entry = near.entry
        drawn = picture_of(entry.picture) if entry is not None and entry.picture else None
        if drawn is not None:
            self.picture.setPixmap(drawn)
        elif entry is not None and entry.text and entry.text != entry.title:
            self.picture.setText(quoted(entry.text))
        if near.is_local:
            name = "received here before"
        else:
            name = quoted(near.fault) if entry is None else quoted(entry.title, 40)
        self.title.setText(f"[{place}] {name}")
        self.score.setText(f"similarity {near.similarity:.2f}")
        self.share.setValue(round(100 * min(max(near.share, 0.0), 1.0)))


class KnowledgeView(QtWidgets.QWidget):
    """Answers above, the nearest entries in a row, the description below.

    Attributes:
        description: that is shown; None before the first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.description: Description | None = None
        self.sent, self._answers, self._state, self._text = (QtWidgets.QLabel() for _ in range(4))
        self._cells = [_EntryCell() for _ in range(LISTED)]
        layout, top, row = QtWidgets.QVBoxLayout(self), QtWidgets.QHBoxLayout(), QtWidgets.QHBoxLayout()
        self.sent.setWordWrap(True)
        self.sent.setMinimumSize(96, 96)
        self._answers.setTextFormat(QtCore.Qt.TextFormat.RichText)
        for label in (self._state, self._text):
            label.setTextFormat(QtCore.Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        font = self._answers.font()
        font.setPointSizeF(1.2 * font.pointSizeF())
        self._answers.setFont(font)
        top.addWidget(self.sent)
        top.addWidget(self._answers, 1)
        for cell in self._cells:
            row.addWidget(cell)
        row.addStretch()
        layout.addLayout(top)
        layout.addWidget(self._state)
        layout.addLayout(row)
        layout.addWidget(self._text)
        layout.addStretch()
        self._text.setMinimumHeight(4 * self._text.fontMetrics().lineSpacing())
        self._text.setAlignment(QtCore.Qt.AlignmentFlag.AlignTop)

    def show_item(
        self, said: Sequence[Said], state: str, entries: Sequence[NearEntry], description: Description
    ) -> None:
        """Show an item from now on.

        Args:
            said: answers, a line each.
            state: of base and link, a line.
            entries: the nearest first.
        """
        self.description = description
        self._answers.setText("<br>".join(one.markup() for one in said))
        self._state.setText(state)
        for place, cell in enumerate(self._cells, start=1):
            cell.show_entry(place, entries[place - 1] if place <= len(entries) else None)
        self._text.setText(description.text(isolated=True))
