# SPDX-License-Identifier: GPL-3.0-or-later
"""Which frames a transmitter maps by importance, and by which channel report of its receiver.

The receiver reports the channel of each frame with its SNR (`sdr_sc.phy.frame.importance`), and derives the order again
from what it keeps. A transmitter that is asked to map by importance does so by the latest report, as long as the
feedback that brought it holds (`sdr_sc.link.adaptation.FeedbackState`), and interleaves otherwise.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from sdr_sc.errors import BlockError
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO, Header
from sdr_sc.phy.frame.importance import LONGEST_REPORT, MOST_AGE, fits, report_check, report_levels
from sdr_sc.phy.numerology import Numerology

INTERLEAVE, IMPORTANCE = MAPPINGS = ("interleave", "importance")

OTHER_SIZE = "report of another numerology"
OLD = "report too old"
FLAT = "channel not selective"
REFINEMENTS = "frame with refinements"
OTHER_VERSION = "frame of protocol version 1"

_FLAT_LEVELS = 2
"""Between the strongest and the weakest subcarrier, 3 dB: less is what noise makes of a flat channel."""


class ChannelReport(NamedTuple):
    """What a receiver reported of the channel.

    Attributes:
        frame_num: number of the frame that it was seen in.
        levels: uint8 (used / 2,), see `sdr_sc.phy.receive.channel_report`.
    """

    frame_num: int
    levels: np.ndarray


def read_report(frame_num: int, levels: Any) -> ChannelReport | None:
    """The report in a feedback's metadata; None where it is none.

    >>> read_report(3, np.zeros(26, np.uint8)) is None, read_report(3, np.zeros(26)) is None
    (False, True)
    """
    is_report = isinstance(levels, np.ndarray) and levels.dtype == np.uint8 and 1 <= levels.size <= LONGEST_REPORT
    return ChannelReport(frame_num, levels) if is_report and levels.ndim == 1 else None


def check_mapping(block: str, mapping: Any) -> bool:
    """Whether a parameter asks for mapping by importance.

    Raises:
        BlockError: it is none of `MAPPINGS`.
    """
    if mapping not in MAPPINGS:
        raise BlockError(f"{block}: mapping is {mapping!r}; use one of {', '.join(MAPPINGS)}.")
    return mapping == IMPORTANCE


class ImportanceMapper:
    """Decides frame by frame at the transmitter.

    Args:
        numerology: of the frames.

    Attributes:
        mapped: frames mapped by importance.
        interleaved: frames that were interleaved although there was a report, by reason.
    """

    def __init__(self, numerology: Numerology) -> None:
        self._numerology = numerology
        self.mapped = 0
        self.interleaved: Counter[str] = Counter()

    def header(self, header: Header, report: ChannelReport) -> Header:
        """The header with the report's age and check; as it is where the frame has to be interleaved."""
        age = (header.frame_num - report.frame_num) % FRAME_NUM_MODULO
        reason = self._reason(header, report, age)
        if reason:
            self.interleaved[reason] += 1
            return header
        self.mapped += 1
        header = replace(header, report_age=age)
        return replace(header, report_check=report_check(header.report_frame, report.levels))

    def _reason(self, header: Header, report: ChannelReport, age: int) -> str:
        """Why a frame cannot or should not be mapped by a report; '' if it is."""
        if header.version == 1:
            return OTHER_VERSION
        if header.request or header.refined_symbols:
            return REFINEMENTS  # its header has no bits left, and what was asked for is of equal importance
        if not fits(report.levels, self._numerology):
            return OTHER_SIZE
        if not 1 <= age <= MOST_AGE:
            return OLD
        levels = report_levels(report.levels)[self._numerology.data_index]
        return FLAT if levels.max() - levels.min() <= _FLAT_LEVELS else ""
