# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiver under fire: random and damaged samples in random chunks, and a judge of what comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from sdr_sc.experiments.measurements import Row
from sdr_sc.experiments.phy_damage import DAMAGES
from sdr_sc.phy.channels import CarrierOffset
from sdr_sc.phy.framing import build_frame
from sdr_sc.phy.header import FRAME_NUM_MODULO, Header
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receiver import ReceivedFrame, Receiver, ReceiverCounters

Log = Callable[[str], None]
SAMPLES = 10_000_000
QUICK_SAMPLES = 1_000_000
# Each candidate has to end as one of these; `candidates` less their sum is what nobody counted.
CAUSES = ("not_confirmed", "header_failed", "delivered", "cut_in_header", "abandoned")
CHUNKS = (1, 3, 80, 500, 4096, 30_000)
_FEWEST_FEATURES = 16
_ERROR_MARGIN = 4.0  # over 16 features or more the mean error stays below this many times its expectation
_ERROR_FLOOR = 1e-3
# Silence that detection and timing of a frame may need to be free of what is in front of it, in symbols.
_GUARD_SYMBOLS = 8


@dataclass(frozen=True)
class SentFrame:
    """A frame in a stream.

    Attributes:
        header: no two frames of a stream have the same.
        features: complex64 (n_items, k).
        start_sample: where in the stream it begins.
        intact: nothing was done to its samples, and no damaged frame in front of it announces samples this far.
        snr_db: its Es/N0.
    """

    header: Header
    features: np.ndarray
    start_sample: int
    intact: bool
    snr_db: float


@dataclass
class Verdict:
    """What came of a stream.

    Attributes:
        samples, frames, intact: that were sent.
        delivered: frames given out.
        crashes: calls that raised.
        false_headers: frames given out whose header was never sent, and intact frames given out twice.
        false_features: intact frames given out with features far from those sent.
        uncounted: candidates without a cause, and samples not counted.
        intact_lost: intact frames that were not given out.
        first_error: what the first crash said.
    """

    samples: int = 0
    frames: int = 0
    intact: int = 0
    delivered: int = 0
    crashes: int = 0
    false_headers: int = 0
    false_features: int = 0
    uncounted: int = 0
    intact_lost: int = 0
    first_error: str = ""


def missing_causes(counters: ReceiverCounters, samples: int) -> int:
    """Candidates without a cause, and samples that were not counted, of a receiver that was flushed.

    Args:
        samples: that it was given.
    """
    settled = sum(getattr(counters, cause) for cause in CAUSES)
    return abs(counters.candidates - settled) + abs(counters.samples - samples)


