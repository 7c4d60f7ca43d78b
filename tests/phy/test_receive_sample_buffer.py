# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiver's sample buffer by itself: against a stream that is kept whole."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.phy.receive.sample_buffer import _STORAGE_SAMPLES, SampleBuffer


def stream(count: int, seed: int) -> np.ndarray:
    """Noise with some samples that are no numbers."""
    rng = np.random.default_rng(seed)
    samples = rng.standard_normal(2 * count, np.float32).view(np.complex64)
    samples[rng.random(count) < 0.02] = np.nan
    samples[rng.random(count) < 0.01] = 1j * np.inf
    samples[rng.random(count) < 0.01] = -2e15
    return samples


@pytest.mark.parametrize("seed", range(20))
def test_views_and_damage_are_those_of_the_whole_stream(seed: int) -> None:
    rng, whole = np.random.default_rng(seed), stream(4000, seed)
    bad = ~(np.isfinite(whole) & (np.abs(whole) < 1e15))
    clean = np.where(bad, 0, whole)
    buffer, end, begin, not_finite = SampleBuffer(), 0, 0, 0
    while end < len(whole):
        step = int(rng.choice([0, 1, 7, 300, 900]))
        not_finite += buffer.append(whole[end : end + step])
        end = min(end + step, len(whole))
        assert (buffer.begin, buffer.end) == (begin, end)
        assert not_finite == bad[:end].sum()
        start = int(rng.integers(begin, end + 1))
        np.testing.assert_array_equal(buffer.view(start), clean[start:end])
        is_damaged = np.zeros(end - start, bool)
        for first, stop in buffer.damaged_from(start):
            is_damaged[max(first, 0) : stop] = True
        np.testing.assert_array_equal(is_damaged, bad[start:end])
        drop = int(rng.integers(begin - 50, end + 1))
        buffer.drop_before(drop)
        begin = max(begin, drop)


def test_what_is_not_there_is_silence() -> None:
    buffer = SampleBuffer()
    buffer.append(np.ones(10, np.complex64))
    np.testing.assert_array_equal(buffer.view(-3), [0, 0, 0] + 10 * [1])
    buffer.drop_before(4)
    np.testing.assert_array_equal(buffer.view(2), [0, 0] + 6 * [1])
    buffer.drop_before(100)
    assert (buffer.begin, buffer.end) == (10, 10)


def test_the_samples_that_were_given_stay_as_they_are() -> None:
    given = np.array([1, np.nan, 2], np.complex64)
    buffer = SampleBuffer()
    buffer.append(given)
    buffer.view(0)[:] = 7
    assert given[0] == 1 and np.isnan(given[1]) and given[2] == 2


def test_silence_is_no_part_of_the_stream_and_a_restart_forgets_all() -> None:
    buffer = SampleBuffer()
    buffer.append(np.array([1, np.inf], np.complex64))
    buffer.append_silence(5)
    np.testing.assert_array_equal(buffer.view(0), [1, 0, 0, 0, 0, 0, 0])
    buffer.restart(2)
    assert (buffer.begin, buffer.end, buffer.damaged_from(0)) == (2, 2, [])
    buffer.append(np.array([5], np.complex64))
    assert buffer.view(2).tolist() == [5]


def test_memory_is_reused_and_given_back() -> None:
    buffer = SampleBuffer()
    buffer.append(np.zeros(1000, np.complex64))
    storage = buffer._storage
    for _ in range(50):
        buffer.drop_before(buffer.end)
        buffer.append(np.zeros(1000, np.complex64))
        assert buffer._storage is storage
    buffer.append(np.zeros(_STORAGE_SAMPLES, np.complex64))
    buffer.restart(buffer.end)
    assert len(buffer._storage) == 0


def blanked(samples: np.ndarray) -> np.ndarray:
    """Which samples are damaged: what is no number, and what lies among spans closer than 8 samples, once 16 of them
    more than the samples allow have been counted."""
    bad = ~(np.isfinite(samples) & (np.abs(samples) < 1e15))
    damaged, count = bad.copy(), 0
    for i in range(len(samples)):
        if bad[i] and not (i and bad[i - 1]):
            count = min(count + 8, 192)
        count = max(count - 1, 0)
        damaged[i] |= count > 128
    return damaged


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.9])
def test_samples_among_crowded_damage_are_damaged(share: float) -> None:
    rng = np.random.default_rng(7)
    whole = rng.standard_normal(12000, np.float32).view(np.complex64)
    bad = rng.random(6000) < share
    bad[4000:] = False
    whole[bad] = np.nan
    expected = blanked(whole)
    assert expected.sum() > 1.5 * bad.sum() or share in (0.02, 0.1, 0.9)
    buffer, end = SampleBuffer(), 0
    while end < len(whole):
        step = int(rng.choice([0, 1, 7, 300, 900]))
        assert buffer.append(whole[end : end + step]) == bad[end : end + step].sum()
        end += step
    found = np.zeros(len(whole), bool)
    for first, stop in buffer.damaged_from(0):
        found[first:stop] = True
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(buffer.view(0), np.where(expected, 0, whole))


def test_a_long_hole_blanks_nothing_after_it_and_a_number_in_every_second_sample_is_one_span() -> None:
    buffer = SampleBuffer()
    hole = np.ones(1000, np.complex64)
    hole[300:600] = np.nan
    assert buffer.append(hole) == 300
    assert buffer.damaged_from(0) == [(300, 600)]
    every_second = np.ones(1000, np.complex64)
    every_second[::2] = np.inf
    buffer.restart(0)
    assert buffer.append(every_second) == 500
    spans = buffer.damaged_from(0)
    assert len(spans) < 25 and spans[-1][1] == 1000  # the first of them, until they count as crowded
