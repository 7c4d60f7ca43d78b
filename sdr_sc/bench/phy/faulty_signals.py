# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals with a known fault, for measuring what `sdr_sc.diagnosis` makes of them; and signals of other systems."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from scipy import signal

from sdr_sc.diagnosis import Cause, Diagnosis
from sdr_sc.phy.frame.framing import build_frame
from sdr_sc.phy.frame.header import Header
from sdr_sc.phy.frame.modes import FrameMode
from sdr_sc.phy.numerology import Numerology

RATIOS = ("1/2", "2/3", "4/5", "5/6", "6/5", "5/4", "4/3", "3/2", "2", "12/5", "5/2", "3", "4", "5", "25/4", "8", "10")
WIDE_RATIOS = ("2", "12/5", "3", "4", "5", "8", "10")
SIZES: tuple[dict[str, int], ...] = (
    {"cyclic_prefix": 8},
    {"cyclic_prefix": 32},
    {"cyclic_prefix": 12},
    {"header_symbols": 6},
    {"data_subcarriers": 46, "pilot_subcarriers": 6},
    {"data_subcarriers": 40, "pilot_subcarriers": 4},
    {"fft_size": 32, "cyclic_prefix": 8, "data_subcarriers": 22, "pilot_subcarriers": 2, "header_symbols": 12},
    {"fft_size": 128, "cyclic_prefix": 32, "data_subcarriers": 96, "pilot_subcarriers": 8},
    {"fft_size": 128, "cyclic_prefix": 16, "data_subcarriers": 100, "pilot_subcarriers": 4, "header_symbols": 4},
    {"fft_size": 256, "cyclic_prefix": 64, "data_subcarriers": 192, "pilot_subcarriers": 16},
)
_FRAMES = 12
_SIZES = ((4, 4), (4, 8), (4, 16), (4, 32))
_LENGTH = 120_000


@dataclass(frozen=True)
class Faulty:
    """A signal, and what a diagnosis of it should find.

    Attributes:
        samples: complex64 (n,).
        truth: the diagnosis; of its parameters those that belong to the cause.
    """

    samples: np.ndarray
    truth: Diagnosis


def frames(
    rng: np.random.Generator, numerology: Numerology, count: int = _FRAMES, mode: FrameMode = FrameMode.NORMAL
) -> np.ndarray:
    """complex64 (n,): frames of random features and sizes, with random silence in front of each and at the end."""
    parts = []
    for number in range(count):
        items, k = _SIZES[rng.integers(len(_SIZES))]
        features = rng.normal(size=(items, k)) + 1j * rng.normal(size=(items, k))
        header = Header(model_id=int(rng.integers(1 << 16)), k=k, n_items=items, frame_num=number, mode=mode)
        parts.append(np.zeros(rng.integers(150, 1500), np.complex64))
        parts.append(build_frame((features / np.sqrt(2)).astype(np.complex64), header, numerology))
    return np.concatenate([*parts, np.zeros(300, np.complex64)])


def resampled(samples: np.ndarray, ratio: Fraction) -> np.ndarray:
    """complex64: ``ratio`` samples for each one, by a polyphase filter."""
    return signal.resample_poly(samples, ratio.numerator, ratio.denominator).astype(np.complex64)


def shifted(samples: np.ndarray, offset: float) -> np.ndarray:
    """complex64 (n,): shifted up by ``offset`` cycles per sample."""
    return (samples * np.exp(2j * np.pi * offset * np.arange(len(samples)))).astype(np.complex64)


def noisy(samples: np.ndarray, variance: float, rng: np.random.Generator) -> np.ndarray:
    """complex64 (n,): with white noise of that variance for each sample."""
    noise = rng.normal(size=(2, len(samples))) * np.sqrt(variance / 2)
    return (samples + noise[0] + 1j * noise[1]).astype(np.complex64)


def faulty(cause: Cause, snr_db: float, rng: np.random.Generator, own: Numerology) -> Faulty:
    """Frames with one fault of random size.

    Args:
        cause: ``OFFSET``, ``INVERTED``, ``RATE``, ``OFF_CENTRE`` or ``NUMEROLOGY``.
        snr_db: Es/N0.
        rng: of everything random.
        own: numerology of the receiver.

    Raises:
        ValueError: another cause.
    """
    ratio, inverted, sizes = Fraction(1), False, dict[str, int]()
    offset = float(rng.uniform(-1.8, 1.8)) / own.fft_size
    if cause is Cause.OFFSET:
        offset = float(rng.uniform(2.8, 30.0)) * float(rng.choice((-1, 1))) / own.fft_size
    elif cause is Cause.INVERTED:
        inverted = True
    elif cause is Cause.RATE:
        ratio = Fraction(str(rng.choice(RATIOS)))
        offset /= float(ratio)
    elif cause is Cause.OFF_CENTRE:
        ratio = Fraction(str(rng.choice(WIDE_RATIOS)))
        room = 0.5 - 0.5 * own.used / own.fft_size / float(ratio)
        least = 2.8 / own.fft_size / float(ratio)
        offset = float(rng.uniform(least, room)) * float(rng.choice((-1, 1)))
    elif cause is Cause.NUMEROLOGY:
        sizes = SIZES[rng.integers(len(SIZES))]
        offset *= own.fft_size / sizes.get("fft_size", own.fft_size)
    else:
        raise ValueError(f"no signals are made for {cause}")
    sent = frames(rng, replace(own, **sizes))
    samples = shifted(resampled(sent, ratio), offset)
    if inverted:
        samples = shifted(sent.conj(), offset)
    samples = noisy(samples, 10 ** (-snr_db / 10) * float(ratio), rng)
    differing = {name: value for name, value in sizes.items() if value != getattr(own, name)}
    return Faulty(samples, Diagnosis(cause, True, 0, offset, float(ratio), inverted, differing))


