# SPDX-License-Identifier: GPL-3.0-or-later
"""Semantic decoder: features to the task's answers."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pmt
from gnuradio import gr

from sdr_sc.blocks.runtime import failures
from sdr_sc.blocks.runtime.guard import block_name, guarded_handler, guarded_start, guarded_stop, guarded_thread
from sdr_sc.blocks.runtime.pdu import make_pdu, read_pdu
from sdr_sc.blocks.runtime.refused import Refused
from sdr_sc.errors import BlockError, ModelFaultError
from sdr_sc.link.end_of_stream import IDLE_S, is_end
from sdr_sc.link.frames.base_answers import evidence_meta
from sdr_sc.link.frames.decodable import refusal, too_far_behind
from sdr_sc.link.frames.frame_models import FrameModels
from sdr_sc.link.frames.frame_news import answered_questions_meta, read_news
from sdr_sc.link.frames.frame_questions import FrameQuestions
from sdr_sc.link.frames.task_answers import answers_meta, entries_meta
from sdr_sc.link.network.pdu_schema import REQUEST, SETTLED_AFTER
from sdr_sc.link.parameters import require, require_text
from sdr_sc.link.refinement.receiver import RefinementReceiver, Settled
from sdr_sc.link.refinement.triggers import TRIGGERS
from sdr_sc.semantic import weights
from sdr_sc.shown import shown

_FRAMES, _SENT, _ANSWERS, _REQUESTS = (pmt.intern(port) for port in ("frames", "sent", "answers", "requests"))
_SETTLE = pmt.intern("settle")
"""To itself, after the frames that wait."""
_COPIED = ("frame_num", "k", "n_items", "task", "snr_db", "cfo_hz", "received_ns", "air_ms", "inference_ms")
_NOTHING = np.empty(0, np.uint8)
_TICK_S = 0.1


class semantic_decoder(gr.basic_block):
    """Answers the task for each item of a frame, by the model that the frame's header names.

    Message input ``frames``: PDUs of the OFDM receiver. Message input ``sent`` (optional): PDUs of the semantic
    encoder, of which the end counts for refinement; with the question ``*`` also those of the item source's port
    ``questions``, or of another block that says what is asked of which item.
    Message output ``answers``: PDUs of int32 ids among the task's names (of a classification the classes), -1 for a
    lost item, -2 where the model gives no number; with ``confidence`` (float32 vector), ``frame_num``, ``k``,
    ``n_items``, ``task``, ``snr_db``, ``cfo_hz`` and ``inference_ms``. A frame made for a model or a task that is not
    here is counted in ``frames_refused``, and not answered; so is one whose data do not fit its header, and one behind
    which too many wait, which ``frames_behind`` counts, too. A model that gives no numbers makes the run an error, at
    its end. With ``tasks`` the metadata also has the answers to these, from
    the same symbols (`sdr_sc.link.frames.task_answers.answers_of`): ``tasks``, their names with commas between, and for
    each one ``ids_NAME`` (int32, best first, for retrieval five an item) and ``confidence_NAME`` (float32); of
    reconstruction ``pictures_NAME`` (uint8) and ``shape_NAME`` (int32) too. Where a task answers questions,
    ``questions`` holds what was asked, UTF-8 with a line for all items or for each, empty for nothing.

    Unless ``refine`` is none it asks for more symbols of the items that it is not sure of, by PDUs at its message
    output ``requests`` (`sdr_sc.link.refinement`) for the encoder's port ``snr``, where it also says after which frame
    it wants nothing more, and answers a frame when all its items are settled, in the frames' order; the answers then
    have ``rounds`` and ``k_items`` (int32 vectors), and -3 for an item that is rejected. Without it, symbols of
    refinements are counted in ``refinements_ignored``, and not used.

    Args:
        model: weights file, ONNX file or pair, or name of a shipped model; several with commas between.
        refine: what decides on refinement: ``none``; ``confidence``, its own; ``compare``, which feeds the answers to
            these items back, for an encoder that compares them with its own.
        reject_below: with refinement the confidence below which an item is not answered after its last round, 0 to 1.
        tasks: names of further tasks to answer, with commas between; '' for the model's first one alone.
        gallery: file of the entries that the task ``retrieval`` searches; '' for the one beside the model, named as
            it is and ending in ``.gallery``, where that task is asked for.
        question: that each item is asked, where the task ``question`` is asked for or is the model's first one; ``*``
            where each is asked one of its own, which comes at the port ``sent``: a frame waits for it, for 2 s at most,
            and an item that is asked nothing, or of which nobody says what, gets -4 in place of an answer.
        evidence: publish what the answers were made from, too, for the block Knowledge Base: ``logits`` (float32, those
            of an item's classes one after the other), ``features`` (complex64), ``noise_variance`` (float32) and
            ``model_id``. Not with refinement.
        knowledge_base: file of a global base, made by ``sdr-sc kb build``, whose entries the encoder may name, which
            holds the same; '' for none. It is announced at ``requests`` with each frame. Not with refinement.

    Raises:
        BlockError: a parameter makes no sense.
        ContractError: the model cannot be used; the message says why.
    """

    def __init__(
        self,
        model: str = weights.DEFAULT_MODEL,
        refine: str = TRIGGERS[0],
        reject_below: float = 0.0,
        tasks: str = "",
        gallery: str = "",
        question: str = "",
        evidence: bool = False,
        knowledge_base: str = "",
    ) -> None:
        gr.basic_block.__init__(self, "sdr_sc_semantic_decoder", in_sig=None, out_sig=None)
        require_text("semantic decoder", tasks=tasks, gallery=gallery, question=question, base=knowledge_base)
        self.model, self.question = model, question
        self.models = FrameModels("semantic decoder", model, tasks, gallery, question, knowledge_base)
        self.contract, self.asked = self.models.contract, self.models.asked
        self.item_bytes = int(np.prod(self.contract.item_shape))
        self._fault_told = False
        self.frames_answered = 0
        self.frames_refused = self.frames_behind = 0
        self.frames_without_items = 0
        self._own: FrameQuestions[tuple[dict[str, Any], np.ndarray]] | None = None
        if self.models.asks_own:
            self._own = FrameQuestions()
        self.refused = Refused(self)
        self._settings = self.models.refinement(refine, reject_below)
        self.refine = self._settings is not None
        if self.refine and knowledge_base:
            raise BlockError(
                f"semantic decoder: knowledge_base is {shown(knowledge_base)!r} and refine {refine!r}: frames that "
                "name entries carry no refinements; leave one of them out."
            )
        self._evidence = bool(evidence)
        if self._evidence:
            self.models.check_evidence(self.refine)
        self._receivers: dict[int, RefinementReceiver] = {}
        self.refinements_ignored = self.refined_symbols = 0
        self._heard_s = time.monotonic()
        self._latest: int | None = None  # frame that a receiver with refinement got
        self._stopped, self._watching = threading.Event(), False
        for port, handler in ((_FRAMES, self.handle_frame), (_SENT, self.handle_sent)):
            self.message_port_register_in(port)
            self.set_msg_handler(port, handler)
        for port in (_ANSWERS, _REQUESTS):
            self.message_port_register_out(port)

    def load(self) -> None:
        """Load the models, which takes seconds: before the start where a device would not wait for it."""
        for contract, loaded in self.models.load():
            if self.refine and self._settings is not None and contract.refinement is not None:
                receiver = RefinementReceiver(contract.refinement, contract.k_max, loaded, self._settings)
                self._receivers[contract.wire_id] = receiver

    @property
    def refinement_counts(self) -> dict[str, Any]:
        """What was asked for, and what became of it, by name; of the first model that refines."""
        counts = next((one.counts() for one in self._receivers.values()), {})
        return {
            **counts,
            "refined_symbols": self.refined_symbols,
            "refinements_ignored": self.refinements_ignored,
            "frames_without_items": self.frames_without_items,
            **({} if self.models.entries is None else self.models.entries.counts()),
        }

    @property
    def frames_handled(self) -> int:
        """Received frames that it is done with: answered, refused, or without items to answer."""
        return self.frames_answered + self.frames_refused + self.frames_without_items

    @guarded_start
    def start(self) -> bool:
        self.load()
        self._stopped.clear()
        if (self._receivers or self._own is not None) and not self._watching:
            self._watching = True
            threading.Thread(target=self._watch, name="semantic_decoder", daemon=True).start()
        return True

    @guarded_stop
    def stop(self) -> bool:
        self._stopped.set()
        self._watching = False
        fault = self.models.fault()
        if fault and not self._fault_told:
            self._fault_told = True
            failures.report_fault(block_name(self), ModelFaultError(fault))
        return True

    @guarded_handler
    def handle_frame(self, message: pmt.pmt_base) -> None:
        """Answer a frame's items."""
        if pmt.eq(message, _SETTLE):
            self._settle_all()
            return
        meta, data = read_pdu(message, "frames")
        require(meta, ("frame_num", "k", "n_items", "model_id", "snr_db"), "frames")
        reason = refusal(meta, data, self.models.contracts, self.models.entries is not None)
        if reason:
            self._refuse(f"{reason}; such frames are not answered")
            return
        if too_far_behind(self.to_basic_block().nmsgs(_FRAMES), meta["n_items"]):
            self._leave_out()
            return
        if self._own is None:
            self._answer(meta, data)
            return
        self._own.received(meta["frame_num"], meta["n_items"], (meta, data), time.monotonic())
        self._answer_known()

    def _answer_known(self) -> None:
        """Answer the frames of which it is known what their items are asked, or that have waited for it long enough."""
        assert self._own is not None
        for (meta, data), texts in self._own.known(time.monotonic()):
            if texts is None and self._own.frames_unasked == 1:
                self.logger.warn(
                    f"nobody says what the items of frame {meta['frame_num']} are asked, so they get no answers to "
                    "questions: connect ports 'questions' of the item source and 'sent' of the encoder to port 'sent' "
                    "of the decoder"
                )
            self._answer(meta, data, texts or ("",) * meta["n_items"])

    def _answer(self, meta: dict[str, Any], data: np.ndarray, texts: tuple[str, ...] | None = None) -> None:
        was_faulty = self.models.faulty
        self.frames_without_items += int(meta["n_items"] == 0)
        answered = self.models.answered(meta, data, texts)
        self.refined_symbols += len(answered.refined.features)
        if answered.entries_read is not None:
            meta["k"] = self.contract.k_max  # that are known of each item, of which few were sent
        if self.models.entries is not None:
            meta_of_base = self.models.entries.announcement(meta["frame_num"], answered.entries_read)
            self.message_port_pub(_REQUESTS, make_pdu(meta_of_base, _NOTHING))
        if self.models.faulty is not was_faulty:
            self.logger.error(self.models.fault())
        if answered.inference_ms is not None:
            meta["inference_ms"] = answered.inference_ms
        receiver = self._receivers.get(meta["model_id"])
        if receiver is None:
            self.refinements_ignored += bool(len(answered.refined.features))
            first = answered.first
            if first is not None:
                more = answers_meta(answered.others) | entries_meta(self.models.gallery_numbers(meta["model_id"]))
                if self._evidence:
                    more |= evidence_meta(answered, meta["model_id"])
                self._publish(meta, first.best, first.confidence, texts, more)
            return
        number, request = meta["frame_num"], meta.get("request", 0)
        self._heard_s, self._latest = time.monotonic(), number
        self._publish_settled(receiver.frame(number, meta, answered.new, answered.first, request, answered.refined))
        wanted = receiver.ask()
        if wanted is not None:
            raw = np.frombuffer(wanted.to_bytes(), np.uint8)
            self.message_port_pub(_REQUESTS, make_pdu({REQUEST: wanted.number}, raw))
        elif not receiver.items_open:
            self.message_port_pub(_REQUESTS, make_pdu({SETTLED_AFTER: number}, _NOTHING))

    def _publish(
        self,
        meta: dict[str, Any],
        ids: np.ndarray,
        confidence: np.ndarray,
        texts: tuple[str, ...] | None = None,
        more: dict[str, Any] | None = None,
    ) -> None:
        self.frames_answered += 1
        out = {key: meta[key] for key in _COPIED if key in meta}
        out |= {"confidence": confidence, **(more or {})}
        out |= answered_questions_meta(self.models.questions(meta["model_id"], texts))
        self.message_port_pub(_ANSWERS, make_pdu(out, ids.astype(np.int32)))

    def _publish_settled(self, frames: list[Settled]) -> None:
        for frame in frames:
            rounds = frame.rounds.astype(np.int32)
            more = {"rounds": rounds, "k_items": frame.k.astype(np.int32)}
            self._publish(frame.note, frame.ids, frame.confidence, more=more)

    @guarded_handler
    def handle_sent(self, message: pmt.pmt_base) -> None:
        """The encoder says that no more frames come: nothing more can be asked for, after those that wait here; or
        which items a frame has; or the source what they are asked."""
        if self._own is None:
            if is_end(read_pdu(message, "sent")[0]):
                self.settle()
            return
        with self.refused.messages():
            meta, data = read_pdu(message, "sent")
            if is_end(meta):
                self._own.end()
            for kind, news in () if is_end(meta) else read_news(meta, data, "sent"):
                self._own.take(kind, *news)
        self._answer_known()

    def settle(self) -> None:
        """Answer what is open as it is, after the frames that wait; may be called in any thread."""
        self.to_basic_block()._post(_FRAMES, _SETTLE)

    @property
    def items_open(self) -> int:
        """Items whose answer is still to come."""
        return sum(one.items_open for one in self._receivers.values())

    def _settle_all(self) -> None:
        if self._own is not None:
            self._answer_known()
            return
        for receiver in self._receivers.values():
            self._publish_settled(receiver.close())
        if self._latest is not None:
            self.message_port_pub(_REQUESTS, make_pdu({SETTLED_AFTER: self._latest}, _NOTHING))

    @guarded_thread
    def _watch(self) -> None:
        while not self._stopped.wait(_TICK_S):
            if self._own is not None and len(self._own):
                self.settle()
            if time.monotonic() - self._heard_s > IDLE_S and self.items_open:
                self._heard_s = time.monotonic()
                self.settle()

    def _refuse(self, reason: str) -> None:
        if self.frames_refused == self.frames_behind:
            self.logger.warn(reason)
        self.frames_refused += 1

    def _leave_out(self) -> None:
        """Leave a frame out, as too many wait behind it."""
        if not self.frames_behind:
            self.logger.warn(
                "frames come faster than this model answers them, and too many wait: the oldest are left out from now "
                "on; send fewer items a second, or use a faster machine or model"
            )
        self.frames_behind += 1
        self.frames_refused += 1
