# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenClipart and Tux Paint, from small packages made here with a renderer made here; and what drawings share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from data_packages import blob, deb_of, package_of, png_of, put_fetched
from PIL import Image

from sdr_sc.data import clip_art
from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.drawings import LEAST_USES, Entry, compile_entries, kept_of, origins_of
from sdr_sc.data.drawn import things
from sdr_sc.data.splits import SPLITS
from sdr_sc.errors import DataSetError
from sdr_sc.semantic.specs import TaskSpec
from sdr_sc.semantic.tasks.base import task_of

RENDERER = """#!/bin/bash
read -r line
[[ $line == *bad* ]] && exit 1
seed=${line#*seed=}
exec /bin/cat "${0%/*}/${seed%% *}.png"
"""
BLANK = 1004
ROOT = "usr/share/openclipart/svg/"
STAMPS = "usr/share/tuxpaint/stamps/"


def svg(seed: int, title: str = "", *keywords: str, more: str = "") -> bytes:
    listed = "".join(f"<rdf:li>{word}</rdf:li>" for word in keywords)
    subject = f"<dc:subject><rdf:Bag>{listed}</rdf:Bag></dc:subject>"
    return f"<svg seed={seed} {more} ><dc:title>{title}</dc:title>{subject}</svg>".encode()


