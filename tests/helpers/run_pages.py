# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders of runs made by hand, and the pages of their reports taken apart."""

from __future__ import annotations

import csv
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.link.frames.base_answers import KNOWLEDGE_COLUMNS
from sdr_sc.link.frames.picture_answers import SCORE_COLUMNS
from sdr_sc.link.frames.task_answers import ANSWER_COLUMNS
from sdr_sc.results.rows import Row, write_json

CLASSES = ["Coat", "Bag", "Dress"]
FRAME_FIELDS = "frame_index,snr_set_db,snr_est_db,cfo_hz,k,n_items,status,correct,latency_ms".split(",")
ITEM_FIELDS = "item_id,frame_index,label,answer,k,correct,confidence,snr_est_db".split(",")
VOID = {"meta", "img", "br", "link", "input", "hr"}


def write_table(path: Path, fields: list[str], rows: list[list[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(fields)
        writer.writerows(rows)


def make_run(
    folder: Path,
    frames: int = 40,
    lost: tuple[int, ...] = (),
    classes: list[str] | None = None,
    images: int = 6,
    **accounting: Any,
) -> Path:
    """A run folder of 3 items a frame: 20 dB and k = 4 in the first half, 0 dB and k = 16 in the second."""
    rng = np.random.default_rng(11)
    folder.mkdir(parents=True, exist_ok=True)
    frame_rows, item_rows = [], []
    for index in range(frames):
        snr, k = (20.0, 4) if index < frames / 2 else (0.0, 16)
        gone = index in lost
        labels = rng.integers(0, 3, 3)
        answers = np.full(3, -1) if gone else np.where(rng.random(3) < 0.8, labels, (labels + 1) % 3)
        estimate = "" if gone else f"{snr + 0.5 + rng.normal(0, 0.2):.4f}"
        right = (answers == labels).astype(int)
        latency = "" if gone else f"{rng.uniform(5, 9):.4f}"
        status = "lost" if gone else "delivered"
        frame_rows.append([index, snr, estimate, "" if gone else 2000.0, k, 3, status, right.sum(), latency])
        for i in range(3):
            item_rows.append(
                [3 * index + i, index, labels[i], answers[i], k, right[i], 0.0 if gone else 0.9, estimate]
            )  # fmt: skip
    write_table(folder / "frames.csv", FRAME_FIELDS, frame_rows)
    write_table(folder / "items.csv", ITEM_FIELDS, item_rows)
    pictures = rng.integers(0, 256, (images, 28, 28)).astype(np.uint8)
    np.savez_compressed(folder / "images.npz", images=pictures, item_id=np.arange(images))
    n_lost = len([index for index in lost if index < frames])
    counts = {
        "frames_sent": frames, "frames_delivered": frames - n_lost, "frames_answered": frames - n_lost,
        "frames_lost": n_lost, "lost_causes": {"not detected": n_lost}, "items_sent": 3 * frames, "accounted": True,
        **accounting,
    }  # fmt: skip
    config = {"seed": 11, "cfo_hz": 2000.0, "k_list": [4, 8, 16], "class_names": classes or CLASSES}
    rows = [Row.at_least("accuracy", 80.5, "%", 75, n=3 * frames, ci95=(78.0, 83.0)), Row("bias", float("nan"), "dB")]
    write_json(folder / "summary.json", "sdr-sc demo", rows, {"config": config, "accounting": counts})
    return folder


def add_task(folder: Path, gallery: int = 50) -> None:
    """Give a run of `make_run` a second task with five answers an item: 7 of 10 best ones right, 1 more listed."""
    rng = np.random.default_rng(5)
    with open(folder / "items.csv", newline="") as file:
        items = list(csv.DictReader(file))
    rows = []
    for item in items:
        target, gone = int(rng.integers(gallery)), item["answer"] == "-1"
        others = [one for one in rng.permutation(gallery).tolist() if one != target][:5]
        place = -1 if gone else int(rng.choice([0, 2, -1], p=[0.7, 0.1, 0.2]))
        answers: list[Any] = [target if rank == place else one for rank, one in enumerate(others)]
        answers = [-1, "", "", "", ""] if gone else answers
        marks = [int(place == 0), int(place >= 0)]
        rows.append(
            [item["item_id"], item["frame_index"], "retrieval", target, *answers, *marks, 0.0 if gone else 0.4, ""]
        )
    write_table(folder / "answers.csv", list(ANSWER_COLUMNS), rows)
    summary = json.loads((folder / "summary.json").read_text())
    summary.pop("sha256", None)
    summary["config"] |= {
        "answered_tasks": ["classification", "retrieval"],
        "task_names": {"retrieval": {str(one): f"entry <{one}>" for one in range(gallery)}},
    }
    summary["accounting"]["tasks"] = {"retrieval": {"metric": "R@1", "top": 5}}
    (folder / "summary.json").write_text(json.dumps(summary))


def add_questions(folder: Path, texts: tuple[str, ...]) -> None:
    """Give a run of `add_task` a task of questions: the items are asked these in turn, and all answered right."""
    with open(folder / "answers.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for place, row in enumerate([*rows]):
        answers = {"answer": 1, **{name: "" for name in row if name.startswith("answer_")}}
        asked = {
            "task": "question",
            "target": 1,
            "correct": 1,
            "correct_listed": 1,
            "question": texts[place % len(texts)],
        }
        rows.append({**row, **answers, **asked})
    write_table(folder / "answers.csv", list(ANSWER_COLUMNS), [[*row.values()] for row in rows])


def add_pictures(folder: Path, kept: int = 4) -> None:
    """Give a run of `make_run` a task that is answered with pictures: scores from 0.9 to 0.99, of lost items 0.75."""
    with open(folder / "items.csv", newline="") as file:
        items = list(csv.DictReader(file))
    gone = [item["answer"] == "-1" for item in items]
    scores = np.where(gone, 0.75, np.linspace(0.9, 0.99, len(items)))
    rows = [
        [item["item_id"], item["frame_index"], "reconstruction", -lost, f"{score:.6f}"]
        for item, lost, score in zip(items, map(int, gone), scores, strict=True)
    ]
    write_table(folder / "scores.csv", list(SCORE_COLUMNS), rows)
    pictures = np.random.default_rng(2).integers(0, 256, (kept, 14, 14)).astype(np.uint8)
    np.savez_compressed(folder / "thumbnails.npz", thumbnails=pictures, item_id=np.arange(kept))
    summary = json.loads((folder / "summary.json").read_text())
    summary.pop("sha256", None)
    summary["accounting"].setdefault("tasks", {})["reconstruction"] = {"metric": "PSNR"}
    (folder / "summary.json").write_text(json.dumps(summary))


def add_knowledge(folder: Path, base_id: str = "", version: int = 1, new_class: str = "Owl <new>") -> None:
    """Give a run of `make_run` answers with a base: of each five that arrived one changed to right, and each tenth to
    a class that the base alone has; in the last frame the base is off."""
    with open(folder / "items.csv", newline="") as file:
        items = list(csv.DictReader(file))
    rows, last = [], max(int(item["frame_index"]) for item in items)
    for place, item in enumerate(one for one in items if one["answer"] != "-1"):
        label, alone, used = int(item["label"]), int(item["answer"]), int(item["frame_index"]) != last
        answer = len(CLASSES) if used and place % 10 == 3 else label if used and place % 5 == 0 else alone
        name = new_class if answer == len(CLASSES) else CLASSES[answer]
        share = 0.4 if answer != alone else 0.0
        entries = [1, 2, 999, "", ""] if used else [""] * 5
        known = [used and value != "" for value in entries]
        item["answer"], item["correct"] = str(answer), str(int(answer == label))
        rows.append([
            item["item_id"], item["frame_index"], label, answer, alone, int(answer == label), int(alone == label), 0.8,
            0.5 if used else 0.0, version, "used" if used else "other version", name, *entries,
            *(0 if has else "" for has in known), *(0.9 - at / 10 if has else "" for at, has in enumerate(known)),
            *(share if has and at < 2 else 0 if has else "" for at, has in enumerate(known)),
        ])  # fmt: skip
    write_table(folder / "knowledge.csv", list(KNOWLEDGE_COLUMNS), rows)
    write_table(folder / "items.csv", list(items[0]), [[*item.values()] for item in items])
    summary = json.loads((folder / "summary.json").read_text())
    summary.pop("sha256", None)
    summary["accounting"]["knowledge"] = {"items": {"used": len(rows)}, "bases": [f"{base_id} version {version}"]}
    (folder / "summary.json").write_text(json.dumps(summary))


class Page(HTMLParser):
    """Checks that elements nest, and keeps ids, references, and text, also as words with single spaces between."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.references: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert self._open == []
        self.words = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "xlink:href", "srcset", "data", "action"):
                self.references.append(value or "")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open[-1] == tag, f"</{tag}> closes <{self._open[-1:]}>"
        self._open.pop()
        self.text += " " if tag in ("td", "th", "dd", "dt") else ""

    def handle_data(self, data: str) -> None:
        self.text += data if not self._open or self._open[-1] != "style" else ""
