# SPDX-License-Identifier: GPL-3.0-or-later
"""Drawings that are nearly the same in two data sets, to be left out where one set trains and the other tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.compiled import Made, compiled
from sdr_sc.data.drawings import HASH_BITS, LOOK_DIFFERENCE, looks_of
from sdr_sc.data.drawn.larger import is_drawn, part_entries
from sdr_sc.data.splits import SPLITS, alike

_HELD_OUT = ("validation", "test")


def looks(name: str) -> Mapping[str, np.ndarray]:
    """What a data set's drawings look like, for `alike`: of each part uint8 ``PART_hashes`` and ``PART_looks``, a row a
    drawing in the order of the items. Made once, and kept in the cache.

    Raises:
        DataSetError: the data set is not made of drawings, or its package is not here.
    """

    def make() -> Made:
        arrays = {}
        for split, entries in part_entries(name).items():
            hashes, small = looks_of(entries) if entries else (np.zeros((0, 64)), np.zeros((0, 3)))
            arrays[f"{split}_hashes"] = hashes.astype(np.uint8)
            arrays[f"{split}_looks"] = np.rint(small).astype(np.uint8)
        return arrays, {}

    return compiled(f"{name}-looks", {"looks of": [load_dataset(name, split).sha256 for split in SPLITS]}, make).arrays


def repeated_elsewhere(name: str, others: Sequence[str]) -> np.ndarray:
    """Which training items show a drawing that is nearly the same as one that another data set validates or tests with.

    Args:
        name: of the data set; where it is one of the others, it is passed over.
        others: of the other data sets; those that are not made of drawings share none.

    Returns:
        bool (items,) of its training part.

    Raises:
        DataSetError: a package is not here.
    """
    data = load_dataset(name, "train")
    found = [looks(other) for other in others if other != name and is_drawn(other)]
    if not is_drawn(name) or not found:
        return np.zeros(len(data), bool)
    own = looks(name)
    rows = len(own["train_hashes"])
    hashes = np.concatenate([own["train_hashes"], *(one[f"{part}_hashes"] for one in found for part in _HELD_OUT)]) > 0
    small = np.concatenate([own["train_looks"], *(one[f"{part}_looks"] for one in found for part in _HELD_OUT)])
    pairs = alike(hashes, small, HASH_BITS, LOOK_DIFFERENCE)
    repeated = np.zeros(rows, bool)
    repeated[pairs[(pairs[:, 0] < rows) & (pairs[:, 1] >= rows), 0]] = True
    return np.repeat(repeated, len(data) // max(rows, 1))
