# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of the tasks beside the first one, from what a run wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdr_sc.errors import SdrScError
from sdr_sc.link.frames.task_answers import ANSWER_COLUMNS, ANSWERS_CSV
from sdr_sc.results.answers_table import read_answers
from sdr_sc.results.task_rows import task_rows

COUNTS = {"tasks": {"retrieval": {"metric": "R@1", "top": 5}, "subgroup": {"metric": "accuracy", "top": 1}}}


def write(folder: Path, *rows: tuple[int, str, str, str]) -> None:
    """Rows of frame, task, and the two marks."""
    cells = [["1", str(frame), task, "1", "1", "", "", "", "", *marks, "0.5", ""] for frame, task, *marks in rows]
    lines = [",".join(ANSWER_COLUMNS), *map(",".join, cells)]
    (folder / ANSWERS_CSV).write_text("\n".join(lines) + "\n")


def test_each_task_has_its_metric_and_those_with_several_answers_two(tmp_path: Path) -> None:
    marks = [("1", "1"), ("0", "1"), ("0", "0"), ("", "")]
    write(tmp_path, *((frame, "retrieval", *one) for frame in range(3) for one in marks), (0, "subgroup", "0", "0"))
    rows = task_rows(tmp_path, COUNTS)
    assert [(row.name, row.unit, row.n) for row in rows] == [
        ("retrieval: R@1", "%", 9),
        ("retrieval: R@5", "%", 9),
        ("subgroup: accuracy", "%", 1),
    ]
    assert [row.value for row in rows] == [pytest.approx(100 / 3), pytest.approx(200 / 3), 0.0]
    assert all(row.ci95[0] <= row.value <= row.ci95[1] for row in rows)


def test_without_further_tasks_or_truth_there_are_no_rows(tmp_path: Path) -> None:
    assert task_rows(tmp_path, {}) == []
    write(tmp_path, (0, "retrieval", "", ""))
    assert task_rows(tmp_path, COUNTS) == []


def test_a_damaged_file_is_one_sentence_with_its_line(tmp_path: Path) -> None:
    write(tmp_path, (0, "retrieval", "1", "1"), (0, "retrieval", "2", "1"))
    with pytest.raises(SdrScError, match="answers.csv, line 3: an answer is neither right"):
        task_rows(tmp_path, COUNTS)
    (tmp_path / ANSWERS_CSV).unlink()
    with pytest.raises(SdrScError, match="answers.csv cannot be read"):
        task_rows(tmp_path, COUNTS)


def test_a_file_without_the_column_of_questions_is_read_and_one_with_it_too(tmp_path: Path) -> None:
    write(tmp_path, (0, "retrieval", "1", "1"), (0, "question", "1", "1"), (1, "question", "0", "0"))
    lines = (tmp_path / ANSWERS_CSV).read_text().splitlines()
    assert lines[0].endswith(",question")
    (tmp_path / ANSWERS_CSV).write_text("\n".join(line.rpartition(",")[0] for line in lines) + "\n")
    assert [table.question.tolist() for table in read_answers(tmp_path).values()] == [[""], ["", ""]]
    asked = [*lines[:2], f'{lines[2]}"what colour, and where?"', f"{lines[3]}why?"]
    (tmp_path / ANSWERS_CSV).write_text("\n".join(asked) + "\n")
    tables = read_answers(tmp_path)
    assert tables["retrieval"].question.tolist() == [""]
    assert tables["question"].question.tolist() == ["what colour, and where?", "why?"]
    (tmp_path / ANSWERS_CSV).write_text("\n".join([*lines[:2], lines[2] + "é" * 129]) + "\n")
    with pytest.raises(SdrScError, match="answers.csv, line 3: question has more than 256 bytes"):
        read_answers(tmp_path)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sdr_sc.results.run_folder.MOST_TEXTS", 2)
        (tmp_path / ANSWERS_CSV).write_text("\n".join(asked) + "\n")
        with pytest.raises(SdrScError, match="line 4: question has more than 2 different texts"):
            read_answers(tmp_path)
