# SPDX-License-Identifier: GPL-3.0-or-later
"""Throughput of transmitter and receiver in flowgraphs on one core, beside GNU Radio's own in the same process.

A frame or packet costs much by itself, so both sides are measured short and long, and compared like with like: ours of
10 payload symbols beside stock packets of 96 bytes, 8 payload symbols, which GNU Radio's examples have, and ours of 100
symbols in all beside stock packets of 100. The goals on the ratio belong to our long frames over the stock blocks as
their examples have them, with short packets; that row says so in its name. The long stock packets want larger buffers
than the blocks have by default. Both receivers read a file through a source with the same large buffer, with the same
gap between frames.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from sdr_sc.bench.phy import throughput_frames
from sdr_sc.bench.phy import throughput_runs as runs
from sdr_sc.bench.phy.throughput_runs import Run
from sdr_sc.phy.numerology import Numerology
from sdr_sc.places import scratch_folder
from sdr_sc.results.rows import Row, mean_interval

Log = Callable[[str], None]
Kind = tuple[Callable[[], Run], Callable[[], Run]]
"""A warm-up run and the timed one."""
GOAL_MSPS = 20.0
RX_RATIO_GOAL, TX_RATIO_GOAL = 20.0, 3.0
RX_LIKE_GOALS, TX_LIKE_GOALS = (12.0, 5.0), (1.5, 1.5)
"""Of the ratios like for like by processor time, in the order of `OUR_SYMBOLS`."""
THROUGH_BLOCKS_GOAL = 60.0
FRAME_SYMBOLS = 100
OUR_SYMBOLS = (24, FRAME_SYMBOLS)
"""OFDM symbols of our frames in all, 14 of them preamble and header; in the order of `throughput_runs.STOCK_BYTES`."""
LENGTHS = (10, 30, 100, 300)
_TILE = 200  # distinct frames; the file repeats them
_STOCK_SAMPLES = 7e6  # of one full run
_SMALL = 20  # frames of a warm-up run


def throughput_rows(
    quick: bool, seed: int, log: Log, frames: int | None = None, repeats: int | None = None
) -> list[Row]:
    """Throughput of receiver and transmitter, and over the stock ones'.

    Args:
        quick: less data.
        log: called with what is measured next.
        frames: of 100 symbols in each of our runs, and short ones of as many samples; None for 3000, quick 400.
        repeats: timed runs of each kind; None for 7, quick 3.

    Raises:
        DeadlineError: a flowgraph is slower than 0.1 MS/s.
    """
    frames, repeats = frames or (400 if quick else 3000), repeats or (3 if quick else 7)
    samples = frames * FRAME_SYMBOLS * Numerology().symbol_samples
    stock_samples = _STOCK_SAMPLES / 10 if quick else _STOCK_SAMPLES
    with scratch_folder() as folder, runs.one_core(), runs.quiet():
        log("throughput of the receivers")
        receivers = _receivers(Path(folder), samples, stock_samples, seed, repeats)
        log("throughput of the transmitters")
        transmitters = _transmitters(samples, stock_samples, seed, repeats)
    return [
        *_rows("receiver", "ofdm_rx", receivers, RX_RATIO_GOAL, RX_LIKE_GOALS),
        *_rows("transmitter", "ofdm_tx", transmitters, TX_RATIO_GOAL, TX_LIKE_GOALS),
    ]


def frame_length_rows(quick: bool, seed: int, log: Log) -> list[Row]:
    """Throughput of receiver and transmitter over the OFDM symbols of payload in a frame."""
    rows, samples, numerology = [], 2e6 if quick else 20e6, Numerology()
    with scratch_folder() as folder, runs.one_core(), runs.quiet():
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
                results, label = _alternate({name: (run, run)}, 3)[name], f"{name}, {symbols} payload symbols a frame"
                rows.append(Row(label, _median(results), "MS/s", n=len(results)))
                rows.append(_received_row(label, results))
    return rows


def _receivers(folder: Path, samples: float, stock_samples: float, seed: int, repeats: int) -> dict[str, list[Run]]:
    kinds: dict[str, Kind] = {}
    for total in OUR_SYMBOLS:
        symbols = total - _overhead_symbols()
        tile = partial(throughput_frames.our_tile, symbols)
        warm = _tiled(folder / f"our_warm{total}.cf32", tile, _SMALL, seed)
        full = _tiled(folder / f"ours{total}.cf32", tile, _count(samples, total), seed)
        for name, ours in ((_ours(total), runs.run_receiver), (_alone(total), runs.run_receiver_alone)):
            kinds[name] = partial(ours, *warm, symbols), partial(ours, *full, symbols)
    for total in runs.STOCK_BYTES:
        tile = partial(runs.stock_tile, total)
        warm = _tiled(folder / f"warm{total}.cf32", tile, _SMALL, seed)
        full = _tiled(folder / f"stock{total}.cf32", tile, _count(stock_samples, total), seed)
        run = runs.run_stock_receiver
        kinds[_stock(total)] = partial(run, *warm, total), partial(run, *full, total)
    return _alternate(kinds, repeats)


def _transmitters(samples: float, stock_samples: float, seed: int, repeats: int) -> dict[str, list[Run]]:
    kinds: dict[str, Kind] = {}
    for total in OUR_SYMBOLS:
        symbols = total - _overhead_symbols()
        pdus = throughput_frames.frame_pdus(symbols, _count(samples, total), seed)
        run = runs.run_transmitter
        kinds[_ours(total)] = partial(run, pdus[:_SMALL], symbols), partial(run, pdus, symbols)
        frames = [*throughput_frames.random_frames(symbols, _TILE, seed)]
        alone = runs.run_transmitter_alone
        kinds[_alone(total)] = partial(alone, frames, _SMALL), partial(alone, frames, len(pdus))
    for total in runs.STOCK_BYTES:
        count = _count(stock_samples, total)
        stock = runs.run_stock_transmitter
        kinds[_stock(total)] = partial(stock, _SMALL, total), partial(stock, count, total)
    return _alternate(kinds, repeats)


def _ours(symbols: int) -> str:
    return f"frames of {symbols} symbols"


def _alone(symbols: int) -> str:
    return f"{_ours(symbols)}, without GNU Radio"


def _stock(symbols: int) -> str:
    return f"packets of {symbols} symbols"


def _count(samples: float, symbols: int) -> int:
    """Frames of that many OFDM symbols in all that make up so many samples."""
    return max(_SMALL, round(samples / (symbols * Numerology().symbol_samples)))


def _overhead_symbols() -> int:
    return Numerology().payload_offset // Numerology().symbol_samples


def _tiled(path: Path, tile: Callable[[int, int], np.ndarray], count: int, seed: int) -> tuple[Path, int]:
    """A file of at least ``count`` frames, in whole tiles, and how many it holds."""
    distinct = min(count, _TILE)
    repeats = -(-count // distinct)
    return throughput_frames.write_tiled(path, tile(distinct, seed), repeats), distinct * repeats


def _alternate(kinds: dict[str, Kind], repeats: int) -> dict[str, list[Run]]:
    """Each kind's warm-up, then the kinds in turn, so that all of them see the same machine."""
    for warm, _ in kinds.values():
        warm()
    taken: dict[str, list[Run]] = {name: [] for name in kinds}
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


