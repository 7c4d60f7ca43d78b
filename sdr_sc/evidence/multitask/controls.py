# SPDX-License-Identifier: GPL-3.0-or-later
"""What a student for several tasks is held against: chance, one setting for all receivers, the other modality."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sdr_sc.data.dataset import Dataset
from sdr_sc.data.joint.joined import JoinedSet
from sdr_sc.data.joint.slots import picture_slots
from sdr_sc.schemes.scheme import Scheme, Transmission
from sdr_sc.semantic.gallery import Gallery, unit_rows

RETRIEVAL = "retrieval"


class Told:
    """Another scheme whose transmitter is always given one SNR: one transmission for receivers of different SNR.

    Args:
        scheme: which one.
        snr_db: that its transmitter is given in place of the estimate.
    """

    def __init__(self, scheme: Scheme, snr_db: float) -> None:
        self._scheme, self._snr_db = scheme, snr_db

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scheme, name)

    def send(self, images: np.ndarray, labels: np.ndarray, snr_db: float | None, k: int | None) -> list[Transmission]:
        """As the scheme, for the one SNR."""
        return self._scheme.send(images, labels, self._snr_db, k)


def of_other_items(outputs: np.ndarray, seed: int) -> np.ndarray:
    """Outputs in another order, none in its own place: what a receiver answers whose features say nothing.

    >>> shifted = of_other_items(np.arange(5)[:, None], 1)[:, 0]
    >>> sorted(shifted.tolist()), bool((shifted != np.arange(5)).all())
    ([0, 1, 2, 3, 4], True)
    """
    order = np.random.default_rng(seed).permutation(len(outputs))
    found = np.empty_like(outputs)
    found[order] = outputs[np.roll(order, 1)]
    return found


def prior(train: Dataset, test: Dataset, task: str, places: np.ndarray) -> float:
    """Share of items that have the training part's most frequent answer, which needs no transmission: 0 to 1."""
    known = train.targets(task, np.arange(len(train)))
    answer = np.bincount(known[known >= 0]).argmax()
    wanted = test.targets(task, places)
    return float((wanted[wanted >= 0] == answer).mean())


def picture_gallery(
    data: Dataset, entries: np.ndarray, outputs_of: Callable[[np.ndarray], np.ndarray], space: str
) -> Gallery | None:
    """A gallery of pictures for items that are their names: of each entry one picture, as the student itself sees it.

    Args:
        data: of the items.
        entries: int (n,), of the gallery, places among the names of the task `RETRIEVAL`.
        outputs_of: the decoder's outputs of that task for items, without a channel.
        space: name of the vectors' space.

    Returns:
        None where the items are not names of pictures.
    """
    if not isinstance(data, JoinedSet) or {one.kind for one in data.members} != {"names"}:
        return None
    (member,) = data.members
    pictures = member.data.items(member.one_of_entry[entries - member.first[RETRIEVAL]])
    names = tuple(data.names(RETRIEVAL)[entry] for entry in entries)
    return Gallery(names, unit_rows(outputs_of(picture_slots(pictures, data.side))).astype(np.float32), space)
