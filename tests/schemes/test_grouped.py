# SPDX-License-Identifier: GPL-3.0-or-later
"""Vector-quantised features and soft answers, and what entropy-coded items do alike in the codewords of a frame."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from sweeps import tasks_of

from sdr_sc.data import fashion_mnist
from sdr_sc.data.dataset import ImageSet
from sdr_sc.errors import SdrScError
from sdr_sc.phy.coding.modes import MODES
from sdr_sc.phy.numerology import Numerology
from sdr_sc.schemes.answers import soft, tables, vector
from sdr_sc.schemes.catalogue import make_scheme
from sdr_sc.schemes.digital.grouped import MOST_WORDS, Decoded, GroupedScheme
from sdr_sc.schemes.link import run_scheme
from sdr_sc.sweep.config import config_from
from sdr_sc.sweep.points import measure


@pytest.fixture(scope="module")
def data() -> ImageSet:
    return fashion_mnist.load("test").first(300)


@pytest.fixture(scope="module")
def schemes() -> list[GroupedScheme]:
    return [make_scheme("features_vq"), make_scheme("soft_ldpc")]


def test_bits_that_are_no_message_are_wrong_answers_and_nothing_worse(schemes: list[GroupedScheme]) -> None:
    rng = np.random.default_rng(4)
    for scheme in schemes:
        for source in scheme._sources:
            for number in range(int(os.environ.get("SDR_SC_FUZZ_EXAMPLES", "12"))):
                bits = rng.integers(0, 2, int(rng.integers(0, 3000))).astype(np.uint8) * (number % 3 > 0)
                items = int(rng.integers(1, 64))
                found = source.decode(bits, items)
                if found is not None:
                    assert found.probabilities.shape == (items, 10) and len(found.knowledge) == items
                    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, rtol=1e-4)


def test_one_point_of_a_sweep_with_each(data: ImageSet) -> None:
    config = config_from({
        "schemes": ["features_vq", "soft_ldpc", {"scheme": "label_ldpc", "teacher": "student"}],
        "channels": {"awgn": ""}, "snr_db": [10], "items": 200, "items_per_frame": 50,
    })  # fmt: skip
    found = {task.point.scheme: measure(task) for task in tasks_of(config)}
    assert all(one.correct >= 0.88 * 200 for one in found.values())
    uses = {name: one.channel_uses / 200 for name, one in found.items()}
    assert uses["label_ldpc"] < uses["soft_ldpc"] < 5 and uses["features_vq"] < 3


def test_what_is_lost_is_wrong_and_counted(schemes: list[GroupedScheme], data: ImageSet) -> None:
    """The transmitter is given a good channel that has turned bad: frames arrive, codewords do not."""
    for scheme in schemes:
        place = scheme.plans(20.0, None, 50)
        scheme.plans, real = (lambda snr_db, k, items, place=place: place), scheme.plans  # type: ignore[method-assign]
        try:
            result = run_scheme(scheme, data.images[:100], data.labels[:100], "", 0.0, None, Numerology(), seed=3)
        finally:
            scheme.plans = real  # type: ignore[method-assign]
        assert result.frames_lost == 0 and result.lost == 100 and result.correct == 0


class Long:
    """A source of few answers in long messages, so that a frame needs several codewords."""

    name, accuracy, item_bits = "long", 0.9, 600.0
    bits = 600

    def encode(self, images: np.ndarray) -> np.ndarray:
        return np.concatenate([np.r_[np.unpackbits(np.array([image[0, 0]], np.uint8)), np.ones(self.bits - 8, np.uint8)]
                               for image in images])  # fmt: skip

    def decode(self, bits: np.ndarray, items: int) -> Decoded:
        words = bits[: 600 * items].reshape(items, 600)
        found = np.eye(10, dtype=np.float32)[np.packbits(words[:, :8], axis=1)[:, 0].astype(np.int64) % 10]
        return Decoded(found, found[:, :3])


def test_a_lost_codeword_loses_its_own_items_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    scheme = GroupedScheme("long", [Long()], (512,))
    images = np.zeros((40, 28, 28), np.uint8)
    images[:, 0, 0] = np.arange(40) % 10
    scheme.begin("")
    taken = scheme.frame_items(15.0, None, 40)
    sent = scheme.send(images[:taken], np.zeros(taken, int), 15.0, None)[0]
    words = (sent.model_id >> 6 & 3) + 1
    assert 1 < words <= MOST_WORDS

    class Received:
        features = sent.payload.copy()
        noise_variance = np.full(sent.payload.shape, 1e-3, np.float32)

        class header:  # noqa: N801
            model_id = sent.model_id

    assert (scheme.answer(sent, Received) == images[:taken, 0, 0]).all()
    length = sent.payload.size // words
    flat = Received.features.reshape(-1)
    flat[length : 2 * length] = 0.7 * np.random.default_rng(5).standard_normal(length)
    found, parts = scheme.answer(sent, Received), np.array_split(np.arange(taken), words)
    assert (found[parts[1]] == -1).all()
    soft, known = scheme.probabilities(sent, Received), scheme.knowledge(sent, Received)
    assert soft.shape == (taken, 10) and known.shape == (taken, 3)
    assert (np.isnan(soft).all(axis=1) == (found < 0)).all() and (np.isnan(known).all(axis=1) == (found < 0)).all()
    for place in [place for place in range(words) if place != 1]:
        assert (found[parts[place]] == images[parts[place], 0, 0]).all()


def test_messages_that_are_too_long_are_sent_in_more_frames(data: ImageSet) -> None:
    class Longer(Long):
        item_bits, bits = 100.0, 1300  # what it says is less than what it does

    scheme = GroupedScheme("longer", [Longer()], (512,))
    scheme.begin("")
    sent = scheme.send(data.images[:60], data.labels[:60], 20.0, None)
    assert len(sent) > 1 and [one.items.start for one in sent][1:] == [one.items.stop for one in sent][:-1]
    assert (sent[0].items.start, sent[-1].items.stop) == (0, 60)


def test_soft_answers_keep_the_class_and_come_near_the_student_s_own_chances() -> None:
    rng = np.random.default_rng(6)
    labels = rng.integers(0, 10, 4000)
    logits = rng.standard_normal((4000, 10)) + 5 * rng.random((4000, 1)) * (labels[:, None] == np.arange(10))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    losses = []
    for sent in (1, 2, 3):
        own = soft.fit(chances[:2000], labels[:2000], sent, 5)
        bits = own.encode(chances[2000:])
        found = own.decode(bits, 2000)
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
        assert (found >= 0).all()
        losses.append(-np.log(found[np.arange(2000), labels[2000:]]).mean())
    assert losses[0] > losses[1] > losses[2] - 0.01
    assert losses[2] < -np.log(chances[np.arange(2000), labels[2000:]]).mean() + 0.1


def test_columns_of_known_chances_cost_their_entropy() -> None:
    rng = np.random.default_rng(7)
    chances = tables.shares(np.array([900.0, 90.0, 10.0]))
    symbols = rng.choice(3, 5000, p=chances.astype(float) / chances.astype(float).sum())
    bits = tables.encode([(symbols, np.broadcast_to(chances, (5000, 3)))])
    assert (tables.Reader(bits).column(np.broadcast_to(chances, (5000, 3))) == symbols).all()
    assert len(bits) < 1.05 * 5000 * tables.entropy_bits(chances) + 64


def test_a_short_message_ends_with_the_bits_that_it_needs() -> None:
    rng, even = np.random.default_rng(9), np.full((50, 10), 0.1, np.float32)
    for items in (1, 2, 5, 50):
        symbols = rng.integers(0, 10, items)
        bits = tables.encode([(symbols, even[:items])])
        assert len(bits) < np.log2(10) * items + 3
        for zeros in (0, 1, 40):
            padded = np.concatenate((bits, np.zeros(zeros, np.uint8)))
            assert (tables.Reader(padded).column(even[:items]) == symbols).all()


def test_vector_quantisers_find_clusters_and_their_classes() -> None:
    rng = np.random.default_rng(8)
    labels = rng.integers(0, 4, 3000)
    features = (4 * np.eye(4, 6)[labels] + 0.3 * rng.standard_normal((3000, 6))).astype(np.float32)
    found = vector.fit(features, labels, 4, 4, 0.0, 1)
    assert (found.posterior[found.index(features)].argmax(axis=1) == labels).mean() > 0.99
    bits = found.encode(features[:100])
    assert (found.decode(bits, 100) == found.index(features[:100])).all() and len(bits) < 250
    dearer = vector.fit(features, labels, 4, 64, 0.5, 1)
    assert len(dearer.chances) < 64  # cells that cost more bits than they save are given up


def test_a_header_of_another_frame_is_no_crash(schemes: list[GroupedScheme], data: ImageSet) -> None:
    scheme = schemes[0]
    sent = scheme.send(data.images[:5], data.labels[:5], 10.0, None)[0]
    for model_id in (0, 0xFFFF, len(MODES) - 1 << 8 | 63, 0x00FF):

        class Received:
            features = sent.payload
            noise_variance = np.full(sent.payload.shape, 0.5, np.float32)

            class header:  # noqa: N801
                pass

        Received.header.model_id = model_id
        assert (scheme.answer(sent, Received) == -1).all()


def test_a_budget_that_nothing_fits_and_a_number_of_classes_out_of_range(schemes: list[GroupedScheme]) -> None:
    with pytest.raises(SdrScError, match="k=5 is not a budget of scheme features_vq; choose one of 1, 2"):
        schemes[0].plans(10.0, 5, 50)
    with pytest.raises(SdrScError, match="nothing of scheme features_vq fits 1 symbols an item; give a larger k"):
        schemes[0].plans(-6.0, 1, 2)
    with pytest.raises(SdrScError, match="parameter sent of scheme soft_ldpc is 10; give 1 to 9"):
        make_scheme("soft_ldpc", sent=10)


SAME = """
import numpy as np
from sdr_sc.data import fashion_mnist
from sdr_sc.schemes.catalogue import make_scheme
data = fashion_mnist.load("test").first(60)
for name in ("features_vq", "soft_ldpc", "thumbnail_ldpc"):
    scheme = make_scheme(name)
    scheme.begin("")
    for source in scheme._sources:
        bits = source.encode(data.images[:50])
        classes = source.decode(bits, 50).probabilities.argmax(axis=1)
        print(name, source.name, len(bits), np.packbits(bits).tobytes().hex(), classes.tolist())
"""


def test_messages_and_answers_do_not_depend_on_threads() -> None:
    def printed(**variables: str) -> str:
        run = subprocess.run([sys.executable, "-c", SAME], env={**os.environ, **variables}, check=True,
                             capture_output=True, text=True, timeout=380)  # fmt: skip
        return run.stdout

    first = printed(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", OPENBLAS_CORETYPE="Haswell")
    assert len(first.splitlines()) >= 6
    assert printed(OPENBLAS_NUM_THREADS="2", OMP_NUM_THREADS="2", OPENBLAS_CORETYPE="Prescott") == first
