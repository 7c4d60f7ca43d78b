# SPDX-License-Identifier: GPL-3.0-or-later
"""What a result of a sweep can be: files that hold anything else are damaged, or were made by something else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sdr_sc.documents import real_number, whole_number
from sdr_sc.phy.frame.modes import FrameMode
from sdr_sc.sweep.config import AIRS
from sdr_sc.sweep.tally import PointResult

_COUNTS = ("items", "correct", "lost", "frames", "frames_lost", "channel_uses", "symbols_on_air")
LARGEST_COUNT = 1 << 53
"""Of a count: above it a float would not hold every whole number."""
_SNR_LIMIT_DB = 1000.0
_LARGEST_K = 1 << 20
_OBJECTS = ("settings", "config", "schemes", "channels", "versions", "has_k", "machine")


def check_result(result: PointResult) -> None:
    """Raise `ValueError` unless the numbers of a result are possible and agree with each other."""
    point = result.point
    texts = (point.scheme, point.channel, result.air, result.git)
    _need(all(isinstance(text, str) for text in texts), "a name is no text")
    _need(result.air in AIRS, f"the air {result.air!r} is unknown")
    _need(real_number(point.snr_db, -_SNR_LIMIT_DB, _SNR_LIMIT_DB) is not None, f"an SNR of {point.snr_db!r} dB")
    _need(point.k is None or whole_number(point.k, 1, _LARGEST_K) is not None, f"k is {point.k!r}")
    _need(whole_number(point.seed, 0, LARGEST_COUNT) is not None, f"the seed is {point.seed!r}")
    for name in _COUNTS:
        value = getattr(result, name)
        _need(whole_number(value, 0, LARGEST_COUNT) is not None, f"{name} is {value!r}")
    _need(result.items > 0, "no item was sent")
    _need(result.correct + result.lost <= result.items, "more items right and lost than sent")
    _need(result.frames_lost <= result.frames, "more frames lost than sent")
    estimate = result.snr_est_mean_db
    _need(estimate is None or real_number(estimate) is not None, "the SNR estimate is no number")
    _need(real_number(result.seconds, 0.0) is not None, f"it took {result.seconds!r} s")
    _check_parts("frame", result.correct_by_frame, result.items_by_frame, result)
    _need(len(result.items_by_frame) == result.frames, "the frames are not as many as they should be")
    for name, total in (("frames_by_mode", result.frames), ("on_air_by_mode", result.symbols_on_air)):
        counts = getattr(result, name)
        fits = len(counts) == len(FrameMode) and bool((counts >= 0).all()) and int(counts.sum(dtype=np.int64)) == total
        _need(fits, f"{name} does not add up")
    _check_parts("block", result.correct_by_block, result.items_by_block, result)
    confusion = result.confusion.astype(np.int64)
    _need(bool((confusion >= 0).all()) and confusion.sum() == result.items, "the confusion matrix has other items")
    _need(int(np.trace(confusion[:, :-1])) == result.correct, "the confusion matrix has other items right")
    _need(int(confusion[:, -1].sum()) == result.lost, "the confusion matrix has other items lost")
    items, answers, classes = result.sample_item, result.sample_answer, len(confusion)
    _need(len(items) == len(answers) <= result.items and bool((items >= 0).all()), "the sample has other items")
    _need(bool(((answers >= -1) & (answers < classes)).all()), "the sample has an answer of no class")


def _check_parts(what: str, correct: np.ndarray, items: np.ndarray, result: PointResult) -> None:
    """The counts by frame or block add up to those of the point."""
    fits = len(correct) == len(items) and bool(((correct >= 0) & (correct <= items)).all())
    sums = int(correct.sum(dtype=np.int64)), int(items.sum(dtype=np.int64))
    _need(fits and sums == (result.correct, result.items), f"the counts by {what} do not add up")


def _need(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)


def whole_numbers(values: Any, most: int = (1 << 31) - 1) -> np.ndarray:
    """A list as int32 (n,), or as int64 where ``most`` is larger than that holds.

    Raises:
        ValueError: an entry is no whole number within ``most``.
    """
    found = np.array(values if len(values) else [], None if len(values) else np.int32)
    if found.ndim != 1 or found.dtype.kind not in "iu" or (found.size and abs(found.astype(np.int64)).max() > most):
        raise ValueError("a list of counts holds something else")
    return found.astype(np.int32 if most < 1 << 31 else np.int64)


def check_about(about: Mapping[str, Any]) -> None:
    """Raise `ValueError` unless what a file says of itself has the shape that readers rely on."""
    for name in _OBJECTS:
        _need(isinstance(about.get(name, {}), dict), f"its {name} are no object")
    for kind in ("schemes", "channels"):
        _need(all(isinstance(one, dict) for one in about.get(kind, {}).values()), f"one of its {kind} is no object")
    names = about.get("class_names", [])
    _need(isinstance(names, list) and all(isinstance(name, str) for name in names), "its class_names are no texts")
    for name in ("data_set", "data_set_sha256", "git"):
        _need(isinstance(about.get(name, ""), str), f"its {name} is no text")
