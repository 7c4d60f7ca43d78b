# SPDX-License-Identifier: GPL-3.0-or-later
"""The 5G NR codes: encoder, rate matching and decoder against ones written here from 3GPP TS 38.212.

The matrix is lifted from the base graph's table one block at a time, the encoder solves its equations by elimination,
rate matching follows the standard's loops, and the decoders are a sum-product one and brute force.
"""

from __future__ import annotations

import csv
import math
from functools import lru_cache

import numpy as np
import pytest
from ldpc import BpDecoder

from sdr_sc.phy.coding.ldpc_nr import TABLES, NrCode
from sdr_sc.phy.coding.ldpc_qam import LdpcQam

LIFTING_SETS = (
    (2, 4, 8, 16, 32, 64, 128, 256),
    (3, 6, 12, 24, 48, 96, 192, 384),
    (5, 10, 20, 40, 80, 160, 320),
    (7, 14, 28, 56, 112, 224),
    (9, 18, 36, 72, 144, 288),
    (11, 22, 44, 88, 176, 352),
    (13, 26, 52, 104, 208),
    (15, 30, 60, 120, 240),
)
"""Table 5.3.2-1."""
SIZES = {1: (46, 68, 22), 2: (42, 52, 10)}
"""Rows, columns and information columns of the base graphs, section 5.3.2."""
CODES = [(40, 120, 2), (17, 40, 1), (250, 400, 4), (10, 60, 2), (60, 900, 2), (300, 360, 6), (600, 816, 8)]
"""Information bits, sent bits, bits per symbol: both graphs, punctured, whole and repeated."""


@lru_cache(maxsize=1)
def base_graphs() -> dict[int, list[list[int]]]:
    """Row, column and the shifts of the eight lifting sets of each entry, by graph."""
    graphs: dict[int, list[list[int]]] = {1: [], 2: []}
    with TABLES.open(newline="") as lines:
        for line in csv.reader(line for line in lines if not line.startswith("#")):
            graphs[int(line[0])].append([int(value) for value in line[1:]])
    return graphs


def choice(info_bits: int, sent_bits: int) -> tuple[int, int]:
    """Base graph by section 7.2.2 and lifting size by section 5.2.2."""
    rate = info_bits / sent_bits
    graph = 2 if info_bits <= 292 or (info_bits <= 3824 and rate <= 0.67) or rate <= 0.25 else 1
    columns = 22
    if graph == 2:
        columns = 10 if info_bits > 640 else 9 if info_bits > 560 else 8 if info_bits > 192 else 6
    return graph, min(z for sizes in LIFTING_SETS for z in sizes if columns * z >= info_bits)


def lifted(graph: int, z: int) -> np.ndarray:
    """The whole parity-check matrix, uint8: each entry an identity, shifted to the right by its value modulo z."""
    rows, columns, _ = SIZES[graph]
    which = next(i for i, sizes in enumerate(LIFTING_SETS) if z in sizes)
    matrix = np.zeros((rows * z, columns * z), np.uint8)
    for row, column, *shifts in base_graphs()[graph]:
        block = np.roll(np.eye(z, dtype=np.uint8), shifts[which] % z, axis=1)
        matrix[row * z : (row + 1) * z, column * z : (column + 1) * z] = block
    return matrix


