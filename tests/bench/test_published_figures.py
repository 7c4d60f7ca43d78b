# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures in README.md and the benchmarks' pages are those of the stored results that commands print again."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

import pytest
from command import ROOT

from sdr_sc.report.sweep.results_set import load_study
from sdr_sc.report.sweep.selection import Operation, View
from sdr_sc.report.sweep.tables import Need, needs

BENCHMARKS = ROOT / "benchmarks"
README = (ROOT / "README.md").read_text(encoding="utf-8")
HEADLINE = (BENCHMARKS / "headline" / "README.md").read_text(encoding="utf-8")
LABEL = (BENCHMARKS / "label" / "README.md").read_text(encoding="utf-8")
IMAGES = ("jpeg_ldpc", "webp_ldpc")
SAME_POINTS = 0.2
PAYLOAD = "payload symbols an item"


def rows_of(text: str, first: str) -> list[list[str]]:
    """Cells of the table whose head begins with ``| FIRST |``, without head and rule."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {first} |"))
    table = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    assert table
    return table


@lru_cache
def stored(name: str) -> dict[str, Any]:
    """Values of a results file's rows by name."""
    return {row["name"]: row["value"] for row in json.loads((BENCHMARKS / f"{name}.json").read_text())["rows"]}


@lru_cache
def view(folder: str) -> View:
    return View(load_study([BENCHMARKS / folder / "results.parquet"]))


def need(folder: str, scheme: str, snr_db: float) -> Need:
    return needs(view(folder), "awgn", snr_db, "uses")[scheme]


def best_image(snr_db: float) -> float:
    """Payload symbols of the cheapest coded image that reaches 90 %, of the headline."""
    found = needs(view("headline"), "awgn", snr_db, "uses")
    return min(one.operation.uses for name, one in found.items() if name.startswith(IMAGES) and one.operation)


def uses(folder: str, scheme: str, snr_db: float) -> float:
    operation = need(folder, scheme, snr_db).operation
    assert operation is not None
    return operation.uses


def test_the_table_of_accuracy_is_the_stored_one() -> None:
    values = stored("evaluate_fashion_mnist")
    rows = rows_of(README, "SNR (dB)")
    assert [row[0] for row in rows] == ["0", "5", "10", "15", "20", "25"]
    for snr_db, *cells in rows:
        at = f"AWGN {snr_db} dB"
        names = [f"accuracy, {at}, k={k}" for k in (2, 4, 8, 16, 32, "CAM")]
        expected = [f"{values[name]:.1f} %" for name in names]
        expected.append(f"{values[f'channel uses per item, {at}, k=CAM']:.1f}")
        expected.append(f"{values[f'frames lost, {at}']:.0f} %")
        assert cells == expected
    assert f"at -5 dB {values['frames lost, AWGN -5 dB']:.0f} % of the frames are lost" in README


