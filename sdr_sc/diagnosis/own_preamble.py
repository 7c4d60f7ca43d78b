# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a stretch that repeats is the detection part of our preamble, at which rate, offset and sense."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from sdr_sc.diagnosis.periods import Burst, Period
from sdr_sc.diagnosis.resample import Spectrum
from sdr_sc.phy.frame.modes import FrameLayout, FrameMode, frame_layout
from sdr_sc.phy.frame.preamble import detection_period
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.detect import Candidate
from sdr_sc.phy.receive.sync import Synchronisation, Synchroniser, search_radius

SLOWEST, FASTEST = 0.45, 26.0
"""Samples per sample of the receiver's numerology for which a preamble is looked for."""
SAME_RATE = 0.01
_SNAP = 3e-3
_MOST_SHIFTS = 16
_MARGIN = 3.0  # periods in front of a burst
_BURSTS = 4


@dataclass(frozen=True)
class Match:
    """A hypothesis under which the training symbols are there.

    Attributes:
        ratio, offset, inverted: as of `Spectrum.seen`; the offset is exact.
        coherence: mean over the bursts of the share of the power that the training symbols explain, 0..1.
        starts: for each burst in which they are clear, the index in the original samples of the first symbol of the
            last training block.
        mode: of the frames.
    """

    ratio: float
    offset: float
    inverted: bool
    coherence: float
    starts: tuple[float, ...]
    mode: FrameMode = FrameMode.NORMAL


def least_coherence(numerology: Numerology) -> float:
    """What noise does not reach: the largest of some hundred places, each of ``used`` dimensions."""
    return max(0.15, min(0.6, 10.0 / numerology.used))


def likely_ratios(period: Period, numerology: Numerology) -> list[float]:
    """Ratios that a period stands for: the nearest simple fractions, then as measured."""
    measured = period.lag / detection_period(numerology)
    if not SLOWEST <= measured <= FASTEST:
        return []
    if abs(measured - 1.0) < SAME_RATE:
        return [1.0]
    simple = {Fraction(measured).limit_denominator(most) for most in (1, 2, 4, 5, 8, 12, 25)}
    near = [float(each) for each in simple if each > 0 and abs(float(each) / measured - 1.0) < _SNAP]
    return [*sorted(near, key=lambda each: abs(each / measured - 1.0))[:3], measured]


def best_match(
    samples: np.ndarray,
    period: Period,
    ratio: float,
    numerology: Numerology,
    modes: Sequence[FrameMode] = (FrameMode.NORMAL,),
) -> Match | None:
    """The offset and sense under which the training symbols follow the bursts, or None.

    Args:
        samples: complex64 (n,).
        period: with its bursts.
        ratio: as of `Spectrum.seen`.
        numerology: whose preamble it may be.
        modes: of the frames; that whose detection part is as long as the bursts is tried first.
    """
    layouts = sorted((frame_layout(numerology, mode) for mode in modes), key=lambda one: _misfit(one, period, ratio))
    matches = (_best_match(samples, period, ratio, layout) for layout in layouts)
    return next((match for match in matches if match is not None), None)


def _misfit(layout: FrameLayout, period: Period, ratio: float) -> float:
    """How unlike the bursts' length is to that of a mode's detection part."""
    lasts = float(np.median([burst.stop - burst.start for burst in period.bursts])) if period.bursts else 0.0
    return abs(float(np.log(max(lasts, 1.0) / (layout.detection_samples * ratio))))


def _best_match(samples: np.ndarray, period: Period, ratio: float, layout: FrameLayout) -> Match | None:
    numerology = layout.numerology
    synchroniser = Synchroniser(numerology, layout.mode)
    excerpts = [_excerpt(samples, burst, period.lag, ratio, layout) for burst in period.bursts[:_BURSTS]]
    hypotheses: dict[tuple[float, bool], list[Synchronisation | None]] = {}
    for shift in _shifts(excerpts, period, ratio, numerology):
        for inverted in (False, True):
            hypotheses[shift, inverted] = [
                synchroniser.synchronise(
                    spectrum.seen(shift, ratio, inverted), Candidate(max(round(begin / ratio), 0), 0.0, 1.0)
                )
                for spectrum, _, begin in excerpts
            ]
    if not hypotheses:
        return None

    def coherence(syncs: list[Synchronisation | None]) -> float:
        return sum(sync.coherence for sync in syncs if sync is not None) / len(syncs)

    (shift, inverted), syncs = max(hypotheses.items(), key=lambda each: coherence(each[1]))
    limit = least_coherence(numerology)
    clear = [(sync, first) for sync, (_, first, _) in zip(syncs, excerpts, strict=True)
             if sync is not None and sync.coherence >= limit]  # fmt: skip
    if coherence(syncs) < limit or not clear:
        return None
    left = float(np.median([sync.cycles_per_sample for sync, _ in clear])) / ratio
    training = layout.preamble_samples - 2 * numerology.fft_size
    starts = tuple(first + (sync.start + training) * ratio for sync, first in clear)
    return Match(ratio, shift - left if inverted else shift + left, inverted, coherence(syncs), starts, layout.mode)


def _excerpt(
    samples: np.ndarray, burst: Burst, lag: float, ratio: float, layout: FrameLayout
) -> tuple[Spectrum, int, float]:
    """The spectrum of what a synchroniser needs around a burst, its first index, and the frame's place in it."""
    # The end of the repeating part is nearer to the training symbols than its beginning.
    n = layout.numerology
    begin = burst.stop - layout.detection_samples * ratio
    first = max(int(begin - _MARGIN * lag), 0)
    needed = layout.preamble_samples + search_radius(n) + 2 * n.fft_size
    length = int(needed * ratio + begin - first)
    length = round(round(length / ratio) * ratio)
    part = samples[first : first + length]
    if len(part) < length:
        part = np.concatenate((part, np.zeros(length - len(part), np.complex64)))
    return Spectrum(part), first, begin - first


def _shifts(
    excerpts: list[tuple[Spectrum, int, float]], period: Period, ratio: float, numerology: Numerology
) -> list[float]:
    """Offsets, cycles per sample, that the phase over a period leaves open; those with most power in the band first."""
    lag = max(round(period.lag), 1)
    fraction = period.bursts[0].angle / (2 * np.pi * lag)
    turns = int(np.ceil(lag / 2)) + 1
    shifts = [fraction + turn / period.lag for turn in range(-turns, turns + 1)]
    shifts = [shift for shift in shifts if -0.5 <= shift < 0.5]
    width = numerology.used / numerology.fft_size / ratio
    power = np.zeros(len(shifts))
    for spectrum, _, _ in excerpts:
        band = spectrum.band_power(width)
        power += band[np.round(np.array(shifts) * len(band)).astype(int) % len(band)] / max(band.max(), 1e-300)
    order = np.argsort(-power, kind="stable")[:_MOST_SHIFTS]
    return [shifts[place] for place in order]