def solved(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """X of ``matrix X = right`` modulo 2, by Gauss-Jordan elimination."""
    size = len(matrix)
    work = np.concatenate((matrix, right), axis=1).astype(bool)
    for column in range(size):
        pivot = column + int(np.argmax(work[column:, column]))
        assert work[pivot, column], "the parity part of the matrix has to be invertible"
        work[[column, pivot]] = work[[pivot, column]]
        hit = work[:, column].copy()
        hit[column] = False
        work[hit] ^= work[column]
    return work[:, size:].astype(np.uint8)


def reference_words(info_bits: int, sent_bits: int, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The matrix, codewords of the mother code, uint8 (columns z, words), and of each sent bit its place in them,
    before the interleaver."""
    graph, z = choice(info_bits, sent_bits)
    matrix, information = lifted(graph, z), SIZES[graph][2] * z
    padded = np.zeros((information, len(bits)), np.uint8)
    padded[:info_bits] = bits.T
    parity = solved(matrix[:, information:], matrix[:, :information].astype(int) @ padded % 2)
    word = np.concatenate((padded, parity))
    selected, k = [], 0
    while len(selected) < sent_bits:  # section 5.4.2.1, redundancy version 0, no limit of the buffer
        place = 2 * z + k % (len(word) - 2 * z)
        if not info_bits <= place < information:  # filler bits are not sent
            selected.append(place)
        k += 1
    return matrix, word, np.array(selected)


def interleaved(values: np.ndarray, bits_per_symbol: int) -> np.ndarray:
    """Section 5.4.2.2."""
    out, columns = values.copy(), len(values) // bits_per_symbol
    for j in range(columns):
        for i in range(bits_per_symbol):
            out[i + j * bits_per_symbol] = values[i * columns + j]
    return out


def test_the_base_graphs_have_the_edges_and_the_shape_of_the_standard() -> None:
    for graph, edges in ((1, 316), (2, 197)):
        entries = base_graphs()[graph]
        rows, columns, _ = SIZES[graph]
        assert len(entries) == edges == len({(row, column) for row, column, *_ in entries})
        assert {row for row, *_ in entries} == set(range(rows))
        assert {column for _, column, *_ in entries} == set(range(columns))
        for _, _, *shifts in entries:
            assert all(0 <= shift < max(sizes) for shift, sizes in zip(shifts, LIFTING_SETS, strict=True))


@pytest.mark.parametrize("info_bits, sent_bits, bits_per_symbol", CODES)
def test_the_encoder_solves_the_standard_s_equations(info_bits: int, sent_bits: int, bits_per_symbol: int) -> None:
    bits = np.random.default_rng(info_bits).integers(0, 2, (4, info_bits), np.uint8)
    matrix, words, places = reference_words(info_bits, sent_bits, bits)
    assert not (matrix.astype(int) @ words % 2).any()
    code = NrCode(info_bits, sent_bits, bits_per_symbol)
    assert (code.graph, code.size) == choice(info_bits, sent_bits)
    for sent, word in zip(code.encode(bits), words.T, strict=True):
        np.testing.assert_array_equal(sent, interleaved(word[places], bits_per_symbol))


@pytest.mark.parametrize("info_bits, sent_bits, bits_per_symbol", CODES)
def test_codewords_meet_the_checks_of_the_lifted_table(info_bits: int, sent_bits: int, bits_per_symbol: int) -> None:
    code = NrCode(info_bits, sent_bits, bits_per_symbol)
    words = code.codeword(np.random.default_rng(1).integers(0, 2, (20, info_bits), np.uint8))
    information = SIZES[code.graph][2] * code.size
    matrix = lifted(code.graph, code.size)[: len(code.matrix.toarray())]
    kept = np.r_[0:info_bits, information : information + words.shape[1] - info_bits]
    np.testing.assert_array_equal(code.matrix.toarray(), matrix[:, kept])
    assert not (matrix[:, kept].astype(int) @ words.T % 2).any()


@pytest.mark.parametrize("info_bits, sent_bits, bits_per_symbol", CODES)
def test_soft_values_are_collected_at_the_bits_that_were_sent(
    info_bits: int, sent_bits: int, bits_per_symbol: int
) -> None:
    code, rng = NrCode(info_bits, sent_bits, bits_per_symbol), np.random.default_rng(2)
    llrs = rng.standard_normal((3, sent_bits))
    expected = np.zeros((3, code.matrix.shape[1]))
    for i, place in enumerate(code.position):
        expected[:, place] += llrs[:, i]
    np.testing.assert_allclose(code.collect(llrs), expected, atol=1e-12)


def sum_product(matrix: np.ndarray, llrs: np.ndarray, iterations: int) -> tuple[np.ndarray, bool]:
    """Hard decisions of belief propagation with a flooding schedule, and whether all checks are met."""
    edges = matrix.astype(bool)
    to_check = np.where(edges, llrs, 0.0)
    bits = (llrs < 0).astype(np.uint8)
    for _ in range(iterations):
        if not (matrix.astype(int) @ bits % 2).any():
            return bits, True
        tanh = np.where(edges, np.tanh(np.clip(to_check, -30, 30) / 2), 1.0)
        tanh = np.where(np.abs(tanh) < 1e-12, 1e-12, tanh)
        others = np.clip(tanh.prod(axis=1, keepdims=True) / tanh, -1 + 1e-15, 1 - 1e-15)
        to_bit = np.where(edges, 2 * np.arctanh(others), 0.0)
        total = llrs + to_bit.sum(axis=0)
        to_check = np.where(edges, total - to_bit, 0.0)
        bits = (total < 0).astype(np.uint8)
    return bits, not (matrix.astype(int) @ bits % 2).any()


def noisy_llrs(sent: np.ndarray, es_n0_db: float, rng: np.random.Generator) -> np.ndarray:
    """Log-likelihood ratios of BPSK over white noise, for bits of 0 and 1."""
    variance = 10 ** (-es_n0_db / 10) / 2
    received = 1.0 - 2.0 * sent + rng.standard_normal(sent.shape) * math.sqrt(variance)
    return (2 * received / variance).astype(np.float32)


@pytest.mark.parametrize("info_bits, sent_bits, es_n0_db", [(60, 180, -4.0), (150, 300, -1.8), (320, 400, 1.8)])
def test_the_decoder_decides_as_another_sum_product_decoder(info_bits: int, sent_bits: int, es_n0_db: float) -> None:
    """At an SNR where some words are lost; rounding may part the two where a word is on the edge."""
    words, iterations, rng = 40, 20, np.random.default_rng(5)
    code = LdpcQam(info_bits, sent_bits, 1, iterations, is_layered=False)
    nr = NrCode(info_bits, sent_bits, 1)
    matrix = nr.matrix.toarray()
    bits = rng.integers(0, 2, (words, info_bits), np.uint8)
    llrs = noisy_llrs(nr.encode(bits), es_n0_db, rng)
    found = code.decode_llrs(llrs)
    reference = [sum_product(matrix, collected, iterations) for collected in nr.collect(llrs)]
    is_met = np.array([met for _, met in reference])
    same = np.array([(mine == word[:info_bits]).all() for mine, (word, _) in zip(found, reference, strict=True)])
    right = (found == bits).all(axis=1)
    as_right = np.array([(word[:info_bits] == sent).all() for (word, _), sent in zip(reference, bits, strict=True)])
    assert 0.1 * words < as_right.sum() < words
    assert (same & is_met).sum() >= is_met.sum() - 1
    assert abs(int(right.sum()) - int(as_right.sum())) <= 1


def test_the_decoder_is_near_brute_force() -> None:
    """All 1024 words of a code of 10 bits: belief propagation loses a few more, and is never likelier than the best."""
    nr, rng, words = NrCode(10, 40, 1), np.random.default_rng(6), 300
    every = ((np.arange(1024)[:, None] >> np.arange(10)) & 1).astype(np.uint8)
    signs = 1.0 - 2.0 * nr.encode(every)
    assert len(np.unique(signs, axis=0)) == 1024
    sent = rng.integers(0, 1024, words)
    llrs = noisy_llrs(nr.encode(every[sent]), -3.5, rng)
    best = np.argmax(llrs @ signs.T, axis=1)
    found = LdpcQam(10, 40, 1).decode_llrs(llrs) @ (1 << np.arange(10))
    losses, least = np.mean(found != sent), np.mean(best != sent)
    assert 0 < least < 0.1
    assert least <= losses < least + 0.2
    assert np.mean(found == best) > 0.8


@pytest.mark.parametrize("info_bits, sent_bits, es_n0_db", [(60, 180, -4.0), (320, 400, 1.8), (2000, 6000, -4.6)])
def test_the_decoder_decides_as_the_library_s(info_bits: int, sent_bits: int, es_n0_db: float) -> None:
    """`ldpc <https://pypi.org/project/ldpc/>`_, which looks for the errors of hard decisions."""
    words, iterations, rng = 60, 30, np.random.default_rng(7)
    nr, code = NrCode(info_bits, sent_bits, 1), LdpcQam(info_bits, sent_bits, 1, iterations, is_layered=False)
    bits = rng.integers(0, 2, (words, info_bits), np.uint8)
    llrs = noisy_llrs(nr.encode(bits), es_n0_db, rng)
    library = BpDecoder(nr.matrix, error_rate=0.1, max_iter=iterations, bp_method="product_sum", schedule="parallel",
                        input_vector_type="syndrome")  # fmt: skip
    right = 0
    for collected, sent in zip(nr.collect(llrs), bits, strict=True):
        hard = (collected < 0).astype(np.uint8)
        library.update_channel_probs((1.0 / (1.0 + np.exp(np.abs(collected)))).tolist())
        hard ^= library.decode((nr.matrix @ hard % 2).astype(np.uint8)).astype(np.uint8)
        right += bool((hard[:info_bits] == sent).all())
    assert 0.1 * words < right < words
    assert abs(int((code.decode_llrs(llrs) == bits).all(axis=1).sum()) - right) <= 2


def test_layers_need_half_the_iterations() -> None:
    nr, rng = NrCode(2000, 6000, 1), np.random.default_rng(8)
    bits = rng.integers(0, 2, (20, 2000), np.uint8)
    llrs = noisy_llrs(nr.encode(bits), -3.8, rng)
    codes = [LdpcQam(2000, 6000, 1, 60, is_layered=layered) for layered in (True, False)]
    assert all((code.decode_llrs(llrs) == bits).all() for code in codes)
    assert 0.4 < codes[0].iterations_done / codes[1].iterations_done < 0.7


@pytest.mark.parametrize("info_bits, sent_bits", [(8449, 20_000), (16_896, 40_000), (7680, 30_720)])
def test_a_code_of_twice_the_size_is_the_standard_s_folded_once(info_bits: int, sent_bits: int) -> None:
    """Both halves of each circulant together are the standard's circulant, and the girth is no shorter."""
    code = NrCode(info_bits, sent_bits, 1)
    half = code.size // 2
    which = next(i for i, sizes in enumerate(LIFTING_SETS) if sizes[-1] == half)
    standard = {(row, column): shifts[which] for row, column, *shifts in base_graphs()[code.graph]}
    starts, columns, shifts, size = code.circulants
    rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    assert size == 2 * half and len(rows) == sum(row < code.rows for row, _ in standard)
    for row, column, shift in zip(rows.tolist(), columns.tolist(), shifts.tolist(), strict=True):
        assert shift % half == standard[row, column] % half
    later = shifts[columns < SIZES[code.graph][2]] >= half
    assert 0.3 < later.mean() < 0.7 and not (shifts[columns >= SIZES[code.graph][2]] >= half).any()
