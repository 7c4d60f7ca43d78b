# SPDX-License-Identifier: GPL-3.0-or-later
"""Words that describe an item, any number of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sdr_sc.semantic.tasks.base import LOST, NOT_A_NUMBER, Task, TaskAnswer, register_task

if TYPE_CHECKING:
    from torch import Tensor

    from sdr_sc.semantic.specs import TaskSpec


@register_task
class Keywords(Task):
    """Which keywords an item has; its targets are (items, most), with -1 where there are fewer."""

    name, wire_id, metric = "keywords", 5, "P@1"

    def loss(self, output: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        """Binary cross entropy, the mean over all keywords, nats.

        Args:
            output: float32 (..., items, keywords), logits.
            targets: int64 (items, most).
            smoothing: how far wanted probabilities are moved towards a half.
        """
        from torch import nn

        wanted = output.new_zeros(len(targets), output.shape[-1] + 1)
        wanted.scatter_(1, targets.clamp(min=-1) + 1, 1.0)  # column 0 is of those that are none
        wanted = (wanted[:, 1:] * (1 - smoothing) + smoothing / 2).expand(output.shape)
        return nn.functional.binary_cross_entropy_with_logits(output, wanted, reduction="none").mean(-1)

    def answer(self, output: np.ndarray, spec: TaskSpec, top: int = 1) -> TaskAnswer:
        """The most probable keywords, and the probability of the first."""
        lost, faulty = np.isnan(output).any(axis=1), np.isinf(output).any(axis=1)
        known = np.where((lost | faulty)[:, None], 0.0, output)
        best = np.argsort(-known, axis=1, kind="stable")[:, :top]
        ids = np.where(lost[:, None], LOST, np.where(faulty[:, None], NOT_A_NUMBER, best))
        first = np.take_along_axis(known, best[:, :1], axis=1)[:, 0]
        with np.errstate(over="ignore"):
            confidence = 1 / (1 + np.exp(-first))
        return TaskAnswer(ids.astype(np.int64), np.where(lost | faulty, 0.0, confidence).astype(np.float32))

    def score(self, ids: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """1 where the answer is one of the item's keywords."""
        ids = np.asarray(ids)
        return ((ids[:, None] == np.asarray(targets)) & (ids[:, None] >= 0)).any(axis=1).astype(np.float32)

    def right(self, ids: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return self.score(ids, targets) > 0.5
