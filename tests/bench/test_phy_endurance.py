# SPDX-License-Identifier: GPL-3.0-or-later
"""The measurement of false frames and memory: short here, and it sees frames and growth where there are some."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.bench.phy import endurance as phy_endurance
from sdr_sc.bench.phy.endurance import LARGEST_CHUNK, endure, mixed_chunks, noise_chunks, poisson_interval

SAMPLES = 5_000_000


def ignore(what: str) -> None:
    pass


def test_no_false_frame_and_no_growth():
    rows = {row.name: row for row in phy_endurance.endurance_rows(True, 1, ignore, samples=SAMPLES)}
    false = rows["false frames in 5 million samples of noise"]
    assert (false.value, false.n, false.ok) == (0, SAMPLES, True)
    assert false.ci95 is not None and false.ci95[1] == pytest.approx(3.689, abs=1e-3)
    assert rows["the same for 600 million, upper bound"].value == pytest.approx(3.689 * 120, rel=1e-3)
    growth = [row for name, row in rows.items() if name.startswith("memory growth")]
    assert len(growth) == 2 and all(row.ok for row in growth)


def test_frames_in_the_noise_are_received_and_all_paths_run():
    counters = endure(mixed_chunks(SAMPLES, 2), SAMPLES).counters
    assert counters.samples == SAMPLES
    assert counters.delivered > 50  # of 100 or so whole ones
    assert counters.header_failed > 0 and counters.not_finite > 0


def test_a_leak_is_seen():
    leak = []

    def leaking():
        for chunk in noise_chunks(SAMPLES, 3):
            leak.append(chunk.copy())
            yield chunk

    assert endure(leaking(), SAMPLES).growth_mb > 0.8 * 0.95 * 8 * SAMPLES / 1e6


def test_noise_is_fresh_and_seeded():
    sizes, total, powers, first = [], 0, [], []
    for chunk in noise_chunks(1_000_000, 4):
        sizes.append(len(chunk))
        powers.append(float(np.mean(np.abs(chunk) ** 2)))
        first.append(chunk[0])
        total += len(chunk)
    assert total == 1_000_000 and max(sizes) <= LARGEST_CHUNK and len(set(first)) == len(first)
    assert np.average(powers, weights=sizes) == pytest.approx(1, abs=0.01)  # ten standard deviations
    assert next(noise_chunks(1000, 4))[0] == first[0] != next(noise_chunks(1000, 5))[0]


@pytest.mark.parametrize(("events", "low", "high"), ((0, 0.0, 3.689), (1, 0.025, 5.572), (10, 4.795, 18.39)))
def test_poisson_interval(events, low, high):  # the values of Garwood's table
    assert poisson_interval(events) == pytest.approx((low, high), abs=0.005)
