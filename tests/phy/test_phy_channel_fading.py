# SPDX-License-Identifier: GPL-3.0-or-later
"""Fading, TDL and the renderer of paths, against theory."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from sdr_sc.errors import ChannelError
from sdr_sc.phy.channels import PathChannel, Rayleigh, Rician, Tdl
from sdr_sc.phy.channels.fading import ClarkeGains
from sdr_sc.phy.channels.paths import delay_filters
from sdr_sc.phy.channels.sinc import windowed_sinc
from sdr_sc.phy.channels.tdl import PROFILES

RATE_HZ = 1e6


def ensemble(gains: ClarkeGains, count: int, instants: int, step_s: float, seed: int) -> np.ndarray:
    """complex128 (count, instants, paths): independent realisations."""
    rng = np.random.default_rng(seed)
    return np.stack([gains.draw(rng).gains(0.123, step_s, instants) for _ in range(count)])


def one_path(doppler_hz: float) -> ClarkeGains:
    return ClarkeGains(np.ones(1), np.zeros(1, bool), doppler_hz)


@pytest.mark.parametrize("doppler_hz", [0.0, 80.0])
def test_rayleigh_envelope_and_phase(doppler_hz: float) -> None:
    gains = ensemble(one_path(doppler_hz), 4000, 1, 1.0, 1)[:, 0, 0]
    # 48 waves instead of infinitely many move the distribution by less than 0.005; 4000 draws resolve 0.03.
    assert stats.kstest(np.abs(gains), stats.rayleigh(scale=np.sqrt(0.5)).cdf).statistic < 0.03
    assert stats.kstest(np.angle(gains), stats.uniform(-np.pi, 2 * np.pi).cdf).statistic < 0.03


def test_autocorrelation_is_j0_and_quadratures_are_uncorrelated() -> None:
    doppler_hz, step_s = 50.0, 1e-3
    gains = ensemble(one_path(doppler_hz), 4000, 41, step_s, 2)[:, :, 0]
    correlation = np.mean(gains * gains[:, :1].conj(), axis=0)
    assert np.abs(correlation - special.j0(2 * np.pi * doppler_hz * step_s * np.arange(41))).max() < 0.06
    # I against Q, at once and at every lag: 4000 draws of unit power give some 0.016.
    cross = np.mean(gains.real * gains[:, :1].imag, axis=0)
    assert np.abs(cross).max() < 0.05
    assert np.mean(gains.real**2) == pytest.approx(np.mean(gains.imag**2), abs=0.03)


def test_a_single_long_run_has_unit_power_and_a_symmetric_spectrum() -> None:
    gains = one_path(50.0).draw(np.random.default_rng(3)).gains(0.0, 2e-3, 50_000)[:, 0]
    assert np.mean(np.abs(gains) ** 2) == pytest.approx(1.0, abs=0.03)
    spectrum = np.abs(np.fft.fft(gains * np.hanning(len(gains)))) ** 2
    hz = np.fft.fftfreq(len(gains), 2e-3)
    assert spectrum[np.abs(hz) > 50.5].sum() < 1e-6 * spectrum.sum()
    assert spectrum[hz > 0].sum() / spectrum.sum() == pytest.approx(0.5, abs=0.03)
    # Clarke: the share of power within f of 0 Hz is 2/pi asin(f/f_D).
    inner = spectrum[np.abs(hz) < 25].sum() / spectrum.sum()
    assert inner == pytest.approx(2 / np.pi * np.arcsin(0.5), abs=0.05)


def test_rician_has_its_k_factor_and_unit_power() -> None:
    k_factor_db, power = 6.0, []
    model = Rician(k_factor_db, 200.0, RATE_HZ, seed=4, renew_samples=50)
    power = np.abs(model.process(np.ones(50 * 6000, np.complex64))[::50]) ** 2
    assert power.mean() == pytest.approx(1.0, abs=0.04)
    # Method of moments: var/mean^2 of the power is (1 + 2K) / (1 + K)^2.
    k = 10 ** (k_factor_db / 10)
    assert power.var() / power.mean() ** 2 == pytest.approx((1 + 2 * k) / (1 + k) ** 2, rel=0.08)
    assert model.mean_power == pytest.approx(1.0)


def test_line_of_sight_moves_at_0_7_of_the_doppler() -> None:
    gains = ClarkeGains(np.ones(1), np.ones(1, bool), 100.0)
    wave = gains.draw(np.random.default_rng(5)).gains(0.0, 1e-3, 1000)[:, 0]
    assert np.allclose(np.abs(wave), 1.0)
    assert np.argmax(np.abs(np.fft.fft(wave))) == 70


def test_doppler_0_holds_and_renewal_draws_again() -> None:
    ones = np.ones(4000, np.complex64)
    held = Rayleigh(0.0, RATE_HZ, seed=6).process(ones)
    assert np.all(held == held[0])
    renewed = Rayleigh(0.0, RATE_HZ, seed=6, renew_samples=1000).process(ones).reshape(4, 1000)
    assert np.all(renewed == renewed[:, :1]) and len(set(renewed[:, 0].tolist())) == 4


def test_rendered_gain_follows_the_process_between_grid_points() -> None:
    model = Rayleigh(1000.0, RATE_HZ, seed=7)
    out = model.process(np.ones(20_000, np.complex64))
    exact = model._realisation
    assert exact is not None
    error = out - exact.gains(0.0, 1 / RATE_HZ, 20_000)[:, 0]
    assert 10 * np.log10(np.mean(np.abs(error) ** 2)) < -60


@pytest.mark.parametrize("delay_samples", [0.5, 3.25, 7.9])
def test_fractional_delays_are_exact_within_the_band(delay_samples: float) -> None:
    filters, bulk = delay_filters(np.array([delay_samples]))
    cycles = np.linspace(-26 / 64, 26 / 64, 101)
    response = np.exp(-2j * np.pi * np.outer(cycles, np.arange(filters.shape[1]))) @ filters[0]
    error = response - np.exp(-2j * np.pi * cycles * (delay_samples + bulk))
    assert 20 * np.log10(np.abs(error).max()) < -60


def test_delays_on_the_grid_need_no_filter() -> None:
    gains = ClarkeGains(np.array([0.5, 0.5]), np.ones(2, bool), 0.0)
    model = PathChannel(np.array([0.0, 3e-6]), gains, RATE_HZ, seed=8)
    impulse = np.zeros(8, np.complex64)
    impulse[1] = 1
    out = np.abs(model.process(impulse))
    assert model.bulk_delay_samples == 0
    assert out == pytest.approx([0, 0.5**0.5, 0, 0, 0.5**0.5, 0, 0, 0], abs=1e-6)


@pytest.mark.parametrize("profile", PROFILES)
def test_tdl_tables_have_unit_delay_spread(profile: str) -> None:
    table = PROFILES[profile]
    assert len(table.delays) == len(table.powers_db) == {"A": 23, "B": 23, "C": 24, "D": 14, "E": 15}[profile]
    # Column sums of the tables, against a slip of the keyboard.
    sums = {
        "A": (58.1474, -282.9),
        "B": (34.1999, -153.8),
        "C": (62.0402, -229.8),
        "D": (53.226, -293.0),
        "E": (53.1368, -310.16),
    }
    assert (sum(table.delays), sum(table.powers_db)) == pytest.approx(sums[profile], abs=1e-6)
    power, delays = 10 ** (np.array(table.powers_db) / 10), np.array(table.delays)
    power /= power.sum()
    spread = np.sqrt(power @ delays**2 - (power @ delays) ** 2)
    assert spread == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("profile, k_factor_db", [("D", 13.3), ("E", 22.0)])
def test_tdl_with_line_of_sight_has_its_k_factor(profile: str, k_factor_db: float) -> None:
    table = PROFILES[profile]
    assert table.los and table.delays[:2] == (0.0, 0.0)
    assert table.powers_db[0] - table.powers_db[1] == pytest.approx(k_factor_db)
    first = ensemble(Tdl(profile, 0.0, 50.0, RATE_HZ).path_gains, 3000, 1, 1.0, 9)[:, 0, :2].sum(axis=1)  # type: ignore[arg-type]
    power = np.abs(first) ** 2
    k = 10 ** (k_factor_db / 10)
    assert power.var() / power.mean() ** 2 == pytest.approx((1 + 2 * k) / (1 + k) ** 2, rel=0.15)


@pytest.mark.parametrize("profile", PROFILES)
def test_tdl_profile_is_measured_at_each_delay(profile: str) -> None:
    # 50 samples in a delay spread keep most paths apart; each is as wide as the interpolator, known from `sinc.py`.
    spread_ns, rate_hz, blocks = 1000.0, 50e6, 800
    table = PROFILES[profile]
    delays = np.array(table.delays) * 50
    length = int(delays.max()) + 30
    model = Tdl(profile, spread_ns, 0.0, rate_hz, seed=10, renew_samples=length)
    impulses = np.zeros((blocks, length), np.complex64)
    impulses[:, 0] = 1
    power = np.mean(np.abs(model.process(impulses.ravel()).reshape(blocks, length)) ** 2, axis=0)
    mean_powers = 10 ** (np.array(table.powers_db) / 10)
    distance = np.arange(length)[:, None] - delays - model.bulk_delay_samples
    expected = windowed_sinc(distance) ** 2 @ (mean_powers / mean_powers.sum())
    # The mean of 800 exponential draws has a standard deviation of 3.5 %; here are 5 of these.
    places = np.flatnonzero(expected > 1e-3)
    assert power[places] == pytest.approx(expected[places], rel=0.18)
    assert power[expected < 1e-12].max(initial=0.0) < 1e-10
    assert power.sum() == pytest.approx(1.0, abs=0.08)
    t_ns = np.arange(length) * 1e9 / rate_hz
    mean_ns = power @ t_ns / power.sum()
    assert np.sqrt(power @ t_ns**2 / power.sum() - mean_ns**2) == pytest.approx(spread_ns, rel=0.06)


def test_tdl_off_the_grid_has_unit_power_in_the_band() -> None:
    rng = np.random.default_rng(11)
    bins = np.concatenate((np.arange(1, 27), np.arange(-26, 0))) % 64
    spectrum = np.zeros(64, complex)
    spectrum[bins] = np.exp(2j * np.pi * rng.random(52))
    probe = np.tile(np.fft.ifft(spectrum) * 8, 4).astype(np.complex64)
    model = Tdl("C", 300.0, 0.0, RATE_HZ, seed=12, renew_samples=len(probe))
    powers = [np.mean(np.abs(np.fft.fft(model.process(probe)[-64:])[bins] / 8) ** 2) for _ in range(1500)]
    assert np.mean(powers) == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: Rayleigh(-1.0, RATE_HZ), "doppler_hz is -1.0"),
        (lambda: Rayleigh(1.0, 0.0), "sample_rate_hz is 0.0"),
        (lambda: Rayleigh(1.0, RATE_HZ, seed=-1), "seed is -1"),
        (lambda: Rician(float("nan"), 1.0, RATE_HZ), "k_factor_db is nan"),
        (lambda: Tdl("F", 1.0, 1.0, RATE_HZ), "use one of A, B, C, D, E"),
        (lambda: Tdl("A", -1.0, 1.0, RATE_HZ), "delay_spread_ns is -1.0"),
        (lambda: Tdl("A", 1e6, 1.0, 1e9), "path delays"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(make, words: str) -> None:
    with pytest.raises(ChannelError, match=words):
        make()
