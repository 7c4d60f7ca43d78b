# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows on foreign messages to the address from which 'record zmq' takes its samples."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sdr_sc.bench.hardening.hostile_load import Progress
from sdr_sc.bench.hardening.hostile_messages import wrong_samples
from sdr_sc.results.rows import Row

GROWTH_MB = 50.0
"""Memory that a process may grow by, whatever arrives."""
_LIMIT_S = 60.0
_A_GOOD_ONE = 100


def samples_rows(count: int, seed: int, log: Callable[[str], None]) -> list[Row]:
    """Foreign messages to the source of samples of 'record zmq', one good one after each hundred of them."""
    import zmq
    from gnuradio import blocks, gr

    from sdr_sc.blocks.zmq_samples_source import zmq_samples_source

    log(f"{count:,} foreign messages to an address of samples")
    wrong, good = wrong_samples(1000, seed), np.arange(8, dtype=np.complex64)
    tb, got = gr.top_block(), blocks.vector_sink_c()
    before, sent = resident_mb(os.getpid()), 0
    progress = Progress("foreign messages of samples refused", count, log)
    with zmq.Context() as context, context.socket(zmq.PUSH) as foreign:
        foreign.linger, foreign.sndtimeo = 0, round(1e3 * _LIMIT_S)
        source = zmq_samples_source(f"tcp://127.0.0.1:{foreign.bind_to_random_port('tcp://127.0.0.1')}")
        tb.connect(source, got)
        tb.start()
        try:
            for number in range(count):
                progress.at(sum(source.refused.values()))
                foreign.send(wrong[number % len(wrong)])
                if number % _A_GOOD_ONE == 0:
                    foreign.send(good.tobytes())
                    sent += len(good)
            over_s = time.monotonic() + _LIMIT_S
            while time.monotonic() < over_s and (len(got.data()) < sent or sum(source.refused.values()) < count):
                time.sleep(0.1)
        finally:
            tb.stop()
            tb.wait()
    taken = np.asarray(got.data(), np.complex64)
    right = len(taken) == sent and np.array_equal(taken.reshape(-1, len(good)), np.tile(good, (sent // len(good), 1)))
    return [
        Row.at_least("foreign messages at an address of samples, refused", sum(source.refused.values()), "", count),
        Row.at_most("samples lost or taken from them", 0 if right else abs(len(taken) - sent) or 1, "", 0, sent),
        Row.at_most("memory growth under them", resident_mb(os.getpid()) - before, "MB", GROWTH_MB, count),
    ]


def resident_mb(pid: int) -> float:
    """Memory that a process holds; NaN if it has gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1e3
    except OSError:
        pass
    return float("nan")
