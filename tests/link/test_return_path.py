# SPDX-License-Identifier: GPL-3.0-or-later
"""What a transmitter knows when feedback is wrong, late, lost, or not there."""

from __future__ import annotations

import pytest

from sdr_sc.errors import BlockError
from sdr_sc.link.outer_loop import LEAST_DB, MOST_DB, OuterLoop
from sdr_sc.link.return_path import ReturnPath, TransmitterView


def known(path: ReturnPath, estimates: list[float | None], seed: int = 1) -> list[float | None]:
    """What the transmitter knows after each frame."""
    view, found = TransmitterView(path, seed), []
    for frame, estimate in enumerate(estimates):
        view.sent(estimate, float(frame))
        found.append(view.snr_db(float(frame)))
    return found


def test_a_perfect_path_tells_each_estimate_and_each_loss() -> None:
    assert known(ReturnPath(), [10.0, None, 12.0]) == [10.0, None, 12.0]


def test_an_error_is_added_and_stays_within_what_may_be_fed_back() -> None:
    assert known(ReturnPath(error_db=-6.0), [10.0, 0.0]) == [4.0, -6.0]
    assert known(ReturnPath(error_db=40.0), [70.0]) == [80.0]


def test_late_feedback_is_that_of_an_earlier_frame_and_so_is_its_loss() -> None:
    assert known(ReturnPath(delay_frames=2), [1.0, 2.0, None, 4.0, 5.0]) == [None, None, 1.0, 2.0, None]


def test_lost_feedback_looks_like_a_lost_frame_and_comes_as_often_as_it_should() -> None:
    found = known(ReturnPath(loss=0.25), [7.0] * 4000)
    assert set(found) == {7.0, None} and found.count(None) / 4000 == pytest.approx(0.25, abs=0.03)
    assert known(ReturnPath(loss=1.0), [7.0] * 3) == [None] * 3
    assert found == known(ReturnPath(loss=0.25), [7.0] * 4000) != known(ReturnPath(loss=0.25), [7.0] * 4000, seed=2)


def test_without_feedback_the_assumed_snr_is_all_that_is_known() -> None:
    view = TransmitterView(ReturnPath(assumed_db=5.0))
    assert view.snr_db(0.0) == 5.0
    view.sent(None, 1.0)
    assert view.snr_db(1.0) == 5.0


def test_a_margin_is_taken_off_what_is_known_and_stays_within_what_may_be_fed_back() -> None:
    assert known(ReturnPath(margin_db=3.0), [10.0, None, 12.0]) == [7.0, None, 9.0]
    assert known(ReturnPath(margin_db=-40.0), [70.0]) == [80.0]


def test_an_outer_loop_finds_the_margin_at_which_the_wanted_share_is_lost() -> None:
    """A receiver that decodes where the margin is 4 dB or more."""
    loop, lost, margins = OuterLoop(0.1), 0, []
    for _ in range(2000):
        is_delivered = loop.margin_db >= 4.0
        lost += not is_delivered
        margins.append(loop.margin_db)
        loop.sent(is_delivered)
    assert lost / 2000 == pytest.approx(0.1, abs=0.01) and 3.8 < min(margins[100:]) and max(margins) < 5.1


def test_an_outer_loop_is_bounded_late_and_moved_by_nothing_that_does_not_arrive() -> None:
    loop = OuterLoop(0.5, delay_frames=2)
    for _ in range(3):
        loop.sent(False)
    assert loop.margin_db == 1.0
    for _ in range(100):
        loop.sent(None)
    assert loop.margin_db == 3.0
    for bound, is_delivered in ((MOST_DB, False), (LEAST_DB, True)):
        for _ in range(100):
            loop.sent(is_delivered)
        assert loop.margin_db == bound


def test_a_transmitter_takes_the_loops_margin_off_and_a_lost_message_does_not_count() -> None:
    view = TransmitterView(ReturnPath(error_db=3.0, margin_db=1.0, loss_target=0.1))
    view.sent(10.0, 0.0, is_delivered=False)
    assert view.snr_db(0.0) == 11.0
    view.sent(10.0, 1.0)
    assert view.snr_db(1.0) == 11.0, "a frame that is not acknowledged moves nothing"
    loop = OuterLoop(0.1)
    deaf = TransmitterView(ReturnPath(loss=1.0, loss_target=0.1), loop=loop)
    deaf.sent(10.0, 0.0, is_delivered=False)
    assert loop.margin_db == 0.0


@pytest.mark.parametrize(
    ("values", "words"),
    [({"error_db": 41}, "error_db is 41"), ({"delay_frames": -1}, "delay_frames is -1"), ({"loss": 1.5}, "loss is 1.5"),
     ({"assumed_db": 99}, "assumed_db is 99"), ({"error_db": float("nan")}, "error_db is nan"),
     ({"margin_db": -41}, "margin_db is -41"), ({"loss_target": 0.6}, "loss_target is 0.6"),
     ({"assumed_db": 5, "loss_target": 0.1}, "leave margin_db and loss_target out")],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(values: dict, words: str) -> None:
    with pytest.raises(BlockError, match=words):
        ReturnPath(**values)
