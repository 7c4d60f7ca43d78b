# SPDX-License-Identifier: GPL-3.0-or-later
"""Which SNR each mode of the ladder needs over white noise, by codeword length: some modes measured, others between
them.

A code needs about as much information on its bits whatever the modulation (S. ten Brink, G. Kramer and A. Ashikhmin,
"Design of low-density parity-check codes for modulation and detection", IEEE Trans. Commun. 52 (2004) 670-678). So what
is kept of a mode is its distance in dB from the SNR at which the bits hold just its rate, which changes slowly along
the ladder, and the width of its waterfall.

Run as ``python -m sdr_sc.phy.coding.thresholds [LENGTH ...]`` it measures lengths of the table that comes with the
package again, all of them where none is given, in minutes.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm

from sdr_sc.files import write_whole
from sdr_sc.phy.coding.ldpc_qam import code_for, noisy
from sdr_sc.phy.coding.modes import MODES, Mode
from sdr_sc.phy.coding.shaping import bit_information
from sdr_sc.sealed import check_sidecar, sidecar, sidecar_line

TABLE = Path(__file__).with_name("ladder_thresholds.csv")
"""A line for each: symbols of a codeword, place of the mode, distance in dB, width in dB."""
LENGTHS = (24, 48, 128, 512, 2048)
GRID_DB = np.arange(-14.0, 34.01, 0.25)
MEASURED_EVERY = 25
_WORDS = {24: 120, 48: 120, 128: 120, 512: 120, 2048: 40, 8192: 60}
_SEED = 6_000_000
_FIRST_GAP_DB = {24: 1.2, 48: 0.8, 128: 0.7, 512: 0.6, 2048: 0.5, 8192: 0.4}


@lru_cache(maxsize=32)
def information(bits_per_symbol: int, shape_db: int | None) -> np.ndarray:
    """float64 (`GRID_DB`,): information on the bits of a symbol over white noise, in bits, rising with the SNR."""
    if bits_per_symbol == 1:  # one axis with all the power
        return np.array([bit_information(1, db + 10 * np.log10(2)) / 2 for db in GRID_DB])
    found = np.array([bit_information(bits_per_symbol // 2, db, shape_db=shape_db) for db in GRID_DB])
    return np.maximum.accumulate(found)


def needed_without_loss_db(mode: Mode) -> float:
    """SNR at which the bits of a mode's symbols hold as much as its rate says."""
    return float(np.interp(mode.bits_per_use, information(mode.bits_per_symbol, mode.shape_db), GRID_DB))


@dataclass(frozen=True)
class Waterfall:
    """Loss of codewords over white noise: a normal distribution's tail.

    Attributes:
        middle_db: SNR at which half of them are lost.
        width_db: standard deviation.
    """

    middle_db: float
    width_db: float

    def lost(self, snr_db: float | np.ndarray) -> np.ndarray:
        """Share of codewords that are lost."""
        return norm.sf((np.asarray(snr_db) - self.middle_db) / self.width_db)

    def snr_db(self, lost: float) -> float:
        """SNR at which that share is lost."""
        return self.middle_db + self.width_db * float(norm.isf(lost))


def codeword_of(mode: Mode, symbols: int) -> tuple[int, int]:
    """Information bits and symbols of a mode's codeword of about so many symbols: where there is none as long, the
    longest; where there is none as short, the shortest."""
    bits = mode.info_bits(symbols)
    if not bits:
        symbols = mode.symbols(mode.most_info_bits) - 1 if symbols > mode.symbols(100) else mode.symbols(17)
        bits = mode.info_bits(symbols)
    return bits, symbols


def lost_over_noise(mode: Mode, symbols: int, snr_db: float, words: int, rng: np.random.Generator) -> int:
    """Codewords with an error, of so many over white noise that the receiver knows."""
    bits, symbols = codeword_of(mode, symbols)
    code = code_for(bits, symbols, mode)
    sent = rng.integers(0, 2, (words, bits), np.uint8)
    received, variance = noisy(code.encode(sent), snr_db, rng)
    return int((code.decode_llrs(code.llrs(received, variance)) != sent).any(axis=1).sum())


