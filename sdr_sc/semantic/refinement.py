# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model's contract says of incremental refinement: how many symbols an item gets in each round, from which
confidence its answer is taken, and how the parts of its features are put together."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sdr_sc.errors import ContractError


@dataclass(frozen=True)
class RefinementPlan:
    """Rounds by SNR.

    An item is first sent with ``steps[0]`` symbols. While the confidence of its answer is below that of its step in
    ``accept``, the receiver may ask for the symbols up to the next step. Each part is sent at unit mean power over the
    item; the receiver scales it by the mean energy that such symbols have in the whole prefix.

    Attributes:
        snr_db: rising grid, dB.
        steps: for each SNR the k of the rounds, rising.
        accept: for each SNR the least calibrated confidence, 0 to 1, that ends an item after each step but the last.
        energy: for each SNR the mean share of each symbol in the energy of an item's features, the sum of which is 1.
        symbol_price: probability of a right answer that one more symbol has to be worth.
        measured_on: the data that it was found on.

    Raises:
        ContractError: the values do not fit each other.
    """

    snr_db: tuple[float, ...]
    steps: tuple[tuple[int, ...], ...]
    accept: tuple[tuple[float, ...], ...]
    energy: tuple[tuple[float, ...], ...]
    symbol_price: float
    measured_on: str

    def __post_init__(self) -> None:
        rows = len(self.snr_db)
        if not rows or not {len(self.steps), len(self.accept), len(self.energy)} == {rows}:
            raise ContractError("a refinement plan whose steps, confidences and energies are not one row for each SNR")
        if not _rises(self.snr_db):
            raise ContractError("a refinement plan whose SNRs do not rise")
        for steps, accept, energy in zip(self.steps, self.accept, self.energy, strict=True):
            if not steps or steps[0] < 1 or not _rises(steps) or steps[-1] > len(energy):
                raise ContractError("a refinement plan whose steps do not rise from 1 or more to the largest k")
            if len(accept) != len(steps) - 1 or not all(0.0 <= one <= 1.0 for one in accept):
                raise ContractError("a refinement plan without a confidence of 0 to 1 for each step but the last")
            if not all(math.isfinite(one) and one > 0 for one in energy) or not abs(sum(energy) - 1.0) < 0.01:
                raise ContractError("a refinement plan with symbol energies that are not above 0 with the sum 1")
        if not 0.0 <= self.symbol_price <= 1.0:
            raise ContractError("a refinement plan with a price of a symbol that is not 0 to 1")

    def row(self, snr_db: float) -> int:
        """Place of the grid point nearest to an SNR."""
        above = bisect.bisect_left(self.snr_db, snr_db)
        near = range(max(above - 1, 0), min(above + 1, len(self.snr_db)))
        return min(near, key=lambda place: abs(self.snr_db[place] - snr_db))

    def first(self, snr_db: float) -> int:
        """Symbols of an item's first round."""
        return self.steps[self.row(snr_db)][0]

    def next_step(self, k: int, snr_db: float) -> int | None:
        """The k of the round after one of ``k`` symbols; None if that was the last."""
        steps = self.steps[self.row(snr_db)]
        place = bisect.bisect_right(steps, k)
        return steps[place] if place < len(steps) else None

    def least_confidence(self, k: int, snr_db: float) -> float:
        """Confidence from which an item with ``k`` symbols needs no more; 0 where there is no further step."""
        row = self.row(snr_db)
        place = max(bisect.bisect_right(self.steps[row], k) - 1, 0)
        return self.accept[row][place] if place < len(self.accept[row]) else 0.0

    def gains(self, parts: Sequence[int], snr_db: float) -> np.ndarray:
        """Amplitudes that make of separately normalised parts one prefix of unit mean power.

        Args:
            parts: where the parts end, rising, the last one at the k of the prefix.
            snr_db: that the encoder was given.

        Returns:
            float32 (k,).
        """
        energy = np.asarray(self.energy[self.row(snr_db)])
        gains, first, k = np.empty(parts[-1], np.float32), 0, parts[-1]
        for end in parts:
            share = energy[first:end].sum() / energy[:k].sum()
            gains[first:end] = math.sqrt(share * k / (end - first))
            first = end
        return gains


def _rises(values: Sequence[float]) -> bool:
    return all(map(math.isfinite, values)) and all(a < b for a, b in zip(values, values[1:], strict=False))
