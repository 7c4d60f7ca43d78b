# SPDX-License-Identifier: GPL-3.0-or-later
"""Run folders made to harm the report, and run folders with changed bits."""

from __future__ import annotations

import json
import random
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from run_pages import ITEM_FIELDS, make_run

from sdr_sc.errors import SdrScError
from sdr_sc.report.run.data import Run
from sdr_sc.report.run.files import load_run
from sdr_sc.report.run.plots import _shade_k
from sdr_sc.report.run.write import write_report
from sdr_sc.results.rows import Row, read_measurements, write_json, write_summary
from sdr_sc.sealed import sealed


def sealed_run(folder: Path, **settings: Any) -> Path:
    """A run folder as a run leaves it now, with the checksums of its tables."""
    make_run(folder, **settings)
    summary = json.loads((folder / "summary.json").read_text())
    write_summary(
        folder,
        summary["command"],
        [Row("accuracy", 80.5, "%", ci95=(78.0, 83.0))],
        {name: summary[name] for name in ("config", "accounting")},
    )
    return folder


def changed_summary(folder: Path, **changes: Any) -> Path:
    """A run folder whose summary says something else, under a checksum that fits."""
    make_run(folder, frames=4)
    path = folder / "summary.json"
    path.write_text(json.dumps(sealed({**json.loads(path.read_text()), **changes})))
    return folder


def refused(folder: Path) -> str:
    """The sentence that the report ends with."""
    with pytest.raises(SdrScError) as error:
        write_report(folder)
    sentence = str(error.value)
    assert "\n" not in sentence and len(sentence) < 500
    return sentence


def test_checksums_are_compared_and_their_absence_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = sealed_run(tmp_path / "new")
    assert load_run(folder).is_verified
    write_report(folder)
    assert not caplog.records
    write_report(make_run(tmp_path / "old"))
    assert "old are not verified" in caplog.text


@pytest.mark.parametrize("name", ["frames.csv", "items.csv", "images.npz"])
def test_a_table_that_was_edited_is_named(tmp_path: Path, name: str) -> None:
    folder = sealed_run(tmp_path / "run")
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content + b"\n")
    assert name in refused(folder) and "another SHA-256" in refused(folder)


def everything(run: Run) -> str:
    """All that a report shows, as text; a summary may hold members that nobody reads."""
    parts = {field.name: getattr(run, field.name) for field in fields(run)}
    for name in ("frames", "items"):
        parts[name] = {column: values.tolist() for column, values in vars(parts[name]).items()}
    parts["summary"] = [run.summary.get(name) for name in ("command", "git", "machine", "rows", "config", "accounting")]
    return repr({**parts, "images": run.images.tolist(), "image_ids": run.image_ids.tolist(), "is_verified": None})


