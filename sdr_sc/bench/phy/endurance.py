# SPDX-License-Identifier: GPL-3.0-or-later
"""What the receiver does over hundreds of millions of samples: false frames in noise, memory, and speed of the search.

Noise is Gaussian, made again for all samples, and comes in chunks of random size. For memory the stream also holds
frames, strong and weak ones, some of them cut or broken off within their header, and samples that are not finite, so
that every path runs.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdr_sc.phy.frame.framing import build_frame
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO, Header
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.receiver import Receiver, ReceiverCounters, warm_up
from sdr_sc.results.rows import Row

Log = Callable[[str], None]
SAMPLES, QUICK_SAMPLES = 600_000_000, 20_000_000
FALSE_FRAMES_GOAL = 1
MEMORY_GOAL_MB = 10.0
LARGEST_CHUNK = 1 << 18
_WARM_UP_SHARE = 0.05  # of the samples, before memory is first read: buffers and tables have their size by then
_POOL_SAMPLES = 4_000_000
_FRAME_EVERY = 40_000  # samples of the pool, on average
_PARTS = 24  # readings of memory


@dataclass(frozen=True)
class Endurance:
    """One long run of a receiver.

    Attributes:
        counters: of the receiver.
        seconds: spent within the receiver, not in making the samples.
        growth_mb: resident memory at the end over that after the warm-up, 1e6 bytes.
        peak_growth_mb: the highest reading in between, likewise.
    """

    counters: ReceiverCounters
    seconds: float
    growth_mb: float
    peak_growth_mb: float

    @property
    def msps(self) -> float:
        """Million samples a second of the receiver's time."""
        return self.counters.samples / self.seconds / 1e6


