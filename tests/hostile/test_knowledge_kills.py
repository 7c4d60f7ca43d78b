# SPDX-License-Identifier: GPL-3.0-or-later
"""Random changes of a base, cut off by SIGKILL: no entry is ever lost or wrong.

``SDR_SC_KNOWLEDGE_OPERATIONS=100000 pytest tests/hostile/test_knowledge_kills.py --timeout 0`` does as many of them.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from knowledge_entries import SPACE, content, made_base, made_entry

from sdr_sc.semantic.knowledge.base import KnowledgeBase
from sdr_sc.semantic.knowledge.interface import Entry
from sdr_sc.semantic.knowledge.local import Confirmed, LocalBase

OPERATIONS = int(os.environ.get("SDR_SC_KNOWLEDGE_OPERATIONS", "400"))
A_LIFE = 40
"""Operations of a process that is not killed before."""
KEYS = 60
DEADLINE_S = 120.0


def killed_writer(work: Callable[[Callable[[str], None]], None], rng: np.random.Generator) -> list[str]:
    """The lines that a forked process wrote before it was killed at random, or ended."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reads)
            work(lambda line: os.write(writes, (line + "\n").encode()) and None)
            status = 0
        finally:
            os._exit(status)
    os.close(writes)
    said, least, deadline = b"", int(rng.integers(0, 2 * A_LIFE)), time.monotonic() + DEADLINE_S
    while said.count(b"\n") < least and time.monotonic() < deadline:
        if select.select([reads], [], [], 1.0)[0]:
            piece = os.read(reads, 1 << 16)
            if not piece:
                break
            said += piece
    time.sleep(rng.random() * 0.004)
    os.kill(child, signal.SIGKILL)
    while piece := os.read(reads, 1 << 16):
        said += piece
    os.close(reads)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), "the writer failed"
    return said.decode().split("\n")[:-1]


def changes(seed: int, keys: set[str]) -> Iterator[tuple[list[Entry], list[Entry], list[str]]]:
    """Additions, replacements and deletions, the same for the same seed and keys."""
    rng, keys = np.random.default_rng(seed), set(keys)
    for step in range(A_LIFE):
        chosen = [made_entry(number, (seed, step)) for number in rng.permutation(KEYS)[: rng.integers(1, 4)].tolist()]
        added = [entry for entry in chosen if entry.key not in keys]
        others = [entry for entry in chosen if entry.key in keys]
        cut = int(rng.integers(0, len(others) + 1))
        keys |= {entry.key for entry in added}
        keys -= {entry.key for entry in others[cut:]}
        yield added, others[:cut], [entry.key for entry in others[cut:]]


def test_a_global_base_is_the_old_one_or_the_new_one(tmp_path):
    rng, path, done, kills = np.random.default_rng(11), tmp_path / "a.kb", 0, 0
    made_base(path, 0).close()
    model: dict[str, tuple] = {}
    while done < OPERATIONS:
        seed, version = int(rng.integers(1 << 31)), 0

        def work(say: Callable[[str], None], seed: int = seed) -> None:
            with KnowledgeBase(path) as base:
                for added, replaced, deleted in changes(seed, set(content(base))):
                    say("try")
                    base.change(added, replaced, deleted)
                    say("done")

        lines = killed_writer(work, rng)
        kills += lines.count("done") < A_LIFE
        states, planned = [model], changes(seed, set(model))
        for _ in range(lines.count("try")):
            added, replaced, deleted = next(planned)
            after = {key: value for key, value in states[-1].items() if key not in deleted}
            states.append(after | {entry.key: told(entry) for entry in (*added, *replaced)})
        with KnowledgeBase(path) as base:  # which checks every row, and all of them against the version's checksum
            found, version = content(base), base.version
            assert base.store.faults() == []
            for key in list(found)[:3]:
                near = base.search(np.frombuffer(found[key][1], np.float32)[None], 1)
                assert base.entry(int(near.ids[0, 0])).key == key
        kept = lines.count("done")
        assert found in states[kept:], (lines.count("try"), kept)
        assert version >= kept + 1
        model, done = found, done + len(lines) // 2 + 1
    assert kills >= OPERATIONS // A_LIFE // 4 or kills >= 3
    assert not list(tmp_path.glob("*.partial"))


def told(entry: Entry) -> tuple:
    """As `content` gives it."""
    return (entry.title, entry.vector.tobytes(), tuple(sorted(entry.answers.items())), entry.source, entry.text,
            entry.picture, entry.added_s)  # fmt: skip


def sources(base: LocalBase) -> list[int]:
    return sorted(int(base.entry(number).source) for number in base.table.ids.tolist())


def test_a_local_base_has_all_that_it_said_it_keeps(tmp_path):
    rng, path, done, capacity = np.random.default_rng(12), tmp_path / "seen.kb", 0, 25
    LocalBase(path, SPACE).close()
    order: OrderedDict[int, None] = OrderedDict()
    while done < OPERATIONS:
        seed = int(rng.integers(1 << 31))

        def work(say: Callable[[str], None], seed: int = seed) -> None:
            with LocalBase(path, SPACE, capacity) as base:
                for frame in frames(seed):
                    say("try")
                    entries = [made_entry(number) for number in frame]
                    base.confirm([Confirmed(e.vector, e.answers, 1.0, source=e.source.split()[1]) for e in entries])
                    assert base.counts["unfit"] == base.counts["unwritten"] == 0
                    say("done")

        lines = killed_writer(work, rng)
        states, planned = [order], frames(seed)
        for _ in range(lines.count("try")):
            after = states[-1].copy()
            for number in next(planned):
                after[number] = None
                after.move_to_end(number)
            while len(after) > capacity:
                after.popitem(last=False)
            states.append(after)
        with LocalBase(path, SPACE, capacity) as base:
            found = sources(base)
            ordered = [int(base.entry(number).source) for number in base._recent]
        matching = [state for state in states[lines.count("done") :] if list(state) == ordered]
        assert matching and sorted(matching[0]) == found
        order, done = matching[0], done + len(lines) // 2 + 1


def frames(seed: int) -> Iterator[list[int]]:
    """Numbers of items of each frame, the same for the same seed."""
    rng = np.random.default_rng(seed)
    for _ in range(A_LIFE):
        yield rng.permutation(KEYS)[: rng.integers(1, 6)].tolist()


def test_a_kill_while_a_base_is_made_leaves_none_of_its_name(tmp_path):
    rng = np.random.default_rng(13)

    def work(say: Callable[[str], None]) -> None:
        def entries() -> Iterator[Entry]:
            for number in range(100_000):
                say("entry")
                yield made_entry(number)

        KnowledgeBase.create(tmp_path / "a.kb", SPACE, entries())

    assert len(killed_writer(work, rng)) < 100_000
    assert not Path(tmp_path / "a.kb").exists()
    made_base(tmp_path / "a.kb", 3).close()
