# SPDX-License-Identifier: GPL-3.0-or-later
"""The local base: what is kept, what leaves, and what is refused and counted."""

from __future__ import annotations

import os
import resource
import signal
import sys
import traceback
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from knowledge_entries import PNG, SPACE, content, made_base, made_entry

from sdr_sc.errors import KnowledgeError
from sdr_sc.semantic.knowledge.base import KnowledgeBase
from sdr_sc.semantic.knowledge.local import Confirmed, LocalBase
from sdr_sc.semantic.knowledge.storage.schema import StoreBusyError


def seen(number: int, margin: float = 0.9, **changed) -> Confirmed:
    entry = made_entry(number)
    values = {"vector": entry.vector, "answers": dict(entry.answers), "margin": margin, "source": str(number)}
    return Confirmed(**(values | changed))


def sources(base: LocalBase) -> set[int]:
    return {int(entry.source) for entry in (base.entry(number) for number in base.table.ids.tolist())}


def test_what_was_confirmed_is_found_after_a_restart(tmp_path):
    path = tmp_path / "seen.kb"
    with LocalBase(path, SPACE) as base:
        assert base.confirm([seen(1), seen(2, picture=PNG)]) == ["stored", "stored"]
        assert base.confirm([]) == []
    with LocalBase(path, SPACE) as base:
        found = base.search(made_entry(2).vector[None], 1)
        entry = base.entry(int(found.ids[0, 0]))
        assert (entry.source, entry.picture, entry.answers) == ("2", PNG, made_entry(2).answers)
        assert base.answers_of(found.ids, "classification").tolist() == [[made_entry(2).answers["classification"]]]
        assert base.is_current()
        assert base.confirm([seen(2), seen(3)]) == ["repeated", "stored"] and len(base) == 3
        assert base.is_current()


def test_the_one_confirmed_longest_ago_leaves_also_after_restarts(tmp_path):
    rng, order, path = np.random.default_rng(8), OrderedDict(), tmp_path / "seen.kb"
    for _ in range(12):
        with LocalBase(path, SPACE, capacity=10) as base:
            assert sources(base) == set(order)
            for _ in range(6):
                frame = rng.integers(0, 25, 3).tolist()
                outcomes = base.confirm([seen(number) for number in frame])
                for number, outcome in zip(frame, outcomes, strict=True):
                    assert (outcome == "repeated") == (number in order)
                    order[number] = None
                    order.move_to_end(number)
                while len(order) > 10:
                    order.popitem(last=False)
                assert sources(base) == set(order) and len(base) == len(order)
    with LocalBase(path, SPACE, capacity=3) as base:
        base.confirm([seen(99)])
        assert sources(base) == {*list(order)[-2:], 99} and base.counts["evicted"] == len(order) - 2


def test_a_frame_larger_than_the_base_leaves_its_last_items(tmp_path):
    with LocalBase(tmp_path / "seen.kb", SPACE, capacity=2) as base:
        base.confirm([seen(number) for number in range(6)])
        assert sources(base) == {4, 5}


def test_what_is_unsure_or_unfit_is_counted_and_not_kept(tmp_path):
    faulty = made_entry(5).vector.copy()
    faulty[2] = np.nan
    wrong = [
        *(seen(5, margin) for margin in (0.49, 0.0, -1.0, np.nan)),
        seen(5, vector=faulty),
        seen(5, vector=np.full(8, 1e30)),
        seen(5, vector=np.zeros(8)),
        seen(5, vector=np.ones(7)),
        seen(5, vector=np.ones(8, complex)),
        seen(5, title="x" * 10_000),
        seen(5, text="x" * 1_000_000),
        seen(5, source="\ud800"),
        seen(5, answers={"classification": ""}),
        seen(5, answers={"classification": 3}),
        seen(5, answers={str(number): "a" for number in range(17)}),
        seen(5, picture=b"GIF89a"),
        seen(5, picture=PNG + bytes(1 << 17)),
    ]
    with LocalBase(tmp_path / "seen.kb", SPACE) as base:
        outcomes = base.confirm([seen(1), *wrong, seen(2)])
        assert outcomes == ["stored", *["unsure"] * 4, *["unfit"] * (len(wrong) - 4), "stored"]
        assert base.counts["unsure"] == 4 and base.counts["unfit"] == len(wrong) - 4
        assert sources(base) == {1, 2}


