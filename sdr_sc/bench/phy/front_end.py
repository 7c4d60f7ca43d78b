# SPDX-License-Identifier: GPL-3.0-or-later
"""What faults of a radio's front end cost: SNR reported against the payload's, and speed of the search."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from sdr_sc.bench.phy.offset_range import offset_rows
from sdr_sc.phy.channels import Awgn, CarrierOffset, parse_chain
from sdr_sc.phy.frame.framing import build_frame
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO, Header
from sdr_sc.phy.frame.preamble import preamble
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.receiver import ReceivedFrame, Receiver
from sdr_sc.results.rows import Row, mean_interval, wilson_interval

Log = Callable[[str], None]
SNR_GOAL_DB, SPEED_GOAL = 1.0, 0.5
ONE_SYMBOL_GOAL_DB = 0.35  # half of what the phase of one symbol's pilots costs
VARIANCE_GOAL = 1.25
_ITEMS, _K = 8, 8
_BLOCK_FRAMES, _CHUNK = 100, 65_536
_WARM_UP = 131_072
"""Samples of noise ahead of the frames, in which steady lines are found."""
_SAMPLES = 4_000_000  # of a timed run: lines are found in its first 40,000
_LATE_TAPS = 24  # of Rayleigh fading that decays by 1/e in 8 samples: a third lies beyond the early part of the prefix


@dataclass(frozen=True)
class Fault:
    """A fault of the front end.

    Attributes:
        name: for the row.
        before: channel models ahead of the noise, such as ``tone(relative_db=0, frequency_hz=1e5)``.
        after: those after it.
        cfo_hz: carrier offset ahead of both.
    """

    name: str
    before: str = ""
    after: str = ""
    cfo_hz: float = 0.0


FAULTS = (
    Fault("no fault", cfo_hz=3e3),
    *(
        Fault(f"DC offset {level:g} dB, carrier offset {cfo_hz / 1e3:g} kHz", "",
              f"dc_offset(relative_db={level})", cfo_hz)
        for level in (-20, -10, 0)
        for cfo_hz in (0.0, 5e3, -20e3)
    ),
    *(
        Fault(f"I/Q imbalance 1 dB, 5 degrees, carrier offset {cfo_hz / 1e3:g} kHz", "",
              "iq_imbalance(gain_db=1, phase_deg=5)", cfo_hz)
        for cfo_hz in (0.0, 7e3)
    ),
    *(
        Fault(f"gain step of {step} dB in the detection part",
              f"gain_step(step_db={step}, settle_samples=200)", "", 3e3)
        for step in (3, 6, -6)
    ),
    *(
        Fault(f"carrier {level:g} dB, {where}", "", f"tone(relative_db={level}, frequency_hz={hz})", 3e3)
        for level in (-20, -10, 0)
        for where, hz in (("on a subcarrier", 109375.0), ("between subcarriers", 101e3), ("in the guard band", 470e3))
    ),
)  # fmt: skip


def bench_front_end(quick: bool, seed: int, log: Log) -> list[Row]:
    """All rows.

    Args:
        quick: 60 frames a point in place of 2,000, and shorter timed runs.
        seed: of everything random.
        log: called with what is measured next.
    """
    return [
        *snr_rows(quick, seed, log),
        *payload_rows(quick, seed, log),
        *offset_rows(quick, seed, log),
        *speed_rows(quick, seed, log),
    ]


def snr_rows(quick: bool, seed: int, log: Log) -> list[Row]:
    """SNR reported less that of the payload's noise variance, and the payload's SNR, under each fault."""
    rows = []
    for number, fault in enumerate(FAULTS):
        for snr_db in (10.0, 30.0):
            log(f"{fault.name}, {snr_db:g} dB")
            frames = 60 if quick else 2000
            received = _receive(frames, snr_db, fault, seed + number)
            rows += _snr_rows(f"{fault.name}, {snr_db:g} dB", snr_db, frames, received)
    return rows


def payload_rows(quick: bool, seed: int, log: Log) -> list[Row]:
    """What a payload of one symbol loses over AWGN, and how right the noise variance is where echoes outlast the
    cyclic prefix."""
    frames, rows = 60 if quick else 2000, []
    for snr_db in (3.0, 10.0, 20.0):
        log(f"payload of one symbol, {snr_db:g} dB")
        results = _receive(frames, snr_db, Fault("", cfo_hz=3e3), seed, items=4)
        errors = np.array([each.error for each in results])
        low, high = (snr_db + 10 * np.log10(bound) for bound in mean_interval(errors))
        loss_db = float(snr_db + 10 * np.log10(errors.mean()))
        name = f"payload of one symbol, SNR below the channel's, {snr_db:g} dB"
        rows.append(Row.at_most(name, loss_db, "dB", ONE_SYMBOL_GOAL_DB, len(errors), (float(low), float(high))))
    for snr_db in (5.0, 10.0, 20.0):
        log(f"echoes after the prefix, {snr_db:g} dB")
        results = _receive(frames, snr_db, Fault("", cfo_hz=3e3), seed + 1, late=True)
        ratios = np.array([each.ratio for each in results])
        ratio, (low, high) = float(ratios.mean()), mean_interval(ratios)
        name = f"echoes after the prefix, squared error over noise variance, {snr_db:g} dB"
        is_right = 1 / VARIANCE_GOAL <= ratio <= VARIANCE_GOAL
        goal = f"{1 / VARIANCE_GOAL:g} to {VARIANCE_GOAL:g}"
        rows.append(Row(name, ratio, "", goal, is_right, len(ratios), (float(low), float(high))))
    return rows


def speed_rows(quick: bool, seed: int, log: Log) -> list[Row]:
    """Samples per second of processor time beside those of noise alone, in turns within one run."""
    count, rounds = _SAMPLES // (2 if quick else 1), 3 if quick else 7
    noise = Awgn(0.0, seed).process(np.zeros(count, np.complex64))
    every_second = noise.copy()
    every_second[::2] = np.nan
    numerology = Numerology()
    streams = {
        "a carrier at the noise's level": parse_chain("tone(relative_db=0, frequency_hz=1e5)", 1e6, 1, numerology)
        .before.process(noise / np.float32(np.sqrt(1 / numerology.mean_sample_power))),
        "a DC offset at the noise's level": noise + np.complex64(1),
        "preambles back to back, 20 dB": np.resize(preamble(numerology), count) + noise * np.float32(0.1),
        "NaN in every second sample": every_second,
    }  # fmt: skip
    _timed(noise)  # compiles
    rates: dict[str, list[float]] = {name: [] for name in streams}
    alone: list[float] = []
    for number in range(rounds):
        log(f"speed, round {number + 1} of {rounds}")
        alone.append(_timed(noise))
        for name, samples in streams.items():
            rates[name].append(_timed(samples))
    rows = [Row("search in noise alone", float(np.median(alone)) / 1e6, "MS/s of processor time", n=rounds)]
    for name, values in rates.items():
        share = float(np.median(np.array(values) / np.array(alone)))
        rows.append(Row.at_least(f"speed over that in noise alone, {name}", share, "", SPEED_GOAL, rounds))
    return rows


def _timed(samples: np.ndarray) -> float:
    """Samples a second of processor time."""
    receiver, begin = Receiver(Numerology()), time.process_time()
    for place in range(0, len(samples), _CHUNK):
        receiver.push(samples[place : place + _CHUNK])
    receiver.flush()
    return len(samples) / max(time.process_time() - begin, 1e-9)


@dataclass(frozen=True)
class _Result:
    """Of a frame that was received: SNR reported, mean noise variance and mean squared error of its features, and the
    mean of their ratio."""

    snr_db: float
    variance: float
    error: float
    ratio: float


def _receive(
    frames: int, snr_db: float, fault: Fault, seed: int, items: int = _ITEMS, late: bool = False
) -> list[_Result]:
    """Frames through a fault, after a stretch of noise.

    Args:
        items: of `_K` symbols, a frame.
        late: each frame through Rayleigh fading of its own that outlasts the cyclic prefix.
    """
    numerology, rng, offset = Numerology(), np.random.default_rng(seed), CarrierOffset(fault.cfo_hz, 1e6)
    before = parse_chain(fault.before, 1e6, seed, numerology).before
    after = parse_chain(fault.after, 1e6, seed, numerology).before
    noise, receiver = Awgn(snr_db, seed), Receiver(numerology)
    sent: dict[int, np.ndarray] = {}
    results: list[_Result] = []

    def push(samples: np.ndarray) -> None:
        air = after.process(noise.process(before.process(offset.process(samples))))
        for place in range(0, len(air), _CHUNK):
            results.extend(_judged(receiver.push(air[place : place + _CHUNK]), sent))

    push(np.zeros(_WARM_UP, np.complex64))
    for first in range(0, frames, _BLOCK_FRAMES):
        parts = []
        for number in range(first, min(first + _BLOCK_FRAMES, frames)):
            features = rng.standard_normal((2 * items * _K), np.float32).view(np.complex64).reshape(items, _K)
            features /= np.sqrt(np.mean(np.abs(features) ** 2, axis=1, keepdims=True))
            sent[number % FRAME_NUM_MODULO] = features
            samples = build_frame(features, Header(1, _K, items, number % FRAME_NUM_MODULO), numerology)
            if late:
                samples = np.convolve(samples, _late_taps(rng)).astype(np.complex64)
            parts += [samples, np.zeros(int(rng.integers(150, 450)), np.complex64)]
        push(np.concatenate(parts))
    return [*results, *_judged(receiver.flush(), sent)]


def _late_taps(rng: np.random.Generator) -> np.ndarray:
    powers = np.exp(-np.arange(_LATE_TAPS) / 8.0)
    return rng.standard_normal((_LATE_TAPS, 2)) @ [1, 1j] * np.sqrt(powers / powers.sum() / 2)


def _judged(frames: Iterable[ReceivedFrame], sent: dict[int, np.ndarray]) -> list[_Result]:
    """Of the frames of which something arrived: one that is erased as a whole counts as not received."""
    return [_judged_frame(frame, sent) for frame in frames if not frame.erased.all()]


def _judged_frame(frame: ReceivedFrame, sent: dict[int, np.ndarray]) -> _Result:
    there = ~frame.erased
    variance = frame.noise_variance[there].astype(np.float64)
    errors = (
        np.abs(frame.features[there] * (1 + frame.noise_variance[there]) - sent[frame.header.frame_num][there]) ** 2
    )
    return _Result(frame.snr_db, float(variance.mean()), float(errors.mean()), float(np.mean(errors / variance)))


def _snr_rows(name: str, snr_db: float, frames: int, results: Sequence[_Result]) -> list[Row]:
    low, high = wilson_interval(len(results), frames)
    rows = [Row(f"{name}: frames received", 100 * len(results) / frames, "%", n=frames, ci95=(100 * low, 100 * high))]
    if len(results) < 2:
        return [*rows, Row.at_most(f"{name}: SNR reported less the payload's", float("nan"), "dB", SNR_GOAL_DB, 0)]
    reported = np.array([each.snr_db for each in results])
    payload_db = -10 * np.log10(np.mean([each.variance for each in results]))
    low, high = (bound - payload_db for bound in mean_interval(reported))
    value = float(reported.mean() - payload_db)
    title, goal = f"{name}: SNR reported less the payload's", f"within {SNR_GOAL_DB:g} dB"
    rows.append(Row(title, value, "dB", goal, abs(value) <= SNR_GOAL_DB, len(results), (float(low), float(high))))
    error_db = -10 * np.log10(np.mean([each.error for each in results]))
    return [*rows, Row(f"{name}: payload's SNR below the channel's", float(snr_db - error_db), "dB", n=len(results))]
