# SPDX-License-Identifier: GPL-3.0-or-later
"""Items of data sets of drawings in more pixels, for a teacher: the very views that a student sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from sdr_sc.data import clip_art, noto_emoji
from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.composed import Composing
from sdr_sc.data.dataset import ImageSet, Split
from sdr_sc.data.drawings import Entry, parts_of, views_of
from sdr_sc.errors import DataSetError
from sdr_sc.shown import shown

_CHECKED_ITEMS = 3
_ENTRIES: dict[str, Callable[[], list[Entry]]] = {
    noto_emoji.NAME: noto_emoji.entries,
    clip_art.OPENCLIPART: partial(clip_art.entries, clip_art.OPENCLIPART),
    clip_art.TUX_PAINT: partial(clip_art.entries, clip_art.TUX_PAINT),
}


def is_drawn(name: str) -> bool:
    """Whether a data set's items are composed of drawings, which have more pixels than these."""
    return name in _ENTRIES


@lru_cache(maxsize=1)  # those of the emoji take a quarter of a gigabyte
def part_entries(name: str) -> dict[Split, list[Entry]]:
    """The drawings of each part in the order of its items, each of which has several in a row.

    Raises:
        DataSetError: the data set is not made of drawings, or its package is not here.
    """
    if not is_drawn(name):
        raise DataSetError(f"data set {shown(name)} is not made of drawings; take one of {', '.join(_ENTRIES)}.")
    entries = _ENTRIES[name]()
    return {split: [entries[place] for place in places] for split, places in parts_of(entries).items()}


@dataclass(frozen=True)
class LargerViews:
    """A part's items in any size: the same drawing, background, scale, turn and place.

    Attributes:
        data: the part.
        entries: its drawings, in the order of its items.
        views: items of each.
    """

    data: ImageSet
    entries: Sequence[Entry]
    views: int

    @classmethod
    def of(cls, name: str, split: Split) -> LargerViews:
        """Of a part of a data set that `is_drawn`.

        Raises:
            DataSetError: its package is not here, or gives other items now than the data set holds.
        """
        data, entries = load_dataset(name, split), part_entries(name)[split]
        found = cls(data, entries, len(data) // max(len(entries), 1))
        if not found._is_same():
            raise DataSetError(
                f"the drawings of {shown(name)} are not those that its items were made of; delete its folder in "
                "data/compiled of the cache, and repeat it."
            )
        return found

    def _is_same(self) -> bool:
        if self.views * len(self.entries) != len(self.data):
            return False
        tried = np.arange(0, len(self.data), max(1, len(self.data) // _CHECKED_ITEMS))
        again = self.pictures(tried, self.data.item_shape[-1])
        # A renderer of another version may differ a little.
        return bool(np.abs(again.astype(int) - self.data.items(tried)).mean() < 1)

    def __len__(self) -> int:
        return len(self.data)

    def pictures(self, places: np.ndarray, side: int) -> np.ndarray:
        """Items by place in a given size: uint8 (n, 3, side, side)."""
        how = Composing.of(side)
        found = np.empty((len(places), 3, side, side), np.uint8)
        rows, numbers = np.divmod(np.asarray(places), self.views)
        for row in np.unique(rows):
            at = np.flatnonzero(rows == row)
            found[at] = views_of(self.entries[row], numbers[at].tolist(), how)
        return found
