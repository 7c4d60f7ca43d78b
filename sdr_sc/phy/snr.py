# SPDX-License-Identifier: GPL-3.0-or-later
"""Estimates of the SNR as the project defines it: signal over noise power on the occupied subcarriers (Es/N0)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PowerEstimate:
    """Signal and noise power per occupied subcarrier."""

    signal: float
    noise: float

    @property
    def snr_db(self) -> float:
        """Ratio in dB, held within -30..80 dB."""
        ratio = max(self.signal, 1e-12) / max(self.noise, 1e-12 * max(self.signal, 1e-12), 1e-30)
        return float(np.clip(10 * np.log10(ratio), -30.0, 80.0))


def repeated_symbols(gains: np.ndarray, phases_removed: bool = False) -> PowerEstimate:
    """Signal and noise power from known symbols that crossed the same channel.

    The noise is the spread between the symbols, per subcarrier, so that it does not depend on a model of the channel's
    frequency response. The signal power is that of the mean, less the noise left in it.

    Args:
        gains: complex64 (symbols, used), received over known values; two symbols or more.
        phases_removed: each symbol's common phase was estimated from the gains themselves and taken out, which costs
            one of two real degrees of freedom of one subcarrier for each symbol but one.

    Returns:
        The estimate; the signal power may come out as 0 where there is no signal.

    >>> rng = np.random.default_rng(1)
    >>> noise = (rng.standard_normal((8, 4000)) + 1j * rng.standard_normal((8, 4000))) / np.sqrt(2)
    >>> round(repeated_symbols(2 + noise).snr_db, 1)
    6.0
    """
    symbols, used = gains.shape
    mean = gains.mean(axis=0)
    freedom = (symbols - 1) * used - (0.5 * (symbols - 1) if phases_removed else 0.0)
    noise = float(np.sum(np.abs(gains - mean) ** 2)) / freedom
    signal = float(np.mean(np.abs(mean) ** 2)) - noise / symbols
    return PowerEstimate(max(signal, 0.0), noise)
