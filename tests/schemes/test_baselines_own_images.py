# SPDX-License-Identifier: GPL-3.0-or-later
"""The baselines with images of the user's own: in colour, of another size, with another number of classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from colour_images import colour_set
from torch import Tensor, nn

from sdr_sc.data.dataset import LOADERS, ImageSet, Split
from sdr_sc.distill.config import DistillConfig
from sdr_sc.distill.export.finish import ship
from sdr_sc.distill.train import Trainer
from sdr_sc.errors import SdrScError
from sdr_sc.phy.numerology import Numerology
from sdr_sc.schemes import image_accuracy, pca
from sdr_sc.schemes.catalogue import make_scheme
from sdr_sc.schemes.classify import images_of
from sdr_sc.schemes.image_accuracy import BUDGETS_BYTES, budgets_of
from sdr_sc.schemes.image_codecs import SIDES, make_codec, size_at
from sdr_sc.schemes.link import LinkResult, run_scheme
from sdr_sc.schemes.pca import PcaModel
from sdr_sc.schemes.scheme import Scheme

pytestmark = pytest.mark.usefixtures("one_thread")
SHAPE = (3, 20, 24)
CLASSES = 8
NAMES = tuple(f"toy {number}" for number in range(CLASSES))


def load_toys(split: Split) -> ImageSet:
    """Colour pictures, 20 x 24, of the first eight classes of the synthetic set."""
    images, labels, _ = colour_set(1000 if split == "train" else 200, seed=11 if split == "train" else 12)
    kept = labels < CLASSES
    planes = np.ascontiguousarray(images[kept][:, 4:24, 4:28].transpose(0, 3, 1, 2))
    sums = {"train": "a" * 64, "test": "b" * 64}
    return ImageSet(planes, labels[kept].astype(np.int64), NAMES, sums[split], "toys", split, sums["train"])


@dataclass(frozen=True)
class Smells:
    """A data set of no images."""

    modality: str = "smell"


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    LOADERS.update({"toys": load_toys, "smells": lambda split: Smells()})
    yield
    for name in ("toys", "smells"):
        del LOADERS[name]
    images_of.cache_clear()
    image_accuracy.validation_images.cache_clear()


@pytest.fixture(scope="module")
def student(registered: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student that was distilled for these pictures."""
    config = DistillConfig(
        epochs=20, batch_items=50, k_list=(4, 16), validation_items=100, precision="float32", decoder_width=64
    )
    data, path = load_toys("train"), tmp_path_factory.mktemp("toys") / "toys.safetensors"
    trainer = Trainer(data, config)
    trainer.run()
    ship(trainer, data, path, "none")
    return path


