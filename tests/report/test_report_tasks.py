# SPDX-License-Identifier: GPL-3.0-or-later
"""The panels of a run that answered several tasks."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from run_pages import Page, add_pictures, add_questions, add_task, make_run

from sdr_sc.errors import SdrScError
from sdr_sc.report.run.files import load_run
from sdr_sc.report.run.picture_panels import picture_panels
from sdr_sc.report.run.task_panels import task_panels
from sdr_sc.report.run.task_plots import levels_of, running
from sdr_sc.report.run.write import write_report
from sdr_sc.results.rows import clustered_interval


def make(folder: Path, **more: object) -> Path:
    make_run(folder, lost=(3,), images=30, **more)
    add_task(folder)
    return folder


def rows_of(folder: Path) -> list[dict[str, str]]:
    with open(folder / "answers.csv", newline="") as file:
        return list(csv.DictReader(file))


def text_of(folder: Path) -> tuple[str, Page]:
    source = write_report(folder).read_text(encoding="utf-8")
    return source, Page(source)


def test_each_task_has_its_figures_with_the_interval_over_frames(tmp_path: Path) -> None:
    folder = make(tmp_path / "run")
    rows = rows_of(folder)
    first, second = task_panels(load_run(folder))
    assert [one["name"] for one in first["figures"]] == ["accuracy"]
    assert [one["name"] for one in second["figures"]] == ["R@1", "R@5"]
    for figure, column in zip(second["figures"], ("correct", "correct_listed"), strict=True):
        right = np.array([int(row[column]) for row in rows])
        assert figure["value"] == f"{100 * right.mean():.1f}"
        low, high = clustered_interval(right.reshape(40, 3).sum(axis=1), np.full(40, 3))
        assert f"{100 * low:.1f} to {100 * high:.1f} %; 120 items in 40 frames" in figure["note"]
    assert (second["sent"], second["lost"]) == (120, 3)


def test_the_curve_is_over_the_snr_that_was_set_or_else_over_the_estimated_one(tmp_path: Path) -> None:
    folder = make(tmp_path / "run")
    run, rows = load_run(folder), rows_of(folder)
    which, (best, listed) = levels_of(run, run.tasks[1])
    assert which == "set" and [(one.snr_db, one.items) for one in best] == [(0.0, 60), (20.0, 60)]
    high = [int(row["correct"]) for row in rows if int(row["frame_index"]) < 20]
    assert best[1].share == pytest.approx(100 * np.mean(high)) and best[1].low < best[1].share < best[1].high
    assert all(one.share >= other.share for one, other in zip(listed, best, strict=True))
    frames = (folder / "frames.csv").read_text().splitlines()
    cells = [line.split(",") for line in frames]
    for row in cells[1:]:
        row[1] = ""
    (folder / "frames.csv").write_text("\n".join(",".join(row) for row in cells) + "\n")
    run = load_run(folder)
    which, (best, _) = levels_of(run, run.tasks[1])
    assert which == "estimated" and sum(one.items for one in best) == 117, "what was lost has no estimate"
    assert "SNR estimated (dB)" in text_of(folder)[0]


def test_the_latest_answers_are_counted_by_frames() -> None:
    frames, right = np.repeat(np.arange(4), 2), np.array([1, 0, np.nan, 1, 1, 1, np.nan, np.nan])
    at, share = running(frames, right, window=4)
    assert at.tolist() == [0, 1, 2] and share.tolist() == [50.0, pytest.approx(200 / 3), 75.0]
    assert len(running(frames, np.full(8, np.nan))[0]) == 0


def test_examples_are_right_and_wrong_items_with_their_answers(tmp_path: Path) -> None:
    folder = make(tmp_path / "run")
    rows = {int(row["item_id"]): row for row in rows_of(folder)}
    _, panel = task_panels(load_run(folder))
    (title, right), (other_title, wrong) = panel["groups"]
    assert (title, other_title) == ("Right", "Not the first answer") and len(right) == len(wrong) == 4
    for card in right:
        assert card["answers"][0]["mark"] == "✓" and len(card["answers"]) == 5 and not card["truth"]
    kept_wrong = [row for item, row in rows.items() if item < 30 and row["correct"] == "0"]
    truths = {f"entry <{row['target']}>" for row in kept_wrong if row["correct_listed"] == "0"}
    for card in wrong:
        marks = [answer["mark"] for answer in card["answers"]]
        assert (card["without"] == "lost" and not marks) or marks[0] == "✗"
        assert ("✓" in marks) != (card["truth"] in truths)
    source, page = text_of(folder)
    assert "Task: classification" in page.text and "Task: retrieval" in page.text
    assert "entry <" in page.text and "entry &lt;" in source and "Lost" in page.text
    assert "Accuracy by SNR" not in page.text and "task names" not in page.text
    assert len(re.findall(r"<svg ", source)) == 2 * 6 and len(page.ids) == len(set(page.ids))


def test_a_task_that_is_answered_with_pictures_shows_them_beside_what_was_sent(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", lost=(3,), images=6)
    add_pictures(folder)
    (panel,) = picture_panels(load_run(folder))
    score = np.linspace(0.9, 0.99, 120)
    score[9:12] = 0.75
    (figure,) = panel["figures"]
    assert (figure["name"], figure["unit"]) == ("PSNR", "dB")
    assert float(figure["value"]) == pytest.approx(-10 * np.log10(1 - score.mean()), abs=0.06)
    assert "120 items in 40 frames" in figure["note"] and panel["lost"] == 3
    (_, cards) = panel["groups"][0]
    assert [card["answers"][0]["name"] for card in cards] == [f"{-10 * np.log10(1 - one):.1f} dB" for one in score[:4]]
    source, page = text_of(folder)
    assert "Task: classification" in page.text and "Task: reconstruction" in page.text
    assert page.tags.count("img") >= 8 and len(page.ids) == len(set(page.ids))
    (folder / "scores.csv").write_text((folder / "scores.csv").read_text().replace("0.900000", "1.5"))
    with pytest.raises(SdrScError, match=r"scores.csv, line 2: score 1.5 is not within 0 to 1"):
        load_run(folder)
    np.savez(folder / "thumbnails.npz", thumbnails=np.zeros((2, 5), np.uint8), item_id=np.arange(2))
    add_pictures(make_run(tmp_path / "other"))
    (tmp_path / "other" / "thumbnails.npz").write_bytes((folder / "thumbnails.npz").read_bytes())
    with pytest.raises(SdrScError, match=r"thumbnails.npz has thumbnails uint8 \(2, 5\), which are none"):
        load_run(tmp_path / "other")


def test_the_panel_of_questions_says_what_was_asked(tmp_path: Path) -> None:
    folder = make(tmp_path / "run")
    texts = tuple(f"is it <{place}>?" for place in range(15))
    add_questions(folder, (*texts, texts[1], ""))
    *_, panel = task_panels(load_run(folder))
    rows = panel["questions"]
    assert rows[0] == {"question": texts[1], "items": "14", "right": "100.0 %"} and len(rows) == 13
    assert rows[-1] == {"question": "3 other questions", "items": "21", "right": "100.0 %"}
    asked = {row["item_id"]: row["question"] for row in rows_of(folder) if row["task"] == "question"}
    right = panel["groups"][0][1]
    assert [card["question"] for card in right] and all(card["question"] in asked.values() for card in right)
    source, page = text_of(folder)
    assert "is it <1>?" in page.text and "is it &lt;1&gt;?" in source and page.tags.count("q") >= 3
    assert source.count("<th>Asked</th>") == 1, "no other task is asked anything"


def test_a_run_whose_only_task_answers_questions_says_what_was_asked(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    with open(folder / "items.csv", newline="") as file:
        rows = [
            {**row, "question": ("what colour?", "where?")[place % 2]} for place, row in enumerate(csv.DictReader(file))
        ]
    with open(folder / "items.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    source, page = text_of(folder)
    assert "what colour?" in page.text and "<th>Asked</th>" in source and page.tags.count("q") == 6


def test_a_run_of_one_task_has_no_panels(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    assert load_run(folder).tasks == () and "Task:" not in text_of(folder)[1].text
    assert "Asked" not in text_of(folder)[0]


def test_all_lost_or_nothing_kept_is_a_page_too(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", frames=4, lost=(0, 1, 2, 3), images=0)
    add_task(folder)
    _, page = text_of(folder)
    assert "None of the items that the run kept." in page.text and not re.search(r"\bnan\b", page.text)


@pytest.mark.parametrize(
    ("file", "before", "after", "words"),
    [
        ("answers.csv", ",retrieval,", ",,", "answers.csv, line 2: task '' is none"),
        ("answers.csv", ",retrieval,", ",retrieval,x", "target 'x.*' is not a whole number"),
        (
            "summary.json",
            '"task_names": {"retrieval": {"0": "entry <0>"',
            '"task_names": {"retrieval": {"a": "b"',
            "names no",
        ),
        ("summary.json", '"answered_tasks": ["classification"', '"answered_tasks": [7', "names tasks that are none"),
    ],
)
def test_what_a_run_does_not_write_is_one_sentence(
    file: str, before: str, after: str, words: str, tmp_path: Path
) -> None:
    folder = make(tmp_path / "run")
    text = (folder / file).read_text()
    assert before in text
    (folder / file).write_text(text.replace(before, after))
    with pytest.raises(SdrScError, match=words):
        load_run(folder)


def test_answers_that_were_edited_are_refused(tmp_path: Path) -> None:
    from sdr_sc.results.rows import write_summary

    folder = make(tmp_path / "run")
    summary = json.loads((folder / "summary.json").read_text())
    write_summary(folder, "sdr-sc demo", [], {key: summary[key] for key in ("config", "accounting")})
    assert load_run(folder).is_verified
    with open(folder / "answers.csv", "a") as file:
        file.write("1,0,retrieval,1,1,,,,,1,1,0.5\n")
    with pytest.raises(SdrScError, match="answers.csv is damaged or was edited"):
        load_run(folder)
