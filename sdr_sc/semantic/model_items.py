# SPDX-License-Identifier: GPL-3.0-or-later
"""Data sets in the form of a model's items: where a model takes pictures or texts in slots, a set of either is put
into these, and its classes become those of the model that have their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.data.asked import QUESTION, AskedItems, asked_items, each_once
from sdr_sc.data.catalogue import check_known, load_dataset
from sdr_sc.data.dataset import LOADERS, Dataset, Split, warn_once
from sdr_sc.data.joint.slots import longest_text, picture_slots, side_of, text_slots
from sdr_sc.data.ragged import HEAD_BYTES
from sdr_sc.semantic import weights
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.shown import shown

_OPTION, _SLOTS = ",model=", "image_text"
_NONE = -1
_SHOWN_NAMES = 3


def is_model_form(contract: ModelContract, data: Dataset) -> bool:
    """Whether a data set's items are those of a model as they are."""
    kinds = (data.modality, contract.modality.name)
    return tuple(data.item_shape) == contract.item_shape and (kinds[0] == kinds[1] or _SLOTS not in kinds)


def fitted(items: np.ndarray, modality: str, contract: ModelContract) -> np.ndarray:
    """Items of a data set as those of a model: a model of pictures and texts takes either.

    Args:
        items: uint8 (n, *shape).
        modality: of the data set.

    Raises:
        ContractError: the model takes no such items.
    """
    if contract.modality.name == _SLOTS and modality in ("image", "text"):
        side = side_of(contract.item_shape[0])
        if modality == "image":
            return picture_slots(items, side)
        if items.shape[1] - HEAD_BYTES <= longest_text(side):
            return text_slots(items, side)
    contract.check_item(items.shape[1:])
    return items


@dataclass(frozen=True)
class FittedSet:
    """A `Dataset` of pictures or texts in the slots of a model that takes both.

    Its answers are the model's: a class is the model's of the same name, and one that the model does not have is
    unknown (-1), so that answers to its items count as neither right nor wrong. Where the answers are entries of a
    gallery they stay those of the data set.

    Args:
        data: pictures or texts; where it asks questions, each picture is an item once.
        contract: of the model.
        key: of the data set among joined ones, by which names are told apart that several have; '' for none.
    """

    data: Dataset
    contract: ModelContract
    key: str = ""

    def __len__(self) -> int:
        return len(self.data)

    @property
    def name(self) -> str:
        """As of ``data``, like the following ones."""
        return self.data.name

    @property
    def split(self) -> Split:
        return self.data.split

    @property
    def sha256(self) -> str:
        return self.data.sha256

    @property
    def training_sha256(self) -> str:
        return self.data.training_sha256

    @property
    def groups(self) -> np.ndarray:
        return np.asarray(getattr(self.data, "groups", ()), np.int64)

    @property
    def modality(self) -> str:
        """The model's."""
        return self.contract.modality.name

    @property
    def item_shape(self) -> tuple[int, ...]:
        """The model's."""
        return self.contract.item_shape

    @property
    def tasks(self) -> tuple[str, ...]:
        """The model's first, and those of its others that the data set has targets for."""
        first, *others = (task.name for task in self.contract.tasks)
        return (first, *(name for name in others if name in self._known))

    def items(self, index: np.ndarray) -> np.ndarray:
        """Slots by place: uint8 (n, *item_shape)."""
        return fitted(self.data.items(index), self.data.modality, self.contract)

    def targets(self, task: str, index: np.ndarray) -> np.ndarray:
        """Places among a task's names, -1 for what the model does not have; errors as of `Dataset`."""
        index = np.asarray(index)
        if task == self.tasks[0] and task not in self._known:
            return np.full(len(index), _NONE, np.int32)
        return self._known[task][self.data.targets(task, index)] if task in self._known else self._refused(task, index)

    def names(self, task: str) -> tuple[str, ...]:
        """The model's, or the data set's entries of a gallery; errors as of `Dataset`."""
        if task not in self.tasks:
            return self.data.names(task)  # has the sentence
        return self.contract.task(task).names or self.data.names(task)

    @property
    def asked_items(self) -> AskedItems | None:
        """What is asked of the pictures; None where nothing is that the model answers."""
        return asked_items(self.data) if QUESTION in self._known else None

    def unknown_names(self) -> list[str]:
        """Classes of the data set that the model does not have."""
        first = self.tasks[0]
        if first not in self._known:
            return []
        own, place_of = self.data.names(first), self._known[first]
        return [name for name, place in zip(own, place_of.tolist(), strict=False) if place == _NONE]

    def _refused(self, task: str, index: np.ndarray) -> np.ndarray:
        self.data.names(task)  # where it has none, this says so
        self.contract.task(task)
        return self.data.targets(task, index)

    @cached_property
    def _known(self) -> dict[str, np.ndarray]:
        """Of each task that both have: the place of each of the data set's names among the model's, then -1."""
        found = {}
        for spec in self.contract.tasks:
            if spec.name in self.data.tasks:
                own = self.data.names(spec.name)
                places = _places(own, spec.names, self.key) if spec.names else np.arange(len(own))
                if spec.name != QUESTION or tuple(own) == spec.names:
                    found[spec.name] = np.append(places, _NONE).astype(np.int32)  # [-1] is what is not known there
        return found


