# SPDX-License-Identifier: GPL-3.0-or-later
"""Test images as no training has seen them: rotated, blurred, noisy."""

from __future__ import annotations

import numpy as np

from sdr_sc.errors import SdrScError

KINDS = ("rotated A degrees", "blurred S pixels", "noisy P")
_NOISE_SEED = 1


def shifted(images: np.ndarray, how: str) -> np.ndarray:
    """Images after a change that leaves their classes as they are; the same ones each time.

    Args:
        images: uint8 (n, ..., height, width).
        how: ``rotated A degrees`` (either way, by the image's number, about the middle, black coming in), ``blurred S
            pixels`` (Gaussian with that standard deviation), ``noisy P`` (Gaussian noise, whose standard deviation is
            that share of the range of a pixel), or '' for none.

    Returns:
        uint8, of the same shape.

    Raises:
        SdrScError: ``how`` is none of these.

    >>> dots = np.zeros((2, 5, 5), np.uint8)
    >>> dots[:, 2, 2] = 200
    >>> int(shifted(dots, "blurred 1 pixels")[0, 2, 2]) < 60, np.array_equal(shifted(dots, ""), dots)
    (True, True)
    """
    from scipy.ndimage import gaussian_filter, rotate

    if not how:
        return images
    kind, _, rest = how.partition(" ")
    try:
        amount = float(rest.split(" ")[0])
    except ValueError:
        amount = -1.0
    if kind not in {one.split(" ")[0] for one in KINDS} or not 0 <= amount < 1e3:
        raise SdrScError(f"images cannot be shifted by {how!r}; give one of {', '.join(KINDS)} with a number.")
    plain = images.astype(np.float32)
    axes = (images.ndim - 1, images.ndim - 2)
    if kind == "rotated":
        changed = plain.copy()
        for first, angle in ((0, amount), (1, -amount)):
            changed[first::2] = rotate(plain[first::2], angle, axes, reshape=False, order=1)
    elif kind == "blurred":
        changed = gaussian_filter(plain, [0.0] * (images.ndim - 2) + [amount, amount], mode="constant")
    else:
        draws = np.random.default_rng(_NOISE_SEED).standard_normal(images.shape, np.float32)
        changed = plain + 255.0 * amount * draws
    return np.clip(np.rint(changed), 0, 255).astype(np.uint8)
