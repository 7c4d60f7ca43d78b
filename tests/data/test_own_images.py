# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of the user's own: class folders, .npz files and CIFAR's archives, and what is wrong with some of them."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from colour_images import cifar_batch, colour_set, write_cifar
from PIL import Image

from sdr_sc.data.catalogue import dataset_names, load_dataset
from sdr_sc.data.dataset import register_dataset, trained_on_others
from sdr_sc.data.own_options import OwnOptions, parse_spec
from sdr_sc.errors import DataSetError


def write_folder(root: Path, per_class: int = 12, side: int = 20, colour: bool = True, seed: int = 1) -> Path:
    rng = np.random.default_rng(seed)
    for name in ("apple", "pear"):
        (root / name).mkdir(parents=True)
        for number in range(per_class):
            pixels = rng.integers(0, 256, (side, side, 3) if colour else (side, side), np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number:02}.png")
    return root


def refused(spec: object, split: Any = "train") -> str:
    with pytest.raises(DataSetError) as error:
        load_dataset(str(spec), split)
    sentence = str(error.value)
    assert "\n" not in sentence and sentence.endswith(".")
    return sentence


def save_npz(path: Path, **changes: Any) -> Path:
    rng = np.random.default_rng(1)
    arrays: dict[str, Any] = {
        "x_train": rng.integers(0, 256, (30, 24, 24), np.uint8),
        "y_train": np.arange(30) % 3,
        "x_test": rng.integers(0, 256, (9, 24, 24), np.uint8),
        "y_test": np.arange(9) % 3,
    }
    arrays |= changes
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    return path


def test_a_folder_of_classes_is_divided_by_its_pictures_alone(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "fruit", per_class=40)
    train, test = load_dataset(str(root), "train"), load_dataset(str(root), "test")
    assert train.class_names == ("apple", "pear") and train.item_shape == (3, 20, 20) and train.name == "fruit"
    assert len(train) + len(test) == 80 and 4 <= len(test) <= 30
    assert train.training_sha256 == test.training_sha256 == train.sha256 != test.sha256
    os.rename(root / "apple" / "05.png", root / "apple" / "zz.png")  # the name does not decide
    again = load_dataset(str(root), "test")
    assert sorted(image.tobytes() for image in again.images) == sorted(image.tobytes() for image in test.images)


def test_parts_of_its_own_are_taken_as_they_are(tmp_path: Path) -> None:
    write_folder(tmp_path / "set" / "train", 5)
    write_folder(tmp_path / "set" / "test", 3, seed=2)
    train, test = load_dataset(str(tmp_path / "set"), "train"), load_dataset(str(tmp_path / "set"), "test")
    assert (len(train), len(test)) == (10, 6) and test.training_sha256 == train.sha256
    first = np.asarray(Image.open(tmp_path / "set" / "train" / "apple" / "00.png"))
    assert np.array_equal(train.images[0], first.transpose(2, 0, 1))


def test_pictures_are_scaled_and_made_grey_on_demand(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "fruit", side=50)
    assert load_dataset(f"{root},size=32", "train").item_shape == (3, 32, 32)
    grey = load_dataset(f"{root},size=28,colour=grey", "train")
    assert grey.item_shape == (28, 28) and grey.images.std() > 10


def test_pictures_that_differ_in_size_are_refused_with_the_way_out(tmp_path: Path) -> None:
    write_folder(tmp_path / "set" / "train", 5)
    write_folder(tmp_path / "set" / "test", 3)
    Image.new("RGB", (40, 30)).save(tmp_path / "set" / "train" / "pear" / "wide.png")
    sentence = refused(tmp_path / "set")
    assert "from 20 x 20 to 40 x 30" in sentence and "size=32" in sentence
    assert load_dataset(f"{tmp_path / 'set'},size=32", "train").item_shape == (3, 32, 32)


