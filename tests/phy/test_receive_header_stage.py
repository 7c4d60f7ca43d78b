# SPDX-License-Identifier: GPL-3.0-or-later
"""The header stage by itself: soft values and known symbols from spectra made with numpy."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.phy.frame.framing import pilot_values
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.channel_estimate import planes, smoother
from sdr_sc.phy.receive.header_channel import full_channel, full_slope, known_symbol_gains
from sdr_sc.phy.receive.header_stage import (
    HeaderTables,
    header_evidence,
    header_soft_values,
    refined_soft_values,
)
from sdr_sc.phy.receive.preamble_estimate import PreambleEstimate

N = Numerology()
TRAINING_TIMES = np.array([-1.3, -0.5])
DETECTION_TIMES = np.array([-5.0, -4.2, -3.4, -2.6])
POWER = np.where(N.positions % 4 == 0, 4.0, 0.0)  # of the detection part's known values
HEADER_TIMES = 0.6 + np.arange(N.header_symbols)
PILOTS = pilot_values(N.header_symbols, N)


class Case:
    """Training and header symbols after a channel of three taps, an offset and a clock drift.

    Args:
        noise: power per subcarrier.
        carrier: residual offset, rad per symbol.
        drift: phase slope of a clock offset, rad per subcarrier and symbol.
    """

    def __init__(self, noise: float, carrier: float = 0.0, drift: float = 0.0, seed: int = 1) -> None:
        rng = np.random.default_rng(seed)
        self.noise = noise
        turns = np.outer(N.positions, [0, 3, 8]) / N.fft_size
        self.channel = np.exp(-2j * np.pi * turns) @ [0.9, 0.5j, -0.3]
        self.bits = rng.choice([-1, 1], (N.header_symbols, N.data_subcarriers)).astype(np.complex64)
        sent = np.ones((2 + N.header_symbols, N.used), complex)
        sent[2:, N.data_index], sent[2:, N.pilot_index] = self.bits, PILOTS
        times = np.concatenate((TRAINING_TIMES, HEADER_TIMES))
        phase = carrier * times[:, None] + drift * np.outer(times, N.positions)
        received = sent * self.channel * np.exp(1j * phase)
        received += rng.standard_normal((*received.shape, 2)) @ [1, 1j] * np.sqrt(noise / 2)
        self.training, self.symbols = received[:2].astype(np.complex64), received[2:].astype(np.complex64)
        # The receiver's windows are early by a few samples: a ramp over the subcarriers, which it undoes.
        self.ramp = np.exp(2j * np.pi * N.positions * N.early_window / N.fft_size).astype(np.complex64)
        self.spectra = np.full((N.header_symbols, N.fft_size), np.nan, np.complex64)
        self.spectra[:, N.bins] = self.symbols / self.ramp
        energy = np.sum(np.abs(self.channel) ** 2)
        phasors = (energy * np.exp(1j * carrier * TRAINING_TIMES)).astype(np.complex64)
        phase = carrier * DETECTION_TIMES[:, None] + drift * np.outer(DETECTION_TIMES, N.positions)
        noises = rng.standard_normal((len(DETECTION_TIMES), N.used, 2)) @ [1, 1j] * np.sqrt(noise / 2)
        self.detection = (POWER * self.channel * np.exp(1j * phase) + np.sqrt(POWER) * noises).astype(np.complex64)
        self.first_look = PreambleEstimate(self.training, self.channel.astype(np.complex64), self.detection, phasors)
        # Known times count from the middle of the known symbols, as in the receiver.
        self.tables = HeaderTables(
            bins=N.bins,
            ramp=self.ramp,
            data_index=N.data_index,
            pilot_index=N.pilot_index,
            pilots=PILOTS,
            slope_times=times,
            known_times=times - times.mean(),
            smoother=planes(smoother(N, np.ones(N.used))),
            detection_times=DETECTION_TIMES - times.mean(),
            detection_weights=(4 * POWER).astype(np.float32),
            full_smoother=planes(smoother(N, 2 + N.header_symbols + 4 * POWER)),
        )

    def soft(self) -> tuple[np.ndarray, np.ndarray]:
        """Symbols and soft values."""
        return header_soft_values(self.spectra, self.first_look, self.tables)

    def gains(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Gains, smoothed channel, slope."""
        return known_symbol_gains(self.symbols, self.bits, self.first_look, self.tables)


@pytest.mark.parametrize("carrier", [-0.6, 0.0, 0.25])
def test_soft_values_have_the_sign_and_the_weight_of_the_bits(carrier: float) -> None:
    """Proportional to ``Re(y h*) / noise``: 2 |h|^2 is the ratio of two subcarriers' means."""
    case = Case(1e-3, carrier)
    symbols, soft = case.soft()
    np.testing.assert_allclose(symbols, case.symbols, rtol=1e-4, atol=1e-4)
    assert (np.sign(soft) == case.bits).all()
    power = np.abs(case.channel[N.data_index]) ** 2
    weight = np.mean(soft * case.bits, axis=0) / power
    np.testing.assert_allclose(weight / weight.mean(), 1.0, atol=0.15)


