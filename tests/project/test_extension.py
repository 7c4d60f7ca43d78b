# SPDX-License-Identifier: GPL-3.0-or-later
"""A modality of items of unequal length, a task, a data set and an encoder that nobody has heard of, defined here:
trained, exported, sent over the air, recorded, replayed and reported. It fails where something knows images and classes
alone."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sdr_sc.bench.evaluate import Grid, evaluate
from sdr_sc.capture import open_capture
from sdr_sc.data.dataset import Split, register_dataset
from sdr_sc.data.ragged import HEAD_BYTES, ItemBatch
from sdr_sc.demo.run import DemoConfig, run_demo
from sdr_sc.distill.config import DistillConfig
from sdr_sc.distill.export.finish import ship
from sdr_sc.distill.export.onnx_export import StudentExporter
from sdr_sc.distill.targets.teacher_targets import open_knowledge
from sdr_sc.distill.train import Trainer
from sdr_sc.documents import read_csv
from sdr_sc.errors import ContractError, SdrScError
from sdr_sc.files import write_whole
from sdr_sc.flowgraph.record import record_loopback
from sdr_sc.flowgraph.replay import replay
from sdr_sc.flowgraph.replay_config import ReplayConfig
from sdr_sc.link.frames.frame_record import ITEM_FIELDS
from sdr_sc.semantic import weights
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder
from sdr_sc.semantic.modalities.base import Modality, register_modality
from sdr_sc.semantic.networks.base import Encoder
from sdr_sc.semantic.networks.registry import register_encoder
from sdr_sc.semantic.specs import TaskSpec
from sdr_sc.semantic.tasks.base import Task, TaskAnswer, register_task
from sdr_sc.semantic.tasks.classification import ranked
from sdr_sc.sweep.config import load_config
from sdr_sc.sweep.grid import make_tasks
from sdr_sc.sweep.points import measure

LONGEST, TONES = 24, 6
LENGTHS = 14 + np.arange(300) % 11
PATIENT = {"feedback_timeout_s": 60.0}


@register_modality
class Tone(Modality):
    """14 to 24 samples of a tone; what is missing is silence to the network."""

    name = "tone"

    def network_input(self, items: np.ndarray) -> np.ndarray:
        return self.training_input(torch.from_numpy(items)).numpy()

    def training_input(self, items: Tensor) -> Tensor:
        heard = torch.arange(LONGEST, device=items.device) < items[:, :1]
        return (items[:, HEAD_BYTES:].float() / 128 - 1) * heard

    @classmethod
    def text(cls, item: np.ndarray) -> str:
        (samples,) = ItemBatch.from_slots(item)
        return f"{len(samples)} samples around {samples.mean():.0f}"


@register_task
class Below(Task):
    """The tone below the one that was sent: an answer that equals the target is always wrong."""

    name, wire_id, metric = "below", 9, "tones named right"

    def loss(self, output: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        wanted = ((targets - 1) % TONES).expand(output.shape[:-1])
        return nn.functional.cross_entropy(output.flatten(0, -2), wanted.flatten(), reduction="none").view(wanted.shape)

    def answer(self, output: np.ndarray, spec: TaskSpec, top: int = 1) -> TaskAnswer:
        return ranked(output, top)

    def score(self, ids: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return ((np.asarray(ids) + 1) % TONES == np.asarray(targets)).astype(np.float32)


@register_encoder("tone")
class ToneEncoder(Encoder):
    """Two layers."""

    width = 16

    def __init__(self, k_max: int, item_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.k_max = k_max
        self.body, self.head = nn.Linear(item_shape[0] - HEAD_BYTES, self.width), nn.Linear(self.width, 2 * k_max)

    def pooled(self, images: Tensor) -> Tensor:
        return torch.relu(self.body(images))

    def from_pooled(self, pooled: Tensor, snr_db: Tensor) -> Tensor:
        return self.head(pooled + 0.01 * snr_db.unsqueeze(1)).view(-1, self.k_max, 2)


@dataclass(frozen=True)
class Tones:
    """Tones of six pitches in noise."""

    split: Split
    name: str = "tones"
    modality: str = "tone"
    tasks: tuple[str, ...] = ("below",)
    training_sha256: str = "a" * 64

    @property
    def sha256(self) -> str:
        return ("a" if self.split == "train" else "b") * 64

    @property
    def item_shape(self) -> tuple[int, ...]:
        return (HEAD_BYTES + LONGEST,)

    def __len__(self) -> int:
        return 300

    def items(self, index: np.ndarray) -> np.ndarray:
        rng = np.random.default_rng(len(self.split))
        pitch = 1 + np.arange(300) % TONES
        wave = np.sin(2 * np.pi * pitch[:, None] * np.arange(LONGEST) / LONGEST + rng.uniform(0, 0.4, (300, 1)))
        noisy = np.uint8(128 + 90 * wave + rng.normal(0, 4, wave.shape))
        tones = ItemBatch.of([one[:length] for one, length in zip(noisy, LENGTHS, strict=True)])
        return tones.slots(LONGEST)[index]

    def targets(self, task: str, index: np.ndarray) -> np.ndarray:
        return (np.arange(300) % TONES)[index].astype(np.int32)

    def names(self, task: str) -> tuple[str, ...]:
        return tuple(f"tone {number}" for number in range(TONES))


@register_dataset("tones")
def load_tones(split: Split) -> Tones:
    return Tones(split)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that was trained for some steps, with the usual functions."""
    config = DistillConfig(
        epochs=6, batch_items=40, k_list=(4, 8), validation_items=60, encoder="tone", task="below", precision="float32"
    )
    data, path = Tones("train"), tmp_path_factory.mktemp("tones") / "tones.safetensors"
    trainer = Trainer(data, config, open_knowledge(data, config))
    trainer.run()
    assert trainer.history[-1].losses["loss"] < trainer.history[0].losses["loss"]
    assert trainer.history[-1].accuracy > 0.3, "the share of right answers is the task's, which never equal the target"
    ship(trainer, data, path, "none")
    return path


