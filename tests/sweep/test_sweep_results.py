# SPDX-License-Identifier: GPL-3.0-or-later
"""Results files: their columns, resuming, files of others, and disks that are full."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command import ROOT
from sweeps import exact, made_up, small, tasks_of

from sdr_sc.errors import SdrScError
from sdr_sc.sweep import journal as journal_module
from sdr_sc.sweep.config import SweepConfig
from sdr_sc.sweep.journal import Journal
from sdr_sc.sweep.results import METADATA_KEY, VERSION, columns, from_columns, pooled_interval, read_results
from sdr_sc.sweep.runner import results_about

ABOUT = {"ours": {"kind": "learned coder", "model_id": "0" * 16}}


def about(config: SweepConfig | None = None) -> dict:
    return results_about(config or small(), ABOUT, {"ours": (4, 8)}, ["sdr-sc", "sweep", "x.yaml"])


def write(path: Path, config: SweepConfig | None = None, count: int | None = None) -> Path:
    journal = Journal(path, about(config))
    for task in tasks_of(config or small())[:count]:
        journal.add(made_up(task))
    journal.close()
    return path


def rewrite_about(path: Path, **changes: object) -> None:
    table = pq.read_table(path)
    told = json.loads(table.schema.metadata[METADATA_KEY])
    told.update(changes)
    pq.write_table(table.replace_schema_metadata({METADATA_KEY: json.dumps(told)}), path)


def test_a_file_reports_its_points_and_all_about_them(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet")
    table = pq.read_table(path)
    assert table.num_rows == 4 and table.column("k").to_pylist() == [None, None, 4, 4]
    types = {name: str(table.schema.field(name).type) for name in ("snr_db", "k", "confusion", "snr_est_mean_db")}
    assert types == {"snr_db": "double", "k": "int64", "confusion": "list<element: int32>", "snr_est_mean_db": "double"}
    assert len(table.column("confusion")[0]) == 110
    told = json.loads(table.schema.metadata[METADATA_KEY])
    assert told["config"]["items"] == 100 and told["version"] == VERSION and len(told["data_set_sha256"]) == 64
    assert told["versions"]["numpy"] and told["git"] and told["schemes"]["ours"]["is"]["kind"] == "learned coder"
    wanted = {task.point: made_up(task) for task in tasks_of(small())}
    assert exact(read_results(path).points) == exact(wanted)
    assert not (tmp_path / "x.parquet.journal").exists()


def test_the_docs_name_every_column_and_all_that_the_file_reports_of_itself(tmp_path: Path) -> None:
    schema = pq.read_schema(write(tmp_path / "x.parquet"))
    text = (ROOT / "docs" / "sweeps.md").read_text()
    missing = [name for name in (*schema.names, *json.loads(schema.metadata[METADATA_KEY])) if f"`{name}`" not in text]
    assert not missing


def test_frames_and_air_are_counted_by_mode_and_have_to_add_up(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet")
    schema = pq.read_schema(path)
    assert [str(schema.field(f"{name}_by_mode").type) for name in ("frames", "on_air")] == [
        "list<element: int32>",
        "list<element: int64>",
    ]
    row = columns(made_up(tasks_of(small())[0]))
    assert row["frames_by_mode"] == [0, 2, 0] and row["on_air_by_mode"] == [0, 2000, 0]
    large = {**row, "symbols_on_air": 1 << 40, "on_air_by_mode": [1 << 40, 0, 0]}
    assert from_columns(large).on_air_by_mode.tolist() == [1 << 40, 0, 0]
    for name, value in (
        ("frames_by_mode", [0, 1, 0]),
        ("frames_by_mode", [2]),
        ("frames_by_mode", [3, -1, 0]),
        ("on_air_by_mode", [0, 2001, 0]),
        ("on_air_by_mode", [0, 2000.0, 0]),
        ("on_air_by_mode", [1 << 60, 2000 - (1 << 60), 0]),
    ):
        with pytest.raises(ValueError):
            from_columns({**row, name: value})
    del row["on_air_by_mode"]
    with pytest.raises(KeyError):
        from_columns(row)  # half of what came together
    del row["frames_by_mode"]
    assert from_columns(row).frames_by_mode.tolist() == [0, 2, 0]


def test_results_of_the_version_before_count_as_normal_frames() -> None:
    found = read_results(ROOT / "benchmarks" / "label" / "results.parquet")
    for result in found.points.values():
        assert result.frames_by_mode.tolist() == [0, result.frames, 0]
        assert result.on_air_by_mode.tolist() == [0, result.symbols_on_air, 0]


def test_what_a_kill_left_is_taken_up_without_the_line_that_was_cut(tmp_path: Path) -> None:
    path, tasks = tmp_path / "x.parquet", tasks_of(small())
    killed = Journal(path, about())
    for task in tasks[:2]:
        killed.add(made_up(task))
    kill(killed)
    left = killed.journal.read_bytes()
    killed.journal.write_bytes(left[:-20])
    again = Journal(path, about())
    assert list(again.points) == [tasks[0].point]
    for task in tasks[1:]:
        again.add(made_up(task))
    again.close()
    assert exact(read_results(path).points) == exact({task.point: made_up(task) for task in tasks})


def kill(journal: Journal) -> None:
    """The end of its process, without a word."""
    os.close(journal._file)


def test_again_stays_again_when_it_was_killed(tmp_path: Path) -> None:
    """However it is taken up, old points neither count as measured nor come into the new file."""
    path, tasks = write(tmp_path / "x.parquet"), tasks_of(small())
    other = about(small(items=200))
    killed = Journal(path, other, force=True)
    killed.add(made_up(tasks[0]))
    kill(killed)
    assert len(read_results(path).points) == 4, "the old results are there until the new ones are"
    taken_up = Journal(path, other)
    assert list(taken_up.points) == [tasks[0].point]
    taken_up.add(made_up(tasks[1]))
    kill(taken_up)
    forced_again = Journal(path, other, force=True)
    assert list(forced_again.points) == [task.point for task in tasks[:2]]
    kill(forced_again)
    Journal(path, other).close()
    found = read_results(path)
    assert set(found.points) == {task.point for task in tasks[:2]} and found.about["settings"]["items"] == 200


@pytest.mark.parametrize(
    ("first", "changes"),
    [
        ({"force": False}, {}),
        ({"force": True}, {"settings": {**small().settings, "items": 300}}),
        ({"force": True}, {"git": "another"}),
        ({"force": True}, {"version": VERSION + 1}),
    ],
)
def test_force_continues_nothing_but_its_own_sweep(first: dict, changes: dict, tmp_path: Path) -> None:
    path, task = tmp_path / "x.parquet", tasks_of(small())[0]
    killed = Journal(path, {**about(), **changes}, **first)
    killed.add(made_up(task))
    kill(killed)
    again = Journal(path, about(), force=True)
    assert not again.points
    again.close()
    assert not list(tmp_path.iterdir())


def test_force_writes_over_a_journal_that_makes_no_sense(tmp_path: Path) -> None:
    for content in (b"5\n", b'{"about": {}, "anew": true}\n', b"\xff\n"):
        (tmp_path / "x.parquet.journal").write_bytes(content)
        journal = Journal(tmp_path / "x.parquet", about(), force=True)
        assert not journal.points
        journal.close()


def test_a_name_that_came_later_keeps_its_meaning_when_the_sweep_is_killed_again(tmp_path: Path) -> None:
    path, told = tmp_path / "x.parquet", {}
    for model in ("", "m1"):
        schemes = ["ours", {"scheme": "ours", "name": "b", "model": model}] if model else ["ours"]
        config = small(schemes=schemes)
        told[model] = results_about(config, {"ours": ABOUT["ours"], "b": ABOUT["ours"]}, {"ours": (4, 8)}, ["x"])
        killed = Journal(path, told[model])
        killed.add(made_up(tasks_of(config)[-1]))
        kill(killed)
    told["m2"] = json.loads(json.dumps(told["m1"]).replace("m1", "m2"))
    with pytest.raises(SdrScError, match="journal was measured with parameters of scheme 'b' {'model': 'm1'}, not "):
        Journal(path, told["m2"])
    lines = killed.journal.read_bytes().count(b"\n")
    kill(again := Journal(path, told["m1"]))
    assert len(again.points) == 2 and again.journal.read_bytes().count(b"\n") == lines, "written once"
    smaller = Journal(path, told[""])
    smaller.close()
    assert set(read_results(path).about["schemes"]) == {"ours", "b"}


def test_a_grid_may_grow_and_old_points_stay(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet")
    grown = small(snr_db=[0, 10, 20], channels={"awgn": "", "flat": "rayleigh()"})
    journal = Journal(path, about(grown))
    assert len(journal.points) == 4
    for task in tasks_of(grown):
        if task.point not in journal.points:
            journal.add(made_up(task))
    journal.close()
    found = read_results(path)
    assert len(found.points) == 12 and set(found.about["channels"]) == {"awgn", "flat"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"items": 200}, "was measured with items 100, not 200"),
        ({"items_per_frame": 10}, "was measured with items_per_frame 50, not 10"),
        ({"stop": {"interval_points": 2}}, "was measured with stop None, not"),
        ({"channels": {"awgn": "quantise(bits=4)"}}, "was measured with models of channel 'awgn' '', not 'quantise"),
        ({"mode": "short"}, "was measured with mode of scheme 'ours' None, not 'short'"),
        ({"schemes": [{"scheme": "ours", "model": "x"}]}, "parameters of scheme 'ours' {}, not {'model': 'x'}"),
    ],
)
def test_results_of_another_sweep_are_not_mixed(changes: dict, words: str, tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet")
    before = path.read_bytes()
    with pytest.raises(SdrScError, match=words) as told:
        Journal(path, about(small(**changes)))
    assert "give another --out, or measure again with --force" in str(told.value)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    forced = Journal(path, about(small(**changes)), force=True)
    assert not forced.points
    forced.add(made_up(tasks_of(small())[0]))
    forced.close()
    assert len(read_results(path).points) == 1


def test_what_a_scheme_says_of_itself_is_reported_by_its_key_and_in_a_line(tmp_path: Path) -> None:
    table = {str(i): round(0.5 + i / 1000, 3) for i in range(100)}
    first = {"kind": "learned coder", "model_id": "a" * 16, "table": table, "note": "of old"}
    path = tmp_path / "x.parquet"

    def sweep(**changes: object) -> Journal:
        is_now = {**first, **changes}
        return Journal(path, results_about(small(), {"ours": is_now}, {"ours": (4, 8)}, ["sdr-sc", "sweep", "x.yaml"]))

    journal = sweep()
    journal.add(made_up(tasks_of(small())[0]))
    journal.close()
    with pytest.raises(SdrScError) as told:
        sweep(model_id="b" * 16)
    assert f"was measured with model_id of scheme 'ours' '{'a' * 16}', not '{'b' * 16}'; give" in str(told.value)
    with pytest.raises(SdrScError) as told:
        sweep(table={**table, "70": 0.9})
    assert "with table of scheme 'ours' …" in str(told.value) and len(str(told.value)) < 400 + len(str(path))
    assert "'70': 0.57" in str(told.value) and "'70': 0.9" in str(told.value), "the part that differs"
    with pytest.raises(SdrScError, match="with note of scheme 'ours' 'of old', not '" + "n" * 59 + "…; give"):
        sweep(note="n" * 500)
    with pytest.raises(SdrScError, match="with more of scheme 'ours' None, not 5; give"):
        sweep(more=5)


def test_files_of_another_version_data_set_or_kind_are_refused_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet")
    rewrite_about(path, version=VERSION + 1)
    for read in (read_results, lambda file: Journal(file, about())):
        with pytest.raises(SdrScError, match=rf"x\.parquet has results of version {VERSION + 1} .*version {VERSION};"):
            read(path)
    rewrite_about(path, version=VERSION, data_set_sha256="0")
    with pytest.raises(SdrScError, match="was measured with the data set '0', not '"):
        Journal(path, about())
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(SdrScError, match="is Parquet, but no results of a sweep"):
        read_results(path)
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(SdrScError, match="is no results file that can be read"):
        read_results(path)
    with pytest.raises(SdrScError, match=r"none\.parquet is not there; make it with 'sdr-sc sweep'"):
        read_results(tmp_path / "none.parquet")


def test_a_journal_that_makes_no_sense_is_reported_not_dropped(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "x.parquet", about())
    os.write(journal._file, b'{"scheme": "ours"}\n')
    os.close(journal._file)
    with pytest.raises(SdrScError, match=r"line 2 of .*x\.parquet\.journal cannot be read"):
        Journal(tmp_path / "x.parquet", about())


def test_two_sweeps_do_not_write_one_file(tmp_path: Path) -> None:
    first = Journal(tmp_path / "x.parquet", about())
    with pytest.raises(SdrScError, match="is being measured by another process"):
        Journal(tmp_path / "x.parquet", about())
    first.close()
    assert not list(tmp_path.iterdir()), "nothing was measured, so nothing is left"


def test_a_full_disk_keeps_the_points_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, tasks = tmp_path / "x.parquet", tasks_of(small())
    journal = Journal(path, about())
    journal.add(made_up(tasks[0]))
    room = 100

    def full(file: int, data: memoryview) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = min(room, len(data))
        room -= taken
        return real(file, bytes(data[:taken]))

    real = os.write
    monkeypatch.setattr(journal_module.os, "write", full)
    with pytest.raises(SdrScError, match=r"\(No space left on device\); 1 finished points are kept: make room"):
        journal.add(made_up(tasks[1]))
    monkeypatch.undo()
    assert journal.journal.read_bytes().endswith(b"\n"), "half a line is taken back"
    os.close(journal._file)
    again = Journal(path, about())
    assert list(again.points) == [tasks[0].point]
    again.close()


def test_results_that_cannot_be_written_stay_in_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(files: dict, fix: str) -> None:
        raise SdrScError(f"{next(iter(files))} cannot be written (No space left on device); {fix}.")

    journal = Journal(tmp_path / "x.parquet", about())
    journal.add(made_up(tasks_of(small())[0]))
    monkeypatch.setattr("sdr_sc.sweep.results.write_whole", full)
    with pytest.raises(SdrScError, match="No space left on device.*its points are kept"):
        journal.close()
    monkeypatch.undo()
    again = Journal(tmp_path / "x.parquet", about())
    assert len(again.points) == 1
    again.close()


def test_seeds_that_send_the_same_images_do_not_narrow_the_interval_below_that_of_the_images() -> None:
    one = made_up(tasks_of(small())[0])
    alone = pooled_interval([one], 100)
    assert alone == one.interval
    many = pooled_interval([one] * 50, 100)
    free = pooled_interval([one] * 50, 10_000)
    assert free[1] - free[0] < 0.6 * (many[1] - many[0]) and many[1] - many[0] > 0.12
