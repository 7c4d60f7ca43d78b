# SPDX-License-Identifier: GPL-3.0-or-later
"""How a header's bits become values on its subcarriers, and back."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sdr_sc.phy.frame import header_code
from sdr_sc.phy.frame.header import INFO_BITS, Header, pack
from sdr_sc.phy.frame.interleave import permutation
from sdr_sc.phy.frame.sequences import pn_signs
from sdr_sc.phy.numerology import Numerology


@lru_cache(maxsize=32)
def _mapping(places: int, coded_bits: int) -> tuple[np.ndarray, np.ndarray]:
    """For each place on the air, which coded bit it carries, and with what sign. All are repeated until the places are
    filled; where there are fewer places than coded bits, those that are left out lie evenly among the others."""
    numbers = np.arange(places)
    coded = np.empty(places, np.int64)
    coded[permutation(places)] = numbers % coded_bits if places >= coded_bits else numbers * coded_bits // places
    return coded, pn_signs(places, seed=0x2C5B)


def encode(header: Header, numerology: Numerology) -> np.ndarray:
    """float32 (header_symbols, data_subcarriers) of +1 and -1."""
    return encode_bits(pack(header), numerology)


def encode_bits(bits: np.ndarray, numerology: Numerology) -> np.ndarray:
    """As `encode`, from the bits that `pack` makes."""
    values = header_code.encode(bits)
    coded, signs = _mapping(numerology.header_symbols * numerology.data_subcarriers, len(values))
    return (values[coded] * signs).reshape(numerology.header_symbols, -1)


def decode_bits(soft: np.ndarray, version: int) -> np.ndarray:
    """The likeliest bits of a header of a protocol version, for `unpack`.

    Args:
        soft: float32 (header_symbols, data_subcarriers), in proportion to the log-likelihood ratio.
        version: 1 or 2.
    """
    coded_bits = 3 * INFO_BITS[version]
    coded, signs = _mapping(soft.size, coded_bits)
    return header_code.decode(header_code.combine(soft.ravel() * signs, coded, coded_bits))
