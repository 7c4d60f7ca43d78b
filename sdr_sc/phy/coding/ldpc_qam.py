# SPDX-License-Identifier: GPL-3.0-or-later
"""Bits to symbols and back: the LDPC codes of 5G NR (3GPP TS 38.212) with QAM, decoded by the library ``ldpc``."""

from __future__ import annotations

import binascii
import math
import threading
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sdr_sc.errors import MissingDependencyError
from sdr_sc.phy.coding.ldpc_nr import MOST_INFO_BITS, NrCode
from sdr_sc.phy.coding.qam import modulate, soft_bits

_DECODING = threading.Lock()
"""A decoder is given a word and then asked for it: threads of a worker have to take turns."""
CRC_BITS = 16
ITERATIONS = 30
_MOST_INFO_BITS_LOW_RATE = 3824  # of base graph 2, which is that of low rates
_LEAST_INFO_BITS = CRC_BITS + 1
_WORST_NOISE = 1e4
_LARGEST_LLR = 30.0
_SCALE = 0.75  # of min-sum, usual for these codes
_LUCK = 6.0  # times the root of a word's bits: what noise may be kinder than its mean
_NAMES = {1: "BPSK", 2: "QPSK", 4: "16-QAM", 6: "64-QAM", 8: "256-QAM"}


@dataclass(frozen=True)
class Mode:
    """A modulation order with a code rate.

    >>> mode = Mode(4, 1, 2)
    >>> mode.name, mode.info_bits(symbols=300)
    ('16-QAM 1/2', 600)
    """

    bits_per_symbol: int
    numerator: int
    denominator: int

    @property
    def name(self) -> str:
        """For people, such as ``QPSK 1/2``."""
        return f"{_NAMES[self.bits_per_symbol]} {self.numerator}/{self.denominator}"

    @property
    def bits_per_use(self) -> float:
        """Information bits of a complex symbol."""
        return self.bits_per_symbol * self.numerator / self.denominator

    def info_bits(self, symbols: int) -> int:
        """Information bits, check included, of a codeword of so many symbols; 0 where there is no such code."""
        bits = symbols * self.bits_per_symbol * self.numerator // self.denominator
        is_low_rate = 4 * self.numerator <= self.denominator
        most = _MOST_INFO_BITS_LOW_RATE if is_low_rate else MOST_INFO_BITS
        return bits if _LEAST_INFO_BITS <= bits <= most else 0

    def symbols(self, info_bits: int) -> int:
        """Fewest symbols of a codeword that carries so many information bits."""
        return math.ceil(info_bits * self.denominator / (self.numerator * self.bits_per_symbol))


MODES = (
    Mode(1, 1, 5),
    Mode(1, 1, 3),
    Mode(2, 1, 4),
    Mode(2, 1, 3),
    Mode(2, 1, 2),
    Mode(2, 2, 3),
    Mode(4, 2, 5),
    Mode(4, 1, 2),
    Mode(4, 2, 3),
    Mode(4, 3, 4),
    Mode(6, 2, 3),
    Mode(6, 3, 4),
    Mode(6, 5, 6),
    Mode(8, 3, 4),
    Mode(8, 5, 6),
    Mode(8, 8, 9),
)
"""Sixteen of them, so that four bits of the frame header name one; more bits per symbol one after the other."""


