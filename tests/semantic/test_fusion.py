# SPDX-License-Identifier: GPL-3.0-or-later
"""Decoder and knowledge base in one answer: toy worlds where the right posterior is known, bounds, sources."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sdr_sc.errors import ContractError, SdrScError
from sdr_sc.semantic.knowledge.fusion.fit import HeldOut, fit_gates, fit_rule, harm, without_harm
from sdr_sc.semantic.knowledge.fusion.fuse import enough_to_flip, fuse
from sdr_sc.semantic.knowledge.fusion.posterior import Evidence, Kernel, Query, class_prior, evidence_of, query_of
from sdr_sc.semantic.knowledge.fusion.rule import OFF, FusionRule, Gate, Guard, gate_inputs, margin_of
from sdr_sc.semantic.knowledge.interface import NO_ENTRY, Neighbours
from sdr_sc.semantic.tasks.base import LOST

K, SPREAD = 8, 0.06


def unit_power(values: np.ndarray) -> np.ndarray:
    """Features of mean power 1 a symbol."""
    return values * np.sqrt(values.shape[1] / 2 / np.square(values).sum(axis=1, keepdims=True))


def nearest(entries: np.ndarray, query: Query) -> Neighbours:
    """All entries by their cosine with the query."""
    lengths = np.linalg.norm(query.vectors, axis=1, keepdims=True)
    cosine = (query.vectors / np.maximum(lengths, 1e-12)) @ (entries / np.linalg.norm(entries, axis=1, keepdims=True)).T
    order = np.argsort(-cosine, axis=1, kind="stable")
    return Neighbours(order, np.take_along_axis(cosine, order, axis=1))


def received(numbers: np.ndarray, noise: float | np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """LMMSE estimates, complex64 (n, k), of features as reals (n, 2 k), with a noise variance for each symbol."""
    sent = np.ascontiguousarray(numbers).view(np.complex128)
    noisy = sent + np.sqrt(np.asarray(noise) / 2) * (rng.normal(size=(*sent.shape, 2)) @ [1, 1j])
    return (noisy / (1 + np.asarray(noise))).astype(np.complex64)


def log_normal(values: np.ndarray, mean: np.ndarray | float, variance: float) -> np.ndarray:
    """Logarithm of a normal density, summed over the last axis."""
    return (-np.square(values - mean) / (2 * variance) - np.log(2 * np.pi * variance) / 2).sum(axis=-1)


def test_ratios_are_those_of_the_densities() -> None:
    rng = np.random.default_rng(1)
    entries, noise = unit_power(rng.normal(size=(5, 2 * K))), 0.4
    features = received(unit_power(rng.normal(size=(3, 2 * K))), noise, rng)
    query = query_of(features, np.full((3, K), noise), Kernel(SPREAD), 2 * K)
    found = nearest(entries, query)
    held = (features.astype(np.complex128) * (1 + noise)).view(np.float64)[:, None]
    wanted = log_normal(held, entries, noise / 2 + SPREAD) - log_normal(held, 0.0, noise / 2 + 0.5)
    ratios = query.log_ratios(found.similarity, found.ids)
    np.testing.assert_allclose(ratios, np.take_along_axis(wanted, found.ids, axis=1), atol=1e-4)


def test_symbols_count_by_their_noise_and_erased_ones_nothing() -> None:
    rng = np.random.default_rng(2)
    phases = np.exp(2j * np.pi * rng.random((4, K)))  # every symbol has the power 1, so that the formula is exact
    entries, noise = np.ascontiguousarray(phases).view(np.float64), rng.uniform(0.1, 2.0, (1, K))
    features = received(entries[:1], noise, rng)
    features[0, 3], noise[0, 3] = np.nan, np.inf
    query = query_of(features, noise, Kernel(SPREAD), 2 * K)
    found = nearest(entries, query)
    there = np.isfinite(noise[0])
    held = (features[0, there].astype(np.complex128) * (1 + noise[0, there])).view(np.float64)
    each = np.repeat(noise[0, there], 2)
    wanted = []
    for entry in phases[:, there]:
        numbers = np.ascontiguousarray(entry).view(np.float64)
        near = [log_normal(held[i : i + 1], numbers[i], each[i] / 2 + SPREAD) for i in range(len(held))]
        far = [log_normal(held[i : i + 1], 0.0, each[i] / 2 + 0.5) for i in range(len(held))]
        wanted.append(float(np.sum(near) - np.sum(far)))
    ratios = query.log_ratios(found.similarity, found.ids)[0]
    np.testing.assert_allclose(ratios, np.array(wanted)[found.ids[0]], atol=1e-4)
    assert not query.vectors[0, 6:8].any()


def test_entries_that_were_received_themselves_are_less_sure() -> None:
    """Item and entry are two receptions of one thing: the exact ratio is that of the joint normal density."""
    rng = np.random.default_rng(3)
    noise, entry_noise = 0.3, 0.8
    raw = unit_power(rng.normal(size=(1, 2 * K))) * np.sqrt(
        1 + entry_noise
    )  # as strong as received ones are on average
    features = received(unit_power(rng.normal(size=(2, 2 * K))), noise, rng)
    kernel = Kernel(1e-9).of_noisy_entries(entry_noise)
    query = query_of(features, np.full((2, K), noise), kernel, 2 * K)
    found = nearest(raw, query)
    held = (features.astype(np.complex128) * (1 + noise)).view(np.float64)
    share = 1 / (1 + entry_noise)
    near = log_normal(held, share * raw[0], noise / 2 + 0.5 * (1 - share))
    far = log_normal(held, 0.0, noise / 2 + 0.5)
    np.testing.assert_allclose(query.log_ratios(found.similarity, found.ids)[:, 0], near - far, atol=1e-4)


def world(items: int, rng: np.random.Generator, share_new: float, noise: float = 0.5):
    """Items like one of six entries of three new classes, or like none: entries, features, truth of three more."""
    entries = unit_power(np.random.default_rng(7).normal(size=(6, 2 * K)))
    is_new = rng.random(items) < share_new
    chosen = rng.integers(6, size=items)
    sent = np.where(is_new[:, None], entries[chosen] + rng.normal(size=(items, 2 * K)) * np.sqrt(SPREAD),
                    rng.normal(size=(items, 2 * K)) * np.sqrt(0.5))  # fmt: skip
    own = rng.integers(2, size=items)
    return entries, received(sent, noise, rng), np.where(is_new, 2 + chosen // 2, own), own


def test_fusion_is_bayes_where_the_gate_knows_the_prior() -> None:
    rng, share_new, noise = np.random.default_rng(4), 0.3, 0.5
    entries, features, truth, own = world(20_000, rng, share_new, noise)
    query = query_of(features, np.full(features.shape, noise), Kernel(SPREAD), 2 * K)
    found = nearest(entries, query)
    said = evidence_of(query, found, 2 + found.ids // 2, 2, class_prior(np.array([0, 0, 2, 2, 2]), 2))
    gate = Gate(float(np.log(share_new / (1 - share_new))), 1.0, 0.0)
    rule = FusionRule(K, Kernel(SPREAD), OFF, gate, Guard(np.inf))
    decoder = np.where(own[:, None] == np.arange(2), 0.999, 0.001)  # of known items it knows the class
    fused = fuse(decoder, said, rule, 3.0)
    chance = fused.probabilities[:, 2:].sum(axis=1)
    for low in np.arange(0.0, 1.0, 0.1):
        inside = (chance >= low) & (chance < low + 0.1)
        if inside.sum() > 100:
            spread = np.sqrt(max(chance[inside].mean() * (1 - chance[inside].mean()), 1e-3) / inside.sum())
            assert abs((truth[inside] >= 2).mean() - chance[inside].mean()) < 4 * spread, low
    assert (fused.best == truth).mean() > (np.where(truth < 2, truth, -1) == decoder.argmax(axis=1)).mean() + 0.15


def held_out(items: int, seed: int, share_new: float, weight: float = 1.0, shuffled: bool = False) -> HeldOut:
    """Items of the toy world as a receiver has them, with a decoder that is right in most cases."""
    rng, noise = np.random.default_rng(seed), 0.2
    entries, features, truth, own = world(items, rng, share_new, noise)
    if shuffled:
        entries = unit_power(np.random.default_rng(8).normal(size=entries.shape))
    query = query_of(features, np.full(features.shape, noise), Kernel(0.1), 2 * K)
    found = nearest(entries, query)
    logits = 3.0 * (own[:, None] == np.arange(2)) + rng.gumbel(size=(items, 2))
    prior = class_prior(np.array([0, 0, 2, 2, 2]), 2)
    return HeldOut(
        7.0, logits, truth, features, np.full(features.shape, noise), found, 2 + found.ids // 2, prior, weight
    )


def test_a_fitted_rule_recognises_new_classes_and_harms_no_known_ones() -> None:
    known, new = held_out(3000, 5, 0.0), held_out(3000, 6, 1.0)
    rule = without_harm(fit_rule(K, [known, new]), [known], 0.1)
    fresh, fresh_new = held_out(20_000, 9, 0.0), held_out(3000, 10, 1.0)
    assert abs(harm(rule, fresh)) <= 0.3
    sure = rule.decoder_probabilities(fresh_new.logits, 7.0)
    recognised = fuse(sure, fresh_new.evidence(rule.kernel), rule, 7.0).best == fresh_new.truth
    assert recognised.mean() > 0.5
    assert (sure.argmax(axis=1) == fresh_new.truth).mean() == 0.0
    greedy = replace(rule, new=Gate(20.0, 0.0, 0.0), spared=())
    assert harm(greedy, fresh) > 50.0 and abs(harm(without_harm(greedy, [known], 0.1), fresh)) <= 0.3


@pytest.mark.parametrize("seed", range(3))
def test_few_held_out_items_are_enough_to_spare_known_ones(seed: int) -> None:
    """A promised loss of 0.5 points is that of one item of 200, which no count of these can show."""
    eager = fit_rule(K, [held_out(3000, 5, 0.0), held_out(3000, 6, 1.0)])
    rule = without_harm(eager, [held_out(200, 20 + seed, 0.0)], 0.5)
    assert 0.02 <= harm(rule, held_out(20_000, 9, 0.0)) <= 1.0
    assert without_harm(eager, [held_out(200, 20 + seed, 0.0)], 0.1).spared[0][2] > rule.spared[0][2]


def test_each_snr_is_spared_by_itself_and_new_classes_that_may_cost_nothing_have_no_say() -> None:
    eager = fit_rule(K, [held_out(3000, 5, 0.0), held_out(3000, 6, 1.0)])
    one = held_out(1000, 7, 0.0)
    rule = without_harm(eager, [replace(one, snr_db=0.0), replace(one, snr_db=20.0)], 0.3)
    (low, _, at_low), (high, _, at_high) = rule.spared
    assert (low, high) == (0.0, 20.0) and at_high < at_low  # above 9 dB the guard spares many already
    decoder, said = np.array([[0.6, 0.4]]), Evidence(
        2, np.array([[0.0, 0.0, 1.0]]), np.array([-np.inf]), np.array([5.0]), np.array([[7]]), np.array([[2]]),
        np.ones((1, 1)), np.array([-np.inf]),
    )  # fmt: skip
    plain = FusionRule(4, Kernel(0.1), OFF, Gate(0.0, 1.0, 0.0), spared=((0.0, 9.0, 4.0), (10.0, 9.0, 2.0)))
    odds = [
        np.log(weights[2] / weights[0]) for weights in (plain.weights(said, np.zeros(1), db)[0] for db in (0, 5, 30))
    ]
    np.testing.assert_allclose(odds, [1.0, 2.0, 3.0])
    assert fuse(decoder, said, plain, 0.0).best.tolist() == [2]
    assert without_harm(eager, [one], 0.0).new == OFF
    for wrong in (((0.0, 1.0, -1.0),), ((0.0, 1.0, 1.0), (0.0, 1.0, 1.0)), ((np.nan, 1.0, 1.0),)):
        with pytest.raises(ContractError, match="spares known classes"):
            replace(plain, spared=wrong)


@pytest.mark.parametrize("claims_new", [False, True])
def test_a_flood_of_near_copies_says_no_more_than_one_of_them(claims_new: bool) -> None:
    """Copies of a class share its prior, and where they take all neighbours, what they hide may be of a known class."""
    rng, own, claimed = np.random.default_rng(3), 2, 2 if claims_new else 1
    target = unit_power(rng.normal(size=(1, 2 * K)))
    features = np.ascontiguousarray(target, np.float32).view(np.complex64) / 1.1
    query = query_of(features, np.full(features.shape, 0.1), Kernel(SPREAD), 2 * K)

    others = unit_power(rng.normal(size=(100, 2 * K)))

    def said(copies: int) -> Evidence:
        near = unit_power(target + rng.normal(size=(copies, 2 * K)) * 0.02)
        classes = np.concatenate([np.arange(100) % own, np.full(copies, claimed)])
        found = nearest(np.concatenate([others, near]), query)
        found = Neighbours(found.ids[:, :64], found.similarity[:, :64])
        prior = class_prior(np.bincount(classes, minlength=3), own)
        return evidence_of(query, found, classes[found.ids], own, prior)

    one, flood = said(1), said(10_000)
    which = 1 if claims_new else 0
    assert gate_inputs(flood)[which] <= gate_inputs(one)[which] + 0.1
    if claims_new:
        assert gate_inputs(one)[which] > 5.0 > gate_inputs(flood)[which]


def test_fitted_gates_are_those_of_bayes() -> None:
    parts = [held_out(6000, 5, 0.0, 0.75), held_out(6000, 6, 1.0, 0.25)]
    plain = FusionRule(K, Kernel(SPREAD), OFF, OFF)
    loss, rule = fit_gates(plain, parts)
    assert rule.new.by_evidence == pytest.approx(1.0, abs=0.2)
    margin = margin_of(rule.decoder_probabilities(parts[0].logits, 7.0)).mean()  # which says nothing here
    assert rule.new.bias - rule.new.by_margin * margin == pytest.approx(np.log(1 / 3), abs=0.4)
    assert rule.own == OFF
    assert loss < 0.6 * np.log(2)


def test_a_base_that_says_nothing_true_gets_no_weight() -> None:
    parts = [held_out(3000, 5, 0.0, shuffled=True), held_out(3000, 6, 1.0, 0.1, shuffled=True)]
    rule = fit_rule(K, parts)
    fresh = held_out(20_000, 9, 0.0, shuffled=True)
    sure = rule.decoder_probabilities(fresh.logits, 7.0)
    assert fuse(sure, fresh.evidence(rule.kernel), rule, 7.0).weight.mean() < 0.15
    assert abs(harm(rule, fresh)) <= 0.3


def test_a_fit_without_known_items_or_that_always_harms_is_refused() -> None:
    with pytest.raises(SdrScError, match="held-out"):
        fit_rule(K, [held_out(50, 6, 1.0)])
    with pytest.raises(SdrScError, match="decoder's classes"):
        without_harm(FusionRule(K, Kernel(0.1), OFF, OFF), [held_out(50, 6, 1.0)], 0.1)


def anything(items: int, rng: np.random.Generator, own: int = 3, new: int = 2) -> tuple[np.ndarray, Evidence]:
    """A decoder's probabilities, and a base that says whatever it likes, as surely as it likes."""
    decoder = rng.dirichlet(np.full(own, 0.3), items)
    classes = rng.integers(-1, own + new, (items, 4))
    ids = np.where(rng.random((items, 4)) < 0.1, NO_ENTRY, rng.integers(1000, size=(items, 4)))
    vectors = np.ones((items, 2), np.float32)
    query = Query(vectors, 2, rng.uniform(0, 500, items), rng.normal(0, 50, items))
    found = Neighbours(ids, np.sort(rng.uniform(-1, 1, (items, 4)), axis=1)[:, ::-1])
    return decoder, evidence_of(query, found, classes, own, np.full(own + new, 0.2))


