# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of a radio's front end: lines in the spectrum are taken off, and the SNR reported is the payload's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sdr_sc.phy.channels.frontend import DcOffset, IqImbalance
from sdr_sc.phy.channels.noise import Awgn
from sdr_sc.phy.channels.offsets import CarrierOffset
from sdr_sc.phy.frame.framing import build_frame
from sdr_sc.phy.frame.header import Header
from sdr_sc.phy.frame.modes import FrameMode
from sdr_sc.phy.frame.preamble import preamble
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.front_end import BLOCK, FrontEnd
from sdr_sc.phy.receive.receiver import ReceivedFrame, Receiver

N64 = Numerology()
POWER = N64.mean_sample_power
Change = Callable[[np.ndarray], np.ndarray]


def noise(count: int, seed: int, power: float = 1.0) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal(2 * count, np.float32).view(np.complex64)
    return values * np.float32(np.sqrt(power / 2))


def tone(count: int, cycles: float, power_db: float, reference: float = 1.0) -> np.ndarray:
    amplitude = np.sqrt(reference * 10 ** (power_db / 10))
    return (amplitude * np.exp(2j * np.pi * (cycles * np.arange(count) + 0.1))).astype(np.complex64)


def frames_of(
    change: Change, frames: int = 80, snr_db: float = 30.0, cfo_hz: float = 0.0, warm_up: int = 12 * BLOCK
) -> tuple[list[ReceivedFrame], float]:
    """Frames of 8 items of 8 symbols after a stretch of noise; those received, and their payload's mean SNR, dB."""
    rng, sent, parts = np.random.default_rng(1), [], [np.zeros(warm_up, np.complex64)]
    sizes = rng.integers(1, 300, frames)
    for i in range(frames):
        sent.append(np.exp(2j * np.pi * rng.random((8, 8))).astype(np.complex64))
        parts += [build_frame(sent[-1], Header(1, 8, 8, i), N64), np.zeros(sizes[i], np.complex64)]
    samples = change(CarrierOffset(cfo_hz, 1e6).process(np.concatenate(parts)))
    receiver = Receiver(N64)
    received = receiver.push(Awgn(snr_db, 2).process(samples)) + receiver.flush()
    errors = [np.abs(f.features * (1 + f.noise_variance) - sent[f.header.frame_num]) ** 2 for f in received]
    return received, float(-10 * np.log10(np.mean(errors)))


def estimates(received: list[ReceivedFrame]) -> tuple[float, float]:
    """Mean SNR reported and mean noise variance of the features, both in dB."""
    noise_variance = np.mean([frame.noise_variance for frame in received])
    return float(np.mean([frame.snr_db for frame in received])), float(-10 * np.log10(noise_variance))


@pytest.mark.parametrize("cycles", [0.0, 0.1, -0.2371, 0.47, 0.5])
@pytest.mark.parametrize("power_db", [-10.0, 0.0, 20.0])
def test_a_line_in_noise_is_taken_off(cycles: float, power_db: float) -> None:
    clean = noise(30 * BLOCK, 1)
    samples = clean + tone(len(clean), cycles, power_db)
    FrontEnd().process(samples)
    left = np.mean(np.abs((samples - clean)[-10 * BLOCK :]) ** 2)
    assert left < 1e-3  # of the noise's power
    np.testing.assert_array_equal(samples[: 4 * BLOCK], (clean + tone(len(clean), cycles, power_db))[: 4 * BLOCK])


def test_several_lines_are_taken_off_and_a_signal_of_many_lines_is_not() -> None:
    clean = noise(40 * BLOCK, 2)
    lines = [(0.0, 0.0), (0.11, -3.0), (-0.3, 3.0)]
    samples = clean + sum(tone(len(clean), cycles, power_db) for cycles, power_db in lines)
    front_end = FrontEnd()
    front_end.process(samples)
    found = sorted(line.cycles_per_sample for line in front_end.lines)
    np.testing.assert_allclose(found, [-0.3, 0.0, 0.11], atol=1e-6)
    assert np.mean(np.abs((samples - clean)[-10 * BLOCK :]) ** 2) < 3e-3
    repeated = np.resize(preamble(N64), 40 * BLOCK).copy()
    before = repeated.copy()
    FrontEnd().process(repeated)
    np.testing.assert_array_equal(repeated, before)


