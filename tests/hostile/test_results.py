# SPDX-License-Identifier: GPL-3.0-or-later
"""Results files and journals of sweeps with changed bits, impossible numbers, and of earlier versions."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sweep_studies import about_of, made_up, write

from sdr_sc.errors import SdrScError
from sdr_sc.sweep.config import config_from
from sdr_sc.sweep.grid import Point
from sdr_sc.sweep.journal import Journal
from sdr_sc.sweep.results import CHECKSUM_KEY, columns, from_columns, read_results, write_results

ROOT = Path(__file__).resolve().parents[2]
POINT = Point("label_ldpc", "awgn", 0.0, None, 1)
ABOUT = about_of(config_from({"schemes": ["label_ldpc"], "snr_db": [0]}))
RESULT = made_up(POINT, 17, 4)


def exact(path: Path) -> str:
    """All that is read from a file, as text."""
    found = read_results(path)
    return json.dumps([found.about, [columns(result) for result in found.points.values()]])


def test_no_changed_bit_of_a_results_file_gives_other_figures(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", keep=lambda point: point.scheme == "pca")
    content, before = path.read_bytes(), exact(path)
    rng, refused = random.Random(1), 0
    for _ in range(400):
        changed = bytearray(content)
        place = rng.randrange(8 * len(content))
        changed[place // 8] ^= 1 << place % 8
        path.write_bytes(changed)
        try:
            assert exact(path) == before
        except SdrScError as error:
            refused += 1
            assert len(str(error)) < 600 and "\n" not in str(error)
    assert refused > 200


def test_results_of_an_earlier_version_are_read_and_not_called_verified(tmp_path: Path) -> None:
    """Without a checksum, and without the columns of frame modes."""
    kept = ROOT / "benchmarks" / "headline" / "results.parquet"
    table = pq.read_table(kept).drop_columns(["frames_by_mode", "on_air_by_mode"])
    told = {name: value for name, value in table.schema.metadata.items() if name != CHECKSUM_KEY}
    pq.write_table(table.replace_schema_metadata(told), tmp_path / "x.parquet")
    found, now = read_results(tmp_path / "x.parquet"), read_results(kept)
    assert not found.is_verified and now.is_verified
    assert {point: one.correct for point, one in found.points.items()} == {
        point: one.correct for point, one in now.points.items()
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"correct": 4503599627370587},
        {"correct": -1},
        {"lost": 10**6},
        {"items": 0},
        {"frames": 5},
        {"frames_lost": 5},
        {"channel_uses": -1},
        {"air": "ether"},
        {"seconds": float("nan")},
        {"snr_est_mean_db": float("inf")},
        {"snr_db": 1e300},
        {"k": 0},
        {"seed": -1},
        {"correct_by_frame": [50, 50, 50, 51]},
        {"items_by_block": [20] * 9},
        {"items_by_block": [20.5] * 10},
        {"confusion": [0] * 110},
        {"confusion": [0] * 100},
        {"sample_answer": [99] * 24},
        {"sample_item": [1 << 31] + [0] * 23},
        {"scheme": None},
        {"correct": "many"},
    ],
)
def test_impossible_rows_are_refused(changes: dict[str, Any]) -> None:
    row = columns(RESULT)
    assert columns(from_columns(row)) == row
    with pytest.raises((ValueError, TypeError)):
        from_columns({**row, **changes})


@pytest.mark.parametrize("name", ["settings", "schemes", "channels", "versions", "class_names"])
def test_metadata_of_another_shape_are_refused(tmp_path: Path, name: str) -> None:
    write_results(tmp_path / "x.parquet", {**ABOUT, name: [1, 2]}, [RESULT])
    with pytest.raises(SdrScError, match="is damaged"):
        read_results(tmp_path / "x.parquet")


def test_other_numbers_under_an_old_checksum_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write_results(path, ABOUT, [RESULT])
    table = pq.read_table(path)
    place = table.schema.get_field_index("channel_uses")
    column = table.column(place)
    other = table.set_column(place, table.schema.field(place), [[column[0].as_py() + 1]])
    assert other.schema.metadata[CHECKSUM_KEY] == table.schema.metadata[CHECKSUM_KEY]
    pq.write_table(other, path)
    with pytest.raises(SdrScError, match="its checksum is not that of its content"):
        read_results(path)


def journal_with(path: Path, points: int) -> Path:
    """A journal that a kill left with so many points."""
    journal = Journal(path, ABOUT)
    for seed in range(points):
        journal.add(replace(RESULT, point=replace(POINT, seed=seed)))
    content = journal.journal.read_bytes()
    journal.close()
    path.unlink()
    journal.journal.write_bytes(content)
    return journal.journal


def taken_up(path: Path) -> dict[Point, str]:
    """What a sweep that goes on takes from its journal."""
    journal = Journal(path, ABOUT)
    try:
        return {point: json.dumps(columns(result)) for point, result in journal.points.items()}
    finally:
        journal.close()
        path.unlink(missing_ok=True)


def test_no_changed_bit_of_a_journal_gives_other_figures(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    file = journal_with(path, 3)
    content = file.read_bytes()
    before = taken_up(path)
    assert len(before) == 3
    rng, refused = random.Random(2), 0
    for _ in range(300):
        changed = bytearray(content)
        place = rng.randrange(8 * len(content))
        changed[place // 8] ^= 1 << place % 8
        file.write_bytes(changed)
        try:
            found = taken_up(path)
        except SdrScError as error:
            refused += 1
            assert len(str(error)) < 600
        else:
            # A line that lost its end is measured again, as after a kill.
            assert found.items() <= before.items()
    assert refused > 200


def test_a_journal_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    file = journal_with(path, 2)
    lines = [json.loads(line) for line in file.read_bytes().splitlines()]
    for line in lines:
        del line["sha256"]
    file.write_bytes(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    assert len(taken_up(path)) == 2


@pytest.mark.parametrize("line", [b"[" * 100_000, b"[]", b"9" * 5000, b'{"about": []}', b"\xff\xfe", b'{"scheme": 1}'])
def test_hostile_lines_of_a_journal_are_one_sentence(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "x.parquet"
    file = journal_with(path, 1)
    file.write_bytes(file.read_bytes() + line + b"\n")
    with pytest.raises(SdrScError, match="line 3 of .* delete that file") as error:
        Journal(path, ABOUT)
    assert len(str(error.value)) < 600


def test_a_checksum_whose_name_has_a_changed_bit_is_none_of_an_earlier_version(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write_results(path, ABOUT, [RESULT])
    table = pq.read_table(path)
    for bit in range(8 * len(CHECKSUM_KEY)):
        name = bytearray(CHECKSUM_KEY)
        name[bit // 8] ^= 1 << bit % 8
        metadata = dict(table.schema.metadata)
        metadata[bytes(name)] = metadata.pop(CHECKSUM_KEY)
        pq.write_table(table.replace_schema_metadata(metadata), path)
        with pytest.raises(SdrScError, match="its checksum has another name|is no results file"):
            read_results(path)
    file = journal_with(tmp_path / "y.parquet", 1)
    lines = file.read_bytes()
    for name in (b"rha256", b"sha254", b"SHa256"):
        file.write_bytes(lines.replace(b'"sha256"', b'"%s"' % name))
        with pytest.raises(SdrScError, match=f"its checksum is called '{name.decode()}'"):
            Journal(tmp_path / "y.parquet", ABOUT)


@pytest.mark.parametrize("rows", [300_000, 3_000_000])
def test_a_small_file_of_millions_of_rows_is_refused_before_it_is_read(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "x.parquet"
    write_results(path, ABOUT, [RESULT])
    schema = pq.read_schema(path)
    empty = pa.table({field.name: pa.nulls(rows, field.type) for field in schema})
    pq.write_table(empty.replace_schema_metadata(schema.metadata), path)
    assert path.stat().st_size < 300_000
    with pytest.raises(SdrScError, match="it has more than 200,000 points"):
        read_results(path)


def test_a_point_that_stands_twice_is_refused(tmp_path: Path) -> None:
    write_results(tmp_path / "x.parquet", ABOUT, [RESULT, replace(RESULT, seconds=5.0)])
    with pytest.raises(SdrScError, match="a point stands twice"):
        read_results(tmp_path / "x.parquet")


def test_a_result_of_two_values_under_one_name_is_refused(tmp_path: Path) -> None:
    file = journal_with(tmp_path / "x.parquet", 1)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + lines[1].replace(b"{", b'{"correct": 1, ', 1))
    with pytest.raises(SdrScError, match="key 'correct' stands twice"):
        Journal(tmp_path / "x.parquet", ABOUT)


def test_arrays_keep_their_type() -> None:
    assert from_columns(columns(RESULT)).confusion.dtype == np.int32
