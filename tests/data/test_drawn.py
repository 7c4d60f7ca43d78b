# SPDX-License-Identifier: GPL-3.0-or-later
"""Drawings again: the views of items in more pixels, and drawings that two data sets share."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from real_data import needs
from toy_drawings import VIEWS, entry, put_sets

from sdr_sc.data import noto_emoji
from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.drawn import larger
from sdr_sc.data.drawn.larger import LargerViews, is_drawn
from sdr_sc.data.drawn.repeated import looks, repeated_elsewhere
from sdr_sc.data.splits import SPLITS
from sdr_sc.errors import DataSetError


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    larger.part_entries.cache_clear()


def smaller(pictures: np.ndarray, side: int) -> np.ndarray:
    """The mean of square fields."""
    step = pictures.shape[-1] // side
    return pictures.reshape(len(pictures), 3, side, step, side, step).mean(axis=(3, 5))


def test_larger_views_are_the_items(monkeypatch: pytest.MonkeyPatch) -> None:
    put_sets(monkeypatch, {"toy_a": range(40)})
    for split in SPLITS:
        data = load_dataset("toy_a", split)
        views = LargerViews.of("toy_a", split)
        assert len(views) == len(data) and views.views == VIEWS[split]
        every = np.arange(len(data))
        assert np.array_equal(views.pictures(every, 32), data.items(every)), "in their own size they are the same"
        for side in (64, 128, 160):
            found = views.pictures(every, side)
            assert found.shape == (len(data), 3, side, side) and found.dtype == np.uint8
            difference = np.abs(smaller(found, 32) - data.items(every).astype(float)).mean(axis=(1, 2, 3))
            assert difference.max() < 6, (side, "the same background, size, turn and place")
        other = np.abs(np.roll(data.items(every), 1, axis=0) - data.items(every).astype(float)).mean(axis=(1, 2, 3))
        assert other.mean() > 30, "where two items differ by much more"


def test_any_items_can_be_asked_for_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    put_sets(monkeypatch, {"toy_a": range(40)})
    views = LargerViews.of("toy_a", "train")
    places = np.array([7, 2, 7, 0, 5])
    assert np.array_equal(views.pictures(places, 48), views.pictures(np.arange(8), 48)[places])


def test_other_drawings_than_the_items_were_made_of_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    put_sets(monkeypatch, {"toy_a": range(40)})
    monkeypatch.setitem(larger._ENTRIES, "toy_a", lambda: [entry(number + 500, "toy_a") for number in range(40)])
    with pytest.raises(DataSetError, match="drawings of toy_a are not those that its items were made of; delete"):
        LargerViews.of("toy_a", "train")
    larger.part_entries.cache_clear()
    monkeypatch.setitem(larger._ENTRIES, "toy_a", lambda: [entry(number, "toy_a") for number in range(30)])
    with pytest.raises(DataSetError, match="drawings of toy_a are not those"):
        LargerViews.of("toy_a", "train")


def test_what_has_no_drawings_is_refused() -> None:
    assert is_drawn("openclipart") and not is_drawn("fashion_mnist")
    with pytest.raises(DataSetError, match="fashion_mnist is not made of drawings; take one of noto_emoji, "):
        LargerViews.of("fashion_mnist", "test")


def test_drawings_that_another_set_tests_with_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second set has 20 of the first one's drawings, under keys of its own, so that some change their part."""
    put_sets(monkeypatch, {"toy_a": range(120), "toy_b": range(100, 220)})
    names = {(name, split): load_dataset(name, split).names("retrieval") for name in ("toy_a", "toy_b")
             for split in SPLITS}  # fmt: skip
    for name, other in (("toy_a", "toy_b"), ("toy_b", "toy_a")):
        held_out = {*names[other, "validation"], *names[other, "test"]}
        data = load_dataset(name, "train")
        places = data.targets("retrieval", np.arange(len(data)))
        wanted = np.array([data.names("retrieval")[place] in held_out for place in places])
        assert np.array_equal(repeated_elsewhere(name, ["toy_a", "toy_b"]), wanted)
        assert not repeated_elsewhere(name, [name]).any() and not repeated_elsewhere(name, ["fashion_mnist"]).any()
    assert sum(repeated_elsewhere(name, ["toy_a", "toy_b"]).sum() for name in ("toy_a", "toy_b")) > 0
    monkeypatch.setattr("sdr_sc.data.drawn.repeated.part_entries", lambda name: pytest.fail("they are kept"))
    assert len(looks("toy_a")["train_hashes"]) == len(names["toy_a", "train"])


@needs(*noto_emoji.PACKAGES)
def test_real_emoji_come_back_in_more_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    larger.part_entries.cache_clear()
    data, views = load_dataset("noto_emoji", "validation"), LargerViews.of("noto_emoji", "validation")
    every = np.arange(0, len(data), 7)
    assert np.array_equal(views.pictures(every, 32), data.items(every))
    difference = np.abs(smaller(views.pictures(every, 160), 32) - data.items(every).astype(float))
    assert difference.mean() < 4
    larger.part_entries.cache_clear()


def test_pixels_do_not_depend_on_the_order_in_which_blas_adds() -> None:
    """In float32 a drawing did, and by it one pixel of 100,000, between one thread and two."""
    code = (
        "import hashlib, numpy as np\n"
        "from sdr_sc.data.composed import Composing, compose, fitted\n"
        "from sdr_sc.data.joint.slots import picture_slots\n"
        "rng = np.random.default_rng(3)\n"
        "drawings = np.stack([fitted(rng.integers(0, 256, (131, 128, 4), np.uint8)) for _ in range(60)])\n"
        "pictures = compose(drawings, Composing(32), np.arange(120).reshape(60, 2))\n"
        "slots = picture_slots(rng.integers(0, 256, (40, 3, 71, 67), np.uint8), 32)\n"
        "print(hashlib.sha256(drawings.tobytes() + pictures.tobytes() + slots.tobytes()).hexdigest())\n"
    )
    found = []
    for threads in "12":
        env = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        found.append(subprocess.check_output([sys.executable, "-c", code], env=env, text=True, timeout=120))
    assert found[0] == found[1] and len(found[0].strip()) == 64
