# SPDX-License-Identifier: GPL-3.0-or-later
"""What is sent, and what the base holds of it: the same items again, other views of the same things, new things."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sdr_sc.data.dataset import Dataset
from sdr_sc.errors import SdrScError
from sdr_sc.shown import shown

THINGS = 100
REPEATED, NEAR, NEW, HALF = "repeated items", "other views", "new items", "half repeated, half new"
_RETRIEVAL = "retrieval"


@dataclass(frozen=True, eq=False)
class Content:
    """Items in the order of sending, and those that the base holds.

    Attributes:
        name: one of `REPEATED`, `NEAR`, `NEW` and `HALF`.
        places: int64 (n,), among the data set's test part; each comes several times.
        known: int64 (m,), of those whose vectors are in the base, `THINGS` or none.
    """

    name: str
    places: np.ndarray
    known: np.ndarray


def contents(test: Dataset, sends: int, seed: int) -> list[Content]:
    """What is sent, of things that are chosen by chance; other views only where things have several.

    Args:
        test: with the task ``retrieval``, whose answers are the things.
        sends: items that are sent of each content, about.

    Raises:
        SdrScError: the data set has fewer things than two contents need.
    """
    things = test.targets(_RETRIEVAL, np.arange(len(test)))
    every, first, count = np.unique(things, return_index=True, return_counts=True)
    there = every >= 0
    every, first, count = every[there], first[there], count[there]
    if len(every) < THINGS + THINGS // 2:
        raise SdrScError(f"{shown(test.name)} has {len(every)} things; {THINGS + THINGS // 2} are needed.")
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(every))
    chosen, others = order[:THINGS], order[THINGS:][:THINGS]
    own = first[chosen]
    views = [np.setdiff1d(np.flatnonzero(things == every[one]), first[one]) for one in chosen]
    more = np.concatenate(views) if min(map(len, views)) else np.empty(0, np.int64)
    new = np.flatnonzero(np.isin(things, every[others]))
    half = rng.permutation(new)[:THINGS]

    def times(places: np.ndarray) -> np.ndarray:
        return rng.permutation(np.tile(places, max(1, round(sends / len(places)))))

    found = [Content(REPEATED, times(own), own)]
    if len(more):
        found.append(Content(NEAR, times(more), own))
    found.append(Content(NEW, times(new), np.empty(0, np.int64)))
    found.append(Content(HALF, times(np.concatenate((own[: len(half)], half))), own))
    return found


def base_vectors(
    content: Content,
    size: int,
    test: Dataset,
    train: Dataset,
    vectors_of: Callable[[np.ndarray], np.ndarray],
    seed: int,
) -> np.ndarray:
    """Vectors of a base: those of the content's known items, and of items of the training part.

    Args:
        size: entries.
        vectors_of: vectors of items.

    Returns:
        float32 (size, dimension).

    Raises:
        SdrScError: the training part has too few items.
    """
    fill = size - len(content.known)
    if fill > len(train):
        raise SdrScError(f"{shown(train.name)} has {len(train)} items to fill a base with; make it smaller.")
    places = np.sort(np.random.default_rng((seed, size)).permutation(len(train))[:fill])
    parts = [vectors_of(test.items(content.known))] if len(content.known) else []
    if fill:
        parts.append(vectors_of(train.items(places)))
    return np.concatenate(parts)
