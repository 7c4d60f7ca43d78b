# SPDX-License-Identifier: GPL-3.0-or-later
"""A transmitter that names entries of a base where its receiver holds it: when, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from sdr_sc.link.adaptation import Setting
from sdr_sc.link.base_agreement import BaseAgreement, read_announcement
from sdr_sc.link.in_flight import InFlight
from sdr_sc.link.network.pdu_schema import ENTRIES_READ
from sdr_sc.link.outer_loop import OuterLoop
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.knowledge.both_ends.choice import need_of
from sdr_sc.semantic.knowledge.both_ends.codeword import MARGIN_DB, CodewordChoice, loss_over_noise
from sdr_sc.semantic.knowledge.both_ends.entries import SharedEntries
from sdr_sc.semantic.knowledge.both_ends.message import ENTRY, PLAIN, RESIDUAL
from sdr_sc.semantic.knowledge.both_ends.payload import Items, Payload, make_payload

LOSS_TARGET = 0.01
"""Share of frames whose entries may not be read; a lost codeword costs all items of a frame."""
_STEP_DB = 0.25
"""In which the SNR for a codeword is rounded down, so that choices are made once."""
_LEAST_MARGIN_DB = 0.5


class EntrySender:
    """Decides frame by frame, by what the receiver announced.

    Args:
        contract: of the model.
        shared: entries of the base that is here; None without one.
        tasks: names of those whose quality is kept; those that the model's table does not hold have no say.
        loss_points: that may be given away.
        timeout_s: after which a frame without feedback is given up.

    Attributes:
        agreement: with the receiver.
        items: items by how they were sent: ``entry``, ``residual``, ``plain``.
        frames_indexed: frames with indices.
        symbols_saved: payload symbols that were expected to be saved.
    """

    def __init__(
        self,
        contract: ModelContract,
        shared: SharedEntries | None,
        tasks: tuple[str, ...],
        loss_points: float,
        timeout_s: float,
    ) -> None:
        self._contract, self._loss_points = contract, loss_points
        first = contract.tasks[0].name
        self._tasks = tuple(name for name in dict.fromkeys((first, *tasks)) if name in {first, *contract.cam.others})
        self.agreement = BaseAgreement(None, timeout_s)
        self.items: Counter[str] = Counter()
        self.frames_indexed, self.symbols_saved = 0, 0.0
        self._loop, self._codes = OuterLoop(LOSS_TARGET), dict[int, CodewordChoice]()
        self.set_entries(shared)

    def set_entries(self, shared: SharedEntries | None) -> None:
        """Take another base, or another version of it, from the next frame on."""
        self._shared = shared
        self.agreement.own = None if shared is None else shared.tag

    @property
    def snr_db(self) -> float:
        """That an item's features are made for where they are compared with entries, dB."""
        return self._contract.training_snr_db[1] if self._shared is None else self._shared.snr_db

    def take(self, meta: dict[str, Any], in_flight: InFlight, now: float) -> None:
        """An announcement of the receiver, or what calls itself one."""
        number = meta.get("frame_num")
        index = in_flight.index_of(number) if isinstance(number, int) else None
        tag = read_announcement(meta)
        self.agreement.arrived(tag, index, now, in_flight.given_up)
        read = meta.get(ENTRIES_READ)
        if tag is not None and index is not None and read in (0, 1) and tag == self.agreement.own:
            self._loop.sent(read == 1)

    def may_name(self, in_flight: InFlight, snr_db: float | None, now: float) -> bool:
        """Whether the next frame may name entries; counted."""
        agreed = self.agreement.asked(now, in_flight.given_up, in_flight.acknowledged)
        return agreed and snr_db is not None

    def payload(
        self, full: np.ndarray, plain: Callable[[np.ndarray], np.ndarray], setting: Setting, snr_db: float
    ) -> Payload | None:
        """A frame's payload with indices; None where features alone are expected to be cheaper.

        Args:
            full, plain: of `sdr_sc.semantic.knowledge.both_ends.payload.Items`.
            setting: how the frame is sent without.
            snr_db: that was fed back.
        """
        assert self._shared is not None
        need = need_of(self._contract, self._tasks, setting.k, snr_db, self._loss_points)
        margin_db = max(MARGIN_DB + self._loop.margin_db, _LEAST_MARGIN_DB)
        place = int(np.floor((snr_db - margin_db) / _STEP_DB))
        if place not in self._codes:
            self._codes[place] = CodewordChoice(loss_over_noise(place * _STEP_DB, 0.0))
        payload, choice = make_payload(
            Items(full, plain), self._shared, need, self._contract.k_list, self._codes[place]
        )
        for name, kind in (("entry", ENTRY), ("residual", RESIDUAL), ("plain", PLAIN)):
            self.items[name] += int(np.count_nonzero(choice.kinds == kind))
        if payload is not None:
            self.frames_indexed += 1
            self.symbols_saved += choice.plain_symbols - payload.indexed.payload_symbols
        return payload

    def counts(self) -> dict[str, Any]:
        """What became of frames and items, by name."""
        return {
            "base_frames": dict(self.agreement.frames),
            "base_announcements_refused": self.agreement.refused,
            "base_items": dict(self.items),
            "frames_indexed": self.frames_indexed,
            "symbols_saved": round(self.symbols_saved),
        }
