# SPDX-License-Identifier: GPL-3.0-or-later
"""A channel of paths: arbitrary delays in seconds, gains that change over time, rendered at any sample rate."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numba import njit

from sdr_sc.errors import ChannelError
from sdr_sc.phy.channels.base import check, check_rate, generator
from sdr_sc.phy.channels.sinc import HALF_TAPS, windowed_sinc
from sdr_sc.phy.linear import matmul

_BLOCK_STEPS = 64
_LONGEST_STEP = 4096
_FOREVER = 2**62
_LONGEST_LINE = 100_000


class Realisation(Protocol):
    """One course that the gains of all paths take over time."""

    def gains(self, start_s: float, step_s: float, count: int) -> np.ndarray:
        """complex128 (count, paths): gains at ``start_s + i * step_s`` seconds after the realisation's beginning."""
        ...


class PathGains(Protocol):
    """A process that realisations of the gains are drawn from.

    Attributes:
        mean_power: mean of the summed power of all paths.
        longest_step_s: time over which gains may be interpolated linearly; infinite where they are constant.
    """

    @property
    def mean_power(self) -> float: ...

    @property
    def longest_step_s(self) -> float: ...

    def draw(self, rng: np.random.Generator) -> Realisation:
        """A new, independent realisation."""
        ...


def delay_filters(delay_samples: np.ndarray) -> tuple[np.ndarray, int]:
    """FIR filters that delay by any, also fractional, number of samples.

    Args:
        delay_samples: float64 (paths,), 0 or more.

    Returns:
        float64 (paths, taps), and the bulk delay that all of them have on top: 0 if all delays are whole, for which
        the filters are single ones, otherwise 13 samples.

    >>> filters, bulk = delay_filters(np.array([0.0, 2.0]))
    >>> filters.tolist(), bulk
    ([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], 0)
    """
    nearest = np.round(delay_samples)
    if np.abs(delay_samples - nearest).max() < 1e-6:
        return np.eye(int(nearest.max()) + 1)[nearest.astype(int)], 0
    bulk = HALF_TAPS - 1
    taps = int(np.ceil(delay_samples.max())) + 2 * HALF_TAPS - 1
    distance = np.arange(taps) - bulk - delay_samples[:, None]
    return windowed_sinc(distance), bulk


@njit(cache=True, nogil=True)
def _render(known, taps, position, step, out):
    """Filter with taps (grid points, lags) ``step`` samples apart, interpolated; ``position`` is that of out[0]."""
    lags = taps.shape[1]
    place = 0
    while place < len(out):
        point, offset = divmod(position + place, step)
        end = min(len(out), place + step - offset)
        for lag in range(lags):
            tap = taps[point, lag]
            slope = (taps[point + 1, lag] - tap) * np.float32(1.0 / step)
            if tap == 0 and slope == 0:
                continue
            for n in range(place, end):
                gain = tap + slope * np.float32(n - place + offset)
                out[n] += gain * known[n + lags - 1 - lag]
        place = end


@njit(cache=True, nogil=True)
def _render_static(known, taps, out):
    lags = len(taps)
    for lag in range(lags):
        tap = taps[lag]
        if tap == 0:
            continue
        for n in range(len(out)):
            out[n] += tap * known[n + lags - 1 - lag]


class PathChannel:
    """Time-variant tapped delay line, ``y(t) = sum_p g_p(t) x(t - tau_p)``.

    Delays off the sample grid are filters of 28 taps (`delay_filters`), exact to -60 dB for signals within 0.406 of
    the sample rate; they need ``bulk_delay_samples`` = 13 samples of extra delay, the same for all paths. The taps are
    computed on a time grid of at most ``longest_step_s`` and interpolated linearly for each sample.

    Args:
        delays_s: float64 (paths,), 0 or more, seconds.
        path_gains: what the gains are drawn from.
        sample_rate_hz: complex samples per second.
        seed: of the realisations.
        renew_samples: a new, independent realisation every so many samples; 0 for one that goes on for ever. Paths
            switch over at once, so a frame across the change sees two channels.

    Raises:
        ChannelError: a parameter makes no sense.
    """

    def __init__(
        self,
        delays_s: np.ndarray,
        path_gains: PathGains,
        sample_rate_hz: float,
        seed: int = 0,
        renew_samples: int = 0,
    ) -> None:
        check_rate(sample_rate_hz)
        check("renew_samples", renew_samples, 0, _FOREVER)
        self.delays_s = np.asarray(delays_s, np.float64)
        if self.delays_s.min() < 0 or self.delays_s.max() * sample_rate_hz > _LONGEST_LINE:
            raise ChannelError(
                f"channel: path delays have to be 0 to {_LONGEST_LINE} samples at the sample rate given."
            )
        self.path_gains = path_gains
        self.sample_rate_hz = sample_rate_hz
        self._rng = generator(seed)
        self._renew = int(renew_samples) or _FOREVER
        self._filters, self.bulk_delay_samples = delay_filters(self.delays_s * sample_rate_hz)
        step_samples = path_gains.longest_step_s * sample_rate_hz
        self._step = 0 if math.isinf(step_samples) else int(min(max(step_samples, 1), _LONGEST_STEP))
        self._history = np.zeros(self._filters.shape[1] - 1, np.complex64)
        self._realisation: Realisation | None = None
        self._age = 0  # samples since the realisation began
        self._block_start = 0  # age at which the block of taps begins, and how long it lasts
        self._block_samples = 0
        self._taps = np.zeros((0, 0), np.complex64)

    @property
    def mean_power(self) -> float:
        """Mean power gain."""
        return self.path_gains.mean_power

    def process(self, samples: np.ndarray) -> np.ndarray:
        """complex64 (n,) to complex64 (n,)."""
        known = np.concatenate((self._history, samples))
        out, place, reach = np.zeros(len(samples), np.complex64), 0, len(self._history)
        while place < len(samples):
            position = self._age - self._block_start
            if self._realisation is None or position == self._block_samples:
                self._next_block()
                position = 0
            end = min(len(samples), place + self._block_samples - position)
            if self._step:
                _render(known[place : end + reach], self._taps, position, self._step, out[place:end])
            else:
                _render_static(known[place : end + reach], self._taps[0], out[place:end])
            self._age += end - place
            place = end
        self._history = known[len(samples) :]
        return out

    def _next_block(self) -> None:
        """Compute the taps of the next stretch of time, whose length does not depend on how the input is cut."""
        if self._realisation is None or self._age == self._renew:
            self._realisation, self._age = self.path_gains.draw(self._rng), 0
        self._block_start = self._age
        steps = _BLOCK_STEPS if self._step else 0
        rate = self.sample_rate_hz
        gains = self._realisation.gains(self._age / rate, self._step / rate, steps + 1)
        self._taps = matmul(gains, self._filters).astype(np.complex64)
        longest = steps * self._step or _FOREVER
        self._block_samples = min(longest, self._renew - self._age)
