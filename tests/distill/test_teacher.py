# SPDX-License-Identifier: GPL-3.0-or-later
"""Teachers: one interface for our own, ONNX files and torch modules; fitting, its checkpoints, its file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from command import assert_one_line_error, sdr_sc
from onnx_models import _message, onnx_model
from torch import nn

from sdr_sc.cli.shared.teacher_fit import _stored_arguments
from sdr_sc.data import fashion_mnist
from sdr_sc.data.dataset import ImageSet
from sdr_sc.distill.teachers.base import Teacher
from sdr_sc.distill.teachers.efficientnet import EfficientNetLite2, TeacherCard, save
from sdr_sc.distill.teachers.fit import FitConfig, FitTrainer
from sdr_sc.distill.teachers.load import load_teacher
from sdr_sc.errors import ContractError, SdrScError

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = FitConfig(epochs=2, batch_size=16, image_size=32, validation_items=16, limit=40)
CARD = TeacherCard(32, 2, ("a", "b", "c"), "none", "0" * 64)
IMAGES = torch.randint(256, (5, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def data() -> ImageSet:
    return fashion_mnist.load("train").first(80)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, EfficientNetLite2]:
    path = tmp_path_factory.mktemp("teacher") / "tiny.safetensors"
    torch.manual_seed(1)
    network = EfficientNetLite2(32, 2, 3, pretrained=False).eval()
    save(path, network, CARD)
    return path, network


def assert_answers(teacher: Teacher, classes: int, feature_dim: int) -> None:
    answer = teacher.ask(IMAGES)
    assert answer.logits.shape == (5, classes) == (5, teacher.classes)
    assert answer.features.shape == (5, feature_dim) == (5, teacher.feature_dim)
    assert answer.logits.dtype == answer.features.dtype == torch.float32 and not answer.logits.requires_grad
    assert torch.equal(answer.logits, teacher.ask(IMAGES.unsqueeze(1)).logits)
    assert len(teacher.fingerprint) == 64 and int(teacher.fingerprint, 16) >= 0 and teacher.name


# Modules by import path


class Pair(nn.Module):
    """Takes images as they come; has dropout, which has to be off."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.body, self.head = nn.Linear(28 * 28, 6), nn.Sequential(nn.Dropout(0.5), nn.Linear(6, 4))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        assert images.dtype == torch.uint8 and images.ndim == 4
        features = self.body(images.flatten(1) / 255.0)
        return self.head(features), features


