# SPDX-License-Identifier: GPL-3.0-or-later
"""Numerology, header, interleaver, preamble and frame."""

from __future__ import annotations

import binascii

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phy_reference import deinterleave, demodulate, interleave, modulate

from sdr_sc.errors import NumerologyError
from sdr_sc.phy.coding.modes import MODES
from sdr_sc.phy.frame import header_code, header_symbols
from sdr_sc.phy.frame.framing import FrameBuilder, build_frame, filler_values, pilot_values
from sdr_sc.phy.frame.header import INFO_BITS, FrameMode, Header, is_intact, pack, unpack
from sdr_sc.phy.frame.indexed import BLOCK, MOST_CODES, MOST_LENGTH, Indexed, codeword_symbols
from sdr_sc.phy.frame.interleave import permutation
from sdr_sc.phy.frame.modes import frame_layout
from sdr_sc.phy.frame.preamble import detection_period, preamble
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.receiver import Receiver

WIDE = Numerology(fft_size=256, cyclic_prefix=32, data_subcarriers=192, pilot_subcarriers=8, header_symbols=3)

common = {
    "model_id": st.integers(0, 0xFFFF),
    "k": st.integers(1, 256),
    "frame_num": st.integers(0, 4095),
    "task": st.integers(0, 15),
    "power_scale_db": st.integers(-64, 63).map(lambda step: step / 2),
}
latest = {**common, "mode": st.sampled_from(FrameMode), "request": st.integers(0, 255)}
fitting = st.builds(
    lambda tag, code, length, more: (tag, code, length, -(-codeword_symbols(length) // BLOCK) + more),
    st.integers(0, 7),
    st.integers(0, MOST_CODES - 1),
    st.integers(0, MOST_LENGTH),
    st.integers(0, 390),
).filter(lambda one: MODES[4 * one[1]].info_bits(codeword_symbols(one[2])) > 0)
headers = st.one_of(
    st.builds(
        Header,
        n_items=st.integers(1, 255),
        mode=st.sampled_from(FrameMode),
        indexed=fitting.map(lambda one: Indexed(*one)),
        **{**common, "k": st.just(1)},
    ),
    st.builds(Header, n_items=st.integers(1, 64), version=st.just(1), **common),
    st.builds(Header, n_items=st.integers(1, 255), refined_symbols=st.integers(0, 4095), **latest),
    st.builds(Header, n_items=st.just(0), refined_symbols=st.integers(1, 4095), **latest),
    st.builds(
        Header,
        n_items=st.integers(1, 255),
        mode=st.sampled_from(FrameMode),
        report_age=st.integers(1, 63),
        report_check=st.integers(0, 4095),
        **common,
    ),
)


@given(headers)
def test_header_survives_packing(header: Header) -> None:
    assert unpack(pack(header)) == header


@given(headers, st.data())
@settings(max_examples=50)
def test_header_with_one_or_two_wrong_bits_is_refused(header: Header, data: st.DataObject) -> None:
    bits = pack(header)
    places = data.draw(st.lists(st.integers(0, len(bits) - 1), min_size=1, max_size=2, unique=True))
    bits[places] ^= 1
    assert unpack(bits) is None


@pytest.mark.parametrize(
    "version, field, value",
    [(version, *pair) for version in (1, 2) for pair in (("k", 0), ("k", 257), ("n_items", 0), ("power_scale_db", 0.3))]
    + [(1, "n_items", 65), (1, "refined_symbols", 1), (1, "request", 1), (1, "mode", FrameMode.SHORT)]
    + [(2, "n_items", 256), (2, "refined_symbols", 4096), (2, "request", 256), (2, "mode", 1)]
    + [(2, "version", 0), (2, "version", 3), (1, "report_age", 1), (2, "report_age", 64), (2, "report_check", 1)],
)
def test_header_refuses_values_that_do_not_fit(version: int, field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        Header(**{"model_id": 1, "k": 4, "n_items": 1, "frame_num": 0, "version": version, field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("more", [{"request": 1}, {"refined_symbols": 1}, {"report_check": 4096}])
def test_a_frame_that_is_mapped_by_a_report_has_no_refinements(more: dict) -> None:
    with pytest.raises(ValueError, match="report_"):
        Header(1, 4, 1, 0, report_age=1, **more)


def with_bits(bits: np.ndarray, place: int, width: int, value: int) -> np.ndarray:
    """Header bits with another value in one field, and the check that fits."""
    changed = bits[:-16].copy()
    changed[place : place + width] = [value >> i & 1 for i in reversed(range(width))]
    crc = binascii.crc_hqx(np.packbits(changed).tobytes(), 0xFFFF)
    return np.concatenate((changed, np.unpackbits(np.frombuffer(crc.to_bytes(2, "big"), np.uint8))))


def test_a_mapped_header_of_an_unknown_mode_or_of_its_own_channel_is_none() -> None:
    bits = pack(Header(1, 4, 1, 0, mode=FrameMode.ROBUST, report_age=5, report_check=9))
    assert unpack(with_bits(bits, 60, 2, 1)) == Header(1, 4, 1, 0, report_age=5, report_check=9)
    for place, width, value in ((62, 6, 0), (33, 8, 0)):
        other = with_bits(bits, place, width, value)
        assert is_intact(other) and unpack(other) is None


@pytest.mark.parametrize("place, width, known, unknown", [(0, 3, 2, 3), (0, 3, 2, 1), (3, 2, 1, 3), (33, 8, 1, 0)])
def test_a_header_of_unknown_version_or_mode_or_without_features_is_none(
    place: int, width: int, known: int, unknown: int
) -> None:
    bits = pack(Header(1, 4, 1, 0))
    assert unpack(with_bits(bits, place, width, known)) == Header(1, 4, 1, 0)
    other = with_bits(bits, place, width, unknown)
    assert is_intact(other) and unpack(other) is None


def test_the_two_versions_lie_on_the_air_as_documented() -> None:
    """Bits written out by hand: a recording of version 1 has to be read for ever."""
    fields = f"{1:03b}{0xBEEF:016b}{15:08b}{3:06b}{1234:012b}{5:04b}{61:07b}"
    assert "".join(map(str, pack(Header(0xBEEF, 16, 4, 1234, 5, -1.5, version=1))[:-16])) == fields
    fields = f"{2:03b}{2:02b}{0xBEEF:016b}{5:04b}{15:08b}{200:08b}{1234:012b}{61:07b}{9:08b}{4000:012b}"
    header = Header(0xBEEF, 16, 200, 1234, 5, -1.5, 2, FrameMode.ROBUST, 9, 4000)
    assert "".join(map(str, pack(header)[:-16])) == fields
    fields = f"{2:03b}{3:02b}{0xBEEF:016b}{5:04b}{15:08b}{200:08b}{3:012b}{61:07b}{2:02b}{9:06b}{4000:012b}"
    header = Header(0xBEEF, 16, 200, 3, 5, -1.5, 2, FrameMode.ROBUST, report_age=9, report_check=4000)
    assert "".join(map(str, pack(header)[:-16])) == fields and header.report_frame == 4090


def test_a_header_with_indices_lies_on_the_air_as_documented_and_is_refused_by_earlier_receivers() -> None:
    fields = f"{2:03b}{3:02b}{0xBEEF:016b}{5:04b}{300 & 0xFF:08b}{200:08b}{3:012b}{61:07b}"
    fields += f"{3:02b}{1:02b}{5:03b}{40:06b}{30:06b}{300 >> 8:01b}"
    header = Header(0xBEEF, 1, 200, 3, 5, -1.5, 2, FrameMode.NORMAL, indexed=Indexed(5, 40, 30, 300))
    bits = pack(header)
    assert "".join(map(str, bits[:-16])) == fields and unpack(bits) == header
    assert header.feature_symbols == 4800 and header.shape == (0, 1) and header.more_symbols == 4800
    # Where those receivers look for mode and k: mode 3, and a frame mode of 3, none that they know.
    assert bits[3:5].tolist() == [1, 1] and bits[60:62].tolist() == [1, 1]


@pytest.mark.parametrize("place, width, value", [(62, 2, 3), (33, 8, 0), (67, 6, 62), (73, 6, 0)])
def test_a_header_with_indices_that_makes_no_sense_is_none(place: int, width: int, value: int) -> None:
    """Another frame mode; no items; a code that is none; a codeword that is too short for any code."""
    bits = pack(Header(1, 1, 4, 0, mode=FrameMode.ROBUST, indexed=Indexed(1, 5, 40, 256)))
    other = with_bits(bits, place, width, value)
    assert unpack(bits) is not None and is_intact(other) and unpack(other) is None


@pytest.mark.parametrize("fields", [(8, 1, 40, 99), (0, 62, 40, 99), (0, 1, 64, 99), (0, 9, 40, 0), (0, 9, 40, 15)])
def test_indexed_refuses_values_that_do_not_fit(fields: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="indexed"):
        Indexed(*fields)


@pytest.mark.parametrize("more", [{"k": 2}, {"request": 1}, {"refined_symbols": 1}, {"report_age": 1}, {"n_items": 0}])
def test_a_frame_with_indices_has_no_other_fields(more: dict) -> None:
    with pytest.raises(ValueError):
        Header(**{"model_id": 1, "k": 1, "n_items": 1, "frame_num": 0, "indexed": Indexed(1, 9, 40, 99), **more})


def test_a_payload_with_indices_is_received_as_it_was_sent() -> None:
    rng = np.random.default_rng(3)
    header = Header(7, 1, 12, 5, mode=FrameMode.SHORT, indexed=Indexed(1, 30, 20, 12))
    sent = np.exp(2j * np.pi * rng.random(header.more_symbols)).astype(np.complex64)
    frame = build_frame(np.empty((0, 1), np.complex64), header, Numerology(), sent)
    receiver = Receiver(Numerology())
    (received,) = receiver.push(frame) + receiver.flush()
    assert received.header == header and received.features.shape == (0, 1) and not received.is_cut
    np.testing.assert_allclose(received.refinement, sent, atol=5e-3)
    with pytest.raises(ValueError, match="refinement"):
        build_frame(np.empty((0, 1), np.complex64), header, Numerology(), sent[1:])


def test_header_code_corrects_what_its_free_distance_allows() -> None:
    # The free distance of the LTE code is 15: any 7 wrong hard decisions are corrected.
    rng = np.random.default_rng(1)
    for length in 100 * list(INFO_BITS.values()):
        bits = rng.integers(0, 2, length).astype(np.uint8)
        soft = header_code.encode(bits)
        soft[rng.choice(len(soft), 7, replace=False)] *= -1
        assert np.array_equal(header_code.decode(soft), bits)


def test_header_code_matches_the_generators_of_the_standard() -> None:
    # A single 1 among zeros reads the generators 133, 171, 165 (octal) off the output, newest bit first.
    bits = np.zeros(16, np.uint8)
    bits[4] = 1
    coded = (header_code.encode(bits) < 0).astype(int).reshape(-1, 3)
    read = [int("".join(map(str, coded[4:11, g])), 2) for g in range(3)]
    assert read == [0o133, 0o171, 0o165]


@given(st.integers(1, 4000))
def test_interleaver_is_a_permutation(length: int) -> None:
    assert np.array_equal(np.sort(permutation(length)), np.arange(length))


@given(st.integers(1, 500))
def test_interleaver_undoes_itself(length: int) -> None:
    symbols = np.random.default_rng(length).standard_normal(length).astype(np.complex64)
    assert np.array_equal(deinterleave(interleave(symbols)), symbols)


def test_interleaver_spreads_an_item_over_the_frame() -> None:
    places = np.sort(permutation(8 * 16)[:16])
    assert np.diff(places).max() <= 16  # 16 symbols over 128 places: no gap wider than twice the mean


@pytest.mark.parametrize("numerology", [Numerology(), WIDE])
def test_demodulation_undoes_modulation(numerology: Numerology) -> None:
    rng = np.random.default_rng(2)
    grid = (rng.standard_normal((5, numerology.used)) + 1j).astype(np.complex64)
    assert np.allclose(demodulate(modulate(grid, numerology), numerology), grid, atol=1e-5)


@pytest.mark.parametrize("numerology", [Numerology(), WIDE])
def test_every_part_of_a_frame_has_the_nominal_power(numerology: Numerology) -> None:
    rng = np.random.default_rng(3)
    features = np.exp(2j * np.pi * rng.random((20, 32))).astype(np.complex64)
    frame = build_frame(features, Header(1, 32, 20, 0), numerology)
    assert len(frame) == numerology.frame_samples(640)
    detection = numerology.detection_symbols * numerology.symbol_samples
    bounds = [0, detection, numerology.preamble_samples, numerology.payload_offset, len(frame)]
    for first, last in zip(bounds[:-1], bounds[1:], strict=True):
        power = np.mean(np.abs(frame[first:last]) ** 2)
        assert power == pytest.approx(numerology.mean_sample_power, rel=0.12)


def test_power_scale_moves_the_payload_alone() -> None:
    numerology, features = Numerology(), np.ones((1, 96), np.complex64)
    plain = build_frame(features, Header(1, 96, 1, 0), numerology)
    louder = build_frame(features, Header(1, 96, 1, 0, power_scale_db=6.0), numerology)
    assert np.array_equal(plain[: numerology.preamble_samples], louder[: numerology.preamble_samples])
    payload = slice(numerology.payload_offset, None)
    ratio = np.mean(np.abs(louder[payload]) ** 2) / np.mean(np.abs(plain[payload]) ** 2)
    assert 10 * np.log10(ratio) == pytest.approx(10 * np.log10((48 * 10**0.6 + 4) / 52), abs=0.3)


def test_preamble_repeats_and_has_a_low_peak() -> None:
    numerology = Numerology()
    samples = preamble(numerology)
    period, detection = detection_period(numerology), numerology.detection_symbols * numerology.symbol_samples
    assert np.allclose(samples[:period], samples[period : 2 * period])
    assert np.allclose(samples[-64:], samples[-128:-64])
    papr_db = 10 * np.log10(np.max(np.abs(samples[:detection]) ** 2) / np.mean(np.abs(samples[:detection]) ** 2))
    assert papr_db < 3.5


def test_frame_refuses_features_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="shape"):
        build_frame(np.ones((2, 4), np.complex64), Header(1, 8, 2, 0), Numerology())
    with pytest.raises(ValueError, match="refinement has shape"):
        build_frame(np.ones((2, 8), np.complex64), Header(1, 8, 2, 0, refined_symbols=3), Numerology())
    with pytest.raises(ValueError, match="not finite"):
        header = Header(1, 1, 1, 0, refined_symbols=2)
        build_frame(np.ones((1, 1), np.complex64), header, Numerology(), np.array([1, np.inf], np.complex64))
    with pytest.raises(ValueError, match="finite"):
        build_frame(np.full((1, 4), np.nan, np.complex64), Header(1, 4, 1, 0), Numerology())


@pytest.mark.parametrize(
    "fields, word",
    [
        ({"fft_size": 63}, "fft_size"),
        ({"cyclic_prefix": 60}, "cyclic_prefix"),
        ({"data_subcarriers": 64}, "subcarriers"),
        ({"pilot_subcarriers": 3, "data_subcarriers": 49}, "pilot"),
        ({"early_window": 9}, "early_window"),
        ({"header_symbols": 2}, "header"),
        ({"detection_symbols": 1}, "detection_symbols"),
        ({"sample_rate_hz": float("nan")}, "sample_rate_hz"),
        ({"fft_size": 64.0}, "fft_size"),
    ],
)
def test_numerology_refuses_sizes_that_do_not_fit(fields: dict, word: str) -> None:
    with pytest.raises(NumerologyError, match=word):
        Numerology(**fields)


def test_numerology_from_yaml(tmp_path) -> None:
    path = tmp_path / "numerology.yml"
    path.write_text("fft_size: 128\ncyclic_prefix: 32\nsample_rate_hz: 2000000\n")
    numerology = Numerology.from_yaml(path)
    assert (numerology.fft_size, numerology.subcarrier_spacing_hz) == (128, 15625.0)
    for text, word in (("fft_sise: 64", "fft_sise"), ("[1]", "field: value"), ("a: [", "is not YAML that can be read")):
        path.write_text(text)
        with pytest.raises(NumerologyError, match=word):
            Numerology.from_yaml(path)
    with pytest.raises(NumerologyError, match="cannot be read"):
        Numerology.from_yaml(tmp_path / "none.yml")


@pytest.mark.parametrize("numerology", [Numerology(), Numerology(fft_size=128, cyclic_prefix=32, data_subcarriers=100)])
def test_a_frame_is_what_its_parts_make(numerology: Numerology) -> None:
    rng = np.random.default_rng(11)
    features = (rng.standard_normal((5, 23)) + 1j * rng.standard_normal((5, 23))).astype(np.complex64)
    header = Header(5, 23, 5, 77, power_scale_db=3.0)
    first, symbols = numerology.header_symbols, numerology.payload_symbols(115)
    grid = np.empty((first + symbols, numerology.used), np.complex64)
    grid[:, numerology.pilot_index] = pilot_values(first + symbols, numerology)
    grid[:first, numerology.data_index] = header_symbols.encode_bits(
        pack(header), frame_layout(numerology, header.mode)
    )
    filler = filler_values(symbols * numerology.data_subcarriers - 115)
    payload = np.concatenate((interleave(features.ravel()), filler)).reshape(symbols, -1)
    grid[first:, numerology.data_index] = 10 ** (3.0 / 20) * payload
    expected = np.concatenate((preamble(numerology), modulate(grid, numerology)))
    assert np.allclose(build_frame(features, header, numerology), expected, atol=1e-5)
    louder = FrameBuilder(numerology).build(features, header, amplitude=0.25, gap_samples=13)
    assert np.allclose(louder[:-13], 0.25 * expected, atol=1e-5)
    assert not louder[-13:].any()
