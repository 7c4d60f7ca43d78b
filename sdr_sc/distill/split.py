# SPDX-License-Identifier: GPL-3.0-or-later
"""Which items of the training set a run learns from, and which it holds out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdr_sc.data.dataset import Dataset
from sdr_sc.distill.config import DistillConfig
from sdr_sc.errors import SdrScError


@dataclass(frozen=True)
class Split:
    """Indices into the training set, rising.

    Attributes:
        training: int64 (n,), to learn from.
        unlabelled: int64 (u,), those of them whose labels are not to be used.
        validation: int64 (m,), held out.
    """

    training: np.ndarray
    unlabelled: np.ndarray
    validation: np.ndarray


def held_out(items: int, validation_items: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rising indices of the items to train on, and of those that are held out.

    >>> training, validation = held_out(10, 3, seed=1)
    >>> len(training), len(validation), sorted({*training, *validation}) == list(range(10))
    (7, 3, True)
    """
    order = np.random.default_rng(seed).permutation(items)
    validation = np.sort(order[:validation_items])
    return np.setdiff1d(np.arange(items), validation), validation


def split(data: Dataset, config: DistillConfig, known_items: int | None = None) -> Split:
    """The split that the settings ask for.

    Args:
        known_items: how many of the first items there is knowledge of, as after ``prestore --limit``: training takes
            these alone, and what is held out comes from the others. None where all are known.

    Raises:
        SdrScError: there are fewer items than they ask for.
    """
    if known_items is not None and known_items < len(data):
        others = len(data) - known_items
        if others < config.validation_items:
            raise SdrScError(
                f"the knowledge covers the first {known_items} of {len(data)} items, so that {others} are left to hold "
                f"out where {config.validation_items} are wanted; use fewer --validation-items."
            )
        _, validation = held_out(others, config.validation_items, config.validation_seed)
        training, validation = np.arange(known_items), validation + known_items
        if known_items < max(config.limit_items, config.labelled_items):
            raise SdrScError(
                f"the knowledge covers {known_items} items where {max(config.limit_items, config.labelled_items)} are "
                f"wanted; use --limit-items {known_items}, or run 'sdr-sc prestore' with a larger --limit."
            )
    else:
        training, validation = held_out(len(data), config.validation_items, config.validation_seed)
    if len(training) < max(1, config.limit_items, config.labelled_items):
        raise SdrScError(
            f"the data has {len(data)} items, of which {config.validation_items} are held out: "
            f"{max(config.limit_items, config.labelled_items)} are not left to train on; use fewer, "
            "or fewer --validation-items."
        )
    unlabelled = training[config.labelled_items or len(training) :]
    if config.limit_items:
        chosen = np.random.default_rng((config.seed, config.limit_items)).permutation(training)
        training = np.sort(chosen[: config.limit_items])
    return Split(training, np.intersect1d(unlabelled, training), validation)
