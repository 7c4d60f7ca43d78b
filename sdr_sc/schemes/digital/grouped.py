# SPDX-License-Identifier: GPL-3.0-or-later
"""Entropy-coded items in few long codewords a frame: what schemes do alike whose messages have no fixed length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from sdr_sc.data.dataset import CLASSIFICATION
from sdr_sc.errors import SdrScError
from sdr_sc.phy.coding.ldpc_qam import code_for, unbiased, with_crc
from sdr_sc.phy.coding.modes import CRC_BITS, MODES, Mode
from sdr_sc.phy.receive.receiver import ReceivedFrame
from sdr_sc.schemes.coded import CodedScheme
from sdr_sc.schemes.digital.mcs_selection import checked_target, enough
from sdr_sc.schemes.scheme import MOST_SYMBOLS, Transmission, as_matrix

MOST_WORDS = 4
"""Codewords of a frame: two bits of the header's model id."""
MOST_ITEMS = 64
_SOURCE_BITS = 5
_OVERHEAD_BITS = _SOURCE_BITS + CRC_BITS
_LONGEST_SHARE = 0.93  # of a codeword that the mean message may fill, as messages differ
_EQUAL, _HOPELESS = 1e-3, 0.05  # accuracies that count as equal, and that no choice can improve


@dataclass(frozen=True)
class Decoded:
    """What the receiver has of some items.

    Attributes:
        probabilities: float (items, classes), rows of sum 1.
        knowledge: float32 (items, any width), see `sdr_sc.schemes.scheme.Knowledge`.
    """

    probabilities: np.ndarray
    knowledge: np.ndarray


class Source(Protocol):
    """A source coder with what answers at the other end."""

    @property
    def name(self) -> str:
        """For people, unique in its scheme."""
        ...

    @property
    def accuracy(self) -> float:
        """Share of held-out images that are answered correctly without a channel."""
        ...

    @property
    def item_bits(self) -> float:
        """Mean bits of an item."""
        ...

    def encode(self, images: np.ndarray) -> np.ndarray:
        """uint8 (bits,) of 0 and 1 for uint8 images (n, [3,] height, width)."""
        ...

    def decode(self, bits: np.ndarray, items: int) -> Decoded | None:
        """What the receiver has of bits, which more may follow; None where they are none of a message."""
        ...


