# SPDX-License-Identifier: GPL-3.0-or-later
"""Fashion-MNIST from Debian's ``dataset-fashion-mnist`` package (Xiao, Rasul and Vollgraf, 2017).

The files are compared with those of the authors, whatever compressed them. Other images of ten classes under the same
names, in a folder that the environment names, are taken for the user's own and called so.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import logging
import math
import os
import struct
import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from sdr_sc.data.dataset import DEFAULT_DATA_SET, ImageSet, SetInfo, Split, register_dataset
from sdr_sc.errors import DataSetError
from sdr_sc.files import read_plain
from sdr_sc.shown import reason_of, shown

NAME = "Fashion-MNIST"
DEFAULT_FOLDER = Path("/usr/share/datasets/fashion-mnist")
FOLDER_VARIABLE = "SDR_SC_FASHION_MNIST"
CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
OWN_CLASS_NAMES = tuple(f"class {number}" for number in range(len(CLASS_NAMES)))
"""Of images that are not Fashion-MNIST, whose classes are not known."""
_CONTENT_SHA256 = {
    "train": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    "test": (
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}
"""Of the authors' images and labels, decompressed."""
SET_SHA256 = {
    "train": "8a7d774f94e35a4b1b24d354583140d3cad10f742fae0e0465e4e7f3b13c09be",
    "test": "2745d3e0a451fa5316dcdbabb5ffe689a6aa831f9f3922f9c2b96a38d353b07b",
}
"""What Fashion-MNIST's splits are known by: SHA-256 over Debian's two files, which contracts and results hold."""
LIMIT_BYTES = 1 << 30
"""Of a file, decompressed; the largest of Fashion-MNIST has 47 MB."""
_log = logging.getLogger(__name__)
_FILE_PREFIX = {"train": "train", "test": "t10k"}
_IDX_UINT8 = 0x08


def folder() -> Path:
    """Folder of the four gzip files: ``$SDR_SC_FASHION_MNIST``, or where the Debian package puts them."""
    return Path(os.environ.get(FOLDER_VARIABLE, DEFAULT_FOLDER))


def read_idx(raw: bytes, source: str) -> np.ndarray:
    """Decode an IDX file of unsigned bytes (the format of the MNIST files).

    Args:
        raw: the file's bytes, decompressed.
        source: the file's name, for the error message.

    Returns:
        uint8 array with the shape that the file's header gives.

    Raises:
        DataSetError: the header or the length is wrong.

    >>> read_idx(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]), "example").tolist()
    [7, 8, 9]
    """
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] != _IDX_UINT8:
        raise DataSetError(f"{source} is not an IDX file of unsigned bytes; install it again from its package.")
    dimensions = raw[3]
    header_bytes = 4 + 4 * dimensions
    if len(raw) < header_bytes:
        raise DataSetError(f"{source} ends inside its header; install it again from its package.")
    shape = struct.unpack(f">{dimensions}I", raw[4:header_bytes])
    values = np.frombuffer(raw, np.uint8, offset=header_bytes)
    if not 1 <= dimensions <= 8 or values.size != math.prod(shape):
        raise DataSetError(
            f"{source} holds {values.size} values where its header says {shown(math.prod(shape), 40)} in {dimensions} "
            "dimensions; install it again from its package."
        )
    return values.reshape(shape)


_INFO = SetInfo(NAME, "image", {"classification": "which of ten kinds of clothing"})


@register_dataset(DEFAULT_DATA_SET, _INFO)
def load(split: Split) -> ImageSet:
    """Read a split: of Fashion-MNIST 60,000 images for ``train``, 10,000 for ``test``.

    Images that are not Fashion-MNIST are taken from the folder that ``$SDR_SC_FASHION_MNIST`` names alone: they get a
    name of their own, and classes without names. A warning is logged.

    Raises:
        DataSetError: a file is missing or damaged, or holds what is no set of images and labels of ten classes; the
            message says how to fix it.
    """
    if split == "validation":
        raise DataSetError(f"data set {NAME} has no validation part; hold out a part of its 'train'.")
    digest = hashlib.sha256()
    raws = []
    for path in _paths(split):
        compressed, raw = _read(path)
        digest.update(compressed)
        raws.append(raw)
    paths = _paths(split)
    images, labels = (read_idx(raw, shown(path)) for raw, path in zip(raws, paths, strict=True))
    if images.ndim != 3 or labels.ndim != 1:
        raise DataSetError(
            f"{shown(paths[0])} and {paths[1].name} have the shapes {images.shape} and {labels.shape} where (n, "
            "height, width) and (n,) are needed; give grey images in IDX files."
        )
    if len(images) != len(labels) or not len(labels):
        raise DataSetError(
            f"{shown(folder())} has {len(images)} images but {len(labels)} labels; give one label for each image."
        )
    sha256 = digest.hexdigest()
    is_known = sha256 == SET_SHA256[split] or _CONTENT_SHA256[split] == tuple(
        hashlib.sha256(raw).hexdigest() for raw in raws
    )
    if is_known:
        return ImageSet(
            images, labels.astype(np.int64), CLASS_NAMES, SET_SHA256[split], NAME, split, SET_SHA256["train"]
        )
    if FOLDER_VARIABLE not in os.environ:
        raise DataSetError(
            f"the files in {shown(folder())} are not Fashion-MNIST's; run 'sudo apt-get install --reinstall "
            f"dataset-fashion-mnist', or set {FOLDER_VARIABLE} to a folder of images of your own."
        )
    if labels.max() >= len(OWN_CLASS_NAMES):
        raise DataSetError(
            f"the images in {shown(folder())} are not Fashion-MNIST, and have the label {labels.max()}; own images can "
            f"have the labels 0 to {len(OWN_CLASS_NAMES) - 1}."
        )
    training = sha256 if split == "train" else _own_training_sha256(str(folder())) or ""
    own = ImageSet(
        images, labels.astype(np.int64), OWN_CLASS_NAMES, sha256, f"own images {sha256[:8]}", split, training
    )
    _tell_own(shown(folder()), split, own.name)
    return own


@lru_cache(maxsize=8)
def _tell_own(where: str, split: str, name: str) -> None:
    """Once in a process."""
    _log.warning(
        "warning: the %s images in %s are not Fashion-MNIST: results call them %r, and their classes by number",
        split, where, name,
    )  # fmt: skip


def _paths(split: Split) -> list[Path]:
    return [folder() / f"{_FILE_PREFIX[split]}-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1")]


def _read(path: Path) -> tuple[bytes, bytes]:
    """A file's bytes, and the same decompressed."""
    try:
        compressed = read_plain(path)
        with gzip.open(io.BytesIO(compressed)) as file:
            raw = file.read(LIMIT_BYTES + 1)
    except FileNotFoundError:
        raise DataSetError(
            f"Fashion-MNIST file {shown(path)} is missing: run 'sudo apt-get install dataset-fashion-mnist', "
            f"or set {FOLDER_VARIABLE} to the folder that holds it."
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataSetError(
            f"Fashion-MNIST file {shown(path)} cannot be read ({reason_of(error)}); install it again."
        ) from error
    if len(raw) > LIMIT_BYTES:
        raise DataSetError(f"{shown(path)} holds more than {LIMIT_BYTES >> 20} MiB of images; use fewer.")
    return compressed, raw


@lru_cache(maxsize=2)
def _own_training_sha256(_folder: str) -> str | None:
    """What the training split of own images is known by; None where there is none."""
    digest = hashlib.sha256()
    try:
        for path in _paths("train"):
            digest.update(read_plain(path))
    except OSError:
        return None
    return digest.hexdigest()
