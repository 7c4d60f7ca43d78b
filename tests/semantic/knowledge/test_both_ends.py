# SPDX-License-Identifier: GPL-3.0-or-later
"""Retrieval at both ends: residuals and their noise, the message's bits, the choice, and payloads through noise."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdr_sc.errors import ContractError, KnowledgeError
from sdr_sc.phy.frame.indexed import Indexed
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.knowledge.base import KnowledgeBase
from sdr_sc.semantic.knowledge.both_ends.choice import UNLIKE, Need, choose, error_at, least_snr_db, need_of
from sdr_sc.semantic.knowledge.both_ends.codeword import CodewordChoice, decode, encode, loss_over_noise
from sdr_sc.semantic.knowledge.both_ends.entries import SharedEntries
from sdr_sc.semantic.knowledge.both_ends.message import (
    ENTRY,
    PLAIN,
    RESIDUAL,
    Message,
    choice_of,
    message_bits,
    rank_of,
    read_message,
    write_message,
)
from sdr_sc.semantic.knowledge.both_ends.payload import Items, Payload, Unread, make_payload, read_payload
from sdr_sc.semantic.knowledge.both_ends.split import (
    LEVELS,
    effective_snr_db,
    join,
    level_power,
    nearest_level,
    residual_level,
    split,
)
from sdr_sc.semantic.knowledge.both_ends.tag import TAG_BYTES, BaseTag
from sdr_sc.semantic.knowledge.features import usual_vectors
from sdr_sc.semantic.knowledge.interface import Entry
from sdr_sc.semantic.specs import CamTable
from sdr_sc.semantic.weights import read_contract

K_LIST = (2, 4, 8, 16)
TAG = BaseTag("0123456789abcdef", 3, "ab" * 32)


def symbols(rng: np.random.Generator, count: int, k: int = 16) -> np.ndarray:
    """complex64 (count, k) of mean power 1 a symbol."""
    found = rng.standard_normal((count, k)) + 1j * rng.standard_normal((count, k))
    return (found / np.sqrt(np.mean(np.abs(found) ** 2, axis=1, keepdims=True))).astype(np.complex64)


def like(rng: np.random.Generator, entries: np.ndarray, error: float) -> np.ndarray:
    """Features of mean power 1 whose cosine with their entries is ``sqrt(1 - error)``."""
    other = symbols(rng, *entries.shape)
    share = np.real(np.sum(other * entries.conj(), axis=1, keepdims=True)) / entries.shape[1]
    other = other - share * entries
    other /= np.sqrt(np.mean(np.abs(other) ** 2, axis=1, keepdims=True))
    return (np.sqrt(1 - error) * entries + np.sqrt(error) * other).astype(np.complex64)


def noisy(rng: np.random.Generator, sent: np.ndarray, variance: float) -> tuple[np.ndarray, np.ndarray]:
    """LMMSE estimates and the variance of the unbiased ones."""
    noise = rng.standard_normal((*sent.shape, 2)) @ np.array([1, 1j]) * np.sqrt(variance / 2)
    return ((sent + noise) / (1 + variance)).astype(np.complex64), np.full(sent.shape, variance, np.float32)


@pytest.mark.parametrize("level", range(0, LEVELS, 5))
def test_joined_without_noise_is_what_was_split(level: int) -> None:
    rng = np.random.default_rng(level)
    entries, features = symbols(rng, 5), symbols(rng, 5)
    back, variance = join(entries, level, split(features, entries, level), np.zeros((5, 16), np.float32))
    np.testing.assert_allclose(back, features, atol=2e-6)
    assert not variance.any()


@pytest.mark.parametrize("residual_k", [0, 4, 16])
@pytest.mark.parametrize("noise", [1.0, 0.1])
def test_the_noise_that_is_left_is_that_of_the_formula(residual_k: int, noise: float) -> None:
    rng = np.random.default_rng(1)
    level = nearest_level(0.2)
    entries = symbols(rng, 4000)
    features = like(rng, entries, level_power(level))
    received, variance = noisy(rng, split(features, entries, level)[:, :residual_k], noise)
    back, left = join(entries, level, received, variance)
    error = np.mean(np.abs(back - features) ** 2, axis=0)
    np.testing.assert_allclose(error, (left / (1 + left)).mean(axis=0), rtol=0.05)
    # And such an estimate has the power of an LMMSE estimate with that noise, which is what decoders were trained with.
    np.testing.assert_allclose(np.mean(np.abs(back) ** 2), np.mean(1 / (1 + left)), rtol=0.02)
    expected = 10 * np.log10((1 - error.mean()) / error.mean())
    np.testing.assert_allclose(effective_snr_db(left)[0], expected, atol=0.2)


def test_the_level_keeps_the_power_of_residuals_below_that_of_features() -> None:
    rng = np.random.default_rng(2)
    entries = symbols(rng, 300)
    for error in (0.5, 0.1, 0.01):
        features = like(rng, entries, error)
        for residual_k in (2, 16):
            level = residual_level(features, entries, residual_k)
            power = np.mean(np.abs(split(features, entries, level)[:, :residual_k]) ** 2)
            assert 0.7 < power <= 1.0


def test_what_is_erased_of_a_residual_leaves_the_entry() -> None:
    rng = np.random.default_rng(3)
    entries = symbols(rng, 1)
    received = np.full((1, 16), np.nan, np.complex64)
    back, variance = join(entries, 7, received, np.full((1, 16), np.inf, np.float32))
    alone, same = join(entries, 7, np.empty((1, 0), np.complex64), np.empty((1, 0), np.float32))
    np.testing.assert_array_equal(back, alone)
    np.testing.assert_allclose(variance, same)


@given(st.lists(st.booleans(), max_size=60))
def test_a_choice_and_its_number_go_together(chosen: list[bool]) -> None:
    flags = np.array(chosen, bool)
    assert np.array_equal(choice_of(rank_of(flags), len(flags), int(flags.sum())), flags)


def test_choices_are_numbered_without_gaps() -> None:
    every = {rank_of(np.array(one, bool)) for one in permutations((1, 1, 0, 0, 0))}
    assert every == set(range(10))
    with pytest.raises(ValueError, match="range"):
        choice_of(10, 5, 2)


messages = st.integers(1, 2000).flatmap(
    lambda entries: st.tuples(
        st.just(entries),
        st.lists(st.tuples(st.integers(0, 2), st.integers(0, entries - 1)), min_size=1, max_size=255),
        st.sampled_from(K_LIST),
        st.sampled_from(K_LIST),
        st.integers(0, LEVELS - 1),
        st.integers(0, LEVELS - 1),
    )
)


def message_of(entries: int, items: list, k: int, residual_k: int, entry_level: int, level: int) -> Message:
    kinds = np.array([kind for kind, _ in items], np.uint8)
    numbers = np.array([number for kind, number in items if kind != PLAIN], np.int64)
    has = [bool((kinds == kind).any()) for kind in (PLAIN, ENTRY, RESIDUAL)]
    return Message(kinds, numbers, k * has[0], residual_k * has[2], entry_level * has[1], level * has[2])


@given(messages)
@settings(max_examples=60, deadline=None)
def test_a_message_is_read_as_it_was_written(drawn: tuple) -> None:
    sent, entries = message_of(*drawn), drawn[0]
    bits = write_message(sent, entries, K_LIST)
    indexed = len(sent.entries)
    assert len(bits) == message_bits(len(sent.kinds), indexed, sent.count(RESIDUAL), entries, len(K_LIST))
    found = read_message(np.append(bits, np.zeros(9, np.uint8)), len(sent.kinds), entries, K_LIST)
    assert found is not None and np.array_equal(found.kinds, sent.kinds)
    assert np.array_equal(found.entries, sent.entries)
    for name in ("k", "residual_k", "entry_level", "residual_level"):
        assert getattr(found, name) == getattr(sent, name)


@given(st.lists(st.integers(0, 1), max_size=400), st.integers(0, 300), st.integers(1, 5000))
@settings(max_examples=200, deadline=None)
def test_foreign_bits_are_refused_or_within_bounds(bits: list[int], items: int, entries: int) -> None:
    found = read_message(np.array(bits, np.uint8), items, entries, K_LIST)
    if found is not None:
        assert len(found.kinds) == items and ((found.entries >= 0) & (found.entries < entries)).all()
        assert found.k in (0, *K_LIST) and found.residual_k in (0, *K_LIST)
        again = write_message(found, entries, K_LIST)
        assert np.array_equal(again, np.array(bits, np.uint8)[: len(again)]) and not any(bits[len(again) :])


def test_an_index_beyond_the_entries_is_refused() -> None:
    sent = Message(np.array([ENTRY], np.uint8), np.array([9]))
    bits = write_message(sent, 16, K_LIST)  # four bits an index, as for ten entries
    assert read_message(bits, 1, 16, K_LIST) is not None and read_message(bits, 1, 10, K_LIST) is not None
    sent = Message(np.array([ENTRY], np.uint8), np.array([10]))
    assert read_message(write_message(sent, 16, K_LIST), 1, 10, K_LIST) is None


def test_bits_after_a_message_have_to_be_zeros() -> None:
    bits = write_message(Message(np.array([ENTRY], np.uint8), np.array([1])), 4, K_LIST)
    assert read_message(np.append(bits, [0, 0]), 1, 4, K_LIST) is not None
    assert read_message(np.append(bits, [0, 1]), 1, 4, K_LIST) is None
    assert read_message(bits[:-1], 1, 4, K_LIST) is None


def test_the_choice_is_the_cheapest_of_all() -> None:
    """Against every assignment of kinds, at every size of residuals."""
    rng = np.random.default_rng(4)
    for _ in range(30):
        cosine = rng.uniform(0.2, 1.0, 4)
        need = Need(int(rng.choice(K_LIST)), float(rng.uniform(0.02, 0.4)), float(rng.uniform(0.01, 0.5)))
        rate = float(rng.uniform(0.5, 6.0))
        found = choose(cosine, need, K_LIST, 500, lambda bits, rate=rate: bits / rate)
        left, best = 1 - cosine**2, 4.0 * need.k
        for residual_k in (0, *K_LIST):
            share = residual_k / 16
            for kinds in np.ndindex(3, 3, 3, 3):
                factor = {PLAIN: 0.0, ENTRY: UNLIKE, RESIDUAL: UNLIKE * (1 - share) + share * need.symbol_error}
                error = [one * factor[kind] for kind, one in zip(kinds, left, strict=True)]
                fits = all(kind == PLAIN or own <= need.error for kind, own in zip(kinds, error, strict=True))
                counts = [kinds.count(kind) for kind in (PLAIN, ENTRY, RESIDUAL)]
                if not fits or (counts[2] > 0) != (residual_k > 0) or not (counts[1] or counts[2]):
                    continue
                bits = message_bits(4, counts[1] + counts[2], counts[2], 500, len(K_LIST))
                best = min(best, bits / rate + counts[0] * need.k + counts[2] * residual_k)
        # An item that its entry will do for is never sent in another way beside one that needs a residual.
        assert found.symbols >= best - 1e-9
        assert found.symbols <= best * 1.3 and found.symbols <= found.plain_symbols


def test_new_items_are_sent_as_ever() -> None:
    found = choose(np.full(50, 0.3), Need(8, 0.1, 0.1), K_LIST, 100, lambda bits: bits / 5)
    assert found.is_plain and found.symbols == found.plain_symbols == 400
    dear = choose(np.ones(50), Need(8, 0.1, 0.1), K_LIST, 100_000, lambda bits: bits / 0.2)
    assert dear.is_plain


def test_what_is_needed_comes_from_the_models_table() -> None:
    quality = ((0.5, 0.6), (0.7, 0.8), (0.8, 0.9), (0.85, 0.9))
    table = CamTable((0.0, 5.0, 10.0, 15.0), (8, 8, 8, 8), quality, 0.5, "test")
    assert least_snr_db(table, "classification", ("classification",), 5.0, 0.0) == 5.0
    assert least_snr_db(table, "classification", ("classification",), 15.0, 0.0) == 10.0
    assert least_snr_db(table, "classification", ("classification",), 5.0, 10.0) == pytest.approx(2.5)
    contract = read_contract("multitask_student", "encoder")
    need = need_of(contract, ("classification", "retrieval"), 16, 20.0, 0.5)
    assert need.symbol_error == pytest.approx(1 / 101) and error_at(16.0) < need.error < error_at(8.0)
    with pytest.raises(ContractError, match="not measured"):
        need_of(contract, ("keywords",), 16, 20.0, 0.5)


def shared_of(rng: np.random.Generator, count: int = 60, tag: BaseTag = TAG) -> SharedEntries:
    return SharedEntries.of_vectors(symbols(rng, count).view(np.float32), tag, 10.0)


def test_entries_have_the_same_numbers_in_any_order() -> None:
    vectors = symbols(np.random.default_rng(5), 40).view(np.float32)
    first = SharedEntries.of_vectors(vectors, TAG, 10.0)
    second = SharedEntries.of_vectors(np.concatenate((vectors[::-1], vectors[:3])), TAG, 10.0)
    np.testing.assert_array_equal(first.symbols, second.symbols)
    number, cosine = first.nearest(first.symbols[[7, 3]])
    assert number.tolist() == [7, 3] and cosine == pytest.approx([1, 1], abs=1e-6)


def test_nearest_is_that_of_all_cosines() -> None:
    rng = np.random.default_rng(6)
    shared, features = shared_of(rng, 500), symbols(rng, 30)
    cosine = (features.view(np.float32) @ shared.symbols.view(np.float32).T) / 16
    number, value = shared.nearest(features)
    assert np.array_equal(number, cosine.argmax(axis=1))
    np.testing.assert_allclose(value, cosine.max(axis=1), atol=1e-6)
    with pytest.raises(ContractError, match="symbols"):
        shared.nearest(features[:, :4])


@pytest.mark.parametrize("vectors", [np.zeros((0, 4)), np.zeros((2, 4)), np.full((1, 4), np.nan), np.ones((2, 3))])
def test_vectors_that_are_no_entries_are_refused(vectors: np.ndarray) -> None:
    with pytest.raises(KnowledgeError):
        SharedEntries.of_vectors(vectors.astype(np.float32), TAG, 10.0)


def test_tags_are_as_long_as_they_say_and_differ() -> None:
    other = BaseTag(TAG.base_id, 4, TAG.checksum)
    assert len(TAG.to_bytes()) == TAG_BYTES and BaseTag.from_bytes(other.to_bytes()) == other
    assert TAG.mask != other.mask
    for raw in (b"", bytes(TAG_BYTES), b"\xff" * TAG_BYTES, TAG.to_bytes() + b"0"):
        assert BaseTag.from_bytes(raw) is None
    with pytest.raises(KnowledgeError, match="global"):
        BaseTag(TAG.base_id, 1, "")


def payload_of(
    rng: np.random.Generator, shared: SharedEntries, errors: np.ndarray, snr_db: float = 10.0
) -> tuple[Payload, np.ndarray]:
    """Payload, and the items' features."""
    features = like(rng, shared.symbols[rng.integers(len(shared), size=len(errors))], 0.5)
    for place, error in enumerate(errors.tolist()):
        own = shared.symbols[rng.integers(len(shared))][None]
        features[place] = like(rng, own, error)[0] if error < 1 else symbols(rng, 1)[0]
    need = Need(16, 0.3, error_at(snr_db))
    items = Items(features, lambda chosen: features[chosen])
    codes = CodewordChoice(loss_over_noise(snr_db, 0.0))
    payload, _ = make_payload(items, shared, need, K_LIST, codes)
    assert payload is not None
    return payload, features


