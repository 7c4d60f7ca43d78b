# SPDX-License-Identifier: GPL-3.0-or-later
"""One codeword for all items of a frame: whole numbers of known ranges to symbols and back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sdr_sc.phy.coding.ldpc_qam import code_for, unbiased, with_crc
from sdr_sc.phy.coding.modes import CRC_BITS, MODES
from sdr_sc.phy.receive.receiver import ReceivedFrame
from sdr_sc.schemes.scheme import as_matrix


@dataclass(frozen=True)
class Codeword:
    """Mode and length of a frame's one codeword.

    Attributes:
        mode: place in `MODES`.
        symbols: of the codeword.
        info_bits: its information bits, check included.
    """

    mode: int
    symbols: int
    info_bits: int

    def payload(self, message: np.ndarray) -> np.ndarray:
        """Frame payload of up to ``info_bits - CRC_BITS`` bits, uint8 of 0 and 1."""
        code = code_for(self.info_bits, self.symbols, MODES[self.mode])
        return as_matrix(code.encode(with_crc(message, self.info_bits)[None])[0])

    def message(self, received: ReceivedFrame) -> np.ndarray | None:
        """The bits before the check, or None where the codeword cannot be decoded."""
        code = code_for(self.info_bits, self.symbols, MODES[self.mode])
        symbols = unbiased(received.features, received.noise_variance).ravel()[: self.symbols]
        bits, right = code.decode(symbols[None], received.noise_variance.ravel()[: self.symbols][None])
        return bits[0, :-CRC_BITS] if right[0] else None


def digit_bits(digits: int, base: int) -> int:
    """Bits that hold so many digits of a base.

    >>> digit_bits(50, 10)
    167
    """
    return max(1, math.ceil(digits * math.log2(base)))


def pack_digits(digits: np.ndarray, base: int) -> np.ndarray:
    """uint8 of 0 and 1, `digit_bits` long, for digits 0..base - 1.

    >>> unpack_digits(pack_digits(np.array([0, 9, 5]), 10), 3, 10).tolist()
    [0, 9, 5]
    """
    number = 0
    for digit in digits.tolist():
        number = number * base + digit
    bits = digit_bits(len(digits), base)
    raw = np.frombuffer(number.to_bytes(-(-bits // 8), "big"), np.uint8)
    return np.unpackbits(raw)[-bits:]


def unpack_digits(bits: np.ndarray, count: int, base: int) -> np.ndarray:
    """int64 (count,): what `pack_digits` was given, bits after its own allowed."""
    number = 0
    for bit in bits[: digit_bits(count, base)].tolist():
        number = number << 1 | bit
    digits = np.empty(count, np.int64)
    for i in range(count - 1, -1, -1):
        number, digits[i] = divmod(number, base)
    return digits
