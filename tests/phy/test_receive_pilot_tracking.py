# SPDX-License-Identifier: GPL-3.0-or-later
"""Pilot tracking and phase slopes by themselves: against brute force and the batch form of the smoother."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.phy.receive.bundles import PilotPhasors, Pilots, Prior
from sdr_sc.phy.receive.phase_slope import phase_slope
from sdr_sc.phy.receive.pilot_tracking import _smooth, carrier_slope, clock_slope, pilot_phasors, track

POSITIONS = np.array([-21.0, -7.0, 7.0, 21.0])


def white(shape: tuple[int, ...], power: float, seed: int) -> np.ndarray:
    """Complex white noise."""
    return np.random.default_rng(seed).standard_normal((*shape, 2)) @ [1, 1j] * np.sqrt(power / 2)


@pytest.mark.parametrize("columns, noise", [(1, 0.0), (1, 0.3), (6, 1.0)])
@pytest.mark.parametrize("slope", [-0.83, 0.0, 0.137])
def test_the_phase_slope_is_the_highest_sum_of_periodograms(columns: int, noise: float, slope: float) -> None:
    times = np.array([0.0, 0.7, 2.0, 2.9, 4.0, 5.5, 7.0, 8.1, 9.0, 10.0])
    column_phases = np.exp(2j * np.pi * np.random.default_rng(2).random(columns))
    phasors = np.exp(1j * slope * times)[:, None] * column_phases + white((len(times), columns), noise, 3)
    phasors = phasors.astype(np.complex64)
    grid = np.linspace(-1.0, 1.0, 20_001)
    likelihood = (np.abs(np.exp(-1j * np.outer(grid, times)) @ phasors) ** 2).sum(axis=1)
    assert phase_slope(phasors, times, 1.0) == pytest.approx(grid[likelihood.argmax()], abs=1.2e-4)


def test_the_phase_slope_has_the_variance_of_the_cramer_rao_bound() -> None:
    """``noise / (2 sum (t - mean)^2)`` for phasors of power 1, rad^2 a symbol duration squared."""
    times, noise = np.arange(12.0), 0.05
    bound = noise / (2 * np.sum((times - times.mean()) ** 2))
    found = [
        phase_slope((np.exp(0.2j * times) + white((12,), noise, seed)).astype(np.complex64)[:, None], times, 1.0)
        for seed in range(400)
    ]
    assert np.mean(found) == pytest.approx(0.2, abs=4 * np.sqrt(bound / 400))
    assert 0.8 < np.var(found) / bound < 1.3


def test_pilot_phasors_are_received_times_known_times_conjugate_channel() -> None:
    spectra, channel = white((6, 64), 1.0, 4).astype(np.complex64), white((52,), 1.0, 5).astype(np.complex64)
    bins, index = np.array([43, 57, 7, 21]), np.array([5, 19, 32, 46])
    known = np.random.default_rng(6).choice([-1, 1], (9, 4)).astype(np.float32)
    channel[index[1]] = 0
    times = np.arange(6.0)
    phasors, weights, positions, kept = pilot_phasors(spectra, channel, Pilots(bins, index, POSITIONS, known), times)
    assert (positions == POSITIONS).all() and (kept == times).all()
    np.testing.assert_allclose(phasors, spectra[:, bins] * known[:6] * channel[index].conj(), rtol=1e-5)
    np.testing.assert_allclose(weights, np.maximum(np.abs(channel[index]) ** 2, 1e-30), rtol=1e-5)
    assert (weights > 0).all()


@pytest.mark.parametrize("ppm", [-60.0, 0.0, 20.0])
def test_the_clock_slope_is_that_of_the_offset(ppm: float) -> None:
    times, noise = 5.0 + np.arange(200), 0.05
    slope = 2 * np.pi * 80 / 64 * ppm * 1e-6
    wander = np.exp(1j * np.cumsum(np.random.default_rng(7).normal(0, 0.01, 200)))  # a common phase of its own
    phasors = np.exp(1j * slope * np.outer(times, POSITIONS)) * wander[:, None] + white((200, 4), noise, 8)
    found = clock_slope(phasors.astype(np.complex64), POSITIONS, times, noise, 2 * np.pi * 80 / 64 * 20e-6)
    # Cramer-Rao: the position spread of 15.65 over 200 symbols, each of the offset's own time.
    bound = np.sqrt(noise / 2 / np.sum(POSITIONS**2) / np.sum(times**2))
    assert found == pytest.approx(slope, abs=5 * bound)


def test_the_clock_slope_of_a_frame_that_is_too_short_stays_near_nothing() -> None:
    """Two symbols at 0 dB show nothing: the prior of the oscillators' tolerance holds the slope."""
    clock_std = 2 * np.pi * 80 / 64 * 20e-6
    phasors = [(1 + white((2, 4), 1.0, seed)).astype(np.complex64) for seed in range(100)]
    slopes = [clock_slope(p, POSITIONS, np.array([5.0, 6.0]), 1.0, clock_std) for p in phasors]
    assert np.std(slopes) < 0.1 * clock_std


