# SPDX-License-Identifier: GPL-3.0-or-later
"""Slots for items that are pictures or texts: what a model of both takes.

The first byte says which (`PICTURE` or `TEXT`). A picture follows as red, green and blue planes of a square of one
side; a text as a slot of its own (`sdr_sc.data.ragged`), with zeros up to the end. The side follows from the slot's
length. On the air there are features alone, so that the zeros cost nothing there.
"""

from __future__ import annotations

import math

import numpy as np

from sdr_sc.data.composed import area_shares, resampled
from sdr_sc.data.ragged import HEAD_BYTES

PICTURE, TEXT = 1, 2
KIND_BYTES = 1
_AT_ONCE = 256
"""Pictures that are scaled together, so that memory does not grow with the set."""


def slot_bytes(side: int) -> int:
    """Length of a slot for pictures of a side, bytes.

    >>> slot_bytes(32)
    3073
    """
    return KIND_BYTES + 3 * side * side


def side_of(length: int) -> int:
    """Side of the pictures in slots of a length, pixels; 0 if no picture has such slots.

    >>> side_of(3073), side_of(3074)
    (32, 0)
    """
    side = math.isqrt(max(0, length - KIND_BYTES) // 3)
    return side if slot_bytes(side) == length else 0


def longest_text(side: int) -> int:
    """Bytes of the longest text that fits a slot."""
    return slot_bytes(side) - KIND_BYTES - HEAD_BYTES


def picture_slots(images: np.ndarray, side: int) -> np.ndarray:
    """Pictures in slots, uint8 (n, `slot_bytes`).

    Args:
        images: uint8 (n, height, width) or (n, 3, height, width); grey ones get three equal colours, and ones of
            another size are scaled by the mean over the area that each pixel covers.
    """
    colours = images if images.ndim == 4 else np.repeat(images[:, None], 3, axis=1)
    height, width = colours.shape[2:]
    if (height, width) != (side, side):
        rows, columns = area_shares(height, side), area_shares(width, side)
        parts = np.array_split(colours, max(1, len(colours) // _AT_ONCE))
        colours = np.concatenate([np.rint(resampled(part, rows, columns)).astype(np.uint8) for part in parts])
    found = np.empty((len(images), slot_bytes(side)), np.uint8)
    found[:, 0] = PICTURE
    found[:, KIND_BYTES:] = colours.reshape(len(images), -1)
    return found


def text_slots(slots: np.ndarray, side: int) -> np.ndarray:
    """Texts in slots of their own, uint8 (n, `HEAD_BYTES` + longest), in slots for both, uint8 (n, `slot_bytes`)."""
    found = np.zeros((len(slots), slot_bytes(side)), np.uint8)
    found[:, 0] = TEXT
    found[:, KIND_BYTES : KIND_BYTES + slots.shape[1]] = slots
    return found


def planes_of(slots: np.ndarray) -> np.ndarray:
    """The pictures in slots, a view: uint8 (n, 3, side, side); of a text what its bytes look like."""
    side = side_of(slots.shape[1])
    return slots[:, KIND_BYTES:].reshape(-1, 3, side, side)


def texts_of(slots: np.ndarray, longest: int) -> np.ndarray:
    """The texts in slots, in slots of their own: uint8 (n, `HEAD_BYTES` + longest)."""
    return slots[:, KIND_BYTES : KIND_BYTES + HEAD_BYTES + longest]
