# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole chain over the simulated USRP, picture to answer: normal frames against modes and refinement."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from sdr_sc.flowgraph.usrp_pair import PairResult, run_pair
from sdr_sc.results.rows import Row
from sdr_sc.simusrp.levels import path_loss_for_snr

ITEMS = (50, 4)
"""Images in a frame."""
_RATE_HZ, _SNR_DB = 1e6, 20.0
_RMS_DBFS, _OCCUPIED = -14.9, 52 / 64
_MANY = ["--frames-in-flight", "32", "--lead", "0.2", "--feedback-timeout", "1"]
_ONE = ["--frames-in-flight", "1", "--feedback-timeout", "1"]
_LATENCY = "encoder to answer"


class Way(NamedTuple):
    """How frames are sent: its name in rows, and the options of both ends."""

    name: str
    tx: tuple[str, ...] = ()
    rx: tuple[str, ...] = ()


WAYS = (
    Way("normal frames", ("--mode", "normal")),
    Way("modes"),
    Way("modes and refinement", ("--refine",), ("--refine",)),
)


class Run(NamedTuple):
    """What a run gave, and the processor time of both ends with their start, s."""

    result: PairResult
    processor_s: float


def chain_rows(folder: Path, quick: bool, log: Callable[[str], None]) -> list[Row]:
    """Images answered a second as fast as both ends go, the processor time of each, and latency with one frame on its
    way, at 1 MS/s and 20 dB; the state before there were modes is that of normal frames.

    Args:
        folder: for results and logs.
        quick: runs of 3 s in place of 30 s.
    """
    seconds, rows, rates = 3.0 if quick else 30.0, [], {}
    for items in ITEMS:
        for way in WAYS:
            at = f"whole chain, {way.name}, {items} images a frame"
            log(at)
            own = folder / f"chain_{items}_{way.name.replace(' ', '_')}"
            start = _run(own / "start", way, items, items, None, _MANY)
            many = _run(own / "many", way, items, 0, seconds, _MANY)
            one = _run(own / "one", way, items, 0, seconds, _ONE)
            answered = many.result.receiver["items_answered"]
            rates[items, way] = answered / seconds
            busy = (many.processor_s - start.processor_s) / max(answered - items, 1)
            frames = len(one.result.frames["status"])
            rows += [
                Row(f"{at}: images answered", rates[items, way], "images/s", n=answered),
                Row(f"{at}: faults", sum(many.result.faults.values()), "", n=len(many.result.frames["status"])),
                Row(f"{at}: processor time of both ends, an image", 1e3 * busy, "ms", n=answered),
                Row(f"{at}: {_LATENCY}, median", one.result.rows[f"{_LATENCY}, median"], "ms", n=frames),
                Row(f"{at}: {_LATENCY}, 99th percentile", one.result.rows[f"{_LATENCY}, 99th percentile"], "ms",
                    n=frames),
            ]  # fmt: skip
            if way != WAYS[0]:
                ratio = rates[items, way] / max(rates[items, WAYS[0]], 1e-9)
                rows.append(Row(f"{at}: images a second over those with normal frames", ratio, "times", n=answered))
    return rows


def _run(folder: Path, way: Way, items: int, images: int, seconds: float | None, options: list[str]) -> Run:
    """Both ends for so many images, or seconds where ``images`` is 0."""
    loss = path_loss_for_snr(_SNR_DB, _RMS_DBFS, _RATE_HZ, occupied=_OCCUPIED)
    device = f",path_loss_db={loss:.2f},rx_buffer_ms=500"
    before = _children_s()
    sent = ["--images", str(images), "--items-per-frame", str(items), *options, *way.tx]
    result = run_pair(folder, seconds, sent, [*way.rx], "", device)
    return Run(result, _children_s() - before)


def _children_s() -> float:
    """Processor time of this process's children that have ended, s."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
