# SPDX-License-Identifier: GPL-3.0-or-later
"""Noto's emoji on random backgrounds: of a small font made here, and as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from data_packages import EMOJI_TEST, blob, deb_of, emoji_font, package_of, put_fetched, toy_font
from real_data import needs

from sdr_sc.data import noto_emoji
from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.composed import SOURCE_SIDE, Composing, compose, fitted
from sdr_sc.data.dataset import ImageSet
from sdr_sc.data.drawings import TRAIN_PERCENT, VALIDATION_PERCENT, compile_entries, looks_of
from sdr_sc.data.emoji_sources import BitmapFont, Emoji, parse_emoji_test
from sdr_sc.data.packages import locate
from sdr_sc.data.splits import SPLITS, alike, part_of
from sdr_sc.errors import DataSetError

VIEWS = {"train": 3, "validation": 2, "test": 2}


def everything(data: ImageSet) -> np.ndarray:
    return np.arange(len(data))


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Packages with a small font and its names, as if they had been fetched."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(locate, "ROOT", tmp_path)
    packages = []
    for name, path, content in (("font", "usr/a.ttf", toy_font()), ("names", "usr/emoji.txt", EMOJI_TEST.encode())):
        raw = deb_of({path: content})
        packages.append(package_of(raw, {path: content}, name))
        put_fetched(tmp_path / "cache", packages[-1], raw)
    monkeypatch.setattr(noto_emoji, "PACKAGES", tuple(packages))
    noto_emoji._compiled.cache_clear()
    yield
    noto_emoji._compiled.cache_clear()


def test_parts_of_a_small_font(toy: None) -> None:
    sets = {split: load_dataset("noto_emoji", split) for split in SPLITS}
    about = noto_emoji._compiled().about
    assert (about["entries"], about["drawings"], about["nearly the same"], about["keywords"]) == (8, 10, 1, [])
    found = {}
    for split, data in sets.items():
        assert data.modality == "image" and data.tasks == ("classification", "subgroup", "retrieval")
        assert data.class_names == ("Smileys & Emotion", "People & Body", "Flags")
        assert data.names("subgroup") == ("face-smiling", "person-role", "country-flag")
        names, places = data.names("retrieval"), data.targets("retrieval", everything(data))
        assert len(data) == len(names) * noto_emoji.VIEWS[split]
        assert np.array_equal(
            data.targets("classification", everything(data)), data.targets("subgroup", everything(data))
        )
        for place, group in zip(places.tolist(), data.groups.tolist(), strict=True):
            found.setdefault(names[place], (split, group))
            assert found[names[place]] == (split, group)
    assert sorted(found) == ["construction worker", "firefighter", "flag: France", "grinning face",
                             "grinning face with big eyes", "man firefighter", "woman firefighter"]  # fmt: skip
    assert found["firefighter"] == found["man firefighter"] == found["woman firefighter"]
    assert len({group for _, group in found.values()}) == 5
    for name in ("construction worker", "flag: France", "grinning face"):
        assert found[name][0] == part_of(name, TRAIN_PERCENT, VALIDATION_PERCENT)


def test_pictures_are_the_same_each_time_and_follow_the_seed() -> None:
    sources = EMOJI_TEST.encode(), toy_font()
    (one, about), (same, _) = (noto_emoji.compile_emoji(*sources, VIEWS, seed=1) for _ in range(2))
    other, _ = noto_emoji.compile_emoji(*sources, VIEWS, seed=2)
    assert all(np.array_equal(one[name], same[name]) for name in one) and about["entries"] == 8
    assert one["train_images"].dtype == np.uint8 and one["train_images"].shape[1:] == (3, 32, 32)
    assert not np.array_equal(one["train_images"], other["train_images"])
    assert np.array_equal(one["train_entries"], other["train_entries"])
    more, _ = noto_emoji.compile_emoji(*sources, {**VIEWS, "train": 5}, seed=1)
    assert np.array_equal(
        more["train_images"].reshape(-1, 5, 3, 32, 32)[:, :3], one["train_images"].reshape(-1, 3, 3, 32, 32)
    )


def test_an_emoji_is_shown_in_all_its_skin_tones() -> None:
    """The entry has two drawings, and over many pictures both of them are taken."""
    entries = noto_emoji.entries_of(parse_emoji_test(EMOJI_TEST.encode(), "a"), BitmapFont(toy_font(), "b"))
    (worker,) = [one for one in entries if one.name == "construction worker"]
    assert len(worker.drawings) == 2
    red, blue = np.zeros((40, 44, 4), np.uint8), np.zeros((40, 44, 4), np.uint8)
    red[..., (0, 3)] = blue[..., (2, 3)] = 255
    worker.drawings = [red, blue]
    arrays, _ = compile_entries([worker], {"train": 40, "validation": 40, "test": 40})
    (pictures,) = [array for name, array in arrays.items() if name.endswith("_images") and len(array)]
    middles = pictures[:, :, 16, 16]
    reds = (middles == [255, 0, 0]).all(axis=1).sum()
    assert 8 < reds < 32 and reds + (middles == [0, 0, 255]).all(axis=1).sum() == 40


def test_a_picture_holds_its_drawing_in_its_colours_on_a_background() -> None:
    red = np.zeros((128, 136, 4), np.uint8)
    red[..., (0, 3)] = 255
    whole = fitted(red)
    assert whole.shape == (SOURCE_SIDE, SOURCE_SIDE, 4) and np.allclose(whole[SOURCE_SIDE // 2, 3], [1, 0, 0, 1])
    assert not whole[0].any(), "a drawing that is wider than high has nothing above it"
    nothing = fitted(np.zeros((128, 128, 4), np.uint8))
    seeds = np.array([[1, 5, view] for view in range(20)])
    with_it, without = (compose(np.stack([one] * 20), Composing(), seeds) for one in (whole, nothing))
    assert with_it.shape == (20, 3, 32, 32) and (with_it[:, :, 16, 16] == [255, 0, 0]).all()
    changed = (with_it != without).any(axis=1).mean(axis=(1, 2))
    assert 0.35 < changed.min() < changed.max() < 1 and changed.std() > 0.02, "drawings differ in size and place"
    assert without.reshape(20, -1).std(axis=0).mean() > 40, "backgrounds differ"


def test_a_half_transparent_drawing_lets_the_background_through() -> None:
    half = np.full((64, 64, 4), 255, np.uint8)
    half[..., 3] = 128
    seeds = np.array([[1, 2, 3]])
    ground = compose(np.zeros((1, SOURCE_SIDE, SOURCE_SIDE, 4), np.float32), Composing(), seeds)[0, :, 16, 16]
    mixed = compose(fitted(half)[None], Composing(), seeds)[0, :, 16, 16]
    assert np.abs(mixed - (128 + ground.astype(float) * 127 / 255)).max() <= 1.5


@pytest.mark.parametrize("points, name, wanted", [
    ((0x1F468, 0x200D, 0x1F91D, 0x200D, 0x1F468), "men holding hands", (0x1F9D1, 0x1F91D, 0x1F9D1)),
    ((0x1F46C,), "men holding hands", (0x1F9D1, 0x1F91D, 0x1F9D1)),
    ((0x1F469, 0x200D, 0x1F467, 0x200D, 0x1F466), "family: woman, girl, boy", (0x1F46A,)),
    ((0x1F3C3, 0x1F3FD, 0x200D, 0x2640, 0xFE0F), "woman running: medium skin tone", (0x1F3C3,)),
    ((0x1F469, 0x200D, 0x1F9B0), "woman: red hair", (0x1F9D1,)),
    ((0x1F475,), "old woman", (0x1F9D3,)),
    ((0x1F936,), "Mrs. Claus", (0x1F385,)), ((0x1F9D1, 0x200D, 0x1F384), "mx claus", (0x1F385,)),
    ((0x2640,), "female sign", (0x2640,)),
    ((0x1F469, 0x200D, 0x2764, 0xFE0F, 0x200D, 0x1F48B, 0x200D, 0x1F469), "kiss", (0x1F9D1, 0x2764, 0x1F48B, 0x1F9D1)),
])  # fmt: skip
def test_variants_of_one_drawing(points: tuple[int, ...], name: str, wanted: tuple[int, ...]) -> None:
    assert Emoji(points, name, "People & Body", "").origin_points == wanted


def test_an_emoji_without_a_picture_is_left_out() -> None:
    font = BitmapFont(emoji_font({(0x1F600,): blob(1), (0x1F603,): blob(2)}), "a")
    entries = noto_emoji.entries_of(parse_emoji_test(EMOJI_TEST.encode(), "b"), font)
    assert [one.name for one in entries] == ["grinning face", "grinning face with big eyes"]


@pytest.mark.parametrize(
    "raw", [b"", b"no font", b"\0\1\0\0" + bytes(100), toy_font()[:2000], toy_font().replace(b"CBDT", b"XXXX")]
)
def test_a_font_that_is_none_is_refused(raw: bytes) -> None:
    with pytest.raises(DataSetError, match="a.ttf is no font with pictures .*; install its package again") as error:
        BitmapFont(raw, "a.ttf")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("picture", [b"no png", b"", b"\x89PNG\r\n\x1a\n" + bytes(30), b"GIF89a"])
def test_a_damaged_picture_is_refused(picture: bytes) -> None:
    font = BitmapFont(emoji_font({(0x1F600,): picture}), "a.ttf")
    with pytest.raises(DataSetError, match="a.ttf has a damaged picture u1F600"):
        font.drawing((0x1F600,))


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe", b"# group: a\n1F600 ; unqualified # x E1.0 a\n"])
def test_a_list_of_emoji_that_is_none_is_refused(raw: bytes) -> None:
    with pytest.raises(DataSetError, match="list.txt .*install unicode-data again"):
        list(parse_emoji_test(raw, "list.txt"))


def test_the_first_items_keep_their_other_targets(toy: None) -> None:
    data = load_dataset("noto_emoji", "train")
    first = data.first(4)
    assert len(first) == 4 and first.tasks == data.tasks and len(first.groups) == 4
    assert np.array_equal(first.targets("retrieval", np.arange(4)), data.targets("retrieval", np.arange(4)))


@needs(*noto_emoji.PACKAGES)
def test_the_real_ones_have_no_test_drawing_in_training() -> None:
    sets = {split: load_dataset("noto_emoji", split) for split in SPLITS}
    assert {split: len(data) for split, data in sets.items()} == {"train": 12744, "validation": 316, "test": 716}
    names = {split: set(data.names("retrieval")) for split, data in sets.items()}
    groups = {split: set(data.groups.tolist()) for split, data in sets.items()}
    for one, other in (("train", "test"), ("train", "validation"), ("validation", "test")):
        assert not names[one] & names[other] and not groups[one] & groups[other]
    about = noto_emoji._compiled().about
    assert (about["drawings"], about["nearly the same"]) == (3655, 21)
    test = sets["test"]
    assert len(test.class_names) == 9 and len(test.names("subgroup")) == 99
    assert np.bincount(test.targets("classification", everything(test)), minlength=9).min() > 0


@needs(*noto_emoji.PACKAGES)
def test_no_real_drawing_of_the_test_looks_like_one_of_training() -> None:
    font, listed = (locate.files_of(package, "a")[package.members[0].path] for package in noto_emoji.PACKAGES)
    entries = noto_emoji.entries_of(parse_emoji_test(listed, "a"), BitmapFont(font, "b"))
    part = {name: split for split in SPLITS for name in load_dataset("noto_emoji", split).names("retrieval")}
    kept = [one for one in entries if one.name in part]
    pairs = alike(*looks_of(kept), 6, 12.0)
    parts = [part[one.name] for one in kept]
    assert len(kept) == 1851 and not [pair for pair in pairs.tolist() if parts[pair[0]] != parts[pair[1]]]
