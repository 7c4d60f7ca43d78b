# SPDX-License-Identifier: GPL-3.0-or-later
"""Source of lines of text that are typed, piped in, or in a file."""

from __future__ import annotations

import codecs
import os
import queue
import sys
import threading
import time
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pmt
from gnuradio import gr

from sdr_sc.blocks.runtime.guard import guarded, guarded_start, guarded_stop, guarded_thread
from sdr_sc.blocks.runtime.pdu import leave_listeners, make_pdu
from sdr_sc.data.texts import LARGEST_INPUT, is_plain_utf8, other_encoding, text_items
from sdr_sc.errors import BlockError
from sdr_sc.link.end_of_stream import LAST_ITEM
from sdr_sc.link.frames.frame_news import truth_meta
from sdr_sc.link.frames.frame_record import NOT_KNOWN
from sdr_sc.link.parameters import require_text
from sdr_sc.semantic import weights
from sdr_sc.semantic.modalities.base import modality_of
from sdr_sc.shown import reason_of, shown

DEFAULT_TEXT_MODEL = "wordnet_student"
_ITEM_ID, _LAST_ITEM, _TRUTH = (pmt.intern(name) for name in ("item_id", LAST_ITEM, "truth"))
_TOGETHER = 64  # items in a PDU
_WAITING = 256
_POLL_S, _TAIL_S = 0.01, 0.02