def rows_of(folder: Path) -> list[dict[str, str]]:
    return [row for _, row in read_csv(folder / "items.csv", ITEM_FIELDS, "items", "run it again")]


def check_rows(rows: list[dict[str, str]], items: int) -> None:
    """Each item is of the test split and scored as the task says, most of them right."""
    assert len(rows) == items
    for row in rows:
        assert int(row["label"]) == int(row["item_id"]) % TONES
        assert int(row["correct"]) == int((int(row["answer"]) + 1) % TONES == int(row["label"]))
    assert sum(row["correct"] == "1" for row in rows) > items / 2


def test_the_contract_says_it_and_comes_back_from_the_file(model: Path) -> None:
    contract = weights.read_contract(model)
    assert (contract.modality.name, contract.item_shape, contract.tasks[0].name) == ("tone", (26,), "below")
    assert contract.format_version == 2 and contract.class_names[5] == "tone 5"
    assert isinstance(contract, ModelContract) and "below of tones" in model.with_suffix(".md").read_text()


def test_it_is_exported_and_answers_alike(model: Path) -> None:
    pair = model.with_name("tones.onnx")
    write_whole(StudentExporter(model).float32(pair))
    items = Tones("test").items(np.arange(20))
    features = [SemanticEncoder(one).encode(items, 10.0, 8) for one in (model, pair)]
    assert np.allclose(*features, atol=1e-4)
    answers = [SemanticDecoder(one).answer(features[0], 10.0).best for one in (model, pair)]
    assert np.array_equal(*answers)


def test_its_answers_are_scored_by_its_task_through_the_physical_layer(model: Path) -> None:
    rows, results = evaluate(str(model), Tones("test"), Grid([20.0], [8, None]), 50, 1, 1, items=200)
    assert results[20.0, 8].items == 200 and results[20.0, 8].correct > 100
    assert np.trace(results[20.0, 8].confusion) < 50, "an answer that equals the target is wrong"
    assert rows[0].value == results[20.0, 8].correct / 2


def test_it_is_measured_in_a_sweep(model: Path, tmp_path: Path) -> None:
    schemes = [{"scheme": "ours", "model": str(model)}]
    study = {"schemes": schemes, "snr_db": [20], "k": [8], "items": 100, "data_set": "tones"}
    (tmp_path / "study.yaml").write_text(json.dumps(study))
    config = load_config(tmp_path / "study.yaml")
    (point,) = make_tasks(config, {"ours": (4, 8)}, "none").values()
    found = measure(point)
    assert found.items == 100 and found.correct > 50 > np.trace(found.confusion)


def test_it_crosses_the_loopback_into_a_report(model: Path, tmp_path: Path) -> None:
    result = run_demo(DemoConfig(60, 4, str(model), data_set="tones", **PATIENT), tmp_path, lambda tb: None)
    check_rows(rows_of(tmp_path), 60)
    page = result.report.read_text()
    assert result.accounting.items_answered > 40 and "tone 3" in page
    with np.load(tmp_path / "images.npz") as kept:
        places = kept["item_id"]
    heard = [int(length) for length in re.findall(r">(\d+) samples around \d+<", page)]
    assert len(heard) > 5 and len(set(heard)) > 3 and set(heard) <= {*LENGTHS[places]}
    assert "data:image" not in page


def test_it_is_recorded_and_replayed_with_the_same_answers(model: Path, tmp_path: Path) -> None:
    live, replayed = tmp_path / "live", tmp_path / "replayed"
    live.mkdir()
    record_loopback(
        tmp_path / "tones",
        300.0,
        folder=str(live),
        model=str(model),
        data_set="tones",
        images=40,
        snr_db=15.0,
        **PATIENT,
    )
    with open_capture(tmp_path / "tones") as capture:
        assert len(list(capture.frames())) == 10
    replay(ReplayConfig(str(tmp_path / "tones"), (str(model),)), [replayed], 300.0)
    check_rows(rows_of(live), 40)
    wanted = ("item_id", "label", "answer", "correct", "confidence")
    assert [[row[name] for name in wanted] for row in rows_of(replayed)] == [
        [row[name] for name in wanted] for row in rows_of(live)
    ]


def test_what_nobody_registered_is_refused_in_one_sentence(model: Path) -> None:
    contract = weights.read_contract(model)
    for old, new, words in (
        ('"below"', '"chord"', "task 'chord' is unknown; this program knows below, classification"),
        ('"tone"', '"smell"', "modality 'smell' is unknown; this program knows image, image_text, text, tone"),
    ):
        text = unsealed_text(contract).replace(old, new)
        with pytest.raises(ContractError, match=words):
            read(text)
    with pytest.raises(ContractError, match="contract version 3 where this program reads versions 1 and 2"):
        read(unsealed_text(contract).replace('"format_version": 2', '"format_version": 3'))
    with pytest.raises(SdrScError, match="has no targets for the task 'below'"):
        from sdr_sc.data.fashion_mnist import load

        Trainer(load("test"), DistillConfig(task="below"), open_knowledge(load("test"), DistillConfig()))


def unsealed_text(contract: ModelContract) -> str:
    raw: dict[str, Any] = json.loads(contract.to_json())
    raw.pop("sha256")
    return json.dumps(raw)


def read(text: str) -> ModelContract:
    from sdr_sc.semantic.contract_reading import read_contract_text

    return read_contract_text(text, "a file")
