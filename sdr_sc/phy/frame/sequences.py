# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixed pseudo-random sequences; the same on every machine and with every version of numpy."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


@lru_cache(maxsize=64)
def pn_bits(length: int, seed: int = 0x7FFF) -> np.ndarray:
    """Bits of the maximum-length sequence of x^15 + x^14 + 1 (ITU-T O.150, PRBS15), period 32767.

    Args:
        length: number of bits.
        seed: state of the register, 1..32767.

    Returns:
        uint8 (length,), read-only, of 0 and 1.

    >>> bits = pn_bits(32767)
    >>> int(bits.sum())
    16384
    """
    if not 1 <= seed <= 0x7FFF:
        raise ValueError("seed has to be 1..32767")
    state, period = seed, np.empty(min(length, 32767), np.uint8)
    for i in range(len(period)):
        bit = ((state >> 14) ^ (state >> 13)) & 1
        state = ((state << 1) | bit) & 0x7FFF
        period[i] = bit
    bits = np.resize(period, length)
    bits.flags.writeable = False
    return bits


def pn_signs(length: int, seed: int = 0x7FFF) -> np.ndarray:
    """The sequence of `pn_bits` as float32 (length,), read-only, of +1 (bit 0) and -1 (bit 1)."""
    # The beginning of a longer one: frames of many sizes share a few tables.
    return _signs(1 << max(length - 1, 0).bit_length(), seed)[:length]


@lru_cache(maxsize=64)
def _signs(length: int, seed: int) -> np.ndarray:
    signs = (1.0 - 2.0 * pn_bits(length, seed)).astype(np.float32)
    signs.flags.writeable = False
    return signs
