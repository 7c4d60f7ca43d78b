# SPDX-License-Identifier: GPL-3.0-or-later
"""Compressed images, LDPC and QAM, classified at the receiver: the separate design of source and channel coding."""

from __future__ import annotations

from typing import Any

import numpy as np

from sdr_sc.errors import SdrScError
from sdr_sc.experiments.baselines.classify import ImageClassifier
from sdr_sc.experiments.baselines.coded import CodedScheme
from sdr_sc.experiments.baselines.coding import CRC_BITS, MODES, code_for, unbiased, with_crc
from sdr_sc.experiments.baselines.image_accuracy import BUDGETS_BYTES, accuracy_by_bytes
from sdr_sc.experiments.baselines.images import make_codec
from sdr_sc.experiments.baselines.planning import Plan, best_for, cheapest
from sdr_sc.experiments.baselines.scheme import MOST_SYMBOLS, Transmission, as_matrix, wire_id
from sdr_sc.phy.receiver import ReceivedFrame

K_LIST = (64, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096)
_SHAPE = (28, 28)


class ImageScheme(CodedScheme):
    """Each image at the highest quality that fits its codeword; one codeword an image, as many images as fit a frame.

    A codeword that cannot be decoded answers -1. Mode and length are chosen for the told SNR by the expected accuracy:
    that of the classifier on held-out training images compressed to what the codeword carries, times the share of
    codewords that arrive. The header's model id tells mode and length.

    Args:
        codec: ``jpeg`` or ``webp``.
        teacher: classifier at the receiver, see `ImageClassifier`.
        frame_symbols: most payload symbols of a frame, unless one image needs more.
        name: what results call it.
        accuracy: at each of `BUDGETS_BYTES`; None for that on held-out training images.

    Raises:
        SdrScError: classifier or data cannot be used.
    """

    k_list = K_LIST

    def __init__(
        self, codec: str, teacher: str, frame_symbols: int, name: str, accuracy: np.ndarray | None = None
    ) -> None:
        if not K_LIST[-1] <= frame_symbols <= MOST_SYMBOLS:
            raise SdrScError(f"frame_symbols of scheme {name} is {frame_symbols}; give {K_LIST[-1]} to {MOST_SYMBOLS}.")
        super().__init__()
        self.name, self._frame_symbols = name, frame_symbols
        self._codec, self._classifier = make_codec(codec), ImageClassifier(teacher)
        self._accuracy = accuracy_by_bytes(self._codec, self._classifier) if accuracy is None else accuracy
        self._plans: dict[tuple[int, int | None], Plan] = {}
        self._id = wire_id(name) & 0xFF00

    def begin(self, channel: str) -> None:
        """Take the channel's table of error rates."""
        super().begin(channel)
        self._plans.clear()

    def frame_items(self, snr_db: float | None, k: int | None, most: int) -> int:
        """As many images as the frame has room for."""
        room = max(1, self._frame_symbols // self.plan(snr_db, k).symbols)
        return min(room, super().frame_items(snr_db, k, most))

    def plan(self, snr_db: float | None, k: int | None) -> Plan:
        """The choice for an SNR; k None chooses the budget, too.

        Raises:
            SdrScError: the k is not in the list.
        """
        if k is not None and k not in K_LIST:
            raise SdrScError(
                f"k={k} is not a budget of scheme {self.name}; choose one of {', '.join(map(str, K_LIST))}."
            )
        key = (self.rates.place(snr_db), k)
        if key not in self._plans:
            plans = [best_for(one, one, snr_db, self.rates, self._expected) for one in ([k] if k else K_LIST)]
            self._plans[key] = cheapest([plan for plan in plans if plan is not None])
        return self._plans[key]

    def _expected(self, info_bits: int) -> float:
        return float(np.interp((info_bits - CRC_BITS) // 8, (0, *BUDGETS_BYTES), (0.0, *self._accuracy)))

    def send(self, images: np.ndarray, labels: np.ndarray, snr_db: float | None, k: int | None) -> list[Transmission]:
        """One frame of one codeword an image; an image that fits at no quality is sent as nothing."""
        plan = self.plan(snr_db, k)
        most = (plan.info_bits - CRC_BITS) // 8
        words = []
        for image in images:
            data = self._codec.fit(image, most)
            message = np.unpackbits(np.frombuffer(b"\xff" if data is None else data, np.uint8))
            words.append(with_crc(message[: plan.info_bits - CRC_BITS], plan.info_bits))
        code = code_for(plan.info_bits, plan.symbols, MODES[plan.mode].bits_per_symbol)
        symbols = code.encode(np.stack(words)).ravel()
        model_id = self._id | plan.mode << 4 | K_LIST.index(plan.k)
        return [Transmission(as_matrix(symbols), slice(0, len(images)), model_id, plan)]

    def answer(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """Classes of the images whose codewords and files are whole, -1 for the others."""
        plan: Plan = transmission.side
        items = received.features.size // plan.symbols
        count = items * plan.symbols
        symbols = unbiased(received.features, received.noise_variance).ravel()[:count].reshape(items, -1)
        variance = received.noise_variance.ravel()[:count].reshape(items, -1)
        code = code_for(plan.info_bits, plan.symbols, MODES[plan.mode].bits_per_symbol)
        bits, right = code.decode(symbols, variance)
        found = np.full(items, -1, np.int64)
        places, images = [], []
        for i in np.flatnonzero(right):
            image = self._codec.restore(np.packbits(bits[i, :-CRC_BITS]).tobytes(), _SHAPE)
            if image is not None:
                places.append(i)
                images.append(image)
        if images:
            found[places] = self._classifier.classes(np.stack(images))
        return found

    def describe(self) -> dict[str, Any]:
        """Format, classifier, code, and where the choice comes from."""
        return {
            "scheme": self.name,
            "kind": "compressed image + LDPC + QAM",
            "format": self._codec.name,
            "classifier": self._classifier.name,
            "classifier_fingerprint": self._classifier.fingerprint,
            "code": "5G NR LDPC (3GPP TS 38.212), CRC-16",
            "frame_symbols": self._frame_symbols,
            "error_rates_of_channel": self.rates.channel,
            "accuracy_by_bytes": dict(zip(map(str, BUDGETS_BYTES), np.round(self._accuracy, 4).tolist(), strict=True)),
            "told": "file headers and tables that both ends can agree on are not sent, which favours this scheme",
        }