class FuzzStream:
    """An endless mixture of noise, silence, tones, frames and damaged frames.

    Args:
        numerology: of the frames.
        seed: the same seed gives the same stream.
    """

    def __init__(self, numerology: Numerology, seed: int) -> None:
        self.numerology = numerology
        self.sent: list[SentFrame] = []
        self._rng = np.random.default_rng(seed)
        self._place = 0
        self._announced = 0  # up to here a damaged frame may hold the receiver

    def segment(self) -> np.ndarray:
        """The next piece; complex64 (n,)."""
        kind = self._rng.choice(("noise", "silence", "tone", "frame", "damaged"), p=(0.14, 0.05, 0.01, 0.4, 0.4))
        level = np.float32(10 ** self._rng.uniform(-2, 1))
        if kind == "noise":
            out = self._noise(int(self._rng.integers(1, 8000)), level)
        elif kind == "silence":
            out = np.zeros(int(self._rng.integers(1, 3000)), np.complex64)
        elif kind == "tone":
            length = int(self._rng.integers(1, 2000))
            turns = self._rng.uniform(-0.5, 0.5) * np.arange(length)
            out = self._noise(length, level * np.float32(0.1)) + level * np.exp(2j * np.pi * turns).astype(np.complex64)
        else:
            out = self._frame(level, damaged=kind == "damaged")
        self._place += len(out)
        return out

    def take(self, samples: int) -> np.ndarray:
        """Whole segments, complex64, ``samples`` or a few more."""
        parts, end = [], self._place + samples
        while self._place < end:
            parts.append(self.segment())
        return np.concatenate(parts)

    def _noise(self, length: int, level: np.float32) -> np.ndarray:
        return self._rng.standard_normal(2 * length, np.float32).view(np.complex64) * (level * np.float32(0.5**0.5))

    def _frame(self, level: np.float32, damaged: bool) -> np.ndarray:
        rng, n = self._rng, self.numerology
        long = rng.random() < 0.01
        k = int(rng.integers(1, 257 if long else 33))
        items = int(rng.integers(-(-_FEWEST_FEATURES // k), 65 if long else 24))
        power_scale_db = int(rng.integers(-12, 13)) / 2
        frame_num = len(self.sent) % FRAME_NUM_MODULO
        header = Header(int(rng.integers(1 << 16)), k, items, frame_num, int(rng.integers(16)), power_scale_db)
        features = rng.standard_normal(2 * k * items, np.float32).view(np.complex64).reshape(items, k)
        features /= np.sqrt(np.mean(np.abs(features) ** 2))
        samples = build_frame(features, header, n)
        cfo_hz = rng.uniform(-1.9, 1.9) * n.subcarrier_spacing_hz
        samples = CarrierOffset(cfo_hz, n.sample_rate_hz).process(samples)
        snr_db = float(rng.uniform(15, 40))
        tail = self._noise(int(rng.integers(0, 2 * n.symbol_samples)), level)
        samples = samples + self._noise(len(samples), np.float32(10 ** (-snr_db / 20)))
        announced = n.frame_samples(header.feature_symbols) + _GUARD_SYMBOLS * n.symbol_samples
        samples = level * samples
        if damaged:
            for name in rng.choice(list(DAMAGES), int(rng.integers(1, 4))):
                samples = DAMAGES[name](samples, rng)
        intact = not damaged and self._place >= self._announced
        if damaged:
            # A copy of its header may stand anywhere in it.
            self._announced = max(self._announced, self._place + len(samples) + announced)
        self.sent.append(SentFrame(header, features, self._place, intact, snr_db))
        return np.concatenate((samples, tail * np.float32(10 ** (-snr_db / 20))))


def features_are_right(frame: ReceivedFrame, sent: SentFrame) -> bool:
    """Whether the unerased features of an intact frame are those sent, as exactly as its SNR allows."""
    there = ~frame.erased
    error = (frame.features * (1 + frame.noise_variance) - sent.features)[there]
    noise = 10 ** (-sent.snr_db / 10)
    expected = noise * 10 ** (-sent.header.power_scale_db / 10) + noise  # on the features, and on the pilots
    return bool(there.all() and np.mean(np.abs(error) ** 2) <= _ERROR_MARGIN * expected + _ERROR_FLOOR)


def fuzz(
    samples: int, seed: int, make_receiver: Callable[[Numerology], Receiver] = Receiver, log: Log = lambda _: None
) -> Verdict:
    """Feed a receiver ``samples`` samples in random chunks, and judge what it gives out.

    Args:
        samples: how many, roughly.
        seed: of stream and chunks.
        make_receiver: makes the receiver; a new one follows each crash.
    """
    numerology, verdict = Numerology(), Verdict()
    stream, rng = FuzzStream(numerology, seed), np.random.default_rng((seed, 1))
    receiver, given = make_receiver(numerology), 0
    received: list[ReceivedFrame] = []

    def call(act: Callable[[], list[ReceivedFrame]]) -> None:
        nonlocal receiver, given
        try:
            received.extend(act())
        except Exception as error:  # whatever it is, it is counted, and the run goes on
            verdict.crashes += 1
            verdict.first_error = verdict.first_error or f"{type(error).__name__}: {error}"
            receiver, given = make_receiver(numerology), 0

    while verdict.samples < samples:
        block = stream.take(min(200_000, samples))
        place = 0
        while place < len(block):
            chunk = block[place : place + int(rng.choice(CHUNKS, p=(0.02, 0.02, 0.06, 0.2, 0.4, 0.3)))]
            given += len(chunk)
            verdict.samples += len(chunk)
            call(partial(receiver.push, chunk))
            place += len(chunk)
        if verdict.samples // 2_000_000 != (verdict.samples - len(block)) // 2_000_000:
            log(f"fuzz: {verdict.samples / 1e6:.0f} million samples")
    call(receiver.flush)
    verdict.uncounted += missing_causes(receiver.counters, given)
    _judge(verdict, stream.sent, received)
    return verdict


def _judge(verdict: Verdict, sent: list[SentFrame], received: list[ReceivedFrame]) -> None:
    known = {frame.header: frame for frame in sent}
    open_frames = dict(known)
    verdict.frames, verdict.delivered = len(sent), len(received)
    verdict.intact = sum(frame.intact for frame in sent)
    for frame in received:
        match = open_frames.pop(frame.header, None)
        if match is None:
            # Damage may put a second copy of a frame on the air; no other frame can be there twice.
            again = known.get(frame.header)
            verdict.false_headers += again is None or again.intact
        elif match.intact and not features_are_right(frame, match):
            verdict.false_features += 1
    verdict.intact_lost = sum(frame.intact for frame in open_frames.values())


def fuzz_rows(quick: bool, seed: int, log: Log) -> list[Row]:
    """Crashes, frames made up, uncounted drops and intact frames lost in ten million samples (``quick``: one million).

    The goal of all is 0.

    Args:
        seed: of stream and chunks.
        log: told how far it is.
    """
    verdict = fuzz(QUICK_SAMPLES if quick else SAMPLES, seed, log=log)
    million = f"{verdict.samples / 1e6:.0f} million samples"
    false = verdict.false_headers + verdict.false_features
    return [
        Row("fuzz: crashes", verdict.crashes, "", "0", verdict.crashes == 0, verdict.samples),
        Row(f"fuzz: false frames in {million}", false, "frames", "0", false == 0, verdict.delivered),
        Row("fuzz: drops without a counted cause", verdict.uncounted, "", "0", verdict.uncounted == 0, verdict.frames),
        Row("fuzz: intact frames lost", verdict.intact_lost, "frames", "0", verdict.intact_lost == 0, verdict.intact),
    ]
