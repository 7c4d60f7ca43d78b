# SPDX-License-Identifier: GPL-3.0-or-later
"""Semantic encoder with the channel-adaptive module (CAM)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pmt
from gnuradio import gr

from sdr_sc.blocks.runtime.guard import guarded, guarded_handler, guarded_start, guarded_stop
from sdr_sc.blocks.runtime.item_stream import ItemStream
from sdr_sc.blocks.runtime.pdu import make_pdu, read_pdu
from sdr_sc.errors import BlockError
from sdr_sc.link.adaptation import Setting
from sdr_sc.link.end_of_stream import ENCODER_LINGER_S, IDLE_S, LAST_ITEM, SenderEnd, State, end_meta
from sdr_sc.link.frame_sender import Frame
from sdr_sc.link.mapping import INTERLEAVE
from sdr_sc.link.refinement.triggers import TRIGGERS, AnswerCompared
from sdr_sc.link.sender_settings import SenderSettings
from sdr_sc.semantic import weights
from sdr_sc.semantic.knowledge.both_ends.entries import SharedEntries

if TYPE_CHECKING:
    from sdr_sc.semantic.inference import SemanticEncoder

_POLL_S = 0.0005
_WARN_FRAMES = 4
_STALL_S = 0.25  # without new items, after which what was asked for leaves without them
_NOTHING = np.empty(0, np.uint8)
_SNR, _FRAMES, _SENT = (pmt.intern(port) for port in ("snr", "frames", "sent"))
_REPORTED = ("frame_num", "frame_index", "n_items", "k", "model_id", "task", "mode")


class semantic_encoder(gr.basic_block):
    """Turns items into feature symbols, as many as the fed-back SNR calls for.

    Input 0: uint8, the bytes of the items one after the other; an item's first byte may carry the tags ``item_id``
    and ``last_item``.
    Message input ``snr``: PDUs with ``snr_db`` and ``frame_num`` from the SNR smoother, and requests of the semantic
    decoder for more symbols of single items.
    Message output ``frames``: PDUs of complex64 features for the OFDM transmitter, with the receiver's ``report`` and
    its ``report_frame`` where they are to be mapped by importance.
    Message output ``sent``: which items were sent in which frame, for the task sink: PDUs of ids and ``k``. The truth
    of the items is their source's to publish.

    Args:
        model: weights file, ONNX file or pair, or name of a shipped model.
        items_per_frame: items in a frame, 1..255.
        k: feature symbols per item; 0 lets the CAM choose.
        max_frames_in_flight: frames sent without feedback before the encoder waits; 0 never waits.
        feedback_timeout_s: after this time without feedback a frame counts as lost, and the CAM sends its most
            robust setting; so it does when the last feedback is eight times as old.
        hysteresis_db: of the CAM.
        max_loss_points: accuracy points that the CAM may give away; negative: those that the model's table is for.
        max_k: the most feature symbols that the CAM sends for an item; 0 for no limit.
        mode: frame mode: short, normal or robust; auto lets the CAM choose.
        refine: what decides on refinement. With ``none`` requests are counted and not answered; with ``confidence`` the
            first round is sent, and what the receiver asks for; with ``compare`` more follows only of items whose
            answer, which the receiver feeds back, is not the model's own at this end.
        mapping: importance: let the OFDM transmitter put the first features of all items on the strongest subcarriers,
            as long as the receiver reports them with its SNR; interleave: put them anywhere.
        tasks: names of further tasks that the receiver answers, with commas between: the CAM chooses the k that the
            first task and each of these need. Those whose quality the model's table does not hold have no say.
        knowledge_base: file of a global base, made by ``sdr-sc kb build``: where the decoder announces the same one in
            the same version, items are sent by the nearest entry, and what they differ from it by, where that is
            expected to take fewer channel uses; '' for none. Not with refinement.

    Attributes:
        sender: how frames are sent, and what came back.

    Raises:
        BlockError: a parameter makes no sense.
        ContractError: the model does not fit, or ``k`` is not in its list.
    """

    def __init__(
        self,
        model: str = weights.DEFAULT_MODEL,
        items_per_frame: int = 4,
        k: int = 0,
        max_frames_in_flight: int = 1,
        feedback_timeout_s: float = 0.25,
        hysteresis_db: float = 1.0,
        max_loss_points: float = -1.0,
        max_k: int = 0,
        mode: str = "auto",
        refine: str = TRIGGERS[0],
        mapping: str = INTERLEAVE,
        tasks: str = "",
        knowledge_base: str = "",
    ) -> None:
        self.contract = weights.read_contract(model, "encoder")
        gr.basic_block.__init__(self, "sdr_sc_semantic_encoder", in_sig=[np.uint8], out_sig=None)
        self._stream = ItemStream(self, model, self.contract.item_shape)
        settings = SenderSettings(
            items_per_frame, max_frames_in_flight, feedback_timeout_s, hysteresis_db, max_loss_points, max_k, mode,
            refine, mapping, tasks, knowledge_base,
        )  # fmt: skip
        self.model, self._base = model, knowledge_base
        self._encoder: SemanticEncoder | None = None
        self.items_per_frame, self.hysteresis_db, self.refine = items_per_frame, hysteresis_db, refine
        if self.refine == "compare":
            weights.read_contract(model, "decoder")  # which compares
        self.set_k(k)
        self.sender = settings.sender(self.contract, model)
        self._warned = False
        self._end = SenderEnd()
        self._is_full: Callable[[int], bool] = lambda frames_made: False
        self.message_port_register_in(_SNR)
        self.message_port_register_out(_FRAMES)
        self.message_port_register_out(_SENT)
        self.set_msg_handler(_SNR, self.handle_snr)

    @property
    def item_bytes(self) -> int:
        """Of an item of the model."""
        return self._stream.item_bytes

    @property
    def frames_sent(self) -> int:
        """Frames so far, with those of refinements alone."""
        return self.sender.frames_sent

    @property
    def items_sent(self) -> int:
        """Items so far."""
        return self.sender.items_sent

    def set_k(self, k: int) -> None:
        """Fix k, or give the choice to the CAM with 0; may be called while the flowgraph runs."""
        self.k = k if k == 0 else self.contract.check_k(k)

    def finish(self, at_once: bool = False) -> None:
        """Send no more, as if the items were used up, and announce the end.

        Args:
            at_once: wait for no feedback first.
        """
        self._end.begin(at_once)

    @property
    def end_told(self) -> bool:
        """Whether it has announced to the blocks downstream that no more frames come."""
        return self._end.state is State.TOLD

    def latest_feedback(self) -> tuple[float, float] | None:
        """The SNR that was fed back last, dB, and its age, s; None before the first."""
        latest = self.sender.latest_feedback
        return None if latest is None else (latest[0], time.monotonic() - latest[1])

    def set_brake(self, is_full: Callable[[int], bool]) -> None:
        """Make no frame while ``is_full`` says so, which is asked with the number of frames made so far."""
        self._is_full = is_full

    def load(self) -> None:
        """Load the model, which takes seconds: before the start where a device would not wait for it."""
        from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder

        if self._encoder is None:
            loaded = SemanticEncoder(self.model)
            loaded.contract.check_same_model(self.contract)
            if self.sender.refinement is not None and self.refine == "compare":
                decoder = SemanticDecoder(self.model)
                decoder.contract.check_same_model(self.contract)
                self.sender.refinement.set_trigger(AnswerCompared.of(loaded, decoder), len(self.contract.class_names))
            if self.sender.entries is not None:
                self.sender.entries.set_entries(SharedEntries.of_file(self._base, self.contract))
            self._encoder = loaded

    @guarded_start
    def start(self) -> bool:
        self.load()
        return True

    @guarded_handler
    def handle_snr(self, message: pmt.pmt_base) -> None:
        """Feedback: the SNR for the next frames, and the news that a frame arrived."""
        # Any host may send PDUs here: one that is no feedback must not end the transmitter.
        try:
            meta, data = read_pdu(message, "snr")
        except BlockError:
            raise  # no PDU at all: a connection in the flowgraph that makes no sense
        except Exception:  # whatever PMT says to foreign content
            meta, data = {}, np.empty(0, np.uint8)
        self.sender.take(meta, data, time.monotonic())

    def awaits(self, meta: dict) -> bool:
        """Whether feedback of this metadata is a request, or for a frame that was sent lately; may be asked in any
        thread."""
        return self.sender.awaits(meta)

    def forecast(self, noutput_items: int, ninputs: int) -> list[int]:
        return [self.item_bytes]

    def _warn_without_feedback(self) -> None:
        """Say once that every frame waits for feedback of which none has ever come."""
        flight = self.sender.in_flight
        heard = self.sender.latest_feedback is not None
        if self._warned or heard or flight.limit == 0 or flight.given_up < _WARN_FRAMES:
            return
        self._warned = True
        self.logger.warn(
            f"no feedback has arrived for the first {flight.given_up} frames, and each waits {flight.timeout_s:g} s "
            "for it: no frame is received, or no SNR Smoother is connected to port 'snr'; connect one, or set 'Frames "
            "in flight' to 0."
        )

    @guarded
    def general_work(self, input_items: list, output_items: list) -> int:
        now = time.monotonic()
        self._warn_without_feedback()
        if self._end.begun:
            return self._finish(now)
        stream, flight = self._stream, self.sender.in_flight
        waiting = stream.look(input_items[0], now)
        last = stream.places(LAST_ITEM)
        ready = len(waiting) >= self.items_per_frame or last or stream.waited_s(now) > flight.timeout_s
        if not (flight.may_send(now) and ready) or self._is_full(self.frames_sent):
            # The feedback may overtake the answer: a stream that ends without the tag has to linger, too.
            idle_s = now - self.sender.active_s
            if len(waiting) == 0 and idle_s > min(_STALL_S, flight.timeout_s) and self._serve(now):
                return 0
            waits_s = IDLE_S if self.sender.receiver_waits else 0.0
            quiet = idle_s > waits_s + max(ENCODER_LINGER_S, flight.patience_s)
            if stream.held and flight.settled(now) and (len(waiting) > 0 or quiet):
                stream.release()
            time.sleep(_POLL_S)
            return 0
        count = min(self.items_per_frame, len(waiting), *(place + 1 for place in last))
        self._send(waiting[:count], now)
        if count - 1 in last:
            self._end.begin()
        stream.take(count)
        return 0

    def _send(self, items: np.ndarray, now: float) -> None:
        setting, snr_db = self.sender.setting(now, len(items), self.k or None)
        item_ids, numbers = self._stream.ids(len(items)), range(self.items_sent, self.items_sent + len(items))
        meta, features = self._frame(items.reshape(len(items), *self.contract.item_shape), setting, now)
        sent = {
            **{key: meta[key] for key in _REPORTED},
            "feedback_snr_db": float("nan") if snr_db is None else snr_db,
            "item_id": np.array([item_ids.get(i, number) for i, number in enumerate(numbers)], np.int32),
            "time_ns": time.monotonic_ns(),
        }
        self.message_port_pub(_SENT, make_pdu(sent, _NOTHING))
        self.message_port_pub(_FRAMES, make_pdu(meta, features))

    def _frame(self, items: np.ndarray, setting: Setting, now: float) -> Frame:
        """Metadata and features of the next frame."""
        encoder = self._encoder
        assert encoder is not None
        if self.sender.entries is not None:
            named = self.sender.indexed(
                lambda snr_db: encoder.encode(items, snr_db, self.contract.k_max),
                lambda chosen: encoder.encode(items[chosen], setting.snr_db, setting.k),
                setting,
                now,
            )
            if named is not None:
                return named
        symbols = encoder.symbols(items, setting.snr_db)
        return self.sender.frame(symbols, encoder.first(symbols, setting.k), setting, now)

    def _serve(self, now: float) -> bool:
        """Send what the receiver asked for in a frame without new items; whether one left."""
        if self._is_full(self.frames_sent):
            return False
        frame = self.sender.refining_frame(now)
        if frame is None:
            return False
        self.message_port_pub(_FRAMES, make_pdu(*frame))
        return True

    def _finish(self, now: float) -> int:
        """Serve the receiver's last requests, wait until every frame is answered or counts as lost, notify the blocks
        downstream, and end after them."""
        serves = self._end.state is State.ENDING and not self._end.at_once
        if serves and self.sender.serves(now, self._linger_s()):
            self._serve(now)
        elif self._end.tell(now, lambda: self.sender.in_flight.settled_at_end(now)):
            end = make_pdu(end_meta(self.frames_sent), _NOTHING)
            self.message_port_pub(_SENT, end)
            self.message_port_pub(_FRAMES, end)
        elif self._end.told_for(now) > self._linger_s():
            return -1
        time.sleep(_POLL_S)
        return 0

    def _linger_s(self) -> float:
        """For which the blocks downstream may still need this one: longer on a machine where feedback was slow."""
        if self._end.at_once or self.sender.latest_feedback is None:
            return ENCODER_LINGER_S
        return max(ENCODER_LINGER_S, self.sender.in_flight.patience_s)

    @guarded_stop
    def stop(self) -> bool:
        detail = self.gateway.detail()
        if self._end.begun or detail is None or not detail.done():
            return True  # it was asked to end, or the flowgraph was stopped
        self._stream.check_end(self.items_sent)
        return True
