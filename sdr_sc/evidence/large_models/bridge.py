# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a picture model's vectors lead to the pictures' names, through a linear bridge, and to their groups."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sdr_sc.distill.multitask.bridge import Bridge, Found, across_in_turns, best_bridge, find_each_other, fit_bridges
from sdr_sc.distill.multitask.probe import best_probe
from sdr_sc.distill.multitask.vectors import TeacherVectors, coded
from sdr_sc.errors import SdrScError
from sdr_sc.evidence.tables import APART
from sdr_sc.results.rows import Row, clustered_interval
from sdr_sc.semantic.gallery import Gallery

Log = Callable[[str], None]
PROBED = ("classification", "subgroup")
RECALLS = (1, 5)
OWN, TOGETHER = "own bridge", "common bridge"


@dataclass(frozen=True)
class PictureSet:
    """A data set of pictures with names, and what two models say of them.

    Attributes:
        name: of the data set.
        parts: ``train``, ``validation`` and ``test``.
        pictures, texts: vectors of the pictures, and of their names.
        left_out: bool (training items,), not to be learned from where other data sets are tested, too.
    """

    name: str
    parts: Mapping[str, Any]
    pictures: TeacherVectors
    texts: TeacherVectors
    left_out: np.ndarray

    def seen(self, part: str) -> np.ndarray:
        """Vectors of a part's pictures, float32 (items, dimensions)."""
        return self.pictures.of(part, self.parts[part].sha256)

    def named(self, part: str) -> np.ndarray:
        """Vectors of their names."""
        return self.texts.of(part, self.parts[part].sha256)

    def targets(self, task: str, part: str) -> np.ndarray:
        """Of a part's items: int (items,)."""
        data = self.parts[part]
        return np.asarray(data.targets(task, np.arange(len(data))))

    def found(self, bridge: Bridge, part: str) -> Found:
        """How pictures and names of a part find each other through a bridge."""
        entries, names = self.targets("retrieval", part), self.parts[part].names("retrieval")
        gallery = Gallery.of_entries(names, entries, self.named(part), self.texts.teacher)
        return find_each_other(bridge.across(self.seen(part)), entries, gallery.vectors)


def bench_bridge(
    sets: Sequence[PictureSet], log: Log, with_probe: bool = True
) -> tuple[list[Row], dict[str, TeacherVectors]]:
    """Probes, a bridge of each data set's own and one of all together, on the test parts.

    Bridges are fitted on training items, and their penalty is chosen on the validation parts. Intervals are over
    drawings, of which there are several pictures each.

    Returns:
        The figures; and of each data set its pictures in the texts' space by the common bridge, those of training by
        bridges that do not know them.

    Raises:
        SdrScError: the vectors are of different spaces.
    """
    both = [(one.pictures, one.texts) for one in sets]
    spaces = {tuple(array.tobytes() for kind in pair for array in (kind.basis, kind.mean)) for pair in both}
    if len(spaces) > 1:
        raise SdrScError(
            "the data sets' vectors have different components; make them together, 'sdr-sc teacher vectors --data-set "
            f"{','.join(one.name for one in sets)}'."
        )
    rows = []
    for one in sets if with_probe else ():
        log(f"probing the vectors of {one.name}")
        rows += _probed(one)
    for one in sets:
        rows += _rows(one, _chosen([one]), OWN)
    common = _chosen(sets)
    if len(sets) > 1:
        for one in sets:
            rows += _rows(one, common, TOGETHER)
    log("taking the training pictures across in turns")
    return rows, _taken_across(sets, common.ridge)


def _probed(one: PictureSet) -> list[Row]:
    rows = []
    for task in PROBED:
        if task not in one.parts["test"].tasks:
            continue
        train, held_out, test = ((one.seen(part), one.targets(task, part)) for part in ("train", "validation", "test"))
        probe = best_probe(train, held_out, len(one.parts["test"].names(task)))
        right = probe.answers(test[0]) == test[1]
        commonest = test[1] == np.bincount(train[1]).argmax()
        head = f"{one.name}{APART}{task} by a linear probe of {one.pictures.teacher}"
        rows += [
            _share(head, right, one),
            Row(f"{one.name}{APART}{task}, always the commonest class", 100 * float(commonest.mean()), "%"),
        ]
    return rows


