# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which causes are tried, and what proves each."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from sdr_sc.diagnosis import observe
from sdr_sc.diagnosis.cause import Cause, Diagnosis
from sdr_sc.diagnosis.own_preamble import SAME_RATE, Match, best_match, likely_ratios
from sdr_sc.diagnosis.periods import Period, find_periods
from sdr_sc.diagnosis.resample import Spectrum
from sdr_sc.diagnosis.sizes import Sizes, other_sizes
from sdr_sc.phy.frame.modes import FrameMode, frame_layout
from sdr_sc.phy.frame.preamble import detection_period
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.receiver import ReceivedFrame, Receiver
from sdr_sc.phy.receive.sample_buffer import LARGEST_SAMPLE

LONGEST = 262_144
"""Samples that a diagnosis looks at, at most: it takes well under a second."""
_WEAK_DB = -3.0
"""The highest of a few bursts' SNRs reads 2 dB high: half of the frames are lost at -5 dB by noise alone.

It is below this in 43 % of stretches at -5 dB, in 73 % at -7 dB, in 3 % at -3 dB, and in none of 60 at 0 dB.
"""
_CLEAR_DB = 10.0
"""SNR at which neither noise, for which 0 dB are enough, nor fading 10 dB deep explain that no header is read."""
_MUCH_CLIPPED = 0.15
_RANGE_SUBCARRIERS = 2.0
_LEAST_RATIO, _BAND_IS_CUT = 0.24, 0.8
_SAME_LENGTH, _REPEATS = 0.1, 0.7


def diagnose(samples: np.ndarray, numerology: Numerology) -> Diagnosis:
    """Why a receiver finds no frame in a stretch of samples.

    Causes that concern our own frames are tried with the receiver itself: the stretch is shifted, inverted, resampled,
    or received with other sizes, and a cause counts as proven if that gives frames. What is left is described as far
    as it can be without a proof.

    Args:
        samples: complex64 (n,), full scale 1; of more than `LONGEST` the part with the strongest signal is taken.
        numerology: the receiver's.
    """
    samples = _finite(samples)
    n = numerology
    if not np.any(samples):
        return Diagnosis(Cause.EMPTY)
    frames = _frames(samples, n)
    if frames:
        return Diagnosis(Cause.RECEIVED, True, len(frames))
    ours = _ours(samples, n)
    if ours is not None and (ours.proven or ours.cause is Cause.TOO_SHORT):
        return ours
    share = observe.clipped_share(samples)
    if share >= _MUCH_CLIPPED and not _is_steady(samples):
        return Diagnosis(Cause.CLIPPED, share=share)
    if ours is not None:
        return ours
    if len(samples) < n.payload_offset:
        return Diagnosis(Cause.TOO_SHORT)
    tone = observe.carrier(samples)
    if tone is not None:
        return Diagnosis(Cause.CARRIER, offset=tone)
    sizes = observe.ofdm_sizes(samples)
    if sizes is not None:
        return Diagnosis(Cause.OTHER_OFDM, ofdm=sizes)
    if observe.is_noise(samples):
        return Diagnosis(Cause.NOISE)
    return Diagnosis(Cause.UNKNOWN)


def _finite(samples: np.ndarray) -> np.ndarray:
    """The strongest stretch, with what is no number as 0, and a largest part of 1 where single precision would fail."""
    samples = np.ascontiguousarray(samples, np.complex64)
    if len(samples) > LONGEST:
        hop = LONGEST // 4
        starts = range(0, len(samples) - LONGEST + hop, hop)
        loud = [float(np.abs(samples[at : at + LONGEST : 16]).max(initial=0.0)) for at in starts]
        at = min(starts[int(np.argmax(np.nan_to_num(loud)))], len(samples) - LONGEST)
        samples = samples[at : at + LONGEST]
    parts = samples.view(np.float32)
    parts = np.where(np.abs(parts) < LARGEST_SAMPLE, parts, np.float32(0))
    largest = float(np.abs(parts).max(initial=0.0))
    if largest and not 1e-6 < largest < 1e6:
        parts = parts / np.float32(largest)
    return parts.astype(np.float32).view(np.complex64)


def _is_steady(samples: np.ndarray) -> bool:
    """A carrier alone sits at its largest value all the time, and is not clipped."""
    return observe.carrier(samples) is not None


def _frames(samples: np.ndarray, numerology: Numerology) -> list[ReceivedFrame]:
    receiver = Receiver(numerology)
    return receiver.push(samples) + receiver.flush()


def _ours(samples: np.ndarray, n: Numerology) -> Diagnosis | None:
    """Why frames of ours are not received, ``UNKNOWN`` if they are there and that is not clear; None without them.

    What a header or a frame proves comes before what is likely.
    """
    unread: list[tuple[Period, Match]] = []
    periods = find_periods(samples, detection_period(n))
    for period in periods:
        for ratio in likely_ratios(period, n):
            match = best_match(samples, period, ratio, n, tuple(FrameMode))
            if match is None:
                continue
            found = _proven(samples, match, n)
            if found is not None:
                return found
            rest = frame_layout(n, match.mode).header_symbols * n.symbol_samples + 2 * n.fft_size + n.symbol_samples
            if min(match.starts) + rest * match.ratio > len(samples):
                return Diagnosis(Cause.TOO_SHORT)
            unread.append((period, match))
    same = [(period, match) for period, match in unread if abs(match.ratio - 1.0) < SAME_RATE]
    likely: Diagnosis | None = None
    for period in periods:
        own = next((one for each, one in same if each is period and one.mode is FrameMode.NORMAL), None)
        sizes = other_sizes(samples, period, n, own)
        found = None if sizes is None else _with_sizes(sizes, n)
        if found is not None and found.frames:
            return found
        if found is not None and found.proven and likely is None:
            likely = found
    if likely is not None:
        return likely
    if same:
        return _without_header(samples, same[0][1], n)
    return next(filter(None, (_too_fast(samples, period, n) for period in periods)), None)


