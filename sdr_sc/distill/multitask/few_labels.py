# SPDX-License-Identifier: GPL-3.0-or-later
"""Few labels of many items: what a teacher's vectors say of the others' classes.

A linear probe of the teacher's vectors is fitted on the labelled items. What it says of all others are soft labels, so
that the student learns the class at each k and SNR from all items, and from the labels that are known alone.
"""

from __future__ import annotations

import numpy as np

from sdr_sc.data.dataset import Dataset
from sdr_sc.distill.multitask.config import MultiTaskConfig
from sdr_sc.distill.multitask.lesson import UNKNOWN, labelled_targets
from sdr_sc.distill.multitask.objective import RETRIEVAL
from sdr_sc.distill.multitask.picture_tasks import OF_PICTURES
from sdr_sc.distill.multitask.probe import Probe, best_probe


def label_probe(
    data: Dataset, base: Dataset, vectors: np.ndarray, held_out: Dataset, of_held_out: np.ndarray, task: str,
    config: MultiTaskConfig,
) -> Probe:  # fmt: skip
    """A linear classifier of the teacher's vectors by the labels that a training uses, with the penalty that is best
    on held-out items.

    Args:
        data, base: the training part, with and without the sets whose answers are none of the model's.
        held_out: items that nothing is learned from.
        vectors, of_held_out: float32 (items, dimensions), of ``data`` and of these.
        task: of classification.

    Raises:
        SdrScError: see `labelled_targets`.
    """
    classes = len(base.names(task))
    found, wanted = labelled_targets(data, task, classes, config), held_out.targets(task, np.arange(len(held_out)))
    known, seen = found != UNKNOWN, wanted >= 0
    return best_probe((vectors[known], found[known]), (of_held_out[seen], wanted[seen]), classes)


def soft_labels(
    data: Dataset, base: Dataset, vectors: np.ndarray, held_out: Dataset, of_held_out: np.ndarray,
    config: MultiTaskConfig,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Probabilities of the classes of all items by `label_probe`, by task: float32 (items, classes), 0 of items that
    have no such class; nothing where all labels are used. Arguments and errors are those of `label_probe`.
    """
    if not config.labels or not config.soft_weight:
        return {}
    result = {}
    for task in config.tasks:
        if task == RETRIEVAL or task in OF_PICTURES:
            continue
        probe = label_probe(data, base, vectors, held_out, of_held_out, task, config)
        of_all = np.asarray(data.targets(task, np.arange(len(data))))
        has = (of_all >= 0) & (of_all < len(base.names(task)))
        result[task] = np.where(has[:, None], probe.probabilities(vectors), 0.0).astype(np.float32)
    return result
