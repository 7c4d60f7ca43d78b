# SPDX-License-Identifier: GPL-3.0-or-later
"""One student for pictures and texts: its input, its training with alignment and hints, its model, and its answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import toy_named_pictures
import toy_texts

from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.joint.joined import JoinedSet
from sdr_sc.distill.export.onnx_export import StudentExporter
from sdr_sc.distill.multitask.config import MultiTaskConfig
from sdr_sc.distill.multitask.joined_vectors import hints_for, vectors_for
from sdr_sc.distill.multitask.lesson import Lesson
from sdr_sc.distill.multitask.objective import alignment
from sdr_sc.distill.multitask.ship import ship
from sdr_sc.distill.multitask.train import MultiTaskTrainer
from sdr_sc.distill.multitask.vectors import TeacherVectors, reduce_vectors
from sdr_sc.errors import SdrScError
from sdr_sc.evidence.multitask.measure import bench_multitask
from sdr_sc.evidence.multitask.rows import Setting
from sdr_sc.files import write_whole
from sdr_sc.semantic.gallery import Gallery
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder
from sdr_sc.semantic.modalities.base import display_of, modality_of
from sdr_sc.semantic.specs import ModalitySpec

SPEC = f"{toy_texts.NAME}+{toy_named_pictures.NAME}"
PARTS = ("train", "validation", "test")
TASKS = ("classification", "subgroup", "retrieval")
CONFIG = MultiTaskConfig(TASKS, "image_text", (2, 4, 8), steps=150, batch_items=120, learning_rate=4e-3, seed=2)


def joined(split: str = "train", only: str = "") -> JoinedSet:
    toy_texts.register()
    toy_named_pictures.register()
    return load_dataset(SPEC + (f",only={only}" if only else ""), split)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def vectors() -> list[TeacherVectors]:
    texts = reduce_vectors(
        "toy",
        {part: toy_texts.teacher(part) for part in PARTS},
        {part: toy_texts.load(part).sha256 for part in PARTS},
        8,
    )
    pictures = reduce_vectors(
        "toy", {part: toy_named_pictures.teacher(part) for part in PARTS},
        {part: toy_named_pictures.load(part).sha256 for part in PARTS}, 8, texts,
    )  # fmt: skip
    return [texts, pictures]


@pytest.fixture(scope="module")
def sight() -> TeacherVectors:
    sums = {part: toy_named_pictures.load(part).sha256 for part in PARTS}
    return reduce_vectors("eye", {part: toy_named_pictures.sight(part) for part in PARTS}, sums, 4)


@pytest.fixture(scope="module")
def trained(vectors: list[TeacherVectors], sight: TeacherVectors) -> MultiTaskTrainer:
    data = joined()
    lesson = Lesson.of(data, CONFIG, vectors_for(data, "train", vectors), hints_for(data, "train", [sight]))
    trainer = MultiTaskTrainer(lesson, CONFIG)
    trainer.run(every=50)
    return trainer


@pytest.fixture(scope="module")
def model(trained: MultiTaskTrainer, vectors: list[TeacherVectors], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("both") / "both.safetensors"
    held_out = joined("validation")
    contract = ship(trained, held_out, vectors_for(held_out, "validation", vectors), "toy", out, "none")
    assert contract.architecture["encoder"] == "image_text" and contract.modality.name == "image_text"
    test = joined("test")
    entries = test.targets("retrieval", np.arange(len(test)))
    Gallery.of_entries(test.names("retrieval"), entries, vectors_for(test, "test", vectors), "toy").save(
        out.with_suffix(".gallery")
    )
    return out


def test_all_terms_of_the_loss_fall(trained: MultiTaskTrainer) -> None:
    first, last = trained.history[0][1], trained.history[-1][1]
    assert set(last) == {*TASKS[:2], "cosine", "contrast", "alignment", "hint", "loss"}
    assert all(last[name] < 0.8 * first[name] for name in last), (first, last)


def test_a_batch_has_its_share_of_each_kind_and_the_names_of_its_pictures(trained: MultiTaskTrainer) -> None:
    data, seen = joined(), []
    for step in range(4):
        chosen = trained.sampler.chosen(step)
        items = data.items(chosen)
        is_text = items[:, 0] == 2
        assert is_text.sum() == 84 and len(chosen) == 120
        pictures = chosen[~is_text]
        assert set(data.names_of_items[pictures]) <= set(chosen[108:]), "12 entries have room for all their names"
        seen.append(pictures)
    assert len(np.unique(np.concatenate(seen))) == 144, "each picture once in a round"


def test_both_kinds_are_answered_from_the_same_symbols(model: Path) -> None:
    encoder, decoder, data = SemanticEncoder(model), SemanticDecoder(model), joined("test")
    every = np.arange(len(data))
    outputs = decoder.outputs(encoder.encode(data.items(every), 20.0, 8), 20.0)
    gallery, right = Gallery.load(model.with_suffix(".gallery")), {}
    found = gallery.search(outputs[:, decoder.parts["retrieval"]], 5).ids
    right["retrieval"] = (found == data.targets("retrieval", every)[:, None]).any(axis=1)
    for place, task in enumerate(TASKS[:2]):
        best = outputs[:, decoder.parts[task]].argmax(axis=1)
        right[task] = best == data.targets(task, every)
        assert decoder.contract.tasks[place].names == data.names(task)
    kinds = {"texts": slice(0, 60), "pictures": slice(60, 108), "names": slice(108, 120)}
    shares = {(task, kind): hits[part].mean() for task, hits in right.items() for kind, part in kinds.items()}
    assert min(shares.values()) > 0.6, shares


def test_one_batch_may_hold_both_and_its_order_does_not_matter(model: Path) -> None:
    encoder, data = SemanticEncoder(model), joined("test")
    items = data.items(np.array([0, 70, 119, 61, 5]))
    together = encoder.encode(items, 10.0, 8)
    alone = np.concatenate([encoder.encode(one[None], 10.0, 8) for one in items])
    assert np.allclose(together, alone, atol=1e-5)
    assert np.isfinite(encoder.encode(np.zeros_like(items), 10.0, 8)).all(), "a slot of no kind is an empty text"


def test_it_is_exported_for_items_of_both_kinds(model: Path) -> None:
    pair = model.with_name("both.onnx")
    write_whole(StudentExporter(model).float32(pair))
    items = joined("test").items(np.array([1, 2, 60, 90, 119]))
    outputs = [SemanticDecoder(one).outputs(SemanticEncoder(one).encode(items, 5.0, 4), 5.0) for one in (model, pair)]
    assert np.allclose(*outputs, atol=1e-3)


def test_evidence_of_one_member_is_within_its_own_entries(model: Path) -> None:
    gallery, train = Gallery.load(model.with_suffix(".gallery")), joined("train")
    for only, pictures in (("toy_named_pictures", False), ("toy_named_pictures_names", True)):
        setting = Setting(str(model), train, joined("test", only), gallery, [20.0], [2, 8], 1)
        rows = {row.name: row for row in bench_multitask(setting, True, lambda _: None)}
        assert rows["20 dB; ours, k=8; R@5"].value > 60
        assert ("20 dB; ours, k=8; picture R@5" in rows) is pictures
        if pictures:
            assert rows["20 dB; ours, k=8; picture R@5"].value > 60, "a name finds a picture"
        assert rows["20 dB; features of another item, k=8; classification"].value < 60
        assert 0 <= rows["nothing sent, the most frequent answer; classification"].value < 60
        made = "one transmission made for 10 dB"
        assert rows[f"20 dB; {made}, k=8; R@5"].value > 60
        assert rows[f"20 dB; the student's class, coded, {made}; classification"].value > 60


def test_further_sets_teach_by_vectors_alone(vectors: list[TeacherVectors]) -> None:
    toy_texts.register()
    data = joined()
    config = MultiTaskConfig(TASKS, "image_text", (2, 4), steps=2, batch_items=24, further=(toy_named_pictures.NAME,))
    base = load_dataset(f"{toy_texts.NAME}+{toy_named_pictures.NAME},only={toy_texts.NAME}", "train")
    alone = JoinedSet(base.members, {"classification": toy_texts.KINDS, "subgroup": toy_texts.SIZES, "retrieval": ()},
                      16, "texts", "train", "b" * 64, "b" * 64)  # fmt: skip
    lesson = Lesson.of(data, config, vectors_for(data, "train", vectors), base=alone)
    assert [len(spec.names) for spec in lesson.specs] == [3, 5, 0]
    assert (lesson.targets["classification"][:180] >= 0).all() and (lesson.targets["classification"][180:] == -1).all()
    MultiTaskTrainer(lesson, config).run(every=1)


def test_alignment_counts_pairs_alone() -> None:
    rng = torch.Generator().manual_seed(1)
    vectors = torch.randn(2, 6, 5, generator=rng)
    is_text = torch.tensor([False, False, False, True, True, True])
    none = alignment(vectors, torch.arange(6), is_text, 0.1)
    assert none.tolist() == [0.0, 0.0]
    entries = torch.tensor([0, 1, 2, 0, 7, 8])
    found = torch.nn.functional.normalize(vectors[0], dim=1)
    logits = found[:3] @ found[3:].T / 0.1
    by_hand = (torch.logsumexp(logits[0], 0) + torch.logsumexp(logits[:, 0], 0) - 2 * logits[0, 0]) / 2
    assert torch.isclose(alignment(vectors, entries, is_text, 0.1)[0], by_hand, atol=1e-5)


def test_vectors_of_other_data_or_another_space_are_refused(vectors: list[TeacherVectors]) -> None:
    with pytest.raises(SdrScError, match="no file of vectors is of the train part of toy_named_pictures"):
        vectors_for(joined(), "train", vectors[:1])
    own = reduce_vectors(
        "toy", {part: toy_named_pictures.teacher(part) for part in PARTS},
        {part: toy_named_pictures.load(part).sha256 for part in PARTS}, 8,
    )  # fmt: skip
    with pytest.raises(SdrScError, match="were reduced in different ways"):
        vectors_for(joined(), "train", [vectors[0], own])


def test_an_item_is_shown_as_what_it_is() -> None:
    data, shown = joined("test"), display_of("image_text")
    picture, text = data.items(np.array([60, 0]))
    thumbnail = shown.thumbnail(picture)
    assert thumbnail is not None and thumbnail.shape == (3, 16, 16) and shown.thumbnail(text) is None
    assert shown.text(text) == toy_texts.load("test").texts[0]
    modality = modality_of(ModalitySpec("image_text", data.item_shape))
    typed = modality.items_of_texts(toy_texts.load("test").texts.slots(np.array([0]), modality.longest_text))
    assert np.array_equal(typed[0], text) and modality.longest_text == 256


@pytest.mark.parametrize(
    ("shape", "parameters", "match"),
    [
        ((3, 16, 16), {}, "pictures or texts need one slot"),
        ((770,), {}, "pictures or texts need one slot"),
        ((769,), {"longest": 900}, "texts of 900"),
        ((769,), {"words": 0}, "texts as bytes"),
        ((769,), {"std": 0}, "normalisation"),
        ((769,), {"piece_rows": 1}, "piece_rows"),
    ],
)
def test_a_contract_that_makes_no_sense_is_refused(shape: tuple[int, ...], parameters: dict, match: str) -> None:
    assert match in modality_of(ModalitySpec("image_text", shape, parameters)).refusal()