ERRORS = np.array([0.01, 0.24, 1.0, 0.01, 0.25, 1.0, 0.02, 0.01, 0.25, 0.01])


def test_a_frame_of_all_kinds_arrives_through_noise() -> None:
    rng = np.random.default_rng(7)
    shared = shared_of(rng)
    payload, features = payload_of(rng, shared, ERRORS)
    assert {ENTRY, RESIDUAL, PLAIN} == set(payload.message.kinds.tolist())
    assert np.mean(np.abs(payload.symbols) ** 2) == pytest.approx(1.0, abs=0.12)
    received, variance = noisy(rng, payload.symbols, 0.1)
    found = read_payload(payload.indexed, len(ERRORS), received, variance, shared, K_LIST)
    assert isinstance(found, tuple)
    joined, message = found
    assert np.array_equal(message.kinds, payload.message.kinds)
    error = np.mean(np.abs(joined.features - features) ** 2, axis=1)
    assert (error < 0.3).all() and error[message.kinds == ENTRY].max() < 0.05
    assert (joined.k == 16).all() and np.isfinite(joined.snr_db).all()
    for kind in (ENTRY, RESIDUAL, PLAIN):
        told = np.mean([error_at(one) for one in joined.snr_db[message.kinds == kind]])
        assert error[message.kinds == kind].mean() == pytest.approx(told, rel=0.3)