def clip_files() -> dict[str, bytes]:
    files = {
        f"{ROOT}animals/dog_01.svg": svg(1001, "A &amp; dog", "Animal", "unsorted"),
        f"{ROOT}animals/dog_02.svg": svg(1002, "another", "animal"),
        f"{ROOT}animals/same.svg": svg(1001, "the same picture"),
        f"{ROOT}animals/bad.svg": svg(1003, "cannot be drawn", more="bad"),
        f"{ROOT}animals/blank.svg": svg(BLANK, "nothing to see"),
        f"{ROOT}plants/trees/oak.svg": svg(1005, "Clipart by Somebody - bee"),
        f"{ROOT}recreation/games/cards/ace.svg": svg(1006, "left out"),
        f"{ROOT}computer/mouse.svg": svg(1007, "of another folder"),
        f"{ROOT}animals/readme.txt": b"no drawing",
    }
    for number in range(100):
        folder = ("food", "tools")[number % 2]
        letters = chr(97 + number // 26) + chr(97 + number % 26)
        title = "R16" if number < 12 else f"thing {letters}"
        files[f"{ROOT}{folder}/{letters}.svg"] = svg(number, title, folder, "thing", f"own {number}")
    return files


def stamp_files() -> dict[str, bytes]:
    files = {
        f"{STAMPS}animals/frog.png": png_of(blob(5000)),
        f"{STAMPS}animals/frog.txt": b"A frog.\nde=Ein Frosch.\n",
        f"{STAMPS}animals/frog-1.png": png_of(blob(5001)),
        f"{STAMPS}animals/frog_mirror.png": png_of(blob(5002)),
        f"{STAMPS}animals/broken.png": b"no picture",
        f"{STAMPS}symbols/one.png": png_of(blob(5003)),
        f"{STAMPS}food/pie.svg": svg(5004),
        f"{STAMPS}food/pie.txt": b"\xff pie",
    }
    for number in range(60):
        letters = chr(97 + number // 26) + chr(97 + number % 26)
        files[f"{STAMPS}{('town', 'space')[number % 2]}/x/{letters}.png"] = png_of(blob(number))
    return files


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Both packages, fetched, and a program that renders their drawings."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "rsvg-convert").write_text(RENDERER)
    (tmp_path / "bin" / "rsvg-convert").chmod(0o755)
    for seed in (*range(100), *range(1001, 1008), 5004):
        pixels = blob(seed) * np.uint8(seed != BLANK)
        (tmp_path / "bin" / f"{seed}.png").write_bytes(png_of(pixels))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, files in ((clip_art.OPENCLIPART, clip_files()), (clip_art.TUX_PAINT, stamp_files())):
        raw = deb_of(files)
        package = package_of(raw, {}, clip_art.PACKAGES[name].name)
        monkeypatch.setitem(clip_art.PACKAGES, name, package)
        put_fetched(tmp_path / "cache", package, raw)
    clip_art._compiled.cache_clear()
    yield
    clip_art._compiled.cache_clear()


def named(name: str) -> dict[str, tuple[str, int]]:
    """Part and group of each name of a data set."""
    found: dict[str, set[tuple[str, int]]] = {}
    for split in SPLITS:
        data = load_dataset(name, split)
        names = data.names("retrieval")
        for place, group in zip(data.targets("retrieval", np.arange(len(data))), data.groups.tolist(), strict=True):
            found.setdefault(names[place], set()).add((split, group))
    assert all(len(places) == 1 for places in found.values())
    return {name: next(iter(places)) for name, places in found.items()}


def test_openclipart_by_folder_title_and_keywords(toys: None) -> None:
    places = named("openclipart")
    assert {"A & dog", "another", "oak", "thing zz"} - set(places) == {"thing zz"}
    assert not {"the same picture", "cannot be drawn", "nothing to see", "left out", "R16", "mouse"} & set(places)
    assert places["A & dog"] == places["another"], "their files differ in a number alone"
    assert "aa" in places, "a title that many have names a series: the file's name is taken"
    about = clip_art._compiled("openclipart").about
    assert about["groups"] == ["animals", "food", "plants", "tools"] and about["keywords"] == ["food", "thing", "tools"]
    assert about["subgroups"] == ["animals", "food", "plants/trees", "tools"] and about["nearly the same"] == 1
    train = load_dataset("openclipart", "train")
    assert train.tasks == ("classification", "subgroup", "retrieval", "keywords") and train.item_shape == (3, 32, 32)
    every = np.arange(len(train))
    keywords, labels = train.targets("keywords", every), train.targets("classification", every)
    assert keywords.shape == (len(train), 8)
    for row, label in zip(keywords, labels, strict=True):
        words = [train.names("keywords")[place] for place in row if place >= 0]
        folder = train.class_names[label]
        assert words == sorted([folder, "thing"]) if folder in ("food", "tools") else words == []


def test_tux_paint_by_folder_and_caption(toys: None) -> None:
    places = named("tux_paint")
    assert (
        {"A frog.", "frog", "\ufffd pie", "aa", "ab"} <= set(places) and "one" not in places and "broken" not in places
    )
    assert places["A frog."] == places["frog"]
    data = load_dataset("tux_paint", "train")
    assert data.tasks == ("classification", "subgroup", "retrieval")
    assert set(data.class_names) == {"animals", "food", "space", "town"} and "town/x" in data.names("subgroup")


def test_things_are_drawings_of_the_training_part_with_some_pictures_to_keep_and_others_to_send(
    toys: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(things, "THINGS", 20)
    kept, left, every = (load_dataset(*which) for which in
                         (("things", "train"), ("things", "test"), ("tux_paint", "train")))  # fmt: skip
    assert (len(kept), len(left)) == (100, 60) and kept.tasks == ("classification",) and len(kept.class_names) == 20
    pictures = {one.tobytes(): place for place, one in enumerate(every.images)}
    names, drawn = every.names("retrieval"), every.targets("retrieval", np.arange(len(every)))
    for data in (kept, left):
        for image, label in zip(data.images, data.labels.tolist(), strict=True):
            assert names[drawn[pictures[image.tobytes()]]] == data.class_names[label]
    assert not {one.tobytes() for one in kept.images} & {one.tobytes() for one in left.images}
    assert kept.class_names == left.class_names and kept.sha256 != left.sha256 == load_dataset("things").sha256
    joined = load_dataset("tux_paint+things", "test")
    assert joined.names("classification")[-20:] == kept.class_names
    with pytest.raises(DataSetError, match="no validation part"):
        load_dataset("things", "validation")
    monkeypatch.setattr(things, "THINGS", 2000)
    with pytest.raises(DataSetError, match="things often enough"):
        load_dataset("clip_things", "train")


def test_without_the_renderer_it_names_the_package(toys: None, tmp_path: Path) -> None:
    (tmp_path / "bin" / "rsvg-convert").unlink()
    with pytest.raises(DataSetError, match="'rsvg-convert' cannot be run .*; run 'sudo apt-get install librsvg2-bin'"):
        load_dataset("openclipart", "test")


def test_a_renderer_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rsvg-convert").write_text("#!/bin/bash\nexec /bin/sleep 300\n")
    (tmp_path / "rsvg-convert").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(clip_art, "_RENDER_S", 0.5)
    assert clip_art.render(b"<svg/>") is None


def test_a_package_without_drawings_is_one_sentence() -> None:
    with pytest.raises(DataSetError, match="package openclipart-svg has no drawings; delete it and run"):
        clip_art.compile_clip_art("openclipart", [])


@pytest.mark.parametrize("name, path, is_wanted", [
    ("openclipart", ROOT + "food/a.svg", True), ("openclipart", ROOT + "food/a.png", False),
    ("openclipart", ROOT + "shapes/a.svg", False), ("openclipart", "usr/share/doc/food/a.svg", False),
    ("openclipart", "food/a.svg", False), ("tux_paint", STAMPS + "food/a.png", True),
    ("tux_paint", STAMPS + "food/a_desc.ogg", False), ("tux_paint", STAMPS + "food/a_flip.png", False),
])  # fmt: skip
def test_only_drawings_are_read(name: str, path: str, is_wanted: bool) -> None:
    assert bool(clip_art.wanted(name, path)) is is_wanted


def pixels_of(mode: str) -> Image.Image:
    values = np.linspace(0, 255, 20 * 20).reshape(20, 20)
    if mode == "16 bit":
        return Image.fromarray((values * 257).astype(np.uint16))
    grey = Image.fromarray(values.astype(np.uint8))
    return grey if mode == "L" else grey.convert(mode)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "16 bit"])
def test_pictures_of_any_mode_are_read(mode: str, tmp_path: Path) -> None:
    pixels_of(mode).save(tmp_path / "a.png")
    found = clip_art.decode((tmp_path / "a.png").read_bytes())
    assert found is not None and found.shape == (20, 20, 4) and (found[..., 3] == 255).all()
    plain = found[..., 0].astype(int)
    assert plain[0, 0] < 20 < 235 < plain[-1, -1] and (mode == "1" or abs(plain[10, 0] - 128) < 20)


def test_what_is_no_picture_is_left_out() -> None:
    assert clip_art.decode(b"") is None and clip_art.decode(png_of(np.zeros((8, 8, 4), np.uint8))) is None
    wide = clip_art.decode(png_of(np.full((10, 1000, 4), 255, np.uint8)))
    assert wide is not None and wide.shape == (1, 128, 4)
    small = np.zeros((100, 100, 4), np.uint8)
    small[40:60, 10:40] = 255
    found = clip_art.decode(png_of(small))
    assert found is not None and found.shape == (20, 30, 4) and found.min() == 255, "the empty part is left out"


def entry(number: int, name: str = "", origin: str | None = None, *keywords: str, seed: int | None = None) -> Entry:
    drawing = blob(number if seed is None else seed)
    return Entry(f"key {number}", name or f"name {number}", "g", "s", (origin, name or None), [drawing], keywords)


@pytest.mark.parametrize("title", [b"", b"_", b" \n", b"\0"])
def test_a_drawing_without_a_title_is_named_by_its_file(title: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_art, "render", lambda svg: blob(1))
    svg = b"<svg><dc:title>" + title + b"</dc:title></svg>"
    (found,) = clip_art.entries_of("openclipart", [(ROOT + "food/red_apple_02.svg", svg)])
    assert found.name == "red apple"


def test_origins_and_near_duplicates() -> None:
    entries = [entry(0), entry(1, "x"), entry(2, "", "o"), entry(3, "x", "o"), entry(4, seed=0), entry(5)]
    assert origins_of(entries).tolist() == [0, 1, 1, 1, 4, 5] and kept_of(entries).tolist() == [0, 1, 2, 3, 5]


def test_keywords_come_from_training_alone() -> None:
    """A word of every entry is kept; one of the others' alone is not, however often it is used there."""
    entries = [entry(number, "", None, "all") for number in range(200)]
    arrays, about = compile_entries(entries, {"train": 1, "validation": 1, "test": 1})
    held_out = {int(group) for split in ("validation", "test") for group in arrays[f"{split}_groups"]}
    assert len(held_out) > LEAST_USES
    for place in held_out:
        entries[place].keywords = ("all", "held out")
    _, about = compile_entries(entries, {"train": 1, "validation": 1, "test": 1})
    assert about["keywords"] == ["all"]


def test_the_task_of_keywords() -> None:
    task = task_of("keywords")
    spec, targets = TaskSpec("keywords", ("a", "b", "c", "d")), np.array([[0, 2, -1], [-1, -1, -1], [3, -1, -1]])
    output = np.array([[0.0, 1.0, 3.0, -1.0], [2.0, 0.0, 0.0, 0.0], [np.nan] * 4], np.float32)
    answer = task.answer(output, spec, 2)
    assert answer.ids.tolist() == [[2, 1], [0, 1], [-1, -1]] and task.wire_id == 5
    assert answer.confidence.tolist() == pytest.approx([1 / (1 + np.exp(-3)), 1 / (1 + np.exp(-2)), 0])
    assert task.score(answer.best, targets).tolist() == [1, 0, 0]
    assert task.right(answer.best, targets).tolist() == [True, False, False]
    faulty = task.answer(np.full((1, 4), np.inf, np.float32), spec)
    assert faulty.best.tolist() == [-2] and faulty.confidence.tolist() == [0]


def test_the_loss_of_keywords_is_binary_cross_entropy() -> None:
    output = torch.tensor([[[0.0, 2.0, -1.0], [1.0, 1.0, 1.0]]] * 2)
    found = task_of("keywords").loss(output, torch.tensor([[1, 2], [-1, -1]]), 0.1)
    probability = 1 / (1 + torch.exp(-output[0]))
    wanted = torch.tensor([[0.05, 0.95, 0.95], [0.05, 0.05, 0.05]])
    by_hand = -(wanted * probability.log() + (1 - wanted) * (1 - probability).log()).mean(1)
    assert found.shape == (2, 2) and torch.allclose(found, by_hand.expand(2, 2), atol=1e-6)
