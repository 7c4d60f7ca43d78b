# SPDX-License-Identifier: GPL-3.0-or-later
"""Pilot tracking of the common phase, and LMMSE equalisation."""

from __future__ import annotations

import numpy as np

_TRACKING_HALF_WIDTH = 4
_SLOPES = np.linspace(-1.0, 1.0, 81)


def common_slope(phasors: np.ndarray, times: np.ndarray, reach: float = 1.0) -> float:
    """Phase advance per symbol, rad, that best lines up phasors (maximum likelihood on a grid, then refined).

    Args:
        phasors: complex (times,) or (times, subcarriers), each weighted by its reliability. Subcarriers whose phases
            are unknown stand in columns of their own: their likelihoods add up.
        times: float (times,), in symbol durations.
        reach: largest slope that is looked for.
    """
    columns = phasors.reshape(len(times), -1)
    slope, step = 0.0, reach
    for _ in range(3):
        grid = slope + step * _SLOPES
        sums = np.exp(-1j * np.outer(grid, times)) @ columns
        likelihood = np.sum(sums.real**2 + sums.imag**2, axis=1)
        slope, step = float(grid[np.argmax(likelihood)]), step / 20
    return slope


def smooth_phase(phasors: np.ndarray) -> np.ndarray:
    """Phase of the moving sum over up to 9 symbols, centred; rad, float (symbols,)."""
    width = 2 * _TRACKING_HALF_WIDTH + 1
    padded = np.concatenate((np.zeros(_TRACKING_HALF_WIDTH), phasors, np.zeros(_TRACKING_HALF_WIDTH)))
    return np.angle(np.lib.stride_tricks.sliding_window_view(padded, width).sum(axis=1))


def lmmse(received: np.ndarray, channel: np.ndarray, noise_power: float) -> tuple[np.ndarray, np.ndarray]:
    """Linear minimum-mean-square-error estimate of unit-power symbols.

    Args:
        received: complex64 (symbols, subcarriers).
        channel: complex64 (subcarriers,) or (symbols, subcarriers).
        noise_power: per subcarrier.

    Returns:
        ``w y/h`` with ``w = 1/(1 + v)``, and ``v = noise_power/|h|^2``, the noise variance of ``y/h``; complex64 and
        float32 (symbols, subcarriers).
    """
    gain = np.maximum(channel.real**2 + channel.imag**2, 1e-20)
    variance = np.broadcast_to(np.float32(noise_power) / gain, received.shape)
    estimate = received * channel.conj() / (gain + np.float32(noise_power))
    return estimate.astype(np.complex64, copy=False), variance.astype(np.float32)
