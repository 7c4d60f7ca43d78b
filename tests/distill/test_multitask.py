# SPDX-License-Identifier: GPL-3.0-or-later
"""A student for several tasks: its vectors, its training, its model, and what a receiver asks it afterwards."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sdr_sc.cli.shared.distill_tasks import distill_tasks
from sdr_sc.data.dataset import Split
from sdr_sc.distill.export.onnx_export import StudentExporter
from sdr_sc.distill.multitask.config import MultiTaskConfig
from sdr_sc.distill.multitask.lesson import Lesson
from sdr_sc.distill.multitask.objective import losses
from sdr_sc.distill.multitask.ship import ship
from sdr_sc.distill.multitask.train import MultiTaskTrainer
from sdr_sc.distill.multitask.vectors import TeacherVectors, reduce_vectors
from sdr_sc.errors import ContractError, SdrScError
from sdr_sc.files import write_whole
from sdr_sc.semantic import weights
from sdr_sc.semantic.cam import CamTarget, table_for
from sdr_sc.semantic.gallery import Gallery
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder

CLASSES, ENTRIES, WIDTH = 3, 120, 12


@dataclass(frozen=True)
class Squares:
    """Squares at places of an image: the class is the column, and each image has a vector of a teacher."""

    split: Split
    name: str = "squares"
    modality: str = "image"
    tasks: tuple[str, ...] = ("classification", "retrieval")
    training_sha256: str = "a" * 64

    @property
    def sha256(self) -> str:
        return ("a" if self.split == "train" else "b") * 64

    @property
    def item_shape(self) -> tuple[int, ...]:
        return (16, 16)

    def __len__(self) -> int:
        return ENTRIES

    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        return np.arange(ENTRIES) % CLASSES, np.arange(ENTRIES) // CLASSES % 12

    def items(self, index: np.ndarray) -> np.ndarray:
        column, row = self._places()
        rng = np.random.default_rng(len(self.split))
        found = rng.integers(0, 60, (ENTRIES, 16, 16), np.uint8)
        for number in range(ENTRIES):
            found[number, row[number] : row[number] + 4, 5 * column[number] : 5 * column[number] + 4] = 250
        return found[index]

    def targets(self, task: str, index: np.ndarray) -> np.ndarray:
        found = np.arange(ENTRIES) % 36 if task == "retrieval" else self._places()[0]
        return found[index].astype(np.int32)

    def names(self, task: str) -> tuple[str, ...]:
        places = tuple(f"place {number}" for number in range(36))
        return places if task == "retrieval" else ("left", "middle", "right")

    def teacher(self) -> np.ndarray:
        """What a large model would say: where the square is, in more numbers than are needed."""
        column, row = self._places()
        seen = np.stack([np.cos(row / 4), np.sin(row / 4), np.cos(2 * column), np.sin(2 * column)], axis=1)
        return seen @ np.random.default_rng(5).normal(size=(4, WIDTH))


@pytest.fixture(scope="module")
def vectors() -> TeacherVectors:
    parts = {part: Squares(part).teacher() for part in ("train", "test")}
    return reduce_vectors("toy", parts, {part: Squares(part).sha256 for part in parts}, 4)


CONFIG = MultiTaskConfig(
    encoder="dense", k_list=(2, 4, 8), steps=60, batch_items=60, decoder_width=32, learning_rate=1e-2
)


def lesson(vectors: TeacherVectors, config: MultiTaskConfig = CONFIG) -> Lesson:
    data = Squares("train")
    return Lesson.of(data, config, vectors.of("train", data.sha256))


@pytest.fixture(scope="module")
def model(vectors: TeacherVectors, tmp_path_factory: pytest.TempPathFactory) -> Path:
    trainer = MultiTaskTrainer(lesson(vectors), CONFIG)
    trainer.run(every=20)
    first, last = trainer.history[0][1], trainer.history[-1][1]
    assert set(last) == {"classification", "cosine", "contrast", "loss"} and last["loss"] < 0.7 * first["loss"]
    test = Squares("test")
    out = tmp_path_factory.mktemp("squares") / "squares.safetensors"
    ship(trainer, test, vectors.of("test", test.sha256), "toy", out, "none")
    return out


def gallery(vectors: TeacherVectors) -> Gallery:
    """One entry for each place that a square may be at."""
    found = vectors.of("test", Squares("test").sha256)[:36]
    return Gallery(tuple(f"place {number}" for number in range(36)), found, "toy")


def test_what_was_sent_once_answers_all_tasks(model: Path, vectors: TeacherVectors) -> None:
    encoder, decoder, data = SemanticEncoder(model), SemanticDecoder(model), Squares("test")
    assert [task.name for task in decoder.contract.tasks] == ["classification", "retrieval"]
    assert decoder.contract.architecture["decoder"] == "multitask" and decoder.contract.task("retrieval").outputs == 4
    received = encoder.encode(data.items(np.arange(36)), 20.0, 8)
    outputs = decoder.outputs(received, 20.0)
    assert outputs.shape == (36, CLASSES + 4) and decoder.parts["retrieval"] == slice(3, 7)
    assert np.array_equal(decoder.decode(received, 20.0), outputs[:, :3])
    assert (decoder.answer(received, 20.0).best == np.arange(36) % 3).mean() > 0.9
    found = gallery(vectors).search(outputs[:, decoder.parts["retrieval"]], 5)
    assert (found.ids == np.arange(36)[:, None]).any(axis=1).mean() > 0.6
    assert found.ids.shape == (36, 5) and (np.diff(found.confidence) != 0).any()


def test_it_is_exported_with_all_its_tasks(model: Path) -> None:
    pair = model.with_name("squares.onnx")
    write_whole(StudentExporter(model).float32(pair))
    items = Squares("test").items(np.arange(10))
    outputs = [SemanticDecoder(one).outputs(SemanticEncoder(one).encode(items, 5.0, 4), 5.0) for one in (model, pair)]
    assert np.allclose(*outputs, atol=1e-3)


def test_the_table_holds_every_task(model: Path) -> None:
    contract = weights.read_contract(model)
    assert set(contract.cam.others) == {"retrieval"} and "R@5 of 36" in contract.cam.measured_on
    both = table_for(contract, CamTarget(tasks=("classification", "retrieval"), max_loss_points=2.0))
    one = table_for(contract, CamTarget(max_loss_points=2.0))
    assert all(a >= b for a, b in zip(both.k, one.k, strict=True))
    with pytest.raises(ContractError, match="no task 'sound'; it answers classification, retrieval"):
        table_for(contract, CamTarget(tasks=("sound",)))


def test_a_run_that_was_cut_off_goes_on_the_same(vectors: TeacherVectors, tmp_path: Path) -> None:
    config = replace(CONFIG, steps=12)
    whole = MultiTaskTrainer(lesson(vectors), config)
    whole.run()
    cut, state = MultiTaskTrainer(lesson(vectors), config), tmp_path / "state"
    cut.run(7, every=7, checkpoint=state)
    again = MultiTaskTrainer(lesson(vectors), config)
    again.resume(state)
    assert again.step == 7
    again.run()
    for name, value in whole.average.state_dict().items():
        assert bool((value == again.average.state_dict()[name]).all()), name
    other = MultiTaskTrainer(lesson(vectors), replace(config, seed=2))
    with pytest.raises(SdrScError, match="is the state of another run; delete it"):
        other.resume(state)


def test_few_labels_leave_the_others_to_the_teacher(vectors: TeacherVectors) -> None:
    found = lesson(vectors, replace(CONFIG, labels=9)).targets["classification"].numpy()
    assert (found >= 0).sum() == 9 and set(found[found >= 0]) == {0, 1, 2}
    with pytest.raises(SdrScError, match="learned from a teacher's vectors; give them"):
        Lesson.of(Squares("train"), CONFIG, None)
    alone = replace(CONFIG, tasks=("classification",), steps=2)
    trainer = MultiTaskTrainer(Lesson.of(Squares("train"), alone, None), alone)
    trainer.run()
    assert set(trainer.history[-1][1]) == {"classification", "loss"}


def test_a_setting_says_how_much_the_vector_counts_at_few_symbols(vectors: TeacherVectors) -> None:
    def cosine(at_few: float) -> float:
        config = replace(CONFIG, k_list=(2, 4), vector_at_few=at_few)
        trainer = MultiTaskTrainer(lesson(vectors, config), config)
        batch = trainer.lesson.batch(np.arange(16), np.random.default_rng(1))
        generator = torch.Generator().manual_seed(1)
        found = losses(trainer.student.eval(), batch, config, trainer.tasks, np.random.default_rng(1), generator)
        return found["cosine"].item()

    assert cosine(0.3) == pytest.approx(6 * cosine(0.05), rel=1e-4)


def test_vectors_come_back_from_their_file_and_are_of_their_data(vectors: TeacherVectors, tmp_path: Path) -> None:
    path = tmp_path / "vectors"
    vectors.save(path)
    again = TeacherVectors.load(path)
    found = again.of("test", Squares("test").sha256)
    assert found.shape == (ENTRIES, 4) and np.allclose(np.linalg.norm(found, axis=1), 1)
    exact = vectors.reduced(Squares("test").teacher())
    assert (found * exact).sum(axis=1).min() > 0.999, "8 bits lose next to nothing"
    with pytest.raises(SdrScError, match="are not of this data set's part 'test'"):
        again.of("test", "c" * 64)
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(bytes(raw))
    with pytest.raises(SdrScError, match="cannot be read"):
        TeacherVectors.load(path)


def test_a_gallery_comes_back_and_answers_for_what_was_lost(vectors: TeacherVectors, tmp_path: Path) -> None:
    made, path = gallery(vectors), tmp_path / "gallery"
    made.save(path)
    again = Gallery.load(path)
    assert again.names == made.names and np.allclose(again.vectors, made.vectors, atol=1e-3)
    outputs = np.vstack([3 * made.vectors[7], np.full(4, np.nan), np.full(4, np.inf)]).astype(np.float32)
    found = again.search(outputs, 2)
    assert found.ids[0, 0] == 7 and found.ids[1:].tolist() == [[-1, -1], [-2, -2]]
    assert found.confidence[0] > 0 and found.confidence[1:].tolist() == [0, 0]
    with pytest.raises(ContractError, match="vectors of 4 numbers is searched with 3"):
        again.search(outputs[:, :3])
    with pytest.raises(ContractError, match="not of unit length"):
        Gallery(made.names, 2 * made.vectors, "toy")
    vectors.save(path)
    with pytest.raises(SdrScError, match="no gallery"):
        Gallery.load(path)


def test_the_command_learns_from_labels_alone_and_needs_held_out_items(tmp_path: Path) -> None:
    import toy_texts

    toy_texts.register()

    given, rest = ((), (), ("class_weight=1",), (), 3), (1, 20, (2, 4), 0, 1, False, 1)
    values = (*given, toy_texts.NAME, None, tmp_path / "x.safetensors", tmp_path / "state", *rest)
    distill_tasks(("classification",), *values)
    assert [task.name for task in weights.read_contract(tmp_path / "x.safetensors").tasks] == ["classification"]
    other = (*given, "fashion_mnist", None, tmp_path / "y.safetensors", tmp_path / "y.state", *rest)
    with pytest.raises(SdrScError, match="has no validation part"):
        distill_tasks(("classification",), *other)
    assert not (tmp_path / "y.state").exists(), "and says so before it trains"


@pytest.mark.parametrize(
    ("setting", "match"),
    [
        ("weight=1", "'weight' is unknown; use one of steps, batch_items"),
        ("encoder=3", "'encoder' is unknown"),
        ("class_weight", "class_weight is ''; give a number as 1.5 is"),
        ("steps=2.5", "steps is '2.5'"),
        ("dropout=nan", "not below 0"),
        ("hint_weight=-1", "not below 0"),
        ("with_settings=1", "is unknown"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(setting: str, match: str) -> None:
    with pytest.raises(SdrScError, match=match):
        MultiTaskConfig().with_settings([setting])
