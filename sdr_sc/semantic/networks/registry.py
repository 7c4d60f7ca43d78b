# SPDX-License-Identifier: GPL-3.0-or-later
"""Encoders by the kind that a contract names: ours, and classes of the user's own by import path.

A model file never leads to code that runs: an import path in its contract is imported only where the user has named it,
by ``sdr-sc distill --encoder``, or in the environment variable ``SDR_SC_NETWORKS`` (several with commas between).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from sdr_sc.errors import ContractError
from sdr_sc.semantic.import_path import made_module
from sdr_sc.semantic.modalities.text_tokens import JOINT_SIZES, TokenSizes
from sdr_sc.semantic.networks.base import Encoder, OwnEncoder
from sdr_sc.semantic.networks.dense import SmallEncoder, StudentDecoder, StudentEncoder
from sdr_sc.semantic.networks.heads import MultiTaskDecoder
from sdr_sc.semantic.networks.image_text import ImageTextEncoder
from sdr_sc.semantic.networks.text import TextEncoder
from sdr_sc.shown import shown

NETWORKS_VARIABLE = "SDR_SC_NETWORKS"
_ENCODERS: dict[str, type[Encoder]] = {
    one.kind: one for one in (StudentEncoder, SmallEncoder, TextEncoder, ImageTextEncoder)
}
_allowed: set[str] = set()


def register_encoder(kind: str) -> Callable[[type[Encoder]], type[Encoder]]:
    """Decorator: models whose contract names this kind have this encoder."""

    def register(encoder: type[Encoder]) -> type[Encoder]:
        _ENCODERS[kind] = encoder
        encoder.kind = kind
        return encoder

    return register


def allow_encoder(kind: str) -> None:
    """Let a class be imported by its path in this process and in those that it starts; the user has named it."""
    _allowed.add(kind)
    listed = [one for one in os.environ.get(NETWORKS_VARIABLE, "").split(",") if one]
    if kind not in listed:
        os.environ[NETWORKS_VARIABLE] = ",".join([*listed, kind])


def check_items(kind: str, item_shape: Sequence[int]) -> str:
    """Why an encoder takes no items of a shape, see `Encoder.refusal`; '' if it does, or if only a trial can show."""
    return _ENCODERS[kind].refusal(item_shape) if kind in _ENCODERS else ""


def make_decoder(kind: Any, outputs: Sequence[int], k_max: int, width: int) -> nn.Module:
    """A decoder with new weights.

    Args:
        kind: as the contract has it.
        outputs: of each task.
        k_max: symbols of an item.
        width: of its layers.

    Raises:
        ContractError: the kind is unknown, or is for one task where there are more.
    """
    if kind == MultiTaskDecoder.kind:
        return MultiTaskDecoder(outputs, k_max, width)
    if kind != StudentDecoder.kind:
        known = f"{StudentDecoder.kind}, {MultiTaskDecoder.kind}"
        raise ContractError(f"a decoder of kind {shown(repr(kind), 80)} is unknown; this program knows {known}.")
    if len(outputs) != 1:
        raise ContractError(f"a decoder of kind {kind!r} is for one task, and its contract has {len(outputs)}.")
    return StudentDecoder(outputs[0], k_max, width)


def make_encoder(kind: str, k_max: int, item_shape: Sequence[int], numbers: Mapping[str, Any] | None = None) -> Encoder:
    """An encoder with new weights.

    Args:
        kind: a registered name, or ``module.path:Class`` whose constructor takes ``k_max`` and ``item_shape``.
        numbers: parameters of the modality, some of which say how many rows an encoder of texts has.

    Raises:
        ContractError: the kind is unknown, was not allowed, cannot be made, or gives what are no symbols.
    """
    if not isinstance(kind, str):
        raise ContractError(f"an encoder of kind {shown(repr(kind), 80)} is unknown; use another model.")
    if kind in _ENCODERS and issubclass(_ENCODERS[kind], TextEncoder):
        made: Any = _ENCODERS[kind]
        usual = JOINT_SIZES if issubclass(made, ImageTextEncoder) else TokenSizes()
        return made(k_max, tuple(item_shape), TokenSizes.of(numbers or {}, usual))
    if kind in _ENCODERS:
        return _ENCODERS[kind](k_max, tuple(item_shape))  # type: ignore[call-arg]
    if ":" not in kind:
        raise ContractError(
            f"an encoder of kind {shown(repr(kind), 80)} is unknown; use {', '.join(sorted(_ENCODERS))}, or a class of "
            "your own as module.path:Class."
        )
    if kind not in _allowed and kind not in os.environ.get(NETWORKS_VARIABLE, "").split(","):
        raise ContractError(
            f"the model's encoder is the class {shown(kind, 200)}, which is not imported unasked; if you trust it, set "
            f"{NETWORKS_VARIABLE}={shown(kind, 200)}."
        )
    wanted = "module.path:Class of a torch module whose constructor takes k_max and item_shape"
    network = made_module("student", kind, wanted, k_max=k_max, item_shape=tuple(item_shape))
    return OwnEncoder(kind, network, k_max, item_shape)
