# SPDX-License-Identifier: GPL-3.0-or-later
"""Mapping by importance: the report, the order that both ends derive from it, and frames that name it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdr_sc.phy.frame.framing import build_frame
from sdr_sc.phy.frame.header import Header
from sdr_sc.phy.frame.importance import (
    LEVELS,
    MOST_AGE,
    STEP_DB,
    fits,
    importance_mapping,
    report_check,
    report_levels,
)
from sdr_sc.phy.frame.modes import FrameMode
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.channel_report import channel_report
from sdr_sc.phy.receive.receiver import ReceivedFrame, Receiver

N = Numerology()
WIDE = Numerology(fft_size=256, cyclic_prefix=32, data_subcarriers=192, pilot_subcarriers=8, header_symbols=3)
ECHO = np.array([1, 0, 0, 0, 0, 0.7j, 0, 0, 0.4], np.complex64)
"""A channel that reaches 9 dB below its strongest subcarrier."""


def symbols(count: int, seed: int) -> np.ndarray:
    """Complex symbols of power 1."""
    return np.exp(2j * np.pi * np.random.default_rng(seed).random(count)).astype(np.complex64)


def report_of(power_db: np.ndarray) -> np.ndarray:
    report = channel_report(10 ** (power_db / 20).astype(np.complex64))
    assert report is not None
    return report


def mapped(header: Header, report: np.ndarray, age: int = 1) -> Header:
    header = replace(header, report_age=age)
    return replace(header, report_check=report_check(header.report_frame, report))


class Selective:
    """A receiver after a channel with echoes and noise, and a transmitter that has its reports."""

    def __init__(self, numerology: Numerology = N, taps: np.ndarray = ECHO, snr_db: float = 30.0) -> None:
        self.numerology, self.taps, self.receiver = numerology, taps, Receiver(numerology)
        self.rng, self.noise = np.random.default_rng(1), 10 ** (-snr_db / 20) / np.sqrt(2)

    def samples(self, features: np.ndarray, header: Header, report: np.ndarray | None = None) -> np.ndarray:
        frame = build_frame(features, header, self.numerology, report=report)
        out = np.convolve(np.concatenate((np.zeros(50), frame, np.zeros(50))), self.taps)
        noise = self.rng.standard_normal((2, len(out)))
        return (out + self.noise * (noise[0] + 1j * noise[1])).astype(np.complex64)

    def send(self, features: np.ndarray, header: Header, report: np.ndarray | None = None) -> ReceivedFrame:
        (got,) = self.receiver.push(self.samples(features, header, report)) + self.receiver.flush()
        assert got.header == header
        return got

    def sound(self, frame_num: int) -> np.ndarray:
        """Send a frame; returns the report on it."""
        report = channel_report(self.send(symbols(48, 1).reshape(6, 8), Header(7, 8, 6, frame_num)).channel)
        assert report is not None
        return report


@given(st.lists(st.floats(-60, 20), min_size=8, max_size=8), st.floats(-200, 200))
@settings(deadline=None)
def test_a_report_says_how_far_below_the_strongest_each_subcarrier_lies(power_db: list[float], scale_db: float) -> None:
    power = np.array(power_db)
    levels, below = report_levels(report_of(power)), (power.max() - power) / STEP_DB
    assert levels.min() == 0 and levels.max() < LEVELS
    assert (np.abs(levels - np.minimum(below, LEVELS - 1)) < 1.01).all()
    other = report_levels(report_of(power + scale_db)).astype(int)
    assert np.abs(other - levels).max() <= 1  # on an edge, rounding decides


@pytest.mark.parametrize(
    "gains", [np.zeros(52), np.full(52, np.nan), np.full(52, np.inf), np.empty(0), np.ones(51), np.ones(1026)]
)
def test_no_channel_has_no_report(gains: np.ndarray) -> None:
    assert channel_report(gains.astype(np.complex64)) is None


@given(st.integers(1, 255), st.integers(1, 32), st.sampled_from([N, WIDE]), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_the_order_is_a_permutation_that_puts_earlier_features_on_stronger_places(
    n_items: int, k: int, numerology: Numerology, seed: int
) -> None:
    report = np.random.default_rng(seed).integers(0, 256, numerology.used // 2, np.uint8)
    assert fits(report, numerology)
    mapping = importance_mapping(report, numerology, n_items, k, 0.0)
    total = numerology.payload_symbols(n_items * k) * numerology.data_subcarriers
    assert np.array_equal(np.sort(mapping.places), np.arange(total)) and len(mapping.signs) == total
    level = report_levels(report)[numerology.data_index][mapping.places % numerology.data_subcarriers]
    features, filler = level[: n_items * k].reshape(n_items, k), level[n_items * k :]
    assert (features.max(axis=0)[:-1] <= features.min(axis=0)[1:]).all()
    assert not len(filler) or filler.min() >= features.max()


def test_items_fare_alike() -> None:
    report = report_of(np.linspace(0, -20, N.used))
    places = importance_mapping(report, N, 50, 4, 0.0).places[:200].reshape(50, 4)
    sums = report_levels(report)[N.data_index][places % N.data_subcarriers].sum(axis=1)
    assert np.ptp(sums) <= 3  # of up to 4 * 13


@pytest.mark.parametrize("mode", FrameMode)
@pytest.mark.parametrize("numerology", [N, WIDE])
@pytest.mark.parametrize("n_items, k", [(1, 1), (4, 8), (50, 4), (255, 2), (3, 16)])
def test_a_mapped_frame_arrives_with_the_first_features_the_best(
    mode: FrameMode, numerology: Numerology, n_items: int, k: int
) -> None:
    link = Selective(numerology)
    report = link.sound(10)
    features = symbols(n_items * k, 2).reshape(n_items, k)
    got = link.send(features, mapped(Header(7, k, n_items, 12, mode=mode), report, age=2), report)
    assert not got.is_cut and not got.report_unknown
    assert np.abs(got.features - features).max() < 0.6 and np.abs(got.features - features).mean() < 0.15
    variance = got.noise_variance.mean(axis=0)
    if n_items * k >= numerology.data_subcarriers:
        assert variance[0] < 0.6 * variance[-1] or k == 1
    plain = link.send(features, Header(7, k, n_items, 13, mode=mode))
    assert variance[0] < plain.noise_variance.mean() or k == 1
    assert link.receiver.counters.report_unknown == link.receiver.counters.truncated == 0


def test_the_filler_takes_the_weakest_places() -> None:
    link = Selective()
    report = link.sound(0)
    features = symbols(40, 3).reshape(5, 8)
    got = link.send(features, mapped(Header(7, 8, 5, 1), report), report)
    plain = link.send(features, Header(7, 8, 5, 2))
    assert got.noise_variance.max() < 0.8 * plain.noise_variance.max()


def test_samples_in_any_chunks_give_the_same_bits() -> None:
    link = Selective()
    features = symbols(200, 4).reshape(50, 4)
    first = link.samples(features, Header(7, 4, 50, 0))
    (got,) = link.receiver.push(first) + link.receiver.flush()
    report = channel_report(got.channel)
    assert report is not None
    stream = np.concatenate((first, link.samples(features, mapped(Header(7, 4, 50, 1), report), report)))
    found = []
    for chunk in (len(stream), 1000, 333):
        receiver = Receiver(N)
        frames = [frame for at in range(0, len(stream), chunk) for frame in receiver.push(stream[at : at + chunk])]
        found.append((frames + receiver.flush())[1])
    for other in found[1:]:
        assert np.array_equal(found[0].features, other.features) and not other.report_unknown


def unknown(link: Selective, header: Header, report: np.ndarray) -> None:
    """A frame comes whose report is not known: it is counted, its features are lost, and the SNR is there."""
    before = replace(link.receiver.counters)
    features = symbols(header.new_symbols, 5).reshape(header.n_items, header.k)
    got = link.send(features, header, report)
    assert got.report_unknown and got.erased.all() and np.isnan(got.features).all()
    assert np.isinf(got.noise_variance).all() and abs(got.snr_db - 30) < 5
    counters = link.receiver.counters
    assert counters.report_unknown == before.report_unknown + 1 and counters.truncated == before.truncated
    assert counters.delivered == before.delivered + 1


def test_a_report_that_the_receiver_has_not_made_is_unknown() -> None:
    link = Selective()
    report = link.sound(10)
    other = report.copy()
    other[3] ^= 1
    unknown(link, mapped(Header(7, 4, 12, 11), other), other)  # another content
    unknown(link, mapped(Header(7, 4, 12, 12), report, age=1), report)  # of frame 11, which had another channel report
    unknown(link, mapped(Header(7, 4, 12, 13), report, age=30), report)  # of a frame that never came
    link.receiver = Receiver(N)  # a restart
    unknown(link, mapped(Header(7, 4, 12, 14), report, age=4), report)
    assert not link.send(symbols(48, 1).reshape(12, 4), Header(7, 4, 12, 15)).is_cut


def test_reports_of_another_receiver_are_unknown() -> None:
    link, other = Selective(), Selective(taps=np.array([0.2, 0, 0, 1j], np.complex64))
    report = link.sound(0)
    assert not np.array_equal(report, other.sound(0))
    unknown(other, mapped(Header(7, 4, 12, 1), report), report)


@pytest.mark.parametrize("start", [5, 4090])
def test_reports_age_out(start: int) -> None:
    link = Selective()
    report = link.sound(start)
    header = Header(7, 4, 12, (start + MOST_AGE) % 4096)
    features = symbols(48, 6).reshape(12, 4)
    for number in range(start + 1, start + MOST_AGE):
        link.send(features, Header(7, 4, 12, number % 4096))
    assert not link.send(features, mapped(header, report, age=MOST_AGE), report).is_cut
    # The transmitter has been restarted and counts from another place: frames with these numbers come again.
    unknown(link, mapped(replace(header, frame_num=(start + MOST_AGE + 1) % 4096), report, age=MOST_AGE), report)
    with pytest.raises(ValueError, match="report_age"):
        mapped(header, report, age=MOST_AGE + 1)


def test_a_frame_number_that_comes_again_names_the_later_channel() -> None:
    link = Selective()
    old = link.sound(3)
    link.taps = np.array([0.2, 0, 0, 1j], np.complex64)
    new = link.sound(3)
    unknown(link, mapped(Header(7, 4, 12, 4), old), old)
    assert not link.send(symbols(48, 6).reshape(12, 4), mapped(Header(7, 4, 12, 5), new, age=2), new).is_cut


def test_a_cut_frame_erases_what_rides_on_the_symbols_that_did_not_arrive() -> None:
    link = Selective()
    report = link.sound(0)
    features, header = symbols(480, 7).reshape(60, 8), mapped(Header(7, 8, 60, 1), report)
    samples = link.samples(features, header, report)[: 50 + N.payload_offset + 5 * N.symbol_samples + 20]
    (got,) = link.receiver.push(samples) + link.receiver.flush()
    places = importance_mapping(report, N, 60, 8, 0.0).places[:480].reshape(60, 8)
    assert np.array_equal(got.erased, places >= 5 * N.data_subcarriers)
    whole = ~got.erased
    assert np.abs(got.features - features)[whole].max() < 0.6
    assert link.receiver.counters.truncated == 1


def test_the_transmitter_refuses_a_report_that_does_not_belong_to_the_header() -> None:
    report = report_of(np.linspace(0, -20, N.used))
    header, features = mapped(Header(7, 4, 12, 1), report), symbols(48, 1).reshape(12, 4)
    build_frame(features, header, N, report=report)
    wrong = (header, None), (Header(7, 4, 12, 1), report), (header, report[:-1]), (header, report ^ 1)
    for bad_header, bad_report in wrong:
        with pytest.raises(ValueError, match="report"):
            build_frame(features, bad_header, N, report=bad_report)
