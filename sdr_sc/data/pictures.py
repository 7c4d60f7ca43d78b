# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of any mode, as Pillow opens them, in 8 bits a colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image


def eight_bit(picture: Image) -> Image:
    """A picture of a mode with 8 bits: of one with 16 bits, which Pillow would cut off at 255, the upper 8.

    Raises:
        ValueError: its pixels are no whole numbers of up to 16 bits.

    >>> from PIL import Image
    >>> np.asarray(eight_bit(Image.fromarray(np.array([[0, 0x1234, 0xFFFF]], np.uint16)))).tolist()
    [[0, 18, 255]]
    """
    from PIL import Image

    if picture.mode == "F":
        raise ValueError("its pixels are no whole numbers")
    if not picture.mode.startswith("I"):
        return picture
    values = np.asarray(picture).astype(np.int64)
    if values.min(initial=0) < 0 or values.max(initial=0) > 0xFFFF:
        raise ValueError("its pixels have more than 16 bits")
    return Image.fromarray((values >> 8).astype(np.uint8))
