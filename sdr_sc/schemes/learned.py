# SPDX-License-Identifier: GPL-3.0-or-later
"""A learned coder as a scheme: ours with its channel-adaptive module, and any other model file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.errors import ContractError
from sdr_sc.link.adaptation import LinkAdaptation
from sdr_sc.phy.receive.receiver import ReceivedFrame
from sdr_sc.schemes.model_files import Size, sizes_of_model
from sdr_sc.schemes.scheme import BaseScheme, Transmission, known_parts
from sdr_sc.semantic import weights
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder


class ModelScheme(BaseScheme):
    """Feature symbols of a student network, one row of the payload an item.

    Args:
        encoder, decoder: of the same model.
        name: what results call it.
        sizes: of both, for `describe`; None where they are not known.

    Raises:
        ContractError: encoder and decoder are of different models.
    """

    def __init__(
        self,
        encoder: SemanticEncoder,
        decoder: SemanticDecoder,
        name: str = "ours",
        sizes: dict[str, Size] | None = None,
    ) -> None:
        if encoder.contract.model_id != decoder.contract.model_id:
            raise ContractError(
                f"encoder {encoder.contract.name!r} and decoder {decoder.contract.name!r} are of different models; "
                "take both from one."
            )
        self.name, self._encoder, self._decoder = name, encoder, decoder
        self._sizes = sizes
        self.k_list, self.task = encoder.contract.k_list, encoder.contract.tasks[0].name
        self._adaptation = LinkAdaptation(encoder.contract)

    @classmethod
    def load(cls, model: str | Path = weights.DEFAULT_MODEL, name: str = "ours", threads: int = 1) -> ModelScheme:
        """The scheme of a model's file or name.

        Raises:
            ContractError, MissingDependencyError: see `SemanticEncoder`.
        """
        coders = SemanticEncoder(model, threads), SemanticDecoder(model, threads)
        return cls(*coders, name, sizes_of_model(model))

    def begin(self, channel: str) -> None:
        """Forget the k of an earlier link."""
        self._adaptation = LinkAdaptation(self._encoder.contract)

    def send(self, images: np.ndarray, labels: np.ndarray, snr_db: float | None, k: int | None) -> list[Transmission]:
        """One frame; k None is the choice of the channel-adaptive module."""
        setting = self._adaptation.setting(snr_db, k)
        features = self._encoder.encode(images, setting.snr_db, setting.k)
        items, by_importance = slice(0, len(images)), self.by_importance
        return [Transmission(features, items, self._encoder.contract.wire_id, by_importance=by_importance)]

    def answer(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """The student decoder's classes; -1 for an item of which every symbol is erased."""
        return self._decoder.answer(received.features, received.snr_db, received.erased, received.noise_variance).best

    def probabilities(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """The student decoder's, calibrated."""
        values = received.features, received.snr_db, received.erased, received.noise_variance
        return self._decoder.probabilities(*values)

    def outputs(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """The student decoder's outputs of all tasks, see `SemanticDecoder.outputs`."""
        return self._decoder.outputs(received.features, received.snr_db, received.erased, strict=False)

    def knowledge(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """The received features, real and imaginary parts in turn; 0 for what is erased of an item."""
        return known_parts(received)

    def describe(self) -> dict[str, Any]:
        """Model, its id, and sizes."""
        contract = self._encoder.contract
        return {
            "scheme": self.name,
            "kind": "learned coder",
            "model": contract.name,
            "model_id": contract.model_id,
            **self.mapping(),
            **({} if self._sizes is None else {"sizes": self._sizes}),
        }
