# SPDX-License-Identifier: GPL-3.0-or-later
"""Our coder with incremental refinement: the receiver asks for more symbols of the items that it is not sure of."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.errors import ContractError
from sdr_sc.link.adaptation import LinkAdaptation
from sdr_sc.link.refinement.last_rounds import MOST_FRAMES, MOST_TRIES
from sdr_sc.link.refinement.receiver import ReceivedPart, RefinementReceiver, Settings, Settled
from sdr_sc.link.refinement.sender import Refinement, RefinementSender
from sdr_sc.link.refinement.triggers import AnswerCompared
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO
from sdr_sc.phy.receive.receiver import ReceivedFrame
from sdr_sc.schemes.learned import ModelScheme
from sdr_sc.schemes.model_files import Size, sizes_of_model
from sdr_sc.schemes.scheme import Transmission
from sdr_sc.semantic import weights
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder, unit_power


class RefinedScheme(ModelScheme):
    """Both ends of refinement in one process. The way back loses nothing and is there before the next frame.

    Args:
        encoder, decoder: of the same model, which `sdr-sc calibrate` was run on.
        name: what results call it.
        settings: of the receiver.

    Attributes:
        answered: what became of each frame of items, in the order of their answers.
        sender, receiver: both ends, with their counts.

    Raises:
        ContractError: the model has no rounds of refinement.
    """

    def __init__(
        self,
        encoder: SemanticEncoder,
        decoder: SemanticDecoder,
        name: str = "refined",
        sizes: dict[str, Size] | None = None,
        settings: Settings | None = None,
    ) -> None:
        super().__init__(encoder, decoder, name, sizes)
        if encoder.contract.refinement is None:
            raise ContractError(
                f"model {encoder.contract.name!r} has no rounds of refinement; run 'sdr-sc calibrate' on it."
            )
        self._settings = settings or Settings()
        self.begin("")

    @classmethod
    def load(
        cls,
        model: str | Path = weights.DEFAULT_MODEL,
        name: str = "refined",
        threads: int = 1,
        settings: Settings | None = None,
    ) -> RefinedScheme:
        """As `ModelScheme.load`, with the receiver's settings."""
        coders = SemanticEncoder(model, threads), SemanticDecoder(model, threads)
        return cls(*coders, name, sizes_of_model(model), settings)

    def begin(self, channel: str) -> None:
        """Both ends start again."""
        contract = self._encoder.contract
        assert contract.refinement is not None
        self._adaptation = LinkAdaptation(contract, refine=True)
        trigger = AnswerCompared.of(self._encoder, self._decoder) if self._settings.compare else None
        self.sender = RefinementSender(trigger=trigger)
        self.receiver = RefinementReceiver(contract.refinement, contract.k_max, self._decoder, self._settings, run=1)
        self._frames = self._flushes = self._tries = 0
        self._latest: Refinement | None = None
        self._new: list[Settled] = []
        self.answered: deque[Settled] = deque()

    def send(self, images: np.ndarray, labels: np.ndarray, snr_db: float | None, k: int | None) -> list[Transmission]:
        """One frame of new items, and what was asked for of earlier ones; k None is the first step of the plan."""
        setting = self._adaptation.setting(snr_db, k)
        symbols = self._encoder.symbols(images, setting.snr_db)
        self._flushes = 0
        self.sender.sent(self._frames, symbols, setting.k)
        features = unit_power(symbols[:, : 2 * setting.k])[0].view(np.complex64)
        return [self._transmission(features, slice(0, len(images)))]

    def flush(self, snr_db: float | None) -> list[Transmission]:
        """A frame that only answers a request; the latest one again where that was lost, see
        `sdr_sc.link.refinement.last_rounds`."""
        lost = snr_db is None and self._latest is not None and self._tries < MOST_TRIES
        if not (self.sender.waiting or lost) or self._flushes >= MOST_FRAMES:
            return []
        self._flushes += 1
        return [self._transmission(np.empty((0, 1), np.complex64), slice(0, 0), self._latest if lost else None)]

    def _transmission(self, features: np.ndarray, items: slice, lost: Refinement | None = None) -> Transmission:
        more = self.sender.next() or lost
        self._tries = self._tries + 1 if more is self._latest else 1
        self._latest = more
        self._frames = (self._frames + 1) % FRAME_NUM_MODULO
        return Transmission(
            features,
            items,
            self._encoder.contract.wire_id,
            refinement=np.empty(0, np.complex64) if more is None else more.symbols,
            request=0 if more is None else more.request,
            by_importance=self.by_importance,
        )

    def answer(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """The first answers; those that count come with `settled`."""
        header, new, first = received.header, None, None
        ids = np.empty(0, np.int64)
        if header.n_items:
            new = ReceivedPart(received.features, received.noise_variance, received.snr_db)
            values = received.features, received.snr_db, received.erased, received.noise_variance
            first = self._decoder.answer(*values)
            ids = first.best
        more = ReceivedPart(received.refinement, received.refinement_variance, received.snr_db)
        self._keep(self.receiver.frame(header.frame_num, transmission, new, first, header.request, more))
        request = self.receiver.ask()
        if request is not None:
            self.sender.arrived(request.to_bytes())
        return ids

    def settled(self) -> list[tuple[Transmission, np.ndarray]]:
        """Frames that are answered since the last call."""
        new, self._new = self._new, []
        return [(frame.note, frame.ids) for frame in new]

    def close(self) -> None:
        """Answer everything as it is."""
        self._keep(self.receiver.close())

    def _keep(self, frames: list[Settled]) -> None:
        self._new += frames
        self.answered += frames

    def describe(self) -> dict[str, Any]:
        """As `ModelScheme`, and the plan's price."""
        plan = self._encoder.contract.refinement
        assert plan is not None
        return {**super().describe(), "kind": "learned coder with refinement", "symbol_price": plan.symbol_price}