def test_soft_values_are_in_proportion_to_the_log_likelihood_ratio() -> None:
    """``4 Re(y h*) / noise`` is the ratio of BPSK in complex noise, so ``log P(+)/P(-)`` of a soft value is 4 times it,
    up to the error of the noise's estimate from two symbols."""
    soft, bits = [], []
    for seed in range(80):
        case = Case(1.0, 0.1, seed=seed)
        soft.append(case.soft()[1].real.ravel())
        bits.append(case.bits.real.ravel())
    values, sent = np.concatenate(soft), np.concatenate(bits)
    for centre in (0.15, 0.4):
        near = np.abs(np.abs(values) - centre) < 0.05
        wins = np.sign(values[near]) == sent[near]
        assert np.log(wins.sum() / (~wins).sum()) == pytest.approx(4 * centre, rel=0.25)


@pytest.mark.parametrize("carrier, drift", [(0.0, 0.0), (0.3, 0.0), (-0.1, 2e-3), (0.0, -1e-3)])
def test_known_symbols_give_offset_and_channel(carrier: float, drift: float) -> None:
    case = Case(1e-4, carrier, drift)
    gains, channel, slope = case.gains()
    # The common phase of a drift is that of the energy's middle, which lies off DC.
    energy = np.abs(case.channel) ** 2
    centre = np.sum(energy * N.positions) / energy.sum()
    assert slope == pytest.approx(carrier + drift * centre, abs=2e-3)
    middle = np.concatenate((TRAINING_TIMES, HEADER_TIMES)).mean()
    truth = case.channel * np.exp(1j * middle * (carrier + drift * N.positions))
    assert np.sqrt(np.mean(np.abs(channel - truth) ** 2)) < 0.02
    assert gains.shape == (2 + N.header_symbols, N.used)
    assert np.abs(gains - truth).max() < 0.08


def test_a_clock_drift_does_not_look_like_noise() -> None:
    """The spread of the gains around their mean is that of the noise, drift or not."""
    for drift in (0.0, 3e-3):
        gains, _, _ = Case(1e-4, 0.05, drift, seed=3).gains()
        spread = np.sum(np.abs(gains - gains.mean(axis=0)) ** 2) / ((len(gains) - 1) * N.used)
        assert spread == pytest.approx(1e-4, rel=0.25)


def test_the_channel_of_all_known_symbols_is_better_than_any_of_them() -> None:
    errors = []
    for seed in range(100):
        case = Case(0.3, seed=seed)
        _, channel, _ = case.gains()
        errors.append(np.mean(np.abs(channel - case.channel) ** 2))
    taps = N.cyclic_prefix + N.early_window + 2
    assert np.mean(errors) == pytest.approx(0.3 / (2 + N.header_symbols) * taps / N.used, rel=0.3)


@pytest.mark.parametrize("carrier", [0.0, 0.2, -0.6])
def test_without_noise_the_channel_of_everything_known_is_the_channel(carrier: float) -> None:
    case = Case(0.0, carrier)
    gains, channel, slope = known_symbol_gains(case.symbols, case.bits, case.first_look, case.tables)
    full = full_channel(gains, slope, case.first_look, case.tables)
    assert slope == pytest.approx(carrier, abs=2e-3)
    assert full_slope(case.symbols, case.bits, case.first_look, case.tables) == pytest.approx(carrier, abs=2e-3)
    np.testing.assert_allclose(full, channel, atol=0.02)
    soft = refined_soft_values(case.symbols, full, slope, case.tables)
    np.testing.assert_allclose(soft, case.bits * np.abs(case.channel[N.data_index]) ** 2, atol=0.05)


def test_the_detection_part_makes_the_channel_as_much_better_as_its_energy() -> None:
    errors, full_errors = [], []
    for seed in range(200):
        case = Case(0.3, 0.0, seed=seed)
        gains, channel, slope = known_symbol_gains(case.symbols, case.bits, case.first_look, case.tables)
        middle = slope * np.concatenate((TRAINING_TIMES, HEADER_TIMES)).mean()
        truth = case.channel * np.exp(1j * middle)
        errors.append(np.mean(np.abs(channel - truth) ** 2))
        full = full_channel(gains, slope, case.first_look, case.tables)
        full_errors.append(np.mean(np.abs(full - truth) ** 2))
    known = 2 + N.header_symbols
    assert np.mean(full_errors) / np.mean(errors) == pytest.approx(known / (known + 4), rel=0.15)


@pytest.mark.parametrize("bits_per_value", [1, 2])
@pytest.mark.parametrize("snr", [0.3, 1.0, 10.0])
def test_evidence_is_twice_the_energy_over_the_noise(snr: float, bits_per_value: int) -> None:
    rng = np.random.default_rng(1)
    sent = rng.choice([-1.0, 1.0], (200, 48)) + (1j * rng.choice([-1.0, 1.0], (200, 48)) if bits_per_value == 2 else 0)
    sent = (sent / np.sqrt(bits_per_value)).astype(np.complex64)
    noise = rng.standard_normal((200, 96), np.float32).view(np.complex64) * np.float32(np.sqrt(0.5 / snr))
    # A BPSK value of energy 1 has half of the noise beside it; a QPSK value has all of it, and two bits.
    assert header_evidence(7 * (sent + noise), sent, bits_per_value) == pytest.approx(2 * snr * sent.size, rel=0.06)
    assert header_evidence(sent + noise, sent[::-1].copy(), bits_per_value) < 30
