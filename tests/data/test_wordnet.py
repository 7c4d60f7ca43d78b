# SPDX-License-Identifier: GPL-3.0-or-later
"""WordNet's noun glosses: of a small file made here, and as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from data_packages import deb_of, noun_lines, package_of, put_fetched
from real_data import needs

from sdr_sc.data import wordnet
from sdr_sc.data.catalogue import dataset_names, load_dataset
from sdr_sc.data.packages import locate
from sdr_sc.data.splits import SPLITS, normalised, part_of
from sdr_sc.data.texts import text_of
from sdr_sc.errors import DataSetError

GLOSSES = [
    *((f"word_{place}", 3 + place % 26, f"gloss number {place}; \"an example of {place}\"") for place in range(300)),
    ("same", 5, "Gloss number 7; an EXAMPLE of 7"),
    ("Word_8", 5, "another meaning of word 8"),
    ("long", 6, "very " * 100 + "long"),
]  # fmt: skip
WORD_OF = {normalised(gloss): lemma for lemma, _, gloss in GLOSSES}


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package with these glosses, as if it had been fetched."""
    files = {"usr/share/wordnet/data.noun": noun_lines(GLOSSES)}
    raw = deb_of(files)
    package = package_of(raw, files, "wordnet-base")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(locate, "ROOT", tmp_path)
    monkeypatch.setattr(wordnet, "PACKAGE", package)
    wordnet._compiled.cache_clear()
    put_fetched(tmp_path / "cache", package, raw)
    yield
    wordnet._compiled.cache_clear()


def everything(data) -> np.ndarray:
    return np.arange(len(data))


def test_parts_of_a_small_wordnet(toy: None) -> None:
    sets = {split: load_dataset("wordnet", split) for split in SPLITS}
    assert sum(map(len, sets.values())) == len(GLOSSES) - 1, "one says the same as another"
    assert all(len(data) > 3 for data in sets.values())
    for split, data in sets.items():
        texts = [text_of(slot) for slot in data.items(everything(data))]
        names = data.names("retrieval")
        assert texts == list(names) and np.array_equal(data.targets("retrieval", everything(data)), everything(data))
        assert (data.modality, data.tasks, data.item_shape) == ("text", ("classification", "retrieval"), (258,))
        for text, label in zip(texts, data.targets("classification", everything(data)), strict=True):
            if text.startswith("gloss number "):
                number = int(text.split()[2].rstrip(";"))
                assert part_of(f"word_{number}") == split and label == number % 26
    assert sets["train"].sha256 == sets["test"].training_sha256 != sets["test"].sha256
    assert len({data.sha256 for data in sets.values()}) == 3


def test_two_glosses_of_one_lemma_lie_in_one_part_and_group(toy: None) -> None:
    sets = [load_dataset("wordnet", split) for split in SPLITS]
    (data,) = [each for each in sets if "another meaning of word 8" in each.names("retrieval")]
    names = data.names("retrieval")
    other = next(place for place, name in enumerate(names) if name.startswith("gloss number 8;"))
    assert data.groups[names.index("another meaning of word 8")] == data.groups[other]
    assert len(set(data.groups.tolist())) == len(data) - 1


def test_a_long_gloss_is_cut_and_counted(toy: None) -> None:
    load_dataset("wordnet", "test")
    assert sum(wordnet._compiled().about["cut"].values()) == 1
    longest = max(len(name) for split in SPLITS for name in load_dataset("wordnet", split).names("retrieval"))
    assert longest == wordnet.LONGEST_GLOSS


def test_a_task_that_it_has_not_is_refused(toy: None) -> None:
    data = load_dataset("wordnet", "test")
    with pytest.raises(
        DataSetError, match="has no targets for the task 'subgroup'; it has 'classification', 'retrieval'"
    ):
        data.targets("subgroup", everything(data))


def test_without_the_package_it_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    monkeypatch.setattr(locate, "ROOT", tmp_path)
    wordnet._compiled.cache_clear()
    with pytest.raises(DataSetError) as error:
        load_dataset("wordnet", "test")
    assert str(error.value) == (
        "data set 'wordnet' needs the Debian package wordnet-base, which is not here; run 'sdr-sc data get wordnet'."
    )


@pytest.mark.parametrize("line", [
    b"hello", b"00000000 02 n 01 a 0 000 | adjective", b"00000000 29 n 01 a 0 000 | verb", b"0 03 v 01 a 0 000 | verb",
    b"0 x3 n 01 a 0 000 | odd", b"0 03 n", b"\xff\xfe\x00", "0 \u0663 n 01 a 0 | digit".encode(),
    b"0 03 n 01 a 0 000 no bar",
])  # fmt: skip
def test_a_line_that_is_none_is_refused_by_its_number(line: bytes) -> None:
    with pytest.raises(
        DataSetError, match="data.noun, line 3, is no noun of WordNet; install wordnet-base again"
    ) as error:
        list(wordnet.parse_nouns(noun_lines(GLOSSES[:1]) + line + b"\n", "data.noun"))
    assert "\n" not in str(error.value)


def test_the_same_source_gives_the_same_arrays() -> None:
    raw = noun_lines(GLOSSES)
    (one, _), (other, _) = wordnet.compile_nouns(raw, "a"), wordnet.compile_nouns(raw, "b")
    assert set(one) == set(other) and all(np.array_equal(one[name], other[name]) for name in one)


@needs(wordnet.PACKAGE)
def test_the_real_one_has_no_test_item_in_training() -> None:
    sets = {split: load_dataset("wordnet", split) for split in SPLITS}
    assert {split: len(data) for split, data in sets.items()} == {"train": 73388, "validation": 4001, "test": 4110}
    assert wordnet._compiled().about["synsets"] == 82115
    said = {split: {normalised(text) for text in data.names("retrieval")} for split, data in sets.items()}
    lemmas = {split: set(data.groups.tolist()) for split, data in sets.items()}
    for one, other in (("train", "test"), ("train", "validation"), ("validation", "test")):
        assert not said[one] & said[other] and not lemmas[one] & lemmas[other]
    assert sum(map(len, said.values())) >= sum(map(len, sets.values())) - 5, "cut ones may begin alike"
    test = sets["test"]
    counts = np.bincount(test.targets("classification", everything(test)), minlength=26)
    assert counts.min() > 0 and round(100 * counts.max() / len(test), 1) == 15.4
    assert test.names("classification")[int(counts.argmax())] == "noun.artifact"


@needs(wordnet.PACKAGE)
def test_it_is_a_registered_data_set() -> None:
    assert "wordnet" in dataset_names()
    data = load_dataset("wordnet", "test")
    index = np.array([5, 0, 5])
    slots = data.items(index)
    assert slots.shape == (3, 258) and np.array_equal(slots[0], slots[2])
    assert text_of(slots[1]) == data.names("retrieval")[0]
