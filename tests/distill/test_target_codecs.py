# SPDX-License-Identifier: GPL-3.0-or-later
"""How soft labels and features are compressed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from prestored_folders import CLASSES
from scipy.special import log_softmax

from sdr_sc.distill.targets.feature_code import CLIP_SIGMAS, PcaFeatures, parse_feature_codec
from sdr_sc.distill.targets.soft_labels import FLOOR_NATS, parse_label_codec
from sdr_sc.errors import ContractError, SdrScError

pytestmark = pytest.mark.usefixtures("one_thread")

HALF_STEP = FLOOR_NATS / 255 / 2


LOGITS = arrays(np.float32, st.tuples(st.integers(1, 6), st.just(CLASSES)), elements=st.floats(-40, 40, width=32))


@given(LOGITS)
@settings(deadline=None, max_examples=60)
def test_labels_come_back_within_a_codes_step(logits: np.ndarray) -> None:
    truth = log_softmax(logits.astype(np.float64), axis=1)
    floored = np.maximum(truth, -FLOOR_NATS)
    for name, size in (("float32", 40), ("float16", 20), ("full8", 10), ("top4", 6), ("top1", 2), ("top9", 14)):
        codec = parse_label_codec(name, CLASSES)
        records = codec.encode(logits)
        assert records.dtype == np.uint8 and records.shape == (len(logits), size) and codec.bytes == size
        decoded = codec.decode(records)
        assert decoded.dtype == np.float32 and decoded.shape == logits.shape and np.isfinite(decoded).all()
        assert np.exp(decoded.astype(np.float64)).sum(axis=1) == pytest.approx(1, abs=1e-5)
        if name.startswith("float"):
            assert np.allclose(decoded, truth, atol=1e-4 if name == "float32" else 4e-2, rtol=1e-3)
        elif name == "full8":
            # Rounding, and the same again, with what the floor adds, for bringing the sum to one.
            assert np.abs(decoded - floored).max() <= 2 * HALF_STEP + CLASSES * np.exp(-FLOOR_NATS) + 1e-5
        else:
            k = int(name[3:])
            order = np.argsort(-logits, axis=1, kind="stable")
            best = np.take_along_axis(np.exp(decoded), order, axis=1)
            right = np.take_along_axis(np.exp(floored), order, axis=1)
            # Codes round by half a step; by a whole one where the first class would lose its place.
            assert np.all(best[:, 1:k] >= right[:, 1:k] * np.exp(-2 * HALF_STEP) * (1 - 1e-4))
            assert np.all(best[:, 1:k] <= right[:, 1:k] * np.exp(HALF_STEP) * (1 + 1e-4) + 1e-5)
            assert np.all(best.max(axis=1) <= best[:, 0] * (1 + 1e-6))
            assert np.allclose(best[:, k:], best[:, k:].mean(axis=1, keepdims=True))
            tail = np.exp(truth).sum(axis=1) - np.take_along_axis(np.exp(truth), order[:, :k], axis=1).sum(axis=1)
            assert np.allclose(best[:, k:].sum(axis=1), tail, rtol=2 * HALF_STEP + 1e-3, atol=2e-5)


def test_top_labels_keep_the_teachers_class_and_little_of_the_doubt_is_lost() -> None:
    logits = (np.random.default_rng(1).normal(size=(5000, CLASSES)) * 8).astype(np.float32)
    codec = parse_label_codec("top4", CLASSES)
    decoded, truth = codec.decode(codec.encode(logits)), log_softmax(logits.astype(np.float64), axis=1)
    assert np.array_equal(decoded.argmax(axis=1), logits.argmax(axis=1))
    assert np.mean(np.sum(np.exp(truth) * (truth - decoded), axis=1)) < 0.004


@pytest.mark.parametrize(("classes", "size"), [(16, 2 + 3), (17, 3 + 3), (256, 3 + 3), (257, 6 + 3), (1000, 6 + 3)])
def test_class_indices_take_the_room_they_need(classes: int, size: int) -> None:
    codec = parse_label_codec("top3", classes)
    logits = np.zeros((3, classes), np.float32)
    top = np.array([[classes - 1, 0, 1], [2, classes - 1, 0], [1, 2, classes - 1]])
    np.put_along_axis(logits, top, np.float32([14, 13, 12]), axis=1)
    records = codec.encode(logits)
    assert codec.bytes == records.shape[1] == size
    assert np.array_equal(np.argsort(-codec.decode(records), axis=1, kind="stable")[:, :3], top)


@pytest.mark.parametrize("text", ["top0", "top10", "top", "full", "float64", "", "top4 "])
def test_label_codecs_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(SdrScError, match="top1 to top9"):
        parse_label_codec(text, CLASSES)


@given(st.integers(0, 2**32 - 1), st.sampled_from([4, 8]), st.integers(1, 7))
@settings(deadline=None, max_examples=20)
def test_features_come_back_as_whitened_scores_within_half_a_step(seed: int, bits: int, dimensions: int) -> None:
    rng = np.random.default_rng(seed)
    features = (rng.normal(size=(300, 9)) @ rng.normal(size=(9, 9)) + 5).astype(np.float32)
    codec = parse_feature_codec(f"pca{dimensions}x{bits}", 9).fit(features)
    assert isinstance(codec, PcaFeatures) and codec.basis is not None
    scores, records = codec.scores(features), codec.encode(features)
    assert np.allclose(np.cov(scores.T, bias=True), np.eye(dimensions), atol=2e-2)
    assert records.shape == (300, codec.bytes) and codec.bytes == (dimensions * bits + 7) // 8
    half_step = CLIP_SIGMAS[bits] / 2**bits
    inside = np.abs(scores) <= CLIP_SIGMAS[bits]
    decoded = codec.decode(records)
    assert decoded.dtype == np.float32 and np.abs(decoded - scores)[inside].max() <= half_step * 1.001
    assert np.abs(decoded).max() <= CLIP_SIGMAS[bits]
    again = codec.read_basis(codec.basis.to_npz())
    assert np.array_equal(again.decode(again.encode(features)), decoded)


def test_features_that_cannot_be_stored_so_are_refused() -> None:
    flat = np.ones((50, 9), np.float32) * np.arange(50, dtype=np.float32)[:, None]
    with pytest.raises(ContractError, match="vary in 1 directions where pca4x4 stores 4; give --features pca1x4"):
        parse_feature_codec("pca4x4", 9).fit(flat)
    for text in ("pca10x4", "pca4x5", "pca0x4", "float64", ""):
        with pytest.raises(SdrScError, match="D from 1 to 9"):
            parse_feature_codec(text, 9)
    plain = parse_feature_codec("float16", 9)
    assert np.allclose(plain.decode(plain.encode(flat)), flat) and plain.bytes == 18
    assert parse_feature_codec("none", 9).decode(np.empty((2, 0), np.uint8)) is None
