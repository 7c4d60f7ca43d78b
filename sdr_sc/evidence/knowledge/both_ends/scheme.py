# SPDX-License-Identifier: GPL-3.0-or-later
"""A learned coder whose ends hold a base: items that an entry is near to are sent by its number."""

from __future__ import annotations

from collections import Counter

import numpy as np

from sdr_sc.link.adaptation import LinkAdaptation
from sdr_sc.phy.receive.receiver import ReceivedFrame
from sdr_sc.schemes.bler_tables import rates_for
from sdr_sc.schemes.learned import ModelScheme
from sdr_sc.schemes.scheme import Transmission
from sdr_sc.semantic.cam import CamTarget
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder
from sdr_sc.semantic.knowledge.both_ends.choice import Need, need_of
from sdr_sc.semantic.knowledge.both_ends.codeword import CodewordChoice
from sdr_sc.semantic.knowledge.both_ends.entries import SharedEntries
from sdr_sc.semantic.knowledge.both_ends.message import ENTRY, PLAIN, RESIDUAL
from sdr_sc.semantic.knowledge.both_ends.payload import Items, Unread, make_payload, read_payload

LOSS_POINTS = 0.5
_NO_ROWS = np.empty((0, 1), np.complex64)


class EntryScheme(ModelScheme):
    """The codeword's mode is chosen by the channel's table of error rates, as those of coded schemes are.

    Args:
        encoder, decoder: of the same model.
        tasks: names of those whose quality is kept.
        sender: entries at the transmitter; None sends features alone.
        receiver: entries at the receiver; None where it holds none.
        with_residuals: False sends items by their entries alone, or as ever.
        always: send every item by its nearest entry, however far that is.

    Attributes:
        sent: items by how they were sent: ``entry``, ``residual``, ``plain``; without those of soundings, which are
            alone in their frame.
        unread: items of frames that were received and not read, by the reason.
        power: of the payloads with indices, mean power of a symbol.
    """

    def __init__(
        self,
        encoder: SemanticEncoder,
        decoder: SemanticDecoder,
        tasks: tuple[str, ...],
        sender: SharedEntries | None,
        receiver: SharedEntries | None,
        with_residuals: bool = True,
        always: bool = False,
    ) -> None:
        super().__init__(encoder, decoder, "entries")
        self._tasks, self._ends = tasks, (sender, receiver)
        self._with_residuals, self._always = with_residuals, always
        self._rates, self._codes = rates_for(""), dict[int, CodewordChoice]()
        self.sent: Counter[str] = Counter()
        self.unread: Counter[Unread] = Counter()
        self.power: list[float] = []
        self._outputs: tuple[ReceivedFrame | None, np.ndarray] = (None, np.empty(0))

    def begin(self, channel: str) -> None:
        """Take the channel's table; forget the k of an earlier link."""
        target = CamTarget(LOSS_POINTS, None, self._tasks)
        self._adaptation = LinkAdaptation(self._encoder.contract, target=target)
        rates = rates_for(channel)
        if rates is not self._rates:
            self._rates, self._codes = rates, {}

    @property
    def smoothing(self) -> float:
        """Of the channel's table, as that of coded schemes."""
        return self._rates.smoothing

    def _codewords(self, snr_db: float) -> CodewordChoice:
        place = self._rates.place(snr_db)
        if place not in self._codes:
            rates = self._rates
            self._codes[place] = CodewordChoice(lambda mode, symbols: rates.lost(mode, snr_db, symbols))
        return self._codes[place]

    def send(self, images: np.ndarray, labels: np.ndarray, snr_db: float | None, k: int | None) -> list[Transmission]:
        """One frame, with indices where they are expected to save channel uses; without an SNR as ever."""
        shared, contract = self._ends[0], self._encoder.contract
        setting = self._adaptation.setting(snr_db, k)
        if snr_db is not None and shared is not None:
            need = need_of(contract, self._tasks, setting.k, snr_db, LOSS_POINTS)
            if self._always:
                need = Need(setting.k, 1.0, need.symbol_error)
            full = self._encoder.encode(images, shared.snr_db, contract.k_max)
            items = Items(full, lambda chosen: self._encoder.encode(images[chosen], setting.snr_db, setting.k))
            codes = self._codewords(snr_db)
            payload, choice = make_payload(items, shared, need, contract.k_list, codes, self._with_residuals)
            if payload is not None:
                if len(images) > 1:
                    for name, kind in (("entry", ENTRY), ("residual", RESIDUAL), ("plain", PLAIN)):
                        self.sent[name] += int((choice.kinds == kind).sum())
                self.power.append(float(np.mean(np.square(np.abs(payload.symbols)))))
                every = slice(0, len(images))
                return [
                    Transmission(_NO_ROWS, every, contract.wire_id, refinement=payload.symbols, indexed=payload.indexed)
                ]
        self.sent["plain"] += len(images) if len(images) > 1 else 0
        return super().send(images, labels, snr_db, setting.k)

    def outputs(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """The decoder's outputs of all tasks, from features or from entries with residuals; NaN for lost items."""
        header = received.header
        if header.indexed is None:
            return super().outputs(transmission, received)
        if self._outputs[0] is received:
            return self._outputs[1]
        symbols, variance = received.refinement, received.refinement_variance
        k_list = self._decoder.contract.k_list
        found = read_payload(header.indexed, header.n_items, symbols, variance, self._ends[1], k_list)
        if isinstance(found, Unread):
            self.unread[found] += header.n_items if header.n_items > 1 else 0
            width = max(part.stop for part in self._decoder.parts.values())
            outputs = np.full((header.n_items, width), np.nan, np.float32)
        else:
            joined = found[0]
            outputs = self._decoder.outputs_of_prefixes(joined.features, joined.snr_db, joined.k)
        self._outputs = received, outputs
        return outputs

    def answer(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """0 for each item, -1 where it is lost: what is right is looked up in the outputs."""
        return np.where(np.isnan(self.outputs(transmission, received)).all(axis=1), -1, 0)
