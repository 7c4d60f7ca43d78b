# SPDX-License-Identifier: GPL-3.0-or-later
"""What no receiver should be given: no crash, no false frame, every drop counted, the same whatever the chunks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from phy_streams import N64, check, join, largest_error, make_frame, noise, receive, receive_and_count, silence

from sdr_sc.phy.channels import CarrierOffset
from sdr_sc.phy.frame.preamble import preamble
from sdr_sc.phy.receive.receiver import Receiver

# A warning of numpy's is a figure gone wrong, and a line that no user should see.
pytestmark = pytest.mark.filterwarnings("error")
few = settings(max_examples=40, deadline=None, derandomize=True)
A, B = make_frame(1), make_frame(2)
LENGTH = len(A.samples)
GAP = 400
offsets = st.floats(-1.9, 1.9).map(lambda turns: CarrierOffset(turns * N64.subcarrier_spacing_hz, N64.sample_rate_hz))
seeds = st.integers(0, 2**32 - 1)
noise_db = st.sampled_from([None, -30.0, -15.0])
good_noise_db = st.sampled_from([None, -35.0, -25.0])


@given(st.integers(0, LENGTH), st.integers(0, LENGTH), noise_db, offsets, seeds)
@few
def test_a_frame_without_its_beginning_or_end(first: int, last: int, level_db, offset, seed: int) -> None:
    cut = A.samples[min(first, last) : max(first, last)]
    stream = join(cut, silence(LENGTH), B.samples, silence(GAP), noise_db=level_db, seed=seed)
    assert B in check(offset.process(stream), [A, B], seed=seed)


@given(st.integers(0, LENGTH), noise_db, seeds)
@few
def test_a_stream_that_ends_inside_a_frame(last: int, level_db, seed: int) -> None:
    stream = join(B.samples, silence(GAP), A.samples[:last], noise_db=level_db, seed=seed)
    got = check(stream, [A, B], seed=seed)
    assert B in got
    assert (A in got) == (last >= N64.payload_offset)


@given(st.integers(4, 20), st.floats(0, 1), st.integers(1, 2000), st.booleans(), good_noise_db, seeds)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_features_of_lost_samples_are_erased(
    symbols: int, place: float, length: int, is_cut: bool, level_db, seed: int
) -> None:
    # A slip by 64/7 samples turns pilots every 14 subcarriers by whole turns: they cannot distinguish it from none.
    assume(not is_cut or abs((length + 32 / 7) % (64 / 7) - 32 / 7) > 1.5)
    sent = make_frame(6, symbols, 48)
    start = N64.payload_offset + int(place * symbols * N64.symbol_samples)
    rest = sent.samples[start + length :]
    hole = silence(0 if is_cut else len(sent.samples) - start - len(rest))
    gap = silence(GAP + len(sent.samples))  # the frame after is not to stand where payload is missing
    stream = join(sent.samples[:start], hole, rest, gap, B.samples, silence(GAP), noise_db=level_db, seed=seed)
    assert check(stream, [sent, B], seed=seed) == [sent, B]


@given(st.integers(0, LENGTH), st.integers(1, LENGTH), st.sampled_from([0.0, -1.0, 3.0]), noise_db, seeds)
@few
def test_a_hole_in_a_frame(start: int, length: int, factor: float, level_db, seed: int) -> None:
    damaged = A.samples.copy()
    damaged[start : start + length] *= np.float32(factor)
    stream = join(damaged, silence(GAP), B.samples, silence(GAP), noise_db=level_db, seed=seed)
    assert B in check(stream, [A, B], seed=seed)


@given(st.integers(0, LENGTH), st.integers(1, GAP - 100), noise_db, seeds)
@few
def test_samples_missing_inside_a_frame(start: int, length: int, level_db, seed: int) -> None:
    rest = A.samples[start + length :]
    stream = join(A.samples[:start], rest, silence(GAP), B.samples, silence(GAP), noise_db=level_db, seed=seed)
    assert B in check(stream, [A, B], seed=seed)


@given(st.integers(0, LENGTH + GAP), st.floats(-30, 30), noise_db, offsets, seeds)
@few
def test_two_frames_that_collide(late: int, power_db: float, level_db, offset, seed: int) -> None:
    third = make_frame(3)
    both = np.zeros(2 * LENGTH + GAP, np.complex64)
    both[:LENGTH] = A.samples
    both[late : late + LENGTH] += offset.process(B.samples) * np.float32(10 ** (power_db / 20))
    stream = join(both, silence(LENGTH), third.samples, silence(GAP), noise_db=level_db, seed=seed)
    got = check(stream, [A, B, third], seed=seed)
    assert third in got
    if late >= LENGTH:
        assert got == [A, B, third]


@given(st.integers(0, LENGTH), st.integers(1, 900), st.sampled_from([np.nan, np.inf, -np.inf, 1e30, 3e38]), seeds)
@few
def test_samples_that_are_no_numbers(start: int, length: int, value: float, seed: int) -> None:
    stream = join(A.samples, silence(GAP + 900), B.samples, silence(GAP))
    bad = slice(start, start + length)
    stream.real[bad] = value
    if seed % 2:
        stream.imag[bad] = value
    assert B in check(stream, [A, B], seed=seed)
    receiver = Receiver(N64)
    receiver.push(stream)
    assert receiver.counters.not_finite == length


@pytest.mark.parametrize("start", [0, 79, 80, 555, 1100])
def test_lost_samples_of_the_payload_are_reported_as_lost(start: int) -> None:
    sent = make_frame(4, 16, 48)
    stream = join(sent.samples, noise_db=-30.0, seed=start)
    stream[N64.payload_offset + start :][:100] = np.nan
    (frame,) = receive(stream)
    assert 48 <= frame.erased.sum() <= 3 * 48
    assert largest_error(frame, sent) < 0.5


def test_frames_after_a_frame_that_was_cut_off() -> None:
    long, others = make_frame(5, 64, 64), [make_frame(i) for i in range(10, 16)]
    arrived = N64.payload_offset + 10 * N64.symbol_samples
    rest = [frame.samples for frame in others]
    frames = receive(join(long.samples[:arrived], *rest, silence(GAP), noise_db=-25.0))
    assert [frame.header for frame in frames] == [long.header, *(other.header for other in others)]
    assert largest_error(frames[0], long) < 0.7


@given(st.integers(3, 12), st.integers(0, 5000), seeds)
@few
def test_an_impulse_hides_no_later_frame(exponent: int, behind: int, seed: int) -> None:
    stream = join(silence(500 + behind), A.samples, silence(GAP), noise_db=-30.0, seed=seed)
    stream[100] = 10.0**exponent
    assert check(stream, [A], seed=seed) == [A]


@given(st.sampled_from([-9, -7, -5, -3, -1, 1, 3, 5, 7, 10, 13]), st.booleans(), offsets)
@few
def test_any_amplitude_that_a_float_can_hold(exponent: float, is_noisy: bool, offset) -> None:
    stream = join(silence(GAP), A.samples, silence(GAP), noise_db=-25.0 if is_noisy else None)
    (frame,) = receive((offset.process(stream) * 10.0**exponent).astype(np.complex64))
    assert frame.header == A.header
    assert largest_error(frame, A) < (0.5 if is_noisy else 0.01)
    assert frame.snr_db == pytest.approx(25, abs=3) if is_noisy else frame.snr_db > 50


@given(st.floats(-45, 38), seeds)
@few
def test_amplitudes_at_the_end_of_the_range_give_the_features_or_nothing(exponent: float, seed: int) -> None:
    with np.errstate(all="ignore"):
        stream = (join(A.samples, silence(GAP), noise_db=-25.0, seed=seed) * 10.0**exponent).astype(np.complex64)
    for frame in receive(stream):
        assert frame.header == A.header
        assert largest_error(frame, A) < 0.5


@given(st.floats(0.2, 3.0), noise_db, seeds)
@few
def test_clipped_samples(limit: float, level_db, seed: int) -> None:
    stream = join(A.samples, silence(GAP), B.samples, silence(GAP), noise_db=level_db, seed=seed)
    clipped = np.clip(stream.real, -limit, limit) + 1j * np.clip(stream.imag, -limit, limit)
    assert check(clipped.astype(np.complex64), [A, B], seed=seed) == [A, B]


@given(st.floats(-0.5, 0.5), st.integers(1, 4000), st.sampled_from([1e-3, 1.0, 30.0]), noise_db, seeds)
@few
def test_a_tone_or_a_constant_gives_no_frame(turns: float, length: int, amplitude: float, level_db, seed: int) -> None:
    frequency = 0.0 if seed % 4 == 0 else turns
    tone = np.float32(amplitude) * np.exp(2j * np.pi * frequency * np.arange(length)).astype(np.complex64)
    stream = join(tone, silence(LENGTH), A.samples, silence(GAP), noise_db=level_db, seed=seed)
    assert check(stream, [A], seed=seed) == [A]


@given(st.floats(-0.5, 0.5), st.floats(-30, 10), st.sampled_from([0, 50, 400]), seeds)
@few
def test_a_tone_hides_no_later_frame(turns: float, tone_db: float, gap: int, seed: int) -> None:
    tone = 10 ** (tone_db / 20) * np.exp(2j * np.pi * turns * np.arange(1000))
    stream = join(tone.astype(np.complex64), silence(gap), A.samples, silence(GAP), noise_db=-30.0, seed=seed)
    assert check(stream, [A], seed=seed) == [A]


@given(st.floats(-0.5, 0.5), st.floats(-30, -12), seeds)
@few
def test_a_frame_above_a_tone_is_received(turns: float, tone_db: float, seed: int) -> None:
    stream = join(silence(3000), A.samples, silence(3000), noise_db=-25.0, seed=seed)
    tone = 10 ** (tone_db / 20) * np.exp(2j * np.pi * turns * np.arange(len(stream)))
    assert check(stream + tone.astype(np.complex64), [A], seed=seed) == [A]


@given(st.integers(1, 12), st.integers(0, N64.preamble_samples), noise_db, offsets, seeds)
@few
def test_preambles_without_a_frame(count: int, first: int, level_db, offset, seed: int) -> None:
    preambles = np.tile(preamble(N64), count)[first:]
    stream = join(preambles, A.samples, silence(GAP), noise_db=level_db, seed=seed)
    assert check(offset.process(stream), [A], seed=seed) == [A]


@given(st.integers(0, 341 * 80), seeds)
@few
def test_a_header_that_promises_more_than_arrives(arrived: int, seed: int) -> None:
    long = make_frame(5, 64, 256)
    stream = join(long.samples[: N64.payload_offset + arrived], noise_db=-30.0, seed=seed)
    frames, receiver = receive_and_count(stream, seed=seed)
    (frame,) = frames
    assert receiver.counters.truncated == 1
    assert frame.erased.sum() == 64 * 256 - 48 * (arrived // 80)
    assert largest_error(frame, long) < 0.5


@pytest.mark.parametrize("samples", [silence(0), silence(1), silence(100_000), noise(1, 0), noise(200_000, 0)])
def test_nothing_at_all(samples: np.ndarray) -> None:
    assert check(samples, []) == []


def test_a_receiver_goes_on_after_the_end_of_a_stream() -> None:
    receiver, starts = Receiver(N64), []
    for _ in range(3):
        frames = receiver.push(join(silence(100), A.samples, silence(50))) + receiver.flush() + receiver.flush()
        starts += [frame.start_sample for frame in frames]
    assert np.diff(starts).tolist() == [LENGTH + 150] * 2
    receiver.push(A.samples[: LENGTH // 2])
    receiver.abandon()
    assert (receiver.counters.delivered, receiver.counters.cut_in_header + receiver.counters.abandoned) == (3, 1)
