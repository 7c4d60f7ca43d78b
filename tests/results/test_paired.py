# SPDX-License-Identifier: GPL-3.0-or-later
"""Gains paired over images and seeds: what the interval covers, and the answers as text."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.errors import SdrScError
from sdr_sc.results.paired import pack, paired_gain, unpack


def draws(rng: np.random.Generator, seeds: int, images: int, seed_spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Two schemes that are right where what they share, what each image is to each, and chance say so; their mean gain
    is zero."""
    image = rng.normal(1.0, 1.0, images)
    pair = []
    for _ in range(2):
        own = rng.normal(0.0, 0.5, images) + rng.normal(0.0, seed_spread, (seeds, 1))
        pair.append(image + own + rng.normal(0.0, 0.5, (seeds, images)) > 0)
    return pair[0], pair[1]


@pytest.mark.parametrize(("seeds", "seed_spread"), [(1, 0.0), (3, 0.0), (3, 0.15), (5, 0.15)])
def test_the_interval_covers_the_true_gain(seeds: int, seed_spread: float) -> None:
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(400):
        low, high = paired_gain(*draws(rng, seeds, 300, seed_spread)).ci95
        inside += low <= 0.0 <= high
    assert inside >= 0.93 * 400, "at least its 95 %, less the spread of 400 trials"


def test_images_alone_or_seeds_alone_would_not() -> None:
    """What the interval is for: with seeds that differ, that over the images of one seed is far too narrow."""
    rng = np.random.default_rng(2)
    inside = 0
    for _ in range(200):
        one, other = draws(rng, 3, 2000, 0.3)
        pooled = paired_gain(one.reshape(1, -1), other.reshape(1, -1)).ci95
        whole = paired_gain(one, other).ci95
        assert whole[1] - whole[0] >= pooled[1] - pooled[0]
        inside += pooled[0] <= 0.0 <= pooled[1]
    assert inside < 0.6 * 200


def test_of_one_seed_it_is_that_of_paired_answers() -> None:
    rng = np.random.default_rng(3)
    one, other = draws(rng, 1, 5000, 0.0)
    found = paired_gain(one, other)
    gain = one[0].astype(float) - other[0]
    half = 1.959964 * 100 * gain.std(ddof=1) / np.sqrt(5000)
    assert found.points == pytest.approx(100 * gain.mean())
    assert found.ci95 == pytest.approx((found.points - half, found.points + half))
    assert found.only_one - found.only_other == round(gain.sum()) and found.only_one == int((gain > 0).sum())


def test_pairing_makes_it_narrower_than_two_accuracies() -> None:
    rng = np.random.default_rng(4)
    one, other = draws(rng, 3, 4000, 0.0)
    shuffled = rng.permutation(other, axis=1)
    (low, high), (low_apart, high_apart) = paired_gain(one, other).ci95, paired_gain(one, shuffled).ci95
    assert high - low < 0.9 * (high_apart - low_apart)


def test_equal_answers_have_no_gain_and_no_width() -> None:
    right = np.random.default_rng(5).random((2, 50)) < 0.9
    found = paired_gain(right, right)
    assert (found.points, found.ci95, found.by_seed) == (0.0, (0.0, 0.0), (0.0, 0.0))
    row = found.row("gain", at_least=1.0)
    assert row.ok is False and row.n == 100 and row.samples == (0.0, 0.0)


def test_answers_that_cannot_be_paired_are_refused() -> None:
    for one, other in (((3, 5), (3, 6)), ((3, 1), (3, 1)), ((0, 5), (0, 5))):
        with pytest.raises(ValueError, match="cannot be paired"):
            paired_gain(np.ones(one, bool), np.ones(other, bool))


@pytest.mark.parametrize("images", [1, 8, 9, 1000])
def test_answers_survive_as_text(images: int) -> None:
    right = np.random.default_rng(images).random(images) < 0.7
    assert np.array_equal(unpack(pack(right), images), right)


@pytest.mark.parametrize("text", ["", "????", "oA", None, 7, "oA==oA==", pack(np.ones(17, bool))])
def test_text_that_is_not_of_so_many_images_is_refused(text: object) -> None:
    with pytest.raises(SdrScError, match="are not those of 3 images; measure them again"):
        unpack(text, 3)
