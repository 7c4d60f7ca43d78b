# SPDX-License-Identifier: GPL-3.0-or-later
"""The equaliser by itself: against the LMMSE formula in numpy, and its error against theory."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.phy.frame.interleave import FeatureMapping, permutation
from sdr_sc.phy.frame.sequences import pn_signs
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.bundles import Carriers, Estimates, Tracking
from sdr_sc.phy.receive.equalise import equalise

N64 = Numerology()
SYMBOLS = 7


class Case:
    """Payload symbols after a known channel that changes from symbol to symbol.

    Attributes:
        sent: complex128 (count,), the features.
        gain: complex128 (symbols, data), channel of each place on the air.
        spectra: complex64 (symbols, fft_size).
    """

    def __init__(self, count: int, noise: np.ndarray, seed: int = 1, symbols: int = SYMBOLS) -> None:
        rng, n = np.random.default_rng(seed), N64
        self.noise, self.symbols = noise, symbols
        self.sent = rng.standard_normal((count, 2)) @ [1, 1j] / np.sqrt(2)
        self.channel = (rng.standard_normal((n.used, 2)) @ [1, 1j]).astype(np.complex64)
        self.gains = np.exp(0.2j * np.arange(symbols)).astype(np.complex64)
        self.tilts = (0.004j * np.arange(symbols)).astype(np.complex64)
        self.centre, self.slope, self.scale = 1.5, 2e-3, 1.25
        self.times = 5.0 + np.arange(symbols)
        positions = n.positions[n.data_index]
        tracked = self.gains[:, None] + self.tilts[:, None] * (positions - self.centre)
        turned = np.exp(1j * self.slope * np.outer(self.times, positions))
        self.gain = self.scale * self.channel[n.data_index] * tracked * turned
        air = np.zeros(symbols * n.data_subcarriers, complex)
        air[permutation(count)] = self.sent
        air[:count] *= pn_signs(count)
        values = self.gain * air.reshape(symbols, -1)
        values += rng.standard_normal((*values.shape, 2)) @ [1, 1j] * np.sqrt(noise / 2)[:, None]
        self.spectra = np.zeros((symbols, n.fft_size), np.complex64)
        self.spectra[:, n.bins[n.data_index]] = values

    def run(self, arrived: int | None = None, present: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Features and variance; what is not written is -1."""
        n, count = N64, len(self.sent)
        arrived = self.symbols if arrived is None else arrived
        features, variance = np.full(count, -1, np.complex64), np.full(count, -1, np.float32)
        equalise(
            self.spectra[:arrived],
            self.channel,
            Carriers(n.bins[n.data_index], n.data_index, n.positions[n.data_index]),
            Tracking(self.gains[:arrived], self.tilts[:arrived], self.slope, self.centre),
            self.times[:arrived],
            self.noise[:arrived],
            np.ones(self.symbols, bool) if present is None else present,
            FeatureMapping(permutation(count), pn_signs(count), self.scale),
            Estimates(features, variance, np.empty((0, 0), np.complex64)),
        )
        return features, variance


@pytest.mark.parametrize("count", [SYMBOLS * 48, SYMBOLS * 48 - 31, 5])
def test_it_is_the_lmmse_formula(count: int) -> None:
    case = Case(count, np.linspace(0.05, 0.8, SYMBOLS))
    features, variance = case.run()
    received = case.spectra[:, N64.bins[N64.data_index]].astype(complex)
    power = np.abs(case.gain) ** 2
    estimate = (received * case.gain.conj() / (power + case.noise[:, None])).ravel()
    places = permutation(count)
    np.testing.assert_allclose(features, estimate[places] * pn_signs(count)[places], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(variance, (case.noise[:, None] / power).ravel()[places], rtol=1e-4)


def test_without_noise_the_features_come_back() -> None:
    case = Case(300, np.zeros(SYMBOLS))
    features, variance = case.run()
    np.testing.assert_allclose(features, case.sent, atol=1e-4)
    assert (variance < 1e-6).all()


def test_the_error_is_what_the_variance_says() -> None:
    """Of unbiased estimates v, of the LMMSE estimates themselves v / (1 + v), for symbols of power 1."""
    case = Case(1500 * 48, np.full(1500, 0.3), seed=4, symbols=1500)
    features, variance = case.run()
    wide = variance.astype(float)
    unbiased = np.abs(features * (1 + wide) - case.sent) ** 2
    assert np.mean(unbiased / wide) == pytest.approx(1.0, abs=0.02)
    assert np.mean(np.abs(features - case.sent) ** 2 / (wide / (1 + wide))) == pytest.approx(1.0, abs=0.02)


def test_absent_symbols_are_nan_and_those_that_did_not_arrive_are_left_alone() -> None:
    count, present = SYMBOLS * 48, np.ones(SYMBOLS, bool)
    present[2] = False
    case = Case(count, np.full(SYMBOLS, 0.1))
    complete, _ = case.run()
    features, variance = case.run(arrived=5, present=present)
    symbol = permutation(count) // 48
    assert np.isnan(features[symbol == 2]).all() and np.isnan(variance[symbol == 2]).all()
    assert (features[symbol >= 5] == -1).all() and (variance[symbol >= 5] == -1).all()
    there = (symbol < 5) & (symbol != 2)
    np.testing.assert_allclose(features[there], complete[there], rtol=1e-5)


def test_an_empty_subcarrier_gives_no_infinite_estimate() -> None:
    case = Case(SYMBOLS * 48, np.full(SYMBOLS, 0.1))
    case.channel[N64.data_index[7]] = 0
    features, variance = case.run()
    hit = permutation(SYMBOLS * 48) % 48 == 7
    assert np.isfinite(features).all() and np.abs(features[hit]).max() < 1e-6
    assert variance[hit].min() > 1e6
