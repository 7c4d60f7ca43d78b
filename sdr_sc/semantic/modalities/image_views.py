# SPDX-License-Identifier: GPL-3.0-or-later
"""Augmentation as data: a view of an image is one 32-bit word, drawn once, stored, and applied again in training.

A word holds, from the lowest bit: flip (1 bit), dy and dx (5 bits each, two's complement), the side of the erased
square (6 bits, 0 for none), and the row and the column of its centre (7 bits each). Word 0 is the image as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sdr_sc.errors import ContractError, SdrScError

LARGEST_SHIFT = 15
LARGEST_ERASE = 63
LARGEST_SIDE = 128
_DY, _DX, _ERASE, _ROW, _COLUMN, _END = 1, 6, 11, 17, 24, 31  # first bit of each field


@dataclass(frozen=True)
class ViewPolicy:
    """How views are drawn: flipped or not, moved, and with a square erased that may hang over any of the four edges.

    Attributes:
        shift: largest move in each direction, pixels.
        erase: side of the erased square, pixels; 0 for none.
        erase_share: part of the views in which a square is erased, 0..1.
        flip: whether half of the views are flipped left to right.

    Raises:
        SdrScError: a value is out of what a view's word can hold.
    """

    shift: int = 1
    erase: int = 0
    erase_share: float = 0.5
    flip: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.shift <= LARGEST_SHIFT:
            raise SdrScError(f"a view's shift of {self.shift} pixels is out of range; give 0 to {LARGEST_SHIFT}.")
        if not 0 <= self.erase <= LARGEST_ERASE:
            raise SdrScError(f"an erased square of {self.erase} pixels is out of range; give 0 to {LARGEST_ERASE}.")
        if not (math.isfinite(self.erase_share) and 0 <= self.erase_share <= 1):
            raise SdrScError(f"the share of erased views, {self.erase_share}, is no fraction; give 0 to 1.")


class ViewFields(NamedTuple):
    """What views say, each an integer (or bool) array of the views' shape.

    Attributes:
        flip: flipped left to right, before all else.
        dy, dx: moved down and right by so many pixels; what comes in is black.
        erase: side of the erased square, pixels; 0 for none.
        top, left: its first row and column, which may lie outside of the image; 0 where there is none.
    """

    flip: Any
    dy: Any
    dx: Any
    erase: Any
    top: Any
    left: Any


def check_item_shape(item_shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of images that views can be made of, grey ones or with three colours.

    Raises:
        ContractError: they are not ([3,] height, width), or larger than a word can hold.
    """
    sides, colours = item_shape[-2:], item_shape[:-2]
    if len(sides) != 2 or tuple(colours) not in ((), (3,)) or not all(1 <= side <= LARGEST_SIDE for side in sides):
        raise ContractError(
            f"views cannot be made of items of shape {tuple(item_shape)}; use images of shape (height, width) or (3, "
            f"height, width) with sides of 1 to {LARGEST_SIDE} pixels."
        )
    return sides[0], sides[1]


def pack(fields: ViewFields) -> np.ndarray:
    """Words of views.

    Args:
        fields: arrays of one shape (or scalars), as `unpack` gives them.

    Returns:
        uint32 of the same shape.

    Raises:
        ValueError: a value does not fit its bits.

    >>> hex(pack(ViewFields(True, -1, 2, 8, 3, -4))[()])
    '0xe40bf'
    """
    flip, dy, dx, erase, top, left = np.broadcast_arrays(*(np.asarray(value, np.int64) for value in fields))
    row, column = top + erase // 2, left + erase // 2
    limits = (
        (flip, 0, 1),
        (dy, -LARGEST_SHIFT, LARGEST_SHIFT),
        (dx, -LARGEST_SHIFT, LARGEST_SHIFT),
        (erase, 0, LARGEST_ERASE),
        (row, 0, LARGEST_SIDE - 1),
        (column, 0, LARGEST_SIDE - 1),
    )
    for name, (value, low, high) in zip(ViewFields._fields, limits, strict=True):
        if value.size and (value.min() < low or value.max() > high):
            raise ValueError(f"a view's {name} does not fit its bits")
    if np.any((erase == 0) & ((top != 0) | (left != 0))):
        raise ValueError("a view without an erased square has top and left 0")
    words = flip | (dy & 31) << _DY | (dx & 31) << _DX | erase << _ERASE | row << _ROW | column << _COLUMN
    return words.astype(np.uint32)


def unpack(views: np.ndarray) -> ViewFields:
    """Fields of views' words, int64 arrays (flip: bool) of the words' shape.

    Args:
        views: uint32.

    >>> [int(value) for value in unpack(np.uint32(0xE40BF))]
    [1, -1, 2, 8, 3, -4]
    """
    words = np.asarray(views).astype(np.int64)

    def field(first: int, end: int) -> np.ndarray:
        return (words >> first) & ((1 << (end - first)) - 1)

    erase = field(_ERASE, _ROW)
    some = erase > 0
    top, left = field(_ROW, _COLUMN) - erase // 2, field(_COLUMN, _END) - erase // 2
    flip = field(0, _DY) > 0
    return ViewFields(flip, (field(_DY, _DX) ^ 16) - 16, (field(_DX, _ERASE) ^ 16) - 16, erase, top * some, left * some)


