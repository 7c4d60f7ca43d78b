# SPDX-License-Identifier: GPL-3.0-or-later
"""What arrived of the items of one frame, in all rounds, combined by noise variance."""

from __future__ import annotations

import numpy as np

from sdr_sc.semantic.refinement import RefinementPlan

_LEAST_VARIANCE = 1e-9


class SoftItems:
    """The new items of a frame, and what refinements add to them.

    Each part is kept at its own unit power. What arrives more than once is added up in proportion to its reliability
    (maximum-ratio combining), and the sum's LMMSE estimate is scaled to the whole prefix.

    Args:
        features: complex64 (n_items, k), LMMSE estimates.
        noise_variance: float32 (n_items, k), of the unbiased estimates; infinite where erased.
        snr_db: of the frame, dB.
        k_max: the most symbols of an item.

    Attributes:
        k: int (n_items,), symbols that were sent of each item so far.
        snr_db: of the frame, dB.
        variance: float64 (n_items, k_max), noise variance of what is known of each symbol; infinite for nothing.
    """

    def __init__(self, features: np.ndarray, noise_variance: np.ndarray, snr_db: float, k_max: int) -> None:
        items, k = features.shape
        self.k = np.full(items, k)
        self.variance = np.full((items, k_max), np.inf)
        self._sums = np.zeros((items, k_max), np.complex128)
        self._ends: list[tuple[int, ...]] = [(k,)] * items
        self.snr_db = snr_db
        self._snr_sum = np.zeros(items)
        self._symbols = np.zeros(items)
        self._collect(slice(None), 0, k, features, noise_variance, snr_db)

    def add(
        self, item: int, first: int, end: int, features: np.ndarray, noise_variance: np.ndarray, snr_db: float
    ) -> None:
        """A part of an item arrived.

        Args:
            item: place in the frame.
            first, end: which symbols.
            features, noise_variance, snr_db: as above; (end - first,).
        """
        self._collect(item, first, end, features, noise_variance, snr_db)
        ends = self._ends[item]
        if end > ends[-1]:
            self._ends[item] = (*ends, end)
            self.k[item] = end

    def _collect(
        self,
        item: int | slice,
        first: int,
        end: int,
        features: np.ndarray,
        noise_variance: np.ndarray,
        snr_db: float,
    ) -> None:
        known = np.isfinite(features) & np.isfinite(noise_variance)
        variance = np.maximum(np.where(known, noise_variance, 1.0).astype(np.float64), _LEAST_VARIANCE)
        precision = np.where(known, 1.0 / variance, 0.0)
        unbiased = np.where(known, features, 0.0) * (1.0 + variance)
        self._sums[item, first:end] += unbiased * precision
        with np.errstate(divide="ignore"):
            self.variance[item, first:end] = 1.0 / (1.0 / self.variance[item, first:end] + precision)
        self._snr_sum[item] += known.sum(axis=-1) * 10.0 ** (snr_db / 10.0)
        self._symbols[item] += known.sum(axis=-1)

    def prefixes(self, items: np.ndarray, plan: RefinementPlan) -> tuple[np.ndarray, np.ndarray]:
        """What the decoder gets of some items.

        Args:
            items: places in the frame.

        Returns:
            complex64 (items, k_max), LMMSE estimates of prefixes at unit power, 0 where nothing arrived; and the SNR
            that they arrived with, dB, the mean over their symbols.
        """
        with np.errstate(divide="ignore"):
            precision = 1.0 / self.variance[items]
        estimates = (self._sums[items] / (1.0 + precision)).astype(np.complex64)
        gains: dict[tuple[int, ...], np.ndarray] = {}
        for row, item in enumerate(items):
            ends = self._ends[item]
            if len(ends) > 1:
                if ends not in gains:
                    gains[ends] = plan.gains(ends, self.snr_db)
                estimates[row, : ends[-1]] *= gains[ends]
        mean = self._snr_sum[items] / np.maximum(self._symbols[items], 1.0)
        return estimates, 10.0 * np.log10(np.maximum(mean, 1e-20))