def test_no_changed_bit_of_a_run_folder_gives_other_figures(tmp_path: Path) -> None:
    folder = sealed_run(tmp_path / "run", frames=6)
    before = everything(load_run(folder))
    contents = {path: path.read_bytes() for path in sorted(folder.iterdir())}
    rng, refusals = random.Random(4), 0
    for _ in range(400):
        path = rng.choice(list(contents))
        changed = bytearray(contents[path])
        place = rng.randrange(8 * len(changed))
        changed[place // 8] ^= 1 << place % 8
        path.write_bytes(changed)
        try:
            assert everything(load_run(folder)) == before
        except SdrScError as error:
            refusals += 1
            assert len(str(error)) < 600
        path.write_bytes(contents[path])
    assert refusals > 200


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rows": [3]}, "there is no object in row 1"),
        ({"rows": [{"name": "a", "value": "much"}]}, "'value' is no number"),
        ({"rows": [{"name": "a", "value": 1, "ci95": "wide"}]}, "'ci95' is not two numbers"),
        ({"rows": [{"name": "a", "value": 1, "ci95": [1, "2"]}]}, "'ci95' is not two numbers"),
        ({"rows": [{"name": "a", "value": 1, "ci95": [1, 2, 3]}]}, "'ci95' is not two numbers"),
        ({"rows": [{"name": ["a"], "value": 1}]}, "'name' is no text"),
        ({"rows": [{"name": "a", "value": 1, "n": "many"}]}, "'n' is no count"),
        ({"rows": [{"name": "a", "value": 1, "ok": []}]}, "'ok' is neither true nor false"),
        ({"rows": {"a": 1}}, "'rows' is not a JSON list"),
        ({"accounting": {"frames_sent": "all"}}, "'frames_sent' of 'accounting' is no count"),
        ({"accounting": {"lost_causes": {"a": []}}}, "'lost_causes' of 'accounting'"),
        ({"accounting": {"discrepancies": 3}}, "'discrepancies' of 'accounting' is no list"),
        ({"files_sha256": [1]}, "'files_sha256' is no JSON object"),
        ({"config": {"class_names": ["x"] * 5000}}, "names 5000 classes"),
        ({"config": {"k_list": list(range(1, 200))}}, "different k where a run has 64"),
        ({"config": {"numerology": {"fft_size": "large"}}}, "numerology does not fit"),
        ({"config": {"numerology": {"no_such_field": 1}}}, "numerology does not fit"),
    ],
)
def test_malformed_summaries_are_one_sentence(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    assert told in refused(changed_summary(tmp_path / "run", **changes))


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 3000, "9" * 5000, '{"config": ' + "9" * 5000 + "}", "\ud800", "\x00", ""]
)
def test_hostile_text_as_a_summary_is_one_sentence(tmp_path: Path, text: str) -> None:
    folder = make_run(tmp_path / "run", frames=2)
    (folder / "summary.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert "summary" in refused(folder)


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), 1e300, 10**300, "4", None, [4], True, -4])
def test_what_is_no_k_in_the_list_is_left_out(tmp_path: Path, value: Any) -> None:
    folder = make_run(tmp_path / "run", frames=4)
    summary = json.loads((folder / "summary.json").read_text())
    summary["config"]["k_list"] = [value, 8]
    (folder / "summary.json").write_text(json.dumps(sealed(summary)))
    assert load_run(folder).k_list == [4, 8, 16]
    write_report(folder)


@pytest.mark.parametrize(
    "label", ["2000000000", "1000", "3", "1e9", "1e300", "nan", "inf", "-5", "1_0", "0x1", "\u0661"]
)
def test_labels_beyond_the_classes_are_one_sentence(tmp_path: Path, label: str) -> None:
    folder = make_run(tmp_path / "run", frames=2)
    for column in ("label", "answer"):
        cells = ["0", "0", "1", "1", "4", "1", "0.9", ""]
        cells[ITEM_FIELDS.index(column)] = label
        (folder / "items.csv").write_text(f"{','.join(ITEM_FIELDS)}\n{','.join(cells)}\n")
        assert f"line 2: {column}" in refused(folder)


def test_labels_without_class_names_stay_below_a_thousand(tmp_path: Path) -> None:
    folder = changed_summary(tmp_path / "run", config={})
    for label, fits in ((999, True), (1000, False)):
        (folder / "items.csv").write_text(f"{','.join(ITEM_FIELDS)}\n0,0,{label},1,4,0,0.9,\n")
        if fits:
            assert "1000 classes are too many to draw" in write_report(folder).read_text()
        else:
            assert "label 1000 is not within 0 to 999" in refused(folder)


@pytest.mark.parametrize(
    ("column", "value"),
    [("snr_set_db", "1e300"), ("snr_est_db", "inf"), ("k", "1e9"), ("n_items", "1e12"), ("frame_index", "1e300"),
     ("latency_ms", "-inf"), ("frame_index", "-1")],
)  # fmt: skip
def test_impossible_numbers_of_frames_are_one_sentence(tmp_path: Path, column: str, value: str) -> None:
    folder = make_run(tmp_path / "run", frames=2)
    head, first, *others = (folder / "frames.csv").read_text().splitlines()
    cells = first.split(",")
    cells[head.split(",").index(column)] = value
    (folder / "frames.csv").write_text("\n".join([head, ",".join(cells), *others]) + "\n")
    assert f"line 2: {column} {value}" in refused(folder).replace("'", "")


