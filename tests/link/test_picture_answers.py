# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that are pictures: in PDUs, counted, written down, and damaged."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from sdr_sc.blocks.runtime.pdu import make_pdu, read_pdu
from sdr_sc.errors import BlockError, SdrScError
from sdr_sc.link.frames.frame_record import Answer, FrameRecord, Reception
from sdr_sc.link.frames.item_truth import ItemTruth
from sdr_sc.link.frames.link_record import LinkRecord
from sdr_sc.link.frames.picture_answers import SCORE_COLUMNS, SCORES_CSV
from sdr_sc.link.frames.task_answers import answers_meta, answers_of
from sdr_sc.results.picture_rows import picture_rows
from sdr_sc.semantic.specs import TaskSpec
from sdr_sc.semantic.tasks.base import TaskAnswer
from sdr_sc.semantic.tasks.reconstruction import Reconstruction, thumbnails

ITEMS, SHAPE = 3, (8, 8)


def answer_of(items: np.ndarray, wrong: float = 0.0) -> TaskAnswer:
    """Thumbnails of the items, all of them off by so much."""
    spec = TaskSpec("reconstruction", (), 16, (4, 4))
    return Reconstruction().answer(thumbnails(items, (4, 4)) + np.float32(wrong), spec)


def test_pictures_pass_through_pdus_and_what_does_not_fit_is_refused() -> None:
    items = np.random.default_rng(1).integers(30, 200, (ITEMS, *SHAPE), np.uint8)
    found = answer_of(items)
    meta, _ = read_pdu(make_pdu(answers_meta({"reconstruction": found}), np.zeros(1, np.int32)), "answers")
    again = answers_of(meta, ITEMS)["reconstruction"]
    assert np.array_equal(again.pictures, found.pictures) and again.best.tolist() == [0] * ITEMS
    shape, values = np.array([4, 4], np.int32), meta["pictures_reconstruction"]
    for changes in (
        {"shape_reconstruction": np.array([4, 5], np.int32)},
        {"shape_reconstruction": np.array([16], np.int32)},
        {"shape_reconstruction": np.array([-4, -4], np.int32)},
        {"shape_reconstruction": "4 4"},
        {"pictures_reconstruction": values[1:], "shape_reconstruction": shape},
        {"pictures_reconstruction": values.astype(np.float32)},
    ):
        with pytest.raises(BlockError, match="pictures of 'reconstruction' do not fit its items"):
            answers_of({**meta, **changes}, ITEMS)


def run(folder: Path, lost: int | None = None, told: bool = True) -> tuple[LinkRecord, np.ndarray]:
    """Three frames, of which one may be lost."""
    rng, record = np.random.default_rng(2), LinkRecord(folder)
    items = rng.integers(30, 200, (3, ITEMS, *SHAPE), np.uint8)
    for index in range(3):
        ids = ITEMS * index + np.arange(ITEMS)
        if told:
            record.items(ItemTruth(ids, ids % 2, items[index].reshape(ITEMS, -1), SHAPE, "image"))
        record.sent(FrameRecord(index, 8, ids, np.full(ITEMS, -1), np.empty((ITEMS, 0), np.uint8), 0, item_shape=SHAPE))
        if index != lost:
            more = {"reconstruction": answer_of(items[index], 0.1)}
            found = Answer(ids % 2, np.full(ITEMS, 0.9), 0, more=more)
            record.received(Reception(index, 8, ITEMS, 12.0, answer=found))
    record.close()
    return record, items


def test_scores_are_counted_and_a_lost_frame_counts_as_grey(tmp_path: Path) -> None:
    record, items = run(tmp_path, lost=1)
    counts = record.counts()["tasks"]["reconstruction"]
    assert (counts["items"], counts["items_answered"], counts["items_lost"]) == (9, 6, 3)
    lost = np.square(thumbnails(items[1], (4, 4)) - 0.5).mean()
    wanted_db = -10 * np.log10((6 * 0.01 + 3 * lost) / 9)
    assert counts["items_scored"] == 9 and counts["figure"] == pytest.approx(wanted_db, abs=0.1)
    assert f"reconstruction: 6 of 9 pictures, PSNR {wanted_db:.1f} dB" in record.summary()
    with open(tmp_path / SCORES_CSV, newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(SCORE_COLUMNS)
    assert [row["answer"] for row in rows] == ["0"] * 3 + ["-1"] * 3 + ["0"] * 3
    (row,) = picture_rows(tmp_path)
    assert row.value == pytest.approx(counts["figure"], abs=1e-3) and row.n == 9
    assert [item_id for item_id, _ in record.thumbnails] == [0, 6]


def test_without_truth_pictures_are_kept_and_not_scored(tmp_path: Path) -> None:
    record, _ = run(tmp_path, told=False)
    counts = record.counts()["tasks"]["reconstruction"]
    assert (counts["items_answered"], counts["items_scored"], counts["figure"]) == (9, 0, None)
    assert len(record.thumbnails) == 3 and not record.pictures and picture_rows(tmp_path) == []
    assert "reconstruction: 9 of 9 pictures" in record.summary()
    run(tmp_path / "again")
    LinkRecord(tmp_path / "again").close()
    assert not (tmp_path / "again" / SCORES_CSV).exists(), "an earlier run's file does not stay"


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    for cell in ("2", "-1", "nan", "x"):
        (tmp_path / SCORES_CSV).write_text(f"{','.join(SCORE_COLUMNS)}\n1,0,reconstruction,0,{cell}\n")
        with pytest.raises(SdrScError, match="scores.csv, line 2: score .* is not"):
            picture_rows(tmp_path)
