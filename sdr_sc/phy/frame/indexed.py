# SPDX-License-Identifier: GPL-3.0-or-later
"""What the header of a frame with indices says: where the codeword that describes its payload is, and by which code.

Such a frame sends, for some of its items, which entry of a knowledge base they are like and what they differ from it
by. All that depends on the items is in one codeword of LDPC and QAM, the first symbols of the payload; the header names
mode and length of that codeword, and the payload's length, from which the frame's end follows.
"""

from __future__ import annotations

from dataclasses import dataclass

from sdr_sc.phy.coding.modes import MODES, Mode
from sdr_sc.phy.frame.modes import FrameMode

BLOCK = 16
"""Complex symbols in which a payload's length is given."""
MOST_BLOCKS = 511
EVERY = 4
"""Of the modes in `MODES`, every so manyth can be named: 0.45 dB apart."""
MOST_CODES = -(-len(MODES) // EVERY)
TAG_BITS = 3
_FIELDS = (("mode", 2), ("base_tag", TAG_BITS), ("code", 6), ("length", 6), ("blocks", 9))
"""Name, width in bits; most significant first."""
INDEXED_BITS = sum(width for _, width in _FIELDS)
MOST_LENGTH = (1 << 6) - 1


def codeword_symbols(length: int) -> int:
    """Complex symbols of a codeword by the header's field, 8 to 1,920: three bits after the first one, as of a
    floating-point number.

    >>> [codeword_symbols(one) for one in (0, 7, 8, 15, 16, MOST_LENGTH)]
    [8, 15, 16, 30, 32, 1920]
    """
    exponent, mantissa = divmod(length, 8)
    return (8 + mantissa) << exponent


@dataclass(frozen=True)
class Indexed:
    """Fields of the header of a frame with indices.

    Attributes:
        base_tag: of the knowledge base that the indices are of, 0..7.
        code: place in `MODES` of the codeword's mode, over `EVERY`.
        length: of the codeword, see `codeword_symbols`.
        blocks: length of the payload in `BLOCK` symbols, 1..511.

    Raises:
        ValueError: a field is out of range, the code has no such codeword, or it is longer than the payload.

    >>> Indexed(base_tag=5, code=31, length=20, blocks=9).info_bits
    145
    """

    base_tag: int
    code: int
    length: int
    blocks: int

    def __post_init__(self) -> None:
        ranges = ((self.base_tag, 0, 7), (self.code, 0, MOST_CODES - 1), (self.length, 0, MOST_LENGTH))
        if not all(low <= value <= high for value, low, high in (*ranges, (self.blocks, 1, MOST_BLOCKS))):
            raise ValueError(f"header field indexed is {self}, of which a value is out of range")
        if not self.info_bits or self.symbols > self.payload_symbols:
            raise ValueError(f"header field indexed is {self}, whose codeword does not exist or does not fit")

    @property
    def place(self) -> int:
        """Of the codeword's mode in `MODES`."""
        return EVERY * self.code

    @property
    def code_mode(self) -> Mode:
        """Modulation and code rate of the codeword."""
        return MODES[self.place]

    @property
    def symbols(self) -> int:
        """Complex symbols of the codeword."""
        return codeword_symbols(self.length)

    @property
    def info_bits(self) -> int:
        """Information bits of the codeword, its check included; 0 where there is no such code."""
        return self.code_mode.info_bits(self.symbols)

    @property
    def payload_symbols(self) -> int:
        """Complex symbols of the payload: codeword, features and filler."""
        return BLOCK * self.blocks

    def word(self, mode: FrameMode) -> int:
        """All of it with the frame mode, as a number of `INDEXED_BITS` bits."""
        word = 0
        for value, (_, width) in zip(
            (int(mode), self.base_tag, self.code, self.length, self.blocks), _FIELDS, strict=True
        ):
            word = word << width | value
        return word

    @classmethod
    def of_word(cls, word: int) -> tuple[FrameMode, Indexed] | None:
        """From that number; None where it makes no sense.

        >>> Indexed.of_word(Indexed(5, 31, 20, 9).word(FrameMode.ROBUST))
        (<FrameMode.ROBUST: 2>, Indexed(base_tag=5, code=31, length=20, blocks=9))
        """
        values: list[int] = []
        for _, width in reversed(_FIELDS):
            values.append(word & ((1 << width) - 1))
            word >>= width
        blocks, length, code, base_tag, mode = values
        try:
            return FrameMode(mode), cls(base_tag, code, length, blocks)
        except ValueError:
            return None
