# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes steady lines off the samples before anything else sees them: DC offset, spurs, unmodulated carriers.

A line repeats after any lag, as the detection part of a preamble does after its period, so that the search finds a
candidate in every sample; and it adds to the noise of frames. Every few blocks of the stream, the spectrum of a short
stretch is compared with its mean. What stands out at one frequency in several stretches in turn, and is coherent over a
whole block, is a line: its amplitude, phase and frequency are tracked from block to block (an alpha-beta filter that
begins as a least-squares fit to all blocks so far; Kalata, IEEE Trans. Aerosp. Electron. Syst. 20 (1984) 174), and what
the blocks before predict is subtracted. The
estimate is causal and counts samples of the stream, so that results do not depend on how the stream is cut; samples of
a stream without lines are not touched.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numba import njit
from scipy import fft

BLOCK = 8192
"""Samples over which a line is estimated."""
_STRETCH = 512  # samples of the spectra that lines are looked for in
_IDLE_BLOCKS = 4  # from one look to the next where the last one showed nothing
# A line of 3.5 % of the power reaches 12 times the mean of a Hann-windowed spectrum; white noise passes it in one of
# 163,000 bins, and in four stretches in turn at one frequency with a chance of 2e-17 a block.
_STANDS_OUT = 12.0
_ROUNDS = 4
MOST_LINES = 4
"""More at once, none above three times another's power, are a signal that repeats, such as a preamble."""
_ALIKE = 3.0
_COHERENT = 0.5  # least share of a line's power that has to be found at one frequency of a whole block
_MEMORY = 8  # blocks from which on the tracking forgets: its gains are then 0.42 for the phase, 0.08 for the frequency
_JUMPED = 0.5  # of the amplitude, by which it has to be off to be taken as new
_GONE, _GONE_ROUNDS = 12.0, 4  # times the noise of an estimate, below which a line is given up after so many blocks
_ROUNDING = 1e-10  # of a line's power: single precision leaves some 1e-14 of it, in lines
_RAMP = 64
_HANN = np.hanning(_STRETCH + 1)[:-1].astype(np.float32)
_LONG_HANN = np.hanning(BLOCK + 1)[:-1].astype(np.float32)


@dataclass
class Line:
    """A sinusoid in the stream.

    Attributes:
        cycles_per_sample: its frequency over the sample rate, -0.5..0.5.
        amplitude: complex, at the first sample of the present block.
        age: blocks that it was estimated over.
        doubt: blocks in turn in which it did not stand out.
    """

    cycles_per_sample: float
    amplitude: complex
    age: int = 1
    doubt: int = 0


