# SPDX-License-Identifier: GPL-3.0-or-later
"""One student of texts and pictures for every task: what counts for which items, its model, answers and figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import toy_joint
import toy_pictures
import toy_texts

from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.joint.joined import JoinedSet, with_further
from sdr_sc.data.joint.slots import side_of
from sdr_sc.distill.export.onnx_export import StudentExporter
from sdr_sc.distill.multitask.joined_vectors import vectors_for
from sdr_sc.distill.multitask.lesson import Lesson
from sdr_sc.distill.multitask.objective import losses
from sdr_sc.distill.multitask.ship import item_weights
from sdr_sc.distill.multitask.train import MultiTaskTrainer
from sdr_sc.errors import DataSetError
from sdr_sc.evidence.multitask.measure import bench_multitask
from sdr_sc.evidence.multitask.rows import Setting
from sdr_sc.evidence.pictures.asked import bench_asked
from sdr_sc.files import write_whole
from sdr_sc.semantic import weights
from sdr_sc.semantic.asked_tasks import AskedTasks
from sdr_sc.semantic.cam import CamTarget, table_for
from sdr_sc.semantic.gallery import Gallery
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder
from sdr_sc.semantic.questions import Questions
from sdr_sc.semantic.tasks.base import NO_ANSWER
from sdr_sc.semantic.tasks.reconstruction import Reconstruction, thumbnails

TEXTS, NAMED, ASKED = slice(0, 60), slice(60, 108), slice(120, 168)
"""Items of the test part: texts, named pictures, their names, and pictures that are asked about."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, MultiTaskTrainer]:
    return toy_joint.make_model(tmp_path_factory.mktemp("joint"))


@pytest.fixture(scope="module")
def model(made: tuple[Path, MultiTaskTrainer]) -> Path:
    return made[0]


@pytest.fixture(scope="module")
def outputs(model: Path) -> np.ndarray:
    """Of all tasks, of all test items, sent once."""
    data = toy_joint.joined()
    features = SemanticEncoder(model).encode(data.items(np.arange(len(data))), 20.0, 16)
    return SemanticDecoder(model).outputs(features, 20.0)


def test_the_joined_set_knows_what_is_asked_of_which_items() -> None:
    data, alone = toy_joint.joined(), toy_pictures.load("test").pictures_once()
    assert data.tasks == toy_joint.TASKS[:4] and data.names("question") == toy_pictures.ANSWERS
    asked = data.asked_items
    assert asked is not None and tuple(asked.texts) == toy_pictures.QUESTIONS
    assert np.flatnonzero(asked.is_asked).tolist() == list(range(120, 168))
    assert np.array_equal(asked.question[ASKED], alone.asked_items.question)
    assert np.array_equal(data.targets("question", np.arange(168))[ASKED], alone.asked_items.answer)
    assert (data.targets("classification", np.arange(168))[ASKED] == -1).all()
    assert toy_joint.joined(only="toy_pictures").asked_items.is_asked.all()  # type: ignore[union-attr]
    assert [round(share, 3) for _, share in data.strata()] == [0.545, 0.273, 0.091, 0.091]
    some = data.strata({"texts": 0, "pictures": 1, "asked": 3, "names": 0})
    assert [(len(places), share) for places, share in some] == [(48, 0.25), (48, 0.75)]
    with pytest.raises(DataSetError, match="no items of a kind with a share above 0"):
        data.strata(dict.fromkeys(("texts", "pictures", "asked", "names"), 0.0))


def test_pictures_are_brought_to_one_size() -> None:
    toy_joint.register()
    spec = with_further(f"{toy_joint.SPEC},side=24", [])
    large: JoinedSet = load_dataset(spec, "test")
    assert side_of(large.item_shape[0]) == 24 and large.sha256 != toy_joint.joined().sha256
    for wrong, words in (("side=8", "side=8; use 16 to 128"), ("side=x", "has side=x"), ("side=20,side=20", "once")):
        with pytest.raises(DataSetError, match=words):
            load_dataset(f"{toy_joint.SPEC},{wrong}", "test")


