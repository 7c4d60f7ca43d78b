# SPDX-License-Identifier: GPL-3.0-or-later
"""Known items and signs that only a base knows, over the simulated link: answered, switched off, kept, killed."""

from __future__ import annotations

import csv
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import toy_signs
from click.testing import CliRunner
from command import assert_one_line_error, sdr_sc

from sdr_sc.blocks.item_source import item_order
from sdr_sc.cli.kb import command
from sdr_sc.errors import SdrScError
from sdr_sc.flowgraph.loopback import FLOWGRAPHS, Accounting, run_loopback
from sdr_sc.semantic.knowledge.base import KnowledgeBase
from sdr_sc.semantic.knowledge.interface import Entry
from sdr_sc.semantic.knowledge.local import LocalBase

KB, ITEMS, DEADLINE_S, MODEL = FLOWGRAPHS / "multitask_kb.grc", 64, 300.0, "fashion_mnist_student"
SIGNS = tuple(toy_signs.SHAPES[toy_signs.SIGNS])
toy_signs.register()


def kb(*arguments: object) -> None:
    done = CliRunner().invoke(command, [str(one) for one in arguments])
    assert done.exit_code == 0, (done.output, done.exception)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Known items and signs, with rules for two k."""
    folder = tmp_path_factory.mktemp("base")
    kb("build", toy_signs.KNOWN, "--items", 300, "-o", folder / "known.kb")
    kb("build", toy_signs.SIGNS, "--add-to", folder / "known.kb", "-o", folder / "signs.kb")
    kb("fit", folder / "signs.kb", "--data-set", toy_signs.KNOWN, "--calibration-set", toy_signs.MARKS, "--items", 300,
       "--k", 8, "--k", 16)  # fmt: skip
    return folder / "signs.kb"


def run(base: Path | str, folder: Path | str, **more: Any) -> tuple[Accounting, Any]:
    """The flowgraph with its results, and its top block."""
    seen: dict[str, Any] = {}
    prepare: Callable[[Any], None] = more.pop("prepare", lambda tb: None)

    def before(tb: Any) -> None:
        seen.update(tb=tb)
        prepare(tb)

    values = {
        "items": ITEMS, "model": MODEL, "data_set": toy_signs.MIX, "base": str(base), "k": 16, "snr_db": 20.0,
        "folder": str(folder), "feedback_timeout_s": 60.0, "seed": 4,
    }  # fmt: skip
    done = run_loopback(DEADLINE_S, flowgraph=KB, prepare=before, **(values | more))
    return done, seen["tb"]


def rows_of(folder: Path, name: str = "knowledge.csv") -> list[dict[str, str]]:
    with open(folder / name, newline="") as file:
        return list(csv.DictReader(file))


def test_what_the_base_knows_is_answered_and_counted(base: Path, tmp_path: Path) -> None:
    done, tb = run(base, tmp_path)
    assert not done.discrepancies and done.items_answered == ITEMS and not done.faults
    rows, data = rows_of(tmp_path), toy_signs.load_mix("test")
    assert {int(row["item_id"]) for row in rows} == set(item_order(len(data), 4)[:ITEMS].tolist())
    signs = [row for row in rows if int(row["label"]) < len(SIGNS)]
    known = [row for row in rows if int(row["label"]) >= len(SIGNS)]
    for row in rows:
        item = int(row["item_id"])
        assert int(row["label"]) == data.labels[item] and row["base_state"] == "used" and row["base_version"] == "2"
        assert row["answer_name"] == data.class_names[int(row["answer"])]  # numbered by the data set, not the model
        assert row["correct"] == str(int(row["answer"] == row["label"]))
        if int(row["answer"]) < len(SIGNS):
            assert float(row["base_weight"]) > 0 and any(float(row[f"share_{place}"]) > 0.1 for place in range(1, 6))
    assert len(signs) + len(known) == ITEMS > len(signs) > 20
    assert not any(int(row["decoder_correct"]) for row in signs)  # the model has no such classes
    assert sum(int(row["correct"]) for row in signs) > len(signs) / 3
    assert sum(int(row["correct"]) - int(row["decoder_correct"]) for row in known) >= -1
    with KnowledgeBase(base) as opened:
        right = [row for row in signs if row["correct"] == "1"]
        for row in right:
            source = max(range(1, 6), key=lambda place: float(row[f"share_{place}"] or 0))
            assert opened.entry(int(row[f"entry_{source}"])).answers["classification"] == row["answer_name"]
    counts = tb.results.record.counts()["knowledge"]
    assert counts["items"] == {"used": ITEMS} and counts["items_gained"] == sum(int(one["correct"]) for one in signs)
    assert done.knowledge == counts and tb.knowledge.counts["items"] == {"used": ITEMS}
    items = rows_of(tmp_path, "items.csv")
    assert [row["answer"] for row in items] == [row["answer"] for row in rows]


def test_a_base_of_another_version_is_off_and_the_run_ends_well(base: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.kb"
    other.write_bytes(base.read_bytes())
    (tmp_path / "other.rules").write_bytes(base.with_suffix(".rules").read_bytes())
    with KnowledgeBase(other) as opened:
        opened.change(delete=[next(iter(opened.entries())).key])
    done, tb = run(other, tmp_path / "out")
    assert not done.discrepancies and done.items_answered == ITEMS and not done.faults
    rows = rows_of(tmp_path / "out")
    assert {row["base_state"] for row in rows} == {"other version"} and tb.knowledge.counts["items"] == {
        "other version": ITEMS
    }
    assert all(row["answer"] == row["decoder_answer"] and not float(row["base_weight"]) for row in rows)
    known = [row for row in rows if int(row["label"]) >= len(SIGNS)]
    assert sum(int(row["correct"]) for row in known) > 0.7 * len(known)  # still set against the right numbers


def test_a_base_that_is_updated_meanwhile_is_never_asked_as_it_was(base: Path, tmp_path: Path) -> None:
    live = tmp_path / "live.kb"
    live.write_bytes(base.read_bytes())
    (tmp_path / "live.rules").write_bytes(base.with_suffix(".rules").read_bytes())

    def change(tb: Any) -> None:
        def later() -> None:
            while tb.knowledge.frames_passed < 4:
                time.sleep(0.01)
            with KnowledgeBase(live) as opened:
                vector = next(iter(opened.entries())).vector
                opened.change(add=[Entry("new", "new", vector * 2, {"classification": "ring"}, "test", added_s=1.0)])

        threading.Thread(target=later, daemon=True).start()

    done, tb = run(live, tmp_path / "out", items=400, prepare=change)
    assert not done.discrepancies and not done.faults
    rows = rows_of(tmp_path / "out")
    states = [row["base_state"] for row in rows]
    assert states[0] == "used" and states[-1] == "other version"
    for row in rows:
        assert row["base_state"] == ("used" if row["base_version"] == "2" else "other version")
    assert set(tb.knowledge.counts["items"]) == {"used", "other version"}


def test_frames_without_a_rule_and_noise_are_left_to_the_decoder(base: Path, tmp_path: Path) -> None:
    done, tb = run(base, tmp_path / "k", k=32)
    assert tb.knowledge.counts["items"] == {"no rule for this k": ITEMS} and done.items_answered == ITEMS
    _, tb = run(base, tmp_path / "noise", snr_db=-20.0, items=24, feedback_timeout_s=0.2)
    counts = tb.knowledge.counts.get("items", {})
    assert set(counts) <= {"SNR below the rules", "lost frame"}  # if a frame is found at all
    sure = [row for row in rows_of(tmp_path / "noise") if float(row["confidence"]) > 0.9] if counts else []
    assert not sure


def test_a_local_base_is_filled_and_used_in_the_next_run(base: Path, tmp_path: Path) -> None:
    local = tmp_path / "seen.kb"
    _, tb = run(base, tmp_path / "first", local_base=str(local), capacity=40)
    kept = tb.knowledge.counts["local"]
    assert kept["stored"] > 10 and kept["entries"] == kept["stored"] - kept["evicted"]
    _, tb = run(base, tmp_path / "second", local_base=str(local), capacity=40)
    rows = rows_of(tmp_path / "second")
    assert any(row[f"local_{place}"] == "1" for row in rows for place in range(1, 6))
    held = LocalBase(local, None)
    with pytest.raises(SdrScError, match="give each receiver its own file"):
        run(base, tmp_path / "third", local_base=str(local))
    held.close()


@pytest.mark.timeout(300)
def test_a_kill_leaves_a_local_base_that_can_be_used(base: Path, tmp_path: Path) -> None:
    local = tmp_path / "seen.kb"
    child = os.fork()
    if not child:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
            run(base, tmp_path / "killed", local_base=str(local), items=0)
        finally:
            os._exit(1)
    try:
        deadline = time.monotonic() + 200
        while not (tmp_path / "killed" / "knowledge.csv").is_file() and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    with LocalBase(local, None) as opened:
        assert len(opened) > 0 and not opened.faults()
    done, tb = run(base, tmp_path / "again", local_base=str(local))
    assert done.items_answered == ITEMS and tb.knowledge.counts["local"]["entries"] > 0


def test_what_is_missing_is_one_line(base: Path, tmp_path: Path) -> None:
    for given, more, words in (
        (tmp_path / "none.kb", {}, "make it with 'sdr-sc kb build'"),
        (base, {"rules": str(tmp_path / "none.rules")}, "make them with 'sdr-sc kb fit'"),
        ("", {}, "make one with 'sdr-sc kb build'"),
    ):
        with pytest.raises(SdrScError, match=words):
            run(given, "", **more)
    done = sdr_sc("run", KB, "--data-set", toy_signs.KNOWN, "--model", MODEL, "--base", tmp_path / "none.kb")
    assert_one_line_error(done, "knowledge base", "none.kb", "sdr-sc kb build")
