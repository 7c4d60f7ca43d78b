# SPDX-License-Identifier: GPL-3.0-or-later
"""Frame modes: how much a frame spends on being found and on its header."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property, lru_cache

import numpy as np

from sdr_sc.phy.numerology import Numerology

_BLOCK_SYMBOLS = 2  # symbol durations of a training block: a double cyclic prefix and two equal symbols
# A third more than the 288 coded bits: once it is read, the header is half of what the channel is estimated from.
_SHORT_HEADER_PLACES = 384
_ROBUST = 4  # times the normal mode's detection part
_ROBUST_HEADER = 3  # times the normal mode's header


class FrameMode(IntEnum):
    """Mode of a frame; the values are those in the header."""

    SHORT = 0
    NORMAL = 1
    ROBUST = 2


@dataclass(frozen=True)
class FrameLayout:
    """What comes ahead of the payload in one mode: detection part, training blocks, header.

    Attributes:
        numerology: the sizes.
        mode: the frame mode.
        detection_symbols: symbol durations that the detection part lasts.
        training_blocks: each is a double cyclic prefix and two equal symbols, two symbol durations.
        header_symbols: symbol durations that the header lasts.
        bits_per_value: of the header: 1 for BPSK, 2 for QPSK.

    >>> [frame_layout(Numerology(), mode).overhead_symbols for mode in FrameMode]
    [8, 14, 44]
    """

    numerology: Numerology
    mode: FrameMode
    detection_symbols: int
    training_blocks: int
    header_symbols: int
    bits_per_value: int

    @cached_property
    def overhead_symbols(self) -> int:
        """Symbol durations ahead of the payload."""
        return self.detection_symbols + _BLOCK_SYMBOLS * self.training_blocks + self.header_symbols

    @cached_property
    def detection_samples(self) -> int:
        """Samples of the detection part."""
        return self.detection_symbols * self.numerology.symbol_samples

    @cached_property
    def preamble_samples(self) -> int:
        """Samples of detection part and training blocks together."""
        return self.detection_samples + _BLOCK_SYMBOLS * self.training_blocks * self.numerology.symbol_samples

    @cached_property
    def training_starts(self) -> np.ndarray:
        """int64 (2 * training_blocks,): first sample of each training symbol in the frame."""
        n = self.numerology
        blocks = self.detection_samples + _BLOCK_SYMBOLS * n.symbol_samples * np.arange(self.training_blocks)
        return (blocks[:, None] + 2 * n.cyclic_prefix + n.fft_size * np.arange(_BLOCK_SYMBOLS)).ravel()

    @cached_property
    def payload_offset(self) -> int:
        """Samples from the start of a frame to its first payload symbol."""
        return self.overhead_symbols * self.numerology.symbol_samples

    def frame_symbols(self, feature_symbols: int) -> int:
        """Symbol durations of a whole frame with ``feature_symbols`` complex feature symbols."""
        return self.overhead_symbols + self.numerology.payload_symbols(feature_symbols)

    def frame_samples(self, feature_symbols: int) -> int:
        """Samples of a whole frame with ``feature_symbols`` complex feature symbols."""
        return self.frame_symbols(feature_symbols) * self.numerology.symbol_samples


@lru_cache(maxsize=32)
def frame_layout(numerology: Numerology, mode: FrameMode) -> FrameLayout:
    """The layout of a mode: that of the numerology for the normal one, and the others from it."""
    n = numerology
    if mode is FrameMode.SHORT:
        header = -(-_SHORT_HEADER_PLACES // (2 * n.data_subcarriers))
        return FrameLayout(n, mode, min(2, n.detection_symbols), 1, header, 2)
    if mode is FrameMode.NORMAL:
        return FrameLayout(n, mode, n.detection_symbols, 1, n.header_symbols, 1)
    return FrameLayout(n, mode, _ROBUST * n.detection_symbols, 2, _ROBUST_HEADER * n.header_symbols, 1)