def _without_header(samples: np.ndarray, match: Match, n: Numerology) -> Diagnosis:
    """Training symbols of ours after which no header is read, with no layout that is tried."""
    snrs_db = _snrs_db(samples, match, n)
    if not len(snrs_db):
        return Diagnosis(Cause.UNKNOWN)
    if snrs_db.max() < _WEAK_DB:  # a place that was missed has too little
        return Diagnosis(Cause.WEAK, snr_db=float(snrs_db.max()))
    if np.median(snrs_db) < _CLEAR_DB:
        return Diagnosis(Cause.UNKNOWN)
    return Diagnosis(Cause.NUMEROLOGY, offset=match.offset, inverted=match.inverted)


def _too_fast(samples: np.ndarray, period: Period, n: Numerology) -> Diagnosis | None:
    """A likely rate above the receiver's, of which only a part of the band is there: its preamble cannot be checked.

    The repeating part has to last as long as ours, and training symbols, which repeat every four periods, to follow it.
    """
    whole = n.detection_symbols * n.symbol_samples
    if not period.bursts:
        return None
    lasts = float(np.median([burst.stop - burst.start for burst in period.bursts]))
    # At a few samples a period, twice the period may be the clearer one; how long it lasts decides.
    times = max(round(period.lag / detection_period(n) * whole / lasts), 1)
    ratio = period.lag / times / detection_period(n)
    if not _LEAST_RATIO <= ratio <= _BAND_IS_CUT:
        return None
    size = round(ratio * n.fft_size)
    alike = 0
    for burst in period.bursts:
        begin = burst.stop + round(n.cyclic_prefix * ratio)
        one, two = samples[begin : begin + size], samples[begin + size : begin + 2 * size]
        if len(one) == len(two) > 0 and abs((burst.stop - burst.start) / (whole * ratio) - 1.0) < _SAME_LENGTH:
            power = np.sqrt(np.vdot(one, one).real * np.vdot(two, two).real)
            alike += bool(abs(np.vdot(one, two)) > _REPEATS * power > 0)
    return Diagnosis(Cause.RATE, False, ratio=ratio) if alike >= 2 and 2 * alike > len(period.bursts) else None


def _proven(samples: np.ndarray, match: Match, n: Numerology) -> Diagnosis | None:
    """The diagnosis if the receiver finds frames under a hypothesis."""
    whole = int(len(samples) / match.ratio)
    part = samples[: round(whole * match.ratio)]
    frames = _frames(Spectrum(part).seen(match.offset, match.ratio, match.inverted), n)
    if not frames:
        return None
    left = float(np.median([frame.cfo_hz for frame in frames])) / n.sample_rate_hz / match.ratio
    shifted = round(match.offset * len(part)) / len(part)  # by whole bins
    offset = shifted - left if match.inverted else shifted + left
    subcarriers = offset * match.ratio * n.fft_size
    beyond = abs(subcarriers) > _RANGE_SUBCARRIERS
    if abs(match.ratio - 1.0) >= SAME_RATE:
        cause = Cause.OFF_CENTRE if beyond else Cause.RATE
    else:
        cause = Cause.OFFSET
    if match.inverted:
        cause = Cause.INVERTED
    return Diagnosis(cause, True, len(frames), offset, match.ratio, match.inverted)


def _snrs_db(samples: np.ndarray, match: Match, n: Numerology) -> np.ndarray:
    """SNR per occupied subcarrier by the two equal training symbols of each burst, dB."""
    found = []
    for start in match.starts:
        at = round(start)
        one, two = samples[at : at + n.fft_size], samples[at + n.fft_size : at + 2 * n.fft_size]
        if at >= 0 and len(two) == n.fft_size:
            same, power = abs(np.vdot(one, two)), 0.5 * (np.vdot(one, one).real + np.vdot(two, two).real)
            noise = max(power - same, 1e-12 * power, 1e-30)
            found.append(10 * np.log10(max(same, 1e-30) / noise / n.mean_sample_power))
    return np.array(found)


def _with_sizes(sizes: Sizes, own: Numerology) -> Diagnosis | None:
    other, match = sizes.numerology, sizes.match
    names = [field.name for field in fields(own) if field.name not in ("sample_rate_hz", "early_window")]
    if not sizes.headers:
        names = ["fft_size"]
    differing = {name: getattr(other, name) for name in names if getattr(other, name) != getattr(own, name)}
    if sizes.headers and not differing:
        return None  # the receiver reads these as well
    return Diagnosis(Cause.NUMEROLOGY, bool(differing), sizes.headers, match.offset, 1.0, match.inverted, differing)
