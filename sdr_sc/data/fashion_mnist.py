# SPDX-License-Identifier: GPL-3.0-or-later
"""Fashion-MNIST from Debian's ``dataset-fashion-mnist`` package (Xiao, Rasul and Vollgraf, 2017)."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from sdr_sc.errors import DataSetError

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
_FILE_PREFIX = {"train": "train", "test": "t10k"}
_IDX_UINT8 = 0x08

Split = Literal["train", "test"]


@dataclass(frozen=True)
class ImageSet:
    """Labelled images.

    Attributes:
        images: uint8, shape (items, 28, 28), 0 is black.
        labels: int64, shape (items,), index into ``class_names``.
        class_names: one name for each label.
        sha256: checksum over the files that the set was read from.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    sha256: str

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, items: int) -> ImageSet:
        """The first ``items`` items."""
        if not 1 <= items <= len(self):
            raise DataSetError(
                f"{items} items were asked for where the data set has {len(self)}; use 1 to {len(self)}."
            )
        return replace(self, images=self.images[:items], labels=self.labels[:items])


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
    if values.size != int(np.prod(shape)):
        raise DataSetError(
            f"{source} holds {values.size} values where its header says {int(np.prod(shape))}; "
            "install it again from its package."
        )
    return values.reshape(shape)


def load(split: Split) -> ImageSet:
    """Read a split: 60,000 images for ``train``, 10,000 for ``test``.

    Raises:
        DataSetError: a file is missing or damaged; the message says what mends it.
    """
    digest = hashlib.sha256()
    arrays = []
    for kind in ("images-idx3", "labels-idx1"):
        path = folder() / f"{_FILE_PREFIX[split]}-{kind}-ubyte.gz"
        try:
            compressed = path.read_bytes()
            raw = gzip.decompress(compressed)
        except FileNotFoundError:
            raise DataSetError(
                f"Fashion-MNIST file {path} is missing: run 'sudo apt-get install dataset-fashion-mnist', "
                f"or set {FOLDER_VARIABLE} to the folder that holds it."
            ) from None
        except (OSError, EOFError) as error:
            raise DataSetError(f"Fashion-MNIST file {path} cannot be read ({error}); install it again.") from error
        digest.update(compressed)
        arrays.append(read_idx(raw, str(path)))
    images, labels = arrays
    if len(images) != len(labels):
        raise DataSetError(f"Fashion-MNIST in {folder()} has {len(images)} images but {len(labels)} labels.")
    return ImageSet(images, labels.astype(np.int64), CLASS_NAMES, digest.hexdigest())
