# SPDX-License-Identifier: GPL-3.0-or-later
"""A link whose ends are killed, stopped, starved of disk and sent nonsense: every frame is accounted for."""

from __future__ import annotations

import contextlib
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sdr_sc.bench.hardening.fault_kinds import SmallDisk, small_disk
from sdr_sc.bench.hardening.fault_runs import Program, unreadable_in, unreadable_recording
from sdr_sc.bench.hardening.soak_account import Account, Life, account, kill_losses_s
from sdr_sc.bench.hardening.soak_ends import End, Images, Observer, bad_messages, send_to
from sdr_sc.bench.hardening.soak_results import check_recording, contradictions, read_rows
from sdr_sc.capture.repair import repair
from sdr_sc.data import fashion_mnist
from sdr_sc.errors import SdrScError
from sdr_sc.flowgraph.usrp_pair import free_ports
from sdr_sc.link.frames.link_record import WRITTEN_S
from sdr_sc.places import scratch_folder
from sdr_sc.results.rows import Row
from sdr_sc.results.run_summary import read_summary
from sdr_sc.simusrp import build as simusrp

_RATE = ("--rate", "200e3")
_DISK_KIB = 512 << 10
_ITEMS_PER_FRAME, _FIRST_SEED, _FEEDBACK_TIMEOUT_S = 4, 1, 1.0
_MARGIN_S = 2.0
"""How long a frame may be on its way to an answer, and news of it; on a loaded machine."""
_END_LIMIT_S, _START_LIMIT_S = 60.0, 180.0
_EVENTS = ("kill", "interrupt", "terminate", "stop", "full disk", "bad messages")


_KILL_LOSS = "longest time from a frame's answer to a receiver's kill after which nothing of it was written"
WRONG: dict[str, str] = {
    "ends": "ends that ended otherwise than they were made to, or not in time",
    "tracebacks": "tracebacks",
    "unreadable": "results or recordings that cannot be read",
    "contradictions": "contradictions between summary, rows and annotations of receivers that came to their end",
}


@dataclass
class _Soak:
    """What is known of the ends while they are disturbed."""

    disk: SmallDisk
    log: Callable[[str], None]
    disk_was_full: bool = False
    wrong: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in WRONG})

    def note(self, what: str, words: str) -> None:
        """Something is wrong."""
        self.wrong[what].append(words)
        self.log(f"{WRONG[what]}: {words}")

    def judge(self, end: End, number: int, life: Life, program: Program, status: int | None) -> None:
        """An end's life is over."""
        name, text = f"{end.name} {number}", program.text
        last = (text.strip().splitlines() or ["nothing printed"])[-1]
        if "Traceback (most recent call last)" in text:
            self.note("tracebacks", f"{name}: {last}")
        full = end.name == "rx" and self.disk_was_full
        allowed = {0, 128 + signal.SIGINT, 128 + signal.SIGTERM} if not full else {0, 1}
        # A signal that comes when all is written, on the last lines of the program, ends it as it ends any program.
        too_late = status == -signal.SIGTERM and "results: " in text
        # One that comes while it is imported, before there is anything to save, likewise.
        too_early = status in (-signal.SIGTERM, -signal.SIGINT) and not text.strip()
        if not life.killed and status not in allowed and not (too_early or too_late):
            self.note("ends", f"{name}: status {status}: {last}")
        if end.name == "rx":
            self._take_results(number, life, full or status != 0)
            self.disk_was_full = False
            (self.disk.folder / "filler").unlink(missing_ok=True)

    def _take_results(self, number: int, life: Life, cut_short: bool) -> None:
        recording = self.disk.folder / f"recording_{number}"
        folders = [path.parent for path in (self.disk.folder / f"rx_{number}").glob("*/frames.csv")]
        for folder in folders:
            found = unreadable_in(folder)
            for words in found:
                self.note("unreadable", words)
            if found:
                continue
            life.rows = read_rows(folder)
            if life.killed or cut_short:
                continue
            summary = read_summary(folder)[0]["accounting"]
            for words in contradictions(folder, life.rows, summary) + check_recording(recording, life.rows):
                self.note("contradictions", words)
        if life.killed:
            with contextlib.suppress(SdrScError):  # whether it can be read is seen next
                repair(recording)
        for words in unreadable_recording(recording):
            self.note("unreadable", words)
        for path in self.disk.folder.glob(f"recording_{number}.*"):
            path.unlink()


