# SPDX-License-Identifier: GPL-3.0-or-later
"""The synchroniser by itself: training symbols made with numpy, with known start, offset, amplitude and paths."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.phy.frame.preamble import detection_period, training_subcarriers
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.detect import Candidate
from sdr_sc.phy.receive.sync import MIN_COHERENCE, Synchroniser, samples_needed, search_radius

N64 = Numerology()
WIDE = Numerology(fft_size=256, cyclic_prefix=32, data_subcarriers=192, pilot_subcarriers=8, header_symbols=3)
LONG_PREFIX = Numerology(cyclic_prefix=32, early_window=4)
ORIGIN, START = 5000, 400


def training_part(numerology: Numerology) -> np.ndarray:
    """Double cyclic prefix and two equal symbols, power 1 on each occupied subcarrier."""
    n = numerology
    spectrum = np.zeros(n.fft_size, complex)
    spectrum[n.positions] = training_subcarriers(n)
    symbol = np.fft.ifft(spectrum) * np.sqrt(n.fft_size)
    return np.concatenate((symbol[-2 * n.cyclic_prefix :], symbol, symbol))


def stream(
    numerology: Numerology = N64,
    cycles: float = 0.0,
    paths: tuple[tuple[int, complex], ...] = ((0, 1.0),),
    noise: float = 0.0,
    seed: int = 1,
) -> np.ndarray:
    """A buffer in which a frame's preamble starts at ``START``; silence in place of its detection part."""
    n, part = numerology, training_part(numerology)
    samples = np.zeros(START + samples_needed(n) + 4 * n.fft_size, complex)
    first = START + n.detection_symbols * n.symbol_samples
    for delay, gain in paths:
        samples[first + delay : first + delay + len(part)] += gain * part
    samples *= np.exp(2j * np.pi * cycles * np.arange(len(samples)))
    samples += np.random.default_rng(seed).standard_normal((len(samples), 2)) @ [1, 1j] * np.sqrt(noise / 2)
    return samples.astype(np.complex64)


def candidate(start: int = START, cycles: float = 0.0) -> Candidate:
    """What the first stage would hand over."""
    return Candidate(ORIGIN + start, cycles, 0.9)


@pytest.mark.parametrize("numerology", [N64, WIDE, LONG_PREFIX], ids=["64", "256", "long prefix"])
@pytest.mark.parametrize("off_by", [-1.0, -0.3, 0.0, 0.5, 1.0])
def test_the_start_is_exact_wherever_the_candidate_is_within_its_radius(numerology: Numerology, off_by: float) -> None:
    start = START + int(off_by * search_radius(numerology))
    found = Synchroniser(numerology).synchronise(stream(numerology), candidate(start), ORIGIN)
    assert found is not None
    assert found.start == ORIGIN + START
    assert found.coherence == pytest.approx(1.0, abs=1e-4)
    assert found.amplitude == pytest.approx(np.sqrt(numerology.used / numerology.fft_size), rel=1e-3)
    assert found.cycles_per_sample == pytest.approx(0.0, abs=1e-7)


@pytest.mark.parametrize("left", [-0.003, 0.0, 0.0021])
def test_the_offset_that_the_first_stage_left_is_measured(left: float) -> None:
    cycles = 0.0145
    found = Synchroniser(N64).synchronise(stream(cycles=cycles), candidate(cycles=cycles - left), ORIGIN)
    assert found is not None and found.start == ORIGIN + START
    assert found.cycles_per_sample == pytest.approx(cycles, abs=1e-6)


def test_an_offset_that_noise_wrapped_by_a_turn_of_the_lag_is_found() -> None:
    turn = 1 / detection_period(N64)
    cycles = 0.48 * turn
    found = Synchroniser(N64).synchronise(stream(cycles=cycles), candidate(cycles=cycles - turn), ORIGIN)
    assert found is not None and found.start == ORIGIN + START
    assert found.cycles_per_sample == pytest.approx(cycles, abs=1e-6)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_coherence_is_the_share_of_the_signal_and_amplitude_that_of_all(scale: float) -> None:
    noise, found = 0.5, []
    for seed in range(60):
        samples = stream(noise=noise, seed=seed) * np.float32(scale)
        sync = Synchroniser(N64).synchronise(samples, candidate(), ORIGIN)
        assert sync is not None
        found.append((sync.start - ORIGIN - START, sync.coherence, sync.amplitude / scale, sync.cycles_per_sample))
    starts, coherence, amplitude, cycles = np.array(found).T
    signal = N64.mean_sample_power
    assert np.mean(starts == 0) > 0.9
    assert coherence.mean() == pytest.approx(signal / (signal + noise), abs=0.03)
    assert np.mean(amplitude**2) == pytest.approx(signal + noise, rel=0.05)
    assert abs(cycles.mean()) < 1e-4 and cycles.std() < 5e-4


@pytest.mark.parametrize("first, is_first", [(0.6, True), (0.25, False)])
def test_the_first_path_that_stands_out_sets_the_start(first: float, is_first: bool) -> None:
    """A path before the strongest counts from 15 % of its power on, that is from an amplitude of 0.39."""
    samples = stream(paths=((0, first), (7, 1.0j)))
    found = Synchroniser(N64).synchronise(samples, candidate(), ORIGIN)
    assert found is not None
    assert found.start == ORIGIN + START + (0 if is_first else 7)


def test_a_later_weaker_path_does_not_move_the_start() -> None:
    found = Synchroniser(N64).synchronise(stream(paths=((0, 1.0), (9, -0.7))), candidate(), ORIGIN)
    assert found is not None and found.start == ORIGIN + START


def test_what_is_no_preamble_is_refused() -> None:
    rng = np.random.default_rng(9)
    coherences = []
    for seed in range(30):
        samples = stream(noise=1.0, seed=seed)
        samples[:] = (rng.standard_normal((len(samples), 2)) @ [1, 1j]).astype(np.complex64)
        found = Synchroniser(N64).synchronise(samples, candidate(), ORIGIN)
        coherences.append(0.0 if found is None else found.coherence)
    assert max(coherences) < 2 * MIN_COHERENCE and np.mean(np.array(coherences) == 0) > 0.5
    for nothing in (np.zeros(2000, np.complex64), np.exp(0.3j * np.arange(2000)).astype(np.complex64)):
        assert Synchroniser(N64).synchronise(nothing, candidate(), ORIGIN) is None


def test_a_buffer_that_ends_before_the_training_symbols_gives_nothing() -> None:
    short = stream()[: START + N64.preamble_samples - 3 * N64.fft_size]
    assert Synchroniser(N64).synchronise(short, candidate(), ORIGIN) is None
