# SPDX-License-Identifier: GPL-3.0-or-later
"""What the frame modes reach: headers, payload, false frames, and items with the shipped model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from sdr_sc.bench.phy.detection import workers
from sdr_sc.bench.phy.endurance import QUICK_SAMPLES, SAMPLES, endure, noise_chunks, poisson_interval
from sdr_sc.bench.phy.trials import Outcome, Trial, run_trials
from sdr_sc.data.catalogue import load_dataset
from sdr_sc.phy.frame.modes import FrameMode, frame_layout
from sdr_sc.phy.numerology import Numerology
from sdr_sc.results.rows import Row, clustered_interval, wilson_interval
from sdr_sc.schemes.learned import ModelScheme
from sdr_sc.schemes.link import LinkResult, run_scheme
from sdr_sc.semantic import weights
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder

Log = Callable[[str], None]
HEADER_GOALS = {
    (FrameMode.ROBUST, -8.0): 90.0,
    (FrameMode.ROBUST, -5.0): 99.0,
    (FrameMode.NORMAL, -3.0): 90.0,
    (FrameMode.NORMAL, 0.0): 99.0,
    (FrameMode.SHORT, 2.5): None,
    (FrameMode.SHORT, 5.0): 99.9,
    (FrameMode.SHORT, 10.0): 99.9,
    (FrameMode.SHORT, 20.0): 99.9,
}
"""Per cent of the frames found with the right header over AWGN, by mode and SNR in dB; None for no goal."""
LOSS_GOAL_DB = 0.15
FALSE_FRAMES_GOAL = 1
ITEMS_GOAL_PERCENT = 85.0
_LOSS_SNRS_DB = (5.0, 10.0, 20.0)
_LOSS_SIZES = ((16, 16),)
_AIR_SNRS_DB = (0.0, 5.0, 10.0, 20.0)
_ITEMS_PER_FRAME = 50


def frame_rows(quick: bool, seed: int, log: Log) -> list[Row]:
    """All rows.

    Args:
        quick: a tenth of the frames and items, 20 million samples of noise in place of 600 million.
        seed: of frames and noise.
        log: called with what is measured next.
    """
    rows = [*_header_rows(quick, seed, log), *_loss_rows(quick, seed + 100, log)]
    rows += _false_frame_rows(quick, seed + 200, log)
    rows += [*_item_rows(quick, seed + 300, log), *_symbol_rows()]
    return rows


def _header_rows(quick: bool, seed: int, log: Log) -> list[Row]:
    """Frames found with the right header; the carrier offset is anywhere within +-2 subcarriers."""
    frames = 400 if quick else 4000
    trials = [Trial(frames, seed + i, snr_db, mode=mode) for i, (mode, snr_db) in enumerate(HEADER_GOALS)]
    log(f"headers of all modes over AWGN: {len(trials)} x {frames} frames")
    outcomes = run_trials(trials, workers=workers(quick))
    rows = []
    for ((mode, snr_db), goal), outcome in zip(HEADER_GOALS.items(), outcomes, strict=True):
        hits = int(np.count_nonzero(outcome.received))
        low, high = wilson_interval(hits, frames)
        name, interval = f"header right, {_name(mode)}, {snr_db:g} dB", (100 * low, 100 * high)
        rows.append(_share_row(name, hits / frames, goal, frames, interval))
    false = sum(outcome.false for outcome in outcomes)
    return [*rows, Row("frames made up, all modes and SNRs", false, "", "0", false == 0, frames * len(trials))]


def _share_row(name: str, share: float, goal: float | None, n: int, interval: tuple[float, float]) -> Row:
    if goal is None:
        return Row(name, 100 * share, "%", n=n, ci95=interval)
    return Row.at_least(name, 100 * share, "%", goal, n, interval)


def _loss_rows(quick: bool, seed: int, log: Log) -> list[Row]:
    """Payload SNR below the channel's, frames of 16 items with 16 symbols."""
    frames = 200 if quick else 4000
    normal = [
        Trial(frames, seed + i, snr_db, _LOSS_SIZES, mode=FrameMode.NORMAL) for i, snr_db in enumerate(_LOSS_SNRS_DB)
    ]
    short = [replace(trial, mode=FrameMode.SHORT) for trial in normal]
    robust = [replace(normal[0], snr_db=snr_db, mode=FrameMode.ROBUST) for snr_db in (-8.0, -5.0)]
    log(f"payload SNR: {2 * len(normal) + len(robust)} x {frames} frames")
    outcomes = run_trials([*normal, *short, *robust], workers=workers(quick))
    rows = []
    for snr_db, one, other in zip(_LOSS_SNRS_DB, outcomes, outcomes[len(normal) :], strict=False):
        (usual_db, usual_error), (loss_db, error) = _loss_db(one, snr_db), _loss_db(other, snr_db)
        rows.append(Row(f"payload SNR below the channel's, normal, {snr_db:g} dB", usual_db, "dB", n=frames))
        name = f"the same, short frames more than normal ones, {snr_db:g} dB"
        spread = 1.96 * float(np.hypot(usual_error, error))
        more = loss_db - usual_db
        rows.append(Row.at_most(name, more, "dB", LOSS_GOAL_DB, frames, (more - spread, more + spread)))
    for trial, outcome in zip(robust, outcomes[-len(robust) :], strict=True):
        loss_db, _ = _loss_db(outcome, float(trial.snr_db or 0.0))
        rows.append(Row(f"payload SNR below the channel's, robust, {trial.snr_db:g} dB", loss_db, "dB", n=frames))
    return rows


