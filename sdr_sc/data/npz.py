# SPDX-License-Identifier: GPL-3.0-or-later
"""Images in one ``.npz`` file: ``x_train``, ``y_train``, ``x_test``, ``y_test``, and ``class_names`` if you like.

Images are uint8, (n, height, width) or (n, height, width, channels) or (n, channels, height, width) with 1 or 3
channels; labels are whole numbers, (n,) or (n, 1). Nothing in the file is ever unpickled.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.data.dataset import ImageSet, Split
from sdr_sc.errors import DataSetError
from sdr_sc.files import open_plain
from sdr_sc.shown import reason_of, shown

LIMIT_BYTES = 4 << 30
"""Of all arrays, unpacked."""
_KEYS = ("x_train", "y_train", "x_test", "y_test")
_LONGEST_NAME = 256


def load_npz(path: Path, split: Split) -> ImageSet:
    """A split of the images in a file.

    Raises:
        DataSetError: the file is no such one, in one sentence.
    """
    try:
        with open_plain(path) as file:
            arrays, sha256 = _arrays(file, path, split)
    except (OSError, ValueError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise DataSetError(f"{shown(path)} cannot be read ({reason_of(error)}); save it with numpy.savez.") from error
    images = _images(arrays[f"x_{split}"], path, f"x_{split}")
    labels = _labels(arrays[f"y_{split}"], path, f"y_{split}")
    if len(images) != len(labels) or not len(labels):
        raise DataSetError(
            f"{shown(path)} has {len(images)} images but {len(labels)} labels in its {split} part; give one label for "
            "each image, and one image at least."
        )
    others = _labels(arrays[f"y_{'test' if split == 'train' else 'train'}"], path, "y")
    classes = int(max(labels.max(), others.max(initial=0))) + 1
    names = _names(arrays.get("class_names"), classes, path)
    return ImageSet(images, labels, names, sha256, path.stem, split, sha256)


def _arrays(file: Any, path: Path, split: Split) -> tuple[dict[str, np.ndarray], str]:
    """The arrays that a split needs, by name, and the file's SHA-256."""
    with zipfile.ZipFile(file) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
        missing = [key for key in _KEYS if f"{key}.npy" not in sizes]
        if missing:
            raise DataSetError(f"{shown(path)} has no {missing[0]!r}; save {', '.join(_KEYS)} with numpy.savez.")
        if sum(sizes.values()) > LIMIT_BYTES:
            raise DataSetError(f"{shown(path)} holds more than {LIMIT_BYTES >> 30} GiB; use fewer images.")
        found = {}
        for name in (f"x_{split}", "y_train", "y_test", "class_names"):
            if f"{name}.npy" not in sizes:
                continue
            with archive.open(f"{name}.npy") as member:
                found[name] = _array(member, path, name)
    file.seek(0)
    return found, hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _digest(file)


def _digest(file: Any) -> str:
    digest = hashlib.sha256()
    while part := file.read(1 << 20):
        digest.update(part)
    return digest.hexdigest()


def _array(member: Any, path: Path, name: str) -> np.ndarray:
    try:
        return np.lib.format.read_array(member, allow_pickle=False)
    except ValueError as error:
        if "pickle" in str(error) or "Object arrays" in str(error):
            raise DataSetError(
                f"{shown(path)} holds Python objects in {name!r}, which are never read; save plain arrays of numbers."
            ) from None
        raise


def _images(values: np.ndarray, path: Path, name: str) -> np.ndarray:
    if values.dtype != np.uint8:
        raise DataSetError(
            f"{shown(path)} has {name} of type {values.dtype}; give uint8, 0 to 255 (scale and round it first)."
        )
    if values.ndim == 4 and values.shape[3] not in (1, 3) and values.shape[1] in (1, 3):
        values = values.transpose(0, 2, 3, 1)
    if values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if values.ndim not in (3, 4) or (values.ndim == 4 and values.shape[3] != 3):
        raise DataSetError(
            f"{shown(path)} has {name} of shape {values.shape}; give (n, height, width) or (n, height, width, 3)."
        )
    return np.ascontiguousarray(values)


def _labels(values: np.ndarray, path: Path, name: str) -> np.ndarray:
    flat = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if flat.ndim != 1 or flat.dtype.kind not in "iu" or (len(flat) and (flat.min() < 0 or flat.max() >= 1 << 16)):
        raise DataSetError(
            f"{shown(path)} has {name} of type {values.dtype} and shape {values.shape}; give whole numbers from 0 on, "
            "one for each image."
        )
    return flat.astype(np.int64)


def _names(values: np.ndarray | None, classes: int, path: Path) -> tuple[str, ...]:
    if values is None:
        return tuple(f"class {number}" for number in range(classes))
    names = tuple(str(value)[:_LONGEST_NAME] for value in np.ravel(values))
    if values.dtype.kind != "U" or len(names) < classes or len(set(names)) != len(names):
        raise DataSetError(
            f"{shown(path)} has {len(names)} class_names for {classes} classes; give each class its own name, as text."
        )
    return names
