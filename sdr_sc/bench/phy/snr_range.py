# SPDX-License-Identifier: GPL-3.0-or-later
"""What adaptation of frame mode and k gains over the best fixed pair of both, where the SNR lies anywhere in a range.

Air is counted whole: preamble, header, pilots and payload. Items of lost frames are wrong. The best fixed pair of a
range is the one with the least air whose mean accuracy over it is at most `MAX_LOSS_POINTS` below that of the
adaptation; where no pair is so good, the most accurate one, and the row says by how much it is worse. At each SNR
the adaptation begins without feedback: its first frame is a robust one at the largest k, and counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sdr_sc.data.catalogue import load_dataset
from sdr_sc.phy.frame.modes import FrameMode
from sdr_sc.phy.numerology import Numerology
from sdr_sc.results.rows import Row, mean_interval
from sdr_sc.schemes.learned import ModelScheme
from sdr_sc.schemes.link import run_scheme
from sdr_sc.semantic import weights
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder

Log = Callable[[str], None]
SNRS_DB = tuple(np.arange(-5.0, 25.1, 2.5).tolist())
FROM_DB = (-5.0, 0.0, 5.0, 10.0)
"""Lower ends of the ranges; the upper end is 25 dB."""
FIXED = {
    FrameMode.ROBUST: (8, 12, 16, 24, 32),
    FrameMode.NORMAL: (2, 3, 4, 6, 8, 12, 16, 24, 32),
    FrameMode.SHORT: (2, 3, 4, 6, 8, 12, 16, 24, 32),
}
ITEMS_PER_FRAME = 50
MAX_LOSS_POINTS = 0.5
GAIN_GOAL = 3.0
_ITEMS, _SEEDS = 2000, 2
_QUICK_ITEMS = 200  # four frames, of which the first, without feedback, is a robust one at the largest k

Pair = tuple[FrameMode, int]


class Point(NamedTuple):
    """One run: accuracy, 0..1, and symbols on the air an item."""

    accuracy: float
    air: float


class Best(NamedTuple):
    """The best fixed pair of a range against the adaptation.

    Attributes:
        pair: mode and k.
        gain: its air over that of the adaptation.
        less_points: by how much its mean accuracy is below that of the adaptation, points.
        accuracy, air: of the adaptation, means over the range.
    """

    pair: Pair
    gain: float
    less_points: float
    accuracy: float
    air: float


def best_fixed(adaptive: dict[float, Point], fixed: dict[Pair, dict[float, Point]], from_db: float) -> Best:
    """The best fixed pair for an SNR that is anywhere from ``from_db`` on.

    >>> adaptive = {0.0: Point(0.9, 30.0), 10.0: Point(0.9, 10.0)}
    >>> long = {0.0: Point(0.9, 40.0), 10.0: Point(0.9, 40.0)}
    >>> short = {0.0: Point(0.1, 10.0), 10.0: Point(0.9, 10.0)}
    >>> fixed = {(FrameMode.NORMAL, 16): long, (FrameMode.SHORT, 2): short}
    >>> [round(best_fixed(adaptive, fixed, from_db).gain, 2) for from_db in (0.0, 5.0)]
    [2.0, 1.0]
    """

    def mean(points: dict[float, Point]) -> Point:
        inside = [point for snr_db, point in points.items() if snr_db >= from_db]
        return Point(*np.mean(inside, axis=0).tolist())

    ours, theirs = mean(adaptive), {pair: mean(points) for pair, points in fixed.items()}
    good = [pair for pair, one in theirs.items() if one.accuracy >= ours.accuracy - MAX_LOSS_POINTS / 100]
    if good:
        pair = min(good, key=lambda one: theirs[one].air)
    else:
        pair = max(theirs, key=lambda one: theirs[one].accuracy)
    less = 100 * (ours.accuracy - theirs[pair].accuracy)
    return Best(pair, theirs[pair].air / ours.air, less, ours.accuracy, ours.air)


def snr_range_rows(model: str, quick: bool, seed: int, log: Log) -> list[Row]:
    """Gain of the adaptation over the best fixed pair, for ranges of the SNR over AWGN.

    Args:
        model: name or path of the model.
        quick: fewer items, one seed.
        seed: of the noise; another one follows it.
        log: called with what is measured next.
    """
    data, contract = load_dataset("fashion_mnist", "test"), weights.read_contract(model)
    scheme = ModelScheme(SemanticEncoder(model, 1), SemanticDecoder(model, 1))
    places = np.arange(_QUICK_ITEMS if quick else _ITEMS)
    items, targets = data.items(places), data.targets(scheme.task, places).astype(np.int64)
    pairs = [(mode, k) for mode, ks in FIXED.items() for k in ks if k in contract.k_list]

    def run(snr_db: float, k: int | None, mode: FrameMode | None, seed: int) -> Point:
        found = run_scheme(scheme, items, targets, None, snr_db, k, Numerology(), ITEMS_PER_FRAME, seed,
                           classes=len(contract.class_names), mode=mode)  # fmt: skip
        return Point(found.correct / found.items, found.symbols_on_air / found.items)

    bests: dict[float, list[Best]] = {from_db: [] for from_db in FROM_DB}
    for number in range(1 if quick else _SEEDS):
        log(f"adaptation and {len(pairs)} fixed pairs at {len(SNRS_DB)} SNRs, seed {seed + number}")
        adaptive = {snr_db: run(snr_db, None, None, seed + number) for snr_db in SNRS_DB}
        fixed = {(mode, k): {snr_db: run(snr_db, k, mode, seed + number) for snr_db in SNRS_DB} for mode, k in pairs}
        for from_db in FROM_DB:
            bests[from_db].append(best_fixed(adaptive, fixed, from_db))
    return [row for from_db, found in bests.items() for row in _rows(from_db, found, len(places))]


def _rows(from_db: float, found: list[Best], items: int) -> list[Row]:
    where, n = f"SNR uniform in {from_db:g}..25 dB", len(found)
    means = [
        float(np.mean([getattr(one, name) for one in found])) for name in ("accuracy", "air", "gain", "less_points")
    ]
    gains = [one.gain for one in found]
    interval = mean_interval(gains) if n > 1 else None
    mode, k = found[0].pair
    title = f"gain over the best fixed pair ({mode.name.lower()}, k={k}), {where}"
    gain = Row(title, means[2], "times", n=n, ci95=interval)
    if from_db in (-5.0, 5.0):
        gain = Row.at_least(title, means[2], "times", GAIN_GOAL, n, interval)
    return [
        Row(f"accuracy, adaptation, {where}", 100 * means[0], "%", n=n * items),
        Row(f"symbols on air an item, adaptation, {where}", means[1], "", n=n * items),
        gain,
        Row(f"accuracy of that pair below the adaptation's, {where}", means[3], "points", n=n * items),
    ]
