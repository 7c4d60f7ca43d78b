# SPDX-License-Identifier: GPL-3.0-or-later
"""The SNR estimator on the preambles of recorded 802.11 packets, as they are and with noise added.

The long training field of 802.11a (IEEE 802.11-2016, 17.3.3) is two equal symbols of known values, as the project's own
preamble has them, sent by somebody else's transmitter. The captures are no part of the project (see ``FOLDER``).

The truth of a packet with noise added is its signal power, as the capture alone shows it to the same estimator, over
the capture's own noise and the added noise together; of a packet as it is, only what is known of the recording.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import fft

from sdr_sc.bench.phy.recordings import SHARED_DATA, WIFI_CAPTURES, absent
from sdr_sc.errors import SdrScError
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.detect import Detector
from sdr_sc.phy.receive.snr import PowerEstimate, repeated_symbols
from sdr_sc.results.rows import Row, mean_interval, snr_bias_row

Log = Callable[[str], None]
FOLDER = SHARED_DATA / WIFI_CAPTURES
CAPTURES = ("conducted_24mbps", "radiated_65mbps")
SAMPLE_RATE_HZ = 20e6
KNOWN_SNR_DB, KNOWN_WITHIN_DB = 35.0, 1.5
NOISY_SNRS_DB = (5.0, 10.0, 15.0, 20.0, 25.0)
EARLY_SAMPLES = 8
"""The FFT windows start that much before the symbols, within their prefix, so that no other symbol gets in."""
L_LTF = np.array(
    [1, 1, -1, -1, 1, 1, -1, 1, -1, 1, 1, 1, 1, 1, 1, -1, -1, 1, 1, -1, 1, -1, 1, 1, 1, 1]
    + [1, -1, -1, 1, 1, -1, 1, -1, 1, -1, -1, -1, -1, -1, 1, 1, -1, -1, 1, -1, 1, -1, 1, 1, 1, 1],
    np.float32,
)
"""The values on subcarriers -26..-1 and 1..26."""
_FFT = 64
_BINS = np.concatenate((np.arange(-26, 0), np.arange(1, 27))) % _FFT
_SHORT_FIELD, _PREFIX = 160, 32
_THRESHOLD = 0.8  # the captures are at 35 dB; payload symbols and 802.11n's second short field stay below 0.6
_MIN_COHERENCE = 0.5
_RADIUS = 48  # samples by which the short field's peak may be off


@dataclass(frozen=True)
class Preamble:
    """The long training field of one packet.

    Attributes:
        samples: complex64 (128,), both symbols, from ``EARLY_SAMPLES`` before the first, as received.
        start: index in the capture of the first of them.
        cfo_hz: carrier offset of the packet.
    """

    samples: np.ndarray
    start: int
    cfo_hz: float


def read_ci16(path: Path) -> np.ndarray:
    """complex64 (n,), full scale 1, from interleaved little-endian 16-bit I and Q.

    Raises:
        SdrScError: the file cannot be read, or does not hold whole samples.
    """
    try:
        raw = np.memmap(path, "<i2", "r")
    except (OSError, ValueError) as error:
        raise SdrScError(f"capture {path} cannot be read ({error}); give a file of 16-bit I and Q.") from error
    if len(raw) % 2:
        raise SdrScError(f"capture {path} ends within a sample; give a file of interleaved 16-bit I and Q.")
    return raw.astype(np.float32).view(np.complex64) / np.float32(32768)


def training_symbol() -> np.ndarray:
    """complex64 (64,): one long training symbol, power 1 on its subcarriers under the unitary FFT."""
    bins = np.zeros(_FFT, np.complex64)
    bins[_BINS] = L_LTF
    return fft.ifft(bins, norm="ortho")


def find_preambles(samples: np.ndarray) -> list[Preamble]:
    """The packets in complex64 samples at 20 MS/s, found by the short field and placed by correlation with the long."""
    detector = Detector(Numerology(detection_symbols=2, sample_rate_hz=SAMPLE_RATE_HZ), _THRESHOLD)
    padded = np.concatenate((samples, np.zeros(4 * detector.span, np.complex64)))
    found: list[Preamble] = []
    first = 0
    while True:
        candidate, _ = detector.search(padded, first)
        if candidate is None:
            return found
        first = candidate.start + detector.lag
        preamble = _place(samples, candidate.start, candidate.cycles_per_sample)
        if preamble is not None:
            found.append(preamble)
            first = preamble.start + 2 * _FFT


def _place(samples: np.ndarray, short_start: int, cycles: float) -> Preamble | None:
    """The long field after a short one that starts near ``short_start``; None if it is not there."""
    begin = max(short_start + _SHORT_FIELD + _PREFIX - _RADIUS, EARLY_SAMPLES)
    window = samples[begin : begin + 2 * _RADIUS + 2 * _FFT]
    if len(window) <= 2 * _FFT:
        return None
    window = window * np.exp(-2j * np.pi * cycles * np.arange(len(window)))
    power = np.abs(np.correlate(window, training_symbol(), "valid")) ** 2
    energy = np.concatenate(([0.0], np.cumsum(np.abs(window) ** 2)))
    both, received = power[:-_FFT] + power[_FFT:], energy[2 * _FFT :] - energy[: -2 * _FFT]
    place = int(np.argmax(both[: len(received)]))
    if both[place] < _MIN_COHERENCE * len(L_LTF) * received[place]:
        return None
    start = begin + place - EARLY_SAMPLES
    symbols = samples[start : start + 2 * _FFT]
    fine = _offset(symbols, cycles)
    return Preamble(symbols, start, fine * SAMPLE_RATE_HZ)


def _offset(symbols: np.ndarray, near: float) -> float:
    """Carrier offset, cycles per sample, of two equal symbols: of those one turn apart the one nearest to ``near``."""
    turn = np.angle(np.vdot(symbols[:_FFT], symbols[_FFT:])) / (2 * np.pi * _FFT)
    return float(turn + round((near - turn) * _FFT) / _FFT)


def estimate(preamble: Preamble, added: np.ndarray | None = None) -> PowerEstimate:
    """What the project's estimator makes of a preamble; the carrier offset is measured again with the noise in it.

    Args:
        added: complex64 (128,) noise on top.
    """
    symbols = preamble.samples if added is None else preamble.samples + added
    cycles = _offset(symbols, preamble.cfo_hz / SAMPLE_RATE_HZ)
    symbols = symbols * np.exp(-2j * np.pi * cycles * np.arange(2 * _FFT))
    spectrum = fft.fft(symbols.reshape(2, _FFT), axis=1, norm="ortho")[:, _BINS]
    return repeated_symbols((spectrum * L_LTF).astype(np.complex64), phases_removed=True)


def noisy_errors_db(preambles: list[Preamble], snr_db: float, draws: int, seed: int) -> np.ndarray:
    """Estimate minus truth, dB, over all packets and ``draws`` of noise for each.

    The truth is the packet's signal power over its own noise and the added noise together.
    """
    rng, errors = np.random.default_rng(seed), []
    for preamble in preambles:
        own = estimate(preamble)
        variance = own.signal / 10 ** (snr_db / 10) - own.noise
        if variance <= 0:
            continue  # the packet is noisier than that already
        noise = rng.standard_normal((draws, 4 * _FFT), np.float32).view(np.complex64) * np.sqrt(variance / 2)
        errors += [estimate(preamble, added).snr_db - snr_db for added in noise.astype(np.complex64)]
    return np.array(errors)


def capture_rows(name: str, preambles: list[Preamble]) -> list[Row]:
    """SNR of a capture as it is: median over its packets, mean of the power ratios, and spread."""
    values = np.array([estimate(preamble).snr_db for preamble in preambles])
    label, n = f"SNR of {name} as it is", len(values)
    goal = f"{KNOWN_SNR_DB:g} +- {KNOWN_WITHIN_DB:g} dB"
    if n == 0:
        return [Row(f"{label}: no packet found", math.nan, "dB", goal, False, 0)]
    median, interval = float(np.median(values)), mean_interval(values) if n > 1 else None
    linear = 10 * math.log10(float(np.mean(10 ** (values / 10))))
    return [
        Row(f"{label}, median", median, "dB", goal, abs(median - KNOWN_SNR_DB) <= KNOWN_WITHIN_DB, n),
        Row(f"{label}, mean of dB", float(values.mean()), "dB", n=n, ci95=interval),
        Row(f"{label}, mean of ratios", linear, "dB", n=n),
        Row(f"{label}, lowest packet", float(values.min()), "dB", n=n),
        Row(f"{label}, highest packet", float(values.max()), "dB", n=n),
    ]


def wifi_rows(quick: bool, seed: int, log: Log, folder: Path | None = None) -> list[Row]:
    """SNR of the captures as they are and the estimator's bias with noise added; NaN where the captures are absent.

    Args:
        quick: fewer draws of noise.
        log: called with what is measured next.
        folder: of the captures; None for ``FOLDER``.

    Raises:
        SdrScError: a capture is damaged.
    """
    log("SNR estimate on recorded Wi-Fi packets")
    folder = folder or FOLDER
    rows: list[Row] = []
    preambles: list[Preamble] = []
    for name in CAPTURES:
        path = folder / f"{name}.ci16"
        if path.is_file():
            found = find_preambles(read_ci16(path))
            preambles += found
            rows += capture_rows(name, found)
        else:
            rows.append(Row(absent(f"SNR of {name} as it is", path), math.nan, "dB"))
    for i, snr_db in enumerate(NOISY_SNRS_DB):
        label = f"SNR estimate on Wi-Fi packets, bias at {snr_db:g} dB"
        if preambles:
            draws = -(-(500 if quick else 4000) // len(preambles))
            errors = noisy_errors_db(preambles, snr_db, draws, seed + i)
            rows.append(snr_bias_row(label, errors))
            spread = float(errors.std(ddof=1)) if len(errors) > 1 else math.nan
            rows.append(Row(label.replace("bias", "spread"), spread, "dB", n=len(errors)))
        else:
            rows.append(Row(absent(label, folder), math.nan, "dB"))
    return rows
