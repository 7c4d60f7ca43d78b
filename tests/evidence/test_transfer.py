# SPDX-License-Identifier: GPL-3.0-or-later
"""One student for all tasks against one for each, from kept files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from sdr_sc.cli.shared.evidence.transfer import transfer
from sdr_sc.errors import SdrScError
from sdr_sc.evidence.multitask.rows import share_row
from sdr_sc.evidence.multitask.transfer import paired, read_kept, relative_rows, transfer_rows
from sdr_sc.results.paired import packed
from sdr_sc.results.rows import Row, read_measurements, write_json

ITEMS = 1000
POINTS = [(snr_db, 16) for snr_db in (0.0, 5.0, 10.0, 20.0)]


def kept(
    path: Path, shares: dict[str, float], seed: int = 1, answers: bool = True, data_set: str = "toy",
    points: Sequence[tuple[float, int]] = POINTS,
) -> Path:  # fmt: skip
    """A file as 'bench evidence multitask' writes it: the first items are the ones that are answered correctly."""
    right = {
        f"{snr_db:g} dB; ours, k={k}; {metric}": np.arange(ITEMS) < round(ITEMS * share / 100)
        for metric, share in shares.items()
        for snr_db, k in points
    }
    rows = [share_row(name, one) for name, one in right.items()]
    rows += [
        Row("0 dB; ours, k=16; payload symbols an item", 16.0, "symbols"),
        Row("10 dB; the student's class, coded; classification", 80.0, "%"),
        Row("10 dB; one transmission made for 10 dB, k=16; classification", 12.0, "%"),
    ]
    extra = {"config": {"data_set": data_set, "channel": "", "seed": seed}, "answers": packed(right if answers else {})}
    write_json(path, "test", rows, extra)
    return path


def files(folder: Path, name: str, *shares: dict[str, float], answers: bool = True) -> list[Path]:
    return [kept(folder / f"{name}{place}.json", one, answers=answers) for place, one in enumerate(shares)]


@pytest.mark.parametrize("answers", [True, False])
def test_points_are_paired_by_task_and_seed(tmp_path: Path, answers: bool) -> None:
    both = files(
        tmp_path, "both", {"classification": 80, "R@5": 90}, {"classification": 81, "R@5": 92}, answers=answers
    )
    single = {
        "classification": files(tmp_path, "class", {"classification": 81}, {"classification": 81}, answers=answers),
        "retrieval": files(tmp_path, "entry", {"R@5": 93, "classification": 4}, {"R@5": 93}, answers=answers),
    }
    rows = {row.name: row for row in transfer_rows(paired(both, single, "students"))}
    assert len(rows) == 2 * len(POINTS) + 3
    row = rows["classification, k=16; 5 dB"]
    assert row.value == pytest.approx(-0.5) and row.samples == pytest.approx((-1.0, 0.0))
    assert row.n == (2 * ITEMS if answers else 2), "items and seeds, or the seeds alone"
    assert row.ci95 is not None and row.ci95[0] < -0.5 < row.ci95[1]
    assert rows["R@5, k=16; 20 dB"].value == pytest.approx(-2.0)
    mean = rows["mean over all tasks; from 5 dB up"]
    assert mean.value == pytest.approx(-1.25) and mean.ok is False and mean.n == 6
    assert mean.samples == pytest.approx((-2.0, -0.5))
    assert rows["mean over classification; from 5 dB up"].value == pytest.approx(-0.5)


def test_the_mean_of_each_k_stands_beside_that_of_all(tmp_path: Path) -> None:
    def two(name: str, at_4: float, at_16: float) -> list[Path]:
        few, many = (
            kept(tmp_path / f"{name}{k}.json", {"R@5": share}, points=[(0.0, k), (10.0, k)])
            for k, share in ((4, at_4), (16, at_16))
        )
        both, more = read_measurements(few), read_measurements(many)
        rows = [Row(row["name"], row["value"], row["unit"]) for row in (*both["rows"], *more["rows"])]
        path = tmp_path / f"{name}.json"
        write_json(path, "test", rows, {"config": both["config"], "answers": {**both["answers"], **more["answers"]}})
        return [path]

    rows = {row.name: row for row in transfer_rows(paired(two("ours", 30, 90), {"retrieval": two("one", 40, 91)}, ""))}
    assert rows["mean over R@5, k=4; from 5 dB up"].value == pytest.approx(-10.0)
    assert rows["mean over all tasks, k=16; from 5 dB up"].value == pytest.approx(-1.0)
    assert rows["mean over all tasks, k=16; from 5 dB up"].goal is None, "the goal is of all k together"
    assert rows["mean over all tasks; from 5 dB up"].value == pytest.approx(-5.5)


def test_relative_gain_has_a_mean_for_each_band(tmp_path: Path) -> None:
    ours = files(tmp_path, "both", {"classification": 80, "R@5": 90}, {"classification": 88, "R@5": 90})
    base = {
        "classification": files(tmp_path, "class", {"classification": 80}, {"classification": 80}),
        "retrieval": files(tmp_path, "entry", {"R@5": 60}, {"R@5": 60}),
    }
    rows = {row.name: row for row in relative_rows(paired(ours, base, "baseline"), 16)}
    assert rows["R@5, k=16; low: 0 dB"].value == pytest.approx(50.0)
    row = rows["mean over 2 tasks, k=16; middle: 5, 10 dB"]
    assert row.value == pytest.approx(27.5) and row.samples == pytest.approx((25.0, 30.0)) and row.n == 2
    with pytest.raises(SdrScError, match="no common figure at k=8; give a --k that both were measured at"):
        relative_rows(paired(ours, base, "baseline"), 8)


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    ours = files(tmp_path, "both", {"classification": 80})
    other = kept(tmp_path / "other.json", {"classification": 80}, seed=2)
    with pytest.raises(SdrScError, match="were measured with different data sets, channels or noise"):
        paired(ours, {"classification": [other]}, "students")
    with pytest.raises(SdrScError, match="1 files of ours and 2 of the students for classification make no pairs"):
        paired(ours, {"classification": [*ours, *ours]}, "students")
    with pytest.raises(SdrScError, match="for retrieval share no point with R@5; measure them with the same"):
        paired(ours, {"retrieval": ours}, "students")
    plain = tmp_path / "plain.json"
    write_json(plain, "test", [Row("frames lost", 3.0, "")])
    with pytest.raises(SdrScError, match="holds no figures of 'sdr-sc bench evidence multitask --json'"):
        read_kept(plain)
    write_json(plain, "test", [Row("0 dB; ours, k=4; classification", 3.0, "%")], {"answers": {"a": {"items": -1}}})
    with pytest.raises(SdrScError, match="holds no answers that can be read; measure it again"):
        read_kept(plain)


def test_a_joined_set_s_single_member_is_the_set_itself(tmp_path: Path) -> None:
    joint = kept(tmp_path / "joint.json", {"classification": 80}, data_set="other+toy,only=toy")
    alone = kept(tmp_path / "alone.json", {"classification": 81})
    (row, *_) = transfer_rows(paired([joint], {"classification": [alone]}, "students"))
    assert row.value == pytest.approx(-1.0) and row.n == ITEMS
    whole = kept(tmp_path / "whole.json", {"classification": 80}, data_set="other+toy")
    with pytest.raises(SdrScError, match="different data sets"):
        paired([whole], {"classification": [alone]}, "students")


def test_the_command_prints_both_tables_and_fails_with_the_goal(tmp_path: Path) -> None:
    (ours,) = files(tmp_path, "both", {"classification": 80})
    (single,) = files(tmp_path, "class", {"classification": 82})
    out = tmp_path / "out.json"
    words = [str(ours), "--single", f"classification={single}", "--baseline", f"classification={single}"]
    result = CliRunner().invoke(transfer, [*words, "--json", str(out)], catch_exceptions=False)
    assert result.exit_code == 1 and "-2.00" in result.output and "low: 0 dB" in result.output
    names = [row["name"] for row in read_measurements(out)["rows"]]
    assert "mean over all tasks; from 5 dB up" in names and "mean over 1 tasks, k=16; high: 20 dB" in names
    bad = CliRunner().invoke(transfer, [str(ours), "--single", str(single)])
    assert bad.exit_code == 2 and "give TASK=FILE" in bad.output
    with pytest.raises(SdrScError, match="nothing to compare with; give --single, --baseline"):
        CliRunner().invoke(transfer, [str(ours)], catch_exceptions=False)
