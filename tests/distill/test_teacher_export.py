# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitted teachers as ONNX."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from command import assert_one_line_error, sdr_sc
from teachers import small_teacher

from sdr_sc.data import fashion_mnist
from sdr_sc.distill.teachers.efficientnet import load
from sdr_sc.distill.teachers.export import compare, export_teacher
from sdr_sc.distill.teachers.load import load_teacher
from sdr_sc.errors import SdrScError


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_teacher(tmp_path_factory.mktemp("teacher") / "small.safetensors")


def test_an_exported_teacher_answers_as_the_fitted_one(teacher: Path, tmp_path: Path) -> None:
    out, images = tmp_path / "small.onnx", torch.tensor(fashion_mnist.load("test").images[:64])
    found = export_teacher(teacher, out, images[:8])
    one, other = (load_teacher(str(path), "cpu", classes=10) for path in (teacher, out))
    assert one.ask(images).logits.std() > 0.1
    apart = compare(one, other, images)
    assert max(found.logits, apart.logits, apart.features) <= 1e-3
    assert other.feature_dim == one.feature_dim and [path.name for path in tmp_path.iterdir()] == ["small.onnx"]
    with pytest.raises(SdrScError, match="has to end in .onnx"):
        export_teacher(teacher, tmp_path / "small.txt", images[:8])
    assert load(teacher)[1].image_size == 32


def test_the_teacher_export_command(teacher: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.onnx"
    done = sdr_sc("teacher", "export", teacher, "--out", out, "--check-images", 20, OMP_NUM_THREADS="1")
    assert done.returncode == 0 and out.is_file(), done.stderr
    assert_one_line_error(sdr_sc("teacher", "export", "none.safetensors", "--out", out), "none.safetensors")
