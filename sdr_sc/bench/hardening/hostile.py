# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows on what strangers can do to a running link: foreign messages at every address, and stopping under that load."""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.bench.hardening.fault_runs import Program
from sdr_sc.bench.hardening.hostile_load import Load, Progress, Seen
from sdr_sc.bench.hardening.hostile_samples import GROWTH_MB, resident_mb, samples_rows
from sdr_sc.errors import SdrScError
from sdr_sc.flowgraph.usrp_pair import free_ports
from sdr_sc.places import scratch_folder
from sdr_sc.results.rows import Row
from sdr_sc.results.run_summary import read_summary
from sdr_sc.simusrp import build as simusrp

_CORPUS = 100_000
_START_LIMIT_S, _END_LIMIT_S = 180.0, 60.0
_HANG_S, _STOP_S = 0.5, 3.0
_GREETS_S = 0.25
_ASK_S = 5.0
_STALL_S = 120.0  # nothing more is refused: the summaries are written every few seconds
_STEADY = ("--frames-in-flight", "6", "--lead", "0.2", "--feedback-timeout", "1")  # against pauses of the machine


@dataclass
class _Pair:
    """A transmitter and a receiver, running, with a stranger beside them."""

    tx: Program
    rx: Program
    load: Load
    folder: Path

    def __enter__(self) -> _Pair:
        return self

    def __exit__(self, *details: object) -> None:
        for program in (self.tx, self.rx):
            if program.process.poll() is None:
                program.kill()

    def summary(self, end: str) -> dict[str, Any]:
        """``summary.json`` of an end, {} if there is none."""
        files = list((self.folder / end).glob("*/summary.json"))
        return read_summary(files[0].parent)[0] if files else {}

    def rows(self) -> int:
        """Bytes that the receiver has written of frames."""
        return sum(file.stat().st_size for file in (self.folder / "rx").glob("*/frames.csv"))

    def resident_mb(self) -> dict[str, float]:
        """Memory of each end."""
        return {name: resident_mb(program.process.pid) for name, program in (("tx", self.tx), ("rx", self.rx))}


def _pair(folder: Path, corpus: int, seed: int) -> _Pair:
    """Start a pair; returns when frames go on."""
    air = f"hostile{uuid.uuid4().hex[:8]}"
    feedback, sent, relayed = (f"tcp://127.0.0.1:{port}" for port in free_ports(3))
    load = Load(feedback, sent, relayed, corpus, seed)

    def words(end: str, address: str, *more: str) -> list[str]:
        device = ["--args", f"type=simusrp,name={end},air={air}", "--feedback", feedback, "--sent", address]
        return [end, *device, "--out", str(folder / end), *more]

    rx = Program(words("rx", relayed), folder / "rx.log")
    tx = Program(words("tx", sent, "--images", "0", "--wait", "120", *_STEADY), folder / "tx.log")
    pair = _Pair(tx, rx, load, folder)
    if not tx.wait_until(lambda: pair.rows() > 1000, _START_LIMIT_S):
        pair.__exit__()
        load.end()
        raise SdrScError(f"the link does not start: {tx.text[-300:]} {rx.text[-300:]}")
    return pair


