# SPDX-License-Identifier: GPL-3.0-or-later
"""The ladder of modes, pairs of modulation and code rate, that the coded schemes choose from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sdr_sc.phy.coding.ldpc_nr import MOST_INFO_BITS, MOST_INFO_BITS_2

CRC_BITS = 16
_LEAST_INFO_BITS = CRC_BITS + 1
_NAMES = {1: "BPSK", 2: "QPSK", 4: "16-QAM", 6: "64-QAM", 8: "256-QAM", 10: "1024-QAM"}
_PARTS = 4096
_SNRS_DB = np.concatenate((np.arange(-6.2, -1.0, 0.2), np.arange(-1.0, 21.0, 0.11), np.arange(21.0, 25.1, 0.2)))
"""Where modes are made for: as many as `MODE_BITS` can name, closest where links mostly work."""
_GAP_DB = 1.2
_MOST_BITS = ((2, 1.05), (4, 1.65), (6, 3.05), (8, 3.5), (10, math.inf))
"""Bits per symbol, and up to how many information bits a symbol that order needs the least SNR: by what its bits hold,
and where orders are close, by what words of 4,096 symbols lose."""
_SHAPE_LIMITS_DB = {4: (2, 6), 6: (6, 10), 8: (10, 12), 10: (12, 24)}
_SHAPING_LOSS_DB = 0.5


@dataclass(frozen=True)
class Mode:
    """A modulation with a code rate.

    Attributes:
        bits_per_symbol: 1, 2, 4, 6, 8 or 10.
        numerator, denominator: of the code rate.
        shape_db: SNR that the amplitudes are made for, see `sdr_sc.phy.coding.qam`; None for uniform ones.

    >>> mode = Mode(4, 1, 2)
    >>> mode.name, mode.info_bits(symbols=300)
    ('16-QAM 1/2', 600)
    """

    bits_per_symbol: int
    numerator: int
    denominator: int
    shape_db: int | None = None

    @property
    def name(self) -> str:
        """For people, such as ``QPSK 1/2``."""
        shape = "" if self.shape_db is None else f" shaped for {self.shape_db} dB,"
        return f"{_NAMES[self.bits_per_symbol]}{shape} {self.numerator}/{self.denominator}"

    @property
    def bits_per_use(self) -> float:
        """Information bits of a complex symbol."""
        return self.bits_per_symbol * self.numerator / self.denominator

    @property
    def capacity_db(self) -> float:
        """SNR at which Shannon's capacity over white noise is `bits_per_use`, dB."""
        return 10 * math.log10(2**self.bits_per_use - 1)

    @property
    def most_info_bits(self) -> int:
        """Of one codeword, check included."""
        return MOST_INFO_BITS_2 if 4 * self.numerator <= self.denominator else MOST_INFO_BITS

    def info_bits(self, symbols: int) -> int:
        """Information bits, check included, of a codeword of so many symbols; 0 where there is no such code."""
        bits = symbols * self.bits_per_symbol * self.numerator // self.denominator
        return bits if _LEAST_INFO_BITS <= bits <= self.most_info_bits else 0

    def symbols(self, info_bits: int) -> int:
        """Fewest symbols of a codeword that carries so many information bits."""
        return math.ceil(info_bits * self.denominator / (self.numerator * self.bits_per_symbol))


def _ladder() -> tuple[Mode, ...]:
    """Modes whose rates are Shannon's capacity `_GAP_DB` below `_SNRS_DB`."""
    modes = []
    for capacity_db in (_SNRS_DB - _GAP_DB).tolist():
        rate = math.log2(1 + 10 ** (capacity_db / 10))
        bits = next(bits for bits, most in _MOST_BITS if rate <= most)
        low, high = _SHAPE_LIMITS_DB.get(bits, (0, 0))
        shape_db = max(low, min(high, 2 * round((capacity_db + _SHAPING_LOSS_DB) / 2))) if high else None
        modes.append(Mode(bits, round(rate / bits * _PARTS), _PARTS, shape_db))
    return tuple(modes)


MODES = _ladder()
"""Neighbours lie 0.11 dB apart, 0.2 dB at both ends; 247 of them, so that `MODE_BITS` of the frame header name one."""
MODE_BITS = 8
