# SPDX-License-Identifier: GPL-3.0-or-later
"""Estimates of the SNR as the project defines it: signal over noise power on the occupied subcarriers (Es/N0).

All estimators take the same observation of a frame and give the same answer, so that they can be exchanged; their
measured bias and spread are in docs/receiver.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from sdr_sc.phy.frame.header import PROTOCOL_VERSION
from sdr_sc.phy.linear import energy, inner


@dataclass(frozen=True)
class PowerEstimate:
    """Signal and noise power per occupied subcarrier."""

    signal: float
    noise: float

    @property
    def snr_db(self) -> float:
        """Ratio in dB, held within -30..80 dB."""
        ratio = max(self.signal, 1e-12) / max(self.noise, 1e-12 * max(self.signal, 1e-12), 1e-30)
        return min(max(10 * math.log10(ratio), -30.0), 80.0)


class SnrObservation(NamedTuple):
    """What a received frame offers to an estimator.

    Attributes:
        training: complex64 (2 or 4, used), the equal training symbols over their known values.
        known: complex64 (symbols, used), training and header symbols over their known values, carrier offset and each
            symbol's own common phase removed.
        spectra: complex64 (symbols, fft_size), all FFT bins of training and header symbols.
        guard_bins: int64, the empty ones of these, without DC and the ones next to the occupied band.
        pilots: complex64 (payload symbols, pilots), payload pilots over their known values, clock and carrier offset
            and the common gain removed; (0, pilots) where no payload arrived.
        fitted_noise: computes the noise power by `PreambleFit`; None where the FFT is too large for it.
        version: protocol version of the header. Estimates for version 1 stay what its recordings note.
        powers: what `known_symbols` gives, where it is there already.
    """

    training: np.ndarray
    known: np.ndarray
    spectra: np.ndarray
    guard_bins: np.ndarray
    pilots: np.ndarray
    fitted_noise: Callable[[], float] | None
    version: int = PROTOCOL_VERSION
    powers: PowerEstimate | None = None


_STANDS_OUT = 0.15  # two standard deviations of the difference, with the default numerology
_FIT_FAILS = 1.25  # the fit's noise over that of the known symbols: 1 dB; in white noise 2 of 1,000 frames exceed it

SnrEstimator = Callable[[SnrObservation], PowerEstimate]


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
    return PowerEstimate(*repeated_powers(np.ascontiguousarray(gains, np.complex64), phases_removed))


def repeated_preamble(observation: SnrObservation) -> PowerEstimate:
    """From the equal training symbols alone; the phase between them is the carrier offset's, and taken out."""
    first = observation.training[0]
    turns = [np.exp(1j * np.angle(inner(other, first))).astype(np.complex64) for other in observation.training[1:]]
    others = [turn * other for turn, other in zip(turns, observation.training[1:], strict=True)]
    return repeated_symbols(np.stack((first, *others)), phases_removed=True)


def known_symbols(observation: SnrObservation) -> PowerEstimate:
    """From training and header symbols, which are known once the header's check has passed."""
    return observation.powers or repeated_symbols(observation.known, phases_removed=True)


def empty_subcarriers(observation: SnrObservation) -> PowerEstimate:
    """Noise from the empty subcarriers, signal from training and header; noise of the transmitter does not show."""
    empty = observation.spectra[:, observation.guard_bins]
    noise = _energy(empty) / empty.size
    return PowerEstimate(max(_energy(observation.known) / observation.known.size - noise, 0.0), noise)


def pilots(observation: SnrObservation) -> PowerEstimate:
    """Noise from the spread of the payload's pilots around their mean over time, signal from training and header.

    With fewer than four payload symbols, as `known_symbols`.
    """
    if len(observation.pilots) < 4:
        return known_symbols(observation)
    noise = repeated_symbols(observation.pilots).noise
    return PowerEstimate(max(_energy(observation.known) / observation.known.size - noise, 0.0), noise)


def preamble_fit(observation: SnrObservation) -> PowerEstimate:
    """Noise after a channel as long as an FFT that is fitted to the preamble, signal from training and header.

    Echoes after the cyclic prefix count as signal: they are the part of the known symbols' spread that the fit
    explains, where that stands out from the errors of both.

    As `known_symbols` with an FFT of more than 256 points, and where the fit leaves clearly more than these spread: the
    preamble is then not what the fit assumes. A gain that settles within the detection part, or energy on empty
    subcarriers (DC, a carrier in the guard band), is noise for the fit in time, and does not reach the features.
    """
    known = known_symbols(observation)
    if observation.fitted_noise is None:
        return known
    noise = observation.fitted_noise()
    if observation.version > 1 and noise > _FIT_FAILS * known.noise:
        return known
    late = known.noise - noise
    return PowerEstimate(known.signal + (late if late > _STANDS_OUT * noise else 0.0), noise)


ESTIMATORS: dict[str, SnrEstimator] = {
    "preamble_fit": preamble_fit,
    "known_symbols": known_symbols,
    "repeated_preamble": repeated_preamble,
    "empty_subcarriers": empty_subcarriers,
    "pilots": pilots,
}
"""The estimators by name."""

DEFAULT_ESTIMATOR = "preamble_fit"


@njit(cache=True, nogil=True)
def repeated_powers(gains: np.ndarray, phases_removed: bool) -> tuple[float, float]:
    """Signal and noise power of `repeated_symbols`."""
    symbols, used = gains.shape
    spread = total = 0.0
    for u in range(used):
        mean = complex(0.0, 0.0)
        for s in range(symbols):
            mean += gains[s, u] / symbols
        for s in range(symbols):
            error = gains[s, u] - mean
            spread += error.real**2 + error.imag**2
        total += mean.real**2 + mean.imag**2
    freedom = (symbols - 1) * used - (0.5 * (symbols - 1) if phases_removed else 0.0)
    noise = spread / freedom
    return max(total / used - noise / symbols, 0.0), noise


def _energy(values: np.ndarray) -> float:
    return energy(values.ravel())
