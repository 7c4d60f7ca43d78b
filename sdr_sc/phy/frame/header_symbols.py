# SPDX-License-Identifier: GPL-3.0-or-later
"""How a header's bits become values on its subcarriers, and back."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit

from sdr_sc.phy.frame import header_code
from sdr_sc.phy.frame.header import INFO_BITS
from sdr_sc.phy.frame.interleave import permutation
from sdr_sc.phy.frame.modes import FrameLayout
from sdr_sc.phy.frame.sequences import pn_signs


@lru_cache(maxsize=32)
def _mapping(places: int, coded_bits: int) -> tuple[np.ndarray, np.ndarray]:
    """For each place on the air, which coded bit it carries, and with what sign. All are repeated until the places are
    filled; where there are fewer places than coded bits, those that are left out lie evenly among the others."""
    numbers = np.arange(places)
    coded = np.empty(places, np.int64)
    coded[permutation(places)] = numbers % coded_bits if places >= coded_bits else numbers * coded_bits // places
    return coded, pn_signs(places, seed=0x2C5B)


def encode_bits(bits: np.ndarray, layout: FrameLayout) -> np.ndarray:
    """The bits that `pack` makes on the air: complex64 (header_symbols, data_subcarriers) of magnitude 1, +1 and -1, or
    QPSK in the short mode."""
    out = np.zeros((layout.header_symbols, layout.numerology.data_subcarriers), np.complex64)
    coded, signs = _mapping(out.size * layout.bits_per_value, 3 * len(bits))
    _place(header_code.encode(bits), coded, signs, out.reshape(-1).view(np.float32), layout.bits_per_value)
    return out


@njit(cache=True, nogil=True)
def _place(values: np.ndarray, coded: np.ndarray, signs: np.ndarray, out: np.ndarray, bits_per_value: int) -> None:
    """Coded bits on real parts (1 bit a value), or on real and imaginary parts (2)."""
    step = 2 // bits_per_value
    scale = np.float32(1.0) if bits_per_value == 1 else np.float32(np.sqrt(0.5))
    for i in range(len(coded)):
        out[step * i] = values[coded[i]] * signs[i] * scale


def decode_bits(soft: np.ndarray, version: int, bits_per_value: int = 1) -> np.ndarray:
    """The likeliest bits of a header of a protocol version, for `unpack`.

    Args:
        soft: complex64 (header_symbols, data_subcarriers): real part and, with QPSK, imaginary part in proportion to
            the log-likelihood ratio.
        version: 1 or 2.
        bits_per_value: 1 for BPSK, 2 for QPSK.
    """
    coded_bits = 3 * INFO_BITS[version]
    values = soft.real.ravel() if bits_per_value == 1 else np.ascontiguousarray(soft).view(np.float32).ravel()
    coded, signs = _mapping(values.size, coded_bits)
    return header_code.decode(header_code.combine(values * signs, coded, coded_bits))
