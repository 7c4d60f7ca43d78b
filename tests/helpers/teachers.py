# SPDX-License-Identifier: GPL-3.0-or-later
"""Teachers for tests."""

from __future__ import annotations

from pathlib import Path

import torch

from sdr_sc.data import fashion_mnist
from sdr_sc.distill.teachers.efficientnet import EfficientNetLite2, TeacherCard, save


class Linear(torch.nn.Module):
    """A seeded linear map of the pixels, by the import path ``teachers:Linear``."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.body, self.head = torch.nn.Linear(784, 24), torch.nn.Linear(24, 10)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.body(images.flatten(1) / 255.0)
        return self.head(features), features


def small_teacher(path: Path) -> Path:
    """Write an EfficientNet-Lite2 of random weights for images of 32 pixels, in the format of ``teacher fit``."""
    images = torch.tensor(fashion_mnist.load("test").images[:32]).unsqueeze(1)
    torch.manual_seed(1)
    network = EfficientNetLite2(32, 2, 10, pretrained=False)
    with torch.no_grad():  # without statistics of real maps its answers are all but zero
        for _ in range(20):
            network(images)
    torch.nn.init.normal_(network.head.weight, std=0.3)
    save(path, network.eval(), TeacherCard(32, 2, fashion_mnist.CLASS_NAMES, "none", "0" * 64))
    return path
