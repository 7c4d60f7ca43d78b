# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stretch without our preamble looks like: clipped, a carrier, noise, or somebody else's OFDM."""

from __future__ import annotations

import numpy as np
from scipy import fft
from scipy.special import gammainccinv, gammaincinv

_WELCH, _AVERAGES = 1024, 128
_CARRIER_SHARE = 0.7
_FLAT_SPECTRUM_DB = 3.0
_STEADY_BLOCKS = (128, 1024, 8192)
_STEADY_BAND = 0.7  # of the rate: narrower noise varies more
_STEADY_FALSE = 1e-3  # share of stretches of noise that are taken for something else
_STEADY_DB = 0.4  # that the gain of a receiver may change
_STEADY_LEAST = 8  # blocks
_POWER_BLOCK = 128
_OFDM_SIZES = (32, 64, 128, 256, 512, 1024, 2048)
_LEAST_PREFIX, _MOST_PREFIX = 1 / 32, 1 / 2  # of the useful part
_LINE = 40.0  # noise exceeds t with probability exp(-t)
_SECOND = 12.0
_SPREAD = 1.7
_FOLDED, _CHUNKS = 48, 8  # symbols that are laid over one another, how often
_ALIKE, _NOT_ALIKE = 0.3, 0.35
_HARMONIC = 0.05  # of the line: the prefixes come and go as a rectangle does
_AT_LIMIT = 0.995


