# SPDX-License-Identifier: GPL-3.0-or-later
"""The transmitter's choice of code rate, modulation and budget for an SNR."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sdr_sc.errors import SdrScError
from sdr_sc.phy.coding.modes import MODES
from sdr_sc.schemes.bler_tables import ErrorRates

MAX_LOSS_POINTS = 0.5
"""Accuracy points that the choice of k may give away for fewer symbols, as in our model's own table."""


@dataclass(frozen=True)
class Plan:
    """One way to send.

    Attributes:
        mode: place in `MODES`.
        k: budget of payload symbols per item.
        symbols: of a codeword.
        info_bits: of a codeword, its check included.
        expected: accuracy that is expected, 0..1.
    """

    mode: int
    k: int
    symbols: int
    info_bits: int
    expected: float


def best_for(
    k: int, symbols: int, snr_db: float | None, rates: ErrorRates, accuracy_of: Callable[[int], float]
) -> Plan | None:
    """The mode with which most items are expected to be answered correctly, the more robust of equal ones.

    Args:
        k: budget that the codeword belongs to.
        symbols: of a codeword.
        snr_db: what the receiver has reported; None for nothing.
        accuracy_of: accuracy with a codeword that arrives, by its information bits.

    Returns:
        None where no mode has a code of that length.
    """
    lost = rates.of(snr_db, symbols)
    best: Plan | None = None
    for place, mode in enumerate(MODES):
        bits = mode.info_bits(symbols)
        if bits:
            expected = accuracy_of(bits) * (1.0 - float(lost[place]))
            if best is None or expected > best.expected:
                best = Plan(place, k, symbols, bits, expected)
    return best


def cheapest(plans: Sequence[Plan], target: float = 0.0) -> Plan:
    """Of plans by rising k, the first that gives away no more than `MAX_LOSS_POINTS` against the best.

    Args:
        target: accuracy, 0..1, that is enough; where no plan is expected to reach it, the rule is that without.

    >>> plans = [Plan(4, 64, 64, 64, 0.5), Plan(4, 128, 128, 128, 0.898), Plan(4, 256, 256, 256, 0.9)]
    >>> cheapest(plans).k, cheapest(plans, 0.4).k, cheapest(plans, 0.95).k
    (128, 64, 128)
    """
    return next(plan for plan in plans if plan.expected >= enough([plan.expected for plan in plans], target))


def enough(expected: Sequence[float], target: float = 0.0) -> float:
    """Accuracy, 0..1, for which no more symbols are spent: ``target`` where it can be reached, or nearly the best."""
    most = max(expected)
    return target if 0 < target <= most else most - MAX_LOSS_POINTS / 100


def checked_target(percent: int, name: str) -> float:
    """A scheme's ``target`` as a share.

    Raises:
        SdrScError: it is no percentage.
    """
    if not 0 <= percent <= 100:
        raise SdrScError(f"target of scheme {name} is {percent}; give a percentage, 0 for nearly the best accuracy.")
    return percent / 100
