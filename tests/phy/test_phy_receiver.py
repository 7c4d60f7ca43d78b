# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiver: what it finds, what it measures, and what it does with damaged input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdr_sc.phy.channels import Awgn, CarrierOffset, Chain, ChannelModel, Multipath, RayleighBlockFading, delay
from sdr_sc.phy.frame.framing import build_frame
from sdr_sc.phy.frame.header import Header
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.receiver import ReceivedFrame, Receiver

N64 = Numerology()
N256 = Numerology(fft_size=256, cyclic_prefix=32, data_subcarriers=192, pilot_subcarriers=8, header_symbols=3)


def make_features(rng: np.random.Generator, n_items: int = 4, k: int = 16) -> np.ndarray:
    x = rng.standard_normal((n_items, k)) + 1j * rng.standard_normal((n_items, k))
    return (x / np.sqrt(np.mean(np.abs(x) ** 2, axis=1, keepdims=True))).astype(np.complex64)


def make_stream(
    frames: int, seed: int, numerology: Numerology = N64, gap: int = 0, k: int = 16
) -> tuple[np.ndarray, list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    parts, features = [], []
    for i in range(frames):
        features.append(make_features(rng, k=k))
        parts += [build_frame(features[-1], Header(7, k, 4, i), numerology), np.zeros(gap, np.complex64)]
    return np.concatenate(parts), features


def receive(
    samples: np.ndarray, numerology: Numerology = N64, chunk: int = 8192
) -> tuple[list[ReceivedFrame], Receiver]:
    receiver = Receiver(numerology)
    frames = [f for i in range(0, len(samples), chunk) for f in receiver.push(samples[i : i + chunk])]
    return frames + receiver.flush(), receiver


def payload_snr_db(frames: list[ReceivedFrame], features: list[np.ndarray]) -> float:
    """SNR of the unbiased estimates."""
    errors = [np.mean(np.abs(f.features * (1 + f.noise_variance) - features[f.header.frame_num]) ** 2) for f in frames]
    return float(-10 * np.log10(np.mean(errors)))


@pytest.mark.parametrize("numerology", [N64, N256])
@pytest.mark.parametrize("gap", [0, 137])
def test_no_frame_is_lost_at_30_db(numerology: Numerology, gap: int) -> None:
    samples, features = make_stream(300, 1, numerology, gap)
    channel = Chain([CarrierOffset(0.3 * numerology.subcarrier_spacing_hz, 1e6), Awgn(30.0, 2)])
    frames, receiver = receive(channel.process(samples), numerology)
    assert [f.header.frame_num for f in frames] == list(range(300))
    assert receiver.counters.header_failed == 0
    assert payload_snr_db(frames, features) > 29.0


@pytest.mark.parametrize("offset_subcarriers", [-1.95, -0.5, 0.0, 0.9, 1.5, 1.99])
def test_carrier_offset_is_found_within_two_subcarriers(offset_subcarriers: float) -> None:
    samples, _ = make_stream(30, 3, gap=200)
    cfo_hz = offset_subcarriers * N64.subcarrier_spacing_hz
    frames, _ = receive(Chain([CarrierOffset(cfo_hz, 1e6), Awgn(10.0, 4)]).process(samples))
    assert len(frames) == 30
    assert np.mean([f.cfo_hz for f in frames]) == pytest.approx(cfo_hz, abs=10)
    assert np.std([f.cfo_hz for f in frames]) < 30


@pytest.mark.parametrize("snr_db", [-3.0, 0.0, 10.0, 25.0])
def test_snr_estimate_is_calibrated(snr_db: float) -> None:
    samples, _ = make_stream(200, 5, gap=100)
    frames, _ = receive(Chain([CarrierOffset(3e3, 1e6), Awgn(snr_db, 6)]).process(samples))
    errors = np.array([f.snr_db for f in frames]) - snr_db
    assert len(frames) >= (170 if snr_db < 0 else 199)
    assert abs(errors.mean()) < (0.3 if snr_db < 0 else 0.12)
    assert errors.std() < (0.8 if snr_db <= 0 else 0.4)


@pytest.mark.parametrize("snr_db, loss_db", [(0.0, 1.0), (10.0, 0.7), (25.0, 0.7)])
def test_payload_snr_is_close_to_the_channels(snr_db: float, loss_db: float) -> None:
    samples, features = make_stream(100, 7, gap=100, k=64)
    frames, _ = receive(Chain([CarrierOffset(-5e3, 1e6), Awgn(snr_db, 8)]).process(samples))
    assert snr_db - payload_snr_db(frames, features) < loss_db


def test_noise_variance_says_how_large_the_errors_are() -> None:
    samples, features = make_stream(200, 9, gap=100)
    channel = Chain([Multipath([0.8, 0, 0.5j, 0, -0.3]), Awgn(15.0, 10)])
    frames, _ = receive(channel.process(samples))
    error = np.concatenate(
        [np.abs(f.features * (1 + f.noise_variance) - features[f.header.frame_num]).ravel() ** 2 for f in frames]
    )
    told = np.concatenate([f.noise_variance.ravel() for f in frames])
    weak = told > np.median(told)
    assert np.mean(error[weak]) > 1.5 * np.mean(error[~weak])
    assert np.mean(error / told) == pytest.approx(1.15, abs=0.2)  # the channel estimate's own error comes on top


@pytest.mark.parametrize(
    "model", [delay(11), Multipath([0.3, 1.0, 0.4j]), RayleighBlockFading(N64.frame_samples(64) + 200, 2.0, 3)]
)
def test_multipath_and_delay_leave_features_right(model: ChannelModel) -> None:
    samples, features = make_stream(60, 11, gap=200)
    frames, _ = receive(Chain([model, Awgn(30.0, 12)]).process(samples))
    strong = [f for f in frames if f.snr_db > 20]
    assert len(strong) >= 45
    assert payload_snr_db(strong, features) > 17


def test_chunking_changes_nothing() -> None:
    samples, _ = make_stream(20, 13, gap=61)
    noisy = Awgn(8.0, 14).process(samples)
    whole, _ = receive(noisy, chunk=len(noisy))
    rng = np.random.default_rng(15)
    receiver, place, pieces = Receiver(N64), 0, []
    while place < len(noisy):
        step = int(rng.choice([1, 7, 80, 500, 3000]))
        pieces += receiver.push(noisy[place : place + step])
        place += step
    pieces += receiver.flush()
    assert [f.start_sample for f in pieces] == [f.start_sample for f in whole]
    for one, other in zip(whole, pieces, strict=True):
        assert np.allclose(one.features, other.features, atol=1e-5)


def test_pure_noise_gives_no_frames() -> None:
    receiver, noise = Receiver(N64), Awgn(0.0, 16)
    for _ in range(40):
        assert receiver.push(noise.process(np.zeros(50_000, np.complex64))) == []
    assert receiver.counters.delivered == 0


def test_buffer_stays_small_in_silence_and_noise() -> None:
    receiver = Receiver(N64)
    for level_db in (200.0, 0.0):
        noise = Awgn(level_db, 17)
        for _ in range(20):
            receiver.push(noise.process(np.zeros(50_000, np.complex64)))
        assert len(receiver._buffer.samples) < 5_000


def test_a_frame_cut_short_reports_what_is_erased() -> None:
    samples, features = make_stream(1, 18, k=64)
    cut = samples[: N64.payload_offset + 3 * N64.symbol_samples]
    frames, receiver = receive(cut)
    frame = frames[0]
    assert receiver.counters.truncated == 1
    assert frame.erased.sum() == 4 * 64 - 3 * 48
    assert np.isnan(frame.features[frame.erased]).all()
    assert np.isinf(frame.noise_variance[frame.erased]).all()
    assert np.allclose(frame.features[~frame.erased], features[0][~frame.erased], atol=0.02)


def test_a_frame_without_payload_counts_as_cut() -> None:
    samples, _ = make_stream(1, 19)
    frames, receiver = receive(samples[: N64.preamble_samples + 200])
    assert frames == []
    assert receiver.counters.cut_in_header == 1


def test_damaged_header_drops_the_frame_and_counts_it() -> None:
    samples, _ = make_stream(3, 20, gap=100)
    second = len(samples) // 3
    header = slice(second + N64.preamble_samples, second + N64.payload_offset)
    samples[header] = Awgn(0.0, 21).process(np.zeros(header.stop - header.start, np.complex64))
    frames, receiver = receive(samples)
    assert [f.header.frame_num for f in frames] == [0, 2]
    assert receiver.counters.header_failed == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, 1e5])