def spectrum(samples: np.ndarray) -> np.ndarray:
    """Mean power of each of 64 to 1024 bins, in float64: the fewer the samples, the fewer bins; frequencies rise."""
    size = min(_WELCH, max(64, len(samples) // _AVERAGES), len(samples))
    whole = samples[: len(samples) // size * size].reshape(-1, size)
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    return fft.fftshift(np.mean(np.abs(fft.fft(whole * window, axis=1)) ** 2, axis=0, dtype=np.float64))


def carrier(samples: np.ndarray) -> float | None:
    """Frequency, cycles per sample, of a steady carrier that holds most of the power; None without one."""
    powers = spectrum(samples)
    top = int(powers.argmax())
    near = powers[max(top - 2, 0) : top + 3]
    if near.sum() < _CARRIER_SHARE * powers.sum():
        return None
    # A burst that is short, or a band that is narrow, is no carrier: its power has to be steady.
    loudness = _block_powers(samples)
    if loudness.max() > 2.0 * np.median(loudness):
        return None
    turn = np.vdot(samples[:-1], samples[1:])
    return float(np.angle(turn) / (2 * np.pi))


def is_noise(samples: np.ndarray) -> bool:
    """Whether nothing stands out of the stretch in time or frequency."""
    powers = spectrum(samples)
    least, usual, most = np.quantile(powers, (0.02, 0.5, 1.0))
    if least <= 0 or 10 * np.log10(max(most / usual, usual / least)) > _FLAT_SPECTRUM_DB:
        return False
    there = samples[samples != 0]  # lost samples are 0
    return all(_is_steady_as_noise(_block_powers(there, size), size) for size in _STEADY_BLOCKS if size <= len(there))


def _is_steady_as_noise(powers: np.ndarray, size: int) -> bool:
    """Whether blocks of that many samples vary no more than noise, whose power has a gamma distribution."""
    usual = float(np.median(powers))
    values, chance = _STEADY_BAND * size, _STEADY_FALSE / (2 * len(_STEADY_BLOCKS) * len(powers))
    most, least = gammainccinv(values, chance) / values, gammaincinv(values, chance) / values
    change = 10 ** (_STEADY_DB / 10)
    if powers.max() > change * most * usual or change * powers.min() < least * usual:
        return False
    if (free := len(powers) - 1) < _STEADY_LEAST:
        return True
    # Bursts for half of the time show in the spread before they show in the extremes.
    relative = float(np.var(powers, ddof=1)) / usual**2
    spread = 2 * gammainccinv(0.5 * free, chance) / free / values
    return bool(relative < spread + (0.5 * (change - 1)) ** 2)


def clipped_share(samples: np.ndarray) -> float:
    """Share of the loud samples whose real or imaginary part sits at the largest value that occurs, 0..1."""
    parts = np.abs(np.ascontiguousarray(samples).view(np.float32))
    top = float(parts.max())
    if top <= 0:
        return 0.0
    loud = parts > 0.5 * top
    return float(np.count_nonzero(parts >= _AT_LIMIT * top) / max(np.count_nonzero(loud), 1))


def _block_powers(samples: np.ndarray, size: int = _POWER_BLOCK) -> np.ndarray:
    blocks = max(len(samples) // size, 1)
    parts = np.ascontiguousarray(samples[: len(samples) // blocks * blocks]).view(np.float32).reshape(blocks, -1)
    return np.maximum(np.einsum("ij,ij->i", parts, parts), 1e-30).astype(np.float64)


def ofdm_sizes(samples: np.ndarray) -> tuple[int, int] | None:
    """Useful part and cyclic prefix of OFDM symbols, in samples, or None.

    The products of samples one useful part apart have a line at the rate of the symbols (Gardner, IEEE Signal
    Processing Magazine 8 (1991) no. 2, 14-36), which noise does not have, nor what merely repeats.
    """
    best, found = 0.0, None
    if len(samples) < 40 * _OFDM_SIZES[0] or _amplitude_spread(samples) < _SPREAD:
        return None
    for size in _OFDM_SIZES:
        if len(samples) < 40 * size:
            break
        products = samples[:-size].conj() * samples[size:]
        limit = np.quantile(np.abs(products[:: max(len(products) // 4096, 1)]), 0.95)
        products = products / np.maximum(np.abs(products), max(float(limit), 1e-30))  # no burst decides alone
        padded = 1 << (len(products) - 1).bit_length()
        lines = np.abs(fft.fft(products, padded)) ** 2 / max(float(np.vdot(products, products).real), 1e-30)
        first, last = (int(padded / (size * (1 + share))) for share in (_MOST_PREFIX, _LEAST_PREFIX))
        place = first + int(lines[first : last + 1].argmax())
        value, second = float(lines[place]), float(lines[2 * place - 4 : 2 * place + 5].max())
        if value < _LINE or second < max(_HARMONIC * value, _SECOND) or value <= best:
            continue
        duration = padded / (place + _between(lines[place - 1 : place + 2]))
        if _has_prefixes(samples, size, duration):
            best, found = value, (size, round(duration) - size)
    return found


def _amplitude_spread(samples: np.ndarray) -> float:
    """Mean square of the power over its squared mean in loud blocks: 2 for many subcarriers, 1 for one carrier."""
    powers = np.abs(samples[: len(samples) // _POWER_BLOCK * _POWER_BLOCK].reshape(-1, _POWER_BLOCK)) ** 2
    means = powers.mean(axis=1, dtype=np.float64)
    loud = means >= np.quantile(means, 0.75)
    return float(np.mean((powers[loud] ** 2).mean(axis=1) / np.maximum(means[loud] ** 2, 1e-300)))


def _between(three: np.ndarray) -> float:
    """Where the maximum lies from the middle one of three amplitudes."""
    left, middle, right = np.sqrt(three)
    curve = left - 2 * middle + right
    return float(np.clip(0.5 * (left - right) / curve, -0.5, 0.5)) if curve < 0 else 0.0


def _has_prefixes(samples: np.ndarray, size: int, duration: float) -> bool:
    """Whether samples one useful part apart are alike for a prefix's length in every symbol, and not otherwise."""
    products = samples[:-size].conj() * samples[size:]
    powers = np.abs(samples) ** 2
    energy = 0.5 * (powers[:-size] + powers[size:])
    chunk = max(int(min(_FOLDED * duration, len(products))), 1)
    parts = [slice(at, at + chunk) for at in range(0, len(products) - chunk + 1, chunk)]
    parts.sort(key=lambda part: -float(energy[part].sum()))
    whole, prefix = int(duration), max(round(duration) - size, 2)
    inside, outside = [], []
    for part in parts[:_CHUNKS]:
        place = (np.arange(chunk) % duration).astype(np.int64) % whole
        folded = np.bincount(place, products[part].real, whole) + 1j * np.bincount(place, products[part].imag, whole)
        folded_energy = np.maximum(np.bincount(place, energy[part], whole), 1e-30)
        windows, window_energy = _circular(folded, prefix), _circular(folded_energy, prefix)
        begin = int((np.abs(windows) / window_energy).argmax())
        rest = (begin + 3 * prefix // 2 + np.arange(max(whole - 2 * prefix, 1))) % whole
        inside.append(float(np.abs(windows[begin]) / window_energy[begin]))
        outside.append(float(np.abs(folded[rest].sum()) / folded_energy[rest].sum()))
    return float(np.median(inside)) >= _ALIKE and float(np.median(outside)) <= _NOT_ALIKE * float(np.median(inside))


def _circular(values: np.ndarray, window: int) -> np.ndarray:
    """Sums of ``window`` neighbours, around the end."""
    sums = np.cumsum(np.concatenate(([0], values, values[: window - 1])))
    return sums[window:] - sums[:-window]
