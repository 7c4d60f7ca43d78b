# SPDX-License-Identifier: GPL-3.0-or-later
"""Semantic decoder: features to the task's answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pmt
from gnuradio import gr

from sdr_sc.blocks.runtime import failures
from sdr_sc.blocks.runtime.guard import block_name, guarded_handler, guarded_start, guarded_stop
from sdr_sc.blocks.runtime.pdu import make_pdu, read_pdu
from sdr_sc.errors import ModelFaultError
from sdr_sc.link.frames.frame_fields import require
from sdr_sc.semantic import weights

if TYPE_CHECKING:
    from sdr_sc.semantic.inference import SemanticDecoder


class semantic_decoder(gr.basic_block):
    """Answers the task for each item of a frame.

    Message input ``frames``: PDUs of the OFDM receiver.
    Message output ``answers``: PDUs of int32 classes, -1 for a lost item, -2 where the model gives no number; with
    ``confidence`` (float32 vector), ``frame_num``, ``k``, ``n_items``, ``snr_db``, ``cfo_hz`` and ``inference_ms``. A
    frame made for another model is counted in ``frames_refused``, and not answered; so is one whose data do not fit its
    header. A model that gives no numbers makes the run an error, at its end.

    Args:
        model: weights file, ONNX file or pair, or name of a shipped model.

    Raises:
        ContractError: the model cannot be used; the message says why.
    """

    def __init__(self, model: str = weights.DEFAULT_MODEL) -> None:
        gr.basic_block.__init__(self, "sdr_sc_semantic_decoder", in_sig=None, out_sig=None)
        self.contract = weights.read_contract(model, "decoder")
        self.item_bytes = int(np.prod(self.contract.item_shape))
        self.model = model
        self._decoder: SemanticDecoder | None = None
        self._fault_told = False
        self.frames_answered = 0
        self.frames_refused = 0
        self.items_not_a_number = 0
        self.message_port_register_in(pmt.intern("frames"))
        self.message_port_register_out(pmt.intern("answers"))
        self.set_msg_handler(pmt.intern("frames"), self.handle_frame)

    def load(self) -> None:
        """Load the model, which takes seconds: before the start where a device would not wait for it."""
        from sdr_sc.semantic.inference import SemanticDecoder

        if self._decoder is None:
            loaded = SemanticDecoder(self.model)
            loaded.contract.check_same_model(self.contract)
            self._decoder = loaded

    @guarded_start
    def start(self) -> bool:
        self.load()
        return True

    @guarded_stop
    def stop(self) -> bool:
        if self.items_not_a_number and not self._fault_told:
            self._fault_told = True
            failures.report_fault(block_name(self), ModelFaultError(self._fault()))
        return True

    def _fault(self) -> str:
        assert self._decoder is not None
        return f"{self.items_not_a_number} items got no answer: {self._decoder.fault()}"

    @guarded_handler
    def handle_frame(self, message: pmt.pmt_base) -> None:
        """Answer a frame's items."""
        from sdr_sc.semantic.inference import NOT_A_NUMBER, answers

        began = time.perf_counter()
        meta, data = read_pdu(message, "frames")
        require(meta, ("frame_num", "k", "n_items", "model_id", "snr_db"), "frames")
        if meta["model_id"] != self.contract.wire_id or meta["k"] not in self.contract.k_list:
            self._refuse(
                f"frame {meta['frame_num']} was made for model {meta['model_id']:04x} with k={meta['k']}, this decoder "
                f"has {self.contract.wire_id:04x} with k in {list(self.contract.k_list)}"
            )
            return
        symbols = meta["n_items"] * meta["k"]
        if not len(data) == symbols == len(meta.get("erased", data)) or not symbols:
            self._refuse(
                f"a frame has {len(data)} features where its header says {meta['n_items']} items of {meta['k']}"
            )
            return
        assert self._decoder is not None
        shape = (meta["n_items"], meta["k"])
        erased = np.asarray(meta["erased"], bool).reshape(shape) if "erased" in meta else None
        logits = self._decoder.decode(np.asarray(data, np.complex64).reshape(shape), meta["snr_db"], erased, False)
        classes, confidence = answers(logits)
        if classes.min() == NOT_A_NUMBER:
            self._note_fault(int((classes == NOT_A_NUMBER).sum()))
        self.frames_answered += 1
        copied = ("frame_num", "k", "n_items", "snr_db", "cfo_hz", "received_ns", "air_ms")
        out = {key: meta[key] for key in copied if key in meta}
        out["confidence"] = confidence
        out["inference_ms"] = 1e3 * (time.perf_counter() - began)
        self.message_port_pub(pmt.intern("answers"), make_pdu(out, classes.astype(np.int32)))

    def _refuse(self, reason: str) -> None:
        if not self.frames_refused:
            self.logger.warn(f"{reason}; such frames are not answered")
        self.frames_refused += 1

    def _note_fault(self, items: int) -> None:
        self.items_not_a_number += items
        if self.items_not_a_number == items:
            self.logger.error(self._fault())
