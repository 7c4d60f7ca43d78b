# SPDX-License-Identifier: GPL-3.0-or-later
"""Pilot tracking: clock offset, carrier offset and common gain over long frames."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.phy.channels.base import Chain, ChannelModel
from sdr_sc.phy.channels.noise import Awgn, PhaseNoise
from sdr_sc.phy.channels.offsets import CarrierOffset, ClockOffset
from sdr_sc.phy.frame.framing import build_frame
from sdr_sc.phy.frame.header import Header
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.bundles import PilotPhasors, Prior
from sdr_sc.phy.receive.pilot_tracking import CLOCK_OFFSET_STD, track
from sdr_sc.phy.receive.presence import present_symbols
from sdr_sc.phy.receive.receiver import ReceivedFrame, Receiver

N64 = Numerology()
N256 = Numerology(fft_size=256, cyclic_prefix=32, data_subcarriers=192, pilot_subcarriers=8, header_symbols=3)


def receive(
    models: list[ChannelModel], snr_db: float, numerology: Numerology = N64, frames: int = 30, k: int = 64
) -> tuple[list[ReceivedFrame], float]:
    """Frames of 64 items, and their payload's SNR, dB."""
    rng, sent, parts = np.random.default_rng(1), [], []
    for i in range(frames):
        sent.append(np.exp(2j * np.pi * rng.random((64, k))).astype(np.complex64))
        parts += [build_frame(sent[-1], Header(1, k, 64, i), numerology), np.zeros(200, np.complex64)]
    receiver = Receiver(numerology)
    samples = Chain([*models, Awgn(snr_db, 2)]).process(np.concatenate(parts))
    received = receiver.push(samples) + receiver.flush()
    errors = [np.mean(np.abs(f.features * (1 + f.noise_variance) - sent[f.header.frame_num]) ** 2) for f in received]
    return received, float(-10 * np.log10(np.mean(errors)))


@pytest.mark.parametrize("numerology", [N64, N256])
@pytest.mark.parametrize("ppm", [-50.0, 20.0])
def test_clock_offset_is_measured_and_taken_out(ppm: float, numerology: Numerology) -> None:
    frames, payload_snr_db = receive([ClockOffset(ppm)], 25.0, numerology)
    assert len(frames) == 30
    assert np.mean([f.clock_offset_ppm for f in frames]) == pytest.approx(ppm, abs=1.0)
    assert payload_snr_db > 24.3


def test_longest_frame_with_a_large_clock_offset() -> None:
    frames, payload_snr_db = receive([ClockOffset(60.0), CarrierOffset(4321.0, 1e6)], 25.0, frames=6, k=256)
    assert len(frames) == 6
    assert np.mean([f.clock_offset_ppm for f in frames]) == pytest.approx(60, abs=0.5)
    assert payload_snr_db > 24.2


def test_no_clock_offset_is_read_into_noise() -> None:
    short, _ = receive([], 0.0, frames=40, k=1)  # two payload symbols
    long, payload_snr_db = receive([], 0.0, frames=40)
    assert np.std([f.clock_offset_ppm for f in short]) < 2
    assert np.std([f.clock_offset_ppm for f in long]) < 20
    assert payload_snr_db > -0.8


def test_phase_noise_is_followed() -> None:
    slow = [PhaseNoise(1e6, rms_deg=0.0, linewidth_hz=0.5, seed=3)]
    frames, payload_snr_db = receive(slow, 25.0)
    assert len(frames) == 30
    assert payload_snr_db > 22


def test_common_gain_that_changes_along_the_frame_is_followed() -> None:
    rng = np.random.default_rng(4)
    symbols, positions = 90, np.array([-21.0, -7.0, 7.0, 21.0])
    truth = (1 + 0.3 * np.sin(np.arange(symbols) / 30)) * np.exp(1j * np.arange(symbols) / 40)
    noise = 0.05 * (rng.standard_normal((symbols, 4)) + 1j * rng.standard_normal((symbols, 4)))
    phasors = (truth[:, np.newaxis] + noise).astype(np.complex64)
    observed = PilotPhasors(phasors, np.ones(4), positions, 5.0 + np.arange(symbols))
    gains, tilts, slope, centre = track(observed, np.ones(90, bool), Prior(0.005, 8 * CLOCK_OFFSET_STD, 1.25))
    assert np.sqrt(np.mean(np.abs(gains - truth) ** 2)) < 0.03
    assert np.abs(21 * tilts).max() < 0.05
    assert abs(slope) < 1e-4
    assert centre == 0


def test_a_tilt_over_frequency_is_followed() -> None:
    rng = np.random.default_rng(5)
    symbols, positions = 90, np.array([-21.0, -7.0, 7.0, 21.0])
    truth = 0.3j * np.sin(np.arange(symbols) / 40)[:, np.newaxis] * positions / 21
    noise = 0.05 * (rng.standard_normal((symbols, 4)) + 1j * rng.standard_normal((symbols, 4)))
    phasors = (1 + 0.2 * truth.real + truth + noise).astype(np.complex64)
    observed = PilotPhasors(phasors, np.ones(4), positions, 5.0 + np.arange(symbols))
    gains, tilts, slope, _ = track(observed, np.ones(90, bool), Prior(0.005, 8 * CLOCK_OFFSET_STD, 1.25))
    turn = np.exp(1j * slope * np.outer(5.0 + np.arange(symbols), positions))
    tracked = (gains[:, np.newaxis] + tilts[:, np.newaxis] * positions) * turn
    assert np.sqrt(np.mean(np.abs(tracked - 1 - truth) ** 2)) < 0.04


def _verdict(payload: float, turn: float, snr_db: float, seed: int) -> float:
    """Share of 34 symbols that count as present: of the payload with an amplitude, its carrier turning by so
    many rad a symbol; the other's pilots have unknown signs."""
    rng = np.random.default_rng(seed)
    symbols, pilots, noise = 34, 4, 10 ** (-snr_db / 10)
    times = np.arange(symbols) + 1.5
    sent = payload * np.exp(1j * turn * times)[:, None] * np.ones(pilots)
    if not payload:
        sent = rng.choice([-1.0, 1.0], (symbols, pilots)) * np.exp(2j * np.pi * rng.random())
    received = sent + (rng.standard_normal((symbols, pilots, 2)) @ [1, 1j]) * np.sqrt(noise / 2)
    positions = np.array([-21.0, -7.0, 7.0, 21.0])
    observed = PilotPhasors(received.astype(np.complex64), np.ones(pilots), positions, times)
    return float(present_symbols(observed, Prior(noise, 1e-4, 10.0)).mean())


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 5.0])
def test_a_carrier_that_turns_on_is_not_taken_for_a_lost_payload(snr_db: float) -> None:
    assert min(_verdict(1.0, turn, snr_db, seed) for turn in (-0.08, 0.0, 0.08) for seed in range(60)) == 1.0


@pytest.mark.parametrize("snr_db", [0.0, 5.0])  # at -5 dB four pilots a symbol are too few
def test_another_frame_is_not_taken_for_the_payload(snr_db: float) -> None:
    assert np.mean([_verdict(0.0, 0.0, snr_db, seed) for seed in range(60)]) < 0.05
