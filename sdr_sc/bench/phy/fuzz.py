# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiver under fire: random and damaged samples in random chunks, and a judge of what comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from sdr_sc.bench.phy.fuzz_stream import FuzzStream, SentFrame
from sdr_sc.bench.phy.judge import WRONG_SHARE, features_are_right, has_wrong_features, wrong_features
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.receiver import ReceivedFrame, Receiver, ReceiverCounters
from sdr_sc.results.rows import Row

Log = Callable[[str], None]
SAMPLES = 10_000_000
QUICK_SAMPLES = 1_000_000
# Each candidate has to end as one of these; `candidates` less their sum is what nobody counted.
CAUSES = ("not_confirmed", "header_failed", "header_refused", "delivered", "cut_in_header", "abandoned")
CHUNKS = (1, 3, 80, 500, 4096, 30_000)


@dataclass
class Verdict:
    """What came of a stream.

    Attributes:
        samples, frames, intact: that were sent.
        delivered: frames given out.
        crashes: calls that raised.
        false_headers: frames given out whose header was never sent, and intact frames given out twice.
        false_features: undamaged frames given out with features erased, or far from those sent.
        damaged_delivered: damaged frames given out.
        damaged_false: of those the ones with wrong features that are not erased, more than a fifth of the rest.
        damaged_doubtful: the same, but of no more than two OFDM symbols, which is more than a fifth of a short frame.
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
    damaged_delivered: int = 0
    damaged_false: int = 0
    damaged_doubtful: int = 0
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
        elif not match.damages:
            scale_db = match.header.power_scale_db
            verdict.false_features += not features_are_right(frame, match.features, match.snr_db, scale_db)
        else:
            is_false = wrong_features(frame, match.features) > WRONG_SHARE * np.count_nonzero(~frame.erased)
            is_doubtful = is_false and not has_wrong_features(frame, match.features, Numerology())
            verdict.damaged_delivered += 1
            verdict.damaged_false += bool(is_false and not is_doubtful)
            verdict.damaged_doubtful += bool(is_doubtful)
    verdict.intact_lost = sum(frame.intact for frame in open_frames.values())


def fuzz_rows(quick: bool, seed: int, log: Log) -> list[Row]:
    """Crashes, false frames, wrong features, uncounted drops and intact frames lost in ten million samples, or one.

    The goal of all is 0, but for wrong features within a symbol or two, which no receiver need see.

    Args:
        quick: one million samples.
        seed: of stream and chunks.
        log: called with the progress.
    """
    verdict = fuzz(QUICK_SAMPLES if quick else SAMPLES, seed, log=log)
    million = f"{verdict.samples / 1e6:.0f} million samples"
    false = verdict.false_headers + verdict.false_features
    wrong, judged = "damaged frames with wrong features that are not erased", verdict.damaged_delivered
    return [
        Row("fuzz: crashes", verdict.crashes, "", "0", verdict.crashes == 0, verdict.samples),
        Row(f"fuzz: false frames in {million}", false, "frames", "0", false == 0, verdict.delivered),
        Row(f"fuzz: {wrong}", verdict.damaged_false, "frames", "0", verdict.damaged_false == 0, judged),
        Row(f"fuzz: {wrong}, all within two symbols", verdict.damaged_doubtful, "frames", n=judged),
        Row("fuzz: drops without a counted cause", verdict.uncounted, "", "0", verdict.uncounted == 0, verdict.frames),
        Row("fuzz: intact frames lost", verdict.intact_lost, "frames", "0", verdict.intact_lost == 0, verdict.intact),
    ]
