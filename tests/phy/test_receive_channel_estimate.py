# SPDX-License-Identifier: GPL-3.0-or-later
"""The channel estimate by itself: smoother, preamble estimate and noise of the fit, against channels of known taps."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.phy.frame.modes import FrameMode, frame_layout
from sdr_sc.phy.frame.preamble import preamble
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.channel_estimate import echoes_are_late, multiply, planes, smoother, windows_fit
from sdr_sc.phy.receive.preamble_estimate import PreambleEstimate, PreambleEstimator
from sdr_sc.phy.receive.preamble_fit import PreambleFit, cached_fit

N64 = Numerology()
LAYOUT = frame_layout(N64, FrameMode.NORMAL)
WIDE = Numerology(fft_size=256, cyclic_prefix=32, data_subcarriers=192, pilot_subcarriers=8, header_symbols=3)
TAPS = {0: 0.8, 3: 0.4 - 0.3j, 9: -0.2j}


def response(numerology: Numerology, taps: dict[int, complex]) -> np.ndarray:
    """Gain of each occupied subcarrier, from the DFT of the taps."""
    turns = np.outer(numerology.positions, list(taps)) / numerology.fft_size
    return np.exp(-2j * np.pi * turns) @ np.array(list(taps.values()))


def received(numerology: Numerology, taps: dict[int, complex], cycles: float, noise: float, seed: int) -> np.ndarray:
    """The preamble's samples after the taps, with a carrier offset whose phase is 0 at the first sample, and noise."""
    samples = np.convolve(preamble(numerology), [taps.get(d, 0) for d in range(max(taps) + 1)])
    samples = np.concatenate((samples, np.zeros(numerology.fft_size)))[: numerology.preamble_samples]
    samples *= np.exp(2j * np.pi * cycles * np.arange(len(samples)))
    return samples + np.random.default_rng(seed).standard_normal((len(samples), 2)) @ [1, 1j] * np.sqrt(noise / 2)


def estimate(numerology: Numerology, samples: np.ndarray) -> PreambleEstimate:
    """The estimate from the windows that the estimator asks for, cut and transformed with numpy."""
    estimator = PreambleEstimator(frame_layout(numerology, FrameMode.NORMAL))
    windows = samples[estimator.starts[:, np.newaxis] + np.arange(numerology.fft_size)]
    spectra = np.fft.fft(windows) / np.sqrt(numerology.fft_size)
    return estimator.estimate(spectra.astype(np.complex64))


