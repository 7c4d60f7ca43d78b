# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiver's side of refinement: which items it is not sure of, what it asks for, and when it answers.

An item is open until the receiver is sure of it, nothing more can be had, or it has waited too long; while a request
for it is on its way it is asked. A frame is answered when all its items are settled, and frames are answered in the
order in which they arrived: each item once::

    OPEN --request--> ASKED --its symbols arrive--> OPEN, or SETTLED
                      ASKED --request given up--> OPEN, or SETTLED after `MOST_TRIES`
"""

from __future__ import annotations

import secrets
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from sdr_sc.link.refinement.requests import MOST_REPEATS, NO_ANSWER, Request, groups_of
from sdr_sc.link.refinement.soft_buffer import SoftItems
from sdr_sc.phy.frame.header import MAX_REFINED_SYMBOLS, MAX_REQUEST
from sdr_sc.semantic.refinement import RefinementPlan
from sdr_sc.semantic.tasks.base import REJECTED, TaskAnswer

UNASKED = "refinement that was not asked for"
OTHER_SIZE = "refinement of another size than asked for"

MOST_TRIES = 3
"""Requests for the same symbols of an item, of which none is answered, before it is answered as it is."""
_OPEN, _ASKED, _SETTLED = range(3)
_SELECTION_SNR_DB = 10.0
"""Of the symbols that say which items follow, all repeats of one together: one in 130,000 is wrong."""


class PrefixDecoder(Protocol):
    """What answers prefixes; see `sdr_sc.semantic.inference.SemanticDecoder`."""

    def answer_prefixes(
        self, prefixes: np.ndarray, snr_db: np.ndarray, k: np.ndarray, noise_variance: np.ndarray
    ) -> TaskAnswer: ...


@dataclass(frozen=True)
class Settings:
    """How far the receiver goes.

    Attributes:
        most_rounds: of an item, the first one included.
        most_frames: received after a frame before it is answered as it is.
        patience_frames: received after a request before it is given up.
        most_items: of which features are kept; the oldest frames are answered as they are.
        most_symbols: of refinements in one frame.
        reject_below: last confidence below which an item is answered with `REJECTED`; 0 answers all.
        compare: feed the answers to these items back, for a transmitter that holds the decoder: it sends more only
            where its own answer is another one, and says of each item whether it does.
    """

    most_rounds: int = 8
    most_frames: int = 40
    patience_frames: int = 12
    most_items: int = 1024
    most_symbols: int = MAX_REFINED_SYMBOLS
    reject_below: float = 0.0
    compare: bool = False


@dataclass(frozen=True)
class ReceivedPart:
    """What a frame brought, of the new items (n_items, k) or of refinements (refined_symbols,).

    Attributes:
        features: complex64, LMMSE estimates.
        noise_variance: float32, of the unbiased estimates; infinite where erased.
        snr_db: of the frame, dB.
    """

    features: np.ndarray
    noise_variance: np.ndarray
    snr_db: float


@dataclass(frozen=True)
class Settled:
    """A frame whose items are answered.

    Attributes:
        frame_num: its number.
        note: what the caller said of it.
        ids: int64 (n_items,); below 0 where there is no answer.
        confidence: float32 (n_items,).
        k: int (n_items,), symbols that arrived or were lost of each.
        rounds: int (n_items,), parts that arrived of each.
        waited: frames received between its arrival and its answer.
    """

    frame_num: int
    note: Any
    ids: np.ndarray
    confidence: np.ndarray
    k: np.ndarray
    rounds: np.ndarray
    waited: int


class _Frame:
    """A frame of new items that is not answered yet."""

    def __init__(self, frame_num: int, note: Any, soft: SoftItems, answer: TaskAnswer, arrived: int) -> None:
        items = len(soft.k)
        self.frame_num, self.note, self.soft, self.arrived = frame_num, note, soft, arrived
        self.ids, self.confidence = answer.best.copy(), answer.confidence.copy()
        self.state = np.full(items, _OPEN)
        self.tries = np.zeros(items, int)
        self.rounds = np.ones(items, int)

    @property
    def is_settled(self) -> bool:
        return bool((self.state == _SETTLED).all())


@dataclass(frozen=True)
class _Outstanding:
    """A request on its way: for each of its symbols' parts the frame and the item."""

    request: Request
    parts: tuple[tuple[_Frame, int, int, int], ...]
    sent: int


