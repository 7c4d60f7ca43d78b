# SPDX-License-Identifier: GPL-3.0-or-later
"""The Muon optimiser for the matrices of a small network."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


def orthogonalise(matrix: Tensor) -> Tensor:
    """The nearest matrix with all singular values about 1, by five steps of a Newton-Schulz iteration.

    Args:
        matrix: float32 (rows, columns).

    Returns:
        float32 of the same shape; singular values down to a hundredth of the largest become 0.6 to 1.3,
        smaller ones stay smaller.

    >>> found = orthogonalise(torch.randn(8, 30, generator=torch.Generator().manual_seed(1)))
    >>> bool((torch.linalg.svdvals(found) - 1).abs().max() < 0.4)
    True
    """
    a, b, c = _NEWTON_SCHULZ
    x = matrix / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    for _ in range(_ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised (Jordan et al., "Muon: An optimizer for hidden layers", 2024).

    torch's own takes matrices alone; here a convolution's kernel counts as the matrix of its output channels. At
    the sizes of the student a step costs little.

    Args:
        parameters: weights of linear layers and convolutions.
        lr: step length, in units of the matrices' spectral norm.
        momentum: of the gradient's running sum.
        weight_decay: part of a weight that a step of length 1 takes away.
    """

    def __init__(
        self, parameters: Iterable[Tensor], lr: float, momentum: float = 0.9, weight_decay: float = 0.1
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step; a closure is not called."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                running = state["momentum"].mul_(group["momentum"]).add_(weight.grad)
                ahead = weight.grad + group["momentum"] * running
                update = orthogonalise(ahead.reshape(len(weight), -1))
                scale = max(1.0, update.shape[0] / update.shape[1]) ** 0.5
                weight.mul_(1.0 - group["lr"] * group["weight_decay"])
                weight.add_(update.reshape(weight.shape), alpha=-group["lr"] * scale)
