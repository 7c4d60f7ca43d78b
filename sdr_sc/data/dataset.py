# SPDX-License-Identifier: GPL-3.0-or-later
"""What a data set is, and how one gets a name."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal, Protocol

import numpy as np

from sdr_sc.errors import DataSetError
from sdr_sc.shown import shown

Split = Literal["train", "test"]
DEFAULT_DATA_SET = "fashion_mnist"
CLASSIFICATION = "classification"
_log = logging.getLogger(__name__)


class Dataset(Protocol):
    """Items of one modality with targets for one or more tasks.

    Attributes:
        name: for reports and model cards.
        split: ``train`` or ``test``.
        modality: of its items, such as ``image``.
        sha256: checksum over what it was read from, hexadecimal.
        training_sha256: the same of its training split, or '' where it has none; by it a model knows its own data.
        tasks: those that it has targets for, the usual one first.
    """

    @property
    def name(self) -> str: ...
    @property
    def split(self) -> Split: ...
    @property
    def modality(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def training_sha256(self) -> str: ...
    @property
    def tasks(self) -> tuple[str, ...]: ...

    def __len__(self) -> int: ...

    def items(self, index: np.ndarray) -> Any:
        """Items by place, in their modality's own array type."""
        ...

    def targets(self, task: str, index: np.ndarray) -> np.ndarray:
        """What a task's answers to these items are compared with: int32 (n, ...).

        Raises:
            DataSetError: it has no targets for this task.
        """
        ...

    def names(self, task: str) -> tuple[str, ...]:
        """What a task's answers are called, by their ids; errors as for `targets`."""
        ...

    @property
    def item_shape(self) -> tuple[int, ...]:
        """Shape of one item, uint8."""
        ...


@dataclass(frozen=True)
class ImageSet:
    """Labelled images: a `Dataset` of the modality ``image`` and the task ``classification``.

    Attributes:
        images: uint8, (items, height, width), or (items, 3, height, width) with red, green, blue; 0 is black.
        labels: int64, (items,), index into ``class_names``.
        class_names: one name for each label.
        sha256, training_sha256, name, split: see `Dataset`.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    sha256: str
    name: str = "images"
    split: Split = "test"
    training_sha256: str = ""
    modality: str = field(default="image", init=False)
    tasks: tuple[str, ...] = field(default=(CLASSIFICATION,), init=False)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def item_shape(self) -> tuple[int, ...]:
        """Shape of one image."""
        return self.images.shape[1:]

    def items(self, index: np.ndarray) -> np.ndarray:
        """Images by place: uint8 (n, [3,] height, width)."""
        return self.images[index]

    def targets(self, task: str, index: np.ndarray) -> np.ndarray:
        """Labels by place: int32 (n,); for the task ``classification`` alone."""
        if task != CLASSIFICATION:
            raise DataSetError(f"data set {self.name} has no targets for the task {task!r}; it has {CLASSIFICATION!r}.")
        return self.labels[index].astype(np.int32)

    def names(self, task: str) -> tuple[str, ...]:
        """The classes' names, for the task ``classification`` alone."""
        self.targets(task, np.empty(0, np.int64))
        return self.class_names

    def first(self, items: int) -> ImageSet:
        """The first ``items`` items."""
        chosen = first_places(self, items)
        return replace(self, images=self.images[chosen], labels=self.labels[chosen])


def first_places(data: Dataset, items: int) -> np.ndarray:
    """Places of a data set's first items, int64 (items,).

    Raises:
        DataSetError: it has fewer.
    """
    if not 1 <= items <= len(data):
        raise DataSetError(f"{items} items were asked for where the data set has {len(data)}; use 1 to {len(data)}.")
    return np.arange(items)


Loader = Callable[[Split], Any]
LOADERS: dict[str, Loader] = {}
"""Of registered data sets, by name; see `sdr_sc.data.catalogue`."""


def register_dataset(name: str) -> Callable[[Loader], Loader]:
    """Decorator: the function loads the data set of this name.

    Raises:
        DataSetError: another one has the name already.
    """

    def register(loader: Loader) -> Loader:
        known = LOADERS.setdefault(name, loader)
        if (known.__module__, known.__qualname__) != (loader.__module__, loader.__qualname__):
            raise DataSetError(f"data set {name!r} is registered twice; give one of them another name.")
        LOADERS[name] = loader
        return loader

    return register


def trained_on_others(model: str, trained_on: str, trained_on_sha256: str, data: Dataset) -> str | None:
    """A line about a model that was trained on another data set than it meets here; None where it was not.

    Args:
        model: its name.
        trained_on, trained_on_sha256: name and checksum of its training data, as its contract has them.
        data: what it meets.
    """
    if trained_on_sha256 in (data.sha256, data.training_sha256):
        return None
    return (
        f"model {shown(repr(model))} was trained on {shown(trained_on)} ({shown(trained_on_sha256[:8])}), and the "
        f"items here are {shown(data.name)}: accuracies say nothing about what it was made for"
    )


@lru_cache(maxsize=64)
def warn_once(text: str) -> None:
    """Log a warning, once in a process."""
    _log.warning("warning: %s", text)
