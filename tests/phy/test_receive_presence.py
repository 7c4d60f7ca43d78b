# SPDX-License-Identifier: GPL-3.0-or-later
"""Detection of missing payload symbols by itself, and the noise that the pilots show, with holes of known place."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.phy.receive.bundles import PilotPhasors, Prior, Tracking
from sdr_sc.phy.receive.presence import present_symbols, symbol_noise

POSITIONS = np.array([-21.0, -7.0, 7.0, 21.0])
WEIGHTS = np.array([0.5, 1.0, 1.5, 1.0])
SYMBOLS, NOISE = 60, 0.05
CLOCK_STD, KNOWN_WEIGHT = 1.6e-4, 10.0
TIMES = 5.0 + np.arange(SYMBOLS)


def white(power: float, seed: int, symbols: int = SYMBOLS) -> np.ndarray:
    """Noise on the phasors: that of the pilots times their conjugate channel."""
    parts = np.random.default_rng(seed).standard_normal((symbols, len(WEIGHTS), 2)) @ [1, 1j]
    return parts * np.sqrt(power / 2) * np.sqrt(WEIGHTS)


def phasors(seed: int, hole: slice = slice(0, 0), kind: str = "noise", noise: float = NOISE) -> np.ndarray:
    """Pilots as the header's channel predicts them, but for a hole: noise alone, or another frame's pilots."""
    rng = np.random.default_rng(seed + 1000)
    sent = np.ones((SYMBOLS, 4)) * WEIGHTS
    other = rng.choice([-1.0, 1.0], (SYMBOLS, 4)) * np.exp(2j * np.pi * rng.random()) * WEIGHTS
    sent = sent.astype(complex)
    sent[hole] = other[hole] if kind == "frame" else 0
    return (sent + white(noise, seed)).astype(np.complex64)


def present(received: np.ndarray, noise: float = NOISE) -> np.ndarray:
    """The verdict on phasors."""
    return present_symbols(PilotPhasors(received, WEIGHTS, POSITIONS, TIMES), Prior(noise, CLOCK_STD, KNOWN_WEIGHT))


@pytest.mark.parametrize("noise", [1e-3, 0.05, 0.5])
def test_a_whole_payload_is_all_there(noise: float) -> None:
    assert all(present(phasors(seed, noise=noise), noise).all() for seed in range(200))


@pytest.mark.parametrize("version, erased", [(1, False), (2, True)])
def test_doubt_at_the_end_decides(version: int, erased: bool) -> None:
    """Two pilots of the last two symbols of twelve are those of something else, which no further symbol can show."""
    received = phasors(1, noise=1e-3)[:12]
    received[-2:, 1:3] *= -1
    spread = 2.84 if version > 1 else 0.0
    prior = Prior(1e-3, CLOCK_STD, KNOWN_WEIGHT, spread)
    assert present_symbols(PilotPhasors(received[:-1], WEIGHTS, POSITIONS, TIMES[:11]), prior)[:-1].all()
    found = present_symbols(PilotPhasors(received, WEIGHTS, POSITIONS, TIMES[:12]), prior)
    assert found[:-2].all() and (not found[-1]) == erased


@pytest.mark.parametrize("kind", ["noise", "frame"])
@pytest.mark.parametrize("hole", [slice(0, 20), slice(20, 40), slice(35, 60)], ids=["beginning", "middle", "end"])
def test_a_hole_is_found_where_it_is(hole: slice, kind: str) -> None:
    """Its begin and its end within two and four symbols, in nineteen of twenty draws."""
    truth = np.ones(SYMBOLS, bool)
    truth[hole] = False
    late, right = [], 0
    for seed in range(100):
        found = present(phasors(seed, hole, kind))
        late.append((found != truth).sum())
        edges = [abs(np.flatnonzero(~found).min(initial=SYMBOLS) - hole.start)]
        edges.append(abs(np.flatnonzero(~found).max(initial=-1) + 1 - hole.stop))
        right += edges[0] <= 2 and edges[1] <= 4
    assert right >= 95
    assert np.mean(late) < 1.5


def test_a_tone_as_strong_as_the_pilot_that_it_hits_does_not_erase_the_payload() -> None:
    for seed in range(50):
        received = phasors(seed)
        received[:, 2] += WEIGHTS[2] * np.exp(0.7j * TIMES + 1j * seed).astype(np.complex64)
        assert present(received).all()


@pytest.mark.parametrize("slope, carrier", [(5e-4, 0.0), (0.0, 0.05), (-5e-4, -0.04)])
def test_offsets_are_not_taken_for_a_hole(slope: float, carrier: float) -> None:
    turn = np.exp(1j * (slope * np.outer(TIMES, POSITIONS) + carrier * TIMES[:, None]))
    for seed in range(50):
        received = WEIGHTS * turn + white(NOISE, seed)
        assert present(received.astype(np.complex64)).all()


def noise_of(received: np.ndarray, gains: np.ndarray, slope: float, there: np.ndarray, header: float) -> np.ndarray:
    """`symbol_noise` around a known channel."""
    centre = float(np.sum(WEIGHTS * POSITIONS) / WEIGHTS.sum())
    tilts = (0.001j * np.ones(len(received))).astype(np.complex64)
    model = gains[:, None] + tilts[:, None] * (POSITIONS - centre)
    received = received + WEIGHTS * model * np.exp(1j * slope * np.outer(TIMES, POSITIONS))
    observed = PilotPhasors(received.astype(np.complex64), WEIGHTS, POSITIONS, TIMES)
    return symbol_noise(observed, Tracking(gains, tilts, slope, centre), there, header)


def test_the_noise_of_the_header_holds_where_the_pilots_agree() -> None:
    gains = np.exp(0.02j * TIMES).astype(np.complex64)
    levels = np.array([noise_of(white(NOISE, seed), gains, 2e-4, np.ones(SYMBOLS, bool), NOISE) for seed in range(100)])
    assert (levels == NOISE).mean() > 0.95


def test_more_noise_on_the_pilots_is_given_for_the_symbols_that_have_it() -> None:
    """The median over four pilots of sums of powers: their mean, less a little."""
    gains, there = np.exp(0.02j * TIMES).astype(np.complex64), np.ones(SYMBOLS, bool)
    factors = np.where(np.arange(SYMBOLS) < 30, 1.0, 3.0)[:, None]
    found = np.mean([noise_of(white(0.2, s) * factors, gains, 2e-4, there, NOISE) for s in range(200)], axis=0)
    assert found[:24].mean() == pytest.approx(0.2, rel=0.08)
    assert found[36:].mean() == pytest.approx(1.8, rel=0.08)


def test_interference_on_one_pilot_does_not_count_for_all() -> None:
    received = white(NOISE, 3)
    received[:, 1] += 4 * np.exp(0.9j * TIMES)
    found = noise_of(received, np.ones(SYMBOLS, np.complex64), 0.0, np.ones(SYMBOLS, bool), NOISE)
    assert found.max() < 2.5 * NOISE


def test_absent_symbols_do_not_count_and_a_short_frame_keeps_the_header_s_noise() -> None:
    there, received = np.ones(SYMBOLS, bool), white(NOISE, 4)
    there[20:33], received[20:33] = False, 100
    found = noise_of(received, np.ones(SYMBOLS, np.complex64), 0.0, there, NOISE)
    assert found.max() < 2 * NOISE
    short = white(10 * NOISE, 5, 3)
    gains = np.zeros(3, np.complex64)
    observed = PilotPhasors(short.astype(np.complex64), WEIGHTS, POSITIONS, TIMES[:3])
    levels = symbol_noise(observed, Tracking(gains, gains, 0.0, 0.0), np.ones(3, bool), NOISE)
    assert (levels == NOISE).all()
