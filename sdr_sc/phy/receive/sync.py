# SPDX-License-Identifier: GPL-3.0-or-later
"""Second stage of detection: timing and carrier offset from the two channel-estimation symbols."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from scipy import fft

from sdr_sc.phy.frame.modes import FrameMode, frame_layout
from sdr_sc.phy.frame.preamble import detection_period, training_symbol
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.detect import Candidate

MIN_COHERENCE = 0.1  # with 64 points, 0.5 % of searches in noise alone reach it (measured: 0.094 in 1 %, 0.11 in 0.1 %)
MIN_COHERENCE_SHORT = 0.15  # the short mode is for 5 dB and more, where the training symbols explain 0.7 of the power
CFO_RANGE_SUBCARRIERS = 2.0
"""Carrier offset, either way, that the detection part's period shows without ambiguity."""
MOST_CFO_RANGE_SUBCARRIERS = 8.0
"""Largest offset that can be asked for."""
_RANGE_MARGIN = 0.5  # subcarriers by which noise may move an offset at the end of the range
# Share of the strongest path's power from which an earlier path counts. The training symbol's own correlation reaches
# 0.04 to 0.063 of its peak within a prefix before it, with FFTs of 32 to 1024 points: more than twice that.
_FIRST_PATH = 0.15


class Synchronisation(NamedTuple):
    """A frame that was found.

    Attributes:
        start: index in the stream of the first sample of the frame; may be a little negative.
        cycles_per_sample: carrier frequency offset over the sample rate.
        coherence: share of the received power that the known symbols explain, 0..1.
        amplitude: root of the mean power of the channel-estimation symbols' samples.
    """

    start: int
    cycles_per_sample: float
    coherence: float
    amplitude: float = 1.0


def search_radius(numerology: Numerology) -> int:
    """Samples by which the peak of the first stage may be off."""
    return numerology.fft_size + numerology.fft_size // 2


def samples_needed(numerology: Numerology) -> int:
    """Samples from a candidate's start that `synchronise` looks at."""
    return numerology.preamble_samples + search_radius(numerology)


class Synchroniser:
    """Timing and carrier offset of candidates of the normal detector, for a mode with one training block; makes its
    tables once.

    Args:
        numerology: the sizes.
        mode: of the frames; robust ones only where they are strong, and by their last training block.
        cfo_range: largest carrier offset, subcarriers.
    """

    def __init__(
        self,
        numerology: Numerology,
        mode: FrameMode = FrameMode.NORMAL,
        cfo_range: float = CFO_RANGE_SUBCARRIERS,
    ) -> None:
        n, self._cfo_range = numerology, cfo_range
        self.numerology = n
        layout = frame_layout(n, mode)
        self._symbol = training_symbol(n, mode)
        self._training = layout.preamble_samples - 2 * n.fft_size
        # The detector's window is longer than a short frame's detection part: it is highest at any place where it holds
        # all of that.
        spare = (n.detection_symbols - layout.detection_symbols) * n.symbol_samples
        slack, radius = n.fft_size // 2 + n.cyclic_prefix, search_radius(n)
        self._reach = (slack, spare + slack) if spare > 0 else (radius, radius)
        self._min_coherence = MIN_COHERENCE if mode is FrameMode.NORMAL else MIN_COHERENCE_SHORT
        self._reference_energy = float(np.sum(np.abs(self._symbol.astype(np.complex128)) ** 2))
        self._references: dict[int, np.ndarray] = {}

    def synchronise(self, samples: np.ndarray, candidate: Candidate, origin: int = 0) -> Synchronisation | None:
        """Timing and carrier offset of a candidate, or None if the channel-estimation symbols are not there.

        Args:
            samples: complex64, the buffer, at least up to ``candidate.start + samples_needed(numerology)``.
            candidate: of the first stage.
            origin: index in the stream of the buffer's first sample.
        """
        numerology = self.numerology
        n = numerology.fft_size
        expected = candidate.start - origin + self._training
        first = max(expected - self._reach[0] - numerology.cyclic_prefix, 0)
        window = samples[first : expected + self._reach[1] + 2 * n]
        if len(window) < 3 * n:
            return None
        best: tuple[float, int, float, float] = (0.0, 0, 0.0, 1.0)
        for cycles in hypotheses(candidate.cycles_per_sample, numerology, self._cfo_range):
            place, coherence, amplitude, left = self._place(window, cycles)
            if coherence > best[0]:
                best = coherence, place, cycles + left, amplitude
        coherence, place, cycles, amplitude = best
        if coherence < self._min_coherence:
            return None
        start = origin + first + place - self._training
        return Synchronisation(start, cycles, coherence, amplitude)

    def _place(self, window: np.ndarray, cycles: float) -> tuple[int, float, float, float]:
        """Index in ``window`` of the first channel-estimation symbol, coherence and amplitude there, offset left."""
        n = self.numerology
        size = fft.next_fast_len(len(window) + n.fft_size)
        reference = self._references.get(size)
        if reference is None:
            reference = self._references[size] = fft.fft(self._symbol, size).conj()
        scaled, scale = turn_back(window, cycles, size)
        cross = fft.ifft(fft.fft(scaled) * reference, overwrite_x=True)
        place, coherence, energy, left = _find(
            cross, scaled, len(window), n.fft_size, n.cyclic_prefix, n.cyclic_prefix - n.early_window, _FIRST_PATH
        )
        amplitude = scale * np.sqrt(max(energy, 1e-30) / (2 * n.fft_size))
        return place, coherence / self._reference_energy, amplitude, left