def test_without_noise_items_with_all_of_their_residuals_come_back_exactly() -> None:
    rng = np.random.default_rng(8)
    shared = shared_of(rng)
    features = like(rng, shared.symbols[:6], 0.3)
    codes = CodewordChoice(loss_over_noise(20.0))
    items = Items(features, lambda chosen: features[chosen])
    payload, _ = make_payload(items, shared, Need(20, 0.01, 0.01), K_LIST, codes)
    assert payload is not None and payload.message.residual_k == 16
    quiet = np.full(len(payload.symbols), 1e-9, np.float32)
    found = read_payload(payload.indexed, 6, payload.symbols, quiet, shared, K_LIST)
    assert isinstance(found, tuple)
    np.testing.assert_allclose(found[0].features, features, atol=1e-5)


def test_erased_symbols_of_features_cost_those_alone() -> None:
    rng = np.random.default_rng(9)
    shared = shared_of(rng)
    payload, _ = payload_of(rng, shared, ERRORS)
    received, variance = noisy(rng, payload.symbols, 0.01)
    end = payload.indexed.symbols
    received[end:], variance[end:] = np.nan, np.inf
    found = read_payload(payload.indexed, len(ERRORS), received, variance, shared, K_LIST)
    assert isinstance(found, tuple)
    joined, message = found
    lost = np.isinf(joined.noise_variance).all(axis=1)
    assert np.array_equal(lost, message.kinds == PLAIN) and not np.isnan(joined.features).any()
    assert np.isneginf(joined.snr_db[lost]).all() and np.isfinite(joined.snr_db[~lost]).all()