def bench_hostile(quick: bool, seed: int, log: Callable[[str], None], count: int = 0, stops: int = 0) -> list[Row]:
    """All rows.

    Args:
        quick: 200,000 messages and 4 stops, for 10 million and 100.
        count, stops: others than these; 0 for these.
    """
    simusrp.module_path()
    with scratch_folder() as scratch:
        folder = Path(scratch)
        messages = count or (200_000 if quick else 10_000_000)
        return [
            *samples_rows(messages // 100, seed, log),
            *load_rows(folder / "load", messages, quick, seed, log),
            *stop_rows(folder / "stops", stops or (4 if quick else 100), seed, log),
        ]


def load_rows(folder: Path, count: int, quick: bool, seed: int, log: Callable[[str], None]) -> list[Row]:
    """Foreign messages to the three addresses of a link while its frames go on."""
    alone_s = 10.0 if quick else 60.0
    log("the link alone")
    with _pair(folder, 2000 if quick else _CORPUS, seed) as pair:
        time.sleep(2.0)
        alone = time.monotonic(), time.monotonic() + alone_s
        time.sleep(alone_s)
        before = pair.resident_mb()
        begin = time.monotonic()
        pair.load.send(True)
        log(f"{count:,} foreign messages to its addresses")
        grown, crashes, refused_so_far, moved_s = 0.0, 0, 0, begin
        progress = Progress("foreign messages refused", count, log)
        while refused_so_far < count and not crashes and time.monotonic() < moved_s + _STALL_S:
            time.sleep(_ASK_S if not quick else 1.0)
            if (refused_now := _refused(pair)) > refused_so_far:
                refused_so_far, moved_s = refused_now, time.monotonic()
            progress.at(refused_so_far)
            now = pair.resident_mb()
            grown = max(grown, *(now[end] - before[end] for end in now))
            crashes = sum(program.process.poll() is not None for program in (pair.tx, pair.rx))
        loaded = begin, time.monotonic()
        pair.load.send(False)
        pair.tx.process.send_signal(signal.SIGINT)
        statuses = [pair.tx.end(_END_LIMIT_S), pair.rx.end(_END_LIMIT_S)]
        seen = pair.load.end()
        tx, rx = pair.summary("tx").get("transmitter", {}), pair.summary("rx").get("accounting", {})
    crashes += sum(status != 0 for status in statuses)
    refused = {
        "--feedback of tx": tx.get("feedback_refused", 0),
        "--sent of tx": tx.get("sent_refused", 0),
        "--sent of rx": rx.get("sent_refused", 0),
    }
    # More than the ends themselves said can only be a stranger's.
    taken = max(0, tx.get("feedback_received", 0) - rx.get("feedback_sent", 0))
    taken += max(0, rx.get("frames_sent", 0) - tx.get("frames_sent", 0))
    rates = [_rate(seen, *span) for span in (alone, loaded)]
    total, seconds = sum(refused.values()), loaded[1] - loaded[0]
    return [
        Row.at_least("foreign messages read and refused", total, "", count),
        Row.at_most("crashes under them", crashes, "", 0, total),
        Row.at_most("of them taken as frames or feedback", taken, "", 0, total),
        Row.at_most("longest standstill under them", 1e3 * _standstill(seen, *loaded), "ms", 1e3 * _HANG_S, total),
        Row.at_most("memory growth of an end, largest", grown, "MB", GROWTH_MB, total),
        Row.at_least("frame rate under them against without", 100 * rates[1] / rates[0], "%", 90.0, len(seen.frames_s)),
        Row("frame rate without them", rates[0], "frames/s"),
        Row("foreign messages read in a second", total / seconds, "1/s"),
        *(Row(f"read and refused at {port}", found, "") for port, found in refused.items()),
        *(Row(f"given to ZMQ for {port}", given, "") for port, given in seen.given.items()),
    ]


def _refused(pair: _Pair) -> int:
    """Messages refused so far, by the summaries that both ends keep while they run."""
    tx, rx = pair.summary("tx").get("transmitter", {}), pair.summary("rx").get("accounting", {})
    return sum(end.get(key, 0) for end, key in ((tx, "feedback_refused"), (tx, "sent_refused"), (rx, "sent_refused")))


def _rate(seen: Seen, begin_s: float, end_s: float) -> float:
    times = np.array(seen.frames_s)
    return float(np.sum((times >= begin_s) & (times < end_s))) / (end_s - begin_s)


def _standstill(seen: Seen, begin_s: float, end_s: float) -> float:
    """The longest time without a frame of the transmitter, or without the receiver's greeting beyond their distance."""
    longest = 0.0
    for times, usual_s in ((seen.frames_s, 0.0), (seen.greetings_s, _GREETS_S)):
        within = np.array([begin_s, *(time for time in times if begin_s <= time < end_s), end_s])
        longest = max(longest, float(np.max(np.diff(within))) - usual_s)
    return longest


def stop_rows(folder: Path, stops: int, seed: int, log: Callable[[str], None]) -> list[Row]:
    """Ctrl-C and SIGTERM at both ends while foreign messages arrive at full speed."""
    took, summaries = [], 0
    log("Ctrl-C and SIGTERM under load")
    progress = Progress("stops under load", stops, log)
    for run in range(max(1, stops // 2)):
        progress.at(2 * run)
        number = (signal.SIGINT, signal.SIGTERM)[run % 2]
        with _pair(folder / str(run), 1000, seed + run) as pair:
            pair.load.send(True)
            time.sleep(1.0)
            began = time.monotonic()
            programs = {"tx": pair.tx, "rx": pair.rx}
            for program in programs.values():
                program.process.send_signal(number)
            while programs and time.monotonic() < began + _END_LIMIT_S:
                for end in [end for end, program in programs.items() if program.process.poll() is not None]:
                    took.append(time.monotonic() - began)
                    whole = pair.summary(end).get("rows") is not None and programs[end].process.returncode == 0
                    summaries += int(whole)
                    del programs[end]
                time.sleep(0.01)
            took += [_END_LIMIT_S] * len(programs)
            pair.load.end()
    slow = sum(one > _STOP_S for one in took)
    return [
        Row.at_most(f"stops under load that took longer than {_STOP_S:g} s", slow, "", 0, len(took)),
        Row.at_least("of them with status 0 and a summary", summaries, "", len(took), len(took)),
        Row("stop under load, slowest", max(took), "s", n=len(took)),
        Row("stop under load, median", float(np.median(took)), "s", n=len(took)),
    ]
