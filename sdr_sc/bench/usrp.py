# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows on the link over the simulated USRP: GNU Radio's UHD blocks, libuhd, two processes.

What no row shows: the transport of a real device (USB, UDP), and a real front end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from sdr_sc.bench.machine_pauses import MachinePauses
from sdr_sc.bench.usrp_chain import chain_rows
from sdr_sc.flowgraph.usrp_pair import PairResult, run_pair
from sdr_sc.places import scratch_folder
from sdr_sc.results.rows import Row
from sdr_sc.simusrp.levels import expected_snr_db, path_loss_for_snr

_OCCUPIED = 52 / 64
_RMS_DBFS = -14.9  # of frames with amplitude 0.2
_RATES_HZ = (1e6, 2e6, 5e6, 8e6, 10e6, 15e6, 20e6)
_LEVELS = ((60, 40, 62), (75, 40, 62), (60, 76, 60), (40, 60, 50), (90, 50, 88))
_ROBUST = ["--lead", "0.2", "--feedback-timeout", "1"]  # against pauses of the machine
_RX_BUFFER = ",rx_buffer_ms=500"  # as long as num_recv_frames or socket buffers give a real device
_STEADY, _FAST = ["--frames-in-flight", "6"], ["--frames-in-flight", "32"]


PARTS = ("lock-step", "snr", "step", "chain", "endurance", "rate")


def bench_usrp(seconds: float, quick: bool, log: Callable[[str], None], parts: Sequence[str] = PARTS) -> list[Row]:
    """All rows, or those of some parts.

    Args:
        seconds: of the long run.
        quick: runs of a few seconds.
        parts: of `PARTS`.
    """
    with scratch_folder() as scratch:
        folder = Path(scratch)
        rows: dict[str, Callable[[], list[Row]]] = {
            "lock-step": lambda: lock_step_rows(folder, quick, log),
            "snr": lambda: snr_rows(folder, quick, log),
            "step": lambda: step_response_rows(folder, quick, log),
            "chain": lambda: chain_rows(folder, quick, log),
            "endurance": lambda: endurance_rows(folder, 10.0 if quick else seconds, log),
            "rate": lambda: rate_rows(folder, 5.0 if quick else 60.0, log),
        }
        return [row for part in PARTS if part in parts for row in rows[part]()]


def lock_step_rows(folder: Path, quick: bool, log: Callable[[str], None]) -> list[Row]:
    """Whether two runs of two processes in lock-step are the same."""
    images = "80" if quick else "800"
    found = []
    for run in ("one", "two"):
        log(f"lock-step, run {run}")
        options = ["--images", images, "--feedback-timeout", "20"]
        result = run_pair(folder / f"step_{run}", None, options, [], ",pace=step", ",pace=step,path_loss_db=67")
        exact = ("frame_index", "snr_est_db", "cfo_hz", "k", "status", "correct")
        found.append(
            [np.array_str(row, precision=17) for row in np.stack([result.frames[name] for name in exact], axis=1)]
        )
    differing = sum(a != b for a, b in zip(*found, strict=False)) + abs(len(found[0]) - len(found[1]))
    return [Row.at_most("lock-step: frames that differ between two runs", differing, "", 0, len(found[0]))]


def snr_rows(folder: Path, quick: bool, log: Callable[[str], None]) -> list[Row]:
    """SNR that gains, path loss and noise figure give against the SNR estimated."""
    worst, count = 0.0, 0
    for i, (tx_gain_db, rx_gain_db, path_loss_db) in enumerate(_LEVELS):
        log(f"SNR at gains of {tx_gain_db} and {rx_gain_db} dB, path loss {path_loss_db} dB")
        options = ["--images", "40" if quick else "400", "--gain", str(tx_gain_db), "--feedback-timeout", "20"]
        loss = f",pace=step,path_loss_db={path_loss_db}"
        result = run_pair(folder / f"snr_{i}", None, options, ["--gain", str(rx_gain_db)], ",pace=step", loss)
        level = result.transmitter["level"]["mean_dbfs"]
        expected = expected_snr_db(level, 1e6, tx_gain_db, rx_gain_db, path_loss_db, occupied=_OCCUPIED)
        worst = max(worst, abs(result.rows["SNR estimated, mean"] - expected))
        count += len(result.frames["status"])
    return [Row.at_most("SNR set by the air less SNR estimated, largest", worst, "dB", 1.0, count)]


