# SPDX-License-Identifier: GPL-3.0-or-later
"""What a data set is, and how one gets a name."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal, Protocol

import numpy as np

from sdr_sc.data.packages.package import Package
from sdr_sc.data.ragged import HEAD_BYTES
from sdr_sc.data.texts import Texts
from sdr_sc.errors import DataSetError
from sdr_sc.shown import shown

Split = Literal["train", "validation", "test"]
"""Parts of a data set; many have no ``validation``."""
DEFAULT_DATA_SET = "fashion_mnist"
CLASSIFICATION = "classification"
_log = logging.getLogger(__name__)


class Dataset(Protocol):
    """Items of one modality with targets for one or more tasks.

    Attributes:
        name: for reports and model cards.
        split: ``train``, ``test``, or ``validation`` where it has such a part.
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
class Targets:
    """What one task's answers are compared with.

    Attributes:
        ids: whole numbers (items, ...), places among the names.
        names: what the answers are called: classes, or the entries of a gallery.
    """

    ids: np.ndarray
    names: Sequence[str]

    def at(self, places: np.ndarray) -> Targets:
        """Those of some items."""
        return Targets(self.ids[places], self.names)


class SeveralTasks:
    """Targets of the task ``classification``, and of others: what data sets of labelled items have in common.

    A subclass has the attributes ``name``, ``labels``, ``class_names`` and ``more``, see `ImageSet`.
    """

    name: str
    labels: np.ndarray
    class_names: tuple[str, ...]
    more: Mapping[str, Targets]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Those that it has targets for, ``classification`` first."""
        return (CLASSIFICATION, *self.more)

    def targets(self, task: str, index: np.ndarray) -> np.ndarray:
        """Places among a task's names, by items: int32 (n, ...).

        Raises:
            DataSetError: it has no targets for this task.
        """
        return np.asarray(self._targets(task).ids[index], np.int32)

    def names(self, task: str) -> tuple[str, ...]:
        """What a task's answers are called; errors as for `targets`."""
        return tuple(self._targets(task).names)

    def _targets(self, task: str) -> Targets:
        if task == CLASSIFICATION:
            return Targets(self.labels, self.class_names)
        if task not in self.more:
            raise DataSetError(
                f"data set {self.name} has no targets for the task {task!r}; it has {', '.join(map(repr, self.tasks))}."
            )
        return self.more[task]


_NO_GROUPS = np.empty(0, np.int64)


@dataclass(frozen=True)
class ImageSet(SeveralTasks):
    """Labelled images: a `Dataset` of the modality ``image`` and the task ``classification``, and perhaps others.

    Attributes:
        images: uint8, (items, height, width), or (items, 3, height, width) with red, green, blue; 0 is black.
        labels: int64, (items,), index into ``class_names``.
        class_names: one name for each label.
        sha256, training_sha256, name, split: see `Dataset`.
        more: targets of other tasks, by their names.
        groups: int64 (items,), alike for items of one origin, such as the pictures of one drawing, all of which lie in
            one split; empty where each item is one of its own. Intervals have to be over groups, not items.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    sha256: str
    name: str = "images"
    split: Split = "test"
    training_sha256: str = ""
    more: Mapping[str, Targets] = field(default_factory=dict)
    groups: np.ndarray = field(default_factory=lambda: _NO_GROUPS)
    modality: str = field(default="image", init=False)

    @property
    def item_shape(self) -> tuple[int, ...]:
        """Shape of one image."""
        return self.images.shape[1:]

    def items(self, index: np.ndarray) -> np.ndarray:
        """Images by place: uint8 (n, [3,] height, width)."""
        return self.images[index]

    def first(self, items: int) -> ImageSet:
        """The first ``items`` items."""
        chosen = first_places(self, items)
        more = {task: targets.at(chosen) for task, targets in self.more.items()}
        groups = self.groups[chosen] if len(self.groups) else self.groups
        return replace(self, images=self.images[chosen], labels=self.labels[chosen], more=more, groups=groups)


@dataclass(frozen=True)
class TextSet(SeveralTasks):
    """Labelled texts: a `Dataset` of the modality ``text``.

    Attributes:
        texts: the items.
        longest: bytes that a slot has room for; no text is longer.
        labels, class_names, sha256, name, split, training_sha256, more, groups: as of `ImageSet`.
    """

    texts: Texts
    longest: int
    labels: np.ndarray
    class_names: tuple[str, ...]
    sha256: str
    name: str
    split: Split
    training_sha256: str
    more: Mapping[str, Targets] = field(default_factory=dict)
    groups: np.ndarray = field(default_factory=lambda: _NO_GROUPS)
    modality: str = field(default="text", init=False)

    @property
    def item_shape(self) -> tuple[int, ...]:
        """Of a slot."""
        return (HEAD_BYTES + self.longest,)

    def items(self, index: np.ndarray) -> np.ndarray:
        """Texts by place in their slots: uint8 (n, `HEAD_BYTES` + longest)."""
        return self.texts.slots(index, self.longest)


def first_places(data: Dataset, items: int) -> np.ndarray:
    """Places of a data set's first items, int64 (items,).

    Raises:
        DataSetError: it has fewer.
    """
    if not 1 <= items <= len(data):
        raise DataSetError(f"{items} items were asked for where the data set has {len(data)}; use 1 to {len(data)}.")
    return np.arange(items)


@dataclass(frozen=True)
class SetInfo:
    """What is known of a registered data set before it is loaded.

    Attributes:
        title: what it is.
        modality: of its items.
        tasks: what each task asks, by its name, the usual one first.
        packages: that it is made from; none where it needs no fetching.
        needs: programs that are needed once to make it, by the Debian packages that have them.
    """

    title: str
    modality: str
    tasks: Mapping[str, str]
    packages: tuple[Package, ...] = ()
    needs: Mapping[str, str] = field(default_factory=dict)


Loader = Callable[[Split], Any]
LOADERS: dict[str, Loader] = {}
"""Of registered data sets, by name; see `sdr_sc.data.catalogue`."""
INFOS: dict[str, SetInfo] = {}
"""Of those that say what they are."""


def register_dataset(name: str, info: SetInfo | None = None) -> Callable[[Loader], Loader]:
    """Decorator: the function loads the data set of this name.

    Raises:
        DataSetError: another one has the name already.
    """

    def register(loader: Loader) -> Loader:
        known = LOADERS.setdefault(name, loader)
        if (known.__module__, known.__qualname__) != (loader.__module__, loader.__qualname__):
            raise DataSetError(f"data set {name!r} is registered twice; give one of them another name.")
        LOADERS[name] = loader
        if info is not None:
            INFOS[name] = info
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
