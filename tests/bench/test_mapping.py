# SPDX-License-Identifier: GPL-3.0-or-later
"""What mapping by importance gains: the bench's channels and frames, and the ideal that it is compared with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sdr_sc.bench.mapping import AGES_MS, Air, Case, cases, compare
from sdr_sc.bench.power_by_gain import levelled, responses

FEATURES = np.exp(2j * np.pi * np.random.default_rng(1).random((12, 20, 8))).astype(np.complex64)


def of(name: str) -> Case:
    return next(case for case in cases(None) if case.name.startswith(name))


def test_mapped_frames_have_their_first_features_on_the_better_subcarriers() -> None:
    plain, mapped, count = compare(of("TDL-C 300 ns, 20 MS/s"), 15.0, AGES_MS[0], FEATURES, 8, seed=1)
    assert count >= 10 and plain.received.all() and mapped.received.all()
    first, last = (mapped.variance[:, :, feature].mean() for feature in (0, -1))
    assert first < 0.3 * plain.variance.mean() < last
    error = np.abs(mapped.prefixes - FEATURES)[:, :, 0].mean()
    assert error < 0.6 * np.abs(plain.prefixes - FEATURES)[:, :, 0].mean()


def test_an_old_report_orders_nothing() -> None:
    fresh, old = (compare(of("TDL-C 300 ns, 20 MS/s"), 15.0, age, FEATURES, 8, seed=1)[1] for age in (2.0, 1e5))
    ratio = [np.median(arm.variance[:, :, 0]) / np.median(arm.variance[:, :, -1]) for arm in (fresh, old)]
    assert ratio[0] < 0.5 < ratio[1]


def test_noise_alone_is_not_mapped_and_both_frames_are_the_same() -> None:
    plain, mapped, count = compare(of("AWGN"), 15.0, AGES_MS[0], FEATURES, 8, seed=1)
    assert count == 0 and np.array_equal(plain.received, mapped.received) and plain.received.all()
    assert np.allclose(plain.prefixes, mapped.prefixes, atol=0.1)


@pytest.mark.parametrize("age_ms, correlation", [(2.0, 0.999), (20.0, 0.904), (50.0, 0.472)])
def test_the_channel_changes_with_the_age_of_its_report_as_its_doppler_says(age_ms: float, correlation: float) -> None:
    air = Air(of("TDL-C 300 ns, 1 MS/s"), 10.0, age_ms, seed=2)
    taps = np.stack([air.draw() for _ in range(4000)])
    products = np.sum(taps[:, 0].conj() * taps[:, 1], axis=1).real, np.sum(np.abs(taps) ** 2, axis=2)
    assert products[0].mean() / products[1].mean() == pytest.approx(correlation, abs=0.03)


def test_a_draw_whose_first_frame_is_lost_is_interleaved_in_both() -> None:
    case = of("TDL-C 300 ns, 1 MS/s")
    plain, mapped, count = compare(replace(case), -25.0, AGES_MS[0], FEATURES[:3], 8, seed=1)
    assert count == 0 and not plain.received.any() and not mapped.received.any()
    assert np.isinf(plain.variance).all() and not plain.prefixes.any()


def test_levelling_lowers_the_sum_of_the_noise_variances_and_keeps_the_power() -> None:
    gains = np.abs(responses(1, 20e6, 300.0, seed=1)[0]) ** 2 + 0.1
    amplitude = levelled(gains)
    assert np.mean(amplitude**2) == pytest.approx(1)
    assert np.sum(1 / (gains * amplitude**2)) < np.sum(1 / gains)


def test_ideal_channels_have_unit_mean_power() -> None:
    assert np.mean(np.abs(responses(20_000, 20e6, 300.0, seed=2)) ** 2) == pytest.approx(1, abs=0.03)