class text_source(gr.sync_block):
    """Emits each line as an item of a model of texts (and of pictures), with the stream tag ``item_id``, from 0 on.

    A line is cleaned and cut as texts of data sets are (`sdr_sc.data.texts`); an empty one is an item of no bytes. The
    end of the input, such as Ctrl-D, ends the stream. A byte order mark of UTF-8 in front is left out; an input that
    begins with that of UTF-16 or UTF-32 is refused. A warning says of the first line that is no UTF-8 or holds NUL.

    Output 0: uint8, slots of the model. The tag of the last item also carries ``last_item`` where the end of the input
    is known by then, as with a pipe.
    Message output ``truth``: before items leave, PDUs of their bytes, with ``item_id`` and no known ``label``, so that
    the task sink shows them; no answer counts as right or wrong.

    Args:
        file: of lines, or a named pipe; '' for standard input.
        model: whose slots are filled: weights file, ONNX file or pair, or name of a shipped model.

    Attributes:
        texts_sent: so far. texts_cut, characters_cut: of these, those that were too long, and what they lost.
        texts_not_utf8: lines read so far with bytes that are no UTF-8, or NUL.

    Raises:
        BlockError: a parameter makes no sense; at the start: the file cannot be read.
        ContractError: the model cannot be read, or does not take texts.
    """

    def __init__(self, file: str = "", model: str = DEFAULT_TEXT_MODEL) -> None:
        gr.sync_block.__init__(self, "sdr_sc_text_source", in_sig=None, out_sig=[np.uint8])
        require_text("text source", file=file, model=model)
        contract = weights.read_contract(model, "encoder")
        self._modality = modality_of(contract.modality)
        if not self._modality.longest_text:
            raise BlockError(
                f"text source: model {contract.name!r} takes items of the modality {shown(contract.modality.name)!r}; "
                "choose a model of texts."
            )
        self._file, self._shape = file, contract.item_shape
        self.item_bytes = contract.item_shape[0]
        self._lines: queue.Queue[tuple[bytes, int] | None] = queue.Queue(_WAITING)
        self._reader: threading.Thread | None = None
        self._stopped = threading.Event()
        self._ended = False
        self.texts_sent = self.texts_cut = self.characters_cut = self.texts_not_utf8 = 0
        self.set_output_multiple(self.item_bytes)
        self.message_port_register_out(_TRUTH)

    @guarded_start
    def start(self) -> bool:
        if self._file and (not os.access(self._file, os.R_OK) or Path(self._file).is_dir()):
            raise BlockError(f"text source: {shown(self._file)} is no file that can be read; name a file of lines.")
        if self._reader is None:
            self._reader = threading.Thread(target=self._read, name="text_source", daemon=True)
            self._reader.start()
        return True

    @guarded_thread
    def _read(self) -> None:
        try:
            if self._file:
                with open(self._file, "rb") as stream:  # of a named pipe this waits for its writer
                    self._read_lines(stream)
            else:
                self._read_lines(sys.stdin.buffer)
        except OSError as error:
            raise BlockError(f"text source: {self._input} cannot be read any further ({reason_of(error)}).") from error
        finally:
            self._put(None)

    @property
    def _input(self) -> str:
        return shown(self._file) or "standard input"

    def _read_lines(self, stream: BinaryIO) -> None:
        is_first = True
        while not self._stopped.is_set() and (line := stream.readline(LARGEST_INPUT)):
            if is_first:
                if name := other_encoding(line):
                    raise BlockError(
                        f"text source: {self._input} is {name} text; give UTF-8, such as of 'iconv -f {name} -t UTF-8'."
                    )
                line, is_first = line.removeprefix(codecs.BOM_UTF8), False
            beyond, rest = 0, line
            while not rest.endswith(b"\n") and (rest := stream.readline(LARGEST_INPUT)):
                beyond += len(rest)
            self._check(line)
            self._put((line, beyond))

    def _check(self, line: bytes) -> None:
        if is_plain_utf8(line):
            return
        self.texts_not_utf8 += 1
        if self.texts_not_utf8 == 1:
            self.logger.warn(
                f"{self._input} holds bytes that are no UTF-8, or NUL: U+FFFD and spaces are sent for them; convert it "
                "to UTF-8 if it is text of another encoding"
            )

    def _put(self, line: tuple[bytes, int] | None) -> None:
        while not self._stopped.is_set():
            try:
                self._lines.put(line, timeout=0.1)
                return
            except queue.Full:
                continue

    @guarded
    def work(self, input_items: list, output_items: list) -> int:
        room = len(output_items[0]) // self.item_bytes
        lines = self._next(min(room, _TOGETHER))
        if lines:
            longest = self._modality.longest_text
            found = text_items((line for line, _ in lines), longest)
            cut = found.cut + np.array([beyond for _, beyond in lines])
            self.texts_cut += int(np.count_nonzero(cut))
            self.characters_cut += int(cut.sum())
            items = self._modality.items_of_texts(found.batch.slots(longest))
            ids = np.arange(self.texts_sent, self.texts_sent + len(items))
            meta = truth_meta(ids, np.full(len(items), NOT_KNOWN), self._modality.name, self._shape)
            self.message_port_pub(_TRUTH, make_pdu(meta, items.ravel()))
            output_items[0][: items.size] = items.ravel()
            first = self.nitems_written(0)
            for place, item_id in enumerate(ids.tolist()):
                self.add_item_tag(0, first + place * self.item_bytes, _ITEM_ID, pmt.from_long(item_id))
            self.texts_sent += len(items)
            if self._ended:
                self.add_item_tag(0, first + (len(items) - 1) * self.item_bytes, _LAST_ITEM, pmt.PMT_T)
                leave_listeners(self, "truth")
            return items.size
        if self._ended:
            leave_listeners(self, "truth")
            return -1
        time.sleep(_POLL_S)
        return 0

    def _next(self, most: int) -> list[tuple[bytes, int]]:
        """Lines that wait; after each a moment for the news that it was the last."""
        lines: list[tuple[bytes, int]] = []
        while len(lines) < most and not self._ended:
            try:
                line = self._lines.get(timeout=_TAIL_S) if lines else self._lines.get_nowait()
            except queue.Empty:
                break
            self._ended = line is None
            if line is not None:
                lines.append(line)
        return lines

    @guarded_stop
    def stop(self) -> bool:
        self._stopped.set()
        if self.texts_cut:
            self.logger.warn(f"{self.texts_cut} texts were too long and lost {self.characters_cut} characters")
        if self.texts_not_utf8:
            self.logger.warn(f"{self.texts_not_utf8} texts held bytes that are no UTF-8, or NUL")
        return True
