# SPDX-License-Identifier: GPL-3.0-or-later
"""The live status of ``sdr-sc tx`` and ``sdr-sc rx``: what is no longer the value of now says how old it is."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace as Fake

import numpy as np
import pytest
from command import environment, sdr_sc
from frames import reception
from rich.console import Console
from rich.table import Table

from sdr_sc.cli import rx, tx
from sdr_sc.cli.shared import demo_tables
from sdr_sc.link.frames.link_record import FrameRecord, LinkRecord
from sdr_sc.link.in_flight import InFlight
from sdr_sc.link.level import LevelMeter


def shown(table: Table) -> str:
    """As on a terminal, with its escape sequences."""
    console = Console(width=120, force_terminal=True, color_system="truecolor")
    with console.capture() as text:
        console.print(table)
    return text.get()


def test_the_demonstration_s_levels_fit_a_terminal_with_further_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = {"frame_index": np.arange(4), "snr_set_db": np.array([25.0, 25, 0, 0]), "k": np.full(4, 24)}
    frames |= {"snr_est_db": np.full(4, 24.9), "correct": np.full(4, 3), "n_items": np.full(4, 4)}
    monkeypatch.setattr("sdr_sc.demo.run.read_sent", lambda folder: {**frames, "status": np.ones(4, bool)})
    column = np.arange(4), np.ones(4)
    monkeypatch.setattr(demo_tables, "_shares", lambda *_: {"retrieval: R@1": column, "retrieval: R@5": column})
    console = Console(width=80)
    with console.capture() as text:
        console.print(demo_tables.levels_table(Path(), ("retrieval",)))
    assert "…" not in text.get() and text.get().count("retrieval") == 2 and text.get().count("100.0 %") == 4


def transmitter(feedback: tuple[float, float] | None) -> Fake:
    sender = Fake(in_flight=InFlight(1, 0.25, 4096))
    encoder = Fake(items_sent=4, frames_sent=1, sender=sender, latest_feedback=lambda: feedback, error=None)
    monitor = Fake(counts={"burst_ack": 1}, faults={})
    feedback_port = Fake(messages_refused=0)
    return Fake(encoder=encoder, tx_monitor=monitor, transmitter=Fake(level=LevelMeter(1.0)), feedback=feedback_port)


def receiver(record: LinkRecord, told: int) -> Fake:
    blocks = Fake(
        receiver=Fake(counters=Fake(delivered=record.frames_answered)),
        level=LevelMeter(1.0),
        gaps=0,
        samples_missing=0,
    )
    return Fake(
        results=Fake(record=record),
        receiver=blocks,
        sent=Fake(messages_received=told, messages_refused=0),
        rx_monitor=Fake(faults={}),
    )


def test_feedback_that_is_old_is_dimmed_and_reports_its_age() -> None:
    assert "none yet" in shown(tx._table(transmitter(None)))
    fresh = shown(tx._table(transmitter((-1.4, 0.3))))
    assert "-1.4 dB" in fresh and "ago" not in fresh and "\x1b[2m" not in fresh
    stale = shown(tx._table(transmitter((-1.4, 12.3))))
    assert "\x1b[2m-1.4 dB, 12 s ago" in stale


def test_the_latest_frame_reports_its_age_once_no_more_come(monkeypatch: pytest.MonkeyPatch) -> None:
    record = LinkRecord(None)
    text = shown(rx._table(receiver(record, 0)))
    assert "waiting for a transmitter" in text and "latest" not in text
    assert "0 frames answered" in shown(rx._table(receiver(record, 1)))
    one = np.zeros(1, np.int64)
    record.sent(FrameRecord(0, 2, one, one, np.zeros((1, 4), np.uint8), time.monotonic_ns()))
    record.received(reception(0, one, np.ones(1), 43.0, 700.0, time.monotonic_ns(), 2))
    fresh = shown(rx._table(receiver(record, 1)))
    assert "SNR 43.0 dB, carrier offset 700 Hz, k = 2" in fresh and "ago" not in fresh
    later = time.monotonic() + 31.0
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert "\x1b[2mSNR 43.0 dB, carrier offset 700 Hz, k = 2, 31 s ago" in shown(rx._table(receiver(record, 1)))


def test_both_ends_say_at_once_what_they_do(tmp_path: Path) -> None:
    for end, awaited in (("rx", "transmitter"), ("tx", "receiver")):
        done = sdr_sc(end, "--args", "type=b200,serial=none", "--freq", 915e6, "--gain", 0, "--transmit"
                      if end == "tx" else "--seconds=1", "--out", tmp_path)  # fmt: skip
        assert done.stdout.startswith(f"opening the device, then waiting for a {awaited}"), done.stdout
        assert not list(tmp_path.iterdir())


def test_a_transmitter_says_that_it_compiles_and_only_then(tmp_path: Path) -> None:
    code = "from sdr_sc.blocks.ofdm_tx import ofdm_tx; ofdm_tx().load()"
    said = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=environment(NUMBA_CACHE_DIR=str(tmp_path)),
            capture_output=True,
            text=True,
            timeout=200,
            check=True,
        ).stderr
        for _ in range(2)
    ]
    assert "compiling the transmitter's kernels" in said[0] and "compiling" not in said[1]
