# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that follow the path of images of the user's own, and what such images have to be.

``PATH[,size=32][,colour=grey|rgb][,bad=refuse|skip]``: ``size`` scales every picture of a folder to so many pixels a
side, ``colour`` converts, ``bad=skip`` leaves out pictures that cannot be decoded and counts them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sdr_sc.data.dataset import ImageSet
from sdr_sc.errors import DataSetError
from sdr_sc.shown import shown

SMALLEST_SIDE, LARGEST_SIDE = 16, 128
"""Of an image, pixels: what the students take."""
MOST_CLASSES = 1000


@dataclass(frozen=True)
class OwnOptions:
    """Options after a path.

    Attributes:
        size: pixels a side to which pictures are scaled; 0 takes them as they are.
        colour: ``grey``, ``rgb``, or '' for what the data has.
        bad: ``refuse`` or ``skip`` pictures that cannot be decoded.
    """

    size: int = 0
    colour: str = ""
    bad: str = "refuse"


def parse_spec(spec: str) -> tuple[Path, OwnOptions]:
    """Path and options of a data set's specification.

    Raises:
        DataSetError: an option is unknown or has a wrong value.

    >>> parse_spec("my pictures,size=32,colour=grey")
    (PosixPath('my pictures'), OwnOptions(size=32, colour='grey', bad='refuse'))
    """
    path, *words = spec.split(",")
    values: dict[str, str] = {}
    for word in words:
        name, equals, value = word.strip().partition("=")
        if not equals or name not in ("size", "colour", "bad") or name in values:
            raise DataSetError(
                f"data set {shown(repr(spec))} has the option {shown(repr(word.strip()))}; use size=PIXELS, "
                "colour=grey or rgb, bad=refuse or skip, each once."
            )
        values[name] = value
    size_text, colour, bad = values.get("size", "0"), values.get("colour", ""), values.get("bad", "refuse")
    size = int(size_text) if size_text.isascii() and size_text.isdigit() and len(size_text) < 6 else -1
    if "size" in values and not SMALLEST_SIDE <= size <= LARGEST_SIDE:
        raise DataSetError(
            f"data set {shown(repr(spec))} has size={shown(size_text)}; use {SMALLEST_SIDE} to {LARGEST_SIDE} pixels."
        )
    if colour not in ("", "grey", "rgb"):
        raise DataSetError(f"data set {shown(repr(spec))} has colour={shown(colour)}; use grey or rgb.")
    if bad not in ("refuse", "skip"):
        raise DataSetError(f"data set {shown(repr(spec))} has bad={shown(bad)}; use refuse or skip.")
    return Path(path), OwnOptions(size, colour, bad)


def with_options(data: ImageSet, options: OwnOptions) -> ImageSet:
    """The images of a data set, scaled and in the colours that the options ask for."""
    images = data.images
    if options.size and images.shape[1:3] != (options.size, options.size):
        images = np.stack([scaled(image, options.size) for image in images])
    if options.colour == "grey" and images.ndim == 4:
        images = to_grey(images)
    elif options.colour == "rgb" and images.ndim == 3:
        images = np.repeat(images[..., None], 3, axis=3)
    return replace(data, images=images)


def scaled(image: np.ndarray, size: int) -> np.ndarray:
    """An image of ``size`` pixels a side: uint8 (size, size[, 3]); what is not square loses its longer ends."""
    from PIL import Image, ImageOps

    return np.asarray(ImageOps.fit(Image.fromarray(image), (size, size), Image.Resampling.LANCZOS))


def to_grey(images: np.ndarray) -> np.ndarray:
    """Luma of ITU-R BT.601, as uint8 without the last axis.

    >>> to_grey(np.array([[[[255, 0, 0], [255, 255, 255]]]], np.uint8)).tolist()
    [[[76, 255]]]
    """
    weights = np.array([299, 587, 114], np.uint32)
    return ((images.astype(np.uint32) @ weights + 500) // 1000).astype(np.uint8)


def planes_first(images: np.ndarray) -> np.ndarray:
    """(n, height, width, 3) as (n, 3, height, width)."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def checked(data: ImageSet, path: Path) -> ImageSet:
    """The data set, colours first, if students take images of its size, and each class has an item.

    Raises:
        DataSetError: otherwise.
    """
    height, width = data.images.shape[1:3]
    if not all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in (height, width)):
        raise DataSetError(
            f"{shown(path)} has images of {width} x {height} pixels; use {SMALLEST_SIDE} to {LARGEST_SIDE} a side, or "
            f"let them be scaled: '{shown(path)},size=32'."
        )
    if not 2 <= len(data.class_names) <= MOST_CLASSES:
        raise DataSetError(f"{shown(path)} has {len(data.class_names)} classes; use 2 to {MOST_CLASSES}.")
    missing = np.flatnonzero(np.bincount(data.labels, minlength=len(data.class_names)) == 0)
    if len(missing):
        raise DataSetError(
            f"{shown(path)} has no item of class {shown(repr(data.class_names[missing[0]]))} in its {data.split} part; "
            "give each class one, or leave the class out."
        )
    return data if data.images.ndim == 3 else replace(data, images=planes_first(data.images))
