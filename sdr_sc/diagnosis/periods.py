# SPDX-License-Identifier: GPL-3.0-or-later
"""Stretches that repeat, at any period: the detection part of a preamble at an unknown rate.

For each lag the metric of `sdr_sc.phy.receive.detect` (Schmidl and Cox, 1997) over eight periods, which is blind to a
carrier offset and to an inverted spectrum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PERIODS = 8
"""Periods that a stretch has to last beyond the first; the shortest detection part has nine."""
FFT_SIZES = (32, 64, 128, 256, 512, 1024)
_SHORTEST_LAG, _RATIO = 4, 26.0
_STEP, _FINEST_STEP = 0.32, 0.005
_FALSE_ALARM = 20.0  # noise exceeds metric t with probability exp(-window t) per window
_MOST_PERIODS, _MOST_BURSTS = 4, 6
_PROMINENCE = 1.15  # a tone repeats at every lag alike
_SILENCE = 1e-9


@dataclass(frozen=True)
class Burst:
    """A stretch that repeats.

    Attributes:
        start, stop: indices of its first sample and after its last, to about half a period.
        angle: of the correlation over one period, rad.
    """

    start: int
    stop: int
    angle: float


@dataclass(frozen=True)
class Period:
    """A period and where it was found.

    Attributes:
        lag: in samples, measured over the whole stretches.
        metric: of the clearest stretch, 0..1.
        bursts: the clearest first.
    """

    lag: float
    metric: float
    bursts: tuple[Burst, ...]


def find_periods(samples: np.ndarray, expected: int) -> list[Period]:
    """The periods of a signal's repeating stretches, the clearest first; few, or none.

    Args:
        samples: complex64 (n,), finite.
        expected: the period at the receiver's own rate and sizes; up to 26 times as much is looked for.
    """
    energy = np.concatenate(([0.0], np.cumsum(_powers(samples))))
    lags = [lag for lag in _lags(expected) if (PERIODS + 2) * lag < len(samples)]
    if len(lags) < 3:
        return []
    metrics = np.array([_track(samples, energy, lag)[0].max() for lag in lags])
    excess = metrics * PERIODS * np.array(lags) / _FALSE_ALARM
    peaks = []
    for place in range(1, len(lags) - 1):
        near = metrics[max(place - 2, 0) : place + 3]
        below = metrics[[i for i, lag in enumerate(lags) if lags[place] / 1.6 <= lag <= lags[place]]]
        if excess[place] >= 1.0 and metrics[place] == near.max() and metrics[place] >= _PROMINENCE * below.min():
            peaks.append(place)
    kept: list[int] = []
    for place in peaks:  # from short to long: a multiple of a period repeats as well as the period
        if not any(_is_multiple(lags[place], lags[o]) and metrics[o] >= 0.9 * metrics[place] for o in kept):
            kept.append(place)
    # The clearest, and those that noise explains least: in a wide capture noise hides the true one.
    clear = sorted(kept, key=lambda place: -metrics[place])[:_MOST_PERIODS]
    kept = list(dict.fromkeys((*clear, *sorted(kept, key=lambda place: -excess[place])[:_MOST_PERIODS])))
    found = (_measured(samples, energy, lags[place], float(metrics[place])) for place in kept)
    return [period for period in found if period is not None]


def _powers(samples: np.ndarray) -> np.ndarray:
    return samples.real.astype(np.float64) ** 2 + samples.imag.astype(np.float64) ** 2


def _lags(expected: int) -> list[int]:
    """Lags so close that a signal that fills its band does not fall between two, and those of all FFT sizes."""
    # The correlation of a signal of bandwidth B over the rate is about 1/B wide, and B falls with the lag.
    step = 1.0 + max(_STEP / expected, _FINEST_STEP)
    lags, lag = {size // 4 for size in FFT_SIZES}, float(_SHORTEST_LAG)
    while lag <= _RATIO * expected:
        lags.add(round(lag))
        lag = max(lag * step, lag + 1.0) if lag < _SHORTEST_LAG / (step - 1.0) else lag * step
    return sorted(lags)


def _is_multiple(lag: int, of: int) -> bool:
    times = round(lag / of)
    return 2 <= times <= 4 and abs(lag - of * times) <= max(0.02 * lag, 0.6)


def _track(samples: np.ndarray, energy: np.ndarray, lag: int, periods: int = PERIODS) -> tuple[np.ndarray, int]:
    """The metric at every ``hop`` samples, and the hop."""
    hop = max(4, lag // 4)
    window = periods * lag // hop  # in hops
    count = (len(samples) - lag) // hop
    if count < window:
        return np.zeros(1), hop
    products = samples[: count * hop].conj() * samples[lag : lag + count * hop]
    sums = np.concatenate(([0.0], np.cumsum(products.reshape(count, hop).sum(axis=1, dtype=np.complex64))))
    power = np.abs(sums[window:] - sums[:-window]) ** 2
    starts = hop * np.arange(count - window + 1)
    first = energy[starts + window * hop] - energy[starts]
    second = energy[starts + lag + window * hop] - energy[starts + lag]
    floor = _SILENCE * max(float(first.max()), 1e-300)
    metric = np.where((first > floor) & (second > floor), power / np.maximum(first * second, 1e-300), 0.0)
    return np.minimum(metric, 1.0), hop


def _measured(samples: np.ndarray, energy: np.ndarray, lag: int, best: float) -> Period | None:
    """The stretches of a lag, with the lag to a fraction of a sample."""
    metric, hop = _track(samples, energy, lag)
    short, _ = _track(samples, energy, lag, periods=2)
    places: list[int] = []
    rest = metric.copy()
    while len(places) < _MOST_BURSTS:
        place = int(rest.argmax())
        if rest[place] < max(0.4 * best, _FALSE_ALARM / (PERIODS * lag)):
            break
        places.append(place)
        rest[max(place - 20 * lag // hop, 0) : place + 20 * lag // hop] = 0.0
    stretches = [_stretch(short, place, hop, lag) for place in places]
    stretches = [(a, b) for a, b in stretches if b - a >= PERIODS * lag]
    if not stretches:
        return None
    exact = _refined(samples, stretches, float(lag))
    bursts = tuple(Burst(a, b, _angle(samples[a:b], round(exact))) for a, b in stretches)
    return Period(exact, best, bursts)


def _stretch(short: np.ndarray, place: int, hop: int, lag: int) -> tuple[int, int]:
    """How far a stretch reaches around a place of its clear middle."""
    middle = place + PERIODS * lag // (2 * hop)
    width = PERIODS * lag // (4 * hop)
    limit = 0.5 * float(np.median(short[max(middle - width, 0) : middle + width + 1]))
    first = last = min(middle, len(short) - 1)
    while first > 0 and short[first - 1] >= limit:
        first -= 1
    while last + 1 < len(short) and short[last + 1] >= limit:
        last += 1
    # The metric of two periods falls to half where about half a period of the stretch is missing.
    return first * hop + lag // 2, last * hop + 3 * lag - lag // 2


def _angle(stretch: np.ndarray, lag: int) -> float:
    return float(np.angle(np.vdot(stretch[:-lag], stretch[lag:])))


def _refined(samples: np.ndarray, stretches: list[tuple[int, int]], lag: float) -> float:
    """The lag from longer and longer multiples of it, each within what the shorter one left open."""
    times = 1
    while True:
        reach = max(2, round(0.02 * times * lag) + 2) if times == 1 else max(2, round(0.15 * lag))
        centre = round(times * lag)
        sums = np.zeros(2 * reach + 1)
        for a, b in stretches:
            for i, each in enumerate(range(centre - reach, centre + reach + 1)):
                if b - a - each >= 2 * lag and each > 0:
                    one, two = samples[a : b - each], samples[a + each : b]
                    norm = np.sqrt(np.vdot(one, one).real * np.vdot(two, two).real)
                    sums[i] += abs(np.vdot(one, two)) / max(norm, 1e-30)
        if sums.max() > 0:
            lag = (centre - reach + _parabola(sums)) / times
        longest = max(b - a for a, b in stretches)
        if 2 * (times + 1) * lag > longest:
            return lag
        times = 2 if times == 1 else min(2 * times, int(longest / (2 * lag)))
        if times * lag < centre * 1.2:
            return lag


def _parabola(values: np.ndarray) -> float:
    """Place of the maximum, between the values."""
    top = int(values.argmax())
    if not 0 < top < len(values) - 1:
        return float(top)
    left, middle, right = values[top - 1 : top + 2]
    curve = left - 2 * middle + right
    return top + (0.5 * (left - right) / curve if curve < 0 else 0.0)
