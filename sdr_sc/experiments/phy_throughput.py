# SPDX-License-Identifier: GPL-3.0-or-later
"""Throughput of transmitter and receiver in flowgraphs on one core, beside GNU Radio's own in the same process.

The stock blocks cost by the number of their packets more than by their length, so they are measured with the packets of
96 bytes that GNU Radio's examples have, to which the goals on the ratio belong, and with packets as long as our frames,
where they are fastest; these want larger buffers than the blocks have by default. Both receivers read a file through a
source with the same large buffer, with the same gap between frames.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from sdr_sc.experiments import throughput_frames
from sdr_sc.experiments import throughput_runs as runs
from sdr_sc.experiments.measurements import Row, mean_interval
from sdr_sc.experiments.throughput_runs import Run
from sdr_sc.phy.numerology import Numerology

Log = Callable[[str], None]
Kind = tuple[Callable[[], Run], Callable[[], Run]]
"""A warm-up run and the timed one."""
GOAL_MSPS = 20.0
RX_RATIO_GOAL, TX_RATIO_GOAL = 20.0, 3.0
FRAME_SYMBOLS = 100
LENGTHS = (10, 30, 100, 300)
OURS = 0
"""Key of our runs beside those of the stock variants, whose keys are their packets' OFDM symbols."""
_TILE = 200  # distinct frames; the file repeats them
_STOCK_SAMPLES = 10e6  # of one full run
_SMALL = 20  # frames of a warm-up run


def throughput_rows(
    quick: bool, seed: int, log: Log, frames: int | None = None, repeats: int | None = None
) -> list[Row]:
    """Throughput of receiver and transmitter, and over the stock ones'.

    Args:
        quick: less data.
        log: told what is measured next.
        frames: of each of our runs; None for 3000, quick 400.
        repeats: timed runs of each kind; None for 9, quick 3.

    Raises:
        DeadlineError: a flowgraph is slower than 0.1 MS/s.
    """
    frames, repeats = frames or (400 if quick else 3000), repeats or (3 if quick else 9)
    stock_samples = _STOCK_SAMPLES / 10 if quick else _STOCK_SAMPLES
    with tempfile.TemporaryDirectory(prefix="sdr_sc_") as folder, runs.one_core(), runs.quiet():
        log("throughput of the receivers")
        receivers = _receivers(Path(folder), frames, stock_samples, seed, repeats)
        log("throughput of the transmitters")
        transmitters = _transmitters(frames, stock_samples, seed, repeats)
    return [
        *_rows("receiver", "ofdm_rx", receivers, RX_RATIO_GOAL),
        *_rows("transmitter", "ofdm_tx", transmitters, TX_RATIO_GOAL),
    ]


def frame_length_rows(quick: bool, seed: int, log: Log) -> list[Row]:
    """Throughput of receiver and transmitter over the OFDM symbols of payload in a frame."""
    rows, samples, numerology = [], 2e6 if quick else 20e6, Numerology()
    with tempfile.TemporaryDirectory(prefix="sdr_sc_") as folder, runs.one_core(), runs.quiet():
        for symbols in LENGTHS:
            log(f"throughput with {symbols} payload symbols a frame")
            length = numerology.payload_offset + symbols * numerology.symbol_samples
            count = max(_SMALL, round(samples / length))
            path, sent = _tiled(Path(folder) / "ours.cf32", partial(throughput_frames.our_tile, symbols), count, seed)
            pdus = throughput_frames.frame_pdus(symbols, count, seed)
            receive, send = (
                partial(runs.run_receiver, path, sent, symbols),
                partial(runs.run_transmitter, pdus, symbols),
            )
            for name, run in (("receiver", receive), ("transmitter", send)):
                results, label = _alternate({OURS: (run, run)}, 3)[OURS], f"{name}, {symbols} payload symbols a frame"
                rows.append(Row(label, _median(results), "MS/s", n=len(results)))
                rows.append(_received_row(label, results))
    return rows


def _receivers(folder: Path, frames: int, stock_samples: float, seed: int, repeats: int) -> dict[int, list[Run]]:
    symbols = FRAME_SYMBOLS - _overhead_symbols()
    tile = partial(throughput_frames.our_tile, symbols)
    warm = _tiled(folder / "warm.cf32", tile, _SMALL, seed)
    kinds: dict[int, Kind] = {
        OURS: (
            partial(runs.run_receiver, *warm, symbols),
            partial(runs.run_receiver, *_tiled(folder / "ours.cf32", tile, frames, seed), symbols),
        )
    }
    for packet in runs.STOCK_BYTES:
        count = round(stock_samples / (packet * Numerology().symbol_samples))
        tile = partial(runs.stock_tile, packet)
        warm = _tiled(folder / f"warm{packet}.cf32", tile, _SMALL, seed)
        full = _tiled(folder / f"stock{packet}.cf32", tile, count, seed)
        kinds[packet] = partial(runs.run_stock_receiver, *warm, packet), partial(runs.run_stock_receiver, *full, packet)
    return _alternate(kinds, repeats)


