# SPDX-License-Identifier: GPL-3.0-or-later
"""Non-uniform QAM: amplitudes that carry most bits at an SNR, as ATSC 3.0 has them (geometric shaping).

Square constellations with the labels of 5G NR, whose amplitudes on an axis are free: L. Zhang et al., "Using
Non-Uniform Constellations in ATSC 3.0", IEEE Trans. Broadcast. 62 (2016) 197-203, section II. What is made large is the
sum of the mutual information of the bits (G. Caire, G. Taricco and E. Biglieri, "Bit-interleaved coded modulation",
IEEE Trans. Inf. Theory 44 (1998) 927-946), which a code with soft bits can reach.

Run as ``python -m sdr_sc.phy.coding.shaping`` it designs those of the coded schemes again, in seconds, and writes the
table that comes with the package.
"""

from __future__ import annotations

import numpy as np

from sdr_sc.files import write_whole
from sdr_sc.phy.coding.qam import SHAPES, levels
from sdr_sc.sealed import sidecar, sidecar_line

DESIGNS = {2: (2, 4, 6), 3: (6, 8, 10), 4: (10, 12), 5: (12, 14, 16, 18, 20, 22, 24)}
"""Bits of an axis, and the SNRs in dB that amplitudes are made for."""
_NODES, _WEIGHTS = np.polynomial.hermite.hermgauss(24)


def bit_information(
    bits: int, snr_db: float, amplitudes: np.ndarray | None = None, shape_db: int | None = None
) -> float:
    """Mutual information of the bits of a complex symbol over white noise, in bits, by Gauss-Hermite quadrature.

    Args:
        bits: of an axis.
        snr_db: Es/N0.
        amplitudes: float (2**bits,), in the order of `levels`; None for those of ``shape_db``.

    >>> round(bit_information(1, 0.0), 3)
    0.972
    """
    table = levels(bits)[1]
    amplitudes = levels(bits, shape_db)[0].astype(float) if amplitudes is None else amplitudes
    variance = 10 ** (-snr_db / 10) / 2
    received = amplitudes[:, None] + np.sqrt(2 * variance) * _NODES
    exponent = (_NODES**2)[None, :, None] - (received[:, :, None] - amplitudes) ** 2 / (2 * variance)
    likelihood = np.exp(exponent)  # relative to that of the amplitude that was sent
    total = likelihood.sum(axis=2)
    information = 0.0
    for bit in table.T:
        same = (likelihood * (bit[:, None, None] == bit)).sum(axis=2)
        information += float((np.log2(2 * same / total) @ _WEIGHTS).mean() / np.sqrt(np.pi))
    return 2 * information


def design(bits: int, snr_db: float) -> np.ndarray:
    """float64 (2**(bits - 1),): the positive amplitudes of an axis, rising, their mean square 1/2.

    >>> bool(bit_information(3, 8.0, symmetric(3, design(3, 8.0))) > bit_information(3, 8.0) + 0.1)
    True
    """
    from scipy.optimize import minimize

    start = np.sort(levels(bits)[0])[1 << (bits - 1) :]

    def amplitudes(steps: np.ndarray) -> np.ndarray:
        rising = np.cumsum(np.exp(steps))
        return rising / np.sqrt(2 * np.mean(rising**2))

    best = minimize(
        lambda steps: -bit_information(bits, snr_db, symmetric(bits, amplitudes(steps))),
        np.log(np.diff(np.concatenate(([0.0], start)))),
        method="BFGS",
        options={"gtol": 1e-4, "maxiter": 60},
    )
    return amplitudes(best.x)


def symmetric(bits: int, positive: np.ndarray) -> np.ndarray:
    """float64 (2**bits,): amplitudes and their negatives in the order of `levels`."""
    out = np.empty(1 << bits)
    out[np.argsort(levels(bits)[0])] = np.concatenate((-positive[::-1], positive))
    return out


def main() -> None:
    """Write the table."""
    lines = []
    for bits, designs in DESIGNS.items():
        for snr_db in designs:
            positive = design(bits, float(snr_db))
            padded = np.concatenate((positive, np.zeros(16 - len(positive))))
            lines.append(",".join([str(bits), str(snr_db), *(f"{value:.5f}" for value in padded)]))
            told = bit_information(bits, snr_db, symmetric(bits, positive))
            print(
                f"{1 << (2 * bits)} points at {snr_db} dB: {told:.3f} bits, uniform {bit_information(bits, snr_db):.3f}"
            )
    content = ("\n".join(lines) + "\n").encode()
    write_whole({SHAPES: content, sidecar(SHAPES): sidecar_line(SHAPES, content)})


if __name__ == "__main__":
    main()