def bench_soak(seconds: float, quick: bool, seed: int, log: Callable[[str], None]) -> list[Row]:
    """All rows.

    Args:
        seconds: for which the ends are disturbed.
        quick: 60 s.
        seed: of what happens when.
        log: takes what is going on, and what went wrong.
    """
    simusrp.module_path()
    seconds = 60.0 if quick else seconds
    log(f"kills, stops, full disks and bad messages for {seconds:g} s")
    with scratch_folder() as scratch, \
            small_disk(Path(scratch) / "disk", _DISK_KIB) as disk:  # fmt: skip
        soak = _Soak(disk, log)
        found, losses_s, events, lives = _disturb(soak, Path(scratch), seconds, np.random.default_rng(seed))
    told = sum(found.causes.values())
    for one in found.unaccounted[:10]:
        log(f"unaccounted: frame {one.key[0]}, items {one.key[1]}")
    for index, items in found.unknown[:10]:
        log(f"a receiver has a row that nobody reported: frame {index}, items {items}")
    rows = [
        Row.at_most("frames that were reported and are unaccounted for", len(found.unaccounted), "frames", 0, told),
        Row.at_most("rows of receivers on frames that nobody reported", len(found.unknown), "frames", 0, told),
        *(Row(f"rows of receivers on frames {why}", count, "frames") for why, count in found.unheard.most_common()),
        *(Row.at_most(WRONG[name], len(words), "", 0, lives) for name, words in soak.wrong.items()),
        *(Row(f"frames: {cause}", count, "frames", n=told) for cause, count in found.causes.most_common()),
        Row.at_most(_KILL_LOSS, max(losses_s, default=0.0), "s", WRITTEN_S, len(losses_s)),
        *(Row(f"events: {name}", count, "") for name, count in events.most_common()),
    ]
    return rows


def _disturb(
    soak: _Soak, scratch: Path, seconds: float, rng: np.random.Generator
) -> tuple[Account, list[float], Counter[str], int]:
    air = f"soak{uuid.uuid4().hex[:8]}"
    feedback, sent = (f"tcp://127.0.0.1:{port}" for port in free_ports(2))
    common = [*_RATE, "--feedback", feedback, "--sent", sent]
    disk = soak.disk.folder

    def transmit(number: int) -> list[str]:
        device = f"type=simusrp,name=tx{number},air={air}"
        images = ["--images", "0", "--seed", str(_FIRST_SEED + number), "--items-per-frame", str(_ITEMS_PER_FRAME)]
        options = [*images, "--feedback-timeout", str(_FEEDBACK_TIMEOUT_S), "--wait", "20"]
        return ["tx", "--args", device, "--out", str(scratch / "tx"), *common, *options]

    def receive(number: int) -> list[str]:
        device = f"type=simusrp,name=rx{number},air={air}"
        recording = ["--record", str(disk / f"recording_{number}"), "--record-datatype", "ci16_le"]
        return ["rx", "--args", device, "--out", str(disk / f"rx_{number}"), *common, *recording]

    observer, events = Observer(sent), Counter[str]()
    rx = End("rx", scratch, receive, lambda *life: soak.judge(rx, *life))
    tx = End("tx", scratch, transmit, lambda *life: soak.judge(tx, *life))
    try:
        over = time.monotonic() + seconds
        while time.monotonic() < over:
            _keep_alive(rx, tx, observer, rng)
            event = str(rng.choice(_EVENTS))
            events[event] += 1
            _make(event, soak, rx, tx, feedback, rng)
        _keep_alive(rx, tx, observer, rng)
        tx.send(signal.SIGTERM)
        tx.wait(_END_LIMIT_S)
        time.sleep(_MARGIN_S)
        if rx.runs:  # one that was started too late to hear of the end
            rx.send(signal.SIGTERM)
        rx.wait(_END_LIMIT_S)
    finally:
        for end in (rx, tx):
            if end.program is not None:
                end.program.kill()
        observer.close()
    images = Images(len(fashion_mnist.load("test")), _ITEMS_PER_FRAME, _FIRST_SEED)
    found = account(observer.told, tx.lives, rx.lives, _MARGIN_S, images.sends)
    losses_s = kill_losses_s(observer.told, found.cause, rx.lives, _FEEDBACK_TIMEOUT_S)
    return found, losses_s, events, len(rx.lives) + len(tx.lives)


def _keep_alive(rx: End, tx: End, observer: Observer, rng: np.random.Generator) -> None:
    """Start what has ended, and wait until frames are answered for a while."""
    for end in (rx, tx):
        if not end.runs:
            end.start()
    frames, over = len(observer.told), time.monotonic() + _START_LIMIT_S
    while len(observer.told) < frames + 20 and time.monotonic() < over and rx.runs and tx.runs:
        time.sleep(0.1)
    over = time.monotonic() + rng.uniform(1.0, 8.0)
    while time.monotonic() < over and rx.runs and tx.runs:
        time.sleep(0.1)


def _make(event: str, soak: _Soak, rx: End, tx: End, feedback: str, rng: np.random.Generator) -> None:
    """Something happens to an end, and if that ends it, until it has ended."""
    end = rx if rng.integers(2) else tx
    if event == "bad messages":
        send_to(feedback, bad_messages(rng))
        return
    if not end.runs:
        return
    if event == "stop":
        end.stop_for(float(rng.uniform(0.5, 3.0)))
    elif event == "full disk":
        if rx.program is not None and rx.runs:
            soak.disk_was_full = True
            rx.lives[-1].ending_s = time.monotonic()
            soak.disk.fill(rx.program.worker)
            rx.wait(_END_LIMIT_S)
    else:
        end.send({"kill": signal.SIGKILL, "interrupt": signal.SIGINT, "terminate": signal.SIGTERM}[event])
        end.wait(_END_LIMIT_S)
