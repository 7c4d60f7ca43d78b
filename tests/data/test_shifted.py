# SPDX-License-Identifier: GPL-3.0-or-later
"""Shifted test images: what each change does, and that it is the same each time."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.data.shifted import shifted
from sdr_sc.errors import SdrScError


def bars(count: int = 4) -> np.ndarray:
    """Images of a horizontal bar through the middle."""
    images = np.zeros((count, 29, 29), np.uint8)
    images[:, 14, 4:25] = 250
    return images


def test_a_rotation_turns_images_either_way_about_the_middle() -> None:
    turned = shifted(bars(), "rotated 90 degrees")
    assert np.array_equal(turned[0], turned[1]), "90 degrees are the same bar either way"
    assert (turned[:, 5:24, 14] > 240).all() and turned[:, 14, 5].max() < 10
    little = shifted(bars(), "rotated 15 degrees")
    assert np.array_equal(little[0], little[2]) and np.array_equal(little[0], little[1][::-1])
    assert little[0][:14, 20:].sum() != little[0][15:, 20:].sum(), "one end is up"


def test_a_blur_spreads_and_keeps_the_light() -> None:
    blurred = shifted(bars(), "blurred 2 pixels")
    assert blurred.max() < 100
    assert blurred.sum(dtype=float) == pytest.approx(bars().sum(dtype=float), rel=0.05)


def test_noise_has_the_power_that_was_asked_for_and_is_the_same_each_time() -> None:
    grey = np.full((50, 28, 28), 128, np.uint8)
    noisy = shifted(grey, "noisy 0.1")
    assert (noisy.astype(float) - 128).std() == pytest.approx(25.5, rel=0.02)
    assert np.array_equal(noisy, shifted(grey, "noisy 0.1"))
    assert noisy.dtype == np.uint8 and shifted(grey, "") is grey


def test_colours_keep_their_shape() -> None:
    colours = np.zeros((3, 3, 16, 16), np.uint8)
    for how in ("rotated 15 degrees", "blurred 1 pixels", "noisy 0.1"):
        assert shifted(colours, how).shape == colours.shape


@pytest.mark.parametrize("how", ["rotated", "rotated far", "sharpened 1 pixels", "noisy -1", "blurred nan pixels"])
def test_an_unknown_change_is_refused(how: str) -> None:
    with pytest.raises(SdrScError, match="give one of rotated A degrees, blurred S pixels, noisy P"):
        shifted(bars(), how)
