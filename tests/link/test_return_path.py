# SPDX-License-Identifier: GPL-3.0-or-later
"""What a transmitter knows when feedback is wrong, late, lost, or not there."""

from __future__ import annotations

import pytest

from sdr_sc.errors import BlockError
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


@pytest.mark.parametrize(
    ("values", "words"),
    [({"error_db": 41}, "error_db is 41"), ({"delay_frames": -1}, "delay_frames is -1"), ({"loss": 1.5}, "loss is 1.5"),
     ({"assumed_db": 99}, "assumed_db is 99"), ({"error_db": float("nan")}, "error_db is nan")],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(values: dict, words: str) -> None:
    with pytest.raises(BlockError, match=words):
        ReturnPath(**values)
