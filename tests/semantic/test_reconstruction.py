# SPDX-License-Identifier: GPL-3.0-or-later
"""The task reconstruction: thumbnails, their score and metric, and what a contract may say of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sdr_sc.errors import ContractError
from sdr_sc.semantic import weights
from sdr_sc.semantic.cam import CamTarget, table_for
from sdr_sc.semantic.contract_reading import read_contract_text
from sdr_sc.semantic.specs import TaskSpec
from sdr_sc.semantic.tasks.base import task_by_wire_id, task_of
from sdr_sc.semantic.tasks.reconstruction import Reconstruction, thumbnail_shape, thumbnails

TASK = Reconstruction()


def test_a_thumbnail_is_the_mean_over_areas_whatever_the_sides() -> None:
    items = np.random.default_rng(1).integers(0, 256, (3, 3, 64, 32), np.uint8)
    found = thumbnails(items, thumbnail_shape((3, 64, 32))).reshape(3, 3, 16, 16)
    assert np.allclose(found, items.reshape(3, 3, 16, 4, 16, 2).mean(axis=(3, 5)) / 255, atol=1e-5)
    for side in (17, 28, 31, 45):
        small = thumbnail_shape((side, side))
        assert max(small) <= 16
        grey = np.full((1, side, side), 51, np.uint8)
        assert np.allclose(thumbnails(grey, small), 0.2, atol=1e-6)


def test_scores_are_from_0_to_1_and_the_metric_is_in_db() -> None:
    items = np.random.default_rng(2).integers(0, 256, (4, 8, 8), np.uint8)
    exact = thumbnails(items, (4, 4))
    spec = TaskSpec("reconstruction", (), 16, (4, 4))
    output = exact.copy()
    output[1] = np.where(exact[1] > 0.5, exact[1] - 0.1, exact[1] + 0.1)
    output[2], output[3] = np.nan, np.inf
    answer = TASK.answer(output.astype(np.float32), spec)
    assert answer.ids.tolist() == [[0], [0], [-1], [-2]] and answer.pictures is not None
    assert answer.pictures.shape == (4, 4, 4) and answer.pictures.dtype == np.uint8 and not answer.pictures[2:].any()
    score = TASK.score_pictures(answer, items)
    figures = TASK.figure(score)
    assert figures[0] > 50 and figures[1] == pytest.approx(20.0, abs=0.3)
    assert score[2] == pytest.approx(1 - np.square(exact[2] - 0.5).mean(), abs=1e-5), "a lost one counts as grey"
    assert (TASK.metric, TASK.unit, TASK.figure(1.0)) == ("PSNR", "dB", 60.0)
    assert task_of("classification").figure(0.25) == 25.0 and task_by_wire_id(4).name == "reconstruction"


def test_a_contract_with_thumbnails_comes_back_and_a_wrong_one_is_refused() -> None:
    known = weights.read_contract(weights.DEFAULT_MODEL)
    spec = TaskSpec("reconstruction", (), 196, (14, 14))
    contract = replace(known, tasks=(known.tasks[0], spec))
    assert read_contract_text(contract.to_json(), "x").task("reconstruction") == spec
    assert '"shape"' not in known.to_json().split('"tasks"')[1], "contracts of one task are as before"
    for bad in (TaskSpec("reconstruction", (), 196, (7, 28)), TaskSpec("reconstruction", (), 195, (14, 14))):
        with pytest.raises(ContractError, match=r"thumbnails of shape .* where those of its items are \[14, 14\]"):
            read_contract_text(replace(known, tasks=(known.tasks[0], bad)).to_json(), "x")
    texts = weights.read_contract("wordnet_student")
    with pytest.raises(ContractError, match="has the task reconstruction, which is of pictures, for texts"):
        read_contract_text(replace(texts, tasks=(texts.tasks[0], spec), cam=known_cam(texts)).to_json(), "x")


def known_cam(contract: object) -> object:
    return replace(contract.cam, others={})  # type: ignore[attr-defined, type-var]


def test_the_channel_adaptive_module_counts_db_of_a_psnr_and_points_of_an_accuracy() -> None:
    known = weights.read_contract(weights.DEFAULT_MODEL)
    rows, k = len(known.cam.snr_db), len(known.k_list)
    spec = TaskSpec("reconstruction", (), 196, (14, 14))
    psnr_db = np.linspace(10, 10 + 2 * (k - 1), k)  # 2 dB from one k to the next
    others = {"reconstruction": tuple(tuple(1 - 10 ** (-psnr_db / 10)) for _ in range(rows))}
    contract = replace(known, tasks=(known.tasks[0], spec), cam=replace(known.cam, others=others))
    for loss_db, place in ((1.0, -1), (2.5, -2), (4.5, -3)):
        table = table_for(contract, CamTarget(loss_db, tasks=("reconstruction",)))
        assert set(table.k) == {known.k_list[place]}, loss_db


