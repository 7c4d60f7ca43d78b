# SPDX-License-Identifier: GPL-3.0-or-later
"""A receiver that searches another gallery than the one whose entries the source means says so, and scores nothing."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import toy_texts

from sdr_sc.flowgraph.loopback import FLOWGRAPHS, run_loopback
from sdr_sc.link.frames.frame_news import read_news, task_targets_meta
from sdr_sc.link.frames.frame_record import NOT_KNOWN, FrameRecord
from sdr_sc.link.frames.link_record import LinkRecord
from sdr_sc.link.network.pdu_schema import OUT_OF_RANGE, SCHEMAS, Refusal
from sdr_sc.semantic.gallery import Gallery, entries_number

toy_texts.register()
ITEMS, DEADLINE_S = 24, 300.0
ONE, OTHER = entries_number(["a", "b"]), entries_number(["b", "a"])


def test_answers_among_other_entries_count_as_neither(tmp_path: Path) -> None:
    model = toy_texts.make_model(tmp_path)[0]
    own = Gallery.load(model.with_suffix(".gallery"))
    Gallery(own.names[::-1], own.vectors[::-1], own.space, own.temperature).save(tmp_path / "turned")
    seen = {}
    done = run_loopback(
        DEADLINE_S, flowgraph=FLOWGRAPHS / "multitask_loopback.grc", prepare=lambda tb: seen.update(tb=tb), items=ITEMS,
        model=str(model), data_set=toy_texts.NAME, tasks=toy_texts.TASKS, k=8, folder=str(tmp_path / "out"),
        gallery=str(tmp_path / "turned"), feedback_timeout_s=60.0, seed=4, snr_db=15.0,
    )  # fmt: skip
    assert done.items_answered == ITEMS
    with open(tmp_path / "out" / "answers.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for task, marks in {"retrieval": {""}, "subgroup": {"0", "1"}}.items():
        of_task = [row for row in rows if row["task"] == task]
        assert len(of_task) == ITEMS and {row["correct"] for row in of_task} <= marks
    sink = seen["tb"].results
    assert sink.record.counts()["tasks"]["retrieval"]["items_labelled"] == 0
    ((reason, count),) = sink.refused.reasons.items()
    assert "entries of another gallery than the one that is searched" in reason and count >= 1


def test_targets_of_other_entries_are_forgotten_and_those_of_the_same_kept() -> None:
    ids = np.arange(3)

    def targets(entries: int) -> None:
        meta = task_targets_meta(ids, "retrieval", ids, entries)
        ((kind, (news,)),) = read_news(meta, np.empty(0, np.uint8), "truth")
        assert kind == "targets" and news.entries == entries
        record.targets(news)

    for entries, searched, kept in ((ONE, ONE, True), (ONE, OTHER, False), (0, OTHER, True)):
        for is_first in (True, False):  # what is searched is known before the targets, or after them
            record = LinkRecord(None)
            if is_first:
                record.searched("retrieval", searched)
            targets(entries)
            frame = FrameRecord(0, 8, ids, np.full(3, NOT_KNOWN), np.empty((3, 0), np.uint8), time_ns=1)
            record.sent(frame)
            if not is_first:
                assert record.searched("retrieval", searched) is not kept
                assert record.searched("retrieval", searched) is False
            assert ("retrieval" in frame.targets) is kept
            record.close()


def test_the_entries_number_crosses_the_network_within_bounds() -> None:
    none = np.empty(0, np.uint8)
    for schema in (SCHEMAS["sent"], SCHEMAS["truth"]):
        assert schema.check(task_targets_meta(np.arange(2), "retrieval", np.arange(2), ONE), none)[0]["entries"] == ONE
        with pytest.raises(Refusal, match=OUT_OF_RANGE):
            schema.check(task_targets_meta(np.arange(2), "retrieval", np.arange(2), 1 << 31), none)
