# SPDX-License-Identifier: GPL-3.0-or-later
"""Accuracy of a model on a test set, over a grid of SNR and k, through the physical layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sdr_sc.data.dataset import Dataset, first_places
from sdr_sc.data.fashion_mnist import NAME
from sdr_sc.errors import ContractError
from sdr_sc.phy.numerology import Numerology
from sdr_sc.results.rows import Row, clustered_interval, snr_bias_row, wilson_interval
from sdr_sc.schemes.learned import ModelScheme
from sdr_sc.schemes.link import LinkResult, run_scheme
from sdr_sc.semantic import weights
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder

ACCURACY_GOALS = {(20.0, 16): 91.0, (0.0, 16): 88.0}
"""Accuracy in per cent that the shipped model has to reach on Fashion-MNIST, by SNR in dB and k."""


@dataclass(frozen=True)
class Grid:
    """Operating points: every SNR with every k; k None is the CAM's choice."""

    snr_db: Sequence[float]
    k: Sequence[int | None]


def evaluate(
    model: str,
    data: Dataset,
    grid: Grid,
    items_per_frame: int,
    seed: int,
    threads: int,
    on_start: Callable[[int], None] = lambda frames: None,
    on_frame: Callable[[], None] = lambda: None,
    items: int = 0,
) -> tuple[list[Row], dict[tuple[float, int | None], LinkResult]]:
    """Measure every point of the grid over AWGN with a carrier offset, synchronisation and channel estimated.

    Args:
        on_start: called with the number of frames in all.
        on_frame: called after each of them.
        items: the first so many of the data set alone; 0 for all.

    Returns:
        Rows, and the results they come from by (SNR, k).

    Raises:
        ContractError: the model cannot be used, or a k is not in its list.
    """
    encoder, decoder = SemanticEncoder(model, threads), SemanticDecoder(model, threads)
    for k in grid.k:
        if k is not None:
            encoder.contract.check_k(k)
    scheme = ModelScheme(encoder, decoder)
    places = first_places(data, items or len(data))
    sent, targets = data.items(places), data.targets(scheme.task, places).astype(np.int64)
    frames = -(-len(places) // items_per_frame)
    on_start(frames * len(grid.snr_db) * len(grid.k))
    results = {}
    for i, snr_db in enumerate(grid.snr_db):
        for j, k in enumerate(grid.k):
            point_seed = seed + 1000 * i + j
            results[snr_db, k] = run_scheme(
                scheme,
                sent,
                targets,
                None,
                snr_db,
                k,
                Numerology(),
                items_per_frame,
                seed=point_seed,
                classes=len(encoder.contract.class_names),
                on_frame=on_frame,
            )
    return _rows(grid, results, ACCURACY_GOALS if has_goals(encoder.contract, data) else {}), results


def has_goals(contract: ModelContract, data: Dataset) -> bool:
    """Whether the goals of accuracy are for this model and these images: the shipped model, exported or not."""
    try:
        shipped = weights.read_contract(weights.DEFAULT_MODEL)
    except ContractError:
        return False
    return contract.model_id == shipped.model_id and data.name == NAME


def _rows(
    grid: Grid, results: dict[tuple[float, int | None], LinkResult], goals: Mapping[tuple[float, int], float]
) -> list[Row]:
    rows = []
    for (snr_db, k), result in results.items():
        point = f"AWGN {snr_db:g} dB, k={'CAM' if k is None else k}"
        low, high = clustered_interval(result.correct_by_frame, result.items_by_frame)
        value, goal = 100 * result.correct / result.items, goals.get((snr_db, k or 0))
        name, interval = f"accuracy, {point}", (100 * low, 100 * high)
        if goal is None:
            rows.append(Row(name, value, "%", n=result.items, ci95=interval))
        else:
            rows.append(Row.at_least(name, value, "%", goal, result.items, interval))
    for (snr_db, k), result in results.items():
        if k is None:
            point = f"AWGN {snr_db:g} dB, k=CAM"
            rows.append(Row(f"channel uses per item, {point}", result.channel_uses / result.items, "symbols"))
            rows.append(Row(f"the same with all overhead, {point}", result.symbols_on_air / result.items, "symbols"))
    for snr_db in grid.snr_db:
        same = [results[snr_db, k] for k in grid.k]
        rows += _snr_rows(snr_db, same)
    return rows


def _snr_rows(snr_db: float, results: list[LinkResult]) -> list[Row]:
    frames, lost = sum(r.frames for r in results), sum(r.frames_lost for r in results)
    low, high = wilson_interval(lost, frames)
    interval = (100 * low, 100 * high)
    rows = [Row(f"frames lost, AWGN {snr_db:g} dB", 100 * lost / frames, "%", n=frames, ci95=interval)]
    errors = np.concatenate([r.snr_estimates_db for r in results]) - snr_db
    if len(errors) > 1:
        rows.append(snr_bias_row(f"SNR estimate, bias at {snr_db:g} dB", errors))
        rows.append(Row(f"SNR estimate, spread at {snr_db:g} dB", float(errors.std(ddof=1)), "dB", n=len(errors)))
    return rows
