# SPDX-License-Identifier: GPL-3.0-or-later
"""The views that a teacher is fitted on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sdr_sc.semantic.modalities.image_views import ViewFields, apply_views, check_item_shape, pack


def augment(images: Tensor, generator: torch.Generator, shift: int, erase: int) -> Tensor:
    """Flip half of the images left to right, move each by up to ``shift`` pixels, and erase a square in half of them.

    The draws, and the squares, which hang over the top and the left edge alone, are those of all fits so far: a resumed
    one equals an uninterrupted one. `sdr_sc.semantic.modalities.image_views.draw_views` draws otherwise.

    Args:
        images: uint8 (items, height, width), zero is background.
        shift: largest move, pixels.
        erase: side of the erased square, pixels; 0 for none.

    Returns:
        A new tensor of the same shape and type.
    """
    items = len(images)
    height, width = check_item_shape(tuple(images.shape[1:]))

    def draw(high: int) -> np.ndarray:
        return torch.randint(high, (items,), generator=generator).numpy()

    flip, up, left = draw(2), draw(2 * shift + 1) - shift, draw(2 * shift + 1) - shift
    square: list[Any] = [0, 0, 0]
    if erase:
        half = erase // 2
        row, column, some = draw(height - half) - half, draw(width - half) - half, draw(2)
        square = [erase * some, row * some, column * some]
    # The move comes after the flip in a view; here it came before.
    return apply_views(images, pack(ViewFields(flip, -up, np.where(flip, left, -left), *square)))
