# SPDX-License-Identifier: GPL-3.0-or-later
"""Frame modes: their layout, and a receiver that finds them by itself."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from sdr_sc.phy.channels import Awgn, CarrierOffset
from sdr_sc.phy.frame.framing import build_frame
from sdr_sc.phy.frame.header import Header
from sdr_sc.phy.frame.modes import FrameMode, frame_layout
from sdr_sc.phy.frame.preamble import preamble, training_symbol
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.receiver import ReceivedFrame, Receiver

N = Numerology()
WIDE = Numerology(fft_size=256, cyclic_prefix=32, data_subcarriers=192, pilot_subcarriers=8, header_symbols=3)
SMALL = Numerology(fft_size=32, cyclic_prefix=8, data_subcarriers=22, pilot_subcarriers=2, header_symbols=12)
SHORT, NORMAL, ROBUST = FrameMode


def frame(mode: FrameMode, number: int = 0, numerology: Numerology = N, n_items: int = 4, k: int = 16) -> np.ndarray:
    """Samples of a frame with features of power 1."""
    features = np.exp(2j * np.pi * np.random.default_rng(number).random((n_items, k))).astype(np.complex64)
    return build_frame(features, Header(7, k, n_items, number, mode=mode), numerology)


def stream(modes: list[FrameMode], numerology: Numerology = N, gap: int = 300, seed: int = 1) -> np.ndarray:
    """Frames of these modes, each with another carrier offset within +-2 subcarriers, and gaps."""
    rng, parts = np.random.default_rng(seed), []
    for number, mode in enumerate(modes):
        offset = CarrierOffset(rng.uniform(-1.95, 1.95) * numerology.subcarrier_spacing_hz, numerology.sample_rate_hz)
        parts += [np.zeros(int(rng.integers(0, gap + 1))), offset.process(frame(mode, number, numerology))]
    return np.concatenate([*parts, np.zeros(gap)]).astype(np.complex64)


def receive(samples: np.ndarray, numerology: Numerology = N, chunk: int = 0) -> tuple[list[ReceivedFrame], Receiver]:
    receiver, frames = Receiver(numerology), []
    for place in range(0, len(samples), chunk or len(samples)):
        frames += receiver.push(samples[place : place + (chunk or len(samples))])
    return frames + receiver.flush(), receiver


@pytest.mark.parametrize("mode, overhead", [(SHORT, 8), (NORMAL, 14), (ROBUST, 44)])
def test_a_frame_is_as_long_as_its_layout_says(mode: FrameMode, overhead: int) -> None:
    layout = frame_layout(N, mode)
    assert layout.overhead_symbols == overhead
    assert len(frame(mode)) == layout.frame_samples(64) == (overhead + 2) * N.symbol_samples
    assert layout.payload_offset == overhead * N.symbol_samples
    samples, symbol = preamble(N, mode), training_symbol(N, mode)
    assert len(samples) == layout.preamble_samples
    for start in layout.training_starts:
        assert np.array_equal(samples[start : start + N.fft_size], symbol)


@pytest.mark.parametrize("numerology", [N, WIDE, SMALL])
def test_training_symbols_of_the_modes_are_unlike(numerology: Numerology) -> None:
    spectra = {mode: np.fft.fft(training_symbol(numerology, mode)) for mode in FrameMode}
    for one in FrameMode:
        for other in FrameMode:
            correlation = np.abs(np.fft.ifft(spectra[one] * spectra[other].conj())).max() / numerology.used
            assert correlation == pytest.approx(1.0, abs=1e-5) if one is other else correlation < 0.45


@pytest.mark.parametrize("numerology", [N, WIDE, SMALL])
@pytest.mark.parametrize("snr_db", [8.0, 30.0])
def test_frames_of_all_modes_are_found_in_one_stream(numerology: Numerology, snr_db: float) -> None:
    modes = [FrameMode(int(m)) for m in np.random.default_rng(3).integers(0, 3, 60)]
    samples = Awgn(snr_db, 4).process(stream(modes, numerology))
    frames, receiver = receive(samples, numerology)
    assert [f.header.mode for f in frames] == modes
    assert [f.header.frame_num for f in frames] == list(range(60))
    assert np.mean([f.snr_db for f in frames]) == pytest.approx(snr_db, abs=0.5)


def test_back_to_back_frames_of_all_modes_are_found() -> None:
    modes = 7 * [SHORT, ROBUST, NORMAL, NORMAL, SHORT, SHORT, ROBUST, ROBUST]
    frames, _ = receive(Awgn(12.0, 4).process(stream(modes, gap=0)))
    assert [f.header.mode for f in frames] == modes


@pytest.mark.parametrize("chunk", [331, 4096, 100_000])
def test_how_the_stream_is_cut_changes_nothing(chunk: int) -> None:
    modes = 5 * [ROBUST, SHORT, NORMAL, ROBUST]
    samples = Awgn(-3.0, 9).process(stream(modes, gap=2000))
    (whole, one), (pieces, other) = receive(samples), receive(samples, chunk=chunk)
    assert len(whole) >= 10
    assert one.counters == other.counters
    for a, b in zip(whole, pieces, strict=True):
        assert (a.header, a.start_sample, a.snr_db, a.cfo_hz) == (b.header, b.start_sample, b.snr_db, b.cfo_hz)
        assert a.features.tobytes() == b.features.tobytes()


@cache
def received(mode: FrameMode, snr_db: float) -> list[ReceivedFrame]:
    """Of 200 frames."""
    return receive(Awgn(snr_db, 11).process(stream(200 * [mode], gap=1500)))[0]


def test_robust_frames_arrive_where_others_do_not() -> None:
    # 90 % and 99 % are measured with 2,000 frames by `sdr-sc bench frame`; of 200, 17 more may be lost by chance.
    assert len(received(ROBUST, -8.0)) >= 163
    assert len(received(ROBUST, -5.0)) >= 194
    assert len(received(NORMAL, -8.0)) == 0


def test_short_frames_arrive_from_5_db() -> None:
    assert len(received(SHORT, 5.0)) >= 199
    offsets = np.array([f.cfo_hz for f in received(SHORT, 5.0)]) / N.subcarrier_spacing_hz
    assert np.abs(offsets).max() > 1.85


def test_a_header_of_another_mode_than_its_training_symbols_is_refused() -> None:
    robust, normal = frame(ROBUST), frame(NORMAL)
    layout = frame_layout(N, ROBUST)
    # The header of a normal frame after the preamble of a short one is no header of that mode at all.
    short = frame_layout(N, SHORT)
    wrong = np.concatenate((preamble(N, SHORT), normal[N.preamble_samples :]))
    frames, receiver = receive(np.concatenate((wrong, np.zeros(2000, np.complex64))))
    assert not frames and receiver.counters.header_failed + receiver.counters.header_refused >= 1
    assert len(robust) - layout.payload_offset == len(frame(SHORT)) - short.payload_offset
