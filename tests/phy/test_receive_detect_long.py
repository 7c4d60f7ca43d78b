# SPDX-License-Identifier: GPL-3.0-or-later
"""Detection and synchronisation of robust frames by themselves."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.phy.frame.modes import FrameMode, frame_layout
from sdr_sc.phy.frame.preamble import preamble
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.detect_long import LongDetector
from sdr_sc.phy.receive.sync_robust import MIN_COHERENCE_ROBUST, RobustSynchroniser

N = Numerology()
LAYOUT = frame_layout(N, FrameMode.ROBUST)
START, ORIGIN = 5003, 70_001


def stream(snr_db: float, cycles: float, seed: int = 1, scale: float = 1.0) -> np.ndarray:
    """A robust preamble at `START` in noise, turned by an offset; complex64."""
    rng = np.random.default_rng(seed)
    samples = np.zeros(16_000, complex)
    samples[START : START + LAYOUT.preamble_samples] = preamble(N, FrameMode.ROBUST)
    samples *= np.exp(2j * np.pi * cycles * np.arange(len(samples)))
    noise = rng.standard_normal((len(samples), 2)) @ [1, 1j] * np.sqrt(10 ** (-snr_db / 10) / 2)
    return (scale * (samples + noise)).astype(np.complex64)


@pytest.mark.parametrize("cycles", [0.0, 0.012, -0.029])
@pytest.mark.parametrize("scale", [1.0, 1e-12, 1e12])
def test_a_robust_preamble_is_found_with_its_place_and_offset(cycles: float, scale: float) -> None:
    detector = LongDetector(LAYOUT)
    samples = stream(-4.0, cycles, scale=scale)
    candidate, _ = detector.search(samples, 0, ORIGIN)
    assert candidate is not None
    assert candidate.start == pytest.approx(ORIGIN + START, abs=200)
    assert candidate.cycles_per_sample == pytest.approx(cycles, abs=0.004)
    assert candidate.start % detector.block == 0
    assert candidate.start + detector.window < detector.decided_at <= ORIGIN + len(samples)
    synchroniser = RobustSynchroniser(LAYOUT, detector.window)
    sync = synchroniser.synchronise(samples, candidate, ORIGIN, 256)
    assert sync is not None and sync.start == pytest.approx(ORIGIN + START, abs=2)
    assert sync.cycles_per_sample == pytest.approx(cycles, abs=1e-4)
    signal, noise = N.mean_sample_power, 10**0.4
    assert sync.coherence == pytest.approx(signal / (signal + noise), abs=0.08)
    assert sync.amplitude == pytest.approx(scale * np.sqrt(signal + noise), rel=0.15)


@pytest.mark.parametrize("chunk", [1, 63, 64, 1000, 7001])
def test_the_cut_of_the_stream_changes_nothing(chunk: int) -> None:
    samples = stream(-6.0, 0.02)
    whole, _ = LongDetector(LAYOUT).search(samples, 0, ORIGIN)
    detector, first, found, begin = LongDetector(LAYOUT), 0, None, 0
    for end in range(chunk, len(samples) + chunk, chunk):
        # As the receiver does: what is settled is dropped.
        found, settled = detector.search(samples[begin:end], first - begin, ORIGIN + begin)
        if found is not None:
            assert detector.decided_at <= ORIGIN + min(end, len(samples))
            break
        first = begin + settled
        begin = first
    assert found == whole


def test_a_candidate_is_known_with_the_sample_that_decides_it_and_not_before() -> None:
    samples, detector = stream(0.0, 0.0), LongDetector(LAYOUT)
    candidate, _ = detector.search(samples, 0, ORIGIN)
    last = detector.decided_at - ORIGIN
    assert LongDetector(LAYOUT).search(samples[: last - 1], 0, ORIGIN)[0] is None
    assert LongDetector(LAYOUT).search(samples[:last], 0, ORIGIN)[0] == candidate


def test_noise_gives_few_candidates_and_they_are_not_confirmed() -> None:
    rng, detector = np.random.default_rng(2), LongDetector(LAYOUT)
    samples = (rng.standard_normal((2_000_000, 2)) @ [1, 1j]).astype(np.complex64)
    synchroniser, first, candidates, confirmed = RobustSynchroniser(LAYOUT, detector.window), 0, 0, 0
    while True:
        candidate, _ = detector.search(samples, first)
        if candidate is None:
            break
        candidates += 1
        confirmed += synchroniser.synchronise(samples, candidate, 0, 256) is not None
        first = candidate.start + detector.window // 2
    # 5 in a million samples are measured, of which noise confirms 1 %.
    assert candidates <= 30 and confirmed <= 3
    assert MIN_COHERENCE_ROBUST < 0.1


def test_silence_and_too_few_samples_give_nothing() -> None:
    assert LongDetector(LAYOUT).search(np.zeros(10_000, np.complex64), 0)[0] is None
    assert LongDetector(LAYOUT).search(np.zeros(10, np.complex64), 0) == (None, 0)
    assert LongDetector(LAYOUT).search(np.zeros(0, np.complex64), 0) == (None, 0)


def test_after_a_restart_nothing_is_known_of_the_samples_before() -> None:
    samples, detector = stream(0.0, 0.0), LongDetector(LAYOUT)
    assert detector.search(np.zeros_like(samples), 0, ORIGIN)[0] is None
    detector.restart()
    assert detector.search(samples, 0, ORIGIN) == LongDetector(LAYOUT).search(samples, 0, ORIGIN)
