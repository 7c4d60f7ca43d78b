# SPDX-License-Identifier: GPL-3.0-or-later
"""Bits to symbols and back: the LDPC codes of 5G NR (3GPP TS 38.212) with QAM, decoded by belief propagation."""

from __future__ import annotations

import binascii
import math
from functools import lru_cache

import numpy as np

from sdr_sc.phy.coding.belief import decode_word
from sdr_sc.phy.coding.ldpc_nr import NrCode
from sdr_sc.phy.coding.modes import CRC_BITS, Mode
from sdr_sc.phy.coding.qam import modulate, soft_bits

ITERATIONS = 60
_WORST_NOISE = 1e4
_LARGEST_LLR = 30.0
_LUCK = 6.0  # times the root of a word's bits: what noise may be kinder than its mean


class LdpcQam:
    """One code with one modulation.

    Args:
        info_bits: of a codeword, as `Mode.info_bits` gives them.
        symbols: complex symbols of a codeword.
        bits_per_symbol: 1, 2, 4, 6, 8 or 10.
        iterations: of sum-product at most; it stops when all checks are right.
        is_interleaved: with the standard's bit interleaver, which gives information bits the safer places of a symbol.
        shape_db: see `sdr_sc.phy.coding.qam`.
        is_layered: False updates all checks at once, which takes twice the iterations, as published curves have it.

    Attributes:
        iterations_done: of all words so far.
    """

    def __init__(
        self,
        info_bits: int,
        symbols: int,
        bits_per_symbol: int,
        iterations: int = ITERATIONS,
        is_interleaved: bool = True,
        shape_db: int | None = None,
        is_layered: bool = True,
    ) -> None:
        self.info_bits, self.symbols, self.bits_per_symbol = info_bits, symbols, bits_per_symbol
        self._code = NrCode(info_bits, symbols * bits_per_symbol, bits_per_symbol if is_interleaved else 1)
        self._shape_db = shape_db
        self._iterations, self._is_layered = iterations, is_layered
        self.iterations_done = 0

    @property
    def edges(self) -> int:
        """Of the graph of bits and checks."""
        return int(self._code.matrix.nnz)

    def encode(self, bits: np.ndarray) -> np.ndarray:
        """Codewords.

        Args:
            bits: uint8 (codewords, info_bits) of 0 and 1.

        Returns:
            complex64 (codewords, symbols), mean power 1 over the constellation.
        """
        return modulate(self._code.encode(bits), self.bits_per_symbol, self._shape_db)

    def llrs(self, symbols: np.ndarray, noise_variance: np.ndarray) -> np.ndarray:
        """Log-likelihood ratios ln(P(0) / P(1)) of the coded bits.

        Args:
            symbols: complex64 (codewords, symbols), unbiased; what is not finite counts as erased.
            noise_variance: float32 of the same shape, of both components together.

        Returns:
            float32 (codewords, symbols * bits_per_symbol).
        """
        bad = ~(np.isfinite(symbols) & (noise_variance < _WORST_NOISE))
        clean = np.where(bad, np.complex64(0), symbols).astype(np.complex64)
        variance = np.where(bad, np.float32(_WORST_NOISE), np.maximum(noise_variance, 1e-6)).astype(np.float32)
        return soft_bits(clean, variance, self.bits_per_symbol, self._shape_db)

    def decode_llrs(self, llrs: np.ndarray) -> np.ndarray:
        """uint8 (codewords, info_bits): the decoder's bits, right or wrong.

        A word stays hard decisions whose soft values hold less than its information bits by so much that no decoder
        would find them, by Shannon's bound.
        """
        collected = np.clip(self._code.collect(llrs), -_LARGEST_LLR, _LARGEST_LLR)
        beliefs = self._code.lifted(collected, _LARGEST_LLR)
        hopeless = _told_bits(collected) < self.info_bits - _LUCK * math.sqrt(self.info_bits)
        how = *self._code.circulants, self._iterations, self._is_layered
        for place in np.flatnonzero(~hopeless):
            self.iterations_done += decode_word(beliefs[place], *how)
        return (beliefs[:, : self.info_bits] < 0).astype(np.uint8)

    def decode(self, symbols: np.ndarray, noise_variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The bits of codewords whose last `CRC_BITS` are a check.

        Args:
            symbols, noise_variance: as for `llrs`.

        Returns:
            uint8 (codewords, info_bits), and bool (codewords,): whether the check is right.
        """
        bits = self.decode_llrs(self.llrs(symbols, noise_variance))
        return bits, np.array([crc_is_right(word) for word in bits], np.bool_)


def _told_bits(llrs: np.ndarray) -> np.ndarray:
    """float64 (codewords,): information on the bits, in bits, of log-likelihood ratios (codewords, bits)."""
    chances = 1.0 / (1.0 + np.exp(np.abs(llrs)))
    unsure = chances * np.log2(chances) + (1.0 - chances) * np.log2(1.0 - chances)
    return (1.0 + unsure).sum(axis=1)


@lru_cache(maxsize=128)
def code_for(info_bits: int, symbols: int, mode: Mode) -> LdpcQam:
    """`LdpcQam` of a mode, made once."""
    return LdpcQam(info_bits, symbols, mode.bits_per_symbol, shape_db=mode.shape_db)


def unbiased(features: np.ndarray, noise_variance: np.ndarray) -> np.ndarray:
    """The estimates ``symbol + noise`` out of the receiver's LMMSE estimates, see `PayloadResult`."""
    with np.errstate(invalid="ignore"):
        return features * (1.0 + noise_variance)


def noisy(symbols: np.ndarray, snr_db: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Symbols with white noise, complex64, and the noise variance of each, float32, as `LdpcQam.llrs` takes them."""
    variance = np.float32(10 ** (-snr_db / 10))
    noise = rng.standard_normal((*symbols.shape, 2), np.float32).view(np.complex64)[..., 0] * np.sqrt(variance / 2)
    return (symbols + noise).astype(np.complex64), np.full(symbols.shape, variance)


def with_crc(message: np.ndarray, info_bits: int) -> np.ndarray:
    """Message, zeros up to the length, and CRC-16-CCITT over both.

    Args:
        message: uint8 of 0 and 1, ``info_bits - CRC_BITS`` at most.

    >>> bool(crc_is_right(with_crc(np.array([1, 0, 1], np.uint8), 40)))
    True
    """
    bits = np.zeros(info_bits, np.uint8)
    bits[: len(message)] = message
    crc = _crc(bits[:-CRC_BITS])
    bits[-CRC_BITS:] = np.unpackbits(np.frombuffer(crc.to_bytes(2, "big"), np.uint8))
    return bits


def crc_is_right(bits: np.ndarray) -> bool:
    """Whether the last `CRC_BITS` are the check of what stands before them."""
    told = int.from_bytes(np.packbits(bits[-CRC_BITS:]).tobytes(), "big")
    return told == _crc(bits[:-CRC_BITS])


def _crc(bits: np.ndarray) -> int:
    return binascii.crc_hqx(np.packbits(bits).tobytes(), 0xFFFF)
