# SPDX-License-Identifier: GPL-3.0-or-later
"""The test items of a sweep: every scheme sends the same ones in the same order."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

import sdr_sc
from sdr_sc.data.asked import QUESTION
from sdr_sc.data.dataset import DEFAULT_DATA_SET, Dataset
from sdr_sc.errors import SdrScError
from sdr_sc.results.rows import git_commit
from sdr_sc.semantic.model_items import load_items
from sdr_sc.shown import shown


@lru_cache(maxsize=4)
def fingerprint(data_set: str = DEFAULT_DATA_SET) -> str:
    """Version and commit of this program, and the data set that it has: results of unequal ones do not mix."""
    return f"sdr_sc {sdr_sc.__version__}, commit {git_commit()}, data {test_set(data_set).sha256[:16]}"


@lru_cache(maxsize=4)
def test_set(data_set: str = DEFAULT_DATA_SET) -> Dataset:
    """The test split of a data set; read once in a process."""
    return load_items(data_set, "test")


test_set.__test__ = False  # type: ignore[attr-defined]  # not one of pytest's


@lru_cache(maxsize=4)
def items_of(seed: int, count: int, data_set: str = DEFAULT_DATA_SET) -> np.ndarray:
    """Indices of a seed's items in the test set, in the order in which every scheme sends them (int64).

    The order is that of the flowgraphs' item source, so both airs send the same items.

    Raises:
        SdrScError: the data set has fewer, or items of which nobody knows what is right.
    """
    data = test_set(data_set)
    if count > len(data):
        raise SdrScError(f"items is {count} where the test set has {len(data)}; use 1 to {len(data)}.")
    chosen = np.random.default_rng(seed).permutation(len(data))[:count]
    unknown = 0 if data.tasks[0] == QUESTION else int((data.targets(data.tasks[0], chosen) < 0).sum())
    if unknown:
        raise SdrScError(
            f"{unknown} of the {count} items of data set {shown(data_set)} are of no class of the model, and a sweep "
            "counts right answers; give a data set of its classes."
        )
    return chosen
