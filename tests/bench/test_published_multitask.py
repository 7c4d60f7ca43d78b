# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of several tasks in docs/multitask.md are those of the stored results."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from command import ROOT
from published_tables import BENCHMARKS, rows_of, stored

PAYLOAD = "payload symbols an item"
SEEDS = ("", "_seed2", "_seed3")
"""Of the student of all tasks."""


def test_the_tables_of_several_tasks_are_those_of_their_results() -> None:
    text = (ROOT / "docs" / "multitask.md").read_text()
    noise, fading, measured = (stored(f"multitask/wordnet_{name}") for name in ("awgn", "tdl_c", "measured"))

    def cell(found: dict[str, Any], point: str) -> str:
        return " / ".join(f"{found[f'{point}; {name}']:.1f}" for name in ("classification", "R@1", "R@5"))

    text = text.partition("## What the text student reaches")[2].partition("\n## ")[0]
    lines = re.findall(r"^\| (\d+ dB)(, TDL-C|, measured)? \| (.*) \|$", text, re.MULTILINE)
    quality = [line for line in lines if line[2].count("/") > 4]
    assert len(quality) == 11
    for snr, channel, cells in quality:
        k_list, found = (
            ((4, 16, 32), fading if "TDL" in channel else measured) if channel else ((2, 4, 8, 16, 32), noise)
        )
        assert cells.split(" | ") == [cell(found, f"{snr}; ours, k={k}") for k in k_list]
    names = {"class alone": "the student's class, coded", "number of the entry (R@1)": "the entry's number, coded"}
    names |= {
        f"class and vector, {count} bytes": f"class and vector of {count} bytes, coded" for count in (2, 4, 8, 12)
    }
    names["the text itself"] = "the text itself, compressed and coded"
    linear = stored("multitask/wordnet_linear")
    labels = [label for label, *_ in rows_of(text, "sent")]
    assert [label for label in labels if "linear" in label] == ["linear analog, k=16", "linear analog, k=32"]
    for label, *cells in rows_of(text, "sent"):
        column, kept = names.get(label, label), linear if "linear" in label else noise
        for snr, shown in zip((0, 5, 10, 20), cells, strict=True):
            point = f"{snr} dB; {column}"
            parts = [kept[f"{point}; classification"]]
            parts += [kept[f"{point}; {name}"] for name in ("R@5", "R@1") if f"{point}; {name}" in kept][:1]
            assert shown == f"{' / '.join(f'{one:.1f}' for one in parts)}, {kept[f'{point}; {PAYLOAD}']:.1f}"

    seeds = [stored(f"multitask/wordnet_awgn{seed}") for seed in ("", "_seed2", "_seed3")]
    rows = rows_of(text, "over noise")
    assert [row[0] for row in rows] == ["class, %", "R@5 among 4,110, %"]
    for (_, *cells), column in zip(rows, ("classification", "R@5"), strict=True):
        for point, shown in zip(
            ("5 dB; ours, k=4", "5 dB; ours, k=16", "5 dB; ours, k=32", "20 dB; ours, k=32"), cells, strict=True
        ):
            assert shown == mean_and_range([found[f"{point}; {column}"] for found in seeds])


def rows_with_intervals(name: str) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads((BENCHMARKS / f"{name}.json").read_text())["rows"]}


