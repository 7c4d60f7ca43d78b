# SPDX-License-Identifier: GPL-3.0-or-later
"""Interleaving and sign scrambling of feature symbols.

The interleaver puts neighbours of an item far apart in frequency and time, so that a fade takes a little of every
item. The signs break up correlated features, which would otherwise add up to high peaks of the OFDM signal.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd, sqrt
from typing import NamedTuple

import numpy as np

from sdr_sc.phy.frame.sequences import pn_signs


class FeatureMapping(NamedTuple):
    """How the features of a frame lie on the air.

    Attributes:
        places: int64 (count,), place on the air of each feature: data subcarrier by data subcarrier, symbol by symbol.
        signs: float32 (count,), scrambling sign at each place.
        scale: amplitude of the payload over that of the known symbols.
    """

    places: np.ndarray
    signs: np.ndarray
    scale: float


@lru_cache(maxsize=256)
def feature_mapping(count: int, power_scale_db: float) -> FeatureMapping:
    """The mapping of ``count`` features, at the payload power that the header gives."""
    return FeatureMapping(permutation(count), pn_signs(count), 10.0 ** (power_scale_db / 20.0))


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