def test_no_base_flips_an_answer_with_margin_at_10_db_and_above() -> None:
    rng = np.random.default_rng(11)
    decoder, said = anything(20_000, rng)
    eager = FusionRule(4, Kernel(0.1), Gate(30.0, 30.0, 0.0), Gate(30.0, 30.0, 0.0), Guard(10.0, 0.9))
    snr_db = rng.choice([9.9, 10.0, 20.0], len(decoder))
    fused = fuse(decoder, said, eager, snr_db)
    guarded = (snr_db >= 10.0) & (decoder.max(axis=1) >= 0.9)
    assert guarded.sum() > 1000
    assert (fused.weight[guarded] == 0.0).all()
    assert (fused.best[guarded] == decoder.argmax(axis=1)[guarded]).all()
    assert (fused.best[~guarded] != decoder.argmax(axis=1)[~guarded]).mean() > 0.3  # elsewhere such a base decides


def test_a_weight_below_the_lead_flips_nothing() -> None:
    rng = np.random.default_rng(12)
    decoder, said = anything(20_000, rng)
    rule = FusionRule(4, Kernel(0.1), Gate(-1.0, 0.3, 0.2), Gate(-1.0, 0.01, 0.2), Guard(np.inf))
    fused = fuse(decoder, said, rule, 0.0)
    safe = fused.weight < enough_to_flip(decoder) - 1e-12
    assert 100 < safe.sum() < len(safe) - 100
    assert (fused.best[safe] == decoder.argmax(axis=1)[safe]).all()
    assert (fused.best[~safe] != decoder.argmax(axis=1)[~safe]).any()