def mean_and_range(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def test_the_tables_of_pictures_and_texts_are_those_of_their_results() -> None:
    text = (ROOT / "docs" / "multitask.md").read_text()
    text = text.partition("## What the student of all tasks reaches")[2].partition("\n## ")[0]
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
    for label, *cells in rows_of(text, "answers, %"):
        snr, _, channel = label.partition(", ")
        found = stored(f"multitask/questions_{'tdl_c' if channel else 'awgn'}")
        values = [found.get(f"{snr}; ours, k={k}; question") for k in (2, 4, 8, 16, 32)]
        assert cells == ["–" if value is None else f"{value:.1f}" for value in values]
    seeds = [
        {**stored(f"multitask/{name}_awgn{seed}")}
        for name in ("emoji", "emoji_names", "glosses", "questions")
        for seed in SEEDS
    ]
    rows = re.findall(r"^\| ((?:emoji|name|gloss|picture): [^|]*) \| (.*) \|$", text, re.MULTILINE)
    kinds = (
        (0, "classification"),
        (0, "subgroup"),
        (0, "R@5"),
        (1, "R@5"),
        (1, "picture R@5"),
        (2, "classification"),
        (2, "R@5"),
        (3, "question"),
    )
    assert len(rows) == len(kinds)
    for (_, cells), (first, column) in zip(rows, kinds, strict=True):
        for point, shown in zip(
            ("5 dB; ours, k=16", "5 dB; ours, k=32", "20 dB; ours, k=16", "20 dB; ours, k=32"),
            cells.split(" | "),
            strict=True,
        ):
            values = [seeds[first * len(SEEDS) + place][f"{point}; {column}"] for place in range(len(SEEDS))]
            assert shown == mean_and_range(values)


def test_the_gains_with_few_labels_are_those_of_their_results() -> None:
    text = " ".join((ROOT / "docs" / "multitask.md").read_text().split())
    for count, name in ((2000, "few_texts"), (600, "few_texts_600")):
        rows = rows_with_intervals(f"multitask/{name}")

        def gain(over: str, point: str, sign: int, rows: dict[str, Any] = rows, count: int = count) -> str:
            (row,) = (
                row for title, row in rows.items() if title.startswith(f"{count:,} labels: ours over {over}")
                and title.endswith(f", {point}")
            )  # fmt: skip
            low, high = sorted(sign * one for one in row["ci95"])
            return f"{sign * row['value']:.1f} points ({low:.1f} to {high:.1f})"

        point = "20 dB k=32"
        best = f"ours has {rows[f'ours, {count:,} labels, {point}']['value']:.1f} % at 20 dB, k=32"
        assert f"With {count:,} labels" in text
        assert f"{best}, {gain('the best', point, 1)} over the better control" in text
        assert f"and {gain('the teacher', point, -1).replace(' points', '')} under the probe" in text
        at_0_db = gain("the best", "0 dB k=16", 1).partition(" ")[0]
        assert f"at 5 dB, k=16 it is {gain('the best', '5 dB k=16', 1)} over the control, at 0 dB {at_0_db}." in text


def test_the_tables_of_several_tasks_against_one_are_those_of_their_results() -> None:
    text = (ROOT / "docs" / "multitask.md").read_text().partition("## One student for all tasks against")[2]
    lines = re.findall(r"^\| (class|R@5), k=(\d+) \| (.*) \|$", text, re.MULTILINE)
    tables = ("transfer", "transfer_two_tasks")
    assert len(lines) == 6 * len(tables)
    for place, name in enumerate(tables):
        found = stored(f"multitask/{name}")
        for metric, k, cells in lines[6 * place : 6 * place + 6]:
            column = f"{metric.replace('class', 'classification')}, k={k}"
            assert cells.split(" | ") == [f"{found[f'{column}; {snr} dB']:.1f}" for snr in (0, 5, 10, 20)]
    rows, words = rows_with_intervals("multitask/transfer_two_tasks"), " ".join(text.split())
    for what in ("all tasks", *(f"all tasks, k={k}" for k in (4, 16, 32))):
        row = rows[f"mean over {what}; from 5 dB up"]
        low, high = row["ci95"]
        assert f" {row['value']:.1f} ({low:.1f} to {high:.1f})" in words, what
    short = stored("multitask/transfer_two_tasks_short")
    means = [short[f"mean over all tasks{k}; from 5 dB up"] for k in ("", ", k=4", ", k=16", ", k=32")]
    assert "it is {:.1f} points, {:.1f}, {:.1f} and {:.1f} with 4, 16 and 32 symbols".format(*means) in words
