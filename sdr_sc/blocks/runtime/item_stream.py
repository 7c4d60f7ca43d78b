# SPDX-License-Identifier: GPL-3.0-or-later
"""Items at a block's byte input, with their tags."""

from __future__ import annotations

from typing import Any

import numpy as np
import pmt

from sdr_sc.errors import BlockError


class ItemStream:
    """Items of one size at input 0 of a block; those that were taken stay unconsumed until the next ones are taken, or
    until they are released: the scheduler ends a block whose input is used up.

    Args:
        block: whose input it is.
        model, item_shape: whose items they are, for errors.

    Attributes:
        held: items that were taken and are not consumed.
        item_bytes: of an item.
    """

    def __init__(self, block: Any, model: str, item_shape: tuple[int, ...]) -> None:
        self._block, self._model, self._shape = block, model, item_shape
        self.item_bytes = int(np.prod(item_shape))
        self.held = 0
        self._latest_id: int | None = None
        self._seen_bytes = 0
        self._waiting, self._waiting_since_s = 0, 0.0

    def look(self, data: np.ndarray, now: float) -> np.ndarray:
        """The items that were not taken yet, uint8 (n, item_bytes).

        Args:
            data: what the scheduler shows of the input.
            now: time, s.
        """
        self._seen_bytes = self._block.nitems_read(0) + len(data)
        whole = len(data) // self.item_bytes
        waiting = data[: whole * self.item_bytes].reshape(-1, self.item_bytes)[self.held :]
        if len(waiting) != self._waiting:
            self._waiting, self._waiting_since_s = len(waiting), now
        return waiting

    def waited_s(self, now: float) -> float:
        """For how long no further item has come while some wait; 0 where none waits."""
        return now - self._waiting_since_s if self._waiting else 0.0

    def places(self, key: str) -> list[int]:
        """Places among the items of `look` of those with a tag."""
        first = self._first()
        return [(tag.offset - first) // self.item_bytes for tag in self._tags(key, self._waiting)]

    def ids(self, count: int) -> dict[int, int]:
        """Ids by place of the next ``count`` items, from tags that have to lie as far apart as the items are long.

        Raises:
            BlockError: they do not.
        """
        size, ids, first = self.item_bytes, {}, self._first()
        for tag in sorted(self._tags("item_id", count), key=lambda tag: tag.offset):
            place, rest = divmod(tag.offset - first, size)
            apart = size if self._latest_id is None else tag.offset - self._latest_id
            if rest or apart != size:
                where = f"{apart} bytes apart" if apart != size else f"{rest} bytes after the start of one"
                raise BlockError(
                    f"items arrive that are of another size than those of model {self._model!r}, which have {size} "
                    f"bytes, shape {self._shape}: their tags 'item_id' are {where}; use a source and a "
                    "model that fit each other."
                )
            self._latest_id = tag.offset
            ids[place] = pmt.to_python(tag.value)
        return ids

    def take(self, count: int) -> None:
        """Hold the next ``count`` items, and consume those that were held."""
        self.release()
        self.held = count

    def release(self) -> None:
        """Consume the items that are held."""
        self._block.consume(0, self.held * self.item_bytes)
        self.held = 0

    def check_end(self, items_sent: int) -> None:
        """Raise `BlockError` unless the stream ended with an item, and had one."""
        rest = self._seen_bytes % self.item_bytes
        if rest or not items_sent:
            raise BlockError(
                f"the stream of items ended {rest} bytes after the start of an item, where model {self._model!r} takes "
                f"items of {self.item_bytes} bytes; use a source and a model that fit each other."
            )

    def _first(self) -> int:
        return self._block.nitems_read(0) + self.held * self.item_bytes

    def _tags(self, key: str, count: int) -> list[Any]:
        begin, end = self.held * self.item_bytes, (self.held + count) * self.item_bytes
        return self._block.get_tags_in_window(0, begin, end, pmt.intern(key))
