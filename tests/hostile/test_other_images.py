# SPDX-License-Identifier: GPL-3.0-or-later
"""Images under Fashion-MNIST's file names that are not Fashion-MNIST, and files that are no images at all."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from command import assert_one_line_error, sdr_sc

from sdr_sc.data import fashion_mnist
from sdr_sc.data.dataset import trained_on_others
from sdr_sc.errors import DataSetError
from sdr_sc.semantic import weights

SHIPPED = weights.read_contract(weights.DEFAULT_MODEL)


def idx(values: np.ndarray) -> bytes:
    """An IDX file of unsigned bytes."""
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def put(folder: Path, split: str, images: bytes, labels: bytes) -> None:
    """The two files of a split, compressed."""
    folder.mkdir(exist_ok=True)
    prefix = {"train": "train", "test": "t10k"}[split]
    (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images, mtime=1))
    (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels, mtime=1))


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of 100 random images, which the environment names."""
    rng = np.random.default_rng(1)
    folder = tmp_path / "own"
    for split in ("train", "test"):
        images = rng.integers(0, 256, (100, 28, 28)).astype(np.uint8)
        put(folder, split, idx(images), idx(rng.integers(0, 10, 100).astype(np.uint8)))
    monkeypatch.setenv(fashion_mnist.FOLDER_VARIABLE, str(folder))
    return folder


def test_fashion_mnist_is_known_by_its_content_whatever_compressed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(fashion_mnist.FOLDER_VARIABLE, raising=False)
    real = fashion_mnist.load("test")
    assert (real.name, real.sha256) == ("Fashion-MNIST", fashion_mnist.SET_SHA256["test"])
    assert SHIPPED.data_set_sha256 == fashion_mnist.SET_SHA256["train"]
    put(tmp_path / "x", "test", idx(real.images), idx(real.labels.astype(np.uint8)))
    monkeypatch.setenv(fashion_mnist.FOLDER_VARIABLE, str(tmp_path / "x"))
    again = fashion_mnist.load("test")
    assert (again.name, again.sha256, again.class_names) == (real.name, real.sha256, real.class_names)
    assert trained_on_others("m", SHIPPED.data_set, SHIPPED.data_set_sha256, again) is None


def test_own_images_have_a_name_of_their_own_and_no_clothes(own: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = fashion_mnist.load("test")
    assert data.name == f"own images {data.sha256[:8]}" and data.class_names == fashion_mnist.OWN_CLASS_NAMES
    assert "are not Fashion-MNIST" in caplog.text
    told = trained_on_others("m", SHIPPED.data_set, SHIPPED.data_set_sha256, data)
    assert told is not None and "was trained on Fashion-MNIST" in told and data.name in told
    mine = fashion_mnist.load("train")
    assert trained_on_others("m", mine.name, mine.sha256, data) is None


def test_evaluating_on_own_images_says_so_and_judges_nothing(own: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    done = sdr_sc("evaluate", "--images", 100, "--snr", 20, "--k", 16, "--json", out, timeout_s=300)
    assert done.returncode == 0, done.stderr
    assert "are not Fashion-MNIST" in done.stderr and "was trained on Fashion-MNIST" in done.stderr
    assert "there are no goals of accuracy" in done.stdout
    content = json.loads(out.read_text())
    assert content["config"]["data_set"].startswith("own images ")
    assert not [row for row in content["rows"] if row["goal"] and "accuracy" in row["name"]]


def test_other_models_are_evaluated_without_the_shipped_ones_goals(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    tensors = weights.read_tensors(weights.DEFAULT_MODEL)
    tensors["decoder.logits.weight"] = -tensors["decoder.logits.weight"]
    weights.save(path, tensors, SHIPPED)
    done = sdr_sc("evaluate", "--model", path, "--images", 100, "--snr", 20, "--k", 16, timeout_s=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "91" not in done.stdout and "there are no goals of accuracy" in done.stdout


def test_other_images_in_the_package_s_place_are_refused(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(fashion_mnist.FOLDER_VARIABLE)
    monkeypatch.setattr(fashion_mnist, "DEFAULT_FOLDER", own)
    with pytest.raises(DataSetError, match="are not Fashion-MNIST's; run .*apt-get install --reinstall"):
        fashion_mnist.load("test")


ZEROS, LABELS = idx(np.zeros((3, 28, 28), np.uint8)), idx(np.zeros(3, np.uint8))


@pytest.mark.parametrize(
    ("images", "labels", "told"),
    [
        (ZEROS, idx(np.full(3, 10, np.uint8)), "have the label 10; own images can have the labels 0 to 9"),
        (ZEROS, idx(np.zeros(2, np.uint8)), "has 3 images but 2 labels"),
        (idx(np.zeros((0, 28, 28), np.uint8)), idx(np.zeros(0, np.uint8)), "has 0 images but 0 labels"),
        (idx(np.zeros((3, 784), np.uint8)), LABELS, r"shapes \(3, 784\) and \(3,\)"),
        (bytes([0, 0, 8, 3]) + b"\xff" * 12, LABELS, "holds 0 values where its header says"),
        (bytes([0, 0, 8, 255]) + b"\xff" * 4 * 255, LABELS, "holds 0 values where its header says"),
        (bytes([0, 0, 8, 0, 1]), LABELS, "in 0 dimensions"),
        (b"\0\0\x09\x01", LABELS, "is not an IDX file of unsigned bytes"),
        (b"\0\0\x08\x03\0", LABELS, "ends inside its header"),
        (b"", LABELS, "is not an IDX file"),
    ],
)
def test_files_that_are_no_images_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: bytes, labels: bytes, told: str
) -> None:
    put(tmp_path / "x", "test", images, labels)
    monkeypatch.setenv(fashion_mnist.FOLDER_VARIABLE, str(tmp_path / "x"))
    with pytest.raises(DataSetError, match=told) as error:
        fashion_mnist.load("test")
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


def test_a_small_file_that_decompresses_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fashion_mnist, "LIMIT_BYTES", 1 << 20)
    put(tmp_path / "x", "test", bytes(2 << 20), LABELS)
    monkeypatch.setenv(fashion_mnist.FOLDER_VARIABLE, str(tmp_path / "x"))
    with pytest.raises(DataSetError, match="more than 1 MiB of images"):
        fashion_mnist.load("test")


def test_a_damaged_file_is_one_line_of_the_command(own: Path) -> None:
    path = own / "t10k-images-idx3-ubyte.gz"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert_one_line_error(sdr_sc("evaluate", "--images", 10, "--snr", 20), "cannot be read", "install it again")
