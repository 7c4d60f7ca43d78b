# SPDX-License-Identifier: GPL-3.0-or-later
"""The payload stage by itself: features, holes, clock offset and pilots of a payload made with numpy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from sdr_sc.phy.frame.framing import pilot_values
from sdr_sc.phy.frame.interleave import FeatureMapping, permutation
from sdr_sc.phy.frame.sequences import pn_signs
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.bundles import Carriers, Estimates, Pilots, Prior
from sdr_sc.phy.receive.payload_stage import receive_payload

N = Numerology()
SYMBOLS = 50
COUNT = SYMBOLS * N.data_subcarriers - 17
SCALE = 1.4
SLOPE_STD = 2 * np.pi * N.symbol_samples / N.fft_size * 20e-6


class Outcome(NamedTuple):
    """What the stage returned and wrote; what it did not write is -1."""

    there: int
    is_whole: bool
    slope: float
    features: np.ndarray
    variance: np.ndarray
    pilots: np.ndarray


class Payload:
    """Payload symbols after a channel, with a carrier of ``carrier`` rad per symbol and a clock of ``slope``."""

    def __init__(self, noise: float, carrier: float = 0.0, slope: float = 0.0, seed: int = 1) -> None:
        rng = np.random.default_rng(seed)
        self.noise, self.times = noise, 6.0 + np.arange(SYMBOLS)
        self.channel = (np.exp(-2j * np.pi * np.outer(N.positions, [0, 4]) / N.fft_size) @ [1.0, 0.4j]).astype(
            np.complex64
        )
        self.sent = rng.standard_normal((COUNT, 2)) @ [1, 1j] / np.sqrt(2)
        air = np.ones(SYMBOLS * N.data_subcarriers, complex)
        air[permutation(COUNT)] = self.sent
        air[:COUNT] *= pn_signs(COUNT)
        grid = np.empty((SYMBOLS, N.used), complex)
        grid[:, N.data_index] = SCALE * air.reshape(SYMBOLS, -1)
        self.known = pilot_values(SYMBOLS, N)
        grid[:, N.pilot_index] = self.known
        grid *= self.channel * np.exp(1j * np.outer(self.times, carrier + slope * N.positions))
        grid += rng.standard_normal((*grid.shape, 2)) @ [1, 1j] * np.sqrt(noise / 2)
        self.spectra = np.zeros((SYMBOLS, N.fft_size), np.complex64)
        self.spectra[:, N.bins] = grid

    def lose(self, symbols: slice) -> None:
        """Noise as strong as the payload in place of symbols."""
        shape = self.spectra[symbols].shape
        self.spectra[symbols] = np.random.default_rng(9).standard_normal((*shape, 2)) @ [1, 1j] / np.sqrt(2)

    def run(self, arrived: int = SYMBOLS, usable: np.ndarray | None = None, with_pilots: bool = False) -> Outcome:
        """The stage on the symbols that arrived."""
        features, variance = np.full(COUNT, -1, np.complex64), np.full(COUNT, -1, np.float32)
        pilots = np.empty((arrived, N.pilot_subcarriers) if with_pilots else (0, 0), np.complex64)
        there, is_whole, slope = receive_payload(
            self.spectra[:arrived],
            self.channel,
            Pilots(N.bins[N.pilot_index], N.pilot_index, N.pilot_positions.astype(float), self.known),
            Carriers(N.bins[N.data_index], N.data_index, N.positions[N.data_index]),
            self.times[:arrived],
            np.ones(arrived, bool) if usable is None else usable,
            Prior(self.noise, SLOPE_STD, 130.0),
            FeatureMapping(permutation(COUNT), pn_signs(COUNT), SCALE),
            Estimates(features, variance, pilots),
        )
        return Outcome(there, is_whole, slope, features, variance, pilots)


SYMBOL = permutation(COUNT) // N.data_subcarriers  # payload symbol of each feature


@pytest.mark.parametrize("carrier, ppm", [(0.0, 0.0), (0.02, 0.0), (0.0, 30.0), (-0.015, -25.0)])
def test_features_and_clock_offset_are_the_true_ones(carrier: float, ppm: float) -> None:
    slope = 2 * np.pi * N.symbol_samples / N.fft_size * ppm * 1e-6
    payload = Payload(1e-3, carrier, slope)
    found = payload.run()
    assert found.there == SYMBOLS and found.is_whole
    assert found.slope == pytest.approx(slope, abs=SLOPE_STD / 20)
    error = np.abs(found.features * (1 + found.variance) - payload.sent) ** 2
    assert np.mean(error / found.variance) == pytest.approx(1.0, abs=0.25)
    expected = payload.noise / (SCALE * np.abs(payload.channel[N.data_index])) ** 2
    np.testing.assert_allclose(found.variance, expected[permutation(COUNT) % N.data_subcarriers], rtol=0.1)


def test_lost_symbols_become_nan_and_the_last_one_there_is_counted() -> None:
    payload = Payload(0.01)
    payload.lose(slice(20, 35))
    found = payload.run()
    assert found.there == SYMBOLS and not found.is_whole
    assert np.isnan(found.features[(SYMBOL >= 21) & (SYMBOL < 34)]).all()
    kept = (SYMBOL < 18) | (SYMBOL > 38)
    assert np.mean(np.abs(found.features[kept] - payload.sent[kept]) ** 2) < 0.03
    payload.lose(slice(20, SYMBOLS))
    found = payload.run()
    assert abs(found.there - 20) <= 2 and not found.is_whole
    assert (found.features[SYMBOL >= found.there] == -1).all()


def test_symbols_known_to_be_damaged_are_nan() -> None:
    payload, usable = Payload(0.01), np.ones(SYMBOLS, bool)
    usable[[3, 17]] = False
    found = payload.run(usable=usable)
    assert found.there == SYMBOLS and not found.is_whole
    assert (np.isnan(found.features) == np.isin(SYMBOL, [3, 17])).all()
    assert (np.isnan(found.variance) == np.isin(SYMBOL, [3, 17])).all()


def test_a_payload_that_ends_early_gives_the_symbols_that_arrived() -> None:
    payload = Payload(0.01, 0.01)
    found = payload.run(arrived=12)
    assert found.there == 12 and found.is_whole  # of what arrived
    arrived = SYMBOL < 12
    assert (found.features[~arrived] == -1).all() and (found.variance[~arrived] == -1).all()
    assert np.mean(np.abs(found.features[arrived] - payload.sent[arrived]) ** 2) < 0.02


def test_pilots_come_out_as_the_channel_with_what_was_tracked_taken_out() -> None:
    payload = Payload(1e-3, 0.02, SLOPE_STD)
    payload.lose(slice(30, 40))
    pilots = payload.run(with_pilots=True).pilots
    assert np.isnan(pilots[31:39]).all()
    error = pilots[:28] - payload.channel[N.pilot_index]
    assert np.mean(np.abs(error) ** 2) < 2 * payload.noise
    assert np.mean(np.abs(error) ** 2) > 0.5 * payload.noise


def test_nothing_there_at_all_is_no_error() -> None:
    payload = Payload(0.01)
    payload.lose(slice(0, SYMBOLS))
    found = payload.run()
    assert not found.is_whole and found.there <= 3
    assert (found.features[SYMBOL >= max(found.there, 1)] == -1).all()
