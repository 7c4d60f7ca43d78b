# SPDX-License-Identifier: GPL-3.0-or-later
"""A receiver that meets the same items again and keeps what it was sure of: a local base, filled on the way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sdr_sc.evidence.knowledge.bases import best_of, fused_of
from sdr_sc.evidence.knowledge.heard import Bench, Heard, difference, heard, share
from sdr_sc.evidence.knowledge.worlds import Items
from sdr_sc.evidence.tables import APART
from sdr_sc.evidence.watched import ITEMS_PER_FRAME
from sdr_sc.places import scratch_folder
from sdr_sc.results.rows import Row
from sdr_sc.semantic.knowledge.fusion.fit import HeldOut, fit_rule, fit_temperature, without_harm
from sdr_sc.semantic.knowledge.fusion.posterior import Kernel, query_of
from sdr_sc.semantic.knowledge.fusion.rule import FusionRule
from sdr_sc.semantic.knowledge.interface import Neighbours, VectorSpace
from sdr_sc.semantic.knowledge.local import LEAST_MARGIN, Confirmed, LocalBase
from sdr_sc.semantic.knowledge.storage.state import encoder_checksum

ITEMS, TIMES, MISTAKEN = 100, 10, 10_000
EARLIER_DB, LOSES_NOTHING_DB = 20.0, 10.0
MISTAKES_AT_DB, LAST = (0.0, 10.0, 20.0), 2000
NEIGHBOURS = 16
OWN, CONFIRMED, EARLIER = "own answers", "answers confirmed by the far end", f"own answers at {EARLIER_DB:g} dB before"
_TASK = "classification"


@dataclass(frozen=True, eq=False)
class Stream:
    """Items in the order in which they are sent.

    Attributes:
        heard: as they were received.
        again: bool (n,), which were sent before.
        asked: what the local base said of each when it came.
    """

    heard: Heard
    again: np.ndarray
    asked: HeldOut


def streamed(
    bench: Bench, pool: Items, count: int, snr_db: float, how: str, temperature: float, seed: int,
    least_margin: float = LEAST_MARGIN,
) -> Stream:  # fmt: skip
    """Send items of a pool in an order by chance; after each frame the local base takes what it was sure of.

    Args:
        count: items that are sent.
        how: `OWN`, `CONFIRMED`, or `EARLIER`: then each item of the pool is sent once before, at `EARLIER_DB`.
        temperature: that makes the decoder's logits true.
        least_margin: of what the base takes.
    """
    order = np.random.default_rng(seed).integers(len(pool), size=count)
    one = heard(bench.air, bench.known, pool.some(order), snr_db, bench.k, seed)
    again = np.array([how == EARLIER or place in order[:at] for at, place in enumerate(order.tolist())])
    contract, own = bench.air.encoder.contract, len(bench.known.columns)
    dimension = 2 * contract.k_max
    space = VectorSpace(contract.model_id, encoder_checksum(contract), "features as received", dimension)
    with scratch_folder() as folder, LocalBase(Path(folder) / "local.kb", space, MISTAKEN, least_margin) as base:
        if how == EARLIER:
            first = heard(bench.air, bench.known, pool, EARLIER_DB, bench.k, seed + 1)
            base.confirm(_confirmed(first, np.arange(len(pool)), dimension, temperature, False))
        query = query_of(one.received.features, one.received.noise_variance, Kernel(0.1), dimension)
        ids, similarity, classes = [], [], []
        for start in range(0, count, ITEMS_PER_FRAME):
            frame = np.arange(start, min(start + ITEMS_PER_FRAME, count))
            found = base.search(query.vectors[frame], NEIGHBOURS, query.known)
            names = base.answers_of(found.ids, _TASK)
            ids.append(found.ids)
            similarity.append(found.similarity)
            classes.append(np.array([int(name) if name else -1 for name in names.ravel()]).reshape(names.shape))
            if how != EARLIER:
                base.confirm(_confirmed(one, frame, dimension, temperature, how == CONFIRMED))
    neighbours = Neighbours(np.concatenate(ids), np.concatenate(similarity))
    asked = HeldOut(
        snr_db, one.logits / temperature, one.items.classes, one.received.features, one.received.noise_variance,
        neighbours, np.concatenate(classes), np.full(own, 1.0 / len(pool)),
    )  # fmt: skip
    return Stream(one, again, asked)


def _confirmed(one: Heard, places: np.ndarray, dimension: int, temperature: float, by_far_end: bool) -> list[Confirmed]:
    """What a local base is given of items: as received, with the decoder's answers or the right ones."""
    found = []
    features = np.ascontiguousarray(one.received.features[places]).view(np.float32)
    scaled = one.logits[places].astype(np.float64) / temperature
    parts = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    first = np.sort(parts / parts.sum(axis=1, keepdims=True), axis=1)[:, ::-1]
    for row, place in enumerate(places.tolist()):
        vector = np.zeros(dimension, np.float32)
        vector[: features.shape[1]] = features[row]
        if not np.isfinite(vector).all() or not np.isfinite(first[row]).all():
            continue
        answer = one.items.classes[place] if by_far_end else scaled[row].argmax()
        margin = 1.0 if by_far_end else float(first[row, 0] - first[row, 1])
        found.append(Confirmed(vector, {_TASK: str(int(answer))}, margin))
    return found


