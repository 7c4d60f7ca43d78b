# SPDX-License-Identifier: GPL-3.0-or-later
"""Source of data-set images."""

from __future__ import annotations

import numpy as np
import pmt
from gnuradio import gr

from sdr_sc.blocks.runtime.guard import guarded
from sdr_sc.blocks.runtime.pdu import leave_listeners, make_pdu
from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.dataset import DEFAULT_DATA_SET
from sdr_sc.errors import BlockError
from sdr_sc.link.end_of_stream import LAST_ITEM
from sdr_sc.link.frames.frame_news import truth_meta

ITEM_ID = pmt.intern("item_id")
_TRUTH = pmt.intern("truth")
_TOGETHER = 64  # items in a PDU
_LAST_ITEM = pmt.intern(LAST_ITEM)


def image_order(images: int, seed: int) -> np.ndarray:
    """Order in which the source sends a data set's images, again and again: int (images,), places in the data set."""
    return np.random.default_rng(seed).permutation(images)


class image_source(gr.sync_block):
    """Emits the items of a data set, each with the stream tag ``item_id``, and publishes their truth.

    Output 0: uint8, the bytes of each item: of a grey image its rows, of an RGB image one colour after the other. The
    tag is on an item's first byte; that of the last item also carries ``last_item``.
    Message output ``truth``: before items leave, PDUs of at most 64 of them: their bytes, with ``item_id`` and
    ``label``, for the task sink; the transmitter knows nothing of it.

    Args:
        data_set: a name or a path, see `sdr_sc.data.catalogue.load_dataset`.
        split: ``test`` or ``train``.
        images: how many to send; 0 for no end.
        seed: of the order; the same seed gives the same images.

    Raises:
        BlockError: a parameter makes no sense.
        DataSetError: the data set is missing.
    """

    def __init__(
        self, split: str = "test", images: int = 1000, seed: int = 1, data_set: str = DEFAULT_DATA_SET
    ) -> None:
        gr.sync_block.__init__(self, "sdr_sc_image_source", in_sig=None, out_sig=[np.uint8])
        if split not in ("test", "train"):
            raise BlockError(f"image source: split is {split!r}; use 'test' or 'train'.")
        if images < 0 or seed < 0:
            raise BlockError(f"image source: images is {images} and seed {seed}; use 0 or more.")
        data = load_dataset(data_set, split)  # type: ignore[arg-type]
        everything, task = np.arange(len(data)), data.tasks[0]
        self.class_names = data.names(task)
        self._shown = data.modality, data.item_shape
        self.item_bytes = int(np.prod(data.item_shape))
        self._items = np.ascontiguousarray(data.items(everything), np.uint8).reshape(-1, self.item_bytes)
        self._labels = data.targets(task, everything)
        self._order = image_order(len(data), seed)
        self._total = images
        self._sent = 0
        self.set_output_multiple(self.item_bytes)
        self.message_port_register_out(_TRUTH)

    @guarded
    def work(self, input_items: list, output_items: list) -> int:
        size = self.item_bytes
        room = len(output_items[0]) // size
        count = room if self._total == 0 else min(room, self._total - self._sent)
        if count == 0:
            return -1
        chosen = self._order[np.arange(self._sent, self._sent + count) % len(self._order)]
        items = self._items[chosen]
        for start in range(0, count, _TOGETHER):
            part = slice(start, start + _TOGETHER)
            meta = truth_meta(chosen[part], self._labels[chosen[part]], *self._shown)
            self.message_port_pub(_TRUTH, make_pdu(meta, items[part].ravel()))
        output_items[0][: count * size] = items.ravel()
        first = self.nitems_written(0)
        for i, index in enumerate(chosen):
            self.add_item_tag(0, first + i * size, ITEM_ID, pmt.from_long(int(index)))
        self._sent += count
        if self._sent == self._total:
            self.add_item_tag(0, first + (count - 1) * size, _LAST_ITEM, pmt.PMT_T)
            leave_listeners(self, "truth")  # they go on after this block
        return count * size
