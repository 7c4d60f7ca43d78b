# SPDX-License-Identifier: GPL-3.0-or-later
"""One class of a list, by the largest logit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sdr_sc.semantic.tasks.base import LOST, NOT_A_NUMBER, Task, TaskAnswer, register_task

if TYPE_CHECKING:
    from torch import Tensor

    from sdr_sc.semantic.specs import TaskSpec


@register_task
class Classification(Task):
    """Which class an item is of."""

    name, wire_id, metric = "classification", 0, "accuracy"

    def loss(self, output: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        """Cross entropy with smoothed labels, nats."""
        from sdr_sc.semantic.losses import label_loss

        return label_loss(output, targets, smoothing)

    def answer(self, output: np.ndarray, spec: TaskSpec, top: int = 1) -> TaskAnswer:
        """The most probable classes, and the probability of the first."""
        return ranked(output, top)

    def score(self, ids: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """1 where the class is right."""
        return (np.asarray(ids) == np.asarray(targets)).astype(np.float32)

    def right(self, ids: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return (ids == targets) & (ids >= 0)  # quicker for a few items


def ranked(logits: np.ndarray, top: int = 1) -> TaskAnswer:
    """Classes by their logits; in place of a class `LOST` where these are NaN, and `NOT_A_NUMBER` where they are
    infinite (see `SemanticDecoder.decode`), with probability 0.

    >>> found = ranked(np.array([[0.0, 2.0], [np.nan, np.nan], [np.inf, np.inf]]))
    >>> found.best.tolist(), found.confidence.round(3).tolist()
    ([1, -1, -2], [0.8809999823570251, 0.0, 0.0])
    """
    faulty = np.isinf(logits).any(axis=1)
    lost = np.isnan(logits).any(axis=1) | faulty
    known = np.where(lost[:, None], 0.0, logits)
    with np.errstate(over="ignore"):  # of a model on the way to answers that are no numbers
        shifted = np.exp(known - known.max(axis=1, keepdims=True))
    probability = shifted.max(axis=1) / shifted.sum(axis=1)
    if top == 1:
        best = known.argmax(axis=1)[:, None]
    else:
        best = np.argsort(-known, axis=1, kind="stable")[:, :top]
    ids = np.where(lost[:, None], np.where(faulty, NOT_A_NUMBER, LOST)[:, None], best)
    return TaskAnswer(ids.astype(np.int64), np.where(lost, 0.0, probability).astype(np.float32))
