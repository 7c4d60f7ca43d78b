# SPDX-License-Identifier: GPL-3.0-or-later
"""Soft answers in few bits: the likeliest classes, and coarsely how likely each is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdr_sc.schemes.answers.tables import Reader, encode, shares


@dataclass(frozen=True)
class SoftCoder:
    """The classes that are sent come one after the other, each with its step of confidence; the chances of both depend
    on what was sent before.

    Attributes:
        edges: one float64 (steps - 1,) for each class that is sent, rising: where the steps of its share begin. It is
            the share of what the classes before have left.
        orders: one float32 (classes, classes) for each: chances of the class, by the class before it; of the first,
            rows are alike.
        steps: one float32 (steps before, steps) for each: chances of the step, by that of the class before it.
        right: one float32 (steps,) for each: how often the class is right where no class before it is.
        rest: float32 (classes, classes): chances of the class of what is left, by the first class.
    """

    edges: tuple[np.ndarray, ...]
    orders: tuple[np.ndarray, ...]
    steps: tuple[np.ndarray, ...]
    right: tuple[np.ndarray, ...]
    rest: np.ndarray

    def encode(self, chances: np.ndarray) -> np.ndarray:
        """uint8 (bits,) of 0 and 1 for float (items, classes), rows of sum 1."""
        columns: list[tuple[np.ndarray, np.ndarray]] = []
        before, step_before, left = np.zeros(len(chances), np.int64), np.zeros(len(chances), np.int64), None
        for classes, steps in zip(*_ranked(chances, self.edges), strict=True):
            columns.append((classes, _without(self.orders[len(columns) // 2][before], left)))
            columns.append((steps, self.steps[len(columns) // 2][step_before]))
            left = _taken(left, classes, chances.shape[1])
            before, step_before = classes, steps
        return encode(columns)

    def decode(self, bits: np.ndarray, items: int) -> np.ndarray:
        """float64 (items, classes), rows of sum 1: how likely each class is by what was sent.

        Raises:
            ValueError: no message has such bits.
        """
        reader, count = Reader(bits), len(self.rest)
        out, share = np.zeros((items, count)), np.ones(items)
        before, step_before, left = np.zeros(items, np.int64), np.zeros(items, np.int64), None
        first = before
        for order, steps, right in zip(self.orders, self.steps, self.right, strict=True):
            classes = reader.column(_without(order[before], left))
            found = reader.column(steps[step_before])
            out[np.arange(items), classes] += share * right[found]  # bits that are damaged may repeat a class
            share = share * (1 - right[found])
            first = classes if left is None else first
            left = _taken(left, classes, count)
            before, step_before = classes, found
        out += share[:, None] * _without(self.rest[first], left)
        return out


def _ranked(chances: np.ndarray, edges: tuple[np.ndarray, ...]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Classes by falling chance, as many as are sent, and their steps."""
    order = np.argsort(-chances, axis=1, kind="stable")
    left, classes, steps = np.ones(len(chances)), [], []
    for place, rising in enumerate(edges):
        share = np.take_along_axis(chances, order[:, place : place + 1], axis=1)[:, 0]
        classes.append(order[:, place])
        steps.append(np.searchsorted(rising, share / np.maximum(left, 1e-12)))
        left = left - share
    return classes, steps


def _taken(left: np.ndarray | None, classes: np.ndarray, count: int) -> np.ndarray:
    """bool (items, classes): which were sent."""
    now = classes[:, None] == np.arange(count)
    return now if left is None else left | now


def _without(chances: np.ndarray, taken: np.ndarray | None) -> np.ndarray:
    """Chances of the classes that are left."""
    kept = chances if taken is None else np.where(taken, np.float32(0), chances)
    return (kept / kept.sum(axis=1, keepdims=True)).astype(np.float32)


def fit(chances: np.ndarray, labels: np.ndarray, sent: int, steps: int) -> SoftCoder:
    """Tables of training images.

    Args:
        chances: float (n, classes), the student's.
        labels: int (n,), the truth.
        sent: classes that are sent of an item, 1 to all but one.
        steps: of confidence.
    """
    n, count = chances.shape
    edges: list[np.ndarray] = []
    left, order = np.ones(n), np.argsort(-chances, axis=1, kind="stable")
    for place in range(sent):
        share = np.take_along_axis(chances, order[:, place : place + 1], axis=1)[:, 0] / np.maximum(left, 1e-12)
        # Even steps of the logarithm of the doubt, between the most and the least that there is.
        doubt = np.log10(np.maximum(1 - share, 1e-4))
        edges.append(1 - 10 ** np.linspace(np.quantile(doubt, 0.98), np.quantile(doubt, 0.3), steps + 1)[1:-1])
        left = left * (1 - share)
    classes, found = _ranked(chances, tuple(edges))
    orders, tables, right = [], [], []
    open_, before, step_before = np.ones(n, bool), np.zeros(n, np.int64), np.zeros(n, np.int64)
    for place in range(sent):
        pairs, together = np.zeros((count, count)), np.zeros((steps, steps))
        np.add.at(pairs, (before, classes[place]), 1)
        np.add.at(together, (step_before, found[place]), 1)
        if not place:
            pairs, together = pairs.sum(axis=0) + np.zeros_like(pairs), together.sum(axis=0) + np.zeros_like(together)
        orders.append(shares(pairs))
        tables.append(shares(together))
        hits, of = (
            np.bincount(found[place], weights, steps) for weights in (open_ & (classes[place] == labels), open_)
        )
        right.append(((hits + 0.5) / (of + 1)).astype(np.float32))
        open_ = open_ & (classes[place] != labels)
        before, step_before = classes[place], found[place]
    rest = np.zeros((count, count))
    np.add.at(rest, (classes[0][open_], labels[open_]), 1)
    return SoftCoder(tuple(edges), tuple(orders), tuple(tables), tuple(right), shares(rest))
