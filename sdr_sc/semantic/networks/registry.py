# SPDX-License-Identifier: GPL-3.0-or-later
"""Encoders by the kind that a contract names: ours, and classes of the user's own by import path.

A model file never leads to code that runs: an import path in its contract is imported only where the user has named it,
by ``sdr-sc distill --encoder``, or in the environment variable ``SDR_SC_NETWORKS`` (several with commas between).
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from sdr_sc.errors import ContractError
from sdr_sc.semantic.networks.base import Encoder, OwnEncoder
from sdr_sc.semantic.networks.dense import StudentEncoder
from sdr_sc.shown import reason_of, shown

NETWORKS_VARIABLE = "SDR_SC_NETWORKS"
_ENCODERS: dict[str, type[Encoder]] = {StudentEncoder.kind: StudentEncoder}
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
    """Why an encoder takes no items of a shape, see `Encoder.refusal`; '' if it does, or if only a trial can tell."""
    return _ENCODERS[kind].refusal(item_shape) if kind in _ENCODERS else ""


def make_encoder(kind: str, k_max: int, item_shape: Sequence[int]) -> Encoder:
    """An encoder with new weights.

    Args:
        kind: a registered name, or ``module.path:Class`` whose constructor takes ``k_max`` and ``item_shape``.

    Raises:
        ContractError: the kind is unknown, was not allowed, cannot be made, or gives what are no symbols.
    """
    if not isinstance(kind, str):
        raise ContractError(f"an encoder of kind {shown(repr(kind), 80)} is unknown; use another model.")
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
    return OwnEncoder(kind, _made(kind, k_max, item_shape), k_max, item_shape)


def _made(kind: str, k_max: int, item_shape: Sequence[int]) -> nn.Module:
    module_name, _, attribute = kind.partition(":")
    # The command's path begins with the folder of the script; a user's own file is in the one where it is called.
    added = os.getcwd() not in sys.path
    if added:
        sys.path.insert(0, os.getcwd())
    try:
        made: Any = getattr(importlib.import_module(module_name), attribute)(k_max=k_max, item_shape=tuple(item_shape))
    except Exception as error:
        raise ContractError(
            f"student {shown(kind, 200)} cannot be made ({type(error).__name__}: {reason_of(error)}); give "
            "module.path:Class of a torch module whose constructor takes k_max and item_shape."
        ) from error
    finally:
        if added:
            sys.path.remove(os.getcwd())
    if not isinstance(made, nn.Module):
        raise ContractError(f"student {shown(kind, 200)} makes a {type(made).__name__}; let it be a torch.nn.Module.")
    return made
