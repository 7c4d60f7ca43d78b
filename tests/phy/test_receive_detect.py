# SPDX-License-Identifier: GPL-3.0-or-later
"""The detector by itself: against its metric as defined, computed with numpy sample by sample."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.detect import Candidate, Detector, least_metric, metric_at

N64 = Numerology()
WIDE = Numerology(fft_size=256, cyclic_prefix=32, data_subcarriers=192, pilot_subcarriers=8, header_symbols=3)


def white(samples: int, power: float, seed: int) -> np.ndarray:
    """Complex white noise."""
    return np.random.default_rng(seed).standard_normal((samples, 2)) @ [1, 1j] * np.sqrt(power / 2)


def periodic(numerology: Numerology, start: int, samples: int, cycles: float, noise: float, seed: int) -> np.ndarray:
    """Noise, and from ``start`` on a random waveform of power 1 that repeats as long as a detection part does."""
    detector = Detector(numerology)
    period = white(detector.lag, 1.0, seed)
    period /= np.sqrt(np.mean(np.abs(period) ** 2))
    stream = white(samples, noise, seed + 1)
    place = np.arange(start, start + detector.span)
    stream[place] += np.resize(period, detector.span) * np.exp(2j * np.pi * cycles * place)
    return stream.astype(np.complex64)


def correlations(samples: np.ndarray, detector: Detector) -> tuple[np.ndarray, np.ndarray]:
    """The correlation of the two windows and the metric at each sample, from their definition."""
    wide = samples.astype(np.complex128)
    windows = np.lib.stride_tricks.sliding_window_view
    first, second = wide[: -detector.lag], wide[detector.lag :]
    correlation = windows(first.conj() * second, detector.window).sum(axis=1)
    energies = [windows(np.abs(part) ** 2, detector.window).sum(axis=1) for part in (first, second)]
    return correlation, np.abs(correlation) ** 2 / (energies[0] * energies[1])


@pytest.mark.parametrize("numerology", [N64, WIDE], ids=["64", "256"])
@pytest.mark.parametrize("cycles", [0.0, 0.011, -0.003])
def test_the_candidate_is_the_peak_of_the_metric(numerology: Numerology, cycles: float) -> None:
    detector = Detector(numerology)
    start = 2 * detector.span
    samples = periodic(numerology, start, 6 * detector.span, cycles, noise=0.1, seed=3)
    candidate, settled = Detector(numerology, 0.6).search(samples, 0, 1000)
    correlation, metric = correlations(samples, detector)
    assert candidate is not None and settled == candidate.start - 1000
    assert settled == metric.argmax()
    assert candidate.metric == pytest.approx(metric.max(), rel=1e-6)
    assert candidate.cycles_per_sample == pytest.approx(
        np.angle(correlation[settled]) / (2 * np.pi * detector.lag), abs=1e-9
    )


def test_the_candidate_reports_start_offset_and_share_of_the_signal() -> None:
    """Many waveforms: the start within a cyclic prefix, the offset without bias, the root of the metric S/(S+N)."""
    detector, noise, found = Detector(N64, 0.5), 0.25, []
    for seed in range(40):
        samples = periodic(N64, 700, 2000, 0.0123, noise, 2 * seed)
        candidate, _ = detector.search(samples, 0)
        assert candidate is not None
        found.append((candidate.start - 700, candidate.cycles_per_sample - 0.0123, np.sqrt(candidate.metric)))
    starts, offsets, roots = np.array(found).T
    assert -N64.cyclic_prefix <= starts.min() and starts.max() <= N64.cyclic_prefix + detector.lag
    assert abs(offsets.mean()) < 2e-4 and offsets.std() < 4e-4
    assert roots.mean() == pytest.approx(1 / (1 + noise), abs=0.03)


def test_a_higher_peak_within_a_span_counts_and_a_later_one_does_not() -> None:
    """A loud piece that nearly repeats, then 0.9 or 3 spans after it a clear detection part: two peaks, a dip."""
    detector, loud = Detector(N64), periodic(N64, 700, 3000, 0.003, 0.3, 51)[700:800]
    for spans, expected in ((0.9, 700 + 9 * detector.span // 10), (3.0, 700)):
        samples = periodic(N64, 700 + int(spans * detector.span), 3000, 0.003, 1e-3, 41)
        samples[700:800] += 10 * loud
        candidate, _ = Detector(N64, 0.4).search(samples, 0)
        assert candidate is not None
        assert -N64.cyclic_prefix <= candidate.start - expected <= len(loud)


def test_no_candidate_where_the_metric_stays_below_the_threshold() -> None:
    samples = white(8000, 1.0, 5).astype(np.complex64)
    detector = Detector(N64)
    _, metric = correlations(samples, detector)
    highest = float(np.sqrt(metric.max()))
    candidate, settled = Detector(N64, highest * 1.001).search(samples, 0)
    assert candidate is None
    assert settled == len(samples) - detector.window - detector.lag
    candidate, _ = Detector(N64, highest * 0.999).search(samples, 0)
    assert candidate is not None and candidate.start == metric.argmax()


def test_the_metric_in_noise_has_the_documented_distribution() -> None:
    detector = Detector(N64)
    _, metric = correlations(white(400_000, 1.0, 6).astype(np.complex64), detector)
    for root in (0.05, 0.1, 0.15):
        assert np.mean(metric > root**2) == pytest.approx(np.exp(-detector.window * root**2), rel=0.25)


@pytest.mark.parametrize("step", [1, 37, 500, 1999])
def test_the_cut_into_buffers_changes_nothing(step: int) -> None:
    samples = periodic(N64, 1200, 3000, -0.007, 0.3, 11)
    whole, _ = Detector(N64, 0.5).search(samples, 0)
    detector, first, end, found = Detector(N64, 0.5), 0, 0, None
    while found is None and end < len(samples):
        end = min(end + step, len(samples))
        found, first = detector.search(samples[:end], first)
    assert whole is not None and found == whole


@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1e6])
def test_the_level_of_the_samples_does_not_matter(scale: float) -> None:
    samples = periodic(N64, 900, 2500, 0.002, 0.2, 21)
    one, _ = Detector(N64, 0.5).search(samples, 0)
    other, _ = Detector(N64, 0.5).search((samples * np.float32(scale)).astype(np.complex64), 0)
    assert isinstance(one, Candidate) and isinstance(other, Candidate)
    assert other.start == one.start
    assert other.metric == pytest.approx(one.metric, rel=1e-5)
    assert other.cycles_per_sample == pytest.approx(one.cycles_per_sample, abs=1e-8)


def test_silence_has_no_candidate_and_none_is_left_by_a_strong_burst() -> None:
    """Rounding of the running sums after a burst of 1e6 must not look like a signal in the silence after it."""
    samples = np.zeros(9000, np.complex64)
    assert Detector(N64).search(samples, 0)[0] is None
    samples[1000:1100] = 1e6 * white(100, 1.0, 7)
    detector, first, found = Detector(N64), 0, []
    while True:
        candidate, first = detector.search(samples, first)
        if candidate is None:
            break
        found.append(candidate.start)
        first += 1
    assert not [start for start in found if start > 1100]


def test_a_weak_frame_after_a_strong_burst_is_found_where_it_is() -> None:
    detector = Detector(N64, 0.6)
    samples = 1e-3 * periodic(N64, 3000, 5000, 0.004, 0.05, 31)
    samples[500:900] += 1e4 * white(400, 1.0, 8).astype(np.complex64)
    candidate, _ = detector.search(samples, 1000)
    assert candidate is not None
    assert abs(candidate.start - 3000) <= N64.cyclic_prefix + detector.lag
    assert candidate.cycles_per_sample == pytest.approx(0.004, abs=1e-3)


def test_too_few_samples_settle_nothing() -> None:
    detector = Detector(N64)
    assert detector.search(np.ones(detector.window + detector.lag, np.complex64), 0) == (None, 0)


def test_the_least_metric_is_the_lowest_of_its_windows() -> None:
    rng = np.random.default_rng(3)
    samples = np.tile(rng.standard_normal((16, 2)) @ [1, 1j], 40).astype(np.complex64)
    samples[300:420] = rng.standard_normal((120, 2)) @ [1, 1j]
    places = range(0, 400, 26)
    metrics = [metric_at(samples, d, 16, 104) for d in places]
    assert least_metric(samples, 0, 399, 16, 104, 26) == min(metrics) < 0.1
    assert least_metric(samples, 0, 170, 16, 104, 26) == pytest.approx(1.0)
    every = [metric_at(samples, d, 16, 104) for d in range(0, 521, 26)]  # no window goes beyond the samples
    assert least_metric(samples, -26, 10_000, 16, 104, 26) == min(every)