def test_no_receiver_without_this_very_base_reads_the_frame() -> None:
    rng = np.random.default_rng(10)
    shared = shared_of(rng)
    payload, _ = payload_of(rng, shared, ERRORS)
    received, variance = noisy(rng, payload.symbols, 0.01)
    arguments = payload.indexed, len(ERRORS), received, variance
    assert read_payload(*arguments, None, K_LIST) is Unread.NO_BASE
    reasons = set()
    for version in range(4, 40):  # some of them have the same three bits in the header
        other = SharedEntries(shared.symbols, BaseTag(TAG.base_id, version, TAG.checksum), 10.0)
        found = read_payload(*arguments, other, K_LIST)
        assert isinstance(found, Unread)
        reasons.add(found)
    assert reasons == {Unread.OTHER_BASE, Unread.CHECK}
    assert read_payload(payload.indexed, 3, received, variance, shared, K_LIST) is Unread.NONSENSE
    received[: payload.indexed.symbols] = np.nan
    assert read_payload(payload.indexed, len(ERRORS), received, variance, shared, K_LIST) is Unread.CHECK
    with pytest.raises(ContractError, match="header"):
        read_payload(payload.indexed, len(ERRORS), received[:-1], variance[:-1], shared, K_LIST)


@pytest.mark.parametrize("snr_db", [0.0, 8.0, 20.0])
@pytest.mark.parametrize("bits", [30, 200, 700, 3000])
def test_codewords_arrive_at_the_snr_that_they_are_chosen_for(snr_db: float, bits: int) -> None:
    rng = np.random.default_rng(bits)
    codes = CodewordChoice(loss_over_noise(snr_db))
    indexed = codes.indexed(bits, 100, TAG.folded)
    if indexed is None:
        assert codes.symbols(bits) == np.inf or bits == 3000
        return
    assert indexed.payload_symbols >= indexed.symbols + 100 and indexed.info_bits >= bits + 16
    sent = rng.integers(0, 2, bits).astype(np.uint8)
    word = encode(sent, indexed, TAG.mask)
    for _ in range(5):
        received, variance = noisy(rng, word, 10 ** (-snr_db / 10))
        found = decode(received, variance, indexed, TAG.mask)
        assert found is not None and np.array_equal(found[:bits], sent) and not found[bits:].any()


def test_a_payload_longer_than_a_frame_is_none() -> None:
    codes = CodewordChoice(loss_over_noise(20.0))
    assert codes.indexed(100, 511 * 16 - 8, 0) is None and isinstance(codes.indexed(100, 8000, 0), Indexed)


def test_the_entries_of_a_base_file(tmp_path: Path) -> None:
    contract: ModelContract = read_contract("multitask_student", "encoder")
    space = usual_vectors(contract).space(contract)
    vectors = np.random.default_rng(11).normal(size=(6, space.dimension)).astype(np.float32)
    entries = [Entry(f"k{i}", "t", one, {}, "s") for i, one in enumerate(vectors)]
    KnowledgeBase.create(tmp_path / "a.kb", space, entries)
    with KnowledgeBase(tmp_path / "a.kb", contract) as base:
        shared = SharedEntries.of_base(base, contract)
        assert len(shared) == 6 and shared.k == contract.k_max and shared.tag.checksum == base.checksum
        assert shared.snr_db == 10.0 and shared.nearest(shared.symbols)[0].tolist() == list(range(6))
        base.change(delete=["k2"])
        changed = SharedEntries.of_base(base, contract)
        assert len(changed) == 5 and changed.tag.version == 2 and changed.tag != shared.tag