def test_copies_and_all_but_copies_of_a_thing_do_not_fill_the_base(tmp_path):
    rng = np.random.default_rng(2)
    vector = made_entry(1).vector
    with LocalBase(tmp_path / "seen.kb", SPACE) as base:
        flood = [seen(1, vector=vector + 1e-3 * rng.standard_normal(8).astype(np.float32)) for _ in range(500)]
        assert base.confirm(flood) == ["stored", *["repeated"] * 499] and len(base) == 1
        others = [seen(1, answers={"classification": f"other {number}"}) for number in range(20)]
        outcomes = base.confirm(others)
        assert outcomes.count("unfit") >= 11 and len(base) <= 9


def test_another_model_or_kind_of_base_is_refused(tmp_path):
    LocalBase(tmp_path / "seen.kb", SPACE).close()
    for changed in ({"model_id": "f" * 16}, {"contract_sha256": "0" * 64}, {"name": "x"}, {"dimension": 4}):
        with pytest.raises(KnowledgeError, match="give another file"):
            LocalBase(tmp_path / "seen.kb", replace(SPACE, **changed))
    made_base(tmp_path / "a.kb", 2).close()
    with pytest.raises(KnowledgeError, match="is no local knowledge base"):
        LocalBase(tmp_path / "a.kb", SPACE)
    with pytest.raises(KnowledgeError, match="is no knowledge base"):
        KnowledgeBase(tmp_path / "seen.kb")
    for wrong in ({"capacity": 0}, {"capacity": 10**9}, {"least_margin": 2.0}, {"least_margin": np.nan}):
        with pytest.raises(KnowledgeError, match="give 1 to"):
            LocalBase(tmp_path / "b.kb", SPACE, **wrong)


def in_child(work) -> int:
    """Run a function in a forked process; its status: 0, or 1 if it raised."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_second_writer_is_refused_in_a_line(tmp_path):
    path = tmp_path / "seen.kb"

    def refused() -> None:
        with pytest.raises(StoreBusyError, match="in use by another process; give each receiver its own file"):
            LocalBase(path, SPACE)

    with LocalBase(path, SPACE) as base:
        base.confirm([seen(1)])
        assert in_child(refused) == 0
        refused()
        base.confirm([seen(2)])
    with LocalBase(path, SPACE) as base:
        assert sources(base) == {1, 2}


def test_a_full_disk_is_counted_and_the_base_goes_on_afterwards(tmp_path):
    """A limit of a file's size stands in for the disk's."""
    path = tmp_path / "seen.kb"
    LocalBase(path, SPACE).close()

    def fill() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        with LocalBase(path, SPACE) as base:
            base.confirm([seen(1)])
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            wal = Path(f"{path}-wal")
            resource.setrlimit(resource.RLIMIT_FSIZE, (max(wal.stat().st_size, path.stat().st_size) + 100_000, hard))
            outcomes = [base.confirm([seen(number, picture=PNG + os.urandom(6000))])[0] for number in range(2, 60)]
            assert outcomes[0] == "stored" and "unwritten" in outcomes, outcomes
            assert base.counts["unwritten"] == outcomes.count("unwritten")
            kept = {1} | {number for number, outcome in enumerate(outcomes, 2) if outcome == "stored"}
            assert sources(base) == kept
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            assert base.confirm([seen(70)]) == ["stored"]
            (tmp_path / "kept").write_text(",".join(map(str, sorted(kept | {70}))))

    assert in_child(fill) == 0
    with LocalBase(path, SPACE) as base:
        assert ",".join(map(str, sorted(sources(base)))) == (tmp_path / "kept").read_text()


def test_a_full_disk_leaves_a_global_base_as_it_was(tmp_path):
    path = tmp_path / "a.kb"
    with made_base(path, 5) as base:
        before = content(base)

    def fill() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        with KnowledgeBase(path) as base:
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 8192, hard))
            with pytest.raises(KnowledgeError, match="cannot be written"):
                base.change(add=[made_entry(number, picture=PNG + bytes(9000)) for number in range(10, 30)])
            with pytest.raises(KnowledgeError, match="cannot be written"):
                entries = [made_entry(number, picture=PNG + bytes(9000)) for number in range(10, 30)]
                KnowledgeBase.create(tmp_path / "b.kb", SPACE, entries)
            assert content(base) == before

    assert in_child(fill) == 0
    assert [file.name for file in tmp_path.iterdir()] == ["a.kb"]
    with KnowledgeBase(path) as base:
        assert content(base) == before and base.version == 1
