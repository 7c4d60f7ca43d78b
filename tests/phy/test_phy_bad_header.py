# SPDX-License-Identifier: GPL-3.0-or-later
"""Headers with wrong bits: refused or corrected, never another header."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from sdr_sc.phy.frame import header as header_format
from sdr_sc.phy.frame import header_code
from sdr_sc.phy.frame.header import Header
from sdr_sc.phy.numerology import Numerology

HEADERS = [
    Header(0, 1, 1, 0, power_scale_db=-32.0),
    Header(0xFFFF, 256, 64, 4095, 15, 31.5),
    Header(0xBEEF, 16, 4, 1234, 5, -1.5),
]


def read(soft: np.ndarray) -> Header | None:
    """The header from soft values, or None if its check fails."""
    return header_format.unpack(header_format.decode_bits(soft))


def error_patterns(length: int) -> list[list[int]]:
    return [[place] for place in range(length)] + [list(pair) for pair in combinations(range(length), 2)]


@pytest.mark.parametrize("header", HEADERS)
def test_every_one_and_two_wrong_bits_are_refused(header: Header) -> None:
    bits = header_format.pack(header)
    patterns = error_patterns(header_format.INFO_BITS)
    assert len(patterns) == 72 + 2556
    for places in patterns:
        wrong = bits.copy()
        wrong[places] ^= 1
        assert header_format.unpack(wrong) is None, places


def test_every_one_and_two_wrong_coded_bits_are_mended() -> None:
    coded = header_code.encode(header_format.pack(HEADERS[2]))
    patterns = error_patterns(header_format.CODED_BITS)
    assert len(patterns) == 216 + 23220
    for places in patterns:
        wrong = coded.copy()
        wrong[places] *= -1
        assert header_format.unpack(header_code.decode(wrong)) == HEADERS[2], places


@pytest.mark.parametrize("header", HEADERS)
def test_wrong_values_on_the_air_are_mended(header: Header) -> None:
    sent = header_format.encode(header, Numerology())
    rng = np.random.default_rng(1)
    for count in range(1, 8):
        for _ in range(100):
            soft = sent.ravel().copy()
            soft[rng.choice(soft.size, count, replace=False)] *= -1
            assert read(soft.reshape(sent.shape)) == header


def test_values_at_random_are_refused() -> None:
    # The check of 16 bits and the version let one of 2^19 pass: of 5,000 one in a hundred runs would.
    rng = np.random.default_rng(2)
    shape = header_format.encode(HEADERS[0], Numerology()).shape
    assert all(read(rng.standard_normal(shape).astype(np.float32)) is None for _ in range(5000))


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-20, 1e20, 1e30])
def test_soft_values_of_any_size(scale: float) -> None:
    header = HEADERS[1]
    soft = header_format.encode(header, Numerology()) * np.float32(scale)
    assert read(soft) == (header if scale else None)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_soft_values_that_are_no_numbers_are_refused(value: float) -> None:
    shape = header_format.encode(HEADERS[1], Numerology()).shape
    assert read(np.full(shape, value, np.float32)) is None