@pytest.mark.parametrize("numerology", [N64, WIDE], ids=["64", "256"])
def test_the_smoother_keeps_a_short_channel_and_drops_a_long_one(numerology: Numerology) -> None:
    matrix = smoother(numerology, np.ones(numerology.used))
    short = response(numerology, {0: 1.0, 5: 0.5j, numerology.cyclic_prefix - 1: -0.3})
    assert np.abs(matrix @ short - short).max() < 0.02 * np.abs(short).max()
    late = response(numerology, {3 * numerology.fft_size // 5: 1.0})
    assert np.mean(np.abs(matrix @ late) ** 2) < 0.1


def test_the_smoother_takes_noise_down_to_the_share_of_the_taps() -> None:
    """A projection on L of U dimensions leaves L/U of white noise: here prefix, early window and margin, 22 of 52."""
    matrix = smoother(N64, np.ones(N64.used)).astype(complex)
    share = np.linalg.norm(matrix) ** 2 / N64.used
    assert share == pytest.approx((N64.cyclic_prefix + N64.early_window + 2) / N64.used, rel=0.15)


def test_the_smoother_trusts_subcarriers_by_their_weight() -> None:
    rng, channel = np.random.default_rng(1), response(N64, TAPS)
    deviation = np.where(np.arange(N64.used) % 2, 1.0, 0.1)
    noise = deviation * (rng.standard_normal((500, N64.used, 2)) @ [1, 1j])
    errors = {}
    for name, weights in (("weighted", deviation**-2), ("equal", np.ones(N64.used))):
        smoothed = (channel + noise) @ smoother(N64, weights).T
        errors[name] = np.mean(np.abs(smoothed - channel) ** 2)
    assert errors["weighted"] < 0.1 * errors["equal"]


def test_multiply_is_the_matrix_product() -> None:
    rng = np.random.default_rng(2)
    matrix = (rng.standard_normal((7, 5, 2)) @ [1, 1j]).astype(np.complex64)
    vector = (rng.standard_normal((5, 2)) @ [1, 1j]).astype(np.complex64)
    np.testing.assert_allclose(multiply(planes(matrix), vector), matrix @ vector, rtol=1e-5)


@pytest.mark.parametrize("numerology", [N64, WIDE], ids=["64", "256"])
@pytest.mark.parametrize("cycles", [0.0, 4e-4, -2e-4])
def test_the_preamble_gives_the_channel_with_the_phase_at_its_end(numerology: Numerology, cycles: float) -> None:
    cycles *= 80 / numerology.symbol_samples
    truth = response(numerology, TAPS) * np.exp(2j * np.pi * cycles * numerology.preamble_samples)
    found = estimate(numerology, received(numerology, TAPS, cycles, 0.0, 1))
    assert np.sqrt(np.mean(np.abs(found.channel - truth) ** 2)) < 0.03
    # The common phase of each window turns with the offset, by the middle of the window.
    times = PreambleEstimator(frame_layout(numerology, FrameMode.NORMAL)).times * numerology.symbol_samples
    turned = found.phasors * np.exp(-2j * np.pi * cycles * times)
    assert np.abs(np.angle(turned)).max() < 0.03
    # The training symbols one by one, each with the phase of its own middle.
    middles = numerology.preamble_samples + times[-2:]
    for symbol, middle in zip(found.training, middles, strict=True):
        expected = response(numerology, TAPS) * np.exp(2j * np.pi * cycles * middle)
        # What the offset within a window leaks from subcarrier to subcarrier: (pi offset / spacing)^2 / 3 of the power.
        leak = np.pi * abs(cycles) * numerology.fft_size / np.sqrt(3)
        assert np.sqrt(np.mean(np.abs(symbol - expected) ** 2)) < 0.01 + 1.2 * leak


def test_the_phasors_weigh_each_window_by_its_energy() -> None:
    found = estimate(N64, received(N64, {0: 2.0}, 0.0, 0.0, 1))
    np.testing.assert_allclose(np.abs(found.phasors), 4 * N64.used, rtol=0.01)


def test_the_preamble_estimate_is_better_than_the_training_symbols_alone() -> None:
    """The error is that of the taps, over the energy of all windows, and far below that of one training symbol."""
    noise, errors, single = 0.2, [], []
    for seed in range(200):
        found = estimate(N64, received(N64, {0: 1.0, 4: 0.5}, 0.0, noise, seed))
        truth = response(N64, {0: 1.0, 4: 0.5})
        errors.append(np.mean(np.abs(found.channel - truth) ** 2))
        single.append(np.mean(np.abs(found.training[0] - truth) ** 2))
    assert np.mean(single) == pytest.approx(noise, rel=0.05)
    windows = len(PreambleEstimator(LAYOUT).starts)
    taps = N64.cyclic_prefix + N64.early_window + 2
    assert noise / windows * taps / N64.used * 0.8 < np.mean(errors) < noise / 2 * taps / N64.used


@pytest.mark.parametrize("taps", [TAPS, {0: 1.0, 40: 0.5j}], ids=["within the prefix", "echo after the prefix"])
@pytest.mark.parametrize("noise", [0.01, 0.3])
def test_the_fit_to_the_preamble_leaves_the_noise_alone(taps: dict[int, complex], noise: float) -> None:
    fit, cycles = PreambleFit(LAYOUT), 0.01
    powers = [
        fit.noise_power(received(N64, taps, cycles, noise, seed).astype(np.complex64), cycles, 1.0)
        for seed in range(150)
    ]
    assert np.mean(powers) == pytest.approx(noise, rel=0.05)
    scaled = fit.noise_power(3 * received(N64, taps, cycles, noise, 0).astype(np.complex64), cycles, 1 / 3)
    assert scaled == pytest.approx(powers[0], rel=1e-4)


def test_an_fft_too_large_to_be_fitted_has_no_fit() -> None:
    assert cached_fit(frame_layout(Numerology(fft_size=512, cyclic_prefix=64), FrameMode.NORMAL)) is None
    assert cached_fit(LAYOUT) is cached_fit(frame_layout(Numerology(), FrameMode.NORMAL))


def noisy(shape: tuple[int, ...], power: float, seed: int) -> np.ndarray:
    """Complex white noise, complex64."""
    parts = np.random.default_rng(seed).standard_normal((*shape, 2)) @ [1, 1j]
    return (parts * np.sqrt(power / 2)).astype(np.complex64)


@pytest.mark.parametrize("noise", [1.0, 0.01])
def test_an_echo_after_the_cyclic_prefix_counts_as_late_once_it_stands_out(noise: float) -> None:
    smooth = smoother(N64, np.ones(52))
    outside = float(np.sum(np.abs(np.eye(52) - smooth) ** 2))
    assert outside == pytest.approx(52 - 22, abs=1.0)  # 22 delays pass
    late = {
        echo: [
            echoes_are_late(
                gains := (response(N64, {**TAPS, 30: echo}) + noisy((10, 52), noise, seed)).astype(np.complex64),
                multiply(planes(smooth), gains.mean(axis=0)),
                noise,
                outside,
            )
            for seed in range(300)
        ]
        for echo in (0.0, np.sqrt(noise))
    }
    assert not any(late[0.0]) and all(late[np.sqrt(noise)])


def test_windows_of_another_gain_do_not_fit_the_channel() -> None:
    channel, times = response(N64, TAPS).astype(np.complex64), np.array([-5.0, -4.2, -3.4])
    weights = np.where(np.arange(52) % 4 == 0, 12.0, 0.0).astype(np.float32)
    turned = np.exp(0.02j * times)[:, None] * channel * weights / 3
    fits = {
        gain: [
            windows_fit(
                (gain * turned + noisy((3, 52), 0.01, seed) * np.sqrt(weights / 3)).astype(np.complex64),
                weights, times, channel, 0.02, 0.01,
            )
            for seed in range(300)
        ]
        for gain in (1.0, 0.5, 1.2)
    }  # fmt: skip
    assert np.mean(fits[1.0]) > 0.98 and not any(fits[0.5]) and not any(fits[1.2])
