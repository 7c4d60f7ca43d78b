# SPDX-License-Identifier: GPL-3.0-or-later
"""What incremental refinement saves against the finest fixed k.

All images are sent several times, each time with other noise. Figures of an image are means over these passes, and
intervals come from the bootstrap over images: the same ones in all schemes, so that what an image is like cancels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sdr_sc.bench.calibration import link_rows, noise_rows
from sdr_sc.bench.phy.detection import workers
from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.dataset import DEFAULT_DATA_SET, ImageSet
from sdr_sc.errors import ContractError
from sdr_sc.link.refinement.receiver import Settings, Settled
from sdr_sc.phy.numerology import Numerology
from sdr_sc.results.pool import map_jobs
from sdr_sc.results.rows import Row, mean_interval
from sdr_sc.schemes.learned import ModelScheme
from sdr_sc.schemes.link import FrameOutcome, Link, noisy_channel
from sdr_sc.schemes.refined import RefinedScheme
from sdr_sc.schemes.scheme import Scheme
from sdr_sc.semantic import weights
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder

Log = Callable[[str], None]
FIXED_K = {0.0: (6, 7, 8, 9, 10, 11, 12, 13, 14, 16), 5.0: (2, 3, 4, 5, 6, 8), 10.0: (2, 3, 4, 6)}
"""The fixed k to compare with, by SNR in dB: all whole numbers where the accuracy still rises."""
GAIN_GOAL = 1.3
GOAL_SNRS_DB = (0.0, 5.0)
TOLERANCE_POINTS = 0.1
"""Accuracy that the fixed k may give away against refinement."""
SURE = 0.7
"""Confidence of an answer that counts as accepted."""
ITEMS_PER_FRAME = 50
CFO_HZ = 700.0
_PASSES = {0.0: 2, 5.0: 4, 10.0: 4}  # more where the accuracy saturates, where one k differs little from another
_LINK_ITEMS, _QUICK_ITEMS = 2000, 300
_RESAMPLES = 1000


@dataclass(frozen=True)
class Sent:
    """Items over one link, or over all links.

    Attributes:
        right: float (n,), which share of the times an item was sent it was answered correctly.
        symbols: payload symbols of each item.
        air: used subcarriers of all frames.
    """

    right: np.ndarray
    symbols: np.ndarray
    air: float


def bench_refinement(model: str, measured: str | None, quick: bool, seed: int, log: Log) -> list[Row]:
    """All rows; ``quick`` measures the same on less data.

    Args:
        measured: file of a measured channel for the calibration; None to leave it out.
        log: gets what is measured next.

    Raises:
        ContractError: the model has no rounds of refinement.
    """
    weights.read_contract(model)
    log(f"refinement at {', '.join(f'{snr_db:g}' for snr_db in FIXED_K)} dB")
    found = map_jobs(_snr_rows, list(FIXED_K), (model, quick, seed), workers(quick))
    log("calibration over plain noise")
    rows = [row for rows in found for row in rows] + noise_rows(model, quick, seed)
    return rows + link_rows(model, measured, quick, seed, log)


def _snr_rows(snr_db: float, model: str, quick: bool, seed: int) -> list[Row]:
    """Rows of one SNR, in a process of their own."""
    data = load_dataset(DEFAULT_DATA_SET, "test")
    if not isinstance(data, ImageSet):
        raise ContractError(f"the data set {DEFAULT_DATA_SET} has no images; use another one.")
    items, count = (_QUICK_ITEMS, 1) if quick else (_LINK_ITEMS, len(data) // _LINK_ITEMS)
    starts = [
        [(seed + number * count + link, link * items) for link in range(count)]
        for number in range(1 if quick else _PASSES[snr_db])
    ]
    return _refinement_rows(SemanticEncoder(model), SemanticDecoder(model), data, snr_db, starts, items)


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
    starts: Sequence[Sequence[tuple[int, int]]],
    items: int,
) -> list[Row]:
    """Rows of one SNR; ``starts`` has the seed and the first image of each link, by passes."""
    refined, fixed = RefinedScheme(encoder, decoder), _any_k(encoder, decoder)
    comparing = RefinedScheme(encoder, decoder, settings=Settings(compare=True))
    compared: list[FrameOutcome] = []
    ours: list[list[Sent]] = []
    others: dict[int, list[list[Sent]]] = {k: [] for k in FIXED_K[snr_db]}
    settled: list[Settled] = []
    hits: list[np.ndarray] = []
    for number, links in enumerate(starts):
        for sent in (ours, *others.values()):
            sent.append([])
        for seed, first in links:
            images, labels = _part(data, first, items)
            outcomes = _over_a_link(refined, images, labels, snr_db, None, seed)
            settled += refined.answered
            hits += [one.found == one.truth for one in outcomes if one.snr_db is not None and len(one.truth)]
            ours[-1].append(_sent(outcomes, [frame.k for frame in refined.answered]))
            if number == 0:
                compared += _over_a_link(comparing, images, labels, snr_db, None, seed)
            for k, found in others.items():
                found[-1].append(_sent(_over_a_link(fixed, images, labels, snr_db, k, seed), []))
    mine, theirs = _joined(ours), {k: _joined(found) for k, found in others.items()}
    needed = needed_k(mine.right.mean(), {k: float(one.right.mean()) for k, one in theirs.items()})
    interval = _gain_interval(mine, theirs, np.random.default_rng(starts[0][0][0]))
    n, at = len(mine.right) * len(starts), f"AWGN {snr_db:g} dB"
    gain, name = needed / mine.symbols.mean(), f"gain of refinement in payload symbols, {at}"
    confidence, rounds = (np.concatenate([getattr(one, what) for one in settled]) for what in ("confidence", "rounds"))
    accepted, right = confidence >= SURE, np.concatenate(hits)
    frames = len(settled)
    low, high = mean_interval(mine.right)
    sent_once = sum(len(one.truth) for one in compared)
    return [
        Row(f"accuracy, refinement, {at}", 100 * float(mine.right.mean()), "%", n=n, ci95=(100 * low, 100 * high)),
        Row(f"payload symbols an item, refinement, {at}", float(mine.symbols.mean()), "symbols", n=n,
            ci95=mean_interval(mine.symbols)),
        Row(f"fixed k of that accuracy less {TOLERANCE_POINTS:g} points, {at}", needed, "symbols", n=n),
        Row.at_least(name, gain, "times", GAIN_GOAL, n, interval) if snr_db in GOAL_SNRS_DB
        else Row(name, gain, "times", n=n, ci95=interval),
        Row(f"the same with all overhead, {at}", _air_of(needed, theirs) / mine.air, "times", n=n),
        Row(f"items asked for again, {at}", 100 * float((rounds > 1).mean()), "%", n=n),
        Row(f"rounds of an item, mean, {at}", float(rounds.mean()), "rounds", n=n),
        Row(f"frames that an answer waits for, mean, {at}", float(np.mean([one.waited for one in settled])), "frames",
            n=frames),
        Row(f"answers with a confidence of {100 * SURE:g} % or more, {at}", 100 * float(accepted.mean()), "%", n=n),
        Row(f"errors among these, {at}", 100 * float((~right[accepted]).mean()), "%", n=int(accepted.sum())),
        Row(f"accuracy, refinement with answers compared, {at}",
            100 * sum(one.correct for one in compared) / sent_once, "%", n=sent_once),
        Row(f"payload symbols an item, refinement with answers compared, {at}",
            sum(one.channel_uses for one in compared) / sent_once, "symbols", n=sent_once),
        *(Row(f"accuracy, k={k}, {at}", 100 * float(one.right.mean()), "%", n=n) for k, one in theirs.items()),
    ]  # fmt: skip


def _sent(outcomes: Sequence[FrameOutcome], symbols: Sequence[np.ndarray]) -> Sent:
    """A link's items, with the symbols of each where these are known and no frame was lost; else the mean of all."""
    right = np.concatenate([outcome.found == outcome.truth for outcome in outcomes])
    every = np.full(len(right), sum(outcome.channel_uses for outcome in outcomes) / len(right))
    if sum(map(len, symbols)) == len(right):
        each = np.concatenate(symbols).astype(float)
        every = each * every.sum() / each.sum()
    return Sent(right.astype(float), every, sum(outcome.symbols_on_air for outcome in outcomes))


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


