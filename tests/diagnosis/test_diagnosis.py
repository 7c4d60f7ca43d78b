# SPDX-License-Identifier: GPL-3.0-or-later
"""Why nothing is received: each cause is named with its value, and what is not ours is never taken for proven."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from sdr_sc.bench.phy.faulty_signals import FOREIGN, SIZES, faulty, frames, is_right, noisy, resampled, shifted
from sdr_sc.diagnosis import LONGEST, Cause, Diagnosis, Strongest, diagnose, observe
from sdr_sc.diagnosis.own_preamble import Match
from sdr_sc.diagnosis.search import _without_header
from sdr_sc.flowgraph.hint_words import Situation, Source, hint
from sdr_sc.phy.frame.modes import FrameMode
from sdr_sc.phy.frame.preamble import preamble
from sdr_sc.phy.numerology import Numerology

OWN = Numerology()


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("snr_db", [8.0, 30.0])
@pytest.mark.parametrize("cause", [Cause.OFFSET, Cause.INVERTED, Cause.RATE, Cause.OFF_CENTRE])
def test_a_fault_of_random_size_is_named_with_its_value(cause: Cause, snr_db: float) -> None:
    for seed in range(4):
        case = faulty(cause, snr_db, rng(seed), OWN)
        found = diagnose(case.samples, OWN)
        assert is_right(found, case.truth, OWN) and found.proven and found.frames > 0, (found, case.truth)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_other_sizes_are_named(sizes: dict[str, int]) -> None:
    found = diagnose(noisy(frames(rng(3), replace(OWN, **sizes)), 0.05, rng(4)), OWN)
    differing = {name: value for name, value in sizes.items() if value != getattr(OWN, name)}
    assert found.cause is Cause.NUMEROLOGY and found.proven and found.numerology == differing, found


def test_the_receiver_may_have_other_sizes_than_the_default() -> None:
    own = replace(OWN, fft_size=256, cyclic_prefix=64, data_subcarriers=192, pilot_subcarriers=16)
    sent = frames(rng(5), own, 4)
    assert diagnose(noisy(shifted(sent, 5 / 256), 0.05, rng(6)), own).cause is Cause.OFFSET
    found = diagnose(noisy(resampled(sent, Fraction(3, 2)), 0.05, rng(7)), own)
    assert found.cause is Cause.RATE and found.ratio == pytest.approx(1.5, rel=1e-3)
    found = diagnose(noisy(frames(rng(8), OWN), 0.05, rng(9)), own)
    assert found.cause is Cause.NUMEROLOGY and found.numerology["fft_size"] == 64


@pytest.mark.parametrize("mode", FrameMode)
def test_an_offset_or_a_rate_is_found_in_frames_of_every_mode(mode: FrameMode) -> None:
    sent = frames(rng(3), OWN, mode=mode)
    offset = 3.6 / OWN.fft_size
    found = diagnose(noisy(shifted(sent, offset), 0.05, rng(4)), OWN)
    assert found.cause is Cause.OFFSET and found.proven and found.offset == pytest.approx(offset, abs=1e-4)
    found = diagnose(noisy(resampled(sent, Fraction(2)), 0.05, rng(4)), OWN)
    assert found.cause is Cause.RATE and found.proven and found.ratio == pytest.approx(2.0)
    found = diagnose(noisy(sent.conj(), 0.05, rng(4)), OWN)
    assert found.cause is Cause.INVERTED and found.proven


def test_frames_that_the_receiver_gets_are_no_fault() -> None:
    found = diagnose(noisy(shifted(frames(rng(2), OWN), 1.5 / 64), 0.05, rng(3)), OWN)
    assert (found.cause, found.frames) == (Cause.RECEIVED, 12)


def test_several_things_at_once() -> None:
    sent = shifted(frames(rng(2), OWN).conj(), 4 / 64)
    found = diagnose(noisy(resampled(sent, Fraction(5, 2)), 0.1, rng(3)), OWN)
    assert found.cause is Cause.INVERTED and found.proven
    assert found.offset * 2.5 * 64 == pytest.approx(4, abs=0.1) and found.ratio == pytest.approx(2.5, rel=1e-3)
    text = hint(found, OWN, Situation("replay"))
    assert "spectrum is inverted" in text and "carrier offset of about +25 kHz" in text and "0.4 MS/s" in text


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_not_ours_is_never_taken_for_ours(name: str) -> None:
    make, fitting = FOREIGN[name]
    causes = []
    for seed, snr_db in enumerate((3.0, 12.0, 25.0)):
        found = diagnose(noisy(make(rng(seed)), 10 ** (-snr_db / 10), rng(seed + 10)), OWN)
        assert not found.proven and found.cause in (*fitting, Cause.UNKNOWN), found
        causes.append(found.cause)
    assert not fitting or set(causes) & set(fitting)


def test_a_rate_of_which_the_receiver_holds_a_part_alone_is_likely_and_not_proven() -> None:
    found = diagnose(noisy(resampled(frames(rng(4), OWN, 30), Fraction(1, 3)), 0.02, rng(5)), OWN)
    assert found.cause is Cause.RATE and not found.proven and found.ratio == pytest.approx(1 / 3, rel=0.02)
    assert hint(found, OWN, Situation("rx")).startswith("it may be that the signal was sent at 3.0")


def test_zeros_a_cut_and_a_clipped_level() -> None:
    assert diagnose(np.zeros(5000, np.complex64), OWN).cause is Cause.EMPTY
    assert diagnose(np.zeros(0, np.complex64), OWN).cause is Cause.EMPTY
    assert diagnose(noisy(frames(rng(1), OWN, 1)[:1000], 0.01, rng(2)), OWN).cause is Cause.TOO_SHORT
    loud = 30 * noisy(np.repeat(FOREIGN["OFDM of 64 + 16"][0](rng(1)), 3)[::2], 0.01, rng(2))
    parts = np.clip(loud.view(np.float32), -1, 1)
    found = diagnose(parts.view(np.complex64), OWN)
    assert found.cause is Cause.CLIPPED and found.share > 0.5


def without_headers() -> np.ndarray:
    parts = []
    for seed in range(12):
        body = rng(seed).normal(size=(2, 1500)) * np.sqrt(OWN.mean_sample_power / 2)
        parts += [np.zeros(700), preamble(OWN), body[0] + 1j * body[1]]
    return np.concatenate(parts)


def test_a_preamble_without_a_header_is_of_another_layout_only_where_nothing_else_explains_it() -> None:
    sent = without_headers()
    other = diagnose(noisy(sent, 0.01, rng(20)), OWN)
    assert other.cause is Cause.NUMEROLOGY and not other.proven and other.numerology == {}
    assert "header" in hint(other, OWN, Situation())
    # A receiver reads headers at -0.5 dB: the level is not the cause; fading might be.
    for snr_db in (-0.5, 5.0):
        assert diagnose(noisy(sent, 10 ** (-snr_db / 10), rng(20)), OWN).cause is Cause.UNKNOWN
    clipped = np.clip(noisy(30 * sent, 0.01, rng(20)).view(np.float32), -1, 1).view(np.complex64)
    assert diagnose(clipped, OWN).cause is Cause.CLIPPED


def test_a_signal_is_weak_where_a_receiver_loses_frames_by_noise_alone() -> None:
    period = 700 + len(preamble(OWN)) + 1500
    training = tuple(float(i * period + 700 + OWN.preamble_samples - 2 * OWN.fft_size) for i in range(4))
    match = Match(1.0, 0.0, False, 0.5, training)
    for snr_db, cause in ((-15.0, Cause.WEAK), (0.0, Cause.UNKNOWN), (20.0, Cause.NUMEROLOGY)):
        found = _without_header(noisy(without_headers(), 10 ** (-snr_db / 10), rng(21)), match, OWN)
        assert found.cause is cause and not found.proven


@pytest.mark.parametrize("symbols", [2, 4, 8])
@pytest.mark.parametrize("snr_db", [0.0, 20.0])
def test_the_length_of_the_detection_part_is_named_only_where_it_is_another(symbols: int, snr_db: float) -> None:
    named = {"header_symbols": 6} | ({"detection_symbols": symbols} if symbols != OWN.detection_symbols else {})
    found = []
    for seed in range(6):
        sent = frames(rng(seed), replace(OWN, header_symbols=6, detection_symbols=symbols))
        found.append(diagnose(noisy(shifted(sent, 0.01), 10 ** (-snr_db / 10), rng(seed + 1)), OWN))
    assert all(each.cause in (Cause.NUMEROLOGY, Cause.UNKNOWN) for each in found), found
    assert all(each.numerology.items() <= named.items() for each in found), found
    assert snr_db < 5 or all(each.numerology == named for each in found)


@pytest.mark.parametrize("snr_db", [5.0, 10.0])
def test_a_double_prefix_as_long_as_a_symbol_is_reported_apart_at_each_frame(snr_db: float) -> None:
    other = replace(OWN, cyclic_prefix=32)
    for seed in range(100, 108):
        sent = shifted(frames(rng(seed), other), float(rng(seed).uniform(-1.8, 1.8)) / 64)
        found = diagnose(noisy(sent, 10 ** (-snr_db / 10), rng(seed + 1)), OWN)
        assert found.cause is Cause.NUMEROLOGY and found.numerology == {"cyclic_prefix": 32}, found


def test_what_stands_out_of_noise_in_time_is_not_called_noise_alone() -> None:
    for seed in range(10):
        noise = noisy(np.zeros(int(rng(seed).integers(3000, 200_000))), 1.0, rng(seed))
        assert observe.is_noise(noise)
        noise[1000:2500] = 0  # lost samples
        assert observe.is_noise(noise)
        # Packets that fill more than half of the time have no blocks far above the usual one, but some far below.
        for most in (600, 3000):
            sent = np.repeat(rng(seed).random(200) * most > 300, 600)
            packets = sent * noisy(np.zeros(len(sent)), 1.0, rng(seed + 1))
            assert not observe.is_noise(noisy(packets, 1.0, rng(seed + 2)))


@pytest.mark.parametrize("scale", [1e-12, 1e-4, 1.0, 1e9])
def test_the_scale_of_the_samples_and_values_that_are_no_numbers_change_nothing(scale: float) -> None:
    samples = noisy(shifted(frames(rng(2), OWN), 4 / 64), 0.05, rng(3)) * np.float32(scale)
    samples[::997] = np.nan
    samples[5::1999] = np.inf
    found = diagnose(samples, OWN)
    assert found.cause is Cause.OFFSET and found.offset * 64 == pytest.approx(4, abs=0.1)


def test_of_a_long_stretch_the_loud_part_is_taken() -> None:
    quiet = np.zeros(2 * LONGEST, np.complex64)
    samples = noisy(np.concatenate((quiet, shifted(frames(rng(2), OWN), 4 / 64), quiet)), 0.02, rng(3))
    assert diagnose(samples, OWN).cause is Cause.OFFSET


def test_the_strongest_stretch_of_a_stream_is_kept_however_it_comes() -> None:
    stream = noisy(np.zeros(60_000), 1.0, rng(1))
    stream[33_000:34_000] *= 10
    for chunk in (100, 4096, 60_000):
        kept = Strongest(10_000)
        for begin in range(0, len(stream), chunk):
            kept.add(stream[begin : begin + chunk])
        assert np.array_equal(kept.samples(), stream[30_000:40_000])
        kept.clear()
        assert len(kept.samples()) == 0
    kept.add(stream[:300])
    assert np.array_equal(kept.samples(), stream[:300])


def test_the_words_fit_what_the_user_runs() -> None:
    offset = Diagnosis(Cause.OFFSET, True, 12, offset=0.048)
    assert "give --tune-hz 248000" in hint(offset, OWN, Situation("replay", tune_hz=200e3))
    centre = hint(
        Diagnosis(Cause.OFF_CENTRE, True, 2, 0.2, 10.0), replace(OWN, sample_rate_hz=10e6), Situation("replay")
    )
    assert "give --tune-hz 2000000, and --decimate 10" in centre
    live = hint(offset, OWN, Situation("rx", Source.RADIO, 2.4e9))
    assert "+48 kHz (+3.1 subcarriers, 20.0 ppm at 2.4 GHz)" in live and "--freq 2400048000" in live
    assert "12 frames are found when that is taken into account" in live
    rate = Diagnosis(Cause.RATE, True, 1, ratio=4.0)
    assert "give --decimate 8" in hint(rate, OWN, Situation("replay", decimation=2))
    assert "give --rate 250000" in hint(rate, OWN, Situation("rx")) and "a frame is found" in hint(
        rate, OWN, Situation()
    )
    sizes = Diagnosis(Cause.NUMEROLOGY, True, 2, numerology={"fft_size": 128, "cyclic_prefix": 32})
    assert "fft_size 128, cyclic_prefix 32, where the receiver has 64, 16" in hint(sizes, OWN, Situation())
    assert hint(Diagnosis(Cause.UNKNOWN), OWN, Situation()) == ""
    for cause in Cause:
        text = hint(Diagnosis(cause, ofdm=(64, 16)), OWN, Situation("rx", Source.RADIO, 1e9))
        assert text == "" or (text.startswith("it may be that ") and text.endswith("."))


@pytest.mark.parametrize("cause", Cause)
def test_a_simulated_channel_has_no_antennas(cause: Cause) -> None:
    found = Diagnosis(cause, offset=0.1, ratio=2.0, snr_db=-3.0, ofdm=(64, 16))
    text = hint(found, OWN, Situation("run", Source.CHANNEL))
    assert not any(word in text for word in ("antenna", "gain", "cable", "frequency", "device", "file")), text
    if cause in (Cause.NOISE, Cause.WEAK):
        assert "raise the SNR of the simulated channel" in text
        assert "antennas" in hint(found, OWN, Situation("run", Source.RADIO))
