# SPDX-License-Identifier: GPL-3.0-or-later
"""Many frames at one operating point: what was sent, over which channel, and what became of each frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sdr_sc.bench.phy.fading import NO_FADING, Fading
from sdr_sc.bench.phy.judge import features_are_right, squared_errors
from sdr_sc.phy.channels import USRP_CLASS, Awgn, CarrierOffset, Chain, ChannelModel, ClockOffset, PhaseNoise
from sdr_sc.phy.frame.framing import build_frame
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO, Header
from sdr_sc.phy.frame.modes import FrameMode
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.receiver import ReceivedFrame, Receiver
from sdr_sc.results.pool import map_jobs

MakeReceiver = Callable[[Numerology], Receiver]
SHORT = ((4, 4), (4, 8), (4, 16), (4, 32))
HUNDRED_SYMBOLS = ((64, 64),)  # 4096 features: 86 payload symbols after 14 of preamble and header
CFO_SUBCARRIERS = 2.0
_BLOCK_FRAMES = 20
_LONGEST_CHUNK = 20_000


@dataclass(frozen=True)
class Trial:
    """An operating point; it can be sent to another process.

    Attributes:
        frames: how many are sent.
        seed: of everything random; the same seed gives the same trial.
        snr_db: Es/N0 for a channel gain of 1; None for no noise.
        sizes: items and feature symbols per item; each frame has one of these pairs.
        gap_samples: least and most silence after a frame.
        fading: a new realisation of it for each frame.
        clock_ppm: offset of the receiver's sampling clock.
        phase_noise: whether the link has the oscillators of a USRP.
        sample_rate_hz: complex samples per second.
        mode: of the frames.
    """

    frames: int
    seed: int
    snr_db: float | None = None
    sizes: Sequence[tuple[int, int]] = SHORT
    gap_samples: tuple[int, int] = (0, 400)
    fading: Fading = NO_FADING
    clock_ppm: float = 0.0
    phase_noise: bool = False
    sample_rate_hz: float = 1e6
    mode: FrameMode = FrameMode.NORMAL


@dataclass
class Outcome:
    """What became of the frames of a trial; arrays of float64 (frames,).

    Attributes:
        own_snr_db: received SNR of each frame: its mean power after the fading, over the noise.
        estimate_db: the receiver's estimate; NaN where the frame was lost.
        error: mean squared error of the unbiased features, an erased one counted 1; NaN where the frame was lost.
        erased: share of the features that are erased, 0..1; NaN where the frame was lost.
        is_right: bool; received, nothing erased, and as exactly as its SNR over a channel of gain 1 allows.
        false: frames given out that were not sent.
    """

    own_snr_db: np.ndarray
    estimate_db: np.ndarray
    error: np.ndarray
    erased: np.ndarray
    is_right: np.ndarray
    false: int = 0

    @property
    def received(self) -> np.ndarray:
        """bool (frames,)."""
        return np.isfinite(self.estimate_db)

    @classmethod
    def empty(cls, frames: int) -> Outcome:
        """Of frames that are still to be sent."""
        own_snr_db, estimate_db, error, erased = np.full((4, frames), np.nan)
        return cls(own_snr_db, estimate_db, error, erased, np.zeros(frames, bool))


def run_trial(trial: Trial, make_receiver: MakeReceiver = Receiver) -> Outcome:
    """Send the frames of a trial and receive them.

    Raises:
        SdrScError: the channel cannot be made, such as a measured one whose file is not there.
    """
    numerology = Numerology(sample_rate_hz=trial.sample_rate_hz)
    rng = np.random.default_rng(trial.seed)
    receiver, impairments = make_receiver(numerology), _impairments(trial)
    outcome = Outcome.empty(trial.frames)
    pending: dict[Header, tuple[int, np.ndarray]] = {}
    for first in range(0, trial.frames, _BLOCK_FRAMES):
        parts = []
        for i in range(first, min(first + _BLOCK_FRAMES, trial.frames)):
            header, features = _make_frame(trial, i, rng)
            pending[header] = i, features
            sent = build_frame(features, header, numerology)
            gap = int(rng.integers(trial.gap_samples[0], trial.gap_samples[1] + 1))
            silence = np.zeros(gap, np.complex64)
            arrived = trial.fading.process(np.concatenate((sent, silence)), trial.sample_rate_hz, _seed(trial, i))
            gain = float(np.sum(np.abs(arrived) ** 2) / np.sum(np.abs(sent) ** 2))
            if trial.snr_db is not None:
                outcome.own_snr_db[i] = trial.snr_db + 10 * np.log10(max(gain, 1e-12))
            cfo_hz = rng.uniform(-CFO_SUBCARRIERS, CFO_SUBCARRIERS) * numerology.subcarrier_spacing_hz
            parts.append(CarrierOffset(cfo_hz, trial.sample_rate_hz).process(arrived))
        samples, place = impairments.process(np.concatenate(parts)), 0
        while place < len(samples):
            step = int(rng.integers(1, _LONGEST_CHUNK))
            _note(outcome, trial, pending, receiver.push(samples[place : place + step]))
            place += step
    tail = np.zeros(8 * numerology.symbol_samples, np.complex64)  # pushes out what filters still hold
    _note(outcome, trial, pending, receiver.push(impairments.process(tail)) + receiver.flush())
    return outcome


def run_trials(trials: Sequence[Trial], make_receiver: MakeReceiver = Receiver, workers: int = 2) -> list[Outcome]:
    """The outcomes of several trials, in their order.

    Args:
        make_receiver: with more than one worker, something that can be pickled, such as a class or a partial of one.
        workers: processes; with 1, all runs in this one.
    """
    return map_jobs(run_trial, trials, (make_receiver,), workers)


def _impairments(trial: Trial) -> Chain:
    models: list[ChannelModel] = []
    if trial.clock_ppm:
        models.append(ClockOffset(trial.clock_ppm))
    if trial.phase_noise:
        models.append(PhaseNoise(trial.sample_rate_hz, seed=trial.seed + 1, **USRP_CLASS))
    if trial.snr_db is not None:
        models.append(Awgn(trial.snr_db, trial.seed + 2))
    return Chain(models)


def _seed(trial: Trial, number: int) -> int:
    return int(np.random.SeedSequence((trial.seed, number)).generate_state(1)[0])


def _make_frame(trial: Trial, number: int, rng: np.random.Generator) -> tuple[Header, np.ndarray]:
    n_items, k = trial.sizes[int(rng.integers(len(trial.sizes)))]
    features = rng.standard_normal(2 * n_items * k, np.float32).view(np.complex64).reshape(n_items, k)
    features /= np.sqrt(np.mean(np.abs(features) ** 2, axis=1, keepdims=True))
    header = Header(
        model_id=int(rng.integers(1 << 16)),
        k=k,
        n_items=n_items,
        frame_num=number % FRAME_NUM_MODULO,
        task=int(rng.integers(16)),
        mode=trial.mode,
    )
    return header, features


def _note(
    outcome: Outcome, trial: Trial, pending: dict[Header, tuple[int, np.ndarray]], frames: list[ReceivedFrame]
) -> None:
    for frame in frames:
        if frame.header not in pending:
            outcome.false += 1
            continue
        number, features = pending.pop(frame.header)
        outcome.estimate_db[number] = frame.snr_db
        outcome.error[number] = np.mean(squared_errors(frame, features))
        outcome.erased[number] = np.mean(frame.erased)
        outcome.is_right[number] = features_are_right(frame, features, trial.snr_db)