def _joined(passes: Sequence[Sequence[Sent]]) -> Sent:
    """All links one after the other, the mean over the passes."""
    right, symbols = (
        np.mean([np.concatenate([getattr(one, name) for one in links]) for links in passes], axis=0)
        for name in ("right", "symbols")
    )
    return Sent(right, symbols, sum(one.air for links in passes for one in links) / len(passes))


def needed_k(accuracy: float, by_k: dict[int, float]) -> float:
    """The fixed k that gives an accuracy less `TOLERANCE_POINTS`, between two k in proportion; the largest that was
    measured where none gives it, the smallest where all do. The accuracies are first made to rise by isotonic
    regression: a running maximum would take the luckiest k for the truth.

    >>> needed_k(0.911, {2: 0.85, 4: 0.90, 8: 0.92})
    6.0
    """
    ks = sorted(by_k)
    reached = rising([by_k[k] for k in ks])
    wanted = accuracy - TOLERANCE_POINTS / 100
    place = int(np.searchsorted(reached, wanted - 1e-12))
    if place == 0 or place == len(ks):
        return float(ks[min(place, len(ks) - 1)])
    step = (wanted - reached[place - 1]) / (reached[place] - reached[place - 1])
    return round(float(ks[place - 1] + step * (ks[place] - ks[place - 1])), 6)


def rising(values: Sequence[float]) -> np.ndarray:
    """Isotonic regression: the nearest values, by the sum of squares, that never fall (pool adjacent violators).

    >>> rising([1.0, 3.0, 2.0, 4.0]).tolist()
    [1.0, 2.5, 2.5, 4.0]
    """
    blocks: list[tuple[float, int]] = []
    for value in values:
        blocks.append((value, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (mean, count), (other, more) = blocks.pop(), blocks.pop()
            blocks.append(((mean * count + other * more) / (count + more), count + more))
    return np.repeat([mean for mean, _ in blocks], [count for _, count in blocks])


def _gain_interval(mine: Sent, theirs: dict[int, Sent], rng: np.random.Generator) -> tuple[float, float]:
    """95 % interval of the gain by the bootstrap over items, the same ones in all schemes."""
    n, gains = len(mine.right), []
    for _ in range(_RESAMPLES):
        drawn = rng.integers(0, n, n)
        needed = needed_k(mine.right[drawn].mean(), {k: float(one.right[drawn].mean()) for k, one in theirs.items()})
        gains.append(needed / mine.symbols[drawn].mean())
    return float(np.quantile(gains, 0.025)), float(np.quantile(gains, 0.975))


def _air_of(k: float, theirs: dict[int, Sent]) -> float:
    return float(np.interp(k, sorted(theirs), [theirs[one].air for one in sorted(theirs)]))
