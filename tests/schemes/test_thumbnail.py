# SPDX-License-Identifier: GPL-3.0-or-later
"""Thumbnails over the air: pictures, context model, range coder, classifier, and files that are damaged."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from sdr_sc.data import fashion_mnist
from sdr_sc.data.dataset import ImageSet
from sdr_sc.errors import ContractError, SdrScError
from sdr_sc.phy.numerology import Numerology
from sdr_sc.schemes.catalogue import make_scheme
from sdr_sc.schemes.link import LinkResult, run_scheme
from sdr_sc.schemes.scheme import Scheme
from sdr_sc.schemes.thumbnail import coder
from sdr_sc.schemes.thumbnail.context import ContextModel, inputs_of, padded
from sdr_sc.schemes.thumbnail.pictures import lloyd_levels, quantised, shrinking, thumbnails
from sdr_sc.schemes.thumbnail.source import FOLDER, ThumbnailSource
from sdr_sc.schemes.thumbnail_ldpc import ThumbnailScheme
from sdr_sc.sealed import sidecar

FILES = sorted(FOLDER.glob("thumbnail_*.safetensors"))


@pytest.fixture(scope="module")
def data() -> ImageSet:
    return fashion_mnist.load("test").first(300)


@pytest.fixture(scope="module")
def thumbnail() -> ThumbnailScheme:
    return ThumbnailScheme("thumbnail_ldpc")


def run(scheme: Scheme, data: ImageSet, snr_db: float, k: int | None, items: int = 100) -> LinkResult:
    result = run_scheme(scheme, data.images[:items], data.labels[:items], "", snr_db, k, Numerology(), seed=3)
    assert result.items == items == result.confusion.sum() == result.items_by_frame.sum()
    return result


def random_model(side: int, levels: int, seed: int = 1) -> ContextModel:
    rng = np.random.default_rng(seed)
    sizes = (inputs_of(side), 24, levels)
    layers = ((rng.standard_normal((a, b)).astype(np.float32) / a**0.5, rng.standard_normal(b).astype(np.float32))
              for a, b in zip(sizes, sizes[1:], strict=False))  # fmt: skip
    return ContextModel(side, levels, tuple(layers))


def test_thumbnails_are_those_of_pillow() -> None:
    from PIL import Image

    images = fashion_mnist.load("test").images[:20]
    for side in (10, 14, 20):
        wanted = [np.asarray(Image.fromarray(one).resize((side, side), Image.Resampling.BILINEAR)) for one in images]
        assert np.abs(thumbnails(images, side).astype(int) - np.stack(wanted)).max() <= 1
        np.testing.assert_allclose(shrinking(28, side).sum(axis=1), 1)
    assert (thumbnails(images, 28) == images).all()


def test_levels_are_the_nearest_and_better_than_even_ones() -> None:
    pixels = thumbnails(fashion_mnist.load("test").images[:500], 14)
    levels = lloyd_levels(pixels, 6)
    index = quantised(pixels, levels)
    assert (np.diff(levels) > 0).all() and len(levels) == 6 and index.max() == 5
    assert (np.abs(levels[index] - pixels) <= np.abs(levels[:, None, None, None] - pixels).min(axis=0) + 1e-9).all()
    even = np.linspace(0, 255, 6)
    assert np.mean((levels[index] - pixels) ** 2.0) < 0.8 * np.mean((even[quantised(pixels, even)] - pixels) ** 2.0)


@pytest.mark.parametrize("side, levels, items", [(10, 2, 1), (14, 6, 50), (9, 17, 7)])
def test_thumbnails_are_decoded_as_they_were_whatever_follows_in_the_codeword(
    side: int, levels: int, items: int
) -> None:
    model = random_model(side, levels)
    index = np.random.default_rng(2).integers(0, levels, (items, side, side)).astype(np.uint8)
    bits = coder.encode(index, model)
    for zeros in (0, 1, 500):
        assert (coder.decode(np.concatenate((bits, np.zeros(zeros, np.uint8))), items, model) == index).all()
    ideal = -np.log2(np.take_along_axis(model.chances(padded(index, levels), np.arange(side * side)),
                                        index.reshape(-1, 1).astype(int), axis=1)).sum()  # fmt: skip
    assert ideal - 1 < len(bits) < 1.002 * ideal + 40


def test_chances_of_a_pixel_depend_on_nothing_after_it() -> None:
    model, rng = random_model(12, 5), np.random.default_rng(3)
    index = rng.integers(0, 5, (4, 12, 12)).astype(np.uint8)
    whole = model.chances(padded(index, 5), np.arange(144)).reshape(4, 144, 5)
    np.testing.assert_allclose(whole.sum(axis=2), 1, rtol=1e-5)
    for place in (0, 11, 77, 143):
        cut = index.reshape(4, -1).copy()
        cut[:, place:] = 0
        found = model.chances(padded(cut.reshape(4, 12, 12), 5), np.array([place]))
        assert (found == whole[:, place]).all()  # to the last bit


def test_bits_that_are_no_message_are_wrong_answers_and_nothing_worse(thumbnail: ThumbnailScheme) -> None:
    rng = np.random.default_rng(4)
    examples = int(os.environ.get("SDR_SC_FUZZ_EXAMPLES", "6"))
    for scheme in (thumbnail,):
        for source in scheme._sources:
            for number in range(examples):
                bits = rng.integers(0, 2, int(rng.integers(0, 3000))).astype(np.uint8) * (number % 3 > 0)
                items = int(rng.integers(1, 64))
                found = source.decode(bits, items)
                if found is not None:
                    assert found.probabilities.shape == (items, 10) and len(found.knowledge) == items
                    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, rtol=1e-4)


def test_targets_and_budgets_choose_among_the_thumbnails(thumbnail: ThumbnailScheme) -> None:
    assert len(FILES) >= 3
    better = ThumbnailScheme("thumbnail_ldpc", target=90)
    cheap, dear = (ThumbnailScheme("thumbnail_ldpc", target=target).plans(10.0, None, 50)[0] for target in (70, 90))
    assert thumbnail._sources[cheap[0]].item_bits < better._sources[dear[0]].item_bits
    for scheme in (thumbnail, better):
        modes = [scheme.plans(float(snr_db), 256, 50)[0][1] for snr_db in range(0, 25, 4)]
        assert modes == sorted(modes) and modes[0] < modes[-1]
    with pytest.raises(SdrScError, match="k=5 is not a budget of scheme thumbnail_ldpc; choose one of 8, 16"):
        thumbnail.plans(10.0, 5, 50)


def test_a_budget_is_kept(thumbnail: ThumbnailScheme, data: ImageSet) -> None:
    for k in (48, 128):
        assert run(thumbnail, data, 10.0, k).channel_uses <= 100 * k


def test_what_is_lost_is_wrong_and_counted(thumbnail: ThumbnailScheme, data: ImageSet) -> None:
    class Deceived(ThumbnailScheme):
        def plans(self, snr_db, k, items):
            return super().plans(20.0, k, items)

    result = run(Deceived("thumbnail_ldpc"), data, 3.0, None)
    assert result.frames_lost == 0 and result.lost == 100 and result.correct == 0
    result = run(thumbnail, data, -25.0, None)
    assert result.frames_lost == result.frames and result.lost == 100


def test_settings_that_are_damaged_are_one_sentence(tmp_path: Path) -> None:
    for number, content in enumerate((b"", b"nothing", FILES[0].read_bytes()[:-100])):
        path = tmp_path / f"{number}.safetensors"
        path.write_bytes(content)
        with pytest.raises(ContractError, match="holds no setting of the thumbnail coder"):
            ThumbnailSource.read(path)
    path.write_bytes(FILES[0].read_bytes())
    sidecar(path).write_text(f"{'0' * 64}  {path.name}\n")
    with pytest.raises(ContractError, match="is damaged or was edited"):
        ThumbnailSource.read(path)


def test_a_setting_survives_its_file(tmp_path: Path, data: ImageSet) -> None:
    first = ThumbnailSource.read(FILES[0])
    first.save(tmp_path / "again.safetensors")
    again = ThumbnailSource.read(tmp_path / "again.safetensors")
    bits = first.encode(data.images[:50])
    assert (again.encode(data.images[:50]) == bits).all() and (
        again.decode(bits, 50).probabilities == first.decode(bits, 50).probabilities
    ).all()
    assert again.accuracy == first.accuracy and again.item_bits == first.item_bits


def test_other_data_sets_are_refused() -> None:
    with pytest.raises(SdrScError, match="leave scheme thumbnail_ldpc out"):
        make_scheme("thumbnail_ldpc", "cifar10")


def test_nine_tenths_over_the_air_for_a_fraction_of_jpeg_s_symbols(data: ImageSet) -> None:
    result = run(make_scheme("thumbnail_ldpc", target=85), data, 10.0, None, 300)
    assert result.correct >= 0.8 * 300 and result.lost == 0 and 15 < result.channel_uses / 300 < 60
