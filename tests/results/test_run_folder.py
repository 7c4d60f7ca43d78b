# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of run folders: what the writer writes, read again as arrays, and what it refuses."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from frames import reception

from sdr_sc.errors import SdrScError
from sdr_sc.flowgraph.usrp import RECEIVER_COLUMNS
from sdr_sc.link.frames.frame_record import FRAME_FIELDS, ITEM_FIELDS, FrameRecord
from sdr_sc.link.frames.link_record import LinkRecord
from sdr_sc.results.run_folder import only_run, read_frames, read_items, rows_by_frame


def test_what_a_link_writes_is_read_again(tmp_path: Path) -> None:
    record = LinkRecord(tmp_path)
    for index in range(3):
        ids = np.arange(2 * index, 2 * index + 2)
        label = np.array([1, 2]) if index < 2 else np.array([-1, -1])
        record.sent(FrameRecord(index, 8, ids, label, np.zeros((2, 4), np.uint8), 0, snr_set_db=12.5))
    for index, answer in ((0, [1, 3]), (2, [4, -2])):
        record.received(reception(index, np.array(answer), np.array([0.5, 0.25]), 11.25, 100.0, 0, 8))
    record.close()
    frames, items = read_frames(tmp_path), read_items(tmp_path)
    assert tuple(frames) == FRAME_FIELDS and tuple(items) == ITEM_FIELDS
    assert frames["frame_index"].tolist() == [0, 1, 2] and frames["frame_index"].dtype == np.int64
    assert frames["status"].tolist() == [True, False, True] and frames["status"].dtype == bool
    np.testing.assert_array_equal(frames["snr_est_db"], [11.25, np.nan, 11.25])
    np.testing.assert_array_equal(frames["correct"], [1, 0, np.nan])  # nobody knows the truth of the last
    assert frames["k"].tolist() == [8, 8, 8] and frames["not_a_number"].tolist() == [0, 0, 1]
    assert items["answer"].tolist() == [1, 3, -1, -1, 4, -2]
    np.testing.assert_array_equal(items["correct"], [1, 0, 0, 0, np.nan, np.nan])
    assert {index: rows.tolist() for index, rows in rows_by_frame(items).items()} == {0: [0, 1], 1: [2, 3], 2: [4, 5]}


