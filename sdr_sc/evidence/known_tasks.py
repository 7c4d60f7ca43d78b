# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers to tasks that are known beforehand: decided at the transmitter without an error, and coded together."""

from __future__ import annotations

from typing import Any

import numpy as np

from sdr_sc.phy.receive.receiver import ReceivedFrame
from sdr_sc.schemes.bits import digit_bits, pack_digits, unpack_digits
from sdr_sc.schemes.coded import CodedScheme
from sdr_sc.schemes.label_ldpc import answers_codeword
from sdr_sc.schemes.scheme import Transmission


class KnownTasks(CodedScheme):
    """The truth itself, coded as the class is: what no transmitter betters that knows its tasks.

    Args:
        levels: how many answers there are, over all tasks together.
        name: what results call it.
    """

    def __init__(self, levels: int, name: str = "answers") -> None:
        super().__init__()
        self.name, self._levels = name, levels

    def send(self, images: np.ndarray, labels: np.ndarray, snr_db: float | None, k: int | None) -> list[Transmission]:
        """One frame of the labels."""
        word = answers_codeword(len(labels), self._levels, snr_db, self.rates)
        payload = word.payload(pack_digits(labels, self._levels))
        return [Transmission(payload, slice(0, len(images)), word.mode << 8 | len(images) - 1, word)]

    def answer(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """The labels, or -1 for all."""
        items = (received.header.model_id & 0xFF) + 1
        message = transmission.side.message(received)
        return np.full(items, -1, np.int64) if message is None else unpack_digits(message, items, self._levels)

    def describe(self) -> dict[str, Any]:
        """What it is."""
        return {"scheme": self.name, "kind": "answers known at the transmitter + LDPC + QAM", **self.describe_code()}


class AnyBits(KnownTasks):
    """Messages of a size: what they say does not matter, whether they arrive does.

    Args:
        levels: messages that an item may have, of any size.
    """

    def __init__(self, levels: int, name: str = "message") -> None:
        super().__init__(levels, name)
        self._rng = np.random.default_rng(1)

    def send(self, images: np.ndarray, labels: np.ndarray, snr_db: float | None, k: int | None) -> list[Transmission]:
        """One frame of messages, drawn by chance; the labels are 0."""
        word = answers_codeword(len(labels), self._levels, snr_db, self.rates)
        bits = self._rng.integers(0, 2, digit_bits(len(labels), self._levels), np.uint8)
        side = (word, bits)
        return [Transmission(word.payload(bits), slice(0, len(images)), word.mode << 8 | len(images) - 1, side)]

    def answer(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """0 for every item where the message arrived as it was sent, or -1 for all."""
        word, bits = transmission.side
        items, message = (received.header.model_id & 0xFF) + 1, word.message(received)
        arrived = message is not None and np.array_equal(message[: len(bits)], bits)
        return np.full(items, 0 if arrived else -1, np.int64)
