# SPDX-License-Identifier: GPL-3.0-or-later
"""Which frames are mapped by importance: only by a report that holds, that fits, and that says something."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.errors import BlockError
from sdr_sc.link.adaptation import STALE_TIMEOUTS, FeedbackState
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
from sdr_sc.link.return_path import ReturnPath, TransmitterView
from sdr_sc.phy.frame.header import Header
from sdr_sc.phy.frame.importance import MOST_AGE, report_check
from sdr_sc.phy.numerology import Numerology

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
