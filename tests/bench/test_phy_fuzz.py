# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten million samples of noise, frames and damaged frames; and the judge itself, given receivers that are wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phy_streams import N64, check

from sdr_sc.bench.phy.damage import DAMAGES
from sdr_sc.bench.phy.fuzz import SAMPLES, fuzz
from sdr_sc.bench.phy.fuzz_stream import FuzzStream
from sdr_sc.bench.phy.trials import Trial, run_trial
from sdr_sc.phy.receive.receiver import ReceivedFrame, Receiver

pytestmark = pytest.mark.filterwarnings("error")


def test_ten_million_samples() -> None:
    verdict = fuzz(SAMPLES, seed=3)
    assert verdict.samples >= 10_000_000
    assert (verdict.crashes, verdict.first_error) == (0, "")
    # A damaged header passes its check of 16 bits once in 65,536; some 600 are damaged here.
    assert (verdict.false_headers, verdict.false_features, verdict.uncounted) == (0, 0, 0)
    assert verdict.damaged_delivered > 500 and verdict.damaged_false == 0
    assert verdict.damaged_doubtful < 0.08 * verdict.damaged_delivered  # short frames
    assert verdict.intact > 500 and verdict.intact_lost == 0


@pytest.mark.parametrize("seed, samples", [(1, 1_800_000), (7, 10_000_000), (16, 10_000_000), (29, 10_000_000)])
def test_holes_that_looked_like_a_clock_offset_are_erased(seed: int, samples: int) -> None:
    """Each of these streams has a payload with a hole whose few pilots seemed to come of clocks 85 to 154 ppm apart."""
    assert fuzz(samples, seed).damaged_false == 0


def test_a_wrong_header_whose_check_is_right_is_refused() -> None:
    """Frame 3082 of this trial was given out as one of another number, with 108 refined symbols."""
    assert run_trial(Trial(3100, seed=6, snr_db=-5.0)).false == 0


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_chunks_change_nothing(seed: int) -> None:
    stream = FuzzStream(N64, seed)
    samples = stream.take(60_000)
    check(samples, stream.sent, seed=seed, copies=True)  # type: ignore[arg-type]


def test_every_damage_changes_a_frame() -> None:
    rng = np.random.default_rng(1)
    samples = rng.standard_normal(4000, np.float32).view(np.complex64)
    for name, damage in DAMAGES.items():
        before = samples.copy()
        damaged = damage(samples, rng)
        assert damaged.dtype == np.complex64 and np.array_equal(samples, before), name
        assert not np.array_equal(damaged, samples), name


class Crashing(Receiver):
    def push(self, samples: np.ndarray) -> list[ReceivedFrame]:
        if super().push(samples):
            raise IndexError("lost")
        return []


class Forgetful(Receiver):
    def push(self, samples: np.ndarray) -> list[ReceivedFrame]:
        frames = super().push(samples)
        self.counters.header_failed = 0
        return frames


class Inventive(Receiver):
    def push(self, samples: np.ndarray) -> list[ReceivedFrame]:
        return [replace(f, header=replace(f.header, task=f.header.task ^ 1)) for f in super().push(samples)]


class Repeating(Receiver):
    def push(self, samples: np.ndarray) -> list[ReceivedFrame]:
        return 2 * super().push(samples)


class Wrong(Receiver):
    def push(self, samples: np.ndarray) -> list[ReceivedFrame]:
        return [replace(f, features=-f.features) for f in super().push(samples)]


class Guessing(Receiver):
    """Makes up what it should erase."""

    def push(self, samples: np.ndarray) -> list[ReceivedFrame]:
        return [self._fill(frame) if frame.erased.any() else frame for frame in super().push(samples)]

    def _fill(self, frame: ReceivedFrame) -> ReceivedFrame:
        features = np.where(frame.erased, np.complex64(1.0), frame.features)
        variance = np.where(frame.erased, np.float32(0.01), frame.noise_variance)
        return replace(frame, features=features, noise_variance=variance, erased=np.zeros_like(frame.erased))


class Deaf(Receiver):
    def push(self, samples: np.ndarray) -> list[ReceivedFrame]:
        super().push(samples)
        return []


@pytest.mark.parametrize(
    "kind, fault",
    [
        (Crashing, "crashes"),
        (Forgetful, "uncounted"),
        (Inventive, "false_headers"),
        (Repeating, "false_headers"),
        (Wrong, "false_features"),
        (Guessing, "damaged_false"),
        (Deaf, "intact_lost"),
    ],
)
def test_the_judge_sees_what_is_wrong(kind: type[Receiver], fault: str) -> None:
    assert getattr(fuzz(100_000, 5), fault) == 0
    assert getattr(fuzz(100_000, 5, kind), fault) > 0