def measure(mode: Mode, symbols: int, words: int, rng: np.random.Generator, first_db: float) -> Waterfall:
    """The waterfall that fits what is lost around its middle best.

    Args:
        words: codewords at each of four SNRs.
        first_db: where to look first.
    """
    half_db = 0.15 if symbols > 1000 else 0.3 if symbols > 200 else 0.7
    few, at_db, step_db = (8 if symbols > 1000 else 16), first_db, half_db
    for _ in range(24):
        lost = lost_over_noise(mode, symbols, at_db, few, rng)
        if 0.2 * few <= lost <= 0.8 * few:
            break
        at_db += step_db if lost > few / 2 else -step_db
    counts = []
    for snr_db in at_db + half_db * np.array([-0.4, 0.2, 0.8, 1.4]):
        counts.append((snr_db, lost_over_noise(mode, symbols, float(snr_db), words, rng)))
    snr_db, lost = np.array(counts).T

    def unlikely(values: np.ndarray) -> float:
        share = Waterfall(values[0], float(np.exp(values[1]))).lost(snr_db).clip(1e-4, 1 - 1e-4)
        prior = ((values[1] - np.log(half_db)) / 1.0) ** 2 / 2
        return float(prior - (lost * np.log(share) + (words - lost) * np.log1p(-share)).sum())

    best = minimize(unlikely, (at_db, np.log(half_db)), method="Nelder-Mead").x
    return Waterfall(float(best[0]), float(np.exp(best[1])))


@lru_cache(maxsize=1)
def _table() -> np.ndarray:
    check_sidecar(TABLE, "table of the modes' thresholds", "install this program again")
    return np.loadtxt(TABLE, delimiter=",", ndmin=2)


@lru_cache(maxsize=1024)
def waterfall(place: int, symbols: int) -> Waterfall:
    """That of a mode, by its place in `MODES`, for codewords of about so many symbols."""
    at = np.clip(np.log(symbols), np.log(LENGTHS[0]), np.log(LENGTHS[-1]))
    rows = [_table()[_table()[:, 0] == length] for length in LENGTHS]
    gaps, widths = ([np.interp(place, row[:, 1], row[:, column]) for row in rows] for column in (2, 3))
    gap, width = (float(np.interp(at, np.log(LENGTHS), values)) for values in (gaps, widths))
    return Waterfall(needed_without_loss_db(MODES[place]) + gap, width)


def main(lengths: tuple[int, ...] = LENGTHS) -> None:
    """Measure every `MEASURED_EVERY`-th mode at these lengths, and write the table."""
    lines = [f"{row[0]:.0f},{row[1]:.0f},{row[2]:.3f},{row[3]:.3f}" for row in _table() if row[0] not in lengths]
    for symbols in lengths:
        for place in sorted({*range(0, len(MODES), MEASURED_EVERY), len(MODES) - 1}):
            base_db = needed_without_loss_db(MODES[place])
            rng = np.random.default_rng((_SEED, symbols, place))
            found = measure(MODES[place], symbols, _WORDS[symbols], rng, base_db + _FIRST_GAP_DB[symbols])
            lines.append(f"{symbols},{place},{found.middle_db - base_db:.3f},{found.width_db:.3f}")
            at_1_percent_db = found.snr_db(0.01) - MODES[place].capacity_db
            print(f"{lines[-1]}  {MODES[place].name}: {at_1_percent_db:.2f} dB from capacity at 1 % loss", flush=True)
    content = ("\n".join(lines) + "\n").encode()
    write_whole({TABLE: content, sidecar(TABLE): sidecar_line(TABLE, content)})


if __name__ == "__main__":
    main(tuple(map(int, sys.argv[1:])) or LENGTHS)
