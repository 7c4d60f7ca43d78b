# SPDX-License-Identifier: GPL-3.0-or-later
"""The transmitter's side of refinement: what was sent, and the answers to requests for more of it."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from sdr_sc.link.network.pdu_wire import Refusal
from sdr_sc.link.refinement.requests import NO_ANSWER, UNREADABLE, Request
from sdr_sc.link.refinement.triggers import AsAsked, Trigger
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO
from sdr_sc.semantic.inference import unit_power

ANOTHER_RUN = "request of an earlier run"
REPEATED = "repeated request"
UNKNOWN_FRAME = "request for a frame that is not kept"
CONTRADICTORY = "request that contradicts what was sent"
QUEUE_FULL = "request while too many wait"

_MOST_FRAMES = 256
_RUNS_KEPT = 16
_NUMBERS_KEPT = 192
"""Latest requests of which a second one counts as repeated: fewer than there are numbers, which come again."""


@dataclass
class _Sent:
    """A frame's new items: all their symbols, float32 (n_items, 2 k_max), and how many of each were sent."""

    symbols: np.ndarray
    sent: np.ndarray


@dataclass(frozen=True)
class Refinement:
    """The answer to a request.

    Attributes:
        request: its number, for the frame's header.
        symbols: complex64 (refined_symbols,), each item's part at unit mean power; where answers were fed back, first
            those that say which items these are.
    """

    request: int
    symbols: np.ndarray


class RefinementSender:
    """Keeps the symbols of the latest items, and answers requests for them, one a frame.

    Args:
        most_items: whose symbols are kept; the oldest frames go first.
        most_waiting: requests that wait for a frame; more are refused.
        trigger: decides on requests that feed answers back.
        answers: that the model has: a request with another one contradicts it; 0 where it is not known.

    Attributes:
        refused: requests that are not answered, by reason.
        answered, symbols_sent: requests, and symbols in answer to them.
        items_confirmed: items of requests of which nothing was sent, since their answer is the transmitter's own.
    """

    def __init__(
        self, most_items: int = 2048, most_waiting: int = 8, trigger: Trigger | None = None, answers: int = 0
    ) -> None:
        self._trigger, self._answers = trigger or AsAsked(), answers
        self._most_items, self._most_waiting = most_items, most_waiting
        self._frames: OrderedDict[int, _Sent] = OrderedDict()
        self._items = 0
        self._waiting: deque[Request] = deque()
        self._run: int | None = None
        self._earlier_runs: deque[int] = deque(maxlen=_RUNS_KEPT)
        self._numbers: deque[int] = deque(maxlen=_NUMBERS_KEPT)
        self.refused: Counter[str] = Counter()
        self.answered = self.symbols_sent = self.items_confirmed = 0

    def set_trigger(self, trigger: Trigger, answers: int) -> None:
        """Decide by another trigger from now on; arguments as above."""
        self._trigger, self._answers = trigger, answers

    @property
    def waiting(self) -> int:
        """Requests that the next frames answer."""
        return len(self._waiting)

    def counts(self) -> dict[str, Any]:
        """What became of the requests, by name."""
        return {
            "requests_answered": self.answered,
            "requests_refused": dict(self.refused),
            "symbols_sent": self.symbols_sent,
            "items_confirmed": self.items_confirmed,
        }

    @property
    def symbols_waiting(self) -> int:
        """Symbols in answer to the first of them."""
        return self._waiting[0].symbols if self._waiting else 0

    def sent(self, frame_num: int, symbols: np.ndarray, k: int) -> None:
        """A frame of new items leaves.

        Args:
            frame_num: its number, modulo `FRAME_NUM_MODULO`.
            symbols: float32 (n_items, 2 k_max), of `SemanticEncoder.symbols`.
            k: how many of each leave now.
        """
        frame_num %= FRAME_NUM_MODULO
        self._forget(frame_num)
        self._frames[frame_num] = _Sent(symbols, np.full(len(symbols), k))
        self._items += len(symbols)
        while len(self._frames) > 1 and (self._items > self._most_items or len(self._frames) > _MOST_FRAMES):
            self._forget(next(iter(self._frames)))

    def arrived(self, raw: bytes) -> str:
        """A request came; why it is refused and counted, '' if it waits for the next frame."""
        try:
            request = Request.from_bytes(raw)
        except Refusal:
            reason = UNREADABLE
        else:
            reason = self._refusal(request)
        if reason:
            self.refused[reason] += 1
            return reason
        self._numbers.append(request.number)
        self._waiting.append(request)
        return ""

    def next(self) -> Refinement | None:
        """What rides in the frame that leaves now."""
        while self._waiting:
            request = self._waiting.popleft()
            reason = self._contradiction(request)  # what it is for may have gone meanwhile
            if reason:
                self.refused[reason] += 1
                continue
            symbols = self._answer(request)
            self.answered += 1
            self.symbols_sent += len(symbols)
            return Refinement(request.number, symbols)
        return None

    def _answer(self, request: Request) -> np.ndarray:
        """The symbols in answer to a request."""
        parts, selected, place = [], [], 0
        for group in request.groups:
            frame, items = self._frames[group.frame_num], np.array(group.items)
            if request.answers is not None:
                answers = np.array(request.answers[place : place + len(items)])
                place += len(items)
                wanted = self._trigger.wanted(frame.symbols[items], np.where(answers == NO_ANSWER, -1, answers))
                selected.append(wanted)
                items = items[wanted]
            part = np.ascontiguousarray(frame.symbols[items, 2 * group.k_from : 2 * group.k_to])
            parts.append(unit_power(part)[0].view(np.complex64).ravel())
            frame.sent[items] = np.maximum(frame.sent[items], group.k_to)
        if selected:
            chosen = np.concatenate(selected)
            self.items_confirmed += int((~chosen).sum())
            parts.insert(0, np.repeat(np.where(chosen, 1.0, -1.0), request.repeats).astype(np.complex64))
        return np.concatenate(parts)

    def _refusal(self, request: Request) -> str:
        if request.run != self._run:
            if request.run in self._earlier_runs:
                return ANOTHER_RUN
            if self._run is not None:
                self._earlier_runs.append(self._run)
            self._run = request.run
            self._numbers.clear()
            self._waiting.clear()
        if request.number in self._numbers:
            return REPEATED
        reason = self._contradiction(request)
        if reason:
            return reason
        return QUEUE_FULL if len(self._waiting) >= self._most_waiting else ""

    def _contradiction(self, request: Request) -> str:
        if self._answers and any(self._answers <= one < NO_ANSWER for one in request.answers or ()):
            return CONTRADICTORY
        for group in request.groups:
            frame = self._frames.get(group.frame_num)
            if frame is None:
                return UNKNOWN_FRAME
            if group.n_items != len(frame.symbols) or 2 * group.k_to > frame.symbols.shape[1]:
                return CONTRADICTORY
            if (group.k_from > frame.sent[list(group.items)]).any():
                return CONTRADICTORY
        return ""

    def _forget(self, frame_num: int) -> None:
        gone = self._frames.pop(frame_num, None)
        if gone is not None:
            self._items -= len(gone.symbols)