class GroupedScheme(CodedScheme):
    """Items of a frame are coded together, in one codeword, or in up to `MOST_WORDS` of equal length where one does not
    hold them; a codeword that is lost loses its items.

    Source and mode are those with the best expected accuracy in the budget: that on held-out images, times the share of
    codewords that arrive; of nearly equal ones the one of fewest symbols. The header's model id holds mode, number of
    codewords and number of items, its sizes the length of a codeword, the codeword's first bits which source it is.

    Args:
        name: what results call it.
        sources: up to 32, the same at both ends.
        k_list: budgets of payload symbols an item.
        target: accuracy in percent for which no more symbols are spent where k is left to the scheme; 0 for nearly the
            best.

    Raises:
        SdrScError: the target is no percentage.
    """

    def __init__(self, name: str, sources: Sequence[Source], k_list: tuple[int, ...], target: int = 0) -> None:
        super().__init__()
        if not 1 <= len(sources) <= 1 << _SOURCE_BITS:
            raise ValueError(f"{len(sources)} sources, where 1 to {1 << _SOURCE_BITS} have a number")
        self.name, self.k_list, self.task = name, k_list, CLASSIFICATION
        self._sources, self._target = list(sources), checked_target(target, name)
        self._plans: dict[tuple[str, int, int | None, int], list[tuple[int, int]]] = {}

    @property
    def sources(self) -> tuple[Source, ...]:
        """By their places, see `plans`."""
        return tuple(self._sources)

    def plans(self, snr_db: float | None, k: int | None, items: int) -> list[tuple[int, int]]:
        """Places of source and mode, the best choice first, then those of fewer symbols, should messages be too long.

        Raises:
            SdrScError: the k is not in the list, or nothing fits it.
        """
        if k is not None and k not in (self.k_list or ()):
            raise SdrScError(
                f"k={k} is not a budget of scheme {self.name}; choose one of {', '.join(map(str, self.k_list or ()))}."
            )
        key = (self.rates.channel, self.rates.place(snr_db), k, items)
        if key not in self._plans:
            self._plans[key] = self._choose(snr_db, k, items)
        return self._plans[key]

    def _choose(self, snr_db: float | None, k: int | None, items: int) -> list[tuple[int, int]]:
        options = []
        for place, source in enumerate(self._sources):
            for mode_place, mode in enumerate(MODES):
                fitting = min(items, _items_of_a_frame(source, mode))
                words = _words(source.item_bits * fitting, mode)
                symbols = mode.symbols(int(source.item_bits * fitting / words) + _OVERHEAD_BITS)
                if k is None or symbols * words <= k * fitting:
                    lost = self.rates.lost(mode_place, snr_db, symbols)
                    options.append((source.accuracy * (1.0 - lost), symbols * words / fitting, place, mode_place))
        if not options:
            raise SdrScError(f"nothing of scheme {self.name} fits {k} symbols an item; give a larger k.")
        most = max(option[0] for option in options)
        if most < _HOPELESS:
            return [max(options)[2:]]
        least = most - _EQUAL if k is not None else enough([option[0] for option in options], self._target)
        best = min((option for option in options if option[0] >= least), key=lambda option: option[1])
        less = sorted((one for one in options if one[1] < best[1]), key=lambda one: -one[0])[:8]
        return [best[2:], *(option[2:] for option in less)]

    def frame_items(self, snr_db: float | None, k: int | None, most: int) -> int:
        """As many as the frame's codewords hold."""
        most = min(most, MOST_ITEMS)
        place, mode_place = self.plans(snr_db, k, most)[0]
        return min(most, _items_of_a_frame(self._sources[place], MODES[mode_place]))

    def send(self, images: np.ndarray, labels: np.ndarray, snr_db: float | None, k: int | None) -> list[Transmission]:
        """One frame, or more where messages are longer than they mostly are."""
        return self._send(images, slice(0, len(images)), snr_db, k)

    def _send(self, images: np.ndarray, items: slice, snr_db: float | None, k: int | None) -> list[Transmission]:
        count = items.stop - items.start
        if count <= MOST_ITEMS:
            plans = self.plans(snr_db, k, count)
            for number, (place, mode_place) in enumerate(plans):
                most = k * count if k is not None and number < len(plans) - 1 else MOST_SYMBOLS
                found = self._frame(images[items], place, mode_place, most)
                if found is not None:
                    payload, words = found
                    model_id = mode_place << 8 | words - 1 << 6 | count - 1
                    return [Transmission(payload, items, model_id)]
        if count == 1:
            raise SdrScError(f"an item of scheme {self.name} fits no codeword; leave the scheme out for such images.")
        middle = (items.start + items.stop) // 2
        halves = slice(items.start, middle), slice(middle, items.stop)
        return [one for half in halves for one in self._send(images, half, snr_db, k)]

    def _frame(self, images: np.ndarray, place: int, mode_place: int, most: int) -> tuple[np.ndarray, int] | None:
        """Payload and number of codewords; None where the messages are too long."""
        mode, source = MODES[mode_place], self._sources[place]
        first = place >> np.arange(_SOURCE_BITS - 1, -1, -1) & 1
        words = _words(source.item_bits * len(images), mode)
        for count in range(words, min(MOST_WORDS, len(images)) + 1):
            parts = np.array_split(images, count)
            messages = [np.concatenate((first, source.encode(part))).astype(np.uint8) for part in parts]
            longest = max(len(message) for message in messages) + CRC_BITS
            if longest <= mode.most_info_bits:
                symbols = _filled(mode.symbols(longest), count)
                if symbols * count > most:
                    return None
                info_bits = _info_bits(mode, symbols)
                code = code_for(info_bits, symbols, mode)
                coded = code.encode(np.stack([with_crc(message, info_bits) for message in messages]))
                return as_matrix(coded.ravel()), count
        return None

    def answer(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """The likeliest classes of items whose codewords and messages are whole, -1 for the others."""
        found = np.full(_items(received), -1, np.int64)
        for places, one in self._decoded(received):
            found[places] = one.probabilities.argmax(axis=1)
        return found

    def probabilities(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """Of the classes, see `sdr_sc.schemes.scheme.SoftAnswers`."""
        return self._of_items(received, lambda one: one.probabilities.astype(np.float64))

    def knowledge(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """What was decoded of each item, see `sdr_sc.schemes.scheme.Knowledge`."""
        return self._of_items(received, lambda one: one.knowledge)

    def _of_items(self, received: ReceivedFrame, part: Callable[[Decoded], np.ndarray]) -> np.ndarray:
        found = [(places, part(one)) for places, one in self._decoded(received)]
        width = max((values.shape[1] for _, values in found), default=1)
        out = np.full((_items(received), width), np.nan, found[0][1].dtype if found else np.float32)
        for places, values in found:
            out[places, : values.shape[1]] = values
        return out

    def _decoded(self, received: ReceivedFrame) -> list[tuple[np.ndarray, Decoded]]:
        """Places of items in the frame, and what is known of them; those that are lost are left out."""
        model_id = received.header.model_id
        mode_place, words, items = model_id >> 8, (model_id >> 6 & 3) + 1, _items(received)
        symbols = received.features.size // words
        if mode_place >= len(MODES) or words > items:
            return []
        try:
            code = code_for(_info_bits(MODES[mode_place], symbols), symbols, MODES[mode_place])
        except ValueError:  # a header that no frame of this scheme has
            return []
        count = symbols * words
        values = unbiased(received.features, received.noise_variance).ravel()[:count].reshape(words, -1)
        bits, right = code.decode(values, received.noise_variance.ravel()[:count].reshape(words, -1))
        found = []
        for places, word, is_right in zip(np.array_split(np.arange(items), words), bits, right, strict=True):
            place = int(word[:_SOURCE_BITS] @ (1 << np.arange(_SOURCE_BITS - 1, -1, -1)))
            if is_right and place < len(self._sources):
                one = self._sources[place].decode(word[_SOURCE_BITS:-CRC_BITS], len(places))
                if one is not None:
                    found.append((places, one))
        return found

    def describe_sources(self) -> dict[str, Any]:
        """Code, target, and what each source costs and is worth."""
        return {
            **self.describe_code(),
            "target": self._target,
            "bits_and_accuracy": {one.name: [round(one.item_bits, 2), round(one.accuracy, 4)] for one in self._sources},
        }


def _items(received: ReceivedFrame) -> int:
    return (received.header.model_id & 0x3F) + 1


def _words(message_bits: float, mode: Mode) -> int:
    """Codewords that hold messages of so many bits in all."""
    return max(1, -int(-message_bits // (_LONGEST_SHARE * (mode.most_info_bits - _OVERHEAD_BITS))))


def _items_of_a_frame(source: Source, mode: Mode) -> int:
    """Most items of a frame, 1 or more."""
    bits = MOST_WORDS * _LONGEST_SHARE * (mode.most_info_bits - _OVERHEAD_BITS)
    room = min(bits, 0.9 * MOST_SYMBOLS * mode.bits_per_use)
    return max(1, min(MOST_ITEMS, int(room / source.item_bits)))


def _filled(symbols: int, words: int) -> int:
    """Symbols of a codeword that fill the frame's matrix as far as may be, so that its header gives their number."""
    return as_matrix(np.ones(symbols * words, np.complex64)).size // words


def _info_bits(mode: Mode, symbols: int) -> int:
    """Information bits of a codeword of so many symbols, which a frame's matrix may have lengthened."""
    bits = symbols * mode.bits_per_symbol * mode.numerator // mode.denominator
    return max(CRC_BITS + 1, min(bits, mode.most_info_bits))