def test_bad_samples_do_no_harm_to_later_frames(value: float) -> None:
    samples, _ = make_stream(4, 22, gap=400)
    samples[100:110] = value
    frames, _ = receive(samples)
    assert [f.header.frame_num for f in frames][-2:] == [2, 3]


@given(st.integers(0, 2**32 - 1), st.integers(0, 5000), st.sampled_from([0.0, 1e-20, 1.0, 1e10]))
@settings(max_examples=30, deadline=None)
def test_any_samples_are_survived(seed: int, length: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    samples = (scale * rng.standard_normal(2 * length)).astype(np.float32).view(np.complex64)
    frames, receiver = receive(samples, chunk=997)
    assert frames == []
    assert receiver.counters.samples == length


def test_header_and_detection_work_at_0_db() -> None:
    samples, _ = make_stream(500, 23, gap=50)
    rng = np.random.default_rng(24)
    offset = CarrierOffset(rng.uniform(-1.9, 1.9) * N64.subcarrier_spacing_hz, 1e6)
    frames, _ = receive(Chain([offset, Awgn(0.0, 25)]).process(samples))
    assert len(frames) >= 495


def test_the_memory_of_a_large_push_is_given_back() -> None:
    receiver, large = Receiver(Numerology()), np.zeros(3_000_000, np.complex64)
    receiver.push(large)
    assert len(receiver._buffer._storage) >= len(large)
    for _ in range(40):
        receiver.push(large[:1000])
    assert len(receiver._buffer._storage) < 50_000
    receiver.push(large)
    receiver.flush()
    assert len(receiver._buffer._storage) == 0
