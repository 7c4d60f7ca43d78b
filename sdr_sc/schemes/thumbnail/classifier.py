# SPDX-License-Identifier: GPL-3.0-or-later
"""The classifier of thumbnails: a convolutional network of about 0.12 M parameters, for any side."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

WIDTHS = (32, 48, 64)
_BINS = 2


class ThumbnailNet(nn.Module):
    """Two convolutions at full size, three at half of it, and a linear layer.

    Args:
        classes: how many it tells apart.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        first, second, third = WIDTHS
        self.c1, self.c2 = _convolution(1, first), _convolution(first, second)
        self.c3, self.c4, self.c5 = _convolution(second, third), _convolution(third, third), _convolution(third, third)
        self.f = nn.Linear(_BINS * _BINS * third, classes)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Logits (n, classes) of values (n, 1, side, side), 0..1."""
        values = functional.relu(self.c2(functional.relu(self.c1(values))))
        values = functional.relu(self.c3(functional.max_pool2d(values, 2)))
        values = functional.relu(values + self.c5(functional.relu(self.c4(values))))
        return self.f(functional.adaptive_avg_pool2d(values, _BINS).flatten(1))


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs))


def probabilities(network: nn.Module, values: np.ndarray) -> np.ndarray:
    """float32 (n, classes), rows of sum 1, for float32 values (n, side, side), 0..1; n is 1 or more. Each image is seen
    as it is and mirrored, and the logits are averaged."""
    with torch.inference_mode():
        parts = []
        for first in range(0, len(values), 250):
            images = torch.from_numpy(values[first : first + 250, None])
            parts.append((network(images) + network(images.flip(3))) / 2)
    return functional.softmax(torch.cat(parts), 1).numpy()
