# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a training run as arrays by name: what a checkpoint holds, and what federated clients exchange."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from sdr_sc.documents import parse_json, whole_number
from sdr_sc.errors import ContractError, SdrScError
from sdr_sc.semantic.specs import ModalitySpec
from sdr_sc.shown import shown

Arrays = dict[str, np.ndarray]

_EPOCH, _MODALITY = "epoch", "modality"
_FIX = "give the state of a run with the same networks"


@dataclass(frozen=True)
class TrainState:
    """All that training changes, between two epochs.

    Attributes:
        epoch: epochs done.
        modality: of the items, with the parameters (such as the normalisation) that all later epochs use.
        weights: of the networks and of all that is learned beside them, by torch's names (``student.encoder...``).
        average: of the running mean of the student's weights, which is what ships (``encoder...``, ``decoder...``).
        optimisers: what the optimisers keep of each weight, ``<name of the weight>/<name of the value>``.
    """

    epoch: int
    modality: ModalitySpec
    weights: Arrays
    average: Arrays
    optimisers: Arrays = field(default_factory=dict)

    def to_arrays(self) -> Arrays:
        """The whole state in one dictionary: ``epoch`` (int64, of no dimension), ``modality`` (uint8, JSON), and
        ``weights/...``, ``average/...`` and ``optimisers/...``. The mean of several such dictionaries of one epoch is a
        state again."""
        spec = {"name": self.modality.name, "shape": self.modality.shape, "parameters": self.modality.parameters}
        modality = np.frombuffer(json.dumps(spec, sort_keys=True).encode(), np.uint8)
        parts = {"weights": self.weights, "average": self.average, "optimisers": self.optimisers}
        named = {f"{part}/{name}": value for part, arrays in parts.items() for name, value in arrays.items()}
        return {_EPOCH: np.array(self.epoch, np.int64), _MODALITY: modality, **named}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> TrainState:
        """The state that `to_arrays` gave.

        Raises:
            SdrScError: they are not that, or a value is no finite number.
        """
        parts: dict[str, Arrays] = {"weights": {}, "average": {}, "optimisers": {}}
        for name, value in arrays.items():
            part, _, rest = name.partition("/")
            if name in (_EPOCH, _MODALITY):
                continue
            if part not in parts or not rest:
                raise SdrScError(f"a training state has no array {shown(repr(name), 80)}; {_FIX}.")
            parts[part][rest] = np.asarray(value)
            if parts[part][rest].dtype.kind == "f" and not np.isfinite(parts[part][rest]).all():
                raise SdrScError(
                    f"array {shown(repr(name), 80)} of a training state holds values that are no finite numbers; lower "
                    "the learning rate, or leave that state out."
                )
        epoch = _epoch(arrays.get(_EPOCH))
        return cls(epoch, _modality(arrays.get(_MODALITY)), **parts)


def _epoch(value: np.ndarray | None) -> int:
    found = None if value is None or np.size(value) != 1 else whole_number(np.asarray(value).item(), 0, 1 << 40)
    if found is None:
        raise SdrScError(f"the 'epoch' of a training state is no whole number of 0 or more; {_FIX}.")
    return found


def _modality(value: np.ndarray | None) -> ModalitySpec:
    if value is None or np.ndim(value) != 1:
        raise SdrScError(f"the 'modality' of a training state is no JSON text; {_FIX}.")
    raw = parse_json(np.asarray(value).astype(np.uint8).tobytes(), "the modality of a training state", _FIX)
    try:
        return ModalitySpec(str(raw["name"]), tuple(raw["shape"]), dict(raw["parameters"]))
    except (ContractError, KeyError, TypeError, ValueError):
        raise SdrScError(f"the 'modality' of a training state is none; {_FIX}.") from None


def module_arrays(module: nn.Module) -> Arrays:
    """Copies of a module's parameters and buffers, by name."""
    return {name: _copy(value) for name, value in module.state_dict().items()}


def load_module(module: nn.Module, arrays: Mapping[str, np.ndarray], what: str) -> None:
    """Set a module's parameters and buffers.

    Args:
        arrays: as `module_arrays` gives them.
        what: for the error's sentence: ``weights``.

    Raises:
        SdrScError: they are of another module.
    """
    own = module.state_dict()
    if own.keys() != arrays.keys():
        name = sorted(own.keys() ^ arrays.keys())[0]
        lacks = "lack" if name in own else "have"
        raise SdrScError(f"the {what} of a training state {lacks} {shown(repr(name), 80)}; {_FIX}.")
    for name, value in own.items():
        _set(value, arrays[name], f"array {name!r} of the {what} of a training state")


def optimiser_arrays(optimisers: Iterable[torch.optim.Optimizer], module: nn.Module) -> Arrays:
    """Copies of what optimisers keep of a module's parameters: ``<parameter>/<value>``."""
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    return {
        f"{names[id(parameter)]}/{entry}": _copy(value)
        for optimiser in optimisers
        for parameter, kept in optimiser.state.items()
        for entry, value in kept.items()
    }


def load_optimisers(
    optimisers: Iterable[torch.optim.Optimizer], module: nn.Module, arrays: Mapping[str, np.ndarray]
) -> None:
    """Give optimisers what `optimiser_arrays` took from them.

    Raises:
        SdrScError: it is of another module.
    """
    parameters = dict(module.named_parameters())
    owner = {id(p): one for one in optimisers for group in one.param_groups for p in group["params"]}
    for name, value in arrays.items():
        parameter_name, _, entry = name.rpartition("/")
        parameter = parameters.get(parameter_name)
        if parameter is None or id(parameter) not in owner:
            raise SdrScError(f"the optimisers of a training state have {shown(repr(name), 80)}; {_FIX}.")
        # In the parameter's own memory layout, which fused optimisers take for granted.
        scalar = np.ndim(value) == 0 and parameter.ndim > 0
        kept = torch.zeros((), device=parameter.device) if scalar else torch.zeros_like(parameter)
        _set(kept, value, f"array {shown(repr(name), 80)} of the optimisers of a training state")
        owner[id(parameter)].state[parameter][entry] = kept


def _copy(value: Tensor) -> np.ndarray:
    return np.array(value.detach().cpu().numpy(), order="C")


@torch.no_grad()
def _set(tensor: Tensor, value: np.ndarray, what: str) -> None:
    given = np.asarray(value)
    if given.shape != tuple(tensor.shape) or given.dtype.kind not in "fiub":
        raise SdrScError(f"{what} is {given.dtype} {given.shape} where {tuple(tensor.shape)} is needed; {_FIX}.")
    tensor.copy_(torch.from_numpy(np.array(given, order="C")))
