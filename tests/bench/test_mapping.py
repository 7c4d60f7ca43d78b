# SPDX-License-Identifier: GPL-3.0-or-later
"""Mappings of features by importance: what they promise, on channels made for it."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.bench.mapping import MAPPINGS, Channels, by_importance, interleaved, levelled


@pytest.mark.parametrize("mapping", [interleaved, *MAPPINGS.values()])
@pytest.mark.parametrize("k", [1, 2, 4, 16])
def test_every_feature_has_a_place_of_its_own_and_the_power_is_kept(mapping, k: int) -> None:
    gains = np.random.default_rng(k).exponential(size=16 * k)
    places, amplitude = mapping(gains, k)
    assert sorted(places) == list(range(16 * k))
    assert np.mean(amplitude**2) == pytest.approx(1)


def test_earlier_features_lie_on_stronger_places_and_items_fare_alike() -> None:
    gains = np.random.default_rng(1).exponential(size=200)
    at = gains[by_importance(gains, 4)[0]].reshape(50, 4)
    assert (np.diff(at.mean(axis=0)) < 0).all() and at[:, 0].min() >= at[:, 1].max()
    spread = at.sum(axis=1).std(), gains.reshape(50, 4).sum(axis=1).std()
    assert spread[0] < spread[1]


def test_levelling_lowers_the_sum_of_the_noise_variances() -> None:
    gains = np.random.default_rng(1).exponential(size=400) + 0.1
    places, amplitude = levelled(gains, 4)
    assert np.sum(1 / (gains[places] * amplitude**2)) < np.sum(1 / gains)


@pytest.mark.parametrize("correlation", [1.0, 0.9, 0.5])
def test_channels_have_unit_mean_power_and_the_correlation_that_was_asked_for(correlation: float) -> None:
    channels = Channels.draw(20_000, 20e6, correlation, seed=2)
    for one in (channels.fed_back, channels.now):
        assert np.mean(np.abs(one) ** 2) == pytest.approx(1, abs=0.03)
    assert np.mean(channels.now * channels.fed_back.conj()).real == pytest.approx(correlation, abs=0.03)
