# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc bench knowledge``: its rows, and the file that is kept of it."""

from __future__ import annotations

import pytest
from command import ROOT, sdr_sc

from sdr_sc.bench.answering import answering_rows
from sdr_sc.bench.knowledge import knowledge_rows, rows_of
from sdr_sc.documents import read_json

KEPT = ROOT / "benchmarks" / "knowledge.json"
PAGE = ROOT / "docs" / "knowledge-decoding.md"


def test_a_small_base_is_measured_and_all_nearest_are_found():
    said: list[str] = []
    rows = {row.name.removeprefix("1,500 entries: "): row for row in knowledge_rows((1500,), 12, 3, said.append)}
    assert said == ["1,500 entries"]
    assert rows["of the 10 nearest, found"].value == 100.0
    assert rows["making the index, processor time"].value == 0.0
    for name in ("query, median of processor time", "making the file, processor time", "file"):
        assert rows[name].value > 0
    assert rows["query, median of wall time"].value <= rows["query, 99th percentile of wall time"].value


def test_the_cost_of_bases_in_a_receiver_has_rows_for_small_and_large_frames():
    said: list[str] = []
    rows = {row.name: row for row in answering_rows("fashion_mnist_student", 120, 20, 3, said.append)}
    assert said == ["frames of 4 items", "frames of 50 items"] and len(rows) == 8
    assert all(row.value > 0 for row in rows.values())
    at = "120 entries, frames of 4 items: "
    over = rows[f"{at}base beside it"].value / rows[f"{at}decoder, processor time an item"].value
    assert rows[f"{at}base beside it, over the decoder"].value == pytest.approx(over)


@pytest.mark.parametrize(("median_ms", "ok"), [(4.9, True), (5.1, False)])
def test_a_million_entries_have_a_goal(median_ms, ok):
    found = dict.fromkeys(
        ("cpu_p99_ms", "wall_median_ms", "wall_p99_ms", "recall", "compared", "make_s", "open_s", "index_s", "reopen_s",
         "memory_mb", "file_mb"), 1.0
    )  # fmt: skip
    rows = rows_of(1_000_000, 10, found | {"cpu_median_ms": median_ms})
    assert [row.ok for row in rows if row.goal] == [ok]
    assert not [row for row in rows_of(1000, 10, found | {"cpu_median_ms": median_ms}) if row.goal]


def test_sizes_that_are_none_are_refused():
    for sizes in ("", "ten", "0", "10,2000000"):
        assert sdr_sc("bench", "knowledge", "--entries", sizes).returncode == 2


def test_the_page_shows_the_figures_that_are_kept():
    rows = {row["name"]: row["value"] for row in read_json(KEPT, "figures", "measure again")["rows"]}
    page = (ROOT / "docs" / "knowledge.md").read_text()
    for entries in ("10,000", "100,000", "1,000,000"):
        at = {name.split(": ", 1)[1]: value for name, value in rows.items() if name.startswith(f"{entries} entries")}
        shown = (
            f"| {entries} | {at['query, median of processor time']:.2f} | "
            f"{at['query, 99th percentile of processor time']:.2f} | {at['of the 10 nearest, found']:.1f} | "
            f"{at['making the file, processor time']:.1f} | {at['opening and checking it, processor time']:.1f} | "
            f"{at['making the index, processor time']:.1f} | {at['memory']:.0f} | {at['file']:.0f} |"
        )
        assert shown in page, shown


def test_the_page_shows_what_bases_cost_a_receiver():
    content = read_json(ROOT / "benchmarks" / "answering.json", "figures", "measure again")
    rows, page = {row["name"]: row["value"] for row in content["rows"]}, PAGE.read_text()
    for items in (4, 50):
        at = f"1,000 entries, frames of {items} items: "
        each = ("decoder, processor time an item", "base beside it", "base and local base beside it")
        shown = " | ".join(f"{rows[at + name]:.2f}" for name in each)
        assert f"| {items} | {shown} |" in page
