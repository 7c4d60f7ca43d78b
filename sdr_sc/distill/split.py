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


def draw_labelled(targets: np.ndarray, candidates: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Items whose labels are used where few are: of each class in proportion to its share of the candidates.

    Args:
        targets: int (items,), classes of the whole set.
        candidates: int (n,), items to draw from.
        count: how many.
        seed: of the draw; with classes of one size, a larger ``count`` draws the items of a smaller one and others.

    Returns:
        int64 (count,), rising.

    Raises:
        SdrScError: there are fewer candidates, or more classes than ``count``.

    >>> drawn = draw_labelled(np.arange(40) % 4, np.arange(30), 8, seed=1)
    >>> np.bincount(drawn % 4), set(drawn) < set(draw_labelled(np.arange(40) % 4, np.arange(30), 12, seed=1))
    (array([2, 2, 2, 2]), True)
    """
    classes, sizes = np.unique(targets[candidates], return_counts=True)
    if not len(classes) <= count <= len(candidates):
        raise SdrScError(
            f"{count} labels were asked for, where the training items are {len(candidates)} of {len(classes)} classes; "
            "give --labels a number between these two."
        )
    exact = count * sizes / len(candidates)
    shares = np.maximum(exact.astype(int), 1)
    while shares.sum() != count:  # by the largest remainder; no class is left out
        change = 1 if shares.sum() < count else -1
        open_ones = np.where(shares < sizes if change > 0 else shares > 1, change * (exact - shares), -np.inf)
        shares[np.argmax(open_ones)] += change
    drawn = []
    for number, share in zip(classes, shares, strict=True):
        own = candidates[targets[candidates] == number]
        drawn.append(np.random.default_rng((seed, int(number))).permutation(own)[:share])
    return np.sort(np.concatenate(drawn))


def split(data: Dataset, config: DistillConfig, known_items: int | None = None, taught: bool = True) -> Split:
    """The split that the settings ask for.

    Args:
        known_items: how many of the first items there is knowledge of, as after ``prestore --limit``: training takes
            these alone, and what is held out comes from the others. None where all are known.
        taught: whether a teacher answers for the items without labels; without one they are left out.

    Raises:
        SdrScError: there are fewer items than they ask for.
    """
    if config.labels:
        return _few_labels(data, config, known_items, taught)
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


def _few_labels(data: Dataset, config: DistillConfig, known_items: int | None, taught: bool) -> Split:
    """The labels are those of the teacher, which may have been asked about the first items alone."""
    if len(data) <= config.validation_items:
        raise SdrScError(f"the data has {len(data)} items, none more than are held out; use fewer --validation-items.")
    training, validation = held_out(len(data), config.validation_items, config.validation_seed)
    targets = data.targets(config.task, np.arange(len(data)))
    labelled = draw_labelled(targets, training, config.labels, config.label_seed)
    if not taught:
        return Split(labelled, labelled[:0], validation)
    training = training[training < (len(data) if known_items is None else known_items)]
    return Split(training, np.setdiff1d(training, labelled), validation)
