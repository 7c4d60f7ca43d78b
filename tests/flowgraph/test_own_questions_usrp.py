# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions that only the receiver of the news knows: each picture over the simulated USRP is asked one of its own."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import toy_pictures
from usrp_ends import Ends

from sdr_sc.capture import open_capture
from sdr_sc.data.own_questions import items_asked

PROGRAM = (str(Path(__file__).parents[1] / "helpers" / "toy_command.py"),)
IMAGES = 96


def test_both_ends_ask_each_picture_its_own_question(tmp_path: Path) -> None:
    recording, model = tmp_path / "recorded", toy_pictures.make_model(tmp_path)
    own = ("--model", model, "--tasks", "reconstruction", "--question", "*")
    with Ends(tmp_path, "step", program=PROGRAM) as ends:
        rx = ends.start("rx", *own, "--record", recording, device=",path_loss_db=62,seed=5")
        options = ("--data-set", toy_pictures.NAME, "--images", IMAGES, "-k", 16, "--feedback-timeout", 60)
        tx = ends.start("tx", *own, *options)
        assert ends.wait(tx) == 0 and ends.wait(rx) == 0, ends.log("rx").read_text()
        assert {frame["status"] for frame in ends.frames()} == {"delivered"}
        assert "nobody says what the items" not in ends.log("rx").read_text()
    (folder,) = (tmp_path / "rx").iterdir()
    with open(folder / "items.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    asked = items_asked(toy_pictures.load("test").pictures_once(), "*", 1)
    ids = np.array([int(row["item_id"]) for row in rows])
    assert len(rows) == IMAGES and [int(row["label"]) for row in rows] == asked.answer[ids].tolist()
    assert len({asked.texts[one] for one in ids.tolist()}) == 4, "each picture twice, with the same question"
    assert sum(row["correct"] == "1" for row in rows) > 0.85 * IMAGES
    with open(folder / "scores.csv", newline="") as file:
        assert all(row["score"] for row in csv.DictReader(file))
    with open_capture(recording) as capture:
        noted = [pair for note in capture.frames() if note.item_id is not None and note.questions is not None
                 for pair in zip(note.item_id, note.questions, strict=True)]  # fmt: skip
    assert len(noted) == IMAGES and all(asked.texts[item] == text for item, text in noted)
