# SPDX-License-Identifier: GPL-3.0-or-later
"""The item's own entry in a gallery that the receiver has."""

from __future__ import annotations

import numpy as np

from sdr_sc.semantic.tasks.base import register_task
from sdr_sc.semantic.tasks.classification import Classification


@register_task
class Retrieval(Classification):
    """Which entry of a gallery an item is: the outputs are its similarities to all entries, as logits.

    The gallery's size belongs to every figure; `recall` gives those for more than one answer.
    """

    name, wire_id, metric, top, needs = "retrieval", 2, "R@1", 5, "gallery"


def recall(ids: np.ndarray, targets: np.ndarray, first: int) -> np.ndarray:
    """Which items have their own entry among the first answers (R@k): bool (n,).

    Args:
        ids: int (n, top), best first, of `TaskAnswer`.
        targets: int (n,).
        first: how many answers count, the k of R@k.

    Raises:
        ValueError: there are fewer answers.

    >>> recall(np.array([[3, 1, 0], [2, 0, 1]]), np.array([1, 1]), 2).tolist()
    [True, False]
    """
    if not 1 <= first <= ids.shape[1]:
        raise ValueError(f"R@{first} of {ids.shape[1]} answers")
    return (ids[:, :first] == np.asarray(targets)[:, None]).any(axis=1)
