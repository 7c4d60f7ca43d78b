# SPDX-License-Identifier: GPL-3.0-or-later
"""Qt plot of how good the answers of each task are, over time."""

from __future__ import annotations

import pmt
from PyQt5 import QtWidgets

from sdr_sc.blocks.qt.quality_plot import QualityPlot
from sdr_sc.blocks.qt.shared import Display
from sdr_sc.blocks.runtime.guard import guarded_handler
from sdr_sc.blocks.runtime.pdu import read_pdu
from sdr_sc.errors import BlockError
from sdr_sc.link.parameters import require


class task_quality(Display):
    """Shows the share of right answers over the latest items, a curve for each figure of each task.

    Message input ``quality``: PDUs of the task sink.

    Args:
        points: values of each curve that are kept, four a second while frames arrive.

    Attributes:
        plot: the widget with the curves.

    Raises:
        BlockError: a parameter makes no sense.
    """

    def __init__(self, points: int = 600) -> None:
        Display.__init__(self, "task quality", "quality", "Right answers among the latest items")
        if points < 2:
            raise BlockError(f"task quality: points is {points}; use 2 or more.")
        self.plot = QualityPlot(points)
        QtWidgets.QVBoxLayout(self.widget).addWidget(self.plot)

    @guarded_handler
    def handle_quality(self, message: pmt.pmt_base) -> None:
        """Pass the figures to Qt."""
        meta, shares = read_pdu(message, "quality")
        require(meta, ("figures", "frames"), "quality")
        names = str(meta["figures"]).split(",")
        if len(names) != len(shares):
            raise BlockError(f"task quality: {len(names)} names of {len(shares)} figures; connect it to the task sink.")
        self._bridge.arrived.emit((int(meta["frames"]), dict(zip(names, map(float, shares), strict=True))))

    @guarded_handler  # an exception in a slot would end the process
    def _show(self, figures: tuple[int, dict[str, float]]) -> None:
        self.plot.add(*figures)