def test_each_loss_counts_the_items_that_have_its_target(made: tuple[Path, MultiTaskTrainer]) -> None:
    _, trainer = made
    every = {"classification", "subgroup", "cosine", "contrast", "alignment", "question", "reconstruction", "kind"}
    assert set(trainer.history[-1][1]) == every | {"loss"}
    lesson, data = trainer.lesson, toy_joint.joined("train")
    first = np.cumsum([0, *map(len, data.members)])
    of_texts, of_asked = np.arange(first[0], first[0] + 20), np.arange(first[3], first[3] + 20)

    def terms(chosen: np.ndarray) -> dict[str, torch.Tensor]:
        batch = lesson.batch(chosen, np.random.default_rng(1))
        student, noise = trainer.average.eval(), torch.Generator().manual_seed(3)
        return losses(student, batch, trainer.config, trainer.tasks, np.random.default_rng(2), noise)

    assert set(terms(of_texts)) == {"classification", "subgroup", "cosine", "contrast", "alignment", "kind", "loss"}
    assert set(terms(of_asked)) == {"question", "reconstruction", "kind", "loss"}
    batch = lesson.batch(np.concatenate((of_texts, of_asked)), np.random.default_rng(1))
    assert batch.pictures.thumbnails is not None and len(batch.pictures.thumbnails) == 20
    seen = data.items(of_asked)[:, 1:].reshape(20, 3, 16, 16)
    error = batch.pictures.thumbnails.numpy() - thumbnails(seen, (3, 8, 8))
    assert np.abs(error).mean() < 0.2, "moved, not flipped"


def test_pictures_that_are_asked_about_are_not_flipped(made: tuple[Path, MultiTaskTrainer]) -> None:
    lesson, data = made[1].lesson, toy_joint.joined("train")
    start = sum(map(len, data.members[:3]))
    chosen = np.arange(start, start + toy_pictures.PICTURES)
    shown = lesson.inputs.of(chosen, np.random.default_rng(5))[:, 1 : 1 + 768].numpy().reshape(-1, 3, 16, 16)
    planes = data.items(chosen)[:, 1:].reshape(-1, 3, 16, 16).astype(float)
    sides = [np.abs(one - one.mean((1, 2), keepdims=True))[:, 5:11].sum((0, 1)) for one in shown]
    moved = np.array([one[:8].sum() > one[8:].sum() for one in sides])
    left = np.array([toy_pictures.truth(number)[1] for number in range(len(planes))])
    assert (moved == left).mean() > 0.9


def test_every_task_is_answered_from_the_same_symbols(model: Path, outputs: np.ndarray) -> None:
    decoder, data, every = SemanticDecoder(model), toy_joint.joined(), np.arange(168)
    found = {}
    for task in ("classification", "subgroup"):
        wanted = data.targets(task, every)
        best = outputs[:, decoder.parts[task]].argmax(axis=1)
        found[task] = (best == wanted)[wanted >= 0].mean()
    listed = Gallery.load(model.with_suffix(".gallery")).search(outputs[:, decoder.parts["retrieval"]], 5).ids
    found["retrieval"] = (listed == data.targets("retrieval", every)[:, None])[:120].any(axis=1).mean()
    for number in (0, 3):  # of colours; where a square is takes longer to learn
        text = toy_pictures.QUESTIONS[number]
        right = [toy_pictures.answer(one, number) for one in range(toy_pictures.PICTURES)]
        found[text] = (Questions(model).ask(outputs[ASKED], text).best == right).mean()
    assert min(found.values()) > 0.6, found


