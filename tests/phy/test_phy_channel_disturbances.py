# SPDX-License-Identifier: GPL-3.0-or-later
"""Impulses, foreign OFDM signals and shadowing, against what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.errors import ChannelError
from sdr_sc.phy.channels import Impulses, OfdmInterference, Shadowing

RATE_HZ = 1e6
SILENCE = np.zeros(400_000, np.complex64)


def test_impulses_come_as_often_as_long_and_as_strong_as_they_should() -> None:
    model = Impulses(every_samples=1000.0, relative_db=13.0, length_samples=5, reference_power=0.8, seed=3)
    hit = model.process(SILENCE) != 0
    starts = np.flatnonzero(np.diff(hit.astype(int)) == 1)
    # Gaps are geometric: the mean of some 400 is known to 5 %.
    assert np.diff(starts).mean() == pytest.approx(1000 + 5, rel=0.15)
    assert hit.mean() == pytest.approx(5 / 1004, rel=0.15)
    power = np.mean(np.abs(Impulses(1000.0, 13.0, 5, 0.8, 3).process(SILENCE)[hit]) ** 2)
    assert 10 * np.log10(power / 0.8) == pytest.approx(13.0, abs=0.5)


def test_a_foreign_signal_has_its_power_its_band_and_its_pauses() -> None:
    steady = OfdmInterference(-6.0, RATE_HZ, frequency_hz=200e3, reference_power=0.8125, seed=1).process(SILENCE)
    assert 10 * np.log10(np.mean(np.abs(steady) ** 2) / 0.8125) == pytest.approx(-6.0, abs=0.05)
    spectrum = np.abs(np.fft.fft(steady[: 1 << 18])) ** 2
    hz = np.fft.fftfreq(1 << 18, 1 / RATE_HZ)
    offset = (hz - 200e3 + RATE_HZ / 2) % RATE_HZ - RATE_HZ / 2
    within = spectrum[np.abs(offset) < 26.5 / 64 * RATE_HZ].sum() / spectrum.sum()
    assert within > 0.97


def test_a_foreign_signal_pauses_as_it_should() -> None:
    starts = set()
    for seed in range(2, 6):
        is_silent = OfdmInterference(0.0, RATE_HZ, on_samples=300, off_samples=100, seed=seed).process(SILENCE) == 0
        by_period = is_silent.reshape(-1, 400).mean(axis=0)  # single samples of an OFDM symbol may be 0 as well
        pause = by_period == 1
        assert pause.sum() == 100 and np.sort(by_period)[:300].max() < 0.1
        (start,) = np.flatnonzero(pause & ~np.roll(pause, 1))
        starts.add(int(start))
    assert len(starts) == 4


def test_a_foreign_signal_is_that_of_another_ofdm_transmitter() -> None:
    """Its prefix repeats the end of each symbol."""
    samples = OfdmInterference(0.0, RATE_HZ, seed=4).process(SILENCE)
    product = (samples[:-64] * samples[64:].conj())[: 80 * 4000].reshape(-1, 80).mean(axis=0)
    assert np.sort(np.abs(product))[-16:].min() > 0.9 and np.sort(np.abs(product))[:60].max() < 0.1


def test_shadowing_has_its_spread_and_its_correlation_and_unit_mean_power() -> None:
    coherence, count = 200, 2_000_000
    gain = np.abs(Shadowing(RATE_HZ, 4.0, coherence / RATE_HZ, 5).process(np.ones(count, np.complex64)))
    gain_db = 20 * np.log10(gain.astype(float))
    assert gain_db.std() == pytest.approx(4.0, rel=0.05)
    later = np.corrcoef(gain_db[:-coherence], gain_db[coherence:])[0, 1]
    assert later == pytest.approx(np.exp(-1), abs=0.04)
    assert np.mean(gain.astype(float) ** 2) == pytest.approx(1.0, rel=0.05)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Impulses(0.5), "every_samples is 0.5"),
        (lambda: Impulses(10, length_samples=0), "length_samples is 0"),
        (lambda: Impulses(10, relative_db=float("nan")), "relative_db is nan"),
        (lambda: OfdmInterference(0, RATE_HZ, 6e5), "frequency_hz is 600000"),
        (lambda: OfdmInterference(0, RATE_HZ, on_samples=3), "give both, or neither"),
        (lambda: OfdmInterference(0, 0), "sample_rate_hz is 0"),
        (lambda: Shadowing(RATE_HZ, -1), "spread_db is -1"),
        (lambda: Shadowing(RATE_HZ, 1, 0), "coherence_s is 0"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(make, words: str) -> None:
    with pytest.raises(ChannelError, match=words):
        make()
