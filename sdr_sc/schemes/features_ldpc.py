# SPDX-License-Identifier: GPL-3.0-or-later
"""The student's own features sent as bits: quantised, LDPC, QAM, and the student's decoder at the receiver."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.data.dataset import DEFAULT_DATA_SET, ImageSet
from sdr_sc.distill.split import held_out
from sdr_sc.errors import SdrScError
from sdr_sc.phy.coding.modes import CRC_BITS, MODES
from sdr_sc.phy.receive.receiver import ReceivedFrame
from sdr_sc.schemes.bits import Codeword
from sdr_sc.schemes.coded import CodedScheme
from sdr_sc.schemes.digital.mcs_selection import checked_target, enough
from sdr_sc.schemes.model_files import sizes_of_model
from sdr_sc.schemes.quantise import Quantiser
from sdr_sc.schemes.scheme import MOST_SYMBOLS, Transmission
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder, answers, unit_power
from sdr_sc.semantic.model_items import load_items

K_LIST = (1, 2, 4, 8, 16, 32, 64)
MOST_BITS = 4
TRAINING_IMAGES, VALIDATION_IMAGES = 2000, 1000
_CHUNK = 250
_PLACE_BITS = 5
_EQUAL, _HOPELESS = 1e-3, 0.05  # accuracies that count as equal, and that no choice can improve


@dataclass(frozen=True)
class Precision:
    """How many features are sent, how finely, and what comes of it.

    Attributes:
        features: complex features of an item.
        quantiser: of their real and imaginary parts.
        snr_db: that of the quantisation, which the student's decoder is given.
        accuracy: on held-out training images, without a channel.
    """

    features: int
    quantiser: Quantiser
    snr_db: float
    accuracy: float

    @property
    def item_bits(self) -> int:
        """Bits of an item."""
        return 2 * self.features * self.quantiser.bits


class FeaturesScheme(CodedScheme):
    """One codeword a frame holds the features of all its items.

    For a budget of k payload symbols an item, mode, number of features and bits are those with the best expected
    accuracy: that on held-out training images, times the share of codewords that arrive. The header's model id holds
    mode and number of items, the codeword's first bits which of the precisions it is.

    Args:
        model: a student's file or name.
        name: what results call it.
        target: see `ImageScheme`.
        data_set: that it is for; the precisions are measured on its training split.
    """

    k_list = K_LIST

    def __init__(self, model: str | Path, name: str, target: int = 0, data_set: str = DEFAULT_DATA_SET) -> None:
        super().__init__()
        self.name, self._target = name, checked_target(target, name)
        self._encoder, self._decoder = SemanticEncoder(model), SemanticDecoder(model)
        self._sizes = sizes_of_model(model)
        self._contract = self._encoder.contract
        self._best_db, self.task = self._contract.training_snr_db[1], self._contract.tasks[0].name
        self._precisions = sorted(self._measure(load_items(data_set, "train")), key=lambda one: one.item_bits)
        self._plans: dict[tuple[str, int, int | None, int], tuple[Codeword, int]] = {}

    def _measure(self, data: ImageSet) -> list[Precision]:
        training, held = held_out(len(data), min(5000, len(data) // 4), seed=1)
        training, held = training[:TRAINING_IMAGES], held[:VALIDATION_IMAGES]
        all_samples, all_wanted = self._features(data.images[training]), self._features(data.images[held])
        found = []
        # Those that the student was trained for: a finer list makes the search longer, and its winner luckier.
        trained = {*self._contract.training.get("k_list", self._contract.k_list)} & {*self._contract.k_list}
        for features in sorted(trained):
            samples, wanted = _prefix(all_samples, features), _prefix(all_wanted, features)
            for bits in range(1, MOST_BITS + 1):
                quantiser = Quantiser(samples, bits)
                snr_db = float(-10 * np.log10(2 * quantiser.error))  # of complex features of power 1
                logits = self._decoder.decode(_complex(quantiser.values(quantiser.index(wanted))), snr_db)
                share = float((answers(logits)[0] == data.labels[held]).mean())
                found.append(Precision(features, quantiser, snr_db, share))
        return found

    def _features(self, images: np.ndarray) -> np.ndarray:
        """complex64 (n, k_max): all features for the best channel, as quantisation is little noise."""
        k_max = self._contract.k_max
        parts = [images[first : first + _CHUNK] for first in range(0, len(images), _CHUNK)]
        return np.concatenate([self._encoder.encode(part, self._best_db, k_max) for part in parts])

    def plan(self, snr_db: float | None, k: int | None, items: int) -> tuple[Codeword, int]:
        """Codeword and place of the precision for an SNR and a number of items; k None chooses the budget, too.

        Raises:
            SdrScError: the k is not in the list, or not even one bit of one feature fits it.
        """
        if k is not None and k not in K_LIST:
            raise SdrScError(
                f"k={k} is not a budget of scheme {self.name}; choose one of {', '.join(map(str, K_LIST))}."
            )
        key = (self.rates.channel, self.rates.place(snr_db), k, items)
        if key not in self._plans:
            self._plans[key] = self._choose(snr_db, k, items)
        return self._plans[key]

    def _choose(self, snr_db: float | None, k: int | None, items: int) -> tuple[Codeword, int]:
        options = []
        for place, precision in enumerate(self._precisions):
            wanted = _PLACE_BITS + items * precision.item_bits + CRC_BITS
            for mode_place, mode in enumerate(MODES):
                symbols = mode.symbols(wanted)
                bits = mode.info_bits(symbols)
                if bits >= wanted and symbols <= (MOST_SYMBOLS if k is None else k * items):
                    expected = precision.accuracy * (1.0 - self.rates.lost(mode_place, snr_db, symbols))
                    options.append((expected, Codeword(mode_place, symbols, bits), place))
        if not options:
            raise SdrScError(f"no feature of scheme {self.name} fits {k} symbols an item; give a larger k.")
        most = max(expected for expected, _, _ in options)
        if most < _HOPELESS:
            return max(options, key=lambda option: (option[0], option[1].symbols))[1:]
        least = most - _EQUAL if k is not None else enough([option[0] for option in options], self._target)
        good = [(word, place) for expected, word, place in options if expected >= least]
        return min(good, key=lambda option: option[0].symbols)

    def send(self, images: np.ndarray, labels: np.ndarray, snr_db: float | None, k: int | None) -> list[Transmission]:
        """One frame of one codeword; less than the budget where fewer bits are as good."""
        word, place = self.plan(snr_db, k, len(images))
        precision = self._precisions[place]
        index = precision.quantiser.index(_prefix(self._features(images), precision.features))
        weights = 1 << np.arange(precision.quantiser.bits - 1, -1, -1)
        first = place >> np.arange(_PLACE_BITS - 1, -1, -1) & 1
        message = np.concatenate((first, (index[:, :, None] & weights > 0).ravel())).astype(np.uint8)
        model_id = word.mode << 8 | len(images) - 1
        return [Transmission(word.payload(message), slice(0, len(images)), model_id, (word, precision))]

    def answer(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """The student decoder's classes, or -1 for all where the codeword cannot be decoded."""
        found = self._received(transmission, received)
        if found is None:
            return np.full(_items(received), -1, np.int64)
        return answers(self._decoder.decode(found[0], found[1].snr_db))[0]

    def probabilities(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """The student decoder's, calibrated for the noise of the quantisation."""
        found = self._received(transmission, received)
        if found is None:
            return np.full((_items(received), len(self._contract.class_names)), np.nan)
        return self._decoder.probabilities(found[0], found[1].snr_db)

    def knowledge(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """The quantised features, real and imaginary parts in turn."""
        found = self._received(transmission, received)
        if found is None:
            width = 2 * transmission.side[1].features
            return np.full((_items(received), width), np.nan, np.float32)
        return found[0].view(np.float32)

    def _received(self, transmission: Transmission, received: ReceivedFrame) -> tuple[np.ndarray, Precision] | None:
        """complex64 (items, features) and their precision, None where the codeword cannot be decoded."""
        items, message = _items(received), transmission.side[0].message(received)
        if message is None:
            return None
        place = int(message[:_PLACE_BITS] @ (1 << np.arange(_PLACE_BITS - 1, -1, -1)))
        if place >= len(self._precisions):
            return None
        precision, message = self._precisions[place], message[_PLACE_BITS:]
        bits = message[: items * precision.item_bits].reshape(items, 2 * precision.features, -1)
        index = bits @ (1 << np.arange(precision.quantiser.bits - 1, -1, -1))
        return _complex(precision.quantiser.values(index)), precision

    def describe(self) -> dict[str, Any]:
        """Model, code, sizes, and what the precisions are worth without a channel."""
        return {
            "scheme": self.name,
            "kind": "quantised features + LDPC + QAM",
            "model": self._contract.name,
            "model_id": self._contract.model_id,
            **self.describe_code(),
            "sizes": self._sizes,
            "target": self._target,
            "accuracy_by_features_and_bits": {
                f"{one.features}x{one.quantiser.bits}": round(one.accuracy, 4) for one in self._precisions
            },
        }


def _items(received: ReceivedFrame) -> int:
    return (received.header.model_id & 0xFF) + 1


def _prefix(features: np.ndarray, count: int) -> np.ndarray:
    """float32 (n, 2 * count): the first features of each item at mean power 1, as the student's decoder takes them."""
    return unit_power(np.ascontiguousarray(features[:, :count], np.complex64).view(np.float32))[0]


def _complex(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, np.float32).view(np.complex64)
