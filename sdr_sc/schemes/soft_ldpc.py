# SPDX-License-Identifier: GPL-3.0-or-later
"""The student's soft answer, decided at the transmitter: likeliest classes with their confidence, entropy-coded, LDPC,
QAM."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.dataset import DEFAULT_DATA_SET
from sdr_sc.distill.split import held_out
from sdr_sc.errors import SdrScError
from sdr_sc.schemes.answers.soft import SoftCoder, fit
from sdr_sc.schemes.digital.grouped import Decoded, GroupedScheme
from sdr_sc.schemes.features_vq import K_LIST, all_features
from sdr_sc.schemes.model_files import NOTHING, sizes_of_model, together
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder

STEPS = 6
_IMAGES = 5000


@dataclass(frozen=True)
class SoftSource:
    """See `sdr_sc.schemes.digital.grouped.Source`."""

    encoder: SemanticEncoder
    decoder: SemanticDecoder
    coder: SoftCoder
    accuracy: float = 0.0
    item_bits: float = 1.0

    @property
    def name(self) -> str:
        """Such as ``2 classes, 6 steps``."""
        return f"{len(self.coder.edges)} classes, {len(self.coder.edges[0]) + 1} steps"

    def encode(self, images: np.ndarray) -> np.ndarray:
        """uint8 (bits,) of 0 and 1."""
        return self.coder.encode(own_chances(self.encoder, self.decoder, images))

    def decode(self, bits: np.ndarray, items: int) -> Decoded | None:
        """The chances of the classes; None where the bits are none of a message."""
        try:
            found = self.coder.decode(bits, items)
        except ValueError:
            return None
        return Decoded(found, found.astype(np.float32))


class SoftScheme(GroupedScheme):
    """The whole student at the transmitter; the receiver gets its likeliest classes with steps of confidence.

    What a step means, how often its class is right, is counted on held-out training images when the scheme is made, so
    that the receiver's chances are calibrated.

    Args:
        model: a student's file or name.
        name: what results call it.
        sent: classes of an item that are sent.
        data_set: that it is for.

    Raises:
        SdrScError: ``sent`` is out of range.
    """

    def __init__(self, model: str | Path, name: str, sent: int = 2, data_set: str = DEFAULT_DATA_SET) -> None:
        encoder, decoder = SemanticEncoder(model), SemanticDecoder(model)
        self._contract = encoder.contract
        classes = len(self._contract.class_names)
        if not 1 <= sent < classes:
            raise SdrScError(f"parameter sent of scheme {name} is {sent}; give 1 to {classes - 1}.")
        self._sizes = sizes_of_model(model)
        data = load_dataset(data_set, "train")
        _, held = held_out(len(data), min(_IMAGES, len(data) // 4), seed=1)
        chances, labels = own_chances(encoder, decoder, data.images[held]), data.labels[held]
        coder = fit(chances, labels, sent, STEPS)
        bits = [len(coder.encode(chances[first : first + 50])) for first in range(0, len(held), 50)]
        accuracy = float((chances.argmax(axis=1) == labels).mean())
        source = SoftSource(encoder, decoder, coder, accuracy, sum(bits) / len(held))
        super().__init__(name, [source], K_LIST)

    def describe(self) -> dict[str, Any]:
        """Model, code, sizes, and what it serves."""
        return {
            "scheme": self.name,
            "kind": "soft answer decided at the transmitter, range coder + LDPC + QAM",
            "model": self._contract.name,
            "model_id": self._contract.model_id,
            **self.describe_sources(),
            "sizes": {"transmitter": together(*self._sizes.values()), "receiver": dict(NOTHING)},
            "told": "serves one task, known beforehand: the whole classifier is at the transmitter",
        }


def own_chances(encoder: SemanticEncoder, decoder: SemanticDecoder, images: np.ndarray) -> np.ndarray:
    """float64 (n, classes): the student's answer without a channel."""
    best_db = encoder.contract.training_snr_db[1]
    return softmax(decoder.decode(all_features(encoder, images), best_db).astype(np.float64), axis=1)


def main() -> None:
    """Print what soft answers cost and lose on half of the held-out images, by tables of the other half."""
    from sdr_sc.semantic import weights

    encoder, decoder = SemanticEncoder(weights.DEFAULT_MODEL), SemanticDecoder(weights.DEFAULT_MODEL)
    data = load_dataset(DEFAULT_DATA_SET, "train")
    _, held = held_out(len(data), _IMAGES, seed=1)
    chances, labels = own_chances(encoder, decoder, data.images[held]), data.labels[held]
    half = len(held) // 2
    rows = np.arange(half)
    print(f"the student's own chances: {-np.log(chances[half:][rows, labels[half:]]).mean():.3f} nats lost an item")
    for sent in (1, 2, 3):
        coder = fit(chances[:half], labels[:half], sent, STEPS)
        bits = coder.encode(chances[half:])
        nats = -np.log(coder.decode(bits, half)[rows, labels[half:]]).mean()
        print(f"{sent} classes: {len(bits) / half:.2f} bits, {nats:.3f} nats lost an item")


if __name__ == "__main__":
    main()
