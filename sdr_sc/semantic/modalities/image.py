# SPDX-License-Identifier: GPL-3.0-or-later
"""Grey images (height, width), and RGB images (3, height, width), uint8."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from sdr_sc.semantic.modalities.base import Modality, register_modality

if TYPE_CHECKING:
    from torch import Tensor

    from sdr_sc.semantic.specs import ModalitySpec


@register_modality
class ImageModality(Modality):
    """Pixels, normalised by the mean and the standard deviation of the training images."""

    name = "image"

    def __init__(self, spec: ModalitySpec) -> None:
        super().__init__(spec)
        mean, std = spec.number("mean", 0.0), spec.number("std", 1.0)
        self._mean, self._std = mean, std
        if not self.refusal():
            # A pixel is one of 256 values: looking them up is quicker than three passes of arithmetic.
            self._normalised = ((np.arange(256, dtype=np.float32) / 255 - mean) / std).astype(np.float32)

    def refusal(self) -> str:
        if not (math.isfinite(self._mean) and math.isfinite(self._std) and self._std > 0):
            return f"the normalisation {[self._mean, self._std]}, which must be a mean and a standard deviation above 0"
        return ""

    @classmethod
    def parameters_of(cls, items: np.ndarray) -> dict[str, Any]:
        scaled = items / np.float32(255)
        return {"mean": float(scaled.mean()), "std": float(scaled.std())}

    @classmethod
    def augment(cls, items: Tensor, rng: np.random.Generator, policy: Any) -> Tensor:
        """Flipped, moved and with squares erased, as the policy says."""
        from sdr_sc.semantic.modalities.image_views import apply_views, draw_views

        return apply_views(items, draw_views(policy, items.shape[1:], len(items), rng))

    @classmethod
    def thumbnail(cls, item: np.ndarray) -> np.ndarray | None:
        """The image itself."""
        return item

    @classmethod
    def pictures(cls, items: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """All of them."""
        return np.ones(len(items), bool), items

    def network_input(self, items: np.ndarray) -> np.ndarray:
        planes = items if items.ndim == 4 else items[:, None]
        return self._normalised.take(planes, mode="clip")  # 'raise' would check each of them

    def training_input(self, items: Tensor) -> Tensor:
        planes = items if items.ndim == 4 else items.unsqueeze(1)
        return (planes.float() / 255.0 - self._mean) / self._std
