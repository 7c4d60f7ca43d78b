# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of accuracy: schemes against each other, over seeds, and the CAM against a fixed k."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sdr_sc.experiments.distillation.points import COMPARED, SWEEP_SNR_DB, Point, key
from sdr_sc.experiments.distillation.schemes import SCHEMES
from sdr_sc.experiments.measurements import Row, mean_interval

Found = dict[tuple[str, int], dict[str, Point]]
ACCURACY_POINTS: tuple[tuple[float | None, int | None], ...] = (*COMPARED, (None, 16), (None, 32))


def cam_points(k_list: Sequence[int]) -> list[tuple[float | None, int | None]]:
    """Points of `cam_rows`: every k and the CAM's choice at each SNR of the sweep."""
    return [(snr_db, k) for snr_db in SWEEP_SNR_DB for k in (*k_list, None)]


def _values(found: Found, scheme: str, point: str, given_found: bool = False) -> np.ndarray:
    """Accuracy of each seed, per cent, seeds rising; empty where the point was not measured."""
    seeds = sorted(seed for name, seed in found if name == scheme)
    points = [found[scheme, seed].get(point) for seed in seeds]
    return np.array([p.accuracy_found if given_found else p.accuracy for p in points if p is not None])


def scheme_rows(found: Found) -> list[Row]:
    """Accuracy of every scheme at every point, mean over the seeds; at -5 dB of the items whose frame was found."""
    rows = []
    for scheme in (s for s in SCHEMES if any(name == s for name, _ in found)):
        for point in (key(*p) for p in ACCURACY_POINTS):
            values = _values(found, scheme, point, given_found=True)
            if len(values):
                name = f"{SCHEMES[scheme].title}, {point}"
                rows.append(Row(name, float(values.mean()), "%", n=len(values), ci95=mean_interval(values)))
    return rows


def goal_rows(found: Found) -> list[Row]:
    """The figures of ours that have a goal, as far as they were measured."""
    rows: list[Row] = []
    top = _values(found, "ours", key(20.0, 16))
    if len(top):
        rows.append(Row.at_least("ours, AWGN 20 dB, k=16", float(top.mean()), "%", 93.0, len(top), mean_interval(top)))
    for snr_db, k, points in ((0.0, 16, 0.5), (-5.0, 32, 1.0)):
        loss = _values(found, "ours", key(None, k)) - _values(found, "ours", key(snr_db, k), given_found=True)
        if len(loss):
            name = f"ours, loss by the channel, {snr_db:g} dB, k={k}, of frames found"
            rows.append(Row.at_most(name, float(loss.mean()), "points", points, len(loss), mean_interval(loss)))
    for snr_db, k, points in ((20.0, 16, 0.5), (0.0, 16, 1.0), (-5.0, 32, 1.0)):
        rows += difference(found, "ours", "labels", snr_db, k, at_least=points)
    rows += difference(found, "ours", "standard", 20.0, 16, at_least=-0.3)
    rows += difference(found, "ours", "uncompressed", 20.0, 16, at_least=-0.2)
    rows += difference(found, "ours", "uncompressed", 0.0, 16, at_least=-0.2)
    rows += difference(found, "ours_55", "labels", 20.0, 16, at_least=0.0)
    rows += difference(found, "ours_55", "labels", 0.0, 16, at_least=0.0)
    return rows


def ablation_rows(found: Found) -> list[Row]:
    """What each part of ours gains: ours less ours without it."""
    rows: list[Row] = []
    for part in ("ours_without_bottleneck", "ours_without_features", "ours_without_cam", "labels"):
        for snr_db, k in COMPARED:
            rows += difference(found, "ours", part, snr_db, k)
    return rows


def difference(found: Found, one: str, other: str, snr_db: float, k: int, at_least: float | None = None) -> list[Row]:
    """Accuracy of one scheme less that of another with the same seed, of the items whose frame was found."""
    point = key(snr_db, k)
    seeds = [s for name, s in sorted(found) if name == one and (other, s) in found]
    pairs = [(found[one, s].get(point), found[other, s].get(point)) for s in seeds]
    gain = np.array([a.accuracy_found - b.accuracy_found for a, b in pairs if a is not None and b is not None])
    if not len(gain):
        return []
    name = f"{SCHEMES[one].title}, gain over {SCHEMES[other].title}, {point}"
    value, interval = float(gain.mean()), mean_interval(gain)
    if at_least is None:
        return [Row(name, value, "points", n=len(gain), ci95=interval)]
    return [Row.at_least(name, value, "points", at_least, len(gain), interval)]


def cam_rows(found: Found, k_list: Sequence[int]) -> list[Row]:
    """The CAM against every fixed k, SNR uniform over the sweep, lost items counted as wrong.

    The best fixed k is the smallest whose accuracy is that of the CAM or more, less a tenth of a point, which is what
    the noise's draw moves the mean of the sweep; none in the list reaching it, the largest.
    """
    rows: list[Row] = []
    factors, losses = [], []
    for (_, seed), points in sorted(item for item in found.items() if item[0][0] == "ours"):
        mean = {
            k: (
                float(np.mean([points[key(snr_db, k)].accuracy for snr_db in SWEEP_SNR_DB])),
                float(np.mean([points[key(snr_db, k)].uses_per_item for snr_db in SWEEP_SNR_DB])),
            )
            for k in (*k_list, None)
        }
        accuracy, uses = mean[None]
        rows.append(Row(f"seed {seed}, CAM: accuracy", accuracy, "%"))
        rows.append(Row(f"seed {seed}, CAM: channel uses per item", uses, "symbols"))
        for k in k_list:
            rows.append(Row(f"seed {seed}, k={k}: accuracy", mean[k][0], "%"))
        enough = [k for k in k_list if mean[k][0] >= accuracy - 0.1]
        best = enough[0] if enough else k_list[-1]
        factors.append(best / uses)
        losses.append(mean[best][0] - accuracy)
    if factors:
        rows.insert(0, Row("accuracy of that fixed k above the CAM's", float(np.mean(losses)), "points", n=len(losses)))
        rows.insert(
            0,
            Row.at_least(
                "channel uses that the CAM saves against the best fixed k of the same accuracy",
                float(np.mean(factors)),
                "times",
                2.5,
                len(factors),
                mean_interval(factors),
            ),
        )
    return rows
