# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes of a frame of ours that a receiver with other sizes does not know: FFT, prefix, subcarriers, header."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy import fft

from sdr_sc.diagnosis.own_preamble import Match, best_match, least_coherence
from sdr_sc.diagnosis.periods import FFT_SIZES, Period
from sdr_sc.diagnosis.resample import Spectrum
from sdr_sc.errors import NumerologyError
from sdr_sc.phy.frame.framing import pilot_values
from sdr_sc.phy.frame.header import VERSIONS, unpack
from sdr_sc.phy.frame.header_symbols import decode_bits
from sdr_sc.phy.frame.preamble import training_subcarriers
from sdr_sc.phy.numerology import Numerology

_SIZE_TOLERANCE = 0.01
_HEADER_BITS = 216
_SYMBOLS_FOLDED = 7  # a frame has at least eight after the training symbols for all common sizes
_PILOTS = (4, 8, 2, 6, 16, 32, 12, 64)
_HEADERS = (8, 4, 6, 5, 10, 12, 16)
_TRIES = 2  # frames whose header is tried with each layout
_MOST_DETECTION = 16  # symbols
_REPEATS_CLEARLY = 6.0  # times what noise has on average: half of it is reached once in 10,000 symbols
_CERTAIN = 2.0  # times the least coherence: no other number of subcarriers needs to be tried


class Sizes(NamedTuple):
    """What was found.

    Attributes:
        numerology: the sizes; if no header is read, only FFT size and occupied subcarriers are certain.
        match: of its training symbols.
        headers: that are read with it.
    """

    numerology: Numerology
    match: Match
    headers: int


def other_sizes(samples: np.ndarray, period: Period, own: Numerology, own_match: Match | None) -> Sizes | None:
    """Sizes under which the stretch holds frames of ours at the receiver's own rate, or None.

    Args:
        samples: complex64 (n,).
        period: of the detection part.
        own: the receiver's numerology.
        own_match: the training symbols of ``own`` at its own rate, where they are there: then FFT size and occupied
            subcarriers are its own.
    """
    size = min(FFT_SIZES, key=lambda each: abs(each - 4 * period.lag))
    if abs(4 * period.lag / size - 1.0) > _SIZE_TOLERANCE:
        return None
    if own_match is not None:
        found = own, own_match
    else:
        first = _with_used_subcarriers(samples, period, size, own)
        if first is None:
            return None
        found = first
    return _completed(samples, period, own, *found)


def _numerology(own: Numerology, **fields: int) -> Numerology | None:
    try:
        return replace(own, **fields)
    except NumerologyError:
        return None


