# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of any mode, as Pillow opens them, in 8 bits a colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

_TIFF_BITS, _TIFF_PHOTOMETRIC, _TIFF_SAMPLE_FORMAT = 258, 262, 339
_WHITE_IS_ZERO, _SIGNED = 0, 2
_PNG_STEPS = {"1": 255, "L;2": 85, "L;4": 17}
"""By Pillow's raw mode of a grey PNG with fewer than 8 bits: what it multiplies the file's numbers by."""


def eight_bit(picture: Image) -> Image:
    """A picture of a mode with 8 bits: of one with more, which Pillow would cut off at 255, the upper 8.

    The colour that a PNG names as transparent, which Pillow takes as one of 8 bits, stays transparent.

    Args:
        picture: as it was opened, before its pixels are loaded: with them Pillow drops what says how many bits they
            have in the file.

    Raises:
        ValueError: its pixels are no whole numbers of up to 16 bits without a sign.

    >>> from PIL import Image
    >>> np.asarray(eight_bit(Image.fromarray(np.array([[0, 0x1234, 0xFFFF]], np.uint16)))).tolist()
    [[0, 18, 255]]
    """
    from PIL import Image

    if picture.mode == "F":
        raise ValueError("its pixels are no whole numbers")
    raw_mode = _raw_mode_of_png(picture)
    picture.load()
    transparent = picture.info.get("transparency")
    if not picture.mode.startswith("I"):
        if raw_mode == "RGB;16B" and isinstance(transparent, tuple):
            picture.info["transparency"] = tuple(value >> 8 for value in transparent)
        elif raw_mode in _PNG_STEPS and isinstance(transparent, int):
            picture.info["transparency"] = transparent * _PNG_STEPS[raw_mode]
        return picture.convert("LA") if raw_mode == "LA;16B" else picture
    bits = _bits_of(picture)
    values = np.asarray(picture).astype(np.int64)
    if values.min(initial=0) < 0 or values.max(initial=0) >= 1 << bits:
        raise ValueError("its pixels have more than 16 bits")
    grey = (values >> (bits - 8)).astype(np.uint8)
    if _tags(picture).get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO:
        grey = ~grey
    found = Image.fromarray(grey)
    if isinstance(transparent, int):
        found.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return found


def _raw_mode_of_png(picture: Image) -> str:
    """How a PNG's pixels lie in the file, such as ``L;4``; '' of other pictures, and of loaded ones."""
    tile = getattr(picture, "tile", None)
    return str(tile[0][3]) if picture.format == "PNG" and tile else ""


def _tags(picture: Image) -> Any:
    return getattr(picture, "tag_v2", {})


def _bits_of(picture: Image) -> int:
    """Of a grey pixel in the file.

    Raises:
        ValueError: more than 16, or they have a sign: what is white is then not known.
    """
    bits, sample_format = (_tags(picture).get(tag) for tag in (_TIFF_BITS, _TIFF_SAMPLE_FORMAT))
    if bits and bits[0] > 16:
        raise ValueError("its pixels have more than 16 bits")
    if sample_format and sample_format[0] == _SIGNED:
        raise ValueError("its pixels are numbers with a sign")
    return int(bits[0]) if bits else 16
