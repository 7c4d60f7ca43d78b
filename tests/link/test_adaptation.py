# SPDX-License-Identifier: GPL-3.0-or-later
"""Link adaptation under a simulated clock: smoothing, ageing and loss of feedback, fallback, hysteresis."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from sdr_sc.errors import BlockError, ContractError
from sdr_sc.link.adaptation import STALE_TIMEOUTS, FeedbackState, LinkAdaptation, Setting, SnrSmoother, bounded
from sdr_sc.link.in_flight import InFlight
from sdr_sc.phy.frame.modes import FrameMode
from sdr_sc.semantic.cam import CamTarget
from sdr_sc.semantic.contract_reading import read_contract_text

CONTRACT = read_contract_text(
    (Path(__file__).parents[1] / "semantic" / "contract_version_1.json").read_text(), "an earlier file"
)
FALLBACK = Setting(32, CONTRACT.training_snr_db[0], FrameMode.ROBUST)
EDGE_DB = next(s for s, k in zip(CONTRACT.cam.snr_db, CONTRACT.cam.k, strict=True) if k == 8)
TIMEOUT_S = 0.25


def test_smoothing_is_exponential_in_db() -> None:
    smoother = SnrSmoother(0.3)
    assert smoother.smooth(10.0) == 10.0
    assert smoother.smooth(20.0) == pytest.approx(0.3 * 10 + 0.7 * 20)
    assert smoother.smooth(20.0) == pytest.approx(0.3 * 17 + 0.7 * 20)


def test_without_smoothing_every_estimate_passes_bit_by_bit() -> None:
    smoother = SnrSmoother(0.0)
    for snr_db in (0.1, -7.300000000000001, 12.123456789012345, 80.0, -40.0):
        assert smoother.smooth(snr_db) == snr_db


def test_smoothing_may_change_between_frames_and_has_its_bounds() -> None:
    smoother = SnrSmoother(0.0)
    smoother.smooth(10.0)
    smoother.set_smoothing(0.5)
    assert smoother.smooth(20.0) == 15.0
    for wrong in (1.0, -0.1, math.nan, math.inf):
        with pytest.raises(BlockError, match="SNR smoother: smoothing is .*; use 0 to below 1"):
            smoother.set_smoothing(wrong)
        with pytest.raises(BlockError, match="0 to below 1"):
            SnrSmoother(wrong)
    assert smoother.smooth(20.0) == 17.5  # the last right one holds


def test_an_air_without_noise_feeds_back_what_a_transmitter_takes() -> None:
    assert [bounded(snr_db) for snr_db in (math.inf, -math.inf, 3.0)] == [80.0, -40.0, 3.0]
    smoother = SnrSmoother(0.5)
    assert smoother.smooth(math.inf) == 80.0
    assert smoother.smooth(20.0) == 20.0  # one such frame is forgotten at once


def test_a_fall_is_taken_at_once_and_a_rise_or_the_spread_of_estimates_is_smoothed() -> None:
    smoother = SnrSmoother(0.5)
    assert [smoother.smooth(snr_db) for snr_db in (25.0, 0.5, -0.5, 20.0)] == [25.0, 0.5, 0.0, 10.0]
    assert smoother.smooth(7.5) == 8.75  # 2.5 dB are no fall


def test_feedback_holds_for_its_time() -> None:
    state = FeedbackState(TIMEOUT_S)
    assert state.latest is None and state.snr_db(0.0, 0) is None
    state.arrived(12.0, 100.0, 0)
    last_s = 100.0 + STALE_TIMEOUTS * TIMEOUT_S
    assert state.snr_db(100.0, 0) == state.snr_db(last_s, 0) == 12.0
    assert state.snr_db(last_s + 1e-6, 0) is None
    state.arrived(9.0, last_s + 1.0, 0)
    assert state.snr_db(last_s + 1.0, 0) == 9.0


def test_without_a_time_out_feedback_ends_with_a_loss_alone() -> None:
    state = FeedbackState()
    state.arrived(12.0, 0.0, 3)
    assert state.snr_db(1e9, 3) == 12.0
    assert state.snr_db(1e9, 4) is None
    state.arrived(11.0, 1e9, 4)
    assert state.snr_db(1e9, 4) == 11.0


def test_a_frame_that_is_given_up_takes_the_feedback_with_it() -> None:
    """The window of the encoder and its feedback, on one simulated clock."""
    flight, state, adaptation = InFlight(1, TIMEOUT_S, 4096), FeedbackState(TIMEOUT_S), LinkAdaptation(CONTRACT)
    now, answered, sent_k = 0.0, (True, True, False, False, True, True), []
    for index, arrives in enumerate(answered):
        while not flight.may_send(now):
            now += 0.01
        sent_k.append(adaptation.setting(state.snr_db(now, flight.given_up)).k)
        flight.sent(index, now)
        now += 0.02
        if arrives:
            assert flight.acknowledge(index, now)
            state.arrived(25.0, now, flight.given_up)
    assert sent_k == [32, 2, 2, 32, 32, 2] and flight.given_up == 2
    assert now == pytest.approx(2 * TIMEOUT_S + 4 * 0.02, abs=0.05)


def test_feedback_that_comes_after_its_time_out_counts() -> None:
    flight, state = InFlight(1, TIMEOUT_S, 4096), FeedbackState(TIMEOUT_S)
    flight.sent(0, 0.0)
    assert flight.may_send(1.0) and flight.given_up == 1
    flight.sent(1, 1.0)
    assert flight.acknowledge(0, 1.1)  # for the frame that was given up
    state.arrived(7.0, 1.1, flight.given_up)
    assert state.snr_db(1.1, flight.given_up) == 7.0


def test_the_fallback_is_the_most_robust_setting() -> None:
    adaptation = LinkAdaptation(CONTRACT)
    assert adaptation.fallback == FALLBACK
    assert adaptation.setting(25.0) == Setting(2, 25.0, FrameMode.SHORT)
    for unknown in (None, math.nan, math.inf, -math.inf):
        assert adaptation.setting(unknown) == FALLBACK
    assert LinkAdaptation(CONTRACT, target=CamTarget(max_k=8)).setting(None) == FALLBACK._replace(k=8)


def test_hysteresis_is_downwards_only() -> None:
    adaptation = LinkAdaptation(CONTRACT, hysteresis_db=1.0)
    steps = ((-0.2, 16), (0.2, 16), (1.2, 8), (-0.2, 16), (0.9, 16), (30.0, 2))
    for step_db, k in steps:
        assert adaptation.setting(EDGE_DB + step_db).k == k, step_db
    eager = LinkAdaptation(CONTRACT, hysteresis_db=0.0)
    assert [eager.setting(EDGE_DB + step_db).k for step_db in (-0.2, 0.2, -0.2)] == [16, 8, 16]


def test_hysteresis_forgets_with_the_feedback() -> None:
    adaptation = LinkAdaptation(CONTRACT, hysteresis_db=1.0)
    assert [adaptation.setting(EDGE_DB + step_db).k for step_db in (-0.2, 0.2)] == [16, 16]
    adaptation.setting(None)
    assert adaptation.setting(EDGE_DB + 0.2).k == 8


def test_a_fixed_k_keeps_the_snr_for_the_encoder_and_leaves_the_hysteresis() -> None:
    adaptation = LinkAdaptation(CONTRACT, hysteresis_db=1.0)
    assert adaptation.setting(EDGE_DB - 0.2).k == 16
    assert adaptation.setting(20.0, k=4) == Setting(4, 20.0, FrameMode.SHORT)
    assert adaptation.setting(None, k=4) == FALLBACK._replace(k=4)
    assert adaptation.setting(EDGE_DB + 0.2).k == 16


@pytest.mark.parametrize(
    ("target", "message"),
    [(CamTarget(max_k=1), "fits a budget of 1"), (CamTarget(max_loss_points=-1.0), "give 0 or more")],
)
def test_targets_that_cannot_be_met_are_refused(target: CamTarget, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        LinkAdaptation(CONTRACT, target=target)
