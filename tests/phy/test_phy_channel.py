# SPDX-License-Identifier: GPL-3.0-or-later
"""Channel models against theory."""

from __future__ import annotations

import numpy as np
import pytest
from phy_reference import demodulate, modulate

from sdr_sc.phy.channels import Awgn, CarrierOffset, Chain, ChannelModel, Multipath, RayleighBlockFading, delay
from sdr_sc.phy.numerology import Numerology


@pytest.mark.parametrize("fft_size", [64, 512])
@pytest.mark.parametrize("snr_db", [-5.0, 10.0])
def test_awgn_sets_the_snr_on_the_subcarriers_whatever_the_fft_size(fft_size: int, snr_db: float) -> None:
    numerology = Numerology(fft_size=fft_size, cyclic_prefix=fft_size // 4)
    grid = np.exp(2j * np.pi * np.random.default_rng(1).random((2000, numerology.used))).astype(np.complex64)
    received = demodulate(Awgn(snr_db, 2).process(modulate(grid, numerology)), numerology)
    measured = -10 * np.log10(np.mean(np.abs(received - grid) ** 2))
    assert measured == pytest.approx(snr_db, abs=0.05)


def test_awgn_is_circular_and_seeded() -> None:
    silence = np.zeros(200_000, np.complex64)
    noise = Awgn(0.0, 3).process(silence)
    assert np.var(noise.real) == pytest.approx(0.5, rel=0.02)
    assert abs(np.mean(noise**2)) < 0.01
    assert np.array_equal(noise, Awgn(0.0, 3).process(silence))
    assert not np.array_equal(noise, Awgn(0.0, 4).process(silence))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Awgn(3.0, 1),
        lambda: CarrierOffset(1234.0, 1e6),
        lambda: Multipath([1.0, 0.5j, 0.2]),
        lambda: delay(9),
        lambda: RayleighBlockFading(700, 3.0, 1),
        lambda: Chain([delay(2), CarrierOffset(-77.0, 1e6), Awgn(9.0, 5)]),
    ],
)
def test_chunking_changes_nothing(make) -> None:
    rng = np.random.default_rng(2)
    samples = (rng.standard_normal(5000) + 1j * rng.standard_normal(5000)).astype(np.complex64)
    whole, model = make().process(samples), make()
    parts = np.concatenate([model.process(part) for part in np.split(samples, [0, 1, 18, 1999, 2000, 4500])])
    assert np.allclose(whole, parts, atol=1e-5)
    assert whole.dtype == np.complex64


def test_carrier_offset_is_a_tone() -> None:
    out = CarrierOffset(12_500.0, 1e6).process(np.ones(800, np.complex64))
    assert np.argmax(np.abs(np.fft.fft(out))) == 10


def test_multipath_is_a_convolution() -> None:
    impulse = np.zeros(10, np.complex64)
    impulse[2] = 1
    assert np.allclose(Multipath([1.0, 0.0, 0.5j]).process(impulse)[2:5], [1.0, 0.0, 0.5j])
    assert np.allclose(delay(3).process(impulse)[5], 1.0)
    with pytest.raises(ValueError, match="taps"):
        Multipath([])
    with pytest.raises(ValueError, match="taps"):
        Multipath([np.nan])


def block_powers(model: ChannelModel, blocks: int) -> np.ndarray:
    """Power gain of each block of 1000 samples of a flat model."""
    out = model.process(np.ones(1000 * blocks, np.complex64)).reshape(blocks, 1000)
    assert np.allclose(out, out[:, :1])
    return np.abs(out[:, 0]) ** 2


def test_flat_rayleigh_has_exponential_power() -> None:
    power = block_powers(RayleighBlockFading(1000, 0.0, 6), 4000)
    assert power.mean() == pytest.approx(1.0, abs=0.06)
    for level in (0.1, 1.0, 2.0):
        assert np.mean(power < level) == pytest.approx(1 - np.exp(-level), abs=0.03)


def test_rayleigh_with_delay_spread_has_unit_power_and_the_profile() -> None:
    model = RayleighBlockFading(1, 2.0, 7)
    taps = np.empty((4000, len(model._amplitudes)), np.complex64)
    for row in taps:
        model._draw()
        assert model._line is not None
        row[:] = model._line._taps
    profile = np.mean(np.abs(taps) ** 2, axis=0)
    assert profile.sum() == pytest.approx(1.0, abs=0.03)
    assert profile[2] / profile[0] == pytest.approx(np.exp(-1.0), abs=0.05)
