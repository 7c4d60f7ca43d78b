# SPDX-License-Identifier: GPL-3.0-or-later
"""Rounds of a `RefinementPlan`: how many symbols first, how many more, and from which confidence no more.

For each SNR some ladders of k are tried on held-out items. The confidences that end an item are found from the last
round backwards: an item is asked for again where what the later rounds make of items of its confidence is worth more
than their symbols (optimal stopping by dynamic programming). The ladder with the greatest worth is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sdr_sc.distill.measured.held_out import Model, energy_shares, over_noise, prefix
from sdr_sc.semantic.calibration import Calibration
from sdr_sc.semantic.refinement import RefinementPlan

SYMBOL_PRICE = 0.003
"""Probability of a right answer that one more symbol has to be worth."""
ROUND_PRICE = 0.1
"""Symbols that one more round has to be worth, for the time that it takes."""
_SURE = 0.7
"""Standard errors by which asking has to be worth more than it costs, lest the luck of a few items ask."""
_DRAWS = 3
_LEAST_ACCURACY = 0.5
_NEAR_BEST = 0.002


@dataclass(frozen=True)
class _Ladder:
    """Rounds tried at one SNR: ``worth`` an item, right answers less the price of symbols and rounds."""

    steps: tuple[int, ...]
    accept: tuple[float, ...]
    worth: float


def plan_refinement(
    model: Model,
    k_list: Sequence[int],
    grid: Sequence[float],
    accuracy: np.ndarray,
    calibration: Calibration,
    seed: int,
    measured_on: str,
    symbol_price: float = SYMBOL_PRICE,
    on_snr: Callable[[], None] = lambda: None,
) -> RefinementPlan:
    """A plan over a grid of SNRs.

    Args:
        accuracy: (SNR, k), 0 to 1, of `fit_calibration` on the same grid; decides which ladders are worth a try.
        seed: of the noise, which is the same for all ladders.
    """
    chosen, energies = [], []
    for snr_db, reached in zip(grid, accuracy, strict=True):
        symbols = model.symbols(snr_db)
        energies.append(tuple(round(share, 6) for share in energy_shares(symbols)))
        whole = RefinementPlan((0.0,), ((k_list[-1],),), ((),), (energies[-1],), 0.0, "")
        tried = [
            _try(model, symbols, steps, snr_db, calibration, whole, k_list, symbol_price, np.random.default_rng(seed))
            for steps in _ladders(k_list, reached)
        ]
        chosen.append(max(tried, key=lambda ladder: ladder.worth))
        on_snr()
    return RefinementPlan(
        tuple(grid),
        tuple(ladder.steps for ladder in chosen),
        tuple(ladder.accept for ladder in chosen),
        tuple(energies),
        symbol_price,
        measured_on,
    )


def _ladders(k_list: Sequence[int], reached: np.ndarray) -> Iterator[tuple[int, ...]]:
    """Rounds to try: from each first k that is neither hopeless nor more than enough, through all k and in doubles."""
    best = reached.max()
    enough = int(np.argmax(reached >= best - _NEAR_BEST))
    firsts = [place for place in range(enough + 1) if reached[place] >= _LEAST_ACCURACY * best] or [enough]
    for place in firsts:
        every = tuple(k_list[place:])
        doubles = [every[0]]
        for k in every:
            if k >= 2 * doubles[-1]:
                doubles.append(k)
        yield every
        if tuple(doubles) != every:
            yield tuple(doubles)


def _try(
    model: Model,
    symbols: np.ndarray,
    steps: tuple[int, ...],
    snr_db: float,
    calibration: Calibration,
    whole: RefinementPlan,
    k_list: Sequence[int],
    symbol_price: float,
    rng: np.random.Generator,
) -> _Ladder:
    sure: list[list[np.ndarray]] = [[] for _ in steps]
    right: list[list[np.ndarray]] = [[] for _ in steps]
    for _ in range(_DRAWS):
        parts, first = [], 0
        for place, k in enumerate(steps):
            parts.append(over_noise(prefix(symbols, first, k), snr_db, rng))
            first = k
            together = np.concatenate(parts, axis=1) * whole.gains(steps[: place + 1], snr_db)
            logits = model.logits(together, snr_db)
            sure[place].append(calibration.confidence(logits, list(k_list).index(k), snr_db))
            right[place].append(model.right(logits))
    confidence = np.array([np.concatenate(part) for part in sure], np.float64)
    return _stop(steps, confidence, np.array([np.concatenate(part) for part in right], np.float64), symbol_price)


def _stop(steps: tuple[int, ...], confidence: np.ndarray, right: np.ndarray, symbol_price: float) -> _Ladder:
    """The best confidences to stop at.

    Args:
        confidence, right: (rounds, items).

    >>> sure = np.repeat([[0.2, 0.3, 0.9, 0.95], [0.9, 0.9, 0.9, 0.9]], 50, axis=1)
    >>> hits = np.repeat([[0, 0, 1, 1], [1, 1, 1, 1]], 50, axis=1).astype(float)
    >>> _stop((2, 4), sure, hits, 0.01).accept
    (0.6,)
    """
    worth, accept = right[-1], []
    for place in range(len(steps) - 2, -1, -1):
        asking = worth - symbol_price * (steps[place + 1] - steps[place] + ROUND_PRICE)
        order = np.argsort(confidence[place], kind="stable")
        gains = np.concatenate(([0.0], np.cumsum((asking - right[place])[order])))
        spread = np.sqrt(np.concatenate(([0.0], np.cumsum(np.square(asking - right[place])[order]))))
        asked = int((gains - _SURE * spread).argmax())
        limits = confidence[place][order]
        if asked == 0:
            least = 0.0
        elif asked == len(order):
            least = 1.0
        else:
            least = float(limits[asked - 1] + limits[asked]) / 2
        accept.append(min(round(least, 6), 1.0))
        worth = np.where(confidence[place] < accept[-1], asking, right[place])
    accept.reverse()
    rounds = accept.index(0.0) + 1 if 0.0 in accept else len(steps)  # what is never asked for is no step
    return _Ladder(steps[:rounds], tuple(accept[: rounds - 1]), float(worth.mean()) - symbol_price * steps[0])