def _transmitters(frames: int, stock_samples: float, seed: int, repeats: int) -> dict[int, list[Run]]:
    symbols = FRAME_SYMBOLS - _overhead_symbols()
    pdus = throughput_frames.frame_pdus(symbols, frames, seed)
    kinds: dict[int, Kind] = {
        OURS: (
            partial(runs.run_transmitter, pdus[:_SMALL], symbols),
            partial(runs.run_transmitter, pdus, symbols),
        )
    }
    for packet in runs.STOCK_BYTES:
        count = round(stock_samples / (packet * Numerology().symbol_samples))
        kinds[packet] = (
            partial(runs.run_stock_transmitter, _SMALL, packet),
            partial(runs.run_stock_transmitter, count, packet),
        )
    return _alternate(kinds, repeats)


def _overhead_symbols() -> int:
    return Numerology().payload_offset // Numerology().symbol_samples


def _tiled(path: Path, tile: Callable[[int, int], np.ndarray], count: int, seed: int) -> tuple[Path, int]:
    """A file of at least ``count`` frames, in whole tiles, and how many it holds."""
    distinct = min(count, _TILE)
    repeats = -(-count // distinct)
    return throughput_frames.write_tiled(path, tile(distinct, seed), repeats), distinct * repeats


def _alternate(kinds: dict[int, Kind], repeats: int) -> dict[int, list[Run]]:
    """Each kind's warm-up, then the kinds in turn, so that all of them see the same machine."""
    for warm, _ in kinds.values():
        warm()
    taken: dict[int, list[Run]] = {name: [] for name in kinds}
    for _ in range(repeats):
        for name, (_, run) in kinds.items():
            taken[name].append(run())
    return taken


def _median(results: list[Run]) -> float:
    return float(np.median([run.msps for run in results]))


def _received_row(name: str, results: list[Run]) -> Row:
    sent, received = sum(run.sent for run in results), sum(run.received for run in results)
    return Row.at_least(f"{name}: frames passed", 100 * received / sent, "%", 100, n=sent)


def _ratio_row(title: str, ours: list[float], theirs: list[float], goal: float | None = None) -> Row:
    """Median of the ratios of neighbours in time, so that a busy moment of the machine hits both."""
    ratios = np.log(np.divide(ours, theirs))
    value, interval = float(np.exp(np.median(ratios))), None
    if len(ratios) > 1:
        low, high = np.exp(mean_interval(ratios))
        interval = float(low), float(high)
    if goal is None:
        return Row(title, value, "", n=len(ratios), ci95=interval)
    return Row.at_least(title, value, "", goal, len(ratios), interval)


def _rows(what: str, stock: str, taken: dict[int, list[Run]], ratio_goal: float) -> list[Row]:
    name, ours = f"{what}, frames of {FRAME_SYMBOLS} symbols, one core", taken[OURS]
    wall, cpu = [run.msps for run in ours], [run.cpu_msps for run in ours]
    rows = [
        Row.at_least(f"{name}, median", _median(ours), "MS/s", GOAL_MSPS, len(ours)),
        Row(f"{name}, best", max(wall), "MS/s", n=len(ours)),
        Row(f"{name}, per second of processor time, median", float(np.median(cpu)), "MS/s", n=len(ours)),
        _received_row(name, ours),
    ]
    packets = [packet for packet in taken if packet != OURS]
    for packet in packets:
        results, label = taken[packet], f"digital.{stock}, packets of {packet} symbols"
        their_wall, their_cpu = [run.msps for run in results], [run.cpu_msps for run in results]
        sent, passed = sum(run.sent for run in results), sum(run.received for run in results)
        title = f"{what} over {label}"
        rows += [
            Row(f"{label}, median", _median(results), "MS/s", n=len(results)),
            Row(f"{label}, best", max(their_wall), "MS/s", n=len(results)),
            Row(f"{label}: packets passed", 100 * passed / sent, "%", n=sent),
            _ratio_row(title, wall, their_wall, ratio_goal if packet == min(packets) else None),
            _ratio_row(f"{title}, by processor time", cpu, their_cpu),
        ]
    return rows