def test_a_line_that_moves_is_followed_and_one_that_ends_is_given_up() -> None:
    count = 60 * BLOCK
    drift = np.cumsum(0.05 + 2e-11 * np.arange(count))  # 20 Hz a second at 1 MS/s
    line = np.exp(2j * np.pi * (drift % 1.0)).astype(np.complex64)
    line[40 * BLOCK :] = 0
    clean = noise(count, 3)
    samples, front_end = clean + line, FrontEnd()
    front_end.process(samples)
    assert np.mean(np.abs((samples - clean)[20 * BLOCK : 40 * BLOCK]) ** 2) < 0.02
    np.testing.assert_array_equal(samples[50 * BLOCK :], clean[50 * BLOCK :])
    assert front_end.lines == []


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e14])
def test_in_silence_a_line_that_ended_leaves_one_block(scale: float) -> None:
    samples = np.float32(scale) * np.concatenate((tone(20 * BLOCK, 0.2, 0.0), np.zeros(5 * BLOCK, np.complex64)))
    front_end = FrontEnd()
    front_end.process(samples)
    assert np.abs(samples[10 * BLOCK : 20 * BLOCK]).max() < 1e-3 * scale
    assert front_end.lines == [] and not samples[21 * BLOCK :].any()


@pytest.mark.parametrize("seed", range(5))
def test_how_the_stream_is_cut_changes_no_bit(seed: int) -> None:
    rng, count = np.random.default_rng(seed), 25 * BLOCK
    whole = noise(count, seed) + tone(count, 0.1234, 0.0) + tone(count, 0.0, 3.0)
    cut, front_end, place = whole.copy(), FrontEnd(), 0
    FrontEnd().process(whole)
    while place < count:
        step = int(rng.choice([0, 1, 63, 700, 5000, 3 * BLOCK]))
        front_end.process(cut[place : place + step])
        place += step
    np.testing.assert_array_equal(cut, whole)


def test_a_stream_without_lines_is_not_touched() -> None:
    rng, parts = np.random.default_rng(4), []
    for i in range(200):
        features = np.exp(2j * np.pi * rng.random((2, 4))).astype(np.complex64)
        parts += [build_frame(features, Header(1, 4, 2, i), N64), np.zeros(80, np.complex64)]
    for power in (1.0, 1e-3, 0.0):  # 1,280 samples each, in step with the blocks
        samples = np.concatenate(parts) + noise(200 * 1280, 5, power)
        before, front_end = samples.copy(), FrontEnd()
        front_end.process(samples)
        np.testing.assert_array_equal(samples, before)


def test_after_missing_samples_a_dc_offset_stays_and_other_lines_are_found_again() -> None:
    count, front_end = 30 * BLOCK, FrontEnd()
    samples = noise(count, 6) + tone(count, 0.2, 0.0) + tone(count, 0.0, 0.0)
    front_end.process(samples)
    assert len(front_end.lines) == 2
    front_end.restart()
    assert [abs(line.cycles_per_sample) < 1e-6 for line in front_end.lines] == [True]


@pytest.mark.parametrize("cfo_hz", [0.0, 5e3, -20e3])
@pytest.mark.parametrize("dc_db", [-20.0, -10.0, 0.0, 6.0])
def test_the_snr_reported_stands_a_dc_offset(dc_db: float, cfo_hz: float) -> None:
    received, payload_db = frames_of(DcOffset(dc_db, POWER).process, cfo_hz=cfo_hz)
    reported_db, variance_db = estimates(received)
    assert len(received) == 80
    assert abs(reported_db - payload_db) < 1.0 and abs(reported_db - variance_db) < 1.0


@pytest.mark.parametrize("cycles", [0.1, 0.105, 0.47])
@pytest.mark.parametrize("power_db", [-10.0, 0.0])
def test_the_snr_reported_stands_a_carrier(power_db: float, cycles: float) -> None:
    received, payload_db = frames_of(lambda samples: samples + tone(len(samples), cycles, power_db, POWER), cfo_hz=3e3)
    reported_db, _ = estimates(received)
    assert len(received) == 80
    assert reported_db == pytest.approx(30.0, abs=1.0) and payload_db == pytest.approx(30.0, abs=1.0)


def test_the_snr_reported_stands_a_dc_offset_that_has_just_begun() -> None:
    """Frames ahead of the first estimate of a line: the fit is not believed against the known symbols."""
    received, payload_db = frames_of(DcOffset(0.0, POWER).process, frames=10, warm_up=100)
    assert len(received) == 10
    assert estimates(received)[0] == pytest.approx(payload_db, abs=1.0)


