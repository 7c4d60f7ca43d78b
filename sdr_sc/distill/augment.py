# SPDX-License-Identifier: GPL-3.0-or-later
"""Image augmentation on whole batches."""

from __future__ import annotations

import torch
from torch import Tensor


def augment(images: Tensor, generator: torch.Generator, shift: int = 2, erase: int = 8) -> Tensor:
    """Flip half of the images left to right, move each by up to ``shift`` pixels, and erase a square in half of them.

    Args:
        images: float32 (items, 1, height, width), zero is background.
        shift: largest move, pixels.
        erase: side of the erased square, pixels; 0 for none.

    Returns:
        A new tensor of the same shape.
    """
    items, _, height, width = images.shape

    def draw(high: int) -> Tensor:
        return torch.randint(high, (items, 1, 1), generator=generator)

    flip = draw(2).bool()
    rows = torch.arange(height).view(1, height, 1)
    columns = torch.arange(width).view(1, 1, width)
    columns = torch.where(flip, width - 1 - columns, columns.expand(items, 1, width))
    padded = torch.nn.functional.pad(images, (shift,) * 4).squeeze(1)
    index = torch.arange(items).view(items, 1, 1)
    moved = padded[index, rows + draw(2 * shift + 1), columns + draw(2 * shift + 1)]
    if erase:
        top, left = draw(height - erase // 2) - erase // 2, draw(width - erase // 2) - erase // 2
        rows, columns = torch.arange(height).view(1, height, 1), torch.arange(width).view(1, 1, width)
        inside = (rows >= top) & (rows < top + erase) & (columns >= left) & (columns < left + erase)
        moved = moved.masked_fill(inside & draw(2).bool(), 0.0)
    return moved.unsqueeze(1)
