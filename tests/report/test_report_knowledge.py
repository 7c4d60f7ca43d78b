# SPDX-License-Identifier: GPL-3.0-or-later
"""The section of a run's page on the knowledge base's part in its answers."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from knowledge_entries import SPACE, made_entry
from PIL import Image
from run_pages import CLASSES, Page, add_knowledge, add_task, make_run

from sdr_sc.cli.report import command
from sdr_sc.errors import SdrScError
from sdr_sc.report.run.files import load_run
from sdr_sc.report.run.knowledge_panel import knowledge_panel
from sdr_sc.report.run.write import write_report
from sdr_sc.results.knowledge_table import read_knowledge
from sdr_sc.semantic.knowledge.base import KnowledgeBase


def png(side: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (side, side), (10, 200, 30)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    hostile = {"title": '<script>alert(1)</script>" [d]', "text": "x" * 10_000}
    entries = [
        made_entry(1, picture=png(8), answers={"classification": "Owl <new>"}, **hostile),
        made_entry(2, picture=png(8)[:20], title="تفاحة", answers={"classification": CLASSES[0]}),
    ]
    KnowledgeBase.create(tmp_path / "toy.kb", SPACE, entries, "toy")
    return tmp_path / "toy.kb"


def make(folder: Path, base: Path, version: int = 1) -> Path:
    make_run(folder, lost=(3,), images=30)
    with KnowledgeBase(base) as opened:
        add_knowledge(folder, opened.base_id, version)
    return folder


def rows_of(folder: Path) -> list[dict[str, str]]:
    with open(folder / "knowledge.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_the_figures_are_those_of_the_table(tmp_path: Path, base: Path) -> None:
    folder = make(tmp_path / "run", base)
    rows = rows_of(folder)
    panel = knowledge_panel(load_run(folder), base)
    assert panel is not None
    with_base, alone, gain = panel["figures"]
    right, before = (np.array([int(row[name]) for row in rows]) for name in ("correct", "decoder_correct"))
    assert len(rows) == 117 and with_base["value"] == f"{100 * right.mean():.1f}"
    assert alone["value"] == f"{100 * before.mean():.1f}" and "117 items that arrived" in alone["note"]
    assert float(gain["value"].replace("−", "-")) == pytest.approx(100 * (right - before).mean(), abs=0.05)
    assert f"{int((right > before).sum())} answers corrected, {int((right < before).sum())} spoiled" in gain["note"]
    changed = sum(row["answer"] != row["decoder_answer"] for row in rows)
    assert f"asked about 114. It changed {changed} of" in panel["counts"]
    assert f"{changed} answers owe more than half" in panel["counts"]
    assert panel["states"] == [{"state": "used", "number": "114"}, {"state": "other version", "number": "3"}]
    assert panel["curve"] is not None


def test_items_are_shown_with_their_entries_and_descriptions(tmp_path: Path, base: Path) -> None:
    folder = make(tmp_path / "run", base)
    source = write_report(folder, base=base).read_text(encoding="utf-8")
    page = Page(source)
    assert "The knowledge base's part" in page.text and "Changed by the base, and right" in page.text
    assert "<script" not in source and "alert(1)" in page.text and page.text.count("x" * 200) == 0
    assert source.count('src="data:image/png;base64,') >= 6 and "<bdi>تفاحة</bdi>" in source
    assert f"Its class is probably “{CLASSES[0]}” (80 %)[2]" in page.text
    assert "The decoder alone says the class" in page.text and "Owl <new>" in page.text
    assert "entry 999" in page.text and "accounting: knowledge" not in page.text.lower()
    assert "give it with --base" not in page.text and len(page.ids) == len(set(page.ids))
    bare = Page(write_report(folder).read_text(encoding="utf-8"))
    assert "give it with --base" in bare.text and "[1] entry 1 " in bare.words and "alert(1)" not in bare.text


def test_what_the_base_changed_is_shown_also_where_the_item_was_not_kept(tmp_path: Path, base: Path) -> None:
    folder = make_run(tmp_path / "run", images=1)
    add_knowledge(folder)
    first = rows_of(folder)[0]
    np.savez_compressed(folder / "images.npz", images=np.zeros((1, 28, 28), np.uint8), item_id=np.array([1]))
    panel = knowledge_panel(load_run(folder))
    assert panel is not None and first["item_id"] == "0"
    changed, spoiled, same = (cards for _, cards in panel["groups"])
    assert len(changed) == len(spoiled) == 3 and all("not kept" in card["item"] for card in (*changed, *spoiled))
    assert len(same) == 1 and "<img" in same[0]["item"]


def test_further_tasks_are_part_of_the_description(tmp_path: Path, base: Path) -> None:
    folder = make(tmp_path / "run", base)
    add_task(folder)
    page = Page(write_report(folder, base=base).read_text(encoding="utf-8"))
    assert "The thing itself may be" in page.text and "Task: retrieval" in page.text


def test_a_run_without_a_base_has_no_such_section(tmp_path: Path, base: Path) -> None:
    folder = make_run(tmp_path / "run")
    assert knowledge_panel(load_run(folder)) is None
    assert "knowledge base" not in Page(write_report(folder).read_text(encoding="utf-8")).text
    with pytest.raises(SdrScError, match="asked no knowledge base; leave --base out"):
        write_report(folder, base=base)
    done = CliRunner().invoke(command, [str(tmp_path / "x.parquet"), "--base", str(base)])
    assert done.exit_code == 2 and "--base is for the report of a run's folder" in done.output


def test_another_base_or_a_damaged_table_is_a_sentence(tmp_path: Path, base: Path) -> None:
    folder = make(tmp_path / "run", base)
    KnowledgeBase.create(tmp_path / "other.kb", SPACE, [made_entry(1)], "other")
    for file, said in (
        (tmp_path / "other.kb", "and the file given is of base"),
        (tmp_path / "none.kb", "cannot be read"),
    ):
        with pytest.raises(SdrScError, match=said):
            write_report(folder, base=file)
    later = Page(write_report(make(tmp_path / "later", base, version=2), base=base).read_text(encoding="utf-8"))
    assert (
        "[1] entry 1 " in later.words
        and "cannot be read (the base has version 1, and the answer is of 2)" in later.text
    )
    text = (folder / "knowledge.csv").read_text()
    for was, instead, said in (
        (",used,", "," + "x" * 65 + ",", "base_state has more than 64 bytes"),
        (",0.8,", ",1.8,", "confidence 1.8 is not within 0 to 1"),
        (",0.8,", ",nan,", "confidence 'nan' is not a number"),
        ("item_id,", "item,", "item_id"),
    ):
        (folder / "knowledge.csv").write_text(text.replace(was, instead, 1))
        with pytest.raises(SdrScError, match=said):
            read_knowledge(folder)
    (folder / "knowledge.csv").write_text(text)
    with pytest.raises(SdrScError, match="has more than 3 rows"):
        read_knowledge(folder, most_rows=3)
