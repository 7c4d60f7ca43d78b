# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of accuracy: schemes against each other, over seeds, and the CAM against a fixed k."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from sdr_sc.bench.distillation.points import COMPARED, SWEEP_SNR_DB, Point, key
from sdr_sc.distill.studies.schemes import SCHEMES
from sdr_sc.results.rows import NOT_MEASURED, Row, mean_interval

CAM_TOLERANCE_POINTS = 0.1
"""What the noise's draw moves the mean accuracy of the sweep: 13 points of 10,000 images, the same ones for all k."""
Found = dict[tuple[str, int], dict[str, Point]]
"""Results by scheme and seed."""
Asked = Collection[tuple[str, int]]
"""Schemes and seeds that were asked for, trained or not."""
ACCURACY_POINTS: tuple[tuple[float | None, int | None], ...] = (*COMPARED, (None, 16), (None, 32))


def cam_points(k_list: Sequence[int]) -> list[tuple[float | None, int | None]]:
    """Points of `cam_rows`: every k and the CAM's choice at each SNR of the sweep."""
    return [(snr_db, k) for snr_db in SWEEP_SNR_DB for k in (*k_list, None)]


def _values(found: Found, scheme: str, point: str, given_found: bool = False) -> np.ndarray:
    """Accuracy of each seed, per cent, seeds rising; empty where the point was not measured."""
    seeds = sorted(seed for name, seed in found if name == scheme)
    points = [found[scheme, seed].get(point) for seed in seeds]
    return np.array([p.accuracy_found if given_found else p.accuracy for p in points if p is not None])


def _mean(name: str, unit: str, values: np.ndarray, at_least: float | None = None, at_most: float | None = None) -> Row:
    """The mean over seeds with its interval, the values themselves, and a goal where there is one."""
    value, interval, count = float(values.mean()), mean_interval(values), len(values)
    if at_least is not None:
        row = Row.at_least(name, value, unit, at_least, count, interval)
    elif at_most is not None:
        row = Row.at_most(name, value, unit, at_most, count, interval)
    else:
        row = Row(name, value, unit, n=count, ci95=interval)
    return replace(row, samples=tuple(values.tolist()))


def scheme_rows(found: Found) -> list[Row]:
    """Accuracy of every scheme at every point, mean over the seeds, of the items whose frame was found."""
    rows = []
    for scheme in (s for s in SCHEMES if any(name == s for name, _ in found)):
        for point in (key(*p) for p in ACCURACY_POINTS):
            values = _values(found, scheme, point, given_found=True)
            if len(values):
                name = f"{SCHEMES[scheme].title}, {point}, of frames found"
                rows.append(_mean(name, "%", values))
    return rows


def not_measured(name: str, unit: str, found: Found, asked: Asked, *schemes: str) -> list[Row]:
    """A row without a figure that names the runs of these schemes that were asked for and are not trained; none if all
    are, or if one of the schemes was not asked for."""
    runs = [run for run in asked if run[0] in schemes]
    missing = [f"{scheme}_seed{seed}" for scheme, seed in runs if (scheme, seed) not in found]
    if not missing or {scheme for scheme, _ in runs} != set(schemes):
        return []
    some = any(all((scheme, seed) in found for scheme in schemes) for _, seed in runs)
    name = f"{name}, other seeds" if some else name
    verb = "is" if len(missing) == 1 else "are"
    return [Row(f"{name}{NOT_MEASURED}{', '.join(missing)} {verb} not trained", math.nan, unit)]


def goal_rows(found: Found, asked: Asked = ()) -> list[Row]:
    """The figures of ours that have a goal; of what was asked for and is not trained, a row without a figure."""
    rows: list[Row] = []
    name, top = "ours, AWGN 20 dB, k=16", _values(found, "ours", key(20.0, 16))
    if len(top):
        rows.append(_mean(name, "%", top, at_least=93.0))
    rows += not_measured(name, "%", found, asked, "ours")
    for snr_db, k, points in ((0.0, 16, 0.5), (-5.0, 32, 1.0)):
        loss = _values(found, "ours", key(None, k)) - _values(found, "ours", key(snr_db, k), given_found=True)
        name = f"ours, loss by the channel, {snr_db:g} dB, k={k}, of frames found"
        if len(loss):
            rows.append(_mean(name, "points", loss, at_most=points))
        rows += not_measured(name, "points", found, asked, "ours")
    for snr_db, k, points in ((20.0, 16, 0.5), (0.0, 16, 1.0), (-5.0, 32, 1.0)):
        rows += difference(found, "ours", "labels", snr_db, k, points, asked)
    rows += difference(found, "ours", "standard", 20.0, 16, -0.3, asked)
    rows += difference(found, "ours", "uncompressed", 20.0, 16, -0.2, asked)
    rows += difference(found, "ours", "uncompressed", 0.0, 16, -0.2, asked)
    for share in ("ours_55_labels", "ours_55"):
        for snr_db, k in ((20.0, 16), (0.0, 16)):
            rows += difference(found, share, "labels", snr_db, k, 0.0, asked)
    return rows


