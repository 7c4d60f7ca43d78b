# SPDX-License-Identifier: GPL-3.0-or-later
"""How much a receiver knows of the truth beyond its best answer: likelihood and calibration of the probabilities."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.dataset import DEFAULT_DATA_SET
from sdr_sc.errors import SdrScError
from sdr_sc.evidence.entries import ENTRIES, made, title
from sdr_sc.evidence.tables import APART
from sdr_sc.evidence.watched import ITEMS_PER_FRAME, SOFT, watch
from sdr_sc.results.rows import Row, clustered_interval, mean_interval
from sdr_sc.schemes.scheme import SoftAnswers
from sdr_sc.semantic.calibration import calibration_error
from sdr_sc.sweep.config import SchemeEntry

Log = Callable[[str], None]
NOISE, FADING = ("noise alone", ""), ("Rayleigh", "rayleigh(doppler_hz=5)")
SNR_DB = (0.0, 10.0, 20.0)
ITEMS = 1000
REJECTED = 0.05
_LEAST = 1e-9
_RESAMPLED = 200


def bench_soft(
    quick: bool, seed: int, log: Log, entries: Sequence[SchemeEntry] | None = None, data_set: str = DEFAULT_DATA_SET
) -> list[Row]:
    """Negative log-likelihood, calibration error, and accuracy of the items that a receiver is surest of.

    An item that is lost counts as known by nothing: all classes are equally probable.

    Args:
        quick: a tenth of the items.
        seed: of noise, channels and items.
        log: called with what is measured next.
        entries: schemes, None for the usual ones; those whose receivers give no probabilities are left out.
        data_set: that is sent.

    Raises:
        SdrScError: no scheme gives probabilities.
    """
    test = load_dataset(data_set, "test")
    chosen = np.random.default_rng(seed).permutation(len(test))[: ITEMS // (10 if quick else 1)]
    rows: list[Row] = []
    asked = 0
    for entry in ENTRIES if entries is None else entries:
        scheme = made(entry, data_set)
        if not isinstance(scheme, SoftAnswers):
            log(f"{entry.label} gives no probabilities, and is left out")
            continue
        asked += 1
        images, truth = test.items(chosen), test.targets(scheme.task, chosen).astype(np.int64)
        classes = len(test.names(scheme.task))
        for k in (None, *(entry.k or ())) if entry.k != (None,) else (None,):
            for where, channel in (NOISE, FADING) if k is None else (NOISE,):
                for snr_db in SNR_DB:
                    name = f"{where}, {snr_db:g} dB, {title(entry, k)}"
                    log(name)
                    seen = watch(scheme, SOFT, images, truth, snr_db, k, seed, channel)
                    rows += _rows(
                        name, filled(seen.values, classes), truth, seen.result.channel_uses / len(truth), seed
                    )
    if not asked:
        raise SdrScError("none of the schemes gives probabilities; name one that does, such as ours.")
    return rows


def filled(probabilities: np.ndarray, classes: int) -> np.ndarray:
    """float64 (n, classes): all classes equally probable where nothing is known (NaN).

    >>> filled(np.full((1, 1), np.nan), 4).tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """
    if probabilities.shape[1] != classes:
        return np.full((len(probabilities), classes), 1.0 / classes)
    lost = np.isnan(probabilities).any(axis=1)
    return np.where(lost[:, None], 1.0 / classes, probabilities)


def likelihood_nats(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """float64 (n,): minus the logarithm of what the true class was given."""
    return -np.log(np.maximum(probabilities[np.arange(len(truth)), truth], _LEAST))


def _rows(name: str, probabilities: np.ndarray, truth: np.ndarray, uses: float, seed: int) -> list[Row]:
    """Intervals are over frames, whose items share a channel."""
    count = len(truth)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    loss = likelihood_nats(probabilities, truth)
    kept = np.sort(np.argsort(-confidence, kind="stable")[: math.ceil((1 - REJECTED) * count)])
    frames = np.arange(count) // ITEMS_PER_FRAME
    sizes = np.bincount(frames)
    low, high = clustered_interval(np.bincount(frames, right), sizes)
    kept_low, kept_high = clustered_interval(np.bincount(frames[kept], right[kept]), np.bincount(frames[kept]))
    drawn = np.random.default_rng(seed).integers(0, len(sizes), (_RESAMPLED, len(sizes)))
    by_frame = np.split(np.arange(count), np.cumsum(sizes)[:-1])
    again = [np.concatenate([by_frame[frame] for frame in one]) for one in drawn]
    spread = np.quantile([100 * calibration_error(confidence[one], right[one]) for one in again], (0.025, 0.975))
    surest = f"accuracy of the surest {100 * (1 - REJECTED):g} %"
    error = 100 * calibration_error(confidence, right)
    means = np.bincount(frames, loss) / sizes
    return [
        Row(f"{name}{APART}payload symbols", uses, "symbols", n=count),
        Row(f"{name}{APART}accuracy", 100 * float(right.mean()), "%", n=count, ci95=(100 * low, 100 * high)),
        Row(f"{name}{APART}nats lost", float(loss.mean()), "nats", n=count, ci95=mean_interval(means)),
        Row(f"{name}{APART}calibration error", error, "points", n=count, ci95=(float(spread[0]), float(spread[1]))),
        Row(f"{name}{APART}{surest}", 100 * float(right[kept].mean()), "%", n=len(kept),
            ci95=(100 * kept_low, 100 * kept_high)),
    ]  # fmt: skip
