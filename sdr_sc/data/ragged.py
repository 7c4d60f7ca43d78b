# SPDX-License-Identifier: GPL-3.0-or-later
"""Items of unequal length, such as texts and recordings of sound, and the slots of one size in which they travel.

Flowgraphs, recordings of the truth and training batches carry items as uint8 arrays of one shape. An item of unequal
length lies in such a slot: its length in two bytes, the lower one first, its bytes, and zeros up to the slot's end. On
the air there are features alone, so that the zeros cost nothing there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sdr_sc.errors import DataSetError

HEAD_BYTES = 2
LONGEST = (1 << 8 * HEAD_BYTES) - 1


@dataclass(frozen=True)
class ItemBatch:
    """Items one after the other, and how long each is.

    Attributes:
        data: uint8 (sum of the lengths,).
        lengths: int32 (n,), bytes.

    Raises:
        DataSetError: the lengths are not those of the data, or an item is longer than `LONGEST`.

    >>> batch = ItemBatch.of([b"yes", b"no"])
    >>> batch.slots(4).tolist()
    [[3, 0, 121, 101, 115, 0], [2, 0, 110, 111, 0, 0]]
    >>> [bytes(item) for item in ItemBatch.from_slots(batch.slots(4))]
    [b'yes', b'no']
    """

    data: np.ndarray
    lengths: np.ndarray

    def __post_init__(self) -> None:
        is_whole = self.data.dtype == np.uint8 and self.data.ndim == 1 and self.lengths.dtype.kind in "iu"
        if not is_whole or self.lengths.ndim != 1 or int(self.lengths.sum()) != len(self.data):
            raise DataSetError("a batch of items has other lengths than its bytes; give uint8 data and their lengths.")
        if len(self.lengths) and not 0 <= self.lengths.min() <= self.lengths.max() <= LONGEST:
            raise DataSetError(
                f"a batch has items of {self.lengths.min()} to {self.lengths.max()} bytes; give 0 to {LONGEST}."
            )

    @classmethod
    def of(cls, items: Sequence[bytes | np.ndarray]) -> ItemBatch:
        """Items from bytes or uint8 arrays (length,)."""
        parts = [np.frombuffer(item, np.uint8) if isinstance(item, bytes) else np.asarray(item) for item in items]
        lengths = np.array([len(part) for part in parts], np.int32)
        return cls(np.concatenate([np.empty(0, np.uint8), *parts]), lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[np.ndarray]:
        """The items, uint8 (length,) each."""
        return iter(np.split(self.data, np.cumsum(self.lengths)[:-1]) if len(self.lengths) else [])

    def slots(self, longest: int) -> np.ndarray:
        """The items in slots, uint8 (n, `HEAD_BYTES` + longest).

        Raises:
            DataSetError: an item is longer than that.
        """
        most = int(self.lengths.max(initial=0))
        if not most <= longest <= LONGEST:
            raise DataSetError(f"items of up to {most} bytes do not fit slots of {longest}; give {most} to {LONGEST}.")
        found = np.zeros((len(self), HEAD_BYTES + longest), np.uint8)
        found[:, 0], found[:, 1] = self.lengths & 0xFF, self.lengths >> 8
        found[:, HEAD_BYTES:][np.arange(longest) < self.lengths[:, None]] = self.data
        return found

    @classmethod
    def from_slots(cls, slots: np.ndarray) -> ItemBatch:
        """The items in slots, uint8 (n, `HEAD_BYTES` + longest); of a single slot, too.

        Raises:
            DataSetError: a slot says that its item is longer than it.
        """
        slots = np.atleast_2d(slots)
        longest = slots.shape[1] - HEAD_BYTES
        lengths = slots[:, 0].astype(np.int32) + (slots[:, 1].astype(np.int32) << 8)
        if (lengths > longest).any():
            raise DataSetError(f"a slot of {longest} bytes says that its item has {lengths.max()}; get the data again.")
        return cls(slots[:, HEAD_BYTES:][np.arange(longest) < lengths[:, None]], lengths)