def test_every_answer_has_a_confidence_and_names_its_sources() -> None:
    decoder, said = anything(500, np.random.default_rng(13))
    rule = FusionRule(4, Kernel(0.1), Gate(0.0, 0.5, 0.1), Gate(0.0, 0.05, 0.1), Guard(np.inf))
    fused = fuse(decoder, said, rule, 0.0)
    np.testing.assert_allclose(fused.probabilities.sum(axis=1), 1.0)
    answer = fused.answer(2)
    assert (answer.best == fused.probabilities.argmax(axis=1)).all()
    np.testing.assert_allclose(answer.confidence, fused.probabilities.max(axis=1), rtol=1e-6)
    np.testing.assert_allclose(fused.supports.sum(axis=1) + fused.from_decoder, fused.probabilities.max(axis=1))
    for item in range(100):
        sources = fused.sources(item)
        shares = [share for _, share in sources]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) <= 1.0 + 1e-9
        of_answer = set(said.ids[item][said.classes[item] == answer.best[item]].tolist()) - {NO_ENTRY}
        assert {number for number, _ in sources} <= of_answer


def test_what_the_decoder_had_nothing_of_stays_lost_and_an_empty_base_changes_nothing() -> None:
    decoder, said = anything(6, np.random.default_rng(14))
    decoder[2] = np.nan
    rule = FusionRule(4, Kernel(0.1), Gate(5.0, 1.0, 0.0), Gate(5.0, 1.0, 0.0), Guard(np.inf))
    fused = fuse(decoder, said, rule, 0.0)
    assert fused.best[2] == LOST and fused.answer().confidence[2] == 0.0 and not fused.supports[2].any()
    nothing = Neighbours(np.full((6, 4), NO_ENTRY), np.full((6, 4), NO_ENTRY, np.float32))
    query = query_of(np.zeros((6, 2), np.complex64), np.full((6, 2), np.inf), Kernel(0.1), 8)
    empty = evidence_of(query, nothing, np.full((6, 4), -1), 3, np.full(5, 0.2))
    alone = fuse(decoder, empty, rule, 0.0)
    there = np.isfinite(decoder).all(axis=1)
    np.testing.assert_allclose(alone.probabilities[there, :3], decoder[there])
    assert not alone.weight.any()


def test_evidence_of_another_decoder_is_refused() -> None:
    decoder, said = anything(6, np.random.default_rng(15))
    rule = FusionRule(4, Kernel(0.1), OFF, OFF)
    with pytest.raises(ContractError, match="cannot be fused"):
        fuse(decoder[:, :2], said, rule, 0.0)
    with pytest.raises(ContractError, match="make no query"):
        query_of(np.zeros((1, 4), np.complex64), np.zeros((1, 4)), Kernel(0.1), 6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Kernel(0.5),
        lambda: Kernel(0.1, 0.0),
        lambda: Kernel(0.1, 1.0, np.inf),
        lambda: Gate(np.nan, 0.0, 0.0),
        lambda: Gate(0.0, -1.0, 0.0),
        lambda: Guard(np.nan),
        lambda: Guard(0.0, 1.0),
        lambda: replace(FusionRule(4, Kernel(0.1), OFF, OFF), snr_db=(0.0, 0.0), temperature=(1.0, 1.0)),
        lambda: replace(FusionRule(4, Kernel(0.1), OFF, OFF), snr_db=(0.0,), temperature=(0.0,)),
    ],
)
def test_rules_that_mean_nothing_are_refused(make) -> None:
    with pytest.raises(ContractError):
        make()
