# SPDX-License-Identifier: GPL-3.0-or-later
"""Refinement over the simulated link."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sdr_sc.data import fashion_mnist
from sdr_sc.errors import ContractError, SdrScError
from sdr_sc.link.refinement.receiver import Settings
from sdr_sc.link.refinement.requests import Group, Request
from sdr_sc.phy.numerology import Numerology
from sdr_sc.schemes.catalogue import make_scheme
from sdr_sc.schemes.link import run_scheme
from sdr_sc.schemes.refined import RefinedScheme
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder
from sdr_sc.semantic.tasks.base import REJECTED

IMAGES = fashion_mnist.load("test").first(240)


@pytest.fixture(scope="module")
def scheme() -> RefinedScheme:
    return RefinedScheme.load()


def test_unsure_items_get_more_symbols_and_all_are_answered_in_order(scheme: RefinedScheme) -> None:
    result = run_scheme(scheme, IMAGES.images, IMAGES.labels, None, 0.0, None, Numerology(), 40, seed=2)
    settled = list(scheme.answered)
    assert result.items == 240 and result.lost == 0 and result.frames_lost == 0 and result.correct > 200
    assert [frame.frame_num for frame in settled] == sorted(frame.frame_num for frame in settled)
    symbols = np.concatenate([frame.k for frame in settled])
    rounds = np.concatenate([frame.rounds for frame in settled])
    assert result.channel_uses == symbols.sum()  # nothing was sent in vain
    assert 0 < (rounds > 1).sum() < 240 and (symbols[40:] < 32).any()
    assert np.array_equal(np.concatenate([frame.ids for frame in settled]), result.found)
    assert not scheme.sender.refused and not scheme.receiver.refused and not scheme.receiver.requests_lost


def test_the_same_seed_gives_the_same_run(scheme: RefinedScheme) -> None:
    runs = [
        run_scheme(scheme, IMAGES.images[:80], IMAGES.labels[:80], None, 1.0, None, Numerology(), 20, seed=3)
        for _ in range(2)
    ]
    assert np.array_equal(runs[0].found, runs[1].found) and runs[0].channel_uses == runs[1].channel_uses


def test_frames_that_are_lost_cost_their_items_alone(scheme: RefinedScheme) -> None:
    result = run_scheme(scheme, IMAGES.images, IMAGES.labels, None, -5.0, None, Numerology(), 20, seed=4)
    assert 0 < result.frames_lost < result.frames and result.items == 240
    assert result.lost >= result.items_in_lost_frames and sum(len(one.ids) for one in scheme.answered) > 0


def test_a_lost_frame_of_refinements_alone_is_sent_again_and_not_for_ever(scheme: RefinedScheme) -> None:
    scheme.begin("")
    images, labels = IMAGES.images[:4], IMAGES.labels[:4]
    scheme.send(images, labels, 0.0, None)
    request = Request(9, 1, (Group(0, 4, scheme.sender._frames[0].sent[0], 32, (1, 3)),))
    assert scheme.sender.arrived(request.to_bytes()) == ""
    sent = [scheme.flush(0.0), *(scheme.flush(None) for _ in range(4))]
    assert [[one.request for one in frames] for frames in sent] == [[9], [9], [9], [], []]
    assert all(np.array_equal(one.refinement, sent[0][0].refinement) for frames in sent for one in frames)
    assert scheme.flush(0.0) == []  # it has arrived, and nothing else waits


def test_doubtful_items_are_rejected_by_option() -> None:
    rejecting = RefinedScheme.load(settings=Settings(reject_below=0.8))
    result = run_scheme(rejecting, IMAGES.images, IMAGES.labels, None, 0.0, None, Numerology(), 40, seed=2)
    rejected = result.found == REJECTED
    assert 0 < rejected.sum() < 120
    right = (result.found == IMAGES.labels)[~rejected].mean()
    plain = make_scheme("refined")
    other = run_scheme(plain, IMAGES.images, IMAGES.labels, None, 0.0, None, Numerology(), 40, seed=2)
    assert right > other.correct / other.items
    assert (other.found[~rejected] == result.found[~rejected]).all()


def test_a_transmitter_that_compares_answers_confirms_its_own() -> None:
    comparing = RefinedScheme.load(settings=Settings(compare=True))
    result = run_scheme(comparing, IMAGES.images, IMAGES.labels, None, 5.0, None, Numerology(), 40, seed=2)
    assert result.lost == 0 and result.correct > 200
    assert comparing.sender.items_confirmed > 0 and not comparing.receiver.refused and not comparing.sender.refused


def test_a_model_without_rounds_and_a_foreign_share_are_refused() -> None:
    encoder, decoder = SemanticEncoder(), SemanticDecoder()
    encoder.contract = replace(encoder.contract, refinement=None)
    with pytest.raises(ContractError, match="no rounds of refinement; run 'sdr-sc calibrate'"):
        RefinedScheme(encoder, decoder)
    with pytest.raises(SdrScError, match="reject_percent of scheme refined is 101"):
        make_scheme("refined", reject_percent=101)
