# SPDX-License-Identifier: GPL-3.0-or-later
"""The constellations of 5G NR (3GPP TS 38.211, section 5.1), and exact soft values of their bits.

Square QAM with Gray labels: even bits of a symbol set its real part, odd ones its imaginary part.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np


@lru_cache(maxsize=8)
def levels(bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Amplitudes of one axis by the value of its bits (first bit highest), and these bits.

    Args:
        bits: of an axis, 1..4.

    Returns:
        float32 (2**bits,) with mean square 1/2, and uint8 (2**bits, bits).

    >>> (levels(2)[0] * np.sqrt(10)).tolist()
    [1.0, 3.0, -1.0, -3.0]
    """
    labels = np.arange(1 << bits)
    table = (labels[:, None] >> np.arange(bits - 1, -1, -1)) & 1
    signs = 1 - 2 * table
    amplitude = np.ones(len(labels))
    for place in range(bits - 1, 0, -1):  # (1-2b0) [4 - (1-2b2) [2 - (1-2b4)]] for 64-QAM
        amplitude = (1 << (bits - place)) - signs[:, place] * amplitude
    amplitude = signs[:, 0] * amplitude
    scaled = amplitude / np.sqrt(2 * np.mean(amplitude**2))
    return scaled.astype(np.float32), table.astype(np.uint8)


def modulate(bits: np.ndarray, bits_per_symbol: int) -> np.ndarray:
    """complex64 (n, symbols) for uint8 (n, symbols * bits_per_symbol); one bit a symbol is BPSK on the diagonal."""
    groups = bits.reshape(len(bits), -1, bits_per_symbol)
    if bits_per_symbol == 1:
        return ((1 - 2.0 * groups[:, :, 0]) * (1 + 1j) / np.sqrt(2)).astype(np.complex64)
    amplitudes, _ = levels(bits_per_symbol // 2)
    weights = 1 << np.arange(bits_per_symbol // 2 - 1, -1, -1)
    real, imag = amplitudes[groups[:, :, 0::2] @ weights], amplitudes[groups[:, :, 1::2] @ weights]
    return (real + 1j * imag).astype(np.complex64)


def soft_bits(symbols: np.ndarray, noise_variance: np.ndarray, bits_per_symbol: int) -> np.ndarray:
    """Log-likelihood ratios ln(P(0) / P(1)).

    Args:
        symbols: complex64 (n, symbols), finite.
        noise_variance: float32 of the same shape, of both components together, positive.

    Returns:
        float32 (n, symbols * bits_per_symbol).
    """
    if bits_per_symbol == 1:
        return (2 * np.sqrt(2) * (symbols.real + symbols.imag) / noise_variance).astype(np.float32)
    axis = bits_per_symbol // 2
    out = np.empty((*symbols.shape, bits_per_symbol), np.float32)
    for start, part in enumerate((symbols.real, symbols.imag)):
        out[:, :, start::2] = _axis(part.ravel(), noise_variance.ravel(), axis).reshape(*symbols.shape, axis)
    return out.reshape(len(symbols), -1)


def _axis(values: np.ndarray, noise_variance: np.ndarray, bits: int) -> np.ndarray:
    amplitudes, table = levels(bits)
    exponent = -((values[:, None] - amplitudes) ** 2) / noise_variance[:, None]
    out = np.empty((len(values), bits), np.float32)
    for place in range(bits):
        zero = table[:, place] == 0
        out[:, place] = _log_sum(exponent[:, zero]) - _log_sum(exponent[:, ~zero])
    return out


def _log_sum(exponent: np.ndarray) -> np.ndarray:
    largest = exponent.max(axis=1)
    return largest + np.log(np.exp(exponent - largest[:, None]).sum(axis=1))