_PARTS = ("ours_without_bottleneck", "ours_without_features", "ours_without_cam", "ours_without_decisions")


def ablation_rows(found: Found, asked: Asked = ()) -> list[Row]:
    """What each part of ours gains, ours less ours without it, and what ours gains over controls with and without the
    expected error; a row without a figure of what is not trained."""
    rows: list[Row] = []
    for part in (*_PARTS, "labels", "labels_decisions", "standard_decisions"):
        for snr_db, k in COMPARED:
            rows += difference(found, "ours", part, snr_db, k, asked=asked)
    return rows


def difference(
    found: Found,
    one: str,
    other: str,
    snr_db: float,
    k: int,
    at_least: float | None = None,
    asked: Asked = (),
) -> list[Row]:
    """Accuracy of one scheme less that of another with the same seed, of the items whose frame was found.

    Args:
        at_least: the goal; None for none.
        asked: schemes and seeds of which a row without a figure says where they are not trained.
    """
    point = key(snr_db, k)
    seeds = [s for name, s in sorted(found) if name == one and (other, s) in found]
    pairs = [(found[one, s].get(point), found[other, s].get(point)) for s in seeds]
    gain = np.array([a.accuracy_found - b.accuracy_found for a, b in pairs if a is not None and b is not None])
    name = f"{SCHEMES[one].title}, gain over {SCHEMES[other].title}, {point}"
    missing = not_measured(name, "points", found, asked, one, other)
    if not len(gain):
        return missing
    return [_mean(name, "points", gain, at_least), *missing]


def cam_rows(found: Found, k_list: Sequence[int], asked: Asked = ()) -> list[Row]:
    """The CAM against every fixed k, SNR uniform over the sweep, of the items whose frame was found: a frame is lost by
    its header, whatever k is.

    The best fixed k is the smallest whose accuracy is that of the CAM or more, less `CAM_TOLERANCE_POINTS`; the largest
    where none is. Channel uses are given for the features alone and with preamble, header and pilots.
    """
    rows: list[Row] = []
    savings: dict[str, list[float]] = {"features alone": [], "with all overhead": []}
    losses = []
    for (_, seed), points in sorted(item for item in found.items() if item[0][0] == "ours"):
        mean = {k: _sweep_mean(points, k) for k in (*k_list, None)}
        for k, (accuracy, uses, on_air) in mean.items():
            name = f"seed {seed}, {'CAM' if k is None else f'k={k}'}"
            rows.append(Row(f"{name}: accuracy", accuracy, "%"))
            rows.append(Row(f"{name}: feature symbols an item", uses, "symbols"))
            rows.append(Row(f"{name}: symbols on the air an item", on_air, "symbols"))
        enough = [k for k in k_list if mean[k][0] >= mean[None][0] - CAM_TOLERANCE_POINTS]
        best = mean[enough[0] if enough else k_list[-1]]
        savings["features alone"].append(best[1] / mean[None][1])
        savings["with all overhead"].append(best[2] / mean[None][2])
        losses.append(best[0] - mean[None][0])
    if not losses:
        return []
    first: list[Row] = []
    for what, factors in savings.items():
        name = f"channel uses of the best fixed k over the CAM's, {what}"
        first.append(_mean(name, "times", np.array(factors), at_least=2.5))
        first += not_measured(name, "times", found, asked, "ours")
    first.append(_mean("accuracy of that fixed k less the CAM's", "points", np.array(losses)))
    return [*first, *rows]


def _sweep_mean(points: dict[str, Point], k: int | None) -> tuple[float, float, float]:
    """Accuracy in per cent, feature symbols and symbols on the air an item, mean over the sweep."""
    row = [points[key(snr_db, k)] for snr_db in SWEEP_SNR_DB]
    columns = [(p.accuracy_found, p.uses_per_item, p.on_air_per_item) for p in row]
    accuracy, uses, on_air = np.mean(columns, axis=0)
    return float(accuracy), float(uses), float(on_air)
