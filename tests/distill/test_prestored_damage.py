# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders of pre-stored knowledge that are damaged, foreign or of other settings."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from prestored_folders import CONFIG, DATA, LinearTeacher, contents, flip_byte, make_data

from sdr_sc.data.dataset import ImageSet
from sdr_sc.distill.targets.prestore import PrestoreConfig, Prestorer
from sdr_sc.distill.targets.prestored import open_prestored
from sdr_sc.distill.teachers.base import TeacherAnswer
from sdr_sc.errors import ContractError, SdrScError
from sdr_sc.semantic.modalities.image_views import (
    ViewPolicy,
)

pytestmark = pytest.mark.usefixtures("one_thread")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize("file", ["shard-00001.npy", "shard-00002.npy", "basis.npz"])
@pytest.mark.parametrize(
    ("damage", "told"),
    [(flip_byte, "is damaged|SHA-256"), (truncate, "bytes where|SHA-256"), (Path.unlink, "No such file")],
)
def test_damage_is_refused_by_name_and_mended(
    reference: Path, folder: Path, file: str, damage: Callable[[Path], None], told: str
) -> None:
    damage(folder / file)
    with pytest.raises(ContractError, match=told) as error:
        open_prestored(folder, DATA)
    assert str(folder / file) in str(error.value) and "sdr-sc prestore" in str(error.value)
    prestorer = Prestorer(LinearTeacher(), DATA, CONFIG, folder)
    assert prestorer.redone == [file] and not prestorer.complete
    prestorer.run()
    assert contents(folder) == contents(reference)


def edited(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: edited(folder, version=2), "has version 2 of the format where 1 is known"),
        (lambda folder: edited(folder, format="other"), "no manifest of pre-stored knowledge"),
        (lambda folder: edited(folder, seed=7), "is damaged .its entries contradict"),
        (lambda folder: edited(folder, shards=[]), "is damaged .its entries contradict"),
        (lambda folder: edited(folder, checksum=3, more=1), "is damaged .its entries contradict"),
        (lambda folder: truncate(folder / "manifest.json"), "is damaged: it is not JSON"),
        (lambda folder: (folder / "manifest.json").write_bytes(b"\xff\xfe"), "is damaged: it is not JSON"),
        (lambda folder: (folder / "manifest.json").write_bytes(b"[1]"), "no manifest of pre-stored knowledge"),
        (lambda folder: (folder / "manifest.json").unlink(), "No such file.*make it with 'sdr-sc prestore'"),
    ],
)
def test_manifests_that_cannot_be_trusted_are_refused(folder: Path, damage: Callable[[Path], None], told: str) -> None:
    damage(folder)
    with pytest.raises(ContractError, match=told) as error:
        open_prestored(folder)
    assert str(folder / "manifest.json") in str(error.value) and "\n" not in str(error.value)
    assert "sdr-sc prestore" in str(error.value)
    with pytest.raises(SdrScError, match="manifest.json"):
        Prestorer(LinearTeacher(), DATA, CONFIG, folder)


def test_knowledge_of_other_data_is_refused(reference: Path) -> None:
    with pytest.raises(ContractError, match="belongs to 23 items of images"):
        open_prestored(reference, make_data(2))
    with pytest.raises(ContractError, match="not to these 20"):
        open_prestored(reference, DATA.first(20))


@pytest.mark.parametrize(
    ("teacher", "data", "changes", "told"),
    [
        (LinearTeacher(2), DATA, {}, "fingerprint 6b86b273ff34fce1 there, d4735e3a265e16ee here"),
        (LinearTeacher(), make_data(2), {}, "data_set_sha256"),
        (LinearTeacher(), DATA.first(9), {}, "items 23 there, 9 here"),
        (LinearTeacher(), DATA, {"seed": 2, "views": 4}, "views 3 there, 4 here; seed 1 there, 2 here"),
        (LinearTeacher(), DATA, {"policy": ViewPolicy(2, 8)}, "erase 4 there, 8 here"),
        (LinearTeacher(), DATA, {"labels": "full8"}, "labels top4 there, full8 here"),
        (LinearTeacher(), DATA, {"features": "none"}, "features pca6x4 there, none here"),
        (LinearTeacher(), DATA, {"shard_items": 9}, "shard_items 8 there, 9 here"),
    ],
)
def test_a_folder_of_other_settings_is_refused_and_left_alone(
    folder: Path, teacher: LinearTeacher, data: ImageSet, changes: dict, told: str
) -> None:
    before = contents(folder)
    with pytest.raises(ContractError, match="holds knowledge of other settings") as error:
        Prestorer(teacher, data, replace(CONFIG, **changes), folder)
    assert told in str(error.value) and str(folder) in str(error.value) and contents(folder) == before


def test_places_teachers_and_settings_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("all of it")
    with pytest.raises(SdrScError, match="holds thesis.tex and no manifest.json; choose another --out"):
        Prestorer(LinearTeacher(), DATA, CONFIG, tmp_path)
    with pytest.raises(SdrScError, match="choose another --out"):
        Prestorer(LinearTeacher(), DATA, CONFIG, tmp_path / "thesis.tex")
    with pytest.raises(ContractError, match="10 classes where the data has 2"):
        Prestorer(LinearTeacher(), replace(DATA, class_names=("a", "b")), CONFIG, tmp_path / "x")
    for wrong in ({"views": 0}, {"shard_items": 0}, {"seed": -1}):
        with pytest.raises(SdrScError, match="pre-storing needs"):
            PrestoreConfig(**wrong)

    class Infinite(LinearTeacher):
        def ask(self, images: torch.Tensor) -> TeacherAnswer:
            answer = super().ask(images)
            return TeacherAnswer(answer.logits / 0.0, answer.features)

    with pytest.raises(ContractError, match="teacher linear gives answers that are not finite"):
        Prestorer(Infinite(), DATA, CONFIG, tmp_path / "x").run()
