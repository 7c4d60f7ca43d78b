# SPDX-License-Identifier: GPL-3.0-or-later
"""How true the confidence of a model's answers is: over plain noise at every SNR, k and round, and over whole links."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sdr_sc.bench.air_time import CFO_HZ, channels
from sdr_sc.bench.phy.detection import workers
from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.dataset import DEFAULT_DATA_SET
from sdr_sc.distill.measured.held_out import Model, over_noise, prefix
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.receiver import ReceivedFrame
from sdr_sc.results.pool import map_jobs
from sdr_sc.results.rows import Row
from sdr_sc.schemes.learned import ModelScheme
from sdr_sc.schemes.link import Link, noisy_channel
from sdr_sc.schemes.refined import RefinedScheme
from sdr_sc.schemes.scheme import Transmission
from sdr_sc.semantic import weights
from sdr_sc.semantic.calibration import calibration_error
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder

Log = Callable[[str], None]
GOAL_POINTS = 2.0
SNRS_DB = (-8.0, -5.0, -2.0, 0.0, 2.5, 5.0, 7.5, 10.0, 15.0, 20.0, 25.0)
LINK_SNRS_DB = (-5.0, 0.0, 5.0, 10.0, 20.0)
LINK_K = (1, 2, 4, 8, 16, 32)
_DRAWS = 4
_ITEMS_PER_FRAME = 50
_LINKS, _LINK_ITEMS = 40, 250
"""Each link has a channel of its own."""


def noise_rows(model: str, quick: bool, seed: int) -> list[Row]:
    """The largest calibration error over all k, and over all rounds, at each SNR: plain noise, estimated channel.

    Args:
        model: name or path of a model with rounds of refinement.
        quick: fewer SNRs, items and draws of the noise.
        seed: of the noise.
    """
    snrs_db = SNRS_DB[:: 5 if quick else 1]
    found = map_jobs(_over_plain_noise, snrs_db, (model, quick, seed), workers(quick))
    return [row for rows in found for row in rows]


def _over_plain_noise(snr_db: float, model: str, quick: bool, seed: int) -> list[Row]:
    """Rows of one SNR: each test item is sent several times."""
    data, coders = load_dataset(DEFAULT_DATA_SET, "test"), (SemanticEncoder(model, 1), SemanticDecoder(model, 1))
    chosen, draws = (np.arange(500), 1) if quick else (np.arange(len(data)), _DRAWS)
    contract, rng = coders[0].contract, np.random.default_rng((seed, round(10 * (snr_db + 100))))
    name = contract.tasks[0].name
    one = Model(*coders, data.items(chosen), data.targets(name, chosen).astype(np.int64))
    assert contract.refinement is not None
    plan, n = contract.refinement, draws * len(chosen)
    symbols, errors = one.symbols(snr_db), {}
    for k in contract.k_list:
        sent = prefix(symbols, 0, k)
        errors[k] = _error([_judged(one, over_noise(sent, snr_db, rng), snr_db) for _ in range(draws)])
    steps = plan.steps[plan.row(snr_db)]
    parts = [prefix(symbols, first, k) for first, k in zip((0, *steps), steps, strict=False)]
    received = [[over_noise(part, snr_db, rng) for part in parts] for _ in range(draws)]
    in_rounds = []
    for rounds in range(1, len(steps) + 1):
        gains = plan.gains(steps[:rounds], snr_db)
        whole = [np.concatenate(each[:rounds], axis=1) * gains for each in received]
        in_rounds.append(_error([_judged(one, prefixes, snr_db) for prefixes in whole]))
    worst = max(errors, key=lambda k: errors[k])
    return [
        Row.at_most(f"calibration error, worst k ({worst}), {snr_db:g} dB", errors[worst], "points", GOAL_POINTS, n),
        Row.at_most(f"calibration error, worst round, {snr_db:g} dB", max(in_rounds), "points", GOAL_POINTS, n),
    ]


Judged = tuple[np.ndarray, np.ndarray]
"""Confidence of answers, and which are right."""


def _judged(model: Model, prefixes: np.ndarray, snr_db: float) -> Judged:
    items, k = prefixes.shape
    variance = np.full((items, k), 10.0 ** (-snr_db / 10.0))
    found = model.decoder.judged(model.logits(prefixes, snr_db), snr_db, np.full(items, k), variance)
    return found.confidence, found.best == model.targets


def _error(judged: list[Judged]) -> float:
    """Calibration error of all answers together, points; NaN where there are none."""
    confidence, right = (np.concatenate(part) for part in zip(*judged, strict=True))
    return 100 * calibration_error(confidence, right) if len(right) else float("nan")


class _Point(NamedTuple):
    """Links of one channel, with one k; 0 is refinement, of which the last answers count."""

    channel: str
    snr_db: float
    k: int


class _Told(ModelScheme):
    """Keeps the confidence of its answers, frame by frame."""

    def begin(self, channel: str) -> None:
        super().begin(channel)
        self.confidence: list[np.ndarray] = []

    def answer(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        found = self._decoder.answer(received.features, received.snr_db, received.erased, received.noise_variance)
        self.confidence.append(found.confidence)
        return found.best


def _over_links(point: _Point, model: str, links: int, seed: int) -> Judged:
    """Confidence of the answers to frames that arrive, and which are right, over links with a channel each."""
    coders, data = (SemanticEncoder(model, 1), SemanticDecoder(model, 1)), load_dataset(DEFAULT_DATA_SET, "test")
    scheme = _Told(*coders) if point.k else RefinedScheme(*coders)
    judged: list[Judged] = [(np.empty(0), np.empty(0, bool))]
    seeds = np.random.SeedSequence(seed).generate_state(links, np.uint64).tolist()
    for number, own in enumerate(seeds):
        chosen = (number * _LINK_ITEMS + np.arange(_LINK_ITEMS)) % len(data)
        items, targets = data.items(chosen), data.targets(scheme.task, chosen).astype(np.int64)
        scheme.begin(point.channel)
        air = noisy_channel(point.channel, point.snr_db, CFO_HZ, own, Numerology())
        link = Link(scheme, air, point.k or None, _ITEMS_PER_FRAME, Numerology(), mode=None)
        outcomes = list(link.send(items, targets))
        if isinstance(scheme, RefinedScheme):
            confidence = [frame.confidence for frame in scheme.answered]
        else:
            confidence = scheme.confidence
        right = [one.right for one in outcomes if one.snr_db is not None and len(one.truth)]
        judged += zip(confidence, right, strict=True)
    return np.concatenate([one for one, _ in judged]), np.concatenate([one for _, one in judged])


def link_rows(model: str, measured: str | None, quick: bool, seed: int, log: Log) -> list[Row]:
    """The largest calibration error over `LINK_K`, and that of refinement's last answers, over whole links.

    Frames are of the mode that the SNR fed back asks for. Answers to all channels' draws count together: the
    confidence has to know what a fade did to the item.

    Args:
        measured: file of a measured channel; None to leave it out.
    """
    links, rows = 2 if quick else _LINKS, []
    k_list = [k for k in weights.read_contract(model).k_list if k in LINK_K]
    for name, channel in channels(measured):
        snrs_db = LINK_SNRS_DB[:: 4 if quick else 1]
        points = [_Point(channel, snr_db, k) for snr_db in snrs_db for k in (*(k_list[:: 3 if quick else 1]), 0)]
        log(f"calibration over links, {name}: {len(points)} x {links * _LINK_ITEMS} items")
        answers = map_jobs(_over_links, points, (model, links, seed), workers(quick))
        found = {point: (_error([judged]), len(judged[1])) for point, judged in zip(points, answers, strict=True)}
        for snr_db in snrs_db:
            errors = {point.k: one for point, one in found.items() if point.snr_db == snr_db}
            last, count = errors.pop(0)
            worst = max(errors, key=lambda k: errors[k][0])
            at = f"{name}, {snr_db:g} dB, over links"
            rows += [
                Row.at_most(f"calibration error, worst k ({worst}), {at}", *_figure(errors[worst])),
                Row.at_most(f"calibration error, last answers of refinement, {at}", *_figure((last, count))),
            ]
    return rows


def _figure(found: tuple[float, int]) -> tuple[float, str, float, int]:
    return found[0], "points", GOAL_POINTS, found[1]
