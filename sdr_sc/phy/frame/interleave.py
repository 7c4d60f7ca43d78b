# SPDX-License-Identifier: GPL-3.0-or-later
"""Interleaving and sign scrambling of feature symbols.

The interleaver puts neighbours of an item far apart in frequency and time, so that a fade takes a little of every
item. The signs break up correlated features, which would otherwise add up to high peaks of the OFDM signal.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd, sqrt

import numpy as np


@lru_cache(maxsize=256)
def permutation(length: int) -> np.ndarray:
    """Place on the air of each input symbol: ``i * stride mod length``, stride near length over the golden ratio.

    >>> permutation(8).tolist()
    [0, 5, 2, 7, 4, 1, 6, 3]
    """
    stride = max(1, round(length * (sqrt(5) - 1) / 2))
    while gcd(stride, length) != 1:
        stride += 1
    places = (np.arange(length, dtype=np.int64) * stride) % length
    places.flags.writeable = False
    return places
