# SPDX-License-Identifier: GPL-3.0-or-later
"""Mapping by importance: the first features of all items on the strongest subcarriers of a channel both ends know.

The receiver reports the channel that it saw in a frame, in 16 levels; the transmitter may map its next frames
by that report, and names it in the header by the frame that it is of and a check of its content. The receiver derives
the same report from what it has kept of that frame. Nothing but whole numbers decides on the order, so that both ends
derive the same one on any machine.
"""

from __future__ import annotations

import binascii
from functools import lru_cache

import numpy as np

from sdr_sc.phy.frame.interleave import FeatureMapping, permutation
from sdr_sc.phy.frame.sequences import pn_signs
from sdr_sc.phy.numerology import Numerology

STEP_DB = 1.5
"""Between two levels of a report; the last of the 16 is for all that is 22.5 dB or more below the strongest."""
LEVELS = 16
MOST_AGE = 63
"""Frames between the one that a report is of and the latest that may be sent by it."""
CHECK_BITS = 12
LONGEST_REPORT = 512
"""Bytes; half a byte for each occupied subcarrier."""


def report_levels(report: np.ndarray) -> np.ndarray:
    """The levels in a report: how far each occupied subcarrier lies below the strongest, in steps of `STEP_DB`.

    Args:
        report: uint8 (used / 2,), two levels to a byte, the first in the high half.

    Returns:
        uint8 (used,).

    >>> report_levels(np.array([4, 240], np.uint8)).tolist()
    [0, 4, 15, 0]
    """
    return np.stack((report >> 4, report & 15), axis=1).ravel()


def report_check(frame_num: int, report: np.ndarray) -> int:
    """What a header names a report by, beside the frame that it is of: `CHECK_BITS` bits of a CRC over both."""
    return binascii.crc_hqx(frame_num.to_bytes(2, "big") + report.tobytes(), 0xFFFF) & ((1 << CHECK_BITS) - 1)


def fits(report: np.ndarray, numerology: Numerology) -> bool:
    """Whether a report is of the occupied subcarriers of a numerology."""
    return 2 * len(report) == numerology.used


def importance_mapping(
    report: np.ndarray, numerology: Numerology, n_items: int, k: int, power_scale_db: float
) -> FeatureMapping:
    """The mapping of ``n_items * k`` features: the first of each item on the strongest places, then the second, and so
    on; items take turns, so that all fare alike. Among places of one level the interleaver's order decides.

    The filler's places follow after those of the features: the weakest of the payload's last symbol count too.

    Args:
        report: of `sdr_sc.phy.receive.channel_report`, for this numerology.

    Returns:
        `FeatureMapping` with places for all data subcarriers of the payload's symbols, filler included.
    """
    data = numerology.data_subcarriers
    total = data * numerology.payload_symbols(n_items * k)
    order, subcarrier = _order(total, data)
    level = report_levels(report)[numerology.data_index]
    strongest = order[np.argsort(level[subcarrier], kind="stable")]
    places = np.empty(total, np.int64)
    places[_by_rank(n_items, k)] = strongest[: n_items * k]
    places[n_items * k :] = strongest[n_items * k :]
    places.flags.writeable = False  # as of the interleaver: the compiled kernels know this type
    return FeatureMapping(places, pn_signs(total), 10.0 ** (power_scale_db / 20.0))


@lru_cache(maxsize=64)
def _order(total: int, data: int) -> tuple[np.ndarray, np.ndarray]:
    """Places on the air in the interleaver's order, and the data subcarrier of each."""
    order = permutation(total)
    return order, order % data


@lru_cache(maxsize=64)
def _by_rank(n_items: int, k: int) -> np.ndarray:
    """int64 (n_items * k,): which feature of the frame is most important, which comes next, and so on.

    >>> _by_rank(2, 3).tolist()  # of items with the features 0, 1, 2 and 3, 4, 5
    [0, 3, 4, 1, 2, 5]
    """
    feature, turn = np.divmod(np.arange(n_items * k), n_items)
    return np.where(feature % 2, n_items - 1 - turn, turn) * k + feature
