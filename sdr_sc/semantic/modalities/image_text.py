# SPDX-License-Identifier: GPL-3.0-or-later
"""Items that are pictures or texts, in slots of one size (`sdr_sc.data.joint.slots`), for one network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sdr_sc.data.joint.slots import PICTURE, TEXT, longest_text, picture_slots, planes_of, side_of, text_slots, texts_of
from sdr_sc.data.ragged import HEAD_BYTES
from sdr_sc.semantic.modalities.base import Modality, register_modality
from sdr_sc.semantic.modalities.image import ImageModality
from sdr_sc.semantic.modalities.text import TextModality
from sdr_sc.semantic.modalities.text_tokens import JOINT_SIZES
from sdr_sc.semantic.specs import ModalitySpec

if TYPE_CHECKING:
    from torch import Tensor

SMALLEST_SIDE, LARGEST_SIDE = 16, 128
_LONGEST = 256


@register_modality
class ImageTextModality(Modality):
    """RGB pictures of one size, or UTF-8 texts; any other first byte of a slot counts as an empty text.

    Parameters of the contract: ``longest``, bytes of a text that are looked at, and those of `ImageModality` and of
    `TextModality`.
    """

    name = "image_text"

    def __init__(self, spec: ModalitySpec) -> None:
        super().__init__(spec)
        self._longest = spec.number("longest", _LONGEST)
        if not self.refusal():
            self._image, self._text = self._parts()

    def refusal(self) -> str:
        side = side_of(self.spec.shape[0]) if len(self.spec.shape) == 1 else 0
        if not SMALLEST_SIDE <= side <= LARGEST_SIDE:
            return (
                f"items of shape {list(self.spec.shape)}, where pictures or texts need one slot of 1 + 3 x side x side "
                f"bytes with a side of {SMALLEST_SIDE} to {LARGEST_SIDE} pixels"
            )
        if not (1 <= self._longest <= longest_text(side) and self._longest == int(self._longest)):
            return f"texts of {self._longest} bytes, which must be a whole number from 1 to {longest_text(side)}"
        image, text = self._parts()
        if not text.refusal() and text.sizes.words == 0:
            return "texts as bytes, where a network of pictures and texts takes words"
        return image.refusal() or text.refusal()

    def _parts(self) -> tuple[ImageModality, TextModality]:
        side, parameters = side_of(self.spec.shape[0]), self.spec.parameters
        text = ModalitySpec("text", (HEAD_BYTES + int(self._longest),), parameters)
        return ImageModality(ModalitySpec("image", (3, side, side), parameters)), TextModality(text)

    def network_input(self, items: np.ndarray) -> np.ndarray:
        """What the encoder sees: float32 (n, 1 + 3 side side + words (1 + 3 pieces)): 1 for a text, the pixels, which
        are 0 of texts, and the numbers of `token_numbers`, which are 0 of pictures."""
        return self.laid_out(items, self.tokens(items))

    @staticmethod
    def are_pictures(items: np.ndarray) -> np.ndarray:
        """Which of the items are pictures: bool (n,)."""
        return items[:, 0] == PICTURE

    def tokens(self, items: np.ndarray) -> np.ndarray:
        """Numbers of the texts among some items, in their order: float32 (texts, words, 1 + 3 pieces)."""
        texts = items[~self.are_pictures(items)].copy()
        texts[texts[:, 0] != TEXT] = 0
        return self._text.network_input(texts_of(texts, int(self._longest)))

    def laid_out(self, items: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """`network_input` where the texts' `tokens` are known."""
        is_text = ~self.are_pictures(items)
        pixels = items.shape[1] - 1
        found = np.zeros((len(items), 1 + pixels + tokens.shape[1] * tokens.shape[2]), np.float32)
        found[:, 0] = is_text
        found[~is_text, 1 : 1 + pixels] = self._image.network_input(planes_of(items[~is_text])).reshape(-1, pixels)
        found[is_text, 1 + pixels :] = tokens.reshape(len(tokens), tokens.shape[1] * tokens.shape[2])
        return found

    def training_input(self, items: Tensor) -> Tensor:
        import torch

        return torch.from_numpy(self.network_input(items.cpu().numpy())).to(items.device)

    def kinds(self) -> dict[str, np.ndarray]:
        side, slot = side_of(self.spec.shape[0]), HEAD_BYTES + int(self._longest)
        pixels, text = np.zeros((1, 3, side, side), np.uint8), np.zeros((1, slot), np.uint8)
        return {"picture": picture_slots(pixels, side), "text": text_slots(text, side)}

    @property
    def longest_text(self) -> int:
        return int(self._longest)

    def items_of_texts(self, slots: np.ndarray) -> np.ndarray:
        return text_slots(slots, side_of(self.spec.shape[0]))

    @classmethod
    def parameters_of(cls, items: np.ndarray) -> dict[str, Any]:
        pictures = items[cls.are_pictures(items)]
        pixels = ImageModality.parameters_of(planes_of(pictures)) if len(pictures) else {"mean": 0.0, "std": 1.0}
        return {**pixels, **JOINT_SIZES._asdict(), "longest": min(_LONGEST, longest_text(side_of(items.shape[1])))}

    @classmethod
    def augment(cls, items: Tensor, rng: np.random.Generator, policy: Any) -> Tensor:
        """The pictures among them changed as `ImageModality` does, the texts as they are."""
        import torch

        found = items.clone()
        places = torch.nonzero(items[:, 0] == PICTURE).flatten()
        if len(places):
            planes = torch.from_numpy(np.ascontiguousarray(planes_of(items[places].numpy())))
            found[places, 1:] = ImageModality.augment(planes, rng, policy).flatten(1)
        return found

    @classmethod
    def thumbnail(cls, item: np.ndarray) -> np.ndarray | None:
        """The picture, if it is one."""
        is_picture = item.ndim == 1 and item[0] == PICTURE and side_of(len(item)) > 0
        return planes_of(item[None])[0] if is_picture else None

    @classmethod
    def pictures(cls, items: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Those whose slots say so."""
        if items.ndim != 2 or not side_of(items.shape[1]):
            return super().pictures(items)
        which = cls.are_pictures(items)
        return which, planes_of(items[which]) if which.any() else None

    @classmethod
    def text(cls, item: np.ndarray) -> str:
        """The text, if it is one."""
        return TextModality.text(item[1:]) if item.ndim == 1 and item[0] == TEXT else super().text(item)
