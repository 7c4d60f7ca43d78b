# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of sweeps that nobody measured, with numbers that can be checked by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.report.sweep.results_set import load_study
from sdr_sc.report.sweep.selection import View
from sdr_sc.sweep.config import SweepConfig, config_from
from sdr_sc.sweep.grid import Point, make_tasks
from sdr_sc.sweep.items import items_of, test_set
from sdr_sc.sweep.results import write_results
from sdr_sc.sweep.runner import results_about
from sdr_sc.sweep.tally import PointResult

ITEMS = 200
CONTENT: dict[str, Any] = {
    "schemes": [{"scheme": "ours", "k": [4, 16, "cam"]}, {"scheme": "pca", "k": [8]}, "features_ldpc", "label_ldpc"],
    "channels": {"awgn": "", "tdl_c": "tdl_c(delay_spread_ns=300, doppler_hz=5)"},
    "snr_db": [0, 10, 20],
    "items": ITEMS,
    "items_per_frame": 50,
}
K_LISTS = {"ours": (2, 4, 8, 16, 32), "pca": (2, 4, 8, 16, 32), "features_ldpc": (4, 8, 16), "label_ldpc": None}
# Right of each 20 items at 0, 10 and 20 dB, and payload symbols an item.
RIGHT = {
    ("ours", 4): (14, 17, 18), ("ours", 16): (17, 19, 19), ("ours", None): (17, 18, 18), ("pca", 8): (8, 14, 18),
    ("features_ldpc", None): (0, 16, 19), ("label_ldpc", None): (18, 19, 19),
}  # fmt: skip
USES = {
    ("ours", 4): (4, 4, 4), ("ours", 16): (16, 16, 16), ("ours", None): (16, 8, 4), ("pca", 8): (8, 8, 8),
    ("features_ldpc", None): (40, 20, 12), ("label_ldpc", None): (6, 3, 2),
}  # fmt: skip

# Of pca as in results of earlier versions, nothing; of a teacher that no file holds, nothing is known.
SIZES = {
    "ours": {"transmitter": {"parameters": 47_856, "bytes": 192_704}, "receiver": {"parameters": 43_402, "bytes": 500}},
    "features_ldpc": {"transmitter": {"bytes": 1_200_000}, "receiver": {"parameters": 0, "bytes": 0}},
    "label_ldpc": {"transmitter": {}, "receiver": {"parameters": 0, "bytes": 0}},
}


def made_up(
    point: Point, right_of_20: int, uses: int, block: int = 20, git: str = "abc", **changes: Any
) -> PointResult:
    """A result of `ITEMS` items in blocks; ``right_of_20`` of each 20 are right, the first ones."""
    order = items_of(point.seed, ITEMS)
    labels = test_set().labels[order].astype(int)
    is_right = np.arange(ITEMS) % 20 < right_of_20
    answers = np.where(is_right, labels, np.where(np.arange(ITEMS) % 20 == 19, -1, (labels + 1) % 10))
    confusion = np.zeros((10, 11), np.int32)
    np.add.at(confusion, (labels, answers), 1)  # -1 is the last column
    correct = is_right.reshape(-1, block).sum(axis=1).astype(np.int32)
    sizes = np.full(ITEMS // block, block, np.int32)
    values: dict[str, Any] = {
        "point": point, "air": "phy", "items": ITEMS, "correct": int(is_right.sum()), "lost": int((answers < 0).sum()),
        "frames": 4, "frames_lost": 0, "channel_uses": ITEMS * uses, "symbols_on_air": ITEMS * (uses + 10),
        "snr_est_mean_db": point.snr_db + 0.1, "correct_by_frame": is_right.reshape(4, 50).sum(axis=1).astype(np.int32),
        "items_by_frame": np.full(4, 50, np.int32),
        "correct_by_block": correct, "items_by_block": sizes, "confusion": confusion,
        "sample_item": order[:24].astype(np.int32), "sample_answer": answers[:24].astype(np.int32), "seconds": 0.4,
        "git": git, "frames_by_mode": np.array([0, 4, 0], np.int32),
        "on_air_by_mode": np.array([0, ITEMS * (uses + 10), 0]),
    }  # fmt: skip
    return PointResult(**{**values, **changes})


def with_more_right(found: PointResult, more: int) -> PointResult:
    """The result with so many more items right, or fewer, in its first block and frame."""
    frames, blocks, confusion = found.correct_by_frame.copy(), found.correct_by_block.copy(), found.confusion.copy()
    frames[0] += more
    blocks[0] += more
    label = int(confusion[:, :-1].diagonal().argmax())
    confusion[label, [label, (label + 1) % 10]] += [more, -more]
    counts = {"correct_by_frame": frames, "correct_by_block": blocks, "confusion": confusion}
    return replace(found, correct=found.correct + more, **counts)


def of_table(point: Point, config: SweepConfig) -> PointResult:
    """The result of a point after `RIGHT` and `USES`; on other channels than awgn one in 20 less is right."""
    place = [0, 10, 20].index(int(point.snr_db))
    entry = point.scheme, point.k
    worse = point.channel != "awgn" and RIGHT[entry][place] > 0
    lost = RIGHT[entry][place] == 0
    changes = {"snr_est_mean_db": None, "frames_lost": 4} if lost else {}
    block = 50 if point.scheme == "features_ldpc" and point.channel == "awgn" else 20
    block = 100 if block == 50 else block
    return made_up(point, RIGHT[entry][place] - worse, USES[entry][place], block, **changes)


def about_of(config: SweepConfig) -> dict[str, Any]:
    """What a results file of that sweep says of itself."""
    described = {entry.label: {"scheme": entry.label, "kind": f"kind of {entry.label}", "model_id": "0" * 16}
                 for entry in config.schemes}  # fmt: skip
    for label in described.keys() & SIZES.keys():
        described[label]["sizes"] = SIZES[label]
    k_lists = {entry.label: K_LISTS[entry.scheme] for entry in config.schemes}
    return results_about(config, described, k_lists, ["sdr-sc", "sweep", "study.yaml"])


def write(
    path: Path,
    make: Callable[[Point, SweepConfig], PointResult] = of_table,
    keep: Callable[[Point], bool] = lambda point: True,
    **changes: Any,
) -> Path:
    """A results file of `CONTENT` with changes."""
    config = config_from({**CONTENT, **changes})
    k_lists = {entry.label: K_LISTS[entry.scheme] for entry in config.schemes}
    points = [point for point in make_tasks(config, k_lists, "abc") if keep(point)]
    write_results(path, about_of(config), [make(point, config) for point in points])
    return path


def view_of(path: Path, target: float = 90.0) -> View:
    """What a report shows of one file."""
    return View(load_study([path]), target)
