# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the payload that a header announces is there: its pilots add up coherently, those of anything else do not.

Samples that a radio loses, or a frame that another one covers, would otherwise give features that look like data.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_EXPECTED = 10.0
_PRESENT = 3.0  # the ratio is 1 on average where the pilots are not there, and `_EXPECTED` where they are


def block_symbols(snr: float) -> int:
    """Symbols over which the pilots' coherence tells whether they are there.

    Args:
        snr: of the pilots, as a ratio.

    >>> block_symbols(100.0), block_symbols(1.0)
    (11, 20)
    """
    return math.ceil(_EXPECTED * (1.0 + snr) / max(snr, 1e-3))


@njit(cache=True, nogil=True)
def present_symbols(phasors: np.ndarray, weights: np.ndarray, block: int) -> tuple[np.ndarray, int]:
    """Which payload symbols are there.

    In each block of symbols, the power of the pilots' sum over time is compared with the sum of their powers.

    Args:
        phasors: complex64 (symbols, pilots), received pilots times their known values and the conjugate channel.
        weights: float64 (pilots,), |channel|^2 of the pilots.
        block: symbols of a block; a payload shorter than that is taken to be there.

    Returns:
        bool (symbols,), and the symbol from which on the payload is lost for good (their number: none is).
    """
    symbols, pilots = phasors.shape
    present = np.ones(symbols, np.bool_)
    blocks = symbols // block
    if blocks == 0:
        return present, symbols
    sums = np.zeros((blocks, pilots), np.complex128)
    seen = np.empty(blocks, np.bool_)
    for b in range(blocks):
        begin, end = b * symbols // blocks, (b + 1) * symbols // blocks
        energy = coherent = 0.0
        for p in range(pilots):
            for s in range(begin, end):
                sums[b, p] += phasors[s, p]
                energy += phasors[s, p].real ** 2 + phasors[s, p].imag ** 2
            coherent += sums[b, p].real ** 2 + sums[b, p].imag ** 2
        seen[b] = coherent > _PRESENT * energy
        present[begin:end] = seen[b]
    last = blocks
    while last > 0 and not seen[last - 1]:
        last -= 1
    if last == blocks:
        return present, symbols
    # Within the last block that is there and the first that is not: the symbol up to which the pilots agree best with
    # their phase so far.
    begin, end = max(last - 1, 0) * symbols // blocks, (last + 1) * symbols // blocks
    score = best = 0.0
    cut = begin
    for s in range(begin, end):
        for p in range(pilots):
            reference = complex(1.0, 0.0)
            if last > 0:
                reference = sums[last - 1, p] / max(abs(sums[last - 1, p]), 1e-30)
            score += (phasors[s, p] * np.conj(reference)).real - 0.5 * weights[p]
        if score > best:
            best, cut = score, s + 1
    present[begin:cut] = True
    present[cut:] = False
    return present, cut
