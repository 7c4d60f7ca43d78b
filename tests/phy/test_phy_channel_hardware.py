# SPDX-License-Identifier: GPL-3.0-or-later
"""Oscillators, clocks, front ends and lost samples, against theory."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from sdr_sc.errors import ChannelError, SdrScError
from sdr_sc.phy.channels import (
    USRP_CLASS,
    Awgn,
    CarrierOffset,
    Clip,
    ClockOffset,
    DcOffset,
    GainStep,
    IqImbalance,
    PhaseNoise,
    Quantise,
    SampleGaps,
    Tone,
    delay,
)

RATE_HZ = 1e6


def tone(cycles_per_sample: float, count: int) -> np.ndarray:
    return np.exp(2j * np.pi * cycles_per_sample * np.arange(count)).astype(np.complex64)


@pytest.mark.parametrize("ppm", [20.0, -20.0, 400.0])
@pytest.mark.parametrize("cycles", [0.05, -0.2, 26 / 64])
def test_clock_offset_stretches_time_and_hardly_errs(ppm: float, cycles: float) -> None:
    count = 200_000
    model = ClockOffset(ppm)
    out = model.process(tone(cycles, count))
    assert len(out) == pytest.approx(count * (1 + ppm * 1e-6), abs=2)
    times = np.arange(len(out)) / (1 + ppm * 1e-6) - model.delay_samples
    expected = np.exp(2j * np.pi * cycles * times)
    inside = times > 14
    error_db = 10 * np.log10(np.mean(np.abs(out - expected)[inside] ** 2))
    assert error_db < -60
    slope = np.polyfit(np.arange(inside.sum()), np.unwrap(np.angle(out * tone(-cycles, len(out))))[inside], 1)[0]
    assert slope / (2 * np.pi * cycles) * 1e6 == pytest.approx(-ppm, rel=1e-3)


def test_clock_offset_error_floor_for_an_ofdm_signal() -> None:
    rng, bins = np.random.default_rng(1), np.concatenate((np.arange(1, 27), np.arange(-26, 0)))
    coefficients = np.exp(2j * np.pi * rng.random(52))
    n = np.arange(20_000)
    sent = (np.exp(2j * np.pi * np.outer(n, bins) / 64) @ coefficients / 8).astype(np.complex64)
    model = ClockOffset(73.0)
    out = model.process(sent)
    times = np.arange(len(out)) / (1 + 73e-6) - model.delay_samples
    expected = np.exp(2j * np.pi * np.outer(times, bins) / 64) @ coefficients / 8
    error = np.mean(np.abs(out - expected)[100:] ** 2) / np.mean(np.abs(expected) ** 2)
    assert 10 * np.log10(error) < -60


def test_phase_noise_has_its_rms_and_its_one_pole_spectrum() -> None:
    corner_hz, rms_deg = 20e3, 2.0
    phase = np.angle(PhaseNoise(RATE_HZ, rms_deg, corner_hz, seed=2).process(np.ones(2_000_000, np.complex64)))
    assert np.rad2deg(phase.std()) == pytest.approx(rms_deg, rel=0.03)
    hz, density = signal.welch(phase, RATE_HZ, nperseg=4096, detrend=False)
    low = density[(hz > 500) & (hz < 4e3)].mean()
    # A one-pole process of variance s^2 has the one-sided density 2 s^2 / (pi corner) at 0 Hz.
    assert low == pytest.approx(2 * np.deg2rad(rms_deg) ** 2 / (np.pi * corner_hz), rel=0.08)
    at_corner = density[(hz > 19e3) & (hz < 21e3)].mean()
    assert at_corner / low == pytest.approx(0.5, rel=0.12)
    assert density[(hz > 98e3) & (hz < 102e3)].mean() / low == pytest.approx(1 / 26, rel=0.2)


def test_free_running_phase_is_a_random_walk_of_the_linewidth() -> None:
    model = PhaseNoise(RATE_HZ, rms_deg=0.0, linewidth_hz=100.0, seed=3)
    phase = np.unwrap(np.angle(model.process(np.ones(2_000_000, np.complex64))))
    steps = phase[100::100] - phase[:-100:100]
    assert steps.var() == pytest.approx(2 * np.pi * 100.0 * 100 / RATE_HZ, rel=0.05)


def test_usrp_class_adds_both_ends() -> None:
    assert USRP_CLASS["rms_deg"] == pytest.approx(0.523, abs=0.001)
    phase = np.angle(PhaseNoise(RATE_HZ, **USRP_CLASS).process(np.ones(400_000, np.complex64)))
    assert np.rad2deg(phase.std()) == pytest.approx(0.523, rel=0.03)


def test_carrier_offset_can_change_and_keeps_its_phase() -> None:
    model = CarrierOffset(1000.0, RATE_HZ)
    ones = np.ones(5000, np.complex64)
    parts = [model.process(ones)]
    model.cfo_hz = -3000.0
    parts.append(model.process(ones))
    steps = np.angle(np.concatenate(parts)[1:] * np.concatenate(parts)[:-1].conj()) * RATE_HZ / (2 * np.pi)
    assert steps[:4999] == pytest.approx(1000.0, abs=1.0)
    assert steps[5000:] == pytest.approx(-3000.0, abs=1.0)


def test_image_rejection_follows_the_formula() -> None:
    model = IqImbalance(gain_db=0.8, phase_deg=3.0)
    power = np.abs(np.fft.fft(model.process(tone(5 / 64, 640)))) ** 2
    measured_db = 10 * np.log10(power[50] / power[-50])
    g, phi = 10 ** (0.8 / 20), np.deg2rad(3.0)
    theory_db = 10 * np.log10((1 + 2 * g * np.cos(phi) + g**2) / (1 - 2 * g * np.cos(phi) + g**2))
    assert measured_db == pytest.approx(theory_db, abs=0.05)
    assert model.image_rejection_db == pytest.approx(theory_db)
    assert power.sum() / 640**2 == pytest.approx(1.0, abs=1e-3)
    real, imag = model.process(np.array([1, 1j], np.complex64)) / model.process(np.ones(1, np.complex64)).real[0]
    assert real == pytest.approx(1 - 1j * g * np.sin(phi), abs=1e-6)
    assert imag == pytest.approx(1j * g * np.cos(phi), abs=1e-6)
    assert IqImbalance().image_rejection_db == float("inf")


@pytest.mark.parametrize("frequency_hz", [-0.31e6, 0.0, 1234.5])
def test_a_tone_has_its_power_and_frequency(frequency_hz: float) -> None:
    out = Tone(-10.0, frequency_hz, RATE_HZ, reference_power=0.8).process(np.zeros(5000, np.complex64))
    expected = np.sqrt(0.08) * np.exp(2j * np.pi * frequency_hz / RATE_HZ * np.arange(5000))
    np.testing.assert_allclose(out, expected, atol=1e-5)


def test_the_gain_settles_after_the_start_of_a_signal_and_rises_after_its_end() -> None:
    on = np.ones(500, np.complex64)
    out = GainStep(6.0, settle_samples=200, quiet_samples=50).process(np.concatenate((0 * on, on, 0 * on, on)))
    gain = np.abs(out).round(3)
    # The level of one-sixteenth a sample passes a quarter with the fifth.
    assert np.flatnonzero(np.diff(gain)).tolist() == [499, 703, 999, 1499, 1703]
    assert gain[[600, 900, 1600, 1999]] == pytest.approx([1.995, 1, 1.995, 1])
    short = np.concatenate((on, np.zeros(20, np.complex64), on))
    assert np.abs(GainStep(6.0, 200, 50).process(short))[520:].max() == 1


def test_dc_offset_has_its_power() -> None:
    out = DcOffset(-20.0, reference_power=0.8).process(np.zeros(10, np.complex64))
    assert np.abs(out) ** 2 == pytest.approx(0.008)


def test_clip_limits_the_amplitude_and_counts_what_is_left() -> None:
    samples = Awgn(0.0, 5).process(np.zeros(400_000, np.complex64))
    model = Clip(backoff_db=1.0)
    out = model.process(samples)
    assert np.abs(out).max() <= model.level * (1 + 1e-6)
    same = np.abs(samples) < model.level
    assert np.array_equal(out[same], samples[same])
    assert np.allclose(np.angle(out), np.angle(samples), atol=1e-5)
    useful = np.vdot(samples, out) / np.vdot(samples, samples)
    assert abs(useful) ** 2 == pytest.approx(model.mean_power, rel=0.01)


@pytest.mark.parametrize("bits", [6, 8, 12])
def test_quantisation_noise_of_a_full_scale_sine(bits: int) -> None:
    samples = 0.999 * tone(0.1234567, 200_000)
    error = Quantise(bits, full_scale=1.0).process(samples) - samples
    snr_db = 10 * np.log10(np.mean(np.abs(samples) ** 2) / np.mean(np.abs(error) ** 2))
    assert snr_db == pytest.approx(6.02 * bits + 1.76, abs=0.3)


def test_quantise_saturates() -> None:
    out = Quantise(8, full_scale=1.0).process(np.array([9 - 9j], np.complex64))
    assert out[0] == pytest.approx((1 - 1 / 256) * (1 - 1j), abs=1e-6)


def test_gaps_are_where_they_say() -> None:
    sent = np.arange(500_000).astype(np.complex64)
    model = SampleGaps(gap_samples=70, every_samples=5000, seed=6)
    out = model.process(sent).real.astype(int)
    jumps = np.flatnonzero(np.diff(out) != 1)
    assert np.all(np.diff(out)[jumps] == 71)
    assert (out[jumps] + 1).tolist() == [s for s in model.starts if s + 70 < len(sent)]
    cut = SampleGaps(gap_samples=70, every_samples=5000, seed=6)
    for part in np.split(sent, 7000 * np.arange(1, 71)):
        cut.process(part)
    assert cut.starts == model.starts
    assert len(model.starts) == pytest.approx(100, abs=40)
    assert np.diff(model.starts).mean() == pytest.approx(5000, rel=0.4)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: ClockOffset(5000.0), "ppm is 5000.0"),
        (lambda: PhaseNoise(RATE_HZ, rms_deg=-1.0), "rms_deg is -1.0"),
        (lambda: PhaseNoise(-1.0), "sample_rate_hz"),
        (lambda: CarrierOffset(float("inf"), RATE_HZ), "cfo_hz is inf"),
        (lambda: Awgn(float("nan")), "snr_db is nan"),
        (lambda: IqImbalance(gain_db=99.0), "gain_db"),
        (lambda: DcOffset(float("nan")), "relative_db"),
        (lambda: Tone(0.0, 6e5, RATE_HZ), "frequency_hz is 600000"),
        (lambda: GainStep(99.0), "step_db"),
        (lambda: GainStep(6.0, 0), "settle_samples is 0"),
        (lambda: Clip(float("nan")), "backoff_db"),
        (lambda: Quantise(0), "bits is 0"),
        (lambda: Quantise(8, -1.0), "full_scale"),
        (lambda: SampleGaps(0, 10), "gap_samples is 0"),
        (lambda: SampleGaps(10, 10), "not above gap_samples"),
        (lambda: delay(-1), "delay is -1"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(make, words: str) -> None:
    with pytest.raises(ChannelError, match=words) as caught:
        make()
    assert isinstance(caught.value, ValueError) and isinstance(caught.value, SdrScError)
