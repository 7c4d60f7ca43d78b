# SPDX-License-Identifier: GPL-3.0-or-later
"""The channel-adaptive module (CAM): how many feature symbols to send for an item at the measured SNR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sdr_sc.semantic.contract import CamTable, ModelContract


def choose_k(accuracy: np.ndarray, k_list: Sequence[int], max_loss_points: float) -> tuple[int, ...]:
    """The smallest k that gives away at most ``max_loss_points`` of accuracy, for each SNR.

    Args:
        accuracy: (snr, k) task accuracy 0..1, SNR rising, k in the order of ``k_list``.
        k_list: feature symbols per item, rising.
        max_loss_points: accuracy points (hundredths) below the largest k at the same SNR.

    Returns:
        k for each SNR, made never to rise with the SNR.

    >>> choose_k(np.array([[0.50, 0.80], [0.899, 0.90]]), (4, 8), max_loss_points=0.5)
    (8, 4)
    """
    enough = accuracy >= accuracy[:, -1:] - max_loss_points / 100.0
    chosen = np.asarray(k_list)[np.argmax(enough, axis=1)]
    never_rising = np.maximum.accumulate(chosen[::-1])[::-1]
    return tuple(int(k) for k in never_rising)


def look_up(table: CamTable, snr_db: float) -> int:
    """k of the table's grid point at or below ``snr_db``; below the grid, that of its lowest point."""
    place = int(np.searchsorted(table.snr_db, snr_db, side="right")) - 1
    return table.k[max(place, 0)]


@dataclass
class ChannelAdaptiveModule:
    """Follows the measured SNR, item by item or frame by frame.

    It goes to a larger k at once, and to a smaller one only when the SNR is ``hysteresis_db`` above the place where
    the table changes, so that an estimate that wavers around that place does not make k waver.

    Attributes:
        contract: of the model in use.
        hysteresis_db: dB.
    """

    contract: ModelContract
    hysteresis_db: float = 1.0
    _k: int | None = field(default=None, init=False, repr=False)

    @property
    def robust_k(self) -> int:
        """The setting to fall back to when nothing is known of the channel: the largest k."""
        return self.contract.k_max

    @property
    def robust_snr_db(self) -> float:
        """The SNR that the encoder is told when nothing is known: the lowest of training."""
        return self.contract.training_snr_db[0]

    def choose(self, snr_db: float | None) -> int:
        """k for the next item.

        Args:
            snr_db: latest estimate, dB; None when there is none, or it is too old.
        """
        if snr_db is None or not np.isfinite(snr_db):
            self._k = None
            return self.robust_k
        wanted = look_up(self.contract.cam, snr_db)
        if self._k is not None and wanted < self._k:
            wanted = min(self._k, look_up(self.contract.cam, snr_db - self.hysteresis_db))
        self._k = wanted
        return wanted
