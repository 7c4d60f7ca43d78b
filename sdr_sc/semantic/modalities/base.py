# SPDX-License-Identifier: GPL-3.0-or-later
"""What a modality is: what networks see of its items, and how items are changed at random in training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sdr_sc.errors import ContractError
from sdr_sc.shown import shown

if TYPE_CHECKING:
    from torch import Tensor

    from sdr_sc.semantic.contract import ModelContract
    from sdr_sc.semantic.specs import ModalitySpec


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


def blank_input(contract: ModelContract, items: int) -> Tensor:
    """What a model's encoder sees of so many items whose bytes are all 0, as an example of its input."""
    import torch

    zeros = torch.zeros(items, *contract.item_shape, dtype=torch.uint8)
    return modality_of(contract.modality).training_input(zeros)
