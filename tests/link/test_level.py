# SPDX-License-Identifier: GPL-3.0-or-later
"""Levels against full scale: peak, power, PAPR and clipping, whatever the samples are."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sdr_sc.link.level import LevelMeter


def test_levels_are_those_of_numpy_in_pieces_of_any_size() -> None:
    rng = np.random.default_rng(1)
    samples = (0.3 * (rng.standard_normal(5000) + 1j * rng.standard_normal(5000))).astype(np.complex64)
    meter = LevelMeter(1.0)
    for piece in np.array_split(samples, [1, 7, 1000, 4999]):
        meter.add(piece)
    parts, power = samples.view(np.float32), np.abs(samples.astype(np.complex128)) ** 2
    assert meter.samples == 5000 and meter.clipped == np.count_nonzero(np.abs(parts.reshape(-1, 2)).max(axis=1) >= 1)
    assert meter.peak_dbfs == pytest.approx(20 * math.log10(np.abs(parts).max()), abs=1e-5)
    assert meter.mean_dbfs == pytest.approx(10 * math.log10(power.mean()), abs=1e-5)
    assert meter.papr_db == pytest.approx(10 * math.log10(power.max() / power.mean()), abs=1e-5)


@pytest.mark.parametrize("bad", [np.nan, 1j * np.nan, np.inf, complex(np.inf, np.nan), -1j * np.inf])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_is_no_number_counts_as_clipped_and_nothing_else(bad: complex, place: int) -> None:
    samples = np.full(3, 0.5, np.complex64)
    samples[place] = bad
    meter = LevelMeter(1.0)
    meter.add(samples)
    assert (meter.samples, meter.clipped) == (3, 1)
    meter.add(np.full(4, 0.5, np.complex64))
    assert meter.clipped == 1 and meter.peak_dbfs == pytest.approx(-6.0206, abs=1e-3) and math.isfinite(meter.papr_db)