def test_the_table_of_the_closed_loop_is_the_stored_one() -> None:
    values = stored("link")
    found = {row[0]: row[1] for row in rows_of(README, "what") if len(row) == 3}
    bias = [value for name, value in values.items() if "bias" in name and "at -5 dB" not in name]
    spread = [value for name, value in values.items() if "spread" in name]
    (low_name,) = (name for name in values if "bias at -5 dB" in name)
    share = re.search(r"\((\d+) % of frames received\)", low_name)
    assert share is not None
    lost = values["frames lost, 30 dB, no gap, in the flowgraph"]
    step = values["CAM response, slowest step (25, 0, 25 dB)"]
    expected = {
        "encoder parameters": f"{values['encoder parameters']:,}",
        "encoder arithmetic an image": f"{values['encoder arithmetic an image']:.1f} MFLOP",
        "frames lost of 2,000, 30 dB, back to back, in the flowgraph": f"{lost:g} frames",
        "frames until k fits after a step between 25 and 0 dB": f"{step:g} frames",
        "SNR estimate, largest bias, 0 to 25 dB": f"{max(map(abs, bias)):.2f} dB",
        f"SNR estimate, bias at -5 dB, over the {share[1]} % of the frames that arrive": f"{values[low_name]:.2f} dB",
        "SNR estimate, spread of single frames, 25 to -5 dB": f"{min(spread):.2f} to {max(spread):.2f} dB",
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected


def rival(scheme: str, snr_db: float, k: int | None, file: str = "results") -> Operation:
    """A point of `benchmarks/rivals`, over noise."""
    (found,) = (
        one for key, one in rivals(file).operations.items() if (key.scheme, key.snr_db, key.k) == (scheme, snr_db, k)
    )
    return found


@lru_cache
def rivals(file: str) -> View:
    return View(load_study([BENCHMARKS / "rivals" / f"{file}.parquet"]))


def ours_for_90(snr_db: float) -> Operation:
    found = (one for key, one in rivals("results").operations.items() if (key.scheme, key.snr_db) == ("ours", snr_db))
    return min((one for one in found if one.accuracy >= 0.9), key=lambda one: one.uses)


@pytest.mark.parametrize("column, snr_db", list(enumerate((0, 5, 10, 20))))
def test_the_comparison_with_the_strongest_rivals_is_as_measured(column: int, snr_db: int) -> None:
    ours, image = ours_for_90(snr_db), rival("thumbnail for 90 %", snr_db, None, "thumbnails")
    expected = {
        "ours, the fewest that reach 90 %": ours,
        "the answer of the same student at the transmitter, coded": rival("the student's class", snr_db, None),
        "its features, vector-quantised and coded": rival("features_vq", snr_db, None),
        "its two likeliest answers with their confidence, coded": rival("two classes with confidence", snr_db, None),
        "a tuned thumbnail, coded over 50 images, and a classifier made for it": image,
        "a learned image codec, as in DeepJSCC, trained for the class as well": rival("deepjscc", snr_db, 8),
    }
    cells = {row[0]: row[1 + column] for row in rows_of(README, "payload symbols an image (accuracy)")}
    # 3.0885 is written as 3.1, but 8 as 8: k is a whole number.
    assert cells == {
        name: f"{one.uses:{'g' if one.uses == int(one.uses) else '.1f'}} ({100 * one.accuracy:.1f} %)"
        for name, one in expected.items()
    }
    assert expected["the answer of the same student at the transmitter, coded"].uses < ours.uses
    text = " ".join(README.split())
    payload = re.search(r"less than is often claimed\*\*: ([\d, and]+) times fewer payload", text)
    whole = re.search(r"and ([\d., and]+) times fewer with preamble, header and pilots counted", text)
    assert payload is not None and whole is not None
    assert re.findall(r"\d+", payload[1])[column] == f"{image.uses / ours.uses:.0f}"
    assert re.findall(r"[\d.]+\d", whole[1])[column] == f"{image.on_air / ours.on_air:.1f}"


def test_what_the_readme_says_of_the_learned_codec_is_as_measured() -> None:
    at_10_db = {k: rival("deepjscc", 10.0, k).accuracy for k in (2, 8, 32)}
    assert at_10_db[2] < 0.9 <= at_10_db[8] and ours_for_90(10.0).uses == 2
    best = max(one.accuracy for key, one in rivals("results").operations.items() if key.scheme == "deepjscc")
    text = " ".join(README.split())
    assert f"8 symbols for 90 % at 10 dB where ours needs 2, and it ends at {100 * best:.1f} %" in text


@pytest.mark.parametrize("column, snr_db", list(enumerate((0, 5, 10, 20))))
def test_the_headline_s_table_is_that_of_its_results(column: int, snr_db: int) -> None:
    ours = uses("headline", "ours", snr_db)
    cells = {row[0]: row[1 + column] for row in rows_of(HEADLINE, "noise alone")}
    assert cells["ours"] == f"{ours:g}"
    features, label, image = (
        uses("headline", "features_ldpc for 90 %", snr_db), uses("headline", "label_ldpc", snr_db), best_image(snr_db)
    )  # fmt: skip
    row = next(text for name, text in cells.items() if name.startswith("the student's features"))
    assert row == f"{features:.1f} ({features / ours:.2g})" or row == f"{features:.1f} ({features / ours:.1f})"
    row = next(text for name, text in cells.items() if name.startswith("the class alone"))
    assert row in {f"{label:.1f} ({label / ours:.2f})", f"{label:.1f} ({label / ours:.1f})"}
    row = next(text for name, text in cells.items() if name.startswith("best coded image"))
    assert row == f"{image:,.0f} ({image / ours:.0f})"
    (thumbnail,) = (
        one
        for key, one in view("headline").operations.items()
        if (key.scheme, key.snr_db) == ("thumbnail for 90 %", snr_db)
    )
    row = next(text for name, text in cells.items() if name.startswith("a tuned thumbnail"))
    assert (
        row == f"≈ {thumbnail.uses:.0f} ({thumbnail.uses / ours:.0f})"
        and f"{100 * thumbnail.accuracy:.2f} %" in HEADLINE
    )
    assert {text for name, text in cells.items() if name.startswith("principal")} == {"not reached"}
    assert need("headline", "pca", snr_db).operation is None


@pytest.mark.parametrize("column, snr_db", list(enumerate((0, 5, 10, 20))))
def test_the_class_against_ours_is_as_measured(column: int, snr_db: int) -> None:
    scheme = "the student's class"
    answer = need("label", scheme, snr_db).operation
    assert answer is not None
    mine = [o for key, o in view("label").operations.items() if key.scheme == "ours" and key.snr_db == snr_db]
    same = min((o for o in mine if 100 * (answer.accuracy - o.accuracy) <= SAME_POINTS), key=lambda o: o.uses)
    enough = need("label", "ours", snr_db).operation
    assert enough is not None
    cells = [row[1 + column] for row in rows_of(LABEL, "payload symbols an image (accuracy)")]
    assert cells == [
        f"{answer.uses:.1f} ({100 * answer.accuracy:.2f} %)",
        f"{same.uses:g} ({100 * same.accuracy:.2f} %)",
        f"{enough.uses:g} ({100 * enough.accuracy:.2f} %)",
        f"{answer.uses / same.uses:.2f}",
    ]


def test_no_page_has_the_outside_estimate_of_the_image_baseline() -> None:
    """What a tuned coder needs is measured here, so that no page has to estimate it."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(BENCHMARKS.glob("*/README.md"))):
        assert not re.search(r"59\s+to\s+119|30\s+to\s+60\s+times", page.read_text(encoding="utf-8")), page


@pytest.mark.parametrize("words", ["real-channel", "a bound, for one task", "is a bound, not a competitor"])
def test_claims_that_do_not_hold_have_not_come_back(words: str) -> None:
    texts = [ROOT / name for name in ("README.md", "CITATION.cff", "pyproject.toml", "sdr_sc/__init__.py")]
    texts += [*(ROOT / "docs").glob("*.md"), *BENCHMARKS.glob("*/README.md")]
    assert [text for text in texts if words in text.read_text(encoding="utf-8")] == []


RECEIVER = (ROOT / "docs" / "receiver.md").read_text(encoding="utf-8")


def test_the_front_ends_figures_are_those_of_its_bench() -> None:
    found = stored("front_end")
    speeds = {name.rpartition("alone, ")[2]: value for name, value in found.items() if name.startswith("speed over")}
    table = rows_of(RECEIVER, "search speed, processor time, over that in noise alone")
    assert {name: measured for name, measured, _ in table} == {name: f"{value:.2f}" for name, value in speeds.items()}
    faults = {"DC": "DC offset", "I/Q": "I/Q", "gain": "gain step", "carrier": "carrier "}
    for name, reported, _ in rows_of(RECEIVER, "fault"):
        start = faults[name.split()[0]]
        values = [value for row, value in found.items() if row.startswith(start) and "reported less" in row]
        assert reported == f"{max(values, key=abs):.2f} dB"
    wide = dict((row[0], row[1:]) for row in rows_of(RECEIVER, "offset within"))
    title = "offset anywhere within {} subcarriers, -3 dB: frames received and right"
    assert wide["frames received and right at -3 dB"] == [f"{found[title.format(r)]:.1f} %" for r in (2, 8)]
    assert wide["speed of the search in noise"][1] == f"{found['speed in noise alone, 8 over 2 subcarriers']:.2f}"


def test_the_profile_is_that_of_its_bench() -> None:
    found = stored("profile")
    for name, *cells in rows_of(RECEIVER, "µs a frame"):
        assert cells == [f"{found[f'frames of {symbols} symbols: {name}']:.0f}" for symbols in (24, 100)]


def test_what_mapping_by_importance_gains_is_as_stored() -> None:
    rows = json.loads((BENCHMARKS / "mapping.json").read_text())["rows"]
    found = {row["name"]: row for row in rows}
    table = rows_of((ROOT / "docs" / "frame.md").read_text(encoding="utf-8"), "channel, SNR, k, items")
    assert len(table) == len([name for name in found if name.endswith(": accuracy, interleaved")])
    for where, accuracy, mapped, *gains in table:
        assert accuracy == f"{found[f'{where}: accuracy, interleaved']['value']:.1f} %"
        assert mapped == f"{found[f'{where}: frames mapped']['value']:.0f} %"
        for age_ms, cell in zip((2, 20, 50), gains, strict=True):
            row = found.get(f"{where}: gain by importance, report {age_ms} ms old")
            assert cell == ("" if row is None else interval(row))


def interval(row: dict[str, Any]) -> str:
    """A gain with its interval, in points; a small loss is no ``-0.0``."""
    value, low, high = (f"{round(each, 1) + 0.0:.1f}" for each in (row["value"], *row["ci95"]))
    return f"{value} ({low} to {high})"


FRAME = (ROOT / "docs" / "frame.md").read_text(encoding="utf-8")


def test_the_air_time_is_that_of_its_bench() -> None:
    rows = {row["name"]: row for row in json.loads((BENCHMARKS / "air.json").read_text())["rows"]}

    def interval(name: str) -> str:
        low, high = rows[name]["ci95"]
        return f"{rows[name]['value']:.2f} ({low:.2f} to {high:.2f})"

    table = rows_of(FRAME, "50 items a frame")
    assert len(table) == 12
    for where, before, modes, whole, more, goal in table:
        at, ours = f"{where}, 50 items a frame", "CAM, modes and refinement"
        air, accuracy = (rows[f"{what}, before, {at}"]["value"] for what in ("symbols on air an item", "accuracy"))
        assert before == f"{air:.1f}, {accuracy:.1f} %"
        assert modes == f"{rows[f'times fewer symbols than before, CAM and modes, {at}']['value']:.2f}"
        assert whole == interval(f"times fewer symbols than before, {ours}, {at}")
        assert more == interval(f"accuracy above that before, {ours}, {at}")
        assert goal == ("met" if rows[f"times fewer symbols than before, {ours}, {at}"]["ok"] else "missed")
    smaller = rows_of(FRAME, "items a frame")
    assert [row[0] for row in smaller] == ["16", "4"]
    for items, *cells in smaller:
        for where, cell in zip(("AWGN", "TDL-C 300 ns", "measured channel"), cells, strict=True):
            ours = f"times fewer symbols than before, CAM, modes and refinement, {where}"
            values = [rows[f"{ours}, {snr_db} dB, {items} items a frame"]["value"] for snr_db in (0, 5, 10, 20)]
            assert cell == " / ".join(f"{value:.2f}" for value in values)


REFINEMENT = (ROOT / "docs" / "refinement.md").read_text(encoding="utf-8")


@lru_cache
def refinement_rows() -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads((BENCHMARKS / "refinement.json").read_text())["rows"]}


@pytest.mark.parametrize("column, snr_db", list(enumerate((0, 5, 10))))
def test_what_refinement_reaches_is_that_of_its_bench(column: int, snr_db: int) -> None:
    rows, at = refinement_rows(), f"AWGN {snr_db} dB"

    def value(name: str) -> float:
        return rows[f"{name}, {at}"]["value"]

    gain = rows[f"gain of refinement in payload symbols, {at}"]
    low, high = gain["ci95"]
    compared = value("payload symbols an item, refinement with answers compared")
    expected = {
        "accuracy": f"{value('accuracy, refinement'):.2f} %",
        "payload symbols an item": f"{value('payload symbols an item, refinement'):.2f}",
        "fixed k of that accuracy less 0.1 points": f"{value('fixed k of that accuracy less 0.1 points'):.1f}",
        "gain (interval)": f"{gain['value']:.2f} ({low:.2f} to {high:.2f})",
        "with preamble, header, pilots, and the frames at the end": f"{value('the same with all overhead'):.2f}",
        "items asked for again": f"{value('items asked for again'):.0f} %",
        "rounds of an item, mean": f"{value('rounds of an item, mean'):.2f}",
        "frames that an answer waits for, mean": f"{value('frames that an answer waits for, mean'):.1f}",
        "answers with 70 % confidence or more; errors among these":
            f"{value('answers with a confidence of 70 % or more'):.1f} %; {value('errors among these'):.1f} %",
        "with answers compared: symbols, accuracy":
            f"{compared:.2f}, {value('accuracy, refinement with answers compared'):.2f} %",
    }  # fmt: skip
    assert {name: cells[column] for name, *cells in rows_of(REFINEMENT, "refinement over noise")} == expected
    if gain["goal"] is not None:
        assert f"{'met' if gain['ok'] else 'missed'} at {snr_db} dB" in REFINEMENT


def test_the_calibration_is_that_of_its_bench() -> None:
    found = {name: row for name, row in refinement_rows().items() if name.startswith("calibration error")}
    links = {name: row for name, row in found.items() if name.endswith("over links")}
    noise = {name: row for name, row in found.items() if name not in links}
    (k_low, k_high), (round_low, round_high) = (
        [f"{each([row['value'] for name, row in noise.items() if what in name]):.1f}" for each in (min, max)]
        for what in ("worst k", "worst round")
    )
    text = " ".join(REFINEMENT.split())
    assert f"{k_low} to {k_high} points for the worst k of each SNR, {round_low} to {round_high} for the" in text
    assert f"{sum(row['ok'] for row in noise.values())} of {len(noise)} goals met" in text
    assert f"{sum(row['ok'] for row in links.values())} of these {len(links)} are within 2 points" in text
    table = rows_of(REFINEMENT, "calibration error, points")
    assert [row[0] for row in table] == ["AWGN", "TDL-C 300 ns", "measured channel"]
    for where, *cells in table:
        for snr_db, cell in zip((-5, 0, 5, 10, 20), cells, strict=True):
            at = f"{where}, {snr_db} dB, over links"
            (worst,) = (row["value"] for name, row in links.items() if "worst k" in name and name.endswith(f", {at}"))
            last = links[f"calibration error, last answers of refinement, {at}"]["value"]
            assert cell == f"{worst:.1f}, {last:.1f}"


def test_the_tables_of_several_tasks_are_those_of_their_results() -> None:
    text, noise, fading = (ROOT / "docs" / "multitask.md").read_text(), *map(stored, (
        "multitask/wordnet_awgn", "multitask/wordnet_tdl_c"))  # fmt: skip

    def cell(found: dict[str, Any], point: str) -> str:
        return " / ".join(f"{found[f'{point}; {name}']:.1f}" for name in ("classification", "R@1", "R@5"))

    text = text.partition("## What the text student reaches")[2].partition("\n## ")[0]
    lines = re.findall(r"^\| (\d+ dB)(, TDL-C)? \| (.*) \|$", text, re.MULTILINE)
    quality = [line for line in lines if line[2].count("/") > 4]
    assert len(quality) == 8
    for snr, is_fading, cells in quality:
        k_list, found = ((4, 16, 32), fading) if is_fading else ((2, 4, 8, 16, 32), noise)
        assert cells.split(" | ") == [cell(found, f"{snr}; ours, k={k}") for k in k_list]
    names = {"class alone": "the student's class, coded", "number of the entry (R@1)": "the entry's number, coded"}
    names |= {f"class and vector, {count} bytes": f"class and vector of {count} bytes, coded" for count in (2, 4, 8)}
    for label, *cells in rows_of(text, "sent"):
        column = names.get(label, label)
        for snr, shown in zip((0, 5, 10, 20), cells, strict=True):
            point = f"{snr} dB; {column}"
            parts = [noise[f"{point}; classification"]]
            parts += [noise[f"{point}; {name}"] for name in ("R@5", "R@1") if f"{point}; {name}" in noise][:1]
            assert shown == f"{' / '.join(f'{one:.1f}' for one in parts)}, {noise[f'{point}; {PAYLOAD}']:.1f}"


def test_the_tables_of_pictures_and_texts_are_those_of_their_results() -> None:
    text = (ROOT / "docs" / "multitask.md").read_text()
    text = text.partition("## What the student of pictures and texts reaches")[2].partition("\n## ")[0]
    tables = (
        ("emoji", (4, 8, 16, 32), ("classification", "subgroup", "R@5")),
        ("emoji_names", (3, 8, 16, 32), ("classification", "R@5", "picture R@5")),
        ("glosses", (3, 4, 8, 16, 32), ("classification", "R@1", "R@5")),
    )
    parts = re.split(r"^\| % \|.*$", text, flags=re.MULTILINE)[1:]
    assert len(parts) == len(tables)
    for part, (name, k_list, columns) in zip(parts, tables, strict=True):
        lines = re.findall(r"^\| (\d+ dB)(, TDL-C)? \| (.*) \|$", part.partition("\n\n")[0], re.MULTILINE)
        assert len(lines) >= 3
        for snr, is_fading, cells in lines:
            found = stored(f"multitask/{name}_{'tdl_c' if is_fading else 'awgn'}")
            for k, shown in zip(k_list, cells.split(" | "), strict=True):
                values = [found.get(f"{snr}; ours, k={k}; {column}") for column in columns]
                assert shown == ("–" if None in values else " / ".join(f"{value:.1f}" for value in values))
    seeds = [
        {**stored(f"multitask/{name}_awgn{seed}")}
        for name in ("emoji", "emoji_names", "glosses")
        for seed in ("", "_seed2", "_seed3")
    ]
    rows = re.findall(r"^\| ((?:emoji|name|gloss): [^|]*) \| (.*) \|$", text, re.MULTILINE)
    kinds = (
        (0, "classification"),
        (0, "subgroup"),
        (0, "R@5"),
        (3, "R@5"),
        (3, "picture R@5"),
        (6, "classification"),
        (6, "R@5"),
    )
    assert len(rows) == len(kinds)
    for (_, cells), (first, column) in zip(rows, kinds, strict=True):
        for point, shown in zip(
            ("5 dB; ours, k=16", "5 dB; ours, k=32", "20 dB; ours, k=16", "20 dB; ours, k=32"),
            cells.split(" | "),
            strict=True,
        ):
            values = [seeds[first + place][f"{point}; {column}"] for place in range(3)]
            assert shown == f"{sum(values) / 3:.1f} ({min(values):.1f} to {max(values):.1f})"