def test_the_frames_of_a_day_are_read_as_numbers(tmp_path: Path) -> None:
    lines = [",".join(FRAME_FIELDS)]
    lines += [f"{i},,12.5000,100.0000,8,4,delivered,3,20.0000,1.5000,0.5000,0,2" for i in range(20_000)]
    lines += ["20000,,,,32,4,lost,0,,,,0,2", "20001,,9.0,1.0,2,4,delivered,,1.0,,,0,0"]
    (tmp_path / "frames.csv").write_text("\n".join(lines) + "\n")
    del lines
    tracemalloc.start()
    columns = read_frames(tmp_path, RECEIVER_COLUMNS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak / len(columns["k"]) < 150  # bytes; as dictionaries they take 800
    assert columns["k"][-3:].tolist() == [8, 32, 2] and columns["correct"][-3:-1].tolist() == [3, 0]
    assert np.isnan(columns["correct"][-1]) and np.isnan(columns["snr_est_db"][-2]) and np.isnan(columns["air_ms"][-1])
    assert columns["latency_ms"][0] == 20.0


def test_items_of_runs_before_the_questions_are_read(tmp_path: Path) -> None:
    assert ITEM_FIELDS[-1] == "question"
    (tmp_path / "items.csv").write_text(f"{','.join(ITEM_FIELDS[:-1])}\n0,0,1,1,8,1,0.5,12.5\n")
    assert read_items(tmp_path)["question"].tolist() == [""]
    (tmp_path / "items.csv").write_text(f"{','.join(ITEM_FIELDS)}\n0,0,1,1,8,1,0.5,12.5,what?\n")
    assert read_items(tmp_path)["question"].tolist() == ["what?"]


def test_frames_of_runs_before_the_modes_are_read(tmp_path: Path) -> None:
    header = ",".join(FRAME_FIELDS[:-1])
    assert FRAME_FIELDS[-1] == "mode" and "mode" not in header
    (tmp_path / "frames.csv").write_text(f"{header}\n0,,12.5,,8,4,delivered,3,20,,,0\n")
    frames = read_frames(tmp_path)
    assert frames["k"].tolist() == [8] and np.isnan(frames["mode"]).all()
    (tmp_path / "frames.csv").write_text(f"{header},mode\n0,,12.5,,8,4,delivered,3,20,,,0,3\n")
    with pytest.raises(SdrScError, match="mode 3 is not within 0 to 2"):
        read_frames(tmp_path)


def test_a_line_that_is_still_written_is_left_out_only_where_it_may_be(tmp_path: Path) -> None:
    whole = "0,,12.5,,8,4,delivered,3,20,,,0,1"
    (tmp_path / "frames.csv").write_text(f"{','.join(FRAME_FIELDS)}\n{whole}\n1,,12.5,,8,4,delivered,3,2")
    assert read_frames(tmp_path, torn=True)["frame_index"].tolist() == [0]
    with pytest.raises(SdrScError, match="line 3: 9 cells where the header has 13"):
        read_frames(tmp_path)


@pytest.mark.parametrize(
    ("name", "cell", "complaint"),
    [
        ("k", "x", "k 'x' is not a number"),
        ("k", "nan", "k 'nan' is not a number"),
        ("k", "1_0", "k '1_0' is not a number"),
        ("n_items", "", "n_items '' is not a whole number"),
        ("n_items", "2.5", "n_items '2.5' is not a whole number"),
        ("k", "-1", "k -1 is not within 0 to 65536"),
        ("cfo_hz", "1e999", "cfo_hz '1e999' is not a number"),
        ("status", "gone", "status 'gone' is neither 'lost' nor 'delivered'"),
        ("status", "\x1b[2J", "status"),
    ],
)
def test_a_cell_that_no_run_writes_is_one_sentence(tmp_path: Path, name: str, cell: str, complaint: str) -> None:
    row = dict(zip(FRAME_FIELDS, "0,,12.5,,8,4,delivered,3,20,,,0,1".split(","), strict=True)) | {name: cell}
    (tmp_path / "frames.csv").write_text(f"{','.join(row)}\n{','.join(row.values())}\n")
    with pytest.raises(SdrScError) as error:
        read_frames(tmp_path)
    assert f"line 2: {complaint}" in str(error.value) and not set(str(error.value)) & {"\n", "\x1b"}


def test_more_rows_than_wanted_and_labels_that_are_needed(tmp_path: Path) -> None:
    rows = "0,0,1,1,4,1,0.5,,\n1,0,-1,1,4,,0.5,,\n"
    (tmp_path / "items.csv").write_text(f"{','.join(ITEM_FIELDS)}\n{rows}")
    assert read_items(tmp_path, most_rows=2)["label"].tolist() == [1, -1]
    with pytest.raises(SdrScError, match="more than 1 rows"):
        read_items(tmp_path, most_rows=1)
    with pytest.raises(SdrScError, match=r"line 3: the label is not known \(-1\)"):
        read_items(tmp_path, classes=2)
    with pytest.raises(SdrScError, match="line 2: label 1 is not within 0 to 0"):
        read_items(tmp_path, classes=1)


def test_the_only_run_below_a_folder(tmp_path: Path) -> None:
    for count, name in enumerate(("one", "two")):
        if count:
            assert only_run(tmp_path) == tmp_path / "one"
        else:
            with pytest.raises(SdrScError, match="holds 0 runs"):
                only_run(tmp_path)
        (tmp_path / name).mkdir()
        (tmp_path / name / "summary.json").write_text("{}")
    with pytest.raises(SdrScError, match="holds 2 runs"):
        only_run(tmp_path)
