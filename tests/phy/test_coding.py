# SPDX-License-Identifier: GPL-3.0-or-later
"""LDPC and QAM of the coded baselines: against the standard's equations, brute force, and a published curve."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.bench.coding import carried_over_db
from sdr_sc.phy.coding import ldpc_qam as coding
from sdr_sc.phy.coding.ldpc_nr import NrCode
from sdr_sc.phy.coding.ldpc_qam import LdpcQam, code_for, crc_is_right, noisy, with_crc
from sdr_sc.phy.coding.modes import CRC_BITS, MODE_BITS, MODES
from sdr_sc.phy.coding.qam import modulate, soft_bits
from sdr_sc.phy.coding.shaping import DESIGNS, bit_information, design, symmetric
from sdr_sc.phy.coding.thresholds import codeword_of, lost_over_noise, needed_without_loss_db, waterfall
from sdr_sc.schemes.bits import Codeword, pack_digits, unpack_digits
from sdr_sc.schemes.learn import lost_by_mode


@pytest.mark.parametrize(
    "info_bits, sent_bits, bits_per_symbol, graph",
    [(17, 40, 2, 2), (183, 366, 2, 2), (250, 1250, 1, 2), (512, 1024, 4, 2), (610, 1220, 2, 2), (640, 6400, 2, 2),
     (3000, 3600, 6, 1), (4000, 8000, 8, 1), (8448, 9504, 8, 1), (3824, 19120, 1, 2),
     (16_896, 40_960, 10, 1), (9000, 20_000, 4, 1), (7680, 30_720, 2, 2)],
)  # fmt: skip
def test_codewords_meet_every_check(info_bits: int, sent_bits: int, bits_per_symbol: int, graph: int) -> None:
    code = NrCode(info_bits, sent_bits, bits_per_symbol)
    bits = np.random.default_rng(1).integers(0, 2, (3, info_bits), np.uint8)
    words = code.codeword(bits)
    assert code.graph == graph
    assert not (code.matrix @ words.T % 2).any()
    assert (words[:, :info_bits] == bits).all()
    assert code.position.max() < code.matrix.shape[1] and len(code.position) == sent_bits
    # The first 2 Z information bits are not sent, all others are before any parity bit.
    assert code.position.min() == 2 * code.size
    rest = np.arange(2 * code.size, info_bits)
    assert np.isin(rest, code.position).all()


def test_the_encoder_is_linear_and_no_two_messages_share_a_codeword() -> None:
    code = NrCode(40, 100, 2)
    unit = code.encode(np.eye(40, dtype=np.uint8))
    message = np.random.default_rng(2).integers(0, 2, (1, 40), np.uint8)
    assert (code.encode(message) == message @ unit % 2).all()
    assert unit.sum(axis=1).min() > 5


@pytest.mark.parametrize(
    "bits_per_symbol, shape_db",
    [(1, None), (2, None), (4, None), (6, None), (8, None), (4, 4), (6, 8), (8, 12), (10, 18)],
)
def test_soft_bits_are_those_of_brute_force(bits_per_symbol: int, shape_db: int | None) -> None:
    rng = np.random.default_rng(3)
    table = (np.arange(1 << bits_per_symbol)[:, None] >> np.arange(bits_per_symbol)) & 1
    points = modulate(table.astype(np.uint8), bits_per_symbol, shape_db)[:, 0]
    assert np.mean(np.abs(points) ** 2) == pytest.approx(1, abs=1e-6)
    received = (rng.standard_normal(30) + 1j * rng.standard_normal(30)).astype(np.complex64)
    noise = rng.uniform(0.05, 2, 30).astype(np.float32)
    chance = np.exp(-(np.abs(received[:, None] - points) ** 2) / noise[:, None])
    wanted = [[np.log(c[table[:, b] == 0].sum() / c[table[:, b] == 1].sum()) for b in range(bits_per_symbol)]
              for c in chance]  # fmt: skip
    found = soft_bits(received[None], noise[None], bits_per_symbol, shape_db).reshape(30, -1)
    np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=2e-3)


def test_neighbours_differ_in_one_bit() -> None:
    table = (np.arange(64)[:, None] >> np.arange(6)) & 1
    points = modulate(table.astype(np.uint8), 6)[:, 0]
    step = np.min(np.abs(points[:, None] - points)[~np.eye(64, dtype=bool)])
    near = np.abs(points[:, None] - points) < 1.01 * step
    differ = (table[:, None] != table).sum(axis=2)
    assert (differ[near & ~np.eye(64, dtype=bool)] == 1).all()


def test_lost_codewords_are_as_many_as_published() -> None:
    """AFF3CT's reference has a frame error rate of 0.477 at 1.00 dB, where 0.1 dB more or less are 0.10 of it."""
    code, rng, words = LdpcQam(512, 512, 2, 20, is_layered=False), np.random.default_rng(4), 150
    variance = np.float32(10**-0.1)
    sent = rng.integers(0, 2, (words, 512), np.uint8)
    noise = rng.standard_normal((words, 1024), np.float32).view(np.complex64) * np.sqrt(variance / 2)
    received = (code.encode(sent) + noise).astype(np.complex64)
    found = code.decode_llrs(code.llrs(received, np.full(received.shape, variance)))
    assert 0.34 < (found != sent).any(axis=1).mean() < 0.61


