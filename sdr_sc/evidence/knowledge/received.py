# SPDX-License-Identifier: GPL-3.0-or-later
"""Items over the air, with all that a receiver has of them: features, their noise, the SNR, the decoder's outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdr_sc.evidence.watched import OUTPUTS, watch
from sdr_sc.phy.receive.receiver import ReceivedFrame
from sdr_sc.schemes.learned import ModelScheme
from sdr_sc.schemes.scheme import Transmission
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder


@dataclass(frozen=True, eq=False)
class Received:
    """Items at a receiver.

    Attributes:
        features: complex64 (n, k), LMMSE estimates, NaN where erased or lost.
        noise_variance: float32 (n, k), of the unbiased estimates, infinite where erased or lost.
        snr_db: float64 (n,), the receiver's estimates; NaN for lost items.
        outputs: float32 (n, outputs), of the decoder; NaN for lost items.
    """

    features: np.ndarray
    noise_variance: np.ndarray
    snr_db: np.ndarray
    outputs: np.ndarray

    def some(self, places: np.ndarray) -> Received:
        """Some of the items."""
        values = (self.features, self.noise_variance, self.snr_db, self.outputs)
        return Received(*(one[places] for one in values))


class _Whole(ModelScheme):
    """The learned coder, whose receiver gives all that it has in place of the outputs alone."""

    def outputs(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """float64 (items, 3 k + 1 + outputs)."""
        features = np.ascontiguousarray(received.features, np.complex64).view(np.float32)
        snr_db = np.full((len(features), 1), received.snr_db)
        outputs = super().outputs(transmission, received)
        return np.hstack([features, received.noise_variance, snr_db, outputs]).astype(np.float64)


class Air:
    """A model's link over noise, or a channel with noise; the frame mode is chosen by the SNR that is fed back.

    Args:
        model: weights file, or name of a shipped model.
        channel: models before the noise, see `sdr_sc.phy.channels.parse_chain`; '' for none.

    Attributes:
        encoder, decoder: of the model.
    """

    def __init__(self, model: str, channel: str = "") -> None:
        self.encoder, self.decoder = SemanticEncoder(model), SemanticDecoder(model)
        self._scheme, self._channel = _Whole(self.encoder, self.decoder), channel
        self._width = max(part.stop for part in self.decoder.parts.values())

    def send(self, items: np.ndarray, snr_db: float, k: int, seed: int) -> Received:
        """Items as they are received.

        Args:
            items: uint8 (n, *item_shape).
            snr_db: Es/N0 on the occupied subcarriers.
            k: feature symbols of an item.
            seed: of noise and channel.
        """
        nobody = np.zeros(len(items), np.int64)  # what is right is looked up in the outputs
        width = 3 * k + 1 + self._width
        seen = watch(self._scheme, OUTPUTS, items, nobody, snr_db, k, seed, self._channel, width, None).values
        features = np.ascontiguousarray(seen[:, : 2 * k], np.float32).view(np.complex64)
        noise = np.where(np.isnan(seen[:, 2 * k : 3 * k]), np.inf, seen[:, 2 * k : 3 * k]).astype(np.float32)
        return Received(features, noise, seen[:, 3 * k], seen[:, 3 * k + 1 :].astype(np.float32))

    def vectors(self, items: np.ndarray) -> np.ndarray:
        """What a base keeps of items: all feature symbols as made for 10 dB, float32 (n, 2 k_max)."""
        contract = self.encoder.contract
        made_for = float(np.clip(10.0, *contract.training_snr_db))
        parts = [
            self.encoder.encode(items[at : at + 500], made_for, contract.k_max) for at in range(0, len(items), 500)
        ]
        return np.concatenate(parts).view(np.float32)
