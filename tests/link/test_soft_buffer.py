# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests of incremental refinement as bytes, and the soft buffer that adds up what arrives of an item."""

from __future__ import annotations

import numpy as np
import pytest
from fuzzing import FUZZ
from hypothesis import given
from hypothesis import strategies as st

from sdr_sc.link.network.pdu_wire import Refusal
from sdr_sc.link.refinement.requests import LONGEST_BYTES, NO_ANSWER, Group, Request, groups_of
from sdr_sc.link.refinement.soft_buffer import SoftItems
from sdr_sc.phy.frame.header import MAX_REFINED_SYMBOLS
from sdr_sc.semantic.refinement import RefinementPlan

K_MAX = 16
ENERGY = tuple(np.linspace(2, 0.5, K_MAX) / np.linspace(2, 0.5, K_MAX).sum())
PLAN = RefinementPlan((0.0,), ((2, 4, 8, 16),), ((0.9, 0.9, 0.9),), (ENERGY,), 0.002, "nothing")


def test_answers_come_back_the_same_and_fit_the_items() -> None:
    group = Group(3, 9, 2, 4, (0, 8))
    request = Request(7, 1, (group,), answers=(3, NO_ANSWER), repeats=2)
    assert Request.from_bytes(request.to_bytes()) == request and len(request.to_bytes()) == 6 + 1 + 5 + 2 + 2
    for answers, repeats in (((3,), 2), ((3, 256), 2), ((3, 4), 0), ((3, 4), 33), (None, 1)):
        with pytest.raises(Refusal):
            Request(7, 1, (group,), answers=answers, repeats=repeats)


@given(st.binary(max_size=80))
@FUZZ
def test_foreign_bytes_are_no_request_or_one_that_comes_back_the_same(raw: bytes) -> None:
    try:
        request = Request.from_bytes(raw)
    except Refusal:
        return
    again = request.to_bytes()
    assert Request.from_bytes(again) == request and len(again) == len(raw) <= LONGEST_BYTES


def test_groups_hold_as_many_items_as_fit() -> None:
    wanted = [(0, 255, item, 16, 256) for item in range(255)]
    (group,) = groups_of(wanted)
    assert group.symbols <= MAX_REFINED_SYMBOLS < group.symbols + 240
    assert groups_of([]) == () and groups_of(wanted, most_symbols=10) == ()


def test_what_arrives_twice_is_added_up_by_its_reliability() -> None:
    rng = np.random.default_rng(5)
    sent = np.exp(1j * rng.uniform(-3, 3, (2000, 4))).astype(np.complex64)

    def received(variance: float) -> tuple[np.ndarray, np.ndarray]:
        noise = (rng.normal(size=sent.shape) + 1j * rng.normal(size=sent.shape)) * np.sqrt(variance / 2)
        return ((sent + noise) / (1 + variance)).astype(np.complex64), np.full(sent.shape, variance, np.float32)

    soft = SoftItems(*received(1.0), 0.0, K_MAX)
    again, variance = received(0.25)
    for item in range(len(sent)):
        soft.add(item, 0, 4, again[item], variance[item], 6.0)
    assert soft.variance[:, :4] == pytest.approx(0.2)
    estimates, snr_db = soft.prefixes(np.arange(2000), PLAN)
    error = np.mean(np.abs(estimates[:, :4] * 1.2 - sent) ** 2)
    assert error == pytest.approx(0.2, rel=0.05) and snr_db[0] == pytest.approx(10 * np.log10((1 + 3.98) / 2), abs=0.01)


def test_what_is_erased_adds_nothing() -> None:
    features, variance = np.full((1, 2), np.nan, np.complex64), np.full((1, 2), np.inf, np.float32)
    soft = SoftItems(features, variance, 10.0, K_MAX)
    assert np.isinf(soft.variance).all()
    soft.add(0, 0, 2, np.ones(2, np.complex64) / 1.1, np.full(2, 0.1, np.float32), 10.0)
    estimates, _ = soft.prefixes(np.array([0]), PLAN)
    assert soft.variance[0, :2] == pytest.approx(0.1) and estimates[0, :2] == pytest.approx(np.ones(2) / 1.1)
