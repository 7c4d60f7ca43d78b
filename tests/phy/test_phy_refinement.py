# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames with refinements after, or in place of, new items; and frames of the first protocol version."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.phy.frame.framing import build_frame
from sdr_sc.phy.frame.header import Header
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.receiver import Receiver

N = Numerology()
WIDE = Numerology(fft_size=256, cyclic_prefix=32, data_subcarriers=192, pilot_subcarriers=8, header_symbols=3)


def symbols(count: int, seed: int) -> np.ndarray:
    """Complex symbols of power 1."""
    return np.exp(2j * np.pi * np.random.default_rng(seed).random(count)).astype(np.complex64)


@pytest.mark.parametrize("numerology", [N, WIDE])
@pytest.mark.parametrize(
    "n_items, k, refined", [(4, 8, 5), (0, 8, 1), (0, 1, 4095), (255, 2, 77), (255, 16, 0), (1, 1, 1)]
)
def test_new_items_and_refinements_arrive_each_in_its_place(
    numerology: Numerology, n_items: int, k: int, refined: int
) -> None:
    sent = symbols(n_items * k + refined, seed=n_items + refined)
    features, refinement = sent[: n_items * k].reshape(n_items, k), sent[n_items * k :]
    header = Header(3, k, n_items, 9, request=200, refined_symbols=refined)
    receiver = Receiver(numerology)
    (got,) = receiver.push(build_frame(features, header, numerology, refinement)) + receiver.flush()
    assert got.header == header
    assert np.allclose(got.features, features, atol=2e-2) and np.allclose(got.refinement, refinement, atol=2e-2)
    assert got.features.shape == got.noise_variance.shape == got.erased.shape == (n_items, k)
    assert got.refinement.shape == got.refinement_variance.shape == got.refinement_erased.shape == (refined,)
    assert not got.is_cut
    assert np.isfinite(got.noise_variance).all() and np.isfinite(got.refinement_variance).all()


def test_a_cut_frame_erases_of_both_what_did_not_arrive() -> None:
    sent = symbols(960, seed=1)
    header = Header(3, 8, 60, 9, refined_symbols=480)
    samples = build_frame(sent[:480].reshape(60, 8), header, N, sent[480:])
    receiver = Receiver(N)
    (got,) = receiver.push(samples[: N.payload_offset + 10 * N.symbol_samples]) + receiver.flush()
    assert got.is_cut and got.erased.any() and got.refinement_erased.any()
    assert got.erased.sum() + got.refinement_erased.sum() == 480  # ten of the twenty symbols
    assert np.isnan(got.refinement[got.refinement_erased]).all()
    assert np.isinf(got.refinement_variance[got.refinement_erased]).all()
    whole = ~got.refinement_erased
    assert np.allclose(got.refinement[whole], sent[480:][whole], atol=0.05)


def test_a_frame_whose_refinements_alone_are_cut_counts_as_truncated() -> None:
    header = Header(3, 1, 1, 9, refined_symbols=959)
    sent = symbols(960, seed=2)
    receiver = Receiver(N)
    samples = build_frame(sent[:1].reshape(1, 1), header, N, sent[1:])[: N.payload_offset + 15 * N.symbol_samples]
    (got,) = receiver.push(samples) + receiver.flush()
    assert not got.erased.any() and got.is_cut
    assert receiver.counters.truncated == 1


def test_frames_of_both_versions_are_received_in_one_stream() -> None:
    headers = [Header(3, 8, 6, number, number, version=1 + number % 2) for number in range(8)]
    features = symbols(48, seed=3).reshape(6, 8)
    receiver = Receiver(N)
    noise = np.random.default_rng(4).standard_normal((8, 2, N.frame_samples(48) + 50)) * np.sqrt(0.05)
    parts = [np.concatenate((build_frame(features, header, N), np.zeros(50))) for header in headers]
    got = receiver.push(np.concatenate(parts) + np.concatenate(noise[:, 0] + 1j * noise[:, 1])) + receiver.flush()
    assert [frame.header for frame in got] == headers
    assert receiver.counters.header_failed == receiver.counters.header_refused == 0
