# SPDX-License-Identifier: GPL-3.0-or-later
"""Features as a share of an entry and a residual, and back with the noise that then is left.

Of an item with features ``x`` (mean power 1 a symbol) and its entry ``e`` the residual is ``r = (x - a e) / s`` with
``a^2 = 1 - s^2``, where ``s^2`` is the power that the entry leaves, one of `LEVELS` for all items of a frame. Received
with noise of variance ``v`` the LMMSE estimate ``r'`` of a symbol of unit power has the error ``v / (1 + v)``; so

    x' = a e + s r'   has the error   E = s^2 v / (1 + v),   and   E = s^2   where the residual is not sent.

That is what is known of a symbol of unit power that was received with noise of variance ``E / (1 - E)``, which is what
a decoder is given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEVELS = 32
LEVEL_BITS = 5
_STEP_DB = 0.75
_WORST_NOISE = 1e4


def level_power(level: int) -> float:
    """Power ``s^2`` of a level, -0.75 to -24 dB.

    >>> round(level_power(0), 4), round(level_power(31), 5)
    (0.8414, 0.00398)
    """
    return float(10.0 ** (-_STEP_DB * (level + 1) / 10.0))


def nearest_level(power: float) -> int:
    """The level whose power is nearest to this one, in dB."""
    wanted = -10.0 * np.log10(max(power, 1e-9)) / _STEP_DB - 1.0
    return int(np.clip(round(wanted), 0, LEVELS - 1))


def split(features: np.ndarray, entries: np.ndarray, level: int) -> np.ndarray:
    """Residuals.

    Args:
        features, entries: complex64 (items, k), of mean power 1 a symbol.
        level: 0..31.

    Returns:
        complex64 (items, k).
    """
    power = level_power(level)
    return ((features - np.sqrt(1.0 - power) * entries) / np.sqrt(power)).astype(np.complex64)


def residual_level(features: np.ndarray, entries: np.ndarray, residual_k: int) -> int:
    """The level of least power whose residuals, of the symbols that are sent, have a mean power of at most 1.

    Args:
        features, entries: complex64 (items, k).
        residual_k: symbols of a residual that are sent.
    """
    for level in range(LEVELS - 1, 0, -1):
        sent = split(features[:, :residual_k], entries[:, :residual_k], level)
        if np.mean(np.square(np.abs(sent))) <= 1.0:
            return level
    return 0


@dataclass(frozen=True, eq=False)
class Joined:
    """Items as a decoder takes them.

    Attributes:
        features: complex64 (items, k_max), LMMSE estimates, 0 where nothing is known.
        noise_variance: float32 (items, k_max), of the unbiased estimates, infinite where nothing is known.
        k: int64 (items,), symbols that are known of each.
        snr_db: float64 (items,), that they are known with, the mean error over the symbols; minus infinity for an item
            of which nothing arrived.
    """

    features: np.ndarray
    noise_variance: np.ndarray
    k: np.ndarray
    snr_db: np.ndarray


def join(
    entries: np.ndarray, level: int, residual: np.ndarray, noise_variance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Features from entries and what was received of their residuals.

    Args:
        entries: complex64 (items, k).
        level: 0..31.
        residual: complex64 (items, up to k), LMMSE estimates, not finite where erased.
        noise_variance: float32 of that shape, of the unbiased estimates.

    Returns:
        complex64 (items, k) and float32 (items, k), as the first two of `Joined`.

    >>> entries, features = np.array([[1, 1j]], np.complex64), np.array([[0.6 + 0.8j, 1j]], np.complex64)
    >>> sent = split(features, entries, 5)
    >>> back, variance = join(entries, 5, sent, np.zeros((1, 2), np.float32))
    >>> bool(np.allclose(back, features, atol=1e-6)), variance.round(6).tolist()
    (True, [[0.0, 0.0]])
    """
    power, sent = level_power(level), residual.shape[1]
    there = np.isfinite(residual) & (noise_variance < _WORST_NOISE)
    variance = np.where(there, noise_variance, _WORST_NOISE).astype(np.float64)
    found = np.sqrt(1.0 - power) * entries.astype(np.complex128)
    found[:, :sent] += np.sqrt(power) * np.where(there, residual, 0.0)
    error = np.full(entries.shape, power)
    error[:, :sent] = power * np.where(there, variance / (1.0 + variance), 1.0)
    return found.astype(np.complex64), (error / (1.0 - error)).astype(np.float32)


def effective_snr_db(noise_variance: np.ndarray) -> np.ndarray:
    """SNR whose LMMSE estimates have the mean error of symbols with these noise variances, by item: float64 (items,).

    >>> effective_snr_db(np.array([[0.1, 0.1], [np.inf, 0.0], [np.inf, np.inf]])).round(6).tolist()
    [10.0, 0.0, -inf]
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.where(np.isinf(noise_variance), 1.0, noise_variance / (1.0 + noise_variance))
        mean = np.clip(error.astype(np.float64).mean(axis=1), 1e-8, 1.0)
        return 10.0 * np.log10((1.0 - mean) / mean)