class LdpcQam:
    """One code with one modulation.

    Args:
        info_bits: of a codeword, as `Mode.info_bits` gives them.
        symbols: complex symbols of a codeword.
        bits_per_symbol: 1, 2, 4, 6 or 8.
        iterations: of belief propagation at most; it stops when all checks are right.
        is_sum_product: sum-product with a flooding schedule, as published curves are made; otherwise min-sum, scaled,
            which is several times as fast, and loses no more: one bit after the other with base graph 2; with base
            graph 1, whose checks have many bits each, all bits at once and twice the iterations, as one after the
            other takes several times as long there, and decodes no more.
        is_interleaved: with the standard's bit interleaver, which gives information bits the safer places of a symbol.

    Raises:
        MissingDependencyError: the library ``ldpc`` is not installed.
    """

    def __init__(
        self,
        info_bits: int,
        symbols: int,
        bits_per_symbol: int,
        iterations: int = ITERATIONS,
        is_sum_product: bool = False,
        is_interleaved: bool = True,
    ) -> None:
        try:
            from ldpc import BpDecoder
        except ImportError as error:
            raise MissingDependencyError(
                f"the package ldpc, whose decoder the coded schemes use, cannot be imported ({error}); "
                "run 'pip install ldpc'."
            ) from error
        self.info_bits, self.symbols, self.bits_per_symbol = info_bits, symbols, bits_per_symbol
        self._code = NrCode(info_bits, symbols * bits_per_symbol, bits_per_symbol if is_interleaved else 1)
        is_flooding = is_sum_product or self._code.graph == 1
        self._decoder = BpDecoder(
            self._code.matrix,
            error_rate=0.1,  # of each bit is given with each codeword
            max_iter=2 * iterations if is_flooding and not is_sum_product else iterations,
            bp_method="product_sum" if is_sum_product else "minimum_sum",
            ms_scaling_factor=_SCALE,
            schedule="parallel" if is_flooding else "serial",
            input_vector_type="syndrome",
        )

    def encode(self, bits: np.ndarray) -> np.ndarray:
        """Codewords.

        Args:
            bits: uint8 (codewords, info_bits) of 0 and 1.

        Returns:
            complex64 (codewords, symbols), mean power 1 over the constellation.
        """
        return modulate(self._code.encode(bits), self.bits_per_symbol)

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
        return soft_bits(clean, variance, self.bits_per_symbol)

    def decode_llrs(self, llrs: np.ndarray) -> np.ndarray:
        """uint8 (codewords, info_bits): the decoder's bits, right or wrong.

        The library looks for the errors of hard decisions, whose probabilities it is given; by symmetry of the channel
        that is the same as decoding the soft values. A word stays hard decisions whose soft values hold less than its
        information bits by so much that no decoder would find them, by Shannon's bound.
        """
        collected = self._code.collect(llrs)
        hard = (collected < 0).astype(np.uint8)
        chances = 1.0 / (1.0 + np.exp(np.minimum(np.abs(collected), _LARGEST_LLR)))
        syndromes = (self._code.matrix @ hard.T).T.astype(np.uint8) & 1
        hopeless = _told_bits(chances) < self.info_bits - _LUCK * math.sqrt(self.info_bits)
        for i in np.flatnonzero(syndromes.any(axis=1) & ~hopeless):
            # The library takes numbers one by one: Python's own are several times as fast as numpy's.
            with _DECODING:
                self._decoder.update_channel_probs(chances[i].tolist())
                hard[i] ^= self._decoder.decode(syndromes[i].astype(object)).astype(np.uint8)
        return hard[:, : self.info_bits]

    def decode(self, symbols: np.ndarray, noise_variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The bits of codewords whose last `CRC_BITS` are a check.

        Args:
            symbols, noise_variance: as for `llrs`.

        Returns:
            uint8 (codewords, info_bits), and bool (codewords,): whether the check is right.
        """
        bits = self.decode_llrs(self.llrs(symbols, noise_variance))
        return bits, np.array([crc_is_right(word) for word in bits], np.bool_)


def _told_bits(chances: np.ndarray) -> np.ndarray:
    """float64 (codewords,): information on the bits, in bits, for the chances (codewords, bits) that each is wrong."""
    unsure = chances * np.log2(chances) + (1.0 - chances) * np.log2(1.0 - chances)
    return (1.0 + unsure).sum(axis=1)


@lru_cache(maxsize=128)
def code_for(info_bits: int, symbols: int, bits_per_symbol: int) -> LdpcQam:
    """`LdpcQam`, made once."""
    return LdpcQam(info_bits, symbols, bits_per_symbol)


def unbiased(features: np.ndarray, noise_variance: np.ndarray) -> np.ndarray:
    """The estimates ``symbol + noise`` out of the receiver's LMMSE estimates, see `PayloadResult`."""
    with np.errstate(invalid="ignore"):
        return features * (1.0 + noise_variance)


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
