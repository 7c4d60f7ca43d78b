# SPDX-License-Identifier: GPL-3.0-or-later
"""What a modality is: how items are packed into bytes, what networks see of them, and how people are shown them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sdr_sc.errors import ContractError
from sdr_sc.shown import shown

if TYPE_CHECKING:
    from torch import Tensor

    from sdr_sc.semantic.specs import ModalitySpec


@dataclass(frozen=True)
class ItemBatch:
    """Items as they travel: bytes one behind the other, with the length of each.

    Attributes:
        data: uint8 (sum of lengths,).
        lengths: int32 (n,).
    """

    data: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, items: np.ndarray) -> ItemBatch:
        """Items of one length: uint8 (n, ...)."""
        flat = items.reshape(len(items), -1)
        return cls(flat.ravel(), np.full(len(items), flat.shape[1], np.int32))


class Modality:
    """A modality with the parameters of one model; a subclass is registered with `register_modality`.

    Args:
        spec: of the model's contract.

    Attributes:
        name: in contracts and data sets.
    """

    name = ""

    def __init__(self, spec: ModalitySpec) -> None:
        self.spec = spec

    def refusal(self) -> str:
        """Why the parameters make no sense, to follow "has"; '' if they do."""
        return ""

    def pack(self, items: np.ndarray) -> ItemBatch:
        """Items as bytes."""
        return ItemBatch.of(np.ascontiguousarray(items, np.uint8))

    def unpack(self, batch: ItemBatch) -> np.ndarray:
        """The items of `pack`: uint8 (n, *shape).

        Raises:
            ContractError: an item has another length.
        """
        size = int(np.prod(self.spec.shape))
        if not np.all(batch.lengths == size):
            raise ContractError(f"items of {batch.lengths.max()} bytes arrive where {size} are needed.")
        return batch.data.reshape(-1, *self.spec.shape)

    def network_input(self, items: np.ndarray) -> np.ndarray:
        """What the encoder sees: float32 (n, ...), of uint8 (n, *shape)."""
        raise NotImplementedError

    def training_input(self, items: Tensor) -> Tensor:
        """The same in training, on the device where the items are."""
        raise NotImplementedError

    @classmethod
    def parameters_of(cls, items: np.ndarray) -> dict[str, Any]:
        """The contract's parameters for a model that is trained on these items, such as their normalisation."""
        return {}

    @classmethod
    def augment(cls, items: Tensor, rng: np.random.Generator, policy: Any) -> Tensor:
        """The items as a training step is shown them, changed at random; here as they are.

        Args:
            policy: how images are changed, see `sdr_sc.semantic.modalities.image_views.ViewPolicy`.
        """
        return items

    def picture(self, item: np.ndarray) -> np.ndarray | None:
        """An item as an image, uint8 (height, width) or (3, height, width), for reports and displays; None if it has
        none."""
        return None

    def text(self, item: np.ndarray) -> str:
        """An item in words, where it has no picture."""
        return ""


_MODALITIES: dict[str, type[Modality]] = {}


def register_modality(modality: type[Modality]) -> type[Modality]:
    """Decorator of a subclass of `Modality`: contracts may name it."""
    _MODALITIES[modality.name] = modality
    return modality


def modality_class(name: str) -> type[Modality]:
    """The class of a modality by its name.

    Raises:
        ContractError: there is none.
    """
    if name not in _MODALITIES:
        raise ContractError(
            f"modality {shown(repr(name), 80)} is unknown; this program knows {', '.join(sorted(_MODALITIES))}."
        )
    return _MODALITIES[name]


def modality_of(spec: ModalitySpec) -> Modality:
    """The modality of a contract.

    Raises:
        ContractError: there is none of that name.
    """
    return modality_class(spec.name)(spec)
