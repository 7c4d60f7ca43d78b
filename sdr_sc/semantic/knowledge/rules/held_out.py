# SPDX-License-Identifier: GPL-3.0-or-later
"""Items that rules are fitted on: of a model's own data, and of classes that it never heard of; received over noise."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.dataset import Dataset
from sdr_sc.errors import DataSetError, KnowledgeError
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder
from sdr_sc.semantic.knowledge.items import fitted
from sdr_sc.shown import shown

LEAST_SENT, MOST_SENT = 3, 10
"""Items of a new class that are sent, at least and at most, beside those that are its entries."""
MOST_NEW_CLASSES = 50
_BLOCK = 256


@dataclass(frozen=True, eq=False)
class Items:
    """Items of a model.

    Attributes:
        items: uint8 (n, *item_shape).
        classes: int64 (n,).
    """

    items: np.ndarray
    classes: np.ndarray

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True, eq=False)
class NewClasses:
    """Classes that a model does not have.

    Attributes:
        names: of them.
        entries, sent: items of each, numbered by the names.
    """

    names: Sequence[str]
    entries: Items
    sent: Items


def known_items(contract: ModelContract, data_set: str, task: str, most: int, seed: int) -> Items:
    """Items of a model's classes that its training has not seen: of the validation part, or half of the test part
    where there is none; their numbers are the model's.

    Raises:
        DataSetError, ContractError: the data set cannot be loaded, or its items are none of the model.
        KnowledgeError: none is of a class of the model.
    """
    rng = np.random.default_rng(seed)
    try:
        data: Dataset = load_dataset(data_set, "validation")
        places = np.arange(len(data))
    except DataSetError:
        data = load_dataset(data_set, "test")
        origins = _origins(data)
        places = np.flatnonzero(rng.random(int(origins.max()) + 1)[origins] < 0.5)
    classes = _numbers(data, task, contract.task(task).names)[data.targets(task, places)]
    places, classes = places[classes >= 0], classes[classes >= 0]
    if not len(places):
        raise KnowledgeError(
            f"no item of data set {shown(data_set)} is of a class that model {contract.name!r} has for {task}; give "
            "the data that it was trained for."
        )
    chosen = np.sort(rng.permutation(len(places))[:most])
    return Items(fitted(data.items(places[chosen]), data.modality, contract), classes[chosen])


def new_classes(
    contract: ModelContract, data_set: str, task: str, taken: Collection[str], examples: int, seed: int
) -> NewClasses:
    """Classes of another data set, with as many entries each as the classes that are to be believed.

    Of a class whose items are of enough origins, such as drawings, one item of each is taken, so that none is sent that
    shows what an entry shows; otherwise its items as they come. Where the training part has too few of a class, those
    of the test part are sent.

    Args:
        taken: names of classes that do not count as new.
        examples: entries of each.

    Raises:
        DataSetError, ContractError: the data set cannot be loaded, or its items are none of the model.
        KnowledgeError: it has too few classes.
    """
    data: Dataset = load_dataset(data_set, "train")
    rng, names = np.random.default_rng(seed), data.names(task)
    labels, origins = data.targets(task, np.arange(len(data))), _origins(data)
    try:
        more: Dataset | None = load_dataset(data_set, "test")
    except DataSetError:
        more = None
    others = np.empty(0, np.int64)
    if more is not None and task in more.tasks:
        others = _numbers(more, task, names)[more.targets(task, np.arange(len(more)))]
    entries: list[np.ndarray] = []
    sent: list[tuple[np.ndarray, np.ndarray]] = []
    found: list[str] = []
    for label in rng.permutation(len(names)).tolist():
        places = np.flatnonzero(labels == label)
        one_each = places[np.unique(origins[places], return_index=True)[1]]
        places = rng.permutation(one_each) if len(one_each) >= examples + LEAST_SENT else places
        left = places[examples : examples + MOST_SENT]
        of_test = np.flatnonzero(others == label)[:MOST_SENT] if len(left) < LEAST_SENT else others[:0]
        if names[label] in taken or len(places) < examples or len(left) + len(of_test) < LEAST_SENT:
            continue
        found.append(names[label])
        entries.append(places[:examples])
        sent.append((left, of_test))
        if len(found) == MOST_NEW_CLASSES:
            break
    if len(found) < 2:
        raise KnowledgeError(
            f"data set {shown(data_set)} has no two classes of {examples + LEAST_SENT} items that are new to model and "
            "base; give another --calibration-set."
        )
    kept = _of_places(contract, data, entries)
    parts = [
        _of_places(contract, one, [pair[which] for pair in sent])
        for which, one in ((0, data), (1, more))
        if one is not None and any(len(pair[which]) for pair in sent)
    ]
    both = Items(*(np.concatenate([getattr(part, of) for part in parts]) for of in ("items", "classes")))
    return NewClasses(found, kept, both)


def _of_places(contract: ModelContract, data: Dataset, places: Sequence[np.ndarray]) -> Items:
    """Items of classes, by the places of each."""
    classes = np.repeat(np.arange(len(places)), [len(one) for one in places])
    chosen = np.concatenate(places).astype(np.int64)
    return Items(fitted(data.items(chosen), data.modality, contract), classes)


def _origins(data: Dataset) -> np.ndarray:
    groups = np.asarray(getattr(data, "groups", ()), np.int64)
    return groups if len(groups) else np.arange(len(data))


def _numbers(data: Dataset, task: str, names: Sequence[str]) -> np.ndarray:
    """Of each name of a data set its number among others, and -1 after them, for an item without one: int64."""
    number = {name: place for place, name in enumerate(names)}
    return np.array([*(number.get(name, -1) for name in data.names(task)), -1], np.int64)


@dataclass(frozen=True, eq=False)
class Received:
    """Items as a receiver has them.

    Attributes:
        features: complex64 (n, k), LMMSE estimates.
        noise_variance: float32 (n, k), of the unbiased estimates.
        logits: float32 (n, classes), of the decoder.
    """

    features: np.ndarray
    noise_variance: np.ndarray
    logits: np.ndarray


class NoisyLink:
    """The channel of training: white Gaussian noise on unit-power symbols, and what an LMMSE receiver makes of it.

    Args:
        model: weights file, or name of a shipped model.
        task: whose logits are wanted.
        threads: of the CPU.
    """

    def __init__(self, model: str, task: str, threads: int = 1) -> None:
        self.encoder, self.decoder = SemanticEncoder(model, threads), SemanticDecoder(model, threads)
        self._part = self.decoder.parts[task]

    def symbols(self, items: np.ndarray, snr_db: float) -> np.ndarray:
        """See `SemanticEncoder.symbols`, of many items."""
        parts = [self.encoder.symbols(items[at : at + _BLOCK], snr_db) for at in range(0, len(items), _BLOCK)]
        return np.concatenate(parts)

    def receive(self, symbols: np.ndarray, snr_db: float, k: int, rng: np.random.Generator) -> Received:
        """Items as they are received with k symbols each.

        Args:
            symbols: float32 (n, 2 k_max), of `symbols`.
            snr_db: Es/N0.
            rng: of the noise.
        """
        sent = self.encoder.first(symbols, k)
        noise = 10.0 ** (-snr_db / 10)
        heard = sent + np.sqrt(noise / 2) * (rng.normal(size=(*sent.shape, 2)) @ [1, 1j])
        features = (heard / (1 + noise)).astype(np.complex64)
        logits = [
            self.decoder.outputs(features[at : at + _BLOCK], snr_db, strict=False)[:, self._part]
            for at in range(0, len(features), _BLOCK)
        ]
        return Received(features, np.full(sent.shape, noise, np.float32), np.concatenate(logits))
