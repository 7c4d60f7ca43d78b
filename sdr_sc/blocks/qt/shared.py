# SPDX-License-Identifier: GPL-3.0-or-later
"""What the displays share: the way from GNU Radio's threads to Qt's, pictures, colours, and the pace of updates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pmt
from gnuradio import gr
from PyQt5 import QtCore, QtGui, QtWidgets

from sdr_sc.errors import BlockError
from sdr_sc.semantic.modalities.base import Modality

RIGHT, WRONG, LOST = "#0072B2", "#D55E00", "#777777"
CURVES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#B8860B", "#2B2F77", "#56B4E9", "#7F3F1F")
"""Of curves, after Okabe and Ito, which colour-blind readers tell apart."""


class Bridge(QtCore.QObject):
    """Carries results from GNU Radio's thread to Qt's: what is connected to `arrived` is called there, by its queue."""

    arrived = QtCore.pyqtSignal(object)


class Pace:
    """When the next update is due.

    Args:
        period_ms: shortest time between two updates.
    """

    def __init__(self, period_ms: int) -> None:
        self._period_ms = period_ms
        self._clock = QtCore.QElapsedTimer()

    def is_due(self) -> bool:
        """Whether the last update is long enough ago; the next period then begins."""
        if self._clock.isValid() and self._clock.elapsed() < self._period_ms:
            return False
        self._clock.start()
        return True


class Display(gr.basic_block):
    """A block with a widget: its method ``handle_PORT`` gets the PDUs of one message input in GNU Radio's thread, and
    what it emits by ``_bridge.arrived`` comes to its method ``_show`` in Qt's.

    Args:
        name: of the block, with spaces.
        port: its message input.
        title: of the widget.
        period_ms: shortest time between two updates.

    Attributes:
        widget: a box for what it shows.
        updates: of it so far.

    Raises:
        BlockError: the period is below 0.
    """

    def __init__(self, name: str, port: str, title: str, period_ms: int = 0) -> None:
        gr.basic_block.__init__(self, f"sdr_sc_{name.replace(' ', '_')}", in_sig=None, out_sig=None)
        if period_ms < 0:
            raise BlockError(f"{name}: period_ms is {period_ms}; use 0 or more.")
        self._pace = Pace(period_ms)
        self.updates = 0
        self.widget = QtWidgets.QGroupBox(title)
        self._bridge = Bridge()
        self._bridge.arrived.connect(self._show)  # queued by Qt, as it is emitted in another thread
        self.message_port_register_in(pmt.intern(port))
        self.set_msg_handler(pmt.intern(port), getattr(self, f"handle_{port}"))

    def qwidget(self) -> QtWidgets.QWidget:
        """The widget, for the layout of the window."""
        return self.widget

    def _show(self, what: Any) -> None:
        raise NotImplementedError


def as_qimage(image: np.ndarray) -> QtGui.QImage:
    """A grey image (height, width), or one of colour (3, height, width), as Qt draws it."""
    rows, columns = image.shape[-2:]
    if image.ndim == 3:
        pixels, kind = np.ascontiguousarray(image.transpose(1, 2, 0)), QtGui.QImage.Format.Format_RGB888
    else:
        pixels, kind = np.ascontiguousarray(image), QtGui.QImage.Format.Format_Grayscale8
    return QtGui.QImage(pixels.tobytes(), columns, rows, pixels.nbytes // rows, kind).copy()


def show_item(label: QtWidgets.QLabel, display: type[Modality], item: np.ndarray, width: int) -> None:
    """Show an item as its modality does: a picture, so many pixels wide, or words."""
    thumbnail = display.thumbnail(item)
    if thumbnail is None:
        label.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        label.setText(display.text(item))
    else:
        label.setPixmap(QtGui.QPixmap.fromImage(as_qimage(thumbnail)).scaledToWidth(width))
