# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts in slots (`sdr_sc.data.texts`), which networks see as numbers of words and pieces of words, or as bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sdr_sc.data.ragged import HEAD_BYTES, LONGEST
from sdr_sc.data.texts import text_of
from sdr_sc.errors import DataSetError
from sdr_sc.semantic.modalities.base import Modality, register_modality
from sdr_sc.semantic.modalities.text_tokens import TokenSizes, token_numbers
from sdr_sc.shown import shown

if TYPE_CHECKING:
    from torch import Tensor

    from sdr_sc.semantic.specs import ModalitySpec

MOST_WORDS, MOST_ROWS, MOST_PIECES = 1024, 1 << 20, 64
_SHOWN = 200


@register_modality
class TextModality(Modality):
    """UTF-8 texts.

    Parameters of the contract, all whole numbers: ``words``, ``word_rows``, ``piece_rows`` and ``pieces``, see
    `TokenSizes`. With 0 words the network sees bytes.
    """

    name = "text"

    def __init__(self, spec: ModalitySpec) -> None:
        super().__init__(spec)
        numbers = (spec.number(name, default) for name, default in TokenSizes()._asdict().items())
        self._numbers = tuple(numbers)
        if not self.refusal():
            self.sizes = TokenSizes(*map(int, self._numbers))

    def refusal(self) -> str:
        limits = ((0, MOST_WORDS), (2, MOST_ROWS), (2, MOST_ROWS), (0, MOST_PIECES))
        for name, value, (low, high) in zip(TokenSizes._fields, self._numbers, limits, strict=True):
            if not (low <= value <= high and value == int(value)):
                return f"{shown(name)} of {value}, which must be a whole number from {low} to {high}"
        if len(self.spec.shape) != 1 or not HEAD_BYTES < self.spec.shape[0] <= HEAD_BYTES + LONGEST:
            return f"items of shape {list(self.spec.shape)}, where a text needs one slot of up to {LONGEST} bytes"
        return ""

    def network_input(self, items: np.ndarray) -> np.ndarray:
        """What the encoder sees.

        Returns:
            float32, whole numbers: (n, words, 1 + 3 pieces) as of `token_numbers`; or, with 0 words, (n, longest): the
            bytes plus 1, and 0 after the text's end.
        """
        if self.sizes.words:
            return token_numbers(items, self.sizes).astype(np.float32)
        lengths = items[:, 0].astype(np.int32) + (items[:, 1].astype(np.int32) << 8)
        inside = np.arange(items.shape[1] - HEAD_BYTES) < lengths[:, None]
        return (items[:, HEAD_BYTES:].astype(np.float32) + 1) * inside

    def training_input(self, items: Tensor) -> Tensor:
        import torch

        return torch.from_numpy(self.network_input(items.cpu().numpy())).to(items.device)

    @property
    def longest_text(self) -> int:
        return self.spec.shape[0] - HEAD_BYTES

    def items_of_texts(self, slots: np.ndarray) -> np.ndarray:
        return slots

    @classmethod
    def parameters_of(cls, items: np.ndarray) -> dict[str, Any]:
        return TokenSizes()._asdict()

    @classmethod
    def text(cls, item: np.ndarray) -> str:
        """The text itself, its middle left out where it is long; without what moves a cursor or turns its direction."""
        try:
            return shown(text_of(item), _SHOWN)
        except DataSetError:
            return super().text(item)
