# SPDX-License-Identifier: GPL-3.0-or-later
"""Compressed images, LDPC and QAM, classified at the receiver: the separate design of source and channel coding."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from sdr_sc.data.dataset import DEFAULT_DATA_SET
from sdr_sc.errors import SdrScError
from sdr_sc.phy.coding.ldpc_qam import code_for, unbiased, with_crc
from sdr_sc.phy.coding.modes import CRC_BITS, MODES
from sdr_sc.phy.receive.receiver import ReceivedFrame
from sdr_sc.schemes.classify import classifier_of, images_of
from sdr_sc.schemes.coded import CodedScheme
from sdr_sc.schemes.digital.mcs_selection import Plan, best_for, cheapest, checked_target
from sdr_sc.schemes.image_accuracy import accuracy_by_bytes, budgets_of, kept_sha256
from sdr_sc.schemes.image_codecs import SIDES, make_codec, size_at
from sdr_sc.schemes.model_files import NOTHING
from sdr_sc.schemes.scheme import MOST_SYMBOLS, Transmission, as_matrix, wire_id

K_LIST = (64, 96, 128, 192, 256, 320, 384, 512, 640, 768, 1024, 1280, 1536, 2048, 3072, 4096)
_MEMORY = 500_000  # messages whose answers are kept


class ImageScheme(CodedScheme):
    """Each image at the highest quality that fits its codeword; one codeword an image, as many images as fit a frame.

    A codeword that cannot be decoded answers -1. Mode and length are chosen for the fed-back SNR by expected accuracy:
    that of the classifier on held-out training images compressed to what the codeword carries, times the share of
    codewords that arrive. The same images show at which size an image is best compressed to so many bytes. The
    header's model id holds mode and length, the first byte of an image its size and quality.

    Args:
        codec: ``jpeg`` or ``webp``.
        teacher: classifier at the receiver, see `ImageClassifier`.
        frame_symbols: most payload symbols of a frame, unless one image needs more.
        name: what results call it.
        target: accuracy in percent on held-out images for which no more symbols are spent where k is left to the
            scheme; 0 for nearly the best.
        accuracy: float (sides, budgets) at each of `SIDES` and of `budgets_of` the images; None for that on held-out
            images.
        data_set: whose images are sent.

    Raises:
        SdrScError: classifier or data cannot be used.
    """

    k_list = K_LIST

    def __init__(
        self,
        codec: str,
        teacher: str,
        frame_symbols: int,
        name: str,
        target: int = 0,
        accuracy: np.ndarray | None = None,
        data_set: str = DEFAULT_DATA_SET,
    ) -> None:
        if not K_LIST[-1] <= frame_symbols <= MOST_SYMBOLS:
            raise SdrScError(f"frame_symbols of scheme {name} is {frame_symbols}; give {K_LIST[-1]} to {MOST_SYMBOLS}.")
        super().__init__()
        self.name, self._frame_symbols, self._target = name, frame_symbols, checked_target(target, name)
        self._codec, self._classifier = make_codec(codec), classifier_of(teacher, data_set)
        self._shape: tuple[int, ...] = images_of(data_set).item_shape
        self._budgets = budgets_of(self._shape)
        by_side = accuracy_by_bytes(self._codec, self._classifier, data_set) if accuracy is None else accuracy
        self._kept = kept_sha256(self._codec, self._classifier, data_set) if accuracy is None else None
        self._accuracy = by_side.max(axis=0)
        self._sides = np.argsort(-by_side, axis=0, kind="stable")
        self._plans: dict[tuple[str, int, int | None], Plan] = {}
        self._answers: dict[bytes, int] = {}
        self._id = wire_id(name) & 0xF000

    def frame_items(self, snr_db: float | None, k: int | None, most: int) -> int:
        """As many images as the frame has room for."""
        return min(most, max(1, self._frame_symbols // self.plan(snr_db, k).symbols))

    def plan(self, snr_db: float | None, k: int | None) -> Plan:
        """The choice for an SNR; k None chooses the budget, too.

        Raises:
            SdrScError: the k is not in the list.
        """
        if k is not None and k not in K_LIST:
            raise SdrScError(
                f"k={k} is not a budget of scheme {self.name}; choose one of {', '.join(map(str, K_LIST))}."
            )
        key = (self.rates.channel, self.rates.place(snr_db), k)
        if key not in self._plans:
            plans = [best_for(one, one, snr_db, self.rates, self._expected) for one in ([k] if k else K_LIST)]
            self._plans[key] = cheapest([plan for plan in plans if plan is not None], self._target)
        return self._plans[key]

    def _expected(self, info_bits: int) -> float:
        return float(np.interp((info_bits - CRC_BITS) // 8, (0, *self._budgets), (0.0, *self._accuracy)))

    def send(self, images: np.ndarray, labels: np.ndarray, snr_db: float | None, k: int | None) -> list[Transmission]:
        """One frame of one codeword an image; an image that fits at no quality is sent as nothing."""
        plan = self.plan(snr_db, k)
        most = (plan.info_bits - CRC_BITS) // 8
        words = []
        for image in images:
            data = self._packed(image, most)
            message = np.unpackbits(np.frombuffer(b"\xff" if data is None else data, np.uint8))
            words.append(with_crc(message[: plan.info_bits - CRC_BITS], plan.info_bits))
        code = code_for(plan.info_bits, plan.symbols, MODES[plan.mode])
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
        code = code_for(plan.info_bits, plan.symbols, MODES[plan.mode])
        bits, right = code.decode(symbols, variance)
        found = np.full(items, -1, np.int64)
        found[right] = self._answer_to([np.packbits(word[:-CRC_BITS]).tobytes() for word in bits[right]])
        return found

    def _packed(self, image: np.ndarray, most_bytes: int) -> bytes | None:
        """The image at the size that is worth most at so many bytes, or the next best where it does not fit."""
        column = max(int(np.searchsorted(self._budgets, most_bytes, side="right")) - 1, 0)
        sides = (SIDES[place] for place in self._sides[:, column])
        return next((data for side in sides if (data := self._codec.fit(image, most_bytes, side)) is not None), None)

    def _answer_to(self, messages: list[bytes]) -> list[int]:
        """Classes of decoded messages, -1 for one that is no image; each message is looked at once, as it comes again
        at the next SNR."""
        # What stands after an image is zeros, as many as there is room for.
        keys = [hashlib.blake2b(message.rstrip(b"\0"), digest_size=12).digest() for message in messages]
        new = {key: message for key, message in zip(keys, messages, strict=True) if key not in self._answers}
        restored = {key: self._codec.restore(data, self._shape) for key, data in new.items()}
        images = {key: image for key, image in restored.items() if image is not None}
        if len(self._answers) > _MEMORY:
            self._answers = {key: self._answers[key] for key in keys if key in self._answers}
        self._answers.update(dict.fromkeys(new, -1))
        if images:
            classes = self._classifier.classes(np.stack(list(images.values())))
            self._answers.update(zip(images, classes.tolist(), strict=True))
        return [self._answers[key] for key in keys]

    def describe(self) -> dict[str, Any]:
        """Format, classifier, code, where the choice comes from, and sizes; a codec is fixed and has none."""
        heights = [size_at(self._shape, SIDES[place])[0] for place in self._sides[0]]
        return {
            "scheme": self.name,
            "kind": "compressed image + LDPC + QAM",
            "format": self._codec.name,
            "classifier": self._classifier.name,
            "classifier_fingerprint": self._classifier.fingerprint,
            **self.describe_code(),
            **({} if self._kept is None else {"image_accuracy_sha256": self._kept}),
            "frame_symbols": self._frame_symbols,
            "target": self._target,
            "accuracy_by_bytes": dict(zip(map(str, self._budgets), np.round(self._accuracy, 4).tolist(), strict=True)),
            "side_by_bytes": dict(zip(map(str, self._budgets), heights, strict=True)),
            "sizes": {"transmitter": dict(NOTHING), "receiver": dict(self._classifier.size)},
            "told": "file headers and tables that both ends can agree on are not sent, which favours this scheme",
        }