def _places(own: Sequence[str], names: Sequence[str], key: str) -> np.ndarray:
    """Of each of some names its place among others, or that of ``NAME (KEY)``, as joined sets call one of several.

    >>> _places(["food", "car"], ["food", "food (emoji)"], "emoji").tolist()
    [1, -1]
    """
    place_of = {name: place for place, name in enumerate(names)}
    return np.array([place_of.get(f"{one} ({key})", place_of.get(one, _NONE)) for one in own], np.int64)


def in_model_form(contract: ModelContract, data: Dataset, spec: str = "") -> Dataset:
    """A data set as the items of a model: as it is where these fit, in slots where the model takes pictures and texts.

    A warning is logged of classes that the model does not have.

    Args:
        spec: its name, if it has one.

    Raises:
        ContractError: the model takes no such items.
    """
    if is_model_form(contract, data):
        return data
    data = each_once(data)
    fitted(data.items(np.arange(min(1, len(data)))), data.modality, contract)
    found = FittedSet(data, contract, spec if spec in LOADERS else "")
    unknown = found.unknown_names()
    if unknown:
        some = ", ".join(shown(repr(name), 60) for name in unknown[:_SHOWN_NAMES])
        more = f" and {len(unknown) - _SHOWN_NAMES} more" if len(unknown) > _SHOWN_NAMES else ""
        warn_once(
            f"model {shown(repr(contract.name))} has no class {some}{more} of data set {shown(data.name)}: answers to "
            "their items count as neither right nor wrong"
        )
    return found


def load_items(spec: str, split: Split = "test") -> Any:
    """A data set as of `sdr_sc.data.catalogue.load_dataset`, or ``SPEC,model=MODEL`` in the form of a model's items.

    Raises:
        DataSetError: as of `load_dataset`.
        ContractError: the model cannot be read, or takes no such items.
    """
    listed, option, model = spec.rpartition(_OPTION)
    if not option:
        return load_dataset(spec, split)
    return in_model_form(weights.read_contract(model), load_dataset(listed, split), listed)


def spec_for(model: str | Path, spec: str) -> str:
    """What `load_items` takes for a data set that a model is to send: ``spec``, with the model added where the items
    have to be put into its form.

    Raises:
        DataSetError: the data set cannot be loaded.
        ContractError: the model cannot be read, or takes no such items.
    """
    contract, data = weights.read_contract(model), load_items(spec)
    if is_model_form(contract, data) or _OPTION in spec:
        return spec
    in_model_form(contract, data, spec)
    return f"{spec}{_OPTION}{model}"


def check_items(spec: str) -> None:
    """Refuse at once what `load_items` would not find.

    Raises:
        DataSetError, ContractError: there is no such data set or model.
    """
    listed, option, model = spec.rpartition(_OPTION)
    check_known(listed if option else spec)
    if option:
        weights.resolve(model)
