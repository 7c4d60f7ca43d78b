# SPDX-License-Identifier: GPL-3.0-or-later
"""Items of unequal length, in and out of slots of one size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdr_sc.data.ragged import LONGEST, ItemBatch
from sdr_sc.errors import DataSetError


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=12), st.integers(300, 700))
def test_items_come_out_of_their_slots_as_they_went_in(items: list[bytes], longest: int) -> None:
    slots = ItemBatch.of(items).slots(longest)
    assert slots.shape == (len(items), longest + 2) and slots.dtype == np.uint8
    assert [bytes(item) for item in ItemBatch.from_slots(slots)] == items
    for slot, item in zip(slots, items, strict=True):
        assert [bytes(one) for one in ItemBatch.from_slots(slot)] == [item]
        assert not slot[2 + len(item) :].any()


def test_the_longest_item_fits_and_no_longer_one() -> None:
    batch = ItemBatch.of([b"", bytes(LONGEST)])
    assert [len(item) for item in ItemBatch.from_slots(batch.slots(LONGEST))] == [0, LONGEST]
    with pytest.raises(DataSetError, match="65536 bytes"):
        ItemBatch.of([bytes(LONGEST + 1)])
    with pytest.raises(DataSetError, match="up to 5 bytes do not fit slots of 4"):
        ItemBatch.of([bytes(5)]).slots(4)


def test_what_is_no_batch_is_refused() -> None:
    slots = ItemBatch.of([b"abc"]).slots(4)
    slots[0, 1] = 1
    with pytest.raises(DataSetError, match="a slot of 4 bytes says that its item has 259"):
        ItemBatch.from_slots(slots)
    for data, lengths in (
        (np.zeros(3, np.uint8), np.array([2])),
        (np.zeros(3, np.int16), np.array([3])),
        (np.zeros(3, np.uint8), np.array([3.0])),
        (np.zeros((3, 1), np.uint8), np.array([3])),
    ):
        with pytest.raises(DataSetError, match="other lengths than its bytes"):
            ItemBatch(data, lengths)
    with pytest.raises(DataSetError, match="items of -1 to 4 bytes"):
        ItemBatch(np.zeros(3, np.uint8), np.array([-1, 4]))
