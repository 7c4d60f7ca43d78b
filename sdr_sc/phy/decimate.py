# SPDX-License-Identifier: GPL-3.0-or-later
"""Decimation: an anti-aliasing low-pass filter that keeps an OFDM signal of the new rate, then every M-th sample."""

from __future__ import annotations

import numpy as np
from numba import njit

from sdr_sc.errors import ChannelError

_PASS, _STOP = 26 / 64, 38 / 64
"""Edges of the filter over the new rate: what 52 of 64 subcarriers take, and where its alias begins."""
_ATTENUATION_DB = 65.0
_HALF_SYMBOLS = 11  # by Kaiser's formula for these edges, in samples of the new rate
MAX_FACTOR = 64


class Decimator:
    """A stream at a lower rate, the same bits however it is cut.

    A linear-phase filter in a Kaiser window (Oppenheim and Schafer, "Discrete-Time Signal Processing", section 7.5.3),
    whose delay is taken out: output ``n`` is centred on input ``n factor``.

    Args:
        factor: 1 to 64.

    Raises:
        ChannelError: the factor is none.

    >>> tone = np.exp(2j * np.pi * 0.01 * np.arange(800)).astype(np.complex64)
    >>> out = Decimator(4).process(tone)
    >>> bool(np.allclose(out[20:], tone[80::4][: len(out) - 20], atol=2e-3))
    True
    """

    def __init__(self, factor: int) -> None:
        if isinstance(factor, bool) or not isinstance(factor, int) or not 1 <= factor <= MAX_FACTOR:
            raise ChannelError(f"decimation is {factor!r}; use a whole number from 1 to {MAX_FACTOR}.")
        self.factor = factor
        self._taps = _filter(factor)
        self._reach = len(self._taps) // 2
        self._reset()

    def _reset(self) -> None:
        self._buffer = np.zeros(self._reach, np.complex64)
        self._skip = 0  # samples of the buffer before the next output's first

    def process(self, samples: np.ndarray) -> np.ndarray:
        """complex64 (n,) to complex64 (m,), with m about n over the factor."""
        self._buffer = np.concatenate((self._buffer, samples.astype(np.complex64, copy=False)))
        room = len(self._buffer) - self._skip - len(self._taps)
        count = 0 if room < 0 else room // self.factor + 1
        out = np.empty(count, np.complex64)
        _filtered(self._buffer, self._skip, self.factor, self._taps, out)
        used = self._skip + count * self.factor
        dropped = min(used, len(self._buffer))
        self._buffer, self._skip = self._buffer[dropped:], used - dropped
        return out

    def flush(self) -> np.ndarray:
        """What is left when the stream ends here, or has a gap: the outputs centred on samples that did arrive. Starts
        again."""
        out = self.process(np.zeros(self._reach, np.complex64))
        self._reset()
        return out


def _filter(factor: int) -> np.ndarray:
    """float32 (22 factor + 1,), or (1,) for factor 1."""
    if factor == 1:
        return np.ones(1, np.float32)
    half = _HALF_SYMBOLS * factor
    places = np.arange(-half, half + 1) / factor
    beta = 0.1102 * (_ATTENUATION_DB - 8.7)
    taps = (
        (_PASS + _STOP) * np.sinc((_PASS + _STOP) * places) * np.i0(beta * np.sqrt(1 - (places / _HALF_SYMBOLS) ** 2))
    )
    return (taps / taps.sum()).astype(np.float32)


@njit(cache=True, nogil=True)
def _filtered(samples, first, step, taps, out):  # type: ignore[no-untyped-def]
    for n in range(len(out)):
        begin = first + n * step
        real, imag = 0.0, 0.0
        for i in range(len(taps)):
            real += taps[i] * samples[begin + i].real
            imag += taps[i] * samples[begin + i].imag
        out[n] = complex(real, imag)
