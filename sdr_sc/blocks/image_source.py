# SPDX-License-Identifier: GPL-3.0-or-later
"""Source of data-set images."""

from __future__ import annotations

import numpy as np
import pmt
from gnuradio import gr

from sdr_sc.blocks._guard import guarded
from sdr_sc.data import fashion_mnist
from sdr_sc.errors import BlockError

ITEM_SAMPLES = 28 * 28
ITEM_ID = pmt.intern("item_id")
LABEL = pmt.intern("label")
LAST_ITEM = pmt.intern("last_item")


class image_source(gr.sync_block):
    """Emits Fashion-MNIST images, each with the stream tags ``item_id`` and ``label``.

    Output 0: vectors of 784 uint8, one image each, rows first. The last one carries the tag ``last_item``.

    Args:
        split: ``test`` or ``train``.
        images: how many to send; 0 for no end.
        seed: of the order; the same seed gives the same images.

    Raises:
        BlockError: a parameter makes no sense.
        DataSetError: the data set is missing.
    """

    def __init__(self, split: str = "test", images: int = 1000, seed: int = 1) -> None:
        gr.sync_block.__init__(self, "sdr_sc_image_source", in_sig=None, out_sig=[(np.uint8, ITEM_SAMPLES)])
        if split not in ("test", "train"):
            raise BlockError(f"image source: split is {split!r}; use 'test' or 'train'.")
        if images < 0:
            raise BlockError(f"image source: images is {images}; use 0 (no end) or more.")
        data = fashion_mnist.load(split)  # type: ignore[arg-type]
        self.class_names = data.class_names
        self._images, self._labels = data.images.reshape(-1, ITEM_SAMPLES), data.labels
        self._order = np.random.default_rng(seed).permutation(len(data))
        self._total = images
        self._sent = 0
        # 256 items of 784 bytes are whole memory pages, so GNU Radio has nothing to round up and to warn of.
        self.set_min_output_buffer(256)
        self.set_max_output_buffer(256)

    @guarded
    def work(self, input_items: list, output_items: list) -> int:
        out = output_items[0]
        count = len(out) if self._total == 0 else min(len(out), self._total - self._sent)
        if count == 0:
            return -1
        chosen = self._order[np.arange(self._sent, self._sent + count) % len(self._order)]
        out[:count] = self._images[chosen]
        first = self.nitems_written(0)
        for i, index in enumerate(chosen):
            self.add_item_tag(0, first + i, ITEM_ID, pmt.from_long(int(index)))
            self.add_item_tag(0, first + i, LABEL, pmt.from_long(int(self._labels[index])))
        self._sent += count
        if self._sent == self._total:
            self.add_item_tag(0, first + count - 1, LAST_ITEM, pmt.PMT_T)
        return count
