# SPDX-License-Identifier: GPL-3.0-or-later
"""What a large text model's vectors hold of a data set's classes and neighbours, whole and as they are kept."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sdr_sc.distill.multitask.probe import best_probe
from sdr_sc.distill.multitask.vectors import reduce_vectors
from sdr_sc.evidence.tables import APART
from sdr_sc.results.rows import Row, wilson_interval
from sdr_sc.semantic.gallery import unit_rows

FIRST = 5
_BLOCK = 512


def rows_of_teacher(
    model: str, vectors: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray], classes: int, dimensions: int
) -> list[Row]:
    """Figures of one model, on the test part.

    Args:
        model: its name.
        vectors: float32 (items, width) of ``train``, ``validation`` and ``test``.
        labels: int (items,) of the same.
        classes: how many there are.
        dimensions: that are kept, in a byte each.
    """
    sums = {part: part for part in vectors}
    kept = reduce_vectors(model, dict(vectors), sums, dimensions)
    reduced = {part: kept.of(part, part) for part in vectors}
    whole = {part: unit_rows(one) for part, one in vectors.items()}
    items, rows = len(labels["train"]), []
    for what, used in ((f"{whole['test'].shape[1]} numbers", whole), (f"{dimensions} bytes", reduced)):
        train, held_out = ((used[part], labels[part]) for part in ("train", "validation"))
        right = best_probe(train, held_out, classes).answers(used["test"]) == labels["test"]
        rows.append(_share(f"{model}{APART}class by a linear probe of {what}, {items:,} for training", right))
    first, near = nearest(whole["test"], 1)[:, 0], nearest(reduced["test"], FIRST)
    head = f"{model}{APART}nearest other of {len(near):,} test items"
    rows += [
        _share(f"{head} is of the same class", labels["test"][first] == labels["test"]),
        _share(f"{head} is among the {FIRST} nearest by {dimensions} bytes", (near == first[:, None]).any(axis=1)),
        Row(f"{model}{APART}variance that {dimensions} numbers keep", 100 * kept.kept, "%"),
    ]
    return rows


def nearest(vectors: np.ndarray, first: int) -> np.ndarray:
    """Of each vector the nearest others by cosine, best first: int64 (items, first).

    Args:
        vectors: float32 (items, dimensions), of unit length; more than ``first``.

    >>> nearest(unit_rows(np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])), 2).tolist()
    [[1, 2], [0, 2], [1, 0]]
    """
    found = []
    for start in range(0, len(vectors), _BLOCK):
        cosine = vectors[start : start + _BLOCK] @ vectors.T
        cosine[np.arange(len(cosine)), start + np.arange(len(cosine))] = -np.inf
        found.append(np.argsort(-cosine, axis=1, kind="stable")[:, :first])
    return np.concatenate(found)


def _share(name: str, right: np.ndarray) -> Row:
    low, high = wilson_interval(int(right.sum()), len(right))
    return Row(name, 100 * float(right.mean()), "%", n=len(right), ci95=(100 * low, 100 * high))