def test_a_k_that_changes_with_every_frame_makes_a_page_of_bounded_size(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", frames=4000)
    head, *lines = (folder / "frames.csv").read_text().splitlines()
    column = head.split(",").index("k")
    rows = [line.split(",") for line in lines]
    for number, row in enumerate(rows):
        row[column] = str(4 + number % 2)
    (folder / "frames.csv").write_text("\n".join([head, *(",".join(row) for row in rows)]) + "\n")
    assert len(_shade_k(Figure().subplots(), load_run(folder))) == 0
    assert len(_shade_k(Figure().subplots(), load_run(make_run(tmp_path / "calm")))) == 2


def test_pictures_that_would_fill_the_memory_are_refused(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", frames=2)
    with zipfile.ZipFile(folder / "images.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", bytes(300 << 20))
        archive.writestr("item_id.npy", b"")
    assert "images has 314572800 bytes" in refused(folder)
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1099511627776, 28, 28), }".ljust(117) + b"\n"
    with zipfile.ZipFile(folder / "images.npz", "w") as archive:
        archive.writestr("images.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
        archive.writestr("item_id.npy", b"")
    assert "images is not as large as it says" in refused(folder)
    np.savez(folder / "images.npz", images=np.zeros((1, 5000, 2), np.uint8), item_id=np.zeros(1, int))
    assert "too large to show" in refused(folder)
    np.savez(folder / "images.npz", images=np.zeros((3, 0, 28), np.uint8), item_id=np.zeros(3, int))
    assert "which are none" in refused(folder)


@pytest.mark.parametrize(
    "header",
    [
        "(" * 5000,
        "[" * 40,
        "\0",
        "{1: 2",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (10**30, 0, 28)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (9999999999999999999999, 0, 28)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (-1, -8, 1)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
    ],
)
def test_arrays_with_any_header_are_one_sentence(tmp_path: Path, header: str) -> None:
    folder = make_run(tmp_path / "run", frames=2)
    text = header.encode() + b"\n"
    with zipfile.ZipFile(folder / "images.npz", "w") as archive:
        archive.writestr("images.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(8))
        archive.writestr("item_id.npy", b"")
    assert "is not an archive of 'images' and 'item_id'" in refused(folder)


def test_two_columns_of_one_name_are_one_sentence(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", frames=2)
    lines = (folder / "frames.csv").read_text().splitlines()
    text = "\n".join([lines[0] + ",k", *(line + ",16" for line in lines[1:])]) + "\n"
    (folder / "frames.csv").write_text(text)
    assert "has two columns 'k'" in refused(folder)


def test_a_run_whose_receiver_was_not_reported_the_truth_says_so(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", frames=2)
    cells = ["0", "0", "0", "1", "4", "0", "0.9", ""]
    cells[ITEM_FIELDS.index("label")] = "-1"
    (folder / "items.csv").write_text(f"{','.join(ITEM_FIELDS)}\n{','.join(cells)}\n")
    assert "line 2: the label is not known (-1), since the receiver was not given what was sent" in refused(folder)


def test_files_of_figures_notice_a_changed_digit(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    write_json(path, "sdr-sc bench phy", [Row("speed", 12.5, "MS/s")], {"config": {"seed": 1}})
    assert read_measurements(path)["rows"][0]["value"] == 12.5
    path.write_text(path.read_text().replace("12.5", "13.5"))
    with pytest.raises(SdrScError, match="is damaged or was edited"):
        read_measurements(path)


def test_files_of_figures_of_an_earlier_version_are_read() -> None:
    for path in sorted((Path(__file__).resolve().parents[2] / "benchmarks").rglob("*.json")):
        assert read_measurements(path)["rows"], path
