# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves of percentages over frames, with their latest values as legend."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from PyQt5 import QtCore, QtGui, QtWidgets

from sdr_sc.blocks.qt.shared import CURVES

_LEFT, _RIGHT, _BOTTOM, _LINE = 54, 12, 24, 20


class QualityPlot(QtWidgets.QWidget):
    """Percentages over the number of frames.

    Args:
        points: values of each curve that are kept; older ones are forgotten.

    Attributes:
        curves: frames and percentage of each point, by the curve's name.
    """

    def __init__(self, points: int) -> None:
        super().__init__()
        self._points = points
        self.curves: dict[str, deque[tuple[int, float]]] = {}
        self.setMinimumSize(260, 160)

    def add(self, frames: int, shares: Mapping[str, float]) -> None:
        """A point of each curve, percent, after so many frames."""
        for name, share in shares.items():
            self.curves.setdefault(name, deque(maxlen=self._points)).append((frames, share))
        self.update()

    def paintEvent(self, event: QtGui.QPaintEvent | None) -> None:  # noqa: N802  # Qt calls it
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        ink = self.palette().color(QtGui.QPalette.ColorRole.WindowText)
        top = self._draw_legend(painter, ink)
        plot = QtCore.QRectF(_LEFT, top, self.width() - _LEFT - _RIGHT, self.height() - top - _BOTTOM)
        first, last = self._range()
        self._draw_axes(painter, plot, ink, first, last)
        for number, points in enumerate(self.curves.values()):
            painter.setPen(QtGui.QPen(QtGui.QColor(CURVES[number % len(CURVES)]), 2))
            scale = plot.width() / max(last - first, 1)
            line = [
                QtCore.QPointF(plot.left() + (frames - first) * scale, plot.bottom() - share / 100 * plot.height())
                for frames, share in points
            ]
            painter.drawPolyline(QtGui.QPolygonF(line))
        painter.end()

    def _range(self) -> tuple[int, int]:
        ends = [frames for points in self.curves.values() for frames in (points[0][0], points[-1][0])]
        return (min(ends), max(ends)) if ends else (0, 0)

    def _draw_legend(self, painter: QtGui.QPainter, ink: QtGui.QColor) -> int:
        """Names and latest values, in as many lines as they need; returns where the plot begins, pixels."""
        left, top, metrics = _LEFT, 2, painter.fontMetrics()
        for number, (name, points) in enumerate(self.curves.items()):
            text = f"{name} {points[-1][1]:.0f} %"
            width = metrics.horizontalAdvance(text) + 34
            if left > _LEFT and left + width > self.width():
                left, top = _LEFT, top + _LINE
            painter.setPen(QtGui.QPen(QtGui.QColor(CURVES[number % len(CURVES)]), 3))
            painter.drawLine(left, top + _LINE // 2, left + 14, top + _LINE // 2)
            painter.setPen(ink)
            painter.drawText(left + 18, top, width, _LINE, int(QtCore.Qt.AlignmentFlag.AlignVCenter), text)
            left += width
        return top + _LINE + 8

    def _draw_axes(
        self, painter: QtGui.QPainter, plot: QtCore.QRectF, ink: QtGui.QColor, first: int, last: int
    ) -> None:
        pale = QtGui.QColor(ink)
        pale.setAlpha(50)
        right = QtCore.Qt.AlignmentFlag.AlignRight | QtCore.Qt.AlignmentFlag.AlignVCenter
        for share in (0, 25, 50, 75, 100):
            y = plot.bottom() - share / 100 * plot.height()
            painter.setPen(pale)
            painter.drawLine(QtCore.QPointF(plot.left(), y), QtCore.QPointF(plot.right(), y))
            painter.setPen(ink)
            painter.drawText(QtCore.QRectF(0, y - _LINE / 2, _LEFT - 6, _LINE), int(right), f"{share} %")
        below = QtCore.QRectF(plot.left(), plot.bottom() + 2, plot.width(), _LINE)
        painter.drawText(below, int(QtCore.Qt.AlignmentFlag.AlignLeft), f"frame {first}")
        painter.drawText(below, int(QtCore.Qt.AlignmentFlag.AlignRight), str(last))
