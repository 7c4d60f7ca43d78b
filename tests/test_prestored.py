# SPDX-License-Identifier: GPL-3.0-or-later
"""Pre-stored knowledge: views, codecs, the folder's format, resuming after a kill, and what is refused."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from command import ROOT, assert_one_line_error, sdr_sc
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_softmax

from sdr_sc import files
from sdr_sc.cli.main import main
from sdr_sc.data.fashion_mnist import ImageSet
from sdr_sc.distill.augment import augment
from sdr_sc.distill.feature_code import CLIP_SIGMAS, PcaFeatures, parse_feature_codec
from sdr_sc.distill.prestore import PrestoreConfig, Prestorer
from sdr_sc.distill.prestored import open_prestored
from sdr_sc.distill.soft_labels import FLOOR_NATS, parse_label_codec
from sdr_sc.distill.teacher import TeacherAnswer
from sdr_sc.distill.views import (
    ViewFields,
    ViewPolicy,
    apply_views,
    draw_views,
    every_view,
    identity_views,
    pack,
    unpack,
)
from sdr_sc.errors import ContractError, SdrScError

CLASSES, FEATURE_DIM, SIDE, ITEMS = 10, 20, 12, 23
CONFIG = PrestoreConfig(views=3, features="pca6x4", shard_items=8, policy=ViewPolicy(2, 4))
HALF_STEP = FLOOR_NATS / 255 / 2


class LinearTeacher:
    """A seeded linear map of the pixels."""

    name, classes, feature_dim = "linear", CLASSES, FEATURE_DIM

    def __init__(self, seed: int = 1) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.body = torch.randn(SIDE * SIDE, FEATURE_DIM, generator=generator)
        self.head = torch.randn(FEATURE_DIM, CLASSES, generator=generator) / 8
        self.fingerprint = hashlib.sha256(str(seed).encode()).hexdigest()
        self.asked = 0

    def ask(self, images: torch.Tensor) -> TeacherAnswer:
        assert images.dtype == torch.uint8
        self.asked += len(images)
        # Row by row: the answer to an image must not depend on its batch.
        features = torch.stack([(row.double() / 255 @ self.body.double()).float() for row in images.flatten(1)])
        return TeacherAnswer(features @ self.head, features)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_data(seed: int = 1) -> ImageSet:
    rng = np.random.default_rng(seed)
    images = rng.integers(256, size=(ITEMS, SIDE, SIDE)).astype(np.uint8)
    names = tuple(f"class {number}" for number in range(CLASSES))
    return ImageSet(images, rng.integers(CLASSES, size=ITEMS), names, hashlib.sha256(images.tobytes()).hexdigest())


DATA = make_data()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prestored") / "whole"
    Prestorer(LinearTeacher(), DATA, CONFIG, folder).run()
    return folder


@pytest.fixture
def folder(reference: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(reference, tmp_path / "copy"))


# Views

SIDES = st.integers(0, 63)
VIEWS = SIDES.flatmap(
    lambda erase: st.tuples(
        st.booleans(),
        st.integers(-15, 15),
        st.integers(-15, 15),
        st.just(erase),
        *(st.integers(-(erase // 2), 127 - erase // 2) if erase else st.just(0) for _ in range(2)),
    )
)


@given(st.lists(VIEWS, min_size=1, max_size=8))
@settings(deadline=None, max_examples=50)
def test_a_view_fits_its_word(views: list[tuple]) -> None:
    words = pack(ViewFields(*map(np.array, zip(*views, strict=True))))
    assert words.dtype == np.uint32
    assert [tuple(map(int, view)) for view in zip(*unpack(words), strict=True)] == [tuple(map(int, v)) for v in views]


@pytest.mark.parametrize(
    "wrong", [{"dy": 16}, {"dx": -16}, {"erase": 64}, {"top": -5, "erase": 8}, {"left": 124, "erase": 8}, {"top": 1}]
)
def test_a_view_that_does_not_fit_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="view"):
        pack(ViewFields(False, 0, 0, 0, 0, 0)._replace(**wrong))


def slowly_applied(image: np.ndarray, view: ViewFields) -> np.ndarray:
    height, width = image.shape
    flipped = image[:, ::-1] if view.flip else image
    out = np.zeros_like(image)
    for row, column in itertools.product(range(height), range(width)):
        source_row, source_column = row - view.dy, column - view.dx
        if 0 <= source_row < height and 0 <= source_column < width:
            out[row, column] = flipped[source_row, source_column]
        if view.top <= row < view.top + view.erase and view.left <= column < view.left + view.erase:
            out[row, column] = 0
    return out


@given(st.integers(0, 2**32 - 1), st.sampled_from([(1, 1), (5, 9), (12, 12)]), st.integers(0, 15), st.integers(0, 20))
@settings(deadline=None, max_examples=25)
def test_views_show_what_a_plain_loop_shows(seed: int, shape: tuple[int, int], shift: int, erase: int) -> None:
    rng = np.random.default_rng(seed)
    images = rng.integers(1, 256, size=(6, *shape)).astype(np.uint8)
    fields = [rng.integers(2, size=6), *rng.integers(-shift, shift + 1, size=(2, 6)), np.full(6, erase)]
    places = [rng.integers(-(erase // 2), shape[axis] + 9, size=6) * (erase > 0) for axis in (0, 1)]
    words = pack(ViewFields(*fields, *places))
    views = map(ViewFields._make, zip(*unpack(words), strict=True))
    expected = [slowly_applied(image, view) for image, view in zip(images, views, strict=True)]
    shown = apply_views(torch.from_numpy(images), words)
    assert shown.dtype == torch.uint8 and np.array_equal(shown.numpy(), expected)
    assert torch.equal(shown, apply_views(torch.from_numpy(images), torch.from_numpy(words.astype(np.int64))))


@pytest.mark.parametrize("erase", [0, 2, 3])
def test_views_are_those_of_augment(erase: int) -> None:
    height, width, half = 3, 4, erase // 2
    image = torch.arange(1, 13, dtype=torch.uint8).reshape(1, height, width)
    many = image.repeat(8000, 1, 1)
    drawn = draw_views(ViewPolicy(1, erase, 0.5), (height, width), 8000, np.random.default_rng(1))
    fitted = augment(many, torch.Generator().manual_seed(1), 1, erase)
    theirs = {shown.tobytes() for shown in fitted.numpy()}
    # `augment` draws no square that hangs over the bottom or the right edge; all others it does.
    fields = unpack(drawn)
    shared = (fields.erase == 0) | ((fields.top < height - 2 * half) & (fields.left < width - 2 * half))
    ours = {shown.tobytes() for shown in apply_views(many, drawn)[torch.from_numpy(shared)].numpy()}
    assert ours == theirs and shared.all() == (erase == 0)
    assert np.mean(fields.flip) == pytest.approx(0.5, abs=0.03)
    assert np.mean(fields.erase > 0) == pytest.approx(0.5 if erase else 0, abs=0.03)
    if erase:
        inside = fields.erase > 0
        assert set(fields.top[inside]) == set(range(-half, height - half))
        assert set(fields.left[inside]) == set(range(-half, width - half))


def test_draws_are_those_that_models_and_teachers_were_made_with() -> None:
    """Runs that were interrupted before a change of the code have to go on as they would have."""

    def told(content: np.ndarray) -> str:
        return hashlib.sha256(np.ascontiguousarray(content).tobytes()).hexdigest()[:16]

    for policy, digest in ((ViewPolicy(1, 0), "699fde7dbd60add1"), (ViewPolicy(2, 8), "42d95423b2a95d27")):
        assert told(draw_views(policy, (28, 28), 200, np.random.default_rng(3)).astype("<u4")) == digest
    images = torch.from_numpy(np.random.default_rng(5).integers(0, 256, (40, 28, 28)).astype(np.uint8))
    for shift, erase, digest, drawn_next in (
        (2, 8, "f61fb026d70d19bf", 276),
        (1, 0, "42b73038b3e09e74", 855),
        (0, 5, "71d4b55f6ec3208c", 276),
        (2, 3, "bc506c405f48678e", 276),
    ):
        generator = torch.Generator().manual_seed(11)
        assert told(augment(images, generator, shift, erase).numpy()) == digest
        assert torch.randint(1000, (1,), generator=generator).item() == drawn_next


def test_policies_are_kept_and_checked() -> None:
    rng = np.random.default_rng(1)
    plain = draw_views(ViewPolicy(0, 0, 0.5, False), (28, 28), 50, rng)
    assert not plain.any() and not identity_views(3).any()
    images = torch.from_numpy(DATA.images)
    assert torch.equal(apply_views(images, identity_views(ITEMS)), images)
    for wrong in ({"shift": 16}, {"shift": -1}, {"erase": 64}, {"erase_share": 1.1}, {"erase_share": float("nan")}):
        with pytest.raises(SdrScError):
            ViewPolicy(**wrong)
    for shape in ((129, 28), (3, 28, 28), (0, 4)):
        with pytest.raises(ContractError, match="sides of 1 to 128"):
            draw_views(ViewPolicy(), shape, 1, rng)
    for bad_images, count in ((images.float(), ITEMS), (images, 1), (images[0], SIDE)):
        with pytest.raises(ContractError, match="give uint8 of shape"):
            apply_views(bad_images, identity_views(count))


# Codecs

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


# The folder


def test_a_view_takes_eighteen_bytes_and_nothing_around_it(tmp_path: Path) -> None:
    config = replace(CONFIG, features="pca16x4", views=5)
    Prestorer(LinearTeacher(), DATA, config, tmp_path / "x").run()
    for shard, items in zip(sorted((tmp_path / "x").glob("shard-*.npy")), (8, 8, 7), strict=True):
        records = np.load(shard, allow_pickle=False)
        assert records.shape == (items, 5) and records.dtype.itemsize == 4 + 6 + 8 == 18
        assert shard.stat().st_size == 18 * records.size + 192  # the header of numpy's format, in steps of 64
    # 60,000 items of 8 views and 1280 features: a basis of 88 kB, 30 shards, each with 400 bytes in the manifest.
    assert 18 + (88e3 + 30 * (400 + 192)) / 480_000 < 20
    knowledge = open_prestored(tmp_path / "x", DATA)
    size = sum(len(content) for content in contents(tmp_path / "x").values())
    assert knowledge.bytes_per_view == pytest.approx(size / (5 * ITEMS))


@pytest.mark.parametrize("features", ["pca6x4", "pca5x8", "pca5x32", "float16", "none"])
@pytest.mark.parametrize("labels", ["top4", "full8", "float32"])
def test_targets_are_what_the_codecs_give(tmp_path: Path, labels: str, features: str) -> None:
    teacher, config = LinearTeacher(), replace(CONFIG, labels=labels, features=features)
    knowledge = Prestorer(teacher, DATA, config, tmp_path / "x").run()
    assert (knowledge.items, knowledge.views) == (ITEMS, 3)
    rng = np.random.default_rng(2)
    items, view = rng.integers(ITEMS, size=100), rng.integers(3, size=100)
    targets = knowledge.targets(items, view)
    answer = teacher.ask(apply_views(torch.from_numpy(DATA.images[items]), targets.views))
    assert not targets.views[view == 0].any() and len(set(targets.views[view > 0])) > 20
    label_codec = parse_label_codec(labels, CLASSES)
    expected = label_codec.decode(label_codec.encode(answer.logits.numpy()))
    # The answers of one batch and another differ in their last bit, which may turn a code.
    assert np.mean(np.abs(targets.log_probabilities - expected) > 1e-5) < 0.01
    assert knowledge.feature_dim == (0 if features == "none" else targets.features.shape[1])
    if features.startswith("pca"):
        bits = int(features.split("x")[1])
        clip, step = CLIP_SIGMAS[bits], 0.0 if bits == 32 else CLIP_SIGMAS[bits] / 2**bits
        scores = np.clip(knowledge._features.scores(answer.features.numpy()), -clip, clip)
        inside = np.abs(scores) < clip
        assert np.abs(targets.features - scores)[inside].max() <= step + 1e-3
    elif features == "float16":
        assert np.allclose(targets.features, answer.features.numpy(), rtol=1e-3, atol=1e-3)
    else:
        assert targets.features is None
    whole = knowledge.targets(np.arange(ITEMS), np.zeros(ITEMS, int))
    best = whole.log_probabilities.argmax(axis=1)
    assert sum(shard.correct for shard in knowledge.manifest.shards) == np.sum(best == DATA.labels)
    assert len(knowledge.targets(np.empty(0, int), np.empty(0, int)).views) == 0
    for wrong in (([ITEMS], [0]), ([-1], [0]), ([0], [3])):
        with pytest.raises(IndexError):
            knowledge.targets(*map(np.array, wrong))


def test_the_manifest_tells_how_well_the_codecs_do(reference: Path) -> None:
    knowledge, teacher = open_prestored(reference), LinearTeacher()
    items, view = (axis.ravel() for axis in np.mgrid[:ITEMS, :3])
    targets = knowledge.targets(items, view)
    truth = log_softmax(teacher.ask(apply_views(torch.from_numpy(DATA.images[items]), targets.views)).logits.numpy(), 1)
    kl = np.sum(np.exp(truth) * (truth - targets.log_probabilities))
    shards = knowledge.manifest.shards
    assert sum(shard.kl_nats for shard in shards) == pytest.approx(kl, rel=1e-3)
    assert sum(shard.agreeing for shard in shards) == 3 * ITEMS


def test_the_seed_alone_makes_the_bytes(reference: Path, tmp_path: Path) -> None:
    Prestorer(LinearTeacher(), DATA, CONFIG, tmp_path / "same").run()
    assert contents(tmp_path / "same") == contents(reference)
    other = Prestorer(LinearTeacher(), DATA, replace(CONFIG, seed=2), tmp_path / "other").run()
    every = (np.arange(ITEMS), np.ones(ITEMS, int))
    views = open_prestored(reference).targets(*every).views
    assert not np.array_equal(other.targets(*every).views, views)
    assert not np.array_equal(views[:8], views[8:16])  # nor are those of one shard those of the next


def test_a_complete_folder_is_not_written_and_nobody_is_asked(folder: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    teacher = LinearTeacher()
    prestorer = Prestorer(teacher, DATA, CONFIG, folder)
    assert prestorer.complete and prestorer.items_done == ITEMS
    prestorer.run()
    assert teacher.asked == 0 and before == {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


# Kills

WRITES = 1 + 1 + 2 * 3  # basis, manifest, then shard and manifest three times


@pytest.mark.parametrize("features", ["pca6x4", "none"])
@pytest.mark.parametrize("when", ["while writing", "before it is there", "after it is there"])
def test_a_killed_run_goes_on_to_the_same_bytes(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str, features: str
) -> None:
    config = replace(CONFIG, features=features)
    writes = WRITES if features != "none" else WRITES - 1
    if features == "none":
        reference = tmp_path / "whole"
        Prestorer(LinearTeacher(), DATA, config, reference).run()
    for number in range(1, writes + 1):
        path, count = tmp_path / f"killed {number}", itertools.count(1)

        def killer(call: Callable, before: bool, count: Iterator[int] = count, number: int = number) -> Callable:
            def killed(*arguments: object) -> None:
                last = next(count) == number
                if last and before:
                    raise KeyboardInterrupt
                call(*arguments)
                if last:
                    raise KeyboardInterrupt

            return killed

        with monkeypatch.context() as patch:
            if when == "while writing":
                patch.setattr(files.os, "fsync", killer(os.fsync, before=True))
            else:
                patch.setattr(files.os, "replace", killer(os.replace, before="before" in when))
            with pytest.raises(KeyboardInterrupt):
                Prestorer(LinearTeacher(), DATA, config, path).run()
        if path.exists() and not (number == writes and "after" in when):
            (path / ".shard-00001.npy.1.partial").write_bytes(b"\x93NUMPY")  # as of a write that a kill cut
        done: list[int] = []
        prestorer = Prestorer(LinearTeacher(), DATA, config, path)
        before = prestorer.items_done
        if (path / "manifest.json").exists() and not prestorer.complete:
            with pytest.raises(ContractError, match="is incomplete: .* of 3 shards are there; run 'sdr-sc prestore'"):
                open_prestored(path)
        prestorer.run(done.append)
        assert before + sum(done) == ITEMS
        assert contents(path) == contents(reference), number
    assert next(count) == writes + 1  # the last write was the last there is


def test_two_writers_of_one_folder_are_refused(tmp_path: Path) -> None:
    class Nested(LinearTeacher):
        def ask(self, images: torch.Tensor) -> TeacherAnswer:
            Prestorer(LinearTeacher(), DATA, CONFIG, tmp_path / "x").run()
            raise AssertionError("the second writer was let in")

    with pytest.raises(SdrScError, match="another process writes"):
        Prestorer(Nested(), DATA, CONFIG, tmp_path / "x").run()


def test_a_full_disc_is_told_and_gone_on_from(reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        with pytest.raises(SdrScError, match="basis.npz cannot be written .No space left on device.; mend that"):
            Prestorer(LinearTeacher(), DATA, CONFIG, tmp_path / "x").run()
    Prestorer(LinearTeacher(), DATA, CONFIG, tmp_path / "x").run()
    assert contents(tmp_path / "x") == contents(reference)


# Damage


def flip_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize("file", ["shard-00001.npy", "shard-00002.npy", "basis.npz"])
@pytest.mark.parametrize(
    ("damage", "told"),
    [(flip_byte, "is damaged|SHA-256"), (truncate, "bytes where|SHA-256"), (Path.unlink, "No such file")],
)
def test_damage_is_refused_by_name_and_mended(
    reference: Path, folder: Path, file: str, damage: Callable[[Path], None], told: str
) -> None:
    damage(folder / file)
    with pytest.raises(ContractError, match=told) as error:
        open_prestored(folder, DATA)
    assert str(folder / file) in str(error.value) and "sdr-sc prestore" in str(error.value)
    prestorer = Prestorer(LinearTeacher(), DATA, CONFIG, folder)
    assert prestorer.redone == [file] and not prestorer.complete
    prestorer.run()
    assert contents(folder) == contents(reference)


def edited(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: edited(folder, version=2), "has version 2 of the format where 1 is known"),
        (lambda folder: edited(folder, format="other"), "no manifest of pre-stored knowledge"),
        (lambda folder: edited(folder, seed=7), "is damaged .its entries contradict"),
        (lambda folder: edited(folder, shards=[]), "is damaged .its entries contradict"),
        (lambda folder: edited(folder, checksum=3, more=1), "is damaged .its entries contradict"),
        (lambda folder: truncate(folder / "manifest.json"), "is damaged .it is not JSON"),
        (lambda folder: (folder / "manifest.json").write_bytes(b"\xff\xfe"), "is damaged .it is not JSON"),
        (lambda folder: (folder / "manifest.json").write_bytes(b"[1]"), "no manifest of pre-stored knowledge"),
        (lambda folder: (folder / "manifest.json").unlink(), "No such file.*make it with 'sdr-sc prestore'"),
    ],
)
def test_manifests_that_cannot_be_trusted_are_refused(folder: Path, damage: Callable[[Path], None], told: str) -> None:
    damage(folder)
    with pytest.raises(ContractError, match=told) as error:
        open_prestored(folder)
    assert str(folder / "manifest.json") in str(error.value) and "\n" not in str(error.value)
    assert "sdr-sc prestore" in str(error.value)
    with pytest.raises(SdrScError, match="manifest.json"):
        Prestorer(LinearTeacher(), DATA, CONFIG, folder)


def test_knowledge_of_other_data_is_refused(reference: Path) -> None:
    with pytest.raises(ContractError, match="belongs to 23 items of Fashion-MNIST"):
        open_prestored(reference, make_data(2))
    with pytest.raises(ContractError, match="not to these 20"):
        open_prestored(reference, DATA.first(20))


@pytest.mark.parametrize(
    ("teacher", "data", "changes", "told"),
    [
        (LinearTeacher(2), DATA, {}, "fingerprint 6b86b273ff34fce1 there, d4735e3a265e16ee here"),
        (LinearTeacher(), make_data(2), {}, "data_set_sha256"),
        (LinearTeacher(), DATA.first(9), {}, "items 23 there, 9 here"),
        (LinearTeacher(), DATA, {"seed": 2, "views": 4}, "views 3 there, 4 here; seed 1 there, 2 here"),
        (LinearTeacher(), DATA, {"policy": ViewPolicy(2, 8)}, "erase 4 there, 8 here"),
        (LinearTeacher(), DATA, {"labels": "full8"}, "labels top4 there, full8 here"),
        (LinearTeacher(), DATA, {"features": "none"}, "features pca6x4 there, none here"),
        (LinearTeacher(), DATA, {"shard_items": 9}, "shard_items 8 there, 9 here"),
    ],
)
def test_a_folder_of_other_settings_is_refused_and_left_alone(
    folder: Path, teacher: LinearTeacher, data: ImageSet, changes: dict, told: str
) -> None:
    before = contents(folder)
    with pytest.raises(ContractError, match="holds knowledge of other settings") as error:
        Prestorer(teacher, data, replace(CONFIG, **changes), folder)
    assert told in str(error.value) and str(folder) in str(error.value) and contents(folder) == before


def test_places_teachers_and_settings_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("all of it")
    with pytest.raises(SdrScError, match="holds thesis.tex and no manifest.json; choose another --out"):
        Prestorer(LinearTeacher(), DATA, CONFIG, tmp_path)
    with pytest.raises(SdrScError, match="choose another --out"):
        Prestorer(LinearTeacher(), DATA, CONFIG, tmp_path / "thesis.tex")
    with pytest.raises(ContractError, match="10 classes where the data has 2"):
        Prestorer(LinearTeacher(), replace(DATA, class_names=("a", "b")), CONFIG, tmp_path / "x")
    for wrong in ({"views": 0}, {"shard_items": 0}, {"seed": -1}):
        with pytest.raises(SdrScError, match="pre-storing needs"):
            PrestoreConfig(**wrong)

    class Infinite(LinearTeacher):
        def ask(self, images: torch.Tensor) -> TeacherAnswer:
            answer = super().ask(images)
            return TeacherAnswer(answer.logits / 0.0, answer.features)

    with pytest.raises(ContractError, match="teacher linear gives answers that are not finite"):
        Prestorer(Infinite(), DATA, CONFIG, tmp_path / "x").run()


# The command


def test_the_command_stores_measures_and_verifies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, figures = tmp_path / "cache", tmp_path / "figures.json"
    arguments = ["prestore", "--teacher", "teachers:Linear", "--out", str(out), "--limit", "50", "--views", "2"]
    done = sdr_sc(*arguments, "--threads", 1, "--device", "cpu", "--json", figures, cwd=ROOT / "tests")
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(figures.read_text())["rows"]}
    assert rows["size of a view, all files"]["value"] == pytest.approx(open_prestored(out).bytes_per_view)
    assert rows["decoded class is the teacher's"]["value"] == 100 and rows["speed"]["n"] == 50 * 2 + 50

    def run(*more: str) -> subprocess.CompletedProcess:
        with pytest.raises(SystemExit) as stop:
            main([*arguments, *more])
        return subprocess.CompletedProcess([], int(stop.value.code or 0), *capsys.readouterr())

    again = run()
    assert again.returncode == 0 and "is complete already" in again.stdout and "speed" not in again.stdout
    assert_one_line_error(run("--seed", "2"), "holds knowledge of other settings", "seed 1 there, 2 here")
    assert_one_line_error(run("--labels", "top99"), "no label codec 'top99'", "top1 to top9")
    assert_one_line_error(run("--features", "pca99x4"), "no feature codec 'pca99x4'")
    assert_one_line_error(run("--shift", "99"), "shift of 99 pixels", "0 to 15")
    assert_one_line_error(run("--teacher", "nowhere.onnx"), "nowhere.onnx is missing")
    assert_one_line_error(run("--limit", "70000"), "70000 items were asked for")
    flip_byte(out / "shard-00000.npy")
    mended = run()
    assert mended.returncode == 0 and "made again: shard-00000.npy" in mended.stdout
    (out / "manifest.json").write_text("{")
    assert_one_line_error(run(), "manifest.json is damaged", "delete the folder")


def test_as_many_views_as_there_are_stores_each_once(tmp_path: Path) -> None:
    policy = ViewPolicy(shift=1, erase=0)
    knowledge = Prestorer(LinearTeacher(), DATA, replace(CONFIG, policy=policy, views=18), tmp_path / "x").run()
    words = knowledge.targets(np.repeat(np.arange(2), 18), np.tile(np.arange(18), 2)).views.reshape(2, 18)
    drawn = draw_views(policy, DATA.images.shape[1:], 2000, np.random.default_rng(1))
    assert set(words[0]) == set(words[1]) == set(drawn) and len(set(words[0])) == 18
    assert len(every_view(ViewPolicy(shift=1, erase=4))) == 0, "there are too many with an erased square"