def resident_mb() -> float:
    """Resident memory of this process, 1e6 bytes (``VmRSS`` of Linux)."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)  # freed memory that the C library keeps would hide what a leak takes of it
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    return float("nan")


def noise_chunks(samples: int, seed: int) -> Iterator[np.ndarray]:
    """``samples`` of complex64 noise of power 1 in chunks of 1..``LARGEST_CHUNK``, each in the memory of the last."""
    rng, left = np.random.default_rng(seed), samples
    buffer = np.empty(2 * LARGEST_CHUNK, np.float32)
    while left:
        size = min(left, int(rng.integers(1, LARGEST_CHUNK + 1)))
        part = buffer[: 2 * size]
        rng.standard_normal(out=part, dtype=np.float32)
        part *= np.float32(np.sqrt(0.5))
        left -= size
        yield part.view(np.complex64)


def mixed_chunks(samples: int, seed: int) -> Iterator[np.ndarray]:
    """Noise with frames in it, complex64: pieces of random place and size of a pool, so that frames are cut as well."""
    rng, pool, left = np.random.default_rng(seed), frame_pool(seed), samples
    while left:
        size = min(left, int(rng.integers(1, LARGEST_CHUNK + 1)))
        begin = int(rng.integers(0, len(pool) - size + 1))
        left -= size
        yield pool[begin : begin + size]


def frame_pool(seed: int) -> np.ndarray:
    """complex64: noise with frames of many sizes at 0..30 dB; every fifth breaks off in its header. A few
    samples are not finite."""
    numerology, rng, samples = Numerology(), np.random.default_rng(seed), _POOL_SAMPLES
    pool = np.concatenate(list(noise_chunks(samples, seed + 1))) * np.float32(0.1)
    for number in range(samples // _FRAME_EVERY):
        n_items, k = int(rng.integers(1, 33)), int(rng.integers(1, 65))
        features = np.exp(2j * np.pi * rng.random((n_items, k))).astype(np.complex64)
        frame = build_frame(features, Header(1, k, n_items, number % FRAME_NUM_MODULO), numerology)
        if number % 5 == 0:
            frame = frame[: int(rng.integers(numerology.preamble_samples, numerology.payload_offset))]
        amplitude = 0.1 * 10 ** (rng.uniform(0.0, 30.0) / 20)
        turn = np.exp(2j * np.pi * rng.uniform(-0.01, 0.01) * np.arange(len(frame)))
        begin = int(rng.integers(0, samples - len(frame)))
        pool[begin : begin + len(frame)] += (amplitude * turn * frame).astype(np.complex64)
    pool[rng.integers(0, samples, samples // _FRAME_EVERY // 10)] = np.nan
    return pool


def endure(chunks: Iterator[np.ndarray], samples: int) -> Endurance:
    """Push all ``chunks``, of ``samples`` in all, through a receiver; memory is read now and then."""
    warm_up(Numerology())
    receiver, seconds, readings = Receiver(Numerology()), 0.0, []
    next_reading = _WARM_UP_SHARE * samples
    for chunk in chunks:
        began = time.perf_counter()
        receiver.push(chunk)
        seconds += time.perf_counter() - began
        if receiver.counters.samples >= next_reading:
            readings.append(resident_mb())
            next_reading += (1 - _WARM_UP_SHARE) * samples / _PARTS
    receiver.flush()
    readings.append(resident_mb())
    return Endurance(receiver.counters, seconds, readings[-1] - readings[0], max(readings) - readings[0])


def poisson_interval(events: int) -> tuple[float, float]:
    """Exact 95 % interval of the mean of a Poisson count (Garwood, Biometrika 28 (1936) 437-442).

    >>> low, high = poisson_interval(0)
    >>> low, round(high, 2)
    (0.0, 3.69)
    """
    from scipy.stats import chi2

    low = float(chi2.ppf(0.025, 2 * events)) / 2 if events else 0.0
    return low, float(chi2.ppf(0.975, 2 * events + 2)) / 2


def endurance_rows(quick: bool, seed: int, log: Log, samples: int | None = None) -> list[Row]:
    """False frames in noise, with the speed of the search, and growth of memory.

    Args:
        quick: 20 million samples of each kind in place of 600 million.
        log: called with what is measured next.
        samples: of each kind, in place of either.
    """
    samples = samples or (QUICK_SAMPLES if quick else SAMPLES)
    million = f"{samples / 1e6:g} million samples"
    log(f"false frames in {million} of noise")
    noise = endure(noise_chunks(samples, seed), samples)
    log(f"memory over {million} with frames")
    mixed = endure(mixed_chunks(samples, seed), samples)
    return [*_noise_rows(noise, million), *_memory_rows(noise, mixed, million)]


def _noise_rows(noise: Endurance, million: str) -> list[Row]:
    counters, n = noise.counters, noise.counters.samples
    false = counters.delivered
    interval = poisson_interval(false)
    scale = SAMPLES / n
    return [
        Row.at_most(f"false frames in {million} of noise", false, "", FALSE_FRAMES_GOAL, n, interval),
        Row(f"the same for {SAMPLES / 1e6:g} million, upper bound", interval[1] * scale, "", n=n),
        Row(f"candidates of the first stage in {million} of noise", counters.candidates, "", n=n),
        Row("of those confirmed by the second stage", counters.candidates - counters.not_confirmed, "", n=n),
        Row("search in noise, Receiver.push alone", noise.msps, "MS/s", n=n),
    ]


def _memory_rows(noise: Endurance, mixed: Endurance, million: str) -> list[Row]:
    counters, n = mixed.counters, mixed.counters.samples
    frames = f"{counters.delivered} frames received, {counters.header_failed} broken headers"
    return [
        Row.at_most(f"memory growth over {million} of noise", noise.growth_mb, "MB", MEMORY_GOAL_MB, n),
        Row.at_most(f"memory growth over {million} with {frames}", mixed.growth_mb, "MB", MEMORY_GOAL_MB, n),
        Row("the same at its highest", mixed.peak_growth_mb, "MB", n=n),
        Row("receiver on noise with frames, Receiver.push alone", mixed.msps, "MS/s", n=n),
    ]