def step_response_rows(folder: Path, quick: bool, log: Callable[[str], None]) -> list[Row]:
    """Time from a step of 20 to 0 dB on the air to the first frame on the air with the k of 0 dB."""
    from sdr_sc.bench.usrp_step import step_response

    log("SNR step on the air, 1 MS/s")
    took = step_response(steps=2 if quick else 10)
    name = "SNR step 20 to 0 dB: until k has followed on the air, 1 MS/s"
    return [
        Row.at_most(f"{name}, slowest", 1e3 * max(took), "ms", 200.0, len(took)),
        Row(f"{name}, median", 1e3 * float(np.median(took)), "ms", n=len(took)),
    ]


def endurance_rows(folder: Path, seconds: float, log: Callable[[str], None]) -> list[Row]:
    """A long run at 1 MS/s and 25 dB, and its latencies."""
    log(f"1 MS/s for {seconds:g} s")
    loss = path_loss_for_snr(25.0, _RMS_DBFS, 1e6, occupied=_OCCUPIED)
    device = f",path_loss_db={loss:.2f}{_RX_BUFFER}"
    with MachinePauses() as pauses:
        result = run_pair(folder / "endurance", seconds, ["--images", "0", *_STEADY, *_ROBUST], [], "", device)
    name = f"1 MS/s, {seconds:g} s, 25 dB"
    faults = _without_last(result)
    total = sum(faults.values())
    told = "".join(f" ({count} {words.split(':')[0]})" for words, count in faults.items())
    prefix = "last sample at the antenna to answer"
    rows = [
        Row.at_most(f"{name}: underflows, overflows, late bursts, gaps, lost frames{told}", total, "", 0,
                    len(result.frames["status"])),
        Row.at_most(f"{prefix}, median", result.rows[f"{prefix}, median"], "ms", 15.0, len(result.frames["status"])),
        Row.at_most(f"{prefix}, 99th percentile", result.rows[f"{prefix}, 99th percentile"], "ms", 40.0,
                    len(result.frames["status"])),
    ]  # fmt: skip
    stages = [(n, v) for n, v in result.rows.items() if n.endswith(("median", "percentile")) and prefix not in n]
    rows += [Row(stage, value, "ms", n=len(result.frames["status"])) for stage, value in stages]
    rows.append(Row("SNR estimated", result.rows["SNR estimated, mean"], "dB", n=len(result.frames["status"])))
    return [*rows, *_pause_rows(name, pauses)]


def rate_rows(folder: Path, seconds: float, log: Callable[[str], None]) -> list[Row]:
    """The highest rate that two processes hold, with frames as fast as the encoder gives them."""
    highest, rows = 0.0, []
    for rate_hz in _RATES_HZ:
        log(f"{rate_hz / 1e6:g} MS/s for {seconds:g} s")
        loss = path_loss_for_snr(25.0, _RMS_DBFS, rate_hz, occupied=_OCCUPIED)
        rate = ["--rate", str(rate_hz)]
        options = ["--images", "0", *_FAST, *_ROBUST, *rate]
        device = f",path_loss_db={loss:.2f}{_RX_BUFFER}"
        with MachinePauses() as pauses:
            result = run_pair(folder / f"rate_{rate_hz:.0f}", seconds, options, rate, "", device)
        faults = _without_last(result)
        told = ", ".join(f"{count} {words.split(':')[0]}" for words, count in faults.items()) or "no fault"
        images = result.receiver["items_answered"] / seconds
        name = f"{rate_hz / 1e6:g} MS/s, {seconds:g} s"
        rows.append(Row(f"{name}: {told}; images answered", images, "images/s"))
        rows += _pause_rows(name, pauses)
        if faults:
            break
        highest = rate_hz
    first = Row.at_least(f"highest rate without a fault for {seconds:g} s", highest / 1e6, "MS/s", 5.0)
    return [first, *rows]


def _pause_rows(name: str, pauses: MachinePauses) -> list[Row]:
    """What the machine itself did meanwhile: faults beside long pauses are its own."""
    rows = [Row(f"{name}: longest pause of the machine itself", pauses.longest_ms, "ms")]
    if pauses.steal_percent is not None:
        rows.append(Row(f"{name}: time taken by other virtual machines", pauses.steal_percent, "%"))
    return rows


def _without_last(result: PairResult) -> dict[str, int]:
    """Faults, without the frames that were on their way when the transmitter was stopped."""
    faults = dict(result.faults)
    delivered = np.flatnonzero(result.frames["status"])
    last = len(result.frames["status"]) - (delivered[-1] + 1 if len(delivered) else 0)
    if faults.get("frames lost"):
        faults["frames lost"] -= last
    return {words: count for words, count in faults.items() if count}