def identity_views(n: int) -> np.ndarray:
    """Words of ``n`` views that change nothing, uint32 (n,)."""
    return np.zeros(n, np.uint32)


def draw_views(policy: ViewPolicy, item_shape: tuple[int, ...], n: int, generator: np.random.Generator) -> np.ndarray:
    """Draw views.

    Args:
        policy: how.
        item_shape: (height, width) of the images.
        n: how many.
        generator: source of all randomness.

    Returns:
        uint32 (n,).

    Raises:
        ContractError: the images are too large for a view's word.

    >>> fields = unpack(draw_views(ViewPolicy(2, 8), (28, 28), 1000, np.random.default_rng(1)))
    >>> int(fields.dy.min()), int(fields.dy.max()), int(fields.top.min()), int(fields.top.max())
    (-2, 2, -4, 23)
    """
    height, width = check_item_shape(item_shape)
    flip = generator.integers(2, size=n) * int(policy.flip)
    dy, dx = generator.integers(-policy.shift, policy.shift + 1, size=(2, n))
    half = policy.erase // 2
    erase = np.where(generator.random(n) < policy.erase_share, policy.erase, 0)
    # The square's centre is anywhere in the image, so that every edge can cut it.
    top = generator.integers(height, size=n) - half
    left = generator.integers(width, size=n) - half
    return pack(ViewFields(flip, dy, dx, erase, np.where(erase, top, 0), np.where(erase, left, 0)))


def every_view(policy: ViewPolicy) -> np.ndarray:
    """All distinct views of a policy that erases nothing, uint32 (n,), the identity first; empty if it erases.

    >>> len(every_view(ViewPolicy(shift=1, erase=0))), int(every_view(ViewPolicy(shift=1, erase=0))[0])
    (18, 0)
    """
    if policy.erase and policy.erase_share:
        return np.empty(0, np.uint32)
    side = np.arange(-policy.shift, policy.shift + 1)
    flip, dy, dx = (axis.ravel() for axis in np.meshgrid([0, 1] if policy.flip else [0], side, side, indexing="ij"))
    none = np.zeros_like(flip)
    return np.unique(pack(ViewFields(flip, dy, dx, none, none, none)))


def apply_views(images: Tensor, views: np.ndarray | Tensor) -> Tensor:
    """Show images as views: flip, then move, then erase.

    Args:
        images: uint8 (n, height, width) or (n, 3, height, width), 0 is background.
        views: uint32 (n,), an array or a tensor of any integer type.

    Returns:
        A new tensor of the same shape and type, on the images' device.

    Raises:
        ContractError: the images are no such tensor, or there is not one view for each.

    >>> word = pack(ViewFields(True, 0, 1, 0, 0, 0))
    >>> apply_views(torch.tensor([[[1, 2, 3]]], dtype=torch.uint8), word.reshape(1)).tolist()
    [[[0, 3, 2]]]
    """
    if images.ndim not in (3, 4) or images.dtype != torch.uint8 or len(images) != len(views):
        raise ContractError(
            f"{len(views)} views are applied to {str(images.dtype).removeprefix('torch.')} images of shape "
            f"{tuple(images.shape)}; give uint8 of shape (n, [3,] height, width) and n views."
        )
    height, width = check_item_shape(tuple(images.shape[1:]))
    # In numpy: torch's threads wait for each other after every step, on busy cores for far longer than the step takes.
    words = views.cpu().numpy() if isinstance(views, Tensor) else np.asarray(views)
    shape, colours = images.shape, images.shape[1] if images.ndim == 4 else 1
    images = images.reshape(-1, height, width)  # each colour is shown like an image of its own
    items = len(images)
    view = unpack(np.repeat(words, colours))
    view = ViewFields(*(values.reshape(items, 1) for values in view))
    rows, columns = np.arange(height), np.arange(width)
    from_rows, from_columns = rows - view.dy, columns - view.dx
    shown_rows = (from_rows >= 0) & (from_rows < height)
    shown_columns = (from_columns >= 0) & (from_columns < width)
    from_columns = np.where(view.flip, width - 1 - from_columns, from_columns).clip(0, width - 1)
    first_pixels = (from_rows.clip(0, height - 1) + height * np.arange(items)[:, None]) * width
    moved = images.cpu().numpy().reshape(-1).take(first_pixels[:, :, None] + from_columns[:, None, :])
    erased_rows = (rows >= view.top) & (rows < view.top + view.erase)
    erased_columns = (columns >= view.left) & (columns < view.left + view.erase)
    kept = ~(erased_rows[:, :, None] & erased_columns[:, None, :])
    kept &= shown_rows[:, :, None]
    kept &= shown_columns[:, None, :]
    moved *= kept
    return torch.from_numpy(moved.reshape(shape)).to(images.device)
