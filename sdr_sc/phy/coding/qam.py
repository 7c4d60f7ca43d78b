# SPDX-License-Identifier: GPL-3.0-or-later
"""The constellations of 5G NR (3GPP TS 38.211, section 5.1), non-uniform ones with the same labels, and exact soft
values of their bits.

Square QAM with Gray labels: even bits of a symbol set its real part, odd ones its imaginary part. Where a function
takes ``shape_db``, that is the SNR in dB that non-uniform amplitudes are made for, see `shaping`; None for uniform
ones.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from sdr_sc.sealed import check_sidecar

SHAPES = Path(__file__).with_name("nonuniform_qam.csv")
"""A line for each: bits of an axis, SNR in dB, positive amplitudes, zeros up to 16 of these."""


@lru_cache(maxsize=1)
def _shapes() -> dict[tuple[int, int], np.ndarray]:
    check_sidecar(SHAPES, "table of non-uniform constellations", "install this program again")
    rows = np.loadtxt(SHAPES, delimiter=",", ndmin=2)
    return {(int(row[0]), int(row[1])): row[2 : 2 + (1 << (int(row[0]) - 1))] for row in rows}


@lru_cache(maxsize=32)
def levels(bits: int, shape_db: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Amplitudes of one axis by the value of its bits (first bit highest), and these bits.

    Args:
        bits: of an axis, 1..5.

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
    if shape_db is not None:
        positive = _shapes()[bits, shape_db]
        amplitude = np.sign(amplitude) * positive[(np.abs(amplitude).astype(int) - 1) // 2]
    scaled = amplitude / np.sqrt(2 * np.mean(amplitude**2))
    return scaled.astype(np.float32), table.astype(np.uint8)


def modulate(bits: np.ndarray, bits_per_symbol: int, shape_db: int | None = None) -> np.ndarray:
    """complex64 (n, symbols) for uint8 (n, symbols * bits_per_symbol); one bit a symbol is BPSK on the diagonal."""
    groups = bits.reshape(len(bits), -1, bits_per_symbol)
    if bits_per_symbol == 1:
        return ((1 - 2.0 * groups[:, :, 0]) * (1 + 1j) / np.sqrt(2)).astype(np.complex64)
    amplitudes, _ = levels(bits_per_symbol // 2, shape_db)
    weights = 1 << np.arange(bits_per_symbol // 2 - 1, -1, -1)
    real, imag = amplitudes[groups[:, :, 0::2] @ weights], amplitudes[groups[:, :, 1::2] @ weights]
    return (real + 1j * imag).astype(np.complex64)


def soft_bits(
    symbols: np.ndarray, noise_variance: np.ndarray, bits_per_symbol: int, shape_db: int | None = None
) -> np.ndarray:
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
    amplitudes = levels(axis, shape_db)[0]
    out = np.empty((*symbols.shape, bits_per_symbol), np.float32)
    for start, part in enumerate((symbols.real, symbols.imag)):
        out[:, :, start::2] = _axis(part.ravel(), noise_variance.ravel(), axis, amplitudes).reshape(
            *symbols.shape, axis
        )
    return out.reshape(len(symbols), -1)


def _axis(values: np.ndarray, noise_variance: np.ndarray, bits: int, amplitudes: np.ndarray) -> np.ndarray:
    table = levels(bits)[1]
    exponent = -((values[:, None] - amplitudes) ** 2) / noise_variance[:, None]
    out = np.empty((len(values), bits), np.float32)
    for place in range(bits):
        zero = table[:, place] == 0
        out[:, place] = _log_sum(exponent[:, zero]) - _log_sum(exponent[:, ~zero])
    return out


def _log_sum(exponent: np.ndarray) -> np.ndarray:
    largest = exponent.max(axis=1)
    return largest + np.log(np.exp(exponent - largest[:, None]).sum(axis=1))
