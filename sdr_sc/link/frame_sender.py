# SPDX-License-Identifier: GPL-3.0-or-later
"""What a transmitter sends, frame by frame, by what its receiver feeds back."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import astuple
from typing import Any

import numpy as np

from sdr_sc.link.adaptation import FeedbackState, LinkAdaptation, Setting
from sdr_sc.link.entry_sender import EntrySender
from sdr_sc.link.in_flight import InFlight
from sdr_sc.link.mapping import read_report
from sdr_sc.link.network.pdu_schema import BASE, INDEXED, REPORT, REPORT_FRAME, REQUEST, SETTLED_AFTER
from sdr_sc.link.refinement.last_rounds import MOST_TRIES, LastRounds
from sdr_sc.link.refinement.sender import Refinement, RefinementSender
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO
from sdr_sc.phy.frame.modes import FrameMode
from sdr_sc.semantic.contract import ModelContract

Frame = tuple[dict[str, Any], np.ndarray]


class FrameSender:
    """A transmitter's end of the link: how the next frame is sent, what rides in it, and what is on its way.

    Times are seconds of any one clock that the caller reads.

    Args:
        contract: of the model.
        adaptation: chooses k and mode.
        in_flight: frames on their way.
        task: wire id of the task.
        mode: frame mode; None lets the adaptation choose.
        refinement: answers requests; None where they are counted and not answered.
        by_importance: let frames be mapped by the latest channel report, see `sdr_sc.link.mapping`.
        entries: names entries of a base that the receiver holds, too; None where announcements are counted and features
            sent. Not beside refinement.

    Attributes:
        frames_sent, items_sent: so far.
        frames_without_items: of these, with refinements alone.
        feedback_unknown: feedback that is none, or for no frame that was sent lately.
        requests_ignored: requests while there is no refinement.
        bases_ignored: announcements of a base while there is none here.
        sent_s: when the latest frame left; minus infinity before the first.
    """

    def __init__(
        self,
        contract: ModelContract,
        adaptation: LinkAdaptation,
        in_flight: InFlight,
        task: int,
        mode: FrameMode | None = None,
        refinement: RefinementSender | None = None,
        by_importance: bool = False,
        entries: EntrySender | None = None,
    ) -> None:
        self.adaptation, self.in_flight, self.mode, self.refinement = adaptation, in_flight, mode, refinement
        self.entries, self.bases_ignored = entries, 0
        self.frames_sent = self.items_sent = self.frames_without_items = 0
        self.feedback_unknown = self.requests_ignored = 0
        self.sent_s = -math.inf
        self._header = {"model_id": contract.wire_id, "task": task}
        self._feedback, self._by_importance = FeedbackState(in_flight.timeout_s), by_importance
        self._last_rounds = LastRounds()
        self._latest_more: Refinement | None = None
        self._tries = 0

    @property
    def latest_feedback(self) -> tuple[float, float] | None:
        """SNR that was fed back last, dB, and when; None before the first."""
        latest = self._feedback.latest
        return None if latest is None else (latest.snr_db, latest.time_s)

    @property
    def active_s(self) -> float:
        """When a frame left or feedback came last."""
        latest = self._feedback.latest
        return self.sent_s if latest is None else max(latest.time_s, self.sent_s)

    def take(self, meta: dict[str, Any], data: np.ndarray, now: float) -> None:
        """A PDU of the receiver: feedback, a request, or that it wants nothing more. Anything else is counted."""
        if REQUEST in meta:
            self._take_request(data, now)
            return
        if SETTLED_AFTER in meta:
            self._take_settled(meta[SETTLED_AFTER], now)
            return
        if BASE in meta:
            if self.entries is None:
                self.bases_ignored += 1
            else:
                self.entries.take(meta, self.in_flight, now)
            return
        snr_db, number = meta.get("snr_db"), meta.get("frame_num")
        if not (isinstance(snr_db, (int, float)) and math.isfinite(snr_db) and isinstance(number, int)):
            self.feedback_unknown += 1
        elif not self.in_flight.acknowledge(number, now):
            self.feedback_unknown += 1
        else:
            report = read_report(number, meta.get(REPORT))
            self._feedback.arrived(float(snr_db), now, self.in_flight.given_up, report)

    def _take_request(self, data: np.ndarray, now: float) -> None:
        if self.refinement is None:
            self.requests_ignored += 1
            self._last_rounds.heard(now)
        elif not self.refinement.arrived(data.tobytes()):
            self._last_rounds.heard(now)

    def _take_settled(self, number: Any, now: float) -> None:
        index = self.in_flight.index_of(number) if isinstance(number, int) else None
        if index is None:
            self.feedback_unknown += 1
        else:
            self._last_rounds.heard(now, settled_after=index)

    @property
    def receiver_waits(self) -> bool:
        """Whether the receiver has items open, as far as it has said."""
        return self._last_rounds.asks(self.frames_sent - 1)

    def awaits(self, meta: dict[str, Any]) -> bool:
        """Whether feedback of this metadata is a request, or for a frame that was sent lately; may be asked in any
        thread."""
        return REQUEST in meta or self.in_flight.is_recent(int(meta.get(SETTLED_AFTER, meta.get("frame_num", -1))))

    def setting(self, now: float, n_items: int, k: int | None) -> tuple[Setting, float | None]:
        """How a frame of new items is sent now, and the SNR that was fed back, dB; None without one that holds."""
        snr_db = self._feedback.snr_db(now, self.in_flight.given_up)
        refined = 0 if self.refinement is None else self.refinement.symbols_waiting
        return self.adaptation.setting(snr_db, k, self.mode, n_items, refined), snr_db

    def frame(self, symbols: np.ndarray, first: np.ndarray, setting: Setting, now: float) -> Frame:
        """Metadata and features of the next frame, with what the receiver asked for after those of the new items.

        Args:
            symbols: float32 (n_items, 2 k_max), of `SemanticEncoder.symbols`.
            first: complex64 (n_items, k), those that are sent now.
            setting: of `setting`.
            now: time, s.
        """
        more = None
        if self.refinement is not None:
            self.refinement.sent(self.frames_sent % FRAME_NUM_MODULO, symbols, setting.k)
            more = self.refinement.next()
        return self._sent(first, setting.k, setting.mode, more, now)

    def indexed(
        self,
        full: Callable[[float], np.ndarray],
        plain: Callable[[np.ndarray], np.ndarray],
        setting: Setting,
        now: float,
    ) -> Frame | None:
        """Metadata and payload of the next frame where it is to name entries; None where it is sent as ever.

        Args:
            full: features of all symbols of its items, made for an SNR in dB: complex64 (n_items, k_max).
            plain: of some items, bool (n_items,), as they would be sent: complex64 (n, k).
            setting: of `setting`.
            now: time, s.
        """
        snr_db = self._feedback.snr_db(now, self.in_flight.given_up)
        if self.entries is None or not self.entries.may_name(self.in_flight, snr_db, now) or snr_db is None:
            return None
        features = full(self.entries.snr_db)
        payload = self.entries.payload(features, plain, setting, snr_db)
        if payload is None:
            return None
        mode = self.adaptation.mode(snr_db, self.mode, len(payload.symbols))
        meta = self._meta(len(features), features.shape[1], mode)
        meta[INDEXED] = np.array(astuple(payload.indexed), np.int32)
        self._note_sent(len(features), now)
        return meta, payload.symbols

    def refining_frame(self, now: float) -> Frame | None:
        """Metadata and features of a frame without new items; None where the receiver asked for nothing more.

        A refinement that no feedback came for is sent again, `MOST_TRIES` times in all.
        """
        if self.refinement is None or not (self._last_rounds.may_send and self.in_flight.may_send_at_end(now)):
            return None
        more = self.refinement.next() or self._lost_refinement(now)
        if more is None:
            return None
        snr_db = self._feedback.snr_db(now, self.in_flight.given_up)
        mode = self.adaptation.setting(snr_db, 1, self.mode, 0, len(more.symbols)).mode
        return self._sent(np.empty((0, 1), np.complex64), 1, mode, more, now)

    def _lost_refinement(self, now: float) -> Refinement | None:
        answered = self.in_flight.acknowledged == self.frames_sent - 1
        lost = not answered and self.in_flight.settled_at_end(now) and self._tries < MOST_TRIES
        return self._latest_more if lost else None

    def serves(self, now: float, linger_s: float) -> bool:
        """Whether the receiver may still ask, or be sent what it asked for, now that the items are used up.

        Args:
            now: time, s.
            linger_s: for which a receiver that never said a word of refinement is waited for.
        """
        if self.refinement is None:
            return False
        waiting = self.refinement.waiting > 0 or self._lost_refinement(now) is not None
        settled = self.in_flight.settled_at_end(now)
        return not self._last_rounds.over(now, self.frames_sent - 1, waiting, settled, linger_s)

    def _sent(self, first: np.ndarray, k: int, mode: FrameMode, more: Refinement | None, now: float) -> Frame:
        items, features = len(first), first.ravel()
        meta = self._meta(items, k, mode)
        if more is not None:
            meta.update(request=more.request, refined_symbols=len(more.symbols))
            features = np.concatenate((features, more.symbols))
        feedback = self._feedback.holding(now, self.in_flight.given_up) if self._by_importance else None
        if feedback is not None and feedback.report is not None:
            meta.update({REPORT: feedback.report.levels, REPORT_FRAME: feedback.report.frame_num})
        self._tries = self._tries + 1 if more is self._latest_more else 1
        self._latest_more = more
        self._note_sent(items, now)
        return meta, features

    def _meta(self, items: int, k: int, mode: FrameMode) -> dict[str, Any]:
        """What each frame's PDU has."""
        return {
            "frame_num": self.frames_sent % FRAME_NUM_MODULO,
            "frame_index": self.frames_sent,
            "n_items": items,
            "k": k,
            **self._header,
            "mode": int(mode),
        }

    def _note_sent(self, items: int, now: float) -> None:
        self.in_flight.sent(self.frames_sent, now)
        self._last_rounds.sent(now, items > 0)
        self.sent_s = now
        self.frames_sent += 1
        self.items_sent += items
        self.frames_without_items += int(items == 0)

    def counts(self) -> dict[str, Any]:
        """What became of the receiver's requests, by name."""
        counts = {} if self.refinement is None else self.refinement.counts()
        own = {"requests_ignored": self.requests_ignored, "frames_without_items": self.frames_without_items}
        bases = {} if self.entries is None else self.entries.counts()
        return {**counts, **own, **bases}
