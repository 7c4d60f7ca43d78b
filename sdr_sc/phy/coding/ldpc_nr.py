# SPDX-License-Identifier: GPL-3.0-or-later
"""The LDPC codes of 5G NR: matrices, encoder and rate matching of 3GPP TS 38.212, sections 5.2.2, 5.3.2 and 5.4.2.

Tables and formulas of the standard. One code block, redundancy version 0. What is longer than the standard's blocks is
lifted twice: see `_shift`.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy import sparse

from sdr_sc.sealed import check_sidecar

TABLES = Path(__file__).with_name("nr_base_graphs.csv")
MOST_INFO_BITS = 2 * 8448
MOST_INFO_BITS_2 = 2 * 3840
"""Of base graphs 1 and 2, twice what the standard has."""
_INFO_COLUMNS = {1: 22, 2: 10}
_ROWS = {1: 46, 2: 42}
_CORE_ROWS = 4
_PUNCTURED_COLUMNS = 2
_LIFTING = tuple(tuple(a << j for j in range(9) if a << j <= 384) for a in (2, 3, 5, 7, 9, 11, 13, 15))
"""Table 5.3.2-1: the sizes of each set."""
_SIZES = tuple((z, i) for i, sizes in enumerate(_LIFTING) for z in (*sizes, 2 * sizes[-1]))
"""With the set of each, and the largest of each set twice."""


@lru_cache(maxsize=1)
def _tables() -> np.ndarray:
    check_sidecar(TABLES, "table of the 5G NR codes", "install this program again")
    return np.loadtxt(TABLES, np.int64, delimiter=",")


def base_graph(info_bits: int, rate: float) -> int:
    """1 or 2, by section 7.2.2."""
    return 2 if info_bits <= 292 or (info_bits <= 3824 and rate <= 0.67) or rate <= 0.25 else 1


class NrCode:
    """One code, from information bits to the bits that are sent.

    Args:
        info_bits: 1..16,896, or ..7,680 with base graph 2; the standard has half as many at most.
        sent_bits: coded bits that are sent, a multiple of ``bits_per_symbol``.
        bits_per_symbol: for the bit interleaver.

    Attributes:
        matrix: scipy CSR uint8 (checks, bits), the checks that touch what is sent; its bits are the information bits
            and those parity bits that these checks need.
        position: int64 (sent_bits,), bit of ``matrix`` that each sent bit is; some twice where the rate is very low.
        circulants: of the same checks, what `sdr_sc.phy.coding.belief.decode_word` takes: where each base row's begin,
            their columns, their shifts, and their size.

    Raises:
        ValueError: the standard has no such code.

    >>> code = NrCode(100, 200, 2)
    >>> code.matrix.shape, int((code.matrix @ code.codeword(np.ones((1, 100), np.uint8))[0] % 2).sum())
    ((136, 236), 0)
    """

    def __init__(self, info_bits: int, sent_bits: int, bits_per_symbol: int) -> None:
        if not 1 <= info_bits < sent_bits or sent_bits % bits_per_symbol:
            raise ValueError(f"no code of {info_bits} bits in {sent_bits} with {bits_per_symbol} bits a symbol")
        self.graph = base_graph(info_bits, info_bits / sent_bits)
        if info_bits > (MOST_INFO_BITS if self.graph == 1 else MOST_INFO_BITS_2):
            raise ValueError(f"base graph {self.graph} has no block of {info_bits} information bits")
        self.info_bits, self.sent_bits = info_bits, sent_bits
        columns = _INFO_COLUMNS[self.graph]
        used = columns
        if self.graph == 2 and info_bits <= 640:
            used = 9 if info_bits > 560 else 8 if info_bits > 192 else 6
        self.size, chosen = min((z, i) for z, i in _SIZES if used * z >= info_bits)
        table = _tables()
        table = table[table[:, 0] == self.graph]
        longest = _LIFTING[chosen][-1]
        self._entries = [
            (r, c, s % self.size if self.size <= longest else _shift(r, c, s, longest, columns))
            for r, c, s in table[:, [1, 2, 3 + chosen]].tolist()
        ]
        # Of the mother code: columns of `size` bits, information first; filler bits after the information are zero.
        z, filler = self.size, columns * self.size - info_bits
        mother = np.arange(_PUNCTURED_COLUMNS * z, (columns + _ROWS[self.graph]) * z)
        mother = mother[(mother < info_bits) | (mother >= columns * z)]
        taken = mother[np.arange(sent_bits) % len(mother)]
        self._period = len(mother)
        self._order = np.arange(sent_bits).reshape(bits_per_symbol, -1).T.ravel()  # section 5.4.2.2
        highest = int(taken.max())
        self.rows = max(_CORE_ROWS, -(-(highest + 1 - columns * z) // z))
        self._places = np.where(taken < info_bits, taken, taken - filler)
        self.position = self._places[self._order]
        self.circulants = self._circulants()
        full = self._full_matrix(columns)
        kept_rows = _CORE_ROWS * z + max(0, highest + 1 - (columns + _CORE_ROWS) * z)
        kept_bits = np.r_[0:info_bits, columns * z : columns * z + kept_rows]
        self.matrix = full[:kept_rows][:, kept_bits].tocsr()
        core = _CORE_ROWS * z
        self._info_part = self.matrix[:, :info_bits]
        self._core_part = self.matrix[core:, info_bits : info_bits + core]

    def _circulants(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        entries = np.array(sorted(entry for entry in self._entries if entry[0] < self.rows), np.int64)
        starts = np.searchsorted(entries[:, 0], np.arange(self.rows + 1)).astype(np.int64)
        return starts, entries[:, 1].copy(), entries[:, 2].copy(), self.size

    def _full_matrix(self, columns: int) -> sparse.csr_matrix:
        """All bits of the rows that are used, filler bits included."""
        z, within = self.size, np.arange(self.size)
        entries = [(r, c, s) for r, c, s in self._entries if r < self.rows]
        row = np.concatenate([r * z + within for r, _, _ in entries])
        column = np.concatenate([c * z + (within + s) % z for _, c, s in entries])
        shape = (self.rows * z, (columns + self.rows) * z)
        return sparse.csr_matrix((np.ones(len(row), np.uint8), (row, column)), shape)

    def codeword(self, bits: np.ndarray) -> np.ndarray:
        """uint8 (n, bits of ``matrix``) for information bits, uint8 (n, info_bits) of 0 and 1."""
        z, n, first = self.size, len(bits), _INFO_COLUMNS[self.graph]
        sums = (self._info_part @ bits.T.astype(np.uint8)) & 1  # of at most 22 ones a row
        core = sums[: _CORE_ROWS * z].reshape(_CORE_ROWS, z, n)
        parity = np.empty_like(core)
        # The core's first parity column has three shifts, s, t and s, so the core's sum leaves t.
        shifts = {r: s for r, c, s in self._entries if c == first and r < _CORE_ROWS}
        values = list(shifts.values())
        left = next(s for s in values if values.count(s) % 2)
        parity[0] = np.roll(np.bitwise_xor.reduce(core, axis=0), left, axis=0)
        for r, s in shifts.items():
            core[r] ^= np.roll(parity[0], -s, axis=0)
        np.bitwise_xor.accumulate(core[:-1], axis=0, out=parity[1:])  # two unshifted blocks each, on a double diagonal
        flat = parity.reshape(-1, n)
        rest = sums[_CORE_ROWS * z :] ^ (self._core_part @ flat & 1)
        return np.concatenate((bits.T, flat, rest)).T.astype(np.uint8)

    def encode(self, bits: np.ndarray) -> np.ndarray:
        """uint8 (n, sent_bits) for information bits, uint8 (n, info_bits)."""
        return self.codeword(bits)[:, self.position]

    def collect(self, llrs: np.ndarray) -> np.ndarray:
        """float64 (n, bits of ``matrix``): log-likelihood ratios of the sent bits at their places, 0 elsewhere."""
        out = np.zeros((len(llrs), self.matrix.shape[1]))
        plain = np.empty(llrs.shape)
        plain[:, self._order] = llrs
        for start in range(0, self.sent_bits, self._period):  # what is sent again adds up
            part = slice(start, start + self._period)
            out[:, self._places[part]] += plain[:, part]
        return out

    def lifted(self, collected: np.ndarray, known: float) -> np.ndarray:
        """float32 (n, columns * size): soft values as `collect` gives them at the places that `circulants` speak of.

        Args:
            collected: float64 (n, bits of ``matrix``).
            known: soft value of the filler bits, which are zero.
        """
        first = _INFO_COLUMNS[self.graph] * self.size
        out = np.zeros((len(collected), first + self.rows * self.size), np.float32)
        out[:, : self.info_bits] = collected[:, : self.info_bits]
        out[:, self.info_bits : first] = known
        parity = collected[:, self.info_bits :]
        out[:, first : first + parity.shape[1]] = parity
        return out


def _shift(row: int, column: int, shift: int, longest: int, columns: int) -> int:
    """That of a circulant of twice the largest size: the standard's, or that size more, for each by a fixed rule.

    Modulo the largest size it is the standard's code, so that no cycle of its graph is shorter than there; about half
    of the cycles are twice as long. The parity part stays as it is, so that it is encoded alike.
    """
    later = column < columns and (row * 2654435761 + column * 40503 + row * column * 97) >> 7 & 1
    return shift + longest if later else shift
