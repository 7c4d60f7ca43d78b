# SPDX-License-Identifier: GPL-3.0-or-later
"""One encoder for pictures and texts: a stem for each, and one trunk to complex feature symbols."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sdr_sc.data.joint.slots import side_of
from sdr_sc.semantic.modalities.text_tokens import JOINT_SIZES, TokenSizes
from sdr_sc.semantic.networks.dense import Residual, WeightedPool, convolution
from sdr_sc.semantic.networks.text import TextEncoder

SMALLEST_SIDE, LARGEST_SIDE = 16, 128
_LARGEST_MAP = 5


class PictureStem(nn.Module):
    """RGB pictures to a vector.

    Input: float32 (items, 3, side, side). Output: float32 (items, width).

    Args:
        side: of the pictures, pixels.
        width: of the vector.

    Attributes:
        channels: of the stages, each of which halves the sides.
    """

    channels = (32, 64, 128)

    def __init__(self, side: int, width: int) -> None:
        super().__init__()
        first, middle, last = self.channels
        stages: list[nn.Module] = [convolution(3, first, 5, stride=2), Residual(first)]
        side = -(-side // 2)
        for n_in, n_out in ((first, middle), (middle, last)):
            stages += [convolution(n_in, n_out, stride=2), Residual(n_out)]
            side = -(-side // 2)
        while side > _LARGEST_MAP:
            stages.append(convolution(last, last, stride=2))
            side = -(-side // 2)
        self.features = nn.Sequential(*stages)
        self.pool = WeightedPool(last, side, side)
        self.out = nn.Linear(last, width)

    def forward(self, pictures: Tensor) -> Tensor:
        if self.training:  # the same numbers, and a sixth less time forward and back
            pictures = pictures.contiguous(memory_format=torch.channels_last)
        return self.out(self.pool(self.features(pictures)))


class ImageTextEncoder(TextEncoder):
    """Picture or text, and SNR, to ``k_max`` complex feature symbols, best first.

    Texts go as through `TextEncoder`; pictures through a stem of their own to a vector of the same length, and from
    there the same way: what follows cannot tell which it was.

    Input: float32 (items, 1 + 3 side side + words (1 + 3 pieces)), see
    `sdr_sc.semantic.modalities.image_text.ImageTextModality.network_input`.

    Args:
        k_max: symbols of an item.
        item_shape: of a slot, from which the side of the pictures follows.
        sizes: of the numbers of texts.
    """

    kind = "image_text"

    def __init__(self, k_max: int = 32, item_shape: Sequence[int] = (3073,), sizes: TokenSizes = JOINT_SIZES) -> None:
        super().__init__(k_max, sizes=sizes)
        self.side = side_of(item_shape[0])
        self.picture = PictureStem(self.side, self.width)

    @classmethod
    def refusal(cls, item_shape: Sequence[int]) -> str:
        side = side_of(item_shape[0]) if len(item_shape) == 1 else 0
        fits = SMALLEST_SIDE <= side <= LARGEST_SIDE
        return "" if fits else f"slots of pictures of {SMALLEST_SIDE} to {LARGEST_SIDE} pixels a side or texts"

    def adamw_modules(self) -> list[nn.Module]:
        return [self.picture.features[0][0], *super().adamw_modules()]  # type: ignore[index]

    def pooled(self, images: Tensor) -> Tensor:
        pixels = 3 * self.side * self.side
        is_text = images[:, 0] > 0
        if torch.onnx.is_in_onnx_export() or torch.jit.is_tracing():  # a graph has no place for items of one kind
            return torch.where(
                is_text.unsqueeze(1),
                self._of_texts(images[:, 1 + pixels :]),
                self._of_pictures(images[:, 1 : 1 + pixels]),
            )
        found = images.new_empty(len(images), self.width)
        if bool(is_text.any()):
            found[is_text] = self._of_texts(images[is_text, 1 + pixels :])
        if not bool(is_text.all()):
            found[~is_text] = self._of_pictures(images[~is_text, 1 : 1 + pixels])
        return found

    def _of_texts(self, numbers: Tensor) -> Tensor:
        return self.stem(numbers.unflatten(1, (self.sizes.words, -1)))

    def _of_pictures(self, pixels: Tensor) -> Tensor:
        return self.picture(pixels.view(-1, 3, self.side, self.side))
