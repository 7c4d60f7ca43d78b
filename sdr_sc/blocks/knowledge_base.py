# SPDX-License-Identifier: GPL-3.0-or-later
"""Knowledge base: the decoder's answers, and what the receiver knows besides, in one answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pmt
from gnuradio import gr

from sdr_sc.blocks.runtime.guard import guarded_handler, guarded_start, guarded_stop
from sdr_sc.blocks.runtime.pdu import make_pdu, read_pdu
from sdr_sc.errors import BlockError
from sdr_sc.link.frames.base_answers import EVIDENCE, base_meta, decoded_of
from sdr_sc.link.parameters import require, require_text
from sdr_sc.semantic import weights
from sdr_sc.semantic.knowledge.answering.answers import KnowledgeAnswers
from sdr_sc.semantic.knowledge.answering.sources import OTHER_MODEL, check_there
from sdr_sc.semantic.knowledge.local import CAPACITY, MOST_CAPACITY
from sdr_sc.semantic.model_items import load_items

_ANSWERS = pmt.intern("answers")


class knowledge_base(gr.basic_block):
    """Fuses the answers to a model's first task with what a knowledge base says of the same features.

    Message input ``answers``: PDUs of the semantic decoder with ``evidence``. Message output ``answers``: the same with
    fused answers and their confidence, and in the metadata what the decoder said alone, the bases' weight, and the
    entries with their shares (`sdr_sc.link.frames.base_answers.base_meta`). Where the base does not fit, or cannot be
    asked about a frame, the decoder's answers pass as they are, with the reason as ``base_state``.

    Args:
        model: of the semantic decoder, the one that the base is for.
        base: file of the global base, made by ``sdr-sc kb build``.
        rules: file of its fusion rules, made by ``sdr-sc kb fit``; '' for the one beside the base, of the same name
            with the ending ``.rules``.
        local_base: file of what this receiver was sure of lately, which is made where there is none; '' for none.
        capacity: entries of the local base.
        numbering: data set by whose classes answers are numbered, where these are others than the model's, such as
            those of what is sent; '' for the model's own. What it lacks gets the numbers that follow.
        require_signature: public key, or its file, that has to have signed the base; '' for none.

    Attributes:
        answering: what makes the answers (`sdr_sc.semantic.knowledge.answering.answers.KnowledgeAnswers`), from the
            start to the end.
        counts: items by the base's state, and what became of those offered to the local base, when it has ended.

    Raises:
        BlockError: a parameter makes no sense.
        ContractError, KnowledgeError: the model cannot be used, or a file is not there.
    """

    def __init__(
        self,
        model: str = weights.DEFAULT_MODEL,
        base: str = "",
        rules: str = "",
        local_base: str = "",
        capacity: int = CAPACITY,
        numbering: str = "",
        require_signature: str = "",
    ) -> None:
        gr.basic_block.__init__(self, "sdr_sc_knowledge_base", in_sig=None, out_sig=None)
        texts = {"base": base, "rules": rules, "local_base": local_base, "numbering": numbering}
        require_text("knowledge base", model=model, require_signature=require_signature, **texts)
        if isinstance(capacity, bool) or not 1 <= int(capacity) <= MOST_CAPACITY:
            raise BlockError(f"knowledge base: capacity is {capacity}; use 1 to {MOST_CAPACITY}.")
        self.contract = weights.read_contract(model, "decoder")
        self._base, self._rules = base, rules or (str(Path(base).with_suffix(".rules")) if base else "")
        self._local, self._capacity = local_base, int(capacity)
        self._numbering, self._required = numbering, require_signature
        if base:
            check_there(self._base, self._rules)
        self.answering: KnowledgeAnswers | None = None
        self.frames_passed = 0
        self.counts: dict[str, dict[str, int]] = {}
        self.message_port_register_in(_ANSWERS)
        self.message_port_register_out(_ANSWERS)
        self.set_msg_handler(_ANSWERS, self.handle_answers)

    def load(self) -> None:
        """Open the bases, which takes seconds: before the start where a device would not wait for it."""
        if self.answering is not None:
            return
        if not self._base:
            raise BlockError("knowledge base: no base is given; make one with 'sdr-sc kb build' and 'sdr-sc kb fit'.")
        names: tuple[str, ...] = ()
        if self._numbering:
            data = load_items(self._numbering, "test")
            names = tuple(data.names(self.contract.tasks[0].name))
        self.answering = KnowledgeAnswers(
            self.contract, self._base, self._rules, self._local, self._capacity, "", self._required, names,
            self.logger.warn,
        )  # fmt: skip

    @guarded_start
    def start(self) -> bool:
        self.load()
        return True

    @guarded_stop
    def stop(self) -> bool:
        if self.answering is not None:
            seen = self.answering.seen
            self.counts = {"items": dict(self.answering.counts)} | ({} if seen is None else {"local": seen.counts()})
            parts = ("; ".join(f"{key}: {_listed(counts)}" for key, counts in self.counts.items())) or "no items"
            self.logger.info(parts)
            self.answering.close()
            self.answering = None
        return True

    @guarded_handler
    def handle_answers(self, message: pmt.pmt_base) -> None:
        """Answer a frame with the bases."""
        meta, ids = read_pdu(message, "answers")
        require(meta, ("frame_num", "confidence", "snr_db"), "answers")
        if self.answering is None:
            raise BlockError("knowledge base: a frame came before the start.")
        decoded = decoded_of(meta, ids)
        if meta["model_id"] == self.contract.wire_id:
            found = self.answering.answers(decoded)
        else:
            found = self.answering.passed(ids, decoded.confidence, OTHER_MODEL, is_other=True)
        self.frames_passed += 1
        kept = {key: value for key, value in meta.items() if key not in EVIDENCE}
        self.message_port_pub(_ANSWERS, make_pdu(kept | base_meta(found), found.ids.astype(np.int32)))


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)