def _rows(
    what: str, stock: str, taken: dict[str, list[Run]], ratio_goal: float, like_goals: tuple[float, ...]
) -> list[Row]:
    wall = {kind: [run.msps for run in results] for kind, results in taken.items()}
    cpu = {kind: [run.cpu_msps for run in results] for kind, results in taken.items()}
    rows = []
    for symbols in OUR_SYMBOLS:
        kind = _ours(symbols)
        name, n = f"{what}, {kind}, one core", len(taken[kind])
        median = Row(f"{name}, median", float(np.median(wall[kind])), "MS/s", n=n)
        if symbols == FRAME_SYMBOLS:
            median = Row.at_least(median.name, median.value, "MS/s", GOAL_MSPS, n)
        rows += [
            median,
            Row(f"{name}, best", max(wall[kind]), "MS/s", n=n),
            Row(f"{name}, per second of processor time, median", float(np.median(cpu[kind])), "MS/s", n=n),
            _received_row(name, taken[kind]),
            _through_blocks_row(what, symbols, cpu),
        ]
    for symbols in runs.STOCK_BYTES:
        kind = _stock(symbols)
        label, results = f"digital.{stock}, {kind}", taken[kind]
        sent, passed = sum(run.sent for run in results), sum(run.received for run in results)
        rows += [
            Row(f"{label}, median", float(np.median(wall[kind])), "MS/s", n=len(results)),
            Row(f"{label}, best", max(wall[kind]), "MS/s", n=len(results)),
            Row(f"{label}: packets passed", 100 * passed / sent, "%", n=sent),
        ]
    long, examples = _ours(FRAME_SYMBOLS), min(runs.STOCK_BYTES)
    packet_bytes = runs.STOCK_BYTES[examples] + runs.CRC_BYTES
    title = f"{what}, {long} over digital.{stock} with {packet_bytes}-byte packets"
    rows += [
        _ratio_row(title, wall[long], wall[_stock(examples)], ratio_goal),
        _ratio_row(f"{title}, by processor time", cpu[long], cpu[_stock(examples)]),
    ]
    for ours, theirs, goal in zip(map(_ours, OUR_SYMBOLS), map(_stock, runs.STOCK_BYTES), like_goals, strict=True):
        title = f"{what}, like for like: {ours} over digital.{stock} with {theirs}"
        rows += [
            _ratio_row(title, wall[ours], wall[theirs]),
            _ratio_row(f"{title}, by processor time", cpu[ours], cpu[theirs], goal),
        ]
    return rows


def _through_blocks_row(what: str, symbols: int, cpu: dict[str, list[float]]) -> Row:
    """Speed of the block in a flowgraph, as a share of that of the same code called directly; by processor time."""
    shares = 100 * np.divide(cpu[_ours(symbols)], cpu[_alone(symbols)])
    name = f"{what}, {_ours(symbols)}: speed through the blocks over the same code called directly"
    interval = mean_interval(shares) if len(shares) > 1 else None
    return Row.at_least(name, float(np.median(shares)), "%", THROUGH_BLOCKS_GOAL, len(shares), interval)