@dataclass
class FrontEnd:
    """Finds, follows and subtracts lines.

    Attributes:
        lines: those that are subtracted at present.

    >>> front_end, tone = FrontEnd(), np.full(20 * BLOCK, 1 + 1j, np.complex64)
    >>> front_end.process(tone)
    >>> abs(tone[0]) > 1.4, float(np.abs(tone[-BLOCK:]).max()) < 1e-3
    (True, True)
    """

    lines: list[Line] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._samples = np.empty(BLOCK, np.complex64)  # of the present block, without the lines
        self._place = 0  # in it
        self._block = 0
        self._counts = np.zeros(_STRETCH, np.int64)  # stretches in turn in which each bin stood out
        self._suspects: list[tuple[int, float]] = []  # bins that stood out in enough, and their power
        self._wait = 0  # blocks to the next look

    def process(self, samples: np.ndarray) -> None:
        """Take the lines off the next samples of the stream, complex64 (n,), in place."""
        done = 0
        while done < len(samples):
            count = min(BLOCK - self._place, len(samples) - done)
            piece = samples[done : done + count]
            for line in self.lines:
                _subtract(piece, self._place, line.amplitude, line.cycles_per_sample, _RAMP)
            begin, end = self._kept()
            first, last = max(begin - self._place, 0), min(end - self._place, count)
            if first < last:
                self._samples[self._place + first : self._place + last] = piece[first:last]
            self._place += count
            done += count
            if self._place == BLOCK:
                self._settle()
                self._place, self._block = 0, self._block + 1

    def restart(self) -> None:
        """Samples are missing before the next: a DC offset stays, and the phase of all else is unknown."""
        self.lines = [line for line in self.lines if abs(line.cycles_per_sample) * BLOCK < 0.01]
        self._counts[:], self._suspects, self._wait, self._place = 0, [], 0, 0

    def _kept(self) -> tuple[int, int]:
        """The part of the present block that is needed at its end."""
        if self.lines or self._suspects:
            return 0, BLOCK
        if self._wait:
            return 0, 0
        # Frames may come in step with the blocks: the stretch lies elsewhere in each.
        first = (self._block * 2654435761) % (1 << 32) * (BLOCK - _STRETCH) >> 32
        return first, first + _STRETCH

    def _settle(self) -> None:
        begin, end = self._kept()
        if self.lines:
            power, before = _mean_power(self._samples), self.lines
            strongest = max(abs(line.amplitude) for line in before)
            self.lines = [line for line in before if self._follow(line, power)]
            if len(self.lines) < len(before) or power < _ROUNDING * strongest**2:
                self._counts[:], self._suspects = 0, []  # what is left are the lines that were subtracted, or rounding
                return
        if self._suspects:
            self._take_up()
        elif self._wait:
            self._wait -= 1
        elif len(self.lines) < MOST_LINES:
            self._look(self._samples[end - _STRETCH : end])
            self._wait = 0 if self._counts.any() else _IDLE_BLOCKS - 1

    def _look(self, stretch: np.ndarray) -> None:
        """Note which bins stand out in a stretch; those that did in enough become suspects."""
        spectrum = fft.fft(stretch * _HANN, overwrite_x=True)
        found = _count_peaks(spectrum, _STANDS_OUT, _ALIKE, MOST_LINES, self._counts)
        if found and self._counts.max() >= _ROUNDS:
            scale = 1.0 / float(_HANN.sum()) ** 2
            for place in np.flatnonzero(self._counts >= _ROUNDS):
                self._suspects.append((int(place), scale * abs(complex(spectrum[place])) ** 2))
            self._counts[:] = 0

    def _take_up(self) -> None:
        """Estimate the suspects over the whole block, and take up those that are lines."""
        spectrum = fft.fft(self._samples * _LONG_HANN, overwrite_x=True)
        ratio, scale = BLOCK // _STRETCH, 1.0 / float(_LONG_HANN.sum()) ** 2
        for place, power in self._suspects[: MOST_LINES - len(self.lines)]:
            if any(
                abs((line.cycles_per_sample * _STRETCH - place + _STRETCH / 2) % _STRETCH - _STRETCH / 2) < 2
                for line in self.lines
            ):
                continue  # what a line leaves while it moves
            bins = np.arange((place - 2) * ratio, (place + 2) * ratio + 1) % BLOCK
            peak = int(bins[np.argmax(np.abs(spectrum[bins]))])
            if scale * abs(complex(spectrum[peak])) ** 2 < _COHERENT * power:
                continue
            cycles = _interpolated(spectrum, peak)
            line = Line(cycles, complex(_correlation(self._samples, cycles, _RAMP)))
            line.amplitude *= np.exp(2j * np.pi * cycles * BLOCK)
            self.lines.append(line)
        self._suspects = []

    def _follow(self, line: Line, power: float) -> bool:
        """Update a line by what it left in the block, whose mean power is given; False if it is gone."""
        left = complex(_correlation(self._samples, line.cycles_per_sample, _RAMP))
        seen, cycles = line.amplitude + left, line.cycles_per_sample
        age = line.age = min(line.age + 1, _MEMORY)
        stands_out = abs(seen) ** 2 >= _GONE * power / BLOCK
        if abs(left) > _JUMPED * abs(line.amplitude):
            if not stands_out:
                return False  # it has ended: what is left is what was subtracted
            line.amplitude, line.age = seen, 1
        else:
            advance = float(np.angle(seen * line.amplitude.conjugate())) / (2 * np.pi)
            line.amplitude += 2 * (2 * age - 1) / (age * (age + 1)) * left
            line.cycles_per_sample += 6 / (age * (age + 1)) * advance / BLOCK
        line.amplitude *= np.exp(1j * np.pi * (cycles + line.cycles_per_sample) * BLOCK)
        line.doubt = 0 if stands_out else line.doubt + 1
        return line.doubt < _GONE_ROUNDS