@pytest.mark.parametrize("mode", range(0, len(MODES), 6), ids=[mode.name for mode in MODES[::6]])
def test_a_mode_works_above_what_it_needs_and_fails_below(mode: int) -> None:
    symbols, words = 160, 10
    bits = MODES[mode].info_bits(symbols)
    code, rng = code_for(bits, symbols, MODES[mode]), np.random.default_rng(mode)
    messages = rng.integers(0, 2, (words, bits - CRC_BITS), np.uint8)
    sent = code.encode(np.stack([with_crc(message, bits) for message in messages]))
    right = {}
    curve = waterfall(mode, symbols)
    for offset_db in (2.0, -2.0):
        found, right[offset_db] = code.decode(*noisy(sent, curve.middle_db + offset_db * (1 + curve.width_db), rng))
        assert (found[right[offset_db], :-CRC_BITS] == messages[right[offset_db]]).all()
    assert right[2.0].all() and not right[-2.0].any()


@pytest.mark.parametrize("mode, symbols, snr_db", [(39, 400, 0.0), (119, 300, 9.5)])
def test_words_that_are_not_tried_could_not_have_been_decoded(
    mode: int, symbols: int, snr_db: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    bits, words = MODES[mode].info_bits(symbols), 100
    code, rng = code_for(bits, symbols, MODES[mode]), np.random.default_rng(8)
    sent = code.encode(np.stack([with_crc(rng.integers(0, 2, bits - CRC_BITS, np.uint8), bits) for _ in range(words)]))
    variance = 10 ** (-(snr_db + np.linspace(-4, 2, words)) / 10).astype(np.float32)[:, None] * np.ones_like(sent.real)
    noise = rng.standard_normal((words, 2 * symbols), np.float32).view(np.complex64) * np.sqrt(variance / 2)
    told = []
    real = coding._told_bits
    monkeypatch.setattr(coding, "_told_bits", lambda llrs: (told.append(real(llrs)), np.full(words, 1e9))[1])
    tried, right = code.decode((sent + noise).astype(np.complex64), variance)
    monkeypatch.setattr(coding, "_told_bits", real)
    found, as_right = code.decode((sent + noise).astype(np.complex64), variance)
    assert (right == as_right).all() and (tried[right] == found[right]).all()
    assert 10 < right.sum() < words - 10 and (told[0] < bits - 6 * bits**0.5).sum() > 10


def test_the_information_of_soft_bits_is_that_of_the_channel() -> None:
    unsure = np.log(0.89 / 0.11)
    llrs = np.array([[0, 0, 0], [30, 0, -30], [unsure, -unsure, unsure]])
    np.testing.assert_allclose(coding._told_bits(llrs), [0, 2, 1.5], atol=2e-3)  # 1 - H(0.11) = 0.500


def test_erased_symbols_are_made_good_by_the_code() -> None:
    code, rng = LdpcQam(200, 200, 2), np.random.default_rng(5)
    word = with_crc(rng.integers(0, 2, 200 - CRC_BITS, np.uint8), 200)
    symbols, variance = code.encode(word[None]), np.full((1, 200), 1e-3, np.float32)
    symbols[0, ::5], variance[0, ::5] = np.nan, np.inf
    bits, right = code.decode(symbols, variance)
    assert right.all() and (bits[0] == word).all()
    _, right = code.decode(np.full((1, 200), np.nan, np.complex64), np.full((1, 200), np.inf, np.float32))
    assert not right.any()


def test_a_single_wrong_bit_fails_the_check() -> None:
    word = with_crc(np.ones(50, np.uint8), 100)
    assert crc_is_right(word)
    for place in range(100):
        word[place] ^= 1
        assert not crc_is_right(word)
        word[place] ^= 1


def test_digits_survive_and_need_no_more_bits_than_they_must() -> None:
    digits = np.random.default_rng(6).integers(0, 10, 64)
    bits = pack_digits(digits, 10)
    assert len(bits) == 213  # 64 log2 10 = 212.6
    assert (unpack_digits(np.concatenate((bits, np.zeros(9, np.uint8))), 64, 10) == digits).all()


def test_a_codeword_fills_a_frame_of_any_length() -> None:
    word = Codeword(mode=33, symbols=999, info_bits=MODES[33].info_bits(999))
    assert word.payload(np.ones(30, np.uint8)).shape == (4, 250)


def test_information_of_a_bit_and_what_is_carried_over() -> None:
    assert bit_information(2, 40.0) == pytest.approx(4.0, abs=1e-6)
    assert bit_information(2, -30.0) < 0.01
    assert carried_over_db(2.0, 2) == pytest.approx(2.0, abs=1e-3)
    assert 1.0 < carried_over_db(2.0, 4) - 2.0 < 3.0  # BICM with 16-QAM needs more energy a bit than QPSK


def test_the_ladder_s_rates_rise_in_small_steps_and_its_places_fit_their_bits() -> None:
    steps_db = np.diff([mode.capacity_db for mode in MODES])
    assert len(MODES) <= 1 << MODE_BITS and steps_db.min() > 0.09 and steps_db.max() < 0.22
    assert steps_db[np.abs([mode.capacity_db - 9.0 for mode in MODES[:-1]]) < 10.0].max() < 0.13  # up to 20 dB
    assert MODES[0].capacity_db < -7 and MODES[-1].capacity_db > 23
    losses_db = [needed_without_loss_db(mode) - mode.capacity_db for mode in MODES]
    assert min(losses_db) > 0 and max(losses_db) < 0.8  # uniform 1024-QAM alone would lose up to 1.9 dB


def test_shaped_amplitudes_are_those_of_the_design_and_carry_more() -> None:
    for bits, snr_db in ((2, 4), (3, 8), (4, 12)):
        shaped = bit_information(bits, snr_db, shape_db=snr_db)
        assert snr_db in DESIGNS[bits] and shaped >= bit_information(bits, snr_db)
        assert shaped == pytest.approx(bit_information(bits, snr_db, symmetric(bits, design(bits, snr_db))), abs=1e-3)


@pytest.mark.parametrize("mode, symbols", [(12, 300), (51, 100), (142, 300), (193, 100)])
def test_modes_between_those_that_were_measured_lose_what_the_table_says(mode: int, symbols: int) -> None:
    rng, words, curve = np.random.default_rng((9, mode)), 60, waterfall(mode, symbols)
    for share in (0.15, 0.85):
        lost = lost_over_noise(MODES[mode], symbols, curve.snr_db(share), words, rng) / words
        assert curve.lost(curve.snr_db(share) + 0.3) - 0.15 < lost < curve.lost(curve.snr_db(share) - 0.3) + 0.15


def test_symbols_of_different_snr_lose_what_their_information_says() -> None:
    """Half of the symbols 6 dB better than the others."""
    rng, words, symbols = np.random.default_rng(10), 60, 512
    for mode in (62, 139):
        bits, _ = codeword_of(MODES[mode], symbols)
        code, sent = code_for(bits, symbols, MODES[mode]), rng.integers(0, 2, (words, bits), np.uint8)
        around_db = waterfall(mode, symbols).middle_db + np.where(np.arange(symbols) % 2, 3.0, -3.0)
        middle_db = float(np.interp(-0.5, [-lost_by_mode(around_db + shift)[mode] for shift in np.arange(-2, 3, 0.1)],
                                    np.arange(-2, 3, 0.1)))  # fmt: skip
        lost = []
        for shift_db in (-0.6, 0.6):
            variance = (10 ** (-(around_db + middle_db + shift_db) / 10)).astype(np.float32) * np.ones(
                (words, 1), np.float32
            )
            noise = rng.standard_normal((words, 2 * symbols), np.float32).view(np.complex64) * np.sqrt(variance / 2)
            found = code.decode_llrs(code.llrs((code.encode(sent) + noise).astype(np.complex64), variance))
            lost.append((found != sent).any(axis=1).mean())
        assert lost[0] > 0.7 and lost[1] < 0.3
