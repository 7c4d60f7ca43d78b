# SPDX-License-Identifier: GPL-3.0-or-later
"""Bits to symbols and back: the LDPC codes of 5G NR (3GPP TS 38.212) with QAM, decoded by the library ``ldpc``."""

from __future__ import annotations

import binascii
import math
import threading
from functools import lru_cache

import numpy as np

from sdr_sc.errors import MissingDependencyError
from sdr_sc.phy.coding.ldpc_nr import NrCode
from sdr_sc.phy.coding.modes import CRC_BITS, Mode
from sdr_sc.phy.coding.qam import modulate, soft_bits

_DECODING = threading.Lock()
"""A decoder is given a word and then asked for it: threads of a worker have to take turns."""
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
        iterations: of belief propagation at most; it stops when all checks are right. It is sum-product, all bits at
            once: scaled min-sum takes half the time, and loses 0.3 dB for codewords of thousands of bits.
        is_interleaved: with the standard's bit interleaver, which gives information bits the safer places of a symbol.
        shape_db: see `sdr_sc.phy.coding.qam`.

    Attributes:
        iterations_done: of all words so far.

    Raises:
        MissingDependencyError: the library ``ldpc`` is not installed.
    """

    def __init__(
        self,
        info_bits: int,
        symbols: int,
        bits_per_symbol: int,
        iterations: int = ITERATIONS,
        is_interleaved: bool = True,
        shape_db: int | None = None,
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
        self._shape_db = shape_db
        self.iterations_done = 0
        self._decoder = BpDecoder(
            self._code.matrix,
            error_rate=0.1,  # of each bit is given with each codeword
            max_iter=iterations,
            bp_method="product_sum",
            schedule="parallel",
            input_vector_type="syndrome",
        )

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
                self.iterations_done += int(self._decoder.iter)
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
