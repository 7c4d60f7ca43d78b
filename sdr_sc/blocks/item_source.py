# SPDX-License-Identifier: GPL-3.0-or-later
"""Source of data-set items."""

from __future__ import annotations

import numpy as np
import pmt
from gnuradio import gr

from sdr_sc.blocks.runtime.guard import guarded
from sdr_sc.blocks.runtime.pdu import leave_listeners, make_pdu
from sdr_sc.data.asked import OWN_QUESTION, QUESTION, AskedSet, asked_data
from sdr_sc.data.dataset import DEFAULT_DATA_SET
from sdr_sc.data.own_questions import items_asked
from sdr_sc.errors import BlockError
from sdr_sc.link.end_of_stream import LAST_ITEM
from sdr_sc.link.frames.frame_news import questions_meta, task_targets_meta, truth_meta
from sdr_sc.link.parameters import require_text
from sdr_sc.semantic.asked_tasks import task_names
from sdr_sc.semantic.gallery import entries_number
from sdr_sc.semantic.model_items import load_items
from sdr_sc.semantic.tasks.base import task_of

ITEM_ID = pmt.intern("item_id")
_NOTHING = np.empty(0, np.uint8)
_TRUTH, _QUESTIONS = pmt.intern("truth"), pmt.intern("questions")
_TOGETHER = 64  # items in a PDU
_LAST_ITEM = pmt.intern(LAST_ITEM)


def item_order(items: int, seed: int) -> np.ndarray:
    """Order in which the source sends a data set's items, again and again: int (items,), places in the data set."""
    return np.random.default_rng(seed).permutation(items)


class item_source(gr.sync_block):
    """Emits the items of a data set of any modality, each with the stream tag ``item_id``, and publishes their truth.

    Output 0: uint8, the bytes of each item: of a grey image its rows, of an RGB image one colour after the other, of a
    text its slot. The tag is on an item's first byte; that of the last item also carries ``last_item``.
    Message output ``truth``: before items leave, PDUs of at most 64 of them: their bytes, with ``item_id`` and
    ``label``, the target of the data set's first task, for the task sink; before these, for each further task, a PDU of
    ``item_id``, ``task`` and ``target``. The transmitter knows nothing of it.
    Message output ``questions``: where each item is asked a question of its own, PDUs of ``item_id`` and ``questions``
    before those of the items, for the semantic decoder, the recorder and the task sink.

    Args:
        data_set: a name or a path, and ``,model=MODEL`` where the items have to be put into the slots of a model of
            pictures and texts; see `sdr_sc.semantic.model_items.load_items`.
        split: ``test``, ``train``, or ``validation`` where the data set has it.
        items: how many to send; 0 for no end.
        seed: of the order; the same seed gives the same items.
        tasks: names of further tasks whose targets are published, with commas between; '' for the first one alone. Of
            ``reconstruction`` the target is the item itself, which is published anyway.
        question: of a data set that asks questions, the one that the pictures sent are asked; '' for all its pictures,
            each once, of which then no answer is known; ``*`` for all its pictures, each of which is asked one of the
            questions that the set asks of it, drawn by the seed. Of joined sets all items are sent, and those that
            nothing is asked of have no right answer.

    Raises:
        BlockError: a parameter makes no sense.
        DataSetError: the data set is missing, or has no targets for a task.
    """

    def __init__(
        self,
        split: str = "test",
        items: int = 1000,
        seed: int = 1,
        data_set: str = DEFAULT_DATA_SET,
        tasks: str = "",
        question: str = "",
    ) -> None:
        gr.sync_block.__init__(self, "sdr_sc_item_source", in_sig=None, out_sig=[np.uint8])
        if split not in ("test", "train", "validation"):
            raise BlockError(f"item source: split is {split!r}; use 'test', 'train' or 'validation'.")
        if items < 0 or seed < 0:
            raise BlockError(f"item source: items is {items} and seed {seed}; use 0 or more.")
        require_text("item source", tasks=tasks, question=question)
        data = asked_data(load_items(data_set, split), question)  # type: ignore[arg-type]
        everything, task = np.arange(len(data)), data.tasks[0]
        self.class_names = data.names(task)
        self._shown = data.modality, data.item_shape
        self.item_bytes = int(np.prod(data.item_shape))
        self._items = np.ascontiguousarray(data.items(everything), np.uint8).reshape(-1, self.item_bytes)
        asked = items_asked(data, question, seed)
        self._questions = asked.texts if question == OWN_QUESTION else None
        self._labels = asked.answer if task == QUESTION else data.targets(task, everything)
        listed = [name for name in task_names(tasks) if name != task and not task_of(name).of_items]
        self._targets = {name: data.targets(name, everything) for name in listed if name != QUESTION}
        if QUESTION in listed:
            data.names(QUESTION)  # refuses a set that asks none
            self._targets[QUESTION] = asked.answer
        self._entries = {
            name: entries_number(data.names(name)) for name in self._targets if task_of(name).needs == "gallery"
        }
        for name, targets in self._targets.items():
            if targets.ndim != 1:
                raise BlockError(f"item source: task {name!r} has no single number as target; leave it out of tasks.")
        self._ids = data.picture_of if isinstance(data, AskedSet) else everything
        self._order = item_order(len(data), seed)
        self._total = items
        self._sent = 0
        self.set_output_multiple(self.item_bytes)
        for port in (_TRUTH, _QUESTIONS):
            self.message_port_register_out(port)

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
            self._publish(chosen[part], items[part])
        output_items[0][: count * size] = items.ravel()
        first = self.nitems_written(0)
        for i, index in enumerate(chosen):
            self.add_item_tag(0, first + i * size, ITEM_ID, pmt.from_long(int(self._ids[index])))
        self._sent += count
        if self._sent == self._total:
            self.add_item_tag(0, first + (count - 1) * size, _LAST_ITEM, pmt.PMT_T)
            for port in ("truth", "questions"):
                leave_listeners(self, port)  # they go on after this block
        return count * size

    def _publish(self, places: np.ndarray, items: np.ndarray) -> None:
        if self._questions is not None:
            meta = questions_meta(self._ids[places], [self._questions[place] for place in places])
            self.message_port_pub(_QUESTIONS, make_pdu(meta, _NOTHING))
        for name, targets in self._targets.items():
            meta = task_targets_meta(self._ids[places], name, targets[places], self._entries.get(name, 0))
            self.message_port_pub(_TRUTH, make_pdu(meta, _NOTHING))
        meta = truth_meta(self._ids[places], self._labels[places], *self._shown)
        self.message_port_pub(_TRUTH, make_pdu(meta, items.ravel()))
