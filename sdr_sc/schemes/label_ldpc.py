# SPDX-License-Identifier: GPL-3.0-or-later
"""The class alone, decided at the transmitter and coded; for one task that is known beforehand."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from sdr_sc.data.dataset import DEFAULT_DATA_SET
from sdr_sc.distill.split import held_out
from sdr_sc.errors import SdrScError
from sdr_sc.phy.coding.modes import CRC_BITS, MODES
from sdr_sc.phy.receive.receiver import ReceivedFrame
from sdr_sc.schemes.bits import Codeword, digit_bits, pack_digits, unpack_digits
from sdr_sc.schemes.bler_tables import ErrorRates
from sdr_sc.schemes.classify import classifier_of, images_of
from sdr_sc.schemes.coded import CodedScheme
from sdr_sc.schemes.model_files import NOTHING
from sdr_sc.schemes.scheme import Transmission
from sdr_sc.semantic.model_items import load_items

_HELD_OUT = 5000
MAX_LOSS = 0.005
"""Share of codewords that may be lost more than with the most robust mode, for a mode of fewer symbols."""


def answers_codeword(items: int, levels: int, snr_db: float | None, rates: ErrorRates) -> Codeword:
    """The codeword of fewest symbols for so many answers out of ``levels`` each, whose losses are within `MAX_LOSS`
    of the least."""
    wanted = digit_bits(items, levels) + CRC_BITS
    options = []
    for place, mode in enumerate(MODES):
        symbols = mode.symbols(wanted)
        bits = mode.info_bits(symbols)
        if bits >= wanted:
            options.append((rates.lost(place, snr_db, symbols), Codeword(place, symbols, bits)))
    least = min(lost for lost, _ in options)
    return min((word for lost, word in options if lost <= least + MAX_LOSS), key=lambda word: word.symbols)


class LabelScheme(CodedScheme):
    """Classes, packed as digits of one number, one codeword a frame.

    It needs a whole classifier at the transmitter, such as the shipped student's two parts, and serves this task alone.
    The mode is the one of fewest symbols whose codewords are lost at most `MAX_LOSS` more often than those of the
    best. The header's model id holds mode and number of items.

    Args:
        teacher: classifier at the transmitter, see `ImageClassifier`.
        name: what results call it.
        data_set: whose images are classified.
    """

    k_list = None

    def __init__(self, teacher: str, name: str, data_set: str = DEFAULT_DATA_SET) -> None:
        super().__init__()
        self.name, self._classifier, self._data_set = name, classifier_of(teacher, data_set), data_set
        self._classes = len(images_of(data_set).class_names)
        self._words: dict[tuple[str, int, int], Codeword] = {}

    def codeword(self, items: int, snr_db: float | None) -> Codeword:
        """The codeword of a frame."""
        key = (self.rates.channel, self.rates.place(snr_db), items)
        if key not in self._words:
            self._words[key] = answers_codeword(items, self._classes, snr_db, self.rates)
        return self._words[key]

    def send(self, images: np.ndarray, labels: np.ndarray, snr_db: float | None, k: int | None) -> list[Transmission]:
        """One frame of the classifier's answers."""
        if k is not None:
            raise SdrScError(f"scheme {self.name} has no k; leave it out.")
        word = self.codeword(len(images), snr_db)
        payload = word.payload(pack_digits(self._classifier.classes(images), self._classes))
        model_id = word.mode << 8 | len(images) - 1
        return [Transmission(payload, slice(0, len(images)), model_id, word)]

    def answer(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """The classes that were sent, or -1 for all."""
        items = (received.header.model_id & 0xFF) + 1
        message = transmission.side.message(received)
        if message is None:
            return np.full(items, -1, np.int64)
        return unpack_digits(message, items, self._classes)

    def probabilities(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """What the class that was sent says of the true one, by the answers to held-out training images."""
        found = self.answer(transmission, received)
        return np.where((found < 0)[:, None], np.nan, self._truth_of_answer[found])

    @cached_property
    def _truth_of_answer(self) -> np.ndarray:
        """float64 (answer, class): shares, with half an image more of each so that none is 0."""
        data = load_items(self._data_set, "train")
        _, held = held_out(len(data), min(_HELD_OUT, len(data) // 4), seed=1)
        counts = np.full((self._classes, self._classes), 0.5)
        np.add.at(counts, (self._classifier.classes(data.items(held)), data.targets(self.task, held)), 1)
        return counts / counts.sum(axis=1, keepdims=True)

    def knowledge(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """The class, as one of so many numbers that is 1."""
        found = self.answer(transmission, received)
        return np.where((found < 0)[:, None], np.float32(np.nan), np.eye(self._classes, dtype=np.float32)[found])

    def describe(self) -> dict[str, Any]:
        """Classifier, code, sizes, and what it serves."""
        return {
            "scheme": self.name,
            "kind": "class decided at the transmitter + LDPC + QAM",
            "classifier": self._classifier.name,
            "classifier_fingerprint": self._classifier.fingerprint,
            **self.describe_code(),
            "sizes": {"transmitter": dict(self._classifier.size), "receiver": dict(NOTHING)},
            "told": "serves one task, known beforehand: the whole classifier is at the transmitter",
        }
