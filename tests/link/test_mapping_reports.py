# SPDX-License-Identifier: GPL-3.0-or-later
"""Which frames are mapped by importance: only by a report that holds, that fits, and that says something."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sdr_sc.errors import BlockError
from sdr_sc.link.adaptation import STALE_TIMEOUTS, FeedbackState, LinkAdaptation
from sdr_sc.link.frame_sender import FrameSender
from sdr_sc.link.in_flight import InFlight
from sdr_sc.link.mapping import (
    FLAT,
    OLD,
    OTHER_SIZE,
    OTHER_VERSION,
    REFINEMENTS,
    ChannelReport,
    ImportanceMapper,
    check_mapping,
    read_report,
)
from sdr_sc.link.network.pdu_schema import REPORT, REPORT_FRAME
from sdr_sc.link.return_path import ReturnPath, TransmitterView
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO, Header
from sdr_sc.phy.frame.importance import MOST_AGE, report_check
from sdr_sc.phy.numerology import Numerology
from sdr_sc.semantic import weights

CONTRACT = weights.read_contract(weights.DEFAULT_MODEL, "encoder")
SELECTIVE = np.arange(26, dtype=np.uint8) * 9


@pytest.mark.parametrize("seen, sent, age", [(4, 5, 1), (0, MOST_AGE, MOST_AGE), (4095, 2, 3)])
def test_a_header_names_the_report_that_it_is_mapped_by(seen: int, sent: int, age: int) -> None:
    mapper = ImportanceMapper(Numerology())
    header = mapper.header(Header(1, 4, 8, sent), ChannelReport(seen, SELECTIVE))
    assert (header.report_age, header.report_frame) == (age, seen)
    assert header.report_check == report_check(seen, SELECTIVE) and mapper.mapped == 1 and not mapper.interleaved


@pytest.mark.parametrize(
    "header, report, reason",
    [
        (Header(1, 4, 8, 5), ChannelReport(5, SELECTIVE), OLD),
        (Header(1, 4, 8, 5), ChannelReport(6, SELECTIVE), OLD),
        (Header(1, 4, 8, MOST_AGE + 5), ChannelReport(4, SELECTIVE), OLD),
        (Header(1, 4, 8, 5), ChannelReport(-1_000_000, SELECTIVE), OLD),
        (Header(1, 4, 8, 5), ChannelReport(4, SELECTIVE[:-1]), OTHER_SIZE),
        (Header(1, 4, 8, 5), ChannelReport(4, np.zeros(512, np.uint8)), OTHER_SIZE),
        (Header(1, 4, 8, 5), ChannelReport(4, np.full(26, 0x12, np.uint8)), FLAT),
        (Header(1, 4, 8, 5, version=1), ChannelReport(4, SELECTIVE), OTHER_VERSION),
        (Header(1, 4, 8, 5, request=3, refined_symbols=2), ChannelReport(4, SELECTIVE), REFINEMENTS),
        (Header(1, 4, 0, 5, refined_symbols=2), ChannelReport(4, SELECTIVE), REFINEMENTS),
    ],
)
def test_other_frames_are_interleaved_and_counted(header: Header, report: ChannelReport, reason: str) -> None:
    mapper = ImportanceMapper(Numerology())
    assert mapper.header(header, report) is header
    assert mapper.mapped == 0 and mapper.interleaved == {reason: 1}


def test_a_report_holds_as_long_as_the_feedback_that_brought_it() -> None:
    state, report = FeedbackState(timeout_s=0.25), ChannelReport(3, SELECTIVE)
    assert state.holding(0.0, 0) is None
    state.arrived(10.0, 5.0, 0, report)
    latest = state.holding(5.0 + 0.25 * STALE_TIMEOUTS, 0)
    assert latest is not None and latest.report is report
    assert state.holding(5.1 + 0.25 * STALE_TIMEOUTS, 0) is None  # late
    assert state.holding(5.1, 1) is None  # a frame was lost since
    state.arrived(10.0, 6.0, 0)  # a receiver that reports no channel
    latest = state.holding(6.0, 0)
    assert latest is not None and latest.report is None


class Transmitter:
    """Sends frames one second apart, and hears feedback of the latest."""

    def __init__(self, by_importance: bool = True) -> None:
        flight = InFlight(1, 0.5, FRAME_NUM_MODULO)
        self.sender = FrameSender(CONTRACT, LinkAdaptation(CONTRACT), flight, 0, by_importance=by_importance)
        self.now = 0.0

    def frame(self) -> dict[str, Any]:
        """Metadata of the next frame."""
        self.now += 1.0
        self.sender.in_flight.may_send(self.now)
        symbols = np.ones((4, 2 * CONTRACT.k_max), np.float32)
        setting, _ = self.sender.setting(self.now, 4, 2)
        return self.sender.frame(symbols, symbols[:, :4].view(np.complex64), setting, self.now)[0]

    def hear(self, frame_num: int, **more: Any) -> None:
        self.sender.take({"snr_db": 9.0, "frame_num": frame_num, **more}, np.empty(0, np.float32), self.now)


def test_a_frame_is_sent_with_the_report_of_the_last_one_that_was_heard_of() -> None:
    end = Transmitter()
    assert REPORT not in end.frame()  # nothing is known yet
    end.hear(0, report=SELECTIVE)
    meta = end.frame()
    assert meta[REPORT] is SELECTIVE and meta[REPORT_FRAME] == 0
    assert REPORT not in end.frame()  # nothing came of the one before: it may be lost
    end.hear(2, report=SELECTIVE[::-1].copy())
    assert end.frame()[REPORT_FRAME] == 2
    end.hear(3)  # a receiver without reports
    assert REPORT not in end.frame()
    end.hear(4, report=SELECTIVE)
    end.now += 0.5 * STALE_TIMEOUTS
    assert REPORT not in end.frame()  # late


@pytest.mark.parametrize("number", [2, 4095, 4090, -1])
def test_reports_of_frames_that_were_not_sent_are_not_kept(number: int) -> None:
    end = Transmitter()
    end.frame()
    end.hear(number, report=SELECTIVE)
    assert REPORT not in end.frame() and end.sender.feedback_unknown == 1


@pytest.mark.parametrize("report", [7, "strong", SELECTIVE.astype(np.int32), np.zeros(0, np.uint8)])
def test_feedback_with_a_report_that_is_none_counts_as_feedback_alone(report: object) -> None:
    end = Transmitter()
    end.frame()
    end.hear(0, report=report)
    assert REPORT not in end.frame() and end.sender.latest_feedback == (9.0, 1.0)


def test_a_transmitter_that_is_not_asked_to_map_sends_no_report_along() -> None:
    end = Transmitter(by_importance=False)
    end.frame()
    end.hear(0, report=SELECTIVE)
    assert REPORT not in end.frame()


def test_reports_come_late_or_not_at_all_as_the_way_back_does() -> None:
    late = TransmitterView(ReturnPath(delay_frames=2))
    reports = [ChannelReport(number, SELECTIVE) for number in range(4)]
    for number, report in enumerate(reports):
        late.sent(9.0, float(number), report)
    found = late.report(4.0)
    assert found is reports[1]
    never = TransmitterView(ReturnPath(loss=1.0))
    never.sent(9.0, 0.0, reports[0])
    assert never.report(0.0) is None
    deaf = TransmitterView(ReturnPath(assumed_db=3.0))
    deaf.sent(9.0, 0.0, reports[0])
    assert deaf.report(0.0) is None


@pytest.mark.parametrize("levels", [None, 7, "x", b"abc", [1, 2], SELECTIVE.astype(float), SELECTIVE.reshape(2, 13)])
def test_what_is_no_report_is_none(levels: object) -> None:
    assert read_report(3, levels) is None
    assert read_report(3, np.zeros(0, np.uint8)) is None and read_report(3, np.zeros(513, np.uint8)) is None


def test_a_mapping_that_there_is_none_of_is_refused() -> None:
    assert check_mapping("block", "importance") and not check_mapping("block", "interleave")
    for wrong in ("", "Importance", 1, None, ["importance"]):
        with pytest.raises(BlockError, match="block: mapping is .*; use one of interleave, importance"):
            check_mapping("block", wrong)
