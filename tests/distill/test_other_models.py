# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands with models that are for other items, other classes or another list of k: they work, or say why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command import assert_one_line_error, sdr_sc
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_pairs import other_model

from sdr_sc.data.dataset import ImageSet
from sdr_sc.demo.run import LEVELS_DB, schedule
from sdr_sc.distill.config import DistillConfig
from sdr_sc.distill.targets.teacher_targets import open_knowledge
from sdr_sc.distill.train import Trainer
from sdr_sc.errors import SdrScError
from sdr_sc.flowgraph.fitting_model import contract_for_images
from sdr_sc.link.timing.schedule import SnrSchedule
from sdr_sc.results.run_folder import new_run_folder
from sdr_sc.schemes.catalogue import make_scheme

VERBS = (
    ("demo", "--images", "22"),
    ("tx", "--args", "type=simusrp,name=never_opened"),
    ("record", "sim", "never_written"),
    ("bench", "link", "--quick"),
    ("evaluate", "--images", "50", "--snr", "15"),
)


@given(images=st.integers(22, 100_000), items=st.integers(1, 64))
@settings(max_examples=500, deadline=None)
def test_the_demonstrations_schedule_is_valid_for_every_number_of_images_and_items_a_frame(
    images: int, items: int
) -> None:
    plan, frames = schedule(images, items), -(-images // items)
    assert SnrSchedule.parse(plan.to_text()) == plan
    assert plan.frames[0] == 0 and plan.frames[-1] < frames
    assert plan.snr_db[0] == plan.snr_db[-1] == LEVELS_DB[0] and plan.snr_db == plan.snr_db[::-1]
    assert min(plan.snr_db) == (min(LEVELS_DB) if frames >= 3 else LEVELS_DB[0])
    if frames >= len(LEVELS_DB):
        assert plan.snr_db == LEVELS_DB


@pytest.mark.parametrize("images, items", [(30, 4), (22, 64), (23, 12)])
def test_a_short_demonstration_works(images: int, items: int, tmp_path: Path) -> None:
    done = sdr_sc("demo", "--images", images, "--items-per-frame", items, "--out", tmp_path, timeout_s=110)
    assert done.returncode == 0, done.stderr
    frames = -(-images // items)
    assert f"{frames} frames sent" in done.stdout
    (folder,) = tmp_path.iterdir()
    assert folder.name.endswith("-demo") and (folder / "report.html").is_file()


def test_folders_of_one_second_do_not_collide_and_name_the_verb(tmp_path: Path) -> None:
    folders = [new_run_folder(tmp_path, verb) for verb in ("tx", "rx", "rx", "rx")]
    assert len(set(folders)) == 4 and folders[0].name.endswith("-tx")
    assert all("-rx" in folder.name for folder in folders[1:])


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
def test_a_model_for_other_items_is_refused_in_one_sentence(verb: tuple[str, ...], tmp_path: Path) -> None:
    model = other_model(tmp_path / "model", (64, 64), 2)
    done = sdr_sc(*verb, "--model", model, cwd=tmp_path)
    assert_one_line_error(done, "takes items of shape (64, 64), not (28, 28)")
    assert not list(tmp_path.glob("runs/*"))


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
def test_a_model_for_other_classes_is_refused_in_one_sentence(verb: tuple[str, ...], tmp_path: Path) -> None:
    for classes in (2, 12):
        model = other_model(tmp_path / f"model{classes}", (28, 28), classes)
        assert_one_line_error(
            sdr_sc(*verb, "--model", model, cwd=tmp_path), f"answers with {classes} classes where the data set has 10"
        )


def test_schemes_of_a_sweep_refuse_a_model_that_does_not_fit(tmp_path: Path) -> None:
    other, classes = other_model(tmp_path), str(other_model(tmp_path, (28, 28), 3))
    for scheme in ("ours", "fixed_rate", "features_ldpc"):
        with pytest.raises(SdrScError, match=r"takes items of shape \(64, 64\)"):
            make_scheme(scheme, model=str(other))
        with pytest.raises(SdrScError, match="answers with 3 classes"):
            make_scheme(scheme, model=classes)


def test_a_model_of_another_list_of_k_is_demonstrated(tmp_path: Path) -> None:
    model = other_model(tmp_path / "model", (28, 28), 10, (3, 7))
    assert contract_for_images(model).k_list == (3, 7)
    done = sdr_sc("demo", "--images", "60", "--model", model, "--out", tmp_path / "runs", timeout_s=110)
    assert done.returncode == 0, done.stderr
    assert "15 frames sent" in done.stdout
    assert_one_line_error(sdr_sc("tx", "--model", model, "-k", "4"), "k=4 is not in the list of model", "3, 7")


def test_the_size_of_an_encoder_that_is_no_student_is_not_invented(tmp_path: Path) -> None:
    model = other_model(tmp_path, (28, 28), 10)
    assert_one_line_error(
        sdr_sc("bench", "link", "--quick", "--model", model), "an encoder of kind 'of a test' is unknown"
    )


@pytest.mark.parametrize("shape", [(64, 129), (32, 32, 3), (28, 15)])
def test_images_that_the_student_does_not_take_are_refused_in_one_sentence(shape: tuple[int, ...]) -> None:
    images = np.zeros((100, *shape), np.uint8)
    data = ImageSet(images, np.arange(100) % 10, tuple("abcdefghij"), "")
    config = DistillConfig(epochs=1, batch_items=8, validation_items=10)
    with pytest.raises(SdrScError, match="where the student takes grey or RGB images of 16 to 128 pixels a side"):
        Trainer(data, config, open_knowledge(data, config))
