# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a frame's time goes, on its way through the receiver's and the transmitter's block.

Each stage is called by itself on the same frames, then receiver and frame builder as a whole, then their blocks in a
flowgraph; a row that is named a remainder is the difference of two others. Stages in a loop of their own find their
code and tables in the processor's cache, so what the receiver needs beside its stages holds the price of changing
between them, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.bench.phy import throughput_frames
from sdr_sc.bench.phy import throughput_runs as runs
from sdr_sc.bench.phy.throughput import OUR_SYMBOLS, Log
from sdr_sc.phy.frame.modes import FrameLayout, FrameMode, frame_layout
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.detect import DEFAULT_THRESHOLD
from sdr_sc.phy.receive.frame_decoder import FrameDecoder, HeaderResult
from sdr_sc.phy.receive.frame_search import FrameSearch
from sdr_sc.phy.receive.sample_buffer import SampleBuffer
from sdr_sc.phy.receive.sync import Synchronisation
from sdr_sc.places import scratch_folder
from sdr_sc.results.rows import Row

_FRAMES, _QUICK_FRAMES = 1000, 200
_REPEATS, _QUICK_REPEATS = 9, 3
_UNIT = "us a frame"


def profile_rows(quick: bool, seed: int, log: Log) -> list[Row]:
    """Microseconds of processor time a frame of each stage; the least of some runs, which other programs lengthen the
    least.

    Args:
        quick: fewer frames and runs.
        seed: of features and noise.
        log: called with what is measured next.
    """
    rows, numerology = [], Numerology()
    layout = frame_layout(numerology, FrameMode.NORMAL)
    frames, repeats = (_QUICK_FRAMES, _QUICK_REPEATS) if quick else (_FRAMES, _REPEATS)
    with scratch_folder() as folder, runs.one_core(), runs.quiet():
        for total in OUR_SYMBOLS:
            symbols = total - layout.overhead_symbols
            log(f"frames of {total} symbols")
            tile = throughput_frames.our_tile(symbols, frames, seed)
            path = throughput_frames.write_tiled(Path(folder) / f"{total}.cf32", tile, 1)
            work = _receiver_work(np.fromfile(path, np.complex64), layout)
            work["receiver as a whole"] = partial(runs.run_receiver_alone, path, frames, symbols)
            work["block ofdm_rx in a flowgraph"] = partial(runs.run_receiver, path, frames, symbols)
            pieces = [*throughput_frames.random_frames(symbols, frames, seed)]
            pdus = throughput_frames.frame_pdus(symbols, frames, seed)
            work["frame builder"] = partial(runs.run_transmitter_alone, pieces, frames)
            work["block ofdm_tx in a flowgraph"] = partial(runs.run_transmitter, pdus, symbols)
            rows += _rows(total, _least_us(work, frames, repeats), frames * repeats)
    return rows


def _receiver_work(samples: np.ndarray, layout: FrameLayout) -> dict[str, Callable[[], Any]]:
    """The receiver's stages, each over all frames of a stream."""
    decoder = FrameDecoder(layout)
    syncs = _found(samples, layout)
    pieces = [samples[sync.start :] for sync in syncs]
    headers = [_header(decoder, piece, sync) for piece, sync in zip(pieces, syncs, strict=True)]
    lengths = [layout.frame_samples(result.header.feature_symbols) for result in headers]

    def payloads() -> None:
        for piece, sync, result, length in zip(pieces, syncs, headers, lengths, strict=True):
            decoder.decode_payload(piece[:length], sync, result)

    def all_headers() -> None:
        for piece, sync in zip(pieces, syncs, strict=True):
            _header(decoder, piece, sync)

    return {
        "search": partial(_found, samples, layout),
        "preamble and header": all_headers,
        "payload and SNR": payloads,
    }


def _found(samples: np.ndarray, layout: FrameLayout) -> list[Synchronisation]:
    """All frames of a stream, each of which is as long as the first."""
    search, buffer, syncs = FrameSearch(layout.numerology, DEFAULT_THRESHOLD), SampleBuffer(), []
    buffer.append(samples)
    while (lead := search.next_lead(buffer, buffer.end, ended=False)) is not None:
        syncs.append(lead.matches[0].sync)
        if len(syncs) == 1:
            header = _header(FrameDecoder(layout), samples[syncs[0].start :], syncs[0]).header
            length = layout.frame_samples(header.feature_symbols)
        search.resume(syncs[-1].start + length - layout.numerology.cyclic_prefix // 2)
    return syncs


def _header(decoder: FrameDecoder, samples: np.ndarray, sync: Synchronisation) -> HeaderResult:
    result = decoder.decode_header(samples, sync)
    assert isinstance(result, HeaderResult), "a frame without noise to speak of lost its header"
    return result


def _least_us(work: dict[str, Callable[[], Any]], frames: int, repeats: int) -> dict[str, float]:
    """The kinds of work in turn, so that all see the same machine; least processor time a frame of each."""
    least = dict.fromkeys(work, np.inf)
    for _ in range(repeats + 1):  # the first run compiles
        for name, run in work.items():
            began = time.process_time()
            result = run()
            seconds = result.cpu_seconds if isinstance(result, runs.Run) else time.process_time() - began
            least[name] = min(least[name], 1e6 * seconds / frames)
    return least


def _rows(total: int, least: dict[str, float], count: int) -> list[Row]:
    stages = "search", "preamble and header", "payload and SNR"
    receiver, sender = least["receiver as a whole"], least["frame builder"]
    figures = {stage: least[stage] for stage in stages}
    figures["remainder: between the stages"] = receiver - sum(figures.values())
    figures["receiver as a whole"] = receiver
    figures["remainder: GNU Radio, PMT and tags at the receiver"] = least["block ofdm_rx in a flowgraph"] - receiver
    figures["block ofdm_rx in a flowgraph"] = least["block ofdm_rx in a flowgraph"]
    figures["frame builder"] = sender
    figures["remainder: GNU Radio, PMT and tags at the transmitter"] = least["block ofdm_tx in a flowgraph"] - sender
    figures["block ofdm_tx in a flowgraph"] = least["block ofdm_tx in a flowgraph"]
    return [Row(f"frames of {total} symbols: {name}", value, _UNIT, n=count) for name, value in figures.items()]
