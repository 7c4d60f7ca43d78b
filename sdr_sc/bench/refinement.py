# SPDX-License-Identifier: GPL-3.0-or-later
"""What incremental refinement saves against the finest fixed k, and how true the confidence is that it goes by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.dataset import DEFAULT_DATA_SET, ImageSet
from sdr_sc.distill.measured.held_out import Model, over_noise, prefix
from sdr_sc.errors import ContractError
from sdr_sc.link.refinement.receiver import Settings
from sdr_sc.phy.numerology import Numerology
from sdr_sc.results.rows import Row, clustered_interval, mean_interval
from sdr_sc.schemes.learned import ModelScheme
from sdr_sc.schemes.link import FrameOutcome, Link, noisy_channel
from sdr_sc.schemes.refined import RefinedScheme
from sdr_sc.schemes.scheme import Scheme
from sdr_sc.semantic.calibration import calibration_error
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder

Log = Callable[[str], None]
FIXED_K = {0.0: (6, 7, 8, 9, 10, 11, 12, 13, 14, 16), 5.0: (2, 3, 4, 5, 6, 8), 10.0: (2, 3, 4, 6)}
"""The fixed k to compare with, by SNR in dB: all whole numbers where the accuracy still rises."""
GAIN_GOAL = 1.3
GOAL_SNRS_DB = (0.0, 5.0)
TOLERANCE_POINTS = 0.1
"""Accuracy that the fixed k may give away against refinement."""
CALIBRATION_GOAL_POINTS = 2.0
CALIBRATION_SNRS_DB = (-8.0, -5.0, -2.0, 0.0, 2.5, 5.0, 7.5, 10.0, 15.0, 20.0, 25.0)
SURE = 0.7
"""Confidence of an answer that counts as accepted."""
ITEMS_PER_FRAME = 50
CFO_HZ = 700.0
_SEEDS, _SEED_ITEMS, _QUICK_ITEMS = 5, 2000, 300
_RESAMPLES = 1000


@dataclass(frozen=True)
class Sent:
    """Items over one link.

    Attributes:
        right: bool (n,), by item.
        symbols: payload symbols of each item.
        air: used subcarriers of all frames.
    """

    right: np.ndarray
    symbols: np.ndarray
    air: int


def bench_refinement(model: str, quick: bool, seed: int, log: Log) -> list[Row]:
    """All rows; ``quick`` measures the same on less data.

    Args:
        log: gets what is measured next.

    Raises:
        ContractError: the model has no rounds of refinement.
    """
    data = load_dataset(DEFAULT_DATA_SET, "test")
    if not isinstance(data, ImageSet):
        raise ContractError(f"the data set {DEFAULT_DATA_SET} has no images; use another one.")
    encoder, decoder = SemanticEncoder(model), SemanticDecoder(model)
    seeds, items = (1, _QUICK_ITEMS) if quick else (_SEEDS, _SEED_ITEMS)
    rows = []
    for snr_db in FIXED_K:
        log(f"refinement at {snr_db:g} dB")
        rows += _refinement_rows(encoder, decoder, data, snr_db, range(seed, seed + seeds), items)
    log("calibration")
    rows += _calibration_rows(Model(encoder, decoder, *_part(data, 0, 500 if quick else len(data))), quick, seed)
    return rows


def _part(data: ImageSet, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    return data.images[first : first + count], data.labels[first : first + count]


def _over_a_link(
    scheme: Scheme, images: np.ndarray, labels: np.ndarray, snr_db: float, k: int | None, seed: int
) -> list[FrameOutcome]:
    """Over a link that has been running: the first frame already knows the SNR."""
    scheme.begin("")
    link = Link(scheme, noisy_channel("", snr_db, CFO_HZ, seed, Numerology()), k, ITEMS_PER_FRAME, Numerology())
    link.sound(images, labels)
    return list(link.send(images, labels))


def _refinement_rows(
    encoder: SemanticEncoder,
    decoder: SemanticDecoder,
    data: ImageSet,
    snr_db: float,
    seeds: Sequence[int],
    items: int,
) -> list[Row]:
    refined, fixed = RefinedScheme(encoder, decoder), _any_k(encoder, decoder)
    comparing = RefinedScheme(encoder, decoder, settings=Settings(compare=True))
    compared: list[FrameOutcome] = []
    ours: list[Sent] = []
    others: dict[int, list[Sent]] = {k: [] for k in FIXED_K[snr_db]}
    waited, rounds, sure, frames = [], [], [], []
    for place, seed in enumerate(seeds):
        images, labels = _part(data, place * items, items)
        outcomes = _over_a_link(refined, images, labels, snr_db, None, seed)
        settled = list(refined.answered)
        rounds += [frame.rounds for frame in settled]
        sure += [frame.confidence for frame in settled]
        waited += [frame.waited for frame in settled]
        frames += outcomes
        right = np.concatenate([outcome.found == outcome.truth for outcome in outcomes])
        every = np.full(len(right), sum(outcome.channel_uses for outcome in outcomes) / len(right))
        if sum(len(frame.k) for frame in settled) == len(right):  # no frame was lost
            each = np.concatenate([frame.k for frame in settled]).astype(float)
            every = each * every.sum() / each.sum()
        ours.append(Sent(right, every, sum(outcome.symbols_on_air for outcome in outcomes)))
        compared += _over_a_link(comparing, images, labels, snr_db, None, seed)
        for k, found in others.items():
            outcomes = _over_a_link(fixed, images, labels, snr_db, k, seed)
            right = np.concatenate([outcome.found == outcome.truth for outcome in outcomes])
            found.append(Sent(right, np.full(len(right), float(k)), sum(one.symbols_on_air for one in outcomes)))
    mine, theirs = _joined(ours), {k: _joined(found) for k, found in others.items()}
    needed = needed_k(mine.right.mean(), {k: float(one.right.mean()) for k, one in theirs.items()})
    interval = _gain_interval(mine, theirs, np.random.default_rng(seeds[0]))
    n, at = len(mine.right), f"AWGN {snr_db:g} dB"
    low, high = clustered_interval([frame.correct for frame in frames], [len(frame.truth) for frame in frames])
    gain, name = needed / mine.symbols.mean(), f"gain of refinement in payload symbols, {at}"
    confidence, parts = np.concatenate(sure), np.concatenate(rounds)
    is_right = mine.right[: len(confidence)]
    accepted = confidence >= SURE
    return [
        Row(f"accuracy, refinement, {at}", 100 * float(mine.right.mean()), "%", n=n, ci95=(100 * low, 100 * high)),
        Row(f"payload symbols an item, refinement, {at}", float(mine.symbols.mean()), "symbols", n=n,
            ci95=mean_interval(mine.symbols)),
        Row(f"fixed k of that accuracy less {TOLERANCE_POINTS:g} points, {at}", needed, "symbols", n=n),
        Row.at_least(name, gain, "times", GAIN_GOAL, n, interval) if snr_db in GOAL_SNRS_DB
        else Row(name, gain, "times", n=n, ci95=interval),
        Row(f"the same with all overhead, {at}", _air_of(needed, theirs) / mine.air, "times", n=n),
        Row(f"items asked for again, {at}", 100 * float((parts > 1).mean()), "%", n=n),
        Row(f"rounds of an item, mean, {at}", float(parts.mean()), "rounds", n=n),
        Row(f"frames that an answer waits for, mean, {at}", float(np.mean(waited)), "frames", n=len(waited)),
        Row(f"answers with a confidence of {100 * SURE:g} % or more, {at}", 100 * float(accepted.mean()), "%", n=n),
        Row(f"errors among these, {at}", 100 * float((~is_right[accepted]).mean()), "%", n=int(accepted.sum())),
        Row(f"accuracy, refinement with answers compared, {at}",
            100 * sum(one.correct for one in compared) / n, "%", n=n),
        Row(f"payload symbols an item, refinement with answers compared, {at}",
            sum(one.channel_uses for one in compared) / n, "symbols", n=n),
        *(Row(f"accuracy, k={k}, {at}", 100 * float(one.right.mean()), "%", n=n) for k, one in theirs.items()),
    ]  # fmt: skip


def _any_k(encoder: SemanticEncoder, decoder: SemanticDecoder) -> ModelScheme:
    """The model with every whole number as k, which the same weights serve."""
    contract = encoder.contract
    k_list = tuple(range(1, contract.k_max + 1))
    cam = replace(contract.cam, accuracy=((0.0,) * len(k_list),) * len(contract.cam.snr_db))
    other = replace(contract, k_list=k_list, cam=cam, calibration=None, refinement=None)
    copies = SemanticEncoder.__new__(SemanticEncoder), SemanticDecoder.__new__(SemanticDecoder)
    for copy, coder in zip(copies, (encoder, decoder), strict=True):
        copy.__dict__.update({**coder.__dict__, "contract": other})
    return ModelScheme(*copies)


def _joined(found: Sequence[Sent]) -> Sent:
    return Sent(
        np.concatenate([one.right for one in found]),
        np.concatenate([one.symbols for one in found]),
        sum(one.air for one in found),
    )


def needed_k(accuracy: float, by_k: dict[int, float]) -> float:
    """The fixed k that gives an accuracy less `TOLERANCE_POINTS`, between two k in proportion; the largest that was
    measured where none gives it, the smallest where all do.

    >>> needed_k(0.911, {2: 0.85, 4: 0.90, 8: 0.92})
    6.0
    """
    ks = sorted(by_k)
    reached = np.maximum.accumulate([by_k[k] for k in ks])
    wanted = accuracy - TOLERANCE_POINTS / 100
    place = int(np.searchsorted(reached, wanted - 1e-12))
    if place == 0 or place == len(ks):
        return float(ks[min(place, len(ks) - 1)])
    step = (wanted - reached[place - 1]) / (reached[place] - reached[place - 1])
    return round(float(ks[place - 1] + step * (ks[place] - ks[place - 1])), 6)


def _gain_interval(mine: Sent, theirs: dict[int, Sent], rng: np.random.Generator) -> tuple[float, float]:
    """95 % interval of the gain by the bootstrap over items, each with its own noise and the same in all schemes."""
    n, gains = len(mine.right), []
    for _ in range(_RESAMPLES):
        drawn = rng.integers(0, n, n)
        needed = needed_k(mine.right[drawn].mean(), {k: float(one.right[drawn].mean()) for k, one in theirs.items()})
        gains.append(needed / mine.symbols[drawn].mean())
    return float(np.quantile(gains, 0.025)), float(np.quantile(gains, 0.975))


def _air_of(k: float, theirs: dict[int, Sent]) -> float:
    return float(np.interp(k, sorted(theirs), [theirs[one].air for one in sorted(theirs)]))


def _calibration_rows(model: Model, quick: bool, seed: int) -> list[Row]:
    """The largest calibration error over all k, and over all rounds, at each SNR: plain noise, estimated channel."""
    contract, rng, rows = model.encoder.contract, np.random.default_rng(seed), []
    assert contract.refinement is not None
    plan, n = contract.refinement, len(model.targets)
    for snr_db in CALIBRATION_SNRS_DB[:: 5 if quick else 1]:
        symbols, errors = model.symbols(snr_db), {}
        for k in contract.k_list:
            errors[k] = _error(model, over_noise(prefix(symbols, 0, k), snr_db, rng), snr_db)
        steps, first = plan.steps[plan.row(snr_db)], 0
        parts, in_rounds = [], []
        for place, k in enumerate(steps):
            parts.append(over_noise(prefix(symbols, first, k), snr_db, rng))
            first = k
            together = np.concatenate(parts, axis=1) * plan.gains(steps[: place + 1], snr_db)
            in_rounds.append(_error(model, together, snr_db))
        worst = max(errors, key=lambda k: errors[k])
        goal = CALIBRATION_GOAL_POINTS
        rows += [
            Row.at_most(f"calibration error, worst k ({worst}), {snr_db:g} dB", errors[worst], "points", goal, n),
            Row.at_most(f"calibration error, worst round, {snr_db:g} dB", max(in_rounds), "points", goal, n),
        ]
    return rows


def _error(model: Model, prefixes: np.ndarray, snr_db: float) -> float:
    """Calibration error of prefixes' answers, points."""
    items, k = prefixes.shape
    variance = np.full((items, k), 10.0 ** (-snr_db / 10.0))
    found = model.decoder.judged(model.logits(prefixes, snr_db), np.full(items, k), variance)
    return 100 * calibration_error(found.confidence, found.best == model.targets)
