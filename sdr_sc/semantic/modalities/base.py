# SPDX-License-Identifier: GPL-3.0-or-later
"""What a modality is: what networks see of its items, how training changes them at random, and how one is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sdr_sc.errors import ContractError
from sdr_sc.shown import shown

if TYPE_CHECKING:
    from torch import Tensor

    from sdr_sc.semantic.contract import ModelContract
    from sdr_sc.semantic.specs import ModalitySpec


_BYTES_SHOWN = 8
_WORDS = ("image", "text")


def item_word(modality: str) -> str:
    """What an item of a modality is called in figures, one of them.

    >>> item_word("text"), item_word("image_text")
    ('text', 'item')
    """
    return modality if modality in _WORDS else "item"


class Modality:
    """A modality with the parameters of one model; a subclass is registered with `register_modality`.

    `thumbnail` and `text` say how one item is shown; both are asked of the class, as a report has no contract at hand.

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

    def network_input(self, items: np.ndarray) -> np.ndarray:
        """What the encoder sees: float32 (n, ...), of uint8 (n, *shape)."""
        raise NotImplementedError

    def training_input(self, items: Tensor) -> Tensor:
        """The same in training, on the device where the items are."""
        raise NotImplementedError

    def kinds(self) -> dict[str, np.ndarray]:
        """An example of each kind of item that costs differently, uint8 (1, *shape), by its name."""
        return {"item": np.zeros((1, *self.spec.shape), np.uint8)}

    @property
    def longest_text(self) -> int:
        """Bytes of the longest text that an item may be; 0 where no item is a text."""
        return 0

    def items_of_texts(self, slots: np.ndarray) -> np.ndarray:
        """Texts as items, uint8 (n, *shape), from slots (`sdr_sc.data.ragged`) for texts of `longest_text` bytes."""
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

    @classmethod
    def thumbnail(cls, item: np.ndarray) -> np.ndarray | None:
        """An item as a picture for reports and displays.

        Args:
            item: uint8, of the contract's shape.

        Returns:
            uint8 (height, width), or (3, height, width) of red, green and blue; None where `text` shows it better.
        """
        return None

    @classmethod
    def pictures(cls, items: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """The pictures among items, uint8 (n, *shape).

        Returns:
            bool (n,), which are pictures; and these, uint8 (pictures, [3,] height, width), None where there are none.
        """
        return np.zeros(len(items), bool), None

    @classmethod
    def text(cls, item: np.ndarray) -> str:
        """An item in a few words, which are shown where there is no `thumbnail`; here its first bytes.

        >>> Modality.text(np.arange(100, dtype=np.uint8))
        '100 bytes: 00 01 02 03 04 05 06 07 ...'
        """
        raw = np.ascontiguousarray(item).tobytes()
        return f"{len(raw)} bytes: {raw[:_BYTES_SHOWN].hex(' ')}{' ...' if len(raw) > _BYTES_SHOWN else ''}"


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


def display_of(name: str) -> type[Modality]:
    """The modality that shows items of this name: where it is not known here, `Modality`, which shows their bytes."""
    return _MODALITIES.get(name, Modality)


def modality_of(spec: ModalitySpec) -> Modality:
    """The modality of a contract.

    Raises:
        ContractError: there is none of that name.
    """
    return modality_class(spec.name)(spec)


def blank_input(contract: ModelContract, items: int) -> Tensor:
    """What a model's encoder sees of so many items whose bytes are all 0, as an example of its input."""
    import torch

    zeros = torch.zeros(items, *contract.item_shape, dtype=torch.uint8)
    return modality_of(contract.modality).training_input(zeros)
