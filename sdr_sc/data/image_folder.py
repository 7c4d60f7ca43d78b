# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures in folders that are named for their classes: ``CLASS/*.png``, or ``train/CLASS/*`` and ``test/CLASS/*``.

Without parts of its own a folder is divided by the checksums of the pictures, a fifth of them for the test: whatever is
added later, no picture ever changes sides, and equal pictures lie on the same one.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.data.dataset import ImageSet, Split
from sdr_sc.data.own_options import LARGEST_SIDE, OwnOptions, scaled
from sdr_sc.data.pictures import eight_bit
from sdr_sc.errors import DataSetError
from sdr_sc.files import read_plain
from sdr_sc.shown import reason_of, shown

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"})
LARGEST_FILE = 64 << 20
LARGEST_PICTURE = 64_000_000
"""Pixels of a picture before it is scaled."""
LIMIT_BYTES = 4 << 30
_TEST_SHARE = 0.2
_PARTS = ("train", "test")
_log = logging.getLogger(__name__)


@dataclass
class _Found:
    """Pictures of one part."""

    pictures: list[np.ndarray] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    digest: Any = field(default_factory=hashlib.sha256)
    bad: list[str] = field(default_factory=list)
    total_bytes: int = 0


def load_folder(path: Path, split: Split, options: OwnOptions) -> ImageSet:
    """A split of the pictures below a folder.

    Raises:
        DataSetError: a picture cannot be decoded and is not to be skipped; the sizes differ and none is given; or there
            is no picture.
    """
    try:
        has_parts = all((path / part).is_dir() for part in _PARTS)
        root = path / split if has_parts else path
        names = _class_names(path, has_parts)
        found = {part: _Found() for part in _PARTS}
        for label, name in enumerate(names):
            for file in _pictures(root / name):
                raw = read_plain(file)
                checksum = hashlib.sha256(raw).digest()
                part = split if has_parts else _part_of(checksum)
                if part == split:
                    _take(found[part], file, raw, label, options)
                found[part].digest.update(os.fsencode(f"{name}/{file.name}\0") + checksum)
    except OSError as error:
        raise DataSetError(f"{shown(path)} cannot be read ({reason_of(error)}); check the folder.") from error
    ours = found[split]
    if ours.bad:
        _log.warning(
            "warning: %d of the pictures in %s cannot be decoded and are left out, the first is %s",
            len(ours.bad), shown(path), shown(ours.bad[0]),
        )  # fmt: skip
    if not ours.pictures:
        raise DataSetError(
            f"{shown(path)} has no picture for its {split} part; put pictures ({', '.join(sorted(SUFFIXES)[:4])}, ...) "
            "into a folder for each class."
        )
    training = _digest_of(path / "train", names) if has_parts else found["train"].digest.hexdigest()
    sha256 = training if split == "train" else ours.digest.hexdigest()
    images = _stacked(ours.pictures, path, options)
    return ImageSet(images, np.array(ours.labels, np.int64), names, sha256, path.resolve().name, split, training)


def _class_names(path: Path, has_parts: bool) -> tuple[str, ...]:
    folders = [path / part for part in _PARTS] if has_parts else [path]
    names = sorted({entry.name for folder in folders for entry in folder.iterdir() if _is_class(entry)})
    if not names:
        raise DataSetError(
            f"{shown(path)} holds no class folders; give CLASS/picture.png, or train/CLASS/... and test/CLASS/..."
        )
    for name in names:
        if name != name.encode("utf-8", "replace").decode():
            raise DataSetError(
                f"{shown(path)} has the class folder {shown(repr(name))}, whose name is no UTF-8 text; rename it."
            )
    return tuple(names)


def _is_class(entry: Path) -> bool:
    return entry.is_dir() and not entry.name.startswith(".")


def _pictures(folder: Path) -> Iterator[Path]:
    """Picture files of a class in the order of their names; a class that a part has not is empty."""
    if folder.is_dir():
        yield from sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)


def _part_of(checksum: bytes) -> Split:
    return "test" if int.from_bytes(checksum[:4], "big") < _TEST_SHARE * 2**32 else "train"


def _digest_of(folder: Path, names: tuple[str, ...]) -> str:
    """What `load_folder` would call a part's checksum, without decoding its pictures."""
    digest = hashlib.sha256()
    for name in names:
        for file in _pictures(folder / name):
            digest.update(os.fsencode(f"{name}/{file.name}\0") + hashlib.sha256(read_plain(file)).digest())
    return digest.hexdigest()


def _take(found: _Found, file: Path, raw: bytes, label: int, options: OwnOptions) -> None:
    try:
        picture = decode_picture(raw, options)
    except Exception as error:  # whatever a decoder of Pillow makes of damaged bytes
        if options.bad == "refuse":
            raise DataSetError(
                f"picture {shown(file)} cannot be decoded ({reason_of(error)}); replace it, or leave such pictures out "
                "with the option bad=skip."
            ) from None
        found.bad.append(str(file))
        return
    found.total_bytes += picture.nbytes
    if found.total_bytes > LIMIT_BYTES:
        raise DataSetError(
            f"{shown(file.parent.parent)} holds more than {LIMIT_BYTES >> 30} GiB of images; use fewer or smaller ones."
        )
    found.pictures.append(picture)
    found.labels.append(label)


def decode_picture(raw: bytes, options: OwnOptions) -> np.ndarray:
    """A picture as uint8 (height, width) or (height, width, 3); transparent parts are white."""
    if len(raw) > LARGEST_FILE:
        raise ValueError(f"it has more than {LARGEST_FILE >> 20} MiB")
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, on large or odd files: our own bound is below
        with Image.open(io.BytesIO(raw)) as picture:
            if picture.width * picture.height > LARGEST_PICTURE:
                raise ValueError(f"it has {picture.width} x {picture.height} pixels")
            picture = eight_bit(picture)  # type: ignore[assignment]
            grey = options.colour == "grey" or (not options.colour and picture.mode in ("1", "L", "LA"))
            if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
                rgba = picture.convert("RGBA")
                white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
                picture = Image.alpha_composite(white, rgba)  # type: ignore[assignment]
            values = np.asarray(picture.convert("L" if grey else "RGB"))
    return scaled(values, options.size) if options.size else values


def _stacked(pictures: list[np.ndarray], path: Path, options: OwnOptions) -> np.ndarray:
    if any(picture.ndim == 3 for picture in pictures):  # some grey, some not
        pictures = [p if p.ndim == 3 else np.repeat(p[..., None], 3, axis=2) for p in pictures]
    shapes = sorted({picture.shape[:2] for picture in pictures})
    if len(shapes) > 1:
        (h0, w0), (h1, w1) = shapes[0], shapes[-1]
        raise DataSetError(
            f"the pictures in {shown(path)} differ in size, from {w0} x {h0} to {w1} x {h1} pixels; let them be "
            f"scaled: '{shown(path)},size={min(32, LARGEST_SIDE)}'."
        )
    return np.stack(pictures)