@pytest.mark.parametrize("step_db", [-6.0, 3.0, 6.0])
@pytest.mark.parametrize("place", [100, 200, 290])
def test_the_snr_reported_stands_a_gain_that_settles_in_the_detection_part(step_db: float, place: int) -> None:
    def settle(samples: np.ndarray) -> np.ndarray:
        gain, start = np.ones(len(samples), np.float32), 12 * BLOCK
        sizes = np.random.default_rng(1).integers(1, 300, 80)
        for size in sizes:  # at the gain of before, until it has settled
            gain[start : start + place] = 10 ** (-step_db / 20)
            start += N64.frame_samples(64) + size
        return samples * gain

    received, payload_db = frames_of(settle)
    assert len(received) == 80
    assert estimates(received)[0] == pytest.approx(30.0, abs=1.0) and payload_db == pytest.approx(30.0, abs=1.0)


@pytest.mark.parametrize("cfo_hz", [0.0, 7e3])
@pytest.mark.parametrize("snr_db", [10.0, 20.0, 30.0])
def test_the_image_of_an_iq_imbalance_is_taken_out(snr_db: float, cfo_hz: float) -> None:
    imbalance = IqImbalance(gain_db=1.0, phase_deg=5.0)  # 22.8 dB of image rejection
    received, payload_db = frames_of(imbalance.process, snr_db=snr_db, cfo_hz=cfo_hz, warm_up=100)
    assert len(received) == 80
    assert estimates(received)[0] == pytest.approx(snr_db, abs=0.2)
    assert payload_db == pytest.approx(snr_db, abs=0.8)


def test_dc_offset_and_imbalance_together() -> None:
    def faults(samples: np.ndarray) -> np.ndarray:
        return DcOffset(0.0, POWER).process(IqImbalance(gain_db=1.0, phase_deg=5.0).process(samples))

    received, payload_db = frames_of(faults, cfo_hz=5e3)
    assert len(received) == 80
    assert estimates(received)[0] == pytest.approx(30.0, abs=0.3) and payload_db == pytest.approx(30.0, abs=1.0)


@pytest.mark.parametrize("noise_power", [0.1, 0.001])
def test_preambles_back_to_back_are_refused_before_their_headers_are_read(noise_power: float) -> None:
    count = 100 * N64.preamble_samples
    samples = np.resize(preamble(N64), count) + noise(count, 9, noise_power)
    features = np.exp(2j * np.pi * np.random.default_rng(3).random((4, 12))).astype(np.complex64)
    frames = [build_frame(features, Header(1, 12, 4, 5, mode=mode), N64) for mode in FrameMode]
    receiver = Receiver(N64)
    received = receiver.push(np.concatenate((samples, *frames, samples))) + receiver.flush()
    assert [frame.header.mode for frame in received] == list(FrameMode)
    assert receiver.counters.header_failed < 10


@pytest.mark.parametrize("mode", FrameMode)
@pytest.mark.parametrize("subcarriers", [-8.0, -4.0, 1.9, 5.5, 8.0])
def test_a_wide_range_finds_offsets_up_to_eight_subcarriers(subcarriers: float, mode: FrameMode) -> None:
    features = np.exp(2j * np.pi * np.random.default_rng(3).random((4, 12))).astype(np.complex64)
    frame = build_frame(features, Header(1, 12, 4, 5, mode=mode), N64)
    quiet = np.zeros(1500, np.complex64)
    samples = CarrierOffset(subcarriers * 15625.0, 1e6).process(np.concatenate((quiet, frame, quiet)))
    samples = Awgn(15.0, 4).process(samples)
    receiver = Receiver(N64, cfo_range_subcarriers=8.0)
    (received,) = receiver.push(samples) + receiver.flush()
    assert received.cfo_hz == pytest.approx(subcarriers * 15625.0, abs=60)
    np.testing.assert_allclose(received.features * (1 + received.noise_variance), features, atol=0.8)
    narrow = Receiver(N64)
    assert len(narrow.push(samples) + narrow.flush()) == (abs(subcarriers) < 2)


