# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows on recordings: whether a replay reproduces the live run, what recording loses, speed, memory, validity."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sdr_sc.bench.capture_files import large_file_rows, validity_row
from sdr_sc.bench.capture_rate import recording_rows
from sdr_sc.capture import open_capture
from sdr_sc.flowgraph.record import record_loopback
from sdr_sc.flowgraph.replay import replay
from sdr_sc.flowgraph.replay_config import ReplayConfig
from sdr_sc.flowgraph.usrp_pair import run_pair
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.receiver import Receiver, warm_up
from sdr_sc.places import scratch_folder
from sdr_sc.results.rows import Row
from sdr_sc.results.run_folder import read_items

Log = Callable[[str], None]
_CHUNKS = (1 << 20, 65_536, 4099, 700)
_LIMIT_S = 900.0
_KEY = ("frame_index", "item_id")
_ITEM_FIELDS = {
    "items": ("item_id", "frame_index", "label", "k"),
    "answers": ("answer", "correct", "confidence"),
    "SNRs": ("snr_est_db",),
}
_GAPS = "gaps(gap_samples=700, every_samples=30000, tagged=True)"


def bench_capture(seconds: float, quick: bool, log: Log) -> list[Row]:
    """All rows.

    Args:
        seconds: of the recording at 10 MS/s.
        quick: less data.
    """
    with scratch_folder() as scratch:
        folder = Path(scratch)
        rows = [
            *identity_rows(folder, quick, log),
            *recording_rows(folder, 3.0 if quick else seconds, log),
            *throughput_rows(folder, quick, log),
            *large_file_rows(folder, 2e9 if quick else 20e9, folder / "air", log),
        ]
        log("sigmf_validate on every file written")
        return [*rows, validity_row(folder)]


def identity_rows(folder: Path, quick: bool, log: Log) -> list[Row]:
    """Live runs against their replays, field by field, with several sizes of chunks."""
    log("a run over the simulated air, recorded")
    images = 400 if quick else 8000
    half = images // 8
    record_loopback(
        folder / "air",
        _LIMIT_S,
        images=images,
        snr_schedule=f"0:20, {half // 2}:8, {half}:2",
        channel_models=_GAPS,
        folder=str(folder / "air_live"),
    )
    log("a run over the simulated USRP, recorded")
    options = ["--images", "40" if quick else "400", "--feedback-timeout", "20"]
    recorded = ["--record", str(folder / "usrp"), "--record-datatype", "ci16_le"]
    run_pair(folder / "pair", None, options, recorded, ",pace=step,ppm=-2", ",pace=step,path_loss_db=67,ppm=1.5")
    (usrp_live,) = (folder / "pair" / "rx").iterdir()
    rows = []
    for name, what, live in (
        ("air", "simulated air with gaps", folder / "air_live"),
        ("usrp", "simulated USRP", usrp_live),
    ):
        total, differing = 0, dict.fromkeys(_ITEM_FIELDS, 0)
        for chunk in _CHUNKS:
            log(f"replay of the {what}, chunks of {chunk:,}")
            out = folder / f"replay_{name}_{chunk}"
            replay(ReplayConfig(str(folder / name), chunk=chunk), [out], _LIMIT_S)
            count, wrong = compare_runs(live, out)
            total += count
            differing = {field: differing[field] + wrong[field] for field in differing}
        chunks = ", ".join(f"{chunk:,}" for chunk in _CHUNKS)
        rows += [
            Row.at_most(f"{what}, chunks of {chunks}: {field} not as live", wrong, "", 0, total)
            for field, wrong in differing.items()
        ]
    return rows


def compare_runs(live: Path, again: Path) -> tuple[int, dict[str, int]]:
    """Items of two runs against one another, as their files have them.

    Returns:
        Items of the live run, and how many differ, by what differs. A row that one run lacks counts for everything.
    """
    tables = read_items(live), read_items(again)
    first, second = (
        {key: row for row, key in enumerate(zip(*(table[f].tolist() for f in _KEY), strict=True))} for table in tables
    )
    missing = len(first.keys() ^ second.keys())
    common = sorted(first.keys() & second.keys())
    places = [[rows[key] for key in common] for rows in (first, second)]
    found = {}
    for name, fields in _ITEM_FIELDS.items():
        differs = np.zeros(len(common), bool)
        for f in fields:
            one, other = (np.asarray(table[f][place], float) for table, place in zip(tables, places, strict=True))
            differs |= (one != other) & ~(np.isnan(one) & np.isnan(other))
        found[name] = int(np.count_nonzero(differs)) + missing
    return len(first), found


def throughput_rows(folder: Path, quick: bool, log: Log) -> list[Row]:
    """Replay, from the file to the last answer, against the same receiver blocks on samples that GNU Radio reads."""
    rounds = 2 if quick else 5
    rows = []
    for name, what in (("air", "frames of 4 images back to back"), ("usrp", "a frame of 4 images each 0.1 s")):
        log(f"throughput, {what}")
        capture = open_capture(folder / name)
        data, replayed, own, alone = folder / f"{name}.cf32", [], [], []
        with open(data, "wb") as file:
            for block in capture.blocks():
                file.write(block.tobytes())
        for _ in range(rounds):
            (result,) = replay(ReplayConfig(str(folder / name)), [None], _LIMIT_S)
            replayed.append(result.samples / result.seconds)
            own.append(capture.sample_count / _receiver_blocks_s(data))
            alone.append(capture.sample_count / _receiver_alone_s(data))
        data.unlink()
        speed, theirs, bare = (statistics.median(rates) / 1e6 for rates in (replayed, own, alone))
        rows += [
            Row.at_least(f"replay over the receiver's own speed, {what}", 100 * speed / theirs, "%", 80.0, rounds),
            Row(f"replay, capture to answers, {what}", speed, "MS/s", n=capture.sample_count),
            Row(f"receiver, decoder and sink after GNU Radio's file source, {what}", theirs, "MS/s"),
            Row(f"receiver without GNU Radio, decoder and sink, {what}", bare, "MS/s"),
        ]
    return rows


def _receiver_blocks_s(data: Path) -> float:
    """Seconds from the first sample to the last answer of the blocks of a live run."""
    from gnuradio import blocks, gr

    from sdr_sc.blocks.ofdm_rx import ofdm_rx
    from sdr_sc.blocks.semantic_decoder import semantic_decoder
    from sdr_sc.blocks.task_sink import task_sink
    from sdr_sc.flowgraph.harness import run_flowgraph

    tb = gr.top_block()
    tb.source = blocks.file_source(gr.sizeof_gr_complex, str(data), False)
    tb.receiver, tb.decoder, tb.sink = ofdm_rx(), semantic_decoder(), task_sink(without_truth=True)
    tb.connect(tb.source, tb.receiver)
    tb.msg_connect((tb.receiver, "frames"), (tb.decoder, "frames"))
    tb.msg_connect((tb.decoder, "answers"), (tb.sink, "answers"))
    tb.receiver.load()
    tb.decoder.load()
    began_ns = time.monotonic_ns()
    run_flowgraph(tb, _LIMIT_S)
    last_ns = max(frame.time_ns for frame in tb.sink.record.history)  # without a truth, the time of the answer
    return (last_ns - began_ns) / 1e9


def _receiver_alone_s(data: Path) -> float:
    samples = np.fromfile(data, np.complex64)
    numerology = Numerology()
    warm_up(numerology)
    receiver = Receiver(numerology)
    began = time.perf_counter()
    for start in range(0, len(samples), 131_072):
        receiver.push(samples[start : start + 131_072])
    return time.perf_counter() - began