class LogitsAlone(Pair):
    def forward(self, images: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(images)[0]


class WrongShape(Pair):
    def forward(self, images: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(images)[0].mean()


def no_module() -> int:
    return 3


def test_a_module_by_import_path_is_a_teacher() -> None:
    teacher = load_teacher("test_teacher:Pair", "cpu", classes=4)
    assert_answers(teacher, 4, 6)
    assert torch.allclose(teacher.ask(IMAGES).logits, Pair().eval()(IMAGES.unsqueeze(1))[0], atol=1e-6)
    assert teacher.fingerprint == load_teacher("test_teacher:Pair", "cpu").fingerprint
    assert_answers(load_teacher("test_teacher:LogitsAlone", "cpu"), 4, 4)


# ONNX files, written as the protocol buffers that they are, so that the package onnx is not needed


@pytest.mark.parametrize("batch", ["n", 1, 3])
def test_an_onnx_file_is_a_teacher(tmp_path: Path, batch: int | str) -> None:
    path = tmp_path / "tiny.onnx"
    path.write_bytes(onnx_model(3, 14, batch, mean="0.5,0.25,0", std="0.5"))
    teacher = load_teacher(str(path), "cpu", classes=4)
    assert_answers(teacher, 4, 3)
    grey = torch.nn.functional.interpolate(IMAGES.unsqueeze(1) / 255.0, (14, 14), mode="bilinear", antialias=True)
    features = (grey.mean((2, 3)) - torch.tensor([0.5, 0.25, 0.0])) / 0.5
    answer = teacher.ask(IMAGES)
    assert torch.allclose(answer.features, features, atol=1e-5)
    assert torch.allclose(answer.logits, features.sum(1, keepdim=True) * torch.tensor([1.0, 2, 3, 4]), atol=1e-5)


def test_an_onnx_file_without_features_sizes_or_metadata_is_a_teacher(tmp_path: Path) -> None:
    path = tmp_path / "plain.onnx"
    path.write_bytes(onnx_model(1, "side", logits="scores", features=False))
    teacher = load_teacher(str(path), "cpu")
    assert_answers(teacher, 4, 4)
    assert torch.allclose(teacher.ask(IMAGES).logits[:, 0], IMAGES.float().mean((1, 2)) / 255.0, atol=1e-5)
    path.write_bytes(onnx_model(1, "side", logits="scores", features=False, std="2"))
    assert load_teacher(str(path), "cpu").fingerprint != teacher.fingerprint


def _second(operator: str, type_of_value: bytes, *attributes: bytes) -> bytes:
    """A file whose second output is what an operator makes of the logits."""
    made = _message((1, "scores"), (2, "other"), (4, operator), *((5, one) for one in attributes))
    return onnx_model(1, 14, logits="scores", features=False, second=(_message((1, "other"), (2, type_of_value)), made))


SCALAR = _second("ReduceMean", _message((1, _message((1, 1), (2, b"")))), _message((1, "keepdims"), (3, 0), (20, 2)))
SEQUENCE = _second("SequenceConstruct", _message((4, _message((1, _message((1, _message((1, 1)))))))))
STRINGS = _second("Cast", _message((1, _message((1, 8)))), _message((1, "to"), (3, 8), (20, 2)))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"garbage", "not an ONNX file"),
        (onnx_model(2, 14), "1 or 3 channels"),
        (onnx_model(3, 14, mean="grey"), "metadata mean 'grey'"),
        (onnx_model(3, 14, std="1,1"), "metadata std '1,1'"),
        (onnx_model(3, 14, std="0"), "not positive"),
        (SCALAR, r"gives features of shape \(\) where \(2, feature_dim\) is needed"),
        (SEQUENCE, r"output 'other' of type seq\(tensor\(float\)\) where a tensor of numbers is needed"),
        (STRINGS, r"output 'other' of type tensor\(string\) where a tensor of numbers is needed"),
    ],
)
def test_onnx_files_that_do_not_fit_are_refused(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(ContractError, match=told) as error:
        load_teacher(str(path), "cpu")
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("nowhere.safetensors", "is missing"),
        ("nowhere.onnx", "is missing"),
        ("teacher.pt", "of no known kind"),
        ("no_such_module:Net", "cannot be made"),
        ("test_teacher:nobody", "cannot be made"),
        ("test_teacher:no_module", "is a int"),
        ("test_teacher:WrongShape", "gives logits of shape"),
    ],
)
def test_specs_that_lead_nowhere_are_reported_in_one_sentence(spec: str, told: str) -> None:
    with pytest.raises(ContractError, match=told) as error:
        load_teacher(spec, "cpu")
    assert spec in str(error.value) and "\n" not in str(error.value)


def test_classes_device_and_images_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ContractError, match="4 classes where the data has 10"):
        load_teacher("test_teacher:Pair", "cpu", classes=10)
    with pytest.raises(SdrScError, match="device 'tpu' is unknown"):
        load_teacher("test_teacher:Pair", "tpu")
    teacher = load_teacher("test_teacher:Pair", "cpu")
    with pytest.raises(ContractError, match="float32 images"):
        teacher.ask(IMAGES.float())
    with pytest.raises(ContractError, match="fails on uint8 images"):
        teacher.ask(IMAGES[:, :14])


# Our own


def test_a_saved_teacher_loads_and_answers_the_same(fitted: tuple[Path, EfficientNetLite2]) -> None:
    path, network = fitted
    teacher = load_teacher(str(path), "cpu", classes=3)
    assert_answers(teacher, 3, 1280)
    with torch.inference_mode():
        logits, features = network(IMAGES.unsqueeze(1))
    answer = teacher.ask(IMAGES)
    assert torch.allclose(answer.logits, logits, atol=1e-6) and torch.allclose(answer.features, features, atol=1e-6)


def test_damaged_and_foreign_files_are_refused(fitted: tuple[Path, EfficientNetLite2], tmp_path: Path) -> None:
    from safetensors.torch import save_file

    whole = fitted[0].read_bytes()
    path = tmp_path / "bad.safetensors"
    damaged = bytearray(whole)
    damaged[-1000] ^= 1
    for content, told in (
        (whole[:1000], "not a safetensors file"),
        (b"", "not a safetensors"),
        (damaged, "other weights"),
    ):
        path.write_bytes(content)
        with pytest.raises(ContractError, match=told):
            load_teacher(str(path), "cpu")
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(ContractError, match="no teacher of this version"):
        load_teacher(str(path), "cpu")