class RefinementReceiver:
    """Soft buffer, requests and answers of one model's items.

    Args:
        plan: of the model.
        k_max: of the model.
        decoder: answers prefixes.
        run: 32 bits that distinguish this start from others; None draws them.

    Attributes:
        refused: refinements that are not used, by reason.
        requests, requests_lost: that were made, and given up.
        items_asked: items in requests.
    """

    def __init__(
        self,
        plan: RefinementPlan,
        k_max: int,
        decoder: PrefixDecoder,
        settings: Settings | None = None,
        run: int | None = None,
    ) -> None:
        self._plan, self._k_max, self._decoder = plan, k_max, decoder
        self._settings = settings or Settings()
        self._run = secrets.randbits(32) if run is None else run
        self._frames: deque[_Frame] = deque()
        self._outstanding: OrderedDict[int, _Outstanding] = OrderedDict()
        self._number = 0
        self._received = 0
        self._latest_snr_db = 0.0
        self.refused: Counter[str] = Counter()
        self.requests = self.requests_lost = self.items_asked = 0

    @property
    def items_open(self) -> int:
        """Items whose answer is still to come; may be asked in any thread."""
        return sum(int((frame.state != _SETTLED).sum()) for frame in tuple(self._frames))

    def counts(self) -> dict[str, Any]:
        """What was asked for, and what became of it, by name."""
        return {
            "requests": self.requests,
            "requests_lost": self.requests_lost,
            "items_asked": self.items_asked,
            "refinements_refused": dict(self.refused),
        }

    def frame(
        self, frame_num: int, note: Any, new: ReceivedPart | None, answer: TaskAnswer | None, request: int = 0,
        refinement: ReceivedPart | None = None,
    ) -> list[Settled]:  # fmt: skip
        """A frame arrived.

        Args:
            frame_num: its number.
            note: anything, for `Settled`.
            new: its new items; None for none.
            answer: to these.
            request: which one it answers; 0 for none.
            refinement: the symbols in answer to it.

        Returns:
            Frames that are answered now, in the order of their arrival.
        """
        self._received += 1
        for part in (new, refinement):
            self._latest_snr_db = self._latest_snr_db if part is None else part.snr_db
        if request or (refinement is not None and len(refinement.features)):
            self._refine(request, refinement)
        if new is not None and answer is not None and len(new.features):
            for frame in self._frames:
                if frame.frame_num == frame_num:  # its number comes again: nothing can be asked of it any more
                    self._settle_all(frame)
            soft = SoftItems(new.features, new.noise_variance, new.snr_db, self._k_max)
            frame = _Frame(frame_num, note, soft, answer, self._received)
            self._frames.append(frame)
            for item in range(len(soft.k)):
                self._judge(frame, item)
        self._give_up()
        return self._answered()

    def ask(self) -> Request | None:
        """The request for all open items, the oldest first; None if there are none. To be asked after each frame."""
        number = self._free_number()
        if number is None:
            return None
        wanted, places = [], {}
        for frame in self._frames:
            for item in np.flatnonzero(frame.state == _OPEN):
                step = self._next_step(frame, int(item))
                if step is not None:
                    wanted.append((frame.frame_num, len(frame.soft.k), int(item), int(frame.soft.k[item]), step))
                    places[frame.frame_num, int(item)] = frame
        repeats = self._repeats() if self._settings.compare else 0
        groups = groups_of(wanted, self._settings.most_symbols, repeats)
        if not groups:
            return None
        answers = None
        if repeats:
            ids = [int(places[group.frame_num, item].ids[item]) for group in groups for item in group.items]
            answers = tuple(one if 0 <= one < NO_ANSWER else NO_ANSWER for one in ids)
        request = Request(number, self._run, groups, answers, repeats)
        parts = tuple(
            (places[group.frame_num, item], item, group.k_from, group.k_to) for group in groups for item in group.items
        )
        for frame, item, _, _ in parts:
            frame.state[item] = _ASKED
            frame.tries[item] += 1
        self._outstanding[number] = _Outstanding(request, parts, self._received)
        self.requests += 1
        self.items_asked += len(parts)
        return request

    def close(self) -> list[Settled]:
        """Answer everything as it is."""
        for frame in self._frames:
            self._settle_all(frame)
        return self._answered()

    def _repeats(self) -> int:
        """Symbols for each item that say whether more of it follows."""
        needed = 10.0 ** ((_SELECTION_SNR_DB - self._latest_snr_db) / 10.0)
        return int(min(max(np.ceil(needed), 1), MOST_REPEATS))

    def _free_number(self) -> int | None:
        self._number = self._number % MAX_REQUEST + 1
        return None if self._number in self._outstanding else self._number

    def _refine(self, number: int, refinement: ReceivedPart | None) -> None:
        asked = self._outstanding.pop(number, None)
        if asked is None:
            self.refused[UNASKED] += 1
            return
        for earlier in [one for one, other in self._outstanding.items() if other.sent < asked.sent]:
            self._lose(earlier)  # requests are answered in their order
        chosen = None if refinement is None else _selected(asked.request, refinement)
        sizes = np.array([end - first for _, _, first, end in asked.parts])
        place = asked.request.selection_symbols
        if refinement is None or chosen is None or len(refinement.features) != place + sizes[chosen].sum():
            self.refused[OTHER_SIZE] += 1
            self._reopen(asked)
            return
        touched: dict[int, tuple[_Frame, list[int]]] = {}
        for (frame, item, first, end), is_sent in zip(asked.parts, chosen, strict=True):
            if not is_sent:
                if frame.state[item] == _ASKED:
                    frame.state[item] = _SETTLED  # the transmitter has the same answer
                continue
            part = slice(place, place + end - first)
            place += end - first
            if frame.state[item] == _ASKED:
                values = refinement.features[part], refinement.noise_variance[part]
                frame.soft.add(item, first, end, *values, refinement.snr_db)
                frame.rounds[item] += 1
                frame.tries[item] = 0
                touched.setdefault(id(frame), (frame, []))[1].append(item)
        for frame, items in touched.values():
            self._decode(frame, np.array(items))

    def _decode(self, frame: _Frame, items: np.ndarray) -> None:
        prefixes, told_db = frame.soft.prefixes(items, self._plan)
        answer = self._decoder.answer_prefixes(prefixes, told_db, frame.soft.k[items], frame.soft.variance[items])
        frame.ids[items], frame.confidence[items] = answer.best, answer.confidence
        for item in items:
            self._judge(frame, item)

    def _judge(self, frame: _Frame, item: int) -> None:
        """Whether an item whose symbols have just arrived needs more."""
        least = self._plan.least_confidence(int(frame.soft.k[item]), frame.soft.snr_db)
        enough = frame.confidence[item] >= least
        exhausted = frame.rounds[item] >= self._settings.most_rounds or self._next_step(frame, item) is None
        frame.state[item] = _SETTLED if enough or exhausted else _OPEN

    def _next_step(self, frame: _Frame, item: int) -> int | None:
        return self._plan.next_step(int(frame.soft.k[item]), frame.soft.snr_db)

    def _give_up(self) -> None:
        """Requests without an answer, frames that have waited too long, and what is too much to keep."""
        for number, asked in list(self._outstanding.items()):
            if self._received - asked.sent > self._settings.patience_frames:
                self._lose(number)
        items = sum(len(frame.state) for frame in self._frames)
        for frame in self._frames:
            old = self._received - frame.arrived >= self._settings.most_frames
            if old or items > self._settings.most_items:
                self._settle_all(frame)
            items -= len(frame.state)

    def _lose(self, number: int) -> None:
        self.requests_lost += 1
        self._reopen(self._outstanding.pop(number))

    def _reopen(self, asked: _Outstanding) -> None:
        for frame, item, _, _ in asked.parts:
            if frame.state[item] == _ASKED:
                frame.state[item] = _OPEN if frame.tries[item] < MOST_TRIES else _SETTLED

    def _settle_all(self, frame: _Frame) -> None:
        frame.state[:] = _SETTLED

    def _answered(self) -> list[Settled]:
        settled = []
        while self._frames and self._frames[0].is_settled:
            frame = self._frames.popleft()
            unsure = (frame.confidence < self._settings.reject_below) & (frame.ids >= 0)
            ids = np.where(unsure, REJECTED, frame.ids)
            waited = self._received - frame.arrived
            settled.append(
                Settled(frame.frame_num, frame.note, ids, frame.confidence, frame.soft.k, frame.rounds, waited)
            )
        return settled


def _selected(request: Request, refinement: ReceivedPart) -> np.ndarray | None:
    """Which items of a request more symbols follow of: bool (items,); None where the answer is too short to say."""
    items = sum(len(group.items) for group in request.groups)
    if request.answers is None:
        return np.ones(items, bool)
    count = request.selection_symbols
    if len(refinement.features) < count:
        return None
    features, variance = refinement.features[:count], refinement.noise_variance[:count]
    known = np.isfinite(features) & np.isfinite(variance)
    # The unbiased estimate over its variance is in proportion to the log-likelihood ratio.
    soft = np.where(known, features.real * (1.0 + variance) / np.maximum(variance, 1e-9), 0.0)
    return soft.reshape(items, -1).sum(axis=1) > 0.0
