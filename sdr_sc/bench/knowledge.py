# SPDX-License-Identifier: GPL-3.0-or-later
"""What a knowledge base costs by its size: making, opening, searching, memory, and what the index does not find.

Vectors are drawn from 2,000 clusters, and queries from the same. Each size is measured in a process of its own with one
thread; queries are asked one at a time, as of single items.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from sdr_sc.documents import parse_json
from sdr_sc.errors import SdrScError
from sdr_sc.jsonable import compact
from sdr_sc.places import scratch_folder
from sdr_sc.results.rows import Row
from sdr_sc.semantic.knowledge.base import KnowledgeBase
from sdr_sc.semantic.knowledge.interface import Entry, VectorSpace

Log = Callable[[str], None]
DIMENSION, CLUSTERS, SPREAD = 64, 2000, 0.7
"""Numbers of a vector, and of clusters whose centres are normal; the spread is that of the numbers around one."""
NEIGHBOURS = 10
GOAL_MS, GOAL_ENTRIES = 5.0, 1_000_000
_ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
_TIMEOUT_S = 3600.0


def knowledge_rows(sizes: tuple[int, ...], queries: int, seed: int, log: Log) -> list[Row]:
    """Rows of bases of some sizes.

    Args:
        sizes: entries.
        queries: of each base.
        seed: of vectors and queries.
        log: called with what is measured next.

    Raises:
        SdrScError: a measurement failed.
    """
    rows: list[Row] = []
    for entries in sizes:
        log(f"{entries:,} entries")
        rows += rows_of(entries, queries, _in_a_process(entries, queries, seed))
    return rows


def rows_of(entries: int, queries: int, found: Mapping[str, float]) -> list[Row]:
    """Rows of what `measured` found."""
    where = f"{entries:,} entries"
    median = f"{where}: query, median of processor time"
    if entries == GOAL_ENTRIES:
        first = Row.at_most(median, found["cpu_median_ms"], "ms", GOAL_MS, queries)
    else:
        first = Row(median, found["cpu_median_ms"], "ms", n=queries)
    return [
        first,
        Row(f"{where}: query, 99th percentile of processor time", found["cpu_p99_ms"], "ms", n=queries),
        Row(f"{where}: query, median of wall time", found["wall_median_ms"], "ms", n=queries),
        Row(f"{where}: query, 99th percentile of wall time", found["wall_p99_ms"], "ms", n=queries),
        Row(f"{where}: of the {NEIGHBOURS} nearest, found", 100 * found["recall"], "%", n=int(found["compared"])),
        Row(f"{where}: making the file, processor time", found["make_s"], "s"),
        Row(f"{where}: opening and checking it, processor time", found["open_s"], "s"),
        Row(f"{where}: making the index, processor time", found["index_s"], "s"),
        Row(f"{where}: opening it with the index kept, processor time", found["reopen_s"], "s"),
        Row(f"{where}: memory", found["memory_mb"], "MB"),
        Row(f"{where}: file", found["file_mb"], "MB"),
    ]


def clustered(count: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Vectors in parts, float32 (up to 10,000, `DIMENSION`)."""
    centres = np.random.default_rng(0).standard_normal((CLUSTERS, DIMENSION), np.float32)
    for start in range(0, count, 10_000):
        part = min(10_000, count - start)
        noise = rng.standard_normal((part, DIMENSION), np.float32)
        yield centres[rng.integers(0, CLUSTERS, part)] + np.float32(SPREAD) * noise


def measured(entries: int, queries: int, seed: int, folder: Path) -> dict[str, float]:
    """Make a base, open it twice, and ask it, in this process."""
    space = VectorSpace("0" * 16, "0" * 64, "bench", DIMENSION)
    found: dict[str, float] = {}
    before = time.process_time()
    KnowledgeBase.create(folder / "bench.kb", space, _entries(entries, seed))
    found["make_s"] = time.process_time() - before
    found["file_mb"] = (folder / "bench.kb").stat().st_size / 1e6
    resident = _resident_mb()
    before = time.process_time()
    with KnowledgeBase(folder / "bench.kb") as base:
        found["open_s"], found["index_s"] = time.process_time() - before, 0.0
        if base.table.index is not None:
            from sdr_sc.semantic.knowledge.index import ApproximateIndex

            before = time.process_time()
            ApproximateIndex(base.table.ids, base.table.vectors)
            found["index_s"] = time.process_time() - before
            found["open_s"] -= found["index_s"]
    before = time.process_time()
    with KnowledgeBase(folder / "bench.kb") as base:
        found["reopen_s"] = time.process_time() - before
        found["memory_mb"] = _resident_mb() - resident
        asked = np.concatenate(list(clustered(queries, np.random.default_rng(seed + 1))))
        base.search(asked[:1], NEIGHBOURS)
        cpu, wall, ids = np.empty(queries), np.empty(queries), []
        for place in range(queries):
            started = time.process_time(), time.perf_counter()
            ids.append(base.search(asked[place : place + 1], NEIGHBOURS).ids[0])
            cpu[place], wall[place] = time.process_time() - started[0], time.perf_counter() - started[1]
        compared = min(queries, 200)
        base.table.index = None
        exact = base.search(asked[:compared], NEIGHBOURS).ids
        shared = [len(set(a.tolist()) & set(b.tolist())) for a, b in zip(ids, exact, strict=False)]
    found |= {"recall": float(np.mean(shared)) / min(NEIGHBOURS, entries), "compared": compared}
    for name, times in (("cpu", cpu), ("wall", wall)):
        found[f"{name}_median_ms"] = 1e3 * float(np.median(times))
        found[f"{name}_p99_ms"] = 1e3 * float(np.quantile(times, 0.99))
    return found


def _entries(count: int, seed: int) -> Iterator[Entry]:
    number = 0
    for part in clustered(count, np.random.default_rng(seed)):
        for vector in part:
            number += 1
            answers = {"classification": f"class {number % 100}"}
            yield Entry(f"{number:032x}", f"thing {number}", vector, answers, f"bench {number}")


def _in_a_process(entries: int, queries: int, seed: int) -> dict[str, float]:
    with scratch_folder() as folder:
        words = [sys.executable, "-m", "sdr_sc.bench.knowledge", *map(str, (entries, queries, seed, folder))]
        environment = {**os.environ, **_ONE_THREAD, "XDG_CACHE_HOME": str(folder)}
        try:
            done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise SdrScError(f"{entries:,} entries took more than {_TIMEOUT_S:g} s; measure fewer.") from None
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise SdrScError(f"{entries:,} entries cannot be measured ({last[0][:200]}); measure fewer, or make room.")
        return parse_json(done.stdout, "the measurement", "run it again")


def _resident_mb() -> float:
    """Resident memory of this process, 1e6 bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


if __name__ == "__main__":
    print(compact(measured(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))))
