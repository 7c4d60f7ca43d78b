# SPDX-License-Identifier: GPL-3.0-or-later
"""What a linear classifier makes of a teacher's vectors: how much of a task they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

PENALTIES = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 1e-4, 1e-5)
"""That are tried, of the squared weights of inputs of unit variance; few labels want a large one."""
_STEPS = 60


@dataclass(frozen=True)
class Probe:
    """A linear classifier.

    Attributes:
        centre, scale: by which inputs are brought to unit variance.
        weights, bias: float32 (dimensions, classes) and (classes,).
        penalty: one of `PENALTIES`.
    """

    centre: np.ndarray
    scale: float
    weights: np.ndarray
    bias: np.ndarray
    penalty: float

    def answers(self, vectors: np.ndarray) -> np.ndarray:
        """Classes of vectors (n, dimensions): int64 (n,)."""
        return np.asarray(self._logits(vectors).argmax(axis=1))

    def probabilities(self, vectors: np.ndarray) -> np.ndarray:
        """Of the classes: float32 (n, classes)."""
        logits = self._logits(vectors)
        found = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(found / found.sum(axis=1, keepdims=True), np.float32)

    def _logits(self, vectors: np.ndarray) -> np.ndarray:
        return np.asarray((vectors - self.centre) * self.scale @ self.weights + self.bias)


def fit_probe(vectors: np.ndarray, labels: np.ndarray, classes: int, penalty: float) -> Probe:
    """Multinomial logistic regression by L-BFGS.

    Args:
        vectors: (n, dimensions).
        labels: int (n,).
        penalty: weight of half the squared weights beside the mean cross entropy.
    """
    centre = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    scale = float(1.0 / max(float((vectors - centre).std()), 1e-9))
    x = torch.from_numpy(np.ascontiguousarray((vectors - centre) * scale, np.float32))
    y = torch.from_numpy(labels.astype(np.int64))
    weights = torch.zeros(x.shape[1], classes, requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weights, bias], max_iter=_STEPS, tolerance_grad=1e-5, line_search_fn="strong_wolfe", history_size=10
    )

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = nn.functional.cross_entropy(x @ weights + bias, y) + penalty / 2 * weights.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)
    return Probe(centre, scale, weights.detach().numpy(), bias.detach().numpy(), penalty)


def best_probe(
    train: tuple[np.ndarray, np.ndarray],
    held_out: tuple[np.ndarray, np.ndarray],
    classes: int,
    penalties: Sequence[float] = PENALTIES,
) -> Probe:
    """The one that is right most often on held-out items.

    Args:
        train, held_out: vectors (n, dimensions) and labels (n,).
    """
    probes = [fit_probe(*train, classes, penalty) for penalty in penalties]
    return max(probes, key=lambda probe: float((probe.answers(held_out[0]) == held_out[1]).mean()))
