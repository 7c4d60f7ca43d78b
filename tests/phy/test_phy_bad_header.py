# SPDX-License-Identifier: GPL-3.0-or-later
"""Headers with wrong bits: refused or corrected, never another header."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from sdr_sc.phy.frame import header_code, header_symbols
from sdr_sc.phy.frame.header import INFO_BITS, VERSIONS, FrameMode, Header, pack, unpack
from sdr_sc.phy.frame.modes import frame_layout
from sdr_sc.phy.numerology import Numerology

HEADERS = [
    Header(0, 1, 1, 0, power_scale_db=-32.0),
    Header(0xFFFF, 256, 64, 4095, 15, 31.5, version=1),
    Header(0xBEEF, 16, 4, 1234, 5, -1.5, version=1),
    Header(0xFFFF, 256, 255, 4095, 15, 31.5, 2, FrameMode.NORMAL, 255, 4095),
    Header(0xBEEF, 16, 0, 1234, 5, -1.5, 2, FrameMode.NORMAL, 7, 99),
    Header(0xBEEF, 16, 9, 1234, 5, -1.5, 2, FrameMode.NORMAL, report_age=63, report_check=0xABC),
]


def read(soft: np.ndarray) -> Header | None:
    """The header from soft values, of any version; None if its check fails."""
    read = [unpack(header_symbols.decode_bits(soft, version)) for version in VERSIONS]
    return next((header for header in read if header is not None), None)


def error_patterns(length: int) -> list[list[int]]:
    return [[place] for place in range(length)] + [list(pair) for pair in combinations(range(length), 2)]


@pytest.mark.parametrize("header", HEADERS)
def test_every_one_and_two_wrong_bits_are_refused(header: Header) -> None:
    bits = pack(header)
    patterns = error_patterns(INFO_BITS[header.version])
    assert len(patterns) == (72 + 2556 if header.version == 1 else 96 + 4560)
    for places in patterns:
        wrong = bits.copy()
        wrong[places] ^= 1
        assert unpack(wrong) is None, places


@pytest.mark.parametrize("header", [HEADERS[2], HEADERS[4]])
def test_every_one_and_two_wrong_coded_bits_are_corrected(header: Header) -> None:
    coded = header_code.encode(pack(header))
    patterns = error_patterns(3 * INFO_BITS[header.version])
    assert len(patterns) == (216 + 23220 if header.version == 1 else 288 + 41328)
    for places in patterns:
        wrong = coded.copy()
        wrong[places] *= -1
        assert unpack(header_code.decode(wrong)) == header, places


@pytest.mark.parametrize("header", HEADERS)
def test_wrong_values_on_the_air_are_corrected(header: Header) -> None:
    sent = header_symbols.encode_bits(pack(header), frame_layout(Numerology(), header.mode))
    rng = np.random.default_rng(1)
    for count in range(1, 8):
        for _ in range(100):
            soft = sent.ravel().copy()
            soft[rng.choice(soft.size, count, replace=False)] *= -1
            assert read(soft.reshape(sent.shape)) == header


def test_values_at_random_are_refused() -> None:
    # Two checks of 16 bits with the version let one of 2^18 pass: of 5,000 one in fifty runs would.
    rng = np.random.default_rng(2)
    shape = header_symbols.encode_bits(pack(HEADERS[0]), frame_layout(Numerology(), HEADERS[0].mode)).shape
    assert all(read(rng.standard_normal(shape).astype(np.float32)) is None for _ in range(5000))


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-20, 1e20, 1e30])
def test_soft_values_of_any_size(scale: float) -> None:
    header = HEADERS[1]
    soft = header_symbols.encode_bits(pack(header), frame_layout(Numerology(), header.mode)) * np.float32(scale)
    assert read(soft) == (header if scale else None)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_soft_values_that_are_no_numbers_are_refused(value: float) -> None:
    shape = header_symbols.encode_bits(pack(HEADERS[1]), frame_layout(Numerology(), HEADERS[1].mode)).shape
    assert read(np.full(shape, value, np.float32)) is None
