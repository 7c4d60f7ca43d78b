# SPDX-License-Identifier: GPL-3.0-or-later
"""Second stage of detection: timing and carrier offset from the two channel-estimation symbols."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import fft

from sdr_sc.phy.detect import Candidate
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.preamble import detection_period, training_symbol

MIN_COHERENCE = 0.1
_FIRST_PATH = 0.15


@dataclass(frozen=True)
class Synchronisation:
    """A frame that was found.

    Attributes:
        start: index of the first sample of the frame; may be a little negative where a buffer begins late.
        cycles_per_sample: carrier frequency offset over the sample rate.
        coherence: share of the received power that the known symbols explain, 0..1.
    """

    start: int
    cycles_per_sample: float
    coherence: float


def search_radius(numerology: Numerology) -> int:
    """Samples by which the peak of the first stage may be off."""
    return numerology.fft_size + numerology.fft_size // 2


def samples_needed(numerology: Numerology) -> int:
    """Samples from a candidate's start that `synchronise` looks at."""
    return numerology.preamble_samples + search_radius(numerology)


def synchronise(samples: np.ndarray, candidate: Candidate, numerology: Numerology) -> Synchronisation | None:
    """Timing and carrier offset of a candidate, or None if the channel-estimation symbols are not there.

    Args:
        samples: complex64, at least up to ``candidate.start + samples_needed(numerology)``.
    """
    n, radius = numerology.fft_size, search_radius(numerology)
    expected = candidate.start + numerology.preamble_samples - 2 * n
    first = max(expected - radius - numerology.cyclic_prefix, 0)
    window = samples[first : expected + radius + 2 * n]
    if len(window) < 3 * n:
        return None
    best: tuple[float, int, float] = (0.0, 0, 0.0)
    for cycles in _hypotheses(candidate.cycles_per_sample, numerology):
        place, coherence = _correlate(rotate(window, -cycles), numerology)
        if coherence > best[0]:
            best = coherence, place, cycles
    coherence, place, cycles = best
    if coherence < MIN_COHERENCE:
        return None
    cycles += _fine_offset(rotate(window, -cycles), place, numerology)
    return Synchronisation(first + place + 2 * n - numerology.preamble_samples, cycles, coherence)


def rotate(samples: np.ndarray, cycles_per_sample: float) -> np.ndarray:
    """Shift samples in frequency, phase 0 at the first one; complex64."""
    return samples * np.exp(2j * np.pi * cycles_per_sample * np.arange(len(samples))).astype(np.complex64)


def _hypotheses(cycles: float, numerology: Numerology) -> list[float]:
    """The offset as measured, and one turn of the lag further where noise may have wrapped it."""
    turn = 1.0 / detection_period(numerology)
    if abs(cycles) < 0.375 * turn:
        return [cycles]
    return [cycles, cycles - np.sign(cycles) * turn]


@lru_cache(maxsize=8)
def _reference(size: int, numerology: Numerology) -> np.ndarray:
    return fft.fft(training_symbol(numerology), size).conj()


def _correlate(window: np.ndarray, numerology: Numerology) -> tuple[int, float]:
    """Index in ``window`` of the first channel-estimation symbol, and the coherence there."""
    n = numerology.fft_size
    size = fft.next_fast_len(len(window) + n)
    cross = fft.ifft(fft.fft(window, size) * _reference(size, numerology))[: len(window) - n + 1]
    power = cross.real**2 + cross.imag**2
    energy = np.cumsum(np.concatenate(([0.0], window.real.astype(np.float64) ** 2 + window.imag**2)))
    both = power[:-n] + power[n:]
    received = energy[2 * n :] - energy[: len(energy) - 2 * n]
    reference_energy = float(np.sum(np.abs(training_symbol(numerology)) ** 2))
    strongest = int(np.argmax(both))
    # Among the paths up to a cyclic prefix before the strongest one, the first that stands out.
    reach = numerology.cyclic_prefix - numerology.early_window
    early = max(strongest - reach, 0)
    floor = max(_FIRST_PATH * both[strongest], 8.0 * float(np.median(both)))
    significant = np.flatnonzero(both[early : strongest + 1] >= min(floor, both[strongest]))
    coherence = both[strongest] / max(reference_energy * received[strongest], 1e-30)
    return early + int(significant[0]), float(coherence)


def _fine_offset(window: np.ndarray, place: int, numerology: Numerology) -> float:
    """Offset left over, in cycles per sample, from the phase between the two symbols."""
    n = numerology.fft_size
    first = max(place - numerology.cyclic_prefix, 0)
    turn = np.vdot(window[first : place + n], window[first + n : place + 2 * n])
    return float(np.angle(turn)) / (2 * np.pi * n)