def _loss_db(outcome: Outcome, snr_db: float) -> tuple[float, float]:
    """Mean squared error of received frames over the channel's noise, dB, and its standard error."""
    errors = outcome.error[outcome.received]
    mean = float(np.mean(errors))
    return 10 * np.log10(mean) + snr_db, 10 / np.log(10) * float(np.std(errors)) / mean / np.sqrt(len(errors))


def _false_frame_rows(quick: bool, seed: int, log: Log) -> list[Row]:
    samples = QUICK_SAMPLES if quick else SAMPLES
    million = f"{samples / 1e6:g} million samples of noise"
    log(f"false frames in {million}")
    noise = endure(noise_chunks(samples, seed), samples)
    false, counters = noise.counters.delivered, noise.counters
    confirmed = counters.candidates - counters.not_confirmed
    name, interval = f"false frames of all modes in {million}", poisson_interval(false)
    return [
        Row.at_most(name, false, "", FALSE_FRAMES_GOAL, samples, interval),
        Row(f"candidates in {million}", counters.candidates, "", n=samples),
        Row("of those with training symbols of a mode", confirmed, "", n=samples),
    ]


def _item_rows(quick: bool, seed: int, log: Log) -> list[Row]:
    """Items through the shipped model over AWGN: answered correctly in robust and normal frames at -5 dB, and symbols
    on the air with the mode chosen, against normal frames."""
    data, contract = load_dataset("fashion_mnist", "test"), weights.read_contract(weights.DEFAULT_MODEL)
    scheme = ModelScheme(SemanticEncoder(weights.DEFAULT_MODEL, 1), SemanticDecoder(weights.DEFAULT_MODEL, 1))
    items = 1000 if quick else len(data)
    places, classes = np.arange(items), len(contract.class_names)
    sent, targets = data.items(places), data.targets(scheme.task, places).astype(np.int64)

    def send(snr_db: float, k: int | None, mode: FrameMode | None) -> LinkResult:
        n = Numerology()
        return run_scheme(scheme, sent, targets, None, snr_db, k, n, _ITEMS_PER_FRAME, seed, classes=classes, mode=mode)

    log(f"items over the link: {2 + 2 * len(_AIR_SNRS_DB)} x {items} items")
    rows = []
    for mode, goal in ((FrameMode.ROBUST, ITEMS_GOAL_PERCENT), (FrameMode.NORMAL, None)):
        result = send(-5.0, 32, mode)
        name = f"items answered correctly, {_name(mode)}, -5 dB, k=32"
        rows.append(_share_row(name, result.correct / items, goal, items, _interval(result)))
    for snr_db in _AIR_SNRS_DB:
        for what, fixed in (("normal", FrameMode.NORMAL), ("mode chosen", None)):
            result, name = send(snr_db, None, fixed), f"CAM, {what}, {snr_db:g} dB"
            correct = _share_row(
                f"items answered correctly, {name}", result.correct / items, None, items, _interval(result)
            )
            rows += [correct, Row(f"symbols on air an item, {name}", result.symbols_on_air / items, "", n=items)]
    return rows


def _interval(result: LinkResult) -> tuple[float, float]:
    low, high = clustered_interval(result.correct_by_frame, result.items_by_frame)
    return 100 * low, 100 * high


def _symbol_rows(counts: Sequence[tuple[int, int]] = ((4, 4), (50, 2), (50, 4), (50, 16))) -> list[Row]:
    """OFDM symbols of a frame; arithmetic, no measurement."""
    rows = []
    for mode in FrameMode:
        layout = frame_layout(Numerology(), mode)
        rows.append(Row(f"OFDM symbols ahead of the payload, {_name(mode)}", layout.overhead_symbols, ""))
        for items, k in counts:
            on_air = layout.frame_symbols(items * k) * layout.numerology.used / items
            rows.append(Row(f"symbols on air an item, {_name(mode)}, {items} items of {k}", on_air, ""))
    return rows


def _name(mode: FrameMode) -> str:
    return mode.name.lower()