def test_a_text_has_no_thumbnail_and_a_picture_has_one(model: Path, outputs: np.ndarray) -> None:
    asked = AskedTasks.of(weights.read_contract(model), "reconstruction", model=model)
    spoiled = outputs.copy()
    spoiled[60], spoiled[61] = np.nan, np.inf
    answer = asked.answers(spoiled)["reconstruction"]
    assert answer.pictures is not None and answer.pictures.shape == (168, 3, 8, 8)
    is_text = toy_joint.joined().items(np.arange(168))[:, 0] == 2
    assert (answer.best[is_text] == NO_ANSWER).all() and not answer.pictures[is_text].any(), "and none is invented"
    assert answer.best[60:63].tolist() == [-1, -2, 0] and (answer.best[~is_text][2:] == 0).all()
    spec, task = weights.read_contract(model).task("reconstruction"), Reconstruction()
    assert spec.shape == (3, 8, 8) and spec.outputs == 193
    sent = toy_pictures.load("test").pictures
    own = replace(answer, ids=answer.ids[ASKED], pictures=answer.pictures[ASKED])
    others = replace(own, pictures=np.roll(own.pictures, 1, axis=0))
    own_db, others_db = (task.figure(task.score_pictures(one, sent).mean()) for one in (own, others))
    assert own_db > others_db + 2, (own_db, others_db)


def test_the_contract_and_the_table_of_the_channel_adaptive_module_hold_every_task(model: Path) -> None:
    contract = weights.read_contract(model)
    assert tuple(task.name for task in contract.tasks) == toy_joint.TASKS
    assert set(contract.cam.others) == set(toy_joint.TASKS[1:])
    assert all(max(map(max, table)) > 0.6 for table in (contract.cam.accuracy, *contract.cam.others.values()))
    psnr_db = Reconstruction().figure(np.array(contract.cam.others["reconstruction"]))
    assert psnr_db[-1, -1] > psnr_db[0, 0] + 1
    k = {tasks: table_for(contract, CamTarget(tasks=tasks)).k for tasks in (toy_joint.TASKS[:1], toy_joint.TASKS)}
    assert all(every >= first for first, every in zip(*k.values(), strict=True))
    assert "question network, at the receiver" in model.with_suffix(".md").read_text()


def test_an_exported_model_says_the_same(model: Path) -> None:
    pair = model.with_name("joint.onnx")
    write_whole(StudentExporter(model).float32(pair))
    items = toy_joint.joined().items(np.array([1, 70, 110, 130]))
    found = [SemanticDecoder(one).outputs(SemanticEncoder(one).encode(items, 5.0, 4), 5.0) for one in (model, pair)]
    assert np.allclose(*found, atol=1e-3)


def test_evidence_of_each_member(model: Path) -> None:
    gallery, train = Gallery.load(model.with_suffix(".gallery")), toy_joint.joined("train")

    def rows(only: str, measure: object, rivals: bool = False) -> dict[str, float]:
        test = toy_joint.joined("test", only)
        setting = Setting(str(model), train, test, gallery, [20.0], [16], 1, with_rivals=rivals)
        return {row.name: row.value for row in measure(setting, True, lambda _: None)}  # type: ignore[operator]

    found = rows("toy_pictures", bench_asked, True)
    assert found["20 dB; ours, k=16; question"] > found["20 dB; ours, k=16; question, of another picture"] + 15
    assert found["20 dB; ours, k=16; reconstruction: PSNR"] > 12
    assert "the question alone; question" in found
    for only, rivals in (("toy_named_pictures", True), ("toy_texts", False), ("", True)):
        found = rows(only, bench_multitask, rivals)
        assert found["20 dB; ours, k=16; classification"] > 60
        texts = found.get("20 dB; ours, k=16; texts that got a thumbnail")
        assert texts == (None if only == "toy_named_pictures" else 0.0)
        assert ("20 dB; ours, k=16; reconstruction: PSNR" in found) is (only != "toy_texts")
        assert not any("question" in name for name in found)


def test_shares_are_settings_of_a_training() -> None:
    data = toy_joint.joined("train")
    config = toy_joint.CONFIG.with_settings(["asked_share=0", "name_share=0", "steps=1"])
    lesson = Lesson.of(data, config, vectors_for(data, "train", toy_joint.vectors()))
    chosen = MultiTaskTrainer(lesson, config).sampler.chosen(0)
    ends = np.cumsum([0, *map(len, data.members)])
    counts = np.histogram(chosen, ends)[0].tolist()
    assert counts == [69, 51, 0, 0] and len(toy_texts.load("train")) == ends[1]
    held_out = item_weights(toy_joint.joined("validation"), config.shares)
    assert held_out is not None and (held_out > 0).all(), "what is left out of training is measured all the same"
