# SPDX-License-Identifier: GPL-3.0-or-later
"""The measurement of throughput: every frame is counted, and ours is faster than GNU Radio's short packets."""

from __future__ import annotations

import json
import math
import os
import threading
import time

import numpy as np
import pytest
from command import sdr_sc
from gnuradio import blocks, gr

from sdr_sc.bench.phy import profile, throughput_frames, throughput_runs
from sdr_sc.bench.phy import throughput as phy_throughput
from sdr_sc.blocks.runtime.pdu import make_pdu
from sdr_sc.phy.numerology import Numerology


def ignore(what: str) -> None:
    pass


@pytest.fixture(scope="module")
def rows() -> dict:
    measured = phy_throughput.throughput_rows(True, 1, ignore, frames=150, repeats=1)
    assert len({row.name for row in measured}) == len(measured)
    return {row.name: row for row in measured}


def test_all_frames_arrive(rows):
    for what in ("receiver", "transmitter"):
        for symbols, count in ((24, 600), (100, 150)):
            row = rows[f"{what}, frames of {symbols} symbols, one core: frames passed"]
            assert row.value == 100 and row.n >= count


def test_stock_packets_arrive_so_that_the_comparison_is_fair(rows):
    for name, row in rows.items():
        if name.endswith("packets passed"):
            assert row.value >= 99, name


def test_all_figures_are_there(rows):
    assert all(math.isfinite(row.value) and row.value > 0 for row in rows.values())
    for what in ("receiver", "transmitter"):
        stock = "ofdm_rx" if what == "receiver" else "ofdm_tx"
        assert rows[f"{what}, frames of 100 symbols over digital.{stock} with 96-byte packets"].goal
        for ours, theirs in ((24, 11), (100, 100)):
            title = f"frames of {ours} symbols over digital.{stock} with packets of {theirs} symbols"
            assert rows[f"{what}, like for like: {title}"].goal is None
            assert rows[f"{what}, like for like: {title}, by processor time"].goal
            share = rows[
                f"{what}, frames of {ours} symbols: speed through the blocks over the same code called directly"
            ]
            assert share.goal == ">= 60 %" and 0 < share.value


def test_the_receiver_is_faster_than_the_stock_one(rows):
    assert rows["receiver, frames of 100 symbols over digital.ofdm_rx with 96-byte packets"].value > 1


def test_frames_fill_their_symbols():
    numerology = Numerology()
    for payload_symbols in (86, *phy_throughput.LENGTHS):
        n_items, k = throughput_frames.item_shape(payload_symbols, numerology)
        assert n_items * k == payload_symbols * numerology.data_subcarriers
    with pytest.raises(ValueError, match="no frame"):
        throughput_frames.item_shape(1511, numerology)  # a prime, and more than the items of a frame


def test_a_lost_frame_is_seen(tmp_path):
    tile = throughput_frames.our_tile(10, 20, seed=1)
    tile[: len(tile) // 20] = 0
    path = throughput_frames.write_tiled(tmp_path / "frames.cf32", tile, 2)
    run = throughput_runs.run_receiver(path, 40, 10)
    assert run.received == 38 and run.samples == path.stat().st_size // 8


def test_erased_features_are_not_counted():
    counter = throughput_runs.FrameCounter()
    for erased in (0, 0, 5, 48):
        mask = (np.arange(48) < erased).astype(np.uint8)
        counter.handle_frame(make_pdu({"frame_num": 1, "erased": mask}, np.zeros(48, np.complex64)))
    assert (counter.frames, counter.features) == (4, 2 * 48 + 43)


def test_the_noise_has_the_power_that_the_snr_says():
    samples = throughput_frames.impair(np.zeros((10, 10_000), np.complex64), 20.0, np.random.default_rng(1))
    assert np.mean(np.abs(samples) ** 2) == pytest.approx(0.01, rel=0.05)  # 100,000 samples: 0.3 % standard deviation


def test_threads_are_on_one_core_and_then_free_again():
    before, seen = os.sched_getaffinity(0), []
    with throughput_runs.one_core() as core:
        thread = threading.Thread(target=lambda: seen.append(os.sched_getaffinity(0)))
        thread.start()
        thread.join()
    assert seen == [{core}] and os.sched_getaffinity(0) == before


def test_the_command(tmp_path):
    path = tmp_path / "result.json"
    done = sdr_sc(
        "bench", "throughput", "--quick", "--frames", "20", "--repeats", "1", "--json", str(path), timeout_s=590
    )
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr and "set_min_output_buffer" not in done.stdout
    result = json.loads(path.read_text())
    assert {"command", "git", "machine", "rows"} <= set(result) and len(result["rows"]) > 10


@pytest.mark.parametrize("arguments", (["--json", "/proc/nowhere/result.json"], ["--lengths", "--frames", "50"]))
def test_a_mistake_is_one_sentence(arguments):
    done = sdr_sc("bench", "throughput", *arguments)
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 4  # click adds its usage


def test_a_transmitter_whose_start_takes_long_is_fed_only_once_it_runs(monkeypatch):
    """To ask a block for its items while its buffers are made crashes the process, on a loaded machine now and then."""
    asked, running = [], threading.Event()
    start, read = gr.top_block.start, blocks.null_sink.nitems_read

    def slow_start(tb, *arguments):
        time.sleep(0.2)
        start(tb, *arguments)
        running.set()

    monkeypatch.setattr(gr.top_block, "start", slow_start)
    monkeypatch.setattr(
        blocks.null_sink, "nitems_read", lambda sink, port: asked.append(running.is_set()) or read(sink, port)
    )
    run = throughput_runs.run_transmitter(throughput_frames.frame_pdus(10, 20, 1), 10)
    assert run.received == 20 and asked and all(asked)


def test_the_profile_has_every_stage_and_its_parts_add_up() -> None:
    rows = {row.name: row.value for row in profile.profile_rows(True, 1, ignore)}
    for total in phy_throughput.OUR_SYMBOLS:
        part = {name.partition(": ")[2]: value for name, value in rows.items() if f" {total} symbols" in name}
        stages = [part[name] for name in ("search", "preamble and header", "payload and SNR")]
        assert min(stages) > 0
        assert sum(stages) + part["remainder: between the stages"] == pytest.approx(part["receiver as a whole"])
        block = part["receiver as a whole"] + part["remainder: GNU Radio, PMT and tags at the receiver"]
        assert block == pytest.approx(part["block ofdm_rx in a flowgraph"])
