# SPDX-License-Identifier: GPL-3.0-or-later
"""The student of pictures and texts that comes with the project, over the simulated link, recorded and replayed."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from sdr_sc.data.catalogue import load_dataset
from sdr_sc.flowgraph.record import record_loopback
from sdr_sc.flowgraph.replay import replay
from sdr_sc.flowgraph.replay_config import ReplayConfig

MODEL, DATA_SET, ITEMS = "multitask_student", "wordnet+noto_emoji", 120
TASKS = "subgroup, retrieval"


def rows_of(folder: Path, name: str) -> list[dict[str, str]]:
    with open(folder / name, newline="") as file:
        return list(csv.DictReader(file))


def test_pictures_and_texts_share_frames_and_are_answered_again_from_a_recording(tmp_path: Path) -> None:
    live, again = tmp_path / "live", tmp_path / "again"
    record_loopback(
        tmp_path / "both", 300.0, folder=str(live), model=MODEL, data_set=DATA_SET, images=ITEMS, tasks=TASKS, k=32,
        feedback_timeout_s=60.0, seed=4, snr_db=20.0, items_per_frame=12,
    )  # fmt: skip
    data = load_dataset(DATA_SET, "test")
    items = rows_of(live, "items.csv")
    sent = np.array([int(row["item_id"]) for row in items])
    is_text = data.items(sent)[:, 0] == 2
    assert len(sent) == ITEMS and 60 < is_text.sum() < ITEMS - 8, "both are sent"
    frames = np.array([int(row["frame_index"]) for row in items])
    assert any(len(set(is_text[frames == frame])) == 2 for frame in set(frames)), "side by side in a frame"
    right = np.array([int(row["correct"]) for row in items])
    assert right[is_text].mean() > 0.65 and right[~is_text].mean() > 0.4
    answers = rows_of(live, "answers.csv")
    found = [row for row in answers if row["task"] == "retrieval"]
    assert len(found) == ITEMS and np.mean([int(row["correct_listed"]) for row in found]) > 0.5
    unknown = [row for row in answers if row["task"] == "subgroup" and row["target"] == "-1"]
    assert {row["correct"] for row in unknown} == {""} and len(unknown) >= 60, "glosses have no subgroup"

    replay(ReplayConfig(tmp_path / "both", (MODEL,), tasks=TASKS), [again], 300.0)
    assert rows_of(again, "answers.csv") == answers