def temperature_of(bench: Bench, snr_db: float) -> float:
    """By the held-out known items at this SNR."""
    one = next(iter(bench.calibration.get(snr_db, ())), None)
    if one is None:
        one = heard(bench.air, bench.known, bench.known.calibration, snr_db, bench.k, bench.seed)
    there = np.isfinite(one.logits).all(axis=1)
    return fit_temperature(one.logits[there].astype(np.float64), one.items.classes[there]) if there.any() else 1.0


def local_rule(bench: Bench, snr_db: float, how: str, seed: int) -> FusionRule:
    """Fitted on a stream of the calibration items."""
    temperature = temperature_of(bench, snr_db)
    pool = bench.known.calibration
    chosen = np.random.default_rng(seed).permutation(len(pool))[:ITEMS]
    stream = streamed(bench, pool.some(chosen), ITEMS * TIMES, snr_db, how, temperature, seed)
    entry_noise = 10 ** (-(EARLIER_DB if how == EARLIER else snr_db) / 10)
    rule = fit_rule(bench.k, [stream.asked], entry_noise=entry_noise, calibrated=True)
    return without_harm(rule, [stream.asked], 0.0, 0.0)


def repeated_rows(bench: Bench) -> list[Row]:
    """Rows of repeated items, for each way in which a local base comes to its entries."""
    rows: list[Row] = []
    for how in (OWN, CONFIRMED, EARLIER):
        kind = f"repeated items, {how}, k={bench.k}"
        bench.log(kind)
        for snr_db in bench.snrs_db:
            rule = local_rule(bench, snr_db, how, bench.seed + 10)
            rng = np.random.default_rng(bench.seed + 11)
            pool = bench.known.test.some(rng.permutation(len(bench.known.test))[:ITEMS])
            temperature = temperature_of(bench, snr_db)
            stream = streamed(bench, pool, ITEMS * TIMES, snr_db, how, temperature, bench.seed + 12)
            rows += _repeated_point(stream, rule, kind, snr_db)
    return rows


def _repeated_point(stream: Stream, rule: FusionRule, kind: str, snr_db: float) -> list[Row]:
    at, groups, truth = f"{APART}{snr_db:g} dB", stream.heard.items.groups, stream.heard.items.classes
    sure, fused = fused_of(stream.asked, stream.heard.received, rule)
    alone, right = best_of(sure) == truth, fused.best == truth
    gain = difference(f"{kind}: gain{at}", right, alone, groups)
    if snr_db > LOSES_NOTHING_DB:
        gain = Row.at_least(gain.name, gain.value, gain.unit, 0.0, gain.n or 0, gain.ci95)
    again = stream.again
    return [
        share(f"{kind}: decoder{at}", alone, groups),
        share(f"{kind}: with the local base{at}", right, groups),
        gain,
        difference(f"{kind}: gain on what was sent before{at}", right[again], alone[again], groups[again]),
    ]


def mistake_rows(bench: Bench) -> list[Row]:
    """A receiver that keeps all of its own answers, wrong ones too, for `MISTAKEN` items; and one that keeps those with
    margin."""
    rows: list[Row] = []
    for least_margin, what in ((0.0, "all own answers"), (LEAST_MARGIN, "own answers with margin")):
        kind = f"{MISTAKEN:,} items, {what} kept, k={bench.k}"
        for snr_db in MISTAKES_AT_DB:
            bench.log(f"{kind}, {snr_db:g} dB")
            rule, temperature = local_rule(bench, snr_db, OWN, bench.seed + 10), temperature_of(bench, snr_db)
            seed = bench.seed + 13
            stream = streamed(bench, bench.known.test, MISTAKEN, snr_db, OWN, temperature, seed, least_margin)
            asked = replace(stream.asked, prior=np.full(len(bench.known.columns), 1.0 / ITEMS))
            sure, fused = fused_of(asked, stream.heard.received, rule)
            truth, groups, at = stream.heard.items.classes, stream.heard.items.groups, f"{APART}{snr_db:g} dB"
            alone, right = best_of(sure) == truth, fused.best == truth
            last = np.arange(len(truth)) >= MISTAKEN - LAST
            rows.append(share(f"{kind}: decoder, last {LAST:,}{at}", alone[last], groups[last]))
            rows.append(share(f"{kind}: with the local base, last {LAST:,}{at}", right[last], groups[last]))
            rows.append(difference(f"{kind}: gain, last {LAST:,}{at}", right[last], alone[last], groups[last]))
            rows.append(changed_row(f"{kind}: answers with margin that changed{at}", sure, fused.best, snr_db, rule))
    return rows


def changed_row(name: str, sure: np.ndarray, best: np.ndarray, snr_db: float, rule: FusionRule) -> Row:
    """How many answers that the decoder had with margin are others with the base; none from 10 dB up is the goal."""
    margin = np.nan_to_num(sure).max(axis=1) >= rule.guard.confidence
    changed = float(np.count_nonzero(margin & (best != best_of(sure))))
    if snr_db < LOSES_NOTHING_DB:
        return Row(name, changed, "", n=int(margin.sum()))
    return Row.at_most(name, changed, "", 0.0, int(margin.sum()))
