# SPDX-License-Identifier: GPL-3.0-or-later
"""Which items a training step sees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class Sampler:
    """Items in random order, each once in a round; of several kinds of items a share of the batch each.

    Args:
        strata: places of the items of each kind, and its share.
        names: of each picture the place of its name, -1 of others; a batch then has the names of its pictures first
            among its names, so that both can be compared. None where there are none.
        batch_items: of a step.
        seed: of the orders.
    """

    def __init__(
        self, strata: Sequence[tuple[np.ndarray, float]], names: np.ndarray | None, batch_items: int, seed: int
    ) -> None:
        self._strata, self._names, self._seed = [places for places, _ in strata], names, seed
        ends = np.rint(np.cumsum([0.0, *(share for _, share in strata)]) * batch_items).astype(int)
        self._counts = np.diff(ends).tolist()
        self._orders: dict[int, tuple[int, np.ndarray]] = {}

    def chosen(self, step: int) -> np.ndarray:
        """Places of a step's items, int64 (batch_items,)."""
        found: list[np.ndarray] = []
        for number, (places, count) in enumerate(zip(self._strata, self._counts, strict=True)):
            part = places[self._next(number, len(places), step * count, count)]
            if self._names is not None and found and number == len(self._strata) - 1:
                wanted = self._names[np.concatenate(found)]
                wanted = np.unique(wanted[wanted >= 0])[: len(part)]
                part = np.concatenate((wanted, part[: len(part) - len(wanted)]))
            found.append(part)
        return np.concatenate(found)

    def _next(self, number: int, items: int, place: int, count: int) -> np.ndarray:
        found: list[np.ndarray] = []
        while sum(map(len, found)) < count:
            order = self._order(number, place // items, items)
            part = order[place % items : place % items + count - sum(map(len, found))]
            found.append(part)
            place += len(part)
        return np.concatenate([np.empty(0, np.int64), *found])

    def _order(self, number: int, turn: int, items: int) -> np.ndarray:
        """Of a round; the last one of each kind is kept."""
        kept = self._orders.get(number)
        if kept is None or kept[0] != turn:
            rng = np.random.default_rng((self._seed, turn, items, *([number] if number else [])))
            kept = self._orders[number] = (turn, rng.permutation(items))
        return kept[1]