class Means(nn.Module):
    """A teacher of two answers: warm or cold."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, images: Tensor) -> Tensor:
        warm = images[:, 0].float().mean((1, 2)) - images[:, 2].float().mean((1, 2))
        signs = torch.tensor([1.0 if place % 2 else -1.0 for place in range(self.classes)])
        return warm.unsqueeze(1) * signs


def eight() -> nn.Module:
    return Means(CLASSES)


def ten() -> nn.Module:
    return Means(10)


def run(scheme: Scheme, snr_db: float, k: int | None) -> LinkResult:
    data = images_of("toys")
    result = run_scheme(scheme, data.images, data.labels, "", snr_db, k, Numerology(), seed=3, classes=CLASSES)
    assert result.items == len(data) == result.confusion.sum()
    return result


def test_every_image_baseline_answers_pictures_of_ones_own(student: Path, tmp_path: Path) -> None:
    components = tmp_path / "toys.safetensors"
    pca.main(components, "toys")
    teacher = f"student:{student}"
    ours = run(make_scheme("ours", "toys", model=str(student)), 25.0, 16)
    label = run(make_scheme("label_ldpc", "toys", teacher=teacher), 25.0, None)
    jpeg = run(make_scheme("jpeg_ldpc", "toys", teacher=teacher), 25.0, 1024)
    webp = run(make_scheme("webp_ldpc", "toys", teacher=teacher), 25.0, 1024)
    linear = run(make_scheme("pca", "toys", file=str(components)), 25.0, 32)
    share = {name: result.correct / result.items for name, result in locals().items() if isinstance(result, LinkResult)}
    assert share["ours"] > 0.5 and share["label"] > 0.5, share  # chance is 0.125
    for image in ("jpeg", "webp"):  # the same classifier, of slightly lossy pictures
        assert abs(share[image] - share["label"]) < 0.15, share
    assert share["linear"] > 0.2, share
    assert label.lost == jpeg.lost == webp.lost == 0


def test_a_teacher_of_ones_own_classifies(tmp_path: Path) -> None:
    result = run(make_scheme("label_ldpc", "toys", teacher=f"{__name__}:eight"), 25.0, None)
    found = result.confusion.sum(axis=0)
    assert result.lost == 0 and found[[0, 1]].sum() == result.items and min(found[0], found[1]) > 0


@pytest.mark.parametrize("name", ["jpeg", "webp"])
@pytest.mark.parametrize("shape", [(3, 24, 32), (3, 128, 128), (17, 40)])
def test_a_codec_takes_images_of_any_shape(name: str, shape: tuple[int, ...]) -> None:
    codec, rng = make_codec(name), np.random.default_rng(4)
    rows, columns = np.mgrid[: shape[-2], : shape[-1]]
    image = np.broadcast_to(20 + rows // 2 + columns // 2, shape).astype(np.uint8) + rng.integers(0, 9, shape, np.uint8)
    if len(shape) == 3:
        image[0] += 40  # red
    for side in SIDES:
        packed = codec.fit(image, 6000, side)
        assert packed is not None
        restored = codec.restore(packed + bytes(5), shape)
        assert restored is not None and restored.shape == shape and restored.dtype == np.uint8
        assert np.abs(restored.astype(float) - image).mean() < 6
        if len(shape) == 3:
            assert restored[0].mean() - restored[2].mean() == pytest.approx(40, abs=4)
    for length in (1, 2, 30, 300):
        for _ in range(10):
            found = codec.restore(rng.bytes(length), shape)
            assert found is None or found.shape == shape
    assert [size_at((28, 28), side) for side in SIDES] == [(side, side) for side in SIDES]


def test_larger_images_are_offered_more_bytes_and_the_tables_say_so(student: Path) -> None:
    assert budgets_of((28, 28)) == BUDGETS_BYTES and budgets_of(SHAPE)[-1] == 3072
    about = make_scheme("jpeg_ldpc", "toys", teacher=f"student:{student}").describe()
    shares = list(about["accuracy_by_bytes"].values())
    assert len(shares) == len(budgets_of(SHAPE)) and shares == sorted(shares) and shares[-1] > 0.5
    assert set(about["side_by_bytes"].values()) <= {20, 17, 14, 11} and "image_accuracy_sha256" not in about


def test_components_of_large_images_come_from_the_images_products(monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = load_toys("train").images[:300], load_toys("train").labels[:300]
    whole = pca.fit(images, labels, (4, 8), epochs=1)
    monkeypatch.setattr(pca, "_LARGEST_MATRIX", 1000)
    other = pca.fit(images, labels, (4, 8), epochs=1)
    signs = np.sign((whole.basis * other.basis).sum(axis=0))
    assert np.allclose(whole.basis, other.basis * signs, rtol=0.02, atol=0.02 * np.abs(whole.basis).max())


@pytest.mark.parametrize(
    ("scheme", "data_set", "parameters", "words"),
    [
        ("jpeg_ldpc", "toys", {}, "give teacher: FILE.*--data-set toys"),
        ("label_ldpc", "toys", {"teacher": "student"}, "give teacher: FILE.*--data-set toys"),
        ("webp_ldpc", "toys", {"teacher": "student:fashion_mnist_student"}, "takes items of shape"),
        ("jpeg_ldpc", "toys", {"teacher": f"{__name__}:ten"}, "10.*8|8.*10"),
        ("pca", "toys", {}, "sdr_sc.schemes.pca FILE toys"),
        ("pca", "toys", {"file": str(pca.SHIPPED)}, "784 values and 10 classes.*1440 and 8"),
        ("jpeg_ldpc", "smells", {}, "the data set smells holds smells"),
        ("label_ldpc", "smells", {"teacher": f"{__name__}:ten"}, "the data set smells holds smells"),
        ("pca", "smells", {"file": str(pca.SHIPPED)}, "send images"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(
    scheme: str, data_set: str, parameters: dict[str, str], words: str
) -> None:
    with pytest.raises(SdrScError, match=words) as caught:
        make_scheme(scheme, data_set, **parameters)
    assert "\n" not in str(caught.value)


def test_too_few_images_for_components_are_refused() -> None:
    data = load_toys("train").first(50)
    with pytest.raises(SdrScError, match="50 images of 1440 values are too few for 64 principal components"):
        pca.fit(data.images, data.labels)


def test_a_file_of_components_says_how_many_classes_it_knows(tmp_path: Path) -> None:
    data = replace(load_toys("train"), images=load_toys("train").images[:200], labels=load_toys("train").labels[:200])
    pca.fit(data.images, data.labels, (2, 4), epochs=1).save(tmp_path / "x.safetensors")
    assert PcaModel.read(tmp_path / "x.safetensors").classes == CLASSES