def is_right(found: Diagnosis, truth: Diagnosis, own: Numerology) -> bool:
    """Whether cause and parameter were found: the offset within half a subcarrier, the ratio within 0.5 %."""
    if found.cause is not truth.cause:
        return False
    near = abs(found.offset - truth.offset) * own.fft_size * truth.ratio < 0.5
    same_rate = abs(found.ratio / truth.ratio - 1.0) < 5e-3
    if truth.cause is Cause.NUMEROLOGY:
        return found.numerology == truth.numerology
    if truth.cause is Cause.RATE:
        return same_rate
    return near and same_rate


def _ofdm(rng: np.random.Generator, size: int, prefix: int, used: int, symbols: int) -> np.ndarray:
    bins = np.concatenate((np.arange(1, used // 2 + 1), np.arange(size - used // 2, size)))
    grid = np.zeros((symbols, size), np.complex128)
    grid[:, bins] = rng.choice((-1, 1), (symbols, used)) + 1j * rng.choice((-1, 1), (symbols, used))
    body = np.fft.ifft(grid, axis=1, norm="ortho")
    return np.concatenate((body[:, -prefix:], body), axis=1).ravel() / np.sqrt(2)


def wifi_like(rng: np.random.Generator) -> np.ndarray:
    """Packets in the shape of 802.11a: ten short training symbols, two long ones, data (IEEE 802.11-2016, 17.3)."""
    parts = []
    for _ in range(25):
        short = np.zeros(64, np.complex128)
        short[np.r_[4:28:4, 40:64:4]] = rng.choice((1 + 1j, -1 - 1j), 12) * np.sqrt(13 / 6)
        long = np.zeros(64, np.complex128)
        long[np.r_[1:27, 38:64]] = rng.choice((-1, 1), 52)
        one, two = np.fft.ifft(short, norm="ortho"), np.fft.ifft(long, norm="ortho")
        data = _ofdm(rng, 64, 16, 52, int(rng.integers(10, 60)))
        silence = np.zeros(rng.integers(300, 3000))
        parts += [silence, np.resize(one, 160), two[32:], two, two, data]
    return np.concatenate(parts)


def _single_carrier(rng: np.random.Generator, per_symbol: int) -> np.ndarray:
    symbols = rng.choice((-1, 1), _LENGTH // per_symbol) + 1j * rng.choice((-1, 1), _LENGTH // per_symbol)
    pulse = signal.firwin(8 * per_symbol + 1, 1 / per_symbol)
    return signal.upfirdn(pulse, symbols, per_symbol) * per_symbol / np.sqrt(2)


def _gfsk(rng: np.random.Generator) -> np.ndarray:
    bits = np.repeat(rng.choice((-1.0, 1.0), _LENGTH // 8), 8)
    return np.exp(1j * np.cumsum(0.2 * np.convolve(bits, np.ones(4) / 4, "same")))


def _tones(rng: np.random.Generator, count: int) -> np.ndarray:
    at = np.arange(_LENGTH)
    return sum((np.exp(2j * np.pi * f * at) for f in rng.uniform(-0.4, 0.4, count)), np.zeros(_LENGTH, np.complex128))


def _noise_bursts(rng: np.random.Generator) -> np.ndarray:
    level = np.repeat(np.where(rng.random(_LENGTH // 1000) < 0.2, 1.0, 0.05), 1000)
    return level * (rng.normal(size=len(level)) + 1j * rng.normal(size=len(level)))


FOREIGN: dict[str, tuple[Callable[[np.random.Generator], np.ndarray], tuple[Cause, ...]]] = {
    "noise": (lambda rng: np.zeros(_LENGTH), (Cause.NOISE,)),
    "bursts of noise": (_noise_bursts, ()),
    "a carrier": (lambda rng: _tones(rng, 1), (Cause.CARRIER,)),
    "three carriers": (lambda rng: _tones(rng, 3), ()),
    "a chirp": (lambda rng: np.exp(1j * np.pi * 1e-4 * (np.arange(_LENGTH) % int(rng.integers(500, 4000))) ** 2), ()),
    "QPSK": (lambda rng: _single_carrier(rng, int(rng.integers(2, 12))), ()),
    "GFSK": (_gfsk, ()),
    "packets in the shape of 802.11a": (wifi_like, (Cause.OTHER_OFDM,)),
    "OFDM of 64 + 16": (lambda rng: _ofdm(rng, 64, 16, 52, _LENGTH // 80), (Cause.OTHER_OFDM,)),
    "OFDM of 256 + 18": (lambda rng: _ofdm(rng, 256, 18, 200, _LENGTH // 274), (Cause.OTHER_OFDM,)),
    "OFDM of 1024 + 72": (lambda rng: _ofdm(rng, 1024, 72, 600, _LENGTH // 1096), (Cause.OTHER_OFDM,)),
}
"""Signals that are not ours, by name: how they are made, and the causes besides ``UNKNOWN`` that name them."""