def test_pictures_that_cannot_be_decoded_are_named_or_skipped_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_folder(tmp_path / "set" / "train", 5)
    write_folder(tmp_path / "set" / "test", 3)
    root = tmp_path / "set"
    whole = (root / "train" / "pear" / "01.png").read_bytes()
    (root / "train" / "pear" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (root / "train" / "pear" / "none.jpg").write_bytes(b"no picture")
    sentence = refused(root)
    assert "cut.png cannot be decoded" in sentence and "bad=skip" in sentence
    assert len(load_dataset(f"{root},bad=skip", "train")) == 10
    assert "2 of the pictures" in caplog.text and "cut.png" in caplog.text


def test_transparent_parts_are_white_and_palettes_are_colours(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / part / name).mkdir(parents=True)
            picture = Image.new("RGBA", (16, 16), (255, 0, 0, 0))
            picture.paste((0, 0, 255, 255), (0, 0, 8, 16))
            picture.save(tmp_path / part / name / "x.png")
            picture.convert("P").save(tmp_path / part / name / "y.png")
    images = load_dataset(str(tmp_path), "test").images
    assert images[0, :, 0, 0].tolist() == [0, 0, 255] and images[0, :, 0, 15].tolist() == [255, 255, 255]
    assert images[1, 2, 0, 0] > 200


def test_folders_that_are_no_data_set(tmp_path: Path) -> None:
    assert "unknown: no such name" in refused(tmp_path / "none") and "fashion_mnist" in refused(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert "no class folders" in refused(tmp_path / "empty")
    (tmp_path / "one" / "a").mkdir(parents=True)
    assert "no picture" in refused(tmp_path / "one")
    root = write_folder(tmp_path / "fruit", 30)
    (root / "plum").mkdir()
    assert "no item of class 'plum'" in refused(root)
    assert "12 x 12" in refused(write_folder(tmp_path / "small", 30, side=12))
    (tmp_path / "text.csv").write_text("a,b")
    assert "no data set" in refused(tmp_path / "text.csv")
    with pytest.raises(DataSetError, match="use 'train' or 'test'"):
        load_dataset(str(root), "all")  # type: ignore[arg-type]


def test_names_in_another_encoding_are_one_sentence_or_no_matter(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "set", 30)
    before = load_dataset(str(root), "train").sha256
    os.rename(root / "pear" / "00.png", os.fsencode(root / "pear") + b"/caf\xe9.png")
    assert len({load_dataset(str(root), "train").sha256, before}) == 2
    os.rename(root / "pear", os.fsencode(root) + b"/caf\xe9")
    assert "caf\\udce9', whose name is no UTF-8 text; rename it" in refused(root)


@pytest.mark.parametrize("option", ["size=8", "size=x", "size=32,size=64", "colour=red", "bad=ignore", "sise=32", "x"])
def test_options_that_make_no_sense(option: str) -> None:
    with pytest.raises(DataSetError):
        parse_spec(f"folder,{option}")
    assert parse_spec("folder,bad=skip") == (Path("folder"), OwnOptions(bad="skip"))


def test_arrays_in_one_file(tmp_path: Path) -> None:
    path = save_npz(tmp_path / "mine.npz", class_names=np.array(["a", "b", "c"]))
    train, test = load_dataset(str(path), "train"), load_dataset(str(path), "test")
    assert (len(train), len(test)) == (30, 9) and train.class_names == ("a", "b", "c") and train.name == "mine"
    assert train.sha256 == test.training_sha256 and load_dataset(f"{path},size=32", "test").item_shape == (32, 32)
    channels_last = np.random.default_rng(2).integers(0, 256, (30, 24, 24, 3), np.uint8)
    found = load_dataset(str(save_npz(tmp_path / "rgb.npz", x_train=channels_last)), "train")
    assert np.array_equal(found.images, channels_last.transpose(0, 3, 1, 2)) and found.class_names[2] == "class 2"
    first = load_dataset(str(save_npz(tmp_path / "f.npz", x_train=found.images)), "train")
    assert np.array_equal(first.images, found.images)
    column = load_dataset(str(save_npz(tmp_path / "c.npz", y_train=(np.arange(30) % 3)[:, None])), "train")
    assert np.array_equal(column.labels, train.labels)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"x_test": None}, "has no 'x_test'"),
        ({"x_train": np.zeros((30, 24, 24))}, "float64; give uint8"),
        ({"x_train": np.zeros((30, 24), np.uint8)}, "of shape (30, 24)"),
        ({"y_train": np.zeros(29, int)}, "30 images but 29 labels"),
        ({"y_train": np.arange(30) % 3 * 1.5}, "whole numbers"),
        ({"y_train": np.arange(30) % 3 - 1}, "whole numbers"),
        ({"y_train": np.arange(30) % 2 * 2}, "no item of class 'class 1'"),
        ({"x_train": np.array([object()] * 30)}, "Python objects in 'x_train'"),
        ({"class_names": np.array(["a", "b"])}, "2 class_names for 3 classes"),
        ({"class_names": np.array(["a", "b", object()])}, "Python objects"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_arrays_that_are_no_data_set(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    assert words in refused(save_npz(tmp_path / "mine.npz", **changes))


def test_a_file_that_is_no_archive_or_is_cut(tmp_path: Path) -> None:
    path = save_npz(tmp_path / "mine.npz")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "cannot be read" in refused(path)
    path.write_bytes(b"not an archive")
    assert "cannot be read" in refused(path)


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])
def test_cifar_10_is_read_without_unpickling(tmp_path: Path, packed: bool) -> None:
    images, labels, _ = colour_set(60, seed=1)
    path = write_cifar(tmp_path, seed=1, per_batch=60)
    if packed:
        with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as archive:
            archive.add(path, "cifar-10-batches-py")
        path = tmp_path / "cifar-10-python.tar.gz"
    train, test = load_dataset(str(path), "train"), load_dataset(str(path), "test")
    assert (len(train), len(test)) == (300, 60) and train.item_shape == (3, 32, 32) and len(train.class_names) == 10
    assert np.array_equal(train.images[:60], images.transpose(0, 3, 1, 2)) and np.array_equal(train.labels[:60], labels)
    assert test.training_sha256 == train.sha256 and train.name == "CIFAR-10"


