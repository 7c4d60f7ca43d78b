# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes of the frame: those that make no sense are refused in one sentence, all others work."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phy_streams import check, join, largest_error, make_frame, receive, silence

from sdr_sc.errors import NumerologyError
from sdr_sc.phy.numerology import Numerology

INVALID = {
    "fft_size": [0, -64, 16, 63, 96, 2048, 10**9],
    "cyclic_prefix": [-1, 0, 7, 33, 10**9],
    "data_subcarriers": [-48, 0, 47, 56, 60, 64, 10**9],
    "pilot_subcarriers": [-4, 0, 1, 3, 5, 12, 10**9],
    "detection_symbols": [-1, 0, 1, 17, 10**9],
    "header_symbols": [-8, 0, 1, 4, 10**9],
    "sample_rate_hz": [0, -1e6, 1.0, 1e12, float("nan"), float("inf"), -float("inf")],
    "early_window": [-1, 9, 16, 10**9],
}
NOT_A_NUMBER = [None, "64", b"64", [64], True, 64.0, 64 + 0j, float("nan")]


def refuse(values: dict) -> None:
    with pytest.raises(NumerologyError) as caught:
        Numerology(**values)
    message = str(caught.value)
    assert message.startswith("numerology: ") and message.endswith(".") and "\n" not in message


def test_every_field_has_values_that_are_refused() -> None:
    assert set(INVALID) == {field.name for field in fields(Numerology)}


@pytest.mark.parametrize("name, value", [(name, value) for name, values in INVALID.items() for value in values])
def test_a_value_that_does_not_fit_is_refused(name: str, value: float) -> None:
    refuse({name: value})


@pytest.mark.parametrize("name", INVALID)
@pytest.mark.parametrize("value", NOT_A_NUMBER, ids=repr)
def test_what_is_no_number_of_the_kind_is_refused(name: str, value: object) -> None:
    if name == "sample_rate_hz" and value == 64.0:
        value = "1e6"
    refuse({name: value})


@st.composite
def numerologies(draw: st.DrawFn) -> Numerology:
    fft_size = draw(st.sampled_from([128, 256, 512, 1024]))
    cyclic_prefix = draw(st.integers(fft_size // 8, fft_size // 2))
    pilots = 2 * draw(st.integers(1, 16))
    data = 2 * draw(st.integers(fft_size // 4, (fft_size - 6 - pilots) // 2))
    return Numerology(
        fft_size,
        cyclic_prefix,
        data,
        pilots,
        detection_symbols=draw(st.integers(2, 16)),
        header_symbols=-(-216 // data) + draw(st.integers(0, 4)),
        sample_rate_hz=draw(st.sampled_from([1e6, 20e6])),
        early_window=draw(st.integers(0, cyclic_prefix // 2)),
    )


def assert_frames_pass(numerology: Numerology, n_items: int, k: int, seed: int) -> None:
    frames = [make_frame(i, n_items, k, numerology) for i in range(3)]
    gap = silence(int(np.random.default_rng(seed).integers(4 * numerology.symbol_samples)))
    parts = [part for frame in frames for part in (frame.samples, gap)]
    stream = join(*parts, silence(numerology.symbol_samples), noise_db=-25.0, seed=seed)
    assert check(stream, frames, numerology, seed) == frames
    for received, sent in zip(receive(stream, numerology), frames, strict=True):
        assert not received.erased.any()
        assert largest_error(received, sent) < 0.5


@given(numerologies(), st.integers(1, 8), st.integers(1, 64), st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_other_sizes_carry_frames(numerology: Numerology, n_items: int, k: int, seed: int) -> None:
    assert_frames_pass(numerology, n_items, k, seed)


@pytest.mark.parametrize("fft_size", [64, 128, 256])
@pytest.mark.parametrize("shorter", [0, 1], ids=["half", "half less 1"])
@pytest.mark.parametrize("early", ["4", "half"])
def test_the_longest_cyclic_prefixes_carry_frames(fft_size: int, shorter: int, early: str) -> None:
    prefix = fft_size // 2 - shorter
    numerology = Numerology(fft_size, prefix, early_window=4 if early == "4" else prefix // 2)
    for seed in range(3):
        assert_frames_pass(numerology, 4, 16, seed)


@pytest.mark.parametrize("fft_size, cyclic_prefix", [(32, 8), (64, 16), (64, 32), (64, 31), (128, 64)])
@pytest.mark.parametrize("pilots", [2, 4])
def test_sixteen_subcarriers_carry_frames(fft_size: int, cyclic_prefix: int, pilots: int) -> None:
    data = 16 - pilots
    numerology = Numerology(fft_size, cyclic_prefix, data, pilots, header_symbols=-(-216 // data))
    for seed in range(3):
        assert_frames_pass(numerology, 4, 16, seed)


def test_fewer_subcarriers_are_refused() -> None:
    refuse({"data_subcarriers": 12, "pilot_subcarriers": 2, "header_symbols": 18})


@pytest.mark.parametrize("detection_symbols", [4, 8, 16])
def test_a_detection_part_may_be_longer_than_a_whole_short_frame(detection_symbols: int) -> None:
    numerology = Numerology(
        fft_size=128, data_subcarriers=64, pilot_subcarriers=2, detection_symbols=detection_symbols, header_symbols=4,
        early_window=0,
    )  # fmt: skip
    assert_frames_pass(numerology, 1, 1, 0)