def _chosen(sets: Sequence[PictureSet]) -> Bridge:
    """The bridge of all these, its penalty by the mean of their validation parts' mean reciprocal ranks."""
    pictures, texts, _ = _training(sets)
    return best_bridge(
        fit_bridges(pictures, texts),
        lambda bridge: float(np.mean([one.found(bridge, "validation").mean_reciprocal_rank for one in sets])),
    )


def _training(sets: Sequence[PictureSet]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors of pictures and names, and origins, of the training items of all these that may be learned from."""
    kept = [~one.left_out if len(sets) > 1 else np.ones(len(one.left_out), bool) for one in sets]
    pictures = np.concatenate([one.seen("train")[keep] for one, keep in zip(sets, kept, strict=True)])
    texts = np.concatenate([one.named("train")[keep] for one, keep in zip(sets, kept, strict=True)])
    return pictures, texts, np.concatenate([_origins(one)[keep] for one, keep in zip(sets, kept, strict=True)])


def _origins(one: PictureSet) -> np.ndarray:
    """Of training items, different for each data set: int64 (items,)."""
    return np.asarray(one.parts["train"].groups, np.int64) + (zlib.crc32(one.name.encode()) << 24)


def _rows(one: PictureSet, bridge: Bridge, label: str) -> list[Row]:
    found, test = one.found(bridge, "test"), one.parts["test"]
    rows = []
    for first in RECALLS:
        head = f"{one.name}{APART}{label}{APART}picture to name, R@{first} of {found.names}"
        rows.append(_share(head, found.ranks < first, one))
    for first in RECALLS:
        right = found.back_ranks < first
        head = f"{one.name}{APART}{label}{APART}name to picture, R@{first} of {len(test):,}"
        interval = clustered_interval(right.astype(int), np.ones(len(right), int))
        rows.append(Row(head, 100 * float(right.mean()), "%", n=len(right), ci95=_percent(interval)))
    rows.append(Row(f"{one.name}{APART}{label}{APART}penalty", bridge.ridge, ""))
    if label == OWN:
        chance = 100 * min(RECALLS[-1] / found.names, 1.0)
        rows.append(Row(f"{one.name}{APART}picture to name, R@{RECALLS[-1]} by chance", chance, "%"))
    return rows


def _share(name: str, right: np.ndarray, one: PictureSet) -> Row:
    groups = one.parts["test"].groups
    of_item = np.unique(groups, return_inverse=True)[1] if len(groups) else np.arange(len(right))
    interval = clustered_interval(np.bincount(of_item, right), np.bincount(of_item))
    return Row(name, 100 * float(right.mean()), "%", n=len(right), ci95=_percent(interval))


def _percent(interval: tuple[float, float]) -> tuple[float, float]:
    return 100 * interval[0], 100 * interval[1]


def _taken_across(sets: Sequence[PictureSet], ridge: float) -> dict[str, TeacherVectors]:
    pictures, texts, origins = _training(sets)
    (whole,) = fit_bridges(pictures, texts, (ridge,))
    turned = across_in_turns(pictures, texts, origins, ridge)
    found, start = {}, 0
    for one in sets:
        parts = {part: whole.across(one.seen(part)) for part in one.parts}
        kept = ~one.left_out if len(sets) > 1 else np.ones(len(one.left_out), bool)
        parts["train"][kept] = turned[start : start + kept.sum()]
        start += int(kept.sum())
        sums = {part: data.sha256 for part, data in one.parts.items()}
        codes = {part: coded(vectors) for part, vectors in parts.items()}
        teacher = f"{one.pictures.teacher} to {one.texts.teacher}"
        found[one.name] = TeacherVectors(teacher, sums, codes, one.texts.mean, one.texts.basis, one.texts.kept)
    return found