def hypotheses(cycles: float, numerology: Numerology, cfo_range: float = CFO_RANGE_SUBCARRIERS) -> list[float]:
    """The offset as measured, and one turn of the lag further where noise may have wrapped it; with a range beyond the
    lag's own, all that the lag leaves open within it.

    Args:
        cycles: carrier offset over the sample rate, as measured.
        numerology: the sizes.
        cfo_range: largest offset, subcarriers.

    >>> [round(64 * cycles, 1) for cycles in hypotheses(1.0 / 64, Numerology(), 8.0)]
    [-7.0, -3.0, 1.0, 5.0]
    """
    turn = 1.0 / detection_period(numerology)
    if cfo_range > CFO_RANGE_SUBCARRIERS:
        reach = (cfo_range + _RANGE_MARGIN) / numerology.fft_size
        first, last = math.ceil((-reach - cycles) / turn), math.floor((reach - cycles) / turn)
        return [cycles + number * turn for number in range(first, last + 1)]
    if abs(cycles) < 0.375 * turn:
        return [cycles]
    return [cycles, cycles - np.sign(cycles) * turn]


@njit(cache=True, nogil=True)
def turn_back(window: np.ndarray, cycles: float, size: int) -> tuple[np.ndarray, float]:
    """The window turned by the offset and divided by its largest value, so that no power leaves the range of single
    precision; after it zeros up to ``size``. And what it was divided by."""
    largest = np.float32(0)
    for i in range(len(window)):
        largest = max(largest, abs(window[i].real), abs(window[i].imag))
    scale = max(largest, np.float32(1e-30))
    out = np.zeros(size, np.complex64)
    step = complex(np.cos(-2 * np.pi * cycles), np.sin(-2 * np.pi * cycles))
    turn = complex(1.0 / scale, 0.0)
    for i in range(len(window)):
        out[i] = np.complex64(window[i] * turn)
        turn *= step
    return out, float(scale)


@njit(cache=True, nogil=True)
def _find(
    cross: np.ndarray, window: np.ndarray, length: int, n: int, prefix: int, reach: int, first_path: float
) -> tuple[int, float, float, float]:
    """Place of the first symbol; share of the energy of both that the reference explains, times the reference's
    energy; that energy; and the carrier offset, cycles per sample, that the phase between the two leaves."""
    count = length - 2 * n + 1
    both = np.empty(count, np.float64)
    strongest = 0
    for d in range(count):
        a, b = cross[d], cross[d + n]
        both[d] = float(a.real) ** 2 + float(a.imag) ** 2 + float(b.real) ** 2 + float(b.imag) ** 2
        if both[d] > both[strongest]:
            strongest = d
    # With a prefix near half of the FFT, the double prefix and the first symbol score like the two symbols after it.
    if 8 * prefix > 3 * n and strongest + n < count and both[strongest + n] >= 0.8 * both[strongest]:
        strongest += n
    energy = 0.0
    for i in range(strongest, strongest + 2 * n):
        energy += float(window[i].real) ** 2 + float(window[i].imag) ** 2
    # Among the paths up to a cyclic prefix before the strongest one, the first that stands out.
    floor = min(max(first_path * both[strongest], 8.0 * np.median(both)), both[strongest])
    place = max(strongest - reach, 0)
    while both[place] < floor:
        place += 1
    turn = complex(0.0, 0.0)
    for i in range(max(place - prefix, 0), place + n):
        turn += np.conj(window[i]) * window[i + n]
    left = np.arctan2(turn.imag, turn.real) / (2 * np.pi * n)
    return place, both[strongest] / max(energy, 1e-30), energy, left
