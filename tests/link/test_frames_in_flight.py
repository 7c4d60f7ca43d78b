# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames on their way: how many may be, what becomes of each, and the SNRs of a schedule."""

from __future__ import annotations

import numpy as np
import pytest
from frames import reception

from sdr_sc.link.frames.link_record import FrameRecord, LinkRecord
from sdr_sc.link.in_flight import InFlight
from sdr_sc.link.timing.schedule import SnrSchedule


def test_window_of_frames_in_flight() -> None:
    window = InFlight(limit=2, timeout_s=1.0, modulo=4096)
    assert not window.acknowledge(0, 0.0)  # nothing was sent
    for index in (4095, 4096):
        assert window.may_send(0.0)
        window.sent(index, 0.0)
    assert not window.may_send(0.5)
    assert not window.acknowledge(1, 0.5) and not window.acknowledge(3000, 0.5)  # another transmitter's
    assert not window.settled(0.5) and window.given_up == 0
    assert window.acknowledge(0, 0.5)  # frame 4096; 4095 will not be answered any more
    assert window.settled(0.5) and window.given_up == 1
    window.sent(4097, 0.6)
    assert not window.settled(1.5) and window.settled(1.7)
    assert window.given_up == 2


@pytest.mark.parametrize(
    ("round_trip_s", "patience_s"),
    [(None, 2.0), (0.01, 0.25), (0.2, 0.8), (1.5, 2.0)],
    ids=["no feedback yet", "fast", "slow", "very slow"],
)
def test_last_frames_get_the_time_that_the_slowest_feedback_took(round_trip_s, patience_s) -> None:
    window = InFlight(limit=1, timeout_s=0.25, modulo=4096)
    if round_trip_s is not None:
        for index, delay_s in enumerate((0.001, round_trip_s, 0.001)):
            window.sent(index, 0.0)
            window.acknowledge(index, delay_s)
    window.sent(3, 10.0)
    assert not window.settled_at_end(10.0 + patience_s - 0.01) and window.given_up == 0
    assert window.settled_at_end(10.0 + patience_s + 0.01) and window.given_up == 1


def record(index: int, label: int = 1) -> FrameRecord:
    return FrameRecord(index, 4, np.array([index]), np.array([label]), np.zeros((1, 784), np.uint8), time_ns=0)


def test_record_accounts_for_every_frame(tmp_path) -> None:
    link = LinkRecord(tmp_path)
    for index in range(40):
        link.sent(record(index))
        if index % 4:
            link.snr_set(index, 12.0)
            link.received(reception(index, np.array([index % 4]), np.array([0.9]), 11.0, None, 1_000_000))
    assert link.received(reception(39, np.array([1]), np.array([0.9]), 11.0, None, 0)) is None  # twice
    assert link.received(reception(99, np.array([1]), np.array([0.9]), 11.0, None, 0)) is None  # never sent
    link.close()
    assert (link.frames_sent, link.frames_answered, link.frames_lost) == (40, 30, 10)
    assert (link.items_correct, link.items_lost, link.answers_unknown) == (10, 10, 2)
    rows = (tmp_path / "frames.csv").read_text().splitlines()
    assert len(rows) == 41 and rows[1].split(",")[6] == "lost" and rows[2].split(",")[6] == "delivered"


def test_schedule_text_round_trip() -> None:
    schedule = SnrSchedule.parse("0:25, 10:-2.5")
    assert SnrSchedule.parse(schedule.to_text()) == schedule
    assert SnrSchedule.parse("").at(3) is None