def _split(used: int, pilots: int, size: int, own: Numerology, prefix: int, detection: int) -> Numerology | None:
    data = used - pilots
    if data < 1:
        return None
    header = max(own.header_symbols, -(-_HEADER_BITS // data))
    return _numerology(
        own,
        fft_size=size,
        cyclic_prefix=prefix,
        data_subcarriers=data,
        pilot_subcarriers=pilots,
        detection_symbols=detection,
        header_symbols=header,
        early_window=min(own.early_window, prefix // 2),
    )


def _with_used_subcarriers(
    samples: np.ndarray, period: Period, size: int, own: Numerology
) -> tuple[Numerology, Match] | None:
    """The numerology whose training symbols are there, its prefix and detection part being guesses."""
    prefix = size * own.cyclic_prefix // own.fft_size
    burst = max(period.bursts, key=lambda burst: burst.stop - burst.start)
    lasts = burst.stop - burst.start
    # The search for the training symbols begins at the end of the repeating part, whatever its length.
    detection = int(np.clip(round(lasts / (size + prefix)), 2, 16))
    scaled = 2 * round(own.used * size / own.fft_size / 2)
    measured = _occupied(samples, period, size)
    counts = [scaled, *(measured + step for step in (0, 2, -2, 4, -4, 6, -6))]
    best: tuple[Numerology, Match] | None = None
    for used in dict.fromkeys(counts):
        each = _split(used, 2, size, own, prefix, detection)
        if each is None:
            continue
        match = best_match(samples, period, 1.0, each)
        if match is not None and (best is None or match.coherence > best[1].coherence):
            best = each, match
            if match.coherence > _CERTAIN * least_coherence(each):
                break
    return best


def _occupied(samples: np.ndarray, period: Period, size: int) -> int:
    """Occupied subcarriers by the width of the spectrum of the symbols after the repeating part."""
    total = np.zeros(size)
    for burst in period.bursts:
        part = samples[burst.stop + size // 2 : burst.stop + size // 2 + 8 * size]
        whole = part[: len(part) // size * size].reshape(-1, size)
        if len(whole):
            shift = np.exp(-1j * burst.angle / round(period.lag) * np.arange(size))
            total += np.mean(np.abs(fft.fft(whole * shift, axis=1)) ** 2, axis=0)
    floor, top = np.quantile(total, (0.05, 0.6))
    half = size // 2
    clear = np.flatnonzero(np.roll(total, half) > floor + 0.5 * (top - floor))
    return 2 * int(np.ceil((clear[-1] - clear[0]) / 2)) if len(clear) else 0


def _completed(samples: np.ndarray, period: Period, own: Numerology, guess: Numerology, match: Match) -> Sizes:
    """Prefix from the symbols after the training, then the header by trial."""
    n = guess
    seen = Spectrum(samples).seen(match.offset, 1.0, match.inverted)
    starts, prefixes = _prefixes(seen, [round(start) for start in match.starts], n.fft_size)
    pilot_counts = dict.fromkeys((n.pilot_subcarriers, 2 * round(n.used / 26), *_PILOTS))
    for prefix in prefixes:
        detection = _detection_symbols(seen, starts, n.fft_size, prefix)
        if detection is None or abs(detection - own.detection_symbols) <= 1:
            detection = own.detection_symbols  # one more or less does not keep a frame from being received
        spectra = _Spectra(seen, starts, n.fft_size, prefix)
        for pilots in pilot_counts:
            base = _split(n.used, pilots, n.fft_size, n, prefix, detection)
            if base is None:
                continue
            least = -(-_HEADER_BITS // base.data_subcarriers)
            for header in dict.fromkeys((base.header_symbols, least, least + 1, least + 2, *_HEADERS)):
                each = _numerology(base, header_symbols=header)
                if each is not None and spectra.headers_read(each, _TRIES):
                    return Sizes(each, match, spectra.headers_read(each))
    return Sizes(n, match, 0)


def _prefixes(samples: np.ndarray, starts: list[int], size: int) -> tuple[list[int], list[int]]:
    """Where each training begins, the clearest first, and the prefixes with which the symbols after repeat their ends.

    A double prefix as long as a symbol looks like the first of three training symbols, and noise decides at each place
    which two of them are taken: so at each place one symbol later counts too.
    """
    best, likely, prefix = starts, -1.0, size // 4
    for each in range(size // 8, size // 2 + 1):
        repeats = [max((_repeat(samples, start + later, size, each), start + later) for later in (0, size))
                   for start in starts]  # fmt: skip
        # Likelihood of a repeat against none: the squared coefficient times the samples that it rests on.
        value = sum(coefficient**2 for coefficient, _ in repeats) * each
        if value > likely:
            likely, prefix = value, each
            best = [start for _, start in sorted(repeats, reverse=True)]
    usual = [size // share for share in (4, 8, 2)]
    return best, list(dict.fromkeys((prefix, *usual)))


def _repeat(samples: np.ndarray, start: int, size: int, prefix: int) -> float:
    """How much the symbols after training symbols that begin at ``start`` repeat their ends in front, 0..1."""
    total, energy = 0j, 1e-30
    for symbol in range(_SYMBOLS_FOLDED):
        at = start + 2 * size + symbol * (size + prefix)
        one, two = samples[max(at, 0) : at + prefix], samples[max(at, 0) + size : at + prefix + size]
        if at >= 0 and len(two) == prefix:
            total += np.vdot(one, two)
            energy += 0.5 * (np.vdot(one, one).real + np.vdot(two, two).real)
    return float(abs(total) / energy)


def _detection_symbols(samples: np.ndarray, starts: list[int], size: int, prefix: int) -> int | None:
    """How many symbols in front of the training repeat four times each; None where noise hides it.

    A header is read with any number of them, so that this has to be as certain by itself.
    """
    lag, symbol = size // 4, size + prefix
    repeats = []
    for number in range(_MOST_DETECTION):
        total, energy = 0j, 1e-30
        for start in starts:
            end = start - 2 * prefix - number * symbol
            one, two = samples[max(end - symbol, 0) : end - lag], samples[max(end - symbol, 0) + lag : end]
            if end >= symbol:
                total += np.vdot(one, two)
                energy += 0.5 * (np.vdot(one, one).real + np.vdot(two, two).real)
        repeats.append(float(abs(total) / energy))
    usual = 0.5 * (repeats[0] + repeats[1])
    if usual < _REPEATS_CLEARLY / np.sqrt(len(starts) * (symbol - lag)):
        return None
    missing = np.flatnonzero(np.array(repeats) < 0.5 * usual)
    return max(int(missing[0]), 2) if len(missing) else _MOST_DETECTION


class _Spectra:
    """The occupied subcarriers of training and following symbols, to read headers of several layouts from."""

    def __init__(self, samples: np.ndarray, starts: list[int], size: int, prefix: int) -> None:
        self._samples, self._size, self._prefix = samples, size, prefix
        self._starts = [start for start in starts if start >= prefix]
        self._early = prefix // 4  # the windows begin within the prefix
        self._kept: dict[tuple[int, int], np.ndarray] = {}

    def headers_read(self, n: Numerology, most: int | None = None) -> int:
        """How many frames, of the first ``most``, have a header that passes its check."""
        return sum(self._reads(start, n) for start in self._starts[:most])

    def _symbols(self, start: int, n: Numerology) -> np.ndarray:
        """complex (2 + header_symbols, used), without the carrier offset that the training shows."""
        size, count = self._size, n.header_symbols
        kept = self._kept.get((start, n.used))
        if kept is None or len(kept) < count + 2:
            first = start - self._early
            more = np.arange(max(count, max(_HEADERS)))
            begins = np.concatenate(([0, size], 2 * size + self._prefix + more * (size + self._prefix)))
            windows = [self._samples[first + begin : first + begin + size] for begin in begins]
            whole = [window for window in windows if len(window) == size]
            kept = fft.fft(np.array(whole), axis=1)[:, n.bins] if len(whole) > 2 else np.empty((0, n.used))
            if len(whole) > 2:
                slope = float(np.angle(np.vdot(kept[0], kept[1]))) / size  # rad a sample
                kept = kept * np.exp(-1j * slope * begins[: len(kept)])[:, None]
            self._kept[start, n.used] = kept
        return kept[: count + 2]

    def _reads(self, start: int, n: Numerology) -> bool:
        count, symbols = n.header_symbols, self._symbols(start, n)
        if len(symbols) < count + 2:
            return False
        channel = (symbols[0] + symbols[1]) * training_subcarriers(n).conj()
        body = symbols[2:] * channel.conj()
        pilots = body[:, n.pilot_index] * pilot_values(count, n)
        turns = np.unwrap(np.angle(np.sum(pilots, axis=1)))
        times = np.arange(count) - 0.5 * (count - 1)
        line = turns.mean() + times * float(times @ turns) / max(float(times @ times), 1.0)
        body = body * np.exp(-1j * line)[:, None]
        soft = body[:, n.data_index].real
        soft = (soft / max(float(np.abs(soft).mean()), 1e-30)).astype(np.complex64)
        return any(unpack(decode_bits(soft, version)) is not None for version in VERSIONS)