def test_exchanged_i_and_q_are_received_with_the_option_alone() -> None:
    features = np.exp(2j * np.pi * np.random.default_rng(3).random((4, 12))).astype(np.complex64)
    frame = np.concatenate((np.zeros(900, np.complex64), build_frame(features, Header(1, 12, 4, 5), N64)))
    exchanged = (frame.imag + 1j * frame.real).astype(np.complex64)
    for swap_iq in (False, True):
        receiver = Receiver(N64, swap_iq=swap_iq)
        received = receiver.push(exchanged) + receiver.flush()
        assert len(received) == swap_iq
    np.testing.assert_allclose(received[0].features, features, atol=0.01)


@pytest.mark.parametrize("value", [1.9, 8.1, -3.0, float("nan")])
def test_a_range_that_the_receiver_does_not_have_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="cfo_range_subcarriers is"):
        Receiver(N64, cfo_range_subcarriers=value)


@pytest.mark.parametrize("seed", range(3))
def test_a_faulty_stream_gives_the_same_frames_however_it_is_cut(seed: int) -> None:
    rng, parts = np.random.default_rng(seed), [np.zeros(6 * BLOCK, np.complex64)]
    for number in range(30):
        features = np.exp(2j * np.pi * rng.random((4, 12))).astype(np.complex64)
        mode = FrameMode(number % 3)
        parts += [build_frame(features, Header(1, 12, 4, number, mode=mode), N64), np.zeros(300, np.complex64)]
    imbalance, offset = IqImbalance(gain_db=1.0, phase_deg=5.0), DcOffset(0.0, POWER)
    samples = offset.process(imbalance.process(Awgn(20.0, seed).process(np.concatenate(parts))))
    samples[len(samples) // 2 : len(samples) // 2 + 900 : 2] = np.nan

    def received(most: int) -> tuple[list[tuple], dict[str, int]]:
        receiver, place, frames = Receiver(N64), 0, []
        while place < len(samples):
            step = int(rng.integers(1, most))
            frames += receiver.push(samples[place : place + step])
            place += step
        frames += receiver.flush()
        values = [(f.start_sample, f.snr_db, f.features.tobytes(), f.noise_variance.tobytes()) for f in frames]
        return values, receiver.counters.to_dict()

    whole = received(1 << 20)
    assert len(whole[0]) >= 28
    assert received(700) == whole and received(20_000) == whole


def payload_of(
    taps: Callable[[np.random.Generator], np.ndarray], items: int, k: int, snr_db: float
) -> tuple[np.ndarray, np.ndarray]:
    """Squared errors and noise variances of the features of 300 frames, each through a channel of its own."""
    rng, sent, parts = np.random.default_rng(5), [], [np.zeros(500, np.complex64)]
    for i in range(300):
        sent.append(np.exp(2j * np.pi * rng.random((items, k))).astype(np.complex64))
        frame = build_frame(sent[-1], Header(1, k, items, i), N64)
        parts += [np.convolve(frame, taps(rng)).astype(np.complex64), np.zeros(int(rng.integers(300)), np.complex64)]
    samples = CarrierOffset(3e3, 1e6).process(np.concatenate(parts))
    receiver = Receiver(N64)
    received = receiver.push(Awgn(snr_db, 7).process(samples)) + receiver.flush()
    assert len(received) >= 298
    errors = [np.abs(f.features * (1 + f.noise_variance) - sent[f.header.frame_num]) ** 2 for f in received]
    there = np.concatenate([~f.erased.ravel() for f in received])
    return np.ravel(errors)[there], np.ravel([f.noise_variance for f in received])[there]


@pytest.mark.parametrize("snr_db", [3.0, 10.0, 20.0])
def test_a_payload_of_one_symbol_loses_no_more_than_a_longer_one(snr_db: float) -> None:
    errors, _ = payload_of(lambda rng: np.ones(1), 4, 8, snr_db)
    assert snr_db + 10 * np.log10(errors.mean()) < 0.4  # 0.7 where the pilots of one symbol give its phase


@pytest.mark.parametrize("snr_db", [10.0, 20.0])
def test_the_noise_variance_is_right_where_echoes_outlast_the_cyclic_prefix(snr_db: float) -> None:
    decay = np.exp(-np.arange(24) / 8.0)

    def rayleigh(rng: np.random.Generator) -> np.ndarray:
        return rng.standard_normal((24, 2)) @ [1, 1j] * np.sqrt(decay / decay.sum() / 2)

    errors, variances = payload_of(rayleigh, 8, 24, snr_db)
    assert np.mean(errors / variances) == pytest.approx(1.08, abs=0.12)  # 1.08: the error of the channel estimate