def test_cifar_100_has_its_fine_classes(tmp_path: Path) -> None:
    images, _, _ = colour_set(200, seed=1)
    labels = [number % 100 for number in range(200)]
    for name in ("train", "test"):
        (tmp_path / name).write_bytes(cifar_batch(images, labels, b"fine_labels"))
    names = [f"name {number}".encode() for number in range(100)]
    (tmp_path / "meta").write_bytes(pickle.dumps({b"fine_label_names": names}, protocol=2))
    data = load_dataset(str(tmp_path), "train")
    assert data.name == "CIFAR-100" and len(data.class_names) == 100 and data.labels.tolist() == labels


class Harmful:
    """Its pickle writes a file when it is read by Python's own reader."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.path}",)


def test_a_pickle_that_would_run_something_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    folder, target = write_cifar(tmp_path, seed=1, per_batch=20), tmp_path / "ran"
    harmful = pickle.dumps({b"data": Harmful(target), b"labels": [0]}, protocol=2)
    (folder / "data_batch_1").write_bytes(harmful)
    assert "which no CIFAR file does" in refused(folder) and not target.exists()
    pickle.loads(harmful)
    assert target.exists()  # so it would have


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "no batch of CIFAR"),
        (b"\x80\x02}q\x00.", "has no pictures"),
        (b"\x80\x02]q\x00.", "no dictionary"),
        (b"\x80\x02}r\xff\xff\xff\x7f.", "numbers more places"),
        (b"cos\nsystem\n(S'true'\ntR.", "no batch of CIFAR"),
        (b"P1\n.", "no batch of CIFAR"),
        (pickle.dumps({b"data": np.zeros((2, 3072)), b"labels": [0, 1]}, 2), "has no pictures"),
        (pickle.dumps({b"data": np.zeros((2, 3071), np.uint8), b"labels": [0, 1]}, 2), "has no pictures"),
        (pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0]}, 2), "not one label"),
        (pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, 10]}, 2), "not one label"),
        (pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, True]}, 2), "not one label"),
        (pickle.dumps({b"data": np.array([{}, {}]), b"labels": [0, 1]}, 2), "has no pictures"),
    ],
)
def test_damaged_batches(tmp_path: Path, raw: bytes, words: str) -> None:
    folder = write_cifar(tmp_path, seed=1, per_batch=20)
    (folder / "data_batch_3").write_bytes(raw)
    assert words in refused(folder)


def test_a_batch_that_is_missing_and_an_archive_that_is_cut(tmp_path: Path) -> None:
    folder = write_cifar(tmp_path, seed=1, per_batch=20)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.add(folder, "x")
    (tmp_path / "cut.tar.gz").write_bytes(buffer.getvalue()[:-200])
    assert "cannot be read" in refused(tmp_path / "cut.tar.gz")
    (folder / "data_batch_4").unlink()
    assert "'data_batch_4'" in refused(folder)


def test_a_name_is_registered_once() -> None:
    @register_dataset("test_own_images")
    def load(split: str) -> str:
        return split

    assert load_dataset("test_own_images", "train") == "train" and "test_own_images" in dataset_names()
    with pytest.raises(DataSetError, match="registered twice"):
        register_dataset("test_own_images")(lambda split: None)


def test_a_model_knows_its_training_data(tmp_path: Path) -> None:
    train, test = (load_dataset(str(save_npz(tmp_path / "mine.npz")), split) for split in ("train", "test"))
    assert trained_on_others("m", train.name, train.sha256, test) is None
    words = trained_on_others("m", "another", "0" * 64, test)
    assert words is not None and "mine" in words


def test_grey_pictures_of_16_bits_keep_their_range(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 20 * 20).reshape(20, 20).astype(np.uint16)
    for name in ("apple", "pear"):
        (tmp_path / name).mkdir()
        for number in range(12):
            Image.fromarray(np.roll(values, number, axis=0)).save(tmp_path / name / f"{number}.png")
    images = load_dataset(str(tmp_path), "train").images
    assert images.shape[1:] == (20, 20) and images[0].min() == 0 and images[0].max() == 255
    assert abs(int(np.median(images[0])) - 127) < 3