def test_a_stem_of_stride_one_keeps_twice_the_map() -> None:
    wide, usual = EfficientNetLite2(24, 1, 3, pretrained=False), EfficientNetLite2(48, 2, 3, pretrained=False)
    maps = [net.eval().body.extract_features(torch.zeros(1, 3, s, s)).shape for net, s in ((wide, 24), (usual, 48))]
    assert maps[0] == maps[1] == (1, 1280, 2, 2)
    # After the stem both see maps of the same size, and so pad alike.
    assert str(wide.body._blocks) == str(usual.body._blocks)
    with pytest.raises(SdrScError, match="cannot take images of 16 pixels"):
        EfficientNetLite2(16, 2, 3, pretrained=False)


# Fitting


def test_a_resumed_fit_equals_an_uninterrupted_one(data: ImageSet, tmp_path: Path) -> None:
    device, path = torch.device("cpu"), tmp_path / "fit.pt"
    losses: list[float] = []
    whole = FitTrainer(data, SMALL, device).run(losses.append)

    def kill(_loss: float) -> None:
        if first.step == 3:  # two steps an epoch: within the second one
            raise KeyboardInterrupt

    first = FitTrainer(data, SMALL, device)
    with pytest.raises(KeyboardInterrupt):
        first.run(kill, checkpoint=path, checkpoint_steps=3)
    second = FitTrainer(data, SMALL, device)
    second.load(path)
    assert second.step == 3
    resumed = second.run(lambda loss: losses.append(loss))
    assert losses[4] == losses[3] and len(losses) == 5
    for one, other in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_checkpoints_of_others_are_refused(data: ImageSet, tmp_path: Path) -> None:
    path = tmp_path / "fit.pt"
    trainer = FitTrainer(data, SMALL, torch.device("cpu"))
    trainer.save(path)
    trainer.config = replace(SMALL, learning_rate=1e-4)
    with pytest.raises(SdrScError, match="belongs to other settings"):
        trainer.load(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(SdrScError, match="cannot be read"):
        trainer.load(path)


def test_held_out_images_are_not_trained_on(data: ImageSet) -> None:
    trainer = FitTrainer(data, replace(SMALL, limit=0, pretrained=False), torch.device("cpu"))
    trained, held_out = (
        {image.numpy().tobytes() for image in part} for part in (trainer.images, trainer.validation[0])
    )
    assert len(trained) == 64 and len(held_out) == 16 and not trained & held_out


@pytest.mark.parametrize(
    "settings",
    [{"epochs": 0}, {"batch_size": 1}, {"learning_rate": 0.0}, {"label_smoothing": 1.0}, {"limit": -1}, {"erase": 64}],
)
def test_settings_that_make_no_sense_are_refused(settings: dict) -> None:
    with pytest.raises(SdrScError):
        FitConfig(**settings)


def test_stored_arguments_resume_only_what_another_schedule_began() -> None:
    given = ["teacher", "fit", "--resume", "--epochs", "3"]
    assert _stored_arguments(given, []) == ["teacher", "fit", "--epochs", "3"]
    assert _stored_arguments(given, [(100, 2)]) == given


def test_the_command_fits_measures_and_guards_its_files(tmp_path: Path) -> None:
    out, figures = tmp_path / "t.safetensors", tmp_path / "t.json"
    small = ["--image-size", "32", "--limit", "64", "--batch-size", "32", "--epochs", "1", "--threads", "1"]
    arguments = ["teacher", "fit", "--out", str(out), *small, "--validation-images", "20", "--test-images", "50"]
    done = sdr_sc(*arguments, "--device", "cpu", "--json", str(figures))
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(figures.read_text())["rows"]}
    assert rows["accuracy, test"]["n"] == 50 and rows["accuracy, test"]["goal"] is None, "a few images have no goal"
    assert_answers(load_teacher(str(out), "cpu", classes=10), 10, 1280)
    assert_one_line_error(sdr_sc(*arguments), "t.pt is there already", "--resume")
    assert_one_line_error(sdr_sc(*arguments, "--resume", "--seed", "2"), "belongs to other settings")
    elsewhere = [str(tmp_path / "u.safetensors") if part == str(out) else part for part in arguments]
    assert_one_line_error(sdr_sc(*elsewhere, "--resume"), "u.pt is missing", "leave out --resume")
