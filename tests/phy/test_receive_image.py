# SPDX-License-Identifier: GPL-3.0-or-later
"""The estimate of an I/Q image by itself: against symbols whose image is known."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.phy.receive.image import ImageCanceller


def white(shape: tuple[int, ...], power: float, rng: np.random.Generator) -> np.ndarray:
    parts = rng.standard_normal((*shape, 2)) @ [1, 1j]
    return (parts * np.sqrt(power / 2)).astype(np.complex64)


def header(share: complex, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Symbols, gains and images of eight symbols of 52 subcarriers, positions -26 to 26 without 0."""
    rng = np.random.default_rng(seed)
    channel = white((52,), 1.0, rng)
    known = rng.choice([-1.0, 1.0], (8, 52)).astype(np.complex64)
    images = (channel * known)[:, ::-1].conj()
    symbols = channel * known + share * images + white((8, 52), noise, rng)
    turns = np.exp(1j * rng.uniform(0, 6.28, (8, 1)))  # of each symbol, which the receiver takes out
    return (symbols * turns).astype(np.complex64), symbols / known, (images * turns).astype(np.complex64)


@pytest.mark.parametrize("share", [0.07 - 0.02j, 0.003j])
def test_the_share_is_exact_without_noise(share: complex) -> None:
    canceller = ImageCanceller()
    assert canceller.learn(*header(share, 0.0, 1))
    canceller.begin(np.zeros(1, np.complex64))
    assert canceller.share == pytest.approx(share, abs=1e-5)
    samples = white((9,), 1.0, np.random.default_rng(2))
    np.testing.assert_allclose(canceller.correct(samples + np.complex64(share) * samples.conj()), samples, atol=0.01)


@pytest.mark.parametrize("noise", [1.0, 0.1, 1e-3])
def test_noise_alone_shows_no_image(noise: float) -> None:
    canceller = ImageCanceller()
    samples = np.ones(3, np.complex64)
    for seed in range(2000):
        assert not canceller.learn(*header(0j, noise, seed))
        assert canceller.begin(samples) is samples


@pytest.mark.parametrize("share", [0.3, -0.21j])
def test_an_image_that_no_radio_has_is_left_alone(share: complex) -> None:
    canceller = ImageCanceller()
    assert not canceller.learn(*header(share, 0.01, 1))
    canceller.begin(np.zeros(1, np.complex64))
    assert canceller.share == 0


@pytest.mark.parametrize("place", [slice(0, None, 2), slice(1, None, 2), slice(5, 6)])
def test_damage_in_some_symbols_alone_is_no_image(place: slice) -> None:
    canceller, (symbols, gains, images) = ImageCanceller(), header(0j, 1e-3, 1)
    damaged, damaged_gains, _ = header(0.15, 1e-3, 1)
    symbols[place], gains[place] = damaged[place], damaged_gains[place]
    assert not canceller.learn(symbols, gains, images)


def test_a_jump_to_what_no_radio_has_changes_nothing() -> None:
    canceller = ImageCanceller()
    assert canceller.learn(*header(0.07, 0.01, 1))
    canceller.begin(np.zeros(1, np.complex64))
    before = canceller.share
    canceller.learn(*header(0.3, 0.01, 2))
    canceller.begin(np.zeros(1, np.complex64))
    assert canceller.share == before


def test_the_estimate_is_averaged_over_frames_and_follows_a_change() -> None:
    canceller, samples = ImageCanceller(), np.zeros(1, np.complex64)

    def send(share: complex, seeds: range) -> complex:
        for seed in seeds:
            canceller.begin(samples)
            canceller.learn(*header(share - canceller.share, 0.01, seed))  # of samples that are corrected
        return canceller.share

    assert send(0.07, range(40)) == pytest.approx(0.07, abs=0.004)  # one frame: standard deviation 0.0052
    assert send(-0.05j, range(40, 44)) == pytest.approx(-0.05j, abs=0.02)
    assert send(-0.05j, range(44, 80)) == pytest.approx(-0.05j, abs=0.004)


def test_the_first_frames_and_one_in_eight_are_examined() -> None:
    canceller = ImageCanceller()
    assert [number for number in range(1, 97) if canceller.is_due()] == [*range(1, 9), 32, 64, 96]
