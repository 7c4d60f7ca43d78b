# SPDX-License-Identifier: GPL-3.0-or-later
"""Items that a model knows the classes of, and items of classes that it never heard of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.dataset import CLASSIFICATION, Dataset, Split, TextSet
from sdr_sc.data.drawn.things import LEFT_VIEWS, VIEWS, chosen_things
from sdr_sc.data.ragged import HEAD_BYTES
from sdr_sc.errors import SdrScError
from sdr_sc.evidence.multitask.other_data import is_alone, of_model
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.shown import shown

ENTRIES, THINGS = 2000, 50
FOLDER_EXAMPLES, MOST_OF_FOLDER = 20, 40


@dataclass(frozen=True, eq=False)
class Items:
    """Items with their classes.

    Attributes:
        items: uint8 (n, *item_shape).
        classes: int64 (n,).
        groups: int64 (n,), alike for items of one origin, over which intervals are taken.
    """

    items: np.ndarray
    classes: np.ndarray
    groups: np.ndarray

    def __len__(self) -> int:
        return len(self.classes)

    def some(self, places: np.ndarray) -> Items:
        """Some of them."""
        return Items(self.items[places], self.classes[places], self.groups[places])


@dataclass(frozen=True, eq=False)
class Known:
    """A model's own data.

    Attributes:
        columns: int64 (own classes,), the classes that occur in training, among those of the model's task; decoder and
            base both know that there are no others.
        entries: of a base, from the training part.
        calibration, test: items that neither the model nor the base has seen.
    """

    columns: np.ndarray
    entries: Items
    calibration: Items
    test: Items


@dataclass(frozen=True, eq=False)
class Added:
    """Classes that came after the model's training.

    Attributes:
        kind: what a class is: ``things`` or ``folders``.
        names: of the classes.
        entries: of the base, by class, those that come first in a smaller base, too.
        examples: how many entries each class has at most.
        test: other items of these classes.
    """

    kind: str
    names: Sequence[str]
    entries: Items
    examples: int
    test: Items

    def first(self, examples: int) -> np.ndarray:
        """Which entries are among the first so many of their class: bool (entries,).

        >>> items = Items(np.zeros((5, 1), np.uint8), np.array([0, 0, 0, 1, 1]), np.arange(5))
        >>> Added("things", ("a", "b"), items, 3, items).first(2).tolist()
        [True, True, False, True, True]
        """
        place = np.arange(len(self.entries))
        begins = np.concatenate(([True], np.diff(self.entries.classes) != 0))
        return place - np.maximum.accumulate(np.where(begins, place, 0)) < examples


def part_of_model(contract: ModelContract, data_set: str, part: Split) -> Dataset:
    """As `of_model`; texts of shorter slots go into the model's."""
    if contract.modality.name == "text" and is_alone(data_set):
        data = load_dataset(data_set, part)
        room = contract.item_shape[0] - HEAD_BYTES
        if isinstance(data, TextSet) and data.longest < room:
            return replace(data, longest=room)
    return of_model(contract, data_set, part)


def _groups(data: Dataset) -> np.ndarray:
    found = np.asarray(getattr(data, "groups", ()), np.int64)
    return found if len(found) else np.arange(len(data))


def _items(data: Dataset, places: np.ndarray, classes: np.ndarray) -> Items:
    return Items(data.items(places), classes.astype(np.int64), _groups(data)[places])


def known_items(
    contract: ModelContract, data_set: str, seed: int, task: str = CLASSIFICATION, most: int | None = None
) -> Known:
    """The model's own data: entries from the training part, calibration from the validation part, or half of the test
    part where there is none.

    Args:
        most: entries; None for `ENTRIES`.

    Raises:
        SdrScError: the data set has no answers of the model's task.
    """
    spec = contract.task(task)
    train, test = (part_of_model(contract, data_set, part) for part in ("train", "test"))
    if task not in train.tasks or tuple(train.names(task)) != tuple(spec.names):
        raise SdrScError(f"data set {shown(data_set)} has other answers to {task} than the model; give its own data.")
    every = np.arange(len(train))
    labels = train.targets(task, every)
    columns = np.unique(labels[labels >= 0])
    place_of = np.full(len(spec.names) + 1, -1)
    place_of[columns] = np.arange(len(columns))
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(np.flatnonzero(labels >= 0))[: ENTRIES if most is None else most])
    parts = [_items(train, chosen, place_of[labels[chosen]])]
    halves = _halves(contract, data_set, test, seed)
    for data, places in halves:
        of_task = data.targets(task, places)
        kept = (of_task >= 0) & (place_of[of_task] >= 0)
        parts.append(_items(data, places[kept], place_of[of_task[kept]]))
    return Known(columns, *parts)


def _halves(
    contract: ModelContract, data_set: str, test: Dataset, seed: int
) -> list[tuple[Dataset, np.ndarray]]:  # fmt: skip
    """Data and places for calibration and test."""
    try:
        own = part_of_model(contract, data_set, "validation")
    except SdrScError:
        groups = _groups(test)
        first = np.random.default_rng(seed).random(int(groups.max()) + 1)[groups] < 0.5
        return [(test, np.flatnonzero(first)), (test, np.flatnonzero(~first))]
    return [(own, np.arange(len(own))), (test, np.arange(len(test)))]


def things(contract: ModelContract, data_set: str, seed: int) -> Added:
    """Single things, of which the base has some pictures, and others are sent: names of the task ``retrieval`` with
    `VIEWS` and `LEFT_VIEWS` items or more in the training part, which the model has not seen.

    Raises:
        SdrScError: the data set has too few of them.
    """
    data = part_of_model(contract, data_set, "train")
    names, kept, sent = chosen_things(data, seed, THINGS)
    of_kept, of_sent = np.repeat(np.arange(THINGS), VIEWS), np.repeat(np.arange(THINGS), LEFT_VIEWS)
    entries, test = _items(data, kept.ravel(), of_kept), _items(data, sent.ravel(), of_sent)
    return Added("things", names, entries, VIEWS, replace(test, groups=of_sent))


def folders(contract: ModelContract, data_set: str, seed: int) -> Added:
    """Whole classes of another data set, such as animals, clothes and food: entries and test items are of different
    origins."""
    data = part_of_model(contract, data_set, "train")
    labels, groups = data.targets(CLASSIFICATION, np.arange(len(data))), _groups(data)
    rng = np.random.default_rng(seed)
    one_each = rng.permutation(len(data))
    one_each = one_each[np.sort(np.unique(groups[one_each], return_index=True)[1])]  # an item of each origin
    found: list[tuple[int, np.ndarray, np.ndarray]] = []
    for label in range(len(data.names(CLASSIFICATION))):
        places = one_each[labels[one_each] == label]
        if len(places) > FOLDER_EXAMPLES:
            found.append((label, places[:FOLDER_EXAMPLES], places[FOLDER_EXAMPLES:][:MOST_OF_FOLDER]))
    if len(found) < 2:
        raise SdrScError(f"data set {shown(data_set)} has no two classes of enough items; give another.")
    names = [str(data.names(CLASSIFICATION)[label]).replace("/", " ") for label, _, _ in found]
    parts = []
    for chosen in ([one[1] for one in found], [one[2] for one in found]):
        of = np.repeat(np.arange(len(found)), [len(places) for places in chosen])
        parts.append(_items(data, np.concatenate(chosen), of))
    return Added("folders", names, parts[0], FOLDER_EXAMPLES, parts[1])
