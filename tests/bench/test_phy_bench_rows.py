# SPDX-License-Identifier: GPL-3.0-or-later
"""Trials of many frames and the rows made of them: right figures for receivers that are right, and for wrong ones."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from sdr_sc.bench.phy import (
    detection as phy_link_rows,
)
from sdr_sc.bench.phy import (
    fading as phy_fading,
)
from sdr_sc.bench.phy import (
    recordings as phy_data,
)
from sdr_sc.bench.phy import (
    snr as phy_snr_rows,
)
from sdr_sc.bench.phy.fading import Fading
from sdr_sc.bench.phy.snr import quantile_interval
from sdr_sc.bench.phy.trials import HUNDRED_SYMBOLS, Trial, run_trial, run_trials
from sdr_sc.cli.shared.measure import summary
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.receiver import ReceivedFrame, Receiver
from sdr_sc.results.rows import NOT_MEASURED, Row

quiet = partial(print, end="")


class Half(Receiver):
    """Keeps every other frame for itself, and makes one up for it."""

    def push(self, samples: np.ndarray) -> list[ReceivedFrame]:
        out = []
        for frame in super().push(samples):
            odd = frame.header.frame_num % 2
            out.append(replace(frame, header=replace(frame.header, task=frame.header.task ^ 1)) if odd else frame)
        return out


class Boastful(Receiver):
    """Reports 2 dB more than there is, and features that are 10 % too large."""

    def push(self, samples: np.ndarray) -> list[ReceivedFrame]:
        return [replace(f, snr_db=f.snr_db + 2, features=1.1 * f.features) for f in super().push(samples)]


class Erasing(Receiver):
    """Erases all features but every ``keep``-th; none with 0."""

    keep = 0

    def push(self, samples: np.ndarray) -> list[ReceivedFrame]:
        return [self._erase(frame) for frame in super().push(samples)]

    def _erase(self, frame: ReceivedFrame) -> ReceivedFrame:
        erased = np.ones(frame.features.size, bool)
        if self.keep:
            erased[:: self.keep] = False
        erased = erased.reshape(frame.features.shape) | frame.erased
        features = np.where(erased, np.complex64(np.nan), frame.features)
        variance = np.where(erased, np.float32(np.inf), frame.noise_variance)
        return replace(frame, features=features, noise_variance=variance, erased=erased)


class ErasingMost(Erasing):
    """Erases 90 % of the features."""

    keep = 10


class Negating(Receiver):
    """Gives all features with the wrong sign."""

    def push(self, samples: np.ndarray) -> list[ReceivedFrame]:
        return [replace(frame, features=-frame.features) for frame in super().push(samples)]


def by_name(rows: list[Row], *words: str) -> list[Row]:
    found = [row for row in rows if all(word in row.name for word in words)]
    assert found, words
    return found


def test_a_trial_is_the_same_every_time_and_in_every_process() -> None:
    trials = [Trial(30, 1, 20.0), Trial(30, 2, 3.0, fading=Fading("C"), gap_samples=(200, 300), clock_ppm=20.0)]
    for one, other in zip(run_trials(trials, workers=1), run_trials(trials, workers=2), strict=True):
        assert np.array_equal(one.estimate_db, other.estimate_db, equal_nan=True)
        assert np.array_equal(one.own_snr_db, other.own_snr_db)
        assert one.received.sum() >= 20


def test_own_snr_is_the_mean_snr_over_all_realisations() -> None:
    trial = Trial(400, 3, 10.0, fading=Fading("A"), gap_samples=(200, 300), sample_rate_hz=20e6)
    own = run_trial(trial).own_snr_db
    assert 10 * np.log10(np.mean(10 ** (own / 10))) == pytest.approx(10.0, abs=0.6)
    assert own.std() > 1.0
    assert run_trial(Trial(5, 3, 10.0)).own_snr_db == pytest.approx(10.0, abs=1e-5)


def test_error_of_the_features_is_that_of_the_noise() -> None:
    outcome = run_trial(Trial(20, 4, 15.0, HUNDRED_SYMBOLS))
    assert -10 * np.log10(outcome.error.mean()) == pytest.approx(14.7, abs=0.4)
    assert np.isnan(run_trial(Trial(20, 4, -25.0)).error).all()


def test_rows_of_a_receiver_that_keeps_and_makes_up_frames() -> None:
    rows = phy_link_rows.lost_frame_rows(True, 1, quiet, Half)
    for row in by_name(rows, "frames lost") + by_name(rows, "frames made up"):
        assert (row.value, row.ok) == (250, False)
    (row,) = by_name(phy_link_rows.detection_rows(True, 1, quiet, Half), "header right", " 0 dB")
    assert row.value == pytest.approx(50, abs=1) and row.ok is False and row.ci95 is not None
    rows = phy_link_rows.fading_detection_rows(True, 1, quiet, Half)
    for row in by_name(rows, "header right", "3 dB or more"):
        assert row.value == pytest.approx(50, abs=6) and row.ok is False
    for row in by_name(rows, "header right", "3 to 6 dB"):
        assert row.ci95[0] < 50 < row.ci95[1] and row.ok is None and row.n > 50


@pytest.mark.parametrize("kind", [Erasing, ErasingMost, Negating])
def test_frames_without_right_features_are_lost(kind: type[Receiver]) -> None:
    rows = phy_link_rows.lost_frame_rows(True, 1, quiet, kind)
    assert all((row.value, row.ok) == (500, False) for row in by_name(rows, "frames lost"))
    assert all((row.value, row.ok) == (0, True) for row in by_name(rows, "frames made up"))


def test_erased_features_count_as_unknown() -> None:
    rows = phy_snr_rows.payload_snr_rows(True, 1, quiet, ErasingMost)
    for row in by_name(rows, "features erased"):
        assert row.value == pytest.approx(90, abs=0.1) and row.ok is (False if "AWGN" in row.name else None)
    (row,) = by_name(rows, "below", "AWGN, 25 dB")
    assert row.value == pytest.approx(25 + 10 * np.log10(0.9), abs=0.1) and row.ok is False
    rows = phy_snr_rows.doppler_rows(True, 1, quiet, ErasingMost)
    # At 20 Hz the few features that are kept of a frame in a deep fade have errors of their own.
    tails = [row for row in by_name(rows, "10th percentile frame") if "20 Hz" not in row.name]
    assert len(tails) == 2
    for row in by_name(rows, "median frame") + tails:
        assert row.value == pytest.approx(-10 * np.log10(0.9), abs=0.3) and row.ci95[0] <= row.value <= row.ci95[1]
    assert all(90 <= row.value + 0.1 < 93 for row in by_name(rows, "features erased"))


def test_interval_of_a_quantile_holds_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    for share, truth in ((0.5, np.log(2)), (0.1, -np.log(0.9))):
        bounds = np.array([quantile_interval(values, share) for values in rng.exponential(size=(1000, 200))])
        assert 0.93 <= np.mean((bounds[:, 0] <= truth) & (truth <= bounds[:, 1])) <= 0.985


def test_rows_of_a_receiver_with_wrong_figures() -> None:
    rows = phy_snr_rows.snr_estimate_rows(True, 1, quiet, Boastful)
    assert all(row.value == pytest.approx(2, abs=0.5) and not row.ok for row in by_name(rows, "bias"))
    assert all(row.value < 1.5 for row in by_name(rows, "spread"))
    (row,) = by_name(phy_snr_rows.payload_snr_rows(True, 1, quiet, Boastful), "AWGN, 25 dB")
    assert row.value == pytest.approx(10 * np.log10(1 + 10**2.5 * 0.01), abs=0.5) and row.ok is False


def test_measured_channels_that_are_not_there_are_reported(monkeypatch, tmp_path) -> None:
    assert phy_data.SHARED_DATA.parts[-2:] == ("shared", "data")
    monkeypatch.setattr(phy_fading, "SHARED_DATA", tmp_path)
    rows = phy_snr_rows.fading_snr_estimate_rows(True, 1, quiet, Boastful)
    for row in by_name(rows, "measured office", NOT_MEASURED):
        assert np.isnan(row.value) and row.ok is None
    for row in by_name(rows, "TDL"):
        assert row.value == pytest.approx(2, abs=0.5) and row.ok is False


def test_summary_reports_what_is_missing_and_how_many_goals_are_met() -> None:
    name = phy_data.absent("bias", phy_data.SHARED_DATA / "a.npz")
    rows = [Row(name, float("nan"), "dB"), Row.at_least("a", 2, "", 1), Row.at_least("b", 0, "", 1), Row("c", 1, "")]
    assert summary(rows) == ["bias, not measured: shared/data/a.npz is absent", "1 of 2 goals met"]


def test_a_frame_has_a_hundred_symbols() -> None:
    ((n_items, k),) = HUNDRED_SYMBOLS
    assert Numerology().frame_samples(n_items * k) == 100 * Numerology().symbol_samples