@pytest.mark.parametrize("slope", [-0.05, 0.0, 0.013])
def test_the_carrier_slope_counts_the_known_phase_at_time_zero(slope: float) -> None:
    times = 5.0 + np.arange(14)
    sums = (np.exp(1j * slope * times) + white((14,), 1e-3, 9)).astype(np.complex64)
    assert carrier_slope(sums, times, 20.0) == pytest.approx(slope, abs=2.5e-3)
    # One symbol alone: only against the phase at time 0 does it have a slope.
    assert carrier_slope(sums[:1], times[:1], 20.0) == pytest.approx(np.angle(sums[0]) / 5.0, abs=1e-3)


@pytest.mark.parametrize("symbols", [1, 2, 5])
def test_the_carrier_slope_is_the_least_squares_line_through_known_and_payload_symbols(symbols: int) -> None:
    """The known symbols have phase 0 and slope 0 as well as their energy and their spread in time allow."""
    times, spread, reference = 5.5 + np.arange(symbols), 2.9, 500.0
    phases = np.random.default_rng(11).normal(0, 0.1, symbols)
    sums = (4 * np.exp(1j * phases)).astype(np.complex64)
    places = np.concatenate(([-spread, spread], [times.mean()] if symbols < 5 else [times[:4].mean(), times[4]]))
    blocks = [sums.sum()] if symbols < 5 else [sums[:4].sum(), sums[4]]
    weights = np.concatenate(([reference / 2] * 2, np.abs(blocks)))
    angles = np.concatenate(([0, 0], np.angle(blocks)))
    centre = np.average(places, weights=weights)
    expected = np.sum(weights * (places - centre) * angles) / np.sum(weights * (places - centre) ** 2)
    assert carrier_slope(sums, times, reference, spread) == pytest.approx(expected, abs=2e-4)
    assert abs(expected) < 0.01  # far from what the payload alone shows


def test_the_smoother_is_the_batch_estimate() -> None:
    """Kalman filter and RTS smoother together are the mean of the gains given all measurements."""
    count, walk, variance, known = 30, 0.02, 0.3, 0.1
    measured = (1 + white((count,), 0.5, 10)).astype(np.complex64)
    present = np.ones(count, bool)
    present[[0, 7, 8, 9, 22]] = False
    step = np.arange(1, count + 1)
    prior = known + walk * np.minimum.outer(step, step)  # covariance of a random walk from a start known so well
    seen = prior[:, present]
    batch = 0.9 + seen @ np.linalg.solve(seen[present] + variance * np.eye(present.sum()), measured[present] - 0.9)
    np.testing.assert_allclose(_smooth(measured, present, 0.9, variance, known, walk), batch, atol=1e-5)


def test_tracking_gives_the_truth_where_nothing_disturbs_it() -> None:
    """Carrier and clock offset at once, subcarriers of different strength, and symbols without pilots."""
    rng = np.random.default_rng(11)
    times, weights = 5.0 + np.arange(80), np.array([0.3, 1.0, 2.0, 0.7])
    slope, carrier, noise = 3e-4, 0.01, 1e-4
    truth = np.exp(1j * carrier * times)
    clean = weights * truth[:, None] * np.exp(1j * slope * np.outer(times, POSITIONS))
    phasors = (clean + np.sqrt(weights) * white((80, 4), noise, 12)).astype(np.complex64)
    present = np.ones(80, bool)
    present[30:36] = False
    phasors[30:36] = 10 * rng.standard_normal((6, 4))
    known_weight = noise / (weights.sum() * 1e-3)  # the gain is known to a variance of 1e-3 ahead of the payload
    observed = PilotPhasors(phasors, weights, POSITIONS, times)
    gains, tilts, found, centre = track(observed, present, Prior(noise, 1.6e-4, known_weight))
    assert centre == pytest.approx(np.sum(weights * POSITIONS) / weights.sum())
    assert found == pytest.approx(slope, abs=5e-6)
    model = gains[:, None] + tilts[:, None] * (POSITIONS - centre)
    model *= np.exp(1j * found * np.outer(times, POSITIONS))
    wanted = truth[:, None] * np.exp(1j * slope * np.outer(times, POSITIONS))
    assert np.abs(model - wanted).max() < 0.02
    assert not phasors[30:36].any()
