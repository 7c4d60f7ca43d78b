# SPDX-License-Identifier: GPL-3.0-or-later
"""Which codeword carries the message of a frame with indices, and the message in it."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable

import numpy as np

from sdr_sc.phy.coding.ldpc_qam import code_for, crc_is_right, unbiased, with_crc
from sdr_sc.phy.coding.modes import CRC_BITS, MODES
from sdr_sc.phy.coding.thresholds import waterfall
from sdr_sc.phy.frame.indexed import BLOCK, EVERY, MOST_CODES, MOST_LENGTH, Indexed, codeword_symbols

MAX_LOSS = 0.005
"""Share of codewords that may be lost more than with the most robust mode, for a mode of fewer symbols."""
MARGIN_DB = 2.0
"""Taken off an SNR that was fed back, where nothing is known of the channel but that: the estimate's spread, and what
changes until the next frame."""
_SYMBOLS = tuple(codeword_symbols(length) for length in range(MOST_LENGTH + 1))
_LONGEST = 16 * 1024

Loss = Callable[[int, int], float]
"""Share of a mode's codewords that are lost, by its place in `MODES` and the codeword's symbols."""


def loss_over_noise(snr_db: float, margin_db: float = MARGIN_DB) -> Loss:
    """The losses that are expected by the codes' thresholds over white noise, at an SNR less a margin."""
    return lambda place, symbols: float(waterfall(place, symbols).lost(snr_db - margin_db))


class CodewordChoice:
    """Chooses mode and length of codewords at one SNR.

    Args:
        loss: at that SNR.

    >>> choice = CodewordChoice(loss_over_noise(10.0, 0.0))
    >>> 220 < choice.symbols(600) < 300, choice.symbols(100_000)
    (True, inf)
    """

    def __init__(self, loss: Loss) -> None:
        self._loss = loss
        self._found: dict[int, tuple[int, int] | None] = {}

    def _of(self, bits: int) -> tuple[int, int] | None:
        """Place among the codes and length; None where no codeword holds so many bits."""
        if bits not in self._found:
            options = []
            for code in range(MOST_CODES if bits <= _LONGEST else 0):
                length = _length(code, bits)
                if length is not None:
                    symbols = _SYMBOLS[length]
                    options.append((self._loss(EVERY * code, symbols), symbols, code, length))
            least = min((loss for loss, *_ in options), default=1.0)
            if least > 0.5:  # nothing arrives
                self._found[bits] = None
            else:
                cheapest = min((one for one in options if one[0] <= least + MAX_LOSS), key=lambda one: (one[1], one[0]))
                self._found[bits] = cheapest[2:]
        return self._found[bits]

    def symbols(self, bits: int) -> float:
        """Symbols of the codeword of a message; infinity where there is none."""
        found = self._of(bits)
        return math.inf if found is None else float(_SYMBOLS[found[1]])

    def indexed(self, bits: int, other_symbols: int, base_tag: int) -> Indexed | None:
        """The header's fields for a message and so many symbols of features; None where they do not fit a frame.

        What the payload's last block leaves free goes to the codeword.
        """
        found = self._of(bits)
        if found is None:
            return None
        code, length = found
        blocks = -(-(_SYMBOLS[length] + other_symbols) // BLOCK)
        while length < MOST_LENGTH and _SYMBOLS[length + 1] + other_symbols <= blocks * BLOCK:
            length += 1
        while code and (shorter := _length(code - 1, bits)) is not None and shorter <= length:
            code -= 1
        try:
            return Indexed(base_tag, code, length, blocks)
        except ValueError:
            return None


def _length(code: int, bits: int) -> int | None:
    """The shortest codeword of a code for a message of so many bits, as the header has it."""
    mode, wanted = MODES[EVERY * code], bits + CRC_BITS
    length = bisect_left(_SYMBOLS, mode.symbols(wanted))
    while length <= MOST_LENGTH:
        held = mode.info_bits(_SYMBOLS[length])
        if held >= wanted:
            return length
        if _SYMBOLS[length] * mode.bits_per_use > mode.most_info_bits:
            return None
        length += 1
    return None


def encode(bits: np.ndarray, indexed: Indexed, mask: int) -> np.ndarray:
    """The codeword of a message: complex64 (symbols,), mean power 1.

    Args:
        bits: uint8 of 0 and 1.
        mask: 16 bits that the check is changed by, see `sdr_sc.semantic.knowledge.both_ends.tag`.
    """
    word = with_crc(bits, indexed.info_bits)
    word[-CRC_BITS:] ^= _bits_of(mask)
    return code_for(indexed.info_bits, indexed.symbols, indexed.code_mode).encode(word[None])[0]


def decode(symbols: np.ndarray, noise_variance: np.ndarray, indexed: Indexed, mask: int) -> np.ndarray | None:
    """The bits of a message with the zeros after it; None where the check is wrong.

    Args:
        symbols: complex64 (symbols,), LMMSE estimates.
        noise_variance: float32 (symbols,), of the unbiased ones.
    """
    code = code_for(indexed.info_bits, indexed.symbols, indexed.code_mode)
    found = unbiased(symbols, noise_variance)[None]
    word = code.decode_llrs(code.llrs(found, noise_variance[None]))[0]
    word[-CRC_BITS:] ^= _bits_of(mask)
    return word[:-CRC_BITS] if crc_is_right(word) else None


def _bits_of(mask: int) -> np.ndarray:
    return np.unpackbits(np.frombuffer(mask.to_bytes(2, "big"), np.uint8))