def _interpolated(spectrum: np.ndarray, peak: int) -> float:
    """Cycles per sample of a line whose Hann-windowed spectrum has a peak: two neighbouring bins of a window that long
    have magnitudes in the ratio (1 + d)/(2 - d), d bins from the larger to the smaller."""
    size = len(spectrum)
    before, at, after = (abs(complex(spectrum[(peak + step) % size])) for step in (-1, 0, 1))
    side, sign = (after, 1) if after >= before else (before, -1)
    share = side / at
    offset = sign * (2 * share - 1) / (share + 1)
    cycles = (peak + offset) / size
    return cycles - 1.0 if cycles > 0.5 else cycles


@njit(cache=True, nogil=True)
def _subtract(samples: np.ndarray, place: int, amplitude: complex, cycles: float, step: int) -> None:
    """Subtract ``amplitude exp(2j pi cycles m)`` from samples that begin at m = ``place``, in place."""
    ramp = np.empty(step, np.complex64)
    for m in range(step):
        angle = 2.0 * np.pi * cycles * m
        ramp[m] = np.complex64(complex(np.cos(angle), np.sin(angle)))
    done = 0
    while done < len(samples):
        part, first = divmod(place + done, step)
        count = min(step - first, len(samples) - done)
        angle = 2.0 * np.pi * ((cycles * step * part) % 1.0)
        base = np.complex64(amplitude * complex(np.cos(angle), np.sin(angle)))
        for m in range(count):
            samples[done + m] -= base * ramp[first + m]
        done += count


@njit(cache=True, nogil=True)
def _correlation(samples: np.ndarray, cycles: float, step: int) -> complex:
    """Mean of the samples times ``exp(-2j pi cycles m)``; their number is a multiple of ``step``."""
    ramp = np.empty(step, np.complex64)
    for m in range(step):
        angle = -2.0 * np.pi * cycles * m
        ramp[m] = np.complex64(complex(np.cos(angle), np.sin(angle)))
    total = complex(0.0, 0.0)
    for part in range(len(samples) // step):
        even, odd = np.complex64(0), np.complex64(0)
        for m in range(0, step, 2):
            even += samples[part * step + m] * ramp[m]
            odd += samples[part * step + m + 1] * ramp[m + 1]
        angle = -2.0 * np.pi * ((cycles * step * part) % 1.0)
        total += complex(even + odd) * complex(np.cos(angle), np.sin(angle))
    return total / len(samples)


@njit(cache=True, nogil=True)
def _mean_power(samples: np.ndarray) -> float:
    total = 0.0
    for sample in samples:
        total += sample.real * sample.real + sample.imag * sample.imag
    return total / len(samples)


@njit(cache=True, nogil=True)
def _count_peaks(spectrum: np.ndarray, stands_out: float, alike: float, most: int, counts: np.ndarray) -> bool:
    """Count up the bins that are peaks of a spectrum, and back to 0 all others; a peak may move by a bin.

    Args:
        spectrum: complex64 (bins,).
        stands_out: times the mean power, from which a bin counts.
        alike, most: with more than ``most`` peaks within a factor of ``alike`` of the strongest, none counts.
        counts: int64 (bins,), written.

    Returns:
        Whether there is a peak that counts.
    """
    size = len(spectrum)
    powers = np.empty(size)
    total = strongest = 0.0
    for b in range(size):
        powers[b] = float(spectrum[b].real) ** 2 + float(spectrum[b].imag) ** 2
        total += powers[b]
        strongest = max(strongest, powers[b])
    before = counts.copy()
    counts[:] = 0
    floor, close = stands_out * total / size, 0
    if strongest <= floor:
        return False
    for b in range(size):
        lower, higher = powers[b - 1], powers[(b + 1) % size]
        if powers[b] >= lower and powers[b] > higher:
            close += powers[b] * alike > strongest
            if powers[b] > floor:
                counts[b] = 1 + max(before[b - 1], before[b], before[(b + 1) % size])
    if close > most:
        counts[:] = 0
    return close <= most
