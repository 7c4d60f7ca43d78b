# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped student of pictures and texts on data that it was not trained for, with a gallery of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import toy_texts
from click.testing import CliRunner

from sdr_sc.cli.shared.bench_multitask import multitask
from sdr_sc.data.dataset import ImageSet, SetInfo, Split, Targets, register_dataset
from sdr_sc.distill.multitask.vectors import TeacherVectors, reduce_vectors
from sdr_sc.errors import SdrScError
from sdr_sc.evidence.multitask.other_data import of_model
from sdr_sc.results.paired import unpacked
from sdr_sc.results.rows import read_measurements
from sdr_sc.semantic.gallery import unit_rows
from sdr_sc.semantic.weights import read_contract

MODEL, TEACHER, NAME = "multitask_student", "all-MiniLM-L6-v2", "foreign_pictures"
ENTRIES = ("a red thing", "a green thing", "a blue thing", "a grey thing", "a dark thing", "a pale thing", "nothing")


def load(split: Split) -> ImageSet:
    """Plain colours in another size than the model's, several of each entry."""
    rng = np.random.default_rng(len(split))
    which = np.arange(70) % len(ENTRIES)
    images = np.repeat(rng.integers(0, 255, (70, 3, 1, 1), np.uint8), 24, axis=2).repeat(24, axis=3)
    return ImageSet(
        images,
        which % 2,
        ("warm", "cold"),
        split.ljust(64, "f"),
        NAME,
        split,
        "f" * 64,
        {"retrieval": Targets(which, ENTRIES)},
    )


@pytest.fixture(scope="module", autouse=True)
def registered() -> None:
    register_dataset(NAME, SetInfo("colours", "image", {"classification": "warmth", "retrieval": "name"}))(load)
    toy_texts.register()


def vectors(folder: Path, teacher: str = TEACHER) -> Path:
    rng = np.random.default_rng(1)
    of_entry = rng.normal(size=(len(ENTRIES), 80))
    parts = {part: of_entry[load(part).targets("retrieval", np.arange(70))] for part in ("train", "test")}
    sums = {part: load(part).sha256 for part in parts}
    path = folder / f"{teacher}.vectors"
    reduce_vectors(teacher, parts, sums, 64).save(path)
    return path


def test_other_pictures_are_answered_with_a_gallery_of_their_own(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    words = [MODEL, "--data-set", NAME, "--vectors", str(vectors(tmp_path)), "--snr-db", "20", "--k", "16"]
    words += ["--ours-only", "--quick", "--json", str(out)]
    result = CliRunner().invoke(multitask, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    content = read_measurements(out)
    rows = {row["name"]: row for row in content["rows"]}
    assert rows["20 dB; ours, k=16; R@5"]["n"] == 70
    assert not any("classification" in name or "subgroup" in name for name in rows), "it answers none of these classes"
    right = unpacked(content["answers"], "the file")["20 dB; ours, k=16; R@5"]
    assert 100 * right.mean() == pytest.approx(rows["20 dB; ours, k=16; R@5"]["value"])


def test_what_is_missing_is_said_in_a_sentence(tmp_path: Path) -> None:
    def run(*words: str) -> None:
        common = ["--snr-db", "20", "--k", "16", "--ours-only", "--quick"]
        CliRunner().invoke(multitask, [MODEL, "--data-set", *words, *common], catch_exceptions=False)

    with pytest.raises(SdrScError, match="no gallery of the entries of foreign_pictures; give its names' vectors"):
        run(NAME)
    with pytest.raises(SdrScError, match="vectors are those of other, and model 'multitask_student' was taught"):
        run(NAME, "--vectors", str(vectors(tmp_path, "other")))
    foreign = tmp_path / "toy.vectors"
    parts = {part: toy_texts.teacher(part) for part in ("train", "test")}
    kept = reduce_vectors(TEACHER, parts, {part: toy_texts.load(part).sha256 for part in parts}, 8)
    kept.save(foreign)
    with pytest.raises(SdrScError, match="no file of vectors is of the t[a-z]* part of foreign_pictures"):
        run(NAME, "--vectors", str(foreign))


def test_pictures_and_their_names_take_the_form_of_the_models_items() -> None:
    contract = read_contract(MODEL)
    pictures = of_model(contract, NAME, "test")
    assert pictures.item_shape == tuple(contract.item_shape) and len(pictures) == 70
    names = of_model(contract, f"{NAME},only={NAME}_names", "test")
    assert len(names) == len(ENTRIES) and names.items(np.array([0]))[0, 0] == 2
    texts = of_model(contract, toy_texts.NAME, "test")
    assert texts.item_shape == tuple(contract.item_shape) and len(texts) == 60
    with pytest.raises(SdrScError, match=r"model 'wordnet_student' takes items of shape \(258,\), not \(3, 24, 24\)"):
        of_model(read_contract("wordnet_student"), NAME, "test")


def test_vectors_of_names_find_their_part(tmp_path: Path) -> None:
    kept = TeacherVectors.load(vectors(tmp_path))
    found = kept.of("test", load("test").sha256)
    assert np.allclose(found[:7], found[7:14]) and np.allclose(unit_rows(found), found, atol=1e-5)
