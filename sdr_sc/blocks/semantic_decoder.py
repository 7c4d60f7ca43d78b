# SPDX-License-Identifier: GPL-3.0-or-later
"""Semantic decoder: features to the task's answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pmt
from gnuradio import gr

from sdr_sc.blocks.runtime import failures
from sdr_sc.blocks.runtime.guard import block_name, guarded_handler, guarded_start, guarded_stop
from sdr_sc.blocks.runtime.pdu import make_pdu, read_pdu
from sdr_sc.errors import BlockError, ModelFaultError
from sdr_sc.link.parameters import require
from sdr_sc.semantic import weights
from sdr_sc.semantic.tasks.base import NOT_A_NUMBER, task_of

if TYPE_CHECKING:
    from sdr_sc.semantic.inference import SemanticDecoder


class semantic_decoder(gr.basic_block):
    """Answers the task for each item of a frame, by the model that the frame's header names.

    Message input ``frames``: PDUs of the OFDM receiver.
    Message output ``answers``: PDUs of int32 ids among the task's names (of a classification the classes), -1 for a
    lost item, -2 where the model gives no number; with ``confidence`` (float32 vector), ``frame_num``, ``k``,
    ``n_items``, ``task``, ``snr_db``, ``cfo_hz`` and ``inference_ms``. A frame made for a model or a task that is not
    here is counted in ``frames_refused``, and not answered; so is one whose data do not fit its header. A model that
    gives no numbers makes the run an error, at its end.

    Args:
        model: weights file, ONNX file or pair, or name of a shipped model; several with commas between.

    Raises:
        ContractError: the model cannot be used; the message says why.
    """

    def __init__(self, model: str = weights.DEFAULT_MODEL) -> None:
        gr.basic_block.__init__(self, "sdr_sc_semantic_decoder", in_sig=None, out_sig=None)
        self.model = model
        contracts = [weights.read_contract(name, "decoder") for name in self._models()]
        self.contracts = {contract.wire_id: contract for contract in contracts}
        if len(self.contracts) != len(contracts):
            raise BlockError(f"semantic decoder: two of the models {model!r} have the same id; give each once.")
        self.contract = contracts[0]
        self.item_bytes = int(np.prod(self.contract.item_shape))
        self._decoders: dict[int, SemanticDecoder] = {}
        self._faulty: SemanticDecoder | None = None
        self._fault_told = False
        self.frames_answered = 0
        self.frames_refused = 0
        self.items_not_a_number = 0
        self.message_port_register_in(pmt.intern("frames"))
        self.message_port_register_out(pmt.intern("answers"))
        self.set_msg_handler(pmt.intern("frames"), self.handle_frame)

    def _models(self) -> list[str]:
        return [name.strip() for name in self.model.split(",")]

    def load(self) -> None:
        """Load the models, which takes seconds: before the start where a device would not wait for it."""
        from sdr_sc.semantic.inference import SemanticDecoder

        for name, (wire_id, contract) in zip(self._models(), self.contracts.items(), strict=True):
            if wire_id not in self._decoders:
                loaded = SemanticDecoder(name)
                loaded.contract.check_same_model(contract)
                self._decoders[wire_id] = loaded

    @guarded_start
    def start(self) -> bool:
        self.load()
        return True

    @guarded_stop
    def stop(self) -> bool:
        if self._faulty is not None and not self._fault_told:
            self._fault_told = True
            failures.report_fault(block_name(self), ModelFaultError(self._fault(self._faulty)))
        return True

    def _fault(self, decoder: SemanticDecoder) -> str:
        return f"{self.items_not_a_number} items got no answer: {decoder.fault()}"

    @guarded_handler
    def handle_frame(self, message: pmt.pmt_base) -> None:
        """Answer a frame's items."""
        began = time.perf_counter()
        meta, data = read_pdu(message, "frames")
        require(meta, ("frame_num", "k", "n_items", "model_id", "snr_db"), "frames")
        refusal = self._refusal(meta, data)
        if refusal:
            self._refuse(refusal)
            return
        decoder, shape = self._decoders[meta["model_id"]], (meta["n_items"], meta["k"])
        erased = np.asarray(meta["erased"], bool).reshape(shape) if "erased" in meta else None
        found = decoder.answer(np.asarray(data, np.complex64).reshape(shape), meta["snr_db"], erased)
        if found.best.min() == NOT_A_NUMBER:
            self._note_fault(decoder, int((found.best == NOT_A_NUMBER).sum()))
        self.frames_answered += 1
        copied = ("frame_num", "k", "n_items", "task", "snr_db", "cfo_hz", "received_ns", "air_ms")
        out = {key: meta[key] for key in copied if key in meta}
        out["confidence"] = found.confidence
        out["inference_ms"] = 1e3 * (time.perf_counter() - began)
        self.message_port_pub(pmt.intern("answers"), make_pdu(out, found.best.astype(np.int32)))

    def _refusal(self, meta: dict[str, Any], data: np.ndarray) -> str:
        """Why a frame cannot be answered; '' if it can."""
        contract = self.contracts.get(meta["model_id"])
        if contract is None or meta["k"] not in contract.k_list:
            here = " or ".join(f"{c.wire_id:04x} with k in {list(c.k_list)}" for c in self.contracts.values())
            return (
                f"frame {meta['frame_num']} was made for model {meta['model_id']:04x} with k={meta['k']}, this decoder "
                f"has {here}"
            )
        task = task_of(contract.tasks[0].name)
        if meta.get("task", task.wire_id) != task.wire_id:
            return (
                f"frame {meta['frame_num']} asks for task {meta['task']}, model {contract.name!r} answers "
                f"{task.name}, which is task {task.wire_id}"
            )
        symbols = meta["n_items"] * meta["k"]
        if not len(data) == symbols == len(meta.get("erased", data)) or not symbols:
            return f"a frame has {len(data)} features where its header says {meta['n_items']} items of {meta['k']}"
        return ""

    def _refuse(self, reason: str) -> None:
        if not self.frames_refused:
            self.logger.warn(f"{reason}; such frames are not answered")
        self.frames_refused += 1

    def _note_fault(self, decoder: SemanticDecoder, items: int) -> None:
        self.items_not_a_number += items
        if self._faulty is None:
            self._faulty = decoder
            self.logger.error(self._fault(decoder))
