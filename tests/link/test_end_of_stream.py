# SPDX-License-Identifier: GPL-3.0-or-later
"""The states in which a stream of items ends, at sender, transmitter and sink."""

from __future__ import annotations

import numpy as np

from sdr_sc.link.end_of_stream import SenderEnd, SinkEnd, State, TransmitterEnd, end_meta, is_end
from sdr_sc.link.network.pdu_schema import SCHEMAS

DEADLINE_S = 200.0
NOTHING = np.empty(0, np.uint8)


def never() -> bool:
    raise AssertionError("nobody asks for this here")


def test_a_sender_reports_the_end_once_all_is_settled_and_only_once() -> None:
    end = SenderEnd()
    assert not end.begun and not end.tell(1.0, never)
    end.begin()
    assert end.begun and end.state is State.ENDING
    assert not end.tell(2.0, lambda: False) and end.told_for(2.0) == 0.0
    assert end.tell(3.0, lambda: True) and end.state is State.TOLD
    assert not end.tell(4.0, never) and end.told_for(4.5) == 1.5


def test_a_sender_that_ends_at_once_waits_for_nothing() -> None:
    end = SenderEnd()
    end.begin()
    assert not end.tell(1.0, lambda: False)
    end.begin(at_once=True)  # a stop, while it waits for its last answers
    assert end.tell(2.0, never)


def test_an_end_that_was_reported_stays_reported() -> None:
    end = SenderEnd()
    end.begin(at_once=True)
    assert end.tell(1.0, never)
    end.begin()
    assert end.state is State.TOLD and end.at_once and not end.tell(2.0, never) and end.told_for(3.0) == 2.0


def test_a_transmitter_goes_on_until_its_last_sample_is_off_the_air() -> None:
    end = TransmitterEnd()
    assert not end.is_over(True, never)  # no frame so far is no end
    end.begin()
    assert not end.is_over(False, never)
    assert not end.is_over(True, lambda: False)
    assert end.is_over(True, lambda: True)
    assert not end.finished.is_set()  # the block says so, after its linger


def test_a_sink_whose_frames_are_all_answered_is_finished_with_the_end() -> None:
    end = SinkEnd(lambda: 0)
    end.settle()
    assert not end.begun and not end.finished.is_set()  # more frames may come
    end.begin()
    end.settle()
    assert end.begun and end.finished.is_set()


def test_a_sink_waits_for_frames_that_are_open_and_not_for_ever() -> None:
    frames_open = [2]
    end = SinkEnd(lambda: frames_open[0], linger_s=3600.0)
    end.begin()
    end.settle()
    assert not end.finished.is_set()
    frames_open[0] = 0
    end.settle()
    assert end.finished.is_set()
    lost = SinkEnd(lambda: 1, linger_s=0.01)
    lost.begin()
    lost.settle()
    assert lost.finished.wait(DEADLINE_S)


def test_a_sink_that_is_closed_is_finished_by_no_timer() -> None:
    end = SinkEnd(lambda: 1, linger_s=0.2)
    end.begin()
    end.settle()
    end.close()
    assert not end.finished.wait(1.0)


def test_the_end_pdu_is_one_that_the_network_takes() -> None:
    for meta in (end_meta(), end_meta(0), end_meta(12)):
        assert is_end(meta)
        for schema in ("sent", "truth"):
            assert SCHEMAS[schema].check(meta, NOTHING)[0] == meta
    assert not is_end({"frame_index": 3})
